//! `/ws`: what `/stream.mp4` gives, as WebSocket messages (RFC 6455), with texts beside them on the camera's state; or
//! bare H.264, for players that want that. The client's thread reads what the client sends, too.

use super::answer::{Answer, date};
use super::connection::{Connection, READS};
use super::exchange::{Ending, Exchange};
use super::head::Method;
use super::live::{LiveSink, Numbers, SendBuffer, Wire};
use super::ptz;
use crate::format::fmp4::Fragment;
use crate::format::json::{Object, Value};
use crate::format::ws::{self, Fault, Message, Reader, status};
use crate::ring::{Batch, Follower, Next, Sink};
use crate::stream::{Codec, Stream, Told, Viewer, Who};
use crate::sys::clock;
use crate::sys::sock::{self, Input};
use std::io::{self, IoSlice};
use std::iter;

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// A client is sent the media time that goes with our clock this often.
const CLOCK_EVERY: Duration = Duration::from_secs(5);
/// A client to and from which nothing was sent for this long is pinged, and given up after as long again.
const QUIET_TIME: Duration = Duration::from_secs(20);
/// A viewer's picture may be later than `max_age_ms` by this: it is decoded, and the lag is told once a second.
const LAG_SLACK: Duration = Duration::from_secs(1);
/// More than that is counted as that, whatever a client says.
const MOST_LAG: Duration = Duration::from_secs(3600);
/// A viewer who is late is sent nothing for as long as it is late, and for this at most; ...
const MAX_HOLD: Duration = Duration::from_secs(10);
/// ... and if that was of no use, not again for so long.
const HOLD_EVERY: Duration = Duration::from_secs(10);
/// A number that is given back may have so many characters.
const NUMBER_CHARS: usize = 32;
/// What stands before each NAL unit in a byte stream (H.264, B.1), as long as its length in an MP4 file.
const START_CODE: &[u8; 4] = &[0, 0, 0, 1];

/// A good handshake, and what it asks for.
struct Handshake {
    /// H.264 as a byte stream, and no texts.
    annex_b: bool,
    /// Sec-WebSocket-Accept: the answer to the client's key.
    accept: String,
}

/// Reads the handshake (4.2.1).
///
/// # Errors
/// The answer to one that is no good.
fn handshake(exchange: &Exchange<'_>) -> Result<Handshake, Answer> {
    let head = exchange.head;
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
    let annex_b = head.asked("format") == Some("h264");
    if let Some(answer) = exchange.none_of(Codec::H264).filter(|_| annex_b) {
        return Err(answer);
    }
    Ok(Handshake { annex_b, accept })
}

/// Sends the stream until the client leaves or the stream ends.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let handshake = match handshake(exchange) {
        Ok(handshake) => handshake,
        Err(answer) => return exchange.send(&answer),
    };
    if let Err(full) = exchange.begin_stream() {
        return exchange.send_last(&full, Ending::Refused);
    }
    // There is one protocol, whatever it is called: a browser that offered names closes where none is taken (WebSockets
    // Standard, 2.1).
    let name = exchange.head.upgrade.protocol.as_deref();
    let protocol = name.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\n{}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{}\r\n",
        date(),
        handshake.accept,
        protocol.unwrap_or_default()
    );
    exchange.connection.write(answer.as_bytes())?;
    follow(exchange, handshake.annex_b)
}

