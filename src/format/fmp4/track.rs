//! The tracks, and the time that the video counts in. The sound's is its sample rate.

use super::boxes::Writer;

/// Ticks a second of the video's times and durations (RTP's clock for video as well, RFC 6184 5.1).
pub const TIMESCALE: u32 = 90_000;

/// The track_ID of the video.
pub const VIDEO_TRACK: u32 = 1;

/// The track_ID of the sound, where there is one.
pub const SOUND_TRACK: u32 = 2;

/// What the decoder of a track needs (14496-14, 5.6.1): the kind of its objects and of its stream (14496-1, 7.2.6.6), and a
/// DecoderSpecificInfo, which may be empty. The lengths of the descriptors fit in a byte.
pub(super) fn esds(w: &mut Writer, track: u32, kind: [u8; 2], specific: &[u8]) {
    w.full_box(b"esds", 0, 0, |w| {
        w.bytes(&[3, 21 + specific.len() as u8]); // ES_Descriptor
        w.u16(track as u16); // ES_ID
        w.u8(0); // no flags
        w.bytes(&[4, 13 + specific.len() as u8]); // DecoderConfigDescriptor
        w.bytes(&kind);
        w.bytes(&[0; 3 + 4 + 4]); // bufferSizeDB, maxBitrate, avgBitrate: unknown
        w.bytes(specific);
        w.bytes(&[6, 1, 2]); // SLConfigDescriptor: as in MP4 files
    });
}
