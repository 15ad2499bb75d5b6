//! When a frame stands in media time.
//!
//! A frame must be sent before anybody knows when the next one comes, and yet players stall on holes between a
//! frame's end and the next frame's start. So a frame begins where the one before it ended, and ends one nominal step
//! after its own capture. At a steady rate that is the capture time, exactly. Where frames come late, the next one
//! begins early and lasts longer, by as much: a frame's duration is the step before it, and media time is never more
//! than a frame away from the capture clock. All ends are absolute, so no error adds up.
//!
//! ```text
//! capture    0     1     2           3     4         a frame was dropped between 2 and 3
//! media      |--0--|--1--|--2--|-----3-----|--4--|
//! ```

use super::TIMESCALE;

/// A step longer than this is a silence: media time jumps over it to the capture clock. (Players see a hole, and step
/// over it; a frame that lasted as long would leave them behind by it.)
const SILENCE_90K: u64 = TIMESCALE as u64 / 2;

/// A slow stream is no silence: a step may be twice the one before it, up to this.
const LONGEST_STEP_90K: u64 = 2 * TIMESCALE as u64;

/// The step of a source that names no frame rate. Too short only means that media time is behind the capture clock, by
/// the rest of the step.
const UNKNOWN_STEP_90K: u64 = TIMESCALE as u64 / 60;

/// A frame's place in media time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its start, in 1/90000 s since the first frame.
    pub time_90k: u64,
    /// Its length, in 1/90000 s; at least 1.
    pub duration_90k: u32,
}

/// Turns capture times into media times that have no holes but for silences, follow the capture clock, and never go
/// back.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// Capture time of the first frame.
    zero_us: Option<u64>,
    /// Capture time of the frame before.
    clock_90k: u64,
    /// Where the frame before ends.
    end_90k: u64,
    /// How long after its capture a frame ends.
    nominal_90k: u64,
    /// The step between the two frames before; None: the next frame begins a new run.
    step_90k: Option<u64>,
}

impl Timeline {
    /// A timeline whose zero is its first frame, of a source that says to give `fps` frames a second.
    pub fn new(fps: Option<f64>) -> Timeline {
        let nominal_90k = nominal_step_90k(fps);
        Timeline {
            zero_us: None,
            clock_90k: 0,
            end_90k: 0,
            nominal_90k,
            step_90k: None,
        }
    }

    /// The source was reopened, and says to give `fps` frames a second: the next frame stands at the capture clock.
    pub fn restart(&mut self, fps: Option<f64>) {
        self.nominal_90k = nominal_step_90k(fps);
        self.step_90k = None;
    }

    /// The place of the next frame, captured at `captured_us` (CLOCK_MONOTONIC, microseconds).
    pub fn place(&mut self, captured_us: u64) -> Span {
        let since_us = captured_us.saturating_sub(*self.zero_us.get_or_insert(captured_us));
        // A capture time before the last one is taken as equal to it.
        let clock_90k = (since_us.saturating_mul(9) / 100).max(self.clock_90k);
        let step_90k = clock_90k - self.clock_90k;

        let longest_90k = |before: u64| SILENCE_90K.max((2 * before).min(LONGEST_STEP_90K));
        let new_run = self.step_90k.is_none_or(|before| step_90k > longest_90k(before));
        let time_90k = if new_run {
            clock_90k.max(self.end_90k)
        } else {
            self.end_90k
        };
        // Frames that come faster than the source said would stand ahead of their capture. Only a part of the step is
        // taken back at a time, so that each frame keeps a duration that it can be shown for.
        self.nominal_90k -= self.nominal_90k.saturating_sub(step_90k).min(step_90k / 8);
        let end_90k = (clock_90k + self.nominal_90k).max(time_90k + 1);

        // The way into the first run, and out of a long silence, tells nothing of the rate.
        let tells_rate = self.step_90k.is_some() && step_90k <= LONGEST_STEP_90K;
        self.step_90k = Some(if tells_rate { step_90k } else { self.nominal_90k });
        self.clock_90k = clock_90k;
        self.end_90k = end_90k;
        // At most the longest step and the nominal one.
        Span {
            time_90k,
            duration_90k: (end_90k - time_90k) as u32,
        }
    }
}

/// At most a silence, so that no frame claims more of the future.
fn nominal_step_90k(fps: Option<f64>) -> u64 {
    match fps {
        Some(fps) if fps > 0.0 => ((f64::from(TIMESCALE) / fps) as u64).clamp(1, SILENCE_90K),
        _ => UNKNOWN_STEP_90K,
    }
}
