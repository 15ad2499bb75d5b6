//! The program, started as its users start it, and small clients for it. Everything listens on loopback.

#![allow(dead_code)] // each test file uses its part

pub mod adts;
pub mod hex;
pub mod pictures;
pub mod random;
pub mod recorders;
pub mod websocket;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a condition may take to come true before the test gives up: far more than it needs, on any machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A directory of the test's own, removed with it.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fmp4streamer-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The running program.
pub struct Server {
    pub process: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
    pub dir: Dir,
}

impl Server {
    /// With the test picture, and what else `args` say.
    pub fn test_picture(args: &[&str]) -> Server {
        Server::start(&[&["--test"], args].concat(), Dir::new())
    }

    /// With a config of this text.
    pub fn with_config(text: &str) -> Server {
        Server::with_config_as(Server::program(), text)
    }

    /// The same, started by `program`: another user, another environment, another standard input.
    pub fn with_config_as(program: Command, text: &str) -> Server {
        let dir = Dir::new();
        let file = dir.write("test.conf", text);
        Server::run(program, &["-c", file.to_str().unwrap()], dir)
    }

    /// With a config that is there.
    pub fn with_file(file: &Path) -> Server {
        Server::start(&["-c", file.to_str().unwrap()], Dir::new())
    }

    /// With the test picture for clients who get every frame, however late a busy machine is with it.
    pub fn patient() -> Server {
        Server::with_config("[server]\nmax_age_ms = 60000\n[test]\n")
    }

    pub const PROGRAM: &str = env!("CARGO_BIN_EXE_fmp4streamer");

    fn start(args: &[&str], dir: Dir) -> Server {
        Server::run(Server::program(), args, dir)
    }

    /// Nothing on its standard input.
    pub fn program() -> Command {
        let mut program = Command::new(Server::PROGRAM);
        program.stdin(Stdio::null());
        program
    }

    fn run(mut program: Command, args: &[&str], dir: Dir) -> Server {
        let mut process = program
            .args(args)
            .args(["--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let address = loop {
            let line = lines
                .next()
                .expect("it ended without saying where it serves")
                .unwrap();
            writeln!(log.lock().unwrap(), "{line}").unwrap();
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split('/').next().unwrap().parse().unwrap();
            }
        };
        let rest = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                writeln!(rest.lock().unwrap(), "{line}").unwrap();
            }
        });
        Server {
            process,
            address,
            log,
            dir,
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Connects and sends `bytes`.
    pub fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // A server that refuses early may have closed already.
        _ = socket.write_all(bytes);
        socket
    }

    /// The same from this address of ours.
    pub fn send_from(&self, from: [u8; 4], bytes: &[u8]) -> TcpStream {
        let kind = (AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC);
        let socket = socket(kind.0, kind.1, kind.2, None).unwrap();
        let [a, b, c, d] = from;
        bind(socket.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0)).unwrap();
        let server = SockaddrIn::new(127, 0, 0, 1, self.address.port());
        connect(socket.as_raw_fd(), &server).unwrap();
        let mut socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        _ = socket.write_all(bytes);
        socket
    }

    /// Sends a whole request and reads the answer to its end.
    pub fn ask(&self, request: &str) -> String {
        let mut socket = self.send(request.as_bytes());
        let mut answer = Vec::new();
        _ = socket.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The whole answer to a GET.
    pub fn get(&self, path: &str) -> String {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))
    }

    /// The value of a field of /status; the first of that name after `after`.
    pub fn status_after(&self, after: &str, field: &str) -> String {
        let mut status = String::new();
        // A crowd of clients that have just left may still fill the places.
        until("/status answers", || {
            status = self.get("/status");
            status.starts_with("HTTP/1.1 200")
        });
        let from = status
            .find(after)
            .unwrap_or_else(|| panic!("no {after:?} in {status}"));
        let name = format!("\"{field}\":");
        let at = from
            + status[from..]
                .find(&name)
                .unwrap_or_else(|| panic!("no {field} in {status}"))
            + name.len();
        let value = &status[at..];
        match value.strip_prefix('"') {
            Some(text) => text[..text.find('"').unwrap()].to_string(),
            None => value[..value.find([',', '}', ']']).unwrap()].to_string(),
        }
    }

    pub fn status(&self, field: &str) -> String {
        self.status_after("{", field)
    }

    pub fn number(&self, field: &str) -> u64 {
        self.status(field).parse().unwrap()
    }

    /// What the camera is doing.
    pub fn camera(&self, field: &str) -> String {
        self.status_after("\"cameras\"", field)
    }

    /// A client that follows the stream.
    pub fn follow(&self, query: &str) -> Stream {
        self.follow_at(&format!("/stream.mp4{query}"))
    }

    /// The same of a stream that is somewhere else.
    pub fn follow_at(&self, path: &str) -> Stream {
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        Stream::new(self.send(request.as_bytes()))
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        assert!(
            Command::new("kill")
                .args([name, &self.process.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the process ends", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// The threads of the cameras' pumps, in the order of the config.
    pub fn pumps(&self) -> Vec<u32> {
        self.threads("pump")
    }

    /// The threads of this name, as they were made.
    fn threads(&self, name: &str) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let is_it = |task: &std::fs::DirEntry| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        };
        let found = tasks.flatten().filter(is_it);
        let mut found: Vec<u32> = found
            .map(|task| task.file_name().to_str().unwrap().parse().unwrap())
            .collect();
        found.sort_unstable();
        found
    }

    /// How often each thread of this name went to sleep so far.
    pub fn sleeps(&self, thread: &str) -> Vec<(u32, u64)> {
        let sleeps = |id: u32| {
            let file = format!("/proc/{}/task/{id}/status", self.process.id());
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            (id, line.map_or(0, |count| count.trim().parse().unwrap()))
        };
        self.threads(thread).into_iter().map(sleeps).collect()
    }

    /// How often the threads of this name that were there `before` went to sleep since.
    pub fn sleeps_since(&self, before: &[(u32, u64)], thread: &str) -> u64 {
        let since = |(id, sleeps)| {
            let mut same = before.iter().filter(|(other, _)| *other == id);
            same.next().map_or(0, |(_, before)| sleeps - before)
        };
        self.sleeps(thread).into_iter().map(since).sum()
    }

    /// A line of /proc/PID/status, as a number.
    pub fn proc_status(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the program ---\n{}", self.log());
        }
    }
}

