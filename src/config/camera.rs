//! A camera's section: what it is about, what can be said of it as a whole, and its name.

use super::ini::{Entry, Section, shown};
use super::keys::{self, Scope};
use super::{ChainKeys, DeviceName, NOT_IN_THE_FILE, bad_value, nearest};
use crate::error::{Error, Result};
use std::mem;
use std::time::Duration;

/// A section of a camera, or what stands in for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Camera {
    /// The name in URLs, in /status and in the log: "camera0".
    pub name: String,
    /// The section's name in the file, such as "exec pi"; for messages.
    pub section: String,
    /// Where the frames come from.
    pub source: SourceKind,
    /// Pixels, as wished for; the stream says what came of it.
    pub width: u32,
    /// Pixels, as wished for.
    pub height: u32,
    /// Frames a second, as wished for.
    pub fps: u32,
    /// Degrees clockwise for the player to turn the picture: 0, 90, 180 or 270.
    pub rotation: u16,
    /// Whether the source stops while nobody watches.
    pub auto_sleep: bool,
    /// How long after the last viewer left it stops.
    pub linger: Duration,
}

impl Default for Camera {
    fn default() -> Camera {
        Camera {
            name: "camera0".into(),
            section: "auto".into(),
            source: SourceKind::Auto,
            width: 640,
            height: 480,
            fps: 30,
            rotation: 0,
            auto_sleep: true,
            linger: Duration::from_secs(5),
        }
    }
}

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// Nothing is named: the first camera with H.264; the test picture until there is one.
    Auto,
    /// A V4L2 device, waited for when it is not there.
    Device {
        /// Which one.
        device: DeviceName,
        /// What to set on it before it streams, in this order.
        controls: Vec<Setting>,
        /// `auto`, MJPGH264, or the four letters of a V4L2 format, such as H264, MJPG or YUYV.
        capture_format: String,
        /// What pins the rest of the way to H.264.
        chain: ChainKeys,
    },
    /// The standard output of a command for `sh -c`: H.264 in the byte stream format, or JPEG pictures.
    Exec {
        /// The command, in one line, not empty.
        command: String,
    },
    /// A camera that libcamera drives, through its `rpicam-vid`.
    Rpicam(Rpicam),
    /// The test picture.
    Test,
}

/// What is asked of `rpicam-vid`, beside size and rate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rpicam {
    /// JPEG pictures instead of H.264.
    pub mjpeg: bool,
    /// Options by the names that they have there, such as "lens-position", with their values. Those of a `rpicam_` key
    /// have a place in the file.
    pub options: Vec<Setting>,
}

impl Rpicam {
    pub(super) fn set(&mut self, option: &str, value: &str) {
        self.options.push(Setting {
            name: option.into(),
            value: value.into(),
            place: String::new(),
        });
    }
}

impl SourceKind {
    pub(super) fn device(device: DeviceName) -> SourceKind {
        SourceKind::Device {
            device,
            controls: Vec::new(),
            capture_format: keys::AUTO.into(),
            chain: ChainKeys::default(),
        }
    }

    pub(super) fn scopes(&self) -> &'static [Scope] {
        match self {
            SourceKind::Auto | SourceKind::Test => &[Scope::Camera],
            SourceKind::Device { .. } => &[Scope::Camera, Scope::Device],
            SourceKind::Exec { .. } => &[Scope::Camera, Scope::Exec],
            SourceKind::Rpicam(_) => &[Scope::Camera, Scope::Rpicam],
        }
    }
}

/// A V4L2 control and its value, neither of them checked: only the device knows.
#[derive(Debug, Clone)]
pub struct Setting {
    /// As in the file, in lower case.
    pub name: String,
    /// As in the file.
    pub value: String,
    /// `file:line`, for messages.
    pub place: String,
}

/// It is the same wherever it stands.
impl PartialEq for Setting {
    fn eq(&self, other: &Setting) -> bool {
        (&self.name, &self.value) == (&other.name, &other.value)
    }
}

impl Eq for Setting {}

impl Camera {
    /// What is to be set on it, if its section is about a device that is none of a camera's, but a codec.
    pub(super) fn codec(
        &mut self,
        is_codec: &dyn Fn(&DeviceName) -> bool,
    ) -> Option<(DeviceName, Vec<Setting>)> {
        match &mut self.source {
            SourceKind::Device { device, controls, .. } if is_codec(device) => {
                Some((device.clone(), mem::take(controls)))
            }
            _ => None,
        }
    }

