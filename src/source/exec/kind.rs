//! What a command's output is where it is neither H.264 in the byte stream format nor JPEG pictures, by how it begins.

use crate::format::jpeg;
use crate::format::search::find;

/// Bytes of the output's beginning that are looked at: packets of MPEG-TS, H.265's parameter sets, rows of MPEG-2, even if
/// it begins within a picture.
pub(super) const HEAD_BYTES: usize = 16 << 10;

/// Bytes of an MPEG-TS packet; each begins with this byte.
const TS_PACKET: usize = 188;
const TS_SYNC: u8 = 0x47;

/// The kind of an output that begins as something else than H.264 or JPEG does, and the way out where it is a short one.
pub(super) fn other_kind(head: &[u8]) -> Option<&'static str> {
    let is_there =
        |(at, bytes, _): &&(usize, &[u8], &str)| head.get(*at..).is_some_and(|rest| rest.starts_with(bytes));
    if let Some((.., name)) = SIGNATURES.iter().find(is_there) {
        return Some(name);
    }
    let kind = match head {
        [TS_SYNC, ..] if head.get(TS_PACKET) == Some(&TS_SYNC) => "MPEG-TS",
        // With a time before each packet, as Blu-ray discs have it.
        [_, _, _, _, TS_SYNC, ..] if head.get(2 * 4 + TS_PACKET) == Some(&TS_SYNC) => "MPEG-TS",
        // In a JPEG picture, whatever stands before it, anything may be found: JFIF alone has what H.265 calls a slice.
        _ if find(head, &jpeg::BEGINNING).is_some() => return None,
        _ if is_joined_ts(head) => "MPEG-TS",
        _ if has_lengths(head) => {
            "H.264 with lengths instead of start codes (AVC), of which ffmpeg makes a byte stream by -bsf:v h264_mp4toannexb \
             and GStreamer by h264parse ! video/x-h264,stream-format=byte-stream"
        }
        _ => return by_start_codes(head),
    };
    Some(kind)
}

/// What stands at which byte of files of other kinds, and their names.
const SIGNATURES: [(usize, &[u8], &str); 29] = [
    // Boxes, each behind its length.
    (4, b"ftyp", "MP4"),
    (4, b"styp", "MP4"),
    (4, b"moov", "MP4"),
    (4, b"moof", "MP4"),
    (4, b"sidx", "MP4"),
    (4, b"mdat", "MP4"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"FLV\x01", "FLV"),
    (0, b"DKIF", "IVF"),
    (0, b"OggS", "Ogg"),
    (0, b"nut/multimedia", "NUT"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF"),
    (8, b"AVI ", "AVI"),
    (8, b"WAVE", SOUND),
    (8, b"WEBP", "WebP pictures"),
    (0, b"fLaC", SOUND),
    (0, b"ID3", SOUND),
    // A temporal delimiter, and a sequence header.
    (0, b"\x12\0\x0a", "AV1"),
    (0, b"YUV4MPEG", "uncompressed video"),
    (0, b"P6\n", "uncompressed pictures"),
    (0, b"\x89PNG", "PNG pictures"),
    (0, b"GIF8", "GIF pictures"),
    (4, b"jP  ", "JPEG 2000, which no browser shows"),
    (0, b"\xff\xd8\xff\xf7", "JPEG-LS, which no browser shows"),
    (0, b"\0\0\x80\x02", "H.263"),
    (0, b"#!rtpplay", "a record of network packets"),
    (0, b"<!DOCTYPE", HTML),
    (0, b"<!doctype", HTML),
    (0, b"<html", HTML),
];
const SOUND: &str = "sound";
const HTML: &str = "HTML, as of a page that tells an error: look at the address";

/// MPEG-TS that is joined within a packet: three packets later, the four are still in step.
fn is_joined_ts(head: &[u8]) -> bool {
    let in_step = |at: usize| (0..4).all(|n| head.get(at + n * TS_PACKET) == Some(&TS_SYNC));
    (1..TS_PACKET).any(in_step)
}

/// The beginning of a start code.
const PREFIX: [u8; 3] = [0, 0, 1];
/// So much of a slice has no start code in it.
const SLICE_BYTES: usize = 1024;

/// H.264 as in MP4: each NAL unit behind its length, in four bytes.
fn has_lengths(head: &[u8]) -> bool {
    if head.starts_with(&[0, 0, 1]) || head.starts_with(&[0, 0, 0, 1]) {
        return false;
    }
    let (mut rest, mut units) = (head, 0);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some([header, second, ..]) = after.get(..2).map(|two| [two[0], two[1]]) else {
            break;
        };
        // A slice of a picture's beginning (first_mb_in_slice 0), SEI, a parameter set or a delimiter.
        let plausible = match header {
            0x65 | 0x45 | 0x25 | 0x61 | 0x41 | 0x21 | 0x01 => second & 0x80 != 0,
            0x67 | 0x47 | 0x27 | 0x68 | 0x48 | 0x28 | 0x06 | 0x09 => true,
            _ => false,
        };
        if !plausible || !(2..1 << 23).contains(&length) {
            return false;
        }
        units += 1;
        match after.get(length..) {
            Some(next) => rest = next,
            // A slice that goes on. H.264 whose first start code is damaged has another one soon.
            None if matches!(header & 0x1f, 1 | 5) => {
                return units > 1
                    || after.len() >= SLICE_BYTES
                        && !after.windows(PREFIX.len()).any(|bytes| bytes == PREFIX);
            }
            None => break,
        }
    }
    units > 1
}

