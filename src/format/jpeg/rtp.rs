//! What RTP carries of a JPEG picture (RFC 2435): not its head, which receivers make anew of a few numbers and the
//! quantization tables. So it has to be one of those that they can make.

use super::markers::{DAC, DHT, DQT, DRI, EOI, JPG, SOF0, SOF15, SOS};
use super::segments::segments_and_rest;
use super::tables::TABLES;

/// Width and height are sent in units of eight, as a byte each.
const UNIT: u16 = 8;
const BAD_SIZE: &str = "501 RTP takes JPEG pictures of at most 2040x2040, in steps of 8";
const BAD_CODING: &str = "501 RTP takes baseline JPEG pictures of 4:2:0 or 4:2:2 alone";
const BAD_HUFFMAN: &str = "501 RTP takes no JPEG pictures with Huffman tables of their own";

/// A picture that RTP can carry.
#[derive(Debug, PartialEq, Eq)]
pub struct RtpPicture<'a> {
    /// What stands before its first piece (3.1, 3.1.7, 3.1.8); bytes 1 to 3 are the place of the piece.
    pub head: Vec<u8>,
    /// So much of that stands before each piece.
    pub repeated_bytes: usize,
    /// Its coded data.
    pub coded: &'a [u8],
}

impl<'a> RtpPicture<'a> {
    /// Reads a whole picture, which has its Huffman tables and its EOI.
    ///
    /// # Errors
    /// RTP can't carry it; RTSP's status for that, with the reason.
    pub fn parse(picture: &'a [u8]) -> Result<RtpPicture<'a>, &'static str> {
        // Of luminance and chrominance: 64 numbers each, in the order of the file.
        let mut quantization: [Option<&[u8; 64]>; 4] = [None; 4];
        let (mut interval, mut frame) = ([0; 2], None);
        for (marker, segment, behind) in segments_and_rest(picture) {
            match (marker, segment) {
                (DQT, mut tables) => {
                    // Numbers of 16 bits have a 1 before the table's own number.
                    while let [place, rest @ ..] = tables {
                        let room = quantization.get_mut(usize::from(*place)).ok_or(BAD_CODING)?;
                        let (table, rest) = rest.split_first_chunk().ok_or(BAD_CODING)?;
                        (*room, tables) = (Some(table), rest);
                    }
                }
                (DHT, tables) if !are_usual(tables) => return Err(BAD_HUFFMAN),
                (DRI, &[high, low]) => interval = [high, low],
                // Both colours are sampled once for each pair, or each four, of the brightness, and have one table.
                (
                    SOF0,
                    &[
                        8,
                        h,
                        l,
                        w,
                        x,
                        3,
                        _,
                        sampling @ (0x21 | 0x22),
                        y,
                        _,
                        0x11,
                        u,
                        _,
                        0x11,
                        v,
                    ],
                ) if u == v => {
                    let size = [[w, x], [h, l]].map(u16::from_be_bytes);
                    let [width, height] = size.map(|pixels| u8::try_from(pixels / UNIT).unwrap_or(0));
                    if size.iter().any(|pixels| pixels % UNIT != 0) || width == 0 || height == 0 {
                        return Err(BAD_SIZE);
                    }
                    frame = Some((sampling - 0x21, width, height, [y, u]));
                }
                (SOF0..=SOF15, _) if !matches!(marker, DHT | JPG | DAC) => return Err(BAD_CODING),
                (SOS, &[3, _, 0, _, 0x11, _, 0x11, 0, 63, 0]) => {
                    let (kind, width, height, tables) = frame.ok_or(BAD_CODING)?;
                    let restarts = interval != [0; 2];
                    let kind = kind + if restarts { 64 } else { 0 };
                    // Tables of its own: 255.
                    let mut head = vec![0, 0, 0, 0, kind, 255, width, height];
                    if restarts {
                        head.extend_from_slice(&[interval[0], interval[1], 0xff, 0xff]);
                    }
                    let repeated_bytes = head.len();
                    // Numbers of eight bits, 128 of them.
                    head.extend_from_slice(&[0, 0, 0, 128]);
                    for table in tables {
                        let table = quantization.get(usize::from(table)).copied().flatten();
                        head.extend_from_slice(table.ok_or(BAD_CODING)?);
                    }
                    return Ok(RtpPicture {
                        head,
                        repeated_bytes,
                        coded: behind.strip_suffix(&[0xff, EOI]).unwrap_or(behind),
                    });
                }
                _ => {}
            }
        }
        Err(BAD_CODING)
    }
}

