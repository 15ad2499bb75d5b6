//! The loop that moves frames: source → format → ring. It stops the source while nobody watches, and opens it
//! again whenever it is lost, for ever.

use super::ingest::Ingest;
use super::update::PendingConfig;
use crate::config::AUTO;
use crate::config::{Camera, SourceKind};
use crate::error::Error;
use crate::format::Codec;
use crate::format::fmp4::{Init, Timeline};
use crate::format::h264::{Parameters, Refused};
use crate::source::{self, Any, History, Source, Watch};
use crate::stream::{Condition, State, Stream};
use crate::sys::poll::{PollFd, poll, readable};
use crate::{log_info, log_warning};
use std::os::fd::AsFd;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long one wait for frames may take: how soon the pump looks at the clock again.
const WAIT: Duration = Duration::from_millis(500);
/// A device that can't be used is tried again after this.
const DEVICE_RETRY: Duration = Duration::from_secs(1);
/// One that is not there is looked for when the kernel tells of a node, and after this in any case.
const ABSENT_RETRY: Duration = Duration::from_secs(5);
/// What it tells comes in bursts (a camera's nodes, their permissions, links): the look is so much later.
const NEWS_TOGETHER: Duration = Duration::from_millis(20);
/// A node that came can be the system's own for so long, while udev sets its permissions: no word of what is
/// wrong with it until then, ...
const SETTLE: Duration = Duration::from_secs(1);
/// ... and a try as often as this.
const SETTLE_RETRY: Duration = Duration::from_millis(100);
/// A command is started again after this, and after twice as long each time that it ends without a frame, ...
pub(super) const COMMAND_RETRY: Duration = Duration::from_secs(1);
/// ... up to this.
const COMMAND_RETRY_MOST: Duration = Duration::from_secs(30);
/// A stream that can't be served is looked at again after this: somebody may have mended its source.
const REFUSED_RETRY: Duration = Duration::from_secs(10);
/// After a fault of this program it is tried again after this.
const FAULT_RETRY: Duration = Duration::from_secs(10);
/// A stream without a key frame for so long is named.
pub(super) const NO_KEY: Duration = Duration::from_secs(10);
/// Key frames are not asked for more often than this, however many want one.
const KEY_WANTS: Duration = Duration::from_millis(500);
/// At the start the source is looked at for so long, watched or not: what is wrong with it shows in the log while
/// somebody looks there, and what it gives is known before the first viewer comes.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// Rate and bitrate are measured over at least this.
const MEASURE: Duration = Duration::from_secs(1);

/// Why a source is closed.
enum Close {
    Stop,
    Unwatched,
    Lost(Error),
    Refused(Refused),
    /// The camera that the test picture stood in for is there.
    Replaced,
    /// The config is another one now.
    Changed,
}

/// Runs until the stream is stopped. A panic, which is a fault of this program, costs the camera a while and nobody else
/// anything.
pub fn run(stream: &Stream, camera: &Camera, pending: &PendingConfig) {
    let mut pump = Pump::new(stream, camera, pending);
    pump.publish_config();
    while !stream.stopping() {
        stream.heartbeat(Duration::ZERO);
        pump.survive(Pump::turn);
    }
}

/// What a source of this kind gives, as far as that is known before it is open.
pub(super) fn codec_of(kind: &SourceKind) -> Option<Codec> {
    match kind {
        SourceKind::Rpicam(rpicam) if rpicam.mjpeg => Some(Codec::Jpeg),
        SourceKind::Rpicam(_) | SourceKind::Test => Some(Codec::H264),
        SourceKind::Device {
            capture_format,
            chain,
            ..
        } => match capture_format.as_str() {
            AUTO => None,
            "MJPG" | "JPEG" if !chain.names_a_stage() => Some(Codec::Jpeg),
            _ => Some(Codec::H264),
        },
        // What it gives tells.
        SourceKind::Auto | SourceKind::Exec { .. } => None,
    }
}

/// Whether a device's node is there, as far as its last opening told.
#[derive(Clone, Copy)]
pub(super) enum Presence {
    There,
    Away,
    /// It came back at that time, and can't be opened yet.
    Back(Instant),
}

