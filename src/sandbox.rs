//! What the program gives up for good before its first thread, so that a hole in it is of less use: files by Landlock, new
//! sockets and other programs by seccomp, and if the config says `sandbox = strict`, all system calls that it does not need.
//!
//! The rules are for folders, since a camera that is plugged in again is a new file. They can't be widened: what needs
//! more, such as a command, has to be there at the start, and then nothing is given up.

use crate::config::{Camera, Config, Sandbox, SourceKind};
use crate::error::{Error, Result};
use crate::sys::clock;
use crate::sys::landlock::{self, Access};
use crate::sys::process;
use crate::sys::seccomp::{self, Sockets};
use crate::{log_info, log_warning};
use std::io;
use std::path::{Path, PathBuf};

/// Devices; what the kernel says of them, and of itself; names of users' groups, for messages.
const FOLDERS: [(&str, Access); 4] = [
    ("/dev", Access::Device),
    ("/proc", Access::Read),
    ("/sys", Access::Read),
    ("/etc", Access::Read),
];

const LANDLOCK: &str = "landlock";
/// RFC 7766, 5.
const DNS_PORT: u16 = 53;

/// The rights that were given up.
pub struct Entered {
    /// In a few words, for /status.
    pub words: String,
    /// No command can be run any more.
    pub no_commands: bool,
    /// The ports that can still be connected to; `None` is all.
    pub ports: Option<Vec<u16>>,
}

impl Entered {
    /// True if what this camera has needs more than was left: a restart.
    pub fn is_too_narrow_for(&self, camera: &Camera, runs_commands: bool) -> bool {
        let runs_commands = runs_commands || has_command(camera).is_some();
        let port = camera.event_url.as_ref().map(|url| url.port);
        let is_closed = |port: u16| self.ports.as_ref().is_some_and(|open| !open.contains(&port));
        self.no_commands && runs_commands || port.is_some_and(is_closed)
    }
}

/// Gives up what this config has no use for, but for the folder in which state is kept, and those for recordings. To be called before any thread is
/// made.
///
/// # Errors
/// `sandbox = strict` can't be kept: a camera is a command, or the kernel refuses.
pub fn enter(
    config: &Config,
    state: Option<&Path>,
    records: &[PathBuf],
    runs_commands: &dyn Fn(&Camera) -> bool,
) -> Result<Entered> {
    let is_off = |words: String| {
        Ok(Entered {
            words,
            no_commands: false,
            ports: None,
        })
    };
    let wish = config.server.sandbox;
    if wish == Sandbox::Off {
        return is_off("off: sandbox = off".into());
    }
    let strict = |why: &dyn std::fmt::Display| Error::new("sandbox = strict", "can't be used", why);
    let mut cameras = config.cameras.iter();
    let command = cameras.find(|camera| runs_commands(camera) || has_command(camera).is_some());
    if let Some(camera) = command {
        let why = match camera.source {
            _ if !runs_commands(camera) => {
                format!(
                    "[{}] has {}",
                    camera.section,
                    has_command(camera).unwrap_or_default()
                )
            }
            SourceKind::Auto => "the camera may be the Raspberry Pi's own, through rpicam-vid".into(),
            _ => format!("[{}] is a command", camera.section),
        };
        return match wish {
            Sandbox::Strict => Err(strict(&why)),
            _ => {
                if !runs_commands(camera) {
                    log_warning!("sandbox: off: {why}; event_url works inside it");
                }
                is_off(format!("off: {why}"))
            }
        };
    }
    // The C library reads the time zone when it is first asked for, which must not be later.
    clock::wall_clock();
    let mut folders = Vec::new();
    let mut ports = Vec::new();
    if let Some(file) = &config.file {
        add_folders(file.as_ref(), &mut folders);
    }
    for camera in &config.cameras {
        if let Some(edid) = camera.source.edid_file() {
            add_folders(edid, &mut folders);
        }
        ports.extend(camera.event_url.as_ref().map(|url| url.port));
    }
    let has_urls = !ports.is_empty();
    let sockets = match config.server.rtsp && config.server.rtsp_udp {
        _ if has_urls => Sockets::Internet,
        true => Sockets::Datagrams,
        false => Sockets::None,
    };
    if has_urls {
        // What says who knows names is often a link, and the port for long answers is theirs.
        add_folders("/etc/resolv.conf".as_ref(), &mut folders);
        ports.push(DNS_PORT);
    }
    let mut all = FOLDERS.map(|(path, access)| (Path::new(path), access)).to_vec();
    for folder in &folders {
        all.push((folder, Access::Read));
    }
    all.extend(state.map(|folder| (folder, Access::Keep)));
    for folder in records {
        all.push((folder, Access::Record));
    }
    let files = process::renounce_privileges().and_then(|()| landlock::restrict(&all, &ports));
    let words = match &files {
        Ok(()) => LANDLOCK,
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => "the system allows no Landlock",
        // No such call, or turned off when the kernel was started.
        Err(_) => "no Landlock in this kernel",
    };
    let (more, no_commands) = if wish == Sandbox::Auto {
        if let Err(e) = &files {
            log_info!("sandbox: {words} (Landlock: {e})");
        }
        let ways = seccomp::close_ways_out(sockets).inspect_err(|e| log_info!("sandbox: seccomp: {e}"));
        let more = match sockets {
            _ if ways.is_err() => "",
            Sockets::Internet => ", sockets for event_url alone",
            Sockets::Datagrams => ", sockets for rtsp_udp alone",
            Sockets::None => ", no new sockets",
        };
        (more, files.is_ok() || ways.is_ok())
    } else {
        seccomp::restrict(sockets).map_err(|e| strict(&format_args!("seccomp: {e}")))?;
        (", seccomp", true)
    };
    Ok(Entered {
        words: format!("{words}{more}"),
        no_commands,
        ports: no_commands.then_some(ports),
    })
}

/// The key of a camera by which commands are run, whatever its source is.
fn has_command(camera: &Camera) -> Option<&'static str> {
    match (&*camera.event_command, &*camera.record_done_command) {
        ("", "") => None,
        ("", _) => Some("a record_done_command"),
        _ => Some("an event_command"),
    }
}

/// Adds the folders in which a file may be found again when somebody has changed it: where it stands, and where the file
/// really is, if it is a link.
fn add_folders(file: &Path, folders: &mut Vec<PathBuf>) {
    let mut add = |file: &Path| {
        let folder = file.parent().unwrap_or("/".as_ref());
        let here = folder.as_os_str().is_empty();
        folders.push(if here { Path::new(".") } else { folder }.to_owned());
    };
    add(file);
    if let Ok(really) = file.canonicalize() {
        add(&really);
    }
}
