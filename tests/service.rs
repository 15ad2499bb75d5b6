//! The program as a service: what its manager hears, the sockets that it hands over, and what SIGHUP does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use support::{Dir, Held, PATIENCE, Server, follows, until};

/// Stands in for systemd.
struct Manager {
    socket: UnixDatagram,
    name: String,
    _dir: Dir,
}

impl Manager {
    fn new(is_abstract: bool) -> Manager {
        let dir = Dir::new();
        let path = dir.file("notify").to_str().unwrap().to_owned();
        let (name, address) = if is_abstract {
            use std::os::unix::net::SocketAddr;
            (format!("@{path}"), SocketAddr::from_abstract_name(&path).unwrap())
        } else {
            let address = std::os::unix::net::SocketAddr::from_pathname(&path).unwrap();
            (path, address)
        };
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager {
            socket,
            name,
            _dir: dir,
        }
    }

    fn program(&self) -> Command {
        let mut program = Server::program();
        program.env("NOTIFY_SOCKET", &self.name);
        program
    }

    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self
            .socket
            .recv(&mut buffer)
            .expect("the program tells something");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// What is told up to something that begins so, and that.
    fn up_to(&self, beginning: &str) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            told.push(self.next());
            if told.last().unwrap().starts_with(beginning) {
                return told;
            }
        }
    }
}

#[test]
fn a_manager_hears_of_start_state_and_end() {
    for is_abstract in [false, true] {
        let manager = Manager::new(is_abstract);
        let mut server = Server::with_config_as(manager.program(), "[test]\nauto_sleep = no\n");
        assert_eq!(manager.next(), "READY=1");
        assert!(server.get("/status").starts_with("HTTP/1.1 200 "));
        let told = manager.up_to("STATUS=camera0: live, ");
        // Nobody asked for it.
        assert!(!told.contains(&"WATCHDOG=1".into()), "{told:?}");
        server.signal("-TERM");
        manager.up_to("STOPPING=1");
        assert!(server.wait().success());
    }
}

#[test]
fn a_manager_that_is_busy_hears_of_the_start_later() {
    let manager = Manager::new(false);
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    while other.send_to(b"X=1", &manager.name).is_ok() {}
    let server = Server::with_config_as(manager.program(), "[test]\nauto_sleep = no\n");
    until("it serves", || server.camera("state") == "live");
    manager.up_to("READY=1");
}

#[test]
fn the_watchdog_is_fed_while_the_camera_goes_on_sleeps_or_is_away() {
    for (config, state) in [
        ("[test]\nauto_sleep = no\n", "live, "),
        ("[test]\nlinger_s = 0\n", "asleep"),
        ("[/dev/no-such-video]\nauto_sleep = no\n", "lost"),
        ("[exec]\ncommand = exit 1\nauto_sleep = no\n", "lost"),
    ] {
        let manager = Manager::new(false);
        let mut program = manager.program();
        program.env("WATCHDOG_USEC", "400000");
        let _server = Server::with_config_as(program, config);
        manager.up_to(&format!("STATUS=camera0: {state}"));
        for _ in 0..10 {
            manager.up_to("WATCHDOG=1");
        }
    }
}

#[test]
fn the_watchdog_of_another_process_is_left_alone() {
    let manager = Manager::new(false);
    let mut program = manager.program();
    program.env("WATCHDOG_USEC", "400000").env("WATCHDOG_PID", "1");
    let mut server = Server::with_config_as(program, "[test]\nauto_sleep = no\n");
    manager.up_to("STATUS=camera0: live, ");
    server.signal("-TERM");
    let told = manager.up_to("STOPPING=1");
    assert!(!told.contains(&"WATCHDOG=1".into()), "{told:?}");
    server.wait();
}

#[test]
fn a_camera_that_hangs_in_its_driver_starves_the_watchdog() {
    let manager = Manager::new(false);
    let mut program = manager.program();
    program.env("WATCHDOG_USEC", "1000000");
    let server = Server::with_config_as(program, "[test]\nauto_sleep = no\n");
    manager.up_to("STATUS=camera0: live, ");
    let Some(held) = Held::new(server.pumps()[0]) else {
        return;
    };
    manager.up_to("STATUS=camera0: hangs in its driver for ");
    // It is told each second.
    for _ in 0..3 {
        let told = manager.up_to("STATUS=camera0: hangs in its driver for ");
        assert!(!told.contains(&"WATCHDOG=1".into()), "{told:?}");
    }
    drop(held);
    manager.up_to("STATUS=camera0: live, ");
    manager.up_to("WATCHDOG=1");
}

