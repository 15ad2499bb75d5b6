//! What sound costs: the CPU time of viewers who have it against that of viewers who asked for the video alone, and that of the
//! encoder. The picture is the test picture, which has sound on any machine; it is a small one, so that most of the time is
//! that of sending.

use crate::fanout::{self, MP4, Result};
use crate::quickest;
use fmp4streamer::format::aac::{Encoder, FRAME};
use std::hint::black_box;
use std::io::{self, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

const VIEWERS: usize = 100;
const SETTLE: Duration = Duration::from_secs(2);
const MEASURE: Duration = Duration::from_secs(8);
const CONFIG: &str = "[test]\nwidth = 320\nheight = 240\nmic = test\n";
const RATE: usize = 48_000;

/// Prints the figures.
pub fn print() {
    println!("\nSound:");
    match cpu_percent("/stream.mp4").and_then(|with| Ok((with, cpu_percent("/stream.mp4?audio=0")?))) {
        Ok((with, without)) => println!(
            "  {VIEWERS} viewers with it: CPU {with:.2} % against {without:.2} % without, ratio {:.2}",
            with / without
        ),
        Err(e) => println!("  viewers: failed: {e}"),
    }
    encoder();
}

/// The CPU time of the program with viewers who read this path, in % of a core.
fn cpu_percent(path: &str) -> Result<f64> {
    let command = Command::new(env!("CARGO_BIN_EXE_fmp4streamer"));
    let server = fanout::start_with(command, CONFIG)?;
    for _ in 0..VIEWERS {
        let mut socket = TcpStream::connect(&server.address)?;
        socket.write_all(MP4.replace("/stream.mp4", path).as_bytes())?;
        // It ends with the server.
        thread::spawn(move || io::copy(&mut socket, &mut io::sink()));
    }
    thread::sleep(SETTLE);
    let before = server.cpu_seconds()?;
    thread::sleep(MEASURE);
    Ok((server.cpu_seconds()? - before) / MEASURE.as_secs_f64() * 100.0)
}

fn encoder() {
    let Some(mut encoder) = Encoder::new(RATE as u32, 1, 64_000) else {
        return println!("  encoder: failed: it does not take that");
    };
    // A tone that glides, and noise: there is something to code in every band.
    let mut noise = 1u32;
    let second: Vec<i16> = (0..RATE)
        .map(|at| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let seconds = at as f64 / RATE as f64;
            let tone = (std::f64::consts::TAU * (200.0 + 2000.0 * seconds) * seconds).sin();
            (tone * 8000.0) as i16 + (noise >> 20) as i16 - 2048
        })
        .collect();
    let took = quickest(|| {
        for samples in second.chunks(FRAME) {
            let mut frame = Vec::new();
            encoder.encode(samples, &mut frame);
            black_box(frame);
        }
    });
    println!(
        "  encoder: {:.2} ms for a second of one channel at 48 kHz and 64 kbit/s",
        took.as_secs_f64() * 1e3
    );
}
