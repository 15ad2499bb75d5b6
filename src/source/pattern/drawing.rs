//! What the test picture shows, drawn into planes of samples that remember which macroblocks changed.

use super::font;

/// Luma of black and white, and the chroma of both (8 bits, limited range).
const BLACK: u8 = 16;
const WHITE: u8 = 235;
const NEUTRAL: u8 = 128;

/// The 75 % colour bars from left to right: Y, Cb, Cr by Rec. ITU-R BT.709.
const BARS: [[u8; 3]; 8] = [
    [180, 128, 128],
    [168, 44, 136],
    [145, 147, 44],
    [133, 63, 52],
    [63, 193, 204],
    [51, 109, 212],
    [28, 212, 120],
    [16, 128, 128],
];

/// Blocks in the row for machines: white, black, and the 32 bits of the frame number.
const BLOCKS: usize = 2 + 32;

/// Characters in a line: the clock is HH:MM:SS.mmm, the frame number stands below it, flush right.
const CHARACTERS: usize = 12;
/// From a character to the next, in dots.
const ADVANCE: usize = font::COLUMNS + 1;
/// The black band for people, in dots: a line of figures, one more, the ball, and margins around each.
const BAND: usize = 24;
const LINE_TOPS: [usize; 2] = [1, 10];
const BALL_TOP: usize = 18;
const BALL: usize = 5;
/// The ball goes from one side to the other in about this time.
const CROSSING_SECONDS: u32 = 4;

/// One component's samples.
pub(super) struct Plane {
    stride: usize,
    samples: Vec<u8>,
}

impl Plane {
    pub(super) fn new(width: usize, height: usize) -> Plane {
        Plane {
            stride: width,
            samples: vec![NEUTRAL; width * height],
        }
    }

    /// Samples of row `y`, from `x` on.
    pub(super) fn row(&self, x: usize, y: usize, samples: usize) -> &[u8] {
        let at = y * self.stride + x;
        &self.samples[at..at + samples]
    }

    fn row_mut(&mut self, x: usize, y: usize, samples: usize) -> &mut [u8] {
        let at = y * self.stride + x;
        &mut self.samples[at..at + samples]
    }

    /// The square with its upper left corner at `x`, `y`.
    pub(super) fn square<const N: usize>(&self, x: usize, y: usize) -> [[u8; N]; N] {
        let mut square = [[0; N]; N];
        for (i, to) in square.iter_mut().enumerate() {
            to.copy_from_slice(self.row(x, y + i, N));
        }
        square
    }

    pub(super) fn set_square<const N: usize>(&mut self, x: usize, y: usize, square: &[[u8; N]; N]) {
        for (i, from) in square.iter().enumerate() {
            self.row_mut(x, y + i, N).copy_from_slice(from);
        }
    }
}

/// The places of things, in pixels. Chroma has half the resolution both ways, so coloured edges are even.
struct Layout {
    /// Width and height of each of the machines' blocks.
    block: usize,
    /// Width and height of a dot.
    dot: usize,
    band_top: usize,
    text_left: usize,
    travel: usize,
}

impl Layout {
    fn new(width: usize, height: usize) -> Layout {
        let block = width / 40 / 2 * 2;
        let dot = (width / (CHARACTERS * ADVANCE + 8)).min((height - block) / BAND);
        // Where there is room the figures start at multiples of 8, which makes them cheap to code.
        let band_top = ((block + (height - block - BAND * dot) / 2) & !7).max(block);
        let text_left = (width - (CHARACTERS * ADVANCE - 1) * dot) / 16 * 8;
        Layout {
            block,
            dot,
            band_top,
            text_left,
            travel: width - BALL * dot,
        }
    }
}

/// The test picture as last drawn.
pub(super) struct Drawing {
    /// Y, Cb and Cr (4:2:0), of whole macroblocks: what is over the picture's size is cropped by the SPS.
    pub(super) planes: [Plane; 3],
    /// Which macroblocks the last drawing changed, in raster order.
    pub(super) changed: Vec<bool>,
    macroblocks_wide: usize,
    layout: Layout,
    lines: [[u8; CHARACTERS]; 2],
    /// Luma of the ball and the black around it, row by row.
    ball: Vec<u8>,
    ball_left: usize,
    /// Pixels that the ball moves from a frame to the next: always the same, so that a jerk is never ours.
    ball_step: u64,
}

