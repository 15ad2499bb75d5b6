//! `/stream.mp4`: the init segment, then fragment by fragment for as long as the client stays. Saved to a file, it
//! is a recording.

use super::exchange::{Ending, Exchange};
use super::live::{LiveSink, Numbers, SendBuffer, Wire};
use crate::ring::{Batch, Follower, Next, Sink};
use crate::stream::{Codec, Who};
use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

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
        Some(init) => format!("; codecs=\"{}\"", init.codecs(exchange.head.asks_for_sound())),
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
        is_over: false,
    };
    let sink = LiveSink::new(connection, stream, &watching, wire);
    let live = exchange.head.asks_for_live();
    let mut follower = Follower::shared(&stream.ring, live, Arc::clone(&sink) as Arc<dyn Sink>);
    let (called, wake) = (Arc::clone(stream), follower.wake());
    let look_every = exchange.call_on_input(Box::new(move || called.ring.call(&wake)));
    stream.request_key_frame();
    let mut room = Vec::new();
    loop {
        // What a command gives may have become known only now. Then nothing comes after what there is.
        let is_jpeg = stream.codec() == Some(Codec::Jpeg);
        let timeout = if is_jpeg { Duration::ZERO } else { look_every };
        match follower.next(timeout) {
            Next::Batch(batch) => {
                sink.try_send(batch, &mut room);
                sink.flush()?;
            }
            Next::Blocked => sink.flush()?,
            Next::TimedOut if is_jpeg => return finish(&sink),
            Next::TimedOut | Next::Called => {
                if connection.has_left() {
                    return Ok(Ending::Left);
                }
            }
            Next::Notified => {}
            Next::Broken => return Err(io::Error::other("a fault of this program")),
            Next::Closed => return finish(&sink),
        }
        if sink.with_wire(|wire| wire.is_over) {
            return finish(&sink);
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
    /// What comes now is of another format, and needs another init segment, which a plain recording can't have.
    is_over: bool,
}

impl Wire for Mp4 {
    /// Each picture in one write, with the sound before it, and the first one after its init segment.
    fn send(
        &mut self,
        batch: &Batch,
        socket: &TcpStream,
        buffer: &mut SendBuffer,
        room: &mut Vec<u8>,
    ) -> u64 {
        let mut bytes = 0;
        room.clear();
        self.numbers.skip(batch.skipped);
        for fragment in &batch.fragments {
            if fragment.is_sound() {
                if self.numbers.has(fragment) {
                    self.chunk_size(fragment.size_bytes(), room);
                    self.numbers.head(fragment, room);
                    room.extend_from_slice(fragment.payload());
                    room.extend_from_slice(self.chunk_end());
                }
                continue;
            }
            match self.numbers.serves(fragment) {
                Some(true) => {}
                Some(false) => {
                    self.is_over = true;
                    break;
                }
                None => {
                    let init = self.numbers.begin(fragment);
                    self.chunk_size(init.len(), room);
                    room.extend_from_slice(init);
                    room.extend_from_slice(self.chunk_end());
                }
            }
            self.chunk_size(fragment.size_bytes(), room);
            self.numbers.head(fragment, room);
            let slices = [&room[..], fragment.payload(), self.chunk_end()];
            bytes += buffer.send(socket, &slices.map(IoSlice::new));
            room.clear();
        }
        if !room.is_empty() {
            bytes += buffer.send(socket, &[IoSlice::new(room)]);
        }
        bytes
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

impl Mp4 {
    /// Appends the line before a chunk. (std's formatting takes ten times as long as these four or five digits need.)
    fn chunk_size(&self, bytes: usize, out: &mut Vec<u8>) {
        if self.chunked {
            let mut line = *b"0000000000000000\r\n";
            let (mut begin, mut rest) = (16, bytes);
            while rest > 0 {
                begin -= 1;
                line[begin] = b"0123456789abcdef"[rest % 16];
                rest /= 16;
            }
            out.extend_from_slice(&line[begin..]);
        }
    }

    fn chunk_end(&self) -> &'static [u8] {
        if self.chunked { b"\r\n" } else { b"" }
    }
}
