//! One camera's detector, between the thread that gives it pictures, what disturbs it, and clients.

use super::cells::Cells;
use super::detector::{By, Detector, Kind, Quality, Sample};
use crate::format::json::{Object, array, decimal, or_null};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After so long without a look at raw pictures there are none. It is longer than the gap at which the detector begins anew.
const LOOKED_US: u64 = 2_500_000;

/// The scores of so many seconds are shown.
const SECONDS: usize = 60;

/// One camera's detector.
#[derive(Default)]
pub struct Motion(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// The threshold in hundredths, and the milliseconds of rest after which motion has ended; None if nobody wants to know.
    wanted: Option<(i32, i32)>,
    /// A thread gives it pictures.
    runs: bool,
    detector: Detector,
    cells: Cells,
    /// The capture of the raw picture that was looked at last.
    looked_us: u64,
    /// What the camera's own program said last, and when.
    told: Option<(bool, u64)>,
    minute: Minute,
}

/// The greatest score of each of the last seconds, by the capture of pictures.
struct Minute {
    /// In hundredths, each at its second's place; None where nothing was known.
    scores: [Option<i32>; SECONDS],
    /// The newest second.
    second: u64,
}

impl Default for Minute {
    fn default() -> Minute {
        Minute {
            scores: [None; SECONDS],
            second: 0,
        }
    }
}

impl Minute {
    fn add(&mut self, captured_us: u64, score: Option<i32>) {
        let second = captured_us / 1_000_000;
        let place = |second: u64| (second % SECONDS as u64) as usize;
        match second.checked_sub(self.second) {
            Some(gone @ 0..60) => (0..gone).for_each(|ago| self.scores[place(second - ago)] = None),
            // A minute later; or the time went back, and all of it is of another time.
            _ => self.scores = [None; SECONDS],
        }
        self.second = second;
        // None is less than any.
        let newest = &mut self.scores[place(second)];
        *newest = score.max(*newest);
    }

    /// As JSON, the newest last, in tenths.
    fn json(&self) -> String {
        let begin = (self.second + 1) as usize % SECONDS;
        let scores = self.scores[begin..].iter().chain(&self.scores[..begin]);
        let tenths = |score: &Option<i32>| or_null(score.map(|score| decimal(score as u64 / 10, 1)));
        array(&scores.map(tenths).collect::<Vec<_>>())
    }
}

/// What is known after a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Something moves.
    pub moves: bool,
    /// Why nothing can be found in such pictures; empty if something can.
    pub blind: &'static str,
}

impl Inner {
    fn take(&mut self, sample: Sample) {
        let Some((threshold, gap_ms)) = self.wanted else {
            return;
        };
        let detector = &mut self.detector;
        match self.told {
            Some((moves, at_us)) => {
                let rests_ms = sample.captured_us.saturating_sub(at_us) / 1000;
                detector.believe(moves, rests_ms, gap_ms);
            }
            None => detector.take(sample, threshold, gap_ms),
        }
        let is_known = self.told.is_none() && !detector.learns() && !detector.quality.is_blind();
        self.minute
            .add(sample.captured_us, is_known.then_some(detector.score.max(0)));
    }

    fn found(&self) -> Found {
        let blind = match self.detector.quality {
            Quality::Unknown | Quality::Good | Quality::Poor => "",
            Quality::Noise => {
                "pictures of a scene at rest are as large as those of one that moves: a constant bitrate, much noise, or a scene \
                 that never rests. An encoder that has a least quantization (h264_minimum_qp_value) can leave noise alone"
            }
            Quality::Keys => "there are no P pictures with key pictures between them",
            Quality::Varies => "the quality of its JPEG pictures changes all the time",
        };
        Found {
            moves: self.detector.moves,
            blind,
        }
    }
}

impl Motion {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it look for motion with this threshold, which ends after so long a rest; or not any more.
    pub fn want(&self, wanted: Option<(u16, Duration)>) {
        let hundredths =
            |(threshold, gap): (u16, Duration)| (i32::from(threshold) * 100, gap.as_millis() as i32);
        self.lock().wanted = wanted.map(hundredths);
    }

