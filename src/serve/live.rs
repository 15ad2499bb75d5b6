//! What all live streams have in common: a sink that sends to one client from whichever thread, without waiting; what the
//! socket did not take of it; and the client's own numbers for fragments.

use super::connection::Connection;
use super::head::Head;
use crate::format::fmp4::{Fragment, Init};
use crate::ring::{Batch, Sink};
use crate::stream::{Stream, Viewer, Watching};
use crate::sys::sock;
use std::io::{self, IoSlice};
use std::mem;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The kernel takes no more slices in one write (IOV_MAX).
const SLICES: usize = 1024;

/// What a socket did not take at once; nothing may go before it.
#[derive(Debug, Default)]
pub struct SendBuffer {
    rest: Vec<u8>,
    broken: Option<io::Error>,
}

impl SendBuffer {
    /// Sends without waiting. Gives the bytes of it all.
    pub fn send(&mut self, socket: &TcpStream, slices: &[IoSlice<'_>]) -> u64 {
        let mut bytes = 0;
        for slices in slices.chunks(SLICES) {
            let length: usize = slices.iter().map(|slice| slice.len()).sum();
            bytes += length as u64;
            let mut sent = 0;
            if self.is_empty() {
                match sock::send_now(socket, slices) {
                    Ok(n) if n == length => continue,
                    Ok(n) => sent = n,
                    Err(e) => self.broken = Some(e),
                }
            }
            for slice in slices {
                let skip = sent.min(slice.len());
                self.rest.extend_from_slice(&slice[skip..]);
                sent -= skip;
            }
        }
        bytes
    }

    /// True if the socket took all.
    fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.broken.is_none()
    }

    /// Sends the rest, and waits for it.
    fn flush(&mut self, connection: &Connection) -> io::Result<()> {
        if let Some(e) = self.broken.take() {
            return Err(e);
        }
        connection.write(&mem::take(&mut self.rest))
    }
}

/// How fragments are put on the wire.
pub trait Wire: Send {
    /// Sends a batch without waiting, with what belongs before and between its fragments, which is put together in `room`.
    /// Gives the bytes of it all.
    fn send(&mut self, batch: &Batch, socket: &TcpStream, buffer: &mut SendBuffer, room: &mut Vec<u8>)
    -> u64;

    /// True if what comes now can't be sent on this wire.
    fn is_over(&self) -> bool {
        false
    }
}

/// What sends a live stream to one client, for the client's own thread and for those that send in its place.
pub struct LiveSink<W> {
    connection: Arc<Connection>,
    stream: Arc<Stream>,
    viewer: Arc<Viewer>,
    out: Mutex<Out<W>>,
}

struct Out<W> {
    wire: W,
    buffer: SendBuffer,
}

impl<W: Wire> LiveSink<W> {
    pub fn new(
        connection: &Arc<Connection>,
        stream: &Arc<Stream>,
        watching: &Watching<'_>,
        wire: W,
    ) -> Arc<LiveSink<W>> {
        Arc::new(LiveSink {
            connection: Arc::clone(connection),
            stream: Arc::clone(stream),
            viewer: Arc::clone(&watching.viewer),
            out: Mutex::new(Out {
                wire,
                buffer: SendBuffer::default(),
            }),
        })
    }

    /// Looks at the wire's own state, or changes it.
    pub fn with_wire<T>(&self, look: impl FnOnce(&mut W) -> T) -> T {
        look(&mut self.lock().wire)
    }

    /// Sends what the socket did not take before, and waits for it.
    ///
    /// # Errors
    /// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
    pub fn flush(&self) -> io::Result<()> {
        self.lock().buffer.flush(&self.connection)
    }

    /// Sends these bytes after what the socket did not take before, and waits until it took all.
    ///
    /// # Errors
    /// Those of [`LiveSink::flush`].
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.connection.write(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Out<W>> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Wire> Sink for LiveSink<W> {
    fn try_send(&self, batch: &Batch, room: &mut Vec<u8>) -> bool {
        let mut out = self.lock();
        let Out { wire, buffer } = &mut *out;
        let sent = wire.send(batch, &self.connection.socket, buffer, room);
        account(batch, sent, &self.stream, &self.viewer);
        buffer.is_empty() && !wire.is_over()
    }
}

/// Counts a batch for its viewer, to whom so many bytes were sent, and asks for the key frame that it needs.
fn account(batch: &Batch, sent: u64, stream: &Stream, viewer: &Viewer) {
    if batch.skipped > 0 {
        viewer.skipped.fetch_add(batch.skipped, Relaxed);
    }
    if batch.needs_key_frame {
        stream.request_key_frame();
    }
    viewer.bytes.fetch_add(sent, Relaxed);
    if let Some(last) = batch.fragments.last() {
        let age_us = batch.made_us.saturating_sub(last.captured_us);
        viewer.age_us.store(age_us, Relaxed);
        stream.sent_ages.observe(age_us);
    }
}

/// A client's own numbers for the fragments that it is sent: the first is 1, and its time is 0, or the camera's.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Times are the camera's media time, of which /status tells.
    camera_times: bool,
    /// That of the fragment before.
    sequence: u32,
    /// The init segment that was sent last, and the media time that is this client's zero.
    start: Option<(Arc<Init>, u64)>,
}

impl Numbers {
    /// Those of a client that asks by this head.
    pub fn asked_for(head: &Head) -> Numbers {
        Numbers {
            camera_times: head.asked("times") == Some("camera"),
            ..Numbers::default()
        }
    }

    /// The init segment that was sent last.
    pub fn init(&self) -> Option<&Arc<Init>> {
        self.start.as_ref().map(|(init, _)| init)
    }

    /// Has this fragment's init segment sent before it; the first such fragment makes the client's zero.
    pub fn begin(&mut self, fragment: &Fragment) {
        let first_90k = if self.camera_times { 0 } else { fragment.time_90k };
        let base_90k = self.start.as_ref().map_or(first_90k, |(_, base)| *base);
        self.start = Some((Arc::clone(&fragment.init), base_90k));
    }

    /// The fragment's time at this client.
    pub fn time_90k(&self, fragment: &Fragment) -> u64 {
        fragment.time_90k.saturating_sub(self.base_90k())
    }

    /// Appends the head of the next fragment.
    pub fn head(&mut self, fragment: &Fragment, out: &mut Vec<u8>) {
        self.sequence = self.sequence.wrapping_add(1);
        fragment.head(self.sequence, self.base_90k(), out);
    }

    fn base_90k(&self) -> u64 {
        self.start.as_ref().map_or(0, |(_, base_90k)| *base_90k)
    }
}
