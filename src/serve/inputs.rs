//! One thread that waits for the clients that follow a ring to send something or to leave, so that their own threads need not
//! wake up to look. It is made with the first of them.

use super::connection::Connection;
use super::places::STACK_BYTES;
use crate::sys::epoll::Epoll;
use crate::threads;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The thread rests so long after each look: that is what a client who sends without end costs.
const REST: Duration = Duration::from_millis(10);

/// All connections.
pub type Connections = Mutex<Vec<Arc<Connection>>>;

/// What waits for the clients' sockets, once there was one to wait for.
#[derive(Default)]
pub struct Inputs(Mutex<Option<Arc<Epoll>>>);

impl Inputs {
    /// What waits for them. The first call makes it, and its thread.
    ///
    /// # Errors
    /// No file descriptor or thread is to be had.
    pub fn epoll(&self, connections: &Arc<Connections>) -> io::Result<Arc<Epoll>> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(epoll) = &*made {
            return Ok(Arc::clone(epoll));
        }
        let epoll = Arc::new(Epoll::new()?);
        let (its_own, connections) = (Arc::clone(&epoll), Arc::clone(connections));
        threads::spawn(
            "inputs",
            STACK_BYTES,
            Box::new(move || call(&its_own, &connections)),
        )?;
        *made = Some(Arc::clone(&epoll));
        Ok(epoll)
    }
}

/// Calls the threads of the clients that have something to be read.
fn call(epoll: &Epoll, connections: &Connections) {
    loop {
        for number in epoll.wait().unwrap_or_default() {
            let connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = connections.iter().find(|it| it.number == number).cloned();
            drop(connections);
            if let Some(connection) = connection {
                connection.call();
            }
        }
        thread::sleep(REST);
    }
}
