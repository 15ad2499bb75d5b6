//! The command that is run at an event.

use super::event::{Event, RECORDED};
use crate::error::{Error, Result};
use crate::sys::command::{Command, Exit, PipeRead};
use std::thread;
use std::time::{Duration, Instant};

/// A command has so long; then it is ended.
const LIMIT: Duration = Duration::from_secs(30);
/// The same of one that gets a recording, which it may have to send far.
const RECORDED_LIMIT: Duration = Duration::from_secs(3600);
/// It is looked at so often.
const LOOK: Duration = Duration::from_millis(20);
/// Reads in one look.
const READS: usize = 128;
/// So much of what it says of itself goes to the log.
const SAID_BYTES: usize = 500;

/// Runs this command to its end, which ends what it leaves behind, too. What happened stands in its environment, never in the
/// command itself.
///
/// # Errors
/// It can't be started, does not end in time, or says by its end that it did not do what it is for.
pub(super) fn run(line: &str, event: &Event) -> Result<()> {
    let (key, file, limit) = match event.kind == RECORDED {
        true => ("record_done_command", &*event.text, RECORDED_LIMIT),
        false => ("event_command", "", LIMIT),
    };
    let failed =
        |why: &dyn std::fmt::Display| Error::new(key, format_args!("failed at {:?}", event.kind), why);
    let variables = [
        ("CAMERA", &*event.camera),
        ("EVENT", &event.kind),
        ("STATE", event.state),
        ("FILE", file),
    ];
    // What it writes is for nobody; what it complains of is for the log.
    let line = format!("exec >/dev/null\n{line}");
    let command = Command::start("/bin/sh", &["-c", &line], &variables);
    let mut command = command.map_err(|e| failed(&e))?;
    let deadline = Instant::now() + limit;
    let mut said = Vec::new();
    let exit = loop {
        let exit = command.exit(Duration::ZERO);
        let mut buffer = [0; 512];
        // It may write without end.
        for _ in 0..READS {
            let Ok(PipeRead::Bytes { count, .. }) = command.read_stderr(&mut buffer) else {
                break;
            };
            let room = SAID_BYTES.saturating_sub(said.len());
            said.extend_from_slice(&buffer[..count.min(room)]);
        }
        match exit {
            Some(exit) => break exit,
            None if Instant::now() >= deadline => {
                return Err(failed(&format_args!(
                    "it did not end within {} s",
                    limit.as_secs()
                )));
            }
            None => thread::sleep(LOOK),
        }
    };
    let why = match exit {
        Exit::Status(0) => return Ok(()),
        Exit::Status(status) => format!("exit status {status}"),
        Exit::Signal(signal) => format!("ended by {signal}"),
    };
    let said = String::from_utf8_lossy(&said);
    Err(failed(&why).with_detail(said.trim_end().replace('\n', "; ")))
}
