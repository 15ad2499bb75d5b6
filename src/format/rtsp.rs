//! RTSP 1.0 (RFC 2326): the requests in what a client sends, what their fields mean, and answers.

/// A head may have this many bytes.
pub const HEAD_BYTES: usize = 16 << 10;
/// The body of a request may have this many bytes: nobody reads it.
const BODY_BYTES: usize = 64 << 10;
/// What stands before a track's number in its address.
const TRACK: &str = "trackID=";

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// All lines, the first of which is well-formed.
    text: String,
}

impl Request {
    /// The method, in upper case as it has to be.
    pub fn method(&self) -> &str {
        word(&self.text, 0)
    }

    /// The address, as it was sent.
    pub fn url(&self) -> &str {
        word(&self.text, 1)
    }

    /// The protocol's name and version.
    pub fn version(&self) -> &str {
        word(&self.text, 2)
    }

    /// The value of the first field of that name: GStreamer sends one of them twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.text.lines().filter_map(|line| line.split_once(':'));
        let field = fields.find(|(its_name, _)| its_name.trim().eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.trim())
    }

    /// The answer of this status to it, with further header lines, each with its end, and a body or none.
    pub fn answer(&self, status: &str, fields: &str, body: &str) -> String {
        let cseq = self.field("CSeq").unwrap_or("0");
        let length = body.len();
        // Some clients look for the name in this very case.
        format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
    }
}

/// A word of the first line.
fn word(text: &str, number: usize) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.split(' ').nth(number).unwrap_or_default()
}

/// Finds the requests in what a client sends, however it is cut. What comes between them is passed over: frames of RTP and RTCP
/// (10.12), bodies, and ends of lines.
#[derive(Debug, Default)]
pub struct Reader {
    received: Vec<u8>,
    /// So many of the next bytes are passed over.
    skip: usize,
}

impl Reader {
    /// Takes what has come.
    pub fn take(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next request, once it is there.
    ///
    /// # Errors
    /// The status for what is none. Where the next one would begin is not known then.
    pub fn request(&mut self) -> Result<Option<Request>, &'static str> {
        loop {
            let skipped = self.skip.min(self.received.len());
            self.received.drain(..skipped);
            self.skip -= skipped;
            self.skip = match *self.received {
                [b'\r' | b'\n', ..] => {
                    let ends = self.received.iter().take_while(|byte| b"\r\n".contains(byte));
                    ends.count()
                }
                [b'$', _, high, low, ..] => 4 + usize::from(u16::from_be_bytes([high, low])),
                [] | [b'$', ..] => return Ok(None),
                _ => return self.head(),
            };
        }
    }

    fn head(&mut self) -> Result<Option<Request>, &'static str> {
        const BAD: &str = "400 Bad Request";
        let first = &self.received[..self.received.len().min(HEAD_BYTES)];
        let Some(end) = end_of_head(first) else {
            let is_too_long = first.len() == HEAD_BYTES;
            return if is_too_long { Err(BAD) } else { Ok(None) };
        };
        let text = String::from_utf8_lossy(&first[..end]).into_owned();
        // What is echoed must not look like the end of a line.
        let is_odd = |line: &str| line.contains(|c: char| c.is_control() && c != '\t');
        if !word(&text, 2).starts_with("RTSP/") || text.lines().any(is_odd) {
            return Err(BAD);
        }
        let request = Request { text };
        let body = request.field("Content-Length").map_or(Ok(0), str::parse);
        let body = body.ok().filter(|bytes| *bytes <= BODY_BYTES).ok_or(BAD)?;
        self.skip = end + body;
        Ok(Some(request))
    }
}

/// Where a head ends: behind its first empty line. Lines may end in LF alone (4).
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    (1..bytes.len()).find_map(|at| match (bytes[at - 1], &bytes[at..]) {
        (b'\n', [b'\n', ..]) => Some(at + 1),
        (b'\n', [b'\r', b'\n', ..]) => Some(at + 2),
        _ => None,
    })
}

/// What an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The first part of the path: a camera, or nothing.
    pub name: &'a str,
    /// The token of a view link.
    pub token: Option<&'a str>,
    /// The number of a track, which ffmpeg puts behind the query, and GStreamer before it.
    pub track: Option<usize>,
}

