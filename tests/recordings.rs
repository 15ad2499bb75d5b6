//! Looking back: clips out of memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};
use support::{Server, decode, have, run, until};

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

/// The seconds from the first picture to the end of the last.
fn seconds(server: &Server, file: &[u8]) -> f64 {
    let path = server.dir.write("clip.mp4", file);
    assert!(decode(&path) > 0);
    let probe = "-v warning -show_entries format=duration -of csv=p=0"
        .split(' ')
        .collect::<Vec<_>>();
    let probe = run("ffprobe", &[&probe[..], &[path.to_str().unwrap()]].concat());
    assert_eq!(String::from_utf8_lossy(&probe.stderr), "");
    String::from_utf8(probe.stdout).unwrap().trim().parse().unwrap()
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
    assert!(seconds(&server, &file) > 1.0);

    // One that has ended already.
    let (head, older) = get(&server, "/clip.mp4?before=3&for=-2");
    assert!(head.starts_with("HTTP/1.1 200"));
    assert!(seconds(&server, &older) > 0.0);

    let (head, body) = get(&server, "/clip.mp4?before=1&for=1");
    assert_eq!(field(&head, "Content-Length"), None);
    let file = unchunked(&body);
    assert_eq!(boxes(&file)[..2], kinds[..2]);
    assert!(seconds(&server, &file) > 1.0);

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
