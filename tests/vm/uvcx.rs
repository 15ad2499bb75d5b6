//! A USB camera with extension units: its encoder is set, and its H.264 comes inside of JPEG pictures.

use super::served::{health, serve};
use super::support::{Dir, until};
use super::viewer::{Clip, Viewer};
use super::*;
use fmp4streamer::source::{control, probe};
use fmp4streamer::sys::uvc::{self, ControlId, Query};

/// fakeuvc's units.
pub(super) const ENCODER: u8 = 10;
pub(super) const LIGHT: u8 = 11;

pub(super) fn current(path: &Path, unit: u8, selector: u8) -> Vec<u8> {
    let file = open_raw(path).unwrap();
    uvc::get(&file, ControlId { unit, selector }, Query::Current).unwrap()
}

fn settings(pairs: &[(&str, &str)]) -> Vec<Setting> {
    pairs.iter().map(|(name, value)| setting(name, value)).collect()
}

/// Opens at 10 frames a second; gives what was said, too.
fn open_with(path: &Path, muxed: bool, pairs: &[(&str, &str)]) -> Result<(V4l2Camera, Vec<String>), Error> {
    let wanted = CaptureConfig {
        path,
        width: 1280,
        height: 720,
        fps: 10,
        format: if muxed { FourCc::MJPEG } else { FourCc::H264 },
        muxed,
        controls: &settings(pairs),
        input: &PRESENT_INPUT,
    };
    let mut said = Vec::new();
    let camera = camera::open(&wanted, &mut said)?;
    // 640x480 is all that the camera has.
    said.retain(|words| !words.contains("1280x720 at 10 frames a second is not offered"));
    Ok((camera, said))
}

/// A byte stream of access units that are told apart by their lengths: a key picture, then others.
fn access_units(lengths: impl Iterator<Item = usize>) -> Vec<Vec<u8>> {
    let units = lengths.enumerate().map(|(number, length)| {
        let mut unit = vec![0, 0, 0, 1, if number == 0 { 0x65 } else { 0x41 }, 0x88];
        unit.extend((unit.len()..length).map(|i| (i * 31 % 251) as u8 | 4));
        unit
    });
    units.collect()
}

/// Plugs in a camera whose JPEG pictures carry what is in `units`.
fn plug_in(rig: &Path, dir: &Dir, units: &[Vec<u8>], options: &[&str]) -> (Running, PathBuf) {
    let file = dir.write("units.h264", units.concat());
    let mut command = Command::new(rig.join("tools/fakeuvc"));
    let running = Running::start(command.arg("-a").arg(file).args(["-r", "10"]).args(options));
    let [path, _] = two_nodes();
    (running, path)
}

const ALL: [(&str, &str); 15] = [
    ("uvcx_h264_stream_mux", "H264"),
    ("uvcx_h264_width", "640"),
    ("uvcx_h264_height", "480"),
    ("uvcx_h264_frame_interval", "1000000"),
    ("uvcx_h264_bitrate", "1234567"),
    ("uvcx_h264_rate_control_mode", "Const QP"),
    ("uvcx_h264_profile", "Constrained"),
    ("uvcx_h264_i_frame_period", "1500"),
    ("uvcx_h264_slice_mode", "3"),
    ("uvcx_h264_slice_units", "4"),
    ("uvcx_h264_entropy", "CABAC"),
    ("uvcx_h264_usage", "2"),
    ("uvcx_h264_leaky_bucket_size", "770"),
    ("uvcx_logitech_led1_mode", "Blink"),
    ("uvcx_logitech_led1_frequency", "40"),
];

#[rustfmt::skip]
const ALL_BYTES: [u8; 46] = [
    0x40, 0x42, 0x0f, 0,  0x87, 0xd6, 0x12, 0,  0x3f, 0xf8,  0, 0,  0x80, 2,  0xe0, 1,  4, 0,  3, 0,  0x40, 0x42,
    0xdc, 5,  0, 0,  0, 0,  2,  3,  0, 0, 0,  3,  0,  1,  0, 0, 0, 0,  0, 0,  0, 0,  2, 3,
];

#[test]
fn every_field_is_set_and_read_back_and_set_again() {
    let Some(rig) = rig() else { return };
    let (camera, [path, _]) = plug(&rig, "640x480", &["-u", "-r", "10"]);
    for _ in 0..2 {
        let (mut c, said) = open_with(&path, false, &ALL).unwrap();
        assert_eq!(said, [""; 0]);
        assert_eq!(current(&path, ENCODER, 1), ALL_BYTES);
        assert_eq!(current(&path, ENCODER, 2), ALL_BYTES);
        assert_eq!(current(&path, LIGHT, 9), [9, 2, 0, 40, 0]);
        assert_eq!(read(&mut c, 3).1, None);
        let list = control::list(&path).unwrap();
        println!("{list}");
        for (name, value) in ALL {
            assert!(list.contains(&format!("{name} = {value}\n")), "{name}");
        }
        assert!(list.contains(
            "\n# integer, 0 to 20000 in steps of 500, default 2000\nuvcx_h264_i_frame_period = 1500\n"
        ));
        drop(c);
        // Without power it forgets everything.
        signal(&camera.0, "USR1");
        no_nodes();
        signal(&camera.0, "USR1");
        assert_eq!(two_nodes()[0], path);
        assert_ne!(current(&path, ENCODER, 2), ALL_BYTES);
    }
}

