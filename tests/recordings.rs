//! Looking back: clips out of memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, SystemTime};
use support::{Dir, Server, decode, have, run, until};

/// The head and the body of an answer.
fn get(server: &Server, path: &str) -> (String, Vec<u8>) {
    let mut socket = server
        .send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes());
    read(&mut socket)
}

fn read(socket: &mut TcpStream) -> (String, Vec<u8>) {
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (
        String::from_utf8(answer[..at].to_vec()).unwrap(),
        answer[at..].to_vec(),
    )
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            assert_eq!(&body[end..], b"\r\n\r\n");
            return whole;
        }
        whole.extend(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
}

/// The boxes of a file, by their kinds.
fn boxes(file: &[u8]) -> Vec<&[u8]> {
    let (mut kinds, mut at) = (Vec::new(), 0);
    while at < file.len() {
        kinds.push(&file[at + 4..at + 8]);
        at += u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    }
    assert_eq!(at, file.len());
    kinds
}

/// The seconds from the first picture to the end of the last, and how many there are; all of it is decoded without a word.
fn play(server: &Server, file: &[u8]) -> (f64, u64) {
    let path = server.dir.write("clip.mp4", file);
    let pictures = decode(&path);
    let probe = "-v warning -show_entries format=duration -of csv=p=0"
        .split(' ')
        .collect::<Vec<_>>();
    let probe = run("ffprobe", &[&probe[..], &[path.to_str().unwrap()]].concat());
    assert_eq!(String::from_utf8_lossy(&probe.stderr), "");
    let seconds = String::from_utf8(probe.stdout).unwrap();
    (seconds.trim().parse().unwrap(), pictures)
}

#[test]
fn a_clip_of_what_was_before_and_of_what_comes() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let server = Server::with_config("[server]\nclip_s = 3\nmax_age_ms = 60000\n[test]\nauto_sleep = no\n");
    let mut past = (String::new(), Vec::new());
    let mut age = Duration::ZERO;
    until("three seconds are in memory", || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        past = get(&server, "/clip.mp4?before=3");
        let time: f64 = field(&past.0, "X-Timestamp").map_or(f64::MAX, |time| time.parse().unwrap());
        age = now.saturating_sub(Duration::from_secs_f64(time.min(1e12)));
        age >= Duration::from_secs(3)
    });
    let (head, file) = past;
    assert_eq!(field(&head, "Content-Length").unwrap(), file.len().to_string());
    let kinds: [&[u8]; 6] = [b"ftyp", b"moov", b"uuid", b"free", b"sidx", b"moof"];
    assert_eq!(boxes(&file)[..6], kinds);
    assert!(play(&server, &file).0 > 1.0);

    // One that has ended already.
    let (head, older) = get(&server, "/clip.mp4?before=3&for=-2");
    assert_eq!(status(&head), "200");
    assert!(play(&server, &older).0 > 0.0);

    let (head, body) = get(&server, "/clip.mp4?before=1&for=1");
    assert_eq!(field(&head, "Content-Length"), None);
    let file = unchunked(&body);
    assert_eq!(boxes(&file)[..2], kinds[..2]);
    assert!(play(&server, &file).0 > 1.0);

    // One that is taken slowly, and what else is refused.
    let mut slow: Vec<TcpStream> = (0..4)
        .map(|_| server.send(b"GET /clip.mp4?for=3600 HTTP/1.0\r\n\r\n"))
        .collect();
    for socket in &mut slow {
        socket.read_exact(&mut [0]).unwrap();
    }
    assert!(get(&server, "/clip.mp4").0.starts_with("HTTP/1.1 503"));
    drop(slow);
    for query in ["before=x", "before=3601", "for=1.5", "for="] {
        assert!(
            get(&server, &format!("/clip.mp4?{query}"))
                .0
                .starts_with("HTTP/1.1 400"),
            "{query}"
        );
    }
    let mut resumed = server
        .send(b"GET /clip.mp4 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nRange: bytes=9-\r\n\r\n");
    resumed.flush().unwrap();
    assert!(read(&mut resumed).0.starts_with("HTTP/1.1 416"));
}

