//! A program in a process group of its own, whose output shows where each of its writes ends.

use super::poll::{PollFd, PollFlags, events, poll};
use super::process::with_first_limit;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, pipe2};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::thread;
use std::time::{Duration, Instant};

/// After SIGTERM a command has this long to leave; then it is killed.
const GRACE: Duration = Duration::from_millis(200);
/// A killed process that is not gone by then sits in a driver, and nobody waits for it.
const KILLED: Duration = Duration::from_millis(50);
/// The time between two looks for the end of a process.
const LOOK: Duration = Duration::from_millis(2);
/// The size that a pipe should have, in bytes: a large key frame, so that its writer is not held up. Unprivileged
/// processes get as much by default (pipe(7), /proc/sys/fs/pipe-max-size).
const PIPE_BYTES: i32 = 1 << 20;
/// What the service manager tells this process alone (sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)): a command that
/// took it for its own would speak for us.
const OURS: [&str; 7] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
];

/// The result of one read of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeRead {
    /// Nothing now.
    Nothing,
    /// Bytes.
    Bytes {
        /// Their number; not 0.
        count: usize,
        /// They are certain to be the last that one `write()` gave; false if there may be more of it. None where the pipe does
        /// not show it.
        ends_write: Option<bool>,
    },
    /// All writers have closed it.
    End,
}

/// The reading end of a pipe in packet mode (pipe2(2), O_DIRECT): what one `write()` gave arrives in packets
/// of one page and a last one of the rest, and a read takes one packet. So a packet shorter than a page ends
/// a write, however late it is read. The mode belongs to the writing end, so it goes through fork, dup and
/// exec with it, but not through a new open() of /dev/stdout, and splice(2) goes around it. Such a pipe shows
/// itself by longer reads.
pub struct Packets {
    file: File,
    /// The size by which the kernel splits: pages, whatever PIPE_BUF is (fs/pipe.c; a Raspberry Pi 5 has pages of 16
    /// KiB).
    page_bytes: usize,
    whole: bool,
}

impl Packets {
    /// The least size of a buffer for [`Packets::read`]: the rest of a packet that does not fit is
    /// lost.
    pub const MIN_READ_BYTES: usize = 128 << 10;

    fn new() -> io::Result<(Packets, OwnedFd)> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_DIRECT)?;
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // Less will do.
        let _ = fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        Ok((
            Packets {
                file: reader.into(),
                page_bytes: page_bytes(),
                whole: true,
            },
            writer,
        ))
    }

    /// Reads what is there, at most one packet. `buffer` has at least [`Packets::MIN_READ_BYTES`].
    ///
    /// # Errors
    /// The kernel's, and InvalidInput for a short buffer.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<PipeRead> {
        if buffer.len() < Packets::MIN_READ_BYTES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let chunk = read(&mut self.file, buffer)?;
        if let PipeRead::Bytes { count, .. } = chunk {
            self.whole &= count <= self.page_bytes;
            return Ok(PipeRead::Bytes {
                count,
                ends_write: self.whole.then_some(count < self.page_bytes),
            });
        }
        Ok(chunk)
    }
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn read(file: &mut File, buffer: &mut [u8]) -> io::Result<PipeRead> {
    loop {
        return match file.read(buffer) {
            Ok(0) => Ok(PipeRead::End),
            Ok(count) => Ok(PipeRead::Bytes {
                count,
                ends_write: None,
            }),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(PipeRead::Nothing),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => Err(e),
        };
    }
}

fn page_bytes() -> usize {
    // SAFETY: takes a number, gives a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

/// The end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(&'static str),
}

/// A running program. Dropping it ends the whole process group.
pub struct Command {
    /// Its standard output.
    pub stdout: Packets,
    /// Its standard error; [`Command::read_stderr`] reads it.
    stderr: File,
    /// The program's number too. It is not reaped before the drop, so that the number is nobody else's.
    group: Pid,
}

impl Command {
    /// Starts the program of that path with these arguments, as if this one had changed nothing: with nothing to read, no
    /// file of ours but its output pipes, no signal blocked or ignored, and the limit of open files that we were started with.
    /// These variables are added to its environment.
    ///
    /// # Errors
    /// The kernel's.
    pub fn start(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> io::Result<Command> {
        // By posix_spawn(3) itself: std::process makes the program 28 kB larger, and sets a signal mask only by unsafe
        // code between fork and exec (pre_exec).
        let (stdout, stdout_writer) = Packets::new()?;
        let (stderr, stderr_writer) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&stderr, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let nothing = File::open("/dev/null")?;
        let mut files = PosixSpawnFileActions::init()?;
        let ends = [
            nothing.as_raw_fd(),
            stdout_writer.as_raw_fd(),
            stderr_writer.as_raw_fd(),
        ];
        for (number, end) in ends.into_iter().enumerate() {
            files.add_dup2(end, number as i32)?;
        }
        // The mask goes through exec, and this program blocks the very signal that is to end the command; so does what is
        // ignored: SIGPIPE by this program, others by who started it.
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(
            PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
        )?;
        attributes.set_pgroup(Pid::from_raw(0))?;
        attributes.set_sigmask(&SigSet::empty())?;
        attributes.set_sigdefault(&SigSet::all())?;
        let program = CString::new(program)?;
        let mut words = vec![program.clone()];
        for argument in arguments {
            words.push(CString::new(*argument)?);
        }
        let environment: Vec<CString> = std::env::vars_os()
            .filter(|(name, _)| !OURS.iter().any(|ours| name == ours))
            .filter(|(name, _)| !variables.iter().any(|(ours, _)| name == ours))
            .chain(variables.iter().map(|(name, value)| (name.into(), value.into())))
            .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
            .collect();
        let path = program.as_c_str();
        let group = with_first_limit(|| posix_spawn(path, &files, &attributes, &words, &environment))?;
        Ok(Command {
            stdout,
            stderr: stderr.into(),
            group,
        })
    }

    /// The standard error, to wait for.
    pub fn stderr(&self) -> BorrowedFd<'_> {
        self.stderr.as_fd()
    }

