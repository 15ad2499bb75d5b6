//! Commands as sources, from the outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;
use support::{Dir, Server, children, film, follows, have, until};

/// x264's output in a file: High, two slices a picture, 3- and 4-byte start codes, a key frame every 15 pictures.
fn x264(dir: &Dir, options: &str) -> Option<std::path::PathBuf> {
    if !have("ffmpeg") || !have("python3") {
        return None;
    }
    let file = dir.file("in.h264");
    let options = format!("slices=2:keyint=15:min-keyint=15:scenecut=0:bframes=0{options}");
    let codec = [
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264",
        "-profile:v",
        "high",
        "-preset",
        "veryfast",
        "-x264-params",
        &options,
        "-f",
        "h264",
    ];
    film("testsrc2=size=640x480:rate=30", 90, &codec, &file);
    Some(file)
}

/// The slices of a byte stream, by a search that has nothing in common with the program's.
fn slices(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (0..stream.len().saturating_sub(2))
        .filter(|i| stream[*i..].starts_with(&[0, 0, 1]))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let nals = starts.iter().zip(ends).map(|(start, end)| {
        let nal = &stream[start + 3..end];
        &nal[..nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
    });
    nals.filter(|nal| matches!(nal[0] & 31, 1 | 5)).collect()
}

fn replay(file: &Path, fps: u32, how: &str) -> Server {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    Server::with_config(&format!(
        "[server]\nmax_age_ms = 60000\n[exec]\ncommand = exec python3 {script} {} {fps} {how}\nlinger_s = 0\n",
        file.display()
    ))
}

/// Every slice that comes out is one that went in, byte for byte, and none is missing.
#[test]
fn slices_come_out_as_they_went_in() {
    for (options, how) in [
        ("", "odd"),
        (":aud=1", "odd"),
        ("", "units"),
        (":aud=1", "units"),
        ("", "nals"),
    ] {
        let dir = Dir::new();
        let Some(file) = x264(&dir, options) else { return };
        let stream = std::fs::read(&file).unwrap();
        let fed = slices(&stream);
        assert_eq!(fed.len(), 180);
        let server = replay(&file, 120, how);
        let mut client = server.follow("");
        let mut expected = None;
        for number in 0..300 {
            let fragment = client.next_fragment().unwrap();
            let got: Vec<&[u8]> = fragment
                .nal_units()
                .into_iter()
                .filter(|nal| matches!(nal[0] & 31, 1 | 5))
                .collect();
            assert_eq!(got.len(), 2, "frame {number} of {how:?}{options}");
            let at = expected.unwrap_or_else(|| {
                fed.iter()
                    .position(|slice| slice == &got[0])
                    .expect("a slice that was not fed")
            });
            assert!(
                got[0] == fed[at] && got[1] == fed[at + 1],
                "frame {number} of {how:?}{options} is another one"
            );
            assert!(
                fragment
                    .nal_units()
                    .iter()
                    .all(|nal| !matches!(nal[0] & 31, 7..=9 | 12)),
                "only what belongs into a sample"
            );
            expected = Some((at + 2) % fed.len());
        }
        assert_eq!(server.camera("after_loss"), "0");
    }
}

#[test]
fn a_killed_command_comes_back_and_its_clients_go_on() {
    let dir = Dir::new();
    let Some(file) = x264(&dir, "") else { return };
    let server = replay(&file, 30, "units");
    let mut client = server.follow("");
    let mut last = client.next_fragment().unwrap();
    for _ in 0..3 {
        let pid = children(server.process.id()).pop().expect("the command runs");
        assert!(
            Command::new("kill")
                .args(["-9", &pid.to_string()])
                .status()
                .unwrap()
                .success()
        );
        until("another one runs", || {
            children(server.process.id())
                .pop()
                .is_some_and(|other| other != pid)
        });
        // The clients' next epoch begins with a key frame, and time has gone on.
        until("the client goes on", || {
            let next = client.next_fragment().expect("the client stays");
            let jump = next.time() > last.end();
            assert!(follows(&next, &last), "time goes back");
            last = next;
            jump && last.key()
        });
    }
    until("the log has it", || server.log().contains("SIGKILL"));
}

#[test]
fn the_command_ends_when_nobody_watches_and_with_the_program() {
    let dir = Dir::new();
    let Some(file) = x264(&dir, "") else { return };
    let mut server = replay(&file, 30, "units");
    let mut client = server.follow("");
    client.next_fragment().unwrap();
    assert_eq!(children(server.process.id()).len(), 1);
    drop(client);
    until("the command is gone", || children(server.process.id()).is_empty());
    until("the camera sleeps", || server.camera("state") == "asleep");
    for signal in ["-INT", "-TERM"] {
        let mut viewer = server.follow("");
        viewer.next_fragment().unwrap();
        let pid = children(server.process.id()).pop().expect("the command runs");
        server.signal(signal);
        assert!(server.wait().success());
        assert!(
            !Path::new(&format!("/proc/{pid}/stat")).exists(),
            "the command outlives the program"
        );
        server = replay(&file, 30, "units");
    }
}

#[test]
fn what_is_wrong_with_a_command_is_said() {
    for (command, reason) in [
        ("echo nothing here >&2; exit 3", "nothing here"),
        ("no-such-program-at-all", "127"),
        ("cat /dev/zero", "H.264"),
    ] {
        let server = Server::with_config(&format!("[exec]\ncommand = {command}\n"));
        until("it says why", || {
            server.camera("state") == "lost" && server.camera("reason").contains(reason)
        });
        assert!(server.get("/healthz").starts_with("HTTP/1.1 503"));
    }
}

/// A stream that turns into something else is not live for ever.
#[test]
fn a_command_that_goes_on_with_garbage_is_ended() {
    let dir = Dir::new();
    let Some(file) = x264(&dir, "") else { return };
    let garbage = "while :; do echo garbage; sleep 0.1; done";
    let server = Server::with_config(&format!("[exec]\ncommand = cat {}; {garbage}\n", file.display()));
    server.follow("").next_fragment().unwrap();
    let _viewer = server.follow("");
    // It is started again a second later.
    until("it is lost, and says why", || {
        server.camera("reason").contains("no picture in it")
    });
}

#[test]
fn streams_that_cannot_be_shown_are_refused_with_the_way_out() {
    let dir = Dir::new();
    for (options, reason) in [(":bframes=3:b-adapt=0", "B-frames"), (":tff=1", "interlaced")] {
        let Some(file) = x264(&dir, options) else { return };
        let server = replay(&file, 60, "units");
        let _viewer = server.send(b"GET /stream.mp4 HTTP/1.0\r\n\r\n");
        until("it says why", || {
            server.camera("state") == "refused" && server.camera("reason").contains(reason)
        });
    }
}

/// One bit of a NAL unit's header costs its group of pictures: the command goes on, and so do its clients.
#[test]
fn a_flipped_bit_costs_a_group_and_no_client() {
    let dir = Dir::new();
    let Some(file) = x264(&dir, "") else { return };
    let mut stream = std::fs::read(&file).unwrap();
    // The fifth picture's second slice becomes a data partition, which would be a reason to refuse the stream.
    let slices: Vec<usize> = (0..stream.len() - 3)
        .filter(|at| stream[*at..].starts_with(&[0, 0, 1]) && matches!(stream[at + 3] & 31, 1 | 5))
        .collect();
    stream[slices[9] + 3] ^= 2;
    std::fs::write(&file, stream).unwrap();
    let server = replay(&file, 120, "units");
    let mut client = server.follow("");
    let command = children(server.process.id());
    let (mut keys, mut frames) = (0, 0);
    while frames < 300 {
        keys += usize::from(client.next_fragment().expect("it goes on").key());
        frames += 1;
    }
    // Of 90 pictures, 11 can't be shown: the damaged one and those up to the next key frame.
    assert!(keys >= 300 / 15, "{keys}");
    assert_ne!(server.camera("after_loss"), "0");
    assert_eq!(children(server.process.id()), command, "it is the same run");
}

/// frame_mbs_only_flag 0 says that there may be fields, not that there are.
#[test]
fn frames_of_a_stream_that_may_have_fields_are_served() {
    let dir = Dir::new();
    let Some(file) = x264(&dir, ":fake-interlaced=1") else {
        return;
    };
    let server = replay(&file, 60, "units");
    let mut client = server.follow("");
    for _ in 0..60 {
        client.next_fragment().expect("it is served");
    }
    assert_eq!(server.camera("state"), "live");
}
