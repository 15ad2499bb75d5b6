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
use crate::sys::uvc::{self, Address, Which};
use crate::sys::v4l2::{Control, ctrl};
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// All names of such controls begin so.
const PREFIX: &str = "uvcx_";

/// UVCX_VIDEO_CONFIG_PROBE and what belongs to it: selectors of the H.264 unit.
const CONFIG_PROBE: u8 = 0x01;
const CONFIG_COMMIT: u8 = 0x02;
const PICTURE_TYPE: u8 = 0x09;
/// UVCX_PICTURE_TYPE_CONTROL: wLayerID 0, and wPicType "IDR frame".
const NEXT_IS_IDR: [u8; 4] = [0, 0, 1, 0];

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
    at: usize,
    bytes: usize,
    /// Its bit in bmHints.
    hint: u16,
    /// The texts that its numbers have; empty where it is a plain number.
    items: &'static [(u16, &'static str)],
    /// It goes by the camera's section (width, height, fps, capture_format).
    implied: bool,
}

impl Field {
    const fn new(name: &'static str, at: usize, bytes: usize) -> Field {
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
        let bytes = bytes.get(self.at..self.at + self.bytes)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |number, byte| number << 8 | u32::from(*byte)),
        )
    }

    fn write(&self, bytes: &mut [u8], number: u32) {
        let field = bytes.iter_mut().skip(self.at).take(self.bytes);
        field.zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
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
        let (major, minor) = (libc::major(device), libc::minor(device));
        // The video control interface; what is above it in sysfs is the USB device.
        let interface = PathBuf::from(format!("/sys/dev/char/{major}:{minor}/device"));
        let number = fs::read_to_string(interface.join("bInterfaceNumber")).ok()?;
        let descriptors = fs::read(interface.join("../descriptors")).ok()?;
        usb::extension_unit(
            &descriptors,
            u8::from_str_radix(number.trim(), 16).ok()?,
            &self.guid,
        )
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
    fn ask(file: &File, control: Address) -> uvc::Result<Told> {
        let bytes = |which| uvc::get(file, control, which);
        Ok(Told {
            current: bytes(Which::Current)?,
            minimum: bytes(Which::Minimum).unwrap_or_default(),
            maximum: bytes(Which::Maximum).unwrap_or_default(),
            step: bytes(Which::Step).unwrap_or_default(),
            default: bytes(Which::Default).unwrap_or_default(),
        })
    }

    /// The field as a control like those of V4L2; None if the camera's control is too short to have it.
    fn control(&self, kind: &Kind, field: &Field) -> Option<(Control, Vec<Item>)> {
        field.read(&self.current)?;
        let number = |bytes: &[u8]| i64::from(field.read(bytes).unwrap_or(0));
        let (mut minimum, mut maximum) = (number(&self.minimum), number(&self.maximum));
        // Many cameras leave what they have no range for at zero.
        if maximum <= minimum {
            (minimum, maximum) = (0, (1 << (8 * field.bytes)) - 1);
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
        let Muxed { width, height, fps } = self;
        // In units of 100 ns.
        let interval = 10_000_000 / fps.max(1);
        let fields = [("width", width), ("height", height), ("frame_interval", interval)];
        let fields = fields.map(|(name, number)| (name, number.to_string()));
        let mux = ("stream_mux", "H264".to_owned());
        let settings = fields.into_iter().chain([mux]).map(|(name, value)| Setting {
            name: format!("{}{name}", H264.prefix),
            value,
            place: "capture_format = MJPGH264".into(),
        });
        settings
            .filter(|setting| own.iter().all(|own| own.name != setting.name))
            .collect()
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
    pub fn commit(&self, file: &File) -> uvc::Result<()> {
        let (unit, selector) = (self.unit, CONFIG_COMMIT);
        let config = self.config.as_ref();
        config.map_or(Ok(()), |config| {
            uvc::set(file, Address { unit, selector }, config)
        })
    }

    /// Asks for an IDR frame; false if the camera has no way to.
    pub fn force_key(&self, file: &File) -> bool {
        let (unit, selector) = (self.unit, PICTURE_TYPE);
        self.gives_idr && uvc::set(file, Address { unit, selector }, &NEXT_IS_IDR).is_ok()
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
    let known = |setting: &&Setting| KINDS.iter().any(|kind| setting.name.starts_with(kind.prefix));
    for setting in settings.iter().filter(|s| is_field(&s.name) && !known(s)) {
        warn(sentence(device, setting, &no_such_field(&setting.name)));
    }
    let of = |kind: &Kind| -> Vec<Setting> {
        let wanted = settings.iter().filter(|s| s.name.starts_with(kind.prefix));
        wanted.cloned().collect()
    };
    let none = |kind: &Kind, wanted: &[Setting]| {
        together(
            device,
            wanted,
            &format!("not set: the camera has no {} extension unit", kind.what),
        )
    };

    let wanted = of(&LOGITECH);
    match LOGITECH.unit(file) {
        _ if wanted.is_empty() => {}
        Some(unit) => drop(set(file, device, (&LOGITECH, unit), &wanted, warn)),
        None => warn(none(&LOGITECH, &wanted)),
    }

    let mut wanted = of(&H264);
    let Some(unit) = H264.unit(file) else {
        if !wanted.is_empty() {
            warn(none(&H264, &wanted));
        }
        return None;
    };
    if let Some(muxed) = muxed {
        wanted.retain(|setting| setting.name != STREAM_MUX);
        wanted.splice(0..0, muxed.settings(&wanted));
    }
    let config = match wanted.as_slice() {
        [] => None,
        wanted => set(file, device, (&H264, unit), wanted, warn),
    };
    let picture_type = Address {
        unit,
        selector: PICTURE_TYPE,
    };
    let encoder = Encoder {
        unit,
        config,
        gives_idr: uvc::length(file, picture_type) == Ok(NEXT_IS_IDR.len()),
    };
    if let Err(errno) = encoder.commit(file) {
        warn(together(
            device,
            &wanted,
            &format!("the camera does not take them ({})", errno.desc()),
        ));
    }
    Some(encoder)
}

/// A field as the config wants it, and as the unit can have it.
struct Chosen<'a> {
    setting: &'a Setting,
    field: &'static Field,
    control: Control,
    items: Vec<Item>,
    number: u32,
}

/// Sets fields of a unit; the answer is what the unit has then, if it took anything.
fn set(
    file: &File,
    device: &str,
    (kind, unit): (&'static Kind, u8),
    wanted: &[Setting],
    warn: &mut dyn FnMut(String),
) -> Option<Vec<u8>> {
    let control = Address {
        unit,
        selector: kind.selector,
    };
    let refused = |errno: nix::errno::Errno| {
        let why = format!(
            "not set: the camera's {} unit refuses it ({})",
            kind.what,
            errno.desc()
        );
        together(device, wanted, &why)
    };
    let told = match Told::ask(file, control) {
        Ok(told) => told,
        Err(errno) => {
            warn(refused(errno));
            return None;
        }
    };
    let (chosen, bytes) = plan(kind, &told, device, wanted, warn);
    if chosen.is_empty() {
        return None;
    }
    if let Err(errno) = uvc::set(file, control, &bytes) {
        warn(refused(errno));
        return None;
    }
    let got = uvc::get(file, control, Which::Current).unwrap_or(bytes);
    for Chosen {
        setting,
        field,
        control,
        items,
        number,
    } in &chosen
    {
        match field.read(&got) {
            Some(taken) if taken != *number => {
                let taken = show(control, items, &Value::Number(taken.into()));
                warn(sentence(
                    device,
                    setting,
                    &format!("the camera took {taken} instead"),
                ));
            }
            _ => {}
        }
    }
    Some(got)
}

/// What the settings come to, and the unit's bytes with it.
fn plan<'a>(
    kind: &'static Kind,
    told: &Told,
    device: &str,
    wanted: &'a [Setting],
    warn: &mut dyn FnMut(String),
) -> (Vec<Chosen<'a>>, Vec<u8>) {
    let mut chosen = Vec::new();
    let (mut bytes, mut hints) = (told.current.clone(), 0);
    for setting in wanted {
        let (one, moved) = match choose(kind, told, setting) {
            Ok(good) => good,
            Err(why) => {
                warn(sentence(device, setting, &why));
                continue;
            }
        };
        if let Some(moved) = moved {
            warn(sentence(device, setting, &moved));
        }
        one.field.write(&mut bytes, one.number);
        hints |= one.field.hint;
        chosen.push(one);
    }
    if kind.selector == CONFIG_PROBE {
        HINTS.write(&mut bytes, hints.into());
    }
    (chosen, bytes)
}

/// What `setting` comes to, and what is to be said if that is not what was written; the error is why it is nothing.
fn choose<'a>(
    kind: &'static Kind,
    told: &Told,
    setting: &'a Setting,
) -> Result<(Chosen<'a>, Option<String>), String> {
    let field = kind.fields.iter().find(|field| kind.name(field) == setting.name);
    let field = field.ok_or_else(|| no_such_field(&setting.name))?;
    let (control, items) = told
        .control(kind, field)
        .ok_or("not set: this camera's unit does not have it")?;
    let allowed = || describe(&control, &items);
    let not_allowed = || format!("not set: allowed is {}", allowed());
    let (wanted, clamped) = controls::number(&control, &items, &setting.value).ok_or_else(not_allowed)?;
    let near = stepped(wanted, &control);
    let number = u32::try_from(near).map_err(|_| not_allowed())?;
    let moved = clamped || near != wanted;
    let moved = moved.then(|| format!("{near} is set instead: allowed is {}", allowed()));
    Ok((
        Chosen {
            setting,
            field,
            control,
            items,
            number,
        },
        moved,
    ))
}

fn no_such_field(name: &str) -> String {
    let fields = KINDS
        .iter()
        .flat_map(|kind| kind.fields.iter().map(|field| kind.name(field)));
    no_such(&fields.collect::<Vec<_>>(), name)
}

fn sentence(device: &str, Setting { name, value, place }: &Setting, why: &str) -> String {
    format!("{place}: {device}: {name} = {value}: {why}")
}

/// The same of several settings, in one sentence.
fn together(device: &str, settings: &[Setting], why: &str) -> String {
    let place = settings.first().map_or("", |first| first.place.as_str());
    let names: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
    format!("{place}: {device}: {}: {why}", names.join(", "))
}

/// The fields of the camera's units, in the form of a config.
pub fn list(file: &File) -> String {
    let mut out = String::new();
    for kind in KINDS {
        let Some(unit) = kind.unit(file) else { continue };
        // Writing into a String can't fail.
        let _ = write!(out, "\n# == {} extension unit ==\n", kind.what);
        let told = Told::ask(
            file,
            Address {
                unit,
                selector: kind.selector,
            },
        );
        match told {
            Ok(told) => kind
                .fields
                .iter()
                .for_each(|field| out.push_str(&entry(kind, &told, field))),
            Err(errno) => drop(write!(out, "\n# It does not answer: {}.\n", errno.desc())),
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
mod tests {
    use super::*;

    fn setting(name: &str, value: &str) -> Setting {
        Setting {
            name: name.into(),
            value: value.into(),
            place: "f:1".into(),
        }
    }

    /// A camera whose answers have each byte's place as its value, and the ranges that are given.
    fn told(ranges: &[(&str, [u32; 4])]) -> Told {
        let mut told = Told {
            current: (0..46).collect(),
            minimum: vec![0; 46],
            maximum: vec![0; 46],
            step: vec![0; 46],
            default: vec![0; 46],
        };
        for (name, [minimum, maximum, step, default]) in ranges {
            let field = H264.fields.iter().find(|field| field.name == *name).unwrap();
            field.write(&mut told.minimum, *minimum);
            field.write(&mut told.maximum, *maximum);
            field.write(&mut told.step, *step);
            field.write(&mut told.default, *default);
        }
        told
    }

    fn planned(told: &Told, settings: &[(&str, &str)]) -> (Vec<u8>, Vec<String>) {
        let settings: Vec<Setting> = settings
            .iter()
            .map(|(name, value)| setting(&format!("uvcx_h264_{name}"), value))
            .collect();
        let mut said = Vec::new();
        let (_, bytes) = plan(&H264, told, "cam", &settings, &mut |words| said.push(words));
        (bytes, said)
    }

    #[test]
    fn each_field_has_its_place_and_its_hint() {
        let all = [
            ("frame_interval", "0xa1a2a3a4"),
            ("bitrate", "0xb1b2b3b4"),
            ("width", "0xc1c2"),
            ("height", "0xd1d2"),
            ("slice_units", "0xe1e2"),
            ("slice_mode", "3"),
            ("profile", "main"),
            ("i_frame_period", "1000"),
            ("usage", "2"),
            ("rate_control_mode", "Const QP"),
            ("stream_mux", "H264"),
            ("entropy", "CABAC"),
            ("leaky_bucket_size", "0xf1f2"),
        ];
        let mut ranges = Vec::new();
        let wide = [0, u32::MAX, 0, 0];
        ranges.extend(["frame_interval", "bitrate"].map(|name| (name, wide)));
        let (bytes, said) = planned(&told(&ranges), &all);
        assert_eq!(said, Vec::<String>::new());
        #[rustfmt::skip]
        let golden = [
            0xa4, 0xa3, 0xa2, 0xa1,  0xb4, 0xb3, 0xb2, 0xb1,  0x3f, 0xf8,  10, 11,
            0xc2, 0xc1,  0xd2, 0xd1,  0xe2, 0xe1,  3, 0,  0x00, 0x4d,  0xe8, 0x03,
            24, 25,  26, 27,  2,  3,  30,  31,  32,  3,  34,  1,  36,  37,  38,  39,  40, 41,
            42,  43,  0xf2, 0xf1,
        ];
        assert_eq!(bytes, golden);
        assert_eq!(all.len(), H264.fields.len());
        for (name, hint) in [
            ("width", 0x0001),
            ("profile", 0x0002),
            ("rate_control_mode", 0x0004),
            ("usage", 0x0008),
            ("slice_mode", 0x0010),
            ("slice_units", 0x0020),
            ("frame_interval", 0x0800),
            ("leaky_bucket_size", 0x1000),
            ("bitrate", 0x2000),
            ("entropy", 0x4000),
            ("i_frame_period", 0x8000),
            ("stream_mux", 0),
        ] {
            let value = H264.fields.iter().find(|field| field.name == name).unwrap();
            let value = value.items.first().map_or("1", |(_, text)| text);
            let (bytes, said) = planned(&told(&[]), &[(name, value)]);
            assert_eq!((HINTS.read(&bytes), said), (Some(hint), vec![]), "{name}");
        }
    }

    #[test]
    fn the_light_is_two_bytes_of_five() {
        let told = Told {
            current: vec![9, 8, 7, 6, 5],
            minimum: vec![],
            maximum: vec![],
            step: vec![],
            default: vec![],
        };
        let settings = [
            setting("uvcx_logitech_led1_mode", "Blink"),
            setting("uvcx_logitech_led1_frequency", "200"),
        ];
        let mut warn = |words: String| panic!("{words}");
        let (_, bytes) = plan(&LOGITECH, &told, "cam", &settings, &mut warn);
        assert_eq!(bytes, [9, 2, 7, 200, 5]);
    }

    #[test]
    fn numbers_are_moved_into_the_range_and_onto_a_step() {
        let told = told(&[
            ("i_frame_period", [0, 60_000, 500, 1000]),
            ("bitrate", [100_000, 4_000_000, 0, 3_000_000]),
            ("slice_units", [1, 10, 4, 1]),
            ("width", [160, 1920, 100, 640]),
        ]);
        let period = "integer, 0 to 60000 in steps of 500, default 1000";
        let bitrate = "integer, 100000 to 4000000, default 3000000";
        for (name, value, taken, words) in [
            ("i_frame_period", "900", 1000, format!("1000 is set instead: allowed is {period}")),
            ("i_frame_period", "1249", 1000, format!("1000 is set instead: allowed is {period}")),
            ("i_frame_period", "70000", 60_000, format!("60000 is set instead: allowed is {period}")),
            ("i_frame_period", "1500", 1500, String::new()),
            ("bitrate", "5000000", 4_000_000, format!("4000000 is set instead: allowed is {bitrate}")),
            ("bitrate", "-1", 100_000, format!("100000 is set instead: allowed is {bitrate}")),
            ("bitrate", "123456", 123_456, String::new()),
            ("bitrate", "much", 0x0706_0504, format!("not set: allowed is {bitrate}")),
            (
                "slice_units",
                "10",
                9,
                "9 is set instead: allowed is integer, 1 to 10 in steps of 4, default 1".into(),
            ),
            // A size is one of a list that the camera keeps to itself.
            ("width", "1280", 1280, String::new()),
            (
                "profile",
                "Higher",
                0x1514,
                "not set: allowed is one of Constrained (16960), Baseline (16896), Main (19712), High (25600); \
                 default 0"
                    .into(),
            ),
            ("profile", "16896", 0x4200, String::new()),
        ] {
            let (bytes, said) = planned(&told, &[(name, value)]);
            let field = H264.fields.iter().find(|field| field.name == name).unwrap();
            let words = match words.as_str() {
                "" => vec![],
                words => vec![format!("f:1: cam: uvcx_h264_{name} = {value}: {words}")],
            };
            assert_eq!((field.read(&bytes), said), (Some(taken), words));
        }
    }

    #[test]
    fn what_a_unit_does_not_have_is_not_set() {
        let mut short = told(&[]);
        short.current.truncate(44);
        let (bytes, said) = planned(
            &short,
            &[("leaky_bucket_size", "1"), ("bit_rate", "1"), ("usage", "1")],
        );
        assert_eq!((bytes.len(), HINTS.read(&bytes)), (44, Some(8)));
        assert_eq!(
            said,
            [
                "f:1: cam: uvcx_h264_leaky_bucket_size = 1: not set: this camera's unit does not have it",
                "f:1: cam: uvcx_h264_bit_rate = 1: not set: there is no such control; did you mean \
                 uvcx_h264_bitrate?",
            ]
        );
        let file = File::open("/dev/null").unwrap();
        let mut said = Vec::new();
        let settings = [
            setting("uvcx_h264_usage", "1"),
            setting("brightness", "1"),
            setting("uvcx_logitech_led1_mode", "On"),
            setting("uvcx_h264_bitrate", "1"),
            setting("uvcx_led1_mode", "On"),
        ];
        assert!(apply(&file, "cam", &settings, None, &mut |words| said.push(words)).is_none());
        assert_eq!(
            said,
            [
                "f:1: cam: uvcx_led1_mode = On: not set: there is no such control; fmp4streamer -l lists those \
                 that it has",
                "f:1: cam: uvcx_logitech_led1_mode: not set: the camera has no Logitech extension unit",
                "f:1: cam: uvcx_h264_usage, uvcx_h264_bitrate: not set: the camera has no H.264 extension unit",
            ]
        );
        assert_eq!(list(&file), "");
    }

    #[test]
    fn h264_in_jpeg_pictures_goes_by_the_section() {
        let muxed = Muxed {
            width: 1920,
            height: 1080,
            fps: 30,
        };
        let pairs = |own: &[Setting]| -> Vec<(String, String)> {
            muxed
                .settings(own)
                .into_iter()
                .map(|s| (s.name, s.value))
                .collect()
        };
        let pair = |name: &str, value: &str| (format!("uvcx_h264_{name}"), value.to_string());
        assert_eq!(
            pairs(&[]),
            [
                pair("width", "1920"),
                pair("height", "1080"),
                pair("frame_interval", "333333"),
                pair("stream_mux", "H264"),
            ]
        );
        let own = [
            setting("uvcx_h264_width", "640"),
            setting("uvcx_h264_frame_interval", "1"),
        ];
        assert_eq!(pairs(&own), [pair("height", "1080"), pair("stream_mux", "H264")]);
    }

    #[test]
    fn the_list_is_in_the_form_of_a_config() {
        let told = told(&[("bitrate", [1, 0x7fff_ffff, 1, 3_000_000])]);
        let entry = |name: &str| {
            let field = H264.fields.iter().find(|field| field.name == name).unwrap();
            entry(&H264, &told, field)
        };
        assert_eq!(
            entry("bitrate"),
            "\n# integer, 1 to 2147483647, default 3000000\nuvcx_h264_bitrate = 117835012\n"
        );
        assert!(entry("width").contains("\n# uvcx_h264_width = 3340\n"));
        let period = entry("i_frame_period");
        assert_eq!(
            period,
            "\n# integer, 0 to 65535, default 0\nuvcx_h264_i_frame_period = 5910\n"
        );
        assert!(entry("entropy").ends_with("; it has a value of its own now\n# uvcx_h264_entropy = 35\n"));
    }
}
