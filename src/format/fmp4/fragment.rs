//! A frame, or some sound, as a movie fragment: moof and mdat.

use super::boxes::Writer;
use super::init::{Init, NON_SYNC_SAMPLE, SYNC_SAMPLE};
use super::sound::{FRAME_SAMPLES, SoundFrame};
use super::timeline::Span;
use super::track::{SOUND_TRACK, TIMESCALE, VIDEO_TRACK};
use crate::format::h264::{AccessUnit, Refresh};
use std::fmt;
use std::sync::Arc;

/// Bytes of a frame's moof.
pub const MOOF_BYTES: usize = 100;

/// Bytes before the frame's own: the moof and the header of the mdat.
pub const HEAD_BYTES: usize = MOOF_BYTES + 8;

/// Largest frame that is taken, with the lengths of its NAL units. The largest that H.264 allows at level 5.2
/// (3840x2160 at MinCR 2, Table A-1) is about 7 MB.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;

/// Bytes of a frame's trun behind its flags.
const TRUN_BYTES: usize = 20;

/// The places of a client's own numbers in the moof: mfhd's sequence_number, tfdt's baseMediaDecodeTime and trun's
/// sample_duration.
const SEQUENCE_AT: usize = 20;
const TIME_AT: usize = 60;
const DURATION_AT: usize = 92;
/// That of the sample sizes of sound.
const SIZES_AT: usize = 88;

/// One frame, or sound that goes with frames, written once and shared by all who send it.
#[derive(Debug)]
pub struct Fragment {
    /// Decoding can start here. Sound is no start.
    pub key: bool,
    /// What the frame is in a refresh, where there are no key frames.
    pub refresh: Refresh,
    /// Frames before it are missing, and it is no key frame: a refresh begins with it.
    pub after_loss: bool,
    /// Decode (and presentation) time on the ring's own clock, in 1/90000 s.
    pub time_90k: u64,
    /// Time up to the next frame, as far as it can be known, in 1/90000 s; at least 1.
    pub duration_90k: u32,
    /// Time of capture: CLOCK_MONOTONIC in microseconds.
    pub captured_us: u64,
    /// Grows with each sleep, loss and reopen of the source; frames of two epochs don't belong together.
    pub epoch: u32,
    /// The init segment that a player needs for this frame.
    pub init: Arc<Init>,
    /// The time of sound on the ring's own clock, in samples; a frame has none.
    sound: Option<u64>,
    /// moof and mdat.
    bytes: Box<[u8]>,
}

impl Fragment {
    /// Copies a frame into a fragment; this is the only copy of it that is ever made.
    ///
    /// # Errors
    /// The frame has more than [`MAX_PAYLOAD_BYTES`].
    pub fn new(
        init: Arc<Init>,
        unit: &AccessUnit<'_>,
        span: Span,
        captured_us: u64,
        epoch: u32,
    ) -> Result<Fragment, TooLarge> {
        let payload_bytes = unit
            .nals
            .iter()
            .fold(0usize, |sum, nal| sum.saturating_add(4 + nal.len()));
        let kind = (unit.key, unit.refresh);
        // Each NAL unit behind its length, lengthSizeMinusOne of the avcC being 3 (14496-15, 5.3.3.1.3).
        Fragment::frame(init, kind, payload_bytes, (span, captured_us, epoch), &|w| {
            for nal in &unit.nals {
                w.u32(nal.len() as u32);
                w.bytes(nal);
            }
        })
    }

    /// Copies a JPEG picture into a fragment, for a file.
    ///
    /// # Errors
    /// It has more than [`MAX_PAYLOAD_BYTES`].
    pub fn picture(
        init: Arc<Init>,
        bytes: &[u8],
        span: Span,
        captured_us: u64,
    ) -> Result<Fragment, TooLarge> {
        let kind = (true, Refresh::default());
        Fragment::frame(init, kind, bytes.len(), (span, captured_us, 0), &|w| {
            w.bytes(bytes)
        })
    }

    /// Copies the same picture at another time, for another file.
    ///
    /// # Errors
    /// None that its own making had not.
    pub fn again(&self, init: Arc<Init>, span: Span, epoch: u32) -> Result<Fragment, TooLarge> {
        let (kind, payload) = ((self.key, self.refresh), self.payload());
        let times = (span, self.captured_us, epoch);
        Fragment::frame(init, kind, payload.len(), times, &|w| w.bytes(payload))
    }

