//! JSON (RFC 8259): what is written, and what others send.

pub mod laws;
mod read;
mod write;

pub use read::Value;
pub use write::{Object, array, decimal, or_null, quote, thousandths};
