//! aac HZ CHANNELS BIT_RATE <PCM >FILE.aac: codes raw samples (16 bits, little endian) with our own encoder.

use std::io::{self, Error, Read, Write};

#[path = "../support/adts.rs"]
mod adts;

fn main() -> io::Result<()> {
    let numbers: Vec<u32> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    let pcm: Vec<i16> = bytes
        .chunks_exact(2)
        .map(|two| i16::from_le_bytes([two[0], two[1]]))
        .collect();
    let file = match numbers[..] {
        [hz, channels @ 1..=2, bit_rate] => adts::adts(hz, channels as u8, bit_rate, &pcm),
        _ => None,
    };
    let usage = "usage: aac HZ CHANNELS BIT_RATE <PCM >FILE.aac (8000 to 48000, 1 or 2, 32000 to 160000)";
    io::stdout().write_all(&file.ok_or(Error::other(usage))?)
}
