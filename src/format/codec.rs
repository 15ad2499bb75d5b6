//! The codings of pictures.

/// The coding of a source's pictures.
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
