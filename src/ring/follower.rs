//! One reader's position in a ring: it pulls fragments, or shares the sending with other followers.

use super::fragments::{Position, micros};
use super::parked::{ParkedState, Wake};
use super::shared::{Ring, State};
use super::sink::{Batch, Sink};
use crate::sys::clock;
use crate::sys::event::Event;
use crate::sys::poll::{is_ready, poll, readable};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, MutexGuard, PoisonError};
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
    /// Nothing: the time is over, or there is something to be read from the client.
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
    shared: Option<Shared<'a>>,
}

/// The parts of a follower by which other threads send for it.
struct Shared<'a> {
    /// Its slot among the parked followers, while it is one.
    slot: Option<usize>,
    sink: Arc<dyn Sink>,
    wake: Arc<Wake>,
    /// Its thread waits for something to be read from here, too.
    input: Option<BorrowedFd<'a>>,
}

impl<'a> Follower<'a> {
    /// A follower that pulls. It starts on the newest key frame if that can be joined; if `live`, on the next one.
    pub fn new(ring: &'a Ring, live: bool) -> Follower<'a> {
        Follower::made(ring, live, None)
    }

    /// A follower that other threads may send for, by its sink, while its own waits. It starts as one that pulls does.
    pub fn shared(ring: &'a Ring, live: bool, sink: Arc<dyn Sink>) -> Follower<'a> {
        let shared = Shared {
            slot: None,
            sink,
            wake: Arc::new(Wake::Condvar(Condvar::new())),
            input: None,
        };
        Follower::made(ring, live, Some(shared))
    }

    /// A [`shared`](Self::shared) follower whose client says something, too: [`next`](Self::next) also returns when
    /// there is something to be read from `input`.
    ///
    /// # Errors
    /// No file descriptor is to be had.
    pub fn shared_with_input(
        ring: &'a Ring,
        live: bool,
        sink: Arc<dyn Sink>,
        input: BorrowedFd<'a>,
    ) -> io::Result<Follower<'a>> {
        let shared = Shared {
            slot: None,
            sink,
            wake: Arc::new(Wake::Event(Event::new()?)),
            input: Some(input),
        };
        Ok(Follower::made(ring, live, Some(shared)))
    }

    fn made(ring: &'a Ring, live: bool, shared: Option<Shared<'a>>) -> Follower<'a> {
        let state = ring.lock();
        Follower {
            ring,
            position: state.fragments.newcomer(live, clock::monotonic_us()),
            notifications: state.notifications,
            batch: Batch::default(),
            room: Vec::new(),
            shared,
        }
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
        let mut heard = false;
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
                if self.notifications != state.notifications {
                    self.notifications = state.notifications;
                    return Next::Notified;
                }
                state
                    .fragments
                    .advance(&mut self.position, &mut self.batch, now_us);
                if !self.batch.is_empty() {
                    return Next::Batch(&self.batch);
                }
                if state.closed {
                    return Next::Closed;
                }
                self.park(&mut state);
            }
            // Who sends and sends on a machine with too much to do is to hear its own client at times.
            let may_send =
                self.is_parked() && state.parked.senders < ring.max_senders && now_us < deadline_us;
            if may_send && !state.parked.due.is_empty() {
                state = ring.send_for_parked(state, &mut self.batch, &mut self.room);
            } else if heard || now_us >= deadline_us {
                // Nobody may count on a thread that is elsewhere: it could be woken to send, and not notice. And what
                // another thread is sending may be left in the sink, where nothing may go before it.
                if self.request_handback(&mut state) {
                    (state, _) = self.wait(state, SEND_TIME, false);
                    continue;
                }
                self.unpark(&mut state);
                state.parked.leave_to_others();
                return Next::TimedOut;
            } else {
                (state, heard) = self.wait(state, Duration::from_micros(deadline_us - now_us), true);
            }
        }
    }

    /// Waits until it is woken or `timeout` is over, or, if it `hears`, until there is something to be read from its
    /// input; true for that.
    fn wait(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
        hears: bool,
    ) -> (MutexGuard<'a, State>, bool) {
        let Some(shared) = &self.shared else {
            return (self.ring.wait_to_pull(state, timeout), false);
        };
        let event = match &*shared.wake {
            Wake::Event(event) => event,
            Wake::Condvar(condvar) => {
                let waited = condvar.wait_timeout(state, timeout);
                return (waited.unwrap_or_else(PoisonError::into_inner).0, false);
            }
        };
        drop(state);
        // Where poll(2) fails, this returns too soon, and the caller waits again.
        let heard = match shared.input.filter(|_| hears) {
            Some(input) => {
                let mut files = [readable(event.as_fd()), readable(input)];
                _ = poll(&mut files, Some(timeout));
                is_ready(&files[1])
            }
            None => {
                _ = poll(&mut [readable(event.as_fd())], Some(timeout));
                false
            }
        };
        event.clear();
        (self.ring.lock(), heard)
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
            let slot = state.parked.park(self.position, &shared.sink, &shared.wake);
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
        if self.is_parked() {
            let mut state = self.ring.lock();
            // Who sends for it now would take whoever has its slot next for it.
            while self.request_handback(&mut state) {
                (state, _) = self.wait(state, SEND_TIME, false);
            }
            self.unpark(&mut state);
            state.parked.leave_to_others();
        }
    }
}

#[cfg(test)]
#[path = "tests/follower.rs"]
mod tests;
