//! The batch of fragments that a follower gets, and the sink that sends one without waiting.

use crate::format::fmp4::Fragment;
use std::sync::Arc;

/// The most fragments in a batch: what one write can send.
pub const BATCH_FRAGMENTS: usize = 16;

/// A batch ends with the fragment that takes it over this size: what is in a batch can no longer be dropped.
pub(super) const BATCH_BYTES: usize = 64 * 1024;

/// Fragments for one follower, and what it has to know of those before them.
#[derive(Debug, Default)]
pub struct Batch {
    /// Fragments to send, in order; empty if the follower only learns that it lost some.
    pub fragments: Vec<Arc<Fragment>>,
    /// The number of the first of them in the ring.
    pub(super) first: u64,
    /// How many fragments were left out before these.
    pub skipped: u64,
    /// When it was made: CLOCK_MONOTONIC in microseconds.
    pub made_us: u64,
    /// The follower waits for a key frame that only the encoder can give.
    pub needs_key_frame: bool,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.fragments.is_empty() && self.skipped == 0
    }
}

/// Sends to one follower's client, in whichever thread: see [`Follower::next`](super::follower::Follower::next).
pub trait Sink: Send + Sync {
    /// Sends what it can without waiting. False: the follower's own thread has to go on (with what is left, with a
    /// client that has gone, or with anything else that takes its time). `room` is for what has to be put together; it is
    /// kept from send to send for its allocation.
    fn try_send(&self, batch: &Batch, room: &mut Vec<u8>) -> bool;
}
