//! One safe function per ioctl of formats, buffers and events.

use super::abi::*;
use super::ioctl::{Plain, Request, call, call_with_addresses, read, read_write, write};
use super::{BufferKind, FourCc, Result};
use nix::errno::Errno;
use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// `V4L2_PIX_FMT_PRIV_MAGIC`: the fields behind `priv` are filled in.
const PRIVATE_MAGIC: u32 = 0xfeed_cafe;
/// `V4L2_EVENT_SOURCE_CHANGE`
const SOURCE_CHANGE: u32 = 5;

const G_FMT_SINGLE: Request<SingleFormat> = read_write(4);
const G_FMT_MULTI: Request<MultiFormat> = read_write(4);
const S_FMT_SINGLE: Request<SingleFormat> = read_write(5);
const S_FMT_MULTI: Request<MultiFormat> = read_write(5);
const REQBUFS: Request<RequestBuffers> = read_write(8);
const QUERYBUF: Request<Buffer> = read_write(9);
const QBUF: Request<Buffer> = read_write(15);
const EXPBUF: Request<ExportBuffer> = read_write(16);
const DQBUF: Request<Buffer> = read_write(17);
const STREAMON: Request<u32> = write(18);
const STREAMOFF: Request<u32> = write(19);
const G_PARM: Request<StreamParm> = read_write(21);
const S_PARM: Request<StreamParm> = read_write(22);
const DQEVENT: Request<Event> = read(89);
const SUBSCRIBE_EVENT: Request<EventSubscription> = write(90);
const G_SELECTION: Request<Selection> = read_write(94);
const S_SELECTION: Request<Selection> = read_write(95);

impl Plain for SingleFormat {}
impl Plain for MultiFormat {}
impl Plain for RequestBuffers {}
impl Plain for ExportBuffer {}
impl Plain for StreamParm {}
impl Plain for Event {}
impl Plain for EventSubscription {}
impl Plain for Selection {}
impl Plain for u32 {}

/// What frames a queue carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The pixel format.
    pub fourcc: FourCc,
}

/// What the numbers of a picture mean as colours: `enum v4l2_colorspace`, `v4l2_ycbcr_encoding`,
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
    /// What it is. Width and height are those of the memory: the picture in it may be smaller.
    pub format: Format,
    /// From one line to the next, in the first plane; 0 for compressed formats.
    pub stride_bytes: u32,
    /// Of a buffer.
    pub size_bytes: u32,
    /// Pieces of memory for one frame.
    pub planes: u8,
    /// What its numbers mean.
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

/// VIDIOC_G_FMT without how it lies in memory.
pub fn get_format(file: &File, kind: BufferKind) -> Result<Format> {
    get_layout(file, kind).map(|layout| layout.format)
}

/// VIDIOC_S_FMT; the rest (sizes of buffers, colours) is left to the driver.
pub fn set_format(file: &File, kind: BufferKind, wanted: Format) -> Result<Format> {
    set_layout(file, kind, &Layout::new(wanted)).map(|layout| layout.format)
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
    let told = p.capability & 0x1000 != 0 && p.timeperframe.numerator != 0 && p.timeperframe.denominator != 0;
    Ok(told.then_some(p.timeperframe))
}

/// VIDIOC_G_PARM: the present frame interval in seconds, if the driver knows one.
pub fn get_interval(file: &File, kind: BufferKind) -> Result<Option<Fraction>> {
    parameters_call(file, kind, Fraction::default(), &G_PARM)
}

/// VIDIOC_S_PARM: sets the frame interval or the nearest that there is, and gives which, if the driver says.
pub fn set_interval(file: &File, kind: BufferKind, interval: Fraction) -> Result<Option<Fraction>> {
    parameters_call(file, kind, interval, &S_PARM)
}

/// VIDIOC_SUBSCRIBE_EVENT: a decoder is to tell when its pictures are of another format than it was set to.
pub fn subscribe_source_change(file: &File) -> Result<()> {
    let mut s = EventSubscription {
        kind: SOURCE_CHANGE,
        ..EventSubscription::default()
    };
    call(file, &SUBSCRIBE_EVENT, &mut s)
}

