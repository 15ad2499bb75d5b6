//! Cameras that libcamera drives, such as a Raspberry Pi's own: `rpicam-vid` (in Debian 11 `libcamera-vid`) is run, with
//! the options that fit this board and that build.
//!
//! What is said here of the program is from its sources, github.com/raspberrypi/rpicam-apps, and the issues named.

use super::exec::Exec;
use super::{Drops, Facts, Signal, Source, camera, poll_timeout};
use crate::config::{Camera, Rpicam, nearest};
use crate::error::{Error, Result};
use crate::sys::command::{Chunk, Command, Packets};
use crate::{log_verbose, log_warning};
use nix::poll::{PollFd, PollFlags, poll};
use std::collections::HashSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The program's names, the present one first. Debian 11 has the second only.
const PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];
/// Where the firmware says which board this is (Devicetree Specification 2.3.2, with a 0 byte at its end).
const MODEL: &str = "/proc/device-tree/model";
/// The program looks at every video node before it prints its help; it is given up after this.
const HELP_WAIT: Duration = Duration::from_secs(10);
/// No help is longer than this, in bytes.
const HELP_BYTES: usize = 256 << 10;
/// What makes libx264 as `--low-latency` does, for builds that lack that one (it came in December 2024, pull request
/// 751): there are B-frames else, and a frame of delay for each processor (encoder/libav_encoder.cpp).
const LOW_LATENCY: &str = "preset=ultrafast;tune=zerolatency;bf=0;thread_type=slice";
/// Options that are as they have to be.
const OWN: [&str; 3] = ["timeout", "nopreview", "output"];

const NO_LIBAV: [&str; 2] = [
    "it can't make H.264 here",
    "this board has no H.264 encoder, and this build of rpicam-vid (rpicam-apps-lite) has none in software either: sudo \
     apt install rpicam-apps. Or put capture_format = MJPG into an [rpicam] section",
];
/// What it says as it ends, and what that means.
const REASONS: [(&str, [&str; 2]); 9] = [
    ("Unable to find an appropriate H.264 codec", NO_LIBAV),
    ("nrecognised codec libav", NO_LIBAV),
    ("'--libav-", NO_LIBAV),
    (
        "cannot find video encoder libx264",
        [
            "it can't make H.264 here",
            "its libav has no libx264: sudo apt install rpicam-apps",
        ],
    ),
    (
        "no cameras available",
        [
            "it finds no camera",
            "look at the cable (with the power off), at camera_auto_detect=1 in /boot/firmware/config.txt, and whether \
             this program's user is in the group video; rpicam-hello --list-cameras has to list it",
        ],
    ),
    (
        "selected camera is not available",
        [
            "there is no camera of that number",
            "rpicam-hello --list-cameras gives the numbers for camera = in its section",
        ],
    ),
    (
        "legacy camera stack",
        [
            "the old camera system is on",
            "turn it off: sudo raspi-config, Interface Options, Legacy Camera; then reboot",
        ],
    ),
    (
        "only supports the Raspberry Pi",
        [
            "it finds no camera system of a Raspberry Pi",
            "another machine's camera needs another program, in an [exec] section",
        ],
    ),
    (
        "capture buffers",
        [
            "it gets no memory for the pictures (CMA)",
            "take a smaller width and height, or more memory for it: dtoverlay=vc4-kms-v3d,cma-256 in \
             /boot/firmware/config.txt",
        ],
    ),
];

/// A running `rpicam-vid`.
pub struct RpicamVid {
    exec: Exec,
}

/// Starts it. What it can't do as asked for is logged, but for what is in `said` already.
///
/// # Errors
/// It is not installed, or can't do it here; what else is wrong shows at the first poll.
pub fn open(camera: &Camera, rpicam: &Rpicam, said: &mut HashSet<String>) -> Result<RpicamVid> {
    let model = model();
    let program = find(&path()).ok_or_else(|| not_installed(&model))?;
    let help = help(&program)?;
    let line = command_line(&model, Some(&help), camera, rpicam)?;
    for notice in line.notices {
        if !said.contains(&notice) {
            log_warning!("{}: {notice}", camera.name);
            said.insert(notice);
        }
    }
    log_verbose!("{}: runs {program} {}", camera.name, line.arguments.join(" "));
    let arguments: Vec<&str> = line.arguments.iter().map(String::as_str).collect();
    let exec = Exec::run(&camera.name, name(&program), &program, &arguments)?;
    Ok(RpicamVid { exec })
}

/// What [`open`] would run, as far as that can be told with nothing run.
pub fn plan(camera: &Camera, rpicam: &Rpicam) -> String {
    let model = model();
    let Some(program) = find(&path()) else {
        return not_installed(&model).to_string();
    };
    match command_line(&model, None, camera, rpicam) {
        Ok(line) => format!(
            "would run {program} {}, less what this build of it does not know",
            line.arguments.join(" ")
        ),
        Err(e) => e.to_string(),
    }
}

fn model() -> String {
    fs::read_to_string(MODEL).unwrap_or_default()
}

