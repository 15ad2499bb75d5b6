//! A client of RTSP that looks at each byte.

use super::place;
use super::support::{PATIENCE, Server};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;

/// What a client gets between two of its answers.
pub struct Frame {
    pub channel: u8,
    pub bytes: Vec<u8>,
}

/// A picture as a receiver puts it together.
pub struct Picture {
    pub timestamp: u32,
    pub nal_units: Vec<Vec<u8>>,
}

impl Picture {
    pub fn types(&self) -> Vec<u8> {
        self.nal_units.iter().map(|unit| unit[0] & 31).collect()
    }

    pub fn slices(&self) -> Vec<&[u8]> {
        let units = self.nal_units.iter().map(Vec::as_slice);
        units.filter(|unit| matches!(unit[0] & 31, 1 | 5)).collect()
    }
}

/// The wall clock of a report, in microseconds of Unix time, and the timestamp that it is for.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    pub unix_us: i64,
    pub timestamp: u32,
}

pub struct Client {
    pub socket: TcpStream,
    pub received: VecDeque<u8>,
    pub frames: VecDeque<Frame>,
    pub url: String,
    /// Further lines of each request.
    pub fields: String,
    pub requests: u32,
    pub session: String,
    pub sequences: [Option<u16>; 2],
    /// The number and the timestamp of each track's first packet.
    pub firsts: [(u16, u32); 2],
    pub reports: [Vec<Report>; 2],
    pub sounds: Vec<Vec<u8>>,
}

impl Client {
    pub fn new(server: &Server, path: &str) -> Client {
        let place = place(server);
        let socket = TcpStream::connect(&place).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Client {
            socket,
            received: VecDeque::new(),
            frames: VecDeque::new(),
            url: format!("rtsp://{place}{path}"),
            fields: String::new(),
            requests: 0,
            session: String::new(),
            sequences: [None; 2],
            firsts: [(0, 0); 2],
            reports: Default::default(),
            sounds: Vec::new(),
        }
    }

    /// One that plays so many tracks.
    pub fn playing(server: &Server, path: &str, tracks: usize) -> Client {
        let mut client = Client::new(server, path);
        client.play(tracks);
        client
    }

    /// Gives what each track is said to begin with: a number and a timestamp.
    pub fn play(&mut self, tracks: usize) -> Vec<(u16, u32)> {
        assert!(self.ask("DESCRIBE", "", "").starts_with("RTSP/1.0 200 OK\r\n"));
        for track in 0..tracks {
            self.set_up(track);
        }
        let answer = self.ask("PLAY", "/", "Range: npt=0.000-\r\n");
        assert!(answer.starts_with("RTSP/1.0 200 OK\r\n"), "{answer}");
        rtp_info(&answer, &self.url)
    }

    pub fn set_up(&mut self, track: usize) {
        let channels = format!("{}-{}", 2 * track, 2 * track + 1);
        let transport = format!("Transport: RTP/AVP/TCP;unicast;interleaved={channels}\r\n");
        let answer = self.ask("SETUP", &format!("/trackID={track}"), &transport);
        assert!(
            answer.contains(&format!("interleaved={channels};ssrc=")),
            "{answer}"
        );
        let (_, session) = answer.split_once("Session: ").unwrap();
        self.session = session.split(';').next().unwrap().to_string();
        assert_eq!(self.session.len(), 16);
    }

    pub fn request(&mut self, method: &str, suffix: &str, fields: &str) -> String {
        self.requests += 1;
        let session = match &*self.session {
            "" => String::new(),
            id => format!("Session: {id}\r\n"),
        };
        format!(
            "{method} {}{suffix} RTSP/1.0\r\ncseq: {}\r\n{session}{}{fields}\r\n",
            self.url, self.requests, self.fields
        )
    }

    /// The answer, of which `CSeq` is the request's.
    pub fn ask(&mut self, method: &str, suffix: &str, fields: &str) -> String {
        let request = self.request(method, suffix, fields);
        self.socket.write_all(request.as_bytes()).unwrap();
        let answer = self.answer().expect("an answer");
        let cseq = format!("\r\nCSeq: {}\r\n", self.requests);
        assert!(answer.contains(&cseq), "{answer}");
        answer
    }

    pub fn status(&mut self, method: &str, suffix: &str, fields: &str) -> String {
        let answer = self.ask(method, suffix, fields);
        answer["RTSP/1.0 ".len()..][..3].to_string()
    }

