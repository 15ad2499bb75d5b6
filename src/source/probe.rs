//! `--probe` and `-L`: what this machine, its video devices and microphones can do, what is in the way, and a config to paste.
//!
//! Devices are opened and asked; nothing is set on them, and a stream that runs on one goes on.

use super::device::Device;
use super::formats::{self, Fit, WithoutH264};
use super::input;
use super::lookup::{self, DEV, VideoNode};
use super::m2m::M2mDevice;
use super::node::{self, OpenNode};
use super::open::{Any, find_any};
use super::pipeline::Pipeline;
use super::ranked::insert_ranked;
use super::select::Candidate;
use super::{control, mic, rpicam};
use crate::config::{Camera, ChainKeys, Rpicam};
use crate::sys::v4l2::{Capabilities, FourCc};
use std::env::consts::ARCH;
use std::fmt::{self, Write};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Sizes for the config, the best first.
pub(super) const SIZES: [(u32, u32); 3] = [(1920, 1080), (1280, 720), (640, 480)];
/// The highest that is put there for pictures that take many times the network of H.264, or that an encoder has to take
/// at 30 a second: as much as the smallest Raspberry Pi can.
const MOST_LINES: u32 = 720;
/// The rank of JPEG pictures: H.264 goes before them.
const JPEG_RANK: u8 = 2;
/// A camera that gives so many frames a second is not slow.
const FPS: [u32; 2] = [30, 25];
/// Buffers between a camera and an encoder, on both of its sides, with a decoder before it.
const FRAMES: u64 = 15;

/// The report, in the form of a config: all but the sections is commented out.
pub fn report() -> String {
    let seen = lookup::look();
    let meminfo = read("/proc/meminfo");
    let mut report = Report::new(&seen, Path::new(DEV), megabytes(&meminfo, "CmaTotal"));
    report.machine(&meminfo);
    report.nodes();
    report.microphones(mic::listing());
    report.end()
}

struct Report<'a> {
    seen: &'a [VideoNode],
    dev: &'a Path,
    /// One that the config does not name.
    camera: Camera,
    m2m_devices: Vec<M2mDevice>,
    cma_mb: u64,
    text: String,
    troubles: Vec<String>,
    sections: Vec<Section<'a>>,
    microphones: Vec<mic::Listed>,
}

/// A section of the config to paste.
struct Section<'a> {
    /// The place where the camera is plugged in: nodes of one camera share it.
    bus: &'a str,
    /// Of a camera's nodes the one with the lowest rank is taken.
    rank: u8,
    text: String,
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// A line of /proc/meminfo, in megabytes; 0 if it is not there.
fn megabytes(meminfo: &str, name: &str) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) / 1024
}

/// True if the memory that codecs and cameras take their buffers from may be too little for that size.
fn is_little(cma_mb: u64, (width, height): (u32, u32)) -> bool {
    // Two bytes a pixel at most.
    let need_mb = (u64::from(width) * u64::from(height) * 2 * FRAMES) >> 20;
    // The kernel has none of it on boards with an IOMMU, and the screen takes some.
    cma_mb != 0 && cma_mb < 2 * need_mb
}

/// The format that a camera has to give for a pipeline.
fn input(pipeline: &Pipeline, found: &OpenNode) -> FourCc {
    match pipeline {
        Pipeline::Own => FourCc::H264,
        Pipeline::Encoded { input, .. } => *input,
        _ if found.gives(FourCc::MJPEG) => FourCc::MJPEG,
        _ => FourCc::JPEG,
    }
}

