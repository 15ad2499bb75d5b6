//! A camera with an encoder behind it, and a decoder between the two where it gives JPEG pictures, or a converter.
//!
//! All devices are polled at once, and none is waited for by itself. Raw pictures stay in the encoder's memory where both
//! sides can do that: the camera, or the decoder, writes right into it.

use super::capture::{BUFFERS, Capture, CaptureConfig, CaptureDevice, CaptureNode, Round, Taken};
use super::control::{self, ControlNode};
use super::frame::{Drops, Frame, Signal, Source, SourceInfo};
use super::history::warn_once;
use super::m2m::{CodecNode, Raw, Stage};
use super::node::gone;
use crate::config::Setting;
use crate::error::{Error, Result};
use crate::format::{Codec, jpeg, raw};
use crate::log_verbose;
use crate::sys::poll::{PollFlags, events, poll, readable};
use crate::sys::v4l2::{self, DequeuedBuffer, FourCc, Fraction, Layout};
use crate::sys::{self, Errno};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Raw formats between a decoder and an encoder, best first.
const BETWEEN: [FourCc; 2] = [FourCc::of(b"NV12"), FourCc::of(b"YU12")];
/// Raw pictures are looked at five times a second; their times are not exact.
const LOOK_US: u64 = 190_000;
/// Changes of size that a decoder may report with no picture in between.
const CHANGES_MAX: u32 = 5;

/// The transfer of frames from one device to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transfer {
    /// Without a copy where both devices can, else with one.
    #[default]
    Auto,
    /// Copied.
    Copy,
    /// The first device writes into the buffers of the second one (DMABUF); it is a warning if it can't.
    Share,
}

impl Transfer {
    /// Some(true) where there must be no copy, Some(false) where there must be one.
    fn no_copy(self) -> Option<bool> {
        match self {
            Transfer::Auto => None,
            Transfer::Copy => Some(false),
            Transfer::Share => Some(true),
        }
    }
}

/// The config of a chain.
#[derive(Debug, Clone, Copy)]
pub struct ChainConfig<'a> {
    /// The camera, with a raw format, or, if there is a decoder for them, one of the two names of JPEG. Never muxed.
    pub camera: CaptureConfig<'a>,
    /// The decoder that makes raw pictures of JPEG ones, or of raw ones of another format.
    pub decoder: Option<&'a Path>,
    /// The decoder's name for the format of the camera; None: the name that it knows.
    pub decoder_input: Option<FourCc>,
    /// Controls of the decoder.
    pub decoder_controls: &'a [Setting],
    /// The encoder that makes H.264 of raw pictures.
    pub encoder: &'a Path,
    /// The raw format between the decoder and the encoder, or the one that the encoder is to take the camera's for; None:
    /// one that both have.
    pub encoder_input: Option<FourCc>,
    /// Controls of the encoder; they are set after our own defaults.
    pub encoder_controls: &'a [Setting],
    /// Motion is looked for: samples of raw pictures are given, and one of those defaults is a floor under the encoder's quantization, so
    /// that it does not code noise.
    pub motion: bool,
    /// From the camera to the next device. (JPEG pictures are always copied to a decoder: what it can't take is mended
    /// before that.)
    pub camera_transfer: Transfer,
    /// From the decoder to the encoder.
    pub decoder_transfer: Transfer,
}

/// The plan of an encoder behind a decoder, which is made again when the decoder gives another size.
struct Plan {
    path: PathBuf,
    interval: Fraction,
    settings: Vec<Setting>,
    qp_floor: bool,
    transfer: Transfer,
}

/// The looks at raw pictures.
#[derive(Default)]
struct Looks {
    /// The capture of the picture that was looked at last.
    captured_us: u64,
    samples: Vec<u8>,
}

/// An open chain. Dropping it stops and closes its devices.
pub struct Chain {
    pub(super) info: SourceInfo,
    // In this order: what is lent goes back before what it is lent from goes.
    encoder: Option<Stage>,
    decoder: Option<(Stage, Plan)>,
    camera: Capture,
    looks: Option<Looks>,
    /// Of encoders that there are no more.
    drops: Drops,
    changes: u32,
}

