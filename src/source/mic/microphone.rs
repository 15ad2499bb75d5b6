//! One sound device, open: set up as is best, then one block after the other.

use super::convert::Converter;
use crate::error::{Error, Result};
use crate::source::node::{UNPLUGGED, busy_with, gone, holders, no_permission_as_shipped};
use crate::sys::alsa::{Offer, Pcm, SampleFormat, State, Wish, offer};
use crate::sys::{self, Errno, file};
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Samples a second that can be coded, the best first.
const RATES: [u32; 6] = [48_000, 44_100, 32_000, 24_000, 16_000, 8000];
/// The most frames that are read at once.
const BLOCK_FRAMES: usize = 2048;

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Samples, the first of them captured at that time, by CLOCK_MONOTONIC in microseconds.
    At(u64),
    /// Nothing yet.
    Nothing,
    /// Some were lost: nobody read for too long, or the machine was suspended.
    Lost,
}

/// A sound device that captures.
#[derive(Debug)]
pub struct Microphone {
    path: PathBuf,
    pcm: Pcm,
    converter: Converter,
    bytes: Vec<u8>,
    frame_bytes: usize,
    /// Samples a second.
    pub rate: u32,
    /// Channels of what is given: 1 or 2.
    pub channels: usize,
    /// What it captures in, in words.
    pub words: String,
}

/// How a device is to capture.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    format: SampleFormat,
    channels: u32,
    rate: u32,
}

/// The best that a device offers: the highest rate, then one channel, or two, or as many as it has; None if it offers nothing
/// that can be used.
fn choose(offer: &dyn Fn(&Wish) -> sys::Result<Offer>) -> Option<Choice> {
    for rate in RATES {
        let mut wish = Wish {
            rate: Some(rate),
            ..Wish::default()
        };
        let Ok(at_rate) = offer(&wish) else { continue };
        for channels in [1, 2, at_rate.channels[0]] {
            wish.channels = Some(channels);
            let formats = offer(&wish).map_or(Vec::new(), |offer| offer.formats);
            if let Some(&format) = formats.first() {
                return Some(Choice {
                    format,
                    channels,
                    rate,
                });
            }
        }
    }
    None
}

/// Opens a sound device, and has it say what it would capture in. Nothing is set on it.
///
/// # Errors
/// It is not there, not allowed, busy (and by whom), or can't be used.
fn open_device(path: &Path) -> Result<(File, Offer, Choice)> {
    let failed =
        |why: String, errno| Error::new(path.display(), "can't use the microphone", why).absent(gone(errno));
    let opened = file::open_device(path).map_err(|e| {
        let errno = Errno::from_raw(e.raw_os_error().unwrap_or(0));
        let why = match errno {
            errno if gone(errno) => UNPLUGGED.into(),
            Errno::EACCES | Errno::EPERM => no_permission_as_shipped(path, "alsa", "audio"),
            Errno::EBUSY => busy(path),
            errno => sys::words(errno),
        };
        failed(why, errno)
    })?;
    let offered = offer(&opened, &Wish::default()).map_err(|errno| failed(sys::words(errno), errno))?;
    let choice = choose(&|wish| offer(&opened, wish)).ok_or_else(|| {
        let why = "it gives no samples of 16, 24 or 32 bits at a rate that can be coded (48, 44.1, 32, 24, 16 or 8 kHz)";
        failed(why.into(), Errno::UnknownErrno)
    })?;
    Ok((opened, offered, choice))
}

/// What a sound device offers, and what it would capture in, in a sentence.
///
/// # Errors
/// Those of [`Microphone::open`].
pub fn offers(path: &Path) -> Result<String> {
    let (
        _,
        Offer {
            formats,
            channels,
            rate,
        },
        choice,
    ) = open_device(path)?;
    let span = |[least, most]: [u32; 2]| match least == most {
        true => least.to_string(),
        false => format!("{least} to {most}"),
    };
    let mut bits: Vec<String> = formats
        .iter()
        .rev()
        .map(|format| format.bits().to_string())
        .collect();
    bits.dedup();
    let (rate, channels, bits, words) = (span(rate), span(channels), bits.join(", "), choice.words());
    Ok(format!(
        "It offers {rate} Hz (channels: {channels}; bits: {bits}), and would capture {words}."
    ))
}