#[test]
fn a_camera_that_sleeps_remembers_nothing() {
    let server = Server::test_picture(&[]);
    assert!(get(&server, "/clip.mp4").0.starts_with("HTTP/1.1 503"));
    // It is woken up for what comes.
    let (_, body) = get(&server, "/clip.mp4?for=1");
    assert!(boxes(&unchunked(&body)).contains(&&b"mdat"[..]));
}

/// The answer to a request with more fields.
fn ask(server: &Server, method: &str, path: &str, fields: &str) -> (String, Vec<u8>) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
    read(&mut server.send(request.as_bytes()))
}

fn text(server: &Server, path: &str) -> String {
    let (head, body) = get(server, path);
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    String::from_utf8(body).unwrap()
}

/// The values of this member in a list, as they stand there.
fn members(list: &str, name: &str) -> Vec<String> {
    let name = format!("\"{name}\":");
    let values = list.split(&name).skip(1);
    values
        .map(|rest| {
            rest[..rest.find([',', '}']).unwrap()]
                .trim_matches('"')
                .to_string()
        })
        .collect()
}

fn status(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

/// Her password is secret:a.
const ANNA: &str =
    "password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$tpvxVCv9hLiME3SNhpBDvUuQSqxOHrAk/yHi2W2h40A=";
const ANNA_BASIC: &str = "Authorization: Basic YW5uYTpzZWNyZXQ6YQ==";

#[test]
fn what_was_recorded_is_listed_played_and_deleted() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let dir = Dir::new();
    let folder = dir.file("recordings");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join(".fmp4streamer"), "").unwrap();
    let config = |more: &str| {
        format!(
            "[server]\nsandbox = strict\nmax_clients = 200\nrecord_dir = {}\nrecord_keep_free = 0\n[test]\nname = yard\nrecord = always\n{more}\n[anonymous]\nrole = control\n[user anna]\n{ANNA}\nrole = admin\n",
            folder.display()
        )
    };
    let until_recorded = |server: &Server, files: usize| {
        until("a few seconds are recorded", || {
            let seconds = members(&list_of(server), "seconds");
            seconds.len() == files && seconds[files - 1].parse::<f64>().unwrap() > 4.0
        });
    };
    // Two files that are closed, the first one of which has sound, and one that is not.
    for (n, more) in [(1, "mic = test"), (2, "")] {
        let mut server = Server::with_config(&config(more));
        until_recorded(&server, n);
        server.signal("-TERM");
        server.wait();
        // Longer than a picture lasts: a gap.
        std::thread::sleep(Duration::from_millis(500));
    }
    let server = Server::with_config(&config(""));
    until_recorded(&server, 3);
    let listed = list_of(&server);
    let names = members(&listed, "name");
    let seconds: Vec<f64> = members(&listed, "seconds")
        .iter()
        .map(|it| it.parse().unwrap())
        .collect();
    let gaps: Vec<f64> = members(&listed, "gap")
        .iter()
        .map(|it| it.parse().unwrap())
        .collect();
    assert!(gaps[0] == 0.0 && gaps[1] > 0.0 && gaps[2] > 0.0, "{listed}");
    assert_eq!(listed.matches("\"events\":[]").count(), 3, "{listed}");
    let path = format!("/yard/recordings/{}", names[0]);
    let file = std::fs::read(folder.join("yard").join(&names[0])).unwrap();
    assert_eq!(members(&listed, "bytes")[0], file.len().to_string());

    // What happens is noted in the file that is being recorded.
    let body = r#"{"kind":"door"}"#;
    let fields = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let request =
        format!("POST /yard/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n{body}");
    let (head, _) = read(&mut server.send(request.as_bytes()));
    assert!(status(&head).starts_with("20"), "{head}");
    until("it is listed", || {
        let listed = list_of(&server);
        listed.matches("\"events\":[]").count() == 2 && listed.contains("\"events\":[[")
    });
    // It has another name from then on, and whoever knows the one before still gets it.
    let known = names;
    let names = members(&list_of(&server), "name");
    assert_eq!(names[..2], known[..2]);
    assert!(names[2].contains("_event") && names[2] != known[2], "{names:?}");
    let (head, begin) = ask(
        &server,
        "GET",
        &format!("/yard/recordings/{}", known[2]),
        "Range: bytes=0-99\r\n",
    );
    assert_eq!((status(&head), begin.len()), ("206", 100));

    // The file, and parts of it.
    let (head, whole) = get(&server, &path);
    assert_eq!((status(&head), &whole), ("200", &file));
    let tag = field(&head, "ETag").unwrap().to_string();
    for (fields, code, range) in [
        ("Range: bytes=0-\r\n", "206", 0..file.len()),
        ("Range: bytes=100-199\r\n", "206", 100..200),
        ("Range: bytes=-100\r\n", "206", file.len() - 100..file.len()),
        (
            &*format!("Range: bytes=100-199\r\nIf-Range: {tag}\r\n"),
            "206",
            100..200,
        ),
        (
            "Range: bytes=100-199\r\nIf-Range: \"other\"\r\n",
            "200",
            0..file.len(),
        ),
        ("Range: bytes=1-2,4-5\r\n", "200", 0..file.len()),
        ("Range: bytes=999999999-\r\n", "416", 0..0),
        (&*format!("If-None-Match: {tag}\r\n"), "304", 0..0),
    ] {
        let (head, body) = ask(&server, "GET", &path, fields);
        assert_eq!(status(&head), code, "{fields}");
        if code == "206" {
            let content = format!("bytes {}-{}/{}", range.start, range.end - 1, file.len());
            assert_eq!(field(&head, "Content-Range"), Some(&*content));
        }
        if code != "416" {
            assert_eq!(body, file[range], "{fields}");
        }
    }
    let (head, body) = ask(&server, "HEAD", &path, "Range: bytes=100-199\r\n");
    assert_eq!(
        (status(&head), field(&head, "Content-Length"), body.len()),
        ("206", Some("100"), 0)
    );

    // A hundred who look for some time in it a thousand times cost the recorder no picture: it would begin another file.
    std::thread::scope(|scope| {
        for client in 0..100 {
            let (server, path, file) = (&server, &path, &file);
            scope.spawn(move || {
                for seek in 0..10 {
                    let from = (client * 7919 + seek * 104_729) % (file.len() - 1000);
                    let range = format!("Range: bytes={from}-{}\r\n", from + 999);
                    let (_, body) = ask(server, "GET", path, &range);
                    assert!(body == file[from..from + 1000], "{range}");
                }
            });
        }
    });
    assert_eq!(server.camera("recorder"), "recording");
    assert_eq!(members(&list_of(&server), "name"), names);

    // Who only watches can't keep all places for clips from who runs the camera.
    let mut slow: Vec<TcpStream> = (0..4)
        .map(|_| server.send(b"GET /yard/clip.mp4?for=3600 HTTP/1.0\r\n\r\n"))
        .collect();
    for socket in &mut slow {
        socket.read_exact(&mut [0]).unwrap();
    }
    let clip = |fields: &str| ask(&server, "GET", "/yard/clip.mp4?before=2", fields).0;
    assert_eq!(status(&clip("")), "503");
    assert_eq!(status(&clip(&format!("{ANNA_BASIC}\r\n"))), "200");
    drop(slow);
    until("they have left", || status(&clip("")) == "200");

    // Nothing else is ever opened.
    let outside = dir.write("outside.mp4", "secret");
    let today = day_of(&server);
    let day = folder.join("yard").join(&today);
    std::os::unix::fs::symlink(&outside, day.join("00-00-00+0000.mp4")).unwrap();
    std::os::unix::fs::symlink(&day, folder.join("yard/2001-01-01")).unwrap();
    let file_name = names[0].split('/').nth(1).unwrap();
    for path in [
        format!("{today}/00-00-00+0000.mp4"),
        format!("2001-01-01/{file_name}"),
        "../../outside.mp4".into(),
        "..%2f..%2foutside.mp4".into(),
        "2026-11-28/../../../outside.mp4".into(),
        ".fmp4streamer".into(),
        String::new(),
    ] {
        let (head, _) = get(&server, &format!("/yard/recordings/{path}"));
        assert!(["404", "503"].contains(&status(&head)), "{path}: {head}");
    }
    // Whoever writes a day in another way is told how.
    for path in ["recordings?day=", "recordings.m3u8?day=", "clip.mp4?day="] {
        for day in ["../../yard", "yesterday", "2026-13-01"] {
            let (head, answer) = get(&server, &format!("/yard/{path}{day}"));
            assert_eq!(status(&head), "400", "{path}{day}");
            assert!(String::from_utf8_lossy(&answer).contains("2026-11-28"));
        }
    }

    // A playlist of all, which ffmpeg and our own eyes take.
    let playlist = text(&server, &format!("/yard/recordings.m3u8?day={}", today));
    assert_eq!(playlist.matches("#EXT-X-MAP").count(), 3, "{playlist}");
    assert_eq!(playlist.matches("#EXT-X-DISCONTINUITY").count(), 2);
    let lengths = playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:"));
    let length: f64 = lengths
        .map(|it| it.trim_end_matches(',').parse::<f64>().unwrap())
        .sum();
    let sum: f64 = seconds[..2].iter().sum();
    assert!(length > sum + 1.0, "{playlist}");
    let played = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-xerror",
            "-i",
            &server.url(&format!("/yard/recordings.m3u8?day={}", today)),
            "-map",
            "0:v",
            "-f",
            "null",
            "-",
        ],
    );
    assert!(
        played.status.success(),
        "{}",
        String::from_utf8_lossy(&played.stderr)
    );

    clips(&server, &folder.join("yard"), &names[..2]);

    // What is not being recorded can be deleted, and is not there any more.
    let delete = |name: &str| {
        let path = format!("/yard/recordings/{name}?delete");
        ask(
            &server,
            "POST",
            &path,
            &format!("{ANNA_BASIC}\r\nContent-Length: 0\r\n"),
        )
        .0
    };
    let now = members(&list_of(&server), "name").pop().unwrap();
    assert_eq!(status(&delete(&now)), "409");
    assert_eq!(status(&delete(&names[0])), "204");
    assert_eq!(status(&delete(&names[0])), "404");
    assert_eq!(status(&delete("2001-01-01/00-00-00+0000.mp4")), "404");
    assert_eq!(status(&get(&server, &path).0), "404");
    assert_eq!(members(&list_of(&server), "name")[..2], names[1..]);
}