/// Opens the devices and starts them as `wanted`, or as near as they get. What did not go as wanted is logged as
/// warnings, but not what is already in `warned`.
///
/// # Errors
/// Which of the devices does not go on, and why, in words.
// In line, its stages would be in the caller's frame, too large for short instructions.
#[inline(never)]
pub fn open(wanted: &ChainConfig<'_>, warned: &mut Vec<String>) -> Result<Chain> {
    let warn = &mut |words| warn_once(warned, words);
    let device = set_up_camera(&wanted.camera, warn)?;
    let format = device.layout.format;
    let interval = interval(device.fps.unwrap_or_else(|| f64::from(wanted.camera.fps)));
    let encoder = CodecNode::open(wanted.encoder, "encoder")?;
    let mut words = format!(
        "{} ({}) {} {}x{}",
        device.path.display(),
        device.card,
        format.fourcc,
        format.width,
        format.height
    );
    let mut add = |node: &CodecNode, gives: FourCc| {
        words += &format!(" → {} ({}) {gives}", node.path.display(), node.card);
    };
    let (encoder, decoder, queue) = match wanted.decoder {
        Some(path) => {
            let decoder = CodecNode::open(path, "decoder")?;
            // The Raspberry Pi's knows them by this name.
            let mjpeg = decoder.takes().contains(&FourCc::MJPEG);
            let named = match format.fourcc {
                FourCc::MJPEG | FourCc::JPEG if mjpeg => FourCc::MJPEG,
                FourCc::MJPEG | FourCc::JPEG => FourCc::JPEG,
                raw => raw,
            };
            let source = (&device.layout, wanted.decoder_input.unwrap_or(named));
            let mut between = format.fourcc;
            let choose = &mut |decoder: &CodecNode| {
                between = raw_between(decoder, &encoder, wanted.encoder_input)?;
                Ok(between)
            };
            let mut decoder = Stage::decoder(decoder, source, choose, wanted.decoder_controls, warn)?;
            add(&decoder.node, between);
            let plan = Plan {
                path: wanted.encoder.to_owned(),
                interval,
                settings: wanted.encoder_controls.to_vec(),
                qp_floor: wanted.motion,
                transfer: wanted.decoder_transfer,
            };
            let encoder = link(&mut decoder, encoder, &plan, warn)?;
            let end = (&device.file, device.kind);
            let queue = decoder.source_queue(end, wanted.camera_transfer.no_copy(), warn);
            (encoder, Some((decoder, plan)), queue)
        }
        None => {
            let source = Raw {
                layout: device.layout,
                visible: (format.width, format.height),
            };
            let named = wanted.encoder_input.unwrap_or(format.fourcc);
            let defaults = (interval, wanted.motion);
            let settings = wanted.encoder_controls;
            let mut encoder = Stage::encoder(encoder, (&source, named), defaults, settings, warn)?;
            let end = (&device.file, device.kind);
            let queue = encoder.source_queue(end, wanted.camera_transfer.no_copy(), warn);
            (encoder, None, queue)
        }
    };
    let queue = queue.map_err(|e| device.failed("can't start the stream", e))?;
    add(&encoder.node, FourCc::H264);
    Ok(Chain {
        info: SourceInfo {
            chain: words,
            ..device.info()
        },
        encoder: Some(encoder),
        decoder,
        camera: Capture::new(device, queue),
        looks: wanted.motion.then(Looks::default),
        drops: Drops::default(),
        changes: 0,
    })
}

fn set_up_camera(camera: &CaptureConfig<'_>, warn: &mut dyn FnMut(String)) -> Result<CaptureDevice> {
    let node = CaptureNode::open(camera, warn)?;
    control::apply(&node.file, camera.path, camera.controls, None, warn);
    let device = node.set_up((camera.width, camera.height), camera.fps, warn)?;
    let Layout { format, planes, .. } = device.layout;
    if planes != 1 {
        let why = format!(
            "{} comes in several pieces of memory; set another capture_format",
            format.fourcc
        );
        return Err(Error::new(camera.path.display(), "can't be encoded", why));
    }
    Ok(device)
}

/// The frame interval for a rate, exact for those like 29.97.
fn interval(fps: f64) -> Fraction {
    Fraction {
        numerator: 1000,
        denominator: (fps * 1000.0).round().max(1.0) as u32,
    }
}

