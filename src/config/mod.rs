//! The config file: INI text → [`Config`]. All errors are for the person who wrote the file: `file:line`, what is
//! allowed there, and the nearest known name.

mod describe;
mod device;
mod ini;
mod key;
pub mod keys;
pub mod laws;
mod load;
mod mic;
mod model;
mod nearest;
mod pan_tilt;
mod people;
mod record_keys;
mod rpicam;
mod scope;
mod section;
mod source;
mod users;
mod values;

pub use device::{DeviceName, UsbId};
pub use ini::read_entries;
pub use load::DEFAULT_FILES;
pub use mic::MicName;
pub use model::{Archive, Camera, Config, Draft, MOTION_THRESHOLDS, Record, Sandbox, Server};
pub use nearest::nearest;
pub use pan_tilt::{AxisKeys, HeadKind, PanTilt};
pub use people::{People, Rights, Role, User};
pub use source::{
    CaptureFormat, ChainKeys, Edid, InputKeys, Memory, PRESENT_INPUT, Rpicam, Setting, SourceKind, Standard,
};
pub use values::{Refused, address, switch};

#[cfg(test)]
mod tests;
