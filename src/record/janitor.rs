//! Which recordings have to go, so that there is room for new ones: from names, sizes and numbers alone.

use super::name::Name;

const DAY_S: u64 = 86_400;
/// By age, at most this part of all bytes goes at a time: a clock that is wrong for once does not cost everything.
const PART_BY_AGE: u64 = 10;

/// A recording that is there.
#[derive(Debug, Clone, Copy)]
pub struct Recording {
    /// Which camera's it is, by a number.
    pub camera: usize,
    /// Its name, which tells it from others of that camera.
    pub name: Name,
    /// Its size.
    pub bytes: u64,
    /// It is being recorded.
    pub is_open: bool,
}

/// The limits of all recordings together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Their bytes.
    pub max_bytes: u64,
    /// The part of the disk that is kept free, in percent.
    pub keep_free: u64,
    /// The days that they are kept; 0 is as long as there is room.
    pub keep_days: u64,
}

/// The disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// What is free for this program.
    pub free: u64,
    /// All of it.
    pub all: u64,
}

/// The numbers of those that are to be deleted, the oldest first, and no more of them than it takes. `now_s` is Unix time in seconds
/// where the clock can be believed. One that is open is never among them.
pub fn superfluous(recordings: &[Recording], limits: &Limits, disk: Disk, now_s: Option<u64>) -> Vec<usize> {
    let all_bytes: u64 = recordings.iter().map(|it| it.bytes).sum();
    let (mut bytes, mut free) = (all_bytes, disk.free);
    let keep_free = disk.all / 100 * limits.keep_free;
    let mut by_age = all_bytes / PART_BY_AGE;
    let mut deleted = Vec::new();
    let mut is_deleted = vec![false; recordings.len()];
    loop {
        let candidates = (0..recordings.len()).filter(|n| !recordings[*n].is_open && !is_deleted[*n]);
        let age = |n: &usize| (recordings[*n].name.start_s, recordings[*n].name.copy, *n);
        let Some(oldest) = candidates.min_by_key(age) else {
            break;
        };
        let it = &recordings[oldest];
        // A date of which nobody knew whether it is right says nothing of its age.
        let is_old = limits.keep_days > 0
            && it.name.synced
            && now_s.is_some_and(|now_s| it.name.start_s < now_s.saturating_sub(limits.keep_days * DAY_S))
            && (it.bytes <= by_age || deleted.is_empty());
        if bytes > limits.max_bytes || free < keep_free {
            free += it.bytes;
        } else if is_old {
            by_age = by_age.saturating_sub(it.bytes);
        } else {
            break;
        }
        bytes -= it.bytes;
        is_deleted[oldest] = true;
        deleted.push(oldest);
    }
    deleted
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_795_000_000;
    const NO_LIMITS: Limits = Limits {
        max_bytes: u64::MAX,
        keep_free: 0,
        keep_days: 0,
    };
    const EMPTY: Disk = Disk {
        free: 1000,
        all: 1000,
    };

    /// So many days old, with so many bytes.
    fn recording((days, bytes): (u64, u64)) -> Recording {
        let name = Name {
            start_s: NOW_S - days * DAY_S,
            ahead_min: 60,
            copy: 1,
            synced: true,
        };
        Recording {
            camera: 0,
            name,
            bytes,
            is_open: false,
        }
    }

    /// Those that are to be deleted of five that are 5, 4, 3, 2 and 1 days old, with 100 bytes each, the last of which is open.
    fn of_five(limits: Limits, disk: Disk, now_s: Option<u64>) -> Vec<usize> {
        let mut five = [5, 4, 3, 2, 1].map(|days| recording((days, 100)));
        five[4].is_open = true;
        superfluous(&five, &limits, disk, now_s)
    }

    #[test]
    fn table() {
        let at_most = |max_bytes| Limits {
            max_bytes,
            ..NO_LIMITS
        };
        let free = |keep_free| Limits {
            keep_free,
            ..NO_LIMITS
        };
        let days = |keep_days| Limits {
            keep_days,
            ..NO_LIMITS
        };
        let full = |free| Disk { free, all: 1000 };
        let none: &[usize] = &[];
        for (limits, disk, now_s, expected) in [
            (NO_LIMITS, full(0), Some(NOW_S), none),
            // By bytes: the open one counts, and stays.
            (at_most(500), full(0), None, none),
            (at_most(499), full(0), None, &[0]),
            (at_most(201), full(0), None, &[0, 1, 2]),
            (at_most(0), full(0), None, &[0, 1, 2, 3]),
            // By what is free.
            (free(10), full(100), None, none),
            (free(10), full(99), None, &[0]),
            (free(10), full(0), None, &[0]),
            (free(25), full(0), None, &[0, 1, 2]),
            (free(100), full(0), None, &[0, 1, 2, 3]),
            (free(10), Disk { free: 0, all: 0 }, None, none),
            // By age: only by a clock that is believed, and one at a time, as a tenth is less than one of them.
            (days(3), EMPTY, Some(NOW_S), &[0]),
            (days(5), EMPTY, Some(NOW_S), none),
            (days(5), EMPTY, Some(NOW_S + 1), &[0]),
            (days(3), EMPTY, None, none),
            (days(1), EMPTY, Some(0), none),
            // Both.
            (
                Limits {
                    keep_days: 2,
                    ..at_most(400)
                },
                EMPTY,
                Some(NOW_S),
                &[0],
            ),
        ] {
            assert_eq!(
                of_five(limits, disk, now_s),
                expected,
                "{limits:?} {disk:?} {now_s:?}"
            );
        }
    }

    #[test]
    fn the_oldest_by_its_time_goes_first_whatever_its_place_or_its_camera() {
        let mut recordings = [(3, 10), (9, 10), (1, 10), (9, 10)].map(recording);
        recordings[1].name.copy = 2;
        recordings[2].camera = 1;
        // An hour later by the clock on the wall, and earlier in truth.
        recordings[0].name.ahead_min = -600;
        let limits = Limits {
            max_bytes: 10,
            ..NO_LIMITS
        };
        assert_eq!(superfluous(&recordings, &limits, EMPTY, None), [3, 1, 0]);
    }

    #[test]
    fn a_date_of_which_nobody_knows_whether_it_is_right_is_no_age() {
        let mut one = recording((100, 10));
        one.name.synced = false;
        let limits = Limits {
            keep_days: 30,
            ..NO_LIMITS
        };
        assert!(superfluous(&[one], &limits, EMPTY, Some(NOW_S)).is_empty());
        one.name.synced = true;
        assert_eq!(superfluous(&[one], &limits, EMPTY, Some(NOW_S)), [0]);
    }

    /// A clock that jumps by years costs a tenth a time, and not all.
    #[test]
    fn by_age_a_tenth_goes_at_a_time() {
        let recordings: Vec<Recording> = (0..100).map(|n| recording((100 - n, 10))).collect();
        let limits = Limits {
            keep_days: 30,
            ..NO_LIMITS
        };
        let years_later = Some(NOW_S + 1000 * DAY_S);
        assert_eq!(
            superfluous(&recordings, &limits, EMPTY, years_later),
            (0..10).collect::<Vec<_>>()
        );
        assert_eq!(superfluous(&[], &limits, EMPTY, years_later), []);
    }
}
