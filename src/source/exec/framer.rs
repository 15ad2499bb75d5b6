//! What cuts a command's output into pictures.

use crate::format::h264::Quiet;
use crate::format::h264::assembler::Assembler;
use crate::format::{Chunk, Codec, jpeg};
use crate::sys::clock::monotonic_us;
use crate::sys::command::Packets;

/// What takes the pictures, each with its codec.
type Sink<'a> = dyn FnMut(Codec, Chunk<'_>) + 'a;
/// The same for one part, whose codec is known.
type PartSink<'a> = dyn FnMut(Chunk<'_>) + 'a;

/// Cuts the output into pictures: by one part for each codec, until the first picture tells which it is. Less would not
/// tell: text may stand before the first picture, and a JPEG picture may hold what H.264 begins with.
pub(super) struct Framer {
    h264: Option<Box<Assembler>>,
    jpeg: Option<Box<jpeg::Splitter>>,
}

impl Default for Framer {
    fn default() -> Framer {
        Framer {
            h264: Some(Box::default()),
            jpeg: Some(Box::default()),
        }
    }
}

impl Framer {
    pub fn spare_mut(&mut self) -> &mut [u8] {
        match (&mut self.h264, &mut self.jpeg) {
            (Some(assembler), _) => assembler.spare_mut(Packets::MIN_READ_BYTES),
            (None, Some(splitter)) => splitter.spare_mut(Packets::MIN_READ_BYTES),
            (None, None) => &mut [],
        }
    }

    /// Takes the bytes that were put at the beginning of [`Framer::spare_mut`].
    pub fn commit(&mut self, count: usize, ends_write: Option<bool>, sink: &mut Sink<'_>) {
        let now_us = monotonic_us();
        if let (Some(assembler), Some(splitter)) = (&mut self.h264, &mut self.jpeg) {
            let room = &assembler.spare_mut(count)[..count];
            splitter.spare_mut(count)[..count].copy_from_slice(room);
        }
        self.each(
            &mut |splitter, sink| splitter.commit(count, now_us, sink),
            &mut |assembler, sink| assembler.commit(count, ends_write, now_us, sink),
            sink,
        );
    }

    /// Notes that there is nothing more to read for now.
    pub fn empty(&mut self, sink: &mut Sink<'_>) {
        self.each(
            &mut |splitter, sink| splitter.empty(sink),
            &mut |assembler, _| assembler.empty(),
            sink,
        );
    }

    /// Hands out the picture that a quiet until now tells to be complete.
    pub fn close_quiet(&mut self, sink: &mut Sink<'_>) {
        let now_us = monotonic_us();
        self.each(
            // A picture's end is known at once.
            &mut |_, _| (),
            &mut |assembler, sink| assembler.close_quiet(now_us, sink),
            sink,
        );
    }

    /// Takes the end of the output, which may be in the middle of a picture if it was not `orderly`.
    pub fn finish(&mut self, orderly: bool, sink: &mut Sink<'_>) {
        self.each(
            &mut |splitter, sink| splitter.finish(sink),
            &mut |assembler, sink| assembler.finish(orderly, sink),
            sink,
        );
    }

    fn each(
        &mut self,
        jpeg: &mut dyn FnMut(&mut jpeg::Splitter, &mut PartSink<'_>),
        h264: &mut dyn FnMut(&mut Assembler, &mut PartSink<'_>),
        sink: &mut Sink<'_>,
    ) {
        let mut came = false;
        if let Some(splitter) = &mut self.jpeg {
            jpeg(splitter, &mut |chunk| {
                came |= matches!(chunk, Chunk::Unit { .. });
                sink(Codec::Jpeg, chunk);
            });
        }
        if came {
            self.h264 = None;
        }
        let Some(assembler) = &mut self.h264 else { return };
        h264(assembler, &mut |chunk| {
            came |= matches!(chunk, Chunk::Unit { .. });
            sink(Codec::H264, chunk);
        });
        if came {
            self.jpeg = None;
        }
    }

    /// True once a picture has come.
    pub fn has_given(&self) -> bool {
        self.h264.is_none() || self.jpeg.is_none()
    }

    /// The quiet that would tell that a picture is complete, if one would.
    pub fn quiet(&self) -> Option<Quiet> {
        self.h264.as_ref()?.quiet()
    }

    pub fn dropped_bytes(&self) -> u64 {
        let dropped = [
            self.h264.as_ref().map(|assembler| assembler.dropped_bytes()),
            self.jpeg.as_ref().map(|splitter| splitter.dropped_bytes()),
        ];
        dropped.into_iter().flatten().min().unwrap_or(0)
    }

    /// What was wrong with the last picture that was left out, where that is known.
    pub fn fault(&self) -> Option<&'static str> {
        self.jpeg.as_ref()?.fault()
    }

    pub fn closed_early(&self) -> u64 {
        self.h264.as_ref().map_or(0, |assembler| assembler.closed_early())
    }
}
