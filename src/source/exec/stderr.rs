//! What a command writes to its standard error goes to the log.

use super::stage::Stages;
use crate::{log_info, log_verbose};
use std::time::{Duration, Instant};

/// The log of a command's standard error: line by line, but not more than is fit to be read.
pub(super) struct StderrLog {
    line: Vec<u8>,
    last: String,
    /// Lines that may still be logged now, ...
    pub allowed: u32,
    /// ... counted up since then.
    refilled: Instant,
    left_out: u64,
    /// Those of rpicam-vid; another command may say the like and mean something else.
    pub stages: Option<Stages>,
    /// What these said, and nobody took yet: whether something moves.
    pub moves: Vec<bool>,
}

impl StderrLog {
    /// Lines that are logged at once, ...
    const BURST: u32 = 20;
    /// ... and one more for each time that this passes: `rpicam-vid` says a line with every frame.
    const REFILL: Duration = Duration::from_secs(5);
    /// A line is cut here.
    const LINE_BYTES: usize = 500;

    pub fn new(now: Instant) -> StderrLog {
        StderrLog {
            line: Vec::new(),
            last: String::new(),
            allowed: Self::BURST,
            refilled: now,
            left_out: 0,
            stages: Some(Stages::default()),
            moves: Vec::new(),
        }
    }

    /// Takes what the command of that name wrote.
    pub fn add(&mut self, name: &str, bytes: impl Iterator<Item = u8>, now: Instant) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(name, now),
                // A line that is written over again and again, such as the progress of ffmpeg.
                b'\r' => {
                    let progress = text(&self.line);
                    if !progress.is_empty() {
                        log_verbose!("{name}: {progress}");
                    }
                    self.line.clear();
                }
                _ if self.line.len() < Self::LINE_BYTES => self.line.push(byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self, name: &str, now: Instant) {
        let line = text(&self.line);
        self.line.clear();
        if line.is_empty() {
            return;
        }
        if let Some(moves) = self.stages.as_mut().and_then(|stages| stages.read(&line)) {
            self.moves.push(moves);
            return log_verbose!("{name}: {line}");
        }
        while self.allowed < Self::BURST && now.saturating_duration_since(self.refilled) >= Self::REFILL {
            self.allowed += 1;
            self.refilled += Self::REFILL;
        }
        if self.allowed == 0 {
            self.left_out += 1;
        } else {
            if self.allowed == Self::BURST {
                self.refilled = now;
            }
            self.allowed -= 1;
            match std::mem::take(&mut self.left_out) {
                0 => log_info!("{name}: {line}"),
                lines => log_info!("{name}: ({lines} lines left out) {line}"),
            }
        }
        self.last = line;
    }

    /// The last line, whether it is finished or not.
    pub fn last_line(&self) -> String {
        let unfinished = text(&self.line);
        if unfinished.is_empty() {
            self.last.clone()
        } else {
            unfinished
        }
    }
}

/// The line without control characters, which could play tricks on a terminal.
pub fn text(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chatter_is_bounded() {
        let start = Instant::now();
        let mut log = StderrLog::new(start);
        let mut hear = |text: &str, after_s: u64| {
            log.add("test", text.bytes(), start + Duration::from_secs(after_s));
            (log.allowed, log.left_out, log.last_line())
        };
        assert_eq!(
            hear("one\n\n  \r\ntwo\nthr", 0),
            (StderrLog::BURST - 2, 0, "thr".into())
        );
        assert_eq!(
            hear("ee\n frame 1\r frame 2\r", 0),
            (StderrLog::BURST - 3, 0, "three".into())
        );
        assert_eq!(hear(&"x\n".repeat(100), 0), (0, 83, "x".into()));
        assert_eq!(hear("y\n", 4), (0, 84, "y".into()));
        // One more by now, and it counts the others.
        assert_eq!(hear("\x1b[31mz\n", 5), (0, 0, "[31mz".into()));
        assert_eq!(hear("z\n", 3600).0, StderrLog::BURST - 1);
        assert_eq!(
            hear(&"long".repeat(1_000_000), 3600).2.len(),
            StderrLog::LINE_BYTES
        );
    }
}
