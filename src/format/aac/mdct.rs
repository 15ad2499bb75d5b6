//! The filter bank: windows and the modified discrete cosine transform of ISO/IEC 14496-3, clause 4.6.11, forward.
//!
//! A window of 2·M samples becomes M lines: it is folded to M samples, whose DCT-IV is one complex FFT of M/2 points
//! between two rotations.

use std::f64::consts::PI;

/// The lines of a long window.
pub const LONG: usize = 1024;
/// The lines of a short window; eight of them take the place of a long one.
pub const SHORT: usize = 128;
/// Where the slope of a short window stands in half a long one.
pub const EDGE: usize = (LONG - SHORT) / 2;

type Complex = [f32; 2];

/// What a transform needs to know beforehand, and where it works.
#[derive(Debug)]
pub struct Filterbank {
    /// The rising half of a sine window.
    slope: Vec<f32>,
    /// The rising half of a long window that has a short one beside it.
    edge: Vec<f32>,
    /// The rotations before and behind the FFT, for long windows and for short ones.
    long: Vec<Complex>,
    short: Vec<Complex>,
    /// The roots of unity of the long windows' FFT: half of them.
    roots: Vec<Complex>,
    work: Vec<Complex>,
}

/// Cosine and sine of an angle from 0 to π, by their series: the library's functions are larger than this file.
fn unit(angle: f64) -> (f64, f64) {
    let (mut cos, mut sin, mut term) = (0.0, 0.0, 1.0);
    for k in 1..32 {
        match k % 4 {
            1 => cos += term,
            2 => sin += term,
            3 => cos -= term,
            _ => sin -= term,
        }
        term *= angle / f64::from(k);
    }
    (cos, sin)
}

/// `count` points of the unit circle, clockwise, `step` apart, from `first` on (in steps).
fn circle(count: usize, first: f64, step: f64) -> Vec<Complex> {
    let point = |n: usize| {
        let (cos, sin) = unit((n as f64 + first) * step);
        [cos as f32, -sin as f32]
    };
    (0..count).map(point).collect()
}

