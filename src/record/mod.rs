//! Recordings: a camera's fragments in files, which a crash leaves whole, and which never fill a disk.

mod archive;
pub mod cut;
mod eventful;
mod file;
mod janitor;
mod lapse;
pub mod library;
mod name;
mod pictures;
mod recorder;
mod run;
mod segment;

pub use archive::{Archive, MARKER, prepare};
pub use file::{RecordingFile, repair};
pub use janitor::Limits;
pub use lapse::folder_of;
pub use name::Name;
pub use recorder::{PATIENCE, Plan};
pub use run::record;
pub use segment::{SEGMENT_S, Segment, WallClock};
