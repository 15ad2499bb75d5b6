//! Where a camera looks and where it is to look, between what turns it (a mover of the pump) and its clients.
//!
//! Degrees, and percent of the zoom, are in thousandths. A wish waits for the mover until a newer one takes its place: there is
//! no queue.

use crate::format::json::{Object, array, or_null, quote, thousandths};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The names of the axes, in the order in which everything here has them.
pub const AXES: [&str; 3] = ["pan", "tilt", "zoom"];
/// Where zoom stands among them.
pub const ZOOM: usize = 2;
/// The whole speed of an axis.
pub const FULL_SPEED: i32 = 1000;
/// An axis that is turned at a speed goes on for so long without another word: whoever holds the button may be gone.
pub const DEAD_MAN: Duration = Duration::from_millis(500);

/// What can be wished of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A place, a step, or a speed.
    Absolute,
    /// A step: nobody knows where it is.
    Relative,
    /// A speed, at which it turns until it is stopped.
    Speed,
}

impl Kind {
    /// The word for clients.
    fn word(self) -> &'static str {
        match self {
            Kind::Absolute => "absolute",
            Kind::Relative => "relative",
            Kind::Speed => "speed",
        }
    }
}

/// One axis, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// What can be wished of it.
    pub kind: Kind,
    /// The least place, or step, or speed.
    pub min: i32,
    /// The greatest one.
    pub max: i32,
    /// The place that it is sent home to.
    pub home: i32,
    /// The least change that shows.
    pub step: i32,
    /// Where it is; None if that is not known.
    pub value: Option<i32>,
    /// Where it is on its way to.
    pub target: Option<i32>,
}

/// Whether a camera can be turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// It has nothing that turns it.
    #[default]
    None,
    /// It can.
    Ready,
    /// What turns it does not answer.
    Refused,
}

/// A place that the config names: of each axis, where it has one.
pub type Preset = (String, [Option<i32>; 3]);

/// What is known of what turns a camera.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// Whether it can be turned.
    pub state: State,
    /// Why not, and what to do about it.
    pub reason: String,
    /// Something moves, or is about to.
    pub moving: bool,
    /// The axes, where there is one.
    pub axes: [Option<Axis>; 3],
    /// The places that have a name.
    pub presets: Vec<Preset>,
}

impl View {
    /// Adds it to an object, for clients.
    pub fn describe<'a>(&self, object: &'a mut Object) -> &'a mut Object {
        let state = match self.state {
            State::None => "none",
            State::Ready => "ready",
            State::Refused => "refused",
        };
        let mut axes = Object::new();
        for (name, axis) in AXES.into_iter().zip(&self.axes) {
            let Some(axis) = axis else { continue };
            let mut members = Object::new();
            members.text("kind", axis.kind.word());
            for (name, number) in [
                ("min", Some(axis.min)),
                ("max", Some(axis.max)),
                ("home", Some(axis.home)),
                ("value", axis.value),
                ("step", Some(axis.step)),
            ] {
                members.member(name, or_null(number.map(thousandths)));
            }
            axes.member(name, members.end());
        }
        let presets: Vec<String> = self.presets.iter().map(|(name, _)| quote(name)).collect();
        object
            .text("state", state)
            .text("reason", &self.reason)
            .member("moving", self.moving)
            .member("axes", axes.end())
            .member("presets", array(&presets))
    }
}

/// A wish for one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To be there.
    To(i32),
    /// To be so much further.
    By(i32),
    /// To turn at this part of [`FULL_SPEED`], no longer than until then.
    Speed(i32, Instant),
    /// To be at home.
    Home,
}

/// What is wished of all axes; a stop goes before the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Nothing is to move.
    pub stop: bool,
    /// What each is to do.
    pub axes: [Option<Wish>; 3],
}

/// Why wishes are not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It can't be turned now, in words.
    State(State, String),
    /// It has no such axis, or one that can't do that, in words.
    Axis(String),
}

/// The mailbox of one camera's mover.
#[derive(Default)]
pub struct Ptz {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    view: View,
    wishes: Wishes,
    /// The camera's own node, while there is one, and how often that changed.
    node: Option<PathBuf>,
    openings: u64,
    ended: bool,
}

impl Inner {
    fn has_news(&self, openings: u64) -> bool {
        self.ended || self.openings != openings || self.wishes != Wishes::default()
    }
}

/// What the mover finds in its mailbox.
pub struct Taken {
    /// What is wished.
    pub wishes: Wishes,
    /// How often the camera was opened or lost.
    pub openings: u64,
    /// The program ends.
    pub ended: bool,
}

impl Ptz {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of what is known; what is wished counts as a move.
    pub fn view(&self) -> View {
        let inner = self.lock();
        let mut view = inner.view.clone();
        view.moving |= inner.wishes.axes != [None; 3];
        view
    }

