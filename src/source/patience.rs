//! How long a command may take for its next picture, by how long it took before: cameras of the sky give one a minute.

use std::time::{Duration, Instant};

/// A command has this long for its first picture, as it may have to connect first, ...
const FIRST: Duration = Duration::from_secs(30);
/// ... and this long for each of the next few, by which its pace shows.
const NEXT: Duration = Duration::from_secs(180);
/// Pictures after which the pace is known. Some come together at the start, whatever the pace is.
const FEW: u32 = 4;
/// A command that is ended for its silence before then has twice as long the next time, up to this.
const MOST: Duration = Duration::from_secs(600);
/// One whose pace is known has this long at least, ...
const LEAST: Duration = Duration::from_secs(10);
/// ... and so many times the longest step between two pictures of late.
const STEPS: u32 = 3;
/// That step is forgotten after so many times its length.
const REMEMBERED: u32 = 4;

/// The patience with one command. It lives on from run to run.
#[derive(Debug, Clone)]
pub struct Patience {
    first: Duration,
    next: Duration,
    /// The time that the first picture took in the last run that gave one.
    first_took: Duration,
    /// The last picture of this run, or its beginning.
    since: Instant,
    pictures: u32,
    /// The longest step between two pictures of late, and when it ended.
    longest: Duration,
    longest_at: Instant,
}

impl Patience {
    /// With a command of which nothing is known.
    pub fn new(now: Instant) -> Patience {
        Patience {
            first: FIRST,
            next: NEXT,
            first_took: Duration::ZERO,
            since: now,
            pictures: 0,
            longest: Duration::ZERO,
            longest_at: now,
        }
    }

    /// The command is started.
    pub fn begin(&mut self, now: Instant) {
        (self.since, self.pictures, self.longest) = (now, 0, Duration::ZERO);
    }

    /// It gave a picture.
    pub fn picture(&mut self, now: Instant) {
        let step = now.saturating_duration_since(self.since);
        if self.pictures == 0 {
            self.first_took = step;
        } else if step >= self.longest
            || now.saturating_duration_since(self.longest_at) > self.longest * REMEMBERED
        {
            (self.longest, self.longest_at) = (step, now);
        }
        self.since = now;
        self.pictures = self.pictures.saturating_add(1);
    }

    /// The time of the last picture, or of the start.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The time that the next picture may take before the command is given up.
    pub fn limit(&self) -> Duration {
        match self.pictures {
            0 => self.first.max(self.due()),
            1..FEW => self.next.max(self.due()),
            _ => LEAST.max(self.due()),
        }
    }

    /// The time that the next picture may take as far as is known: zero if nothing tells that it takes long.
    pub fn due(&self) -> Duration {
        let step = match self.pictures {
            0 => self.first_took,
            1..FEW => (self.next / STEPS).max(self.longest),
            _ => self.longest,
        };
        (step * STEPS).min(MOST)
    }

    /// It was given up: it may have been too soon.
    pub fn was_too_short(&mut self) {
        match self.pictures {
            0 => self.first = (self.first * 2).min(MOST),
            1..FEW => self.next = (self.next * 2).min(MOST),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The limits after each picture, of a command that gives them so many seconds after each other.
    fn limits(steps_s: &[f64]) -> Vec<u64> {
        let mut now = Instant::now();
        let mut patience = Patience::new(now);
        let of = |step: &f64| {
            let step = Duration::from_secs_f64(*step);
            assert!(step < patience.limit(), "it is given up: {step:?}");
            now += step;
            patience.picture(now);
            patience.limit().as_secs()
        };
        steps_s.iter().map(of).collect()
    }

    #[test]
    fn pictures_that_come_seldom_are_waited_for() {
        for step_s in [15.0, 60.0, 90.0] {
            let limits = limits(&[&[1.0][..], &[step_s; 20]].concat());
            assert_eq!(limits[0], 180);
            assert!(limits[4..].iter().all(|limit| *limit == 3 * step_s as u64));
        }
        // Each a second longer than the one before; and some at once at the start.
        limits(&(0..100).map(|n| f64::from(n) / 4.0).collect::<Vec<_>>());
        limits(&[0.1, 0.0, 0.0, 120.0, 120.0, 119.0, 121.0]);
    }

    #[test]
    fn a_command_that_gives_many_is_given_up_soon() {
        assert_eq!(limits(&[0.04; 1000])[3..], [10; 997]);
        // One long step is forgotten soon, ...
        let once = limits(&[&[0.04; 100][..], &[8.0], &[0.04; 1000]].concat());
        assert_eq!((once[99], once[100], once[1100]), (10, 24, 10));
        // ... but not one that comes again and again between many short ones.
        let bursts: Vec<f64> = (0..1000).map(|n| if n % 50 == 0 { 9.0 } else { 0.0 }).collect();
        assert!(limits(&bursts)[51..].iter().all(|limit| *limit == 27));
    }

    #[test]
    fn what_was_too_short_is_longer_the_next_time() {
        let mut now = Instant::now();
        let mut patience = Patience::new(now);
        let mut firsts = Vec::new();
        for _ in 0..7 {
            patience.begin(now);
            firsts.push(patience.limit().as_secs());
            patience.was_too_short();
        }
        assert_eq!(firsts, [30, 60, 120, 240, 480, 600, 600]);
        // The first picture took long, and may do so again.
        let mut slow = Patience::new(now);
        now += 29 * SECOND;
        slow.picture(now);
        assert_eq!(slow.limit(), NEXT);
        slow.was_too_short();
        assert_eq!(slow.limit(), 2 * NEXT);
        slow.begin(now);
        assert_eq!((slow.limit(), slow.due()), (87 * SECOND, 87 * SECOND));
    }

    #[test]
    fn the_next_picture_is_due_by_what_is_known() {
        let mut now = Instant::now();
        let mut patience = Patience::new(now);
        assert_eq!(patience.due(), Duration::ZERO);
        for _ in 0..FEW {
            now += 15 * SECOND;
            patience.picture(now);
        }
        assert_eq!(patience.due(), 45 * SECOND);
    }
}
