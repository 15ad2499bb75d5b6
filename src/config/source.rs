//! The kinds of source that a camera's section can have, and what each is known by before it is open.

use super::device::DeviceName;
use super::scope::Scope;
use super::values::is_fourcc;
use crate::format::Codec;
use std::fmt;
use std::path::{Path, PathBuf};

/// The kind of a source, with what the config says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// None is named: the first camera with H.264; the test picture until there is one.
    Auto,
    /// A V4L2 device, waited for when it is not there.
    Device {
        /// The device.
        device: DeviceName,
        /// Controls to set on it before it streams, in this order.
        controls: Vec<Setting>,
        /// The format in which it is to give its frames.
        capture_format: CaptureFormat,
        /// The other keys that pin the pipeline to H.264.
        chain: ChainKeys,
        /// The keys of what comes in at it from elsewhere.
        input: Box<InputKeys>,
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

/// A kind that has a section of its own name, such as `[exec NAME]`.
pub(super) struct NamedKind {
    /// The first word of the section's name.
    pub name: &'static str,
    /// Makes a source of this kind of which nothing is said yet.
    pub new: fn() -> SourceKind,
}

/// All kinds that have a section of their own name.
pub(super) const NAMED_KINDS: [NamedKind; 3] = [
    NamedKind {
        name: "exec",
        new: || SourceKind::Exec {
            command: String::new(),
        },
    },
    NamedKind {
        name: "rpicam",
        new: || SourceKind::Rpicam(Rpicam::default()),
    },
    NamedKind {
        name: "test",
        new: || SourceKind::Test,
    },
];

impl SourceKind {
    /// A device of which nothing else is said.
    pub(super) fn of_device(device: DeviceName) -> SourceKind {
        SourceKind::Device {
            device,
            controls: Vec::new(),
            capture_format: CaptureFormat::Auto,
            chain: ChainKeys::default(),
            input: Box::default(),
        }
    }

    /// The scopes whose keys its section has.
    pub(super) fn scopes(&self) -> &'static [Scope] {
        match self {
            SourceKind::Auto | SourceKind::Test => &[Scope::Camera],
            SourceKind::Device { .. } => &[Scope::Camera, Scope::Device],
            SourceKind::Exec { .. } => &[Scope::Camera, Scope::Exec],
            SourceKind::Rpicam(_) => &[Scope::Camera, Scope::Rpicam],
        }
    }

    /// Says what it is, for `--check`; `size` is the wished size and rate.
    pub(super) fn describe(&self, size: &str) -> String {
        match self {
            SourceKind::Auto => {
                format!(
                    "the first camera found, one with H.264 before others, else the Raspberry Pi's own, {size}; the \
                     test picture until there is one"
                )
            }
            SourceKind::Device {
                device,
                capture_format,
                ..
            } => match capture_format {
                CaptureFormat::Auto => format!("{device}, {size}, format chosen automatically"),
                format => format!("{device}, {format} {size}"),
            },
            SourceKind::Exec { command } => format!("the command {command}"),
            SourceKind::Rpicam(rpicam) => {
                let format = if rpicam.mjpeg { "MJPG" } else { "H264" };
                format!("a camera through rpicam-vid, {format} {size}")
            }
            SourceKind::Test => format!("the test picture, {size}"),
        }
    }

    /// The codec of its frames, as far as it is known before the source is open.
    pub fn codec_hint(&self) -> Option<Codec> {
        match self {
            SourceKind::Rpicam(rpicam) if rpicam.mjpeg => Some(Codec::Jpeg),
            SourceKind::Rpicam(_) | SourceKind::Test => Some(Codec::H264),
            SourceKind::Device {
                capture_format,
                chain,
                ..
            } => match capture_format {
                CaptureFormat::Auto => None,
                format if format.is_jpeg() && !chain.names_a_stage() => Some(Codec::Jpeg),
                _ => Some(Codec::H264),
            },
            // The first frames show it.
            SourceKind::Auto | SourceKind::Exec { .. } => None,
        }
    }

    /// True if the program selects the codec when it opens the source, and may select another one the next time.
    pub fn selects_codec(&self) -> bool {
        match self {
            SourceKind::Device { capture_format, .. } => *capture_format == CaptureFormat::Auto,
            kind => *kind == SourceKind::Auto,
        }
    }

    /// The device that it names, if it names one.
    pub fn device(&self) -> Option<&DeviceName> {
        match self {
            SourceKind::Device { device, .. } => Some(device),
            _ => None,
        }
    }

    /// True if it is another program, which takes its time to start.
    pub fn is_command(&self) -> bool {
        matches!(self, SourceKind::Exec { .. } | SourceKind::Rpicam(_))
    }

    /// The file with the EDID of its input, if it names one.
    pub fn edid_file(&self) -> Option<&Path> {
        match self {
            SourceKind::Device { input, .. } => match &input.edid {
                Some(Edid::File(file)) => Some(file),
                _ => None,
            },
            _ => None,
        }
    }

    /// The controls that it sets, which can change while it is open.
    pub fn settings(&self) -> &[Setting] {
        match self {
            SourceKind::Device { controls, .. } => controls,
            _ => &[],
        }
    }

    /// The controls that it sets, to be changed; None where it can set none.
    pub fn settings_mut(&mut self) -> Option<&mut Vec<Setting>> {
        match self {
            SourceKind::Device { controls, .. } => Some(controls),
            _ => None,
        }
    }
}

