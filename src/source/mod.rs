//! Where frames come from: a V4L2 camera, a command's standard output, or the built-in test picture.

pub mod camera;
mod capture;
pub mod chain;
pub mod controls;
pub mod device;
pub mod exec;
mod formats;
pub mod lookup;
mod m2m;
pub mod pattern;
pub mod probe;
pub mod rpicam;
pub mod select;
pub mod uvcx;
mod watch;

pub use watch::Watch;

use crate::config::{Camera, ChainKeys, DeviceName, Rpicam, Setting, SourceKind};
use crate::error::{Error, Result};
use crate::format::Codec;
use crate::sys::v4l2::FourCc;
use crate::{log_verbose, log_warning};
use device::Device;
use exec::Exec;
use pattern::Pattern;
use select::{MUXED, Pipeline};
use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One coded picture, lent by its source for the length of a call.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// How it is coded.
    pub codec: Codec,
    /// H.264 in the byte stream format (Rec. ITU-T H.264 Annex B), one access unit; or JPEG, maybe with padding
    /// behind it.
    pub data: &'a [u8],
    /// When it was captured, CLOCK_MONOTONIC in microseconds.
    pub captured_us: u64,
}

/// What a source hands over.
#[derive(Debug, Clone, Copy)]
pub enum Signal<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// Frames were lost or damaged here: what follows can't be decoded before the next key frame.
    Gap,
}

/// What a source knows of itself once it is open; for the log and /status, never for the stream's own
/// description.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceInfo {
    /// In words, such as "HD Pro Webcam C920".
    pub description: String,
    /// The driver's word on the frame rate, in frames a second.
    pub fps: Option<f64>,
    /// This is the built-in picture standing in until a camera appears.
    pub placeholder: bool,
    /// It is a program of its own, which takes its time to start.
    pub command: bool,
    /// What frames pass through, such as "/dev/video0 (C270) YUYV 1280x720 → /dev/video11 (bcm2835-codec) H264"; empty
    /// where that is no V4L2 device.
    pub chain: String,
    /// Why it is this chain and no other.
    pub why: String,
    /// The way that was chosen, where there may be others.
    pub pipeline: Option<Pipeline>,
    /// The JPEG pictures that its H.264 is made of come, too.
    pub jpeg_too: bool,
}

/// Frames that a source lost, counted since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drops {
    /// Frames missing by the driver's sequence numbers.
    pub gaps: u64,
    /// Frames that the driver marked as damaged, or that were not whole in a command's output.
    pub damaged: u64,
    /// Frames too short to hold anything.
    pub short: u64,
    /// Frames whose driver timestamp could not be believed; they took their arrival time.
    pub bad_time: u64,
    /// Frames for which a decoder or an encoder had no time: always the oldest ones.
    pub slow: u64,
}

/// An open source. Dropping it stops and releases the device or the command, without blocking for long.
pub trait Source {
    /// What is known of the open source.
    fn info(&self) -> &SourceInfo;

    /// Waits until there is something, `wake` is readable or `timeout` is over, and gives `sink` what has
    /// come. Returns early without a frame whenever it likes; never drains `wake`.
    ///
    /// # Errors
    /// The source is of no more use (unplugged, ended, broken): drop it and open it again.
    fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> Result<()>;

    /// Asks for a key frame as soon as can be; false where the source has no way to.
    fn request_key_frame(&mut self) -> bool {
        false
    }

    /// Sets controls of the device while it streams; false where that can't be, or one is refused: then it has to be
    /// opened anew.
    fn set_controls(&mut self, _controls: &[Setting]) -> bool {
        false
    }

    /// The losses so far.
    fn drops(&self) -> Drops {
        Drops::default()
    }
}

/// The format by which a camera with several nodes is known, as the config's `capture_format` asks for it.
pub fn format(capture_format: &str) -> FourCc {
    match capture_format {
        MUXED => FourCc::MJPEG,
        other => select::pinned(other).unwrap_or(FourCc::H264),
    }
}

/// What was learnt of a camera when it was open before.
#[derive(Default)]
pub struct History {
    /// It was there once, and not just the test picture in its place.
    pub was_there: bool,
    /// What the log has about what can't be as wished: waking up is no reason to say it again.
    pub said: HashSet<String>,
    /// The ways that could be opened and gave nothing, each as often as that was so, and why.
    failed: Vec<(Pipeline, Error)>,
}

impl History {
    /// An open source was lost; whether anything `came` this way before. A way that gave nothing twice is not gone again
    /// until the camera was away, if there is another one.
    pub fn record_failure(&mut self, pipeline: Option<Pipeline>, came: bool, why: &Error) {
        if why.is_absent() {
            self.failed.clear();
        } else if let Some(pipeline) = pipeline {
            if came {
                self.failed.retain(|(failed, _)| *failed != pipeline);
            } else {
                self.failed.push((pipeline, why.clone()));
            }
        }
    }

