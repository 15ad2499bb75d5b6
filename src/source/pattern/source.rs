//! The test picture as a source: drawn, coded and handed over at an even pace.

use super::beep::Beep;
use super::drawing::Drawing;
use super::encoder::Encoder;
use crate::error::{Error, Result};
use crate::format::Codec;
use crate::source::frame::{Frame, Signal, Source, SourceInfo};
use crate::sys;
use crate::sys::clock;
use crate::sys::poll::{poll, readable};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Frames by which delivery may be late and still catch up, as with a driver's few buffers. Later than that,
/// the missed ones are never drawn.
const LATE_FRAMES: u64 = 4;

/// The test picture as a source. Its frame numbers begin at 0 and rise by exactly one with each frame given.
pub struct Pattern {
    info: SourceInfo,
    drawing: Drawing,
    encoder: Encoder,
    /// The access unit, kept for its memory.
    data: Vec<u8>,
    schedule: Schedule,
    /// The next frame's number.
    number: u32,
    key_wanted: bool,
    frames_since_key: u64,
    beep: Option<Beep>,
    /// When the newest second began: a frame whose number is that of whole seconds.
    second_us: u64,
}

impl Pattern {
    /// Opens the picture in a size in pixels at a rate in frames a second.
    ///
    /// # Errors
    /// The size or the rate is not one that it can have.
    pub fn new(width: u32, height: u32, fps: u32) -> Result<Pattern> {
        let refuse = |why| {
            Err(Error::new(
                "test picture",
                format!("can't draw {width}x{height} at {fps} fps"),
                why,
            ))
        };
        if width % 2 != 0 || height % 2 != 0 {
            return refuse("width and height have to be even");
        }
        if !(160..=3840).contains(&width) || !(120..=2160).contains(&height) {
            return refuse("the size has to be from 160x120 to 3840x2160");
        }
        if !(1..=120).contains(&fps) {
            return refuse("the rate has to be from 1 to 120 frames a second");
        }
        Ok(Pattern {
            info: SourceInfo {
                description: "test picture".into(),
                fps: Some(f64::from(fps)),
                ..SourceInfo::default()
            },
            drawing: Drawing::new(width, height, fps),
            encoder: Encoder::new(width, height, fps),
            data: Vec::new(),
            schedule: Schedule {
                fps: u64::from(fps),
                start_us: clock::monotonic_us(),
                frames: 0,
            },
            number: 0,
            key_wanted: true,
            frames_since_key: 0,
            beep: None,
            second_us: 0,
        })
    }

    /// Has it heard, too: a beep begins with each second.
    pub fn with_beep(mut self) -> Pattern {
        self.beep = Beep::new(self.schedule.start_us);
        self.info.sound = self.beep.as_ref().map(Beep::format);
        self
    }

    /// Marks it as shown in place of a camera.
    pub fn placeholder(mut self) -> Pattern {
        self.info.placeholder = true;
        self
    }

    /// Draws and codes the next frame into `data`.
    fn next(&mut self) {
        let key = self.key_wanted || self.frames_since_key >= self.schedule.fps;
        self.key_wanted = false;
        self.frames_since_key = if key { 1 } else { self.frames_since_key + 1 };
        self.drawing.draw(self.number, clock::wall_clock());
        self.data.clear();
        self.encoder.encode(&self.drawing, key, &mut self.data);
        self.number = self.number.wrapping_add(1);
    }
}

impl Source for Pattern {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> Result<()> {
        let frame_us = self.schedule.due_us();
        let due_us = self
            .beep
            .as_ref()
            .map_or(frame_us, |beep| frame_us.min(beep.due_us()));
        let due = Duration::from_micros(due_us.saturating_sub(clock::monotonic_us()));
        if !due.is_zero() {
            poll(&mut [readable(wake)], Some(due.min(timeout))).map_err(|errno| {
                Error::new("test picture", "can't wait for the next frame", sys::words(errno))
            })?;
        }
        let now_us = clock::monotonic_us();
        if let Some(captured_us) = self.schedule.take(now_us) {
            if u64::from(self.number) % self.schedule.fps == 0 {
                self.second_us = captured_us;
            }
            self.next();
            sink(Signal::Frame(Frame {
                codec: Codec::H264,
                data: &self.data,
                captured_us,
            }));
        }
        // Not ahead of a frame with which a second begins.
        let until_us = now_us.min(self.schedule.due_us());
        if let Some(beep) = &mut self.beep {
            while let Some((time_us, data)) = beep.next(until_us, self.second_us) {
                sink(Signal::Sound { time_us, data });
            }
        }
        Ok(())
    }

    fn request_key_frame(&mut self) {
        self.key_wanted = true;
    }
}

/// The times at which frames are due: at even steps from a start, with no error that adds up.
struct Schedule {
    fps: u64,
    start_us: u64,
    /// Frames since the start.
    frames: u64,
}

impl Schedule {
    /// The time at which the next frame is due.
    fn due_us(&self) -> u64 {
        self.start_us + self.frames * 1_000_000 / self.fps
    }

    /// Takes the next frame off the schedule once it is due; gives its capture time.
    fn take(&mut self, now_us: u64) -> Option<u64> {
        let late_us = now_us.checked_sub(self.due_us())?;
        if late_us > LATE_FRAMES * 1_000_000 / self.fps {
            (self.start_us, self.frames) = (now_us, 0);
        }
        let due_us = self.due_us();
        self.frames += 1;
        Some(due_us)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
