//! What takes an open source's frames to the stream's rings: each is checked, put there, and counted.

use super::report::Report;
use super::sets::Sets;
use crate::format::fmp4::{Fragment, Init, SoundFrame, Timeline};
use crate::format::h264::{AccessUnit, Reader, Refused, Sps};
use crate::format::{Codec, jpeg};
use crate::ring::Picture;
use crate::source::{Drops, Frame, Pipeline, Signal, SourceInfo};
use crate::stream::{Condition, Losses, Stream};
use crate::sys::clock;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A stream without a key frame for so long is named.
const NO_KEY: Duration = Duration::from_secs(10);
/// A stream without parameter sets is named after this.
const NO_SETS: Duration = Duration::from_secs(2);
/// What is said of it.
const WITHOUT_SETS: &str = "the video comes without its parameter sets (SPS, PPS), which nobody can do without. They have \
    to be before each key frame: ffmpeg -bsf:v dump_extra (where a camera tells them by RTSP alone, in its SDP); \
    rpicam-vid --inline; x264 repeat-headers=1; GStreamer h264parse config-interval=-1";
/// What is said of a stream that can be joined without key frames.
const REFRESHES: &str = "the video has no key frames, and is refreshed bit by bit instead (intra refresh): players begin \
    where a refresh does, but HLS and /snapshot.mp4 need key frames. x264 makes them without intra-refresh";
/// Rate and bitrate are measured over at least this.
const MEASURE: Duration = Duration::from_secs(1);

/// Takes what a camera's source gives to the rings of its stream, and publishes what comes.
///
/// The timeline, the init segment and the epoch live on when the source is closed and opened again: where nothing
/// changed, clients go on.
pub(super) struct Ingest<'a> {
    stream: &'a Stream,
    /// How far players are to turn the picture, in degrees clockwise.
    rotation: u16,
    timeline: Timeline,
    sets: Sets,
    /// Counts the times that the source was closed: see [`Fragment::epoch`].
    pub epoch: u32,
    /// Something has come since the start: what the source gives is known.
    is_known: bool,
    open: Open,
}

/// What is known of the source since it was opened.
struct Open {
    info: SourceInfo,
    reader: Reader,
    /// What comes before the next key frame can't be decoded.
    needs_key: bool,
    key_missed_since: Instant,
    /// Frames have come since then, whether of use or not.
    keyless: bool,
    /// What is published of key frames that are missing or far apart.
    key_trouble: String,
    long_groups: bool,
    /// A refresh has begun since the last key frame.
    refreshes: bool,
    unreadable: u64,
    after_loss: u64,
    /// The stream's losses when the source was opened, and as they were published last.
    losses: (Losses, Losses),
    last_key_us: Option<u64>,
    /// The capture of the last frame.
    captured_us: Option<u64>,
    /// As it was published.
    patience: Duration,
    measured: Measured,
    refused: Option<Refused>,
    /// Nothing went into a ring yet.
    first: bool,
    /// What it gives, or, before the first frame, is known to give.
    codec: Option<Codec>,
}

/// What came since a time.
struct Measured {
    since: Instant,
    frames: u64,
    bytes: usize,
}

impl Open {
    fn new(info: SourceInfo, codec: Option<Codec>, losses: Losses, now: Instant) -> Open {
        Open {
            codec,
            info,
            reader: Reader::new(),
            needs_key: true,
            key_missed_since: now,
            keyless: false,
            key_trouble: String::new(),
            long_groups: false,
            refreshes: false,
            unreadable: 0,
            after_loss: 0,
            losses: (losses, losses),
            last_key_us: None,
            captured_us: None,
            patience: Duration::ZERO,
            measured: Measured {
                since: now,
                frames: 0,
                bytes: 0,
            },
            refused: None,
            first: true,
        }
    }
}

