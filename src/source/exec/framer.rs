//! What cuts a command's output into pictures, and what the output is where it has none.

use crate::format::h264::Quiet;
use crate::format::h264::assembler::Assembler;
use crate::format::{Chunk, Codec, jpeg};
use crate::sys::clock::monotonic_us;
use crate::sys::command::Packets;

/// The bytes of the output's beginning that show what else it is: a packet of MPEG-TS and the next one's first byte.
pub(super) const HEAD_BYTES: usize = 189;

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

/// The kind of an output that begins as something else than H.264 or JPEG does.
pub(super) fn other_kind(head: &[u8]) -> Option<&'static str> {
    match head {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("MP4"),
        [0x47, ..] if head.get(HEAD_BYTES - 1) == Some(&0x47) => Some("MPEG-TS"),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Some("Matroska or WebM"),
        [b'F', b'L', b'V', 1, ..] => Some("FLV"),
        [b'R', b'I', b'F', b'F', ..] => Some("AVI"),
        [b'Y', b'U', b'V', b'4', b'M', b'P', b'E', b'G', ..] => Some("uncompressed video"),
        // A video parameter set, or a delimiter, by the two-byte header of H.265 7.3.1.2.
        [0, 0, 0, 1, 0x40 | 0x46, 1, ..] => Some("H.265"),
        _ => None,
    }
}

/// The first bytes, as text if they are some.
pub(super) fn show(head: &[u8]) -> String {
    const MOST: usize = 60;
    let printable = |byte: &u8| (b' '..0x7f).contains(byte) || byte.is_ascii_whitespace();
    if head.iter().all(printable) {
        let text: String = head.iter().take(MOST).map(|&byte| char::from(byte)).collect();
        return format!("{:?}", text.trim());
    }
    head.iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ")
}
