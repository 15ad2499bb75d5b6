//! A command from the config whose standard output is H.264 in the byte stream format, or one JPEG picture after the
//! other: `rpicam-vid`, `ffmpeg`, `gst-launch-1.0`, `curl` and the like. Which of the two it is shows at the first picture.
//!
//! This is one run of the command. That it is started again, and after how long, is the pump's business.

use super::framer::Framer;
use super::kind::{HEAD_BYTES, is_text, other_kind, show};
use super::stderr::StderrLog;
use crate::error::{Error, Result};
use crate::format::{Chunk, Codec};
use crate::log_verbose;
use crate::source::frame::{Drops, Frame, Signal, Source, SourceInfo};
use crate::source::history::History;
use crate::source::patience::Patience;
use crate::sys;
use crate::sys::clock::monotonic_us;
use crate::sys::command::{Command, Exit, PipeRead};
use crate::sys::load::Load;
use crate::sys::poll::{is_ready, poll, readable};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// The time after which a machine that was too busy for a quiet to tell anything is looked at again.
const BUSY_WAIT: Duration = Duration::from_millis(4);
/// A command whose first data have no picture in them is doubted after this.
const NO_PICTURE: Duration = Duration::from_secs(2);
/// A command whose output ended has this long to end too, so that its exit status can be reported.
const EXIT_WAIT: Duration = Duration::from_millis(200);
/// So many bytes with no picture in them are not H.264, nor JPEG.
const MOST_GARBAGE_BYTES: u64 = 4 << 20;
/// Reads before the caller has its turn.
const READS: usize = 256;
/// Reads of its standard error before the caller has its turn, ...
const STDERR_READS: usize = 16;
/// ... which is left alone for so long when it says more than is logged, or of motion: reading it is not to cost a processor.
const STDERR_REST: Duration = Duration::from_millis(50);

/// The advice for a command that writes something else.
const ADVICE: &str = "it must write raw H.264 (Annex B) or JPEG pictures to its standard output, as these do: \
    stdbuf -o4M rpicam-vid -t 0 -n --codec h264 --inline --flush -o -  or  ffmpeg -i SOURCE -c:v copy -f h264 -";

/// The end of a run: the command ended, or is given up.
pub struct End {
    /// The end, for people.
    pub error: Error,
    /// The last line that the command wrote to its standard error before it ended; empty where it was given up.
    pub last_line: String,
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        let last_line = String::new();
        End { error, last_line }
    }
}

/// A running command.
pub struct Exec {
    name: String,
    info: SourceInfo,
    drops: Drops,
    command: Command,
    framer: Framer,
    load: Load,
    /// No picture is taken for complete by a quiet before this: the machine was busy.
    busy_until: Instant,
    /// Times of the first and the last bytes; None before the first.
    first_data_at: Option<Instant>,
    data_at: Option<Instant>,
    patience: Patience,
    /// The first bytes of the output.
    head: Vec<u8>,
    stderr_log: StderrLog,
    stderr_open: bool,
    stderr_rests_until: Instant,
}

impl Exec {
    /// Runs `command` by `/bin/sh`. `name` is the source's name in the config; it stands before the lines of the
    /// command's standard error in the log. `section` stands for the command everywhere else, as the command may hold
    /// passwords.
    ///
    /// # Errors
    /// No process can be made. (A command that does not exist shows itself at the first poll.)
    pub fn start(name: &str, section: &str, command: &str, history: &History) -> Result<Exec> {
        log_verbose!("{name}: runs {command}");
        let mut exec = Exec::run(name, section.to_owned(), "/bin/sh", &["-c", command], history)?;
        exec.stderr_log.stages = None;
        Ok(exec)
    }

    /// Runs a program, by its path, with these arguments; `description` is its name for people.
    ///
    /// # Errors
    /// No process can be made.
    pub fn run(
        name: &str,
        description: String,
        program: &str,
        arguments: &[&str],
        history: &History,
    ) -> Result<Exec> {
        let now = Instant::now();
        let mut patience = history.patience.clone().unwrap_or_else(|| Patience::new(now));
        patience.begin(now);
        let command = Command::start(program, arguments, &[])
            .map_err(|e| Error::new(&description, "can't start the command", e))?;
        Ok(Exec {
            name: name.to_string(),
            info: SourceInfo {
                description,
                command: true,
                ..SourceInfo::default()
            },
            drops: Drops::default(),
            command,
            framer: Framer::default(),
            load: Load::new(),
            busy_until: now,
            first_data_at: None,
            data_at: None,
            patience,
            head: Vec::new(),
            stderr_log: StderrLog::new(now),
            stderr_open: true,
            stderr_rests_until: now,
        })
    }

