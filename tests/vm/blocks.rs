//! JPEG pictures as webcams send them, without Huffman tables and behind a JFIF segment, whose every block of 8x8 is of one
//! level: whoever decodes them rightly gets exactly these levels.

use fmp4streamer::format::bits::BitWriter;

/// The level of the block at this column and row of a plane (Y, Cb, Cr).
pub type Levels = fn(plane: usize, column: usize, row: usize) -> u8;

/// Levels that tell where a block is.
pub fn places(plane: usize, column: usize, row: usize) -> u8 {
    (1 + (plane * 50 + column * 3 + row * 7) % 250) as u8
}

/// The picture (Rec. ITU-T T.81), 4:2:0.
pub fn jpeg((width, height): (usize, usize), levels: Levels) -> Vec<u8> {
    let segment = |marker: u8, bytes: &[u8]| {
        let length = (bytes.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker], &length[..], bytes].concat()
    };
    let size = [(height as u16).to_be_bytes(), (width as u16).to_be_bytes()].concat();
    let mut out = [
        vec![0xff, 0xd8],
        segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
        // Of all steps 8, a mean is its level.
        segment(0xdb, &[&[0][..], &[8; 64]].concat()),
        segment(
            0xc0,
            &[&[8][..], &size, &[3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]].concat(),
        ),
        segment(0xda, &[3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]),
    ]
    .concat();
    let mut bits = BitWriter::new();
    let mut before = [128; 3];
    for y in 0..height.div_ceil(16) {
        for x in 0..width.div_ceil(16) {
            for (plane, column, row) in [
                (0, 2 * x, 2 * y),
                (0, 2 * x + 1, 2 * y),
                (0, 2 * x, 2 * y + 1),
                (0, 2 * x + 1, 2 * y + 1),
                (1, x, y),
                (2, x, y),
            ] {
                let level = i32::from(levels(plane, column, row));
                block(&mut bits, plane > 0, level - before[plane]);
                before[plane] = level;
            }
        }
    }
    for byte in bits.into_bytes() {
        out.push(byte);
        if byte == 0xff {
            out.push(0);
        }
    }
    out.extend([0xff, 0xd9]);
    out
}

/// A block with a mean that differs by so much from the one before, and nothing else, in the codes of Annex K.3.
fn block(bits: &mut BitWriter, chroma: bool, difference: i32) {
    let size = 32 - difference.unsigned_abs().leading_zeros();
    let (code, length) = match (chroma, size) {
        (false, 0) => (0b00, 2),
        (false, 1..=5) => (size + 1, 3),
        (false, _) => ((1 << (size - 2)) - 2, size - 2),
        (true, 0..=2) => (size, 2),
        (true, _) => ((1 << size) - 2, size),
    };
    bits.u(length, code);
    let low = if difference < 0 {
        difference - 1
    } else {
        difference
    };
    bits.u(size, low as u32 & ((1 << size) - 1));
    // The end of the block.
    if chroma {
        bits.u(2, 0b00);
    } else {
        bits.u(4, 0b1010);
    }
}

/// The picture as NV12 without padding.
pub fn nv12((width, height): (usize, usize), levels: Levels) -> Vec<u8> {
    let luma = (0..height).flat_map(|y| (0..width).map(move |x| levels(0, x / 8, y / 8)));
    let chroma = (0..height / 2)
        .flat_map(|y| (0..width / 2).flat_map(move |x| [1, 2].map(|plane| levels(plane, x / 8, y / 8))));
    luma.chain(chroma).collect()
}
