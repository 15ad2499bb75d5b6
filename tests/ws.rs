//! `/ws`: the protocol by a client that keeps to it and breaks it as told (RFC 6455), the stream in it, and the texts
//! that tell how it stands.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;
use support::websocket::{BINARY, CLOSE, Client, Frame, PING, PONG, TEXT, close, frame, handshake, pong};
use support::{Dir, Fragment, Server, decode, follows, have, numbers_in_pictures, python, until};

#[test]
fn handshakes_are_answered() {
    let server = Server::test_picture(&[]);
    let mut socket = server.send(handshake("/ws", "").as_bytes());
    let mut head = [0; 166];
    socket.read_exact(&mut head).unwrap();
    let (before, rest) = std::str::from_utf8(&head).unwrap().split_once("Date: ").unwrap();
    let (date, after) = rest.split_once("\r\n").unwrap();
    assert!(date.ends_with(" GMT"), "{date}");
    assert_eq!(
        format!("{before}{after}"),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    let good = handshake("/ws", "");
    for (from, to, status) in [
        ("Upgrade: websocket", "Upgrade: h2c, WebSocket", 101),
        ("Connection: Upgrade", "Connection: keep-alive, UPGRADE", 101),
        ("GET ", "HEAD ", 426),
        ("GET ", "POST ", 405),
        ("GET ", "OPTIONS ", 204),
        ("HTTP/1.1", "HTTP/1.0", 426),
        ("Upgrade: websocket\r\n", "", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("Connection: Upgrade\r\n", "", 400),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("Version: 13", "Version: 8", 426),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", 400),
        (
            "Sec-WebSocket-Key: ",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: ",
            400,
        ),
        ("/ws", "/ws/", 404),
    ] {
        let request = good.replacen(from, to, 1);
        let mut first = String::new();
        let mut answer = BufReader::new(server.send(request.as_bytes()));
        answer.read_line(&mut first).unwrap();
        assert_eq!(
            first.split(' ').nth(1),
            Some(&*status.to_string()),
            "{request}{first}"
        );
        if status == 426 {
            let fields: Vec<String> = answer
                .lines()
                .map(Result::unwrap)
                .take_while(|l| !l.is_empty())
                .collect();
            for field in [
                "Upgrade: websocket",
                "Connection: upgrade",
                "Sec-WebSocket-Version: 13",
            ] {
                assert!(fields.iter().any(|it| it == field), "{fields:?}");
            }
        }
    }
}

#[test]
fn only_own_and_listed_pages_are_let_in() {
    let status = |server: &Server, host: &str, origin: &str| {
        let request = handshake("/ws", &format!("Origin: {origin}\r\n")).replacen("localhost", host, 1);
        let mut first = String::new();
        BufReader::new(server.send(request.as_bytes()))
            .read_line(&mut first)
            .unwrap();
        first.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let server = Server::test_picture(&[]);
    for (host, origin, expected) in [
        ("localhost", "http://localhost", 101),
        ("localhost", "http://localhost:80", 101),
        ("pi.local:8000", "http://pi.local:8000", 101),
        ("PI.local.:8000", "http://pi.local:8000", 101),
        ("[::1]:8000", "http://[::1]:8000", 101),
        // Behind a proxy that speaks TLS.
        ("pi", "https://pi", 101),
        ("pi:443", "https://pi", 101),
        ("pi:8443", "https://pi:8443", 101),
        ("pi", "http://pi:8000", 403),
        ("pi:8000", "http://pi", 403),
        ("pi:8000", "http://pi:8001", 403),
        ("pi:443", "http://pi", 403),
        ("pi:8000", "http://evil.example:8000", 403),
        ("pi:8000", "null", 403),
        ("pi:8000", "file://", 403),
        ("pi:8000", "ftp://pi:8000", 403),
        ("evil.example", "http://evil.example", 421),
    ] {
        assert_eq!(status(&server, host, origin), expected, "{host} from {origin}");
    }
    assert_eq!(server.number("forbidden"), 9);
    let server = Server::with_config("[server]\ncors_origins = https://home.example\n[test]\n");
    assert_eq!(status(&server, "pi:8000", "https://home.example"), 101);
    assert_eq!(status(&server, "pi:8000", "https://home.example:444"), 403);
    assert_eq!(status(&server, "pi:8000", "http://pi:8000"), 101);
}

/// Whatever a client breaks, it is told so with the code that RFC 6455 has for it, and the connection ends.
#[test]
fn what_breaks_the_protocol_closes_the_connection() {
    let server = Server::test_picture(&[]);
    let mut unmasked = frame(TEXT, b"abcd");
    unmasked[1] &= 0x7f;
    let too_long = [&[BINARY, 0xff][..], &(1u64 << 40).to_be_bytes(), &[0; 4]].concat();
    for (bytes, code) in [
        (unmasked, 1002),
        (frame(0xc1, b"a"), 1002),
        (frame(0xa1, b"a"), 1002),
        (frame(0x91, b"a"), 1002),
        (frame(0x83, b"a"), 1002),
        (frame(0x8b, b"a"), 1002),
        (frame(0x80, b"a"), 1002),
        ([frame(0x01, b"a"), frame(TEXT, b"b")].concat(), 1002),
        (frame(0x09, b"a"), 1002),
        (frame(PING, &[0; 126]), 1002),
        ([&[BINARY, 0xff][..], &[0xff; 8]].concat(), 1002),
        (too_long, 1009),
        (frame(BINARY, &[0; 4097]), 1009),
        ([frame(0x01, &[b'a'; 4096]), frame(0x80, b"a")].concat(), 1009),
        (frame(TEXT, b"\xc3\x28"), 1007),
        ([frame(0x01, b"\xc3"), frame(0x80, b"\x28")].concat(), 1007),
        (frame(CLOSE, b"\x03"), 1002),
        (close(1000, "").iter().copied().chain(*b"more").collect(), 1000),
        (close(1005, ""), 1002),
        (close(999, ""), 1002),
        (close(4000, "\u{e9}"), 4000),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    ] {
        let mut client = Client::new(&server, "/ws");
        client.send(&bytes);
        assert_eq!(client.closed(), Some(code), "{bytes:x?}");
    }
    let mut client = Client::new(&server, "/ws");
    client.send(&frame(CLOSE, b""));
    assert_eq!(client.closed(), None, "a close without a code is answered by one");
    until("all are gone", || server.number("clients") == 0);
}

#[test]
fn pings_are_answered_between_the_fragments_of_a_message() {
    let server = Server::test_picture(&[]);
    let mut client = Client::new(&server, "/ws");
    let lag = "{ \"type\" : \"lag\", \"sent_ms\":81234.5, \"lag_ms\" : 62.1, \"who\":\"\u{e9}\" }".as_bytes();
    // A character's bytes are in two fragments.
    let middle = lag.len() - 4;
    let pieces = [
        frame(0x01, &lag[..middle]),
        frame(PING, b"between"),
        frame(0x00, b""),
        frame(PONG, b"unasked"),
        frame(0x80, &lag[middle..]),
        frame(PING, &[7; 125]),
    ];
    // However TCP cuts it.
    for byte in pieces.concat() {
        client.send(&[byte]);
    }
    assert_eq!(client.find(|frame| frame.first == PONG).payload, b"between");
    let echo = client.find(|frame| frame.is_text("echo"));
    assert_eq!(echo.member("sent_ms"), "81234.5");
    assert!(echo.number("received_us") > 0);
    assert_eq!(client.find(|frame| frame.first == PONG).payload, [7; 125]);
    assert_eq!(server.status("lag_ms"), "62");
    assert_eq!(server.status("protocol"), "ws");
    // What is not understood is passed over, and what has no number in it gives none.
    client.send(&frame(TEXT, b"REQUESTSTREAM"));
    client.send(&frame(
        TEXT,
        b"{\"type\":\"lag\",\"sent_ms\":\"x\",\"lag_ms\":null}",
    ));
    client.send(&frame(BINARY, &[0; 4096]));
    client.send(&frame(TEXT, b"{\"type\":\"lag\",\"sent_ms\":7,\"lag_ms\":null}"));
    assert_eq!(client.find(|frame| frame.is_text("echo")).member("sent_ms"), "7");
    assert_eq!(server.status("lag_ms"), "null");
    // A number that no clock could have would spoil the sum of all.
    for lag_ms in [1_000_000_000_000_000_000u64, 9_000] {
        let lag = format!("{{\"type\":\"lag\",\"sent_ms\":{lag_ms},\"lag_ms\":{lag_ms}}}");
        client.send(&frame(TEXT, lag.as_bytes()));
        client.find(|frame| frame.is_text("echo"));
    }
    let metrics = server.get("/metrics");
    for (series, value) in [
        ("bucket", ",le=\"0.04\"} 0\n"),
        ("bucket", ",le=\"0.07\"} 1\n"),
        ("bucket", ",le=\"5\"} 1\n"),
        ("bucket", ",le=\"+Inf\"} 3\n"),
        ("sum", "} 3609.062000\n"),
    ] {
        let line = format!("fmp4streamer_viewer_lag_seconds_{series}{{camera=\"camera0\"{value}");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

/// What goes with the request's last packet is heard too.
#[test]
fn what_comes_behind_the_handshake_at_once_is_heard() {
    let server = Server::test_picture(&[]);
    let both = [handshake("/ws", "").into_bytes(), frame(PING, b"early")].concat();
    let mut client = Client {
        input: BufReader::new(server.send(&both)),
    };
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        client.input.read_line(&mut head).unwrap();
    }
    assert_eq!(client.find(|frame| frame.first == PONG).payload, b"early");
}

/// A browser that offers some closes where none of them is taken.
#[test]
fn an_offered_subprotocol_is_taken() {
    let server = Server::test_picture(&[]);
    let lines = "Sec-WebSocket-Protocol: binary, base64\r\n";
    for (target, lines, taken) in [
        ("/ws", lines, "\r\nSec-WebSocket-Protocol: binary\r\n"),
        ("/ws?format=h264", lines, "\r\nSec-WebSocket-Protocol: binary\r\n"),
        ("/ws", "", "\r\n\r\n"),
    ] {
        let mut input = BufReader::new(server.send(handshake(target, lines).as_bytes()));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(input.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(
            head.starts_with("HTTP/1.1 101 ") && head.contains(taken),
            "{head}"
        );
        assert_eq!(head.contains("Protocol:"), !lines.is_empty(), "{head}");
    }
}

/// The laws of /stream.mp4, in messages: the state, the init segment, then every frame once.
#[test]
fn the_stream_comes_whole_and_from_zero() {
    let server = Server::patient();
    until("it is open", || server.camera("source") == "test picture");
    for target in ["/ws", "/ws?start=live"] {
        let mut client = Client::new(&server, target);
        let state = client.next().unwrap();
        assert!(state.is_text("state"), "{state:?}");
        assert_eq!(
            (state.member("source"), state.member("placeholder")),
            ("test picture", "false")
        );
        let init = client.find(|frame| frame.first == BINARY);
        assert!(init.is_init() && init.payload.windows(4).any(|kind| kind == b"moov"));
        let mut last = client.next_fragment();
        assert!(last.key() && (last.sequence(), last.time()) == (1, 0));
        let clock = client.next().unwrap();
        assert!(
            clock.is_text("clock") && clock.number("media_90k") == 0,
            "{clock:?}"
        );
        assert!(clock.number("sent_us") >= clock.number("captured_us"));
        for _ in 0..200 {
            let next = client.next_fragment();
            assert!(follows(&next, &last), "a frame is lost");
            last = next;
        }
        // Another one comes after five seconds, which these frames are more than.
        let clock = client.find(|frame| frame.is_text("clock"));
        assert!(clock.number("media_90k") >= 4 * 90_000, "{clock:?}");
    }
}

/// H.264 as a byte stream, some frames of it, from the test picture of this size.
fn record(width: u32, height: u32, frames: usize) -> Vec<Vec<u8>> {
    let server = Server::with_config(&format!(
        "[server]\nmax_age_ms = 60000\n[test]\nwidth = {width}\nheight = {height}\n"
    ));
    let mut client = Client::new(&server, "/ws?format=h264&start=live");
    (0..frames)
        .map(|_| client.find(|frame| frame.first == BINARY).payload)
        .collect()
}

#[test]
fn a_byte_stream_comes_an_access_unit_a_message() {
    let server = Server::patient();
    let mut client = Client::new(&server, "/ws?format=h264");
    let mut stream = Vec::new();
    for number in 0..75 {
        let frame = client.next().unwrap();
        assert_eq!(frame.first, BINARY, "no texts");
        let unit = frame.payload;
        let starts = (0..unit.len() - 4).filter(|at| unit[*at..*at + 4] == [0, 0, 0, 1]);
        let kinds: Vec<u8> = starts.map(|at| unit[at + 4] & 31).collect();
        let slices: &[u8] = match kinds.as_slice() {
            [7, 8, slices @ ..] => {
                assert!(slices.iter().all(|kind| *kind == 5), "{kinds:?}");
                slices
            }
            slices => {
                assert!(number > 0 && slices.iter().all(|kind| *kind == 1), "{kinds:?}");
                slices
            }
        };
        assert!(!slices.is_empty() && unit.starts_with(&[0, 0, 0, 1]));
        stream.extend(unit);
    }
    client.send(&frame(PING, b"x"));
    assert_eq!(client.find(|frame| frame.first == PONG).payload, b"x");
    if have("ffmpeg") {
        let dir = Dir::new();
        let file = dir.write("a.h264", stream);
        assert_eq!(decode(&file), 75);
        let numbers = numbers_in_pictures(file.to_str().unwrap(), 640);
        assert_eq!(numbers.len(), 75);
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{numbers:?}"
        );
    }
}

fn replay(file: &Path, how: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    format!("python3 '{script}' '{}' {how} units", file.display())
}

/// A stream that changes its size goes on with another init segment, and with its time.
#[test]
fn another_size_is_another_init_segment() {
    if !have("python3") {
        return;
    }
    let dir = Dir::new();
    let file = dir.write(
        "in.h264",
        [record(320, 240, 20), record(160, 120, 20)].concat().concat(),
    );
    let server = Server::with_config(&format!(
        "[server]\nmax_age_ms = 60000\n[exec]\ncommand = exec {}\n",
        replay(&file, "60")
    ));
    let mut client = Client::new(&server, "/ws");
    let (mut inits, mut last) = (Vec::new(), None);
    while inits.len() < 4 {
        let frame = client.find(|frame| frame.first == BINARY);
        if frame.is_init() {
            assert!(inits.last() != Some(&frame.payload), "only a change is told");
            inits.push(frame.payload);
            let first = client.next_fragment();
            assert!(first.key());
            match &last {
                None => assert_eq!((first.sequence(), first.time()), (1, 0)),
                Some(last) => assert!(follows(&first, last), "one time line"),
            }
            last = Some(first);
        } else {
            let next = Fragment::new(&frame.payload);
            assert!(follows(&next, last.as_ref().unwrap()), "a frame is lost");
            last = Some(next);
        }
    }
    assert!(inits[0] == inits[2] && inits[1] == inits[3] && inits[0] != inits[1]);
}

/// A camera that goes and comes back is told as it happens, and the pictures go on after it.
#[test]
fn losses_are_told() {
    let dir = Dir::new();
    let (file, there) = (
        dir.write("in.h264", record(160, 120, 30).concat()),
        dir.write("there", ""),
    );
    let command = format!(
        "test -e '{}' || {{ exit 3; }}; cat '{}'; sleep 0.5; exit 1",
        there.display(),
        file.display()
    );
    let server = Server::with_config(&format!("[exec]\ncommand = {command}\n"));
    let mut client = Client::new(&server, "/ws");
    assert!(client.find(|frame| frame.first == BINARY).is_init());
    let mut time = client.next_fragment().time();
    std::fs::remove_file(&there).unwrap();
    let lost = client.find(|frame| {
        assert!(!frame.is_init(), "it is the same one all the time");
        frame.is_text("state") && frame.member("reason").contains("exited with status 3")
    });
    assert_eq!(lost.member("state"), "lost");
    std::fs::write(&there, "").unwrap();
    client.find_state("live");
    for _ in 0..10 {
        let fragment = client.next_fragment();
        assert!(fragment.time() > time, "never back, never zero again");
        time = fragment.time();
    }
}

#[test]
fn a_page_wakes_the_camera_and_lets_it_sleep() {
    let server = Server::with_config("[test]\nlinger_s = 0\n");
    for _ in 0..3 {
        until("it sleeps", || server.camera("state") == "asleep");
        let mut client = Client::new(&server, "/ws");
        // The first look is before the first frame, unless the camera is quicker than this client's thread.
        let mut live = client.next().unwrap();
        if live.member("state") != "live" {
            assert!(["asleep", "starting"].contains(&live.member("state")), "{live:?}");
            live = client.find_state("live");
        }
        assert_eq!((live.member("codec"), live.member("reason")), ("h264", ""));
        assert_eq!(client.next_fragment().time(), 0);
        client.send(&close(1001, ""));
        assert_eq!(client.closed(), Some(1001));
    }
}

/// Frames flow to those who read while others never do; those are gone after the write timeout.
#[test]
fn clients_that_never_read_cost_the_others_nothing() {
    let server = Server::with_config(
        "[server]\nmax_age_ms = 60000\njoin_max_mb = 64\n[test]\nwidth = 1920\nheight = 1080\n",
    );
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let mut client = Client::new(&server, "/ws");
            let mut last = client.next_fragment();
            thread::spawn(move || {
                loop {
                    let frame = client.next().expect("a close frame before the end");
                    match frame.first {
                        BINARY => {
                            let next = Fragment::new(&frame.payload);
                            assert!(follows(&next, &last), "a reader lost a frame");
                            last = next;
                        }
                        CLOSE => return (frame.code(), last.sequence()),
                        _ => assert!(frame.is_text("clock") || frame.is_text("state"), "{frame:?}"),
                    }
                }
            })
        })
        .collect();
    let stuck: Vec<_> = (0..20)
        .map(|_| server.send(handshake("/ws", "").as_bytes()))
        .collect();
    until("the stuck ones are gone", || {
        server.number("stuck_clients") == 20 && server.number("clients") == 20
    });
    drop(stuck);
    server.signal("-TERM");
    for reader in readers {
        let (code, frames) = reader.join().unwrap();
        assert!(code == Some(1001) && frames > 30, "{code:?} after {frames}");
    }
}

/// A client that stops for longer than the age limit is told how many frames it missed, and goes on with a newer key
/// frame. What it asks meanwhile is answered between the messages and never within one, or nothing could be read here.
#[test]
fn a_client_that_lags_is_told_what_it_missed() {
    if !have("python3") {
        return;
    }
    let dir = Dir::new();
    let frames = record(1920, 1080, 60);
    let file = dir.write("in.h264", frames.concat());
    let server = Server::with_config(&format!(
        "[server]\nmax_age_ms = 300\n[exec]\ncommand = exec {}\n",
        replay(&file, "30")
    ));
    // Each has its number in its picture, so no two are the same.
    let place = |fragment: &Fragment| {
        let slice = fragment.nal_units()[0].to_vec();
        frames
            .iter()
            .position(|unit| unit.ends_with(&slice))
            .expect("a frame that was fed")
    };
    let mut client = Client::new(&server, "/ws");
    let mut last = place(&client.next_fragment());
    let (mut told, mut pongs) = (0, 0);
    until("frames are left out", || {
        // It reads a little now and then, so that it lags but is not stuck.
        for _ in 0..3 {
            client.send(&frame(PING, b"still there?"));
            let mut skipped = 0;
            let picture = client.find(|frame| {
                pongs += u32::from(frame.first == PONG);
                if frame.first == TEXT && frame.is_text("skipped") {
                    assert_eq!(skipped, 0, "a hole is told once");
                    skipped = frame.number("frames");
                }
                frame.first == BINARY && !frame.is_init()
            });
            let next = Fragment::new(&picture.payload);
            assert!(skipped == 0 || next.key());
            let place = place(&next);
            assert_eq!(
                place,
                (last + 1 + skipped as usize) % frames.len(),
                "{skipped} were skipped"
            );
            (last, told) = (place, told + skipped);
        }
        thread::sleep(Duration::from_millis(300));
        told > 0 && pongs > 0
    });
    assert!(server.number("frames_skipped") >= told);
}

/// A proxy that takes the stream faster than its viewer does is late by more and more, and the viewer says so.
#[test]
fn a_viewer_that_says_it_is_late_is_sent_less() {
    let server = Server::test_picture(&[]);
    let mut client = Client::new(&server, "/ws");
    client.next_fragment();
    let lag = |ms: &str| frame(TEXT, format!("{{\"type\":\"lag\",\"lag_ms\":{ms}}}").as_bytes());
    for ms in ["null", "1900", "2100"] {
        client.send(&lag(ms));
    }
    let skipped = client.find(|frame| frame.first == TEXT && frame.is_text("skipped"));
    let frames = skipped.number("frames");
    // It is late by 2.1 s, at 30 frames a second; on a busy machine they are fewer.
    assert!(frames > 5, "{frames}");
    assert!(client.next_fragment().key());
    assert_eq!(server.number("frames_skipped"), frames);
    // It had its turn, and is not better: it is late by itself.
    client.send(&lag("2100"));
    for _ in 0..120 {
        let next =
            client.find(|frame| frame.first == BINARY || frame.first == TEXT && frame.is_text("skipped"));
        assert!(next.first == BINARY);
    }
}

#[test]
fn a_full_house_says_so_before_the_upgrade() {
    let server = Server::with_config("[server]\nmax_clients = 2\n[test]\n");
    let mut page = Client::new(&server, "/ws");
    page.next_fragment();
    let mut recording = server.follow("");
    recording.next_fragment().unwrap();
    let answer = server.ask(&handshake("/ws", ""));
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(page);
    until("the place is free again", || server.number("clients") == 1);
    Client::new(&server, "/ws").next_fragment();
}

/// Who is gone without a word while nothing flows is noticed: a client has to answer a ping, or the like.
#[test]
fn silence_is_asked_about_once() {
    let server = Server::with_config("[exec quiet]\ncommand = exec sleep 1000\n");
    let mut good = Client::new(&server, "/ws?format=h264");
    let mut silent = Client::new(&server, "/ws?format=h264");
    let answering = thread::spawn(move || {
        while let Some(frame) = good.next() {
            match frame.first {
                PING => good.send(&pong(&frame.payload)),
                CLOSE => return frame.code(),
                _ => panic!("{frame:?}"),
            }
        }
        None
    });
    assert_eq!(silent.next().unwrap().first, PING);
    assert!(silent.next().is_none(), "it is given up");
    assert_eq!(server.number("clients"), 1, "who answers stays");
    server.signal("-TERM");
    assert_eq!(answering.join().unwrap(), Some(1001));
}

#[test]
fn who_leaves_without_a_word_is_noticed() {
    let server = Server::with_config(
        "[server]\nmax_clients = 300\n[exec quiet]\ncommand = exec sleep 1000\nlinger_s = 0\n",
    );
    let clients: Vec<_> = (0..100).map(|_| Client::new(&server, "/ws")).collect();
    assert_eq!(server.number("clients"), 100);
    drop(clients);
    until("all are gone", || {
        server.number("clients") == 0 && server.proc_status("Threads") <= 6
    });
    until("the camera sleeps", || server.camera("state") == "asleep");
}

/// A client that talks without end and takes no answers is let go as any other that is stuck, and one that takes them
/// is served.
#[test]
fn clients_that_talk_without_end_keep_nobody_out() {
    let server = Server::test_picture(&[]);
    let flood = frame(PING, &[0x61; 125]).repeat(1000);
    let mut deaf = Client::new(&server, "/ws");
    let talking = thread::spawn(move || {
        let socket = deaf.input.get_mut();
        socket
            .set_write_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        // Until the server has had enough.
        loop {
            match socket.write_all(&flood) {
                Err(e) if !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return,
                _ => {}
            }
        }
    });
    let mut viewer = Client::new(&server, "/ws");
    let mut last = viewer.next_fragment();
    while !talking.is_finished() {
        let next = viewer.next_fragment();
        assert_eq!(next.sequence(), last.sequence() + 1);
        last = next;
    }
    talking.join().unwrap();
    until("it is counted", || server.number("stuck_clients") == 1);
}

/// The `websockets` package from PyPI takes all of it for what it is.
#[test]
fn a_foreign_client_agrees() {
    let server = Server::patient();
    let Some(said) = python(
        &["websockets"],
        "websocket.py",
        &[&format!("ws://{}", server.address)],
    ) else {
        return;
    };
    let (out, err) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    assert!(said.status.success(), "{err}");
    assert_eq!(
        out,
        "state init fragments clock echo pong big-pong closed 1000 h264 refused 1009\n"
    );
}

#[test]
fn sound_comes_between_the_pictures_unless_it_is_not_wanted() {
    let server = Server::with_config("[server]\nlisten = 127.0.0.1\nport = 0\n[test]\nmic = test\n");
    for (target, has_sound) in [("/ws", true), ("/ws?audio=0", false)] {
        let mut client = Client::new(&server, target);
        let init = client.find(Frame::is_init);
        let tells = |word: &[u8]| init.payload.windows(4).any(|four| four == word);
        assert_eq!((tells(b"avc1"), tells(b"mp4a")), (true, has_sound), "{target}");
        let mut sounds = 0;
        let mut ends = [0, 0];
        for number in 1..=60 {
            let message = client.find(|frame| frame.first == BINARY).payload;
            let fragment = Fragment::new(&message);
            let is_sound = message[44..48] == [0, 0, 0, 2];
            assert_eq!(fragment.sequence(), number);
            assert!(
                number > 1 || !is_sound && fragment.time() < 15,
                "{}",
                fragment.time()
            );
            let end = &mut ends[usize::from(is_sound)];
            assert!(fragment.time() >= *end, "{target}: {number}");
            *end = fragment.time() + 1;
            sounds += usize::from(is_sound);
        }
        assert_eq!(sounds > 10, has_sound, "{sounds}");
    }
    let mut bare = Client::new(&server, "/ws?format=h264");
    for _ in 0..40 {
        assert_eq!(bare.next().unwrap().payload[..4], [0, 0, 0, 1]);
    }
}
