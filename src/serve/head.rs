//! A request's head (RFC 9112), as far as this server needs it. `httparse` reads the bytes; what is allowed is
//! decided here.

/// A head may have no more bytes than this.
pub const HEAD_BYTES: usize = 8 * 1024;
/// A head may have no more header fields than this.
const FIELDS: usize = 100;

/// A request's method (RFC 9110, 9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// The whole answer.
    Get,
    /// The answer's head.
    Head,
    /// A change.
    Post,
    /// What is allowed here.
    Options,
    /// Anything else.
    #[default]
    Other,
}

impl Method {
    /// The method as HTTP writes it.
    pub fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Options => "OPTIONS",
            Method::Other => "other",
        }
    }
}

/// A request's head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The path, without the query; starts with `/`, or is `*`.
    pub path: String,
    /// After the `?`.
    pub query: String,
    /// HTTP/1.1; else HTTP/1.0.
    pub http11: bool,
    /// The host that the client means, without the port; `None` only in HTTP/1.0.
    pub host: Option<String>,
    /// The port that it names with it.
    pub port: Option<u16>,
    /// Origin (RFC 6454), if sent.
    pub origin: Option<String>,
    /// A browser says that another site's page asks for this, and not by going here (Fetch metadata).
    pub cross_site: bool,
    /// A browser says that the page that asks is not of this very origin, whichever way it asks.
    pub of_other_origin: bool,
    /// A browser says that another site's page shows this in a frame.
    pub framed: bool,
    /// A browser asks for what is to be shown as a picture: Accept has a format that only browsers ask for.
    pub for_img: bool,
    /// The origin in Referer (RFC 9110, 10.1.3), if sent: a page can hold it back, but not put another one there.
    pub referer: Option<String>,
    /// The answer may come packed with gzip (RFC 9110, 12.5.3).
    pub takes_gzip: bool,
    /// If-None-Match (RFC 9110, 13.1.2), if sent: the entity tags of what the client has.
    pub if_none_match: Option<String>,
    /// Last-Event-ID (HTML, "Server-sent events"), if it is a number: that of the last event that the client has.
    pub last_event: Option<u64>,
    /// The client has the beginning, and asks for the rest (RFC 9110, 14.2), whatever came in between.
    pub resumes: bool,
    /// Range (RFC 9110, 14.2), if sent.
    pub range: Option<String>,
    /// If-Range (RFC 9110, 13.1.5), if sent: the range is of what has this entity tag.
    pub if_range: Option<String>,
    /// The connection may be used again after a finite answer.
    pub keep_alive: bool,
    /// Authorization (RFC 9110, 11.6.2), if sent.
    pub authorization: Option<String>,
    /// Cookie (RFC 6265, 4.2), if sent.
    cookies: Option<String>,
    /// A browser goes to this address, rather than to load it for a page.
    pub wants_page: bool,
    /// A proxy says that the client came by https (X-Forwarded-Proto).
    pub by_https: bool,
    /// The length of the body in bytes (RFC 9110, 8.6); `None` if it is not known before its end.
    pub content_length: Option<usize>,
    /// The body is JSON, by its Content-Type: no form sends that.
    pub is_json: bool,
    /// The client waits for a word before it sends the body (RFC 9110, 10.1.1).
    pub expects_continue: bool,
    /// What asks for a WebSocket.
    pub upgrade: Upgrade,
}

