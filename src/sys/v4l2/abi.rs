//! The structs of the kernel's `include/uapi/linux/videodev2.h`, by hand: integers only, and no unions. Where
//! the kernel has a union, the field here is the raw bytes or words of it (a pointer is a `usize`), so
//! reading one is never unsafe. A comment names the C struct; the assertions below prove sizes, offsets and
//! alignment on 64- and 32-bit machines.

use std::mem::offset_of;

/// An ioctl's argument without any address in it that the kernel would follow.
///
/// # Safety
/// The kernel must not take any bytes of the type for an address, and every bit pattern that it may write must be a
/// value of the type: safe code hands one to ioctl(2) on the strength of this.
pub unsafe trait Plain {}

// SAFETY: a number.
unsafe impl Plain for u32 {}
// SAFETY: a number (`v4l2_std_id`).
unsafe impl Plain for u64 {}

/// `VIDEO_MAX_PLANES`.
pub const MAX_PLANES: usize = 8;

/// `struct v4l2_capability`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Capability {
    pub driver: [u8; 16],
    pub card: [u8; 32],
    pub bus_info: [u8; 32],
    pub version: u32,
    pub capabilities: u32,
    pub device_caps: u32,
    pub reserved: [u32; 3],
}

// SAFETY: numbers and texts only.
unsafe impl Plain for Capability {}

/// `struct v4l2_fmtdesc`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct FmtDesc {
    pub index: u32,
    pub kind: u32,
    pub flags: u32,
    pub description: [u8; 32],
    pub pixelformat: u32,
    pub mbus_code: u32,
    pub reserved: [u32; 3],
}

// SAFETY: numbers and texts only.
unsafe impl Plain for FmtDesc {}

/// `struct v4l2_frmsizeenum`; `size` is its union: `v4l2_frmsize_discrete` (width, height) or
/// `v4l2_frmsize_stepwise` (min_width, max_width, step_width, min_height, max_height, step_height).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct FrameSizeEnum {
    pub index: u32,
    pub pixel_format: u32,
    pub kind: u32,
    pub size: [u32; 6],
    pub reserved: [u32; 2],
}

// SAFETY: numbers only.
unsafe impl Plain for FrameSizeEnum {}

/// `struct v4l2_fract`, here always seconds between frames.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Fraction {
    /// Seconds ...
    pub numerator: u32,
    /// ... divided by this.
    pub denominator: u32,
}

/// `struct v4l2_frmivalenum`; `interval` is its union: one `v4l2_fract`, or `v4l2_frmival_stepwise` (min,
/// max, step).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct FrameIntervalEnum {
    pub index: u32,
    pub pixel_format: u32,
    pub width: u32,
    pub height: u32,
    pub kind: u32,
    pub interval: [Fraction; 3],
    pub reserved: [u32; 2],
}

// SAFETY: numbers only.
unsafe impl Plain for FrameIntervalEnum {}

/// `struct v4l2_pix_format`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct PixFormat {
    pub width: u32,
    pub height: u32,
    pub pixelformat: u32,
    pub field: u32,
    pub bytesperline: u32,
    pub sizeimage: u32,
    pub colorspace: u32,
    pub private: u32,
    pub flags: u32,
    pub encoding: u32,
    pub quantization: u32,
    pub xfer_func: u32,
}

/// `struct v4l2_plane_pix_format`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct PlanePixFormat {
    pub sizeimage: u32,
    pub bytesperline: u32,
    pub reserved: [u16; 6],
}

/// `struct v4l2_pix_format_mplane`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct PixFormatMplane {
    pub width: u32,
    pub height: u32,
    pub pixelformat: u32,
    pub field: u32,
    pub colorspace: u32,
    pub plane_fmt: [PlanePixFormat; MAX_PLANES],
    pub num_planes: u8,
    pub flags: u8,
    pub encoding: u8,
    pub quantization: u8,
    pub xfer_func: u8,
    pub reserved: [u8; 7],
}

