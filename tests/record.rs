//! Recordings as players find them: closed, and as a crash leaves them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use fmp4streamer::format::aac::{self, Encoder};
use fmp4streamer::format::fmp4::{Fragment, Heads, Init, Origin, SoundFormat, SoundFrame, Span, about};
use fmp4streamer::format::h264::{Reader, nal_units};
use fmp4streamer::record::{RecordingFile, repair};
use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{Dir, have, run, x264};

const FPS: u64 = 25;
const SECONDS: u64 = 20;
/// A key frame is every two seconds.
const GROUP: u64 = 2;
const RATE: u32 = 48_000;
const ORIGIN: Origin<'_> = Origin {
    camera: "yard",
    run: 1,
    epoch: 0,
    media_90k: 0,
    wall_us: 1,
    synced: true,
};

/// Pictures of x264, each with the sound beside it, from a media time on that is no whole number of samples.
fn fragments(dir: &Dir) -> Vec<Arc<Fragment>> {
    const BEGIN_90K: u64 = 1_000_000_001;
    let file = dir.file("film.h264");
    let parameters = format!("aud=1:scenecut=0:keyint={}", GROUP * FPS);
    x264(
        "testsrc=size=320x240:rate=25",
        (SECONDS * FPS) as u32,
        &parameters,
        &file,
    );
    let film = std::fs::read(file).unwrap();
    let mut units: Vec<Vec<u8>> = Vec::new();
    for nal in nal_units(&film) {
        if nal[0] & 31 == 9 {
            units.push(Vec::new());
        }
        units.last_mut().unwrap().extend([&[0, 0, 0, 1], nal].concat());
    }
    let format = SoundFormat {
        rate: RATE,
        channels: 1,
        config: aac::config(RATE, 1).unwrap(),
    };
    let mut encoder = Encoder::new(RATE, 1, 64_000).unwrap();
    let mut samples = BEGIN_90K * 8 / 15;
    let (mut reader, mut init, mut fragments) = (Reader::new(), None, Vec::new());
    for (n, unit) in units.iter().enumerate() {
        let unit = reader.read(unit).unwrap().unwrap();
        let parameters = reader.parameters().unwrap();
        let init = init.get_or_insert_with(|| Arc::new(Init::new(Arc::clone(parameters), 0, Some(format))));
        let span = Span {
            time_90k: BEGIN_90K + n as u64 * 90_000 / FPS,
            duration_90k: (90_000 / FPS) as u32,
        };
        fragments.push(Arc::new(
            Fragment::new(Arc::clone(init), &unit, span, 0, 0).unwrap(),
        ));
        while samples * 15 / 8 < span.time_90k + u64::from(span.duration_90k) {
            let mut data = Vec::new();
            encoder.encode(&[0; 1024], &mut data);
            let frames = [SoundFrame { time_us: 0, data }];
            fragments.extend(Fragment::sound(Arc::clone(init), &frames, samples, 0).map(Arc::new));
            samples += 1024;
        }
    }
    assert_eq!(units.len() as u64, SECONDS * FPS);
    fragments
}

fn create(dir: &Dir, name: &str, first: &Fragment) -> (PathBuf, RecordingFile) {
    let path = dir.file(name);
    let file = RecordingFile::create(&path, first, ORIGIN, 1000, 0).unwrap();
    (path, file)
}

fn probe(file: &Path, what: &str) -> String {
    let arguments = what
        .split(' ')
        .chain(["-v", "warning", "-of", "csv=p=0", file.to_str().unwrap()]);
    let probe = run("ffprobe", &arguments.collect::<Vec<_>>());
    assert_eq!(String::from_utf8_lossy(&probe.stderr), "");
    String::from_utf8(probe.stdout).unwrap()
}

/// The references of a sidx, and its end: bytes, 1/90000 s.
fn references(file: &[u8]) -> (Vec<(u32, u32)>, usize) {
    let u32_at = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    let mut at = 0;
    while file[at + 4..at + 8] != *b"sidx" {
        at += u32_at(at) as usize;
    }
    let count = u16::from_be_bytes(file[at + 38..at + 40].try_into().unwrap());
    let reference = |n: usize| (u32_at(at + 40 + 12 * n), u32_at(at + 44 + 12 * n));
    (
        (0..count.into()).map(reference).collect(),
        at + u32_at(at) as usize,
    )
}

