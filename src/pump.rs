//! The loop that moves frames: source → format → ring. It stops the source while nobody watches, and opens it
//! again whenever it is lost, for ever.

use crate::config::{Camera, SourceKind};
use crate::error::Error;
use crate::format::fmp4::{Fragment, Init, Timeline};
use crate::format::h264::{AccessUnit, Reader, Refused};
use crate::source::{self, Drops, Frame, Signal, Source};
use crate::stream::{Condition, Losses, State, Stream};
use crate::{log_info, log_warning};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one wait for frames may take: how soon the pump looks at the clock again.
const WAIT: Duration = Duration::from_millis(500);
/// A device is looked for again after this.
const DEVICE_RETRY: Duration = Duration::from_secs(1);
/// A command is started again after this, and after twice as long each time that it ends without a frame, ...
const COMMAND_RETRY: Duration = Duration::from_secs(1);
/// ... up to this.
const COMMAND_RETRY_MOST: Duration = Duration::from_secs(30);
/// A stream that can't be served is looked at again after this: somebody may have mended its source.
const REFUSED_RETRY: Duration = Duration::from_secs(10);
/// A stream without a key frame for so long is named.
const NO_KEY: Duration = Duration::from_secs(10);
/// Key frames are not asked for more often than this, however many want one.
const KEY_WANTS: Duration = Duration::from_millis(500);
/// The test picture looks for the camera that it stands in for this often.
const LOOK_FOR_CAMERA: Duration = Duration::from_secs(1);
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
}

/// Runs until the stream is stopped.
pub fn run(stream: &Stream, camera: &Camera) {
    let mut pump = Pump {
        stream,
        camera,
        timeline: Timeline::new(None),
        init: None,
        epoch: 0,
        started: Instant::now(),
        unwatched_since: None,
        backoff: COMMAND_RETRY,
        last_said: String::new(),
        said_once: HashSet::new(),
    };
    while !stream.stopping() {
        if pump.may_sleep(Instant::now()) {
            pump.say(Condition::Asleep, "");
            pump.wait(None);
            pump.backoff = COMMAND_RETRY;
            continue;
        }
        // What was wrong is so until a frame proves otherwise.
        if !matches!(pump.state().condition, Condition::Lost | Condition::Refused) {
            pump.say(Condition::Starting, "");
        }
        let retry = match source::open(camera, &mut pump.said_once) {
            Ok(mut source) => {
                let frames = pump.state().frames;
                let close = pump.flow(source.as_mut());
                // What comes after is not to be mixed with what was before. First of all: closing takes its time.
                stream.ring.begin_epoch();
                pump.epoch += 1;
                drop(source);
                match close {
                    Close::Stop | Close::Unwatched | Close::Replaced => continue,
                    Close::Lost(e) => {
                        if pump.state().frames > frames {
                            pump.backoff = COMMAND_RETRY;
                        }
                        pump.say(Condition::Lost, &e.to_string());
                        pump.retry()
                    }
                    Close::Refused(why) => {
                        pump.say(Condition::Refused, &format!("the stream can't be served: {why}"));
                        REFUSED_RETRY
                    }
                }
            }
            Err(e) => {
                pump.say(Condition::Lost, &e.to_string());
                pump.retry()
            }
        };
        pump.wait(Some(retry));
    }
}

struct Pump<'a> {
    stream: &'a Stream,
    camera: &'a Camera,
    timeline: Timeline,
    /// The newest init segment, kept over reopening: where nothing changed, clients go on with it.
    init: Option<Arc<Init>>,
    epoch: u32,
    started: Instant,
    unwatched_since: Option<Instant>,
    backoff: Duration,
    /// What the log has about the camera's state, so that it is said once.
    last_said: String,
    /// What the log has about a source that can't do as wished: waking up is no reason to say it again.
    said_once: HashSet<String>,
}

