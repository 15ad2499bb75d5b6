//! `--probe`: what this machine and its cameras can do, what is in the way, and a config to paste.
//!
//! Devices are opened and asked; nothing is set on them, and a stream that runs on one goes on.

use super::choose::{Candidate, Coder, Way};
use super::device::Device;
use super::lookup::{self, Found, Seen};
use super::offer::{self, Fit, WithoutH264};
use super::{Any, camera, find_any, rpicam, uvcx};
use crate::config::{Camera, ChainKeys, Rpicam};
use crate::sys::v4l2::FourCc;
use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Sizes for the config, the best first.
const SIZES: [(u32, u32); 3] = [(1920, 1080), (1280, 720), (640, 480)];
/// The highest that is put there for pictures that take many times the network of H.264, or that an encoder has to take
/// at 30 a second: as much as the smallest Raspberry Pi can.
const MOST_LINES: u32 = 720;
/// A camera that gives so many frames a second is not slow.
const FPS: [u32; 2] = [30, 25];
/// Buffers between a camera and an encoder, on both of its sides, with a decoder before it.
const FRAMES: u64 = 18;

/// What there is to say, in the form of a config: all but the sections is commented out.
pub fn report() -> String {
    let seen = lookup::look();
    let coders: Vec<Coder> = seen.iter().filter_map(lookup::coder).collect();
    let mut report = Report {
        seen: &seen,
        coders: &coders,
        text: String::new(),
        troubles: Vec::new(),
        sections: Vec::new(),
    };
    report.machine();
    for node in &seen {
        report.node(node);
    }
    report.end()
}

/// A section of the config to paste.
struct Section {
    /// Where the camera is plugged in: nodes of one camera share it.
    bus: String,
    /// The best way of a camera's nodes is taken.
    rank: u8,
    text: String,
}

struct Report<'a> {
    seen: &'a [Seen],
    coders: &'a [Coder],
    text: String,
    troubles: Vec<String>,
    sections: Vec<Section>,
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

/// Why the memory that codecs and cameras take their buffers from is not enough for that size, if it is not.
fn too_little(cma_mb: u64, (width, height): (u32, u32)) -> Option<String> {
    // Two bytes a pixel at most.
    let need_mb = (u64::from(width) * u64::from(height) * 2 * FRAMES) >> 20;
    // The kernel has none of it on boards with an IOMMU, and the screen takes some.
    (cma_mb != 0 && cma_mb < 2 * need_mb).then(|| {
        format!(
            "There are {cma_mb} MB of memory (CMA) for codecs, which may be too little for {width}x{height}: \
             dtoverlay=vc4-kms-v3d,cma-256 in /boot/firmware/config.txt gives more, a smaller size takes less."
        )
    })
}

/// What a camera is to give for a way.
fn input(way: &Way, found: &Found) -> FourCc {
    match way {
        Way::Own => FourCc::H264,
        Way::Encoded { input, .. } => *input,
        _ if found.gives(FourCc::MJPEG) => FourCc::MJPEG,
        _ => FourCc::JPEG,
    }
}

