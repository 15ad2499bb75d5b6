//! A movie out of recordings: their fragments lie in its mdat, and tables in front of it lead to the samples in them. Every player takes it,
//! those too that look for no index of fragments.

use super::boxes::Writer;
use super::init::SYNC_SAMPLE;
use super::recording::{box_at, set_durations, u32_at, u64_at};
use super::sound::FRAME_SAMPLES;
use super::track::{TIMESCALE, VIDEO_TRACK};

/// What is added to the times of the video and of the sound, each in its own timescale, in a file that begins with these bytes.
pub fn shift(init: &[u8], video_90k: i64) -> [i64; 2] {
    let sound = video_90k.saturating_mul(last_timescale(init).into());
    [video_90k, sound.div_euclid(TIMESCALE.into())]
}

/// The timescale of the last track in these boxes: that of the sound, where there is any.
fn last_timescale(init: &[u8]) -> u32 {
    // What follows this box in its track is all our own, and of a fixed form.
    let at = init.windows(4).rposition(|kind| kind == b"mdhd");
    at.and_then(|at| u32_at(init, at + 24)).unwrap_or(TIMESCALE)
}

/// A track's part of a fragment: the track, counted from 0, and its time.
fn traf_at(moof: &[u8], at: usize) -> Option<(usize, u64, &[u8])> {
    let (_, size) = box_at(moof.get(at..)?).filter(|(kind, _)| *kind == b"traf")?;
    let traf = moof.get(at..at.checked_add(size)?)?;
    let time = u64_at(traf, 36)?;
    Some((usize::from(u32_at(traf, 20)? != VIDEO_TRACK), time, traf))
}

/// Where the first track's part is in a moof that `Samples` wrote.
const TRAFS_AT: usize = 24;

/// How long each picture of a time-lapse is shown: 25 a second.
const LAPSE_90K: u32 = TIMESCALE / 25;

/// The samples of a track.
#[derive(Debug, Default)]
struct Table {
    sizes: Vec<u32>,
    /// So many samples of that duration each.
    durations: Vec<(u32, u32)>,
    /// Where samples lie that follow each other, and how many.
    chunks: Vec<(u64, u32)>,
    /// The numbers of those that a player can begin with.
    starts: Vec<u32>,
    /// When the first one begins and the last one ends; where the last one ends among the bytes.
    begin: i64,
    end: i64,
    end_at: u64,
}

impl Table {
    fn add(&mut self, time: i64, duration: u32, size: u32, at: u64) {
        match self.durations.pop() {
            None => self.begin = time,
            // The one before lasts up to this one.
            Some((count, before)) if time != self.end => {
                let longer = i64::from(before).saturating_add(time.saturating_sub(self.end));
                if count > 1 {
                    self.durations.push((count - 1, before));
                }
                self.durations.push((1, longer.clamp(1, u32::MAX.into()) as u32));
            }
            Some(last) => self.durations.push(last),
        }
        match self.durations.last_mut() {
            Some((count, last)) if *last == duration => *count += 1,
            _ => self.durations.push((1, duration)),
        }
        if at != self.end_at || self.chunks.is_empty() {
            self.chunks.push((at, 0));
        }
        if let Some((_, count)) = self.chunks.last_mut() {
            *count += 1;
        }
        self.sizes.push(size);
        (self.end, self.end_at) = (time.saturating_add(duration.into()), at + u64::from(size));
    }

    /// What stands behind the description of the samples (8.6, 8.7).
    fn write(&self, w: &mut Writer, base: u64) {
        let table = |w: &mut Writer, kind, count: usize, body: &dyn Fn(&mut Writer)| {
            w.full_box(kind, 0, 0, |w| {
                w.u32(count as u32);
                body(w);
            });
        };
        table(w, b"stts", self.durations.len(), &|w| {
            for (count, duration) in &self.durations {
                w.u32(*count);
                w.u32(*duration);
            }
        });
        if !self.starts.is_empty() {
            table(w, b"stss", self.starts.len(), &|w| {
                self.starts.iter().for_each(|n| w.u32(*n))
            });
        }
        table(w, b"stsc", self.chunks.len(), &|w| {
            for (n, (_, count)) in self.chunks.iter().enumerate() {
                w.u32(n as u32 + 1); // first_chunk
                w.u32(*count);
                w.u32(1); // sample_description_index
            }
        });
        // A size for all of them would stand in front.
        table(w, b"stsz", 0, &|w| {
            w.u32(self.sizes.len() as u32);
            self.sizes.iter().for_each(|size| w.u32(*size));
        });
        table(w, b"co64", self.chunks.len(), &|w| {
            self.chunks.iter().for_each(|(at, _)| w.u64(base + at));
        });
    }
}

