//! When something happens at a camera, as its recorder has to know.

use crate::events::{END, OWN, START};

/// The recording of an event goes on for so long after its last sign.
const AFTER_US: u64 = 10_000_000;
/// An event is told of after the pictures that it is of, as it was found in them.
const BEFORE_US: u64 = 1_000_000;

/// The newest time in which something happened, in capture times.
#[derive(Debug, Default)]
pub struct Eventful {
    /// When it began.
    began_us: u64,
    /// No picture of it came yet.
    is_new: bool,
    /// Up to then pictures are recorded, where only events are.
    pub until_us: u64,
}

impl Eventful {
    /// Something happened. What the program itself has to tell is no reason to record.
    pub fn note(&mut self, kind: &str, state: &str, at_us: u64) {
        if OWN.contains(&kind) {
            return;
        }
        if at_us > self.ended_us().saturating_add(BEFORE_US) {
            (self.began_us, self.is_new) = (at_us, true);
        }
        let until_us = at_us + AFTER_US;
        self.until_us = match state {
            START => u64::MAX,
            END => until_us,
            _ => self.until_us.max(until_us),
        };
    }

    /// True if something happened when this picture was captured, or if it is the first one after that, and soon: what has no
    /// length may have happened between two pictures.
    pub fn has(&mut self, captured_us: u64) -> bool {
        let is_after = captured_us >= self.began_us.saturating_sub(BEFORE_US);
        let is_new = is_after && std::mem::take(&mut self.is_new) && captured_us < self.began_us + AFTER_US;
        is_new || is_after && captured_us < self.ended_us()
    }

    fn ended_us(&self) -> u64 {
        self.until_us.saturating_sub(AFTER_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{LOST, MARK};

    /// Whenever it is told of, and also where no picture comes for long.
    #[test]
    fn what_happened_is_in_the_pictures_of_that_time() {
        let mut eventful = Eventful::default();
        let mut has = |told: &[(&str, u64)], seconds: &[u64]| {
            for (state, at_s) in told {
                eventful.note("door", state, at_s * 1_000_000);
            }
            seconds
                .iter()
                .map(|at_s| eventful.has(at_s * 1_000_000))
                .collect::<Vec<_>>()
        };
        assert_eq!(has(&[], &[9]), [false]);
        assert_eq!(has(&[(MARK, 20)], &[18, 19, 20, 21]), [false, true, false, false]);
        // Between two pictures.
        assert_eq!(has(&[(MARK, 30)], &[35, 36]), [true, false]);
        // Told of together.
        assert_eq!(
            has(&[(START, 40), (END, 43)], &[38, 39, 42, 43]),
            [false, true, true, false]
        );
        // The camera was away.
        assert_eq!(has(&[(MARK, 50)], &[7200, 7201]), [false, false]);
        eventful.note(LOST, START, 8_000_000_000);
        assert!(!eventful.has(8_000_000_000));
    }
}
