//! RTSP: from a client's first request to its last packet. Its connections are accepted, counted and ended as those of HTTP are.

mod client;
mod play;
mod session;
mod udp;
mod wire;

pub use client::RTSP;
