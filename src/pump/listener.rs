//! The thread that listens to a camera's microphone while the camera is open, and codes what it hears.

use crate::config::{Camera, MicName};
use crate::format::aac::{self, Encoder};
use crate::format::fmp4::{SoundFormat, SoundFrame};
use crate::source::mic::{Heard, Sound};
use crate::stream::Stream;
use crate::sys::clock;
use crate::sys::event::Event;
use crate::{log_info, log_warning, threads};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use std::{mem, thread};

const STACK_BYTES: usize = 256 * 1024;
/// A camera's first picture waits so long for its microphone: a recording that begins without sound ends where sound comes.
const FIRST_WAIT: Duration = Duration::from_millis(300);
const FIRST_LOOK: Duration = Duration::from_millis(5);
/// Where the last listener has not closed the microphone after so long, it is said.
const CLOSING: Duration = Duration::from_secs(1);
/// Bits a second, for one channel and for two.
const BIT_RATES: [u32; 2] = [64_000, 112_000];

/// The microphone's name, if it is not the test picture that makes the sound by itself.
pub(super) fn name(camera: &Camera) -> Option<&MicName> {
    camera.mic.as_ref().filter(|name| **name != MicName::Test)
}

/// A thread that listens, until this is dropped. It closes the microphone then, and the pump does not wait for that: a driver
/// may hang.
pub(super) struct Listener {
    stop: Arc<Stop>,
    stream: Arc<Stream>,
}

/// Says to a listener's thread that it ends. The thread has one of it for as long as it may have the microphone.
pub(super) struct Stop {
    stopped: AtomicBool,
    /// It is known whether there is a microphone.
    answered: AtomicBool,
    event: Event,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.stopped.store(true, Relaxed);
        self.stop.event.raise();
        self.stream.publish(|state| state.mic = Default::default());
    }
}

impl Listener {
    /// Listens to the microphone that the config has for the camera, unless there are JPEG pictures; None if it has none. `last`
    /// is the listener before this one, which may not have closed the microphone yet.
    pub fn start(
        stream: &Arc<Stream>,
        camera: &Camera,
        is_jpeg: bool,
        last: &mut Weak<Stop>,
    ) -> Option<Listener> {
        let name = name(camera)?.clone();
        let stop = Arc::new(Stop {
            stopped: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            event: Event::new().ok()?,
        });
        let listener = Listener {
            stop: Arc::clone(&stop),
            stream: Arc::clone(stream),
        };
        if is_jpeg {
            let why = format!("{name}: not opened: JPEG pictures have no sound");
            stream.publish(|state| state.mic = [String::new(), why]);
            return Some(listener);
        }
        let (is_first, begun) = (stream.ring.sound().is_none(), Instant::now());
        let (stream, gain_db) = (Arc::clone(stream), camera.mic_gain);
        let last = mem::replace(last, Arc::downgrade(&stop));
        let run = Box::new(move || run(&stream, name, gain_db, &last, &stop));
        if let Err(e) = threads::spawn("mic", STACK_BYTES, run) {
            log_warning!("{}: no thread for its microphone: {e}", camera.name);
            return None;
        }
        while is_first && !listener.stop.answered.load(Relaxed) && begun.elapsed() < FIRST_WAIT {
            thread::sleep(FIRST_LOOK);
        }
        Some(listener)
    }
}

/// Codes frames of one format.
struct Coder {
    encoder: Encoder,
    format: SoundFormat,
    /// How far what a frame decodes to is before the samples that it was made of.
    delay_us: u64,
}

impl Coder {
    fn new(rate: u32, channels: u8) -> Option<Coder> {
        // Of what a low rate has, so many bits are enough.
        let enough = (rate * u32::from(channels) * 2).max(32_000);
        let bit_rate = BIT_RATES[usize::from(channels > 1)].min(enough);
        Some(Coder {
            encoder: Encoder::new(rate, channels, bit_rate)?,
            format: SoundFormat::new(rate, channels)?,
            delay_us: aac::DELAY as u64 * 1_000_000 / u64::from(rate),
        })
    }

    fn code(&mut self, samples: &[i16], time_us: u64) -> SoundFrame {
        let mut data = Vec::new();
        self.encoder.encode(samples, &mut data);
        SoundFrame {
            time_us: time_us.saturating_sub(self.delay_us),
            data,
        }
    }
}

