//! What people cost: viewers with sessions against viewers without, and what viewers and users notice of a thousand wrong
//! passwords a second. The program has one processor there, as a Raspberry Pi Zero has.

use crate::fanout::{self, MP4, Result, Run, Server};
use fmp4streamer::format::password::{ITERATIONS, Password};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const VIEWERS: usize = 100;
/// Of those whose age is looked at under a flood.
const WATCHING: usize = 20;
const GUESSES_A_SECOND: u32 = 1000;
const GUESSERS: u32 = 8;
const SETTLE: Duration = Duration::from_secs(2);

/// Prints the figures.
pub fn print() {
    println!("\nPeople (ages in ms):");
    if let Err(e) = sessions() {
        println!("  sessions: failed: {e}");
    }
    for (name, guess_from) in [
        ("no wrong passwords", None),
        (
            "wrong passwords from one address",
            Some(one as fn(u32) -> [u8; 4]),
        ),
        ("wrong passwords from many addresses", Some(many)),
    ] {
        if let Err(e) = flood(name, guess_from) {
            println!("  {name}: failed: {e}");
        }
    }
}

fn one(_: u32) -> [u8; 4] {
    [127, 0, 0, 9]
}

fn many(number: u32) -> [u8; 4] {
    let [_, _, high, low] = number.to_be_bytes();
    [127, 1, high, low]
}

fn sessions() -> Result<()> {
    let server = start(Command::new(env!("CARGO_BIN_EXE_fmp4streamer")), "")?;
    let without = fanout::measure_after(&server, VIEWERS, MP4, SETTLE)?;
    drop(server);
    let server = start(Command::new(env!("CARGO_BIN_EXE_fmp4streamer")), &user())?;
    let with = watch(&server, VIEWERS)?;
    println!(
        "  {VIEWERS} viewers with sessions: CPU {:.2} % against {:.2} % without, ratio {:.2}",
        with.cpu_percent,
        without.cpu_percent,
        with.cpu_percent / without.cpu_percent
    );
    Ok(())
}

fn start(command: Command, people: &str) -> Result<Server> {
    fanout::start_by(command, &fanout::feeder("aud-after")?, people)
}

/// Of as many iterations as `--password` makes.
fn user() -> String {
    let hash = Password::new("right", [1; 16], ITERATIONS);
    format!("[user anna]\npassword = {hash}\n")
}

/// Viewers who came by one session.
fn watch(server: &Server, viewers: usize) -> Result<Run> {
    let said = log_in(server, [127, 0, 0, 1], "right")?;
    let cookie = said
        .split("Set-Cookie: ")
        .nth(1)
        .and_then(|it| it.split(';').next());
    let request = MP4.replacen(
        "\r\n\r\n",
        &format!("\r\nCookie: {}\r\n\r\n", cookie.ok_or("no cookie")?),
        1,
    );
    fanout::measure_after(server, viewers, &request, SETTLE)
}

/// The answer to a login from this address.
fn log_in(server: &Server, from: [u8; 4], password: &str) -> Result<String> {
    let client = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let [a, b, c, d] = from;
    bind(client.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0))?;
    let SocketAddr::V4(address) = server.address.parse()? else {
        return Err("no IPv4 address".into());
    };
    connect(client.as_raw_fd(), &SockaddrIn::from(address))?;
    let mut client = TcpStream::from(client);
    let form = format!("user=anna&password={password}");
    let head = "POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length";
    write!(client, "{head}: {}\r\n\r\n{form}", form.len())?;
    let mut said = String::new();
    client.read_to_string(&mut said)?;
    Ok(said)
}

/// What viewers see while passwords are guessed, and how long a user from elsewhere waits.
fn flood(name: &str, guess_from: Option<fn(u32) -> [u8; 4]>) -> Result<()> {
    let mut command = Command::new("taskset");
    command.args(["-c", "0", env!("CARGO_BIN_EXE_fmp4streamer")]);
    let server = start(command, &user())?;
    let (number, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let begun = Instant::now();
    let guess = |guess_from: fn(u32) -> [u8; 4]| {
        while !stop.load(Relaxed) {
            let number = number.fetch_add(1, Relaxed);
            let due = Duration::from_secs(1) * number / GUESSES_A_SECOND;
            thread::sleep(due.saturating_sub(begun.elapsed()));
            // Turned away is turned away, in whatever way.
            _ = log_in(&server, guess_from(number), &number.to_string());
        }
    };
    let known = || {
        let (mut worst, mut address) = (Duration::ZERO, 10);
        while !stop.load(Relaxed) {
            address += 1;
            let asked = Instant::now();
            // What a person does who is asked to try again.
            while !log_in(&server, [127, 0, 0, address], "right").is_ok_and(|it| it.contains("303 See Other"))
                && asked.elapsed() < Duration::from_secs(30)
            {}
            worst = worst.max(asked.elapsed());
            thread::sleep(Duration::from_millis(500));
        }
        worst
    };
    let (run, worst) = thread::scope(|scope| {
        for _ in 0..GUESSERS {
            if let Some(guess_from) = guess_from {
                scope.spawn(move || guess(guess_from));
            }
        }
        let known = scope.spawn(known);
        let run = watch(&server, WATCHING);
        stop.store(true, Relaxed);
        (run, known.join().unwrap_or(Duration::MAX))
    });
    let (run, guessed) = (
        run?,
        f64::from(number.load(Relaxed)) / begun.elapsed().as_secs_f64(),
    );
    println!(
        "  {name}, {guessed:.0}/s: {WATCHING} viewers p50 {:.2}, p99 {:.2}, {} frames lost; \
         a right one at most {:.0}",
        run.p50_ms,
        run.p99_ms,
        run.lost,
        worst.as_secs_f64() * 1e3
    );
    Ok(())
}
