//! The kernel's error numbers, and the one rule for a call that a signal interrupted.

use std::ffi::c_int;
use std::io;

pub use nix::errno::Errno;

/// The answer of a system call: its value, or the kernel's own error number.
pub type Result<T> = std::result::Result<T, Errno>;

/// The C library's words for an error, which std's own errors have too, without the number behind them.
pub fn words(errno: Errno) -> String {
    let mut words = io::Error::from(errno).to_string();
    words.truncate(words.find(" (os error").unwrap_or(words.len()));
    words
}

/// Makes a system call again for as long as a signal interrupts it (EINTR). `call` gives -1 and sets `errno` if it
/// fails, as those of libc do.
pub(super) fn uninterrupted(mut call: impl FnMut() -> c_int) -> Result<c_int> {
    loop {
        match Errno::result(call()) {
            Err(Errno::EINTR) => {}
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_without_a_number() {
        assert_eq!(words(Errno::ENODEV), "No such device");
    }
}
