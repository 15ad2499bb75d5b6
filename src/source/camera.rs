//! A V4L2 camera that gives H.264 or JPEG pictures.

use super::capture::{BUFFERS, Capture, Device};
use super::formats;
use super::uvcx::{self, Encoder, Muxed};
use super::{Drops, Frame, Signal, Source, SourceInfo, controls, warn_once};
use crate::config::Setting;
use crate::error::{Error, Result};
use crate::format::{Codec, app4};
use crate::log_verbose;
use crate::sys::poll::{events, poll, readable};
use crate::sys::v4l2::{self, BufferKind, Capabilities, Control, FourCc, Queue, cap, ctrl};
use crate::sys::{Errno, file};
use std::collections::HashSet;
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// The JPEG pictures that carry H.264 are to be of this size: they only take room on the bus.
const BASE: (u32, u32) = (640, 480);

/// What the config wants of a camera.
#[derive(Debug, Clone, Copy)]
pub struct CaptureConfig<'a> {
    /// The device node or a symlink to it.
    pub path: &'a Path,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
    /// [`FourCc::H264`], or one of the two names of JPEG; the other one will do as well.
    pub format: FourCc,
    /// The JPEG pictures are to carry H.264, of that size and rate; nothing else of them is used.
    pub muxed: bool,
    /// Controls to set before it streams, in this order.
    pub controls: &'a [Setting],
}

/// An open camera that streams. Dropping it stops the stream, gives the memory back and closes the device.
pub struct Camera {
    capture: Capture,
    pub(super) info: SourceInfo,
    codec: Codec,
    /// Room for a frame that comes in the segments of a JPEG picture, if that is how they come.
    joined: Option<Vec<u8>>,
    /// The encoder of a camera with an H.264 unit.
    encoder: Option<Encoder>,
    /// The control that makes a key frame, where there is one.
    key_button: Option<Control>,
}

/// Opens the camera and starts it as `wanted`, or as near as it gets: controls first (a few cameras want them
/// before the format), then size and rate.
///
/// What did not go as wanted is logged as warnings, but not what is already in `said`: so a camera that is
/// opened at each wake-up does not repeat itself.
///
/// # Errors
/// Why it does not stream, in words: not there, not allowed, busy and by whom, not a camera, no such format.
pub fn open(wanted: &CaptureConfig<'_>, said: &mut HashSet<String>) -> Result<Camera> {
    let mut warn = |words| warn_once(said, words);
    let path = &wanted.path.display().to_string();
    let Capturing {
        file,
        kind,
        card,
        fourcc,
    } = Capturing::open(wanted.path, wanted.format)?;
    let codec = match wanted.format {
        FourCc::MJPEG | FourCc::JPEG if !wanted.muxed => Codec::Jpeg,
        _ => Codec::H264,
    };
    controls::apply(&file, path, wanted.controls)
        .into_iter()
        .for_each(&mut warn);
    // Some cameras want this before the format is set, as the controls.
    let muxed = wanted.muxed.then_some(Muxed {
        width: wanted.width,
        height: wanted.height,
        fps: wanted.fps,
    });
    let encoder = uvcx::apply(&file, path, wanted.controls, muxed, &mut warn);
    if wanted.muxed && encoder.is_none() {
        let tried = format!("{card} puts no H.264 into its MJPEG");
        let why = "it has no H.264 extension unit; capture_format = MJPG serves its pictures as they are";
        return Err(Error::new(path, tried, why));
    }
    let wanted = &if wanted.muxed {
        CaptureConfig {
            width: BASE.0,
            height: BASE.1,
            ..*wanted
        }
    } else {
        *wanted
    };

    let device = Device::set_up(file, kind, wanted, fourcc, &mut warn)?;
    let key_button = v4l2::query_control(&device.file, ctrl::FORCE_KEY_FRAME).ok();
    let queue = Queue::new(Rc::clone(&device.file), kind, BUFFERS);
    let mut queue = queue.map_err(|e| device.failed("can't get buffers", e))?;
    if let Some(Err(errno)) = encoder.as_ref().map(|encoder| encoder.commit(&device.file)) {
        log_verbose!("{path}: the H.264 settings are not taken again: {}", errno.desc());
    }
    queue
        .start()
        .map_err(|e| device.failed("can't start the stream", e))?;
    Ok(Camera {
        info: SourceInfo {
            description: card,
            fps: device.fps,
            ..SourceInfo::default()
        },
        capture: Capture::new(device, queue),
        codec,
        joined: wanted.muxed.then(Vec::new),
        encoder: encoder.filter(|_| codec == Codec::H264),
        key_button,
    })
}

