//! The stream as its clients get it: recorded with curl, judged by ffprobe, GStreamer and GPAC, and followed by
//! clients that behave and clients that do not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::{Dir, Fragment, Server, Stream, decode, follows, have, numbers_in_pictures, run, until};

/// Records with curl until `enough` bytes are there, then stops the server, so that the recording ends in order.
fn record(mut server: Server, dir: &Dir, enough: u64) -> std::path::PathBuf {
    let file = dir.file("a.mp4");
    let mut curl = Command::new("curl")
        .args(["-sS", "-o", file.to_str().unwrap(), &server.url("/stream.mp4")])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    until("enough is recorded", || {
        std::fs::metadata(&file).is_ok_and(|m| m.len() > enough)
    });
    server.signal("-TERM");
    assert!(
        curl.wait().unwrap().success(),
        "an orderly end has the last chunk"
    );
    assert!(server.wait().success());
    file
}

#[test]
fn curl_to_a_file_is_a_recording() {
    if !have("curl") || !have("ffmpeg") {
        return;
    }
    let dir = Dir::new();
    let file = record(Server::patient(), &dir, 150_000);
    let frames = decode(&file);
    assert!(frames > 60, "{frames} frames");
    let file = file.to_str().unwrap();
    let numbers = numbers_in_pictures(file, 640);
    assert_eq!(numbers.len() as u64, frames);
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );

    // Times fit the number of frames: 30 a second.
    let probe = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-show_entries",
            "packet=pts",
            "-of",
            "csv=p=0",
            file,
        ],
    );
    let times: Vec<u64> = String::from_utf8_lossy(&probe.stdout)
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(
        (times[0], times.len() as u64),
        (0, frames),
        "a recording starts at zero"
    );
    // Frames may come late on a machine that has much to do, but none early.
    for (number, time) in times.iter().enumerate() {
        assert!(*time + 3000 >= number as u64 * 3000, "frame {number} at {time}");
    }

    if have("gst-launch-1.0") {
        let path = format!("location={file}");
        let gst = run(
            "gst-launch-1.0",
            &[
                "-q",
                "filesrc",
                &path,
                "!",
                "qtdemux",
                "!",
                "h264parse",
                "!",
                "avdec_h264",
                "!",
                "fakesink",
            ],
        );
        assert!(
            gst.status.success() && gst.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&gst.stderr)
        );
    }
    let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/node_modules");
    if !std::path::Path::new(modules).join("mp4box").is_dir() {
        support::skip("GPAC's mp4box.js is not installed (tests/need test)");
    } else if have("node") {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/gpac.cjs");
        let said = Command::new("node")
            .args([script, file])
            .env("NODE_PATH", modules)
            .output()
            .unwrap();
        assert!(
            said.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        );
        assert_eq!(
            String::from_utf8_lossy(&said.stdout),
            format!("1 avc1.42c01e 90000 {frames} 0\n")
        );
    }
}

#[test]
fn sizes_and_rotations_come_out_as_asked() {
    if !have("ffmpeg") || !have("curl") {
        return;
    }
    for (width, height, rotation) in [(160, 120, 0), (322, 182, 90), (640, 480, 180), (1280, 720, 270)] {
        let dir = Dir::new();
        let config = format!("[test]\nwidth = {width}\nheight = {height}\nrotation = {rotation}\n");
        let file = record(Server::with_config(&config), &dir, 30_000);
        decode(&file);
        let probe = run(
            "ffprobe",
            &[
                "-v",
                "error",
                "-show_entries",
                "stream=width,height:stream_side_data=rotation",
                "-of",
                "csv=p=0",
                file.to_str().unwrap(),
            ],
        );
        let said = String::from_utf8_lossy(&probe.stdout).trim().to_string();
        // ffprobe counts counter-clockwise, from -180 to 180.
        let turned = match rotation {
            0 => String::new(),
            90 => ",-90".into(),
            180 => ",-180".into(),
            _ => ",90".into(),
        };
        assert_eq!(said.replace(",180", ",-180"), format!("{width},{height}{turned}"));
    }
}

#[test]
fn a_newcomer_starts_at_zero_with_a_key_frame_and_a_warm_ring_gives_it_the_group() {
    let server = Server::patient();
    let mut early = server.follow("");
    let mut last = early.next_fragment().unwrap();
    assert!(last.key() && last.time() == 0 && last.sequence() == 1);
    for _ in 2..40 {
        let next = early.next_fragment().unwrap();
        assert!(follows(&next, &last), "a frame is lost");
        last = next;
    }
    let late = server.follow("?start=live&x=y").next_fragment().unwrap();
    assert!(late.key() && late.time() == 0 && late.sequence() == 1);
    let late = server.follow("").next_fragment().unwrap();
    assert!(late.key() && late.time() == 0 && late.sequence() == 1);
}

