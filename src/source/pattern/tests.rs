//! The coded picture against the drawn one, with ffmpeg as the judge; and the source's pace.

use super::super::drawing;
use super::*;
use crate::support::random::Random;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

/// What ffmpeg makes of a byte stream: the planes of all frames one after the other (4:2:0). None, and a
/// line, where there is no ffmpeg.
fn decode(stream: Vec<u8>) -> Option<Vec<u8>> {
    let arguments = "-v error -f h264 -i pipe:0 -f rawvideo -pix_fmt yuv420p -fps_mode passthrough pipe:1";
    let child = Command::new("ffmpeg")
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: there is no ffmpeg to decode with");
            return None;
        }
        child => child.unwrap(),
    };
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&stream).unwrap());
    let mut decoded = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut decoded).unwrap();
    writer.join().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    Some(decoded)
}

/// Three planes without what is cropped.
fn visible(planes: &[drawing::Plane; 3], width: usize, height: usize) -> Vec<u8> {
    let mut samples = Vec::new();
    for (plane, part) in planes.iter().zip([1, 2, 2]) {
        for y in 0..height / part {
            samples.extend_from_slice(plane.row(0, y, width / part));
        }
    }
    samples
}

/// The frame number as the README says to read it.
fn read_number(luma: &[u8], width: usize) -> Option<u32> {
    let block = width / 40 / 2 * 2;
    let mut bits = Vec::new();
    for i in 0..34 {
        let mut square = Vec::new();
        for y in 0..block {
            square.extend_from_slice(&luma[y * width + i * block..][..block]);
        }
        bits.push(if square.iter().all(|luma| luma.abs_diff(235) <= 2) {
            1
        } else if square.iter().all(|luma| luma.abs_diff(16) <= 2) {
            0
        } else {
            return None;
        });
    }
    (bits[..2] == [1, 0]).then(|| bits[2..].iter().fold(0, |number, bit| number << 1 | bit))
}

fn decoded_is_as_drawn(width: u32, height: u32, fps: u32, first: u32, frames: u32) {
    let mut drawing = Drawing::new(width, height, fps);
    let mut encoder = Encoder::new(width, height, fps);
    let (mut stream, mut drawn) = (Vec::new(), Vec::new());
    let (width, height) = (width as usize, height as usize);
    for i in 0..frames {
        drawing.draw(first.wrapping_add(i), (12, 34, 56 + i / 1000, i * 33 % 1000));
        encoder.encode(&drawing, i % 20 == 0, &mut stream);
        let samples = visible(&drawing.planes, width, height);
        assert_eq!(read_number(&samples, width), Some(first.wrapping_add(i)));
        drawn.push(samples);
    }
    let Some(decoded) = decode(stream) else { return };
    let mut decoded = decoded.chunks(width * height * 3 / 2);
    for (i, drawn) in drawn.iter().enumerate() {
        let decoded = decoded.next().unwrap();
        let worst = drawn.iter().zip(decoded).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(
            worst <= Some(3),
            "{width}x{height}, frame {i}: differs by {worst:?}"
        );
        assert_eq!(read_number(decoded, width), Some(first.wrapping_add(i as u32)));
    }
    assert_eq!(decoded.next(), None);
}

#[test]
fn decoded_is_as_drawn_at_the_default() {
    decoded_is_as_drawn(640, 480, 30, 0, 70);
}

#[test]
fn decoded_is_as_drawn_in_small_sizes() {
    decoded_is_as_drawn(160, 120, 120, u32::MAX - 40, 80);
    decoded_is_as_drawn(162, 122, 30, 0x5555_5500, 50);
    decoded_is_as_drawn(320, 180, 25, 99_990, 50);
}

#[test]
fn decoded_is_as_drawn_in_odd_numbers_of_macroblocks() {
    decoded_is_as_drawn(720, 576, 25, 0, 25);
    decoded_is_as_drawn(854, 480, 30, 12_345_678, 25);
    decoded_is_as_drawn(162, 2160, 1, 0, 5);
    decoded_is_as_drawn(3840, 120, 60, 0, 5);
}

#[test]
fn decoded_is_as_drawn_in_large_sizes() {
    decoded_is_as_drawn(1920, 1080, 30, 999, 22);
    decoded_is_as_drawn(3840, 2160, 120, u32::MAX, 3);
}

