//! Why `rpicam-vid` can't be used, and what to do.

use crate::error::Error;
use crate::source::node::busy_with;
use crate::sys::file::major_minor;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// No board has so many media devices.
const MEDIA_MAX: u32 = 32;

/// The failure of a board and a build that can't make H.264, and the remedy.
pub(super) const NO_LIBAV: [&str; 2] = [
    "it can't make H.264 here",
    "this board has no H.264 encoder, and this build of rpicam-vid (rpicam-apps-lite) has none in software either: sudo \
     apt install rpicam-apps. Or put capture_format = MJPG into an [rpicam] section",
];
/// Words of its last line, each with the failure and the remedy.
const REASONS: [(&str, [&str; 2]); 9] = [
    ("Unable to find an appropriate H.264 codec", NO_LIBAV),
    ("nrecognised codec libav", NO_LIBAV),
    ("'--libav-", NO_LIBAV),
    (
        "cannot find video encoder libx264",
        [
            "it can't make H.264 here",
            "its libav has no libx264: sudo apt install rpicam-apps",
        ],
    ),
    (
        "no cameras available",
        [
            "it finds no camera",
            "look at the cable (with the power off), at camera_auto_detect=1 in /boot/firmware/config.txt, and whether \
             this program's user is in the group video; rpicam-hello --list-cameras has to list it",
        ],
    ),
    (
        "selected camera is not available",
        [
            "there is no camera of that number",
            "rpicam-hello --list-cameras gives the numbers for camera = in its section",
        ],
    ),
    (
        "legacy camera stack",
        [
            "the old camera system is on",
            "turn it off: sudo raspi-config, Interface Options, Legacy Camera; then reboot",
        ],
    ),
    (
        "only supports the Raspberry Pi",
        [
            "it finds no camera system of a Raspberry Pi",
            "another machine's camera needs another program, in an [exec] section",
        ],
    ),
    (
        "capture buffers",
        [
            "it gets no memory for the pictures (CMA)",
            "take a smaller width and height, or more memory for it: dtoverlay=vc4-kms-v3d,cma-256 in \
             /boot/firmware/config.txt",
        ],
    ),
];

/// The error of something that was tried with the program.
pub(super) fn fail(what: &str, why: &str) -> Error {
    Error::new("rpicam-vid", what, why)
}

/// The error for the last line that the program wrote before it ended; None if the line says nothing useful.
pub(super) fn explain(line: &str) -> Option<Error> {
    if line.contains("failed to acquire camera") {
        return Some(fail("can't use the camera", &busy_with(&holders(), "video*")));
    }
    let (_, [what, remedy]) = REASONS.iter().find(|(words, _)| line.contains(words))?;
    Some(fail(what, remedy))
}

/// The processes that have libcamera's cameras. They are theirs by a lock on the media device (MediaDevice::lock), which others may have
/// open too.
fn holders() -> Vec<u32> {
    let nodes = (0..MEDIA_MAX).filter_map(|number| fs::metadata(format!("/dev/media{number}")).ok());
    let files: Vec<String> = nodes.map(|node| file(node.dev(), node.ino())).collect();
    lock_holders(&fs::read_to_string("/proc/locks").unwrap_or_default(), &files)
}

/// A file as /proc/locks names it: by its device and inode.
fn file(device: u64, inode: u64) -> String {
    let (major, minor) = major_minor(device);
    format!("{major:02x}:{minor:02x}:{inode}")
}

/// The processes with a POSIX lock on one of these files. A line of /proc/locks is as
/// "1: POSIX  ADVISORY  WRITE 812 00:06:345 0 EOF" (proc(5)).
fn lock_holders(locks: &str, files: &[String]) -> Vec<u32> {
    let mut holders = Vec::new();
    for line in locks.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, "POSIX", _, _, pid, locked, ..] = words.as_slice() {
            if files.iter().any(|file| file == locked) {
                holders.extend(pid.parse::<u32>());
            }
        }
    }
    holders
}

#[cfg(test)]
#[path = "tests/failure.rs"]
mod tests;
