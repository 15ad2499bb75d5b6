//! The encoder as a whole. What decoders make of it is in tests/aac.rs.

use super::laws::read;
use super::{Encoder, FRAME, SILENCE};
use crate::support::random::Random;

/// The frames of a sound.
fn frames(hz: u32, channels: u8, bit_rate: u32, pcm: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(hz, channels, bit_rate).unwrap();
    let blocks = pcm.chunks(FRAME * usize::from(channels));
    let frame = |block| {
        let mut frame = Vec::new();
        encoder.encode(block, &mut frame);
        frame
    };
    blocks.map(frame).collect()
}

/// Full-scale white noise.
fn noise(samples: usize) -> Vec<i16> {
    let mut random = Random::new(3);
    (0..samples).map(|_| random.next() as i16).collect()
}

/// A tone that swells, its samples from whole numbers alone so that they are the same on every machine.
fn tone(samples: usize) -> Vec<i16> {
    // A rotation by about 0.13: the sine of 1 kHz at 48 kHz, a little louder with each turn.
    let (mut x, mut y) = (1i64 << 24, 0i64);
    let sample = |_| {
        x -= y * 131 / 1000;
        y += x * 131 / 1000;
        (y >> 12).clamp(-32_768, 32_767) as i16
    };
    (0..samples).map(sample).collect()
}

#[test]
fn what_it_does_not_code_is_refused() {
    for (hz, channels, bit_rate) in [
        (22_050, 1, 64_000),
        (96_000, 1, 64_000),
        (48_000, 0, 64_000),
        (48_000, 3, 64_000),
        (48_000, 1, 31_999),
        (48_000, 1, 160_001),
    ] {
        assert!(
            Encoder::new(hz, channels, bit_rate).is_none(),
            "{hz} {channels} {bit_rate}"
        );
    }
}

#[test]
fn silence_takes_hardly_any_bits() {
    for channels in [1, 2] {
        for frame in frames(48_000, channels, 64_000, &[0; 20 * 2 * FRAME]) {
            assert!(frame.len() <= 10, "{}", frame.len());
        }
    }
}

#[test]
fn the_frame_of_silence_has_no_line() {
    for (channels, frame) in [1, 2].into_iter().zip(SILENCE) {
        let element = frame[0] >> 5; // ID_SCE or ID_CPE
        assert_eq!(usize::from(element) + 1, channels);
        for hz in [8000, 48_000] {
            assert_eq!(read(frame, hz).unwrap().lines, 0);
        }
    }
}

#[test]
fn the_bit_rate_is_kept() {
    for (hz, channels, bit_rate) in [
        (48_000, 1, 32_000),
        (48_000, 1, 64_000),
        (48_000, 1, 160_000),
        (48_000, 2, 96_000),
        (44_100, 2, 160_000),
        (32_000, 1, 48_000),
        (24_000, 2, 64_000),
        (16_000, 1, 32_000),
    ] {
        let sound = noise(100 * FRAME * usize::from(channels));
        let frames = frames(hz, channels, bit_rate, &sound);
        let bits: usize = frames.iter().map(|frame| frame.len() * 8).sum();
        let wanted = bit_rate as usize * FRAME / hz as usize * frames.len();
        // The padding of a frame to whole bytes is not counted; the bucket holds four frames.
        assert!(
            bits <= wanted + wanted / 25 + 8 * frames.len(),
            "{hz} {channels} {bit_rate}: {bits}"
        );
        assert!(
            bits >= wanted - wanted / 10,
            "{hz} {channels} {bit_rate}: {bits} of {wanted}"
        );
    }
}

#[test]
fn no_frame_is_longer_than_the_standard_allows() {
    // 20 kbit for a frame, if there were no limit.
    for channels in [1, 2] {
        for frame in frames(8_000, channels, 160_000, &noise(20 * 2 * FRAME)) {
            assert!(frame.len() <= 768 * usize::from(channels), "{}", frame.len());
        }
    }
}

#[test]
fn a_sound_that_begins_suddenly_gets_short_windows() {
    let mut sound = vec![0; 8 * FRAME];
    sound[4 * FRAME + 700..].copy_from_slice(&noise(8 * FRAME)[4 * FRAME + 700..]);
    let sequences: Vec<u32> = frames(48_000, 1, 64_000, &sound)
        .iter()
        .map(|frame| read(frame, 48_000).unwrap().sequence)
        .collect();
    assert_eq!(sequences, [0, 0, 0, 0, 1, 2, 3, 0]);
}

#[test]
fn samples_that_lack_are_silence() {
    let short = tone(FRAME / 2);
    let whole = [&short[..], &[0; FRAME / 2]].concat();
    let more = tone(FRAME);
    let code = |first: &[i16]| {
        let mut encoder = Encoder::new(48_000, 1, 64_000).unwrap();
        let mut frames = Vec::new();
        encoder.encode(first, &mut frames);
        encoder.encode(&more, &mut frames);
        frames
    };
    assert_eq!(code(&short), code(&whole));
}

/// The same frames on every machine and from every build. If the encoder is meant to have changed, look at what
/// `make audio-quality` prints before and after.
#[test]
fn the_frames_are_the_golden_ones() {
    let hash = |frames: Vec<Vec<u8>>| {
        // FNV-1a
        let byte = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        frames.concat().iter().fold(0xcbf2_9ce4_8422_2325u64, byte)
    };
    let mut sound = tone(12 * FRAME);
    sound.extend(noise(4 * FRAME));
    let hashes = [
        (48_000, 1, 64_000),
        (44_100, 2, 128_000),
        (32_000, 1, 48_000),
        (24_000, 2, 64_000),
        (16_000, 1, 32_000),
        (8_000, 1, 32_000),
    ]
    .map(|(hz, channels, bit_rate)| hash(frames(hz, channels, bit_rate, &sound)));
    let golden = [
        0xab8eca951939a66d,
        0xe8ba2525ce1e3b6f,
        0x3e69c0d9c8e67a01,
        0x18444f63f76463d9,
        0x8bf98bd9c1360ff9,
        0x38d4c9f48567c110,
    ];
    assert_eq!(hashes, golden, "{hashes:#x?}");
}
