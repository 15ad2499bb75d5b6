//! `/ws`: what `/stream.mp4` gives, as WebSocket messages (RFC 6455), with texts beside them that tell how it stands; or
//! the bare H.264, for players that want that. The client's thread hears what the client says, too.

use super::connection::{self, Connection, LOOK_EVERY, READS, WRITE_TIME, write_within};
use super::head::{self, Head, Method};
use super::live::{Unsent, account};
use super::routes::{self, Answer};
use super::status::codec;
use super::{CameraSide, Shared};
use crate::format::fmp4::{Fragment, HEAD_BYTES, Init};
use crate::format::json::{Object, member};
use crate::format::ws::{self, Fault, Message, Reader, status};
use crate::ring::{Batch, Follower, Next, Sink};
use crate::stream::{Codec, Stream, Viewer, Who};
use crate::sys::clock;
use crate::sys::sock::{self, Input};
use std::io::{self, IoSlice};
use std::mem;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// This often a client is told how media time and our clock go together.
const CLOCK_EVERY: Duration = Duration::from_secs(5);
/// When nothing went either way for this long, the client is asked for a sign of life; and given up after as long again.
const QUIET_TIME: Duration = Duration::from_secs(20);
/// What stands before each NAL unit in a byte stream (H.264, B.1), as long as its length in an MP4 file.
const START_CODE: &[u8; 4] = &[0, 0, 0, 1];

/// How a client wants its stream.
pub(super) struct Request {
    /// From the next key frame on, rather than from the newest one.
    live: bool,
    /// H.264 as a byte stream, and no texts.
    annex_b: bool,
    /// The answer to its key.
    accept: String,
}

/// A handshake that is good (4.2.1), or the answer to one that is not.
pub(super) fn request(head: &Head, shared: &Shared, camera: &CameraSide) -> Result<Request, Answer> {
    let upgrade = &head.upgrade;
    let bad = |why: &str| Err(Answer::text("400 Bad Request", why));
    if head.method != Method::Get || !head.http11 || !upgrade.websocket || !upgrade.version_13 {
        let text = "This address is for WebSockets of version 13 (RFC 6455). A proxy in between has to pass the fields \
                    Upgrade and Connection on, in HTTP/1.1";
        let lines = "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n";
        return Err(Answer::text("426 Upgrade Required", text).with(lines));
    }
    if !upgrade.connection {
        return bad("Connection: Upgrade is missing; a proxy in between has to pass it on");
    }
    let Some(accept) = upgrade.key.as_deref().and_then(ws::accept) else {
        return bad("Sec-WebSocket-Key has to be 16 bytes in base64");
    };
    // Browsers let any page open a WebSocket to any place, and leave it to that place to ask where it is from (10.2).
    // Who sends no Origin is no browser.
    let ours = |origin: &&str| head::is_same_origin(origin, head);
    if head.origin.as_deref().is_some_and(|origin| !ours(&origin)) && routes::listed(head, shared).is_none() {
        shared.counters.forbidden.fetch_add(1, Relaxed);
        return Err(routes::foreign_page());
    }
    let annex_b = head.asked("format") == Some("h264");
    if let Some(answer) = routes::none_of(Codec::H264, camera).filter(|_| annex_b) {
        return Err(answer);
    }
    Ok(Request {
        live: head.asks_for_live(),
        annex_b,
        accept,
    })
}

/// Sends the stream until the client leaves, the stream ends or the client is stuck; says which. What came behind the
/// request is `received`.
pub(super) fn send(
    connection: &Arc<Connection>,
    shared: &Shared,
    camera: &CameraSide,
    request: &Request,
    head: &Head,
    received: &[u8],
) -> &'static str {
    let socket = &connection.socket;
    let Some(_place) = connection.begin_stream(shared, head) else {
        return "refused";
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        request.accept
    );
    let outcome = write_within(socket, answer.as_bytes(), WRITE_TIME)
        .and_then(|()| follow(connection, camera, request, received));
    match outcome {
        Ok(End::Closed) => {
            connection::linger(socket);
            "closed"
        }
        Ok(End::Gone) => "left",
        Err(e) => connection::give_up(socket, shared, &e),
    }
}

