//! What README.md and docs/ tell people to paste: configs are accepted, and commands marked as run are run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod support;

use fmp4streamer::serve;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Dir, Server, assert_accepted, film, have, run, skip};

/// README.md and what is in docs/, with their texts.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = root.join("docs").read_dir().unwrap();
    let mut files: Vec<PathBuf> = docs.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "md"));
    files.push(root.join("README.md"));
    let text = |file: PathBuf| fs::read_to_string(&file).map(|text| (file, text)).unwrap();
    files.into_iter().map(text).collect()
}

/// The blocks that begin with this line.
fn blocks<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    let blocks = text.split(begin).skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap()).collect()
}

#[test]
fn every_config_is_accepted() {
    let mut count = 0;
    for (page, text) in pages() {
        // Units of systemd are such files, too.
        let configs = blocks(&text, "```ini\n");
        for config in configs.into_iter().filter(|config| !config.contains("[Service]")) {
            assert_accepted(config, &page.display().to_string());
            count += 1;
        }
    }
    assert!(count > 10, "only {count} configs");
}

/// The commands of `[exec]` sections on the pages and in the config that is installed, where they are comments; each with
/// the place where it stands.
fn commands() -> Vec<(String, String)> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("fmp4streamer.conf.dist");
    let text = fs::read_to_string(&config).unwrap();
    let mut found = Vec::new();
    for (page, text) in pages().into_iter().chain([(config, text)]) {
        let mut lines = text
            .lines()
            .map(|line| line.strip_prefix('#').unwrap_or(line))
            .peekable();
        while let Some(line) = lines.next() {
            let Some(first) = line.strip_prefix("command = ") else {
                continue;
            };
            let mut command = first.to_string();
            while let Some(more) = lines.next_if(|line| line.starts_with(' ')) {
                command = format!("{command} {}", more.trim());
            }
            found.push((page.display().to_string(), command.replace("%%", "%")));
        }
    }
    found
}

/// What a test reads in place of a camera: how that begins in a command, how it ends, and a webcam's raw pictures or a film
/// as a network camera sends it.
const STAND_INS: [(&str, &str, &str); 4] = [
    (
        "-f v4l2",
        "-i /dev/video0",
        "-f lavfi -t 45 -i testsrc2=size=320x240:rate=30,format=yuyv422",
    ),
    ("-rtsp_transport", "-i rtsp://garden.local/stream", "-i film.mp4"),
    (
        "v4l2src",
        "device=/dev/video0",
        "videotestsrc num-buffers=300 ! video/x-raw,format=YUY2,width=320,height=240,framerate=30/1",
    ),
    (
        "curl",
        "http://printer.local/stream.mjpeg",
        "ffmpeg -v error -i film.mp4 -f mpjpeg -",
    ),
];

/// The command with a stand-in for its camera.
fn with_stand_in(command: &str) -> Option<String> {
    STAND_INS.iter().find_map(|(begin, end, stand_in)| {
        let (before, rest) = command.split_once(begin)?;
        let (_, after) = rest.split_once(end)?;
        Some(format!("{before}{stand_in}{after}"))
    })
}

/// What a command needs that is not here, if there is something.
fn missing(command: &str) -> Option<String> {
    for program in command
        .split('|')
        .map(|part| part.split_whitespace().next().unwrap())
    {
        if !have(program) {
            return Some(program.to_string());
        }
    }
    if command.contains("rpicam-vid") {
        return Some("a Raspberry Pi's camera".to_string());
    }
    let elements = command.split(" ! ").skip(1);
    let elements = elements.map(|element| element.split_whitespace().next().unwrap());
    let is_there = |element: &&str| run("gst-inspect-1.0", &["--exists", element]).status.success();
    let lacks = |element: &&str| !element.contains('/') && !is_there(element);
    elements.into_iter().find(lacks).map(str::to_string)
}