/// The words for a device that is open already.
fn busy(path: &Path) -> String {
    let device = fs::metadata(path).map_or(0, |m| m.rdev());
    let is_it = |file: &PathBuf| fs::metadata(file).is_ok_and(|m| m.rdev() == device);
    if file::entries(Path::new("/proc/self/fd")).iter().any(is_it) {
        return "busy: another section of the config means it too".into();
    }
    busy_with(&holders(device), "snd/*")
}

impl Choice {
    fn words(&self) -> String {
        let Choice {
            rate,
            channels,
            format,
        } = self;
        let bits = format.bits();
        let channels = match channels {
            1 => "mono".into(),
            2 => "stereo".into(),
            more => format!("{more} channels"),
        };
        format!("{rate} Hz, {channels}, {bits} bits")
    }
}

impl Microphone {
    /// Opens a sound device, sets it up and starts it.
    ///
    /// # Errors
    /// It is not there, not allowed, busy (and by whom), or can't be used.
    pub fn open(path: &Path, gain_db: i8) -> Result<Microphone> {
        let (file, _, choice) = open_device(path)?;
        let words = choice.words();
        let Choice {
            format,
            channels,
            rate,
        } = choice;
        let started = Pcm::set_up(file, format, channels, rate).and_then(|pcm| pcm.start().map(|()| pcm));
        let pcm = started.map_err(|errno| failed(path, "can't start the microphone", errno))?;
        let channels = channels as usize;
        let frame_bytes = format.bytes() * channels;
        Ok(Microphone {
            path: path.to_owned(),
            converter: Converter::new(format, channels, rate, gain_db),
            bytes: vec![0; BLOCK_FRAMES.min(pcm.buffer) * frame_bytes],
            pcm,
            frame_bytes,
            rate,
            channels: channels.min(2),
            words,
        })
    }

    /// Puts what was captured since the last time into `samples`, as much as is read at once. It does not wait.
    ///
    /// # Errors
    /// It was unplugged, or failed.
    pub fn read(&mut self, samples: &mut Vec<i16>) -> Result<Block> {
        samples.clear();
        self.try_read(samples)
            .map_err(|errno| failed(&self.path, "microphone lost", errno))
    }

    /// The error for one that is there and gives nothing.
    pub fn stalled(&self) -> Error {
        Error::new(
            self.path.display(),
            "microphone lost",
            "it gives nothing; trying it again",
        )
    }

    fn try_read(&mut self, samples: &mut Vec<i16>) -> sys::Result<Block> {
        let status = self.pcm.status()?;
        match status.state {
            State::Running => {}
            State::Suspended if self.pcm.resume().is_ok() => return Ok(Block::Lost),
            State::Gone => return Err(Errno::ENODEV),
            State::Overrun | State::Suspended | State::Idle => return self.pcm.start().map(|()| Block::Lost),
        }
        let room = self.bytes.len().min(status.available * self.frame_bytes);
        if room == 0 {
            return Ok(Block::Nothing);
        }
        let frames = match self.pcm.read(&mut self.bytes[..room]) {
            // It stopped, or the machine was suspended, since its state was looked at.
            Err(Errno::EPIPE | Errno::ESTRPIPE) => return self.pcm.start().map(|()| Block::Lost),
            read => read?,
        };
        let read = &self.bytes[..frames * self.frame_bytes];
        self.converter.convert(read, samples);
        let waited_us = status.delay * 1_000_000 / u64::from(self.rate);
        Ok(Block::At(status.at_us.saturating_sub(waited_us)))
    }
}

impl AsFd for Microphone {
    /// Readable when something was captured, or it failed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pcm.as_fd()
    }
}

fn failed(path: &Path, tried: &str, errno: Errno) -> Error {
    let why = if gone(errno) {
        UNPLUGGED.into()
    } else {
        sys::words(errno)
    };
    Error::new(path.display(), tried, why).absent(gone(errno))
}
