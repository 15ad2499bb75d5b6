//! A run, and the answers to those who ask for it.

use super::window::{Found, MOST_BYTES, Media, Reach, SEGMENTS_MOST, Window};
use crate::format::fmp4::HEAD_BYTES;
use crate::format::hls::{Directives, Name};
use crate::log_warning;
use crate::ring::{BATCH_FRAGMENTS, Batch, Follower, Next, Sink};
use crate::serve::connection::{self, Connection, LOOK_EVERY, WRITE_TIME, Wait, write_slices_within};
use crate::serve::head::{Head, Method};
use crate::serve::routes::{self, Answer, Stop, not_now};
use crate::serve::{CameraSide, Place, STACK_BYTES, Shared};
use crate::stream::{Codec, Stream, Watching, Who};
use crate::sys::clock;
use crate::threads;
use connection::Phase;
use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The multivariant playlist.
const MULTIVARIANT: &str = "/stream.m3u8";
/// The media playlist, where version 3 had it.
const PLAYLIST: &str = "/streaminf.m3u8";
/// What the playlists name.
const FILES: &str = "/hls/";

/// The first playlist may take so long: the camera may have to wake, and a segment has to be whole.
const FIRST_TIME: Duration = Duration::from_secs(10);
/// In target durations: a viewer counts for so long after its last request, and an answer that has to wait for the
/// playlist to grow waits no longer (6.2.5.2).
const PATIENCE_TARGETS: u64 = 3;
/// But a viewer counts for so long at least, and has its place among the streams: players on slow machines pause for
/// seconds, when they begin above all.
const VIEWER_LEAST: Duration = Duration::from_secs(6);

/// Requests that may wait at a time in one viewer's place: a player has two. More come from a proxy that many viewers are
/// behind, and each of those takes another place.
const WAITS_A_PLACE: usize = 4;

/// Some players count segments in 31 bits: from here on.
const YEAR_2020_S: u64 = 1_577_836_800;

/// In seconds. A file is never another one under the same name; it is of no use for longer than the run. It is not
/// `public`: behind a proxy that asks for a password, other caches are not to give it to those who have none.
const FILE_CACHE: &str = "max-age=3600, immutable";
const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
const MEDIA_TYPE: &str = "video/mp4";

/// Whether this is one of the addresses here.
pub(in crate::serve) fn is_here(path: &str) -> bool {
    path == MULTIVARIANT || path == PLAYLIST || path.starts_with(FILES)
}

/// The camera's run, if there is one.
#[derive(Default)]
pub(in crate::serve) struct Hls(Mutex<Current>);

#[derive(Default)]
struct Current {
    run: Option<Arc<Run>>,
    /// Where the next one goes on: media sequence number, discontinuities.
    next: (u64, u64),
}

/// What the segmenter and those who ask share.
struct Run {
    number: u32,
    stream: Arc<Stream>,
    inner: Mutex<Inner>,
    /// The playlist has changed, or the run has ended.
    changed: Condvar,
}

struct Inner {
    window: Window,
    /// The media playlist, whole and as a delta update, until it changes: a hundred players ask for it at once.
    texts: [Option<Arc<str>>; 2],
    clients: Vec<Client>,
    ended: bool,
}

/// Somebody who asks for playlists and segments. Requests of one address are one viewer: there is no telling them apart.
struct Client {
    address: SocketAddr,
    asked: Instant,
    bytes: u64,
    age_us: u64,
    /// Shared with its requests that wait.
    place: Arc<Place>,
}

impl Hls {
    fn lock(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        let run = self.lock().run.clone();
        run.map_or(0, |run| run.lock().window.bytes())
    }
}

/// A client at a run.
struct Guest<'a> {
    connection: &'a Connection,
    shared: &'a Shared,
    camera: &'a CameraSide,
    run: Arc<Run>,
    /// Its place, for as long as it keeps the run going. Who only wants a head has none: that is no viewer, and not worth
    /// waking a camera up for.
    place: Option<Arc<Place>>,
}

