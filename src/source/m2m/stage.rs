//! A decoder or an encoder in hardware: a memory-to-memory device of the kernel's stateful codec interfaces (Linux Media
//! Userspace API, part I, "Memory-to-Memory Stateful Video Decoder Interface" and "... Encoder Interface").
//!
//! It is never waited for: some frames are with it, one may wait before it, and when the next one comes while that one
//! still waits, the older one is dropped. Streams are not drained when they end: nobody is there to watch the rest.

use super::node::{CodecNode, Raw, raw_input, set_defaults};
use crate::config::Setting;
use crate::error::{Error, Result};
use crate::format::{jpeg, raw};
use crate::log_verbose;
use crate::source::capture::{BUFFERS, Taken};
use crate::source::node::gone;
use crate::sys::clock::monotonic_us;
use crate::sys::poll::{PollFd, PollFlags};
use crate::sys::v4l2::{
    self, BufferKind, Control, DequeuedBuffer, Format, FourCc, Fraction, Layout, OutputQueue, Queue, ctrl,
};
use crate::sys::{self, Errno};
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Frames that a device has at a time: one that it works on, and what follows that at once. More would only be older when
/// they come out.
const IN_FLIGHT: usize = 3;
/// The time for which a device may take frames and give nothing.
const HANG: Duration = Duration::from_secs(5);
/// Room in a decoder's buffer for what is put into a picture before it is decoded, beside what the camera needs.
const MENDING_BYTES: u32 = 1024;

/// The form in which frames get into the device.
enum Feed {
    /// JPEG pictures, repaired before they are decoded.
    Jpeg,
    /// Raw pictures, line by line from how they were into how they are to be.
    Copied { from: Raw, to: Raw },
    /// Raw pictures that are in its memory already.
    There { from: Raw, size_bytes: usize },
}

/// A decoder or an encoder at work. Dropping it stops it and gives its memory back.
pub struct Stage {
    // In this order: it stops before what it reads goes back.
    input: OutputQueue,
    /// The queue of what it gives; a decoder may have none for a time.
    queue: Option<Queue>,
    in_use: Vec<DequeuedBuffer>,
    /// The frame that there was no room for yet, with its time.
    waiting: Option<(DequeuedBuffer, u64)>,
    pub node: CodecNode,
    feed: Feed,
    /// The times of what it was given and has not answered.
    fed_us: VecDeque<u64>,
    /// Since when it had frames and gave no good one.
    asked: Option<Instant>,
    /// It gives nothing more before it is started again.
    pub ended: bool,
    key_button: Option<Control>,
    /// Frames that were dropped since it had no time for them.
    pub slow: u64,
    /// Frames that were damaged, or that it damaged.
    pub damaged: u64,
}

impl Stage {
    fn new(node: CodecNode, feed: Feed) -> Result<Stage> {
        // What is copied to it needs no more than it has at a time, and memory for codecs is scarce. Of an encoder it shows
        // later whether it is.
        let count = match feed {
            Feed::Jpeg => IN_FLIGHT as u32,
            _ => BUFFERS,
        };
        let input = OutputQueue::new(Rc::clone(&node.file), node.kind.output(), count);
        let input = input.map_err(|e| node.no_buffers(e))?;
        Ok(Stage {
            waiting: None,
            in_use: Vec::new(),
            input,
            queue: None,
            feed,
            fed_us: VecDeque::new(),
            asked: None,
            ended: false,
            key_button: v4l2::query_control(&node.file, ctrl::FORCE_KEY_FRAME).ok(),
            slow: 0,
            damaged: 0,
            node,
        })
    }

