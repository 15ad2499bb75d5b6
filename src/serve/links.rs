//! View links: makes them, and ends all of them.

use super::answer::{Answer, Rejection};
use super::exchange::{Ending, Exchange};
use crate::format::json::{Object, Value};
use crate::people::Link;
use crate::sys::clock;
use std::io;

/// Makes a link to the camera that is named, or to all: `{"seconds":3600}` is the time that it holds, which is without end
/// where nothing is said of it.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn make(exchange: &Exchange<'_>) -> io::Result<Ending> {
    exchange.end(link(exchange))
}

fn link(exchange: &Exchange<'_>) -> Result<Answer, Rejection> {
    let asked = exchange.json()?;
    let members = match &asked {
        Value::Object(members) => Some(&**members),
        _ => None,
    };
    // What is not understood could have been an end.
    let end = match members {
        Some([]) => None,
        Some([(name, Value::Int(seconds))]) if name == "seconds" && *seconds > 0 => {
            Some(clock::unix().as_secs().saturating_add(*seconds as u64))
        }
        _ => {
            let text = "This takes {\"seconds\":N}, or {} for a link without end";
            return Err(Answer::text("400 Bad Request", text).into());
        }
    };
    let name = &exchange.camera.stream.name;
    let grant = exchange.grant.as_ref();
    let sees_all = grant.is_some_and(|grant| grant.rights().cameras.is_empty());
    let (camera, up, down) = match (exchange.camera_named, &*exchange.cameras) {
        (true, _) => (name.clone(), "../", format!("{name}/")),
        (false, [_]) => (name.clone(), "", String::new()),
        (false, _) if sees_all => (String::new(), "", String::new()),
        (false, _) => {
            let text = "A link for all cameras would show more than you may see; ask at /NAME/links for one of yours";
            return Err(Answer::text("403 Forbidden", text).into());
        }
    };
    let token = exchange.shared.people.link(&Link {
        camera,
        expiry: end.unwrap_or_default(),
    });
    // From where it was asked for: a proxy may have taken a path away.
    let answer = Object::new()
        .text("path", &format!("{up}t/{token}/{down}"))
        .number_or_null("expires", end)
        .end();
    Ok(Answer::fresh("application/json", answer.into_bytes()))
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
