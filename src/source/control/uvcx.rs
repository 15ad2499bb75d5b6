//! Setting and listing the fields of a USB camera's extension units.
//!
//! The encoder is set in two steps: what is wanted goes to UVCX_VIDEO_CONFIG_PROBE, which answers with what can be had,
//! and that goes to UVCX_VIDEO_CONFIG_COMMIT. Some cameras need that before the format is set, and forget it when it is:
//! so it is committed once more right before the stream starts.

use super::unit::{Answers, CONFIG_PROBE, Field, H264, HINTS, KINDS, UnitKind, stepped};
use super::value::{self, Value, describe, no_such, show};
use crate::config::Setting;
use crate::config::keys::STREAM_MUX;
use crate::sys::uvc::{self, ControlId, Query};
use crate::sys::{self, Errno};
use std::fmt::{self, Write};
use std::fs::File;

/// The beginning of all names of such controls.
const PREFIX: &str = "uvcx_";

/// UVCX_VIDEO_CONFIG_COMMIT, a selector of the H.264 unit: the settings that hold.
const CONFIG_COMMIT: u8 = 0x02;
/// UVCX_PICTURE_TYPE_CONTROL
const PICTURE_TYPE: u8 = 0x09;
/// Its value: wLayerID 0, and wPicType "IDR frame".
const NEXT_IS_IDR: [u8; 4] = [0, 0, 1, 0];

/// True if the camera has an H.264 unit.
pub fn has_encoder(file: &File) -> bool {
    H264.unit(file).is_some()
}

/// Tells by its name whether a setting is an extension unit's field.
pub fn is_field(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The H.264 that a camera is to put into its JPEG pictures.
#[derive(Debug, Clone, Copy)]
pub struct Muxed {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
}

impl Muxed {
    /// The fields that this means, but for those that the config sets itself.
    fn settings(self, own: &[Setting]) -> Vec<Setting> {
        let mut settings = Vec::new();
        let mut set = |name: &str, value: String| {
            settings.push(Setting {
                name: name.into(),
                value,
                place: "capture_format = MJPGH264".into(),
            });
        };
        for (name, number) in [
            ("uvcx_h264_width", self.width),
            ("uvcx_h264_height", self.height),
            // In units of 100 ns.
            ("uvcx_h264_frame_interval", 10_000_000 / self.fps.max(1)),
        ] {
            if own.iter().all(|own| own.name != name) {
                set(name, number.to_string());
            }
        }
        set(STREAM_MUX, "H264".into());
        settings
    }
}

/// The encoder of a camera with an H.264 unit, set up.
pub struct Encoder {
    unit: u8,
    /// The config that it agreed to, if there was one to be set.
    config: Option<Vec<u8>>,
    gives_idr: bool,
}

impl Encoder {
    /// Puts the config into effect. To be called right before the stream starts.
    ///
    /// # Errors
    /// The camera refuses it.
    pub fn commit(&self, file: &File) -> crate::sys::Result<()> {
        let (unit, selector) = (self.unit, CONFIG_COMMIT);
        let config = self.config.as_ref();
        config.map_or(Ok(()), |config| {
            uvc::set(file, ControlId { unit, selector }, config)
        })
    }

    /// Asks for an IDR frame, where the camera can be asked for one.
    pub fn request_key_frame(&self, file: &File) {
        let (unit, selector) = (self.unit, PICTURE_TYPE);
        if self.gives_idr {
            // One that is refused is asked for again by whoever still waits for it.
            _ = uvc::set(file, ControlId { unit, selector }, &NEXT_IS_IDR);
        }
    }
}

/// Sets what the config asks of the camera's units, and gives its encoder, if it has one. Nothing here is fatal:
/// `warn` is answers a sentence for each setting that did not go as written.
pub(super) fn apply(
    file: &File,
    device: &str,
    settings: &[Setting],
    muxed: Option<Muxed>,
    warn: &mut dyn FnMut(String),
) -> Option<Encoder> {
    let mut report = Report { device, warn };
    let of_no_unit =
        |s: &&Setting| is_field(&s.name) && KINDS.iter().all(|kind| !s.name.starts_with(kind.prefix));
    for setting in settings.iter().filter(of_no_unit) {
        report.no_such_field(setting);
    }
    let implied = match muxed {
        Some(muxed) if has_encoder(file) => muxed.settings(settings),
        _ => Vec::new(),
    };
    let mut encoder = None;
    for kind in KINDS {
        // What is implied comes last, and so holds.
        let all = settings.iter().chain(&implied);
        let wanted: Vec<&Setting> = all.filter(|s| s.name.starts_with(kind.prefix)).collect();
        let Some(unit) = kind.unit(file) else {
            let what = kind.what;
            report.all(
                &wanted,
                format_args!("not set: the camera has no {what} extension unit"),
            );
            continue;
        };
        let config = set(file, (kind, unit), &wanted, &mut report);
        if kind.selector == CONFIG_PROBE {
            let selector = PICTURE_TYPE;
            let gives_idr = uvc::length(file, ControlId { unit, selector }) == Ok(NEXT_IS_IDR.len());
            let set_up = encoder.insert(Encoder {
                unit,
                config,
                gives_idr,
            });
            if let Err(errno) = set_up.commit(file) {
                report.refused(&wanted, errno);
            }
        }
    }
    encoder
}

/// Sets fields of a unit; the answer is what the unit has then, if it took anything.
fn set(
    file: &File,
    (kind, unit): (&'static UnitKind, u8),
    wanted: &[&Setting],
    report: &mut Report<'_>,
) -> Option<Vec<u8>> {
    if wanted.is_empty() {
        return None;
    }
    let selector = kind.selector;
    let control = ControlId { unit, selector };
    let answers = match Answers::ask(file, control) {
        Ok(answers) => answers,
        Err(errno) => {
            report.refused(wanted, errno);
            return None;
        }
    };
    let (chosen, bytes) = plan(kind, &answers, wanted, report);
    if chosen.is_empty() {
        return None;
    }
    if let Err(errno) = uvc::set(file, control, &bytes) {
        report.refused(wanted, errno);
        return None;
    }
    let got = uvc::get(file, control, Query::Current).unwrap_or(bytes);
    for Chosen {
        setting,
        field,
        number,
    } in chosen
    {
        match (field.read(&got), answers.control(kind, field)) {
            (Some(taken), Some((control, items))) if taken != number => {
                let taken = show(&control, &items, &Value::Number(taken.into()));
                report.one(setting, format_args!("the camera took {taken} instead"));
            }
            _ => {}
        }
    }
    Some(got)
}

/// A field as the config asks for it, and as the unit can have it.
struct Chosen<'a> {
    setting: &'a Setting,
    field: &'static Field,
    number: u32,
}

/// The fields that the settings mean, and the unit's bytes with them.
fn plan<'a>(
    kind: &'static UnitKind,
    answers: &Answers,
    wanted: &[&'a Setting],
    report: &mut Report<'_>,
) -> (Vec<Chosen<'a>>, Vec<u8>) {
    let mut chosen = Vec::new();
    let (mut bytes, mut hints) = (answers.current.clone(), 0);
    for setting in wanted {
        let name = setting.name.strip_prefix(kind.prefix);
        let Some(field) = kind.fields.iter().find(|field| Some(field.name) == name) else {
            report.no_such_field(setting);
            continue;
        };
        let Some((control, items)) = answers.control(kind, field) else {
            report.one(
                setting,
                format_args!("not set: this camera's unit does not have it"),
            );
            continue;
        };
        let Some((number, clamped)) = value::number(&control, &items, &setting.value) else {
            let allowed = describe(&control, &items);
            report.one(setting, format_args!("not set: allowed is {allowed}"));
            continue;
        };
        let near = stepped(number, &control);
        if clamped || near != number {
            let allowed = describe(&control, &items);
            report.one(
                setting,
                format_args!("{near} is set instead: allowed is {allowed}"),
            );
        }
        let number = near as u32;
        field.write(&mut bytes, number);
        hints |= field.hint;
        chosen.push(Chosen {
            setting,
            field,
            number,
        });
    }
    if kind.selector == CONFIG_PROBE {
        HINTS.write(&mut bytes, hints.into());
    }
    (chosen, bytes)
}

/// Reports settings that did not go as written.
struct Report<'a> {
    device: &'a str,
    warn: &'a mut dyn FnMut(String),
}

