//! A camera's controls: what there are, set by those who may, kept for the next start.

use super::answer::{Answer, Rejection};
use super::exchange::{Ending, Exchange, JSON_BYTES};
use super::head::Method;
use crate::config::Role;
use crate::controls::{Answered, Control, THRESHOLD, Wish, list_json, same};
use crate::error::Result as Done;
use crate::format::json::{Object, Value};
use crate::stream::{Condition, Stream};
use std::io;
use std::time::{Duration, Instant};

/// A camera that sulks answers, or gives up, within five seconds.
const ANSWER_TIME: Duration = Duration::from_secs(6);
/// What is asked of it before it is open waits this long.
const OPENING_LOOK: Duration = Duration::from_millis(50);

/// Tells of the controls, or sets them: `{"brightness":140,"auto_exposure":"Manual Mode"}`.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    exchange.end(match exchange.head.method {
        Method::Post => set(exchange),
        _ => Ok(report(exchange, &look(exchange), None)),
    })
}

/// Keeps what was set for the next start.
///
/// # Errors
/// Those of [`serve`].
pub fn keep(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let stream = &exchange.camera.stream;
    exchange.end(after(exchange, &|| stream.controls.keep(&stream.name)))
}

/// Keeps nothing any more.
///
/// # Errors
/// Those of [`serve`].
pub fn forget(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let stream = &exchange.camera.stream;
    exchange.end(after(exchange, &|| stream.controls.forget(&stream.name)))
}

fn after(exchange: &Exchange<'_>, change: &dyn Fn() -> Done<()>) -> Result<Answer, Rejection> {
    // What is not read would be taken for the next request.
    exchange.body(JSON_BYTES)?;
    change().map_err(|e| Answer::text("503 Service Unavailable", e.for_clients()))?;
    Ok(report(exchange, &look(exchange), None))
}

fn look(exchange: &Exchange<'_>) -> Answered {
    ask(&exchange.camera.stream, Vec::new())
}

/// Asks for these values, or for a look, and waits for what comes of it.
fn ask(stream: &Stream, wishes: Vec<(String, Wish)>) -> Answered {
    if stream.controls.restarts() {
        stream.controls.set_later(wishes);
        stream.wake();
        return stream.controls.known(0);
    }
    let deadline = Instant::now() + ANSWER_TIME;
    // A page asks while its camera is being opened for it.
    let waits = || {
        let is_coming = match stream.state().condition {
            Condition::Starting => true,
            Condition::Asleep => stream.viewer_count() > 0,
            _ => false,
        };
        is_coming && !stream.stopping() && Instant::now() < deadline
    };
    while !stream.controls.is_open() && waits() {
        std::thread::sleep(OPENING_LOOK);
    }
    if !stream.controls.is_open() {
        stream.controls.set_later(wishes);
        return stream.controls.known(0);
    }
    let ticket = stream.controls.ask(wishes);
    stream.wake();
    let left = deadline.saturating_duration_since(Instant::now());
    stream.controls.answer(ticket, left)
}

