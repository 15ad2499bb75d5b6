//! `--probe --save FILE`: what a developer who does not have a camera needs to know of it, in one text file: who the video
//! devices are, what they offer, their controls and USB descriptors, and how their streams begin.
//!
//! No picture is in it, no serial number (descriptors have the index of that text, not the text), and no name of a
//! person, a program or the machine. For the beginning of a stream its device is opened and started; one that another
//! program has open is left alone.

use super::camera;
use super::capture::CaptureConfig;
use super::control;
use super::formats::{self, Fit};
use super::frame::{Frame, Signal, Source};
use super::history::History;
use super::input;
use super::lookup::{self, VideoNode};
use super::node::{self, OpenNode};
use super::open::open;
use super::probe::SIZES;
use super::rpicam;
use crate::config::{Camera, PRESENT_INPUT};
use crate::error::{Error, Parts, Result};
use crate::format::h264::nal::{self, nal_units, unit_type};
use crate::format::{Codec, jpeg};
use crate::sys::event::Event;
use crate::sys::v4l2::FourCc;
use crate::sys::{self, Errno};
use std::env::consts::ARCH;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Frames a second that are asked for.
const FPS: u32 = 30;
/// Access units of which the NAL units are listed: a second, with the next key frame of many cameras.
const LISTED: usize = 30;
/// The longest that a stream is watched for its beginning.
const BEGINNING: Duration = Duration::from_secs(5);
/// How much of a stream is recorded.
const RECORDED_US: u64 = 2_000_000;
/// The longest that it is waited for.
const RECORDING: Duration = Duration::from_secs(15);
/// Bytes in a line.
const LINE: usize = 48;
/// Bytes that are shown of a JPEG segment of an application's, or of a comment: its kind, and no text of somebody's.
const APPLICATION: usize = 16;
/// The driver of devices that users make up and give names to.
const LOOPBACK: &str = "v4l2 loopback";

const HEAD: &str = "\
# Video devices, as fmp4streamer --probe --save found them: for the project's developers, who may not have them.
# There are no pictures, serial numbers, or names of people or machines in it: please read it before you send it.
";

/// Writes the survey to `file`, and two seconds of the stream of `recorded` to a file beside it; gives in words what was done.
///
/// # Errors
/// A file is there already or can't be written, or there is no stream; then there is no survey either.
pub fn save(file: &str, recorded: Option<&Camera>) -> Result<String> {
    let mut out = create(file)?;
    let saved = recorded.map_or(Ok(String::new()), |camera| record(file, camera));
    let saved = saved.and_then(|recorded| {
        let text = survey();
        out.write_all(text.as_bytes())
            .map_err(|e| not_written(file, &e))?;
        let kilobytes = text.len().div_ceil(1000);
        Ok(format!(
            "{file}: {kilobytes} kB of text; docs/cameras.md says where to send it\n{recorded}"
        ))
    });
    if saved.is_err() {
        _ = fs::remove_file(file);
    }
    saved
}

fn create(file: &str) -> Result<File> {
    File::create_new(file).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Error::new(
            file,
            "not saved",
            "there is such a file; choose another name, or take it away",
        ),
        _ => not_written(file, &e),
    })
}

fn not_written(file: &str, e: &io::Error) -> Error {
    let errno = Errno::from_raw(e.raw_os_error().unwrap_or(0));
    Error::new(file, "can't write it", sys::words(errno))
}

