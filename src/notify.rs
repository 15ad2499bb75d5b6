//! Messages to the service manager (sd_notify(3)), and its watchdog.
//!
//! It is for whoever listens at NOTIFY_SOCKET: systemd, or podman on its behalf. Without one, nothing is done.

use crate::error::fit_for_log;
use crate::sys::clock::monotonic_us;
use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The time between two looks at the state for [`Notify::status`], if no watchdog asks for more.
const LOOK: Duration = Duration::from_secs(5);

/// The connection to the service manager.
pub struct Notify {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    /// The last status, which is sent once.
    last_status: String,
    /// The message that the program serves is still to be sent.
    ready_due: bool,
}

impl Notify {
    /// Connects as the environment says.
    pub fn new() -> Notify {
        let manager = env::var("NOTIFY_SOCKET").ok().and_then(|name| {
            // A socket with no file has a name that begins with a 0 byte (unix(7)), for which @ stands.
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // Nobody waits for a manager that is busy, as when a machine starts: it hears of it at the next look.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        });
        let number = |name| env::var(name).ok()?.parse::<u64>().ok();
        // Set for a program that started this one, it is not ours to feed (sd_watchdog_enabled(3)).
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|us| *us > 0 && ours && manager.is_some());
        Notify {
            manager,
            watchdog: watchdog.map(Duration::from_micros),
            last_status: String::new(),
            ready_due: false,
        }
    }

    /// The time after which to call [`status`](Self::status) again; None for never.
    pub fn period(&self) -> Option<Duration> {
        self.manager.as_ref()?;
        Some(self.watchdog.map_or(LOOK, |watchdog| (watchdog / 4).min(LOOK)))
    }

    /// How late a part of the program may be until the watchdog is left unfed.
    pub fn patience(&self) -> Duration {
        self.watchdog.map_or(LOOK, |watchdog| watchdog / 2)
    }

    /// Sends a datagram; false if it has to be sent again later.
    fn send(&self, text: &str) -> bool {
        let sent = |(socket, address): &(UnixDatagram, SocketAddr)| {
            // If nobody listens, nobody can be informed of that.
            let result = socket.send_to_addr(text.as_bytes(), address);
            !result.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
        };
        self.manager.as_ref().is_none_or(sent)
    }

    /// Says that the program serves, or that it has read its config again.
    pub fn ready(&mut self) {
        self.ready_due = !self.send("READY=1");
    }

    /// Says that the program reads its config again, until [`ready`](Self::ready).
    pub fn reloading(&self) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
    }

    /// Says that the program ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Sends the line that `systemctl status` shows, and feeds the watchdog if all is `well`.
    pub fn status(&mut self, text: String, well: bool) {
        if self.ready_due {
            self.ready();
        }
        // It is a line, and ends there: a line break would begin another assignment.
        if text != self.last_status && self.send(&format!("STATUS={}", fit_for_log(&text))) {
            self.last_status = text;
        }
        if well && self.watchdog.is_some() {
            self.send("WATCHDOG=1");
        }
    }
}

impl Default for Notify {
    fn default() -> Notify {
        Notify::new()
    }
}
