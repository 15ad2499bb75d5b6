//! What is sent, and what becomes of it: times, sound, pauses, slow clients, lost cameras.

use super::client::Client;
use super::support::{Dir, Server, children, have, run, until, x264};
use super::{SERVER, TCP, ffmpeg, place, server, test_picture};
use nix::sys::socket::{setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both tracks in one file, in step: ffmpeg puts them together by the reports.
#[test]
fn sound_goes_with_the_picture() {
    let server = server("[test]\nmic = test\nwidth = 320\nheight = 240\n");
    let mut client = Client::new(&server, "");
    let told = client.play(2);
    let pictures = client.pictures(60);
    assert!(client.sounds.len() > 60, "{} AAC frames", client.sounds.len());
    // From the first packet on: both tracks start at one moment, that of the first picture.
    let (video, sound) = (client.reports[0][0], client.reports[1][0]);
    assert_eq!(video.unix_us, sound.unix_us);
    assert_eq!([video.timestamp, sound.timestamp], [told[0].1, told[1].1]);
    assert_eq!(told[0], (client.firsts[0].0, pictures[0].timestamp));
    let (sequence, timestamp) = client.firsts[1];
    assert_eq!(told[1].0, sequence);
    // By their captures, which a busy machine may see late.
    let later = timestamp.wrapping_sub(told[1].1) as i32;
    assert!(later.abs() < 48_000, "{later}");
    if !have("ffmpeg") {
        return;
    }
    let file = server.dir.file("both.mp4");
    let url = format!("rtsp://{}/", place(&server));
    let recorded = ffmpeg(TCP, &url, &format!("-t 2 -c copy {}", file.display()));
    assert!(
        recorded.status.success(),
        "{}",
        String::from_utf8_lossy(&recorded.stderr)
    );
    let show = [
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name,start_time",
        "-of",
        "csv=p=0",
    ];
    let shown = run("ffprobe", &[&show[..], &[file.to_str().unwrap()]].concat());
    let shown = String::from_utf8(shown.stdout).unwrap();
    let starts: Vec<(&str, f64)> = shown
        .lines()
        .map(|line| line.split_once(',').unwrap())
        .map(|(codec, start)| (codec, start.parse().unwrap()))
        .collect();
    assert_eq!(
        (starts.len(), starts[0].0, starts[1].0),
        (2, "h264", "aac"),
        "{shown}"
    );
    assert!((starts[0].1 - starts[1].1).abs() < 0.2, "{shown}");
}

/// The same bytes as MP4 has them, and by the reports the very time of their capture.
#[test]
fn slices_are_those_of_mp4_and_reports_say_when_they_were_captured() {
    let server = test_picture();
    let mut mp4 = server.follow("?times=camera");
    let mut client = Client::playing(&server, "/", 1);
    // Before the first one the status knows of none.
    let mut pictures = client.pictures(1);
    let place = server.address;
    let asked = thread::spawn(move || {
        let known = |_| {
            let mut socket = TcpStream::connect(place).unwrap();
            socket.write_all(b"GET /status HTTP/1.0\r\n\r\n").unwrap();
            let mut status = String::new();
            socket.read_to_string(&mut status).unwrap();
            let number = |name: &str| {
                let (_, rest) = status.split_once(&format!("\"{name}\":")).expect(name);
                let digits = rest.trim_start().split(|c: char| !c.is_ascii_digit());
                digits.into_iter().next().unwrap().parse::<i64>().unwrap()
            };
            thread::sleep(Duration::from_millis(20));
            (number("media_90k"), number("captured_us"))
        };
        (0..50).map(known).collect::<Vec<(i64, i64)>>()
    });
    pictures.extend(client.pictures(89));
    let known = asked.join().unwrap();
    assert_eq!(pictures[0].types(), [7, 8, 5], "it begins with a key frame");
    let report = client.reports[0][0];
    let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let offset_us = unix.as_micros() as i64 - (monotonic.tv_sec() * 1_000_000 + monotonic.tv_nsec() / 1000);

    let mut compared = 0;
    let mut at = 0;
    while at < pictures.len() {
        let fragment = mp4.next_fragment().unwrap();
        let units = fragment.nal_units();
        let slices: Vec<&[u8]> = units
            .into_iter()
            .filter(|unit| matches!(unit[0] & 31, 1 | 5))
            .collect();
        let picture = &pictures[at];
        if at == 0 && slices != picture.slices() {
            continue; // before the RTSP client began
        }
        assert!(slices == picture.slices(), "picture {at} differs");
        at += 1;
        for (_, captured_us) in known
            .iter()
            .filter(|(media_90k, _)| *media_90k == fragment.time() as i64)
        {
            let since = i64::from(picture.timestamp.wrapping_sub(report.timestamp) as i32);
            let by_report_us = report.unix_us + since * 100 / 9;
            let off_us = by_report_us - (captured_us + offset_us);
            assert!(off_us.abs() < 1000, "{off_us} µs off");
            compared += 1;
        }
    }
    assert!(compared > 5, "{compared} pictures are known by their capture");
}

#[test]
fn a_pause_ends_with_a_key_frame_and_no_packet_is_missing() {
    let server = test_picture();
    let mut client = Client::playing(&server, "/", 1);
    let before = client.pictures(3).pop().unwrap();
    assert_eq!(client.status("GET_PARAMETER", "", ""), "200");
    assert_eq!(client.status("SETUP", "/trackID=0", ""), "455");
    assert_eq!(client.status("PAUSE", "", ""), "200");
    while client.frames.iter().any(|frame| frame.channel == 0) {
        client.packet();
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(client.status("PLAY", "", ""), "200");
    let after = client.picture().unwrap();
    assert_eq!(after.types(), [7, 8, 5]);
    assert!(after.timestamp.wrapping_sub(before.timestamp) < 10 * 90_000);
    client.pictures(5);
    assert_eq!(client.status("TEARDOWN", "", ""), "200");
}

/// Who does not read for a while is sent whole pictures only, from a key frame on.
#[test]
fn a_stalled_reader_goes_on_with_a_key_frame() {
    let server = Server::with_config(
        "[server]\nrtsp = yes\nrtsp_port = 0\nmax_age_ms = 300\n[test]\nwidth = 1280\nheight = 720\n",
    );
    let mut client = Client::new(&server, "/");
    setsockopt(&client.socket, sockopt::RcvBuf, &4096).unwrap();
    client.play(1);
    let mut last = client.pictures(3).pop().unwrap();
    thread::sleep(Duration::from_secs(3));
    let skips = (0..600).find(|_| {
        let next = client.picture().expect("the stream goes on");
        let step = next.timestamp.wrapping_sub(last.timestamp);
        last = next;
        step > 45_000 && last.types()[0] == 7
    });
    assert!(skips.is_some(), "no jump to a key frame");
    client.pictures(5);
}

/// The reports go on for a while, so that nobody takes the connection for dead; then it ends, so that recorders notice.
#[test]
fn a_lost_camera_s_clients_are_told_in_the_end() {
    let dir = Dir::new();
    if !have("ffmpeg") || !have("python3") {
        return;
    }
    let (file, gone) = (dir.file("in.h264"), dir.file("gone"));
    x264(
        "testsrc2=size=320x240:rate=30",
        90,
        "keyint=15:min-keyint=15:scenecut=0",
        &file,
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    let server = server(&format!(
        "[exec]\ncommand = test -e {gone} && exit 1; touch {gone}; exec python3 {script} {file} 30 units\n",
        gone = gone.display(),
        file = file.display(),
    ));
    let mut client = Client::playing(&server, "/", 1);
    client.pictures(20);
    let command = children(server.process.id()).pop().unwrap().to_string();
    assert!(run("kill", &["-9", &command]).status.success());
    let lost = Instant::now();
    client.reports[0].clear();
    // Not one with each request.
    thread::sleep(Duration::from_secs(2));
    for _ in 0..20 {
        assert_eq!(client.status("GET_PARAMETER", "", ""), "200");
        thread::sleep(Duration::from_millis(20));
    }
    while client.picture().is_some() {}
    let after = lost.elapsed();
    assert!(after >= Duration::from_secs(12), "{after:?}");
    let reports = &client.reports[0];
    assert!((5..10).contains(&reports.len()), "{reports:?}");
    // Its time has gone on with the clock's.
    let (first, last) = (reports[0], reports[reports.len() - 1]);
    let by_wall_us = last.unix_us - first.unix_us;
    let by_rtp_us = i64::from(last.timestamp.wrapping_sub(first.timestamp)) * 100 / 9;
    assert!((by_wall_us - by_rtp_us).abs() < 1000, "{first:?} {last:?}");
    assert_eq!(Client::new(&server, "/").status("DESCRIBE", "", ""), "503");
}

#[test]
fn another_size_ends_the_connection_and_is_told_to_who_comes_again() {
    let server = test_picture();
    let mut client = Client::playing(&server, "/", 1);
    let told = |client: &mut Client| {
        let sdp = client.ask("DESCRIBE", "", "");
        sdp.split("sprop-parameter-sets=")
            .nth(1)
            .expect("sprop")
            .lines()
            .next()
            .unwrap()
            .to_string()
    };
    let before = told(&mut Client::new(&server, "/"));
    client.pictures(3);
    server.dir.write(
        "test.conf",
        format!("{SERVER}[test]\nwidth = 640\nheight = 480\n"),
    );
    server.signal("-HUP");
    while client.picture().is_some() {}
    assert_ne!(told(&mut Client::new(&server, "/")), before);
    Client::playing(&server, "/", 1).pictures(3);
}

/// A client that vanishes in the middle of anything costs nothing.
#[test]
fn clients_that_leave_are_forgotten() {
    let server = test_picture();
    for _ in 0..20 {
        let mut client = Client::playing(&server, "/", 1);
        client.pictures(1);
        let half = client.request("PAUSE", "", "");
        client.socket.write_all(&half.as_bytes()[..20]).unwrap();
    }
    until("all are gone", || server.number("clients") == 0);
}
