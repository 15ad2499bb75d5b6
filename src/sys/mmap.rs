//! Memory that a driver shares with us.

use nix::errno::Errno;
use nix::sys::mman::{self, MapFlags, ProtFlags};
use std::fs::File;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

/// A driver's buffer in our address space, unmapped on drop.
pub struct Mapping {
    start: NonNull<libc::c_void>,
    bytes: usize,
}

impl Mapping {
    /// Maps `bytes` of `file` at `offset`, shared with the driver.
    ///
    /// It is mapped for reading and writing: the V4L2 documentation of mmap() asks for both in either
    /// direction.
    ///
    /// # Errors
    /// Those of mmap(2); EINVAL for an empty buffer, EOVERFLOW for an offset that this machine can't
    /// express.
    pub fn new(file: &File, bytes: usize, offset: u64) -> Result<Mapping, Errno> {
        let length = NonZeroUsize::new(bytes).ok_or(Errno::EINVAL)?;
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel picks an address that nothing else uses (no MAP_FIXED).
        let start = unsafe { mman::mmap(None, length, protection, MapFlags::MAP_SHARED, file, offset) }?;
        Ok(Mapping { start, bytes })
    }

    /// The memory.
    ///
    /// # Safety
    /// Nobody, the driver included, may write to it while the slice lives: the buffer must be in our hands.
    pub unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: `start` is mapped for `bytes` until drop, and the caller vouches that nobody writes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.bytes) }
    }

    /// The memory, to write to.
    ///
    /// # Safety
    /// Nobody, the driver included, may read or write it while the slice lives: the buffer must be in our hands, and no
    /// other slice of it there.
    pub unsafe fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `start` is mapped for `bytes` until drop, and the caller vouches that nobody else is at it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.bytes) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this, and no slice of it outlives `self`.
        // munmap fails only for arguments that are not a mapping's.
        let _ = unsafe { mman::munmap(self.start, self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_file_from_its_offset() {
        let path = std::env::temp_dir().join(format!("fmp4streamer-mmap-{}", std::process::id()));
        let mut content = vec![7; 64 * 1024];
        content.extend_from_slice(b"frame");
        std::fs::write(&path, content).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mapping = Mapping::new(&file, 5, 64 * 1024).unwrap();
        // SAFETY: nobody else has the file.
        assert_eq!(unsafe { mapping.bytes() }, b"frame");
    }

    #[test]
    fn refuses_an_empty_buffer() {
        let file = File::open("/dev/zero").unwrap();
        assert_eq!(Mapping::new(&file, 0, 0).err(), Some(Errno::EINVAL));
    }
}
