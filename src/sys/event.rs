//! A flag that one thread raises to wake another out of poll(2).

use super::errno::Result;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsFd, BorrowedFd};

/// A flag that can be polled for (eventfd(2)): readable from [`Event::raise`] to [`Event::clear`].
pub struct Event(EventFd);

impl Event {
    /// A flag that is down.
    ///
    /// # Errors
    /// The kernel's: EMFILE or ENFILE for too many open files.
    pub fn new() -> Result<Event> {
        EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).map(Event)
    }

    /// Raises the flag. Doing it more often changes nothing.
    pub fn raise(&self) {
        // EAGAIN, for a count that is at its most, is a flag that is up.
        _ = self.0.write(1);
    }

    /// Takes the flag down.
    pub fn clear(&self) {
        // EAGAIN is a flag that is down already.
        _ = self.0.read();
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::poll::{poll, readable};
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flag_stays_up_until_it_is_cleared() {
        let event = Event::new().unwrap();
        let ready = || poll(&mut [readable(event.as_fd())], Some(Duration::ZERO)).unwrap();
        assert_eq!(ready(), 0);
        event.raise();
        event.raise();
        assert_eq!((ready(), ready()), (1, 1));
        event.clear();
        assert_eq!(ready(), 0);
        event.clear();
    }
}
