//! The line that `rpicam-vid` is run with: the options that fit a board and a build.

use super::failure::{NO_LIBAV, fail};
use crate::config::keys::RPICAM_PREFIX;
use crate::config::{Camera, Rpicam, nearest};
use crate::error::Result;

/// The options that make libx264 as `--low-latency` does, for builds that lack that one (it came in December 2024, pull request
/// 751): there are B-frames else, and a frame of delay for each processor (encoder/libav_encoder.cpp).
const LOW_LATENCY: &str = "preset=ultrafast;tune=zerolatency;bf=0;thread_type=slice";
/// Options that are as they have to be.
const OWN: [&str; 3] = ["timeout", "nopreview", "output"];

/// True if the board of that model encodes H.264 in hardware: all do before the Raspberry Pi 5, 500 and Compute Module
/// 5. None for a board that is none of them.
pub(super) fn has_encoder(model: &str) -> Option<bool> {
    let board = model.strip_prefix("Raspberry Pi ")?;
    let board = board.strip_prefix("Compute Module ").unwrap_or(board);
    Some(!board.starts_with(|generation| ('5'..='9').contains(&generation)))
}

/// The arguments that the program is run with.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub arguments: Vec<String>,
    /// Sentences about what was asked for and is left out.
    pub notices: Vec<String>,
}

/// The line for a board of that model, and a build with that help; without help, for one that can do all.
pub(super) fn command_line(
    model: &str,
    help: Option<&str>,
    camera: &Camera,
    rpicam: &Rpicam,
) -> Result<Line> {
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
        // Early builds would take the encoder in hardware, whether there is one or not; and the format follows from the
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

    let mut arguments = ["-t", "0", "-n"].map(str::to_owned).to_vec();
    for (option, value) in options.0 {
        let optional = build.listed.contains(&(option, true));
        if value.is_empty() {
            arguments.push(format!("--{option}"));
        } else if value.starts_with('-') || optional {
            // Apart it would be another option, or one word too many (Boost.Program_options).
            arguments.push(format!("--{option}={value}"));
        } else {
            arguments.extend([format!("--{option}"), value.to_owned()]);
        }
    }
    arguments.extend(["-o", "-"].map(str::to_owned));
    Ok(Line { arguments, notices })
}

/// The key for an option that has none of its own.
fn key(option: &str) -> String {
    format!("{RPICAM_PREFIX}{}", option.replace('-', "_"))
}

/// An installed build, by its help.
struct Build<'a> {
    asked: bool,
    /// Its options, and whether each may stand without its value.
    listed: Vec<(&'a str, bool)>,
}

impl Build<'_> {
    fn has(&self, name: &str) -> bool {
        !self.asked || self.listed.iter().any(|(option, _)| *option == name)
    }
}

/// Options with their values, each once.
struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
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
pub(super) fn listed(line: &str) -> Option<(&str, bool)> {
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

#[cfg(test)]
#[path = "tests/line.rs"]
mod tests;
