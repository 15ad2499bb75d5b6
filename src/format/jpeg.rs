//! JPEG pictures (Rec. ITU-T T.81): where one ends, that it is whole, and how large it is.

use super::Chunk;
use memchr::{memchr, memmem};

/// The longest picture, in bytes. The largest that webcams give (4K at high quality) have a few million.
pub const MAX_PICTURE_BYTES: usize = 16 << 20;

// Table B.1.
const SOF0: u8 = 0xc0;
const SOF1: u8 = 0xc1;
const SOF15: u8 = 0xcf;
const DHT: u8 = 0xc4;
const JPG: u8 = 0xc8;
const DAC: u8 = 0xcc;
const RST0: u8 = 0xd0;
const RST7: u8 = 0xd7;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP4: u8 = 0xe4;
/// Reserved, or the stuffed zero of entropy-coded data; TEM is among them, which stands in no picture.
const LAST_RESERVED: u8 = 0xbf;

/// The first bytes of a picture: SOI, and the next marker's first byte.
pub const BEGINNING: [u8; 3] = [0xff, SOI, 0xff];

/// A whole picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture<'a> {
    /// From SOI to EOI. What comes behind is padding: many cameras' buffers end with zeros, or with the rest of a
    /// longer picture.
    pub data: &'a [u8],
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Where Huffman tables have to be put in, if the picture has none.
    tables_at: Option<usize>,
}

impl<'a> Picture<'a> {
    /// Finds the picture at the beginning of `data`.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(data: &'a [u8]) -> Result<Picture<'a>, &'static str> {
        let mut walk = Walk::default();
        match walk.go_on(data) {
            Step::More => Err("it has no end"),
            Step::Damaged(what) => Err(what),
            Step::End { width, height } => Ok(Picture {
                data: data.get(..walk.at).unwrap_or(data),
                width,
                height,
                tables_at: walk.tables_at,
            }),
        }
    }

    /// A copy for those who don't know how cameras do it: with the Huffman tables that many leave out. Every other
    /// byte is as it came.
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// The same, written to the beginning of `room`, for decoders in hardware; tells how many bytes it takes, or None
    /// if there is no room. The Raspberry Pi's decoder, for one, knows no JFIF segment, and leaves many webcams' pictures
    /// undecoded; so each APP0 marker is made APP4, which is skipped.
    pub fn write_for_decoder(&self, room: &mut [u8]) -> Option<usize> {
        let mut bytes = 0;
        for part in self.parts() {
            room.get_mut(bytes..bytes + part.len())?.copy_from_slice(part);
            bytes += part.len();
        }
        let mut at = 2;
        while let Some([0xff, marker, high, low]) = room.get_mut(at..bytes)?.first_chunk_mut() {
            at += match *marker {
                SOS => break,
                0xff => 1,
                other => {
                    if other == APP0 {
                        *marker = APP4;
                    }
                    2 + usize::from(u16::from_be_bytes([*high, *low]))
                }
            };
        }
        Some(bytes)
    }

    /// Before the place of missing tables, the tables, and behind it.
    fn parts(&self) -> [&[u8]; 3] {
        let (before, after) = self
            .data
            .split_at_checked(self.tables_at.unwrap_or(0))
            .unwrap_or_default();
        let tables: &[u8] = if self.tables_at.is_some() { &TABLES } else { &[] };
        [before, tables, after]
    }
}

/// A walk from marker to marker, which can pause where the bytes end and go on when there are more.
#[derive(Default)]
struct Walk {
    /// Up to here all is known; beyond the end of the bytes while the rest of a segment is awaited.
    at: usize,
    /// In entropy-coded data, where every 0xff that is no marker is followed by a zero (B.1.1.5).
    in_scan: bool,
    size: Option<(u16, u16)>,
    /// Sequential with Huffman coding, 8 bits: what Annex K's tables are for.
    plain: bool,
    has_tables: bool,
    scans: bool,
    tables_at: Option<usize>,
}

