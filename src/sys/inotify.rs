//! Folders that are watched for files that come and go (inotify(7)).

use super::errno::Result;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// A watch over any number of folders.
pub struct Folders(Inotify);

impl Folders {
    /// A watch over no folder yet.
    ///
    /// # Errors
    /// The kernel's, such as EMFILE for too many of them (fs.inotify.max_user_instances).
    pub fn new() -> Result<Folders> {
        Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map(Folders)
    }

    /// Watches one more folder: files that are made there, moved in, removed, or get other permissions or owners.
    ///
    /// # Errors
    /// The kernel's: ENOENT if there is no such folder.
    pub fn add(&self, folder: &Path) -> Result<()> {
        let comes = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ATTRIB;
        self.0
            .add_watch(folder, comes | AddWatchFlags::IN_DELETE)
            .map(drop)
    }

    /// True if anything happened since this was last asked. It does not wait.
    pub fn take_news(&self) -> bool {
        self.0.read_events().is_ok_and(|events| !events.is_empty())
    }
}

impl AsFd for Folders {
    /// Readable when there is news.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
