//! WebSocket messages as bytes (RFC 6455): the key of the handshake, what a client sends, what a server sends.

use super::base64;
use sha1_smol::Sha1;

/// Longest message that is taken from a client; what a page has to say is some hundred bytes.
pub const MESSAGE_BYTES: usize = 4096;

/// Longest payload of a control frame (5.5).
const CONTROL_BYTES: usize = 125;
/// Longest header: two bytes, a length of eight, a mask (5.2).
const HEADER_BYTES: usize = 14;

/// Opcodes (5.2, 11.8).
mod opcode {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

/// Status codes of a close frame that a server uses here (7.4.1).
pub mod status {
    /// The server goes down.
    pub const GOING_AWAY: u16 = 1001;
    /// The other side breaks the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A text that is no UTF-8.
    pub const NOT_TEXT: u16 = 1007;
    /// A message over the limit.
    pub const TOO_BIG: u16 = 1009;
}

/// Sec-WebSocket-Accept for this Sec-WebSocket-Key (4.2.2, 5.4); `None` if that is not 16 bytes in base64.
pub fn accept(key: &str) -> Option<String> {
    let digits = key.strip_suffix("==")?;
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    if digits.len() != 22 || !digits.bytes().all(is_digit) {
        return None;
    }
    let mut sha1 = Sha1::from(key);
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    Some(base64::encode(&sha1.digest().bytes()))
}

/// Appends the header of a whole binary message of so many bytes; they follow it.
pub fn binary_header(bytes: usize, out: &mut Vec<u8>) {
    header(opcode::BINARY, bytes, out);
}

/// Appends a text message.
pub fn text(text: &str, out: &mut Vec<u8>) {
    frame(opcode::TEXT, text.as_bytes(), out);
}

/// Appends a ping that carries nothing.
pub fn ping(out: &mut Vec<u8>) {
    frame(opcode::PING, b"", out);
}

/// Appends the answer to a ping.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    frame(opcode::PONG, payload, out);
}

/// Appends a close frame. `why` is at most 123 bytes; without a code there is none.
pub fn close(code: Option<u16>, why: &str, out: &mut Vec<u8>) {
    let payload = code.map_or(Vec::new(), |code| [&code.to_be_bytes(), why.as_bytes()].concat());
    frame(opcode::CLOSE, &payload, out);
}

fn frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    header(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

/// 5.2: FIN, no mask (a server has none), the length in as few bytes as it needs.
fn header(opcode: u8, bytes: usize, out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match (u8::try_from(bytes), u16::try_from(bytes)) {
        (Ok(short @ 0..=125), _) => out.push(short),
        (_, Ok(length)) => {
            out.push(126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(bytes as u64).to_be_bytes());
        }
    }
}

/// A message from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A message of text.
    Text(String),
    /// A message of bytes.
    Binary(Vec<u8>),
    /// Asks for a pong with the same payload (5.5.2).
    Ping(Vec<u8>),
    /// Answers a ping, or is just a sign of life (5.5.3).
    Pong,
    /// Ends the connection, maybe with a status code (5.5.1).
    Close(Option<u16>),
}

/// Why a connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The status code to close with.
    pub code: u16,
    /// In words.
    pub why: &'static str,
}

const fn protocol(why: &'static str) -> Fault {
    Fault {
        code: status::PROTOCOL,
        why,
    }
}

/// Reads what a client sends, in whatever pieces it comes. After a fault there is nothing more to be read.
#[derive(Debug, Default)]
pub struct Reader {
    /// Bytes that came and are not read yet.
    input: Vec<u8>,
    /// The message that its last frame is still to come of: its opcode, and its payload so far.
    begun: Option<(u8, Vec<u8>)>,
}

/// A frame's header.
struct Header {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    /// The place of the payload in the input.
    from: usize,
    to: usize,
}

impl Reader {
    /// Takes bytes in. [`message`](Self::message) is to be called until it has no more before the next ones: then no more is
    /// ever held than one frame, one message, and the bytes of one call.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next message that is whole.
    ///
    /// # Errors
    /// The client breaks the protocol, or its message is too long.
    pub fn message(&mut self) -> Result<Option<Message>, Fault> {
        loop {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let Some(masked) = self.input.get(header.from..header.to) else {
                return Ok(None);
            };
            // 5.3
            let unmasked = masked
                .iter()
                .zip(header.mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask);
            let payload: Vec<u8> = unmasked.collect();
            self.input.drain(..header.to);
            let message = match header.opcode {
                opcode::PING => Message::Ping(payload),
                opcode::PONG => Message::Pong,
                opcode::CLOSE => Message::Close(close_code(&payload)?),
                opcode => {
                    let (opcode, mut whole) = self.begun.take().unwrap_or((opcode, Vec::new()));
                    whole.extend_from_slice(&payload);
                    if !header.fin {
                        self.begun = Some((opcode, whole));
                        continue;
                    }
                    if opcode == opcode::TEXT {
                        Message::Text(String::from_utf8(whole).map_err(|_| NOT_TEXT)?)
                    } else {
                        Message::Binary(whole)
                    }
                }
            };
            return Ok(Some(message));
        }
    }

