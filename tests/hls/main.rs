//! HLS and low-latency HLS, as players, caches and validators get it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod client;
mod nginx;
#[path = "../support/mod.rs"]
mod support;
mod validator;

use client::Client;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Dir, PATIENCE, Server, decode, have, run, skip, until};
use validator::{History, Playlist};

/// The test picture, small; on a machine with too much to do, nothing is skipped.
const SMALL: &str = "[server]\nmax_age_ms = 60000\n[test a]\nwidth = 320\nheight = 240\nlinger_s = 0\n";

fn small() -> Server {
    Server::with_config(SMALL)
}

fn client(server: &Server) -> Client {
    Client::tcp(server.address)
}

/// Where a name in a playlist leads.
fn path(uri: &str) -> String {
    format!("/{uri}")
}

/// The moofs of a segment: sequence number, time, duration, and whether it is a key frame.
fn fragments(bytes: &[u8]) -> Vec<(u32, u64, u32, bool)> {
    let u32_at = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        assert_eq!(&bytes[at + 4..at + 8], b"moof");
        let moof = u32_at(at) as usize;
        let time = u64::from(u32_at(at + 60)) << 32 | u64::from(u32_at(at + 64));
        let (flags, duration) = (u32_at(at + 88), u32_at(at + 92));
        found.push((u32_at(at + 20), time, duration, flags & 0x1_0000 == 0));
        at += moof;
        assert_eq!(&bytes[at + 4..at + 8], b"mdat");
        at += u32_at(at) as usize;
    }
    assert_eq!(at, bytes.len());
    found
}

/// The frame numbers in the pictures of a file.
fn numbers_in_pictures(file: &Path, width: usize, height: usize) -> Vec<u32> {
    let file = file.to_str().unwrap();
    let args = [
        "-v",
        "error",
        "-i",
        file,
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-",
    ];
    let raw = run("ffmpeg", &args);
    let block = (width / 40) & !1;
    let bit = |picture: &[u8], index: usize| picture[(block / 2) * width + index * block + block / 2] >= 128;
    raw.stdout
        .chunks_exact(width * height)
        .map(|picture| (2..34).fold(0, |number, index| number << 1 | u32::from(bit(picture, index))))
        .collect()
}

/// A player showed all frames in order; but for breaks that the server told of, all of them.
fn check_order(numbers: &[u32], server: &Server) {
    let playlist = Playlist::parse(client(server).get("/streaminf.m3u8").text());
    let breaks = playlist.segments.iter().any(|segment| segment.discontinuity);
    let follows = |pair: &[u32]| pair[1] == pair[0] + 1 || breaks && pair[1] > pair[0];
    assert!(numbers.windows(2).all(follows), "{numbers:?}");
}

/// Follows a run as a player with low latency does, and checks all that it says: blocking reloads, every other one as a
/// delta update, each part and each segment.
struct Player {
    playlists: Client,
    files: Client,
    history: History,
    newest: Playlist,
    parts: HashMap<u64, Vec<u8>>,
    fetched: HashMap<u64, Vec<u8>>,
    inits: HashMap<String, Vec<u8>>,
    reloads: u64,
    skips: u64,
}

impl Player {
    fn new(server: &Server) -> Player {
        let mut playlists = client(server);
        let mut history = History::default();
        let text = playlists.get("/streaminf.m3u8").good();
        let newest = history.add(std::str::from_utf8(&text).unwrap());
        Player {
            playlists,
            files: client(server),
            history,
            newest,
            parts: HashMap::new(),
            fetched: HashMap::new(),
            inits: HashMap::new(),
            reloads: 0,
            skips: 0,
        }
    }