/// The page asks for them where no WebSocket passes: /status says when the frame of such a time was captured.
#[test]
fn times_may_be_those_of_the_camera() {
    let server = Server::test_picture(&[]);
    let mut early = server.follow("?times=camera");
    let first = early.next_fragment().unwrap();
    let mut late = server.follow("?times=camera&start=live");
    let there = late.next_fragment().unwrap();
    assert!(there.sequence() == 1 && there.time() > first.time());
    let mut same = first;
    while same.time() < there.time() {
        same = early.next_fragment().unwrap();
    }
    assert_eq!(same.time(), there.time());
    assert_eq!(same.nal_units(), there.nal_units());
    let number = |field: &str| server.camera(field).parse::<u64>().unwrap();
    assert!(number("media_90k") >= there.time());
    let captured_us = number("captured_us");
    assert!(captured_us > 0 && captured_us <= server.number("clock_us"));
}

#[test]
fn http_1_1_is_chunked_a_fragment_a_chunk() {
    let server = Server::test_picture(&[]);
    let mut socket = server.send(b"GET /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let mut chunk = || {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            socket.read_exact(&mut byte).unwrap();
            size.push(byte[0]);
        }
        let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
        let mut data = vec![0; size + 2];
        socket.read_exact(&mut data).unwrap();
        assert!(data.ends_with(b"\r\n"));
        data.truncate(size);
        data
    };
    let init = chunk();
    assert_eq!(&init[4..8], b"ftyp");
    for _ in 0..40 {
        let fragment = chunk();
        let moof = u32::from_be_bytes(fragment[..4].try_into().unwrap()) as usize;
        let mdat = u32::from_be_bytes(fragment[moof..moof + 4].try_into().unwrap()) as usize;
        assert_eq!(
            (&fragment[4..8], &fragment[moof + 4..moof + 8]),
            (&b"moof"[..], &b"mdat"[..])
        );
        assert_eq!(moof + mdat, fragment.len());
    }
    server.signal("-TERM");
    while !chunk().is_empty() {}
}

