//! The seats of a ring's followers: who waits, who is to be served, and how each one's thread is woken.

use super::{Outlet, Place};
use nix::sys::eventfd::EventFd;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar};

/// What stands for a follower while its thread waits.
pub(super) struct Seat {
    pub place: Place,
    pub state: SeatState,
    pub outlet: Arc<dyn Outlet>,
    pub wake: Arc<Wake>,
    /// Its own thread has to go on when the offer is done.
    pub recalled: bool,
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
pub(super) enum SeatState {
    /// Has all that there is.
    Idle,
    /// There is something for it.
    Due,
    /// Is being served, by its own thread or another's.
    Served,
    /// Its own thread has to go on.
    Held,
    /// A thread that served it panicked: no other one is to try it.
    Broken,
}

/// All seats, and who is to be served.
#[derive(Default)]
pub(super) struct Seats {
    pub by_number: HashMap<u64, Seat>,
    pub idle: Vec<u64>,
    pub due: VecDeque<u64>,
    pub next_number: u64,
    /// Threads that serve seats now.
    pub servers: usize,
}

impl Seats {
    pub fn all_are_due(&mut self) {
        for number in self.idle.drain(..) {
            if let Some(seat) = self.by_number.get_mut(&number) {
                seat.state = SeatState::Due;
                self.due.push_back(number);
            }
        }
    }

    /// Each one's own thread has to go on, before anything else is offered to it.
    pub fn all_are_held(&mut self) {
        self.idle.clear();
        self.due.clear();
        for seat in self.by_number.values_mut() {
            match seat.state {
                SeatState::Served => seat.recalled = true,
                SeatState::Idle | SeatState::Due => seat.state = SeatState::Held,
                SeatState::Held | SeatState::Broken => {}
            }
            seat.wake.up();
        }
    }

    /// Wakes a thread to serve: the one that waits for what is first in the row.
    pub fn call(&self) {
        if let Some(seat) = self.due.front().and_then(|number| self.by_number.get(number)) {
            seat.wake.up();
        }
    }
}