impl Report<'_> {
    #[inline(never)]
    fn say(&mut self, words: &str) {
        for piece in ["# ", words, "\n"] {
            self.text.push_str(piece);
        }
    }

    /// The board, its system, its memory.
    fn machine(&mut self) {
        let release = read("/etc/os-release");
        let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let meminfo = read("/proc/meminfo");
        let cma = megabytes(&meminfo, "CmaTotal");
        let words = [
            rpicam::model().trim_end_matches('\0').to_owned(),
            system.unwrap_or_default().trim_matches('"').to_owned(),
            format!("Linux {}", read("/proc/sys/kernel/osrelease").trim_end()),
            format!("{} MB of memory", megabytes(&meminfo, "MemTotal")),
            if cma == 0 {
                String::new()
            } else {
                format!("{cma} MB of it for codecs (CMA)")
            },
        ];
        let words: Vec<String> = words.into_iter().filter(|words| !words.is_empty()).collect();
        self.say(&format!(
            "fmp4streamer {} for {ARCH}: {}",
            env!("CARGO_PKG_VERSION"),
            words.join(", ")
        ));
        self.say(&match find_any(&Camera::default()) {
            Some(Any::Device(path) | Any::Sensor(path)) => {
                format!("Without a config it serves {}.", path.display())
            }
            None => "Without a config it serves the test picture, until there is a camera.".to_owned(),
        });
        let encodes = self.coders.iter().any(Coder::is_encoder);
        if !encodes && rpicam::board_encodes() == Some(false) {
            self.say("This Raspberry Pi has no H.264 encoder, as all from the 5 on: cameras with H.264 of their own are best.");
        }
    }

    fn node(&mut self, node: &Seen) {
        self.text.push_str("#\n");
        let path = node.path.display();
        let found = match &node.found {
            Ok(found) => found,
            Err(e) => {
                self.say(&format!("{path}: see below"));
                return self.troubles.push(e.to_string());
            }
        };
        let who = &found.capabilities;
        self.say(&format!("{path}: {} ({}, {})", who.card, who.driver, who.bus));
        if let Err(what) = found.capture {
            return match lookup::coder(node) {
                Some(coder) => self.say(&lookup::coder_words(&coder)),
                None => self.say(what),
            };
        }
        for line in offer::lines(&found.file, &found.formats) {
            self.say(&line);
        }
        let users = found
            .file
            .metadata()
            .map_or(Vec::new(), |node| camera::holders(node.rdev()));
        if !users.is_empty() {
            self.troubles.push(format!(
                "{path}: {}; while that streams, no other program can",
                camera::busy_with(&users)
            ));
        }
        let (rank, section) = match self.chain(node, found) {
            Some(section) => section,
            None => return,
        };
        let bus = who.bus.clone();
        match self.sections.iter_mut().find(|section| section.bus == bus) {
            Some(other) if other.rank <= rank => {}
            Some(other) => (other.rank, other.text) = (rank, section),
            None => self.sections.push(Section {
                bus,
                rank,
                text: section,
            }),
        }
    }

    /// Says how the node is served, and gives its section, with a rank.
    fn chain(&mut self, node: &Seen, found: &Found) -> Option<(u8, String)> {
        let path = node.path.display();
        if let Some((Candidate { way, why }, size)) = self.best(&node.path, found) {
            self.say(&format!("Served as {way}: {why}."));
            if let (Way::Encoded { .. }, Some(size)) = (&way, size) {
                let cma = megabytes(&read("/proc/meminfo"), "CmaTotal");
                self.troubles.extend(too_little(cma, size));
            }
            let mut section = lookup::section(node, self.seen);
            let mut set = |key: &str, value: u32| section.push_str(&format!("\n{key} = {value}"));
            if let Some((width, height)) = size {
                set("width", width);
                set("height", height);
                let fits = |fps: &&u32| {
                    offer::fit(&found.file, input(&way, found), (width, height), **fps) == Fit::Whole
                };
                if let Some(fps) = FPS.iter().find(fits).filter(|fps| **fps != FPS[0]) {
                    set("fps", *fps);
                }
            }
            if matches!(way, Way::Own | Way::Muxed) && uvcx::has_encoder(&found.file) {
                set("uvcx_h264_i_frame_period", 1000);
            }
            if way == Way::Jpeg {
                self.troubles.push(format!(
                    "{path}: without H.264 its JPEG pictures go out as they are, which takes many times the network. A \
                     program can make H.264 of them, in an [exec] section: fmp4streamer -L gives one"
                ));
            }
            let rank = match way {
                Way::Own => 0,
                Way::Muxed | Way::Encoded { .. } => 1,
                Way::Jpeg => 2,
            };
            return Some((rank, section));
        }
        match offer::without_h264(
            &found.capabilities,
            &found.formats,
            &node.path,
            &Camera::default(),
        ) {
            WithoutH264::Nothing => {
                self.say("It offers nothing now (a loopback device needs a program that feeds it).")
            }
            WithoutH264::Processor => {
                self.say("It is a part of the image processor that libcamera works with.")
            }
            WithoutH264::Sensor => {
                match rpicam::line(&Camera::default(), &Rpicam::default()) {
                    Ok(line) => self.say(&format!("It is a raw sensor, served through libcamera: {line}")),
                    Err(e) => {
                        self.say("It is a raw sensor, to be served through libcamera.");
                        self.troubles.push(e.to_string());
                    }
                }
                let others = self
                    .sections
                    .iter()
                    .filter(|other| other.text.contains("\ncamera = "))
                    .count();
                let text = format!("[rpicam {others}]\ncamera = {others}\nwidth = 1280\nheight = 720");
                return Some((0, text));
            }
            WithoutH264::Mjpeg(command) | WithoutH264::Raw(command) => {
                self.troubles.push(format!(
                    "{path}: it gives raw pictures only, and there is no encoder here that takes them: ffmpeg does it in \
                     software, as below (sudo apt install ffmpeg)"
                ));
                let name = node.path.file_name().unwrap_or_default().to_string_lossy();
                return Some((
                    3,
                    format!("[exec {name}]\ncommand = {}", command.replace('%', "%%")),
                ));
            }
        }
        None
    }

    /// The best way, and a size for it, where the camera tells what it has.
    fn best(&self, path: &Path, found: &Found) -> Option<(Candidate, Option<(u32, u32)>)> {
        let keys = ChainKeys::default();
        let first = |camera: &Camera| {
            let ways = Device::any(path, camera, &keys).ways(self.coders).ok()?;
            ways.into_iter().next()
        };
        for (width, height) in SIZES {
            let camera = Camera {
                width,
                height,
                ..Camera::default()
            };
            let best = first(&camera)?;
            let fourcc = input(&best.way, found);
            let small = matches!(best.way, Way::Own | Way::Muxed) || height <= MOST_LINES;
            let known = !offer::sizes(&found.file, fourcc).is_empty();
            if small && known && offer::fit(&found.file, fourcc, (width, height), FPS[1]) == Fit::Whole {
                return Some((best, Some((width, height))));
            }
        }
        Some((first(&Camera::default())?, None))
    }

    fn end(mut self) -> String {
        if self.seen.is_empty() {
            self.troubles.push(
                "There is no video device at all (no /dev/video*). lsusb lists the USB cameras; a Raspberry Pi's own needs \
                 camera_auto_detect=1 in /boot/firmware/config.txt, and its cable plugged in with the power off"
                    .to_owned(),
            );
        }
        let troubles = std::mem::take(&mut self.troubles);
        self.text.push_str("#\n");
        self.say(if troubles.is_empty() {
            "No problem was found."
        } else {
            "Problems:"
        });
        for trouble in troubles {
            self.say(&format!("- {trouble}"));
        }
        if !self.sections.is_empty() {
            self.text.push_str("#\n");
            self.say("A config, to be put into fmp4streamer.conf:");
        }
        // The first one is what is served at the old addresses.
        self.sections.sort_by_key(|section| section.rank);
        for Section { text, .. } in &self.sections {
            self.text.push_str(&format!("\n{text}\n"));
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::{megabytes, too_little};

    #[test]
    fn memory_for_codecs() {
        let meminfo =
            "MemTotal:         437996 kB\nMemFree:  1 kB\nCmaTotal:          65536 kB\nCmaFree: 5 kB\n";
        assert_eq!(megabytes(meminfo, "CmaTotal"), 64);
        assert_eq!(megabytes(meminfo, "MemTotal"), 427);
        assert_eq!(megabytes(meminfo, "Cma"), 0);
        assert_eq!(megabytes("", "CmaTotal"), 0);
        for (cma_mb, size, little) in [
            (64, (640, 480), false),
            (64, (1280, 720), false),
            (32, (1280, 720), true),
            (0, (1280, 720), false),
        ] {
            let words = too_little(cma_mb, size);
            assert_eq!(words.is_some(), little, "{cma_mb} {size:?} {words:?}");
        }
    }
}
