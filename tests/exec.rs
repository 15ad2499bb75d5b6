//! Commands as sources, from the outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Read;
use std::path::Path;
use std::process::Command;
use support::{Dir, Server, children, decode, film, follows, have, run, until, x264};

/// x264's output in a file: High, two slices a picture, 3- and 4-byte start codes, a key frame every 15 pictures.
fn coded(dir: &Dir, options: &str) -> Option<std::path::PathBuf> {
    if !have("ffmpeg") || !have("python3") {
        return None;
    }
    let file = dir.file("in.h264");
    let parameters = format!("slices=2:keyint=15:min-keyint=15:scenecut=0{options}");
    x264("testsrc2=size=640x480:rate=30", 90, &parameters, &file);
    Some(file)
}

/// The slices of a byte stream, by a search that has nothing in common with the program's.
fn slices(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (0..stream.len().saturating_sub(2))
        .filter(|i| stream[*i..].starts_with(&[0, 0, 1]))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let nals = starts.iter().zip(ends).map(|(start, end)| {
        let nal = &stream[start + 3..end];
        &nal[..nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
    });
    nals.filter(|nal| matches!(nal[0] & 31, 1 | 5)).collect()
}

fn replay(file: &Path, fps: u32, how: &str) -> Server {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    Server::with_config(&format!(
        "[server]\nmax_age_ms = 60000\n[exec]\ncommand = exec python3 {script} {} {fps} {how}\nlinger_s = 0\n",
        file.display()
    ))
}

/// A command has what it would have from the shell that started us: no limit raised, no signal off, none of our files, and
/// nothing of what the service manager said to us.
#[test]
fn a_command_is_an_ordinary_child() {
    let dir = Dir::new();
    let said = dir.file("said");
    let mut program = Command::new("sh");
    let script = "trap '' HUP INT QUIT PIPE USR1 TERM CHLD; ulimit -Sn 200; ulimit -Hn 400; exec 7</dev/null; \
        exec \"$0\" \"$@\"";
    program.args(["-c", script, Server::PROGRAM]);
    let ours = [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
    ];
    for name in ours {
        program.env(name, "1");
    }
    program.env("LISTEN_ADDRESS", "mine");
    let command = format!(
        "(echo soft $(ulimit -Sn) hard $(ulimit -Hn); env; ls /proc/self/fd; exec grep Sig /proc/self/status) \
         > {0}.new; mv {0}.new {0}; exec sleep 1000",
        said.display()
    );
    let server = Server::with_config_as(
        program,
        &format!("[exec]\ncommand = {command}\nauto_sleep = no\n"),
    );
    until("the command has said what it has", || said.exists());
    let said = std::fs::read_to_string(said).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "soft 200 hard 400");
    for name in ours {
        assert!(
            !lines.iter().any(|line| line.starts_with(&format!("{name}="))),
            "{said}"
        );
    }
    assert!(lines.contains(&"LISTEN_ADDRESS=mine"), "{said}");
    for name in ["SigBlk:\t", "SigIgn:\t"] {
        let mask = lines.iter().find_map(|line| line.strip_prefix(name)).unwrap();
        // But for the two that glibc keeps for itself and has posix_spawn(3) ignore: 32 and 33.
        let mask = u64::from_str_radix(mask, 16).unwrap() & !0x1_8000_0000;
        assert_eq!(mask, 0, "{name} in {said}");
    }
    // The shell's own, and the folder that `ls` reads.
    let files = lines.iter().filter(|line| line.parse::<u32>().is_ok());
    assert_eq!(files.copied().collect::<Vec<_>>(), ["0", "1", "2", "3"], "{said}");
    let limits = format!("/proc/{}/limits", server.process.id());
    let limits = std::fs::read_to_string(limits).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("400"), "{files}");
}

#[test]
fn the_status_of_a_command_is_known_even_where_children_are_ignored() {
    if !have("python3") {
        return;
    }
    let mut program = Command::new("python3");
    let ignore = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])";
    program.args(["-c", ignore, Server::PROGRAM]);
    let server = Server::with_config_as(program, "[exec]\ncommand = exit 3\nauto_sleep = no\n");
    until("its end is told", || {
        server.log().contains("exited with status 3")
    });
}

