//! JPEG pictures (Rec. ITU-T T.81): where one ends, that it is whole, how large it is, and streams of them.

pub mod laws;
pub(super) mod markers;
mod picture;
mod segments;
mod splitter;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

pub use picture::Picture;
pub use segments::{is_application, segments};
pub use splitter::{BEGINNING, MAX_PICTURE_BYTES, Splitter};
