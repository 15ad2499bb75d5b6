//! What a command's output is where it is neither H.264 in the byte stream format nor JPEG pictures, by how it begins.

use crate::format::jpeg;

/// Bytes of the output's beginning that are looked at: some packets of MPEG-TS, H.265's parameter sets, a row of slices.
pub(super) const HEAD_BYTES: usize = 2048;

/// Bytes of an MPEG-TS packet; each begins with this byte.
const TS_PACKET: usize = 188;
const TS_SYNC: u8 = 0x47;

/// The kind of an output that begins as something else than H.264 or JPEG does, and the way out where it is a short one.
pub(super) fn other_kind(head: &[u8]) -> Option<&'static str> {
    let container = match head {
        [_, _, _, _, kind @ ..] if MP4_BOXES.iter().any(|known| kind.starts_with(known)) => "MP4",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "Matroska or WebM",
        [b'F', b'L', b'V', 1, ..] => "FLV",
        [b'D', b'K', b'I', b'F', ..] => "IVF",
        [b'O', b'g', b'g', b'S', ..] => "Ogg",
        [b'R', b'I', b'F', b'F', ..] => "AVI",
        [b'Y', b'U', b'V', b'4', b'M', b'P', b'E', b'G', ..] => "uncompressed video",
        [0x89, b'P', b'N', b'G', ..] => "PNG",
        [TS_SYNC, ..] if head.get(TS_PACKET) == Some(&TS_SYNC) => "MPEG-TS",
        // In a JPEG picture, whatever stands before it, anything may be found: JFIF alone has what H.265 calls a slice.
        _ if head
            .windows(jpeg::BEGINNING.len())
            .any(|bytes| bytes == jpeg::BEGINNING) =>
        {
            return None;
        }
        _ if is_joined_ts(head) => "MPEG-TS",
        _ if has_lengths(head) => {
            "H.264 with lengths instead of start codes (AVC), of which ffmpeg makes a byte stream by -bsf:v h264_mp4toannexb \
             and GStreamer by h264parse ! video/x-h264,stream-format=byte-stream"
        }
        _ => return by_start_codes(head),
    };
    Some(container)
}

/// Boxes that an MP4 file or a fragment begins with, behind four bytes of length.
const MP4_BOXES: [&[u8]; 6] = [b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"mdat"];

/// MPEG-TS that is joined within a packet: three packets later, the four are still in step.
fn is_joined_ts(head: &[u8]) -> bool {
    let in_step = |at: usize| (0..4).all(|n| head.get(at + n * TS_PACKET) == Some(&TS_SYNC));
    (1..TS_PACKET).any(in_step)
}

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
            None if matches!(header & 0x1f, 1 | 5) => return true,
            None => break,
        }
    }
    units > 1
}

/// Kinds whose units begin with start codes, as H.264's do.
fn by_start_codes(head: &[u8]) -> Option<&'static str> {
    const PREFIX: [u8; 3] = [0, 0, 1];
    let mut units = head
        .windows(PREFIX.len() + 2)
        .enumerate()
        .filter(|(_, bytes)| bytes.starts_with(&PREFIX))
        .map(|(at, bytes)| (bytes[3], bytes[4], head.get(at + 5..).unwrap_or_default()));
    let first = units.next()?;
    match first {
        // Delimiter, parameter sets, SEI and slices of H.265, by its header of two bytes (7.3.1.2) of layer 0.
        (0x40 | 0x42 | 0x44 | 0x46 | 0x4e | 0x00 | 0x02 | 0x20..=0x2a, 1, _) if first.0 & 1 == 0 => {
            return Some(
                "H.265, which not all browsers play: let the camera send H.264, or encode it (-c:v libx264)",
            );
        }
        // ISO/IEC 13818-1, 2.5.3.3, and 11172-1: a pack header; and a packet of video.
        (0xba, bits, _) if bits & 0xc4 == 0x44 || bits & 0xf1 == 0x21 => {
            return Some("an MPEG program stream");
        }
        (0xe0..=0xef, _, [_, flags, ..]) if flags & 0xc0 == 0x80 => return Some("an MPEG program stream"),
        // ISO/IEC 13818-2, 6.2.2.1: neither size is 0, nor is the shape of a pixel or the frame rate.
        (0xb3, wide, [sizes, high, codes, ..])
            if (wide, sizes >> 4) != (0, 0)
                && (sizes & 15, *high) != (0, 0)
                && (1..=14).contains(&(codes >> 4))
                && (1..=8).contains(&(codes & 15)) =>
        {
            return Some(MPEG_1_2);
        }
        _ => {}
    }
    let codes: Vec<u8> = std::iter::once(first)
        .chain(units)
        .map(|(code, ..)| code)
        .collect();
    // Groups of pictures, pictures with their extension, and slices of rows that follow each other.
    let is_row = |codes: &[u8]| {
        codes[0] > 0 && codes.iter().zip(codes[0]..0xb0).all(|(code, next)| *code == next) && codes[0] < 0xad
    };
    let has = |pair: &[u8]| codes.windows(2).any(|codes| codes == pair);
    if has(&[0xb8, 0]) || has(&[0, 0xb5]) || codes.windows(4).any(is_row) {
        return Some(MPEG_1_2);
    }
    (has(&[0xb0, 0xb5]) || has(&[0, 0x20])).then_some("MPEG-4 Part 2 (as of DivX and Xvid)")
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
