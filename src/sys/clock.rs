//! The two clocks: the one that frames are timed by, and the one on the wall.

use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::mem::MaybeUninit;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// CLOCK_MONOTONIC in microseconds: what V4L2 drivers stamp their frames with
/// (V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC).
pub fn monotonic_us() -> u64 {
    // clock_gettime(2) fails for a clock that is not there only, and Linux always has this one.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| {
        now.tv_sec() as u64 * 1_000_000 + now.tv_nsec() as u64 / 1000
    })
}

/// The time since the beginning of 1970 by the wall clock, which may be wrong.
pub fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What has to be added to [`monotonic_us`] to have Unix time, in microseconds: it changes when somebody sets the wall clock.
pub fn unix_offset_us() -> i64 {
    let offset = |_| {
        let before_us = monotonic_us();
        let unix = unix();
        let took_us = monotonic_us() - before_us;
        (took_us, unix.as_micros() as i64 - before_us as i64)
    };
    // A thread can be held up between the two clocks, and not each time.
    (0..3).map(offset).min().map_or(0, |(_, offset_us)| offset_us)
}

/// True if the wall clock can be believed: somebody says that it is synchronized, or it was set from a clock with a battery, and it is
/// later than this was written.
pub fn is_set() -> bool {
    const WRITTEN_S: u64 = 1_795_910_400;
    // struct __kernel_old_timex (linux/timex.h) is of words of this width; zeros ask for nothing to be changed (adjtimex(2)).
    const WORDS: usize = 32;
    const STATUS: usize = 5;
    let by_kernel = || {
        let mut state: [libc::c_long; WORDS] = [0; WORDS];
        // SAFETY: the pointer is to live memory of that size, or a larger one, which the call fills and does not keep.
        let answer = unsafe { libc::syscall(libc::SYS_adjtimex, state.as_mut_ptr()) };
        answer >= 0 && state[STATUS] & libc::c_long::from(libc::STA_UNSYNC) == 0
    };
    // systemd-timesyncd's, as a unit may have the call above refused (ProtectClock=).
    let by_system = || Path::new("/run/systemd/timesync/synchronized").exists();
    unix().as_secs() > WRITTEN_S
        && (by_kernel() || by_system() || by_battery(Path::new("/sys/class/rtc/rtc0")))
}

/// True if the wall clock was set by this clock, and still goes by it: one without a battery was years back, and whoever mended that
/// did not know the time either. It may be kept in local time.
fn by_battery(clock: &Path) -> bool {
    const DAY_S: u64 = 86_400;
    let read = |name| fs::read_to_string(clock.join(name)).unwrap_or_default();
    let since_epoch = || read("since_epoch").trim().parse::<u64>();
    read("hctosys").starts_with('1') && since_epoch().is_ok_and(|s| s.abs_diff(unix().as_secs()) < DAY_S)
}

/// The local time of day: hours, minutes, seconds (60 in a leap second), milliseconds.
pub fn wall_clock() -> (u32, u32, u32, u32) {
    let now = unix();
    let local = local(now.as_secs());
    (
        local.tm_hour as u32,
        local.tm_min as u32,
        local.tm_sec as u32,
        now.subsec_millis(),
    )
}

/// How far the local time is ahead of UTC at that Unix time, in seconds.
#[allow(clippy::unnecessary_cast)] // it has 32 bits where the machine has
pub fn ahead_of_utc_s(unix_s: u64) -> i64 {
    local(unix_s).tm_gmtoff as i64
}

fn local(unix_s: u64) -> libc::tm {
    let seconds = unix_s as _;
    let mut local = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to live, aligned memory of the right type, and localtime_r(3) keeps neither.
    // It may read TZ from the environment, which this program never changes.
    unsafe { libc::localtime_r(&seconds, local.as_mut_ptr()) };
    // SAFETY: should nothing have been written, zeros are a valid `tm`: integers, and a pointer nobody
    // follows.
    unsafe { local.assume_init() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_never_goes_back() {
        let first = monotonic_us();
        assert!(first > 0);
        assert!(monotonic_us() >= first);
    }

    #[test]
    fn the_offset_is_that_of_the_two_clocks() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let unix_us = monotonic_us().saturating_add_signed(unix_offset_us());
        // Both are cut to whole microseconds.
        assert!(unix_us + 1 >= now.as_micros() as u64);
    }

    #[test]
    fn a_clock_with_a_battery_has_the_time() {
        let clock = std::env::temp_dir().join(format!("fmp4streamer-clock-{}", std::process::id()));
        fs::create_dir_all(&clock).unwrap();
        let now_s = unix().as_secs();
        for (hctosys, since_epoch, expected) in [
            ("1\n", now_s, true),
            ("1\n", now_s + 14 * 3600, true),
            ("1\n", 946_684_900, false),
            ("0\n", now_s, false),
        ] {
            fs::write(clock.join("hctosys"), hctosys).unwrap();
            fs::write(clock.join("since_epoch"), format!("{since_epoch}\n")).unwrap();
            assert_eq!(by_battery(&clock), expected, "{hctosys:?} {since_epoch}");
        }
        fs::remove_dir_all(&clock).unwrap();
        assert!(!by_battery(&clock));
    }

    #[test]
    fn wall_clock_is_a_time_of_day() {
        let (hour, minute, second, millisecond) = wall_clock();
        assert!(hour < 24 && minute < 60 && second <= 60 && millisecond < 1000);
    }

    #[test]
    fn wall_clock_agrees_with_the_system() {
        // Time zones are whole minutes from UTC, so seconds of the minute are the same everywhere.
        let utc = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 60;
        loop {
            let before = utc();
            let (_, _, second, _) = wall_clock();
            if utc() == before {
                assert_eq!(u64::from(second), before);
                return;
            }
        }
    }
}
