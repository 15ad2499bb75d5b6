//! Bytes with a specification: no unsafe code, no I/O, no threads, no clocks. All of it is fuzzed.

pub mod app4;
pub mod base64;
pub mod bits;
pub mod fmp4;
pub mod gzip;
pub mod h264;
pub mod hls;
pub mod jpeg;
pub mod json;
pub mod raw;
pub mod usb;
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

/// What comes out of a byte stream that is cut into pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// One coded picture: an access unit in the byte stream format (H.264 Annex B), or a JPEG picture.
    Unit {
        /// Its bytes, lent from the buffer of what cuts.
        data: &'a [u8],
        /// When it arrived, on the clock of the caller.
        arrived_us: u64,
    },
    /// A picture was lost here, or the one before was not whole.
    Gap,
}
