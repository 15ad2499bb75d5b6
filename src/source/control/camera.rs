//! All controls of a camera: those of V4L2, and the fields of its extension units.

use super::uvcx::{self, Encoder, Muxed, is_field};
use super::v4l2;
use crate::config::Setting;
use crate::error::Result;
use crate::source::node::open_device;
use crate::sys::v4l2::Capabilities;
use std::fs::File;
use std::path::Path;

/// Sets what the config asks for, before the format is set: some cameras need that order. Gives the encoder of a camera
/// with an H.264 unit. Nothing here is fatal: `warn` is given a sentence for each setting that did not go as written.
pub fn apply(
    file: &File,
    path: &Path,
    settings: &[Setting],
    muxed: Option<Muxed>,
    warn: &mut dyn FnMut(String),
) -> Option<Encoder> {
    let device = path.to_string_lossy();
    v4l2::apply(file, &device, settings)
        .into_iter()
        .for_each(&mut *warn);
    uvcx::apply(file, &device, settings, muxed, warn)
}

/// True for a control that turns the camera, or zooms.
pub fn turns(name: &str) -> bool {
    ["pan_", "tilt_", "zoom_"]
        .iter()
        .any(|axis| name.starts_with(axis))
}

/// Sets controls of a camera that streams; false where one is refused, or is an extension unit's, which has to be set
/// before the format.
pub fn set_while_streaming(file: &File, path: &Path, settings: &[Setting]) -> bool {
    !settings.iter().any(|setting| is_field(&setting.name))
        && v4l2::apply(file, &path.to_string_lossy(), settings).is_empty()
}

/// All controls of the device at `path`, with types, ranges and present values, in the form of a config: what
/// can't or should not be pasted is commented out. The device is only read; a stream that runs on it goes on.
///
/// # Errors
/// The device can't be opened, or is not a V4L2 device.
pub fn list(path: &Path) -> Result<String> {
    let (file, capabilities) = open_device(path)?;
    let Capabilities {
        card, driver, bus, ..
    } = &capabilities;
    let head = format!(
        "# {card} ({driver}, {bus})\n# What is to be set at each start goes into section [{}].\n",
        path.display()
    );
    Ok(head + &listing(&file))
}

/// The controls of an open device, as [`list`] has them.
pub fn listing(file: &File) -> String {
    match v4l2::list(file) + &uvcx::list(file) {
        none if none.is_empty() => "\n# It has no controls.\n".into(),
        controls => controls,
    }
}
