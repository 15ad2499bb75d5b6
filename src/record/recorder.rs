//! The recorder of one camera: follows its ring, and writes what comes into one file after the other. Whatever its disk does, it waits
//! and tries again, and nobody else waits for it.

use super::archive::{Archive, MARKER};
use super::eventful::Eventful;
use super::file::RecordingFile;
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
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// It looks into the ring so often, and not at each picture.
const LOOK: Duration = Duration::from_millis(500);
/// How long a ring is to hold what its recorder has not taken yet: a card may stop for seconds to tidy up.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// After a failure the next try is so much later.
const RETRY_US: u64 = 10_000_000;
/// What is above the limits is deleted so often, and after each file.
const TIDY_US: u64 = 60_000_000;
/// A file ends where nothing comes for so long.
const SILENCE_US: u64 = 10_000_000;
/// Files of an earlier, wrong time that get their right names once it is known; what is above that keeps its name.
const MOST_MISDATED: usize = 1000;

/// What one camera's recorder is to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Record around events alone, from so long before them on.
    pub before_events: Option<Duration>,
    /// See [`Segment::new`].
    pub stagger_s: u64,
    /// See [`Origin::run`].
    pub run: u64,
}

/// Records until the stream is stopped. A panic, which is a fault of this program, costs it a while.
pub fn record(stream: &Stream, archive: &Archive, plan: Plan) {
    let mut seen = stream.events.newest();
    loop {
        let worked = panic::catch_unwind(AssertUnwindSafe(|| {
            let mut recorder = Recorder::new(stream, archive, plan);
            while let Some(events) = stream.events.after(seen, recorder.rest()) {
                for event in events {
                    seen = event.number;
                    if event.camera == stream.name {
                        recorder.eventful.note(&event.kind, event.state, event.at_us);
                    }
                }
                recorder.turn();
            }
            // What is in the ring yet.
            recorder.turn();
            let closed = recorder.close();
            // What waits for its name to be told of.
            if closed.is_ok() && clock::is_set() {
                recorder.rename(WallClock::now(), 0);
            }
            closed
        }));
        match worked {
            Ok(Ok(())) => return,
            Ok(Err(e)) => return log_warning!("{}: the last recording has no end: {e}", stream.name),
            Err(_) => stream.publish(|state| {
                let why = "a fault of this program; please report it, with the log";
                state.recorder = ("stopped", why.into());
            }),
        }
        if stream
            .events
            .after(u64::MAX, Duration::from_micros(RETRY_US))
            .is_none()
        {
            return;
        }
    }
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

struct Recorder<'a> {
    stream: &'a Stream,
    archive: &'a Archive,
    plan: Plan,
    /// The camera is awake while it is.
    watching: Option<Watching<'a>>,
    follower: Option<Follower<'a>>,
    writing: Option<Writing>,
    /// Bytes of the files that are closed.
    written_bytes: u64,
    /// The folder is there, and nobody else's.
    entered: bool,
    /// There may be files without an index.
    needs_repair: bool,
    pictures: Pictures,
    tidied_us: u64,
    retry_us: u64,
    rename_us: u64,
    eventful: Eventful,
    /// What was captured before was recorded.
    ended_us: u64,
    /// The files that were named by a clock that could not be believed, when their first pictures were captured, and if they are to be
    /// told of yet.
    misdated: Vec<(Name, u64, bool)>,
}