    /// Sets a decoder up for pictures as a camera gives them, but called `input`, and for raw ones of `raw_format`; it
    /// gives nothing yet. Where the camera's are raw it is a converter.
    pub fn decoder(
        node: CodecNode,
        (camera, input): (&Layout, FourCc),
        raw_format: &mut dyn FnMut(&CodecNode) -> Result<FourCc>,
        settings: &[Setting],
        warn: &mut dyn FnMut(String),
    ) -> Result<Stage> {
        node.apply(settings, warn);
        let feed = if raw::is_known(input.0.to_le_bytes()) {
            let from = Raw {
                layout: *camera,
                visible: (camera.format.width, camera.format.height),
            };
            let to = raw_input(&node, &from, input)?;
            Feed::Copied { from, to }
        } else {
            let mut coded = *camera;
            coded.format.fourcc = input;
            coded.stride_bytes = 0;
            coded.size_bytes = camera.size_bytes.saturating_add(MENDING_BYTES);
            node.set(node.kind.output(), &coded)?;
            Feed::Jpeg
        };
        let raw = Layout {
            format: Format {
                fourcc: raw_format(&node)?,
                ..camera.format
            },
            stride_bytes: 0,
            size_bytes: 0,
            ..*camera
        };
        node.set(node.kind, &raw)?;
        if let Err(errno) = v4l2::subscribe_source_change(&node.file, 0) {
            log_verbose!(
                "{}: reports no changes of size: {}",
                node.path.display(),
                sys::words(errno)
            );
        }
        let mut stage = Stage::new(node, feed)?;
        let started = stage.input.start();
        started.map_err(|e| stage.node.failed("can't start the decoder", e))?;
        Ok(stage)
    }

    /// Sets an encoder up for pictures as `source` has them, but called `fourcc`, and starts it.
    pub fn encoder(
        node: CodecNode,
        (source, fourcc): (&Raw, FourCc),
        (interval, qp_floor): (Fraction, bool),
        settings: &[Setting],
        warn: &mut dyn FnMut(String),
    ) -> Result<Stage> {
        set_defaults(&node, source.visible, interval, qp_floor);
        node.apply(settings, warn);
        let mut coded = Layout::new(Format {
            width: source.visible.0,
            height: source.visible.1,
            fourcc: FourCc::H264,
        });
        coded.colours = source.layout.colours;
        node.set(node.kind, &coded)?;
        let input = raw_input(&node, source, fourcc)?;
        let output = node.kind.output();
        if let Err(errno) = v4l2::set_interval(&node.file, output, interval) {
            log_verbose!(
                "{}: takes no frame rate: {}",
                node.path.display(),
                sys::words(errno)
            );
        }
        let mut stage = Stage::new(
            node,
            Feed::Copied {
                from: *source,
                to: input,
            },
        )?;
        let node = &stage.node;
        let queue = Queue::new(Rc::clone(&node.file), node.kind, BUFFERS);
        let mut queue = queue.map_err(|e| node.no_buffers(e))?;
        let started = stage.input.start().and_then(|()| queue.start());
        started.map_err(|e| stage.node.failed("can't start the encoder", e))?;
        stage.queue = Some(queue);
        Ok(stage)
    }

    /// The layout of the pictures that a decoder gives, by what it knows last.
    pub fn raw(&self) -> Result<Raw> {
        let CodecNode { file, kind, .. } = &self.node;
        let layout = v4l2::get_layout(file, *kind);
        let layout = layout.map_err(|e| self.node.failed("can't get the format", e))?;
        let Format { width, height, .. } = layout.format;
        // None at all is what a device says that has seen no picture yet.
        let composed = v4l2::get_composed(file).unwrap_or_default();
        let visible = |part: u32, all: u32| if part == 0 { all } else { part.min(all) };
        Ok(Raw {
            layout,
            visible: (visible(composed.0, width), visible(composed.1, height)),
        })
    }

    /// Lets go of a decoder's queue, and of all that is known of its state.
    pub fn stop_giving(&mut self) {
        (self.queue, self.ended, self.asked) = (None, false, None);
        self.fed_us.clear();
    }

    /// Has a decoder give its pictures into this queue, which streams.
    pub fn give_into(&mut self, queue: Queue) {
        self.queue = Some(queue);
    }

    /// True if it is given JPEG pictures.
    pub fn takes_jpeg(&self) -> bool {
        matches!(self.feed, Feed::Jpeg)
    }

