//! Camera → browser: the parts of the `fmp4streamer` program, as a library for its own tests, benches and fuzz
//! targets. It is not a stable API.
//!
//! `docs/design.md` explains the design: the walk of a frame and of a request, who may use whom, the laws, the threads
//! and locks, and the words. In short:
//!
//! ```text
//! camera ─dequeue→ Frame<'_> ─split→ AccessUnit<'_> ─mux (the only copy)→ Arc<Fragment> ─push→ Ring ─follow→ client
//! source/          format/h264      format/fmp4                                     ring/          serve/
//! └───────────────── the camera's thread: pump/ ───────────────────────────────────────┘ the clients' threads
//! ```
//!
//! [`stream`] stands between the two sides of a camera, [`config`] says what is wanted, [`sys`] is the kernel's
//! interface, [`app`] and [`cli`] put all of it together.

#![deny(missing_docs)]

pub mod app;
pub mod cli;
pub mod config;
pub mod controls;
pub mod error;
pub mod events;
pub mod format;
pub mod health;
pub mod motion;
pub mod notify;
pub mod people;
pub mod ptz;
pub mod pump;
pub mod record;
pub mod request;
pub mod ring;
pub mod rtsp;
pub mod sandbox;
pub mod serve;
pub mod source;
pub mod stream;
#[allow(unsafe_code)]
pub mod sys;
pub mod threads;

/// What the tests in src/ and those in tests/ share.
#[cfg(test)]
#[path = "../tests/support"]
mod support {
    pub mod hex;
    pub mod random;
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::thread;

    /// Through functions that end otherwise than by it, with and without something to drop.
    #[inline(never)]
    fn calls(levels: u32, dropped: &AtomicU32) -> u32 {
        struct Counted<'a>(&'a AtomicU32);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Relaxed);
            }
        }
        assert!(black_box(levels) > 0, "on purpose");
        if levels % 2 == 0 {
            return black_box(calls(levels - 1, dropped)) + 1;
        }
        let counted = Counted(dropped);
        let mut below = black_box([levels; 40]);
        below[1] = calls(black_box(levels) - 1, counted.0);
        black_box(below)[1] + 1
    }

    #[test]
    fn a_panic_costs_one_thread_and_drops_what_was_there() {
        let dropped = AtomicU32::new(0);
        thread::scope(|scope| {
            assert!(scope.spawn(|| calls(10, &dropped)).join().is_err());
        });
        assert_eq!(dropped.load(Relaxed), 5);
    }

    /// Also in a static program for ARM, whose unwinder is another one.
    #[test]
    fn a_panic_costs_one_thread() {
        struct Kept(std::sync::mpsc::Sender<()>);
        impl Drop for Kept {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
            }
        }
        let (sender, dropped) = std::sync::mpsc::channel();
        let kept = Kept(sender);
        let thread = thread::spawn(move || {
            let _kept = kept;
            panic!("on purpose");
        });
        assert!(thread.join().is_err());
        dropped.recv().unwrap();
    }
}
