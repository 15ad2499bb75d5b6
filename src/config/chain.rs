//! What the config says of the way from a device's frames to H.264: which encoder and decoder, and with what.

use super::{DeviceName, Setting};

/// The keys of a device's section that pin its chain; what is `None` or empty is found by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainKeys {
    /// The encoder between a camera without H.264 and the stream.
    pub encoder: Option<DeviceName>,
    /// The decoder before it.
    pub decoder: Option<DeviceName>,
    /// The V4L2 format, four letters, in which the encoder takes its pictures.
    pub encoder_input: Option<String>,
    /// The same of the decoder.
    pub decoder_input: Option<String>,
    /// The memory of the camera's buffers.
    pub capture_memory: Option<Memory>,
    /// The memory of the decoder's buffers, of what it takes and of what it gives.
    pub decoder_memory: Option<(Memory, Memory)>,
    /// The same of the encoder's; what it gives is always copied.
    pub encoder_memory: Option<(Memory, Memory)>,
    /// The controls of encoders and decoders, by the sections that name them.
    pub codecs: Vec<(DeviceName, Vec<Setting>)>,
}

/// Whose memory a buffer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Its own device's.
    Mmap,
    /// That of the device at the other end.
    Dmabuf,
}

impl Memory {
    /// `MMAP` or `DMABUF`.
    pub fn parse(text: &str) -> Option<Memory> {
        match text.trim().to_ascii_uppercase().as_str() {
            "MMAP" => Some(Memory::Mmap),
            "DMABUF" => Some(Memory::Dmabuf),
            _ => None,
        }
    }

    /// Two of them, as `MMAP-DMABUF`.
    pub fn parse_pair(text: &str) -> Option<(Memory, Memory)> {
        let (input, capture) = text.split_once('-')?;
        Some((Memory::parse(input)?, Memory::parse(capture)?))
    }
}

impl ChainKeys {
    /// Whether a stage is named: its pictures are to go through it then.
    pub fn names_a_stage(&self) -> bool {
        self.encoder.is_some() || self.decoder.is_some()
    }
}
