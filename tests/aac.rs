//! The sound that our encoder codes, as two decoders that know nothing of each other make it: ffmpeg's and FAAD2's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests
#![allow(unsafe_code)] // for the allocator that counts

mod support;

use fmp4streamer::format::aac::{DELAY, Encoder, FRAME};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::f64::consts::PI;
use std::fs;
use std::path::Path;
use support::adts::adts;
use support::random::Random;
use support::{Dir, have, run};

/// The system's allocator, which counts for each thread what it was asked for.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does all of it; what counts allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller vouches for the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller vouches for both; it is from `alloc`.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// A sound, how it is coded, and what that is called where a test fails.
struct Sound {
    name: String,
    hz: u32,
    channels: u8,
    bit_rate: u32,
    pcm: Vec<i16>,
}

impl Sound {
    /// What a decoder makes of it, as long as it was and from its own beginning.
    fn decoded(&self, by: fn(&Path, &Path, &Sound) -> Vec<i16>) -> Vec<i16> {
        let dir = Dir::new();
        let file = adts(self.hz, self.channels, self.bit_rate, &self.pcm).unwrap();
        let file = dir.write("sound.aac", file);
        let pcm = by(&file, &dir.file("sound.raw"), self);
        let start = DELAY * usize::from(self.channels);
        assert!(
            pcm.len() >= start + self.pcm.len(),
            "{}: {} samples",
            self.name,
            pcm.len()
        );
        pcm[start..start + self.pcm.len()].to_vec()
    }
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    let two = bytes.chunks_exact(2);
    two.map(|two| i16::from_le_bytes([two[0], two[1]])).collect()
}

/// Runs a decoder, which must not say a word.
fn silently(tool: &str, args: &[&str]) {
    let done = run(tool, args);
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && words.is_empty(), "{tool}: {words}");
}

fn ffmpeg(file: &Path, raw: &Path, sound: &Sound) -> Vec<i16> {
    let (file, raw) = (file.to_str().unwrap(), raw.to_str().unwrap());
    let channels = sound.channels.to_string();
    let args = [
        "-v", "error", "-xerror", "-i", file, "-f", "s16le", "-ac", &channels, raw,
    ];
    silently("ffmpeg", &args);
    samples(&fs::read(raw).unwrap())
}

fn faad(file: &Path, raw: &Path, sound: &Sound) -> Vec<i16> {
    silently(
        "faad",
        &[
            "-q",
            "-f",
            "2",
            "-o",
            raw.to_str().unwrap(),
            file.to_str().unwrap(),
        ],
    );
    let pcm = samples(&fs::read(raw).unwrap());
    // It gives two channels of one. The first frame it keeps for itself. Low rates it doubles, as those of HE-AAC would
    // be: the filters for that are late by 962 samples.
    let doubled = sound.hz <= 24_000;
    let channels = usize::from(sound.channels);
    let lacks = if doubled { 2 * FRAME - 962 } else { FRAME };
    let frames = pcm.chunks_exact(2).map(|pair| &pair[..channels]);
    let frames = [[0; 2]; 2 * FRAME][..lacks]
        .iter()
        .map(|pair| &pair[..channels])
        .chain(frames);
    frames
        .step_by(if doubled { 2 } else { 1 })
        .flatten()
        .copied()
        .collect()
}

fn sine(hz: u32, of: f64, loudness: f64, samples: usize) -> Vec<i16> {
    let sample = |n| (loudness * (2.0 * PI * of * n as f64 / f64::from(hz)).sin()).round() as i16;
    (0..samples).map(sample).collect()
}

/// White noise of up to `loudness`.
fn noise(loudness: i64, samples: usize) -> Vec<i16> {
    let mut random = Random::new(7);
    (0..samples)
        .map(|_| (random.below(2 * loudness as usize + 1) as i64 - loudness) as i16)
        .collect()
}

