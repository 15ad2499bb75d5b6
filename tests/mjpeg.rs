//! JPEG pictures, from a command to those who watch; and single pictures of any camera.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::pictures::{Client, answer, field, get, is_late, snapshot, time_us};
use support::{Dir, Server, children, film, have, run, skip, until};

/// Pictures in files, all of them different, by ffmpeg.
struct Album {
    _dir: Dir,
    files: Vec<PathBuf>,
    pictures: Vec<Vec<u8>>,
}

impl Album {
    /// None where there are no tools.
    fn new(count: u32, source: &str, options: &[&str]) -> Option<Album> {
        if !have("ffmpeg") || !have("python3") {
            return None;
        }
        let dir = Dir::new();
        film(source, count, options, &dir.file("%03d.jpg"));
        let files: Vec<PathBuf> = (1..=count).map(|n| dir.file(&format!("{n:03}.jpg"))).collect();
        let pictures = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
        Some(Album {
            _dir: dir,
            files,
            pictures,
        })
    }

    fn small() -> Option<Album> {
        Album::new(40, "testsrc2=size=320x240:rate=30", &["-q:v", "5"])
    }

    /// Of half a megabyte each.
    fn large() -> Option<Album> {
        Album::new(
            10,
            "testsrc2=size=1280x720:rate=30,noise=alls=60:allf=t",
            &["-q:v", "2"],
        )
    }

    /// The command that shows them.
    fn command(&self, rate: u32, how: &str) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/jpegs.py");
        let files: Vec<_> = self.files.iter().map(|file| file.to_str().unwrap()).collect();
        format!("exec python3 {script} {rate} {how} {}", files.join(" "))
    }

    fn serve(&self, rate: u32, how: &str) -> Server {
        serve(&self.command(rate, how), "")
    }

    /// The same, by a camera that sleeps as soon as nobody watches.
    fn serve_and_sleep(&self, rate: u32, how: &str) -> Server {
        Server::with_config(&format!(
            "[exec]\ncommand = {}\nlinger_s = 0\n",
            self.command(rate, how)
        ))
    }

    fn number(&self, picture: &[u8]) -> usize {
        let known = self.pictures.iter().position(|known| known == picture);
        known.expect("a picture that was not fed")
    }
}

