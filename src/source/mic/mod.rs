//! The microphone beside a camera: what it captures, as frames of 16-bit samples on the clock that pictures are timed by.

mod convert;
mod resample;
mod servo;

pub use convert::Converter;
pub use servo::Servo;