/// What captures video, open.
pub(super) struct Capturing {
    pub file: File,
    pub kind: BufferKind,
    pub card: String,
    /// The format that is to be set.
    pub fourcc: FourCc,
}

impl Capturing {
    /// Opens it for frames of this format; each of the two names will do for JPEG pictures.
    pub fn open(path: &Path, format: FourCc) -> Result<Capturing> {
        let (file, Capabilities { card, caps, .. }) = open_device(path)?;
        let name = path.display();
        let kind = capture_kind(caps).map_err(|what| Error::new(&name, "not a camera", what))?;
        let formats = formats::formats(&file, kind);
        let offers = |fourcc: &FourCc| formats.iter().any(|f| f.fourcc == *fourcc);
        let names = match format {
            FourCc::MJPEG => [FourCc::MJPEG, FourCc::JPEG],
            FourCc::JPEG => [FourCc::JPEG, FourCc::MJPEG],
            other => [other; 2],
        };
        let Some(fourcc) = names.into_iter().find(offers) else {
            let offered = formats::line(&file, &formats);
            let why = format!("it offers {offered}; take capture_format out of its section");
            return Err(Error::new(name, format!("{card} gives no {format}"), why));
        };
        Ok(Capturing {
            file,
            kind,
            card,
            fourcc,
        })
    }
}

/// Whether it is an answer of a device that is not there, or not any more.
pub(super) fn gone(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::ENXIO | Errno::ENODEV)
}

/// Opens a V4L2 device of any sort and asks who it is.
pub(super) fn open_device(path: &Path) -> Result<(File, Capabilities)> {
    let file = file::open_device(path).map_err(|e| {
        let errno = Errno::from_raw(e.raw_os_error().unwrap_or(0));
        let why = match errno {
            Errno::ENOENT => "no such device; it is waited for".into(),
            Errno::EACCES | Errno::EPERM => no_permission(path),
            Errno::EBUSY => busy(fs::metadata(path).map_or(0, |m| m.rdev())),
            Errno::ENXIO | Errno::ENODEV => {
                "there is no device behind this node now; it is waited for".into()
            }
            errno => errno.desc().into(),
        };
        Error::new(path.display(), "can't open it", why).absent(gone(errno))
    })?;
    let capabilities = v4l2::query_capabilities(&file).map_err(|errno| {
        let why = if errno == Errno::ENOTTY {
            "it is not a video device"
        } else {
            errno.desc()
        };
        Error::new(path.display(), "not a camera", why).absent(gone(errno))
    })?;
    Ok((file, capabilities))
}

/// How a node captures video; the error says what it is instead.
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

/// Why a camera did not start, in words.
pub(super) fn start_trouble(errno: Errno, device: u64) -> String {
    match errno {
        Errno::EBUSY => busy(device),
        Errno::ENOMEM | Errno::ENOBUFS => "no memory for its buffers; a smaller size needs less, and on a \
             Raspberry Pi cma=128M in /boot/firmware/cmdline.txt gives cameras more"
            .into(),
        Errno::ENOSPC => "not enough USB bandwidth; try another port, no hub or a smaller size".into(),
        Errno::ENODEV => "it was unplugged; it is waited for".into(),
        Errno::ENOTTY if cfg!(target_pointer_width = "32") => {
            "its driver has no mmap interface, or this 32-bit kernel is older than Linux 5.6".into()
        }
        errno => errno.desc().into(),
    }
}

