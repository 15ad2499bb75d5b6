//! What went wrong, in words for the person who can mend it; and the log.
//!
//! Log lines go through a thread of their own with a bounded queue: a terminal, a pipe or a journal that does not
//! drain must never hold a camera up.

use crate::threads;
use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A failure: on what, what was tried, and why it did not work (and what to do about it, if anything). The log shows all
/// of it, as `on: tried: why: detail`; clients get [`Error::for_clients`].
///
/// It is one pointer, so that results are small wherever they pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Parts>);

/// The parts of an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The thing: a device, a file, an address, a camera's name.
    pub on: Box<str>,
    /// The act, such as "can't open it".
    pub tried: Box<str>,
    /// The reason, and what to do about it.
    pub why: Box<str>,
    /// What may hold a secret, such as the words of another program; empty if there is none. For the log only.
    pub detail: Box<str>,
    /// The kind, for callers that treat kinds differently.
    pub kind: Kind,
}

/// Failures that are dealt with in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something prevents it; the reason says what.
    Failed,
    /// The thing is just not there, which is expected of a camera: the program waits for it.
    Absent,
    /// The thing is another one than it was when it was opened: it is opened anew at once.
    Changed,
}

/// The result of most calls that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Makes an error from its three parts, of the kind [`Kind::Failed`].
    pub fn new(on: impl fmt::Display, tried: impl fmt::Display, why: impl fmt::Display) -> Error {
        Error::of(&on, &tried, &why)
    }

    /// Serves all argument types alike, so that its code is in the program once.
    #[inline(never)]
    fn of(on: &dyn fmt::Display, tried: &dyn fmt::Display, why: &dyn fmt::Display) -> Error {
        let text = |part: &dyn fmt::Display| part.to_string().into_boxed_str();
        Error(Box::new(Parts {
            on: text(on),
            tried: text(tried),
            why: text(why),
            detail: Box::default(),
            kind: Kind::Failed,
        }))
    }

    /// Adds what only the log may show.
    pub fn with_detail(mut self, detail: String) -> Error {
        self.0.detail = detail.into_boxed_str();
        self
    }

    /// The failure without its detail: the text that may leave this machine.
    pub fn for_clients(&self) -> String {
        let Parts {
            on,
            tried,
            why,
            detail,
            ..
        } = self.parts();
        let more = if detail.is_empty() {
            ""
        } else {
            "; the log says more"
        };
        format!("{on}: {tried}: {why}{more}")
    }

    /// Makes the kind [`Kind::Changed`].
    pub fn changed(mut self) -> Error {
        self.0.kind = Kind::Changed;
        self
    }

    /// Makes the kind [`Kind::Absent`] where `absent` holds.
    pub fn absent(mut self, absent: bool) -> Error {
        self.0.kind = if absent { Kind::Absent } else { Kind::Failed };
        self
    }

    /// The parts, for callers that show or compare some of them.
    pub fn parts(&self) -> &Parts {
        &self.0
    }

    /// True if the thing is just not there.
    pub fn is_absent(&self) -> bool {
        self.0.kind == Kind::Absent
    }

    /// True if the thing is another one than before.
    pub fn is_change(&self) -> bool {
        self.0.kind == Kind::Changed
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            on,
            tried,
            why,
            detail,
            ..
        } = self.parts();
        write!(f, "{on}: {tried}: {why}")?;
        match &**detail {
            "" => Ok(()),
            detail => write!(f, ": {detail}"),
        }
    }
}

impl std::error::Error for Error {}

/// How much a log line matters; the numbers are syslog's (and so journald's) priorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The program can't go on with what it is for.
    Error = 3,
    /// Something is not as asked for; the program goes on.
    Warning = 4,
    /// One line per change of state.
    Info = 6,
    /// With `--verbose` only.
    Verbose = 7,
}

static VERBOSE: AtomicBool = AtomicBool::new(false);
/// Log lines that may wait for stderr; more are counted and dropped.
const QUEUE_LINES: usize = 256;

