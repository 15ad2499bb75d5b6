//! One client's connection as bytes: its socket, what it is doing, reads and writes that end in time.

use crate::people::Grant;
use crate::sys::epoll::Epoll;
use crate::sys::sock::{self, Input};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// One write may take this long.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// After an answer that ends the connection, the client has this long to read it before the socket is closed.
const LINGER_TIME: Duration = Duration::from_millis(500);

/// The kernel takes no more than this beyond what the client's window lets it send: what lags must stay where it can
/// still be dropped.
const NOTSENT_BYTES: i32 = 16 * 1024;
/// A thread that waits looks this often whether its client is still there, ...
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// ... or if it is called when there is something to be seen, this often, should the thread that calls it be gone.
pub const LOOK_SELDOM: Duration = Duration::from_secs(30);
/// Reads in one look.
pub const READS: usize = 16;

/// What a connection is doing, as far as it matters for who has to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The client sends its head.
    Head,
    /// The client is sent a finite answer.
    Answer,
    /// The client is sent a stream.
    Stream,
    /// The client has had its answer, and may ask again.
    Idle,
}

/// Calls a client's thread, from another one.
pub type Call = Box<dyn Fn() + Send + Sync>;

/// One client's connection.
pub struct Connection {
    /// Among all that there were.
    pub number: u64,
    pub socket: TcpStream,
    pub address: SocketAddr,
    made: Instant,
    phase: AtomicU8,
    /// Milliseconds from `made`.
    phase_since: AtomicU64,
    is_leaving: AtomicBool,
    /// What was allowed to the last request.
    grant: Mutex<Option<Arc<Grant>>>,
    /// What waits for input, and calls the thread then, where the thread does not look by itself.
    input: OnceLock<(Arc<Epoll>, Call)>,
}

impl Connection {
    pub fn new(number: u64, socket: TcpStream, address: SocketAddr) -> Connection {
        let made = Instant::now();
        Connection {
            number,
            socket,
            address,
            made,
            phase: AtomicU8::new(Phase::Head as u8),
            phase_since: AtomicU64::new(0),
            is_leaving: AtomicBool::new(false),
            grant: Mutex::default(),
            input: OnceLock::new(),
        }
    }

    /// The address of this machine that the client came to.
    pub fn own_address(&self) -> Option<IpAddr> {
        let own = self.socket.local_addr().ok()?;
        // That of IPv4, if it came by it to a socket of IPv6.
        Some(own.ip().to_canonical())
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

    /// It was ended from outside.
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Relaxed)
    }

    pub fn enter(&self, phase: Phase) {
        self.phase_since
            .store(self.made.elapsed().as_millis() as u64, Relaxed);
        self.phase.store(phase as u8, Relaxed);
    }

    /// Notes what is allowed to the request that is answered now.
    pub fn note_grant(&self, grant: &Arc<Grant>) {
        *self.grant.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(grant));
    }

    /// What was allowed to the last request.
    pub fn last_grant(&self) -> Option<Arc<Grant>> {
        let grant = self.grant.lock().unwrap_or_else(PoisonError::into_inner);
        grant.clone()
    }

    /// Keeps the kernel from taking more of a stream than it can send soon.
    pub fn keep_unsent_low(&self) {
        // Where this fails, a slow client lags more, and that is all.
        _ = sock::set_notsent_lowat(&self.socket, NOTSENT_BYTES);
    }

    /// Reads what comes within `limit`, as much as there is room for in `buffer`.
    pub fn read_within(&self, buffer: &mut [u8], limit: Duration) -> Input {
        if self.socket.set_read_timeout(Some(limit)).is_err() {
            return Input::Ended;
        }
        match (&self.socket).read(buffer) {
            Ok(0) => Input::Ended,
            Ok(n) => Input::Bytes(n),
            Err(e) if is_nothing(&e) => Input::Nothing,
            Err(_) => Input::Ended,
        }
    }

    /// Writes all of it, or fails after ten seconds.
    ///
    /// # Errors
    /// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_slices(&mut [IoSlice::new(bytes)])
    }

    /// Writes all of what does not stand together, or fails after ten seconds.
    ///
    /// # Errors
    /// Those of [`Connection::write`].
    pub fn write_slices(&self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut socket = &self.socket;
        let begun = Instant::now();
        // Empty ones at the start are passed over.
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let left = WRITE_TIME.saturating_sub(begun.elapsed());
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

    /// Has `call` called when the client sends something or leaves: once, and again after each [`Connection::looked`].
    ///
    /// # Errors
    /// The kernel's, for want of memory.
    pub fn call_on_input(&self, epoll: Arc<Epoll>, call: Call) -> io::Result<()> {
        let (epoll, _) = self.input.get_or_init(|| (epoll, call));
        Ok(epoll.add(&self.socket, self.number)?)
    }

    /// Calls its thread.
    pub fn call(&self) {
        if let Some((_, call)) = self.input.get() {
            call();
        }
    }

    /// Has its thread called again: it has read what was there, or some of it.
    pub fn looked(&self) {
        if let Some((epoll, _)) = self.input.get() {
            // If this failed, the thread would look by itself, in a while.
            _ = epoll.again(&self.socket, self.number);
        }
    }

    /// Reads and drops what the client sends, as its end would hide behind that; true if the end has come. A client that
    /// sends without end is looked at again the next time.
    pub fn has_left(&self) -> bool {
        for _ in 0..READS {
            match sock::read_now(&self.socket, &mut [0; 4096]) {
                Input::Bytes(_) => {}
                Input::Nothing => break,
                Input::Ended => return true,
            }
        }
        self.looked();
        false
    }

    /// True if the client has closed the connection. What it sends stays unread, as the next request may be in it.
    pub fn has_hung_up(&self) -> bool {
        // A peek that waits for next to nothing.
        let limit = Some(Duration::from_millis(1));
        if self.socket.set_read_timeout(limit).is_err() {
            return true;
        }
        match self.socket.peek(&mut [0]) {
            Ok(peeked) => peeked == 0,
            Err(e) => !is_nothing(&e),
        }
    }

    /// Ends our side and lets the client read the answer: a close with bytes unread would be a reset, and the answer lost.
    pub fn linger(&self) {
        if self.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let deadline = Instant::now() + LINGER_TIME;
        let mut buffer = [0; 2048];
        while matches!(self.read_within(&mut buffer, LINGER_TIME), Input::Bytes(_))
            && Instant::now() < deadline
        {}
    }

    /// Has the close drop what the client did not take, and reset the connection.
    pub fn reset_on_close(&self) {
        sock::reset_on_close(&self.socket);
    }

    /// Ends it from outside: its thread finds the socket closed.
    pub fn shut_down(&self) {
        self.is_leaving.store(true, Relaxed);
        _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// No byte in time, and no end either.
fn is_nothing(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
