//! Who may do what: passwords, sessions and view links, and the one decision that each request begins with.

mod guesses;
mod keys;
pub mod laws;
mod link;
mod new_password;
mod registry;
mod session;

pub use keys::Keys;
pub use link::Link;
pub use new_password::ask as ask_for_password;
pub use registry::{Credentials, Denial, Grant, People};
pub use session::LIFETIME as SESSION_LIFETIME;

#[cfg(test)]
mod tests;
