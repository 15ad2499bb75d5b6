//! The extension units of USB cameras: the one of cameras with an H.264 encoder (USB Device Class Definition for Video
//! Devices: H.264 Payload 1.0), and Logitech's for the light. Their fields are controls by name, as those of V4L2 are.
//!
//! The encoder is set in two steps: what is wanted goes to UVCX_VIDEO_CONFIG_PROBE, which answers with what can be had,
//! and that goes to UVCX_VIDEO_CONFIG_COMMIT. Some cameras want that before the format is set, and forget it when it is:
//! so it is committed once more right before the stream starts.

use super::controls::{self, Item, Value, describe, no_such, show};
use crate::config::Setting;
use crate::config::keys::STREAM_MUX;
use crate::format::usb::{self, Guid};
use crate::sys::uvc::{self, ControlId, Query};
use crate::sys::v4l2::{Control, ctrl};
use crate::sys::{Errno, file};
use std::fmt::{self, Write};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

/// All names of such controls begin so.
const PREFIX: &str = "uvcx_";

/// UVCX_VIDEO_CONFIG_PROBE and what belongs to it: selectors of the H.264 unit.
const CONFIG_PROBE: u8 = 0x01;
const CONFIG_COMMIT: u8 = 0x02;
const PICTURE_TYPE: u8 = 0x09;
/// UVCX_PICTURE_TYPE_CONTROL: wLayerID 0, and wPicType "IDR frame".
const NEXT_IS_IDR: [u8; 4] = [0, 0, 1, 0];

/// wTotalLength of a configuration has 16 bits (USB 2.0, table 9-10); few devices have more than one.
const DESCRIPTORS_MAX: u64 = 1 << 18;

/// A field of the video config: bmHints, which tells the camera what was asked for and is not to be changed.
const HINTS: Field = Field::new("", 8, 2);

/// A kind of unit, and the control of it that has fields.
struct Kind {
    /// For people.
    what: &'static str,
    prefix: &'static str,
    guid: Guid,
    selector: u8,
    fields: &'static [Field],
}

/// A part of a control's bytes, little-endian.
struct Field {
    /// Without its kind's prefix.
    name: &'static str,
    at: u8,
    bytes: u8,
    /// Its bit in bmHints.
    hint: u16,
    /// The texts that its numbers have; empty where it is a plain number.
    items: &'static [(u16, &'static str)],
    /// It goes by the camera's section (width, height, fps, capture_format).
    implied: bool,
}

impl Field {
    const fn new(name: &'static str, at: u8, bytes: u8) -> Field {
        Field {
            name,
            at,
            bytes,
            hint: 0,
            items: &[],
            implied: false,
        }
    }

    const fn hint(self, hint: u16) -> Field {
        Field { hint, ..self }
    }

