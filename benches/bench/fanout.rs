//! Fan-out to many clients, and the floor under it.

use crate::feed;
use fmp4streamer::sys::clock::monotonic_us;
use memchr::memmem;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::error::Error;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CLIENTS: [usize; 4] = [1, 20, 100, 500];
const SETTLE: Duration = Duration::from_secs(2);
const MEASURE: Duration = Duration::from_secs(8);
pub const MP4: &str = "GET /stream.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n";
const WS: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// Followed by PLAY, which needs to know the session.
const RTSP: &str =
    "SETUP rtsp://localhost/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n";

/// What one run shows.
pub struct Run {
    pub cpu_percent: f64,
    rss_mb: f64,
    pub frames: usize,
    pub lost: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    first_ms: f64,
}

/// Prints the table.
pub fn table() {
    rows(&CLIENTS);
    ages_by_delimiter();
}

/// Prints its rows for so many clients.
pub fn rows(clients: &[usize]) {
    println!(
        "\nFan-out of 1080p30 4 Mbit/s (age in ms; lost = frames missing at a client; first = connect to first frame, ms):\n\
         {:>8} {:>9} {:>7} {:>7} {:>7} {:>7} {:>8} {:>6} {:>7} {:>10}",
        "server", "clients", "CPU %", "RSS MB", "p50", "p99", "frames", "lost", "first", "CPU ratio"
    );
    for &clients in clients {
        let mut floor_cpu = None;
        for (name, server, request) in [
            ("floor", start_floor as fn() -> Result<Server>, MP4),
            ("mp4", start_ours, MP4),
            ("ws", start_ours, WS),
            ("rtsp", start_rtsp, RTSP),
        ] {
            match server().and_then(|server| measure(&server, clients, request)) {
                Ok(run) => {
                    let ratio = floor_cpu.map(|floor: f64| run.cpu_percent / floor);
                    println!(
                        "{name:>8} {clients:>9} {:>7.2} {:>7.1} {:>7.2} {:>7.2} {:>8} {:>6} {:>7.1} {:>10}",
                        run.cpu_percent,
                        run.rss_mb,
                        run.p50_ms,
                        run.p99_ms,
                        run.frames,
                        run.lost,
                        run.first_ms,
                        ratio.map_or(String::new(), |r| format!("{r:.2}"))
                    );
                    floor_cpu = floor_cpu.or(Some(run.cpu_percent));
                }
                Err(e) => println!("{name:>8} {clients:>9} failed: {e}"),
            }
        }
    }
}

/// How old a frame is at one client, by how the source ends its access units.
fn ages_by_delimiter() {
    println!("\nAge of a frame at one client, by the source's delimiters:");
    for delimiters in ["aud-after", "aud-first", "none"] {
        match start_server(delimiters).and_then(|server| measure(&server, 1, MP4)) {
            Ok(run) => println!(
                "{delimiters:>10}: p50 {:.2} ms, p99 {:.2} ms",
                run.p50_ms, run.p99_ms
            ),
            Err(e) => println!("{delimiters:>10}: failed: {e}"),
        }
    }
}

/// Prints how often the floor's CPU time a hundred clients take, measured again and again.
pub fn ratios() {
    const TIMES: usize = 7;
    println!(
        "\nCPU time for 100 clients by the floor's, {TIMES} times, and the median (lost: frames at all of them):"
    );
    let mut all = [
        ("mp4", start_ours as fn() -> Result<Server>, MP4, Vec::new(), 0),
        ("ws", start_ours, WS, Vec::new(), 0),
        ("rtsp", start_rtsp, RTSP, Vec::new(), 0),
    ];
    for _ in 0..TIMES {
        let floor = start_floor().and_then(|server| measure(&server, 100, MP4));
        for (name, server, request, ratios, lost) in &mut all {
            let ours = server().and_then(|server| measure(&server, 100, request));
            match (&floor, ours) {
                (Ok(floor), Ok(ours)) => {
                    ratios.push(ours.cpu_percent / floor.cpu_percent);
                    *lost += ours.lost;
                }
                (Err(e), _) => println!("{name:>8} failed: {e}"),
                (_, Err(e)) => println!("{name:>8} failed: {e}"),
            }
        }
    }
    for (name, _, _, mut ratios, lost) in all {
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);
        let words: Vec<_> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        println!("{name:>8} {}: {median:.2}; lost {lost}", words.join(" "));
    }
}

pub struct Server {
    process: Child,
    pub address: String,
    /// Where it serves RTSP; empty if it does not.
    rtsp_address: String,
    /// Reads what it says further.
    words: Option<JoinHandle<String>>,
}

