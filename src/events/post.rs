//! Has who the config names be told of events: sends them to a URL, or runs a command. Each recipient has a thread of its own, so
//! that one that hangs holds up nobody else.

use super::bus::{Events, Outcome, Recipient, Way};
use super::event::Event;
use super::run::run;
use crate::config::Camera;
use crate::error::{Error, Result};
use crate::format::url::Url;
use crate::{log_info, log_warning, request, threads};
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// The stack of a recipient's thread: the C library that looks names up wants more than others do.
const STACK_BYTES: usize = 256 << 10;
/// A receiver has so long to take an event and to say so.
const LIMIT: Duration = Duration::from_secs(5);
/// Where it did not, it is tried again so much later: time for it to start anew.
const AGAIN: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];
/// So much of an answer tells what it is: `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

/// Has these cameras' events told to whom their config says, and to nobody else.
///
/// # Errors
/// No thread is to be had for one of them.
pub fn change_recipients(events: &Arc<Events>, cameras: &[Camera]) -> Result<()> {
    let mut recipients = Vec::new();
    for camera in cameras {
        let url = camera.event_url.clone().map(Way::Url);
        let command = Some(camera.event_command.clone()).filter(|line| !line.is_empty());
        let recorded = Some(camera.record_done_command.clone()).filter(|line| !line.is_empty());
        let commands = command
            .map(Way::Command)
            .into_iter()
            .chain(recorded.map(Way::Recorded));
        for way in url.into_iter().chain(commands) {
            recipients.push(Recipient {
                camera: camera.name.clone(),
                way,
            });
        }
    }
    for (number, recipient) in events.change_recipients(recipients) {
        let events = Arc::clone(events);
        let tell = Box::new(move || tell(&events, number, &recipient));
        threads::spawn("events", STACK_BYTES, tell)
            .map_err(|e| Error::new("events", "can't make a thread", e))?;
    }
    Ok(())
}

/// Tells one recipient until there is nothing more to tell.
fn tell(events: &Events, number: u64, recipient: &Recipient) {
    let mut trouble = Trouble::default();
    while let Some(event) = events.take(number) {
        let is_told = match &recipient.way {
            Way::Url(url) => send(events, number, url, &event, &mut trouble),
            Way::Command(line) | Way::Recorded(line) => {
                run(line, &event).map_err(|e| trouble.say(&event, &e)).is_ok()
            }
        };
        let outcome = match is_told {
            true => Outcome::Delivered,
            false => Outcome::Failed,
        };
        events.count(recipient, outcome);
        if is_told && mem::take(&mut trouble).0 {
            log_info!("{}: events are taken again", event.camera);
        }
    }
}

/// A recipient's failures in a row, of which the first is in the log.
#[derive(Default)]
struct Trouble(bool);

impl Trouble {
    fn say(&mut self, event: &Event, e: &Error) {
        if !mem::replace(&mut self.0, true) {
            log_warning!("{}: {e}", event.camera);
        }
    }
}

/// Sends one event, some times if need be; true if it was taken.
fn send(events: &Events, number: u64, url: &Url, event: &Event, trouble: &mut Trouble) -> bool {
    let mut waits = AGAIN.iter();
    loop {
        let Err((why, may_pass)) = send_once(url, event) else {
            return true;
        };
        let on = format!("event_url at {}", url.authority);
        trouble.say(
            event,
            &Error::new(on, format!("can't tell it of {:?}", event.kind), why),
        );
        let wait = waits.next().filter(|_| may_pass);
        if !wait.is_some_and(|time| events.rest(number, *time)) {
            return false;
        }
    }
}

/// Sends one event once; or says why it was not taken, and whether that may pass.
fn send_once(url: &Url, event: &Event) -> std::result::Result<(), (String, bool)> {
    let no_answer = |e| (request::why(&e, LIMIT), true);
    let addresses = request::look_up(&url.host, url.port).map_err(|e| (not_found(&url.host, &e), true))?;
    let authorization = match &url.authorization {
        Some(value) => format!("Authorization: {value}\r\n"),
        None => String::new(),
    };
    let path = if url.path.is_empty() { "/" } else { &url.path };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: fmp4streamer\r\n{authorization}Content-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{}",
        url.authority,
        event.text.len(),
        event.text
    );
    let answer = request::ask(&addresses, request.as_bytes(), STATUS_BYTES, LIMIT).map_err(no_answer)?;
    let status = answer.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
    match status {
        Some([b'2', ..]) => Ok(()),
        // It is not there, or not ready: a proxy before it may say so.
        None | Some([b'5', ..] | b"408" | b"429") => Err((said(status), true)),
        Some([b'3', ..]) => Err((
            format!("{}; event_url has to be where that leads", said(status)),
            false,
        )),
        Some(_) => Err((said(status), false)),
    }
}

/// Why there is no address.
fn not_found(host: &str, e: &io::Error) -> String {
    let hint = match host.ends_with(".local") {
        true => "; write its address there: names in .local are not asked of the neighbours",
        false => "",
    };
    format!("{e}{hint}")
}

fn said(status: Option<&[u8]>) -> String {
    match status {
        Some(status) => format!("its answer is {}", status.escape_ascii()),
        None => "its answer is no HTTP".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::not_found;
    use std::io;

    #[test]
    fn who_wrote_a_name_of_the_neighbours_is_told() {
        let e = io::Error::other("no such name");
        assert_eq!(not_found("pi.example", &e), "no such name");
        assert_eq!(
            not_found("homeassistant.local", &e),
            "no such name; write its address there: names in .local are not asked of the neighbours"
        );
    }
}
