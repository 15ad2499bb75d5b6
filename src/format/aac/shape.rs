//! Which windows a frame has: a long one, or eight short ones where a sound begins suddenly.
//!
//! The noise of coding is as long as its window. Before a clap it would be heard (pre-echo), so the clap gets short
//! windows, and the long ones beside them a short slope on that side (ISO/IEC 14496-3, clause 4.6.11.3).

use super::mdct::SHORT;
use super::rates::Rate;
use super::sections::{Bands, MAX_BANDS};
use crate::format::bits::BitWriter;

/// window_sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence {
    OnlyLong = 0,
    LongStart = 1,
    EightShort = 2,
    LongStop = 3,
}

impl Sequence {
    /// The window to take behind this one. `now` says that there is an attack among its short windows, `next` that
    /// there will be one among those of the window behind it.
    pub fn next(self, now: bool, next: bool) -> Sequence {
        let after_short = self == Sequence::EightShort;
        match (now, next) {
            // A long window has no two short slopes in AAC-LC.
            (true, _) => Sequence::EightShort,
            (_, true) if after_short => Sequence::EightShort,
            (_, true) => Sequence::LongStart,
            _ if after_short => Sequence::LongStop,
            _ => Sequence::OnlyLong,
        }
    }
}

/// The windows of a frame, and their scalefactor bands.
#[derive(Debug)]
pub struct Shape {
    pub sequence: Sequence,
    pub bands: Bands,
    /// How many of the eight short windows each group has: they share their scalefactors.
    groups: Vec<u8>,
    /// The widths of the bands that are coded, in a long window and in a short one.
    long: &'static [u8],
    short: &'static [u8],
    /// The eighth of the window in which a sound begins.
    attack: Option<usize>,
}

impl Shape {
    /// For sound up to `hz`.
    pub fn new(rate: &'static Rate, hz: u32) -> Shape {
        let below = |widths: &'static [u8], lines: u32| {
            let mut end = 0;
            let coded = widths.iter().take_while(|&&width| {
                let coded = end * rate.hz < 2 * lines * hz;
                end += u32::from(width);
                coded
            });
            &widths[..coded.count()]
        };
        Shape {
            sequence: Sequence::OnlyLong,
            bands: Bands {
                edges: Vec::with_capacity(MAX_BANDS + 1),
                per_group: 0,
                length_bits: 0,
            },
            groups: Vec::with_capacity(8),
            long: below(rate.long, 1024),
            short: below(rate.short, 128),
            attack: None,
        }
    }

    /// The widths of the bands of a long window and of a short one.
    pub fn widths(&self) -> [&'static [u8]; 2] {
        [self.long, self.short]
    }

    /// Goes on to the next frame. `attack` is the eighth of the newest samples in which a sound begins: they are where
    /// the short windows of the frame behind that will be.
    pub fn advance(&mut self, attack: Option<usize>) {
        self.sequence = self.sequence.next(self.attack.is_some(), attack.is_some());
        let short = self.sequence == Sequence::EightShort;
        self.groups.clear();
        if short {
            // What is before the window in which the sound begins, that window, and what follows are apart.
            let groups = self.attack.map_or([8, 0, 0, 0], |before| {
                let behind = 7 - before.min(7) as u8;
                [7 - behind, 1, behind.min(3), behind.saturating_sub(3)]
            });
            self.groups.extend(groups.iter().filter(|&&windows| windows > 0));
        } else {
            self.groups.push(1);
        }
        self.attack = attack;
        let widths = self.widths()[usize::from(short)];
        self.bands.per_group = widths.len();
        self.bands.length_bits = if short { 3 } else { 5 };
        self.bands.edges.clear();
        let mut edge = 0;
        self.bands.edges.push(edge);
        for &windows in &self.groups {
            for &width in widths {
                edge += u16::from(width) * u16::from(windows);
                self.bands.edges.push(edge);
            }
        }
    }

    /// Puts the lines of the short windows into the order in which they are coded: group by group, band by band, and
    /// in a band window by window.
    pub fn interleave(&self, windows: &[f32], lines: &mut [f32]) {
        let mut lines = lines.iter_mut();
        let mut first = 0;
        for &count in &self.groups {
            let mut start = 0;
            for &width in self.short {
                for window in first..first + usize::from(count) {
                    let from = window * SHORT + start;
                    let band = &windows[from..from + usize::from(width)];
                    lines.by_ref().zip(band).for_each(|(line, value)| *line = *value);
                }
                start += usize::from(width);
            }
            first += usize::from(count);
        }
    }

    /// How many bits [`Shape::write`] writes.
    pub fn bits(&self) -> u32 {
        if self.sequence == Sequence::EightShort {
            15
        } else {
            11
        }
    }

    /// ics_info.
    pub fn write(&self, out: &mut BitWriter) {
        // ics_reserved_bit, window_sequence, and window_shape: sine.
        out.u(4, (self.sequence as u32) << 1);
        let max_sfb = self.bands.per_group as u32;
        if self.sequence == Sequence::EightShort {
            out.u(4, max_sfb);
            // scale_factor_grouping: a bit for each window but the first one, whether it is in the group before.
            let group = |bits, &windows: &u8| bits << windows | ((1 << (windows - 1)) - 1);
            out.u(7, self.groups.iter().fold(0, group));
        } else {
            // max_sfb and predictor_data_present
            out.u(7, max_sfb << 1);
        }
    }
}
