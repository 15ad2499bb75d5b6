//! The listening sockets, the thread that accepts clients there, and who has to make room for them.

use super::answer::Answer;
use super::client;
use super::connection::{Connection, Phase};
use super::places::{BACKLOG, GRACE, STACK_BYTES};
use super::shared::Shared;
use crate::config;
use crate::error::{Error, Result};
use crate::stream::Stream;
use crate::sys::poll::{PollFd, is_ready, poll, readable};
use crate::sys::sock;
use crate::threads;
use crate::{log_error, log_verbose, log_warning};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Binds the socket to listen on: at one address, or at all of them.
///
/// # Errors
/// The address is not this machine's, or is taken, or needs a privilege.
pub fn bind(listen: Option<IpAddr>, port: u16) -> Result<TcpListener> {
    let bound = match listen {
        Some(ip) => TcpListener::bind((ip, port)),
        // One socket takes both families, but for a kernel without IPv6.
        None => sock::listen_everywhere(port).or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))),
    };
    bound.map_err(|e| {
        let why = match e.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another program has port {port}; stop it, or choose another port with --listen or `port =`"
            ),
            io::ErrorKind::PermissionDenied => {
                format!("port {port} needs a privilege; choose one above 1023")
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_string(),
            _ => e.to_string(),
        };
        let address = SocketAddr::new(listen.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), port);
        Error::new("listen", format!("can't listen on {address}"), why)
    })
}

/// A running server.
pub struct Server {
    shared: Arc<Mutex<Arc<Shared>>>,
    acceptor: JoinHandle<()>,
    stop: UnixStream,
}

impl Server {
    /// Starts to accept clients of a machine of that name, and of a program in that sandbox; for one stream or more.
    ///
    /// # Errors
    /// No thread or file descriptor is to be had.
    pub fn start(
        listeners: Vec<TcpListener>,
        settings: config::Server,
        (own_name, sandbox): (String, String),
        streams: Vec<Arc<Stream>>,
    ) -> Result<Server> {
        let shared = Shared::new(settings, &own_name, &sandbox, streams);
        let shared = Arc::new(Mutex::new(Arc::new(shared)));
        let cannot = |e: io::Error| Error::new("server", "can't start", e);
        for listener in &listeners {
            listener.set_nonblocking(true).map_err(cannot)?;
            sock::set_backlog(listener, BACKLOG).map_err(cannot)?;
            // Where this fails, their places are free again much later, and that is all.
            _ = sock::notice_vanished(listener);
        }
        let (stop, stopped) = UnixStream::pair().map_err(cannot)?;
        let for_acceptor = Arc::clone(&shared);
        let acceptor = Box::new(move || accept(&listeners, &stopped, &for_acceptor));
        let acceptor = threads::spawn("accept", STACK_BYTES, acceptor).map_err(cannot)?;
        Ok(Server {
            shared,
            acceptor,
            stop,
        })
    }

    /// Has these settings hold for clients that connect from now on, but for `listen` and `port`.
    pub fn change(&self, settings: config::Server) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        *shared = Arc::new(shared.with(settings));
    }

    /// True while clients are let in: always, but for a fault of this program.
    pub fn accepts(&self) -> bool {
        !self.acceptor.is_finished()
    }

    /// Closes the listening socket, and waits until the streams have ended, at most `limit`. The cameras' streams have to be
    /// stopped.
    pub fn stop(self, limit: Duration) {
        drop(self.stop);
        _ = self.acceptor.join();
        let deadline = Instant::now() + limit;
        let places = current(&self.shared).places.clone();
        while places.taken() > 0 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn current(shared: &Mutex<Arc<Shared>>) -> Arc<Shared> {
    Arc::clone(&shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Accepts connections until the other end of `stopped` is closed.
fn accept(listeners: &[TcpListener], stopped: &UnixStream, shared: &Mutex<Arc<Shared>>) {
    let mut number = 0;
    let mut in_trouble = false;
    let files = listeners.iter().map(AsFd::as_fd).chain([stopped.as_fd()]);
    let mut files: Vec<PollFd<'_>> = files.map(readable).collect();
    loop {
        _ = poll(&mut files, None);
        if files.last().is_some_and(is_ready) {
            return;
        }
        for (listener, _) in listeners.iter().zip(&files).filter(|(_, file)| is_ready(file)) {
            match listener.accept() {
                Ok((socket, address)) => {
                    in_trouble = false;
                    number += 1;
                    admit(socket, address, number, &current(shared));
                }
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock
                            | io::ErrorKind::Interrupted
                            | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(e) => {
                    // Out of file descriptors or memory. It passes when clients leave.
                    if !in_trouble {
                        log_error!("can't accept a client: {e}");
                    }
                    in_trouble = true;
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }
}

/// Gives a new connection its thread, or turns it away.
fn admit(socket: TcpStream, address: SocketAddr, number: u64, shared: &Arc<Shared>) {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    log_verbose!("client {address} connects");
    make_room(shared);
    let connection = Arc::new(Connection::new(socket, address));
    {
        let mut connections = shared.connections();
        if connections.len() >= shared.most_connections() {
            drop(connections);
            shared.counters.refused.fetch_add(1, Relaxed);
            turn_away(&connection.socket, "Too many clients; try again in a while");
            return;
        }
        connections.insert(number, Arc::clone(&connection));
    }
    let leaving = Leaving {
        shared: Arc::clone(shared),
        number,
    };
    let serve = Box::new(move || client::serve(&connection, &leaving.shared));
    if let Err(e) = threads::spawn("client", STACK_BYTES, serve) {
        shared.counters.refused.fetch_add(1, Relaxed);
        log_warning!("can't make a thread for client {address}: {e}");
    }
}

/// Takes a connection off the list when its thread ends, however it ends.
struct Leaving {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.connections().remove(&self.number);
    }
}

/// At the limit, ends the connection that has been idle longest; else the one that has taken longest to send its head,
/// or to take its answer.
fn make_room(shared: &Shared) {
    let mut connections = shared.connections();
    if connections.len() < shared.most_connections() {
        return;
    }
    let longest = |phase: Phase| {
        let in_phase = connections.iter().filter(|(_, c)| c.phase() == phase);
        in_phase.map(|(number, c)| (c.phase_age(), *number)).max()
    };
    let slowest = |phase| longest(phase).filter(|(age, _)| *age >= GRACE);
    let victim = longest(Phase::Idle)
        .or_else(|| slowest(Phase::Head))
        .or_else(|| slowest(Phase::Answer));
    // Off the list at once: its thread finds the socket closed, and is gone a moment later.
    if let Some(victim) = victim.and_then(|(_, number)| connections.remove(&number)) {
        victim.shut_down();
    }
}

/// Turns away all clients that have come to these sockets so far: there is a mistake in the config.
pub fn refuse_all(listeners: &[TcpListener]) {
    for listener in listeners.iter().filter(|it| it.set_nonblocking(true).is_ok()) {
        while let Ok((socket, _)) = listener.accept() {
            turn_away(&socket, "The config has a mistake; the log says which");
        }
    }
}

/// Says why, without waiting for the request.
fn turn_away(socket: &TcpStream, why: &str) {
    let answer = Answer::text("503 Service Unavailable", why).with("Retry-After: 5\r\n");
    let answer = [&answer.head("", false)[..], &answer.body].concat();
    _ = socket.set_nonblocking(true);
    // Bytes that are left unread would turn the close into a reset, and the answer would be lost.
    _ = sock::read_now(socket, &mut [0; 4096]);
    _ = (&*socket).write(&answer);
    _ = socket.shutdown(std::net::Shutdown::Write);
}
