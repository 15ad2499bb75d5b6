//! What all heads are to the mover.

use crate::error::{Error, Result};
use crate::ptz::{AXES, Axis};
use std::time::Duration;

/// One thing that an axis is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Be there.
    To(i32),
    /// Be so much further.
    By(i32),
    /// Turn at this part of the full speed, until the next act.
    Speed(i32),
    /// Be at home.
    Home,
}

/// What turns a camera.
pub trait Head {
    /// What it is, for the log.
    fn name(&self) -> String;

    /// The axes that it has, with where they are.
    fn axes(&self) -> [Option<Axis>; 3];

    /// Thousandths a second that an axis is moved at; None if it moves at its own speed.
    fn pace(&self) -> Option<i32>;

    /// Has an axis do it, and gives where it is then, if that is known.
    ///
    /// # Errors
    /// It does not answer.
    fn act(&mut self, axis: usize, act: Act) -> Result<Option<i32>>;

    /// The rest after which it is to be released; None if there is nothing to release, or it is to hold on.
    fn release_after(&self) -> Option<Duration>;

    /// Ends what it does to hold its place, or to turn.
    fn release(&mut self);
}

/// A head that is released when it is let go, whatever is the reason: the program's end, or a fault of it.
pub struct Held(pub Box<dyn Head>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// The error for a head that does not answer, at an axis or as a whole.
pub(super) fn failed(on: &dyn std::fmt::Display, axis: Option<usize>, why: &dyn std::fmt::Display) -> Error {
    let tried = match axis.and_then(|axis| AXES.get(axis)) {
        Some(name) => format!("{name} can't be moved"),
        None => "the camera can't be turned".into(),
    };
    Error::new(on, tried, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    /// Breaks when it is moved.
    struct Broken(Rc<AtomicBool>);

    impl Head for Broken {
        fn name(&self) -> String {
            String::new()
        }
        fn axes(&self) -> [Option<Axis>; 3] {
            [None; 3]
        }
        fn pace(&self) -> Option<i32> {
            None
        }
        fn act(&mut self, _axis: usize, _act: Act) -> Result<Option<i32>> {
            panic!("on purpose");
        }
        fn release_after(&self) -> Option<Duration> {
            None
        }
        fn release(&mut self) {
            self.0.store(true, Relaxed);
        }
    }

    #[test]
    fn a_panic_releases_it() {
        let released = Rc::new(AtomicBool::new(false));
        let mut held = Held(Box::new(Broken(Rc::clone(&released))));
        let moved = AssertUnwindSafe(move || held.0.act(0, Act::Home).is_ok());
        assert!(catch_unwind(moved).is_err());
        assert!(released.load(Relaxed));
    }
}
