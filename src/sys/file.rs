//! What std::fs leaves out: opening a device without waiting, a folder as a list, a file that is whole or not there, one that goes
//! to its disk evenly, the two halves of a device number.

use super::errno::Errno;
use nix::fcntl::{OFlag, PosixFadviseAdvice, openat, posix_fadvise};
use nix::sys::stat::Mode;
use nix::sys::statvfs::{FsFlags, fstatvfs, statvfs};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Opens a device to read and write, with calls that do not wait (O_NONBLOCK).
///
/// # Errors
/// Those of open(2).
pub fn open_device(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}

/// The paths of what is in a folder, in no order; none if it can't be read.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        paths.push(entry.path());
    }
    paths
}

/// The bytes of a file, no more than so many; `None` if it is not there.
///
/// # Errors
/// Those of open(2) and read(2).
pub fn read_if_there(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(most as u64).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes a file that only its owner may read, in the place of one that may be there: whole or not at all.
///
/// # Errors
/// Those of unlink(2), open(2), write(2), fsync(2) and rename(2).
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    // What an earlier try left behind may have other rights.
    match fs::remove_file(&new) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// Opens a file to read and write, which a group may read; a `new` one must not be there. What is a link is refused, as it may lead
/// anywhere.
///
/// # Errors
/// Those of open(2).
pub fn open_own(path: &Path, new: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(new)
        .mode(0o640)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// Opens what is below a folder, in others or at once, to read it. A link among these names is refused, as it may lead anywhere.
///
/// # Errors
/// Those of open(2).
pub fn open_below(folder: &Path, names: &[&str]) -> io::Result<File> {
    let mut file = File::open(folder)?;
    for name in names {
        // What it is turns out behind it: a folder is none in which nothing can be opened.
        file = open_at(&file, name)?;
    }
    Ok(file)
}

/// Opens what has this name in a folder, to read it. A link is refused.
///
/// # Errors
/// Those of open(2).
pub fn open_at(folder: &File, name: &str) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?.into())
}

/// Has the kernel begin to write these bytes to the disk, without waiting for it: left alone, it gathers them for half a minute and
/// writes them all at once.
pub fn begin_writing(file: &File, from: u64, bytes: u64) {
    // SAFETY: the call takes numbers only. It is an offer: who has to know syncs the file.
    _ = unsafe {
        libc::sync_file_range(
            file.as_raw_fd(),
            from as _,
            bytes as _,
            libc::SYNC_FILE_RANGE_WRITE,
        )
    };
}

/// Has the kernel keep no copy in memory of what is on the disk: what nobody reads soon would push out what somebody does.
pub fn forget(file: &File) {
    _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}

/// Has what was written to a file be on its disk.
///
/// # Errors
/// Those of fdatasync(2) and fstatvfs(3), and `ReadOnlyFilesystem`, which ext4 does not say of a disk that the kernel's emergency key
/// (SysRq-U) made read-only: it takes all that is written, and drops it later.
pub fn sync(file: &File) -> io::Result<()> {
    file.sync_data()?;
    if fstatvfs(file)?.flags().contains(FsFlags::ST_RDONLY) {
        return Err(ErrorKind::ReadOnlyFilesystem.into());
    }
    Ok(())
}

/// Puts the names in a folder on the disk.
///
/// # Errors
/// Those of open(2) and fsync(2).
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Takes the lock of a file, which is held for as long as it is open (flock(2)).
///
/// # Errors
/// `WouldBlock` if somebody else has it.
pub fn lock(file: &File) -> io::Result<()> {
    // SAFETY: takes numbers, gives a number.
    let locked = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    Errno::result(locked)?;
    Ok(())
}

/// The bytes on a folder's disk: those that are free for this program, and all.
///
/// # Errors
/// Those of statvfs(3).
#[allow(clippy::unnecessary_cast)] // they have 32 bits where the machine has
pub fn room(folder: &Path) -> io::Result<(u64, u64)> {
    let disk = statvfs(folder)?;
    let bytes = |blocks| blocks as u64 * disk.fragment_size() as u64;
    Ok((bytes(disk.blocks_available()), bytes(disk.blocks())))
}

/// Major and minor number of a device number, which `MetadataExt` gives as `dev()` and `rdev()` (makedev(3)).
pub fn major_minor(device: u64) -> (u32, u32) {
    (libc::major(device), libc::minor(device))
}

/// What is in a file of the system's, as far as it is there and is text.
pub fn text(path: &str) -> String {
    /// Lists that block names may be long; what is the machine's own stands at their beginning.
    const MOST_BYTES: u64 = 64 * 1024;
    let mut bytes = Vec::new();
    _ = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    // The half of a name is another one.
    let whole_lines = bytes.iter().rposition(|byte| *byte == b'\n');
    bytes.truncate(whole_lines.unwrap_or(0));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_link_is_not_followed_and_what_is_there_is_not_new() {
        let folder = std::env::temp_dir().join(format!("fmp4streamer-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (file, link) = (folder.join("a"), folder.join("b"));
        open_own(&file, true).unwrap().write_all(b"a").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(
            open_own(&file, true).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        assert!(open_own(&link, false).is_err());
        let mut text = String::new();
        open_own(&file, false).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "a");
        sync_folder(&folder).unwrap();
        let (free, all) = room(&folder).unwrap();
        assert!(free <= all && all > 0);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_null_device_is_1_3() {
        let null = open_device(Path::new("/dev/null")).unwrap();
        assert_eq!(major_minor(null.metadata().unwrap().rdev()), (1, 3));
    }
}
