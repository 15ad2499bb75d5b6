//! One client's thread, from the first byte to the last: reads heads, and has each request answered by its route.

use super::access::Origins;
use super::answer::Answer;
use super::connection::{Connection, Phase};
use super::exchange::{Ending, Exchange};
use super::head::{self, Bad, HEAD_BYTES, Head, Method};
use super::login;
use super::routes::{self, LINK, Route};
use super::shared::{CameraSide, Shared};
use crate::config::Role;
use crate::log_verbose;
use crate::sys::sock::{self, Input};
use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// A head has to be whole this long after its first byte, or after the connection was made.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A connection may wait this long for its next request.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// What is spoken at a listening socket.
#[derive(Clone, Copy)]
pub struct Protocol {
    /// Its name in addresses.
    pub scheme: &'static str,
    /// Its name and version, as answers begin with them.
    pub version: [u8; 8],
    /// Answers one client until it leaves.
    pub converse: fn(&Arc<Connection>, &Shared) -> io::Result<Ending>,
}

/// HTTP.
pub const HTTP: Protocol = Protocol {
    scheme: "http",
    version: *b"HTTP/1.1",
    converse,
};

/// Answers one client until it leaves. Where the connection ends with an answer, the client has had the time to read it.
pub fn serve(connection: &Arc<Connection>, shared: &Shared, protocol: Protocol) {
    if let Err(e) = connection.socket.set_nodelay(true) {
        log_verbose!("client {}: {e}", connection.address);
        return;
    }
    // Where this fails, the place of one who vanishes is free again much later, and that is all.
    _ = sock::notice_vanished(&connection.socket);
    let ending = match (protocol.converse)(connection, shared) {
        Ok(ending) => {
            if matches!(
                ending,
                Ending::Answered | Ending::Refused | Ending::StreamEnded | Ending::Closed
            ) {
                connection.linger();
            }
            ending
        }
        Err(e) if matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
            shared.counters.stuck.fetch_add(1, Relaxed);
            connection.reset_on_close();
            Ending::Stuck
        }
        Err(_) => Ending::Left,
    };
    log_verbose!("client {}: {ending}", connection.address);
    shared.rest();
}

/// Answers one request after the other.
fn converse(connection: &Arc<Connection>, shared: &Shared) -> io::Result<Ending> {
    let mut received = Vec::new();
    let mut ending = exchange(connection, shared, &mut received, true)?;
    while ending == Ending::Kept {
        connection.enter(Phase::Idle);
        shared.rest();
        ending = exchange(connection, shared, &mut received, false)?;
    }
    Ok(ending)
}

/// Reads one request and answers it.
fn exchange(
    connection: &Arc<Connection>,
    shared: &Shared,
    received: &mut Vec<u8>,
    first: bool,
) -> io::Result<Ending> {
    let head = match read_head(connection, received, first) {
        Incoming::Head(head) => head,
        Incoming::Ended => return Ok(Ending::Left),
        Incoming::TimedOut if !first && received.is_empty() => return Ok(Ending::Idle),
        Incoming::TimedOut => {
            let late = Answer::text("408 Request Timeout", "The request was not whole in time");
            return refuse(connection, shared, &late);
        }
        Incoming::Bad(bad) => return refuse(connection, shared, &answer_to_bad(bad)),
    };
    connection.enter(Phase::Answer);
    shared.counters.requests.fetch_add(1, Relaxed);
    let (method, path) = (head.method, without_token(&head.path));
    log_verbose!("client {}: {method:?} {path}", connection.address);
    let target = target(&head.path, shared);
    let cameras = target.camera.map_or(&*shared.cameras, slice::from_ref);
    let number = routes::camera_number(target.path, &head);
    let access = &shared.access;
    let cors = access.listed_origin(&head).is_some();
    let route = routes::resolve(target.path, &head, cors, cameras.len());
    let origins = route
        .as_ref()
        .map_or(Origins::SameHost, |(route, _)| route.origins);
    // What changes something is for our own pages, and a link for any.
    let origins = match (head.method, target.link, origins) {
        (Method::Post, ..) => Origins::Own,
        (_, Some(_), Origins::SameHost | Origins::Tags) => Origins::Linked,
        _ => origins,
    };
    let own_address = connection.own_address();
    let exchange = Exchange {
        connection,
        shared,
        camera: number
            .and_then(|number| cameras.get(number))
            .unwrap_or(&cameras[0]),
        cameras: cameras.into(),
        camera_named: target.camera.is_some(),
        grant: None,
        is_stale: false,
        path: target.path,
        head: &head,
        security_headers: access.security_headers(&head, origins, own_address),
        received,
        place: Cell::default(),
    };
    match access.check(&head, origins, own_address) {
        Ok(()) => answer(exchange, route, target.link),
        Err(forbidden) => {
            shared.counters.forbidden.fetch_add(1, Relaxed);
            exchange.send(&forbidden)
        }
    }
}

