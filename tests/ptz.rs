//! Pan and tilt without a bus: who may turn a camera, and what is said when nothing turns it. The registers of real drivers are
//! looked at in tests/vm/ptz.rs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod support;

use std::io::Read;
use support::{Server, until};

const JSON: &str = "Content-Type: application/json\r\n";
/// A bus that no machine has.
const NO_BUS: &str = "[test]\npan_tilt = pimoroni\ni2c_bus = 255\npresets = door:-30,10\n";

fn request(server: &Server, line: &str, fields: &str, body: &[u8]) -> String {
    let length = match body {
        [] => String::new(),
        body => format!("Content-Length: {}\r\n", body.len()),
    };
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}{length}\r\n");
    let mut answer = Vec::new();
    _ = server
        .send(&[head.as_bytes(), body].concat())
        .read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(server: &Server, fields: &str, body: &str) -> String {
    request(server, "POST /ptz", fields, body.as_bytes())
}

#[track_caller]
fn answers(answer: &str, code: &str, words: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
    assert!(answer.contains(words), "{answer}");
}

#[test]
fn a_bus_that_is_not_there_is_told_of_and_the_video_goes_on() {
    let server = Server::with_config(&format!(
        "[server]\ncontrols = on\nhistorical_orient = yes\n{NO_BUS}"
    ));
    let mut stream = server.follow("");
    let ptz = || request(&server, "GET /ptz", "", b"");
    until("it is told", || ptz().contains("\"state\":\"refused\""));
    for words in [
        "/dev/i2c-255: the camera can't be turned: there is no such bus",
        "sudo raspi-config nonint do_i2c 0",
        "sudo modprobe i2c-dev",
        "\"axes\":{}",
        "\"writable\":true,\"why\":\"\"",
    ] {
        answers(&ptz(), "200", words);
    }
    answers(
        &post(&server, JSON, r#"{"pan":1}"#),
        "503",
        "there is no such bus",
    );
    answers(
        &request(&server, "GET /do_orient?pan=1", "", b""),
        "503",
        "no such bus",
    );
    answers(&request(&server, "HEAD /do_orient?pan=1", "", b""), "200", "");
    for _ in 0..10 {
        assert!(stream.next_fragment().is_some());
    }
    // It is asked again and again, and said once.
    let said = server.log().matches("there is no such bus").count();
    assert_eq!(said, 1, "{}", server.log());
}

#[test]
fn only_who_may_turns_a_camera_and_no_page_of_another_site() {
    let closed = Server::with_config(NO_BUS);
    answers(
        &request(&closed, "GET /ptz", "", b""),
        "200",
        "\"writable\":false,\"why\":\"Everybody may watch this camera",
    );
    answers(&post(&closed, JSON, r#"{"pan":1}"#), "403", "controls = on");
    answers(
        &request(&closed, "GET /do_orient?pan=1", "", b""),
        "403",
        "controls = on",
    );

    let open = Server::with_config("[server]\ncontrols = on\ncors_origins = http://other.example\n[test]\n");
    answers(&request(&open, "GET /ptz", "", b""), "200", "\"state\":\"none\"");
    answers(&post(&open, JSON, r#"{"pan":1}"#), "404", "pan_tilt =");
    // It is off, whoever asks.
    answers(
        &request(&open, "GET /do_orient?pan=1", "", b""),
        "404",
        "historical_orient = yes",
    );
    for (fields, body, code) in [
        (JSON, "{", "400"),
        (JSON, "{}", "400"),
        (JSON, r#"{"pan":"1"}"#, "400"),
        (JSON, r#"{"preset":"door"}"#, "400"),
        ("", r#"{"pan":1}"#, "415"),
        ("Content-Type: text/plain\r\n", r#"{"pan":1}"#, "415"),
        (JSON, &"[".repeat(4097), "413"),
    ] {
        answers(&post(&open, fields, body), code, "");
    }
    for fields in [
        "Origin: http://other.example\r\n",
        "Origin: http://localhost:1\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        answers(
            &post(&open, &format!("{JSON}{fields}"), r#"{"pan":1}"#),
            "403",
            "",
        );
        answers(&request(&open, "GET /do_orient?pan=1", fields, b""), "403", "");
    }
}

#[test]
fn the_historical_address_takes_whole_degrees() {
    let server = Server::with_config("[server]\ncontrols = on\nhistorical_orient = yes\n[test]\n");
    let orient = |query: &str, fields: &str| request(&server, &format!("GET /do_orient{query}"), fields, b"");
    for (query, code) in [
        ("", "200"),
        ("?light=1", "200"),
        ("?pan=1.5", "400"),
        ("?pan=", "400"),
        ("?tilt=a", "400"),
        ("?pan=1&tilt=a", "400"),
        ("?pan=91", "400"),
        ("?tilt=-91", "400"),
        ("?pan=-2147483648", "400"),
        // Here is nothing that turns.
        ("?pan=-90", "404"),
        ("?pan=90&tilt=0", "404"),
    ] {
        answers(&orient(query, ""), code, "");
    }
    // A picture in another site's page, in a browser that is too old to say so in other ways.
    answers(
        &orient("?pan=1", "Referer: http://other.example/page\r\n"),
        "403",
        "",
    );
    answers(&orient("?pan=1", "Referer: http://localhost/\r\n"), "404", "");
}
