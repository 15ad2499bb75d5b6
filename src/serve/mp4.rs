//! `/stream.mp4`: the init segment, then fragment by fragment for as long as the client stays. Saved to a file, it
//! is a recording.

use super::connection::{self, Connection, LOOK_EVERY, WRITE_TIME, has_left, write_within};
use super::head::{Head, Method};
use super::live::{Unsent, account};
use super::routes::{self, Mp4Request};
use super::{CameraSide, Shared};
use crate::format::fmp4::{Fragment, HEAD_BYTES, Init};
use crate::ring::{BATCH_FRAGMENTS, Batch, Follower, Next, Sink};
use crate::stream::{Codec, Stream, Viewer, Who};
use std::io::{self, IoSlice, Write};
use std::mem;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Sends the stream until the client leaves, the stream ends or the client is stuck; says which.
pub(super) fn send(
    connection: &Arc<Connection>,
    shared: &Shared,
    camera: &CameraSide,
    request: &Mp4Request,
    head: &Head,
) -> &'static str {
    let socket = &connection.socket;
    let begin = begin(shared, camera, head);
    if head.method == Method::Head {
        _ = write_within(socket, begin.as_bytes(), WRITE_TIME);
        connection::linger(socket);
        return "answered";
    }
    let Some(_place) = connection.begin_stream(shared, head) else {
        return "refused";
    };
    let outcome = write_within(socket, begin.as_bytes(), WRITE_TIME)
        .and_then(|()| follow(connection, camera, request, head.http11));
    match outcome {
        Ok(End::Stream) => {
            connection::linger(socket);
            "stream ended"
        }
        Ok(End::Client) => "left",
        Err(e) => connection::give_up(socket, shared, &e),
    }
}

/// The response's head.
fn begin(shared: &Shared, camera: &CameraSide, head: &Head) -> String {
    let codecs = match camera.stream.state().init {
        Some(init) => format!("; codecs=\"{}\"", init.codec),
        None => String::new(),
    };
    let framing = if head.http11 {
        "Transfer-Encoding: chunked\r\n"
    } else {
        ""
    };
    routes::endless(head, shared, &format!("video/mp4{codecs}"), framing)
}

/// Who ended it.
enum End {
    Stream,
    Client,
}

fn follow(
    connection: &Arc<Connection>,
    camera: &CameraSide,
    request: &Mp4Request,
    chunked: bool,
) -> io::Result<End> {
    let stream = &camera.stream;
    let watching = stream.watch(Who::Net(connection.address), "mp4");
    let sink = Arc::new(Mp4 {
        connection: Arc::clone(connection),
        stream: Arc::clone(stream),
        viewer: Arc::clone(&watching.viewer),
        out: Mutex::new(Out {
            chunked,
            sequence: 0,
            start: None,
            heads: Vec::new(),
            unsent: Unsent::default(),
            ended: false,
        }),
    });
    let mut follower = Follower::shared(&stream.ring, request.live, Arc::clone(&sink) as Arc<dyn Sink>);
    stream.request_key_frame();
    let mut looked = Instant::now();
    loop {
        match follower.next(LOOK_EVERY) {
            Next::Batch(batch) => {
                sink.try_send(batch);
                sink.see_to_it()?;
            }
            Next::Blocked => sink.see_to_it()?,
            // What a command gives may have become known only now.
            Next::TimedOut if stream.state().codec == Some(Codec::Jpeg) => {
                return sink.finish().map(|()| End::Stream);
            }
            Next::TimedOut | Next::Notified => {}
            Next::Broken => return Err(io::Error::other("a fault of this program")),
            Next::Closed => return sink.finish().map(|()| End::Stream),
        }
        if sink.ended() {
            return sink.finish().map(|()| End::Stream);
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            if has_left(&connection.socket) {
                return Ok(End::Client);
            }
        }
    }
}

/// The way out to one client, for its own thread and for those that stand in for it.
struct Mp4 {
    connection: Arc<Connection>,
    stream: Arc<Stream>,
    viewer: Arc<Viewer>,
    out: Mutex<Out>,
}