/// Players have its length, find its key frames, and read it to the end.
fn assert_plays(file: &Path, pictures: u64) {
    let path = file.to_str().unwrap();
    let decoded = run(
        "ffmpeg",
        &["-v", "warning", "-xerror", "-i", path, "-f", "null", "-"],
    );
    assert!(decoded.status.success());
    assert_eq!(String::from_utf8_lossy(&decoded.stderr), "");
    let count = "-select_streams v -count_frames -show_entries stream=nb_read_frames";
    assert_eq!(probe(file, count).trim(), pictures.to_string());
    let format = probe(file, "-show_entries format=duration");
    let seconds: f64 = format.trim().parse().unwrap();
    // The sound may end up to an AAC frame later than the last picture, which begins up to a millisecond after 0.
    let ends = (seconds - pictures as f64 / FPS as f64) * f64::from(RATE);
    assert!(
        (0.0..1080.0).contains(&ends),
        "{seconds} s of {pictures} pictures"
    );

    // Who knows the index alone.
    let bytes = std::fs::read(file).unwrap();
    let (references, mut at) = references(&bytes);
    assert_eq!(references.len() as u64, pictures.div_ceil(GROUP * FPS));
    let mut time_90k = 0;
    for (bytes_of_it, duration_90k) in &references {
        let size = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let fragment = support::Fragment::new(&bytes[at..at + size(at) + size(at + size(at))]);
        // The file's zero may be up to a millisecond before its first picture.
        assert!((fragment.time() - time_90k) < 90);
        at += *bytes_of_it as usize;
        time_90k += u64::from(*duration_90k);
    }
    assert_eq!((at, time_90k), (bytes.len(), pictures * 90_000 / FPS));

    // Who looks for a time has all pictures from there on.
    let there = "-v warning -ss 9 -map 0:v -f framemd5 -";
    let there: Vec<&str> = there.split(' ').collect();
    let seen = run("ffmpeg", &[&there[..4], &["-i", path], &there[4..]].concat());
    assert_eq!(String::from_utf8_lossy(&seen.stderr), "");
    let seen = String::from_utf8_lossy(&seen.stdout);
    let seen = seen.lines().filter(|line| !line.starts_with('#')).count() as u64;
    assert_eq!(seen, pictures - 9 * FPS);

    support::gstreamer_plays(file);
}

#[test]
fn players_take_a_recording_that_was_closed_and_one_that_a_crash_left() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let dir = Dir::new();
    let fragments = fragments(&dir);
    let (closed, mut file) = create(&dir, "closed.mp4", &fragments[0]);
    fragments
        .iter()
        .for_each(|fragment| file.push(fragment, 0).unwrap());
    file.close().unwrap();
    assert_plays(&closed, SECONDS * FPS);

    // Sixteen seconds and a half are on the disk, and some of a picture.
    let (left, mut file) = create(&dir, "left.mp4", &fragments[0]);
    let mut pictures = fragments
        .iter()
        .enumerate()
        .filter(|(_, fragment)| !fragment.is_sound());
    let (end, _) = pictures.nth(412).unwrap();
    fragments[..end]
        .iter()
        .for_each(|fragment| file.push(fragment, 0).unwrap());
    file.write_due(20_000_000).unwrap();
    drop(file);
    let mut head = Vec::new();
    fragments[end].head(1, 0, &mut head);
    let half = [&head, &fragments[end].payload()[..20]].concat();
    OpenOptions::new()
        .append(true)
        .open(&left)
        .unwrap()
        .write_all(&half)
        .unwrap();
    assert!(repair(&left).unwrap());
    assert_plays(&left, 412);
}

/// Of a disk that is full, and puts what is written again in another place, as btrfs does. Here it has to find a place for the heads
/// because they have none.
#[test]
fn a_full_disk_costs_the_heads_and_not_the_index() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    const TEST: &str = "a_full_disk_costs_the_heads_and_not_the_index";
    support::on_own_disk(TEST, 4, |disk| {
        let dir = Dir::new();
        let fragments = fragments(&dir);
        for is_closed in [true, false] {
            let path = disk.join("recording.mp4");
            let mut file = RecordingFile::create(&path, &fragments[0], ORIGIN, 64 << 10, 0).unwrap();
            fragments
                .iter()
                .for_each(|fragment| file.push(fragment, 0).unwrap());
            file.flush().unwrap();
            let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let written = OpenOptions::new().write(true).open(&path).unwrap();
            fallocate(&written, flags, 4096, 60 << 10).unwrap();
            let mut other = File::create(disk.join("other")).unwrap();
            while other.write_all(&[1; 4096]).is_ok() {}
            if is_closed {
                assert!(file.close().unwrap());
            } else {
                drop(file);
                assert!(repair(&path).unwrap());
            }
            let bytes = std::fs::read(&path).unwrap();
            let about = about(&bytes).unwrap();
            assert!(Heads::find(&bytes[about.heads_at..]).read().is_none());
            assert_plays(&path, SECONDS * FPS);
            std::fs::remove_file(path).unwrap();
            std::fs::remove_file(disk.join("other")).unwrap();
        }
    });
}