/// `struct v4l2_format` with `pix` of its union, which holds pointers and so is aligned like one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SingleFormat {
    pub kind: u32,
    #[cfg(target_pointer_width = "64")]
    pub align: u32,
    pub pix: PixFormat,
    pub rest: [u8; 200 - size_of::<PixFormat>()],
}

// SAFETY: the union holds addresses for overlays (`v4l2_window`) alone, and `kind` is one of `BufferKind`'s.
unsafe impl Plain for SingleFormat {}

/// `struct v4l2_format` with `pix_mp` of its union.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MultiFormat {
    pub kind: u32,
    #[cfg(target_pointer_width = "64")]
    pub align: u32,
    pub pix: PixFormatMplane,
    pub rest: [u8; 200 - size_of::<PixFormatMplane>()],
}

// SAFETY: as in `SingleFormat`.
unsafe impl Plain for MultiFormat {}

/// `struct v4l2_streamparm` with `capture` (`struct v4l2_captureparm`) of its union; `output` (`struct
/// v4l2_outputparm`) has the same fields in the same places.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct StreamParm {
    pub kind: u32,
    pub capability: u32,
    pub capturemode: u32,
    pub timeperframe: Fraction,
    pub extendedmode: u32,
    pub readbuffers: u32,
    pub rest: [u8; 200 - 24],
}

// SAFETY: numbers only, in the rest of the union too.
unsafe impl Plain for StreamParm {}

/// `struct v4l2_requestbuffers`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RequestBuffers {
    pub count: u32,
    pub kind: u32,
    pub memory: u32,
    pub capabilities: u32,
    pub flags: u8,
    pub reserved: [u8; 3],
}

// SAFETY: numbers only.
unsafe impl Plain for RequestBuffers {}

/// `struct v4l2_plane`; `m` is its union (`mem_offset`, `userptr`, `fd`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Plane {
    pub bytesused: u32,
    pub length: u32,
    pub m: usize,
    pub data_offset: u32,
    pub reserved: [u32; 11],
}

/// `struct v4l2_buffer` as the kernel itself sees it, with `struct __kernel_v4l2_timeval`: two 64-bit
/// integers on every machine.
///
/// On 32-bit machines a C library decides whether programs use this struct or one with 32-bit times, and the
/// size goes into the ioctl number; the kernel answers to both. This one is chosen everywhere, so that there
/// is one layout and no dependence on the C library (musl 1.2 has 64-bit times, the libc crate's `timeval`
/// for it has not). The price: a 32-bit kernel older than 5.6 (March 2020) does not know it and says ENOTTY
/// to VIDIOC_QUERYBUF.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Buffer {
    pub index: u32,
    pub kind: u32,
    pub bytesused: u32,
    pub flags: u32,
    pub field: u32,
    pub seconds: i64,
    pub microseconds: i64,
    /// `struct v4l2_timecode`
    pub timecode: [u32; 4],
    pub sequence: u32,
    pub memory: u32,
    /// The union `m` (`offset`, `userptr`, `planes`, `fd`).
    pub m: usize,
    pub length: u32,
    pub reserved2: u32,
    pub request_fd: u32,
}

/// `struct v4l2_query_ext_ctrl`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct QueryExtCtrl {
    pub id: u32,
    pub kind: u32,
    pub name: [u8; 32],
    pub minimum: i64,
    pub maximum: i64,
    pub step: u64,
    pub default_value: i64,
    pub flags: u32,
    pub elem_size: u32,
    pub elems: u32,
    pub nr_of_dims: u32,
    pub dims: [u32; 4],
    pub reserved: [u32; 32],
}

// SAFETY: numbers and texts only.
unsafe impl Plain for QueryExtCtrl {}

/// `struct v4l2_querymenu`; `item` is its union: a text, or an `__s64` in the first eight bytes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct QueryMenu {
    pub id: u32,
    pub index: u32,
    pub item: [u8; 32],
    pub reserved: u32,
}

// SAFETY: a text or a number in place of the union; no address.
unsafe impl Plain for QueryMenu {}

