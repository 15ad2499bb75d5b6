//! What it is like to look back: how soon the first byte of a clip comes, and how long the lists of a month of recordings take,
//! against a bare loop that opens the same files and reads as much of them.

use crate::fanout::{self, Result};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

const CLIPS: usize = 21;
const DAYS: usize = 30;
/// Of five minutes each.
const FILES_A_DAY: usize = 288;
/// As much of a file as its line in a list takes.
const HEAD_BYTES: usize = 12 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for recordings that goes with this.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// Prints the figures.
pub fn print() {
    println!("\nLooking back:");
    if let Err(e) = run() {
        println!("  failed: {e}");
    }
}

fn run() -> Result<()> {
    let folder = Folder(std::env::temp_dir().join(format!("fmp4streamer-bench-{}", std::process::id())));
    fs::create_dir(&folder.0)?;
    fs::write(folder.0.join(".fmp4streamer"), "")?;
    let config = format!(
        "record_dir = {}\nrecord_keep_free = 0\nrecord_max_gb = 10000\nclip_s = 12\n[test]\nname = yard\nwidth = 640\nheight = 360\nrecord = always\n",
        folder.0.display()
    );
    let server = fanout::start_with(Command::new(env!("CARGO_BIN_EXE_fmp4streamer")), &config)?;
    let begun = Instant::now();
    while get(&server.address, "/clip.mp4?before=1000")?.1.len() < 100_000 || begun.elapsed().as_secs() < 12 {
        if begun.elapsed() > PATIENCE {
            return Err("nothing is in memory".into());
        }
        sleep(Duration::from_millis(500));
    }
    let mut times = Vec::new();
    for _ in 0..CLIPS {
        times.push(first_byte(&server.address, "/clip.mp4?before=10&for=20")?);
        // The place of the one before is free by then.
        sleep(Duration::from_millis(200));
    }
    times.sort();
    println!(
        "  /clip.mp4?before=10&for=20: first byte after {:.1} ms (the median of {CLIPS}), {:.1} ms at most",
        ms(times[CLIPS / 2]),
        ms(times[CLIPS - 1])
    );
    server.stop();

    let recorded = recorded(&folder.0.join("yard"))?;
    let names = month(&recorded, &folder.0.join("yard"))?;
    let server = fanout::start_with(Command::new(env!("CARGO_BIN_EXE_fmp4streamer")), &config)?;
    let (bare, _) = bare_loop(&names)?;
    let days = Instant::now();
    let (_, list) = get(&server.address, "/recordings/days")?;
    let days = days.elapsed();
    let mut files = 0;
    let begun = Instant::now();
    for day in 1..=DAYS {
        let (_, list) = get(&server.address, &format!("/recordings?day={}", date(day)))?;
        files += String::from_utf8_lossy(&list).matches("\"name\"").count();
    }
    let took = begun.elapsed();
    if files != DAYS * FILES_A_DAY {
        return Err(format!("{files} files were listed").into());
    }
    println!(
        "  {DAYS} days of {FILES_A_DAY} files: the days ({} bytes) in {:.1} ms; all their files in {:.1} ms, a day in {:.2} ms; {:.2} × a bare loop",
        list.len(),
        ms(days),
        ms(took),
        ms(took) / DAYS as f64,
        took.as_secs_f64() / bare.as_secs_f64()
    );
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn date(day: usize) -> String {
    format!("2026-06-{day:02}")
}

/// The one recording that there is.
fn recorded(camera: &Path) -> Result<PathBuf> {
    let day = fs::read_dir(camera)?.next().ok_or("no day")??.path();
    Ok(fs::read_dir(day)?.next().ok_or("no recording")??.path())
}

/// The same recording by as many names as a month has.
fn month(recorded: &Path, camera: &Path) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for day in 1..=DAYS {
        let folder = camera.join(date(day));
        fs::create_dir(&folder)?;
        for at in 0..FILES_A_DAY {
            let minute = at * 1440 / FILES_A_DAY;
            let name = folder.join(format!("{:02}-{:02}-00+0000.mp4", minute / 60, minute % 60));
            fs::hard_link(recorded, &name)?;
            names.push(name);
        }
    }
    Ok(names)
}

/// Opens each and reads its head; gives the time of it, and how much that was.
fn bare_loop(names: &[PathBuf]) -> Result<(Duration, usize)> {
    let begun = Instant::now();
    let mut bytes = 0;
    let mut head = vec![0; HEAD_BYTES];
    for name in names {
        bytes += fs::File::open(name)?.read(&mut head)?;
    }
    Ok((begun.elapsed(), bytes))
}

/// The status line and the body of an answer.
fn get(address: &str, path: &str) -> Result<(String, Vec<u8>)> {
    let mut socket = TcpStream::connect(address)?;
    socket.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let at = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or("no answer")?;
    let body = answer.split_off(at + 4);
    Ok((
        String::from_utf8_lossy(&answer)
            .lines()
            .next()
            .unwrap_or_default()
            .into(),
        body,
    ))
}

/// From the connection to the first byte of the body.
fn first_byte(address: &str, path: &str) -> Result<Duration> {
    let begun = Instant::now();
    let mut socket = TcpStream::connect(address)?;
    socket.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let size = socket.read(&mut piece)?;
        answer.extend_from_slice(&piece[..size]);
        match answer.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(at) if answer.len() > at + 4 => break,
            _ if size == 0 => return Err(String::from_utf8_lossy(&answer).into()),
            _ => (),
        }
    }
    Ok(begun.elapsed())
}