    /// Starts `device`'s queue, of frames for this one: in its memory where both can, or else in the device's own.
    /// `no_copy` is Some(true) where it has to be so, and Some(false) where it must not.
    pub fn source_queue(
        &mut self,
        (file, kind): (&Rc<File>, BufferKind),
        no_copy: Option<bool>,
        warn: &mut dyn FnMut(String),
    ) -> sys::Result<Queue> {
        if let (Feed::Copied { from, to }, true) = (&self.feed, no_copy != Some(false)) {
            let why = match imported(&self.input, from, to, (file, kind)) {
                Ok(queue) => {
                    self.feed = Feed::There {
                        from: *from,
                        size_bytes: to.layout.size_bytes as usize,
                    };
                    return Ok(queue);
                }
                Err(why) => format!("{}: its frames are copied: {why}", self.node.path.display()),
            };
            if no_copy.is_some() {
                warn(why);
            } else {
                log_verbose!("{why}");
            }
        }
        let mut queue = Queue::new(Rc::clone(file), kind, BUFFERS)?;
        queue.start()?;
        Ok(queue)
    }

    /// The bytes that a whole picture for it has at least; 0 where that is not known.
    pub fn least_bytes(&self) -> usize {
        match &self.feed {
            Feed::Copied { from, .. } | Feed::There { from, .. } => from.lines().size_bytes().unwrap_or(0),
            Feed::Jpeg => 0,
        }
    }

    /// Takes samples of the luma of a frame that is to be submitted, where it has raw ones.
    pub fn sample(&self, frame: &DequeuedBuffer, samples: &mut Vec<u8>) -> bool {
        let (from, data) = match &self.feed {
            Feed::Copied { from, .. } => (from, frame.data()),
            Feed::There { from, .. } => (from, self.input.filled(frame)),
            Feed::Jpeg => return false,
        };
        let (width, height) = from.visible;
        raw::luma((width as usize, height as usize), (data, from.lines()), samples)
    }

