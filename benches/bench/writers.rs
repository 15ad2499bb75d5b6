//! How old a frame is at one client, by how its writer cuts it into `write()`s.

use crate::fanout::{self, MP4, Result, Server};
use crate::feed;
use fmp4streamer::sys::clock::monotonic_us;
use std::fs::File;
use std::hint::spin_loop;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The page, which is the size of the buffer that C's stdio has for a pipe.
const STDIO_BYTES: usize = 4096;
/// What ffmpeg writes at most.
const FFMPEG_BYTES: usize = 32 << 10;
const WRITERS: [&str; 5] = ["whole", "stdio", "32k", "two-slices", "anywhere"];
const RATES: [u32; 3] = [10, 30, 60];
/// Frames before the measurement: the writer's habits have to be learned.
const LEARNED: u32 = 96;
const BUSY_LOOPS: usize = 6;

/// Prints the table; while six loops keep the processors busy, if `busy`.
pub fn table(busy: bool) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..if busy { BUSY_LOOPS } else { 0 } {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    spin_loop();
                }
            });
        }
        println!(
            "\nAge of a frame at one client, by its writer (ms; early = closed too early, of the frames measured and before):\n\
             {:>12} {:>5} {:>8} {:>8} {:>8} {:>6}",
            "writer", "fps", "p50", "p99", "frames", "early"
        );
        for writer in WRITERS {
            for fps in RATES {
                match row(writer, fps) {
                    Ok(row) => println!("{writer:>12} {fps:>5} {row}"),
                    Err(e) => println!("{writer:>12} {fps:>5} failed: {e}"),
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

fn row(writer: &str, fps: u32) -> Result<String> {
    let server = fanout::start_server(&format!("{writer} {fps}"))?;
    let settle = Duration::from_secs(1) * LEARNED / fps;
    let run = fanout::measure_after(&server, 1, MP4, settle)?;
    let early = closed_early(&server)?;
    Ok(format!(
        "{:>8.2} {:>8.2} {:>8} {early:>6}",
        run.p50_ms, run.p99_ms, run.frames
    ))
}

fn closed_early(server: &Server) -> Result<u64> {
    let mut socket = TcpStream::connect(&server.address)?;
    socket.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = String::new();
    socket.read_to_string(&mut status)?;
    let (_, rest) = status
        .split_once("\"closed_early\":")
        .ok_or("no such count in /status")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    Ok(digits.unwrap_or_default().parse()?)
}

/// Writes the stream to stdout in real time, until nobody reads it, as `writer` does.
pub fn run(writer: &str, fps: u32) -> Result<()> {
    // Without the buffer of std.
    let mut out = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    let begun = Instant::now();
    let mut bytes = Vec::new();
    for number in 0.. {
        let due = begun + Duration::from_micros(number * 1_000_000 / u64::from(fps));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        bytes.clear();
        let mut cuts = Vec::new();
        if writer == "two-slices" {
            cuts.push(feed::two_slices(number, monotonic_us(), &mut bytes));
        } else {
            feed::unit(number, monotonic_us(), &mut bytes);
        }
        match writer {
            "stdio" => cuts.extend([STDIO_BYTES, bytes.len() / STDIO_BYTES * STDIO_BYTES]),
            "32k" => cuts.extend((FFMPEG_BYTES..bytes.len()).step_by(FFMPEG_BYTES)),
            "anywhere" => cuts.push(bytes.len() * 2 / 3),
            _ => {}
        }
        cuts.push(bytes.len());
        let mut written = 0;
        for cut in cuts {
            out.write_all(&bytes[written..cut])?;
            written = cut;
        }
    }
    Ok(())
}
