//! Cameras that libcamera drives, such as a Raspberry Pi's own: `rpicam-vid` (in Debian 11 `libcamera-vid`) is run, with
//! the options that fit this board and that build.
//!
//! What is said here of the program is from its sources, github.com/raspberrypi/rpicam-apps, and the issues named.

use super::exec::{self, Exec};
use super::{Drops, Signal, Source, SourceInfo, camera, warn_once};
use crate::config::keys::RPICAM_PREFIX;
use crate::config::{Camera, Rpicam, nearest};
use crate::error::{Error, Result};
use crate::log_verbose;
use crate::sys::command::{Command, Packets, PipeRead};
use crate::sys::file::major_minor;
use crate::sys::poll::{poll, readable};
use std::collections::HashSet;
use std::env;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
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
/// No board has so many media devices.
const MEDIA_MAX: u32 = 32;
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
    let (program, Line { arguments, notices }) = prepare(camera, rpicam)?;
    for notice in notices {
        warn_once(said, format!("{}: {notice}", camera.name));
    }
    log_verbose!("{}: runs {program} {}", camera.name, arguments.join(" "));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let exec = Exec::run(&camera.name, name, &program, &arguments)?;
    Ok(RpicamVid { exec })
}

fn prepare(camera: &Camera, rpicam: &Rpicam) -> Result<(String, Line)> {
    let model = model();
    let program = find(&path()).ok_or_else(|| not_installed(&model))?;
    let help = help(&program)?;
    let line = command_line(&model, Some(&help), camera, rpicam)?;
    Ok((program, line))
}

/// What [`open`] runs; the program is asked for its options.
///
/// # Errors
/// It is not installed, or can't do it here.
pub(super) fn line(camera: &Camera, rpicam: &Rpicam) -> Result<String> {
    prepare(camera, rpicam).map(|(program, line)| format!("{program} {}", line.arguments.join(" ")))
}

/// What [`open`] would run, as far as that can be told with nothing run.
pub fn plan(camera: &Camera, rpicam: &Rpicam) -> String {
    let model = model();
    let (program, but) = match find(&path()) {
        Some(program) => (
            program,
            "what this build of it does not know is left out".to_owned(),
        ),
        None => (PROGRAMS[0].to_owned(), not_installed(&model).to_string()),
    };
    match command_line(&model, None, camera, rpicam) {
        Ok(line) => format!("would run {program} {} ({but})", line.arguments.join(" ")),
        Err(e) => e.to_string(),
    }
}

/// Whether [`open`] would find it.
pub fn is_installed() -> bool {
    find(&path()).is_some()
}

pub(super) fn model() -> String {
    fs::read_to_string(MODEL).unwrap_or_default()
}

fn path() -> String {
    env::var("PATH").unwrap_or_default()
}

#[inline(never)]
fn fail(what: &str, why: &str) -> Error {
    Error::new(PROGRAMS[0], what, why)
}

fn not_installed(model: &str) -> Error {
    // The smaller one can do no more than the encoder of the board.
    let why = match has_encoder(model) {
        Some(false) => "it is not installed: sudo apt install rpicam-apps",
        _ => "it is not installed: sudo apt install rpicam-apps-lite",
    };
    fail("can't run it", why)
}

/// The first of the programs in the folders of this PATH.
fn find(path: &str) -> Option<String> {
    for program in PROGRAMS {
        for folder in path.split(':') {
            let file = format!("{folder}/{program}");
            if fs::metadata(&file).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0) {
                return Some(file);
            }
        }
    }
    None
}

/// Whether the board of that model encodes H.264 in hardware: all do before the Raspberry Pi 5, 500 and Compute Module
/// 5. None for a board that is none of them.
fn has_encoder(model: &str) -> Option<bool> {
    let board = model.strip_prefix("Raspberry Pi ")?;
    let board = board.strip_prefix("Compute Module ").unwrap_or(board);
    Some(!board.starts_with(|generation| ('5'..='9').contains(&generation)))
}

/// Whether this board does; None if it is no Raspberry Pi.
pub(super) fn board_encodes() -> Option<bool> {
    has_encoder(&model())
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
    let build = Build {
        asked: help.is_some(),
        listed: help.unwrap_or_default().lines().filter_map(listed).collect(),
    };
    let has = |name: &str| build.has(name);
    let codec = match has_encoder(model) {
        _ if rpicam.mjpeg => "mjpeg",
        Some(true) => "h264",
        _ if has("libav-format") => "libav",
        // Maybe it knows an encoder of that board.
        None => "h264",
        Some(false) => return Err(fail(NO_LIBAV[0], NO_LIBAV[1])),
    };
    let Camera {
        width, height, fps, ..
    } = *camera;
    let (size, rate) = ([width.to_string(), height.to_string()], fps.to_string());
    let bits = bitrate(width, height, fps).to_string();
    let mut options = Options(Vec::new());
    options.set("codec", codec);
    if codec == "libav" {
        // Early builds would take the encoder in hardware, whether there is one or not; and the format is told by the
        // name of a file only (issue 626).
        options.set("libav-video-codec", "libx264");
        options.set("libav-format", "h264");
    }
    for (name, is_for) in [("inline", &["h264"][..]), ("flush", &["h264", "mjpeg"])] {
        if is_for.contains(&codec) && has(name) {
            options.set(name, "");
        }
    }
    options.set("width", &size[0]);
    options.set("height", &size[1]);
    options.set("framerate", &rate);
    if codec != "mjpeg" {
        options.set("bitrate", &bits);
        options.set("intra", &rate);
    }
    // The first builds for a Raspberry Pi 5 have none of the two (pull request 608): this profile has no B-frames.
    let mut baseline = false;
    if codec == "libav" {
        match ["low-latency", "libav-video-codec-opts"].map(has) {
            [true, _] => options.set("low-latency", ""),
            [_, true] => options.set("libav-video-codec-opts", LOW_LATENCY),
            _ => baseline = true,
        }
    }

    let mut notices = Vec::new();
    for setting in &rpicam.options {
        let option = setting.name.as_str();
        let mut hint = String::new();
        let why = if OWN.contains(&option) {
            "left out, this program sets it as it must be"
        } else if baseline && option == "profile" {
            "baseline in its place, as this old rpicam-vid makes B-frames in others: sudo apt upgrade"
        } else if has(option) {
            options.set(option, &setting.value);
            continue;
        } else {
            if let Some(near) = nearest(option, build.listed.iter().map(|(option, _)| *option)) {
                hint = format!("; did you mean {}?", key(near));
            }
            "left out, this rpicam-vid has no such option"
        };
        let place = match setting.place.as_str() {
            "" => option.replace('-', "_"),
            place => format!("{place}: {}", key(option)),
        };
        notices.push(format!("{place}: {why}{hint}"));
    }
    if baseline {
        options.set("profile", "baseline");
    }

    let mut arguments = Vec::new();
    let mut add = |word: &str| add(&mut arguments, word);
    for word in ["-t", "0", "-n"] {
        add(word);
    }
    for (option, value) in options.0 {
        let optional = build.listed.contains(&(option, true));
        if value.is_empty() {
            add(&format!("--{option}"));
        } else if value.starts_with('-') || optional {
            // Apart it would be another option, or one word too many (Boost.Program_options).
            add(&format!("--{option}={value}"));
        } else {
            add(&format!("--{option}"));
            add(value);
        }
    }
    add("-o");
    add("-");
    Ok(Line { arguments, notices })
}