impl Head {
    /// The value of the cookie of this name.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut pairs = self
            .cookies
            .as_deref()
            .unwrap_or_default()
            .split(';')
            .map(str::trim);
        pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// The value of this name in the query.
    pub fn asked(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&');
        pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// True if the client has what this entity tag belongs to. The comparison is weak, as RFC 9110, 13.1.2 asks.
    pub fn has(&self, tag: &str) -> bool {
        let known = self.if_none_match.as_deref().unwrap_or_default();
        let mut known = known.split(',').map(str::trim);
        known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
    }

    /// False if it is for the video alone, where there is sound.
    pub fn asks_for_sound(&self) -> bool {
        self.asked("audio") != Some("0")
    }

    /// True if a stream is to begin with the next key frame, rather than with the newest one.
    pub fn asks_for_live(&self) -> bool {
        self.asked("start") == Some("live")
    }
}

/// The fields of a WebSocket's handshake (RFC 6455, 4.2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// Connection has `upgrade`.
    pub connection: bool,
    /// Upgrade has `websocket`.
    pub websocket: bool,
    /// Sec-WebSocket-Version is 13.
    pub version_13: bool,
    /// Sec-WebSocket-Key, if there is one and not more.
    pub key: Option<String>,
    /// The first subprotocol that Sec-WebSocket-Protocol offers.
    pub protocol: Option<String>,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Not HTTP, or against its rules: what.
    Request(&'static str),
    /// The first line alone is over the limit.
    TargetTooLong,
    /// Over the limit of bytes or fields.
    TooLarge,
    /// Another major version of HTTP.
    Version,
}

/// Reads the head at the start of `bytes`; gives it with its length, or `None` if it is not whole yet.
///
/// # Errors
/// It can't become a good head, whatever follows.
pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Bad> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES => length,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES => return Ok(None),
        Ok(_) => {
            let first_line = bytes.iter().take(HEAD_BYTES).any(|byte| *byte == b'\n');
            return Err(if first_line {
                Bad::TooLarge
            } else {
                Bad::TargetTooLong
            });
        }
        Err(httparse::Error::TooManyHeaders) => return Err(Bad::TooLarge),
        Err(httparse::Error::Version) => {
            return match as_minor_version_1(bytes) {
                Some(bytes) => parse(&bytes),
                None => Err(Bad::Version),
            };
        }
        Err(_) => return Err(Bad::Request("the request is not HTTP")),
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Bad::Request("the request line is not whole"));
    };
    let mut head = Head {
        method: match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "OPTIONS" => Method::Options,
            _ => Method::Other,
        },
        http11: version == 1,
        keep_alive: version == 1,
        content_length: Some(0),
        ..Head::default()
    };
    let mut codings = String::new();
    let mut keys = 0;
    let mut cross_site = false;
    let mut navigates = false;
    let mut to_frame = false;
    let mut close = false;
    for field in request.headers.iter() {
        let value = std::str::from_utf8(field.value).map(str::trim).ok();
        let text = || value.map(str::to_string);
        match &*field.name.to_ascii_lowercase() {
            "host" => {
                let value = value.ok_or(Bad::Request("the Host field is not text"))?;
                if head.host.is_some() {
                    return Err(Bad::Request("there are two Host fields"));
                }
                let (host, port) = authority(value).ok_or(Bad::Request("the Host field names no host"))?;
                (head.host, head.port) = (Some(host), port);
            }
            "accept" => {
                head.for_img = value.is_some_and(|accept| accept.contains("image/webp"));
                head.wants_page = value.is_some_and(|accept| accept.contains("text/html"));
            }
            "referer" => {
                // Scheme, two slashes, authority (RFC 3986, 3).
                let page = value.filter(|page| !page.is_empty());
                let origin = page.map(|page| {
                    let third_slash = page.match_indices('/').nth(2);
                    page.split_at(third_slash.map_or(page.len(), |(at, _)| at)).0
                });
                head.referer = origin.map(str::to_string);
            }
            // More than one field is one list (RFC 9110, 5.3).
            "accept-encoding" => codings = codings + "," + value.unwrap_or_default(),
            "if-none-match" => head.if_none_match = text(),
            "connection" => {
                for option in value.unwrap_or_default().split(',').map(str::trim) {
                    close |= option.eq_ignore_ascii_case("close");
                    head.keep_alive |= option.eq_ignore_ascii_case("keep-alive");
                    head.upgrade.connection |= option.eq_ignore_ascii_case("upgrade");
                }
            }
            "upgrade" => {
                let mut protocols = value.unwrap_or_default().split(',').map(str::trim);
                head.upgrade.websocket |=
                    protocols.any(|protocol| protocol.eq_ignore_ascii_case("websocket"));
            }
            "sec-websocket-version" => head.upgrade.version_13 = value == Some("13"),
            "sec-websocket-key" => {
                keys += 1;
                head.upgrade.key = text().filter(|_| keys == 1);
            }
            "sec-websocket-protocol" => {
                let first = value.and_then(|offered| offered.split(',').next());
                let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
                let first = first
                    .map(str::trim)
                    .filter(|it| !it.is_empty() && it.bytes().all(is_token));
                let upgrade = &mut head.upgrade;
                upgrade.protocol = upgrade.protocol.take().or(first.map(str::to_string));
            }
            "last-event-id" => head.last_event = value.and_then(|number| number.parse().ok()),
            "range" => head.range = text(),
            "if-range" => head.if_range = text(),
            "content-length" if value == Some("0") => {}
            name @ ("content-length" | "transfer-encoding") => {
                // A body may be left unread. Its bytes are not to be read as the next request.
                close = true;
                let digits = value.filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
                let length = digits.and_then(|digits| digits.parse().ok());
                // Two fields of which one says another length, or none, are a trap (RFC 9112, 6.3).
                let first = head.content_length == Some(0);
                head.content_length = length.filter(|_| first && name == "content-length");
            }
            "content-type" => {
                let essence = value.and_then(|value| value.split(';').next());
                head.is_json = essence.is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"));
            }
            "expect" => {
                head.expects_continue = value.is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
            }
            "authorization" => head.authorization = text(),
            "cookie" => head.cookies = text(),
            "x-forwarded-proto" => head.by_https = value == Some("https"),
            "origin" => head.origin = Some(value.unwrap_or("null").to_string()),
            "sec-fetch-site" => {
                cross_site = value == Some("cross-site");
                head.of_other_origin = !matches!(value, Some("same-origin" | "none"));
            }
            "sec-fetch-mode" => navigates = value == Some("navigate"),
            "sec-fetch-dest" => {
                to_frame = value.is_some_and(|to| ["iframe", "frame", "embed", "object"].contains(&to));
            }
            _ => {}
        }
    }
    head.takes_gzip = takes_gzip(&codings);
    // 13.1.5: all of it where the client's part is out of date, as it always is here.
    head.resumes = head.if_range.is_none() && head.range.as_deref().is_some_and(asks_for_rest);
    head.cross_site = cross_site && !navigates;
    head.framed = cross_site && navigates && to_frame;
    // RFC 9112, 9.3: close goes before keep-alive, wherever it stands.
    head.keep_alive &= !close;
    if head.http11 && head.host.is_none() {
        return Err(Bad::Request("the Host field is missing (RFC 9112, 3.2)"));
    }
    let origin_form = match target.split_once("://") {
        // absolute-form (RFC 9112, 3.2.2): its host counts, not the field's
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            let (named, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let (host, port) = authority(named).ok_or(Bad::Request("the target names no host"))?;
            (head.host, head.port) = (Some(host), port);
            if path.starts_with('/') {
                path.to_string()
            } else {
                format!("/{path}")
            }
        }
        _ => target.to_string(),
    };
    let (path, query) = origin_form.split_once('?').unwrap_or((&origin_form, ""));
    if !(path.starts_with('/') || path == "*" && head.method == Method::Options) {
        return Err(Bad::Request("the target is no path"));
    }
    head.path = path.to_string();
    head.query = query.to_string();
    Ok(Some((head, length)))
}