    /// 5.2. What is wrong with a frame is found in its header, before its payload is waited for.
    fn header(&self) -> Result<Option<Header>, Fault> {
        let Some(([first, second], rest)) = self.input.split_first_chunk() else {
            return Ok(None);
        };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        let length = second & 0x7f;
        if first & 0x70 != 0 {
            return Err(protocol("a reserved bit is set: no extension was agreed on"));
        }
        if second & 0x80 == 0 {
            return Err(protocol("a client's frames have to be masked"));
        }
        let so_far = match (opcode, &self.begun) {
            (opcode::CONTINUATION, Some((_, begun))) => begun.len(),
            (opcode::CONTINUATION, None) => return Err(protocol("nothing is there to be continued")),
            (opcode::TEXT | opcode::BINARY, None) => 0,
            (opcode::TEXT | opcode::BINARY, Some(_)) => {
                return Err(protocol("a message begins within another one"));
            }
            (opcode::CLOSE | opcode::PING | opcode::PONG, _) => {
                if !fin || usize::from(length) > CONTROL_BYTES {
                    return Err(protocol("a control frame is whole and has at most 125 bytes"));
                }
                0
            }
            _ => return Err(protocol("a reserved opcode")),
        };
        let (bytes, rest) = match length {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            length => (u64::from(length), rest),
        };
        if bytes >> 63 != 0 {
            return Err(protocol("a length's highest bit is set"));
        }
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes > MESSAGE_BYTES - so_far {
            return Err(Fault {
                code: status::TOO_BIG,
                why: "messages may have at most 4096 bytes",
            });
        }
        let Some((mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let from = self.input.len() - rest.len();
        Ok(Some(Header {
            fin,
            opcode,
            mask: *mask,
            from,
            to: from + bytes,
        }))
    }
}

const NOT_TEXT: Fault = Fault {
    code: status::NOT_TEXT,
    why: "the text is not UTF-8",
};

/// 5.5.1: nothing, or a status code and a reason. The codes that may be sent are those of 7.4.2 and what IANA's registry
/// had come to by 2016.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Fault> {
    let (code, why) = match payload {
        [] => return Ok(None),
        [high, low, why @ ..] => (u16::from_be_bytes([*high, *low]), why),
        [_] => return Err(protocol("half a status code")),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(protocol("no such status code"));
    }
    std::str::from_utf8(why).map_err(|_| NOT_TEXT)?;
    Ok(Some(code))
}

/// Laws that hold for any bytes; for fuzz targets and tests.
pub mod laws {
    use super::{Fault, HEADER_BYTES, MESSAGE_BYTES, Message, Reader};

    /// The first byte says in which pieces the others come: it changes nothing of what is read, and no more is held than
    /// a frame, a message and a piece.
    pub fn websocket(data: &[u8]) {
        let Some((seed, bytes)) = data.split_first() else {
            return;
        };
        let whole = read(bytes, |left| left);
        let mut size = usize::from(*seed);
        let pieces = read(bytes, |_| {
            size = (size * 5 + 3) % 256;
            size % 16
        });
        assert_eq!(whole, pieces, "the pieces matter");
    }

