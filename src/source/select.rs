//! Selects the pipelines by which a camera's frames can become the stream: the camera's formats, the machine's encoders
//! and decoders and what the config pins make an ordered list, of which the first that can be opened is taken.
//!
//! The camera's own H.264 comes first, then H.264 inside of its JPEG pictures, then its raw pictures through an encoder,
//! then its JPEG pictures through a decoder and an encoder, then those as they are. Of the pipelines through an encoder
//! those come first that have the wanted size and rate: many a webcam gives raw pictures of full size five times a second.

use super::formats::{Fit, is_jpeg};
use super::m2m::M2mDevice;
use super::pipeline::Pipeline;
use super::ranked::insert_ranked;
use crate::config::{CaptureFormat, ChainKeys};
use crate::format::raw;
use crate::sys::v4l2::FourCc;

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
    /// The measure of how near it comes to the size and rate that are wanted.
    pub fit: Fit,
}

/// A pipeline that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The reason why it comes before those that follow.
    pub why: String,
}

/// The options of a selection: what there is, and what the config pins.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The camera's formats, in its order.
    pub given: &'a [CameraFormat],
    /// It has a unit that puts H.264 into its JPEG pictures.
    pub muxes: bool,
    /// The machine's encoders and decoders, in the order of their numbers.
    pub m2m_devices: &'a [M2mDevice],
    /// The config's key.
    pub capture_format: CaptureFormat,
    /// The config's other keys of the pipeline.
    pub keys: &'a ChainKeys,
    /// The words for a machine without an encoder.
    pub no_encoder: &'a str,
}

/// The format that the config's key pins, if it is a format of V4L2.
pub fn pinned(capture_format: CaptureFormat) -> Option<FourCc> {
    capture_format.letters().map(|letters| FourCc::of(&letters))
}

