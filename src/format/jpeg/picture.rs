//! One picture: where it ends, how large it is, and copies that everybody can decode.

use super::markers::{APP0, APP4, MARKER_BYTES, Marker, SOS, next};
use super::tables::TABLES;
use super::walk::{Step, Walk};

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
    /// The place where Huffman tables have to be put in, if the picture has none.
    pub(super) tables_at: Option<usize>,
}

impl<'a> Picture<'a> {
    /// Finds the picture at the beginning of `data`.
    ///
    /// # Errors
    /// The fault, in a few words.
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
                Marker::Fill => 1,
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
