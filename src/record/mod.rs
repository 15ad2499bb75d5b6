//! Recordings: a camera's fragments in files, which a crash leaves whole, and which never fill a disk.

mod file;
mod janitor;
mod name;

pub use file::{RecordingFile, repair};
pub use janitor::{Disk, Limits, Recording, superfluous};
pub use name::Name;
