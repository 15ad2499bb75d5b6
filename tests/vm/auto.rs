//! The way from a camera to the stream that the program chooses by itself.

use super::m2m::{Decoder, webcam};
use super::served::{health, serve};
use super::support::pictures::{Client, get};
use super::support::{Dir, Server, until};
use super::*;
use fmp4streamer::config::{Camera, ChainKeys};
use fmp4streamer::format::jpeg;
use fmp4streamer::source::device::Device;
use fmp4streamer::source::lookup;

const ENCODER: &str = "/dev/video11";

/// A driver's device that is taken away, and comes back when this ends.
struct Unbound<'a>(&'a str, &'a str);

impl<'a> Unbound<'a> {
    fn new(driver: &'a str, device: &'a str) -> Unbound<'a> {
        let unbound = Unbound(driver, device);
        unbound.write("unbind");
        unbound
    }

    fn write(&self, file: &str) {
        fs::write(format!("/sys/bus/platform/drivers/{}/{file}", self.0), self.1).unwrap();
    }
}

impl Drop for Unbound<'_> {
    fn drop(&mut self) {
        self.write("bind");
    }
}

fn vivid() -> PathBuf {
    driven_by("vivid").swap_remove(0)
}

/// Fragments come, whatever came before.
#[track_caller]
fn plays(server: &Server) {
    let mut stream = server.follow("");
    assert!(
        (0..10).all(|_| stream.next_fragment().is_some()),
        "{}",
        server.log()
    );
}

#[track_caller]
fn assert_status(server: &Server, expected: &[(&str, &str)]) {
    for (field, value) in expected {
        assert_eq!(server.camera(field), *value, "{field}");
    }
}

#[test]
fn raw_pictures_go_through_the_encoder() {
    let Some(_) = rig() else { return };
    let path = vivid();
    // Named without a word more, with all that can be named, and not at all.
    let named = |keys: &str| serve(&path, "640x360", 10, keys);
    let pinned = format!(
        "capture_format = YU12\nencoder = {ENCODER}\nencoder_input_format = YU12\ncapture_memory = MMAP\n\
         encoder_memory = MMAP-MMAP\n"
    );
    for (server, format, size, why) in [
        (
            named(""),
            "NV12",
            "640x360",
            "it gives no H.264; vh264enc takes its NV12",
        ),
        (named(&pinned), "YU12", "640x360", "capture_format = YU12"),
        (
            Server::with_config(""),
            "NV12",
            "640x480",
            "it gives no H.264; vh264enc takes its NV12",
        ),
    ] {
        plays(&server);
        let chain = format!(
            "{} (vivid) {format} {size} → {ENCODER} (vh264enc) H264",
            path.display()
        );
        assert_status(
            &server,
            &[
                ("state", "live"),
                ("codec", "h264"),
                ("source", "vivid"),
                ("chain", &chain),
                ("chain_why", why),
                ("placeholder", "false"),
            ],
        );
        assert_eq!(
            server.log().matches(&format!("{chain}: {why}\n")).count(),
            1,
            "{}",
            server.log()
        );
        for route in ["/stream.mjpeg", "/snapshot.jpg"] {
            assert!(get(&server, route).0.starts_with("HTTP/1.1 501 "), "{route}");
        }
        let interval = server.camera("key_frame_interval_ms");
        println!("{chain}: {interval} ms");
    }
}

/// An encoder's section holds controls, whether it is named by the camera's or not.
#[test]
fn an_encoders_section_is_no_camera() {
    let Some(_) = rig() else { return };
    for keys in ["", "encoder = /dev/video11"] {
        let sections = format!("{keys}\n[{ENCODER}]\nvideo_bitrate = 1000000\nno_such_thing = 1\n");
        let server = serve(&vivid(), "320x180", 10, &sections);
        plays(&server);
        assert!(!server.get("/status").contains("camera1"), "{keys}");
        let words = format!("{ENCODER}: no_such_thing = 1: not set: ");
        assert!(server.log().contains(&words), "{}", server.log());
        assert!(!server.log().contains("video_bitrate"), "{}", server.log());
    }
}

#[test]
fn a_chain_sleeps_and_wakes_up() {
    let Some(_) = rig() else { return };
    let server = serve(&vivid(), "320x180", 10, "linger_s = 0");
    for _ in 0..3 {
        plays(&server);
        until("it sleeps", || server.camera("state") == "asleep");
    }
    // It is told once what way was taken.
    assert_eq!(
        server.log().matches("takes its NV12\n").count(),
        1,
        "{}",
        server.log()
    );
}

