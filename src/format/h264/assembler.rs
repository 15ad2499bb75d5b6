//! From the bytes of a pipe to access units, as early as can be known for certain.
//!
//! # Where a unit ends
//! By Rec. ITU-T H.264 7.4.1.2.3 and 7.4.1.2.4: before the first delimiter, parameter set, SEI or prefix NAL
//! unit after the unit's last slice, or before a slice with first_mb_in_slice 0. (Redundant pictures and
//! arbitrary slice order, which the Baseline and Extended profiles allow and no camera uses, are not looked
//! for.) The bytes that show it belong to the *next* unit, and most sources write those a whole frame time
//! later. An end-of-sequence NAL unit, or a delimiter that was written right after the unit, closes it at
//! once; for all others see the next section.
//!
//! # The habit
//! A source that writes each unit in one piece and then falls silent can be recognized by watching where its
//! `write()`s end. Time alone does not show it: a program that writes slice by slice may lose the processor between
//! two slices for longer than any pause that is worth waiting for. So the caller says after which bytes a
//! `write()` is known to have ended (`sys::command` makes pipes that show it), and only those ends are judged at
//! which the unit already has a slice:
//! - A unit was **whole** when the next start code shows that its only such end was the unit's end.
//! - It was **cut** when such an end lies inside it.
//!
//! After [`WHOLE_UNITS`] whole units in a row, a key picture among them, a short quiet after the end of a
//! write closes the unit ([`Assembler::quiet`]), provided that it is not longer than the longest that was
//! seen whole: what is cut by a buffer is cut at the buffer's size, which is more than anything that went
//! through it in one piece. One cut unit forgets all this and asks for four times as many the next time, so
//! that a source that cuts only some of its units soon gets no more benefit of the doubt. If bytes of a unit
//! arrive after it was closed, what was handed out was damaged: the rest is dropped, [`Chunk::Gap`] says so,
//! and this source's quiet is never trusted again.

use super::nal;
use crate::format::chunk::Chunk;
use crate::format::growing::Growing;
use memchr::memmem::Finder;

/// The longest access unit, in bytes. The largest picture of level 5.2, 36864 macroblocks of 384 bytes, has 7 MB
/// at the least compression allowed (MinCR 2, Table A-1); real ones are under 1 MB.
pub const MAX_UNIT_BYTES: usize = 8 << 20;

/// Units that must have been whole in a row before quiet is believed: half a second of an ordinary stream.
const WHOLE_UNITS: u32 = 16;
/// The factor by which more are asked for after each cut unit.
const DISTRUST: u32 = 4;
const START_CODE: [u8; 3] = [0, 0, 1];
/// nal_unit_type of slice data partition A, which holds the slice header.
const PARTITION_A: u8 = 2;
/// nal_unit_type of a prefix NAL unit.
const PREFIX: u8 = 14;

/// Cuts a byte stream into access units. It has no clock and reads nothing: put bytes into
/// [`Assembler::spare_mut`], then report it with [`Assembler::commit`]. Each byte is searched once, however small
/// the reads are.
///
/// A unit has at least one slice. It begins with its start code; zero bytes behind it are taken off. Its time
/// is that of its first slice, not of its first byte: a delimiter that was written right after one unit
/// belongs to the next, whose picture is not yet taken.
pub struct Assembler {
    /// From where the unit begins, in [`State::Open`]; else from the first byte of which nothing is known.
    bytes: Growing,
    /// No start code that was not dealt with begins before this one of them.
    searched: usize,
    state: State,
    unit: Unit,
    habit: Habit,
    dropped_bytes: u64,
    limit_bytes: usize,
    start_code: Finder<'static>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// In no unit: everything up to the beginning of one is dropped.
    Lost,
    /// In a unit.
    Open,
    /// The unit was closed before the next one was seen; only zero bytes may stand between them.
    Between,
}

/// The unit that is being gathered, as far as it is known. Offsets count from its first byte.
#[derive(Default)]
struct Unit {
    /// Arrival of the first slice; None before it.
    slice_us: Option<u64>,
    key: bool,
    /// A prefix NAL unit after a slice: the next unit begins here, unless another slice of this one follows.
    prefix: Option<usize>,
    /// The end of the last `write()` of those that ended after the first slice began.
    write_end: Option<usize>,
    /// Several did.
    cut: bool,
}

