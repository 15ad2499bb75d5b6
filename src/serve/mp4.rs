//! `/stream.mp4`: the init segment, then fragment by fragment for as long as the client stays. Saved to a file, it
//! is a recording.

use super::Shared;
use super::connection::{self, Connection, WRITE_TIME};
use super::head::{Head, Method};
use super::routes::{self, StreamRequest};
use crate::format::fmp4::{Fragment, HEAD_BYTES, Init};
use crate::ring::{BATCH_FRAGMENTS, Follower};
use crate::sys::{clock, sock};
use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

/// The kernel takes no more than this beyond what the client's window lets it send: what lags must stay where it can
/// still be dropped.
const NOTSENT_BYTES: i32 = 16 * 1024;
/// While nothing flows, this often a client is looked at: has it left?
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sends the stream until the client leaves, the stream ends or the client is stuck; says which.
pub(super) fn send(
    connection: &Connection,
    shared: &Shared,
    request: StreamRequest,
    head: &Head,
) -> &'static str {
    let socket = &connection.socket;
    let mut out = Out {
        socket,
        chunked: head.http11,
        sequence: 0,
        start: None,
        heads: Vec::new(),
    };
    if head.method == Method::Head {
        _ = out.begin(shared);
        connection::linger(socket);
        return "answered";
    }
    let Some(_place) = Place::take(shared) else {
        shared.counters.refused.fetch_add(1, Relaxed);
        let answer = routes::full(shared.settings.max_clients);
        let mut bytes = answer.head(false);
        bytes.extend_from_slice(&answer.body);
        _ = (&*socket).write_all(&bytes);
        connection::linger(socket);
        return "refused";
    };
    // Without it a slow client lags more, and that is all.
    _ = sock::set_notsent_lowat(socket, NOTSENT_BYTES);
    let outcome = follow(&mut out, connection, shared, request);
    let reason = match outcome {
        Ok(reason) => out.finish().map_or("left", |()| reason),
        Err(e) if e.kind() == ErrorKind::TimedOut => {
            shared.counters.stuck.fetch_add(1, Relaxed);
            sock::reset_on_close(socket);
            "stuck"
        }
        Err(_) => "left",
    };
    if reason == ENDED {
        connection::linger(socket);
    }
    reason
}

const ENDED: &str = "stream ended";

fn follow(
    out: &mut Out<'_>,
    connection: &Connection,
    shared: &Shared,
    request: StreamRequest,
) -> io::Result<&'static str> {
    let stream = &shared.stream;
    out.begin(shared)?;
    let watching = stream.watch(connection.address);
    let viewer = &watching.viewer;
    let mut follower = Follower::new(&stream.ring, request.live);
    stream.want_key();
    let mut looked = Instant::now();
    loop {
        let batch = follower.next(LOOK_EVERY);
        if batch.skipped > 0 {
            viewer.skipped.fetch_add(batch.skipped, Relaxed);
        }
        if batch.wants_key {
            stream.want_key();
        }
        if let Some(last) = batch.fragments.last() {
            let (sent, whole) = out.fragments(&batch.fragments)?;
            viewer.bytes.fetch_add(sent, Relaxed);
            viewer
                .age_us
                .store(clock::monotonic_us().saturating_sub(last.captured_us), Relaxed);
            if !whole {
                return Ok(ENDED);
            }
        } else if batch.closed {
            return Ok(ENDED);
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            // What a client says now has no meaning, but has to be taken, or its end would hide behind it.
            while let sock::Input::Bytes(_) | sock::Input::Ended =
                match sock::read_now(out.socket, &mut [0; 512]) {
                    sock::Input::Ended => return Ok("left"),
                    input => input,
                }
            {}
        }
    }
}

/// A place among the streams.
struct Place<'a>(&'a Shared);

impl<'a> Place<'a> {
    fn take(shared: &'a Shared) -> Option<Place<'a>> {
        let most = shared.settings.max_clients;
        let room = |taken| (taken < most).then_some(taken + 1);
        shared
            .streams
            .fetch_update(SeqCst, SeqCst, room)
            .ok()
            .map(|_| Place(shared))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, SeqCst);
    }
}