impl<'a> Report<'a> {
    fn new(seen: &'a [VideoNode], dev: &'a Path, cma_mb: u64) -> Report<'a> {
        Report {
            seen,
            dev,
            camera: Camera::default(),
            m2m_devices: seen.iter().filter_map(lookup::m2m_device).collect(),
            cma_mb,
            text: String::new(),
            troubles: Vec::new(),
            sections: Vec::new(),
            microphones: Vec::new(),
        }
    }

    /// Adds a line of comment.
    fn say(&mut self, line: fmt::Arguments<'_>) {
        // Writing into a String can't fail.
        _ = writeln!(self.text, "# {line}");
    }

    /// Adds a line to the list of problems at the end.
    fn trouble(&mut self, line: fmt::Arguments<'_>) {
        self.troubles.push(line.to_string());
    }

    /// The board, its system, its memory.
    fn machine(&mut self, meminfo: &str) {
        let release = read("/etc/os-release");
        let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let (memory_mb, cma_mb) = (megabytes(meminfo, "MemTotal"), self.cma_mb);
        self.say(format_args!(
            "fmp4streamer {} ({ARCH}) on {}, Linux {}, {memory_mb} MB of memory, {cma_mb} of it for codecs (CMA)",
            env!("CARGO_PKG_VERSION"),
            system.unwrap_or_default().trim_matches('"'),
            read("/proc/sys/kernel/osrelease").trim_end(),
        ));
        let model = rpicam::model();
        if !model.is_empty() {
            self.say(format_args!("The board is a {}.", model.trim_end_matches('\0')));
        }
        let served = match find_any(&self.camera) {
            Some(Any::Device(path) | Any::Sensor(path)) => path.display().to_string(),
            None => "the test picture, until there is a camera".to_owned(),
        };
        self.say(format_args!("Without a config it serves {served}."));
        if !self.m2m_devices.iter().any(M2mDevice::is_encoder) && rpicam::board_encodes() == Some(false) {
            self.trouble(format_args!(
                "This Raspberry Pi has no H.264 encoder, as all from the 5 on: USB cameras with H.264 of their own are best."
            ));
        }
    }

    fn nodes(&mut self) {
        for node in self.seen {
            self.text.push_str("#\n");
            match &node.found {
                Ok(found) => self.node(node, found),
                Err(e) => {
                    self.say(format_args!("{e}"));
                    self.trouble(format_args!("{e}"));
                }
            }
        }
    }

    fn node(&mut self, node: &'a VideoNode, found: &'a OpenNode) {
        let path = node.path.display();
        let Capabilities {
            card, driver, bus, ..
        } = &found.capabilities;
        self.say(format_args!("{path}: {card} ({driver}, {bus})"));
        if let Err(what) = found.capture {
            let device = lookup::m2m_device(node);
            let words = device.as_ref().map(lookup::m2m_words);
            return self.say(format_args!(
                "Not a camera: {}.",
                words.as_deref().unwrap_or(what)
            ));
        }
        for line in formats::lines(&found.file, &found.formats) {
            self.say(format_args!("{line}"));
        }
        for line in input::lines(&found.file) {
            self.say(format_args!("{line}"));
        }
        let users = found
            .file
            .metadata()
            .map_or(Vec::new(), |node| node::holders(node.rdev()));
        if !users.is_empty() {
            let busy = node::busy_with(&users, "video*");
            self.trouble(format_args!("{path}: {busy}; while that streams, no other can."));
        }
        let Some((rank, text)) = self.section(node, found) else {
            return;
        };
        match self.sections.iter_mut().find(|section| section.bus == bus) {
            Some(other) if other.rank <= rank => {}
            Some(other) => (other.rank, other.text) = (rank, text),
            None => self.sections.push(Section { bus, rank, text }),
        }
    }

    /// Says how a capture node is served, and gives its section, with a rank.
    fn section(&mut self, node: &VideoNode, found: &OpenNode) -> Option<(u8, String)> {
        let path = node.path.display();
        let Camera {
            width, height, fps, ..
        } = self.camera;
        let without = formats::without_h264(
            &found.capabilities,
            &found.formats,
            &node.path,
            (width, height),
            fps,
        );
        let command = match &without {
            WithoutH264::Nothing => {
                self.say(format_args!(
                    "It offers nothing now (a loopback device needs a program that feeds it)."
                ));
                return None;
            }
            WithoutH264::Processor => {
                self.say(format_args!(
                    "Not a camera: it is a part of the image processor that libcamera works with."
                ));
                return None;
            }
            WithoutH264::Sensor => return Some((0, self.sensor())),
            WithoutH264::Mjpeg(command) | WithoutH264::Raw(command) => command.replace('%', "%%"),
        };
        let number = node.path.file_name().unwrap_or_default().to_string_lossy();
        let Some((Candidate { pipeline, why }, size)) = self.best(node, found) else {
            self.say(format_args!(
                "It gives raw pictures only, and no encoder here takes them."
            ));
            self.trouble(format_args!(
                "{path}: it takes a program to make H.264 of that, as below (sudo apt install ffmpeg)."
            ));
            return Some((3, format!("[exec {number}]\ncommand = {command}")));
        };
        self.say(format_args!("Served as {pipeline}: {why}."));
        let mut names = lookup::sections(node, self.seen, self.dev).into_iter();
        let mut section = names.next().unwrap_or_default();
        for name in names {
            self.say(format_args!("It may also be named {name}."));
        }
        let mut set = |key: &str, value: u32| _ = write!(section, "\n{key} = {value}");
        if let Some((width, height)) = size {
            set("width", width);
            set("height", height);
            let fourcc = input(&pipeline, found);
            let fits = |fps| formats::fit(&found.file, fourcc, (width, height), fps) == Fit::Whole;
            if !fits(FPS[0]) {
                set("fps", FPS[1]);
            }
        }
        if matches!(pipeline, Pipeline::Own | Pipeline::Muxed) && control::has_encoder(&found.file) {
            set("uvcx_h264_i_frame_period", 1000);
        }
        match pipeline {
            Pipeline::Own => Some((0, section)),
            Pipeline::Muxed => Some((1, section)),
            Pipeline::Encoded { .. } => {
                if size.is_some_and(|size| is_little(self.cma_mb, size)) {
                    self.trouble(format_args!(
                        "{path}: the memory for codecs (CMA) may be too little for that size: a smaller one takes less, \
                         and dtoverlay=vc4-kms-v3d,cma-256 in /boot/firmware/config.txt gives more."
                    ));
                }
                Some((1, section))
            }
            Pipeline::Jpeg => {
                self.trouble(format_args!(
                    "{path}: JPEG pictures take many times the network of H.264. A program can make that of them: take \
                     the # away before [exec {number}] and its command, and its own section out."
                ));
                _ = write!(section, "\n#[exec {number}]\n#command = {command}");
                Some((JPEG_RANK, section))
            }
        }
    }

    fn sensor(&mut self) -> String {
        let line = rpicam::line(&self.camera, &Rpicam::default());
        match &line {
            Ok(line) => self.say(format_args!(
                "It is a raw sensor, served through libcamera: {line}"
            )),
            Err(e) => {
                self.say(format_args!(
                    "It is a raw sensor, to be served through libcamera."
                ));
                // Once, of all its nodes.
                let e = e.to_string();
                if let Some(at) = self.troubles.iter().position(|trouble| *trouble == e) {
                    self.troubles.remove(at);
                }
                self.troubles.push(e);
            }
        }
        let others = self
            .sections
            .iter()
            .filter(|other| other.text.contains("\ncamera = "));
        let number = others.count();
        format!("[rpicam {number}]\ncamera = {number}\nwidth = 1280\nheight = 720")
    }

    /// The best pipeline, and a size for it, where the camera says what it has.
    fn best(&self, node: &VideoNode, found: &OpenNode) -> Option<(Candidate, Option<(u32, u32)>)> {
        let keys = ChainKeys::default();
        let device = Device::any(&node.path, &self.camera, &keys);
        let first = |device: Device| {
            let mut pipelines = device.pipelines_of(found, &self.m2m_devices);
            (!pipelines.is_empty()).then(|| pipelines.swap_remove(0))
        };
        let usual = first(device)?;
        for (width, height) in SIZES {
            let size = (width, height);
            let best = first(Device { size, ..device })?;
            let fourcc = input(&best.pipeline, found);
            let small = matches!(best.pipeline, Pipeline::Own | Pipeline::Muxed) || height <= MOST_LINES;
            let known = !formats::sizes(&found.file, fourcc).is_empty();
            if small && known && formats::fit(&found.file, fourcc, (width, height), FPS[1]) == Fit::Whole {
                return Some((best, Some((width, height))));
            }
        }
        Some((usual, None))
    }

    fn microphones(&mut self, found: Vec<mic::Listed>) {
        for mic in &found {
            self.text.push_str("#\n");
            mic.lines.iter().for_each(|line| self.say(format_args!("{line}")));
        }
        self.microphones = found;
    }

    fn end(mut self) -> String {
        if self.seen.is_empty() {
            self.trouble(format_args!(
                "There is no video device at all (no /dev/video*). lsusb lists USB cameras; a Raspberry Pi's own needs \
                 camera_auto_detect=1 in /boot/firmware/config.txt, and its cable plugged in with the power off."
            ));
        }
        let troubles = std::mem::take(&mut self.troubles);
        self.text.push_str("#\n");
        match troubles.is_empty() {
            true => self.say(format_args!("No problem was found.")),
            false => self.say(format_args!("Problems:")),
        }
        for trouble in troubles {
            self.say(format_args!("- {trouble}"));
        }
        let cameras: Vec<&str> = self.sections.iter().map(|section| section.bus).collect();
        // The first one is what is served at the old addresses.
        let mut sections = Vec::new();
        for mut section in self.sections {
            // JPEG pictures have no sound.
            let mic = mic::beside(&self.microphones, section.bus, &cameras);
            if let Some(mic) = mic.filter(|_| section.rank != JPEG_RANK) {
                section.text.extend(["\n#mic = ", &mic.name]);
            }
            insert_ranked(&mut sections, section, |section| section.rank);
        }
        for Section { text, .. } in sections {
            _ = write!(self.text, "\n{text}\n");
        }
        self.text
    }
}

#[cfg(test)]
#[path = "tests/probe.rs"]
mod tests;
