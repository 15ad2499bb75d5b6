//! The types that all calls need: kinds of queues, pixel formats, sizes and intervals.

use super::abi::Fraction;

/// `enum v4l2_buf_type`, those of video. "Output" is the program's: what it gives a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum BufferKind {
    /// `V4L2_BUF_TYPE_VIDEO_CAPTURE`: a frame is one piece of memory.
    Single = 1,
    /// `V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE`: a frame may be in several.
    Multi = 9,
    /// `V4L2_BUF_TYPE_VIDEO_OUTPUT`
    SingleOutput = 2,
    /// `V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE`
    MultiOutput = 10,
}

impl BufferKind {
    /// The kind of the queue of what a memory-to-memory device is given, by that of what it gives.
    pub fn output(self) -> BufferKind {
        match self {
            BufferKind::Single | BufferKind::SingleOutput => BufferKind::SingleOutput,
            BufferKind::Multi | BufferKind::MultiOutput => BufferKind::MultiOutput,
        }
    }

    pub(super) fn is_multi(self) -> bool {
        matches!(self, BufferKind::Multi | BufferKind::MultiOutput)
    }
}

/// A pixel format's four letters, first one lowest: `v4l2_fourcc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FourCc(pub u32);

impl FourCc {
    /// The code of four letters.
    pub const fn of(letters: &[u8; 4]) -> FourCc {
        FourCc(u32::from_le_bytes(*letters))
    }

    /// The code of a text, if that has four letters.
    pub fn parse(text: &str) -> Option<FourCc> {
        text.as_bytes().try_into().ok().map(FourCc::of)
    }

    /// `V4L2_PIX_FMT_H264`: H.264 with start codes, one access unit a buffer.
    pub const H264: FourCc = FourCc(u32::from_le_bytes(*b"H264"));
    /// `V4L2_PIX_FMT_MJPEG`: JPEG pictures, maybe without Huffman tables.
    pub const MJPEG: FourCc = FourCc(u32::from_le_bytes(*b"MJPG"));
    /// `V4L2_PIX_FMT_JPEG`: JPEG pictures by the book.
    pub const JPEG: FourCc = FourCc(u32::from_le_bytes(*b"JPEG"));
}

impl std::fmt::Display for FourCc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The highest bit is no letter's: `v4l2_fourcc_be`, a format in big-endian order.
        let letters = (self.0 & !(1 << 31)).to_le_bytes();
        let order = if self.0 >> 31 == 1 { "-BE" } else { "" };
        write!(f, "{}{order}", String::from_utf8_lossy(&letters).trim_end())
    }
}

/// A pixel format that a device offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedFormat {
    /// Its code.
    pub fourcc: FourCc,
    /// Its name, for people.
    pub description: String,
    /// It is coded (`V4L2_FMT_FLAG_COMPRESSED`), not raw.
    pub compressed: bool,
}

/// A size or a range of sizes, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameSizes {
    /// Width and height.
    One(u32, u32),
    /// Least and greatest width and height; not every size between needs to be there.
    Range([u32; 2], [u32; 2]),
}

/// A frame interval or a range of them, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FrameIntervals {
    /// Just this.
    One(Fraction),
    /// The shortest and the longest.
    Range(Fraction, Fraction),
}

/// The text in a fixed field: up to the first NUL, without control characters, with which a device could play
/// tricks on a terminal.
pub(super) fn text(field: &[u8]) -> String {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    let text = String::from_utf8_lossy(field.get(..end).unwrap_or(field));
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_at_its_nul_and_has_no_control_characters() {
        assert_eq!(text(b" HD Pro\x1b[31m\n Webcam \0\0C920"), "HD Pro[31m Webcam");
        assert_eq!(text(b"four"), "four");
        assert_eq!(text("ä\u{85}".as_bytes()), "ä");
    }
}
