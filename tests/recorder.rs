//! The recorder of a program that runs: what it leaves on its disk, whatever happens to the two.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;
use support::{
    Clock, Dir, Server, gstreamer_plays, have, numbers_in_pictures, on_small_disk, pictures, run, until,
};

/// The config of a camera that is recorded into that folder, with more in [server] and in the camera's section.
fn config(folder: &Path, server: &str, camera: &str) -> String {
    let folder = folder.display();
    format!(
        "[server]\nsandbox = strict\nrecord_dir = {folder}\nrecord_keep_free = 0\n{server}\n\
         [test]\nname = yard\nmic = test\n{camera}\n"
    )
}

/// A folder for recordings.
fn folder(dir: &Dir) -> PathBuf {
    let folder = dir.file("recordings");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(".fmp4streamer"), "").unwrap();
    folder
}

/// The recordings, the oldest first.
fn recordings(folder: &Path) -> Vec<PathBuf> {
    files_below(&folder.join("yard"))
}

/// The files in folders in that one, by their names.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let within = |folder: &Path| -> Vec<PathBuf> {
        let found = fs::read_dir(folder).into_iter().flatten();
        found.map(|entry| entry.unwrap().path()).collect()
    };
    let mut files: Vec<PathBuf> = within(folder).iter().flat_map(|day| within(day)).collect();
    files.sort();
    files
}

fn bytes(folder: &Path) -> u64 {
    let files = recordings(folder);
    files.iter().map(|file| file.metadata().unwrap().len()).sum()
}

/// Plays to its end, with picture and sound; gives its seconds.
fn plays(file: &Path) -> f64 {
    let file = file.to_str().unwrap();
    // Times as they are, and not as numbers of frames at the rate that it guesses: a busy machine's are uneven.
    let times = "-fps_mode passthrough -enc_time_base:v 1:90000 -f null -";
    let input = ["-v", "warning", "-xerror", "-i", file];
    let decoded = run(
        "ffmpeg",
        &[&input[..], &times.split(' ').collect::<Vec<_>>()].concat(),
    );
    assert!(decoded.status.success(), "{file}");
    assert_eq!(String::from_utf8_lossy(&decoded.stderr), "", "{file}");
    gstreamer_plays(Path::new(file));
    let show = "-v error -show_entries stream=codec_name:format=duration -of csv=p=0";
    let probed = String::from_utf8(ffprobe(show, file).stdout).unwrap();
    let lines: Vec<&str> = probed.lines().collect();
    assert_eq!(lines[..2], ["h264", "aac"], "{file}");
    lines[2].parse().unwrap()
}

fn ffprobe(show: &str, file: &str) -> Output {
    run(
        "ffprobe",
        &[&show.split(' ').collect::<Vec<_>>()[..], &[file]].concat(),
    )
}

/// Whether it has its index: a player need not read all of it to look for a time.
fn has_index(file: &Path) -> bool {
    let bytes = fs::read(file).unwrap();
    bytes[..bytes.len().min(128 << 10)]
        .windows(4)
        .any(|kind| kind == b"sidx")
}

