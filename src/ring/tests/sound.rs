//! Sound beside pictures: what goes with which, and at which time.

use super::super::fragments::tests::{LIMITS, MONO, Rig, init};
use super::super::{Follower, Next, Ring};
use super::*;
use std::time::Duration;

/// Zero of the ring's time.
const ZERO_US: u64 = 5_000_000;
/// An AAC frame's length.
const STEP_US: u64 = 1024 * 1_000_000 / 48_000;

/// What waits, with pictures of a camera that has a microphone.
struct Waiting {
    sound: Sound,
    rig: Rig,
}

impl Waiting {
    fn new() -> Waiting {
        Waiting {
            sound: Sound {
                format: Some(MONO),
                zero_us: Some(ZERO_US),
                ..Sound::default()
            },
            rig: Rig::with_sound(LIMITS),
        }
    }

    /// Adds `count` frames from that time on, all at the same moment.
    fn hear(&mut self, time_us: u64, count: u64) {
        for n in 0..count {
            self.sound.wait(frame(ZERO_US + time_us + n * STEP_US), 0);
        }
    }

    /// Begin and end in samples of what goes before a picture at that time, and of what goes behind it.
    fn picture(&mut self, key: bool, time_90k: u64) -> [Vec<(u64, u64)>; 2] {
        self.picture_now(key, time_90k, 0)
    }

    fn picture_now(&mut self, key: bool, time_90k: u64, now_us: u64) -> [Vec<(u64, u64)>; 2] {
        let picture = self.rig.picture_at(key, time_90k);
        let (before, behind) = self.sound.beside(&picture, now_us);
        [before, behind].map(|sound| sound.iter().map(samples).collect())
    }
}

fn frame(time_us: u64) -> SoundFrame {
    SoundFrame {
        time_us,
        data: vec![0x21],
    }
}

/// By its own bytes: its time, and that behind its frames.
fn samples(sound: &Fragment) -> (u64, u64) {
    let mut head = Vec::new();
    sound.head(1, 0, &mut head);
    let begin = u64::from_be_bytes(head[60..68].try_into().unwrap());
    let count = u32::from_be_bytes(head[80..84].try_into().unwrap());
    (begin, begin + u64::from(count) * 1024)
}

#[test]
fn frames_follow_each_other_to_the_sample_and_gaps_are_told() {
    let mut waiting = Waiting::new();
    waiting.picture(true, 0);
    waiting.hear(1_000_000, 2);
    assert_eq!(waiting.picture(false, 3000), [vec![(48_000, 50_048)], vec![]]);
    // Stamps are rounded, and jitter.
    for off_us in [-10_000i64, 1, 9000] {
        let at_us = 1_000_000 + 2 * STEP_US;
        waiting.sound.end = 50_048;
        waiting.hear(at_us.saturating_add_signed(off_us), 1);
        assert_eq!(waiting.picture(false, 6000)[0], [(50_048, 51_072)], "{off_us}");
    }
    waiting.hear(1_500_000, 5);
    waiting.hear(2_000_000, 1);
    let expected = vec![(72_000, 76_096), (76_096, 77_120), (96_000, 97_024)];
    assert_eq!(
        waiting.picture(false, 9000),
        [expected, vec![]],
        "at most four in one"
    );
    waiting.hear(1_000_000, 3);
    assert_eq!(waiting.picture(false, 9000), [vec![], vec![]], "never back");
}

#[test]
fn nothing_goes_across_a_start() {
    let mut waiting = Waiting::new();
    // Before the first picture the newest are kept, and those from before zero are dropped.
    waiting.sound.wait(frame(ZERO_US - 1), 0);
    waiting.hear(0, 20);
    let [before, behind] = waiting.picture(true, 0);
    assert_eq!(
        (before.len(), behind[0].0, behind.last().unwrap().1),
        (0, 4 * 1024, 20 * 1024)
    );

    let mut waiting = Waiting::new();
    waiting.picture(true, 0);
    waiting.hear(0, 4);
    // 1.5 frames.
    let cut = [vec![(0, 2048)], vec![(2048, 4096)]];
    assert_eq!(waiting.picture(true, 2880), cut);
    // Sound is mostly later than its picture.
    waiting.picture(true, 3 * 2880);
    waiting.hear(4 * STEP_US, 2);
    assert_eq!(
        waiting.picture(false, 4 * 2880),
        [vec![(4096, 5120), (5120, 6144)], vec![]]
    );
}

#[test]
fn what_is_not_told_of_is_dropped() {
    let mut waiting = Waiting::new();
    waiting.rig = Rig::new(LIMITS);
    waiting.hear(0, 100);
    assert_eq!(waiting.picture(true, 0), [vec![], vec![]]);
    assert!(
        waiting.sound.waiting.len() <= EARLY_FRAMES,
        "its init segment has no such track"
    );
    waiting.sound.begin_epoch();
    assert!(waiting.sound.waiting.is_empty());
}

