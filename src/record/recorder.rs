//! The recorder of one camera: follows its ring, and writes what comes into one file after the other. Whatever its disk does, it waits
//! and tries again, and nobody else waits for it.

use super::archive::{Archive, TIDY_US, why};
use super::eventful::Eventful;
use super::file::RecordingFile;
use super::lapse::{Lapse, folder_of};
use super::name::Name;
use super::pictures::Pictures;
use super::segment::{Segment, WallClock};
use crate::error::{Level, log_line};
use crate::format::Codec;
use crate::format::fmp4::{Fragment, HEADS_BYTES, Origin};
use crate::ring::{Follower, Next};
use crate::stream::{Stream, Watching, Who};
use crate::sys::clock;
use crate::{log_info, log_warning};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// It looks into the ring so often, and not at each picture.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// How long a ring is to hold what its recorder has not taken yet: a card may stop for seconds to tidy up.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// After a failure the next try is so much later.
pub(super) const RETRY_US: u64 = 10_000_000;
/// A file ends where nothing comes for so long.
const SILENCE_US: u64 = 10_000_000;
/// Files of an earlier, wrong time that get their right names once it is known; what is above that keeps its name.
const MOST_MISDATED: usize = 1000;

/// What one camera's recorder is to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Record, and not only have a time-lapse made.
    pub records: bool,
    /// Record around events alone, from so long before them on.
    pub before_events: Option<Duration>,
    /// The time between two pictures of a time-lapse, if there is to be one.
    pub lapse: Option<Duration>,
    /// See [`Segment::new`].
    pub stagger_s: u64,
    /// See [`Origin::run`].
    pub run: u64,
}

/// A file that is being recorded.
struct Writing {
    file: RecordingFile,
    name: Name,
    segment: Segment,
    /// When its first picture was captured.
    captured_us: u64,
    /// When something was put into it last.
    pushed_us: u64,
    is_jpeg: bool,
    /// Pictures that are not in it, as its disk took too long. (Of JPEG pictures, only the newest waits.)
    missed: u64,
    /// Those that are.
    pictures: u64,
}

/// What writes a camera's pictures, or those of its time-lapse.
pub(super) struct Recorder<'a> {
    stream: &'a Stream,
    archive: &'a Archive,
    plan: Plan,
    /// The folder in the archive.
    folder: String,
    lapse: Option<Lapse>,
    /// The camera is awake while it is.
    watching: Option<Watching<'a>>,
    follower: Option<Follower<'a>>,
    writing: Option<Writing>,
    /// Bytes of the files that are closed.
    written_bytes: u64,
    /// Those that were counted before it was watched last.
    counted_bytes: u64,
    /// What was told last.
    said: (&'static str, String),
    /// The folder is there, and nobody else's.
    entered: bool,
    /// There may be files without an index.
    needs_repair: bool,
    pictures: Pictures,
    retry_us: u64,
    rename_us: u64,
    pub(super) eventful: Eventful,
    /// What was captured before was recorded.
    ended_us: u64,
    /// The files that were named by a clock that could not be believed, when their first pictures were captured, and if they are to be
    /// told of yet.
    misdated: Vec<(Name, u64, bool)>,
}

