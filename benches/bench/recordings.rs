//! What it costs to record: CPU time, memory, and bytes to the disk, against the same camera that is not recorded. And what it is like to
//! look back: how soon the first byte of a clip comes, and how long the lists of a month of recordings take,
//! against a bare loop that opens the same files and reads as much of them.

use crate::fanout::{self, Result, Server};
use crate::sound::get;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SETTLE: Duration = Duration::from_secs(3);
const MEASURE: Duration = Duration::from_secs(20);
const CLIPS: usize = 21;
const DAYS: usize = 30;
/// Of five minutes each.
const FILES_A_DAY: usize = 288;
/// As much of a file as its line in a list takes.
const HEAD_BYTES: usize = 12 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for recordings that goes with this.
pub struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// Prints the figures.
pub fn print() {
    println!("\nRecording, and looking back:");
    for part in [record, look_back] {
        if let Err(e) = part() {
            println!("  failed: {e}");
        }
    }
}

impl Folder {
    pub fn new() -> Result<Folder> {
        let folder = Folder(std::env::temp_dir().join(format!("fmp4streamer-bench-{}", std::process::id())));
        fs::create_dir(&folder.0)?;
        fs::write(folder.0.join(".fmp4streamer"), "")?;
        Ok(folder)
    }

    /// The config of a camera that is recorded there, whose section begins with `camera`; more of [server] is before it.
    pub fn config(&self, camera: &str) -> String {
        let folder = self.0.display();
        format!("record_dir = {folder}\nrecord_keep_free = 0\nrecord_max_gb = 10000\n{camera}")
    }
}

/// What it costs for some seconds.
struct Cost {
    cpu_percent: f64,
    resident_mb: f64,
    /// Those that went to the disk, for each of the file.
    bytes_for_each: f64,
}

fn record() -> Result<()> {
    let folder = Folder::new()?;
    let cost = |record: &str| -> Result<Cost> {
        let camera = format!(
            "[exec]\nname = yard\ncommand = {}\nauto_sleep = no\nrecord = {record}\n",
            fanout::feeder("aud-after")?
        );
        let command = Command::new(env!("CARGO_BIN_EXE_fmp4streamer"));
        let server = fanout::start_with(command, &folder.config(&camera))?;
        sleep(SETTLE);
        let before = server.cpu_seconds()?;
        sleep(MEASURE);
        let cpu_seconds = server.cpu_seconds()? - before;
        let resident_mb = server.resident_mb()?;
        let written = server.written_bytes()?;
        let file = recorded(&folder.0.join("yard")).and_then(|file| Ok(fs::metadata(file)?.len()));
        server.stop();
        Ok(Cost {
            cpu_percent: cpu_seconds / MEASURE.as_secs_f64() * 100.0,
            resident_mb,
            bytes_for_each: written as f64 / file.unwrap_or_default() as f64,
        })
    };
    let (without, with) = (cost("no")?, cost("always")?);
    println!(
        "  1080p30 of 4 Mbit/s: CPU {:.2} % against {:.2} % when it is not recorded; RSS {:.1} against {:.1} MB; {:.2} bytes to the disk for each of the file",
        with.cpu_percent, without.cpu_percent, with.resident_mb, without.resident_mb, with.bytes_for_each
    );
    Ok(())
}

fn look_back() -> Result<()> {
    let folder = Folder::new()?;
    let config =
        folder.config("clip_s = 12\n[test]\nname = yard\nwidth = 640\nheight = 360\nrecord = always\n");
    let server = fanout::start_with(Command::new(env!("CARGO_BIN_EXE_fmp4streamer")), &config)?;
    let begun = Instant::now();
    while body(&server, "/clip.mp4?before=1000")?.len() < 100_000 || begun.elapsed().as_secs() < 12 {
        if begun.elapsed() > PATIENCE {
            return Err("nothing is in memory".into());
        }
        sleep(Duration::from_millis(500));
    }
    let mut times = Vec::new();
    for _ in 0..CLIPS {
        times.push(first_byte(&server, "/clip.mp4?before=10&for=20")?);
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
    let bare = bare_loop(&names)?;
    let days = Instant::now();
    let list = body(&server, "/recordings/days")?;
    let days = days.elapsed();
    let mut files = 0;
    let begun = Instant::now();
    for day in 1..=DAYS {
        let list = body(&server, &format!("/recordings?day={}", date(day)))?;
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

/// Opens each and reads its head; gives the time of it.
fn bare_loop(names: &[PathBuf]) -> Result<Duration> {
    let begun = Instant::now();
    let mut head = vec![0; HEAD_BYTES];
    for name in names {
        _ = fs::File::open(name)?.read(&mut head)?;
    }
    Ok(begun.elapsed())
}

/// The body of an answer.
fn body(server: &Server, path: &str) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    get(server, path)?.read_to_end(&mut body)?;
    Ok(body)
}

/// From the connection to the first byte of the body.
fn first_byte(server: &Server, path: &str) -> Result<Duration> {
    let begun = Instant::now();
    get(server, path)?.read_exact(&mut [0])?;
    Ok(begun.elapsed())
}