    /// All that is read of `bytes`, which come in pieces.
    fn read(mut bytes: &[u8], mut piece: impl FnMut(usize) -> usize) -> (Vec<Message>, Option<Fault>) {
        let (mut reader, mut messages) = (Reader::default(), Vec::new());
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(piece(bytes.len()).clamp(1, bytes.len()));
            bytes = later;
            reader.push(now);
            loop {
                match reader.message() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(fault) => return (messages, Some(fault)),
                }
            }
            let begun = reader.begun.as_ref().map_or(0, |(_, begun)| begun.len());
            assert!(
                reader.input.len() < HEADER_BYTES + MESSAGE_BYTES && begun <= MESSAGE_BYTES,
                "{} bytes are kept, and {begun}",
                reader.input.len()
            );
        }
        (messages, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame: first byte, payload, mask.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        header(first, payload.len(), &mut bytes);
        bytes[0] = first;
        bytes[1] |= 0x80;
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        bytes.extend_from_slice(&mask);
        let masked = payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask);
        bytes.extend(masked);
        bytes
    }

    /// All messages of these bytes, and the code of the fault that ends them.
    fn read(bytes: &[u8]) -> (Vec<Message>, Option<u16>) {
        let mut reader = Reader::default();
        reader.push(bytes);
        let mut messages = Vec::new();
        loop {
            match reader.message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, None),
                Err(fault) => {
                    assert!(fault.why.len() <= 123, "it fits into a close frame");
                    return (messages, Some(fault.code));
                }
            }
        }
    }

    fn text(text: &str) -> Message {
        Message::Text(text.into())
    }

    /// RFC 6455, 1.3, and RFC 4648, 10.
    #[test]
    fn the_examples_of_the_specifications() {
        assert_eq!(
            accept("dGhlIHNhbXBsZSBub25jZQ==").as_deref(),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        for key in [
            "",
            "==",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZTE=",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbXBsZSBub25 ZQ==",
        ] {
            assert_eq!(accept(key), None, "{key}");
        }
        // 5.7: the masked text, and the fragments of an unmasked one, masked here.
        assert_eq!(
            read(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]),
            (vec![text("Hello")], None)
        );
        let fragments = [frame(0x01, b"Hel"), frame(0x80, b"lo")].concat();
        assert_eq!(read(&fragments), (vec![text("Hello")], None));
    }

    #[test]
    fn lengths_take_as_few_bytes_as_they_need() {
        for (length, expected) in [
            (0, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (127, vec![0x82, 126, 0, 127]),
            (65_535, vec![0x82, 126, 0xff, 0xff]),
            (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            binary_header(length, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn lengths_are_read_at_their_edges() {
        for length in [0, 1, 125, 126, 127, 128, 4095, 4096] {
            let payload = vec![0x61; length];
            assert_eq!(
                read(&frame(0x82, &payload)),
                (vec![Message::Binary(payload)], None)
            );
        }
        assert_eq!(read(&frame(0x82, &[0; 4097])), (vec![], Some(status::TOO_BIG)));
        // Longer forms than needed are taken (5.2 binds the sender alone).
        let masked = |header: &[u8]| [header, &[0; 4], b"a"].concat();
        for header in [&[0x81, 0xfe, 0, 1][..], &[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(read(&masked(header)), (vec![text("a")], None));
        }
        let long = |first: u8| [0x81, 0xff, first, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(read(&long(0x80)), (vec![], Some(status::PROTOCOL)));
        assert_eq!(
            read(&long(0x7f)),
            (vec![], Some(status::TOO_BIG)),
            "no payload is waited for"
        );
        // So is a message that gets too long by its fragments.
        let mut fragments = frame(0x02, &[0; 4000]);
        assert_eq!(read(&fragments), (vec![], None));
        fragments.extend(frame(0x00, &[0; 96]));
        assert_eq!(read(&fragments), (vec![], None));
        fragments.extend(frame(0x80, &[0]));
        assert_eq!(read(&fragments), (vec![], Some(status::TOO_BIG)));
    }

    #[test]
    fn control_frames_come_between_fragments() {
        let bytes = [
            frame(0x01, "é".as_bytes().first_chunk::<1>().unwrap()),
            frame(0x89, b"you there?"),
            frame(0x00, b"\xa9"),
            frame(0x8a, b""),
            frame(0x80, b""),
            frame(0x82, b"\xff"),
            frame(0x88, &[0x03, 0xe8]),
        ]
        .concat();
        let messages = vec![
            Message::Ping(b"you there?".into()),
            Message::Pong,
            text("é"),
            Message::Binary(vec![0xff]),
            Message::Close(Some(1000)),
        ];
        assert_eq!(read(&bytes), (messages, None));
    }

    #[test]
    fn what_breaks_the_protocol_is_a_fault() {
        let unmasked = vec![0x81, 0x00];
        for (bytes, code) in [
            (unmasked, 1002),
            (frame(0xc1, b""), 1002),
            (frame(0xa1, b""), 1002),
            (frame(0x91, b""), 1002),
            (frame(0x83, b""), 1002),
            (frame(0x87, b""), 1002),
            (frame(0x8b, b""), 1002),
            (frame(0x8f, b""), 1002),
            (frame(0x80, b""), 1002),
            (frame(0x00, b""), 1002),
            (frame(0x09, b""), 1002),
            (frame(0x08, b""), 1002),
            (frame(0x89, &[0; 126]), 1002),
            ([frame(0x01, b""), frame(0x81, b"")].concat(), 1002),
            ([frame(0x01, b""), frame(0x02, b"")].concat(), 1002),
            (frame(0x81, b"\xff"), 1007),
            (frame(0x81, b"\xed\xa0\x80"), 1007),
            ([frame(0x01, b"\xc3"), frame(0x80, b"")].concat(), 1007),
            (frame(0x88, b"\x03"), 1002),
            (frame(0x88, b"\x03\xe8\xff"), 1007),
        ] {
            assert_eq!(read(&bytes), (vec![], Some(code)), "{bytes:x?}");
        }
        assert_eq!(read(&frame(0x89, &[7; 125])).0, [Message::Ping(vec![7; 125])]);
    }

    #[test]
    fn close_codes_are_those_that_may_be_sent() {
        assert_eq!(read(&frame(0x88, b"")), (vec![Message::Close(None)], None));
        let good =
            |code: u16| read(&frame(0x88, &code.to_be_bytes())) == (vec![Message::Close(Some(code))], None);
        for code in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999] {
            assert!(good(code), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            assert!(!good(code), "{code}");
        }
    }

    #[test]
    fn what_is_written_is_whole() {
        let mut out = Vec::new();
        super::text("{}", &mut out);
        ping(&mut out);
        pong(b"a", &mut out);
        close(Some(1001), "end", &mut out);
        close(None, "", &mut out);
        assert_eq!(out, b"\x81\x02{}\x89\x00\x8a\x01a\x88\x05\x03\xe9end\x88\x00");
    }
}
