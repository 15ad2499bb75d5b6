//! `/stream.mp4`: the init segment, then fragment by fragment for as long as the client stays. Saved to a file, it
//! is a recording.

use super::connection::LOOK_EVERY;
use super::exchange::{Ending, Exchange};
use super::live::{LiveSink, Numbers, SendBuffer, Wire};
use crate::format::fmp4::{Fragment, HEAD_BYTES};
use crate::ring::{BATCH_FRAGMENTS, Batch, Follower, Next, Sink};
use crate::stream::{Codec, Who};
use std::io::{self, IoSlice, Write};
use std::mem;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

/// Sends the stream until the client leaves or the stream ends.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let begin = begin(exchange);
    if exchange.is_head() {
        exchange.connection.write(begin.as_bytes())?;
        return Ok(Ending::Answered);
    }
    if let Err(full) = exchange.begin_stream() {
        return exchange.send_last(&full, Ending::Refused);
    }
    exchange.connection.write(begin.as_bytes())?;
    follow(exchange)
}

/// The response's head.
fn begin(exchange: &Exchange<'_>) -> String {
    let codecs = match exchange.camera.stream.state().init {
        Some(init) => format!("; codecs=\"{}\"", init.codec),
        None => String::new(),
    };
    let framing = if exchange.head.http11 {
        "Transfer-Encoding: chunked\r\n"
    } else {
        ""
    };
    exchange.endless_head(&format!("video/mp4{codecs}"), framing)
}

fn follow(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let (connection, stream) = (exchange.connection, &exchange.camera.stream);
    let watching = stream.watch(Who::Net(connection.address), "mp4");
    let wire = Mp4 {
        chunked: exchange.head.http11,
        numbers: Numbers::asked_for(exchange.head),
        heads: Vec::new(),
        is_over: false,
    };
    let sink = LiveSink::new(connection, stream, &watching, wire);
    let live = exchange.head.asks_for_live();
    let mut follower = Follower::shared(&stream.ring, live, Arc::clone(&sink) as Arc<dyn Sink>);
    stream.request_key_frame();
    let mut looked = Instant::now();
    loop {
        match follower.next(LOOK_EVERY) {
            Next::Batch(batch) => {
                sink.try_send(batch);
                sink.flush()?;
            }
            Next::Blocked => sink.flush()?,
            // What a command gives may have become known only now.
            Next::TimedOut if stream.state().codec == Some(Codec::Jpeg) => return finish(&sink),
            Next::TimedOut | Next::Notified => {}
            Next::Broken => return Err(io::Error::other("a fault of this program")),
            Next::Closed => return finish(&sink),
        }
        if sink.with_wire(|wire| wire.is_over) {
            return finish(&sink);
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            if connection.has_left() {
                return Ok(Ending::Left);
            }
        }
    }
}

/// Ends the body in order: a client can tell this from a broken connection.
fn finish(sink: &LiveSink<Mp4>) -> io::Result<Ending> {
    let chunked = sink.with_wire(|wire| wire.chunked);
    sink.write(if chunked { b"0\r\n\r\n" } else { b"" })?;
    Ok(Ending::StreamEnded)
}

/// A body of fragments.
struct Mp4 {
    /// HTTP/1.1: a chunk a fragment (RFC 9112, 7.1). Else the end of the connection is the end of the stream.
    chunked: bool,
    numbers: Numbers,
    /// Kept from write to write for its allocation.
    heads: Vec<u8>,
    /// What comes now is of another format, and needs another init segment, which a plain recording can't have.
    is_over: bool,
}

impl Wire for Mp4 {
    /// In one write, after the init segment if they are the first.
    fn send(&mut self, batch: &Batch, socket: &TcpStream, buffer: &mut SendBuffer) -> u64 {
        let fragments = &batch.fragments;
        let Some(first) = fragments.first() else { return 0 };
        let mut heads = mem::take(&mut self.heads);
        heads.clear();
        let init = match self.numbers.init() {
            Some(init) => Arc::clone(init),
            None => {
                self.numbers.begin(first);
                self.chunk_size(&mut heads, first.init.bytes.len());
                heads.extend_from_slice(&first.init.bytes);
                heads.extend_from_slice(self.chunk_end());
                Arc::clone(&first.init)
            }
        };
        let of_this_init = |fragment: &&Arc<Fragment>| init.serves(&fragment.init);
        let count = fragments
            .iter()
            .take(BATCH_FRAGMENTS)
            .take_while(of_this_init)
            .count();
        self.is_over = count < fragments.len();
        let fragments = &fragments[..count];
        let mut ends = [0; BATCH_FRAGMENTS];
        for (fragment, end) in fragments.iter().zip(&mut ends) {
            self.chunk_size(&mut heads, HEAD_BYTES + fragment.payload().len());
            heads.extend_from_slice(&self.numbers.head(fragment));
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
        let bytes = buffer.send(socket, &slices[..3 * count]);
        self.heads = heads;
        bytes
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

impl Mp4 {
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