/// Kinds whose units begin with start codes, as H.264's do. No bit of H.264 that is wrong makes one of them.
fn by_start_codes(head: &[u8]) -> Option<&'static str> {
    /// Of MPEG-1 and 2, with its start code and vectors' ranges.
    const PICTURE_HEADER_BYTES: usize = 10;
    let (mut units, mut codes) = (Vec::<(u8, u8, &[u8])>::new(), Vec::new());
    let mut rest = head;
    while let [_, after @ ..] = rest {
        if let [0, 0, 1, code, next, data @ ..] = rest {
            units.push((*code, *next, data));
            codes.push(*code);
        }
        rest = after;
    }
    // ISO/IEC 13818-1, 2.5.3.3, and 11172-1: a pack header; and a packet of video.
    let is_of_program = |&(code, next, rest): &(u8, u8, &[u8])| match code {
        0xba => next & 0xc4 == 0x44 || next & 0xf1 == 0x21,
        0xe0..=0xef => rest.get(1).is_some_and(|flags| flags & 0xc0 == 0x80),
        _ => false,
    };
    let is_pack = |unit: &&(u8, u8, &[u8])| unit.0 == 0xba && is_of_program(unit);
    if units.first().is_some_and(|unit| is_pack(&unit))
        || units.iter().filter(|unit| is_of_program(unit)).count() > 1
    {
        return Some("an MPEG program stream");
    }
    let has = |some: &[u8]| codes.windows(some.len()).any(|codes| codes == some);
    // Pictures, whose headers are short, with their first rows; groups of pictures, pictures with their extension, and rows
    // that follow each other.
    let is_picture = |pair: &&[(u8, u8, &[u8])]| {
        (pair[0].0, pair[1].0) == (0, 1) && pair[0].2.len() - pair[1].2.len() <= PICTURE_HEADER_BYTES
    };
    let pictures = units.windows(2).filter(is_picture).count();
    let is_row = |codes: &[u8]| {
        codes[0] > 0 && codes.iter().zip(codes[0]..0xb0).all(|(code, next)| *code == next) && codes[0] < 0xad
    };
    if has(&[0xb8, 0]) || has(&[0, 0xb5]) || pictures > 1 || codes.windows(4).any(is_row) {
        return Some(MPEG_1_2);
    }
    // Objects; their layers; their pictures.
    if has(&[0xb0, 0xb5]) || has(&[0, 0x20]) || has(&[0xb6, 0xb6]) {
        return Some("MPEG-4 Part 2 (as of DivX and Xvid)");
    }
    match units[..] {
        // Parameter sets and some key frames of H.265, by its header of two bytes (7.3.1.2) of layer 0. The others only before
        // another unit: alone they may be of MPEG-1, or a damaged SEI of H.264.
        [(0x40 | 0x42 | 0x44 | 0x20 | 0x22 | 0x24 | 0x28 | 0x2a, 1, _), ..]
        | [(0x46 | 0x4e | 0x00 | 0x02 | 0x26, 1, _), (0x00..=0x4e, 1, _), ..] => {
            Some("H.265, which not all browsers play: let the camera send H.264, or encode it (-c:v libx264)")
        }
        // ISO/IEC 13818-2, 6.2.2.1: neither size is 0, nor is the shape of a pixel or the frame rate.
        [(0xb3, wide, [sizes, high, codes, ..]), ..]
            if (wide, sizes >> 4) != (0, 0)
                && (sizes & 15, *high) != (0, 0)
                && (1..=14).contains(&(codes >> 4))
                && (1..=8).contains(&(codes & 15)) =>
        {
            Some(MPEG_1_2)
        }
        _ => None,
    }
}

const MPEG_1_2: &str = "MPEG-1 or MPEG-2 video";

/// True if it reads as text.
pub(super) fn is_text(head: &[u8]) -> bool {
    let printable = |byte: &u8| (b' '..0x7f).contains(byte) || byte.is_ascii_whitespace();
    !head.is_empty() && head.iter().all(printable)
}

/// The first bytes, as text if they are some.
pub(super) fn show(head: &[u8]) -> String {
    const MOST: usize = 60;
    if is_text(head) {
        let text: String = head.iter().take(MOST).map(|&byte| char::from(byte)).collect();
        return format!("{:?}", text.trim());
    }
    head.iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
#[path = "tests/kind.rs"]
mod tests;
