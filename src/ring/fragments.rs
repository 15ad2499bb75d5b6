//! The newest fragments and the rules by which a follower moves through them: data without a lock or a clock.

use super::sink::{BATCH_BYTES, BATCH_FRAGMENTS, Batch};
use crate::format::fmp4::Fragment;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The limits of a ring and its followers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A follower whose next fragment has waited longer than this jumps.
    pub max_age: Duration,
    /// All fragments are kept for so long, as far as their bytes allow: for followers that begin in the past.
    pub hold: Duration,
    /// A patient follower jumps only after so long: what it has not had yet is kept for it, as far as bytes allow.
    pub patience: Duration,
    /// A group of pictures longer than this is not given to a newcomer.
    pub join_max: Duration,
    /// A group of pictures larger than this is not given to a newcomer.
    pub join_max_bytes: usize,
    /// The most threads that send for parked followers at a time: more than there are processors only get into each
    /// other's way.
    pub max_senders: usize,
}

impl Limits {
    /// The age from which a fragment of the newest group is of no use to anyone, with a margin.
    fn keep(&self) -> Duration {
        self.max_age.max(self.join_max) + Duration::from_secs(1)
    }

    /// How long what a patient follower has not had yet is kept for it.
    fn patient(&self) -> Duration {
        self.hold.max(self.patience)
    }

    /// The most bytes that the ring holds: a whole group for newcomers, and as much again for those that lag.
    pub fn max_bytes(&self) -> usize {
        self.join_max_bytes.saturating_mul(2)
    }
}

/// In microseconds, as the times here are: CLOCK_MONOTONIC's.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A fragment in the ring.
pub(super) struct Entry {
    fragment: Arc<Fragment>,
    pushed_us: u64,
    /// How many pictures were pushed before it.
    pictures: u64,
}

/// The newest fragments, numbered from 0 in the order of their push.
///
/// Every operation is O(1), but for those that hand out or evict n fragments, which are O(n).
pub(super) struct Fragments {
    pub limits: Limits,
    entries: VecDeque<Entry>,
    /// The number of the first entry that is still held.
    first: u64,
    bytes: usize,
    /// How many pictures were pushed; the other fragments are sound.
    pictures: u64,
    /// The number of the newest start of this epoch, whether it is still held or not: a key frame, or the first frame of a
    /// refresh that has ended.
    start: Option<u64>,
    /// The number of the first frame of a refresh that has not ended yet.
    refresh: Option<u64>,
    /// What each patient follower gets next; `None` is a place for another one.
    patient: Vec<Option<u64>>,
    /// Bytes from the start on, or from the end of its refresh.
    group_bytes: usize,
    /// The time from then to the push of the newest picture, without silences.
    group_us: u64,
}

/// A step longer than this is no part of a group's length: a camera that gives a picture a minute has no long groups.
const SILENCE_US: u64 = 2_000_000;

/// A follower's place among the fragments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// The number of the fragment to give next, or, while waiting, of the first that may be a start.
    next: u64,
    /// How many pictures were pushed before that one.
    pictures: u64,
    /// It waits for a key frame.
    waiting: bool,
    /// It has not had anything yet: the limits for newcomers hold.
    newcomer: bool,
    /// Its fragments may wait longer than those of others.
    pub patient: bool,
    /// When it (re)started.
    started_us: u64,
}