/// The bytes with HTTP/1.1 in the place of another minor version above 1, which is understood in the same way (RFC 9110, 2.5);
/// None if that is not what the first line ends with.
fn as_minor_version_1(bytes: &[u8]) -> Option<Vec<u8>> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (minor, before) = line.split_last()?;
    if !before.ends_with(b" HTTP/1.") || !(b'2'..=b'9').contains(minor) {
        return None;
    }
    let mut bytes = bytes.to_vec();
    *bytes.get_mut(before.len())? = b'1';
    Some(bytes)
}

/// True if the first byte that a Range field asks for is not the first one.
fn asks_for_rest(range: &str) -> bool {
    let first = range
        .strip_prefix("bytes=")
        .and_then(|ranges| ranges.split('-').next());
    first
        .and_then(|first| first.trim().parse::<u64>().ok())
        .is_some_and(|first| first > 0)
}

/// True if a list of content codings with weights (RFC 9110, 12.5.3) has gzip in it, or `*` and no word on gzip.
fn takes_gzip(codings: &str) -> bool {
    let weight = |wanted: &str| {
        codings.split(',').find_map(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
            name.trim().eq_ignore_ascii_case(wanted).then_some(weight.trim())
        })
    };
    // 12.4.2: `q=0`, with up to three more zeros, is "not acceptable". What is no weight counts as that here.
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| {
        let digits = weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="));
        digits.is_some_and(|digits| digits.bytes().any(|digit| (b'1'..=b'9').contains(&digit)))
    })
}

/// The two parts of `host[:port]` (RFC 3986, 3.2.2), the host in lower case and without the dot that may end it.
pub(super) fn authority(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']')?;
        (&authority[..=end], &authority[end + 1..])
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    let port = match port.strip_prefix(':') {
        Some("") => None,
        // Not by `parse` alone, which takes a plus sign.
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ if port.is_empty() => None,
        _ => return None,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let host_is_one = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"/?#@\\{}\"<>".contains(&b));
    host_is_one.then(|| (host.to_ascii_lowercase(), port))
}

/// The host in an Origin field, if it has one (`null` has none).
pub fn origin_host(origin: &str) -> Option<String> {
    Some(authority(origin.split_once("://")?.1)?.0)
}

/// What has to hold whatever bytes come; for the fuzzer and the tests.
pub mod laws {
    use crate::serve::head::{HEAD_BYTES, parse};

