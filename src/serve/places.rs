//! Places among the streams, and the other limits on who is let in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Connections that may be open beside the streams, for the page, /status and /healthz.
pub const RESERVE: usize = 32;
/// Connections that a viewer may have: a player of HLS asks for playlists and files at once, and for the next part before it is
/// there.
pub const CONNECTIONS_A_VIEWER: usize = 3;
/// Files that are the program's own.
pub const OWN_FILES: usize = 24;
/// Clients who were turned away may be so many until they have read why.
pub const MOST_REFUSED: usize = 8;
/// Files that are kept for each camera, as its devices are opened when somebody watches: a decoder, an encoder and their
/// buffers, or a command's pipes.
pub const FILES_A_CAMERA: usize = 24;
/// Clients who made room for others and are not gone yet may be so many.
pub const MOST_LEAVING: usize = 64;
/// Connections that may wait to be accepted.
pub const BACKLOG: i32 = 1024;
/// The stack of a client's thread: heads, frames and answers are on the heap.
pub const STACK_BYTES: usize = 128 * 1024;
/// A client has this long for its head, and for its answer, whoever else needs its place.
pub const GRACE: Duration = Duration::from_secs(1);

/// The places for streams being sent and for viewers of HLS, as many as `max_clients` says.
#[derive(Clone, Default)]
pub struct Places(Arc<AtomicUsize>);

/// One of the places; free again when this is dropped.
pub struct Place(Places);

impl Places {
    /// A place, if fewer than `most` are taken.
    pub fn take(&self, most: usize) -> Option<Place> {
        let room = |taken| (taken < most).then_some(taken + 1);
        let taken = self.0.fetch_update(SeqCst, SeqCst, room);
        taken.ok().map(|_| Place(self.clone()))
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn a_place_is_free_again_when_it_is_left() {
        let places = Places::default();
        let (one, two) = (places.take(2), places.take(2));
        assert!(one.is_some() && two.is_some() && places.take(2).is_none());
        assert_eq!(places.taken(), 2);
        drop(one);
        assert!(places.take(2).is_some());
        assert_eq!(places.taken(), 1);
        // A config may have taken some away.
        assert!(places.take(1).is_none());
    }
}