fn run(stream: &Stream, name: MicName, gain_db: i8, last: &Weak<Stop>, stop: &Stop) {
    let mut sound = Sound::new(name, gain_db);
    // What was declared goes on, be it as silence.
    let declared = stream.ring.sound();
    let mut coder = declared.and_then(|format| Coder::new(format.rate, format.channels));
    if let Some(coder) = &coder {
        sound.begin(
            coder.format.rate,
            coder.format.channels.into(),
            clock::monotonic_us(),
        );
    }
    // What was said of the microphone is taken back when the listener is dropped, and then it stays so.
    let publish = |mic: [String; 2]| {
        stream.publish(|state| {
            if !stop.stopped.load(Relaxed) {
                state.mic = mic;
            }
        });
    };
    let (mut told, begun) = (String::new(), Instant::now());
    while !stop.stopped.load(Relaxed) {
        let may_open = last.strong_count() == 0;
        if !may_open && told.is_empty() && begun.elapsed() > CLOSING {
            told = "the microphone's driver has not closed it yet".into();
            publish([String::new(), told.clone()]);
        }
        sound.poll(stop.event.as_fd(), may_open, &mut |heard| match heard {
            _ if stop.stopped.load(Relaxed) => {}
            Heard::Opened(rate, channels) => {
                let format = (rate, channels as u8);
                let is_coded = |coder: &Coder| (coder.format.rate, coder.format.channels) == format;
                if !coder.as_ref().is_some_and(is_coded) {
                    coder = Coder::new(format.0, format.1);
                    stream.ring.set_sound(coder.as_ref().map(|coder| coder.format));
                    stream.request_key_frame();
                }
                stop.answered.store(true, Relaxed);
            }
            Heard::Begun(words) => {
                told.clear();
                publish([words.into(), String::new()]);
                log_info!("{}: its microphone is heard: {words}", stream.name);
            }
            Heard::Frame(samples, time_us) => {
                if let Some(coder) = &mut coder {
                    stream.ring.push_sound(coder.code(samples, time_us));
                }
            }
            Heard::Lost(e) => {
                let why = e.for_clients();
                if why != told {
                    log_warning!("{}: {e}", stream.name);
                    publish([String::new(), why.clone()]);
                    told = why;
                }
                stop.answered.store(true, Relaxed);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::ring::Limits;

    const LIMITS: Limits = Limits {
        max_age: Duration::from_secs(1),
        join_max: Duration::from_secs(4),
        join_max_bytes: 1_000_000,
        max_senders: 1,
        hold: Duration::ZERO,
        patience: Duration::ZERO,
    };

    fn start(is_jpeg: bool, last: &mut Weak<Stop>) -> (Arc<Stream>, Listener) {
        let stream = Arc::new(Stream::new("camera0", LIMITS).unwrap());
        let config = Config::parse(b"[/dev/video0]\nmic = hw:no-such-card\n", "f", &[]).unwrap();
        let listener = Listener::start(&stream, &config.cameras[0], is_jpeg, last).unwrap();
        (stream, listener)
    }

    const NONE: &str = "hw:no-such-card: no such microphone";

    fn why_comes(stream: &Stream, why: &str) -> bool {
        (0..600).any(|_| {
            thread::sleep(Duration::from_millis(100));
            stream.state().mic[1].contains(why)
        })
    }

    #[test]
    fn a_microphone_beside_jpeg_pictures_is_left_alone() {
        let mut last = Weak::new();
        let (stream, listener) = start(true, &mut last);
        assert_eq!(
            stream.state().mic,
            ["", "hw:no-such-card: not opened: JPEG pictures have no sound"]
        );
        assert_eq!(last.strong_count(), 0);
        drop(listener);
        assert_eq!(stream.state().mic, ["", ""]);
    }

    #[test]
    fn one_waits_until_the_last_has_closed_the_microphone() {
        let held = Arc::new(Stop {
            stopped: AtomicBool::new(true),
            answered: AtomicBool::new(true),
            event: Event::new().unwrap(),
        });
        let mut last = Arc::downgrade(&held);
        let (stream, listener) = start(false, &mut last);
        assert_eq!(stream.state().mic, ["", ""]);
        assert!(why_comes(&stream, "has not closed it yet"));
        drop(held);
        assert!(why_comes(&stream, NONE));

        // The next one waits for its thread in the same way.
        assert!(last.strong_count() > 0);
        drop(listener);
        let (stream, _listener) = start(false, &mut last);
        assert!(why_comes(&stream, NONE));
    }
}
