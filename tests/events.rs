//! Events, as who wants to be told gets them: by `/events`, by a POST to a receiver, by a command; and marks that others set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::{Dir, PATIENCE, Server, until};

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
    let dir = Dir::new();
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

/// A receiver of events.
struct Receiver(TcpListener);

/// What was sent to it, and the connection, which waits for an answer.
struct Posted {
    head: String,
    body: String,
    socket: TcpStream,
}

impl Receiver {
    /// At any port, or at one that another one left.
    fn new(port: u16) -> Receiver {
        Receiver(TcpListener::bind(("127.0.0.1", port)).unwrap())
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The next request.
    fn accept(&self) -> Posted {
        self.0.set_nonblocking(true).unwrap();
        let mut accepted = None;
        until("somebody sends something", || {
            accepted = self.0.accept().ok();
            accepted.is_some()
        });
        let (socket, _) = accepted.unwrap();
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let length = head.split("Content-Length: ").nth(1).unwrap();
        let mut body = vec![0; length[..length.find('\r').unwrap()].parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        Posted {
            head,
            body: String::from_utf8(body).unwrap(),
            socket: reader.into_inner(),
        }
    }

    /// The next event, which is taken.
    fn take(&self) -> String {
        let mut posted = self.accept();
        posted.answer("200 OK");
        posted.body
    }
}

impl Posted {
    fn answer(&mut self, status: &str) {
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:9/\r\n\r\n");
        self.socket.write_all(answer.as_bytes()).unwrap();
    }
}

fn is(json: &str, kind: &str, state: &str) -> bool {
    (member(json, "kind"), member(json, "state")) == (kind, state)
}

#[test]
fn a_loss_reaches_a_receiver_once_each_across_its_restart() {
    let (dir, receiver) = (Dir::new(), Receiver::new(0));
    let (picture, port) = (dir.file("picture.jpg"), receiver.port());
    std::fs::write(&picture, PICTURE).unwrap();
    let config = format!("{}event_url = http://127.0.0.1:{port}/\n{OPEN}", camera(&picture));
    let server = Server::with_config(&config);
    until("it gives pictures", || server.camera("state") == "live");
    std::fs::remove_file(&picture).unwrap();
    let start = receiver.take();
    assert!(is(&start, "lost", "start"), "{start}");
    drop(receiver);
    std::fs::write(&picture, PICTURE).unwrap();
    until("nobody takes it", || {
        server
            .log()
            .contains("can't tell it of \"lost\": nothing listens there")
    });
    let receiver = Receiver::new(port);
    let end = receiver.take();
    assert!(is(&end, "lost", "end"), "{end}");
    assert_eq!(member(&end, "id"), member(&start, "id"));
    mark(&server, "/events", "door");
    assert!(is(&receiver.take(), "door", "mark"), "and no other once more");
    until("that it is well is in the log", || {
        server.log().contains("far: events are taken again")
    });
}

#[test]
fn receivers_are_told_out_of_the_strict_sandbox() {
    let receiver = Receiver::new(0);
    let url = format!(
        "http://ann%%40home:s3cret@localhost:{}/api/webhook/s3cret?a=b",
        receiver.port()
    );
    let text =
        |url: &str| format!("[server]\nsandbox = strict\n{OPEN}[test]\nname = yard\nevent_url = {url}\n");
    let server = Server::with_config(&text(&url));
    assert!(server.status("sandbox").ends_with(", seccomp"));
    let id = mark(&server, "/events", "door");
    let mut posted = receiver.accept();
    posted.answer("204 No Content");
    assert!(
        posted
            .head
            .starts_with("POST /api/webhook/s3cret?a=b HTTP/1.1\r\n"),
        "{}",
        posted.head
    );
    // ann@home:s3cret
    for field in [
        format!("Host: localhost:{}", receiver.port()),
        "Authorization: Basic YW5uQGhvbWU6czNjcmV0".into(),
        "Content-Type: application/json".into(),
    ] {
        assert!(
            posted.head.contains(&format!("\r\n{field}\r\n")),
            "{}",
            posted.head
        );
    }
    assert!(is(&posted.body, "door", "mark"));
    assert_eq!(member(&posted.body, "id"), id.to_string());
    let mut stream = server.follow("");
    assert!(stream.next_fragment().is_some(), "it is a camera as any");

    // What a name can't be found for costs nobody else anything, and no secret is told.
    std::fs::write(
        server.dir.file("test.conf"),
        text(&url.replace("localhost", "no-such-host.invalid")),
    )
    .unwrap();
    server.signal("-HUP");
    until("it is taken over", || {
        server.log().contains("the config is taken over")
    });
    mark(&server, "/events", "door");
    until("that is in the log", || {
        server.log().contains("yard: event_url at no-such-host.invalid:")
            && server.log().contains("can't tell it of \"door\"")
    });
    std::fs::write(server.dir.file("test.conf"), text(&url)).unwrap();
    server.signal("-HUP");
    until("it is taken over", || {
        server.log().matches("the config is taken over").count() == 2
    });
    mark(&server, "/events", "gate");
    assert!(is(&receiver.take(), "gate", "mark"));
    // A port that the sandbox closed for good.
    std::fs::write(server.dir.file("test.conf"), text("http://localhost:1/")).unwrap();
    server.signal("-HUP");
    until("that is in the log", || {
        server.log().contains("and so all of [test]")
    });
    assert!(stream.next_fragment().is_some());
    let told = server.log() + &server.get("/status") + &server.get("/metrics");
    assert!(!told.contains("s3cret"), "{told}");
}

#[test]
fn receivers_that_are_no_good_hold_nobody_up() {
    let (bad, good) = (Receiver::new(0), Receiver::new(0));
    let camera =
        |name: &str, port| format!("[test {name}]\nname = {name}\nevent_url = http://127.0.0.1:{port}\n");
    let server = Server::with_config(&format!(
        "{OPEN}{}{}",
        camera("one", bad.port()),
        camera("two", good.port())
    ));
    let marks = |path: &str| mark(&server, path, "door");
    // One that hangs.
    let id = marks("/one/events").to_string();
    let hangs = bad.accept();
    assert!(hangs.head.starts_with("POST / HTTP/1.1\r\n"), "{}", hangs.head);
    marks("/two/events");
    assert_eq!(member(&good.take(), "camera"), "two");
    // It has it again, as it never said that it took it; then it is not ready, and then it speaks another language.
    let mut again = bad.accept();
    assert_eq!(again.body, hangs.body);
    again.answer("503 Service Unavailable");
    drop((hangs, again));
    let mut other = bad.accept();
    assert_eq!(member(&other.body, "id"), id);
    other.socket.write_all(b"220 mail.example ESMTP\r\n").unwrap();
    drop(other);
    // That was a passing trouble; these are not, and the next event is another one.
    for status in ["301 Moved Permanently", "404 Not Found", "401 Unauthorized"] {
        let id = marks("/one/events").to_string();
        let mut posted = bad.accept();
        while member(&posted.body, "id") != id {
            posted.answer("200 OK");
            posted = bad.accept();
        }
        posted.answer(status);
    }
    let id = marks("/one/events").to_string();
    assert_eq!(member(&bad.take(), "id"), id);
    // The first event and the last, and those that were refused.
    let count = |camera: &str, outcome: &str| {
        let series = format!(
            "fmp4streamer_event_deliveries_total{{camera=\"{camera}\",way=\"url\",outcome=\"{outcome}\"}} "
        );
        let metrics = server.get("/metrics");
        let mut found = metrics.lines().filter_map(|line| line.strip_prefix(&series));
        found.next().unwrap().to_string()
    };
    until("what was taken is counted", || count("one", "delivered") == "2");
    assert_eq!(
        (count("one", "failed"), count("two", "delivered")),
        ("3".into(), "1".into())
    );
    assert!(
        server.log().contains("one: event_url at 127.0.0.1:"),
        "{}",
        server.log()
    );
}

#[test]
fn what_can_not_be_a_receiver_is_refused_with_the_way_out() {
    let dir = Dir::new();
    let check = |url: &str| {
        let file = dir.write(
            "test.conf",
            format!("[test]\nevent_url = {url}\nevent_command =\n"),
        );
        let output = support::run(Server::PROGRAM, &["-c", file.to_str().unwrap(), "--check"]);
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let said = check("https://anna:s3cret@home.example/s3cret");
    assert!(
        said.contains(":2: event_url: https is not spoken here; put a proxy between, or use event_command"),
        "{said}"
    );
    let wrong = check("ftp://anna:s3cret@home.example/s3cret");
    assert!(
        wrong.contains(":2: event_url: allowed: nothing, or an address, with USER:PASSWORD@ before its host or without, as http://HOST:PORT/PATH"),
        "{wrong}"
    );
    let good = check("http://anna:s3cret@home.example:81/s3cret");
    assert!(
        good.contains("camera0: events are sent to home.example:81\n"),
        "{good}"
    );
    for said in [said, wrong, good] {
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn a_command_has_the_facts_in_its_environment() {
    let dir = Dir::new();
    let told = dir.file("told");
    let command = format!(
        "printf '%%s\\n' \"$CAMERA $EVENT $STATE <$FILE> $0 $#\" >> {};\n  echo to nobody; echo a complaint >&2; exit 3",
        told.display()
    );
    let server = Server::with_config(&format!(
        "{OPEN}[test]\nname = a-b_c\nevent_command = {command}\n[/dev/no-such-video]\nname = gone\nevent_command = {command}\n"
    ));
    let lines = || std::fs::read_to_string(&told).unwrap_or_default();
    until("the loss is told", || lines() == "gone lost start <> /bin/sh 0\n");
    mark(&server, "/events", "door-1_a");
    until("the mark is told", || {
        lines().ends_with("\na-b_c door-1_a mark <> /bin/sh 0\n")
    });
    until("its end is in the log", || {
        server
            .log()
            .contains("a-b_c: event_command: failed at \"door-1_a\": exit status 3: a complaint")
    });
    assert_eq!(server.status("sandbox"), "off: [test] has an event_command");
    assert!(server.log().contains("sandbox: off: [test] has an event_command"));
    assert!(!server.get("/status").contains("printf"));

    let strict = dir.write(
        "strict.conf",
        "[server]\nsandbox = strict\n[test]\nevent_command = true\n",
    );
    let output = support::run(
        Server::PROGRAM,
        &["-c", strict.to_str().unwrap(), "--listen", "127.0.0.1:0"],
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("sandbox = strict: can't be used: [test] has an event_command"),
        "{said}"
    );
}

#[test]
fn a_command_that_does_not_end_is_ended() {
    let dir = Dir::new();
    let (begun, done) = (dir.file("begun"), dir.file("done"));
    // It writes without end, too, and leaves a process behind.
    let command = format!(
        "[ $EVENT = hang ] && {{ echo $$ >> {}; yes >&2 & exec sleep 1000; }}; echo x >> {}; sleep 1000 &",
        begun.display(),
        done.display()
    );
    let server = Server::with_config(&format!("{OPEN}[test]\nevent_command = {command}\n"));
    mark(&server, "/events", "hang");
    mark(&server, "/events", "other");
    until("the first runs", || begun.exists());
    let process = std::fs::read_to_string(&begun).unwrap();
    assert!(!done.exists(), "one at a time");
    until("its time is over", || {
        server.log().contains("it did not end within 30 s")
    });
    until("the second runs", || done.exists());
    until("that it is well is in the log", || {
        server.log().contains("events are taken again")
    });
    let process = Path::new("/proc").join(process.trim());
    assert!(!process.exists());
    until("nothing is left behind", || {
        support::children(server.process.id()).is_empty()
    });
}

/// A broker for MQTT, with a config and a port of its own, on loopback.
struct Broker {
    process: Child,
    port: u16,
    _dir: Dir,
}

impl Broker {
    /// None where there is none.
    fn new() -> Option<Broker> {
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
        let program = program.into_iter().find(|path| Path::new(path).exists());
        let (Some(program), true) = (program, support::have("mosquitto_sub")) else {
            support::skip("no mosquitto, or no mosquitto-clients");
            return None;
        };
        let port = Receiver::new(0).port();
        let dir = Dir::new();
        let config = dir.write(
            "broker.conf",
            format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"),
        );
        let mut broker = Command::new(program);
        broker
            .arg("-c")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = broker.spawn().unwrap();
        let broker = Broker {
            process,
            port,
            _dir: dir,
        };
        until("the broker listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(broker)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// As docs/recipes.md has it, but for the broker's address.
#[test]
fn mqtt_is_a_recipe() {
    let recipes = include_str!("../docs/recipes.md");
    let (_, recipe) = recipes.split_once("<!-- mqtt -->\n```ini\n").unwrap();
    let (recipe, _) = recipe.split_once("```").unwrap();
    assert!(recipe.contains("-t cameras/$CAMERA/$EVENT -m $STATE"), "{recipe}");
    let Some(broker) = Broker::new() else { return };
    let port = broker.port;
    let recipe = recipe.replace("-h broker.lan", &format!("-h 127.0.0.1 -p {port}"));
    let server = Server::with_config(&format!(
        "{OPEN}{recipe}[test]\nname = yard\n[/dev/no-such-video]\nname = gone\n"
    ));
    mark(&server, "/yard/events", "door");
    let seconds = PATIENCE.as_secs().to_string();
    let heard = support::run(
        "mosquitto_sub",
        &[
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-t",
            "cameras/#",
            "-C",
            "2",
            "-W",
            &seconds,
            "-v",
        ],
    );
    let heard = String::from_utf8(heard.stdout).unwrap();
    let mut lines: Vec<&str> = heard.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["cameras/gone/lost start", "cameras/yard/door mark"],
        "{}",
        server.log()
    );
}

#[test]
fn motion_is_told_of_a_camera_that_nobody_watches() {
    let dir = Dir::new();
    let rest = std::fs::read("tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg").unwrap();
    // A comment makes it larger, as something that comes into view does.
    let moved = [&rest[..2], b"\xff\xfe\0\x42", &[b'x'; 64], &rest[2..]].concat();
    let (rest, moved) = (dir.write("rest.jpg", rest), dir.write("moved.jpg", moved));
    let go = dir.file("go");
    let server = Server::with_config(&format!(
        "[exec x]\nname = yard\nmotion = yes\nmotion_gap_s = 1\n\
         command = while :; do if [ -e {} ]; then cat {}; else cat {}; fi || exit; sleep 0.05; done\n",
        go.display(),
        moved.display(),
        rest.display()
    ));
    let mut listener = Listener::new(&server, "/yard/events", "");
    let motion = || server.status_after("\"motion\":", "state");
    until("what is usual is known", || motion() == "rest");
    std::fs::write(&go, "").unwrap();
    let start = listener.next().unwrap();
    assert_eq!((&*start.kind, start.member("state")), ("motion", "start"));
    assert_eq!(motion(), "motion");
    assert!(
        server
            .get("/metrics")
            .contains("fmp4streamer_motion{camera=\"yard\"} 1\n")
    );
    std::fs::remove_file(&go).unwrap();
    let end = listener.next().unwrap();
    assert_eq!((&*end.kind, end.member("state")), ("motion", "end"));
    assert_eq!(end.member("id"), start.member("id"));
}