/// Every slice that comes out is one that went in, byte for byte, and none is missing.
#[test]
fn slices_come_out_as_they_went_in() {
    for (options, how) in [
        ("", "odd"),
        (":aud=1", "odd"),
        ("", "units"),
        (":aud=1", "units"),
        ("", "nals"),
    ] {
        let dir = Dir::new();
        let Some(file) = coded(&dir, options) else { return };
        let stream = std::fs::read(&file).unwrap();
        let fed = slices(&stream);
        assert_eq!(fed.len(), 180);
        let server = replay(&file, 120, how);
        let mut client = server.follow("");
        let mut expected = None;
        for number in 0..300 {
            let fragment = client.next_fragment().unwrap();
            let got: Vec<&[u8]> = fragment
                .nal_units()
                .into_iter()
                .filter(|nal| matches!(nal[0] & 31, 1 | 5))
                .collect();
            assert_eq!(got.len(), 2, "frame {number} of {how:?}{options}");
            let at = expected.unwrap_or_else(|| {
                fed.iter()
                    .position(|slice| slice == &got[0])
                    .expect("a slice that was not fed")
            });
            assert!(
                got[0] == fed[at] && got[1] == fed[at + 1],
                "frame {number} of {how:?}{options} is another one"
            );
            assert!(
                fragment
                    .nal_units()
                    .iter()
                    .all(|nal| !matches!(nal[0] & 31, 7..=9 | 12)),
                "only what belongs into a sample"
            );
            expected = Some((at + 2) % fed.len());
        }
        assert_eq!(server.camera("after_loss"), "0");
    }
}

#[test]
fn a_killed_command_comes_back_and_its_clients_go_on() {
    let dir = Dir::new();
    let Some(file) = coded(&dir, "") else { return };
    let server = replay(&file, 30, "units");
    let mut client = server.follow("");
    let mut last = client.next_fragment().unwrap();
    for _ in 0..3 {
        let pid = children(server.process.id()).pop().expect("the command runs");
        assert!(
            Command::new("kill")
                .args(["-9", &pid.to_string()])
                .status()
                .unwrap()
                .success()
        );
        until("another one runs", || {
            children(server.process.id())
                .pop()
                .is_some_and(|other| other != pid)
        });
        // The clients' next epoch begins with a key frame, and time has gone on.
        until("the client goes on", || {
            let next = client.next_fragment().expect("the client stays");
            let jump = next.time() > last.end();
            assert!(follows(&next, &last), "time goes back");
            last = next;
            jump && last.key()
        });
    }
    until("the log has it", || server.log().contains("SIGKILL"));
}

#[test]
fn the_command_ends_when_nobody_watches_and_with_the_program() {
    let dir = Dir::new();
    let Some(file) = coded(&dir, "") else { return };
    let mut server = replay(&file, 30, "units");
    let mut client = server.follow("");
    client.next_fragment().unwrap();
    assert_eq!(children(server.process.id()).len(), 1);
    drop(client);
    until("the command is gone", || children(server.process.id()).is_empty());
    until("the camera sleeps", || server.camera("state") == "asleep");
    for signal in ["-INT", "-TERM"] {
        let mut viewer = server.follow("");
        viewer.next_fragment().unwrap();
        let pid = children(server.process.id()).pop().expect("the command runs");
        server.signal(signal);
        assert!(server.wait().success());
        assert!(
            !Path::new(&format!("/proc/{pid}/stat")).exists(),
            "the command outlives the program"
        );
        server = replay(&file, 30, "units");
    }
}

#[test]
fn what_is_wrong_with_a_command_is_said() {
    for (command, reason, in_log) in [
        (
            "echo nothing here >&2; exit 3",
            "exited with status 3",
            ": nothing here",
        ),
        ("no-such-program-at-all", "127", ": no-such-program-at-all"),
        ("cat /dev/zero", "H.264", "begins with 00"),
    ] {
        let server = Server::with_config(&format!("[exec]\ncommand = {command}\n"));
        until("it says why", || {
            server.camera("state") == "lost" && server.camera("reason").contains(reason)
        });
        assert!(server.get("/healthz").starts_with("HTTP/1.1 503"));
        until("the log says more", || server.log().contains(in_log));
    }
}

