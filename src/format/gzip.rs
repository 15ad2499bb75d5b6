//! A gzip file (RFC 1952) of one member without optional header fields, and the deflated data in it (RFC 1951).
//!
//! The program holds its page so, and unpacks it for the few clients that don't take gzip: the code is smaller than what
//! the page would take a second time.

/// A gzip file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gzip<'a> {
    deflated: &'a [u8],
    /// CRC-32 of the content (RFC 1952, 8).
    pub crc32: u32,
    /// Bytes of the content.
    pub size_bytes: u32,
}

impl<'a> Gzip<'a> {
    /// Reads header and trailer (RFC 1952, 2.3); `None` if they are not those of such a file.
    pub fn parse(file: &'a [u8]) -> Option<Gzip<'a>> {
        const DEFLATE: u8 = 8;
        const NO_OPTIONAL_FIELDS: u8 = 0;
        let (header, rest) = file.split_first_chunk::<10>()?;
        let [0x1f, 0x8b, DEFLATE, NO_OPTIONAL_FIELDS, ..] = header else {
            return None;
        };
        let (rest, size_bytes) = rest.split_last_chunk()?;
        let (deflated, crc32) = rest.split_last_chunk()?;
        Some(Gzip {
            deflated,
            crc32: u32::from_le_bytes(*crc32),
            size_bytes: u32::from_le_bytes(*size_bytes),
        })
    }

    /// The content; `None` if the data is damaged or of another size. The CRC is not compared.
    pub fn inflate(&self) -> Option<Vec<u8>> {
        let mut bits = Bits {
            bytes: self.deflated,
            held: 0,
            held_bits: 0,
        };
        let size = self.size_bytes as usize;
        let mut content = Vec::new();
        loop {
            // 3.2.3: BFINAL, BTYPE
            let last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => stored(&mut bits, &mut content, size)?,
                1 => {
                    let (literals, distances) = fixed_codes();
                    compressed(&mut bits, &literals, &distances, &mut content, size)?;
                }
                2 => {
                    let (literals, distances) = dynamic_codes(&mut bits)?;
                    compressed(&mut bits, &literals, &distances, &mut content, size)?;
                }
                _ => return None,
            }
            if last {
                return (content.len() == size).then_some(content);
            }
        }
    }
}

/// Bits of bytes, least significant first (3.1.1).
struct Bits<'a> {
    bytes: &'a [u8],
    held: u32,
    held_bits: u32,
}

impl Bits<'_> {
    /// The next `count` bits, at most 16, as a number.
    fn take(&mut self, count: u32) -> Option<usize> {
        while self.held_bits < count {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            self.held |= u32::from(byte) << self.held_bits;
            self.held_bits += 8;
        }
        let value = self.held & ((1 << count) - 1);
        self.held >>= count;
        self.held_bits -= count;
        Some(value as usize)
    }
}

const MAX_CODE_BITS: usize = 15;
const MAX_LITERALS: usize = 288;
const MAX_DISTANCES: usize = 32;

/// A Huffman code (3.2.2), which is known by the lengths of its words.
struct Code {
    /// Words of each length.
    counts: [u16; MAX_CODE_BITS + 1],
    /// The symbols in the order of their words.
    symbols: [u16; MAX_LITERALS],
}

impl Code {
    /// The code whose words for the symbols 0, 1, 2 ... have these lengths; symbols of length 0 have none.
    fn new(lengths: &[u8]) -> Code {
        let mut code = Code {
            counts: [0; MAX_CODE_BITS + 1],
            symbols: [0; MAX_LITERALS],
        };
        let mut used = 0;
        for length in 1..=MAX_CODE_BITS {
            let of_this = (0u16..)
                .zip(lengths)
                .filter(|(_, its)| usize::from(**its) == length);
            for ((symbol, _), place) in of_this.zip(&mut code.symbols[used..]) {
                *place = symbol;
                code.counts[length] += 1;
            }
            used += usize::from(code.counts[length]);
        }
        code
    }

    /// Reads a word and gives its symbol.
    fn read(&self, bits: &mut Bits<'_>) -> Option<usize> {
        // Words of one length are consecutive numbers, and so are their symbols' places.
        let (mut word, mut first, mut place) = (0, 0, 0);
        for count in &self.counts[1..] {
            let count = usize::from(*count);
            word |= bits.take(1)?;
            if word < first + count {
                return self
                    .symbols
                    .get(place + word.checked_sub(first)?)
                    .map(|&it| it.into());
            }
            place += count;
            first = (first + count) << 1;
            word <<= 1;
        }
        None
    }
}

