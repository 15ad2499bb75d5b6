//! JPEG pictures (Rec. ITU-T T.81): where one ends, that it is whole, how large it is, and streams of them.

mod coded;
pub mod laws;
pub(super) mod markers;
mod picture;
mod rtp;
mod segments;
mod splitter;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

pub use markers::BEGINNING;
pub use picture::Picture;
pub use rtp::RtpPicture;
pub use segments::{is_application, segments, size};
pub use splitter::{MAX_PICTURE_BYTES, Splitter};