/// Sound alone wakes nobody until it has waited for long; the next picture takes it along.
#[test]
fn sound_goes_with_the_next_picture_or_after_a_while() {
    let mut waiting = Waiting::new();
    let push = |waiting: &mut Waiting, now_us| waiting.sound.wait(frame(ZERO_US), now_us);
    assert!(
        !push(&mut waiting, 0) && !push(&mut waiting, 1_000_000),
        "before the first picture"
    );
    waiting.picture(true, 0);
    assert!(!push(&mut waiting, 0) && !push(&mut waiting, 39_999) && push(&mut waiting, 40_000));

    let ring = Ring::new(LIMITS);
    ring.set_sound(Some(MONO));
    ring.set_zero(0);
    let mut follower = Follower::new(&ring, false);
    let mut next = || match follower.next(Duration::ZERO) {
        Next::Batch(batch) => batch.fragments.iter().map(|f| f.is_sound()).collect(),
        _ => Vec::new(),
    };
    let picture = |key, time_90k| ring.push(Rig::with_sound(LIMITS).picture_at(key, time_90k).into());
    ring.push_sound(frame(0));
    picture(true, 0);
    assert_eq!(next(), [false, true], "from its start on");
    picture(true, 10_000);
    ring.push_sound(frame(STEP_US));
    assert_eq!(next(), [false]);
    picture(false, 13_000);
    assert_eq!(next(), [true, false]);
}

/// There is nothing yet that it could follow, be that near or far.
#[test]
fn the_first_frame_of_an_epoch_is_where_it_was_heard() {
    let mut waiting = Waiting::new();
    waiting.picture(true, 0);
    waiting.hear(9000, 1);
    assert_eq!(waiting.picture(false, 3000)[0], [(432, 1456)]);
    waiting.sound.begin_epoch();
    waiting.hear(20_000, 1); // while the last one was heard
    waiting.hear(32_000, 1);
    assert_eq!(waiting.picture(true, 2880)[1], [(1536, 2560)]);
}

/// A driver may hang, while pictures go on.
#[test]
fn what_does_not_come_is_silence() {
    let mut waiting = Waiting::new();
    waiting.picture(true, 0);
    waiting.hear(0, 2);
    let none = [vec![], vec![]];
    assert_eq!(waiting.picture_now(false, 3000, 33_000)[0], [(0, 2048)]);
    // 0.2 s without sound, but few pictures: all was held up, and the sound comes next.
    assert_eq!(waiting.picture_now(false, 6000, 300_000), none);
    let filled = waiting.picture_now(false, 9000, 300_000);
    assert_eq!(filled, [vec![(2048, 4096)], vec![]], "up to the picture");
    assert_eq!(waiting.picture_now(false, 12_000, 333_000)[0], [(4096, 6144)]);
    // What is late was silence by then; what comes next has its place.
    waiting.hear(4 * STEP_US, 4);
    assert_eq!(waiting.picture_now(false, 15_000, 366_000)[0], [(6144, 8192)]);
    // The pictures had stopped, too.
    for now_us in [900_000, 900_000, 20_000_000] {
        let filled = waiting.picture_now(false, 1_800_000, now_us)[0].clone();
        let (first, last) = (filled.first(), filled.last());
        if let (Some((begin, _)), Some((_, end))) = (first, last) {
            assert_eq!(end - begin, 468 * 1024);
            assert!((959_000..=960_000).contains(end), "{end}");
        }
    }
    // In another epoch it may take as long to begin; then there is silence from the start on.
    waiting.sound.begin_epoch();
    for _ in 0..9 {
        assert_eq!(waiting.picture_now(true, 1_803_000, 30_000_000), none);
    }
    let filled = waiting.picture_now(false, 1_812_000, 30_300_000);
    assert_eq!(filled, [vec![(961_600, 965_696)], vec![]]);
}

/// Another microphone, at a third of the rate, counts fewer samples by the same time.
#[test]
fn sound_of_another_format_is_counted_anew() {
    let mut waiting = Waiting::new();
    waiting.picture(true, 0);
    waiting.hear(0, 30);
    waiting.picture(false, 60_000);
    let third = SoundFormat { rate: 16_000, ..MONO };
    waiting.sound.begin(Some(third));
    waiting.hear(640_000, 1);
    // The pictures' track says so as well.
    let mut picture = waiting.rig.picture_at(true, 63_000);
    picture.init = init(Some(third));
    waiting.sound.beside(&picture, 0);
    waiting.hear(704_000, 1);
    assert_eq!(samples(&waiting.sound.take()[0]), (11_264, 12_288));
}