/// A hiss with claps in it, and where they begin.
fn claps(samples: usize) -> (Vec<i16>, Vec<usize>) {
    let mut pcm = noise(5, samples);
    let bursts = noise(24_000, samples);
    let mut random = Random::new(9);
    let mut starts = Vec::new();
    let mut start = 9_000;
    while start + 12_000 < samples {
        for n in 0..4_000 {
            let fading = (-(n as f64) / 576.0).exp();
            let loud = f64::from(bursts[start + n]) * fading;
            pcm[start + n] = pcm[start + n].saturating_add(loud as i16);
        }
        starts.push(start);
        start += 12_000 + random.below(9_000);
    }
    (pcm, starts)
}

/// The mean of the squares.
fn power(pcm: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = pcm.fold((0.0, 0.0), |(sum, count), x| (sum + x * x, count + 1.0));
    sum / f64::max(count, 1.0)
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

/// How far `b` is from `a`: the power of what differs.
fn difference(a: &[i16], b: &[i16]) -> f64 {
    power(a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b)))
}

fn power_of(pcm: &[i16]) -> f64 {
    power(pcm.iter().map(|&x| f64::from(x)))
}

/// Everything that is hard to code: at each rate, with one channel and two, at the ends of the bit rates.
#[test]
fn two_decoders_make_the_same_of_it() {
    if !have("ffmpeg") || !have("faad") {
        return;
    }
    let square = |n: usize| if n / 60 % 2 == 0 { i16::MAX } else { i16::MIN };
    for (hz, channels, bit_rate) in [
        (48_000, 1, 32_000),
        (48_000, 1, 64_000),
        (48_000, 2, 160_000),
        (44_100, 1, 64_000),
        (44_100, 2, 96_000),
        (32_000, 1, 48_000),
        (24_000, 2, 64_000),
        (16_000, 1, 160_000),
        (16_000, 2, 64_000),
        (8_000, 1, 32_000),
        (8_000, 2, 160_000),
    ] {
        let parts = [
            claps(30_000).0,
            sine(hz, 997.0, 16_000.0, 20_000),
            noise(32_767, 20_000),
            vec![0; 10_000],
            (0..10_000).map(square).collect(),
            noise(1_000, 10_000),
        ];
        let sound = Sound {
            name: format!("{hz} Hz, {channels} channels, {bit_rate} bit/s"),
            hz,
            channels,
            bit_rate,
            pcm: parts.concat(),
        };
        let (one, other) = (sound.decoded(ffmpeg), sound.decoded(faad));
        let bound = if hz > 24_000 {
            1.0
        } else {
            power_of(&one) / 10_000.0
        };
        let apart = difference(&one, &other);
        assert!(apart < bound, "{}: {apart}, {bound}", sound.name);
    }
}

/// One channel of 48 kHz, as ffmpeg makes it of our frames.
fn mono(name: &str, bit_rate: u32, pcm: Vec<i16>) -> (Sound, Vec<i16>) {
    let sound = Sound {
        name: name.to_owned(),
        hz: 48_000,
        channels: 1,
        bit_rate,
        pcm,
    };
    let decoded = sound.decoded(ffmpeg);
    (sound, decoded)
}

#[test]
fn what_is_coded_is_what_was_there() {
    if !have("ffmpeg") {
        return;
    }
    for (name, pcm, least) in [
        ("a tone", sine(48_000, 997.0, 16_000.0, 60_000), 30.0),
        ("a loud tone", sine(48_000, 440.0, 32_767.0, 60_000), 30.0),
        ("a low one", sine(48_000, 50.0, 3_000.0, 60_000), 25.0),
        ("a high one", sine(48_000, 9_000.0, 8_000.0, 60_000), 25.0),
    ] {
        let (sound, decoded) = mono(name, 64_000, pcm);
        // Without the ends, where the tone breaks off.
        let inside = 4 * FRAME..sound.pcm.len() - 4 * FRAME;
        let (was, is) = (&sound.pcm[inside.clone()], &decoded[inside]);
        let ratio = decibels(power_of(was) / difference(was, is));
        assert!(ratio > least, "{name}: {ratio:.1} dB");
    }
    let (_, silence) = mono("silence", 64_000, vec![0; 20_000]);
    assert!(silence.iter().all(|&sample| sample == 0));
}