/// Writes two seconds of the stream that the program would serve of a camera; gives its path.
fn record(file: &str, camera: &Camera) -> Result<String> {
    let mut source = open(camera, &mut History::default())?;
    let mut begun: Option<(u64, String, File)> = None;
    let mut failed = None;
    watch(&mut *source, RECORDING, &mut |frame| {
        let written = match &mut begun {
            Some((first_us, ..)) if frame.captured_us.saturating_sub(*first_us) > RECORDED_US => {
                return false;
            }
            Some((_, name, out)) => out.write_all(frame.data).map_err(|e| not_written(name, &e)),
            None => {
                let end = match frame.codec {
                    Codec::H264 => ".h264",
                    Codec::Jpeg => ".mjpeg",
                };
                let name = [file, end].concat();
                create(&name).and_then(|mut out| {
                    let written = out.write_all(frame.data).map_err(|e| not_written(&name, &e));
                    begun = Some((frame.captured_us, name, out));
                    written
                })
            }
        };
        failed = written.err();
        failed.is_none()
    })?;
    match (failed, begun) {
        (Some(e), _) => Err(e),
        (None, Some((_, name, _))) => Ok(format!("{name}: two seconds of what the camera sees\n")),
        (None, None) => Err(Error::new(&camera.section, "not recorded", "no frame came")),
    }
}

/// Gives `take` the frames of an open source until it returns false, or `limit` is over.
fn watch(source: &mut dyn Source, limit: Duration, take: &mut dyn FnMut(Frame<'_>) -> bool) -> Result<()> {
    let never = Event::new().map_err(|errno| Error::new("fmp4streamer", "can't wait", sys::words(errno)))?;
    let begun = Instant::now();
    let mut more = true;
    source.request_key_frame();
    while more && begun.elapsed() < limit {
        source.poll(never.as_fd(), limit, &mut |signal| {
            if let Signal::Frame(frame) = signal {
                more = more && take(frame);
            }
        })?;
    }
    Ok(())
}

fn survey() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut survey = Survey {
        text: HEAD.into(),
        described: Vec::new(),
    };
    let version = env!("CARGO_PKG_VERSION");
    survey.line(&[
        "fmp4streamer ",
        version,
        ", ",
        ARCH,
        ", Linux ",
        release.trim_end(),
    ]);
    let model = rpicam::model();
    if !model.is_empty() {
        survey.line(&[model.trim_end_matches('\0')]);
    }
    for node in &lookup::look() {
        survey.node(node);
    }
    survey.text
}

struct Survey {
    text: String,
    /// Where the devices are plugged in whose descriptors are there: those of several nodes are the same.
    described: Vec<String>,
}

impl Survey {
    #[inline(never)]
    fn line(&mut self, pieces: &[&str]) {
        pieces.iter().for_each(|piece| self.text.push_str(piece));
        self.text.push('\n');
    }

    /// Words and bytes, in lines that are not too long.
    fn bytes(&mut self, words: &[&str], bytes: &[u8]) {
        words.iter().for_each(|piece| self.text.push_str(piece));
        for (number, byte) in bytes.iter().enumerate() {
            if number % LINE == 0 {
                self.text.push_str("\n  ");
            }
            for half in [byte >> 4, byte & 15] {
                self.text.extend(char::from_digit(half.into(), 16));
            }
        }
        self.text.push('\n');
    }

    fn node(&mut self, node: &VideoNode) {
        let path = node.path.display().to_string();
        let found = match &node.found {
            Ok(found) => found,
            Err(e) => return self.line(&["\n== ", &without_programs(e)]),
        };
        let who = &found.capabilities;
        let card = if who.driver == LOOPBACK { "" } else { &who.card };
        self.line(&["\n== ", &path, ": ", card, " (", &who.driver, ", ", &who.bus, ")"]);
        self.line(&["capabilities ", &format!("{:#x}", who.caps)]);
        if let Err(what) = found.capture {
            self.line(&[what]);
        }
        if let Some(device) = lookup::m2m_device(node) {
            self.line(&[&device.does()]);
        }
        let formats = formats::lines(&found.file, &found.formats);
        for line in formats.into_iter().chain(input::lines(&found.file)) {
            self.line(&[&line]);
        }
        self.text += &control::listing(&found.file);
        if !self.described.contains(&who.bus) {
            if let Some(descriptors) = control::descriptors(&found.file) {
                self.bytes(&["USB descriptors:"], &descriptors);
            }
            self.described.push(who.bus.clone());
        }
        if found.capture.is_ok() && !formats::is_sensor(who, &found.formats) {
            self.streams(&node.path, found);
        }
    }