const PASSWORD: &str = "hunter2";

/// Passwords stand in commands, in what these say, and in what they write. Clients get none of it, the log no URL's.
#[test]
fn no_password_of_a_command_leaves() {
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/x264/x264_two_slices.h264"
    );
    let url = format!("rtsp://admin:{PASSWORD}@192.0.2.1/");
    let commands = [
        (format!("echo {url}: unauthorized >&2; exit 3"), "lost"),
        (format!("{PASSWORD} {url}"), "lost"),
        (format!("echo {url}; exit 1"), "lost"),
        (format!("yes {url}"), "lost"),
        (format!("sleep 1000; echo {url}"), "starting"),
        (format!("cat {fixture}; echo {url} >&2; sleep 1000"), "live"),
        (format!("TOKEN={PASSWORD} sh -c 'echo $TOKEN; exit 3'"), "lost"),
        (format!("false -H 'Authorization: Basic {PASSWORD}'"), "lost"),
        (format!("false --token={PASSWORD}; kill -9 $$"), "lost"),
        (
            format!("echo \"{url}\": \"'rtsp://u:\\\"{PASSWORD}@h/'\" >&2; exit 3"),
            "lost",
        ),
    ];
    std::thread::scope(|scope| {
        for (command, condition) in commands {
            let url = &url;
            scope.spawn(move || shows_no_password(&command, condition, url));
        }
    });
}

