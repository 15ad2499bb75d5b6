//! The kernel's interface: the only room with unsafe code. It knows nothing of this program.

pub mod alsa;
pub mod clock;
pub mod command;
pub mod epoll;
mod errno;
pub mod event;
pub mod file;
pub mod i2c;
pub mod inotify;
pub mod landlock;
pub mod load;
pub mod mmap;
pub mod poll;
pub mod process;
pub mod random;
pub mod seccomp;
pub mod sock;
pub mod tty;
pub mod usage;
pub mod uvc;
pub mod v4l2;

pub use errno::{Errno, Result, words};
