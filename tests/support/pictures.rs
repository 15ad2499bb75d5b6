//! Clients of JPEG pictures, and of finite answers with a body that is no text.

use super::{Server, until};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;

/// One picture of a stream.
pub struct Part {
    pub bytes: Vec<u8>,
    /// When it was captured, in microseconds of the wall clock.
    pub time_us: u64,
}

/// A client of a multipart stream.
pub struct Client {
    pub input: BufReader<TcpStream>,
    pub head: String,
    pub boundary: String,
}

impl Client {
    pub fn new(server: &Server, target: &str) -> Client {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut answer = None;
        until("the stream begins", || {
            let mut input = BufReader::new(server.send(request.as_bytes()));
            let head = lines(&mut input).expect("an answer");
            let is_late = is_late(&head);
            answer = Some((input, head));
            !is_late
        });
        let (mut input, head) = answer.unwrap();
        let (_, boundary) = head
            .split_once("; boundary=")
            .unwrap_or_else(|| panic!("no stream: {head}"));
        let boundary = format!("--{}\r\n", boundary.lines().next().unwrap());
        let mut first = String::new();
        input.read_line(&mut first).unwrap();
        assert_eq!(first, boundary);
        Client {
            input,
            head,
            boundary,
        }
    }

    /// The next picture, when the boundary behind it is there as well; None at the end of the stream.
    pub fn next(&mut self) -> Option<Part> {
        let head = lines(&mut self.input)?;
        assert!(head.starts_with("Content-Type: image/jpeg\r\n"), "{head}");
        let mut bytes = vec![0; field(&head, "Content-Length").parse().unwrap()];
        self.input.read_exact(&mut bytes).unwrap();
        let mut end = vec![0; 2 + self.boundary.len()];
        self.input.read_exact(&mut end).unwrap();
        assert_eq!(String::from_utf8_lossy(&end), format!("\r\n{}", self.boundary));
        Some(Part {
            bytes,
            time_us: time_us(&head),
        })
    }
}

/// Lines up to an empty one; None if the connection ends before the first.
pub fn lines(input: &mut impl BufRead) -> Option<String> {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        if input.read_line(&mut text).unwrap() == 0 {
            assert!(text.is_empty(), "it ended within {text}");
            return None;
        }
    }
    Some(text)
}

pub fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let value = head
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in {head}"))
}

/// X-Timestamp.
pub fn time_us(head: &str) -> u64 {
    let (seconds, micros) = field(head, "X-Timestamp").split_once('.').unwrap();
    assert_eq!(micros.len(), 6);
    seconds.parse::<u64>().unwrap() * 1_000_000 + micros.parse::<u64>().unwrap()
}

/// A finite answer: its head, and its body by Content-Length.
pub fn answer(input: &mut impl BufRead) -> (String, Vec<u8>) {
    let head = lines(input).expect("an answer");
    let mut body = vec![0; field(&head, "Content-Length").parse().unwrap()];
    input.read_exact(&mut body).unwrap();
    (head, body)
}

/// There was no picture in time: on a busy machine a camera may take longer to start.
pub fn is_late(head: &str) -> bool {
    head.starts_with("HTTP/1.1 503 ")
}

/// The answer when there is a picture.
pub fn snapshot(server: &Server, target: &str) -> (String, Vec<u8>) {
    let mut got = Default::default();
    until("there is a picture", || {
        got = get(server, target);
        !is_late(&got.0)
    });
    assert!(got.0.starts_with("HTTP/1.1 200 OK\r\n"), "{target}: {}", got.0);
    got
}

pub fn get(server: &Server, target: &str) -> (String, Vec<u8>) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    answer(&mut BufReader::new(server.send(request.as_bytes())))
}
