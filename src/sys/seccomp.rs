//! Filters of system calls (seccomp(2)), for the calling thread and those that it makes: what they refuse fails with ENOSYS.
//! A hole in the program is then of less use to run or to reach something else. One leaves only the calls that this program
//! needs, another one refuses only those that Landlock leaves open.

use libc::{c_long, sock_filter, sock_fprog};
use std::io;

/// The kernel's number for this machine (AUDIT_ARCH_*, linux/audit.h); 0 where its calls are not known here.
const ARCH: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else if cfg!(target_arch = "arm") {
    0x4000_0028
} else {
    0
};

/// The calls of the program and of the two C libraries once it serves, on every machine.
const CALLS: &[c_long] = &[
    // files and devices; commands and new sockets are not among them
    libc::SYS_openat,
    libc::SYS_renameat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_ioctl,
    libc::SYS_statx,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_mkdirat,
    libc::SYS_ppoll,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // sockets
    libc::SYS_accept4,
    libc::SYS_listen,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    // memory
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    // threads, and their end
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_membarrier,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_prctl,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_geteuid,
    libc::SYS_kill,
    libc::SYS_tgkill,
    libc::SYS_tkill,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_setpriority,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // time and chance
    libc::SYS_clock_gettime,
    libc::SYS_adjtimex,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
];

/// Older calls for the same things, on machines that are older than the newer calls.
#[cfg(not(target_arch = "aarch64"))]
const OLDER: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_epoll_wait,
    libc::SYS_readlink,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_fstat,
];
#[cfg(target_arch = "aarch64")]
const OLDER: &[c_long] = &[libc::SYS_fstat];

/// Calls for the same things whose names depend on the width of a number.
#[cfg(target_pointer_width = "64")]
const BY_WIDTH: &[c_long] = &[
    libc::SYS_mmap,
    libc::SYS_fcntl,
    libc::SYS_newfstatat,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_ftruncate,
];
#[cfg(target_pointer_width = "32")]
const BY_WIDTH: &[c_long] = &[
    libc::SYS_mmap2,
    libc::SYS_fcntl64,
    libc::SYS_fstatat64,
    libc::SYS_statfs64,
    libc::SYS_fstatfs64,
    libc::SYS_ftruncate64,
    libc::SYS_fstat64,
    libc::SYS_stat64,
    libc::SYS_lstat64,
    libc::SYS__llseek,
    libc::SYS_geteuid32,
    // Since 2020, with seconds of 64 bits, by the same numbers on all machines: clock_gettime64,
    // clock_nanosleep_time64, ppoll_time64, futex_time64.
    403,
    407,
    414,
    422,
];

/// Calls whose numbers of 64 bits stand elsewhere among ARM's arguments, where they are arm_fadvise64_64 and arm_sync_file_range
/// (linux/arch/arm/tools/syscall.tbl).
#[cfg(target_arch = "arm")]
const BY_MACHINE: &[c_long] = &[270, 341];
#[cfg(not(target_arch = "arm"))]
const BY_MACHINE: &[c_long] = &[libc::SYS_fadvise64, libc::SYS_sync_file_range];

/// Calls of only one of the C libraries. Where there are recv(2) and send(2), glibc makes these, and musl the longer ones.
#[cfg(all(target_env = "gnu", target_arch = "arm"))]
const BY_LIBRARY: &[c_long] = &[libc::SYS_rseq, libc::SYS_recv, libc::SYS_send];
#[cfg(all(target_env = "gnu", not(target_arch = "arm")))]
const BY_LIBRARY: &[c_long] = &[libc::SYS_rseq];
#[cfg(not(target_env = "gnu"))]
const BY_LIBRARY: &[c_long] = &[];

/// What Landlock leaves open: programs (which may also be in memory), what makes calls that no filter sees, ...
const WAYS_OUT: &[c_long] = &[libc::SYS_execve, libc::SYS_execveat, libc::SYS_io_uring_setup];
/// ... new sockets, and other ends for those that are there.
const SOCKETS: &[c_long] = &[libc::SYS_socket, libc::SYS_connect, libc::SYS_bind];
/// The calls with a socket of the internet's, once it is made: of a program that connects, and of the C libraries, which ask
/// for names by UDP.
const CONNECTING: &[c_long] = &[libc::SYS_connect, libc::SYS_bind, libc::SYS_sendmmsg];

/// The place of the call's number in struct seccomp_data, ...
const NUMBER_AT: u32 = 0;
/// ... of the machine's (AUDIT_ARCH_*), ...
const ARCH_AT: u32 = 4;
/// ... and of the first two arguments' lower halves.
const FIRST_AT: u32 = 16;
const SECOND_AT: u32 = 24;
const _: () = assert!(ARCH == 0 || cfg!(target_endian = "little"));

/// The calls of x32, the other ABI of x86-64, have numbers from here on; no machine here has others.
const X32: u32 = 0x4000_0000;
/// The type of a socket without its flags (linux/net.h).
const SOCK_TYPE_MASK: u32 = 0xf;

// One instruction: what it does (linux/bpf_common.h), with what; how many to pass over if so, and if not.
const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// The sockets that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sockets {
    /// None.
    None,
    /// Those of the internet for datagrams.
    Datagrams,
    /// Those of the internet.
    Internet,
}

