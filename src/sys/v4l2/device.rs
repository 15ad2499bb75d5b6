//! A device's own description: its identity, and the formats, sizes and intervals that it offers.

use super::abi::{Capability, FmtDesc, FrameIntervalEnum, FrameSizeEnum};
use super::call::{Request, call, read, read_write};
use super::cap;
use super::types::{BufferKind, FourCc, FrameIntervals, FrameSizes, OfferedFormat, text};
use crate::sys::errno::Result;
use std::fs::File;

const QUERYCAP: Request<Capability> = read(0);
const ENUM_FMT: Request<FmtDesc> = read_write(2);
const ENUM_FRAMESIZES: Request<FrameSizeEnum> = read_write(74);
const ENUM_FRAMEINTERVALS: Request<FrameIntervalEnum> = read_write(75);

/// The identity of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The driver's name, such as "uvcvideo".
    pub driver: String,
    /// The device's name, for people.
    pub card: String,
    /// The place where it is plugged in, such as "usb-0000:01:00.0-1.2".
    pub bus: String,
    /// The capabilities of this node (not of the whole device): bits of [`cap`].
    pub caps: u32,
}

/// VIDIOC_QUERYCAP. ENOTTY: not a V4L2 device.
pub fn query_capabilities(file: &File) -> Result<Capabilities> {
    let mut c = Capability::default();
    call(file, &QUERYCAP, &mut c)?;
    // Without the flag (kernels before 3.4) the node's own capabilities are unknown.
    let caps = if c.capabilities & cap::DEVICE_CAPS != 0 {
        c.device_caps
    } else {
        c.capabilities
    };
    Ok(Capabilities {
        driver: text(&c.driver),
        card: text(&c.card),
        bus: text(&c.bus_info),
        caps,
    })
}

/// VIDIOC_ENUM_FMT: a format in which a queue carries frames. EINVAL: no more.
pub fn enum_format(file: &File, kind: BufferKind, index: u32) -> Result<OfferedFormat> {
    let mut f = FmtDesc {
        index,
        kind: kind as u32,
        ..FmtDesc::default()
    };
    call(file, &ENUM_FMT, &mut f)?;
    Ok(OfferedFormat {
        fourcc: FourCc(f.pixelformat),
        description: text(&f.description),
        compressed: f.flags & 1 != 0,
    })
}

/// VIDIOC_ENUM_FRAMESIZES. EINVAL: no more; ENOTTY: the driver doesn't say.
pub fn enum_frame_sizes(file: &File, fourcc: FourCc, index: u32) -> Result<FrameSizes> {
    let mut s = FrameSizeEnum {
        index,
        pixel_format: fourcc.0,
        ..FrameSizeEnum::default()
    };
    call(file, &ENUM_FRAMESIZES, &mut s)?;
    let [a, b, _, c, d, _] = s.size;
    // V4L2_FRMSIZE_TYPE_DISCRETE
    Ok(if s.kind == 1 {
        FrameSizes::One(a, b)
    } else {
        FrameSizes::Range([a, c], [b, d])
    })
}

/// VIDIOC_ENUM_FRAMEINTERVALS. EINVAL: no more; ENOTTY: the driver doesn't say.
pub fn enum_frame_intervals(
    file: &File,
    fourcc: FourCc,
    (width, height): (u32, u32),
    index: u32,
) -> Result<FrameIntervals> {
    let mut i = FrameIntervalEnum {
        index,
        pixel_format: fourcc.0,
        width,
        height,
        ..FrameIntervalEnum::default()
    };
    call(file, &ENUM_FRAMEINTERVALS, &mut i)?;
    let [shortest, longest, _] = i.interval;
    // V4L2_FRMIVAL_TYPE_DISCRETE
    Ok(if i.kind == 1 {
        FrameIntervals::One(shortest)
    } else {
        FrameIntervals::Range(shortest, longest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::errno::Errno;

    #[test]
    fn numbers_are_the_kernels() {
        // As strace and kernel logs print them; these do not depend on the machine.
        assert_eq!(QUERYCAP.0 as u32, 0x8068_5600);
        assert_eq!(ENUM_FMT.0 as u32, 0xc040_5602);
        assert_eq!(ENUM_FRAMESIZES.0 as u32, 0xc02c_564a);
        assert_eq!(ENUM_FRAMEINTERVALS.0 as u32, 0xc034_564b);
    }

    #[test]
    fn what_is_not_a_device_says_so() {
        let file = File::open("/dev/null").unwrap();
        assert_eq!(query_capabilities(&file), Err(Errno::ENOTTY));
    }
}