struct Queue {
    /// There is a thread that writes them.
    started: bool,
    lines: VecDeque<String>,
    /// The thread has one in hand.
    writing: bool,
    lost: u64,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    started: false,
    lines: VecDeque::new(),
    writing: false,
    lost: 0,
});
static FILLED: Condvar = Condvar::new();
static WRITTEN: Condvar = Condvar::new();

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the log's thread. Without it (in tests) lines are written by their callers.
pub fn start_log(verbose: bool) {
    VERBOSE.store(verbose, Ordering::Relaxed);
    let thread = threads::spawn("log", 64 * 1024, Box::new(write_queue));
    queue().started = thread.is_ok();
}

fn write_queue() {
    let mut queue = queue();
    loop {
        while let Some(line) = queue.lines.pop_front() {
            queue.writing = true;
            drop(queue);
            write_stderr(&line);
            queue = self::queue();
            queue.writing = false;
        }
        WRITTEN.notify_all();
        queue = FILLED.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Waits until what was logged so far is written, at most `limit`.
pub fn flush_log(limit: Duration) {
    _ = WRITTEN.wait_timeout_while(queue(), limit, |queue| queue.writing || !queue.lines.is_empty());
}

/// A line that is fit for a log. Control characters, C1's too, are shown as escapes, since they could play tricks on a
/// terminal; the user and password of a URL (RFC 3986, 3.2.1) are blotted out.
pub fn fit_for_log(line: &str) -> String {
    let mut fit = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        fit.push_str(before);
        fit.push_str("://");
        rest = match userinfo_bytes(before, after) {
            0 => after,
            bytes => {
                fit.push_str("***");
                &after[bytes..]
            }
        };
    }
    fit.push_str(rest);
    if !fit.contains(char::is_control) {
        return fit;
    }
    let mut shown = String::with_capacity(fit.len() + 8);
    for c in fit.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// The length of the userinfo at the beginning of what follows a URL's `://`; what is before it shows how the URL is quoted.
fn userinfo_bytes(before: &str, after: &str) -> usize {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let quote = before.trim_end_matches(is_scheme).chars().next_back();
    let quoted = match quote {
        Some('<') => after.split('>').next(),
        Some(quote @ ('"' | '\'')) => after.split(quote).next(),
        _ => None,
    };
    let word = after.split(char::is_whitespace).next().unwrap_or_default();
    let end = quoted.and_then(userinfo_end).or_else(|| userinfo_end(word));
    // A password may have a blank in it, too.
    let end = end.or_else(|| after.find('@').filter(|_| !is_port(word) && !word.contains('/')));
    end.unwrap_or(0)
}

fn userinfo_end(url: &str) -> Option<usize> {
    let at = authority(url).rfind('@');
    // A password may have a `/` in it that should have been encoded.
    at.or_else(|| url.rfind('@').filter(|_| !is_port(url)))
}

/// True if what stands behind the last colon of an authority may be a port, or there is none.
fn is_port(url: &str) -> bool {
    let authority = authority(url);
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    authority.starts_with('[') || port.bytes().all(|byte| byte.is_ascii_digit())
}

fn authority(url: &str) -> &str {
    url.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Holds a message back that was logged less than a second ago: what befalls one client after the other needs no line each.
pub struct OnceASecond(Mutex<Option<Instant>>);

impl OnceASecond {
    /// For one message.
    pub const fn new() -> OnceASecond {
        OnceASecond(Mutex::new(None))
    }

    /// True if it is to be logged now.
    pub fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= Duration::from_secs(1));
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

impl Default for OnceASecond {
    fn default() -> OnceASecond {
        OnceASecond::new()
    }
}

/// Writes one line; called through the `log_*` macros.
pub fn log_line(level: Level, line: fmt::Arguments<'_>) {
    if level == Level::Verbose && !VERBOSE.load(Ordering::Relaxed) {
        return;
    }
    let line = fit_for_log(&line.to_string());
    // journald takes the priority off the line's start (sd-daemon(3)); people see words.
    static JOURNAL: OnceLock<bool> = OnceLock::new();
    let text = if *JOURNAL.get_or_init(stderr_is_the_journal) {
        format!("<{}>{line}\n", level as u8)
    } else {
        match level {
            Level::Error => format!("error: {line}\n"),
            Level::Warning => format!("warning: {line}\n"),
            Level::Info | Level::Verbose => format!("{line}\n"),
        }
    };
    let mut queue = queue();
    if !queue.started {
        drop(queue);
        return write_stderr(&text);
    }
    if queue.lines.len() >= QUEUE_LINES {
        queue.lost += 1;
        return;
    }
    if queue.lost > 0 {
        let lost = format!("({} log lines lost here)\n", queue.lost);
        queue.lines.push_back(lost);
        queue.lost = 0;
    }
    queue.lines.push_back(text);
    FILLED.notify_one();
}

/// JOURNAL_STREAM names the device and inode that stderr has if it still goes to journald (systemd.exec(5)).
fn stderr_is_the_journal() -> bool {
    let Ok(journal) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|file| journal == format!("{}:{}", file.dev(), file.ino()))
}

fn write_stderr(text: &str) {
    // There is nobody to report it to when stderr is gone.
    _ = std::io::stderr().write_all(text.as_bytes());
}

/// Logs that the program can't do what it is for.
#[macro_export]
macro_rules! log_error { ($($arg:tt)*) => { $crate::error::log_line($crate::error::Level::Error, format_args!($($arg)*)) } }
/// Logs that something is not as asked for.
#[macro_export]
macro_rules! log_warning { ($($arg:tt)*) => { $crate::error::log_line($crate::error::Level::Warning, format_args!($($arg)*)) } }
/// Logs a change of state.
#[macro_export]
macro_rules! log_info { ($($arg:tt)*) => { $crate::error::log_line($crate::error::Level::Info, format_args!($($arg)*)) } }
/// Logs what only `--verbose` shows.
#[macro_export]
macro_rules! log_verbose { ($($arg:tt)*) => { $crate::error::log_line($crate::error::Level::Verbose, format_args!($($arg)*)) } }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_hold_a_secret_is_for_the_log_alone() {
        let e = Error::new("exec", "the command ended", "exited with status 1");
        assert_eq!(e.to_string(), e.for_clients());
        let e = e.with_detail("401 for hunter2".into());
        assert_eq!(
            e.for_clients(),
            "exec: the command ended: exited with status 1; the log says more"
        );
        assert_eq!(
            e.to_string(),
            "exec: the command ended: exited with status 1: 401 for hunter2"
        );
    }

    #[test]
    fn a_log_has_no_passwords_of_urls_and_no_control_characters() {
        for (line, fit) in [
            ("plain: 1 @ 2", "plain: 1 @ 2"),
            (
                "ffmpeg -i rtsp://admin:secret@192.0.2.1:554/a -f h264 -",
                "ffmpeg -i rtsp://***@192.0.2.1:554/a -f h264 -",
            ),
            (
                "'http://token@h/' \"ftp://u:p@h\"",
                "'http://***@h/' \"ftp://***@h\"",
            ),
            ("rtsp://u:p@ss@h/x@y", "rtsp://***@h/x@y"),
            ("rtsp://u:p/w@h/x", "rtsp://***@h/x"),
            ("\"rtsp://u:p'w@h/x\": refused", "\"rtsp://***@h/x\": refused"),
            ("rtsp://u:p'w\"@h/x: refused", "rtsp://***@h/x: refused"),
            ("'rtsp://u:p'\\''w@h/x'", "'rtsp://***@h/x'"),
            ("-i 'rtsp://u:p w@h/x' -o a@b", "-i 'rtsp://***@h/x' -o a@b"),
            ("rtsp://u:p w@h/x", "rtsp://***@h/x"),
            (
                "<http://u:p@h/>, <http://h/>, a@b",
                "<http://***@h/>, <http://h/>, a@b",
            ),
            ("'http://h/', a@b", "'http://h/', a@b"),
            (
                "http://HOST:PORT/ or http://h:80 to a@b",
                "http://HOST:PORT/ or http://h:80 to a@b",
            ),
            (
                "http://h:80/a@b http://[::1]/a@b",
                "http://h:80/a@b http://[::1]/a@b",
            ),
            ("http://h/a@b", "http://h/a@b"),
            ("http://user:é@h", "http://***@h"),
            ("a\x1b[31m\u{9b}2J\x7f\n", "a\\u{1b}[31m\\u{9b}2J\\u{7f}\\n"),
            ("://", "://"),
        ] {
            assert_eq!(fit_for_log(line), fit, "{line}");
        }
    }
}