impl Drawing {
    /// The parts that stay. The size is even and from 160x120 to 3840x2160.
    pub(super) fn new(width: u32, height: u32, fps: u32) -> Drawing {
        let ball_step = u64::from((width / (CROSSING_SECONDS * fps)).max(1));
        let (width, height) = (width as usize, height as usize);
        let layout = Layout::new(width, height);
        let (coded_width, coded_height) = (width.next_multiple_of(16), height.next_multiple_of(16));
        let mut planes = [1, 2, 2].map(|part| Plane::new(coded_width / part, coded_height / part));

        for (component, plane) in planes.iter_mut().enumerate() {
            let part = if component == 0 { 1 } else { 2 };
            let neutral = if component == 0 { BLACK } else { NEUTRAL };
            let bars: Vec<u8> = (0..coded_width / part)
                .map(|x| BARS[(x * part / 2 * 16 / width).min(7)][component])
                .collect();
            for y in 0..coded_height / part {
                plane.row_mut(0, y, bars.len()).copy_from_slice(&bars);
            }
            for y in layout.band_top / part..(layout.band_top + BAND * layout.dot) / part {
                plane.row_mut(0, y, bars.len()).fill(neutral);
            }
            for y in 0..layout.block / part {
                plane.row_mut(0, y, BLOCKS * layout.block / part).fill(neutral);
            }
        }

        let macroblocks_wide = coded_width / 16;
        Drawing {
            planes,
            changed: vec![false; macroblocks_wide * (coded_height / 16)],
            macroblocks_wide,
            lines: [[b' '; CHARACTERS]; 2],
            ball: disc(BALL * layout.dot),
            ball_left: 0,
            ball_step,
            layout,
        }
    }

    /// Draws frame `number` at the time of day given (hours, minutes, seconds, milliseconds).
    pub(super) fn draw(&mut self, number: u32, (hour, minute, second, millisecond): (u32, u32, u32, u32)) {
        self.changed.fill(false);
        self.draw_blocks(number);
        self.draw_line(0, &format!("{hour:02}:{minute:02}:{second:02}.{millisecond:03}"));
        self.draw_line(1, &format!("{number:>CHARACTERS$}"));
        self.draw_ball(number);
    }

    /// The frame number for machines; the README has the layout.
    fn draw_blocks(&mut self, number: u32) {
        let block = self.layout.block;
        // White, black, then the bits.
        let white = 0b10 << 32 | u64::from(number);
        for i in 0..BLOCKS {
            let luma = if white >> (BLOCKS - 1 - i) & 1 == 1 {
                WHITE
            } else {
                BLACK
            };
            let row = vec![luma; block];
            for y in 0..block {
                self.put(i * block, y, &row);
            }
        }
    }

    fn draw_line(&mut self, line: usize, text: &str) {
        let dot = self.layout.dot;
        let top = self.layout.band_top + LINE_TOPS[line] * dot;
        for (i, character) in text.bytes().enumerate().take(CHARACTERS) {
            if self.lines[line][i] == character {
                continue;
            }
            self.lines[line][i] = character;
            let left = self.layout.text_left + i * ADVANCE * dot;
            for (row, dots) in font::figure(character).into_iter().enumerate() {
                let samples: Vec<u8> = (0..font::COLUMNS * dot)
                    .map(|x| {
                        if dots << (x / dot) & 1 << (font::COLUMNS - 1) != 0 {
                            WHITE
                        } else {
                            BLACK
                        }
                    })
                    .collect();
                for y in 0..dot {
                    self.put(left, top + row * dot + y, &samples);
                }
            }
        }
    }

    /// The ball goes to and fro at an even pace.
    fn draw_ball(&mut self, number: u32) {
        let travel = self.layout.travel;
        let path = (u64::from(number) * self.ball_step % (2 * travel as u64)) as usize;
        let left = path.min(2 * travel - path);
        let size = BALL * self.layout.dot;
        let top = self.layout.band_top + BALL_TOP * self.layout.dot;

        // From the leftmost to the rightmost pixel of the ball where it was and where it is.
        let from = left.min(self.ball_left);
        let mut samples = vec![BLACK; left.max(self.ball_left) + size - from];
        for y in 0..size {
            samples[left - from..left - from + size].copy_from_slice(&self.ball[y * size..(y + 1) * size]);
            self.put(from, top + y, &samples);
        }
        self.ball_left = left;
    }

