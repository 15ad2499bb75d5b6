//! Which way a camera's frames take to the stream: what the camera gives, which encoders and decoders there are and what
//! the config pins make an ordered list, of which the first that can be opened is taken.
//!
//! The camera's own H.264 comes first, then H.264 inside of its JPEG pictures, then its raw pictures through an encoder,
//! then its JPEG pictures through a decoder and an encoder, then those as they are. Of the ways through an encoder those
//! come first that have the wanted size and rate: many a webcam gives raw pictures of full size five times a second.

use super::formats::{Fit, is_jpeg};
use super::m2m::M2mDevice;
use super::pipeline::Pipeline;
use crate::config::ChainKeys;
use crate::config::keys::AUTO;
use crate::format::raw;
use crate::sys::v4l2::FourCc;

/// The predecessor's word for H.264 that rides in JPEG pictures.
pub const MUXED: &str = "MJPGH264";
/// Raw formats for an encoder, the best first: those that it works with inside, with 12 bits a pixel, before those that
/// it has to convert, with 16.
const RAW: [FourCc; 8] = [
    FourCc::of(b"NV12"),
    FourCc::of(b"YU12"),
    FourCc::of(b"NV21"),
    FourCc::of(b"YV12"),
    FourCc::of(b"YUYV"),
    FourCc::of(b"UYVY"),
    FourCc::of(b"YVYU"),
    FourCc::of(b"VYUY"),
];

/// A format that a camera gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraFormat {
    /// Its code.
    pub fourcc: FourCc,
    /// It is coded, not raw.
    pub compressed: bool,
    /// How near it comes to the size and rate that are wanted.
    pub fit: Fit,
}

/// A way that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The way.
    pub pipeline: Pipeline,
    /// Why it comes before those that follow.
    pub why: String,
}

/// What there is to choose from, and by what.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// What the camera gives, in its order.
    pub given: &'a [CameraFormat],
    /// It has a unit that puts H.264 into its JPEG pictures.
    pub muxes: bool,
    /// The machine's encoders and decoders, in the order of their numbers.
    pub m2m_devices: &'a [M2mDevice],
    /// The config's key.
    pub capture_format: &'a str,
    /// What else the config pins.
    pub keys: &'a ChainKeys,
    /// In words, that there is no encoder, for where that is so.
    pub no_encoder: &'a str,
}

/// The format that the config's key pins, if it is a format of V4L2.
pub fn pinned(capture_format: &str) -> Option<FourCc> {
    FourCc::parse(capture_format).filter(|_| capture_format != AUTO)
}

fn through(input: FourCc, decoder: Option<&M2mDevice>, encoder: &M2mDevice) -> Pipeline {
    Pipeline::Encoded {
        input,
        decoder: decoder.map(|decoder| decoder.path.clone()),
        encoder: encoder.path.clone(),
    }
}