fn set(exchange: &Exchange<'_>) -> Result<Answer, Rejection> {
    let Value::Object(members) = exchange.json()? else {
        let text = "This takes an object: {\"brightness\":140}";
        return Err(Answer::text("400 Bad Request", text).into());
    };
    let stream = &exchange.camera.stream;
    let mut known = stream.controls.known(0).controls;
    if known.is_empty() || members.iter().any(|(name, _)| find(&known, name).is_none()) {
        known = look(exchange).controls;
    }
    let nothing = || {
        let why = trouble(stream, false).unwrap_or_default();
        Answer::text("409 Conflict", format!("Nothing is set: {why}"))
    };
    if known.is_empty() {
        return Err(nothing().into());
    }
    let has_own_alone = are_own(&known);
    let mut wishes = Vec::new();
    for (name, value) in members {
        let control = find(&known, &name).ok_or_else(|| match has_own_alone {
            true => nothing(),
            // It may be anything; it goes to who sent it.
            false => Answer::text("404 Not Found", format!("There is no control {name:?} here")),
        })?;
        let wish = match value {
            Value::Null => Wish::Reset,
            Value::Bool(on) => Wish::Number(on.into()),
            Value::Int(number) => Wish::Number(number),
            Value::Text(text) => Wish::Text(text),
            Value::Decimal(_) | Value::Array(_) | Value::Object(_) => {
                let text = format!("{name:?} takes a whole number, a text, true, false or null");
                return Err(Answer::text("400 Bad Request", text).into());
            }
        };
        wishes.push((control.name.clone(), wish));
    }
    let names: Vec<String> = wishes.iter().map(|(name, _)| name.clone()).collect();
    let (own, wishes): (Vec<_>, Vec<_>) = wishes.into_iter().partition(|(name, _)| name == THRESHOLD);
    // Nothing is asked of the camera then, which may take its time.
    let is_own = wishes.is_empty() && !own.is_empty();
    for (_, wish) in own {
        stream.controls.set_threshold(match wish {
            Wish::Reset => None,
            Wish::Number(number) => Some(number.to_string()),
            Wish::Text(text) => Some(text),
        });
    }
    // Somebody else may set it just now: what was noted last holds.
    while let Some(threshold) = stream.controls.threshold() {
        stream.motion.set_threshold(threshold);
        if stream.controls.threshold() == Some(threshold) {
            break;
        }
    }
    let answered = match is_own {
        true => stream.controls.known(0),
        false => ask(stream, wishes),
    };
    let mut refused = Object::new();
    for name in &names {
        let why = answered.refused.iter().find(|(other, _)| other == name);
        let why = match why {
            Some((_, why)) => why,
            None if !answered.done => {
                "is not set yet: the camera does not answer; it is set as soon as it does"
            }
            None => continue,
        };
        refused.text(name, why);
    }
    Ok(report(exchange, &answered, Some(refused.end())))
}

/// True if none of them is the camera's.
fn are_own(controls: &[Control]) -> bool {
    controls.iter().all(|control| control.name == THRESHOLD)
}

/// The control of this name, or of one that it had before.
fn find<'a>(controls: &'a [Control], name: &str) -> Option<&'a Control> {
    let exactly = controls.iter().find(|control| control.name == name);
    exactly.or_else(|| controls.iter().find(|control| same(&control.name, name)))
}

/// Why nothing can be changed now, or only later.
fn trouble(stream: &Stream, known: bool) -> Option<String> {
    let state = stream.state();
    match state.condition {
        Condition::Asleep if known => {
            Some("the camera is asleep; what is changed is set when it wakes up".into())
        }
        Condition::Asleep => Some("the camera is asleep; its controls show when somebody watches".into()),
        Condition::Lost | Condition::Refused if known => Some(format!(
            "the camera is not there ({}); what is changed is set when it is",
            state.why
        )),
        Condition::Lost | Condition::Refused => Some(format!("the camera is not there ({})", state.why)),
        _ if known || stream.controls.is_open() || stream.controls.restarts() => None,
        Condition::Starting => Some("the camera is being opened".into()),
        _ => Some("this camera has no controls that can be set from here".into()),
    }
}

fn report(exchange: &Exchange<'_>, answered: &Answered, refused: Option<String>) -> Answer {
    let stream = &exchange.camera.stream;
    let role = exchange.grant.as_ref().map(|grant| grant.rights().role);
    let may_not = exchange.may_control().err();
    let controls = &answered.controls;
    let known = !controls.is_empty();
    // The threshold, which is the program's own, is set whatever the camera does.
    let has_own_alone = known && are_own(controls);
    let trouble = trouble(stream, known).filter(|_| !has_own_alone);
    let writable = may_not.is_none() && (known || trouble.is_none());
    let why = may_not.map(Into::into).or(trouble).unwrap_or_default();
    let can_keep = stream.controls.can_keep() && role == Some(Role::Admin);
    let mut answer = Object::new();
    answer
        .member("controls", list_json(&answered.controls))
        .member("writable", writable)
        .text("why", &why)
        .member("can_keep", can_keep)
        .member("restarts", stream.controls.restarts());
    if let Some(refused) = refused {
        answer.member("refused", refused);
    }
    Answer::fresh("application/json", answer.end().into_bytes())
}
