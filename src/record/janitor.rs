//! Which recordings have to go, so that there is room for new ones: from names, sizes and numbers alone.

use super::name::Name;

const DAY_S: u64 = 86_400;
/// By age, no more goes once it was this part of all bytes: a clock that is wrong for once does not cost everything.
const PART_BY_AGE: u64 = 10;
/// The last reason for which one goes.
const BY_AGE: usize = 3;

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
    /// The bytes of those in which something happened, which are then apart from the others; 0 if all are together.
    pub event_max_bytes: u64,
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
    let is_apart = |it: &Recording| it.name.event && limits.event_max_bytes > 0;
    let mut bytes = [0, 0];
    for it in recordings {
        bytes[usize::from(is_apart(it))] += it.bytes;
    }
    let mut free = disk.free;
    let keep_free = disk.all / 100 * limits.keep_free;
    let mut by_age = (bytes[0] + bytes[1]) / PART_BY_AGE;
    let oldest_s = now_s.unwrap_or_default().saturating_sub(limits.keep_days * DAY_S);
    let mut deleted = Vec::new();
    let mut is_deleted = vec![false; recordings.len()];
    loop {
        // Why it has to go: the lower, the sooner.
        let reason = |it: &Recording| {
            let apart = usize::from(is_apart(it));
            if bytes[apart] > [limits.max_bytes, limits.event_max_bytes][apart] {
                Some(0)
            } else if free < keep_free {
                Some(1 + apart)
            } else {
                // A date of which nobody knew whether it is right says nothing of its age.
                let is_old = limits.keep_days > 0 && it.name.synced && it.name.start_s < oldest_s;
                (is_old && by_age > 0).then_some(BY_AGE)
            }
        };
        let candidates = (0..recordings.len()).filter(|n| !recordings[*n].is_open && !is_deleted[*n]);
        let due = candidates.filter_map(|n| {
            let it = &recordings[n];
            Some((reason(it)?, it.name.order(), n))
        });
        let Some((reason, _, oldest)) = due.min() else {
            break;
        };
        let it = &recordings[oldest];
        free += it.bytes;
        if reason == BY_AGE {
            by_age = by_age.saturating_sub(it.bytes);
        }
        bytes[usize::from(is_apart(it))] -= it.bytes;
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
        event_max_bytes: 0,
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
            event: false,
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
                &[0, 1],
            ),
        ] {
            assert_eq!(
                of_five(limits, disk, now_s),
                expected,
                "{limits:?} {disk:?} {now_s:?}"
            );
        }
    }

    /// Of five as above, but that something happened in the first and the third one.
    #[test]
    fn events_have_bounds_of_their_own() {
        let mut five = [5, 4, 3, 2, 1].map(|days| recording((days, 100)));
        (five[0].name.event, five[2].name.event, five[4].is_open) = (true, true, true);
        let none: &[usize] = &[];
        for (max_bytes, event_max_bytes, keep_free, keep_days, expected) in [
            (500, 0, 0, 0, none),
            // Together, unless they are to be apart.
            (300, 0, 0, 0, &[0, 1]),
            (300, 200, 0, 0, none),
            // What the others take costs no event, ...
            (299, 200, 0, 0, &[1]),
            (0, 200, 0, 0, &[1, 3]),
            // ... and what events take none of the others.
            (300, 199, 0, 0, &[0]),
            (300, 1, 0, 0, &[0, 2]),
            (299, 199, 0, 0, &[0, 1]),
            // A disk that gets full costs events last, ...
            (300, 200, 10, 0, &[1]),
            (300, 200, 25, 0, &[1, 3, 0]),
            // ... but what has to go anyway makes room.
            (300, 199, 10, 0, &[0]),
            // By age the oldest go, whatever they are.
            (300, 200, 0, 3, &[0]),
        ] {
            let limits = Limits {
                max_bytes,
                event_max_bytes,
                keep_free,
                keep_days,
            };
            let full = Disk { free: 0, all: 1000 };
            assert_eq!(
                superfluous(&five, &limits, full, Some(NOW_S)),
                expected,
                "{limits:?}"
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
        // And it keeps none of those from going that have one.
        let other = recording((99, 10));
        assert_eq!(superfluous(&[one, other], &limits, EMPTY, Some(NOW_S)), [1]);
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