/// A movie with fragments in its mdat, as they stand in their files: its tables lead to the samples in them.
#[derive(Debug, Default)]
pub struct Movie {
    tables: [Table; 2],
}

impl Movie {
    /// Adds a fragment, which is there among the movie's bytes, with its times so much later. What begins before the movie's zero is left out.
    pub fn add(&mut self, moof: &[u8], moof_at: u64, shift: [i64; 2]) {
        let mut next = TRAFS_AT;
        while let Some((track, time, traf)) = traf_at(moof, next) {
            next += traf.len();
            let table = &mut self.tables[track];
            let mut time = (time as i64).saturating_add(shift[track]);
            let mut at = moof_at + u64::from(u32_at(traf, 60).unwrap_or_default());
            for sample in traf.get(64..).unwrap_or_default().chunks_exact([12, 4][track]) {
                let field = |at| u32_at(sample, at).unwrap_or_default();
                let (duration, size) = [(field(0), field(4)), (FRAME_SAMPLES, field(0))][track];
                if time >= 0 {
                    table.add(time, duration, size, at);
                    if track == 0 && field(8) == SYNC_SAMPLE {
                        table.starts.push(table.sizes.len() as u32);
                    }
                }
                time = time.saturating_add(duration.into());
                at += u64::from(size);
            }
        }
    }

    /// Adds the first picture of a fragment, of which so many bytes are there, behind the others, as one of a time-lapse. Gives where it is in
    /// the fragment, and its bytes; `None` if there is none, or not all of it.
    pub fn add_picture(&mut self, moof: &[u8], most: u64) -> Option<(u64, u64)> {
        // The video's part is the first one.
        let (_, _, traf) = traf_at(moof, TRAFS_AT).filter(|(track, ..)| *track == 0)?;
        let size = u32_at(traf, 68)?;
        let (offset, bytes) = (u64::from(u32_at(traf, 60)?), u64::from(size));
        if offset + bytes > most {
            return None;
        }
        let table = &mut self.tables[0];
        // All of them are key frames, for which there need be no table.
        table.add(table.end, LAPSE_90K, size, table.end_at);
        Some((offset, bytes))
    }

    /// All that stands before so many bytes of samples, made from the beginning of their file.
    pub fn head(&self, init: &[u8], payload_bytes: u64) -> Vec<u8> {
        let make = |base| {
            let mut w = Writer::with_capacity(init.len());
            self.rewrite(&mut w, init, base, &mut 0);
            w.u32(1); // The size follows.
            w.bytes(b"mdat");
            w.u64(16 + payload_bytes);
            w.into_bytes()
        };
        // Where the fragments begin changes none of the sizes.
        let mut head = make(make(0).len() as u64);
        let ends = [0, 1].map(|track: usize| (self.tables[track].end - self.tables[track].begin) as u64);
        set_durations(&mut head, 0, &ends, &mut 0);
        head
    }

    /// Copies these boxes, with tables in place of those that are empty and of the word that fragments follow.
    fn rewrite(&self, w: &mut Writer, boxes: &[u8], base: u64, track: &mut usize) {
        let mut rest = boxes;
        while let Some((kind, size)) = box_at(rest) {
            let Some((whole, after)) = rest.split_at_checked(size) else {
                return;
            };
            let table = &self.tables[(*track).min(1)];
            match kind {
                b"mvex" | b"stts" | b"stsc" | b"stsz" | b"stco" => {}
                b"trak" if table.sizes.is_empty() => *track += 1,
                b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => {
                    w.boxed(kind, |w| self.rewrite(w, &whole[8..], base, track));
                    *track += usize::from(kind == b"trak");
                }
                b"tkhd" => {
                    w.bytes(whole);
                    if table.begin > 0 {
                        delay(w, table, last_timescale(boxes));
                    }
                }
                b"stsd" => {
                    w.bytes(whole);
                    table.write(w, base);
                }
                _ => w.bytes(whole),
            }
            rest = after;
        }
    }
}

/// Has a track begin later than the movie (8.6.6).
fn delay(w: &mut Writer, table: &Table, timescale: u32) {
    let movie = |time: i64| (time.saturating_mul(TIMESCALE.into()) / i64::from(timescale.max(1))) as u32;
    w.boxed(b"edts", |w| {
        w.full_box(b"elst", 0, 0, |w| {
            // Each: segment_duration, media_time (none at first), media_rate
            for field in [
                2,
                movie(table.begin),
                u32::MAX,
                1 << 16,
                movie(table.end - table.begin),
                0,
                1 << 16,
            ] {
                w.u32(field);
            }
        });
    });
}

#[cfg(test)]
#[path = "tests/movie.rs"]
mod tests;