/// True if all tables of a DHT segment are those of Annex K.3, which receivers take.
fn are_usual(mut tables: &[u8]) -> bool {
    while !tables.is_empty() {
        let counts = tables.get(1..17).unwrap_or_default();
        let bytes = 17 + counts.iter().map(|count| usize::from(*count)).sum::<usize>();
        let Some((table, rest)) = tables.split_at_checked(bytes) else {
            return false;
        };
        // Not by memchr's own search for several bytes, which takes 5 kB of code: there are four tables to look at.
        if !TABLES.windows(bytes).any(|usual| usual == table) {
            return false;
        }
        tables = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use memchr::memmem;

    /// By ffmpeg, with the tables of Annex K; see tests/fixtures/README.md.
    const FFMPEG: &[u8] = include_bytes!("../../../tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");

    /// The same with these bytes in place of those, which are in it once.
    fn changed(from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = memmem::find(FFMPEG, from).unwrap();
        [&FFMPEG[..at], to, &FFMPEG[at + from.len()..]].concat()
    }

    #[test]
    fn a_picture_is_a_few_numbers_two_tables_and_its_coded_data() {
        let picture = RtpPicture::parse(FFMPEG).unwrap();
        let at = memmem::find(FFMPEG, b"\xff\xdb\0\x43\0").unwrap();
        let table = &FFMPEG[at + 5..][..64];
        let numbers = [0, 0, 0, 0, 1, 255, 2, 2];
        let of_tables = [&[0, 0, 0, 128], table, table].concat();
        assert_eq!(picture.head, [&numbers[..], &of_tables].concat());
        let coded = &FFMPEG[FFMPEG.len() - 82..FFMPEG.len() - 2];
        assert_eq!((picture.repeated_bytes, picture.coded), (8, coded));
        let strewn = [&FFMPEG[..2], &[1, 0, 3], &FFMPEG[2..]].concat();
        assert_eq!(RtpPicture::parse(&strewn).as_ref(), Ok(&picture));
        // Half as many colours, and restarts each five units.
        let other = changed(b"\x22\0\x02\x11\0", b"\x21\0\x02\x11\0");
        let other = [&other[..2], b"\xff\xdd\0\x04\0\x05", &other[2..]].concat();
        let picture = RtpPicture::parse(&other).unwrap();
        let numbers = [0, 0, 0, 0, 64, 255, 2, 2, 0, 5, 0xff, 0xff];
        assert_eq!(picture.head, [&numbers[..], &of_tables].concat());
        assert_eq!((picture.repeated_bytes, picture.coded), (12, coded));
    }

    #[test]
    fn what_receivers_can_not_make_is_refused() {
        let frame = b"\xff\xc0\0\x11\x08\0\x10\0\x10";
        for (from, to, why) in [
            (&frame[..], &b"\xff\xc2\0\x11\x08\0\x10\0\x10"[..], BAD_CODING),
            (frame, b"\xff\xc0\0\x11\x0c\0\x10\0\x10", BAD_CODING),
            (frame, b"\xff\xc0\0\x11\x08\0\x10\0\x11", BAD_SIZE),
            (frame, b"\xff\xc0\0\x11\x08\x08\0\0\x10", BAD_SIZE),
            (frame, b"\xff\xc0\0\x11\x08\0\0\0\x10", BAD_SIZE),
            // Each colour in each pixel, or two tables for the colours.
            (b"\x22\0\x02\x11\0", b"\x11\0\x02\x11\0", BAD_CODING),
            (b"\x11\0\x03\x11\0", b"\x11\0\x03\x11\x01", BAD_CODING),
            (b"\0\x3f\0", b"\0\x05\0", BAD_CODING),
            // A quantization table of another number, and of 16 bits.
            (b"\xff\xdb\0\x43\0", b"\xff\xdb\0\x43\x01", BAD_CODING),
            (b"\xff\xdb\0\x43\0", b"\xff\xdb\0\x43\x10", BAD_CODING),
            (b"\0\0\x01\x05\x01", b"\0\0\x01\x05\x02", BAD_HUFFMAN),
            (
                b"\x00\x01\x02\x03\x04\x05\x06",
                b"\x00\x01\x02\x03\x04\x06\x05",
                BAD_HUFFMAN,
            ),
        ] {
            assert_eq!(RtpPicture::parse(&changed(from, to)), Err(why), "{to:x?}");
        }
        for end in 0..FFMPEG.len() - 82 {
            assert_eq!(RtpPicture::parse(&FFMPEG[..end]), Err(BAD_CODING), "{end}");
        }
    }
}
