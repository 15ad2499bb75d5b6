//! The formats, sizes and rates that a device offers, and the remedy for a camera that offers no H.264.

use crate::sys::v4l2::{
    self, BufferKind, Capabilities, Format, FourCc, Fraction, FrameIntervals, FrameSizes, OfferedFormat, cap,
};
use std::fs::File;
use std::path::Path;

/// Formats, sizes and rates that are asked for; a driver that never says "no more" would hold us.
const OFFERS_MAX: u32 = 100;
/// Drivers of the processors behind a Raspberry Pi's sensors. Their nodes look like cameras with raw formats.
const IMAGE_PROCESSORS: [&str; 2] = ["bcm2835-isp", "pispbe"];
/// The drivers of a Raspberry Pi's sensors, up to the 4 and of the 5.
const PI_SENSORS: [&str; 2] = ["unicam", "rp1-cfe"];

/// True if it is one of the two names of JPEG pictures.
pub(super) fn is_jpeg(fourcc: FourCc) -> bool {
    [FourCc::MJPEG, FourCc::JPEG].contains(&fourcc)
}

/// The formats that a device gives, in its order.
pub(super) fn formats(file: &File, kind: BufferKind) -> Vec<OfferedFormat> {
    (0..OFFERS_MAX)
        .map_while(|index| v4l2::enum_format(file, kind, index).ok())
        .collect()
}

/// The formats in which a device takes pictures, rather than gives them.
pub(super) fn input_formats(file: &File, kind: BufferKind) -> Vec<OfferedFormat> {
    formats(file, kind.output())
}

fn frame_sizes(file: &File, fourcc: FourCc) -> impl Iterator<Item = FrameSizes> {
    (0..OFFERS_MAX).map_while(move |index| v4l2::enum_frame_sizes(file, fourcc, index).ok())
}

fn frame_intervals(file: &File, fourcc: FourCc, size: (u32, u32)) -> impl Iterator<Item = FrameIntervals> {
    (0..OFFERS_MAX).map_while(move |index| v4l2::enum_frame_intervals(file, fourcc, size, index).ok())
}

fn size_words(size: FrameSizes) -> String {
    match size {
        FrameSizes::One(width, height) => format!("{width}x{height}"),
        FrameSizes::Range([w, h], [to_w, to_h]) => format!("{w}x{h} to {to_w}x{to_h}"),
    }
}

/// A measure of how near a camera's format comes to what is wanted, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Size and rate, as far as the driver says.
    Whole,
    /// The size, but not so many frames a second.
    Slower,
    /// Not that size.
    Otherwise,
}

/// Compares a camera's format with the size and rate that are wanted.
pub(super) fn fit(file: &File, fourcc: FourCc, (width, height): (u32, u32), fps: u32) -> Fit {
    let mut sizes = frame_sizes(file, fourcc).peekable();
    let it_is = |size| match size {
        FrameSizes::One(w, h) => (w, h) == (width, height),
        FrameSizes::Range([w, h], [to_w, to_h]) => {
            (w..=to_w).contains(&width) && (h..=to_h).contains(&height)
        }
    };
    if sizes.peek().is_some() && !sizes.any(it_is) {
        return Fit::Otherwise;
    }
    let mut intervals = frame_intervals(file, fourcc, (width, height)).peekable();
    let soon = |interval| {
        let (FrameIntervals::One(shortest) | FrameIntervals::Range(shortest, _)) = interval;
        // 29.97 passes for 30.
        per_second(shortest) >= f64::from(fps) * 0.99
    };
    if intervals.peek().is_some() && !intervals.any(soon) {
        return Fit::Slower;
    }
    Fit::Whole
}

/// The sizes of a format, such as "640x480, 1280x720"; empty if the driver doesn't say.
pub(super) fn sizes(file: &File, fourcc: FourCc) -> String {
    let words = frame_sizes(file, fourcc).map(size_words);
    words.collect::<Vec<_>>().join(", ")
}

/// The rates of a format and size, in frames a second, such as "30, 15"; empty if the driver doesn't say.
pub(super) fn rates(file: &File, format: Format) -> String {
    let words =
        frame_intervals(file, format.fourcc, (format.width, format.height)).map(|interval| match interval {
            FrameIntervals::One(interval) => short(per_second(interval)),
            FrameIntervals::Range(a, b) => format!("{} to {}", short(per_second(b)), short(per_second(a))),
        });
    words.collect::<Vec<_>>().join(", ")
}

