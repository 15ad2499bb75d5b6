//! The capturing end of a camera, whatever its frames are: set up, then one frame after the other.

use super::control::{self, ControlNode};
use super::fields;
use super::formats::{self, per_second, rates, short, sizes};
use super::frame::{Drops, SourceInfo};
use super::input::{self, Tuned};
use super::node::{UNPLUGGED, capture_kind, gone, open_device, start_failure};
use crate::config::{InputKeys, Setting};
use crate::error::{Error, Result};
use crate::log_verbose;
use crate::sys::clock::monotonic_us;
use crate::sys::poll::{PollFd, PollFlags};
use crate::sys::v4l2::{
    self, BufferKind, Capabilities, DequeuedBuffer, Format, FourCc, Fraction, Layout, Queue,
};
use crate::sys::{self, Errno};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Buffers that the driver is asked for: at 30 frames a second we may be held up for 0.2 s and lose nothing.
pub(super) const BUFFERS: u32 = 6;
/// The longest wait for the first frame; some webcams take two or three seconds.
const FIRST_FRAME: Duration = Duration::from_secs(5);
/// The longest silence afterwards, or three frame intervals if that is more.
const SILENCE: Duration = Duration::from_secs(3);
/// A driver's time further than this from now is of another clock.
const TIME_ERROR_US: u64 = 1_000_000;
/// A NAL unit's start code and header, or less than the two ends of a JPEG picture: it can't hold anything.
const SHORT_BYTES: usize = 5;

/// The config of a capture.
#[derive(Debug, Clone, Copy)]
pub struct CaptureConfig<'a> {
    /// The device node or a symlink to it.
    pub path: &'a Path,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
    /// [`FourCc::H264`], or one of the two names of JPEG; the other one will do as well.
    pub format: FourCc,
    /// The JPEG pictures are to carry H.264, of that size and rate; nothing else of them is used.
    pub muxed: bool,
    /// Controls to set before it streams, in this order.
    pub controls: &'a [Setting],
    /// The keys of what comes in at it from elsewhere.
    pub input: &'a InputKeys,
}

/// A camera's node, open for frames of one format, with nothing set on it yet but its input.
pub(super) struct CaptureNode {
    pub file: File,
    path: PathBuf,
    kind: BufferKind,
    pub card: String,
    /// The format that is to be set: one that it offers.
    pub fourcc: FourCc,
    /// Its input with its signal, where it has such.
    signal: Option<Tuned>,
}

impl CaptureNode {
    /// Opens it for frames of this format; each of the two names will do for JPEG pictures.
    ///
    /// # Errors
    /// It can't be opened, is no camera, has no signal at its input, or no such format.
    pub fn open(wanted: &CaptureConfig<'_>, warn: &mut dyn FnMut(String)) -> Result<CaptureNode> {
        let CaptureConfig { path, format, .. } = *wanted;
        let (file, Capabilities { card, caps, .. }) = open_device(path)?;
        let name = path.display();
        let kind = capture_kind(caps).map_err(|what| Error::new(&name, "not a camera", what))?;
        let signal = input::tune(&file, path, wanted.input, warn)?;
        let formats = formats::formats(&file, kind);
        let offers = |fourcc: &FourCc| formats.iter().any(|f| f.fourcc == *fourcc);
        let names = match format {
            FourCc::MJPEG => [FourCc::MJPEG, FourCc::JPEG],
            FourCc::JPEG => [FourCc::JPEG, FourCc::MJPEG],
            other => [other; 2],
        };
        let Some(fourcc) = names.into_iter().find(offers) else {
            let offered = formats::line(&file, &formats);
            let why = format!("it offers {offered}; take capture_format out of its section");
            return Err(Error::new(name, format!("{card} gives no {format}"), why));
        };
        Ok(CaptureNode {
            file,
            path: path.to_owned(),
            kind,
            card,
            fourcc,
            signal,
        })
    }

    /// Sets format, size and rate, or as near as it gets; what differs is given to `warn`. The rate is the signal's where
    /// that has one.
    ///
    /// # Errors
    /// The driver refuses, or sets another format than it offers.
    pub fn set_up(
        self,
        (width, height): (u32, u32),
        fps: u32,
        warn: &mut dyn FnMut(String),
    ) -> Result<CaptureDevice> {
        let CaptureNode {
            file,
            path,
            kind,
            card,
            fourcc,
            signal,
        } = self;
        let mut device = CaptureDevice {
            file: file.into(),
            path,
            kind,
            card,
            layout: Layout::new(Format {
                width,
                height,
                fourcc,
            }),
            fps: None,
            signal,
        };
        let (file, path) = (&device.file, device.path.display());
        let signal = device.signal.as_ref();
        let set = v4l2::set_layout(file, kind, &device.layout)
            .map_err(|e| device.failed("can't set the format", e))?;
        fields::ask_away(file, kind, &device.layout, set.field, signal);
        let signal_fps = signal.and_then(Tuned::fps);
        let interval = Fraction {
            numerator: 1,
            denominator: fps,
        };
        if signal_fps.is_none() {
            if let Err(errno) = v4l2::set_interval(file, kind, interval) {
                log_verbose!("{path}: the frame rate can't be set: {}", sys::words(errno));
            }
        }
        let layout = v4l2::get_layout(file, kind).map_err(|e| device.failed("can't get the format", e))?;
        let got = layout.format;
        if got.fourcc != fourcc {
            return Err(Error::new(
                path,
                "can't set the format",
                format!("it gives {} though it offers {fourcc}", got.fourcc),
            ));
        }
        let got_fps = v4l2::get_interval(file, kind).ok().flatten().map(per_second);
        let rate_of_its_own = got_fps.filter(|_| signal_fps.is_none());
        let difference = || difference(file, (device.layout.format, fps), (got, rate_of_its_own));
        if let Some(words) = fields::warning(layout.field, signal).or_else(difference) {
            warn(format!("{path}: {words}"));
        }
        (device.layout, device.fps) = (layout, got_fps.or(signal_fps));
        Ok(device)
    }
}

