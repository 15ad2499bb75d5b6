//! What was recorded between two times, across files: which parts of them it is, from key frame to key frame, as one movie.

use super::archive::Archive;
use super::file::begin_of_box;
use super::library::{heads_of, look_into, open};
use super::name::Name;
use crate::format::fmp4::{About, Heads, Index, Movie, forget_durations, fragment_bytes, shift};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

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

/// A file, its size, what it says of itself, and where its groups of pictures are.
type Opened = (File, u64, About, Index);

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
    /// What is in the recordings of these names between two times, in Unix time in microseconds: all groups of pictures that have to do with
    /// it; or, of every `step_s` seconds, where that is not 0, the first key frame alone. It ends where the pictures are coded in another way.
    /// There may be nothing.
    pub fn make(archive: &Archive, camera: &str, names: &[Name], times_us: (u64, u64), step_s: u64) -> Cut {
        let (mut cut, mut next_us) = (Cut::default(), times_us.0);
        for (n, name) in names.iter().enumerate() {
            // A picture that is wanted next is in the next one, or later. (Its name says no more than the second.)
            let next = names.get(n + 1).filter(|_| step_s > 0);
            if next.is_some_and(|next| (next.start_s + 1) * 1_000_000 <= next_us) {
                continue;
            }
            // A file that can't be read, or is deleted meanwhile, is left out.
            _ = match cut.open(archive, camera, *name) {
                Ok(None) => break,
                Ok(Some(opened)) if step_s == 0 => cut.add(*name, &opened, times_us),
                Ok(Some(opened)) => {
                    cut.add_pictures(*name, &opened, step_s * 1_000_000, &mut next_us, times_us.1)
                }
                Err(e) => Err(e),
            };
        }
        cut
    }

    /// Adds one picture of each step, from that time on up to another one, out of a file.
    fn add_pictures(
        &mut self,
        name: Name,
        (file, size, about, index): &Opened,
        step_us: u64,
        next_us: &mut u64,
        to_us: u64,
    ) -> io::Result<()> {
        let (mut at, mut wall_us) = (about.head_bytes as u64, about.wall_us);
        for (bytes, group_90k) in index.groups() {
            if wall_us >= *next_us && wall_us < to_us {
                // It may have been cut short.
                let rest = size.saturating_sub(at).min(bytes.into());
                let begin = begin_of_box(file, at, rest)?;
                let picture = self.movie.add_picture(&begin, rest);
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
        Ok(())
    }

    /// Opens a file; `None` if its pictures are coded in another way.
    fn open(&mut self, archive: &Archive, camera: &str, name: Name) -> io::Result<Option<Opened>> {
        let (file, size) = open(archive, camera, name)?;
        let (about, index) = look_into(&file, size)?;
        let mut init = vec![0; about.init_bytes];
        file.read_exact_at(&mut init, 0)?;
        forget_durations(&mut init);
        if self.parts.is_empty() {
            self.init = init;
        } else if self.init != init {
            return Ok(None);
        }
        Ok(Some((file, size, about, index)))
    }

    /// Adds what belongs to it of a file.
    fn add(
        &mut self,
        name: Name,
        (file, size, about, index): &Opened,
        (from_us, to_us): (u64, u64),
    ) -> io::Result<()> {
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
            return Ok(());
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
        let mut part = Part {
            name,
            at: begin_at,
            bytes: 0,
        };
        let mut at = about.head_bytes as u64;
        // It may have been cut short.
        let end_at = end.0.min(*size);
        let room;
        let mut heads = match index.packed_heads() {
            [] => {
                room = heads_of(file, about).unwrap_or_default();
                Heads::find(&room)
            }
            packed => Heads::new(packed),
        };
        while part.at + part.bytes < end_at {
            let next_at = part.at + part.bytes;
            let most = |at: u64| end_at.saturating_sub(at);
            let packed = heads.read().filter(|_| at <= next_at);
            let packed = packed.and_then(|head| Some((head, fragment_bytes(head, most(at))?)));
            let read;
            let (head, bytes) = match packed {
                Some((_, bytes)) if at < next_at => {
                    at += bytes;
                    continue;
                }
                Some(packed) => packed,
                // There are no more, or not those of this file: the fragments have their own.
                None => {
                    heads = Heads::default();
                    read = begin_of_box(file, next_at, most(next_at)).unwrap_or_default();
                    // If not all of it can be read, the movie has what could be.
                    let Some(bytes) = fragment_bytes(&read, most(next_at)) else {
                        break;
                    };
                    (&*read, bytes)
                }
            };
            self.movie.add(head, moved_at + part.bytes, moved);
            part.bytes += bytes;
            at += bytes;
        }
        if part.bytes > 0 {
            self.parts.push(part);
            self.end = Some((
                about.run,
                media_90k(end.1),
                end.1.saturating_add_signed(moved_90k),
            ));
        }
        Ok(())
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

#[cfg(test)]
#[path = "tests/cut.rs"]
mod tests;