/// The way out to one client.
struct Out<'a> {
    socket: &'a TcpStream,
    /// HTTP/1.1: a chunk a fragment (RFC 9112, 7.1). Else the end of the connection is the end of the stream.
    chunked: bool,
    /// Of the fragment sent last; the first has 1.
    sequence: u32,
    /// What has been sent as init segment, and the media time that is this client's zero.
    start: Option<(Arc<Init>, u64)>,
    /// Kept from write to write for its allocation.
    heads: Vec<u8>,
}

impl Out<'_> {
    /// Sends the response's head.
    fn begin(&mut self, shared: &Shared) -> io::Result<()> {
        let codecs = match shared.stream.state().init {
            Some(init) => format!("; codecs=\"{}\"", init.codec),
            None => String::new(),
        };
        let framing = if self.chunked {
            "Transfer-Encoding: chunked\r\n"
        } else {
            ""
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n{}Content-Type: video/mp4{codecs}\r\n{framing}Connection: close\r\n\r\n",
            routes::HYGIENE
        );
        self.write(&mut [IoSlice::new(head.as_bytes())])
    }

    /// Sends fragments in one write, after the init segment if they are the first. Gives the bytes sent, and false
    /// where the stream has to end before one that needs another init segment.
    fn fragments(&mut self, fragments: &[Arc<Fragment>]) -> io::Result<(u64, bool)> {
        let Some(first) = fragments.first() else {
            return Ok((0, true));
        };
        let mut heads = std::mem::take(&mut self.heads);
        heads.clear();
        let mut init_end = 0;
        let (init, base_90k) = match &self.start {
            Some((init, base)) => (Arc::clone(init), *base),
            None => {
                self.chunk_size(&mut heads, first.init.bytes.len());
                heads.extend_from_slice(&first.init.bytes);
                self.chunk_end(&mut heads);
                init_end = heads.len();
                self.start = Some((Arc::clone(&first.init), first.time_90k));
                (Arc::clone(&first.init), first.time_90k)
            }
        };
        let same = fragments
            .iter()
            .take(BATCH_FRAGMENTS)
            .take_while(|f| Arc::ptr_eq(&f.init, &init))
            .count();
        let mut ends = [0; BATCH_FRAGMENTS];
        for (fragment, end) in fragments[..same].iter().zip(&mut ends) {
            self.sequence = self.sequence.wrapping_add(1);
            self.chunk_size(&mut heads, HEAD_BYTES + fragment.payload().len());
            heads.extend_from_slice(&fragment.head(self.sequence, base_90k));
            *end = heads.len();
        }
        let mut slices = [IoSlice::new(&[]); 1 + 3 * BATCH_FRAGMENTS];
        slices[0] = IoSlice::new(&heads[..init_end]);
        let mut begin = init_end;
        let chunk_end: &[u8] = if self.chunked { b"\r\n" } else { b"" };
        for ((fragment, end), slices) in fragments[..same]
            .iter()
            .zip(ends)
            .zip(slices[1..].chunks_exact_mut(3))
        {
            slices[0] = IoSlice::new(&heads[begin..end]);
            slices[1] = IoSlice::new(fragment.payload());
            slices[2] = IoSlice::new(chunk_end);
            begin = end;
        }
        let slices = &mut slices[..1 + 3 * same];
        let bytes = slices.iter().map(|s| s.len() as u64).sum();
        let written = self.write(slices);
        self.heads = heads;
        written.map(|()| (bytes, same == fragments.len()))
    }

    fn chunk_size(&self, out: &mut Vec<u8>, bytes: usize) {
        if self.chunked {
            // Writing to a Vec can't fail.
            _ = write!(out, "{bytes:x}\r\n");
        }
    }

    fn chunk_end(&self, out: &mut Vec<u8>) {
        if self.chunked {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Ends the body in order: a client can tell this from a broken connection.
    fn finish(&mut self) -> io::Result<()> {
        let last: &[u8] = if self.chunked { b"0\r\n\r\n" } else { b"" };
        self.write(&mut [IoSlice::new(last)])
    }

    /// Writes all, within the time for a write.
    ///
    /// # Errors
    /// `TimedOut` if the client does not take it; others if it has left.
    fn write(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut socket = self.socket;
        let begun = Instant::now();
        IoSlice::advance_slices(&mut slices, 0); // takes off the empty ones
        while !slices.is_empty() {
            match socket.write_vectored(slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => IoSlice::advance_slices(&mut slices, n),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
                Err(e) => return Err(e),
            }
            if !slices.is_empty() && begun.elapsed() >= WRITE_TIME {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }
}