/// A camera that is set up, and has no buffers yet.
pub(super) struct CaptureDevice {
    pub file: Rc<File>,
    pub path: PathBuf,
    pub kind: BufferKind,
    /// Its name, for people.
    pub card: String,
    /// Format and layout of its frames in memory.
    pub layout: Layout,
    /// The driver's word on their rate, in frames a second.
    pub fps: Option<f64>,
    /// Its input with its signal, where it has such.
    signal: Option<Tuned>,
}

impl CaptureDevice {
    /// Its own description.
    pub fn info(&self) -> SourceInfo {
        let signal = self.signal.as_ref();
        SourceInfo {
            description: self.card.clone(),
            fps: self.fps,
            node: Some(self.path.clone()),
            input: signal.map_or(String::new(), |signal| signal.name.clone()),
            signal: signal.map_or(String::new(), Tuned::words),
            ..SourceInfo::default()
        }
    }

    /// The reason why it did not start. EBUSY means that another program streams; drivers differ in which call says it.
    pub fn failed(&self, tried: &str, errno: Errno) -> Error {
        let number = self.file.metadata().map_or(0, |m| m.rdev());
        Error::new(self.path.display(), tried, start_failure(errno, number)).absent(gone(errno))
    }
}

/// The words for a size or rate that is not as wanted, and for what could be had; None where both are.
fn difference(
    file: &File,
    (wanted, wanted_fps): (Format, u32),
    (got, fps): (Format, Option<f64>),
) -> Option<String> {
    let same_size = (wanted.width, wanted.height) == (got.width, got.height);
    // 29.97 passes for 30.
    let same_rate =
        fps.is_none_or(|fps| (fps - f64::from(wanted_fps)).abs() <= f64::from(wanted_fps) / 100.0);
    if same_size && same_rate {
        return None;
    }
    let mut words = format!(
        "{}x{} at {wanted_fps} frames a second is not offered; it gives {}x{}",
        wanted.width, wanted.height, got.width, got.height,
    );
    if let Some(fps) = fps {
        words += &format!(" at {}", short(fps));
    }
    let mut offered = |what: &str, list: String| {
        if !list.is_empty() {
            words += &format!("; {what} it offers: {list}");
        }
    };
    if !same_size {
        offered("sizes", sizes(file, got.fourcc));
    }
    if !same_rate {
        offered("rates", rates(file, got));
    }
    Some(words)
}

/// The time of three frames at this rate.
fn three_frames(fps: Option<f64>) -> Duration {
    // What is no time at all (from a rate of 0) or absurdly long comes out as the default.
    fps.and_then(|fps| Duration::try_from_secs_f64(3.0 / fps).ok())
        .unwrap_or(SILENCE)
}

/// The outcome of one buffer.
pub(super) struct Taken {
    /// Frames are missing before it, or this one is of no use.
    pub lost: bool,
    /// The frame and its time.
    pub frame: Option<(DequeuedBuffer, u64)>,
}

/// One round of a camera's buffers: the driver may fill them as fast as they are given back, and the caller has other
/// things to do.
pub(super) struct Round {
    events: PollFlags,
    buffers: usize,
}

impl Round {
    /// A round for a device of which poll(2) says `events`.
    pub fn new(events: PollFlags) -> Round {
        Round { events, buffers: 0 }
    }
}

/// A camera that streams. Dropping it stops the stream and gives the memory back.
pub(super) struct Capture {
    pub device: CaptureDevice,
    queue: Queue,
    pub drops: Drops,
    /// The sequence number after that of the last buffer; None before the first.
    next_sequence: Option<u32>,
    /// The time of the last good frame, or of the start of the stream.
    last_frame: Instant,
    /// The longest silence from here on.
    patience: Duration,
}

impl Capture {
    /// `queue` is of this device, and streams.
    pub fn new(device: CaptureDevice, queue: Queue) -> Capture {
        log_verbose!(
            "{}: streams with {} buffers",
            device.path.display(),
            queue.count()
        );
        Capture {
            queue,
            drops: Drops::default(),
            next_sequence: None,
            last_frame: Instant::now(),
            patience: FIRST_FRAME.max(three_frames(device.fps)),
            device,
        }
    }

