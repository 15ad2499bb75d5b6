//! The config file: INI text → [`Config`]. The dialect is in `config/ini.rs`; every key, with its default,
//! its meaning and its limits, in `config/keys.rs`. All errors are for the person who wrote the file:
//! `file:line`, what is allowed there, and the nearest known name.

mod camera;
mod chain;
mod device;
mod ini;
pub mod keys;
mod nearest;
mod values;

use crate::error::{Error, Result};
pub use camera::{Camera, Rpicam, Setting, SourceKind};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that it was read from; None when it was made from the command line or from nothing.
    pub file: Option<String>,
    /// What is served, to whom.
    pub server: Server,
    /// Where the frames come from: one or more, each under a name of its own.
    pub cameras: Vec<Camera>,
    /// Lines for the log, each a warning: what the file asks for and does not get.
    pub notices: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config::of_one(Camera::default())
    }
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
    /// What the program gives up when it starts.
    pub sandbox: Sandbox,
}

/// How much the program gives up when it starts, so that a hole in it is of less use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sandbox {
    /// Files, where that can be done.
    #[default]
    Auto,
    /// Files, and the system calls that it has no use for.
    Strict,
    /// Nothing.
    Off,
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
            sandbox: Sandbox::Auto,
        }
    }
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
        Ok(Config::of_one(Camera {
            section: device.to_string(),
            source: SourceKind::device(device),
            ..Camera::default()
        }))
    }

    /// The defaults with the test picture.
    pub fn for_test() -> Config {
        Config::of_one(Camera {
            section: "test".into(),
            source: SourceKind::Test,
            ..Camera::default()
        })
    }

    fn of_one(camera: Camera) -> Config {
        Config {
            file: None,
            server: Server::default(),
            cameras: vec![camera],
            notices: Vec::new(),
        }
    }

    /// Sets a key of `[server]`; None if there is none of that name, or the value is none for it.
    pub fn set_server(&mut self, name: &str, value: &str) -> Option<()> {
        let mut draft = Draft {
            server: self.server.clone(),
            ..Draft::default()
        };
        (keys::find(&[Scope::Server], name)?.set)(&mut draft, value)?;
        self.server = draft.server;
        Some(())
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

        let mut server = Server::default();
        let mut notices = Vec::new();
        let mut cameras: Vec<(&Section, &[Entry], Camera)> = Vec::new();
        let named_codecs = codecs_named_in(&parts);
        let mut codecs: Vec<Codec> = Vec::new();
        let mut any_device = false;
        for (section, entries) in &parts {
            if section.name == SERVER {
                let mut draft = Draft::default();
                draft.fill(file, &[Scope::Server], section, entries, &variables)?;
                server = draft.server;
                continue;
            }
            let source = camera::source_of(section, file)?;
            let scopes = source.scopes();
            let mut draft = Draft::default();
            (draft.camera.section, draft.camera.source) = (section.name.clone(), source);
            // Until all sections are known.
            draft.camera.name.clear();
            draft.fill(file, scopes, section, entries, &variables)?;
            notices.append(&mut draft.notices);
            let mut camera = draft.camera;
            any_device |= matches!(camera.source, SourceKind::Device { .. });
            if let Some(codec) = camera.codec(&|device| named_codecs.contains(device)) {
                codecs.push(codec);
                continue;
            }
            camera.check(file, section, entries)?;
            cameras.push((section, entries, camera));
        }
        if cameras.is_empty() {
            cameras.push((&auto, &[], Camera::default()));
        }
        // A device's section takes what it does not know for a control. Without one nobody has looked at it yet.
        let stray = |key: &str| !any_device && !keys::is_known(key) && !variables.contains(key);
        if let Some((key, line)) = default.keys().find(|(key, _)| stray(key)) {
            return Err(unknown_key(file, line, &default.name, &keys::ALL, key));
        }
        let mut config = Config {
            file: Some(file.into()),
            cameras: named(cameras, file, &server.base_path)?,
            server,
            notices,
        };
        config.hand_over(&codecs);
        Ok(config)
    }

    /// Takes the sections of encoders and decoders from among the cameras: what is to be set on them goes to those that
    /// use them. Those that some camera names are not among them in the first place.
    pub fn set_codecs_apart(&mut self, is_codec: &dyn Fn(&DeviceName) -> bool) {
        let mut codecs = Vec::new();
        self.cameras.retain_mut(|camera| match camera.codec(is_codec) {
            Some(codec) => {
                codecs.push(codec);
                false
            }
            None => true,
        });
        if self.cameras.is_empty() {
            let notice = "there are sections of encoders or decoders only: the camera needs one too, or they are of no effect";
            self.notices.push(notice.into());
            self.cameras.push(Camera::default());
        }
        self.hand_over(&codecs);
    }

    fn hand_over(&mut self, codecs: &[Codec]) {
        for camera in &mut self.cameras {
            if let SourceKind::Device { chain, .. } = &mut camera.source {
                chain.codecs.extend_from_slice(codecs);
            }
        }
    }

    /// What would run, line by line, for `--check`.
    pub fn describe(&self) -> String {
        let Config {
            file,
            server,
            cameras,
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
        lines.extend(cameras.iter().flat_map(Camera::describe));
        // All chains have the same.
        let codecs = cameras.iter().find_map(|camera| match &camera.source {
            SourceKind::Device { chain, .. } => Some(&chain.codecs),
            _ => None,
        });
        for (device, controls) in codecs.into_iter().flatten() {
            lines.extend(
                controls
                    .iter()
                    .map(|s| format!("{device}: sets {} = {}", s.name, s.value)),
            );
        }
        lines.extend(notices.iter().map(|notice| format!("warning: {notice}")));
        lines.join("\n") + "\n"
    }
}

