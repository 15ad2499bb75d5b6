//! The loop that moves frames from a source through the format into the ring.

mod ingest;
mod run;
mod update;

pub use run::run;
pub use update::PendingConfig;