/// The codes of 3.2.6, for literals and lengths, and for distances.
fn fixed_codes() -> (Code, Code) {
    let mut lengths = [8; MAX_LITERALS];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    (Code::new(&lengths), Code::new(&[5; MAX_DISTANCES]))
}

/// Reads the codes of 3.2.7.
fn dynamic_codes(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let literals = bits.take(5)? + 257; // HLIT
    let all = literals + bits.take(5)? + 1; // HDIST
    let mut of_lengths = [0; ORDER.len()];
    for place in ORDER.iter().take(bits.take(4)? + 4) {
        of_lengths[*place] = bits.take(3)? as u8; // HCLEN
    }
    let of_lengths = Code::new(&of_lengths);
    let mut lengths = [0; MAX_LITERALS + MAX_DISTANCES];
    let mut at = 0;
    while at < all {
        let (length, times) = match of_lengths.read(bits)? {
            16 => (*lengths.get(at.checked_sub(1)?)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length as u8, 1),
        };
        lengths.get_mut(at..at + times)?.fill(length);
        at += times;
    }
    Some((
        Code::new(&lengths[..literals]),
        Code::new(&lengths[literals..all]),
    ))
}

/// A block that is not compressed (3.2.4).
fn stored(bits: &mut Bits<'_>, content: &mut Vec<u8>, size: usize) -> Option<()> {
    bits.take(bits.held_bits % 8)?;
    let length = bits.take(16)?; // LEN
    let complement = bits.take(16)?; // NLEN
    // Both took whole bytes, so that none is held.
    let (data, rest) = bits.bytes.split_at_checked(length)?;
    bits.bytes = rest;
    content.extend_from_slice(data);
    (complement == !length & 0xffff && content.len() <= size).then_some(())
}

/// A block of literals and repetitions (3.2.5).
fn compressed(
    bits: &mut Bits<'_>,
    literals: &Code,
    distances: &Code,
    content: &mut Vec<u8>,
    size: usize,
) -> Option<()> {
    const END: usize = 256;
    while content.len() <= size {
        let length = match literals.read(bits)? {
            literal @ 0..END => {
                content.push(literal as u8);
                continue;
            }
            END => return Some(()),
            285 => 258,
            code @ ..285 => 3 + number(bits, code - END - 1, 4)?,
            _ => return None,
        };
        let distance = 1 + match distances.read(bits)? {
            code @ 0..30 => number(bits, code, 2)?,
            _ => return None,
        };
        let from = content.len().checked_sub(distance)?;
        // What is copied may reach into what is being written.
        for at in from..from + length {
            content.push(content[at]);
        }
    }
    None
}

/// The number that a code and the extra bits behind it mean (the tables of 3.2.5): from 2 × `step` codes on, every `step`
/// codes have one more extra bit.
fn number(bits: &mut Bits<'_>, code: usize, step: usize) -> Option<usize> {
    let Some(extra) = (code / step).checked_sub(1) else {
        return Some(code);
    };
    Some(((step + code % step) << extra) + bits.take(extra as u32)?)
}

/// Laws that hold for any bytes, as functions that panic where one does not; for tests and fuzz targets.
pub mod laws {
    use super::Gzip;