enum Step {
    More,
    End { width: u16, height: u16 },
    Damaged(&'static str),
}

impl Walk {
    /// `data` is what it was at the last step, and maybe more. Each byte is looked at once.
    fn go_on(&mut self, data: &[u8]) -> Step {
        loop {
            let rest = data.get(self.at..).unwrap_or_default();
            if self.in_scan {
                let Some(coded) = memchr(0xff, rest) else {
                    self.at = self.at.max(data.len());
                    return Step::More;
                };
                self.at += coded;
                match rest.get(coded + 1) {
                    None => return Step::More,
                    Some(0 | RST0..=RST7) => self.at += 2,
                    Some(0xff) => self.at += 1,
                    Some(_) => self.in_scan = false,
                }
                continue;
            }
            match *rest {
                [] | [0xff] => return Step::More,
                [0xff, SOI, ..] if self.at == 0 => self.at = 2,
                _ if self.at == 0 => return Step::Damaged("it does not begin as a JPEG picture does"),
                // Fill bytes (B.1.1.2).
                [0xff, 0xff, ..] => self.at += 1,
                [0xff, EOI, ..] => {
                    self.at += 2;
                    return match self.size {
                        Some((width, height)) if self.scans => Step::End { width, height },
                        _ => Step::Damaged("there is no picture in it"),
                    };
                }
                [0xff, SOI, ..] => return Step::Damaged("its end is missing"),
                [0xff, 0..=LAST_RESERVED | RST0..=RST7, ..] => {
                    return Step::Damaged("a wrong marker is in it");
                }
                [0xff, _] | [0xff, _, _] => return Step::More,
                [0xff, marker, high, low, ref segment @ ..] => {
                    // The length counts itself (B.1.1.4).
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    if length < 2 {
                        return Step::Damaged("a segment without a length is in it");
                    }
                    match marker {
                        DHT => self.has_tables = true,
                        SOF0..=SOF15 if !matches!(marker, JPG | DAC) && self.size.is_none() => {
                            // B.2.2: precision, lines, samples per line.
                            let Some((&[precision, h, l, w, x], _)) = segment.split_first_chunk() else {
                                return Step::More;
                            };
                            let (width, height) = (u16::from_be_bytes([w, x]), u16::from_be_bytes([h, l]));
                            if width == 0 || height == 0 {
                                return Step::Damaged("it has no size");
                            }
                            self.size = Some((width, height));
                            self.plain = matches!(marker, SOF0 | SOF1) && precision == 8;
                        }
                        SOS => {
                            if !self.scans && self.plain && !self.has_tables {
                                self.tables_at = Some(self.at);
                            }
                            (self.scans, self.in_scan) = (true, true);
                        }
                        _ => {}
                    }
                    self.at += 2 + length;
                }
                _ => return Step::Damaged("bytes between its segments"),
            }
        }
    }
}

/// Cuts a byte stream, picture after picture as `ffmpeg -f mjpeg` and `rpicam-vid --codec mjpeg` write them, into
/// pictures. It has no clock and reads nothing: put bytes into [`Splitter::spare_mut`], then tell it with
/// [`Splitter::commit`].
pub struct Splitter {
    /// Bytes `start..end` are held; what lies behind `end` is room.
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// `None` between pictures.
    walk: Option<Walk>,
    begun_us: u64,
    dropped_bytes: u64,
    limit_bytes: usize,
    beginning: memmem::Finder<'static>,
}

impl Default for Splitter {
    fn default() -> Splitter {
        Splitter::with_limit(MAX_PICTURE_BYTES)
    }
}

impl Splitter {
    fn with_limit(limit_bytes: usize) -> Splitter {
        Splitter {
            buf: Vec::new(),
            start: 0,
            end: 0,
            walk: None,
            begun_us: 0,
            dropped_bytes: 0,
            limit_bytes,
            beginning: memmem::Finder::new(&BEGINNING),
        }
    }

    /// Room for the next read, at least `min` bytes.
    pub fn spare_mut(&mut self, min: usize) -> &mut [u8] {
        if self.start == self.end || self.buf.len() - self.end < min {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            // Doubled before it is full: otherwise each read would move the bytes of a long picture again.
            if self.end + min > self.buf.len() / 4 * 3 {
                self.buf.resize((self.buf.len() * 2).max(self.end + min), 0);
            }
        }
        &mut self.buf[self.end..]
    }

