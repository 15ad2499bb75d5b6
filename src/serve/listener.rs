//! The listening sockets, the thread that accepts clients there, and who has to make room for them.

use super::client::{self, HTTP, Protocol};
use super::connection::Connection;
use super::crowd::{Present, who_leaves};
use super::onvif::discovery::{self, Device};
use super::places::{BACKLOG, STACK_BYTES};
use super::refused::Refused;
use super::shared::{Machine, Shared};
use crate::config;
use crate::error::{Error, OnceASecond, Result};
use crate::people::People;
use crate::record::Archive;
use crate::stream::Stream;
use crate::sys::poll::{PollFd, is_ready, poll, readable};
use crate::sys::sock;
use crate::threads;
use crate::{log_verbose, log_warning};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// After a client that could not be accepted, the next one is looked at so much later: others have left by then.
const TROUBLE_REST: Duration = Duration::from_millis(20);
/// A newcomer may wait so long for those who made room to be gone, ...
const LEAVE_TIME: Duration = Duration::from_millis(500);
/// ... with a look so often.
const LEAVE_LOOK: Duration = Duration::from_millis(2);

/// Binds the socket to listen on: at one address, or at all of them. `way_out`: where another port can be chosen.
///
/// # Errors
/// The address is not this machine's, or is taken, or needs a privilege.
pub fn bind(listen: Option<IpAddr>, port: u16, way_out: &str) -> Result<TcpListener> {
    let bound = match listen {
        Some(ip) => TcpListener::bind((ip, port)),
        // One socket takes both families, but for a kernel without IPv6.
        None => sock::listen_everywhere(port).or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))),
    };
    bound.map_err(|e| {
        let why = match e.kind() {
            io::ErrorKind::AddrInUse => {
                format!("another program has port {port}; stop it, or choose another port with {way_out}")
            }
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
    /// Starts to accept clients, for one stream or more.
    ///
    /// # Errors
    /// No thread or file descriptor is to be had.
    pub fn start(
        listeners: Vec<(Protocol, TcpListener)>,
        settings: config::Server,
        people: People,
        mut machine: Machine,
        streams: Vec<Arc<Stream>>,
        archive: Option<Arc<Archive>>,
    ) -> Result<Server> {
        let cannot = |e: io::Error| Error::new("server", "can't start", e);
        let port = |scheme| {
            let listener = listeners.iter().find(|(protocol, _)| protocol.scheme == scheme);
            Some(listener?.1.local_addr().ok()?.port())
        };
        let http_port = port(HTTP.scheme).unwrap_or(settings.port);
        // A container may have no other identity than its name.
        let id = match (&*machine.id, machine.own_names.first()) {
            ("", Some(name)) => name,
            (id, _) => id,
        };
        let uuid: Arc<str> = discovery::uuid(id, http_port).into();
        if let Some(socket) = machine.discovery.take() {
            let device = Device {
                uuid: Arc::clone(&uuid),
                scopes: discovery::scopes(&machine.own_names),
                listen: settings.listen,
                port: http_port,
            };
            let answer = Box::new(move || discovery::answer(&socket, &device));
            threads::spawn("discovery", STACK_BYTES, answer).map_err(cannot)?;
        }
        let onvif = (port("rtsp"), uuid);
        let shared = Shared::new(settings, people, &machine, onvif, streams, archive);
        let (most, _) = shared.most_connections();
        if most < shared.wanted_connections() {
            log_warning!(
                "only {most} connections can be served, since only {} files may be open; `ulimit -n` and LimitNOFILE= \
                 change that",
                machine.open_files
            );
        }
        let shared = Arc::new(Mutex::new(Arc::new(shared)));
        for (_, listener) in &listeners {
            listener.set_nonblocking(true).map_err(cannot)?;
            sock::set_backlog(listener, BACKLOG).map_err(cannot)?;
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

    /// Has these settings hold for clients that connect from now on, but for `listen` and `port`; and these people for all:
    /// what somebody is sent who may no longer have it ends.
    pub fn change(&self, settings: config::Server, people: config::People) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.people.change(people);
        shared.end_what_is_not_allowed();
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
fn accept(listeners: &[(Protocol, TcpListener)], stopped: &UnixStream, shared: &Mutex<Arc<Shared>>) {
    let mut number = 0;
    // A file that is given up where no more can be opened, so that clients are told.
    let mut spare = stopped.try_clone().ok();
    let files = listeners.iter().map(|(_, listener)| listener.as_fd());
    let files = files.chain([stopped.as_fd()]);
    let mut files: Vec<PollFd<'_>> = files.map(readable).collect();
    let mut refused = Refused::default();
    loop {
        let left = refused.time_left();
        spare = spare.or_else(|| stopped.try_clone().ok());
        _ = poll(&mut files, left);
        if files.last().is_some_and(is_ready) {
            return;
        }
        let ready = listeners.iter().zip(&files).filter(|(_, file)| is_ready(file));
        for ((protocol, listener), _) in ready {
            match listener.accept() {
                Ok((socket, address)) => {
                    number += 1;
                    let client = (socket, address, *protocol);
                    admit(client, number, &current(shared), &mut refused);
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
                    log_trouble(format_args!("can't accept a client: {e}"));
                    if !make_room(&current(shared), None) {
                        refused.clear();
                        drop(spare.take());
                        if let Ok((socket, _)) = listener.accept() {
                            refuse(socket, *protocol, &current(shared), &mut refused);
                        }
                    }
                    thread::sleep(TROUBLE_REST);
                }
            }
        }
    }
}

/// Gives a new connection its thread, or turns it away.
fn admit(
    (socket, address, protocol): (TcpStream, SocketAddr, Protocol),
    number: u64,
    shared: &Arc<Shared>,
    refused: &mut Refused,
) {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    log_verbose!("client {address} connects");
    if !has_room(address.ip(), shared) {
        return refuse(socket, protocol, shared, refused);
    }
    let connection = Arc::new(Connection::new(number, socket, address));
    shared.connections().push(Arc::clone(&connection));
    let leaving = Leaving {
        shared: Arc::clone(shared),
        number,
    };
    let its_own = Arc::clone(&connection);
    let serve = Box::new(move || client::serve(&its_own, &leaving.shared, protocol));
    if let Err(e) = threads::spawn("client", STACK_BYTES, serve) {
        log_trouble(format_args!("can't make a thread for client {address}: {e}"));
        if let Some(connection) = Arc::into_inner(connection) {
            refuse(connection.socket, protocol, shared, refused);
        }
        // The next one finds a thread.
        make_room(shared, Some(address.ip()));
    }
}

/// Looks whether there is room for a client from this address, and makes some if there is none.
fn has_room(newcomer: IpAddr, shared: &Shared) -> bool {
    let (most, most_leaving) = shared.most_connections();
    if shared.count_connections().0 >= most {
        make_room(shared, Some(newcomer));
    }
    let deadline = Instant::now() + LEAVE_TIME;
    loop {
        let (staying, leaving) = shared.count_connections();
        // A config may have taken places away.
        if staying >= most || leaving <= most_leaving || Instant::now() >= deadline {
            return staying < most && leaving <= most_leaving;
        }
        thread::sleep(LEAVE_LOOK);
    }
}

/// Warns of what keeps clients out, once a second at most.
fn log_trouble(what: std::fmt::Arguments<'_>) {
    static TROUBLE: OnceASecond = OnceASecond::new();
    if TROUBLE.is_due() {
        log_warning!("{what}");
    }
}

/// Turns a client away, as there are too many.
fn refuse(socket: TcpStream, protocol: Protocol, shared: &Shared, refused: &mut Refused) {
    shared.counters.refused.fetch_add(1, Relaxed);
    refused.turn_away(socket, protocol.version, "Too many clients; try again in a while");
}

/// Takes a connection off the list when its thread ends, however it ends.
struct Leaving {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.connections().retain(|it| it.number != self.number);
    }
}

/// Ends a connection to make room for a newcomer from this address, if it is known; false if none has to leave.
fn make_room(shared: &Shared, newcomer: Option<IpAddr>) -> bool {
    let connections = shared.connections();
    let staying = connections.iter().filter(|it| !it.is_leaving());
    let present = staying.map(|connection| Present {
        number: connection.number,
        address: connection.address.ip(),
        phase: connection.phase(),
        age: connection.phase_age(),
    });
    let leaves = who_leaves(&present.collect::<Vec<_>>(), newcomer);
    let leaves = leaves.and_then(|number| connections.iter().find(|it| it.number == number));
    leaves.inspect(|connection| connection.shut_down()).is_some()
}

/// Turns away all clients that have come to these sockets so far: there is a mistake in the config.
pub fn refuse_all(listeners: &[TcpListener]) {
    let mut refused = Refused::default();
    for listener in listeners.iter().filter(|it| it.set_nonblocking(true).is_ok()) {
        while let Ok((socket, _)) = listener.accept() {
            refused.turn_away(
                socket,
                HTTP.version,
                "The config has a mistake; the log says which",
            );
        }
    }
    if refused.time_left().is_some() {
        thread::sleep(TROUBLE_REST);
    }
}
