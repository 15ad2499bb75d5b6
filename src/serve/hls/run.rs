//! A camera's run: the thread that cuts its stream into segments and parts, and the viewers who keep it going.

use super::window::{Handover, MOST_BYTES, SEGMENTS_A_SECOND, Window};
use crate::error::OnceASecond;
use crate::log_warning;
use crate::ring::{Batch, Follower, Next};
use crate::serve::connection::LOOK_EVERY;
use crate::serve::places::{Place, STACK_BYTES};
use crate::stream::{Stream, Watching, Who};
use crate::sys::clock;
use crate::threads;
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// In target durations: a viewer counts for so long after its last request, and an answer that has to wait for the
/// playlist to grow waits no longer (6.2.5.2).
const PATIENCE_TARGETS: u64 = 3;
/// But a viewer counts for so long at least, and has its place among the streams: players on slow machines pause for
/// seconds, when they begin above all.
const VIEWER_LEAST: Duration = Duration::from_secs(6);

/// Requests that may wait at a time in one place: a player has two or three. More come from a proxy that many viewers are
/// behind, and take a further place for each so many.
const WAITS_A_PLACE: usize = 4;

/// Some players count segments in 31 bits: from here on.
const YEAR_2020_S: u64 = 1_577_836_800;

/// The camera's run, if there is one.
#[derive(Default)]
pub struct Hls(Mutex<Current>);

/// Which run there is.
#[derive(Default)]
pub struct Current {
    pub run: Option<Arc<Run>>,
    /// Where the next one goes on.
    pub next: Handover,
}

/// What the segmenter and the viewers' requests share.
pub struct Run {
    pub number: u32,
    stream: Arc<Stream>,
    state: Mutex<State>,
    /// The playlist has changed, or the run has ended.
    changed: Condvar,
}

/// The state of a run.
pub struct State {
    pub window: Window,
    /// The media playlist, whole and as a delta update, until it changes: a hundred players ask for it at once.
    texts: [Option<Arc<str>>; 2],
    viewers: Vec<Viewer>,
    pub ended: bool,
}

/// Somebody who asks for playlists and segments. Requests of one address are one viewer: there is no telling them apart.
struct Viewer {
    address: SocketAddr,
    asked: Instant,
    bytes: u64,
    age_us: u64,
    /// Shared with its requests.
    place: Arc<Place>,
    /// Its requests that wait: a group is gone with the last of them.
    waiting: Vec<Weak<Group>>,
}

/// Requests that wait in one place, at most [`WAITS_A_PLACE`]. The viewer's first group is in the place that it has
/// anyway, each further one in a place of its own.
pub struct Group(Option<Place>);

impl Hls {
    pub fn lock(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        let run = self.lock().run.clone();
        run.map_or(0, |run| run.lock().window.bytes())
    }

    /// Begins this run, where there is none.
    pub fn begin(self: &Arc<Hls>, mut current: MutexGuard<'_, Current>, run: &Arc<Run>) {
        current.run = Some(Arc::clone(run));
        // Where there is no thread, the segmenter is dropped, which takes this lock.
        drop(current);
        let segmenter = Segmenter {
            hls: Arc::clone(self),
            run: Arc::clone(run),
        };
        let thread = threads::spawn("hls", STACK_BYTES, Box::new(move || segmenter.follow()));
        static NO_THREAD: OnceASecond = OnceASecond::new();
        if let Some(e) = thread.err().filter(|_| NO_THREAD.is_due()) {
            log_warning!("can't make a thread for HLS: {e}");
        }
    }
}

/// The thread of a run; the run ends with it, however that ends.
struct Segmenter {
    hls: Arc<Hls>,
    run: Arc<Run>,
}

impl Segmenter {
    fn follow(&self) {
        let stream = &*self.run.stream;
        let mut watching = Vec::new();
        self.run.show_viewers(&mut watching);
        let mut follower = Follower::new(&stream.ring, false);
        // A group of pictures that can be joined is a good start, and asking now would only cut it short.
        let mut timeout = Duration::ZERO;
        let mut looked = Instant::now();
        loop {
            match follower.next(mem::replace(&mut timeout, LOOK_EVERY)) {
                Next::Batch(batch) => self.run.push(batch),
                Next::Blocked | Next::Called | Next::Notified => {}
                Next::TimedOut => self.run.request_start(),
                Next::Broken | Next::Closed => return,
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.run.show_viewers(&mut watching);
                if watching.is_empty() && self.end(true) {
                    return;
                }
            }
        }
    }

