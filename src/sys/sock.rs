//! What std::net leaves out: socket options of tcp(7) and ip(7), a read that never waits, this machine's addresses, sockets
//! from the service manager.

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::ffi::{c_int, c_void};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

fn set_int(socket: &impl AsFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is borrowed for the call, and the pointer is to a c_int of the size that is told.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast::<c_void>(),
            size,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The socket takes no more than `bytes` that it can't send yet (TCP_NOTSENT_LOWAT), so that what lags is not
/// buried in the kernel.
///
/// # Errors
/// The kernel's; it has had the option since 3.12.
pub fn set_notsent_lowat(socket: &impl AsFd, bytes: c_int) -> io::Result<()> {
    set_int(socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, bytes)
}

/// So many connections may wait to be accepted (listen(2); std's own call allows 128): a client that finds no place
/// there tries again after a second.
///
/// # Errors
/// The kernel's.
pub fn set_backlog(listener: &impl AsFd, connections: c_int) -> io::Result<()> {
    // SAFETY: takes numbers only, and the descriptor is borrowed for the call.
    let result = unsafe { libc::listen(listener.as_fd().as_raw_fd(), connections) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The listening sockets that the service manager opened for this program (sd_listen_fds(3)), in its order; empty if
/// there are none, or at any further call.
///
/// # Errors
/// One of them is not a TCP socket that listens; which, and the kernel's word if it has one.
pub fn inherited() -> io::Result<Vec<TcpListener>> {
    /// The first that is handed over (SD_LISTEN_FDS_START).
    const FIRST: c_int = 3;
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    let ours = number("LISTEN_PID") == Some(std::process::id());
    let count = number("LISTEN_FDS").filter(|_| ours && !TAKEN.swap(true, Relaxed));
    let mut listeners = Vec::new();
    for file in (FIRST..).take(count.unwrap_or(0) as usize) {
        let is = |option, values: &[c_int]| get_int(file, option).map(|value| values.contains(&value));
        let tcp = is(libc::SO_DOMAIN, &[libc::AF_INET, libc::AF_INET6])?
            && is(libc::SO_TYPE, &[libc::SOCK_STREAM])?
            && is(libc::SO_ACCEPTCONN, &[1])?;
        if !tcp {
            return Err(io::Error::other("not a TCP socket that listens"));
        }
        // SAFETY: it is open, as was just seen, and nobody else's: it was handed over to this process, and is taken here
        // only once.
        let listener = unsafe { TcpListener::from_raw_fd(file) };
        // Commands have no use for it.
        fcntl(&listener, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn get_int(file: c_int, option: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: a number that is no open descriptor is refused, and both pointers are to what the size tells.
    let result = unsafe {
        libc::getsockopt(
            file,
            libc::SOL_SOCKET,
            option,
            (&raw mut value).cast::<c_void>(),
            &raw mut size,
        )
    };
    if result == 0 {
        Ok(value)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What a look into a socket's input finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// So many bytes, now read.
    Bytes(usize),
    /// Nothing at the moment.
    Nothing,
    /// The other side has ended or broken the connection.
    Ended,
}

/// Reads what is there without waiting (recv(2), MSG_DONTWAIT).
pub fn read_now(socket: &impl AsFd, buffer: &mut [u8]) -> Input {
    // SAFETY: the descriptor is borrowed for the call, and the kernel writes at most the buffer's length into it.
    let got = unsafe {
        libc::recv(
            socket.as_fd().as_raw_fd(),
            buffer.as_mut_ptr().cast::<c_void>(),
            buffer.len(),
            libc::MSG_DONTWAIT,
        )
    };
    match usize::try_from(got) {
        Ok(0) => Input::Ended,
        Ok(n) => Input::Bytes(n),
        Err(_) => match io::Error::last_os_error().kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Input::Nothing,
            _ => Input::Ended,
        },
    }
}

/// Sends what the socket takes without waiting (sendmsg(2), MSG_DONTWAIT); gives how many bytes that were, 0 if none.
///
/// # Errors
/// The connection is broken.
pub fn send_now(socket: &impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: all zeros are a valid msghdr: no address, no buffers, no control data. (It has private padding in musl.)
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSlice is an iovec in memory (std's documented guarantee on Unix); the kernel only reads through it.
    message.msg_iov = slices.as_ptr().cast_mut().cast::<libc::iovec>();
    message.msg_iovlen = slices.len() as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the descriptor is borrowed for the call, and the message's slices live longer than that.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, flags) };
    match usize::try_from(sent) {
        Ok(sent) => Ok(sent),
        Err(_) => match io::Error::last_os_error() {
            e if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
            e => Err(e),
        },
    }
}

/// The addresses of this machine's interfaces that are up (getifaddrs(3)), loopback and link-local ones left out.
pub fn addresses() -> Vec<IpAddr> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the call fills in `list`, which is freed below.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: `next` is null or an entry of the list, which lives until freeifaddrs.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: ifa_addr is null or points to a socket address as long as its family says.
        let Some(family) = (unsafe { entry.ifa_addr.as_ref() }).map(|a| c_int::from(a.sa_family)) else {
            continue;
        };
        let address = match family {
            libc::AF_INET => {
                // SAFETY: an address of family AF_INET is a sockaddr_in; read unaligned, it may stand anywhere.
                let v4 = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
                IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)))
            }
            libc::AF_INET6 => {
                // SAFETY: an address of family AF_INET6 is a sockaddr_in6; read unaligned, it may stand anywhere.
                let v6 = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
                IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr))
            }
            _ => continue,
        };
        let link_local = match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        let up = entry.ifa_flags & libc::IFF_UP as u32 != 0;
        if up && !address.is_loopback() && !link_local && !found.contains(&address) {
            found.push(address);
        }
    }
    // SAFETY: the list came from getifaddrs and nothing points into it any more.
    unsafe { libc::freeifaddrs(list) };
    found
}

/// Closing the socket throws away what the other side has not taken, rather than keeping it for a client that is
/// stuck (SO_LINGER of 0 s, socket(7)).
pub fn reset_on_close(socket: &impl AsFd) {
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let size = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the descriptor is borrowed for the call, and the pointer is to a linger of the size that is told.
    // It can't fail for a socket, and if it did, the kernel would keep the bytes for a while, no more.
    unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const at_once).cast::<c_void>(),
            size,
        )
    };
}
