//! What was recorded between two times, across files: which parts of them it is, from key frame to key frame, as one movie.

use super::archive::Archive;
use super::file::begin_of_fragment;
use super::library::{days, look_into, of_day, open};
use super::name::Name;
use crate::format::fmp4::{About, Index, Movie, forget_durations, shift};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// A file's place among others is that of its day by local time, which is so far from UTC at most, and a day long.
const NEAR_S: u64 = 2 * 86_400;
/// What is missing between two files is left out, but for so much: the sound of one ends behind its picture.
const GAP_90K: u64 = 9000;

/// A part of a recording.
#[derive(Debug)]
pub struct Part {
    /// Of which one.
    pub name: Name,
    /// Where it begins there.
    pub at: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// What a camera recorded in some time.
#[derive(Debug, Default)]
pub struct Cut {
    /// When its first picture was captured: Unix time in microseconds, as the clock then was.
    pub start_us: u64,
    /// One after the other: what stands behind the movie's head.
    pub parts: Vec<Part>,
    /// ftyp and moov of its files, without durations.
    init: Vec<u8>,
    movie: Movie,
    /// Of which run the last part is, and where it ends: in the media time of the run, and in the movie.
    end: Option<(u64, u64, u64)>,
}

impl Cut {
    /// Finds what the camera recorded between these Unix times in milliseconds: all groups of pictures that have to do with it, up to where the
    /// pictures are coded in another way. There may be nothing.
    pub fn find(archive: &Archive, camera: &str, from_ms: u64, to_ms: u64) -> Cut {
        let mut cut = Cut::default();
        for name in names(archive, camera, from_ms / 1000, to_ms.div_ceil(1000)) {
            // A file that can't be read, or is deleted meanwhile, is left out.
            if cut.add(archive, camera, name, from_ms * 1000, to_ms * 1000).ok() == Some(false) {
                break;
            }
        }
        cut
    }

    /// A time-lapse of a day: the first key frame of every so many seconds, up to where the pictures are coded in another way.
    pub fn lapse(archive: &Archive, camera: &str, day: &str, step_s: u64) -> Cut {
        let (mut cut, mut next_us) = (Cut::default(), 0);
        for name in of_day(archive, camera, day) {
            let added = cut.add_pictures(archive, camera, name, step_s * 1_000_000, &mut next_us);
            if added.ok() == Some(false) {
                break;
            }
        }
        cut
    }

    /// Adds one picture of each step, from that time on, out of a file; false if its pictures are coded in another way.
    fn add_pictures(
        &mut self,
        archive: &Archive,
        camera: &str,
        name: Name,
        step_us: u64,
        next_us: &mut u64,
    ) -> io::Result<bool> {
        let Some((file, about, index)) = self.open(archive, camera, name)? else {
            return Ok(false);
        };
        let (mut at, mut wall_us) = (about.head_bytes as u64, about.wall_us);
        for (bytes, group_90k) in index.groups() {
            if wall_us >= *next_us {
                let begin = begin_of_fragment(&file, at, bytes.into())?;
                let picture = self.movie.add_picture(&begin);
                let (offset, bytes) = picture.ok_or(ErrorKind::InvalidData)?;
                if self.parts.is_empty() {
                    self.start_us = wall_us;
                }
                let at = at + offset;
                self.parts.push(Part { name, at, bytes });
                *next_us = (wall_us / step_us + 1).saturating_mul(step_us);
            }
            at += u64::from(bytes);
            wall_us = wall_us.saturating_add(group_90k.saturating_mul(100) / 9);
        }
        Ok(true)
    }

    /// Opens a file; `None` if its pictures are coded in another way.
    fn open(
        &mut self,
        archive: &Archive,
        camera: &str,
        name: Name,
    ) -> io::Result<Option<(File, About, Index)>> {
        let file = open(archive, camera, name)?;
        let (about, index) = look_into(&file)?;
        let mut init = vec![0; about.init_bytes];
        file.read_exact_at(&mut init, 0)?;
        forget_durations(&mut init);
        if self.parts.is_empty() {
            self.init = init;
        } else if self.init != init {
            return Ok(None);
        }
        Ok(Some((file, about, index)))
    }

    /// Adds what belongs to it of a file; false if its pictures are coded in another way.
    fn add(
        &mut self,
        archive: &Archive,
        camera: &str,
        name: Name,
        from_us: u64,
        to_us: u64,
    ) -> io::Result<bool> {
        let Some((file, about, index)) = self.open(archive, camera, name)? else {
            return Ok(false);
        };
        let (mut next_at, mut time_90k) = (about.head_bytes as u64, index.begin_90k());
        let mut wall_us = about.wall_us;
        // Where what belongs to it begins, and where it ends.
        let (mut begin, mut end) = (None, (0, 0));
        for (bytes, group_90k) in index.groups() {
            let group = (next_at, time_90k, wall_us);
            next_at += u64::from(bytes);
            time_90k = time_90k.saturating_add(group_90k);
            wall_us = about
                .wall_us
                .saturating_add((time_90k - index.begin_90k()).saturating_mul(100) / 9);
            if wall_us > from_us && group.2 < to_us {
                begin.get_or_insert(group);
                end = (next_at, time_90k);
            }
        }
        let Some((begin_at, begin_90k, begin_us)) = begin else {
            return Ok(true);
        };
        let media_90k = |time_90k: u64| about.media_90k.saturating_add(time_90k);
        let zero_90k = match self.end {
            None => {
                self.start_us = begin_us;
                0
            }
            // The same pictures went on, or nearly so: what there is of time between them is kept.
            Some((run, media, end))
                if run == about.run && media_90k(begin_90k).abs_diff(media) <= GAP_90K =>
            {
                media_90k(begin_90k).saturating_add(end).saturating_sub(media)
            }
            Some((_, _, end)) => end.saturating_add(GAP_90K),
        };
        let (moved_90k, moved_at) = ((zero_90k as i64).wrapping_sub(begin_90k as i64), self.bytes());
        let moved = shift(&self.init, moved_90k);
        let mut found = Index::default();
        let mut part = Part {
            name,
            at: begin_at,
            bytes: 0,
        };
        // If not all of it can be read, the movie has what could be.
        while let Ok(begin) = begin_of_fragment(&file, part.at + part.bytes, end.0 - part.at - part.bytes) {
            let Some(bytes) = found.add(&begin, end.0 - part.at - part.bytes) else {
                break;
            };
            self.movie.add(&begin, moved_at + part.bytes, moved);
            part.bytes += bytes;
        }
        if part.bytes > 0 {
            self.parts.push(part);
            self.end = Some((
                about.run,
                media_90k(end.1),
                end.1.saturating_add_signed(moved_90k),
            ));
        }
        Ok(true)
    }

    /// Bytes of its parts.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// What stands before them, with the tables of all samples.
    pub fn head(&self) -> Vec<u8> {
        self.movie.head(&self.init, self.bytes())
    }
}

/// Names of the recordings in which there may be something of that time, in their order.
fn names(archive: &Archive, camera: &str, from_s: u64, to_s: u64) -> Vec<Name> {
    let mut names = Vec::new();
    for day in days(archive, camera) {
        let begin_s = Name::parse(&day, "00-00-00+0000.mp4").map_or(0, |name| name.start_s);
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

#[cfg(test)]
#[path = "tests/cut.rs"]
mod tests;