/// The sizes of a format with their rates, such as "640x480, 1280x720 at 30, 15; 1920x1080 at 5": those of the same
/// rates stand together.
fn sizes_and_rates(file: &File, fourcc: FourCc) -> String {
    let each = frame_sizes(file, fourcc).map(|size| {
        let (FrameSizes::One(width, height) | FrameSizes::Range(_, [width, height])) = size;
        let format = Format {
            width,
            height,
            fourcc,
        };
        (rates(file, format), size_words(size))
    });
    grouped(each.collect(), " at ", "").join("; ")
}

/// A line for each format, but one for those of the same sizes and rates: "YUYV, NV12: 640x480 at 30, 15".
pub(super) fn lines(file: &File, formats: &[OfferedFormat]) -> Vec<String> {
    let each = formats
        .iter()
        .map(|format| (sizes_and_rates(file, format.fourcc), format.fourcc.to_string()));
    grouped(each.collect(), ": ", "")
}

/// All formats with their sizes in one line: "YUYV, NV12 (640x480, 1280x720); MJPG (1920x1080)".
pub(super) fn line(file: &File, formats: &[OfferedFormat]) -> String {
    let each = formats
        .iter()
        .map(|format| (sizes(file, format.fourcc), format.fourcc.to_string()));
    grouped(each.collect(), " (", ")").join("; ")
}

