//! Motion before a camera, as far as samples of its raw pictures, or the sizes of its coded ones, tell of it.

mod cells;
mod detector;
mod shared;
#[cfg(test)]
mod tests;

pub use detector::{Kind, Sample};
pub use shared::{Found, Motion};