#[test]
fn camera_and_encoder_may_go_and_come() {
    let Some(_) = rig() else { return };
    let path = vivid();
    let server = serve(&path, "320x180", 10, "");
    plays(&server);
    let camera = Unbound::new("vivid", "vivid.0");
    until("the camera is away", || health(&server).1.contains("waiting for"));
    drop(camera);
    plays(&server);
    let encoder = Unbound::new("vh264enc", "vh264enc.0");
    until("the encoder is away", || {
        health(&server).1.contains("there is no H.264 encoder here")
    });
    let (_, why) = health(&server);
    assert!(
        why.contains("vivid gives no H.264: it offers ") && why.contains("command = ffmpeg "),
        "{why}"
    );
    drop(encoder);
    plays(&server);

    // One that is named is waited for, too.
    drop(server);
    let encoder = Unbound::new("vh264enc", "vh264enc.0");
    let server = serve(&path, "320x180", 10, &format!("encoder = {ENCODER}"));
    until("its lack is told", || {
        health(&server).1.starts_with("/dev/video11: no such encoder: ")
    });
    drop(encoder);
    plays(&server);
}

#[test]
fn an_encoder_that_is_busy_or_none_is_named() {
    let Some(_) = rig() else { return };
    let path = vivid();
    for (keys, words) in [
        ("capture_format = HEVC", "vivid gives no HEVC: it offers "),
        ("capture_format = MJPG", "vivid gives no MJPG: it offers "),
        ("capture_format = MJPGH264", "vivid gives no MJPG: it offers "),
        ("capture_format = H264", "vivid gives no H264: it offers "),
        ("encoder = /dev/null", "/dev/null: no such encoder: "),
        ("encoder = usb:046d:082d", "usb:046d:082d: no such encoder: "),
        ("decoder = /dev/video99", "/dev/video99: no such decoder: "),
    ] {
        let server = serve(&path, "640x360", 10, keys);
        until("it is refused", || health(&server).0 == "503");
        let (_, why) = health(&server);
        assert!(why.contains(words), "{keys}: {why}");
    }
}

/// A JPEG camera, and YUYV beside it if `raw`.
fn jpeg_camera(rig: &Path, dir: &Dir, raw: bool) -> (Running, PathBuf) {
    let one = include_bytes!("../fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");
    let file = dir.write("one.mjpeg", one.repeat(5));
    let mut command = Command::new(rig.join("tools/fakeuvc"));
    command.arg("-m").arg(file).args(["-r", "10"]);
    let running = Running::start(if raw { command.arg("-y") } else { &mut command });
    let [path, _] = two_nodes();
    (running, path)
}

#[test]
fn jpeg_pictures_are_served_where_nothing_better_can_be_had() {
    let Some(rig) = rig() else { return };
    let dir = Dir::new();
    for (raw, why) in [
        (
            false,
            "it gives no H.264, and no decoder here takes its MJPEG; fmp4streamer --probe has a command for H.264",
        ),
        // The encoder says that it takes YUYV, and makes nothing of it.
        (
            true,
            "it gives no H.264, and no decoder here takes its MJPEG; not YUYV → /dev/video11: /dev/video11: camera lost: \
             the encoder hangs: ",
        ),
    ] {
        let (camera, path) = jpeg_camera(&rig, &dir, raw);
        let server = serve(&path, "640x480", 10, "auto_sleep = no");
        until("it is live", || server.camera("codec") == "mjpeg");
        let (head, picture) = get(&server, "/snapshot.jpg");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(
            picture,
            include_bytes!("../fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg")
        );
        let chain = format!("{} (fakeuvc camera) MJPG", path.display());
        assert_status(&server, &[("codec", "mjpeg"), ("chain", &chain)]);
        let told = server.camera("chain_why");
        assert!(told.starts_with(why), "{told}");
        assert!(get(&server, "/stream.mp4").0.starts_with("HTTP/1.1 501 "));
        drop((server, camera));
        no_nodes();
    }
    // Without a camera named the one with H.264 to be made goes first; without that, this.
    let (_camera, path) = jpeg_camera(&rig, &dir, false);
    let server = Server::with_config("[DEFAULT]\nfps = 10\n");
    plays(&server);
    assert_eq!(server.camera("source"), "vivid");
    drop(server);
    let _alone = NoEncoder::new();
    let server = Server::with_config("[DEFAULT]\nfps = 10\n");
    assert!(get(&server, "/snapshot.jpg").0.starts_with("HTTP/1.1 200 "));
    let why =
        "it gives no H.264, and there is no H.264 encoder here; fmp4streamer --probe has a command for H.264";
    let chain = format!("{} (fakeuvc camera) MJPG", path.display());
    assert_status(&server, &[("chain", &chain), ("chain_why", why)]);
}

