//! Events, as who wants to be told gets them: by `/events`, and marks that others set there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod support;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use support::{Server, until};

/// The fields that pages of this very server send with JSON, for a user who may control.
const JSON: &str = "Content-Type: application/json\r\n";

/// A client of `/events`.
struct Listener(BufReader<TcpStream>);

/// One event, as it stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    kind: String,
    data: String,
    id: u64,
}

impl Told {
    /// The text of a member of the data.
    fn member(&self, name: &str) -> &str {
        member(&self.data, name)
    }
}

/// The text of a member of a flat object.
fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let front = format!("\"{name}\":\"");
    let at = json.find(&front).unwrap_or_else(|| panic!("no {name} in {json}")) + front.len();
    &json[at..at + json[at..].find('"').unwrap()]
}

impl Listener {
    fn new(server: &Server, path: &str, fields: &str) -> Listener {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        let mut listener = Listener(BufReader::new(server.send(request.as_bytes())));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(listener.0.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        for field in [
            "Content-Type: text/event-stream",
            "X-Accel-Buffering: no",
            "Cache-Control: no-store",
        ] {
            assert!(head.contains(&format!("\r\n{field}\r\n")), "{head}");
        }
        assert_eq!(listener.block(), ["retry: 2000"]);
        listener
    }

    /// The lines up to the next empty one; none at the end.
    fn block(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if line.trim_end().is_empty() {
                return lines;
            }
            lines.push(line.trim_end().to_string());
        }
    }

    /// The next event; comments are passed over. `None` at the end.
    fn next(&mut self) -> Option<Told> {
        loop {
            let block = self.block();
            let value = |at: usize, name: &str| {
                let line: &String = &block[at];
                line.strip_prefix(name)
                    .unwrap_or_else(|| panic!("{block:?}"))
                    .to_string()
            };
            match block.first() {
                None => return None,
                Some(comment) if comment.starts_with(':') => {}
                Some(_) => {
                    assert_eq!(block.len(), 3, "{block:?}");
                    return Some(Told {
                        kind: value(0, "event: "),
                        data: value(1, "data: "),
                        id: value(2, "id: ").parse().unwrap(),
                    });
                }
            }
        }
    }
}