impl Server {
    /// The CPU time that it took so far, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        Ok(usage(&self.process)?.0)
    }

    /// Its resident memory, in MB.
    pub fn resident_mb(&self) -> Result<f64> {
        Ok(usage(&self.process)?.1)
    }

    /// The bytes that it has had written to disks (proc(5), io).
    pub fn written_bytes(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/io", self.process.id()))?;
        let (_, rest) = text.split_once("\nwrite_bytes: ").ok_or("no write_bytes")?;
        Ok(rest.lines().next().unwrap_or_default().parse()?)
    }

    /// Ends it; gives what it said after its address.
    pub fn stop(mut self) -> String {
        let words = self.words.take();
        drop(self);
        words.and_then(|words| words.join().ok()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The floor has a feeder of its own: its group is ended.
        _ = Command::new("kill")
            .args(["-TERM", "--", &format!("-{}", self.process.id())])
            .status();
        _ = self.process.wait();
    }
}

fn start(mut command: Command) -> Result<Server> {
    let mut process = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let mut lines = BufReader::new(process.stderr.take().ok_or("no stderr")?).lines();
    let place = |line: &str, scheme: &str| {
        let (_, rest) = line.split_once(scheme)?;
        Some(rest.split('/').next()?.to_string())
    };
    let (address, rtsp_address) = loop {
        let line = lines.next().ok_or("it said no address")??;
        if let Some(address) = place(&line, "http://") {
            break (address, place(&line, "rtsp://").unwrap_or_default());
        }
    };
    let read = move || {
        lines
            .map_while(std::result::Result::ok)
            .collect::<Vec<_>>()
            .join("\n")
    };
    Ok(Server {
        process,
        address,
        rtsp_address,
        words: Some(std::thread::spawn(read)),
    })
}

fn start_ours() -> Result<Server> {
    start_server("aud-after")
}

/// The same, to be asked by RTSP.
fn start_rtsp() -> Result<Server> {
    let command = Command::new(env!("CARGO_BIN_EXE_fmp4streamer"));
    let feeder = feeder("aud-after")?;
    let sections = format!("rtsp = yes\nrtsp_port = 0\n[exec]\ncommand = {feeder}\n");
    let mut server = start_with(command, &sections)?;
    server.address = std::mem::take(&mut server.rtsp_address);
    Ok(server)
}

pub fn start_server(writer: &str) -> Result<Server> {
    start_by(
        Command::new(env!("CARGO_BIN_EXE_fmp4streamer")),
        &feeder(writer)?,
        "",
    )
}

/// The command that is such a camera.
pub fn feeder(writer: &str) -> Result<String> {
    let feeder = std::env::current_exe()?;
    Ok(format!("exec {} feed {writer}", feeder.display()))
}

/// Starts the program by a command that its arguments go behind; `source` is the command that is its camera, `people` sections
/// of users.
pub fn start_by(command: Command, source: &str, people: &str) -> Result<Server> {
    start_with(command, &format!("[exec]\ncommand = {source}\n{people}"))
}

/// Starts the program with these sections.
pub fn start_with(mut command: Command, sections: &str) -> Result<Server> {
    let config = std::env::temp_dir().join(format!("fmp4streamer-bench-{}.conf", std::process::id()));
    std::fs::write(&config, format!("[server]\nmax_clients = 600\n{sections}"))?;
    command.arg("-c").arg(&config).args(["--listen", "127.0.0.1:0"]);
    let server = start(command);
    std::fs::remove_file(&config)?;
    server
}

fn start_floor() -> Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("floor");
    start(command)
}

/// CPU time of all threads in seconds (proc(5), schedstat: nanoseconds come first), and resident memory in MB.
fn usage(process: &Child) -> Result<(f64, f64)> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir(format!("/proc/{}/task", process.id()))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += text
            .split(' ')
            .next()
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0);
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    let kb: f64 = rss.trim().trim_end_matches(" kB").parse()?;
    Ok((nanoseconds as f64 / 1e9, kb / 1024.0))
}

struct Client {
    socket: TcpStream,
    /// The end of what was read, which may be the start of a mark.
    carry: Vec<u8>,
    last: Option<u64>,
}

/// Longest piece to search for: the mark, the number and the time.
const RECORD_BYTES: usize = feed::MARK.len() + 32;

fn measure(server: &Server, count: usize, request: &str) -> Result<Run> {
    measure_after(server, count, request, SETTLE)
}