/// Both channels of a pair are there, and not each other's.
#[test]
fn two_channels_stay_apart() {
    if !have("ffmpeg") {
        return;
    }
    let (left, right) = (
        sine(48_000, 500.0, 12_000.0, 50_000),
        sine(48_000, 2_000.0, 3_000.0, 50_000),
    );
    let sound = Sound {
        name: "two tones".to_owned(),
        hz: 48_000,
        channels: 2,
        bit_rate: 128_000,
        pcm: left.iter().zip(&right).flat_map(|(&l, &r)| [l, r]).collect(),
    };
    let decoded = sound.decoded(ffmpeg);
    for (channel, was) in [&left, &right].into_iter().enumerate() {
        let is: Vec<i16> = decoded.iter().skip(channel).step_by(2).copied().collect();
        let inside = 4 * FRAME..was.len() - 4 * FRAME;
        let (was, is) = (&was[inside.clone()], &is[inside]);
        let ratio = decibels(power_of(was) / difference(was, is));
        assert!(ratio > 25.0, "channel {channel}: {ratio:.1} dB");
    }
}

/// One microphone on both channels costs no more than one.
#[test]
fn two_channels_that_are_the_same_share_their_bits() {
    if !have("ffmpeg") {
        return;
    }
    let mut one = vec![0; 50_000];
    for harmonic in 1..40 {
        let tone = sine(48_000, 223.0 * f64::from(harmonic), 400.0, one.len());
        one.iter_mut().zip(tone).for_each(|(sum, sample)| *sum += sample);
    }
    let (_, alone) = mono("one", 64_000, one.clone());
    let both = Sound {
        name: "both".to_owned(),
        hz: 48_000,
        channels: 2,
        bit_rate: 65_000,
        pcm: one.iter().flat_map(|&sample| [sample; 2]).collect(),
    };
    let decoded = both.decoded(ffmpeg);
    assert!(decoded.chunks_exact(2).all(|pair| pair[0] == pair[1]));
    let left: Vec<i16> = decoded.into_iter().step_by(2).collect();
    // Without the ends, where the tones break off.
    let inside = 4 * FRAME..one.len() - 4 * FRAME;
    let apart = |decoded: &[i16]| difference(&one[inside.clone()], &decoded[inside.clone()]);
    let (alone, left) = (apart(&alone), apart(&left));
    assert!(left < 1.2 * alone, "{left} and {alone}");
}

/// What sounds 10 to 2 ms before a clap, beside its first 5 ms.
#[test]
fn nothing_is_heard_before_a_clap() {
    if !have("ffmpeg") {
        return;
    }
    let (pcm, starts) = claps(480_000);
    let (_, decoded) = mono("claps", 64_000, pcm);
    let before =
        |&start: &usize| power_of(&decoded[start - 480..start - 96]) / power_of(&decoded[start..start + 240]);
    let echo = decibels(power(starts.iter().map(before).map(f64::sqrt)));
    assert!(starts.len() > 20 && echo <= -33.0, "{echo:.1} dB");
}

/// Loud and quiet, with windows of each kind.
#[test]
fn a_frame_allocates_nothing() {
    for (hz, channels, bit_rate) in [
        (48_000, 1, 32_000),
        (48_000, 1, 64_000),
        (48_000, 2, 112_000),
        (16_000, 2, 160_000),
        (8_000, 1, 64_000),
    ] {
        let name = format!("{hz} Hz, {channels} channels, {bit_rate} bit/s");
        let tone = sine(hz, 997.0, 16_000.0, 60_000);
        let sound = [claps(60_000).0, noise(32_767, 60_000), vec![0; 30_000], tone].concat();
        let none = ALLOCATIONS.get();
        let mut encoder = Encoder::new(hz, channels, bit_rate).unwrap();
        let mut frame = Vec::with_capacity(2 * 768);
        let before = ALLOCATIONS.get();
        assert!(before > none, "{name}: nothing is counted");
        for block in sound.chunks(FRAME * usize::from(channels)) {
            frame.clear();
            encoder.encode(block, &mut frame);
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{name}");
    }
}