/// When 2001-01-02 ends, in UTC.
const MIDNIGHT_S: u64 = 978_480_000;
const HZ: f64 = 90_000.0;

/// Puts a closed recording there three times: from five seconds before midnight on, one after the other, as if the pictures had gone on or
/// as if the program had been started anew. Gives its seconds.
fn copies(folder: &Path, file: &[u8], day_s: u64, is_one_run: bool) -> f64 {
    let place = |kind: &[u8]| file.windows(4).position(|it| it == kind).unwrap() - 4;
    let (uuid, mvhd) = (place(b"uuid"), place(b"mvhd"));
    let duration_90k = u64::from(u32::from_be_bytes(file[mvhd + 24..mvhd + 28].try_into().unwrap()));
    for n in 0..3 {
        let mut copy = file.to_vec();
        let wall_us = (MIDNIGHT_S + day_s - 5) * 1_000_000 + n * duration_90k * 100 / 9;
        let run = if is_one_run { 1 } else { n };
        for (at, value) in [(32, run), (40, n * duration_90k), (48, wall_us)] {
            copy[uuid + at..uuid + at + 8].copy_from_slice(&value.to_be_bytes());
        }
        let s = wall_us / 1_000_000 + 86_400 - MIDNIGHT_S;
        let name = format!(
            "2001-01-{:02}/{:02}-{:02}-{:02}+0000.mp4",
            2 + s / 86_400,
            s / 3600 % 24,
            s / 60 % 60,
            s % 60
        );
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, copy).unwrap();
    }
    duration_90k as f64 / HZ
}

