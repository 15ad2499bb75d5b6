//! The one track that there is, and the time that all of it counts in.

/// Ticks a second of every time and duration in the file (RTP's clock for video as well, RFC 6184 5.1).
pub const TIMESCALE: u32 = 90_000;

/// The track_ID of the video.
pub const VIDEO_TRACK: u32 = 1;