/// The format in which a V4L2 camera is to give its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaptureFormat {
    /// The best that there is.
    #[default]
    Auto,
    /// H.264.
    H264,
    /// H.264 that rides in JPEG pictures, by the predecessor's word for it.
    MuxedH264,
    /// JPEG pictures, `V4L2_PIX_FMT_MJPEG`.
    Mjpeg,
    /// JPEG pictures, `V4L2_PIX_FMT_JPEG`.
    Jpeg,
    /// Another format, by the four letters that V4L2 has for it.
    Other([u8; 4]),
}

impl CaptureFormat {
    /// Reads a format as it stands in a config, in upper or lower case; None if it is none.
    pub fn parse(text: &str) -> Option<CaptureFormat> {
        let text = text.to_ascii_uppercase();
        Some(match text.as_str() {
            "AUTO" => CaptureFormat::Auto,
            "MJPGH264" => CaptureFormat::MuxedH264,
            "H264" => CaptureFormat::H264,
            "MJPG" => CaptureFormat::Mjpeg,
            "JPEG" => CaptureFormat::Jpeg,
            other if is_fourcc(other) => CaptureFormat::Other(other.as_bytes().try_into().ok()?),
            _ => return None,
        })
    }

    /// The four letters of the V4L2 format that it pins; None for those that pin none.
    pub fn letters(self) -> Option<[u8; 4]> {
        match self {
            CaptureFormat::Auto | CaptureFormat::MuxedH264 => None,
            CaptureFormat::H264 => Some(*b"H264"),
            CaptureFormat::Mjpeg => Some(*b"MJPG"),
            CaptureFormat::Jpeg => Some(*b"JPEG"),
            CaptureFormat::Other(letters) => Some(letters),
        }
    }

    /// True if it is JPEG pictures, by either name.
    pub fn is_jpeg(self) -> bool {
        matches!(self, CaptureFormat::Mjpeg | CaptureFormat::Jpeg)
    }
}

impl fmt::Display for CaptureFormat {
    /// Writes it as it stands in a config.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letters() {
            Some(letters) => f.write_str(&String::from_utf8_lossy(&letters)),
            None if *self == CaptureFormat::Auto => f.write_str("auto"),
            None => f.write_str("MJPGH264"),
        }
    }
}

/// The options of `rpicam-vid`, beside size and rate.
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

/// The keys of a device's section that pin its chain; what is `None` or empty is found by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainKeys {
    /// The encoder between a camera without H.264 and the stream.
    pub encoder: Option<DeviceName>,
    /// The decoder before it.
    pub decoder: Option<DeviceName>,
    /// The V4L2 format, four letters, in which the encoder takes its pictures.
    pub encoder_input: Option<String>,
    /// The V4L2 format, four letters, in which the decoder takes its pictures.
    pub decoder_input: Option<String>,
    /// The memory of the camera's buffers.
    pub capture_memory: Option<Memory>,
    /// The memory of the decoder's buffers, of what it takes and of what it gives.
    pub decoder_memory: Option<(Memory, Memory)>,
    /// The memory of the encoder's buffers, of what it takes and of what it gives (which is always copied).
    pub encoder_memory: Option<(Memory, Memory)>,
    /// The controls of encoders and decoders, by the sections that name them.
    pub codecs: Vec<(DeviceName, Vec<Setting>)>,
}

