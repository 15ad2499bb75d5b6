//! The microphone beside a camera: what it captures, as frames of 16-bit samples on the clock that pictures are timed by.

mod cards;
mod convert;
mod listing;
mod microphone;
mod resample;
mod servo;
mod sound;

pub use listing::{Listed, beside, listing};
pub use sound::{Heard, Sound};
