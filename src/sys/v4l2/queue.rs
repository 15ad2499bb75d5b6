//! The buffers of a capture device: mapped, started, lent one at a time, given back.

use super::abi::{Buffer, MAX_PLANES, Plane};
use super::{BufferKind, Result, ioctl};
use crate::sys::mmap::Mapping;
use nix::errno::Errno;
use std::fs::File;

/// `V4L2_BUF_FLAG_ERROR`
const FLAG_ERROR: u32 = 0x0040;
/// `V4L2_BUF_FLAG_TIMESTAMP_MASK` and, of its values, `V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC`
const FLAG_TIMESTAMP: u32 = 0xe000;
const FLAG_MONOTONIC: u32 = 0x2000;

/// A capture device with its buffers. On drop the stream stops, the memory goes back and the file is closed.
pub struct Queue {
    file: File,
    kind: BufferKind,
    /// The planes of each buffer.
    buffers: Vec<Vec<Mapping>>,
}

impl Queue {
    /// Asks the driver for `wanted` buffers, takes as many as it gives (at least one) and maps them.
    /// `file` is open for reading and writing, with O_NONBLOCK.
    ///
    /// # Errors
    /// What VIDIOC_REQBUFS (EBUSY: another file streams; ENOMEM), VIDIOC_QUERYBUF and mmap(2) say; ENOBUFS if
    /// the driver gives none.
    pub fn new(file: File, kind: BufferKind, wanted: u32) -> Result<Queue> {
        let count = ioctl::request_buffers(&file, kind, wanted)?;
        if count == 0 {
            return Err(Errno::ENOBUFS);
        }
        let mut queue = Queue {
            file,
            kind,
            buffers: Vec::new(),
        };
        for index in 0..count {
            let planes = ioctl::query_buffer(&queue.file, kind, index)?;
            let maps: Result<Vec<Mapping>> = planes
                .into_iter()
                .map(|(bytes, offset)| Mapping::new(&queue.file, bytes, offset))
                .collect();
            queue.buffers.push(maps?);
        }
        Ok(queue)
    }

    /// The device.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// How many buffers the driver gave.
    pub fn count(&self) -> usize {
        self.buffers.len()
    }

    /// Gives the driver all buffers and starts the stream. To be called once.
    ///
    /// # Errors
    /// What VIDIOC_QBUF and VIDIOC_STREAMON say.
    pub fn start(&mut self) -> Result<()> {
        for index in 0..self.buffers.len() {
            ioctl::queue_buffer(&self.file, self.kind, index as u32)?;
        }
        ioctl::stream_on(&self.file, self.kind)
    }

    /// Takes the next filled buffer, or None when there is none yet.
    ///
    /// # Errors
    /// What VIDIOC_DQBUF says: ENODEV (unplugged), EIO and others; the stream is over then.
    pub fn dequeue(&mut self) -> Result<Option<Lent<'_>>> {
        let Some((buffer, planes)) = ioctl::dequeue_buffer(&self.file, self.kind)? else {
            return Ok(None);
        };
        // An index that was never given out is a driver gone mad: nothing of it can be trusted.
        let maps = self.buffers.get(buffer.index as usize).ok_or(Errno::EPROTO)?;
        Ok(Some(Lent {
            file: &self.file,
            kind: self.kind,
            maps,
            buffer,
            planes,
            given_back: false,
        }))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // All of this fails when the device is gone, and closing the file frees everything in any case.
        let _ = ioctl::stream_off(&self.file, self.kind);
        // Before 4.20 the kernel does not free buffers that are mapped.
        self.buffers.clear();
        let _ = ioctl::request_buffers(&self.file, self.kind, 0);
    }
}

/// A filled buffer, ours until it is given back: at the latest when this is dropped.
pub struct Lent<'a> {
    file: &'a File,
    kind: BufferKind,
    maps: &'a [Mapping],
    buffer: Buffer,
    planes: [Plane; MAX_PLANES],
    given_back: bool,
}

impl Lent<'_> {
    /// The frame's number as the driver counts; it counts lost frames too, and starts again after 2^32 - 1.
    pub fn sequence(&self) -> u32 {
        self.buffer.sequence
    }

    /// The driver marked the content as damaged.
    pub fn damaged(&self) -> bool {
        self.buffer.flags & FLAG_ERROR != 0
    }

    /// When the frame was captured, CLOCK_MONOTONIC in microseconds; None if the driver's time is of another
    /// clock.
    pub fn captured_us(&self) -> Option<u64> {
        if self.buffer.flags & FLAG_TIMESTAMP != FLAG_MONOTONIC {
            return None;
        }
        let seconds = u64::try_from(self.buffer.seconds).ok()?;
        let microseconds = u64::try_from(self.buffer.microseconds).ok()?;
        seconds.checked_mul(1_000_000)?.checked_add(microseconds)
    }

    /// What the driver put in each plane.
    pub fn planes(&self) -> impl Iterator<Item = &[u8]> {
        self.maps.iter().zip(&self.planes).map(|(map, plane)| {
            // SAFETY: between VIDIOC_DQBUF and VIDIOC_QBUF a buffer is the program's; `self` is that time,
            // and the slice borrows it. (A driver that writes all the same, as v4l2loopback may when its
            // feeder is far ahead, changes bytes, which are valid as bytes whatever they are.)
            let bytes = unsafe { map.bytes() };
            // v4l2_plane: bytesused counts from the plane's start, data_offset too.
            let end = (plane.bytesused as usize).min(bytes.len());
            bytes.get(plane.data_offset as usize..end).unwrap_or_default()
        })
    }

    /// What the driver put in the first plane: all there is of a compressed frame.
    pub fn data(&self) -> &[u8] {
        self.planes().next().unwrap_or_default()
    }

    /// Gives the buffer back to be filled again.
    ///
    /// # Errors
    /// What VIDIOC_QBUF says; the buffer is lost to the stream then, so the device is best opened again.
    pub fn give_back(mut self) -> Result<()> {
        self.given_back = true;
        ioctl::queue_buffer(self.file, self.kind, self.buffer.index)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if !self.given_back {
            // Who wants to know calls `give_back`.
            let _ = ioctl::queue_buffer(self.file, self.kind, self.buffer.index);
        }
    }
}
