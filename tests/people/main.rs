//! Who may do what, by the program: passwords, sessions, view links, roles, and what becomes of those who may no longer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod clients;
mod floods;
mod routes;
#[path = "../support/mod.rs"]
mod support;

use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use support::{Dir, Server, until};

/// The line of a password's hash, as `--password` makes it. Of few iterations, as many are made here.
const ANNA: &str =
    "password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$tpvxVCv9hLiME3SNhpBDvUuQSqxOHrAk/yHi2W2h40A=";
const BEN: &str =
    "password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$/jzpo4hvJ/wEDb3kcIX27ohyPXWqsn1ak6MhdU2pGg0=";
/// `anna:secret:a` and `ben:geheim`.
const ANNA_BASIC: &str = "Authorization: Basic YW5uYTpzZWNyZXQ6YQ==";
const BEN_BASIC: &str = "Authorization: Basic YmVuOmdlaGVpbQ==";

fn config() -> String {
    format!(
        "[server]\n[test]\nname = yard\n[test b]\nname = door\n[user anna]\n{ANNA}\nrole = admin\n\
         [user ben]\n{BEN}\ncameras = yard\n"
    )
}

/// The code of the answer to a request with these fields.
fn code(server: &Server, method: &str, path: &str, fields: &str) -> String {
    let mut socket = ask(server, method, path, fields, "");
    let mut line = [0; 12];
    let read = socket.read_exact(&mut line);
    read.unwrap_or_else(|e| panic!("{method} {path} {fields}: {e}"));
    String::from_utf8_lossy(&line[9..]).into_owned()
}

fn ask(server: &Server, method: &str, path: &str, fields: &str, body: &str) -> TcpStream {
    let fields = match fields {
        "" => String::new(),
        fields => format!("{fields}\r\n"),
    };
    let length = match method {
        "POST" => format!("Content-Length: {}\r\n", body.len()),
        _ => String::new(),
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}{length}\r\n{body}"
    );
    server.send(request.as_bytes())
}

