//! What the program gives up for good before its first thread, so that a hole in it is of less use: files by Landlock, new
//! sockets and other programs by seccomp, and if the config says `sandbox = strict`, all system calls that it does not need.
//!
//! The rules are for folders, since a camera that is plugged in again is a new file. They can't be widened: what needs
//! more, such as a command, has to be there at the start, and then nothing is given up.

use crate::config::{Camera, Config, Sandbox, SourceKind};
use crate::error::{Error, Result};
use crate::log_info;
use crate::sys::clock;
use crate::sys::landlock::{self, Access};
use crate::sys::{process, seccomp};
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

/// The rights that were given up.
pub struct Entered {
    /// In a few words, for /status.
    pub words: String,
    /// No command can be run any more.
    pub no_commands: bool,
}

/// Gives up what this config has no use for, but for the folder in which state is kept. To be called before any thread is
/// made.
///
/// # Errors
/// `sandbox = strict` can't be kept: a camera is a command, or the kernel refuses.
pub fn enter(
    config: &Config,
    state: Option<&Path>,
    runs_commands: impl Fn(&Camera) -> bool,
) -> Result<Entered> {
    let entered = |words: String, no_commands| Ok(Entered { words, no_commands });
    let wish = config.server.sandbox;
    if wish == Sandbox::Off {
        return entered("off: sandbox = off".into(), false);
    }
    let strict = |why: &dyn std::fmt::Display| Error::new("sandbox = strict", "can't be used", why);
    let command = config.cameras.iter().find(|camera| runs_commands(camera));
    if let Some(camera) = command {
        let why = match camera.source {
            SourceKind::Auto => "the camera may be the Raspberry Pi's own, through rpicam-vid".into(),
            _ => format!("[{}] is a command", camera.section),
        };
        return match wish {
            Sandbox::Strict => Err(strict(&why)),
            _ => entered(format!("off: {why}"), false),
        };
    }
    // The C library reads the time zone when it is first asked for, which must not be later.
    clock::wall_clock();
    let edids = config
        .cameras
        .iter()
        .filter_map(|camera| camera.source.edid_file());
    let files = config.file.as_deref().map(Path::new).into_iter().chain(edids);
    let folders: Vec<PathBuf> = files.flat_map(folders_of).collect();
    let folders = folders.iter().map(|folder| (folder.as_path(), Access::Read));
    let mut all: Vec<(&Path, Access)> = FOLDERS.map(|(path, access)| (Path::new(path), access)).into();
    all.extend(folders);
    all.extend(state.map(|folder| (folder, Access::Keep)));
    let files = process::renounce_privileges().and_then(|()| landlock::restrict(&all));
    let words = match &files {
        Ok(()) => LANDLOCK,
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => "the system allows no Landlock",
        // No such call, or turned off when the kernel was started.
        Err(_) => "no Landlock in this kernel",
    };
    if wish == Sandbox::Auto {
        if let Err(e) = &files {
            log_info!("sandbox: {words} (Landlock: {e})");
        }
        let sockets = seccomp::close_ways_out().inspect_err(|e| log_info!("sandbox: seccomp: {e}"));
        let more = if sockets.is_ok() { ", no new sockets" } else { "" };
        return entered(format!("{words}{more}"), files.is_ok() || sockets.is_ok());
    }
    seccomp::restrict().map_err(|e| strict(&format_args!("seccomp: {e}")))?;
    entered(format!("{words}, seccomp"), true)
}

/// The folders in which a file may be found again when somebody has changed it: where it stands, and where the file
/// really is, if it is a link.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let folder = |file: &Path| match file.parent() {
        Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
        folder => folder.unwrap_or(Path::new("/")).to_owned(),
    };
    let really = file.canonicalize().ok();
    [Some(file), really.as_deref()]
        .into_iter()
        .flatten()
        .map(folder)
        .collect()
}
