//! From what a sound device gives to what is coded: 16-bit samples of one or two channels, without an offset, as loud as the
//! config wants it and never louder than full.

use crate::sys::alsa::SampleFormat;

/// Below this frequency nothing is left, in Hz: the offset that microphones have, and most of the rumble.
const LOWEST_HZ: f32 = 12.0;
/// The limiter keeps samples below this.
const CEILING: f32 = 32_000.0;
/// The time after which the limiter has all but let go, in seconds.
const RELEASE_S: f32 = 0.3;
/// A decibel as a factor: the twentieth root of ten.
const DECIBEL: f32 = 1.122_018_5;

/// Converts blocks of one device's samples, one after the other.
#[derive(Debug)]
pub struct Converter {
    format: SampleFormat,
    /// Of the device, and those of them that are taken: its first one or two.
    channels: [usize; 2],
    gain: f32,
    offset: [f32; 2],
    /// Of each channel its value as it was last, and for how many frames it has been that.
    still: [(f32, u32); 2],
    second: u32,
    /// The share of a sample's distance by which the offset follows; 1 for the first sample of all.
    follow: f32,
    follow_later: f32,
    /// The loudest that there was lately, after the gain.
    peak: f32,
    release: f32,
}

impl Converter {
    /// For a device with so many channels and samples a second, and a gain in decibels.
    pub fn new(format: SampleFormat, channels: usize, rate: u32, gain_db: i8) -> Converter {
        let second = rate;
        let rate = rate as f32;
        let mut gain = 1.0;
        for _ in 0..gain_db.unsigned_abs() {
            gain *= DECIBEL;
        }
        Converter {
            format,
            channels: [channels, channels.min(2)],
            gain: if gain_db < 0 { 1.0 / gain } else { gain },
            offset: [0.0; 2],
            still: [(0.0, second); 2],
            second,
            follow: 1.0,
            follow_later: std::f32::consts::TAU * LOWEST_HZ / rate,
            peak: 0.0,
            release: 1.0 - 1.0 / (RELEASE_S * rate),
        }
    }

    /// Adds the whole frames of a block to `samples`.
    pub fn convert(&mut self, block: &[u8], samples: &mut Vec<i16>) {
        let [channels, taken] = self.channels;
        let size = self.format.bytes();
        for frame in block.chunks_exact(size * channels) {
            let mut values = [0.0; 2];
            for (number, bytes) in frame.chunks_exact(size).take(taken).enumerate() {
                let value = self.value(bytes);
                let (last, frames) = self.still[number];
                self.still[number] = (
                    value,
                    if value == last {
                        frames.saturating_add(1)
                    } else {
                        0
                    },
                );
                let offset = &mut self.offset[number];
                *offset += (value - *offset) * self.follow;
                values[number] = (value - *offset) * self.gain;
            }
            self.follow = self.follow_later;
            // A single I2S microphone is one of two channels, of which the other is dead: it is to be heard on both sides.
            let dead = |number: usize| self.still[number].1 > self.second;
            if taken == 2 && dead(0) != dead(1) {
                values = [values[usize::from(dead(0))]; 2];
            }
            // One limit for both, or what is in the middle would move.
            let loudest = values[0].abs().max(values[1].abs());
            self.peak = loudest.max(self.peak * self.release);
            let fits = CEILING / self.peak.max(CEILING);
            samples.extend(values[..taken].iter().map(|value| (value * fits).round() as i16));
        }
    }

    /// A sample in 16-bit units, with what is finer behind the point.
    fn value(&self, bytes: &[u8]) -> f32 {
        match (self.format, bytes) {
            (SampleFormat::S16, &[a, b]) => i16::from_le_bytes([a, b]).into(),
            // Of S24 in four bytes the fourth has no meaning.
            (SampleFormat::S24 | SampleFormat::S24Packed, &[a, b, c, ..]) => widest([0, a, b, c]),
            (SampleFormat::S32, &[a, b, c, d]) => widest([a, b, c, d]),
            _ => 0.0,
        }
    }
}

