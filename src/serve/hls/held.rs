//! A segment with what is in it: the ring's own fragments, each in its place.

use super::terms::SECOND_90K;
use crate::format::fmp4::{Fragment, Init};
use crate::format::hls::{self, Part, Segment};
use std::sync::Arc;

/// A fragment, and where it begins here: where the one before it ended, though that was a silence before. It ends where it
/// ends in the ring.
#[derive(Clone)]
pub struct Placed {
    pub fragment: Arc<Fragment>,
    pub start_90k: u64,
    /// The sound that goes before it, each where it stands in the ring.
    pub sound: Vec<Arc<Fragment>>,
}

impl Placed {
    pub fn length_90k(&self) -> u64 {
        self.fragment.end_90k().saturating_sub(self.start_90k)
    }

    /// Appends what is sent before the fragment's payload, with the sound if that is wanted; gives the next sequence number.
    pub fn head(&self, mut sequence: u32, with_sound: bool, out: &mut Vec<u8>) -> u32 {
        for sound in self.sound.iter().filter(|_| with_sound) {
            sound.head(sequence, 0, out);
            out.extend_from_slice(sound.payload());
            sequence = sequence.wrapping_add(1);
        }
        self.fragment.head_from(sequence, self.start_90k, out);
        sequence.wrapping_add(1)
    }

    /// How many fragments it is.
    pub fn count(&self) -> u32 {
        1 + self.sound.len() as u32
    }

    /// Bytes of it, with the sound if that is wanted.
    pub fn size_bytes(&self, with_sound: bool) -> usize {
        let sound = self.sound.iter().filter(|_| with_sound);
        self.fragment.size_bytes() + sound.map(|sound| sound.size_bytes()).sum::<usize>()
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
        self.bytes += placed.size_bytes(true);
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
        let before = self.fragments.iter().take(from).map(Placed::count);
        Media {
            fragments: self.fragments.get(from..to).unwrap_or_default().to_vec(),
            sequence: self.sequence.wrapping_add(before.sum()),
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

/// The multivariant playlist of these segments, with the sound or for the video alone; none without a segment.
pub fn variant<'a>(
    listed: impl Iterator<Item = &'a Held>,
    peak_bps: u64,
    with_sound: bool,
) -> Option<String> {
    let (mut bytes, mut frames, mut length_90k, mut newest) = (0, 0, 0, None);
    for held in listed {
        bytes += held.bytes as u64;
        frames += held.fragments.len() as u64;
        length_90k += held.listing.duration_90k;
        newest = Some(&held.init);
    }
    let init = newest?;
    let a_second = |amount: u64| amount * SECOND_90K / length_90k.max(1);
    let (width, height) = match init.rotation {
        90 | 270 => (init.height, init.width),
        _ => (init.width, init.height),
    };
    let variant = hls::Variant {
        peak_bps: peak_bps.max(a_second(bytes * 8)),
        average_bps: a_second(bytes * 8),
        codecs: &init.codecs(with_sound),
        width,
        height,
        millifps: a_second(frames * 1000),
    };
    Some(variant.playlist())
}
