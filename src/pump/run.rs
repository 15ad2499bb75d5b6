//! The loop: a camera is opened while somebody watches, its frames are moved, and it is waited for when it is lost.

use super::controls;
use super::ingest::Ingest;
use super::listener::{self, Listener, Stop};
use super::report::Report;
use super::retry::{ABSENT_RETRY, DEVICE_RETRY, Loss, Retry, SETTLE_RETRY, Wait};
use super::update::{Change, PendingConfig};
use super::watcher;
use crate::config::Camera;
use crate::error::Error;
use crate::format::h264::Refused;
use crate::log_info;
use crate::source::{self, Any, History, Source, Watch};
use crate::stream::{Condition, Stream};
use crate::sys::poll::{PollFd, PollFlags, events, poll, readable};
use crate::sys::usage;
use std::mem;
use std::os::fd::AsFd;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How long one wait for frames may take: how soon the pump looks at the clock again.
const FRAME_WAIT: Duration = Duration::from_millis(500);
/// News of device nodes come in bursts (a camera's nodes, their permissions, links): the look is so much later.
const NEWS_TOGETHER: Duration = Duration::from_millis(20);
/// Key frames are not asked for more often than this, however many viewers need one.
const KEY_FRAME_EVERY: Duration = Duration::from_millis(500);
/// At the start the source is looked at for so long, watched or not: what is wrong with it shows in the log while
/// somebody looks there, and what it gives is known before the first viewer comes.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// Why a source is closed.
enum Close {
    Stop,
    Unwatched,
    Lost(Error),
    Refused(Refused),
    /// The camera that the placeholder stood in for is there.
    Replaced,
    /// The config is another one now.
    Changed,
}

/// Runs until the stream is stopped. A panic, which is a fault of this program, costs the camera a while and nobody else
/// anything.
pub fn run(stream: &Arc<Stream>, camera: &Camera, pending: &PendingConfig) {
    let mut pump = Pump::new(stream, camera, pending);
    pump.report.config(camera);
    pump.take_config();
    while !stream.stopping() {
        stream.heartbeat(Duration::ZERO);
        pump.survive(Pump::turn);
    }
}

struct Pump<'a> {
    stream: &'a Arc<Stream>,
    camera: Camera,
    pending: &'a PendingConfig,
    ingest: Ingest<'a>,
    report: Report<'a>,
    retry: Retry,
    history: History,
    /// The last listener, while it may have the microphone.
    listener: Weak<Stop>,
    /// When it began with this source.
    started: Instant,
    unwatched_since: Option<Instant>,
}

