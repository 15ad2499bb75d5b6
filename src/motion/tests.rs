//! What the detector says of the scenes in tests/fixtures/motion, which tests/motion/scenes.py made.

use super::Motion;
use super::detector::{Detector, Kind, OCTAVE, Quality, Sample, log2, median};
use crate::format::raw::GRID;
use crate::support::random::Random;
use std::time::Duration;

const THRESHOLD: i32 = 600;
const GAP_MS: i32 = 5000;

/// A scene by an encoder, with its frames a second.
fn scene(name: &str) -> Vec<Sample> {
    let path = format!(
        "{}/tests/fixtures/motion/{name}.sizes",
        env!("CARGO_MANIFEST_DIR")
    );
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let fps = if name.ends_with("dusk") || name.ends_with("night") {
        5
    } else {
        15
    };
    let (mut samples, mut sizes) = (Vec::new(), [0i64; 2]);
    let (mut number, mut shift) = (0u64, 0);
    for byte in bytes {
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 != 0 {
            continue;
        }
        let (key, zigzag) = (number & 1, (number >> 1) as i64);
        let size = &mut sizes[key as usize];
        *size += (zigzag >> 1) ^ -(zigzag & 1);
        samples.push(Sample {
            captured_us: 7_000_000 + samples.len() as u64 * 1_000_000 / fps,
            kind: match key {
                _ if name.starts_with("mjpeg") => Kind::Jpeg(1),
                1 => Kind::Key,
                _ => Kind::P,
            },
            bytes: usize::try_from(*size).unwrap(),
        });
        (number, shift) = (0, 0);
    }
    samples
}

/// When something begins to move and when that ends, in milliseconds of the scene; and how good the stream is.
fn events(samples: &[Sample]) -> (Vec<u64>, Quality) {
    let mut detector = Detector::default();
    let mut events = Vec::new();
    for sample in samples {
        let before = detector.moves;
        detector.take(*sample, THRESHOLD, GAP_MS);
        if detector.moves != before {
            events.push(sample.captured_us / 1000 - 7000);
        }
    }
    (events, detector.quality)
}

/// A box of 1.5 % of the picture is there from 25 s to 30 s, one of 0.15 % from 45 s to 50 s, and the light changes at 65.4 s and
/// 75.4 s, in the scenes of a day.
#[test]
fn what_moves_is_found_where_it_can_be() {
    use Quality::{Good, Noise};
    // Each event with the latest time at which it has to have begun.
    let large: &[(u64, u64)] = &[(25_000, 600)];
    let both: &[(u64, u64)] = &[(25_000, 600), (45_000, 1500)];
    for (name, begun, quality) in [
        ("crf-n1-day", both, Good),
        ("qmin-n1-day", both, Good),
        ("qmin-n3-day", large, Good),
        ("qmin-n8-day", &[], Noise),
        ("mjpeg-n1-day", large, Good),
        ("mjpeg-n3-day", large, Good),
        ("mjpeg-n8-day", &[], Good),
        ("cbr-n1-day", &[], Noise),
        ("cbr-n3-day", &[], Noise),
        ("vbr-n1-day", &[], Noise),
        ("qmin-n1-dusk", &[], Good),
        ("mjpeg-n1-dusk", &[], Good),
        ("qmin-n1-night", &[], Noise),
        ("qmin-n1-flicker", &[], Noise),
        ("mjpeg-n1-flicker", &[], Good),
        ("qmin-n1-shake", &[], Good),
        ("mjpeg-n1-shake", &[], Good),
        ("qmin-n1-storm", &[], Good),
    ] {
        let (events, found) = events(&scene(name));
        assert_eq!(
            (events.len(), found),
            (begun.len() * 2, quality),
            "{name}: {events:?}"
        );
        for (event, (at, latest)) in events.chunks(2).zip(begun) {
            let [start, end] = [event[0].wrapping_sub(*at), event[1].wrapping_sub(at + 5000)];
            // The gap, and what makes it begin again: what is left is mended by a key picture or two.
            assert!(start <= *latest, "{name}: {events:?}");
            assert!((4800..=8000).contains(&end), "{name}: {events:?}");
        }
    }
}