    /// The next version of the playlist, and what is new in it.
    fn reload(&mut self) {
        let (sequence, part) = self.newest.next();
        let skip = if self.reloads % 2 == 1 {
            "&_HLS_skip=YES"
        } else {
            ""
        };
        self.reloads += 1;
        let query = format!("/streaminf.m3u8?_HLS_msn={sequence}&_HLS_part={part}{skip}");
        let response = self.playlists.get(&query);
        let target = self.newest.target;
        assert_eq!(
            response.field("Cache-Control"),
            Some(&*format!("max-age={}", 6 * target))
        );
        let before = self.newest.next();
        self.newest = self.history.add(std::str::from_utf8(&response.good()).unwrap());
        assert!(self.newest.next() > before, "it has what was asked for");
        self.skips += u64::from(self.newest.skipped > 0);
        for segment in &self.newest.segments {
            if let Some(map) = segment.map.as_ref().filter(|map| !self.inits.contains_key(*map)) {
                let response = self.files.get(&path(map));
                assert_eq!(response.field("Cache-Control"), Some("max-age=3600, immutable"));
                self.inits.insert(map.clone(), response.good());
            }
            let bytes = self.parts.entry(segment.sequence).or_default();
            let have = fragments(bytes);
            let mut length = 0;
            for part in &segment.parts {
                // By the time in it: is it there already?
                let ticks = (part.duration * 90_000.0).round() as u64;
                length += ticks;
                let had: u64 = have.iter().map(|f| u64::from(f.2)).sum();
                if length <= had + 2 * segment.parts.len() as u64 {
                    continue;
                }
                let response = self.files.get(&path(&part.uri));
                assert_eq!(response.field("Content-Type"), Some("video/mp4"));
                assert_eq!(response.field("Cache-Control"), Some("max-age=3600, immutable"));
                let body = response.good();
                let inside = fragments(&body);
                assert_eq!(inside[0].3, part.independent);
                // 4.4.4.9; a frame can't be parted.
                let fits = part.duration <= self.newest.part_target;
                assert!(fits || inside.len() == 1, "{part:?}");
                let lasts: u64 = inside.iter().map(|f| u64::from(f.2)).sum();
                assert!(lasts.abs_diff(ticks) <= 1, "{lasts} for {part:?}");
                bytes.extend(body);
            }
            if let (Some(uri), false) = (&segment.uri, self.fetched.contains_key(&segment.sequence)) {
                let body = self.files.get(&path(uri)).good();
                assert!(
                    segment.parts.is_empty() || body == *bytes,
                    "the parts are the segment"
                );
                let lasts: u64 = fragments(&body).iter().map(|f| u64::from(f.2)).sum();
                let told = (segment.duration.unwrap() * 90_000.0).round() as u64;
                assert!(lasts.abs_diff(told) <= 1);
                self.fetched.insert(segment.sequence, body);
            }
        }
    }

    fn follow(&mut self, enough: impl Fn(&Player) -> bool) {
        let begun = Instant::now();
        while !enough(self) {
            assert!(begun.elapsed() < 2 * PATIENCE, "{}", self.newest.text);
            self.reload();
        }
        self.history.check_hints();
    }

    /// All segments, oldest first.
    fn segments(&self) -> Vec<(u64, &Vec<u8>)> {
        let mut all: Vec<_> = self
            .fetched
            .iter()
            .map(|(sequence, bytes)| (*sequence, bytes))
            .collect();
        all.sort_unstable();
        all
    }

    /// The segment's MAP and the segment.
    fn file(&self, sequence: u64) -> Vec<u8> {
        let map = self.history.segments[&sequence].map.as_ref().unwrap();
        [&self.inits[map][..], &self.fetched[&sequence]].concat()
    }
}

