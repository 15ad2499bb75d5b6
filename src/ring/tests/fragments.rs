//! The rules of the ring's data, with a clock of the tests' own.

use super::*;
use crate::format::fmp4::{Init, SoundFormat, SoundFrame, Span};
use crate::format::h264::{AccessUnit, Parameters, Refresh, Sps};
use crate::support::random::Random;

/// x264, 320x240, Baseline.
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00,
    0x03, 0x03, 0xc0, 0xf1, 0x42, 0xa4, 0x80,
];
pub(in crate::ring) const LIMITS: Limits = Limits {
    max_age: Duration::from_secs(1),
    join_max: Duration::from_secs(4),
    join_max_bytes: 100_000,
    max_senders: 2,
    hold: Duration::ZERO,
    patience: Duration::ZERO,
};

pub(in crate::ring) const MONO: SoundFormat = SoundFormat {
    rate: 48_000,
    channels: 1,
    config: [0x11, 0x88],
};

pub(in crate::ring) fn init(sound: Option<SoundFormat>) -> Arc<Init> {
    let parameters = Parameters {
        sps: SPS.to_vec(),
        pps: vec![vec![0x68, 0xce]],
        info: Sps::parse(SPS).unwrap(),
    };
    Arc::new(Init::new(Arc::new(parameters), 0, sound))
}

/// In samples: the sound's number in [`Rig::take`] is 9000.
const SOUND_AT: u64 = 4800;

/// A ring's data, with a clock of its own, whose fragments carry their number as media time.
pub(in crate::ring) struct Rig {
    fragments: Fragments,
    init: Arc<Init>,
    now_us: u64,
    pushed: u64,
    /// One for all followers, as for a thread that sends for many.
    batch: Batch,
}

impl Rig {
    pub(in crate::ring) fn new(limits: Limits) -> Rig {
        Rig {
            fragments: Fragments::new(limits),
            init: init(None),
            now_us: 0,
            pushed: 0,
            batch: Batch::default(),
        }
    }

    /// One whose camera has a microphone.
    pub(in crate::ring) fn with_sound(limits: Limits) -> Rig {
        Rig {
            init: init(Some(MONO)),
            ..Rig::new(limits)
        }
    }

    pub(in crate::ring) fn picture_at(&mut self, key: bool, time_90k: u64) -> Fragment {
        self.pushed = time_90k;
        self.made(key, Refresh::default(), 100)
    }

    pub(in crate::ring) fn fragment(&mut self, key: bool, bytes: usize) -> Arc<Fragment> {
        Arc::new(self.made(key, Refresh::default(), bytes))
    }

    fn made(&mut self, key: bool, refresh: Refresh, bytes: usize) -> Fragment {
        let nal = vec![0x41; bytes];
        let unit = AccessUnit {
            nals: vec![&nal],
            key,
            refresh,
        };
        let span = Span {
            time_90k: self.pushed,
            duration_90k: 1,
        };
        self.pushed += 1;
        Fragment::new(Arc::clone(&self.init), &unit, span, 0, 0).unwrap()
    }

    /// Pushes a key frame (`K`), another frame (`p`), sound (`s`), one with which a refresh begins (`b`, after a loss `B`), ends (`e`) or
    /// both (`x`), or lets 100 ms pass (`.`), for each letter.
    fn play(&mut self, script: &str) {
        for letter in script.chars() {
            match letter {
                '.' => self.now_us += 100_000,
                's' => {
                    let frame = SoundFrame {
                        time_us: 0,
                        data: vec![0; 100],
                    };
                    let sound = Fragment::sound(Arc::clone(&self.init), &[frame], SOUND_AT, 0);
                    self.fragments.push(Arc::new(sound.unwrap()), self.now_us);
                }
                _ => {
                    let refresh = Refresh {
                        begins: "bBx".contains(letter),
                        ends: "ex".contains(letter),
                    };
                    let mut fragment = self.made(letter == 'K', refresh, 1000);
                    fragment.after_loss = letter == 'B';
                    self.fragments.push(Arc::new(fragment), self.now_us);
                }
            }
        }
    }

