//! One channel: from samples to quantized lines.

use super::attack::Detector;
use super::math::{exp2, log2};
use super::mdct::{EDGE, Filterbank, LONG, SHORT};
use super::model::Model;
use super::sections::{Bands, Books, ESCAPE, LARGEST, MAX_BANDS, Quantized, ZERO};
use super::shape::{Sequence, Shape};
use crate::format::bits::BitWriter;

/// The samples behind a long window that tell whether its right slope has to be short.
pub const AHEAD: usize = (LONG + SHORT) / 2;
/// Scalefactors are written with this offset.
const OFFSET: i16 = 100;
/// By how much scalefactors may differ from one another.
const SPAN: i16 = 60;
/// Stands for the scalefactor of a band whose lines are all 0.
const SILENT: i16 = i16::MIN;

/// What is known of a band before it is quantized.
#[derive(Debug, Clone, Copy)]
struct Band {
    energy: f32,
    /// The eighth root of the noise that it bears.
    threshold: f32,
    /// log2 of the sum of the square roots of its lines.
    form: f32,
    /// The largest of its lines, to the power of 3/4.
    peak: f32,
    lines: u16,
}

/// A channel of the sound, and its lines at work.
#[derive(Debug)]
pub struct Channel {
    samples: Vec<f32>,
    detector: Detector,
    /// The lines, in the order in which they are coded.
    lines: Vec<f32>,
    /// Their magnitudes to the power of 3/4: the quantizer is uniform for those.
    powers: Vec<f32>,
    bands: Vec<Band>,
    energies: Vec<f32>,
    thresholds: Vec<f32>,
    /// The thresholds of the window before, if that was a long one.
    last_thresholds: Vec<f32>,
    /// The scalefactor of each band.
    scalefactors: Vec<i16>,
    quantized: Quantized,
}

impl Channel {
    pub fn new() -> Channel {
        Channel {
            samples: vec![0.0; 2 * LONG + AHEAD],
            detector: Detector::default(),
            lines: vec![0.0; LONG],
            powers: vec![0.0; LONG],
            bands: Vec::with_capacity(MAX_BANDS),
            energies: Vec::with_capacity(MAX_BANDS),
            thresholds: Vec::with_capacity(MAX_BANDS),
            last_thresholds: Vec::with_capacity(MAX_BANDS),
            scalefactors: Vec::with_capacity(MAX_BANDS),
            quantized: Quantized::new(LONG),
        }
    }

    /// Takes 1024 new samples (what lacks is silence), and tells in which eighth of them a sound begins.
    pub fn push(&mut self, samples: impl Iterator<Item = i16>) -> Option<usize> {
        self.samples.copy_within(LONG.., 0);
        let (_, new) = self.samples.split_at_mut(LONG + AHEAD);
        let samples = samples.map(f32::from).chain(std::iter::repeat(0.0));
        new.iter_mut()
            .zip(samples)
            .for_each(|(sample, new)| *sample = new);
        self.detector.find(new)
    }

    /// Makes lines of the samples.
    pub fn transform(&mut self, bank: &mut Filterbank, shape: &Shape) {
        if shape.sequence == Sequence::EightShort {
            for (i, lines) in self.powers.chunks_exact_mut(SHORT).enumerate() {
                bank.short(&self.samples[EDGE + i * SHORT..][..2 * SHORT], lines);
            }
            shape.interleave(&self.powers, &mut self.lines);
        } else {
            let (left, right) = (Sequence::LongStop, Sequence::LongStart);
            let samples = &self.samples[..2 * LONG];
            bank.long(
                samples,
                shape.sequence == left,
                shape.sequence == right,
                &mut self.lines,
            );
        }
    }

    /// Makes the middle (half the sum) and the side (half the difference) of the lines of a left and a right channel
    /// where one of them is far below the other, as where one microphone is heard on both. Tells whether it did.
    pub fn join(&mut self, right: &mut Channel, joined: bool) -> bool {
        let lines = || self.lines.iter().zip(&right.lines);
        let sums: f32 = lines().map(|(l, r)| (l + r) * (l + r)).sum();
        let differences: f32 = lines().map(|(l, r)| (l - r) * (l - r)).sum();
        let join = sums.max(differences) > 16.0 * sums.min(differences);
        if join {
            for (l, r) in self.lines.iter_mut().zip(&mut right.lines) {
                (*l, *r) = (0.5 * (*l + *r), 0.5 * (*l - *r));
            }
        }
        if join != joined {
            self.last_thresholds.clear();
            right.last_thresholds.clear();
        }
        join
    }

    /// Finds out how much noise each band of lines bears.
    pub fn analyse(&mut self, shape: &Shape, models: &[Model; 2]) {
        self.bands.clear();
        self.energies.clear();
        for range in shape.bands.ranges() {
            let (mut energy, mut roots, mut peak) = (0.0, 0.0, 0.0f32);
            let lines = range.len();
            for (line, power) in self.lines[range.clone()].iter().zip(&mut self.powers[range]) {
                let magnitude = line.abs();
                let root = magnitude.sqrt();
                energy += line * line;
                roots += root;
                *power = (magnitude * root).sqrt();
                if *power > peak {
                    peak = *power;
                }
            }
            self.energies.push(energy);
            self.bands.push(Band {
                energy,
                threshold: 0.0,
                form: log2(roots + 1e-9),
                peak,
                lines: lines as u16,
            });
        }
        self.set_thresholds(shape, models);
    }

