//! Laws that hold for any bytes, as functions that panic where one is broken: for tests and fuzz targets.

use super::assembler::{Assembler, MAX_UNIT_BYTES};
use super::nal::{START_CODE, nal_units};
use super::reorder::without_reordering;
use super::sps::Sps;
use crate::format::chunk::Chunk;
use memchr::memmem;

/// [`nal_units`] finds what a plain reading of annex B.1 finds, whatever the lengths of the start codes are.
pub fn split(data: &[u8]) {
    let found: Vec<&[u8]> = nal_units(data).collect();
    assert_eq!(found, split_plainly(data));
    for start_code in [&[0, 0, 1][..], &[0, 0, 0, 1], &[0, 0, 0, 0, 0, 1]] {
        let joined: Vec<u8> = found.iter().flat_map(|nal| [start_code, nal].concat()).collect();
        assert_eq!(nal_units(&joined).collect::<Vec<_>>(), found);
    }
}

/// Annex B.1, byte by byte: a unit ends at the zeros before a start code prefix, or before the end.
fn split_plainly(data: &[u8]) -> Vec<&[u8]> {
    let prefix_at = |i: usize| data[i..].starts_with(&[0, 0, 1]);
    let mut units = Vec::new();
    let mut i = 0;
    while i < data.len() {
        if !prefix_at(i) {
            i += 1;
            continue;
        }
        let start = i + 3;
        let mut end = start;
        i = start;
        while i < data.len() && !prefix_at(i) {
            i += 1;
            if data[i - 1] != 0 {
                end = i;
            }
        }
        if end > start {
            units.push(&data[start..end]);
        }
    }
    units
}

/// An SPS NAL unit is read or refused; what is read can be promised to have no reordering, which changes
/// nothing else.
pub fn sps(data: &[u8]) {
    let (Ok(before), Ok(rewritten)) = (Sps::parse(data), without_reordering(data)) else {
        assert!(Sps::parse(data).is_err() && without_reordering(data).is_err());
        return;
    };
    assert_eq!(
        without_reordering(&rewritten).as_ref(),
        Ok(&rewritten),
        "rewriting twice"
    );
    let promised = Sps {
        max_num_reorder_frames: Some(0),
        max_dec_frame_buffering: Some(before.max_num_ref_frames),
        ..before
    };
    assert!(!promised.may_reorder());
    assert_eq!(Sps::parse(&rewritten), Ok(promised));
}

/// However `data` is cut into reads, the same comes out; every unit that comes out stood in `data`, in
/// this order, from a start code to a byte that is not zero, and is not longer than the limit by more
/// than a NAL unit header.
///
/// # Panics
/// When that is not so.
pub fn assembler(data: &[u8]) {
    for limit in [MAX_UNIT_BYTES, 40] {
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

/// However a quiet closes units: where it does at their ends only, nothing changes; else each unit that comes out
/// still stood in `data`, in this order, and is followed by a gap or by nothing of value.
///
/// # Panics
/// When that is not so.
pub fn quiet(data: &[u8]) {
    let (whole, _) = units(data, MAX_UNIT_BYTES, || usize::MAX);
    let whole: Vec<_> = whole.into_iter().flatten().collect();
    let mut ends = Vec::new();
    let mut at = 0;
    for unit in &whole {
        at += memmem::find(&data[at..], unit).map_or(data.len(), |found| found + unit.len());
        ends.push(at);
    }
    for seed in 1..4 {
        let mut random = data.len() as u64 + seed;
        let mut below = |limit: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % limit
        };
        let mut assembler = Assembler::trusting(data.len());
        let (mut out, mut now_us, mut fed, mut right) = (Vec::new(), 0, 0, true);
        let mut sink = |chunk: Chunk<'_>| {
            if let Chunk::Unit { data, .. } = chunk {
                out.push(data.to_vec());
            }
        };
        while fed < data.len() {
            let end = data
                .len()
                .min(fed + 1 + below([9, 30, 100][seed as usize - 1]) as usize);
            let piece = &data[fed..end];
            assembler.spare_mut(piece.len())[..piece.len()].copy_from_slice(piece);
            let ends_write = [Some(true), Some(false), None][below(3) as usize];
            assembler.commit(piece.len(), ends_write, now_us, &mut sink);
            assembler.empty();
            fed = end;
            if let Some(quiet) = assembler.quiet().filter(|_| below(2) == 0) {
                assembler.close_quiet(quiet.at_us - 1, &mut sink);
                assert_eq!(assembler.quiet(), Some(quiet), "it is not yet over");
                assembler.close_quiet(quiet.at_us, &mut sink);
                assert_eq!(assembler.quiet(), None);
                let last = data[..fed].iter().rposition(|byte| *byte != 0);
                right &= last.is_some_and(|last| ends.contains(&(last + 1)));
            }
            now_us += below(5000);
        }
        let early = assembler.closed_early();
        assembler.finish(true, &mut sink);
        assert_eq!(assembler.closed_early(), early);
        if right {
            assert_eq!((&out, early), (&whole, 0));
        }
        let mut rest = data;
        for unit in &out {
            let at = memmem::find(rest, unit);
            assert!(at.is_some(), "a unit that was not there");
            rest = &rest[at.unwrap_or(0) + unit.len()..];
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
        assembler.commit(now.len(), Some(true), 0, &mut sink);
        rest = later;
    }
    let dropped = assembler.dropped_bytes();
    assembler.finish(true, &mut sink);
    (out, dropped)
}
