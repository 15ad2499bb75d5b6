//! A camera's controls between those who change them and the thread that does it: what there are, what is asked for, and what is
//! kept for the next start.

mod control;
mod kept;
mod mailbox;
mod names;
mod threshold;

pub use control::{Control, TEXT, Value, list_json, values_json};
pub use kept::Kept;
pub use mailbox::{Answered, Mailbox, Turn, Wish};
pub use names::{is_auto, letters, other_names, same};
pub use threshold::THRESHOLD;
