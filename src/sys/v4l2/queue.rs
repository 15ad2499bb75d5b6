//! The buffers of a device: a queue that it fills, lent one at a time and given back, and one that we fill.

use super::abi::{Buffer, MAX_PLANES};
use super::buffers::{self, Contents, Memory};
use super::types::BufferKind;
use crate::sys::errno::{Errno, Result};
use crate::sys::mmap::Mapping;
use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

/// `V4L2_BUF_FLAG_ERROR`
const FLAG_ERROR: u32 = 0x0040;
/// `V4L2_BUF_FLAG_LAST`
const FLAG_LAST: u32 = 0x0010_0000;
/// `V4L2_BUF_FLAG_TIMESTAMP_MASK` and, of its values, `V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC` and
/// `V4L2_BUF_FLAG_TIMESTAMP_COPY`
const FLAG_TIMESTAMP: u32 = 0xe000;
const FLAG_MONOTONIC: u32 = 0x2000;
const FLAG_COPY: u32 = 0x4000;

/// The place of a buffer's bytes.
enum Place {
    /// The driver's memory, mapped: each plane.
    Here(Vec<Mapping>),
    /// Another driver's, in one piece; the bytes are none of ours.
    There(OwnedFd),
}

/// The part that a queue and the buffers lent from it share.
struct Shared {
    file: Rc<File>,
    kind: BufferKind,
    memory: Memory,
    buffers: Vec<Place>,
}

impl Shared {
    /// Gives the driver a buffer to fill.
    fn queue(&self, index: u32) -> Result<()> {
        let fd = match self.buffers.get(index as usize) {
            Some(Place::There(fd)) => fd.as_raw_fd(),
            _ => 0,
        };
        let contents = Contents {
            memory: self.memory,
            filled: None,
            fd,
        };
        buffers::queue_buffer(&self.file, self.kind, index, &contents)
    }
}

/// Asks the driver for `wanted` buffers of its own, takes as many as it gives (at least one) and maps them.
fn mapped(file: &File, kind: BufferKind, wanted: u32) -> Result<Vec<Vec<Mapping>>> {
    let count = buffers::request_buffers(file, kind, Memory::Mmap, wanted)?;
    if count == 0 {
        return Err(Errno::ENOBUFS);
    }
    let map = |index| {
        let planes = buffers::query_buffer(file, kind, index)?;
        let maps = planes
            .into_iter()
            .map(|(bytes, offset)| Mapping::new(file, bytes, offset));
        maps.collect()
    };
    (0..count).map(map).collect()
}

/// The queue that a device fills. On drop the stream stops and the memory goes back, but for what is lent.
pub struct Queue {
    shared: Rc<Shared>,
}

impl Queue {
    /// Asks the driver for `wanted` buffers, takes as many as it gives (at least one) and maps them.
    /// `file` is open for reading and writing, with O_NONBLOCK.
    ///
    /// # Errors
    /// Those of VIDIOC_REQBUFS (EBUSY: another file streams; ENOMEM), VIDIOC_QUERYBUF and mmap(2); ENOBUFS if
    /// the driver gives none.
    pub fn new(file: Rc<File>, kind: BufferKind, wanted: u32) -> Result<Queue> {
        let buffers = mapped(&file, kind, wanted)?;
        let shared = Shared {
            file,
            kind,
            memory: Memory::Mmap,
            buffers: buffers.into_iter().map(Place::Here).collect(),
        };
        Ok(Queue {
            shared: Rc::new(shared),
        })
    }

    /// A queue with another device's memory ([`OutputQueue::export`]): buffer n of this queue is the n-th of `memory`.
    ///
    /// # Errors
    /// Those of VIDIOC_REQBUFS: EINVAL where the driver can't do that.
    pub fn import(file: Rc<File>, kind: BufferKind, memory: Vec<OwnedFd>) -> Result<Queue> {
        let count = buffers::request_buffers(&file, kind, Memory::DmaBuf, memory.len() as u32)?;
        let mut buffers: Vec<Place> = memory.into_iter().map(Place::There).collect();
        // If there are more than there is memory for, they stay unused.
        buffers.truncate(count as usize);
        let shared = Shared {
            file,
            kind,
            memory: Memory::DmaBuf,
            buffers,
        };
        Ok(Queue {
            shared: Rc::new(shared),
        })
    }

    /// The number of buffers that the driver gave.
    pub fn count(&self) -> usize {
        self.shared.buffers.len()
    }

    /// True if the driver has none of the buffers: all are lent.
    pub fn is_empty(&self) -> bool {
        Rc::strong_count(&self.shared) > self.count()
    }

    /// Gives the driver all buffers and starts the stream. To be called once.
    ///
    /// # Errors
    /// Those of VIDIOC_QBUF and VIDIOC_STREAMON.
    pub fn start(&mut self) -> Result<()> {
        for index in 0..self.count() {
            self.shared.queue(index as u32)?;
        }
        buffers::stream_on(&self.shared.file, self.shared.kind)
    }

