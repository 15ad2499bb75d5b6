//! Recordings: a camera's fragments in files, which a crash leaves whole, and which never fill a disk.

mod file;

pub use file::{RecordingFile, repair};