#[test]
fn sockets_that_are_handed_over_are_served() {
    let (one, two) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let addresses: Vec<SocketAddr> = [&one, &two].map(|socket| socket.local_addr().unwrap()).into();
    let mut program = Command::new("sh");
    let script = "export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$0\" \"$@\" 3<&0 4<&1 </dev/null >/dev/null";
    program.args(["-c", script, Server::PROGRAM]);
    program.stdin(OwnedFd::from(one)).stdout(OwnedFd::from(two));
    let mut server = Server::with_config_as(
        program,
        "[exec]\ncommand = ls -l /proc/self/fd >&2\nlinger_s = 0\n",
    );
    for address in addresses {
        server.address = address;
        assert!(server.get("/healthz").starts_with("HTTP/1.1 "), "{address}");
        assert!(server.log().contains(&format!("http://{address}/")));
    }
    until("the command has said what it inherits", || {
        server.log().contains("0 -> ")
    });
    assert!(!server.log().contains("socket:"), "commands don't get them");
}

/// Or systemd would start it for them again and again, and give the socket up after 20 times.
#[test]
fn who_waits_at_the_socket_hears_of_a_mistake_in_the_config() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let dir = Dir::new();
    let file = dir.write("test.conf", "[server]\nport = x\n");
    let mut program = Command::new("sh");
    let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" -c \"$1\" 3<&0 </dev/null";
    program.args(["-c", script, Server::PROGRAM, file.to_str().unwrap()]);
    let status = program.stdin(OwnedFd::from(listener)).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains(&format!("Content-Length: {}", body.len())));
    assert!(
        head.contains("\r\nDate: ") && head.contains("\r\nRetry-After: "),
        "{head}"
    );
    assert!(body.contains("config"), "{body}");
}

