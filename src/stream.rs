//! One camera's stream, between its pump and its readers.
//!
//! The pump writes the state and takes the requests; the readers read the state and make requests. Neither waits for the other.

use crate::controls::Mailbox;
use crate::error::{Error, Result};
use crate::events::{END, Events, LOST, START};
pub use crate::format::Codec;
use crate::format::fmp4::Init;
use crate::format::prometheus::Histogram;
use crate::motion::Motion;
use crate::ptz::Ptz;
use crate::ring::{Limits, Pictures, Ring};
use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The condition of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Being opened, or open and without a picture yet.
    #[default]
    Starting,
    /// Frames flow.
    Live,
    /// Stopped, since nobody watches.
    Asleep,
    /// Not to be had (unplugged, busy, command failed): tried again for ever.
    Lost,
    /// It gives a stream that can't be served.
    Refused,
}

impl Condition {
    /// The words for the conditions, in their order.
    pub const WORDS: [&str; 5] = ["starting", "live", "asleep", "lost", "refused"];

    /// The word in /status and in the log.
    pub fn word(self) -> &'static str {
        Condition::WORDS[self as usize]
    }
}

/// A camera's state, as its pump publishes it.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The camera's condition.
    pub condition: Condition,
    /// When the condition began; `None` before the pump has run.
    pub since: Option<Instant>,
    /// The reason why it is lost or refused, or what is odd about a stream that is live; empty if there is none.
    pub why: String,
    /// The source in words.
    pub source: String,
    /// The test picture that stands in for a camera until one appears.
    pub placeholder: bool,
    /// Something moves before the camera.
    pub moves: bool,
    /// The codec of the open or configured source; `None` until it is known.
    pub codec: Option<Codec>,
    /// The JPEG pictures that its H.264 is made of are there, too.
    pub jpeg_too: bool,
    /// The devices that frames pass through; empty if none of them is V4L2's.
    pub chain: String,
    /// The reason for this chain and no other.
    pub chain_why: String,
    /// The input of the device at which its pictures come in; empty if there is nothing to choose.
    pub input: String,
    /// The signal there, such as "1920x1080p60" or "PAL"; empty if there is none, or it is not known.
    pub signal: String,
    /// What the microphone captures in, and the reason why there is none now; empty if there is nothing to say.
    pub mic: [String; 2],
    /// What the recorder does ("recording", "waiting" or "stopped"; empty if there is none), and the reason why it is stopped.
    pub recorder: (&'static str, String),
    /// How far players are to turn the picture, in degrees clockwise. In H.264's init segment, too.
    pub rotation: u16,
    /// The H.264 stream's own description; kept over sleep and loss.
    pub init: Option<Arc<Init>>,
    /// Width and height in pixels, from the stream itself; kept over sleep and loss.
    pub size: Option<(u32, u32)>,
    /// Frames a second, measured over the last second or two.
    pub fps: f64,
    /// Bits a second, measured over the last second or two.
    pub bitrate_bps: u64,
    /// Milliseconds between the last two key frames.
    pub key_interval_ms: Option<u64>,
    /// The arrival of the last frame.
    pub last_frame: Option<Instant>,
    /// The time that the next frame may take, where the source is known to give few.
    pub patience: Duration,
    /// Frames that went into the ring since the program started.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The key frames among them; all of them where they are JPEG pictures.
    pub key_frames: u64,
    /// How often the source was opened.
    pub opens: u64,
    /// Panics of the pump since the program started, each of which cost the camera a while.
    pub faults: u64,
    /// Losses since the program started.
    pub losses: Losses,
    /// The number of the event that began a loss which goes on.
    pub loss: Option<u64>,
    /// What was wrong with the last frame that was left out as damaged or unreadable; empty if that is not known.
    pub last_fault: String,
}

/// Frames that did not make it into the ring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Missing by the driver's sequence numbers.
    pub gaps: u64,
    /// Marked as damaged by the driver, or not whole in a command's output.
    pub damaged: u64,
    /// Those of the damaged ones that a quiet of a command seemed to complete, and whose rest came after it.
    pub closed_early: u64,
    /// Too short to hold anything.
    pub short: u64,
    /// Not readable as H.264, or not as a whole JPEG picture.
    pub unreadable: u64,
    /// Whole, but dropped because a frame before them was lost, up to the next key frame.
    pub after_loss: u64,
    /// Kept, but with a timestamp from the driver that could not be believed.
    pub bad_time: u64,
    /// Frames of the camera that a decoder or an encoder had no time for.
    pub slow: u64,
}