/// Reads an address: `rtsp://HOST:PORT/NAME?token=TOKEN/trackID=0`, or any part of it from the path on.
pub fn target(url: &str) -> Target<'_> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find(['/', '?']).map_or("", |begin| &rest[begin..]),
        None => url,
    };
    let (names, query) = path.split_once('?').unwrap_or((path, ""));
    let is_track = |part: &&str| !part.is_empty() && !part.starts_with(TRACK);
    let track = path.rsplit_once(TRACK).map(|(_, rest)| rest);
    let digits = track.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    Target {
        name: names.split('/').find(is_track).unwrap_or_default(),
        token: query
            .split(['&', '/'])
            .find_map(|part| part.strip_prefix("token=")),
        track: digits.and_then(|digits| digits.parse().ok()),
    }
}

/// How a track is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over the connection itself; on these channels, for RTP and RTCP, if the client has chosen some.
    Interleaved(Option<[u8; 2]>),
    /// By UDP, to these ports of the client.
    Udp([u16; 2]),
}

/// Finds the first way of sending that there is in a Transport field (12.39), which may list several. `udp`: that is one, too.
pub fn transport(field: &str, udp: bool) -> Option<Transport> {
    field.split(',').find_map(|way| {
        let mut parts = way.split(';').map(str::trim);
        let protocol = parts.next()?.to_ascii_uppercase();
        let is_udp = protocol != "RTP/AVP/TCP";
        if is_udp && !(udp && ["RTP/AVP", "RTP/AVP/UDP"].contains(&&*protocol)) {
            return None;
        }
        let wanted = if is_udp { "client_port" } else { "interleaved" };
        let mut pair = None;
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if name.eq_ignore_ascii_case(wanted) {
                let (rtp, rtcp) = value.split_once('-').unwrap_or((value, ""));
                let rtp: u16 = rtp.parse().ok()?;
                pair = Some([rtp, rtcp.parse().unwrap_or(rtp ^ 1)]);
            } else if name.eq_ignore_ascii_case("multicast")
                || name.eq_ignore_ascii_case("mode") && !value.trim_matches('"').eq_ignore_ascii_case("play")
            {
                return None;
            }
        }
        match pair {
            _ if is_udp => pair.filter(|ports| !ports.contains(&0)).map(Transport::Udp),
            None => Some(Transport::Interleaved(None)),
            Some([rtp, rtcp]) => {
                let channels = [rtp.try_into().ok()?, rtcp.try_into().ok()?];
                Some(Transport::Interleaved(Some(channels)))
            }
        }
    })
}

/// What must hold whatever the bytes are; for fuzzing and for tests.
pub mod laws {
    use super::{Reader, Request, target, transport};

    fn read(pieces: &mut dyn Iterator<Item = &[u8]>) -> (Vec<Request>, Option<&'static str>) {
        let (mut reader, mut requests) = (Reader::default(), Vec::new());
        for piece in pieces {
            reader.take(piece);
            loop {
                match reader.request() {
                    Ok(Some(request)) => requests.push(request),
                    Ok(None) => break,
                    Err(bad) => return (requests, Some(bad)),
                }
            }
        }
        (requests, None)
    }