    /// Takes the next filled buffer, or None when there is none yet.
    ///
    /// # Errors
    /// Those of VIDIOC_DQBUF: ENODEV (unplugged), EIO and others; the stream is over then. EPIPE: a decoder or
    /// encoder has stopped by itself.
    pub fn dequeue(&mut self) -> Result<Option<DequeuedBuffer>> {
        let shared = &self.shared;
        let Some((buffer, planes)) = buffers::dequeue_buffer(&shared.file, shared.kind, shared.memory)?
        else {
            return Ok(None);
        };
        // An index that was never given out is a driver gone mad: nothing of it can be trusted.
        if buffer.index as usize >= shared.buffers.len() {
            return Err(Errno::EPROTO);
        }
        Ok(Some(DequeuedBuffer {
            shared: Rc::clone(shared),
            filled: planes.map(|plane| plane.data_offset as usize..plane.bytesused as usize),
            buffer,
            given_back: false,
        }))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // All of this fails when the device is gone, and closing the file frees everything in any case.
        let _ = buffers::stream_off(&self.shared.file, self.shared.kind);
        if let Some(shared) = Rc::get_mut(&mut self.shared) {
            // Before 4.20 the kernel does not free buffers that are mapped.
            shared.buffers.clear();
        }
        let shared = &self.shared;
        let _ = buffers::request_buffers(&shared.file, shared.kind, shared.memory, 0);
    }
}

/// A filled buffer, ours until it is given back: at the latest when this is dropped.
pub struct DequeuedBuffer {
    shared: Rc<Shared>,
    buffer: Buffer,
    /// The filled part of each plane. (v4l2_plane: bytesused counts from the plane's start, data_offset too.)
    filled: [Range<usize>; MAX_PLANES],
    given_back: bool,
}

impl DequeuedBuffer {
    /// The buffer's number in its queue.
    pub fn index(&self) -> u32 {
        self.buffer.index
    }

    /// The frame's number as the driver counts; it counts lost frames too, and starts again after 2^32 - 1.
    pub fn sequence(&self) -> u32 {
        self.buffer.sequence
    }

    /// The driver marked the content as damaged.
    pub fn damaged(&self) -> bool {
        self.buffer.flags & FLAG_ERROR != 0
    }

    /// A decoder or encoder gives nothing after this before it is started again.
    pub fn is_last(&self) -> bool {
        self.buffer.flags & FLAG_LAST != 0
    }

    /// Time of the frame's capture, CLOCK_MONOTONIC in microseconds; None if the driver's time is of another
    /// clock.
    pub fn captured_us(&self) -> Option<u64> {
        self.time_us(FLAG_MONOTONIC)
    }

    /// The time of what went into a decoder or encoder to become this; None if the driver doesn't hand that on.
    pub fn copied_us(&self) -> Option<u64> {
        self.time_us(FLAG_COPY)
    }

    fn time_us(&self, kind: u32) -> Option<u64> {
        if self.buffer.flags & FLAG_TIMESTAMP != kind {
            return None;
        }
        let seconds = u64::try_from(self.buffer.seconds).ok()?;
        let microseconds = u64::try_from(self.buffer.microseconds).ok()?;
        seconds.checked_mul(1_000_000)?.checked_add(microseconds)
    }

    /// The number of bytes that the driver put in all planes together, wherever they are.
    pub fn filled_bytes(&self) -> usize {
        let planes = self.filled.iter().take(self.buffer.length as usize);
        planes.map(ExactSizeIterator::len).sum()
    }

    /// The bytes that the driver put into each plane; none for a plane in another device's memory.
    pub fn planes(&self) -> impl Iterator<Item = &[u8]> {
        let maps = match self.shared.buffers.get(self.buffer.index as usize) {
            Some(Place::Here(maps)) => maps.as_slice(),
            _ => &[],
        };
        maps.iter().zip(&self.filled).map(|(map, filled)| {
            // SAFETY: between VIDIOC_DQBUF and VIDIOC_QBUF a buffer is the program's; `self`, of which there is one,
            // is that time, and the slice borrows it. (A driver that writes all the same, as v4l2loopback may when
            // its feeder is far ahead, changes bytes, which are valid as bytes whatever they are.)
            let bytes = unsafe { map.bytes() };
            bytes
                .get(filled.start..filled.end.min(bytes.len()))
                .unwrap_or_default()
        })
    }

    /// The bytes that the driver put into the first plane: all of a compressed frame.
    pub fn data(&self) -> &[u8] {
        self.planes().next().unwrap_or_default()
    }

    /// Gives the buffer back to be filled again.
    ///
    /// # Errors
    /// Those of VIDIOC_QBUF; the buffer is lost to the stream then, so the device is best opened again.
    pub fn give_back(mut self) -> Result<()> {
        self.given_back = true;
        self.shared.queue(self.buffer.index)
    }
}

impl Drop for DequeuedBuffer {
    fn drop(&mut self) {
        if !self.given_back {
            // Who wants to know calls `give_back`. Where the queue is gone, there is nothing to give it back to.
            let _ = self.shared.queue(self.buffer.index);
        }
    }
}

