//! A segment with what is in it: the ring's own fragments, each in its place.

use super::terms::SECOND_90K;
use crate::format::fmp4::{Fragment, Init};
use crate::format::hls::{Part, Segment};
use std::sync::Arc;

/// A fragment, and where it begins here: where the one before it ended, though that was a silence before. It ends where it
/// ends in the ring.
#[derive(Clone)]
pub struct Placed {
    pub fragment: Arc<Fragment>,
    pub start_90k: u64,
}

impl Placed {
    pub fn length_90k(&self) -> u64 {
        self.fragment.end_90k().saturating_sub(self.start_90k)
    }

    /// Appends what is sent before the fragment's payload.
    pub fn head(&self, sequence: u32, out: &mut Vec<u8>) {
        self.fragment.head_from(sequence, self.start_90k, out);
    }
}

/// Some fragments in a row.
pub struct Media {
    /// The fragments.
    pub fragments: Vec<Placed>,
    /// Sequence number of the first; those of the others follow.
    pub sequence: u32,
}

/// A segment and what is in it.
pub struct Held {
    pub listing: Segment,
    pub init: Arc<Init>,
    pub fragments: Vec<Placed>,
    /// Sequence number of the first fragment; those of the others follow.
    pub sequence: u32,
    pub bytes: usize,
    /// It is cut into parts; else it is listed when it is whole, and has none.
    pub has_parts: bool,
    /// Fragments up to the end of each part.
    part_ends: Vec<usize>,
    /// How long the part is that still grows.
    pub part_90k: u64,
    /// It is kept until the newest segment ends there, once it is no longer listed.
    pub until_90k: u64,
}

impl Held {
    pub fn new(listing: Segment, init: Arc<Init>, sequence: u32, has_parts: bool) -> Held {
        Held {
            listing,
            init,
            fragments: Vec::new(),
            sequence,
            bytes: 0,
            has_parts,
            part_ends: Vec::new(),
            part_90k: 0,
            until_90k: 0,
        }
    }

    pub fn push(&mut self, placed: Placed) {
        let length_90k = placed.length_90k();
        self.listing.duration_90k += length_90k;
        self.part_90k += length_90k;
        self.bytes += placed.fragment.size_bytes();
        self.fragments.push(placed);
    }

    pub fn end_90k(&self) -> u64 {
        self.fragments.last().map_or(0, |last| last.fragment.end_90k())
    }

    /// Ends the part that grows; `number` is its own, and then the next one's.
    pub fn close_part(&mut self, number: &mut u64) {
        let first = self.fragments.get(self.part_ends.last().copied().unwrap_or(0));
        self.listing.parts.push(Part {
            number: *number,
            duration_90k: std::mem::take(&mut self.part_90k),
            independent: first.is_some_and(|first| first.fragment.key),
        });
        self.part_ends.push(self.fragments.len());
        *number += 1;
    }

    /// All of it.
    pub fn media(&self) -> Media {
        self.between(0, self.fragments.len())
    }

    /// The part of that number.
    pub fn part(&self, number: u64) -> Option<Media> {
        let first = self.listing.parts.first()?.number;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        let to = *self.part_ends.get(at)?;
        let from = at.checked_sub(1).and_then(|before| self.part_ends.get(before));
        Some(self.between(from.copied().unwrap_or(0), to))
    }

    fn between(&self, from: usize, to: usize) -> Media {
        Media {
            fragments: self.fragments.get(from..to).unwrap_or_default().to_vec(),
            sequence: self.sequence.wrapping_add(from as u32),
        }
    }
}

/// The largest bit rate of segments in a row that together are half a target duration long to one and a half (4.1), and end
/// with the newest; 0 where there are none so long.
pub fn peak_bps<'a>(newest_first: impl Iterator<Item = &'a Held>, target_s: u64) -> u64 {
    let (mut peak_bps, mut bits, mut length_90k) = (0, 0, 0);
    for held in newest_first {
        bits += held.bytes as u64 * 8;
        length_90k += held.listing.duration_90k;
        if 2 * length_90k > 3 * target_s * SECOND_90K {
            break;
        }
        if 2 * length_90k >= target_s * SECOND_90K {
            peak_bps = peak_bps.max((bits * SECOND_90K).div_ceil(length_90k.max(1)));
        }
    }
    peak_bps
}
