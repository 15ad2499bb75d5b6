//! One section of the file, from its entries to the [`Draft`] that they fill, and the errors on the way.

use super::device::DeviceName;
use super::ini::{Entry, Section, shown};
use super::keys;
use super::mic::MicName;
use super::model::{Camera, Draft};
use super::nearest::nearest;
use super::scope::Scope;
use super::source::{CaptureFormat, NAMED_KINDS, Setting, SourceKind};
use super::users::{ANONYMOUS, USER};
use super::values::Refused;
use crate::error::{Error, Result};

/// The line of the section that stands in where the file has no camera's.
pub(super) const NOT_IN_THE_FILE: usize = 0;

/// The source that a section other than `[server]` names.
pub(super) fn source_of(section: &Section, file: &str) -> Result<SourceKind> {
    if section.line == NOT_IN_THE_FILE {
        return Ok(SourceKind::Auto);
    }
    let name = section.name.as_str();
    let place = format!("{file}:{}", section.line);
    if let Some(device) = DeviceName::parse(name) {
        let bad = |how| Error::new(&place, format_args!("[{}]: no such section", shown(name)), how);
        return device.map(SourceKind::of_device).map_err(bad);
    }
    let kind = name.split_once(' ').map_or(name, |(kind, _)| kind);
    if let Some(named) = NAMED_KINDS.iter().find(|named| named.name == kind) {
        return Ok((named.new)());
    }
    let known = ["server", "default", USER, ANONYMOUS]
        .into_iter()
        .chain(NAMED_KINDS.iter().map(|named| named.name));
    let hint = match nearest(&kind.to_ascii_lowercase(), known) {
        Some("default") => "; did you mean [DEFAULT]?".into(),
        Some(USER) => "; did you mean [user NAME]?".into(),
        Some(known) => format!("; did you mean [{known}]?"),
        None => String::new(),
    };
    let [others @ .., last] = &NAMED_KINDS;
    let others: String = others
        .iter()
        .map(|named| format!(", [{} NAME]", named.name))
        .collect();
    let why = format!(
        "allowed: [server], [DEFAULT], [user NAME], [anonymous], and for a camera [/dev/...], [usb:VID:PID], [card:NAME]{others} or [{} NAME]{hint}",
        last.name
    );
    Err(Error::new(
        place,
        format_args!("[{}]: no such section", shown(name)),
        why,
    ))
}

impl Camera {
    /// Reads what can be said of it only when all its keys are known.
    pub(super) fn check(&mut self, file: &str, section: &Section, entries: &[Entry]) -> Result<()> {
        if let SourceKind::Device {
            capture_format,
            controls,
            ..
        } = &mut self.source
        {
            let muxed = |s: &Setting| s.name == keys::STREAM_MUX && s.value.eq_ignore_ascii_case("H264");
            if *capture_format == CaptureFormat::Mjpeg && controls.iter().any(muxed) {
                *capture_format = CaptureFormat::MuxedH264;
            }
        }
        let entry = |key: &str| entries.iter().find(|entry| entry.key == key);
        let can_beep = self.mic != Some(MicName::Test) || self.source == SourceKind::Test;
        if let (false, Some(entry)) = (can_beep, entry("mic")) {
            let allowed = "no, or a microphone; test is for the test picture";
            return Err(bad_value(file, entry, allowed, Refused::NotAllowed));
        }
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
                        return Err(bad_value(file, entry, &allowed, Refused::NotAllowed));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Draft {
    /// Takes over a section's values; `variables` are the keys that stand in some `%(key)s`.
    pub(super) fn fill(
        &mut self,
        file: &str,
        scopes: &[Scope],
        section: &Section,
        entries: &[Entry],
        variables: &[String],
    ) -> Result<()> {
        for entry in entries {
            let Entry {
                key,
                value,
                line,
                inherited,
            } = entry;
            if let Some(known) = keys::find(scopes, key) {
                (known.set)(self, value).map_err(|why| bad_value(file, entry, known.allowed, why))?;
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
            let Some(controls) = self.camera.source.settings_mut() else {
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

pub(super) fn unknown_key(file: &str, line: usize, section: &str, scopes: &[Scope], key: &str) -> Error {
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

fn bad_value(file: &str, entry: &Entry, allowed: &str, refused: Refused) -> Error {
    let Entry { key, value, line, .. } = entry;
    let hint = if value.contains('\n') {
        "; an indented line goes on with the value above it"
    } else if value.contains(" #") || value.contains(" ;") {
        "; a comment needs a line of its own"
    } else {
        ""
    };
    let tried = format!("{key} = {}", shown(value));
    let (tried, why) = match refused {
        Refused::NotAllowed => (tried, format!("allowed: {allowed}{hint}")),
        Refused::Because(why) => (tried, why),
        Refused::Secret(why) => (key.clone(), why.into()),
    };
    Error::new(format_args!("{file}:{line}"), tried, why)
}
