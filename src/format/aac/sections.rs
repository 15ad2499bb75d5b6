//! Noiseless coding: which codebook each band has, and what that takes (ISO/IEC 14496-3, clauses 4.5.2.3.2 and 4.6.3).

use super::books::{BOOKS, CODES, Code, SCALEFACTORS, STARTS, codes};
use crate::format::bits::BitWriter;
use std::ops::Range;

/// Two books have codes for the same lines; the last book of lines stands alone.
struct Kind {
    /// How many lines a code is for.
    lines: usize,
    /// How many values a line may have.
    values: usize,
    /// The symbol of lines that are all 0. Where it is not 0 itself, lines are signed; else their signs follow the code.
    zero: usize,
    /// The largest magnitude of a line.
    largest: i16,
}

#[rustfmt::skip]
const KINDS: [Kind; 6] = [
    Kind { lines: 4, values: 3, zero: 40, largest: 1 },
    Kind { lines: 4, values: 3, zero: 0, largest: 2 },
    Kind { lines: 2, values: 9, zero: 40, largest: 4 },
    Kind { lines: 2, values: 8, zero: 0, largest: 7 },
    Kind { lines: 2, values: 13, zero: 0, largest: 12 },
    Kind { lines: 2, values: 17, zero: 0, largest: LARGEST },
];
/// The largest magnitude of a line.
pub const LARGEST: i16 = 8191;
/// A line of this magnitude or more has an escape behind its code.
pub const ESCAPE: i16 = 16;
/// The book of a band that is all 0: it has no codes and no scalefactor.
pub const ZERO: u8 = 0;
/// The cost of a book that has no codes for a band.
const NEVER: u32 = 1 << 20;
/// The most bands a frame has: eight groups of 15, or 51.
pub const MAX_BANDS: usize = 120;

/// What a book costs, for each of them.
type Costs = [u32; BOOKS];

/// The bands of a frame.
#[derive(Debug, Default)]
pub struct Bands {
    /// Where they begin among the frame's lines, and the end.
    pub edges: Vec<u16>,
    /// How many of them each group of windows has.
    pub per_group: usize,
    /// The bits of a section's length: 5 for a long window, 3 for short ones.
    pub length_bits: u32,
}

impl Bands {
    /// The lines of each band.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let edges = self.edges.windows(2);
        edges.map(|edges| usize::from(edges[0])..usize::from(edges[1]))
    }

    /// The book of each section, and its number of bands. A section ends with its group.
    fn sections<'a>(&self, books: &'a [u8]) -> impl Iterator<Item = (u8, u32)> + 'a {
        let groups = books.chunks(self.per_group.max(1));
        let sections = groups.flat_map(|group| group.chunk_by(|a, b| a == b));
        sections.map(|section| (section[0], section.len() as u32))
    }
}

/// The quantized lines of a channel.
#[derive(Debug)]
pub struct Quantized {
    pub lines: Vec<i16>,
    /// Their magnitudes, those of [`ESCAPE`] or more as that.
    pub magnitudes: Vec<i16>,
    /// The largest magnitude in each band.
    pub largest: Vec<i16>,
    /// The codebook of each band.
    pub books: Vec<u8>,
}

impl Quantized {
    pub fn new(lines: usize) -> Quantized {
        Quantized {
            lines: vec![0; lines],
            magnitudes: vec![0; lines],
            largest: Vec::with_capacity(MAX_BANDS),
            books: Vec::with_capacity(MAX_BANDS),
        }
    }

    /// Where some lines and their magnitudes are.
    pub fn places(&mut self, range: Range<usize>) -> impl Iterator<Item = (&mut i16, &mut i16)> {
        self.lines[range.clone()]
            .iter_mut()
            .zip(&mut self.magnitudes[range])
    }
}

/// The codebooks, and what it costs to use them.
#[derive(Debug)]
pub struct Books {
    codes: Vec<Code>,
    /// By the symbols of each kind's first book: the bits of its code with the signs that follow, and 16 bits higher
    /// the same of the second book.
    lengths: Vec<u32>,
    /// For each band and each book that it may have: the book that the band before has then.
    before: Vec<[u8; BOOKS]>,
}

impl Books {
    pub fn new() -> Books {
        let codes = codes();
        let mut lengths = vec![0; CODES];
        for (kind, starts) in KINDS.iter().zip(STARTS.chunks_exact(2)) {
            for symbol in 0..starts[1] - starts[0] {
                let mut signs = 0;
                let mut rest = symbol;
                while kind.zero == 0 && rest > 0 {
                    signs += u32::from(rest % kind.values > 0);
                    rest /= kind.values;
                }
                let length = |start: usize| codes.get(start + symbol).map_or(0, |code| code.length() + signs);
                lengths[starts[0] + symbol] = length(starts[0]) | length(starts[1]) << 16;
            }
        }
        Books {
            codes,
            lengths,
            before: vec![[0; BOOKS]; MAX_BANDS],
        }
    }