    /// Reads what has come; true if it gave anything.
    fn read(&mut self, sink: &mut dyn FnMut(Signal<'_>)) -> std::result::Result<bool, End> {
        let mut gave = false;
        for _ in 0..READS {
            let room = self.framer.spare_mut();
            let chunk = self.command.stdout.read(room);
            let (count, ends_write) =
                match chunk.map_err(|e| Error::new(&self.info.description, "can't read its output", e))? {
                    PipeRead::Bytes { count, ends_write } => (count, ends_write),
                    PipeRead::Nothing => {
                        let (drops, patience) = (&mut self.drops, &mut self.patience);
                        self.framer.empty(&mut |codec, chunk| {
                            gave = true;
                            patience.picture(Instant::now());
                            pass(codec, chunk, drops, sink);
                        });
                        break;
                    }
                    PipeRead::End => return Err(self.ended(sink)),
                };
            let now = Instant::now();
            self.data_at = Some(now);
            self.first_data_at.get_or_insert(now);
            let missing = HEAD_BYTES - self.head.len();
            if missing > 0 {
                self.head.extend(room.iter().take(count.min(missing)));
                if let Some(kind) = other_kind(&self.head) {
                    return Err(self.unusable(&format!("this is {kind}")).into());
                }
            }
            let (drops, patience) = (&mut self.drops, &mut self.patience);
            let mut take = |codec: Codec, chunk: Chunk<'_>| {
                gave = true;
                if matches!(chunk, Chunk::Unit { .. }) {
                    patience.picture(now);
                }
                pass(codec, chunk, drops, sink);
            };
            self.framer.commit(count, ends_write, &mut take);
            if !self.framer.has_given() && self.framer.dropped_bytes() > MOST_GARBAGE_BYTES {
                let error = self.unusable("no picture is in it");
                let detail = format!("it begins with {}", show(&self.head));
                return Err(error.with_detail(detail).into());
            }
        }
        Ok(gave)
    }

    /// The end of a command that writes what is no video.
    fn unusable(&self, what: &str) -> Error {
        let why = format_args!("{what}; {ADVICE}");
        Error::new(&self.info.description, "can't use what the command writes", why)
    }