/// The source's habits of writing, as far as they are learned; see the module's text.
struct Habit {
    wanted: u32,
    whole: u32,
    key: bool,
    longest: usize,
}

impl Habit {
    fn new(wanted: u32) -> Habit {
        Habit {
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
        *self = Habit::new(self.wanted.saturating_mul(DISTRUST));
    }

    fn never(&mut self) {
        *self = Habit::new(u32::MAX);
    }

    fn covers(&self, len: usize) -> bool {
        self.whole >= self.wanted && self.key && len <= self.longest
    }
}

/// The meaning of a NAL unit for the borders of access units, by nal_unit_type (table 7-1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A slice, or data partition A of one: the NAL units that begin with a slice header.
    Slice { first: bool, key: bool },
    /// Begins a unit when it comes after a slice: delimiter, SPS, PPS, SEI, and the reserved types of that
    /// kind.
    Delimiter,
    /// Goes with the slice that follows it (7.4.2.12), so it begins a unit if that slice does.
    Prefix,
    /// End of sequence, end of stream: the last NAL unit of its access unit.
    End,
    /// Filler data: part of the unit, and of no use to anybody.
    Filler,
    /// Anything else stays in the unit in which it is found.
    Other,
}

impl Class {
    /// `nal` begins with the NAL unit header; `None` when more bytes are needed to know.
    fn of(nal: &[u8]) -> Option<Class> {
        // forbidden_zero_bit
        if nal.first()? & 0x80 != 0 {
            return Some(Class::Other);
        }
        Some(match nal::unit_type(nal) {
            // first_mb_in_slice comes first in the slice header, as ue(v): 0 is the single bit 1.
            kind @ (nal::SLICE | PARTITION_A | nal::IDR) => Class::Slice {
                first: nal.get(1)? & 0x80 != 0,
                key: kind == nal::IDR,
            },
            nal::SEI | nal::SPS | nal::PPS | nal::AUD | 15..=18 => Class::Delimiter,
            PREFIX => Class::Prefix,
            nal::END_OF_SEQUENCE | nal::END_OF_STREAM => Class::End,
            nal::FILLER => Class::Filler,
            _ => Class::Other,
        })
    }

    fn can_begin_a_unit(self) -> bool {
        matches!(
            self,
            Class::Slice { first: true, .. } | Class::Delimiter | Class::Prefix
        )
    }
}

impl Default for Assembler {
    fn default() -> Assembler {
        Assembler::new()
    }
}

impl Assembler {
    /// An assembler at the start of a stream.
    pub fn new() -> Assembler {
        Assembler::with_limit(MAX_UNIT_BYTES)
    }

    fn with_limit(limit_bytes: usize) -> Assembler {
        Assembler {
            bytes: Growing::default(),
            searched: 0,
            state: State::Lost,
            unit: Unit::default(),
            habit: Habit::new(WHOLE_UNITS),
            dropped_bytes: 0,
            limit_bytes,
            start_code: Finder::new(&START_CODE),
        }
    }

    /// Room for the next read, at least `min` bytes.
    pub fn spare_mut(&mut self, min: usize) -> &mut [u8] {
        self.bytes.spare_mut(min)
    }