    /// A head is found where it is, whatever follows it; what is not whole yet stays so with fewer bytes; and no more
    /// than the limit is ever asked for.
    pub fn request_head(data: &[u8]) {
        match parse(data) {
            Ok(None) => assert!(
                data.len() < HEAD_BYTES,
                "a head over the limit is still waited for"
            ),
            Ok(Some((head, length))) => {
                assert!(
                    length <= data.len() && length <= HEAD_BYTES,
                    "the head is longer than what came"
                );
                assert_eq!(
                    parse(&data[..length]),
                    Ok(Some((head.clone(), length))),
                    "the head depends on what follows"
                );
                assert!(
                    !matches!(parse(&data[..length - 1]), Ok(Some(_))),
                    "a part of the head is taken for the whole"
                );
                assert!(head.path.starts_with('/') || head.path == "*", "the path is none");
                assert!(!head.http11 || head.host.is_some(), "no host in HTTP/1.1");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bad, FIELDS, HEAD_BYTES, Head, Method, authority, origin_host, parse};

    fn good(text: &str) -> Head {
        let (head, length) = parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        head
    }

    fn with(fields: &str) -> Head {
        good(&format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
    }

    #[test]
    fn the_first_line_is_taken_apart() {
        for (line, method, path, query) in [
            ("GET / HTTP/1.1", Method::Get, "/", ""),
            ("HEAD /a?b=c&d HTTP/1.1", Method::Head, "/a", "b=c&d"),
            ("OPTIONS * HTTP/1.1", Method::Options, "*", ""),
            ("BREW /pot HTTP/1.1", Method::Other, "/pot", ""),
            ("GET /a?b?c HTTP/1.1", Method::Get, "/a", "b?c"),
            ("GET http://x HTTP/1.1", Method::Get, "/", ""),
            ("GET HTTP://x?q HTTP/1.1", Method::Get, "/", "q"),
        ] {
            let head = good(&format!("{line}\r\nHost: h\r\n\r\n"));
            assert_eq!(
                (head.method, &*head.path, &*head.query),
                (method, path, query),
                "{line}"
            );
            assert!(head.http11 && head.keep_alive);
        }
        assert!(good("GET / HTTP/1.2\r\nHost: h\r\n\r\n").http11);
        assert!(good("GET / HTTP/1.9\nHost: h\r\n\r\n").keep_alive);
        let old = good("GET / HTTP/1.0\r\n\r\n");
        assert!(!old.http11 && !old.keep_alive && old.host.is_none());
    }

    #[test]
    fn gzip_is_taken_by_its_weight_or_that_of_all() {
        for (codings, takes) in [
            ("gzip", true),
            ("br;q=1.0, GZip;q=0.8, *;q=0.1", true),
            ("gzip ; Q=0.001", true),
            ("*", true),
            ("br\r\nAccept-Encoding: gzip", true),
            ("*;q=0\r\nAccept-Encoding: gzip", true),
            ("", false),
            ("identity, br", false),
            ("gzip;q=0", false),
            ("gzip;q=0.000, *", false),
            ("*, gzip;q=0", false),
            ("*;q=0", false),
            ("gzip;level=9", false),
            ("xgzip, gzipped", false),
        ] {
            let head = with(&format!("Accept-Encoding: {codings}\r\n"));
            assert_eq!(head.takes_gzip, takes, "{codings}");
        }
        assert!(!with("").takes_gzip);
    }

    #[test]
    fn what_the_client_has_is_known_by_its_tag() {
        for (known, has) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\" , W/\"a\"", true),
            ("*", true),
            ("", false),
            ("a", false),
            ("\"b\", W/\"\"", false),
        ] {
            let head = with(&format!("If-None-Match: {known}\r\n"));
            assert_eq!(head.has("\"a\""), has, "{known}");
        }
        assert!(!with("").has("\"a\""));
    }

    #[test]
    fn bad_heads_are_told_apart() {
        let long = "a".repeat(HEAD_BYTES);
        let fields = "A: b\r\n".repeat(FIELDS + 1);
        for (text, bad) in [
            ("GET / HTTP/2.0\r\n\r\n", Some(Bad::Version)),
            ("GET / HTTP/2.1\r\n\r\n", Some(Bad::Version)),
            ("GET / HTTP/1.10\r\n\r\n", None),
            (&*format!("GET /{long}"), Some(Bad::TargetTooLong)),
            (&*format!("GET / HTTP/1.1\r\nA: {long}"), Some(Bad::TooLarge)),
            (
                &*format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"),
                Some(Bad::TooLarge),
            ),
            ("GET / HTTP/1.1\r\n\r\n", None),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", None),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", None),
            ("GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n", None),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", None),
            ("\u{1}\r\n\r\n", None),
        ] {
            let found = parse(text.as_bytes()).unwrap_err();
            assert!(
                bad.map_or(matches!(found, Bad::Request(_)), |bad| found == bad),
                "{found:?}"
            );
        }
        assert_eq!(parse(b"GET / HTTP/1.1\r\nHost: a\r\n"), Ok(None));
    }