/// VIDIOC_DQEVENT: takes an event, and tells whether it is one of those. ENOENT: there is none.
pub fn take_source_change(file: &File) -> Result<bool> {
    let mut e = Event::default();
    call(file, &DQEVENT, &mut e)?;
    Ok(e.kind == SOURCE_CHANGE)
}

/// `enum v4l2_memory`: whose memory buffers are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Memory {
    /// `V4L2_MEMORY_MMAP`: the driver's.
    Mmap = 1,
    /// `V4L2_MEMORY_DMABUF`: another driver's.
    DmaBuf = 4,
}

/// VIDIOC_REQBUFS: asks for buffers and gives how many there are now. 0 frees them. EBUSY: another file
/// streams.
pub(super) fn request_buffers(file: &File, kind: BufferKind, memory: Memory, count: u32) -> Result<u32> {
    let mut r = RequestBuffers {
        count,
        kind: kind as u32,
        memory: memory as u32,
        ..RequestBuffers::default()
    };
    call(file, &REQBUFS, &mut r)?;
    Ok(r.count)
}

/// VIDIOC_EXPBUF: a buffer's only piece of memory as a file that another driver can take it by.
pub(super) fn export_buffer(file: &File, kind: BufferKind, index: u32) -> Result<OwnedFd> {
    let mut e = ExportBuffer {
        kind: kind as u32,
        index,
        flags: (libc::O_RDWR | libc::O_CLOEXEC) as u32,
        ..ExportBuffer::default()
    };
    call(file, &EXPBUF, &mut e)?;
    // SAFETY: the kernel made this file descriptor for us just now.
    Ok(unsafe { OwnedFd::from_raw_fd(e.fd) })
}

/// What a buffer is queued or dequeued with.
pub(super) struct Contents {
    pub memory: Memory,
    /// How much is in its only piece, and CLOCK_MONOTONIC in microseconds: of a buffer with something in it.
    pub filled: Option<(u32, u64)>,
    /// The memory to put it into, of [`Memory::DmaBuf`].
    pub fd: RawFd,
}

impl Contents {
    pub const NOTHING: Contents = Contents {
        memory: Memory::Mmap,
        filled: None,
        fd: 0,
    };
}

/// Calls with a `v4l2_buffer`, and `planes` behind it if `kind` has them.
fn buffer_call(
    file: &File,
    kind: BufferKind,
    index: u32,
    contents: &Contents,
    planes: &mut [Plane; MAX_PLANES],
    request: &Request<Buffer>,
) -> Result<Buffer> {
    let (bytesused, time_us) = contents.filled.unwrap_or_default();
    // At the start of the union `m` of both structs; of V4L2_MEMORY_MMAP nothing there is read.
    let fd = contents.fd.to_ne_bytes();
    let m = usize::from_ne_bytes(std::array::from_fn(|i| fd.get(i).copied().unwrap_or(0)));
    let mut b = Buffer {
        index,
        kind: kind as u32,
        memory: contents.memory as u32,
        bytesused,
        seconds: (time_us / 1_000_000) as i64,
        microseconds: (time_us % 1_000_000) as i64,
        m,
        ..Buffer::default()
    };
    if kind.is_multi() {
        planes[0] = Plane {
            bytesused,
            m,
            ..Plane::default()
        };
        b.m = planes.as_mut_ptr().expose_provenance();
        b.length = MAX_PLANES as u32;
    }
    // SAFETY: `m` is the address of MAX_PLANES planes that are ours alone, as `length` says, or no address at all:
    // the kernel reads none from a single-planar buffer of these two sorts of memory, nor from a plane.
    unsafe { call_with_addresses(file, request, &mut b) }?;
    if !kind.is_multi() {
        // The one plane, in the shape that several have; the union `m` starts with the offset in both
        // structs.
        planes[0] = Plane {
            bytesused: b.bytesused,
            length: b.length,
            m: b.m,
            ..Plane::default()
        };
        b.length = 1;
    }
    Ok(b)
}

