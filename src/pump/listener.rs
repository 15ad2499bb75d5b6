//! The thread that listens to a camera's microphone while the camera is open, and codes what it hears.

use crate::config::{Camera, MicName};
use crate::format::aac::{self, Encoder};
use crate::format::fmp4::{SoundFormat, SoundFrame};
use crate::source::mic::{Heard, Microphone, Sound};
use crate::stream::Stream;
use crate::sys::event::Event;
use crate::{log_info, log_warning, threads};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const STACK_BYTES: usize = 256 * 1024;
/// Bits a second, for one channel and for two.
const BIT_RATES: [u32; 2] = [64_000, 112_000];

/// The microphone's name, if it is not the test picture that makes the sound by itself.
pub(super) fn name(camera: &Camera) -> Option<&MicName> {
    camera.mic.as_ref().filter(|name| **name != MicName::Test)
}

/// A thread that listens, until this is dropped. It closes the microphone then, and nobody waits for that: a driver may hang.
pub(super) struct Listener {
    stop: Arc<Stop>,
    stream: Arc<Stream>,
}

struct Stop {
    stopped: AtomicBool,
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
    /// Listens to the microphone that the config has for the camera; None if it has none.
    pub fn start(stream: &Arc<Stream>, camera: &Camera) -> Option<Listener> {
        let name = name(camera)?.clone();
        let stop = Arc::new(Stop {
            stopped: AtomicBool::new(false),
            event: Event::new().ok()?,
        });
        let listener = Listener {
            stop: Arc::clone(&stop),
            stream: Arc::clone(stream),
        };
        let (stream, gain_db) = (Arc::clone(stream), camera.mic_gain);
        let run = Box::new(move || run(&stream, name, gain_db, &stop));
        match threads::spawn("mic", STACK_BYTES, run) {
            Ok(_) => Some(listener),
            Err(e) => {
                log_warning!("{}: no thread for its microphone: {e}", camera.name);
                None
            }
        }
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

fn run(stream: &Stream, name: MicName, gain_db: i8, stop: &Stop) {
    let mut sound = Sound::new(name, gain_db);
    // What was declared goes on, be it as silence.
    let declared = stream.ring.sound();
    let mut coder = declared.and_then(|format| Coder::new(format.rate, format.channels));
    if let Some(coder) = &coder {
        sound.begin(coder.format.rate, coder.format.channels.into());
    }
    let mut told = String::new();
    while !stop.stopped.load(Relaxed) {
        sound.poll(stop.event.as_fd(), &mut |heard| match heard {
            Heard::Opened(microphone) => {
                let Microphone {
                    rate,
                    channels,
                    words,
                    ..
                } = microphone;
                let format = (*rate, *channels as u8);
                let is_coded = |coder: &Coder| (coder.format.rate, coder.format.channels) == format;
                if !coder.as_ref().is_some_and(is_coded) {
                    coder = Coder::new(format.0, format.1);
                    stream.ring.set_sound(coder.as_ref().map(|coder| coder.format));
                }
                told.clear();
                stream.publish(|state| state.mic = [words.clone(), String::new()]);
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
                    stream.publish(|state| state.mic = [String::new(), why.clone()]);
                    told = why;
                }
            }
        });
    }
}
