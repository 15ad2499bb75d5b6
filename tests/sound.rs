//! Sound beside the picture: two tracks that every reader takes, in step from the first picture on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use support::recorders::{decode, length, record as record_all};
use support::{Dir, Server, Stream, have, numbers_in_pictures, run};

const CONFIG: &str = "[server]\nlisten = 127.0.0.1\nport = 0\nmax_age_ms = 60000\n\
                      [test]\nmic = test\nwidth = 320\nheight = 240\nlinger_s = 0\n";
const FPS: u64 = 30;

fn server() -> Server {
    Server::with_config(CONFIG)
}

/// Of one track, in its timescale.
struct Packet {
    dts: i64,
    duration: i64,
}

/// The packets of a file, by its tracks: video and sound.
fn packets(file: &str) -> [Vec<Packet>; 2] {
    ["v", "a"].map(|track| {
        let arguments = "-v warning -show_entries packet=dts,duration -of csv=p=0 -select_streams";
        let mut arguments: Vec<&str> = arguments.split(' ').collect();
        arguments.extend([track, file]);
        let probe = run("ffprobe", &arguments);
        assert_eq!(String::from_utf8_lossy(&probe.stderr), "");
        let text = String::from_utf8(probe.stdout).unwrap();
        let packet = |line: &str| {
            let (dts, duration) = line.trim_end_matches(',').split_once(',').unwrap();
            Packet {
                dts: dts.parse().unwrap(),
                duration: duration.parse().unwrap(),
            }
        };
        text.lines().map(packet).collect()
    })
}

/// Where the beeps begin, in seconds of media time.
fn beeps(sound: &[i16]) -> Vec<f64> {
    let mut beeps = Vec::new();
    let mut quiet = usize::MAX;
    for (at, sample) in sound.iter().enumerate() {
        if sample.unsigned_abs() > 2000 {
            // Half a second of silence is before each; before the first one there may be less.
            if quiet > 4800 && at > 2400 {
                beeps.push(at as f64 / 48_000.0);
            }
            quiet = 0;
        } else {
            quiet = quiet.saturating_add(1);
        }
    }
    beeps
}

/// Where the picture's seconds begin. One that a busy machine drew late has its place before its capture (and lasts longer):
/// it is left out. How long it lasts is told by the next one, as ffprobe is wrong about that behind a hole.
fn seconds(file: &str, packets: &[Packet]) -> Vec<f64> {
    let numbers = numbers_in_pictures(file, 320);
    assert_eq!(numbers.len(), packets.len());
    let begins = numbers.iter().zip(packets.windows(2));
    let is_second = |number: u32| u64::from(number) % FPS == 0;
    let begins = begins.filter(|(number, pair)| is_second(**number) && pair[1].dts - pair[0].dts <= 3300);
    begins.map(|(_, pair)| pair[0].dts as f64 / 90_000.0).collect()
}

/// Every reader takes it, both tracks go on without a step back, and each beep begins with a second of the picture. Gives
/// the time of the first picture.
fn assert_in_step(file: &Path) -> i64 {
    let decoded = decode(file);
    let file = file.to_str().unwrap();
    let [video, sound] = packets(file);
    for track in [&video, &sound] {
        assert!(track.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    }
    // Nothing is from before the first picture. An AAC frame is 1024 samples.
    let begin = sound[0].dts - video[0].dts * 8 / 15;
    assert!((0..4096).contains(&begin), "{begin}");
    // Without a hole, but where the source itself paused for over a second, as the test picture does on a busy machine.
    let apart = sound.windows(2).map(|pair| pair[1].dts - pair[0].dts);
    let holes: Vec<(usize, i64)> = apart.enumerate().filter(|(_, apart)| *apart != 1024).collect();
    assert!(holes.iter().all(|(_, apart)| *apart > 48_000), "{holes:?}");
    assert!(sound.iter().all(|frame| frame.duration == 1024));

    let (beeps, seconds) = (beeps(&decoded), seconds(file, &video));
    let off = |second: f64| {
        let nearest = beeps.iter().map(|beep| beep - second);
        nearest.min_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap()
    };
    let end = beeps.last().copied().unwrap_or_default();
    let inner = seconds.into_iter().filter(|at| *at > 0.2 && *at < end);
    let offs: Vec<f64> = inner.map(off).collect();
    assert!(offs.len() >= 3, "{offs:?} {beeps:?}");
    let most_ms = |offs: &[f64]| offs.iter().fold(0.0, |most: f64, off| most.max(off.abs())) * 1e3;
    println!(
        "{file}: of {} beeps, the first ten are off by {:.1} ms at most, the last ten by {:.1} ms; {} holes",
        offs.len(),
        most_ms(&offs[..offs.len().min(10)]),
        most_ms(&offs[offs.len().saturating_sub(10)..]),
        holes.len()
    );
    assert!(most_ms(&offs) <= 20.0, "{offs:?}");
    video[0].dts
}

/// Reads whole fragments into a file until there are so many seconds.
fn record(mut stream: Stream, seconds: u64, file: &Path) {
    let mut bytes = Vec::new();
    let mut pictures = 0;
    while pictures < seconds * FPS {
        let next = stream.next_box().expect("the stream goes on");
        bytes.extend_from_slice(&next.bytes);
        pictures += u64::from(next.kind == *b"moof" && is_picture(&next.bytes));
    }
    bytes.extend_from_slice(&stream.next_box().unwrap().bytes);
    std::fs::write(file, bytes).unwrap();
}

/// By the track_ID of a moof.
fn is_picture(moof: &[u8]) -> bool {
    moof[44..48] == [0, 0, 0, 1]
}

#[test]
fn the_beep_begins_with_the_picture_at_the_start_later_and_after_sleep() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let server = server();
    let dir = Dir::new();
    let file = dir.file("recording.mp4");
    let first = server.follow("");
    record(first, 6, &file);
    assert_eq!(assert_in_step(&file), 0, "a recording starts at zero");
    let described = run(
        "ffprobe",
        &["-v", "warning", "-show_streams", file.to_str().unwrap()],
    );
    let described = String::from_utf8_lossy(&described.stdout);
    for word in [
        "codec_name=h264",
        "codec_name=aac",
        "profile=LC",
        "sample_rate=48000",
        "channels=1",
    ] {
        assert!(described.contains(word), "{word}: {described}");
    }

    support::until("the camera sleeps", || server.camera("state") == "asleep");
    let keeps_awake = server.follow("");
    record(keeps_awake, 2, &dir.file("unused.mp4"));
    // Somebody else has been there for a while: the group has begun before.
    let other = server.follow("");
    record(server.follow(""), 6, &file);
    let zero_90k = assert_in_step(&file);
    assert!(
        (0..15).contains(&zero_90k),
        "whole in both timescales: {zero_90k}"
    );
    drop(other);
}

