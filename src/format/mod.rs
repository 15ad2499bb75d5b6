//! Bytes with a specification: no unsafe code, no I/O, no threads, no clocks. All of it is fuzzed.

pub mod bits;
pub mod fmp4;
pub mod h264;
pub mod hls;
pub mod ws;

/// How a source codes its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Rec. ITU-T H.264.
    H264,
    /// Each picture a JPEG file (Rec. ITU-T T.81): "Motion JPEG".
    Jpeg,
}

impl Codec {
    /// The word in /status and for pages.
    pub fn word(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::Jpeg => "mjpeg",
        }
    }
}