struct Out {
    /// HTTP/1.1: a chunk a fragment (RFC 9112, 7.1). Else the end of the connection is the end of the stream.
    chunked: bool,
    /// Of the fragment sent last; the first has 1.
    sequence: u32,
    /// What has been sent as init segment, and the media time that is this client's zero.
    start: Option<(Arc<Init>, u64)>,
    /// Kept from write to write for its allocation.
    heads: Vec<u8>,
    unsent: Unsent,
    /// What comes now needs another init segment, which a plain recording can't have.
    ended: bool,
}

impl Sink for Mp4 {
    fn try_send(&self, batch: &Batch) -> bool {
        let mut out = self.lock();
        let sent = out.send(&self.connection.socket, &batch.fragments);
        account(batch, sent, &self.stream, &self.viewer);
        out.unsent.is_none() && !out.ended
    }
}

impl Mp4 {
    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> bool {
        self.lock().ended
    }

    /// Sends what an offer left, and waits for it.
    ///
    /// # Errors
    /// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
    fn see_to_it(&self) -> io::Result<()> {
        self.lock().unsent.flush(&self.connection.socket)
    }

    /// Ends the body in order: a client can tell this from a broken connection.
    fn finish(&self) -> io::Result<()> {
        self.see_to_it()?;
        let last: &[u8] = if self.lock().chunked { b"0\r\n\r\n" } else { b"" };
        write_within(&self.connection.socket, last, WRITE_TIME)
    }
}

impl Out {
    /// Sends fragments without waiting, in one write, after the init segment if they are the first. What the socket
    /// does not take is kept. Gives the bytes of it all.
    fn send(&mut self, socket: &TcpStream, fragments: &[Arc<Fragment>]) -> u64 {
        let Some(first) = fragments.first() else { return 0 };
        let mut heads = mem::take(&mut self.heads);
        heads.clear();
        let (init, base_90k) = match &self.start {
            Some((init, base_90k)) => (Arc::clone(init), *base_90k),
            None => {
                self.chunk_size(&mut heads, first.init.bytes.len());
                heads.extend_from_slice(&first.init.bytes);
                heads.extend_from_slice(self.chunk_end());
                self.start = Some((Arc::clone(&first.init), first.time_90k));
                (Arc::clone(&first.init), first.time_90k)
            }
        };
        let of_this_init = |fragment: &&Arc<Fragment>| Arc::ptr_eq(&fragment.init, &init);
        let count = fragments
            .iter()
            .take(BATCH_FRAGMENTS)
            .take_while(of_this_init)
            .count();
        self.ended = count < fragments.len();
        let fragments = &fragments[..count];
        let mut ends = [0; BATCH_FRAGMENTS];
        for (fragment, end) in fragments.iter().zip(&mut ends) {
            self.sequence = self.sequence.wrapping_add(1);
            self.chunk_size(&mut heads, HEAD_BYTES + fragment.payload().len());
            heads.extend_from_slice(&fragment.head(self.sequence, base_90k));
            *end = heads.len();
        }
        let mut slices = [IoSlice::new(&[]); 3 * BATCH_FRAGMENTS];
        let mut begin = 0;
        for ((fragment, end), slices) in fragments.iter().zip(ends).zip(slices.chunks_exact_mut(3)) {
            slices[0] = IoSlice::new(&heads[begin..end]);
            slices[1] = IoSlice::new(fragment.payload());
            slices[2] = IoSlice::new(self.chunk_end());
            begin = end;
        }
        let bytes = self.unsent.send(socket, &slices[..3 * count]);
        self.heads = heads;
        bytes
    }

    fn chunk_size(&self, out: &mut Vec<u8>, bytes: usize) {
        if self.chunked {
            // Writing to a Vec can't fail.
            _ = write!(out, "{bytes:x}\r\n");
        }
    }

    fn chunk_end(&self) -> &'static [u8] {
        if self.chunked { b"\r\n" } else { b"" }
    }
}