#[test]
fn other_sizes_of_the_same_scene_are_the_same() {
    for name in ["crf-n1-day", "qmin-n3-day", "mjpeg-n1-day", "qmin-n1-dusk"] {
        let samples = scene(name);
        for factor in [2, 3, 10] {
            let scaled = samples.iter().map(|sample| Sample {
                bytes: sample.bytes * factor,
                ..*sample
            });
            assert_eq!(
                events(&scaled.collect::<Vec<_>>()),
                events(&samples),
                "{name} x {factor}"
            );
        }
    }
}

#[test]
fn a_picture_that_is_lost_changes_little() {
    for name in ["crf-n1-day", "qmin-n1-day", "mjpeg-n1-day"] {
        let samples = scene(name);
        let (whole, _) = events(&samples);
        // Those about the beginning, and some of those before.
        for lost in (0..360).step_by(40).chain(360..390) {
            let mut samples = samples[..450].to_vec();
            samples.remove(lost);
            let (start, _) = events(&samples);
            assert!(
                start[0].abs_diff(whole[0]) <= 200,
                "{name} without {lost}: {start:?}"
            );
        }
    }
}

/// The pictures of a scene that is at rest but for the time from `from_ms` to `to_ms`.
fn simple(kind: Kind, from_ms: u64, to_ms: u64, until_ms: u64) -> Vec<Sample> {
    let every = (0..until_ms).step_by(100);
    every
        .map(|ms| Sample {
            captured_us: ms * 1000,
            kind: match kind {
                Kind::P if ms % 1000 == 0 => Kind::Key,
                kind => kind,
            },
            bytes: match (ms % 1000, kind) {
                (0, Kind::P) => 50_000,
                _ if (from_ms..to_ms).contains(&ms) => 800,
                _ => 100 + ms as usize % 3,
            },
        })
        .collect()
}

#[test]
fn what_disturbs_is_no_motion() {
    let samples = simple(Kind::P, 20_000, 30_000, 30_000);
    let start = |disturbed_ms: u64| {
        let mut detector = Detector::default();
        let mut starts = samples.iter().filter(|sample| {
            if sample.captured_us == disturbed_ms * 1000 {
                detector.restart();
            }
            detector.take(**sample, THRESHOLD, GAP_MS);
            detector.moves
        });
        starts.next().map(|sample| sample.captured_us / 1000)
    };
    let undisturbed = start(0).unwrap();
    assert!((20_100..20_600).contains(&undisturbed), "{undisturbed}");
    // What was to be seen at the end of the silence is what is usual.
    assert_eq!(start(20_000), None);
    let late = start(15_000).unwrap();
    assert!(late >= 22_000, "at {late} it still learns");
    assert_eq!(start(10_000), Some(undisturbed));
}

#[test]
fn a_gap_is_a_start() {
    for jump_us in [2_500_000, 1_000_000_000, 0u64.wrapping_sub(19_000_000)] {
        let mut samples = simple(Kind::P, 20_000, 30_000, 30_000);
        for sample in &mut samples[200..] {
            sample.captured_us = sample.captured_us.wrapping_add(jump_us);
        }
        assert_eq!(events_of(&samples), 0, "{jump_us}");
    }
    // Pictures may come at once, too.
    let mut samples = simple(Kind::P, 20_000, 30_000, 30_000);
    samples.iter_mut().for_each(|sample| sample.captured_us = 1);
    assert_eq!(events_of(&samples), 0);
}

fn events_of(samples: &[Sample]) -> usize {
    let mut detector = Detector::default();
    let moves = samples.iter().filter(|sample| {
        detector.take(**sample, THRESHOLD, GAP_MS);
        detector.moves
    });
    moves.count()
}

#[test]
fn a_light_is_told_from_what_moves_by_its_end() {
    // As large as key pictures, at once.
    let with = |light_ms: std::ops::Range<u64>| {
        let mut samples = simple(Kind::P, 0, 0, 40_000);
        for sample in &mut samples {
            if light_ms.contains(&(sample.captured_us / 1000)) {
                sample.bytes = 40_000;
            }
        }
        events_of(&samples)
    };
    assert_eq!(with(20_000..21_500), 0);
    assert!(with(20_000..23_000) > 0);
}

#[test]
fn what_stays_is_usual_after_some_minutes() {
    let samples = simple(Kind::Jpeg(1), 60_000, 900_000, 900_000);
    let (first, last) = {
        let mut detector = Detector::default();
        let mut moving = samples.iter().filter(|sample| {
            detector.take(**sample, THRESHOLD, GAP_MS);
            detector.moves
        });
        (
            moving.next().unwrap().captured_us,
            moving.last().unwrap().captured_us,
        )
    };
    assert_eq!(first / 1_000_000, 60);
    assert!((300..600).contains(&(last / 1_000_000)), "{last}");
}

