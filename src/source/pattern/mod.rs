//! The built-in test picture: colour bars, a ball, the clock and the frame number, as real H.264.

mod beep;
mod cavlc;
mod drawing;
mod encoder;
mod font;
mod source;
mod transform;

pub use source::Pattern;