    /// However bytes are cut, the same requests are in them; and an answer has no lines that the request brought.
    pub fn rtsp(data: &[u8]) {
        let whole = read(&mut [data].into_iter());
        let cut = data.first().map_or(1, |cut| usize::from(*cut).max(1));
        assert_eq!(whole, read(&mut data.chunks(cut)));
        for request in &whole.0 {
            let answer = request.answer("200 OK", "", "");
            assert_eq!(answer.lines().count(), 4, "{answer:?}");
            let target = target(request.url());
            assert!(
                !target.name.contains(['/', '?']) && target.token.is_none_or(|it| !it.contains(['/', '&']))
            );
            _ = transport(request.field("Transport").unwrap_or_default(), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_found_among_frames_and_ends_of_lines() {
        let mut reader = Reader::default();
        reader.take(b"\r\nOPTIONS * RTSP/1.0\r\ncseq:  0\r\nUser-Agent: a\r\nUser-Agent: b\r\n\r\n$\x01\0\x04abcd$\0\0\0");
        reader.take(b"SET_PARAMETER rtsp://a/ RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\na: b\n\n\r\nPLAY / RTSP/1.0\r\n");
        let options = reader.request().unwrap().unwrap();
        assert_eq!((options.method(), options.url()), ("OPTIONS", "*"));
        assert_eq!(
            (options.field("CSEQ"), options.field("user-agent")),
            (Some("0"), Some("a"))
        );
        assert_eq!(
            options.answer("200 OK", "Public: PLAY\r\n", "x"),
            "RTSP/1.0 200 OK\r\nCSeq: 0\r\nPublic: PLAY\r\nContent-Length: 1\r\n\r\nx"
        );
        assert_eq!(reader.request().unwrap().unwrap().method(), "SET_PARAMETER");
        assert_eq!(reader.request(), Ok(None));
        reader.take(b"\r\n");
        assert_eq!(reader.request().unwrap().unwrap().method(), "PLAY");
        reader.take(b"PAUSE / RTSP/1.0\nCSeq: 4\nContent-Length: 1\n\nxTEARDOWN / RTSP/1.0\nCSeq: 5\n\r\n");
        let pause = reader.request().unwrap().unwrap();
        assert_eq!((pause.version(), pause.field("CSeq")), ("RTSP/1.0", Some("4")));
        assert_eq!(reader.request().unwrap().unwrap().method(), "TEARDOWN");
    }

    #[test]
    fn what_is_no_request_ends_it() {
        for (bytes, status) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], "400 Bad Request"),
            (b"PLAY /\r\n\r\n", "400 Bad Request"),
            (b"PLAY / RTSP/1.0\r\nCSeq: 1\rX: y\r\n\r\n", "400 Bad Request"),
            (
                b"PLAY / RTSP/1.0\r\nContent-Length: 65537\r\n\r\n",
                "400 Bad Request",
            ),
            (
                b"PLAY / RTSP/1.0\r\nContent-Length: -1\r\n\r\n",
                "400 Bad Request",
            ),
            (&[b'x'; HEAD_BYTES], "400 Bad Request"),
        ] {
            let mut reader = Reader::default();
            reader.take(bytes);
            assert_eq!(
                reader.request(),
                Err(status),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn addresses_of_all_clients() {
        for (url, name, token, track) in [
            ("rtsp://host:8554/cam", "cam", None, None),
            ("rtsp://host:8554/cam/", "cam", None, None),
            ("rtsp://[2001:db8::1]:8554/cam/trackID=1", "cam", None, Some(1)),
            ("rtsp://host/cam?x=1/trackID=0", "cam", None, Some(0)),
            (
                "rtsp://host/cam/trackID=0?x=1&token=a.b",
                "cam",
                Some("a.b"),
                Some(0),
            ),
            (
                "rtsp://host/cam?token=a.b-_/trackID=1",
                "cam",
                Some("a.b-_"),
                Some(1),
            ),
            ("rtsp://host?token=a", "", Some("a"), None),
            ("rtsp://host/trackID=0", "", None, Some(0)),
            ("rtsp://host/cam/trackID=", "cam", None, None),
            (
                "rtsp://host/cam/trackID=99999999999999999999999",
                "cam",
                None,
                None,
            ),
            ("rtsp://host", "", None, None),
            ("/cam/", "cam", None, None),
            ("", "", None, None),
        ] {
            assert_eq!(target(url), Target { name, token, track }, "{url}");
        }
    }

    #[test]
    fn the_first_way_that_there_is_is_found() {
        let tcp = |channels| Some(Transport::Interleaved(channels));
        let udp = |ports| Some(Transport::Udp(ports));
        let list = "MP2T/H2221/UDP;unicast, RTP/AVP;unicast;client_port=1-2,rtp/avp/tcp; interleaved=2-3";
        for (field, by_tcp, with_udp) in [
            (
                "RTP/AVP/TCP;unicast;interleaved=0-1",
                tcp(Some([0, 1])),
                tcp(Some([0, 1])),
            ),
            ("RTP/AVP/TCP;interleaved=4", tcp(Some([4, 5])), tcp(Some([4, 5]))),
            (
                "RTP/AVP/TCP;interleaved=255;mode=\"PLAY\"",
                tcp(Some([255, 254])),
                tcp(Some([255, 254])),
            ),
            ("RTP/AVP/TCP;unicast", tcp(None), tcp(None)),
            (list, tcp(Some([2, 3])), udp([1, 2])),
            ("RTP/AVP;unicast;client_port=5000-5001", None, udp([5000, 5001])),
            (
                "RTP/AVP/UDP;client_port=5000;destination=192.0.2.1",
                None,
                udp([5000, 5001]),
            ),
            ("RTP/AVP/UDP;multicast;client_port=5000-5001", None, None),
            ("RTP/AVP;unicast", None, None),
            ("RTP/AVP;client_port=0-1", None, None),
            ("RTP/AVP;client_port=65536-65537", None, None),
            ("RTP/AVP/TCP;interleaved=256-257", None, None),
            ("RTP/AVP/TCP;interleaved=0-1;mode=record", None, None),
            ("", None, None),
        ] {
            assert_eq!(transport(field, false), by_tcp, "{field}");
            assert_eq!(transport(field, true), with_udp, "{field}");
        }
    }
}
