//! Cameras that libcamera drives, such as a Raspberry Pi's own.

mod failure;
mod line;
mod source;

pub(super) use source::{board_encodes, line, model, open};
pub use source::{is_installed, plan};