#[test]
fn what_a_kill_left_is_repaired_at_the_next_start() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let dir = Dir::new();
    let folder = folder(&dir);
    let foreign = folder.join("yard/2026-11-28/notes.mp4");
    fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    fs::write(&foreign, "mine").unwrap();
    let config = config(&folder, "", "record = always");
    let start = || Server::with_config(&config);

    let mut killed = start();
    until("something is recorded", || {
        recordings(&folder).len() == 2 && bytes(&folder) > 300_000
    });
    assert_eq!(killed.camera("recorder"), "recording");
    // Another program is told.
    let second = start();
    until("it is told", || second.camera("recorder") == "stopped");
    assert_eq!(
        second.camera("recorder_why"),
        "another program records into record_dir"
    );
    assert_eq!(second.camera("state"), "live");
    assert!(
        second
            .get("/metrics")
            .contains("recorder_up{camera=\"yard\"} 0\n")
    );
    drop(second);
    killed.process.kill().unwrap();
    killed.wait();
    let left = recordings(&folder)
        .into_iter()
        .find(|file| *file != foreign)
        .unwrap();
    assert!(!has_index(&left));

    let mut ended = start();
    until("it is recorded again", || recordings(&folder).len() == 3);
    until("it is told", || {
        ended.log().contains("yard: recording repaired: ")
    });
    assert!(has_index(&left));
    until("there is a second of it", || {
        ended.camera("recorder") == "recording" && ended.camera("bytes_sent") != "0"
    });
    ended.signal("-TERM");
    assert!(ended.wait().success());
    let files = recordings(&folder);
    for file in files.iter().filter(|file| **file != foreign) {
        assert!(has_index(file), "{file:?}");
        assert!(plays(file) > 0.0);
    }
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "mine");
}

#[test]
fn a_mark_has_what_was_before_it_recorded_and_a_command_gets_the_file() {
    if !have("ffmpeg") || !have("ffprobe") || !have("curl") {
        return;
    }
    let dir = Dir::new();
    let folder = folder(&dir);
    let got = dir.file("got");
    let camera = format!(
        "record = events\nrecord_done_command = echo $CAMERA $FILE >>{}",
        got.display()
    );
    let config = config(&folder, "", &camera).replace("strict", "auto");
    let mut server = Server::with_config(&format!("[anonymous]\nrole = control\n{config}"));
    until("there are some seconds", || {
        server.camera("recorder") == "waiting" && server.number("frames") > 200
    });
    assert!(recordings(&folder).is_empty());
    let mark = [
        "-s",
        "-d",
        r#"{"kind":"door"}"#,
        "-H",
        "Content-Type: application/json",
        &server.url("/yard/events"),
    ];
    assert!(run("curl", &mark).status.success());
    until("it is recorded", || server.camera("recorder") == "recording");
    until("it waits for the next", || server.camera("recorder") == "waiting");
    // Two, where a multiple of five minutes is among them.
    let files = recordings(&folder);
    let lines = files.iter().map(|file| format!("yard {}\n", file.display()));
    let lines: String = lines.collect();
    until("the command has it", || {
        fs::read_to_string(&got).is_ok_and(|text| text == lines)
    });
    assert_eq!(lines.matches("_event").count(), files.len(), "{lines}");
    // Ten seconds after, and what there was before.
    let seconds: f64 = files.iter().map(|file| plays(file)).sum();
    assert!((14.0..25.0).contains(&seconds), "{seconds}");
    // One that the program's end cuts short.
    assert!(run("curl", &mark).status.success());
    until("it is recorded", || server.camera("recorder") == "recording");
    server.signal("-TERM");
    assert!(server.wait().success());
    let all = fs::read_to_string(&got).unwrap();
    let count = recordings(&folder).len();
    assert!(count > files.len());
    assert_eq!(all.lines().count(), count, "{all}");
}

/// A camera of ten JPEG pictures a second, with that in its section.
fn of_jpeg_pictures(folder: &Path, key: &str) -> Server {
    let pictures = "ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=10 -f mjpeg -";
    Server::with_config(&format!(
        "[server]\nrecord_dir = {}\nrecord_keep_free = 0\n[exec]\nname = yard\ncommand = {pictures}\n{key}\n",
        folder.display()
    ))
}

