//! Clients that are turned away, without a thread of their own.

use super::answer::Answer;
use super::places::MOST_REFUSED;
use crate::sys::sock;
use std::collections::VecDeque;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// The time for a request to come.
const REQUEST_TIME: Duration = Duration::from_millis(500);

/// The clients that were turned away last.
#[derive(Default)]
pub struct Refused(VecDeque<Told>);

struct Told {
    since: Instant,
    socket: TcpStream,
}

/// Bytes that nobody read would turn the close into a reset, and the answer would be lost.
impl Drop for Told {
    fn drop(&mut self) {
        _ = sock::read_now(&self.socket, &mut [0; 4096]);
    }
}

impl Refused {
    /// Tells a client why, in the protocol of this version, without waiting for its request.
    pub fn turn_away(&mut self, socket: TcpStream, version: [u8; 8], why: &str) {
        let answer = Answer::text("503 Service Unavailable", why).with("Retry-After: 5\r\n");
        let mut answer = [&answer.head("", false)[..], &answer.body].concat();
        answer
            .iter_mut()
            .zip(version)
            .for_each(|(byte, of_version)| *byte = of_version);
        _ = socket.set_nonblocking(true);
        _ = (&socket).write(&answer);
        _ = socket.shutdown(Shutdown::Write);
        if self.0.len() >= MOST_REFUSED {
            self.0.pop_front();
        }
        let since = Instant::now();
        self.0.push_back(Told { since, socket });
    }

    /// Closes the connections whose request should have come by now, and gives the time that the next one has left.
    pub fn time_left(&mut self) -> Option<Duration> {
        loop {
            let left = REQUEST_TIME.saturating_sub(self.0.front()?.since.elapsed());
            if !left.is_zero() {
                return Some(left);
            }
            self.0.pop_front();
        }
    }

    /// Closes all of the connections.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
