//! Sound on its way into the ring. It waits for the next picture and goes with that, so that it wakes nobody: a hundred
//! clients are sent both at once.

use crate::format::aac;
use crate::format::fmp4::{FRAME_SAMPLES, Fragment, Init, SoundFormat, SoundFrame};
use std::mem;
use std::sync::Arc;

/// What has waited so long goes without a picture.
const LONGEST_WAIT_US: u64 = 40_000;
/// Where none has come for two frames and so long, and so many pictures have, there is silence instead: a microphone's driver may
/// hang, and players stop the picture where the sound ends.
const QUIET_US: u64 = 200_000;
const QUIET_PICTURES: u32 = 3;
/// The most silence that a picture has before it, in seconds: pictures may have stopped, too.
const QUIET_MOST_S: u32 = 10;
/// The most AAC frames in a fragment.
const FRAGMENT_FRAMES: usize = 4;
/// Before the first picture of an epoch, so many of the newest AAC frames are kept.
const EARLY_FRAMES: usize = 16;
/// A frame whose time is off by no more samples follows the one before it: times are rounded. Beyond that, there is a gap.
const TOLERANCE: u64 = FRAME_SAMPLES as u64 / 2;

/// The sound that waits, and what it needs to go.
#[derive(Default)]
pub(super) struct Sound {
    pub format: Option<SoundFormat>,
    /// The capture time that is zero in the ring's own time.
    pub zero_us: Option<u64>,
    waiting: Vec<SoundFrame>,
    waiting_since_us: u64,
    /// When a frame came last, and how many pictures have come since.
    heard_us: u64,
    pictures: u32,
    /// The end of what has gone, in samples.
    end: u64,
    /// It is of this epoch, so that the next frame may follow it.
    goes_on: bool,
    /// Where the newest start is: no fragment goes across, since a client who begins there is sent nothing from before.
    start_90k: u64,
    /// The init segment and the epoch of the newest picture of this epoch.
    picture: Option<(Arc<Init>, u32)>,
}

impl Sound {
    /// Forgets what waits: the next picture does not follow the last one.
    pub fn begin_epoch(&mut self) {
        self.waiting.clear();
        self.picture = None;
        self.goes_on = false;
    }

    /// Begins sound of another format.
    pub fn begin(&mut self, format: Option<SoundFormat>) {
        self.begin_epoch();
        // It counted samples of another rate.
        self.end = 0;
        self.format = format;
    }

    /// Adds an AAC frame; true if it is time for what waits to go.
    pub fn wait(&mut self, frame: SoundFrame, now_us: u64) -> bool {
        if self.waiting.is_empty() {
            self.waiting_since_us = now_us;
        } else if self.picture.is_none() && self.waiting.len() == EARLY_FRAMES {
            self.waiting.remove(0);
        }
        self.waiting.push(frame);
        (self.heard_us, self.pictures) = (now_us, 0);
        self.picture.is_some() && now_us.saturating_sub(self.waiting_since_us) >= LONGEST_WAIT_US
    }

    /// What goes before this picture, and what goes behind it.
    pub fn beside(&mut self, picture: &Fragment, now_us: u64) -> (Vec<Fragment>, Vec<Fragment>) {
        if self.format.is_none() {
            return Default::default();
        }
        let is_told = picture.init.sound == self.format && self.zero_us.is_some();
        if self.picture.is_none() {
            // Sound may still come to the first picture.
            (self.heard_us, self.pictures) = (now_us, 0);
        }
        self.picture = is_told.then(|| (Arc::clone(&picture.init), picture.epoch));
        let is_start = picture.key || picture.refresh.begins;
        if is_start {
            self.start_90k = picture.time_90k;
        }
        self.pictures += 1;
        if self.pictures >= QUIET_PICTURES {
            self.wait_in_silence(picture.time_90k, now_us);
        }
        let is_before = |sound: &Fragment| !is_start || sound.time_90k < picture.time_90k;
        self.take().into_iter().partition(is_before)
    }

    /// Adds frames of silence up to that time, if players have been told of sound and none has come for long.
    fn wait_in_silence(&mut self, until_90k: u64, now_us: u64) {
        let (Some(_), Some(format), Some(zero_us)) = (&self.picture, self.format, self.zero_us) else {
            return;
        };
        let frame_us = u64::from(FRAME_SAMPLES) * 1_000_000 / u64::from(format.rate);
        if now_us.saturating_sub(self.heard_us) < QUIET_US + 2 * frame_us {
            return;
        }
        let silence = aac::SILENCE[usize::from(format.channels > 1)];
        let until = format.samples(until_90k, 90_000);
        let most = u64::from(QUIET_MOST_S * format.rate / FRAME_SAMPLES);
        let begin = match self.goes_on {
            true => self.end,
            false => self.end.max(format.samples(self.start_90k, 90_000)),
        };
        let frames = until.saturating_sub(begin) / u64::from(FRAME_SAMPLES);
        for frame in frames.saturating_sub(most)..frames {
            let samples = begin + frame * u64::from(FRAME_SAMPLES);
            self.waiting.push(SoundFrame {
                time_us: zero_us + samples * 1_000_000 / u64::from(format.rate),
                data: silence.to_vec(),
            });
        }
    }

    /// All that waits.
    pub fn take(&mut self) -> Vec<Fragment> {
        let mut fragments = Vec::new();
        let (Some(format), Some(zero_us), Some((init, epoch))) = (self.format, self.zero_us, &self.picture)
        else {
            return fragments;
        };
        let is_early = |samples| format.time_90k(samples) < self.start_90k;
        let mut group: Vec<SoundFrame> = Vec::new();
        let mut begin = self.end;
        let mut end_group = |group: &mut Vec<SoundFrame>, begin| {
            if !group.is_empty() {
                fragments.extend(Fragment::sound(Arc::clone(init), group, begin, *epoch));
                group.clear();
            }
        };
        for frame in mem::take(&mut self.waiting) {
            let Some(since_us) = frame.time_us.checked_sub(zero_us) else {
                continue;
            };
            let mut samples = format.samples(2 * since_us, 1_000_000).div_ceil(2); // to the nearest
            if self.goes_on && samples.abs_diff(self.end) <= TOLERANCE {
                samples = self.end;
            } else if samples < self.end {
                continue; // this was heard already
            }
            if samples != self.end || group.len() == FRAGMENT_FRAMES || is_early(begin) != is_early(samples) {
                end_group(&mut group, begin);
            }
            if group.is_empty() {
                begin = samples;
            }
            group.push(frame);
            self.end = samples + u64::from(FRAME_SAMPLES);
            self.goes_on = true;
        }
        end_group(&mut group, begin);
        fragments
    }
}

#[cfg(test)]
#[path = "tests/sound.rs"]
mod tests;
