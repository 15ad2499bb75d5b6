//! What this process takes of the machine (proc(5)).

use super::file::entries;
use std::fs;
use std::path::Path;

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

#[cfg(test)]
mod tests {
    use super::own;
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
}
