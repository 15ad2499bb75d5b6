//! Raw pictures in, and a number out that the [detector](super::detector) takes as it takes a size: by how much more than usual that cell
//! of the picture differs which differs most.
//!
//! Each sample is compared with what is usual in its place, and the sum of a cell's differences with what is usual of that cell. So
//! noise, and a tree in the wind, are usual where they are. What changes in all cells alike is the light.

use super::detector::median;
use crate::format::raw::GRID;

/// A cell has so many samples in each direction.
const SIDE: usize = 5;
/// Cells side by side.
const COLUMNS: usize = GRID.0 / SIDE;
/// All cells.
const CELLS: usize = COLUMNS * (GRID.1 / SIDE);
/// The factor 1.
const ONE: i32 = 1 << 10;
/// The light has changed where half of the cells are darker than this factor makes them, or brighter than the other one does, ...
const LIGHT: (i32, i32) = (ONE * 3 / 4, ONE * 4 / 3);
/// ... or where more than so many cells differ at once, ...
const MANY: usize = CELLS * 3 / 4;
/// ... each more than so many times as much as is usual.
const MUCH: i32 = 4;
/// The least difference that is usual: half a step of each sample.
const LEAST: i32 = (SIDE * SIDE) as i32 * ONE / 2;
/// A cell's usual difference is the average over so many looks.
const LOOKS: i32 = 64;
/// It is learnt faster after the light has changed, as if there had been only so many looks.
const AFRESH: i32 = 8;
/// Each time after so many looks a usual sample gets nearer to the present one by 1: in five looks a second, what comes and stays is
/// usual after two and a half minutes at most, and mostly within one.
const STEP: u32 = 3;

/// What is usual in each cell.
pub(super) struct Cells {
    /// Of its samples; empty before the first look.
    samples: Vec<u8>,
    /// Of how much they differ from that, in all.
    differences: [i32; CELLS],
    /// The average is over so many.
    looks: i32,
    /// The light has changed: most of the picture is another one, which it was not at the look before.
    pub light: bool,
    /// Most of the picture is another one.
    is_other: bool,
    /// Counts up to [`STEP`].
    step: u32,
}

impl Default for Cells {
    fn default() -> Cells {
        Cells {
            samples: Vec::new(),
            differences: [LEAST; CELLS],
            looks: 0,
            light: false,
            is_other: false,
            step: 0,
        }
    }
}

/// Takes some of a cell's samples, by its number.
type Take<'a> = &'a mut dyn FnMut(usize, &[u8], &[u8]);

/// Gives the samples of each line of each cell, what is usual there, and the cell's number. That is counted: a Raspberry Pi Zero can't
/// divide, and to do so for each sample took it more time than all else.
fn each(samples: &[u8], usual: &[u8], take: Take<'_>) {
    let mut lines = samples.chunks(SIDE).zip(usual.chunks(SIDE));
    for row in 0..GRID.1 / SIDE {
        for _ in 0..SIDE {
            for (column, (samples, usual)) in lines.by_ref().take(COLUMNS).enumerate() {
                take(row * COLUMNS + column, samples, usual);
            }
        }
    }
}

impl Cells {
    /// Looks at the samples of a picture. Gives how many times as much as is usual the cell differs that differs most, in 1/256; `None`
    /// at the first look. Where `learns`, what is there now is usual from now on.
    pub fn look(&mut self, samples: &[u8], learns: bool) -> Option<usize> {
        if samples.len() != self.samples.len() || samples.len() != GRID.0 * GRID.1 {
            (self.samples, self.looks) = (samples.to_vec(), 0);
            return None;
        }
        let mut sums = [[1; 2]; CELLS];
        each(samples, &self.samples, &mut |cell, now, usual| {
            for (sum, samples) in sums[cell].iter_mut().zip([now, usual]) {
                *sum += samples.iter().map(|sample| i32::from(*sample)).sum::<i32>();
            }
        });
        let light = median(&sums.map(|[now, usual]| now * ONE / usual));
        let is_bright = light < LIGHT.0 || light > LIGHT.1;
        let light = light.min(LIGHT.1);
        let mut differences = [0; CELLS];
        each(samples, &self.samples, &mut |cell, now, usual| {
            let both = now.iter().zip(usual);
            differences[cell] += both
                .map(|(now, usual)| (i32::from(*now) * ONE - i32::from(*usual) * light).abs())
                .sum::<i32>();
        });
        self.looks = LOOKS.min(self.looks + 1);
        let (mut most, mut many) = (0, 0);
        for (difference, usual) in differences.iter().zip(&mut self.differences) {
            most = most.max(difference / (*usual / 256));
            many += usize::from(*difference > *usual * MUCH);
            // What moves is usual only slowly.
            let limited = (*difference).min(*usual * 2);
            *usual = LEAST.max(*usual + (limited - *usual) / self.looks);
        }
        let is_other = is_bright || many > MANY;
        self.light = is_other && !self.is_other;
        self.is_other = is_other;
        if self.light {
            self.looks = AFRESH.min(self.looks);
        }
        self.step = (self.step + 1) % STEP;
        if learns || is_other {
            self.samples.copy_from_slice(samples);
        } else if self.step == 0 {
            for (usual, now) in self.samples.iter_mut().zip(samples) {
                *usual = usual.saturating_add_signed((i16::from(*now) - i16::from(*usual)).signum() as i8);
            }
        }
        Some(most as usize)
    }
}