/// Holds one thread of a process in its wait for frames, as a driver that hangs does, until this is dropped.
pub struct Held(Child);

/// ptrace(2): PTRACE_SEIZE, PTRACE_INTERRUPT, and PTRACE_CONT to try again if the thread is not in poll or ppoll (their
/// numbers on x86, Arm and RISC-V): elsewhere it may have a lock, which no thread has that waits for a driver. waitpid(2)
/// with __WALL says that it stands, or has ended: that is not over until the tracer knows it. The tracer's end lets it go.
const HOLD: &str = "
import ctypes, os, sys, threading, time
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
pid = int(sys.argv[1])
def ask(request):
    none = ctypes.c_void_p(0)
    if ptrace(ctypes.c_long(request), ctypes.c_int(pid), none, none) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
def stands():
    ask(0x4207)
    os.waitpid(pid, 0x40000000)
    with open(f'/proc/{pid}/syscall') as call:
        return call.read().split()[0] in ('7', '271', '73', '168', '309', '336')
ask(0x4206)
while not stands():
    ask(7)
    time.sleep(0.01)
threading.Thread(target=os.waitpid, args=(pid, 0x40000000), daemon=True).start()
print('held', flush=True)
sys.stdin.read()
";

impl Held {
    pub fn new(thread: u32) -> Option<Held> {
        if !have("python3") {
            return None;
        }
        let mut holder = Command::new("python3")
            .args(["-c", HOLD, &thread.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut output = BufReader::new(holder.stdout.take().unwrap());
        output.read_line(&mut said).unwrap();
        if said.is_empty() {
            _ = holder.wait();
            skip("ptrace is not allowed here");
            return None;
        }
        Some(Held(holder))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        _ = self.0.wait();
    }
}

/// Processes that this one started.
pub fn children(of: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        let parent = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap();
        if parent == of.to_string() {
            found.push(pid);
        }
    }
    found
}

/// That `--check` finds no fault in this config, which is from `place`.
pub fn assert_accepted(config: &str, place: &str) {
    let dir = Dir::new();
    let file = dir.write("pasted.conf", config);
    let check = Command::new(Server::PROGRAM)
        .args(["--check", "-c"])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{place}: {said}\n{config}");
}

/// Waits until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A box of an MP4 file, with its header.
pub struct Mp4Box {
    pub kind: [u8; 4],
    pub bytes: Vec<u8>,
}

/// The body of an endless answer in HTTP/1.0, box by box.
pub struct Stream {
    input: BufReader<TcpStream>,
    pub head: String,
}

impl Stream {
    pub fn new(socket: TcpStream) -> Stream {
        let mut input = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                input.read_line(&mut head).unwrap() > 0,
                "the answer ended in its head: {head}"
            );
        }
        Stream { input, head }
    }

    /// The next box; `None` where the stream ends between two.
    pub fn next_box(&mut self) -> Option<Mp4Box> {
        let mut header = [0; 8];
        match self.input.read(&mut header[..1]) {
            Ok(1) => self.input.read_exact(&mut header[1..]).unwrap(),
            Ok(_) => return None,
            Err(e) => panic!("no box came: {e}"),
        }
        let size = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize;
        let mut bytes = vec![0; size];
        bytes[..8].copy_from_slice(&header);
        self.input.read_exact(&mut bytes[8..]).unwrap();
        Some(Mp4Box {
            kind: header[4..].try_into().unwrap(),
            bytes,
        })
    }

    /// The next fragment; boxes of the init segment before it are passed over.
    pub fn next_fragment(&mut self) -> Option<Fragment> {
        loop {
            let moof = self.next_box()?;
            if &moof.kind == b"moof" {
                let mdat = self.next_box().expect("a moof without its mdat");
                assert_eq!(&mdat.kind, b"mdat");
                return Some(Fragment {
                    moof: moof.bytes,
                    mdat: mdat.bytes,
                });
            }
        }
    }

    pub fn socket(&self) -> &TcpStream {
        self.input.get_ref()
    }
}

