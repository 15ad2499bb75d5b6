//! What was recorded, for who looks back. Nothing but files of such names in such folders is ever opened, and no link is followed.

use super::archive::Archive;
use super::file::{begin, begin_of_fragment};
use super::name::Name;
use crate::format::fmp4::{About, Index, about};
use crate::sys::file::{entries, open_below};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The days of which this camera has folders, the oldest first.
pub fn days(archive: &Archive, camera: &str) -> Vec<String> {
    let mut days = Vec::new();
    for path in entries(&archive.folder(camera)) {
        let day = last_of(&path);
        if is_day(day) {
            days.push(day.to_owned());
        }
    }
    days.sort_unstable();
    days
}

fn last_of(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    name.unwrap_or_default()
}

/// True if it is the name of a day's folder.
fn is_day(folder: &str) -> bool {
    Name::parse(folder, "12-00-00+0000.mp4").is_some()
}

/// The names of what a camera recorded on that day, by time.
pub fn of_day(archive: &Archive, camera: &str, day: &str) -> Vec<Name> {
    let mut names = Vec::new();
    // What comes from a client is a day before it is a path.
    if is_day(day) {
        for path in entries(&archive.folder(camera).join(day)) {
            names.extend(Name::parse(day, last_of(&path)));
        }
    }
    names.sort_unstable_by_key(|name| (name.start_s, name.copy));
    names
}

/// Opens a recording to read.
///
/// # Errors
/// Those of open(2), with `NotFound` where there is no such file.
pub fn open(archive: &Archive, camera: &str, name: Name) -> io::Result<File> {
    let name = name.to_string();
    let (day, file) = name.split_once('/').unwrap_or_default();
    open_below(archive.root(), &[camera, day, file])
}

/// What a recording says of itself, and where its groups of pictures are: by its index, or, while it has none, by its fragments.
///
/// # Errors
/// Those of read(2), and `InvalidData` if it is none.
pub fn look_into(file: &File) -> io::Result<(About, Index)> {
    let mut about = about(&begin(file)?).ok_or(ErrorKind::InvalidData)?;
    if let Some(index) = about.index.take() {
        return Ok((about, index));
    }
    let size = file.metadata()?.len();
    let (mut index, mut end) = (Index::default(), about.head_bytes as u64);
    loop {
        let rest = size.saturating_sub(end);
        match index.add(&begin_of_fragment(file, end, rest)?, rest) {
            Some(whole) => end += whole,
            None => return Ok((about, index)),
        }
    }
}
