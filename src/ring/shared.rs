//! The ring as threads share it: a lock around the fragments, and who sends for the followers that wait.

use super::fragments::{Fragments, Limits};
use super::parked::{ParkedFollowers, ParkedState};
use super::sink::Batch;
use crate::format::fmp4::Fragment;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A thread that sends for others wakes another one to help when so many wait behind it, ...
const HELP_AT: usize = 16;
/// ... and after sending so often it sees whether its own follower is blocked, or its time is over.
const MAX_SENDS: usize = 128;

/// The data behind the ring's lock.
pub(super) struct State {
    pub fragments: Fragments,
    pub parked: ParkedFollowers,
    /// How many followers there were since the start.
    pub followers: u64,
    /// How many threads of followers that pull wait.
    pub pulling: usize,
    /// How often all followers were notified.
    pub notifications: u64,
    pub closed: bool,
}

/// One camera's newest fragments, shared between its pump and all who follow.
pub struct Ring {
    state: Mutex<State>,
    /// Wakes the followers that pull.
    changed: Condvar,
    pub(super) max_senders: usize,
}

impl Ring {
    /// An empty ring.
    pub fn new(limits: Limits) -> Ring {
        Ring {
            state: Mutex::new(State {
                fragments: Fragments::new(limits),
                parked: ParkedFollowers::default(),
                followers: 0,
                pulling: 0,
                notifications: 0,
                closed: false,
            }),
            changed: Condvar::new(),
            max_senders: limits.max_senders,
        }
    }

    /// Sets what bounds it and its followers from now on, but for the number of threads.
    pub fn set_limits(&self, limits: Limits) {
        self.lock().fragments.limits = limits;
    }

    /// Locks the state. Nothing that runs under the lock can leave it half changed, so a panic elsewhere does not spoil
    /// it.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the newest fragment, and sees to it that the followers get it.
    pub fn push(&self, fragment: Arc<Fragment>) {
        let mut state = self.lock();
        let evicted = state.fragments.push(fragment, Instant::now());
        state.parked.all_are_due();
        state.parked.leave_to_others();
        self.wake_pulling(state);
        // Memory is given back outside the lock.
        drop(evicted);
    }

    /// Begins what belongs together: nothing older is given to a newcomer.
    pub fn begin_epoch(&self) {
        self.lock().fragments.begin_epoch();
    }

    /// Gives the memory back; for when nobody follows, and what is held is of no more use.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.fragments.begin_epoch();
        let cleared = state.fragments.clear();
        drop(state);
        drop(cleared);
    }

    /// Ends all followers, once they have what is in the ring.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.parked.wake_all();
        self.wake_pulling(state);
    }

    /// Has each follower's thread look at something else than the ring, before anything that is pushed later.
    pub fn notify_followers(&self) {
        let mut state = self.lock();
        state.notifications += 1;
        state.parked.block_all();
        self.wake_pulling(state);
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.lock().fragments.bytes()
    }

    /// The newest fragment, if one is held.
    pub fn newest(&self) -> Option<Arc<Fragment>> {
        self.lock().fragments.newest()
    }

    /// True if a newcomer has to wait for a new key frame although fragments flow: the newest group is too large or
    /// too long to be joined.
    pub fn too_long_to_join(&self) -> bool {
        self.lock().fragments.too_long_to_join()
    }

    /// Unlocks the state, and wakes those that wait to pull. (To wake nobody is a system call too.)
    fn wake_pulling(&self, state: MutexGuard<'_, State>) {
        let pulling = state.pulling > 0;
        drop(state);
        if pulling {
            self.changed.notify_all();
        }
    }

    /// Waits to pull until something changes, or `timeout` is over.
    pub(super) fn wait_to_pull<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        timeout: Duration,
    ) -> MutexGuard<'a, State> {
        state.pulling += 1;
        let waited = self.changed.wait_timeout(state, timeout);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pulling -= 1;
        state
    }

    /// Sends what there is for parked followers, for as long as there is some, but no more often than is fair.
    pub(super) fn send_for_parked<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        batch: &mut Batch,
    ) -> MutexGuard<'a, State> {
        let mut sender = Sender {
            ring: self,
            number: None,
        };
        state.parked.senders += 1;
        for _ in 0..MAX_SENDS {
            let State {
                fragments, parked, ..
            } = &mut *state;
            let Some(number) = parked.due.pop_front() else {
                break;
            };
            if parked.due.len() >= HELP_AT && parked.senders < self.max_senders {
                parked.wake_next();
            }
            let Some(follower) = parked.by_number.get_mut(&number) else {
                continue;
            };
            batch.clear();
            fragments.advance(&mut follower.position, batch, Instant::now());
            if batch.is_empty() {
                follower.state = ParkedState::Idle;
                parked.idle.push(number);
                continue;
            }
            follower.state = ParkedState::Sending;
            let sink = Arc::clone(&follower.sink);
            sender.number = Some(number);
            drop(state);
            let sent = sink.try_send(batch);
            state = self.lock();
            sender.number = None;
            state.after_send(number, sent);
        }
        batch.clear();
        drop(state);
        drop(sender);
        self.lock()
    }
}

impl State {
    fn after_send(&mut self, number: u64, sent: bool) {
        let Some(follower) = self.parked.by_number.get_mut(&number) else {
            return;
        };
        if !sent || follower.handback_requested {
            follower.state = ParkedState::Blocked;
            follower.wake.up();
        } else if self.closed {
            follower.state = ParkedState::Idle;
            follower.wake.up();
        } else if self.fragments.is_at_end(&follower.position) {
            follower.state = ParkedState::Idle;
            self.parked.idle.push(number);
        } else {
            follower.state = ParkedState::Due;
            self.parked.due.push_back(number);
        }
    }
}

/// A thread that sends for parked followers. However it ends, it is counted off, and the rest is left to another.
struct Sender<'a> {
    ring: &'a Ring,
    /// The follower that it sends for now; if there is one when this is dropped, the sink panicked.
    number: Option<u64>,
}

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        let mut state = self.ring.lock();
        state.parked.senders -= 1;
        if let Some(parked) = self.number.and_then(|n| state.parked.by_number.get_mut(&n)) {
            parked.state = ParkedState::Broken;
            parked.wake.up();
        }
        state.parked.leave_to_others();
    }
}
