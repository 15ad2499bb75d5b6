//! What std::fs leaves out: opening a device without waiting, a folder as a list, a file that is whole or not there, the two
//! halves of a device number.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
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

/// Major and minor number of a device number, which `MetadataExt` gives as `dev()` and `rdev()` (makedev(3)).
pub fn major_minor(device: u64) -> (u32, u32) {
    (libc::major(device), libc::minor(device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_null_device_is_1_3() {
        let null = open_device(Path::new("/dev/null")).unwrap();
        assert_eq!(major_minor(null.metadata().unwrap().rdev()), (1, 3));
    }
}
