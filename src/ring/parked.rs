//! Followers whose threads wait: who is to be sent something, by whom, and how each one's thread is woken.

use super::fragments::Position;
use super::sink::Sink;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
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

/// Wakes a follower's thread where it waits. What the thread is to find is changed under the ring's lock.
#[derive(Default)]
pub struct Wake {
    pub(super) condvar: Condvar,
    /// [`Ring::call`](super::shared::Ring::call) was called, and the thread has yet to go on.
    called: AtomicBool,
}

impl Wake {
    pub(super) fn up(&self) {
        self.condvar.notify_one();
    }

    pub(super) fn call(&self) {
        self.called.store(true, Relaxed);
        self.up();
    }

    pub(super) fn is_called(&self) -> bool {
        self.called.load(Relaxed)
    }

    /// True if the thread was called since it last went on for that.
    pub(super) fn take_call(&self) -> bool {
        self.called.swap(false, Relaxed)
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

/// All parked followers by their slots, and those that are due in the order in which they became so.
#[derive(Default)]
pub(super) struct ParkedFollowers {
    /// A follower keeps its slot for as long as it is parked. Each frame looks up each follower twice, so this is no map.
    slots: Vec<Option<Parked>>,
    free: Vec<usize>,
    pub idle: Vec<usize>,
    pub due: VecDeque<usize>,
    /// How many threads send for parked followers now.
    pub senders: usize,
}

impl ParkedFollowers {
    /// Adds a follower that has all that there is; gives its slot.
    pub fn park(&mut self, position: Position, sink: &Arc<dyn Sink>, wake: &Arc<Wake>) -> usize {
        let parked = Some(Parked {
            position,
            state: ParkedState::Idle,
            sink: Arc::clone(sink),
            wake: Arc::clone(wake),
            handback_requested: false,
        });
        let slot = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(slot) {
            Some(free) => *free = parked,
            None => self.slots.push(parked),
        }
        self.idle.push(slot);
        slot
    }

    /// Takes a follower out, for which nobody may be sending; gives where it is now.
    pub fn unpark(&mut self, slot: usize) -> Option<Position> {
        self.idle.retain(|other| *other != slot);
        self.due.retain(|other| *other != slot);
        let parked = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(parked.position)
    }

    pub fn get(&self, slot: usize) -> Option<&Parked> {
        self.slots.get(slot)?.as_ref()
    }

    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Parked> {
        self.slots.get_mut(slot)?.as_mut()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Parked> {
        self.slots.iter().flatten()
    }

    /// Has the follower's own thread go on once the sending for it is done; false if nobody sends for it now.
    pub fn request_handback(&mut self, slot: usize) -> bool {
        let parked = self.get_mut(slot);
        let sending = parked.filter(|parked| parked.state == ParkedState::Sending);
        sending.map(|parked| parked.handback_requested = true).is_some()
    }

    /// Makes all due that are idle: something was pushed.
    pub fn all_are_due(&mut self) {
        for slot in self.idle.drain(..) {
            if let Some(Some(parked)) = self.slots.get_mut(slot) {
                parked.state = ParkedState::Due;
                self.due.push_back(slot);
            }
        }
    }

    /// Has each one's own thread go on, before anything else is sent for it.
    pub fn block_all(&mut self) {
        self.idle.clear();
        self.due.clear();
        for parked in self.slots.iter_mut().flatten() {
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
        for parked in self.iter() {
            parked.wake.up();
        }
    }

    /// The thread to be woken to send, where fewer than `most` do: that of the follower that is due first.
    pub fn next_sender(&self, most: usize) -> Option<&Arc<Wake>> {
        let first = self.get(*self.due.front()?)?;
        (self.senders < most).then_some(&first.wake)
    }

    /// Leaves what is due to another thread, if none sends already.
    pub fn leave_to_others(&self) {
        if let Some(sender) = self.next_sender(1) {
            sender.up();
        }
    }
}