fn not_installed(model: &str) -> Error {
    // The smaller one can do no more than the encoder of the board.
    let package = match has_encoder(model) {
        Some(false) => "rpicam-apps",
        _ => "rpicam-apps-lite",
    };
    let why = format!("it is not installed: sudo apt install {package}");
    Error::new(PROGRAMS[0], "can't run it", why)
}

fn path() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

/// The first of the programs in the folders of this PATH.
fn find(path: &OsStr) -> Option<String> {
    let runs = |file: &PathBuf| {
        fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    PROGRAMS.iter().find_map(|program| {
        let file = env::split_paths(path)
            .map(|folder| folder.join(program))
            .find(runs)?;
        file.to_str().map(String::from)
    })
}

/// A program's name without its folder.
fn name(program: &str) -> String {
    program.rsplit('/').next().unwrap_or(program).to_owned()
}

/// Whether the board of that model encodes H.264 in hardware: all do before the Raspberry Pi 5, 500 and Compute Module
/// 5. None for a board that is none of them.
fn has_encoder(model: &str) -> Option<bool> {
    let board = model.strip_prefix("Raspberry Pi ")?;
    let board = board.strip_prefix("Compute Module ").unwrap_or(board);
    Some(!board.starts_with(|generation| ('5'..='9').contains(&generation)))
}

/// What the program is run with.
#[derive(Debug, PartialEq)]
struct Line {
    arguments: Vec<String>,
    /// What was asked for and is left out.
    notices: Vec<String>,
}

/// The line for a board of that model, and a build with that help; without help, for one that can do all.
fn command_line(model: &str, help: Option<&str>, camera: &Camera, rpicam: &Rpicam) -> Result<Line> {
    let listed: Option<Vec<(&str, bool)>> = help.map(|help| help.lines().filter_map(listed).collect());
    let has = |name: &str| {
        let listed = listed.as_ref();
        listed.is_none_or(|listed| listed.iter().any(|(option, _)| *option == name))
    };
    let codec = match has_encoder(model) {
        _ if rpicam.mjpeg => "mjpeg",
        Some(true) => "h264",
        _ if has("libav-format") => "libav",
        // Maybe it knows an encoder of that board.
        None => "h264",
        Some(false) => return Err(Error::new(PROGRAMS[0], NO_LIBAV[0], NO_LIBAV[1])),
    };
    let Camera {
        width, height, fps, ..
    } = *camera;
    let mut options = Options(Vec::new());
    options.set("codec", codec);
    if codec == "libav" {
        // Early builds would take the encoder in hardware, whether there is one or not; and the format is told by the
        // name of a file only (issue 626).
        options.set("libav-video-codec", "libx264");
        options.set("libav-format", "h264");
    } else {
        for name in ["inline", "flush"] {
            if has(name) && (codec, name) != ("mjpeg", "inline") {
                options.set(name, "");
            }
        }
    }
    options.set("width", &width.to_string());
    options.set("height", &height.to_string());
    options.set("framerate", &fps.to_string());
    if codec != "mjpeg" {
        options.set("bitrate", &bitrate(width, height, fps).to_string());
        options.set("intra", &fps.to_string());
    }
    if codec == "libav" && has("low-latency") {
        options.set("low-latency", "");
    } else if codec == "libav" && has("libav-video-codec-opts") {
        options.set("libav-video-codec-opts", LOW_LATENCY);
    }
    // The first builds for a Raspberry Pi 5 have neither (pull request 608): this profile has no B-frames.
    let baseline = codec == "libav" && !has("low-latency") && !has("libav-video-codec-opts");

    let mut notices = Vec::new();
    for setting in &rpicam.options {
        let option = setting.name.as_str();
        let key = match setting.place.as_str() {
            "" => option.replace('-', "_"),
            place => format!("{place}: rpicam_{}", option.replace('-', "_")),
        };
        if OWN.contains(&option) {
            notices.push(format!("{key}: left out, this program sets it as it must be"));
        } else if baseline && option == "profile" {
            notices.push(format!(
                "{key}: baseline in its place, as this old rpicam-vid makes B-frames in others: sudo apt upgrade"
            ));
        } else if has(option) {
            options.set(option, &setting.value);
        } else {
            let known = listed.iter().flatten().map(|(option, _)| *option);
            let hint = nearest(option, known).map_or(String::new(), |near| {
                format!("; did you mean rpicam_{}?", near.replace('-', "_"))
            });
            notices.push(format!(
                "{key}: left out, this rpicam-vid has no --{option}{hint}"
            ));
        }
    }
    if baseline {
        options.set("profile", "baseline");
    }

    let mut arguments: Vec<String> = ["-t", "0", "-n"].map(String::from).into();
    for (option, value) in options.0 {
        let optional = |listed: &Vec<(&str, bool)>| listed.contains(&(option.as_str(), true));
        if value.is_empty() {
            arguments.push(format!("--{option}"));
        } else if value.starts_with('-') || listed.as_ref().is_some_and(optional) {
            // Apart it would be another option, or one word too many (Boost.Program_options).
            arguments.push(format!("--{option}={value}"));
        } else {
            arguments.extend([format!("--{option}"), value]);
        }
    }
    arguments.extend(["-o", "-"].map(String::from));
    Ok(Line { arguments, notices })
}

/// Options with their values, each once.
struct Options(Vec<(String, String)>);

impl Options {
    fn set(&mut self, option: &str, value: &str) {
        match self.0.iter_mut().find(|(name, _)| name == option) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.0.push((option.to_owned(), value.to_owned())),
        }
    }
}