/// The beginning of an answer, or all of a finite one.
fn answer(server: &Server, method: &str, path: &str, fields: &str, body: &str) -> String {
    let mut socket = ask(server, method, path, fields, body);
    let mut bytes = vec![0; 16 * 1024];
    let mut length = 0;
    while length < bytes.len() {
        match socket.read(&mut bytes[length..]) {
            Ok(0) | Err(_) => break,
            Ok(read) => length += read,
        }
        // Endless ones have begun.
        if bytes[..length]
            .windows(10)
            .any(|it| it == b"\r\nftypiso" || it == b"Switching ")
        {
            break;
        }
        if bytes[..length].windows(4).any(|it| it == b"moof") {
            break;
        }
    }
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// The cookie that a login sets, as a field of the next request.
fn log_in(server: &Server, form: &str) -> String {
    let said = answer(server, "POST", "/login", "", form);
    let cookie = said
        .split("Set-Cookie: ")
        .nth(1)
        .unwrap_or_else(|| panic!("{said}"));
    assert!(said.contains("HttpOnly; SameSite=Lax"), "{said}");
    format!("Cookie: other=1; {}", cookie.split(';').next().unwrap())
}

/// The path of a link that anna makes.
fn link(server: &Server, at: &str, body: &str) -> String {
    let fields = format!("{ANNA_BASIC}\r\nContent-Type: application/json");
    let said = answer(server, "POST", at, &fields, body);
    let path = said
        .split("\"path\":\"")
        .nth(1)
        .unwrap_or_else(|| panic!("{said}"));
    format!("/{}", path.split('"').next().unwrap().trim_start_matches("../"))
}

/// Every address that there is, with what it needs.
const VIEW: [&str; 15] = [
    "/",
    "/stream.mp4",
    "/stream.m3u8",
    "/streaminf.m3u8",
    "/hls/1/init.mp4",
    "/stream.mjpeg",
    "/?action=stream",
    "/snapshot.jpg",
    "/snapshot.mp4",
    "/status",
    "/metrics",
    "/events",
    "/index.html",
    "/yard",
    "/nowhere",
];

#[test]
fn nobody_gets_past_the_wall() {
    let server = Server::with_config(&config());
    for path in VIEW {
        for front in ["", "/yard", "/door"] {
            for method in ["GET", "HEAD"] {
                let path = format!("{front}{path}");
                assert_eq!(code(&server, method, &path, ""), "401", "{method} {path}");
            }
        }
    }
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
    assert_eq!(code(&server, "GET", "/ws", upgrade), "401");
    assert_eq!(
        code(&server, "GET", "/ws", &format!("{upgrade}\r\n{BEN_BASIC}")),
        "101"
    );
    for (path, free) in [
        ("/healthz", true),
        ("/style.css", true),
        ("/manifest.json", true),
        ("/login", true),
    ] {
        assert_eq!(code(&server, "GET", path, "") == "200", free, "{path}");
    }
    let health = answer(&server, "GET", "/healthz", "", "");
    assert!(!health.contains("yard") && !health.contains("door"), "{health}");
    assert!(answer(&server, "GET", "/healthz", ANNA_BASIC, "").contains("yard: "));
    for path in ["/links", "/links/end"] {
        assert_eq!(code(&server, "POST", path, ""), "401", "{path}");
        assert_eq!(code(&server, "POST", path, BEN_BASIC), "403", "{path}");
    }
    // A tool is asked for a password, a person is given the page.
    let said = answer(&server, "GET", "/", "", "");
    assert!(said.contains("WWW-Authenticate: Basic realm="), "{said}");
    let said = answer(&server, "GET", "/", "Accept: text/html,*/*", "");
    assert!(
        said.starts_with("HTTP/1.1 401 ") && said.contains("<form method=\"post\""),
        "{said}"
    );
    assert!(!said.contains("WWW-Authenticate"), "{said}");
}

#[test]
fn passwords_open_what_the_user_may_see() {
    let server = Server::with_config(&config());
    for (path, anna, ben) in [
        ("/status", "200", "200"),
        ("/stream.mp4", "200", "200"),
        ("/yard/stream.mp4", "200", "200"),
        ("/door/stream.mp4", "200", "404"),
        ("/door/", "200", "404"),
        ("/nowhere/", "404", "404"),
    ] {
        assert_eq!(code(&server, "GET", path, ANNA_BASIC), anna, "{path}");
        assert_eq!(code(&server, "GET", path, BEN_BASIC), ben, "{path}");
    }
    let status = answer(&server, "GET", "/status", BEN_BASIC, "");
    assert!(
        status.contains("\"name\":\"yard\"") && !status.contains("\"name\":\"door\""),
        "{status}"
    );
    assert!(status.contains("\"user\":\"ben\",\"role\":\"view\""), "{status}");
    // What is not there and what may not be seen are told alike.
    let hidden = answer(&server, "GET", "/door/", BEN_BASIC, "");
    let none = answer(&server, "GET", "/nowhere/", BEN_BASIC, "");
    let body = |said: &str| said.split("\r\n\r\n").nth(1).unwrap().to_string();
    assert_eq!(body(&hidden), body(&none));
    for wrong in [
        "Authorization: Basic YmVuOng=",
        "Authorization: Basic !",
        "Authorization: Digest x",
        "Authorization: Basic Y2FybDpnZWhlaW0=",
    ] {
        assert_eq!(code(&server, "GET", "/status", wrong), "401", "{wrong}");
    }
    // The log is written by a thread of its own.
    until("both are in the log", || {
        let log = server.log();
        let failed =
            |name: &str| log.contains(&format!("warning: login failed from 127.0.0.1 as \"{name}\"\n"));
        failed("ben") && failed("carl")
    });
    let log = server.log();
    assert!(!log.contains("geheim") && !log.contains("YmVu"), "{log}");
}

#[test]
fn a_plain_password_logs_in_and_stays_in_its_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    let file = dir.write("f.conf", config().replace(BEN, "password = plain:geheim"));
    let check = || {
        let mut program = Command::new(Server::PROGRAM);
        let said = program.args(["--check", "-c"]).arg(&file).output().unwrap();
        String::from_utf8([said.stdout, said.stderr].concat()).unwrap()
    };
    let set_mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    set_mode(0o644);
    let warned = check();
    assert!(
        warned.contains("f.conf: everybody on this machine can read it") && warned.contains("chmod 640"),
        "{warned}"
    );
    set_mode(0o640);
    let checked = check();
    assert!(
        !checked.contains("chmod") && !format!("{warned}{checked}").contains("geheim"),
        "{checked}"
    );
    let server = Server::with_file(&file);
    assert_eq!(code(&server, "GET", "/yard/stream.mp4", BEN_BASIC), "200");
    assert_eq!(code(&server, "GET", "/door/stream.mp4", BEN_BASIC), "404");
    let cookie = log_in(&server, "user=ben&password=geheim");
    assert_eq!(code(&server, "GET", "/status", &cookie), "200");
    for wrong in ["", "x", "geheim2", "plain%3Ageheim"] {
        let said = answer(
            &server,
            "POST",
            "/login",
            "",
            &format!("user=ben&password={wrong}"),
        );
        assert!(said.starts_with("HTTP/1.1 401 "), "{wrong}: {said}");
    }
    let status = answer(&server, "GET", "/status", BEN_BASIC, "");
    assert!(!format!("{status}{}", server.log()).contains("geheim"));
}

