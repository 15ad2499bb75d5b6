//! A command from the config whose standard output is H.264 in the byte stream format: `rpicam-vid`, `ffmpeg`,
//! `gst-launch-1.0` and the like.
//!
//! This is one run of the command. That it is started again, and after how long, is the pump's business.

use super::{Drops, Facts, Frame, Signal, Source};
use crate::error::{Error, Result};
use crate::format::h264::assembler::{Assembler, Piece};
use crate::sys::clock::monotonic_us;
use crate::sys::command::{Chunk, Command, Exit, Packets};
use crate::{log_info, log_verbose};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Quiet for this long closes an access unit, where that is a sign (see [`Assembler`]).
const QUIET: Duration = Duration::from_millis(2);
/// A command that has given nothing yet is given up after this: it may have to connect first, ...
const NO_DATA_YET: Duration = Duration::from_secs(30);
/// ... and one that falls silent after this.
const NO_DATA: Duration = Duration::from_secs(10);
/// A command whose output ended has this long to end too, so that its exit status can be told.
const EXIT_WAIT: Duration = Duration::from_millis(200);
/// So many bytes with no access unit in them are not H.264.
const MOST_GARBAGE_BYTES: u64 = 4 << 20;
/// As much of the output's beginning is kept as tells what else it is: a packet of MPEG-TS and the next one's first byte.
const HEAD_BYTES: usize = 189;
/// Reads before the caller has its turn.
const READS: usize = 256;

/// What a command of the config must write.
const ADVICE: &str = "it must write raw H.264 (Annex B) to its standard output, as these do: \
    rpicam-vid -t 0 -n --codec h264 --inline --flush -o -  or  ffmpeg -i SOURCE -c:v copy -f h264 -";

/// A running command.
pub struct Exec {
    name: String,
    facts: Facts,
    drops: Drops,
    command: Command,
    assembler: Assembler,
    /// When the last bytes came; `None` before the first.
    data_at: Option<Instant>,
    started: Instant,
    /// The first bytes of the output, until an access unit has come.
    head: Option<Vec<u8>>,
    stderr: Chatter,
    stderr_open: bool,
}

impl Exec {
    /// Runs `command` by `/bin/sh`. `name` is the source's name in the config; it stands before what the command
    /// says on its standard error.
    ///
    /// # Errors
    /// When no process can be made; a command that does not exist shows itself at the first poll.
    pub fn start(name: &str, command: &str) -> Result<Exec> {
        let now = Instant::now();
        Ok(Exec {
            name: name.to_string(),
            facts: Facts {
                description: first_words(command),
                ..Facts::default()
            },
            drops: Drops::default(),
            command: Command::start(command).map_err(|e| Error::new(name, "can't start the command", e))?,
            assembler: Assembler::new(),
            data_at: None,
            started: now,
            head: Some(Vec::with_capacity(HEAD_BYTES)),
            stderr: Chatter::new(now),
            stderr_open: true,
        })
    }

