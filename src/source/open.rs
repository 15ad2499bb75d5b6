//! The opener: from a camera's section to an open source.

use super::device::{self, Device};
use super::exec::Exec;
use super::frame::Source;
use super::history::History;
use super::pattern::Pattern;
use super::select::{self, MUXED};
use super::watch::Watch;
use super::{lookup, rpicam};
use crate::config::{Camera, ChainKeys, DeviceName, Rpicam, SourceKind};
use crate::error::{Error, Result};
use crate::log_verbose;
use crate::sys::v4l2::FourCc;
use std::path::{Path, PathBuf};

/// The format by which a camera with several nodes is known, as the config's `capture_format` asks for it.
pub fn format(capture_format: &str) -> FourCc {
    match capture_format {
        MUXED => FourCc::MJPEG,
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
            Some(Any::Sensor(_)) => Box::new(rpicam::open(camera, &Rpicam::default(), &mut history.warned)?),
            // Viewers of a camera are not to be shown another picture in its place.
            None if history.was_there => {
                let why = "no camera here gives H.264 or JPEG now; waiting for one";
                return Err(Error::new("/dev/video*", "camera lost", why).absent(true));
            }
            None => Box::new(Pattern::new(width, height, fps)?.placeholder()),
        },
        SourceKind::Exec { command } => Box::new(Exec::start(&camera.name, command)?),
        SourceKind::Rpicam(rpicam) => Box::new(rpicam::open(camera, rpicam, &mut history.warned)?),
        SourceKind::Test => Box::new(Pattern::new(width, height, fps)?),
    })
}

/// Tells whether a source of this kind is, or may turn out to be, another program.
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

/// The error for a device that is not there; None for one that is, and for other kinds of source. Nothing is started,
/// and nothing opened but to ask for a card's name: a camera that sleeps is not to be woken up each time.
pub fn absence(kind: &SourceKind) -> Option<Error> {
    let SourceKind::Device { device, .. } = kind else {
        return None;
    };
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