    /// Takes the end of the output: hands out the last unit, and gives how the command ended.
    fn ended(&mut self, sink: &mut dyn FnMut(Signal<'_>)) -> End {
        let exit = self.command.exit(EXIT_WAIT);
        self.read_stderr();
        let drops = &mut self.drops;
        // A command that was killed may have been killed in the middle of a unit.
        let orderly = exit == Some(Exit::Status(0));
        self.framer
            .finish(orderly, &mut |codec, chunk| pass(codec, chunk, drops, sink));
        let mut why = match exit {
            None => "closed its output".to_string(),
            Some(Exit::Signal(signal)) => format!("ended by {signal}"),
            Some(Exit::Status(status)) => format!("exited with status {status}"),
        };
        let last_line = self.stderr_log.last_line();
        let mut detail = last_line.clone();
        if let (Some(Exit::Status(127)), Some(program)) = (exit, missing_program(&last_line)) {
            why += ": the program is not installed, or misspelt";
            detail = program.to_owned();
        }
        if !self.framer.has_given() && !self.head.is_empty() {
            why = format!("{why}. No picture was in what it wrote; {ADVICE}");
            let but = if detail.is_empty() { "" } else { "; " };
            detail = format!("{detail}{but}it begins with {}", show(&self.head));
        }
        End {
            error: Error::new(&self.info.description, "the command ended", why).with_detail(detail),
            last_line,
        }
    }

    fn read_stderr(&mut self) {
        let mut buffer = [0; 4096];
        for _ in 0..STDERR_READS {
            match self.command.read_stderr(&mut buffer) {
                Ok(PipeRead::Bytes { count, .. }) => {
                    let bytes = buffer.iter().take(count).copied();
                    self.stderr_log.add(&self.name, bytes, Instant::now());
                }
                Ok(PipeRead::Nothing) => return,
                // It may have closed it and go on.
                Ok(PipeRead::End) | Err(_) => {
                    self.stderr_open = false;
                    return;
                }
            }
        }
    }

    /// Fails once the command has been silent for too long, or has written what is no video.
    fn check_silence(&mut self, now: Instant) -> Result<()> {
        let limit = self.patience.limit();
        let is_past = |since: Instant| now.saturating_duration_since(since) >= limit;
        if !is_past(self.patience.since()) {
            return Ok(());
        }
        let what = match self.data_at {
            Some(at) if !is_past(at) => "data, but no picture in it,",
            _ => "no data",
        };
        self.patience.was_too_short();
        let why = format!("{what} for {} s, so it is ended", limit.as_secs());
        Err(Error::new(&self.info.description, "waiting for the command", why))
    }

    /// Polls as [`Source::poll`] does.
    ///
    /// # Errors
    /// The command ended, or is given up.
    pub fn poll_run(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> std::result::Result<(), End> {
        let deadline = Instant::now() + timeout;
        loop {
            let now = Instant::now();
            self.check_silence(now)?;
            let quiet = self.framer.quiet();
            let quiet_at = quiet.map(|quiet| {
                let left_us = quiet.at_us.saturating_sub(monotonic_us());
                (now + Duration::from_micros(left_us)).max(self.busy_until)
            });
            let stderr_rests = self.stderr_open && now < self.stderr_rests_until;
            let until = [quiet_at, stderr_rests.then_some(self.stderr_rests_until)]
                .into_iter()
                .flatten()
                .fold(deadline, Instant::min);
            let mut files = [
                readable(wake),
                readable(self.command.stdout.as_fd()),
                readable(self.command.stderr()),
            ];
            // A closed one would always be ready.
            let open = if self.stderr_open && !stderr_rests {
                &mut files[..]
            } else {
                &mut files[..2]
            };
            poll(open, Some(until.saturating_duration_since(now))).map_err(|errno| {
                Error::new(
                    &self.info.description,
                    "can't wait for its output",
                    sys::words(errno),
                )
            })?;
            let [woken, stdout, stderr] = files.map(|file| is_ready(&file));
            let mut gave = false;
            if stderr {
                self.read_stderr();
                let says_too_much = self.stderr_log.allowed == 0 || !self.stderr_log.moves.is_empty();
                for moves in self.stderr_log.moves.drain(..) {
                    let at_us = monotonic_us();
                    sink(Signal::Motion { at_us, moves });
                }
                if says_too_much {
                    self.stderr_rests_until = now + STDERR_REST;
                }
            }
            if stdout {
                gave = self.read(sink)?;
            } else if let Some(quiet) = quiet.filter(|_| quiet_at.is_some_and(|at| now >= at)) {
                // Looked at after the quiet had passed: had only this thread been late, bytes would be there.
                if quiet.certain || quiet.long || !self.load.is_busy() {
                    let (drops, patience) = (&mut self.drops, &mut self.patience);
                    self.framer.close_quiet(&mut |codec, chunk| {
                        gave = true;
                        patience.picture(now);
                        pass(codec, chunk, drops, sink);
                    });
                } else {
                    self.busy_until = now + BUSY_WAIT;
                }
            }
            if gave || woken || Instant::now() >= deadline {
                return Ok(());
            }
        }
    }
}

impl Source for Exec {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> Result<()> {
        self.poll_run(wake, timeout, sink).map_err(|end| end.error)
    }

    fn doubt(&self, now: Instant) -> Option<String> {
        let waits = now.saturating_duration_since(self.first_data_at?);
        let what = if is_text(&self.head) { "text" } else { "data" };
        (waits >= NO_PICTURE && !self.framer.has_given())
            .then(|| format!("the command has written {what}, but no picture yet; {ADVICE}"))
    }

    fn patience(&self) -> Duration {
        self.patience.due()
    }

    fn remember(&self, history: &mut History) {
        history.patience = Some(self.patience.clone());
    }

    fn drops(&self) -> Drops {
        Drops {
            closed_early: self.framer.closed_early(),
            fault: self.framer.fault(),
            ..self.drops
        }
    }
}

fn pass(codec: Codec, chunk: Chunk<'_>, drops: &mut Drops, sink: &mut dyn FnMut(Signal<'_>)) {
    match chunk {
        Chunk::Unit { data, arrived_us } => sink(Signal::Frame(Frame {
            codec,
            data,
            captured_us: arrived_us,
        })),
        Chunk::Gap => {
            drops.damaged += 1;
            sink(Signal::Gap);
        }
    }
}

/// The program that a shell did not find, by its last line: "sh: 1: ffmpegg: not found" of dash, "sh: ffmpegg: not
/// found" of BusyBox, "sh: line 1: ffmpegg: command not found" of Bash.
fn missing_program(line: &str) -> Option<&str> {
    let line = line
        .strip_suffix(": not found")
        .or_else(|| line.strip_suffix(": command not found"));
    line?.split(": ").last()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Errno;
    use nix::sys::wait::waitpid;
    use nix::unistd::{Pid, pipe};
    use std::fs::File;
    use std::io::{Read, Write};
    use std::path::PathBuf;

    const KEY: &[u8] = &[
        0, 0, 0, 1, 0x67, 9, 9, 0, 0, 0, 1, 0x68, 8, 0, 0, 1, 0x65, 0x88, 7, 7,
    ];
    const DELTA: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a, 5, 5, 5];