    /// What a follower gets now, until it has to wait: the numbers of its fragments, and how many were skipped.
    fn take(&mut self, position: &mut Position) -> (Vec<u64>, u64) {
        let mut numbers = Vec::new();
        let mut skipped = 0;
        loop {
            let some = self.fragments.advance(position, &mut self.batch, self.now_us);
            skipped += self.batch.skipped;
            numbers.extend(self.batch.fragments.iter().map(|f| f.time_90k));
            if !some {
                return (numbers, skipped);
            }
        }
    }

    fn newcomer(&self, live: bool) -> Position {
        self.fragments.newcomer(live, self.now_us)
    }
}

fn take_as_newcomer(rig: &mut Rig) -> (Vec<u64>, u64) {
    let mut position = rig.newcomer(false);
    rig.take(&mut position)
}

#[test]
fn a_newcomer_gets_the_newest_group_at_once() {
    let mut rig = Rig::new(LIMITS);
    let mut early = rig.newcomer(false);
    assert_eq!(rig.take(&mut early), (vec![], 0));
    rig.play("pp");
    assert_eq!(
        rig.take(&mut early),
        (vec![], 0),
        "no frame without its key frame"
    );
    rig.play("Kpp.Kpp");
    assert_eq!(rig.take(&mut early), (vec![5, 6, 7], 0));
    let mut late = rig.newcomer(false);
    assert_eq!(rig.take(&mut late), (vec![5, 6, 7], 0));
    rig.play("pK");
    assert_eq!(rig.take(&mut late), (vec![8, 9], 0));
}

#[test]
fn live_waits_for_the_next_key_frame() {
    let mut rig = Rig::new(LIMITS);
    rig.play("Kpp");
    let mut position = rig.newcomer(true);
    rig.play("pp");
    assert_eq!(rig.take(&mut position), (vec![], 0));
    rig.play("Kp");
    assert_eq!(rig.take(&mut position), (vec![5, 6], 0));
}

#[test]
fn a_long_or_large_group_is_not_joined() {
    let mut rig = Rig::new(LIMITS);
    rig.play("K");
    rig.play(&".p".repeat(41));
    let mut position = rig.newcomer(false);
    assert_eq!(rig.take(&mut position), (vec![], 0));
    rig.play("K");
    assert_eq!(rig.take(&mut position), (vec![42], 0));

    let mut rig = Rig::new(LIMITS);
    rig.play("K");
    rig.play(&"p".repeat(100));
    let mut position = rig.newcomer(false);
    assert_eq!(rig.take(&mut position), (vec![], 0));
    assert!(rig.fragments.too_long_to_join());
}

#[test]
fn a_group_is_as_long_as_its_frames_say() {
    let mut rig = Rig::new(LIMITS);
    assert!(!rig.fragments.too_long_to_join());
    rig.play("K");
    rig.play(&"p.".repeat(41));
    assert!(
        !rig.fragments.too_long_to_join(),
        "its last frame counts, not the time"
    );
    rig.play("p");
    assert!(rig.fragments.too_long_to_join());
    rig.play("K");
    assert!(!rig.fragments.too_long_to_join());
}

#[test]
fn a_camera_that_gives_a_picture_now_and_then_can_be_joined() {
    let mut rig = Rig::new(LIMITS);
    let pause = ".".repeat(150);
    rig.play(&format!("K{pause}"));
    assert_eq!(take_as_newcomer(&mut rig), (vec![0], 0));
    let mut early = rig.newcomer(false);
    rig.take(&mut early);
    for number in 1..20 {
        rig.play(&format!("p{pause}"));
        let whole_group: Vec<u64> = (0..=number).collect();
        assert_eq!(take_as_newcomer(&mut rig), (whole_group, 0));
        assert_eq!(rig.fragments.entries.len() as u64, number + 1);
    }
    assert!(!rig.fragments.too_long_to_join());
    // Who is there waits for a key frame after what was missed, as ever.
    assert_eq!(rig.take(&mut early), (vec![], 19));
    rig.play("K.p");
    assert_eq!(rig.take(&mut early), (vec![20, 21], 0));
}