fn shows_no_password(command: &str, condition: &str, url: &str) {
    let server = Server::with_config(&format!("[exec front]\ncommand = {command}\nauto_sleep = no\n"));
    until("it comes to this", || server.camera("state") == condition);
    let request = |line: &str, fields: &str| {
        format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n")
    };
    let get = |path: &str| request(&format!("GET {path}"), "");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let whole = [
        "/",
        "/front",
        "/status",
        "/healthz",
        "/snapshot.jpg",
        "/snapshot.mp4",
        "/stream.m3u8",
        "/streaminf.m3u8",
        "/hls/no-such-file",
        "/nowhere",
    ];
    let answers: Vec<String> = std::thread::scope(|scope| {
        let server = &server;
        let ask = |request: String| scope.spawn(move || server.ask(&request));
        let asked: Vec<_> = whole.iter().map(|path| ask(get(path))).collect();
        asked.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    for (path, answer) in whole.iter().zip(&answers) {
        assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
        assert!(!answer.contains(PASSWORD), "{command}, {path}: {answer}");
    }
    assert!(answers[2].contains("\"state\":\""), "{}", answers[2]);
    // The endless ones: what comes within a second, which of JPEG pictures may be nothing.
    for (request, begins) in [
        (request("GET /ws", upgrade), "HTTP/1.1 101"),
        (get("/stream.mp4"), "HTTP/1.1 "),
        (get("/stream.mjpeg"), ""),
    ] {
        let mut socket = server.send(request.as_bytes());
        let soon = std::time::Duration::from_secs(1);
        socket.set_read_timeout(Some(soon)).unwrap();
        let mut answer = Vec::new();
        _ = socket.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(begins), "{command}: {answer}");
        assert!(!answer.contains(PASSWORD), "{command}: {answer}");
        if begins.ends_with("101") {
            assert!(answer.contains("\"type\":\"state\""), "{command}: {answer}");
        }
    }
    let log = server.log();
    assert!(!log.contains(url), "{log}");
    if command.contains(">&2") {
        until("the log has the rest", || {
            server.log().contains("rtsp://***@192.0.2.1/")
        });
    }
}

/// A stream that turns into something else is not live for ever.
#[test]
fn a_command_that_goes_on_with_garbage_is_ended() {
    let dir = Dir::new();
    let Some(file) = coded(&dir, "") else { return };
    let garbage = "while :; do echo garbage; sleep 0.1; done";
    let server = Server::with_config(&format!("[exec]\ncommand = cat {}; {garbage}\n", file.display()));
    server.follow("").next_fragment().unwrap();
    let _viewer = server.follow("");
    // It is started again a second later.
    until("it is lost, and says why", || {
        server.camera("reason").contains("no picture in it")
    });
}

#[test]
fn streams_that_cannot_be_shown_are_refused_with_the_way_out() {
    let dir = Dir::new();
    for (options, reason) in [(":bframes=3:b-adapt=0", "B-frames"), (":tff=1", "interlaced")] {
        let Some(file) = coded(&dir, options) else { return };
        let server = replay(&file, 60, "units");
        let _viewer = server.send(b"GET /stream.mp4 HTTP/1.0\r\n\r\n");
        until("it says why", || {
            server.camera("state") == "refused" && server.camera("reason").contains(reason)
        });
    }
}

/// One bit of a NAL unit's header costs its group of pictures: the command goes on, and so do its clients.
#[test]
fn a_flipped_bit_costs_a_group_and_no_client() {
    let dir = Dir::new();
    let Some(file) = coded(&dir, "") else { return };
    let mut stream = std::fs::read(&file).unwrap();
    // The fifth picture's second slice becomes a data partition, which would be a reason to refuse the stream.
    let slices: Vec<usize> = (0..stream.len() - 3)
        .filter(|at| stream[*at..].starts_with(&[0, 0, 1]) && matches!(stream[at + 3] & 31, 1 | 5))
        .collect();
    stream[slices[9] + 3] ^= 2;
    std::fs::write(&file, stream).unwrap();
    let server = replay(&file, 120, "units");
    let mut client = server.follow("");
    let mut keys = usize::from(client.next_fragment().expect("it begins").key());
    let command = children(server.process.id());
    let mut frames = 1;
    while frames < 300 {
        keys += usize::from(client.next_fragment().expect("it goes on").key());
        frames += 1;
    }
    // Of 90 pictures, 11 can't be shown: the damaged one and those up to the next key frame.
    assert!(keys >= 300 / 15, "{keys}");
    assert_ne!(server.camera("after_loss"), "0");
    assert_eq!(children(server.process.id()), command, "it is the same run");
}

/// frame_mbs_only_flag 0 says that there may be fields, not that there are.
#[test]
fn frames_of_a_stream_that_may_have_fields_are_served() {
    let dir = Dir::new();
    let Some(file) = coded(&dir, ":fake-interlaced=1") else {
        return;
    };
    let server = replay(&file, 60, "units");
    let mut client = server.follow("");
    for _ in 0..60 {
        client.next_fragment().expect("it is served");
    }
    assert_eq!(server.camera("state"), "live");
}

/// Streams whose parameter sets change, of one format: ids that count up, the same ids with other content (PPS and VUI),
/// and picture parameter sets within a group.
fn streams_of_changing_sets(dir: &Dir) -> Vec<std::path::PathBuf> {
    let coded = |name: &str, rate: u32, params: &str| {
        let file = dir.file(name);
        let params = format!("keyint=10:min-keyint=10:scenecut=0:bframes=0:no-cabac=1:level=3:{params}");
        let codec = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast"];
        let options = [&codec[..], &["-x264-params", &params, "-f", "h264"]].concat();
        film(&format!("testsrc2=size=320x240:rate={rate}"), 60, &options, &file);
        file
    };
    let base = coded("base", 30, "slices=2");
    let contents: Vec<Vec<u8>> = [(30, "qp=20"), (25, "qp=28"), (20, "qp=34")]
        .iter()
        .map(|(rate, qp)| std::fs::read(coded("part", *rate, qp)).unwrap())
        .collect();
    let changed = |how: &str| {
        let file = dir.file(how);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/sets.py");
        let paths = [base.to_str().unwrap(), file.to_str().unwrap()];
        assert!(
            run("python3", &[script, paths[0], paths[1], how])
                .status
                .success()
        );
        file
    };
    vec![
        changed("ids"),
        changed("pps"),
        dir.write("contents", contents.concat()),
    ]
}

/// The pictures of a file, each by a sum.
fn pictures(file: &Path) -> Vec<String> {
    let file = file.to_str().unwrap();
    let sums = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            file,
            "-fps_mode",
            "passthrough",
            "-f",
            "framemd5",
            "-",
        ],
    );
    assert!(
        sums.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&sums.stderr)
    );
    let sums = String::from_utf8(sums.stdout).unwrap();
    let lines = sums.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().to_string())
        .collect()
}

