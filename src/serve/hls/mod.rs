//! HTTP Live Streaming (draft-pantos-hls-rfc8216bis-20), plain and with low latency: `/stream.m3u8`, `/streaminf.m3u8`
//! and what they name under `/hls/`.
//!
//! A run is the life of one segmenter: a follower of the ring that begins with the first request and ends when nobody has
//! asked for anything for three target durations, or six seconds if that is longer. It only says where segments and
//! parts begin and end; what is sent are the ring's own fragments.

mod answers;
mod dates;
mod held;
pub mod run;
mod session;
mod terms;
mod window;

pub use answers::{file, media, multivariant};
pub use session::PLAYLIST_TYPE;