    fn failure(&self, pipeline: &Pipeline) -> Option<&Error> {
        let mut failures = self.failed.iter().filter(|(failed, _)| failed == pipeline);
        failures.nth(1).map(|(_, why)| why)
    }
}

/// Logs what can't be as wished, if it is not in the log already.
fn warn_once(said: &mut HashSet<String>, words: String) {
    if said.insert(words.clone()) {
        log_warning!("{words}");
    }
}

/// Opens the source that `camera` names. What a device can't do as wished is logged, but for what is said already.
/// Where no camera is named, and none was there yet, the test picture stands in for it.
///
/// # Errors
/// It is not there or can't be used; the error says what to do.
pub fn open(camera: &Camera, history: &mut History) -> Result<Box<dyn Source>> {
    let Camera {
        width, height, fps, ..
    } = *camera;
    Ok(match &camera.source {
        SourceKind::Device {
            device: name,
            controls,
            capture_format,
            chain,
        } => {
            let path = lookup::find(name, format(capture_format))?;
            if !matches!(name, DeviceName::Path(_)) {
                log_verbose!("{name} is {}", path.display());
            }
            let device = Device {
                path: &path,
                camera,
                controls,
                capture_format,
                keys: chain,
            };
            device.open(history)?
        }
        SourceKind::Auto => match find_any(camera) {
            Some(Any::Device(path)) => Device::any(&path, camera, &ChainKeys::default()).open(history)?,
            Some(Any::Sensor(_)) => Box::new(rpicam::open(camera, &Rpicam::default(), &mut history.said)?),
            // Who watched a camera is not to be shown another picture in its place.
            None if history.was_there => {
                let why = "no camera here gives H.264 or JPEG now; it is waited for";
                return Err(Error::new("/dev/video*", "camera lost", why).absent(true));
            }
            None => Box::new(Pattern::new(width, height, fps)?.placeholder()),
        },
        SourceKind::Exec { command } => Box::new(Exec::start(&camera.name, command)?),
        SourceKind::Rpicam(rpicam) => Box::new(rpicam::open(camera, rpicam, &mut history.said)?),
        SourceKind::Test => Box::new(Pattern::new(width, height, fps)?),
    })
}

/// Whether a source of this kind is, or may turn out to be, another program.
pub fn runs_commands(kind: &SourceKind) -> bool {
    match kind {
        SourceKind::Exec { .. } | SourceKind::Rpicam(_) => true,
        SourceKind::Auto => rpicam::is_installed(),
        SourceKind::Device { .. } | SourceKind::Test => false,
    }
}

/// A camera that nobody named.
pub enum Any {
    /// One that this program reads itself.
    Device(PathBuf),
    /// A Raspberry Pi's own, which libcamera reads.
    Sensor(PathBuf),
}

/// The camera that is served where none is named: H.264 goes before JPEG pictures.
pub fn find_any(camera: &Camera) -> Option<Any> {
    let found = device::find(camera);
    match found {
        Some((path, true)) => Some(Any::Device(path)),
        _ => match lookup::pi_sensor() {
            Some(path) => Some(Any::Sensor(path)),
            None => found.map(|(path, _)| Any::Device(path)),
        },
    }
}

/// Why `kind` can't be had at all, if it is a device that is not there. Nothing is started, and nothing opened but
/// to ask for a card's name: a camera that sleeps is not to be woken up each time.
pub fn absence(kind: &SourceKind) -> Option<Error> {
    let SourceKind::Device { device, .. } = kind else {
        return None;
    };
    match device {
        DeviceName::Path(path) if !path.exists() => {
            Some(Error::new(path.display(), "no such device", "it is waited for").absent(true))
        }
        DeviceName::Path(_) => None,
        DeviceName::Usb(id) => lookup::usb_nodes(id).err(),
        DeviceName::Card(_) => lookup::find(device, FourCc::H264).err().filter(Error::is_absent),
    }
}

/// A watch for what `kind` may wait for, be it a device of its own or any; None if that is no device, or if
/// there can be no watch.
pub fn watch(kind: &SourceKind) -> Option<Watch> {
    let path = match kind {
        SourceKind::Device {
            device: DeviceName::Path(path),
            ..
        } => Some(path.as_path()),
        SourceKind::Device { .. } | SourceKind::Auto => None,
        SourceKind::Exec { .. } | SourceKind::Rpicam(_) | SourceKind::Test => return None,
    };
    let watch = Watch::new(Path::new(lookup::DEV), path);
    watch
        .inspect_err(|errno| log_verbose!("/dev: can't be watched: {}", errno.desc()))
        .ok()
}
