//! Bits of an RBSP (raw byte sequence payload), most significant first: H.264 clauses 7.2 and 9.1, and the
//! emulation prevention of 7.4.1.
//!
//! A reader's calls name their syntax element, so that an error names the broken one.

use std::fmt;

/// Why a syntax element can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyntaxError {
    /// The bytes end before or within the element of this name.
    End(&'static str),
    /// The element has a value that the standard (or our bound, where that is tighter) does not allow.
    Range(&'static str, i64),
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyntaxError::End(element) => write!(f, "the data ends at {element}"),
            SyntaxError::Range(element, value) => write!(f, "{element} is {value}, which is not allowed"),
        }
    }
}

impl std::error::Error for SyntaxError {}

/// Reads syntax elements from RBSP bytes ([`unescape`] makes them from a NAL unit's).
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    rbsp: &'a [u8],
    position_bits: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit.
    pub fn new(rbsp: &'a [u8]) -> BitReader<'a> {
        BitReader {
            rbsp,
            position_bits: 0,
        }
    }

    /// The number of bits that were read.
    pub fn position_bits(&self) -> usize {
        self.position_bits
    }

    /// u(n): `bits` bits (at most 32) as an unsigned number.
    pub fn u(&mut self, bits: u32, element: &'static str) -> Result<u32, SyntaxError> {
        debug_assert!(bits <= 32);
        // 32 bits that start within a byte touch five bytes.
        let mut window = 0u64;
        let first = self.position_bits / 8;
        for i in first..first + 5 {
            window = window << 8 | u64::from(self.rbsp.get(i).copied().unwrap_or(0));
        }
        let end = self.position_bits + bits as usize;
        if end > self.rbsp.len() * 8 {
            return Err(SyntaxError::End(element));
        }
        let below = 40 - (self.position_bits % 8) as u32 - bits;
        self.position_bits = end;
        Ok((window >> below & ((1 << bits) - 1)) as u32)
    }

    /// u(1) as a boolean.
    pub fn flag(&mut self, element: &'static str) -> Result<bool, SyntaxError> {
        Ok(self.u(1, element)? == 1)
    }

    /// ue(v), clause 9.1: 0 to 2^32-2. A longer code is out of range.
    pub fn ue(&mut self, element: &'static str) -> Result<u32, SyntaxError> {
        let mut zeros = 0;
        while !self.flag(element)? {
            zeros += 1;
            if zeros > 31 {
                return Err(SyntaxError::Range(element, i64::from(u32::MAX)));
            }
        }
        let suffix = self.u(zeros, element)?;
        Ok(((1u64 << zeros) - 1) as u32 + suffix)
    }

    /// ue(v) of at most `max`.
    pub fn ue_to(&mut self, max: u32, element: &'static str) -> Result<u32, SyntaxError> {
        let value = self.ue(element)?;
        if value <= max {
            Ok(value)
        } else {
            Err(SyntaxError::Range(element, i64::from(value)))
        }
    }

    /// se(v), clause 9.1.1: -(2^31-1) to 2^31-1.
    pub fn se(&mut self, element: &'static str) -> Result<i32, SyntaxError> {
        let code = self.ue(element)?;
        let half = (code / 2) as i32;
        Ok(if code % 2 == 1 { half + 1 } else { -half })
    }
}

/// Writes syntax elements into RBSP bytes ([`escape`] makes a NAL unit's of them).
#[derive(Debug, Clone, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// The last `pending_bits` (under 8) bits of this are not yet in `bytes`.
    pending: u64,
    pending_bits: u32,
}

impl BitWriter {
    /// An empty one.
    pub fn new() -> BitWriter {
        BitWriter::default()
    }

    /// One that goes on behind `bytes`.
    pub fn append(bytes: Vec<u8>) -> BitWriter {
        BitWriter {
            bytes,
            ..BitWriter::default()
        }
    }

    /// u(n): the low `bits` bits (at most 32) of `value`.
    pub fn u(&mut self, bits: u32, value: u32) {
        debug_assert!(bits <= 32 && u64::from(value) < 1 << bits);
        self.pending = self.pending << bits | u64::from(value);
        self.pending_bits += bits;
        while self.pending_bits >= 8 {
            self.pending_bits -= 8;
            self.bytes.push((self.pending >> self.pending_bits) as u8);
        }
    }

    /// u(1) of a boolean.
    pub fn flag(&mut self, value: bool) {
        self.u(1, u32::from(value));
    }

    /// ue(v), clause 9.1; `value` is at most 2^32-2.
    pub fn ue(&mut self, value: u32) {
        debug_assert!(value < u32::MAX);
        let code = value.saturating_add(1);
        let bits = code.ilog2() + 1;
        self.u(bits - 1, 0);
        self.u(bits, code);
    }

    /// se(v), clause 9.1.1; `value` is above -2^31.
    pub fn se(&mut self, value: i32) {
        let magnitude = value.unsigned_abs();
        self.ue(if value > 0 {
            2 * magnitude - 1
        } else {
            2 * magnitude
        });
    }

    /// rbsp_trailing_bits, clause 7.3.2.11: a one, then zeros to the end of the byte.
    pub fn trailing_bits(&mut self) {
        self.u(1, 1);
        self.u((8 - self.pending_bits) % 8, 0);
    }

    /// The bytes that were written; the last one is filled up with zeros.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.u((8 - self.pending_bits) % 8, 0);
        self.bytes
    }
}