/// How it ended.
enum End {
    /// With a close frame from us.
    Closed,
    /// The client has gone.
    Gone,
}

fn follow(
    connection: &Arc<Connection>,
    camera: &CameraSide,
    request: &Request,
    received: &[u8],
) -> io::Result<End> {
    let stream = &camera.stream;
    let watching = stream.watch(Who::Net(connection.address), "ws");
    let sink = Arc::new(Ws {
        connection: Arc::clone(connection),
        stream: Arc::clone(stream),
        viewer: Arc::clone(&watching.viewer),
        out: Mutex::new(Out {
            annex_b: request.annex_b,
            sequence: 0,
            start: None,
            skipped: 0,
            clock_told: None,
            heads: Vec::new(),
            unsent: Unsent::default(),
            quiet_since: Instant::now(),
            asked: false,
        }),
    });
    let mut client = Client {
        sink: &sink,
        reader: Reader::default(),
        state: String::new(),
    };
    // Before the first look at the state, so that no change after it is missed.
    let for_ring = Arc::clone(&sink) as Arc<dyn Sink>;
    let mut follower =
        Follower::shared_with_input(&stream.ring, request.live, for_ring, connection.socket.as_fd())?;
    stream.request_key_frame();
    client.tell_state()?;
    client.reader.push(received);
    if let Some(end) = client.answer()? {
        return Ok(end);
    }
    loop {
        match follower.next(LOOK_EVERY) {
            Next::Batch(batch) => {
                sink.try_send(batch);
                sink.flush()?;
            }
            Next::Blocked => sink.flush()?,
            Next::Notified => client.tell_state()?,
            Next::TimedOut => {}
            // A close frame could come to stand in the middle of another one.
            Next::Broken => return Err(io::Error::other("a fault of this program")),
            Next::Closed => return client.close(Some(status::GOING_AWAY), "the server ends"),
        }
        if let Some(end) = client.listen()? {
            return Ok(end);
        }
        if client.is_silent()? {
            return Ok(End::Gone);
        }
    }
}

/// What a client's own thread has. While it has the floor, nobody else is at the sink.
struct Client<'a> {
    sink: &'a Ws,
    reader: Reader,
    /// The state as it was told last.
    state: String,
}