impl<'a> Recorder<'a> {
    fn new(stream: &'a Stream, archive: &'a Archive, plan: Plan) -> Recorder<'a> {
        Recorder {
            stream,
            archive,
            plan,
            watching: None,
            follower: None,
            writing: None,
            written_bytes: 0,
            entered: false,
            needs_repair: true,
            pictures: Pictures::new(),
            tidied_us: 0,
            retry_us: 0,
            rename_us: 0,
            eventful: Eventful::default(),
            ended_us: 0,
            misdated: Vec::new(),
        }
    }

    /// How long nothing has to be done. While pictures are recorded, it is them who are waited for.
    fn rest(&self) -> Duration {
        match &self.writing {
            // Only of these there are more to come.
            Some(writing) if writing.is_jpeg && self.stream.codec() == Some(Codec::Jpeg) => Duration::ZERO,
            _ => LOOK,
        }
    }

    /// Does what there is to do by now.
    fn turn(&mut self) {
        let now_us = clock::monotonic_us();
        if now_us < self.retry_us {
            return;
        }
        let stream = self.stream;
        let watch = || stream.watch(Who::Local("recorder"), "file");
        self.watching.get_or_insert_with(watch);
        if let Err(e) = self.work(now_us) {
            // Its index has room of its own, also where there is none for pictures.
            _ = self.close();
            (self.follower, self.entered) = (None, false);
            self.retry_us = now_us + RETRY_US;
            self.archive.leave();
            self.say("stopped", &why(&e));
        }
        if let Some(watching) = &self.watching {
            let open_bytes = self.writing.as_ref().map_or(0, |it| it.file.bytes());
            watching
                .viewer
                .bytes
                .store(self.written_bytes + open_bytes, Relaxed);
        }
    }

    fn work(&mut self, now_us: u64) -> io::Result<()> {
        let wall = WallClock::now();
        let is_set = clock::is_set();
        if !self.entered {
            self.archive.enter()?;
            (self.entered, self.tidied_us) = (true, 0);
        }
        if std::mem::take(&mut self.needs_repair) {
            let camera = &self.stream.name;
            match self.archive.repair(camera) {
                Ok(files) => {
                    for file in &files {
                        log_info!("{camera}: recording repaired: {}", file.display());
                        self.stream.events.recorded(camera, file);
                    }
                }
                Err(e) => log_warning!("{camera}: a recording can't be repaired: {e}"),
            }
        }
        if is_set && now_us >= self.rename_us {
            self.rename(wall, now_us);
        }
        if self.tidied_us == 0 || now_us >= self.tidied_us + TIDY_US {
            self.archive
                .tidy(is_set.then(|| clock::unix().as_secs()), false)?;
            self.tidied_us = now_us;
        }
        let before = self.plan.before_events;
        if before.is_some() && now_us >= self.eventful.until_us && self.writing.is_none() {
            self.follower = None;
        } else {
            match self.stream.codec() {
                Some(Codec::Jpeg) => self.pull_pictures(now_us, wall, is_set)?,
                _ => self.pull(now_us, wall, is_set)?,
            }
            self.write_due(clock::monotonic_us())?;
        }
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
                    if batch.skipped > 0 {
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
            if let (Some(watching), Some(writing)) = (&self.watching, &mut self.writing) {
                watching.viewer.skipped.fetch_add(missed, Relaxed);
                writing.missed += missed;
            }
            if !self.take(&fragment, wall, is_set)? || clock::monotonic_us() >= ends_us {
                break;
            }
        }
        Ok(())
    }

    /// Writes what is due, and ends a file that nothing comes for.
    fn write_due(&mut self, now_us: u64) -> io::Result<()> {
        if let Some(writing) = &mut self.writing {
            with_room(self.archive, &mut || writing.file.write_due(now_us))?;
            // The camera is away: what comes after it is another file.
            if now_us >= writing.pushed_us + SILENCE_US {
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
    fn take(&mut self, fragment: &Fragment, wall: WallClock, is_set: bool) -> io::Result<bool> {
        let now_us = clock::monotonic_us();
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
            with_room(self.archive, &mut || writing.file.push(fragment, now_us))?;
            writing.pushed_us = now_us;
            if !fragment.is_sound() {
                writing.pictures += 1;
                self.ended_us = fragment.captured_us + 1;
                if self.eventful.has(fragment.captured_us) {
                    writing.file.mark(fragment.time_90k);
                }
            }
            // It ends with the next key frame, which may be far.
            if writing.segment.is_due() {
                self.stream.request_key_frame();
            }
        }
        Ok(true)
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
            synced: is_set,
        };
        // Its disk may be another one by now, or none.
        self.archive.enter()?;
        // An event is over soon: its file would be the larger for it.
        let heads_bytes = HEADS_BYTES / if self.plan.before_events.is_some() { 8 } else { 1 };
        let make = |path: &Path| RecordingFile::create(path, first, origin, heads_bytes, now_us);
        let mut made = None;
        with_room(self.archive, &mut || {
            made = Some(self.archive.create(&self.stream.name, name, &make)?);
            Ok(())
        })?;
        self.writing = made.map(|(name, file)| Writing {
            file,
            name,
            segment: Segment::new(first, wall, self.plan.stagger_s),
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
        let flushed = with_room(self.archive, &mut || writing.file.flush());
        self.written_bytes += writing.file.bytes();
        let closed = writing.file.close();
        let (camera, name, missed) = (&self.stream.name, writing.name, writing.missed);
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
        self.tidied_us = 0;
        // It is whole but for what there was no room for; without a picture it is nothing.
        match closed? {
            false => _ = self.archive.delete(camera, name),
            true if waits => {}
            true => events.recorded(camera, &self.archive.path(camera, name)),
        }
        flushed
    }

    /// Gives what was recorded before the clock was set the name that it would have had: one file at a time, as the disk has to
    /// write its folders for each.
    fn rename(&mut self, wall: WallClock, now_us: u64) {
        let Some((old, captured_us, waits)) = self.misdated.pop() else {
            return;
        };
        let camera = &self.stream.name;
        let start_us = captured_us.saturating_add_signed(wall.offset_us);
        let name = Name {
            start_s: start_us / 1_000_000,
            ahead_min: wall.ahead_min,
            copy: 1,
            synced: true,
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
            self.stream.events.recorded(camera, &path);
        }
    }

    /// Has everybody know how it goes.
    fn say(&self, what: &'static str, why: &str) {
        let mut is_news = false;
        self.stream.publish(|state| {
            is_news = (state.recorder.0, &*state.recorder.1) != (what, why);
            if is_news {
                state.recorder = (what, why.into());
            }
        });
        match why {
            _ if !is_news => {}
            "" => log_info!("{}: recorder: {what}", self.stream.name),
            _ => log_warning!("{}: recorder: {what}: {why}", self.stream.name),
        }
    }
}

/// Does what fails for want of room once more, after the oldest recordings had to make some.
fn with_room(archive: &Archive, act: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
    match act() {
        Err(e) if e.kind() == ErrorKind::StorageFull => {
            archive.tidy(None, true)?;
            act()
        }
        done => done,
    }
}

/// What is wrong, and the way out.
fn why(e: &io::Error) -> String {
    let known = match e.kind() {
        ErrorKind::StorageFull => "the disk is full, and there is nothing older to delete",
        ErrorKind::QuotaExceeded => "the quota of the disk is used up",
        ErrorKind::ReadOnlyFilesystem => {
            "the disk is read-only (dmesg says why), or closed to the service (ReadWritePaths= in its unit)"
        }
        ErrorKind::NotFound => {
            return format!(
                "record_dir has no file {MARKER}: is its disk mounted? In a new folder, make one with touch"
            );
        }
        ErrorKind::WouldBlock => "another program records into record_dir",
        ErrorKind::PermissionDenied => {
            "record_dir may not be written; it has to belong to the program's user, and a disk that is mounted directly below / to be \
             there before the program starts"
        }
        _ => return e.to_string(),
    };
    known.into()
}

#[cfg(test)]
#[path = "tests/recorder.rs"]
mod tests;
