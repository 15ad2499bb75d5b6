//! The controls of cameras, encoders and decoders, by name: set from the config, listed for pasting into it.

mod camera;
mod unit;
mod uvcx;
mod v4l2;
mod value;

pub use camera::list;
pub(super) use camera::{apply, listing, set_while_streaming, turns};
pub(super) use unit::descriptors;
pub(super) use uvcx::{Encoder, Muxed, has_encoder};
pub use v4l2::apply as apply_v4l2;