    /// The beginning of each of a camera's streams.
    fn streams(&mut self, path: &Path, found: &OpenNode) {
        let busy = found
            .file
            .metadata()
            .is_ok_and(|node| !node::holders(node.rdev()).is_empty());
        for (format, muxed) in [
            (FourCc::H264, false),
            (FourCc::MJPEG, false),
            (FourCc::JPEG, false),
            (FourCc::MJPEG, true),
        ] {
            if !found.gives(format) || muxed && !control::has_encoder(&found.file) {
                continue;
            }
            let fits = |size: &(u32, u32)| formats::fit(&found.file, format, *size, FPS) == Fit::Whole;
            let (width, height) = SIZES.into_iter().find(fits).unwrap_or(SIZES[SIZES.len() - 1]);
            let size = format!("{width}x{height}");
            let inside = if muxed { "H264 in " } else { "" };
            self.line(&["The stream ", inside, &format.to_string(), " at ", &size, ":"]);
            if busy {
                self.line(&["  another program has the device open"]);
                continue;
            }
            let wanted = CaptureConfig {
                path,
                width,
                height,
                fps: FPS,
                format,
                muxed,
                controls: &[],
                input: &PRESENT_INPUT,
            };
            let camera = camera::open(&wanted, &mut Vec::new());
            if let Err(e) = camera.and_then(|mut camera| self.beginning(&mut camera)) {
                self.line(&["  ", &without_programs(&e)]);
            }
        }
    }

    fn beginning(&mut self, source: &mut dyn Source) -> Result<()> {
        let (mut begun_us, mut frames, mut sets) = (None, 0, Vec::new());
        watch(source, BEGINNING, &mut |frame| {
            if frame.codec == Codec::Jpeg {
                self.jpeg(frame.data);
                return false;
            }
            let begun_us = *begun_us.get_or_insert(frame.captured_us);
            frames += 1;
            if frames <= LISTED {
                self.access_unit(frame.captured_us.saturating_sub(begun_us), frame.data);
            }
            self.parameter_sets(frame.data, &mut sets);
            frames < LISTED || sets.is_empty()
        })
    }

    /// When it came, and its NAL units with their lengths.
    fn access_unit(&mut self, after_us: u64, data: &[u8]) {
        self.text += &format!("  {} ms, NAL units", after_us / 1000);
        for nal in nal_units(data) {
            self.text += &format!(" {} ({} bytes)", unit_type(nal), nal.len());
        }
        self.text.push('\n');
    }

    /// Each parameter set that was not seen before.
    fn parameter_sets(&mut self, data: &[u8], seen: &mut Vec<Vec<u8>>) {
        for nal in nal_units(data) {
            let name = match unit_type(nal) {
                nal::SPS => "SPS",
                nal::PPS => "PPS",
                _ => continue,
            };
            if !seen.iter().any(|one| one == nal) {
                self.bytes(&["  ", name], nal);
                seen.push(nal.to_vec());
            }
        }
    }

    /// The segments before a picture's coded data.
    fn jpeg(&mut self, picture: &[u8]) {
        self.line(&[
            "  a picture of ",
            &picture.len().to_string(),
            " bytes, its segments:",
        ]);
        for (marker, bytes) in jpeg::segments(picture) {
            let shown = if jpeg::is_application(marker) {
                APPLICATION
            } else {
                usize::MAX
            };
            let shown = bytes.get(..shown).unwrap_or(bytes);
            let words = format!("  {marker:02x}, {} bytes", bytes.len());
            self.bytes(&[&words], shown);
        }
    }
}