#[test]
fn a_group_over_the_budget_loses_its_start_and_the_ring_stays_bounded() {
    let mut rig = Rig::new(LIMITS);
    let mut position = rig.newcomer(false);
    rig.play("K");
    assert_eq!(rig.take(&mut position).0, [0]);
    for _ in 0..1000 {
        rig.play("p");
        assert!(rig.fragments.bytes <= LIMITS.max_bytes());
    }
    let held: usize = rig
        .fragments
        .entries
        .iter()
        .map(|e| e.fragment.size_bytes())
        .sum();
    assert_eq!(held, rig.fragments.bytes);
    assert_eq!(
        rig.take(&mut position),
        (vec![], 1000),
        "what was evicted can't be made up"
    );
    rig.play("pKp");
    assert_eq!(rig.take(&mut position), (vec![1002, 1003], 1));
}

#[test]
fn old_frames_leave_when_nobody_can_use_them() {
    let mut rig = Rig::new(LIMITS);
    rig.play("Kpp...............Kpp");
    assert_eq!(
        rig.fragments.first, 3,
        "an older group than the newest is kept for the age limit only"
    );
    rig.play(&"p.".repeat(100));
    assert_eq!(rig.fragments.entries.len(), 51, "those of five seconds");
}

#[test]
fn who_lags_jumps_to_the_newest_key_frame() {
    let mut rig = Rig::new(LIMITS);
    rig.play("K");
    let mut position = rig.newcomer(false);
    assert_eq!(rig.take(&mut position).0, [0]);
    rig.play("pp..........Kp.Kp");
    assert_eq!(rig.take(&mut position), (vec![5, 6], 4));
}

/// A disk that is slow for three seconds, and one that is for longer.
#[test]
fn who_is_patient_jumps_later() {
    let patience = Duration::from_secs(3);
    let mut rig = Rig::new(Limits { patience, ..LIMITS });
    rig.play("K");
    let mut positions = [rig.newcomer(false), rig.newcomer(false)];
    positions[1].patient = true;
    let number = rig.fragments.keep_for(&positions[1]);
    for position in &mut positions {
        assert_eq!(rig.take(position).0, [0]);
    }
    let [hasty, patient] = &mut positions;
    let take = |rig: &mut Rig, patient: &mut Position| {
        let taken = rig.take(patient);
        rig.fragments.has_come_to(number, Some(patient));
        taken
    };
    take(&mut rig, patient);
    rig.play("p..........Kp..........Kp.........");
    assert_eq!(rig.take(hasty), (vec![4, 5], 3));
    assert_eq!(
        take(&mut rig, patient),
        (vec![1, 2, 3, 4, 5], 0),
        "of three groups"
    );
    rig.play("p..........Kp....................Kp");
    assert_eq!(take(&mut rig, patient), (vec![9, 10], 3), "more than that");
    rig.play(&"p.".repeat(100));
    assert!(take(&mut rig, patient).1 > 0);
    rig.play(&"K.".repeat(100));
    assert_eq!(rig.fragments.entries.len(), 30, "as many as are younger");
    take(&mut rig, patient);
    rig.play("K");
    let others = rig.fragments.entries.len();
    assert!(others < 15, "{others}: it had them all");
    rig.play(&".K".repeat(20));
    assert_eq!(rig.fragments.entries.len(), 21, "those that it has not had");
    assert_eq!(rig.fragments.keep_for(patient), number + 1);
    rig.fragments.has_come_to(number, None);
    assert_eq!(rig.fragments.keep_for(patient), number, "its place is free");
    rig.fragments.has_come_to(number, None);
    rig.fragments.has_come_to(number + 1, None);
    rig.play("K");
    assert_eq!(rig.fragments.entries.len(), others + 1, "nobody waits for them");
}