/// Refuses all calls but those `named`; or if they are `ways_out`, those alone.
fn program(named: &[c_long], ways_out: bool, sockets: Sockets) -> Vec<sock_filter> {
    let step = |code: u32, k: u32, jt: u8, jf: u8| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let count = named.len() as u8;
    let (test, kind) = match sockets {
        Sockets::Datagrams => (IF_EQUAL, libc::SOCK_DGRAM),
        _ => (IF_AT_LEAST, 0),
    };
    let about_sockets = [
        step(IF_EQUAL, libc::SYS_socket as u32, 0, 6),
        step(LOAD, FIRST_AT, 0, 0),
        step(IF_EQUAL, libc::AF_INET as u32, 1, 0),
        step(IF_EQUAL, libc::AF_INET6 as u32, 0, count + 4),
        step(LOAD, SECOND_AT, 0, 0),
        step(AND, SOCK_TYPE_MASK, 0, 0),
        step(test, kind as u32, count + 2, count + 1),
    ];
    let about_sockets = match sockets {
        Sockets::None => &[],
        _ => &about_sockets[..],
    };
    let most = count + about_sockets.len() as u8;
    // The last three steps: for calls with no name here, that refuse, that allow.
    let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    let others = if ways_out {
        libc::SECCOMP_RET_ALLOW
    } else {
        refused
    };
    let to_named = if ways_out { 1 } else { 2 };
    let mut program = vec![
        step(LOAD, ARCH_AT, 0, 0),
        step(IF_EQUAL, ARCH, 0, most + 7),
        step(LOAD, NUMBER_AT, 0, 0),
        step(IF_AT_LEAST, X32, most + 5, 0),
        // A pair of datagram sockets could send to others, too.
        step(IF_EQUAL, libc::SYS_socketpair as u32, 0, 3),
        step(LOAD, SECOND_AT, 0, 0),
        step(AND, SOCK_TYPE_MASK, 0, 0),
        step(IF_EQUAL, libc::SOCK_STREAM as u32, most + 2, most + 1),
    ];
    program.extend_from_slice(about_sockets);
    for (passed, number) in named.iter().enumerate() {
        let rest = count - passed as u8 - 1;
        program.push(step(IF_EQUAL, *number as u32, rest + to_named, 0));
    }
    program.push(step(RETURN, others, 0, 0));
    program.push(step(RETURN, refused, 0, 0));
    program.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    program
}

/// Leaves only what a server of cameras calls, and what connects, if there may be such sockets. PR_SET_NO_NEW_PRIVS has to be set.
///
/// # Errors
/// The kernel's: EINVAL if it has no such filters; Unsupported on a machine whose calls are not known here.
pub fn restrict(sockets: Sockets) -> io::Result<()> {
    let more = match sockets {
        Sockets::None => &[],
        _ => CONNECTING,
    };
    let named = [CALLS, OLDER, BY_WIDTH, BY_MACHINE, BY_LIBRARY, more].concat();
    enter(program(&named, false, sockets))
}

/// Refuses other programs and other new sockets, and leaves all else. PR_SET_NO_NEW_PRIVS has to be set.
///
/// # Errors
/// Those of [`restrict`].
pub fn close_ways_out(sockets: Sockets) -> io::Result<()> {
    let more = match sockets {
        Sockets::None => SOCKETS,
        _ => &[],
    };
    enter(program(&[WAYS_OUT, more].concat(), true, sockets))
}

fn enter(mut program: Vec<sock_filter>) -> io::Result<()> {
    if ARCH == 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let program = sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the pointer is to a program of the length that it tells, which lives through the call; the kernel checks
    // and copies it.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::process::Command;
    use std::thread;

    /// The filter is of the thread that calls this, which ends soon.
    fn what_is_open(enter: fn(Sockets) -> io::Result<()>, sockets: Sockets) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        process::renounce_privileges().unwrap();
        match enter(sockets) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => return,
            entered => entered.unwrap(),
        }
        let (tcp, udp) = (
            TcpStream::connect(address).err(),
            UdpSocket::bind("127.0.0.1:0").err(),
        );
        for (outcome, is_open) in [
            (tcp, sockets == Sockets::Internet),
            (udp, sockets != Sockets::None),
        ] {
            let why = outcome.and_then(|e| e.raw_os_error());
            assert_eq!(why, (!is_open).then_some(libc::ENOSYS), "{sockets:?}");
        }
        for (way_out, outcome) in [
            ("a unix socket", UnixStream::connect("/run/nobody").err()),
            ("datagrams", UnixDatagram::unbound().err()),
            ("a pair of those", UnixDatagram::pair().err()),
            ("a program", Command::new("/bin/true").status().err()),
        ] {
            let why = outcome.and_then(|e| e.raw_os_error());
            assert_eq!(why, Some(libc::ENOSYS), "{way_out}");
        }
        // SAFETY: takes numbers only: no entries, and no parameters.
        let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 0, 0) };
        assert_eq!(
            (ring, io::Error::last_os_error().raw_os_error()),
            (-1, Some(libc::ENOSYS))
        );
        // What is in use goes on.
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"x").unwrap();
        other.read_exact(&mut [0]).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"xy").unwrap();
        assert_eq!(client.peek(&mut [0; 2]).unwrap(), 2);
        client.read_exact(&mut [0; 2]).unwrap();
        File::open("/proc/self/status").unwrap();
        assert_ne!(process::user(), u32::MAX);
        thread::spawn(|| ()).join().unwrap();
    }

    #[test]
    fn the_filters_leave_what_is_needed() {
        for enter in [close_ways_out, restrict] {
            for sockets in [Sockets::None, Sockets::Datagrams, Sockets::Internet] {
                let look = move || what_is_open(enter, sockets);
                thread::spawn(look).join().unwrap();
            }
        }
    }
}
