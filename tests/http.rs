//! Requests, good and bad, as raw bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use support::{PATIENCE, Server, follows, until};

fn status_of(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no status in {answer:?}"))
        .parse()
        .unwrap()
}

#[test]
fn answers_have_the_right_status() {
    let server = Server::test_picture(&[]);
    let close = "Connection: close\r\n\r\n";
    let long = "a".repeat(9000);
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{close}"), 200),
        (
            format!("GET /index.html HTTP/1.1\r\nHost: localhost\r\n{close}"),
            200,
        ),
        (format!("GET /?a=b HTTP/1.1\r\nHost: localhost\r\n{close}"), 200),
        (
            format!("GET /?action=command HTTP/1.1\r\nHost: localhost\r\n{close}"),
            404,
        ),
        (
            format!("GET /stream.mp4 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=10000-\r\n{close}"),
            416,
        ),
        (
            format!("GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n{close}"),
            200,
        ),
        (
            format!("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n{close}"),
            421,
        ),
        (format!("HEAD / HTTP/1.1\r\nHost: localhost\r\n{close}"), 200),
        (
            format!("HEAD /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n{close}"),
            200,
        ),
        (
            format!("OPTIONS /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n{close}"),
            204,
        ),
        (format!("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n{close}"), 204),
        (
            format!("POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n{close}abc"),
            405,
        ),
        (
            format!("DELETE /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n{close}"),
            405,
        ),
        (
            format!("GET /nothing HTTP/1.1\r\nHost: localhost\r\n{close}"),
            404,
        ),
        (
            format!("GET /../etc/passwd HTTP/1.1\r\nHost: localhost\r\n{close}"),
            404,
        ),
        (
            format!("GET /status/ HTTP/1.1\r\nHost: localhost\r\n{close}"),
            404,
        ),
        (format!("GET / HTTP/1.1\r\n{close}"), 400),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n{close}"), 400),
        (format!("GET / HTTP/1.1\r\nHost: a b\r\n{close}"), 400),
        (format!("GET status HTTP/1.1\r\nHost: localhost\r\n{close}"), 400),
        ("GET / HTTP/1.0\r\n\r\n".into(), 200),
        ("nonsense\r\n\r\n".into(), 400),
        ("\0\0\0\0".into(), 400),
        ("PRI * HTTP/2.0\r\n\r\n".into(), 505),
        (format!("GET / HTTP/1.2\r\nHost: localhost\r\n{close}"), 200),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n{close}"), 414),
        (
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n{close}"),
            431,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\n{}{close}",
                "X: y\r\n".repeat(100)
            ),
            431,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n{close}"
            ),
            403,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n{close}"
            ),
            200,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n{close}"
            ),
            403,
        ),
        (
            format!("GET /status HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n{close}"),
            403,
        ),
        (
            format!("GET /status HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n{close}"),
            403,
        ),
        (
            format!("GET /status HTTP/1.1\r\nHost: localhost:8000\r\nOrigin: http://localhost\r\n{close}"),
            200,
        ),
    ] {
        let answer = server.ask(&request);
        assert_eq!(status_of(&answer), status, "{request:?} got {answer:?}");
        if status == 405 || status == 204 {
            assert!(answer.contains("\r\nAllow: GET, HEAD, OPTIONS\r\n"), "{answer}");
        }
        assert!(!answer.contains("Server:"), "no version banner");
    }
}