/// The words of an error, without the programs that it may name.
fn without_programs(e: &Error) -> String {
    let Parts { on, tried, why, .. } = e.parts();
    let why = why.split(" (pid ").next().unwrap_or_default();
    [on, ": ", tried, ": ", why].concat()
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::*;

    fn empty() -> Survey {
        Survey {
            text: String::new(),
            described: Vec::new(),
        }
    }

    #[test]
    fn a_stream_begins_with_its_parameter_sets_and_has_the_time_of_each_frame() {
        let mut survey = empty();
        survey
            .beginning(&mut Pattern::new(640, 480, 30).unwrap())
            .unwrap();
        let lines: Vec<&str> = survey.text.lines().collect();
        assert!(lines[0].starts_with("  0 ms, NAL units "), "{lines:?}");
        assert_eq!(lines[1], "  SPS");
        assert!(lines[2].starts_with("  67"), "{lines:?}");
        assert_eq!(lines[3], "  PPS");
        assert!(lines[4].starts_with("  68"), "{lines:?}");
        let frames = lines.iter().filter(|line| line.contains(" ms, NAL units "));
        assert_eq!(frames.count(), LISTED);
        assert!(!survey.text.contains("  5 (0 bytes)"));
    }

    #[test]
    fn units_have_their_types_and_lengths() {
        let mut survey = empty();
        let data = [0, 0, 0, 1, 9, 16, 0, 0, 1, 0x65, 0x88, 0x84];
        survey.access_unit(33_366, &data);
        assert_eq!(survey.text, "  33 ms, NAL units 9 (2 bytes) 5 (3 bytes)\n");
    }

    #[test]
    fn a_picture_shows_its_tables_and_no_text_of_somebodys() {
        let mut picture =
            include_bytes!("../../tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg").to_vec();
        let text = b"a camera's own words, which may be anything";
        let segment = [&[0xff, 0xe1, 0, text.len() as u8 + 2], &text[..]].concat();
        picture.splice(2..2, segment);
        let mut survey = empty();
        survey.jpeg(&picture);
        assert!(
            survey
                .text
                .contains("  e1, 43 bytes\n  612063616d6572612773206f776e2077\n"),
            "{}",
            survey.text
        );
        for begins in [
            "  db, 65 bytes\n  00",
            "  c0, 15 bytes\n  08001000100",
            "  c4, ",
            "  da, 10 bytes\n  03",
        ] {
            assert!(survey.text.contains(begins), "{begins}: {}", survey.text);
        }
    }

    #[test]
    fn long_bytes_stand_in_lines() {
        let mut survey = empty();
        survey.bytes(&["x"], &[0xab; LINE + 1]);
        assert_eq!(survey.text, format!("x\n  {}\n  ab\n", "ab".repeat(LINE)));
    }

    #[test]
    fn programs_are_not_named() {
        let e = Error::new(
            "/dev/video0",
            "busy",
            "another program has it open (pid 812, anna's)",
        );
        assert_eq!(
            without_programs(&e),
            "/dev/video0: busy: another program has it open"
        );
    }

    #[test]
    fn what_the_named_camera_sees_is_recorded_beside_it() {
        let dir = std::env::temp_dir().join(format!("survey-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let file = dir.join("camera.txt").display().to_string();
        let camera = crate::config::Config::for_test().cameras.remove(0);
        let done = save(&file, Some(&camera)).unwrap();
        let video = format!("{file}.h264");
        assert!(done.starts_with(&file) && done.contains(&video), "{done}");
        let bytes = fs::read(&video).unwrap();
        assert_eq!(unit_type(nal_units(&bytes).next().unwrap()), nal::SPS);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(HEAD) && text.contains(env!("CARGO_PKG_VERSION")));
        // What is there already stays, and of a failure nothing is left.
        let again = save(&file, None).unwrap_err().to_string();
        assert!(again.contains("there is such a file"), "{again}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        fs::remove_file(&file).unwrap();
        assert!(
            save(&file, Some(&camera))
                .unwrap_err()
                .to_string()
                .starts_with(&video)
        );
        assert!(!Path::new(&file).exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
