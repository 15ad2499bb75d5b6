//! Bytes with a specification: no unsafe code, no I/O, no threads, no clocks. All of it is fuzzed.

pub mod aac;
pub mod app4;
pub mod base64;
pub mod basic;
pub mod bits;
mod chunk;
mod codec;
pub mod digest;
pub mod fmp4;
pub mod form;
mod growing;
pub mod gzip;
pub mod h264;
pub mod hls;
pub mod jpeg;
pub mod json;
pub mod mac;
pub mod md5;
pub mod password;
pub mod prometheus;
pub mod raw;
pub mod rtp;
pub mod rtsp;
pub mod sdp;
pub mod search;
pub mod soap;
pub mod time;
pub mod url;
pub mod usb;
pub mod ws;

pub use chunk::Chunk;
pub use codec::Codec;