#[test]
fn the_video_alone_is_that_of_a_camera_without_sound() {
    if !have("curl") || !have("ffprobe") {
        return;
    }
    let server = server();
    let silent = Server::with_config(&CONFIG.replace("mic = test", "mic = no"));
    let init = |server: &Server, query: &str| {
        let mut stream = server.follow(query);
        let [ftyp, moov] = [(); 2].map(|()| stream.next_box().unwrap().bytes);
        let moof = stream.next_box().unwrap();
        assert!(is_picture(&moof.bytes));
        assert_eq!(moof.bytes[60..68], [0; 8], "it begins at zero");
        let tracks: BTreeSet<bool> = (0..200)
            .filter_map(|_| stream.next_box())
            .filter(|next| next.kind == *b"moof")
            .map(|moof| is_picture(&moof.bytes))
            .collect();
        (ftyp, moov, tracks.len())
    };
    let (alone, without) = (init(&server, "?audio=0"), init(&silent, ""));
    assert_eq!(alone, without);
    let dir = Dir::new();
    let picture = run("curl", &["-s", "-f", &server.url("/snapshot.mp4")]);
    let picture = dir.write("snapshot.mp4", picture.stdout);
    let [video, sound] = packets(picture.to_str().unwrap());
    assert_eq!((video.len(), sound.len()), (1, 0));
    let codecs = |query: &str| {
        let answer = server.ask(&format!(
            "HEAD /stream.mp4{query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        answer
            .split("codecs=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_string()
    };
    assert_eq!(
        (codecs("?audio=0"), codecs("")),
        ("avc1.42c01e".into(), "avc1.42c01e,mp4a.40.2".into())
    );
}

#[test]
fn hls_has_both_tracks_and_the_video_alone() {
    if !have("ffmpeg") || !have("ffprobe") || !have("curl") {
        return;
    }
    let server = server();
    let dir = Dir::new();
    let multivariant = server.get("/stream.m3u8");
    assert!(
        multivariant.contains("CODECS=\"avc1.42c01e,mp4a.40.2\""),
        "{multivariant}"
    );
    let alone = server.get("/stream.m3u8?audio=0");
    assert!(
        alone.contains("CODECS=\"avc1.42c01e\"") && alone.contains("\nstreaminf.m3u8?audio=0\n"),
        "{alone}"
    );
    for (query, tracks) in [("", 2), ("?audio=0", 1)] {
        let file = dir.file("hls.mp4");
        let url = server.url(&format!("/stream.m3u8{query}"));
        let taken = Command::new("ffmpeg")
            .args([
                "-v", "warning", "-y", "-i", &url, "-t", "6", "-map", "0", "-c", "copy",
            ])
            .arg(&file)
            .output()
            .unwrap();
        // ffmpeg says so of each init segment that it reads again.
        let of_ours = |line: &&str| !line.contains("duplicated MOOV") && !line.contains("message repeated");
        let said = String::from_utf8_lossy(&taken.stderr);
        assert_eq!(said.lines().find(of_ours), None, "{query}");
        let [video, sound] = packets(file.to_str().unwrap());
        assert!(!video.is_empty());
        assert_eq!(sound.is_empty(), tracks == 1);
    }
}

/// For so many MINUTES, if that is set (make sync): the offset does not grow.
#[test]
fn each_way_has_both_in_step() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let dir = Dir::new();
    for file in record_all(&server(), length(8), &dir) {
        assert_in_step(&file);
    }
}