/// Who watches: a client over the network, or a part of this program by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The client's address.
    Net(SocketAddr),
    /// The name of the part, such as "recorder".
    Local(&'static str),
}

impl Who {
    /// The client's IP address; None for a part of this program.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Who::Net(address) => Some(address.ip()),
            Who::Local(_) => None,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Net(address) => write!(f, "{address}"),
            Who::Local(part) => f.write_str(part),
        }
    }
}

/// One viewer, as /status shows it.
pub struct Viewer {
    /// A client, or a part of the program.
    pub who: Who,
    /// When they came.
    pub since: Instant,
    /// How the stream is sent: "mp4", "mjpeg" and so on.
    pub protocol: &'static str,
    /// Bytes sent.
    pub bytes: AtomicU64,
    /// Frames left out because the client was too slow.
    pub skipped: AtomicU64,
    /// From the capture of the last frame to its sending, µs.
    pub age_us: AtomicU64,
    /// How far the picture at the client is behind, by its own account, in ms; [`Viewer::UNKNOWN_LAG`] before the first.
    pub lag_ms: AtomicU64,
}

impl Viewer {
    /// The client has not reported its lag yet.
    pub const UNKNOWN_LAG: u64 = u64::MAX;
}

/// What was sent by one protocol since the program started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// The viewers' [`Viewer::protocol`].
    pub protocol: &'static str,
    /// Viewers that are there now.
    pub viewers: u64,
    /// Viewers that ever came.
    pub came: u64,
    /// Bytes sent to them.
    pub bytes: u64,
    /// Frames left out because they were too slow.
    pub skipped: u64,
}

/// What pages are told of beside the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// The values of the camera's controls.
    Controls,
    /// Where the camera looks.
    Ptz,
}

/// The newest JSON text of each [`Topic`], and how many there were before.
pub type Told = [(u64, Arc<str>); 2];

#[derive(Default)]
struct Viewers {
    here: Vec<Arc<Viewer>>,
    /// Those who have left.
    gone: Vec<Sent>,
}

/// The entry of this protocol.
fn entry<'a>(all: &'a mut Vec<Sent>, protocol: &'static str) -> Option<&'a mut Sent> {
    if all.iter().all(|sent| sent.protocol != protocol) {
        all.push(Sent {
            protocol,
            ..Sent::default()
        });
    }
    all.iter_mut().find(|sent| sent.protocol == protocol)
}

impl Sent {
    fn add(&mut self, viewer: &Viewer) {
        self.came += 1;
        self.bytes += viewer.bytes.load(Relaxed);
        self.skipped += viewer.skipped.load(Relaxed);
    }
}

/// One camera's stream.
pub struct Stream {
    /// The camera's name, as in URLs.
    pub name: String,
    /// Its fragments, where it gives H.264.
    pub ring: Ring,
    /// Its newest picture, where it gives JPEG.
    pub pictures: Pictures,
    /// What happens at it, and perhaps at other cameras.
    pub events: Arc<Events>,
    /// Where it looks, and is to look.
    pub ptz: Ptz,
    /// What is asked of its controls.
    pub controls: Mailbox,
    /// What moves before it.
    pub motion: Motion,
    /// The times between captures.
    pub intervals: Histogram,
    /// The times from capture to ring.
    pub pushed_ages: Histogram,
    /// The times from capture to the sending to each viewer. (One of HLS is sent what it asks for, however old that is.)
    pub sent_ages: Histogram,
    /// How far the pictures at viewers are behind, by their own account.
    pub lags: Histogram,
    state: Mutex<State>,
    viewers: Mutex<Viewers>,
    told: Mutex<Told>,
    key_frame_requested: AtomicBool,
    stopping: AtomicBool,
    made: Instant,
    /// When the pump's next sign of life is due, in milliseconds after `made`.
    pump_due_ms: AtomicU64,
    wake_pump: UnixStream,
    woken: UnixStream,
}

impl Stream {
    /// A stream without a picture yet, whose events and controls are nobody else's.
    ///
    /// # Errors
    /// No file descriptor is to be had.
    pub fn new(name: &str, limits: Limits) -> Result<Stream> {
        Stream::with(name, limits, Arc::default(), Mailbox::default())
    }

