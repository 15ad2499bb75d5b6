//! A file that fragments are appended to: what stands before them, and its index.
//!
//! ```text
//! ftyp, moov    as every player gets them; the durations are unknown at first
//! uuid          ours: which camera, and when; and when something happened, which is written in place as it does
//! free          room for the index; once that is there, the heads of the fragments, packed
//! moof mdat …   fragments that count from 0, each with a group of pictures and the sound beside it
//! ```
//!
//! At its end the file's durations are set, and the end of `free` becomes a `sidx`. That has to end where the first moof begins: with
//! any byte between them, Chromium reads the whole file before it shows a picture. Firefox knows the length by the durations. The packed
//! heads could not stand at the file's end, where they would take no room in advance: where a `sidx` is, FFmpeg reads a file as a whole
//! unless its last fragment ends it.

use super::boxes::Writer;
use super::heads::HeadPacker;
use super::init::{Init, SYNC_SAMPLE};
use super::sound::FRAME_SAMPLES;
use super::track::{TIMESCALE, VIDEO_TRACK};
use std::ops::Range;

/// The usertype of our uuid box (11.1).
const USERTYPE: [u8; 16] = *b"\xf4\x4d\x70\x34\x5e\x1c\x4b\x07\x9a\x52\x72\x65\x63\x6f\x72\x64";
/// Of a sidx of version 1 without references (8.16.3).
const SIDX_BYTES: usize = 40;
/// Each reference in an index takes so much of its room.
pub const REFERENCE_BYTES: usize = 12;

/// What our own box says of a file.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The camera's name.
    pub camera: &'a str,
    /// A number by chance for each time that the program runs: media times of one run count from one instant.
    pub run: u64,
    /// That of the fragments.
    pub epoch: u32,
    /// The media time that is 0 in this file, in 1/90000 s.
    pub media_90k: u64,
    /// When the first picture was captured: Unix time in microseconds, as the clock then was.
    pub wall_us: u64,
    /// That clock could be believed.
    pub synced: bool,
}

/// What a file begins with, with room of so many bytes for the references of its index, and for the heads of its fragments.
pub fn head(init: &Init, origin: &Origin<'_>, room_bytes: usize) -> Vec<u8> {
    let mut w = Writer::with_capacity(8192);
    w.bytes(init.bytes(true));
    w.boxed(b"uuid", |w| {
        w.bytes(&USERTYPE);
        w.u8(1); // version
        w.u8(origin.synced.into());
        w.u16(0); // reserved
        w.u32(origin.epoch);
        w.u64(origin.run);
        w.u64(origin.media_90k);
        w.u64(origin.wall_us);
        w.u64(0); // see About::events; version 0 has none
        w.bytes(origin.camera.as_bytes());
    });
    w.boxed(b"free", |w| {
        w.bytes(&vec![0; SIDX_BYTES + room_bytes]);
    });
    w.into_bytes()
}

/// Type and size of the box at the beginning of these bytes; `None` if it is cut short within these, or has a size that none of ours has.
pub(super) fn box_at(bytes: &[u8]) -> Option<(&[u8; 4], usize)> {
    let (size, rest) = bytes.split_first_chunk()?;
    let size = u32::from_be_bytes(*size) as usize;
    Some((rest.first_chunk()?, size)).filter(|_| size >= 8)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What a file's head consists of.
const KINDS: [[u8; 4]; 4] = [*b"ftyp", *b"moov", *b"uuid", *b"free"];

/// Where each box of a file's head begins, and where the last one ends; `None` if these are not its first bytes, up to the last of these boxes.
fn places(bytes: &[u8]) -> Option<[usize; 5]> {
    let mut places = [0; 5];
    for (n, kind) in KINDS.iter().enumerate() {
        let (_, size) = box_at(bytes.get(places[n]..)?).filter(|(found, _)| *found == kind)?;
        places[n + 1] = places[n].checked_add(size)?;
    }
    Some(places)
}

/// The extent of a file's head in its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Fragments begin here, and there is no index yet.
    Open(usize),
    /// There is one.
    Closed,
    /// It is no recording of ours, or not all of its head is there.
    Foreign,
}

/// Looks at a file's first bytes.
pub fn extent(bytes: &[u8]) -> Extent {
    let Some([.., end]) = places(bytes) else {
        return Extent::Foreign;
    };
    match bytes.get(end..).map(box_at) {
        None => Extent::Foreign,
        Some(Some((b"sidx", _))) => Extent::Closed,
        Some(_) => Extent::Open(end),
    }
}

/// Where our own box says that the clock could be believed, in one byte, and when the file begins: see [`Origin`]. Both are counted from
/// where the box begins, which is behind the init segment.
pub const SYNCED_AT: u64 = 25;
/// See [`SYNCED_AT`].
pub const WALL_AT: u64 = 48;
/// Where that box has [`About::events`].
pub const EVENTS_AT: u64 = 56;
/// So many seconds of a file are one bit of [`About::events`]. A file has five minutes, and what it takes to the next key frame.
pub const EVENTS_S: u64 = 5;