impl Fragments {
    /// None yet.
    pub fn new(limits: Limits) -> Fragments {
        Fragments {
            limits,
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            pictures: 0,
            start: None,
            refresh: None,
            patient: Vec::new(),
            group_bytes: 0,
            group_us: 0,
        }
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The newest picture.
    pub fn newest(&self) -> Option<Arc<Fragment>> {
        self.newest_entry().map(|entry| Arc::clone(&entry.fragment))
    }

    fn newest_entry(&self) -> Option<&Entry> {
        let mut entries = self.entries.iter().rev();
        entries.find(|entry| !entry.fragment.is_sound())
    }

    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn get(&self, number: u64) -> Option<&Entry> {
        self.entries
            .get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// How many pictures were pushed before that number, of which none that has left is told from the first one held.
    fn pictures_before(&self, number: u64) -> u64 {
        let oldest = || self.entries.front().filter(|_| number < self.first);
        let entry = self.get(number).or_else(oldest);
        entry.map_or(self.pictures, |entry| entry.pictures)
    }

    /// Adds the newest fragment; gives what had to leave for it.
    pub fn push(&mut self, fragment: Arc<Fragment>, now_us: u64) -> Vec<Entry> {
        let bytes = fragment.size_bytes();
        let is_picture = !fragment.is_sound();
        if is_picture {
            let newest_us = self.newest_entry().map_or(now_us, |entry| entry.pushed_us);
            let step_us = now_us.saturating_sub(newest_us);
            if step_us <= SILENCE_US {
                self.group_us += step_us;
            }
            self.find_start(&fragment);
        }
        self.group_bytes += bytes;
        self.bytes += bytes;
        self.entries.push_back(Entry {
            fragment,
            pushed_us: now_us,
            pictures: self.pictures,
        });
        self.pictures += u64::from(is_picture);
        let mut evicted = Vec::new();
        let wanted = self.patient.iter().flatten().copied().min();
        while let Some(oldest) = self.entries.front() {
            let is_in = |start: Option<u64>| start.is_some_and(|start| self.first >= start);
            let age_us = now_us.saturating_sub(oldest.pushed_us);
            let kept = if is_in(wanted) {
                self.limits.patient()
            } else {
                self.limits.hold
            };
            let of_use = if is_in(self.refresh) || age_us < micros(kept) {
                true
            } else if is_in(self.start) {
                age_us.min(self.group_us) <= micros(self.limits.keep())
            } else {
                age_us <= micros(self.limits.max_age)
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

    /// Sees whether there is another start once this one is pushed.
    fn find_start(&mut self, fragment: &Fragment) {
        let number = self.end();
        if fragment.after_loss {
            self.begin_epoch();
        }
        let refreshed = if fragment.refresh.ends {
            self.refresh.take()
        } else {
            None
        };
        if fragment.refresh.begins {
            self.refresh = Some(number);
        }
        let mut start = refreshed;
        if fragment.key {
            (start, self.refresh) = (Some(number), None);
        } else if fragment.refresh.ends && refreshed.is_none() {
            start = self.refresh.take(); // it ends with the picture with which it begins
        }
        if start.is_some() {
            self.start = start;
            (self.group_bytes, self.group_us) = (0, 0);
        }
    }

    /// Gives all that is held, and holds nothing any more.
    pub fn clear(&mut self) -> VecDeque<Entry> {
        self.first = self.end();
        self.bytes = 0;
        std::mem::take(&mut self.entries)
    }

    /// Keeps for a patient follower, which it numbers, what there is from its position on.
    pub fn keep_for(&mut self, position: &Position) -> usize {
        let free = self.patient.iter().position(Option::is_none);
        let number = free.unwrap_or_else(|| {
            self.patient.push(None);
            self.patient.len() - 1
        });
        self.has_come_to(number, Some(position));
        number
    }

    /// Where the patient follower of that number is now; `None`: it is no more.
    pub fn has_come_to(&mut self, number: usize, position: Option<&Position>) {
        if let Some(place) = self.patient.get_mut(number) {
            *place = position.map(|position| position.next);
        }
    }

    /// Has newcomers wait for the next start: nothing that is held now is given to them.
    pub fn begin_epoch(&mut self) {
        (self.start, self.refresh) = (None, None);
    }

    /// The position of a follower that comes now; if `live`, it starts on a key frame that is yet to be pushed.
    pub fn newcomer(&self, live: bool, now_us: u64) -> Position {
        let next = if live { self.end() } else { self.first };
        Position {
            next,
            pictures: 0,
            waiting: true,
            newcomer: true,
            patient: false,
            started_us: now_us,
        }
    }

    /// The position of a patient follower that begins with the newest start that was pushed by `since_us`, or the oldest one after it
    /// from which on nothing is missing.
    pub fn since(&self, since_us: u64, now_us: u64) -> Position {
        let mut position = Position {
            patient: true,
            ..self.newcomer(false, now_us)
        };
        let mut number = self.start.unwrap_or_default();
        let epoch = self.get(number).map(|entry| entry.fragment.epoch);
        while let Some(entry) = self.get(number).filter(|it| Some(it.fragment.epoch) == epoch) {
            let is_start = entry.fragment.is_start();
            if is_start {
                (position.next, position.pictures) = (number, entry.pictures);
                (position.waiting, position.newcomer) = (false, false);
            }
            if is_start && entry.pushed_us <= since_us || entry.fragment.after_loss || number == 0 {
                break;
            }
            number -= 1;
        }
        position
    }

    /// True if everything was given to a follower that is there.
    pub fn is_at_end(&self, position: &Position) -> bool {
        position.next >= self.end()
    }

    /// The newest start, if it is still held and a follower that is there may begin with it.
    fn start_for(&self, position: &Position) -> Option<u64> {
        let start = self.start.filter(|start| *start >= position.next)?;
        self.get(start)?;
        let joinable =
            self.group_bytes <= self.limits.join_max_bytes && self.group_us <= micros(self.limits.join_max);
        (joinable || !position.newcomer).then_some(start)
    }

    /// True if the newest group is too large or too long for a newcomer.
    pub fn too_long_to_join(&self) -> bool {
        let Some(newest) = self.entries.back() else {
            return false;
        };
        let newcomer = self.newcomer(false, newest.pushed_us);
        self.start.is_some() && self.start_for(&newcomer).is_none()
    }

    /// Moves a follower to what it gets next and makes that the `batch`; false if it has to wait. What the batch was before may
    /// be used again: one after the other, most followers get the same.
    pub fn advance(&self, position: &mut Position, batch: &mut Batch, now_us: u64) -> bool {
        (batch.made_us, batch.skipped, batch.needs_key_frame) = (now_us, 0, false);
        let next = self.get(position.next);
        // Before such a one some are missing: it may be a start, and is none while its refresh goes on.
        position.waiting |= next.is_some_and(|entry| entry.fragment.after_loss);
        if !position.waiting {
            let behind = match next {
                Some(entry) => {
                    let since_us = entry.pushed_us.max(position.started_us);
                    let hold = if position.patient {
                        self.limits.patient()
                    } else {
                        Duration::ZERO
                    };
                    now_us.saturating_sub(since_us) > micros(self.limits.max_age.max(hold))
                }
                None => position.next < self.first,
            };
            if behind {
                position.waiting = true;
                position.next += 1; // a start has to be newer than what could not be given
            }
        }
        if position.waiting {
            let Some(start) = self.start_for(position) else {
                // No start up to here, so none before the next push, unless a refresh ends.
                let next = self.refresh.unwrap_or(self.end());
                if !position.newcomer {
                    position.next = position.next.max(next);
                    let pictures = self.pictures_before(position.next);
                    batch.skipped = pictures.saturating_sub(position.pictures);
                    batch.needs_key_frame = true;
                    position.pictures = pictures;
                }
                batch.fragments.clear();
                return false;
            };
            let pictures = self.pictures_before(start);
            if !position.newcomer {
                batch.skipped = pictures.saturating_sub(position.pictures);
            }
            *position = Position {
                next: start,
                pictures,
                waiting: false,
                newcomer: false,
                started_us: now_us,
                ..*position
            };
        }
        if batch.first != position.next || batch.fragments.is_empty() {
            self.fill(batch, position.next);
        }
        position.next += batch.fragments.len() as u64;
        position.pictures = self.pictures_before(position.next);
        !batch.fragments.is_empty()
    }

    /// Fills a batch with what there is from that number on.
    fn fill(&self, batch: &mut Batch, first: u64) {
        batch.first = first;
        batch.fragments.clear();
        let mut bytes = 0;
        while let Some(entry) = self.get(first + batch.fragments.len() as u64) {
            if entry.fragment.after_loss && !batch.fragments.is_empty() {
                break;
            }
            bytes += entry.fragment.size_bytes();
            batch.fragments.push(Arc::clone(&entry.fragment));
            if batch.fragments.len() == BATCH_FRAGMENTS || bytes >= BATCH_BYTES {
                break;
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/fragments.rs"]
pub(super) mod tests;
