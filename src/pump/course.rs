//! How one axis gets from where it is to where it is to be: plain numbers, and no clock of its own.

use crate::ptz::{Axis, FULL_SPEED, Kind, Wish};
use crate::source::ptz::Act;
use std::time::{Duration, Instant};

/// At the full speed an axis takes at least so many seconds from one end to the other.
const WHOLE_RANGE_S: i32 = 2;
/// A step is never longer than this makes it: what held the mover up is not made good by a jump.
const STEP_MAX: Duration = Duration::from_millis(40);

/// One axis on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Course {
    /// The axis as it is known, with its target.
    pub axis: Axis,
    /// Where it was sent last.
    at: Option<i32>,
    /// What it is to do once, or before it goes anywhere.
    once: Option<Act>,
    /// The part of the full speed at which it turns, and until when.
    drive: Option<(i32, Instant)>,
    /// Thousandths a second on the way to a target; None if it goes there at its own speed.
    pace: Option<i32>,
}

impl Course {
    pub fn new(axis: Axis, pace: Option<i32>) -> Course {
        Course {
            axis,
            at: axis.value,
            once: None,
            drive: None,
            pace,
        }
    }

    /// True if it has something to do.
    pub fn is_moving(&self) -> bool {
        self.axis.target.is_some() || self.once.is_some() || self.drive.is_some()
    }

    /// It has nothing to do from now on.
    pub fn stop(&mut self) {
        self.once = (self.axis.kind == Kind::Speed && self.drive.is_some()).then_some(Act::Speed(0));
        (self.axis.target, self.drive) = (None, None);
        self.at = self.axis.value.or(self.at);
    }

    /// Takes a wish in the place of what it had to do.
    pub fn take(&mut self, wish: Wish) {
        let axis = &mut self.axis;
        match wish {
            Wish::To(to) => (axis.target, self.drive) = (Some(to), None),
            Wish::By(by) => self.once = Some(Act::By(by)),
            Wish::Home => self.once = Some(Act::Home),
            Wish::Speed(rate, until) => {
                let rate = rate.clamp(-FULL_SPEED, FULL_SPEED);
                if rate == 0 {
                    return self.stop();
                }
                axis.target = None;
                self.drive = Some((rate, until));
                if axis.kind == Kind::Speed {
                    self.once = Some(Act::Speed(rate));
                }
            }
        }
    }

    /// What it does now, so long after its last step.
    pub fn step(&mut self, now: Instant, since: Duration) -> Option<Act> {
        if self.drive.is_some_and(|(_, until)| now >= until) {
            self.stop();
        }
        if self.once.is_some() {
            return self.once.take();
        }
        let axis = &self.axis;
        let (pace, target) = match (self.drive, axis.target) {
            (Some(_), _) if axis.kind == Kind::Speed => return None,
            (Some((rate, _)), _) => {
                let most = (axis.max - axis.min) / WHOLE_RANGE_S;
                let pace = self.pace.map_or(most, |pace| pace.min(most));
                let end = if rate < 0 { axis.min } else { axis.max };
                (Some(pace / FULL_SPEED * rate.abs()), end)
            }
            (None, Some(target)) => (self.pace, target),
            (None, None) => return None,
        };
        let next = match (pace, self.at) {
            (Some(pace), Some(at)) => at + (target - at).clamp(-way(pace, since), way(pace, since)),
            // Turned at a speed from a place that nobody knows.
            (_, None) if self.drive.is_some() => axis.home,
            _ => target,
        };
        if axis.target == Some(next) {
            self.axis.target = None;
        }
        let is_there = self.at == Some(next) && self.axis.value.is_some();
        self.at = Some(next);
        (!is_there).then_some(Act::To(next))
    }

    /// It did what it was told, and is there.
    pub fn done(&mut self, value: Option<i32>) {
        if value.is_some() {
            self.axis.value = value;
        }
        // The camera knows better where it is; while it is on its way it may not have taken up a small step yet.
        if !self.is_moving() {
            self.at = self.axis.value.or(self.at);
        }
    }
}