#[test]
fn who_lags_without_a_newer_key_frame_waits_for_it() {
    let mut rig = Rig::new(LIMITS);
    rig.play("K");
    let mut position = rig.newcomer(false);
    assert_eq!(rig.take(&mut position).0, [0]);
    rig.play("p...........p");
    let mut batch = Batch::default();
    assert!(!rig.fragments.advance(&mut position, &mut batch, rig.now_us));
    assert_eq!((batch.skipped, batch.needs_key_frame), (2, true));
    rig.play("ppp");
    assert_eq!(rig.take(&mut position), (vec![], 3));
    rig.play("pKp");
    assert_eq!(rig.take(&mut position), (vec![7, 8], 1));
}

/// The age counts from the follower's own restart: else who is given a group of some seconds' age would lag at once,
/// jump to the same group again, and never leave it.
#[test]
fn a_start_on_an_old_group_is_no_lag() {
    let mut rig = Rig::new(LIMITS);
    rig.play("K");
    rig.play(&"p.".repeat(35));
    let mut position = rig.newcomer(false);
    assert_eq!(rig.take(&mut position).0.len(), 36);
    rig.play("p.");
    assert_eq!(rig.take(&mut position), (vec![36], 0));
}

#[test]
fn nothing_of_an_older_epoch_is_given_to_a_newcomer() {
    let mut rig = Rig::new(LIMITS);
    rig.play("Kp");
    let mut old = rig.newcomer(false);
    assert_eq!(rig.take(&mut old).0, [0, 1]);
    rig.play("p");
    rig.fragments.begin_epoch();
    let mut new = rig.newcomer(false);
    assert_eq!(rig.take(&mut new).0, []);
    rig.play("Kp");
    assert_eq!(rig.take(&mut new).0, [3, 4]);
    assert_eq!(rig.take(&mut old), (vec![2, 3, 4], 0), "who was there goes on");
}

/// The follower's law, over random play: starts on a key frame, nothing twice or backwards, and each gap ends on a
/// key frame and is counted.
#[test]
fn the_law_holds_over_random_play() {
    let mut random = Random::new(1);
    let mut random = move |n: u64| random.below(n as usize) as u64;
    for _ in 0..300 {
        let mut rig = Rig::new(Limits {
            join_max_bytes: 30_000,
            ..LIMITS
        });
        let mut keys = Vec::new();
        let mut positions = [rig.newcomer(false), rig.newcomer(true), rig.newcomer(false)];
        let mut seen: [Vec<u64>; 3] = Default::default();
        let mut skips = [0; 3];
        for _ in 0..200 {
            match random(12) {
                0 => {
                    keys.push(rig.pushed);
                    rig.play("K");
                }
                1..6 => rig.play("p"),
                6..8 => rig.play("."),
                8 if random(10) == 0 => rig.fragments.begin_epoch(),
                9 if random(5) == 0 => rig.play("............"),
                _ => {
                    let who = random(3) as usize;
                    let (numbers, skipped) = rig.take(&mut positions[who]);
                    skips[who] += skipped;
                    seen[who].extend(numbers);
                }
            }
        }
        for (seen, skipped) in seen.iter().zip(skips) {
            let Some(first) = seen.first() else { continue };
            assert!(keys.contains(first), "starts on a key frame");
            let mut missing = 0;
            for pair in seen.windows(2) {
                assert!(pair[1] > pair[0], "never backwards");
                if pair[1] != pair[0] + 1 {
                    missing += pair[1] - pair[0] - 1;
                    assert!(keys.contains(&pair[1]), "a gap ends on a key frame");
                }
            }
            assert!(skipped >= missing, "gaps are told");
        }
    }
}