impl<'a> Pump<'a> {
    fn new(stream: &'a Arc<Stream>, camera: &Camera, pending: &'a PendingConfig) -> Pump<'a> {
        Pump {
            stream,
            camera: camera.clone(),
            pending,
            ingest: Ingest::new(stream, camera.rotation),
            report: Report::new(stream),
            retry: Retry::new(camera.source.is_command()),
            history: History::default(),
            listener: Weak::new(),
            started: Instant::now(),
            unwatched_since: None,
        }
    }

    /// Hands over what of the config is for others.
    fn take_config(&self) {
        controls::take_config(self.stream, &self.camera);
        let threshold = self.stream.controls.threshold();
        let motion = threshold.map(|threshold| (threshold, self.camera.motion_gap));
        self.stream.motion.want(motion);
    }

    /// Takes a turn. What stays of a pump whose turn ended in a panic is good for the next: its source is closed, and its
    /// own fields are plain values.
    fn survive(&mut self, turn: impl FnOnce(&mut Self)) {
        if panic::catch_unwind(AssertUnwindSafe(|| turn(self))).is_err() {
            self.ingest.begin_epoch();
            self.stream.publish(|state| state.faults += 1);
            let why = "a fault of this program; please report it, with the log";
            self.report.condition(Condition::Lost, why);
            self.wait(Wait::FAULT, None);
        }
    }

    /// Sleeps, or opens the source and moves its frames, and waits for the next time to.
    fn turn(&mut self) {
        self.apply_pending(None);
        if self.may_sleep(Instant::now()) {
            return self.sleep();
        }
        // What was wrong is so until a frame proves otherwise.
        if !matches!(self.condition(), Condition::Lost | Condition::Refused) {
            self.report.condition(Condition::Starting, "");
        }
        // Before the look, so that nothing comes unseen between the two.
        let mut watch = source::watch(&self.camera.source);
        let camera = controls::with_changes(self.stream, &self.camera);
        let wait = match source::open(&camera, &mut self.history) {
            Ok(mut source) => {
                let close = self.flow(source.as_mut(), &mut watch);
                self.stream.controls.closed();
                source.remember(&mut self.history);
                // And all is said before the source is closed: that takes its time, of a driver that hangs for ever.
                self.ingest.begin_epoch();
                match close {
                    Close::Unwatched => return self.stream.ring.clear(),
                    Close::Stop | Close::Replaced | Close::Changed => return,
                    Close::Lost(e) if e.is_change() => {
                        log_info!("{}: {e}", self.stream.name);
                        Wait::CHANGED
                    }
                    Close::Lost(e) => {
                        let came = self.ingest.gave_frames();
                        if came {
                            self.retry.reset_backoff();
                        }
                        let pipeline = source.info().pipeline.clone();
                        self.history.record_failure(pipeline, came, &e);
                        self.lose(&e, watch.is_some(), Instant::now())
                    }
                    Close::Refused(why) => {
                        let why = format!("the stream can't be served: {why}");
                        self.report.condition(Condition::Refused, &why);
                        Wait::REFUSED
                    }
                }
            }
            Err(e) => self.lose(&e, watch.is_some(), Instant::now()),
        };
        self.wait(wait, watch.as_ref());
    }

    fn condition(&self) -> Condition {
        self.stream.state().condition
    }

    /// Takes over a new config, if there is one; false if a source that is open has to be closed.
    fn apply_pending(&mut self, source: Option<&mut dyn Source>) -> bool {
        let Some(new) = self.pending.take() else {
            return true;
        };
        let old = mem::replace(&mut self.camera, new);
        self.take_config();
        let goes_on = match Change::between(&old, &self.camera) {
            Change::Controls(changed) => {
                self.stream.motion.disturb();
                changed.is_empty() || source.is_none_or(|source| source.set_controls(&changed))
            }
            Change::Source => {
                self.report.config(&self.camera);
                self.ingest.source_changed(self.camera.rotation);
                self.retry.source_changed();
                self.history = History::default();
                self.started = Instant::now();
                self.report.source_changed();
                self.report.condition(Condition::Starting, "");
                false
            }
        };
        let does = if goes_on { "goes on" } else { "starts anew" };
        log_info!("{}: {does} with the new config", self.stream.name);
        goes_on
    }

    /// True if nobody has watched for long enough.
    fn may_sleep(&mut self, now: Instant) -> bool {
        let may_sleep = self.camera.auto_sleep && !self.camera.motion;
        if !may_sleep || self.stream.viewer_count() > 0 {
            self.unwatched_since = None;
            return false;
        }
        let since = *self.unwatched_since.get_or_insert(now);
        if !self.ingest.is_known() && now.saturating_duration_since(self.started) < FIRST_LOOK {
            return false;
        }
        now.saturating_duration_since(since) >= self.camera.linger
    }

    /// Waits for a viewer. A device may go and come in the meantime, and that is published; nothing is started.
    fn sleep(&mut self) {
        // Before the look, so that nothing goes unseen between the two.
        let watch = source::watch(&self.camera.source);
        match source::absence(&self.camera.source) {
            Some(e) => _ = self.lose(&e, watch.is_some(), Instant::now()),
            None => {
                let state = self.stream.state();
                let at_last_try = match state.condition {
                    Condition::Refused => true,
                    Condition::Lost => self.retry.is_there(),
                    _ => false,
                };
                let why = match state.condition {
                    _ if at_last_try => format!("at the last try: {}", state.why),
                    Condition::Asleep => state.why,
                    _ => String::new(),
                };
                self.report.condition(Condition::Asleep, &why);
                self.report.forget_jpeg(&self.camera.source);
                // Most of it is not run while nobody watches.
                usage::release_code();
            }
        }
        self.wait(Wait::ASLEEP, watch.as_ref());
        self.retry.reset_backoff();
    }

    /// Reports that the source is lost, where that is news; gives the time until the next try.
    fn lose(&mut self, e: &Error, watched: bool, now: Instant) -> Wait {
        let absent = e.is_absent();
        if absent {
            self.history.turned = false;
            self.stream.ptz.camera_is(None);
        }
        let loss = Loss {
            absent,
            shown: self.condition() == Condition::Lost,
            // A driver can be gone and its node be there: nothing reports when that is over.
            watched: absent && watched && source::absence(&self.camera.source).is_some(),
        };
        let verdict = self.retry.lost(loss, now);
        if verdict.is_news {
            self.report.lost(e);
        }
        verdict.wait
    }

    /// Waits for the time to pass, or for news of devices or of a signal, or for a first viewer.
    fn wait(&mut self, wait: Wait, watch: Option<&Watch>) {
        let begun = Instant::now();
        let mut signal = self.history.signal.take();
        // Who came before the wait began counts as a first viewer too where none is to be kept waiting.
        let mut unwatched = wait.soonest.is_zero();
        loop {
            let viewers = self.stream.viewer_count();
            unwatched |= viewers == 0;
            let somebody_came = unwatched && viewers > 0;
            let until = if somebody_came { wait.soonest } else { wait.most };
            let left = until.saturating_sub(begun.elapsed());
            if left.is_zero() || self.stream.stopping() || self.pending.is_some() {
                return;
            }
            let mut files = vec![readable(self.stream.woken())];
            if let Some(watch) = watch {
                files.push(readable(watch.as_fd()));
            }
            if let Some(signal) = &signal {
                files.push(PollFd::new(signal.as_fd(), PollFlags::POLLPRI));
            }
            self.stream.heartbeat(left);
            _ = poll(&mut files, Some(left));
            self.stream.heartbeat(Duration::ZERO);
            self.stream.drain_wakes();
            if let (Some(_), Some(file)) = (&signal, files.last()) {
                match events(file) {
                    none if none.is_empty() => {}
                    changed if changed.contains(PollFlags::POLLPRI) => {
                        // It may change some more times before it is steady.
                        thread::sleep(SETTLE_RETRY.saturating_sub(begun.elapsed()));
                        return;
                    }
                    // poll(2) would say it for ever.
                    _ => signal = None,
                }
            }
            if watch.is_some_and(Watch::take_news) {
                // However much comes and goes there, no more tries than these.
                thread::sleep(NEWS_TOGETHER.max(SETTLE_RETRY.saturating_sub(begun.elapsed())));
                return;
            }
        }
    }

    /// Moves frames until the source is to be closed.
    fn flow(&mut self, source: &mut dyn Source, watch: &mut Option<Watch>) -> Close {
        let mut info = source.info().clone();
        if listener::name(&self.camera).is_some() {
            // As it was before, lest who watches on needs another init segment twice.
            info.sound = self.stream.ring.sound();
        }
        let (is_placeholder, mut looked) = (info.placeholder, Instant::now());
        self.stream.publish(|state| state.opens += 1);
        self.retry.opened(info.command);
        self.history.was_there |= !is_placeholder;
        self.report.source(&info);
        self.stream.ptz.camera_is(info.node.as_deref());
        self.ingest.open(info, looked);
        controls::opened(self.stream, source);
        watcher::start(self.stream);
        let mut heard = (self.ingest.gives_jpeg(), self.camera.mic_gain);
        let mut listener = Listener::start(self.stream, &self.camera, heard.0, &mut self.listener);
        let (mut key_asked, mut key_requested) = (None::<Instant>, false);
        loop {
            self.stream.heartbeat(FRAME_WAIT);
            let (ingest, report) = (&mut self.ingest, &mut self.report);
            let mut take = |signal: source::Signal<'_>| ingest.on_signal(signal, report);
            let polled = source.poll(self.stream.woken(), FRAME_WAIT, &mut take);
            self.ingest.publish_losses(source.drops(), &mut self.report);
            self.ingest.publish_patience(source.patience());
            if let Some(why) = self.ingest.take_refusal() {
                return Close::Refused(why);
            }
            if let Err(e) = polled {
                return Close::Lost(e);
            }
            // What a command gives, its first picture shows.
            let wanted = (self.ingest.gives_jpeg(), self.camera.mic_gain);
            if wanted != heard {
                heard = wanted;
                drop(listener);
                listener = Listener::start(self.stream, &self.camera, heard.0, &mut self.listener);
            }
            self.stream.drain_wakes();
            if self.stream.stopping() {
                return Close::Stop;
            }
            if !self.apply_pending(Some(source)) || self.stream.controls.take_restart() {
                return Close::Changed;
            }
            if self.stream.controls.needs_thread() {
                controls::start(self.stream, source);
            }
            let now = Instant::now();
            if self.may_sleep(now) {
                return Close::Unwatched;
            }
            let is_past = |last: Instant, time| now.saturating_duration_since(last) >= time;
            key_requested |= self.stream.take_key_frame_request() || self.ingest.needs_key_frame();
            if key_requested && key_asked.is_none_or(|asked| is_past(asked, KEY_FRAME_EVERY)) {
                (key_requested, key_asked) = (false, Some(now));
                source.request_key_frame();
            }
            if is_placeholder && may_look(now.saturating_duration_since(looked), watch.as_ref()) {
                looked = now;
                *watch = source::watch(&self.camera.source);
                if let Some(Any::Device(path) | Any::Sensor(path)) = source::find_any(&self.camera) {
                    log_info!("{}: a camera appears: {}", self.stream.name, path.display());
                    return Close::Replaced;
                }
            }
            self.ingest.measure(now, source.doubt(now), &mut self.report);
        }
    }
}