    /// So many bytes more; false at the end.
    pub fn receive(&mut self, bytes: usize) -> bool {
        let mut buffer = [0; 4096];
        while self.received.len() < bytes {
            match self.socket.read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) => self.received.extend(&buffer[..read]),
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return false,
                Err(e) => panic!("nothing came: {e}"),
            }
        }
        true
    }

    /// Passes over nothing: what does not begin with an answer begins with a whole frame.
    pub fn next_frame(&mut self) -> Option<Frame> {
        if !self.receive(4) {
            return None;
        }
        assert_eq!(self.received[0], b'$', "no frame begins here");
        let length = usize::from(u16::from_be_bytes([self.received[2], self.received[3]]));
        if !self.receive(4 + length) {
            return None;
        }
        let bytes: Vec<u8> = self.received.drain(..4 + length).collect();
        Some(Frame {
            channel: bytes[1],
            bytes: bytes[4..].to_vec(),
        })
    }

    pub fn answer(&mut self) -> Option<String> {
        while self.receive(1) && self.received[0] == b'$' {
            let frame = self.next_frame()?;
            self.frames.push_back(frame);
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if !self.receive(1) {
                return None;
            }
            head.extend(self.received.pop_front());
        }
        let mut answer = String::from_utf8(head).unwrap();
        assert!(answer.starts_with("RTSP/1.0 "), "{answer}");
        if let Some((_, length)) = answer.split_once("Content-Length: ") {
            let length: usize = length.split('\r').next().unwrap().parse().unwrap();
            assert!(self.receive(length));
            let body: Vec<u8> = self.received.drain(..length).collect();
            answer.push_str(&String::from_utf8(body).unwrap());
        }
        Some(answer)
    }

    /// Takes a frame: a report, sound, or a packet of the picture, which is given.
    pub fn packet(&mut self) -> Option<Vec<u8>> {
        loop {
            let frame = self.frames.pop_front().or_else(|| self.next_frame())?;
            let (track, bytes) = (usize::from(frame.channel / 2), frame.bytes);
            let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
            if bytes.len() == 8 {
                // That the connection lives, where nothing was sent yet.
                assert_eq!((frame.channel % 2, word(0)), (1, 0x80c9_0001));
                continue;
            }
            if frame.channel % 2 == 1 {
                assert_eq!((bytes.len(), word(0), bytes[29]), (56, 0x80c8_0006, 202));
                self.reports[track].push(Report {
                    unix_us: (i64::from(word(8)) - 2_208_988_800) * 1_000_000
                        + ((i64::from(word(12)) * 1_000_000) >> 32),
                    timestamp: word(16),
                });
                continue;
            }
            assert!(bytes.len() <= 1452 && bytes[0] == 0x80);
            let sequence = u16::from_be_bytes([bytes[2], bytes[3]]);
            match self.sequences[track].replace(sequence) {
                Some(before) => assert_eq!(sequence, before.wrapping_add(1), "a packet is missing"),
                None => self.firsts[track] = (sequence, word(4)),
            }
            if track == 0 {
                assert!(matches!(bytes[1] & 0x7f, 96 | 26));
                return Some(bytes);
            }
            assert_eq!(bytes[1], 0x80 | 97);
            assert_eq!(
                usize::from(u16::from_be_bytes([bytes[14], bytes[15]]) >> 3),
                bytes.len() - 16
            );
            self.sounds.push(bytes[16..].to_vec());
        }
    }

    pub fn picture(&mut self) -> Option<Picture> {
        let mut picture = Picture {
            timestamp: 0,
            nal_units: Vec::new(),
        };
        loop {
            let packet = self.packet()?;
            let timestamp = u32::from_be_bytes(packet[4..8].try_into().unwrap());
            if picture.nal_units.is_empty() {
                picture.timestamp = timestamp;
            }
            assert_eq!(picture.timestamp, timestamp);
            match packet[12] & 31 {
                28 => {
                    if packet[13] & 0x80 != 0 {
                        let header = packet[12] & 0xe0 | packet[13] & 31;
                        picture.nal_units.push(vec![header]);
                    }
                    picture.nal_units.last_mut().unwrap().extend(&packet[14..]);
                }
                _ => picture.nal_units.push(packet[12..].to_vec()),
            }
            if packet[1] & 0x80 != 0 {
                return Some(picture);
            }
        }
    }

    /// The tables and the coded data of a JPEG picture (RFC 2435, 3.1), which is of type 1 and has tables of its own.
    pub fn jpeg(&mut self) -> (Vec<u8>, Vec<u8>) {
        let (mut tables, mut coded) = (Vec::new(), Vec::new());
        loop {
            let packet = self.packet().expect("the stream goes on");
            let (head, mut rest) = packet[12..].split_at(8);
            let at = (coded.len() as u32).to_be_bytes();
            assert_eq!(head, [0, at[1], at[2], at[3], 1, 255, 80, 45]);
            if coded.is_empty() {
                assert_eq!(rest[..4], [0, 0, 0, 128]);
                tables = rest[4..132].to_vec();
                rest = &rest[132..];
            }
            coded.extend_from_slice(rest);
            if packet[1] & 0x80 != 0 {
                return (tables, coded);
            }
        }
    }

    pub fn pictures(&mut self, count: usize) -> Vec<Picture> {
        (0..count)
            .map(|_| self.picture().expect("the stream goes on"))
            .collect()
    }
}

/// What the answer to PLAY says that each track of this address begins with.
pub fn rtp_info(answer: &str, url: &str) -> Vec<(u16, u32)> {
    let (_, tracks) = answer.split_once("\r\nRTP-Info: ").expect(answer);
    let tracks = tracks.lines().next().unwrap().split(',').enumerate();
    let read = |(number, track): (usize, &str)| {
        let rest = track
            .strip_prefix(&format!("url={url}/trackID={number};seq="))
            .expect(answer);
        let (sequence, timestamp) = rest.split_once(";rtptime=").expect(answer);
        (sequence.parse().unwrap(), timestamp.parse().unwrap())
    };
    tracks.map(read).collect()
}
