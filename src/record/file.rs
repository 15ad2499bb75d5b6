//! A file that is being recorded: it gathers a group of pictures before it writes them, syncs them now and then, and gets its index at
//! the end. What a crash left is given one later.

use super::segment::SEGMENT_S;
use crate::format::fmp4::{
    About, EVENTS_AT, EVENTS_S, Extent, Fragment, Index, Origin, REFERENCE_BYTES, SYNCED_AT, Samples,
    WALL_AT, about, extent, head,
};
use crate::sys::file::{begin_writing, forget, open_own, sync, sync_folder};
use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A fragment is written once there was nothing written for so long, even if its group of pictures goes on.
const FRAGMENT_US: u64 = 4_000_000;
/// What was written is on the disk after so long. Each time, the disk has to write what it knows of its files, too, which wears a card
/// more than the video does.
const SYNC_US: u64 = 10_000_000;
/// Room for the index: for the most part, groups of pictures are a second long.
const INDEX_BYTES: usize = REFERENCE_BYTES * (SEGMENT_S as usize + 32);
/// The heads of a file, with its index, and of a fragment have no more, or they are not ours.
pub(super) const HEAD_BYTES: u64 = 128 << 10;
/// What a file says of itself stands in so many bytes. Its head may be longer: the room for its index and the heads of its fragments comes last.
pub(super) const ABOUT_BYTES: u64 = 8 << 10;
/// A fragment's head, or an index, has rarely more.
const GUESS_BYTES: u64 = 4 << 10;

/// A file that fragments are appended to.
#[derive(Debug)]
pub struct RecordingFile {
    file: File,
    head_bytes: usize,
    index: Index,
    /// What is to be written yet, and when there was something written before.
    samples: Samples,
    written_us: u64,
    written_bytes: u64,
    synced_us: u64,
    /// The number of the last fragment.
    sequence: u32,
    /// The time that is 0 in this file, and that of its first picture.
    base_90k: u64,
    since_90k: u64,
    /// Where its head has the times of events, and what it has there.
    events_at: u64,
    events: u64,
}

impl RecordingFile {
    /// Makes a new file for fragments from that picture on, with room for so many bytes of their heads. The origin's media time is filled in.
    ///
    /// # Errors
    /// Those of open(2), with `AlreadyExists` if there is such a file, write(2) and fsync(2).
    pub fn create(
        path: &Path,
        first: &Fragment,
        origin: Origin<'_>,
        heads_bytes: usize,
        now_us: u64,
    ) -> io::Result<RecordingFile> {
        let base_90k = first.zero_90k();
        let origin = Origin {
            media_90k: base_90k,
            epoch: first.epoch,
            ..origin
        };
        let head = head(&first.init, &origin, INDEX_BYTES + heads_bytes);
        let file = open_own(path, true)?;
        // Its name is on the disk no sooner than its head is.
        let written = file.write_all_at(&head, 0).and_then(|()| sync(&file));
        let written = written.and_then(|()| path.parent().map_or(Ok(()), sync_folder));
        written.inspect_err(|_| _ = fs::remove_file(path))?;
        Ok(RecordingFile {
            file,
            head_bytes: head.len(),
            index: Index::default(),
            samples: Samples::default(),
            written_us: now_us,
            written_bytes: head.len() as u64,
            synced_us: now_us,
            sequence: 0,
            base_90k,
            since_90k: first.time_90k,
            events_at: first.init.bytes(true).len() as u64 + EVENTS_AT,
            events: 0,
        })
    }

    /// Adds a fragment of the ring, and writes what it is no part of. Sound from before the first picture is left out.
    ///
    /// # Errors
    /// Those of write(2). It is not added then, and can be tried again.
    pub fn push(&mut self, fragment: &Arc<Fragment>, now_us: u64) -> io::Result<()> {
        if fragment.time_90k < self.since_90k {
            return Ok(());
        }
        if self.samples.end_before(fragment, self.base_90k) {
            self.write(now_us)?;
        }
        self.samples.add(fragment, self.base_90k);
        Ok(())
    }

