//! One reader's position in a ring: it pulls fragments, or shares the sending with other followers.

use super::fragments::{Position, micros};
use super::parked::{ParkedState, Wake};
use super::shared::{Ring, State};
use super::sink::{Batch, Sink};
use crate::sys::clock;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// Sending for another follower takes much less: it never waits, and its end wakes who waits for it.
const SEND_TIME: Duration = Duration::from_secs(1);

/// The next thing for a follower's thread to do.
#[derive(Debug)]
pub enum Next<'a> {
    /// Send this, or do with it whatever else the follower is for.
    Batch(&'a Batch),
    /// See to the sink: it could not take all that it was to send. (Not for a follower that pulls.)
    Blocked,
    /// End it: another thread panicked in its sink, and nobody can say what was sent. (Not for a follower that pulls.)
    Broken,
    /// Look at the stream's state: [`Ring::notify_followers`] was called.
    Notified,
    /// Look at the client: [`Ring::call`] was called for this follower.
    Called,
    /// Nothing: the time is over.
    TimedOut,
    /// End it: the ring is closed, and there is nothing more in it.
    Closed,
}

/// One reader's position in a ring.
///
/// One that is made by [`new`](Self::new) pulls: whatever it does with its fragments, it does in its own thread. That
/// is for a recorder, a detector or a snapshot. One that is [`shared`](Self::shared) has a sink as well, by which any
/// follower's thread may send for it: that is for clients, of which there may be hundreds.
pub struct Follower<'a> {
    ring: &'a Ring,
    /// Where it is, but while it is parked.
    position: Position,
    /// How often it was notified.
    notifications: u64,
    /// Kept from batch to batch for their allocations.
    batch: Batch,
    room: Vec<u8>,
    shared: Option<Shared>,
    wake: Arc<Wake>,
    /// What the fragments know it by, if it is patient.
    kept_for: Option<usize>,
}

/// The parts of a follower by which other threads send for it.
struct Shared {
    /// Its slot among the parked followers, while it is one.
    slot: Option<usize>,
    sink: Arc<dyn Sink>,
}