    const fn items(self, items: &'static [(u16, &'static str)]) -> Field {
        Field { items, ..self }
    }

    const fn implied(self) -> Field {
        Field {
            implied: true,
            ..self
        }
    }

    fn read(&self, bytes: &[u8]) -> Option<u32> {
        let (at, length) = (usize::from(self.at), usize::from(self.bytes));
        let bytes = bytes.get(at..at + length)?;
        let highest_first = bytes.iter().rev();
        Some(highest_first.fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn write(&self, bytes: &mut [u8], number: u32) {
        let (at, length) = (usize::from(self.at), usize::from(self.bytes));
        if let (Some(to), Some(from)) = (bytes.get_mut(at..at + length), number.to_le_bytes().get(..length)) {
            to.copy_from_slice(from);
        }
    }
}

/// uvcx_video_config_probe_commit_t: the names and texts are the predecessor's.
static H264: Kind = Kind {
    what: "H.264",
    prefix: "uvcx_h264_",
    guid: *b"\x41\x76\x9e\xa2\x04\xde\xe3\x47\x8b\x2b\xf4\x34\x1a\xff\x00\x3b",
    selector: CONFIG_PROBE,
    fields: &[
        // Bit 0: there are auxiliary streams in the JPEG pictures; bit 1: one of H.264.
        Field::new("stream_mux", 33, 1)
            .items(&[(0, "None"), (3, "H264")])
            .implied(),
        Field::new("width", 12, 2).hint(0x0001).implied(),
        Field::new("height", 14, 2).hint(0x0001).implied(),
        Field::new("frame_interval", 0, 4).hint(0x0800).implied(),
        Field::new("bitrate", 4, 4).hint(0x2000),
        Field::new("rate_control_mode", 29, 1)
            .hint(0x0004)
            .items(&[(1, "CBR"), (2, "VBR"), (3, "Const QP")]),
        Field::new("profile", 20, 2).hint(0x0002).items(&[
            (0x4240, "Constrained"),
            (0x4200, "Baseline"),
            (0x4d00, "Main"),
            (0x6400, "High"),
        ]),
        Field::new("i_frame_period", 22, 2).hint(0x8000),
        Field::new("slice_mode", 18, 2).hint(0x0010),
        Field::new("slice_units", 16, 2).hint(0x0020),
        Field::new("entropy", 35, 1)
            .hint(0x4000)
            .items(&[(0, "CAVLC"), (1, "CABAC")]),
        Field::new("usage", 28, 1).hint(0x0008),
        Field::new("leaky_bucket_size", 44, 2).hint(0x1000),
    ],
};

static LOGITECH: Kind = Kind {
    what: "Logitech",
    prefix: "uvcx_logitech_",
    guid: *b"\x21\x2d\xe5\xff\x30\x80\x2c\x4e\x82\xd9\xf5\x87\xd0\x05\x40\xbd",
    selector: 0x09,
    fields: &[
        Field::new("led1_mode", 1, 1).items(&[(0, "Off"), (1, "On"), (2, "Blink"), (3, "Auto")]),
        Field::new("led1_frequency", 3, 1),
    ],
};

static KINDS: [&Kind; 2] = [&H264, &LOGITECH];

impl Kind {
    fn name(&self, field: &Field) -> String {
        format!("{}{}", self.prefix, field.name)
    }

    /// The unit of this kind in the camera, if it has one.
    fn unit(&self, file: &File) -> Option<u8> {
        let device = file.metadata().ok()?.rdev();
        let (major, minor) = file::major_minor(device);
        // `device` is the video control interface; what is above it in sysfs is the USB device.
        let read = |file: &str| {
            let file = File::open(format!("/sys/dev/char/{major}:{minor}/device/{file}")).ok()?;
            let mut bytes = Vec::new();
            file.take(DESCRIPTORS_MAX).read_to_end(&mut bytes).ok()?;
            Some(bytes)
        };
        let number = read("bInterfaceNumber")?;
        let number = u16::from_str_radix(std::str::from_utf8(&number).ok()?.trim(), 16).ok()?;
        usb::extension_unit(&read("../descriptors")?, number as u8, &self.guid)
    }
}

/// What a unit tells of the control that has fields: the bytes of each answer, none where there was no answer.
struct Told {
    current: Vec<u8>,
    minimum: Vec<u8>,
    maximum: Vec<u8>,
    step: Vec<u8>,
    default: Vec<u8>,
}

impl Told {
    fn ask(file: &File, control: ControlId) -> crate::sys::Result<Told> {
        let bytes = |which| uvc::get(file, control, which);
        Ok(Told {
            current: bytes(Query::Current)?,
            minimum: bytes(Query::Minimum).unwrap_or_default(),
            maximum: bytes(Query::Maximum).unwrap_or_default(),
            step: bytes(Query::Step).unwrap_or_default(),
            default: bytes(Query::Default).unwrap_or_default(),
        })
    }

    /// The field as a control like those of V4L2; None if the camera's control is too short to have it.
    fn control(&self, kind: &Kind, field: &Field) -> Option<(Control, Vec<Item>)> {
        field.read(&self.current)?;
        let number = |bytes: &[u8]| i64::from(field.read(bytes).unwrap_or(0));
        let (mut minimum, mut maximum) = (number(&self.minimum), number(&self.maximum));
        // Many cameras leave what they have no range for at zero.
        if maximum <= minimum {
            (minimum, maximum) = (0, (1 << (8 * i64::from(field.bytes))) - 1);
        }
        let items = field.items.iter().map(|(number, text)| Item {
            number: i64::from(*number),
            text: (*text).into(),
        });
        let control = Control {
            id: 0,
            kind: if field.items.is_empty() {
                ctrl::INTEGER
            } else {
                ctrl::MENU
            },
            name: kind.name(field),
            minimum,
            maximum,
            // Cameras have a list of sizes and rates, not a grid of them; what they say here is of no use.
            step: if field.implied {
                1
            } else {
                number(&self.step).unsigned_abs()
            },
            default: number(&self.default),
            flags: 0,
            elem_bytes: 4,
            elems: 1,
            dims: Vec::new(),
        };
        Some((control, items.collect()))
    }
}

/// The nearest number of steps from the least value on, as uvcvideo does it with the controls that it knows.
fn stepped(wanted: i64, control: &Control) -> i64 {
    let step = match i64::try_from(control.step) {
        Ok(step) if step > 1 && control.kind == ctrl::INTEGER => step,
        _ => return wanted,
    };
    let near = control.minimum + (wanted - control.minimum + step / 2) / step * step;
    if near > control.maximum { near - step } else { near }
}

/// Whether the camera has an H.264 unit.
pub fn has_encoder(file: &File) -> bool {
    H264.unit(file).is_some()
}

/// Whether the config means an extension unit's field by this name.
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
    /// What the camera says.
    pub fn commit(&self, file: &File) -> crate::sys::Result<()> {
        let (unit, selector) = (self.unit, CONFIG_COMMIT);
        let config = self.config.as_ref();
        config.map_or(Ok(()), |config| {
            uvc::set(file, ControlId { unit, selector }, config)
        })
    }

    /// Asks for an IDR frame; false if the camera has no way to.
    pub fn request_key_frame(&self, file: &File) -> bool {
        let (unit, selector) = (self.unit, PICTURE_TYPE);
        self.gives_idr && uvc::set(file, ControlId { unit, selector }, &NEXT_IS_IDR).is_ok()
    }
}

