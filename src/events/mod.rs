//! What happens at the cameras, for who wants to be told.

mod bus;
mod event;

pub use bus::Events;
pub use event::{END, Event, FULL, LOST, MARK, OWN, START, is_kind};