    /// Reads what can be said of it only when all its keys are known.
    pub(super) fn check(&mut self, file: &str, section: &Section, entries: &[Entry]) -> Result<()> {
        if let SourceKind::Device {
            capture_format,
            controls,
            ..
        } = &mut self.source
        {
            let muxed = |s: &Setting| s.name == keys::STREAM_MUX && s.value.eq_ignore_ascii_case("H264");
            if capture_format == "MJPG" && controls.iter().any(muxed) {
                *capture_format = "MJPGH264".into();
            }
        }
        let entry = |key: &str| entries.iter().find(|entry| entry.key == key);
        match &mut self.source {
            // The camera turns what it can: the picture is right in whatever shows it.
            SourceKind::Rpicam(rpicam) if self.rotation == 180 => {
                self.rotation = 0;
                rpicam.set("rotation", "180");
            }
            SourceKind::Exec { command } if command.is_empty() => {
                return Err(Error::new(
                    format_args!("{file}:{}", section.line),
                    format_args!("[{}] has no command", shown(&section.name)),
                    "put command = ... below it, with what writes H.264 or JPEG to its standard output",
                ));
            }
            SourceKind::Test => {
                for (key, number, (from, to), even) in [
                    ("width", self.width, (160, 3840), true),
                    ("height", self.height, (120, 2160), true),
                    ("fps", self.fps, (1, 120), false),
                ] {
                    let good = (from..=to).contains(&number) && !(even && number % 2 == 1);
                    if let (false, Some(entry)) = (good, entry(key)) {
                        let even = if even { "an even" } else { "a whole" };
                        let allowed = format!("for the test picture {even} number from {from} to {to}");
                        return Err(bad_value(file, entry, &allowed));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What would run, line by line, for `--check`.
    pub(super) fn describe(&self) -> Vec<String> {
        let size = format!("{}x{} at {} fps", self.width, self.height, self.fps);
        let source = match &self.source {
            SourceKind::Auto => {
                format!(
                    "the first camera, H.264 ones before others, else the Raspberry Pi's own, {size}; the test \
                     picture until there is one"
                )
            }
            SourceKind::Device {
                device,
                capture_format,
                ..
            } => match capture_format.as_str() {
                keys::AUTO => format!("{device}, {size}, the best way that there is"),
                format => format!("{device}, {format} {size}"),
            },
            SourceKind::Exec { command } => format!("the command {command}"),
            SourceKind::Rpicam(rpicam) => {
                let format = if rpicam.mjpeg { "MJPG" } else { "H264" };
                format!("a camera through rpicam-vid, {format} {size}")
            }
            SourceKind::Test => format!("the test picture, {size}"),
        };
        let mut lines = vec![source];
        if self.rotation != 0 {
            lines.push(format!("players turn it by {} degrees", self.rotation));
        }
        lines.push(match self.auto_sleep {
            true => format!("sleeps {} s after the last viewer left", self.linger.as_secs()),
            false => "never sleeps".into(),
        });
        if let SourceKind::Device { controls, chain, .. } = &self.source {
            for (what, name) in [("decoder", &chain.decoder), ("encoder", &chain.encoder)] {
                lines.extend(name.iter().map(|name| format!("goes through the {what} {name}")));
            }
            lines.extend(controls.iter().map(|s| format!("sets {} = {}", s.name, s.value)));
        }
        lines
            .iter()
            .map(|line| format!("{}: {line}", self.name))
            .collect()
    }
}

/// The names of a program's own that a camera can't have: the first parts of its addresses, but for those with a dot.
const ADDRESSES: [&str; 6] = ["healthz", "hls", "snapshot", "status", "stream", "ws"];

/// Whether a camera may be called so: the name stands in addresses, at the place of the program's own.
pub(super) fn is_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(good) && !ADDRESSES.contains(&text)
}

/// What a section other than `[server]` is about.
pub(super) fn source_of(section: &Section, file: &str) -> Result<SourceKind> {
    if section.line == NOT_IN_THE_FILE {
        return Ok(SourceKind::Auto);
    }
    let name = section.name.as_str();
    let place = format!("{file}:{}", section.line);
    if let Some(device) = DeviceName::parse(name) {
        let bad = |how| Error::new(&place, format_args!("[{}]: no such section", shown(name)), how);
        return device.map(SourceKind::device).map_err(bad);
    }
    let kind = name.split_once(' ').map_or(name, |(kind, _)| kind);
    match kind {
        "exec" => Ok(SourceKind::Exec {
            command: String::new(),
        }),
        "rpicam" => Ok(SourceKind::Rpicam(Rpicam::default())),
        "test" => Ok(SourceKind::Test),
        _ => {
            let kind = kind.to_ascii_lowercase();
            let known = ["server", "default", "exec", "rpicam", "test"];
            let hint = match nearest(&kind, known) {
                Some("default") => "; did you mean [DEFAULT]?".into(),
                Some(known) => format!("; did you mean [{known}]?"),
                None => String::new(),
            };
            let why = "allowed: [server], [DEFAULT], and for a camera [/dev/...], [usb:VID:PID], \
                       [card:NAME], [exec NAME], [rpicam NAME] or [test NAME]";
            Err(Error::new(
                place,
                format_args!("[{}]: no such section", shown(name)),
                format_args!("{why}{hint}"),
            ))
        }
    }
}
