//! A filter of system calls (seccomp(2)): the calls that this program does not need fail with ENOSYS, for the
//! calling thread and those that it makes. A hole in the program is then of no use to run or to reach something else.

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
    libc::SYS_ppoll,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // sockets
    libc::SYS_accept4,
    libc::SYS_listen,
    libc::SYS_socketpair,
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
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
];

/// Older calls for the same things, on machines that are older than the newer calls.
#[cfg(not(target_arch = "aarch64"))]
const OLDER: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_fstat,
];
#[cfg(target_arch = "aarch64")]
const OLDER: &[c_long] = &[libc::SYS_fstat];

/// Calls for the same things whose names depend on the width of a number.
#[cfg(target_pointer_width = "64")]
const BY_WIDTH: &[c_long] = &[libc::SYS_mmap, libc::SYS_fcntl, libc::SYS_newfstatat];
#[cfg(target_pointer_width = "32")]
const BY_WIDTH: &[c_long] = &[
    libc::SYS_mmap2,
    libc::SYS_fcntl64,
    libc::SYS_fstatat64,
    libc::SYS_fstat64,
    libc::SYS_stat64,
    libc::SYS_lstat64,
    libc::SYS__llseek,
    // Since 2020, with seconds of 64 bits, by the same numbers on all machines: clock_gettime64,
    // clock_nanosleep_time64, ppoll_time64, futex_time64.
    403,
    407,
    414,
    422,
];

/// Calls of only one of the C libraries.
#[cfg(target_env = "gnu")]
const BY_LIBRARY: &[c_long] = &[libc::SYS_rseq];
#[cfg(not(target_env = "gnu"))]
const BY_LIBRARY: &[c_long] = &[];

/// The place of the call's number in struct seccomp_data, ...
const NUMBER_AT: u32 = 0;
/// ... and of the machine's (AUDIT_ARCH_*).
const ARCH_AT: u32 = 4;

// One instruction: what it does (linux/bpf_common.h), with what; how many to pass over if so, and if not.
const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

fn program() -> Vec<sock_filter> {
    let step = |code: u32, k: u32, jt: u8, jf: u8| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let allowed = || CALLS.iter().chain(OLDER).chain(BY_WIDTH).chain(BY_LIBRARY);
    let count = allowed().count() as u8;
    let mut program = vec![
        step(LOAD, ARCH_AT, 0, 0),
        step(IF_EQUAL, ARCH, 0, count + 1),
        step(LOAD, NUMBER_AT, 0, 0),
    ];
    for (passed, number) in allowed().enumerate() {
        program.push(step(IF_EQUAL, *number as u32, count - passed as u8, 0));
    }
    let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    program.push(step(RETURN, refused, 0, 0));
    program.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    program
}

/// Leaves only what a server of cameras calls. PR_SET_NO_NEW_PRIVS has to be set.
///
/// # Errors
/// The kernel's: EINVAL if it has no such filters; Unsupported on a machine whose calls are not known here.
pub fn restrict() -> io::Result<()> {
    if ARCH == 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut program = program();
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
