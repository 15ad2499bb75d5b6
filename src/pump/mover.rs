//! The mover: turns one camera as its clients wish, and lets it rest. While nothing moves it costs nothing.

use super::course::Course;
use crate::config::{Camera, HeadKind};
use crate::error::Error;
use crate::format::json::Object;
use crate::ptz::{State, Taken, View, Wishes};
use crate::source::ptz::{self as heads, Held};
use crate::stream::{Stream, Topic};
use crate::{log_info, log_verbose, log_warning};
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The time from one step to the next: a servo takes a pulse as often.
const STEP: Duration = Duration::from_millis(20);
/// What does not answer is asked again after this.
const RETRY: Duration = Duration::from_secs(2);
/// Pages are told of a move this often, and of its end.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Turns the camera until its stream is stopped. A panic, which is a fault of this program, releases it, and costs it a while.
pub fn run(stream: &Stream, camera: &Camera) {
    let mut mover = Mover {
        stream,
        camera,
        head: None,
        courses: [None, None, None],
        view: View::default(),
        told: None,
        openings: 0,
        node: None,
    };
    loop {
        let turned = panic::catch_unwind(AssertUnwindSafe(|| mover.turn_until_the_end()));
        if turned.is_ok() {
            return;
        }
        mover.lose("a fault of this program; please report it, with the log".into());
        if stream.ptz.take(Some(RETRY), mover.openings, true).ended {
            return;
        }
    }
}

struct Mover<'a> {
    stream: &'a Stream,
    camera: &'a Camera,
    /// What turns the camera, while it answers.
    head: Option<Held>,
    courses: [Option<Course>; 3],
    /// What is known, as clients see it.
    view: View,
    /// When they were told last.
    told: Option<Instant>,
    /// How often the camera was opened or lost when the mailbox was looked into last.
    openings: u64,
    /// The camera's node when it was looked for last.
    node: Option<PathBuf>,
}

impl Mover<'_> {
    fn turn_until_the_end(&mut self) {
        self.look();
        let (mut stepped, mut rests_since) = (Instant::now(), Instant::now());
        loop {
            let moving = self.is_moving();
            let taken = self
                .stream
                .ptz
                .take(self.wait(rests_since), self.openings, moving);
            let Taken {
                wishes,
                openings,
                ended,
            } = taken;
            if ended {
                self.head = None;
                return;
            }
            let now = Instant::now();
            self.openings = openings;
            if self.head.is_none() || self.camera_is_another() {
                self.look();
            }
            if self.head.is_none() {
                continue;
            }
            let wished = wishes != Wishes::default();
            self.take(wishes);
            let since = if moving { now - stepped } else { STEP };
            if self.is_moving() {
                (stepped, rests_since) = (now, now);
                if let Err(e) = self.step(now, since) {
                    self.lose(e.to_string());
                    continue;
                }
                self.stream.motion.disturb();
                self.publish(now);
            } else if wished {
                // That nothing moves now.
                self.publish(now);
            } else if self.rest(rests_since).is_some_and(|rest| rest.is_zero()) {
                if let Some(Held(head)) = &mut self.head {
                    head.release();
                }
                // Where that did not go, no second try: the bus is lost, and the next move says so.
                rests_since = now;
            }
        }
    }

    /// How long to wait for a wish.
    fn wait(&self, rests_since: Instant) -> Option<Duration> {
        match &self.head {
            _ if self.is_moving() => Some(STEP),
            Some(_) => self.rest(rests_since),
            None if self.view.state == State::Refused && self.may_be_there() => Some(RETRY),
            None => None,
        }
    }

    /// True if the camera turns itself, and another node of it is open than before. One that wakes up is no news.
    fn camera_is_another(&self) -> bool {
        self.camera.pan_tilt.head == HeadKind::Camera && self.stream.ptz.node() != self.node
    }

    /// False for what waits for the camera, of which the pump tells.
    fn may_be_there(&self) -> bool {
        self.camera.pan_tilt.head != HeadKind::Camera || self.stream.ptz.node().is_some()
    }

    /// The time until what holds the camera is released.
    fn rest(&self, since: Instant) -> Option<Duration> {
        let rest = self.head.as_ref()?.0.release_after()?;
        Some(rest.saturating_sub(since.elapsed()))
    }

    fn is_moving(&self) -> bool {
        self.courses.iter().flatten().any(Course::is_moving)
    }

    /// Looks for what turns the camera, which nothing moves by.
    fn look(&mut self) {
        let keys = &self.camera.pan_tilt;
        // Before the new one, which may be at the same place.
        self.head = None;
        self.node = self.stream.ptz.node();
        let name = &self.stream.name;
        let had_axes = self.view.axes != [None; 3];
        match heads::open(keys, self.node.as_deref()) {
            Ok(Some(held)) => {
                let Held(head) = &held;
                let pace = head.pace();
                let axes = head.axes();
                if self.view.state != State::Ready {
                    log_info!("{name}: turned by {}", head.name());
                }
                for (course, axis) in self.courses.iter_mut().zip(axes) {
                    *course = axis.map(|axis| Course::new(axis, pace));
                }
                self.view.presets = heads::presets(keys);
                self.head = Some(held);
                (self.view.state, self.view.reason) = (State::Ready, String::new());
                self.publish(Instant::now());
            }
            Ok(None) if !had_axes => {}
            Ok(None) => self.lose(format!("{name}: the camera can't be turned: it is not there")),
            // There are devices that can be open once only: one of which nothing is known turns nothing.
            Err(e) if keys.head == HeadKind::Camera && !had_axes => log_verbose!("{name}: {e}"),
            Err(e) => self.lose(e.to_string()),
        }
    }

    fn take(&mut self, wishes: Wishes) {
        for (course, wish) in self.courses.iter_mut().zip(wishes.axes) {
            let Some(course) = course else { continue };
            if wishes.stop {
                course.stop();
            }
            if let Some(wish) = wish {
                course.take(wish);
            }
        }
    }

    fn step(&mut self, now: Instant, since: Duration) -> Result<(), Error> {
        let Some(Held(head)) = &mut self.head else {
            return Ok(());
        };
        for (index, course) in self.courses.iter_mut().enumerate() {
            let Some(course) = course else { continue };
            if let Some(act) = course.step(now, since) {
                course.done(head.act(index, act)?);
            }
        }
        Ok(())
    }

    /// What turns the camera does not answer.
    fn lose(&mut self, why: String) {
        self.head = None;
        for course in self.courses.iter_mut().flatten() {
            *course = Course::new(course.axis, None);
            course.stop();
        }
        if self.view.reason != why {
            log_warning!("{}: {why}", self.stream.name);
        }
        (self.view.state, self.view.reason) = (State::Refused, why);
        self.publish(Instant::now());
    }

    /// Tells what is known, if that is news.
    fn publish(&mut self, now: Instant) {
        let was_moving = self.view.moving;
        self.view.moving = self.is_moving();
        for (known, course) in self.view.axes.iter_mut().zip(&self.courses) {
            *known = course.as_ref().map(|course| course.axis);
        }
        let soon = self.told.is_some_and(|told| now < told + TELL_EVERY);
        let is_due = !soon || !self.view.moving || !was_moving;
        if self.stream.ptz.publish(self.view.clone()) && is_due {
            self.told = Some(now);
            let text = self.view.describe(Object::new().text("type", "ptz")).end();
            self.stream.tell(Topic::Ptz, &text);
        }
    }
}