    /// Has it take another threshold, if somebody wants to know.
    pub fn set_threshold(&self, threshold: u16) {
        if let Some((hundredths, _)) = &mut self.lock().wanted {
            *hundredths = i32::from(threshold) * 100;
        }
    }

    /// True if somebody wants to know.
    pub fn is_wanted(&self) -> bool {
        self.lock().wanted.is_some()
    }

    /// True for who is to be the thread that gives it pictures: somebody wants to know, and there is none.
    pub fn begin(&self) -> bool {
        let mut inner = self.lock();
        let begins = inner.wanted.is_some() && !inner.runs;
        inner.runs |= begins;
        begins
    }

    /// That thread has ended.
    pub fn end(&self) {
        let mut inner = self.lock();
        *inner = Inner {
            wanted: inner.wanted,
            ..Inner::default()
        };
    }

    /// The view is another one now, or there was none for a while: what was usual is so no more.
    pub fn disturb(&self) {
        self.lock().detector.restart();
    }

    /// The camera was opened.
    pub fn opened(&self) {
        self.lock().told = None;
        self.disturb();
    }

    /// The camera's own program says whether something moves. From now on its pictures say nothing.
    pub fn tell(&self, at_us: u64, moves: bool) {
        let mut inner = self.lock();
        inner.told = Some((moves, at_us));
        // It may be over before the next picture.
        inner.detector.moves |= moves && inner.wanted.is_some();
    }

    /// Takes samples of the next raw picture, as [`luma`](crate::format::raw::luma) gives them.
    pub fn look(&self, captured_us: u64, samples: &[u8]) {
        let mut inner = self.lock();
        if inner.wanted.is_none() {
            return;
        }
        inner.looked_us = captured_us;
        let now_ms = captured_us / 1000;
        let learns = inner.detector.learns() || inner.detector.is_lit(now_ms);
        if let Some(bytes) = inner.cells.look(samples, learns) {
            if inner.cells.light {
                inner.detector.light(now_ms);
            }
            let kind = Kind::Raw;
            let sample = Sample {
                captured_us,
                kind,
                bytes,
            };
            inner.take(sample);
        }
    }

    /// Takes the next coded picture, which says nothing where raw ones are looked at. Gives what is known now.
    pub fn take(&self, sample: Sample) -> Found {
        let mut inner = self.lock();
        let is_raw = sample.captured_us < inner.looked_us.saturating_add(LOOKED_US);
        if !is_raw {
            inner.take(sample);
        }
        inner.found()
    }

    /// Whether something moves, the score in hundredths, and whether nothing can be found; None if nobody wants to know.
    pub fn numbers(&self) -> Option<[u64; 3]> {
        let inner = self.lock();
        let detector = &inner.detector;
        inner.wanted?;
        Some([
            detector.moves.into(),
            detector.score.max(0) as u64,
            detector.quality.is_blind().into(),
        ])
    }

    /// All of it, as JSON.
    pub fn describe(&self) -> Option<String> {
        let inner = self.lock();
        let (threshold, _) = inner.wanted?;
        let detector = &inner.detector;
        let state = match detector.moves {
            _ if detector.quality.is_blind() => "blind",
            _ if detector.learns() => "learning",
            true => "motion",
            false => "rest",
        };
        let quality = match detector.quality {
            Quality::Unknown => "unknown",
            Quality::Good => "good",
            Quality::Poor => "poor",
            _ => "blind",
        };
        let by = match detector.by {
            By::P => "P pictures",
            By::Jpeg => "JPEG pictures",
            By::Raw => "raw pictures",
            By::Told => "rpicam-vid",
        };
        let why = match detector.by {
            By::Told => "rpicam-vid finds it itself, with the thresholds of its own file (post-process-file)",
            _ => inner.found().blind,
        };
        let json = Object::new()
            .text("state", state)
            .member("score", decimal(detector.score.max(0) as u64, 2))
            .member("threshold", threshold / 100)
            .text("quality", quality)
            .text("by", by)
            .text("why", why)
            .member("last_minute", inner.minute.json())
            .end();
        Some(json)
    }
}
