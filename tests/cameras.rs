//! Several cameras at once, from the outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod support;

use fmp4streamer::config::Config;
use std::process::Command;
use support::{Dir, Held, Server, Stream, children, follows, until};

/// Two test pictures of different sizes; on a machine with too much to do, nothing is skipped.
const TWO: &str = "[server]
max_age_ms = 60000
[test a]
name = front
width = 320
height = 240
[test b]
name = back
width = 160
height = 120
";
/// A camera whose pictures come from a command: 64x48, without end.
const COMMAND: &str = concat!(
    "[exec door]\nname = door\ncommand = while :; do cat ",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/x264/x264_two_slices.h264 || exit; sleep 0.1; done\n"
);

fn status_of(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// The picture's width and height, of the init segment's sample entry (ISO/IEC 14496-12, 12.1.3).
fn size(stream: &mut Stream) -> (u16, u16) {
    loop {
        let found = stream.next_box().unwrap();
        if &found.kind == b"moov" {
            let at = found.bytes.windows(4).position(|kind| kind == b"avc1").unwrap() + 4 + 24;
            let u16_at = |at: usize| u16::from_be_bytes(found.bytes[at..at + 2].try_into().unwrap());
            return (u16_at(at), u16_at(at + 2));
        }
    }
}

/// So many frames, of which none is missing.
fn goes_on(stream: &mut Stream, frames: usize) {
    let mut last = stream.next_fragment().unwrap();
    for _ in 0..frames {
        let next = stream.next_fragment().unwrap();
        assert!(follows(&next, &last), "{} after {}", next.time(), last.end());
        last = next;
    }
}

/// The names in /status, or in what stands at another address.
fn names(answer: &str) -> Vec<&str> {
    let rest = answer.split("{\"name\":\"").skip(1);
    rest.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn each_camera_is_at_its_name_and_the_first_at_the_root_too() {
    let server = Server::with_config(&format!("{TWO}{COMMAND}"));
    for (path, expected) in [
        ("/stream.mp4", (320, 240)),
        ("/front/stream.mp4", (320, 240)),
        ("/back/stream.mp4", (160, 120)),
        ("/door/stream.mp4?start=live", (64, 48)),
    ] {
        let mut stream = server.follow_at(path);
        assert_eq!(size(&mut stream), expected, "{path}");
        stream.next_fragment().unwrap();
    }
    for (path, status) in [
        ("/index.html", "200"),
        ("/back/", "200"),
        ("/back/index.html", "200"),
        ("/back/page.js", "200"),
        ("/back/ws", "426"),
        ("/back/stream.mjpeg", "501"),
        ("/back/?action=snapshot", "501"),
        ("/?action=snapshot_2", "501"),
        ("/?action=snapshot_3", "404"),
        ("/back/?action=stream_0", "501"),
        ("/back/?action=stream_1", "404"),
        ("/back/snapshot.mp4", "200"),
        ("/back/stream.m3u8", "200"),
        ("/back/healthz", "200"),
        ("/healthz", "200"),
        ("/back", "301"),
        ("/back?x", "301"),
        ("/backyard", "404"),
        ("/back/front/", "404"),
        ("/camera0/", "404"),
    ] {
        assert_eq!(status_of(&server.get(path)), status, "{path}");
    }
    let moved = server.get("/back?path=ws");
    assert!(moved.contains("\r\nLocation: back/?path=ws\r\n"), "{moved}");
    for (path, named) in [
        ("/back/stream.mjpeg", "back"),
        ("/?action=stream", "front"),
        ("/?action=stream_0", "front"),
        ("/?action=stream_1", "back"),
        ("/?action=stream_2", "door"),
    ] {
        let other = server.get(path);
        assert!(
            body(&other).contains(&format!(" is at /{named}/stream.mp4,")),
            "{path}: {other}"
        );
    }

    assert_eq!(names(&server.get("/status")), ["front", "back", "door"]);
    assert_eq!(names(&server.get("/back/status")), ["back"]);
    let log = server.log();
    assert!(
        log.contains("each camera has its own page: /front/  /back/  /door/\n"),
        "{log}"
    );
    assert!(log.contains("\nback: live: "), "{log}");
}

#[test]
fn the_overview_shows_them_all_and_one_camera_has_none() {
    let page = |server: &Server, path: &str| {
        let answer = server.get(path);
        assert_eq!(status_of(&answer), "200", "{path}");
        assert!(answer.contains("\r\nContent-Security-Policy: default-src 'none'; "));
        body(&answer).to_owned()
    };
    let overview = |page: &str| page.contains("<title>Live cameras</title>");
    let text = TWO.replace("max_age_ms", "base_path = /house/cams\nmax_age_ms");
    let server = Server::with_config(&text);
    for path in ["/", "/house/cams/"] {
        let page = page(&server, path);
        assert!(overview(&page), "{page}");
        let links: Vec<&str> = page.split("<a href=\"").skip(1).collect();
        assert_eq!(links.len(), 2);
        assert!(links[0].starts_with("front/\">") && links[1].starts_with("back/\">"));
    }
    for path in [
        "/index.html",
        "/front/",
        "/house/cams/front/",
        "/house/cams/back/?bare",
    ] {
        assert!(!overview(&page(&server, path)), "{path}");
    }
    let moved = server.get("/house/cams/back");
    assert!(moved.contains("\r\nLocation: back/\r\n"), "{moved}");

    let server = Server::test_picture(&[]);
    for path in ["/", "/camera0/"] {
        assert!(!overview(&page(&server, path)), "{path}");
    }
    assert_eq!(body(&server.get("/healthz")).trim_end().split(": ").count(), 1);
}

#[test]
fn a_camera_that_fails_leaves_the_others_without_a_lost_frame() {
    let failing = "[exec gone]\nname = gone\ncommand = echo no such camera >&2; exit 1\nauto_sleep = no\n";
    // The order of sections is the cameras'; [server] may stand anywhere.
    let server = Server::with_config(&format!("{failing}{TWO}{COMMAND}"));
    let mut streams = ["/front/stream.mp4", "/back/stream.mp4"].map(|path| server.follow_at(path));
    until("it has failed", || {
        status_of(&server.get("/gone/healthz")) == "503"
    });
    for stream in &mut streams {
        goes_on(stream, 60);
    }
    let health = server.get("/healthz");
    assert_eq!(status_of(&health), "503", "{health}");
    let lines: Vec<&str> = body(&health).lines().collect();
    assert!(
        lines[0].starts_with("gone: ") && lines[0].contains("exited with status 1"),
        "{health}"
    );
    // A command's own words may hold a secret: they are for the log.
    assert!(!health.contains("no such camera"), "{health}");
    assert!(server.log().contains("no such camera"));
    assert_eq!(lines[1..3], ["front: live", "back: live"]);
    for path in ["/front/healthz", "/back/healthz", "/door/healthz"] {
        assert_eq!(status_of(&server.get(path)), "200", "{path}");
    }
    // The root is the first one's, whatever has become of it.
    assert_eq!(status_of(&server.get("/snapshot.mp4")), "503");
}

#[test]
fn a_camera_that_hangs_in_its_driver_leaves_the_others_without_a_lost_frame() {
    let mut server = Server::with_config(&format!("{TWO}{COMMAND}auto_sleep = no\n"));
    let mut streams =
        ["/front/stream.mp4", "/back/stream.mp4", "/door/stream.mp4"].map(|path| server.follow_at(path));
    for stream in &mut streams {
        stream.next_fragment().unwrap();
    }
    let Some(held) = Held::new(server.pumps()[1]) else {
        return;
    };
    goes_on(&mut streams[0], 90);
    goes_on(&mut streams[2], 20);
    until("it is seen to hang", || {
        status_of(&server.get("/back/healthz")) == "503"
    });
    assert_eq!(status_of(&server.get("/front/healthz")), "200");
    assert_eq!(names(&server.get("/status")), ["front", "back", "door"]);
    // It goes on where it was.
    drop(held);
    until("it is live again", || {
        status_of(&server.get("/back/healthz")) == "200"
    });
    streams[1].next_fragment().unwrap();

    // The program's end waits for none that hangs.
    let _held = Held::new(server.pumps()[1]);
    server.signal("-TERM");
    assert!(server.wait().success());
    assert!(server.log().contains("ended by SIGTERM"), "{}", server.log());
}

#[test]
fn a_command_that_stands_still_leaves_the_others_without_a_lost_frame() {
    let server = Server::with_config(&format!("{TWO}{COMMAND}auto_sleep = no\n"));
    let mut front = server.follow_at("/front/stream.mp4");
    // By then its pace is known: before, it may be a camera of a picture a minute.
    until("the command has given pictures for a while", || {
        let frames = server.status_after("\"door\"", "frames");
        frames.parse::<u32>().unwrap() >= 30
    });
    let commands = children(server.process.id());
    assert_eq!(commands.len(), 1);
    let signal = |name: &str| {
        let kill = Command::new("kill")
            .args([name, &commands[0].to_string()])
            .status();
        assert!(kill.unwrap().success());
    };
    signal("-STOP");
    goes_on(&mut front, 60);
    until("it is seen to stand still", || {
        status_of(&server.get("/door/healthz")) == "503"
    });
    goes_on(&mut front, 60);
    assert_eq!(status_of(&server.get("/front/healthz")), "200");
    until("it is started anew", || {
        server.status_after("\"door\"", "state") == "live" && children(server.process.id()) != commands
    });
    goes_on(&mut front, 60);
}

#[test]
fn hls_is_each_cameras_own() {
    let server = Server::with_config(TWO);
    let mut found = Vec::new();
    for name in ["front", "back"] {
        let playlist = |file: &str| {
            let mut answer = String::new();
            until("there is a playlist", || {
                answer = server.get(&format!("/{name}/{file}"));
                status_of(&answer) == "200"
            });
            body(&answer).to_owned()
        };
        let variant = playlist("stream.m3u8");
        let expected = if name == "front" {
            "RESOLUTION=320x240"
        } else {
            "RESOLUTION=160x120"
        };
        assert!(
            variant.contains(expected) && variant.ends_with("\nstreaminf.m3u8\n"),
            "{variant}"
        );
        let media = playlist("streaminf.m3u8");
        let segment = media
            .lines()
            .find(|line| line.ends_with(".m4s") && line.starts_with("hls/"))
            .unwrap()
            .to_owned();
        found.push((name, segment));
    }
    let ((front, ours), (back, theirs)) = (&found[0], &found[1]);
    assert_ne!(ours, theirs);
    for (name, segment, status) in [
        (front, ours, "200"),
        (back, theirs, "200"),
        (&"", ours, "200"),
        (front, theirs, "404"),
        (back, ours, "404"),
    ] {
        let path = format!("/{name}/{segment}").replace("//", "/");
        assert_eq!(status_of(&server.get(&path)), status, "{path}");
    }
    assert_eq!(server.status_after("\"front\"", "protocol"), "hls");
    assert_eq!(server.status_after("\"back\"", "protocol"), "hls");
}

#[test]
fn all_of_them_share_the_places() {
    let server = Server::with_config(&TWO.replace("max_age_ms", "max_clients = 2\nmax_age_ms"));
    let mut streams = ["/front/stream.mp4", "/back/stream.mp4"].map(|path| server.follow_at(path));
    for stream in &mut streams {
        stream.next_fragment().unwrap();
    }
    for path in ["/front/stream.mp4", "/back/stream.mp4", "/stream.mp4"] {
        assert_eq!(status_of(&server.get(path)), "503", "{path}");
    }
    assert_eq!(server.number("clients"), 2);
}

/// Each sleeps for itself.
#[test]
fn one_that_nobody_watches_sleeps() {
    let server = Server::with_config(&format!("[DEFAULT]\nlinger_s = 0\n{TWO}"));
    let mut back = server.follow_at("/back/stream.mp4");
    back.next_fragment().unwrap();
    until("the other one sleeps", || {
        server.status_after("\"front\"", "state") == "asleep"
    });
    goes_on(&mut back, 10);
    assert_eq!(server.status_after("\"back\"", "state"), "live");
}

/// A camera's name stands where the program's own addresses do.
#[test]
fn no_address_of_the_program_is_a_name() {
    let reserved = fmp4streamer::serve::reserved_names();
    for name in &reserved {
        let config = format!("[test]\nname = {name}\n");
        let refused = Config::parse(config.as_bytes(), "f", &reserved).is_err();
        assert!(
            refused,
            "{name} is an address of the program, and a good name for a camera"
        );
    }
}

#[test]
fn check_and_list_controls_know_several() {
    let dir = Dir::new();
    let run = |text: &str, options: &[&str]| {
        let file = dir.write("a.conf", text);
        let output = Command::new(Server::PROGRAM)
            .args(options)
            .arg("-c")
            .arg(file)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (code, text) = run(TWO, &["--check"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("\nfront: the test picture, 320x240 at 30 fps\nfront: stops 5 s"),
        "{text}"
    );
    assert!(
        text.contains("\nback: the test picture, 160x120 at 30 fps\nback: stops 5 s"),
        "{text}"
    );
    let (code, text) = run(TWO, &["-l"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("it is no V4L2 device"), "{text}");
    let (code, text) = run("[/dev/no-video-a]\n[test]\n[/dev/no-video-b]\n", &["-l"]);
    assert_eq!(code, Some(0), "{text}");
    for device in ["a", "b"] {
        assert!(text.contains(&format!("# /dev/no-video-{device}: ")), "{text}");
    }
}