impl<'a> Recorder<'a> {
    /// One for the time-lapse, if the plan has one, else for all that is to be recorded.
    pub(super) fn new(stream: &'a Stream, archive: &'a Archive, plan: Plan) -> Recorder<'a> {
        Recorder {
            stream,
            archive,
            plan,
            folder: plan
                .lapse
                .map_or(stream.name.clone(), |_| folder_of(&stream.name)),
            lapse: plan.lapse.map(|step| Lapse::new(step, clock::monotonic_us())),
            watching: None,
            follower: None,
            writing: None,
            written_bytes: 0,
            counted_bytes: 0,
            said: ("", String::new()),
            entered: false,
            needs_repair: true,
            pictures: Pictures::new(),
            retry_us: 0,
            rename_us: 0,
            eventful: Eventful::default(),
            ended_us: 0,
            misdated: Vec::new(),
        }
    }

    /// Ends its last file.
    pub(super) fn end(&mut self) -> io::Result<()> {
        // What is in the ring yet.
        self.turn();
        let closed = self.close();
        // What waits for its name to be told of.
        if closed.is_ok() && clock::is_set() {
            self.rename(WallClock::now(), 0);
        }
        closed
    }

    /// How long nothing has to be done. While pictures are recorded, it is them who are waited for.
    pub(super) fn rest(&self) -> Duration {
        match &self.writing {
            // Only of these there are more to come.
            Some(writing)
                if writing.is_jpeg && self.lapse.is_none() && self.stream.codec() == Some(Codec::Jpeg) =>
            {
                Duration::ZERO
            }
            _ => LOOK,
        }
    }

    /// Does what there is to do by now.
    pub(super) fn turn(&mut self) {
        let now_us = clock::monotonic_us();
        if now_us < self.retry_us {
            return;
        }
        let stream = self.stream;
        let watch = || stream.watch(Who::Local("recorder"), "file");
        if self.lapse.as_ref().is_none_or(|lapse| lapse.is_near(now_us)) {
            self.watching.get_or_insert_with(watch);
        } else if self.watching.take().is_some() {
            self.counted_bytes = self.bytes();
        }
        if let Err(e) = self.work(now_us) {
            // Its index has room of its own, also where there is none for pictures.
            _ = self.close();
            (self.follower, self.entered) = (None, false);
            self.retry_us = now_us + RETRY_US;
            self.archive.leave();
            self.say("stopped", &why(&e));
        }
        if let Some(watching) = &self.watching {
            let bytes = self.bytes() - self.counted_bytes;
            watching.viewer.bytes.store(bytes, Relaxed);
        }
    }

    /// Those of all its files.
    fn bytes(&self) -> u64 {
        self.written_bytes + self.writing.as_ref().map_or(0, |it| it.file.bytes())
    }

    fn work(&mut self, now_us: u64) -> io::Result<()> {
        let wall = WallClock::now();
        let is_set = clock::is_set();
        if !self.entered {
            self.archive.enter()?;
            self.entered = true;
        }
        if std::mem::take(&mut self.needs_repair) {
            let camera = &self.folder;
            match self.archive.repair(camera) {
                Ok(files) => {
                    for file in &files {
                        log_info!("{camera}: recording repaired: {}", file.display());
                        self.stream.events.recorded(&self.stream.name, file);
                    }
                }
                Err(e) => log_warning!("{camera}: a recording can't be repaired: {e}"),
            }
        }
        if is_set && now_us >= self.rename_us {
            self.rename(wall, now_us);
        }
        self.archive
            .keep_tidy(now_us, is_set.then(|| clock::unix().as_secs()))?;
        let waits = match &self.lapse {
            Some(lapse) => !lapse.is_due(now_us),
            None => {
                self.plan.before_events.is_some()
                    && now_us >= self.eventful.until_us
                    && self.writing.is_none()
            }
        };
        if waits {
            self.follower = None;
        } else {
            match self.stream.codec() {
                Some(Codec::Jpeg) => self.pull_pictures(now_us, wall, is_set)?,
                _ => self.pull(now_us, wall, is_set)?,
            }
        }
        self.write_due(clock::monotonic_us())?;
        let what = if self.writing.is_some() {
            "recording"
        } else {
            "waiting"
        };
        self.say(what, "");
        Ok(())
    }

    /// Takes all that the ring has.
    fn pull(&mut self, now_us: u64, wall: WallClock, is_set: bool) -> io::Result<()> {
        let ring = &self.stream.ring;
        let mut follower = self.follower.take().unwrap_or_else(|| {
            self.stream.request_key_frame();
            match self.plan.before_events {
                Some(before) => Follower::since(ring, now_us.saturating_sub(before.as_micros() as u64)),
                None => Follower::patient(ring),
            }
        });
        loop {
            match follower.next(Duration::ZERO) {
                Next::Batch(batch) => {
                    if batch.needs_key_frame {
                        self.stream.request_key_frame();
                    }
                    if batch.skipped > 0 && self.lapse.is_none() {
                        self.skipped(batch.skipped)?;
                    }
                    for fragment in &batch.fragments {
                        if !self.take(fragment, wall, is_set)? {
                            return Ok(());
                        }
                    }
                }
                Next::Notified => {}
                _ => break,
            }
        }
        self.follower = Some(follower);
        Ok(())
    }

    /// Takes the JPEG pictures that come in the time of a look.
    fn pull_pictures(&mut self, now_us: u64, wall: WallClock, is_set: bool) -> io::Result<()> {
        let ends_us = now_us + LOOK.as_micros() as u64;
        while let Some((fragment, missed)) = self.pictures.next(self.stream, LOOK) {
            let is_lapse = self.lapse.is_some();
            if let (false, Some(watching), Some(writing)) = (is_lapse, &self.watching, &mut self.writing) {
                watching.viewer.skipped.fetch_add(missed, Relaxed);
                writing.missed += missed;
            }
            if !self.take(&Arc::new(fragment), wall, is_set)? || clock::monotonic_us() >= ends_us {
                break;
            }
        }
        Ok(())
    }

    /// Writes what is due, and ends a file that nothing comes for.
    fn write_due(&mut self, now_us: u64) -> io::Result<()> {
        if let Some(writing) = &mut self.writing {
            self.archive.with_room(&mut || writing.file.write_due(now_us))?;
            // The camera is away: what comes after it is another file.
            if self.lapse.is_none() && now_us >= writing.pushed_us + SILENCE_US {
                self.close()?;
            }
        }
        Ok(())
    }

    /// Some pictures were not there any more: a file has no holes.
    fn skipped(&mut self, pictures: u64) -> io::Result<()> {
        if let Some(writing) = &mut self.writing {
            writing.missed += pictures;
        }
        if let Some(watching) = &self.watching {
            watching.viewer.skipped.fetch_add(pictures, Relaxed);
        }
        self.close()
    }

    /// Puts a fragment into its file; false if nothing from there on is to be recorded.
    fn take(&mut self, fragment: &Arc<Fragment>, wall: WallClock, is_set: bool) -> io::Result<bool> {
        let now_us = clock::monotonic_us();
        let taken = match &mut self.lapse {
            Some(lapse) => match lapse.take(fragment) {
                None => return Ok(true),
                taken => taken.map(Arc::new),
            },
            None => None,
        };
        let fragment = taken.as_ref().unwrap_or(fragment);
        let is_start = fragment.is_start() && !fragment.is_sound();
        let is_over =
            self.plan.before_events.is_some() && is_start && fragment.captured_us > self.eventful.until_us;
        if let Some(writing) = &mut self.writing {
            if is_over || !writing.segment.takes(fragment, writing.file.bytes(), wall) {
                self.close()?;
            }
        }
        if is_over {
            return Ok(false);
        }
        if self.writing.is_none() {
            if !is_start || fragment.captured_us < self.ended_us {
                return Ok(true);
            }
            self.open(fragment, wall, is_set, now_us)?;
        }
        if let Some(writing) = &mut self.writing {
            self.archive
                .with_room(&mut || writing.file.push(fragment, now_us))?;
            writing.pushed_us = now_us;
            if !fragment.is_sound() {
                writing.pictures += 1;
                self.ended_us = fragment.captured_us + 1;
                if self.lapse.is_none() && self.eventful.has(fragment.captured_us) {
                    writing.file.mark(fragment.time_90k);
                    if !writing.name.event {
                        writing.name = self.archive.mark(&self.folder, writing.name);
                    }
                }
            }
            // It ends with the next key frame, which may be far.
            if writing.segment.is_due() {
                self.stream.request_key_frame();
            }
        }
        Ok(taken.is_none())
    }

    fn open(&mut self, first: &Fragment, wall: WallClock, is_set: bool, now_us: u64) -> io::Result<()> {
        let origin = Origin {
            camera: &self.stream.name,
            run: self.plan.run,
            epoch: first.epoch,
            media_90k: first.time_90k,
            wall_us: first.captured_us.saturating_add_signed(wall.offset_us),
            synced: is_set,
        };
        let name = Name {
            start_s: wall.unix_s(first),
            ahead_min: wall.ahead_min,
            copy: 1,
            event: self.plan.before_events.is_some(),
            synced: is_set,
        };
        // Its disk may be another one by now, or none.
        self.archive.enter()?;
        // An event is over soon: its file would be the larger for it.
        let heads_bytes = HEADS_BYTES / if self.plan.before_events.is_some() { 8 } else { 1 };
        let make = |path: &Path| RecordingFile::create(path, first, origin, heads_bytes, now_us);
        let mut made = None;
        self.archive.with_room(&mut || {
            made = Some(self.archive.create(&self.folder, name, &make)?);
            Ok(())
        })?;
        self.writing = made.map(|(name, file)| Writing {
            file,
            name,
            segment: Segment::new(first, wall, self.lapse.is_none().then_some(self.plan.stagger_s)),
            captured_us: first.captured_us,
            pushed_us: now_us,
            is_jpeg: first.init.is_jpeg(),
            missed: 0,
            pictures: 0,
        });
        Ok(())
    }

    /// Ends the file that is open, if one is.
    fn close(&mut self) -> io::Result<()> {
        let Some(mut writing) = self.writing.take() else {
            return Ok(());
        };
        let flushed = self.archive.with_room(&mut || writing.file.flush());
        self.written_bytes += writing.file.bytes();
        let closed = writing.file.close();
        let (camera, name, missed) = (&self.folder, writing.name, writing.missed);
        let events = &self.stream.events;
        if missed > 0 {
            // Any card costs some JPEG pictures now and then, which is no news with each file.
            let is_usual = writing.is_jpeg && missed < writing.pictures / 100;
            let level = if is_usual { Level::Info } else { Level::Warning };
            let why = "the disk is too slow";
            log_line(
                level,
                format_args!("{camera}: {why}: {missed} pictures are not recorded, in {name} or after it"),
            );
        }
        self.archive.closed(camera, name);
        self.needs_repair |= flushed.is_err() || closed.is_err();
        let is_gone = matches!(closed, Ok(false));
        let is_misdated = !is_gone && !writing.name.synced && self.misdated.len() < MOST_MISDATED;
        // In a moment it has another name.
        let waits = is_misdated && closed.is_ok() && clock::is_set();
        if is_misdated {
            self.misdated.push((writing.name, writing.captured_us, waits));
        }
        // It is whole but for what there was no room for; without a picture it is nothing.
        match closed? {
            false => _ = self.archive.delete(camera, name),
            true if waits => {}
            true => events.recorded(&self.stream.name, &self.archive.path(camera, name)),
        }
        flushed
    }

    /// Gives what was recorded before the clock was set the name that it would have had: one file at a time, as the disk has to
    /// write its folders for each.
    fn rename(&mut self, wall: WallClock, now_us: u64) {
        let Some((old, captured_us, waits)) = self.misdated.pop() else {
            return;
        };
        let camera = &self.folder;
        let start_us = captured_us.saturating_add_signed(wall.offset_us);
        let name = Name {
            start_s: start_us / 1_000_000,
            ahead_min: wall.ahead_min,
            copy: 1,
            synced: true,
            ..old
        };
        let path = match self.archive.rename(camera, old, name, start_us) {
            Ok(path) => path,
            // Others may have deleted it.
            Err(e) if e.kind() == ErrorKind::NotFound => return,
            Err(e) => {
                log_warning!("{camera}: {old} can't be renamed {name}: {e}");
                self.misdated.insert(0, (old, captured_us, false));
                self.rename_us = now_us + TIDY_US;
                self.archive.path(camera, old)
            }
        };
        if waits {
            self.stream.events.recorded(&self.stream.name, &path);
        }
    }

    /// Has everybody know how it goes.
    fn say(&mut self, what: &'static str, why: &str) {
        if (self.said.0, &*self.said.1) == (what, why) {
            return;
        }
        self.said = (what, why.into());
        if self.lapse.is_none() || !self.plan.records {
            self.stream.publish(|state| state.recorder.clone_from(&self.said));
        }
        match why {
            "" => log_info!("{}: recorder: {what}", self.folder),
            _ => log_warning!("{}: recorder: {what}: {why}", self.folder),
        }
    }
}

#[cfg(test)]
#[path = "tests/recorder.rs"]
mod tests;
