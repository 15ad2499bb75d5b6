//! What one more client costs the program itself: instructions for each of its frames. Unlike times, they are the same on a
//! busy machine.
//!
//! Two numbers of clients and two numbers of frames make four runs, so that neither the camera's side nor the start of the
//! program and of its clients is counted.

use crate::fanout::{self, MP4, Result, Server};
use crate::feed;
use crate::instructions::Counter;
use memchr::memmem;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::env;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{self, Command};
use std::time::Duration;

/// So few that one thread sends to all of them, however slow it is.
const CLIENTS: [u64; 2] = [1, 16];
const FRAMES: [u64; 2] = [20, 80];
/// What a client costs the program itself does not depend on it.
const FRAME_BYTES: usize = 400;
/// For a frame under Valgrind or QEMU, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints the count.
pub fn print() {
    println!("\nInstructions of the program for a frame to one more client:");
    let by_qemu = || {
        let counter = Counter::new()?;
        share(&|clients, frames| count_by_qemu(&counter, clients, frames))
    };
    for (machine, share) in [("x86-64", share(&count_by_valgrind)), ("ARMv6", by_qemu())] {
        match share {
            Ok(instructions) => println!("{machine:>8}: {instructions}"),
            Err(e) => println!("{machine:>8}: skipped: {e}"),
        }
    }
}

/// The share of a client and a frame, by what counts the instructions for so many of both.
fn share(count: &dyn Fn(u64, u64) -> Result<u64>) -> Result<u64> {
    let of_frames = |clients| {
        let (few, many) = (count(clients, FRAMES[0])?, count(clients, FRAMES[1])?);
        Ok::<_, Box<dyn std::error::Error>>(many.saturating_sub(few))
    };
    let (few, many) = (of_frames(CLIENTS[0])?, of_frames(CLIENTS[1])?);
    let client_frames = (CLIENTS[1] - CLIENTS[0]) * (FRAMES[1] - FRAMES[0]);
    Ok(many.saturating_sub(few) / client_frames)
}

/// Valgrind's callgrind says at its end what it has counted.
fn count_by_valgrind(clients: u64, frames: u64) -> Result<u64> {
    if !cfg!(target_arch = "x86_64") {
        return Err("this is another machine".into());
    }
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(env!("CARGO_BIN_EXE_fmp4streamer"));
    let fifo = Fifo::new()?;
    let server = fanout::start_by(command, &fifo.command(), "").map_err(|e| format!("valgrind: {e}"))?;
    let words = play(server, &fifo, clients, frames)?;
    let (_, count) = words
        .split_once("Collected :")
        .ok_or("valgrind counted nothing")?;
    Ok(count.lines().next().unwrap_or_default().trim().parse()?)
}

fn count_by_qemu(counter: &Counter, clients: u64, frames: u64) -> Result<u64> {
    let fifo = Fifo::new()?;
    let server = fanout::start_by(counter.command("fmp4streamer", "share"), &fifo.command(), "")?;
    play(server, &fifo, clients, frames)?;
    Ok(counter.read("share")?.instructions)
}

/// Plays so many frames to so many clients, each frame once all have had the one before, and ends the server; gives what
/// that wrote to its standard error.
fn play(server: Server, fifo: &Fifo, clients: u64, frames: u64) -> Result<String> {
    let mut clients: Vec<Client> = (0..clients)
        .map(|_| Client::new(&server.address))
        .collect::<Result<_>>()?;
    // This waits for the server's command to read.
    let mut feed = File::options().write(true).open(&fifo.0)?;
    let mut bytes = feed::AUD.to_vec();
    for number in 0..frames {
        feed::unit_of(number, 0, FRAME_BYTES, &mut bytes);
        bytes.extend_from_slice(&feed::AUD);
        feed.write_all(&bytes)?;
        bytes.clear();
        for client in &mut clients {
            client.read_to(number + 1)?;
        }
    }
    Ok(server.stop())
}

struct Client {
    socket: TcpStream,
    /// The end of what was read, which may be the start of a mark.
    carry: Vec<u8>,
    seen: u64,
}

impl Client {
    fn new(address: &str) -> Result<Client> {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(MP4.as_bytes())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Client {
            socket,
            carry: Vec::new(),
            seen: 0,
        })
    }

    /// Reads until so many frames have come.
    fn read_to(&mut self, frames: u64) -> Result<()> {
        let mut buffer = [0; 4096];
        while self.seen < frames {
            let n = self.socket.read(&mut buffer)?;
            if n == 0 {
                return Err("the server ended a stream".into());
            }
            self.carry.extend_from_slice(&buffer[..n]);
            let mut searched = self.carry.len().saturating_sub(feed::MARK.len() - 1);
            for at in memmem::find_iter(&self.carry, feed::MARK) {
                self.seen += 1;
                searched = searched.max(at + feed::MARK.len());
            }
            self.carry.drain(..searched);
        }
        Ok(())
    }
}

/// A named pipe, by which the server's command gets what is written here.
struct Fifo(PathBuf);

impl Fifo {
    fn new() -> Result<Fifo> {
        let path = env::temp_dir().join(format!("fmp4streamer-bench-{}", process::id()));
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        Ok(Fifo(path))
    }

    fn command(&self) -> String {
        format!("cat {}", self.0.display())
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}