/// Connects, and asks for the stream.
fn ask(server: &Server, request: &str) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(&server.address)?;
    socket.write_all(request.as_bytes())?;
    if request == RTSP {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte)?;
            answer.extend(byte);
        }
        let answer = String::from_utf8(answer)?;
        let (_, session) = answer.split_once("Session: ").ok_or("no session")?;
        let session = session.split(';').next().unwrap_or_default();
        let play = format!("PLAY rtsp://localhost/ RTSP/1.0\r\nCSeq: 2\r\nSession: {session}\r\n\r\n");
        socket.write_all(play.as_bytes())?;
    }
    Ok(socket)
}

/// Measures once the stream has run for the time `settle`.
pub fn measure_after(server: &Server, count: usize, request: &str, settle: Duration) -> Result<Run> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut clients = Vec::new();
    for index in 0..count {
        let socket = ask(server, request)?;
        socket.set_nonblocking(true)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        clients.push(Client {
            socket,
            carry: Vec::new(),
            last: None,
        });
    }
    let mut ages = Vec::new();
    let mut lost = 0;
    let mut buffer = vec![0; 512 * 1024];
    let mut events = [EpollEvent::empty(); 512];
    let begin = Instant::now() + settle;
    let end = begin + MEASURE;
    let mut before = None;
    let finder = memmem::Finder::new(feed::MARK);
    while Instant::now() < end {
        if before.is_none() && Instant::now() >= begin {
            before = Some(usage(&server.process)?.0);
        }
        let ready = epoll.wait(&mut events, EpollTimeout::from(100u8))?;
        for event in &events[..ready] {
            let client = &mut clients[event.data() as usize];
            let carried = client.carry.len();
            buffer[..carried].copy_from_slice(&client.carry);
            let read = match client.socket.read(&mut buffer[carried..]) {
                Ok(0) => return Err("the server ended a stream".into()),
                Ok(read) => read,
                Err(e) if e.kind() == ErrorKind::WouldBlock => continue,
                Err(e) => return Err(e.into()),
            };
            let now_us = monotonic_us();
            let got = &buffer[..carried + read];
            let mut searched = 0;
            for at in finder.find_iter(got) {
                let Some(record) = got.get(at + feed::MARK.len()..at + RECORD_BYTES) else {
                    break;
                };
                searched = at + RECORD_BYTES;
                let text = std::str::from_utf8(record)?;
                let (number, written_us) = (
                    u64::from_str_radix(&text[..16], 16)?,
                    u64::from_str_radix(&text[16..], 16)?,
                );
                if before.is_some() {
                    ages.push(now_us.saturating_sub(written_us));
                    lost += client.last.map_or(0, |last| number - last - 1);
                }
                client.last = Some(number);
            }
            let keep = searched.max(got.len().saturating_sub(RECORD_BYTES - 1));
            client.carry = got[keep..].to_vec();
        }
    }
    let (cpu, rss_mb) = usage(&server.process)?;
    // The ring is warm now: how long does a newcomer wait?
    let connect = Instant::now();
    let mut newcomer = ask(server, request)?;
    let mut got = Vec::new();
    while finder.find(&got).is_none() {
        let read = newcomer.read(&mut buffer)?;
        got.extend_from_slice(&buffer[..read]);
    }
    let first_ms = connect.elapsed().as_secs_f64() * 1e3;
    ages.sort_unstable();
    let at = |part: f64| {
        ages.get((ages.len() as f64 * part) as usize)
            .map_or(f64::NAN, |us| *us as f64 / 1000.0)
    };
    Ok(Run {
        cpu_percent: (cpu - before.unwrap_or(cpu)) / MEASURE.as_secs_f64() * 100.0,
        rss_mb,
        frames: ages.len(),
        lost,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        first_ms,
    })
}

/// The floor: reads the feed, and sends each unit to each client with one non-blocking send. No HTTP, no mux, no ring.
pub fn floor() {
    if let Err(e) = run_floor() {
        eprintln!("floor: {e}");
    }
}

fn run_floor() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut feeder = Command::new(std::env::current_exe()?)
        .args(["feed", "aud-after"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut pipe = feeder.stdout.take().ok_or("no stdout")?;
    eprintln!("open http://{}/", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    let mut clients: Vec<TcpStream> = Vec::new();
    let mut buffer = vec![0; 512 * 1024];
    let mut filled = 0;
    loop {
        filled += pipe.read(&mut buffer[filled..])?;
        if !buffer[..filled].ends_with(&feed::AUD) {
            continue;
        }
        while let Ok((socket, _)) = listener.accept() {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            clients.push(socket);
        }
        for client in &mut clients {
            _ = client.write(&buffer[..filled]);
        }
        filled = 0;
    }
}