fn post(server: &Server, path: &str, fields: &str, body: &[u8]) -> String {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut answer = Vec::new();
    _ = server
        .send(&[head.as_bytes(), body].concat())
        .read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn code(answer: &str) -> &str {
    answer.get(9..12).unwrap_or_else(|| panic!("{answer:?}"))
}

/// Marks an event, and gives its id.
fn mark(server: &Server, path: &str, kind: &str) -> u64 {
    let answer = post(server, path, JSON, format!("{{\"kind\":\"{kind}\"}}").as_bytes());
    assert_eq!(code(&answer), "200", "{answer}");
    member(&answer, "id").parse().unwrap()
}

/// Everybody may set marks.
const OPEN: &str = "[anonymous]\nrole = control\n";

#[test]
fn events_come_in_order_and_go_on_where_a_client_left_off() {
    let server = Server::with_config(&format!("{OPEN}[test]\nname = yard\n[test b]\nname = door\n"));
    let mut all = Listener::new(&server, "/events", "");
    let mut door = Listener::new(&server, "/door/events", "");
    let ids: Vec<u64> = (0..20)
        .map(|n| match n % 2 {
            0 => mark(&server, "/events", "first"),
            _ => mark(&server, "/door/events", "second"),
        })
        .collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    let told: Vec<Told> = (0..20).map(|_| all.next().unwrap()).collect();
    for ((n, told), id) in told.iter().enumerate().zip(&ids) {
        assert_eq!((told.id, told.member("id")), (*id, &*id.to_string()));
        let (camera, kind) = [("yard", "first"), ("door", "second")][n % 2];
        assert_eq!(
            (told.member("camera"), told.kind.as_str(), told.member("kind")),
            (camera, kind, kind)
        );
        assert_eq!(told.member("state"), "mark");
        assert!(
            told.data.contains("\"at_unix_ms\":1") && told.member("at").ends_with('Z'),
            "{told:?}"
        );
    }
    let of_door: Vec<Told> = (0..10).map(|_| door.next().unwrap()).collect();
    assert_eq!(
        of_door,
        told.iter().skip(1).step_by(2).cloned().collect::<Vec<_>>()
    );

    // Who comes back is told the rest; who is new, or speaks of no number, what happens from now on.
    let field = |id: &str| format!("Last-Event-ID: {id}\r\n");
    let mut back = Listener::new(&server, "/events", &field(&ids[16].to_string()));
    let rest: Vec<Told> = (0..3).map(|_| back.next().unwrap()).collect();
    assert_eq!(rest, told[17..]);
    let mut new = Listener::new(&server, "/events", &field("yard"));
    let later = mark(&server, "/yard/events", "later");
    assert_eq!(new.next().unwrap().id, later);
    assert_eq!(back.next().unwrap().id, later);
    // A number of before a clock was set, or of another program's.
    for unknown in ["0", "18446744073709551615"] {
        let mut back = Listener::new(&server, "/events", &field(unknown));
        assert_eq!(back.next().unwrap(), told[0], "{unknown}");
    }
    // So many are kept, and no more.
    let many: Vec<u64> = (0..100).map(|_| mark(&server, "/events", "many")).collect();
    let mut back = Listener::new(&server, "/events", &field("1"));
    let kept: Vec<u64> = (0..100).map(|_| back.next().unwrap().id).collect();
    assert_eq!(kept, many);

    until("the camera sleeps, whoever listens", || {
        server.camera("state") == "asleep"
    });
    drop(server);
    assert_eq!(
        new.next().map(|told| told.id),
        Some(many[0]),
        "what was sent is there"
    );
}

#[test]
fn listeners_are_clients_and_no_viewers() {
    let server =
        Server::with_config("[server]\nmax_clients = 3\n[anonymous]\nrole = control\n[test]\nlinger_s = 0\n");
    until("it sleeps", || server.camera("state") == "asleep");
    let mut listeners: Vec<Listener> = (0..3).map(|_| Listener::new(&server, "/events", "")).collect();
    assert_eq!(
        (server.status("clients").as_str(), server.camera("state").as_str()),
        ("3", "asleep")
    );
    for _ in 0..2 {
        assert_eq!(code(&server.get("/events")), "503");
    }
    // That one found no place is an event, and one for all of them.
    let door = mark(&server, "/events", "door");
    for listener in &mut listeners {
        let full = listener.next().unwrap();
        assert_eq!((full.kind.as_str(), full.member("state")), ("full", "mark"));
        assert_eq!(listener.next().unwrap().id, door);
    }
    // One that takes nothing holds nobody up.
    listeners.truncate(2);
    let mut quick = listeners.pop().unwrap();
    for _ in 0..300 {
        let id = mark(&server, "/events", "many");
        assert_eq!(quick.next().unwrap().id, id);
    }
    drop((quick, listeners));
    until("their places are free", || server.status("clients") == "0");
    let head = server.ask("HEAD /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(
        head.contains("\r\nContent-Type: text/event-stream\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

const PICTURE: &[u8] = include_bytes!("fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");

/// A camera that gives this picture again and again while the file is there.
fn camera(file: &Path) -> String {
    let file = file.display();
    format!(
        "[exec far]\nname = far\nauto_sleep = no\ncommand = while [ -e {file} ]; do cat {file}; sleep 0.05; done\n"
    )
}

#[test]
fn a_loss_begins_and_ends() {
    let dir = support::Dir::new();
    let picture = dir.file("picture.jpg");
    let server = Server::with_config(&camera(&picture));
    let mut listener = Listener::new(&server, "/events", "Last-Event-ID: 0\r\n");
    for _ in 0..2 {
        let start = listener.next().unwrap();
        assert_eq!((start.kind.as_str(), start.member("state")), ("lost", "start"));
        assert!(start.member("why").contains("ended"), "{start:?}");
        std::fs::write(&picture, PICTURE).unwrap();
        let end = listener.next().unwrap();
        assert_eq!((end.kind.as_str(), end.member("state")), ("lost", "end"));
        assert_eq!(end.member("id"), start.member("id"));
        assert!(end.id > start.id);
        std::fs::remove_file(&picture).unwrap();
    }
}

#[test]
fn marks_are_for_who_may_and_for_short_words() {
    let server = Server::with_config("[test]\n");
    let body = b"{\"kind\":\"door\"}";
    // While nobody is configured, others may watch and no more.
    assert_eq!(code(&post(&server, "/events", JSON, body)), "403");
    let server = Server::with_config(&format!(
        "[server]\ncors_origins = http://home.example\n{OPEN}[test]\n"
    ));
    for (fields, expected) in [
        ("", "415"),
        ("Content-Type: text/plain\r\n", "415"),
        ("Content-Type: application/x-www-form-urlencoded\r\n", "415"),
        (JSON, "200"),
        (
            "Content-Type: application/json; charset=utf-8\r\nOrigin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n",
            "200",
        ),
        // No page of elsewhere, not even a listed one.
        (
            "Content-Type: application/json\r\nOrigin: http://evil.example\r\n",
            "403",
        ),
        (
            "Content-Type: application/json\r\nOrigin: http://home.example\r\n",
            "403",
        ),
        (
            "Content-Type: application/json\r\nOrigin: http://localhost:81\r\n",
            "403",
        ),
        ("Content-Type: application/json\r\nOrigin: null\r\n", "403"),
        (
            "Content-Type: application/json\r\nSec-Fetch-Site: cross-site\r\n",
            "403",
        ),
        (
            "Content-Type: application/json\r\nSec-Fetch-Site: same-site\r\n",
            "403",
        ),
    ] {
        assert_eq!(
            code(&post(&server, "/events", fields, body)),
            expected,
            "{fields:?}"
        );
    }
    for (body, expected) in [
        (&b""[..], "400"),
        (b"{}", "400"),
        (b"[]", "400"),
        (b"door", "400"),
        (b"\"door\"", "400"),
        (b"{\"kind\":7}", "400"),
        (b"{\"kind\":\"\"}", "400"),
        (b"{\"kind\":\"Door\"}", "400"),
        (b"{\"kind\":\"a b\"}", "400"),
        (b"{\"kind\":\"a\\nid: 7\"}", "400"),
        (b"{\"kind\":\"lost\"}", "400"),
        (b"{\"kind\":\"full\"}", "400"),
        (b"{\"kind\":\"abcdefghijklmnopqrstuvwxyz0123456\"}", "400"),
        (b"{\"kind\":\"abcdefghijklmnopqrstuvwxyz012345\"}", "200"),
        (b"{\"kind\":\"door\",\"record_s\":20}", "200"),
        (b"\xff\xfe\x00", "400"),
        (&[b'['; 4096], "400"),
        (&[b' '; 4097], "413"),
    ] {
        let shown = String::from_utf8_lossy(body);
        assert_eq!(code(&post(&server, "/events", JSON, body)), expected, "{shown}");
    }
}
