use super::super::archive::{MARKER, prepare};
use super::super::file::tests::Rig;
use super::super::janitor::Limits;
use super::super::library;
use super::super::segment::SEGMENT_S;
use super::*;
use crate::events::{END, MARK, START};
use crate::format::fmp4::reader::walk;
use crate::format::fmp4::{Init, Span};
use crate::format::h264::{AccessUnit, Refresh};
use crate::ring;
use crate::sys::file::entries;
use std::fs;
use std::sync::Arc;

const LIMITS: Limits = Limits {
    max_bytes: u64::MAX,
    event_max_bytes: 0,
    keep_free: 0,
    keep_days: 0,
};
const PLAN: Plan = Plan {
    records: true,
    before_events: None,
    lapse: None,
    stagger_s: 0,
    run: 7,
};

struct Camera {
    rig: Rig,
    init: Arc<Init>,
    stream: Stream,
    archive: Archive,
}

impl Camera {
    fn new(name: &str) -> Camera {
        let rig = Rig::new(name);
        prepare(&rig.folder).unwrap();
        let limits = ring::Limits {
            max_age: Duration::from_secs(1),
            hold: Duration::ZERO,
            patience: Duration::from_secs(60),
            join_max: Duration::from_secs(4),
            join_max_bytes: 1_000_000,
            max_senders: 1,
        };
        Camera {
            init: Arc::new(Init::new(Arc::clone(&rig.init.parameters), 0, None)),
            stream: Stream::new("yard", limits).unwrap(),
            archive: Archive::new(rig.folder.clone(), LIMITS),
            rig,
        }
    }

    fn recorder(&self, plan: Plan) -> Recorder<'_> {
        Recorder::new(&self.stream, &self.archive, plan)
    }

    /// A picture so many tenths of a second after the first one; each tenth is a key frame.
    fn picture(&self, n: u64, captured_us: u64) -> Arc<Fragment> {
        let unit = AccessUnit {
            nals: vec![&[0x65, 1]],
            key: n % 10 == 0,
            refresh: Refresh::default(),
        };
        let span = Span {
            time_90k: 1_000_001 + n * 9000,
            duration_90k: 9000,
        };
        Arc::new(Fragment::new(Arc::clone(&self.init), &unit, span, captured_us, 0).unwrap())
    }

    /// The names of the recordings, each with its media time and its duration.
    fn files(&self) -> Vec<(String, u64, u64)> {
        let mut files = Vec::new();
        for file in entries(&self.rig.folder.join("yard"))
            .iter()
            .flat_map(|day| entries(day))
        {
            let bytes = fs::read(&file).unwrap();
            let boxes = walk(&bytes).unwrap();
            let u64_in = |path: &str, at: usize| {
                let body = boxes.iter().find(|found| found.path == path).unwrap().body;
                u64::from_be_bytes(body[at..at + 8].try_into().unwrap())
            };
            let name = file.strip_prefix(self.rig.folder.join("yard")).unwrap();
            files.push((
                name.to_str().unwrap().to_owned(),
                u64_in("uuid", 32),
                u64_in("moov/trak/mdia/mdhd", 24),
            ));
        }
        files.sort_by_key(|(_, media_90k, _)| *media_90k);
        files
    }
}

/// An hour and three seconds are found to be missing twenty seconds after the start, and another one later.
#[test]
fn a_clock_that_is_set_begins_a_file_and_names_what_was_before() {
    let camera = Camera::new("set-clock");
    let mut recorder = camera.recorder(PLAN);
    let mut wall = WallClock {
        offset_us: 1_795_870_980_000_000,
        ahead_min: 60,
    };
    for n in 0..400 {
        if n == 195 || n == 300 {
            wall.offset_us += 3_603_000_000;
        }
        let picture = camera.picture(n, n * 100_000);
        assert!(recorder.take(&picture, wall, n >= 195).unwrap());
        if n >= 195 {
            recorder.rename(wall, 0);
        }
    }
    recorder.close().unwrap();
    let files = camera.files();
    let names: Vec<&str> = files.iter().map(|(name, ..)| &**name).collect();
    assert_eq!(
        names,
        [
            "2026-11-28/15-03-03+0100.mp4",
            "2026-11-28/15-03-23+0100.mp4",
            "2026-11-28/16-03-36+0100.mp4"
        ]
    );
    // What the one ends with is what the next one begins with.
    for pair in files.windows(2) {
        assert_eq!(pair[0].1 + pair[0].2, pair[1].1);
    }
    assert_eq!(
        files.iter().map(|(_, _, duration)| duration).sum::<u64>(),
        400 * 9000
    );
}