    /// What each book costs for a band, without its scalefactor.
    fn costs(&self, lines: &[i16], magnitudes: &[i16], largest: i16) -> Costs {
        let mut costs = [NEVER; BOOKS];
        let possible = KINDS.iter().enumerate().filter(|kind| kind.1.largest >= largest);
        // Those for larger lines still would take more bits, if they are not zeros between larger ones.
        for (k, kind) in possible.take(if largest == 0 { KINDS.len() } else { 3 }) {
            let lengths = &self.lengths[STARTS[2 * k]..];
            let values = if kind.zero == 0 { magnitudes } else { lines };
            let (base, zero) = (kind.values as i32, kind.zero as i32);
            let mut sum = 0;
            if largest == 0 {
                sum = lengths[kind.zero] * (lines.len() / kind.lines) as u32;
            } else if kind.lines == 4 {
                for four in values.chunks_exact(4) {
                    let [a, b, c, d] = [four[0], four[1], four[2], four[3]].map(i32::from);
                    sum += lengths[(((a * base + b) * base + c) * base + d + zero) as usize];
                }
            } else {
                for two in values.chunks_exact(2) {
                    sum += lengths[(i32::from(two[0]) * base + i32::from(two[1]) + zero) as usize];
                }
            }
            costs[2 * k + 1] = sum & 0xffff;
            if let Some(cost) = costs.get_mut(2 * k + 2) {
                *cost = sum >> 16;
            }
        }
        if largest >= ESCAPE {
            let escapes = lines.iter().filter(|line| line.unsigned_abs() >= ESCAPE as u16);
            costs[BOOKS - 1] += escapes
                .map(|line| 2 * line.unsigned_abs().ilog2() - 3)
                .sum::<u32>();
        } else if largest == 0 {
            costs[usize::from(ZERO)] = 0;
            // Among bands that are not all 0 it has a scalefactor too: that of the band before.
            costs[1..].iter_mut().for_each(|cost| *cost += 1);
        }
        costs
    }

    /// Chooses the codebook of each band so that the sections and the lines take the fewest bits, and tells how many.
    pub fn choose(&mut self, bands: &Bands, quantized: &mut Quantized) -> u32 {
        let head = 4 + bands.length_bits;
        let mut totals = [0; BOOKS];
        let mut cheapest = 0;
        for (band, range) in bands.ranges().enumerate() {
            let lines = &quantized.lines[range.clone()];
            let costs = self.costs(lines, &quantized.magnitudes[range], quantized.largest[band]);
            let other = totals[cheapest] + head;
            let begins = band % bands.per_group == 0;
            let before = &mut self.before[band];
            for book in 0..BOOKS {
                let goes_on = !begins && totals[book] <= other;
                before[book] = if goes_on { book } else { cheapest } as u8;
                totals[book] = costs[book] + if goes_on { totals[book] } else { other };
            }
            cheapest = (1..BOOKS).fold(
                0,
                |best, book| if totals[book] < totals[best] { book } else { best },
            );
        }
        let mut book = cheapest as u8;
        quantized.books.clear();
        quantized.books.resize(quantized.largest.len(), ZERO);
        for (band, before) in quantized.books.iter_mut().zip(&self.before).rev() {
            *band = book;
            book = before[usize::from(book)];
        }
        // A long section has more than one number for its length.
        let full = (1 << bands.length_bits) - 1;
        let more = bands.sections(&quantized.books).map(|(_, length)| length / full);
        totals[cheapest] + more.sum::<u32>() * bands.length_bits
    }

    /// How many bits it takes to say that a scalefactor is `change` (-60 to 60) more than the last one.
    pub fn scalefactor_bits(&self, change: i16) -> u32 {
        self.scalefactor(change).length()
    }

    fn scalefactor(&self, change: i16) -> Code {
        let symbol = usize::try_from(60 + change).unwrap_or(0);
        self.codes.get(SCALEFACTORS + symbol).copied().unwrap_or_default()
    }

    /// scale_factor_data: `change` is that of one scalefactor.
    pub fn write_scalefactor(&self, change: i16, out: &mut BitWriter) {
        write(self.scalefactor(change), out);
    }

    /// section_data.
    pub fn write_sections(&self, bands: &Bands, quantized: &Quantized, out: &mut BitWriter) {
        let full = (1 << bands.length_bits) - 1;
        for (book, mut length) in bands.sections(&quantized.books) {
            out.u(4, book.into());
            while length >= full {
                out.u(bands.length_bits, full);
                length -= full;
            }
            out.u(bands.length_bits, length);
        }
    }

    /// spectral_data.
    pub fn write_lines(&self, bands: &Bands, quantized: &Quantized, out: &mut BitWriter) {
        for (range, &book) in bands.ranges().zip(&quantized.books) {
            let Some(number) = usize::from(book).checked_sub(1) else {
                continue;
            };
            let kind = &KINDS[number / 2];
            for at in range.step_by(kind.lines) {
                let lines = &quantized.lines[at..at + kind.lines];
                let magnitudes = &quantized.magnitudes[at..at + kind.lines];
                let values = if kind.zero == 0 { magnitudes } else { lines };
                let symbol = values
                    .iter()
                    .fold(0, |symbol, &value| symbol * kind.values as i32 + i32::from(value));
                write(
                    self.codes[STARTS[number] + (symbol + kind.zero as i32) as usize],
                    out,
                );
                for &line in lines.iter().filter(|&&line| kind.zero == 0 && line != 0) {
                    out.flag(line < 0);
                }
                for line in lines.iter().map(|line| u32::from(line.unsigned_abs())) {
                    if kind.largest == LARGEST && line >= ESCAPE as u32 {
                        // As many ones as the number has bits over 5, a zero, and the number without its first bit.
                        let bits = line.ilog2();
                        out.u(bits - 3, (1 << (bits - 3)) - 2);
                        out.u(bits, line - (1 << bits));
                    }
                }
            }
        }
    }
}

fn write(code: Code, out: &mut BitWriter) {
    out.u(code.length(), code.bits());
}