/// Clips across three files and midnight.
fn clips(server: &Server, folder: &Path, names: &[String]) {
    let files: Vec<Vec<u8>> = names
        .iter()
        .map(|name| std::fs::read(folder.join(name)).unwrap())
        .collect();
    // The first one has sound.
    for (file, day_s, is_one_run) in [(&files[1], 0, true), (&files[0], 10 * 86_400, false)] {
        let length = copies(folder, file, day_s, is_one_run);
        let all = 3 * play(server, file).1;
        let midnight_s = MIDNIGHT_S + day_s;
        let clip = |from_s: u64, to_s: u64| {
            let path = format!("/yard/clip.mp4?from={from_s}&to={to_s}");
            let (head, body) = get(server, &path);
            assert_eq!(status(&head), "200", "{path}: {head}");
            assert_eq!(field(&head, "Content-Length").unwrap(), body.len().to_string());
            (path, field(&head, "ETag").unwrap().to_string(), body)
        };
        let (path, tag, body) = clip(midnight_s - 5, midnight_s + 60);
        // The tables are in front. The size of mdat has 64 bits.
        let place = |kind: &[u8]| body.windows(4).position(|it| it == kind);
        assert!(place(b"moov") < place(b"co64") && place(b"co64") < place(b"mdat"));
        let (found, pictures) = play(server, &body);
        assert_eq!(pictures, all, "{path}");
        let expected = 3.0 * length + if is_one_run { 0.0 } else { 0.2 };
        // Sound may end behind the picture.
        let off = if is_one_run { 0.002 } else { 0.15 };
        assert!((found - expected).abs() < off, "{path}: {found} {expected}");

        // The same bytes, whichever are asked for.
        let size = body.len();
        for (from, to) in [(0, 10), (100, size / 2), (size / 3, size), (size - 1, size)] {
            let fields = format!("Range: bytes={from}-{}\r\nIf-Range: {tag}\r\n", to - 1);
            let (head, part) = ask(server, "GET", &path, &fields);
            assert_eq!(
                (status(&head), &part[..]),
                ("206", &body[from..to]),
                "{path} {fields}"
            );
        }

        // From key frame to key frame, by times of any form.
        let (_, _, one) = clip(midnight_s - 4, midnight_s - 3);
        let (found, pictures) = play(server, &one);
        assert!(found < length && pictures < all / 3, "{found}");
        let day = if day_s == 0 { "02" } else { "12" };
        let iso = |time: &str| format!("2001-01-{day}T{time}");
        let path = format!(
            "/yard/clip.mp4?from={}&to={}",
            iso("23:59:56Z"),
            iso("23:59:57.000+00:00")
        );
        assert!(get(server, &path).1 == one, "{path}");
    }
    // A picture of each second, which can be shown by itself.
    let (head, lapse) = get(server, "/yard/clip.mp4?day=2001-01-02&step=1");
    assert_eq!(status(&head), "200", "{head}");
    let (found, pictures) = play(server, &lapse);
    assert!(pictures > 4, "{pictures}");
    assert!((found - pictures as f64 / 25.0).abs() < 0.001, "{found}");
    // Of some time, which may be longer than a clip.
    let (from_s, to_s) = (MIDNIGHT_S - 80_000, MIDNIGHT_S - 2);
    let path = format!("/yard/clip.mp4?from={from_s}&to={to_s}&step=1");
    let (_, some) = get(server, &path);
    assert!((2..=3).contains(&play(server, &some).1));
    for (query, code) in [
        ("from=1&to=2", "404"),
        ("from=1&to=3602&step=1", "404"),
        ("from=1&to=86402&step=1", "400"),
        ("from=1&to=2&step=0", "400"),
        ("from=2&to=1", "400"),
        ("from=1&to=3602", "400"),
        ("from=1", "400"),
        ("from=yesterday&to=2", "400"),
        ("day=2001-01-01", "404"),
        ("day=2001-01-02&step=0", "400"),
        ("day=2001-01-02&step=x", "400"),
    ] {
        let (head, _) = get(server, &format!("/yard/clip.mp4?{query}"));
        assert_eq!(status(&head), code, "{query}");
    }
}

/// The newest day of which there is something.
fn day_of(server: &Server) -> String {
    let days = text(server, "/yard/recordings/days");
    let newest = days.trim().trim_matches(['[', ']']).rsplit(',').next().unwrap();
    newest.trim_matches('"').to_string()
}

fn list_of(server: &Server) -> String {
    list_of_day(server, &day_of(server))
}

fn list_of_day(server: &Server, day: &str) -> String {
    text(server, &format!("/yard/recordings?day={day}"))
}