/// Takes each emulation_prevention_three_byte out of a NAL unit's bytes (clause 7.3.1): the 03 of 00 00 03.
pub fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut rbsp = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros == 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { (zeros + 1).min(2) } else { 0 };
        rbsp.push(byte);
    }
    rbsp
}

/// Appends RBSP bytes to `out` with an emulation_prevention_three_byte wherever two zeros are followed by a
/// byte under 4, or by the end (clause 7.4.1). What is in `out` before (a NAL unit's header) ends in no zero.
pub fn escape(rbsp: &[u8], out: &mut Vec<u8>) {
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros == 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    if zeros == 2 {
        out.push(3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random::Random;

    #[test]
    fn fixed_widths_at_their_edges_and_at_every_offset() {
        for offset in 0..8 {
            for bits in 0..=32u32 {
                let max = ((1u64 << bits) - 1) as u32;
                for value in [0, 1.min(max), max.saturating_sub(1), max] {
                    let mut w = BitWriter::new();
                    w.u(offset, 0);
                    w.u(bits, value);
                    w.trailing_bits();
                    let bytes = w.into_bytes();
                    let mut r = BitReader::new(&bytes);
                    r.u(offset, "offset").unwrap();
                    assert_eq!(r.u(bits, "value"), Ok(value), "{bits} bits at {offset}");
                    assert_eq!(r.flag("rbsp_stop_one_bit"), Ok(true));
                }
            }
        }
    }

    #[test]
    fn exp_golomb_codes_are_those_of_table_9_2() {
        for (value, code, bits) in [
            (0, 0b1, 1),
            (1, 0b010, 3),
            (2, 0b011, 3),
            (3, 0b00100, 5),
            (8, 0b0001001, 7),
        ] {
            let mut w = BitWriter::new();
            w.ue(value);
            assert_eq!(w.into_bytes(), [(code << (8 - bits)) as u8]);
        }
    }

    #[test]
    fn exp_golomb_round_trip_at_the_edges() {
        let mut values = vec![0, u32::MAX - 2, u32::MAX - 1];
        for bits in 1..32 {
            values.extend([(1 << bits) - 2, (1 << bits) - 1, 1 << bits]);
        }
        for value in values {
            let mut w = BitWriter::new();
            w.ue(value);
            let bytes = w.into_bytes();
            assert_eq!(BitReader::new(&bytes).ue("v"), Ok(value));
            let signed = value as i32;
            if signed != i32::MIN {
                let mut w = BitWriter::new();
                w.se(signed);
                w.se(-signed);
                let bytes = w.into_bytes();
                let mut r = BitReader::new(&bytes);
                assert_eq!((r.se("v"), r.se("v")), (Ok(signed), Ok(-signed)));
            }
        }
    }

    #[test]
    fn an_error_names_its_element() {
        assert_eq!(BitReader::new(&[]).ue("width"), Err(SyntaxError::End("width")));
        assert_eq!(
            BitReader::new(&[0x0f]).u(9, "height"),
            Err(SyntaxError::End("height"))
        );
        // 31 zeros and then the end; 32 zeros, which would be 2^32-1 or more.
        assert_eq!(
            BitReader::new(&[0, 0, 0, 1]).ue("id"),
            Err(SyntaxError::End("id"))
        );
        let too_long = BitReader::new(&[0, 0, 0, 0, 0x80, 0, 0, 0, 0]).ue("id");
        assert_eq!(too_long, Err(SyntaxError::Range("id", u32::MAX.into())));
        assert_eq!(
            BitReader::new(&[0b0010_0000]).ue_to(2, "id"),
            Err(SyntaxError::Range("id", 3))
        );
        assert_eq!(SyntaxError::End("width").to_string(), "the data ends at width");
    }

    #[test]
    fn nothing_is_read_past_the_end_after_an_error() {
        let mut r = BitReader::new(&[0xa5]);
        assert!(r.u(9, "nine").is_err());
        assert_eq!(r.u(8, "eight"), Ok(0xa5));
        assert!(r.flag("one more").is_err());
    }

    #[test]
    fn emulation_prevention_by_example() {
        // The five patterns of clause 7.4.1, and a cabac_zero_word at the end.
        for (rbsp, nal) in [
            (&[0u8, 0, 0][..], &[0u8, 0, 3, 0][..]),
            (&[0, 0, 1], &[0, 0, 3, 1]),
            (&[0, 0, 2], &[0, 0, 3, 2]),
            (&[0, 0, 3], &[0, 0, 3, 3]),
            (&[0, 0, 4], &[0, 0, 4]),
            (&[7, 0, 0], &[7, 0, 0, 3]),
            (&[0, 0, 0, 0, 1], &[0, 0, 3, 0, 0, 3, 1]),
            (&[0, 1, 0], &[0, 1, 0]),
        ] {
            let mut out = Vec::new();
            escape(rbsp, &mut out);
            assert_eq!(out, nal);
            assert_eq!(unescape(nal), rbsp);
        }
    }

    #[test]
    fn escaping_round_trips_and_hides_every_start_code() {
        let mut random = Random::new(1);
        for _ in 0..20_000 {
            let rbsp: Vec<u8> = (0..random.below(24)).map(|_| random.below(5) as u8).collect();
            let mut nal = Vec::new();
            escape(&rbsp, &mut nal);
            assert_eq!(unescape(&nal), rbsp);
            assert!(
                !nal.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] < 3),
                "{rbsp:?} {nal:?}"
            );
        }
    }
}