impl Options<'_> {
    /// All ways that there are, the best one first.
    ///
    /// What is pinned is among them whether the camera has it or not: opening it says what is wrong.
    pub fn pipelines(&self) -> Vec<Candidate> {
        if self.given.is_empty() {
            return Vec::new();
        }
        let (auto, staged) = (self.capture_format == AUTO, self.keys.names_a_stage());
        let pinned = pinned(self.capture_format);
        let gives = |fourcc: FourCc| self.given.iter().any(|g| g.fourcc == fourcc);
        let jpeg = gives(FourCc::MJPEG) || gives(FourCc::JPEG);
        let mut list = Vec::new();
        // Who names an encoder wants it used.
        let free = auto && !staged;
        if free && gives(FourCc::H264) || pinned == Some(FourCc::H264) {
            list.push((Pipeline::Own, "it gives H.264".to_owned()));
        }
        if free && jpeg && self.muxes || self.capture_format == MUXED {
            list.push((Pipeline::Muxed, "its H.264 comes inside of its MJPEG".to_owned()));
        }
        let as_it_is = !staged && pinned.is_some_and(is_jpeg);
        if !as_it_is && (auto || pinned.is_some_and(|fourcc| fourcc != FourCc::H264)) {
            list.extend(self.encoded(pinned));
        }
        if free && jpeg || as_it_is {
            list.push((Pipeline::Jpeg, self.why_jpeg()));
        }
        let candidate = |(pipeline, why)| Candidate {
            pipeline,
            why: if auto {
                why
            } else {
                format!("capture_format = {}", self.capture_format)
            },
        };
        list.into_iter().map(candidate).collect()
    }

    fn why_jpeg(&self) -> String {
        let none = |is: fn(&M2mDevice) -> bool| !self.m2m_devices.iter().any(is);
        if none(M2mDevice::is_encoder) {
            return format!("it gives no H.264, and {}", self.no_encoder);
        }
        let why = if none(M2mDevice::is_decoder) {
            ", and no decoder here takes its MJPEG"
        } else {
            ""
        };
        format!("it gives no H.264{why}")
    }

    fn encoders(&self) -> impl Iterator<Item = &M2mDevice> {
        let named = |device: &&M2mDevice| self.keys.encoder.as_ref().is_none_or(|name| device.is(name));
        self.m2m_devices
            .iter()
            .filter(|device| device.is_encoder())
            .filter(named)
    }

    /// The ways through an encoder: those that fit best first, and of those that fit alike the ones without a decoder.
    fn encoded(&self, pinned: Option<FourCc>) -> Vec<(Pipeline, String)> {
        let of = |key: &Option<String>| key.as_deref().and_then(FourCc::parse);
        let (decoder_input, encoder_input) = (of(&self.keys.decoder_input), of(&self.keys.encoder_input));
        let wanted =
            |g: &&CameraFormat| pinned.is_none_or(|f| f == g.fourcc || is_jpeg(f) && is_jpeg(g.fourcc));
        let given = || self.given.iter().filter(wanted);
        let known = |g: &&CameraFormat| !g.compressed && raw::is_known(g.fourcc.0.to_le_bytes());
        let rank = |g: &CameraFormat| RAW.iter().position(|f| *f == g.fourcc).unwrap_or(RAW.len());
        // No sort of std's: that is 4 kB of code each time.
        let ranked = (0..=RAW.len()).flat_map(|at| given().filter(known).filter(move |g| rank(g) == at));
        let pictures: Vec<&CameraFormat> = ranked.collect();
        let mut list = Vec::new();
        for CameraFormat { fourcc, fit, .. } in pictures.iter().filter(|_| self.keys.decoder.is_none()) {
            // The encoder takes them for something else only if both are written.
            let taken = encoder_input.unwrap_or(*fourcc);
            if taken != *fourcc && pinned.is_none() {
                continue;
            }
            for encoder in self.encoders().filter(|encoder| encoder.takes(taken)) {
                let why = format!("it gives no H.264; {} takes its {fourcc}", encoder.card);
                list.push((*fit, through(*fourcc, None, encoder), why));
            }
        }
        let why = match list.iter().map(|(fit, ..)| *fit).min() {
            None if pictures.is_empty() => "it gives JPEG pictures only, which are decoded first",
            None => "no encoder here takes its raw pictures; its JPEG pictures are decoded first",
            Some(Fit::Whole) => "its JPEG pictures are decoded first",
            Some(Fit::Slower) => "its raw pictures come too slowly; its JPEG pictures are decoded first",
            Some(Fit::Otherwise) => {
                "its raw pictures are not of that size; its JPEG pictures are decoded first"
            }
        };
        let named = self.keys.decoder.as_ref();
        // A decoder that is named gets raw pictures too: it may be a converter.
        let jpeg = given().filter(|g| is_jpeg(g.fourcc));
        for CameraFormat { fourcc, fit, .. } in
            jpeg.chain(pictures.iter().copied().filter(|_| named.is_some()))
        {
            // Each of the two names will do for a JPEG picture.
            let knows = |decoder: &M2mDevice| {
                decoder.takes(*fourcc) || is_jpeg(*fourcc) && decoder.is_decoder() || decoder_input.is_some()
            };
            let decoders = self.m2m_devices.iter().filter(|device| knows(device));
            for decoder in decoders.filter(|device| named.map_or(device.is_decoder(), |name| device.is(name)))
            {
                let passes = |f: FourCc, encoder: &M2mDevice| {
                    encoder_input.is_none_or(|wanted| wanted == f) && encoder.takes(f)
                };
                let between = |encoder: &&M2mDevice| {
                    decoder
                        .gives
                        .iter()
                        .any(|f| !f.compressed && passes(f.fourcc, encoder))
                };
                for encoder in self.encoders().filter(between) {
                    list.push((*fit, through(*fourcc, Some(decoder), encoder), why.to_owned()));
                }
            }
        }
        let fits = [Fit::Whole, Fit::Slower, Fit::Otherwise].into_iter();
        let ordered = fits.flat_map(|fit| list.iter().filter(move |(f, ..)| *f == fit));
        ordered
            .map(|(_, pipeline, why)| (pipeline.clone(), why.clone()))
            .collect()
    }
}

#[cfg(test)]
#[path = "tests/select.rs"]
mod tests;