impl Client<'_> {
    /// Tells the state, if it is another than before.
    fn tell_state(&mut self) -> io::Result<()> {
        let state = self.sink.stream.state();
        let text = Object::new()
            .text("type", "state")
            .text("state", state.condition.word())
            .text("reason", &state.why)
            .text("source", &state.source)
            .member("placeholder", state.placeholder)
            .member("codec", codec(&state))
            .member("rotation", state.rotation)
            .end();
        if self.state == text || self.sink.lock().annex_b {
            return Ok(());
        }
        let mut message = Vec::new();
        ws::text(&text, &mut message);
        self.state = text;
        self.sink.write(&message)
    }

    /// Reads what has come. Who talks without end is heard again at the next turn.
    fn listen(&mut self) -> io::Result<Option<End>> {
        let mut buffer = [0; 4096];
        for _ in 0..READS {
            match sock::read_now(&self.sink.connection.socket, &mut buffer) {
                Input::Bytes(n) => {
                    self.sink.lock().hear();
                    self.reader.push(&buffer[..n]);
                    if let Some(end) = self.answer()? {
                        return Ok(Some(end));
                    }
                }
                Input::Nothing => break,
                Input::Ended => return Ok(Some(End::Gone)),
            }
        }
        Ok(None)
    }

    /// Answers what has been read.
    fn answer(&mut self) -> io::Result<Option<End>> {
        let mut answers = Vec::new();
        let end = loop {
            match self.reader.message() {
                Ok(Some(Message::Text(text))) => self.hear_lag(&text, &mut answers),
                Ok(Some(Message::Ping(payload))) => ws::pong(&payload, &mut answers),
                Ok(Some(Message::Close(code))) => break Some((code, "")),
                Ok(Some(Message::Binary(_) | Message::Pong)) => {}
                Ok(None) => break None,
                Err(Fault { code, why }) => break Some((Some(code), why)),
            }
        };
        if !answers.is_empty() {
            self.sink.write(&answers)?;
        }
        end.map(|(code, why)| self.close(code, why)).transpose()
    }

    /// `{"type":"lag","sent_ms":X,"lag_ms":L}`: X is given back as it is, with our clock; L is for /status.
    fn hear_lag(&self, text: &str, answers: &mut Vec<u8>) {
        if member(text, "type") != Some("\"lag\"") {
            return;
        }
        let lag_ms = member(text, "lag_ms").and_then(|ms| ms.split('.').next()?.parse().ok());
        self.sink
            .viewer
            .lag_ms
            .store(lag_ms.unwrap_or(Viewer::UNKNOWN_LAG), Relaxed);
        let number = |text: &&str| {
            (1..=32).contains(&text.len()) && text.bytes().all(|b| b"0123456789+-.eE".contains(&b))
        };
        if let Some(sent_ms) = member(text, "sent_ms").filter(number) {
            let echo = Object::new()
                .text("type", "echo")
                .member("sent_ms", sent_ms)
                .member("received_us", clock::monotonic_us());
            ws::text(&echo.end(), answers);
        }
    }

    /// Whether nothing has come from the client for too long although it was asked. Asks it when it is time to.
    fn is_silent(&self) -> io::Result<bool> {
        {
            let mut out = self.sink.lock();
            if out.quiet_since.elapsed() < QUIET_TIME {
                return Ok(false);
            }
            if out.asked {
                return Ok(true);
            }
            (out.quiet_since, out.asked) = (Instant::now(), true);
        }
        let mut ping = Vec::new();
        ws::ping(&mut ping);
        self.sink.write(&ping).map(|()| false)
    }

    fn close(&self, code: Option<u16>, why: &str) -> io::Result<End> {
        let mut frame = Vec::new();
        ws::close(code, why, &mut frame);
        self.sink.write(&frame).map(|()| End::Closed)
    }
}

/// The way out to one client, for its own thread and for those that stand in for it.
struct Ws {
    connection: Arc<Connection>,
    stream: Arc<Stream>,
    viewer: Arc<Viewer>,
    out: Mutex<Out>,
}

struct Out {
    annex_b: bool,
    /// Of the fragment sent last; the first has 1.
    sequence: u32,
    /// What has been sent as init segment last, and the media time that is this client's zero.
    start: Option<(Arc<Init>, u64)>,
    /// Fragments that were left out since the last one.
    skipped: u64,
    /// When it was last told how media time and our clock go together, on that clock.
    clock_told: Option<u64>,
    /// Kept from write to write for its allocation.
    heads: Vec<u8>,
    unsent: Unsent,
    /// Since when there was neither something to send nor something heard, ...
    quiet_since: Instant,
    /// ... and a ping was sent since.
    asked: bool,
}

impl Sink for Ws {
    fn try_send(&self, batch: &Batch) -> bool {
        let mut out = self.lock();
        let sent = out.send(&self.connection.socket, batch);
        account(batch, sent, &self.stream, &self.viewer);
        out.unsent.is_none()
    }
}

impl Ws {
    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what an offer left, and waits for it.
    fn flush(&self) -> io::Result<()> {
        self.lock().unsent.flush(&self.connection.socket)
    }

    /// Sends whole frames, after what an offer left.
    fn write(&self, frames: &[u8]) -> io::Result<()> {
        self.flush()?;
        write_within(&self.connection.socket, frames, WRITE_TIME)
    }
}

