//! The tracks, and the time that the video counts in. The sound's is its sample rate.

/// Ticks a second of the video's times and durations (RTP's clock for video as well, RFC 6184 5.1).
pub const TIMESCALE: u32 = 90_000;

/// The track_ID of the video.
pub const VIDEO_TRACK: u32 = 1;

/// The track_ID of the sound, where there is one.
pub const SOUND_TRACK: u32 = 2;
