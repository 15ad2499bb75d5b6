//! Where frames come from: a V4L2 camera, a command's standard output, or the built-in test picture.
//!
//! [`open`] makes a [`Source`] of a camera's section; what it gives is a [`Signal`]. How a V4L2 camera's frames become
//! H.264 is its [`Pipeline`]: the best one is selected (`select`) and opened (`device`).

pub mod camera;
mod capture;
pub mod chain;
pub mod control;
pub mod device;
mod edid;
mod exec;
mod fields;
mod formats;
mod frame;
mod history;
mod input;
pub mod lookup;
mod m2m;
pub mod mic;
mod node;
mod open;
mod patience;
mod pattern;
mod pipeline;
pub mod probe;
pub mod ptz;
mod ranked;
pub mod rpicam;
mod select;
pub mod survey;
mod watch;

pub use capture::CaptureConfig;
pub use control::{ControlNode, Done, Operator, is_set_at_opening, turns};
pub use edid::bad_edid;
pub use frame::{Drops, Frame, Signal, Source, SourceInfo};
pub use history::History;
pub use open::{
    Any, absence, find_any, list_controls, missing_program, open, planned_command, runs_commands, watch,
};
pub use pipeline::Pipeline;
pub use watch::Watch;
