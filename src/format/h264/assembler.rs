//! From the bytes of a pipe to access units, as early as can be known for certain.
//!
//! # Where a unit ends
//! By Rec. ITU-T H.264 7.4.1.2.3 and 7.4.1.2.4: before the first delimiter, parameter set, SEI or prefix NAL
//! unit after the unit's last slice, or before a slice with first_mb_in_slice 0. (Redundant pictures and
//! arbitrary slice order, which the Baseline and Extended profiles allow and no camera uses, are not looked
//! for.) The bytes that show it belong to the *next* unit, and most sources write those a whole frame time
//! later. An end-of-sequence NAL unit, or a delimiter that was written right after the unit, closes it at
//! once.
//!
//! # Quiet
//! For all others the writer's habits tell, once they are known (`habit.rs`): a quiet after what may be the end of a unit
//! closes it. If bytes of a unit arrive after it was closed, what was handed out was damaged: the rest is dropped, and
//! [`Chunk::Gap`] says so.

use super::habit::{Closed, Habit, Quiet, Writes};
use super::nal::{self, START_CODE};
use crate::format::chunk::Chunk;
use crate::format::growing::Growing;
use crate::format::search::find;
use std::mem;

/// The longest access unit, in bytes. The largest picture of level 5.2, 36864 macroblocks of 384 bytes, has 7 MB
/// at the least compression allowed (MinCR 2, Table A-1); real ones are under 1 MB.
pub const MAX_UNIT_BYTES: usize = 8 << 20;

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
    /// The last unit, if it was closed by a quiet, until the next one begins.
    closed: Option<Closed>,
    /// There was nothing to read after the last bytes.
    seen_empty: bool,
    /// Time of the last bytes.
    now_us: u64,
    dropped_bytes: u64,
    limit_bytes: usize,
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
    writes: Writes,
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

    /// An assembler at the start of a stream whose units are at most so long.
    pub(super) fn with_limit(limit_bytes: usize) -> Assembler {
        Assembler {
            bytes: Growing::default(),
            searched: 0,
            state: State::Lost,
            unit: Unit::default(),
            habit: Habit::new(),
            closed: None,
            seen_empty: false,
            now_us: 0,
            dropped_bytes: 0,
            limit_bytes,
        }
    }

    /// An assembler to which each pause tells the end of a unit of at most `len` bytes: for laws.
    pub(super) fn trusting(len: usize) -> Assembler {
        Assembler {
            habit: Habit::trusting(len),
            ..Assembler::new()
        }
    }

    /// Room for the next read, at least `min` bytes.
    pub fn spare_mut(&mut self, min: usize) -> &mut [u8] {
        self.bytes.spare_mut(min)
    }

    /// Takes the `read_bytes` that were put at the beginning of [`Assembler::spare_mut`] at `now_us`, and gives
    /// `sink` what they complete. `ends_write`: the last of them is certain to be the last of its writer's
    /// `write()`, or may not be; None where the pipe does not show that.
    pub fn commit(
        &mut self,
        read_bytes: usize,
        ends_write: Option<bool>,
        now_us: u64,
        sink: &mut dyn FnMut(Chunk<'_>),
    ) {
        self.now_us = now_us;
        self.bytes.commit(read_bytes);
        let seen_empty = mem::take(&mut self.seen_empty);
        self.unit.writes.resume(now_us, seen_empty);
        let mut begun = false;
        while let Some(found) = find(&self.bytes.held()[self.searched..], &START_CODE) {
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
            if !begun && self.unit.slice_us.is_some() {
                // Zeros may be the beginning of the next unit, as a prefix is.
                let paused_at = self
                    .unit
                    .writes
                    .paused_at()
                    .filter(|_| self.unit.prefix.is_none());
                if paused_at.is_some_and(|at| self.bytes.held()[at..].iter().any(|&byte| byte != 0)) {
                    self.unit.writes.goes_on();
                }
                self.unit.writes.stop(held, now_us, ends_write);
            }
        } else {
            // One byte more is kept: the zero_byte of a start code of four.
            self.drop_until(self.searched.saturating_sub(1), sink);
        }
    }

    /// Notes that there is nothing more to read for now. A pause that begins without it is not learned from.
    pub fn empty(&mut self) {
        self.seen_empty = true;
    }

    /// The quiet that would tell that the unit is complete, if one would.
    pub fn quiet(&self) -> Option<Quiet> {
        if self.state != State::Open {
            return None;
        }
        self.habit.quiet(&self.unit.writes, self.bytes.held().len())
    }

    /// Gives `sink` the unit if a quiet until `now_us` tells that it is complete.
    pub fn close_quiet(&mut self, now_us: u64, sink: &mut dyn FnMut(Chunk<'_>)) {
        if let Some(quiet) = self.quiet().filter(|quiet| quiet.at_us <= now_us) {
            let len = self.bytes.held().len();
            let closed = self.habit.close(&self.unit.writes, len, self.unit.key, quiet);
            self.close(len, sink);
            self.closed = Some(closed);
        }
    }

    /// The end of the stream. The last unit is given to `sink` if it is known to be complete, or if the
    /// writer is known to have written all that it wanted (`orderly`).
    pub fn finish(&mut self, orderly: bool, sink: &mut dyn FnMut(Chunk<'_>)) {
        if self.state == State::Open
            && self.unit.slice_us.is_some()
            && (orderly || self.quiet().is_some_and(|quiet| quiet.certain))
        {
            // A last start code with nothing behind it is not part of the unit.
            let held = self.bytes.held();
            let bare = held[self.searched..].starts_with(&START_CODE);
            self.close(if bare { self.searched } else { held.len() }, sink);
        }
        let anew = Assembler::with_limit(self.limit_bytes);
        let mut habit = mem::replace(self, anew).habit;
        habit.forget();
        self.habit = habit;
    }

    /// Bytes that were found outside of any unit and dropped, zero bytes between units apart.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// Units that were closed by a quiet, and went on after it.
    pub fn closed_early(&self) -> u64 {
        self.habit.closed_early()
    }

    /// A NAL unit whose start code of three bytes is `at`.
    fn nal_unit(&mut self, at: usize, class: Class, now_us: u64, sink: &mut dyn FnMut(Chunk<'_>)) {
        if self.state == State::Open {
            self.check_length(at, sink);
        }
        match self.state {
            State::Open => {
                if let Some(closed) = self.closed.take() {
                    // A prefix came after a quiet: what it goes with tells which unit is its own.
                    match class {
                        Class::Slice { first: false, .. } => {
                            self.habit.closed_wrongly(Some(&closed), now_us);
                            self.state = State::Lost;
                            sink(Chunk::Gap);
                            return;
                        }
                        Class::Slice { .. } | Class::Delimiter => self.habit.closed_rightly(&closed, now_us),
                        _ => self.closed = Some(closed),
                    }
                }
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
                    if class != Class::Prefix {
                        if let Some(closed) = self.closed.take() {
                            self.habit.closed_rightly(&closed, now_us);
                        }
                    }
                    self.begin(at - before);
                } else if self.state == State::Between {
                    // What belongs to the unit that is gone: harmless if it is none of its slices.
                    self.state = State::Lost;
                    let closed = self.closed.take();
                    if !matches!(class, Class::End | Class::Filler) {
                        self.habit.closed_wrongly(closed.as_ref(), now_us);
                        sink(Chunk::Gap);
                    }
                }
            }
        }
        if let (State::Open, Class::Slice { key, .. }) = (self.state, class) {
            if self.unit.slice_us.is_none() {
                self.unit.slice_us = Some(now_us);
                self.habit.began(now_us);
            }
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
        let Unit { writes, key, .. } = &mut self.unit;
        self.habit.ended(writes, len, border, *key);
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
                let closed = self.closed.take();
                self.habit.closed_wrongly(closed.as_ref(), self.now_us);
                sink(Chunk::Gap);
            }
        }
        if self.state == State::Lost {
            self.dropped_bytes += dropped as u64;
        }
        self.consume(upto);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::h264::habit::{DISTRUST, SLOW_QUIET_US, SLOW_STEP_US, WHOLE_UNITS};
    use crate::format::h264::laws;
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
        /// One whose units do not come far apart.
        fn new() -> Bench {
            let mut bench = Bench::slow();
            bench.assembler.habit.began(0);
            bench
        }

        /// One that has seen nothing.
        fn slow() -> Bench {
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
                assembler.commit(bytes.len(), Some(ends_write), now_us, sink);
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
            let quiet = self.assembler.quiet();
            let at_us = quiet.map_or(self.now_us, |quiet| quiet.at_us);
            self.each(|assembler, sink| assembler.close_quiet(at_us, sink));
            assert_eq!(quiet.is_some(), self.out.len() > before);
            quiet.is_some()
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
    fn pictures_far_apart_are_not_kept_until_the_next_one() {
        // The first of all, and in one write or several.
        for unit in [&[SPS, PPS, IDR][..], &[IDR], &[IDR, IDR_2]] {
            let mut bench = Bench::slow();
            for _ in 0..10 {
                bench.now_us += SLOW_STEP_US;
                for part in unit {
                    bench.write(part);
                }
                let quiet = bench.assembler.quiet().unwrap();
                assert!(!quiet.certain && quiet.long && quiet.at_us == bench.now_us + SLOW_QUIET_US);
                assert!(bench.quiet_closes() && bench.came() == 1);
            }
            // One that comes right after another is no such picture.
            bench.write(P);
            assert!(!bench.quiet_closes());
            assert_eq!(bench.assembler.closed_early(), 0);
        }
    }

    #[test]
    fn a_stream_without_key_pictures_is_known_in_time() {
        let mut bench = Bench::new();
        let trusted = (1..1000).find(|_| {
            bench.write(P);
            bench.quiet_closes()
        });
        assert_eq!(trusted, Some(513));
    }

    /// A prefix NAL unit after a quiet may be of the unit that the quiet closed.
    #[test]
    fn a_prefix_after_a_quiet_is_of_the_unit_of_its_slice() {
        for (next, closed_early) in [(P_2, 1), (P, 0)] {
            let mut bench = Bench::new();
            assert!(bench.units_until_trusted(100).is_some());
            bench.came();
            bench.write(&[SVC, P].concat());
            assert!(bench.quiet_closes() && bench.came() == 1);
            for part in [SVC, next, &P[..6]] {
                bench.write(part);
            }
            let rest = match closed_early {
                0 => Some([SVC, P].concat()),
                _ => None,
            };
            assert_eq!(bench.out, [rest]);
            assert_eq!(bench.assembler.closed_early(), closed_early);
        }
    }

    #[test]
    fn a_slow_camera_that_pauses_inside_is_waited_for() {
        let mut bench = Bench::slow();
        bench.write(IDR);
        assert!(bench.quiet_closes());
        bench.now_us += 2 * SLOW_QUIET_US;
        bench.write(IDR_2);
        assert_eq!(bench.out.pop(), Some(None));
        assert_eq!(bench.assembler.closed_early(), 1);
        bench.now_us += SLOW_STEP_US;
        bench.write(P);
        assert_eq!(
            bench.assembler.quiet().unwrap().at_us,
            bench.now_us + 6 * SLOW_QUIET_US + 3
        );
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
            if data.len() % 16 == 0 {
                laws::quiet(&data);
            }
        }
    }

    /// A piece of a unit: the time after the one before, the bytes, and whether its `write()` is known to end.
    type Piece = (u64, Vec<u8>, Option<bool>);

    /// What became of a simulated writer's units.
    #[derive(Default)]
    struct Outcome {
        /// From the last piece of each unit to its coming out.
        late_us: Vec<u64>,
        gaps: usize,
        early: u64,
    }

    impl Outcome {
        /// How late the one is that is later than `percent` of the last `count`.
        fn late_us(&self, count: usize, percent: usize) -> u64 {
            let mut last = self.late_us[self.late_us.len() - count..].to_vec();
            last.sort_unstable();
            last[count * percent / 100]
        }
    }

    /// Writes units, each at its time, and reads without delay. The machine is not busy, or looks so.
    fn simulate(units: impl Iterator<Item = (u64, Vec<Piece>)>) -> Outcome {
        let mut assembler = Assembler::new();
        let mut outcome = Outcome::default();
        let mut written: Vec<(Vec<u8>, u64)> = Vec::new();
        let mut now_us = 0;
        for (due_us, pieces) in units {
            now_us = due_us.max(now_us);
            let unit: Vec<u8> = pieces.iter().flat_map(|piece| piece.1.clone()).collect();
            let end_us = now_us + pieces.iter().map(|piece| piece.0).sum::<u64>();
            written.push((unit, end_us));
            for (after_us, bytes, ends_write) in pieces {
                now_us += after_us;
                let mut take = |at_us: u64, chunk: Chunk<'_>| match chunk {
                    Chunk::Unit { data, .. } => {
                        let at = written.iter().position(|(unit, _)| *unit == data);
                        let damaged = written.iter().position(|(unit, _)| unit.starts_with(data));
                        let (_, end_us) = written.remove(at.or(damaged).expect("it was written"));
                        outcome.late_us.push(at_us.saturating_sub(end_us));
                    }
                    Chunk::Gap => outcome.gaps += 1,
                };
                if let Some(quiet) = assembler.quiet().filter(|quiet| quiet.at_us < now_us) {
                    assembler.close_quiet(quiet.at_us, &mut |chunk| take(quiet.at_us, chunk));
                }
                assembler.spare_mut(bytes.len())[..bytes.len()].copy_from_slice(&bytes);
                assembler.commit(bytes.len(), ends_write, now_us, &mut |chunk| take(now_us, chunk));
                assembler.empty();
            }
        }
        outcome.early = assembler.closed_early();
        assert_eq!(outcome.gaps as u64, outcome.early);
        outcome
    }

    /// `count` units at that rate, a key frame each second, each cut by `cut` (it is given the number).
    fn steady(
        count: u64,
        fps: u64,
        mut cut: impl FnMut(u64, bool) -> Vec<Piece>,
    ) -> impl Iterator<Item = (u64, Vec<Piece>)> {
        (0..count).map(move |number| (number * 1_000_000 / fps, cut(number, number % fps == 0)))
    }

    /// A unit of that number, cut into that many pieces, of which the first has a slice already.
    fn cut(number: u64, key: bool, pieces: usize) -> Vec<Vec<u8>> {
        let mut unit = if key { [SPS, PPS, IDR].concat() } else { P.to_vec() };
        unit.extend(number.to_be_bytes().map(|byte| byte | 1));
        let mut pieces: Vec<Vec<u8>> = (1..pieces).map(|_| vec![7; 9]).collect();
        pieces.insert(0, unit);
        pieces
    }

    /// Two slices of a unit.
    fn two_slices(number: u64, key: bool) -> [Vec<u8>; 2] {
        let first = cut(number, key, 1).concat();
        [first, if key { IDR_2 } else { P_2 }.to_vec()]
    }

    /// The writers of the field, each with pauses of an idle machine inside its units.
    fn writer(name: &str) -> impl FnMut(u64, bool) -> Vec<Piece> + use<> {
        let name = name.to_owned();
        let mut random = Random::new(7);
        move |number, key| {
            let mut pause_us = || 40 + random.below(200) as u64;
            let first_us = pause_us();
            match name.as_str() {
                "whole" => vec![(first_us, cut(number, key, 1).concat(), Some(true))],
                // The buffer's size and a multiple of it, then the rest.
                "stdio" => {
                    let ends = [Some(false), Some(false), Some(true)];
                    let pieces = cut(number, key, 3).into_iter().zip(ends);
                    pieces.map(|(bytes, ends)| (pause_us(), bytes, ends)).collect()
                }
                // The same where a page is larger than the buffer, or bytes come by another pipe.
                "stdio, unknown ends" => {
                    let pieces = cut(number, key, 3).into_iter();
                    pieces.map(|bytes| (pause_us(), bytes, None)).collect()
                }
                "stdio, larger pages" => {
                    let pieces = cut(number, key, 3).into_iter();
                    pieces.map(|bytes| (pause_us(), bytes, Some(true))).collect()
                }
                "key frames are cut" => {
                    let pieces = cut(number, key, if key { 4 } else { 1 }).into_iter();
                    pieces.map(|bytes| (pause_us(), bytes, Some(true))).collect()
                }
                _ => {
                    let slices = two_slices(number, key).into_iter();
                    slices.map(|slice| (pause_us(), slice, Some(true))).collect()
                }
            }
        }
    }

    const WRITERS: [&str; 6] = [
        "whole",
        "stdio",
        "stdio, unknown ends",
        "stdio, larger pages",
        "key frames are cut",
        "two slices",
    ];

    #[test]
    fn each_writer_is_learned_at_each_rate() {
        for name in WRITERS {
            for fps in [10, 30, 60] {
                let outcome = simulate(steady(1000, fps, writer(name)));
                assert_eq!(outcome.early, 0, "{name} at {fps}");
                assert_eq!(outcome.late_us(800, 50), 2000, "{name} at {fps}");
                assert_eq!(outcome.late_us(800, 99), 2000, "{name} at {fps}");
            }
        }
    }

    #[test]
    fn a_slower_rate_is_no_wrong_guess() {
        for name in WRITERS {
            let mut cut = writer(name);
            let mut due_us = 0;
            let outcome = simulate((0..3000).map(|number| {
                let fps = if number / 500 % 2 == 0 { 60 } else { 10 };
                due_us += 1_000_000 / fps;
                (due_us, cut(number, number % 30 == 0))
            }));
            assert_eq!((outcome.early, outcome.late_us(2500, 99)), (0, 2000), "{name}");
        }
    }

    #[test]
    fn slices_that_are_paced_over_the_frame_are_waited_for() {
        for (fps, inside_us) in [(60, 5_000), (30, 10_000), (30, 15_000), (10, 30_000)] {
            let outcome = simulate(steady(2000, fps, |number, key| {
                let [first, second] = two_slices(number, key);
                vec![(100, first, Some(true)), (inside_us, second, Some(true))]
            }));
            assert_eq!(outcome.early, 0);
            // Each waits for the next.
            assert!(outcome.late_us(1000, 50) > 1_000_000 / fps - inside_us - 1);
        }
    }

    #[test]
    fn bursts_are_not_split() {
        for name in WRITERS {
            let mut cut = writer(name);
            let outcome = simulate((0..3000).map(|n| (n / 50 * 2_000_000, cut(n, n % 50 == 0))));
            assert_eq!(outcome.early, 0, "{name}");
        }
    }

    /// A machine that takes the processor away from the writer, for longer than any quiet, once in so many units: few
    /// wrong guesses whatever the number of units is, as each has to be paid for with more proof.
    #[test]
    fn a_busy_machine_costs_little() {
        for (once_in, most) in [(3, 0), (30, 1), (300, 3), (3000, 4)] {
            let mut random = Random::new(once_in as u64);
            let outcome = simulate(steady(100_000, 30, |number, key| {
                let [first, second] = two_slices(number, key);
                let preempted = random.below(once_in) == 0;
                let pause_us = if preempted {
                    3_000 + random.below(25_000) as u64
                } else {
                    100
                };
                vec![(100, first, Some(true)), (pause_us, second, Some(true))]
            }));
            assert!(outcome.early <= most, "{} of {once_in}", outcome.early);
            // Never later than the next unit.
            assert!(outcome.late_us.iter().all(|late_us| *late_us <= 40_000));
        }
    }

    #[test]
    fn trust_is_lost_by_a_wrong_guess_and_comes_back_after_more_proof() {
        let mut late_at = vec![100];
        let mut trusted_again = Vec::new();
        for _ in 0..2 {
            let outcome = simulate(steady(10_000, 30, |number, key| {
                let [first, second] = two_slices(number, key);
                let pause_us = if late_at.contains(&number) { 20_000 } else { 100 };
                vec![(100, first, Some(true)), (pause_us, second, Some(true))]
            }));
            assert_eq!(outcome.early as usize, late_at.len());
            let wrong = *late_at.last().expect("one") as usize;
            let waits = outcome.late_us[wrong + 1..]
                .iter()
                .position(|late_us| *late_us == 2000);
            trusted_again.push(waits.expect("it comes back"));
            late_at.push(wrong as u64 + trusted_again.last().map_or(0, |waits| *waits as u64) + 50);
        }
        assert!(
            trusted_again[0] >= 500 && trusted_again[0] < 1000,
            "{trusted_again:?}"
        );
        assert!(
            trusted_again.windows(2).all(|two| two[1] > 7 * two[0]),
            "{trusted_again:?}"
        );
    }

    #[test]
    fn a_late_reader_learns_nothing_wrong() {
        let mut assembler = Assembler::new();
        assembler.habit.began(0);
        let mut read = |bytes: &[u8], now_us, seen_empty| {
            assembler.spare_mut(bytes.len())[..bytes.len()].copy_from_slice(bytes);
            assembler.commit(bytes.len(), Some(true), now_us, &mut |_| {});
            if seen_empty {
                assembler.empty();
            }
            assembler.quiet()
        };
        // All of two units is there at once, each time: no pause between them is known.
        for number in 0..500 {
            let now_us = number * 66_000;
            for at in [0, 1] {
                let [first, second] = two_slices(number, at == 0);
                assert_eq!(read(&first, now_us, false), None);
                assert_eq!(read(&second, now_us, at == 1), None);
            }
        }
    }
}
