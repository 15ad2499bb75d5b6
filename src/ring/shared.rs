//! The ring: the newest fragments of one camera, in bytes and seconds bounded, and the followers that read it.
//!
//! [`Fragments`] is pure data and takes the time as a parameter; [`Ring`] puts a lock around it, and condition variables
//! to wait at; a [`Follower`] is one client's place in it. What every follower may rely on:
//!
//! - It starts on a key frame, and after any loss it goes on with a newer key frame: it never gets a frame whose
//!   references it did not get.
//! - It never moves backwards.
//! - A fragment that waits for it longer than the age limit is not sent: it jumps to the newest key frame, or
//!   waits for the next one.

use super::parked::{Parked, ParkedFollowers, ParkedState, Wake};
use crate::format::fmp4::Fragment;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What bounds the ring and its followers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A follower whose next fragment has waited longer than this jumps.
    pub max_age: Duration,
    /// A group of pictures older than this is not sent to a newcomer.
    pub join_max: Duration,
    /// A group of pictures larger than this is not sent to a newcomer.
    pub join_max_bytes: usize,
    /// So many threads may serve the followers at a time: more than there are processors only get into each other's
    /// way.
    pub max_senders: usize,
}

impl Limits {
    /// No fragment older than this is of use to anyone, but for a margin.
    fn keep(&self) -> Duration {
        self.max_age.max(self.join_max) + Duration::from_secs(1)
    }

    /// The most bytes that the ring holds: a whole group for newcomers and as much again for those that lag.
    pub fn max_bytes(&self) -> usize {
        self.join_max_bytes.saturating_mul(2)
    }
}

struct Entry {
    fragment: Arc<Fragment>,
    pushed: Instant,
}

/// The newest fragments, numbered from 0 in the order of their push. Every operation is O(1), but for those that
/// give out n fragments, which are O(n).
struct Fragments {
    limits: Limits,
    entries: VecDeque<Entry>,
    /// The number of the first entry that is still held.
    first: u64,
    bytes: usize,
    /// The number of the newest key frame of this epoch, whether it is still held or not.
    key: Option<u64>,
    /// Bytes from that key frame on.
    group_bytes: usize,
    closed: bool,
}

/// Where a follower is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The number of the fragment to send next, or, while waiting, of the first that may be a start.
    next: u64,
    /// Waits for a key frame.
    waiting: bool,
    /// Has not had anything yet: the limits for newcomers hold.
    newcomer: bool,
    /// When it (re)started.
    started: Instant,
}

/// Fragments that are handed out at once, so that one write can send them.
pub const BATCH_FRAGMENTS: usize = 16;
/// A batch ends after the fragment that takes it over this size: what is in a batch can no longer be dropped.
const BATCH_BYTES: usize = 64 * 1024;

impl Fragments {
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn get(&self, number: u64) -> Option<&Entry> {
        self.entries
            .get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Adds the newest fragment; gives what had to leave for it.
    fn push(&mut self, fragment: Arc<Fragment>, now: Instant) -> Vec<Entry> {
        let bytes = fragment.size_bytes();
        if fragment.key {
            self.key = Some(self.end());
            self.group_bytes = 0;
        }
        self.group_bytes += bytes;
        self.bytes += bytes;
        self.entries.push_back(Entry {
            fragment,
            pushed: now,
        });
        let mut evicted = Vec::new();
        while let Some(oldest) = self.entries.front() {
            let age = now.saturating_duration_since(oldest.pushed);
            let in_newest_group = self.key.is_some_and(|key| self.first >= key);
            let of_use = if in_newest_group {
                age <= self.limits.keep()
            } else {
                age <= self.limits.max_age
            };
            if of_use && self.bytes <= self.limits.max_bytes() || self.entries.len() == 1 {
                break;
            }
            self.bytes -= oldest.fragment.size_bytes();
            evicted.extend(self.entries.pop_front());
            self.first += 1;
        }
        evicted
    }

    fn clear(&mut self) -> VecDeque<Entry> {
        self.first = self.end();
        self.bytes = 0;
        std::mem::take(&mut self.entries)
    }

    /// Nothing that is held now is given to a newcomer any more.
    fn begin_epoch(&mut self) {
        self.key = None;
    }

    fn newcomer(&self, live: bool, now: Instant) -> Place {
        let next = if live { self.end() } else { self.first };
        Place {
            next,
            waiting: true,
            newcomer: true,
            started: now,
        }
    }

    /// The newest key frame, if it is still held and `place` may start there.
    fn start_for(&self, place: &Place, now: Instant) -> Option<u64> {
        let key = self.key.filter(|key| *key >= place.next)?;
        let pushed = self.get(key)?.pushed;
        let joinable = self.group_bytes <= self.limits.join_max_bytes
            && now.saturating_duration_since(pushed) <= self.limits.join_max;
        (joinable || !place.newcomer).then_some(key)
    }

    /// By the time of the newest frame: a source that pauses has no long group.
    fn too_long_to_join(&self) -> bool {
        let Some(newest) = self.entries.back() else {
            return false;
        };
        let newcomer = self.newcomer(false, newest.pushed);
        self.key.is_some() && self.start_for(&newcomer, newest.pushed).is_none()
    }

    /// Moves `place` to what it gets next and puts that into `batch`; false if it has to wait.
    fn advance(&self, place: &mut Place, batch: &mut Batch, now: Instant) -> bool {
        if !place.waiting {
            let behind = match self.get(place.next) {
                Some(entry) => {
                    now.saturating_duration_since(entry.pushed.max(place.started)) > self.limits.max_age
                }
                None => place.next < self.first,
            };
            if behind {
                place.waiting = true;
                place.next += 1; // a start has to be newer than what could not be sent
                batch.skipped += 1;
            }
        }
        if place.waiting {
            let Some(key) = self.start_for(place, now) else {
                let end = self.end();
                if !place.newcomer {
                    batch.skipped += end.saturating_sub(place.next);
                    batch.needs_key_frame = true;
                    // No start up to here, so none before the next push.
                    place.next = place.next.max(end);
                }
                return false;
            };
            if !place.newcomer {
                batch.skipped += key - place.next;
            }
            *place = Place {
                next: key,
                waiting: false,
                newcomer: false,
                started: now,
            };
        }
        let mut bytes = 0;
        while let Some(entry) = self.get(place.next) {
            bytes += entry.fragment.size_bytes();
            batch.fragments.push(Arc::clone(&entry.fragment));
            place.next += 1;
            if batch.fragments.len() == BATCH_FRAGMENTS || bytes >= BATCH_BYTES {
                break;
            }
        }
        !batch.fragments.is_empty()
    }
}

/// What a follower is given.
#[derive(Debug, Default)]
pub struct Batch {
    /// Fragments to send, in order; empty if there was none in time.
    pub fragments: Vec<Arc<Fragment>>,
    /// Fragments that were left out before these.
    pub skipped: u64,
    /// The follower waits for a key frame that only the encoder can give.
    pub needs_key_frame: bool,
}

impl Batch {
    fn clear(&mut self) {
        self.fragments.clear();
        (self.skipped, self.needs_key_frame) = (0, false);
    }

