//! HLS and low-latency HLS, as players, caches and validators get it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod client;
mod crowd;
mod field;
mod nginx;
mod players;
mod proxy;
#[path = "../support/mod.rs"]
mod support;
mod validator;
mod varnish;

use client::{Client, Response};
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use support::{
    Dir, PATIENCE, Server, children, decode, have, numbers_in_gray, numbers_in_pictures, run, skip, until,
};
use validator::{History, Playlist, Segment};

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

/// A player showed all frames in order; but for breaks that the server told of since `before`, all of them.
fn check_order(numbers: &[u32], before: u64, after: u64) {
    let follows = |pair: &[u32]| pair[1] == pair[0] + 1 || after > before && pair[1] > pair[0];
    assert!(numbers.windows(2).all(follows), "{numbers:?}");
}

/// How many breaks there were up to the first segment in the playlist, and up to the last one.
fn breaks(server: &Server) -> (u64, u64) {
    let playlist = Playlist::parse(client(server).fetch("/streaminf.m3u8").text());
    let count = |segment: Option<&Segment>| segment.unwrap().discontinuities;
    (count(playlist.segments.first()), count(playlist.segments.last()))
}

/// Follows a run as a player with low latency does, and checks all that it says: blocking reloads, every other one as a
/// delta update, each part and each segment.
struct Player {
    playlists: Client,
    files: Client,
    history: History,
    newest: Playlist,
    parts: HashMap<u64, Vec<u8>>,
    /// Names of parts.
    had: HashSet<String>,
    fetched: HashMap<u64, Vec<u8>>,
    inits: HashMap<String, Vec<u8>>,
    reloads: u64,
    skips: u64,
}

