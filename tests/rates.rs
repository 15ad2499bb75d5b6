//! Commands whose pictures come at other times, or whose streams begin in another way, than a camera's usually do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Dir, Server, film, have, until};

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
