//! A command as a source.

mod framer;
mod program;
mod source;
mod stderr;

pub use program::not_installed;
pub(super) use program::{find, path};
pub(super) use source::Exec;
pub(super) use stderr::text;
