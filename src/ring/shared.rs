//! The ring as threads share it: a lock around the fragments, and who sends for the followers that wait.

use super::fragments::{Fragments, Limits, micros};
use super::parked::{ParkedFollowers, ParkedState, Wake};
use super::sink::Batch;
use super::sound::Sound;
use crate::format::fmp4::{Fragment, SoundFormat, SoundFrame};
use crate::sys::clock;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A thread that sends for others wakes another one to help when it has been at it for so long, ...
const HELP_AFTER: Duration = Duration::from_millis(2);
/// ... and so many wait behind it. Two that send at a time get into each other's way: for a hundred clients, who are sent
/// a frame within a millisecond, one thread took a tenth less of two x86-64 processors than two threads.
const HELP_AT: usize = 16;
/// After sending so often it sees whether its own follower is blocked, or its time is over.
const MAX_SENDS: usize = 128;

/// The data behind the ring's lock.
pub(super) struct State {
    pub fragments: Fragments,
    pub sound: Sound,
    pub parked: ParkedFollowers,
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
                sound: Sound::default(),
                parked: ParkedFollowers::default(),
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

    /// Adds the newest picture with the sound that waits for it, and sees to it that the followers get them.
    pub fn push(&self, picture: Arc<Fragment>) {
        let mut state = self.lock();
        let (before, behind) = state.sound.beside(&picture, clock::monotonic_us());
        let before = before.into_iter().map(Arc::new);
        let behind = behind.into_iter().map(Arc::new);
        self.add(state, before.chain([picture]).chain(behind));
    }

    /// Adds an AAC frame. It goes with the next picture's push, unless that does not come soon.
    pub fn push_sound(&self, frame: SoundFrame) {
        let mut state = self.lock();
        if state.sound.wait(frame, clock::monotonic_us()) {
            let fragments = state.sound.take();
            self.add(state, fragments.into_iter().map(Arc::new));
        }
    }

    fn add(&self, mut state: MutexGuard<'_, State>, fragments: impl Iterator<Item = Arc<Fragment>>) {
        let now_us = clock::monotonic_us();
        let mut evicted = Vec::new();
        for fragment in fragments {
            evicted.extend(state.fragments.push(fragment, now_us));
        }
        state.parked.all_are_due();
        self.wake(state);
        // Memory is given back outside the lock.
        drop(evicted);
    }

    /// Says what the sound is that comes from now on; None: there is none. Once it is said, sound has to come for as long as
    /// pictures do: players stop where one of two tracks ends.
    pub fn set_sound(&self, format: Option<SoundFormat>) {
        let mut state = self.lock();
        if state.sound.format != format {
            state.sound.begin(format);
        }
    }

    /// What was said of the sound.
    pub fn sound(&self) -> Option<SoundFormat> {
        self.lock().sound.format
    }

    /// Says which capture time (CLOCK_MONOTONIC in microseconds) is zero in the fragments' own time.
    pub fn set_zero(&self, zero_us: u64) {
        self.lock().sound.zero_us = Some(zero_us);
    }

    /// Begins what belongs together: nothing older is given to a newcomer.
    pub fn begin_epoch(&self) {
        let mut state = self.lock();
        state.fragments.begin_epoch();
        state.sound.begin_epoch();
    }

    /// Gives the memory back; for when nobody follows, and what is held is of no more use.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.fragments.begin_epoch();
        state.sound.begin_epoch();
        let cleared = state.fragments.clear();
        drop(state);
        drop(cleared);
    }

    /// Ends all followers, once they have what is in the ring.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.parked.wake_all();
        self.wake(state);
    }

    /// Has each follower's thread look at something else than the ring, before anything that is pushed later.
    pub fn notify_followers(&self) {
        let mut state = self.lock();
        state.notifications += 1;
        state.parked.block_all();
        self.wake(state);
    }

    /// Has one follower's thread look at something else than the ring, before anything else is sent.
    pub fn call(&self, follower: &Wake) {
        let _locked = self.lock();
        follower.call();
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

    /// Unlocks the state, and wakes who sends what is due, and those that wait to pull. (To wake nobody is a system call too.)
    fn wake(&self, state: MutexGuard<'_, State>) {
        let pulling = state.pulling > 0;
        let sender = state.parked.next_sender(1).cloned();
        drop(state);
        // Under the lock, it would only wake up to wait for that.
        if let Some(sender) = sender {
            sender.up();
        }
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
        room: &mut Vec<u8>,
    ) -> MutexGuard<'a, State> {
        let mut sender = Sender {
            ring: self,
            slot: None,
        };
        state.parked.senders += 1;
        let mut help_at_us = clock::monotonic_us() + micros(HELP_AFTER);
        for _ in 0..MAX_SENDS {
            let now_us = clock::monotonic_us();
            let State {
                fragments, parked, ..
            } = &mut *state;
            let Some(slot) = parked.due.pop_front() else {
                break;
            };
            if now_us >= help_at_us && parked.due.len() >= HELP_AT {
                if let Some(helper) = parked.next_sender(self.max_senders) {
                    helper.up();
                    help_at_us = now_us + micros(HELP_AFTER);
                }
            }
            let Some(follower) = parked.get_mut(slot) else {
                continue;
            };
            fragments.advance(&mut follower.position, batch, now_us);
            if batch.is_empty() {
                follower.state = ParkedState::Idle;
                parked.idle.push(slot);
                continue;
            }
            follower.state = ParkedState::Sending;
            let sink = Arc::clone(&follower.sink);
            sender.slot = Some(slot);
            drop(state);
            let sent = sink.try_send(batch, room);
            state = self.lock();
            sender.slot = None;
            state.after_send(slot, sent);
        }
        drop(state);
        batch.fragments.clear();
        drop(sender);
        self.lock()
    }
}

impl State {
    fn after_send(&mut self, slot: usize, sent: bool) {
        let Some(follower) = self.parked.get_mut(slot) else {
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
            self.parked.idle.push(slot);
        } else {
            follower.state = ParkedState::Due;
            self.parked.due.push_back(slot);
        }
    }
}

/// A thread that sends for parked followers. However it ends, it is counted off, and the rest is left to another.
struct Sender<'a> {
    ring: &'a Ring,
    /// The follower that it sends for now; if there is one when this is dropped, the sink panicked.
    slot: Option<usize>,
}

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        let mut state = self.ring.lock();
        state.parked.senders -= 1;
        if let Some(parked) = self.slot.and_then(|slot| state.parked.get_mut(slot)) {
            parked.state = ParkedState::Broken;
            parked.wake.up();
        }
        state.parked.leave_to_others();
    }
}
