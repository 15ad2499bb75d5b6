//! The contract between a source and the pump: frames, a source's own description, and the source as a trait.

use super::control::ControlNode;
use super::history::History;
use super::pipeline::Pipeline;
use crate::config::Setting;
use crate::error::Result;
use crate::format::Codec;
use crate::format::fmp4::SoundFormat;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// One coded picture, lent by its source for the length of a call.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Its coding.
    pub codec: Codec,
    /// H.264 in the byte stream format (Rec. ITU-T H.264 Annex B), one access unit; or JPEG, maybe with padding
    /// behind it.
    pub data: &'a [u8],
    /// The time at which it was captured, CLOCK_MONOTONIC in microseconds.
    pub captured_us: u64,
}

/// One thing that a source hands over.
#[derive(Debug, Clone, Copy)]
pub enum Signal<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// An AAC frame of [`SourceInfo::sound`].
    Sound {
        /// The time of the first sample that it decodes to, CLOCK_MONOTONIC in microseconds.
        time_us: u64,
        /// A raw_data_block (ISO/IEC 14496-3, 4.4.2.1).
        data: &'a [u8],
    },
    /// Samples of a raw picture on its way to an encoder, as [`raw::luma`](crate::format::raw::luma) takes them. Five times a second,
    /// where motion is looked for.
    Raw {
        /// As of a frame.
        captured_us: u64,
        /// Its luma.
        samples: &'a [u8],
    },
    /// The program that gives the frames looks for motion itself.
    Motion {
        /// CLOCK_MONOTONIC in microseconds.
        at_us: u64,
        /// Something moves from now on, or does not.
        moves: bool,
    },
    /// Frames were lost or damaged here: what follows can't be decoded before the next key frame.
    Gap,
}

/// A source's own description of itself once it is open. It is for the log and /status; the stream describes itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceInfo {
    /// Its name, for people, such as "HD Pro Webcam C920".
    pub description: String,
    /// The driver's word on the frame rate, in frames a second.
    pub fps: Option<f64>,
    /// It is the test picture, shown until a camera appears.
    pub placeholder: bool,
    /// It is a program of its own, which takes its time to start.
    pub command: bool,
    /// The devices and formats that frames pass through, such as "/dev/video0 (C270) YUYV 1280x720 → /dev/video11 (bcm2835-codec) H264"; empty
    /// where that is no V4L2 device.
    pub chain: String,
    /// The camera's own node, where it has one.
    pub node: Option<PathBuf>,
    /// The reason why it is this chain and no other.
    pub why: String,
    /// The input at which its pictures come in, such as "HDMI 0"; empty if there is nothing to choose.
    pub input: String,
    /// The signal there, such as "1920x1080p60" or "PAL"; empty if it is not known.
    pub signal: String,
    /// The pipeline that was chosen, where there may be others.
    pub pipeline: Option<Pipeline>,
    /// The JPEG pictures that its H.264 is made of come, too.
    pub jpeg_too: bool,
    /// What is to be heard beside its pictures, if it gives that itself.
    pub sound: Option<SoundFormat>,
}

/// Frames that a source lost, counted since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drops {
    /// Frames missing by the driver's sequence numbers.
    pub gaps: u64,
    /// Frames that the driver marked as damaged, or that were not whole in a command's output.
    pub damaged: u64,
    /// What was wrong with the last damaged one, where that is known.
    pub fault: Option<&'static str>,
    /// Those of the damaged ones that a quiet of the command seemed to complete, and whose rest came after it.
    pub closed_early: u64,
    /// Frames too short to hold anything.
    pub short: u64,
    /// Frames whose driver timestamp could not be believed; they took their arrival time.
    pub bad_time: u64,
    /// Frames for which a decoder or an encoder had no time: always the oldest ones.
    pub slow: u64,
}

/// An open source. Dropping it stops and releases the device or the command, without blocking for long.
pub trait Source {
    /// The description of the open source.
    fn info(&self) -> &SourceInfo;

    /// Waits until there is something, `wake` is readable or `timeout` is over, and gives `sink` what has
    /// come. Returns early without a frame whenever it likes; never drains `wake`.
    ///
    /// # Errors
    /// The source is of no more use (unplugged, ended, broken): drop it and open it again.
    fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> Result<()>;

    /// Asks for a key frame as soon as can be, where the source can be asked for one.
    fn request_key_frame(&mut self) {}

    /// Sets controls of the device while it streams; false where that can't be, or one is refused: then it has to be
    /// opened anew.
    fn set_controls(&mut self, _controls: &[Setting]) -> bool {
        false
    }

    /// The devices whose controls can be set while it is open.
    fn control_nodes(&self) -> Vec<ControlNode> {
        Vec::new()
    }

    /// What is wrong with what has come, where that may still become good, in words.
    fn doubt(&self, _now: Instant) -> Option<String> {
        None
    }

    /// The time that the next frame may take, where that is longer than a camera's usual one.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    /// Notes what is of use when it is opened again.
    fn remember(&self, _history: &mut History) {}

    /// The losses so far.
    fn drops(&self) -> Drops {
        Drops::default()
    }
}