    /// A stream without a picture yet, at which what happens is among these events.
    ///
    /// # Errors
    /// Those of [`Stream::new`].
    pub fn with(name: &str, limits: Limits, events: Arc<Events>, controls: Mailbox) -> Result<Stream> {
        let no_pair = |e| Error::new(name, "can't make a socket pair", e);
        let (wake_pump, woken) = UnixStream::pair().map_err(no_pair)?;
        wake_pump.set_nonblocking(true).map_err(no_pair)?;
        woken.set_nonblocking(true).map_err(no_pair)?;
        Ok(Stream {
            name: name.into(),
            ring: Ring::new(limits),
            pictures: Pictures::default(),
            events,
            ptz: Ptz::default(),
            controls,
            motion: Motion::default(),
            intervals: Histogram::default(),
            pushed_ages: Histogram::default(),
            sent_ages: Histogram::default(),
            lags: Histogram::default(),
            state: Mutex::default(),
            viewers: Mutex::default(),
            told: Mutex::default(),
            key_frame_requested: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            made: Instant::now(),
            pump_due_ms: AtomicU64::new(0),
            wake_pump,
            woken,
        })
    }

    /// A copy of the state.
    pub fn state(&self) -> State {
        self.lock_state().clone()
    }

    /// The codec, where it is known.
    pub fn codec(&self) -> Option<Codec> {
        self.lock_state().codec
    }

    /// For the pump alone: changes the state.
    pub fn publish(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock_state();
        let before = state.condition;
        change(&mut state);
        if state.condition != before {
            self.note_loss(&mut state);
        }
    }

    /// Makes events of losses. A camera that goes to sleep is back only if nothing is wrong with it for all that is known.
    fn note_loss(&self, state: &mut State) {
        let is_lost = matches!(state.condition, Condition::Lost | Condition::Refused);
        let is_asleep = state.condition == Condition::Asleep && state.why.is_empty();
        match state.loss {
            None if is_lost => {
                state.loss = Some(self.events.add(&self.name, LOST, START, None, &state.why));
            }
            Some(began) if is_asleep || state.condition == Condition::Live => {
                state.loss = None;
                self.events.add(&self.name, LOST, END, Some(began), "");
            }
            _ => {}
        }
    }

    /// Has all followers look at the state and at what is told.
    pub fn notify_viewers(&self) {
        self.ring.notify_followers();
    }

    /// Has pages sent this JSON text: all that is to be known, as one that comes late gets the newest alone. An empty one takes it back.
    pub fn tell(&self, topic: Topic, text: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let serial = told[topic as usize].0 + 1;
        told[topic as usize] = (serial, text.into());
        drop(told);
        self.notify_viewers();
    }

    /// The newest texts, to be compared by their numbers with those that were sent.
    pub fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_viewers(&self) -> MutexGuard<'_, Viewers> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a viewer until the returned [`Watching`] is dropped, and wakes the pump. `protocol` is for /status.
    pub fn watch(&self, who: Who, protocol: &'static str) -> Watching<'_> {
        let viewer = Arc::new(Viewer {
            who,
            since: Instant::now(),
            protocol,
            bytes: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            age_us: AtomicU64::new(0),
            lag_ms: AtomicU64::new(Viewer::UNKNOWN_LAG),
        });
        self.lock_viewers().here.push(Arc::clone(&viewer));
        self.wake();
        Watching { stream: self, viewer }
    }

    /// Notes how long after its capture a viewer was sent a picture.
    pub fn note_age(&self, viewer: &Viewer, age_us: u64) {
        viewer.age_us.store(age_us, Relaxed);
        self.sent_ages.observe(age_us);
    }

    /// All viewers.
    pub fn viewers(&self) -> Vec<Arc<Viewer>> {
        self.lock_viewers().here.clone()
    }

    /// What was sent since the program started, by protocol.
    pub fn sent(&self) -> Vec<Sent> {
        let viewers = self.lock_viewers();
        let mut all = viewers.gone.clone();
        for viewer in &viewers.here {
            if let Some(sent) = entry(&mut all, viewer.protocol) {
                sent.viewers += 1;
                sent.add(viewer);
            }
        }
        all
    }

    /// The number of viewers.
    pub fn viewer_count(&self) -> usize {
        self.lock_viewers().here.len()
    }

    /// Requests a key frame as soon as possible.
    pub fn request_key_frame(&self) {
        if !self.key_frame_requested.swap(true, Relaxed) {
            self.wake();
        }
    }

    /// For the pump alone: true if a key frame was requested since the last call.
    pub fn take_key_frame_request(&self) -> bool {
        self.key_frame_requested.swap(false, Relaxed)
    }

    /// For the pump alone: it is not stuck, and gives the next sign of life within this time.
    pub fn heartbeat(&self, within: Duration) {
        let due = self.made.elapsed() + within;
        self.pump_due_ms.store(due.as_millis() as u64, Relaxed);
    }

    /// The time by which the pump's next sign of life is late: more than a moment, and it hangs in a driver.
    pub fn overdue(&self) -> Duration {
        let due = Duration::from_millis(self.pump_due_ms.load(Relaxed));
        self.made.elapsed().saturating_sub(due)
    }

    /// Ends the pump, the mover and all followers.
    pub fn stop(&self) {
        self.stopping.store(true, SeqCst);
        self.events.close();
        self.ring.close();
        self.pictures.close();
        self.ptz.end();
        self.wake();
    }

    /// True after [`stop`](Self::stop).
    pub fn stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// Wakes the pump, so that it looks at viewers, requests and a new config.
    pub fn wake(&self) {
        // A full socket is as good: the pump has yet to read the wakes before.
        _ = (&self.wake_pump).write(&[0]);
    }

    /// A file that is readable after [`wake`](Self::wake); the pump's source polls it beside its own.
    pub fn woken(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }

    /// For the pump alone: takes the wakes so far, before it looks at what they are for.
    pub fn drain_wakes(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.woken).read(&mut bytes), Ok(n) if n == bytes.len()) {}
    }
}

