//! One client's connection: its thread, from the first byte to the last.

use super::head::{self, Bad, HEAD_BYTES, Head, Method};
use super::routes::{self, Answer, Reply, Stop};
use super::{CameraSide, Place, Shared, hls, mjpeg, mp4, snapshot, ws};
use crate::log_verbose;
use crate::stream::Codec;
use crate::sys::sock::{self, Input};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A head has to be whole this long after its first byte, or after the connection was made.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A connection may wait this long for its next request.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// One write may take this long.
pub(super) const WRITE_TIME: Duration = Duration::from_secs(10);
/// After an answer that ends the connection, this long for the client to take it in before the socket is closed.
const LINGER_TIME: Duration = Duration::from_millis(500);

/// The kernel takes no more than this beyond what the client's window lets it send: what lags must stay where it can
/// still be dropped.
const NOTSENT_BYTES: i32 = 16 * 1024;
/// While nothing flows, this often a client is looked at: has it left?
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Reads in one look.
pub(super) const READS: usize = 16;

/// What a connection is doing, as far as it matters for who has to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Sends its head.
    Head,
    /// Is sent a finite answer.
    Answer,
    /// Is sent a stream.
    Stream,
    /// Has had its answer, and may ask again.
    Idle,
}

/// One client's connection.
pub(super) struct Connection {
    pub socket: TcpStream,
    pub address: SocketAddr,
    made: Instant,
    phase: AtomicU8,
    /// Milliseconds from `made`.
    phase_since: AtomicU64,
}

impl Connection {
    pub fn new(socket: TcpStream, address: SocketAddr) -> Connection {
        let made = Instant::now();
        Connection {
            socket,
            address,
            made,
            phase: AtomicU8::new(Phase::Head as u8),
            phase_since: AtomicU64::new(0),
        }
    }

    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            p if p == Phase::Head as u8 => Phase::Head,
            p if p == Phase::Idle as u8 => Phase::Idle,
            p if p == Phase::Stream as u8 => Phase::Stream,
            _ => Phase::Answer,
        }
    }

    pub fn phase_age(&self) -> Duration {
        self.made
            .elapsed()
            .saturating_sub(Duration::from_millis(self.phase_since.load(Relaxed)))
    }

    pub fn enter(&self, phase: Phase) {
        self.phase_since
            .store(self.made.elapsed().as_millis() as u64, Relaxed);
        self.phase.store(phase as u8, Relaxed);
    }

    /// Takes a place for an endless answer, and makes the socket ready for one. Where no place is left, answers so.
    pub fn begin_stream(&self, shared: &Shared, head: &Head) -> Option<Place> {
        let place = Place::take(shared);
        if place.is_none() {
            shared.counters.refused.fetch_add(1, Relaxed);
            let answer = routes::full(shared.settings.max_clients);
            let hygiene = routes::hygiene_for(head, shared);
            _ = send(&self.socket, &hygiene, &answer, true, false);
            linger(&self.socket);
            return None;
        }
        self.enter(Phase::Stream);
        // Without it a slow client lags more, and that is all.
        _ = sock::set_notsent_lowat(&self.socket, NOTSENT_BYTES);
        place
    }

    /// Ends it from outside: its thread finds the socket closed.
    pub fn end(&self) {
        _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// How reading a head came out.
enum Incoming {
    Head(Head),
    Bad(Bad),
    TimedOut,
    Gone,
}

/// Answers one client until it leaves.
pub(super) fn serve(connection: &Arc<Connection>, shared: &Arc<Shared>) {
    let socket = &connection.socket;
    if let Err(e) = socket.set_nodelay(true) {
        log_verbose!("client {}: {e}", connection.address);
        return;
    }
    let mut received = Vec::new();
    let mut first = true;
    let reason = loop {
        let mut head = match read_head(connection, &mut received, first) {
            Incoming::Head(head) => head,
            Incoming::Gone => break "left",
            Incoming::TimedOut if !first && received.is_empty() => break "idle",
            bad => {
                shared.counters.bad_requests.fetch_add(1, Relaxed);
                let answer = match bad {
                    Incoming::Bad(bad) => routes::refuse(bad),
                    _ => routes::late(),
                };
                _ = send(socket, &shared.hygiene, &answer, true, false);
                linger(socket);
                break "refused";
            }
        };
        first = false;
        connection.enter(Phase::Answer);
        shared.counters.requests.fetch_add(1, Relaxed);
        log_verbose!("client {}: {:?} {}", connection.address, head.method, head.path);
        let asked = routes::resolve(&mut head, shared);
        let camera = asked.camera;
        let answer = match routes::reply(&head, shared, &asked) {
            Reply::Answer(answer) => Ok(Some(answer)),
            Reply::Snapshot(codec) => snapshot::take(connection, camera, codec, &head),
            Reply::Hls => hls::answer(connection, shared, camera, &head),
            Reply::Mp4(request) => break mp4::send(connection, shared, camera, &request, &head),
            Reply::Mjpeg(request) => break mjpeg::send(connection, shared, camera, &request, &head),
            Reply::Ws(request) => break ws::send(connection, shared, camera, &request, &head, &received),
        };
        let sent = answer.and_then(|answer| match answer {
            Some(answer) => {
                let with_body = head.method != Method::Head;
                let hygiene = routes::hygiene_for(&head, shared);
                send(socket, &hygiene, &answer, with_body, head.keep_alive)
            }
            None => Ok(()),
        });
        if let Err(e) = sent {
            break give_up(socket, shared, &e);
        }
        if !head.keep_alive {
            linger(socket);
            break "answered";
        }
        connection.enter(Phase::Idle);
    };
    log_verbose!("client {}: {reason}", connection.address);
}

/// Reads one head; what came behind it stays in `received`.
fn read_head(connection: &Connection, received: &mut Vec<u8>, first: bool) -> Incoming {
    let mut deadline = Instant::now()
        + if first || !received.is_empty() {
            HEAD_TIME
        } else {
            IDLE_TIME
        };
    if !received.is_empty() {
        connection.enter(Phase::Head);
    }
    let mut buffer = [0; 2048];
    loop {
        match head::parse(received) {
            Ok(Some((head, length))) => {
                received.drain(..length);
                return Incoming::Head(head);
            }
            Ok(None) => {}
            Err(bad) => return Incoming::Bad(bad),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Incoming::TimedOut;
        }
        if connection.socket.set_read_timeout(Some(left)).is_err() {
            return Incoming::Gone;
        }
        match (&connection.socket).read(&mut buffer[..(HEAD_BYTES - received.len()).clamp(1, 2048)]) {
            Ok(0) => return Incoming::Gone,
            Ok(n) => {
                if received.is_empty() && !first {
                    connection.enter(Phase::Head);
                    deadline = Instant::now() + HEAD_TIME;
                }
                received.extend_from_slice(&buffer[..n]);
            }
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(_) => return Incoming::Gone,
        }
    }
}

/// Sends a finite answer, with the lines of [`routes::hygiene`].
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub(super) fn send(
    socket: &TcpStream,
    hygiene: &str,
    answer: &Answer,
    with_body: bool,
    keep_alive: bool,
) -> io::Result<()> {
    let mut bytes = answer.head(hygiene, keep_alive);
    if with_body {
        bytes.extend_from_slice(&answer.body);
    }
    write_within(socket, &bytes, WRITE_TIME)
}

/// Writes all of it within `limit`.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub(super) fn write_within(socket: &TcpStream, bytes: &[u8], limit: Duration) -> io::Result<()> {
    write_slices_within(socket, &mut [IoSlice::new(bytes)], limit)
}