fn widest(bytes: [u8; 4]) -> f32 {
    i32::from_le_bytes(bytes) as f32 / 65_536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `block`, behind silence in which the offset has settled.
    fn converted(mut converter: Converter, block: &[u8]) -> Vec<i16> {
        let mut samples = Vec::new();
        converter.convert(&[0; 24], &mut samples);
        samples.clear();
        converter.convert(block, &mut samples);
        samples
    }

    /// The offset takes some thousandths of a sample.
    #[track_caller]
    fn near(found: &[i16], wanted: &[i16]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            let far = (i32::from(*found) - i32::from(*wanted)).abs();
            assert!(far <= 2 + i32::from(*wanted).abs() / 200, "{found} for {wanted}");
        }
    }

    #[test]
    fn each_format_is_read() {
        for (format, block) in [
            (SampleFormat::S16, &[0x34, 0x12, 0xcc, 0xed][..]),
            (SampleFormat::S24, &[0xff, 0x33, 0x12, 0x55, 0, 0xcc, 0xed, 0x55]),
            (SampleFormat::S24Packed, &[0xff, 0x33, 0x12, 0, 0xcc, 0xed]),
            (SampleFormat::S32, &[0xff, 0xff, 0x33, 0x12, 0, 0, 0xcc, 0xed]),
        ] {
            let samples = converted(Converter::new(format, 1, 48_000, 0), block);
            near(&samples, &[0x1234, -0x1234]);
            let samples = converted(Converter::new(format, 2, 48_000, 0), block);
            near(&samples, &[0x1234, -0x1234]);
        }
    }

    #[test]
    fn of_many_channels_the_first_two_are_taken() {
        let block = [100, 1000, 30_000, 200, 2000, -30_000].map(i16::to_le_bytes);
        let samples = converted(Converter::new(SampleFormat::S16, 3, 48_000, 0), &block.concat());
        near(&samples, &[100, 1000, 200, 2000]);
    }

    #[test]
    fn beside_a_dead_channel_the_other_is_on_both_sides() {
        let block = |frames: &[[i16; 2]]| -> Vec<u8> {
            frames
                .iter()
                .flatten()
                .flat_map(|sample| sample.to_le_bytes())
                .collect()
        };
        // A second has 100 frames here.
        let mut converter = Converter::new(SampleFormat::S16, 2, 100, 0);
        let mut samples = Vec::new();
        converter.convert(&block(&[[7, 0]; 200]), &mut samples);
        assert!(samples.iter().all(|sample| *sample == 0));
        samples.clear();
        converter.convert(&block(&[[7, 500]]), &mut samples);
        assert!(samples[0] == samples[1] && samples[1] > 100, "{samples:?}");
        samples.clear();
        // Then both are alive.
        converter.convert(&block(&[[500, 0]]), &mut samples);
        assert!(samples[0] > 100 && samples[1] < samples[0], "{samples:?}");
    }

    #[test]
    fn half_a_frame_at_the_end_is_left_out() {
        let mut samples = Vec::new();
        Converter::new(SampleFormat::S32, 2, 48_000, 0).convert(&[0; 15], &mut samples);
        assert_eq!(samples, [0, 0]);
    }

    fn sine(amplitude: f32, offset: f32, frames: usize) -> Vec<u8> {
        let sample =
            |n: usize| offset + amplitude * (n as f32 * std::f32::consts::TAU * 1000.0 / 48_000.0).sin();
        (0..frames)
            .flat_map(|n| (sample(n) as i16).to_le_bytes())
            .collect()
    }

    fn loudest(samples: &[i16]) -> u16 {
        samples.iter().map(|s| s.unsigned_abs()).max().unwrap()
    }

    #[test]
    fn an_offset_is_taken_away_from_the_first_sample_on() {
        let mut samples = Vec::new();
        let mut converter = Converter::new(SampleFormat::S16, 1, 48_000, 0);
        converter.convert(&sine(100.0, -9000.0, 48_000), &mut samples);
        assert!(loudest(&samples[..4800]) < 220);
        let later = &samples[24_000..];
        let mean = later.iter().map(|s| f64::from(*s)).sum::<f64>() / later.len() as f64;
        assert!(
            mean.abs() < 0.5 && (95..105).contains(&loudest(later)),
            "{mean} {}",
            loudest(later)
        );
    }

    #[test]
    fn gain_is_in_decibels() {
        for (gain_db, wanted) in [(0, 1000.0), (20, 10_000.0), (6, 1995.0), (-20, 100.0)] {
            let mut samples = Vec::new();
            let mut converter = Converter::new(SampleFormat::S16, 1, 48_000, gain_db);
            converter.convert(&sine(1000.0, 0.0, 48_000), &mut samples);
            let loudest = f32::from(loudest(&samples[24_000..]));
            assert!((loudest / wanted - 1.0).abs() < 0.01, "{gain_db} dB: {loudest}");
        }
    }

    #[test]
    fn what_is_too_loud_is_limited_and_stays_a_sine() {
        let mut samples = Vec::new();
        let mut converter = Converter::new(SampleFormat::S16, 1, 48_000, 40);
        converter.convert(&sine(20_000.0, 0.0, 48_000), &mut samples);
        assert!(loudest(&samples) <= 32_000);
        // That of a square wave would be as high as its peak.
        let later = &samples[24_000..];
        let power = later.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / later.len() as f64;
        let ratio = f64::from(loudest(later)) / power.sqrt();
        assert!((ratio - std::f64::consts::SQRT_2).abs() < 0.02, "{ratio}");
        // Then it lets go.
        let mut samples = Vec::new();
        converter.convert(&sine(10.0, 0.0, 200_000), &mut samples);
        assert!(loudest(&samples[190_000..]) > 970);
    }
}
