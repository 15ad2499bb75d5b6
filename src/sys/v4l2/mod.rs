//! Video4Linux 2: the ABI structs, one safe function per ioctl, and the buffer queues of devices.
//!
//! Names and numbers are those of the kernel's `include/uapi/linux/videodev2.h` and `v4l2-controls.h`; what
//! each call may answer stands in the kernel's "Linux Media Userspace API", part I.

mod abi;
mod buffers;
mod call;
pub mod cap;
mod control;
pub mod ctrl;
mod device;
pub mod field;
mod format;
mod input;
mod queue;
mod types;

pub use abi::Fraction;
pub use control::{
    Control, get_bytes, get_number, menu_integer, menu_text, next_control, query_control, set_bytes,
    set_number,
};
pub use device::{Capabilities, enum_format, enum_frame_intervals, enum_frame_sizes, query_capabilities};
pub use format::{
    Colours, Format, Layout, get_composed, get_interval, get_layout, set_cropped, set_interval, set_layout,
    subscribe_control, subscribe_source_change, take_control_change, take_source_change,
};
pub use input::{
    Input, Standard, Timings, enum_input, enum_standard, get_edid, get_input, get_standard, get_timings,
    query_standard, query_timings, set_edid, set_input, set_standard, set_timings, status,
};
pub use queue::{DequeuedBuffer, OutputQueue, Queue};
pub use types::{BufferKind, FourCc, FrameIntervals, FrameSizes, OfferedFormat};