/// `struct v4l2_ext_control`, which is packed; `value` is its union: an `__s32`, an `__s64` or a pointer.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct ExtControl {
    pub id: u32,
    pub size: u32,
    pub reserved: u32,
    pub value: [u8; 8],
}

/// `struct v4l2_ext_controls`; `controls` is the address of the first of `count` [`ExtControl`]s.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct ExtControls {
    pub which: u32,
    pub count: u32,
    pub error_idx: u32,
    pub request_fd: i32,
    pub reserved: u32,
    pub controls: usize,
}

/// `struct v4l2_exportbuffer`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct ExportBuffer {
    pub kind: u32,
    pub index: u32,
    pub plane: u32,
    pub flags: u32,
    pub fd: i32,
    pub reserved: [u32; 11],
}

// SAFETY: numbers only; `fd` is the kernel's answer.
unsafe impl Plain for ExportBuffer {}

/// `struct v4l2_selection` with its `struct v4l2_rect`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Selection {
    pub kind: u32,
    pub target: u32,
    pub flags: u32,
    pub left: i32,
    pub top: i32,
    pub width: u32,
    pub height: u32,
    pub reserved: [u32; 9],
}

// SAFETY: numbers only.
unsafe impl Plain for Selection {}

/// `struct v4l2_event_subscription`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct EventSubscription {
    pub kind: u32,
    pub id: u32,
    pub flags: u32,
    pub reserved: [u32; 5],
}

// SAFETY: numbers only.
unsafe impl Plain for EventSubscription {}

/// `struct v4l2_event`; `u` is its union, which has 64-bit integers in it, and the time is two of those as in
/// [`Buffer`].
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Event {
    pub kind: u32,
    pub u: [i64; 8],
    pub pending: u32,
    pub sequence: u32,
    pub seconds: i64,
    pub nanoseconds: i64,
    pub id: u32,
    pub reserved: [u32; 8],
}

// SAFETY: the kernel writes all of it, and what it writes are numbers.
unsafe impl Plain for Event {}

/// `struct v4l2_input`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct InputDesc {
    pub index: u32,
    pub name: [u8; 32],
    pub kind: u32,
    pub audioset: u32,
    pub tuner: u32,
    pub std: u64,
    pub status: u32,
    pub capabilities: u32,
    pub reserved: [u32; 3],
}

// SAFETY: numbers and texts only.
unsafe impl Plain for InputDesc {}

/// `struct v4l2_standard`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct StandardDesc {
    pub index: u32,
    pub id: u64,
    pub name: [u8; 24],
    pub frameperiod: Fraction,
    pub framelines: u32,
    pub reserved: [u32; 4],
}

// SAFETY: numbers and texts only.
unsafe impl Plain for StandardDesc {}

/// `struct v4l2_dv_timings` with `bt` (`struct v4l2_bt_timings`) of its union. Both are packed, so the 64-bit
/// `pixelclock`, which no alignment would suit, is its bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DvTimings {
    pub kind: u32,
    pub width: u32,
    pub height: u32,
    pub interlaced: u32,
    pub polarities: u32,
    pub pixelclock: [u8; 8],
    /// Front porch, sync and back porch: `hfrontporch`, `hsync`, `hbackporch`.
    pub horizontal: [u32; 3],
    /// The same of each frame, or of the first field: `vfrontporch` and so on.
    pub vertical: [u32; 3],
    /// The same of the second field: `il_vfrontporch` and so on.
    pub second_field: [u32; 3],
    pub standards: u32,
    pub flags: u32,
    pub picture_aspect: Fraction,
    pub vics: [u8; 2],
    pub rest: [u8; 50],
}

// SAFETY: numbers only, in the rest of the union too.
unsafe impl Plain for DvTimings {}

/// `struct v4l2_edid`; `edid` is the address of `blocks` times 128 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct EdidBlocks {
    pub pad: u32,
    pub start_block: u32,
    pub blocks: u32,
    pub reserved: [u32; 5],
    pub edid: usize,
}

