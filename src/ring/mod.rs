//! The ring: the newest fragments of one camera, bounded in bytes and seconds, and the followers that read it.

mod parked;
pub mod pictures;
mod shared;

pub use shared::{BATCH_FRAGMENTS, Batch, Follower, Limits, Next, Ring, Sink};
