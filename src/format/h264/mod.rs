//! H.264 (ITU-T H.264, ISO/IEC 14496-10): NAL units, parameter sets, slice headers, and what a live stream of
//! them has to keep to. Clause numbers are those of ITU-T H.264.

pub mod assembler;
mod habit;
mod kept;
pub mod laws;
pub mod nal;
pub mod pps;
pub mod reader;
mod recovery;
mod reorder;
pub mod slice;
pub mod sps;
#[cfg(test)]
mod tests;
mod vui;

pub use habit::Quiet;
pub use nal::{NalUnits, nal_units};
pub use reader::{AccessUnit, Parameters, Reader, Refresh, Refused};
pub use sps::Sps;
pub use vui::{Colour, Timing};