/// How far one gets in that time, at so many a second.
fn way(pace: i32, since: Duration) -> i32 {
    let ms = since.min(STEP_MAX).as_millis() as i64;
    (i64::from(pace) * ms / 1000).max(1) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    fn course(kind: Kind, value: Option<i32>, pace: Option<i32>) -> Course {
        let axis = Axis {
            kind,
            min: -90_000,
            max: 90_000,
            home: 0,
            step: 1000,
            value,
            target: None,
        };
        Course::new(axis, pace)
    }

    /// Runs it for so many steps; what it did.
    fn run(course: &mut Course, start: Instant, steps: u32) -> Vec<Act> {
        let mut acts = Vec::new();
        for step in 0..steps {
            if let Some(act) = course.step(start + TICK * step, TICK) {
                acts.push(act);
                let place = match act {
                    Act::To(place) => Some(place),
                    _ => None,
                };
                course.done(place);
            }
        }
        acts
    }

    #[test]
    fn a_target_is_reached_at_the_pace_and_followed() {
        let start = Instant::now();
        let mut pan = course(Kind::Absolute, Some(0), Some(90_000));
        pan.take(Wish::To(5000));
        // 1.8 degrees each 20 ms.
        assert_eq!(run(&mut pan, start, 5), [1800, 3600, 5000].map(Act::To));
        assert!(!pan.is_moving());
        // What is dragged back and forth is followed from where it is, not replayed.
        pan.take(Wish::To(90_000));
        assert_eq!(run(&mut pan, start, 2), [6800, 8600].map(Act::To));
        pan.take(Wish::To(6000));
        assert_eq!(run(&mut pan, start, 9), [6800, 6000].map(Act::To));
        // A mover that was held up makes no jump.
        pan.take(Wish::To(90_000));
        assert_eq!(pan.step(start, Duration::from_secs(9)), Some(Act::To(9600)));
    }

    #[test]
    fn from_an_unknown_place_it_goes_at_once() {
        let start = Instant::now();
        let mut pan = course(Kind::Absolute, None, Some(90_000));
        assert_eq!(run(&mut pan, start, 5), []);
        pan.take(Wish::To(40_000));
        assert_eq!(run(&mut pan, start, 5), [Act::To(40_000)]);
        // So does a camera, whatever is known.
        let mut pan = course(Kind::Absolute, Some(0), None);
        pan.take(Wish::To(40_000));
        assert_eq!(run(&mut pan, start, 5), [Act::To(40_000)]);
        // Being there is nothing to do; but it may be limp.
        let mut pan = course(Kind::Absolute, None, Some(90_000));
        pan.take(Wish::Speed(1000, start + TICK));
        assert_eq!(pan.step(start, TICK), Some(Act::To(0)));
    }

    #[test]
    fn the_dead_man_ends_what_turns() {
        let start = Instant::now();
        let until = start + Duration::from_millis(500);
        let mut pan = course(Kind::Absolute, Some(0), Some(45_000));
        pan.take(Wish::Speed(-500, until));
        let acts = run(&mut pan, start, 100);
        // 0.45 degrees each 20 ms, for half a second.
        assert_eq!((acts.len(), acts.last()), (25, Some(&Act::To(-11_250))));
        assert!(!pan.is_moving());
        // It does not go beyond the end.
        pan.take(Wish::Speed(-1000, start + Duration::from_secs(9)));
        assert_eq!(run(&mut pan, start, 400).last(), Some(&Act::To(-90_000)));

        let mut tilt = course(Kind::Speed, None, None);
        tilt.take(Wish::Speed(300, until));
        assert_eq!(run(&mut tilt, start, 20), [Act::Speed(300)]);
        assert!(tilt.is_moving());
        tilt.take(Wish::Speed(400, until));
        assert_eq!(run(&mut tilt, start, 100), [400, 0].map(Act::Speed));
        assert!(!tilt.is_moving());
        // Neither does more than all.
        tilt.take(Wish::Speed(i32::MIN, until));
        assert_eq!(tilt.step(start, TICK), Some(Act::Speed(-1000)));
        tilt.take(Wish::Speed(0, until));
        assert_eq!(run(&mut tilt, start, 2), [Act::Speed(0)]);
    }

    #[test]
    fn a_stop_leaves_it_where_it_is() {
        let start = Instant::now();
        let mut pan = course(Kind::Absolute, Some(0), Some(90_000));
        pan.take(Wish::To(90_000));
        run(&mut pan, start, 2);
        pan.stop();
        assert_eq!((run(&mut pan, start, 2), pan.axis.value), (vec![], Some(3600)));
        let mut step = course(Kind::Relative, None, None);
        step.take(Wish::By(5000));
        assert_eq!(run(&mut step, start, 3), [Act::By(5000)]);
        step.take(Wish::Home);
        assert_eq!(run(&mut step, start, 3), [Act::Home]);
    }

    #[test]
    fn a_camera_with_coarse_steps_is_turned_at_a_speed() {
        let start = Instant::now();
        let mut pan = course(Kind::Absolute, Some(0), None);
        (pan.axis.min, pan.axis.max) = (-10_000, 10_000);
        pan.take(Wish::Speed(1000, start + Duration::from_secs(1)));
        // It says that it is still where it was until a whole degree is full.
        for step in 0..50 {
            if let Some(Act::To(place)) = pan.step(start + TICK * step, TICK) {
                pan.done(Some(place / 1000 * 1000));
            }
        }
        assert_eq!(pan.axis.value, Some(10_000));
    }
}
