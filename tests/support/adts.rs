//! Our frames as a file that every decoder takes.

use fmp4streamer::format::aac::{Encoder, FRAME, config};

/// Codes a sound as ADTS (ISO/IEC 14496-3, clause 1.A.3.2), which has a head of seven bytes before each frame.
pub fn adts(hz: u32, channels: u8, bit_rate: u32, pcm: &[i16]) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new(hz, channels, bit_rate)?;
    let config = u16::from_be_bytes(config(hz, channels)?);
    // profile (AAC-LC), sampling_frequency_index, private_bit, channel_configuration
    let kind = 1 << 12 | u64::from(config >> 7 & 15) << 8 | u64::from(config >> 3 & 15) << 4;
    let mut file = Vec::new();
    // Frames of silence bring the end out of the encoder and the decoder.
    let blocks = pcm.chunks(FRAME * usize::from(channels));
    for block in blocks.chain([&[][..]; 3]) {
        let start = file.len();
        file.extend([0; 7]);
        encoder.encode(block, &mut file);
        let length = (file.len() - start) as u64;
        let head = 0xfff1 << 40 | kind << 26 | length << 13 | 0x7ff << 2;
        file[start..start + 7].copy_from_slice(&head.to_be_bytes()[1..]);
    }
    Some(file)
}