pub struct Fragment {
    moof: Vec<u8>,
    mdat: Vec<u8>,
}

impl Fragment {
    /// A moof and an mdat, and nothing else.
    pub fn new(bytes: &[u8]) -> Fragment {
        let size = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let (moof, mdat) = bytes.split_at(size(0));
        assert_eq!((&moof[4..8], &mdat[4..8]), (&b"moof"[..], &b"mdat"[..]));
        assert_eq!(mdat.len(), size(moof.len()));
        Fragment {
            moof: moof.to_vec(),
            mdat: mdat.to_vec(),
        }
    }

    fn u32_after(&self, kind: &[u8], offset: usize) -> u32 {
        let at = self.moof.windows(4).position(|w| w == kind).unwrap() + 4 + offset;
        u32::from_be_bytes(self.moof[at..at + 4].try_into().unwrap())
    }

    pub fn sequence(&self) -> u32 {
        self.u32_after(b"mfhd", 4)
    }

    /// tfdt, version 1.
    pub fn time(&self) -> u64 {
        u64::from(self.u32_after(b"tfdt", 4)) << 32 | u64::from(self.u32_after(b"tfdt", 8))
    }

    /// trun: flags, count, offset, first sample's flags, duration.
    pub fn duration(&self) -> u32 {
        self.u32_after(b"trun", 16)
    }

    pub fn end(&self) -> u64 {
        self.time() + u64::from(self.duration())
    }

    /// sample_is_non_sync_sample is not set.
    pub fn key(&self) -> bool {
        self.u32_after(b"trun", 12) & 0x1_0000 == 0
    }

    /// The NAL units, by their lengths.
    pub fn nal_units(&self) -> Vec<&[u8]> {
        let mut rest = &self.mdat[8..];
        let mut nals = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            nals.push(&rest[4..4 + length]);
            rest = &rest[4 + length..];
        }
        nals
    }
}

/// Whether a fragment stands where the one before it ends. Or after a hole, where the source itself paused, as the test
/// picture does on a busy machine: for over half a second, of which the frame before fills one step, of 1/30 s at most.
pub fn follows(next: &Fragment, last: &Fragment) -> bool {
    let hole = next.time().checked_sub(last.end());
    next.sequence() == last.sequence() + 1 && hole.is_some_and(|hole| hole == 0 || hole > 90_000 * 4 / 10)
}