    /// Notes that something happened at that time, for who looks back. It is on the disk with the next sync. What can't be written is
    /// tried again with the next picture, and who writes that tells why.
    pub fn mark(&mut self, time_90k: u64) {
        let part = time_90k.saturating_sub(self.since_90k) / (EVENTS_S * 90_000);
        let events = self.events | 1 << part.min(63);
        if events != self.events
            && self
                .file
                .write_all_at(&events.to_be_bytes(), self.events_at)
                .is_ok()
        {
            self.events = events;
        }
    }

    /// Bytes of the file, with those that wait.
    pub fn bytes(&self) -> u64 {
        self.written_bytes + self.samples.payload_bytes() as u64
    }

    /// Writes and syncs what is due by now.
    ///
    /// # Errors
    /// Those of write(2) and fdatasync(2). It can be tried again: nothing is lost or written twice.
    pub fn write_due(&mut self, now_us: u64) -> io::Result<()> {
        if now_us.saturating_sub(self.written_us) >= FRAGMENT_US {
            self.write(now_us)?;
        }
        if now_us.saturating_sub(self.synced_us) >= SYNC_US {
            sync(&self.file)?;
            forget(&self.file);
            self.synced_us = now_us;
        }
        Ok(())
    }

    /// Writes all that waits, as one fragment.
    fn write(&mut self, now_us: u64) -> io::Result<()> {
        if self.samples.payload_bytes() > 0 {
            let head = self.samples.head(self.sequence + 1);
            let parts = self.samples.parts(&head);
            let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let (mut rest, mut file) = (&mut slices[..], &self.file);
            file.seek(SeekFrom::Start(self.written_bytes))?;
            while !rest.is_empty() {
                match file.write_vectored(rest) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(written) => IoSlice::advance_slices(&mut rest, written),
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
            let bytes = (head.len() + self.samples.payload_bytes()) as u64;
            begin_writing(&self.file, self.written_bytes, bytes);
            self.index.add(&head, u64::MAX);
            self.samples.clear();
            self.sequence += 1;
            self.written_bytes += bytes;
        }
        self.written_us = now_us;
        Ok(())
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// Those of write(2). It can be tried again.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write(self.written_us)
    }

    /// Writes what waits, if there is room for it, and the index, which has room of its own. False if there is nothing in the file.
    ///
    /// # Errors
    /// Those of ftruncate(2), write(2) and fdatasync(2). Then the file is to be repaired.
    pub fn close(mut self) -> io::Result<bool> {
        _ = self.flush();
        if self.sequence == 0 {
            return Ok(false);
        }
        // Behind it there may be a part of what there was no room for.
        self.file.set_len(self.written_bytes)?;
        let mut head = vec![0; self.head_bytes];
        self.file.read_exact_at(&mut head, 0)?;
        finish(&self.file, &mut head, &self.index)?;
        Ok(true)
    }
}

/// Writes the index and the heads before it, and then what says that they are there, so that at no moment a crash leaves a file that
/// says so and has none.
fn finish(file: &File, head: &mut [u8], index: &Index) -> io::Result<()> {
    let Some(Range { start, end }) = index.close(head) else {
        return Ok(());
    };
    // A full disk that puts what is written again in another place may have room for the index alone. Readers then do without the heads.
    _ = file.write_all_at(&head[start..end], start as u64);
    file.write_all_at(&head[end..], end as u64)?;
    sync(file)?;
    file.write_all_at(&head[..start], 0)?;
    sync(file)?;
    forget(file);
    Ok(())
}

/// Gives a file that was left without an index one, and cuts off what is no whole fragment. One without a picture is removed; what is
/// no recording is left alone. True if it has an index that it had not.
///
/// # Errors
/// Those of open(2), read(2), write(2), ftruncate(2), unlink(2).
pub fn repair(path: &Path) -> io::Result<bool> {
    let file = open_own(path, false)?;
    let about = file.metadata()?;
    let size = if about.is_file() {
        about.len()
    } else {
        return Ok(false);
    };
    // Most have their index: for that, little is read.
    if begin_of_recording(&file, size)?.is_some_and(|(_, begin)| Index::read(&begin).is_some()) {
        return Ok(false);
    }
    let mut head = begin(&file, size, HEAD_BYTES)?;
    let head_bytes = match extent(&head) {
        Extent::Open(bytes) => bytes,
        Extent::Foreign if size == 0 => 0,
        _ => return Ok(false),
    };
    let size = size_without_zeros(&file, size)?;
    let (mut index, mut end) = (Index::default(), head_bytes as u64);
    loop {
        let rest = size.saturating_sub(end);
        let Some(whole) = index.add(&begin_of_box(&file, end, rest)?, rest) else {
            break;
        };
        end += whole;
    }
    if end == head_bytes as u64 {
        fs::remove_file(path)?;
        return Ok(false);
    }
    file.set_len(end)?;
    finish(&file, &mut head[..head_bytes], &index)?;
    Ok(true)
}

/// What a recording of that size says of itself, and the begin of what is behind it: of its index, or else of its first fragment. `None`
/// if it is none.
pub(super) fn begin_of_recording(file: &File, size: u64) -> io::Result<Option<(About, Vec<u8>)>> {
    let Some(about) = about(&begin(file, size, ABOUT_BYTES)?) else {
        return Ok(None);
    };
    let at = about.head_bytes as u64;
    let begin = begin_of_box(file, at, size.saturating_sub(at))?;
    Ok(Some((about, begin)))
}

/// Has a file say that it begins at that time, by a clock that could be believed.
///
/// # Errors
/// Those of open(2), read(2), write(2) and fdatasync(2), and `InvalidData` if it is no recording.
pub fn date(path: &Path, wall_us: u64) -> io::Result<()> {
    let file = open_own(path, false)?;
    let begin = begin(&file, file.metadata()?.len(), ABOUT_BYTES)?;
    let about = about(&begin).ok_or(ErrorKind::InvalidData)?;
    let at = about.init_bytes as u64;
    file.write_all_at(&wall_us.to_be_bytes(), at + WALL_AT)?;
    file.write_all_at(&[1], at + SYNCED_AT)?;
    sync(&file)
}

/// The first bytes of a file of that size: so many, if it has them.
pub(super) fn begin(file: &File, size: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut begin = vec![0; size.min(most) as usize];
    file.read_exact_at(&mut begin, 0)?;
    Ok(begin)
}

/// The box that begins at this place, with the 8 bytes behind it: of a fragment, all that stands before its payload. It is empty if these are
/// not all among the `rest` bytes that the file has from there on, or are more than any of ours has.
pub(super) fn begin_of_box(file: &File, at: u64, rest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = rest.min(GUESS_BYTES);
    loop {
        // To resize a vector is slow where code is to be small: byte by byte.
        let mut begin = vec![0; bytes as usize];
        file.read_exact_at(&mut begin, at)?;
        let Some(size) = begin.first_chunk() else {
            return Ok(begin);
        };
        bytes = u64::from(u32::from_be_bytes(*size)) + 8;
        if bytes > rest.min(HEAD_BYTES) {
            bytes = 0;
        }
        if bytes <= begin.len() as u64 {
            begin.truncate(bytes as usize);
            return Ok(begin);
        }
    }
}

/// The size of a file without zeros at its end: a disk may know the length of what was written and not have its bytes. Neither a NAL
/// unit nor an AAC frame ends with a zero.
fn size_without_zeros(file: &File, mut size: u64) -> io::Result<u64> {
    let mut block = [0; 4096];
    while size > 0 {
        let block = &mut block[..size.min(4096) as usize];
        file.read_exact_at(block, size - block.len() as u64)?;
        match block.iter().rposition(|byte| *byte != 0) {
            Some(last) => return Ok(size - (block.len() - 1 - last) as u64),
            None => size -= block.len() as u64,
        }
    }
    Ok(0)
}

#[cfg(test)]
#[path = "tests/file.rs"]
pub(super) mod tests;
