//! Cameras that libcamera drives, such as a Raspberry Pi's own: `rpicam-vid` (in Debian 11 `libcamera-vid`) is run, with
//! the options that fit this board and that build.
//!
//! What is said here of the program is from its sources, github.com/raspberrypi/rpicam-apps, and the issues named.

use super::failure::{explain, fail};
use super::line::{Line, command_line, has_encoder, listed};
use crate::config::{Camera, Rpicam};
use crate::error::{Error, Result};
use crate::log_verbose;
use crate::source::exec::{self, Exec};
use crate::source::frame::{Drops, Signal, Source, SourceInfo};
use crate::source::history::{History, warn_once};
use crate::sys::command::{Command, Packets, PipeRead};
use crate::sys::poll::{poll, readable};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The program's names, the present one first. Debian 11 has the second only.
const PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];
/// A program of coreutils that gives another one a larger buffer for its output (by LD_PRELOAD of a library that calls
/// setvbuf(3)), ...
const STDBUF: &str = "stdbuf";
/// ... which holds the largest frame. `rpicam-vid --flush` calls fwrite(3) and fflush(3) for each frame: with the ordinary
/// buffer that is up to three `write()`s, with this one it is one, behind which the frame is known to be whole.
const STDBUF_OUTPUT: &str = "-o4M";
/// The file in which the firmware names the board (Devicetree Specification 2.3.2, with a 0 byte at its end).
const MODEL: &str = "/proc/device-tree/model";
/// The program looks at every video node before it prints its help; it is given up after this.
const HELP_WAIT: Duration = Duration::from_secs(10);
/// No help is longer than this, in bytes.
const HELP_BYTES: usize = 256 << 10;

/// A running `rpicam-vid`.
pub struct RpicamVid {
    exec: Exec,
}

/// Starts it. What it can't do as asked for is logged, unless it is in the log already.
///
/// # Errors
/// It is not installed, or can't do it here; what else is wrong shows at the first poll.
pub fn open(camera: &Camera, rpicam: &Rpicam, history: &mut History) -> Result<RpicamVid> {
    let (program, Line { arguments, notices }) = prepare(camera, rpicam)?;
    for notice in notices {
        warn_once(&mut history.warned, format!("{}: {notice}", camera.name));
    }
    let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let words = words(program, arguments, &exec::path());
    log_verbose!("{}: runs {}", camera.name, words.join(" "));
    let mut words = words.iter().map(String::as_str);
    let program = words.next().unwrap_or_default();
    let exec = Exec::run(&camera.name, name, program, &words.collect::<Vec<_>>(), history)?;
    Ok(RpicamVid { exec })
}

fn prepare(camera: &Camera, rpicam: &Rpicam) -> Result<(String, Line)> {
    let model = model();
    let program = find(&exec::path()).ok_or_else(|| not_installed(&model))?;
    let help = help(&program)?;
    let line = command_line(&model, Some(&help), camera, rpicam)?;
    Ok((program, line))
}

/// The command line that [`open`] runs; the program is asked for its options.
///
/// # Errors
/// It is not installed, or can't do it here.
pub fn line(camera: &Camera, rpicam: &Rpicam) -> Result<String> {
    let (program, line) = prepare(camera, rpicam)?;
    Ok(words(program, line.arguments, &exec::path()).join(" "))
}

/// The command line that [`open`] would run, as far as it is known with nothing run.
pub fn plan(camera: &Camera, rpicam: &Rpicam) -> String {
    let model = model();
    let (program, but) = match find(&exec::path()) {
        Some(program) => (
            program,
            "what this build of it does not know is left out".to_owned(),
        ),
        None => (PROGRAMS[0].to_owned(), not_installed(&model).to_string()),
    };
    match command_line(&model, None, camera, rpicam) {
        Ok(line) => {
            let words = words(program, line.arguments, &exec::path());
            format!("would run {} ({but})", words.join(" "))
        }
        Err(e) => e.to_string(),
    }
}

