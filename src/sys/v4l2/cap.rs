//! Bits of [`Capabilities::caps`](super::Capabilities::caps): `V4L2_CAP_*`.

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