/// The queue of what a decoder or an encoder is given. On drop the stream stops and the memory goes back.
pub struct OutputQueue {
    file: Rc<File>,
    kind: BufferKind,
    buffers: Vec<Vec<Mapping>>,
    /// Those that are ours.
    free: Vec<u32>,
}

impl OutputQueue {
    /// Asks the driver for `wanted` buffers, takes as many as it gives (at least one) and maps them.
    /// `kind` is one of the two for output.
    ///
    /// # Errors
    /// As [`Queue::new`].
    pub fn new(file: Rc<File>, kind: BufferKind, wanted: u32) -> Result<OutputQueue> {
        let buffers = mapped(&file, kind, wanted)?;
        Ok(OutputQueue {
            file,
            kind,
            free: (0..buffers.len() as u32).collect(),
            buffers,
        })
    }

    /// The number of buffers that the driver gave.
    pub fn count(&self) -> usize {
        self.buffers.len()
    }

    /// The number of buffers that the device has.
    pub fn in_flight(&self) -> usize {
        self.buffers.len() - self.free.len()
    }

    /// The memory of all buffers, for another device to fill ([`Queue::import`]); each must have one plane.
    ///
    /// # Errors
    /// Those of VIDIOC_EXPBUF: ENOTTY or EINVAL where the driver can't do that.
    pub fn export(&self) -> Result<Vec<OwnedFd>> {
        let indices = 0..self.buffers.len() as u32;
        indices
            .map(|index| buffers::export_buffer(&self.file, self.kind, index))
            .collect()
    }

    /// The bytes of a buffer of this queue that another device filled ([`Queue::import`]), and that is not sent yet; none of any other.
    pub fn filled<'a>(&'a self, by: &'a DequeuedBuffer) -> &'a [u8] {
        let is_ours = matches!(by.shared.memory, Memory::DmaBuf) && self.free.contains(&by.index());
        let map = self
            .buffers
            .get(by.index() as usize)
            .and_then(|planes| planes.first());
        // SAFETY: neither device has it: a free buffer is not with this one's driver, and `by`, which is borrowed for as long, is not with
        // the other's.
        map.filter(|_| is_ours).map_or(&[], |map| unsafe { map.bytes() })
    }

    /// Starts the stream.
    ///
    /// # Errors
    /// Those of VIDIOC_STREAMON.
    pub fn start(&mut self) -> Result<()> {
        buffers::stream_on(&self.file, self.kind)
    }

    /// Lets `fill` fill a buffer that is ours, and gives it to the device with its time. `fill` gives how many bytes
    /// it used, or None if it has nothing after all. False: so it was, or no buffer is ours.
    ///
    /// # Errors
    /// Those of VIDIOC_QBUF.
    pub fn write(&mut self, time_us: u64, fill: &mut dyn FnMut(&mut [u8]) -> Option<usize>) -> Result<bool> {
        let Some(&index) = self.free.last() else {
            return Ok(false);
        };
        let Some(map) = self.buffers.get_mut(index as usize).and_then(|b| b.first_mut()) else {
            return Ok(false);
        };
        // SAFETY: a free buffer is not with the driver, and the mapping is borrowed mutably.
        let Some(bytes) = fill(unsafe { map.bytes_mut() }) else {
            return Ok(false);
        };
        self.send(index, bytes, time_us)?;
        Ok(true)
    }

    /// Gives the device buffer `index`, which is ours and which another device has filled.
    ///
    /// # Errors
    /// Those of VIDIOC_QBUF; EBUSY if the buffer is not ours.
    pub fn send(&mut self, index: u32, bytes: usize, time_us: u64) -> Result<()> {
        let place = self.free.iter().position(|free| *free == index);
        let place = place.ok_or(Errno::EBUSY)?;
        let contents = Contents {
            filled: Some((bytes as u32, time_us)),
            ..Contents::NOTHING
        };
        buffers::queue_buffer(&self.file, self.kind, index, &contents)?;
        self.free.swap_remove(place);
        Ok(())
    }

    /// Takes back a buffer that the device is done with, and gives its index; None when there is none.
    ///
    /// # Errors
    /// Those of VIDIOC_DQBUF.
    pub fn reclaim(&mut self) -> Result<Option<u32>> {
        let Some((buffer, _)) = buffers::dequeue_buffer(&self.file, self.kind, Memory::Mmap)? else {
            return Ok(None);
        };
        let index = buffer.index;
        if index as usize >= self.buffers.len() || self.free.contains(&index) {
            return Err(Errno::EPROTO);
        }
        self.free.push(index);
        Ok(Some(index))
    }
}

impl Drop for OutputQueue {
    fn drop(&mut self) {
        let _ = buffers::stream_off(&self.file, self.kind);
        // As in `Queue`.
        self.buffers.clear();
        let _ = buffers::request_buffers(&self.file, self.kind, Memory::Mmap, 0);
    }
}
