//! What a run's media times are by the wall clock.

use super::held::Placed;

/// A wall clock that is so far off from where it was has been set.
const SET_US: u64 = 100_000;

/// Ties media time to the wall clock: one line from one discontinuity to the next, as players compute with it (6.3.3).
pub struct Dates {
    start_90k: u64,
    /// Unix time there.
    unix_us: u64,
    /// What had to be added to a capture time to have it in Unix time.
    offset_us: i64,
}

impl Dates {
    pub fn from(first: &Placed, offset_us: i64) -> Dates {
        let fragment = &first.fragment;
        let captured_us = fragment.captured_us.saturating_add_signed(offset_us);
        let early_us = fragment.time_90k.saturating_sub(first.start_90k) * 100 / 9;
        Dates {
            start_90k: first.start_90k,
            unix_us: captured_us.saturating_sub(early_us),
            offset_us,
        }
    }

    /// True if the wall clock was set since: by NTP when the network is up, by hand, or by a suspend.
    pub fn clock_was_set(&self, offset_us: i64) -> bool {
        self.offset_us.abs_diff(offset_us) > SET_US
    }

    /// The date of that media time, in milliseconds of Unix time.
    pub fn date_ms(&self, start_90k: u64) -> u64 {
        let since_us = start_90k.saturating_sub(self.start_90k) * 100 / 9;
        (self.unix_us + since_us) / 1000
    }
}
