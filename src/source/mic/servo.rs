//! The clock servo: puts what a microphone captures, by its own clock, on the clock that pictures are timed by.
//!
//! Frames have [`FRAME`] samples each and follow each other without a gap. What was captured is stretched by a hair, so
//! slowly changing that nobody hears it: clocks of sound devices are off by up to 200 ppm, which is 17 s a day.

use super::resample::{BEFORE, TAPS, resample};

/// The samples of a frame (of each channel).
pub const FRAME: usize = 1024;

/// How far what was captured may be from its place: beyond it is not stretched, but silence comes before it, or some of it is
/// left out.
const FAR_S: f64 = 0.040;
/// So many blocks in a row have to be that far.
const FAR_BLOCKS: u32 = 3;
/// Silence that is longer is none, but a gap in the frames' times.
const LONGEST_SILENCE_S: f64 = 1.0;

/// The stamps of some devices are off by milliseconds, now by more, now by less; their mean over this time counts.
const MEAN_S: f64 = 2.0;
/// How the stretch follows: by so much of the distance a second,
const FOLLOW: f64 = 0.16;
/// and what it then keeps of that. With this both come to rest without swinging, within a minute.
const KEEP: f64 = FOLLOW * FOLLOW / 4.0;
/// The most that a device's clock is taken to be off.
const MOST_KEPT: f64 = 500e-6;
/// The most that is stretched: a sixtieth of a semitone.
const MOST: f64 = 1000e-6;

/// Captured samples that are faded where silence follows or goes before.
const FADE: usize = 128;

/// Takes blocks of captured samples with their times, gives frames.
#[derive(Debug)]
pub struct Servo {
    rate: u32,
    channels: usize,
    /// The time of the first frame, by CLOCK_MONOTONIC.
    begin_us: u64,
    /// Frames since then, those in a gap too.
    frames: u64,
    captured: Vec<i16>,
    /// Samples (of each channel) of `captured` from the next frame's first place on.
    held: f64,
    /// How much later a block was captured than its place says, lately, in seconds.
    late_s: f64,
    /// By how much the device's clock is slower.
    slow: f64,
    /// Blocks in a row that were too far from their place.
    far_blocks: u32,
    /// What comes next has its place by its time alone, after silence or a loss.
    anew: bool,
}

impl Servo {
    /// For blocks of so many samples a second and channels, interleaved. The first frame begins at that time.
    pub fn new(rate: u32, channels: usize, begin_us: u64) -> Servo {
        Servo {
            rate,
            channels,
            begin_us,
            frames: 0,
            captured: vec![0; BEFORE * channels],
            held: 0.0,
            late_s: 0.0,
            slow: 0.0,
            far_blocks: 0,
            anew: true,
        }
    }

    /// True if it is for blocks of so many samples a second and channels.
    pub fn fits(&self, rate: u32, channels: usize) -> bool {
        (self.rate, self.channels) == (rate, channels)
    }

    /// What comes next does not follow what came before: some was lost.
    pub fn lost(&mut self) {
        self.anew = true;
    }

    /// Takes a block whose first sample was captured at that time, by CLOCK_MONOTONIC.
    pub fn push(&mut self, mut block: &[i16], first_us: u64) {
        let rate = f64::from(self.rate);
        let late_s = self.late_s(first_us);
        let is_far = late_s.abs() > FAR_S;
        self.far_blocks = if is_far { self.far_blocks + 1 } else { 0 };
        if self.anew || self.far_blocks >= FAR_BLOCKS {
            self.fade_out();
            if late_s > 0.0 {
                self.silence(late_s);
            } else if is_far {
                // Time never goes back.
                let early = (-late_s * rate) as usize * self.channels;
                block = block.get(early..).unwrap_or_default();
            }
            (self.anew, self.far_blocks, self.late_s) = (block.is_empty(), 0, 0.0);
            self.append(block, true);
        } else {
            let block_s = (block.len() / self.channels) as f64 / rate;
            let late_s = late_s.clamp(-FAR_S, FAR_S);
            self.late_s += (late_s - self.late_s) * block_s / (MEAN_S + block_s);
            self.slow = (self.slow + KEEP * self.late_s * block_s).clamp(-MOST_KEPT, MOST_KEPT);
            self.append(block, false);
        }
    }

    /// Puts silence up to that time, for a microphone that is not there.
    pub fn silence_until(&mut self, us: u64) {
        let late_s = self.late_s(us);
        if late_s > 0.0 {
            self.fade_out();
            self.silence(late_s);
        }
        self.anew = true;
    }

    /// Puts the next frame into `frame`, which is [`FRAME`] samples of each channel long, and gives the time of its first sample;
    /// None if not enough was captured.
    pub fn frame(&mut self, frame: &mut [i16]) -> Option<u64> {
        let (time_us, at, step) = self.advance()?;
        resample(&self.captured, self.channels, at, step, frame);
        Some(time_us)
    }

    /// The next frame's time, its place in what was captured, and its step there.
    fn advance(&mut self) -> Option<(u64, f64, f64)> {
        let step = 1.0 - (FOLLOW * self.late_s + self.slow).clamp(-MOST, MOST);
        let needed = FRAME as f64 * step;
        if self.held < needed + TAPS as f64 {
            return None;
        }
        // What is not needed any more, but for the samples before.
        let at = (self.captured.len() / self.channels) as f64 - self.held;
        let done = at as usize - BEFORE;
        self.captured.drain(..done * self.channels);
        let time_us = self.frame_us();
        self.frames += 1;
        self.held -= needed;
        Some((time_us, at - done as f64, step))
    }

    /// The time of the next frame.
    fn frame_us(&self) -> u64 {
        self.begin_us + self.frames * (FRAME as u64 * 1_000_000) / u64::from(self.rate)
    }

    /// How far a time is behind that of the place where the next block comes, in seconds.
    fn late_s(&self, us: u64) -> f64 {
        let after_frame_us = us as i64 - self.frame_us() as i64;
        after_frame_us as f64 / 1e6 - self.held / f64::from(self.rate)
    }

    /// Puts that much silence at the end.
    fn silence(&mut self, seconds: f64) {
        let mut samples = seconds * f64::from(self.rate);
        if seconds > LONGEST_SILENCE_S {
            // What is held is less than a frame.
            samples += self.held;
            self.held = 0.0;
            self.captured.clear();
            self.captured.resize(BEFORE * self.channels, 0);
            let frames = (samples / FRAME as f64) as u64;
            self.frames += frames;
            samples -= (frames * FRAME as u64) as f64;
        }
        let samples = samples.round();
        let size = self.captured.len() + samples as usize * self.channels;
        self.captured.resize(size, 0);
        self.held += samples;
    }

    fn append(&mut self, block: &[i16], fade_in: bool) {
        let begin = self.captured.len();
        self.captured.extend_from_slice(block);
        self.held += (block.len() / self.channels) as f64;
        if fade_in {
            let frames = self.captured[begin..].chunks_mut(self.channels);
            frames
                .take(FADE)
                .enumerate()
                .for_each(|(n, frame)| fade(frame, n));
        }
    }

    fn fade_out(&mut self) {
        let frames = self.captured.chunks_mut(self.channels).rev();
        frames
            .take(FADE)
            .enumerate()
            .for_each(|(n, frame)| fade(frame, n));
    }
}

/// Makes a frame's samples as loud as they are to be `n` samples from silence.
fn fade(samples: &mut [i16], n: usize) {
    for sample in samples {
        *sample = (i32::from(*sample) * n as i32 / FADE as i32) as i16;
    }
}

#[cfg(test)]
#[path = "tests/servo.rs"]
mod tests;
