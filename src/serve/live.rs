//! What goes out to one client, from whichever thread, without waiting; and what the socket did not take of it.

use super::connection::{WRITE_TIME, write_within};
use crate::ring::Batch;
use crate::stream::{Stream, Viewer};
use crate::sys::{clock, sock};
use std::io::{self, IoSlice};
use std::mem;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;

/// The kernel takes no more slices in one write (IOV_MAX).
const SLICES: usize = 1024;

/// What the socket did not take at once; nothing may go before it.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    rest: Vec<u8>,
    broken: Option<io::Error>,
}

impl Unsent {
    /// Sends without waiting. Gives the bytes of it all.
    pub fn send(&mut self, socket: &TcpStream, slices: &[IoSlice<'_>]) -> u64 {
        for slices in slices.chunks(SLICES) {
            let mut sent = 0;
            if self.is_none() {
                match sock::send_now(socket, slices) {
                    Ok(n) => sent = n,
                    Err(e) => {
                        self.broken = Some(e);
                        break;
                    }
                }
            }
            for slice in slices {
                let skip = sent.min(slice.len());
                self.rest.extend_from_slice(&slice[skip..]);
                sent -= skip;
            }
        }
        slices.iter().map(|slice| slice.len() as u64).sum()
    }

    /// All was taken.
    pub fn is_none(&self) -> bool {
        self.rest.is_empty() && self.broken.is_none()
    }

    /// Sends the rest, and waits for it.
    ///
    /// # Errors
    /// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
    pub fn flush(&mut self, socket: &TcpStream) -> io::Result<()> {
        if let Some(e) = self.broken.take() {
            return Err(e);
        }
        write_within(socket, &mem::take(&mut self.rest), WRITE_TIME)
    }
}

/// Counts what a batch is to its viewer, of which so many bytes were sent, and asks for the key frame that it wants.
pub(super) fn account(batch: &Batch, sent: u64, stream: &Stream, viewer: &Viewer) {
    viewer.skipped.fetch_add(batch.skipped, Relaxed);
    if batch.needs_key_frame {
        stream.request_key_frame();
    }
    viewer.bytes.fetch_add(sent, Relaxed);
    if let Some(last) = batch.fragments.last() {
        let age_us = clock::monotonic_us().saturating_sub(last.captured_us);
        viewer.age_us.store(age_us, Relaxed);
    }
}