/// What a file's head says of it.
#[derive(Debug)]
pub struct About {
    /// Bytes of ftyp and moov.
    pub init_bytes: usize,
    /// Once it has an index, the heads of its fragments are there, up to the index.
    pub heads_at: usize,
    /// Its index is there, or else its first fragment.
    pub head_bytes: usize,
    /// See [`Origin`].
    pub run: u64,
    /// See [`Origin`].
    pub media_90k: u64,
    /// See [`Origin`].
    pub wall_us: u64,
    /// When something happened at the camera: a bit for each [`EVENTS_S`] from the first picture on, the least significant first; the
    /// last one is for all that comes after it, too.
    pub events: u64,
}

/// Reads a file's first bytes, at least up to its index or the room for it; `None` if it is no recording of ours, or these are not all there.
pub fn about(bytes: &[u8]) -> Option<About> {
    let [_, _, init_bytes, free_at, head_bytes] = places(bytes)?;
    let own = |at| u64_at(bytes, init_bytes + at);
    let has_events = bytes.get(init_bytes + 24).is_some_and(|version| *version > 0);
    Some(About {
        init_bytes,
        heads_at: free_at + 8,
        head_bytes,
        run: own(32)?,
        media_90k: own(40)?,
        wall_us: own(WALL_AT as usize)?,
        events: own(EVENTS_AT as usize).filter(|_| has_events).unwrap_or(0),
    })
}

/// The bytes of the fragment that begins with these, at least up to its payload; `None` if it is none, or has more than `most` bytes.
pub fn fragment_bytes(bytes: &[u8], most: u64) -> Option<u64> {
    let (_, moof_bytes) = box_at(bytes).filter(|(kind, _)| *kind == b"moof")?;
    let (_, mdat_bytes) = box_at(bytes.get(moof_bytes..)?).filter(|(kind, _)| *kind == b"mdat")?;
    Some(moof_bytes as u64 + mdat_bytes as u64).filter(|size| *size <= most)
}

/// What is in a file, and where: grows with each fragment.
#[derive(Debug, Default)]
pub struct Index {
    /// Bytes from a fragment on that begins with a key frame, and its time.
    references: Vec<(u32, u64)>,
    /// Where the video ends, and the sound, each in its own timescale.
    ends: [u64; 2],
    heads: HeadPacker,
}

impl Index {
    /// Adds the fragment that begins with these bytes, at least up to its payload, and gives its size; `None` if there is none that
    /// may stand here, or it has more than `most` bytes. (The first one begins with a key frame.)
    pub fn add(&mut self, head: &[u8], most: u64) -> Option<u64> {
        let size = fragment_bytes(head, most)?;
        let moof_bytes = u32_at(head, 0)? as usize;
        // As they stand in what `Samples` writes: an mfhd, and a traf for each track.
        let (mut ends, mut start, mut at) = (self.ends, None, 24);
        while at < moof_bytes {
            let (_, traf_bytes) = box_at(head.get(at..moof_bytes)?).filter(|(kind, _)| *kind == b"traf")?;
            let traf = head.get(at..at.checked_add(traf_bytes)?)?;
            let time = u64_at(traf, 36)?;
            if u32_at(traf, 20)? == VIDEO_TRACK {
                let durations = traf
                    .get(64..)?
                    .chunks_exact(12)
                    .filter_map(|sample| u32_at(sample, 0));
                ends[0] = time.checked_add(durations.map(u64::from).sum())?;
                start = Some(time)
                    .filter(|_| u32_at(traf, 72) == Some(SYNC_SAMPLE))
                    .or(start);
            } else {
                ends[1] = time.checked_add(u64::from(u32_at(traf, 56)?) * u64::from(FRAME_SAMPLES))?;
            }
            at += traf_bytes;
        }
        if let Some(time) = start {
            self.references.push((0, time));
        }
        let (bytes, _) = self.references.last_mut()?;
        *bytes = bytes.saturating_add(size as u32);
        self.ends = ends;
        self.heads.add(&head[..moof_bytes + 8]);
        Some(size)
    }

    /// When the first picture begins, in 1/90000 s.
    pub fn begin_90k(&self) -> u64 {
        self.references.first().map_or(0, |(_, time)| *time)
    }

    /// The time from the first picture to the end of the last one, in 1/90000 s.
    pub fn duration_90k(&self) -> u64 {
        self.ends[0].saturating_sub(self.begin_90k())
    }

