//! A V4L2 node: opening it, what it is good for, and why it can't be used.

use super::formats;
use crate::error::{Error, Result};
use crate::sys::v4l2::{self, BufferKind, Capabilities, FourCc, OfferedFormat, cap};
use crate::sys::{self, Errno, file};
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// The words for a node that does not exist.
const ABSENT: &str = "no such device; waiting for it to be plugged in (cameras here: fmp4streamer -L)";
/// The words for a device that went while it was in use.
pub(super) const UNPLUGGED: &str = "it was unplugged; waiting for it to come back";

/// True if the kernel answers so for a device that is not there, or no longer there.
pub(super) fn gone(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::ENXIO | Errno::ENODEV)
}

/// Opens a V4L2 device of any sort and asks who it is.
///
/// # Errors
/// It is not there, not allowed, busy (and by whom), or no V4L2 device.
pub(super) fn open_device(path: &Path) -> Result<(File, Capabilities)> {
    let file = file::open_device(path).map_err(|e| {
        let errno = Errno::from_raw(e.raw_os_error().unwrap_or(0));
        let why = match errno {
            Errno::ENOENT => ABSENT.into(),
            Errno::EACCES | Errno::EPERM => no_permission(path),
            Errno::EBUSY => busy(fs::metadata(path).map_or(0, |m| m.rdev())),
            Errno::ENXIO | Errno::ENODEV => "there is no device behind this node now; waiting for it".into(),
            errno => sys::words(errno),
        };
        Error::new(path.display(), "can't open it", why).absent(gone(errno))
    })?;
    let capabilities = v4l2::query_capabilities(&file).map_err(|errno| {
        let why = if errno == Errno::ENOTTY {
            "it is not a video device".into()
        } else {
            sys::words(errno)
        };
        Error::new(path.display(), "not a camera", why).absent(gone(errno))
    })?;
    Ok((file, capabilities))
}

/// A node that is open, with its own description.
pub(super) struct OpenNode {
    pub file: File,
    pub capabilities: Capabilities,
    /// The queue on which it captures video; or the words for what it is instead.
    pub capture: std::result::Result<BufferKind, &'static str>,
    /// The formats that it captures, if it does.
    pub formats: Vec<OfferedFormat>,
}

impl OpenNode {
    /// Opens a node and asks what it is; nothing is set on it.
    ///
    /// # Errors
    /// See [`open_device`].
    pub fn open(path: &Path) -> Result<OpenNode> {
        let (file, capabilities) = open_device(path)?;
        let capture = capture_kind(capabilities.caps);
        let formats = capture.map_or(Vec::new(), |kind| formats::formats(&file, kind));
        Ok(OpenNode {
            file,
            capabilities,
            capture,
            formats,
        })
    }

    /// True if it captures in this format.
    pub fn gives(&self, format: FourCc) -> bool {
        self.formats.iter().any(|f| f.fourcc == format)
    }
}

/// The queue on which a node captures video, by its capabilities; the error says what it is instead.
pub(super) fn capture_kind(caps: u32) -> std::result::Result<BufferKind, &'static str> {
    let has = |bits: u32| caps & bits != 0;
    let kind = if has(cap::TOUCH) {
        return Err("it is a touch panel");
    } else if has(cap::VIDEO_CAPTURE) {
        BufferKind::Single
    } else if has(cap::VIDEO_CAPTURE_MPLANE) {
        BufferKind::Multi
    } else if has(cap::VIDEO_M2M | cap::VIDEO_M2M_MPLANE) {
        return Err("it is an encoder, decoder or scaler, which changes pictures but has none of its own");
    } else if has(cap::META_CAPTURE | cap::META_OUTPUT) {
        return Err(
            "it gives metadata (data about a camera's frames), not the frames; the camera is most often the \
             node before it",
        );
    } else if has(cap::VIDEO_OUTPUT | cap::VIDEO_OUTPUT_MPLANE) {
        return Err("it is a video output (a loopback device becomes a camera when something feeds it)");
    } else if has(cap::RADIO | cap::MODULATOR | cap::SDR_CAPTURE | cap::SDR_OUTPUT) {
        return Err("it is a radio");
    } else if has(cap::VBI_CAPTURE | cap::VBI_OUTPUT | cap::SLICED_VBI_CAPTURE | cap::SLICED_VBI_OUTPUT) {
        return Err("it is for teletext and the like (VBI)");
    } else {
        return Err("it does not capture video");
    };
    if has(cap::STREAMING) {
        Ok(kind)
    } else {
        Err("its driver has no streaming (mmap) interface")
    }
}

/// The reason why a device with that number did not start, and what to do.
pub(super) fn start_failure(errno: Errno, device: u64) -> String {
    match errno {
        Errno::EBUSY => busy(device),
        Errno::ENOMEM | Errno::ENOBUFS => "no memory for its buffers; a smaller size needs less, and on a \
             Raspberry Pi cma=128M in /boot/firmware/cmdline.txt gives cameras more"
            .into(),
        Errno::ENOSPC => "not enough USB bandwidth; try another port, no hub or a smaller size".into(),
        Errno::ENODEV => UNPLUGGED.into(),
        Errno::ENOTTY if cfg!(target_pointer_width = "32") => {
            "its driver has no mmap interface, or this 32-bit kernel is older than Linux 5.6".into()
        }
        errno => sys::words(errno),
    }
}

