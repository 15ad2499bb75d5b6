//! One picture: where it ends, how large it is, and copies that everybody can decode.

use super::coded;
use super::markers::{APP0, APP4, BEGINNING, EOI, MARKER_BYTES, Marker, SOI, SOS, next};
use super::tables::TABLES;
use super::walk::{MOST_STRAY_BYTES, Step, Walk};
use crate::format::search::find;

/// What is wrong with a picture that has no EOI, and is not known to be whole without it.
pub(super) const NO_END: &str = "it has no end";

/// A whole picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture<'a> {
    /// From SOI to EOI, or to the end of its coded data if it has none. What comes behind is padding: many cameras'
    /// buffers end with zeros, or with the rest of a longer picture.
    pub data: &'a [u8],
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// The place where Huffman tables have to be put in, if the picture has none.
    pub(super) tables_at: Option<usize>,
    /// There is an EOI.
    pub(super) has_end: bool,
}

impl<'a> Picture<'a> {
    /// Finds the picture in `data`, a camera's buffer: at its beginning, or a few stray bytes behind it.
    ///
    /// # Errors
    /// The fault, in a few words.
    pub fn parse(data: &'a [u8]) -> Result<Picture<'a>, &'static str> {
        let mut data = data;
        if !data.starts_with(&[0xff, SOI]) {
            let stray = find(data.get(..MOST_STRAY_BYTES).unwrap_or(data), &BEGINNING);
            data = data.get(stray.unwrap_or(0)..).unwrap_or_default();
        }
        let mut walk = Walk::default();
        let end = match walk.go_on(data) {
            Step::End => Ok(walk.at),
            Step::More => Err(NO_END),
            Step::Damaged(fault) => Err(fault),
        };
        Picture::of(&walk, data, end.ok()).ok_or(end.err().unwrap_or(NO_END))
    }

    /// The picture that `walk` has passed, up to `end`. Some cameras write no EOI; then it is up to the end of its coded
    /// data, if none are missing.
    pub(super) fn of(walk: &Walk, data: &'a [u8], end: Option<usize>) -> Option<Picture<'a>> {
        let (width, height) = walk.size?;
        let passed = data.get(walk.start..walk.at.min(data.len()))?;
        let data = match end {
            Some(end) => data.get(walk.start..end)?,
            None if walk.plain => passed.get(..coded::end(passed)?)?,
            // By progressive coding, all of the picture shows after its first scan.
            None if walk.scans > 1 => passed,
            None => return None,
        };
        Some(Picture {
            data,
            width,
            height,
            tables_at: walk.tables_at.and_then(|at| at.checked_sub(walk.start)),
            has_end: end.is_some(),
        })
    }

    /// A copy for those who don't know how cameras do it: with the Huffman tables that many leave out, and the EOI. Every
    /// other byte is as it came.
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// Writes such a copy to the beginning of `room`, for decoders in hardware; gives how many bytes it takes, or None if
    /// there is no room. The Raspberry Pi's decoder, for one, knows no JFIF segment, and leaves many webcams' pictures
    /// undecoded; so each APP0 marker is made APP4, which is skipped.
    pub fn write_for_decoder(&self, room: &mut [u8]) -> Option<usize> {
        let mut bytes = 0;
        for part in self.parts() {
            room.get_mut(bytes..bytes + part.len())?.copy_from_slice(part);
            bytes += part.len();
        }
        let mut at = MARKER_BYTES; // behind SOI
        loop {
            at += match next(room.get(at..bytes)?) {
                Marker::Fill | Marker::Nothing => 1,
                Marker::Segment { marker, length, .. } if marker != SOS => {
                    if marker == APP0 {
                        *room.get_mut(at + 1)? = APP4;
                    }
                    MARKER_BYTES + length
                }
                _ => return Some(bytes),
            };
        }
    }

    /// Before the place of missing tables, the tables, behind it, and an EOI that is missing.
    fn parts(&self) -> [&[u8]; 4] {
        let (before, after) = self
            .data
            .split_at_checked(self.tables_at.unwrap_or(0))
            .unwrap_or_default();
        let tables: &[u8] = if self.tables_at.is_some() { &TABLES } else { &[] };
        let end: &[u8] = if self.has_end { &[] } else { &[0xff, EOI] };
        [before, tables, after, end]
    }
}
