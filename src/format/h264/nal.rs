//! NAL units: their types (H.264 clause 7.4.1, table 7-1) and their places in a byte stream (annex B).

use crate::format::search::find;

/// A slice of a picture that is no IDR.
pub const SLICE: u8 = 1;
/// A slice of an IDR picture.
pub const IDR: u8 = 5;
/// Supplemental enhancement information.
pub const SEI: u8 = 6;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;
/// Access unit delimiter.
pub const AUD: u8 = 9;
/// End of sequence.
pub const END_OF_SEQUENCE: u8 = 10;
/// End of stream.
pub const END_OF_STREAM: u8 = 11;
/// Filler data.
pub const FILLER: u8 = 12;

/// nal_unit_type of a NAL unit that begins with its header; 0 (unspecified) for none.
pub fn unit_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

/// True if later pictures may refer to this one: nal_ref_idc is not 0.
pub(super) fn is_reference(nal: &[u8]) -> bool {
    nal.first().is_some_and(|header| header & 0x60 != 0)
}

/// start_code_prefix_one_3bytes
pub(super) const START_CODE: [u8; 3] = [0, 0, 1];

/// The NAL units of a byte stream as annex B.1 has it: each from behind a start code prefix (00 00 01) to
/// before the zeros that precede the next one. What stands before the first prefix belongs to none; empty
/// units are left out.
///
/// Three zeros that no start code follows are not allowed in a stream; they stay where they are.
pub fn nal_units(annex_b: &[u8]) -> NalUnits<'_> {
    let rest = find(annex_b, &START_CODE).and_then(|at| annex_b.get(at + START_CODE.len()..));
    NalUnits { rest }
}

/// Iterates over the NAL units of a byte stream; made by [`nal_units`].
#[derive(Debug, Clone)]
pub struct NalUnits<'a> {
    /// Begins behind a start code prefix.
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let Some(rest) = self.rest {
            let mut unit = rest;
            self.rest = None;
            if let Some((before, from)) = find(rest, &START_CODE).and_then(|at| rest.split_at_checked(at)) {
                unit = before;
                self.rest = from.get(START_CODE.len()..);
            }
            // trailing_zero_8bits, or the next start code's zero_byte: no NAL unit ends in a zero (7.4.1).
            while let [before @ .., 0] = unit {
                unit = before;
            }
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::h264::laws;
    use crate::support::random::Random;

    fn split(annex_b: &[u8]) -> Vec<&[u8]> {
        nal_units(annex_b).collect()
    }

    #[test]
    fn start_codes_of_three_and_four_bytes_and_zeros_around_them() {
        assert_eq!(
            split(&[0, 0, 0, 1, 9, 16, 0, 0, 1, 0x65, 1, 2]),
            [&[9, 16][..], &[0x65, 1, 2]]
        );
        assert_eq!(
            split(&[0, 0, 0, 0, 0, 1, 0x65, 0, 0, 0, 0, 0, 1, 0x41, 0, 0, 0]),
            [[0x65], [0x41]]
        );
        // A zero within a unit stays, as does an escaped start code.
        assert_eq!(
            split(&[0, 0, 1, 0x65, 0, 7, 0, 0, 3, 1, 8]),
            [[0x65, 0, 7, 0, 0, 3, 1, 8]]
        );
    }

    #[test]
    fn what_is_no_unit_is_none() {
        for nothing in [
            &[][..],
            &[0],
            &[0, 0, 1],
            &[0, 0, 0, 1, 0, 0, 1, 0, 0],
            &[1, 2, 3],
            &[0x65, 0, 0],
        ] {
            assert!(split(nothing).is_empty(), "{nothing:?}");
        }
        assert_eq!(split(&[1, 2, 3, 0, 0, 1, 0x65]), [[0x65]]);
    }

    #[test]
    fn the_splitter_agrees_with_the_clause() {
        let mut random = Random::new(2);
        for _ in 0..50_000 {
            // Few values, so that start codes are many; sometimes a long run of anything, for the vectors.
            let mut data: Vec<u8> = (0..random.below(20))
                .map(|_| [0, 0, 0, 1, 3, 0x65][random.below(6)])
                .collect();
            if random.below(4) == 0 {
                data.extend((0..random.below(200)).map(|_| random.next() as u8));
                data.extend((0..random.below(20)).map(|_| [0, 0, 1, 0x41][random.below(4)]));
            }
            laws::split(&data);
        }
    }

    #[test]
    fn types_and_reference() {
        assert_eq!(
            (unit_type(&[0x67]), unit_type(&[0x65, 1]), unit_type(&[])),
            (SPS, IDR, 0)
        );
        assert!(
            is_reference(&[0x41]) && is_reference(&[0x21]) && !is_reference(&[0x01]) && !is_reference(&[])
        );
    }
}