impl<'a> Ingest<'a> {
    pub fn new(stream: &'a Stream, rotation: u16) -> Ingest<'a> {
        Ingest {
            stream,
            rotation,
            timeline: Timeline::new(None),
            sets: Sets::default(),
            epoch: 0,
            is_known: false,
            open: Open::new(SourceInfo::default(), None, Losses::default(), Instant::now()),
        }
    }

    /// Begins with a source that was opened.
    pub fn open(&mut self, info: SourceInfo, now: Instant) {
        self.timeline.restart(info.fps);
        self.stream.ring.set_sound(info.sound);
        let state = self.stream.state();
        let codec = match info.pipeline {
            Some(Pipeline::Jpeg) => Some(Codec::Jpeg),
            Some(_) => Some(Codec::H264),
            // As the config says, or as it was before.
            None => state.codec,
        };
        self.open = Open::new(info, codec, state.losses, now);
        self.stream.publish(|state| state.patience = Duration::ZERO);
    }

    /// Begins an epoch: what comes from now on is not to be mixed with what was before.
    pub fn begin_epoch(&mut self) {
        self.stream.ring.begin_epoch();
        self.stream.pictures.begin_epoch();
        self.epoch += 1;
    }

    /// Forgets the source: the config names another one, or another rotation, which is in the init segment.
    pub fn source_changed(&mut self, rotation: u16) {
        self.rotation = rotation;
        self.sets.look_again();
        self.is_known = false;
    }

    /// True once any source gave something: what this one gives is known.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// True once the open source gave something.
    pub fn gave_frames(&self) -> bool {
        !self.open.first
    }

    /// True if its pictures are JPEG, as far as is known.
    pub fn gives_jpeg(&self) -> bool {
        self.open.codec == Some(Codec::Jpeg)
    }

    /// True while what comes can't be decoded for want of a key frame, after frames were lost.
    pub fn needs_key_frame(&self) -> bool {
        self.open.needs_key && !self.open.first
    }

    /// Gives the reason why the stream can't be served at all, if there is one.
    pub fn take_refusal(&mut self) -> Option<Refused> {
        self.open.refused.take()
    }

    /// Takes one signal of the source.
    pub fn on_signal(&mut self, signal: Signal<'_>, report: &mut Report<'_>) {
        let frame = match signal {
            Signal::Frame(frame) => frame,
            Signal::Sound { time_us, data } => {
                let data = data.to_vec();
                return self.stream.ring.push_sound(SoundFrame { time_us, data });
            }
            Signal::Raw { captured_us, samples } => return self.stream.motion.look(captured_us, samples),
            Signal::Motion { at_us, moves } => return self.stream.motion.tell(at_us, moves),
            Signal::Gap => {
                self.open.reader.lost();
                return self.open.needs_key = true;
            }
        };
        let trouble = match frame.codec {
            Codec::H264 => self.on_h264(frame, report),
            Codec::Jpeg => self.on_jpeg(frame, report),
        };
        if let Err(what) = trouble {
            self.open.unreadable += 1;
            self.open.needs_key = true;
            self.open.reader.lost();
            report.useless(&what, self.open.first, Instant::now());
        }
    }

    /// Reads an H.264 access unit, and muxes it; the error is what is wrong with this one.
    fn on_h264(&mut self, frame: Frame<'_>, report: &mut Report<'_>) -> Result<(), String> {
        self.open.keyless = true;
        match self.open.reader.read(frame.data) {
            Ok(Some(unit)) => self.mux(unit, frame, report),
            Ok(None) => Ok(()),
            Err(Refused::Damaged(what)) => Err(what.to_string()),
            Err(why) => {
                self.open.needs_key = true;
                self.open.refused = Some(why);
                Ok(())
            }
        }
    }

    fn mux(&mut self, unit: AccessUnit<'_>, frame: Frame<'_>, report: &mut Report<'_>) -> Result<(), String> {
        let open = &mut self.open;
        let Some(parameters) = open.reader.parameters() else {
            return Ok(());
        };
        let is_start = unit.key || unit.refresh.begins;
        let is_of_use = is_start || !open.needs_key;
        let (rotation, sound) = (self.rotation, self.stream.ring.sound());
        let given = is_of_use.then(|| self.sets.take(parameters, is_start, rotation, sound));
        let Some(given) = given.flatten() else {
            open.needs_key = true;
            open.reader.lost();
            open.after_loss += u64::from(!open.first);
            return Ok(());
        };
        if given.changed && open.info.fps.is_none() {
            self.timeline.suggest_rate(parameters.info.frame_rate());
        }
        let init = given.init;
        let mut unit = unit;
        unit.nals.splice(0..0, given.in_band);
        let span = self.timeline.place(frame.captured_us);
        self.stream.ring.set_zero(self.timeline.zero_us());
        let mut fragment = Fragment::new(Arc::clone(&init), &unit, span, frame.captured_us, self.epoch)
            .map_err(|e| e.to_string())?;
        fragment.after_loss = !fragment.key && (given.other_format || self.open.needs_key);
        self.open.needs_key = false;
        self.open.refreshes = !fragment.key && (self.open.refreshes || fragment.refresh.begins);
        let mut interval_ms = None;
        if fragment.key {
            (self.open.key_missed_since, self.open.keyless) = (Instant::now(), false);
            let last_us = self.open.last_key_us.replace(frame.captured_us);
            interval_ms = last_us.map(|last| frame.captured_us.saturating_sub(last) / 1000);
        }
        let came = Came {
            codec: Codec::H264,
            name: &init.codec,
            bytes: fragment.size_bytes(),
            is_key: fragment.key,
            captured_us: fragment.captured_us,
            size: (init.width, init.height),
            interval_ms,
            init: Some(&init),
        };
        self.publish(&came, report);
        self.stream.ring.push(Arc::new(fragment));
        Ok(())
    }

    /// Checks a JPEG picture, which stands alone, and copies it; the error is what is wrong with this one.
    fn on_jpeg(&mut self, frame: Frame<'_>, report: &mut Report<'_>) -> Result<(), String> {
        let pictures = &self.stream.pictures;
        if self.open.info.jpeg_too {
            // What is wrong with one shows in the H.264 that is made of it.
            if let (true, Ok(picture)) = (pictures.has_subscribers(), jpeg::Picture::parse(frame.data)) {
                pictures.push(Picture {
                    captured_us: frame.captured_us,
                    bytes: picture.to_vec(),
                });
            }
            return Ok(());
        }
        let parsed = jpeg::Picture::parse(frame.data)?;
        self.open.needs_key = false;
        let picture = Picture {
            captured_us: frame.captured_us,
            bytes: parsed.to_vec(),
        };
        let came = Came {
            codec: Codec::Jpeg,
            name: "JPEG",
            bytes: picture.bytes.len(),
            is_key: true,
            captured_us: frame.captured_us,
            size: (parsed.width.into(), parsed.height.into()),
            interval_ms: None,
            init: None,
        };
        self.publish(&came, report);
        pictures.push(picture);
        Ok(())
    }

    /// Publishes that a frame came, before it goes into its ring: who has the first one finds the camera live.
    fn publish(&mut self, came: &Came<'_>, report: &mut Report<'_>) {
        self.open.measured.frames += 1;
        self.open.measured.bytes += came.bytes;
        self.open.codec = Some(came.codec);
        let first = mem::take(&mut self.open.first);
        let before_us = self.open.captured_us.replace(came.captured_us);
        let interval_us = before_us.map(|before_us| came.captured_us.saturating_sub(before_us));
        if let Some(interval_us) = interval_us {
            self.stream.intervals.observe(interval_us);
        }
        let age_us = clock::monotonic_us().saturating_sub(came.captured_us);
        self.stream.pushed_ages.observe(age_us);
        let now = Instant::now();
        self.stream.publish(|state| {
            state.frames += 1;
            state.bytes += came.bytes as u64;
            state.key_frames += u64::from(came.is_key);
            state.last_frame = Some(now);
            state.size = Some(came.size);
            if first {
                (state.condition, state.since) = (Condition::Live, Some(now));
                state.codec = Some(came.codec);
                state.why.clear();
            }
            state.key_interval_ms = came.interval_ms.or(state.key_interval_ms);
            if let Some(init) = came.init {
                state.init = Some(Arc::clone(init));
            }
        });
        if first {
            self.is_known = true;
            report.live(&self.open.info, came.name, came.size);
        }
    }

    /// Publishes the stream's losses with those of this source, where they grew.
    pub fn publish_losses(&mut self, drops: Drops, report: &mut Report<'_>) {
        let (before, published) = self.open.losses;
        let losses = Losses {
            gaps: before.gaps + drops.gaps,
            damaged: before.damaged + drops.damaged,
            closed_early: before.closed_early + drops.closed_early,
            short: before.short + drops.short,
            unreadable: before.unreadable + self.open.unreadable,
            after_loss: before.after_loss + self.open.after_loss,
            bad_time: before.bad_time + drops.bad_time,
            slow: before.slow + drops.slow,
        };
        if let Some(fault) = drops.fault.filter(|_| losses.damaged > published.damaged) {
            report.useless(fault, self.open.first, Instant::now());
        }
        if losses != published {
            self.open.losses.1 = losses;
            self.stream.publish(|state| state.losses = losses);
        }
    }

    /// Publishes how long the next frame may take.
    pub fn publish_patience(&mut self, patience: Duration) {
        if mem::replace(&mut self.open.patience, patience) != patience {
            self.stream.publish(|state| state.patience = patience);
        }
    }

    /// Looks at what came of late, once in a while: its rate, and whether there are key frames enough.
    /// `doubt` is that of the source ([`Source::doubt`](crate::source::Source::doubt)).
    pub fn measure(&mut self, now: Instant, doubt: Option<String>, report: &mut Report<'_>) {
        let since_last = now.saturating_duration_since(self.open.measured.since);
        if since_last < MEASURE {
            return;
        }
        self.watch_keys(now, doubt, report);
        if self.open.measured.frames == 0 && since_last < self.open.patience {
            return; // a picture a minute is a rate, too
        }
        let new = Measured {
            since: now,
            frames: 0,
            bytes: 0,
        };
        let measured = mem::replace(&mut self.open.measured, new);
        let seconds = since_last.as_secs_f64();
        let fps = measured.frames as f64 / seconds;
        let bits = (measured.bytes * 8) as f64 / seconds;
        self.stream
            .publish(|state| (state.fps, state.bitrate_bps) = (fps, bits as u64));
    }

    /// Names a stream that can't be joined, or not at any time: without key frames, or with too few of them.
    fn watch_keys(&mut self, now: Instant, doubt: Option<String>, report: &mut Report<'_>) {
        let open = &mut self.open;
        let missed = now.saturating_duration_since(open.key_missed_since);
        let why = if let Some(doubt) = doubt {
            doubt
        } else if missed >= NO_SETS && open.reader.lacks_parameter_sets() {
            WITHOUT_SETS.to_string()
        } else if missed >= NO_KEY && open.keyless && (open.needs_key || self.stream.ring.too_long_to_join())
        {
            format!(
                "no key frame for {} s: nobody can join before the next one. Set the encoder to one every second or two",
                NO_KEY.as_secs()
            )
        } else if open.long_groups || self.stream.ring.too_long_to_join() {
            open.long_groups = true;
            "key frames are far apart: who comes in between waits for the next one (join_max_s, join_max_mb). \
             Set the encoder to one every second or two"
                .to_string()
        } else if missed >= NO_KEY && open.refreshes {
            REFRESHES.to_string()
        } else if let Some(samples) = open.reader.parameters().and_then(|now| odd_samples(&now.info)) {
            format!(
                "the video is {samples}, which few browsers play. Have it coded as 4:2:0 with 8 bits: ffmpeg -pix_fmt \
                 yuv420p; GStreamer videoconvert ! video/x-raw,format=I420"
            )
        } else {
            String::new()
        };
        if why != open.key_trouble {
            report.oddity(&why);
            open.key_trouble = why;
        }
    }
}

/// The kind of samples, where it is not that of all browsers.
fn odd_samples(info: &Sps) -> Option<String> {
    let chroma = match info.chroma_format_idc {
        0 => "without colours",
        1 => "4:2:0",
        2 => "4:2:2",
        _ => "4:4:4",
    };
    let bits = info.bit_depth_luma.max(info.bit_depth_chroma);
    // Cameras that give no colours have the High profile, which browsers play.
    let is_odd = info.chroma_format_idc > 1 || bits > 8;
    is_odd.then(|| format!("{chroma} with {bits} bits a sample"))
}

/// A frame that came.
struct Came<'a> {
    codec: Codec,
    /// The codec in words, or its string for players.
    name: &'a str,
    bytes: usize,
    is_key: bool,
    captured_us: u64,
    /// Width and height in pixels.
    size: (u32, u32),
    /// Of a key frame, the time since the one before.
    interval_ms: Option<u64>,
    /// Of H.264, the init segment.
    init: Option<&'a Arc<Init>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::format::Chunk;
    use crate::format::h264::assembler::Assembler;
    use crate::ring::{Follower, Limits, Next, NextPicture};
    use crate::source::{self, History};
    use crate::support::random::Random;