/// To the run of this number, or any, if need be a new one.
fn join<'a>(
    connection: &'a Connection,
    shared: &'a Shared,
    camera: &'a Arc<CameraSide>,
    head: &Head,
    number: Option<u32>,
) -> Result<Guest<'a>, Answer> {
    let looks = head.method == Method::Head;
    let mut current = camera.hls.lock();
    let run = match &current.run {
        Some(run) if number.is_none_or(|number| number == run.number) => Arc::clone(run),
        _ if number.is_some() => return Err(not_there()),
        _ if looks => return Err(Answer::later(PLAYLIST_TYPE)),
        _ if camera.stream.stopping() => return Err(not_now(camera)),
        _ => Arc::new(Run::new(camera, current.next)),
    };
    let mut guest = Guest {
        connection,
        shared,
        camera,
        run,
        place: None,
    };
    if looks {
        return Ok(guest);
    }
    let run = &guest.run;
    guest.place = Some(run.lock().heed(connection.address, shared)?);
    if current.run.is_none() {
        let segmenter = Segmenter {
            camera: Arc::clone(camera),
            run: Arc::clone(run),
        };
        current.run = Some(Arc::clone(run));
        // Where there is no thread, the segmenter is dropped, which takes this lock.
        drop(current);
        let thread = threads::spawn("hls", STACK_BYTES, Box::new(move || segmenter.follow()));
        if let Err(e) = thread {
            log_warning!("can't make a thread for HLS: {e}");
        }
    }
    Ok(guest)
}

/// The thread of a run; the run ends with it, however that ends.
struct Segmenter {
    camera: Arc<CameraSide>,
    run: Arc<Run>,
}

impl Segmenter {
    fn follow(&self) {
        let stream = &*self.run.stream;
        let mut watching = Vec::new();
        self.run.show_clients(&mut watching);
        let sink = Arc::clone(&self.run) as Arc<dyn Sink>;
        let mut follower = Follower::shared(&stream.ring, false, sink);
        // A group of pictures that can be joined is a good start, and asking now would only cut it short.
        let mut timeout = Duration::ZERO;
        let mut looked = Instant::now();
        loop {
            match follower.next(mem::replace(&mut timeout, LOOK_EVERY)) {
                Next::Batch(batch) => _ = self.run.try_send(batch),
                Next::Blocked | Next::Notified => {}
                Next::TimedOut => self.run.want_start(),
                Next::Broken | Next::Closed => return,
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.run.show_clients(&mut watching);
                if watching.is_empty() && self.end(true) {
                    return;
                }
            }
        }
    }

    /// Ends the run, or only if nobody has come; says whether it has ended.
    fn end(&self, unless_watched: bool) -> bool {
        let mut current = self.camera.hls.lock();
        let mut inner = self.run.lock();
        if unless_watched && !inner.clients.is_empty() {
            return false;
        }
        inner.ended = true;
        inner.clients.clear();
        if current
            .run
            .as_ref()
            .is_some_and(|run| Arc::ptr_eq(run, &self.run))
        {
            current.next = inner.window.end();
            current.run = None;
        }
        drop(inner);
        self.run.changed.notify_all();
        true
    }
}

impl Drop for Segmenter {
    fn drop(&mut self) {
        self.end(false);
    }
}