    /// Reads what is there of the standard error.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read_stderr(&mut self, buffer: &mut [u8]) -> io::Result<PipeRead> {
        read(&mut self.stderr, buffer)
    }

    /// The process group's number, which is the program's too.
    pub fn group(&self) -> i32 {
        self.group.as_raw()
    }

    /// Waits at most `limit` for the program's end, and gives it.
    pub fn exit(&self, limit: Duration) -> Option<Exit> {
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        within(limit, || match waitid(Id::Pid(self.group), peek) {
            Ok(WaitStatus::Exited(_, status)) => Some(Exit::Status(status)),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(Exit::Signal(signal.as_str())),
            _ => None,
        })
    }

    /// No process has its output open any more, and the program has ended.
    fn is_gone(&self) -> bool {
        let mut ends =
            [self.stdout.as_fd(), self.stderr.as_fd()].map(|end| PollFd::new(end, PollFlags::empty()));
        let polled = poll(&mut ends, Some(Duration::ZERO));
        let hung_up = |end: &PollFd<'_>| events(end).contains(PollFlags::POLLHUP);
        polled.is_ok() && ends.iter().all(hung_up) && self.exit(Duration::ZERO).is_some()
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        let _ = killpg(self.group, Signal::SIGTERM);
        within(GRACE, || self.is_gone().then_some(()));
        // Whatever closed its output and stayed, too. It is not reaped yet, so the number is still the
        // group's.
        let _ = killpg(self.group, Signal::SIGKILL);
        within(KILLED, || self.is_gone().then_some(()));
        let group = self.group;
        if waitpid(group, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive) {
            let reaper = thread::Builder::new().name("reaper".into()).stack_size(64 << 10);
            // Boxed, it shares the code that makes the other threads.
            let reap: Box<dyn FnOnce() + Send> = Box::new(move || _ = waitpid(group, None));
            drop(reaper.spawn(reap));
        }
    }
}

/// Asks until there is an answer, but not for longer than `limit`.
fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read_all(packets: &mut Packets) -> Vec<(usize, Option<bool>)> {
        let mut buffer = vec![0; Packets::MIN_READ_BYTES];
        std::iter::from_fn(|| match packets.read(&mut buffer).unwrap() {
            PipeRead::Bytes { count, ends_write } => Some((count, ends_write)),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn a_packet_shorter_than_a_page_ends_a_write() {
        let (mut packets, writer) = Packets::new().unwrap();
        let (mut writer, page) = (File::from(writer), page_bytes());
        for count in [page + 9, 1, 2 * page, page - 1] {
            writer.write_all(&vec![7; count]).unwrap();
        }
        let full = (page, Some(false));
        assert_eq!(
            read_all(&mut packets),
            [
                full,
                (9, Some(true)),
                (1, Some(true)),
                full,
                full,
                (page - 1, Some(true))
            ]
        );
        assert_eq!(
            packets.read(&mut [0; 100]).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        drop(writer);
        assert_eq!(
            packets.read(&mut vec![0; Packets::MIN_READ_BYTES]).unwrap(),
            PipeRead::End
        );
    }

    #[test]
    fn a_pipe_that_was_opened_anew_has_no_packets() {
        let (mut packets, writer) = Packets::new().unwrap();
        let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
        let mut anew = File::options().write(true).open(path).unwrap();
        let count = page_bytes() + 9;
        anew.write_all(&vec![7; count]).unwrap();
        assert_eq!(read_all(&mut packets), [(count, None)]);
        anew.write_all(&[7]).unwrap();
        assert_eq!(read_all(&mut packets), [(1, None)]);
    }

    #[test]
    fn the_command_has_no_signal_blocked() {
        SigSet::all().thread_block().unwrap();
        // Read by the shell itself: it unblocks all for the programs that it starts.
        let script = "while read name value; do [ $name != SigBlk: ] || echo $value; done </proc/$$/status";
        let started = Command::start("/bin/sh", &["-c", script], &[]);
        SigSet::all().thread_unblock().unwrap();
        let mut command = started.unwrap();
        assert_eq!(command.exit(Duration::from_secs(60)), Some(Exit::Status(0)));
        let mut buffer = vec![0; Packets::MIN_READ_BYTES];
        let PipeRead::Bytes { count, .. } = command.stdout.read(&mut buffer).unwrap() else {
            panic!("nothing")
        };
        assert_eq!(
            String::from_utf8_lossy(&buffer[..count]).trim(),
            "0000000000000000"
        );
    }
}