#[test]
fn jpeg_and_h264_come_from_one_camera() {
    let Some(rig) = rig() else { return };
    let dir = Dir::new();
    // Pictures that can be told apart, with Huffman tables: they are put in where there are none.
    let picture = blocks::jpeg((640, 480), blocks::places);
    let picture = jpeg::Picture::parse(&picture).unwrap().to_vec();
    let with_comment = |number: u8| [&picture[..2], &[0xff, 0xfe, 0, 3, number], &picture[2..]].concat();
    let sent: Vec<Vec<u8>> = (0..20).map(with_comment).collect();
    let (_camera, path) = webcam(&rig, &dir, (640, 480), &sent);
    let known = |bytes: &[u8]| assert!(sent.iter().any(|sent| sent == bytes), "{} bytes", bytes.len());
    // A decoder that comes later is seen when the camera wakes up; it is woken for H.264 though it gave none before.
    let server = serve(&path, "640x480", 10, "linger_s = 0");
    known(&get(&server, "/snapshot.jpg").1);
    let chain = format!("{} (fakeuvc camera) MJPG", path.display());
    assert_status(&server, &[("chain", &chain)]);
    until("it sleeps", || server.camera("state") == "asleep");
    let _decoder = Decoder::new(&[]);
    plays(&server);
    drop(server);
    let pinned = format!(
        "capture_format = MJPG\ndecoder = {}\nencoder = {ENCODER}\ndecoder_input_format = MJPG\n\
         encoder_input_format = NV12\ndecoder_memory = MMAP-DMABUF\n",
        Decoder::PATH
    );
    for (keys, why) in [
        (
            "linger_s = 0",
            "it gives JPEG pictures only, which are decoded first",
        ),
        (&pinned, "capture_format = MJPG"),
    ] {
        let server = serve(&path, "640x480", 10, keys);
        let mut video = server.follow("");
        assert!(
            (0..5).all(|_| video.next_fragment().is_some()),
            "{}",
            server.log()
        );
        let mut pictures = Client::new(&server, "/stream.mjpeg");
        for _ in 0..10 {
            known(&pictures.next().unwrap().bytes);
            assert!(video.next_fragment().is_some());
        }
        known(&get(&server, "/snapshot.jpg").1);
        let chain = format!(
            "{} (fakeuvc camera) MJPG 640x480 → {} (vjpegdec) NV12 → {ENCODER} (vh264enc) H264",
            path.display(),
            Decoder::PATH
        );
        let expected = [
            ("codec", "h264"),
            ("width", "640"),
            ("chain", &*chain),
            ("chain_why", why),
        ];
        assert_status(&server, &expected);
        if keys.contains("linger") {
            // A picture wakes it up as well.
            drop((video, pictures));
            until("it sleeps", || server.camera("state") == "asleep");
            known(&get(&server, "/snapshot.jpg").1);
        }
    }
    // Who asks for the pictures alone gets them alone.
    let server = serve(&path, "640x480", 10, "capture_format = MJPG");
    known(&get(&server, "/snapshot.jpg").1);
    assert_status(
        &server,
        &[("codec", "mjpeg"), ("chain_why", "capture_format = MJPG")],
    );
    assert!(get(&server, "/stream.mp4").0.starts_with("HTTP/1.1 501 "));
}

#[test]
fn raw_pictures_that_come_too_slowly_are_left_for_jpeg() {
    let Some(rig) = rig() else { return };
    let (_decoder, dir) = (Decoder::new(&[]), Dir::new());
    // Its raw pictures come five times a second, the others ten.
    let (_camera, path) = jpeg_camera(&rig, &dir, true);
    let keys = ChainKeys::default();
    for (fps, first, why) in [
        (
            5,
            "YUYV → /dev/video11",
            "it gives no H.264; vh264enc takes its YUYV",
        ),
        (
            10,
            "MJPG → /dev/video10 → /dev/video11",
            "its raw pictures come too slowly; its JPEG pictures are decoded first",
        ),
    ] {
        let camera = Camera {
            fps,
            ..Camera::default()
        };
        let ways = Device::any(&path, &camera, &keys)
            .pipelines(&lookup::m2m_devices())
            .unwrap();
        assert_eq!(
            (ways[0].pipeline.to_string().as_str(), ways[0].why.as_str()),
            (first, why)
        );
    }
}
