//! What an event is, and how it is told.

use crate::format::json::Object;
use crate::format::time::UtcDate;
use crate::sys::clock;
use std::path::Path;

/// The kind of a camera's loss: it begins when there is no picture to be had, and ends when there is again.
pub const LOST: &str = "lost";
/// The kind that says that a client found no place.
pub const FULL: &str = "full";
/// The kind of motion before the camera. It may also be a mark of somebody else's sensor.
pub const MOTION: &str = "motion";
/// The kinds that the program itself finds out, which nobody else can mark.
pub const OWN: [&str; 3] = [LOST, FULL, RECORDED];

/// What a finished recording is; only `record_done_command` is told of it.
pub(super) const RECORDED: &str = "recorded";

/// The state of what begins and has an end.
pub const START: &str = "start";
/// The state of what began before.
pub const END: &str = "end";
/// The state of what has no length.
pub const MARK: &str = "mark";

/// A kind has so many characters at most.
const KIND_CHARS: usize = 32;

/// Something that happened at a camera.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// Greater than those of all events before it, those before the program's start included.
    pub number: u64,
    /// The camera's name.
    pub camera: String,
    /// What happened, in a word.
    pub kind: String,
    /// [`START`], [`END`] or [`MARK`].
    pub state: &'static str,
    /// When it happened, by CLOCK_MONOTONIC, in microseconds.
    pub at_us: u64,
    /// All of it as JSON; of a recording, its path.
    pub text: String,
}

impl Event {
    /// An event of that time. `began` is the number of the event that began what this one ends.
    pub(super) fn new(
        number: u64,
        (camera, kind, state): (&str, &str, &'static str),
        began: Option<u64>,
        why: &str,
        at_ms: u64,
    ) -> Event {
        let text = Object::new()
            .text("camera", camera)
            .text("kind", kind)
            .text("id", &began.unwrap_or(number).to_string())
            .text("state", state)
            .text("at", &UtcDate(at_ms).to_string())
            .member("at_unix_ms", at_ms)
            .text("why", why)
            .end();
        Event {
            number,
            camera: camera.into(),
            kind: kind.into(),
            state,
            at_us: clock::monotonic_us(),
            text,
        }
    }
}

impl Event {
    /// That a recording is finished.
    pub(super) fn recorded(camera: &str, file: &Path) -> Event {
        Event {
            number: 0,
            camera: camera.into(),
            kind: RECORDED.into(),
            state: END,
            at_us: clock::monotonic_us(),
            text: file.to_string_lossy().into(),
        }
    }
}

/// True if it can be a kind: a short word that means itself wherever it stands.
pub fn is_kind(word: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=KIND_CHARS).contains(&word.len()) && word.bytes().all(good)
}