#[inline(always)] // a call would take longer
fn product(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

#[inline(always)]
fn sum(a: Complex, b: Complex) -> Complex {
    [a[0] + b[0], a[1] + b[1]]
}

#[inline(always)]
fn difference(a: Complex, b: Complex) -> Complex {
    [a[0] - b[0], a[1] - b[1]]
}

impl Filterbank {
    pub fn new() -> Filterbank {
        let rising = |lines: usize| {
            circle(lines, 0.5, PI / (2 * lines) as f64)
                .into_iter()
                .map(|p| -p[1])
        };
        let mut edge = vec![0.0; EDGE];
        edge.extend(rising(SHORT));
        edge.resize(LONG, 1.0);
        Filterbank {
            slope: rising(LONG).collect(),
            edge,
            long: circle(LONG / 2, 0.125, PI / LONG as f64),
            short: circle(SHORT / 2, 0.125, PI / SHORT as f64),
            roots: circle(LONG / 4, 0.0, 4.0 * PI / LONG as f64),
            work: vec![[0.0; 2]; LONG / 2],
        }
    }

    /// One long window: 2048 samples to 1024 lines. Beside a short window the slope of that side is the short one's.
    pub fn long(&mut self, samples: &[f32], short_left: bool, short_right: bool, lines: &mut [f32]) {
        let slope = |short| if short { &self.edge[..] } else { &self.slope[..] };
        let (left, right) = (slope(short_left), slope(short_right));
        transform(
            samples,
            left,
            right,
            &self.long,
            &self.roots,
            &mut self.work,
            lines,
        );
    }

    /// One short window: 256 samples to 128 lines.
    pub fn short(&mut self, samples: &[f32], lines: &mut [f32]) {
        let slope = &self.edge[EDGE..EDGE + SHORT];
        let work = &mut self.work[..SHORT / 2];
        transform(samples, slope, slope, &self.short, &self.roots, work, lines);
    }
}

/// The transform of 2·M `samples`; M is how many `lines` there are. `left` is the rising slope of the window, `right`
/// its falling one, backwards.
fn transform(
    samples: &[f32],
    left: &[f32],
    right: &[f32],
    rotation: &[Complex],
    roots: &[Complex],
    work: &mut [Complex],
    lines: &mut [f32],
) {
    let (half, quarter) = (lines.len(), lines.len() / 2);
    // The samples, folded, are in `lines` until they are rotated.
    let (low, high) = lines.split_at_mut(quarter);
    let (a_b, c_d) = samples.split_at(half);
    for n in 0..quarter {
        low[n] = -c_d[quarter - 1 - n] * right[quarter + n] - c_d[quarter + n] * right[quarter - 1 - n];
        high[n] = a_b[n] * left[n] - a_b[half - 1 - n] * left[half - 1 - n];
    }
    for (n, (point, &by)) in work.iter_mut().zip(rotation).enumerate() {
        *point = product([lines[2 * n], lines[half - 1 - 2 * n]], by);
    }
    fft(work, roots);
    for (n, (&point, &by)) in work.iter().zip(rotation).enumerate() {
        let [re, im] = product(point, by);
        lines[2 * n] = 2.0 * re;
        lines[half - 1 - 2 * n] = -2.0 * im;
    }
}

/// The FFT in place of a power of two of points (eight at least), of which `roots` has the roots of unity or those of
/// a larger one.
fn fft(points: &mut [Complex], roots: &[Complex]) {
    let size = points.len();
    let unused = size.leading_zeros() + 1;
    for i in 0..size {
        let j = i.reverse_bits() >> unused;
        if i < j {
            points.swap(i, j);
        }
    }
    let mut part = 1;
    if size.ilog2() % 2 == 1 {
        for pair in points.chunks_exact_mut(2) {
            (pair[0], pair[1]) = (sum(pair[0], pair[1]), difference(pair[0], pair[1]));
        }
        part = 2;
    }
    // Two steps at once: half the loads and stores.
    while part < size {
        let step = roots.len() / (2 * part);
        for chunk in points.chunks_exact_mut(4 * part) {
            let (low, high) = chunk.split_at_mut(2 * part);
            let (a, b) = low.split_at_mut(part);
            let (c, d) = high.split_at_mut(part);
            let mut root = 0;
            for ((a, b), (c, d)) in a.iter_mut().zip(b).zip(c.iter_mut().zip(d)) {
                let (one, two) = (roots[root], roots[2 * root]);
                let (b2, d2) = (product(*b, two), product(*d, two));
                let (even, odd) = (sum(*a, b2), difference(*a, b2));
                let (high_even, high_odd) = (product(sum(*c, d2), one), product(difference(*c, d2), one));
                // A quarter of the circle on.
                let turned = [high_odd[1], -high_odd[0]];
                (*a, *c) = (sum(even, high_even), difference(even, high_even));
                (*b, *d) = (sum(odd, turned), difference(odd, turned));
                root += step;
            }
        }
        part *= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random::Random;

    /// The transform as the standard writes it.
    fn by_definition(windowed: &[f64]) -> Vec<f64> {
        let size = windowed.len() as f64;
        let offset = (size / 2.0 + 1.0) / 2.0;
        let line = |k: usize| {
            let term =
                |(n, z): (usize, &f64)| z * (2.0 * PI / size * (n as f64 + offset) * (k as f64 + 0.5)).cos();
            2.0 * windowed.iter().enumerate().map(term).sum::<f64>()
        };
        (0..windowed.len() / 2).map(line).collect()
    }

    fn noise(seed: u64, samples: usize) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..samples)
            .map(|_| random.below(65_536) as f32 - 32_768.0)
            .collect()
    }

    fn windowed(samples: &[f32], left: &[f32], right: &[f32]) -> Vec<f64> {
        let window = left.iter().chain(right.iter().rev());
        samples
            .iter()
            .zip(window)
            .map(|(&x, &w)| f64::from(x) * f64::from(w))
            .collect()
    }

    fn assert_close(lines: &[f32], wanted: &[f64]) {
        for (k, (&line, wanted)) in lines.iter().zip(wanted).enumerate() {
            assert!(
                (f64::from(line) - wanted).abs() < 3.0,
                "line {k}: {line} {wanted}"
            );
        }
    }

    #[test]
    fn it_is_the_transform_of_the_standard() {
        let mut bank = Filterbank::new();
        let samples = noise(1, 2 * LONG);
        let mut lines = vec![0.0; LONG];
        for (left, right) in [(false, false), (false, true), (true, false)] {
            bank.long(&samples, left, right, &mut lines);
            let of = |short| if short { &bank.edge } else { &bank.slope };
            assert_close(&lines, &by_definition(&windowed(&samples, of(left), of(right))));
        }
        let slope = bank.edge[EDGE..EDGE + SHORT].to_vec();
        bank.short(&samples[..2 * SHORT], &mut lines[..SHORT]);
        assert_close(
            &lines[..SHORT],
            &by_definition(&windowed(&samples[..2 * SHORT], &slope, &slope)),
        );
    }

    #[test]
    fn the_windows_let_a_decoder_add_its_halves_up() {
        let bank = Filterbank::new();
        for slope in [&bank.slope, &bank.edge] {
            for (a, b) in slope.iter().zip(slope.iter().rev()) {
                assert!((a * a + b * b - 1.0).abs() < 1e-6);
            }
        }
        assert_eq!(unit(0.0), (1.0, 0.0));
        for k in 0..=64 {
            let angle = PI * f64::from(k) / 64.0;
            assert!((unit(angle).0 - angle.cos()).abs() < 1e-9 && (unit(angle).1 - angle.sin()).abs() < 1e-9);
        }
    }
}