/// A viewer that counts until this is dropped.
pub struct Watching<'a> {
    stream: &'a Stream,
    /// The viewer, as /status shows it.
    pub viewer: Arc<Viewer>,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let mut viewers = self.stream.lock_viewers();
        viewers.here.retain(|other| !Arc::ptr_eq(other, &self.viewer));
        if let Some(sent) = entry(&mut viewers.gone, self.viewer.protocol) {
            sent.add(&self.viewer);
        }
        drop(viewers);
        self.stream.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_age: Duration::ZERO,
        join_max: Duration::ZERO,
        join_max_bytes: 0,
        max_senders: 1,
        hold: Duration::ZERO,
        patience: Duration::ZERO,
    };

    #[test]
    fn the_newest_text_of_a_topic_is_told_and_can_be_taken_back() {
        let stream = Stream::new("camera0", LIMITS).unwrap();
        let told = || stream.told().map(|(serial, text)| (serial, text.to_string()));
        let nothing = || (0, String::new());
        assert_eq!(told(), [nothing(), nothing()]);
        stream.tell(Topic::Ptz, "a");
        stream.tell(Topic::Ptz, "b");
        assert_eq!(told(), [nothing(), (2, "b".into())]);
        stream.tell(Topic::Controls, "c");
        stream.tell(Topic::Ptz, "");
        assert_eq!(told(), [(1, "c".into()), (3, String::new())]);
    }

    #[test]
    fn clients_and_parts_of_the_program_are_viewers_while_they_watch() {
        let stream = Stream::new("camera0", LIMITS).unwrap();
        let client = Who::Net("[2001:db8::1]:50123".parse().unwrap());
        let watching = stream.watch(client, "ws");
        let recorder = stream.watch(Who::Local("recorder"), "file");
        let shown = || -> Vec<String> {
            let viewers = stream.viewers();
            viewers
                .iter()
                .map(|viewer| format!("{} {}", viewer.who, viewer.protocol))
                .collect()
        };
        assert_eq!(shown(), ["[2001:db8::1]:50123 ws", "recorder file"]);
        let sent = |protocol: &str| {
            let all = stream.sent().into_iter();
            let mut ours = all.filter(|sent| sent.protocol == protocol);
            ours.next().map(|sent| (sent.viewers, sent.came, sent.bytes))
        };
        watching.viewer.bytes.store(5, Relaxed);
        assert_eq!(
            (sent("ws"), sent("file"), sent("mp4")),
            (Some((1, 1, 5)), Some((1, 1, 0)), None)
        );
        assert_eq!(recorder.viewer.who.ip(), None);
        assert_eq!(client.ip(), Some("2001:db8::1".parse().unwrap()));
        drop(watching);
        assert_eq!(shown(), ["recorder file"]);
        assert_eq!(sent("ws"), Some((0, 1, 5)));
        drop(recorder);
        assert_eq!(stream.viewer_count(), 0);
    }

    #[test]
    fn a_key_frame_is_requested_once_for_all() {
        let stream = Stream::new("camera0", LIMITS).unwrap();
        assert!(!stream.take_key_frame_request());
        stream.request_key_frame();
        stream.request_key_frame();
        assert!(stream.take_key_frame_request());
        assert!(!stream.take_key_frame_request());
    }
}
