//! A writer's habits, by which a unit is known to be complete before the next one begins.
//!
//! # Whole writes
//! A source that writes each unit in one piece and then falls silent is known by where its `write()`s end. The caller
//! says after which bytes one is known to have ended (`sys::command` makes pipes that show it), and only those ends
//! are judged at which the unit already has a slice:
//! - A unit was **whole** when the next start code shows that its only such end was the unit's end.
//! - It was **cut** when such an end lies inside it.
//!
//! After [`WHOLE_UNITS`] whole units in a row, a key picture among them, a short quiet after the end of a
//! write closes the unit, provided that it is not longer than the longest that was
//! seen whole: what is cut by a buffer is cut at the buffer's size, which is more than anything that went
//! through it in one piece. One cut unit forgets all this and asks for four times as many the next time, so
//! that a source that cuts only some of its units soon gets no more benefit of the doubt. After a unit that was closed so
//! and went on, whole writes are never trusted again.
//!
//! # Pauses
//! All others write a unit in several pieces, close together, and pause until the next unit. So the longest pause
//! *inside* units is learned, and how many pauses *between* them are far longer. A quiet of [`MULTIPLE`] times the longest
//! one closes a unit, while nearly all units are followed by at least twice that.
//!
//! A program that writes slice by slice may also lose the processor between two slices, for longer than any pause that was
//! seen. So the caller asks whether the machine is busy before it closes a unit by this sign ([`Quiet::certain`]), and
//! a unit that went on after it was closed takes the trust away: that pause counts as one inside units, until
//! [`DISTRUST_PAUSES`] times as many units as before have been seen without it.
//!
//! # Slow cameras
//! One that gives a picture a minute would be a minute late until its habits are known. So where the last unit came long
//! before this one, or there was none yet, a quiet of [`SLOW_QUIET_US`] closes a unit, or of several of the longest pauses
//! inside.
//!
//! A pause counts only where the reader had read all that there was before it: otherwise it was the reader that was late.

/// A quiet for this long, in microseconds, closes a unit at the soonest.
pub(super) const QUIET_US: u64 = 2000;
/// Units that must have been whole in a row before a quiet is believed: half a second of an ordinary stream.
pub(super) const WHOLE_UNITS: u32 = 16;
/// The factor by which more are asked for after each cut unit.
pub(super) const DISTRUST: u32 = 4;
/// Units whose pauses must be known before a quiet is believed, ...
pub(super) const PAUSED_UNITS: u32 = 32;
/// ... with so many key pictures among them: they are the ones that are cut, ...
const PAUSED_KEYS: u32 = 2;
/// ... and the factor by which more are asked for after each wrong guess.
pub(super) const DISTRUST_PAUSES: u32 = 8;
/// Units without a key picture after which none is waited for: there are streams without.
const KEYLESS_UNITS: u32 = 512;
/// Units after which the longest pause may be forgotten, once it is known well.
const REMEMBERED_UNITS: u32 = 256;
/// The quiet that is waited for, in longest pauses inside units.
const MULTIPLE: u64 = 3;

/// Units that are so far apart are a slow camera's, ...
pub(super) const SLOW_STEP_US: u64 = 3_000_000;
/// ... and a quiet for this long, in microseconds, closes one.
pub(super) const SLOW_QUIET_US: u64 = 1_000_000;

/// A quiet that would tell that the unit is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// The time until which nothing more may come.
    pub at_us: u64,
    /// True where the writer is known to write whole units. False where only its pauses tell: on a machine that has more to
    /// do than it can, a pause tells nothing.
    pub certain: bool,
    /// It is so long that a busy machine is no reason for it.
    pub long: bool,
}

/// The writes of the unit that is being gathered. Places count from its first byte.
#[derive(Default)]
pub(super) struct Writes {
    /// The end of the last `write()` of those that ended after the first slice began.
    write_end: Option<usize>,
    /// Several did.
    cut: bool,
    /// The last place at which the unit may have been complete.
    stop: Option<Stop>,
    /// The longest pause inside the unit so far.
    inside_us: u64,
}

/// A place where the bytes ended for a while.
struct Stop {
    at: usize,
    at_us: u64,
    /// The pause behind it, once that is over.
    pause_us: Option<u64>,
}

impl Writes {
    /// More bytes came. `seen_empty`: there were none for a while.
    pub fn resume(&mut self, now_us: u64, seen_empty: bool) {
        if let Some(stop) = self.stop.as_mut().filter(|stop| stop.pause_us.is_none()) {
            if seen_empty {
                stop.pause_us = Some(now_us.saturating_sub(stop.at_us));
            } else {
                self.stop = None;
            }
        }
    }

    /// The unit goes on behind the last stop.
    pub fn goes_on(&mut self) {
        if let Some(Stop {
            pause_us: Some(us), ..
        }) = self.stop.take()
        {
            self.inside_us = self.inside_us.max(us);
        }
    }