/// Of pairs of words and a member: the members with the same words, in the order in which they came first, and the words
/// behind them, if there are any.
fn grouped(each: Vec<(String, String)>, before: &str, after: &str) -> Vec<String> {
    let mut groups: Vec<(String, String)> = Vec::new();
    for (words, member) in each {
        match groups.iter_mut().find(|(of, _)| *of == words) {
            Some((_, members)) => members.extend([", ", &member]),
            None => groups.push((words, member)),
        }
    }
    for (words, members) in &mut groups {
        if !words.is_empty() {
            members.extend([before, words, after]);
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// The rate of a frame interval, in frames a second.
pub(super) fn per_second(interval: Fraction) -> f64 {
    f64::from(interval.denominator) / f64::from(interval.numerator)
}

/// A rate with two decimals at most: "30", "29.97".
pub(super) fn short(rate: f64) -> String {
    // In whole numbers: std's code to show floating-point ones takes 14 kB.
    let hundredths = (rate * 100.0).round() as u64;
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A capture node without H.264, and the command for an `[exec]` section that makes H.264 of what it gives.
#[derive(Debug, PartialEq)]
pub(super) enum WithoutH264 {
    /// It offers nothing at all.
    Nothing,
    /// A part of a board's image processor.
    Processor,
    /// The raw sensor of a CSI camera.
    Sensor,
    /// A camera that gives MJPEG, maybe raw pictures too.
    Mjpeg(String),
    /// A camera that gives raw pictures only.
    Raw(String),
}

/// Tells what a capture node that gives no H.264 is good for.
pub(super) fn without_h264(
    capabilities: &Capabilities,
    formats: &[OfferedFormat],
    path: &Path,
    (width, height): (u32, u32),
    fps: u32,
) -> WithoutH264 {
    let path = path.display();
    if formats.is_empty() {
        return WithoutH264::Nothing;
    }
    if IMAGE_PROCESSORS.contains(&capabilities.driver.as_str()) {
        return WithoutH264::Processor;
    }
    if is_sensor(capabilities, formats) {
        return WithoutH264::Sensor;
    }
    let mjpeg = formats.iter().any(|f| f.fourcc == FourCc::MJPEG);
    let input = if mjpeg { "-input_format mjpeg " } else { "" };
    let command = format!(
        "ffmpeg -v error -f v4l2 {input}-video_size {width}x{height} -framerate {fps} -i {path} \
         -pix_fmt yuv420p -c:v libx264 -preset ultrafast -tune zerolatency -g {fps} -f h264 -"
    );
    if mjpeg {
        WithoutH264::Mjpeg(command)
    } else {
        WithoutH264::Raw(command)
    }
}

/// True if it is the raw end of a CSI camera (unicam, rp1-cfe and others), which needs a program that develops the
/// picture.
pub(super) fn is_sensor(capabilities: &Capabilities, formats: &[OfferedFormat]) -> bool {
    let bayer = |f: &OfferedFormat| f.description.contains("Bayer");
    let Capabilities { driver, caps, .. } = capabilities;
    !formats.is_empty()
        && !IMAGE_PROCESSORS.contains(&driver.as_str())
        && (caps & cap::IO_MC != 0 || formats.iter().all(bayer))
}

/// True if it is the raw end of a Raspberry Pi's camera.
pub(super) fn is_pi_sensor(capabilities: &Capabilities, formats: &[OfferedFormat]) -> bool {
    PI_SENSORS.contains(&capabilities.driver.as_str()) && is_sensor(capabilities, formats)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(driver: &str, caps: u32, formats: &[(&[u8; 4], &str)]) -> (Capabilities, Vec<OfferedFormat>) {
        let formats = formats.iter().map(|(fourcc, description)| OfferedFormat {
            fourcc: FourCc(u32::from_le_bytes(**fourcc)),
            description: (*description).into(),
            compressed: false,
        });
        let capabilities = Capabilities {
            driver: driver.into(),
            card: String::new(),
            bus: String::new(),
            caps,
        };
        (capabilities, formats.collect())
    }

    fn told(driver: &str, caps: u32, formats: &[(&[u8; 4], &str)]) -> WithoutH264 {
        let (capabilities, formats) = node(driver, caps, formats);
        without_h264(&capabilities, &formats, Path::new("/dev/video0"), (640, 480), 30)
    }

    #[test]
    fn the_sensors_of_a_raspberry_pi_are_known() {
        let (yuyv, bayer) = (
            (b"YUYV", "YUYV 4:2:2"),
            (b"pGAA", "10-bit Bayer GRGR/BGBG Packed"),
        );
        for (driver, caps, formats, is_one) in [
            ("unicam", 0, &[bayer][..], true),
            ("rp1-cfe", cap::IO_MC, &[yuyv, bayer], true),
            // With an HDMI adapter plugged in; the Pi's image processor; a notebook's camera.
            ("unicam", 0, &[yuyv], false),
            ("unicam", 0, &[], false),
            ("pispbe", cap::IO_MC, &[bayer], false),
            ("ipu6", cap::IO_MC, &[bayer], false),
        ] {
            let (capabilities, formats) = node(driver, caps, formats);
            assert_eq!(is_pi_sensor(&capabilities, &formats), is_one, "{driver}");
        }
    }

    #[test]
    fn what_a_node_without_h264_is_good_for() {
        let (yuyv, mjpg) = ((b"YUYV", "YUYV 4:2:2"), (b"MJPG", "Motion-JPEG"));
        let bayer = (b"pGAA", "10-bit Bayer GRGR/BGBG Packed");
        assert_eq!(told("v4l2 loopback", 0, &[]), WithoutH264::Nothing);
        assert_eq!(told("bcm2835-isp", 0, &[yuyv]), WithoutH264::Processor);
        assert_eq!(told("pispbe", cap::IO_MC, &[yuyv]), WithoutH264::Processor);
        for (driver, caps, formats) in [
            ("unicam", 0, &[bayer][..]),
            ("rp1-cfe", cap::IO_MC, &[bayer, yuyv]),
            ("ipu6", cap::IO_MC, &[bayer]),
        ] {
            assert_eq!(told(driver, caps, formats), WithoutH264::Sensor, "{driver}");
        }
        // A unicam behind which an HDMI adapter is plugged in gives pictures that need no developing.
        for (formats, mjpeg) in [(&[yuyv][..], false), (&[yuyv, mjpg], true), (&[mjpg], true)] {
            match told("unicam", 0, formats) {
                WithoutH264::Mjpeg(command) => assert!(mjpeg && command.contains(" -input_format mjpeg ")),
                WithoutH264::Raw(command) => assert!(!mjpeg && command.contains(" -i /dev/video0 ")),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn rates_are_short() {
        let rate = |numerator, denominator| {
            short(per_second(Fraction {
                numerator,
                denominator,
            }))
        };
        assert_eq!(rate(1, 30), "30");
        assert_eq!(rate(1001, 30_000), "29.97");
        assert_eq!(rate(2, 1), "0.5");
    }
}