/// Each segment decodes alone with its MAP; together they have every frame once. Nothing is said that is taken back.
#[test]
fn a_run_keeps_its_word() {
    if !have("ffmpeg") {
        return;
    }
    let server = small();
    let mut player = Player::new(&server);
    // Until delta updates leave something out, and segments have left the list.
    player.follow(|player| {
        player.skips >= 3 && player.newest.sequence > player.history.segments.keys().min().unwrap() + 2
    });
    assert_eq!(player.newest.target, 1);
    assert!(player.newest.whole().count() >= 6);
    // What left the list is still there, as long as the playlist was and a little.
    let first = player.segments()[0].0;
    assert!(player.newest.sequence > first);
    let uri = player.history.segments[&first].uri.clone().unwrap();
    assert_eq!(player.files.get(&path(&uri)).good(), *player.segments()[0].1);
    let variant = player.playlists.get("/stream.m3u8");
    assert_eq!(
        variant.field("Content-Type"),
        Some("application/vnd.apple.mpegurl")
    );
    let text = String::from_utf8(variant.good()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        (lines.len(), lines[0], lines[2]),
        (3, "#EXTM3U", "streaminf.m3u8")
    );
    let variant = validator::attributes(lines[1].strip_prefix("#EXT-X-STREAM-INF:").unwrap());
    assert_eq!(variant["RESOLUTION"], "320x240");
    assert!(variant["CODECS"].starts_with("avc1.42"));
    let fps: f64 = variant["FRAME-RATE"].parse().unwrap();
    assert!((20.0..31.0).contains(&fps), "{fps}");
    let peak = |(sequence, bytes): (u64, &Vec<u8>)| {
        bytes.len() as f64 * 8.0 / player.history.segments[&sequence].duration.unwrap()
    };
    let peak = player.segments().into_iter().map(peak).fold(0.0, f64::max);
    let bandwidth: f64 = variant["BANDWIDTH"].parse().unwrap();
    // The lengths in the playlist are rounded.
    assert!(
        bandwidth >= peak * 0.9999 && bandwidth < peak * 1.5,
        "{bandwidth} {peak}"
    );
    assert!(variant["AVERAGE-BANDWIDTH"].parse::<f64>().unwrap() <= bandwidth);

    let dir = Dir::new();
    let mut all = player.file(first);
    all.truncate(all.len() - player.fetched[&first].len());
    let (mut next, mut breaks, mut frames) = (None, Vec::new(), 0);
    for (sequence, bytes) in player.segments() {
        let inside = fragments(bytes);
        assert!(inside[0].3, "{sequence} starts with a key frame");
        let file = dir.write("segment.mp4", player.file(sequence));
        assert_eq!(decode(&file), inside.len() as u64, "{sequence}");
        // A machine that stops for half a second makes a break, and that is told.
        if player.history.segments[&sequence].discontinuity {
            (next, breaks) = (None, [breaks, vec![frames]].concat());
        }
        frames += inside.len();
        for (number, time, duration, _) in inside {
            assert!(next.is_none_or(|next| next == (number, time)), "{sequence}");
            next = Some((number + 1, time + u64::from(duration)));
        }
        all.extend_from_slice(bytes);
    }
    let file = dir.write("all.mp4", &all);
    let numbers = numbers_in_pictures(&file, 320, 240);
    assert_eq!(numbers.len(), frames);
    for (at, pair) in (1..).zip(numbers.windows(2)) {
        let follows = pair[1] == pair[0] + 1 || pair[1] > pair[0] && breaks.contains(&at);
        assert!(follows, "{at}: {numbers:?}");
    }
}

/// x264's output at 30 frames a second; pictures of `sizes`, `frames` of each, again and again.
fn x264(dir: &Dir, sizes: &[&str], frames: u32, options: &str) -> Option<Server> {
    if !have("ffmpeg") || !have("python3") {
        return None;
    }
    let mut stream = Vec::new();
    for (at, size) in sizes.iter().enumerate() {
        let file = dir.file(&format!("{at}.h264"));
        let source = format!("testsrc2=size={size}:rate=30");
        let args = [
            "-y",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            &source,
            "-frames:v",
            &frames.to_string(),
        ];
        let codec = [
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-x264-params",
        ];
        let options = format!("scenecut=0:bframes=0:{options}");
        let end = [&options, "-f", "h264", file.to_str().unwrap()];
        assert!(
            run("ffmpeg", &[&args[..], &codec, &end].concat())
                .status
                .success()
        );
        stream.extend(std::fs::read(file).unwrap());
    }
    let file = dir.write("in.h264", stream);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    let command = format!("exec python3 {script} {} 30 units", file.display());
    Some(Server::with_config(&format!(
        "[server]\nmax_age_ms = 60000\n[exec]\nfps = 30\ncommand = {command}\nlinger_s = 0\n"
    )))
}

