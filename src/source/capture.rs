//! The capturing end of a camera, whatever its frames are: set up, then one frame after the other.

use super::camera::{CaptureConfig, gone, start_trouble};
use super::formats::{per_second, rates, short, sizes};
use super::{Drops, controls, uvcx};
use crate::config::Setting;
use crate::error::{Error, Result};
use crate::log_verbose;
use crate::sys::Errno;
use crate::sys::clock::monotonic_us;
use crate::sys::poll::PollFlags;
use crate::sys::v4l2::{self, BufferKind, DequeuedBuffer, Format, FourCc, Fraction, Layout, Queue};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
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

/// A camera that is set up, and has no buffers yet.
pub(super) struct Device {
    pub file: Rc<File>,
    pub path: PathBuf,
    pub kind: BufferKind,
    /// What its frames are.
    pub layout: Layout,
    /// The driver's word on their rate.
    pub fps: Option<f64>,
}

impl Device {
    /// Sets format, size and rate as `wanted`, or as near as it gets; `fourcc` is one that it offers.
    pub fn set_up(
        file: File,
        kind: BufferKind,
        wanted: &CaptureConfig<'_>,
        fourcc: FourCc,
        warn: &mut dyn FnMut(String),
    ) -> Result<Device> {
        let mut device = Device {
            file: file.into(),
            path: wanted.path.to_owned(),
            kind,
            layout: Layout::new(Format {
                width: wanted.width,
                height: wanted.height,
                fourcc,
            }),
            fps: None,
        };
        let (file, path) = (&device.file, device.path.display());
        v4l2::set_layout(file, kind, &device.layout).map_err(|e| device.failed("can't set the format", e))?;
        let interval = Fraction {
            numerator: 1,
            denominator: wanted.fps,
        };
        if let Err(errno) = v4l2::set_interval(file, kind, interval) {
            log_verbose!("{path}: the frame rate can't be set: {}", errno.desc());
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
        let fps = v4l2::get_interval(file, kind).ok().flatten().map(per_second);
        if let Some(words) = difference(file, wanted, got, fps) {
            warn(format!("{path}: {words}"));
        }
        (device.layout, device.fps) = (layout, fps);
        Ok(device)
    }

    /// Why it did not start. EBUSY means that another program streams; drivers differ in which call says it.
    pub fn failed(&self, tried: &str, errno: Errno) -> Error {
        let number = self.file.metadata().map_or(0, |m| m.rdev());
        Error::new(self.path.display(), tried, start_trouble(errno, number)).absent(gone(errno))
    }
}

/// What is not as wanted, if anything, and what could be had.
fn difference(file: &File, wanted: &CaptureConfig<'_>, got: Format, fps: Option<f64>) -> Option<String> {
    let same_size = (wanted.width, wanted.height) == (got.width, got.height);
    // 29.97 passes for 30.
    let same_rate =
        fps.is_none_or(|fps| (fps - f64::from(wanted.fps)).abs() <= f64::from(wanted.fps) / 100.0);
    if same_size && same_rate {
        return None;
    }
    let offered = |what: &str, list: String| {
        if list.is_empty() {
            list
        } else {
            format!("; {what} it offers: {list}")
        }
    };
    let rate = fps.map_or(String::new(), |fps| format!(" at {}", short(fps)));
    Some(format!(
        "{}x{} at {} frames a second is not offered; it gives {}x{}{rate}{}{}",
        wanted.width,
        wanted.height,
        wanted.fps,
        got.width,
        got.height,
        if same_size {
            String::new()
        } else {
            offered("sizes", sizes(file, got.fourcc))
        },
        if same_rate {
            String::new()
        } else {
            offered("rates", rates(file, got))
        },
    ))
}

fn three_frames(fps: Option<f64>) -> Duration {
    // What is no time at all (from a rate of 0) or absurdly long comes out as the default.
    fps.and_then(|fps| Duration::try_from_secs_f64(3.0 / fps).ok())
        .unwrap_or(SILENCE)
}

/// What came of one buffer.
pub(super) struct Taken {
    /// Frames are missing before it, or this one is of no use.
    pub lost: bool,
    /// The frame and its time.
    pub frame: Option<(DequeuedBuffer, u64)>,
}

/// A camera that streams. Dropping it stops the stream and gives the memory back.
pub(super) struct Capture {
    pub device: Device,
    queue: Queue,
    pub drops: Drops,
    /// The sequence number after that of the last buffer; None before the first.
    next_sequence: Option<u32>,
    /// When the last good frame came, or the stream started.
    last_frame: Instant,
    /// The longest silence from here on.
    patience: Duration,
}

impl Capture {
    /// `queue` is of this device, and streams.
    pub fn new(device: Device, queue: Queue) -> Capture {
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
        let of_unit = settings.iter().any(|setting| uvcx::is_field(&setting.name));
        let Device { file, path, .. } = &self.device;
        !of_unit && controls::apply(file, &path.to_string_lossy(), settings).is_empty()
    }

    /// How long it may still be silent.
    pub fn patience_left(&self) -> Duration {
        self.patience.saturating_sub(self.last_frame.elapsed())
    }

    /// Hands on what the driver has ready, at most one round of its buffers. `events` is what poll(2) says of the
    /// device; `each` tells whether there was something good in it.
    pub fn take(
        &mut self,
        events: PollFlags,
        each: &mut dyn FnMut(Taken) -> std::result::Result<bool, Errno>,
    ) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        for round in 0..self.queue.count() {
            let taken = self.take_one().map_err(|errno| self.lost(errno))?;
            let Some(taken) = taken else {
                // VIDIOC_DQBUF told nothing of what is wrong, and poll(2) would say it for ever.
                if round == 0 && !events.contains(PollFlags::POLLIN) {
                    return Err(self.lost(Errno::EIO));
                }
                break;
            };
            if each(taken).map_err(|errno| self.lost(errno))? {
                self.last_frame = Instant::now();
                self.patience = SILENCE.max(three_frames(self.device.fps));
            }
        }
        Ok(())
    }

    fn take_one(&mut self) -> std::result::Result<Option<Taken>, Errno> {
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

    /// Fails if it was silent for too long; `what` is what did not come.
    pub fn check(&self, what: &str) -> Result<()> {
        if !self.patience_left().is_zero() {
            return Ok(());
        }
        // The same words before and after its first frame, so that the log has a long silence once.
        let seconds = SILENCE.max(three_frames(self.device.fps)).as_secs_f64();
        Err(Error::new(
            self.device.path.display(),
            "camera lost",
            format!("no {what} for over {} s; it is opened again", short(seconds)),
        ))
    }

    /// Why there is nothing more from it.
    pub fn lost(&self, errno: Errno) -> Error {
        let why = match errno {
            Errno::ENODEV => "it was unplugged; it is waited for".into(),
            errno => format!("its driver gave up ({}); it is opened again", errno.desc()),
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