impl Options<'_> {
    /// All pipelines that there are, the best one first.
    ///
    /// What is pinned is among them whether the camera has it or not: opening it says what is wrong.
    pub fn pipelines(&self) -> Vec<Candidate> {
        if self.given.is_empty() {
            return Vec::new();
        }
        let (auto, staged) = (
            self.capture_format == CaptureFormat::Auto,
            self.keys.names_a_stage(),
        );
        let pinned = pinned(self.capture_format);
        let gives = |fourcc: FourCc| self.given.iter().any(|g| g.fourcc == fourcc);
        let jpeg = gives(FourCc::MJPEG) || gives(FourCc::JPEG);
        let mut list = Vec::new();
        let mut add = |pipeline, why| {
            let why = match self.capture_format {
                CaptureFormat::Auto => why,
                pinned => format!("capture_format = {pinned}"),
            };
            list.push(Candidate { pipeline, why });
        };
        // An encoder that is named is to be used.
        let free = auto && !staged;
        if free && gives(FourCc::H264) || pinned == Some(FourCc::H264) {
            add(Pipeline::Own, "it gives H.264".to_owned());
        }
        if free && jpeg && self.muxes || self.capture_format == CaptureFormat::MuxedH264 {
            add(Pipeline::Muxed, "its H.264 comes inside of its MJPEG".to_owned());
        }
        let as_it_is = !staged && pinned.is_some_and(is_jpeg);
        if !as_it_is && (auto || pinned.is_some_and(|fourcc| fourcc != FourCc::H264)) {
            for Encoded { pipeline, why, .. } in self.encoded(pinned) {
                add(pipeline, why);
            }
        }
        if free && jpeg || as_it_is {
            add(Pipeline::Jpeg, self.why_jpeg());
        }
        list
    }

    /// The reason why JPEG pictures are served as they are.
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

    /// The encoders that may be used.
    fn encoders(&self) -> impl Iterator<Item = &M2mDevice> {
        let named = |device: &&M2mDevice| self.keys.encoder.as_ref().is_none_or(|name| device.is(name));
        let encoders = self.m2m_devices.iter().filter(|device| device.is_encoder());
        encoders.filter(named)
    }

    /// The decoders that may be used for a format. One that is named gets raw pictures too: it may be a converter.
    fn decoders(&self, fourcc: FourCc) -> impl Iterator<Item = &M2mDevice> {
        let renamed = self.keys.decoder_input.is_some();
        // Each of the two names will do for a JPEG picture.
        let takes = move |device: &&M2mDevice| {
            renamed || device.takes(fourcc) || is_jpeg(fourcc) && device.is_decoder()
        };
        let may_be_used = |device: &&M2mDevice| match &self.keys.decoder {
            Some(name) => device.is(name),
            None => device.is_decoder(),
        };
        self.m2m_devices.iter().filter(takes).filter(may_be_used)
    }

    /// The camera's formats that the pinned one allows.
    fn allowed(&self, pinned: Option<FourCc>) -> impl Iterator<Item = &CameraFormat> {
        let is_it = move |wanted: FourCc, fourcc| wanted == fourcc || is_jpeg(wanted) && is_jpeg(fourcc);
        let allowed = move |format: &&CameraFormat| pinned.is_none_or(|wanted| is_it(wanted, format.fourcc));
        self.given.iter().filter(allowed)
    }

    /// The pipelines through an encoder: those that fit best first, and of those that fit alike the ones without a
    /// decoder.
    fn encoded(&self, pinned: Option<FourCc>) -> Vec<Encoded> {
        let mut raw_formats = Vec::new();
        for format in self.allowed(pinned) {
            if !format.compressed && raw::is_known(format.fourcc.0.to_le_bytes()) {
                let rank =
                    |f: &&CameraFormat| RAW.iter().position(|raw| *raw == f.fourcc).unwrap_or(RAW.len());
                insert_ranked(&mut raw_formats, format, rank);
            }
        }
        let mut list = Vec::new();
        if self.keys.decoder.is_none() {
            for format in &raw_formats {
                self.add_direct(&mut list, format, pinned.is_some());
            }
        }
        let why = match list.first().map(|Encoded { fit, .. }| fit) {
            None if raw_formats.is_empty() => "it gives JPEG pictures only, which are decoded first",
            None => "no encoder here takes its raw pictures; its JPEG pictures are decoded first",
            Some(Fit::Whole) => "its JPEG pictures are decoded first",
            Some(Fit::Slower) => "its raw pictures come too slowly; its JPEG pictures are decoded first",
            Some(Fit::Otherwise) => {
                "its raw pictures are not of that size; its JPEG pictures are decoded first"
            }
        };
        for format in self.allowed(pinned).filter(|format| is_jpeg(format.fourcc)) {
            self.add_decoded(&mut list, format, why);
        }
        if self.keys.decoder.is_some() {
            for format in raw_formats {
                self.add_decoded(&mut list, format, why);
            }
        }
        list
    }

    /// Adds the pipelines of a raw format right into an encoder.
    fn add_direct(&self, list: &mut Vec<Encoded>, format: &CameraFormat, pinned: bool) {
        let fourcc = format.fourcc;
        // The encoder takes them for something else only if both are written.
        let taken = fourcc_of(&self.keys.encoder_input).unwrap_or(fourcc);
        if taken != fourcc && !pinned {
            return;
        }
        for encoder in self.encoders().filter(|encoder| encoder.takes(taken)) {
            let why = format!("it gives no H.264; {} takes its {fourcc}", encoder.card);
            insert_ranked(list, Encoded::new(format, None, encoder, why), |encoded| {
                encoded.fit
            });
        }
    }

    /// Adds the pipelines of a format through a decoder and an encoder that have a raw format in common.
    fn add_decoded(&self, list: &mut Vec<Encoded>, format: &CameraFormat, why: &str) {
        let between = fourcc_of(&self.keys.encoder_input);
        for decoder in self.decoders(format.fourcc) {
            let gives = decoder.gives.iter().filter(|f| !f.compressed).map(|f| f.fourcc);
            let gives = gives.filter(|fourcc| between.is_none_or(|wanted| wanted == *fourcc));
            let gives: Vec<FourCc> = gives.collect();
            let takes_it = |encoder: &&M2mDevice| gives.iter().any(|fourcc| encoder.takes(*fourcc));
            for encoder in self.encoders().filter(takes_it) {
                let encoded = Encoded::new(format, Some(decoder), encoder, why.to_owned());
                insert_ranked(list, encoded, |encoded| encoded.fit);
            }
        }
    }
}

/// A pipeline through an encoder.
struct Encoded {
    /// The fit of the camera's format.
    fit: Fit,
    pipeline: Pipeline,
    why: String,
}

impl Encoded {
    fn new(format: &CameraFormat, decoder: Option<&M2mDevice>, encoder: &M2mDevice, why: String) -> Encoded {
        Encoded {
            fit: format.fit,
            pipeline: Pipeline::Encoded {
                input: format.fourcc,
                decoder: decoder.map(|decoder| decoder.path.clone()),
                encoder: encoder.path.clone(),
            },
            why,
        }
    }
}

/// The format that a key of the config names, if it is set.
fn fourcc_of(key: &Option<String>) -> Option<FourCc> {
    key.as_deref().and_then(FourCc::parse)
}

#[cfg(test)]
#[path = "tests/select.rs"]
mod tests;
