//! A command as a source.

mod framer;
mod source;
mod stderr;

pub(super) use source::Exec;
pub(super) use stderr::text;