fn follow(exchange: &Exchange<'_>, annex_b: bool) -> io::Result<Ending> {
    let (connection, stream) = (exchange.connection, &exchange.camera.stream);
    let watching = stream.watch(Who::Net(connection.address), "ws");
    let wire = Ws {
        annex_b,
        numbers: Numbers::from_zero(exchange.head),
        skipped: 0,
        viewer: Arc::clone(&watching.viewer),
        held: None,
        may_hold_at: Instant::now(),
        clock_sent_us: None,
        quiet_since_us: clock::monotonic_us(),
        pinged: false,
    };
    let sink = LiveSink::new(connection, stream, &watching, wire);
    let mut client = Client {
        connection,
        stream,
        viewer: &watching.viewer,
        max_lag: exchange.shared.settings.max_age + LAG_SLACK,
        annex_b,
        sink: &sink,
        reader: Reader::default(),
        state: String::new(),
        told: Told::default(),
        may_turn: exchange.may_control().is_ok(),
    };
    // Before the first look at the state, so that no change after it is missed.
    let live = exchange.head.asks_for_live();
    let for_ring = Arc::clone(&sink) as Arc<dyn Sink>;
    let mut follower = Follower::shared(&stream.ring, live, for_ring);
    let (called, wake) = (Arc::clone(stream), follower.wake());
    let look_every = exchange.call_on_input(Box::new(move || called.ring.call(&wake)));
    stream.request_key_frame();
    client.send_news()?;
    client.reader.push(exchange.received);
    if let Some(ending) = client.answer()? {
        return Ok(ending);
    }
    let mut room = Vec::new();
    loop {
        match follower.next(look_every.min(client.quiet_left())) {
            Next::Batch(batch) => {
                sink.try_send(batch, &mut room);
                sink.flush()?;
            }
            Next::Blocked => sink.flush()?,
            Next::Notified => client.send_news()?,
            Next::TimedOut | Next::Called => {
                if let Some(ending) = client.listen()? {
                    return Ok(ending);
                }
            }
            // A close frame could end up in the middle of another one.
            Next::Broken => return Err(io::Error::other("a fault of this program")),
            Next::Closed => return client.close(Some(status::GOING_AWAY), "the server ends"),
        }
        if client.is_silent()? {
            return Ok(Ending::Left);
        }
    }
}

/// The client's own thread's side. While its follower is not parked, nobody else is at the sink.
struct Client<'a> {
    connection: &'a Connection,
    stream: &'a Stream,
    viewer: &'a Viewer,
    max_lag: Duration,
    annex_b: bool,
    sink: &'a LiveSink<Ws>,
    reader: Reader,
    /// The state as it was sent last.
    state: String,
    /// What was told of when it was sent last.
    told: Told,
    /// The client may turn the camera. The page that it is was asked for at the handshake.
    may_turn: bool,
}

