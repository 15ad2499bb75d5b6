//! The kernel's error numbers, and the one rule for a call that a signal interrupted.

use std::ffi::c_int;

pub use nix::errno::Errno;

/// The answer of a system call: its value, or the kernel's own error number.
pub type Result<T> = std::result::Result<T, Errno>;

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