/// Every command of the docs, run with a stand-in for its camera, writes what all browsers play.
#[test]
fn commands_make_video_that_all_browsers_play() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let dir = Dir::new();
    let options = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "30", "-bf", "0"];
    film(
        "testsrc2=size=320x240:rate=30",
        90,
        &options,
        &dir.file("film.mp4"),
    );
    let mut count = 0;
    for (place, command) in commands() {
        let here = with_stand_in(&command).unwrap_or_else(|| command.clone());
        if let Some(what) = missing(&here) {
            skip(&format!("{command}: {what} is not here"));
            continue;
        }
        assert_ne!(here, command, "{place}: it has no stand-in for its camera");
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &here]).current_dir(dir.file("."));
        let done = shell.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success() && said.is_empty(),
            "{place}: {here}: {said}"
        );
        let file = dir.write("output", &done.stdout);
        let entries = "stream=codec_name,pix_fmt,has_b_frames:packet=flags";
        let args = [
            "-v",
            "error",
            "-show_entries",
            entries,
            "-of",
            "flat",
            file.to_str().unwrap(),
        ];
        let probed = String::from_utf8(run("ffprobe", &args).stdout).unwrap();
        let values = |field: &str| -> Vec<&str> {
            let end = format!(".{field}");
            let lines = probed.lines().filter_map(|line| line.split_once('='));
            let of_field = lines.filter(|(name, _)| name.ends_with(&end));
            of_field.map(|(_, value)| value.trim_matches('"')).collect()
        };
        let frames = values("flags");
        match values("codec_name")[..] {
            ["h264"] => {
                let keys = frames.iter().filter(|flags| flags.starts_with('K')).count();
                let sets = done
                    .stdout
                    .windows(4)
                    .filter(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 31 == 7);
                assert_eq!(
                    (values("pix_fmt"), values("has_b_frames")),
                    (vec!["yuv420p"], vec!["0"]),
                    "{place}: {here}"
                );
                assert!(
                    keys > 1 && frames.len() <= 60 * keys && sets.count() >= keys,
                    "{place}: {here}: {keys} key frames of {}",
                    frames.len()
                );
            }
            ["mjpeg"] => assert!(frames.len() > 1, "{place}: {here}"),
            ref other => panic!("{place}: {here}: {other:?}"),
        }
        count += 1;
    }
    assert!(count > 3, "only {count} commands");
}

/// The page has the table of routes.
#[test]
fn routes_are_those_of_the_program() {
    let page = include_str!("../docs/design.md");
    let behind = page
        .split_once("<!-- routes -->\n")
        .expect("no mark for the routes");
    let found = behind
        .1
        .split_once("<!-- /routes -->")
        .expect("no mark for their end")
        .0;
    let table = serve::table_for_developers();
    assert_eq!(
        found.trim(),
        table.trim(),
        "docs/design.md should have this table:\n{table}"
    );
}

/// Runs the commands of docs/recipes.md that are marked so, and sees that each makes files that can be decoded.
fn recipes(mark: &str, server: &Server) {
    if !have("ffmpeg") || !have("ffprobe") || !have("curl") {
        return skip("no ffmpeg, no ffprobe or no curl");
    }
    let text = include_str!("../docs/recipes.md");
    let [block] = blocks(text, &format!("<!-- {mark} -->\n```sh\n"))[..] else {
        panic!("there is no block that is marked {mark}");
    };
    let (dir, mut count) = (Dir::new(), 0);
    let commands = block
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for command in commands {
        let dir = dir.file(&count.to_string());
        fs::create_dir(&dir).unwrap();
        let here = command.replace("http://pi.local:8000", &server.url(""));
        let mut shell = Command::new("sh");
        let done = shell.args(["-c", &here]).current_dir(&dir).output().unwrap();
        // 28: the time was over, as curl was told.
        let good = done.status.success() || command.contains(" -m ") && done.status.code() == Some(28);
        assert!(good, "{here}: {}", String::from_utf8_lossy(&done.stderr));
        let files: Vec<PathBuf> = dir.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
        assert!(!files.is_empty(), "{here}: made nothing");
        for file in files {
            // Not by ffmpeg: whatever it writes to has a frame rate, by which frames of a busy machine may fall together.
            let args = [
                "-v",
                "error",
                "-count_frames",
                "-show_entries",
                "stream=nb_read_frames",
            ];
            let decoded = run("ffprobe", &[&args[..], &[file.to_str().unwrap()]].concat());
            let said = String::from_utf8_lossy(&decoded.stderr);
            assert!(decoded.status.success() && said.is_empty(), "{here}: {said}");
        }
        count += 1;
    }
    assert!(count > 1, "only {count} commands");
}

#[test]
fn recipes_for_h264_work() {
    recipes("run", &Server::test_picture(&[]));
}

#[test]
fn recipes_for_jpeg_pictures_work() {
    if !have("ffmpeg") || !have("python3") {
        return skip("no ffmpeg or no python3");
    }
    let dir = Dir::new();
    let picture = dir.file("picture.jpg");
    film("testsrc2=size=320x240", 1, &[], &picture);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/jpegs.py");
    let command = format!("exec python3 {script} 10 whole {}", picture.display());
    let server = Server::with_config(&format!("[exec]\ncommand = {command}\n"));
    recipes("run jpeg", &server);
    recipes("run older", &server);
}