    /// Puts luma samples into row `y` from `x` on, and marks the macroblocks where that made a difference.
    fn put(&mut self, x: usize, y: usize, samples: &[u8]) {
        let (mut x, mut samples) = (x, samples);
        while !samples.is_empty() {
            let (from, rest) = samples.split_at(samples.len().min(16 - x % 16));
            let to = self.planes[0].row_mut(x, y, from.len());
            if to != from {
                to.copy_from_slice(from);
                self.changed[y / 16 * self.macroblocks_wide + x / 16] = true;
            }
            x += from.len();
            samples = rest;
        }
    }
}

/// A white disc on black, row by row, with smooth edges: each pixel is taken as 4x4 points.
fn disc(size: usize) -> Vec<u8> {
    // In eighths of a pixel from the middle; a point is in the middle of its quarter.
    let offset = |at: usize, quarter: usize| (8 * at + 2 * quarter + 1).abs_diff(4 * size).pow(2);
    let mut samples = Vec::with_capacity(size * size);
    for y in 0..size {
        for x in 0..size {
            let inside = (0..16)
                .filter(|i| offset(x, i % 4) + offset(y, i / 4) < (4 * size).pow(2))
                .count();
            samples.push(BLACK + ((WHITE - BLACK) as usize * inside / 16) as u8);
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_fits_every_size() {
        for width in (160..=3840).step_by(2) {
            for height in (120..=2160).step_by(2) {
                let Layout {
                    block,
                    dot,
                    band_top,
                    text_left,
                    travel,
                } = Layout::new(width, height);
                assert!(
                    block >= 4 && block % 2 == 0 && block * BLOCKS <= width,
                    "{width}x{height}"
                );
                assert!(dot >= 1 && band_top % 2 == 0, "{width}x{height}");
                assert!(
                    band_top >= block && band_top + BAND * dot <= height,
                    "{width}x{height}"
                );
                assert!(
                    text_left + (CHARACTERS * ADVANCE - 1) * dot <= width,
                    "{width}x{height}"
                );
                assert_eq!(travel + BALL * dot, width);
            }
        }
    }

    #[test]
    fn change_is_marked_where_it_is() {
        let mut drawing = Drawing::new(640, 480, 30);
        drawing.draw(0, (10, 20, 30, 400));
        drawing.draw(0, (10, 20, 30, 400));
        assert!(!drawing.changed.contains(&true));

        let before = drawing.planes[0].samples.clone();
        drawing.draw(1, (10, 20, 30, 433));
        for (at, &changed) in drawing.changed.iter().enumerate() {
            let (x, y) = (at % 40 * 16, at / 40 * 16);
            let differs =
                (y..y + 16).any(|y| before[y * 640 + x..][..16] != *drawing.planes[0].row(x, y, 16));
            assert_eq!(changed, differs, "{x},{y}");
        }
        // The last of the blocks is one of the changes; the bars are none.
        assert!(drawing.changed[33]);
        assert!(!drawing.changed[39]);
    }

    #[test]
    fn ball_moves_evenly_and_turns_at_the_sides() {
        let mut drawing = Drawing::new(640, 480, 30);
        assert_eq!(drawing.ball_step, 5);
        let lefts: Vec<usize> = (0..300)
            .map(|number| {
                drawing.draw(number, (0, 0, 0, 0));
                drawing.ball_left
            })
            .collect();
        assert!(lefts.windows(2).all(|pair| pair[0].abs_diff(pair[1]) == 5));
        assert_eq!((lefts.iter().min(), lefts.iter().max()), (Some(&0), Some(&600)));
    }

    #[test]
    fn disc_is_round() {
        let disc = disc(40);
        assert_eq!(
            (disc[0], disc[20 * 40 + 20], disc[20 * 40]),
            (BLACK, WHITE, WHITE)
        );
        let area: usize =
            disc.iter().map(|&luma| usize::from(luma - BLACK)).sum::<usize>() / usize::from(WHITE - BLACK);
        // 400 pi
        assert!(area.abs_diff(1257) < 10, "{area}");
        let mirrored: Vec<u8> = disc.iter().rev().copied().collect();
        assert_eq!(disc, mirrored);
    }
}