    fn is_empty(&self) -> bool {
        self.fragments.is_empty() && self.skipped == 0
    }
}

/// What a follower's thread has to do.
#[derive(Debug)]
pub enum Next<'a> {
    /// Send this.
    Batch(&'a Batch),
    /// The sink could not take all that it was offered: see to it.
    Blocked,
    /// Another thread panicked while it offered to the sink: nobody can say what was sent, so end it.
    Broken,
    /// [`Ring::call`] was called.
    Notified,
    /// Nothing: the time is over, or the client has sent something.
    TimedOut,
    /// The ring is closed, and there is nothing more in it.
    Closed,
}

/// The way to a follower's client, for the time in which its thread waits. See [`Follower::next`].
pub trait Sink: Send + Sync {
    /// Sends what it can without waiting. False: the follower's own thread has to go on (with what is left, with a
    /// client that has gone, or with anything else that takes its time).
    fn try_send(&self, batch: &Batch) -> bool;
}

struct Inner {
    fragments: Fragments,
    parked: ParkedFollowers,
    /// How often all followers were called.
    calls: u64,
}

/// The shared ring.
pub struct Ring {
    inner: Mutex<Inner>,
    max_senders: usize,
}

/// An offer takes much less: it never waits, and its end wakes who waits for it.
const SEND_TIME: Duration = Duration::from_secs(1);

/// A thread that serves calls another one to help when so many wait behind it, ...
const HELP_AT: usize = 16;
/// ... and looks after so many whether its own follower is blocked, or its time is over.
const MAX_SENDS: usize = 128;

impl Ring {
    /// An empty ring.
    pub fn new(limits: Limits) -> Ring {
        let fragments = Fragments {
            limits,
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            key: None,
            group_bytes: 0,
            closed: false,
        };
        Ring {
            inner: Mutex::new(Inner {
                fragments,
                parked: ParkedFollowers::default(),
                calls: 0,
            }),
            max_senders: limits.max_senders,
        }
    }

    /// What bounds it and its followers from now on, but for the number of threads.
    pub fn set_limits(&self, limits: Limits) {
        self.lock().fragments.limits = limits;
    }

    /// Nothing that runs under the lock can leave the data half changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the newest fragment, and sees to it that the followers get it.
    pub fn push(&self, fragment: Arc<Fragment>) {
        let mut inner = self.lock();
        let evicted = inner.fragments.push(fragment, Instant::now());
        inner.parked.all_are_due();
        inner.leave_to_others();
        drop(inner);
        // Memory is given back outside the lock.
        drop(evicted);
    }

    /// What is pushed from now on belongs together; nothing older is given to a newcomer.
    pub fn begin_epoch(&self) {
        self.lock().fragments.begin_epoch();
    }

    /// Gives the memory back; for when nobody follows, and what is held is of no more use.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.fragments.begin_epoch();
        let cleared = inner.fragments.clear();
        drop(inner);
        drop(cleared);
    }

    /// Ends all followers, once they have what is in the ring.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.fragments.closed = true;
        for parked in inner.parked.by_number.values() {
            parked.wake.up();
        }
    }

    /// Has each follower's thread look at something else than the ring, before anything that is pushed later.
    pub fn notify_followers(&self) {
        let mut inner = self.lock();
        inner.calls += 1;
        inner.parked.block_all();
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.lock().fragments.bytes
    }

    /// True if a newcomer has to wait for a new key frame although fragments flow: the newest group is too large or
    /// too long to be joined.
    pub fn too_long_to_join(&self) -> bool {
        self.lock().fragments.too_long_to_join()
    }
}