    /// Takes the `read_bytes` that were put at the beginning of [`Splitter::spare_mut`] at `now_us`, and gives `sink` what
    /// they complete.
    pub fn commit(&mut self, read_bytes: usize, now_us: u64, sink: &mut dyn FnMut(Chunk<'_>)) {
        self.end = (self.end + read_bytes).min(self.buf.len());
        loop {
            let held = &self.buf[self.start..self.end];
            let Some(walk) = &mut self.walk else {
                let found = self.beginning.find(held);
                // What may be the beginning of one is kept.
                let skipped = found.unwrap_or(held.len().saturating_sub(BEGINNING.len() - 1));
                self.start += skipped;
                self.dropped_bytes += skipped as u64;
                if found.is_none() {
                    return;
                }
                (self.walk, self.begun_us) = (Some(Walk::default()), now_us);
                continue;
            };
            let within = held.get(..self.limit_bytes).unwrap_or(held);
            let length = match walk.go_on(within) {
                Step::More if held.len() < self.limit_bytes => return,
                Step::End { .. } => {
                    sink(Chunk::Unit {
                        data: &held[..walk.at],
                        arrived_us: self.begun_us,
                    });
                    walk.at
                }
                Step::More | Step::Damaged(_) => {
                    sink(Chunk::Gap);
                    // The next one may begin where this one went wrong.
                    let length = walk.at.min(within.len());
                    self.dropped_bytes += length as u64;
                    length
                }
            };
            self.start += length;
            self.walk = None;
        }
    }

    /// Bytes that were in no whole picture.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }
}

/// One segment with the tables of Annex K.3: luminance DC and AC, chrominance DC and AC (Tables K.3, K.5, K.4, K.6), as
/// B.2.4.2 writes them: class and destination, how many codes there are of each length, and the values.
const TABLES: [u8; 420] = *b"\
    \xff\xc4\x01\xa2\
    \x00\x00\x01\x05\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\
    \x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\
    \x10\x00\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\x00\x00\x01\x7d\
    \x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\
    \x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0\
    \x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\
    \x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\
    \x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\
    \x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89\
    \x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\
    \xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\
    \xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\
    \xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\
    \xf9\xfa\
    \x01\x00\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\
    \x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\
    \x11\x00\x02\x01\x02\x04\x04\x03\x04\x07\x05\x04\x04\x00\x01\x02\x77\
    \x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\
    \x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\x52\xf0\
    \x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\
    \x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\
    \x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\
    \x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87\
    \x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\
    \xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\
    \xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\
    \xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\
    \xf9\xfa";

/// What must hold for any bytes, as functions that panic where it does not: for tests and fuzz targets.
pub mod laws {
    use super::{APP0, APP4, Chunk, Picture, Splitter, TABLES};
    use memchr::memmem;

    /// A small limit, so that it is met.
    const LIMIT_BYTES: usize = 4096;

    /// What a [`Splitter`] makes of `chunks`: pictures, and `None` for a gap.
    fn split<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Option<Vec<u8>>>, u64) {
        let mut splitter = Splitter::with_limit(LIMIT_BYTES);
        let mut pieces = Vec::new();
        for chunk in chunks {
            splitter.spare_mut(chunk.len())[..chunk.len()].copy_from_slice(chunk);
            splitter.commit(chunk.len(), 0, &mut |chunk| {
                pieces.push(match chunk {
                    Chunk::Unit { data, .. } => Some(data.to_vec()),
                    Chunk::Gap => None,
                });
            });
        }
        (pieces, splitter.dropped_bytes())
    }

