//! What sound costs: the CPU time of viewers who have it against that of viewers who asked for the video alone, how old the
//! pictures are for one of each, and the CPU time of the encoder. The picture is the test picture, which has sound on any
//! machine; it is a small one, so that most of the time is that of sending.

use crate::fanout::{self, MP4, Result};
use crate::quickest;
use fmp4streamer::format::aac::{Encoder, FRAME};
use fmp4streamer::sys::clock::monotonic_us;
use std::hint::black_box;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const VIEWERS: usize = 100;
const SETTLE: Duration = Duration::from_secs(2);
const MEASURE: Duration = Duration::from_secs(8);
const CONFIG: &str = "[test]\nwidth = 320\nheight = 240\nmic = test\n";
/// How the sound of one channel is coded.
pub const RATE: usize = 48_000;
pub const BIT_RATE: u32 = 64_000;

/// What it is like to serve viewers.
struct Run {
    /// The CPU time of the program, in % of a core.
    cpu_percent: f64,
    /// The age of a picture at one viewer more, in ms: the median, and that of 99 %.
    ages_ms: [f64; 2],
}

/// Prints the figures.
pub fn print() {
    println!("\nSound:");
    match run("/stream.mp4?").and_then(|with| Ok((with, run("/stream.mp4?audio=0&")?))) {
        Ok((with, without)) => {
            println!(
                "  {VIEWERS} viewers with it: CPU {:.2} % against {:.2} % without, ratio {:.2}",
                with.cpu_percent,
                without.cpu_percent,
                with.cpu_percent / without.cpu_percent
            );
            let ([p50, p99], [p50_without, p99_without]) = (with.ages_ms, without.ages_ms);
            println!(
                "  age of a picture with it: p50 {p50:.2} ms, p99 {p99:.2} ms; without: p50 {p50_without:.2} ms, p99 {p99_without:.2} ms"
            );
        }
        Err(e) => println!("  viewers: failed: {e}"),
    }
    encoder();
}

/// With viewers who read this path.
fn run(path: &str) -> Result<Run> {
    let command = Command::new(env!("CARGO_BIN_EXE_fmp4streamer"));
    let server = fanout::start_with(command, CONFIG)?;
    for _ in 0..VIEWERS {
        let mut socket = TcpStream::connect(&server.address)?;
        socket.write_all(MP4.replace("/stream.mp4", path).as_bytes())?;
        // It ends with the server.
        thread::spawn(move || io::copy(&mut socket, &mut io::sink()));
    }
    let mut viewer = get(&server, &format!("{path}times=camera"))?;
    let mut arrivals = Vec::new();
    read(&mut viewer, SETTLE, &mut arrivals)?;
    arrivals.clear();
    let before = server.cpu_seconds()?;
    read(&mut viewer, MEASURE, &mut arrivals)?;
    let cpu_seconds = server.cpu_seconds()? - before;
    let mut status = String::new();
    get(&server, "/status")?.read_to_string(&mut status)?;
    let number = |name: &str| -> Result<f64> {
        let (_, rest) = status
            .split_once(&format!("\"{name}\":"))
            .ok_or("no such number")?;
        Ok(rest.split([',', '}']).next().unwrap_or_default().trim().parse()?)
    };
    let zero_us = number("captured_us")? - number("media_90k")? / 0.09;
    let mut ages: Vec<f64> = arrivals
        .iter()
        .map(|[at_us, time_90k]| (at_us - zero_us - time_90k / 0.09) / 1e3)
        .collect();
    ages.sort_by(f64::total_cmp);
    let at = |part: usize| ages.get(ages.len() * part / 100).copied().unwrap_or(f64::NAN);
    Ok(Run {
        cpu_percent: cpu_seconds / MEASURE.as_secs_f64() * 100.0,
        ages_ms: [at(50), at(99)],
    })
}

/// Asks for this path; what comes behind the answer's head. Without chunks, as in HTTP/1.0.
pub fn get(server: &fanout::Server, path: &str) -> Result<BufReader<TcpStream>> {
    let mut answer = BufReader::new(TcpStream::connect(&server.address)?);
    answer
        .get_mut()
        .write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if answer.read_line(&mut line)? == 0 {
            return Err("no answer".into());
        }
    }
    Ok(answer)
}

/// Reads for so long; adds when each picture was there, in microseconds, and its time.
fn read(stream: &mut impl Read, length: Duration, arrivals: &mut Vec<[f64; 2]>) -> Result<()> {
    let begun = Instant::now();
    let mut time_90k = None;
    while begun.elapsed() < length || time_90k.is_some() {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let (size, kind) = head.split_at(4);
        let mut body = vec![0; u32::from_be_bytes(size.try_into()?) as usize - head.len()];
        stream.read_exact(&mut body)?;
        if kind == b"moof" {
            // By the tfhd's track_ID and the tfdt's time (ISO/IEC 14496-12, 8.8.7 and 8.8.12).
            let is_picture = body[36..40] == [0, 0, 0, 1];
            time_90k = is_picture.then(|| u64::from_be_bytes(body[52..60].try_into().unwrap_or_default()));
        } else if let Some(time_90k) = time_90k.take() {
            arrivals.push([monotonic_us() as f64, time_90k as f64]);
        }
    }
    Ok(())
}

/// A second of one channel: a tone that glides, and noise, so that there is something to code in every band.
pub fn second() -> Vec<i16> {
    let mut noise = 1u32;
    let sample = |at| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let seconds = at as f64 / RATE as f64;
        let tone = (std::f64::consts::TAU * (200.0 + 2000.0 * seconds) * seconds).sin();
        (tone * 8000.0) as i16 + (noise >> 20) as i16 - 2048
    };
    (0..RATE).map(sample).collect()
}

fn encoder() {
    let Some(mut encoder) = Encoder::new(RATE as u32, 1, BIT_RATE) else {
        return println!("  encoder: failed: it does not take that");
    };
    let second = second();
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