#[test]
fn what_only_one_may_see_is_kept_by_no_cache_for_others() {
    let server = Server::with_config(&config());
    let playlist = answer(&server, "GET", "/yard/stream.m3u8", BEN_BASIC, "");
    assert!(
        playlist.contains("\r\nCache-Control: private, max-age="),
        "{playlist}"
    );
    let open = Server::test_picture(&[]);
    let playlist = answer(&open, "GET", "/stream.m3u8", "", "");
    assert!(playlist.contains("\r\nCache-Control: max-age="), "{playlist}");
}

#[test]
fn a_session_begins_with_the_form_and_ends_with_it() {
    let server = Server::with_config(&config());
    let cookie = log_in(&server, "user=anna&password=secret%3Aa");
    assert_eq!(code(&server, "GET", "/door/stream.mp4", &cookie), "200");
    assert_eq!(
        code(&server, "GET", "/status", &cookie.replace("anna", "ben")),
        "200"
    );
    for changed in [
        cookie
            .replace("=1", "=2")
            .replace("fmp4streamer", "fmp4streamer2"),
        format!("{cookie}x"),
        cookie.replacen('.', ".x", 1),
    ] {
        let said = answer(&server, "GET", "/status", &changed, "");
        assert!(said.starts_with("HTTP/1.1 401 "), "{changed}: {said}");
    }
    let out = answer(&server, "POST", "/logout", &cookie, "");
    assert!(
        out.starts_with("HTTP/1.1 303 ") && out.contains("=; Path=/; Max-Age=0"),
        "{out}"
    );
    for form in [
        "",
        "user=anna",
        "user=anna&password=",
        "user=anna&password=x",
        "user=&password=secret%3Aa",
    ] {
        let said = answer(&server, "POST", "/login", "Accept: text/html", form);
        assert!(
            said.starts_with("HTTP/1.1 401 ") && said.contains("role=\"alert\""),
            "{form}: {said}"
        );
    }
    let https = answer(
        &server,
        "POST",
        "/login",
        "X-Forwarded-Proto: https",
        "user=ben&password=geheim",
    );
    assert!(https.contains("; Secure\r\n") || https.contains("429"), "{https}");
    // A page of another site can't log anybody in.
    let foreign = answer(
        &server,
        "POST",
        "/login",
        "Origin: http://evil.example",
        "user=ben&password=geheim",
    );
    assert!(foreign.starts_with("HTTP/1.1 403 "), "{foreign}");
    let long = answer(&server, "POST", "/login", "", &"x".repeat(5000));
    assert!(long.starts_with("HTTP/1.1 413 "), "{long}");
}

