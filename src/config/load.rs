//! From a file, a device's name or nothing to a [`Config`].

use super::device::DeviceName;
use super::ini::{self, Entry, Section, shown};
use super::keys;
use super::model::{Camera, Codec, Config, Draft, Server};
use super::people::{People, Rights, Role};
use super::scope::{self, Scope};
use super::section::{NOT_IN_THE_FILE, source_of, unknown_key};
use super::source::SourceKind;
use super::users::{ANONYMOUS, is_of_people};
use crate::error::{Error, Result};
use crate::sys::process;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const SERVER: &str = "server";

/// Where a config is looked for when none is named, in this order.
pub const DEFAULT_FILES: [&str; 2] = ["./fmp4streamer.conf", "/etc/fmp4streamer.conf"];

impl Config {
    /// Reads the file that the command line names, else the one that was `found` before, else the first of
    /// [`DEFAULT_FILES`] that there is, else gives the defaults. For the `reserved` names see [`Config::parse`].
    ///
    /// # Errors
    /// The file can't be read (the default ones may be missing), or is no good config: see [`Config::parse`]. The one in the
    /// current folder may be somebody else's.
    pub fn load(named: Option<&str>, found: Option<&str>, reserved: &[&str]) -> Result<Config> {
        if let Some(path) = named.or(found) {
            return Self::load_file(path, named.is_some(), reserved)?.ok_or_else(|| {
                let why = "there is no such file; without -c it is ./fmp4streamer.conf or \
                           /etc/fmp4streamer.conf";
                Error::new(path, "can't read the config", why)
            });
        }
        for path in DEFAULT_FILES {
            if let Some(config) = Self::load_file(path, false, reserved)? {
                return Ok(config);
            }
        }
        Ok(Config::default())
    }

