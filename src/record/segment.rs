//! Where one file ends and another one begins.

use crate::format::fmp4::{Fragment, Init};
use crate::sys::clock;
use std::sync::Arc;

/// A file ends at the first key frame after a multiple of so much time on the wall, ...
pub const SEGMENT_S: u64 = 300;
/// ... or once it has so many bytes: with its last fragment it is smaller than FAT's 4 GiB.
const MOST_BYTES: u64 = 4_000_000_000;
/// After a gap that is longer, a file would say that there was something.
const LONGEST_GAP_90K: u64 = 10 * 90_000;
/// A clock that was set by more than this says other times than the file's name.
const CLOCK_STEP_US: u64 = 2_000_000;
const DAY_S: u64 = 86_400;

/// The clock on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallClock {
    /// What is added to CLOCK_MONOTONIC to have Unix time, in microseconds.
    pub offset_us: i64,
    /// How far the local time is ahead of UTC, in minutes.
    pub ahead_min: i16,
}

impl WallClock {
    /// As it is at this moment.
    pub fn now() -> WallClock {
        WallClock {
            offset_us: clock::unix_offset_us(),
            ahead_min: (clock::ahead_of_utc_s(clock::unix().as_secs()) / 60) as i16,
        }
    }

    /// The Unix time of a fragment's capture, in seconds.
    pub fn unix_s(&self, fragment: &Fragment) -> u64 {
        fragment.captured_us.saturating_add_signed(self.offset_us) / 1_000_000
    }

    fn day(&self, unix_s: u64) -> u64 {
        unix_s.saturating_add_signed(i64::from(self.ahead_min) * 60) / DAY_S
    }
}

/// What decides how long a file goes on.
#[derive(Debug)]
pub struct Segment {
    init: Arc<Init>,
    epoch: u32,
    clock: WallClock,
    day: u64,
    /// The Unix time from which on it may end, in seconds.
    ends_s: u64,
    /// Where its last picture ends.
    end_90k: u64,
    /// It is long enough.
    is_due: bool,
}

impl Segment {
    /// Of a file that begins with this picture. Files of cameras with another `stagger_s` end at other times, so that the disk is not
    /// asked for everything at once; without it, a file is as long as its day.
    pub fn new(first: &Fragment, clock: WallClock, stagger_s: Option<u64>) -> Segment {
        let begin_s = clock.unix_s(first);
        let end_s = |stagger_s: u64| {
            let multiple_s = (begin_s + stagger_s) / SEGMENT_S * SEGMENT_S;
            (multiple_s + SEGMENT_S).saturating_sub(stagger_s)
        };
        Segment {
            init: Arc::clone(&first.init),
            epoch: first.epoch,
            clock,
            day: clock.day(begin_s),
            ends_s: stagger_s.map_or(u64::MAX, end_s),
            end_90k: first.end_90k(),
            is_due: false,
        }
    }

    /// Whether the file ends with the next key frame.
    pub fn is_due(&self) -> bool {
        self.is_due
    }