/// Who comes has the newest refresh that has ended, from its beginning.
#[test]
fn a_refresh_is_a_start_once_it_has_ended() {
    let mut rig = Rig::new(LIMITS);
    let mut early = rig.newcomer(false);
    let mut live = rig.newcomer(true);
    rig.play("ppb.p.p");
    assert_eq!(rig.take(&mut early), (vec![], 0));
    rig.play(".e.");
    assert_eq!(rig.take(&mut early), (vec![2, 3, 4, 5], 0));
    assert_eq!(rig.take(&mut rig.newcomer(false)).0, [2, 3, 4, 5]);
    assert_eq!(rig.take(&mut live).0, [2, 3, 4, 5], "it came before them");
    let mut live = rig.newcomer(true);
    rig.play("pb.p.");
    assert_eq!(rig.take(&mut early), (vec![6, 7, 8], 0));
    assert_eq!(rig.take(&mut rig.newcomer(false)).0, [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(rig.take(&mut live), (vec![], 0));
    rig.play("e");
    assert_eq!(rig.take(&mut live).0, [7, 8, 9]);
    rig.play("x");
    assert_eq!(rig.take(&mut rig.newcomer(false)).0, [10]);
}

/// However long it takes: what has to be decoded first is no lag.
#[test]
fn a_long_refresh_is_kept_while_it_lasts_and_after() {
    let mut rig = Rig::new(LIMITS);
    let wave = format!("b.{}e", "p.".repeat(79));
    rig.play(&wave);
    assert_eq!(rig.take(&mut rig.newcomer(false)).0.len(), 81);
    assert!(!rig.fragments.too_long_to_join());
    rig.play(&".p".repeat(41));
    assert!(rig.fragments.too_long_to_join());
    rig.play(&wave);
    assert_eq!(rig.take(&mut rig.newcomer(false)).0.len(), 81);
}

#[test]
fn after_a_loss_a_refresh_has_to_end_first() {
    let mut rig = Rig::new(LIMITS);
    rig.play("Kpp");
    let mut position = rig.newcomer(false);
    rig.play("p");
    assert_eq!(rig.take(&mut position).0, [0, 1, 2, 3]);
    let mut lagging = position;
    rig.play("pBp");
    assert_eq!(rig.take(&mut position), (vec![4], 0));
    assert_eq!(rig.take(&mut position), (vec![], 0));
    assert_eq!(rig.take(&mut rig.newcomer(false)), (vec![], 0));
    rig.play("pe");
    assert_eq!(rig.take(&mut position), (vec![5, 6, 7, 8], 0));
    assert_eq!(rig.take(&mut lagging), (vec![4, 5, 6, 7, 8], 0));
    // One that does not end is no start, nor is what is behind it.
    rig.play("BpBpK");
    assert_eq!(rig.take(&mut position), (vec![13], 4));
}

#[test]
fn the_law_holds_over_random_refreshes() {
    let mut random = Random::new(2);
    let mut random = move |n: u64| random.below(n as usize) as u64;
    for _ in 0..300 {
        let mut rig = Rig::new(LIMITS);
        // Where a start begins, and with which fragment it is one; where fragments are missing.
        let (mut starts, mut losses, mut running) = (Vec::new(), Vec::new(), None);
        let mut positions = [rig.newcomer(false), rig.newcomer(true), rig.newcomer(false)];
        let mut seen: [Vec<Vec<u64>>; 3] = Default::default();
        for _ in 0..200 {
            let number = rig.pushed;
            match (random(20), running) {
                (0, _) if random(4) == 0 => {
                    starts.push((number, number));
                    running = None;
                    rig.play("K");
                }
                (1 | 2, None) => {
                    running = Some(number);
                    rig.play("b");
                }
                (3, _) => {
                    losses.push(number);
                    running = Some(number);
                    rig.play("B");
                }
                (4 | 5, Some(begin)) => {
                    starts.push((begin, number));
                    running = None;
                    rig.play("e");
                }
                (6..12, _) => rig.play("p"),
                (12..15, _) => rig.play("."),
                (15, _) if random(5) == 0 => rig.play("............"),
                _ => {
                    let who = random(3) as usize;
                    let (numbers, _) = rig.take(&mut positions[who]);
                    seen[who].push(numbers);
                }
            }
        }
        for taken in &seen {
            let numbers: Vec<u64> = taken.iter().flatten().copied().collect();
            for (at, number) in numbers.iter().enumerate() {
                let follows = at > 0 && numbers[at - 1] + 1 == *number && !losses.contains(number);
                let batch = taken.iter().find(|batch| batch.contains(number)).unwrap();
                let is_start = |(begin, end): &(u64, u64)| begin == number && batch.contains(end);
                assert!(
                    follows || starts.iter().any(is_start),
                    "{number} in {taken:?}; {starts:?} {losses:?}"
                );
            }
        }
    }
}

/// Sound is part of a group, but no start, and is not counted among what is skipped.
#[test]
fn sound_beside_pictures() {
    let mut rig = Rig::with_sound(LIMITS);
    rig.play("sKsps");
    let mut position = rig.newcomer(false);
    const S: u64 = 9000;
    assert_eq!(rig.take(&mut position), (vec![0, S, 1, S], 0));
    rig.play("s");
    assert_eq!(rig.take(&mut position), (vec![S], 0));
    // Five pictures are too old, and six of the sound.
    rig.play("spspspspsps............sKsps");
    assert_eq!(rig.take(&mut position), (vec![7, S, 8, S], 5));
    rig.play("sps............s");
    assert_eq!(rig.take(&mut position), (vec![], 1));
    rig.play("ssssKs");
    assert_eq!(rig.take(&mut position), (vec![10, S], 0));
}

/// A camera that gives a picture now and then has no long groups, although its sound goes on.
#[test]
fn sound_makes_no_group_longer() {
    let mut rig = Rig::with_sound(LIMITS);
    rig.play("Ks");
    for _ in 0..60 {
        rig.play("s..........");
    }
    assert!(!rig.fragments.too_long_to_join());
}

#[test]
fn a_clip_begins_in_the_past_as_far_as_nothing_is_missing() {
    let hold = Duration::from_secs(5);
    let mut rig = Rig::new(Limits { hold, ..LIMITS });
    let taken_since = |rig: &mut Rig, age_us| {
        let mut position = rig.fragments.since(rig.now_us.saturating_sub(age_us), rig.now_us);
        rig.take(&mut position).0
    };
    assert_eq!(taken_since(&mut rig, 0), []);
    rig.play("ppK.........p");
    assert_eq!(taken_since(&mut rig, 0), [2, 3], "at once, as any newcomer");
    rig.play(".........Kp.........Kp.........");
    assert_eq!(taken_since(&mut rig, 0), [6, 7]);
    assert_eq!(taken_since(&mut rig, 1_500_000), [4, 5, 6, 7]);
    assert_eq!(taken_since(&mut rig, 2_500_000), [2, 3, 4, 5, 6, 7]);
    assert_eq!(
        taken_since(&mut rig, 4_000_000),
        [2, 3, 4, 5, 6, 7],
        "there is no more"
    );
    // It may take it slowly, and goes on with what comes.
    let mut position = rig.fragments.since(0, rig.now_us);
    assert_eq!(rig.take(&mut position).0, [2, 3, 4, 5, 6, 7]);
    rig.play("K....................p");
    assert_eq!(rig.take(&mut position), (vec![8, 9], 0));

    rig.fragments.begin_epoch();
    assert_eq!(taken_since(&mut rig, 4_000_000), [], "of an older epoch");
}
