//! HTTP: from the listening sockets to each client's last byte.

mod access;
mod answer;
mod client;
mod clip;
mod connection;
mod controls;
mod crowd;
mod cut;
mod events;
mod exchange;
pub mod head;
mod hls;
mod inputs;
mod links;
mod listener;
mod live;
mod login;
mod metrics;
mod mjpeg;
mod mp4;
mod onvif;
mod own_names;
mod pages;
mod places;
mod ptz;
mod recordings;
mod refused;
mod routes;
mod shared;
mod snapshot;
mod status;
mod ws;

pub use client::{HTTP, Protocol};
// What other protocols do alike.
pub(crate) use connection::{Connection, Phase, READS};
pub(crate) use exchange::Ending;
pub use listener::{Server, bind, refuse_all};
pub(crate) use live::{LiveSink, SendBuffer, Wire};
pub(crate) use login::note as note_denial;
pub use onvif::discovery::socket as discovery_socket;
pub use own_names::own_names;
pub(crate) use places::Place;
pub use routes::{reserved_names, table_for_developers};
pub use shared::Machine;
pub(crate) use shared::Shared;