/// One a turn, and each until it has its name.
#[test]
fn what_can_not_be_renamed_is_tried_again() {
    let camera = Camera::new("rename");
    let mut recorder = camera.recorder(PLAN);
    let wall = |offset_us| WallClock {
        offset_us,
        ahead_min: 0,
    };
    for (n, step_us) in [(0, 0), (10, 0), (20, 4_000_000)] {
        let picture = camera.picture(n, n * 100_000);
        assert!(
            recorder
                .take(&picture, wall(1_795_870_980_000_000 + step_us), false)
                .unwrap()
        );
    }
    recorder.close().unwrap();
    let names = |camera: &Camera| {
        camera
            .files()
            .into_iter()
            .map(|(name, ..)| name)
            .collect::<Vec<_>>()
    };
    let [first, second] = ["2026-11-28/13-03-00+0000~.mp4", "2026-11-28/13-03-06+0000~.mp4"];
    assert_eq!(names(&camera), [first, second]);
    // They are told of by those names only if they keep them.
    let waits = clock::is_set();
    assert!(recorder.misdated.iter().all(|it| it.2 == waits));
    let later = wall(1_795_870_980_000_000 + 86_400_000_000);
    // Something else has the day's name.
    let foreign = camera.rig.folder.join("yard/2026-11-29");
    fs::write(&foreign, "").unwrap();
    recorder.rename(later, 5);
    assert_eq!(recorder.rename_us, 5 + TIDY_US);
    fs::remove_file(&foreign).unwrap();
    recorder.rename(later, 0);
    assert_eq!(names(&camera), ["2026-11-29/13-03-00+0000.mp4", second]);
    // It says so itself, too.
    let file = fs::read(foreign.join("13-03-00+0000.mp4")).unwrap();
    let boxes = walk(&file).unwrap();
    let origin = boxes.iter().find(|found| found.path == "uuid").unwrap().body;
    assert_eq!(origin[16..20], [1, 1, 0, 0]);
    assert_eq!(origin[40..48], later.offset_us.to_be_bytes());
    assert_eq!(&origin[56..], b"yard");
    // Somebody deleted the other one.
    fs::remove_file(camera.rig.folder.join("yard").join(second)).unwrap();
    recorder.rename_us = 0;
    recorder.rename(later, 5);
    assert!(recorder.misdated.is_empty() && recorder.rename_us == 0);
}

#[test]
fn of_events_there_is_what_was_before_and_nothing_twice() {
    let camera = Camera::new("events");
    let mut recorder = camera.recorder(Plan {
        before_events: Some(Duration::from_secs(10)),
        // Its files end minutes from now.
        stagger_s: SEGMENT_S * 3 / 2 - clock::unix().as_secs() % SEGMENT_S,
        ..PLAN
    });
    let now_us = clock::monotonic_us();
    let push = |pictures: std::ops::Range<u64>| {
        for n in pictures {
            let captured_us = (now_us + n * 100_000).saturating_sub(5_000_000);
            camera.stream.ring.push(camera.picture(n, captured_us));
        }
    };
    push(0..45);
    recorder.turn();
    assert_eq!(
        (camera.files(), camera.stream.state().recorder.0),
        (vec![], "waiting")
    );
    recorder.eventful.note("lost", START, clock::monotonic_us());
    recorder.turn();
    assert!(recorder.writing.is_none(), "that is no reason");
    recorder.eventful.note("door", MARK, clock::monotonic_us());
    recorder.turn();
    assert_eq!(camera.stream.state().recorder.0, "recording");
    // It is over a moment later, in the middle of a group.
    recorder.eventful.until_us = now_us + 200_000;
    push(45..75);
    recorder.turn();
    let durations = |camera: &Camera| {
        camera
            .files()
            .iter()
            .map(|(_, _, it)| it / 9000)
            .collect::<Vec<_>>()
    };
    assert_eq!(durations(&camera), [60]);
    recorder.eventful.until_us = 0;
    recorder.turn();
    recorder.eventful.note("motion", START, clock::monotonic_us());
    push(75..95);
    recorder.turn();
    assert_eq!(recorder.eventful.until_us, u64::MAX);
    recorder.eventful.note("motion", END, clock::monotonic_us());
    assert!(recorder.eventful.until_us < u64::MAX);
    recorder.close().unwrap();
    assert_eq!(durations(&camera), [60, 35]);
    let files = camera.files();
    assert_eq!(files[0].1 + files[0].2, files[1].1);
    assert!(recorder.written_bytes < 40_000, "their heads are small");
}

