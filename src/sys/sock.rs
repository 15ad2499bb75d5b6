//! What std::net leaves out: socket options of tcp(7) and ip(7), a read that never waits, this machine's addresses, sockets
//! from the service manager.

use super::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::sockopt::SetStruct;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SetSockOpt, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, recv, setsockopt,
    socket, sockopt,
};
use nix::{setsockopt_impl, sockopt_impl};
use std::ffi::{c_int, c_void};
use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{MaybeUninit, offset_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

sockopt_impl!(
    /// The most bytes that a socket keeps unsent.
    NotsentLowat,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_NOTSENT_LOWAT,
    c_int,
    SetStruct<c_int>
);

/// Sets how many bytes a socket takes that it can't send yet (TCP_NOTSENT_LOWAT), so that what lags is not buried in the
/// kernel.
///
/// # Errors
/// The kernel's; it has had the option since 3.12.
pub fn set_notsent_lowat(socket: &impl AsFd, bytes: c_int) -> io::Result<()> {
    Ok(NotsentLowat.set(socket, &bytes)?)
}

/// A socket that listens at all addresses of both families, whatever the system's default for IPV6_V6ONLY is (ipv6(7),
/// net.ipv6.bindv6only).
///
/// # Errors
/// The kernel's: it has no IPv6, or the port is taken or needs a privilege.
pub fn listen_everywhere(port: u16) -> io::Result<TcpListener> {
    let listener = socket(
        AddressFamily::Inet6,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    setsockopt(&listener, sockopt::ReuseAddr, &true)?;
    setsockopt(&listener, sockopt::Ipv6V6Only, &false)?;
    let address = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0);
    bind(listener.as_raw_fd(), &SockaddrIn6::from(address))?;
    set_backlog(&listener, 128)?;
    Ok(listener.into())
}

/// Sets how many connections may wait to be accepted (listen(2); std's own call allows 128). A client that finds no
/// place there tries again after a second.
///
/// # Errors
/// The kernel's.
pub fn set_backlog(listener: &impl AsFd, connections: c_int) -> io::Result<()> {
    // nix's own refuses more than SOMAXCONN, which is 128 in musl's headers; the kernel's limit is a setting.
    // SAFETY: takes numbers only, and the descriptor is borrowed for the call.
    let result = unsafe { libc::listen(listener.as_fd().as_raw_fd(), connections) };
    Ok(Errno::result(result).map(drop)?)
}

/// Has the kernel find out about a client that vanishes without a word (tcp(7)): one that answers no probe once it was quiet
/// for a while, or that takes nothing it was sent. It is gone after half a minute. (A listener's setting would hold only for
/// clients that connect later, and some are here before this program.)
///
/// # Errors
/// The kernel's; it has had all of them since 2.6.37.
pub fn notice_vanished(client: &impl AsFd) -> io::Result<()> {
    const QUIET_S: u32 = 20;
    const PROBE_S: u32 = 10;
    setsockopt(client, sockopt::KeepAlive, &true)?;
    setsockopt(client, sockopt::TcpKeepIdle, &QUIET_S)?;
    setsockopt(client, sockopt::TcpKeepInterval, &PROBE_S)?;
    // With this one it is the time that counts, not the number of probes (TCP_KEEPCNT). The kernel looks when a probe is due,
    // and at the time itself it may be just too early, and wait for one more.
    let most_ms = 1000 * (QUIET_S + PROBE_S) - 500;
    Ok(setsockopt(client, sockopt::TcpUserTimeout, &most_ms)?)
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
        listeners.push(unsafe { TcpListener::from_raw_fd(file) });
    }
    Ok(listeners)
}

/// An option of a descriptor that may not be open at all: nix asks only for those that are known to be, and has no
/// SO_DOMAIN.
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

/// The result of a look into a socket's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// This many bytes, which are now read.
    Bytes(usize),
    /// Nothing at the moment.
    Nothing,
    /// The other side has ended or broken the connection.
    Ended,
}

/// Reads what is there without waiting (recv(2), MSG_DONTWAIT).
pub fn read_now(socket: &impl AsFd, buffer: &mut [u8]) -> Input {
    match recv(socket.as_fd().as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
        Ok(0) => Input::Ended,
        Ok(n) => Input::Bytes(n),
        Err(Errno::EAGAIN | Errno::EINTR) => Input::Nothing,
        Err(_) => Input::Ended,
    }
}

/// Sends what the socket takes without waiting (sendmsg(2), MSG_DONTWAIT); gives how many bytes that were, 0 if none.
///
/// # Errors
/// The connection is broken.
pub fn send_now(socket: &impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // nix's own makes room for control messages at each call.
    let mut message = MaybeUninit::<libc::msghdr>::zeroed();
    // SAFETY: zeros are a valid `msghdr`: no address, no slices, no control messages.
    let message = unsafe { message.assume_init_mut() };
    // An IoSlice is an iovec (std), and the kernel only reads them.
    (message.msg_iov, message.msg_iovlen) = (slices.as_ptr().cast_mut().cast(), slices.len() as _);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the descriptor and the slices are borrowed for the call.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), message, flags) };
    match Errno::result(sent) {
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
        sent => Ok(sent? as usize),
    }
}

