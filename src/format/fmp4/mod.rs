//! Fragmented MP4: one init segment per stream, one fragment per frame (ISO/IEC 14496-12 and -15).
//!
//! ```text
//! ftyp                          what a player must know to read this
//! moov                          the Init: made when the parameter sets or the rotation change
//!   mvhd
//!   trak / tkhd                 rotation
//!     mdia / mdhd, hdlr         90 kHz
//!       minf / vmhd, dinf/dref
//!         stbl                  stsd/avc1/avcC (+ colr, pasp), and four empty tables
//!   mvex / trex                 "fragments follow"
//! moof                          one Fragment: 100 bytes, always
//!   mfhd                        sequence number: a client's own
//!   traf / tfhd, tfdt, trun     tfdt: a client's own zero
//! mdat                          the frame: NAL units, each behind its length in four bytes
//! moof mdat moof mdat …
//! ```
//!
//! [`Timeline`] says when each frame stands in media time, [`Fragment`] is the frame's only copy, and a
//! client takes [`Fragment::head`] (its own numbers) and [`Fragment::payload`] (shared) to its socket in one
//! write.
//!
//! Clause numbers are those of ISO/IEC 14496-12:2015 and 14496-15:2017.

mod boxes;
mod fragment;
mod init;
pub mod laws;
pub mod reader;
mod timeline;

pub use fragment::{Fragment, HEAD_BYTES, MAX_PAYLOAD_BYTES, MOOF_BYTES, TooLarge};
pub use init::Init;
pub use timeline::{Span, Timeline};

/// Ticks a second of every time and duration in the file (RTP's clock for video as well, RFC 6184 5.1).
pub const TIMESCALE: u32 = 90_000;

/// The track_ID of the video.
pub const VIDEO_TRACK: u32 = 1;

#[cfg(test)]
mod tests {
    /// Seeded pseudo-random numbers (xorshift64).
    pub(super) struct Random(pub(super) u64);

    impl Random {
        pub(super) fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        pub(super) fn below(&mut self, limit: u64) -> u64 {
            self.next() % limit
        }
    }

    /// Bytes from hexadecimal digits; white space and what stands behind `//` is for the reader.
    pub(super) fn hex(text: &str) -> Vec<u8> {
        let digits: String = text
            .lines()
            .flat_map(|line| line.split("//").next().unwrap().split_whitespace())
            .collect();
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    }
}
