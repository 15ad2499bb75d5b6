//! When something happens at a camera, as its recorder has to know.

use crate::events::{END, OWN, START};
use crate::sys::clock;

/// The recording of an event goes on for so long after its last sign.
const AFTER_US: u64 = 10_000_000;
/// An event is told of after the pictures that it is of: it was found in them, and the recorder looks twice a second.
const BEFORE_US: u64 = 1_000_000;

/// The newest time in which something happened, in capture times.
#[derive(Debug, Default)]
pub struct Eventful {
    /// When it was told of first.
    began_us: u64,
    /// No picture of it came yet.
    is_new: bool,
    /// Up to then pictures are recorded, where only events are.
    pub until_us: u64,
}

impl Eventful {
    /// Something happened. What the program itself has to tell is no reason to record.
    pub fn note(&mut self, kind: &str, state: &str) {
        if OWN.contains(&kind) {
            return;
        }
        let now_us = clock::monotonic_us();
        if now_us > self.ended_us() {
            (self.began_us, self.is_new) = (now_us, true);
        }
        self.until_us = match state {
            START => u64::MAX,
            END => now_us + AFTER_US,
            _ => self.until_us.max(now_us + AFTER_US),
        };
    }

    /// True if something happened when this picture was captured, or if it is the first one after that: what has no length may have
    /// happened between two pictures.
    pub fn has(&mut self, captured_us: u64) -> bool {
        let is_after = captured_us >= self.began_us.saturating_sub(BEFORE_US);
        is_after && (std::mem::take(&mut self.is_new) || captured_us < self.ended_us())
    }

    fn ended_us(&self) -> u64 {
        self.until_us.saturating_sub(AFTER_US)
    }
}