impl Player {
    fn new(server: &Server) -> Player {
        let mut playlists = client(server);
        let mut history = History::default();
        let newest = history.add(playlists.fetch("/streaminf.m3u8").text());
        Player {
            playlists,
            files: client(server),
            history,
            newest,
            parts: HashMap::new(),
            had: HashSet::new(),
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
        let response = self.playlists.fetch(&query);
        let target = self.newest.target;
        assert_eq!(
            response.field("Cache-Control"),
            Some(&*format!("max-age={}", 6 * target))
        );
        let before = self.newest.next();
        self.newest = self.history.add(response.text());
        assert!(self.newest.next() > before, "it has what was asked for");
        self.skips += u64::from(self.newest.skipped > 0);
        for segment in &self.newest.segments {
            if let Some(map) = segment.map.as_ref().filter(|map| !self.inits.contains_key(*map)) {
                let response = self.files.fetch(&path(map));
                assert_eq!(response.field("Cache-Control"), Some("max-age=3600, immutable"));
                self.inits.insert(map.clone(), response.body);
            }
            let bytes = self.parts.entry(segment.sequence).or_default();
            for part in &segment.parts {
                if !self.had.insert(part.uri.clone()) {
                    continue;
                }
                let ticks = (part.duration * 90_000.0).round() as u64;
                let response = self.files.fetch(&path(&part.uri));
                assert_eq!(response.field("Content-Type"), Some("video/mp4"));
                assert_eq!(response.field("Cache-Control"), Some("max-age=3600, immutable"));
                let body = response.body;
                let inside = fragments(&body);
                assert_eq!(inside[0].3, part.independent);
                let lasts: u64 = inside.iter().map(|f| u64::from(f.2)).sum();
                assert!(lasts.abs_diff(ticks) <= 1, "{lasts} for {part:?}");
                bytes.extend(body);
            }
            if let (Some(uri), false) = (&segment.uri, self.fetched.contains_key(&segment.sequence)) {
                let body = self.files.fetch(&path(uri)).body;
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

    /// How long a segment is, by the playlist.
    fn seconds(&self, sequence: u64) -> f64 {
        self.history.segments[&sequence].duration.unwrap()
    }

    /// The largest bit rate of segments in a row that are half a target duration long to one and a half (4.1).
    fn peak_bps(&self) -> f64 {
        let (segments, target) = (self.segments(), self.newest.target as f64);
        let mut peak = 0.0_f64;
        for from in 0..segments.len() {
            let (mut bits, mut seconds) = (0.0, 0.0);
            for (sequence, bytes) in &segments[from..] {
                bits += bytes.len() as f64 * 8.0;
                seconds += self.seconds(*sequence);
                if seconds >= 0.5 * target && seconds <= 1.5 * target {
                    peak = peak.max(bits / seconds);
                }
            }
        }
        peak
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

/// The target duration is that of the first segment, and 2 s at least.
fn check_target(player: &Player) {
    let first = player.seconds(player.segments()[0].0);
    let target = first.round().clamp(2.0, 6.0);
    assert_eq!(
        player.newest.target as f64, target,
        "of a first segment of {first} s"
    );
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
    check_target(&player);
    assert!(player.newest.whole().count() as u64 + player.newest.skipped >= 6);
    // What left the list is still there, as long as the playlist was and a little.
    let first = player.segments()[0].0;
    assert!(player.newest.sequence > first);
    let uri = player.history.segments[&first].uri.clone().unwrap();
    assert_eq!(player.files.fetch(&path(&uri)).body, *player.segments()[0].1);
    let peak_before = player.peak_bps();
    let variant = player.playlists.fetch("/stream.m3u8");
    // What is whole by then is fetched with the next playlist.
    player.reload();
    assert_eq!(
        variant.field("Content-Type"),
        Some("application/vnd.apple.mpegurl")
    );
    let lines: Vec<&str> = variant.text().lines().collect();
    assert_eq!(
        (lines.len(), lines[0], lines[2]),
        (3, "#EXTM3U", "streaminf.m3u8")
    );
    let variant = validator::attributes(lines[1].strip_prefix("#EXT-X-STREAM-INF:").unwrap());
    assert_eq!(variant["RESOLUTION"], "320x240");
    assert!(variant["CODECS"].starts_with("avc1.42"));
    let fps: f64 = variant["FRAME-RATE"].parse().unwrap();
    // 30, but for a machine that is too slow for it: what all segments have on average, no one is above and below.
    let rates: Vec<f64> = player
        .segments()
        .iter()
        .map(|(sequence, bytes)| fragments(bytes).len() as f64 / player.seconds(*sequence))
        .collect();
    assert!(
        rates.iter().any(|rate| fps > rate - 0.01) && rates.iter().any(|rate| fps < rate + 0.01),
        "{fps} {rates:?}"
    );
    let bandwidth: f64 = variant["BANDWIDTH"].parse().unwrap();
    let peak = player.peak_bps();
    // The lengths in the playlist are rounded.
    assert!(
        bandwidth >= peak_before * 0.9999 && bandwidth <= peak * 1.0001,
        "{bandwidth} is not from {peak_before} to {peak}"
    );
    assert!(variant["AVERAGE-BANDWIDTH"].parse::<f64>().unwrap() <= bandwidth);

    let dir = Dir::new();
    let mut all = player.file(first);
    all.truncate(all.len() - player.fetched[&first].len());
    let (mut next, mut breaks, mut frames, mut decoded) = (None, Vec::new(), 0, 0);
    for (sequence, bytes) in player.segments() {
        let inside = fragments(bytes);
        // On a machine with too much to do, a late frame can end a segment.
        if inside[0].3 {
            let file = dir.write("segment.mp4", player.file(sequence));
            assert_eq!(decode(&file), inside.len() as u64, "{sequence}");
            decoded += 1;
        }
        // A machine that stops for seconds makes a break, and that is told.
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
    assert!(decoded > 0, "no segment starts with a key frame");
    let file = dir.write("all.mp4", &all);
    let numbers = numbers_in_pictures(file.to_str().unwrap(), 320);
    assert_eq!(numbers.len(), frames);
    for (at, pair) in (1..).zip(numbers.windows(2)) {
        let follows = pair[1] == pair[0] + 1 || pair[1] > pair[0] && breaks.contains(&at);
        assert!(follows, "{at}: {numbers:?}");
    }
}

/// The config of a camera that gives this file's pictures at these rates (tests/tools/replay.py), again and again.
fn command(file: &Path, rates: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    format!(
        "[server]\nmax_age_ms = 60000\n[exec]\ncommand = exec python3 {script} {} {rates} units\nlinger_s = 0\n",
        file.display()
    )
}

/// x264's output at these rates; pictures of `sizes`, `frames` of each, again and again.
fn x264(dir: &Dir, sizes: &[&str], frames: u32, options: &str, rates: &str) -> Option<Server> {
    if !have("ffmpeg") || !have("python3") {
        return None;
    }
    let mut stream = Vec::new();
    for (at, size) in sizes.iter().enumerate() {
        let file = dir.file(&format!("{at}.h264"));
        let source = format!("testsrc2=size={size}:rate=30");
        support::x264(&source, frames, &format!("scenecut=0:{options}"), &file);
        stream.extend(std::fs::read(file).unwrap());
    }
    let file = dir.write("in.h264", stream);
    Some(Server::with_config(&command(&file, rates)))
}

#[test]
fn a_change_of_the_picture_is_a_discontinuity_with_a_map() {
    let dir = Dir::new();
    let Some(server) = x264(&dir, &["320x240", "160x120"], 48, "keyint=24:min-keyint=24", "30") else {
        return;
    };
    let mut player = Player::new(&server);
    player.follow(|player| {
        let map = |(sequence, _): &(u64, &Vec<u8>)| player.history.segments[sequence].map.clone();
        player.segments().iter().map(map).collect::<HashSet<_>>().len() >= 3
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
        if !inside[0].3 {
            // A late frame, on a machine with too much to do.
            assert!(!segment.discontinuity);
            continue;
        }
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
    // One key frame, and then none for six seconds and a half.
    let Some(server) = x264(
        &dir,
        &["160x120"],
        195,
        "keyint=infinite:min-keyint=1:force-cfr=1",
        "30",
    ) else {
        return;
    };
    let mut player = Player::new(&server);
    let independent = |player: &Player| -> Vec<bool> {
        let segments = player.segments();
        let first_is_key = |(_, bytes): &(u64, &Vec<u8>)| fragments(bytes)[0].3;
        segments.iter().map(first_is_key).collect()
    };
    player.follow(|player| independent(player).contains(&false));
    assert!(independent(&player)[0], "a run begins with a key frame");
    assert_eq!(player.newest.target, 6, "no first group is waited for longer");
}

#[test]
fn bad_questions_have_their_answers() {
    let server = small();
    let mut client = client(&server);
    let playlist = Playlist::parse(client.fetch("/streaminf.m3u8").text());
    // A cache asks only once a second for what is not there.
    let status = |client: &mut Client, path: &str| {
        let response = client.get(path);
        if response.status != 200 {
            assert_eq!(response.field("Cache-Control"), Some("max-age=1"), "{path}");
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
    for path in ["/hls/", "/hls/00000000-s0.m4s"] {
        assert_eq!(status(&mut client, path), 404, "{path}");
    }
    for path in ["/hls", "/hls/../status", "/streaminf.m3u", "/stream.m3u8/"] {
        assert_eq!(client.get(path).status, 404, "{path}");
    }
}

#[test]
fn methods_and_what_is_kept() {
    let server = small();
    let mut client = client(&server);
    let playlist = Playlist::parse(client.fetch("/streaminf.m3u8").text());
    let newest = playlist.whole().last().unwrap();
    let segment = path(newest.uri.as_ref().unwrap());
    let map = path(newest.map.as_ref().unwrap());
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
            let age = format!("max-age={}", (playlist.target / 2).max(1));
            assert_eq!(head.field("Cache-Control"), Some(&*age));
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
    let mut clients: Vec<Client> = (0..9).map(|_| client(&server)).collect();
    let ask_far = |client: &mut Client| {
        // Two segments on from the newest: a wait of a second or two.
        let playlist = Playlist::parse(client.fetch("/streaminf.m3u8").text());
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
        clients[0].fetch("/streaminf.m3u8");
        server.number("clients") == 1
    });
    // On a machine with too much to do, one can have its answer before the last one asks.
    until("one of nine is refused", || {
        clients.iter_mut().for_each(ask_far);
        assert_eq!(client(&server).get("/stream.m3u8").status, 200);
        let answers: Vec<_> = clients.iter_mut().map(|client| client.answer("GET")).collect();
        // And it can be that nothing comes in time.
        assert!(answers.iter().all(|answer| [200, 503].contains(&answer.status)));
        let refused = |answer: &&Response| answer.field("Retry-After") == Some("5");
        let refused = answers.iter().filter(refused).count();
        assert!(refused <= 1);
        refused == 1
    });
    until("no place is taken", || server.number("clients") == 0);
    let mut leaves = clients.pop().unwrap();
    ask_far(&mut leaves);
    drop(leaves);
    until("no place is taken", || server.number("clients") == 0);
    // Who waits at the end is told. It has asked twice, and these are questions too.
    let mut requests = server.number("requests") + 2;
    ask_far(&mut clients[0]);
    until("it is heard", || {
        requests += 1;
        server.number("requests") >= requests
    });
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
    first.fetch("/stream.m3u8");
    assert_eq!(server.camera("state"), "live");
    let mut playlist = Playlist::parse(first.fetch("/streaminf.m3u8").text());
    until("the viewer is shown", || {
        server.get("/status").contains("\"protocol\":\"hls\"")
    });
    let newest_file = |playlist: &Playlist| path(playlist.whole().last().unwrap().uri.as_ref().unwrap());
    let length = first.fetch(&newest_file(&playlist)).body.len();
    until("what was sent is counted", || {
        server.status_after("\"protocol\"", "bytes_sent") == length.to_string()
    });
    // Who only asks for what is there keeps it up as well: it is the same run for longer than a viewer counts.
    let run = |playlist: &Playlist| newest_file(playlist).split('-').next().unwrap().to_string();
    let newest_ms = |playlist: &Playlist| playlist.whole().last().unwrap().date_ms;
    let mut since_ms = newest_ms(&playlist);
    until("a run goes on", || {
        let newest = Playlist::parse(first.fetch("/streaminf.m3u8").text());
        if run(&newest) != run(&playlist) {
            // This machine held the client up for so long.
            since_ms = newest_ms(&newest);
        }
        playlist = newest;
        newest_ms(&playlist) - since_ms > (3 * playlist.target.max(2) as i64 + 2) * 1000
    });
    let uri = newest_file(&playlist);
    until("the run ends and the camera sleeps", || {
        server.camera("state") == "asleep" && server.camera("hls_bytes") == "0"
    });
    assert_eq!(server.camera("clients"), "[");
    assert_eq!(first.get(&uri).status, 404, "of a run that has ended");
    assert_eq!(server.camera("state"), "asleep", "and that wakes nobody");
    let mut other = client(&server);
    let next = Playlist::parse(other.fetch("/streaminf.m3u8").text());
    let last = playlist.segments.last().unwrap();
    assert!(next.sequence > last.sequence);
    assert_ne!(run(&next), run(&playlist));
    assert!(next.segments[0].discontinuities > last.discontinuities);
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
            client.fetch("/streaminf.m3u8");
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
    let Some(plain) = x264(&dir, &["160x120"], 48, "keyint=24:min-keyint=24", "30") else {
        return;
    };
    drop(plain);
    // It runs while that file is there.
    let on = dir.write("on", "");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    let camera = format!("exec python3 {script} {} 30 units", dir.file("in.h264").display());
    let loss = format!("test -e {} || exit 1; {camera}", on.display());
    let server = Server::with_config(&format!(
        "[server]\nmax_age_ms = 60000\n[exec]\nfps = 30\ncommand = {loss}\nlinger_s = 0\n"
    ));
    let mut player = Player::new(&server);
    player.follow(|player| player.newest.whole().count() >= 2);
    std::fs::remove_file(&on).unwrap();
    let pid = children(server.process.id()).pop().expect("the command runs");
    assert!(run("kill", &[&pid.to_string()]).status.success());
    until("the camera is lost, and for a reason of its own", || {
        // Else the run would end.
        player.playlists.fetch("/streaminf.m3u8");
        server.camera("state") == "lost" && server.camera("reason").contains("exit")
    });
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
    let still = player.playlists.fetch("/streaminf.m3u8");
    assert!(!still.text().contains("ENDLIST"));
    player.history.add(still.text());
    std::fs::write(&on, "").unwrap();
    let (lost_at, _) = player.newest.next();
    let mut after = None;
    until("it goes on", || {
        // As a player does that was told to try again.
        let response = player.playlists.fetch("/streaminf.m3u8");
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
        let file = file.to_str().unwrap();
        let (before, _) = breaks(&server);
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
            file,
        ];
        let played = run("ffmpeg", &args);
        let (_, after) = breaks(&server);
        let said = String::from_utf8_lossy(&played.stderr).into_owned();
        // It takes the MAP for a new one at each reload, and says so.
        let of_ours = |line: &&str| !line.contains("duplicated MOOV") && !line.contains("message repeated");
        let of_ours: Vec<&str> = said.lines().filter(of_ours).collect();
        assert!(played.status.success() && of_ours.join("").is_empty(), "{said}");
        let numbers = numbers_in_pictures(file, 320);
        assert!(numbers.len() >= 149, "{}", numbers.len());
        check_order(&numbers, before, after);
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
        let (before, _) = breaks(&server);
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
        let (_, after) = breaks(&server);
        let numbers = numbers_in_gray(&std::fs::read(&raw).unwrap(), 320, 240);
        assert!(numbers.len() >= 100, "{demux}: {status:?} {numbers:?}");
        check_order(&numbers, before, after);
    }
}