    /// True if this fragment goes into the file, which has so many bytes; false if the file ends before it. The next file begins with a
    /// key frame, which this one need not be.
    pub fn takes(&mut self, fragment: &Fragment, bytes: u64, clock: WallClock) -> bool {
        let is_other = fragment.epoch != self.epoch || !self.init.serves(&fragment.init);
        let gap_90k = fragment.time_90k.saturating_sub(self.end_90k);
        let unix_s = clock.unix_s(fragment);
        self.is_due = unix_s >= self.ends_s
            || clock.day(unix_s) != self.day
            || clock.offset_us.abs_diff(self.clock.offset_us) > CLOCK_STEP_US
            || bytes >= MOST_BYTES;
        if is_other || gap_90k > LONGEST_GAP_90K || self.is_due && fragment.is_start() {
            return false;
        }
        if !fragment.is_sound() {
            self.end_90k = fragment.end_90k();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::Rig;
    use super::*;
    use crate::format::fmp4::Span;
    use crate::format::h264::{AccessUnit, Refresh};

    /// 2026-11-28, 14:03:00 in a zone that is an hour ahead of UTC, which is 180 s before a multiple.
    const BEGIN_S: u64 = 1_795_870_980;
    const CLOCK: WallClock = WallClock {
        offset_us: 1_000_000_000_000_000,
        ahead_min: 60,
    };

    struct Camera {
        init: Arc<Init>,
        epoch: u32,
    }

    impl Camera {
        /// A picture so many seconds after the first one.
        fn picture(&self, s: u64, key: bool) -> Fragment {
            let unit = AccessUnit {
                nals: vec![&[0x65]],
                key,
                refresh: Refresh::default(),
            };
            let span = Span {
                time_90k: 90_000 * (1000 + s),
                duration_90k: 90_000,
            };
            let captured_us = (BEGIN_S + s) * 1_000_000 - CLOCK.offset_us as u64;
            Fragment::new(Arc::clone(&self.init), &unit, span, captured_us, self.epoch).unwrap()
        }
    }

    /// The second before whose picture the file ends, of pictures each second.
    fn end(stagger_s: u64, key_every: u64, bytes: u64, clock: &dyn Fn(u64) -> WallClock) -> u64 {
        let init = Arc::clone(&Rig::new("segment-ends").init);
        let camera = Camera { init, epoch: 0 };
        let mut segment = Segment::new(&camera.picture(0, true), clock(0), Some(stagger_s));
        let mut seconds = 1..;
        let ends = |s: &u64| {
            let picture = camera.picture(*s, s % key_every == 0);
            !segment.takes(&picture, s * bytes, clock(*s))
        };
        seconds.find(ends).unwrap()
    }

    #[test]
    fn a_file_ends_at_a_key_frame_after_a_multiple_of_time_on_the_wall() {
        let steady = |_| CLOCK;
        assert_eq!(end(0, 1, 0, &steady), 120);
        assert_eq!(end(0, 50, 0, &steady), 150);
        assert_eq!((end(20, 1, 0, &steady), end(200, 1, 0, &steady)), (100, 220));
        assert_eq!(end(0, 1, 100_000_000, &steady), 40, "FAT takes no more");
    }

    #[test]
    fn a_clock_that_is_set_and_a_day_that_ends_begin_a_new_file() {
        for (step_us, ends) in [
            (2_000_000, 120),
            (2_000_001, 30),
            (-2_000_001, 30),
            (-86_400_000_000_000, 30),
        ] {
            let clock = |s| WallClock {
                offset_us: CLOCK.offset_us + if s < 21 { 0 } else { step_us },
                ..CLOCK
            };
            assert_eq!(end(0, 10, 0, &clock), ends, "{step_us}");
        }
        // Where it is 23:58:30, as far as anybody says.
        let clock = |_| WallClock {
            ahead_min: 10 * 60 + 55,
            ..CLOCK
        };
        assert_eq!(end(0, 1, 0, &clock), 120);
        let odd = |_| WallClock {
            ahead_min: 10 * 60 + 56,
            ..CLOCK
        };
        assert_eq!(end(0, 1, 0, &odd), 60, "a zone that nobody has");
    }

    #[test]
    fn another_epoch_or_format_and_a_gap_end_it_at_once() {
        let rig = Rig::new("segment");
        let mut camera = Camera {
            init: Arc::clone(&rig.init),
            epoch: 0,
        };
        let first = camera.picture(0, true);
        let begin = || Segment::new(&first, CLOCK, Some(0));
        assert!(begin().takes(&camera.picture(11, false), 0, CLOCK));
        assert!(!begin().takes(&camera.picture(12, false), 0, CLOCK));
        camera.epoch = 1;
        assert!(!begin().takes(&camera.picture(1, false), 0, CLOCK));
        camera.epoch = 0;
        camera.init = Arc::new(Init::new(Arc::clone(&rig.init.parameters), 90, rig.init.sound));
        assert!(!begin().takes(&camera.picture(1, false), 0, CLOCK));
    }
}