#[test]
fn what_the_camera_can_not_do_is_said_and_the_stream_starts() {
    let Some(rig) = rig() else { return };
    let pairs = [
        ("uvcx_h264_bitrate", "9000000"),
        ("uvcx_h264_i_frame_period", "900"),
        ("uvcx_h264_profile", "High"),
        ("uvcx_h264_usage", "always"),
        ("uvcx_h264_bit_rate", "1"),
        ("uvcx_razer_hdr", "1"),
    ];
    let (camera, [path, _]) = plug(&rig, "640x480", &["-r", "10", "-u"]);
    let (mut c, said) = open_with(&path, false, &pairs).unwrap();
    let mut said: Vec<&str> = said
        .iter()
        .map(|words| words.split_once("uvcx_").unwrap().1)
        .collect();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            "h264_bit_rate = 1: not set: there is no such control; did you mean uvcx_h264_bitrate?",
            "h264_bitrate = 9000000: 6000000 is set instead: allowed is integer, 100000 to 6000000, \
             default 3000000",
            "h264_i_frame_period = 900: 1000 is set instead: allowed is integer, 0 to 20000 in steps of \
             500, default 2000",
            "h264_profile = High: the camera took Main instead",
            "h264_usage = always: not set: allowed is integer, 1 to 3, default 1",
            "razer_hdr = 1: not set: there is no such control; fmp4streamer -l lists those that it has",
        ]
    );
    let config = current(&path, ENCODER, 2);
    assert_eq!(config[4..8], 6_000_000_u32.to_le_bytes());
    assert_eq!(
        (&config[20..22], &config[22..24]),
        (&[0, 0x4d][..], &1000_u16.to_le_bytes()[..])
    );
    assert_eq!(read(&mut c, 3).1, None);
    drop((c, camera));
    no_nodes();

    // No units at all.
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let (mut c, said) = open_with(&path, false, &pairs[..3]).unwrap();
    let names = "uvcx_h264_bitrate, uvcx_h264_i_frame_period, uvcx_h264_profile";
    let words = format!(
        "fmp4streamer.conf:9: {}: {names}: not set: the camera has no H.264 extension unit",
        path.display()
    );
    assert_eq!(said, [words]);
    assert_eq!(read(&mut c, 3).1, None);
    c.request_key_frame();
    assert_eq!(read(&mut c, 3).1, None);
}

#[test]
fn a_key_frame_comes_when_it_is_asked_for() {
    let Some(rig) = rig() else { return };
    let dir = Dir::new();
    // The next key frame would be a minute away.
    let units = access_units(100..700);
    let h264 = dir.write("other.h264", units.concat());
    for muxed in [false, true] {
        let options = if muxed {
            &[][..]
        } else {
            &["-h", h264.to_str().unwrap()]
        };
        let (camera, path) = plug_in(&rig, &dir, &units, options);
        let (mut c, said) = open_with(&path, muxed, &[]).unwrap();
        assert_eq!(said, [""; 0]);
        let (got, _) = read(&mut c, 5);
        assert_eq!(got.frames, units[..5]);
        assert_eq!(current(&path, ENCODER, 9), [0, 0, 0, 0]);
        c.request_key_frame();
        assert_eq!(current(&path, ENCODER, 9), [0, 0, 1, 0]);
        let (got, error) = read(&mut c, 20);
        assert_eq!(error, None);
        let key = got.frames.iter().position(|frame| *frame == units[0]);
        println!("{muxed}: {key:?} frames later");
        assert!(key.is_some());
        drop((c, camera));
        no_nodes();
    }
}