    /// The device for poll(2), with the events that matter now.
    pub fn poll_fd(&self) -> PollFd<'_> {
        // POLLIN: it gave something; POLLOUT: it is done with something; POLLPRI: an event. Asked for the first two, one
        // without any buffer says POLLERR, as a decoder is for a time where memory was enough for a few buffers only.
        let none = self.input.in_flight() == 0 && self.queue.as_ref().is_none_or(Queue::is_empty);
        let events = if none {
            PollFlags::POLLPRI
        } else {
            PollFlags::POLLIN | PollFlags::POLLOUT | PollFlags::POLLPRI
        };
        PollFd::new(self.node.file.as_fd(), events)
    }

    /// Gives it a frame, as soon as it has time for it. One that still waits is dropped.
    ///
    /// # Errors
    /// The device fails.
    pub fn submit(&mut self, frame: DequeuedBuffer, captured_us: u64) -> sys::Result<()> {
        self.asked.get_or_insert_with(Instant::now);
        if let Some((older, _)) = self.waiting.replace((frame, captured_us)) {
            self.slow += 1;
            older.give_back()?;
        }
        self.send()
    }

    /// Takes back what it is done with, and gives it what waits.
    pub fn feed(&mut self) -> sys::Result<()> {
        while let Some(index) = self.input.reclaim()? {
            if let Some(place) = self.in_use.iter().position(|buffer| buffer.index() == index) {
                self.in_use.swap_remove(place).give_back()?;
            }
        }
        self.send()
    }

    fn send(&mut self) -> sys::Result<()> {
        if self.input.in_flight() >= IN_FLIGHT.min(self.input.count()) {
            return Ok(());
        }
        let Some((frame, captured_us)) = self.waiting.take() else {
            return Ok(());
        };
        let sent = match &self.feed {
            Feed::There { size_bytes, .. } => {
                self.input.send(frame.index(), *size_bytes, captured_us)?;
                self.sent(captured_us);
                self.in_use.push(frame);
                return Ok(());
            }
            Feed::Jpeg => self.input.write(captured_us, &mut |room| {
                jpeg::Picture::parse(frame.data()).ok()?.write_for_decoder(room)
            })?,
            Feed::Copied { from, to } => self.input.write(captured_us, &mut |room| {
                let (width, height) = from.visible;
                let size = (width as usize, height as usize);
                let from = raw::Lines {
                    // It may be called otherwise there.
                    fourcc: to.lines().fourcc,
                    ..from.lines()
                };
                let whole = raw::copy(size, (frame.data(), from), (room, to.lines()));
                whole.then_some(to.layout.size_bytes as usize)
            })?,
        };
        if sent {
            self.sent(captured_us);
        } else {
            self.damaged += 1;
        }
        frame.give_back()
    }

    fn sent(&mut self, captured_us: u64) {
        // Of a device that hands no times on, those of frames that it never gave must not stay for ever.
        if self.fed_us.len() >= 2 * BUFFERS as usize {
            self.fed_us.pop_front();
        }
        self.fed_us.push_back(captured_us);
    }

    /// Takes the next buffer that it gives, with the time of the frame that went in; None when there is none yet.
    pub fn take(&mut self) -> sys::Result<Option<Taken>> {
        let Some(queue) = &mut self.queue else {
            return Ok(None);
        };
        let buffer = match queue.dequeue() {
            Ok(Some(buffer)) => buffer,
            Err(Errno::EPIPE) => {
                self.ended = true;
                return Ok(None);
            }
            other => return other.map(|_| None),
        };
        self.ended |= buffer.is_last();
        let lost = buffer.damaged();
        // What only marks the end, for one, is empty.
        let frame = if !lost && buffer.filled_bytes() > 0 {
            self.asked = None;
            let captured_us = self.captured_us(&buffer);
            Some((buffer, captured_us))
        } else {
            if lost {
                self.captured_us(&buffer);
                self.damaged += 1;
            }
            buffer.give_back()?;
            None
        };
        Ok(Some(Taken { lost, frame }))
    }

    /// The time of what became this. Nothing comes of older ones any more.
    fn captured_us(&mut self, lent: &DequeuedBuffer) -> u64 {
        let known = lent
            .copied_us()
            .and_then(|time| self.fed_us.iter().position(|fed| *fed == time));
        for _ in 0..known.unwrap_or(0) {
            self.fed_us.pop_front();
        }
        self.fed_us.pop_front().unwrap_or_else(monotonic_us)
    }

    /// True if a decoder's pictures are of another format from now on.
    pub fn changed(&self) -> bool {
        let mut changed = false;
        while let Ok(is_one) = v4l2::take_source_change(&self.node.file) {
            changed |= is_one;
        }
        changed
    }

    /// Asks an encoder for a key frame, if it can be asked for one.
    pub fn request_key_frame(&self) {
        if let Some(button) = &self.key_button {
            // One that is refused is asked for again by whoever still waits for it.
            _ = v4l2::set_number(&self.node.file, button, 1);
        }
    }

    /// The time for which it may still give nothing.
    pub fn patience_left(&self) -> Duration {
        self.asked
            .map_or(Duration::MAX, |asked| HANG.saturating_sub(asked.elapsed()))
    }

    /// Checks that it does not hang.
    ///
    /// # Errors
    /// It took frames, and gave nothing for too long.
    pub fn check(&self) -> Result<()> {
        if !self.patience_left().is_zero() {
            return Ok(());
        }
        let what = self.node.what;
        let hint = if what == "decoder" {
            "it may not know such pictures"
        } else {
            "a very low video_bitrate makes the Raspberry Pi's do that"
        };
        let why = format!(
            "the {what} hangs: it takes pictures, and gave nothing for {} s; it is opened again ({hint})",
            HANG.as_secs()
        );
        Err(Error::new(self.node.path.display(), "camera lost", why))
    }

    /// The error for a device that gives nothing more.
    pub fn lost(&self, errno: Errno) -> Error {
        let why = format!(
            "the {} gave up ({}); it is opened again",
            self.node.what,
            sys::words(errno)
        );
        Error::new(self.node.path.display(), "camera lost", why).absent(gone(errno))
    }
}

/// A queue of the source's that fills the encoder's buffers and streams, or why that can't be.
fn imported(
    input: &OutputQueue,
    from: &Raw,
    to: &Raw,
    (file, kind): (&Rc<File>, BufferKind),
) -> std::result::Result<Queue, String> {
    let (source, target) = (from.layout, to.layout);
    let lines = |l: Layout| (l.stride_bytes, l.format.height);
    if lines(source) != lines(target) || source.size_bytes > target.size_bytes {
        return Err(format!(
            "its lines have {} bytes, of {} in all, and not {}, of {}",
            target.stride_bytes, target.size_bytes, source.stride_bytes, source.size_bytes
        ));
    }
    let tried = || {
        let mut queue = Queue::import(Rc::clone(file), kind, input.export()?)?;
        queue.start()?;
        Ok(queue)
    };
    tried().map_err(|errno: Errno| format!("no shared memory (DMABUF): {}", sys::words(errno)))
}
