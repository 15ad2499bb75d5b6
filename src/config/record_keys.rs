//! The keys of recording.

use super::key::{Key, doc};
use super::model::Record;
use super::scope::Scope;
use super::values::{Refused, known, one_line, within};
use std::time::Duration;

pub(super) const DIR: Key = Key {
    scope: Scope::Server,
    name: "record_dir",
    default: "",
    doc: doc(
        "The folder for recordings, with a folder for each camera and day in it. It needs a file .fmp4streamer (touch makes one), \
          without which nothing is recorded: where a disk is not mounted, recordings would fill the one below. Empty: recordings in \
          the folder that the service manager gives, /var/lib/fmp4streamer/recordings.",
    ),
    allowed: "nothing, or a path from / on",
    set: |draft, text| {
        draft.server.archive.dir = text.into();
        known((text.is_empty() || text.starts_with('/')).then_some(()))
    },
};

pub(super) const MAX_GB: Key = Key {
    scope: Scope::Server,
    name: "record_max_gb",
    default: "20",
    doc: doc(
        "How many gigabytes (billions of bytes) recordings may take together. Then the oldest are deleted.",
    ),
    allowed: "a whole number from 1 to 1000000",
    set: |draft, text| {
        draft.server.archive.max_gb = within(text, 1..=1_000_000)?;
        Ok(())
    },
};

pub(super) const EVENT_MAX_GB: Key = Key {
    scope: Scope::Server,
    name: "record_event_max_gb",
    default: "0",
    doc: doc(
        "How many gigabytes recordings of events (with _event in their names) may take, apart from all others: record_max_gb is for the \
          others alone then, which also go first where the disk gets full. 0: events are no different.",
    ),
    allowed: "a whole number from 0 to 1000000",
    set: |draft, text| {
        draft.server.archive.event_max_gb = within(text, 0..=1_000_000)?;
        Ok(())
    },
};

pub(super) const KEEP_FREE: Key = Key {
    scope: Scope::Server,
    name: "record_keep_free",
    default: "10",
    doc: doc(
        "How many percent of the disk are kept free: the oldest recordings are deleted for it. If other files leave less than that \
          free, recording stops.",
    ),
    allowed: "a whole number from 0 to 90",
    set: |draft, text| {
        draft.server.archive.keep_free = within(text, 0..=90)?;
        Ok(())
    },
};

pub(super) const KEEP_DAYS: Key = Key {
    scope: Scope::Server,
    name: "record_keep_days",
    default: "0",
    doc: doc(
        "After how many days recordings are deleted, though there is room, at most a tenth of all in an hour and only while the clock \
          can be believed. 0: never.",
    ),
    allowed: "a whole number from 0 to 36500",
    set: |draft, text| {
        draft.server.archive.keep_days = within(text, 0..=36_500)?;
        Ok(())
    },
};

pub(super) const RECORD: Key = Key {
    scope: Scope::Camera,
    name: "record",
    default: "no",
    doc: doc(
        "Whether this camera is recorded, with its sound: always, or only around events, from clip_s before (10 seconds, if \
          that is 0) to 10 seconds after. It is awake for it. JPEG pictures are recorded as they are, which browsers don't play, and \
          around events from their beginning.",
    ),
    allowed: "no, always or events",
    set: |draft, text| {
        draft.camera.record = match text {
            "no" => Record::No,
            "always" => Record::Always,
            "events" => Record::Events,
            _ => return Err(Refused::NotAllowed),
        };
        Ok(())
    },
};

pub(super) const TIMELAPSE: Key = Key {
    scope: Scope::Camera,
    name: "timelapse_s",
    default: "0",
    doc: doc(
        "The seconds between two pictures of a time-lapse, a file a day that plays 25 of them a second, in a folder beside the recordings \
          of this camera, whether it is recorded or not. A camera that sleeps is woken for each picture; its key frames are taken, or its \
          JPEG pictures. 0: none.",
    ),
    allowed: "a whole number from 0 to 3600",
    set: |draft, text| {
        let seconds = within(text, 0..=3600)?;
        draft.camera.timelapse = Some(Duration::from_secs(seconds)).filter(|step| !step.is_zero());
        Ok(())
    },
};

pub(super) const DONE_COMMAND: Key = Key {
    scope: Scope::Camera,
    name: "record_done_command",
    default: "",
    doc: doc(
        "A shell command that is run with each recording of this camera, and each file of its time-lapse, when it ends (or, of one that \
          a crash cut short, at the next start), one after the other and for an hour at most; at the program's own end for 3 seconds. The environment has FILE (its \
          path) and CAMERA. As with event_command, the program can't shut itself in then.",
    ),
    allowed: "nothing, or a command for sh",
    set: |draft, text| {
        draft.camera.record_done_command = one_line(text);
        Ok(())
    },
};