#[test]
fn noise_is_decoded_as_the_encoder_decodes_it() {
    // Noise from none to full contrast brings up nearly every code of every table; some macroblocks stay.
    let (width, height) = (16 * 33, 16 * 9);
    let mut drawing = Drawing::new(width as u32, height as u32, 30);
    let mut encoder = Encoder::new(width as u32, height as u32, 30);
    let mut random = Random::new(1);
    let mut next = |below: u32| random.below(below as usize) as u32;
    let (mut stream, mut expected) = (Vec::new(), Vec::new());
    for i in 0..50 {
        for at in 0..drawing.changed.len() {
            drawing.changed[at] = next(3) > 0;
            if drawing.changed[at] {
                let (x, y) = (at % 33, at / 33);
                let contrast = 1 << next(9);
                let middle = next(256 - contrast + 1);
                drawing.planes[0].set_square(
                    16 * x,
                    16 * y,
                    &[[(); 16]; 16].map(|row| row.map(|()| (middle + next(contrast)) as u8)),
                );
                for plane in &mut drawing.planes[1..] {
                    plane.set_square(
                        8 * x,
                        8 * y,
                        &[[(); 8]; 8].map(|row| row.map(|()| (middle + next(contrast)) as u8)),
                    );
                }
            }
        }
        encoder.encode(&drawing, i == 0, &mut stream);
        expected.extend_from_slice(&visible(&encoder.decoded, width, height));
    }
    let Some(decoded) = decode(stream) else { return };
    assert_eq!(decoded.len(), expected.len());
    assert_eq!(decoded.iter().zip(&expected).position(|(a, b)| a != b), None);
}

#[test]
fn sizes_and_rates_are_checked() {
    for (width, height, fps, word) in [
        (641, 480, 30, "even"),
        (640, 481, 30, "even"),
        (158, 120, 30, "160x120 to 3840x2160"),
        (160, 118, 30, "160x120 to 3840x2160"),
        (3842, 2160, 30, "160x120 to 3840x2160"),
        (3840, 2162, 30, "160x120 to 3840x2160"),
        (640, 480, 0, "1 to 120"),
        (640, 480, 121, "1 to 120"),
    ] {
        let error = Pattern::new(width, height, fps).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!(Pattern::new(160, 120, 1).is_ok());
    assert!(Pattern::new(3840, 2160, 120).is_ok());
}

/// The next frame: its NAL unit type at the start, its number as the picture has it, its capture time.
fn next_frame(pattern: &mut Pattern, wake: &impl AsFd) -> (bool, u32, u64) {
    let mut frame = None;
    while frame.is_none() {
        let mut sink = |signal: Signal<'_>| match signal {
            Signal::Frame(Frame {
                data, captured_us, ..
            }) => frame = Some((data[4] & 31 == 7, captured_us)),
            Signal::Gap | Signal::Sound { .. } | Signal::Raw { .. } | Signal::Motion { .. } => {
                panic!("the test picture has no gaps, and this one no sound")
            }
        };
        pattern
            .poll(wake.as_fd(), Duration::from_secs(1), &mut sink)
            .unwrap();
    }
    let (key, captured_us) = frame.unwrap();
    assert!(captured_us <= clock::monotonic_us());
    let luma: Vec<u8> = (0..4)
        .flat_map(|y| pattern.drawing.planes[0].row(0, y, 160))
        .copied()
        .collect();
    (key, read_number(&luma, 160).unwrap(), captured_us)
}

#[test]
fn frames_are_numbered_and_begin_groups_each_second_or_when_asked() {
    let (wake, _wake_writer) = UnixStream::pair().unwrap();
    let mut pattern = Pattern::new(160, 120, 120).unwrap();
    let mut last_us = 0;
    for i in 0..130 {
        if i == 5 {
            pattern.request_key_frame();
        }
        let (key, number, captured_us) = next_frame(&mut pattern, &wake);
        assert_eq!(number, i);
        assert_eq!(key, [0, 5, 125].contains(&i), "{i}");
        assert!(captured_us > last_us);
        last_us = captured_us;
    }
}

#[test]
fn a_wake_ends_the_wait() {
    let (wake, mut wake_writer) = UnixStream::pair().unwrap();
    let mut pattern = Pattern::new(160, 120, 1).unwrap();
    next_frame(&mut pattern, &wake);
    wake_writer.write_all(&[1]).unwrap();
    // The second frame is far off, and the timeout farther.
    pattern.schedule.start_us += 1_000_000_000;
    pattern
        .poll(wake.as_fd(), Duration::from_secs(1_000_000), &mut |_| {
            panic!("no frame is due")
        })
        .unwrap();
    let mut byte = [0];
    assert_eq!((&wake).read(&mut byte).unwrap(), 1);
}

#[test]
fn schedule_keeps_even_steps() {
    let mut schedule = Schedule {
        fps: 30,
        start_us: 500,
        frames: 0,
    };
    assert_eq!(schedule.take(499), None);
    assert_eq!(schedule.take(500), Some(500));
    assert_eq!(schedule.take(33_832), None);
    assert_eq!(schedule.take(33_833), Some(33_833));
    // Late by up to four steps it catches up.
    assert_eq!(schedule.take(200_000), Some(67_166));
    assert_eq!(schedule.take(200_000), Some(100_500));
    assert_eq!(schedule.take(200_000), Some(133_833));
    assert_eq!(schedule.take(200_000), Some(167_166));
    assert_eq!(schedule.take(200_000), None);
    // Later than that it begins anew.
    assert_eq!(schedule.take(400_000), Some(400_000));
    assert_eq!(schedule.take(400_000), None);
    assert_eq!(schedule.take(433_333), Some(433_333));
    // An hour on, no error has added up.
    schedule.frames = 30 * 3600;
    assert_eq!(schedule.due_us(), 400_000 + 3_600_000_000);
}