const _: () = {
    assert!(size_of::<Capability>() == 104);
    assert!(size_of::<FmtDesc>() == 64);
    assert!(size_of::<FrameSizeEnum>() == 44 && offset_of!(FrameSizeEnum, size) == 12);
    assert!(size_of::<FrameIntervalEnum>() == 52 && offset_of!(FrameIntervalEnum, interval) == 20);
    assert!(size_of::<PixFormat>() == 48);
    assert!(size_of::<PlanePixFormat>() == 20);
    assert!(size_of::<PixFormatMplane>() == 192 && offset_of!(PixFormatMplane, num_planes) == 180);
    assert!(size_of::<StreamParm>() == 204 && offset_of!(StreamParm, timeperframe) == 12);
    assert!(size_of::<RequestBuffers>() == 20);
    assert!(size_of::<QueryExtCtrl>() == 232 && offset_of!(QueryExtCtrl, minimum) == 40);
    assert!(size_of::<QueryMenu>() == 44 && offset_of!(QueryMenu, item) == 8);
    assert!(size_of::<ExtControl>() == 20 && offset_of!(ExtControl, value) == 12);
    assert!(offset_of!(Plane, m) == 8);
    assert!(size_of::<ExportBuffer>() == 64 && offset_of!(ExportBuffer, fd) == 16);
    assert!(size_of::<Selection>() == 64 && offset_of!(Selection, left) == 12);
    assert!(size_of::<EventSubscription>() == 32);
    assert!(offset_of!(InputDesc, std) == 48 && offset_of!(InputDesc, status) == 56);
    assert!(size_of::<DvTimings>() == 132 && offset_of!(DvTimings, pixelclock) == 20);
    assert!(offset_of!(DvTimings, standards) == 64 && offset_of!(DvTimings, vics) == 80);
    assert!(offset_of!(EdidBlocks, edid) == 32);
};

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<SingleFormat>() == 208 && offset_of!(SingleFormat, pix) == 8);
    assert!(size_of::<MultiFormat>() == 208 && offset_of!(MultiFormat, pix) == 8);
    assert!(size_of::<Plane>() == 64 && offset_of!(Plane, data_offset) == 16);
    assert!(size_of::<Buffer>() == 88 && offset_of!(Buffer, seconds) == 24 && offset_of!(Buffer, m) == 64);
    assert!(size_of::<ExtControls>() == 32 && offset_of!(ExtControls, controls) == 24);
    assert!(size_of::<InputDesc>() == 80);
    assert!(size_of::<StandardDesc>() == 72 && offset_of!(StandardDesc, id) == 8);
    assert!(size_of::<EdidBlocks>() == 40);
    assert!(size_of::<Event>() == 136 && offset_of!(Event, u) == 8 && offset_of!(Event, seconds) == 80);
};

#[cfg(target_pointer_width = "32")]
const _: () = {
    assert!(size_of::<SingleFormat>() == 204 && offset_of!(SingleFormat, pix) == 4);
    assert!(size_of::<MultiFormat>() == 204 && offset_of!(MultiFormat, pix) == 4);
    assert!(size_of::<Plane>() == 60 && offset_of!(Plane, data_offset) == 12);
    // 32-bit x86 aligns 64-bit integers to four bytes, everybody else to eight.
    let align = if cfg!(target_arch = "x86") { 0 } else { 4 };
    assert!(size_of::<Buffer>() == 76 + align && offset_of!(Buffer, seconds) == 20 + align);
    assert!(offset_of!(Buffer, m) == 60 + align);
    assert!(size_of::<ExtControls>() == 24 && offset_of!(ExtControls, controls) == 20);
    assert!(size_of::<InputDesc>() == 76 + align);
    assert!(size_of::<StandardDesc>() == 64 + 2 * align && offset_of!(StandardDesc, id) == 4 + align);
    assert!(size_of::<EdidBlocks>() == 36);
    assert!(size_of::<Event>() == 128 + 2 * align && offset_of!(Event, u) == 4 + align);
    assert!(offset_of!(Event, seconds) == 76 + align);
};