impl Report<'_> {
    fn one(&mut self, Setting { name, value, place }: &Setting, why: fmt::Arguments<'_>) {
        (self.warn)(format!("{place}: {}: {name} = {value}: {why}", self.device));
    }

    fn no_such_field(&mut self, setting: &Setting) {
        let names = |kind: &'static UnitKind| kind.fields.iter().map(|field| kind.name(field));
        let fields: Vec<String> = KINDS.into_iter().flat_map(names).collect();
        self.one(setting, format_args!("{}", no_such(&fields, &setting.name)));
    }

    /// One sentence about several settings.
    fn all(&mut self, settings: &[&Setting], why: fmt::Arguments<'_>) {
        let Some(first) = settings.first() else { return };
        let names: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
        let names = names.join(", ");
        (self.warn)(format!("{}: {}: {names}: {why}", first.place, self.device));
    }

    fn refused(&mut self, settings: &[&Setting], errno: Errno) {
        let why = sys::words(errno);
        self.all(
            settings,
            format_args!("not set: the camera's unit refuses it ({why})"),
        );
    }
}

/// The fields of the camera's units, in the form of a config.
pub(super) fn list(file: &File) -> String {
    let mut out = String::new();
    for kind in KINDS {
        let Some(unit) = kind.unit(file) else { continue };
        // Writing into a String can't fail.
        let _ = write!(out, "\n# == {} extension unit ==\n", kind.what);
        let selector = kind.selector;
        match Answers::ask(file, ControlId { unit, selector }) {
            Ok(answers) => {
                for field in kind.fields {
                    out.push_str(&entry(kind, &answers, field));
                }
            }
            Err(errno) => _ = write!(out, "\n# It does not answer: {}.\n", sys::words(errno)),
        }
    }
    out
}

/// A field's lines in the list.
fn entry(kind: &UnitKind, answers: &Answers, field: &Field) -> String {
    let (Some((control, items)), Some(current)) =
        (answers.control(kind, field), field.read(&answers.current))
    else {
        return String::new();
    };
    let current = i64::from(current);
    let remark = if field.implied {
        "; capture_format = MJPGH264 sets it by the section's width, height and fps"
    } else if !items.is_empty() && items.iter().all(|item| item.number != current) {
        "; it has a value of its own now"
    } else {
        ""
    };
    let comment = if remark.is_empty() { "" } else { "# " };
    let shown = show(&control, &items, &Value::Number(current));
    format!(
        "\n# {}{remark}\n{comment}{} = {shown}\n",
        describe(&control, &items),
        control.name
    )
}

#[cfg(test)]
#[path = "tests/uvcx.rs"]
mod tests;