    /// The place of the last stop, if the pause behind it is over.
    pub fn paused_at(&self) -> Option<usize> {
        let stop = self.stop.as_ref()?;
        stop.pause_us.and(Some(stop.at))
    }

    /// The bytes ended at `at`, by which the unit has a slice; `ends_write` as in [`super::assembler::Assembler::commit`].
    pub fn stop(&mut self, at: usize, now_us: u64, ends_write: Option<bool>) {
        if ends_write == Some(true) {
            self.cut |= self.write_end.is_some_and(|earlier| earlier < at);
            self.write_end = Some(at);
        }
        if ends_write != Some(false) {
            self.stop = Some(Stop {
                at,
                at_us: now_us,
                pause_us: None,
            });
        }
    }
}

/// A unit that was closed by a quiet, until it is known whether that was right.
pub(super) struct Closed {
    unit: Seen,
    stopped_us: u64,
    certain: bool,
}

/// The facts of one unit that are learned from.
#[derive(Clone, Copy)]
struct Seen {
    len: usize,
    key: bool,
    inside_us: u64,
    /// The pause behind it, where that is known.
    behind_us: Option<u64>,
}

/// The habits of one source, as far as they are learned.
#[derive(Clone)]
pub(super) struct Habit {
    whole: Whole,
    pauses: Pauses,
    closed_early: u64,
    /// Arrival of the newest unit's first slice.
    began_us: Option<u64>,
    /// That one came long after the one before, or is the first.
    slow: bool,
}

impl Habit {
    pub fn new() -> Habit {
        Habit {
            whole: Whole::new(WHOLE_UNITS),
            pauses: Pauses::new(PAUSED_UNITS, 0),
            closed_early: 0,
            began_us: None,
            slow: true,
        }
    }

    /// A unit's first slice came.
    pub fn began(&mut self, now_us: u64) {
        let before_us = self.began_us.replace(now_us);
        self.slow = before_us.is_none_or(|before_us| now_us.saturating_sub(before_us) >= SLOW_STEP_US);
    }

    /// A habit that trusts the pauses of units up to that length: for laws.
    pub fn trusting(len: usize) -> Habit {
        let mut habit = Habit::new();
        while habit.pauses.wait_us(len).is_none() {
            habit.pauses.learn(Seen {
                len,
                key: true,
                inside_us: 0,
                behind_us: Some(u64::MAX),
            });
        }
        habit
    }

    /// Begins to learn anew; what was counted stays counted.
    pub fn forget(&mut self) {
        *self = Habit {
            closed_early: self.closed_early,
            ..Habit::new()
        };
    }

    /// The quiet that would tell that a unit of `len` bytes, up to here, is complete.
    pub fn quiet(&self, writes: &Writes, len: usize) -> Option<Quiet> {
        let stop = writes.stop.as_ref();
        let stop = stop.filter(|stop| stop.at == len && stop.pause_us.is_none())?;
        let certain = writes.write_end == Some(len) && !writes.cut && self.whole.covers(len);
        let slow_us = self.slow.then(|| self.pauses.slow_wait_us());
        let wait_us = if certain {
            QUIET_US
        } else {
            self.pauses.wait_us(len).or(slow_us)?
        };
        Some(Quiet {
            at_us: stop.at_us.saturating_add(wait_us),
            certain,
            long: wait_us >= SLOW_QUIET_US,
        })
    }

    /// Learns from a unit of `len` bytes whose end showed by the beginning of the next one at `border`.
    pub fn ended(&mut self, writes: &mut Writes, len: usize, border: usize, key: bool) {
        match writes.write_end {
            Some(write_end) if writes.cut || write_end < len => self.whole.cut_unit(),
            Some(write_end) if write_end <= border => self.whole.whole_unit(len, key),
            _ => {}
        }
        let behind_us = match writes.paused_at() {
            Some(at) if at < len => {
                writes.goes_on();
                None
            }
            Some(at) if at <= border => writes.stop.as_ref().and_then(|stop| stop.pause_us),
            _ => None,
        };
        self.pauses.learn(Seen {
            len,
            key,
            inside_us: writes.inside_us,
            behind_us,
        });
    }

    /// A unit of `len` bytes is closed by a quiet.
    pub fn close(&self, writes: &Writes, len: usize, key: bool, quiet: Quiet) -> Closed {
        Closed {
            unit: Seen {
                len,
                key,
                inside_us: writes.inside_us,
                behind_us: None,
            },
            stopped_us: writes.stop.as_ref().map_or(quiet.at_us, |stop| stop.at_us),
            certain: quiet.certain,
        }
    }