    /// Puts the durations, the index and the heads of the fragments into a file's head, which ends with its `free`. Gives where these heads
    /// are, up to the index. That has to be on the disk before the bytes in front of both are, which say that it is there. `None` if this is
    /// no such head.
    pub fn close(&self, head: &mut [u8]) -> Option<Range<usize>> {
        let Extent::Open(end) = extent(head) else {
            return None;
        };
        set_durations(head, 0, &self.ends, &mut 0);
        let heads_at = about(head)?.heads_at;
        let room = (end - heads_at).checked_sub(SIDX_BYTES)? / REFERENCE_BYTES;
        let sidx = self.sidx(room);
        let sidx_at = end - sidx.len();
        head[sidx_at..end].copy_from_slice(&sidx);
        let free_bytes = (sidx_at + 8 - heads_at) as u32;
        head[heads_at - 8..heads_at - 4].copy_from_slice(&free_bytes.to_be_bytes());
        self.heads.write(&mut head[heads_at..sidx_at]);
        Some(heads_at..sidx_at)
    }

    /// The packed heads of the fragments that were added; none if it was read.
    pub fn packed_heads(&self) -> &[u8] {
        self.heads.packed()
    }

    /// Reads a `sidx` of ours, which these bytes begin with; gives its size, too. `None` if it is none.
    pub fn read(bytes: &[u8]) -> Option<(Index, usize)> {
        let (_, size) = box_at(bytes).filter(|(kind, _)| *kind == b"sidx")?;
        let sidx = bytes.get(..size)?;
        let mut index = Index::default();
        let mut time = u64_at(sidx, 20)?;
        for reference in sidx.get(SIDX_BYTES..)?.chunks_exact(REFERENCE_BYTES) {
            index.references.push((u32_at(reference, 0)?, time));
            time = time.checked_add(u32_at(reference, 4)?.into())?;
        }
        index.ends[0] = time;
        Some((index, size))
    }

    /// Of each group of pictures, its bytes and how long it is, in 1/90000 s.
    pub fn groups(&self) -> impl Iterator<Item = (u32, u64)> {
        self.references.iter().enumerate().map(|(n, (bytes, time))| {
            let end = self.references.get(n + 1).map_or(self.ends[0], |(_, next)| *next);
            (*bytes, end.saturating_sub(*time))
        })
    }

    /// 8.16.3, version 1. Where there is no room for each group, a reference is of some of them.
    fn sidx(&self, room: usize) -> Vec<u8> {
        let mut w = Writer::with_capacity(SIDX_BYTES + REFERENCE_BYTES * room);
        let groups = &self.references;
        let most = room.min(u16::MAX.into());
        let step = groups.len().div_ceil(most.max(1)).max(1);
        w.full_box(b"sidx", 1, 0, |w| {
            w.u32(VIDEO_TRACK); // reference_ID
            w.u32(TIMESCALE);
            w.u64(self.begin_90k()); // earliest_presentation_time
            w.u64(0); // first_offset
            w.u16(0); // reserved
            w.u16(groups.len().div_ceil(step).min(most) as u16);
            for (n, joined) in groups.chunks(step).take(most).enumerate() {
                let bytes = joined
                    .iter()
                    .fold(0u32, |sum, (bytes, _)| sum.saturating_add(*bytes));
                let end = groups.get((n + 1) * step).map_or(self.ends[0], |(_, next)| *next);
                w.u32(bytes.min(u32::MAX >> 1)); // reference_type media, referenced_size
                w.u32(end.saturating_sub(joined[0].1) as u32); // subsegment_duration
                w.u32(0x9000_0000); // starts_with_SAP, SAP_type 1
            }
        });
        w.into_bytes()
    }
}

/// Forgets the durations in a file's ftyp and moov, so that those of two files can be compared.
pub fn forget_durations(init: &mut [u8]) {
    set_durations(init, 0, &[0; 2], &mut 0);
}

/// The boxes with durations in them, each in the one before it.
const NESTED: [&[u8; 4]; 3] = [b"moov", b"trak", b"mdia"];

/// Sets the durations in these boxes, so deep in [`NESTED`], and in those in them; `track` counts the tracks.
pub(super) fn set_durations(boxes: &mut [u8], depth: usize, ends: &[u64; 2], track: &mut usize) {
    // The sound ends with the video, but for some milliseconds. All ones would mean "unknown".
    let movie_90k = (ends[0].min(u64::from(u32::MAX) - 1) as u32).to_be_bytes();
    let mut rest = boxes;
    while let Some((kind, size)) = box_at(rest) {
        let kind = *kind;
        let Some((whole, after)) = rest.split_at_mut_checked(size) else {
            return;
        };
        if NESTED.get(depth).is_some_and(|nested| **nested == kind) {
            set_durations(&mut whole[8..], depth + 1, ends, track);
            *track += usize::from(kind == *b"trak");
        }
        match &kind {
            b"mvhd" => put(whole, 24, &movie_90k),
            b"tkhd" => put(whole, 28, &movie_90k),
            b"mdhd" => put(whole, 32, &ends[(*track).min(1)].to_be_bytes()),
            _ => {}
        }
        rest = after;
    }
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}

#[cfg(test)]
#[path = "tests/recording.rs"]
mod tests;
