//! cells LOOKS: looks so often for motion in raw pictures, for `cargo bench -- zero`.

use fmp4streamer::format::raw::{Lines, luma};
use fmp4streamer::motion::Motion;
use std::time::Duration;

const SIZE: (usize, usize) = (1280, 720);
/// Pictures that differ by noise.
const PICTURES: usize = 3;

fn main() {
    let looks = std::env::args().nth(1).and_then(|looks| looks.parse().ok());
    let (width, height) = SIZE;
    let lines = Lines {
        fourcc: *b"YUYV",
        stride_bytes: 2 * width,
        height,
    };
    let mut noise = 1u32;
    let mut random = || {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise as u8
    };
    let scene: Vec<u8> = (0..2 * width * height).map(|_| random() / 2 + 50).collect();
    let pictures: Vec<Vec<u8>> = (0..PICTURES)
        .map(|_| scene.iter().map(|sample| sample + random() % 8).collect())
        .collect();
    let motion = Motion::default();
    motion.want(Some((6, Duration::from_secs(5))));
    let mut samples = Vec::new();
    for look in 0..looks.unwrap_or(0u32) {
        let picture = &pictures[look as usize % PICTURES];
        if luma(SIZE, (picture, lines), &mut samples) {
            motion.look(u64::from(look) * 200_000, &samples);
        }
    }
    eprintln!("moving, score, blind: {:?}", motion.numbers());
}
