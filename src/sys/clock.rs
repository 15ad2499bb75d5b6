//! The clocks.

use nix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC in microseconds: the one clock of all capture times.
pub fn monotonic_us() -> u64 {
    // The clock always exists on Linux (clock_gettime(2)).
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |t| t.tv_sec() as u64 * 1_000_000 + t.tv_nsec() as u64 / 1000)
}