    const LIMITS: Limits = Limits {
        max_age: Duration::from_secs(600),
        join_max: Duration::from_secs(600),
        join_max_bytes: 10_000_000,
        max_senders: 1,
        hold: Duration::ZERO,
        patience: Duration::ZERO,
    };

    fn stream() -> Stream {
        Stream::new("camera0", LIMITS).unwrap()
    }

    fn jpeg(data: &[u8]) -> Signal<'_> {
        Signal::Frame(Frame {
            codec: Codec::Jpeg,
            data,
            captured_us: 0,
        })
    }

    #[test]
    fn viewers_are_told_once_what_is_wrong_with_frames() {
        let stream = stream();
        let (mut ingest, mut report) = (Ingest::new(&stream, 0), Report::new(&stream));
        let mut follower = Follower::new(&stream.ring, false);
        for (data, told) in [
            ("", true),
            ("", false),
            ("no picture", true),
            ("no picture", false),
        ] {
            ingest.on_signal(jpeg(data.as_bytes()), &mut report);
            let called = matches!(follower.next(Duration::ZERO), Next::Notified);
            assert_eq!(called, told, "{data:?}: {}", stream.state().why);
        }
    }

    #[test]
    fn jpeg_pictures_that_come_beside_h264_are_for_those_who_ask() {
        let stream = stream();
        let (mut ingest, mut report) = (Ingest::new(&stream, 0), Report::new(&stream));
        let info = SourceInfo {
            jpeg_too: true,
            ..SourceInfo::default()
        };
        ingest.open(info, Instant::now());
        let picture = include_bytes!("../../tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");
        let mut take = |data: &[u8]| {
            ingest.on_signal(jpeg(data), &mut report);
            stream.pictures.next(0, Duration::ZERO)
        };
        assert!(matches!(take(picture), NextPicture::TimedOut), "nobody asks");
        let subscription = stream.pictures.subscribe();
        assert!(
            matches!(take(&picture[..100]), NextPicture::TimedOut),
            "it is not whole"
        );
        match take(&[picture, &[0; 9][..]].concat()) {
            NextPicture::Picture(1, taken) => assert_eq!(taken.bytes, picture),
            other => panic!("{other:?}"),
        }
        drop(subscription);
        stream.pictures.begin_epoch();
        assert!(
            matches!(take(picture), NextPicture::TimedOut),
            "nobody asks any more"
        );
        // It is H.264 that the camera is live by, and that is measured.
        let state = stream.state();
        assert_eq!((state.condition, state.frames), (Condition::Starting, 0));
        assert_eq!((state.why.as_str(), state.codec), ("", None));
    }

    /// The first frames of the test picture, whose SPS says its frame rate.
    fn frames(fps: u32, count: usize) -> Vec<Vec<u8>> {
        let mut camera = Config::for_test().cameras[0].clone();
        (camera.width, camera.height, camera.fps) = (160, 120, fps);
        let mut source = source::open(&camera, &mut History::default()).unwrap();
        let (wake, mut frames) = (stream(), Vec::new());
        while frames.len() < count {
            let mut take = |signal: Signal<'_>| match signal {
                Signal::Frame(frame) => frames.push(frame.data.to_vec()),
                _ => panic!("no frame"),
            };
            source
                .poll(wake.woken(), Duration::from_secs(1), &mut take)
                .unwrap();
        }
        frames
    }

    /// Takes a command's H.264 as it comes out of its pipe; gives how many frames are good, and whether it was refused.
    fn take_all(data: &[u8]) -> (u64, bool) {
        let stream = stream();
        let (mut ingest, mut report) = (Ingest::new(&stream, 0), Report::new(&stream));
        ingest.open(SourceInfo::default(), Instant::now());
        let mut captured_us = 0;
        let mut take = |chunk: Chunk<'_>| {
            captured_us += 40_000;
            let signal = match chunk {
                Chunk::Unit { data, .. } => Signal::Frame(Frame {
                    codec: Codec::H264,
                    data,
                    captured_us,
                }),
                Chunk::Gap => Signal::Gap,
            };
            ingest.on_signal(signal, &mut report);
        };
        let mut assembler = Assembler::default();
        assembler.spare_mut(data.len())[..data.len()].copy_from_slice(data);
        assembler.commit(data.len(), None, 0, &mut take);
        assembler.finish(true, &mut take);
        (stream.state().frames, ingest.take_refusal().is_some())
    }

    /// One wrong bit costs a group at most, and never the source, wherever it is.
    #[test]
    fn no_wrong_bit_closes_a_source() {
        let groups: Vec<u8> = frames(5, 20).concat();
        let slices = include_bytes!("../../tests/fixtures/x264/x264_two_slices.h264").repeat(4);
        let mut random = Random::new(3);
        for data in [groups, slices] {
            let (all, refused) = take_all(&data);
            assert!(all > 7 && !refused, "{all}");
            let headers = (0..data.len() - 3).filter(|at| data[*at..].starts_with(&[0, 0, 1]));
            let of_headers = headers.flat_map(|at| (0..8).map(move |bit| (at + 3) * 8 + bit));
            let anywhere = (0..500).map(|_| random.below(data.len() * 8));
            for bit in of_headers.chain(anywhere) {
                let mut damaged = data.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let (good, refused) = take_all(&damaged);
                assert!(
                    good * 2 >= all && !refused,
                    "{good} of {all}, byte {}, bit {}",
                    bit / 8,
                    bit % 8
                );
            }
        }
    }

    /// Opens a source that says its frame rate or not, takes frames that come each 40 ms, and gives their durations.
    fn durations(ingest: &mut Ingest<'_>, frames: &[Vec<u8>], said: Option<f64>) -> Vec<u32> {
        durations_at(ingest, frames, said, |n| n * 40_000)
    }

    fn durations_at(
        ingest: &mut Ingest<'_>,
        frames: &[Vec<u8>],
        said: Option<f64>,
        at_us: impl Fn(u64) -> u64,
    ) -> Vec<u32> {
        let stream = ingest.stream;
        let mut follower = Follower::new(&stream.ring, true);
        let mut report = Report::new(stream);
        let info = SourceInfo {
            fps: said,
            ..SourceInfo::default()
        };
        ingest.open(info, Instant::now());
        for (data, n) in frames.iter().zip(1..) {
            let frame = Frame {
                codec: Codec::H264,
                data,
                captured_us: u64::from(ingest.epoch) * 10_000_000 + at_us(n),
            };
            ingest.on_signal(Signal::Frame(frame), &mut report);
        }
        let mut durations = Vec::new();
        loop {
            match follower.next(Duration::ZERO) {
                Next::Batch(batch) => durations.extend(batch.fragments.iter().map(|f| f.duration_90k)),
                Next::Notified => {}
                _ => break,
            }
        }
        ingest.begin_epoch();
        durations
    }

    #[test]
    fn bursts_are_spread_where_the_stream_alone_says_its_rate() {
        let mut frames = frames(25, 3);
        frames.resize(100, frames[2].clone());
        let stream = stream();
        let mut ingest = Ingest::new(&stream, 0);
        // Ten at once, each 400 ms.
        let mut of = |said| durations_at(&mut ingest, &frames, said, |n| (n - 1) / 10 * 400_000 + n % 10);
        let spread = of(None);
        assert_eq!(spread.len(), 100);
        assert!(spread.iter().all(|duration| (3550..=3650).contains(duration)));
        assert!(of(Some(25.0))[11..19].iter().all(|duration| *duration < 10));
    }

    #[test]
    fn the_first_guess_at_a_duration_is_the_sources_or_the_streams_own() {
        let (right, wrong) = (frames(25, 4), frames(5, 4));
        let stream = stream();
        let mut ingest = Ingest::new(&stream, 0);
        for (said, frames, expected) in [
            (None, &right, [3600, 3600, 3600, 3600]),
            (Some(50.0), &right, [1800, 3600, 3600, 3600]),
            (None, &right, [3600, 3600, 3600, 3600]),
            // A long step is not believed as it is, and what was too long is given back bit by bit.
            (None, &wrong, [9000, 3150, 3150, 3150]),
        ] {
            assert_eq!(durations(&mut ingest, frames, said), expected, "{said:?}");
        }
    }
}
