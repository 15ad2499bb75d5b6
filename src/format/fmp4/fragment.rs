//! A frame as a movie fragment: moof and mdat.

use super::VIDEO_TRACK;
use super::boxes::Writer;
use super::init::{Init, NON_SYNC_SAMPLE};
use super::timeline::Span;
use crate::format::h264::AccessUnit;
use std::fmt;
use std::sync::Arc;

/// Bytes of every moof.
pub const MOOF_BYTES: usize = 100;

/// Bytes before the frame's own: the moof and the header of the mdat.
pub const HEAD_BYTES: usize = MOOF_BYTES + 8;

/// Largest frame that is taken, with the lengths of its NAL units. The largest that H.264 allows at level 5.2
/// (3840x2160 at MinCR 2, Table A-1) is about 7 MB.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;

/// Where a client's own numbers stand in the moof: mfhd's sequence_number and tfdt's baseMediaDecodeTime.
const SEQUENCE_AT: usize = 20;
const TIME_AT: usize = 60;

/// Flags of a frame that needs no other: sample_depends_on 2 (8.8.3.1).
const SYNC_SAMPLE: u32 = 0x0200_0000;

/// One frame of one track, written once and shared by all who send it.
#[derive(Debug)]
pub struct Fragment {
    /// The track_ID.
    pub track: u32,
    /// Decoding can start here.
    pub key: bool,
    /// Decode (and presentation) time on the ring's own clock, in 1/90000 s.
    pub time_90k: u64,
    /// Time up to the next frame, as far as it can be known, in 1/90000 s; at least 1.
    pub duration_90k: u32,
    /// When the frame was captured: CLOCK_MONOTONIC in microseconds.
    pub captured_us: u64,
    /// Grows with each sleep, loss and reopen of the source; frames of two epochs don't belong together.
    pub epoch: u32,
    /// The init segment that a player needs for this frame.
    pub init: Arc<Init>,
    /// moof and mdat.
    bytes: Box<[u8]>,
}

impl Fragment {
    /// Copies a frame into a fragment; this is the only copy of it that is ever made.
    ///
    /// # Errors
    /// The frame has more than [`MAX_PAYLOAD_BYTES`].
    pub fn new(
        init: Arc<Init>,
        unit: &AccessUnit<'_>,
        span: Span,
        captured_us: u64,
        epoch: u32,
    ) -> Result<Fragment, TooLarge> {
        let payload_bytes = unit
            .nals
            .iter()
            .fold(0usize, |sum, nal| sum.saturating_add(4 + nal.len()));
        if payload_bytes > MAX_PAYLOAD_BYTES {
            return Err(TooLarge { payload_bytes });
        }
        let mut w = Writer::with_capacity(HEAD_BYTES + payload_bytes);
        moof(&mut w, unit.key, span, payload_bytes as u32);
        // 8.1.1; each NAL unit behind its length, lengthSizeMinusOne of the avcC being 3 (14496-15, 5.3.3.1.3).
        w.boxed(b"mdat", |w| {
            for nal in &unit.nals {
                w.u32(nal.len() as u32);
                w.bytes(nal);
            }
        });
        Ok(Fragment {
            track: VIDEO_TRACK,
            key: unit.key,
            time_90k: span.time_90k,
            duration_90k: span.duration_90k,
            captured_us,
            epoch,
            init,
            bytes: w.into_bytes().into_boxed_slice(),
        })
    }

    /// The moof and the header of the mdat, with a client's own sequence number (from 1 upwards) and the time counted
    /// from `base_90k`, its zero. [`payload`](Self::payload) follows them on the wire.
    pub fn head(&self, sequence: u32, base_90k: u64) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        head.copy_from_slice(&self.bytes[..HEAD_BYTES]);
        head[SEQUENCE_AT..SEQUENCE_AT + 4].copy_from_slice(&sequence.to_be_bytes());
        head[TIME_AT..TIME_AT + 8].copy_from_slice(&self.time_90k.saturating_sub(base_90k).to_be_bytes());
        head
    }

    /// What is in the mdat: NAL units, each behind its length as four bytes, big-endian.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEAD_BYTES..]
    }

    /// The frame's NAL units.
    pub fn nal_units(&self) -> NalUnits<'_> {
        NalUnits { rest: self.payload() }
    }

    /// Bytes of moof and mdat: what a client is sent, and what the ring holds.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// 8.8.4. The numbers of a client (sequence, base time) are put in by [`Fragment::head`].
fn moof(w: &mut Writer, key: bool, span: Span, payload_bytes: u32) {
    const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
    const DATA_OFFSET: u32 = 0x01;
    const FIRST_SAMPLE_FLAGS: u32 = 0x04;
    const SAMPLE_DURATION: u32 = 0x100;
    const SAMPLE_SIZE: u32 = 0x200;
    w.boxed(b"moof", |w| {
        w.full_box(b"mfhd", 0, 0, |w| w.u32(0)); // 8.8.5: sequence_number
        w.boxed(b"traf", |w| {
            w.full_box(b"tfhd", 0, DEFAULT_BASE_IS_MOOF, |w| w.u32(VIDEO_TRACK)); // 8.8.7: track_ID
            w.full_box(b"tfdt", 1, 0, |w| w.u64(span.time_90k)); // 8.8.12: baseMediaDecodeTime
            // 8.8.8
            w.full_box(
                b"trun",
                0,
                DATA_OFFSET | FIRST_SAMPLE_FLAGS | SAMPLE_DURATION | SAMPLE_SIZE,
                |w| {
                    w.u32(1); // sample_count
                    w.u32(HEAD_BYTES as u32); // data_offset, from the start of the moof
                    w.u32(if key { SYNC_SAMPLE } else { NON_SYNC_SAMPLE }); // first_sample_flags
                    w.u32(span.duration_90k); // sample_duration
                    w.u32(payload_bytes); // sample_size
                },
            );
        });
    });
}

/// A frame's NAL units, as [`Fragment::nal_units`] finds them by their lengths.
#[derive(Debug, Clone)]
pub struct NalUnits<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let (nal, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        self.rest = rest;
        Some(nal)
    }
}

/// A frame beyond [`MAX_PAYLOAD_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// Bytes of the frame.
    pub payload_bytes: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a frame of {} bytes; more than {MAX_PAYLOAD_BYTES} are not taken",
            self.payload_bytes
        )
    }
}

impl std::error::Error for TooLarge {}
