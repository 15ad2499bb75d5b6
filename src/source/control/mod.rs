//! The controls of cameras, encoders and decoders, by name: set from the config, listed for pasting into it.

mod camera;
mod operator;
mod unit;
mod uvcx;
mod v4l2;
mod value;

pub(super) use camera::{apply, listing, set_while_streaming};
pub use camera::{list, turns};
pub use operator::{ControlNode, Done, Operator, is_set_at_opening};
pub(super) use unit::descriptors;
pub(super) use uvcx::{Encoder, Muxed, has_encoder};
pub use v4l2::apply as apply_v4l2;
