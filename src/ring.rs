//! The ring: the newest fragments of one camera, in bytes and seconds bounded, and the followers that read it.
//!
//! [`Frames`] is pure data and takes the time as a parameter; [`Ring`] puts a lock and a condition variable around
//! it; a [`Follower`] is one client's place in it. What every follower may rely on:
//!
//! - It starts on a key frame, and after any loss it goes on with a newer key frame: it never gets a frame whose
//!   references it did not get.
//! - It never moves backwards.
//! - A fragment that waits for it longer than the age limit is not sent: it jumps to the newest key frame, or
//!   waits for the next one.

use crate::format::fmp4::Fragment;
use std::collections::VecDeque;
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
struct Frames {
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
struct Place {
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

impl Frames {
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn push(&mut self, fragment: Arc<Fragment>, now: Instant) {
        let bytes = fragment.size_bytes();
        if fragment.key {
            self.key = Some(self.end());
            self.group_bytes = 0;
        }
        self.group_bytes += bytes;
        self.bytes += bytes;
        self.entries.push_back(Entry { fragment, pushed: now });
        while let Some(oldest) = self.entries.front() {
            let age = now.saturating_duration_since(oldest.pushed);
            let in_newest_group = self.key.is_some_and(|key| self.first >= key);
            let of_use = if in_newest_group { age <= self.limits.keep() } else { age <= self.limits.max_age };
            if of_use && self.bytes <= self.limits.max_bytes() || self.entries.len() == 1 {
                break;
            }
            self.bytes -= oldest.fragment.size_bytes();
            self.entries.pop_front();
            self.first += 1;
        }
    }

    /// Nothing that is held now is given to a newcomer any more.
    fn begin_epoch(&mut self) {
        self.key = None;
    }

    fn newcomer(&self, live: bool, now: Instant) -> Place {
        let next = if live { self.end() } else { self.first };
        Place { next, waiting: true, newcomer: true, started: now }
    }

    /// The newest key frame, if it is still held and `place` may start there.
    fn start_for(&self, place: &Place, now: Instant) -> Option<u64> {
        let key = self.key.filter(|key| *key >= place.next)?;
        let pushed = self.get(key)?.pushed;
        let joinable = self.group_bytes <= self.limits.join_max_bytes
            && now.saturating_duration_since(pushed) <= self.limits.join_max;
        (joinable || !place.newcomer).then_some(key)
    }

    /// Moves `place` to what it gets next and puts that into `batch`; false if it has to wait.
    fn advance(&self, place: &mut Place, batch: &mut Batch, now: Instant) -> bool {
        if !place.waiting {
            let behind = match self.get(place.next) {
                Some(entry) => now.saturating_duration_since(entry.pushed.max(place.started)) > self.limits.max_age,
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
                    batch.wants_key = true;
                    // No start up to here, so none before the next push.
                    place.next = place.next.max(end);
                }
                return false;
            };
            if !place.newcomer {
                batch.skipped += key - place.next;
            }
            *place = Place { next: key, waiting: false, newcomer: false, started: now };
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
    pub wants_key: bool,
    /// The ring is closed and there is nothing more.
    pub closed: bool,
}

/// The shared ring.
pub struct Ring {
    frames: Mutex<Frames>,
    changed: Condvar,
}

impl Ring {
    /// An empty ring.
    pub fn new(limits: Limits) -> Ring {
        let frames = Frames {
            limits,
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            key: None,
            group_bytes: 0,
            closed: false,
        };
        Ring { frames: Mutex::new(frames), changed: Condvar::new() }
    }

    /// Nothing that runs under the lock can leave the data half changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the newest fragment and wakes the followers.
    pub fn push(&self, fragment: Arc<Fragment>) {
        self.lock().push(fragment, Instant::now());
        self.changed.notify_all();
    }

    /// What is pushed from now on belongs together; nothing older is given to a newcomer.
    pub fn begin_epoch(&self) {
        self.lock().begin_epoch();
    }

    /// Ends all followers, once they have what is in the ring.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// True if a newcomer would have to wait for a new key frame although frames flow: the newest group is too large
    /// or too long to be joined.
    pub fn too_long_to_join(&self) -> bool {
        let frames = self.lock();
        let now = Instant::now();
        frames.key.is_some() && frames.start_for(&frames.newcomer(false, now), now).is_none()
    }
}

/// One client's place in a ring.
pub struct Follower<'a> {
    ring: &'a Ring,
    place: Place,
    /// Kept from batch to batch for its allocation.
    batch: Batch,
}

impl<'a> Follower<'a> {
    /// A newcomer, who starts on the newest key frame if there is one to join; if `live`, on the next one.
    pub fn new(ring: &'a Ring, live: bool) -> Follower<'a> {
        let place = ring.lock().newcomer(live, Instant::now());
        Follower { ring, place, batch: Batch::default() }
    }

    /// Waits at most `timeout` for the next fragments.
    pub fn next(&mut self, timeout: Duration) -> &Batch {
        let Follower { ring, place, batch } = self;
        batch.fragments.clear();
        batch.skipped = 0;
        batch.wants_key = false;
        let mut deadline = None;
        let mut frames = ring.lock();
        loop {
            // The time is read under the lock, so that no fragment is pushed "later than now".
            let now = Instant::now();
            let deadline = *deadline.get_or_insert(now + timeout);
            if frames.advance(place, batch, now) {
                break;
            }
            batch.closed = frames.closed;
            if batch.closed || batch.wants_key && batch.skipped > 0 || now >= deadline {
                break;
            }
            frames = match ring.changed.wait_timeout(frames, deadline - now) {
                Ok((frames, _)) => frames,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        drop(frames);
        batch
    }
}