    /// Polls in vain before a test gives up: a minute, which only a failure needs.
    const TRIES: usize = 600;

    fn poll_once(exec: &mut Exec, units: &mut Vec<Vec<u8>>) -> Result<()> {
        let (quiet, _writer) = pipe().unwrap();
        exec.poll(
            quiet.as_fd(),
            Duration::from_millis(100),
            &mut |signal| match signal {
                Signal::Frame(frame) => units.push(frame.data.to_vec()),
                _ => panic!("no gap"),
            },
        )
    }

    fn start(command: &str) -> Result<Exec> {
        Exec::start("test", "exec", command, &History::default())
    }

    /// The units that a command gives, and why it ended.
    fn run(command: &str) -> (Vec<Vec<u8>>, String) {
        let mut exec = start(command).unwrap();
        let mut units = Vec::new();
        for _ in 0..TRIES {
            if let Err(e) = poll_once(&mut exec, &mut units) {
                return (units, e.to_string());
            }
        }
        panic!("it did not end");
    }

    /// A file for a command to read, gone with the test.
    struct Given(PathBuf);

    impl Given {
        fn new(name: &str, parts: &[&[u8]]) -> Given {
            let path = std::env::temp_dir().join(format!("fmp4streamer-{}-{name}", std::process::id()));
            std::fs::write(&path, parts.concat()).unwrap();
            Given(path)
        }

        fn path(&self) -> String {
            self.0.display().to_string()
        }
    }

    impl Drop for Given {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn all_units_come_out_and_the_last_one_at_the_end() {
        let long = [KEY, &[3; 50_000]].concat();
        let file = Given::new("all", &[&long, DELTA, DELTA, &long, DELTA]);
        let command = format!("cat {}", file.path());
        let (units, why) = run(&command);
        assert_eq!(units, [&long[..], DELTA, DELTA, &long, DELTA]);
        assert_eq!(why, "exec: the command ended: exited with status 0");
        let (units, _) = run(&format!("dd if={} bs=7 2>/dev/null", file.path()));
        assert_eq!(units, [&long[..], DELTA, DELTA, &long, DELTA]);
    }

    #[test]
    fn quiet_closes_the_last_unit_of_a_source_that_writes_whole_ones() {
        let file = Given::new("whole", &[KEY]);
        let count = 20;
        let lines = format!("cat {}\n", file.path()).repeat(count);
        let mut exec = start(&format!("{lines} sleep 1000")).unwrap();
        let mut units = Vec::new();
        for _ in 0..TRIES {
            poll_once(&mut exec, &mut units).unwrap();
            if units.len() == count {
                break;
            }
        }
        assert_eq!(units, vec![KEY; count]);
    }

    #[test]
    fn a_missing_program_is_named() {
        for line in [
            "sh: 1: a: not found",
            "sh: a: not found",
            "sh: line 1: a: command not found",
        ] {
            assert_eq!(missing_program(line), Some("a"), "{line}");
        }
        assert_eq!(missing_program("the file was not found"), None);
    }