    /// Reads what has come; whether anything has come out of it.
    fn read(&mut self, sink: &mut dyn FnMut(Signal<'_>)) -> Result<bool> {
        let mut gave = false;
        for _ in 0..READS {
            let room = self.assembler.room(Packets::MIN_READ_BYTES);
            let chunk = self.command.stdout.read(room);
            let (count, ends_write) =
                match chunk.map_err(|e| Error::new(&self.name, "can't read its output", e))? {
                    Chunk::Bytes { count, ends_write } => (count, ends_write),
                    Chunk::Nothing => break,
                    Chunk::End => return Err(self.ended(sink)),
                };
            self.data_at = Some(Instant::now());
            if let Some(head) = &mut self.head {
                let missing = HEAD_BYTES - head.len();
                head.extend(room.iter().take(count.min(missing)));
                if let Some(kind) = other_kind(head) {
                    let why = format!("this is {kind}; {ADVICE}");
                    return Err(Error::new(&self.name, "can't use what the command writes", why));
                }
            }
            let drops = &mut self.drops;
            self.assembler
                .filled(count, ends_write, monotonic_us(), &mut |piece| {
                    gave = true;
                    pass(piece, drops, sink);
                });
            if gave {
                self.head = None;
            }
            if let Some(head) = &self.head {
                if self.assembler.dropped_bytes() > MOST_GARBAGE_BYTES {
                    let why = format!("no H.264 is in it; it begins with {}; {ADVICE}", show(head));
                    return Err(Error::new(&self.name, "can't use what the command writes", why));
                }
            }
        }
        Ok(gave)
    }

    /// The end of the output: hands out the last unit, and says how the command ended.
    fn ended(&mut self, sink: &mut dyn FnMut(Signal<'_>)) -> Error {
        let exit = self.command.exit(EXIT_WAIT);
        self.read_stderr();
        let drops = &mut self.drops;
        // A command that was killed may have been killed in the middle of a unit.
        self.assembler
            .finish(exit == Some(Exit::Status(0)), &mut |piece| {
                pass(piece, drops, sink)
            });
        let mut why = match exit {
            None => "closed its output".to_string(),
            Some(Exit::Signal(signal)) => format!("ended by {signal}"),
            Some(Exit::Status(status)) => format!("exited with status {status}"),
        };
        let last = self.stderr.last_line();
        if !last.is_empty() {
            why = format!("{why}: {last}");
        }
        if let Some(head) = self.head.as_ref().filter(|head| !head.is_empty()) {
            why = format!(
                "{why}. No H.264 was in what it wrote, which begins with {}; {ADVICE}",
                show(head)
            );
        }
        Error::new(&self.name, "the command ended", why)
    }

    fn read_stderr(&mut self) {
        let mut buffer = [0; 4096];
        for _ in 0..READS {
            match self.command.read_stderr(&mut buffer) {
                Ok(Chunk::Bytes { count, .. }) => {
                    let bytes = buffer.iter().take(count).copied();
                    self.stderr.hear(&self.name, bytes, Instant::now());
                }
                Ok(Chunk::Nothing) => return,
                // It may have closed it and go on.
                Ok(Chunk::End) | Err(_) => {
                    self.stderr_open = false;
                    return;
                }
            }
        }
    }

    /// An error once the command has been silent for too long.
    fn check_silence(&self, now: Instant) -> Result<()> {
        let (since, limit) = self
            .data_at
            .map_or((self.started, NO_DATA_YET), |at| (at, NO_DATA));
        if now.saturating_duration_since(since) < limit {
            return Ok(());
        }
        let why = format!("no data for {} s, so it is ended", limit.as_secs());
        Err(Error::new(&self.name, "waiting for the command", why))
    }
}

impl Source for Exec {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            let now = Instant::now();
            self.check_silence(now)?;
            let quiet_at = self
                .data_at
                .filter(|_| self.assembler.awaits_quiet())
                .map(|at| at + QUIET);
            let until = quiet_at.map_or(deadline, |at| at.min(deadline));
            let mut files = vec![
                PollFd::new(wake, PollFlags::POLLIN),
                PollFd::new(self.command.stdout.as_fd(), PollFlags::POLLIN),
            ];
            if self.stderr_open {
                files.push(PollFd::new(self.command.stderr(), PollFlags::POLLIN));
            }
            match poll(&mut files, round_up(until.saturating_duration_since(now))) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(Error::new(&self.name, "can't wait for its output", e)),
            }
            let ready = |index: usize| {
                files
                    .get(index)
                    .is_some_and(|file: &PollFd<'_>| file.any() == Some(true))
            };
            let (woken, stdout, stderr) = (ready(0), ready(1), ready(2));
            let mut gave = false;
            if stderr {
                self.read_stderr();
            }
            if stdout {
                gave = self.read(sink)?;
            } else if quiet_at.is_some_and(|at| now >= at) || quiet_at.is_some() && !woken && !stderr {
                // Nothing was there after the quiet had passed. Had only this thread been late, the bytes were.
                let drops = &mut self.drops;
                self.assembler.quiet(&mut |piece| {
                    gave = true;
                    pass(piece, drops, sink);
                });
            }
            if gave || woken || Instant::now() >= deadline {
                return Ok(());
            }
        }
    }

    fn drops(&self) -> Drops {
        self.drops
    }
}

fn pass(piece: Piece<'_>, drops: &mut Drops, sink: &mut dyn FnMut(Signal<'_>)) {
    match piece {
        Piece::Unit { data, arrived_us } => sink(Signal::Frame(Frame {
            data,
            captured_us: arrived_us,
        })),
        Piece::Gap => {
            drops.damaged += 1;
            sink(Signal::Gap);
        }
    }
}

