//! AAC-LC: sound for every browser and player, coded by our own encoder (ISO/IEC 14496-3, subpart 4).

mod attack;
mod books;
mod channel;
mod encoder;
pub mod laws;
mod math;
mod mdct;
mod model;
mod rates;
mod sections;
mod shape;
#[cfg(test)]
mod tests;

pub use encoder::{DELAY, Encoder, FRAME, SILENCE};
pub use rates::config;
