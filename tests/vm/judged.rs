//! What `recorded.rs` left, by the players of the host: every file plays to its last picture, and no picture is missing that nobody told of.
//!
//! The environment variable VM_KEPT names the folder. It is another machine's, so nothing here needs the virtual one.

use super::support::{decode, have, numbers_in_pictures, run, skip};
use fmp4streamer::format::fmp4::reader::walk;
use fmp4streamer::format::fmp4::{Extent, TIMESCALE, VIDEO_TRACK, about, extent};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Of the pictures.
const WIDTH: usize = 160;
/// A source that paused, as the test picture does on a slow machine, leaves a hole in media time; a picture that is missing leaves another
/// number in the pictures. See `support::follows`.
const PAUSE_90K: u64 = TIMESCALE as u64 * 4 / 10;

/// What a file has.
#[derive(Clone)]
struct File {
    run: u64,
    /// Of each picture: its number, when it begins and when it ends in media time.
    pictures: Vec<(u32, u64, u64)>,
}

impl File {
    /// Reads it, and has all players play it.
    fn new(path: &Path) -> File {
        let bytes = fs::read(path).unwrap();
        assert_eq!(extent(&bytes), Extent::Closed, "{path:?} has no index");
        let about = about(&bytes).unwrap();
        let mut spans = Vec::new();
        for traf in walk(&bytes)
            .unwrap()
            .iter()
            .filter(|found| found.path == "moof/traf")
        {
            // tfhd, tfdt and trun, as the program writes them: see `Index::add`.
            let u32_at = |at: usize| u32::from_be_bytes(traf.whole[at..at + 4].try_into().unwrap());
            if u32_at(20) == VIDEO_TRACK {
                let mut begin = about.media_90k + (u64::from(u32_at(36)) << 32 | u64::from(u32_at(40)));
                for sample in traf.whole[64..].chunks_exact(12) {
                    let end = begin + u64::from(u32::from_be_bytes(sample[..4].try_into().unwrap()));
                    spans.push((begin, end));
                    begin = end;
                }
            }
        }
        assert_eq!(decode(path), spans.len() as u64, "{path:?}");
        assert_eq!(
            gstreamer_counts(path).unwrap_or(spans.len()),
            spans.len(),
            "{path:?}"
        );
        let numbers = numbers_in_pictures(path.to_str().unwrap(), WIDTH);
        assert_eq!(numbers.len(), spans.len(), "{path:?}");
        // For tests/browsers.
        let last = numbers[numbers.len() - 1].to_string();
        fs::write(path.with_extension("last"), last).unwrap();
        let pictures = numbers.into_iter().zip(spans);
        File {
            run: about.run,
            pictures: pictures
                .map(|(number, (begin, end))| (number, begin, end))
                .collect(),
        }
    }
}

/// The pictures that GStreamer finds in a file.
fn gstreamer_counts(path: &Path) -> Option<usize> {
    let line = format!(
        "60 gst-launch-1.0 -v filesrc location={} ! qtdemux ! h264parse ! fakesink silent=false",
        path.display()
    );
    let played = run("timeout", &line.split_whitespace().collect::<Vec<_>>());
    let said = String::from_utf8_lossy(&played.stdout);
    assert!(
        played.status.success() && played.stderr.is_empty(),
        "{path:?}: {said}"
    );
    Some(said.matches("last-message = chain ").count())
}

/// What one list says of the files that were there.
fn judge(text: &str, files: &HashMap<u64, File>) {
    let (mut there, mut gaps, mut up_to_90k) = (Vec::new(), Vec::new(), 0);
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |n: usize| words[n].parse::<i64>().unwrap().max(0) as u64;
        match words[0] {
            "file" => there.push(files[&number(1)].clone()),
            "gap" => gaps.push((number(1) * 9 / 100, number(2) * 9 / 100)),
            _ => up_to_90k = number(1) * 9 / 100,
        }
    }
    there.sort_by_key(|file| (file.run, file.pictures[0].1));
    for run in there.chunk_by(|one, other| one.run == other.run) {
        let pictures: Vec<_> = run.iter().flat_map(|file| &file.pictures).collect();
        for pair in pictures.windows(2) {
            let [(number, _, end), (next, begin, _)] = *pair else {
                unreachable!()
            };
            assert!(begin >= end, "media time goes back: {pair:?}");
            let is_told = gaps.iter().any(|(from, to)| from <= end && begin <= to);
            let is_next = *next == number + 1 && (begin == end || begin - end > PAUSE_90K);
            assert!(is_next || is_told, "{pair:?} {gaps:?}");
        }
    }
    let end = there
        .last()
        .map_or(0, |file| file.pictures[file.pictures.len() - 1].2);
    assert!(end >= up_to_90k, "{end} {up_to_90k}");
}

#[test]
fn what_faults_left_plays_and_nothing_is_missing() {
    let Some(kept) = std::env::var_os("VM_KEPT") else {
        return skip("nothing is recorded (VM_KEPT is not set)");
    };
    if !have("ffmpeg") || !have("ffprobe") || !have("gst-launch-1.0") {
        return;
    }
    let mut files = HashMap::new();
    for entry in fs::read_dir(&kept).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "mp4") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        match name.parse::<u64>() {
            Ok(number) => _ = files.insert(number, File::new(&path)),
            // The live picture lost none.
            Err(_) => {
                let numbers = numbers_in_pictures(path.to_str().unwrap(), WIDTH);
                assert!(numbers.len() > 80 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
            }
        }
    }
    let mut lists = 0;
    for entry in fs::read_dir(Path::new(&kept).join("lists")).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        judge(&fs::read_to_string(&path).unwrap(), &files);
        lists += 1;
    }
    println!("{} files play; {lists} lists are whole", files.len());
    assert!(lists > 0);
}
