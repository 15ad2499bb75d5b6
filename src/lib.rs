//! Camera → browser: the parts of the `fmp4streamer` program, as a library for its own tests, benches and fuzz
//! targets. It is not a stable API.
//!
//! # The walk of a frame
//! ```text
//! camera ─dequeue→ Frame<'_> ─split→ AccessUnit<'_> ─mux (the only copy)→ Arc<Fragment> ─push→ Ring ─follow→ client
//! source/          format/h264      format/fmp4                                     ring.rs        serve/
//! ```
//!
//! A JPEG picture takes a shorter way: `Frame<'_>` ─check, copy→ `Arc<Picture>` ─push→ Pictures (the newest only) → client.
//!
//! # The threads
//! | thread | made by | does | ends |
//! |---|---|---|---|
//! | main | the system | reads the config, at SIGHUP again, gives up what is not needed, starts the others, tells the service manager how it goes, waits for SIGTERM or SIGINT | with the program |
//! | log | `error` | writes log lines, so that nobody else waits for a terminal or a pipe | with the program |
//! | pump | `app`, one a camera | source → format → ring, sleeps when unwatched | at stop |
//! | accept | `serve` | accepts connections, refuses those over the limits | at stop |
//! | client | `serve`, one a connection | answers requests, then follows a ring, and hears its WebSocket; while many wait, one sends for the others too | when its client leaves, or at stop |
//! | hls | `serve`, while HLS is watched | says where the ring's segments and parts begin and end | 3 target durations after the last request, 6 s at least, or at stop |
//! | reaper | `sys::command`, seldom | waits for a killed command that hangs in a driver | when that ends |

#![deny(missing_docs)]

pub mod app;
pub mod cli;
pub mod config;
pub mod error;
pub mod format;
pub mod notify;
pub mod pump;
pub mod ring;
pub mod sandbox;
pub mod serve;
pub mod source;
pub mod stream;
#[allow(unsafe_code)]
pub mod sys;
pub mod threads;

#[cfg(test)]
mod tests {
    use std::thread;

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
