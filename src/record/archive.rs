//! The folder of all recordings: a folder for each camera, with one for each day.

use super::file::{RecordingFile, date, repair};
use super::janitor::{Disk, Limits, Recording, superfluous};
use super::name::{Name, sort};
use crate::log_warning;
use crate::sys::clock;
use crate::sys::file::{entries, lock, open_own, room, sync_folder};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A crash leaves the newest file without its index, and the clock may have been set back since: the files of so many days are looked at, ...
const LOOKED_AT_DAYS: usize = 2;
/// ... and of those so many whose clock could not be believed, as a machine without one may begin with any day.
const LOOKED_AT_UNSYNCED: usize = 1000;
/// What is above the limits is deleted so often, and after each file.
pub(super) const TIDY_US: u64 = 60_000_000;
/// By their age recordings are deleted so often, a part of them each time, so that a clock that is wrong for once costs no more.
const AGE_US: u64 = 3600 * 1_000_000;
/// A file in the folder, without which it is none for recordings: where its disk is not mounted, they would fill the one below. Who
/// records holds a lock on it.
pub const MARKER: &str = ".fmp4streamer";

/// Makes the folder for recordings that is the program's own, with its marker. (Any other one somebody has to make, who knows its disk.)
///
/// # Errors
/// Those of mkdir(2) and open(2).
pub fn prepare(root: &Path) -> io::Result<()> {
    make_folder(root)?;
    match open_own(&root.join(MARKER), true) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// The recordings of all cameras, on one disk.
#[derive(Debug)]
pub struct Archive {
    root: PathBuf,
    limits: Mutex<Limits>,
    /// Those that are being recorded: camera and name. While it is held, nobody else tidies up.
    open: Mutex<Vec<(String, Name)>>,
    /// The marker of the folder that was entered.
    marker: Mutex<Option<File>>,
    /// When recordings were deleted by their age last (CLOCK_MONOTONIC).
    aged_us: AtomicU64,
    /// When somebody tidied up last; 0 if there is reason to do so at once.
    tidied_us: AtomicU64,
}

impl Archive {
    /// The recordings in this folder.
    pub fn new(root: PathBuf, limits: Limits) -> Archive {
        Archive {
            root,
            limits: Mutex::new(limits),
            open: Mutex::default(),
            marker: Mutex::default(),
            aged_us: AtomicU64::new(0),
            tidied_us: AtomicU64::new(0),
        }
    }

    /// Has other limits hold from now on.
    pub fn change_limits(&self, limits: Limits) {
        *own(&self.limits) = limits;
        self.tidied_us.store(0, Relaxed);
    }

    /// The folders that have to be open to the program for it: the one of the recordings, and the one in which its disk is mounted, which
    /// may happen later or once more.
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.root.clone()];
        let device = |path: &Path| fs::metadata(path).map(|about| about.dev()).ok();
        let is_mounted = self.root.join(MARKER).exists();
        for path in self.root.ancestors() {
            let (Some(here), Some(parent)) = (device(path), path.parent()) else {
                continue;
            };
            if !is_mounted || Some(here) != device(parent) {
                // All of the machine's files are too much.
                folders.extend(parent.parent().map(|_| parent.to_owned()));
                break;
            }
        }
        folders
    }

    /// Where a recording is.
    pub fn path(&self, camera: &str, name: Name) -> PathBuf {
        self.root.join(camera).join(name.to_string())
    }

    /// Sees to it that this is a folder for recordings, and that nobody else records into it.
    ///
    /// # Errors
    /// Those of open(2), with `NotFound` if its marker is not there; `WouldBlock` if somebody else has it.
    pub fn enter(&self) -> io::Result<()> {
        let path = self.root.join(MARKER);
        let mut marker = own(&self.marker);
        let is = |about: fs::Metadata| (about.dev(), about.ino());
        let known = marker.as_ref().and_then(|file| file.metadata().ok()).map(is);
        // Another disk may have been mounted there.
        if known != Some(is(fs::symlink_metadata(&path)?)) {
            *marker = None;
            let file = open_own(&path, false)?;
            lock(&file)?;
            *marker = Some(file);
        }
        Ok(())
    }

    /// Lets go of the folder, unless there is something open in it, so that its disk can be unmounted.
    pub fn leave(&self) {
        if own(&self.open).is_empty() {
            *own(&self.marker) = None;
        }
    }

    /// Where all of them are.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where those of a camera are, in folders by their days.
    pub(super) fn folder(&self, camera: &str) -> PathBuf {
        self.root.join(camera)
    }

    /// Deletes a recording, for good.
    ///
    /// # Errors
    /// Those of unlink(2) and fsync(2), with `NotFound` where there is none of that name; `ResourceBusy` if it is being recorded.
    pub fn delete(&self, camera: &str, name: Name) -> io::Result<()> {
        let open = own(&self.open);
        if open.iter().any(|(other, open)| other == camera && *open == name) {
            return Err(ErrorKind::ResourceBusy.into());
        }
        let camera = self.folder(camera);
        let path = camera.join(name.to_string());
        match path.parent() {
            Some(day) if is_folder(&camera) && is_folder(day) => {
                fs::remove_file(&path)?;
                // A day goes with its last recording.
                sync_folder(fs::remove_dir(day).map_or(day, |()| &camera))
            }
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    /// Has a new file made at the first free name from this one on, with the folders that it needs. It is open until
    /// [`closed`](Self::closed) is called.
    ///
    /// # Errors
    /// Those of mkdir(2) and fsync(2), and of `make`, but that there is such a file already.
    pub fn create(
        &self,
        camera: &str,
        mut name: Name,
        make: &dyn Fn(&Path) -> io::Result<RecordingFile>,
    ) -> io::Result<(Name, RecordingFile)> {
        let mut open = own(&self.open);
        let folder = self.root.join(camera);
        make_folder(&folder)?;
        loop {
            let path = folder.join(name.to_string());
            path.parent().map_or(Ok(()), make_folder)?;
            match (make(&path), name.next()) {
                (Err(e), Some(next)) if e.kind() == ErrorKind::AlreadyExists => name = next,
                (made, _) => {
                    let file = made?;
                    open.push((camera.into(), name));
                    return Ok((name, file));
                }
            }
        }
    }

    /// A file that was made is recorded no longer.
    pub fn closed(&self, camera: &str, name: Name) {
        own(&self.open).retain(|(other, open)| other != camera || *open != name);
        self.tidied_us.store(0, Relaxed);
    }

    /// Has the name of a file that is open say that something happened in it. Gives the name that it has now, which may be the old one:
    /// whoever writes the next picture tells why.
    pub fn mark(&self, camera: &str, name: Name) -> Name {
        let marked = self.move_to(camera, name, Name { event: true, ..name });
        marked.unwrap_or(name)
    }

    /// Gives a recording the first free name from that one on, and has it say that it begins at `wall_us`, as that name does. Gives
    /// where it is now.
    ///
    /// # Errors
    /// Those of [`date`], mkdir(2), rename(2) and fsync(2), and `AlreadyExists` if none is free.
    pub fn rename(&self, camera: &str, old: Name, new: Name, wall_us: u64) -> io::Result<PathBuf> {
        date(&self.path(camera, old), wall_us)?;
        let new = self.move_to(camera, old, new)?;
        Ok(self.path(camera, new))
    }

    /// Gives a recording the first free name from that one on; gives that.
    fn move_to(&self, camera: &str, old: Name, mut new: Name) -> io::Result<Name> {
        let mut open = own(&self.open);
        let from = self.path(camera, old);
        let mut to = self.path(camera, new);
        while fs::symlink_metadata(&to).is_ok() {
            new = new.next().ok_or(ErrorKind::AlreadyExists)?;
            to = self.path(camera, new);
        }
        let folders = [to.parent(), from.parent()];
        folders[0].map_or(Ok(()), make_folder)?;
        fs::rename(&from, &to)?;
        for (other, open) in &mut *open {
            if other == camera && *open == old {
                *open = new;
            }
        }
        // Without that, a crash may leave the old name, which is no reason to go on as if there were none.
        for folder in folders.into_iter().flatten() {
            _ = sync_folder(folder);
        }
        _ = folders[1].map(fs::remove_dir);
        Ok(new)
    }

    /// Gives the newest files of a camera their index, if a crash left them without. None of them may be open. Gives those that have
    /// one now.
    ///
    /// # Errors
    /// Those of [`repair`]: the first one, after all were looked at.
    pub fn repair(&self, camera: &str) -> io::Result<Vec<PathBuf>> {
        let folder = self.root.join(camera);
        let mut names = Vec::new();
        names_in(&folder, &mut |name, _| names.push(name));
        sort(&mut names);
        let (mut repaired, mut result) = (Vec::new(), Ok(()));
        let (mut day, mut days, mut unsynced) = (u64::MAX, 0, 0);
        for name in names.into_iter().rev() {
            let is_near = if name.synced {
                days += usize::from(mem::replace(&mut day, name.day()) != name.day());
                days <= LOOKED_AT_DAYS
            } else {
                unsynced += 1;
                unsynced <= LOOKED_AT_UNSYNCED
            };
            if !is_near {
                continue;
            }
            let path = folder.join(name.to_string());
            match repair(&path) {
                Ok(true) => repaired.push(path),
                Ok(false) => {}
                Err(e) => result = result.and(Err(e)),
            }
        }
        result.map(|()| repaired)
    }

    /// Tidies up, unless somebody did so a minute ago and there was no reason since; see [`tidy`](Self::tidy).
    ///
    /// # Errors
    /// Those of [`tidy`](Self::tidy). The next one who asks has it done again.
    pub fn keep_tidy(&self, now_us: u64, now_s: Option<u64>) -> io::Result<()> {
        let tidied_us = self.tidied_us.load(Relaxed);
        if tidied_us == 0 || now_us >= tidied_us + TIDY_US {
            // A file that ends meanwhile is a reason again.
            self.tidied_us.store(now_us, Relaxed);
            if let Err(e) = self.tidy(now_s, false) {
                self.tidied_us.store(0, Relaxed);
                return Err(e);
            }
        }
        Ok(())
    }

    /// Deletes what is above the limits, and by its age only once an hour; `now_s` is Unix time in seconds where the clock can be
    /// believed. If the disk `is_full`, a hundredth of it is to be free at least. Gives how many went. Of what can't be deleted the log
    /// tells.
    ///
    /// # Errors
    /// Those of statvfs(3). `StorageFull` if others fill the disk so far that what is recorded would be deleted as soon as it ends.
    pub fn tidy(&self, now_s: Option<u64>, is_full: bool) -> io::Result<usize> {
        let open = own(&self.open);
        let mut limits = *own(&self.limits);
        limits.keep_free = limits.keep_free.max(is_full.into());
        let now_us = clock::monotonic_us();
        let aged_us = self.aged_us.load(Relaxed);
        let now_s = now_s.filter(|_| aged_us == 0 || now_us >= aged_us + AGE_US);
        let (free, all) = room(&self.root)?;
        let cameras = entries(&self.root);
        let mut recordings = Vec::new();
        for (number, camera) in cameras.iter().enumerate() {
            let is_it = |(name, _): &&(String, Name)| last_of(camera) == name;
            names_in(camera, &mut |name, bytes| {
                recordings.push(Recording {
                    camera: number,
                    name,
                    bytes,
                    is_open: open.iter().filter(is_it).any(|(_, open)| *open == name),
                });
            });
        }
        let numbers = superfluous(&recordings, &limits, Disk { free, all }, now_s);
        if now_s.is_some() && !numbers.is_empty() {
            self.aged_us.store(now_us, Relaxed);
        }
        let (mut free, mut deleted) = (free, 0);
        for number in &numbers {
            let Recording {
                camera, name, bytes, ..
            } = recordings[*number];
            let path = cameras[camera].join(name.to_string());
            if let Err(e) = fs::remove_file(&path) {
                // Others may still make room.
                log_warning!("{}: can't be deleted: {e}", path.display());
                continue;
            }
            (free, deleted) = (free + bytes, deleted + 1);
            // A day goes with its last recording; one that has others, or what is not ours, stays.
            _ = path.parent().map(fs::remove_dir);
        }
        let open_bytes: u64 = recordings.iter().filter(|it| it.is_open).map(|it| it.bytes).sum();
        if free + open_bytes < all / 100 * limits.keep_free {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(deleted)
    }

    /// Does what fails for want of room once more, after the oldest recordings had to make some.
    ///
    /// # Errors
    /// Those of `act`, and of [`tidy`](Self::tidy).
    pub fn with_room(&self, act: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        match act() {
            Err(e) if e.kind() == ErrorKind::StorageFull => {
                self.tidy(None, true)?;
                act()
            }
            done => done,
        }
    }
}

/// What is wrong, and the way out.
pub fn why(e: &io::Error) -> String {
    let known = match e.kind() {
        ErrorKind::StorageFull => {
            "the disk is full, or record_keep_free percent of it are not free, and there is nothing older to delete: make room"
        }
        ErrorKind::QuotaExceeded => "the quota of the disk is used up",
        ErrorKind::ReadOnlyFilesystem => {
            "the disk is read-only (dmesg says why), or closed to the service (ReadWritePaths= in its unit)"
        }
        ErrorKind::NotFound => {
            "record_dir has no file .fmp4streamer: is its disk mounted? A new folder needs one (mkdir, then touch)"
        }
        ErrorKind::NotADirectory => "record_dir is no folder, or a camera's or a day's in it is none",
        ErrorKind::WouldBlock => "another program records into record_dir",
        ErrorKind::PermissionDenied => {
            "record_dir may not be written: it has to belong to the program's user (chown). A disk that is mounted directly below / has \
             to be mounted before the program starts"
        }
        _ => return e.to_string(),
    };
    known.into()
}

fn own<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a folder, if it is not there; the one that it is in has to be.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        // What a link leads to would not be among the recordings.
        Err(e) if e.kind() == ErrorKind::AlreadyExists && !is_folder(folder) => {
            Err(ErrorKind::NotADirectory.into())
        }
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| folder.parent().map_or(Ok(()), sync_folder)),
    }
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
}

/// What a path ends with; nothing, if that is no text.
pub(super) fn last_of(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    name.unwrap_or_default()
}

/// The names and sizes of a camera's recordings. What is a link, or has another name, is none.
fn names_in(camera: &Path, found: &mut dyn FnMut(Name, u64)) {
    if !is_folder(camera) {
        return;
    }
    for day in entries(camera).iter().filter(|day| is_folder(day)) {
        for file in entries(day) {
            let Some(name) = Name::parse(&format!("{}/{}", last_of(day), last_of(&file))) else {
                continue;
            };
            if let Some(about) = fs::symlink_metadata(&file).ok().filter(fs::Metadata::is_file) {
                found(name, about.len());
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/archive.rs"]
mod tests;