/// The words for a busy device and who holds it, as far as /proc shows: "busy: another program has it open (pid 812,
/// motion)".
fn busy(device: u64) -> String {
    // A process that streams from a device has its buffers in memory (mmap), under the device's name.
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut names = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    if names.any(|name| name.starts_with("/dev/") && fs::metadata(name).is_ok_and(|m| m.rdev() == device)) {
        return "busy: another section of the config means it too".into();
    }
    busy_with(&holders(device), "video*")
}

/// The words for a device that these processes hold; it is one of those below /dev.
pub(super) fn busy_with(holders: &[u32], devices: &str) -> String {
    let name = |pid: &u32| match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("pid {pid}, {}", name.trim_end()),
        Err(_) => format!("pid {pid}"),
    };
    // The kernel shows a sandbox no other process's files, and users only their own.
    let list = if holders.is_empty() {
        format!("; sudo fuser -v /dev/{devices} says which")
    } else {
        format!(" ({})", holders.iter().map(name).collect::<Vec<_>>().join("; "))
    };
    format!("busy: another program has it open{list}")
}

/// The other processes that have an open file of the device.
pub(super) fn holders(device: u64) -> Vec<u32> {
    let holds = |process: &Path| {
        file::entries(&process.join("fd")).iter().any(|path| {
            // The link's text first: asking a file on a dead network mount who it is would block.
            fs::read_link(path).is_ok_and(|link| link.starts_with("/dev"))
                && fs::metadata(path).is_ok_and(|m| m.file_type().is_char_device() && m.rdev() == device)
        })
    };
    let others = file::entries(Path::new("/proc"))
        .into_iter()
        .filter_map(|process| {
            let pid: u32 = process.file_name()?.to_str()?.parse().ok()?;
            (pid != std::process::id() && holds(&process)).then_some(pid)
        });
    others.collect()
}

/// The words for a device that our service may not open as it is shipped: of that class, whose group is that.
pub(super) fn no_permission_as_shipped(path: &Path, class: &str, group: &str) -> String {
    let why = no_permission(path);
    format!("{why}; a service needs DeviceAllow=char-{class} rw and SupplementaryGroups={group}")
}

/// The words for a node that this user may not open, and what to do.
pub(super) fn no_permission(path: &Path) -> String {
    let Ok(metadata) = fs::metadata(path) else {
        return "no permission".into();
    };
    if metadata.mode() & 0o060 != 0o060 || metadata.gid() == 0 {
        return "no permission: only root may use it".into();
    }
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    match group_name(&groups, metadata.gid()) {
        Some(group) => format!(
            "no permission: it is for members of the group {group}; run: sudo usermod -aG {group} $USER (and \
             log in again)"
        ),
        None => format!("no permission: it is for members of the group {}", metadata.gid()),
    }
}

/// The name of group `gid` in a text like that of /etc/group, see group(5).
fn group_name(groups: &str, gid: u32) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then_some(name)
    })
}

/// The queue from which a memory-to-memory device gives frames, by its capabilities; None if it is no such device.
pub(super) fn m2m_kind(caps: u32) -> Option<BufferKind> {
    match caps {
        caps if caps & cap::VIDEO_M2M_MPLANE != 0 => Some(BufferKind::Multi),
        caps if caps & cap::VIDEO_M2M != 0 => Some(BufferKind::Single),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_told_apart() {
        let streaming = cap::STREAMING;
        assert_eq!(
            capture_kind(cap::VIDEO_CAPTURE | streaming),
            Ok(BufferKind::Single)
        );
        assert_eq!(
            capture_kind(cap::VIDEO_CAPTURE_MPLANE | streaming),
            Ok(BufferKind::Multi)
        );
        assert_eq!(
            capture_kind(cap::VIDEO_CAPTURE | cap::VIDEO_OUTPUT | streaming),
            Ok(BufferKind::Single)
        );
        for (caps, word) in [
            (cap::VIDEO_CAPTURE, "mmap"),
            (cap::META_CAPTURE | streaming, "data about"),
            (cap::VIDEO_M2M_MPLANE | streaming, "encoder"),
            (cap::VIDEO_OUTPUT | streaming, "output"),
            (cap::RADIO, "radio"),
            (cap::VBI_CAPTURE | streaming, "VBI"),
            (cap::TOUCH | cap::VIDEO_CAPTURE | streaming, "touch"),
            (0, "does not capture"),
        ] {
            assert!(capture_kind(caps).unwrap_err().contains(word), "{caps:#x}");
        }
    }

    #[test]
    fn what_is_no_camera_is_refused_in_words() {
        let words = |path: &str| open_device(Path::new(path)).err().unwrap().to_string();
        assert_eq!(
            words("/dev/no-such-video"),
            "/dev/no-such-video: can't open it: no such device; waiting for it to be plugged in (cameras here: fmp4streamer -L)"
        );
        assert_eq!(
            words("/dev/null"),
            "/dev/null: not a camera: it is not a video device"
        );
    }

    #[test]
    fn holders_of_a_device_are_named() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .stdin(File::open("/dev/full").unwrap())
            .spawn()
            .unwrap();
        let words = busy(fs::metadata("/dev/full").unwrap().rdev());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(words.contains(&format!("pid {}, sleep", child.id())), "{words}");
    }

    #[test]
    fn groups_have_names() {
        let groups = "root:x:0:\nvideo:x:44:pi,eve\nbroken\n";
        assert_eq!(group_name(groups, 44), Some("video"));
        assert_eq!(group_name(groups, 4), None);
    }
}
