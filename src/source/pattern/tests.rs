//! The coded picture against the drawn one, with ffmpeg as the judge; and the source's pace.

use super::*;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

/// What ffmpeg makes of a byte stream: the planes of all frames one after the other (4:2:0). None, and a line, where
/// there is no ffmpeg.
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
fn visible(planes: &[picture::Plane; 3], width: usize, height: usize) -> Vec<u8> {
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
    let mut picture = Picture::new(width, height, fps);
    let mut encoder = Encoder::new(width, height, fps);
    let (mut stream, mut drawn) = (Vec::new(), Vec::new());
    let (width, height) = (width as usize, height as usize);
    for i in 0..frames {
        picture.draw(first.wrapping_add(i), (12, 34, 56 + i / 1000, i * 33 % 1000));
        encoder.encode(&picture, i % 20 == 0, &mut stream);
        let samples = visible(&picture.planes, width, height);
        assert_eq!(read_number(&samples, width), Some(first.wrapping_add(i)));
        drawn.push(samples);
    }
    let Some(decoded) = decode(stream) else { return };
    let mut decoded = decoded.chunks(width * height * 3 / 2);
    for (i, drawn) in drawn.iter().enumerate() {
        let decoded = decoded.next().unwrap();
        let worst = drawn.iter().zip(decoded).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(2), "{width}x{height}, frame {i}: differs by {worst:?}");
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
#[ignore]
fn dump() {
    for (w,h,fps,n) in [(160,120,30,60),(162,122,30,60),(640,480,30,300),(1280,720,30,60),(1920,1080,30,60),(3840,2160,30,35),(160,120,120,240),(720,576,25,50),(640,480,120,240),(3840,120,30,30)] {
        let mut picture = Picture::new(w, h, fps);
        let mut encoder = Encoder::new(w, h, fps);
        let mut stream = Vec::new();
        let mut keys = 0; 
        let t = std::time::Instant::now();
        for i in 0..n {
            let ms = i * 1000 / fps;
            picture.draw(i, (12, 34, 56 + ms / 1000, ms % 1000));
            let before = stream.len();
            encoder.encode(&picture, i % fps == 0, &mut stream);
            if i % fps == 0 { keys += stream.len() - before; }
        }
        println!("{w}x{h}@{fps}: {} kbit/s, key {} bytes, {} us a frame", stream.len() as u32 * 8 / n * fps / 1000, keys as u32 / n.div_ceil(fps), t.elapsed().as_micros() / n as u128);
        std::fs::write(format!("/tmp/p_{w}x{h}_{fps}.h264"), stream).unwrap();
    }
}
