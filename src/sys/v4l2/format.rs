//! A queue's format in memory, the part of it that is picture, its frame interval, and news of a change.

use super::abi::{
    Event, EventSubscription, Fraction, MAX_PLANES, MultiFormat, PixFormat, PixFormatMplane, PlanePixFormat,
    Selection, SingleFormat, StreamParm,
};
use super::call::{Request, call, read, read_write, write};
use super::field;
use super::types::{BufferKind, FourCc};
use crate::sys::errno::{Errno, Result};
use std::fs::File;

/// `V4L2_PIX_FMT_PRIV_MAGIC`: the fields behind `priv` are filled in.
const PRIVATE_MAGIC: u32 = 0xfeed_cafe;
/// `V4L2_EVENT_CTRL`
const CONTROL: u32 = 3;
/// `V4L2_EVENT_SOURCE_CHANGE`
const SOURCE_CHANGE: u32 = 5;

const G_FMT_SINGLE: Request<SingleFormat> = read_write(4);
const G_FMT_MULTI: Request<MultiFormat> = read_write(4);
const S_FMT_SINGLE: Request<SingleFormat> = read_write(5);
const S_FMT_MULTI: Request<MultiFormat> = read_write(5);
const G_PARM: Request<StreamParm> = read_write(21);
const S_PARM: Request<StreamParm> = read_write(22);
const DQEVENT: Request<Event> = read(89);
const SUBSCRIBE_EVENT: Request<EventSubscription> = write(90);
const G_SELECTION: Request<Selection> = read_write(94);
const S_SELECTION: Request<Selection> = read_write(95);

/// The format of the frames that a queue carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The pixel format.
    pub fourcc: FourCc,
}

/// The meaning of a picture's numbers as colours: `enum v4l2_colorspace`, `v4l2_ycbcr_encoding`,
/// `v4l2_quantization` and `v4l2_xfer_func`. They are only handed on here; 0 is "as usual".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Colours {
    /// The primaries, and what is usual for the others.
    pub space: u32,
    /// From R'G'B' to Y'CbCr.
    pub encoding: u32,
    /// Full or limited range.
    pub quantization: u32,
    /// From light to numbers.
    pub transfer: u32,
}

/// A queue's format with how it lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The format. Width and height are those of the memory: the picture in it may be smaller.
    pub format: Format,
    /// From one line to the next, in the first plane; 0 for compressed formats.
    pub stride_bytes: u32,
    /// Bytes of a buffer.
    pub size_bytes: u32,
    /// Pieces of memory for one frame.
    pub planes: u8,
    /// Whole pictures, or fields of interlaced ones: a constant of [`field`](super::field).
    pub field: u32,
    /// The meaning of its numbers.
    pub colours: Colours,
}

impl Layout {
    /// The format, with all else left to the driver.
    pub fn new(format: Format) -> Layout {
        Layout {
            format,
            stride_bytes: 0,
            size_bytes: 0,
            // As compressed formats have; a driver knows better for the others.
            planes: 1,
            field: field::ANY,
            colours: Colours::default(),
        }
    }
}