pub(super) struct Pump<'a> {
    pub(super) stream: &'a Stream,
    pub(super) camera: Camera,
    pub(super) pending: &'a PendingConfig,
    pub(super) timeline: Timeline,
    /// The newest init segment, kept over reopening: where nothing changed, clients go on with it.
    pub(super) init: Option<Arc<Init>>,
    /// The parameter sets that it was last made or found good for.
    pub(super) parameters: Option<Arc<Parameters>>,
    pub(super) epoch: u32,
    /// Something has come since the start: what the source gives is known.
    pub(super) known: bool,
    pub(super) started: Instant,
    pub(super) unwatched_since: Option<Instant>,
    pub(super) backoff: Duration,
    pub(super) device: Presence,
    /// The source is a command, as far as its last opening told.
    pub(super) command: bool,
    /// What the log has about the camera's state, so that it is said once.
    pub(super) last_said: String,
    /// The devices that it has named last, and why these.
    pub(super) last_chain: String,
    /// What was learnt of the source.
    pub(super) history: History,
}

impl<'a> Pump<'a> {
    fn new(stream: &'a Stream, camera: &Camera, pending: &'a PendingConfig) -> Pump<'a> {
        Pump {
            stream,
            camera: camera.clone(),
            pending,
            timeline: Timeline::new(None),
            init: None,
            parameters: None,
            epoch: 0,
            known: false,
            started: Instant::now(),
            unwatched_since: None,
            backoff: COMMAND_RETRY,
            device: Presence::There,
            command: matches!(camera.source, SourceKind::Exec { .. } | SourceKind::Rpicam(_)),
            last_said: String::new(),
            last_chain: String::new(),
            history: History::default(),
        }
    }

    /// Takes a turn. What stays of a pump whose turn ended in a panic is good for the next: its source is closed, and its
    /// own fields are plain values.
    fn survive(&mut self, turn: impl FnOnce(&mut Self)) {
        if panic::catch_unwind(AssertUnwindSafe(|| turn(self))).is_err() {
            self.begin_epoch();
            self.stream.publish(|state| state.faults += 1);
            self.say(
                Condition::Lost,
                "a fault of this program; please report it, with the log",
            );
            self.wait(FAULT_RETRY, FAULT_RETRY, None);
        }
    }

    /// What comes from now on is not to be mixed with what was before.
    fn begin_epoch(&mut self) {
        self.stream.ring.begin_epoch();
        self.stream.pictures.begin_epoch();
        self.epoch += 1;
    }

    /// Sleeps, or opens the source and moves its frames, and waits for the next time to.
    fn turn(&mut self) {
        self.apply_pending(None);
        if self.may_sleep(Instant::now()) {
            return self.sleep();
        }
        // What was wrong is so until a frame proves otherwise.
        if !matches!(self.state().condition, Condition::Lost | Condition::Refused) {
            self.say(Condition::Starting, "");
        }
        // Before the look, so that nothing comes unseen between the two.
        let mut watch = source::watch(&self.camera.source);
        let retry = match source::open(&self.camera, &mut self.history) {
            Ok(mut source) => {
                self.device = Presence::There;
                self.history.was_there |= !source.info().placeholder;
                self.command = source.info().command;
                let pipeline = source.info().pipeline.clone();
                let frames = self.state().frames;
                let close = self.flow(source.as_mut(), &mut watch);
                // And all is said before the source is closed: that takes its time, of a driver that hangs for ever.
                self.begin_epoch();
                match close {
                    Close::Unwatched => return self.stream.ring.clear(),
                    Close::Stop | Close::Replaced | Close::Changed => return,
                    Close::Lost(e) => {
                        let came = self.state().frames > frames;
                        if came {
                            self.backoff = COMMAND_RETRY;
                        }
                        self.history.record_failure(pipeline, came, &e);
                        self.lose(&e, watch.is_some(), Instant::now())
                    }
                    Close::Refused(why) => {
                        self.say(Condition::Refused, &format!("the stream can't be served: {why}"));
                        REFUSED_RETRY
                    }
                }
            }
            Err(e) => self.lose(&e, watch.is_some(), Instant::now()),
        };
        self.wait(retry, COMMAND_RETRY.min(retry), watch.as_ref());
    }

    pub(super) fn state(&self) -> State {
        self.stream.state()
    }

    /// Publishes a condition, and logs it if it is another one than before.
    pub(super) fn say(&mut self, condition: Condition, why: &str) {
        self.stream.publish(|state| {
            if state.condition != condition || state.since.is_none() {
                state.since = Some(Instant::now());
                (state.fps, state.bitrate_bps, state.key_interval_ms) = (0.0, 0, None);
            }
            (state.condition, state.why) = (condition, why.to_string());
            if condition == Condition::Lost {
                state.placeholder = false;
            }
        });
        self.stream.notify_viewers();
        let line = match condition {
            Condition::Starting | Condition::Live => return,
            Condition::Asleep => format!("{}: sleeps until somebody watches", self.stream.name),
            Condition::Lost | Condition::Refused => format!("{}: {why}", self.stream.name),
        };
        if line == self.last_said {
            return;
        }
        if condition == Condition::Asleep {
            log_info!("{line}");
        } else {
            log_warning!("{line}");
        }
        self.last_said = line;
    }

    /// Nobody watches, for long enough.
    fn may_sleep(&mut self, now: Instant) -> bool {
        if !self.camera.auto_sleep || self.stream.viewer_count() > 0 {
            self.unwatched_since = None;
            return false;
        }
        let since = *self.unwatched_since.get_or_insert(now);
        if !self.known && now.saturating_duration_since(self.started) < FIRST_LOOK {
            return false;
        }
        now.saturating_duration_since(since) >= self.camera.linger
    }

    /// Waits for a viewer. A device may go and come in the meantime, and that is told; nothing is started.
    fn sleep(&mut self) {
        // Before the look, so that nothing goes unseen between the two.
        let watch = source::watch(&self.camera.source);
        match source::absence(&self.camera.source) {
            Some(e) => _ = self.lose(&e, watch.is_some(), Instant::now()),
            None => {
                let state = self.state();
                let why = match state.condition {
                    Condition::Refused => format!("at the last try: {}", state.why),
                    Condition::Lost if matches!(self.device, Presence::There) => {
                        format!("at the last try: {}", state.why)
                    }
                    Condition::Asleep => state.why,
                    _ => String::new(),
                };
                self.say(Condition::Asleep, &why);
                self.forget_jpeg();
            }
        }
        self.wait(ABSENT_RETRY, Duration::ZERO, watch.as_ref());
        self.backoff = COMMAND_RETRY;
    }

    /// What is JPEG for want of an encoder may be H.264 when it wakes up: who asks for that is to wake it.
    fn forget_jpeg(&self) {
        let open = match &self.camera.source {
            SourceKind::Device { capture_format, .. } => capture_format == AUTO,
            kind => *kind == SourceKind::Auto,
        };
        if open {
            self.stream
                .publish(|state| state.codec = state.codec.filter(|codec| *codec == Codec::H264));
        }
    }

    /// Says that the source is lost, and tells how long to wait until the next try. As long as a device is
    /// just away, the first reason stays.
    fn lose(&mut self, e: &Error, watched: bool, now: Instant) -> Duration {
        let before = self.device;
        self.device = match before {
            _ if e.is_absent() => Presence::Away,
            Presence::Away => Presence::Back(now),
            Presence::Back(since) if now.saturating_duration_since(since) < SETTLE => before,
            _ => Presence::There,
        };
        let known = self.state().condition == Condition::Lost && !matches!(before, Presence::There);
        match self.device {
            Presence::Away if known => {}
            Presence::Back(_) => {}
            _ => self.say(Condition::Lost, &e.to_string()),
        }
        match (self.device, &self.camera.source) {
            (Presence::Back(_), _) => SETTLE_RETRY,
            _ if self.command => {
                let wait = self.backoff;
                self.backoff = (self.backoff * 2).min(COMMAND_RETRY_MOST);
                wait
            }
            // A driver can be gone and its node be there: nothing tells when that is over.
            (Presence::Away, kind) if watched && source::absence(kind).is_some() => ABSENT_RETRY,
            _ => DEVICE_RETRY,
        }
    }

    /// Waits for the time to pass, or for news of devices, or, `soonest` after the beginning, for a first viewer.
    fn wait(&mut self, most: Duration, soonest: Duration, watch: Option<&Watch>) {
        let begun = Instant::now();
        // Who came before the wait began is told of here too where there is no time to keep.
        let mut unwatched = soonest.is_zero();
        loop {
            let viewers = self.stream.viewer_count();
            unwatched |= viewers == 0;
            let somebody_came = unwatched && viewers > 0;
            let until = if somebody_came { soonest } else { most };
            let left = until.saturating_sub(begun.elapsed());
            if left.is_zero() || self.stream.stopping() || self.pending.is_some() {
                return;
            }
            let files = [Some(self.stream.woken()), watch.map(Watch::as_fd)];
            let mut files: Vec<PollFd<'_>> = files.into_iter().flatten().map(readable).collect();
            self.stream.heartbeat(left);
            _ = poll(&mut files, Some(left));
            self.stream.heartbeat(Duration::ZERO);
            self.stream.drain_wakes();
            if watch.is_some_and(Watch::take_news) {
                // However much comes and goes there, no more tries than these.
                thread::sleep(NEWS_TOGETHER.max(SETTLE_RETRY.saturating_sub(begun.elapsed())));
                return;
            }
        }
    }

    /// Moves frames until the source is to be closed.
    fn flow(&mut self, source: &mut dyn Source, watch: &mut Option<Watch>) -> Close {
        let info = source.info().clone();
        self.stream.publish(|state| {
            state.source.clone_from(&info.description);
            state.placeholder = info.placeholder;
            state.jpeg_too = info.jpeg_too;
            state.chain.clone_from(&info.chain);
            state.chain_why.clone_from(&info.why);
        });
        if !info.chain.is_empty() {
            let line = format!("{}: {}: {}", self.stream.name, info.chain, info.why);
            if self.last_chain != line {
                log_info!("{line}");
                self.last_chain = line;
            }
        }
        self.stream.notify_viewers();
        self.timeline.restart(info.fps);
        let before = self.state().losses;
        let now = Instant::now();
        let mut ingest = Ingest::new(now);
        let mut key_asked: Option<Instant> = None;
        let mut key_wanted = false;
        let mut looked = now;
        loop {
            self.stream.heartbeat(WAIT);
            let polled = source.poll(self.stream.woken(), WAIT, &mut |signal| {
                self.take(&mut ingest, signal, &info)
            });
            let drops = source.drops();
            self.stream
                .publish(|state| state.losses = ingest.losses(before, drops));
            if let Some(why) = ingest.refused {
                return Close::Refused(why);
            }
            if let Err(e) = polled {
                return Close::Lost(e);
            }
            self.stream.drain_wakes();
            if self.stream.stopping() {
                return Close::Stop;
            }
            if !self.apply_pending(Some(source)) {
                return Close::Changed;
            }
            let now = Instant::now();
            if self.may_sleep(now) {
                return Close::Unwatched;
            }
            key_wanted |= self.stream.take_key_frame_request() || ingest.needs_key && !ingest.first;
            if key_wanted && key_asked.is_none_or(|asked| now.saturating_duration_since(asked) >= KEY_WANTS) {
                key_wanted = false;
                key_asked = Some(now);
                source.request_key_frame();
            }
            if info.placeholder && Pump::may_look(now.saturating_duration_since(looked), watch.as_ref()) {
                looked = now;
                *watch = source::watch(&self.camera.source);
                if let Some(Any::Device(path) | Any::Sensor(path)) = source::find_any(&self.camera) {
                    log_info!("{}: a camera appears: {}", self.stream.name, path.display());
                    return Close::Replaced;
                }
            }
            if now.saturating_duration_since(ingest.measured.since) >= MEASURE {
                self.watch_keys(&mut ingest, now);
                self.measure(&mut ingest, now);
            }
        }
    }

    /// Whether the test picture should look for a camera now, so long after the last time.
    fn may_look(after: Duration, watch: Option<&Watch>) -> bool {
        match watch {
            Some(watch) => after >= ABSENT_RETRY || after >= SETTLE_RETRY && watch.take_news(),
            None => after >= DEVICE_RETRY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::ring::{Follower, Limits, Next};
    use crate::source::{Frame, Signal};
    use crate::stream::Who;

    static NO_PENDING: PendingConfig = PendingConfig::new();
    const LIMITS: Limits = Limits {
        max_age: Duration::from_secs(1),
        join_max: Duration::from_secs(4),
        join_max_bytes: 1_000_000,
        max_senders: 1,
    };

    #[test]
    fn an_absence_has_one_reason_and_permissions_have_time_to_settle() {
        let (stream, config) = (
            Stream::new("camera0", LIMITS).unwrap(),
            Config::for_device("/dev/no-such-video").unwrap(),
        );
        let mut pump = Pump::new(&stream, &config.cameras[0], &NO_PENDING);
        let start = Instant::now();
        let unplugged = Error::new("a", "camera lost", "unplugged").absent(true);
        let none = Error::new("a", "can't open it", "no such device").absent(true);
        let refused = Error::new("a", "can't open it", "no permission");
        let (none_why, refused_why) = (none.to_string(), refused.to_string());
        let mut lose = |e: &Error, at_ms: u64| {
            let retry = pump.lose(e, true, start + Duration::from_millis(at_ms));
            (retry, stream.state().why)
        };
        let why = unplugged.to_string();
        for (e, at_ms, retry, why) in [
            (&unplugged, 0, ABSENT_RETRY, &why),
            (&none, 0, ABSENT_RETRY, &why),
            (&refused, 5000, SETTLE_RETRY, &why),
            (&none, 5100, ABSENT_RETRY, &why),
            (&refused, 9000, SETTLE_RETRY, &why),
            (&refused, 9999, SETTLE_RETRY, &why),
            (&refused, 10_000, DEVICE_RETRY, &refused_why),
            (&refused, 11_000, DEVICE_RETRY, &refused_why),
            (&none, 12_000, ABSENT_RETRY, &none_why),
        ] {
            assert_eq!(lose(e, at_ms), (retry, why.clone()), "at {at_ms}");
        }

        // Somebody comes, and it is still away.
        for condition in [Condition::Asleep, Condition::Starting] {
            pump.say(condition, "");
        }
        assert_eq!(pump.lose(&none, false, start), DEVICE_RETRY);
        let state = stream.state();
        assert_eq!((state.condition, state.why), (Condition::Lost, none_why));
    }

    #[test]
    fn who_comes_when_the_others_have_left_is_a_first_viewer() {
        let (stream, config) = (Stream::new("camera0", LIMITS).unwrap(), Config::default());
        let mut pump = Pump::new(&stream, &config.cameras[0], &NO_PENDING);
        let address = Who::Net("192.0.2.1:1".parse().unwrap());
        let early = stream.watch(address, "mp4");
        let (sender, woke) = std::sync::mpsc::channel();
        let woke = thread::scope(|scope| {
            let stream = &stream;
            scope.spawn(move || {
                pump.wait(Duration::from_secs(600), Duration::from_millis(1), None);
                sender.send(()).unwrap();
            });
            let waited_on = woke.recv_timeout(Duration::from_millis(100)).is_err();
            drop(early);
            // A thread that is held up sees nothing of the time between the two.
            let woke = (0..600).any(|_| {
                thread::sleep(Duration::from_millis(100));
                let _late = stream.watch(address, "mp4");
                woke.recv_timeout(Duration::from_millis(100)).is_ok()
            });
            stream.stop();
            waited_on && woke
        });
        assert!(woke);
    }

    #[test]
    fn viewers_are_told_once_what_is_wrong_with_frames() {
        let (stream, config) = (Stream::new("camera0", LIMITS).unwrap(), Config::default());
        let mut pump = Pump::new(&stream, &config.cameras[0], &NO_PENDING);
        let mut ingest = Ingest::new(Instant::now());
        let info = source::SourceInfo::default();
        let mut follower = Follower::new(&stream.ring, false);
        for (data, told) in [
            ("", true),
            ("", false),
            ("no picture", true),
            ("no picture", false),
        ] {
            let frame = Frame {
                codec: Codec::Jpeg,
                data: data.as_bytes(),
                captured_us: 0,
            };
            pump.take(&mut ingest, Signal::Frame(frame), &info);
            let called = matches!(follower.next(Duration::ZERO), Next::Notified);
            assert_eq!(called, told, "{data:?}: {}", stream.state().why);
        }
    }

    #[test]
    fn a_fault_is_counted_and_the_camera_comes_back() {
        let (stream, config) = (Stream::new("camera0", LIMITS).unwrap(), Config::for_test());
        let mut pump = Pump::new(&stream, &config.cameras[0], &NO_PENDING);
        // Nothing is waited for.
        stream.stop();
        pump.survive(|_| panic!("a fault, for the test"));
        let state = stream.state();
        assert_eq!((state.condition, state.faults), (Condition::Lost, 1));
        assert!(state.why.contains("fault of this program"), "{}", state.why);
        assert_eq!(pump.epoch, 1);

        let stream = Stream::new("camera0", LIMITS).unwrap();
        pump.stream = &stream;
        let address = Who::Net("192.0.2.1:1".parse().unwrap());
        let _viewer = stream.watch(address, "mp4");
        let came = thread::scope(|scope| {
            scope.spawn(|| pump.survive(Pump::turn));
            let mut follower = Follower::new(&stream.ring, false);
            let came = (0..60).any(|_| {
                matches!(
                    follower.next(Duration::from_secs(1)),
                    Next::Batch(_) | Next::Blocked
                )
            });
            stream.stop();
            came
        });
        assert!(came);
    }

    #[test]
    fn jpeg_pictures_that_come_beside_h264_are_for_those_who_ask() {
        use crate::ring::pictures::Next;
        let (stream, camera) = (Stream::new("camera0", LIMITS).unwrap(), Camera::default());
        let mut pump = Pump::new(&stream, &camera, &NO_PENDING);
        let mut ingest = Ingest::new(Instant::now());
        let info = source::SourceInfo {
            jpeg_too: true,
            ..source::SourceInfo::default()
        };
        let picture = include_bytes!("../../tests/fixtures/ffmpeg_mjpeg_default_tables.jpg");
        let mut take = |data: &[u8]| {
            let frame = Frame {
                codec: Codec::Jpeg,
                data,
                captured_us: 0,
            };
            pump.take(&mut ingest, Signal::Frame(frame), &info);
            stream.pictures.next(0, Duration::ZERO)
        };
        assert!(matches!(take(picture), Next::TimedOut), "nobody asks");
        let want = stream.pictures.subscribe();
        assert!(matches!(take(&picture[..100]), Next::TimedOut), "it is not whole");
        match take(&[picture, &[0; 9][..]].concat()) {
            Next::Picture(1, taken) => assert_eq!(taken.bytes, picture),
            other => panic!("{other:?}"),
        }
        drop(want);
        stream.pictures.begin_epoch();
        assert!(matches!(take(picture), Next::TimedOut), "nobody asks any more");
        // It is H.264 that the camera is live by, and that is measured.
        let state = stream.state();
        assert_eq!((state.condition, state.frames), (Condition::Starting, 0));
        assert_eq!((state.why.as_str(), state.codec), ("", None));
    }

    #[test]
    fn the_picture_that_stands_in_is_not_kept_waiting() {
        let (stream, config) = (Stream::new("camera0", LIMITS).unwrap(), Config::default());
        let mut pump = Pump::new(&stream, &config.cameras[0], &NO_PENDING);
        let unplugged = Error::new("a", "camera lost", "unplugged").absent(true);
        assert_eq!(pump.lose(&unplugged, true, Instant::now()), DEVICE_RETRY);
    }
}