#[test]
fn jpeg_pictures_become_mjpeg_in_mp4() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let dir = Dir::new();
    let folder = folder(&dir);
    let mut server = of_jpeg_pictures(&folder, "record = always");
    until("some seconds are recorded", || server.number("frames") >= 30);
    assert_eq!(server.camera("recorder"), "recording");
    server.signal("-TERM");
    assert!(server.wait().success());
    let files = recordings(&folder);
    let mut all = 0.0;
    // On a busy machine pictures may come so late that another file begins.
    for file in &files {
        assert!(has_index(file));
        let file = file.to_str().unwrap();
        let show = "-v warning -count_frames -show_entries stream=codec_name,nb_read_frames:format=duration -of csv=p=0";
        let probed = run(
            "ffprobe",
            &[&show.split(' ').collect::<Vec<_>>()[..], &[file]].concat(),
        );
        assert_eq!(String::from_utf8_lossy(&probed.stderr), "");
        let probed = String::from_utf8(probed.stdout).unwrap();
        let fields: Vec<&str> = probed.split([',', '\n']).collect();
        assert_eq!(fields[0], "mjpeg");
        let (frames, seconds): (f64, f64) = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
        assert!((seconds - frames / 10.0).abs() < 1.0, "{probed}");
        all += frames;
    }
    assert!(all >= 20.0, "{all}");
}

/// The pictures of a time-lapse: their numbers.
fn lapse(file: &Path) -> Vec<u32> {
    // It may be growing.
    let dir = Dir::new();
    let copy = dir.file("copy.mp4");
    fs::copy(file, &copy).unwrap();
    let file = copy.to_str().unwrap();
    let numbers = numbers_in_pictures(file, 640);
    assert_eq!(numbers.len(), lapse_pictures(file), "{file}");
    numbers
}

/// How many pictures there are, each of which a player can begin with and is shown for a 25th of a second.
fn lapse_pictures(file: &str) -> usize {
    let show = "-v error -show_entries packet=pts_time,flags -of csv=p=0";
    let packets = ffprobe(show, file);
    assert_eq!(String::from_utf8_lossy(&packets.stderr), "", "{file}");
    let packets = String::from_utf8(packets.stdout).unwrap();
    for (number, packet) in packets.lines().enumerate() {
        let expected = format!("{:.6},K", number as f64 / 25.0);
        assert!(packet.starts_with(&expected), "{file}: {packet}");
    }
    packets.lines().count()
}