    /// However a stream is cut into reads, the same pictures come out: each of them whole, in order, and nothing but
    /// what went in. A picture is the same with and without padding, and its copy differs by the tables alone.
    pub fn jpeg(data: &[u8]) {
        let (pieces, dropped) = split([data].into_iter());
        assert_eq!(split(data.chunks(1)), (pieces.clone(), dropped));
        let odd = usize::from(data.first().copied().unwrap_or(0)) + 1;
        assert_eq!(split(data.chunks(odd)), (pieces.clone(), dropped));
        let mut rest = data;
        for unit in pieces.into_iter().flatten() {
            let at = memmem::find(rest, &unit);
            assert!(at.is_some(), "made up: {unit:?}");
            rest = at.and_then(|at| rest.get(at + unit.len()..)).unwrap_or_default();
            assert_eq!(Picture::parse(&unit).map(|picture| picture.data), Ok(&unit[..]));
        }

        let Ok(picture) = Picture::parse(data) else {
            return;
        };
        assert!(picture.width > 0 && picture.height > 0);
        assert_eq!(Picture::parse(picture.data), Ok(picture));
        let copy = picture.to_vec();
        let same = Picture {
            data: &copy,
            tables_at: None,
            ..picture
        };
        assert_eq!(Picture::parse(&copy), Ok(same));
        match picture.tables_at {
            None => assert_eq!(copy, picture.data),
            Some(at) => {
                assert_eq!(copy[at..at + TABLES.len()], TABLES);
                assert_eq!([&copy[..at], &copy[at + TABLES.len()..]].concat(), picture.data);
            }
        }

        // What a decoder is given is the same but for one marker, and exactly as long.
        let mut room = vec![0; copy.len()];
        assert_eq!(picture.write_for_decoder(&mut room), Some(copy.len()));
        let changed = room.iter().zip(&copy).filter(|(new, old)| new != old);
        assert!(changed.clone().all(|pair| pair == (&APP4, &APP0)));
        assert_eq!(Picture::parse(&room).map(|p| p.data.len()), Ok(copy.len()));
        assert_eq!(picture.write_for_decoder(&mut room[1..]), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By ffmpeg, with the tables of Annex K; see tests/fixtures/README.md.
    const FFMPEG: &[u8] = include_bytes!("../../tests/fixtures/ffmpeg_mjpeg_default_tables.jpg");

    fn segment(marker: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], bytes].concat()
    }

    /// A picture of 640x480 with all that may confuse, and its parts.
    fn parts(sof: u8, precision: u8, tables: bool) -> Vec<Vec<u8>> {
        let thumbnail = [&[0xff, SOI], &segment(0xdb, &[1; 65])[..], &[0xff, EOI]].concat();
        vec![
            vec![0xff, SOI],
            segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            segment(0xe1, &thumbnail),
            // Fill bytes, and a comment that looks like an end.
            [&[0xff, 0xff][..], &segment(0xfe, &[0xff, EOI, 0xff, SOI, 0xff])].concat(),
            segment(sof, &[precision, 1, 224, 2, 128, 1, 1, 0x11, 0]),
            if tables {
                segment(DHT, &[0; 17])
            } else {
                Vec::new()
            },
            segment(SOS, &[1, 1, 0, 0, 63, 0]),
            // Stuffed zeros, restarts, fill bytes before one.
            vec![
                1, 2, 0xff, 0, 3, 0xff, RST0, 4, 0xff, 0xff, 0xff, RST7, 5, 0xff, 0,
            ],
            vec![0xff, EOI],
        ]
    }

    fn picture(sof: u8, tables: bool) -> Vec<u8> {
        parts(sof, 8, tables).concat()
    }