fn layout_call(
    file: &File,
    kind: BufferKind,
    wanted: &Layout,
    (single, multi): (&Request<SingleFormat>, &Request<MultiFormat>),
) -> Result<Layout> {
    let Layout { format, colours, .. } = *wanted;
    let Format {
        width,
        height,
        fourcc: FourCc(pixelformat),
    } = format;
    if kind.is_multi() {
        let plane = PlanePixFormat {
            sizeimage: wanted.size_bytes,
            bytesperline: wanted.stride_bytes,
            ..PlanePixFormat::default()
        };
        let mut f = MultiFormat {
            kind: kind as u32,
            #[cfg(target_pointer_width = "64")]
            align: 0,
            pix: PixFormatMplane {
                width,
                height,
                pixelformat,
                field: wanted.field,
                colorspace: colours.space,
                plane_fmt: [plane; MAX_PLANES],
                num_planes: wanted.planes,
                encoding: colours.encoding as u8,
                quantization: colours.quantization as u8,
                xfer_func: colours.transfer as u8,
                ..PixFormatMplane::default()
            },
            rest: [0; 200 - size_of::<PixFormatMplane>()],
        };
        call(file, multi, &mut f)?;
        let [plane, ..] = f.pix.plane_fmt;
        return Ok(Layout {
            format: Format {
                width: f.pix.width,
                height: f.pix.height,
                fourcc: FourCc(f.pix.pixelformat),
            },
            stride_bytes: plane.bytesperline,
            size_bytes: plane.sizeimage,
            planes: f.pix.num_planes,
            field: f.pix.field,
            colours: Colours {
                space: f.pix.colorspace,
                encoding: f.pix.encoding.into(),
                quantization: f.pix.quantization.into(),
                transfer: f.pix.xfer_func.into(),
            },
        });
    }
    let mut f = SingleFormat {
        kind: kind as u32,
        #[cfg(target_pointer_width = "64")]
        align: 0,
        pix: PixFormat {
            width,
            height,
            pixelformat,
            field: wanted.field,
            bytesperline: wanted.stride_bytes,
            sizeimage: wanted.size_bytes,
            colorspace: colours.space,
            private: PRIVATE_MAGIC,
            encoding: colours.encoding,
            quantization: colours.quantization,
            xfer_func: colours.transfer,
            ..PixFormat::default()
        },
        rest: [0; 200 - size_of::<PixFormat>()],
    };
    call(file, single, &mut f)?;
    Ok(Layout {
        format: Format {
            width: f.pix.width,
            height: f.pix.height,
            fourcc: FourCc(f.pix.pixelformat),
        },
        stride_bytes: f.pix.bytesperline,
        size_bytes: f.pix.sizeimage,
        planes: 1,
        field: f.pix.field,
        colours: Colours {
            space: f.pix.colorspace,
            encoding: f.pix.encoding,
            quantization: f.pix.quantization,
            transfer: f.pix.xfer_func,
        },
    })
}

/// VIDIOC_G_FMT: what a queue is set to.
pub fn get_layout(file: &File, kind: BufferKind) -> Result<Layout> {
    let nothing = Layout::new(Format {
        width: 0,
        height: 0,
        fourcc: FourCc(0),
    });
    layout_call(file, kind, &nothing, (&G_FMT_SINGLE, &G_FMT_MULTI))
}

/// VIDIOC_S_FMT: sets a queue to `wanted` or what it has nearest to that, and gives which.
pub fn set_layout(file: &File, kind: BufferKind, wanted: &Layout) -> Result<Layout> {
    layout_call(file, kind, wanted, (&S_FMT_SINGLE, &S_FMT_MULTI))
}

/// VIDIOC_G_SELECTION of `V4L2_SEL_TGT_COMPOSE`: width and height of the picture that a decoder puts into the upper left
/// corner of its buffers. EINVAL, ENOTTY: the driver knows nothing of it.
pub fn get_composed(file: &File) -> Result<(u32, u32)> {
    let mut s = Selection {
        // Without _MPLANE for all devices: so it was first, and still is for every kernel.
        kind: BufferKind::Single as u32,
        target: 0x0100,
        ..Selection::default()
    };
    call(file, &G_SELECTION, &mut s)?;
    if (s.left, s.top) == (0, 0) {
        Ok((s.width, s.height))
    } else {
        Err(Errno::EINVAL)
    }
}

/// VIDIOC_S_SELECTION of `V4L2_SEL_TGT_CROP`: width and height of what an encoder takes out of the upper left corner of
/// what it is given; the answer is what it really takes.
pub fn set_cropped(file: &File, (width, height): (u32, u32)) -> Result<(u32, u32)> {
    let mut s = Selection {
        kind: BufferKind::SingleOutput as u32,
        target: 0x0000,
        width,
        height,
        ..Selection::default()
    };
    call(file, &S_SELECTION, &mut s)?;
    if (s.left, s.top) == (0, 0) {
        Ok((s.width, s.height))
    } else {
        Err(Errno::EINVAL)
    }
}