    /// Sets controls while it streams; false where one is refused, or is an extension unit's.
    pub fn set_controls(&self, settings: &[Setting]) -> bool {
        control::set_while_streaming(&self.device.file, &self.device.path, settings)
    }

    /// The camera, for its controls; None where no file descriptor is to be had.
    pub fn control_node(&self) -> Option<ControlNode> {
        Some(ControlNode {
            file: self.device.file.try_clone().ok()?,
            path: Some(self.device.path.clone()),
        })
    }

    /// The time for which it may still be silent.
    pub fn patience_left(&self) -> Duration {
        self.patience.saturating_sub(self.last_frame.elapsed())
    }

    /// The events to wait for: a frame, or a change of its signal.
    pub fn poll_fd(&self) -> PollFd<'_> {
        let events = match self.device.signal {
            Some(_) => PollFlags::POLLIN | PollFlags::POLLPRI,
            None => PollFlags::POLLIN,
        };
        PollFd::new(self.device.file.as_fd(), events)
    }

    /// Takes the reports of a changed signal.
    ///
    /// # Errors
    /// It is another one, or gone.
    fn follow_signal(&self) -> Result<()> {
        let CaptureDevice {
            file, path, signal, ..
        } = &self.device;
        let mut reported = false;
        while let Ok(is_change) = v4l2::take_source_change(file) {
            reported |= is_change;
        }
        match signal {
            Some(signal) if reported => signal.check(file, path),
            _ => Ok(()),
        }
    }

    /// Takes what the next buffer gives; None when the driver has no more ready, or at the end of the round.
    ///
    /// # Errors
    /// The camera is lost, or its signal is another one.
    pub fn take(&mut self, round: &mut Round) -> Result<Option<Taken>> {
        if round.events.contains(PollFlags::POLLPRI) {
            round.events.remove(PollFlags::POLLPRI);
            self.follow_signal()?;
        }
        if round.events.is_empty() || round.buffers == self.queue.count() {
            return Ok(None);
        }
        let taken = self.take_one().map_err(|errno| self.lost(errno))?;
        // VIDIOC_DQBUF told nothing of what is wrong, and poll(2) would say it for ever.
        if taken.is_none() && round.buffers == 0 && !round.events.contains(PollFlags::POLLIN) {
            return Err(self.lost(Errno::EIO));
        }
        round.buffers += 1;
        Ok(taken)
    }

    /// Records that a frame was good: the camera is not silent.
    pub fn record_frame(&mut self) {
        self.last_frame = Instant::now();
        self.patience = SILENCE.max(three_frames(self.device.fps));
    }

    fn take_one(&mut self) -> sys::Result<Option<Taken>> {
        let Some(buffer) = self.queue.dequeue()? else {
            return Ok(None);
        };
        let missing = self
            .next_sequence
            .map_or(0, |next| buffer.sequence().wrapping_sub(next));
        self.next_sequence = Some(buffer.sequence().wrapping_add(1));
        // A number that repeats or goes back, as of a driver that does not count, looks like a huge gap: it
        // is none.
        let missing = if missing < u32::MAX / 2 { missing } else { 0 };
        self.drops.gaps += u64::from(missing);
        let useless = if buffer.damaged() {
            &mut self.drops.damaged
        } else if buffer.filled_bytes() < SHORT_BYTES {
            &mut self.drops.short
        } else {
            let now_us = monotonic_us();
            let captured_us = match buffer.captured_us() {
                Some(time_us) if time_us.abs_diff(now_us) <= TIME_ERROR_US => time_us,
                _ => {
                    self.drops.bad_time += 1;
                    now_us
                }
            };
            return Ok(Some(Taken {
                lost: missing != 0,
                frame: Some((buffer, captured_us)),
            }));
        };
        *useless += 1;
        buffer.give_back()?;
        Ok(Some(Taken {
            lost: true,
            frame: None,
        }))
    }

    /// Checks that it was not silent for too long.
    ///
    /// # Errors
    /// It was; `what` is what did not come.
    pub fn check(&self, what: &str) -> Result<()> {
        if !self.patience_left().is_zero() {
            return Ok(());
        }
        // In the same words before and after its first frame, so that the log has a long silence once.
        let seconds = SILENCE.max(three_frames(self.device.fps)).as_secs_f64();
        Err(Error::new(
            self.device.path.display(),
            "camera lost",
            format!("no {what} for over {} s; it is opened again", short(seconds)),
        ))
    }

    /// The error for a capture that ended so.
    pub fn lost(&self, errno: Errno) -> Error {
        let why = match errno {
            Errno::ENODEV => UNPLUGGED.into(),
            errno => format!("its driver gave up ({}); it is opened again", sys::words(errno)),
        };
        Error::new(self.device.path.display(), "camera lost", why).absent(gone(errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_frames_are_of_a_sensible_rate() {
        assert_eq!(three_frames(Some(0.5)), Duration::from_secs(6));
        assert_eq!(three_frames(Some(0.0)), SILENCE);
        assert_eq!(three_frames(None), SILENCE);
    }
}
