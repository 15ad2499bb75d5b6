//! From samples to levels and back: the 4x4 transforms and scaling of Rec. ITU-T H.264, 8.5.9 to 8.5.12.

/// QP of every macroblock, luma and chroma: the lowest at which the largest residual, 255 all over a
/// macroblock and so a DC level of 8 * 255, fits into level_prefix 15. It makes the scaling of 8.5.10 to
/// 8.5.12.1 a whole number. What is drawn flat is decoded exactly, edges of full contrast within 3.
pub(super) const QP: i32 = 10;
/// normAdjust4x4(QP % 6, i, j) of 8.5.9: where both i and j are even, where both are odd, elsewhere. At this
/// QP the transform's own norms are in the same proportion, so that the way forward divides by the square.
const SCALE: [i32; 3] = [16, 25, 20];
/// 2^21 / SCALE^2.
const QUANTISER: [i32; 3] = [8192, 3355, 5243];

/// Figure 8-8: the zig-zag scan, as places in a 4x4 block by rows.
const ZIGZAG: [usize; 16] = [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15];

/// Samples of one component in one macroblock.
pub(super) type Square<const N: usize> = [[u8; N]; N];
/// A 4x4 block by rows.
pub(super) type Block = [i32; 16];

/// Transforms and quantises what a prediction leaves: the AC levels go into `ac`, a list in scan order for
/// each 4x4 block; the DC coefficients, not yet quantised, are given back.
pub(super) fn analyse<const N: usize>(
    source: &Square<N>,
    prediction: &Square<N>,
    ac: &mut [[i32; 15]],
) -> Block {
    let mut dc = [0; 16];
    for (block, levels) in ac.iter_mut().enumerate() {
        let (x, y) = (block % (N / 4) * 4, block / (N / 4) * 4);
        let residual = std::array::from_fn(|i| {
            let (x, y) = (x + i % 4, y + i / 4);
            i32::from(source[y][x]) - i32::from(prediction[y][x])
        });
        let coefficients = separable(residual, |[a, b, c, d]| {
            [
                a + b + c + d,
                2 * a + b - c - 2 * d,
                a - b - c + d,
                a - 2 * b + 2 * c - d,
            ]
        });
        dc[block] = coefficients[0];
        for (level, &place) in levels.iter_mut().zip(&ZIGZAG[1..]) {
            *level = divide(coefficients[place] * QUANTISER[class(place)], 1 << 16);
        }
    }
    dc
}

/// Does what decoders do (8.5.12): adds to a prediction the residual that the levels stand for.
pub(super) fn synthesise<const N: usize>(square: &mut Square<N>, dc: &[i32], ac: &[[i32; 15]]) {
    for (block, (&dc, levels)) in dc.iter().zip(ac).enumerate() {
        let (x, y) = (block % (N / 4) * 4, block / (N / 4) * 4);
        let mut coefficients = [0; 16];
        coefficients[0] = dc;
        for (level, &place) in levels.iter().zip(&ZIGZAG[1..]) {
            // 8.5.12.1: (level * 16 * SCALE * 2^(QP / 6)) / 2^4.
            coefficients[place] = 2 * SCALE[class(place)] * level;
        }
        let residual = separable(coefficients, |[a, b, c, d]| {
            let (e, f, g, h) = (a + c, a - c, (b >> 1) - d, b + (d >> 1));
            [e + h, f + g, f - g, e - h]
        });
        for (i, value) in residual.into_iter().enumerate() {
            let sample = &mut square[y + i / 4][x + i % 4];
            *sample = (i32::from(*sample) + ((value + 32) >> 6)).clamp(0, 255) as u8;
        }
    }
}

/// Applies a transform of four values to the rows of a block, then to its columns.
fn separable(mut block: Block, transform: fn([i32; 4]) -> [i32; 4]) -> Block {
    for y in 0..4 {
        let row = transform(std::array::from_fn(|x| block[4 * y + x]));
        block[4 * y..4 * y + 4].copy_from_slice(&row);
    }
    for x in 0..4 {
        let column = transform(std::array::from_fn(|y| block[4 * y + x]));
        for y in 0..4 {
            block[4 * y + x] = column[y];
        }
    }
    block
}

/// Which entry of SCALE a place in a block has.
fn class(place: usize) -> usize {
    match (place / 4 % 2, place % 2) {
        (0, 0) => 0,
        (1, 1) => 1,
        _ => 2,
    }
}

/// Division rounded to the nearest.
fn divide(value: i32, by: i32) -> i32 {
    (value.abs() + by / 2) / by * value.signum()
}

/// The second transform of the luma DC coefficients (8.5.10); it is its own inverse.
fn luma_dc_transform(dc: Block) -> Block {
    separable(dc, |[a, b, c, d]| {
        [a + b + c + d, a + b - c - d, a - b - c + d, a - b + c - d]
    })
}

/// Luma DC coefficients as levels in scan order.
pub(super) fn luma_dc_levels(dc: Block) -> Block {
    let transformed = luma_dc_transform(dc);
    ZIGZAG.map(|place| divide(transformed[place], 32))
}

/// Scales them as decoders do (8.5.10): (f * 16 * SCALE * 2^(QP / 6)) / 2^6.
pub(super) fn luma_dc_values(levels: &Block) -> Block {
    let mut transformed = [0; 16];
    for (level, place) in levels.iter().zip(ZIGZAG) {
        transformed[place] = *level;
    }
    luma_dc_transform(transformed).map(|value| 8 * value)
}

/// The second transform of the chroma DC coefficients (8.5.11.1); it is its own inverse.
fn chroma_dc_transform(a: i32, b: i32, c: i32, d: i32) -> [i32; 4] {
    [a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d]
}

/// Chroma DC coefficients, the first four of `dc`, as levels.
pub(super) fn chroma_dc_levels(dc: Block) -> [i32; 4] {
    chroma_dc_transform(dc[0], dc[1], dc[2], dc[3]).map(|value| divide(value, 16))
}

/// Scales them as decoders do (8.5.11.2): (f * 16 * SCALE * 2^(QP / 6)) / 2^5.
pub(super) fn chroma_dc_values(&[a, b, c, d]: &[i32; 4]) -> [i32; 4] {
    chroma_dc_transform(a, b, c, d).map(|value| 16 * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_residuals_come_back_exactly() {
        for (from, to) in (0..=255u8).flat_map(|from| [0, 16, 128, 235, 255].map(|to| (from, to))) {
            let mut ac = [[0; 15]; 16];
            let mut square = [[from; 16]; 16];
            let levels = luma_dc_levels(analyse(&[[to; 16]; 16], &square, &mut ac));
            assert!(levels.iter().all(|level| level.abs() <= 2063));
            synthesise(&mut square, &luma_dc_values(&levels), &ac);
            assert_eq!(square, [[to; 16]; 16]);

            let mut square = [[from; 8]; 8];
            let levels = chroma_dc_levels(analyse(&[[to; 8]; 8], &square, &mut ac[..4]));
            synthesise(&mut square, &chroma_dc_values(&levels), &ac[..4]);
            assert_eq!(square, [[to; 8]; 8]);
        }
    }
}