impl Client<'_> {
    /// Sends the state, and what pages are told of beside it, where that is not what was sent last.
    fn send_news(&mut self) -> io::Result<()> {
        let state = self.stream.state();
        let text = Object::new()
            .text("type", "state")
            .text("state", state.condition.word())
            .text("reason", &state.why)
            .text("source", &state.source)
            .member("placeholder", state.placeholder)
            .member("moves", state.moves)
            .text_or_null("codec", state.codec.map(Codec::word))
            .member("rotation", state.rotation)
            .end();
        if self.annex_b {
            return Ok(());
        }
        let mut messages = Vec::new();
        if self.state != text {
            ws::text(&text, &mut messages);
            self.state = text;
        }
        let told = self.stream.told();
        for ((serial, text), (sent, _)) in told.iter().zip(&self.told) {
            if serial != sent && !text.is_empty() {
                ws::text(text, &mut messages);
            }
        }
        self.told = told;
        if messages.is_empty() {
            return Ok(());
        }
        self.sink.write(&messages)
    }

    /// Reads what has come. A client that sends without end is read again at the next turn.
    fn listen(&mut self) -> io::Result<Option<Ending>> {
        let mut buffer = [0; 4096];
        for _ in 0..READS {
            match sock::read_now(&self.connection.socket, &mut buffer) {
                Input::Bytes(n) => {
                    self.sink
                        .with_wire(|wire| wire.is_not_quiet(clock::monotonic_us()));
                    self.reader.push(&buffer[..n]);
                    if let Some(ending) = self.answer()? {
                        return Ok(Some(ending));
                    }
                }
                Input::Nothing => break,
                Input::Ended => return Ok(Some(Ending::Left)),
            }
        }
        self.connection.looked();
        Ok(None)
    }

    /// Answers what has been read.
    fn answer(&mut self) -> io::Result<Option<Ending>> {
        let mut answers = Vec::new();
        let close = loop {
            match self.reader.message() {
                Ok(Some(Message::Text(text))) => self.on_text(&text, &mut answers),
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
        close.map(|(code, why)| self.close(code, why)).transpose()
    }

    /// Takes `{"type":"ptz",...}` as POST of /ptz does, and `{"type":"lag","sent_ms":X,"lag_ms":L}`: X is given back as it is, with our clock; L is for /status, and tells of
    /// what is held up on the way, in a proxy.
    fn on_text(&self, text: &str, answers: &mut Vec<u8>) {
        let report = Value::read(text).unwrap_or(Value::Null);
        match report.member("type").and_then(Value::as_text) {
            Some("lag") => {}
            Some("ptz") if self.may_turn => {
                // What can't be done shows by what is told of the camera.
                _ = ptz::command(&self.stream.ptz, &report);
                return;
            }
            _ => return,
        }
        let number = |name| report.member(name).and_then(Value::as_number);
        let lag_ms = number("lag_ms").and_then(|ms| ms.split('.').next()?.parse().ok());
        let lag_ms = lag_ms.unwrap_or(Viewer::UNKNOWN_LAG);
        self.viewer.lag_ms.store(lag_ms, Relaxed);
        if lag_ms != Viewer::UNKNOWN_LAG {
            let lag = Duration::from_millis(lag_ms).min(MOST_LAG);
            self.stream.lags.observe(lag.as_micros() as u64);
            self.sink.with_wire(|wire| wire.heed(lag, self.max_lag));
        }
        if self.sink.with_wire(|wire| wire.waits_for_key()) {
            self.stream.request_key_frame();
        }
        if let Some(sent_ms) = number("sent_ms").filter(|number| number.len() <= NUMBER_CHARS) {
            let echo = Object::new()
                .text("type", "echo")
                .member("sent_ms", sent_ms)
                .member("received_us", clock::monotonic_us())
                .end();
            ws::text(&echo, answers);
        }
    }

    /// How long the connection may be quiet yet.
    fn quiet_left(&self) -> Duration {
        let since_us = self.sink.with_wire(|wire| wire.quiet_since_us);
        let quiet_us = clock::monotonic_us().saturating_sub(since_us);
        QUIET_TIME.saturating_sub(Duration::from_micros(quiet_us))
    }

    /// True if nothing has come from the client for too long although it was pinged. Pings it when it is time to.
    fn is_silent(&self) -> io::Result<bool> {
        let is_quiet = self.quiet_left().is_zero();
        if !is_quiet || self.sink.with_wire(|wire| wire.pinged) {
            return Ok(is_quiet);
        }
        let now_us = clock::monotonic_us();
        self.sink
            .with_wire(|wire| (wire.quiet_since_us, wire.pinged) = (now_us, true));
        let mut ping = Vec::new();
        ws::ping(&mut ping);
        self.sink.write(&ping).map(|()| false)
    }

    fn close(&self, code: Option<u16>, why: &str) -> io::Result<Ending> {
        let mut frame = Vec::new();
        ws::close(code, why, &mut frame);
        self.sink.write(&frame).map(|()| Ending::Closed)
    }
}

/// Fragments as messages.
struct Ws {
    annex_b: bool,
    numbers: Numbers,
    /// Fragments that were left out since the last one.
    skipped: u64,
    viewer: Arc<Viewer>,
    /// Until when nothing is sent, and from then on up to the next key frame.
    held: Option<Instant>,
    /// When that may be done again.
    may_hold_at: Instant,
    /// When the client was last sent the media time that goes with our clock, on that clock.
    clock_sent_us: Option<u64>,
    /// Since when nothing was sent or received, ...
    quiet_since_us: u64,
    /// ... and a ping was sent since.
    pinged: bool,
}

impl Wire for Ws {
    /// Each fragment as a message, in one write with what belongs before it; sound goes with the next picture.
    fn send(
        &mut self,
        batch: &Batch,
        socket: &TcpStream,
        buffer: &mut SendBuffer,
        room: &mut Vec<u8>,
    ) -> u64 {
        self.skipped += batch.skipped;
        let held = self.count_held(&batch.fragments);
        let pictures = batch.fragments[..held]
            .iter()
            .filter(|fragment| !fragment.is_sound());
        let pictures = pictures.count() as u64;
        self.viewer.skipped.fetch_add(pictures, Relaxed);
        self.skipped += pictures;
        self.numbers.skip(self.skipped);
        let mut bytes = 0;
        room.clear();
        for fragment in &batch.fragments[held..] {
            if fragment.is_sound() {
                if !self.annex_b && self.numbers.has(fragment) {
                    ws::binary_header(fragment.size_bytes(), room);
                    self.numbers.head(fragment, room);
                    room.extend_from_slice(fragment.payload());
                }
                continue;
            }
            self.is_not_quiet(batch.made_us);
            if self.annex_b {
                byte_stream_head(fragment, room);
                let nals = fragment.nal_units();
                let slices = nals.flat_map(|nal| [START_CODE, nal].map(IoSlice::new));
                let slices: Vec<_> = iter::once(IoSlice::new(room)).chain(slices).collect();
                bytes += buffer.send(socket, &slices);
                room.clear();
                continue;
            }
            self.head(fragment, room);
            bytes += buffer.send(socket, &[&room[..], fragment.payload()].map(IoSlice::new));
            room.clear();
            let since = |sent_us| batch.made_us.saturating_sub(sent_us) >= CLOCK_EVERY.as_micros() as u64;
            if self.clock_sent_us.is_none_or(since) {
                self.clock(fragment, room);
                bytes += buffer.send(socket, &[IoSlice::new(room)]);
                room.clear();
            }
        }
        if !room.is_empty() {
            self.is_not_quiet(batch.made_us);
            bytes += buffer.send(socket, &[IoSlice::new(room)]);
        }
        bytes
    }
}

impl Ws {
    /// Sends nothing for a while if the client says that its picture is too late: a proxy that takes more than its client does
    /// holds seconds of the stream, and would for ever. Meanwhile it gets rid of them. A client that is always late is let be.
    fn heed(&mut self, lag: Duration, max_lag: Duration) {
        let now = Instant::now();
        if lag <= max_lag {
            self.may_hold_at = now;
        } else if now >= self.may_hold_at && self.held.is_none() {
            let until = now + lag.min(MAX_HOLD);
            (self.held, self.may_hold_at) = (Some(until), until + HOLD_EVERY);
        }
    }

    fn waits_for_key(&self) -> bool {
        self.held.is_some_and(|until| Instant::now() >= until)
    }

    /// How many of these are not sent.
    fn count_held(&mut self, fragments: &[Arc<Fragment>]) -> usize {
        if self.held.is_none() {
            return 0;
        }
        let start = fragments.iter().position(|fragment| fragment.key);
        match start.filter(|_| self.waits_for_key()) {
            Some(start) => {
                self.held = None;
                start
            }
            None => fragments.len(),
        }
    }

    fn is_not_quiet(&mut self, now_us: u64) {
        (self.quiet_since_us, self.pinged) = (now_us, false);
    }

    /// Appends the media time that goes with our clock.
    fn clock(&mut self, fragment: &Fragment, out: &mut Vec<u8>) {
        let now_us = clock::monotonic_us();
        self.clock_sent_us = Some(now_us);
        let clock = Object::new()
            .text("type", "clock")
            .member("media_90k", self.numbers.time_90k(fragment))
            .member("captured_us", fragment.captured_us)
            .member("sent_us", now_us)
            .end();
        ws::text(&clock, out);
    }

    /// Appends what stands before a fragment's payload: from the text on what was left out to the fragment's own head.
    fn head(&mut self, fragment: &Fragment, out: &mut Vec<u8>) {
        if self.skipped > 0 {
            let skipped = Object::new()
                .text("type", "skipped")
                .member("frames", self.skipped)
                .end();
            ws::text(&skipped, out);
            self.skipped = 0;
        }
        if self.numbers.serves(fragment) != Some(true) {
            let init = self.numbers.begin(fragment);
            ws::binary_header(init.len(), out);
            out.extend_from_slice(init);
        }
        ws::binary_header(fragment.size_bytes(), out);
        self.numbers.head(fragment, out);
    }
}

/// Appends the header of an access unit's message, and the parameter sets before a key frame.
fn byte_stream_head(fragment: &Fragment, heads: &mut Vec<u8>) {
    let parameters = &fragment.init.parameters;
    let sets = std::iter::once(&parameters.sps).chain(&parameters.pps);
    let sets = sets.filter(|_| fragment.key || fragment.refresh.begins);
    let bytes: usize = sets.clone().map(|set| START_CODE.len() + set.len()).sum();
    ws::binary_header(bytes + fragment.payload().len(), heads);
    for set in sets {
        heads.extend_from_slice(START_CODE);
        heads.extend_from_slice(set);
    }
}
