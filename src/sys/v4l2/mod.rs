//! Video4Linux 2: the ABI structs, one safe function per ioctl, and the buffer queues of
//! devices.
//!
//! Names and numbers are those of the kernel's `include/uapi/linux/videodev2.h` and `v4l2-controls.h`; what
//! each call may answer stands in the kernel's "Linux Media Userspace API", part I.

mod abi;
mod ioctl;
mod queue;
mod stream;

pub use super::errno::Result;
pub use abi::Fraction;
pub use ioctl::*;
pub use queue::{DequeuedBuffer, OutputQueue, Queue};
pub use stream::*;

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
    /// That of a memory-to-memory device's other queue: of what it is given.
    pub fn output(self) -> BufferKind {
        match self {
            BufferKind::Single | BufferKind::SingleOutput => BufferKind::SingleOutput,
            BufferKind::Multi | BufferKind::MultiOutput => BufferKind::MultiOutput,
        }
    }

    fn is_multi(self) -> bool {
        matches!(self, BufferKind::Multi | BufferKind::MultiOutput)
    }
}

/// A pixel format's four letters, first one lowest: `v4l2_fourcc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FourCc(pub u32);

impl FourCc {
    /// By its letters.
    pub const fn of(letters: &[u8; 4]) -> FourCc {
        FourCc(u32::from_le_bytes(*letters))
    }

    /// The same, if there are four of them.
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
fn text(field: &[u8]) -> String {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    let text = String::from_utf8_lossy(field.get(..end).unwrap_or(field));
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.trim().to_owned()
}

/// Bits of [`Capabilities::caps`]: `V4L2_CAP_*`.
pub mod cap {
    /// Captures video, single-planar.
    pub const VIDEO_CAPTURE: u32 = 0x0000_0001;
    /// Shows video.
    pub const VIDEO_OUTPUT: u32 = 0x0000_0002;
    /// Captures raw VBI.
    pub const VBI_CAPTURE: u32 = 0x0000_0010;
    /// Sends raw VBI.
    pub const VBI_OUTPUT: u32 = 0x0000_0020;
    /// Captures sliced VBI.
    pub const SLICED_VBI_CAPTURE: u32 = 0x0000_0040;
    /// Sends sliced VBI.
    pub const SLICED_VBI_OUTPUT: u32 = 0x0000_0080;
    /// Captures video, multi-planar.
    pub const VIDEO_CAPTURE_MPLANE: u32 = 0x0000_1000;
    /// Shows video, multi-planar.
    pub const VIDEO_OUTPUT_MPLANE: u32 = 0x0000_2000;
    /// Memory to memory, multi-planar.
    pub const VIDEO_M2M_MPLANE: u32 = 0x0000_4000;
    /// Memory to memory: an encoder, a decoder, a scaler.
    pub const VIDEO_M2M: u32 = 0x0000_8000;
    /// A radio.
    pub const RADIO: u32 = 0x0004_0000;
    /// A radio transmitter.
    pub const MODULATOR: u32 = 0x0008_0000;
    /// Software-defined radio, receiving.
    pub const SDR_CAPTURE: u32 = 0x0010_0000;
    /// Software-defined radio, sending.
    pub const SDR_OUTPUT: u32 = 0x0040_0000;
    /// Captures what goes with the frames, not the frames.
    pub const META_CAPTURE: u32 = 0x0080_0000;
    /// mmap buffers and the ioctls that go with them.
    pub const STREAMING: u32 = 0x0400_0000;
    /// Takes metadata.
    pub const META_OUTPUT: u32 = 0x0800_0000;
    /// A touch panel.
    pub const TOUCH: u32 = 0x1000_0000;
    /// Set up through the media controller: the raw end of a CSI camera.
    pub const IO_MC: u32 = 0x2000_0000;
    /// `device_caps` is filled in.
    pub(super) const DEVICE_CAPS: u32 = 0x8000_0000;
}

/// Control types (`enum v4l2_ctrl_type`), flags (`V4L2_CTRL_FLAG_*`) and ids (`V4L2_CID_*`).
pub mod ctrl {
    /// An `i32`.
    pub const INTEGER: u32 = 1;
    /// 0 or 1.
    pub const BOOLEAN: u32 = 2;
    /// One of a list of texts.
    pub const MENU: u32 = 3;
    /// Does something when written.
    pub const BUTTON: u32 = 4;
    /// An `i64`.
    pub const INTEGER64: u32 = 5;
    /// Not a control: the heading of those that follow.
    pub const CLASS: u32 = 6;
    /// A text.
    pub const STRING: u32 = 7;
    /// A set of bits.
    pub const BITMASK: u32 = 8;
    /// One of a list of numbers.
    pub const INTEGER_MENU: u32 = 9;
    /// An array of `u8`.
    pub const U8: u32 = 0x100;
    /// An array of `u16`.
    pub const U16: u32 = 0x101;
    /// An array of `u32`.
    pub const U32: u32 = 0x102;

    /// Not there at all.
    pub const FLAG_DISABLED: u32 = 0x0001;
    /// Taken by another program for now.
    pub const FLAG_GRABBED: u32 = 0x0002;
    /// Can't be set.
    pub const FLAG_READ_ONLY: u32 = 0x0004;
    /// Has no effect for now: another control is in charge.
    pub const FLAG_INACTIVE: u32 = 0x0010;
    /// Can't be read.
    pub const FLAG_WRITE_ONLY: u32 = 0x0040;
    /// Changes by itself.
    pub const FLAG_VOLATILE: u32 = 0x0080;
    /// The value is behind a pointer.
    pub const FLAG_HAS_PAYLOAD: u32 = 0x0100;
    /// The number of elements may change: `elems` is the present one, `dims[0]` the most.
    pub const FLAG_DYNAMIC_ARRAY: u32 = 0x0800;

    /// `V4L2_CID_MPEG_VIDEO_B_FRAMES`: how many between two others.
    pub const B_FRAMES: u32 = 0x0099_09ca;
    /// `V4L2_CID_MPEG_VIDEO_GOP_SIZE`: frames from one key frame to the next.
    pub const GOP_SIZE: u32 = 0x0099_09cb;
    /// `V4L2_CID_MPEG_VIDEO_BITRATE`: bits a second.
    pub const BITRATE: u32 = 0x0099_09cf;
    /// `V4L2_CID_MPEG_VIDEO_HEADER_MODE`: 1 is `JOINED_WITH_1ST_FRAME`.
    pub const HEADER_MODE: u32 = 0x0099_09d8;
    /// `V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER`: the parameter sets with each key frame.
    pub const REPEAT_SEQ_HEADER: u32 = 0x0099_09e2;
    /// `V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME`, a button: the next frame is a key frame.
    pub const FORCE_KEY_FRAME: u32 = 0x0099_09e5;
    /// `V4L2_CID_MPEG_VIDEO_H264_I_PERIOD`: frames from one intra picture to the next.
    pub const H264_I_PERIOD: u32 = 0x0099_0a66;
    /// `V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR`: the other name of [`REPEAT_SEQ_HEADER`].
    pub const PREPEND_SPSPPS_TO_IDR: u32 = 0x0099_0b84;
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
