//! Recordings: a camera's fragments in files, which a crash leaves whole, and which never fill a disk.

mod archive;
mod file;
mod janitor;
mod name;

pub use archive::Archive;
pub use file::{RecordingFile, repair};
pub use janitor::Limits;
pub use name::Name;
