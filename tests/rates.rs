//! Commands whose pictures come at other times, or whose streams begin in another way, than a camera's usually do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use support::{Dir, Server, Stream, decode, film, have, until, x264};

/// A command that gives one picture, and the next one in an hour.
fn gives_one(codec: &str, dir: &Dir) -> Option<Server> {
    if !have("ffmpeg") {
        return None;
    }
    let file = dir.file("one");
    let options = ["-pix_fmt", "yuvj420p", "-c:v", codec, "-g", "1", "-f"];
    let format = if codec == "mjpeg" { "mjpeg" } else { "h264" };
    film(
        "testsrc2=size=320x240",
        1,
        &[&options[..], &[format]].concat(),
        &file,
    );
    Some(Server::with_config(&format!(
        "[exec]\ncommand = cat {}; sleep 3600\nauto_sleep = no\n",
        file.display()
    )))
}

/// Sky cameras give a picture every 15 s, or every minute: the last one is what there is, and nothing is wrong.
#[test]
fn a_picture_now_and_then_is_no_fault() {
    let dir = Dir::new();
    for (codec, snapshot, kind) in [
        ("mjpeg", "/snapshot.jpg", "image/jpeg"),
        ("libx264", "/snapshot.mp4", "video/mp4"),
    ] {
        let Some(server) = gives_one(codec, &dir) else {
            return;
        };
        until("the picture is there, though no other shows its end", || {
            server.camera("frames") == "1"
        });
        until("the next one is waited for", || {
            server
                .camera("reason")
                .starts_with("waiting for the next picture; the last one is ")
        });
        assert_eq!(server.camera("healthy"), "true");
        let health = server.get("/healthz");
        assert!(
            health.starts_with("HTTP/1.1 200")
                && health.contains("\r\n\r\nlive: waiting for the next picture"),
            "{health}"
        );
        let mut heads = Vec::new();
        for _ in 0..2 {
            let mut client = server.send(format!("GET {snapshot} HTTP/1.0\r\n\r\n").as_bytes());
            let mut answer = Vec::new();
            std::io::Read::read_to_end(&mut client, &mut answer).unwrap();
            let text = String::from_utf8_lossy(&answer).into_owned();
            let head = text.split("\r\n\r\n").next().unwrap().to_string();
            assert!(head.starts_with("HTTP/1.1 200") && head.contains(kind), "{head}");
            heads.push(head);
        }
        let time = |head: &String| {
            let line = head.lines().find(|line| line.starts_with("X-Timestamp: "));
            line.unwrap()["X-Timestamp: ".len()..].parse::<f64>().unwrap()
        };
        assert!(
            (time(&heads[0]) - time(&heads[1])).abs() < 0.01,
            "it is the same picture: {heads:?}"
        );
        if codec == "libx264" {
            for _ in 0..2 {
                assert!(
                    server.follow("").next_fragment().unwrap().key(),
                    "who comes has it at once"
                );
            }
        }
        assert_eq!(server.camera("state"), "live");
    }
}

/// What x264 makes of a test picture, or of noise, with these parameters.
fn coded(dir: &Dir, source: &str, frames: u32, parameters: &str) -> Option<PathBuf> {
    if !have("ffmpeg") || !have("python3") {
        return None;
    }
    let file = dir.file("in.h264");
    x264(source, frames, parameters, &file);
    Some(file)
}

/// Serves the file in a loop, a picture at a time.
fn replay(file: &Path) -> Server {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    Server::with_config(&format!(
        "[server]\nmax_age_ms = 60000\n[exec]\ncommand = exec python3 {script} {} 60 units\nauto_sleep = no\n",
        file.display()
    ))
}

/// So many fragments of a client that comes now, behind their init segment; and whether the first one is a sync sample, and
/// has an IDR slice.
fn recording(client: &mut Stream, fragments: usize, file: &Path) -> (bool, bool) {
    let (mut bytes, mut count, mut first) = (Vec::new(), 0, None);
    while count < fragments {
        let part = client.next_box().unwrap();
        count += usize::from(&part.kind == b"mdat");
        bytes.extend_from_slice(&part.bytes);
        if &part.kind == b"mdat" && first.is_none() {
            let mut nals = &part.bytes[8..];
            let mut idr = false;
            while let Some((length, rest)) = nals.split_first_chunk::<4>() {
                idr |= rest[0] & 31 == 5;
                nals = &rest[u32::from_be_bytes(*length) as usize..];
            }
            let trun = bytes.windows(4).position(|at| at == b"trun").unwrap();
            first = Some((bytes[trun + 17] & 1 == 0, idr));
        }
    }
    std::fs::write(file, bytes).unwrap();
    first.unwrap()
}

const NOISE: &str = "nullsrc=size=160x120:rate=30,geq=random(1)*255:128:128";

/// Pictures of I slices that are no IDR pictures: viewers join where nothing can lean on what was before.
#[test]
fn i_pictures_that_are_provably_a_start_let_viewers_join() {
    let dir = Dir::new();
    let all_i = "keyint=1000:min-keyint=500:scenecut=100:ref=";
    let Some(file) = coded(&dir, NOISE, 500, &format!("{all_i}1")) else {
        return;
    };
    let server = replay(&file);
    let mut first = server.follow("");
    first.next_fragment().unwrap();
    for number in 0..3 {
        for _ in 0..30 {
            assert!(first.next_fragment().unwrap().key());
        }
        let saved = dir.file("joined.mp4");
        let mut client = server.follow(["", "?start=live"][number % 2]);
        assert_eq!(recording(&mut client, 30, &saved), (true, false));
        assert_eq!(decode(&saved), 30);
    }
    assert!(server.get("/snapshot.mp4").starts_with("HTTP/1.1 200"));

    // With two pictures for reference, nothing is proved.
    let Some(file) = coded(&dir, NOISE, 500, &format!("{all_i}2")) else {
        return;
    };
    let server = replay(&file);
    let mut first = server.follow("");
    first.next_fragment().unwrap();
    until("it is named", || {
        server.camera("reason").contains("key frames are far apart")
    });
}

/// Intra refresh, which has one key frame at its start: who comes begins with the newest refresh that has ended, and
/// what ffmpeg then shows is without fault.
#[test]
fn a_stream_with_intra_refresh_can_be_joined() {
    let dir = Dir::new();
    let refresh = "keyint=25:intra-refresh=1:scenecut=0:rc-lookahead=0";
    let Some(file) = coded(&dir, "testsrc2=size=320x240:rate=30", 3000, refresh) else {
        return;
    };
    let server = replay(&file);
    let mut first = server.follow("");
    for _ in 0..100 {
        first.next_fragment().unwrap();
    }
    let saved = dir.file("joined.mp4");
    for _ in 0..3 {
        let mut client = server.follow("");
        assert_eq!(recording(&mut client, 100, &saved), (true, false));
        let shown = decode(&saved);
        assert!(
            (70..100).contains(&shown),
            "{shown}: some are decoded and not shown"
        );
    }
    until("what it lacks is named", || {
        server.camera("reason").contains("refreshed bit by bit")
    });
    assert_eq!(server.camera("healthy"), "true");
}
