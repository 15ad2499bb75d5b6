//! H.264 that rides in JPEG pictures, in their APP4 segments (USB Device Class Definition for Video Devices: H.264
//! Payload 1.0, "H.264 in MJPEG container"; JPEG's markers are those of Rec. ITU-T T.81).
//!
//! ```text
//! SOI ... APP4 [ header | total | first bytes ] APP4 [ more bytes ] ... SOS picture EOI
//! ```
//!
//! The header of a stream's first segment has its own length, 22 or more, at byte 2 and the stream's FourCC at byte 4;
//! behind it stands how many bytes the stream has in all. Segments without a header go on with them. All numbers are
//! little-endian, but for JPEG's own. Several streams may follow each other; cameras cut them at lengths of their own.

use super::jpeg::markers::{APP4, EOI, MARKER_BYTES, Marker, SOS, next};

/// The header's length in version 1.0.
const HEADER_BYTES: usize = 22;
const H264: [u8; 4] = *b"H264";
/// The kinds of streams, which distinguish a header from bytes that continue.
const KINDS: [[u8; 4]; 4] = [H264, *b"YUY2", *b"NV12", *b"MJPG"];

/// Gives `sink` each whole H.264 stream of a picture; `joined` is room for one of several segments. False: there is one
/// that is not whole, and was left out.
pub fn h264(picture: &[u8], joined: &mut Vec<u8>, sink: &mut dyn FnMut(&[u8])) -> bool {
    let mut rest = picture;
    let mut whole = true;
    // The stream that the next segment goes on with: is it H.264, and how much of it is still to come?
    let (mut wanted, mut left) = (false, 0);
    // There were segments that go on with no stream; and there was H.264.
    let (mut stray, mut found) = (false, false);
    loop {
        if rest.starts_with(&[0xff, SOS]) {
            break; // There are no streams behind it.
        }
        let segment = match next(rest) {
            // What begins with no marker is padding.
            Marker::Alone(EOI) | Marker::Nothing => break,
            Marker::Alone(_) => {
                rest = rest.get(MARKER_BYTES..).unwrap_or_default();
                continue;
            }
            Marker::Fill => {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            Marker::Segment {
                marker,
                length,
                after,
            } => {
                // The length counts itself.
                let Some((segment, after)) = after.split_at_checked(length.saturating_sub(2)) else {
                    return false;
                };
                rest = after;
                if marker != APP4 {
                    continue;
                }
                segment
            }
            Marker::More if rest.is_empty() => break,
            Marker::More | Marker::Misplaced => return false,
        };
        let part = match begin(segment) {
            Some((kind, total, part)) => {
                // A camera may lose a segment, and go on with the next stream.
                whole &= !(wanted && left > 0);
                (wanted, left) = (kind == H264, total);
                joined.clear();
                part
            }
            None => segment,
        };
        stray |= left == 0 && !part.is_empty();
        let part = part.get(..left).unwrap_or(part);
        left -= part.len();
        if !wanted || part.is_empty() {
            continue;
        }
        found = true;
        if left == 0 && joined.is_empty() {
            sink(part);
        } else {
            joined.extend_from_slice(part);
            if left == 0 {
                sink(joined);
                joined.clear();
            }
        }
    }
    // What goes on with nothing is somebody else's, but if there is no H.264 beside it: then its header was lost.
    whole && !(wanted && left > 0) && (found || !stray)
}

/// A stream's FourCC, its length and its first bytes, if it begins in this segment.
fn begin(segment: &[u8]) -> Option<([u8; 4], usize, &[u8])> {
    let (&[_, _, low, high, a, b, c, d], _) = segment.split_first_chunk()?;
    let (length, kind) = (usize::from(u16::from_le_bytes([low, high])), [a, b, c, d]);
    if length < HEADER_BYTES || !KINDS.contains(&kind) {
        return None;
    }
    let (total, part) = segment.get(length..)?.split_first_chunk()?;
    Some((kind, u32::from_le_bytes(*total).try_into().ok()?, part))
}

/// Laws that hold for any bytes; for fuzz targets and tests.
pub mod laws {
    use super::{begin, h264};
    use crate::format::jpeg::markers::{APP4, EOI, SOI, SOS};

    /// Of any bytes there is not more H.264 than bytes. What was cut into segments of any length is put together again,
    /// and what lacks its end is not given.
    pub fn app4(data: &[u8]) {
        let mut given = 0;
        h264(data, &mut Vec::new(), &mut |stream| given += stream.len());
        assert!(given <= data.len());

        let Some((&[a, b, at], payload)) = data.split_first_chunk() else {
            return;
        };
        let segment_bytes = (30 + usize::from(a) * usize::from(b)).min(65_533);
        let (one, two) = payload.split_at(payload.len() * usize::from(at) / 256);
        let streams: [([u8; 4], &[u8]); 3] = [(*b"H264", one), (*b"NV12", data), (*b"H264", two)];
        let (picture, segments) = picture(&streams, segment_bytes);
        let cut = |stream: &[u8]| {
            let first = stream.len().min(segment_bytes - 26);
            stream
                .get(first..)
                .unwrap_or_default()
                .chunks(segment_bytes)
                .any(|part| begin(part).is_some())
        };
        if streams.iter().any(|(_, stream)| cut(stream)) {
            return; // Bytes that look like a header can't be told from one.
        }
        let read = |picture: &[u8]| {
            let mut found = Vec::new();
            let whole = h264(picture, &mut Vec::new(), &mut |stream| {
                found.push(stream.to_vec())
            });
            (whole, found)
        };
        let expected: Vec<&[u8]> = [one, two]
            .into_iter()
            .filter(|stream| !stream.is_empty())
            .collect();
        let (whole, found) = read(&picture);
        assert!(whole && found == expected);
        let end = 2 + (segments - 2) * usize::from(at) / 256;
        let (_, found) = read(picture.get(..end).unwrap_or_default());
        assert!(expected.iter().zip(&found).all(|(a, b)| a == b) && found.len() <= expected.len());
    }

    /// A picture with these streams in segments of that many bytes, at least 27; and where the segments end.
    pub fn picture(streams: &[([u8; 4], &[u8])], segment_bytes: usize) -> (Vec<u8>, usize) {
        let mut out = vec![0xff, SOI];
        for (kind, payload) in streams {
            let mut stream = vec![0, 1, 22, 0];
            stream.extend(kind);
            // Width, height, frame interval, delay, presentation time.
            stream.extend([0x80, 2, 0xe0, 1, 0x15, 0x16, 5, 0, 0, 0, 1, 2, 3, 4]);
            stream.extend((payload.len() as u32).to_le_bytes());
            stream.extend(*payload);
            for part in stream.chunks(segment_bytes) {
                out.extend([0xff, APP4]);
                out.extend((part.len() as u16 + 2).to_be_bytes());
                out.extend(part);
            }
        }
        let segments = out.len();
        out.extend([0xff, SOS, 0, 2, 1, 2, 3, 0xff, EOI]);
        (out, segments)
    }
}

#[cfg(test)]
mod tests {
    use super::laws::picture;
    use super::*;

    fn read(picture: &[u8]) -> (bool, Vec<Vec<u8>>) {
        let mut found = Vec::new();
        let whole = h264(picture, &mut vec![1, 2, 3], &mut |stream| {
            found.push(stream.to_vec())
        });
        (whole, found)
    }

    /// Bytes that no part of can be taken for another part.
    fn payload(length: usize) -> Vec<u8> {
        (0..length as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    }

    #[test]
    fn a_picture_byte_for_byte() {
        let bytes = b"\xff\xd8\xff\xe0\0\x07JFIF\0\xff\
            \xff\xe4\0\x22\
            \x01\0\x16\0H264\x80\x07\x38\x04\x15\x16\x05\0\0\0\x78\x56\x34\x12\x0a\0\0\0\
            \0\0\0\x01\x67\xff\
            \xff\xe4\0\x06\xd8\x65\x88\x80\
            \xff\xdb\0\x03\x01\xff\xda\0\x02\xff\xe4\0\x02\xff\xd9";
        assert_eq!(
            read(bytes),
            (true, vec![b"\0\0\0\x01\x67\xff\xd8\x65\x88\x80".to_vec()])
        );
        // Cut anywhere, the stream is only given where all of it is there.
        let end = bytes.len() - 15;
        for length in 0..end {
            assert_eq!(read(&bytes[..length]).1, Vec::<Vec<u8>>::new(), "{length}");
        }
        let nothing_lost = |length: &usize| read(&bytes[..*length]).0;
        assert_eq!((0..end).filter(nothing_lost).collect::<Vec<_>>(), [0, 2, 11]);
    }

    #[test]
    fn streams_of_each_length_at_the_edges_of_segments() {
        // 65,531: the camera of the predecessor's author, whose segments have 65,535 bytes with their marker and length;
        // 65,533: as long as can be.
        for segment_bytes in [65_531, 65_533] {
            for edge in [65_536, 2 * 65_536, 3 * 65_536] {
                for length in edge - 60..=edge + 30 {
                    let stream = payload(length);
                    let (picture, _) = picture(&[(H264, &stream)], segment_bytes);
                    let segments = (length + 26).div_ceil(segment_bytes);
                    assert_eq!(picture.len(), 2 + 4 * segments + 26 + length + 9);
                    assert!(
                        read(&picture) == (true, vec![stream]),
                        "{length} in {segment_bytes}"
                    );
                }
            }
        }
    }

    #[test]
    fn segments_of_any_length() {
        let stream = payload(1000);
        for segment_bytes in [27, 28, 50, 100, 513, 1025, 1026, 1027] {
            let (picture, _) = picture(&[(H264, &stream)], segment_bytes);
            assert!(read(&picture) == (true, vec![stream.clone()]), "{segment_bytes}");
        }
        // A header alone in its segment.
        let (short, segments) = picture(&[(H264, b"")], 100);
        let mut bytes = short[..segments].to_vec();
        bytes[segments - 4] = 3;
        bytes.extend(b"\xff\xe4\0\x05abc\xff\xd9");
        assert_eq!(read(&bytes), (true, vec![b"abc".to_vec()]));
    }

    #[test]
    fn several_streams() {
        let (one, two, other) = (payload(300), payload(20), payload(150));
        let streams: [([u8; 4], &[u8]); 5] = [
            (*b"YUY2", &other),
            (H264, &one),
            (*b"NV12", b""),
            (H264, &two),
            (*b"NV12", &other),
        ];
        let (bytes, segments) = picture(&streams, 100);
        assert_eq!(read(&bytes), (true, vec![one, two]));
        // Nothing but streams; without them; with what is of others.
        assert!(read(&bytes[..segments]).0);
        assert_eq!(read(b"\xff\xd8\xff\xda\0\x02\xff\xd9"), (true, vec![]));
        let others = [b"\xff\xd8\xff\xe4\0\x08FLIR\0\0", &bytes[2..]].concat();
        assert_eq!(read(&others), read(&bytes));
    }

    #[test]
    fn a_stream_that_lacks_something_is_left_out() {
        let (one, two) = (payload(300), payload(20));
        let (bytes, segments) = picture(&[(H264, &one), (H264, &two)], 100);
        let segment = |n: usize| 2 + 104 * n..2 + 104 * (n + 1);
        // 326 bytes are three whole segments and one of 26, then 46 more.
        for lost in 1..3 {
            let mut bytes = bytes.clone();
            bytes.drain(segment(lost));
            assert_eq!(read(&bytes), (false, vec![two.clone()]), "{lost}");
        }
        let (mut headless, _) = picture(&[(H264, &one)], 100);
        headless.drain(segment(0));
        assert_eq!(read(&headless), (false, vec![]));
        assert!(!read(&bytes[..segments - 6]).0);
        // Of another stream it does not matter.
        let (mut other, _) = picture(&[(*b"YUY2", &one), (H264, &two)], 100);
        other.drain(segment(1));
        assert_eq!(read(&other), (true, vec![two]));
        // A length that no picture has.
        let (mut bytes, _) = picture(&[(H264, &one)], 100);
        bytes[28..32].fill(0xff);
        assert_eq!(read(&bytes), (false, vec![]));
    }

    #[test]
    fn what_is_behind_the_streams_is_not_looked_at() {
        let stream = payload(50);
        let (bytes, segments) = picture(&[(H264, &stream)], 100);
        for after in [
            &b"\0\0\0\0"[..],
            b"\xff\xd9\xff\xe4",
            b"\xff\xda\xff\xe4\xff\xff",
            b"",
        ] {
            assert_eq!(
                read(&[&bytes[..segments], after].concat()),
                (true, vec![stream.clone()])
            );
        }
        // What is too much in its last segment.
        let mut long = bytes.clone();
        long.splice(segments..segments, [0; 4]);
        long[5] += 4;
        assert_eq!(read(&long), (true, vec![stream]));
    }
}