    fn frame(
        init: Arc<Init>,
        (key, refresh): (bool, Refresh),
        payload_bytes: usize,
        (span, captured_us, epoch): (Span, u64, u32),
        payload: &dyn Fn(&mut Writer),
    ) -> Result<Fragment, TooLarge> {
        if payload_bytes > MAX_PAYLOAD_BYTES {
            return Err(TooLarge { payload_bytes });
        }
        let mut w = Writer::with_capacity(HEAD_BYTES + payload_bytes);
        // Those who can begin with a refresh look for a sync sample (and for its recovery point SEI), as those of x264's are
        // in other MP4 files.
        let flags = match key || refresh.begins {
            true => SYNC_SAMPLE,
            false => NON_SYNC_SAMPLE,
        };
        let trun = [
            1,                 // sample_count
            HEAD_BYTES as u32, // data_offset, from the start of the moof
            flags,             // first_sample_flags
            span.duration_90k, // sample_duration
            payload_bytes as u32,
        ];
        let has = DATA_OFFSET | FIRST_SAMPLE_FLAGS | SAMPLE_DURATION | SAMPLE_SIZE;
        moof(&mut w, VIDEO_TRACK, span.time_90k, has, &trun);
        w.boxed(b"mdat", payload); // 8.1.1
        Ok(Fragment {
            key,
            refresh,
            after_loss: false,
            time_90k: span.time_90k,
            duration_90k: span.duration_90k,
            captured_us,
            epoch,
            init,
            sound: None,
            bytes: w.into_bytes().into_boxed_slice(),
        })
    }

    /// Copies AAC frames that follow each other into a fragment, the first of which begins at `samples`; None if there is
    /// no such track in the init segment.
    pub fn sound(init: Arc<Init>, frames: &[SoundFrame], samples: u64, epoch: u32) -> Option<Fragment> {
        let format = init.sound?;
        let payload_bytes: usize = frames.iter().map(|frame| frame.data.len()).sum();
        let mut trun = vec![frames.len() as u32, 0]; // sample_count, data_offset
        trun.extend(frames.iter().map(|frame| frame.data.len() as u32)); // sample_size
        let head_bytes = HEAD_BYTES - TRUN_BYTES + 4 * trun.len();
        trun[1] = head_bytes as u32;
        let mut w = Writer::with_capacity(head_bytes + payload_bytes);
        moof(&mut w, SOUND_TRACK, samples, DATA_OFFSET | SAMPLE_SIZE, &trun);
        w.boxed(b"mdat", |w| frames.iter().for_each(|frame| w.bytes(&frame.data)));
        let end = samples + frames.len() as u64 * u64::from(FRAME_SAMPLES);
        let time_90k = format.time_90k(samples);
        Some(Fragment {
            key: false,
            refresh: Refresh::default(),
            after_loss: false,
            time_90k,
            duration_90k: (format.time_90k(end) - time_90k) as u32,
            captured_us: frames.first()?.time_us,
            epoch,
            init,
            sound: Some(samples),
            bytes: w.into_bytes().into_boxed_slice(),
        })
    }

    /// True if it is sound, and no frame.
    pub fn is_sound(&self) -> bool {
        self.sound.is_some()
    }

