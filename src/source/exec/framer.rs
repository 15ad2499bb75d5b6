//! What cuts a command's output into pictures.

use crate::format::h264::Quiet;
use crate::format::h264::assembler::Assembler;
use crate::format::{Chunk, Codec, jpeg};
use crate::sys::clock::monotonic_us;
use crate::sys::command::Packets;

/// The part that cuts the output into pictures.
pub(super) enum Framer {
    /// H.264, and what is taken for it while nothing has come.
    H264(Box<Assembler>),
    /// JPEG pictures, one after the other.
    Jpeg(Box<jpeg::Splitter>),
}

impl Framer {
    pub fn codec(&self) -> Codec {
        match self {
            Framer::H264(_) => Codec::H264,
            Framer::Jpeg(_) => Codec::Jpeg,
        }
    }

    pub fn spare_mut(&mut self) -> &mut [u8] {
        match self {
            Framer::H264(assembler) => assembler.spare_mut(Packets::MIN_READ_BYTES),
            Framer::Jpeg(splitter) => splitter.spare_mut(Packets::MIN_READ_BYTES),
        }
    }

    pub fn commit(&mut self, count: usize, ends_write: Option<bool>, sink: &mut dyn FnMut(Chunk<'_>)) {
        match self {
            Framer::H264(assembler) => assembler.commit(count, ends_write, monotonic_us(), sink),
            Framer::Jpeg(splitter) => splitter.commit(count, monotonic_us(), sink),
        }
    }

    pub fn dropped_bytes(&self) -> u64 {
        match self {
            Framer::H264(assembler) => assembler.dropped_bytes(),
            Framer::Jpeg(splitter) => splitter.dropped_bytes(),
        }
    }

    /// Notes that there is nothing more to read for now.
    pub fn empty(&mut self) {
        if let Framer::H264(assembler) = self {
            assembler.empty();
        }
    }

    /// The quiet that would tell that a picture is complete, if one would.
    pub fn quiet(&self) -> Option<Quiet> {
        match self {
            Framer::H264(assembler) => assembler.quiet(),
            // A picture's end is known at once.
            Framer::Jpeg(_) => None,
        }
    }

    /// Hands out the picture that a quiet until now tells to be complete.
    pub fn close_quiet(&mut self, sink: &mut dyn FnMut(Chunk<'_>)) {
        if let Framer::H264(assembler) = self {
            assembler.close_quiet(monotonic_us(), sink);
        }
    }

    pub fn closed_early(&self) -> u64 {
        match self {
            Framer::H264(assembler) => assembler.closed_early(),
            Framer::Jpeg(_) => 0,
        }
    }
}