#[test]
fn a_time_lapse_wakes_its_camera_and_plays_after_a_kill() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let dir = Dir::new();
    let folder = folder(&dir);
    let files = || files_below(&folder.join("yard.timelapse"));
    let size = |file: &PathBuf| file.metadata().map_or(0, |about| about.len());
    let config = |camera| {
        format!(
            "[user anna]\npassword = plain:secret\nrole = admin\n[anonymous]\nrole = control\n{}",
            config(&folder, "", camera)
        )
    };
    // Between two pictures it does not sleep: it would be woken sooner than that.
    let began = Instant::now();
    let mut killed = Server::with_config(&config("timelapse_s = 2"));
    until("there are five pictures", || {
        files()
            .first()
            .is_some_and(|file| size(file) > 0 && lapse(file).len() >= 5)
    });
    assert_eq!(killed.camera("recorder"), "recording");
    killed.process.kill().unwrap();
    killed.wait();
    let first = files().remove(0);
    let numbers = lapse(&first);
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    // One in two seconds and no more, the first after five.
    let most = (began.elapsed().as_secs() - 5) / 2 + 1;
    assert!(numbers.len() as u64 <= most, "{numbers:?}");
    assert!(!has_index(&first));

    let mut ended = Server::with_config(&config("timelapse_s = 12\nlinger_s = 0"));
    until("what was left is repaired", || has_index(&first));
    assert_eq!(lapse(&first), numbers);
    until("another one has begun", || files().len() == 2);
    until("the camera sleeps", || ended.camera("state") == "asleep");
    until("it was woken for the next picture", || {
        lapse(&files()[1]).len() >= 2
    });
    let day = files()[1].parent().unwrap().file_name().unwrap().to_owned();
    let day = day.to_str().unwrap();
    assert!(
        ended
            .get("/yard/recordings/days")
            .contains(&format!("\"{day}\"]"))
    );
    let (head, movie) = pictures::get(&ended, &format!("/yard/clip.mp4?day={day}"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let saved = dir.file("day.mp4");
    fs::write(&saved, movie).unwrap();
    let begins = if first.parent() == files()[1].parent() {
        numbers
    } else {
        Vec::new()
    };
    let shown = numbers_in_pictures(saved.to_str().unwrap(), 640);
    assert!(
        shown.starts_with(&begins) && shown.len() >= begins.len() + 2,
        "{shown:?}"
    );
    // Each is in the list of its day, from where it is taken and deleted as recordings are.
    let names = listed(&ended, day);
    let is_of_day = first.parent() == files()[1].parent();
    assert_eq!(names.len(), if is_of_day { 2 } else { 1 }, "{names:?}");
    let open = format!("/yard/recordings/{}", names.last().unwrap());
    let own = first.strip_prefix(folder.join("yard.timelapse")).unwrap();
    let own = format!("/yard/recordings/timelapse/{}", own.display());
    let (head, file) = pictures::get(&ended, &own);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(file, fs::read(&first).unwrap());
    let delete = |path: &str| {
        let fields = "Host: localhost\r\nConnection: close\r\nContent-Length: 0\r\nAuthorization: Basic YW5uYTpzZWNyZXQ=";
        ended.ask(&format!("POST {path}?delete HTTP/1.1\r\n{fields}\r\n\r\n"))
    };
    for (path, status) in [(&open, "409"), (&own, "204"), (&own, "404")] {
        let answer = delete(path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert!(!first.exists());
    assert_eq!(listed(&ended, day), [&open["/yard/recordings/".len()..]]);
    ended.signal("-TERM");
    assert!(ended.wait().success());
    assert!(has_index(&files()[0]) && lapse(&files()[0]).len() >= 2);
    assert!(recordings(&folder).is_empty());
}

/// The names in the list of a day.
fn listed(server: &Server, day: &str) -> Vec<String> {
    let list = server.get(&format!("/yard/recordings?day={day}"));
    let names = list.split("\"name\":\"").skip(1);
    names
        .map(|rest| rest[..rest.find('"').unwrap()].to_owned())
        .collect()
}

#[test]
fn a_time_lapse_of_jpeg_pictures_plays() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let dir = Dir::new();
    let folder = folder(&dir);
    let mut server = of_jpeg_pictures(&folder, "timelapse_s = 1");
    let files = || files_below(&folder.join("yard.timelapse"));
    let mut day = String::new();
    until("there are four pictures", || {
        let Some(file) = files().pop() else { return false };
        day = file
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let list = server.get(&format!("/yard/recordings?day={day}"));
        let seconds = list.split("\"seconds\":").nth(1).unwrap_or("0,");
        seconds[..seconds.find(',').unwrap()].parse::<f64>().unwrap() >= 0.16
    });
    let (head, all) = pictures::get(&server, &format!("/yard/clip.mp4?day={day}"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let saved = dir.write("day.mp4", &all);
    let name = listed(&server, &day).pop().unwrap();
    assert!(name.starts_with("timelapse/"), "{name}");
    let (head, one) = pictures::get(&server, &format!("/yard/recordings/{name}"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let open = dir.write("open.mp4", &one);
    server.signal("-TERM");
    assert!(server.wait().success());
    let closed = files().pop().unwrap();
    assert!(has_index(&closed));
    for file in [saved, open, closed] {
        let file = file.to_str().unwrap();
        let pictures = lapse_pictures(file);
        assert!(pictures >= 4, "{file}: {pictures}");
        let show = "-v warning -count_frames -show_entries stream=codec_name,nb_read_frames -of csv=p=0";
        let decoded = ffprobe(show, file);
        assert_eq!(String::from_utf8_lossy(&decoded.stderr), "", "{file}");
        let decoded = String::from_utf8(decoded.stdout).unwrap();
        assert_eq!(decoded.trim(), format!("mjpeg,{pictures}"), "{file}");
    }
}

/// Where a folder of that namespace is to be found.
fn inside(server: &Server, folder: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", server.process.id(), folder.display()))
}

#[test]
fn a_full_disk_costs_recordings_and_nothing_else() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let dir = Dir::new();
    let folder = dir.file("disk");
    let Some(program) = on_small_disk(&folder, 2, Path::new(Server::PROGRAM)) else {
        return;
    };
    let server = Server::with_config_as(program, &config(&folder, "", "record = always"));
    let inside = inside(&server, &folder);
    until("something is recorded", || bytes(&inside) > 250_000);
    // Somebody else takes the rest.
    let other = inside.join("other");
    _ = fs::write(&other, vec![1; 2 << 20]);
    until("it is told", || server.camera("recorder") == "stopped");
    let why = server.camera("recorder_why");
    assert!(why.starts_with("the disk is full"), "{why}");
    assert_eq!(
        (server.camera("state"), server.camera("healthy")),
        ("live".into(), "true".into())
    );
    assert!(
        server
            .get("/healthz")
            .contains("recording is stopped: the disk is full")
    );
    // What there was no room for at all is not there.
    let files = recordings(&inside);
    assert!(files.iter().all(|file| has_index(file) && plays(file) > 0.0));

    fs::remove_file(&other).unwrap();
    until("it goes on", || server.camera("recorder") == "recording");
    assert!(recordings(&inside).len() > files.len());
}

/// The clock goes on by an hour at a time, or by a day's DAY_FILES-th part; each time another file begins.
#[test]
fn after_a_day_there_is_what_fits_and_nothing_has_grown() {
    let dir = Dir::new();
    let Some(clock) = Clock::new(&dir) else { return };
    let folder = dir.file("disk");
    let Some(mut program) = on_small_disk(&folder, 1, Path::new(Server::PROGRAM)) else {
        return;
    };
    clock.give(&mut program);
    // In a zone without summer time, names are in the order of the files.
    program.env("TZ", "UTC");
    let config = format!(
        "[server]\nsandbox = off\nrecord_dir = {}\nrecord_keep_free = 80\n[test]\nname = yard\nwidth = 320\nheight = 240\nfps = 10\nrecord = always\n",
        folder.display()
    );
    let server = Server::with_config_as(program, &config);
    let inside = inside(&server, &folder);
    let process = format!("/proc/{}/fd", server.process.id());
    let files = || fs::read_dir(&process).unwrap().count();
    let threads = || server.proc_status("Threads");
    let resident_kb = || server.proc_status("VmRSS");

    let steps = std::env::var("DAY_FILES").map_or(24, |text| text.parse::<usize>().unwrap());
    let (mut began, mut largest, mut before) = (Vec::new(), 0, None);
    for step in 0..=steps {
        clock.set((step * 86_400 / steps) as i64);
        let known = began.len();
        until("another file begins", || {
            for file in recordings(&inside) {
                if !began.contains(&file) {
                    began.push(file);
                }
            }
            began.len() > known
        });
        // The oldest went, and no more of them than had to.
        until("there is what fits", || {
            let there = recordings(&inside);
            let size = |file: &PathBuf| file.metadata().map_or(0, |about| about.len());
            largest = there.iter().map(size).max().unwrap_or(0).max(largest);
            let limit = (1 << 20) / 5 + largest;
            began.ends_with(&there) && bytes(&inside) <= limit
        });
        if step == steps / 2 {
            before = Some((files(), threads(), resident_kb()));
        }
    }
    let (files_before, threads_before, resident_before_kb) = before.unwrap();
    until("as many files are open", || files() == files_before);
    assert_eq!(threads(), threads_before);
    assert!(resident_kb() < resident_before_kb + 1024, "{} kB", resident_kb());
    let (began, there) = (began.len(), recordings(&inside).len());
    println!("{began} files began, {there} are there, of {largest} bytes at most");
    assert!(there < began && bytes(&inside) > (1 << 20) / 10);
    assert_eq!(server.camera("recorder"), "recording");
}