    #[test]
    fn a_picture_goes_from_soi_to_eoi_and_padding_is_none_of_it() {
        let whole = picture(SOF0, true);
        for padding in [&[][..], &[0; 100], &[0xff; 3], &whole[5..], &[0xff, EOI]] {
            let padded = [&whole[..], padding].concat();
            let found = Picture::parse(&padded).unwrap();
            assert_eq!((found.data, found.width, found.height), (&whole[..], 640, 480));
            assert_eq!(found.to_vec(), whole);
        }
        let scans = [&whole[..whole.len() - 2], &parts(SOF0, 8, true)[5..].concat()].concat();
        assert_eq!(Picture::parse(&scans).unwrap().data, scans, "two scans");
        assert_eq!(Picture::parse(FFMPEG).unwrap().to_vec(), FFMPEG);
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let whole = picture(SOF0, true);
        for length in 0..whole.len() {
            assert_eq!(Picture::parse(&whole[..length]), Err("it has no end"), "{length}");
        }
        let changed = |part: usize, bytes: &[u8]| {
            let mut parts = parts(SOF0, 8, true);
            parts[part] = bytes.to_vec();
            let whole = parts.concat();
            Picture::parse(&whole).map(|picture| picture.data.len())
        };
        for (part, bytes, words) in [
            (0, &[0, 0][..], "does not begin"),
            (0, &[0xff, EOI], "does not begin"),
            (1, &[0xff, 0xe0, 0, 1], "without a length"),
            (1, &[0xff, 0xe0, 0, 2, 7], "bytes between"),
            (1, &[0xff, RST0], "wrong marker"),
            (1, &[0xff, 0], "wrong marker"),
            (4, &[], "no picture"),
            (4, &segment(SOF0, &[8, 0, 0, 2, 128, 1, 1, 0x11, 0]), "no size"),
            (4, &segment(SOF0, &[8, 1, 224, 0, 0, 1, 1, 0x11, 0]), "no size"),
            (6, &[], "bytes between"),
            // Packets are missing: the next picture begins, or what comes is not entropy-coded data.
            (7, &[1, 2, 0xff, SOI], "its end is missing"),
            (7, &[1, 2, 0xff, 0x3f], "wrong marker"),
        ] {
            assert!(
                changed(part, bytes).unwrap_err().contains(words),
                "{part} {bytes:x?}"
            );
        }
        // What has no scan has no picture.
        let parts = parts(SOF0, 8, true);
        let none = [&parts[..6].concat()[..], &parts[8]].concat();
        assert!(Picture::parse(&none).unwrap_err().contains("no picture"));
    }

    #[test]
    fn tables_are_put_in_where_there_are_none() {
        let (with, without) = (parts(SOF0, 8, true), parts(SOF0, 8, false));
        let expected = [&without[..6].concat()[..], &TABLES, &without[6..].concat()].concat();
        assert_eq!(Picture::parse(&without.concat()).unwrap().to_vec(), expected);
        assert_eq!(Picture::parse(&with.concat()).unwrap().to_vec(), with.concat());
        // Annex K has none for these: progressive, arithmetic, 12 bits.
        for (sof, precision) in [(0xc2, 8), (0xc9, 8), (SOF1, 12)] {
            let other = parts(sof, precision, false).concat();
            assert_eq!(
                Picture::parse(&other).unwrap().to_vec(),
                other,
                "{sof:x} {precision}"
            );
        }
    }

    #[test]
    fn decoders_get_no_jfif_segment_and_all_tables() {
        let of = |tables| {
            let mut parts = parts(SOF0, 8, tables);
            // Another one, behind fill bytes; and data that looks like one.
            parts.insert(4, [&[0xff][..], &segment(APP0, b"JFXX\0")].concat());
            parts[8].extend([0xff, 0, APP0, 0xff, 0]);
            parts
        };
        for tables in [true, false] {
            let mut expected = of(true);
            if !tables {
                expected[6] = TABLES.to_vec();
            }
            (expected[1][1], expected[4][2]) = (APP4, APP4);
            let expected = expected.concat();
            let given = [of(tables).concat(), vec![0; 100]].concat();
            let mut room = vec![7; expected.len() + 1];
            let bytes = Picture::parse(&given).unwrap().write_for_decoder(&mut room);
            assert_eq!(bytes, Some(expected.len()));
            assert_eq!(room, [&expected[..], &[7]].concat());
        }
    }

    /// The tables of a DHT segment, by class and destination.
    fn tables(mut segment: &[u8]) -> std::collections::BTreeMap<u8, &[u8]> {
        segment = &segment[4..];
        let mut tables = std::collections::BTreeMap::new();
        while let Some((id, rest)) = segment.split_first() {
            let codes = rest[..16].iter().map(|count| usize::from(*count)).sum::<usize>();
            tables.insert(*id, &rest[..16 + codes]);
            segment = &rest[16 + codes..];
        }
        tables
    }