/// VIDIOC_QUERYBUF: where a buffer's planes are, for mmap(2): bytes and offset of each.
pub(super) fn query_buffer(file: &File, kind: BufferKind, index: u32) -> Result<Vec<(usize, u64)>> {
    let mut planes = [Plane::default(); MAX_PLANES];
    let b = buffer_call(file, kind, index, &Contents::NOTHING, &mut planes, &QUERYBUF)?;
    let offset = |m: usize| u64::from(u32::from_ne_bytes(std::array::from_fn(|i| m.to_ne_bytes()[i])));
    Ok(planes
        .iter()
        .take(b.length as usize)
        .map(|p| (p.length as usize, offset(p.m)))
        .collect())
}

/// VIDIOC_QBUF: gives a buffer to the driver, to fill or to read.
pub(super) fn queue_buffer(file: &File, kind: BufferKind, index: u32, contents: &Contents) -> Result<()> {
    let planes = &mut [Plane::default(); MAX_PLANES];
    buffer_call(file, kind, index, contents, planes, &QBUF).map(drop)
}

/// VIDIOC_DQBUF: takes a buffer that the driver is done with, or None when there is none (the file is open with
/// O_NONBLOCK). EPIPE: there will be none before the queue is started again.
pub(super) fn dequeue_buffer(
    file: &File,
    kind: BufferKind,
    memory: Memory,
) -> Result<Option<(Buffer, [Plane; MAX_PLANES])>> {
    let mut planes = [Plane::default(); MAX_PLANES];
    let contents = Contents {
        memory,
        ..Contents::NOTHING
    };
    match buffer_call(file, kind, 0, &contents, &mut planes, &DQBUF) {
        Ok(buffer) => Ok(Some((buffer, planes))),
        Err(Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// VIDIOC_STREAMON
pub(super) fn stream_on(file: &File, kind: BufferKind) -> Result<()> {
    call(file, &STREAMON, &mut (kind as u32))
}

/// VIDIOC_STREAMOFF: also takes all buffers back from the driver.
pub(super) fn stream_off(file: &File, kind: BufferKind) -> Result<()> {
    call(file, &STREAMOFF, &mut (kind as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(REQBUFS.0 as u32, 0xc014_5608);
        assert_eq!(EXPBUF.0 as u32, 0xc040_5610);
        assert_eq!(STREAMON.0 as u32, 0x4004_5612);
        assert_eq!(STREAMOFF.0 as u32, 0x4004_5613);
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
        assert_eq!(QUERYBUF.0 as u32, 0xc058_5609);
        assert_eq!(QBUF.0 as u32, 0xc058_560f);
        assert_eq!(DQBUF.0 as u32, 0xc058_5611);
        assert_eq!(DQEVENT.0 as u32, 0x8088_5659);
    }

    #[test]
    #[cfg(all(target_pointer_width = "32", not(target_arch = "x86")))]
    fn numbers_are_the_kernels_on_32_bit() {
        assert_eq!(G_FMT_SINGLE.0 as u32, 0xc0cc_5604);
        assert_eq!(QUERYBUF.0 as u32, 0xc050_5609);
        assert_eq!(QBUF.0 as u32, 0xc050_560f);
        assert_eq!(DQBUF.0 as u32, 0xc050_5611);
        assert_eq!(DQEVENT.0 as u32, 0x8088_5659);
    }

    #[test]
    fn what_is_not_a_device_says_so() {
        let file = File::open("/dev/null").unwrap();
        assert_eq!(
            dequeue_buffer(&file, BufferKind::Multi, Memory::Mmap).err(),
            Some(Errno::ENOTTY)
        );
        assert_eq!(query_buffer(&file, BufferKind::Single, 0), Err(Errno::ENOTTY));
        assert_eq!(take_source_change(&file), Err(Errno::ENOTTY));
    }
}