/// Answers by the request's route, or as there is none, if the client may ask.
fn answer(
    mut exchange: Exchange<'_>,
    route: Result<(&Route, Option<Role>), Answer>,
    link: Option<&str>,
) -> io::Result<Ending> {
    let (head, shared) = (exchange.head, exchange.shared);
    // What is not there is not told to who may see nothing; but browsers say nothing of people before they send a request.
    let needed = match &route {
        Ok((_, role)) => *role,
        Err(_) => Some(Role::View).filter(|_| head.method != Method::Options),
    };
    let from = exchange.connection.address.ip();
    let takes_digest = matches!(&route, Ok((route, _)) if route.takes_digest);
    match login::admit(shared, head, link, from, needed.unwrap_or_default(), takes_digest) {
        Ok(grant) => exchange.grant(grant),
        Err((answer, _)) if needed.is_some() || link.is_some() => return exchange.send(&answer),
        Err((_, is_stale)) => exchange.is_stale = is_stale,
    }
    let route = match route {
        Ok((route, _)) if !exchange.cameras.is_empty() => route,
        none => {
            let answer = none.map_or_else(|answer| answer, |_| routes::nothing_here());
            return exchange.send(&login::ask(&exchange).unwrap_or(answer));
        }
    };
    match route.gives.and_then(|codec| exchange.none_of(codec)) {
        Some(none) => exchange.send(&none),
        None => (route.serve)(&exchange),
    }
}

/// A path for the log, where the token of a view link has no place.
fn without_token(path: &str) -> Cow<'_, str> {
    match path.split_once(LINK) {
        Some((before, _)) => format!("{before}{LINK}...").into(),
        None => path.into(),
    }
}

/// What a path names.
struct Target<'a> {
    /// The token of a view link.
    link: Option<&'a str>,
    /// The camera that it names.
    camera: Option<&'a Arc<CameraSide>>,
    /// The rest behind `base_path` and the name; empty behind one alone.
    path: &'a str,
}

/// Takes the config's `base_path` off the front, then a view link, and then the name of a camera. The addresses below a name stand at the root
/// as well, for the first camera.
fn target<'a>(path: &'a str, shared: &'a Shared) -> Target<'a> {
    let path = strip(path, &shared.settings.base_path).unwrap_or(path);
    let token = |path: &'a str| {
        let rest = path.strip_prefix(LINK)?;
        Some(rest.split_at(rest.find('/')?))
    };
    let (link, path) = token(path).map_or((None, path), |(token, path)| (Some(token), path));
    let mut cameras = shared.cameras.iter();
    let named = cameras.find_map(|camera| {
        let path = strip(path.strip_prefix('/')?, &camera.stream.name)?;
        Some((camera, path))
    });
    Target {
        link,
        camera: named.map(|(camera, _)| camera),
        path: named.map_or(path, |(_, path)| path),
    }
}

/// The rest of a path behind these whole segments.
fn strip<'a>(path: &'a str, front: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(front)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Answers where there is no good head.
fn refuse(connection: &Connection, shared: &Shared, answer: &Answer) -> io::Result<Ending> {
    shared.counters.bad_requests.fetch_add(1, Relaxed);
    let mut bytes = answer.head(shared.access.default_headers(), false);
    bytes.extend_from_slice(&answer.body);
    connection.write(&bytes)?;
    Ok(Ending::Refused)
}

fn answer_to_bad(bad: Bad) -> Answer {
    match bad {
        Bad::Request(why) => Answer::text("400 Bad Request", why),
        Bad::TargetTooLong => Answer::text("414 URI Too Long", "The address is too long"),
        Bad::TooLarge => Answer::text(
            "431 Request Header Fields Too Large",
            "The request has too many or too long header fields",
        ),
        Bad::Version => Answer::text(
            "505 HTTP Version Not Supported",
            "This server speaks HTTP/1.1 and HTTP/1.0",
        ),
    }
}

/// How reading a head came out.
enum Incoming {
    Head(Box<Head>),
    Bad(Bad),
    TimedOut,
    Ended,
}

/// Reads one head; what came behind it stays in `received`.
fn read_head(connection: &Connection, received: &mut Vec<u8>, first: bool) -> Incoming {
    let mut deadline = Instant::now()
        + if first || !received.is_empty() {
            HEAD_TIME
        } else {
            IDLE_TIME
        };
    if !received.is_empty() {
        connection.enter(Phase::Head);
    }
    let mut buffer = [0; 2048];
    loop {
        match head::parse(received) {
            Ok(Some((head, length))) => {
                received.drain(..length);
                return Incoming::Head(Box::new(head));
            }
            Ok(None) => {}
            Err(bad) => return Incoming::Bad(bad),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Incoming::TimedOut;
        }
        let most = (HEAD_BYTES - received.len()).clamp(1, buffer.len());
        match connection.read_within(&mut buffer[..most], left) {
            Input::Bytes(n) => {
                if received.is_empty() && !first {
                    connection.enter(Phase::Head);
                    deadline = Instant::now() + HEAD_TIME;
                }
                received.extend_from_slice(&buffer[..n]);
            }
            Input::Nothing => {}
            Input::Ended => return Incoming::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn whole_segments_are_taken_off() {
        for (path, front, rest) in [
            ("/cam/ws", "/cam", Some("/ws")),
            ("/cam/", "/cam", Some("/")),
            ("/cam", "/cam", Some("")),
            ("/camera", "/cam", None),
            ("/a/b/ws", "/a/b", Some("/ws")),
            ("/ws", "", Some("/ws")),
            ("*", "", None),
        ] {
            assert_eq!(strip(path, front), rest, "{path}");
        }
    }
}