fn parameters_call(
    file: &File,
    kind: BufferKind,
    timeperframe: Fraction,
    request: &Request<StreamParm>,
) -> Result<Option<Fraction>> {
    let mut p = StreamParm {
        kind: kind as u32,
        capability: 0,
        capturemode: 0,
        timeperframe,
        extendedmode: 0,
        readbuffers: 0,
        rest: [0; 200 - 24],
    };
    call(file, request, &mut p)?;
    // V4L2_CAP_TIMEPERFRAME: without it the field says nothing. A zero says nothing either.
    let stated =
        p.capability & 0x1000 != 0 && p.timeperframe.numerator != 0 && p.timeperframe.denominator != 0;
    Ok(stated.then_some(p.timeperframe))
}

/// VIDIOC_G_PARM: the present frame interval in seconds, if the driver knows one.
pub fn get_interval(file: &File, kind: BufferKind) -> Result<Option<Fraction>> {
    parameters_call(file, kind, Fraction::default(), &G_PARM)
}

/// VIDIOC_S_PARM: sets the frame interval or the nearest that there is, and gives which, if the driver says.
pub fn set_interval(file: &File, kind: BufferKind, interval: Fraction) -> Result<Option<Fraction>> {
    parameters_call(file, kind, interval, &S_PARM)
}

/// VIDIOC_SUBSCRIBE_EVENT: a decoder (of `input` 0) is to report when its pictures are of another format than it was set
/// to, or a capture device when the signal at `input` is another one.
pub fn subscribe_source_change(file: &File, input: u32) -> Result<()> {
    subscribe(file, SOURCE_CHANGE, input)
}

/// VIDIOC_SUBSCRIBE_EVENT: the device is to report when a control is changed by another file, or by itself. EINVAL: it does not.
pub fn subscribe_control(file: &File, id: u32) -> Result<()> {
    subscribe(file, CONTROL, id)
}

fn subscribe(file: &File, kind: u32, id: u32) -> Result<()> {
    let mut s = EventSubscription {
        kind,
        id,
        ..EventSubscription::default()
    };
    call(file, &SUBSCRIBE_EVENT, &mut s)
}

/// VIDIOC_DQEVENT: takes an event; true if it is one of those. ENOENT: there is none.
pub fn take_source_change(file: &File) -> Result<bool> {
    let mut e = Event::default();
    call(file, &DQEVENT, &mut e)?;
    Ok(e.kind == SOURCE_CHANGE)
}

/// VIDIOC_DQEVENT: takes an event; gives the control that it is about, if it is about one. ENOENT: there is none.
pub fn take_control_change(file: &File) -> Result<Option<u32>> {
    let mut e = Event::default();
    call(file, &DQEVENT, &mut e)?;
    Ok((e.kind == CONTROL).then_some(e.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(G_PARM.0 as u32, 0xc0cc_5615);
        assert_eq!(S_PARM.0 as u32, 0xc0cc_5616);
        assert_eq!(SUBSCRIBE_EVENT.0 as u32, 0x4020_565a);
        assert_eq!(G_SELECTION.0 as u32, 0xc040_565e);
        assert_eq!(S_SELECTION.0 as u32, 0xc040_565f);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn numbers_are_the_kernels_on_64_bit() {
        assert_eq!(G_FMT_SINGLE.0 as u32, 0xc0d0_5604);
        assert_eq!(G_FMT_MULTI.0 as u32, 0xc0d0_5604);
        assert_eq!(S_FMT_SINGLE.0 as u32, 0xc0d0_5605);
        assert_eq!(S_FMT_MULTI.0 as u32, 0xc0d0_5605);
        assert_eq!(DQEVENT.0 as u32, 0x8088_5659);
    }

    #[test]
    #[cfg(all(target_pointer_width = "32", not(target_arch = "x86")))]
    fn numbers_are_the_kernels_on_32_bit() {
        assert_eq!(G_FMT_SINGLE.0 as u32, 0xc0cc_5604);
        assert_eq!(DQEVENT.0 as u32, 0x8088_5659);
    }

    #[test]
    fn what_is_not_a_device_says_so() {
        let file = File::open("/dev/null").unwrap();
        assert_eq!(take_source_change(&file), Err(Errno::ENOTTY));
    }
}