/// The raw format between a decoder and an encoder.
fn raw_between(decoder: &CodecNode, encoder: &CodecNode, wanted: Option<FourCc>) -> Result<FourCc> {
    let (gives, takes) = (decoder.gives(), encoder.takes());
    let known = |fourcc: &FourCc| raw::is_known(fourcc.0.to_le_bytes());
    let both = |fourcc: &FourCc| gives.contains(fourcc) && takes.contains(fourcc);
    let first = BETWEEN.iter().chain(gives.iter().filter(|fourcc| known(fourcc)));
    wanted.or_else(|| first.copied().find(both)).ok_or_else(|| {
        let list = |formats: &[FourCc]| {
            formats
                .iter()
                .map(FourCc::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let why = format!(
            "it gives {}, and the encoder takes {}",
            list(&gives),
            list(&takes)
        );
        Error::new(decoder.path.display(), "can't be decoded for the encoder", why)
    })
}

/// Makes an encoder for what `decoder` gives, and lets that give it.
fn link(decoder: &mut Stage, encoder: CodecNode, plan: &Plan, warn: &mut dyn FnMut(String)) -> Result<Stage> {
    let source = decoder.raw()?;
    let named = source.layout.format.fourcc;
    let defaults = (plan.interval, plan.qp_floor);
    let mut encoder = Stage::encoder(encoder, (&source, named), defaults, &plan.settings, warn)?;
    let end = (&decoder.node.file, decoder.node.kind);
    let queue = encoder.source_queue(end, plan.transfer.no_copy(), warn);
    decoder.give_into(queue.map_err(|e| decoder.node.no_buffers(e))?);
    Ok(encoder)
}

impl Source for Chain {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> Result<()> {
        let [camera, encoder, decoder] = self.wait(wake, timeout)?;
        let Some(stage) = &mut self.encoder else {
            return self.relink(sink);
        };
        // From the end to the beginning, so that there is room for what comes.
        let encoded = work(stage, encoder, &mut |given| {
            if given.lost {
                sink(Signal::Gap);
            }
            let Some((frame, captured_us)) = given.frame else {
                return Ok(());
            };
            self.changes = 0;
            sink(Signal::Frame(Frame {
                codec: Codec::H264,
                data: frame.data(),
                captured_us,
            }));
            frame.give_back()
        });
        encoded.map_err(|errno| lost(&self.camera, stage, errno))?;
        if stage.ended {
            return Err(stage.lost(Errno::EPIPE));
        }
        if let Some((from, _)) = &mut self.decoder {
            if decoder.contains(PollFlags::POLLPRI) && from.changed() || from.ended {
                return self.relink(sink);
            }
            let mut submitted = Ok(());
            let decoded = work(from, decoder, &mut |given| {
                if let Some((frame, captured_us)) = given.frame {
                    look(&mut self.looks, stage, (&frame, captured_us), sink);
                    submitted = stage.submit(frame, captured_us);
                }
                submitted
            });
            // Whose fault it is.
            submitted.map_err(|errno| stage.lost(errno))?;
            decoded.map_err(|errno| lost(&self.camera, from, errno))?;
        }

        let mut round = Round::new(camera);
        while let Some(taken) = self.camera.take(&mut round)? {
            let Some((frame, captured_us)) = taken.frame else {
                continue;
            };
            let (next, is_encoder) = match &mut self.decoder {
                Some((decoder, _)) => (decoder, false),
                None => (&mut *stage, true),
            };
            let fault = if next.takes_jpeg() {
                jpeg::Picture::parse(frame.data()).err()
            } else {
                (frame.filled_bytes() < next.least_bytes()).then_some("it is too short")
            };
            if fault.is_some() {
                self.camera.drops.damaged += 1;
                self.camera.drops.fault = fault;
                frame.give_back().map_err(|errno| self.camera.lost(errno))?;
                continue;
            }
            if next.takes_jpeg() {
                sink(Signal::Frame(Frame {
                    codec: Codec::Jpeg,
                    data: frame.data(),
                    captured_us,
                }));
            }
            if is_encoder {
                look(&mut self.looks, next, (&frame, captured_us), sink);
            }
            self.camera.record_frame();
            next.submit(frame, captured_us)
                .map_err(|errno| lost(&self.camera, next, errno))?;
        }
        self.camera.check("frame")?;
        stage.check()?;
        self.decoder
            .as_ref()
            .map_or(Ok(()), |(decoder, _)| decoder.check())
    }

    fn set_controls(&mut self, settings: &[Setting]) -> bool {
        self.camera.set_controls(settings)
    }

    fn control_nodes(&self) -> Vec<ControlNode> {
        let encoder = self.encoder.as_ref().and_then(|encoder| {
            Some(ControlNode {
                file: encoder.node.file.try_clone().ok()?,
                path: None,
            })
        });
        self.camera.control_node().into_iter().chain(encoder).collect()
    }

    fn request_key_frame(&mut self) {
        if let Some(encoder) = &self.encoder {
            encoder.request_key_frame();
        }
    }

    fn drops(&self) -> Drops {
        let mut drops = self.camera.drops;
        drops.slow += self.drops.slow;
        drops.damaged += self.drops.damaged;
        let stages = self
            .encoder
            .iter()
            .chain(self.decoder.iter().map(|(stage, _)| stage));
        for stage in stages {
            drops.slow += stage.slow;
            drops.damaged += stage.damaged;
        }
        drops
    }
}

/// Gives samples of a raw picture that the encoder is to be given, if it is time for that.
fn look(
    looks: &mut Option<Looks>,
    encoder: &Stage,
    (frame, captured_us): (&DequeuedBuffer, u64),
    sink: &mut dyn FnMut(Signal<'_>),
) {
    let Some(looks) = looks else { return };
    if captured_us.saturating_sub(looks.captured_us) >= LOOK_US && encoder.sample(frame, &mut looks.samples) {
        looks.captured_us = captured_us;
        let samples = &looks.samples;
        sink(Signal::Raw { captured_us, samples });
    }
}

/// Takes what a stage gives, then lets it go on. `events` is what poll(2) says of it.
fn work(
    stage: &mut Stage,
    events: PollFlags,
    sink: &mut dyn FnMut(Taken) -> sys::Result<()>,
) -> sys::Result<()> {
    if !events.is_empty() && !events.intersects(PollFlags::POLLIN | PollFlags::POLLOUT | PollFlags::POLLPRI) {
        // There is nothing to take, and poll(2) would say it for ever.
        return Err(Errno::EIO);
    }
    // One round, as of a camera: one that gives without end is not to hold the others up.
    for _ in 0..BUFFERS {
        let Some(given) = stage.take()? else { break };
        sink(given)?;
    }
    stage.feed()
}

/// The error where `stage` failed. It also gives the camera its buffers back, so the camera may be what is gone.
fn lost(camera: &Capture, stage: &Stage, errno: Errno) -> Error {
    if gone(errno) && v4l2::query_capabilities(&camera.device.file).is_err() {
        camera.lost(errno)
    } else {
        stage.lost(errno)
    }
}

impl Chain {
    /// Waits for any of the devices, and gives what is ready of each.
    fn wait(&mut self, wake: BorrowedFd<'_>, timeout: Duration) -> Result<[PollFlags; 3]> {
        let decoder = self.decoder.as_ref().map(|(stage, _)| stage);
        let stages = [self.encoder.as_ref(), decoder];
        let mut time = timeout.min(self.camera.patience_left());
        for stage in stages.iter().flatten() {
            time = time.min(stage.patience_left());
        }
        // In the place of a device that is not there `wake` is polled once more.
        let wake = readable(wake);
        let [encoder, decoder] = stages.map(|stage| stage.map_or(wake.clone(), Stage::poll_fd));
        let camera = self.camera.poll_fd();
        let mut files = [camera, encoder, decoder, wake];
        poll(&mut files, Some(time)).map_err(|errno| self.camera.lost(errno))?;
        let [camera, encoder, decoder, _] = files.map(|file| events(&file));
        Ok([camera, encoder, decoder])
    }

    /// Another encoder, for what the decoder gives from now on.
    fn relink(&mut self, sink: &mut dyn FnMut(Signal<'_>)) -> Result<()> {
        let Some((decoder, plan)) = &mut self.decoder else {
            return Ok(());
        };
        self.changes += 1;
        if self.changes > CHANGES_MAX {
            let why = "the decoder reports another size again and again, and gives no picture";
            return Err(Error::new(decoder.node.path.display(), "camera lost", why));
        }
        if let Some(old) = self.encoder.take() {
            self.drops.slow += old.slow;
            self.drops.damaged += old.damaged;
        }
        decoder.stop_giving();
        let encoder = CodecNode::open(&plan.path, "encoder")?;
        self.encoder = Some(link(decoder, encoder, plan, &mut |words| {
            log_verbose!("{words}")
        })?);
        sink(Signal::Gap);
        Ok(())
    }
}
