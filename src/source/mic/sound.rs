//! The sound beside a camera: frames that go on whatever becomes of the microphone, once there was one.

use super::cards;
use super::microphone::{Block, Microphone};
use super::servo::{FRAME, Servo};
use crate::config::MicName;
use crate::error::{Error, Result};
use crate::sys::clock::monotonic_us;
use crate::sys::poll::{poll, readable};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// A microphone that gives nothing for so long is opened anew.
const STALL_US: u64 = 500_000;
/// One that is lost is looked for so often.
const RETRY_US: u64 = 1_000_000;
/// In the meantime there is silence, so much at a time.
const SILENCE_US: u64 = 20_000;

/// What happened.
#[derive(Debug)]
pub enum Heard<'a> {
    /// There is a microphone, of so many samples a second and channels: frames of these come from now on.
    Opened(u32, usize),
    /// Its first samples have come. How it captures, in words.
    Begun(&'a str),
    /// [`FRAME`] samples of each channel, and the time of the first, by CLOCK_MONOTONIC in microseconds.
    Frame(&'a [i16], u64),
    /// There is no microphone, or none any more.
    Lost(Error),
}

/// A microphone that is opened, listened to, and opened again when it was lost.
pub struct Sound {
    name: MicName,
    gain_db: i8,
    microphone: Option<Microphone>,
    /// Made with the first microphone, if not before.
    servo: Option<Servo>,
    block: Vec<i16>,
    frame: Vec<i16>,
    /// It has given samples.
    has_begun: bool,
    /// When samples came last.
    heard_us: u64,
    /// Since then there was an overrun.
    overrun: bool,
    retry_at_us: u64,
}

impl Sound {
    /// Opens nothing yet.
    pub fn new(name: MicName, gain_db: i8) -> Sound {
        Sound {
            name,
            gain_db,
            microphone: None,
            servo: None,
            block: Vec::new(),
            frame: Vec::new(),
            has_begun: false,
            heard_us: 0,
            overrun: false,
            retry_at_us: 0,
        }
    }

    /// Has frames of so many samples a second and channels come from that time on, if they do not come already: silence until there is
    /// a microphone.
    pub fn begin(&mut self, rate: u32, channels: usize, now_us: u64) {
        let goes_on = |servo: &Servo| servo.fits(rate, channels);
        if !self.servo.as_ref().is_some_and(goes_on) {
            self.servo = Some(Servo::new(rate, channels, now_us));
            self.frame.resize(FRAME * channels, 0);
        }
    }

    /// Waits for the microphone, or for what can be read at `wake`, and hands over what came. Unless it `may_open` the
    /// microphone, there is silence.
    pub fn poll(&mut self, wake: BorrowedFd<'_>, may_open: bool, sink: &mut dyn FnMut(Heard<'_>)) {
        let now_us = monotonic_us();
        let most_us = match (&self.microphone, &self.servo) {
            (Some(_), _) => STALL_US,
            (None, None) if may_open => self.retry_at_us.saturating_sub(now_us),
            (None, _) => SILENCE_US,
        };
        let mut files = vec![readable(wake)];
        files.extend(
            self.microphone
                .as_ref()
                .map(|microphone| readable(microphone.as_fd())),
        );
        // Where it fails, the microphone tells why.
        _ = poll(&mut files, Some(Duration::from_micros(most_us)));
        let now_us = monotonic_us();
        if let Err(e) = self.listen(now_us, may_open, sink) {
            sink(Heard::Lost(e));
            self.microphone = None; // its driver may take its time
            self.retry_at_us = now_us + RETRY_US;
        }
        if let Some(servo) = &mut self.servo {
            if self.microphone.is_none() {
                servo.silence_until(now_us);
            }
            while let Some(time_us) = servo.frame(&mut self.frame) {
                sink(Heard::Frame(&self.frame, time_us));
            }
        }
    }

    fn listen(&mut self, now_us: u64, may_open: bool, sink: &mut dyn FnMut(Heard<'_>)) -> Result<()> {
        let Some(microphone) = &mut self.microphone else {
            if may_open && now_us >= self.retry_at_us {
                let microphone = Microphone::open(&cards::find(&self.name)?, self.gain_db)?;
                let (rate, channels) = (microphone.rate, microphone.channels);
                self.microphone = Some(microphone);
                sink(Heard::Opened(rate, channels));
                self.begin(rate, channels, now_us);
                (self.heard_us, self.overrun, self.has_begun) = (monotonic_us(), false, false);
            }
            return Ok(());
        };
        match microphone.read(&mut self.block)? {
            Block::At(first_us) => {
                (self.heard_us, self.overrun) = (now_us, false);
                if !mem::replace(&mut self.has_begun, true) {
                    sink(Heard::Begun(&microphone.words));
                }
                if let Some(servo) = &mut self.servo {
                    servo.push(&self.block, first_us);
                }
            }
            // We were held up, and so it is no silence of the microphone's.
            Block::Lost if !self.overrun => {
                (self.heard_us, self.overrun) = (now_us, true);
                if let Some(servo) = &mut self.servo {
                    servo.lost();
                }
            }
            Block::Lost | Block::Nothing if now_us.saturating_sub(self.heard_us) >= STALL_US => {
                return Err(microphone.stalled());
            }
            Block::Lost | Block::Nothing => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::event::Event;

    #[test]
    fn without_a_microphone_there_is_a_reason_and_no_frame() {
        let wake = Event::new().unwrap();
        wake.raise();
        let mut sound = Sound::new(MicName::parse("hw:no-such-card").unwrap(), 0);
        let mut heard = Vec::new();
        sound.poll(wake.as_fd(), false, &mut |what| heard.push(format!("{what:?}")));
        assert_eq!(heard, [""; 0]);
        for _ in 0..10 {
            sound.poll(wake.as_fd(), true, &mut |what| heard.push(format!("{what:?}")));
        }
        // The next try is a second later.
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(
            heard[0].starts_with("Lost") && heard[0].contains("hw:no-such-card"),
            "{heard:?}"
        );
    }
}
