//! The calls that move buffers: asked for, mapped, queued, dequeued.

use super::abi::{Buffer, ExportBuffer, MAX_PLANES, Plane, RequestBuffers};
use super::call::{Request, call, call_with_addresses, read_write, write};
use super::types::BufferKind;
use crate::sys::errno::{Errno, Result};
use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

const REQBUFS: Request<RequestBuffers> = read_write(8);
const QUERYBUF: Request<Buffer> = read_write(9);
const QBUF: Request<Buffer> = read_write(15);
const EXPBUF: Request<ExportBuffer> = read_write(16);
const DQBUF: Request<Buffer> = read_write(17);
const STREAMON: Request<u32> = write(18);
const STREAMOFF: Request<u32> = write(19);

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

/// The data that a buffer is queued or dequeued with.
pub(super) struct Contents {
    pub memory: Memory,
    /// Bytes in its only plane, and CLOCK_MONOTONIC in microseconds; None for an empty buffer.
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
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn numbers_are_the_kernels_on_64_bit() {
        assert_eq!(QUERYBUF.0 as u32, 0xc058_5609);
        assert_eq!(QBUF.0 as u32, 0xc058_560f);
        assert_eq!(DQBUF.0 as u32, 0xc058_5611);
    }

    #[test]
    #[cfg(all(target_pointer_width = "32", not(target_arch = "x86")))]
    fn numbers_are_the_kernels_on_32_bit() {
        assert_eq!(QUERYBUF.0 as u32, 0xc050_5609);
        assert_eq!(QBUF.0 as u32, 0xc050_560f);
        assert_eq!(DQBUF.0 as u32, 0xc050_5611);
    }

    #[test]
    fn what_is_not_a_device_says_so() {
        let file = File::open("/dev/null").unwrap();
        assert_eq!(
            dequeue_buffer(&file, BufferKind::Multi, Memory::Mmap).err(),
            Some(Errno::ENOTTY)
        );
        assert_eq!(query_buffer(&file, BufferKind::Single, 0), Err(Errno::ENOTTY));
    }
}
