//! Threads are made here: std's own function is generic, so each kind of thread would have its code once more. One place
//! for them, with a boxed closure, made the static program 6 kB smaller.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Makes a thread of that name, with so much stack.
///
/// # Errors
/// The kernel's; `run` is dropped then.
pub fn spawn(name: &str, stack_bytes: usize, run: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    Builder::new()
        .name(name.into())
        .stack_size(stack_bytes)
        .spawn(run)
}