/// The option that a line of the help is about, and whether it may stand without its value. Its lines are as
/// "  -t [ --timeout ] arg (=5sec)  Time ..." and "  --hflip [=arg(=1)] (=0)  ...", with a further line of words
/// indented to their column.
fn listed(line: &str) -> Option<(&str, bool)> {
    let line = line.strip_prefix("  ").filter(|line| line.starts_with('-'))?;
    let (_, rest) = line.split_once("--")?;
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .unwrap_or(rest.len());
    let (option, rest) = rest.split_at(end);
    let rest = rest.strip_prefix(" ]").unwrap_or(rest);
    Some((option, rest.starts_with(" [=")))
}

/// Bits per second: 0.15 a pixel, a clear picture of people and rooms.
fn bitrate(width: u32, height: u32, fps: u32) -> u64 {
    let bits = u64::from(width) * u64::from(height) * u64::from(fps) * 15 / 100;
    (bits / 100_000 * 100_000).clamp(500_000, 25_000_000)
}

/// What `program --help` prints. It is kept while the program's file is the same: a viewer waits for this.
fn help(program: &str) -> Result<String> {
    static KEPT: Mutex<Option<(String, SystemTime, String)>> = Mutex::new(None);
    let modified = fs::metadata(program).and_then(|file| file.modified());
    let modified = modified.map_err(|e| Error::new(program, "can't look at it", e))?;
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
    let fail =
        |why: &dyn std::fmt::Display| Error::new(program, format_args!("can't ask for {question}"), why);
    let mut command = Command::start(program, &[question]).map_err(|e| fail(&e))?;
    let deadline = Instant::now() + HELP_WAIT;
    let (mut answer, mut buffer) = (Vec::new(), vec![0; Packets::MIN_READ_BYTES]);
    while answer.len() < HELP_BYTES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(fail(&"no answer for 10 s"));
        }
        match command.stdout.read(&mut buffer).map_err(|e| fail(&e))? {
            Chunk::Bytes { count, .. } => answer.extend(buffer.iter().take(count)),
            Chunk::End => break,
            Chunk::Nothing => {
                let mut files = [PollFd::new(command.stdout.as_fd(), PollFlags::POLLIN)];
                _ = poll(&mut files, poll_timeout(left));
            }
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if answer.contains("--codec") {
        return Ok(answer);
    }
    let mut said = String::new();
    if let Ok(Chunk::Bytes { count, .. }) = command.read_stderr(&mut buffer) {
        said = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).into_owned();
    }
    let said: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
    Err(explained(fail(&format_args!("it has no help; it says {said:?}"))))
}

/// The same error in better words, if there are some for what the program says.
fn explained(error: Error) -> Error {
    let text = error.to_string();
    if text.contains("failed to acquire camera") {
        let holder: Vec<u32> = holder().into_iter().collect();
        return Error::new(PROGRAMS[0], "can't use the camera", camera::busy_with(&holder));
    }
    let reason = REASONS.iter().find(|(said, _)| text.contains(said));
    reason.map_or(error, |(_, [what, remedy])| Error::new(PROGRAMS[0], what, remedy))
}

/// Who has libcamera's cameras. They are theirs by a lock on the media device (MediaDevice::lock), which others may have
/// open too.
fn holder() -> Option<u32> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let nodes = fs::read_dir(super::lookup::DEV).ok()?.flatten();
    let media = nodes.filter(|node| node.file_name().to_string_lossy().starts_with("media"));
    let media = media.filter_map(|node| node.metadata().ok());
    let media: Vec<(u64, u64)> = media.map(|found| (found.dev(), found.ino())).collect();
    lock_holder(&locks, &media)
}

/// The process with a POSIX lock on one of these files, given by device and inode. A line of /proc/locks is as
/// "1: POSIX  ADVISORY  WRITE 812 00:06:345 0 EOF" (proc(5)).
fn lock_holder(locks: &str, files: &[(u64, u64)]) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (kind, pid, file) = (words.next()?, words.nth(2)?, words.next()?);
        let locked = |(device, inode): &(u64, u64)| {
            let (major, minor) = (libc::major(*device), libc::minor(*device));
            file == format!("{major:02x}:{minor:02x}:{inode}")
        };
        (kind == "POSIX" && files.iter().any(locked)).then(|| pid.parse().ok())?
    })
}

impl Source for RpicamVid {
    fn facts(&self) -> &Facts {
        self.exec.facts()
    }

    fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> Result<()> {
        self.exec.poll(wake, timeout, sink).map_err(explained)
    }

    fn drops(&self) -> Drops {
        self.exec.drops()
    }
}

#[cfg(test)]
mod tests;
