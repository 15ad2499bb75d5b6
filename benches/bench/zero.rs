//! What recording, motion and sound take of a Raspberry Pi Zero: instructions of the ARMv6 program for a second of a camera, beside the
//! same camera without. They are the same on a busy machine, but for how often a thread wakes up.

use crate::fanout::{self, Result, Server};
use crate::instructions::{Count, Counter};
use crate::recordings::Folder;
use crate::sound::{self, BIT_RATE, RATE};
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Its processor has 1 GHz, and takes some two clocks for an instruction: an estimate, as no such board was at hand.
const INSTRUCTIONS_A_SECOND: f64 = 500e6;
/// The program's start, and a file's, are over by then.
const SETTLE: Duration = Duration::from_secs(8);
const MEASURE: Duration = Duration::from_secs(30);
/// Raw pictures are looked at so often in a second.
const LOOKS: f64 = 5.0;
/// Two runs, so that the program's start is not counted.
const MANY_LOOKS: [u32; 2] = [100, 300];
/// So as well.
const SECONDS_OF_SOUND: [usize; 2] = [5, 15];
/// The most instructions that a second of sound may take: 4 % of its time.
const MOST_FOR_SOUND: f64 = 20e6;

/// What a camera gives and what is asked of it; and which other one it is compared with.
const CAMERAS: [(&str, &str, &str, Option<usize>); 5] = [
    (
        "1080p30 H.264 of 4 Mbit/s, which nobody watches",
        "aud-after",
        "",
        None,
    ),
    ("  to record it", "aud-after", "record = always\n", Some(0)),
    (
        "  motion by the sizes of its pictures",
        "aud-after",
        "motion = yes\n",
        Some(0),
    ),
    (
        "30 JPEG pictures a second, which nobody watches",
        "jpeg",
        "",
        None,
    ),
    ("  motion by their sizes", "jpeg", "motion = yes\n", Some(3)),
];

/// Prints the figures.
pub fn print() {
    println!(
        "\nThe ARMv6 program on a Raspberry Pi Zero, if that does {:.0} million instructions a second; without what the kernel does for it:",
        INSTRUCTIONS_A_SECOND / 1e6
    );
    let counted = Counter::new().and_then(|counter| {
        cameras(&counter)?;
        cells(&counter)?;
        encoder(&counter)
    });
    if let Err(e) = counted {
        println!("  skipped: {e}");
    }
}

fn row(what: &str, instructions: f64, calls: &str) {
    println!(
        "{what:>52}: {:.3} million instructions a second, {:.3} % of its time{calls}",
        instructions / 1e6,
        instructions / INSTRUCTIONS_A_SECOND * 100.0
    );
}

/// All of them at once: each is asleep most of the time.
fn cameras(counter: &Counter) -> Result<()> {
    let folder = Folder::new()?;
    let start = |(number, (_, feed, keys, _)): (usize, &(&str, &str, &str, Option<usize>))| {
        let command = counter.command("fmp4streamer", &number.to_string());
        let feeder = fanout::feeder(feed)?;
        let camera = format!("[exec]\nname = yard\ncommand = {feeder}\nauto_sleep = no\n{keys}");
        fanout::start_with(command, &folder.config(&camera))
    };
    let servers: Vec<Server> = CAMERAS.iter().enumerate().map(start).collect::<Result<_>>()?;
    let read = || {
        (0..CAMERAS.len())
            .map(|number| counter.read(&number.to_string()))
            .collect::<Result<Vec<Count>>>()
    };
    sleep(SETTLE);
    let before = read()?;
    sleep(MEASURE);
    let after = read()?;
    drop(servers);
    let seconds = MEASURE.as_secs_f64();
    let rate = |number: usize| {
        let [before, after] = [before[number], after[number]];
        let instructions = (after.instructions - before.instructions) as f64 / seconds;
        (instructions, (after.calls - before.calls) as f64 / seconds)
    };
    for (number, (what, _, _, beside)) in CAMERAS.iter().enumerate() {
        let (instructions, calls) = rate(number);
        let (less, fewer) = beside.map_or((0.0, 0.0), rate);
        row(
            what,
            instructions - less,
            &format!(", {:.0} system calls", calls - fewer),
        );
    }
    Ok(())
}

/// Without a camera there are no raw pictures: what is done with each that is looked at, alone.
fn cells(counter: &Counter) -> Result<()> {
    let count = |looks: u32| -> Result<u64> {
        let name = format!("cells-{looks}");
        let mut command: Command = counter.command("examples/cells", &name);
        if !command.arg(looks.to_string()).output()?.status.success() {
            return Err("the example `cells` failed".into());
        }
        Ok(counter.read(&name)?.instructions)
    };
    let more = count(MANY_LOOKS[1])?.saturating_sub(count(MANY_LOOKS[0])?);
    let of_one = more as f64 / f64::from(MANY_LOOKS[1] - MANY_LOOKS[0]);
    row("motion by the cells of raw pictures", of_one * LOOKS, "");
    Ok(())
}

/// Our encoder alone, with what reads the samples; a microphone has to be converted and kept in step besides.
fn encoder(counter: &Counter) -> Result<()> {
    let second: Vec<u8> = sound::second().into_iter().flat_map(i16::to_le_bytes).collect();
    let count = |seconds: usize| -> Result<u64> {
        let name = format!("aac-{seconds}");
        let mut command = counter.command("examples/aac", &name);
        command.args([RATE.to_string(), "1".into(), BIT_RATE.to_string()]);
        let mut running = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        // It codes them once this is closed.
        let samples = running.stdin.take();
        samples.ok_or("no pipe")?.write_all(&second.repeat(seconds))?;
        if !running.wait()?.success() {
            return Err("the example `aac` failed".into());
        }
        Ok(counter.read(&name)?.instructions)
    };
    let more = count(SECONDS_OF_SOUND[1])?.saturating_sub(count(SECONDS_OF_SOUND[0])?);
    let of_one = more as f64 / (SECONDS_OF_SOUND[1] - SECONDS_OF_SOUND[0]) as f64;
    let verdict = if of_one > MOST_FOR_SOUND { "FAILED: " } else { "" };
    let limit = format!(", {verdict}at most {:.0} million", MOST_FOR_SOUND / 1e6);
    row("AAC of a microphone (mono, 48 kHz, 64 kbit/s)", of_one, &limit);
    Ok(())
}
