//! The ring: the newest fragments of one camera, bounded in bytes and seconds, and the followers that read it.
//!
//! `Fragments` is the data, without a lock and without a clock; [`Ring`] shares it between threads; a [`Follower`] is
//! one reader's position in it. What every follower may rely on:
//!
//! - It starts on a key frame, and after any loss it goes on with a newer key frame: it never gets a frame whose
//!   references it did not get.
//! - It never moves backwards.
//! - A fragment that has waited for it longer than the age limit is not given to it: it jumps to the newest key frame,
//!   or waits for the next one.

mod follower;
mod fragments;
mod parked;
mod pictures;
mod shared;
mod sink;
mod sound;

pub use follower::{Follower, Next};
pub use fragments::Limits;
pub use parked::Wake;
pub use pictures::{NextPicture, Picture, Pictures, Subscription};
pub use shared::Ring;
pub use sink::{BATCH_FRAGMENTS, Batch, Sink};
