//! The config file: INI text → [`Config`]. The dialect is in `config/ini.rs`; every key, with its default,
//! its meaning and its limits, in `config/keys.rs`. All errors are for the person who wrote the file:
//! `file:line`, what is allowed there, and the nearest known name.

mod chain;
mod device;
mod ini;
pub mod keys;
mod nearest;
mod values;

use crate::error::{Error, Result};
pub use chain::{ChainKeys, Memory};
pub use device::{DeviceName, UsbId};
use ini::{Entry, Section, shown};
use keys::Scope;
pub use nearest::nearest;
use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Where a config is looked for when none is named, in this order.
pub const DEFAULT_FILES: [&str; 2] = ["./fmp4streamer.conf", "/etc/fmp4streamer.conf"];

const SERVER: &str = "server";
/// The line of the section that stands in where the file has no camera's.
const NOT_IN_THE_FILE: usize = 0;

/// All that the program is told to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The file that it was read from; None when it was made from the command line or from nothing.
    pub file: Option<String>,
    /// What is served, to whom.
    pub server: Server,
    /// Where the frames come from.
    pub camera: Camera,
    /// Lines for the log, each a warning: what the file asks for and does not get.
    pub notices: Vec<String>,
}

/// The `[server]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The one address to listen on; None is all of them, IPv4 and IPv6.
    pub listen: Option<IpAddr>,
    /// The TCP port; 0 is any free one.
    pub port: u16,
    /// The nice value, -20..=19.
    pub priority: i32,
    /// Streams served at once, 1..=10000.
    pub max_clients: usize,
    /// How old a follower's next fragment may get before it skips to a newer key frame, 0.1..=60 s.
    pub max_age: Duration,
    /// The longest group that a newcomer is sent at once, 1..=60 s.
    pub join_max: Duration,
    /// The largest group that a newcomer is sent at once, in bytes, 1..=64 million.
    pub join_max_bytes: usize,
    /// Further names allowed in `Host`, in lower case, without port; `*` is any.
    pub hosts: Vec<String>,
    /// Origins beside 'self' for CSP's frame-ancestors, fit to be put into the header as they are.
    pub frame_ancestors: Vec<String>,
    /// Origins whose pages may use the stream, in lower case; `*` is any.
    pub cors_origins: Vec<String>,
    /// The path that a proxy passes on in front of all others, such as `/cam`; empty for none.
    pub base_path: String,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: None,
            port: 8000,
            priority: 0,
            max_clients: 100,
            max_age: Duration::from_millis(1000),
            join_max: Duration::from_secs(4),
            join_max_bytes: 4_000_000,
            hosts: Vec::new(),
            frame_ancestors: Vec::new(),
            cors_origins: Vec::new(),
            base_path: String::new(),
        }
    }
}

/// A section of a camera, or what stands in for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Camera {
    /// The name in URLs and in /status: "camera0".
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
    fn set(&mut self, option: &str, value: &str) {
        self.options.push(Setting {
            name: option.into(),
            value: value.into(),
            place: String::new(),
        });
    }
}

impl SourceKind {
    fn device(device: DeviceName) -> SourceKind {
        SourceKind::Device {
            device,
            controls: Vec::new(),
            capture_format: keys::AUTO.into(),
            chain: ChainKeys::default(),
        }
    }

    fn scopes(&self) -> &'static [Scope] {
        match self {
            SourceKind::Auto | SourceKind::Test => &[Scope::Camera],
            SourceKind::Device { .. } => &[Scope::Camera, Scope::Device],
            SourceKind::Exec { .. } => &[Scope::Camera, Scope::Exec],
            SourceKind::Rpicam(_) => &[Scope::Camera, Scope::Rpicam],
        }
    }
}

/// A V4L2 control and its value, neither of them checked: only the device knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As in the file, in lower case.
    pub name: String,
    /// As in the file.
    pub value: String,
    /// `file:line`, for messages.
    pub place: String,
}