#[test]
fn a_socket_of_another_kind_is_named() {
    let mut program = Command::new("sh");
    let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" --test 3</dev/null";
    let output = program.args(["-c", script, Server::PROGRAM]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("LISTEN_FDS: can't use a socket of it: "), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

fn logs(server: &Server, line: &str) {
    until(line, || server.log().contains(line));
}

/// Writes the server's config anew, and has it read.
fn reload(server: &Server, manager: &Manager, text: &str) {
    server.dir.write("test.conf", text);
    server.signal("-HUP");
    let told = manager.up_to("RELOADING=1");
    assert!(told.last().unwrap().contains("\nMONOTONIC_USEC="), "{told:?}");
    manager.up_to("READY=1");
}

#[test]
fn a_config_is_taken_over_while_streams_run_on() {
    let manager = Manager::new(false);
    let config = |clients, width, linger| {
        format!(
            "[server]\nmax_age_ms = 60000\nmax_clients = {clients}\n[test one]\nname = one\nlinger_s = {linger}\n\
             [test two]\nname = two\nauto_sleep = no\nwidth = {width}\n"
        )
    };
    let server = Server::with_config_as(manager.program(), &config(50, 640, 5));
    let mut stream = server.follow("");
    let mut last = stream.next_fragment().unwrap();
    let mut goes_on = |frames: usize| {
        for _ in 0..frames {
            let next = stream.next_fragment().expect("the stream goes on");
            assert!(follows(&next, &last), "{} after {}", next.time(), last.end());
            last = next;
        }
    };
    until("the other has pictures", || {
        server.status_after("\"two\"", "width") == "640"
    });
    goes_on(10);

    reload(&server, &manager, &config(7, 320, 3600));
    until("only the other starts anew", || {
        server.status_after("\"two\"", "width") == "320"
    });
    assert_eq!(server.number("max_clients"), 7);
    goes_on(30);
    logs(&server, "one: goes on with the new config");
    logs(&server, "two: starts anew with the new config");
    logs(&server, "the config is taken over");

    let mistake = "port = rtsp://admin:hunter2@192.0.2.1/";
    reload(
        &server,
        &manager,
        &format!("[server]\nmax_clients = 8\n{mistake}\n"),
    );
    let why = "test.conf:3: port = rtsp://***@192.0.2.1/: allowed: a whole number";
    let told = manager.up_to("STATUS=");
    assert!(told.last().unwrap().contains(why), "{told:?}");
    logs(&server, why);
    assert_eq!(server.number("max_clients"), 7);
    goes_on(30);

    let text = config(9, 160, 3600).replace("[test two]", "[test three]\n[test two]");
    reload(&server, &manager, &text);
    logs(&server, "the config needs a restart for: other cameras");
    assert_eq!(server.number("max_clients"), 9);
    until("what else is new is taken over", || {
        server.status_after("\"two\"", "width") == "160"
    });
    let told = manager.up_to("STATUS=");
    assert!(told.last().unwrap().starts_with("STATUS=one: live, "), "{told:?}");
    reload(
        &server,
        &manager,
        &config(9, 160, 3600).replace("[server]", "[server]\npriority = 5"),
    );
    logs(&server, "the config needs a restart for: priority");
    goes_on(30);
    // Each reload tells what still waits for a restart, until the config is again as the program runs.
    let told = || {
        server
            .log()
            .matches("restart for: record and timelapse_s of [test one]")
            .count()
    };
    for (times, fps) in [(1, 15), (2, 10)] {
        let text = config(9, 160, 3600).replace(
            "[test one]",
            &format!("[test one]\ntimelapse_s = 60\nfps = {fps}"),
        );
        reload(&server, &manager, &text);
        until("it is told", || told() == times);
    }
    let taken = || server.log().matches("the config is taken over").count();
    let before = taken();
    reload(&server, &manager, &config(9, 160, 3600));
    until("all is as it runs", || taken() > before);
    assert_eq!(told(), 2);
}

#[test]
fn a_source_of_another_kind_takes_the_place() {
    let manager = Manager::new(false);
    let server = Server::with_config_as(manager.program(), "[/dev/no-such-video]\nauto_sleep = no\n");
    until("it is missed", || server.camera("state") == "lost");
    reload(&server, &manager, "[test]\nauto_sleep = no\n");
    until("the test picture is there", || server.camera("state") == "live");
    reload(&server, &manager, "[test]\nlinger_s = 0\n");
    until("nobody watches it", || server.camera("state") == "asleep");
    let missed = "warning: camera0: /dev/no-such-video: can't open it: no such device";
    for (times, fps) in [(2, 30), (3, 15)] {
        let text = format!("[/dev/no-such-video]\nlinger_s = 0\nfps = {fps}\n");
        reload(&server, &manager, &text);
        until("and it is missed again", || {
            server.log().matches(missed).count() == times && server.camera("state") == "lost"
        });
    }
}

#[test]
fn without_a_file_there_is_nothing_to_take_over() {
    let server = Server::test_picture(&[]);
    server.signal("-HUP");
    until("it has looked", || {
        server.log().contains("the config is taken over")
    });
    assert!(!server.log().contains("anew"));
}

#[test]
fn a_terminal_that_is_gone_ends_it() {
    if !support::have("python3") {
        return;
    }
    let output = support::run("python3", &["-c", TERMINAL, Server::PROGRAM]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("ended by SIGHUP"), "{output:?}");
}

/// SIGHUP with its terminal there, and with that gone.
const TERMINAL: &str = "
import os, pty, signal, subprocess, sys
master, slave = pty.openpty()
program = subprocess.Popen([sys.argv[1], '--test', '--listen', '127.0.0.1:0'], stdin=slave, stderr=subprocess.PIPE, text=True)
os.close(slave)
for said in 'http://', 'taken over':
    while said not in program.stderr.readline():
        pass
    if said == 'taken over':
        os.close(master)
    program.send_signal(signal.SIGHUP)
print(program.stderr.read())
sys.exit(program.wait())
";

/// What /status says of the sandbox; None, and the check is skipped, where the kernel has no Landlock.
fn sandbox(server: &Server) -> Option<String> {
    let words = server.status("sandbox");
    if words.contains("kernel") || words.contains("system") {
        support::skip("no Landlock here");
        return None;
    }
    Some(words)
}

#[test]
fn files_are_closed_but_for_devices_and_the_config() {
    let manager = Manager::new(false);
    let server = Server::with_config_as(manager.program(), "[test]\nauto_sleep = no\n");
    let Some(words) = sandbox(&server) else { return };
    assert_eq!(words, "landlock, no new sockets");
    assert_eq!(server.proc_status("Seccomp"), 2);
    assert_eq!(server.proc_status("NoNewPrivs"), 1);
    until("it has pictures", || server.camera("state") == "live");

    // An editor replaces a file. This one puts a link to elsewhere in its place.
    let elsewhere = Dir::new();
    let file = elsewhere.write("test.conf", "[server]\nmax_clients = 3\n[test]\n");
    std::fs::remove_file(server.dir.file("test.conf")).unwrap();
    std::os::unix::fs::symlink(file, server.dir.file("test.conf")).unwrap();
    server.signal("-HUP");
    manager.up_to("READY=1");
    manager.up_to("STATUS=/");
    logs(&server, "can't read the config: no permission");

    std::fs::remove_file(server.dir.file("test.conf")).unwrap();
    reload(
        &server,
        &manager,
        "[server]\nmax_clients = 4\n[exec a]\ncommand = cat\n",
    );
    logs(&server, "and so all of [exec a]");
    assert_eq!(server.number("max_clients"), 4);
    assert_eq!(server.camera("state"), "live");
}

#[test]
fn a_config_that_is_a_link_is_read_again() {
    let (here, there) = (Dir::new(), Dir::new());
    let file = there.write("real.conf", "[test]\n");
    let link = here.file("test.conf");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let server = Server::with_file(&link);
    std::fs::write(&file, "[server]\nmax_clients = 4\n[test]\n").unwrap();
    server.signal("-HUP");
    until("it is taken over", || server.number("max_clients") == 4);
}

#[test]
fn commands_and_a_sandbox_do_not_go_together() {
    let command = "[exec a]\ncommand = cat\n";
    let server = Server::with_config(command);
    assert_eq!(server.status("sandbox"), "off: [exec a] is a command");
    assert_eq!(server.proc_status("NoNewPrivs"), 0);
    let server = Server::with_config("[server]\nsandbox = off\n[test]\n");
    assert_eq!(server.status("sandbox"), "off: sandbox = off");
    assert_eq!(server.proc_status("NoNewPrivs"), 0);

    let dir = Dir::new();
    let file = dir.write("test.conf", format!("[server]\nsandbox = strict\n{command}"));
    let output = support::run(
        Server::PROGRAM,
        &["-c", file.to_str().unwrap(), "--listen", "127.0.0.1:0"],
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("sandbox = strict: can't be used: [exec a] is a command"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn every_way_is_open_in_the_strict_sandbox() {
    let manager = Manager::new(false);
    let config = "[server]\nsandbox = strict\n[test one]\nname = one\nlinger_s = 0\n[/dev/no-such-video]\n";
    let mut server = Server::with_config_as(manager.program(), config);
    assert!(server.status("sandbox").ends_with(", seccomp"));
    assert_eq!(server.proc_status("Seccomp"), 2);
    let mut stream = server.follow("");
    for _ in 0..30 {
        stream.next_fragment().unwrap();
    }
    for path in ["/", "/one/", "/snapshot.mp4", "/one/healthz", "/one/stream.m3u8"] {
        until(path, || server.get(path).starts_with("HTTP/1.1 200 "));
    }
    let upgrade = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut socket = server.send(upgrade.as_bytes());
    let mut bytes = [0; 60_000];
    socket.read_exact(&mut bytes).unwrap();
    assert!(bytes.starts_with(b"HTTP/1.1 101 ") && bytes.windows(4).any(|four| four == b"moof"));
    // What waits for the clients' input did so, and did not fail again and again for a second.
    let sleeps = server.sleeps("inputs");
    assert!(matches!(sleeps[..], [(_, count)] if count < 30), "{sleeps:?}");
    drop((socket, stream));
    until("it sleeps", || server.camera("state") == "asleep");
    reload(
        &server,
        &manager,
        &config.replace("name = one", "name = one\nwidth = 320"),
    );
    server.follow("").next_fragment().unwrap();
    server.signal("-TERM");
    assert!(server.wait().success());
}

#[test]
fn the_units_are_good_and_closed() {
    if !support::have("systemd-analyze") {
        return;
    }
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/fmp4streamer.service");
    let security = support::run(
        "systemd-analyze",
        &["security", "--no-pager", "--offline=true", "--threshold=20", unit],
    );
    let said = String::from_utf8_lossy(&security.stdout);
    assert!(security.status.success(), "it is to be below 2.0: {said}");
    for unit in [
        "fmp4streamer.service",
        "fmp4streamer.socket",
        "user/fmp4streamer.service",
    ] {
        let file = format!("{}/systemd/{unit}", env!("CARGO_MANIFEST_DIR"));
        let said = support::run("systemd-analyze", &["verify", "--man=no", &file]).stderr;
        let said = String::from_utf8_lossy(&said).into_owned();
        // Only that the program is not installed here.
        let mut strange = said
            .lines()
            .filter(|line| line.contains(unit) && !line.contains("not executable"));
        assert_eq!(strange.next(), None, "{said}");
    }
}
