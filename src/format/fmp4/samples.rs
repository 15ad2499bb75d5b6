//! Samples of both tracks on their way into one fragment of a file. A client is sent each frame in a fragment of its own; in a file a
//! fragment is a group of pictures, so that its index names each: FFmpeg leaves out all that the index does not name once it has
//! looked for a time.

use super::boxes::Writer;
use super::fragment::{DATA_OFFSET, Fragment, SAMPLE_DURATION, SAMPLE_SIZE, traf};
use super::init::{NON_SYNC_SAMPLE, SYNC_SAMPLE};
use super::sound::FRAME_SAMPLES;
use super::track::{SOUND_TRACK, VIDEO_TRACK};
use std::sync::Arc;

/// A fragment of a file ends once its samples have so many bytes.
const FRAGMENT_BYTES: usize = 1 << 20;
/// Else it ends before a key frame, if it is at least so long: a second, but for how unevenly pictures come.
const FRAGMENT_90K: u64 = 85_500;

const SAMPLE_FLAGS: u32 = 0x400;
/// Of a traf, up to what its trun says of its samples.
const TRAF_BYTES: usize = 64;
/// What a trun says of a frame: its duration, its size, its flags. Of sound, it says the sizes.
const VIDEO_FIELDS: usize = 3;

/// What there is of one track.
#[derive(Debug, Default)]
struct Gathered {
    /// In the track's timescale: the first sample, and where the last one ends.
    begin: u64,
    end: u64,
    fields: Vec<u32>,
    /// They are not copied: most of them are in the ring, too.
    fragments: Vec<Arc<Fragment>>,
    payload_bytes: usize,
}

/// The samples, with times that count from the file's zero.
#[derive(Debug, Default)]
pub struct Samples {
    video: Gathered,
    sound: Gathered,
}

impl Samples {
    /// Adds those of a fragment of the ring.
    pub fn add(&mut self, fragment: &Arc<Fragment>, base_90k: u64) {
        let time = fragment.time_from(base_90k);
        if !fragment.is_sound() {
            self.stretch(time);
        }
        let track = if fragment.is_sound() {
            &mut self.sound
        } else {
            &mut self.video
        };
        if track.fields.is_empty() {
            (track.begin, track.end) = (time, time);
        }
        if fragment.is_sound() {
            for size in fragment.frame_sizes().chunks_exact(4) {
                track
                    .fields
                    .extend(size.first_chunk().map(|size| u32::from_be_bytes(*size)));
                track.end += u64::from(FRAME_SAMPLES);
            }
        } else {
            let flags = if fragment.is_start() {
                SYNC_SAMPLE
            } else {
                NON_SYNC_SAMPLE
            };
            track
                .fields
                .extend([fragment.duration_90k, fragment.payload().len() as u32, flags]);
            track.end = time + u64::from(fragment.duration_90k);
        }
        track.fragments.push(Arc::clone(fragment));
        track.payload_bytes += fragment.payload().len();
    }

    /// Has the last frame last up to that time, at which the next one begins.
    fn stretch(&mut self, time: u64) {
        let longer = time.saturating_sub(self.video.end);
        let at = self.video.fields.len().checked_sub(VIDEO_FIELDS);
        if let Some(duration) = at.and_then(|at| self.video.fields.get_mut(at)) {
            *duration = duration.saturating_add(longer as u32);
            self.video.end += longer;
        }
    }

    /// True if the fragment of the file ends before this one of the ring. Its last frame lasts up to a picture that begins another.
    pub fn end_before(&mut self, fragment: &Fragment, base_90k: u64) -> bool {
        let time = fragment.time_from(base_90k);
        if fragment.is_sound() {
            // Sound has to go on where it ended.
            return !self.sound.fields.is_empty() && self.sound.end != time
                || self.payload_bytes() >= FRAGMENT_BYTES;
        }
        let may_end = self.duration_90k() >= FRAGMENT_90K || !self.begins_with_start();
        let is_new_group = fragment.is_start() && may_end;
        if is_new_group {
            self.stretch(time);
        }
        is_new_group || self.payload_bytes() >= FRAGMENT_BYTES
    }

    /// The time from the first frame to the end of the last one, in 1/90000 s.
    pub(super) fn duration_90k(&self) -> u64 {
        self.video.end - self.video.begin
    }

    /// True if a player can begin with it.
    fn begins_with_start(&self) -> bool {
        self.video.fields.get(VIDEO_FIELDS - 1) == Some(&SYNC_SAMPLE)
    }

    /// Bytes of the samples.
    pub fn payload_bytes(&self) -> usize {
        self.video.payload_bytes + self.sound.payload_bytes
    }

    /// The parts of the fragment, the first of which is its head.
    pub fn parts<'a>(&'a self, head: &'a [u8]) -> Vec<&'a [u8]> {
        let mut parts = vec![head];
        for track in [&self.video, &self.sound] {
            for fragment in &track.fragments {
                parts.push(fragment.payload());
            }
        }
        parts
    }

    /// The head of the fragment, behind which its payload stands: see [`Samples::parts`].
    pub fn head(&self, sequence: u32) -> Vec<u8> {
        let tracks = [
            (
                VIDEO_TRACK,
                &self.video,
                DATA_OFFSET | SAMPLE_DURATION | SAMPLE_SIZE | SAMPLE_FLAGS,
                VIDEO_FIELDS,
            ),
            (SOUND_TRACK, &self.sound, DATA_OFFSET | SAMPLE_SIZE, 1),
        ];
        let tracks = tracks.iter().filter(|(_, track, ..)| !track.fields.is_empty());
        let trafs: usize = tracks
            .clone()
            .map(|(_, track, ..)| TRAF_BYTES + 4 * track.fields.len())
            .sum();
        // Box and mfhd in front, and the header of the mdat behind.
        let head_bytes = 8 + 16 + trafs + 8;
        let mut w = Writer::with_capacity(head_bytes);
        let mut offset = head_bytes;
        w.boxed(b"moof", |w| {
            w.full_box(b"mfhd", 0, 0, |w| w.u32(sequence)); // 8.8.5
            for (id, track, flags, fields) in tracks {
                let mut trun = vec![(track.fields.len() / fields) as u32, offset as u32]; // sample_count, data_offset
                trun.extend_from_slice(&track.fields);
                traf(w, *id, track.begin, *flags, &trun);
                offset += track.payload_bytes;
            }
        });
        w.u32((8 + self.payload_bytes()) as u32);
        w.bytes(b"mdat");
        w.into_bytes()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Samples::default();
    }
}