#[inline(never)]
fn add(words: &mut Vec<String>, word: &str) {
    words.push(word.to_owned());
}

/// The key for an option that has none of its own.
fn key(option: &str) -> String {
    format!("{RPICAM_PREFIX}{}", option.replace('-', "_"))
}

/// What is known of an installed build.
struct Build<'a> {
    asked: bool,
    /// Its options, and whether each may stand without its value.
    listed: Vec<(&'a str, bool)>,
}

impl Build<'_> {
    #[inline(never)]
    fn has(&self, name: &str) -> bool {
        !self.asked || self.listed.iter().any(|(option, _)| *option == name)
    }
}

/// Options with their values, each once.
struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
    #[inline(never)]
    fn set(&mut self, option: &'a str, value: &'a str) {
        match self.0.iter_mut().find(|(name, _)| *name == option) {
            Some((_, old)) => *old = value,
            None => self.0.push((option, value)),
        }
    }
}

/// The option that a line of the help is about, and whether it may stand without its value. Its lines are as
/// "  -t [ --timeout ] arg (=5sec)  Time ..." and "  --hflip [=arg(=1)] (=0)  ...", with a further line of words
/// indented to their column.
fn listed(line: &str) -> Option<(&str, bool)> {
    let line = line.strip_prefix("  ").filter(|line| line.starts_with('-'))?;
    let mut words = line.split(' ').skip_while(|word| !word.starts_with("--"));
    let option = words.next()?.strip_prefix("--")?;
    let next = words.find(|word| *word != "]").unwrap_or_default();
    Some((option, next.starts_with("[=")))
}

/// Bits per second: 0.15 a pixel, a clear picture of people and rooms.
fn bitrate(width: u32, height: u32, fps: u32) -> u64 {
    let bits = u64::from(width) * u64::from(height) * u64::from(fps) * 15 / 100;
    (bits / 100_000 * 100_000).clamp(500_000, 25_000_000)
}

/// What `program --help` prints. It is kept while the program's file is the same: a viewer waits for this.
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
    let mut command = Command::start(program, &[question]).map_err(unread)?;
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
    Err(explained(fail(TRIED, &format!("it lists none; it says: {said}"))))
}

/// The same error in better words, if there are some for what the program says.
fn explained(error: Error) -> Error {
    let text = error.to_string();
    let says = |words: &str| {
        text.as_bytes()
            .windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    if says("failed to acquire camera") {
        return fail("can't use the camera", &camera::busy_with(&holders()));
    }
    for (words, [what, remedy]) in REASONS {
        if says(words) {
            return fail(what, remedy);
        }
    }
    error
}

/// Who has libcamera's cameras. They are theirs by a lock on the media device (MediaDevice::lock), which others may have
/// open too.
fn holders() -> Vec<u32> {
    let nodes = (0..MEDIA_MAX).filter_map(|number| fs::metadata(format!("/dev/media{number}")).ok());
    let files: Vec<String> = nodes.map(|node| file(node.dev(), node.ino())).collect();
    lock_holders(&fs::read_to_string("/proc/locks").unwrap_or_default(), &files)
}

/// A file as /proc/locks names it: by its device and inode.
fn file(device: u64, inode: u64) -> String {
    let (major, minor) = major_minor(device);
    format!("{major:02x}:{minor:02x}:{inode}")
}

/// The processes with a POSIX lock on one of these files. A line of /proc/locks is as
/// "1: POSIX  ADVISORY  WRITE 812 00:06:345 0 EOF" (proc(5)).
fn lock_holders(locks: &str, files: &[String]) -> Vec<u32> {
    let mut holders = Vec::new();
    for line in locks.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, "POSIX", _, _, pid, locked, ..] = words.as_slice() {
            if files.iter().any(|file| file == locked) {
                holders.extend(pid.parse::<u32>());
            }
        }
    }
    holders
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
        self.exec.poll(wake, timeout, sink).map_err(explained)
    }

    fn drops(&self) -> Drops {
        self.exec.drops()
    }
}

#[cfg(test)]
mod tests;