fn serve(command: &str, more: &str) -> Server {
    Server::with_config(&format!("{more}\n[exec]\ncommand = {command}\nlinger_s = 60\n"))
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

fn head(server: &Server, target: &str) -> String {
    server.ask(&format!(
        "HEAD {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ))
}

#[test]
fn pictures_come_out_as_they_went_in() {
    let Some(album) = Album::small() else { return };
    for how in ["whole", "odd"] {
        let server = album.serve(60, how);
        let asked_us = now_us();
        let mut client = Client::new(&server, "/stream.mjpeg");
        assert!(client.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", client.head);
        for number in 0..100 {
            let part = client.next().unwrap();
            album.number(&part.bytes);
            // The first one may have been there before.
            let since_us = if number == 0 { 0 } else { asked_us };
            assert!((since_us..=now_us()).contains(&part.time_us));
        }
        for (name, value) in [
            ("state", "live"),
            ("codec", "mjpeg"),
            ("width", "320"),
            ("height", "240"),
            ("damaged", "0"),
            ("unreadable", "0"),
            ("protocol", "mjpeg"),
        ] {
            assert_eq!(server.camera(name), value, "{name}");
        }
        assert!(server.camera("frames").parse::<u64>().unwrap() >= 100);
        until("it is healthy", || server.camera("healthy") == "true");
        until("the rate is measured", || {
            server.camera("fps").parse::<f64>().unwrap() > 1.0 && server.camera("bitrate_bps") != "0"
        });
    }
}

/// Pictures without an end, with two beginnings, and among other bytes come out as ffmpeg made them.
#[test]
fn pictures_come_in_the_forms_of_programs_and_cameras() {
    let Some(album) = Album::small() else { return };
    for how in ["endless", "doubled", "multipart", "talking", "strewn"] {
        let server = album.serve(60, how);
        let mut client = Client::new(&server, "/stream.mjpeg");
        for _ in 0..100 {
            album.number(&client.next().unwrap().bytes);
        }
        for (name, value) in [("damaged", "0"), ("unreadable", "0"), ("last_fault", "")] {
            assert_eq!(server.camera(name), value, "{how}: {name}");
        }
        assert!(!server.log().contains("of no use"), "{how}");
    }
    // ffmpeg's own multipart stream, and this program's.
    let first = album.serve(60, "whole");
    let input = album.files[0].parent().unwrap().join("%03d.jpg");
    let again = "ffmpeg -v error -re -stream_loop -1 -framerate 60 -i";
    for command in [
        format!("exec {again} {} -c copy -f mpjpeg -", input.display()),
        format!("exec curl -s {}", first.url("/stream.mjpeg")),
    ] {
        let server = serve(&command.replace('%', "%%"), "");
        let mut client = Client::new(&server, "/stream.mjpeg");
        for _ in 0..60 {
            album.number(&client.next().unwrap().bytes);
        }
        assert_eq!(server.camera("damaged"), "0", "{command}");
    }
}

/// Who looks for a boundary finds it although the camera gives no other picture for long. Browsers want the next head
/// as well.
#[test]
fn the_end_of_a_part_does_not_wait_for_the_next_picture() {
    let Some(album) = Album::new(1, "testsrc2=size=64x48", &[]) else {
        return;
    };
    let server = album.serve(1, "once");
    let mut client = Client::new(&server, "/stream.mjpeg");
    assert_eq!(album.number(&client.next().unwrap().bytes), 0);

    let image = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
    let request = format!("GET /?action=stream HTTP/1.1\r\nHost: localhost\r\nAccept: {image}\r\n\r\n");
    let mut socket = server.send(request.as_bytes());
    let part = format!("{}Content-Type: image/jpeg\r\n\r\n", client.boundary);
    let body = [part.as_bytes(), &album.pictures[0], b"\r\n", part.as_bytes()].concat();
    let mut got = vec![0; client.head.len() + body.len()];
    socket.read_exact(&mut got).unwrap();
    // The heads are alike but for their Date.
    assert!(got.ends_with(&body));
}

#[test]
fn the_names_that_tools_try_are_known() {
    let Some(album) = Album::small() else { return };
    let server = album.serve(30, "whole");
    for target in [
        "/stream.mjpeg",
        "/stream",
        "/stream?1700000000000",
        "/?action=stream",
        "/?action=stream&1700000000000",
        "/?t=1&action=stream&fps=10",
        "/?action=stream_0",
        "/stream.mjpeg?timestamp=1700000000000",
    ] {
        album.number(&Client::new(&server, target).next().unwrap().bytes);
        let head = head(&server, target);
        assert!(
            head.contains("Content-Type: multipart/x-mixed-replace; boundary="),
            "{target}: {head}"
        );
        assert!(head.ends_with("\r\n\r\n"), "no body: {head}");
    }
    for target in [
        "/snapshot.jpg",
        "/snapshot",
        "/snapshot?bypassCache=1",
        "/?action=snapshot",
        "/?action=snapshot_0",
        "/?action=snapshot&t=1",
    ] {
        let (head, picture) = snapshot(&server, target);
        assert_eq!(field(&head, "Content-Type"), "image/jpeg");
        assert_eq!(field(&head, "Cache-Control"), "no-store");
        album.number(&picture);
    }
    for target in ["/?action=other", "/?action=stream_1"] {
        assert!(get(&server, target).0.starts_with("HTTP/1.1 404 "), "{target}");
    }
    for target in ["/", "/?1700000000000"] {
        assert!(
            get(&server, target).0.contains("Content-Type: text/html"),
            "{target}"
        );
    }
    for target in ["/stream.mjpeg?fps=0", "/stream?fps=", "/?action=stream&fps=1.5"] {
        assert!(get(&server, target).0.starts_with("HTTP/1.1 400 "), "{target}");
    }
    let options =
        server.ask("OPTIONS /snapshot.jpg HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(options.starts_with("HTTP/1.1 204 "), "{options}");
}

/// An <img> on the page of another port of this host may show it: Mainsail's. So may listed pages, and those that
/// do not say who they are (OctoPrint, Home Assistant).
#[test]
fn pages_of_this_host_show_pictures() {
    let Some(album) = Album::small() else { return };
    let listed = "[server]\ncors_origins = http://printer.example:81";
    let server = serve(&album.command(30, "whole"), listed);
    let policy = |path: &str, referer: &str| {
        let answer = server.ask(&format!(
            "HEAD {path} HTTP/1.1\r\nHost: 192.0.2.7:8000\r\nConnection: close\r\n{referer}\r\n"
        ));
        field(&answer, "Cross-Origin-Resource-Policy").to_string()
    };
    for path in ["/?action=stream", "/stream.mjpeg", "/snapshot.jpg"] {
        for (referer, expected) in [
            ("Referer: http://192.0.2.7/\r\n", "cross-origin"),
            ("Referer: http://192.0.2.7:81/a/b?c#d\r\n", "cross-origin"),
            ("Referer: http://127.0.0.1/\r\n", "cross-origin"),
            ("Referer: http://printer.example:81/\r\n", "cross-origin"),
            ("Referer: http://printer.example/\r\n", "same-site"),
            ("Referer: http://192.0.2.8/http://192.0.2.7/\r\n", "same-site"),
            ("Referer: http://192.0.2.7@evil.example/\r\n", "same-site"),
            ("", "cross-origin"),
        ] {
            assert_eq!(policy(path, referer), expected, "{path} {referer}");
        }
    }
    // What a browser's tag has no use for.
    for path in ["/status", "/"] {
        assert_eq!(policy(path, ""), "same-site", "{path}");
    }
}

#[test]
fn a_client_gets_no_more_than_it_asks_for() {
    let Some(album) = Album::small() else { return };
    let server = album.serve(40, "whole");
    let asked = Instant::now();
    let mut client = Client::new(&server, "/stream.mjpeg?fps=8");
    for _ in 0..21 {
        client.next().unwrap();
    }
    // From the second one on they are captured after that. Without a limit it is 0.5 s.
    assert!(asked.elapsed() >= 19 * Duration::from_millis(125));
}

#[test]
fn who_is_slow_skips_and_is_not_behind() {
    let Some(album) = Album::large() else { return };
    let server = album.serve(20, "whole");
    let mut slow = Client::new(&server, "/stream.mjpeg");
    let mut quick = Client::new(&server, "/stream.mjpeg");
    slow.next().unwrap();
    for number in 0..40 {
        quick.next().unwrap();
        if number % 10 == 9 {
            slow.next().expect("it is slow, but not stuck");
        }
    }
    let woke_us = now_us();
    // What the kernels hold for it, and the one that is on its way.
    let old = (0..).find(|_| slow.next().unwrap().time_us > woke_us).unwrap();
    assert!(old < 20, "{old} old pictures");
    let skipped = || {
        server
            .status_after("\"clients\":[", "frames_skipped")
            .parse::<u64>()
            .unwrap()
    };
    until("what was skipped is counted", || skipped() > 0);
    quick.next().unwrap();
}

#[test]
fn a_snapshot_is_taken_after_it_was_asked_for() {
    let Some(album) = Album::small() else { return };
    let server = album.serve_and_sleep(10, "whole");
    let check = |input: &mut BufReader<TcpStream>| {
        let (mut asked_us, mut head, mut picture) = (0, String::new(), Vec::new());
        until("there is a picture", || {
            asked_us = now_us();
            let request = "GET /snapshot.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n";
            input.get_mut().write_all(request.as_bytes()).unwrap();
            (head, picture) = answer(input);
            !is_late(&head)
        });
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        album.number(&picture);
        assert!(
            time_us(&head) >= asked_us,
            "{} is before {asked_us}",
            time_us(&head)
        );
    };
    // From sleep, and then from a camera that runs; both over one connection.
    for _ in 0..2 {
        until("it sleeps", || server.camera("state") == "asleep");
        let mut input = BufReader::new(server.send(b""));
        check(&mut input);
        let mut viewer = Client::new(&server, "/stream.mjpeg");
        viewer.next().unwrap();
        check(&mut input);
    }
    // A look wakes nothing.
    until("it sleeps", || server.camera("state") == "asleep");
    let frames = server.camera("frames");
    for target in ["/snapshot.jpg", "/stream.mjpeg", "/?action=snapshot"] {
        let head = head(&server, target);
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        assert!(!head.contains("Content-Length"), "{head}");
    }
    assert_eq!(
        (server.camera("state"), server.camera("frames")),
        ("asleep".into(), frames)
    );
}

#[test]
fn what_a_camera_does_not_give_is_said() {
    let Some(album) = Album::small() else { return };
    let jpeg = album.serve(30, "whole");
    until("it is known what it gives", || jpeg.camera("codec") == "mjpeg");
    let h264 = Server::test_picture(&[]);
    for (server, targets, way_out) in [
        (
            &jpeg,
            &[
                "/stream.mp4",
                "/stream.mp4?start=live",
                "/snapshot.mp4",
                "/stream.m3u8",
                "/streaminf.m3u8",
            ][..],
            "/stream.mjpeg",
        ),
        (
            &h264,
            &[
                "/stream.mjpeg",
                "/snapshot.jpg",
                "/?action=stream",
                "/?action=snapshot",
            ],
            "/snapshot.mp4",
        ),
    ] {
        for target in targets {
            let (head, text) = get(server, target);
            assert!(
                head.starts_with("HTTP/1.1 501 Not Implemented\r\n"),
                "{target}: {head}"
            );
            assert!(
                String::from_utf8_lossy(&text).contains(way_out),
                "{target}: {text:?}"
            );
        }
    }
    // From the config, before the camera was ever there.
    let absent = Server::with_config("[/dev/no-such-camera]\ncapture_format = MJPG\n");
    until("the config is read", || absent.camera("codec") == "mjpeg");
    assert!(get(&absent, "/stream.mp4").0.starts_with("HTTP/1.1 501 "));
    let (head, text) = get(&absent, "/snapshot.jpg");
    let text = String::from_utf8_lossy(&text);
    assert!(
        head.starts_with("HTTP/1.1 503 ") && text.contains("no such device"),
        "{head}{text}"
    );
    field(&head, "Retry-After");
}

/// A command tells what it gives when it gives something; who came before that is not left waiting.
#[test]
fn who_came_before_it_was_known_is_told() {
    let Some(album) = Album::small() else { return };
    let gate = album.files[0].with_file_name("open");
    let waits = format!("until [ -e {} ]; do sleep 0.1; done;", gate.display());
    let jpeg = serve(&format!("{waits} {}", album.command(30, "whole")), "");
    let h264 =
        "ffmpeg -v error -re -f lavfi -i testsrc2=size=64x48:rate=30 -c:v libx264 -g 5 -bf 0 -f h264 -";
    let h264 = serve(&format!("{waits} exec {h264}"), "");
    assert_eq!(
        (jpeg.camera("codec"), h264.camera("codec")),
        ("null".into(), "null".into())
    );
    let mut mp4 = jpeg.send(b"GET /stream.mp4 HTTP/1.0\r\n\r\n");
    let mut stream = BufReader::new(h264.send(b"GET /stream.mjpeg HTTP/1.0\r\n\r\n"));
    let mut snapshot = BufReader::new(jpeg.send(b"GET /snapshot.mp4 HTTP/1.0\r\n\r\n"));
    let mut playlist = BufReader::new(jpeg.send(b"GET /stream.m3u8 HTTP/1.0\r\n\r\n"));
    std::fs::write(&gate, "").unwrap();
    let mut all = String::new();
    mp4.read_to_string(&mut all).unwrap();
    assert!(
        all.starts_with("HTTP/1.1 ") && all.ends_with("\r\n\r\n"),
        "nothing but a head: {all}"
    );
    for (server, target, input) in [
        (&h264, "/stream.mjpeg", &mut stream),
        (&jpeg, "/snapshot.mp4", &mut snapshot),
        (&jpeg, "/stream.m3u8", &mut playlist),
    ] {
        let (mut head, _) = answer(input);
        until("it is told", || {
            if is_late(&head) {
                (head, _) = get(server, target);
            }
            !is_late(&head)
        });
        assert!(head.starts_with("HTTP/1.1 501 "), "{head}");
    }
    Client::new(&jpeg, "/stream.mjpeg").next().unwrap();
    h264.follow("").next_fragment().unwrap();
}

#[test]
fn where_there_is_no_picture_the_reason_is_given() {
    let server = serve("echo the lens cap is on >&2; exit 3", "");
    std::thread::scope(|scope| {
        for target in ["/snapshot.jpg", "/snapshot.mp4", "/stream.mjpeg"] {
            let server = &server;
            scope.spawn(move || {
                until("the reason is given", || {
                    let (head, text) = get(server, target);
                    assert!(head.starts_with("HTTP/1.1 503 "), "{target}: {head}");
                    field(&head, "Retry-After");
                    let text = String::from_utf8_lossy(&text);
                    assert!(!text.contains("lens cap"), "a command's own words: {text}");
                    text.contains("exited with status 3")
                });
            });
        }
    });
}

/// Who leaves while a picture is waited for is not waited with to the end.
#[test]
fn who_leaves_without_a_picture_is_let_go() {
    let mut program = Command::new(Server::PROGRAM);
    program.arg("--verbose");
    let mut server = Server::with_config_as(program, "[exec]\ncommand = exec sleep 1000\nlinger_s = 0\n");
    let ask = |target| server.send(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes());
    let waits = || until("it waits", || server.get("/status").contains("\"protocol\""));
    for target in ["/snapshot.jpg", "/snapshot.mp4", "/stream.mjpeg"] {
        until("it is let go", || {
            let client = ask(target);
            let end = format!("client {}: ", client.local_addr().unwrap());
            waits();
            drop(client);
            until("it is gone", || server.log().contains(&end));
            until("nobody is there", || server.camera("clients") == "[");
            // And not "answered", but where this machine took longer to notice than it may have to wait.
            server.log().contains(&(end + "left\n"))
        });
    }
    // Who stays until the end is told that it is one, if there is still time.
    let mut last = ask("/snapshot.jpg");
    waits();
    server.signal("-TERM");
    let mut answer = String::new();
    _ = last.read_to_string(&mut answer);
    assert!(
        answer.is_empty() || answer.contains("is being stopped"),
        "{answer}"
    );
    assert!(server.wait().success());
}

#[test]
fn damaged_pictures_are_left_out_and_counted() {
    let Some(album) = Album::small() else { return };
    let dir = Dir::new();
    let cut = dir.write("cut.jpg", &album.pictures[3][..2000]);
    // Padding is none of the picture.
    let padded = dir.write("padded.jpg", [&album.pictures[4][..], &[0; 3000]].concat());
    let mixed = Album {
        files: vec![
            album.files[0].clone(),
            cut,
            album.files[1].clone(),
            padded,
            album.files[2].clone(),
        ],
        ..album
    };
    let server = mixed.serve(30, "odd");
    let mut client = Client::new(&server, "/stream.mjpeg");
    let mut seen = std::collections::BTreeSet::new();
    until("all whole ones come", || {
        seen.insert(mixed.number(&client.next().unwrap().bytes));
        seen.len() == 4
    });
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 4]);
    assert!(server.camera("damaged").parse::<u64>().unwrap() > 0);
    // The reason is known, and the log has it once.
    assert_eq!(server.camera("last_fault"), "its end is missing");
    let log = server.log();
    assert_eq!(log.matches("of no use (its end is missing)").count(), 1, "{log}");
}

#[test]
fn where_no_picture_is_whole_the_reason_is_given() {
    let Some(mut album) = Album::small() else { return };
    let cut = album.files[0].with_file_name("cut.jpg");
    std::fs::write(&cut, &album.pictures[3][..2000]).unwrap();
    album.files = vec![cut];
    let server = album.serve(30, "whole");
    let _viewer = server.send(b"GET /stream.mjpeg HTTP/1.0\r\n\r\n");
    until("the reason is given", || {
        server.camera("reason").contains("its end is missing")
    });
}

/// Cameras leave the tables out that decoders of JPEG files want.
#[test]
fn pictures_without_huffman_tables_get_the_standard_ones() {
    let Some(album) = Album::new(1, "testsrc2=size=64x48", &["-huffman", "default"]) else {
        return;
    };
    let whole = &album.pictures[0];
    let at = whole
        .windows(4)
        .position(|bytes| bytes == [0xff, 0xc4, 1, 0xa2])
        .unwrap();
    let without = [&whole[..at], &whole[at + 420..]].concat();
    std::fs::write(&album.files[0], &without).unwrap();
    let server = album.serve(10, "whole");
    let (_, picture) = snapshot(&server, "/snapshot.jpg");
    assert_eq!(picture.len(), whole.len());
    // They come before the scan, wherever they were.
    let scan = without
        .windows(2)
        .position(|bytes| bytes == [0xff, 0xda])
        .unwrap();
    assert_eq!(picture[..scan], without[..scan]);
    assert_eq!(picture[scan + 420..], without[scan..]);
    let file = album.files[0].with_file_name("with.jpg");
    std::fs::write(&file, picture).unwrap();
    let original = album.files[0].with_file_name("original.jpg");
    std::fs::write(&original, whole).unwrap();
    let pixels = |file: &PathBuf| {
        let decoded = run(
            "ffmpeg",
            &[
                "-v",
                "warning",
                "-i",
                file.to_str().unwrap(),
                "-f",
                "rawvideo",
                "-",
            ],
        );
        assert!(
            decoded.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&decoded.stderr)
        );
        decoded.stdout
    };
    assert!(pixels(&file) == pixels(&original), "other pixels");
}

#[test]
fn streams_take_a_place_and_snapshots_do_not() {
    let Some(album) = Album::small() else { return };
    let server = serve(&album.command(30, "whole"), "[server]\nmax_clients = 1");
    let mut client = Client::new(&server, "/stream.mjpeg");
    client.next().unwrap();
    assert!(get(&server, "/stream.mjpeg").0.starts_with("HTTP/1.1 503 "));
    snapshot(&server, "/snapshot.jpg");
    drop(client);
    until("its place is free", || server.number("clients") == 0);
    Client::new(&server, "/stream.mjpeg").next().unwrap();
}

#[test]
fn a_killed_command_comes_back_and_the_end_of_the_program_is_an_end() {
    let Some(album) = Album::small() else { return };
    let mut server = album.serve(30, "whole");
    let mut client = Client::new(&server, "/stream.mjpeg");
    client.next().unwrap();
    let pid = children(server.process.id())
        .pop()
        .expect("the command runs")
        .to_string();
    assert!(run("kill", &["-9", &pid]).status.success());
    until("the end is told", || server.log().contains("SIGKILL"));
    let told_us = now_us();
    until("it goes on", || client.next().unwrap().time_us > told_us);
    server.signal("-TERM");
    while client.next().is_some() {}
    assert!(server.wait().success());
}

/// ffmpeg reads the stream as what it is, and decodes every picture of it.
#[test]
fn ffmpeg_plays_it() {
    let Some(album) = Album::small() else { return };
    let server = album.serve(30, "odd");
    for target in ["/stream.mjpeg", "/?action=stream"] {
        let url = server.url(target);
        let options = [
            "-v",
            "warning",
            "-xerror",
            "-i",
            &url,
            "-frames:v",
            "30",
            "-f",
            "null",
            "-",
        ];
        let played = run("ffmpeg", &options);
        let said = String::from_utf8_lossy(&played.stderr).into_owned();
        assert!(played.status.success() && said.is_empty(), "{said}");
    }
}

#[test]
fn one_key_frame_is_a_whole_file() {
    if !have("ffmpeg") {
        return;
    }
    let server = Server::test_picture(&[]);
    for _ in 0..2 {
        let asked_us = now_us();
        let (head, file) = snapshot(&server, "/snapshot.mp4");
        assert_eq!(field(&head, "Content-Type"), "video/mp4");
        assert!(time_us(&head) >= asked_us, "an old picture");
        let path = server.dir.write("snapshot.mp4", file);
        assert_eq!(support::decode(&path), 1);
        let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/node_modules");
        if !std::path::Path::new(modules).join("mp4box").is_dir() {
            skip("GPAC's mp4box.js is not installed (tests/need test)");
        } else if have("node") {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/gpac.cjs");
            let mut gpac = Command::new("node");
            let said = gpac
                .args([script, path.to_str().unwrap()])
                .env("NODE_PATH", modules)
                .output();
            assert_eq!(
                String::from_utf8_lossy(&said.unwrap().stdout),
                "1 avc1.42c01e 90000 1 0\n"
            );
        }
    }
    let head = head(&server, "/snapshot.mp4");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Content-Type: video/mp4\r\n"),
        "{head}"
    );
}

/// Who leaves while nothing flows is noticed, and does not keep the camera awake.
#[test]
fn who_leaves_is_noticed() {
    let Some(album) = Album::new(1, "testsrc2=size=64x48", &[]) else {
        return;
    };
    let server = album.serve_and_sleep(1, "once");
    let mut client = Client::new(&server, "/stream.mjpeg");
    client.next().unwrap();
    client
        .input
        .get_ref()
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let silent = client.input.read(&mut [0; 10]).unwrap_err().kind();
    assert!(
        matches!(silent, ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{silent}"
    );
    assert_eq!(server.camera("protocol"), "mjpeg");
    drop(client);
    until("it sleeps", || server.camera("state") == "asleep");
}
