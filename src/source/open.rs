//! The opener: from a camera's section to an open source.

use super::device::{self, Device};
use super::exec::{Exec, not_installed};
use super::frame::Source;
use super::history::History;
use super::pattern::Pattern;
use super::select;
use super::watch::Watch;
use super::{control, lookup, rpicam};
use crate::config::{Camera, CaptureFormat, ChainKeys, DeviceName, MicName, Rpicam, SourceKind};
use crate::error::{Error, Result};
use crate::log_verbose;
use crate::sys;
use crate::sys::v4l2::FourCc;
use std::path::{Path, PathBuf};

/// The format by which a camera with several nodes is known, as the config asks for it.
fn node_format(capture_format: CaptureFormat) -> FourCc {
    match capture_format {
        CaptureFormat::MuxedH264 => FourCc::MJPEG,
        other => select::pinned(other).unwrap_or(FourCc::H264),
    }
}

/// Opens the source that `camera` names. What a device can't do as wished is logged, unless it is in the log already.
/// If no camera is named, and none was there yet, the test picture is shown in its place.
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
            input,
        } => {
            let path = lookup::find(name, node_format(*capture_format))?;
            if !matches!(name, DeviceName::Path(_)) {
                log_verbose!("{name} is {}", path.display());
            }
            let device = Device {
                path: &path,
                size: (width, height),
                fps,
                controls,
                capture_format: *capture_format,
                keys: chain,
                input,
                motion: camera.motion,
            };
            device.open(history)?
        }
        SourceKind::Auto => match find_any(camera) {
            Some(Any::Device(path)) => Device::any(&path, camera, &ChainKeys::default()).open(history)?,
            Some(Any::Sensor(_)) => Box::new(rpicam::open(camera, &Rpicam::default(), history)?),
            // Viewers of a camera are not to be shown another picture in its place.
            None if history.was_there => {
                let why = "no camera here gives H.264 or JPEG now; waiting for one";
                return Err(Error::new("/dev/video*", "camera lost", why).absent(true));
            }
            None => Box::new(Pattern::new(width, height, fps)?.placeholder()),
        },
        SourceKind::Exec { command } => {
            Box::new(Exec::start(&camera.name, &camera.section, command, history)?)
        }
        SourceKind::Rpicam(rpicam) => Box::new(rpicam::open(camera, rpicam, history)?),
        SourceKind::Test => {
            let pattern = Pattern::new(width, height, fps)?;
            Box::new(match camera.mic {
                Some(MicName::Test) => pattern.with_beep(),
                _ => pattern,
            })
        }
    })
}

/// True if a source of this kind is, or may turn out to be, another program.
pub fn runs_commands(kind: &SourceKind) -> bool {
    kind.is_command() || *kind == SourceKind::Auto && rpicam::is_installed()
}

/// The command that would run for a camera's section, in a sentence, where the program makes it; nothing is started.
pub fn planned_command(camera: &Camera) -> Option<String> {
    match &camera.source {
        SourceKind::Rpicam(rpicam) => Some(rpicam::plan(camera, rpicam)),
        _ => None,
    }
}

/// The program of a camera's command that is not installed; None if all are, or it is no command of the config's.
pub fn missing_program(camera: &Camera) -> Option<&str> {
    match &camera.source {
        SourceKind::Exec { command } => not_installed(command),
        _ => None,
    }
}

/// All controls of a camera, in the form of a config; None if it is no V4L2 device.
pub fn list_controls(camera: &Camera) -> Option<Result<String>> {
    let path = match &camera.source {
        SourceKind::Device {
            device,
            capture_format,
            ..
        } => lookup::find(device, node_format(*capture_format)),
        SourceKind::Auto => device::find(camera).map(|(path, _)| path).ok_or_else(|| {
            let why = "no camera gives H.264 or JPEG; name one: fmp4streamer -l /dev/video0";
            Error::new("/dev/video*", "can't list controls", why)
        }),
        _ => return None,
    };
    Some(path.and_then(|path| control::list(&path)))
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

/// The error for a device that is not there; None for one that is, and for other kinds of source. Nothing is started,
/// and nothing opened but to ask for a card's name: a camera that sleeps is not to be woken up each time.
pub fn absence(kind: &SourceKind) -> Option<Error> {
    let device = kind.device()?;
    match device {
        DeviceName::Path(path) if !path.exists() => {
            let why = "waiting for it to be plugged in (cameras here: fmp4streamer -L)";
            Some(Error::new(path.display(), "no such device", why).absent(true))
        }
        DeviceName::Path(_) => None,
        DeviceName::Usb(id) => lookup::usb_nodes(id).err(),
        DeviceName::Card(_) => lookup::find(device, FourCc::H264).err().filter(Error::is_absent),
    }
}

/// A watch for the device that a source of this kind may wait for, be it one of its own or any; None if it waits for no
/// device, or if there can be no watch.
pub fn watch(kind: &SourceKind) -> Option<Watch> {
    let path = match kind.device() {
        Some(DeviceName::Path(path)) => Some(path.as_path()),
        Some(_) => None,
        None if *kind == SourceKind::Auto => None,
        None => return None,
    };
    let watch = Watch::new(Path::new(lookup::DEV), path);
    watch
        .inspect_err(|errno| log_verbose!("/dev: can't be watched: {}", sys::words(*errno)))
        .ok()
}