/// Sets what the config wants of the camera's units, and gives its encoder, if it has one. Nothing here is fatal:
/// `warn` is told a sentence for each setting that did not go as written.
pub fn apply(
    file: &File,
    device: &str,
    settings: &[Setting],
    muxed: Option<Muxed>,
    warn: &mut dyn FnMut(String),
) -> Option<Encoder> {
    let mut log = Log { device, warn };
    for setting in settings {
        if is_field(&setting.name) && KINDS.iter().all(|kind| !setting.name.starts_with(kind.prefix)) {
            log.no_such_field(setting);
        }
    }
    let implied = match muxed {
        Some(muxed) if has_encoder(file) => muxed.settings(settings),
        _ => Vec::new(),
    };
    let mut encoder = None;
    for kind in KINDS {
        let mut wanted = Vec::new();
        // What is implied comes last, and so holds.
        for setting in settings.iter().chain(&implied) {
            if setting.name.starts_with(kind.prefix) {
                wanted.push(setting);
            }
        }
        let Some(unit) = kind.unit(file) else {
            let what = kind.what;
            log.all(
                &wanted,
                format_args!("not set: the camera has no {what} extension unit"),
            );
            continue;
        };
        let config = set(file, (kind, unit), &wanted, &mut log);
        if kind.selector == CONFIG_PROBE {
            let selector = PICTURE_TYPE;
            let gives_idr = uvc::length(file, ControlId { unit, selector }) == Ok(NEXT_IS_IDR.len());
            let set_up = encoder.insert(Encoder {
                unit,
                config,
                gives_idr,
            });
            if let Err(errno) = set_up.commit(file) {
                log.refused(&wanted, errno);
            }
        }
    }
    encoder
}

