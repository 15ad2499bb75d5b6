//! The encoder: 1024 samples of each channel in, one frame out, at a bit rate that it keeps over some frames.

use super::channel::{AHEAD, Channel};
use super::mdct::{Filterbank, LONG, SHORT};
use super::model::Model;
use super::rates::{config, rate};
use super::sections::Books;
use super::shape::Shape;
use crate::format::bits::BitWriter;

/// The samples of each channel that a frame is made of.
pub const FRAME: usize = LONG;
/// A frame decodes to the samples that are so far before the first one of those that [`Encoder::encode`] was given for it.
pub const DELAY: usize = LONG + AHEAD;

/// A frame of silence, of one channel and of two: without any band, so that it is the same at each rate.
pub const SILENCE: [&[u8]; 2] = [&[0x00, 0xc8, 0x00, 0x07], &[0x21, 0x00, 0x03, 0x20, 0x64, 0x1c]];

/// The most bits that a frame may have for each channel (clause 4.5.3).
const MAX_BITS: u32 = 6144;
/// So many frames may be as much longer than the others as those were shorter (a leaky bucket).
const BUCKET: u32 = 4;
/// How full the bucket is on the average.
const AIM: f32 = 0.7;
/// The least and the most noise that is added to what can't be heard: eighth roots, as [`Channel::demand`] has them.
/// With the most all lines are 0.
const LEAST: f32 = 0.05;
const MOST: f32 = 1e3;
/// A frame that fits after so many tries is good, however far it is from the bits it should have.
const TRIES: usize = 4;
/// That close to the bits it should have a frame is good.
const CLOSE: f32 = 0.1;

/// Codes sound of one or two channels as AAC-LC.
#[derive(Debug)]
pub struct Encoder {
    channels: Vec<Channel>,
    /// Whether two channels are coded as their middle and their side.
    joined: bool,
    shape: Shape,
    models: [Model; 2],
    bank: Filterbank,
    books: Books,
    /// The bits of a frame by the bit rate, and how many of them are left over from frames before.
    average: u32,
    left: u32,
    /// The demand of the frames before, on the average.
    usual: f32,
    /// How many bits the last frame had for its demand.
    per_demand: f32,
}

impl Encoder {
    /// For a sampling rate of 48, 44.1, 32, 24, 16 or 8 kHz, 1 or 2 channels, and 32 to 160 kbit/s.
    pub fn new(hz: u32, channels: u8, bit_rate: u32) -> Option<Encoder> {
        let rate = rate(hz)?;
        config(hz, channels)?;
        if !(32_000..=160_000).contains(&bit_rate) {
            return None;
        }
        let count = u32::from(channels);
        // What is above costs more than it is worth at this bit rate.
        let highest = (7_000 + bit_rate / count / 8).min(20_000);
        let shape = Shape::new(rate, highest);
        let [long, short] = shape.widths();
        Some(Encoder {
            channels: (0..channels).map(|_| Channel::new()).collect(),
            models: [Model::new(rate, long, LONG), Model::new(rate, short, SHORT)],
            joined: false,
            shape,
            bank: Filterbank::new(),
            books: Books::new(),
            average: (bit_rate * FRAME as u32 / hz).min(MAX_BITS * count),
            left: 0,
            usual: 0.0,
            per_demand: 0.6,
        })
    }

