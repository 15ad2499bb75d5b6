//! ONVIF, the least by which recorders adopt a camera: what they ask of a device of Profile S before they play it by RTSP, and
//! WS-Discovery, by which they find it. Nothing can be set.

mod device;
pub mod discovery;
mod texts;

pub use device::serve;
