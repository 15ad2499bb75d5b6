//! A client of `/ws` that keeps to the protocol, or breaks it as told (RFC 6455).

use super::{Fragment, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// The handshake of RFC 6455, 1.3, with these lines in it.
pub fn handshake(target: &str, lines: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
}

/// A client's frame: its first byte (FIN and opcode) and its payload, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    bytes.extend_from_slice(&mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

pub fn close(code: u16, why: &str) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), why.as_bytes()].concat())
}

/// A frame of the server: whole, not masked, its length in as few bytes as it needs.
#[derive(Debug)]
pub struct Frame {
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    /// A member of a flat object, as it stands there; strings without their quotes.
    pub fn member(&self, name: &str) -> &str {
        let mark = format!("\"{name}\":");
        let at = self
            .text()
            .find(&mark)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            + mark.len();
        let value = &self.text()[at..];
        match value.strip_prefix('"') {
            Some(text) => &text[..text.find('"').unwrap()],
            None => &value[..value.find([',', '}']).unwrap()],
        }
    }

    pub fn number(&self, name: &str) -> u64 {
        self.member(name).parse().unwrap()
    }

    pub fn is_text(&self, kind: &str) -> bool {
        self.first == TEXT && self.member("type") == kind
    }

    pub fn is_init(&self) -> bool {
        self.first == BINARY && &self.payload[4..8] == b"ftyp"
    }

    /// The status code of a close frame.
    pub fn code(&self) -> Option<u16> {
        assert_eq!(self.first, CLOSE, "{self:?}");
        self.payload.first_chunk().map(|code| u16::from_be_bytes(*code))
    }
}

pub struct Client {
    pub input: BufReader<TcpStream>,
}

impl Client {
    pub fn new(server: &Server, target: &str) -> Client {
        let mut input = BufReader::new(server.send(handshake(target, "").as_bytes()));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(input.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Client { input }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.input.get_mut().write_all(bytes).unwrap();
    }

    /// The next frame; `None` where the connection ends after one.
    pub fn next(&mut self) -> Option<Frame> {
        let mut header = [0; 2];
        match self.input.read(&mut header[..1]) {
            Ok(1) => self.input.read_exact(&mut header[1..]).unwrap(),
            Ok(_) => return None,
            Err(e) => panic!("no frame came: {e}"),
        }
        let [first, length] = header;
        assert!([TEXT, BINARY, CLOSE, PING, PONG].contains(&first), "{header:x?}");
        let mut more = [0; 8];
        let length = match length {
            126 => {
                self.input.read_exact(&mut more[6..]).unwrap();
                u64::from_be_bytes(more).max(126)
            }
            127 => {
                self.input.read_exact(&mut more).unwrap();
                u64::from_be_bytes(more).max(0x1_0000)
            }
            length => {
                assert!(length < 126, "a server masks nothing");
                u64::from(length)
            }
        };
        let mut payload = vec![0; length as usize];
        self.input.read_exact(&mut payload).unwrap();
        Some(Frame { first, payload })
    }

    /// The next frame that is like this; those before it are passed over.
    pub fn find(&mut self, mut wanted: impl FnMut(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().expect("the connection ended");
            if wanted(&frame) {
                return frame;
            }
        }
    }

    pub fn next_fragment(&mut self) -> Fragment {
        Fragment::new(
            &self
                .find(|frame| frame.first == BINARY && !frame.is_init())
                .payload,
        )
    }

    /// The next state, by its word.
    pub fn find_state(&mut self, word: &str) -> Frame {
        self.find(|frame| frame.is_text("state") && frame.member("state") == word)
    }

    /// The code of the close frame that comes, behind which nothing does.
    pub fn closed(&mut self) -> Option<u16> {
        let code = self.find(|frame| frame.first == CLOSE).code();
        assert!(self.next().is_none(), "the connection ends behind a close frame");
        code
    }
}

pub fn pong(payload: &[u8]) -> Vec<u8> {
    frame(PONG, payload)
}