    /// For the mover alone: what is known is this now. Gives false if nothing of it is news.
    pub fn publish(&self, view: View) -> bool {
        let inner = &mut *self.lock();
        let news = inner.view != view;
        inner.view = view;
        news
    }

    /// Leaves wishes for the mover, as far as the axes go: gives those that were cut to their limits.
    ///
    /// # Errors
    /// Nothing is taken.
    pub fn wish(&self, wishes: Wishes) -> Result<Vec<&'static str>, Refusal> {
        let inner = &mut *self.lock();
        if inner.view.state != State::Ready {
            return Err(Refusal::State(inner.view.state, inner.view.reason.clone()));
        }
        let mut clamped = Vec::new();
        let before = match wishes.stop {
            true => [None; 3],
            false => inner.wishes.axes,
        };
        let mut taken = before;
        for (index, wish) in wishes.axes.into_iter().enumerate() {
            let Some(wish) = wish else { continue };
            let name = AXES[index];
            let Some(axis) = &inner.view.axes[index] else {
                if wish == Wish::Home {
                    continue;
                }
                return Err(Refusal::Axis(format!("This camera has no {name}")));
            };
            let (at, steps) = match before[index] {
                Some(Wish::To(at)) => (Some(at), 0),
                Some(Wish::By(steps)) => (None, steps),
                _ => (axis.target.filter(|_| !wishes.stop).or(axis.value), 0),
            };
            let wanted = match (axis.kind, wish) {
                (Kind::Absolute, Wish::To(to)) => to,
                (Kind::Absolute, Wish::By(by)) => at.unwrap_or(axis.home).saturating_add(by),
                (Kind::Absolute, Wish::Home) => axis.home,
                (Kind::Relative, Wish::By(by)) => steps.saturating_add(by),
                (Kind::Absolute | Kind::Speed, Wish::Speed(..)) | (Kind::Relative, Wish::Home) => {
                    taken[index] = Some(wish);
                    continue;
                }
                // Home is wished of all at once.
                (Kind::Speed, Wish::Home) => continue,
                (kind, _) => {
                    let does = kind.word();
                    let text = format!("The {name} of this camera takes no such wish: its kind is {does}");
                    return Err(Refusal::Axis(text));
                }
            };
            let most = wanted.clamp(axis.min, axis.max);
            if most != wanted {
                clamped.push(name);
            }
            taken[index] = Some(match axis.kind {
                Kind::Relative => Wish::By(most),
                _ => Wish::To(most),
            });
        }
        inner.wishes = Wishes {
            stop: wishes.stop || inner.wishes.stop,
            axes: taken,
        };
        self.changed.notify_all();
        Ok(clamped)
    }

    /// For the mover alone: takes the wishes out, once there are some or the camera was opened or lost since, or the time is
    /// over. A mover that is `busy` waits for the time, whatever comes.
    pub fn take(&self, wait: Option<Duration>, openings: u64, busy: bool) -> Taken {
        let idle = |inner: &mut Inner| !inner.ended && (busy || !inner.has_news(openings));
        let inner = self.lock();
        let mut inner = match wait {
            None => self.changed.wait_while(inner, idle),
            Some(wait) => {
                let waited = self.changed.wait_timeout_while(inner, wait, idle);
                Ok(waited.unwrap_or_else(PoisonError::into_inner).0)
            }
        }
        .unwrap_or_else(PoisonError::into_inner);
        inner.view.moving |= inner.wishes.axes != [None; 3];
        Taken {
            wishes: std::mem::take(&mut inner.wishes),
            openings: inner.openings,
            ended: inner.ended,
        }
    }

    /// For the pump alone: the camera is open, and this is its node, if it has one; or it is not there.
    pub fn camera_is(&self, node: Option<&Path>) {
        let inner = &mut *self.lock();
        if inner.node.is_some() || node.is_some() {
            inner.node = node.map(Path::to_owned);
            inner.openings += 1;
            self.changed.notify_all();
        }
    }

    /// The camera's node, as far as it is known.
    pub fn node(&self) -> Option<PathBuf> {
        self.lock().node.clone()
    }

    /// Ends the mover.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(kind: Kind, value: Option<i32>) -> Option<Axis> {
        Some(Axis {
            kind,
            min: -90_000,
            max: 90_000,
            home: 1000,
            step: 1000,
            value,
            target: None,
        })
    }

    fn ready(axes: [Option<Axis>; 3]) -> Ptz {
        let ptz = Ptz::default();
        ptz.publish(View {
            state: State::Ready,
            axes,
            presets: vec![("door".into(), [Some(-30_000), Some(10_000), None])],
            ..View::default()
        });
        ptz
    }

    fn wish(ptz: &Ptz, axes: [Option<Wish>; 3]) -> Result<Vec<&'static str>, Refusal> {
        ptz.wish(Wishes { stop: false, axes })
    }

    fn take(ptz: &Ptz) -> Wishes {
        ptz.take(Some(Duration::ZERO), 0, false).wishes
    }

    #[test]
    fn the_newest_wish_takes_the_place_of_the_one_before() {
        use Wish::{By, Home, Speed, To};
        let until = Instant::now();
        for (wishes, kind, taken, clamped) in [
            (&[To(5)][..], Kind::Absolute, Some(To(5)), false),
            (&[To(5), To(7)], Kind::Absolute, Some(To(7)), false),
            (&[To(5), By(2), By(2)], Kind::Absolute, Some(To(9)), false),
            (&[By(2)], Kind::Absolute, Some(To(3)), false),
            (&[To(90_001)], Kind::Absolute, Some(To(90_000)), true),
            (
                &[To(i32::MIN), By(i32::MIN)],
                Kind::Absolute,
                Some(To(-90_000)),
                true,
            ),
            (
                &[Speed(500, until)],
                Kind::Absolute,
                Some(Speed(500, until)),
                false,
            ),
            (&[By(2), Home], Kind::Absolute, Some(To(1000)), false),
            (&[By(2), By(3)], Kind::Relative, Some(By(5)), false),
            (
                &[By(i32::MAX), By(i32::MAX)],
                Kind::Relative,
                Some(By(90_000)),
                true,
            ),
            (&[By(2), Home], Kind::Relative, Some(Home), false),
            (&[Home], Kind::Speed, None, false),
        ] {
            let ptz = ready([axis(kind, Some(1)), None, None]);
            let mut cut = Vec::new();
            for one in wishes {
                cut = wish(&ptz, [Some(*one), None, None]).unwrap();
            }
            assert_eq!(!cut.is_empty(), clamped, "{wishes:?}");
            assert_eq!(take(&ptz).axes[0], taken, "{wishes:?}");
            assert_eq!(take(&ptz), Wishes::default());
        }
        // From a place that nobody knows a step goes from home.
        let ptz = ready([axis(Kind::Absolute, None), None, None]);
        wish(&ptz, [Some(By(5)), None, None]).unwrap();
        assert_eq!(take(&ptz).axes[0], Some(To(1005)));
    }

    #[test]
    fn a_stop_forgets_what_was_wished_before_it() {
        let ptz = ready([axis(Kind::Absolute, Some(0)), axis(Kind::Absolute, Some(0)), None]);
        wish(&ptz, [Some(Wish::To(5)), Some(Wish::To(6)), None]).unwrap();
        assert!(ptz.view().moving);
        let stop = Wishes {
            stop: true,
            axes: [None, Some(Wish::By(1)), None],
        };
        assert_eq!(ptz.wish(stop), Ok(vec![]));
        let taken = take(&ptz);
        assert_eq!((taken.stop, taken.axes), (true, [None, Some(Wish::To(1)), None]));
    }

    #[test]
    fn what_can_not_be_done_is_refused_as_a_whole() {
        let ptz = ready([axis(Kind::Absolute, Some(0)), axis(Kind::Speed, None), None]);
        for axes in [
            [Some(Wish::To(1)), None, Some(Wish::To(1))],
            [Some(Wish::To(1)), Some(Wish::By(1)), None],
        ] {
            assert!(matches!(wish(&ptz, axes), Err(Refusal::Axis(_))));
            assert_eq!(take(&ptz), Wishes::default());
        }
        let ptz = Ptz::default();
        let refused = wish(&ptz, [Some(Wish::To(1)), None, None]);
        assert_eq!(refused, Err(Refusal::State(State::None, String::new())));
    }

    #[test]
    fn a_mover_is_woken_by_wishes_and_by_the_camera() {
        let ptz = ready([axis(Kind::Absolute, None), None, None]);
        ptz.camera_is(None);
        assert_eq!(ptz.take(Some(Duration::ZERO), 0, false).openings, 0);
        ptz.camera_is(Some(Path::new("/dev/video0")));
        assert_eq!(ptz.take(None, 0, false).openings, 1);
        assert_eq!(ptz.node().unwrap(), Path::new("/dev/video0"));
        ptz.camera_is(None);
        assert_eq!(ptz.take(None, 1, false).openings, 2);
        wish(&ptz, [Some(Wish::To(1)), None, None]).unwrap();
        assert_ne!(ptz.take(None, 2, false).wishes, Wishes::default());
        ptz.end();
        assert!(ptz.take(None, 2, true).ended);
    }

    #[test]
    fn clients_are_told_in_degrees() {
        let ptz = ready([axis(Kind::Absolute, Some(-500)), axis(Kind::Relative, None), None]);
        assert_eq!(
            ptz.view().describe(&mut Object::new()).end(),
            r#"{"state":"ready","reason":"","moving":false,"axes":{"pan":{"kind":"absolute","min":-90,"max":90,"home":1,"value":-0.5,"step":1},"tilt":{"kind":"relative","min":-90,"max":90,"home":1,"value":null,"step":1}},"presets":["door"]}"#
        );
    }
}