    /// Ends the run, or with `unless_watched` only if it has no viewers; true if it has ended.
    fn end(&self, unless_watched: bool) -> bool {
        let mut current = self.hls.lock();
        let mut state = self.run.lock();
        if unless_watched && !state.viewers.is_empty() {
            return false;
        }
        state.ended = true;
        state.viewers.clear();
        let is_ours = |run: &Arc<Run>| Arc::ptr_eq(run, &self.run);
        if current.run.as_ref().is_some_and(is_ours) {
            current.next = state.window.end();
            current.run = None;
        }
        drop(state);
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
    /// One that goes on where the last one ended.
    pub fn new(stream: &Arc<Stream>, last: Handover) -> Run {
        let unix = clock::unix();
        let number = unix.as_nanos() as u32 ^ std::process::id().rotate_left(16);
        // Media sequence numbers go on from run to run, and over a restart of the program: a player that was away finds
        // newer segments, and not older ones. Time makes up for more of them than there can have been.
        let by_time = unix.as_secs().saturating_sub(YEAR_2020_S) * SEGMENTS_A_SECOND;
        let handover = Handover {
            sequence: last.sequence.max(by_time),
            ..last
        };
        Run {
            number,
            stream: Arc::clone(stream),
            state: Mutex::new(State {
                window: Window::new(number, handover, MOST_BYTES),
                texts: [None, None],
                viewers: Vec::new(),
                ended: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `waits_on` is true, for `limit` at most.
    pub fn wait_while(&self, limit: Duration, waits_on: impl FnMut(&mut State) -> bool) {
        drop(self.changed.wait_timeout_while(self.lock(), limit, waits_on));
    }

    /// Asks for a key frame while there is nothing to begin with.
    fn request_start(&self) {
        if self.lock().window.bytes() == 0 {
            self.stream.request_key_frame();
        }
    }

    /// Adds what the follower has got.
    fn push(&self, batch: &Batch) {
        let offset_us = clock::unix_offset_us();
        let (mut changed, mut needs_key_frame) = (false, batch.needs_key_frame);
        let mut state = self.lock();
        if batch.skipped > 0 {
            changed |= state.window.break_off();
        }
        for fragment in &batch.fragments {
            let pushed = state.window.push(fragment, offset_us);
            changed |= pushed.changed;
            needs_key_frame |= pushed.needs_key_frame;
        }
        if changed {
            state.texts = [None, None];
        }
        drop(state);
        if changed {
            self.changed.notify_all();
        }
        if needs_key_frame {
            self.stream.request_key_frame();
        }
    }

    /// Notes what the viewer at this address was sent.
    pub fn count(&self, address: SocketAddr, bytes: u64, captured_us: u64) {
        if let Some(viewer) = self.lock().viewer(address) {
            viewer.bytes += bytes;
            viewer.age_us = clock::monotonic_us().saturating_sub(captured_us);
        }
    }

    /// Shows the viewers that are there to the pump and in /status, and no others.
    fn show_viewers<'a>(&'a self, watching: &mut Vec<Watching<'a>>) {
        let mut state = self.lock();
        let patience = state.patience().max(VIEWER_LEAST);
        state.viewers.retain(|viewer| viewer.asked.elapsed() < patience);
        let is_here = |who: Who| {
            let mut viewers = state.viewers.iter();
            viewers.any(|viewer| who.ip() == Some(viewer.address.ip()))
        };
        watching.retain(|watching| is_here(watching.viewer.who));
        for viewer in &state.viewers {
            let is_it = |shown: &&Watching<'_>| shown.viewer.who.ip() == Some(viewer.address.ip());
            match watching.iter().find(is_it) {
                Some(shown) => {
                    shown.viewer.bytes.store(viewer.bytes, Relaxed);
                    shown.viewer.age_us.store(viewer.age_us, Relaxed);
                }
                None => watching.push(self.stream.watch(Who::Net(viewer.address), "hls")),
            }
        }
    }
}

impl State {
    fn viewer(&mut self, address: SocketAddr) -> Option<&mut Viewer> {
        let is_it = |viewer: &&mut Viewer| viewer.address.ip() == address.ip();
        self.viewers.iter_mut().find(is_it)
    }

    /// Notes that the viewer at this address has asked for something, and gives its place: `take` takes one for a new
    /// viewer.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn touch<E>(
        &mut self,
        address: SocketAddr,
        take: impl FnOnce() -> Result<Place, E>,
    ) -> Result<Arc<Place>, E> {
        let asked = Instant::now();
        if let Some(viewer) = self.viewer(address) {
            viewer.asked = asked;
            return Ok(Arc::clone(&viewer.place));
        }
        let place = Arc::new(take()?);
        self.viewers.push(Viewer {
            address,
            asked,
            bytes: 0,
            age_us: 0,
            place: Arc::clone(&place),
            waiting: Vec::new(),
        });
        Ok(place)
    }

    /// The group in which one more request from this address waits: `take` takes a further place where there is no room in
    /// those that the viewer has. `None` where the viewer is no longer there.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn wait_in<E>(
        &mut self,
        address: SocketAddr,
        take: impl FnOnce() -> Result<Place, E>,
    ) -> Result<Option<Arc<Group>>, E> {
        let Some(viewer) = self.viewer(address) else {
            return Ok(None);
        };
        viewer.waiting.retain(|group| group.strong_count() > 0);
        let has_room = |group: &&Weak<Group>| group.strong_count() < WAITS_A_PLACE;
        if let Some(group) = viewer.waiting.iter().find(has_room).and_then(Weak::upgrade) {
            return Ok(Some(group));
        }
        let mut groups = viewer.waiting.iter().filter_map(Weak::upgrade);
        let first_is_full = groups.any(|group| group.0.is_none());
        let group = Arc::new(Group(first_is_full.then(take).transpose()?));
        viewer.waiting.push(Arc::downgrade(&group));
        Ok(Some(group))
    }

    /// How long an answer waits for the playlist to grow.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(PATIENCE_TARGETS * self.window.target_s())
    }

    /// The media playlist; with `skip`, a delta update.
    pub fn playlist(&mut self, skip: bool) -> Arc<str> {
        let State { window, texts, .. } = self;
        let [whole, update] = texts;
        let text = if skip { update } else { whole };
        Arc::clone(text.get_or_insert_with(|| window.playlist(skip).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::places::Places;

    #[test]
    fn requests_wait_in_the_places_of_a_viewer_whatever_else_it_asks_for() {
        let mut state = State {
            window: Window::new(1, Handover::default(), MOST_BYTES),
            texts: [None, None],
            viewers: Vec::new(),
            ended: false,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 8000));
        let places = Places::default();
        let take = || places.take(2).ok_or(());
        assert!(matches!(state.wait_in(address, take), Ok(None)));
        // What does not wait takes no room.
        let downloads: Vec<_> = (0..5).map(|_| state.touch(address, take)).collect();
        assert!(downloads.iter().all(Result::is_ok));
        let wait = |state: &mut State| state.wait_in(address, take).map(Option::unwrap);
        let mut waits: Vec<_> = (0..4).map(|_| wait(&mut state).unwrap()).collect();
        assert_eq!(places.taken(), 1);
        waits.extend((0..4).map(|_| wait(&mut state).unwrap()));
        assert_eq!(places.taken(), 2);
        assert!(wait(&mut state).is_err());
        // The viewer's own place has room first, where both have.
        waits.remove(0);
        waits.push(wait(&mut state).unwrap());
        waits.truncate(3);
        assert_eq!(places.taken(), 1);
        // And it is found again when the first group is gone before the other one.
        waits.push(wait(&mut state).unwrap());
        waits.push(wait(&mut state).unwrap());
        waits.drain(..4);
        waits.extend((0..7).map(|_| wait(&mut state).unwrap()));
        assert_eq!((waits.len(), places.taken()), (8, 2));
        assert!(wait(&mut state).is_err());
        waits.clear();
        assert_eq!(places.taken(), 1);
    }
}
