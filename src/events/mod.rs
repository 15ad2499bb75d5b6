//! What happens at the cameras, for who wants to be told.

mod bus;
mod event;
mod post;
mod run;

pub use bus::{Counts, Events, Outcome, Way};
pub use event::{END, Event, FULL, LOST, MARK, MOTION, OWN, START, is_kind};
pub use post::change_recipients;
