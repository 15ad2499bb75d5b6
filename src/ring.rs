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
        self.entries
            .get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn push(&mut self, fragment: Arc<Fragment>, now: Instant) {
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
                    batch.wants_key = true;
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
        Ring {
            frames: Mutex::new(frames),
            changed: Condvar::new(),
        }
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
        Follower {
            ring,
            place,
            batch: Batch::default(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::fmp4::{Init, Span};
    use crate::format::h264::{AccessUnit, Parameters, Sps};

    /// x264, 320x240, Baseline.
    const SPS: &[u8] = &[
        0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00,
        0x03, 0x03, 0xc0, 0xf1, 0x42, 0xa4, 0x80,
    ];
    const LIMITS: Limits = Limits {
        max_age: Duration::from_secs(1),
        join_max: Duration::from_secs(4),
        join_max_bytes: 100_000,
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
        frames: Frames,
        init: Arc<Init>,
        now: Instant,
        pushed: u64,
    }

    impl Rig {
        fn new(limits: Limits) -> Rig {
            let ring = Ring::new(limits);
            Rig {
                frames: ring.frames.into_inner().unwrap(),
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
                        self.frames.push(fragment, self.now);
                    }
                }
            }
        }

        /// What `place` gets now, until it has to wait: the numbers of its frames, and how many were skipped.
        fn take(&self, place: &mut Place) -> (Vec<u64>, u64) {
            let mut numbers = Vec::new();
            let mut skipped = 0;
            loop {
                let mut batch = Batch::default();
                let some = self.frames.advance(place, &mut batch, self.now);
                skipped += batch.skipped;
                if !some {
                    return (numbers, skipped);
                }
                numbers.extend(batch.fragments.iter().map(|f| f.time_90k));
            }
        }

        fn newcomer(&self, live: bool) -> Place {
            self.frames.newcomer(live, self.now)
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
    }

    #[test]
    fn a_group_over_the_budget_loses_its_start_and_the_ring_stays_bounded() {
        let mut rig = Rig::new(LIMITS);
        let mut place = rig.newcomer(false);
        rig.play("K");
        assert_eq!(rig.take(&mut place).0, [0]);
        for _ in 0..1000 {
            rig.play("p");
            assert!(rig.frames.bytes <= LIMITS.max_bytes());
        }
        let held: usize = rig.frames.entries.iter().map(|e| e.fragment.size_bytes()).sum();
        assert_eq!(held, rig.frames.bytes);
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
            rig.frames.first, 3,
            "an older group than the newest is kept for the age limit only"
        );
        rig.play(&".".repeat(60));
        rig.play("p");
        assert_eq!(rig.frames.entries.len(), 1);
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
        assert!(!rig.frames.advance(&mut place, &mut batch, rig.now));
        assert_eq!((batch.skipped, batch.wants_key), (2, true));
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
        rig.frames.begin_epoch();
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
                    8 if random(10) == 0 => rig.frames.begin_epoch(),
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

    #[test]
    fn a_closed_ring_ends_its_followers_after_what_it_holds() {
        let mut rig = Rig::new(LIMITS);
        let ring = Ring::new(LIMITS);
        let mut follower = Follower::new(&ring, false);
        ring.push(rig.fragment(true, 10));
        ring.close();
        let batch = follower.next(Duration::ZERO);
        assert_eq!((batch.fragments.len(), batch.closed), (1, false));
        let batch = follower.next(Duration::from_secs(60));
        assert_eq!((batch.fragments.len(), batch.closed), (0, true));
    }
}