    /// Codes [`FRAME`] samples of each channel, which take turns in `pcm`; what lacks is silence. Appends one
    /// raw_data_block to `frame`.
    pub fn encode(&mut self, pcm: &[i16], frame: &mut Vec<u8>) {
        let count = self.channels.len();
        let mut attack = None;
        for (i, channel) in self.channels.iter_mut().enumerate() {
            let found = channel.push(pcm.iter().skip(i).step_by(count).copied());
            attack = attack.into_iter().chain(found).min();
        }
        self.shape.advance(attack);
        for channel in &mut self.channels {
            channel.transform(&mut self.bank, &self.shape);
        }
        if let [left, right] = &mut self.channels[..] {
            self.joined = left.join(right, self.joined);
        }
        for channel in &mut self.channels {
            channel.analyse(&self.shape, &self.models);
        }
        // The last byte is filled up.
        let bits = self.fit().next_multiple_of(8);
        self.left = (self.left + self.average)
            .saturating_sub(bits)
            .min(BUCKET * self.average);
        let start = frame.len();
        let mut out = BitWriter::append(std::mem::take(frame));
        self.write(&mut out);
        *frame = out.into_bytes();
        debug_assert_eq!((frame.len() - start) as u32, bits / 8);
    }

    /// Quantizes the lines so that they fit, and tells how many bits the frame has.
    fn fit(&mut self) -> u32 {
        let limit = (self.average + self.left).min(MAX_BITS * self.channels.len() as u32);
        let wanted = self.share(limit as f32);
        let (mut low, mut high) = (LEAST, MOST);
        let mut more = self.solve(wanted / self.per_demand);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let bits = self.quantize(more);
            self.per_demand = (bits as f32 / self.demand(more).max(1.0)).clamp(0.1, 10.0);
            let close = (bits as f32 / wanted - 1.0).abs() < CLOSE;
            if bits <= limit && (close || more <= LEAST || attempt >= TRIES) || more >= MOST {
                return bits;
            }
            *(if bits as f32 > wanted { &mut low } else { &mut high }) = more;
            more = self.solve(wanted / self.per_demand);
            if attempt >= 2 * TRIES {
                // With this the lines are known to fit, or all of them are 0.
                more = high;
            } else if more <= low || more >= high {
                more = (low * high.min(8.0 * low)).sqrt();
            }
        }
    }

    /// The bits that the frame should have: more than the average for one that needs more than those before it.
    fn share(&mut self, limit: f32) -> f32 {
        let demand = self.demand(LEAST);
        self.usual += 0.05 * (demand - self.usual);
        let need = (demand / self.usual.max(1.0)).clamp(0.5, 2.0);
        let (average, left) = (self.average as f32, self.left as f32);
        let bucket = BUCKET as f32 * average;
        let wanted = average * (0.5 + 0.5 * need) + 0.25 * (left - AIM * bucket);
        // What the bucket can't hold would be lost.
        wanted.max(left + average - bucket).min(0.95 * limit)
    }

    /// About how many bits the lines need, by the noise that is added: a measure, not a count.
    fn demand(&self, more: f32) -> f32 {
        self.channels.iter().map(|channel| channel.demand(more)).sum()
    }

    /// The noise to add so that the demand is `wanted`.
    fn solve(&self, wanted: f32) -> f32 {
        let (mut low, mut high) = (LEAST, MOST);
        if self.demand(low) <= wanted {
            return low;
        }
        for _ in 0..14 {
            let middle = (low * high).sqrt();
            if self.demand(middle) > wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }

    fn quantize(&mut self, more: f32) -> u32 {
        let (shape, books) = (&self.shape, &mut self.books);
        let bits = self
            .channels
            .iter_mut()
            .map(|channel| channel.quantize(more, &shape.bands, books));
        // The element's head, ics_info and ID_END.
        bits.sum::<u32>() + shape.bits() + 7 + 3 + if self.channels.len() == 2 { 3 } else { 0 }
    }

    /// raw_data_block: one element, and its end.
    fn write(&self, out: &mut BitWriter) {
        let pair = self.channels.len() == 2;
        // ID_SCE or ID_CPE, and element_instance_tag.
        out.u(7, u32::from(pair) << 4);
        if pair {
            out.flag(true); // common_window
            self.shape.write(out);
            // ms_mask_present: in all bands, or in none
            out.u(2, if self.joined { 2 } else { 0 });
        }
        for channel in &self.channels {
            channel.write(&self.shape, !pair, &self.books, out);
        }
        out.u(3, 7); // ID_END
    }
}
