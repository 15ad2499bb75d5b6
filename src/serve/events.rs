//! `/events`: what happens at the cameras, as server-sent events (HTML, "Server-sent events"), and marks that others set
//! among it.

use super::answer::{Answer, Rejection};
use super::connection::LOOK_EVERY;
use super::exchange::{Ending, Exchange};
use super::head::Method;
use crate::events::{MARK, OWN, is_kind};
use crate::format::json::{Object, Value};
use std::io;
use std::time::{Duration, Instant};

/// After the head: a client whose connection ends comes back so many milliseconds later.
const RETRY: &str = "retry: 2000\n\n";
/// A line without meaning goes out after so long a silence, so that nobody between takes the connection for dead.
const SILENCE: Duration = Duration::from_secs(15);

/// Sends events until the client leaves, or takes a mark. Who asks is a client and no viewer, and wakes no camera.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    if exchange.head.method == Method::Post {
        return exchange.end(mark(exchange));
    }
    let connection = exchange.connection;
    let begin = exchange.endless_head("text/event-stream", "");
    if exchange.is_head() {
        connection.write(begin.as_bytes())?;
        return Ok(Ending::Answered);
    }
    if let Err(full) = exchange.begin_stream() {
        return exchange.send_last(&full, Ending::Refused);
    }
    let events = &exchange.camera.stream.events;
    let newest = events.newest();
    // A number that is still to come is of a time when the clock was wrong.
    let known = exchange
        .head
        .last_event
        .map(|last| if last > newest { 0 } else { last });
    let mut last = known.unwrap_or(newest);
    connection.write((begin + RETRY).as_bytes())?;
    let mut written = Instant::now();
    while let Some(new) = events.after(last, LOOK_EVERY) {
        let mut text = String::new();
        for event in new {
            last = event.number;
            if exchange
                .cameras
                .iter()
                .any(|camera| camera.stream.name == event.camera)
            {
                text += &format!("event: {}\ndata: {}\nid: {last}\n\n", event.kind, event.text);
            }
        }
        if text.is_empty() && written.elapsed() >= SILENCE {
            text += ":\n\n";
        }
        if !text.is_empty() {
            connection.write(text.as_bytes())?;
            written = Instant::now();
        }
        if connection.has_left() {
            return Ok(Ending::Left);
        }
    }
    Ok(Ending::StreamEnded)
}

/// Takes `{"kind":"door"}`.
fn mark(exchange: &Exchange<'_>) -> Result<Answer, Rejection> {
    let body = exchange.json()?;
    let kind = body.member("kind").and_then(Value::as_text);
    let Some(kind) = kind.filter(|kind| is_kind(kind) && !OWN.contains(kind)) else {
        let text = format!(
            "This takes {{\"kind\":\"door\"}}: a word of up to 32 lower-case letters, digits, _ and -, but not {}",
            OWN.join(" or ")
        );
        return Err(Answer::text("400 Bad Request", text).into());
    };
    let stream = &exchange.camera.stream;
    let id = stream.events.add(&stream.name, kind, MARK, None, "");
    let answer = Object::new()
        .text("camera", &stream.name)
        .text("id", &id.to_string())
        .end();
    Ok(Answer::fresh("application/json", answer.into_bytes()))
}
