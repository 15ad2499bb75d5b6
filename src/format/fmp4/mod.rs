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
//!   trak ..                     the sound's, where there is a microphone: its sample rate, stsd/mp4a/esds
//!   mvex / trex                 "fragments follow"
//! moof                          one Fragment: 100 bytes, always (sound has a traf of its own track, and some AAC frames)
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
mod bursts;
mod fragment;
mod heads;
mod init;
pub mod laws;
mod movie;
pub mod reader;
mod recording;
mod samples;
mod sound;
mod timeline;
mod track;

pub use fragment::{Fragment, HEAD_BYTES, MAX_PAYLOAD_BYTES, MOOF_BYTES, TooLarge};
pub use heads::{HEADS_BYTES, Heads};
pub use init::Init;
pub use movie::{Movie, shift};
pub use recording::{
    About, EVENTS_AT, EVENTS_S, Extent, Index, Origin, REFERENCE_BYTES, SYNCED_AT, WALL_AT, about, extent,
    forget_durations, fragment_bytes, head,
};
pub use samples::Samples;
pub use sound::{FRAME_SAMPLES, SoundFormat, SoundFrame};
pub use timeline::{Span, Timeline};
pub use track::{SOUND_TRACK, TIMESCALE, VIDEO_TRACK};
