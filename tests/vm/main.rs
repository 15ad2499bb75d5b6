//! The camera against the kernel's own drivers, in a virtual machine with vivid, uvcvideo (a camera played by
//! `fakeuvc`), v4l2loopback (fed by `h264feed`) and an encoder device (`vh264enc`).
//!
//! To be run in the machine, one test at a time, with the environment variable VM_RIG naming the folder that
//! has `tools/` and `media/`; anywhere else every test says that it is skipped. `tests/vm/run` does all of
//! it, and loads the modules, with their parameters; see README.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod auto;
mod blocks;
mod cameras;
mod controls;
mod day;
mod disk;
mod encoded;
mod faults;
mod inputs;
mod judged;
mod loopback;
mod m2m;
mod mjpeg;
mod probe;
mod ptz;
mod recorded;
mod reload;
mod served;
mod sound;
#[path = "../support/mod.rs"]
mod support;
mod uvc;
mod uvcx;
mod viewer;
mod vivid;

use fmp4streamer::config::{PRESENT_INPUT, Setting};
use fmp4streamer::error::Error;
use fmp4streamer::source::camera::{self, V4l2Camera};
use fmp4streamer::source::{CaptureConfig, Signal, Source, device};
use fmp4streamer::sys::v4l2::{self, FourCc};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The rig's folder, or None after having said so.
fn rig() -> Option<PathBuf> {
    let rig = std::env::var_os("VM_RIG").map(PathBuf::from);
    if rig.is_none() {
        println!("skipped: not in the virtual machine (VM_RIG is not set)");
    }
    rig
}

/// Nodes below /dev, in the order of their numbers.
fn nodes(prefix: &str) -> Vec<PathBuf> {
    let mut nodes: Vec<(u32, PathBuf)> = fs::read_dir("/dev")
        .unwrap()
        .flatten()
        .filter_map(|e| {
            Some((
                e.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?,
                e.path(),
            ))
        })
        .collect();
    nodes.sort();
    nodes.into_iter().map(|(_, path)| path).collect()
}

/// The nodes of a driver.
fn driven_by(driver: &str) -> Vec<PathBuf> {
    let of = |path: &PathBuf| {
        let file = open_raw(path).ok()?;
        v4l2::query_capabilities(&file).ok()
    };
    nodes("video")
        .into_iter()
        .filter(|path| of(path).is_some_and(|c| c.driver == driver))
        .collect()
}

fn open_raw(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}

/// Runs v4l2-ctl on `device` and gives what it prints.
fn v4l2_ctl(device: &Path, arguments: &[&str]) -> String {
    let output = Command::new("v4l2-ctl")
        .arg("-d")
        .arg(device)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "v4l2-ctl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until another program streams from `node`: whoever has its buffers first gets the stream, so a try of our own before
/// that could take it.
fn other_streams(other: &Running, node: &Path) {
    let maps = format!("/proc/{}/maps", other.0.id());
    let node = node.display().to_string();
    eventually("the other one streams", || {
        std::fs::read_to_string(&maps).ok()?.contains(&node).then_some(())
    });
}

/// Waits for something that other processes bring about.
fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill")
            .args(["-s", name, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// Takes the encoder device away while it lives, so that vivid is no camera that can be served.
struct NoEncoder;

impl NoEncoder {
    fn new() -> NoEncoder {
        modprobe(&["-r", "vh264enc"]);
        NoEncoder
    }
}

impl Drop for NoEncoder {
    fn drop(&mut self) {
        modprobe(&["vh264enc"]);
    }
}

fn modprobe(arguments: &[&str]) {
    assert!(
        Command::new("modprobe")
            .args(arguments)
            .status()
            .unwrap()
            .success(),
        "{arguments:?}"
    );
}

/// A program that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        Running(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        signal(&self.0, "TERM");
        self.0.wait().unwrap();
    }
}

/// Plugs a USB camera in that shows `clip` ("640x480"), and gives its nodes: capture and metadata.
fn plug(rig: &Path, clip: &str, options: &[&str]) -> (Running, [PathBuf; 2]) {
    let mut command = Command::new(rig.join("tools/fakeuvc"));
    command.arg("-h").arg(rig.join(format!("media/{clip}.h264")));
    let running = Running::start(command.args(["-s", clip]).args(options));
    (running, two_nodes())
}

fn two_nodes() -> [PathBuf; 2] {
    eventually("uvcvideo makes two nodes", || {
        driven_by("uvcvideo").try_into().ok()
    })
}

fn no_nodes() {
    eventually("the nodes go", || driven_by("uvcvideo").is_empty().then_some(()));
}

/// What udev does on a real machine: a symlink below /dev/v4l.
fn link(link: &Path, node: &Path) {
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    _ = fs::remove_file(link);
    let target = Path::new("../..").join(node.file_name().unwrap());
    std::os::unix::fs::symlink(target, link).unwrap();
}

/// Whether uvcvideo hands on the damaged frames of cameras plugged in from now on, or leaves them out.
fn hand_on_damaged_frames(on: bool) {
    fs::write(
        "/sys/module/uvcvideo/parameters/nodrop",
        if on { "1" } else { "0" },
    )
    .unwrap();
}

fn setting(name: &str, value: &str) -> Setting {
    Setting {
        name: name.into(),
        value: value.into(),
        place: "fmp4streamer.conf:9".into(),
    }
}

/// Opens at 640x480, 30 frames a second.
fn open(path: &Path) -> Result<V4l2Camera, Error> {
    let wanted = CaptureConfig {
        path,
        width: 640,
        height: 480,
        fps: 30,
        format: FourCc::H264,
        muxed: false,
        controls: &[],
        input: &PRESENT_INPUT,
    };
    camera::open(&wanted, &mut Vec::new())
}

/// The camera with H.264 that is served where none is named.
fn first_h264() -> Option<PathBuf> {
    let found = device::find(&Default::default());
    found.filter(|(_, h264)| *h264).map(|(path, _)| path)
}

/// What came of polling for a while.
#[derive(Default)]
struct Got {
    frames: Vec<Vec<u8>>,
    captured_us: Vec<u64>,
    /// How many frames had come at each gap.
    gaps: Vec<usize>,
}

/// Polls until there are `count` frames, or the camera is lost.
fn read(camera: &mut V4l2Camera, count: usize) -> (Got, Option<Error>) {
    let (wake, _never) = UnixStream::pair().unwrap();
    let mut got = Got::default();
    while got.frames.len() < count {
        let polled = camera.poll(wake.as_fd(), Duration::from_secs(1), &mut |signal| match signal {
            Signal::Frame(frame) => {
                got.frames.push(frame.data.to_vec());
                got.captured_us.push(frame.captured_us);
            }
            Signal::Gap | Signal::Sound { .. } | Signal::Raw { .. } | Signal::Motion { .. } => {
                got.gaps.push(got.frames.len())
            }
        });
        if let Err(error) = polled {
            return (got, Some(error));
        }
    }
    (got, None)
}
