//! The program as a service: what its manager hears, the sockets that it hands over, and what SIGHUP does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use support::{Dir, Held, PATIENCE, Server, until};

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
    if !support::have("python3") {
        return;
    }
    let manager = Manager::new(false);
    let mut program = manager.program();
    program.env("WATCHDOG_USEC", "1000000");
    let server = Server::with_config_as(program, "[test]\nauto_sleep = no\n");
    manager.up_to("STATUS=camera0: live, ");
    let held = Held::new(server.pumps()[0]);
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

#[test]
fn a_socket_of_another_kind_is_named() {
    let mut program = Command::new("sh");
    let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" --test 3</dev/null";
    let output = program.args(["-c", script, Server::PROGRAM]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("LISTEN_FDS: can't use a socket of it: "), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
