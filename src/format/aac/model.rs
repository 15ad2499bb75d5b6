//! What can be heard: how much noise each scalefactor band bears.
//!
//! Noise that is 36 dB below a band's own sound can't be heard, nor what is masked by the bands beside it: masking falls by
//! 15 dB for each Bark upward and by 30 dB downward. Noise of a few units of a 16-bit sample is heard nowhere.

use super::math::exp2;
use super::rates::Rate;

/// The masking of one kind of window.
#[derive(Debug)]
pub struct Model {
    /// For each band: what is left in it of the noise that the band below bears, and the same in the band below of
    /// this one's.
    spread: Vec<(f32, f32)>,
    /// The energy per line that nobody hears.
    quiet: f32,
}

/// The noise that a band's own sound masks: -36 dB.
const OWN: f32 = 0.000_251;
/// The variance of noise that nobody hears.
const QUIET: f32 = 8.0;
/// log2 of 10 dB.
const TEN_DB: f32 = std::f32::consts::LOG2_10;

impl Model {
    /// For windows with `lines` lines, and bands of these `widths`.
    pub fn new(rate: &Rate, widths: &[u8], lines: usize) -> Model {
        let hz_per_line = rate.hz as f32 / (2 * lines) as f32;
        let mut start = 0.0;
        let mut last = 0.0;
        let mut spread = Vec::with_capacity(widths.len());
        for &width in widths {
            let width = f32::from(width);
            let hz = (start + width / 2.0) * hz_per_line;
            // Traunmüller's formula.
            let bark = 26.81 * hz / (1960.0 + hz);
            spread.push((
                exp2(-1.5 * TEN_DB * (bark - last)),
                exp2(-3.0 * TEN_DB * (bark - last)),
            ));
            start += width;
            last = bark;
        }
        Model {
            spread,
            quiet: QUIET * (2 * lines) as f32,
        }
    }

    /// The noise that each band of one group of windows bears, from the energies of the bands. `lines` is the number
    /// of lines of each band.
    pub fn thresholds(&self, energy: &[f32], lines: impl Iterator<Item = f32>, thresholds: &mut [f32]) {
        for (threshold, energy) in thresholds.iter_mut().zip(energy) {
            *threshold = OWN * energy;
        }
        for i in 1..thresholds.len() {
            thresholds[i] = thresholds[i].max(thresholds[i - 1] * self.spread[i].0);
        }
        for i in (1..thresholds.len()).rev() {
            thresholds[i - 1] = thresholds[i - 1].max(thresholds[i] * self.spread[i].1);
        }
        for (threshold, lines) in thresholds.iter_mut().zip(lines) {
            *threshold = threshold.max(self.quiet * lines);
        }
    }
}
