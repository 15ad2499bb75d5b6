//! A command as a source.

mod framer;
mod kind;
mod program;
mod source;
mod stage;
mod stderr;

pub(super) use program::{find, not_installed, path};
pub(super) use source::Exec;
pub(super) use stderr::text;
