//! From the bytes of a pipe to pictures.

use super::markers::SOI;
use super::walk::{Step, Walk};
use crate::format::chunk::Chunk;
use crate::format::growing::Growing;
use memchr::memmem;

/// The longest picture, in bytes. The largest that webcams give (4K at high quality) have a few million.
pub const MAX_PICTURE_BYTES: usize = 16 << 20;

/// The first bytes of a picture: SOI, and the next marker's first byte.
pub const BEGINNING: [u8; 3] = [0xff, SOI, 0xff];

/// Cuts a byte stream, picture after picture as `ffmpeg -f mjpeg` and `rpicam-vid --codec mjpeg` write them, into
/// pictures. It has no clock and reads nothing: put bytes into [`Splitter::spare_mut`], then report it with
/// [`Splitter::commit`].
pub struct Splitter {
    bytes: Growing,
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
    pub(super) fn with_limit(limit_bytes: usize) -> Splitter {
        Splitter {
            bytes: Growing::default(),
            walk: None,
            begun_us: 0,
            dropped_bytes: 0,
            limit_bytes,
            beginning: memmem::Finder::new(&BEGINNING),
        }
    }

    /// Room for the next read, at least `min` bytes.
    pub fn spare_mut(&mut self, min: usize) -> &mut [u8] {
        self.bytes.spare_mut(min)
    }

    /// Takes the `read_bytes` that were put at the beginning of [`Splitter::spare_mut`] at `now_us`, and gives `sink` what
    /// they complete.
    pub fn commit(&mut self, read_bytes: usize, now_us: u64, sink: &mut dyn FnMut(Chunk<'_>)) {
        self.bytes.commit(read_bytes);
        loop {
            let held = self.bytes.held();
            let Some(walk) = &mut self.walk else {
                let found = self.beginning.find(held);
                // What may be the beginning of one is kept.
                let skipped = found.unwrap_or(held.len().saturating_sub(BEGINNING.len() - 1));
                self.bytes.consume(skipped);
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
            self.bytes.consume(length);
            self.walk = None;
        }
    }

    /// Bytes that were in no whole picture.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// All memory that it has for pictures.
    #[cfg(test)]
    pub(super) fn room_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}