impl Config {
    /// Reads `explicit`, else the first of [`DEFAULT_FILES`] that there is, else gives the defaults.
    ///
    /// # Errors
    /// The file can't be read (the default ones may be missing), or is no good config: see [`Config::parse`].
    pub fn load(explicit: Option<&Path>) -> Result<Config> {
        if let Some(path) = explicit {
            return Self::load_file(path)?.ok_or_else(|| {
                let why = "there is no such file; without -c it would be ./fmp4streamer.conf or \
                           /etc/fmp4streamer.conf";
                Error::new(path.display(), "can't read the config", why)
            });
        }
        for path in DEFAULT_FILES {
            if let Some(config) = Self::load_file(Path::new(path))? {
                return Ok(config);
            }
        }
        Ok(Config::default())
    }

    /// None if there is no such file.
    fn load_file(path: &Path) -> Result<Option<Config>> {
        let mut bytes = Vec::new();
        // One byte more than a config may have, so that a longer file is told from one that just fits.
        let limit = ini::MAX_BYTES as u64 + 1;
        match File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
            Ok(_) => Self::parse(&bytes, &path.display().to_string()).map(Some),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::new(path.display(), "can't read the config", e)),
        }
    }

    /// The defaults with the camera of that name, as it would stand in a section; anything else is taken for
    /// a path.
    ///
    /// # Errors
    /// It begins like a name but is none.
    pub fn for_device(text: &str) -> Result<Config> {
        let device = DeviceName::parse(text).unwrap_or_else(|| Ok(DeviceName::Path(text.into())));
        let device = device.map_err(|how| Error::new(shown(text), "no such device", how))?;
        if !text.contains(['/', ':']) {
            let why = format!("a device is named by its path, such as /dev/{text}, or as -L lists it");
            return Err(Error::new(shown(text), "no such device", why));
        }
        Ok(Config {
            camera: Camera {
                section: device.to_string(),
                source: SourceKind::device(device),
                ..Camera::default()
            },
            ..Config::default()
        })
    }

    /// The defaults with the test picture.
    pub fn for_test() -> Config {
        let camera = Camera {
            section: "test".into(),
            source: SourceKind::Test,
            ..Camera::default()
        };
        Config {
            camera,
            ..Config::default()
        }
    }

    /// Reads a config from a file's bytes; `file` is its name in messages.
    ///
    /// # Errors
    /// As `file:line: what: what is allowed, and the nearest known name`, for the first thing that is wrong.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Config> {
        let (default, sections) = ini::read(bytes, file)?;
        let auto = Section::new("auto", NOT_IN_THE_FILE);
        let implied = sections
            .iter()
            .all(|section| section.name == SERVER)
            .then_some(&auto);
        let mut expander = ini::Expander::new(file, &default);
        let mut parts = Vec::new();
        for section in sections.iter().chain(implied) {
            parts.push((section, expander.expand(section)?));
        }
        let variables = expander.referenced;

        let mut config = Config {
            file: Some(file.into()),
            ..Config::default()
        };
        let mut cameras = Vec::new();
        for (section, entries) in &parts {
            if section.name == SERVER {
                config.fill(&[Scope::Server], section, entries, &variables)?;
            } else {
                cameras.push((section, Config::of_camera(file, section, entries, &variables)?));
            }
        }
        let is_device = |part: &Config| matches!(part.camera.source, SourceKind::Device { .. });
        if !cameras.iter().any(|(_, part)| is_device(part)) {
            // A device's section takes what it does not know for a control. Without one nobody has looked at
            // it yet.
            let stray = |key: &str| !keys::is_known(key) && !variables.contains(key);
            if let Some((key, line)) = default.keys().find(|(key, _)| stray(key)) {
                return Err(unknown_key(file, line, &default.name, &keys::ALL, key));
            }
        }
        let mut cameras = cameras.into_iter();
        if let Some((_, first)) = cameras.next() {
            config.camera = first.camera;
            config.notices = first.notices;
        }
        let further =
            cameras.map(|(section, _)| format!("[{}] (line {})", shown(&section.name), section.line));
        let further = further.collect::<Vec<_>>().join(", ");
        if !further.is_empty() {
            let used = shown(&config.camera.section);
            let notice = format!("{file}: only the first camera, [{used}], is used so far; not {further}");
            config.notices.push(notice);
        }
        Ok(config)
    }

    /// A camera's section, with its notices, in a config of its own.
    fn of_camera(
        file: &str,
        section: &Section,
        entries: &[Entry],
        variables: &HashSet<String>,
    ) -> Result<Config> {
        let source = source_of(section, file)?;
        let scopes = source.scopes();
        let camera = Camera {
            section: section.name.clone(),
            source,
            ..Camera::default()
        };
        let mut config = Config {
            file: Some(file.into()),
            camera,
            ..Config::default()
        };
        config.fill(scopes, section, entries, variables)?;
        config.check_camera(section, entries)?;
        Ok(config)
    }

    /// Takes over a section's values; `variables` are the keys that stand in some `%(key)s`.
    fn fill(
        &mut self,
        scopes: &[Scope],
        section: &Section,
        entries: &[Entry],
        variables: &HashSet<String>,
    ) -> Result<()> {
        let file = self.file.clone().unwrap_or_default();
        for entry in entries {
            let Entry {
                key,
                value,
                line,
                inherited,
            } = entry;
            if let Some(known) = keys::find(scopes, key) {
                (known.set)(self, value).ok_or_else(|| bad_value(&file, entry, known.allowed))?;
                continue;
            }
            if let (SourceKind::Rpicam(rpicam), Some(option)) =
                (&mut self.camera.source, key.strip_prefix(keys::RPICAM_PREFIX))
            {
                rpicam.options.push(Setting {
                    name: option.replace('_', "-"),
                    value: value.clone(),
                    place: format!("{file}:{line}"),
                });
                continue;
            }
            let SourceKind::Device { controls, .. } = &mut self.camera.source else {
                if *inherited {
                    continue; // It is another section's.
                }
                return Err(unknown_key(&file, *line, &section.name, scopes, key));
            };
            if *inherited && (keys::is_known(key) || variables.contains(key)) {
                continue;
            }
            let place = format!("{file}:{line}");
            if let Some(hint) = keys::hint(scopes, key) {
                let notice = format!(
                    "{place}: {} is taken for a control of the camera; {hint}",
                    shown(key)
                );
                self.notices.push(notice);
            }
            controls.push(Setting {
                name: key.clone(),
                value: value.clone(),
                place,
            });
        }
        Ok(())
    }

    /// What can be said of a camera only when all its keys are known.
    fn check_camera(&mut self, section: &Section, entries: &[Entry]) -> Result<()> {
        let file = self.file.clone().unwrap_or_default();
        if let SourceKind::Device {
            capture_format,
            controls,
            ..
        } = &mut self.camera.source
        {
            let muxed = |s: &Setting| s.name == keys::STREAM_MUX && s.value.eq_ignore_ascii_case("H264");
            if capture_format == "MJPG" && controls.iter().any(muxed) {
                *capture_format = "MJPGH264".into();
            }
        }
        let camera = &mut self.camera;
        let entry = |key: &str| entries.iter().find(|entry| entry.key == key);
        match &mut camera.source {
            // The camera turns what it can: the picture is right in whatever shows it.
            SourceKind::Rpicam(rpicam) if camera.rotation == 180 => {
                camera.rotation = 0;
                rpicam.set("rotation", "180");
                Ok(())
            }
            SourceKind::Exec { command } if command.is_empty() => Err(Error::new(
                format_args!("{file}:{}", section.line),
                format_args!("[{}] has no command", shown(&section.name)),
                "put command = ... below it, with what writes H.264 or JPEG to its standard output",
            )),
            SourceKind::Test => {
                for (key, number, (from, to), even) in [
                    ("width", camera.width, (160, 3840), true),
                    ("height", camera.height, (120, 2160), true),
                    ("fps", camera.fps, (1, 120), false),
                ] {
                    let good = (from..=to).contains(&number) && !(even && number % 2 == 1);
                    if let (false, Some(entry)) = (good, entry(key)) {
                        let even = if even { "an even" } else { "a whole" };
                        let allowed = format!("for the test picture {even} number from {from} to {to}");
                        return Err(bad_value(&file, entry, &allowed));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What would run, line by line, for `--check`.
    pub fn describe(&self) -> String {
        let Config {
            file,
            server,
            camera,
            notices,
        } = self;
        let mut lines = vec![match file {
            Some(file) => format!("config: {file}"),
            None => "config: no file, all defaults".into(),
        }];
        let address = server.listen.map_or("all addresses".into(), |ip| ip.to_string());
        let clients = server.max_clients;
        lines.push(format!(
            "server: port {} on {address}, at most {clients} streams",
            server.port
        ));
        let size = format!("{}x{} at {} fps", camera.width, camera.height, camera.fps);
        let source = match &camera.source {
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
            } => format!("{device}, {capture_format} {size}"),
            SourceKind::Exec { command } => format!("the command {command}"),
            SourceKind::Rpicam(rpicam) => {
                let format = if rpicam.mjpeg { "MJPG" } else { "H264" };
                format!("a camera through rpicam-vid, {format} {size}")
            }
            SourceKind::Test => format!("the test picture, {size}"),
        };
        lines.push(format!("{}: {source}", camera.name));
        if camera.rotation != 0 {
            lines.push(format!(
                "{}: players turn it by {} degrees",
                camera.name, camera.rotation
            ));
        }
        lines.push(match camera.auto_sleep {
            true => format!(
                "{}: sleeps {} s after the last viewer left",
                camera.name,
                camera.linger.as_secs()
            ),
            false => format!("{}: never sleeps", camera.name),
        });
        if let SourceKind::Device { controls, .. } = &camera.source {
            let settings = controls
                .iter()
                .map(|s| format!("{}: sets {} = {}", camera.name, s.name, s.value));
            lines.extend(settings);
        }
        lines.extend(notices.iter().map(|notice| format!("warning: {notice}")));
        lines.join("\n") + "\n"
    }
}

/// What a section other than `[server]` is about.
fn source_of(section: &Section, file: &str) -> Result<SourceKind> {
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

fn unknown_key(file: &str, line: usize, section: &str, scopes: &[Scope], key: &str) -> Error {
    let mut names: Vec<&str> = Vec::new();
    for key in keys::of(scopes) {
        if !names.contains(&key.name) {
            names.push(key.name);
        }
    }
    let names = names.join(", ");
    let mut hint = keys::hint(scopes, key).map_or(String::new(), |hint| format!("; {hint}"));
    if scopes.contains(&Scope::Rpicam) {
        hint = format!(", and rpicam_NAME for any other option of rpicam-vid{hint}");
    }
    let tried = format!("{}: no such key in [{}]", shown(key), shown(section));
    Error::new(
        format_args!("{file}:{line}"),
        tried,
        format_args!("allowed: {names}{hint}"),
    )
}

fn bad_value(file: &str, entry: &Entry, allowed: &str) -> Error {
    let Entry { key, value, line, .. } = entry;
    let hint = if value.contains('\n') {
        "; an indented line goes on with the value above it"
    } else if value.contains(" #") || value.contains(" ;") {
        "; a comment needs a line of its own"
    } else {
        ""
    };
    let tried = format!("{key} = {}", shown(value));
    Error::new(
        format_args!("{file}:{line}"),
        tried,
        format_args!("allowed: {allowed}{hint}"),
    )
}

/// What must hold whatever the bytes are; for fuzzing and for tests.
pub mod laws {
    use super::{Config, ini};

    /// Reading never panics, every error names a line of the file, and line ends and a byte order mark change
    /// nothing.
    pub fn config(data: &[u8]) {
        let result = Config::parse(data, "f").map_err(|e| e.to_string());
        match &result {
            Ok(config) => assert!(config.describe().starts_with("config: f\n")),
            Err(error) => {
                let lines = 1 + data.iter().filter(|b| matches!(b, b'\n' | b'\r')).count();
                let line = error
                    .strip_prefix("f:")
                    .and_then(|e| e.split_once(": ")?.0.parse().ok());
                assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{error}");
            }
        }
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        let dos = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        if !text.contains('\r') && !text.starts_with('\u{feff}') && dos.len() <= ini::MAX_BYTES {
            assert_eq!(
                Config::parse(dos.as_bytes(), "f").map_err(|e| e.to_string()),
                result
            );
        }
    }
}

#[cfg(test)]
mod tests;