/// Also while it is being recorded, and in the file of a camera that is recorded all the time.
#[test]
fn a_file_says_when_something_happened() {
    let camera = Camera::new("happened");
    let mut recorder = camera.recorder(Plan {
        stagger_s: SEGMENT_S * 3 / 2 - clock::unix().as_secs() % SEGMENT_S,
        ..PLAN
    });
    let record = |recorder: &mut Recorder<'_>, pictures: std::ops::Range<u64>, begin_us: u64| {
        for n in pictures {
            camera.stream.ring.push(camera.picture(n, begin_us + n * 100_000));
        }
        recorder.turn();
        let (name, ..) = &camera.files()[0];
        let (file, size) = library::open(&camera.archive, "yard", Name::parse(name).unwrap()).unwrap();
        (
            name.contains("_event"),
            library::look_into(&file, size).unwrap().0.events,
        )
    };
    let begin_us = clock::monotonic_us() - 18_000_000;
    assert_eq!(record(&mut recorder, 0..1, begin_us), (false, 0));
    let before = Name::parse(&camera.files()[0].0).unwrap();
    // What is found in pictures is told of after them: here after 17.9 s of them.
    let begin_us = clock::monotonic_us() - 17_900_000;
    recorder.eventful.note("motion", START, clock::monotonic_us());
    assert_eq!(record(&mut recorder, 1..60, begin_us), (false, 0));
    assert_eq!(record(&mut recorder, 60..200, begin_us), (true, 1 << 3));
    recorder.eventful.note("motion", END, clock::monotonic_us());
    let begin_us = clock::monotonic_us();
    assert_eq!(record(&mut recorder, 200..250, begin_us), (true, 1 << 3));
    let busy = |name| camera.archive.delete("yard", name).unwrap_err().kind();
    assert_eq!(
        busy(Name {
            event: true,
            ..before
        }),
        ErrorKind::ResourceBusy
    );
    recorder.close().unwrap();
    // Who knows it by its first name has it yet, and whoever comes next has another one.
    library::open(&camera.archive, "yard", before).unwrap();
    assert_eq!(record(&mut recorder, 250..251, begin_us), (true, 1 << 3));
    let last = library::current(&camera.archive, "yard", before);
    assert_eq!(
        last,
        Name {
            event: true,
            ..before
        }
    );
    camera.archive.delete("yard", last).unwrap();
    let gone = library::open(&camera.archive, "yard", before).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[test]
fn what_fails_has_a_reason_and_is_tried_again() {
    let camera = Camera::new("reasons");
    let state = |recorder: &mut Recorder<'_>| {
        recorder.retry_us = 0;
        recorder.turn();
        camera.stream.state().recorder
    };
    let mut recorder = camera.recorder(PLAN);
    let marker = camera.rig.folder.join(MARKER);
    fs::remove_file(&marker).unwrap();
    let (what, why) = state(&mut recorder);
    assert!(what == "stopped" && why.contains("is its disk mounted?"), "{why}");
    assert!(recorder.retry_us > clock::monotonic_us());
    prepare(&camera.rig.folder).unwrap();
    let other = Archive::new(camera.rig.folder.clone(), LIMITS);
    other.enter().unwrap();
    let (what, why) = state(&mut recorder);
    assert!(what == "stopped" && why.contains("another program"), "{why}");
    other.leave();
    assert_eq!(state(&mut recorder), ("waiting", String::new()));
    camera.stream.ring.push(camera.picture(0, 0));
    assert_eq!(state(&mut recorder), ("recording", String::new()));

    // Its disk is gone, and what there is now is no place for recordings.
    fs::remove_file(&marker).unwrap();
    recorder.close().unwrap();
    camera.stream.ring.push(camera.picture(10, 1));
    assert_eq!(state(&mut recorder).0, "stopped");
    prepare(&camera.rig.folder).unwrap();
    camera.stream.ring.push(camera.picture(20, 2));
    assert_eq!(state(&mut recorder).0, "recording");
    // Others fill it.
    camera.archive.change_limits(Limits {
        keep_free: 10_000,
        ..LIMITS
    });
    let (what, why) = state(&mut recorder);
    assert!(what == "stopped" && why.contains("the disk is full"), "{why}");
    assert_eq!(
        camera.files().len(),
        1,
        "the other one had to go, and this one has an end"
    );
}

/// Its pictures are in no ring, and each is a start.
#[test]
fn jpeg_pictures_are_recorded_as_they_are() {
    let camera = Camera::new("jpeg");
    let mut recorder = camera.recorder(PLAN);
    camera.stream.publish(|state| state.codec = Some(Codec::Jpeg));
    let bytes = include_bytes!("../../../tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");
    let now_us = clock::monotonic_us();
    for n in 0..3 {
        let picture = ring::Picture {
            captured_us: now_us + n * 100_000,
            bytes: bytes.to_vec(),
        };
        camera.stream.pictures.push(picture);
        recorder.turn();
    }
    assert_eq!(camera.stream.state().recorder.0, "recording");
    assert_eq!(recorder.rest(), Duration::ZERO, "they are waited for");
    camera.stream.publish(|state| state.codec = Some(Codec::H264));
    assert_eq!(recorder.rest(), LOOK, "nothing waits for those of a ring");
    recorder.close().unwrap();
    let [(name, 0, duration_90k)] = &camera.files()[..] else {
        panic!("{:?}", camera.files());
    };
    assert!(*duration_90k >= 2 * 9000, "{duration_90k}");
    let file = fs::read(camera.rig.folder.join("yard").join(name)).unwrap();
    let boxes = walk(&file).unwrap();
    let payload = boxes.iter().find(|found| found.path == "mdat").unwrap().body;
    assert_eq!(payload, bytes.repeat(3));
    assert!(file.windows(4).any(|four| four == b"mp4v"));
    // It is found as well.
    let listed = library::of_day(&camera.archive, "yard", &name[..10]);
    assert_eq!(listed, [Name::parse(name).unwrap()]);
    let (file, size) = library::open(&camera.archive, "yard", listed[0]).unwrap();
    let (about, index) = library::look_into(&file, size).unwrap();
    assert_eq!((about.run, index.duration_90k()), (PLAN.run, *duration_90k));
}
