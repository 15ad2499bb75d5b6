//! The extension units of USB cameras: which there are, and their fields as controls by name, like those of V4L2.
//!
//! Two are known: the one of cameras with an H.264 encoder (USB Device Class Definition for Video Devices: H.264 Payload
//! 1.0), and Logitech's for the light.

use super::value::Item;
use crate::format::usb::{self, Guid};
use crate::sys::file::major_minor;
use crate::sys::uvc::{self, ControlId, Query};
use crate::sys::v4l2::{Control, ctrl};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

/// UVCX_VIDEO_CONFIG_PROBE, a selector of the H.264 unit: the settings that are tried.
pub(super) const CONFIG_PROBE: u8 = 0x01;

/// wTotalLength of a configuration has 16 bits (USB 2.0, table 9-10); few devices have more than one.
const DESCRIPTORS_MAX: u64 = 1 << 18;

/// A field of the video config: bmHints, which says to the camera what was asked for and is not to be changed.
pub(super) const HINTS: Field = Field::new("", 8, 2);

/// A kind of unit, with the control of it that has fields.
pub(super) struct UnitKind {
    /// For people.
    pub what: &'static str,
    pub prefix: &'static str,
    guid: Guid,
    pub selector: u8,
    pub fields: &'static [Field],
}

/// A part of a control's bytes, little-endian.
pub(super) struct Field {
    /// Without its kind's prefix.
    pub name: &'static str,
    at: u8,
    bytes: u8,
    /// Its bit in bmHints.
    pub hint: u16,
    /// The texts that its numbers have; empty where it is a plain number.
    pub items: &'static [(u16, &'static str)],
    /// It goes by the camera's section (width, height, fps, capture_format).
    pub implied: bool,
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

    /// The field's number; None if there are too few bytes.
    pub fn read(&self, bytes: &[u8]) -> Option<u32> {
        let (at, length) = (usize::from(self.at), usize::from(self.bytes));
        let bytes = bytes.get(at..at + length)?;
        let highest_first = bytes.iter().rev();
        Some(highest_first.fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// Puts the field's number into the bytes, as far as they have it.
    pub fn write(&self, bytes: &mut [u8], number: u32) {
        let (at, length) = (usize::from(self.at), usize::from(self.bytes));
        if let (Some(to), Some(from)) = (bytes.get_mut(at..at + length), number.to_le_bytes().get(..length)) {
            to.copy_from_slice(from);
        }
    }
}

/// uvcx_video_config_probe_commit_t: the names and texts are the predecessor's.
pub(super) static H264: UnitKind = UnitKind {
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

pub(super) static LOGITECH: UnitKind = UnitKind {
    what: "Logitech",
    prefix: "uvcx_logitech_",
    guid: *b"\x21\x2d\xe5\xff\x30\x80\x2c\x4e\x82\xd9\xf5\x87\xd0\x05\x40\xbd",
    selector: 0x09,
    fields: &[
        Field::new("led1_mode", 1, 1).items(&[(0, "Off"), (1, "On"), (2, "Blink"), (3, "Auto")]),
        Field::new("led1_frequency", 3, 1),
    ],
};

pub(super) static KINDS: [&UnitKind; 2] = [&H264, &LOGITECH];

impl UnitKind {
    /// The field's name in a config.
    pub fn name(&self, field: &Field) -> String {
        format!("{}{}", self.prefix, field.name)
    }

    /// The unit of this kind in the camera, if it has one.
    pub fn unit(&self, file: &File) -> Option<u8> {
        let number = sysfs(file, "bInterfaceNumber")?;
        let number = u16::from_str_radix(std::str::from_utf8(&number).ok()?.trim(), 16).ok()?;
        usb::extension_unit(&descriptors(file)?, number as u8, &self.guid)
    }
}

/// The descriptors of the USB device that a node belongs to, as the kernel read them; None for other devices. They have
/// no serial number: it is a string, which is read apart.
pub fn descriptors(file: &File) -> Option<Vec<u8>> {
    sysfs(file, "../descriptors")
}

/// What the kernel says of the video control interface of a node, or with "../" before it, of the USB device.
fn sysfs(file: &File, name: &str) -> Option<Vec<u8>> {
    let (major, minor) = major_minor(file.metadata().ok()?.rdev());
    let file = File::open(format!("/sys/dev/char/{major}:{minor}/device/{name}")).ok()?;
    let mut bytes = Vec::new();
    file.take(DESCRIPTORS_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A unit's answers about the control that has fields; empty where there was no answer.
pub(super) struct Answers {
    pub current: Vec<u8>,
    pub minimum: Vec<u8>,
    pub maximum: Vec<u8>,
    pub step: Vec<u8>,
    pub default: Vec<u8>,
}

impl Answers {
    /// Asks the unit.
    ///
    /// # Errors
    /// It does not give the present value.
    pub fn ask(file: &File, control: ControlId) -> crate::sys::Result<Answers> {
        let bytes = |which| uvc::get(file, control, which);
        Ok(Answers {
            current: bytes(Query::Current)?,
            minimum: bytes(Query::Minimum).unwrap_or_default(),
            maximum: bytes(Query::Maximum).unwrap_or_default(),
            step: bytes(Query::Step).unwrap_or_default(),
            default: bytes(Query::Default).unwrap_or_default(),
        })
    }

    /// The field as a control like those of V4L2; None if the camera's control is too short to have it.
    pub fn control(&self, kind: &UnitKind, field: &Field) -> Option<(Control, Vec<Item>)> {
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

/// The nearest number that is a whole number of steps from the least value, as uvcvideo does it with the controls that it knows.
pub(super) fn stepped(wanted: i64, control: &Control) -> i64 {
    let step = match i64::try_from(control.step) {
        Ok(step) if step > 1 && control.kind == ctrl::INTEGER => step,
        _ => return wanted,
    };
    let near = control.minimum + (wanted - control.minimum + step / 2) / step * step;
    if near > control.maximum { near - step } else { near }
}