impl Out {
    fn hear(&mut self) {
        (self.quiet_since, self.asked) = (Instant::now(), false);
    }

    /// Sends fragments without waiting, in one write, each as a message, with the init segment and the texts that belong
    /// between them. Gives the bytes of it all.
    fn send(&mut self, socket: &TcpStream, batch: &Batch) -> u64 {
        self.skipped += batch.skipped;
        if batch.fragments.is_empty() {
            return 0;
        }
        self.hear();
        let mut heads = mem::take(&mut self.heads);
        heads.clear();
        let mut ends = Vec::with_capacity(batch.fragments.len());
        for fragment in &batch.fragments {
            if self.annex_b {
                byte_stream_head(fragment, &mut heads);
                ends.push(heads.len());
                continue;
            }
            let media_90k = self.head(fragment, &mut heads);
            ends.push(heads.len());
            let now_us = clock::monotonic_us();
            let since = |told| now_us.saturating_sub(told) >= CLOCK_EVERY.as_micros() as u64;
            if self.clock_told.is_none_or(since) {
                self.clock_told = Some(now_us);
                let clock = Object::new()
                    .text("type", "clock")
                    .member("media_90k", media_90k)
                    .member("captured_us", fragment.captured_us)
                    .member("sent_us", now_us);
                ws::text(&clock.end(), &mut heads);
            }
        }
        let mut slices = Vec::with_capacity(2 * ends.len() + 1);
        let mut begin = 0;
        for (fragment, end) in batch.fragments.iter().zip(ends) {
            slices.push(IoSlice::new(&heads[begin..end]));
            if self.annex_b {
                let nals = fragment.nal_units();
                slices.extend(nals.flat_map(|nal| [START_CODE, nal].map(IoSlice::new)));
            } else {
                slices.push(IoSlice::new(fragment.payload()));
            }
            begin = end;
        }
        slices.push(IoSlice::new(&heads[begin..]));
        let bytes = self.unsent.send(socket, &slices);
        drop(slices);
        self.heads = heads;
        bytes
    }

    /// What stands before a fragment's payload, from the text on what was left out to the fragment's own head. Gives the
    /// fragment's time at this client.
    fn head(&mut self, fragment: &Fragment, heads: &mut Vec<u8>) -> u64 {
        if self.skipped > 0 {
            let skipped = Object::new()
                .text("type", "skipped")
                .member("frames", self.skipped);
            ws::text(&skipped.end(), heads);
            self.skipped = 0;
        }
        let base_90k = match &self.start {
            Some((init, base_90k)) if Arc::ptr_eq(init, &fragment.init) => *base_90k,
            before => {
                let base_90k = before
                    .as_ref()
                    .map_or(fragment.time_90k, |(_, base_90k)| *base_90k);
                ws::binary_header(fragment.init.bytes.len(), heads);
                heads.extend_from_slice(&fragment.init.bytes);
                self.start = Some((Arc::clone(&fragment.init), base_90k));
                base_90k
            }
        };
        self.sequence = self.sequence.wrapping_add(1);
        ws::binary_header(HEAD_BYTES + fragment.payload().len(), heads);
        heads.extend_from_slice(&fragment.head(self.sequence, base_90k));
        fragment.time_90k.saturating_sub(base_90k)
    }
}

/// The header of an access unit's message, and the parameter sets before a key frame.
fn byte_stream_head(fragment: &Fragment, heads: &mut Vec<u8>) {
    let parameters = &fragment.init.parameters;
    let sets = std::iter::once(&parameters.sps).chain(&parameters.pps);
    let sets = sets.filter(|_| fragment.key);
    let bytes: usize = sets.clone().map(|set| START_CODE.len() + set.len()).sum();
    ws::binary_header(bytes + fragment.payload().len(), heads);
    for set in sets {
        heads.extend_from_slice(START_CODE);
        heads.extend_from_slice(set);
    }
}