#[test]
fn a_change_of_the_picture_is_a_discontinuity_with_a_map() {
    let dir = Dir::new();
    let Some(server) = x264(&dir, &["320x240", "160x120"], 60, "keyint=30:min-keyint=30") else {
        return;
    };
    let mut player = Player::new(&server);
    player.follow(|player| {
        player
            .newest
            .whole()
            .filter(|segment| segment.discontinuity)
            .count()
            >= 2
    });
    let mut sizes = Vec::new();
    let sequences: Vec<u64> = player.segments().iter().map(|segment| segment.0).collect();
    let mut before = None;
    for sequence in sequences {
        let segment = &player.history.segments[&sequence];
        let other = before
            .replace(segment.map.clone())
            .is_some_and(|before| before != segment.map);
        assert!(segment.discontinuity || !other, "{segment:?}");
        let inside = fragments(&player.fetched[&sequence]);
        assert!(inside[0].3);
        let file = dir.write("segment.mp4", player.file(sequence));
        assert_eq!(decode(&file), inside.len() as u64);
        let entries = [
            "-v",
            "error",
            "-show_entries",
            "stream=width",
            "-of",
            "csv=p=0",
            file.to_str().unwrap(),
        ];
        sizes.push(
            String::from_utf8(run("ffprobe", &entries).stdout)
                .unwrap()
                .trim()
                .to_string(),
        );
    }
    sizes.dedup();
    assert!(sizes.len() >= 3, "{sizes:?}");
}

/// A group of pictures that is longer than the target duration is cut, and a player is told where it can't begin.
#[test]
fn long_groups_are_cut() {
    let dir = Dir::new();
    // One key frame after two seconds, and then none for eight.
    let Some(server) = x264(
        &dir,
        &["160x120"],
        300,
        "keyint=infinite:min-keyint=1:force-cfr=1",
    ) else {
        return;
    };
    let mut player = Player::new(&server);
    player.follow(|player| player.newest.whole().count() >= 3);
    let independent: Vec<bool> = player
        .segments()
        .iter()
        .map(|(_, bytes)| fragments(bytes)[0].3)
        .collect();
    assert!(independent[0] && independent.contains(&false), "{independent:?}");
    assert_eq!(player.newest.target, 6, "no first group is waited for longer");
}

#[test]
fn bad_questions_have_their_answers() {
    let server = small();
    let mut client = client(&server);
    let playlist = Playlist::parse(client.get("/streaminf.m3u8").text());
    let status = |client: &mut Client, path: &str| {
        let response = client.get(path);
        if response.status != 200 {
            assert_eq!(response.field("Cache-Control"), Some("no-store"), "{path}");
        }
        response.status
    };
    let (next, _) = playlist.next();
    for query in [
        "_HLS_part=0",
        "_HLS_msn=x",
        "_HLS_msn=",
        "_HLS_msn=1&_HLS_part=-1",
    ] {
        assert_eq!(
            status(&mut client, &format!("/streaminf.m3u8?{query}")),
            400,
            "{query}"
        );
    }
    for ahead in [30, 1_000_000, u64::MAX - next] {
        let query = format!("/streaminf.m3u8?_HLS_msn={}", next + ahead);
        assert_eq!(status(&mut client, &query), 400, "{ahead}");
    }
    // What is long gone, or was before this run: the playlist as it is (6.2.5.2).
    for query in ["_HLS_msn=0", "_HLS_msn=0&_HLS_part=7", "x=y", "_HLS_skip=what"] {
        assert_eq!(
            status(&mut client, &format!("/streaminf.m3u8?{query}")),
            200,
            "{query}"
        );
    }
    let uri = playlist.segments[0].uri.clone().unwrap();
    let (run, _) = uri.strip_prefix("hls/").unwrap().split_once('-').unwrap();
    for name in [
        "s100000.m4s",
        "p100000.m4s",
        "i7.mp4",
        "s0.mp4",
        "s00.m4s",
        "s0.m4s/",
        "",
    ] {
        assert_eq!(status(&mut client, &format!("/hls/{run}-{name}")), 404, "{name}");
    }
    for path in [
        "/hls/",
        "/hls",
        "/hls/00000000-s0.m4s",
        "/hls/../status",
        "/streaminf.m3u",
        "/stream.m3u8/",
    ] {
        assert_eq!(status(&mut client, path), 404, "{path}");
    }
}

