//! What all client threads share.

use super::access::Access;
use super::answer::Answer;
use super::connection::Connection;
use super::hls::run::Hls;
use super::inputs::{Connections, Inputs};
use super::places::{CONNECTIONS_A_VIEWER, FILES_A_CAMERA, MOST_LEAVING, OWN_FILES, Place, Places, RESERVE};
use crate::config::{self, Role};
use crate::events::{FULL, MARK};
use crate::people::{Grant, People};
use crate::record::Archive;
use crate::stream::Stream;
use crate::sys::usage;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

/// However many clients find no place, an event says so once in so many seconds.
const FULL_EVERY_S: u64 = 60;

/// What went wrong between us and our clients since the start; for /status.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests that were answered, streams among them.
    pub requests: AtomicU64,
    /// Heads that were no good, or not whole in time.
    pub bad_requests: AtomicU64,
    /// Requests under a name or from a page that is not allowed.
    pub forbidden: AtomicU64,
    /// Connections or streams beyond the limit.
    pub refused: AtomicU64,
    /// Clients that took nothing for too long.
    pub stuck: AtomicU64,
    /// When an event last said that there was no place, in seconds since the start and one more; 0 before the first.
    pub full_told_s: AtomicU64,
}

/// What all client threads share. A change of the settings makes a new one with the same counters, places and connections.
#[derive(Clone)]
pub struct Shared {
    pub settings: config::Server,
    pub access: Arc<Access>,
    pub people: Arc<People>,
    /// One or more; the first is at the root, too.
    pub cameras: Arc<[Arc<CameraSide>]>,
    /// What the program has given up, in words.
    pub sandbox: Arc<str>,
    /// What the cameras recorded, if there is a folder for it.
    pub archive: Option<Arc<Archive>>,
    pub started: Instant,
    pub counters: Arc<Counters>,
    pub places: Places,
    /// Those among the clips.
    pub clips: Places,
    /// Pairs of sockets for datagrams.
    pub datagrams: Places,
    /// Files that may be open.
    open_files: usize,
    pub connections: Arc<Connections>,
    pub inputs: Arc<Inputs>,
    /// The port of RTSP, where it is served.
    pub rtsp_port: Option<u16>,
    /// By what recorders know this program for ever.
    pub uuid: Arc<str>,
}

/// What there is to be known of this machine, and of the program on it.
pub struct Machine {
    /// Its names, of which the first is what it calls itself.
    pub own_names: Vec<String>,
    /// What the system knows it by (machine-id(5)); empty if it has no such thing.
    pub id: String,
    /// What the program has given up, in words.
    pub sandbox: String,
    /// Files that may be open.
    pub open_files: usize,
    /// Where recorders look for cameras, if they are to find some.
    pub discovery: Option<UdpSocket>,
}

/// The clients' side of one camera.
pub struct CameraSide {
    pub stream: Arc<Stream>,
    pub hls: Arc<Hls>,
    /// Where its addresses begin: `/name`, or nothing where it is the only one.
    pub root: String,
}

impl Shared {
    /// For one stream or more, with that port of RTSP, if it is served, and that identity.
    pub fn new(
        settings: config::Server,
        people: People,
        machine: &Machine,
        (rtsp_port, uuid): (Option<u16>, Arc<str>),
        streams: Vec<Arc<Stream>>,
        archive: Option<Arc<Archive>>,
    ) -> Shared {
        let several = streams.len() > 1;
        let side = |stream: Arc<Stream>| {
            let root = several.then(|| format!("/{}", stream.name));
            Arc::new(CameraSide {
                stream,
                hls: Arc::default(),
                root: root.unwrap_or_default(),
            })
        };
        Shared {
            access: Arc::new(Access::new(&machine.own_names, &settings)),
            people: Arc::new(people),
            settings,
            cameras: streams.into_iter().map(side).collect(),
            sandbox: (&*machine.sandbox).into(),
            archive,
            started: Instant::now(),
            counters: Arc::default(),
            places: Places::default(),
            clips: Places::default(),
            datagrams: Places::default(),
            open_files: machine.open_files,
            connections: Arc::default(),
            inputs: Arc::default(),
            rtsp_port,
            uuid,
        }
    }

    /// The same with other settings.
    pub fn with(&self, settings: config::Server) -> Shared {
        Shared {
            access: Arc::new(Access::new(self.access.own_names(), &settings)),
            settings,
            ..self.clone()
        }
    }

