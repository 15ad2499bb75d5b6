//! What a config says: the types that the rest of the program reads, and their defaults.

use super::device::DeviceName;
use std::mem;
use std::net::IpAddr;
use std::time::Duration;

/// The `capture_format` that leaves the choice to the program.
pub const AUTO: &str = "auto";

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
    /// The defaults with this one camera.
    pub(super) fn of_one(camera: Camera) -> Config {
        Config {
            file: None,
            server: Server::default(),
            cameras: vec![camera],
            notices: Vec::new(),
        }
    }
}

/// An encoder or decoder, and what is to be set on it.
pub(super) type Codec = (DeviceName, Vec<Setting>);

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
            capture_format: AUTO.into(),
            chain: ChainKeys::default(),
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
    /// The same of the decoder.
    pub decoder_input: Option<String>,
    /// The memory of the camera's buffers.
    pub capture_memory: Option<Memory>,
    /// The memory of the decoder's buffers, of what it takes and of what it gives.
    pub decoder_memory: Option<(Memory, Memory)>,
    /// The same of the encoder's; what it gives is always copied.
    pub encoder_memory: Option<(Memory, Memory)>,
    /// The controls of encoders and decoders, by the sections that name them.
    pub codecs: Vec<(DeviceName, Vec<Setting>)>,
}

/// Whose memory a buffer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Its own device's.
    Mmap,
    /// That of the device at the other end.
    Dmabuf,
}

impl Memory {
    /// `MMAP` or `DMABUF`.
    pub fn parse(text: &str) -> Option<Memory> {
        match text.trim().to_ascii_uppercase().as_str() {
            "MMAP" => Some(Memory::Mmap),
            "DMABUF" => Some(Memory::Dmabuf),
            _ => None,
        }
    }

    /// Two of them, as `MMAP-DMABUF`.
    pub fn parse_pair(text: &str) -> Option<(Memory, Memory)> {
        let (input, capture) = text.split_once('-')?;
        Some((Memory::parse(input)?, Memory::parse(capture)?))
    }
}

impl ChainKeys {
    /// Whether a stage is named: its pictures are to go through it then.
    pub fn names_a_stage(&self) -> bool {
        self.encoder.is_some() || self.decoder.is_some()
    }
}

/// What is read from one section: its keys know whether they are the server's or a camera's.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// If it is `[server]`.
    pub server: Server,
    /// If it is a camera's.
    pub camera: Camera,
    pub(super) notices: Vec<String>,
}
