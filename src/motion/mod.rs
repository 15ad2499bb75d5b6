//! Motion before a camera, as far as the sizes of its coded pictures tell of it.

mod detector;
mod shared;
#[cfg(test)]
mod tests;

pub use detector::{Kind, Sample};
pub use shared::{Found, Motion};