    #[test]
    fn the_reason_for_an_end_is_given() {
        let (_, why) = run("no-such-program-here -t 0");
        assert!(why.contains("exited with status 127: "), "{why}");
        let words = ": the program is not installed, or misspelt: no-such-program-here";
        assert!(why.ends_with(words), "{why}");
        let (_, why) = run("echo first >&2; echo; printf 'the camera is busy' >&2; exit 3");
        assert!(
            why.contains("exited with status 3. No picture was in what it wrote; ")
                && why.ends_with(": the camera is busy; it begins with \"\""),
            "{why}"
        );
        assert_eq!(run("kill -9 $$").1, "exec: the command ended: ended by SIGKILL");
        assert_eq!(
            run("exec 1>&-; sleep 1000").1,
            "exec: the command ended: closed its output"
        );
    }

    #[test]
    fn a_unit_that_may_have_been_cut_off_is_not_handed_out() {
        let file = Given::new("cut", &[KEY, DELTA, DELTA]);
        let (units, _) = run(&format!("cat {}; kill -9 $$", file.path()));
        assert_eq!(units, [KEY, DELTA]);
    }

    #[test]
    fn what_is_not_h264_is_named() {
        let (units, why) = run("head -c 6000000 /dev/zero | tr '\\0' x");
        assert!(units.is_empty());
        assert!(
            why.contains("no picture is in it; ") && why.contains(": it begins with \"xxxx"),
            "{why}"
        );
        assert!(why.contains("-f h264"), "{why}");
        let file = Given::new("ts", &[&[0x47], &[1; 187], &[0x47], KEY, KEY]);
        let (_, why) = run(&format!("dd if={} bs=50", file.path()));
        assert!(why.contains("this is MPEG-TS"), "{why}");
        assert_eq!(other_kind(KEY), None);
    }

    #[test]
    fn the_drop_ends_the_whole_group() {
        for command in [
            "sleep 1000 | sleep 1000",
            "trap '' TERM; sleep 1000 & sleep 1000",
            "sleep 1000",
        ] {
            let exec = start(command).unwrap();
            let output = exec.command.stdout.as_fd().try_clone_to_owned().unwrap();
            let group = Pid::from_raw(exec.command.group());
            drop(exec);
            // It ends when nobody is left to write to it; it would give WouldBlock before.
            assert_eq!(File::from(output).read(&mut [0; 10]).unwrap(), 0, "{command}");
            assert_eq!(waitpid(group, None), Err(Errno::ECHILD), "no zombie: {command}");
        }
    }

    #[test]
    fn a_wake_is_seen_and_left() {
        let (wake, writer) = pipe().unwrap();
        File::from(writer).write_all(&[1]).unwrap();
        let mut exec = start("sleep 1000").unwrap();
        for _ in 0..2 {
            // Nobody would wait for an hour.
            exec.poll(wake.as_fd(), Duration::from_secs(3600), &mut |_| {
                panic!("nothing")
            })
            .unwrap();
        }
        assert_eq!(File::from(wake).read(&mut [0; 10]).unwrap(), 1);
    }

    #[test]
    fn a_silent_command_is_given_up() {
        let mut exec = start("sleep 1000").unwrap();
        let started = exec.patience.since();
        let after = |s| started + Duration::from_secs(s);
        assert!(exec.check_silence(after(29)).is_ok());
        exec.data_at = Some(after(5));
        let silent = exec.check_silence(after(30)).unwrap_err().to_string();
        assert!(
            silent.contains("data, but no picture in it, for 30 s"),
            "{silent}"
        );
        // The next run has twice as long for its first picture, ...
        let mut history = History::default();
        exec.remember(&mut history);
        let mut exec = Exec::start("test", "exec", "sleep 1000", &history).unwrap();
        let started = exec.patience.since();
        let after = |s| started + Duration::from_secs(s);
        assert!(exec.check_silence(after(59)).is_ok());
        // ... and falls silent when its pace is known.
        for n in 0..10 {
            exec.patience.picture(after(n));
        }
        assert!(exec.check_silence(after(18)).is_ok());
        let silent = exec.check_silence(after(19)).unwrap_err().to_string();
        assert!(silent.contains("no data for 10 s"), "{silent}");
    }
}
