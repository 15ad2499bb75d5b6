//! Bytes with a specification: no unsafe code, no I/O, no threads, no clocks. All of it is fuzzed.

pub mod bits;
pub mod fmp4;
pub mod h264;
pub mod ws;
