//! A camera with an encoder behind it, and a decoder between the two where it gives JPEG pictures.

use super::{Drops, Facts, Signal, Source};
use crate::config::Setting;
use crate::error::{Error, Result};
use crate::sys::v4l2::FourCc;
use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

/// How frames get from one device to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// Without a copy where both devices can, else with one.
    #[default]
    Auto,
    /// Copied.
    Mmap,
    /// The first device writes into the buffers of the second one (DMABUF); it is a warning if it can't.
    Dmabuf,
}

/// What the config wants of a chain.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The camera: a device node or a symlink to it.
    pub path: &'a Path,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
    /// Controls of the camera, to be set before it streams, in this order.
    pub controls: &'a [Setting],
    /// What the camera is to give: a raw format, or one of the two names of JPEG if there is a decoder.
    pub input: FourCc,
    /// What makes raw pictures of JPEG ones.
    pub decoder: Option<&'a Path>,
    /// What the decoder is to be given them as; None: as it likes them.
    pub decoder_input: Option<FourCc>,
    /// Controls of the decoder.
    pub decoder_controls: &'a [Setting],
    /// What makes H.264 of raw pictures.
    pub encoder: &'a Path,
    /// The raw format between the decoder and the encoder, or what the encoder is to take the camera's for; None: what
    /// both have.
    pub encoder_input: Option<FourCc>,
    /// Controls of the encoder; they are set after our own defaults.
    pub encoder_controls: &'a [Setting],
    /// From the camera to an encoder. (JPEG pictures are always copied to a decoder: what it can't take is mended on
    /// the way.)
    pub camera_memory: Memory,
    /// From the decoder to the encoder.
    pub decoder_memory: Memory,
}

/// An open chain. Dropping it stops and closes its devices.
pub struct Chain {
    pub(super) facts: Facts,
}

/// Opens the devices and starts them as `wanted`, or as near as they get. What did not go as wanted is logged as
/// warnings, but not what is already in `said`.
///
/// # Errors
/// Which of the devices does not go on, and why, in words.
pub fn open(wanted: &Wanted<'_>, _said: &mut HashSet<String>) -> Result<Chain> {
    Err(Error::new(wanted.encoder.display(), "can't encode", "not yet"))
}

impl Source for Chain {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn poll(&mut self, _: BorrowedFd<'_>, _: Duration, _: &mut dyn FnMut(Signal<'_>)) -> Result<()> {
        Ok(())
    }

    fn drops(&self) -> Drops {
        Drops::default()
    }
}