/// One client's place in a ring.
pub struct Follower<'a> {
    ring: &'a Ring,
    number: u64,
    /// Where it is, but while it is parked.
    place: Place,
    is_parked: bool,
    sink: Arc<dyn Sink>,
    wake: Arc<Wake>,
    /// What its thread waits for beside the ring.
    input: Option<BorrowedFd<'a>>,
    /// The calls that it has heard.
    calls: u64,
    /// Kept from batch to batch for its allocation.
    batch: Batch,
}

impl<'a> Follower<'a> {
    /// A newcomer, who starts on the newest key frame if there is one to join; if `live`, on the next one.
    pub fn new(ring: &'a Ring, live: bool, sink: Arc<dyn Sink>) -> Follower<'a> {
        let mut inner = ring.lock();
        inner.parked.next_number += 1;
        Follower {
            ring,
            number: inner.parked.next_number,
            place: inner.fragments.newcomer(live, Instant::now()),
            is_parked: false,
            sink,
            wake: Arc::new(Wake::Condvar(Condvar::new())),
            input: None,
            calls: inner.calls,
            batch: Batch::default(),
        }
    }

    /// The same, for a client that is heard too: [`next`](Self::next) also returns when there is something to be read
    /// from `input`.
    ///
    /// # Errors
    /// No file descriptor is to be had.
    pub fn with_input(
        ring: &'a Ring,
        live: bool,
        sink: Arc<dyn Sink>,
        input: BorrowedFd<'a>,
    ) -> io::Result<Follower<'a>> {
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let mut follower = Follower::new(ring, live, sink);
        follower.wake = Arc::new(Wake::Event(event));
        follower.input = Some(input);
        Ok(follower)
    }

    /// Waits at most `timeout` for something to do.
    ///
    /// A hundred threads that are woken for each frame, only to send it and wait again, cost more than the sending. So
    /// while a thread waits here, its sink stands in for it: one of those that wait is woken, and offers the new
    /// fragments to its own sink and to the others'. Only where a sink can't take them without waiting does
    /// the follower's own thread go on: a client that is slow costs its own thread, as ever.
    ///
    /// Once this has returned, no other thread is at the sink until the next call.
    pub fn next(&mut self, timeout: Duration) -> Next<'_> {
        let ring = self.ring;
        let mut inner = ring.lock();
        let deadline = Instant::now() + timeout;
        let mut heard = false;
        loop {
            // The time is read under the lock, so that no fragment is pushed "later than now".
            let now = Instant::now();
            let closed = inner.fragments.closed;
            if self.is_parked {
                let state = inner
                    .parked
                    .by_number
                    .get(&self.number)
                    .map_or(ParkedState::Blocked, |parked| parked.state);
                let own = match state {
                    ParkedState::Blocked | ParkedState::Broken => true,
                    ParkedState::Idle | ParkedState::Due => closed,
                    ParkedState::Sending => false,
                };
                if own {
                    self.unpark(&mut inner);
                    match state {
                        ParkedState::Blocked => return Next::Blocked,
                        ParkedState::Broken => return Next::Broken,
                        _ => {}
                    }
                }
            }
            if !self.is_parked {
                if self.calls != inner.calls {
                    self.calls = inner.calls;
                    return Next::Notified;
                }
                self.batch.clear();
                inner.fragments.advance(&mut self.place, &mut self.batch, now);
                if !self.batch.is_empty() {
                    return Next::Batch(&self.batch);
                }
                if closed {
                    return Next::Closed;
                }
                self.park(&mut inner);
            }
            // Who serves and serves on a machine with too much to do is to hear its own client at times.
            let may_send = inner.parked.senders < ring.max_senders && now < deadline;
            if may_send && !inner.parked.due.is_empty() {
                inner = self.send_for_parked(inner);
            } else if heard || now >= deadline {
                // Nobody may count on a thread that is elsewhere: it could be called to serve, and not hear it. And what
                // another thread is sending may be left in the sink, where nothing may go before it.
                if self.request_handback(&mut inner) {
                    (inner, _) = self.wait(inner, SEND_TIME, false);
                    continue;
                }
                self.unpark(&mut inner);
                inner.leave_to_others();
                return Next::TimedOut;
            } else {
                (inner, heard) = self.wait(inner, deadline - now, true);
            }
        }
    }

    /// Waits until it is woken or `timeout` is over, or until there is something to be read, if it listens; true for that.
    fn wait(
        &self,
        inner: MutexGuard<'a, Inner>,
        timeout: Duration,
        listens: bool,
    ) -> (MutexGuard<'a, Inner>, bool) {
        let event = match &*self.wake {
            Wake::Event(event) => event,
            Wake::Condvar(condvar) => {
                let waited = condvar.wait_timeout(inner, timeout);
                return (waited.unwrap_or_else(PoisonError::into_inner).0, false);
            }
        };
        drop(inner);
        let fds = [Some(event.as_fd()), self.input.filter(|_| listens)];
        let poll_fd = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds: Vec<PollFd<'_>> = fds.into_iter().flatten().map(poll_fd).collect();
        let ms = timeout.as_micros().div_ceil(1000);
        _ = poll(&mut fds, PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX));
        _ = event.read();
        let heard = fds.get(1).is_some_and(|input| input.any() == Some(true));
        (self.ring.lock(), heard)
    }

    fn park(&mut self, inner: &mut Inner) {
        let parked = Parked {
            place: self.place,
            state: ParkedState::Idle,
            sink: Arc::clone(&self.sink),
            wake: Arc::clone(&self.wake),
            handback_requested: false,
        };
        inner.parked.by_number.insert(self.number, parked);
        inner.parked.idle.push(self.number);
        self.is_parked = true;
    }

    /// Whether another thread serves it now. When that is done, this one has to go on.
    fn request_handback(&self, inner: &mut Inner) -> bool {
        let parked = inner.parked.by_number.get_mut(&self.number);
        let served = parked.filter(|parked| parked.state == ParkedState::Sending);
        served.map(|parked| parked.handback_requested = true).is_some()
    }

    fn unpark(&mut self, inner: &mut Inner) {
        if let Some(parked) = inner.parked.by_number.remove(&self.number) {
            self.place = parked.place;
        }
        let other = |number: &u64| *number != self.number;
        inner.parked.idle.retain(other);
        inner.parked.due.retain(other);
        self.is_parked = false;
    }

    /// Offers what there is to those who sit, for as long as there is some, but to no more than a fair share of them.
    fn send_for_parked(&mut self, mut inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        let ring = self.ring;
        let mut sending = Sending { ring, number: None };
        inner.parked.senders += 1;
        for _ in 0..MAX_SENDS {
            let Inner {
                fragments, parked, ..
            } = &mut *inner;
            let Some(number) = parked.due.pop_front() else {
                break;
            };
            if parked.due.len() >= HELP_AT && parked.senders < ring.max_senders {
                parked.wake_next();
            }
            let Some(follower) = parked.by_number.get_mut(&number) else {
                continue;
            };
            self.batch.clear();
            fragments.advance(&mut follower.place, &mut self.batch, Instant::now());
            if self.batch.is_empty() {
                follower.state = ParkedState::Idle;
                parked.idle.push(number);
                continue;
            }
            follower.state = ParkedState::Sending;
            let sink = Arc::clone(&follower.sink);
            sending.number = Some(number);
            drop(inner);
            let taken = sink.try_send(&self.batch);
            inner = ring.lock();
            sending.number = None;
            inner.after_send(number, taken);
        }
        self.batch.clear();
        drop(inner);
        drop(sending);
        ring.lock()
    }
}

