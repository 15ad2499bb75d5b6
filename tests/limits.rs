//! The limits that clients can reach: of connections, of files, of threads. Whatever one of them does, others are answered.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Dir, Server, until};

/// A client at 127.0.0.`last`, which sends this.
fn client_at(last: u8, server: &Server, bytes: &[u8]) -> TcpStream {
    server.send_from([127, 0, 0, last], bytes)
}

/// The first line of the answer to it.
fn answer_at(last: u8, server: &Server, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    first_line(&mut client_at(last, server, request.as_bytes()))
}

fn first_line(client: &mut TcpStream) -> String {
    let mut bytes = [0; 100];
    let count = match client.read(&mut bytes) {
        Ok(count) => count,
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return RESET.into(),
        Err(e) => panic!("no answer in time: {e}"),
    };
    let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
    text.lines().next().unwrap_or_default().to_string()
}

const WELL: &str = "HTTP/1.1 200 OK";
const TOO_MANY: &str = "HTTP/1.1 503 Service Unavailable";
const RESET: &str = "reset";
const KEPT: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// However many connections an address makes, and however often: its own have to leave for those of others, at once.
#[test]
fn one_address_keeps_no_other_out() {
    let server = Server::with_config(
        "[server]\nmax_clients = 2\n[test one]\nname = one\n\
         [exec silent]\nname = silent\ncommand = exec sleep 1000\n",
    );
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for request in [
            // A head that is never whole, one that waits for a picture, and one that waits for a playlist.
            "GET / HT",
            "GET /silent/snapshot.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /one/stream.m3u8?_HLS_msn=2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ] {
            let (server, done) = (&server, &done);
            scope.spawn(move || {
                let mut crowd = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    crowd.push(client_at(2, server, request.as_bytes()));
                    if crowd.len() > 200 {
                        crowd.remove(0);
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        until("they are turned away", || {
            answer_at(2, &server, "/healthz") == TOO_MANY
        });
        let answers: Vec<String> = (0..100).map(|_| answer_at(3, &server, "/one/healthz")).collect();
        done.store(true, Ordering::Relaxed);
        assert!(answers.iter().all(|answer| answer == WELL), "{answers:?}");
    });
}

#[test]
fn with_no_file_left_the_idle_leave_and_a_camera_can_start() {
    let dir = Dir::new();
    let started = dir.file("started");
    let mut program = Command::new("sh");
    program.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", Server::PROGRAM]);
    let config = format!(
        "[server]\nmax_clients = 100\n[test one]\nname = one\n\
         [exec two]\nname = two\ncommand = touch {}; exec sleep 1000\n",
        started.display()
    );
    let server = Server::with_config_as(program, &config);
    let idle: Vec<TcpStream> = (0..200)
        .map(|i| {
            let mut client = client_at(2 + i % 50, &server, KEPT);
            assert_eq!(first_line(&mut client), WELL, "client {i}");
            client
        })
        .collect();
    // Who stays is in the way of nobody, not even of a camera that has yet to be opened.
    let viewer = client_at(99, &server, b"GET /two/stream.mjpeg HTTP/1.0\r\n\r\n");
    until("the command runs", || started.exists());
    drop(idle);

    // Streams have a right to stay. Who comes then is told so.
    let mut streams = Vec::new();
    let refused = loop {
        let mut client = client_at(2, &server, b"GET /one/stream.mp4 HTTP/1.0\r\n\r\n");
        let line = first_line(&mut client);
        if line != WELL {
            break line;
        }
        streams.push(client);
        assert!(streams.len() < 64, "more than there are files");
    };
    assert_eq!(refused, TOO_MANY);
    assert!(server.log().contains("since only 64 files may be open"));
    drop(streams);
    until("there is room again", || answer_at(2, &server, "/") == WELL);
    drop(viewer);
}

/// Another program may have taken them, or an administrator.
#[test]
fn who_comes_when_there_really_is_no_file_is_told_so() {
    if !support::have("prlimit") {
        return;
    }
    let server = Server::with_config("[server]\nmax_clients = 100\n[test]\n");
    let streams: Vec<TcpStream> = (0..20)
        .map(|_| client_at(2, &server, b"GET /stream.mp4 HTTP/1.0\r\n\r\n"))
        .collect();
    until("all are served", || server.number("clients") == 20);
    let pid = server.process.id().to_string();
    let lowered = support::run("prlimit", &["--pid", &pid, "--nofile=20:20"]);
    assert!(lowered.status.success());
    let begun = Instant::now();
    let answers: Vec<String> = (0..50).map(|_| answer_at(3, &server, "/healthz")).collect();
    // Whose request comes too late, as on a busy machine, may find the connection reset.
    let told = answers.iter().filter(|answer| *answer == TOO_MANY).count();
    let late = answers.iter().filter(|answer| *answer == RESET).count();
    assert!(told > 0 && told + late == 50, "{answers:?}");
    let lines = server.log().matches("can't accept a client").count() as u64;
    assert!(
        (1..=begun.elapsed().as_secs() + 2).contains(&lines),
        "{lines} lines"
    );
    drop(streams);
    until("there is room again", || {
        answer_at(3, &server, "/healthz") == WELL
    });
}

#[test]
fn with_no_thread_left_who_comes_is_told_so() {
    if !support::have("prlimit") || !support::have("setpriv") {
        return;
    }
    // The limit is of all of a user's processes, and does not hold for root.
    let number = 20_000 + std::process::id() % 30_000;
    let [uid, gid] = ["reuid", "regid"].map(|option| format!("--{option}={number}"));
    let user = [&*uid, &*gid, "--clear-groups"];
    let as_user = |command: &[&str]| support::run("setpriv", &[&user, command].concat());
    if !as_user(&[Server::PROGRAM, "--version"]).status.success() {
        return support::skip("no other user can be had here, or it may not run the program");
    }
    let mut program = Command::new("setpriv");
    program
        .args(user)
        .args(["prlimit", "--nproc=10", Server::PROGRAM]);
    let server = Server::with_config_as(program, "[server]\nmax_clients = 100\n[test]\n");
    let begun = Instant::now();
    // Idle ones leave, one for each that is turned away.
    let mut lines = Vec::new();
    let idle: Vec<TcpStream> = (0..100)
        .map(|i| {
            let mut client = client_at(2 + i, &server, KEPT);
            lines.push(first_line(&mut client));
            client
        })
        .collect();
    assert!(
        lines.iter().all(|line| line == WELL || line == TOO_MANY),
        "{lines:?}"
    );
    let refused = lines.iter().filter(|line| *line == TOO_MANY).count();
    assert!((1..90).contains(&refused), "{refused} of 100 are turned away");
    until("the page is there", || answer_at(200, &server, "/") == WELL);
    // A stream keeps its thread.
    let mut viewer = None;
    until("a stream begins", || {
        viewer = Some(server.follow("")).filter(|stream| stream.head.starts_with(WELL));
        viewer.is_some()
    });
    for _ in 0..100 {
        _ = answer_at(201, &server, "/");
    }
    viewer.unwrap().next_fragment().unwrap();
    let told = server.log().matches("can't make a thread").count() as u64;
    assert!(
        (1..=begun.elapsed().as_secs() + 2).contains(&told),
        "{told} lines"
    );
    drop(idle);
    until("there is room again", || {
        answer_at(2, &server, "/healthz") == WELL
    });
}