/// True if the placeholder's pump should look for a camera, so long `after` the last time.
fn may_look(after: Duration, watch: Option<&Watch>) -> bool {
    match watch {
        Some(watch) => after >= ABSENT_RETRY || after >= SETTLE_RETRY && watch.take_news(),
        None => after >= DEVICE_RETRY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::ring::{Follower, Limits, Next};
    use crate::stream::Who;

    static NO_PENDING: PendingConfig = PendingConfig::new();
    const LIMITS: Limits = Limits {
        max_age: Duration::from_secs(1),
        join_max: Duration::from_secs(4),
        join_max_bytes: 1_000_000,
        max_senders: 1,
        hold: Duration::ZERO,
        patience: Duration::ZERO,
    };

    fn new_stream() -> Arc<Stream> {
        Arc::new(Stream::new("camera0", LIMITS).unwrap())
    }

    #[test]
    fn an_absence_has_one_reason_and_permissions_have_time_to_settle() {
        let (stream, config) = (new_stream(), Config::for_device("/dev/no-such-video").unwrap());
        let mut pump = Pump::new(&stream, &config.cameras[0], &NO_PENDING);
        let start = Instant::now();
        let unplugged = Error::new("a", "camera lost", "unplugged").absent(true);
        let none = Error::new("a", "can't open it", "no such device").absent(true);
        let refused = Error::new("a", "can't open it", "no permission");
        let (none_why, refused_why) = (none.to_string(), refused.to_string());
        let mut lose = |e: &Error, at_ms: u64| {
            let retry = pump.lose(e, true, start + Duration::from_millis(at_ms)).most;
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
            pump.report.condition(condition, "");
        }
        assert_eq!(pump.lose(&none, false, start).most, DEVICE_RETRY);
        let state = stream.state();
        assert_eq!((state.condition, state.why), (Condition::Lost, none_why));
    }

    #[test]
    fn who_comes_when_the_others_have_left_is_a_first_viewer() {
        let (stream, config) = (new_stream(), Config::default());
        let mut pump = Pump::new(&stream, &config.cameras[0], &NO_PENDING);
        let address = Who::Net("192.0.2.1:1".parse().unwrap());
        let early = stream.watch(address, "mp4");
        let wait = Wait {
            most: Duration::from_secs(600),
            soonest: Duration::from_millis(1),
        };
        let (sender, woke) = std::sync::mpsc::channel();
        let woke = thread::scope(|scope| {
            let stream = &stream;
            scope.spawn(move || {
                pump.wait(wait, None);
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
    fn a_fault_is_counted_and_the_camera_comes_back() {
        let (stream, config) = (new_stream(), Config::for_test());
        let pending = PendingConfig::new();
        let mut pump = Pump::new(&stream, &config.cameras[0], &pending);
        // Nothing is waited for.
        pending.submit(config.cameras[0].clone(), &stream);
        pump.survive(|_| panic!("a fault, for the test"));
        let state = stream.state();
        assert_eq!((state.condition, state.faults), (Condition::Lost, 1));
        assert!(state.why.contains("fault of this program"), "{}", state.why);
        assert_eq!(pump.ingest.epoch, 1);

        let address = Who::Net("192.0.2.1:1".parse().unwrap());
        let _viewer = stream.watch(address, "mp4");
        let came = thread::scope(|scope| {
            scope.spawn(|| pump.survive(Pump::turn));
            let mut follower = Follower::new(&stream.ring, false);
            let came = (0..60).any(|_| matches!(follower.next(Duration::from_secs(1)), Next::Batch(_)));
            stream.stop();
            came
        });
        assert!(came);
    }

    #[test]
    fn the_picture_that_stands_in_is_not_kept_waiting() {
        let (stream, config) = (new_stream(), Config::default());
        let mut pump = Pump::new(&stream, &config.cameras[0], &NO_PENDING);
        let unplugged = Error::new("a", "camera lost", "unplugged").absent(true);
        assert_eq!(pump.lose(&unplugged, true, Instant::now()).most, DEVICE_RETRY);
    }
}