#[test]
fn a_link_opens_one_camera_to_watch() {
    let server = Server::with_config(&config());
    let yard = link(&server, "/yard/links", "{\"seconds\":3600}");
    assert!(yard.starts_with("/t/") && yard.ends_with("/yard/"), "{yard}");
    let all = link(&server, "/links", "{}");
    for (front, path, expected) in [
        (&yard, "stream.mp4", "200"),
        (&yard, "", "200"),
        (&yard, "status", "200"),
        (&yard, "page.js", "200"),
        (&all, "door/stream.mp4", "200"),
        (&all, "yard/stream.m3u8", "200"),
        (&all, "", "200"),
    ] {
        assert_eq!(
            code(&server, "GET", &format!("{front}{path}"), ""),
            expected,
            "{front}{path}"
        );
    }
    let door = yard.replace("/yard/", "/door/");
    assert_eq!(code(&server, "GET", &format!("{door}stream.mp4"), ""), "404");
    // Whoever else it is, the address counts.
    assert_eq!(
        code(&server, "GET", &format!("{door}stream.mp4"), ANNA_BASIC),
        "404"
    );
    for changed in [
        yard.replacen("/t/A", "/t/B", 1),
        yard.replacen('.', "", 1),
        "/t/x/".into(),
        "/t//".into(),
        // Not even what needs nothing else.
        "/t/x/style.css".into(),
        "/t/x/healthz".into(),
    ] {
        assert_eq!(code(&server, "GET", &changed, ""), "403", "{changed}");
    }
    let post = format!("{yard}links");
    let fields = "Content-Type: application/json";
    assert!(answer(&server, "POST", &post, fields, "{}").starts_with("HTTP/1.1 403 "));
    for (fields, body, expected) in [
        ("Content-Type: text/plain", "{}", "415"),
        ("Content-Type: application/json", "", "400"),
        ("Content-Type: application/json", "{\"seconds\":0}", "400"),
        ("Content-Type: application/json", "{\"seconds\":-1}", "400"),
        ("Content-Type: application/json", "{\"seconds\":\"x\"}", "400"),
        // Each could have meant an end.
        ("Content-Type: application/json", "[]", "400"),
        ("Content-Type: application/json", "60", "400"),
        ("Content-Type: application/json", "{\"second\":60}", "400"),
        ("Content-Type: application/json", "{\"seconds\":null}", "400"),
        (
            "Content-Type: application/json; charset=utf-8",
            "{\"seconds\":99999999999}",
            "200",
        ),
        (
            "Content-Type: application/json\r\nOrigin: http://evil.example",
            "{}",
            "403",
        ),
    ] {
        let said = answer(
            &server,
            "POST",
            "/links",
            &format!("{ANNA_BASIC}\r\n{fields}"),
            body,
        );
        assert_eq!(&said[9..12], expected, "{fields} {body}: {said}");
    }
    // Its streams end with it.
    let mut stream = server.follow_at(&format!("{yard}stream.mp4"));
    assert!(stream.next_fragment().is_some());
    assert_eq!(code(&server, "POST", "/links/end", ANNA_BASIC), "204");
    while stream.next_fragment().is_some() {}
    assert_eq!(code(&server, "GET", &yard, ""), "403");
    assert!(!server.log().contains(yard.split('/').nth(2).unwrap()));
}

#[test]
fn links_and_sessions_outlive_the_program_where_its_state_is_kept() {
    let state = Dir::new();
    let start = || {
        let mut program = Server::program();
        program.env("STATE_DIRECTORY", state.file(""));
        Server::with_config_as(program, &config())
    };
    let server = start();
    let cookie = log_in(&server, "user=ben&password=geheim");
    let yard = link(&server, "/yard/links", "{}");
    drop(server);
    let server = start();
    assert_eq!(code(&server, "GET", "/status", &cookie), "200");
    assert_eq!(code(&server, "GET", &yard, ""), "200");
    // Without a state folder they end.
    let other = Server::with_config(&config());
    assert_eq!(code(&other, "GET", "/status", &cookie), "401");
    assert_eq!(code(&other, "GET", &yard, ""), "403");
}

#[test]
fn anybody_watches_where_the_config_lets_them() {
    let server = Server::with_config(&format!("{}[anonymous]\ncameras = door\n", config()));
    assert_eq!(code(&server, "GET", "/door/stream.mp4", ""), "200");
    assert_eq!(code(&server, "GET", "/yard/stream.mp4", BEN_BASIC), "200");
    assert_eq!(code(&server, "POST", "/links", ""), "401");
    // Programs send name and password when they are asked, and nobody learns which cameras there are.
    for camera in ["yard", "nowhere"] {
        for path in ["", "stream.mp4", "recordings/days", "links", "nothing"] {
            let said = answer(&server, "GET", &format!("/{camera}/{path}"), "", "");
            assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
            assert!(said.contains("WWW-Authenticate: Basic"), "{said}");
        }
    }
    let page = answer(&server, "GET", "/yard/", clients::NAVIGATES, "");
    assert!(page.contains("<form method=\"post\""), "{page}");
    // Who may see all gains nothing by a name.
    let open = Server::with_config(&format!("{}[anonymous]\n", config()));
    assert_eq!(code(&open, "GET", "/nowhere/", ""), "404");
    let open = Server::test_picture(&[]);
    until("the start says who can watch", || {
        open.log().contains("anybody who reaches the port can watch")
    });
    assert_eq!(
        code(&open, "GET", "/status", "Authorization: Basic nonsense"),
        "200"
    );
    assert_eq!(code(&open, "GET", "/login", ""), "404");
    assert_eq!(code(&open, "POST", "/links", ""), "403");
}