    /// None if there is no such file.
    fn load_file(path: &str, is_named: bool, reserved: &[&str]) -> Result<Option<Config>> {
        let (mut bytes, mut mode) = (Vec::new(), 0);
        // One byte more than a config may have, so that a longer file is told from one that just fits.
        let limit = ini::MAX_BYTES as u64 + 1;
        let read = File::open(path).and_then(|file| {
            if !is_named && path == DEFAULT_FILES[0] {
                check_owner(path, &file)?;
            }
            mode = file.metadata()?.mode();
            file.take(limit).read_to_end(&mut bytes)
        });
        match read {
            Ok(_) => {
                let mut config = Self::parse(&bytes, path, reserved)?;
                let mut users = config.people.users.iter();
                if mode & 0o004 != 0 && users.any(|user| user.password.plain().is_some()) {
                    config.notices.push(format!(
                        "{path}: everybody on this machine can read it, and a password in it: chmod 640 {path}, and chgrp to a \
                         group of the service's, such as video"
                    ));
                }
                Ok(Some(config))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) if e.kind() == ErrorKind::IsADirectory => {
                let why = "it is a directory; -c needs a file, such as /etc/fmp4streamer.conf";
                Err(Error::new(path, "can't read the config", why))
            }
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                let why = "no permission; run it with sudo, or let this user read the file and its folder (chgrp, chmod); the sandbox follows no new link";
                Err(Error::new(path, "can't read the config", why))
            }
            Err(e) => Err(Error::new(path, "can't read the config", e)),
        }
    }

    /// Makes the defaults with the camera of that name, which is written as in a section. What has none of those forms is
    /// a path.
    ///
    /// # Errors
    /// It begins like a name but is none, or it is a file, such as a config.
    pub fn for_device(text: &str) -> Result<Config> {
        let is_file = fs::metadata(text).is_ok_and(|found| found.is_file());
        if is_file || Path::new(text).extension().is_some_and(|end| end == "conf") {
            let why = format!("to read it as a config: fmp4streamer -c {text}");
            return Err(Error::new(shown(text), "it is not a device", why));
        }
        let device = DeviceName::parse(text).unwrap_or_else(|| Ok(DeviceName::Path(text.into())));
        let device = device.map_err(|how| Error::new(shown(text), "no such device", how))?;
        if !text.contains(['/', ':']) {
            let why =
                format!("a device is named by its path, such as /dev/{text}, or as fmp4streamer -L lists it");
            return Err(Error::new(shown(text), "no such device", why));
        }
        Ok(Config::of_one(Camera {
            section: device.to_string(),
            source: SourceKind::of_device(device),
            ..Camera::default()
        }))
    }

    /// Makes the defaults with the test picture.
    pub fn for_test() -> Config {
        Config::of_one(Camera {
            section: "test".into(),
            source: SourceKind::Test,
            ..Camera::default()
        })
    }

    /// Reads a config from a file's bytes; `file` is its name in messages. No camera may have one of the `reserved` names:
    /// its name stands in addresses, where the program's own do.
    ///
    /// # Errors
    /// As `file:line: what: what is allowed, and the nearest known name`, for the first thing that is wrong.
    pub fn parse(bytes: &[u8], file: &str, reserved: &[&str]) -> Result<Config> {
        let (default, sections) = ini::read(bytes, file)?;
        let auto = Section::new("auto", NOT_IN_THE_FILE);
        let implied = sections
            .iter()
            .all(|section| section.name == SERVER || is_of_people(section))
            .then_some(&auto);
        let mut expander = ini::Expander::new(file, &default);
        let mut parts = Vec::new();
        for section in sections.iter().chain(implied) {
            parts.push((section, expander.expand(section)?));
        }
        let variables = expander.referenced;

        let mut server = Server::default();
        let mut notices = Vec::new();
        let mut cameras = Vec::new();
        let mut places: Vec<Place> = Vec::new();
        let named_codecs = codecs_named_in(&parts);
        let mut codecs: Vec<Codec> = Vec::new();
        let mut any_device = false;
        let mut people_drafts = Vec::new();
        for (section, entries) in &parts {
            let mut draft = Draft::default();
            if section.name == SERVER {
                draft.fill(file, &[Scope::Server], section, entries, &variables)?;
                mem::swap(&mut server, &mut draft.server);
                let onvif = entries.iter().find(|entry| entry.key == "onvif");
                if let (Some(entry), true, false) = (onvif, server.onvif, server.rtsp) {
                    let place = format_args!("{file}:{}", entry.line);
                    let why = "ONVIF tells recorders of RTSP addresses, which are not served; add rtsp = yes";
                    return Err(Error::new(place, "onvif = yes", why));
                }
                continue;
            }
            if is_of_people(section) {
                let scopes: &[Scope] = match section.name == ANONYMOUS {
                    true => &[Scope::People],
                    false => &[Scope::People, Scope::User],
                };
                draft.fill(file, scopes, section, entries, &variables)?;
                people_drafts.push((section, entries, draft));
                continue;
            }
            let source = source_of(section, file)?;
            let scopes = source.scopes();
            (draft.camera.section, draft.camera.source) = (section.name.clone(), source);
            // Until all sections are known.
            draft.camera.name.clear();
            draft.fill(file, scopes, section, entries, &variables)?;
            notices.append(&mut draft.notices);
            let camera = &mut draft.camera;
            any_device |= camera.source.device().is_some();
            if let Some(codec) = camera.codec(&|device| named_codecs.contains(device)) {
                codecs.push(codec);
                continue;
            }
            camera.check(file, section, entries)?;
            cameras.push(mem::take(camera));
            places.push((section, entries));
        }
        if cameras.is_empty() {
            cameras.push(Camera::default());
            places.push((&auto, &[]));
        }
        // A device's section takes what it does not know for a control. Without one nobody has looked at it yet.
        let stray = |key: &str| {
            !any_device && !keys::is_known(key) && !variables.iter().any(|variable| variable == key)
        };
        if let Some((key, line)) = default.keys().find(|(key, _)| stray(key)) {
            return Err(unknown_key(file, line, &default.name, &scope::ALL, key));
        }
        name(&mut cameras, &places, file, &server.base_path, reserved)?;
        check_servos(&cameras, &places, file)?;
        let mut people = People::default();
        for (section, entries, draft) in &mut people_drafts {
            people.add(file, section, entries, draft, &cameras)?;
        }
        if server.controls && people == People::default() {
            people.anonymous = Some(Rights {
                role: Role::Control,
                ..Rights::default()
            });
        }
        if server.rtsp && server.rtsp_port == server.port && server.port != 0 {
            let tried = format!("rtsp_port = {}", server.rtsp_port);
            return Err(Error::new(
                file,
                tried,
                "HTTP has this port; RTSP needs another one",
            ));
        }
        let (plain, hashed): (Vec<_>, Vec<_>) = people
            .users
            .iter()
            .partition(|user| user.password.plain().is_some());
        if let (true, [with, ..], [without, ..]) = (server.rtsp, &*plain, &*hashed) {
            notices.push(format!(
                "[user {}]: most RTSP clients log in by a digest where they can, as they do for [user {}]; so this password has to be plain:, \
                 too",
                without.name, with.name
            ));
        }
        let mut config = Config {
            file: Some(file.into()),
            cameras,
            people,
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
            let notice = "all sections are about encoders or decoders, which has no effect: the camera needs a section, too";
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
}

/// Refuses cameras that are to be turned by the same servos, and one whose servos are one.
fn check_servos(cameras: &[Camera], places: &[Place], file: &str) -> Result<()> {
    for (at, (camera, (section, entries))) in cameras.iter().zip(places).enumerate() {
        let keys = &camera.pan_tilt;
        let mut others = cameras[..at].iter();
        let why = match others.find(|other| keys.shares_servos_with(&other.pan_tilt)) {
            Some(other) => format!(
                "those of [{}] are the same; give one of the two another i2c_bus, i2c_address or (pca9685) other channels, or \
                 pan_tilt = no",
                shown(&other.section)
            ),
            None if keys.has_one_servo() => "pan_channel and tilt_channel are the same".into(),
            None => continue,
        };
        let entry = entries.iter().find(|entry| entry.key == "pan_tilt");
        let line = entry.map_or(section.line, |entry| entry.line);
        let tried = format!("[{}] needs servos of its own", shown(&section.name));
        return Err(Error::new(format_args!("{file}:{line}"), tried, why));
    }
    Ok(())
}

/// Keeps off a config that nobody named and that another user can write: its commands would run with the rights of who just
/// happens to be in that folder. Nor is it taken through another user's link.
fn check_owner(path: &str, file: &File) -> io::Result<()> {
    let is_foreign = |owner: u32| owner != 0 && owner != process::user();
    let (link, file) = (fs::symlink_metadata(path)?, file.metadata()?);
    let why = match [link.uid(), file.uid()]
        .into_iter()
        .find(|owner| is_foreign(*owner))
    {
        Some(owner) => format!("it belongs to another user (number {owner})"),
        None if file.mode() & 0o002 != 0 => "every user can write to it".into(),
        None => return Ok(()),
    };
    let way_out = format!("{why}, and its commands would run as you; if you trust it, name it: -c {path}");
    Err(io::Error::other(way_out))
}

/// The devices that some section names as its encoder or decoder: their own sections are no cameras.
fn codecs_named_in(parts: &[(&Section, Vec<Entry>)]) -> Vec<DeviceName> {
    let mut named = Vec::new();
    for entry in parts.iter().flat_map(|(_, entries)| entries) {
        if ["encoder", "decoder"].contains(&entry.key.as_str()) {
            if let Some(Ok(name)) = DeviceName::parse(&entry.value) {
                named.push(name);
            }
        }
    }
    named
}

/// A camera's section, and its keys.
type Place<'a> = (&'a Section, &'a [Entry]);

/// Gives each camera a name of its own: the one that its section gives it, or else `camera0`, `camera1` and so on, by its
/// place among them.
fn name(
    cameras: &mut [Camera],
    places: &[Place],
    file: &str,
    base_path: &str,
    reserved: &[&str],
) -> Result<()> {
    let several = cameras.len() > 1;
    // The lines of the names that were given.
    let mut lines: Vec<Option<usize>> = Vec::new();
    for (at, (section, entries)) in places.iter().enumerate() {
        let (before, rest) = cameras.split_at_mut(at);
        let Some(camera) = rest.first_mut() else { break };
        let entry = entries.iter().find(|entry| entry.key == "name");
        let given = entry.filter(|_| !camera.name.is_empty()).map(|entry| entry.line);
        if given.is_none() {
            camera.name = format!("camera{at}");
        }
        let error = |line, why: String| {
            let tried = format!("name = {}", camera.name);
            Error::new(format_args!("{file}:{line}"), tried, why)
        };
        if let Some(line) = given.filter(|_| reserved.contains(&&*camera.name)) {
            let why = format!(
                "allowed: any name but those of the program's own addresses: {}",
                reserved.join(", ")
            );
            return Err(error(line, why));
        }
        let others = before.iter().zip(places).zip(&lines);
        let mut same = others.filter(|((other, _), _)| other.name == camera.name);
        if let Some(((_, (other, _)), other_given)) = same.next() {
            // At least one of them was given.
            let (
                line,
                Section {
                    name, line: place, ..
                },
            ) = match given {
                Some(line) => (line, *other),
                None => (other_given.unwrap_or(other.line), *section),
            };
            let why = format!(
                "[{}] (line {place}) has that name; each camera needs one of its own",
                shown(name)
            );
            return Err(error(line, why));
        }
        if several && base_path.split('/').nth(1) == Some(&camera.name) {
            let why = "base_path begins with it, so the address of this camera would be unclear; choose another name";
            return Err(error(given.unwrap_or(section.line), why.into()));
        }
        lines.push(given);
    }
    Ok(())
}