impl Pump<'_> {
    fn state(&self) -> State {
        self.stream.state()
    }

    /// Publishes a condition, and logs it if it is another one than before.
    fn say(&mut self, condition: Condition, why: &str) {
        self.stream.publish(|state| {
            if state.condition != condition || state.since.is_none() {
                state.since = Some(Instant::now());
                (state.fps, state.bitrate_bps, state.key_interval_ms) = (0.0, 0, None);
            }
            (state.condition, state.why) = (condition, why.to_string());
            if condition == Condition::Lost {
                state.stand_in = false;
            }
        });
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
        if self.init.is_none() && now.saturating_duration_since(self.started) < FIRST_LOOK {
            return false;
        }
        now.saturating_duration_since(since) >= self.camera.linger
    }

    /// After a loss: how long until the next try.
    fn retry(&mut self) -> Duration {
        match self.camera.source {
            SourceKind::Exec { .. } => {
                let wait = self.backoff;
                self.backoff = (self.backoff * 2).min(COMMAND_RETRY_MOST);
                wait
            }
            _ => DEVICE_RETRY,
        }
    }

    /// Waits for a want to change or for the time to pass.
    fn wait(&mut self, most: Option<Duration>) {
        let deadline = most.map(|most| Instant::now() + most);
        loop {
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            let timeout = match left {
                Some(left) => PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
                None => PollTimeout::NONE,
            };
            _ = poll(
                &mut [PollFd::new(self.stream.woken(), PollFlags::POLLIN)],
                timeout,
            );
            self.stream.drain_wakes();
            let over = left.is_none_or(|left| left.is_zero());
            // A viewer who comes or goes does not bring a lost camera back sooner.
            if over || self.stream.stopping() {
                return;
            }
        }
    }

    /// Moves frames until the source is to be closed.
    fn flow(&mut self, source: &mut dyn Source) -> Close {
        let facts = source.facts().clone();
        self.stream.publish(|state| {
            state.source.clone_from(&facts.description);
            state.stand_in = facts.stand_in;
        });
        self.timeline.restart(facts.fps);
        let before = self.state().losses;
        let now = Instant::now();
        let mut intake = Intake {
            reader: Reader::new(),
            needs_key: true,
            key_missed_since: now,
            keyless: false,
            key_trouble: String::new(),
            long_groups: false,
            unreadable: 0,
            after_loss: 0,
            last_key_us: None,
            measured: Measured {
                since: now,
                frames: 0,
                bytes: 0,
            },
            refused: None,
            first: true,
        };
        let mut key_asked: Option<Instant> = None;
        let mut key_wanted = false;
        let mut looked = now;
        loop {
            let polled = source.poll(self.stream.woken(), WAIT, &mut |signal| {
                self.take(&mut intake, signal, &facts)
            });
            let drops = source.drops();
            self.stream
                .publish(|state| state.losses = intake.losses(before, drops));
            if let Some(why) = intake.refused {
                return Close::Refused(why);
            }
            if let Err(e) = polled {
                return Close::Lost(e);
            }
            self.stream.drain_wakes();
            if self.stream.stopping() {
                return Close::Stop;
            }
            let now = Instant::now();
            if self.may_sleep(now) {
                return Close::Unwatched;
            }
            key_wanted |= self.stream.take_key_want() || intake.needs_key && !intake.first;
            if key_wanted && key_asked.is_none_or(|asked| now.saturating_duration_since(asked) >= KEY_WANTS) {
                key_wanted = false;
                key_asked = Some(now);
                source.force_key();
            }
            if facts.stand_in && now.saturating_duration_since(looked) >= LOOK_FOR_CAMERA {
                looked = now;
                if let Some(path) = source::find_camera() {
                    log_info!("{}: a camera appears: {}", self.stream.name, path.display());
                    return Close::Replaced;
                }
            }
            if now.saturating_duration_since(intake.measured.since) >= MEASURE {
                self.watch_keys(&mut intake, now);
                self.measure(&mut intake, now);
            }
        }
    }

    fn take(&mut self, intake: &mut Intake, signal: Signal<'_>, facts: &source::Facts) {
        intake.keyless |= matches!(signal, Signal::Frame(_));
        match signal {
            Signal::Gap => intake.needs_key = true,
            Signal::Frame(frame) => match intake.reader.read(frame.data) {
                Ok(Some(unit)) => {
                    if let Some(parameters) = intake.reader.parameters().cloned() {
                        let init = match self.init.take() {
                            Some(init) if Arc::ptr_eq(&init.parameters, &parameters) => init,
                            old => {
                                let new = Init::new(parameters, self.camera.rotation);
                                old.filter(|old| old.bytes == new.bytes)
                                    .unwrap_or_else(|| Arc::new(new))
                            }
                        };
                        self.init = Some(Arc::clone(&init));
                        self.mux(intake, &unit, frame, init, facts);
                    }
                }
                Ok(None) => {}
                Err(Refused::Damaged(what)) => {
                    intake.unreadable += 1;
                    intake.needs_key = true;
                    if intake.unreadable == 1 {
                        log_warning!(
                            "{}: a frame can't be read as H.264 ({what}); such frames are counted in /status",
                            self.stream.name
                        );
                    }
                }
                Err(why) => intake.refused = Some(why),
            },
        }
    }

    fn mux(
        &mut self,
        intake: &mut Intake,
        unit: &AccessUnit<'_>,
        frame: Frame<'_>,
        init: Arc<Init>,
        facts: &source::Facts,
    ) {
        if intake.needs_key && !unit.key {
            intake.after_loss += u64::from(!intake.first);
            return;
        }
        let span = self.timeline.place(frame.captured_us);
        let fragment = match Fragment::new(Arc::clone(&init), unit, span, frame.captured_us, self.epoch) {
            Ok(fragment) => fragment,
            Err(e) => {
                log_warning!("{}: {e}", self.stream.name);
                intake.unreadable += 1;
                intake.needs_key = true;
                return;
            }
        };
        intake.measured.frames += 1;
        intake.measured.bytes += fragment.size_bytes();
        let key = fragment.key;
        let now = Instant::now();
        let mut interval_ms = None;
        if key {
            intake.needs_key = false;
            (intake.key_missed_since, intake.keyless) = (now, false);
            interval_ms = intake
                .last_key_us
                .map(|last| frame.captured_us.saturating_sub(last) / 1000);
            intake.last_key_us = Some(frame.captured_us);
        }
        let first = std::mem::take(&mut intake.first);
        self.stream.publish(|state| {
            state.frames += 1;
            state.last_frame = Some(now);
            if key {
                state.key_interval_ms = interval_ms.or(state.key_interval_ms);
            }
            if first {
                (state.condition, state.since) = (Condition::Live, Some(now));
                state.why.clear();
            }
            state.init = Some(Arc::clone(&init));
        });
        // After the state: who has the first frame finds the camera live.
        self.stream.ring.push(Arc::new(fragment));
        if first {
            let line = format!(
                "{}: live: {}, {}x{}, {}{}",
                self.stream.name,
                facts.description,
                init.width,
                init.height,
                init.codec,
                if facts.stand_in {
                    ", until a camera appears"
                } else {
                    ""
                }
            );
            log_info!("{line}");
            self.last_said = line;
        }
    }

    /// Names a stream that can't be joined, or not at any time: without key frames, or with too few of them.
    fn watch_keys(&mut self, intake: &mut Intake, now: Instant) {
        let missed = now.saturating_duration_since(intake.key_missed_since);
        let why = if missed >= NO_KEY && intake.keyless {
            format!(
                "no key frame for {} s: nobody can join before the next one. Set the encoder to one every second or two",
                NO_KEY.as_secs()
            )
        } else if intake.long_groups || self.stream.ring.too_long_to_join() {
            intake.long_groups = true;
            "key frames are far apart: who comes in between waits for the next one (join_max_s, join_max_mb). \
             Set the encoder to one every second or two"
                .to_string()
        } else {
            String::new()
        };
        if why != intake.key_trouble {
            if !why.is_empty() && self.said_once.insert(why.clone()) {
                log_warning!("{}: {why}", self.stream.name);
            }
            intake.key_trouble.clone_from(&why);
            self.stream.publish(|state| state.why = why);
        }
    }

    fn measure(&mut self, intake: &mut Intake, now: Instant) {
        let measured = &mut intake.measured;
        let seconds = now.saturating_duration_since(measured.since).as_secs_f64();
        let fps = measured.frames as f64 / seconds;
        let bits = (measured.bytes * 8) as f64 / seconds;
        *measured = Measured {
            since: now,
            frames: 0,
            bytes: 0,
        };
        self.stream
            .publish(|state| (state.fps, state.bitrate_bps) = (fps, bits as u64));
    }
}

/// What is known of a source's stream while it is open.
struct Intake {
    reader: Reader,
    /// What comes before the next key frame can't be decoded.
    needs_key: bool,
    key_missed_since: Instant,
    /// Frames have come since then, whether of use or not.
    keyless: bool,
    /// What has been said of key frames that are missing or far apart.
    key_trouble: String,
    long_groups: bool,
    unreadable: u64,
    after_loss: u64,
    last_key_us: Option<u64>,
    measured: Measured,
    refused: Option<Refused>,
    /// No fragment yet.
    first: bool,
}

impl Intake {
    /// All losses since the program started, with those of this source.
    fn losses(&self, before: Losses, drops: Drops) -> Losses {
        Losses {
            gaps: before.gaps + drops.gaps,
            damaged: before.damaged + drops.damaged,
            short: before.short + drops.short,
            unreadable: before.unreadable + self.unreadable,
            after_loss: before.after_loss + self.after_loss,
            bad_time: before.bad_time + drops.bad_time,
        }
    }
}

struct Measured {
    since: Instant,
    frames: u64,
    bytes: usize,
}
