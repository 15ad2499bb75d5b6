//! `make bench`: what the program costs, as ratios that are measured in one run (times alone say more about the
//! machine than about the program). One table; nothing here can fail but by not running.
//!
//! - NAL split: against one copy of the same bytes.
//! - Mux: against one copy of the same bytes.
//! - Fan-out: a 1080p30 stream of 4 Mbit/s to N clients on loopback, against the floor: a bare loop that sends the same
//!   bytes with one non-blocking send a client. CPU is that of the serving process alone, in % of a core; the age of a
//!   frame is from before its write into the pipe to after its read at the client.
//! - A client's share: instructions for each of its frames, by Valgrind and QEMU, where these are installed. `cargo bench -- share` prints
//!   that alone.
//! - People: CPU of viewers with sessions against viewers without; ages, and the wait of a user, while a thousand wrong
//!   passwords a second come. `cargo bench -- people` prints that alone.
//! - Sound: CPU of viewers with sound against viewers who asked for none, the age of pictures for both, and the CPU of the encoder.
//!   `cargo bench -- sound` prints that alone.
//! - Recording: CPU time, memory and bytes to the disk, against a camera that is not recorded; how soon a clip begins, and how long the lists of a month take, against a bare loop over the same files.
//!   `cargo bench -- recordings` prints that alone.
//! - Raspberry Pi Zero: what recording, motion and sound take of one, by the instructions of the ARMv6 program in QEMU. `cargo bench -- zero` prints
//!   that alone.
//! - `cargo bench -- hundred` alone: the fan-out's rows for a hundred clients.
//! - `cargo bench -- ratios` alone: the fan-out's ratio for a hundred clients, several times over, and the median.
//! - `cargo bench -- writers` alone: the age by how a frame is cut into writes, for a quiet machine; `busy-writers` makes
//!   it a busy one.

mod fanout;
mod feed;
mod instructions;
mod people;
mod recordings;
mod share;
mod sound;
mod writers;
mod zero;

use fmp4streamer::format::fmp4::{Fragment, Init, Timeline};
use fmp4streamer::format::h264::{Reader, nal_units};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("feed") => match (args.get(2), args.get(3).and_then(|fps| fps.parse().ok())) {
            // It ends with an error when nobody reads any more.
            (Some(writer), Some(fps)) => _ = writers::run(writer, fps),
            (delimiters, _) => feed::run(delimiters.map_or("aud-after", String::as_str)),
        },
        Some("writers") => writers::table(false),
        Some("busy-writers") => writers::table(true),
        Some("hundred") => fanout::rows(&[100]),
        Some("ratios") => fanout::ratios(),
        Some("share") => share::print(),
        Some("people") => people::print(),
        Some("sound") => sound::print(),
        Some("recordings") => recordings::print(),
        Some("zero") => zero::print(),
        Some("floor") => fanout::floor(),
        _ => {
            split();
            mux();
            fanout::table();
            share::print();
            people::print();
            sound::print();
            recordings::print();
            zero::print();
        }
    }
}

/// Runs `work` for a while and gives the time of its quickest run.
fn quickest(mut work: impl FnMut()) -> Duration {
    let end = Instant::now() + Duration::from_millis(600);
    let mut best = Duration::MAX;
    while Instant::now() < end {
        let begun = Instant::now();
        work();
        best = best.min(begun.elapsed());
    }
    best
}

fn split() {
    let mut stream = Vec::new();
    for number in 0..120 {
        feed::unit(number, 0, &mut stream);
    }
    let mut copy = vec![0; stream.len()];
    let copying = quickest(|| black_box(&mut copy).copy_from_slice(black_box(&stream)));
    let split = quickest(|| {
        black_box(nal_units(black_box(&stream)).map(<[u8]>::len).sum::<usize>());
    });
    let rate = |time: Duration| stream.len() as f64 / time.as_secs_f64() / 1e9;
    println!(
        "NAL split: {:.1} GB/s; copying the same bytes: {:.1} GB/s; ratio {:.2}",
        rate(split),
        rate(copying),
        rate(split) / rate(copying)
    );
}

fn mux() {
    let mut units = Vec::new();
    for number in 0..120 {
        let mut unit = Vec::new();
        feed::unit(number, 0, &mut unit);
        units.push(unit);
    }
    let bytes: usize = units.iter().map(Vec::len).sum();
    let copy = quickest(|| {
        for unit in &units {
            black_box(black_box(unit).to_vec());
        }
    });
    let mut captured_us = 0;
    let mux = quickest(|| {
        let mut reader = Reader::new();
        let mut timeline = Timeline::new(Some(30.0));
        let mut init = None;
        for unit in &units {
            let Ok(Some(access_unit)) = reader.read(unit) else {
                continue;
            };
            let Some(parameters) = reader.parameters() else {
                continue;
            };
            let init = init.get_or_insert_with(|| Arc::new(Init::new(Arc::clone(parameters), 0, None)));
            captured_us += 33_333;
            let span = timeline.place(captured_us);
            _ = black_box(Fragment::new(
                Arc::clone(init),
                &access_unit,
                span,
                captured_us,
                0,
            ));
        }
    });
    println!(
        "Mux: {:.1} µs a frame of {} bytes; one copy of it: {:.1} µs; ratio {:.2}",
        mux.as_secs_f64() * 1e6 / units.len() as f64,
        bytes / units.len(),
        copy.as_secs_f64() * 1e6 / units.len() as f64,
        mux.as_secs_f64() / copy.as_secs_f64()
    );
}
