//! The parked followers of a ring's followers: who waits, who is to be served, and how each one's thread is woken.

use super::shared::{Place, Sink};
use nix::sys::eventfd::EventFd;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar};

/// What stands for a follower while its thread waits.
pub(super) struct Parked {
    pub place: Place,
    pub state: ParkedState,
    pub sink: Arc<dyn Sink>,
    pub wake: Arc<Wake>,
    /// Its own thread has to go on when the offer is done.
    pub handback_requested: bool,
}

/// Wakes a follower's thread where it waits.
pub(super) enum Wake {
    /// For the ring alone.
    Condvar(Condvar),
    /// For its client's bytes too, in poll(2).
    Event(EventFd),
}

impl Wake {
    pub fn up(&self) {
        match self {
            Wake::Condvar(condvar) => condvar.notify_one(),
            // A count that is full wakes as well.
            Wake::Event(event) => _ = event.write(1),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParkedState {
    /// Has all that there is.
    Idle,
    /// There is something for it.
    Due,
    /// Is being served, by its own thread or another's.
    Sending,
    /// Its own thread has to go on.
    Blocked,
    /// A thread that served it panicked: no other one is to try it.
    Broken,
}

/// All parked followers, and who is to be served.
#[derive(Default)]
pub(super) struct ParkedFollowers {
    pub by_number: HashMap<u64, Parked>,
    pub idle: Vec<u64>,
    pub due: VecDeque<u64>,
    pub next_number: u64,
    /// Threads that send for parked followers now.
    pub senders: usize,
}

impl ParkedFollowers {
    pub fn all_are_due(&mut self) {
        for number in self.idle.drain(..) {
            if let Some(parked) = self.by_number.get_mut(&number) {
                parked.state = ParkedState::Due;
                self.due.push_back(number);
            }
        }
    }

    /// Each one's own thread has to go on, before anything else is offered to it.
    pub fn block_all(&mut self) {
        self.idle.clear();
        self.due.clear();
        for parked in self.by_number.values_mut() {
            match parked.state {
                ParkedState::Sending => parked.handback_requested = true,
                ParkedState::Idle | ParkedState::Due => parked.state = ParkedState::Blocked,
                ParkedState::Blocked | ParkedState::Broken => {}
            }
            parked.wake.up();
        }
    }

    /// Wakes a thread to serve: the one that waits for what is first in the row.
    pub fn wake_next(&self) {
        if let Some(parked) = self.due.front().and_then(|number| self.by_number.get(number)) {
            parked.wake.up();
        }
    }
}