    #[test]
    fn the_tables_are_those_that_ffmpeg_has() {
        let at = memmem::find(FFMPEG, &[0xff, DHT]).unwrap();
        let dht = &FFMPEG[at..at + TABLES.len()];
        assert_eq!(tables(&TABLES), tables(dht));
        let without = [&FFMPEG[..at], &FFMPEG[at + TABLES.len()..]].concat();
        assert_eq!(Picture::parse(&without).unwrap().to_vec().len(), FFMPEG.len());
    }

    /// What comes out: the number of a known picture, or else "?", and its time; "!" for a gap.
    fn split(splitter: &mut Splitter, chunks: &[&[u8]], known: &[&[u8]]) -> String {
        let mut told = String::new();
        for (chunk, now_us) in chunks.iter().zip(10..) {
            splitter.spare_mut(chunk.len())[..chunk.len()].copy_from_slice(chunk);
            splitter.commit(chunk.len(), now_us, &mut |chunk| match chunk {
                Chunk::Gap => told += "!",
                Chunk::Unit { data, arrived_us } => match known.iter().position(|picture| *picture == data) {
                    Some(number) => told += &format!("{number}@{arrived_us} "),
                    None => told += "? ",
                },
            });
        }
        told
    }

    #[test]
    fn pictures_come_out_as_soon_as_they_are_whole() {
        let (one, two) = (&picture(SOF0, true)[..], FFMPEG);
        let known = [one, two];
        let mut splitter = Splitter::default();
        // The time is that of the first bytes.
        assert_eq!(split(&mut splitter, &[one, two, one], &known), "0@10 1@11 0@12 ");
        let (begin, end) = one.split_at(70);
        assert_eq!(split(&mut splitter, &[begin, end], &known), "0@10 ");
        assert_eq!(
            split(&mut splitter, &[&[one, two, begin].concat(), end], &known),
            "0@10 1@10 0@10 "
        );
        assert_eq!(splitter.dropped_bytes(), 0);
        // Padding, and the lines of a multipart body.
        let between = [one, &[0; 9], b"\r\n--x\r\n\r\n", two].concat();
        assert_eq!(split(&mut splitter, &[&between, &[0; 3]], &known), "0@10 1@10 ");
    }

    #[test]
    fn what_follows_a_damaged_picture_is_found() {
        let (one, two) = (&picture(SOF0, true)[..], FFMPEG);
        let known = [one, two];
        // More than the 64 KB that a segment may come to whose length was cut off.
        let after = [two, one].concat().repeat(100);
        for cut in 3..one.len() {
            let stream = [two, &one[..cut], &after].concat();
            let told = split(&mut Splitter::default(), &[&stream], &known);
            // A segment that was cut off takes what comes next for its own bytes, and now and then what is behind
            // them makes a picture with it.
            let one_wrong = told.matches(['!', '?']).count() == 1;
            assert!(
                one_wrong && told.starts_with("1@10 ") && told.ends_with("1@10 0@10 "),
                "{cut}: {told}"
            );
            if cut > one.len() - 10 {
                assert!(told.starts_with("1@10 !1@10 0@10 "), "{cut}: {told}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_no_picture() {
        let one = &picture(SOF0, true)[..];
        let exact = &mut Splitter::with_limit(one.len());
        assert_eq!(split(exact, &[one], &[one]), "0@10 ");
        let short = &mut Splitter::with_limit(one.len() - 1);
        assert_eq!(
            split(short, &[one, FFMPEG], &[one]),
            "!!",
            "no memory without end"
        );
        assert!(short.buf.len() < 8 * FFMPEG.len());
    }

    #[test]
    fn the_law_holds_for_whole_streams() {
        let one = &picture(SOF0, false)[..];
        for stream in [
            &[one, one].concat(),
            one,
            FFMPEG,
            &[FFMPEG, &one[..100], FFMPEG].concat(),
        ] {
            laws::jpeg(stream);
        }
    }
}