/// The devices that some section names as its encoder or decoder: their own sections are no cameras.
fn codecs_named_in(parts: &[(&Section, Vec<Entry>)]) -> Vec<DeviceName> {
    let entries = parts.iter().flat_map(|(_, entries)| entries);
    let named = entries.filter(|entry| ["encoder", "decoder"].contains(&entry.key.as_str()));
    named
        .filter_map(|entry| DeviceName::parse(&entry.value)?.ok())
        .collect()
}

/// An encoder or decoder, and what is to be set on it.
type Codec = (DeviceName, Vec<Setting>);

/// The cameras, each with a name of its own: the one that its section gives it, or else `camera0`, `camera1` and so on,
/// by its place among them.
fn named(cameras: Vec<(&Section, &[Entry], Camera)>, file: &str, base_path: &str) -> Result<Vec<Camera>> {
    let several = cameras.len() > 1;
    let mut named: Vec<Camera> = Vec::new();
    // The lines of the names that were given, and of the sections.
    let mut lines: Vec<(Option<usize>, usize)> = Vec::new();
    for (section, entries, mut camera) in cameras {
        let entry = entries.iter().find(|entry| entry.key == "name");
        let given = entry.filter(|_| !camera.name.is_empty()).map(|entry| entry.line);
        if given.is_none() {
            camera.name = format!("camera{}", named.len());
        }
        let error = |line, why: String| {
            let tried = format!("name = {}", camera.name);
            Error::new(format_args!("{file}:{line}"), tried, why)
        };
        let before = named.iter().position(|other| other.name == camera.name);
        if let Some((other, (other_given, other_line))) =
            before.and_then(|at| Some((named.get(at)?, lines.get(at)?)))
        {
            // At least one of them was given.
            let (line, section, section_line) = match given {
                Some(line) => (line, &other.section, *other_line),
                None => (other_given.unwrap_or(*other_line), &camera.section, section.line),
            };
            let why = format!(
                "[{}] (line {section_line}) has that name; each camera needs one of its own",
                shown(section)
            );
            return Err(error(line, why));
        }
        if several && base_path.split('/').nth(1) == Some(&camera.name) {
            let why = "base_path begins with it, and the camera could not be told from that";
            return Err(error(given.unwrap_or(section.line), why.into()));
        }
        lines.push((given, section.line));
        named.push(camera);
    }
    Ok(named)
}

/// What is read from one section: its keys know whether they are the server's or a camera's.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// If it is `[server]`.
    pub server: Server,
    /// If it is a camera's.
    pub camera: Camera,
    notices: Vec<String>,
}

impl Draft {
    /// Takes over a section's values; `variables` are the keys that stand in some `%(key)s`.
    fn fill(
        &mut self,
        file: &str,
        scopes: &[Scope],
        section: &Section,
        entries: &[Entry],
        variables: &HashSet<String>,
    ) -> Result<()> {
        for entry in entries {
            let Entry {
                key,
                value,
                line,
                inherited,
            } = entry;
            if let Some(known) = keys::find(scopes, key) {
                (known.set)(self, value).ok_or_else(|| bad_value(file, entry, known.allowed))?;
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
                return Err(unknown_key(file, *line, &section.name, scopes, key));
            };
            if *inherited && (keys::is_known(key) || variables.contains(key)) {
                continue;
            }
            let place = format!("{file}:{line}");
            if let Some(hint) = keys::hint(scopes, key).filter(|_| !keys::FLIPS.contains(&key.as_str())) {
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