#[test]
fn methods_and_what_is_kept() {
    let server = small();
    let mut client = client(&server);
    let playlist = Playlist::parse(client.get("/streaminf.m3u8").text());
    let segment = path(playlist.segments[0].uri.as_ref().unwrap());
    let map = path(playlist.segments[0].map.as_ref().unwrap());
    for name in ["/stream.m3u8", "/streaminf.m3u8", &segment, &map] {
        let got = client.get(name);
        let head = client.request("HEAD", name);
        assert_eq!((got.status, head.status), (200, 200), "{name}");
        assert_eq!(got.field("Content-Type"), head.field("Content-Type"));
        if name == segment || name == map {
            assert_eq!(got.field("Content-Length"), head.field("Content-Length"));
            assert_eq!(head.field("Cache-Control"), Some("max-age=3600, immutable"));
        } else {
            // Half a target duration.
            assert_eq!(head.field("Cache-Control"), Some("max-age=1"));
        }
        client.ask("OPTIONS", name);
        assert!(client.answer("HEAD").field("Allow").unwrap().contains("GET"));
        assert_eq!(client.request("DELETE", name).status, 405);
    }
}

/// A viewer has one place, whether it waits or not, and room for some requests in it; a proxy that many are behind takes
/// more. What is there is there for all of them.
#[test]
fn viewers_have_a_place_and_those_who_wait_have_room() {
    let mut server = Server::with_config(&SMALL.replace("[server]", "[server]\nmax_clients = 2"));
    let mut clients: Vec<Client> = (0..6).map(|_| client(&server)).collect();
    let ask_far = |client: &mut Client| {
        // Two segments on from the newest: a wait of a second or two.
        let playlist = Playlist::parse(client.get("/streaminf.m3u8").text());
        let after = playlist.whole().last().unwrap().sequence + 2;
        client.ask("GET", &format!("/streaminf.m3u8?_HLS_msn={after}"));
    };
    // Two requests of one player leave a place for another viewer, and no more.
    until("both wait while another is there", || {
        clients[..2].iter_mut().for_each(ask_far);
        let mut other = server.follow("");
        other.next_fragment().unwrap();
        let mut third = [0; 12];
        server
            .send(b"GET /stream.mp4 HTTP/1.0\r\n\r\n")
            .read_exact(&mut third)
            .unwrap();
        clients[..2]
            .iter_mut()
            .for_each(|client| _ = client.answer("GET"));
        drop(other);
        until("its place is free", || server.number("clients") < 2);
        &third == b"HTTP/1.1 503"
    });
    until("who does not wait has a place", || {
        clients[0].get("/streaminf.m3u8").good();
        server.number("clients") == 1
    });
    // On a machine with too much to do, one can have its answer before the last one asks.
    until("one of six is refused", || {
        clients.iter_mut().for_each(ask_far);
        assert_eq!(client(&server).get("/stream.m3u8").status, 200);
        let answers: Vec<_> = clients.iter_mut().map(|client| client.answer("GET")).collect();
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
        for answer in &refused {
            assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("5")));
        }
        assert!(refused.len() <= 1);
        refused.len() == 1
    });
    until("no place is taken", || server.number("clients") == 0);
    let mut leaves = clients.pop().unwrap();
    ask_far(&mut leaves);
    drop(leaves);
    until("no place is taken", || server.number("clients") == 0);
    // Who waits at the end is told.
    ask_far(&mut clients[0]);
    server.signal("-TERM");
    let last = clients[0].answer("GET");
    assert!(matches!(last.status, 200 | 503), "{}", last.head);
    assert!(server.wait().success());
}

