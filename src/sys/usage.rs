//! What this process takes of the machine (proc(5)).

use super::file::entries;
use nix::sys::mman::{MmapAdvise, madvise};
use std::ffi::{c_int, c_void};
use std::path::Path;
use std::ptr::NonNull;
use std::{fs, ptr, slice};

/// What a process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all its threads so far, in milliseconds.
    pub cpu_ms: u64,
    /// Memory that is in RAM.
    pub resident_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open files and sockets.
    pub open_files: u64,
}

/// That of this process; `None` where /proc is not there.
pub fn own() -> Option<Usage> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in brackets, may have spaces and brackets of its own.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<u64> = rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    // SAFETY: sysconf takes a number and gives one.
    let value = |name| unsafe { libc::sysconf(name) }.max(1) as u64;
    // The third field is the first behind the name: 14 and 15 are utime and stime, 20 the threads, 24 the pages.
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Usage {
        cpu_ms: (field(14)? + field(15)?) * 1000 / value(libc::_SC_CLK_TCK),
        resident_bytes: field(24)? * value(libc::_SC_PAGESIZE),
        threads: field(20)?,
        open_files: entries(Path::new("/proc/self/fd")).len() as u64,
    })
}

/// Lets the kernel have back the memory in which this program's code and constants are for this process. What is needed of
/// them is there again at the first use, from the kernel's cache of the file (madvise(2), MADV_DONTNEED).
pub fn release_code() {
    // SAFETY: `release` is called before this returns, and keeps nothing of what it is given.
    unsafe { libc::dl_iterate_phdr(Some(release), ptr::null_mut()) };
}

/// Releases the segments of an object that are never written to; not 0, so that it is asked for the first one alone, which
/// is the program (dl_iterate_phdr(3)).
extern "C" fn release(info: *mut libc::dl_phdr_info, _size: usize, _data: *mut c_void) -> c_int {
    // SAFETY: the C library has a whole one for us.
    let info = unsafe { &*info };
    // SAFETY: so many headers are there.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        // SAFETY: sysconf takes a number and gives one.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(1) as usize;
        // As wide as they are in each of the two forms of headers.
        let address = (info.dlpi_addr + header.p_vaddr) as usize;
        let before = address % page;
        let length = header.p_memsz as usize + before;
        if let Some(start) = NonNull::new(ptr::with_exposed_provenance_mut(address - before)) {
            // SAFETY: its pages are those of the file, as nobody can write to them; they are read from it again.
            _ = unsafe { madvise(start, length, MmapAdvise::MADV_DONTNEED) };
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::{own, release_code};
    use std::fs::File;

    #[test]
    fn it_is_told_what_it_takes() {
        let before = own().unwrap();
        assert!(
            before.resident_bytes > 100_000 && before.threads >= 1 && before.open_files >= 3,
            "{before:?}"
        );
        let files: Vec<File> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
        let after = own().unwrap();
        assert!(after.open_files >= before.open_files + 25, "{before:?} {after:?}");
        assert!(after.cpu_ms >= before.cpu_ms);
        drop(files);
    }

    #[test]
    fn code_is_there_again_when_it_is_needed() {
        release_code();
        // Others of these tests run at the same time, so how much is back already is not known.
        assert!(own().is_some());
    }
}
