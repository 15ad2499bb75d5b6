//! What a config says: the types that the rest of the program reads, and their defaults.

use super::device::DeviceName;
use super::mic::MicName;
use super::pan_tilt::PanTilt;
use super::people::{People, Rights};
use super::source::{Setting, SourceKind};
use crate::format::password::Password;
use crate::format::url::Url;
use std::mem;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// What [`Camera::motion_threshold`] may be.
pub const MOTION_THRESHOLDS: RangeInclusive<i32> = 2..=1000;

/// All that the program is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that it was read from; None when it was made from the command line or from nothing.
    pub file: Option<String>,
    /// The `[server]` section: what is served, to whom.
    pub server: Server,
    /// Where the frames come from: one or more, each under a name of its own.
    pub cameras: Vec<Camera>,
    /// Who may do what.
    pub people: People,
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
    /// How much of each camera's video is kept in memory, up to 300 s.
    pub clip: Duration,
    /// Further names allowed in `Host`, in lower case, without port; `*` is any.
    pub hosts: Vec<String>,
    /// Origins beside 'self' for CSP's frame-ancestors, fit to be put into the header as they are.
    pub frame_ancestors: Vec<String>,
    /// Origins whose pages may use the stream, in lower case; `*` is any.
    pub cors_origins: Vec<String>,
    /// The path that a proxy passes on in front of all others, such as `/cam`; empty for none.
    pub base_path: String,
    /// The rights that the program gives up when it starts.
    pub sandbox: Sandbox,
    /// While there is no user, everybody may change and turn cameras.
    pub controls: bool,
    /// Cameras are also turned by the address that the first programs of this kind had.
    pub historical_orient: bool,
    /// The TCP port of RTSP, where it is served; 0 is any free one.
    pub rtsp_port: u16,
    /// Whether it is.
    pub rtsp: bool,
    /// Whether its pictures may also go by UDP.
    pub rtsp_udp: bool,
    /// Whether recorders find the cameras by ONVIF, and are led to RTSP.
    pub onvif: bool,
    /// Where recordings are, and how long.
    pub archive: Archive,
}

/// The folder of all recordings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Its path; empty for the one of the service manager.
    pub dir: PathBuf,
    /// The most that they take, in billions of bytes, 1..=1000000.
    pub max_gb: u32,
    /// The most that those take in which something happened, apart from the others, in billions of bytes, 0..=1000000; 0 if all are together.
    pub event_max_gb: u32,
    /// The part of the disk that is kept free, in percent, 0..=90.
    pub keep_free: u32,
    /// The days that they are kept; 0 is as long as there is room.
    pub keep_days: u32,
}

impl Default for Archive {
    fn default() -> Archive {
        Archive {
            dir: PathBuf::new(),
            max_gb: 20,
            event_max_gb: 0,
            keep_free: 10,
            keep_days: 0,
        }
    }
}

/// What is recorded of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Record {
    /// Nothing.
    #[default]
    No,
    /// All.
    Always,
    /// What is around events.
    Events,
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
            clip: Duration::ZERO,
            hosts: Vec::new(),
            frame_ancestors: Vec::new(),
            cors_origins: Vec::new(),
            base_path: String::new(),
            sandbox: Sandbox::Auto,
            controls: false,
            historical_orient: false,
            rtsp_port: 8554,
            rtsp: false,
            rtsp_udp: false,
            onvif: false,
            archive: Archive::default(),
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
            people: People::default(),
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
    /// True if the source stops while nobody watches.
    pub auto_sleep: bool,
    /// The time from when the last viewer leaves until it stops.
    pub linger: Duration,
    /// Where its events are sent to.
    pub event_url: Option<Url>,
    /// The shell command that is run at each of its events; empty if none is.
    pub event_command: String,
    /// What is recorded of it.
    pub record: Record,
    /// The time between two pictures of its time-lapse, if there is to be one.
    pub timelapse: Option<Duration>,
    /// The shell command that is run with each finished recording; empty if none is.
    pub record_done_command: String,
    /// What is to be heard beside it.
    pub mic: Option<MicName>,
    /// How much louder that is made, -20..=60 dB.
    pub mic_gain: i8,
    /// True if events tell of motion.
    pub motion: bool,
    /// The score from which something moves, one of [`MOTION_THRESHOLDS`].
    pub motion_threshold: u16,
    /// The time of rest after which motion has ended, 1..=3600 s.
    pub motion_gap: Duration,
    /// What turns it.
    pub pan_tilt: Box<PanTilt>,
}

impl Camera {
    /// Something of it goes into files.
    pub fn is_recorded(&self) -> bool {
        self.record != Record::No || self.timelapse.is_some()
    }
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
            event_url: None,
            event_command: String::new(),
            record: Record::No,
            timelapse: None,
            record_done_command: String::new(),
            mic: None,
            mic_gain: 0,
            motion: false,
            motion_threshold: 6,
            motion_gap: Duration::from_secs(5),
            pan_tilt: Box::default(),
        }
    }
}

impl Camera {
    /// The device and its controls, if this section is about an encoder or a decoder and not about a camera.
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

/// The values of one section. Each key knows whether it is the server's or a camera's.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// If it is `[server]`.
    pub server: Server,
    /// If it is a camera's.
    pub camera: Camera,
    /// If it is `[anonymous]` or a user's.
    pub rights: Rights,
    /// If it is a user's.
    pub password: Option<Password>,
    pub(super) notices: Vec<String>,
}
