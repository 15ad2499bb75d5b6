//! View links: makes them, and ends all of them.

use super::answer::{Answer, Rejection};
use super::exchange::{Ending, Exchange};
use crate::format::json::{Object, Value};
use crate::people::Link;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// A request may have this many bytes.
const BODY_BYTES: usize = 4096;

/// Makes a link to the camera that is named, or to all: `{"seconds":3600}` is the time that it holds, which is without end
/// where nothing is said of it.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn make(exchange: &Exchange<'_>) -> io::Result<Ending> {
    exchange.end(link(exchange))
}

fn link(exchange: &Exchange<'_>) -> Result<Answer, Rejection> {
    let bad = || {
        Answer::text(
            "400 Bad Request",
            "This takes {\"seconds\":N}, or {} for a link without end",
        )
    };
    let seconds = match exchange.json(BODY_BYTES)?.member("seconds") {
        None | Some(Value::Null) => None,
        Some(Value::Int(seconds)) if *seconds > 0 => Some(*seconds as u64),
        Some(_) => return Err(bad().into()),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = seconds.map(|seconds| now.as_secs().saturating_add(seconds));
    let name = &exchange.camera.stream.name;
    let (camera, up, down) = match (exchange.camera_named, exchange.shared.cameras.len()) {
        (true, _) => (name.clone(), "../", format!("{name}/")),
        (false, 1) => (name.clone(), "", String::new()),
        (false, _) => (String::new(), "", String::new()),
    };
    let token = exchange.shared.people.link(&Link {
        camera,
        expiry: end.unwrap_or_default(),
    });
    // From where it was asked for: a proxy may have taken a path away.
    let answer = Object::new()
        .text("path", &format!("{up}t/{token}/{down}"))
        .member("expires", end.map_or("null".into(), |end| end.to_string()));
    Ok(Answer::fresh("application/json", answer.end().into_bytes()))
}

/// Ends all links that were ever made, and the streams of who came by one.
///
/// # Errors
/// Those of [`make`].
pub fn end_all(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let shared = exchange.shared;
    let answer = match shared.people.end_links() {
        Ok(()) => {
            shared.end_what_is_not_allowed();
            Answer::no_content()
        }
        Err(e) => Answer::text("500 Internal Server Error", e.for_clients()),
    };
    exchange.send(&answer)
}