/// The same for bytes that do not stand together.
///
/// # Errors
/// Those of [`write_within`].
pub(super) fn write_slices_within(
    mut socket: &TcpStream,
    mut slices: &mut [IoSlice<'_>],
    limit: Duration,
) -> io::Result<()> {
    let begun = Instant::now();
    // Empty ones at the start are passed over.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        socket.set_write_timeout(Some(left))?;
        match socket.write_vectored(slices) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// After an error of [`write_within`]: says whether the client is stuck or has left.
pub(super) fn give_up(socket: &TcpStream, shared: &Shared, e: &io::Error) -> &'static str {
    if !matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) {
        return "left";
    }
    shared.counters.stuck.fetch_add(1, Relaxed);
    sock::reset_on_close(socket);
    "stuck"
}

/// Ends our side and lets the client take in the answer: a close with bytes unread would be a reset, and the answer lost.
pub(super) fn linger(socket: &TcpStream) {
    if socket.shutdown(Shutdown::Write).is_err() || socket.set_read_timeout(Some(LINGER_TIME)).is_err() {
        return;
    }
    let deadline = Instant::now() + LINGER_TIME;
    let mut buffer = [0; 2048];
    while matches!((&mut &*socket).read(&mut buffer), Ok(n) if n > 0) && Instant::now() < deadline {}
}

/// What a client says now has no meaning, but has to be taken, or its end would hide behind it.
/// Who talks without end is looked at again at the next turn.
pub(super) fn has_left(socket: &TcpStream) -> bool {
    for _ in 0..READS {
        match sock::read_now(socket, &mut [0; 4096]) {
            Input::Bytes(_) => {}
            Input::Nothing => return false,
            Input::Ended => return true,
        }
    }
    false
}

/// Whether the client has closed the connection; what it sends stays where it is, as the next request may be in it.
pub(super) fn has_hung_up(socket: &TcpStream) -> bool {
    // A peek that waits for next to nothing.
    if socket.set_read_timeout(Some(Duration::from_millis(1))).is_err() {
        return true;
    }
    match socket.peek(&mut [0]) {
        Ok(peeked) => peeked == 0,
        Err(e) => !matches!(
            e.kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
        ),
    }
}

/// A client's wait for what may not come.
pub(super) struct Wait<'a> {
    connection: &'a Connection,
    camera: &'a CameraSide,
    codec: Codec,
    deadline: Instant,
    looked: Instant,
}

impl<'a> Wait<'a> {
    pub fn new(
        connection: &'a Connection,
        camera: &'a CameraSide,
        codec: Codec,
        limit: Duration,
    ) -> Wait<'a> {
        let looked = Instant::now();
        Wait {
            connection,
            camera,
            codec,
            deadline: looked + limit,
            looked,
        }
    }

    /// For so long it goes on now, before the next turn.
    ///
    /// # Errors
    /// Why it does not.
    pub fn turn(&mut self) -> Result<Duration, Stop> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            if has_hung_up(&self.connection.socket) {
                return Err(Stop::Left);
            }
            // What a command gives may have become known only now.
            if let Some(answer) = routes::none_of(self.codec, self.camera) {
                return Err(answer.into());
            }
        }
        if left.is_zero() {
            return Err(routes::not_now(self.camera).into());
        }
        Ok(left.min(LOOK_EVERY))
    }
}
