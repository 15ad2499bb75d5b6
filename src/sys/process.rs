//! This process: its limits, its priority, its machine's name, and the signals that end it.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use std::ffi::c_int;
use std::io;

/// Raises the number of files that may be open to what the system allows, and gives that.
///
/// # Errors
/// The kernel's.
pub fn raise_open_files() -> io::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
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

/// How many processors there are to run on, at least 1. (std's way to know also reads the control group's files,
/// with 14 kB of code.)
pub fn processors() -> usize {
    // SAFETY: takes a number, gives a number.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(count).unwrap_or(1).max(1)
}

/// This machine's name, or an empty text.
pub fn host_name() -> String {
    let mut name = [0u8; 256];
    // SAFETY: the kernel writes at most the buffer's length, less one for the 0 byte that is there already.
    let result = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(0);
    if result == 0 {
        String::from_utf8_lossy(&name[..end]).into_owned()
    } else {
        String::new()
    }
}

/// Keeps SIGTERM, SIGINT and SIGHUP (the terminal is gone) waiting until [`wait_for_end`] asks for them. Call it before any thread is made: threads inherit it.
///
/// # Errors
/// The kernel's.
pub fn hold_end_signals() -> io::Result<()> {
    Ok(end_signals().thread_block()?)
}

/// Waits until somebody wants the process to end; gives the signal's name.
///
/// # Errors
/// The kernel's.
pub fn wait_for_end() -> io::Result<&'static str> {
    Ok(end_signals().wait()?.as_str())
}

fn end_signals() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
        .into_iter()
        .collect()
}
