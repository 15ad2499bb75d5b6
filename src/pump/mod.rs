//! The pump: a loop that moves one camera's frames from its source into its ring.
//!
//! It stops the source while nobody watches, and opens it again whenever it is lost, for ever.

mod controls;
mod course;
mod ingest;
mod listener;
pub mod mover;
mod report;
mod retry;
mod run;
mod sets;
mod update;
mod watcher;

pub use run::run;
pub use update::PendingConfig;