/// It is not there for them, in no word.
#[test]
fn a_camera_that_one_does_not_see_is_no_reason_for_anything() {
    let server = Server::with_config(&format!(
        "[test]\nname = yard\n[exec cellar]\nname = cellar\ncommand = exit 1\n\
         [user anna]\n{ANNA}\n[user ben]\n{BEN}\ncameras = yard\n"
    ));
    let said = answer(&server, "GET", "/status", ANNA_BASIC, "");
    let reason = "\"sandbox\":\"off: [exec cellar] is a command\"";
    assert!(said.contains(reason), "{said}");
    let said = answer(&server, "GET", "/status", BEN_BASIC, "");
    assert!(
        said.contains("\"sandbox\":\"off\"") && !said.contains("cellar"),
        "{said}"
    );
    for path in ["/metrics", "/healthz", "/", "/nosuch", "/ptz", "/controls"] {
        let said = answer(&server, "GET", path, BEN_BASIC, "");
        assert!(!said.contains("cellar"), "{path} {said}");
    }
}

#[test]
fn streams_of_who_may_no_longer_watch_end_with_the_reload() {
    let server = Server::with_config(&config());
    let stream = |fields: &str| {
        let request = format!("GET /yard/stream.mp4 HTTP/1.0\r\n{fields}\r\n\r\n");
        let mut stream = support::Stream::new(server.send(request.as_bytes()));
        assert!(stream.next_fragment().is_some());
        stream
    };
    let (mut ben, mut anna) = (stream(BEN_BASIC), stream(ANNA_BASIC));
    let without_ben = config().split("[user ben]").next().unwrap().to_string();
    server.dir.write("test.conf", without_ben);
    server.signal("-HUP");
    until("the config is taken over", || {
        server.log().contains("the config is taken over")
    });
    while ben.next_fragment().is_some() {}
    for _ in 0..30 {
        assert!(anna.next_fragment().is_some());
    }
    assert_eq!(code(&server, "GET", "/status", BEN_BASIC), "401");
}

#[test]
fn guessing_is_slowed_down_and_known_users_go_on() {
    let server = Server::with_config(&config());
    let cookie = log_in(&server, "user=anna&password=secret%3Aa");
    let mut codes = Vec::new();
    for guess in 0..8 {
        codes.push(code(&server, "POST", "/login", &format!("X-Guess: {guess}")));
    }
    assert_eq!(codes[..5], ["401"; 5], "{codes:?}");
    assert_eq!(codes[7], "429", "{codes:?}");
    let said = answer(
        &server,
        "POST",
        "/login",
        "Accept: text/html",
        "user=ben&password=geheim",
    );
    assert!(
        said.contains("\r\nRetry-After: ") && said.contains("Too many wrong passwords"),
        "{said}"
    );
    assert_eq!(code(&server, "GET", "/status", &cookie), "200");
}

#[test]
fn a_line_for_the_config_is_made() {
    let make = |input: &str| {
        let mut program = Command::new(Server::PROGRAM);
        program.arg("--password").stdin(std::process::Stdio::piped());
        program
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut child = program.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (made, line) = make("four random words\n");
    assert!(
        made && line.starts_with("password = pbkdf2-sha256$120000$"),
        "{line}"
    );
    support::assert_accepted(&format!("[test]\n[user x]\n{line}"), "--password");
    assert_ne!(make("four random words\n").1, line);
    for input in ["", "\n", "a\tb\n", &"x".repeat(300)] {
        assert_eq!(make(input), (false, String::new()), "{input:?}");
    }
}

/// Who may see one camera of several makes no link to all of them.
#[test]
fn a_link_shows_no_more_than_its_maker_may_see() {
    let config = config().replace("cameras = yard", "cameras = yard\nrole = admin");
    let server = Server::with_config(&config);
    let fields = format!("{BEN_BASIC}\r\nContent-Type: application/json");
    let said = answer(&server, "POST", "/links", &fields, "{}");
    let path = said
        .split("\"path\":\"")
        .nth(1)
        .unwrap_or_else(|| panic!("{said}"));
    let front = format!("/{}", path.split('"').next().unwrap());
    assert_eq!(code(&server, "GET", &format!("{front}stream.mp4"), ""), "200");
    assert_eq!(
        code(&server, "GET", &format!("{front}door/stream.mp4"), ""),
        "404"
    );
    assert_eq!(
        &answer(&server, "POST", "/door/links", &fields, "{}")[9..12],
        "404"
    );
}
