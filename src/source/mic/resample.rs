//! Samples between samples: a frame out of what was captured a hair faster or slower.

/// Captured samples that one new sample is made of: a polynomial through them (Lagrange's).
pub const TAPS: usize = 8;
/// Those of them before the new sample, but for the nearest.
pub const BEFORE: usize = TAPS / 2 - 1;

/// So many new samples share a place between the captured ones. Over them it moves by a thousandth of a sample, which is heard as
/// little as the rounding is.
const GROUP: usize = 4;

/// What the polynomials are divided by: the products of the distances between one sample and the others.
const DIVISORS: [f32; TAPS] = [-5040.0, 720.0, -240.0, 144.0, -144.0, 240.0, -720.0, 5040.0];

/// The share of each captured sample in a new one that stands that far (0 to 1) behind the one at `BEFORE`.
fn shares(behind: f32) -> [f32; TAPS] {
    let distance = |tap: usize| behind - (tap as f32 - BEFORE as f32);
    let (mut shares, mut left, mut right) = ([1.0; TAPS], 1.0, 1.0);
    for tap in 0..TAPS {
        shares[tap] *= left / DIVISORS[tap];
        left *= distance(tap);
        let mirrored = TAPS - 1 - tap;
        shares[mirrored] *= right;
        right *= distance(mirrored);
    }
    shares
}

/// Fills `new` (of so many channels, interleaved) from `captured`: its first sample stands at the place `at` there, each other
/// one `step` behind the one before.
///
/// `at` is [`BEFORE`] or more, and there are [`TAPS`] samples at the end behind the last one's place. Where there are none, they
/// count as silence.
pub fn resample(captured: &[i16], channels: usize, at: f64, step: f64, new: &mut [i16]) {
    let middle = (GROUP - 1) as f64 / 2.0;
    for (number, group) in new.chunks_mut(GROUP * channels).enumerate() {
        let place = at + ((number * GROUP) as f64 + middle) * step - middle;
        let first = place as usize;
        let shares = shares((place - first as f64) as f32);
        let from = captured.get((first - first.min(BEFORE)) * channels..);
        let from = from.unwrap_or_default();
        for (number, sample) in group.iter_mut().enumerate() {
            let taken = from.iter().skip(number).step_by(channels);
            let sum: f32 = taken
                .zip(shares)
                .map(|(taken, share)| f32::from(*taken) * share)
                .sum();
            *sample = sum.round() as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn on_a_sample_it_is_that_sample() {
        let captured: Vec<i16> = (0..100).map(|n: i16| n * n * 3 - 7000).collect();
        let mut new = [0; 16];
        resample(&captured, 1, 5.0, 1.0, &mut new);
        assert_eq!(new, captured[5..21]);
        resample(&captured, 2, 5.0, 1.0, &mut new);
        assert_eq!(new, captured[10..26]);
    }

    #[test]
    fn shares_are_one_together() {
        for tenth in 0..=10_i8 {
            let shares = shares(f32::from(tenth) / 10.0);
            assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{shares:?}");
        }
    }

    #[test]
    fn where_nothing_was_captured_is_silence() {
        let mut new = [7; 16];
        resample(&[1, 2, 3], 1, 0.0, 1.0, &mut new);
        assert_eq!(new[8..], [0; 8]);
        resample(&[], 2, 1e9, 1.0, &mut new);
        assert_eq!(new, [0; 16]);
    }

    /// The power of what is left of `samples` when the sine of this frequency is taken away, in dB below the sine.
    fn rest_db(samples: &[i16], frequency: f64) -> f64 {
        let angle = |n: usize| TAU * frequency * n as f64 / 48_000.0;
        let size = samples.len() as f64;
        let (mut sin, mut cos, mut all) = (0.0, 0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let sample = f64::from(*sample);
            sin += sample * angle(n).sin() * 2.0 / size;
            cos += sample * angle(n).cos() * 2.0 / size;
            all += sample * sample / size;
        }
        let sine = (sin * sin + cos * cos) / 2.0;
        10.0 * ((all - sine).abs() / sine).log10()
    }

    #[test]
    fn a_sine_stays_one() {
        for ppm in [-1000.0, -200.0, 3.0, 200.0, 1000.0_f64] {
            let step = 1.0 + ppm * 1e-6;
            // Whole periods in the 48,000 samples that are looked at.
            let frequencies = [440.0, 1000.0, 3000.0, 5000.0, 8000.0];
            let heard = if ppm.abs() > 200.0 { 4 } else { 5 };
            for frequency in &frequencies[..heard] {
                let sample = |n: usize| 20_000.0 * (TAU * frequency / step * n as f64 / 48_000.0).sin();
                let captured: Vec<i16> = (0..48_200).map(|n| sample(n).round() as i16).collect();
                let mut new = vec![0; 48_000];
                resample(&captured, 1, 20.0, step, &mut new);
                let rest = rest_db(&new, *frequency);
                assert!(rest < -60.0, "{frequency} Hz, {ppm} ppm: {rest:.1} dB");
                println!("{frequency} Hz, {ppm} ppm: {rest:.1} dB");
            }
        }
    }
}
