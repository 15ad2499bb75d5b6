//! Followers whose threads wait: who is to be sent something, by whom, and how each one's thread is woken.

use super::fragments::Position;
use super::sink::Sink;
use crate::sys::event::Event;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar};

/// A follower while its thread waits: another thread may send for it.
pub(super) struct Parked {
    pub position: Position,
    pub state: ParkedState,
    pub sink: Arc<dyn Sink>,
    pub wake: Arc<Wake>,
    /// Its own thread has to go on when the sending is done.
    pub handback_requested: bool,
}

/// Wakes a follower's thread where it waits.
pub(super) enum Wake {
    /// It waits for the ring alone.
    Condvar(Condvar),
    /// It waits for its client's bytes too, in poll(2).
    Event(Event),
}

impl Wake {
    pub fn up(&self) {
        match self {
            Wake::Condvar(condvar) => condvar.notify_one(),
            Wake::Event(event) => event.raise(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParkedState {
    /// It has all that there is.
    Idle,
    /// There is something for it.
    Due,
    /// A thread sends for it: its own, or another's.
    Sending,
    /// Its own thread has to go on.
    Blocked,
    /// A thread that sent for it panicked: no other one is to try.
    Broken,
}

/// All parked followers by number, and those that are due in the order in which they became so.
#[derive(Default)]
pub(super) struct ParkedFollowers {
    pub by_number: HashMap<u64, Parked>,
    pub idle: Vec<u64>,
    pub due: VecDeque<u64>,
    /// How many threads send for parked followers now.
    pub senders: usize,
}

impl ParkedFollowers {
    /// Adds a follower that has all that there is.
    pub fn park(&mut self, number: u64, position: Position, sink: &Arc<dyn Sink>, wake: &Arc<Wake>) {
        let parked = Parked {
            position,
            state: ParkedState::Idle,
            sink: Arc::clone(sink),
            wake: Arc::clone(wake),
            handback_requested: false,
        };
        self.by_number.insert(number, parked);
        self.idle.push(number);
    }

    /// Takes a follower out; gives where it is now.
    pub fn unpark(&mut self, number: u64) -> Option<Position> {
        self.idle.retain(|other| *other != number);
        self.due.retain(|other| *other != number);
        self.by_number.remove(&number).map(|parked| parked.position)
    }

    /// Has the follower's own thread go on once the sending for it is done; false if nobody sends for it now.
    pub fn request_handback(&mut self, number: u64) -> bool {
        let parked = self.by_number.get_mut(&number);
        let sending = parked.filter(|parked| parked.state == ParkedState::Sending);
        sending.map(|parked| parked.handback_requested = true).is_some()
    }

    /// Makes all due that are idle: something was pushed.
    pub fn all_are_due(&mut self) {
        for number in self.idle.drain(..) {
            if let Some(parked) = self.by_number.get_mut(&number) {
                parked.state = ParkedState::Due;
                self.due.push_back(number);
            }
        }
    }

    /// Has each one's own thread go on, before anything else is sent for it.
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

    /// Wakes every thread that waits, so that it looks at the ring.
    pub fn wake_all(&self) {
        for parked in self.by_number.values() {
            parked.wake.up();
        }
    }

    /// Wakes a thread to send: that of the follower that is due first.
    pub fn wake_next(&self) {
        if let Some(parked) = self.due.front().and_then(|number| self.by_number.get(number)) {
            parked.wake.up();
        }
    }

    /// Leaves what is due to another thread, if none sends already.
    pub fn leave_to_others(&self) {
        if self.senders == 0 {
            self.wake_next();
        }
    }
}