#[test]
fn streams_in_which_nothing_shows_are_named() {
    let quality = |kinds: &dyn Fn(u64) -> Kind| {
        let mut detector = Detector::default();
        for mut sample in simple(Kind::Jpeg(1), 20_000, 22_000, 30_000) {
            sample.kind = kinds(sample.captured_us / 100_000);
            detector.take(sample, THRESHOLD, GAP_MS);
            assert!(!detector.moves || detector.quality == Quality::Good);
        }
        detector.quality
    };
    for (what, found) in [
        ("key pictures alone", quality(&|_| Kind::Key)),
        (
            "every other one",
            quality(&|n| [Kind::Key, Kind::P][n as usize % 2]),
        ),
        ("no key picture", quality(&|_| Kind::P)),
    ] {
        assert_eq!(found, Quality::Keys, "{what}");
    }
    assert_eq!(quality(&|n| Kind::Jpeg(n as u32)), Quality::Varies);
    // Somebody moved the control of the quality, and it stays there.
    assert_eq!(quality(&|n| Kind::Jpeg(n.min(50) as u32)), Quality::Good);
}

#[test]
fn numbers_are_right() {
    let octaves = |bytes: usize| f64::from(log2(bytes)) / f64::from(OCTAVE);
    for bytes in [1, 2, 3, 100, 26_860, 65_535, 65_536, 1 << 26, u32::MAX as usize] {
        let off = octaves(bytes) - (bytes as f64).log2();
        assert!(off.abs() < 0.0001, "{bytes}: {off}");
    }
    assert_eq!(log2(0), 0);
    for (numbers, middle) in [
        (&[5][..], 5),
        (&[2, 1], 2),
        (&[3, 1, 2], 2),
        (&[7, 7, 7, 1], 7),
        (&[4, 9, 4, 0, i32::MAX], 4),
        (&[0; 120], 0),
    ] {
        assert_eq!(median(numbers), middle, "{numbers:?}");
    }
}

