//! Notices that a device may have come or gone.

use crate::sys::Result;
use crate::sys::inotify::Folders;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Folders of the device folder in which udev makes symlinks, some time after the node itself.
const LINKS: [&str; 3] = ["v4l", "v4l/by-id", "v4l/by-path"];

/// A watch over the folders where device nodes and their symlinks come and go (inotify(7)).
///
/// It knows the folders that there were when it was made, and a folder that comes later is news: so make a new
/// one each time before looking for a device, and nothing is missed in between.
pub struct Watch(Folders);

impl Watch {
    /// Watches `dev` (/dev) with what udev has there, and the folder that holds `path`.
    ///
    /// # Errors
    /// The kernel's, such as EMFILE for too many of them (fs.inotify.max_user_instances).
    pub fn new(dev: &Path, path: Option<&Path>) -> Result<Watch> {
        // The kernel makes a node for root only; then udev changes its owner and renames symlinks into place: all of
        // it is news.
        let folders = Folders::new()?;
        folders.add(dev)?;
        for folder in LINKS.iter().map(|folder| dev.join(folder)) {
            // There is none without udev, or before the first camera.
            _ = folders.add(&folder);
        }
        if let Some(folder) = path.and_then(Path::parent) {
            _ = folders.add(folder);
        }
        Ok(Watch(folders))
    }

    /// True if there is news since this was last asked. It does not wait.
    pub fn take_news(&self) -> bool {
        self.0.take_news()
    }
}

impl AsFd for Watch {
    /// Readable when there is news.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_udev_does_is_news() {
        let dev = std::env::temp_dir().join(format!("fmp4streamer-watch-{}", std::process::id()));
        let (node, by_id) = (dev.join("video0"), dev.join("v4l/by-id"));
        fs::create_dir_all(&dev).unwrap();
        let watch = Watch::new(&dev, None).unwrap();
        assert!(!watch.take_news());
        File::create(&node).unwrap();
        assert!(watch.take_news(), "a node");
        assert!(!watch.take_news());
        fs::set_permissions(&node, Permissions::from_mode(0o600)).unwrap();
        assert!(watch.take_news(), "its permissions");
        fs::create_dir_all(&by_id).unwrap();
        assert!(watch.take_news(), "a folder");

        let watch = Watch::new(&dev, None).unwrap();
        std::os::unix::fs::symlink("../../video0", by_id.join(".tmp")).unwrap();
        watch.take_news();
        fs::rename(by_id.join(".tmp"), by_id.join("usb-camera")).unwrap();
        assert!(watch.take_news(), "a symlink");
        fs::remove_file(&node).unwrap();
        assert!(watch.take_news(), "what goes");

        let elsewhere = dev.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let watch = Watch::new(&dev, Some(&elsewhere.join("front"))).unwrap();
        File::create(elsewhere.join("front")).unwrap();
        assert!(watch.take_news(), "the folder of a path");
        fs::remove_dir_all(&dev).unwrap();
        assert!(Watch::new(&dev, None).is_err());
    }
}
