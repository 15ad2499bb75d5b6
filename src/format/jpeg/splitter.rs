//! From the bytes of a pipe to pictures.

use super::markers::BEGINNING;
use super::picture::{NO_END, Picture};
use super::walk::{Step, Walk};
use crate::format::chunk::Chunk;
use crate::format::growing::Growing;
use crate::format::search::find;

/// The longest picture, in bytes. The largest that webcams give (4K at high quality) have a few million.
pub const MAX_PICTURE_BYTES: usize = 16 << 20;

/// Cuts a byte stream into pictures: picture after picture as `ffmpeg -f mjpeg` and `rpicam-vid --codec mjpeg` write them,
/// or with whatever else before, between and behind them, such as the heads of a multipart body. It has no clock and
/// reads nothing: put bytes into [`Splitter::spare_mut`], then report it with [`Splitter::commit`].
pub struct Splitter {
    bytes: Growing,
    /// `None` between pictures.
    walk: Option<Walk>,
    begun_us: u64,
    /// Bytes of the last picture, if it had no EOI; 0 before the first.
    endless_bytes: Option<usize>,
    /// Its width and height.
    size: Option<(u16, u16)>,
    /// So many of the first bytes may be of a segment whose length is wrong, or a thumbnail in one of a damaged picture.
    doubtful_bytes: usize,
    /// What was wrong with the last picture that was left out.
    fault: Option<&'static str>,
    dropped_bytes: u64,
    limit_bytes: usize,
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
            endless_bytes: Some(0),
            size: None,
            doubtful_bytes: 0,
            fault: None,
            dropped_bytes: 0,
            limit_bytes,
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
        self.go_on(now_us, false, sink);
    }

    /// Notes that there is nothing more to read for now. A picture without EOI ends with the next one. Where the last one had
    /// none, this one is given as soon as all its coded data are there; as they have to be decoded for that, not before it is
    /// nearly as long as the last one.
    pub fn empty(&mut self, sink: &mut dyn FnMut(Chunk<'_>)) {
        let held = self.bytes.held();
        let is_likely = self
            .endless_bytes
            .is_some_and(|bytes| held.len() >= bytes / 4 * 3);
        let Some(walk) = self.walk.as_ref().filter(|_| is_likely) else {
            return;
        };
        if Picture::of(walk, held, None).is_some() {
            self.close(Err(NO_END), sink);
        }
    }

    /// Takes the end of the stream: gives the last picture, if it has no EOI but is whole.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Chunk<'_>)) {
        self.go_on(self.begun_us, true, sink);
    }

    fn go_on(&mut self, now_us: u64, is_last: bool, sink: &mut dyn FnMut(Chunk<'_>)) {
        loop {
            let held = self.bytes.held();
            let Some(walk) = &mut self.walk else {
                let found = find(held, &BEGINNING);
                // What may be the beginning of one is kept.
                let skipped = found.unwrap_or(held.len().saturating_sub(BEGINNING.len() - 1));
                self.drop_bytes(skipped);
                if found.is_none() {
                    return;
                }
                (self.walk, self.begun_us) = (Some(Walk::default()), now_us);
                continue;
            };
            let within = held.get(..self.limit_bytes).unwrap_or(held);
            let end = match walk.go_on(within) {
                Step::More if held.len() >= self.limit_bytes => Err("it is too long"),
                Step::More if is_last => Err(NO_END),
                Step::More => return,
                Step::End => Ok(walk.at),
                Step::Damaged(fault) => Err(fault),
            };
            self.close(end, sink);
        }
    }

    /// Ends the picture: behind its EOI, or, for this reason, without one.
    fn close(&mut self, end: Result<usize, &'static str>, sink: &mut dyn FnMut(Chunk<'_>)) {
        let Some(walk) = self.walk.take() else { return };
        let held = self.bytes.held();
        let Some(picture) = Picture::of(&walk, held, end.ok()) else {
            self.fault = end.err();
            if self.doubtful_bytes == 0 {
                sink(Chunk::Gap);
            }
            // The next one may begin where this one went wrong.
            let from = walk.resume_at().min(held.len());
            self.drop_bytes(from);
            self.doubtful_bytes = self.doubtful_bytes.max(walk.at.saturating_sub(from));
            self.size = self.size.or(walk.size);
            return;
        };
        let (width, height) = (picture.width, picture.height);
        let is_smaller = self.size.is_some_and(|(w, h)| width < w && height < h);
        let behind = walk.start + picture.data.len();
        if is_smaller && self.doubtful_bytes > 0 {
            return self.drop_bytes(behind);
        }
        sink(Chunk::Unit {
            data: picture.data,
            arrived_us: self.begun_us,
        });
        self.size = Some((width, height));
        self.endless_bytes = end.is_err().then_some(picture.data.len());
        self.drop_bytes(walk.start);
        self.consume(behind - walk.start);
    }

    fn drop_bytes(&mut self, count: usize) {
        self.dropped_bytes += count as u64;
        self.consume(count);
    }

    fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
        self.doubtful_bytes = self.doubtful_bytes.saturating_sub(count);
    }

    /// True within what began as a picture.
    pub fn is_in_picture(&self) -> bool {
        self.walk.is_some()
    }

    /// What was wrong with the last picture that was left out, in a few words.
    pub fn fault(&self) -> Option<&'static str> {
        self.fault
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
