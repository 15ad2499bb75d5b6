//! How busy the machine is at this moment.

use super::process::processors;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// The kernel's count of threads that want a processor (proc(5), /proc/loadavg, the fourth field).
pub struct Load {
    /// None where it can't be opened.
    file: Option<File>,
    processors: usize,
}

impl Load {
    /// The count of this machine.
    pub fn new() -> Load {
        Load {
            file: File::open("/proc/loadavg").ok(),
            processors: processors(),
        }
    }

    /// True if more threads than there are processors want one, so that some have to wait. False if that can't be known.
    pub fn is_busy(&self) -> bool {
        let mut text = [0; 128];
        let read = self
            .file
            .as_ref()
            .and_then(|file| file.read_at(&mut text, 0).ok());
        let text = text.get(..read.unwrap_or(0)).unwrap_or_default();
        running(text).is_some_and(|running| running > self.processors)
    }
}

impl Default for Load {
    fn default() -> Load {
        Load::new()
    }
}

/// The running threads of a line such as "0.20 0.18 0.12 1/80 11206".
fn running(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line).ok()?;
    let (running, _) = line.split_ascii_whitespace().nth(3)?.split_once('/')?;
    running.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_field_is_read() {
        assert_eq!(running(b"0.20 0.18 0.12 1/80 11206\n"), Some(1));
        assert_eq!(running(b"12.20 0.18 0.12 13/80 11206\n"), Some(13));
        for line in [&b""[..], b"0.20 0.18", b"a b c d e", b"0 0 0 x/1 1", b"\xff"] {
            assert_eq!(running(line), None);
        }
    }

    #[test]
    fn it_can_be_read_again_and_again() {
        // This thread runs, so it is more than none.
        let load = Load {
            processors: 0,
            ..Load::new()
        };
        assert!((0..100).all(|_| load.is_busy()));
        let load = Load {
            processors: usize::MAX,
            ..Load::new()
        };
        assert!(!load.is_busy());
        let load = Load {
            file: None,
            processors: 0,
        };
        assert!(!load.is_busy());
    }
}