#[test]
fn clients_are_told_as_long_as_somebody_wants_to_know() {
    let motion = Motion::default();
    assert!((motion.describe(), motion.numbers(), motion.begin()) == (None, None, false));
    motion.want(Some((6, Duration::from_secs(5))));
    assert_eq!((motion.begin(), motion.begin()), (true, false), "one thread");
    let text = |motion: &Motion| motion.describe().unwrap();
    let expected = r#"{"state":"learning","score":0.00,"threshold":6,"quality":"unknown","by":"P pictures","why":"","last_minute":[null,"#;
    assert!(text(&motion).starts_with(expected), "{}", text(&motion));
    for sample in simple(Kind::P, 20_000, 25_000, 25_000) {
        motion.take(sample);
    }
    assert!(
        text(&motion).starts_with(r#"{"state":"motion","score":"#),
        "{}",
        text(&motion)
    );
    assert_eq!(
        motion.numbers().map(|[moves, _, blind]| [moves, blind]),
        Some([1, 0])
    );
    motion.disturb();
    assert!(
        text(&motion).starts_with(r#"{"state":"learning","#),
        "{}",
        text(&motion)
    );
    motion.want(None);
    assert_eq!(motion.describe(), None);
    motion.end();
    assert!(!motion.begin());
}

/// The seconds of the last minute, as /status has them.
fn minute(motion: &Motion) -> Vec<String> {
    let all = motion.describe().unwrap();
    let scores = all.split_once("\"last_minute\":[").unwrap().1;
    let scores = scores.split_once(']').unwrap().0;
    scores.split(',').map(String::from).collect()
}

#[test]
fn the_last_minute_has_the_greatest_score_of_each_second_of_the_pictures() {
    let motion = Motion::default();
    motion.want(Some((6, Duration::from_secs(1))));
    assert_eq!(minute(&motion), vec!["null"; 60]);
    // Something moves in the last second but four.
    for sample in simple(Kind::Jpeg(1), 95_000, 95_500, 100_000) {
        motion.take(sample);
    }
    let seconds = minute(&motion);
    let score = |at: usize| seconds[at].parse::<f64>().unwrap();
    assert_eq!(seconds.len(), 60);
    assert!(score(55) > 6.0 && score(55) > score(56), "{seconds:?}");
    assert!((0..55).all(|at| score(at) < 2.0), "{seconds:?}");
    let take = |captured_us| {
        motion.take(Sample {
            captured_us,
            kind: Kind::Jpeg(1),
            bytes: 5000,
        });
    };
    // A hole of ten seconds, after which it learns.
    take(109_000_000);
    let after = minute(&motion);
    assert_eq!(after[..50], seconds[10..], "{after:?}");
    assert_eq!(after[50..], ["null"; 10]);
    // A time that went back is that of another minute.
    take(108_000_000);
    assert_eq!(minute(&motion), vec!["null"; 60]);
    take(u64::MAX);
    take(0);
    assert_eq!(minute(&motion), vec!["null"; 60]);
}

#[test]
fn a_cameras_own_word_is_believed_until_it_is_opened_anew() {
    let motion = Motion::default();
    motion.tell(0, true);
    motion.want(Some((6, Duration::from_secs(5))));
    let take = |ms: u64| {
        let (captured_us, kind, bytes) = (ms * 1000, Kind::P, 100 + ms as usize % 7 * 100);
        let sample = Sample {
            captured_us,
            kind,
            bytes,
        };
        motion.take(sample).moves
    };
    motion.opened();
    assert!(!take(0));
    motion.tell(1_000_000, false);
    assert!(!take(1000));
    motion.tell(2_000_000, true);
    assert!(take(2000) && take(60_000));
    motion.tell(60_500_000, false);
    assert!(take(60_400) && take(60_600) && take(65_400) && !take(65_500) && !take(65_600));
    // It is over before a picture tells of it.
    motion.tell(66_000_000, true);
    motion.tell(66_010_000, false);
    assert!(take(66_100) && !take(72_000));
    let text = motion.describe().unwrap();
    assert!(
        text.contains(r#""by":"rpicam-vid","why":"rpicam-vid finds"#),
        "{text}"
    );
    assert_eq!(minute(&motion), vec!["null"; 60]);
    motion.tell(73_000_000, true);
    motion.opened();
    assert!(!take(74_000));
    assert!(motion.describe().unwrap().contains("P pictures"));
}

#[test]
fn another_threshold_holds_at_once() {
    let motion = Motion::default();
    motion.set_threshold(8);
    assert_eq!(motion.describe(), None);
    motion.want(Some((1000, Duration::from_secs(1))));
    let found: Vec<bool> = [1000, 6]
        .into_iter()
        .map(|threshold| {
            motion.set_threshold(threshold);
            let samples = simple(Kind::P, 20_000, 25_000, 25_000);
            samples.into_iter().any(|sample| motion.take(sample).moves)
        })
        .collect();
    assert_eq!(found, [false, true]);
}

/// What a camera sees in a room, as luma at a place of the grid (of 80 x 60 samples) at a time in milliseconds.
type View<'a> = &'a dyn Fn(u64, f64, f64) -> f64;

fn texture(x: f64, y: f64) -> f64 {
    128.0
        + 45.0 * ((x / 1.1).sin() + (y / 2.9).sin() * 1.5).cos()
        + if (x + y * 2.0) as u32 % 12 > 5 { 20.0 } else { 0.0 }
}

/// When something begins to move and when that ends, by looks at a view through this much noise.
fn seen(seconds: u64, noise: View<'_>, view: View<'_>) -> Vec<u64> {
    let mut random = Random::new(1);
    let motion = Motion::default();
    motion.want(Some((6, Duration::from_secs(5))));
    let (mut events, mut moves) = (Vec::new(), false);
    for ms in (0..seconds * 1000).step_by(200) {
        let mut samples = Vec::new();
        for at in 0..GRID.0 * GRID.1 {
            let (x, y) = ((at % GRID.0) as f64, (at / GRID.0) as f64);
            // Of four numbers by chance, whose sum has a deviation of 1.
            let sum: usize = (0..4).map(|_| random.below(1001)).sum();
            let chance = (sum as f64 - 2000.0) / 577.0;
            samples.push((view(ms, x, y) + chance * noise(ms, x, y)) as u8);
        }
        let captured_us = 7_000_000 + ms * 1000;
        motion.look(captured_us, &samples);
        // What is coded is of no account beside them.
        let kind = Kind::P;
        let bytes = random.below(100_000);
        let found = motion.take(Sample {
            captured_us,
            kind,
            bytes,
        });
        if found.moves != moves {
            moves = found.moves;
            events.push(ms);
        }
    }
    events
}

#[test]
fn what_moves_is_found_in_raw_pictures() {
    // A box of 1.5 %, a little unlike what is behind it, crosses half of the picture in five seconds, and one of 0.15 % as well.
    let boxes = |ms: u64, x: f64, y: f64| {
        for (from_ms, side) in [(25_000, 8.5), (45_000, 2.7)] {
            let left = 2.0 + (ms as f64 - from_ms as f64) / 1000.0 * 8.0;
            let is_there = (from_ms..from_ms + 5000).contains(&(ms as u32));
            if is_there && (left..left + side).contains(&x) && (25.0..25.0 + side).contains(&y) {
                return 104.0;
            }
        }
        texture(x, y)
    };
    for (noise, found) in [(2.0, 2), (4.0, 2), (8.0, 1)] {
        let events = seen(60, &|_, _, _| noise, &boxes);
        assert!(events.len() >= found * 2, "{noise}: {events:?}");
        for (event, at) in events.chunks(2).zip([25_000, 45_000]) {
            assert!((at..=at + 600).contains(&event[0]), "{noise}: {events:?}");
            assert!(
                (at + 9000..at + 13_000).contains(&event[1]),
                "{noise}: {events:?}"
            );
        }
    }
}

#[test]
fn light_noise_and_what_shakes_all_the_time_are_no_motion_in_raw_pictures() {
    let still = |_: u64, x: f64, y: f64| texture(x, y);
    let quiet = |_: u64, _: f64, _: f64| 2.0;
    let dusk = |ms: u64, x: f64, y: f64| texture(x, y) * (1.0 - ms as f64 * 0.2 / 60_000.0);
    let night = |ms: u64, _: f64, _: f64| 2.0 + ms as f64 * 4.0 / 60_000.0;
    let flicker = |ms: u64, x: f64, y: f64| texture(x, y) * (1.0 + 0.05 * (ms as f64 * 1.7).sin());
    let shake = |ms: u64, x: f64, y: f64| {
        let s = ms as f64 / 1000.0;
        texture(x + 0.4 * (s * 5.1).sin(), y + 0.25 * (s * 3.7).sin())
    };
    // A lamp is on from 20.4 s to 30.4 s, which lights one half more than the other; the exposure gets used to it within a second.
    let lamp = |ms: u64, x: f64, y: f64| {
        let s = ms as f64 / 1000.0;
        let bright = match s {
            20.4..30.4 => 0.1 + 0.7 * ((20.4 - s) * 4.0).exp(),
            30.4.. => -0.4 * ((30.4 - s) * 4.0).exp(),
            _ => 0.0,
        };
        (texture(x, y) * (1.0 + bright * (1.0 + x / 160.0))).min(255.0)
    };
    for (what, seconds, noise, view) in [
        ("still", 60, &quiet as View<'_>, &still as View<'_>),
        ("dusk", 60, &quiet, &dusk),
        ("night", 60, &night, &still),
        ("flicker", 60, &quiet, &flicker),
        ("shake", 60, &quiet, &shake),
        ("lamp", 60, &quiet, &lamp),
        ("lamp at night", 60, &|_, _, _| 6.0, &lamp),
    ] {
        assert_eq!(seen(seconds, noise, view), [0; 0], "{what}");
    }
}

#[test]
fn what_came_and_stays_is_usual_after_a_minute() {
    let van = |ms: u64, x: f64, y: f64| {
        if ms > 20_000 && (20.0..50.0).contains(&x) && (30.0..50.0).contains(&y) {
            return 60.0 + x;
        }
        texture(x, y)
    };
    let events = seen(90, &|_, _, _| 2.0, &van);
    assert!(
        events.len() == 2 && (20_000..20_800).contains(&events[0]),
        "{events:?}"
    );
    assert!((30_000..90_000).contains(&events[1]), "{events:?}");
}

/// As a camera that somebody carries, which is no light.
#[test]
fn all_that_moves_and_goes_on_is_motion_in_raw_pictures() {
    let pan = |ms: u64, x: f64, y: f64| texture(x + (ms as f64 / 1000.0 - 20.0).clamp(0.0, 10.0) * 4.0, y);
    let events = seen(60, &|_, _, _| 2.0, &pan);
    assert!(events.len() == 2, "{events:?}");
    assert!((20_000..23_000).contains(&events[0]), "{events:?}");
}