/// Sets fields of a unit; the answer is what the unit has then, if it took anything.
fn set(
    file: &File,
    (kind, unit): (&'static Kind, u8),
    wanted: &[&Setting],
    log: &mut Log<'_>,
) -> Option<Vec<u8>> {
    if wanted.is_empty() {
        return None;
    }
    let selector = kind.selector;
    let control = ControlId { unit, selector };
    let told = match Told::ask(file, control) {
        Ok(told) => told,
        Err(errno) => {
            log.refused(wanted, errno);
            return None;
        }
    };
    let (chosen, bytes) = plan(kind, &told, wanted, log);
    if chosen.is_empty() {
        return None;
    }
    if let Err(errno) = uvc::set(file, control, &bytes) {
        log.refused(wanted, errno);
        return None;
    }
    let got = uvc::get(file, control, Query::Current).unwrap_or(bytes);
    for Chosen {
        setting,
        field,
        number,
    } in chosen
    {
        match (field.read(&got), told.control(kind, field)) {
            (Some(taken), Some((control, items))) if taken != number => {
                let taken = show(&control, &items, &Value::Number(taken.into()));
                log.one(setting, format_args!("the camera took {taken} instead"));
            }
            _ => {}
        }
    }
    Some(got)
}

/// A field as the config wants it, and as the unit can have it.
struct Chosen<'a> {
    setting: &'a Setting,
    field: &'static Field,
    number: u32,
}

/// What the settings come to, and the unit's bytes with it.
fn plan<'a>(
    kind: &'static Kind,
    told: &Told,
    wanted: &[&'a Setting],
    log: &mut Log<'_>,
) -> (Vec<Chosen<'a>>, Vec<u8>) {
    let mut chosen = Vec::new();
    let (mut bytes, mut hints) = (told.current.clone(), 0);
    for setting in wanted {
        let name = setting.name.strip_prefix(kind.prefix);
        let Some(field) = kind.fields.iter().find(|field| Some(field.name) == name) else {
            log.no_such_field(setting);
            continue;
        };
        let Some((control, items)) = told.control(kind, field) else {
            log.one(
                setting,
                format_args!("not set: this camera's unit does not have it"),
            );
            continue;
        };
        let Some((number, clamped)) = controls::number(&control, &items, &setting.value) else {
            let allowed = describe(&control, &items);
            log.one(setting, format_args!("not set: allowed is {allowed}"));
            continue;
        };
        let near = stepped(number, &control);
        if clamped || near != number {
            let allowed = describe(&control, &items);
            log.one(
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

/// What is told of settings that did not go as written.
struct Log<'a> {
    device: &'a str,
    warn: &'a mut dyn FnMut(String),
}

impl Log<'_> {
    fn one(&mut self, Setting { name, value, place }: &Setting, why: fmt::Arguments<'_>) {
        (self.warn)(format!("{place}: {}: {name} = {value}: {why}", self.device));
    }

    fn no_such_field(&mut self, setting: &Setting) {
        let mut fields = Vec::new();
        for kind in KINDS {
            fields.extend(kind.fields.iter().map(|field| kind.name(field)));
        }
        self.one(setting, format_args!("{}", no_such(&fields, &setting.name)));
    }

    /// The same of several, in one sentence.
    fn all(&mut self, settings: &[&Setting], why: fmt::Arguments<'_>) {
        let Some(first) = settings.first() else { return };
        let names: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
        let names = names.join(", ");
        (self.warn)(format!("{}: {}: {names}: {why}", first.place, self.device));
    }

    fn refused(&mut self, settings: &[&Setting], errno: Errno) {
        let why = errno.desc();
        self.all(
            settings,
            format_args!("not set: the camera's unit refuses it ({why})"),
        );
    }
}

/// The fields of the camera's units, in the form of a config.
pub fn list(file: &File) -> String {
    let mut out = String::new();
    for kind in KINDS {
        let Some(unit) = kind.unit(file) else { continue };
        // Writing into a String can't fail.
        let _ = write!(out, "\n# == {} extension unit ==\n", kind.what);
        let selector = kind.selector;
        match Told::ask(file, ControlId { unit, selector }) {
            Ok(told) => out.extend(kind.fields.iter().map(|field| entry(kind, &told, field))),
            Err(errno) => _ = write!(out, "\n# It does not answer: {}.\n", errno.desc()),
        }
    }
    out
}

/// A field's lines in the list.
fn entry(kind: &Kind, told: &Told, field: &Field) -> String {
    let (Some((control, items)), Some(current)) = (told.control(kind, field), field.read(&told.current))
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
mod tests;