#[test]
fn parameter_sets_that_change_end_nothing() {
    if !have("ffmpeg") || !have("python3") {
        return;
    }
    let dir = Dir::new();
    for file in streams_of_changing_sets(&dir) {
        let name = file.display();
        let fed = pictures(&file);
        let server = replay(&file, 60, "units");
        // Two who come at different times have init segments of different sets, and stay over all later ones.
        for _ in 0..2 {
            let mut client = server.follow("");
            let mut recording = Vec::new();
            let mut fragments = 0;
            while fragments < 100 {
                let next = client.next_box().unwrap_or_else(|| panic!("{name}: it ends"));
                fragments += u32::from(&next.kind == b"mdat");
                assert!(
                    &next.kind != b"moov" || fragments == 0,
                    "{name}: a second init segment"
                );
                recording.extend(next.bytes);
            }
            let recording = dir.write("recording.mp4", recording);
            assert_eq!(decode(&recording), 100, "{name}");
            let got = pictures(&recording);
            let first = fed
                .iter()
                .position(|sum| *sum == got[0])
                .expect("a picture that was fed");
            let expected = fed.iter().cycle().skip(first).take(got.len());
            assert!(got.iter().eq(expected), "{name}: other pictures than were fed");
        }
        until("HLS is there", || {
            server.get("/streaminf.m3u8").starts_with("HTTP/1.1 200")
        });
    }
}

/// What ffmpeg writes in other formats is named by what it is, with the way out.
#[test]
fn other_formats_are_named() {
    if !have("ffmpeg") {
        return;
    }
    let dir = Dir::new();
    let film = |codec: &str, file: &str| {
        let path = dir.file(file);
        let codec = ["-pix_fmt", "yuv420p", "-c:v", codec, "-g", "25", "-bf", "0"];
        film("testsrc2=size=320x240:rate=25", 100, &codec, &path);
        path.display().to_string()
    };
    let h264 = film("libx264", "in.mp4");
    let bare = film("libx264", "in.h264");
    let copied =
        |from: &str, options: &str| format!("exec ffmpeg -v error -re -i {from} -c copy {options} -");
    let coded = |codec: &str, format: &str| {
        let source = "-f lavfi -i testsrc2=size=320x240:rate=25 -t 9";
        format!("exec ffmpeg -v error -re {source} -pix_fmt yuv420p -c:v {codec} -f {format} -")
    };
    for (command, reason) in [
        (coded("mpeg1video", "mpeg1video"), "MPEG-1 or MPEG-2"),
        (coded("mpeg2video", "mpeg2video"), "MPEG-1 or MPEG-2"),
        (coded("mpeg1video", "mpeg"), "program stream"),
        (coded("mpeg2video", "vob"), "program stream"),
        (coded("mpeg4", "m4v"), "MPEG-4 Part 2"),
        (coded("libx265 -x265-params log-level=none", "hevc"), "H.265"),
        (
            coded("libx265 -x265-params log-level=none:aud=1", "hevc"),
            "H.265",
        ),
        (copied(&h264, "-f mpegts"), "MPEG-TS"),
        (copied(&h264, "-f matroska"), "Matroska"),
        (copied(&h264, "-f flv"), "FLV"),
        (copied(&h264, "-movflags frag_keyframe+empty_moov -f mp4"), "MP4"),
        (copied(&h264, "-f data -map 0"), "h264_mp4toannexb"),
        (
            copied(&bare, "-bsf:v filter_units=remove_types=7-8 -f h264"),
            "dump_extra",
        ),
        (
            "while echo the camera is warming up; do sleep 0.1; done".to_string(),
            "has written text",
        ),
    ] {
        let server = Server::with_config(&format!("[exec]\ncommand = {}\n", command.replace('%', "%%")));
        let _viewer = server.send(b"GET /stream.mp4 HTTP/1.0\r\n\r\n");
        until(&format!("{command} is named {reason}"), || {
            server.camera("reason").contains(reason)
        });
    }
}