    #[test]
    fn the_connection_is_kept_if_both_sides_can() {
        for (fields, keep_alive) in [
            ("", true),
            ("Connection: close\r\n", false),
            ("Connection: close, keep-alive\r\n", false),
            ("Connection: keep-alive\r\nConnection: Close\r\n", false),
            ("Content-Length: 0\r\n", true),
            ("Content-Length: 1\r\n", false),
            ("Transfer-Encoding: chunked\r\n", false),
        ] {
            assert_eq!(with(fields).keep_alive, keep_alive, "{fields}");
        }
    }

    #[test]
    fn who_wants_the_rest_is_known() {
        for (fields, resumes) in [
            ("Range: bytes=1-\r\n", true),
            ("Range: bytes=500-999\r\n", true),
            ("Range: bytes=0-\r\n", false),
            ("Range: bytes=-500\r\n", false),
            ("Range: bytes=x-\r\n", false),
            ("Range: seconds=1-\r\n", false),
            ("Range: bytes=1-\r\nIf-Range: \"a\"\r\n", false),
            ("", false),
        ] {
            assert_eq!(with(fields).resumes, resumes, "{fields}");
        }
    }

    #[test]
    fn the_first_subprotocol_is_read() {
        for (fields, protocol) in [
            ("", None),
            ("Sec-WebSocket-Protocol: binary\r\n", Some("binary")),
            ("Sec-WebSocket-Protocol: a.b , c\r\n", Some("a.b")),
            (
                "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n",
                Some("a"),
            ),
            ("Sec-WebSocket-Protocol: a b\r\n", None),
            ("Sec-WebSocket-Protocol: \r\n", None),
        ] {
            assert_eq!(with(fields).upgrade.protocol.as_deref(), protocol, "{fields}");
        }
    }

    #[test]
    fn fetch_metadata_is_read() {
        let site = "Sec-Fetch-Site: cross-site\r\n";
        for (fields, cross_site, framed) in [
            ("", false, false),
            ("Sec-Fetch-Site: same-origin\r\n", false, false),
            (site, true, false),
            (&*format!("{site}Sec-Fetch-Mode: no-cors\r\n"), true, false),
            (&*format!("{site}Sec-Fetch-Mode: navigate\r\n"), false, false),
            (
                &*format!("{site}Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"),
                false,
                true,
            ),
        ] {
            let head = with(fields);
            assert_eq!((head.cross_site, head.framed), (cross_site, framed), "{fields}");
        }
    }

    #[test]
    fn a_websocket_has_one_key() {
        let upgrade = with(
            "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n",
        )
        .upgrade;
        assert!(upgrade.connection && upgrade.websocket && upgrade.version_13);
        assert_eq!(upgrade.key.as_deref(), Some("k"));
        let twice = with("Sec-WebSocket-Key: k\r\nSec-WebSocket-Key: k\r\n");
        assert_eq!(twice.upgrade.key, None);
    }

    #[test]
    fn hosts_have_ports_or_not() {
        let host = |host: &str, port| Some((host.to_string(), port));
        for (text, expected) in [
            ("Pi.Local", host("pi.local", None)),
            ("pi.local.:80", host("pi.local", Some(80))),
            ("pi:", host("pi", None)),
            ("[::1]:8000", host("[::1]", Some(8000))),
            ("[::1]", host("[::1]", None)),
            ("pi:+80", None),
            ("pi:65536", None),
            ("[::1", None),
            ("[::1]x", None),
            ("", None),
            (".", None),
            ("user@pi", None),
            ("a/b", None),
        ] {
            assert_eq!(authority(text), expected, "{text}");
        }
        assert_eq!(origin_host("https://Pi:8443").as_deref(), Some("pi"));
        assert_eq!(origin_host("null"), None);
    }

    #[test]
    fn the_query_is_asked_by_name() {
        let head = good("GET /?a=1&b&action=stream&a=2 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(head.asked("a"), Some("1"));
        assert_eq!(head.asked("action"), Some("stream"));
        assert_eq!(head.asked("b"), None);
        assert_eq!(head.asked("c"), None);
    }
}
