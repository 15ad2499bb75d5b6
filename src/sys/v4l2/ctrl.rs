//! Control types (`enum v4l2_ctrl_type`), flags (`V4L2_CTRL_FLAG_*`) and ids (`V4L2_CID_*`).

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
/// When it is set, others may change.
pub const FLAG_UPDATE: u32 = 0x0008;
/// Has no effect for now: another control is in charge.
pub const FLAG_INACTIVE: u32 = 0x0010;
/// Can't be read.
pub const FLAG_WRITE_ONLY: u32 = 0x0040;
/// Changes by itself.
pub const FLAG_VOLATILE: u32 = 0x0080;
/// The value is behind a pointer.
pub const FLAG_HAS_PAYLOAD: u32 = 0x0100;
/// When it is set, frames may come in another layout.
pub const FLAG_MODIFY_LAYOUT: u32 = 0x0400;
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
/// `V4L2_CID_MPEG_VIDEO_H264_MIN_QP`: the least quantization that the rate control may choose, 0 to 51.
pub const H264_MIN_QP: u32 = 0x0099_0a61;
/// `V4L2_CID_MPEG_VIDEO_H264_I_PERIOD`: frames from one intra picture to the next.
pub const H264_I_PERIOD: u32 = 0x0099_0a66;
/// `V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR`: the other name of [`REPEAT_SEQ_HEADER`].
pub const PREPEND_SPSPPS_TO_IDR: u32 = 0x0099_0b84;
/// `V4L2_CID_PAN_RELATIVE`, whose unit is not defined; tilt's is the next one.
pub const PAN_RELATIVE: u32 = 0x009a_0904;
/// `V4L2_CID_PAN_RESET`, a button; tilt's is the next one.
pub const PAN_RESET: u32 = 0x009a_0906;
/// `V4L2_CID_PAN_ABSOLUTE`, in seconds of arc; tilt's is the next one.
pub const PAN_ABSOLUTE: u32 = 0x009a_0908;
/// `V4L2_CID_ZOOM_ABSOLUTE`, whose unit is the driver's.
pub const ZOOM_ABSOLUTE: u32 = 0x009a_090d;
/// `V4L2_CID_ZOOM_CONTINUOUS`: the speed of a zoom that goes on until it is set to 0.
pub const ZOOM_CONTINUOUS: u32 = 0x009a_090f;
/// `V4L2_CID_PAN_SPEED`: goes on until it is set to 0; tilt's is the next one.
pub const PAN_SPEED: u32 = 0x009a_0920;