/// The first request wakes the camera; it sleeps when nobody has asked for a while; and what comes then goes on.
#[test]
fn it_lives_only_while_it_is_watched() {
    let server = small();
    until("it has looked at its camera and sleeps", || {
        server.camera("state") == "asleep"
    });
    assert_eq!(server.camera("hls_bytes"), "0");
    let mut first = client(&server);
    let multivariant = first.get("/stream.m3u8");
    assert_eq!(multivariant.status, 200, "{}", multivariant.text());
    assert_eq!(server.camera("state"), "live");
    let playlist = Playlist::parse(first.get("/streaminf.m3u8").text());
    until("the viewer is shown", || {
        server.get("/status").contains("\"way\":\"hls\"")
    });
    let uri = path(playlist.segments[0].uri.as_ref().unwrap());
    let length = first.get(&uri).good().len() as u64;
    until("what was sent is counted", || {
        server.status_after("\"way\"", "bytes_sent") == length.to_string()
    });
    // Who only asks for what is there keeps it up as well.
    for _ in 0..40 {
        assert_eq!(first.get("/streaminf.m3u8").status, 200);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(first.get(&uri).status, 200);
    until("the camera sleeps", || server.camera("state") == "asleep");
    assert_eq!(
        (server.camera("hls_bytes"), server.camera("clients")),
        ("0".into(), "[".into())
    );
    assert_eq!(first.get(&uri).status, 404, "of a run that has ended");
    assert_eq!(server.camera("state"), "asleep", "and that wakes nobody");
    let mut other = client(&server);
    let next = Playlist::parse(other.get("/streaminf.m3u8").text());
    assert!(next.sequence > playlist.segments.last().unwrap().sequence);
    assert_ne!(next.segments[0].uri, playlist.segments[0].uri);
    assert!(next.segments[0].discontinuities > playlist.segments[0].discontinuities);
}

/// Who only looks, and who asks for what is long gone, is no viewer: the camera sleeps for all that.
#[test]
fn a_look_wakes_no_camera_and_keeps_none_up() {
    let server = small();
    until("it sleeps", || server.camera("state") == "asleep");
    let frames = server.camera("frames");
    let mut client = client(&server);
    for (name, status) in [
        ("/stream.m3u8", 200),
        ("/streaminf.m3u8", 200),
        ("/streaminf.m3u8?_HLS_msn=7", 200),
        ("/streaminf.m3u8?_HLS_part=0", 400),
        ("/hls/00000000-s0.m4s", 404),
    ] {
        let head = client.request("HEAD", name);
        assert_eq!(head.status, status, "{name}");
        let playlist = head.field("Content-Type") == Some("application/vnd.apple.mpegurl");
        assert!(playlist == (status == 200), "{name}: {}", head.head);
    }
    assert_eq!(
        (server.camera("state"), server.camera("frames")),
        ("asleep".into(), frames)
    );
    // Nor does either keep the run of somebody who has left.
    for (method, name) in [("HEAD", "/streaminf.m3u8"), ("GET", "/hls/00000000-s0.m4s")] {
        until("a head tells all that is known", || {
            client.get("/streaminf.m3u8").good();
            let playlist = client.request("HEAD", "/streaminf.m3u8");
            playlist.field("Content-Length").is_some()
        });
        until("it sleeps", || {
            client.request(method, name);
            server.camera("state") == "asleep"
        });
    }
}

/// A camera that goes away: the playlist stops to grow and is not ended; when it is back, it goes on.
#[test]
fn a_lost_camera_is_a_pause() {
    if !have("python3") {
        return;
    }
    let dir = Dir::new();
    let Some(plain) = x264(&dir, &["160x120"], 60, "keyint=30:min-keyint=30") else {
        return;
    };
    drop(plain);
    // It runs while that file is there.
    let on = dir.write("on", "");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    let camera = format!("exec python3 {script} {} 30 units", dir.file("in.h264").display());
    let loss = format!("test -e {} || exit 1; {camera}", on.display());
    let server = Server::with_config(&format!("[exec]\nfps = 30\ncommand = {loss}\nlinger_s = 0\n"));
    let mut player = Player::new(&server);
    player.follow(|player| player.newest.whole().count() >= 2);
    std::fs::remove_file(&on).unwrap();
    let pid = || {
        let found = run("pgrep", &["-P", &server.process.id().to_string()]);
        String::from_utf8(found.stdout).unwrap().trim().to_string()
    };
    assert!(run("kill", &[&pid()]).status.success());
    until("the camera is lost", || server.camera("state") == "lost");
    // What came before it is told, then nothing does.
    let late = loop {
        let (sequence, part) = player.newest.next();
        let response = player
            .playlists
            .get(&format!("/streaminf.m3u8?_HLS_msn={sequence}&_HLS_part={part}"));
        if response.status != 200 {
            break response;
        }
        player.newest = player.history.add(response.text());
    };
    assert_eq!((late.status, late.field("Retry-After")), (503, Some("1")));
    assert!(late.text().contains("exit"), "it says why: {}", late.text());
    let still = player.playlists.get("/streaminf.m3u8");
    assert!(!still.text().contains("ENDLIST"));
    player.history.add(still.text());
    std::fs::write(&on, "").unwrap();
    let (lost_at, _) = player.newest.next();
    let mut after = None;
    until("it goes on", || {
        // As a player does that was told to try again.
        let response = player.playlists.get("/streaminf.m3u8");
        let playlist = player.history.add(response.text());
        after = playlist
            .whole()
            .find(|segment| segment.sequence >= lost_at && segment.discontinuity)
            .cloned();
        after.is_some()
    });
    let after = after.unwrap();
    let before = &player.history.segments[&(after.sequence - 1)];
    assert_eq!(after.discontinuities, before.discontinuities + 1);
    assert_eq!(after.map, before.map, "the picture is the same");
}

#[test]
fn a_camera_without_a_picture_is_told_in_time() {
    let server = Server::with_config("[exec]\ncommand = echo no camera here >&2; exit 3\n");
    let answer = client(&server).get("/stream.m3u8");
    assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")));
    assert!(answer.text().contains("exit"), "{}", answer.text());
}

#[test]
fn ffmpeg_plays_it() {
    if !have("ffmpeg") {
        return;
    }
    let server = small();
    let dir = Dir::new();
    for name in ["/stream.m3u8", "/streaminf.m3u8"] {
        let file = dir.file("played.mp4");
        let url = server.url(name);
        let args = [
            "-y",
            "-v",
            "warning",
            "-i",
            &url,
            "-frames:v",
            "150",
            "-c",
            "copy",
            file.to_str().unwrap(),
        ];
        let played = run("ffmpeg", &args);
        let said = String::from_utf8_lossy(&played.stderr).into_owned();
        // It takes the MAP for a new one at each reload, and says so.
        let of_ours = |line: &&str| !line.contains("duplicated MOOV") && !line.contains("message repeated");
        let of_ours: Vec<&str> = said.lines().filter(of_ours).collect();
        assert!(played.status.success() && of_ours.join("").is_empty(), "{said}");
        let numbers = numbers_in_pictures(&file, 320, 240);
        assert!(numbers.len() >= 149, "{}", numbers.len());
        check_order(&numbers, &server);
    }
}

#[test]
fn gstreamer_plays_it() {
    if !have("gst-launch-1.0") {
        return;
    }
    for (demux, source) in [
        ("hlsdemux", "souphttpsrc location=URL ! hlsdemux ! decodebin"),
        ("hlsdemux2", "uridecodebin3 uri=URL"),
    ] {
        if !run("gst-inspect-1.0", &[demux]).status.success() {
            skip(&format!("GStreamer has no {demux}"));
            continue;
        }
        let server = small();
        let dir = Dir::new();
        let raw = dir.file("raw");
        let pipeline = format!(
            "{} ! videoconvert ! video/x-raw,format=GRAY8,width=320,height=240 ! filesink location={}",
            source.replace("URL", &server.url("/stream.m3u8")),
            raw.display()
        );
        let mut played = Command::new("gst-launch-1.0")
            .arg("-q")
            .args(pipeline.split_whitespace())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut status = None;
        until(&format!("{demux} has played enough"), || {
            status = played.try_wait().unwrap();
            let enough = std::fs::metadata(&raw).is_ok_and(|file| file.len() >= 100 * 320 * 240);
            status.is_some() || enough
        });
        _ = played.kill();
        _ = played.wait();
        let pictures = std::fs::read(&raw).unwrap();
        let block = (320 / 40) & !1;
        let bit = |picture: &[u8], at: usize| picture[(block / 2) * 320 + at * block + block / 2] >= 128;
        let numbers: Vec<u32> = pictures
            .chunks_exact(320 * 240)
            .map(|picture| (2..34).fold(0, |number, at| number << 1 | u32::from(bit(picture, at))))
            .collect();
        assert!(numbers.len() >= 100, "{demux}: {status:?} {numbers:?}");
        check_order(&numbers, &server);
    }
}