    /// The next unit began: the guess was right.
    pub fn closed_rightly(&mut self, closed: &Closed, now_us: u64) {
        self.pauses.learn(Seen {
            behind_us: Some(now_us.saturating_sub(closed.stopped_us)),
            ..closed.unit
        });
    }

    /// The unit went on after it was closed.
    pub fn closed_wrongly(&mut self, closed: Option<&Closed>, now_us: u64) {
        match closed {
            Some(closed) => {
                self.closed_early += 1;
                let pause_us = now_us.saturating_sub(closed.stopped_us);
                let units = self.pauses.wanted.saturating_mul(DISTRUST_PAUSES);
                self.pauses = Pauses::new(units, pause_us);
                if closed.certain {
                    self.whole.never();
                } else {
                    self.whole.cut_unit();
                }
            }
            // It was closed by what followed, and was followed by something else.
            None => self.whole.never(),
        }
    }

    /// Units that went on after they were closed.
    pub fn closed_early(&self) -> u64 {
        self.closed_early
    }
}

/// The habit of whole writes.
#[derive(Clone)]
struct Whole {
    wanted: u32,
    whole: u32,
    key: bool,
    longest: usize,
}

impl Whole {
    fn new(wanted: u32) -> Whole {
        Whole {
            wanted,
            whole: 0,
            key: false,
            longest: 0,
        }
    }

    fn whole_unit(&mut self, len: usize, key: bool) {
        self.whole = self.whole.saturating_add(1);
        self.key |= key;
        self.longest = self.longest.max(len);
    }

    fn cut_unit(&mut self) {
        *self = Whole::new(self.wanted.saturating_mul(DISTRUST));
    }

    fn never(&mut self) {
        *self = Whole::new(u32::MAX);
    }

    fn covers(&self, len: usize) -> bool {
        let has_key = self.key || self.whole >= KEYLESS_UNITS;
        self.whole >= self.wanted && has_key && len <= self.longest
    }
}

/// The habit of pauses: those of a whole memory of units, and of the one that is being filled.
#[derive(Clone)]
struct Pauses {
    /// Units that a memory has at least.
    wanted: u32,
    /// Units after which the next memory is whole.
    length: u32,
    known: Option<Memory>,
    filling: Memory,
}

/// The pauses of some units in a row.
#[derive(Clone, Copy, Default)]
struct Memory {
    units: u32,
    keys: u32,
    /// Units that were followed by a pause far longer than any inside.
    apart: u32,
    longest: usize,
    inside_us: u64,
}

impl Memory {
    fn and(&self, other: &Memory) -> Memory {
        Memory {
            units: self.units.saturating_add(other.units),
            keys: self.keys.saturating_add(other.keys),
            apart: self.apart.saturating_add(other.apart),
            longest: self.longest.max(other.longest),
            inside_us: self.inside_us.max(other.inside_us),
        }
    }

    fn wait_us(&self) -> u64 {
        self.inside_us.saturating_mul(MULTIPLE).max(QUIET_US)
    }
}

impl Pauses {
    fn new(wanted: u32, inside_us: u64) -> Pauses {
        Pauses {
            wanted,
            length: wanted,
            known: None,
            filling: Memory {
                inside_us,
                ..Memory::default()
            },
        }
    }

    fn learn(&mut self, unit: Seen) {
        let filling = &mut self.filling;
        filling.units = filling.units.saturating_add(1);
        filling.keys = filling.keys.saturating_add(u32::from(unit.key));
        filling.longest = filling.longest.max(unit.len);
        filling.inside_us = filling.inside_us.max(unit.inside_us);
        let wait_us = self.known.map_or(*filling, |known| known.and(filling)).wait_us();
        let apart = unit.behind_us.is_some_and(|us| us >= wait_us.saturating_mul(2));
        filling.apart = filling.apart.saturating_add(u32::from(apart));
        let has_keys = filling.keys >= PAUSED_KEYS || filling.units >= KEYLESS_UNITS;
        if filling.units >= self.length && has_keys {
            self.known = Some(std::mem::take(filling));
            let longer = self.length.saturating_mul(2).min(REMEMBERED_UNITS);
            self.length = longer.max(self.wanted);
        }
    }

    /// The quiet that closes a unit of that length, in microseconds; None while none does. A unit may be longer than any that
    /// was seen, but not by much.
    fn wait_us(&self, len: usize) -> Option<u64> {
        let all = self.known?.and(&self.filling);
        let mostly_apart = u64::from(all.apart) * 8 >= u64::from(all.units) * 7;
        let is_ordinary = len <= all.longest.saturating_add(all.longest / 4);
        (mostly_apart && is_ordinary).then(|| all.wait_us())
    }

    /// The quiet that closes a unit of a slow camera.
    fn slow_wait_us(&self) -> u64 {
        let known = self.known.unwrap_or_default();
        known.and(&self.filling).wait_us().max(SLOW_QUIET_US)
    }
}
