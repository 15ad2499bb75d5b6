//! One HTTP request of this program's own, with a time for all of it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The addresses of a host. How long that takes is the C library's to say.
///
/// # Errors
/// Nobody knows the host.
pub fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Sends a request to the first of these addresses that can be reached, and reads the answer, up to its end or until it has
/// `enough` bytes, within `limit`.
///
/// # Errors
/// The kernel's; `TimedOut` or `WouldBlock` if the time is over.
pub fn ask(addresses: &[SocketAddr], request: &[u8], enough: usize, limit: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + limit;
    let left = || match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut connected = Err(ErrorKind::AddrNotAvailable.into());
    for (tried, address) in addresses.iter().enumerate() {
        let others = addresses.len() - tried;
        connected = TcpStream::connect_timeout(address, left()? / others as u32);
        if connected.is_ok() {
            break;
        }
    }
    let mut socket = connected?;
    socket.set_write_timeout(Some(left()?))?;
    socket.write_all(request)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while answer.len() < enough {
        socket.set_read_timeout(Some(left()?))?;
        match socket.read(&mut buffer)? {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(answer)
}

/// Why there was no answer, in words, for a request that may take `limit`.
pub fn why(e: &io::Error, limit: Duration) -> String {
    match e.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => format!("no answer within {} s", limit.as_secs()),
        ErrorKind::ConnectionRefused => "nothing listens there".to_string(),
        _ => e.to_string(),
    }
}
