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
//! | main | the system | reads the config, starts the others, waits for SIGTERM, SIGINT or SIGHUP, tells the service manager how it goes | with the program |
//! | log | `error` | writes log lines, so that nobody else waits for a terminal or a pipe | with the program |
//! | pump | `main`, one a camera | source → format → ring, sleeps when unwatched | at stop |
//! | accept | `serve` | accepts connections, refuses those over the limits | at stop |
//! | client | `serve`, one a connection | answers requests, then follows a ring, and hears its WebSocket; while many wait, one sends for the others too | when its client leaves, or at stop |
//! | hls | `serve`, while HLS is watched | says where the ring's segments and parts begin and end | 3 target durations after the last request, 6 s at least, or at stop |
//! | reaper | `sys::command`, seldom | waits for a killed command that hangs in a driver | when that ends |

#![deny(missing_docs)]

pub mod config;
pub mod error;
pub mod format;
pub mod notify;
pub mod pump;
pub mod ring;
pub mod serve;
pub mod source;
pub mod stream;
#[allow(unsafe_code)]
pub mod sys;