impl<'a> Follower<'a> {
    /// A follower that pulls. It starts on the newest key frame if that can be joined; if `live`, on the next one.
    pub fn new(ring: &'a Ring, live: bool) -> Follower<'a> {
        Follower::made(ring, live, None)
    }

    /// A follower that pulls, and may be late by [`Limits::patience`](super::fragments::Limits::patience): for a disk that is slow at times.
    pub fn patient(ring: &'a Ring) -> Follower<'a> {
        let mut follower = Follower::new(ring, false);
        follower.position.patient = true;
        follower.kept_for = Some(ring.lock().fragments.keep_for(&follower.position));
        follower
    }

    /// A patient follower that begins in the past, as far as it is held: with the newest start from before that time, of CLOCK_MONOTONIC
    /// in microseconds.
    pub fn since(ring: &'a Ring, since_us: u64) -> Follower<'a> {
        let mut follower = Follower::new(ring, false);
        let mut state = ring.lock();
        follower.position = state.fragments.since(since_us, clock::monotonic_us());
        follower.kept_for = Some(state.fragments.keep_for(&follower.position));
        drop(state);
        follower
    }

    /// A follower that other threads may send for, by its sink, while its own waits. It starts as one that pulls does.
    pub fn shared(ring: &'a Ring, live: bool, sink: Arc<dyn Sink>) -> Follower<'a> {
        Follower::made(ring, live, Some(Shared { slot: None, sink }))
    }

    fn made(ring: &'a Ring, live: bool, shared: Option<Shared>) -> Follower<'a> {
        let state = ring.lock();
        Follower {
            ring,
            position: state.fragments.newcomer(live, clock::monotonic_us()),
            notifications: state.notifications,
            batch: Batch::default(),
            room: Vec::new(),
            shared,
            wake: Arc::default(),
            kept_for: None,
        }
    }

    /// What [`Ring::call`] calls its thread by, where it is a [`shared`](Self::shared) one.
    pub fn wake(&self) -> Arc<Wake> {
        Arc::clone(&self.wake)
    }

    /// Waits at most `timeout` for something to do.
    ///
    /// A hundred threads that are woken for each frame, only to send it and wait again, cost more than the sending. So
    /// while the thread of a shared follower waits here, the follower is parked: one of the parked followers' threads is
    /// woken, and has the new fragments sent by its own sink and by the others'. Only where a sink can't send without
    /// waiting does the follower's own thread go on: a client that is slow costs its own thread, as ever. The thread of
    /// a follower that pulls sends for nobody, and nobody sends for it.
    ///
    /// Once this has returned, no other thread is at the sink until the next call.
    pub fn next(&mut self, timeout: Duration) -> Next<'_> {
        let ring = self.ring;
        let mut state = ring.lock();
        let deadline_us = clock::monotonic_us().saturating_add(micros(timeout));
        loop {
            // The time is read under the lock, so that no fragment is pushed "later than now".
            let now_us = clock::monotonic_us();
            match self.parked_state(&state) {
                Some(ParkedState::Blocked) => {
                    self.unpark(&mut state);
                    return Next::Blocked;
                }
                Some(ParkedState::Broken) => {
                    self.unpark(&mut state);
                    return Next::Broken;
                }
                Some(ParkedState::Idle | ParkedState::Due) if state.closed => self.unpark(&mut state),
                _ => {}
            }
            if !self.is_parked() {
                if self.wake.take_call() {
                    return Next::Called;
                }
                if self.notifications != state.notifications {
                    self.notifications = state.notifications;
                    return Next::Notified;
                }
                state
                    .fragments
                    .advance(&mut self.position, &mut self.batch, now_us);
                if let Some(number) = self.kept_for {
                    state.fragments.has_come_to(number, Some(&self.position));
                }
                if !self.batch.is_empty() {
                    return Next::Batch(&self.batch);
                }
                if state.closed {
                    return Next::Closed;
                }
                self.park(&mut state);
            }
            // Who sends and sends on a machine with too much to do is to see to its own client at times.
            let ends = now_us >= deadline_us || self.wake.is_called();
            let may_send = self.is_parked() && state.parked.senders < ring.max_senders && !ends;
            if may_send && !state.parked.due.is_empty() {
                state = ring.send_for_parked(state, &mut self.batch, &mut self.room);
            } else if ends {
                // Nobody may count on a thread that is elsewhere: it could be woken to send, and not notice. And what
                // another thread is sending may be left in the sink, where nothing may go before it.
                if self.request_handback(&mut state) {
                    state = self.wait(state, SEND_TIME);
                    continue;
                }
                self.unpark(&mut state);
                state.parked.leave_to_others();
                return match self.wake.take_call() {
                    true => Next::Called,
                    false => Next::TimedOut,
                };
            } else {
                state = self.wait(state, Duration::from_micros(deadline_us - now_us));
            }
        }
    }

    /// Waits until it is woken or `timeout` is over.
    fn wait(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        if self.shared.is_none() {
            return self.ring.wait_to_pull(state, timeout);
        }
        let waited = self.wake.condvar.wait_timeout(state, timeout);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Its slot among the parked followers; None if it is not one.
    fn slot(&self) -> Option<usize> {
        self.shared.as_ref()?.slot
    }

    fn is_parked(&self) -> bool {
        self.slot().is_some()
    }

    /// What has become of it while it was parked; None if it is not.
    fn parked_state(&self, state: &State) -> Option<ParkedState> {
        let parked = state.parked.get(self.slot()?);
        Some(parked.map_or(ParkedState::Blocked, |parked| parked.state))
    }

    /// Lets other threads send for it; nothing where it pulls.
    fn park(&mut self, state: &mut State) {
        if let Some(shared) = &mut self.shared {
            let slot = state.parked.park(self.position, &shared.sink, &self.wake);
            shared.slot = Some(slot);
        }
    }

    fn unpark(&mut self, state: &mut State) {
        if let Some(slot) = self.shared.as_mut().and_then(|shared| shared.slot.take()) {
            self.position = state.parked.unpark(slot).unwrap_or(self.position);
        }
    }

    /// Has whoever sends for it now hand it back; false if nobody does.
    fn request_handback(&self, state: &mut State) -> bool {
        self.slot()
            .is_some_and(|slot| state.parked.request_handback(slot))
    }
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.kept_for {
            self.ring.lock().fragments.has_come_to(number, None);
        }
        if self.is_parked() {
            let mut state = self.ring.lock();
            // Who sends for it now would take whoever has its slot next for it.
            while self.request_handback(&mut state) {
                state = self.wait(state, SEND_TIME);
            }
            self.unpark(&mut state);
            state.parked.leave_to_others();
        }
    }
}

#[cfg(test)]
#[path = "tests/follower.rs"]
mod tests;