/// The addresses of this machine's interfaces that are up (getifaddrs(3)), loopback and link-local ones left out.
pub fn addresses() -> Vec<IpAddr> {
    let mut found = Vec::new();
    for interface in getifaddrs().into_iter().flatten() {
        let Some(address) = interface
            .address
            .filter(|_| interface.flags.contains(InterfaceFlags::IFF_UP))
        else {
            continue;
        };
        let (v4, v6) = (address.as_sockaddr_in(), address.as_sockaddr_in6());
        let Some(address) = v4
            .map(|v4| IpAddr::V4(v4.ip()))
            .or(v6.map(|v6| IpAddr::V6(v6.ip())))
        else {
            continue;
        };
        let link_local = match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        if !address.is_loopback() && !link_local && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

sockopt_impl!(
    /// A multicast group whose datagrams are to come.
    JoinGroup,
    SetOnly,
    libc::IPPROTO_IP,
    libc::IP_ADD_MEMBERSHIP,
    libc::ip_mreqn,
    SetStruct<libc::ip_mreqn>
);

/// A socket for datagrams of IPv4 at a port that other programs may have open, too, and that tells at which address of this machine
/// one came.
///
/// # Errors
/// The kernel's: another program has the port for itself.
pub fn datagrams(port: u16) -> io::Result<UdpSocket> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    bind(socket.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, port))?;
    Ok(socket.into())
}

/// Has what is sent to a multicast group come from the networks of all interfaces that there are now (ip(7), IP_ADD_MEMBERSHIP); where
/// it comes already, it goes on.
pub fn join_everywhere(socket: &UdpSocket, group: Ipv4Addr) {
    for interface in fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
        let index = fs::read_to_string(interface.path().join("ifindex"));
        let index = index.ok().and_then(|index| index.trim().parse().ok());
        let membership = libc::ip_mreqn {
            imr_multiaddr: libc::in_addr {
                s_addr: u32::from_ne_bytes(group.octets()),
            },
            imr_address: libc::in_addr { s_addr: 0 },
            imr_ifindex: index.unwrap_or(0),
        };
        // It fails where it is one already, or can't be, as for one that is gone by now.
        _ = JoinGroup.set(socket, &membership);
    }
}

/// What the kernel tells of a datagram beside its bytes (cmsg(3), IP_PKTINFO).
#[repr(C)]
struct PacketInfo {
    header: libc::cmsghdr,
    info: libc::in_pktinfo,
}
// SAFETY: it computes with its argument.
const _: () = assert!(offset_of!(PacketInfo, info) == unsafe { libc::CMSG_LEN(0) } as usize);

/// Takes the next datagram of a socket of [`datagrams`], once it is there: its length, whose it is, and at which address of this machine
/// its sender is to find it.
///
/// # Errors
/// The kernel's.
pub fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddrV4, Ipv4Addr)> {
    let mut from = MaybeUninit::<libc::sockaddr_in>::zeroed();
    let mut told = MaybeUninit::<PacketInfo>::zeroed();
    let mut slice = IoSliceMut::new(buffer);
    let mut message = MaybeUninit::<libc::msghdr>::zeroed();
    // SAFETY: zeros are a valid `msghdr`: no address, no slices, no control messages.
    let message = unsafe { message.assume_init_mut() };
    message.msg_name = from.as_mut_ptr().cast();
    message.msg_namelen = size_of_val(&from) as _;
    // An IoSliceMut is an iovec (std).
    (message.msg_iov, message.msg_iovlen) = ((&raw mut slice).cast(), 1);
    message.msg_control = told.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&told) as _;
    // SAFETY: the descriptor is borrowed for the call, and all pointers are to live memory of the lengths that are told.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), message, 0) };
    let received = Errno::result(received)? as usize;
    // SAFETY: integers, zeros or what the kernel wrote.
    let from = unsafe { from.assume_init() };
    // SAFETY: integers, zeros or what the kernel wrote.
    let told = unsafe { told.assume_init() };
    let address = |it: libc::in_addr| Ipv4Addr::from(it.s_addr.to_ne_bytes());
    let from = SocketAddrV4::new(address(from.sin_addr), u16::from_be(from.sin_port));
    Ok((received, from, address(told.info.ipi_spec_dst)))
}

/// Makes closing the socket throw away what the other side has not taken, rather than keep it for a client that is
/// stuck (SO_LINGER of 0 s, socket(7)).
pub fn reset_on_close(socket: &impl AsFd) {
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // It can't fail for a socket, and if it did, the kernel would keep the bytes for a while, no more.
    _ = setsockopt(socket, sockopt::Linger, &at_once);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_known_by_both_addresses() {
        let (one, other) = (datagrams(0).unwrap(), datagrams(0).unwrap());
        let port = one.local_addr().unwrap().port();
        other.send_to(b"abc", ("127.0.0.2", port)).unwrap();
        let (received, from, own) = receive(&one, &mut [0; 8]).unwrap();
        assert_eq!((received, own), (3, Ipv4Addr::new(127, 0, 0, 2)));
        assert_eq!(from.port(), other.local_addr().unwrap().port());
        assert!(from.ip().is_loopback());
        // There may be others at the port.
        assert!(datagrams(port).is_ok());
        join_everywhere(&one, Ipv4Addr::new(239, 255, 255, 250));
    }

    #[test]
    fn more_may_wait_than_a_libc_knows() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        set_backlog(&listener, 5000).unwrap();
    }
}