    /// Appends the moof and the header of the mdat, with a client's own sequence number (from 1 upwards) and the time
    /// counted from `base_90k`, its zero. [`payload`](Self::payload) follows them on the wire. For sound, the zero has to be
    /// one of [`SoundFormat::zero_90k`].
    pub fn head(&self, sequence: u32, base_90k: u64, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes[..self.head_bytes()]);
        let time = self.time_from(base_90k);
        // Of a size that is known here, so that nothing has to be looked up.
        if let Some(head) = out[begin..].first_chunk_mut::<{ TIME_AT + 8 }>() {
            head[SEQUENCE_AT..SEQUENCE_AT + 4].copy_from_slice(&sequence.to_be_bytes());
            head[TIME_AT..].copy_from_slice(&time.to_be_bytes());
        }
    }

    /// Its time in its track's timescale, counted from `base_90k`.
    pub fn time_from(&self, base_90k: u64) -> u64 {
        match (self.sound, &self.init.sound) {
            (Some(samples), Some(format)) => samples.saturating_sub(format.samples(base_90k, TIMESCALE)),
            _ => self.time_90k.saturating_sub(base_90k),
        }
    }

    /// The sizes of the AAC frames of sound, as they stand in its trun.
    pub(super) fn frame_sizes(&self) -> &[u8] {
        self.bytes
            .get(SIZES_AT..self.head_bytes() - 8)
            .unwrap_or_default()
    }

    /// A player can begin with it, as a key frame or as the first picture of a refresh.
    pub fn is_start(&self) -> bool {
        self.key || self.refresh.begins
    }

    /// Up to the payload.
    fn head_bytes(&self) -> usize {
        match self.sound {
            // The size of the moof stands at its begin.
            Some(_) => self
                .bytes
                .first_chunk()
                .map_or(0, |size| u32::from_be_bytes(*size) as usize + 8),
            None => HEAD_BYTES,
        }
    }

    /// The same for a frame that is shown from `start_90k` on, and up to its own end.
    pub fn head_from(&self, sequence: u32, start_90k: u64, out: &mut Vec<u8>) {
        let begin = out.len();
        self.head(sequence, 0, out);
        let head = &mut out[begin..];
        let duration_90k = self.end_90k().saturating_sub(start_90k) as u32;
        head[TIME_AT..TIME_AT + 8].copy_from_slice(&start_90k.to_be_bytes());
        head[DURATION_AT..DURATION_AT + 4].copy_from_slice(&duration_90k.to_be_bytes());
    }

    /// The media time that is 0 in a file that begins with this frame: its own, or up to a millisecond before it where that is no whole
    /// number in the sound's timescale.
    pub fn zero_90k(&self) -> u64 {
        match self.init.sound {
            Some(format) => format.zero_90k(self.time_90k),
            None => self.time_90k,
        }
    }

    /// Where the next frame begins, unless there is a silence between.
    pub fn end_90k(&self) -> u64 {
        self.time_90k + u64::from(self.duration_90k)
    }

    /// The content of the mdat: NAL units, each behind its length as four bytes, big-endian; or AAC frames.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.head_bytes()..]
    }

    /// The frame's NAL units, found by their lengths.
    pub fn nal_units(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.payload();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk()?;
            let (nal, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            rest = after;
            Some(nal)
        })
    }

    /// The AAC frames of sound; a frame has none.
    pub fn sound_frames(&self) -> impl Iterator<Item = &[u8]> {
        let sizes = self.sound.map_or(&[][..], |_| self.frame_sizes());
        let mut rest = self.payload();
        sizes.chunks_exact(4).map_while(move |size| {
            let size = size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
            let (frame, after) = rest.split_at_checked(size)?;
            rest = after;
            Some(frame)
        })
    }

    /// Bytes of moof and mdat: what a client is sent, and what the ring holds.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Flags of a trun (8.8.8.1).
pub(super) const DATA_OFFSET: u32 = 0x01;
const FIRST_SAMPLE_FLAGS: u32 = 0x04;
pub(super) const SAMPLE_DURATION: u32 = 0x100;
pub(super) const SAMPLE_SIZE: u32 = 0x200;

/// 8.8.4. The numbers of a client (sequence, base time) are put in by [`Fragment::head`]. What the flags say is in the
/// `trun`, from its sample_count on.
fn moof(w: &mut Writer, track: u32, time: u64, flags: u32, trun: &[u32]) {
    w.boxed(b"moof", |w| {
        w.full_box(b"mfhd", 0, 0, |w| w.u32(0)); // 8.8.5: sequence_number
        traf(w, track, time, flags, trun);
    });
}

/// 8.8.6
pub(super) fn traf(w: &mut Writer, track: u32, time: u64, flags: u32, trun: &[u32]) {
    const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
    w.boxed(b"traf", |w| {
        w.full_box(b"tfhd", 0, DEFAULT_BASE_IS_MOOF, |w| w.u32(track)); // 8.8.7: track_ID
        w.full_box(b"tfdt", 1, 0, |w| w.u64(time)); // 8.8.12: baseMediaDecodeTime
        w.full_box(b"trun", 0, flags, |w| trun.iter().for_each(|&field| w.u32(field))); // 8.8.8
    });
}

/// A frame beyond [`MAX_PAYLOAD_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// Bytes of the frame.
    pub payload_bytes: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a frame of {} bytes; more than {MAX_PAYLOAD_BYTES} are not taken",
            self.payload_bytes
        )
    }
}

impl std::error::Error for TooLarge {}

#[cfg(test)]
mod tests {
    use super::super::init::tests::parameters;
    use super::super::reader::{find, walk};
    use super::*;
    use crate::support::hex::hex;
    use crate::support::random::Random;

    fn fragment(nals: &[&[u8]], key: bool, span: Span) -> Fragment {
        let init = Arc::new(Init::new(Arc::new(parameters()), 0, None));
        Fragment::new(
            init,
            &AccessUnit {
                nals: nals.to_vec(),
                key,
                refresh: Refresh::default(),
            },
            span,
            0,
            0,
        )
        .unwrap()
    }

    fn whole(fragment: &Fragment, sequence: u32, base_90k: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        fragment.head(sequence, base_90k, &mut bytes);
        assert_eq!(bytes.len(), HEAD_BYTES);
        bytes.extend_from_slice(fragment.payload());
        bytes
    }