    /// What is unpacked is of the size that the file says, whatever is in it.
    pub fn gzip(data: &[u8]) {
        let Some(file) = Gzip::parse(data) else { return };
        if let Some(content) = file.inflate() {
            assert_eq!(content.len(), file.size_bytes as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random::Random;
    use flate2::{Compress, Compression, Crc, FlushCompress};

    /// The content as a file, packed by another program.
    fn packed(content: &[u8], level: u32) -> Vec<u8> {
        let mut deflated = Vec::with_capacity(2 * content.len() + 100);
        Compress::new(Compression::new(level), false)
            .compress_vec(content, &mut deflated, FlushCompress::Finish)
            .unwrap();
        let mut crc = Crc::new();
        crc.update(content);
        file(&deflated, crc.sum(), content.len() as u32)
    }

    /// A file with this deflated data and this trailer.
    fn file(deflated: &[u8], crc32: u32, size_bytes: u32) -> Vec<u8> {
        [
            &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255][..],
            deflated,
            &crc32.to_le_bytes(),
            &size_bytes.to_le_bytes(),
        ]
        .concat()
    }

    /// Bytes that can't be compressed.
    fn noise(length: usize) -> Vec<u8> {
        let mut random = Random::new(1);
        (0..length).map(|_| random.next() as u8).collect()
    }

    #[test]
    fn what_was_packed_comes_out() {
        let text = include_bytes!("gzip.rs");
        let mixed = [&text[..], &noise(70_000), text, &[0; 1000]].concat();
        for content in [
            &b""[..],
            b"a",
            b"abcabcabcabc",
            &[7; 100_000],
            text,
            &noise(70_000),
            &mixed,
        ] {
            for level in 0..=9 {
                let file = packed(content, level);
                let gzip = Gzip::parse(&file).unwrap();
                assert_eq!(gzip.size_bytes as usize, content.len());
                assert!(
                    gzip.inflate().unwrap() == content,
                    "{} bytes at level {level}",
                    content.len()
                );
            }
        }
    }

    fn inflated(deflated: &[u8], size: u32) -> Option<Vec<u8>> {
        Gzip::parse(&file(deflated, 0, size)).unwrap().inflate()
    }

    #[test]
    fn another_file_is_none() {
        let good = packed(b"some text", 9);
        for length in 0..18 {
            assert_eq!(Gzip::parse(&good[..length]), None, "{length} bytes");
        }
        // ID1, ID2, CM, FLG
        for at in 0..4 {
            let mut bad = good.clone();
            bad[at] ^= 8;
            assert_eq!(Gzip::parse(&bad), None, "byte {at}");
        }
    }

    #[test]
    fn what_is_cut_or_damaged_gives_nothing() {
        let text = &include_bytes!("gzip.rs")[..2000];
        let good = packed(text, 9);
        let deflated = &good[10..good.len() - 8];
        for length in 0..deflated.len() {
            assert_eq!(inflated(&deflated[..length], 2000), None, "{length} bytes");
        }
        for size in [0, 1, 1999, 2001, u32::MAX] {
            assert_eq!(inflated(deflated, size), None, "{size}");
        }
        assert_eq!(inflated(deflated, 2000).as_deref(), Some(text));
    }

    /// By hand, after RFC 1951.
    #[test]
    fn what_the_format_forbids_gives_nothing() {
        // Stored, 3 bytes.
        assert_eq!(inflated(&[1, 3, 0, 0xfc, 0xff, 1, 2, 3], 3), Some(vec![1, 2, 3]));
        // NLEN is not LEN's complement.
        assert_eq!(inflated(&[1, 3, 0, 0xfd, 0xff, 1, 2, 3], 3), None);
        // The fixed codes: "a", then 256.
        assert_eq!(inflated(&[0x4b, 0x04, 0x00], 1), Some(b"a".to_vec()));
        // A block of the reserved type.
        assert_eq!(inflated(&[7, 0, 0], 0), None);
        // The fixed codes: length 3 (0000001) at distance 1 (00000), where nothing is yet.
        assert_eq!(inflated(&[0x03, 0x02, 0x00, 0x00], 3), None);
    }

    #[test]
    fn numbers_of_lengths_and_distances_are_the_tables() {
        let value = |code, step, ones: &[u8]| {
            let mut bits = Bits {
                bytes: ones,
                held: 0,
                held_bits: 0,
            };
            number(&mut bits, code, step).unwrap()
        };
        // 3.2.5: code, the lowest and the highest number.
        for (code, low, high) in [
            (257, 3, 3),
            (264, 10, 10),
            (265, 11, 12),
            (269, 19, 22),
            (284, 227, 258),
        ] {
            assert_eq!(3 + value(code - 257, 4, &[0; 4]), low, "length code {code}");
            assert_eq!(3 + value(code - 257, 4, &[255; 4]), high, "length code {code}");
        }
        for (code, low, high) in [(0, 1, 1), (3, 4, 4), (4, 5, 6), (9, 25, 32), (29, 24577, 32768)] {
            assert_eq!(1 + value(code, 2, &[0; 4]), low, "distance code {code}");
            assert_eq!(1 + value(code, 2, &[255; 4]), high, "distance code {code}");
        }
    }
}