#[test]
fn only_names_that_can_be_ours_are_answered() {
    let server = Server::with_config("[server]\nhosts = cam.example.org\n[test]\n");
    let status = |host: &str| {
        status_of(&server.ask(&format!(
            "GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )))
    };
    for host in [
        "localhost",
        "127.0.0.1:8000",
        "[::1]:8000",
        "[fe80::1]",
        "192.168.1.5",
        "pi",
        "pi.local",
        "PI.LOCAL.",
        "cam.example.org:80",
    ] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in [
        "evil.example",
        "cam.example.org.evil.example",
        "local.evil.example",
        "1.2.3.4.evil.example",
    ] {
        assert_eq!(status(host), 421, "{host}");
    }
    let answer = server.ask("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("hosts ="), "the way out is named: {answer}");
    assert_eq!(server.number("forbidden"), 5);
}

#[test]
fn a_connection_serves_request_after_request() {
    let server = Server::test_picture(&[]);
    // Two requests in one write, and a third that ends it.
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = server.ask(&format!("{request}{request}{last}"));
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{answer}");
    // A body is no request.
    let answer = server
        .ask("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 22\r\n\r\nGET / HTTP/1.0\r\n\r\nabcd");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
    // Nor where the connection would stay open in HTTP/1.0, whatever the order of the fields.
    for fields in [
        "Content-Length: 19\r\nConnection: keep-alive",
        "Connection: keep-alive\r\nContent-Length: 19",
        "Connection: close, keep-alive",
    ] {
        let answer = server.ask(&format!(
            "GET / HTTP/1.0\r\n{fields}\r\n\r\nGET / HTTP/1.0\r\n\r\n"
        ));
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{fields}");
    }
}

#[test]
fn head_gives_the_same_head_and_no_body() {
    let server = Server::test_picture(&[]);
    for path in [
        "/",
        "/style.css",
        "/page.js",
        "/manifest.json",
        "/logo.png",
        "/favicon.ico",
        "/apple-touch-icon.png",
    ] {
        let get = server.ask(&format!("GET {path} HTTP/1.0\r\n\r\n"));
        let head = server.ask(&format!("HEAD {path} HTTP/1.0\r\n\r\n"));
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        // A second may begin between the two.
        let but_for_date = |answer: &str| {
            let (before, rest) = answer.split_once("\r\nDate: ").unwrap();
            let (date, rest) = rest.split_once("\r\n").unwrap();
            assert!(date.ends_with(" GMT"), "{date}");
            format!("{before}\r\n{rest}")
        };
        let (get, head) = (but_for_date(&get), but_for_date(&head));
        assert!(get.starts_with(&head) && get.len() > head.len(), "{path}: {head}");
        assert!(head.contains("X-Content-Type-Options: nosniff\r\n"));
    }
    let page = server.get("/");
    assert!(
        page.contains("frame-ancestors 'self'\r\n") && !page.contains("unsafe-inline"),
        "{page}"
    );
}

#[test]
fn the_stream_s_head_wakes_no_camera() {
    let server = Server::with_config("[server]\n[test]\nlinger_s = 0\n");
    until("it sleeps", || server.camera("state") == "asleep");
    let before = server.camera("frames");
    let head = server.ask("HEAD /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(
        head.contains("Content-Type: video/mp4; codecs=\"avc1.42c01e\"\r\n"),
        "{head}"
    );
    assert!(
        head.contains("Transfer-Encoding: chunked\r\n") && head.contains("Cache-Control: no-store\r\n"),
        "{head}"
    );
    assert!(
        head.contains("X-Accel-Buffering: no\r\n") && head.contains("Accept-Ranges: none\r\n"),
        "{head}"
    );
    for path in ["/", "/status", "/healthz"] {
        assert_eq!(status_of(&server.get(path)), 200);
    }
    assert_eq!(
        (server.camera("state").as_str(), server.camera("frames")),
        ("asleep", before)
    );
}

#[test]
fn with_all_places_taken_the_rest_still_answers() {
    let server = Server::with_config("[server]\nmax_clients = 3\n[test]\n");
    let mut viewers: Vec<_> = (0..3).map(|_| server.follow("")).collect();
    for viewer in &mut viewers {
        viewer.next_fragment().unwrap();
    }
    let answer = server.get("/stream.mp4");
    assert_eq!(status_of(&answer), 503, "{answer}");
    assert!(
        answer.contains("Retry-After:") && answer.contains("max_clients"),
        "{answer}"
    );
    assert_eq!(status_of(&server.get("/healthz")), 200);
    assert_eq!(server.number("clients"), 3);
    drop(viewers.pop());
    until("the place is free again", || server.number("clients") == 2);
    server.follow("").next_fragment().unwrap();
}

/// Silent connections, in numbers over all limits, make room for those who ask.
#[test]
fn connections_that_ask_nothing_do_not_keep_others_out() {
    let server = Server::with_config("[server]\nmax_clients = 2\n[test]\n");
    let mut viewer = server.follow("");
    viewer.next_fragment().unwrap();
    // Idle ones first: they had an answer and stay.
    let mut idle: Vec<TcpStream> = (0..200)
        .map(|_| server.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .collect();
    for socket in &mut idle {
        // On a busy machine some make room before their thread has run.
        _ = socket.read(&mut [0; 16]);
    }
    until("the page is answered", || {
        server.get("/").starts_with("HTTP/1.1 200")
    });
    drop(idle);
    // Then ones that never send a whole head.
    let silent: Vec<TcpStream> = (0..200).map(|_| server.send(b"GET / HT")).collect();
    until("the page is answered", || {
        server.get("/").starts_with("HTTP/1.1 200")
    });
    // Three a viewer and the reserve.
    assert!(server.number("connections") <= 2 * 3 + 32);
    viewer.next_fragment().unwrap();
    drop(silent);
    until("all are gone", || server.number("connections") <= 2);
}

/// Clients that ask again and again and take next to nothing of the answers make room too.
#[test]
fn clients_that_do_not_take_their_answers_keep_nobody_out() {
    let server = Server::with_config("[server]\nmax_clients = 2\n[test]\n");
    let ask = "GET /logo.png HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2000);
    let greedy: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut socket = server.send(b"");
            socket.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            _ = socket.write_all(ask.as_bytes());
            socket
        })
        .collect();
    for _ in 0..5 {
        until("the page is answered", || {
            server.get("/").starts_with("HTTP/1.1 200")
        });
    }
    // Without anybody else who wants their places, those that are left are given up as stuck.
    until("they are counted", || server.number("stuck_clients") > 0);
    drop(greedy);
}

#[test]
fn ten_thousand_connects_leave_nothing_behind() {
    let server = Server::patient();
    let mut viewer = server.follow("");
    let watching = thread::spawn(move || {
        let mut last = viewer.next_fragment().unwrap();
        while let Some(next) = viewer.next_fragment() {
            assert!(follows(&next, &last), "a frame is lost");
            last = next;
        }
    });
    for round in 0..10_000 {
        match round % 4 {
            0 => drop(server.send(b"")),
            1 => drop(server.send(b"GET /status HT")),
            2 => drop(server.send(b"GET /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n")),
            _ => drop(server.send(b"\xff\xfe garbage \r\n\r\n")),
        }
    }
    until("only the viewer is left", || {
        server.number("clients") == 1 && server.number("connections") <= 2
    });
    until("threads are gone", || server.proc_status("Threads") <= 6);
    assert_eq!(server.status_after("connected_s", "frames_skipped"), "0");
    server.signal("-TERM");
    watching.join().unwrap();
}

#[test]
fn a_head_a_byte_a_second_is_cut_off() {
    let server = Server::test_picture(&[]);
    let mut socket = server.send(b"G");
    let mut slow = socket.try_clone().unwrap();
    let drip = thread::spawn(move || {
        for byte in b"ET / HTTP/1.1\r\nHost: localhost\r\nA: aaaaaaaaaaaaaaaaaaa"
            .iter()
            .chain([b'b'; 60].iter())
        {
            thread::sleep(Duration::from_millis(500));
            if slow.write_all(&[*byte]).is_err() {
                return;
            }
        }
    });
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    _ = socket.read_to_string(&mut answer);
    assert_eq!(status_of(&answer), 408);
    drop(socket);
    drip.join().unwrap();
    assert_eq!(server.number("bad_requests"), 1);
}

/// A request of a page from `origin`, as a browser says it on https.
fn from_page(method: &str, path: &str, origin: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nSec-Fetch-Site: cross-site\r\n\
         Sec-Fetch-Mode: cors\r\nConnection: close\r\n\r\n"
    )
}

#[test]
fn pages_of_listed_origins_may_use_it_and_no_others() {
    let server = Server::with_config(
        "[server]\ncors_origins = https://home.example, http://home.example:81\n[test]\n",
    );
    for path in ["/status", "/", "/nothing"] {
        let answer = server.ask(&from_page("GET", path, "https://home.example"));
        assert_ne!(status_of(&answer), 403, "{path}");
        assert!(
            answer.contains("\r\nAccess-Control-Allow-Origin: https://home.example\r\n")
                && answer.contains("\r\nCross-Origin-Resource-Policy: cross-origin\r\n")
                && answer.contains("\r\nVary: Origin\r\n"),
            "{answer}"
        );
    }
    let stream = server.ask(&from_page("HEAD", "/stream.mp4", "http://home.example:81"));
    assert!(
        stream.contains("\r\nAccess-Control-Allow-Origin: http://home.example:81\r\n"),
        "{stream}"
    );
    let preflight = server.ask(&from_page("OPTIONS", "/status", "https://home.example"));
    assert_eq!(status_of(&preflight), 204);
    assert!(
        preflight.contains("\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n")
            && preflight.contains("\r\nAccess-Control-Allow-Headers: Range, ")
            && preflight.contains("\r\nAccess-Control-Expose-Headers: X-Timestamp, ")
            && preflight.contains("\r\nAccess-Control-Max-Age: "),
        "{preflight}"
    );
    for origin in [
        "http://home.example",
        "https://home.example:81",
        "https://home.example.evil.example",
        "https://evil.example",
        "null",
    ] {
        for method in ["GET", "OPTIONS"] {
            let answer = server.ask(&from_page(method, "/status", origin));
            assert_eq!(status_of(&answer), 403, "{origin}");
            assert!(!answer.contains("Access-Control-"), "{origin}: {answer}");
        }
    }
    // Caches are told even where nobody asked.
    let plain = server.get("/status");
    assert!(
        plain.contains("\r\nVary: Origin\r\n") && !plain.contains("Access-Control-"),
        "{plain}"
    );
    assert!(
        plain.contains("\r\nCross-Origin-Resource-Policy: same-site\r\n"),
        "{plain}"
    );
    // By default there is none of it.
    let closed = Server::test_picture(&[]);
    let answer = closed.ask(&from_page("OPTIONS", "/status", "https://home.example"));
    assert!(status_of(&answer) == 403 && !answer.contains("Vary:"), "{answer}");
}

/// On https and localhost, browsers say that a tag is of another site's page, but not of which; the Referer does.
#[test]
fn pictures_are_for_listed_pages_on_safe_connections_too() {
    let server = Server::with_config("[server]\ncors_origins = https://home.example\n[test]\n");
    for (path, lines, status) in [
        ("/snapshot.mp4", "Referer: https://home.example/", 200),
        ("/snapshot.mp4", "Referer: https://localhost:81/a", 200),
        ("/snapshot.mp4", "Referer: https://evil.example/", 403),
        (
            "/snapshot.mp4",
            "Referer: https://evil.example/https://home.example/",
            403,
        ),
        (
            "/snapshot.mp4",
            "Referer: https://home.example/\r\nOrigin: https://evil.example",
            403,
        ),
        (
            "/snapshot.mp4",
            "Referer: https://home.example/\r\nOrigin: null",
            403,
        ),
        // Home Assistant's pages say nothing.
        ("/snapshot.mp4", "Accept: */*", 200),
        ("/status", "Referer: https://home.example/", 403),
        ("/status", "Accept: */*", 403),
    ] {
        let answer = server.ask(&format!(
            "HEAD {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\nSec-Fetch-Site: cross-site\r\n\
             Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: video\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(status_of(&answer), status, "{path} {lines}");
        let policy = answer.contains("\r\nCross-Origin-Resource-Policy: cross-origin\r\n");
        assert!(status == 403 || policy, "{answer}");
    }
}

#[test]
fn an_open_server_is_open_to_all_pages() {
    let server = Server::with_config("[server]\ncors_origins = *\n[test]\n");
    for origin in ["https://anywhere.example", "null"] {
        let answer = server.ask(&from_page("GET", "/status", origin));
        assert_eq!(status_of(&answer), 200);
        assert!(
            answer.contains("\r\nAccess-Control-Allow-Origin: *\r\n"),
            "{answer}"
        );
        // A cache in front keeps one copy for all.
        assert!(!answer.contains("\r\nVary:"), "{answer}");
    }
    // A picture's tag names no origin.
    let answer = server.ask(
        "GET /logo.png HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n\
         Connection: close\r\n\r\n",
    );
    assert_eq!(status_of(&answer), 200);
    assert!(
        answer.contains("\r\nCross-Origin-Resource-Policy: cross-origin\r\n"),
        "{answer}"
    );
    // The name is another matter.
    let answer = server.ask("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(status_of(&answer), 421);
}

#[test]
fn a_listed_page_may_frame_this_one() {
    let server = Server::with_config("[server]\nframe_ancestors = https://home.example\n[test]\n");
    let answer = server.ask(
        "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-Dest: iframe\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(status_of(&answer), 200);
    assert!(
        answer.contains("frame-ancestors 'self' https://home.example\r\n"),
        "{answer}"
    );
    // What the framed page asks for is its own site's; only the frame itself was another's.
    for (path, dest) in [
        ("/style.css", "style"),
        ("/manifest.json", "manifest"),
        ("/status", "empty"),
    ] {
        let answer = server.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\n\
             Sec-Fetch-Dest: {dest}\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(status_of(&answer), 200, "{path}");
    }
}

#[test]
fn a_base_path_holds_all_that_the_root_does() {
    let server = Server::with_config("[server]\nbase_path = /house/cam/\n[test]\n");
    for (path, status) in [
        ("/house/cam/", 200),
        ("/house/cam/style.css", 200),
        ("/house/cam/healthz", 200),
        ("/house/cam/ws", 426),
        ("/house/cam/nothing", 404),
        ("/house/cam/house/cam/", 404),
        ("/house/camera", 404),
        ("/house/", 404),
        // What asks the program itself knows nothing of the proxy.
        ("/", 200),
        ("/healthz", 200),
    ] {
        assert_eq!(status_of(&server.get(path)), status, "{path}");
    }
    let answer = server.get("/house/cam?path=ws");
    assert_eq!(status_of(&answer), 301);
    assert!(answer.contains("\r\nLocation: cam/?path=ws\r\n"), "{answer}");
    // Who follows relative addresses stays within.
    let assets = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/assets")).unwrap();
    for file in assets.map(|file| file.unwrap().path()) {
        // A picture is no text.
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        for absolute in ["=\"/", "='/", "url(/", "('/", "(\"/", "\": \"/"] {
            assert!(!text.contains(absolute), "{} has {absolute}", file.display());
        }
    }
}