/// Frames flow to those who read while others never do; those are gone after the write timeout.
#[test]
fn clients_that_never_read_cost_the_others_nothing() {
    let server = Server::with_config(
        "[server]\nmax_age_ms = 60000\njoin_max_mb = 64\n[test]\nwidth = 1920\nheight = 1080\n",
    );
    let mut readers: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = server.follow("");
            let mut last = stream.next_fragment().unwrap();
            thread::spawn(move || {
                while let Some(next) = stream.next_fragment() {
                    assert!(follows(&next, &last), "a reader lost a frame");
                    last = next;
                }
                last.sequence()
            })
        })
        .collect();
    let stuck: Vec<_> = (0..10)
        .map(|_| server.send(b"GET /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .collect();
    until("the stuck ones are gone", || {
        server.number("stuck_clients") == 10 && server.number("clients") == 10
    });
    drop(stuck);
    server.signal("-TERM");
    for reader in readers.drain(..) {
        assert!(reader.join().unwrap() > 30);
    }
}

/// A client that stops for longer than the age limit goes on with a newer key frame: the times tell of the gap, and
/// what it gets can be decoded.
#[test]
fn a_client_that_lags_goes_on_with_a_key_frame() {
    let server = Server::with_config("[server]\nmax_age_ms = 300\n[test]\nwidth = 1920\nheight = 1080\n");
    let mut stream = server.follow("");
    let mut last = stream.next_fragment().unwrap();
    let mut left_out = false;
    until("frames are left out", || {
        // It reads a little now and then, so that it lags but is not stuck.
        for _ in 0..3 {
            let next = stream.next_fragment().unwrap();
            assert!(
                next.key() || frame_num(&next) == frame_num(&last) + 1,
                "after a gap comes a key frame"
            );
            assert!(next.time() >= last.end(), "never backwards");
            left_out |= next.key() && next.time() > last.end();
            assert_eq!(next.sequence(), last.sequence() + 1);
            last = next;
        }
        thread::sleep(std::time::Duration::from_millis(300));
        left_out && server.status_after("connected_s", "frames_skipped") != "0"
    });
}

/// The test picture's frame_num (H.264, 7.3.3): a key frame has 0, and each in its group one more. In the others it has
/// eight bits behind the first seven of the slice.
fn frame_num(fragment: &Fragment) -> u8 {
    let slice = fragment.nal_units()[0];
    if fragment.key() {
        0
    } else {
        slice[1] << 7 | slice[2] >> 1
    }
}

#[test]
fn viewers_are_counted_and_the_camera_sleeps_and_wakes() {
    let server = Server::with_config("[test]\nlinger_s = 0\n");
    for round in 0..3 {
        until("it sleeps", || server.camera("state") == "asleep");
        assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
        let mut stream = server.follow("");
        let first = stream.next_fragment().unwrap();
        assert!(first.key() && first.time() == 0, "round {round}");
        assert_eq!(server.camera("state"), "live");
        assert_eq!(server.number("clients"), 1);
    }
    let server = Server::with_config("[test]\nlinger_s = 0\nauto_sleep = no\n");
    until("it runs unwatched", || {
        server.camera("frames").parse::<u64>().unwrap() > 60
    });
    assert_eq!(server.camera("state"), "live");
}

#[test]
fn sigterm_ends_a_hundred_streams_in_order() {
    let mut server = Server::test_picture(&[]);
    let clients: Vec<_> = (0..100)
        .map(|_| {
            let mut socket = server.send(b"GET /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n");
            thread::spawn(move || {
                let mut all = Vec::new();
                socket
                    .read_to_end(&mut all)
                    .map(|_| all.ends_with(b"\r\n0\r\n\r\n"))
            })
        })
        .collect();
    until("all have come", || server.number("clients") == 100);
    until("frames flow", || server.number("bytes_sent") > 10_000);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    for client in clients {
        assert!(client.join().unwrap().unwrap(), "an orderly end");
    }
}

/// Nobody waits for frames that never come: who leaves is noticed, and then the command is stopped.
#[test]
fn who_leaves_while_nothing_flows_is_noticed() {
    let server = Server::with_config(
        "[server]\nmax_clients = 300\n[exec quiet]\ncommand = exec sleep 1000\nlinger_s = 0\n",
    );
    let clients: Vec<_> = (0..200)
        .map(|_| server.send(b"GET /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .collect();
    until("all have come", || server.number("clients") == 200);
    drop(clients);
    until("all are gone", || {
        server.number("clients") == 0 && server.proc_status("Threads") <= 6
    });
    until("the camera sleeps", || server.camera("state") == "asleep");
}

const MP4: &[u8] = b"GET /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n";
const WS: &[u8] = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// However a client ends its side, and whatever it has sent before, it is gone from /status; of those that stay no thread
/// wakes up to look.
#[test]
fn each_way_to_leave_is_noticed_and_nobody_looks_for_it() {
    let server =
        Server::with_config("[server]\nmax_clients = 300\n[exec quiet]\ncommand = exec sleep 1000\n");
    let staying: Vec<TcpStream> = (0..40)
        .map(|number| server.send(if number % 2 == 0 { MP4 } else { WS }))
        .collect();
    let half_close = |client: &TcpStream| client.shutdown(Shutdown::Write).unwrap();
    // Of a WebSocket too: the head of a text that does not come.
    let more = |mut client: &TcpStream| client.write_all(&[0x81, 0xfe, 0xff]).unwrap();
    for request in [MP4, WS] {
        let [fin, reset_client, half, after_more, later] = [(); 5].map(|()| server.send(request));
        more(&after_more);
        until("all have come", || server.number("clients") == 45);
        drop(fin);
        until("it is gone", || server.number("clients") == 44);
        reset(reset_client);
        until("it is gone", || server.number("clients") == 43);
        half_close(&half);
        until("it is gone", || server.number("clients") == 42);
        half_close(&after_more);
        until("it is gone", || server.number("clients") == 41);
        more(&later);
        more(&later);
        assert_eq!(server.number("clients"), 41, "words are no end");
        half_close(&later);
        until("it is gone", || server.number("clients") == 40);
    }
    let before = server.sleeps("client");
    thread::sleep(Duration::from_secs(3));
    let woken = server.sleeps_since(&before, "client");
    assert!(woken < 40, "{woken} times in 3 s");
    drop(staying);
    until("all are gone", || server.number("clients") == 0);
}

/// Clients that send without end are read from, and cost no more than a look now and then; others are served.
#[test]
fn who_sends_without_end_keeps_no_thread_busy() {
    let server = Server::with_config("[exec quiet]\ncommand = exec sleep 1000\n");
    let flooding: Vec<_> = (0..3)
        .map(|_| {
            let mut client = server.send(MP4);
            thread::spawn(move || while client.write_all(&[b'x'; 65536]).is_ok() {})
        })
        .collect();
    until("the thread is made", || !server.sleeps("inputs").is_empty());
    let (begun, before) = (Instant::now(), server.sleeps("inputs"));
    until("they are read from", || {
        server.sleeps_since(&before, "inputs") > 100
    });
    thread::sleep(Duration::from_secs(1));
    let sleeps = server.sleeps_since(&before, "inputs");
    // It waits, and rests: for 10 ms each time.
    let most = 2 * (begun.elapsed().as_millis() as u64 / 10 + 1);
    assert!(sleeps <= most, "{sleeps} times, not {most}");
    let mut one_more = server.send(WS);
    until("it is served", || server.number("clients") == 4);
    one_more.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    let mut answer = Vec::new();
    one_more.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(&[0x88, 0]), "a close frame for one");
    let mut server = server;
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    flooding.into_iter().for_each(|client| client.join().unwrap());
}

/// Ends a connection with a reset.
fn reset(client: TcpStream) {
    let at_once = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    nix::sys::socket::setsockopt(&client, nix::sys::socket::sockopt::Linger, &at_once).unwrap();
}

/// A client out of reach sends no FIN. In a network of the test's own, as it is to lose packets.
#[test]
fn who_vanishes_while_nothing_flows_is_noticed() {
    support::in_own_network("who_vanishes_while_nothing_flows_is_noticed", vanish);
}

fn vanish() {
    let ip = |args: &str| {
        let args: Vec<&str> = args.split(' ').collect();
        assert!(run("ip", &args).status.success(), "ip {args:?}");
    };
    ip("link set lo up");
    ip("addr add 192.0.2.1/32 dev lo");
    let server = Server::with_config(
        "[server]\nmax_clients = 16\n[exec quiet]\nname = quiet\ncommand = exec sleep 1000\nlinger_s = 0\n\
         [/dev/no-such-video]\nname = lost\nlinger_s = 0\n",
    );
    let client = |from: [u8; 4], request: &String| server.send_from(from, request.as_bytes());
    let get = |path: &str, fields: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut requests = vec!["GET / HT".to_string(), get("/status", "")];
    for camera in ["quiet", "lost"] {
        let streams = ["stream.mp4", "stream.mjpeg", "stream.m3u8"];
        requests.extend(streams.map(|stream| get(&format!("/{camera}/{stream}"), "")));
        requests.push(get(&format!("/{camera}/ws"), upgrade));
    }
    let away = [192, 0, 2, 1];
    let out_of_reach: Vec<_> = requests.iter().map(|request| client(away, request)).collect();
    let here = [127, 0, 0, 1];
    let forgotten: Vec<_> = requests.iter().map(|request| client(here, request)).collect();
    // The two cameras' streams, and of HLS one viewer for each address.
    until("all have come", || server.number("clients") == 16);
    assert!(
        server.get("/stream.mp4").starts_with("HTTP/1.1 503"),
        "there is a place"
    );
    // These answer nothing from now on, and of those the reset is lost.
    ip("addr del 192.0.2.1/32 dev lo");
    ip("link set lo down");
    forgotten.into_iter().for_each(reset);
    ip("link set lo up");
    // A WebSocket is pinged after 20 s, and has as long again to answer.
    until("the others are gone", || server.number("clients") <= 2);
    until("all are gone", || server.number("clients") == 0);
    until("the camera sleeps", || server.camera("state") == "asleep");
    until("no connection is left", || server.number("connections") <= 1);
    drop(out_of_reach);
}

/// Whoever comes when, and starts on whichever key frame: from there on it is the same frames.
#[test]
fn streams_of_many_clients_are_the_same() {
    let server = Server::patient();
    let mut early = server.follow("");
    let mut frames = vec![early.next_fragment().unwrap()];
    let late: Vec<Stream> = (0..5).map(|_| server.follow("?start=live")).collect();
    for mut stream in late {
        let first = stream.next_fragment().unwrap();
        assert!(first.key());
        let mut at = 0;
        while frames[at].nal_units() != first.nal_units() {
            at += 1;
            assert!(at < 1000, "a start that nobody else has");
            if at == frames.len() {
                frames.push(early.next_fragment().unwrap());
            }
        }
        for _ in 0..20 {
            at += 1;
            if at == frames.len() {
                frames.push(early.next_fragment().unwrap());
            }
            let next = stream.next_fragment().unwrap();
            assert!(next.nal_units() == frames[at].nal_units(), "another frame");
        }
    }
}
