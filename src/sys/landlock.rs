//! Landlock (landlock(7), linux/landlock.h): a process gives up the files that it has no use for, for good. Rules are
//! for folders, with all that is in them now or later; what is open already stays open.
//!
//! It is of the calling thread and of those that it makes.

use std::ffi::{c_int, c_long};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The rights to the files of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read them, and list the folder.
    Read,
    /// Also write to them, and ask devices for what only they know (ioctl(2)).
    Device,
    /// Read them, and make, write and remove them.
    Keep,
    /// The same, in folders that are made and removed, too.
    Record,
}

/// struct landlock_ruleset_attr.
#[repr(C)]
struct Ruleset {
    handled_access_fs: u64,
    /// Since version 4.
    handled_access_net: u64,
    /// Since version 6.
    scoped: u64,
}
const _: () = assert!(size_of::<Ruleset>() == 24);

/// struct landlock_path_beneath_attr.
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: c_int,
}
const _: () = assert!(size_of::<PathBeneath>() == 12);

/// struct landlock_net_port_attr.
#[repr(C)]
struct NetPort {
    allowed_access: u64,
    port: u64,
}
const _: () = assert!(size_of::<NetPort>() == 16);

const CREATE_RULESET_VERSION: c_long = 1;
const RULE_PATH_BENEATH: c_long = 1;
const RULE_NET_PORT: c_long = 2;

// LANDLOCK_ACCESS_FS_*
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
/// From one folder to another. Version 1 does not allow it to anybody.
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;
/// The rights that a version knows, from 1 on: reading, writing, running, making, deleting; linking elsewhere; cutting
/// off; ioctls of devices.
const KNOWN_TO: [u64; 5] = [
    (1 << 13) - 1,
    (1 << 14) - 1,
    (1 << 15) - 1,
    (1 << 15) - 1,
    (1 << 16) - 1,
];
/// LANDLOCK_ACCESS_NET_BIND_TCP and _CONNECT_TCP.
const NET: u64 = 0b11;
const CONNECT_TCP: u64 = 0b10;
/// LANDLOCK_SCOPE_SIGNAL: no signals to those outside.
const SIGNALS: u64 = 1 << 1;

fn call(number: c_long, arguments: [c_long; 4]) -> io::Result<c_long> {
    let [a, b, c, d] = arguments;
    // SAFETY: only the three calls of Landlock come here, and the pointers among the arguments are to a live struct of
    // the size that is given, or, for a rule, that its kind has.
    match unsafe { libc::syscall(number, a, b, c, d) } {
        result if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Leaves only these folders to the calling thread, and no new TCP connections, but to these ports, or listening sockets (since
/// version 4).
/// A folder that is not there is left out. PR_SET_NO_NEW_PRIVS has to be set.
///
/// # Errors
/// The kernel's: ENOSYS or EOPNOTSUPP if it has no Landlock, or it is off.
pub fn restrict(folders: &[(&Path, Access)], ports: &[u16]) -> io::Result<()> {
    let version = call(
        libc::SYS_landlock_create_ruleset,
        [0, 0, CREATE_RULESET_VERSION, 0],
    )?;
    let known = KNOWN_TO[(version.max(1) as usize).min(KNOWN_TO.len()) - 1];
    let since = |first: c_long, rights: u64| if version >= first { rights } else { 0 };
    let handled = Ruleset {
        handled_access_fs: known,
        handled_access_net: since(4, NET),
        scoped: since(6, SIGNALS),
    };
    // A kernel that knows less of the struct takes it if the rest is 0.
    let size = size_of::<Ruleset>() as c_long;
    let ruleset = call(
        libc::SYS_landlock_create_ruleset,
        [(&raw const handled) as c_long, size, 0, 0],
    )?;
    // SAFETY: the kernel just opened it for us, with O_CLOEXEC.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as c_int) };
    let ruleset = c_long::from(ruleset.as_raw_fd());
    for (folder, access) in folders {
        let Ok(file) = open_path(folder) else { continue };
        let keep = READ_FILE | READ_DIR | WRITE_FILE | REMOVE_FILE | MAKE_REG | TRUNCATE;
        let rights = match access {
            Access::Read => READ_FILE | READ_DIR,
            Access::Keep => keep,
            Access::Record => keep | MAKE_DIR | REMOVE_DIR | REFER,
            Access::Device => READ_FILE | READ_DIR | WRITE_FILE | IOCTL_DEV,
        };
        let rule = PathBeneath {
            allowed_access: rights & known,
            parent_fd: file.as_raw_fd(),
        };
        call(
            libc::SYS_landlock_add_rule,
            [ruleset, RULE_PATH_BENEATH, (&raw const rule) as c_long, 0],
        )?;
    }
    for port in ports.iter().filter(|_| version >= 4) {
        let rule = NetPort {
            allowed_access: CONNECT_TCP,
            port: u64::from(*port),
        };
        call(
            libc::SYS_landlock_add_rule,
            [ruleset, RULE_NET_PORT, (&raw const rule) as c_long, 0],
        )?;
    }
    call(libc::SYS_landlock_restrict_self, [ruleset, 0, 0, 0])?;
    Ok(())
}

fn open_path(folder: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(folder)
}
