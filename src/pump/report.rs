//! What a pump says of its camera, in the stream's state and in the log.

use crate::config::{Camera, SourceKind};
use crate::error::Error;
use crate::format::Codec;
use crate::source::SourceInfo;
use crate::stream::{Condition, Stream};
use crate::{log_info, log_warning};
use std::time::{Duration, Instant};

/// Frames of no use are logged once in so long.
const USELESS_EVERY: Duration = Duration::from_secs(60);

/// Publishes what becomes of a camera, and logs it, each thing once.
pub(super) struct Report<'a> {
    stream: &'a Stream,
    /// The newest line in the log on the camera's condition.
    last_line: String,
    /// The newest line in the log on the devices that its frames pass through, and why these.
    last_chain: String,
    /// When a frame of no use was last in the log.
    useless_at: Option<Instant>,
    /// The warnings that are in the log already.
    warned: Vec<String>,
}

impl<'a> Report<'a> {
    pub fn new(stream: &'a Stream) -> Report<'a> {
        Report {
            stream,
            last_line: String::new(),
            last_chain: String::new(),
            useless_at: None,
            warned: Vec::new(),
        }
    }

    /// Publishes what is known by the config alone.
    pub fn config(&self, camera: &Camera) {
        let (codec, rotation) = (camera.source.codec_hint(), camera.rotation);
        self.stream
            .publish(|state| (state.codec, state.rotation) = (codec, rotation));
    }

    /// Publishes a condition, and logs it if it is another one than before.
    pub fn condition(&mut self, condition: Condition, why: &str) {
        self.publish(condition, why);
        let line = match condition {
            Condition::Starting | Condition::Live => return,
            Condition::Asleep => format!("{}: sleeps until somebody watches", self.stream.name),
            Condition::Lost | Condition::Refused => format!("{}: {why}", self.stream.name),
        };
        self.log(condition, line);
    }

    /// Publishes that the source is lost, and logs it with what clients are not to know, if it is news.
    pub fn lost(&mut self, e: &Error) {
        self.publish(Condition::Lost, &e.for_clients());
        self.log(Condition::Lost, format!("{}: {e}", self.stream.name));
    }

    fn publish(&self, condition: Condition, why: &str) {
        self.stream.publish(|state| {
            if state.condition != condition || state.since.is_none() {
                state.since = Some(Instant::now());
                (state.fps, state.bitrate_bps, state.key_interval_ms) = (0.0, 0, None);
            }
            (state.condition, state.why) = (condition, why.to_string());
            if condition == Condition::Lost {
                state.placeholder = false;
                state.signal.clear();
            }
        });
        self.stream.notify_viewers();
    }

    fn log(&mut self, condition: Condition, line: String) {
        if line == self.last_line {
            return;
        }
        if condition == Condition::Asleep {
            log_info!("{line}");
        } else {
            log_warning!("{line}");
        }
        self.last_line = line;
    }

    /// Publishes which source was opened.
    pub fn source(&mut self, info: &SourceInfo) {
        self.stream.publish(|state| {
            state.source.clone_from(&info.description);
            state.placeholder = info.placeholder;
            state.jpeg_too = info.jpeg_too;
            state.chain.clone_from(&info.chain);
            state.chain_why.clone_from(&info.why);
            state.input.clone_from(&info.input);
            state.signal.clone_from(&info.signal);
        });
        if !info.chain.is_empty() {
            let line = format!("{}: {}: {}", self.stream.name, info.chain, info.why);
            if self.last_chain != line {
                log_info!("{line}");
                self.last_chain = line;
            }
        }
        self.stream.notify_viewers();
    }

    /// Has viewers look at a camera that is live by now, and logs what it gives.
    pub fn live(&mut self, info: &SourceInfo, codec: &str, (width, height): (u32, u32)) {
        self.stream.notify_viewers();
        let until = if info.placeholder {
            ", until a camera appears"
        } else {
            ""
        };
        let (camera, source) = (&self.stream.name, &info.description);
        self.last_line = format!("{camera}: live: {source}, {width}x{height}, {codec}{until}");
        log_info!("{}", self.last_line);
    }

    /// Publishes what is odd about a stream that is live, or that nothing is any more; a warning is logged once.
    pub fn oddity(&mut self, why: &str) {
        if !why.is_empty() && !self.warned.iter().any(|warned| warned == why) {
            self.warned.push(why.to_string());
            log_warning!("{}: {why}", self.stream.name);
        }
        self.reason(why);
    }

    /// Publishes what is wrong with a frame that was left out, and logs it, but not for each one. It is the reason why there
    /// is no picture while none has come.
    pub fn useless(&mut self, what: &str, none_came: bool, now: Instant) {
        let line = format!("a frame is of no use ({what}); such frames are counted in /status");
        let is_recent = |at: Instant| now.saturating_duration_since(at) < USELESS_EVERY;
        if !self.useless_at.is_some_and(is_recent) {
            self.useless_at = Some(now);
            log_warning!("{}: {line}", self.stream.name);
        }
        let state = self.stream.state();
        if state.last_fault != what {
            self.stream.publish(|state| state.last_fault = what.to_string());
        }
        if none_came && state.why != line {
            self.reason(&line);
        }
    }

    /// Publishes why there is no picture, or none that is good, without a word in the log.
    pub fn reason(&self, why: &str) {
        self.stream.publish(|state| state.why = why.to_string());
        self.stream.notify_viewers();
    }

    /// Forgets the codec of a camera that goes to sleep, where it may be another one when it wakes up: what is JPEG for
    /// want of an encoder may be H.264 then, and who asks for that is to wake it.
    pub fn forget_jpeg(&self, kind: &SourceKind) {
        if kind.selects_codec() {
            self.stream
                .publish(|state| state.codec = state.codec.filter(|codec| *codec == Codec::H264));
        }
    }

    /// Forgets what is in the log. What was wrong was so of another source; what is wrong with this one is for the log,
    /// be it the same.
    pub fn source_changed(&mut self) {
        self.last_line.clear();
        self.useless_at = None;
        self.warned.clear();
    }
}
