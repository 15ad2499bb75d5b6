//! Recovery points: SEI messages by which decoding can start elsewhere than at an IDR picture.

use super::nal::{self, unit_type};
use crate::format::bits::{BitReader, unescape};

/// An SEI NAL unit with a recovery point of frame count 0 and exact match.
pub(super) const RECOVERY_POINT: [u8; 5] = [6, 6, 1, 0xc4, 0x80];

/// A recovery_point message of an SEI NAL unit (clauses D.1.8, D.2.8).
pub(super) struct Recovery {
    /// recovery_frame_cnt: who starts here has right pictures after so many.
    pub frames: u32,
    /// exact_match_flag: these are right to the bit.
    pub exact: bool,
    /// They are so, or at least are not known to show what is wrong with them (broken_link_flag).
    pub is_whole: bool,
}

impl Recovery {
    /// Finds it in a NAL unit. A broken SEI, which decoders skip, promises nothing.
    pub fn find(nal: &[u8]) -> Option<Recovery> {
        const TYPE: usize = 6;
        if unit_type(nal) != nal::SEI {
            return None;
        }
        let rbsp = unescape(nal.get(1..).unwrap_or_default());
        let mut rest = rbsp.as_slice();
        // sei_message, clause 7.3.2.3.1. What is left in the end is the rbsp_trailing_bits, one byte.
        while rest.len() > 1 {
            let (kind, size) = (sei_number(&mut rest)?, sei_number(&mut rest)?);
            let (payload, after) = rest.split_at_checked(size)?;
            if kind == TYPE {
                let mut r = BitReader::new(payload);
                let frames = r.ue("recovery_frame_cnt").ok()?;
                let exact = r.flag("exact_match_flag").ok()?;
                let broken = r.flag("broken_link_flag").ok()?;
                return Some(Recovery {
                    frames,
                    exact,
                    is_whole: exact || !broken,
                });
            }
            rest = after;
        }
        None
    }
}

/// payloadType or payloadSize: bytes of 255 and a last one, which are summed up.
fn sei_number(bytes: &mut &[u8]) -> Option<usize> {
    let mut sum = 0;
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        sum += usize::from(byte);
        if byte < 255 {
            return Some(sum);
        }
    }
}