#[test]
fn h264_in_jpeg_pictures_is_whole_at_each_edge() {
    let Some(rig) = rig() else { return };
    let edges = [65_505, 65_536, 2 * 65_505, 2 * 65_536, 3 * 65_505, 3 * 65_536];
    let near = edges
        .chunks(2)
        .flat_map(|edge| (edge[0] - 4..edge[0]).chain(edge[1] - 31..=edge[1]));
    let units = access_units(near);
    for segment in ["65531", "65533", "1000"] {
        let dir = Dir::new();
        let (camera, path) = plug_in(&rig, &dir, &units, &["-g", segment]);
        let (mut c, said) = open_with(&path, true, &[("uvcx_h264_bitrate", "2000000")]).unwrap();
        assert_eq!(said, [""; 0]);
        // A machine that is busy loses some, which come again.
        let (mut missing, mut came) = (units.clone(), 0);
        while !missing.is_empty() {
            let (got, error) = read(&mut c, 1);
            assert_eq!(error, None);
            for frame in got.frames {
                assert!(
                    units.contains(&frame),
                    "{} bytes that are not as they were sent",
                    frame.len()
                );
                missing.retain(|unit| *unit != frame);
                came += 1;
            }
            assert!(came < 20 * units.len(), "{} of them never come", missing.len());
        }
        println!(
            "{segment}: {} units, seen in {came} frames; {:?}",
            units.len(),
            c.drops()
        );
        assert_eq!((c.drops().damaged, c.drops().short), (0, 0));
        let config = current(&path, ENCODER, 2);
        assert_eq!(
            (config[33], &config[12..16]),
            (3, &[0, 5, 0xd0, 2][..]),
            "1280x720"
        );
        drop((c, camera));
        no_nodes();
    }
}

#[test]
fn a_camera_without_h264_in_its_pictures_says_so() {
    let Some(rig) = rig() else { return };
    let (dir, units) = (Dir::new(), access_units(100..110));
    let file = dir.write("units.h264", units.concat());
    let jpeg = dir.write(
        "one.jpg",
        include_bytes!("../fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg"),
    );
    for (options, words) in [
        (
            ["-m", jpeg.to_str().unwrap()].as_slice(),
            "fakeuvc camera puts no H.264 into its MJPEG: it has no H.264 extension unit; capture_format = MJPG \
             serves its pictures as they are",
        ),
        (
            &["-u", "-h", file.to_str().unwrap()],
            "fakeuvc camera gives no MJPG: it offers H264 (640x480); take capture_format out of its section",
        ),
    ] {
        let mut command = Command::new(rig.join("tools/fakeuvc"));
        let camera = Running::start(command.args(options));
        let [path, _] = two_nodes();
        let error = open_with(&path, true, &[]).err().unwrap().to_string();
        assert_eq!(error, format!("{}: {words}", path.display()));
        drop(camera);
        no_nodes();
    }
    // It has the unit, and yet its pictures are without.
    let mut command = Command::new(rig.join("tools/fakeuvc"));
    let _camera = Running::start(command.args(["-u", "-m"]).arg(jpeg));
    let [path, _] = two_nodes();
    let words =
        ": fakeuvc camera gives no H264: it offers MJPG (640x480); take capture_format out of its section";
    let error = open_with(&path, false, &[]).err().unwrap().to_string();
    assert!(error.contains(words), "{error}");
    let report = probe::report();
    let words = "# Served as H264 in MJPG: its H.264 comes inside of its MJPEG.\n";
    assert!(report.contains(words), "{report}");
    let (mut c, _) = open_with(&path, true, &[]).unwrap();
    let (got, error) = read(&mut c, 1);
    assert!(got.frames.is_empty());
    let words = "camera lost: no H.264 in its pictures for over 3 s; it is opened again";
    assert!(error.unwrap().to_string().ends_with(words));
}

#[test]
fn h264_in_jpeg_pictures_is_served() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "1280x720");
    let mut command = Command::new(rig.join("tools/fakeuvc"));
    command.arg("-a").arg(rig.join("media/1280x720.h264"));
    let camera = Running::start(command.args(["-r", "10", "-g", "5000"]));
    let [path, _] = two_nodes();
    // In the two ways in which it can be said.
    for keys in [
        "capture_format = MJPGH264",
        "capture_format = MJPG\nuvcx_h264_stream_mux = H264",
    ] {
        let server = serve(&path, "1280x720", 10, keys);
        let viewer = Viewer::new(&server, &clip);
        viewer.more(25);
        for (field, value) in [
            ("state", "live"),
            ("codec", "h264"),
            ("width", "1280"),
            ("height", "720"),
            ("damaged", "0"),
            ("unreadable", "0"),
        ] {
            assert_eq!(server.camera(field), value, "{field}");
        }
        // A frame that lacks a segment, and a camera that lost its power.
        signal(&camera.0, "WINCH");
        until("the loss is counted", || server.camera("damaged") == "1");
        viewer.more(15);
        signal(&camera.0, "USR1");
        until("it is away", || health(&server).0 == "503");
        no_nodes();
        signal(&camera.0, "USR1");
        assert_eq!(two_nodes()[0], path);
        viewer.more(15);
        println!("{} jumps", viewer.judge());
        drop(server);
    }
    let server = serve(&path, "1280x720", 10, "capture_format = MJPGH264\nlinger_s = 0");
    for _ in 0..2 {
        until("it sleeps", || server.camera("state") == "asleep");
        let mut stream = server.follow("");
        assert!((0..10).all(|_| stream.next_fragment().is_some()));
    }
}