    /// Takes the `read_bytes` that were put at the beginning of [`Assembler::spare_mut`] at `now_us`, and gives
    /// `sink` what they complete. `ends_write`: the last of them is certain to be the last of its writer's
    /// `write()`.
    pub fn commit(
        &mut self,
        read_bytes: usize,
        ends_write: bool,
        now_us: u64,
        sink: &mut dyn FnMut(Chunk<'_>),
    ) {
        self.bytes.commit(read_bytes);
        let mut begun = false;
        while let Some(found) = self.start_code.find(&self.bytes.held()[self.searched..]) {
            let at = self.searched + found;
            let Some(class) = Class::of(&self.bytes.held()[at + START_CODE.len()..]) else {
                self.searched = at;
                begun = true;
                break;
            };
            self.searched = at + START_CODE.len();
            self.nal_unit(at, class, now_us, sink);
        }
        let held = self.bytes.held().len();
        if !begun {
            // The last two bytes may be the first two of a start code.
            self.searched = self.searched.max(held.saturating_sub(START_CODE.len() - 1));
        }
        if self.state == State::Open {
            self.check_length(self.searched, sink);
        }
        if self.state == State::Open {
            if ends_write && !begun && self.unit.slice_us.is_some() {
                self.unit.cut |= self.unit.write_end.is_some_and(|earlier| earlier < held);
                self.unit.write_end = Some(held);
            }
        } else {
            // One byte more is kept: the zero_byte of a start code of four.
            self.drop_until(self.searched.saturating_sub(1), sink);
        }
    }

    /// True if a quiet of a few milliseconds from now on would mean that the unit is complete.
    pub fn awaits_quiet(&self) -> bool {
        let len = self.bytes.held().len();
        self.state == State::Open
            && self.unit.write_end == Some(len)
            && !self.unit.cut
            && self.habit.covers(len)
    }

    /// Gives `sink` the unit if it is known to be complete; for a caller to whom nothing has come for a few milliseconds.
    pub fn quiet(&mut self, sink: &mut dyn FnMut(Chunk<'_>)) {
        if self.awaits_quiet() {
            self.close(self.bytes.held().len(), sink);
        }
    }

    /// The end of the stream. The last unit is given to `sink` if it is known to be complete, or if the
    /// writer is known to have written all that it wanted (`orderly`).
    pub fn finish(&mut self, orderly: bool, sink: &mut dyn FnMut(Chunk<'_>)) {
        if self.state == State::Open && self.unit.slice_us.is_some() && (orderly || self.awaits_quiet()) {
            // A last start code with nothing behind it is not part of the unit.
            let held = self.bytes.held();
            let bare = held[self.searched..].starts_with(&START_CODE);
            self.close(if bare { self.searched } else { held.len() }, sink);
        }
        *self = Assembler::with_limit(self.limit_bytes);
    }

    /// Bytes that were found outside of any unit and dropped, zero bytes between units apart.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// A NAL unit whose start code of three bytes is `at`.
    fn nal_unit(&mut self, at: usize, class: Class, now_us: u64, sink: &mut dyn FnMut(Chunk<'_>)) {
        if self.state == State::Open {
            self.check_length(at, sink);
        }
        match self.state {
            State::Open => {
                if self.unit.slice_us.is_some() {
                    match class {
                        Class::Slice { first: false, .. } => self.unit.prefix = None,
                        Class::Slice { first: true, .. } | Class::Delimiter => {
                            let border = self.unit.prefix.unwrap_or(at);
                            self.judge(border);
                            let closed = self.close(border, sink);
                            self.begin(border - closed);
                        }
                        Class::Prefix => drop(self.unit.prefix.get_or_insert(at)),
                        Class::End => {
                            self.searched = at + START_CODE.len() + 1;
                            self.close(self.searched, sink);
                            return;
                        }
                        Class::Filler | Class::Other => {}
                    }
                }
            }
            State::Between | State::Lost => {
                let before = self.with_zero_byte(at);
                self.drop_until(before, sink);
                if class.can_begin_a_unit() {
                    self.begin(at - before);
                } else if self.state == State::Between {
                    // What belongs to the unit that is gone: harmless if it is none of its slices.
                    self.state = State::Lost;
                    if !matches!(class, Class::End | Class::Filler) {
                        self.habit.never();
                        sink(Chunk::Gap);
                    }
                }
            }
        }
        if let (State::Open, Class::Slice { key, .. }) = (self.state, class) {
            self.unit.slice_us.get_or_insert(now_us);
            self.unit.key |= key;
        }
    }

    /// Where a start code of three bytes `at` begins when its zero_byte is counted in.
    fn with_zero_byte(&self, at: usize) -> usize {
        at - usize::from(at > 0 && self.bytes.held()[at - 1] == 0)
    }

    /// A unit begins with the start code `at`.
    fn begin(&mut self, at: usize) {
        self.consume(self.with_zero_byte(at));
        self.unit = Unit::default();
        self.state = State::Open;
    }

    /// Learns from the unit that is about to be closed because the next one begins at `border`.
    fn judge(&mut self, border: usize) {
        let len = self.unit_end(border);
        match self.unit.write_end {
            Some(write_end) if self.unit.cut || write_end < len => self.habit.cut_unit(),
            Some(write_end) if write_end <= border => self.habit.whole_unit(len, self.unit.key),
            _ => {}
        }
    }

    /// Hands out the unit, which ends somewhere before `border`, and gives how many bytes it had.
    fn close(&mut self, border: usize, sink: &mut dyn FnMut(Chunk<'_>)) -> usize {
        let end = self.unit_end(border);
        if let Some(arrived_us) = self.unit.slice_us {
            sink(Chunk::Unit {
                data: &self.bytes.held()[..end],
                arrived_us,
            });
        }
        self.consume(end);
        self.state = State::Between;
        end
    }

    /// Lets go of bytes; what counts from the first held byte counts from the next one.
    fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
        self.searched = self.searched.saturating_sub(count);
    }

    /// The unit's end without trailing_zero_8bits: no NAL unit ends with a zero byte (7.4.1).
    fn unit_end(&self, border: usize) -> usize {
        let last = self.bytes.held()[..border].iter().rposition(|&byte| byte != 0);
        last.map_or(0, |last| last + 1)
    }

    /// Gives up a unit that is too long when `reached` is still in it.
    fn check_length(&mut self, reached: usize, sink: &mut dyn FnMut(Chunk<'_>)) {
        if reached > self.limit_bytes {
            self.state = State::Lost;
            sink(Chunk::Gap);
        }
    }

    /// Forgets bytes in which no unit begins. Only zeros may follow a closed unit: anything else was its
    /// rest.
    fn drop_until(&mut self, upto: usize, sink: &mut dyn FnMut(Chunk<'_>)) {
        let mut dropped = upto;
        if self.state == State::Between {
            if let Some(zeros) = self.bytes.held()[..upto].iter().position(|&byte| byte != 0) {
                dropped -= zeros;
                self.state = State::Lost;
                self.habit.never();
                sink(Chunk::Gap);
            }
        }
        if self.state == State::Lost {
            self.dropped_bytes += dropped as u64;
        }
        self.consume(upto);
    }
}

/// Laws that hold for any bytes, as functions that panic where one is broken: for tests and fuzz targets.
pub mod laws {
    use super::{Assembler, Chunk, START_CODE};
    use memchr::memmem;

    /// However `data` is cut into reads, the same comes out; every unit that comes out stood in `data`, in
    /// this order, from a start code to a byte that is not zero, and is not longer than the limit by more
    /// than a NAL unit header.
    ///
    /// # Panics
    /// When that is not so.
    pub fn assembler(data: &[u8]) {
        for limit in [super::MAX_UNIT_BYTES, 40] {
            let whole = units(data, limit, || usize::MAX);
            let mut rest = data;
            for unit in whole.0.iter().flatten() {
                assert!(unit.starts_with(&START_CODE) || unit.starts_with(&[0, 0, 0, 1]));
                assert!(unit.len() <= limit + START_CODE.len() + 1 && unit.last() != Some(&0));
                let at = memmem::find(rest, unit);
                assert!(at.is_some(), "a unit that was not there");
                rest = &rest[at.unwrap_or(0) + unit.len()..];
            }
            assert_eq!(whole, units(data, limit, || 1), "one byte at a time");
            for seed in 1..4 {
                let mut random = data.len() as u64 + seed;
                let chunk = || {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    1 + (random >> 40) as usize % [3, 9, 100][seed as usize - 1]
                };
                assert_eq!(whole, units(data, limit, chunk), "seed {seed}");
            }
        }
    }

    /// Units (`None`: a gap), and the bytes that were dropped.
    fn units(data: &[u8], limit: usize, mut chunk: impl FnMut() -> usize) -> (Vec<Option<Vec<u8>>>, u64) {
        let mut assembler = Assembler::with_limit(limit);
        let mut out = Vec::new();
        let mut sink = |chunk: Chunk<'_>| match chunk {
            Chunk::Unit { data, .. } => out.push(Some(data.to_vec())),
            Chunk::Gap => out.push(None),
        };
        let mut rest = data;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(chunk().min(rest.len()));
            assembler.spare_mut(now.len())[..now.len()].copy_from_slice(now);
            assembler.commit(now.len(), true, 0, &mut sink);
            rest = later;
        }
        let dropped = assembler.dropped_bytes();
        assembler.finish(true, &mut sink);
        (out, dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random::Random;

    const AUD: &[u8] = &[0, 0, 0, 1, 9, 0xf0];
    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2, 3];
    const PPS: &[u8] = &[0, 0, 1, 0x68, 1, 2];
    const SEI: &[u8] = &[0, 0, 1, 6, 5, 1, 0, 0x80];
    const IDR: &[u8] = &[0, 0, 1, 0x65, 0x88, 7, 7, 7, 7, 7, 7];
    const IDR_2: &[u8] = &[0, 0, 1, 0x65, 0x48, 8, 8];
    const P: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a, 9, 9];
    const P_2: &[u8] = &[0, 0, 1, 0x41, 0x40, 5];
    const SVC: &[u8] = &[0, 0, 1, 0x6e, 0x40];
    const FILLER: &[u8] = &[0, 0, 1, 12, 0xff, 0xff, 0x80];
    const END: &[u8] = &[0, 0, 1, 10];

    /// The writes of a source, and what came out.
    struct Bench {
        assembler: Assembler,
        out: Vec<Option<Vec<u8>>>,
        now_us: u64,
        arrived_us: Vec<u64>,
    }

    impl Bench {
        fn new() -> Bench {
            Bench {
                assembler: Assembler::new(),
                out: Vec::new(),
                now_us: 0,
                arrived_us: Vec::new(),
            }
        }

        fn each(&mut self, act: impl FnOnce(&mut Assembler, &mut dyn FnMut(Chunk<'_>))) {
            act(&mut self.assembler, &mut |chunk| match chunk {
                Chunk::Unit { data, arrived_us } => {
                    self.out.push(Some(data.to_vec()));
                    self.arrived_us.push(arrived_us);
                }
                Chunk::Gap => self.out.push(None),
            });
        }

        fn read(&mut self, bytes: &[u8], ends_write: bool) {
            self.now_us += 1;
            let now_us = self.now_us;
            self.each(|assembler, sink| {
                assembler.spare_mut(bytes.len())[..bytes.len()].copy_from_slice(bytes);
                assembler.commit(bytes.len(), ends_write, now_us, sink);
            });
        }

        fn write(&mut self, bytes: &[u8]) {
            self.read(bytes, true);
        }

        /// How many units came out by now; forgets them.
        fn came(&mut self) -> usize {
            assert!(!self.out.contains(&None), "no gap");
            std::mem::take(&mut self.out).len()
        }

        /// Quiet; whether it brought a unit.
        fn quiet_closes(&mut self) -> bool {
            let before = self.out.len();
            let awaited = self.assembler.awaits_quiet();
            self.each(|assembler, sink| assembler.quiet(sink));
            assert_eq!(awaited, self.out.len() > before);
            awaited
        }

        /// Units in one write each, until one is closed by quiet; how many that took.
        fn units_until_trusted(&mut self, most: usize) -> Option<usize> {
            (1..=most).find(|n| {
                self.write(&if n % 8 == 1 {
                    [SPS, PPS, IDR].concat()
                } else {
                    P.to_vec()
                });
                self.quiet_closes()
            })
        }
    }

    fn units(parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut bench = Bench::new();
        bench.read(&parts.concat(), false);
        bench.each(|assembler, sink| assembler.finish(true, sink));
        laws::assembler(&parts.concat());
        bench.out.into_iter().flatten().collect()
    }

    #[test]
    fn borders_are_where_the_standard_puts_them() {
        let key = [SPS, PPS, SEI, IDR, IDR_2].concat();
        let delta = [P, P_2].concat();
        assert_eq!(units(&[&key, &delta, &delta]), [&key[..], &delta, &delta]);
        let with = |first: &[u8], unit: &[u8]| [first, unit].concat();
        assert_eq!(
            units(&[AUD, &key, AUD, &delta, AUD, &delta]),
            [with(AUD, &key), with(AUD, &delta), with(AUD, &delta)]
        );
        assert_eq!(
            units(&[&key, SEI, P, PPS, P]),
            [key.clone(), with(SEI, P), with(PPS, P)]
        );
        // Filler and an end of sequence belong to what they follow.
        assert_eq!(
            units(&[P, FILLER, P, END, P]),
            [with(P, FILLER), with(P, END), P.to_vec()]
        );
        // A prefix NAL unit goes with its slice.
        assert_eq!(
            units(&[SVC, P, SVC, P_2, SVC, P]),
            [[SVC, P, SVC, P_2].concat(), with(SVC, P)]
        );
        assert_eq!(
            units(&[SVC, P, SVC, AUD, P]),
            [with(SVC, P), [SVC, AUD, P].concat()]
        );
    }

    #[test]
    fn zeros_between_units_and_garbage_before_them_are_left_out() {
        assert_eq!(units(&[P, &[0; 9], P, &[0, 0]]), [P, P]);
        assert_eq!(
            units(&[b"hello \0\0\x01\x1fthere", P_2, &[0, 0, 0], SPS, P]),
            [[SPS, P].concat()]
        );
        assert_eq!(units(&[b"nothing in here"]), Vec::<Vec<u8>>::new());
        // Parameter sets alone, or a start code alone, are no unit.
        assert_eq!(units(&[P, SPS, PPS]), [P]);
        assert_eq!(units(&[P, &[0, 0, 1]]), [P]);
        let mut bench = Bench::new();
        bench.read(&[b"12345", P, P].concat(), false);
        assert_eq!((bench.assembler.dropped_bytes(), bench.came()), (5, 1));
    }

    #[test]
    fn what_follows_directly_closes_a_unit_at_once() {
        for next in [AUD, SPS, PPS, SEI, &P[..6], &[0, 0, 1, 9]] {
            let mut bench = Bench::new();
            bench.write(&[P, next].concat());
            assert_eq!(bench.came(), 1, "{next:?}");
            bench.write(&[]);
            assert_eq!(bench.came(), 0);
        }
        let mut bench = Bench::new();
        bench.write(&[P, END].concat());
        assert_eq!(bench.came(), 1);
        // One bit of the slice header tells, and not less.
        bench.write(&P[..5]);
        bench.write(&P[5..]);
        bench.write(&P[..5]);
        assert_eq!(bench.came(), 0);
        bench.write(&P[5..6]);
        assert_eq!(bench.came(), 1);
    }

    #[test]
    fn the_time_is_that_of_the_first_slice() {
        let mut bench = Bench::new();
        bench.write(&[SPS, PPS].concat()); // 1
        bench.write(&[IDR, AUD].concat()); // 2
        bench.write(&P[..5]); // 3
        bench.write(&P[5..]); // 4
        bench.write(P_2); // 5
        bench.write(AUD);
        assert_eq!(bench.arrived_us, [2, 4]);
    }

    #[test]
    fn quiet_closes_once_the_habit_is_known() {
        let mut bench = Bench::new();
        // The last is closed by the quiet behind it, and those before by the next one's beginning.
        assert_eq!(bench.units_until_trusted(100), Some(WHOLE_UNITS as usize + 1));
        bench.came();
        for _ in 0..50 {
            bench.write(P);
            assert!(bench.quiet_closes() && bench.came() == 1);
            assert!(!bench.quiet_closes());
        }
    }

    #[test]
    fn quiet_closes_nothing_without_a_known_end_of_a_write() {
        let mut bench = Bench::new();
        assert!(bench.units_until_trusted(100).is_some());
        bench.read(P, false);
        assert!(!bench.quiet_closes());
        // The rest of the same write.
        bench.read(P_2, true);
        assert!(bench.quiet_closes());
        // Not within a start code or a NAL unit header.
        bench.write(&[P, &[0, 0, 1]].concat());
        assert!(!bench.quiet_closes());
    }

    #[test]
    fn a_key_picture_must_have_been_whole_too() {
        let mut bench = Bench::new();
        for _ in 0..100 {
            bench.write(P);
            assert!(!bench.quiet_closes());
        }
        // Its second slice comes in another write, each time.
        for _ in 0..10 {
            bench.write(&[SPS, PPS, IDR].concat());
            assert!(!bench.quiet_closes());
            bench.write(IDR_2);
            for _ in 0..100 {
                bench.write(P);
                assert!(!bench.quiet_closes());
            }
        }
        assert_eq!(bench.came(), 1109);
    }

    #[test]
    fn a_unit_longer_than_any_whole_one_is_not_closed_by_quiet() {
        let long = [P, &[3; 50]].concat();
        let mut bench = Bench::new();
        assert!(bench.units_until_trusted(100).is_some());
        bench.write(&long);
        assert!(!bench.quiet_closes());
        bench.write(P);
        assert!(bench.quiet_closes());
        bench.write(&long);
        assert!(bench.quiet_closes());
    }

    #[test]
    fn a_cut_unit_raises_the_price() {
        let mut bench = Bench::new();
        let mut wanted = WHOLE_UNITS as usize;
        for _ in 0..3 {
            assert_eq!(bench.units_until_trusted(10_000), Some(wanted + 1));
            bench.write(P);
            bench.write(P_2);
            assert!(!bench.quiet_closes());
            wanted *= DISTRUST as usize;
        }
        // The cut was seen when the next unit began, which counts as its first.
        bench.came();
    }

    #[test]
    fn a_unit_closed_too_early_is_a_gap_and_ends_the_trust() {
        for rest in [P_2, &[7, 7, 7][..], &[0, 0, 1, 0x54, 1]] {
            let mut bench = Bench::new();
            assert!(bench.units_until_trusted(100).is_some());
            bench.came();
            bench.write(P);
            assert!(bench.quiet_closes());
            bench.write(rest);
            bench.write(P);
            bench.write(P);
            assert_eq!(bench.out, [Some(P.to_vec()), None, Some(P.to_vec())], "{rest:?}");
            bench.out.clear();
            assert_eq!(bench.units_until_trusted(5000), None);
        }
        // Nothing of value was lost with these.
        for rest in [FILLER, END, &[0, 0]] {
            let mut bench = Bench::new();
            assert!(bench.units_until_trusted(100).is_some());
            bench.write(rest);
            bench.write(P);
            assert!(bench.quiet_closes());
            bench.came();
        }
    }

    #[test]
    fn the_last_unit_of_an_orderly_end_comes_out() {
        for orderly in [true, false] {
            let mut bench = Bench::new();
            bench.write(P);
            bench.each(|assembler, sink| assembler.finish(orderly, sink));
            assert_eq!(bench.came(), usize::from(orderly));
            bench.write(P);
            assert_eq!(bench.came(), 0, "as new");
        }
    }

    #[test]
    fn a_unit_over_the_limit_is_a_gap() {
        let endless = vec![5; MAX_UNIT_BYTES / 64];
        let mut bench = Bench::new();
        bench.write(P);
        bench.write(P);
        for _ in 0..200 {
            bench.write(&endless);
        }
        assert!(bench.assembler.bytes.capacity() < 3 * MAX_UNIT_BYTES);
        bench.write(P_2);
        bench.write(P);
        bench.write(P);
        assert_eq!(bench.out, [Some(P.to_vec()), None, Some(P.to_vec())]);
    }

    #[test]
    fn x264_writes_two_slices_a_picture() {
        let stream = include_bytes!("../../../tests/fixtures/x264/x264_two_slices.h264");
        let units = units(&[stream]);
        assert_eq!(units.concat(), stream);
        let kinds = |unit: &Vec<u8>| nal::nal_units(unit).map(nal::unit_type).collect::<Vec<_>>();
        let (key, delta) = ([7, 8, 5, 5], [1, 1]);
        assert_eq!(
            units.iter().map(kinds).collect::<Vec<_>>(),
            [&key[..], &delta, &delta, &key]
        );
    }

    #[test]
    fn mutations_keep_the_laws() {
        let parts = [
            AUD,
            SPS,
            PPS,
            SEI,
            IDR,
            IDR_2,
            P,
            P_2,
            SVC,
            FILLER,
            END,
            &[0, 0, 0],
            &[0, 0, 1],
            &[1],
        ];
        let mut random = Random::new(1);
        let mut pick = |below| random.below(below);
        for _ in 0..100_000 {
            let mut data: Vec<u8> = (0..pick(12))
                .flat_map(|_| parts[pick(parts.len())])
                .copied()
                .collect();
            for _ in 0..pick(4) {
                if !data.is_empty() {
                    let at = pick(data.len());
                    data[at] = [0, 1, 9, 0x41, 0xff][pick(5)];
                }
            }
            laws::assembler(&data);
        }
    }
}
