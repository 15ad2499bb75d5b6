//! One client's thread: answers its requests, until one of them has it play.

use super::play;
use super::session::{Session, Then};
use crate::serve::{Connection, Ending, Protocol, Shared};
use crate::sys::sock::Input;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// RTSP.
pub const RTSP: Protocol = Protocol {
    scheme: "rtsp",
    version: *b"RTSP/1.0",
    converse,
};

/// A client has so long for all that comes before PLAY: one that has a camera described keeps it awake.
const BEFORE_PLAY: Duration = Duration::from_secs(10);

/// Answers one client until it leaves.
fn converse(connection: &Arc<Connection>, shared: &Shared) -> io::Result<Ending> {
    let mut session = Session::new(connection, shared)?;
    let deadline = Instant::now() + BEFORE_PLAY;
    let mut buffer = [0; 2048];
    loop {
        while let Some((answer, then)) = session.answer() {
            connection.write(answer.as_bytes())?;
            match then {
                Then::End => return Ok(Ending::Answered),
                Then::Play => return play::serve(&mut session),
                Then::Next | Then::Pause => {}
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Ending::Idle);
        }
        match connection.read_within(&mut buffer, left) {
            Input::Bytes(bytes) => session.reader.take(&buffer[..bytes]),
            Input::Nothing => {}
            Input::Ended => return Ok(Ending::Left),
        }
    }
}
