//! The stream that the benches are fed with: 1080p30, 4 Mbit/s, a key frame a second. Parameter sets and slice headers
//! are real; the slices' data are noise, but for their end, which holds the frame's number and the time of its writing.

use fmp4streamer::sys::clock::monotonic_us;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

/// x264, 1920x1080, High.
const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x28, 0xac, 0xb2, 0x00, 0xf0, 0x04, 0x4f, 0xcb, 0x80, 0x88, 0x00, 0x00, 0x03, 0x00,
    0x08, 0x00, 0x00, 0x03, 0x01, 0xe4, 0x78, 0xc1, 0x92, 0x40,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xc3, 0xcb, 0x22, 0xc0];
/// NAL unit and slice headers from the same stream (frame_num does not count on; nothing here looks at it).
const IDR_HEADER: &[u8] = &[0x65, 0x88, 0x84, 0x21];
const P_HEADER: &[u8] = &[0x41, 0x9a, 0x21, 0x6c];
/// What the end of a slice begins with.
pub const MARK: &[u8; 16] = b"<frame and time>";
pub const FPS: u32 = 30;
const KEY_BYTES: usize = 100_000;
const OTHER_BYTES: usize = 13_800;
const PICTURE: &[u8] = include_bytes!("../../tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");
const START_CODE: [u8; 4] = [0, 0, 0, 1];
pub const AUD: [u8; 6] = [0, 0, 0, 1, 9, 0xf0];

/// Appends access unit `number`, without a delimiter.
pub fn unit(number: u64, now_us: u64, out: &mut Vec<u8>) {
    let key = number % u64::from(FPS) == 0;
    unit_of(number, now_us, if key { KEY_BYTES } else { OTHER_BYTES }, out);
}

/// The same with about so many bytes.
pub fn unit_of(number: u64, now_us: u64, bytes: usize, out: &mut Vec<u8>) {
    let key = number % u64::from(FPS) == 0;
    if key {
        for nal in [SPS, PPS] {
            out.extend_from_slice(&START_CODE);
            out.extend_from_slice(nal);
        }
    }
    out.extend_from_slice(&START_CODE);
    out.extend_from_slice(if key { IDR_HEADER } else { P_HEADER });
    let mut noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..bytes / 8 {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        // No zero bytes: nothing in it looks like a start code.
        out.extend_from_slice(&(noise | 0x0101_0101_0101_0101).to_le_bytes());
    }
    out.extend_from_slice(MARK);
    out.extend_from_slice(format!("{number:016x}{now_us:016x}").as_bytes());
}

/// Appends access unit `number` in two slices, the second of which begins at macroblock 1, and gives where that is.
pub fn two_slices(number: u64, now_us: u64, out: &mut Vec<u8>) -> usize {
    let begun = out.len();
    unit(number, now_us, out);
    let middle = begun + (out.len() - begun) / 2;
    let header = if number % u64::from(FPS) == 0 {
        IDR_HEADER
    } else {
        P_HEADER
    };
    // first_mb_in_slice is ue(v): 1 for 0, 010 for 1. What comes behind moves by two bits.
    let [nal, first, second, third] = [header[0], header[1], header[2], header[3]];
    let bits = u32::from_be_bytes([0, first & 0x7f, second, third]) << 6 | 0x3f;
    let [high, middle_high, middle_low, low] = (bits | 0x4000_0000).to_be_bytes();
    let slice = [0, 0, 0, 1, nal, high, middle_high, middle_low, low];
    out.splice(middle..middle + slice.len(), slice);
    middle
}

/// Writes the stream to stdout in real time, until nobody reads it: `aud-after` (the next unit's delimiter directly after
/// each unit, so that a reader knows at once that it is whole), `aud-first` or `none`; each unit is one write. As `jpeg`, small JPEG
/// pictures.
pub fn run(delimiters: &str) {
    let mut out = std::io::stdout();
    let begun = Instant::now();
    let mut bytes = Vec::new();
    for number in 0.. {
        let due = begun + Duration::from_micros(number * 1_000_000 / u64::from(FPS));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        bytes.clear();
        if delimiters == "aud-first" || delimiters == "aud-after" && number == 0 {
            bytes.extend_from_slice(&AUD);
        }
        match delimiters {
            "jpeg" => bytes.extend_from_slice(PICTURE),
            _ => unit(number, monotonic_us(), &mut bytes),
        }
        if delimiters == "aud-after" {
            bytes.extend_from_slice(&AUD);
        }
        if out.write_all(&bytes).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}