/// A poll's timeout, never shorter than `time`.
fn round_up(time: Duration) -> PollTimeout {
    let ms = time.as_micros().div_ceil(1000);
    PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
}

/// The beginning of a command, for people.
fn first_words(command: &str) -> String {
    const MOST: usize = 40;
    let words = command.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= MOST {
        return words;
    }
    let cut: String = words.chars().take(MOST).collect();
    format!("{} …", cut.rsplit_once(' ').map_or(&*cut, |(whole, _)| whole))
}

/// What the output is when it begins as something else than H.264 does.
fn other_kind(head: &[u8]) -> Option<&'static str> {
    match head {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("MP4"),
        [0x47, ..] if head.get(HEAD_BYTES - 1) == Some(&0x47) => Some("MPEG-TS"),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Some("Matroska or WebM"),
        [b'F', b'L', b'V', 1, ..] => Some("FLV"),
        [b'R', b'I', b'F', b'F', ..] => Some("AVI"),
        [0xff, 0xd8, 0xff, ..] => Some("JPEG pictures"),
        [b'Y', b'U', b'V', b'4', b'M', b'P', b'E', b'G', ..] => Some("uncompressed video"),
        // A video parameter set, or a delimiter, by the two-byte header of H.265 7.3.1.2.
        [0, 0, 0, 1, 0x40 | 0x46, 1, ..] => Some("H.265"),
        _ => None,
    }
}

/// The first bytes, as text if they are some.
fn show(head: &[u8]) -> String {
    const MOST: usize = 60;
    let printable = |byte: &u8| (b' '..0x7f).contains(byte) || byte.is_ascii_whitespace();
    if head.iter().all(printable) {
        let text: String = head.iter().take(MOST).map(|&byte| char::from(byte)).collect();
        return format!("{:?}", text.trim());
    }
    head.iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What a command says on its standard error: into the log line by line, but not more than is fit to be read.
struct Chatter {
    line: Vec<u8>,
    last: String,
    /// Lines that may still be logged now, ...
    allowed: u32,
    /// ... counted up since then.
    refilled: Instant,
    left_out: u64,
}

impl Chatter {
    /// Lines that are logged at once, ...
    const BURST: u32 = 20;
    /// ... and one more for each time that this passes: `rpicam-vid` says a line with every frame.
    const REFILL: Duration = Duration::from_secs(5);
    /// A line is cut here.
    const LINE_BYTES: usize = 500;

    fn new(now: Instant) -> Chatter {
        Chatter {
            line: Vec::new(),
            last: String::new(),
            allowed: Self::BURST,
            refilled: now,
            left_out: 0,
        }
    }

    fn hear(&mut self, name: &str, bytes: impl Iterator<Item = u8>, now: Instant) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(name, now),
                // A line that is written over again and again, such as the progress of ffmpeg.
                b'\r' => {
                    let progress = text(&self.line);
                    if !progress.is_empty() {
                        log_verbose!("{name}: {progress}");
                    }
                    self.line.clear();
                }
                _ if self.line.len() < Self::LINE_BYTES => self.line.push(byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self, name: &str, now: Instant) {
        let line = text(&self.line);
        self.line.clear();
        if line.is_empty() {
            return;
        }
        while self.allowed < Self::BURST && now.saturating_duration_since(self.refilled) >= Self::REFILL {
            self.allowed += 1;
            self.refilled += Self::REFILL;
        }
        if self.allowed == 0 {
            self.left_out += 1;
        } else {
            if self.allowed == Self::BURST {
                self.refilled = now;
            }
            self.allowed -= 1;
            match std::mem::take(&mut self.left_out) {
                0 => log_info!("{name}: {line}"),
                lines => log_info!("{name}: ({lines} lines left out) {line}"),
            }
        }
        self.last = line;
    }

    /// The last line, be it finished or not.
    fn last_line(&self) -> String {
        let unfinished = text(&self.line);
        if unfinished.is_empty() {
            self.last.clone()
        } else {
            unfinished
        }
    }
}

/// What can be shown of a line: no control characters, which could play tricks on a terminal.
fn text(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim()
        .to_string()
}