    /// Why this one may not do what needs the `role`, and what to do about it.
    pub fn why_not(&self, grant: &Grant, role: Role) -> &'static str {
        match grant {
            Grant::Link(..) => "This link is for watching; to do more, log in at the camera's own address",
            Grant::Anybody(_) if !self.people.are_all_welcome() => "Log in to change this camera",
            Grant::User(_) | Grant::Anybody(_) if role == Role::Admin => {
                "That is for users with role = admin; who runs this camera can make you one, in its config"
            }
            Grant::User(_) => {
                "You may watch this camera; who runs it can give you role = control, in its config"
            }
            Grant::Anybody(_) => {
                "Everybody may watch this camera, but nobody may change it; who runs it can allow that by controls = on, or by a \
                 [user NAME] with role = control, in its config"
            }
        }
    }

    /// Notes what is allowed to the request that this connection brought.
    pub fn note_grant(&self, connection: &Connection, grant: Grant) -> Arc<Grant> {
        let grant = Arc::new(grant);
        connection.note_grant(&grant);
        // Who was let in before a change, and noted after it, was missed by what ended the others.
        if !self.people.still_allows(&grant) {
            connection.shut_down();
        }
        grant
    }

    /// Ends the connections of who was sent something, and may no longer have it.
    pub fn end_what_is_not_allowed(&self) {
        for connection in self.connections().iter() {
            let grant = connection.last_grant();
            if grant.is_some_and(|grant| !self.people.still_allows(&grant)) {
                connection.shut_down();
            }
        }
    }

    pub fn connections(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections there are, and how many more that made room for others and are not gone yet.
    pub fn count_connections(&self) -> (usize, usize) {
        let connections = self.connections();
        let leaving = connections.iter().filter(|it| it.is_leaving()).count();
        (connections.len() - leaving, leaving)
    }

    /// How many connections there may be, and how many more that made room for others and are not gone yet. Each needs a
    /// file, but some files are not for clients.
    pub fn most_connections(&self) -> (usize, usize) {
        let (files, leaving) = self.files();
        (files.min(self.wanted_connections()), leaving)
    }

    /// Room for two sockets for datagrams beside the connections and those that are kept for pages, if there is some.
    pub fn take_datagrams(&self) -> Option<Place> {
        let is_room = self.count_connections().0 + 2 + RESERVE <= self.files().0;
        is_room.then(|| self.datagrams.take(usize::MAX)).flatten()
    }

    /// How many files there are for connections, and how many more for those that leave.
    fn files(&self) -> (usize, usize) {
        let kept = OWN_FILES + FILES_A_CAMERA * self.cameras.len();
        let files = self.open_files - kept.min(self.open_files / 2);
        let leaving = MOST_LEAVING.min(files / 3);
        (
            (files - leaving).saturating_sub(2 * self.datagrams.taken()),
            leaving,
        )
    }

    /// How many connections there may be by the config.
    pub fn wanted_connections(&self) -> usize {
        self.settings.max_clients * CONNECTIONS_A_VIEWER + RESERVE
    }

    /// Gives memory back where nobody watches: what an answer needs of the program's code is mostly not needed again soon.
    pub fn rest(&self) {
        if self
            .cameras
            .iter()
            .all(|camera| camera.stream.viewer_count() == 0)
        {
            usage::release_code();
        }
    }

    /// A place for this stream, or the answer where none is left.
    pub fn take_place(&self, stream: &Stream) -> Result<Place, Answer> {
        let most = self.settings.max_clients;
        self.places.take(most).ok_or_else(|| {
            self.counters.refused.fetch_add(1, Relaxed);
            let (told_s, now_s) = (&self.counters.full_told_s, 1 + self.started.elapsed().as_secs());
            let is_due = |last_s| (last_s == 0 || now_s >= last_s + FULL_EVERY_S).then_some(now_s);
            if told_s.fetch_update(Relaxed, Relaxed, is_due).is_ok() {
                stream.events.add(&stream.name, FULL, MARK, None, "");
            }
            let text =
                format!("All {most} places are taken (`max_clients =` in the config); try again in a while");
            Answer::text("503 Service Unavailable", text).with("Retry-After: 5\r\n")
        })
    }
}
