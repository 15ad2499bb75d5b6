//! HTTP: from the listening sockets to each client's last byte.

mod access;
mod answer;
mod client;
mod clip;
mod connection;
mod controls;
mod crowd;
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
mod own_names;
mod pages;
mod places;
mod ptz;
mod refused;
mod routes;
mod shared;
mod snapshot;
mod status;
mod ws;

pub use listener::{Server, bind, refuse_all};
pub use own_names::own_names;
pub use routes::{reserved_names, table_for_developers};
