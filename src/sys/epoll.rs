//! Waiting for many files at a time (epoll(7)), where a list for poll(2) would be long.

use super::errno::{Errno, Result};
use nix::sys::epoll::{self, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::os::fd::AsFd;

/// So many files are told of in one wait.
const MOST: usize = 64;

/// Files by numbers. A file tells once that it can be read, or is at its end or broken, and then not before
/// [`Epoll::again`]. One that is closed is forgotten.
pub struct Epoll(epoll::Epoll);

impl Epoll {
    /// One without files.
    ///
    /// # Errors
    /// The kernel's: EMFILE or ENFILE for too many open files.
    pub fn new() -> Result<Epoll> {
        epoll::Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map(Epoll)
    }

    /// Adds a file.
    ///
    /// # Errors
    /// The kernel's: ENOSPC for more than a user may wait for, ENOMEM.
    pub fn add(&self, file: &impl AsFd, number: u64) -> Result<()> {
        self.0.add(file, event(number))
    }

    /// Has the file tell once more; at once, where it can still be read.
    ///
    /// # Errors
    /// ENOENT for a file that was not added.
    pub fn again(&self, file: &impl AsFd, number: u64) -> Result<()> {
        self.0.modify(file, &mut event(number))
    }

    /// Waits for files that have something to tell; gives their numbers.
    ///
    /// # Errors
    /// None that the kernel's manual knows of here.
    pub fn wait(&self) -> Result<Vec<u64>> {
        let mut events = [EpollEvent::empty(); MOST];
        match self.0.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => Ok(Vec::new()),
            answer => answer.map(|count| events[..count].iter().map(EpollEvent::data).collect()),
        }
    }
}

fn event(number: u64) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_file_tells_once_until_it_is_asked_again() {
        let epoll = Epoll::new().unwrap();
        let ((mut one, input), (other, end)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        epoll.add(&input, 1).unwrap();
        epoll.add(&end, 2).unwrap();
        one.write_all(b"ab").unwrap();
        assert_eq!(epoll.wait(), Ok(vec![1]));
        // It can still be read, and the other one is at its end.
        drop(other);
        assert_eq!(epoll.wait(), Ok(vec![2]));
        epoll.again(&input, 1).unwrap();
        assert_eq!(epoll.wait(), Ok(vec![1]));
        assert_eq!((&input).read(&mut [0; 9]).unwrap(), 2);
        epoll.again(&input, 1).unwrap();
        epoll.again(&end, 2).unwrap();
        assert_eq!(epoll.wait(), Ok(vec![2]));
        // One that is closed is forgotten.
        drop(end);
        one.write_all(b"c").unwrap();
        assert_eq!(epoll.wait(), Ok(vec![1]));
    }
}
