//! The head of a JPEG picture, segment by segment (Rec. ITU-T T.81, B.1.1.4).

use super::markers::{self, APP0, COM, Marker, SOS};

/// Iterates over the segments before a picture's coded data, each with its marker's second byte; to the first that is
/// not whole.
pub fn segments(picture: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    segments_and_rest(picture).map(|(marker, bytes, _)| (marker, bytes))
}

/// The same, each with what is behind it: behind the last one are the coded data.
pub fn segments_and_rest(picture: &[u8]) -> impl Iterator<Item = (u8, &[u8], &[u8])> {
    let mut rest = picture;
    std::iter::from_fn(move || {
        loop {
            rest = match markers::next(rest) {
                // Or stray bytes, which decoders pass over.
                Marker::Fill | Marker::Nothing => rest.get(1..)?,
                Marker::Alone(_) => rest.get(markers::MARKER_BYTES..)?,
                Marker::Segment {
                    marker,
                    length,
                    after,
                } => {
                    // The length counts itself.
                    let (bytes, behind) = after.split_at_checked(length.checked_sub(2)?)?;
                    // Behind a scan's parameters is its coded data.
                    rest = if marker == SOS { &[] } else { behind };
                    return Some((marker, bytes, behind));
                }
                Marker::More | Marker::Misplaced => return None,
            }
        }
    })
}

/// The width and the height of a picture, by the head of its frame (B.2.2); DHT, JPG and DAC have markers among those of frames.
pub fn size(picture: &[u8]) -> Option<(u16, u16)> {
    let is_frame = |marker: u8| matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
    let (_, head) = segments(picture).find(|(marker, _)| is_frame(*marker))?;
    let number = |at: usize| Some(u16::from_be_bytes([*head.get(at)?, *head.get(at + 1)?]));
    Some((number(3)?, number(1)?))
}

/// Tells by its marker whether a segment is an application's or a comment (APPn and COM, table B.1).
pub fn is_application(marker: u8) -> bool {
    (APP0..=APP0 + 15).contains(&marker) || marker == COM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_end_with_the_first_scan_or_what_is_not_whole() {
        let picture: &[u8] = include_bytes!("../../../tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");
        let markers: Vec<u8> = segments(picture).map(|(marker, _)| marker).collect();
        assert_eq!(
            (markers.first(), markers.last(), markers.contains(&COM)),
            (Some(&APP0), Some(&SOS), true)
        );
        for end in 0..picture.len() {
            let cut: Vec<_> = segments(&picture[..end]).collect();
            assert!(segments(picture).take(cut.len()).eq(cut), "{end}");
        }
        assert!(is_application(APP0) && is_application(COM) && !is_application(SOS));
    }
}