/// Says that a check can't run; the runner counts it.
pub fn skip(why: &str) {
    println!("skipped: {why}");
}

/// Whether a tool is there; if not, the check that wants it is skipped.
pub fn have(tool: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file()));
    if !found {
        skip(&format!("{tool} is not installed"));
    }
    found
}

/// Runs a tool to its end.
pub fn run(tool: &str, args: &[&str]) -> Output {
    Command::new(tool)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs one of our scripts of tests/tools with PyPI's packages that `tests/need test` installs. `None` if Python, or one of these
/// modules, is not there.
pub fn python(modules: &[&str], script: &str, args: &[&str]) -> Option<Output> {
    if !have("python3") {
        return None;
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let said = Command::new("python3")
        .arg(format!("{root}/tests/tools/{script}"))
        .args(args)
        .env("PYTHONPATH", format!("{root}/target/tools/python"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&said.stderr);
    let is_missing = |module: &&&str| error.contains(&format!("No module named '{module}"));
    if let Some(module) = modules.iter().find(is_missing) {
        skip(&format!("Python's {module} is not installed (tests/need test)"));
        return None;
    }
    Some(said)
}

/// Runs `inside` in a network of its own, in which this process is root, by starting this very test there once more.
pub fn in_own_network(test: &str, inside: fn()) {
    const INSIDE: &str = "FMP4STREAMER_TEST_NETWORK";
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    if !have("unshare") || !have("ip") {
        return;
    }
    let apart = ["--map-root-user", "--net"];
    let lo_up = ["ip", "link", "set", "lo", "up"];
    if !run("unshare", &[&apart[..], &lo_up].concat()).status.success() {
        return skip("network namespaces are not allowed here");
    }
    let inside = Command::new("unshare")
        .args(apart)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(inside.unwrap().success());
}

/// A command that starts `program` in a mount namespace of its own, in which so many megabytes of memory are mounted in that folder, as
/// a disk for recordings; `None` where that is not allowed.
pub fn on_small_disk(folder: &Path, megabytes: u32, program: &Path) -> Option<Command> {
    std::fs::create_dir(folder).unwrap();
    let mount = format!(
        "mount -t tmpfs -o size={megabytes}m disk {0} && touch {0}/.fmp4streamer && exec \"$@\"",
        folder.display()
    );
    let apart = ["--map-root-user", "--mount", "sh", "-c", &mount, "sh"];
    if !have("unshare") {
        return None;
    }
    if !run("unshare", &[&apart[..], &["true"]].concat()).status.success() {
        skip("mount namespaces are not allowed here");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(apart).arg(program).stdin(Stdio::null());
    Some(command)
}

/// Runs `inside` with a disk of so many megabytes, by starting this very test there once more.
pub fn on_own_disk(test: &str, megabytes: u32, inside: fn(&Path)) {
    const INSIDE: &str = "FMP4STREAMER_TEST_DISK";
    if let Some(disk) = std::env::var_os(INSIDE) {
        return inside(Path::new(&disk));
    }
    let dir = Dir::new();
    let disk = dir.file("disk");
    let Some(mut again) = on_small_disk(&disk, megabytes, &std::env::current_exe().unwrap()) else {
        return;
    };
    let again = again.args(["--exact", test, "--nocapture"]).env(INSIDE, disk);
    assert!(again.status().unwrap().success());
}

/// Has ffmpeg make so many frames of a source of its own (lavfi) into a file, coded as `options` say.
pub fn film(source: &str, frames: u32, options: &[&str], file: &Path) {
    let frames = frames.to_string();
    let input = [
        "-y",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        source,
        "-frames:v",
        &frames,
    ];
    let made = run("ffmpeg", &[&input, options, &[file.to_str().unwrap()]].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// The same as bare H.264 of x264, without B-frames, and with these parameters beside.
pub fn x264(source: &str, frames: u32, parameters: &str, file: &Path) {
    let parameters = format!("bframes=0:{parameters}");
    let codec = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast"];
    let options = [&codec[..], &["-x264-params", &parameters, "-f", "h264"]].concat();
    film(source, frames, &options, file);
}

/// ffmpeg decodes the whole file without a word of complaint; gives the number of its pictures.
pub fn decode(file: &Path) -> u64 {
    let file = file.to_str().unwrap();
    let decoded = run(
        "ffmpeg",
        &[
            "-v",
            "warning",
            "-xerror",
            "-i",
            file,
            "-fps_mode",
            "passthrough",
            // Else it counts in frames of the rate that it guesses, and two that came close together get one number.
            "-enc_time_base",
            "1:90000",
            "-f",
            "null",
            "-",
        ],
    );
    assert!(
        decoded.status.success() && decoded.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&decoded.stderr)
    );
    let probe = run(
        "ffprobe",
        &[
            "-v",
            "warning",
            "-count_frames",
            "-select_streams",
            "v",
            "-show_entries",
            "stream=nb_read_frames",
            "-of",
            "csv=p=0",
            file,
        ],
    );
    assert!(
        probe.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&probe.stderr)
    );
    String::from_utf8_lossy(&probe.stdout)
        .trim()
        .trim_end_matches(',')
        .parse()
        .unwrap()
}

/// GStreamer, if it is there, plays a file of video and sound to its end.
pub fn gstreamer_plays(file: &Path) {
    if !have("gst-launch-1.0") {
        return;
    }
    // A whole group of one track may come before the other's.
    let queue = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0";
    let line = format!(
        "60 gst-launch-1.0 -q filesrc location={} ! qtdemux name=d \
         d.video_0 ! {queue} ! h264parse ! fakesink d.audio_0 ! {queue} ! aacparse ! fakesink",
        file.display()
    );
    let played = run("timeout", &line.split_whitespace().collect::<Vec<_>>());
    let said = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success() && said.is_empty(), "{said}");
}

/// A wall clock that a test sets, for programs that are started with it, without a sandbox: it is in a file.
pub struct Clock {
    library: PathBuf,
    /// By how many seconds it is ahead.
    ahead: PathBuf,
}

impl Clock {
    /// `None` if it can't be compiled here.
    pub fn new(dir: &Dir) -> Option<Clock> {
        if !have("cc") {
            return None;
        }
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/clock.c");
        let library = dir.file("clock.so");
        let made = run(
            "cc",
            &["-shared", "-fPIC", "-o", library.to_str().unwrap(), source],
        );
        if !made.status.success() {
            skip("cc makes no library");
            return None;
        }
        let clock = Clock {
            library,
            ahead: dir.file("ahead"),
        };
        clock.set(0);
        Some(clock)
    }

    pub fn give(&self, program: &mut Command) {
        program
            .env("LD_PRELOAD", &self.library)
            .env("SET_CLOCK", &self.ahead);
    }

    pub fn set(&self, seconds: i64) {
        let new = self.ahead.with_extension("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, &self.ahead).unwrap();
    }
}

/// The frame numbers in the pictures of a recording of the test picture, in their order.
pub fn numbers_in_pictures(file: &str, width: usize) -> Vec<u32> {
    // Their row of blocks alone: all of a long film's pictures would not fit into memory.
    let row = (width / 40) & !1;
    let crop = format!("crop={width}:{row}:0:0");
    let raw = "-fps_mode passthrough -f rawvideo -pix_fmt gray -";
    let arguments = ["-v", "error", "-i", file, "-vf", &crop]
        .into_iter()
        .chain(raw.split(' '));
    let raw = run("ffmpeg", &arguments.collect::<Vec<_>>());
    numbers_in_gray(&raw.stdout, width, row)
}

/// The same of what is decoded, a byte a pixel.
pub fn numbers_in_gray(pictures: &[u8], width: usize, height: usize) -> Vec<u32> {
    let block = (width / 40) & !1;
    let bit = |picture: &[u8], index: usize| picture[(block / 2) * width + index * block + block / 2] >= 128;
    pictures
        .chunks_exact(width * height)
        .map(|picture| {
            assert!(
                bit(picture, 0) && !bit(picture, 1),
                "the row begins with white and black"
            );
            (2..34).fold(0, |number, index| number << 1 | u32::from(bit(picture, index)))
        })
        .collect()
}