/// The words to run: under `stdbuf` where it is in the folders of `path`, for a program that flushes each frame. One that
/// does not would keep frames back in the larger buffer (and with libav nothing goes through stdio).
fn words(program: String, mut arguments: Vec<String>, path: &str) -> Vec<String> {
    let flushes = arguments.iter().any(|argument| argument == "--flush");
    let mut words = match exec::find(STDBUF, path) {
        Some(stdbuf) if flushes => vec![stdbuf, STDBUF_OUTPUT.to_owned()],
        _ => Vec::new(),
    };
    words.push(program);
    words.append(&mut arguments);
    words
}

/// True if the program is installed.
pub fn is_installed() -> bool {
    find(&exec::path()).is_some()
}

/// The name of this board; empty if the firmware has none.
pub fn model() -> String {
    fs::read_to_string(MODEL).unwrap_or_default()
}

fn not_installed(model: &str) -> Error {
    // The smaller one can do no more than the encoder of the board.
    let why = match has_encoder(model) {
        Some(false) => "it is not installed: sudo apt install rpicam-apps",
        _ => "it is not installed: sudo apt install rpicam-apps-lite",
    };
    fail("can't run it", why)
}

/// The first of the programs that is in the folders of `path`.
fn find(path: &str) -> Option<String> {
    PROGRAMS.iter().find_map(|program| exec::find(program, path))
}

/// True if this board encodes H.264 in hardware; None if it is no Raspberry Pi.
pub fn board_encodes() -> Option<bool> {
    has_encoder(&model())
}

/// The output of `program --help`. It is kept while the program's file is the same: a viewer waits for this.
fn help(program: &str) -> Result<String> {
    static KEPT: Mutex<Option<(String, Option<SystemTime>, String)>> = Mutex::new(None);
    let modified = fs::metadata(program).and_then(|file| file.modified()).ok();
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, at, help)) = &*kept {
        if of == program && *at == modified {
            return Ok(help.clone());
        }
    }
    let help = ask(program, "--help")?;
    *kept = Some((program.to_owned(), modified, help.clone()));
    Ok(help)
}

fn ask(program: &str, question: &str) -> Result<String> {
    const TRIED: &str = "can't ask for its options";
    let unread = |e: io::Error| fail(TRIED, &e.to_string());
    let mut command = Command::start(program, &[question], &[]).map_err(unread)?;
    let deadline = Instant::now() + HELP_WAIT;
    let (mut answer, mut buffer) = (Vec::new(), vec![0; Packets::MIN_READ_BYTES]);
    while answer.len() < HELP_BYTES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(fail(TRIED, "no answer for 10 s"));
        }
        match command.stdout.read(&mut buffer).map_err(unread)? {
            PipeRead::Bytes { count, .. } => {
                answer.extend_from_slice(buffer.get(..count).unwrap_or_default())
            }
            PipeRead::End => break,
            PipeRead::Nothing => {
                _ = poll(&mut [readable(command.stdout.as_fd())], Some(left));
            }
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if answer.lines().any(|line| listed(line).is_some()) {
        return Ok(answer);
    }
    let count = match command.read_stderr(&mut buffer) {
        Ok(PipeRead::Bytes { count, .. }) => count.min(300),
        _ => 0,
    };
    let said = exec::text(buffer.get(..count).unwrap_or_default());
    Err(explain(&said).unwrap_or_else(|| fail(TRIED, "it lists none").with_detail(said)))
}

impl Source for RpicamVid {
    fn info(&self) -> &SourceInfo {
        self.exec.info()
    }

    fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> Result<()> {
        let polled = self.exec.poll_run(wake, timeout, sink);
        polled.map_err(|end| explain(&end.last_line).unwrap_or(end.error))
    }

    fn patience(&self) -> Duration {
        self.exec.patience()
    }

    fn remember(&self, history: &mut History) {
        self.exec.remember(history);
    }

    fn drops(&self) -> Drops {
        self.exec.drops()
    }
}

#[cfg(test)]
#[path = "tests/source.rs"]
mod tests;