    fn set_thresholds(&mut self, shape: &Shape, models: &[Model; 2]) {
        let long = shape.sequence != Sequence::EightShort;
        let model = &models[usize::from(!long)];
        self.thresholds.resize(self.bands.len(), 0.0);
        let per_group = shape.bands.per_group;
        for (i, thresholds) in self.thresholds.chunks_mut(per_group).enumerate() {
            let group = i * per_group;
            let lines = self.bands[group..].iter().map(|band| f32::from(band.lines));
            model.thresholds(&self.energies[group..], lines, thresholds);
        }
        for (band, threshold) in self.bands.iter_mut().zip(&self.thresholds) {
            band.threshold = *threshold;
        }
        // A sound that begins must not allow noise before it.
        for (band, last) in self.bands.iter_mut().zip(&self.last_thresholds) {
            band.threshold = band.threshold.min(2.0 * last).max(0.01 * band.threshold);
        }
        self.last_thresholds.clear();
        if long {
            self.last_thresholds.extend_from_slice(&self.thresholds);
        }
        for band in &mut self.bands {
            band.threshold = band.threshold.sqrt().sqrt().sqrt();
        }
    }

    /// About how many bits the lines need if each band gets some more noise: `more` is added to the eighth root, so that
    /// quiet bands get relatively more than loud ones, but not as much as if all of them got the same.
    pub fn demand(&self, more: f32) -> f32 {
        let bits = |band: &Band| {
            let over = band.energy / power_of_8(band.threshold + more);
            if over > 1.0 {
                f32::from(band.lines) * log2(over)
            } else {
                0.0
            }
        };
        self.bands.iter().map(bits).sum()
    }

    /// Quantizes the lines with so much more noise, and tells how many bits it takes to write them.
    pub fn quantize(&mut self, more: f32, bands: &Bands, books: &mut Books) -> u32 {
        self.set_scalefactors(more);
        let quantized = &mut self.quantized;
        quantized.largest.clear();
        for (range, &scalefactor) in bands.ranges().zip(&self.scalefactors) {
            let mut largest = 0;
            if scalefactor == SILENT {
                quantized.lines[range.clone()].fill(0);
                quantized.magnitudes[range].fill(0);
            } else {
                let step = exp2(-0.1875 * f32::from(scalefactor));
                let lines = self.lines[range.clone()].iter().zip(&self.powers[range.clone()]);
                for ((line, power), place) in lines.zip(quantized.places(range)) {
                    // A little under ½, as most lines are nearer to the smaller of two numbers.
                    let magnitude = (power * step + 0.4054) as i32 as i16;
                    if magnitude > largest {
                        largest = magnitude;
                    }
                    *place.0 = if *line < 0.0 { -magnitude } else { magnitude };
                    *place.1 = if magnitude > ESCAPE { ESCAPE } else { magnitude };
                }
            }
            quantized.largest.push(largest);
        }
        let mut bits = 11 + books.choose(bands, quantized);
        // Which one it is matters to no line of a band of zeros: the one before, or the first one that matters.
        let largest = quantized.largest.iter();
        let first = self.scalefactors.iter().zip(largest).find(|band| *band.1 > 0);
        let mut last = first.map_or(0, |band| *band.0);
        let largest = quantized.largest.iter();
        for ((scalefactor, &book), &largest) in
            self.scalefactors.iter_mut().zip(&quantized.books).zip(largest)
        {
            if largest == 0 {
                *scalefactor = last;
            } else if book != ZERO {
                bits += books.scalefactor_bits(*scalefactor - last);
            }
            last = *scalefactor;
        }
        bits
    }

    /// The scalefactors that make about as much noise as each band bears.
    fn set_scalefactors(&mut self, more: f32) {
        self.scalefactors.clear();
        let mut highest = -OFFSET;
        for band in &self.bands {
            let root = band.threshold + more;
            let mut scalefactor = SILENT;
            if band.energy > power_of_8(root) {
                // 8/3·log2(6.75·threshold / the sum of the lines' roots): 3GPP TS 26.403, clause 5.6.1.2.
                let wanted = (8.0 / 3.0) * (2.754_888 + 8.0 * log2(root) - band.form);
                // The largest line has to stay in its range.
                let least = (16.0 / 3.0) * log2(band.peak / f32::from(LARGEST)) + 1.0;
                scalefactor = (wanted.max(least).clamp(-100.0, 155.0) + 128.0) as i16 - 128;
                highest = highest.max(scalefactor);
            }
            self.scalefactors.push(scalefactor);
        }
        for scalefactor in &mut self.scalefactors {
            if *scalefactor != SILENT {
                *scalefactor = (*scalefactor).max(highest - SPAN);
            }
        }
    }

    /// individual_channel_stream, of a channel that was quantized; `shape` is written if it is this channel's alone.
    pub fn write(&self, shape: &Shape, alone: bool, books: &Books, out: &mut BitWriter) {
        let used = self
            .scalefactors
            .iter()
            .zip(&self.quantized.books)
            .filter(|used| *used.1 != ZERO);
        let mut last = used.clone().next().map_or(0, |used| *used.0);
        out.u(8, (last + OFFSET) as u32);
        if alone {
            shape.write(out);
        }
        books.write_sections(&shape.bands, &self.quantized, out);
        for (&scalefactor, _) in used {
            books.write_scalefactor(scalefactor - last, out);
            last = scalefactor;
        }
        // pulse_data_present, tns_data_present and gain_control_data_present.
        out.u(3, 0);
        books.write_lines(&shape.bands, &self.quantized, out);
    }
}

fn power_of_8(x: f32) -> f32 {
    let power_of_4 = x * x * x * x;
    power_of_4 * power_of_4
}