/// The owner of a buffer's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Its own device's.
    Mmap,
    /// That of the device at the other end.
    Dmabuf,
}

impl Memory {
    /// Reads `MMAP` or `DMABUF`.
    pub fn parse(text: &str) -> Option<Memory> {
        match text.trim().to_ascii_uppercase().as_str() {
            "MMAP" => Some(Memory::Mmap),
            "DMABUF" => Some(Memory::Dmabuf),
            _ => None,
        }
    }

    /// Reads two of them, as `MMAP-DMABUF`.
    pub fn parse_pair(text: &str) -> Option<(Memory, Memory)> {
        let (input, capture) = text.split_once('-')?;
        Some((Memory::parse(input)?, Memory::parse(capture)?))
    }
}

impl ChainKeys {
    /// True if a stage is named: its pictures are to go through it then.
    pub fn names_a_stage(&self) -> bool {
        self.encoder.is_some() || self.decoder.is_some()
    }
}

/// The keys of a device at which a signal comes in from elsewhere: HDMI, S-Video, a tuner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputKeys {
    /// The input, by its number or its name; None: the one that the device is set to.
    pub input: Option<String>,
    /// The standard of an analogue signal; None: the one that the device finds.
    pub standard: Option<Standard>,
    /// What an HDMI input tells its source of itself; None: what it is set to.
    pub edid: Option<Edid>,
}

/// The keys of a device of which the config says nothing: its present input, and the signal that is there.
pub static PRESENT_INPUT: InputKeys = InputKeys {
    input: None,
    standard: None,
    edid: None,
};

/// A standard of analogue television, or a family of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    /// 625 lines, 25 frames a second: most of the world.
    Pal,
    /// 525 lines, 30 frames a second: Brazil.
    PalM,
    /// 625 lines, 25 frames a second: South America.
    PalN,
    /// 525 lines, 30 frames a second: video players.
    Pal60,
    /// 525 lines, 29.97 frames a second: America, Japan, Korea.
    Ntsc,
    /// The same with PAL's colour carrier: video players.
    Ntsc443,
    /// 625 lines, 25 frames a second: France, eastern Europe.
    Secam,
}

impl Standard {
    /// All of them, by the words of the config.
    const WORDS: [(&str, Standard); 7] = [
        ("pal", Standard::Pal),
        ("pal-m", Standard::PalM),
        ("pal-n", Standard::PalN),
        ("pal-60", Standard::Pal60),
        ("ntsc", Standard::Ntsc),
        ("ntsc-443", Standard::Ntsc443),
        ("secam", Standard::Secam),
    ];

    /// Reads one as it stands in a config, in upper or lower case.
    pub fn parse(text: &str) -> Option<Standard> {
        let mut words = Standard::WORDS.iter();
        words
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|(_, standard)| *standard)
    }
}

/// A display's description of itself (EDID), by which an HDMI source knows what to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edid {
    /// The program's own, up to 1080p at 30 frames a second.
    Builtin,
    /// That of a file.
    File(PathBuf),
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

/// Two settings are equal wherever they stand.
impl PartialEq for Setting {
    fn eq(&self, other: &Setting) -> bool {
        (&self.name, &self.value) == (&other.name, &other.value)
    }
}

impl Eq for Setting {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_and_shown() {
        for (text, format, shown) in [
            ("Auto", CaptureFormat::Auto, "auto"),
            ("mjpgh264", CaptureFormat::MuxedH264, "MJPGH264"),
            ("H264", CaptureFormat::H264, "H264"),
            ("mjpg", CaptureFormat::Mjpeg, "MJPG"),
            ("JPEG", CaptureFormat::Jpeg, "JPEG"),
            ("yuyv", CaptureFormat::Other(*b"YUYV"), "YUYV"),
        ] {
            assert_eq!(CaptureFormat::parse(text), Some(format), "{text}");
            assert_eq!(format.to_string(), shown);
        }
        for bad in ["", "YUV", "YUYV2", "a b"] {
            assert_eq!(CaptureFormat::parse(bad), None, "{bad}");
        }
    }
}
