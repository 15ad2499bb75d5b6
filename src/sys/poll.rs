//! Waiting for files with a time limit (poll(2)), with one rule for limits and interruptions.

use super::errno::{Errno, Result};
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use nix::poll::{PollFd, PollFlags};

/// The longest limit that goes into a `timespec` of every machine: 68 years.
const LONGEST: Duration = Duration::from_secs(i32::MAX as u64);

/// Waits until one of the files is ready, or for `limit`; for ever if that is None.
///
/// It never returns sooner than `limit` without anything ready, as the milliseconds of poll(2) would when rounded down:
/// who polls again until a deadline would spin. A signal that interrupts it (EINTR) counts as nothing ready: each
/// caller is in a loop, and looks at the clock anyway. Gives how many files are ready.
///
/// # Errors
/// The kernel's: EINVAL for more files than may be open, ENOMEM.
pub fn poll(files: &mut [PollFd<'_>], limit: Option<Duration>) -> Result<usize> {
    let limit = limit.map(|limit| TimeSpec::from_duration(limit.min(LONGEST)));
    match ppoll(files, limit, None) {
        Err(Errno::EINTR) => Ok(0),
        answer => answer.map(|ready| ready as usize),
    }
}

/// A file to wait for until it can be read, or is at its end.
pub fn readable(file: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(file, PollFlags::POLLIN)
}

/// True if anything happened to the file in the last [`poll`], an error or a hang-up too.
pub fn is_ready(file: &PollFd<'_>) -> bool {
    file.any() == Some(true)
}

/// The events of the file in the last [`poll`]; none where the kernel uses bits that are not known here.
pub fn events(file: &PollFd<'_>) -> PollFlags {
    file.revents().unwrap_or(PollFlags::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    #[test]
    fn it_never_returns_too_soon() {
        let (quiet, _other) = UnixStream::pair().unwrap();
        for limit in [1, 999_999, 1_000_001, 2_500_000].map(Duration::from_nanos) {
            let begun = Instant::now();
            assert_eq!(poll(&mut [readable(quiet.as_fd())], Some(limit)), Ok(0));
            assert!(begun.elapsed() >= limit, "{limit:?}");
        }
    }

    #[test]
    fn what_is_ready_ends_the_longest_limit() {
        let (input, mut output) = UnixStream::pair().unwrap();
        let mut files = [readable(input.as_fd())];
        assert_eq!(poll(&mut files, Some(Duration::ZERO)), Ok(0));
        assert!(!is_ready(&files[0]) && events(&files[0]).is_empty());
        output.write_all(b"x").unwrap();
        for limit in [Some(Duration::ZERO), Some(Duration::MAX), None] {
            assert_eq!(poll(&mut files, limit), Ok(1));
            assert!(is_ready(&files[0]) && events(&files[0]) == PollFlags::POLLIN);
        }
        drop(output);
        assert_eq!(poll(&mut files, None), Ok(1));
        assert!(events(&files[0]).contains(PollFlags::POLLHUP));
    }
}