impl Run {
    /// One that goes on where the last one ended: media sequence number, discontinuities.
    fn new(camera: &CameraSide, (sequence, discontinuities): (u64, u64)) -> Run {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = unix.as_nanos() as u32 ^ std::process::id().rotate_left(16);
        // Media sequence numbers go on from run to run, and over a restart of the program: a player that was away finds
        // newer segments, and not older ones. Time makes up for more of them than there can have been.
        let by_time = unix.as_secs().saturating_sub(YEAR_2020_S) * SEGMENTS_MOST.0 / SEGMENTS_MOST.1;
        Run {
            number,
            stream: Arc::clone(&camera.stream),
            inner: Mutex::new(Inner {
                window: Window::new(number, sequence.max(by_time), discontinuities, MOST_BYTES),
                texts: [None, None],
                clients: Vec::new(),
                ended: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a key frame while there is nothing to begin with.
    fn want_start(&self) {
        if self.lock().window.bytes() == 0 {
            self.stream.request_key_frame();
        }
    }

    /// Notes what this client was sent.
    fn sent(&self, address: SocketAddr, bytes: u64, captured_us: u64) {
        if let Some(client) = self.lock().client(address) {
            client.bytes += bytes;
            client.age_us = clock::monotonic_us().saturating_sub(captured_us);
        }
    }

    /// Shows those who are there to the pump and in /status, and no others.
    fn show_clients<'a>(&'a self, watching: &mut Vec<Watching<'a>>) {
        let mut inner = self.lock();
        let patience = inner.patience().max(VIEWER_LEAST);
        inner.clients.retain(|client| client.asked.elapsed() < patience);
        let is_here = |who: Who| {
            inner
                .clients
                .iter()
                .any(|client| who.ip() == Some(client.address.ip()))
        };
        watching.retain(|watching| is_here(watching.viewer.who));
        for client in &inner.clients {
            let shown = |shown: &&Watching<'_>| shown.viewer.who.ip() == Some(client.address.ip());
            match watching.iter().find(shown) {
                Some(shown) => {
                    shown.viewer.bytes.store(client.bytes, Relaxed);
                    shown.viewer.age_us.store(client.age_us, Relaxed);
                }
                None => watching.push(self.stream.watch(Who::Net(client.address), "hls")),
            }
        }
    }
}

impl Inner {
    fn client(&mut self, address: SocketAddr) -> Option<&mut Client> {
        let is_it = |client: &&mut Client| client.address.ip() == address.ip();
        self.clients.iter_mut().find(is_it)
    }

    /// Notes that this client is there; gives its place.
    fn heed(&mut self, address: SocketAddr, shared: &Shared) -> Result<Arc<Place>, Answer> {
        let asked = Instant::now();
        if let Some(client) = self.client(address) {
            client.asked = asked;
            return Ok(Arc::clone(&client.place));
        }
        let place = take_place(shared)?;
        self.clients.push(Client {
            address,
            asked,
            bytes: 0,
            age_us: 0,
            place: Arc::clone(&place),
        });
        Ok(place)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(PATIENCE_TARGETS * self.window.target_s())
    }

    fn playlist(&mut self, skip: bool) -> Arc<str> {
        let Inner { window, texts, .. } = self;
        let [whole, update] = texts;
        let text = if skip { update } else { whole };
        Arc::clone(text.get_or_insert_with(|| window.playlist(skip).into()))
    }
}

impl Sink for Run {
    fn try_send(&self, batch: &Batch) -> bool {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_us = (unix.as_micros() as i64).wrapping_sub(clock::monotonic_us() as i64);
        let (mut changed, mut needs_key_frame) = (false, batch.needs_key_frame);
        let mut inner = self.lock();
        for fragment in &batch.fragments {
            let pushed = inner.window.push(fragment, unix_us);
            changed |= pushed.changed;
            needs_key_frame |= pushed.needs_key_frame;
        }
        if changed {
            inner.texts = [None, None];
        }
        drop(inner);
        if changed {
            self.changed.notify_all();
        }
        if needs_key_frame {
            self.stream.request_key_frame();
        }
        true
    }
}

/// What is sent.
enum Body {
    Answer(Answer),
    /// A segment or a part.
    Media(Arc<Run>, Media),
}

fn not_there() -> Answer {
    Answer::text(
        "404 Not Found",
        "This is not there, or no longer; the playlist is at /stream.m3u8",
    )
}

fn take_place(shared: &Shared) -> Result<Arc<Place>, Answer> {
    Place::take(shared).map(Arc::new).ok_or_else(|| {
        shared.counters.refused.fetch_add(1, Relaxed);
        routes::full(shared.settings.max_clients)
    })
}

/// The answer to a request for one of the addresses here; none if it has been sent.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub(in crate::serve) fn answer(
    connection: &Connection,
    shared: &Shared,
    camera: &Arc<CameraSide>,
    head: &Head,
) -> io::Result<Option<Answer>> {
    let body = find(connection, shared, camera, head);
    connection.enter(Phase::Answer);
    match body {
        Ok(Body::Media(run, media)) => {
            let sent = send(connection, shared, head, &media)?;
            if let Some(last) = media.fragments.last() {
                run.sent(connection.address, sent, last.captured_us);
            }
            Ok(None)
        }
        Ok(Body::Answer(answer)) => Ok(Some(answer)),
        Err(stop) => stop.answer(),
    }
}

fn find(
    connection: &Connection,
    shared: &Shared,
    camera: &Arc<CameraSide>,
    head: &Head,
) -> Result<Body, Stop> {
    if let Some(name) = head.path.strip_prefix(FILES) {
        return file(connection, shared, camera, head, name);
    }
    let directives = Directives::parse(&head.query).map_err(|why| Answer::text("400 Bad Request", why))?;
    let guest = join(connection, shared, camera, head, None)?;
    let ready = |window: &Window| match window.is_ready() {
        true => Reach::Yes,
        false => Reach::NotYet,
    };
    let mut inner = guest.wait(FIRST_TIME, &ready)?;
    let target_s = inner.window.target_s();
    // Appendix B.1 has these ages: half a target duration, in whole seconds and not none, so all of it where it is 1 s.
    let mut max_age_s = (target_s / 2).max(1);
    let text = if head.path == MULTIVARIANT {
        inner.window.variant().unwrap_or_default()
    } else {
        if let Some((sequence, part)) = directives.after {
            max_age_s = 6 * target_s;
            let patience = inner.patience();
            drop(inner);
            let reached = |window: &Window| window.reaches(sequence, part);
            inner = guest.wait(patience, &reached)?;
        }
        let text = inner.playlist(directives.skip);
        drop(inner);
        text.to_string()
    };
    let cache = format!("max-age={max_age_s}");
    Ok(Body::Answer(Answer::new(PLAYLIST_TYPE, cache, text.into_bytes())))
}

/// A segment, a part or an init segment.
fn file(
    connection: &Connection,
    shared: &Shared,
    camera: &Arc<CameraSide>,
    head: &Head,
    name: &str,
) -> Result<Body, Stop> {
    let (number, name) = Name::parse(name).ok_or_else(not_there)?;
    let guest = join(connection, shared, camera, head, Some(number))?;
    // The part that the playlist gives as a hint (6.2.6) is waited for.
    let arrived = |window: &Window| match window.find(name) {
        Some(Found::Next) if guest.place.is_some() => Reach::NotYet,
        _ => Reach::Yes,
    };
    let patience = guest.run.lock().patience();
    let inner = guest.wait(patience, &arrived)?;
    let found = inner.window.find(name);
    drop(inner);
    match found {
        Some(Found::Init(init)) => Ok(Body::Answer(Answer::new(
            MEDIA_TYPE,
            FILE_CACHE,
            init.bytes.clone(),
        ))),
        Some(Found::Media(media)) => Ok(Body::Media(guest.run, media)),
        // It was only looked for.
        Some(Found::Next) => Ok(Body::Answer(Answer::later(MEDIA_TYPE))),
        None => Err(not_there().into()),
    }
}

impl Guest<'_> {
    /// Waits until the run has come so far, at most `limit`; not at all for who has no place. A wait is no
    /// [`Phase::Stream`]: if all connections are taken, the page and /status are not to go short for it.
    fn wait(&self, limit: Duration, reach: &dyn Fn(&Window) -> Reach) -> Result<MutexGuard<'_, Inner>, Stop> {
        let (shared, run) = (self.shared, &*self.run);
        let address = self.connection.address;
        let mut wait = Wait::new(self.connection, self.camera, Codec::H264, limit);
        let mut waits = false;
        let mut _own = None;
        loop {
            let mut inner = run.lock();
            match reach(&inner.window) {
                Reach::Yes => return Ok(inner),
                Reach::TooFar => {
                    let why = "The playlist will not be there for a while";
                    return Err(Answer::text("400 Bad Request", why).into());
                }
                Reach::NotYet if inner.ended => return Err(not_now(self.camera).into()),
                Reach::NotYet => {}
            }
            let Some(place) = &self.place else {
                return Err(Answer::later(PLAYLIST_TYPE).into());
            };
            inner.heed(address, shared)?;
            drop(inner);
            // The viewer has one, and each that waits.
            if !mem::replace(&mut waits, true) && Arc::strong_count(place) > 1 + WAITS_A_PLACE {
                _own = Some(take_place(shared)?);
            }
            let time = wait.turn()?;
            let waits_on = |inner: &mut Inner| !inner.ended && reach(&inner.window) == Reach::NotYet;
            drop(run.changed.wait_timeout_while(run.lock(), time, waits_on));
        }
    }
}