    #[test]
    fn golden() {
        let fragment = fragment(
            &[&[0x65, 1, 2], &[0x65]],
            true,
            Span {
                time_90k: 0x1_0000_0000,
                duration_90k: 3000,
            },
        );
        let expected = hex("
            00000064 6d6f6f66
                00000010 6d666864 00000000 00000007
                0000004c 74726166
                    00000010 74666864 00020000 00000001
                    00000014 74666474 01000000 00000000ffffff9c
                    00000020 7472756e 00000305 00000001 0000006c 02000000 00000bb8 0000000c
            00000014 6d646174
                00000003 650102 00000001 65
        ");
        assert_eq!(whole(&fragment, 7, 100), expected);
        assert_eq!(fragment.size_bytes(), expected.len());
    }

    /// Whatever the payload, a fragment reads back as what went in, and the client's numbers stand where they
    /// belong.
    #[test]
    fn reads_back() {
        let mut random = Random::new(1);
        for _ in 0..2000 {
            let nals: Vec<Vec<u8>> = (0..random.below(6))
                .map(|_| {
                    let length = match random.below(4) {
                        0 => random.below(4),
                        1 => 250 + random.below(10),
                        _ => random.below(9000),
                    };
                    (0..length).map(|_| random.next() as u8).collect()
                })
                .collect();
            let nals: Vec<&[u8]> = nals.iter().map(Vec::as_slice).collect();
            let key = random.below(2) == 1;
            let time_90k = random.next() >> random.below(64);
            let duration_90k = (random.next() >> 32 >> random.below(32)) as u32;
            let fragment = fragment(
                &nals,
                key,
                Span {
                    time_90k,
                    duration_90k,
                },
            );
            assert_eq!(fragment.nal_units().collect::<Vec<_>>(), nals);

            let (sequence, base_90k) = (random.next() as u32, time_90k / 3);
            let bytes = whole(&fragment, sequence, base_90k);
            let paths: Vec<String> = walk(&bytes)
                .unwrap()
                .into_iter()
                .map(|found| found.path)
                .collect();
            assert_eq!(
                paths,
                [
                    "moof",
                    "moof/mfhd",
                    "moof/traf",
                    "moof/traf/tfhd",
                    "moof/traf/tfdt",
                    "moof/traf/trun",
                    "mdat"
                ]
            );
            let body = |path| find(&bytes, path).unwrap();
            assert_eq!(body("moof").len(), MOOF_BYTES - 8);
            assert_eq!(body("moof/mfhd")[4..], sequence.to_be_bytes());
            assert_eq!(body("moof/traf/tfdt")[4..], (time_90k - base_90k).to_be_bytes());
            let trun = body("moof/traf/trun");
            let field = |at: usize| u32::from_be_bytes(trun[at..at + 4].try_into().unwrap());
            assert_eq!(field(12) & 0x0001_0000 == 0, key, "sample_is_non_sync_sample");
            assert_eq!(field(16), duration_90k);
            // The sample is where trun says, and nothing else is in the mdat.
            let sample = &bytes[field(8) as usize..][..field(20) as usize];
            assert_eq!(sample, body("mdat"));
            assert_eq!(sample, fragment.payload());
        }
    }

    #[test]
    fn a_base_after_the_frame_gives_time_zero() {
        let fragment = fragment(
            &[&[0x41]],
            false,
            Span {
                time_90k: 10,
                duration_90k: 1,
            },
        );
        assert_eq!(
            find(&whole(&fragment, 1, 11), "moof/traf/tfdt").unwrap()[4..],
            [0; 8]
        );
    }

    #[test]
    fn the_largest_frame() {
        let init = Arc::new(Init::new(Arc::new(parameters()), 0, None));
        let nal = vec![0x41; MAX_PAYLOAD_BYTES - 4 - 4 - 1];
        let made = |nals: Vec<&[u8]>| {
            let span = Span {
                time_90k: 0,
                duration_90k: 1,
            };
            let unit = AccessUnit {
                nals,
                key: false,
                refresh: Refresh::default(),
            };
            Fragment::new(init.clone(), &unit, span, 0, 0)
        };
        let largest = made(vec![&nal, &[1]]).unwrap();
        assert_eq!(largest.payload().len(), MAX_PAYLOAD_BYTES);
        let refused = made(vec![&nal, &[1, 2]]).unwrap_err();
        assert_eq!(
            refused,
            TooLarge {
                payload_bytes: MAX_PAYLOAD_BYTES + 1
            }
        );
    }
}
