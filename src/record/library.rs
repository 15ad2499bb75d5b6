//! What was recorded, for who looks back. Nothing but files of such names in such folders is ever opened, and no link is followed.

use super::archive::{Archive, last_of};
use super::file::{HEAD_BYTES, begin_of_box, begin_of_recording};
use super::name::{Name, sort};
use crate::format::fmp4::{About, Index};
use crate::format::time::unix_s;
use crate::sys::file::{entries, open_at, open_below};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// A file's place among others is that of its day by local time, which is so far from UTC at most, and a day long.
const NEAR_S: u64 = 2 * 86_400;

/// The days of which there are folders in one of these, the oldest first.
pub fn days(archive: &Archive, cameras: &[&str]) -> Vec<String> {
    let mut days: Vec<String> = Vec::new();
    for camera in cameras {
        for path in entries(&archive.folder(camera)) {
            let day = last_of(&path);
            if is_day(day) && days.iter().all(|known| known != day) {
                days.push(day.to_owned());
            }
        }
    }
    days.sort_unstable();
    days
}

/// True if it is the name of a day's folder.
pub fn is_day(folder: &str) -> bool {
    Name::parse(&format!("{folder}/12-00-00+0000.mp4")).is_some()
}

/// The names of what a camera recorded on that day, by time.
pub fn of_day(archive: &Archive, camera: &str, day: &str) -> Vec<Name> {
    let mut names = Vec::new();
    // What comes from a client is a day before it is a path.
    if is_day(day) {
        for path in entries(&archive.folder(camera).join(day)) {
            names.extend(Name::parse(&format!("{day}/{}", last_of(&path))));
        }
    }
    sort(&mut names);
    names
}

/// Names of the recordings in which there may be something of that time, in their order.
pub fn between(archive: &Archive, camera: &str, from_s: u64, to_s: u64) -> Vec<Name> {
    let mut names = Vec::new();
    for day in days(archive, &[camera]) {
        let begin_s = unix_s(&format!("{day}T00:00:00")).unwrap_or_default();
        if begin_s + NEAR_S > from_s && begin_s < to_s + NEAR_S {
            names.append(&mut of_day(archive, camera, &day));
        }
    }
    names.retain(|name| name.start_s < to_s);
    // The last one that began before may go on.
    let first = names.iter().rposition(|name| name.start_s < from_s);
    names.drain(..first.unwrap_or_default());
    names
}

/// Opens the folder of a day of which there are recordings.
///
/// # Errors
/// Those of open(2).
pub fn folder_of(archive: &Archive, camera: &str, day: &str) -> io::Result<File> {
    open_below(archive.root(), &[camera, day])
}

/// Opens a recording in the folder of its day, to read; gives its size, too.
///
/// # Errors
/// Those of open(2), with `NotFound` for what is no file.
pub fn open_in(folder: &File, name: Name) -> io::Result<(File, u64)> {
    let name = name.to_string();
    let (_, name) = name.split_once('/').unwrap_or_default();
    let file = open_at(folder, name)?;
    let about = file.metadata()?;
    let found = about.is_file().then_some((file, about.len()));
    found.ok_or(ErrorKind::NotFound.into())
}

/// The name that a recording has now, by one that it had: it gets another one when something happens in it.
pub fn current(archive: &Archive, camera: &str, name: Name) -> Name {
    let is_there = fs::symlink_metadata(archive.path(camera, name)).is_ok();
    Name {
        event: name.event || !is_there,
        ..name
    }
}

/// Opens a recording to read; gives its size, too.
///
/// # Errors
/// Those of open(2), with `NotFound` where there is no such file.
pub fn open(archive: &Archive, camera: &str, name: Name) -> io::Result<(File, u64)> {
    let name = current(archive, camera, name);
    let text = name.to_string();
    let (day, _) = text.split_once('/').unwrap_or_default();
    open_in(&folder_of(archive, camera, day)?, name)
}

/// What a recording of that size says of itself, and where its groups of pictures are: by its index, or, while it has none, by its
/// fragments.
///
/// # Errors
/// Those of read(2), and `InvalidData` if it is none.
pub fn look_into(file: &File, size: u64) -> io::Result<(About, Index)> {
    let (mut about, mut begin) = begin_of_recording(file, size)?.ok_or(ErrorKind::InvalidData)?;
    let mut end = about.head_bytes as u64;
    if let Some((index, bytes)) = Index::read(&begin) {
        let end = about.head_bytes.checked_add(bytes);
        about.head_bytes = end.ok_or(ErrorKind::InvalidData)?;
        return Ok((about, index));
    }
    let mut index = Index::default();
    while let Some(whole) = index.add(&begin, size.saturating_sub(end)) {
        end += whole;
        begin = begin_of_box(file, end, size.saturating_sub(end))?;
    }
    Ok((about, index))
}

/// The bytes in which the packed heads of a recording's fragments are to be found, if it has an index.
///
/// # Errors
/// Those of read(2).
pub fn heads_of(file: &File, about: &About) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (about.head_bytes - about.heads_at).min(HEAD_BYTES as usize)];
    file.read_exact_at(&mut bytes, about.heads_at as u64)?;
    Ok(bytes)
}