/// Sends a segment or a part; gives the bytes of it.
fn send(connection: &Connection, shared: &Shared, head: &Head, media: &Media) -> io::Result<u64> {
    let length: usize = media.fragments.iter().map(|f| f.size_bytes()).sum();
    let answer = Answer::new(MEDIA_TYPE, FILE_CACHE, Vec::new()).with("Accept-Ranges: none\r\n");
    // What is no payload, of a batch at a time.
    let mut heads = answer.head_of(length, &routes::hygiene_for(head, shared), head.keep_alive);
    if head.method == Method::Head {
        connection::write_within(&connection.socket, &heads, WRITE_TIME)?;
        return Ok(0);
    }
    let mut sequence = media.sequence;
    for fragments in media.fragments.chunks(BATCH_FRAGMENTS) {
        let begin = heads.len();
        for fragment in fragments {
            heads.extend_from_slice(&fragment.head(sequence, 0));
            sequence = sequence.wrapping_add(1);
        }
        let (begin, rest) = heads.split_at(begin);
        let mut slices = vec![IoSlice::new(begin)];
        for (fragment, head) in fragments.iter().zip(rest.chunks(HEAD_BYTES)) {
            slices.extend([IoSlice::new(head), IoSlice::new(fragment.payload())]);
        }
        write_slices_within(&connection.socket, &mut slices, WRITE_TIME)?;
        heads.clear();
    }
    Ok(length as u64)
}
