//! The datagrams of a client that asked for UDP: its sockets, and what waits to be sent by them.

use crate::serve::{Place, READS};
use crate::sys::sock::{self, Input};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

/// So many go in a row: a receiver's buffer holds about a hundred until it looks.
const BURST: usize = 64;
/// Then it has so long.
const PAUSE: Duration = Duration::from_millis(1);
/// One that the network does not take in that time is lost, as any may be.
const SEND_TIME: Duration = Duration::from_millis(100);
/// Tries to find two ports in a row.
const TRIES: u32 = 16;

/// The ways of one client's tracks.
#[derive(Default)]
pub struct Udp {
    /// Each is the socket of the channel of its number: RTP's and RTCP's of one track after the other.
    pub sockets: Vec<UdpSocket>,
    /// As the connection would be sent it: `$`, channel, length, and a datagram.
    pub waiting: Vec<u8>,
    /// What each pair of sockets takes of what connections may have.
    places: Vec<Place>,
}

/// What a client has sent by datagrams.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    /// Something, whatever it is.
    pub anything: bool,
    /// A report that some of what was sent to it got lost.
    pub loss: bool,
}

impl Udp {
    /// Opens a way from two ports of this machine to those of the client, for RTP and RTCP. Gives the former: an even one and
    /// the next (RFC 3550, 11). Only this client can send to them.
    ///
    /// # Errors
    /// The kernel's: there are no files or ports left.
    pub fn open(&mut self, connection: &TcpStream, ports: [u16; 2], place: Place) -> io::Result<[u16; 2]> {
        let mut own = without_mapping(connection.local_addr()?);
        let mut client = without_mapping(connection.peer_addr()?);
        for _ in 0..TRIES {
            own.set_port(0);
            let any = UdpSocket::bind(own)?;
            let port = any.local_addr()?.port();
            own.set_port(port ^ 1);
            let Ok(next) = UdpSocket::bind(own) else {
                continue;
            };
            let pair = if port % 2 == 0 { [any, next] } else { [next, any] };
            for (socket, port) in pair.iter().zip(ports) {
                client.set_port(port);
                socket.connect(client)?;
                socket.set_write_timeout(Some(SEND_TIME))?;
            }
            self.sockets.extend(pair);
            self.places.push(place);
            return Ok([port & !1, port | 1]);
        }
        Err(ErrorKind::AddrInUse.into())
    }

    /// True if the client asked for it.
    pub fn is_used(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// Sends what waits: what goes at once, or if `all`, everything.
    pub fn send(&mut self, all: bool) {
        // What goes at once may have gone just now.
        if all && !self.waiting.is_empty() {
            thread::sleep(PAUSE);
        }
        let (mut sent, mut datagrams) = (0, 0);
        while let [_, channel, high, low, rest @ ..] = &self.waiting[sent..] {
            let bytes = usize::from(u16::from_be_bytes([*high, *low]));
            let socket = self.sockets.get(usize::from(*channel));
            let Some((socket, datagram)) = socket.zip(rest.get(..bytes)) else {
                break;
            };
            if datagrams % BURST == BURST - 1 {
                if !all {
                    break;
                }
                thread::sleep(PAUSE);
            }
            let send = || match all {
                true => socket.send(datagram),
                false => sock::send_now(socket, &[IoSlice::new(datagram)]),
            };
            // An error may be that of an earlier one, which nobody took there (ICMP): then this one was not sent.
            match send().or_else(|e| if is_full(&e) { Err(e) } else { send() }) {
                Ok(0) => break,
                // Nothing has gone for as long as a datagram may wait. What comes behind would be too late, too.
                Err(e) if is_full(&e) => {
                    sent = self.waiting.len();
                    break;
                }
                _ => {}
            }
            (sent, datagrams) = (sent + 4 + bytes, datagrams + 1);
        }
        self.waiting.drain(..sent);
    }

    /// What the client has sent since the last call.
    pub fn listen(&self) -> Heard {
        let mut heard = Heard::default();
        for socket in &self.sockets {
            for _ in 0..READS {
                let mut datagram = [0; 64];
                match sock::read_now(socket, &mut datagram) {
                    Input::Bytes(_) => heard.anything = true,
                    Input::Nothing | Input::Ended => break,
                }
                // A receiver's report about one source or more, and the part of the first one that is missing (RFC 3550, 6.4.2).
                heard.loss |= matches!(
                    datagram,
                    [0x81..=0x9f, 201, _, _, _, _, _, _, _, _, _, _, 1..=255, ..]
                );
            }
        }
        heard
    }
}

fn is_full(e: &io::Error) -> bool {
    e.kind() == ErrorKind::WouldBlock
}

/// IPv4's address by itself, which a listener of both families shows as one of IPv6.
fn without_mapping(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => (v4, address.port()).into(),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn no_more_go_in_a_row_than_a_receiver_holds() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(receiver.local_addr().unwrap()).unwrap();
        let mut udp = Udp {
            sockets: vec![socket],
            waiting: b"$\0\0\x01x".repeat(100),
            ..Udp::default()
        };
        udp.send(false);
        assert_eq!(udp.waiting.len(), 5 * (100 - (BURST - 1)));
        let before = Instant::now();
        udp.send(true);
        assert!(udp.waiting.is_empty() && before.elapsed() >= PAUSE);
    }
}
