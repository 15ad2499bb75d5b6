//! What a service manager is told of this program (sd_notify(3)), and how often its watchdog is fed.
//!
//! It is for whoever listens at NOTIFY_SOCKET: systemd, or podman on its behalf. Without one, nothing is done.

use crate::sys::clock::monotonic_us;
use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How often the state is looked at for [`Notify::status`] where no watchdog asks for more.
const LOOK: Duration = Duration::from_secs(5);

/// The way to the service manager.
pub struct Notify {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    /// The last status, which is told once.
    told: String,
    /// That the program serves is yet to be told.
    ready_due: bool,
}

impl Notify {
    /// As the environment says.
    pub fn new() -> Notify {
        let manager = env::var("NOTIFY_SOCKET").ok().and_then(|name| {
            // A socket with no file has a name that begins with a 0 byte (unix(7)), for which @ stands.
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // A manager that is busy, as when a machine starts, is not waited for: it is told at the next look.
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
            told: String::new(),
            ready_due: false,
        }
    }

    /// How often there is something to do here; None for never.
    pub fn period(&self) -> Option<Duration> {
        self.manager.as_ref()?;
        Some(self.watchdog.map_or(LOOK, |watchdog| (watchdog / 4).min(LOOK)))
    }

    /// How late a part of the program may be before the watchdog is not fed any more.
    pub fn patience(&self) -> Duration {
        self.watchdog.map_or(LOOK, |watchdog| watchdog / 2)
    }

    /// Whether that is done with.
    fn tell(&self, text: &str) -> bool {
        let told = |(socket, address): &(UnixDatagram, SocketAddr)| {
            // Nobody is left to tell that nobody listens.
            let result = socket.send_to_addr(text.as_bytes(), address);
            !result.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
        };
        self.manager.as_ref().is_none_or(told)
    }

    /// The program serves; or it has read its config again.
    pub fn ready(&mut self) {
        self.ready_due = !self.tell("READY=1");
    }

    /// It reads its config again, until [`ready`](Self::ready).
    pub fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
    }

    /// It ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// The line that `systemctl status` shows; and that all is `well`, for the watchdog.
    pub fn status(&mut self, text: String, well: bool) {
        if self.ready_due {
            self.ready();
        }
        // It is a line, and ends there.
        if text != self.told && self.tell(&format!("STATUS={}", text.replace('\n', " "))) {
            self.told = text;
        }
        if well && self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
    }
}

impl Default for Notify {
    fn default() -> Notify {
        Notify::new()
    }
}