/// Who holds the device, as far as /proc shows it to us: "another program has it open (pid 812, motion)".
fn busy(device: u64) -> String {
    // Who streams from a device has its buffers in memory (mmap), and they have its name there.
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut names = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    if names.any(|name| name.starts_with("/dev/") && fs::metadata(name).is_ok_and(|m| m.rdev() == device)) {
        return "busy: another section of the config means it too".into();
    }
    busy_with(&holders(device))
}

/// The same for processes that are known.
pub(super) fn busy_with(holders: &[u32]) -> String {
    let name = |pid: &u32| match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("pid {pid}, {}", name.trim_end()),
        Err(_) => format!("pid {pid}"),
    };
    // The kernel shows a sandbox no other process's files, and users only their own.
    let list = if holders.is_empty() {
        "; sudo fuser -v /dev/video* says which".into()
    } else {
        format!(" ({})", holders.iter().map(name).collect::<Vec<_>>().join("; "))
    };
    format!("busy: another program has it open{list}")
}

/// The processes, but for this one, with an open file of the device.
pub(super) fn holders(device: u64) -> Vec<u32> {
    let holds = |process: &Path| {
        let Ok(files) = fs::read_dir(process.join("fd")) else {
            return false;
        };
        files.flatten().any(|file| {
            // The link's text first: asking a file on a dead network mount who it is would block.
            fs::read_link(file.path()).is_ok_and(|link| link.starts_with("/dev"))
                && fs::metadata(file.path())
                    .is_ok_and(|m| m.file_type().is_char_device() && m.rdev() == device)
        })
    };
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let others = processes.flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        (pid != std::process::id() && holds(&entry.path())).then_some(pid)
    });
    others.collect()
}

fn no_permission(path: &Path) -> String {
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

impl Source for Camera {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> Result<()> {
        let mut files = [readable(self.capture.device.file.as_fd()), readable(wake)];
        poll(&mut files, Some(timeout.min(self.capture.patience_left())))
            .map_err(|errno| self.capture.lost(errno))?;
        let [camera, _] = files;
        let (codec, joined) = (self.codec, &mut self.joined);
        let mut damaged = 0;
        let taken = self.capture.take(events(&camera), &mut |taken| {
            if taken.lost {
                sink(Signal::Gap);
            }
            let Some((buffer, captured_us)) = taken.frame else {
                return Ok(false);
            };
            let mut frames = 0;
            let mut frame = |data: &[u8]| {
                frames += 1;
                sink(Signal::Frame(Frame {
                    codec,
                    data,
                    captured_us,
                }));
            };
            let whole = match joined {
                Some(joined) => app4::h264(buffer.data(), joined, &mut frame),
                None => {
                    frame(buffer.data());
                    true
                }
            };
            let any = frames > 0;
            if !whole {
                damaged += 1;
                sink(Signal::Gap);
            }
            buffer.give_back()?;
            Ok(any)
        });
        self.capture.drops.damaged += damaged;
        taken?;
        self.capture.check(match self.joined {
            Some(_) => "H.264 in its pictures",
            None => "frame",
        })
    }

    fn set_controls(&mut self, settings: &[Setting]) -> bool {
        self.capture.set_controls(settings)
    }

    fn request_key_frame(&mut self) -> bool {
        let file = &self.capture.device.file;
        let button = self.key_button.as_ref();
        button.is_some_and(|button| v4l2::set_number(file, button, 1).is_ok())
            || self
                .encoder
                .as_ref()
                .is_some_and(|encoder| encoder.request_key_frame(file))
    }

    fn drops(&self) -> Drops {
        self.capture.drops
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
            "/dev/no-such-video: can't open it: no such device; it is waited for"
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
