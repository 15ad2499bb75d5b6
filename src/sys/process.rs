//! This process: its limits, its priority, its machine's name, and the signals to it.

use super::poll::{poll, readable};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::gethostname;
use std::ffi::c_int;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many files this process might have open when it was started, and how many it may now; None until that is raised.
static OPEN_FILES: Mutex<Option<[rlim_t; 2]>> = Mutex::new(None);

/// Raises the number of files that may be open to what the system allows.
///
/// # Errors
/// The kernel's.
pub fn raise_open_files() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    *OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner) = Some([soft, hard]);
    Ok(())
}

/// The number of files that may be open.
pub fn open_files() -> usize {
    /// The kernel's default (INR_OPEN_CUR, linux/fs.h).
    const USUAL: usize = 1024;
    let limits = getrlimit(Resource::RLIMIT_NOFILE);
    limits.map_or(USUAL, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}

/// Calls `start`, which starts a program, under the limit of open files that this one was started with: programs inherit
/// it, and those with select(2) or a loop over all numbers are written for the usual one. What is open stays open.
pub(super) fn with_first_limit<T>(start: impl FnOnce() -> T) -> T {
    let limits = OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let set = |soft| limits.map(|[_, hard]| setrlimit(Resource::RLIMIT_NOFILE, soft, hard));
    // Where the limit can't be set, the program has the higher one.
    _ = limits.map(|[first, _]| set(first));
    let started = start();
    _ = limits.map(|[_, hard]| set(hard));
    started
}

/// Keeps to this process what files it was started with, but for the standard ones: commands have no use for them.
pub fn keep_files() {
    for path in super::file::entries(Path::new("/proc/self/fd")) {
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        let Some(number) = number.filter(|number| *number > libc::STDERR_FILENO) else {
            continue;
        };
        // SAFETY: it is used for one call, which fails if the file is not open any more (as that of the listing itself is).
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        _ = fcntl(file, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }
}

/// Sets the nice value, -20 (first) to 19 (last), of this process (setpriority(2)); threads made later have it too.
///
/// # Errors
/// The kernel's: a value below the present one needs CAP_SYS_NICE.
pub fn set_priority(nice: c_int) -> io::Result<()> {
    // SAFETY: takes numbers only.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The number of processors to run on, at least 1. (std's function also reads the control group's files,
/// with 14 kB of code.)
pub fn processors() -> usize {
    // SAFETY: takes a number, gives a number.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(count).unwrap_or(1).max(1)
}

/// The user whose rights this process has (geteuid(2)).
pub fn user() -> u32 {
    // SAFETY: takes nothing, gives a number.
    unsafe { libc::geteuid() }
}

/// This machine's name, or an empty text.
pub fn host_name() -> String {
    gethostname().map_or(String::new(), |name| name.to_string_lossy().into_owned())
}

/// The request that a signal makes to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// The end: SIGTERM or SIGINT, by its name, or SIGHUP of a terminal that is gone.
    End(&'static str),
    /// Reading the config again: SIGHUP.
    Reload,
}

/// The signals to this process, which wait here until they are asked for.
pub struct Signals {
    signals: SignalFd,
    at_terminal: [bool; 2],
}

impl Signals {
    /// Holds the signals from now on. Call it before any thread is made: threads inherit it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn hold() -> io::Result<Signals> {
        let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
            .into_iter()
            .collect();
        signals.thread_block()?;
        // Who started this program may ignore it, and then commands end without a status, and their number is free at once.
        // SAFETY: it sets no handler.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl)? };
        Ok(Signals {
            signals: SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?,
            at_terminal: at_terminal(),
        })
    }

    /// Waits for a signal, at most `limit`; for ever if that is None.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<Option<Request>> {
        if poll(&mut [readable(self.signals.as_fd())], limit)? == 0 {
            return Ok(None);
        }
        let Some(signal) = self.signals.read_signal()? else {
            return Ok(None);
        };
        Ok(Some(match signal.ssi_signo as c_int {
            libc::SIGHUP if self.at_terminal == at_terminal() => Request::Reload,
            number => Request::End(Signal::try_from(number)?.as_str()),
        }))
    }
}

/// Tells of standard input and of standard error whether it is a terminal. One that was hung up is none any more (its
/// ioctls give EIO, drivers/tty/tty_io.c).
fn at_terminal() -> [bool; 2] {
    [io::stdin().is_terminal(), io::stderr().is_terminal()]
}

/// Keeps this process and what it runs from getting rights that it does not have (PR_SET_NO_NEW_PRIVS, prctl(2)).
/// Landlock and seccomp need it.
///
/// # Errors
/// The kernel's; it has had this since 3.5.
pub fn renounce_privileges() -> io::Result<()> {
    // SAFETY: takes numbers only.
    match unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