impl Inner {
    /// What this thread was to serve, or was called to, is left to another.
    fn leave_to_others(&self) {
        if self.parked.senders == 0 {
            self.parked.wake_next();
        }
    }

    fn after_send(&mut self, number: u64, taken: bool) {
        let Inner {
            fragments, parked, ..
        } = self;
        let Some(follower) = parked.by_number.get_mut(&number) else {
            return;
        };
        let held = !taken || follower.handback_requested;
        if held || fragments.closed {
            follower.state = if held {
                ParkedState::Blocked
            } else {
                ParkedState::Idle
            };
            follower.wake.up();
        } else if follower.place.next < fragments.end() {
            follower.state = ParkedState::Due;
            parked.due.push_back(number);
        } else {
            follower.state = ParkedState::Idle;
            parked.idle.push(number);
        }
    }
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        if self.is_parked {
            let mut inner = self.ring.lock();
            self.unpark(&mut inner);
            inner.leave_to_others();
        }
    }
}

/// A thread at sending. However it ends, it is counted off, and the rest is left to another.
struct Sending<'a> {
    ring: &'a Ring,
    /// Whom it offers to now; there still when this is dropped, the offer panicked.
    number: Option<u64>,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        let mut inner = self.ring.lock();
        inner.parked.senders -= 1;
        if let Some(parked) = self.number.and_then(|n| inner.parked.by_number.get_mut(&n)) {
            parked.state = ParkedState::Broken;
            parked.wake.up();
        }
        inner.leave_to_others();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::fmp4::{Init, Span};
    use crate::format::h264::{AccessUnit, Parameters, Sps};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use std::thread;

    /// x264, 320x240, Baseline.
    const SPS: &[u8] = &[
        0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00,
        0x03, 0x03, 0xc0, 0xf1, 0x42, 0xa4, 0x80,
    ];
    const LIMITS: Limits = Limits {
        max_age: Duration::from_secs(1),
        join_max: Duration::from_secs(4),
        join_max_bytes: 100_000,
        max_senders: 2,
    };

    /// For threads, which may be held up.
    const PATIENT: Limits = Limits {
        max_age: Duration::from_secs(600),
        join_max: Duration::from_secs(600),
        ..LIMITS
    };

    fn init() -> Arc<Init> {
        let parameters = Parameters {
            sps: SPS.to_vec(),
            pps: vec![vec![0x68, 0xce]],
            info: Sps::parse(SPS).unwrap(),
        };
        Arc::new(Init::new(Arc::new(parameters), 0))
    }

    /// A ring's data, with a clock of its own, whose fragments carry their number as media time.
    struct Rig {
        fragments: Fragments,
        init: Arc<Init>,
        now: Instant,
        pushed: u64,
    }

    impl Rig {
        fn new(limits: Limits) -> Rig {
            let ring = Ring::new(limits);
            Rig {
                fragments: ring.inner.into_inner().unwrap().fragments,
                init: init(),
                now: Instant::now(),
                pushed: 0,
            }
        }

        fn fragment(&mut self, key: bool, bytes: usize) -> Arc<Fragment> {
            let nal = vec![0x41; bytes];
            let unit = AccessUnit {
                nals: vec![&nal],
                key,
            };
            let span = Span {
                time_90k: self.pushed,
                duration_90k: 1,
            };
            self.pushed += 1;
            Arc::new(Fragment::new(Arc::clone(&self.init), &unit, span, 0, 0).unwrap())
        }

        /// Pushes a key frame (`K`), another frame (`p`), or lets 100 ms pass (`.`), for each letter.
        fn play(&mut self, script: &str) {
            for letter in script.chars() {
                match letter {
                    '.' => self.now += Duration::from_millis(100),
                    _ => {
                        let fragment = self.fragment(letter == 'K', 1000);
                        self.fragments.push(fragment, self.now);
                    }
                }
            }
        }

        /// What `place` gets now, until it has to wait: the numbers of its fragments, and how many were skipped.
        fn take(&self, place: &mut Place) -> (Vec<u64>, u64) {
            let mut numbers = Vec::new();
            let mut skipped = 0;
            loop {
                let mut batch = Batch::default();
                let some = self.fragments.advance(place, &mut batch, self.now);
                skipped += batch.skipped;
                if !some {
                    return (numbers, skipped);
                }
                numbers.extend(batch.fragments.iter().map(|f| f.time_90k));
            }
        }

        fn newcomer(&self, live: bool) -> Place {
            self.fragments.newcomer(live, self.now)
        }
    }

    #[test]
    fn a_newcomer_gets_the_newest_group_at_once() {
        let mut rig = Rig::new(LIMITS);
        let mut early = rig.newcomer(false);
        assert_eq!(rig.take(&mut early), (vec![], 0));
        rig.play("pp");
        assert_eq!(
            rig.take(&mut early),
            (vec![], 0),
            "no frame without its key frame"
        );
        rig.play("Kpp.Kpp");
        assert_eq!(rig.take(&mut early), (vec![5, 6, 7], 0));
        let mut late = rig.newcomer(false);
        assert_eq!(rig.take(&mut late), (vec![5, 6, 7], 0));
        rig.play("pK");
        assert_eq!(rig.take(&mut late), (vec![8, 9], 0));
    }

    #[test]
    fn live_waits_for_the_next_key_frame() {
        let mut rig = Rig::new(LIMITS);
        rig.play("Kpp");
        let mut place = rig.newcomer(true);
        rig.play("pp");
        assert_eq!(rig.take(&mut place), (vec![], 0));
        rig.play("Kp");
        assert_eq!(rig.take(&mut place), (vec![5, 6], 0));
    }

    #[test]
    fn a_long_or_large_group_is_not_joined() {
        let mut rig = Rig::new(LIMITS);
        rig.play("K");
        rig.play(&"p.".repeat(41));
        let mut place = rig.newcomer(false);
        assert_eq!(rig.take(&mut place), (vec![], 0));
        rig.play("K");
        assert_eq!(rig.take(&mut place), (vec![42], 0));

        let mut rig = Rig::new(LIMITS);
        rig.play("K");
        rig.play(&"p".repeat(100));
        let mut place = rig.newcomer(false);
        assert_eq!(rig.take(&mut place), (vec![], 0));
        assert!(rig.fragments.too_long_to_join());
    }

    #[test]
    fn a_group_is_as_long_as_its_frames_say() {
        let mut rig = Rig::new(LIMITS);
        assert!(!rig.fragments.too_long_to_join());
        rig.play(&format!("K{}", ".".repeat(60)));
        assert!(!rig.fragments.too_long_to_join(), "a pause");
        rig.play("p");
        assert!(rig.fragments.too_long_to_join());
        rig.play("K");
        assert!(!rig.fragments.too_long_to_join());
    }

    #[test]
    fn a_group_over_the_budget_loses_its_start_and_the_ring_stays_bounded() {
        let mut rig = Rig::new(LIMITS);
        let mut place = rig.newcomer(false);
        rig.play("K");
        assert_eq!(rig.take(&mut place).0, [0]);
        for _ in 0..1000 {
            rig.play("p");
            assert!(rig.fragments.bytes <= LIMITS.max_bytes());
        }
        let held: usize = rig
            .fragments
            .entries
            .iter()
            .map(|e| e.fragment.size_bytes())
            .sum();
        assert_eq!(held, rig.fragments.bytes);
        assert_eq!(
            rig.take(&mut place),
            (vec![], 1000),
            "what was evicted can't be made up"
        );
        rig.play("pKp");
        assert_eq!(rig.take(&mut place), (vec![1002, 1003], 1));
    }

    #[test]
    fn old_frames_leave_when_nobody_can_use_them() {
        let mut rig = Rig::new(LIMITS);
        rig.play("Kpp...............Kpp");
        assert_eq!(
            rig.fragments.first, 3,
            "an older group than the newest is kept for the age limit only"
        );
        rig.play(&".".repeat(60));
        rig.play("p");
        assert_eq!(rig.fragments.entries.len(), 1);
    }

    #[test]
    fn who_lags_jumps_to_the_newest_key_frame() {
        let mut rig = Rig::new(LIMITS);
        rig.play("K");
        let mut place = rig.newcomer(false);
        assert_eq!(rig.take(&mut place).0, [0]);
        rig.play("pp..........Kp.Kp");
        assert_eq!(rig.take(&mut place), (vec![5, 6], 4));
    }

    #[test]
    fn who_lags_without_a_newer_key_frame_waits_for_it() {
        let mut rig = Rig::new(LIMITS);
        rig.play("K");
        let mut place = rig.newcomer(false);
        assert_eq!(rig.take(&mut place).0, [0]);
        rig.play("p...........p");
        let mut batch = Batch::default();
        assert!(!rig.fragments.advance(&mut place, &mut batch, rig.now));
        assert_eq!((batch.skipped, batch.needs_key_frame), (2, true));
        rig.play("ppp");
        assert_eq!(rig.take(&mut place), (vec![], 3));
        rig.play("pKp");
        assert_eq!(rig.take(&mut place), (vec![7, 8], 1));
    }

    /// The age counts from the follower's own restart: else who is given a group of some seconds' age would lag at once,
    /// jump to the same group again, and never leave it.
    #[test]
    fn a_start_on_an_old_group_is_no_lag() {
        let mut rig = Rig::new(LIMITS);
        rig.play("K");
        rig.play(&"p.".repeat(35));
        let mut place = rig.newcomer(false);
        assert_eq!(rig.take(&mut place).0.len(), 36);
        rig.play("p.");
        assert_eq!(rig.take(&mut place), (vec![36], 0));
    }

    #[test]
    fn nothing_of_an_older_epoch_is_given_to_a_newcomer() {
        let mut rig = Rig::new(LIMITS);
        rig.play("Kp");
        let mut old = rig.newcomer(false);
        assert_eq!(rig.take(&mut old).0, [0, 1]);
        rig.play("p");
        rig.fragments.begin_epoch();
        let mut new = rig.newcomer(false);
        assert_eq!(rig.take(&mut new).0, []);
        rig.play("Kp");
        assert_eq!(rig.take(&mut new).0, [3, 4]);
        assert_eq!(rig.take(&mut old), (vec![2, 3, 4], 0), "who was there goes on");
    }

    /// The follower's law, over random play: starts on a key frame, nothing twice or backwards, and each gap ends on a
    /// key frame and is counted.
    #[test]
    fn the_law_holds_over_random_play() {
        let mut seed = 1u64;
        let mut random = move |n: u64| {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 33) % n
        };
        for _ in 0..300 {
            let mut rig = Rig::new(Limits {
                join_max_bytes: 30_000,
                ..LIMITS
            });
            let mut keys = Vec::new();
            let mut places = [rig.newcomer(false), rig.newcomer(true), rig.newcomer(false)];
            let mut seen: [Vec<u64>; 3] = Default::default();
            let mut skips = [0; 3];
            for _ in 0..200 {
                match random(12) {
                    0 => {
                        keys.push(rig.pushed);
                        rig.play("K");
                    }
                    1..6 => rig.play("p"),
                    6..8 => rig.play("."),
                    8 if random(10) == 0 => rig.fragments.begin_epoch(),
                    9 if random(5) == 0 => rig.play("............"),
                    _ => {
                        let who = random(3) as usize;
                        let (numbers, skipped) = rig.take(&mut places[who]);
                        skips[who] += skipped;
                        seen[who].extend(numbers);
                    }
                }
            }
            for (seen, skipped) in seen.iter().zip(skips) {
                let Some(first) = seen.first() else { continue };
                assert!(keys.contains(first), "starts on a key frame");
                let mut missing = 0;
                for pair in seen.windows(2) {
                    assert!(pair[1] > pair[0], "never backwards");
                    if pair[1] != pair[0] + 1 {
                        missing += pair[1] - pair[0] - 1;
                        assert!(keys.contains(&pair[1]), "a gap ends on a key frame");
                    }
                }
                assert!(skipped >= missing, "gaps are told");
            }
        }
    }

    /// A sink that keeps the numbers of what it is offered, and says that it can't go on when told to.
    #[derive(Default)]
    struct Kept {
        numbers: Mutex<Vec<u64>>,
        skipped: Mutex<u64>,
        /// Every so many offers it says that its thread has to go on; 0: never.
        holds_every: usize,
        panics_at: Option<u64>,
    }

    impl Sink for Kept {
        fn try_send(&self, batch: &Batch) -> bool {
            let numbers = batch.fragments.iter().map(|f| f.time_90k);
            assert!(
                self.panics_at.is_none_or(|at| numbers.clone().all(|n| n < at)),
                "told to panic"
            );
            *self.skipped.lock().unwrap() += batch.skipped;
            let mut kept = self.numbers.lock().unwrap();
            kept.extend(numbers);
            self.holds_every == 0 || kept.len() % self.holds_every != 0
        }
    }

    /// Follows until the ring is closed, as a client's thread does.
    fn follow(ring: &Ring, sink: &Arc<Kept>) {
        let mut follower = Follower::new(ring, false, Arc::clone(sink) as Arc<dyn Sink>);
        loop {
            match follower.next(Duration::from_millis(20)) {
                Next::Batch(batch) => _ = sink.try_send(batch),
                Next::Blocked | Next::Notified | Next::TimedOut => {}
                Next::Broken | Next::Closed => return,
            }
        }
    }

    /// Pushes the first key frame and waits until all have it: a newcomer that is held up starts on a later one.
    fn start(ring: &Ring, rig: &mut Rig, outlets: &[Arc<Kept>]) {
        ring.push(rig.fragment(true, 100));
        while outlets.iter().any(|sink| sink.numbers.lock().unwrap().is_empty()) {
            thread::yield_now();
        }
    }

    fn play_to(ring: &Ring, outlets: &[Arc<Kept>], fragments: u64) {
        let mut rig = Rig::new(LIMITS);
        thread::scope(|scope| {
            for sink in outlets {
                scope.spawn(|| follow(ring, sink));
            }
            start(ring, &mut rig, outlets);
            for number in 1..fragments {
                ring.push(rig.fragment(number % 10 == 0, 100));
                if number % 7 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            ring.close();
        });
    }

    #[test]
    fn every_follower_gets_every_fragment_whoever_offers_it() {
        let ring = Ring::new(PATIENT);
        let holding = |number: usize| Kept {
            holds_every: number % 4,
            ..Kept::default()
        };
        let outlets: Vec<_> = (0..40).map(|number| Arc::new(holding(number))).collect();
        play_to(&ring, &outlets, 300);
        let all: Vec<u64> = (0..300).collect();
        for sink in outlets {
            assert_eq!(
                (&*sink.numbers.lock().unwrap(), *sink.skipped.lock().unwrap()),
                (&all, 0)
            );
        }
        let inner = ring.lock();
        assert!(
            inner.parked.by_number.is_empty() && inner.parked.senders == 0,
            "nobody is left sitting"
        );
    }

    #[test]
    fn a_panic_in_an_outlet_costs_no_other_follower_a_fragment() {
        let ring = Arc::new(Ring::new(PATIENT));
        let good: Vec<_> = (0..20).map(|_| Arc::new(Kept::default())).collect();
        // It panics in the thread of whoever offers to it, and that thread's client is lost with it.
        let bad = Arc::new(Kept {
            panics_at: Some(50),
            ..Kept::default()
        });
        let lost = {
            let ring = Arc::clone(&ring);
            let bad = Arc::clone(&bad);
            let good = good.clone();
            let all: Vec<_> = good.iter().chain([&bad]).map(Arc::clone).collect();
            let mut threads: Vec<_> = good
                .into_iter()
                .map(|sink| {
                    let ring = Arc::clone(&ring);
                    thread::spawn(move || follow(&ring, &sink))
                })
                .collect();
            let to_bad = Arc::clone(&ring);
            threads.push(thread::spawn(move || follow(&to_bad, &bad)));
            let mut rig = Rig::new(LIMITS);
            start(&ring, &mut rig, &all);
            for number in 1..200 {
                ring.push(rig.fragment(number % 10 == 0, 100));
                thread::sleep(Duration::from_micros(200));
            }
            ring.close();
            threads
                .into_iter()
                .map(|t| usize::from(t.join().is_err()))
                .sum::<usize>()
        };
        assert_eq!(lost, 1, "the thread that offered, and no other");
        let all: Vec<u64> = (0..200).collect();
        let whole = good
            .iter()
            .filter(|sink| *sink.numbers.lock().unwrap() == all)
            .count();
        assert!(whole >= 19, "{whole} of 20 got everything");
    }

    #[test]
    fn a_thread_that_is_elsewhere_keeps_nobody_waiting() {
        let ring = Ring::new(PATIENT);
        let sink = Arc::new(Kept {
            holds_every: 1,
            ..Kept::default()
        });
        let mut elsewhere = Follower::new(&ring, false, Arc::new(Kept::default()));
        assert!(matches!(elsewhere.next(Duration::ZERO), Next::TimedOut));
        let (sender, offered) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut follower = Follower::new(&ring, false, Arc::clone(&sink) as Arc<dyn Sink>);
                let held = matches!(follower.next(Duration::from_secs(60)), Next::Blocked);
                sender.send(held).unwrap();
            });
            let parked = || ring.lock().parked.by_number.contains_key(&2);
            while !parked() {
                thread::yield_now();
            }
            ring.push(Rig::new(LIMITS).fragment(true, 10));
            let offered = offered.recv();
            ring.close();
            assert_eq!(offered, Ok(true), "the one that waits is offered the fragment");
        });
    }

    /// A call is not missed, whether the thread waits, is elsewhere, or has something to send.
    #[test]
    fn a_call_reaches_each_follower_once() {
        let mut rig = Rig::new(LIMITS);
        let ring = Ring::new(PATIENT);
        let sink = Arc::new(Kept::default());
        let mut follower = Follower::new(&ring, false, Arc::clone(&sink) as Arc<dyn Sink>);
        ring.notify_followers();
        ring.push(rig.fragment(true, 10));
        assert!(matches!(follower.next(Duration::ZERO), Next::Notified));
        assert!(matches!(follower.next(Duration::ZERO), Next::Batch(_)));
        assert!(matches!(follower.next(Duration::ZERO), Next::TimedOut));
        let mut newcomer = Follower::new(&ring, true, Arc::new(Kept::default()));
        assert!(matches!(newcomer.next(Duration::ZERO), Next::TimedOut));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                assert!(matches!(follower.next(Duration::from_secs(60)), Next::Blocked));
                assert!(matches!(follower.next(Duration::from_secs(60)), Next::Notified));
                assert!(sink.numbers.lock().unwrap().is_empty(), "the call goes before");
            });
            while ring.lock().parked.by_number.is_empty() {
                thread::yield_now();
            }
            ring.notify_followers();
            ring.push(rig.fragment(true, 10));
            waiting.join().unwrap();
        });
    }

    /// A thread that waits for its client too hears it, is woken for the ring as any other, and gets every fragment.
    /// A ring that gives more than can be sent does not keep a thread from its own client.
    #[test]
    fn who_serves_without_end_returns_in_time() {
        struct Endless {
            ring: Arc<Ring>,
            rig: Mutex<Rig>,
            gone: AtomicBool,
        }
        impl Sink for Endless {
            fn try_send(&self, _: &Batch) -> bool {
                let fragment = self.rig.lock().unwrap().fragment(true, 10);
                if !self.gone.load(SeqCst) {
                    self.ring.push(fragment);
                }
                true
            }
        }
        let sink = Arc::new(Endless {
            ring: Arc::new(Ring::new(LIMITS)),
            rig: Mutex::new(Rig::new(LIMITS)),
            gone: AtomicBool::new(false),
        });
        let (sender, returned) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let for_ring = Arc::clone(&sink) as Arc<dyn Sink>;
                let mut follower = Follower::new(&sink.ring, false, for_ring);
                while matches!(follower.next(Duration::from_millis(50)), Next::Batch(_)) {}
                sender.send(()).unwrap();
            });
            scope.spawn(|| {
                while !sink.gone.load(SeqCst) {
                    sink.try_send(&Batch::default());
                    thread::sleep(Duration::from_millis(10));
                }
            });
            let returned = returned.recv_timeout(Duration::from_secs(40));
            sink.gone.store(true, SeqCst);
            sink.ring.close();
            assert_eq!(returned, Ok(()));
        });
    }

    #[test]
    fn a_client_is_heard_while_its_thread_waits() {
        let (mut client, input) = UnixStream::pair().unwrap();
        let ring = Ring::new(PATIENT);
        let (sink, heard) = (Arc::new(Kept::default()), AtomicUsize::new(0));
        let mut rig = Rig::new(LIMITS);
        thread::scope(|scope| {
            scope.spawn(|| {
                let for_ring = Arc::clone(&sink) as Arc<dyn Sink>;
                let mut follower = Follower::with_input(&ring, false, for_ring, input.as_fd()).unwrap();
                loop {
                    match follower.next(Duration::from_secs(60)) {
                        Next::Batch(batch) => _ = sink.try_send(batch),
                        Next::TimedOut => _ = heard.fetch_add((&input).read(&mut [0]).unwrap(), SeqCst),
                        Next::Notified | Next::Blocked => {}
                        Next::Broken => panic!("nobody panicked"),
                        Next::Closed => return,
                    }
                }
            });
            for number in 0..50 {
                client.write_all(&[0]).unwrap();
                // Now before the push, now after it.
                while number % 2 == 0 && heard.load(SeqCst) <= number {
                    thread::yield_now();
                }
                ring.push(rig.fragment(number == 0, 100));
            }
            while heard.load(SeqCst) < 50 {
                thread::yield_now();
            }
            ring.close();
        });
        assert_eq!(*sink.numbers.lock().unwrap(), (0..50).collect::<Vec<u64>>());
    }

    /// A thread that is to go while another one sends for it goes when that is done: nobody is at the sink then.
    #[test]
    fn nobody_is_at_the_outlet_of_a_thread_that_goes() {
        struct Slow {
            offered: std::sync::mpsc::Sender<()>,
            go_on: Mutex<std::sync::mpsc::Receiver<()>>,
        }
        impl Sink for Slow {
            fn try_send(&self, _: &Batch) -> bool {
                self.offered.send(()).unwrap();
                self.go_on.lock().unwrap().recv().unwrap();
                true
            }
        }
        let (offered, is_offered) = std::sync::mpsc::channel();
        let (go, go_on) = std::sync::mpsc::channel();
        let slow = Arc::new(Slow {
            offered,
            go_on: Mutex::new(go_on),
        });
        let ring = Ring::new(PATIENT);
        let (mut client, input) = UnixStream::pair().unwrap();
        thread::scope(|scope| {
            // It serves, as it sits first in the row.
            let ring = &ring;
            scope.spawn(move || {
                let mut follower = Follower::new(ring, false, Arc::new(Kept::default()));
                while !matches!(follower.next(Duration::from_secs(60)), Next::Closed) {}
            });
            let parked = |count| {
                while ring.lock().parked.by_number.len() < count {
                    thread::yield_now();
                }
            };
            parked(1);
            let input = &input;
            let going = scope.spawn(move || {
                let mut follower = Follower::with_input(ring, false, slow, input.as_fd()).unwrap();
                matches!(follower.next(Duration::from_secs(60)), Next::Blocked)
            });
            parked(2);
            ring.push(Rig::new(LIMITS).fragment(true, 10));
            is_offered.recv().unwrap();
            client.write_all(&[0]).unwrap();
            let handback_requested = || {
                ring.lock()
                    .parked
                    .by_number
                    .values()
                    .any(|parked| parked.handback_requested)
            };
            while !handback_requested() {
                thread::yield_now();
            }
            assert!(!going.is_finished());
            go.send(()).unwrap();
            assert!(going.join().unwrap());
            ring.close();
        });
    }

    #[test]
    fn a_closed_ring_ends_its_followers_after_what_it_holds() {
        let mut rig = Rig::new(LIMITS);
        let ring = Ring::new(PATIENT);
        let mut follower = Follower::new(&ring, false, Arc::new(Kept::default()));
        ring.push(rig.fragment(true, 10));
        ring.close();
        assert!(matches!(follower.next(Duration::ZERO), Next::Batch(batch) if batch.fragments.len() == 1));
        assert!(matches!(follower.next(Duration::from_secs(60)), Next::Closed));
    }
}
