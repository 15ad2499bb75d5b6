use super::*;
use crate::format::fmp4::{SoundFormat, SoundFrame, Span, reader};
use crate::format::h264::{AccessUnit, Parameters, Refresh, Sps};
use crate::support::random::Random;
use std::collections::HashMap;

const FRAME_90K: u32 = 3000;

const FIRST: Handover = Handover {
    sequence: 1000,
    discontinuities: 0,
    params: None,
};

fn init() -> Arc<Init> {
    init_of(0xeb, 0)
}

/// An init segment of another format than that one.
fn other_format(init: &Init) -> Arc<Init> {
    init_of(0xeb, init.rotation ^ 180)
}

/// How many fragments these are.
fn count(placed: &[Placed]) -> u32 {
    placed.iter().map(Placed::count).sum()
}

fn init_of(pps: u8, rotation: u16) -> Arc<Init> {
    let sps: Vec<u8> = vec![
        0x67, 0x64, 0x00, 0x1e, 0xac, 0xb2, 0x01, 0x40, 0x7b, 0x60, 0x22, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00,
        0x00, 0x03, 0x00, 0x79, 0x1e, 0x2c, 0x5c, 0x90,
    ];
    let parameters = Parameters {
        info: Sps::parse(&sps).unwrap(),
        sps,
        pps: vec![vec![0x68, pps]],
    };
    Arc::new(Init::new(Arc::new(parameters), rotation, None))
}

/// A window, what feeds it, and what holds of it after each push.
struct Rig {
    window: Window,
    init: Arc<Init>,
    time_90k: u64,
    epoch: u32,
    /// The wall clock, as what it is ahead of the frames' own.
    offset_us: i64,
    /// Bytes of a frame.
    bytes: usize,
    wants: u64,
    /// What stood under each name: times of the fragments, and the sequence number.
    named: HashMap<String, (Vec<u64>, u32)>,
    /// The playlists' segments and parts, by name.
    listed: HashMap<String, String>,
    /// The playlist as it was last.
    text: String,
}

impl Rig {
    fn new(most_bytes: usize) -> Rig {
        Rig {
            window: Window::new(7, FIRST, most_bytes),
            init: init(),
            time_90k: 0,
            epoch: 0,
            offset_us: 1_700_000_000_000_000,
            bytes: 100,
            wants: 0,
            named: HashMap::new(),
            listed: HashMap::new(),
            text: String::new(),
        }
    }

    fn push(&mut self, key: bool, duration_90k: u32) -> Pushed {
        let nal = vec![0x41; self.bytes];
        let unit = AccessUnit {
            nals: vec![&nal],
            key,
            refresh: Refresh::default(),
        };
        let span = Span {
            time_90k: self.time_90k,
            duration_90k,
        };
        let captured_us = self.time_90k * 100 / 9;
        let init = Arc::clone(&self.init);
        let fragment = Fragment::new(init, &unit, span, captured_us, self.epoch).unwrap();
        self.time_90k += u64::from(duration_90k);
        let pushed = self.window.push(&Arc::new(fragment), self.offset_us);
        self.wants += u64::from(pushed.needs_key_frame);
        if pushed.changed {
            self.check();
            self.text = self.window.playlist(false);
        } else {
            assert_eq!(self.text, self.window.playlist(false), "a change is told");
        }
        pushed
    }

    /// The camera has a microphone from now on.
    fn has_sound(&mut self) {
        let format = SoundFormat::new(48_000, 1);
        self.init = Arc::new(Init::new(Arc::clone(&self.init.parameters), 0, format));
    }

    /// Sound at that time.
    fn hear(&mut self, time_90k: u64) {
        let frame = SoundFrame {
            time_us: 0,
            data: vec![0x21; 100],
        };
        let samples = time_90k * 8 / 15;
        let sound = Fragment::sound(Arc::clone(&self.init), &[frame], samples, self.epoch).unwrap();
        assert_eq!(
            self.window.push(&Arc::new(sound), self.offset_us),
            Pushed::default()
        );
    }

    /// Frames of a thirtieth of a second, with a key frame first and after each `group` of them.
    fn play(&mut self, frames: u64, group: u64) {
        for number in 0..frames {
            self.push(number % group == 0, FRAME_90K);
        }
    }

    fn check(&mut self) {
        let window = &self.window;
        let all = || window.whole.iter().chain(&window.open);
        let waiting = window.waiting.iter();
        let size = |placed: &Placed| placed.size_bytes(true);
        let held = all().flat_map(|held| &held.fragments).map(size).sum::<usize>();
        assert_eq!(window.bytes, held + waiting.map(size).sum::<usize>());
        assert!(window.bytes <= window.most_bytes);
        let mut before: Option<&Held> = None;
        for held in all() {
            let listing = &held.listing;
            if let Some(before) = before {
                let next = before.sequence + count(&before.fragments);
                assert_eq!(held.sequence, next);
                let follows = held.fragments[0].start_90k == before.end_90k();
                assert!(follows || listing.discontinuity, "a hole between segments");
                let on_line = (before.listing.date_ms + before.listing.duration_90k / 90)
                    .abs_diff(listing.date_ms)
                    <= 1;
                assert!(on_line || listing.discontinuity, "the date jumps");
            }
            before = Some(held);
            assert!(
                held.fragments
                    .windows(2)
                    .all(|pair| { pair[0].fragment.end_90k() == pair[1].start_90k })
            );
            assert_eq!(
                listing.duration_90k,
                held.end_90k() - held.fragments[0].start_90k,
                "no holes"
            );
            assert!(held.fragments[0].fragment.key || !listing.discontinuity);
            let mut in_parts = Vec::new();
            for (at, part) in listing.parts.iter().enumerate() {
                let Some(Found::Media(media)) = window.find(Name::Part(part.number)) else {
                    panic!("part {} is not there", part.number);
                };
                let length: u64 = media.fragments.iter().map(Placed::length_90k).sum();
                assert_eq!(part.duration_90k, length);
                assert_eq!(part.independent, media.fragments[0].fragment.key);
                // 4.4.4.9
                let target_90k = window.params.unwrap().part_target_90k;
                assert!(length <= target_90k, "{length} for {target_90k}");
                let is_open = window
                    .open
                    .as_ref()
                    .is_some_and(|open| open.listing.number == listing.number);
                let is_last = !is_open && at + 1 == listing.parts.len();
                assert!(
                    is_last || length * 100 >= target_90k * 85,
                    "{length} for {target_90k}"
                );
                let before = &held.fragments[..in_parts.len()];
                assert_eq!(media.sequence, held.sequence + count(before));
                in_parts.extend(times(&media));
            }
            let same_start = held.fragments.iter().map(|f| f.start_90k).zip(&in_parts);
            assert!(same_start.clone().all(|(one, other)| one == *other));
        }
        for held in &window.whole {
            let parts: u64 = held.listing.parts.iter().map(|p| p.duration_90k).sum();
            assert!(
                held.listing.parts.is_empty() || parts == held.listing.duration_90k,
                "the parts are the segment"
            );
        }
        // What had a name has the same bytes for ever, as long as it has any.
        let names = all().flat_map(|held| {
            let parts = held.listing.parts.iter().map(|part| Name::Part(part.number));
            parts.chain([Name::Segment(held.listing.number)])
        });
        for name in names {
            if let Some(Found::Media(media)) = window.find(name) {
                let now = (times(&media), media.sequence);
                let first = self
                    .named
                    .entry(format!("{name:?}"))
                    .or_insert_with(|| now.clone());
                assert_eq!(*first, now, "{name:?} is another one");
            }
        }
        if window.is_ready() {
            self.check_playlist();
        }
    }

    /// Whatever is listed is there, and was listed with the same words before.
    fn check_playlist(&mut self) {
        let playlist = self.window.playlist(false);
        let target_s = self.window.target_s();
        let lines: Vec<&str> = playlist.lines().collect();
        for pair in lines.windows(2) {
            let (words, uri) = match pair[1].strip_prefix("hls/") {
                Some(uri) => (pair[0], uri),
                None if pair[1].starts_with("#EXT-X-PART:") => (pair[1], quoted(pair[1])),
                None => continue,
            };
            let first = self.listed.entry(uri.into()).or_insert_with(|| words.into());
            assert_eq!(first, words);
            let (run, name) = Name::parse(uri).unwrap();
            assert_eq!(run, 7);
            assert!(matches!(self.window.find(name), Some(Found::Media(_))), "{uri}");
            if let Some(length) = pair[0].strip_prefix("#EXTINF:") {
                let length: f64 = length.trim_end_matches(',').parse().unwrap();
                assert!(length.round() as u64 <= target_s, "{length} s for {target_s}");
            }
        }
        if let Some(hint) = lines[lines.len() - 1].strip_prefix("#EXT-X-PRELOAD-HINT:") {
            let (_, hint) = Name::parse(quoted(hint)).unwrap();
            assert!(matches!(self.window.find(hint), Some(Found::Next)));
        }
    }

    fn params(&self) -> (u64, u64) {
        let params = self.window.params.unwrap();
        (params.target_s, params.part_target_90k)
    }

    /// Lengths in frames of all segments that are whole.
    fn lengths(&self) -> Vec<usize> {
        self.window
            .whole
            .iter()
            .map(|held| held.fragments.len())
            .collect()
    }
}

fn times(media: &Media) -> Vec<u64> {
    media.fragments.iter().map(|f| f.start_90k).collect()
}

fn quoted(line: &str) -> &str {
    let name = line.split('"').nth(1).unwrap();
    name.strip_prefix("hls/").unwrap()
}

#[test]
fn groups_of_a_second_are_segments_and_six_frames_a_part() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(30, 30);
    assert!(!rig.window.is_ready(), "the first group may go on");
    rig.play(300, 30);
    assert_eq!(rig.params(), (2, 19_440));
    assert_eq!(rig.lengths(), [30; 10]);
    assert_eq!(rig.wants, 0, "key frames come by themselves");
    for held in &rig.window.whole {
        let parts: Vec<_> = held.listing.parts.iter().map(|p| p.duration_90k).collect();
        assert_eq!(parts, [18_000; 5]);
    }
    let text = rig.window.variant(true).unwrap();
    // 30 fragments of 100 bytes, the NAL unit's length, and the fragment's head.
    let bps = 30 * (100 + 4 + 108) * 8;
    let line = format!("BANDWIDTH={bps},AVERAGE-BANDWIDTH={bps},CODECS=\"avc1.64001e\"");
    assert!(text.contains(&line), "{text}");
    assert!(text.contains("RESOLUTION=640x480,FRAME-RATE=30.000"));
}

#[test]
fn a_part_is_there_with_its_last_frame() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(31, 30);
    let changes = (1..30).filter(|_| rig.push(false, FRAME_90K).changed);
    assert_eq!(changes.count(), 5);
    assert!(rig.push(true, FRAME_90K).changed, "the segment is whole");
}

#[test]
fn key_frames_that_are_far_apart_are_asked_for_once_a_second() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(60, 60);
    assert_eq!(rig.wants, 1);
    rig.play(600, 60);
    assert_eq!((rig.params().0, rig.wants), (2, 11));
    assert_eq!(rig.lengths(), [60; 10]);
}

#[test]
fn key_frames_that_are_close_together_make_no_small_segments() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(300, 8);
    assert!(rig.lengths().iter().all(|frames| *frames == 24));
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(300, 1);
    assert!(rig.lengths().iter().all(|frames| *frames == 23));
    // 23 frames are 0.77 s.
    assert_eq!(rig.params().0, 2);
}

#[test]
fn the_first_group_gives_the_target_and_longer_ones_are_cut() {
    for (group, target_s) in [(30, 2), (74, 2), (75, 3), (100, 3), (150, 5), (180, 6)] {
        let mut rig = Rig::new(MOST_BYTES);
        rig.play(10 * group, group);
        assert_eq!(rig.params().0, target_s, "{group}");
        assert!(
            rig.lengths().iter().all(|frames| *frames == group as usize),
            "{group}"
        );
    }
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(60, 60);
    rig.play(300, 300);
    // Just under two and a half seconds.
    assert_eq!(rig.lengths(), [60, 74, 74, 74, 74]);
    let starts: Vec<bool> = rig
        .window
        .whole
        .iter()
        .map(|h| h.listing.parts[0].independent)
        .collect();
    assert_eq!(starts, [true, true, false, false, false]);
    // Without any key frame the first playlist comes after six seconds.
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(180, 1000);
    assert!(!rig.window.is_ready());
    rig.play(1, 2);
    assert_eq!((rig.params().0, rig.lengths().len()), (6, 1));
}

#[test]
fn slow_streams_have_a_frame_a_part() {
    let mut rig = Rig::new(MOST_BYTES);
    for number in 0..30 {
        rig.push(number % 4 == 0, 90_000);
    }
    assert_eq!(rig.params(), (4, 96_840));
    assert!(rig.window.whole.iter().all(|held| held.listing.parts.len() == 4));
}

#[test]
fn other_parameter_sets_of_one_format_break_nothing() {
    let mut rig = Rig::new(MOST_BYTES);
    let first = Arc::clone(&rig.init);
    for n in 0..300 {
        if n > 0 && n % 10 == 0 {
            rig.init = init_of(n as u8, 0);
        }
        let key = n % 30 == 0;
        rig.push(key, FRAME_90K);
    }
    assert_eq!(rig.lengths(), [30; 9]);
    let playlist = rig.window.playlist(false);
    assert!(!playlist.contains("DISCONTINUITY\n"), "{playlist}");
    assert_eq!(playlist.matches("#EXT-X-MAP").count(), 1);
    let Some(Found::Init(init)) = rig.window.find(Name::Init(0)) else {
        panic!("there is none");
    };
    assert!(Arc::ptr_eq(&init, &first));
}

#[test]
fn after_a_hole_a_key_frame_is_waited_for_and_the_break_is_told() {
    for what in ["hole", "epoch", "init"] {
        let mut rig = Rig::new(MOST_BYTES);
        rig.play(105, 30);
        match what {
            "hole" => rig.time_90k += 250_000,
            "epoch" => rig.epoch += 1,
            _ => rig.init = other_format(&rig.init),
        }
        let pushed = rig.push(false, FRAME_90K);
        assert!(pushed.needs_key_frame && pushed.changed);
        rig.push(false, FRAME_90K);
        let whole = rig.lengths();
        assert_eq!(whole, [30, 30, 30, 15], "what was there is a segment");
        let at_90k = rig.time_90k;
        rig.play(61, 30);
        let last: Vec<_> = rig.window.whole.iter().skip(4).collect();
        assert_eq!(last.len(), 2);
        assert_eq!(last[0].fragments[0].start_90k, at_90k);
        let told: Vec<_> = last
            .iter()
            .map(|h| (h.listing.discontinuity, h.listing.discontinuities))
            .collect();
        assert_eq!(told, [(true, 1), (false, 1)]);
        let inits = u64::from(what == "init");
        assert_eq!(last[0].listing.init, inits);
        let playlist = rig.window.playlist(false);
        assert_eq!(playlist.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
        assert_eq!(playlist.matches("#EXT-X-MAP").count() as u64, 1 + inits);
        for number in 0..=inits {
            assert!(matches!(
                rig.window.find(Name::Init(number)),
                Some(Found::Init(_))
            ));
        }
        assert!(rig.window.find(Name::Init(inits + 1)).is_none());
        // It is counted when the tag has gone.
        rig.play(900, 30);
        let playlist = rig.window.playlist(false);
        assert!(
            playlist.contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n") && !playlist.contains("DISCONTINUITY\n")
        );
        let end = rig.window.end();
        assert_eq!(
            (end.sequence, end.discontinuities),
            (1000 + rig.window.next_segment, 2)
        );
    }
}

#[test]
fn a_hole_in_the_first_group_begins_anew() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(10, 30);
    rig.time_90k += (FRAME_MOST_S + 1) * SECOND_90K;
    let at_90k = rig.time_90k;
    rig.play(61, 30);
    assert_eq!(rig.lengths(), [30, 30]);
    let first = &rig.window.whole[0];
    assert_eq!(
        (first.fragments[0].start_90k, first.listing.discontinuity),
        (at_90k, false)
    );
}

#[test]
fn what_left_the_list_stays_for_its_length_and_a_playlist_more() {
    let mut rig = Rig::new(MOST_BYTES);
    let mut left_at = None;
    let listed_s = |rig: &Rig| rig.window.listed().map(|h| h.listing.duration_90k).sum::<u64>() / 90_000;
    for second in 0..100 {
        rig.play(30, 30);
        if left_at.is_none() && rig.window.unlisted > 0 {
            left_at = Some(second);
            assert_eq!(listed_s(&rig), 14, "seven target durations");
        }
        if rig.window.find(Name::Segment(0)).is_none() && second > 2 {
            // Segments are whole with the first frame of the next one; 15 s is the longest list, and it counts before.
            let gone_after = second - left_at.unwrap();
            assert!((16..=18).contains(&gone_after), "{gone_after}");
            break;
        }
        assert!(second < 99, "it is never let go");
    }
    let skip = rig.window.playlist(true);
    assert!(skip.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n"), "{skip}");
}

#[test]
fn the_budget_goes_before_all_else() {
    let mut rig = Rig::new(110_000);
    rig.bytes = 1000;
    rig.play(300, 30);
    // Three seconds of it fit.
    assert_eq!(rig.lengths(), [30, 30]);
    assert!(
        rig.window
            .playlist(false)
            .contains("#EXT-X-MEDIA-SEQUENCE:1007\n")
    );
    // Now not even one does: it begins again and again, and holds no more than it may.
    rig.bytes = 20_000;
    rig.play(120, 30);
    assert!(!rig.window.is_ready());
    rig.bytes = 100;
    rig.play(90, 30);
    assert!(rig.window.is_ready());
    assert!(rig.window.playlist(false).contains("#EXT-X-DISCONTINUITY\n"));
}

#[test]
fn how_far_the_playlist_goes() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(30 * 4 + 12, 30);
    // Segments 0 to 3 are whole, of 5 parts each; 4 has two.
    let reaches = |rig: &Rig, number: u64, part| rig.window.progress(1000 + number, part);
    for (number, part, reach) in [
        (0, None, Progress::Reached),
        (0, Some(99), Progress::Reached),
        (3, None, Progress::Reached),
        (3, Some(4), Progress::Reached),
        (3, Some(5), Progress::Reached),
        (4, None, Progress::NotYet),
        (4, Some(0), Progress::Reached),
        (4, Some(1), Progress::Reached),
        (4, Some(2), Progress::NotYet),
        (4, Some(4), Progress::NotYet),
        // 3 / PART-TARGET is 13.9
        (4, Some(16), Progress::NotYet),
        (4, Some(17), Progress::TooFar),
        (5, None, Progress::NotYet),
        (5, Some(0), Progress::NotYet),
        (6, None, Progress::TooFar),
        (6, Some(0), Progress::TooFar),
    ] {
        assert_eq!(reaches(&rig, number, part), reach, "{number} {part:?}");
    }
    assert_eq!(
        rig.window.progress(999, Some(3)),
        Progress::Reached,
        "of a run before"
    );
    // The segment ends without the part: it is the first one of the next.
    for _ in 12..30 {
        rig.push(false, FRAME_90K);
    }
    assert_eq!(reaches(&rig, 4, Some(5)), Progress::NotYet);
    rig.push(true, FRAME_90K);
    assert_eq!(reaches(&rig, 4, None), Progress::Reached);
    assert_eq!(reaches(&rig, 4, Some(5)), Progress::NotYet);
    for _ in 0..5 {
        rig.push(false, FRAME_90K);
    }
    assert_eq!(reaches(&rig, 4, Some(5)), Progress::Reached);
    // A frame that is too long for a part is a segment without any, at once: whoever waits for a part gets that.
    assert_eq!(reaches(&rig, 5, Some(1)), Progress::NotYet);
    rig.push(false, 10 * FRAME_90K);
    for part in [None, Some(0), Some(7)] {
        assert_eq!(reaches(&rig, 6, part), Progress::Reached, "{part:?}");
    }
    assert_eq!(reaches(&rig, 5, Some(1)), Progress::Reached);
    assert_eq!(reaches(&rig, 7, Some(0)), Progress::NotYet);
}

/// Frames of all lengths, key frames and breaks by chance: what holds always, holds.
#[test]
fn whatever_comes_the_laws_hold() {
    let mut random = Random::new(1);
    let mut below = move |end: u64| random.below(end as usize) as u64;
    for round in 0..12 {
        let mut rig = Rig::new(if round % 3 == 0 { 30_000 } else { MOST_BYTES });
        let usual = 500 + below(20_000) as u32;
        for _ in 0..400 {
            match below(100) {
                0 => rig.time_90k += 1 + below(1_000_000),
                1 => rig.epoch += 1,
                2 => rig.init = other_format(&rig.init),
                3 => rig.bytes = 1 + below(3000) as usize,
                _ => {}
            }
            let duration_90k = match below(20) {
                // A frame that is longer than a target duration can not be cut.
                0 => 1 + below(45_000) as u32,
                1..10 => usual,
                _ => usual - usual / 20 + below(u64::from(usual) / 10) as u32,
            };
            rig.push(below(20) == 0, duration_90k);
        }
    }
}

/// All parts of a segment but its last have at least 85 % of the part target (4.4.4.9), where frames come as they do from
/// cameras: evenly, but for a few milliseconds.
#[test]
fn parts_have_their_length_at_all_usual_rates() {
    let mut seed = 1u64;
    for fps in [5, 8, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 120, 240] {
        let mut rig = Rig::new(MOST_BYTES);
        let frame_90k = 90_000 / fps;
        for number in 0..fps * 6 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Five percent of a frame to either side.
            let jitter = (seed >> 33) as u32 % (frame_90k / 10 + 1);
            rig.push(number % fps == 0, frame_90k - frame_90k / 20 + jitter);
        }
        let target_90k = rig.params().1;
        for held in &rig.window.whole {
            let (_, others) = held.listing.parts.split_last().unwrap();
            for part in others {
                assert!(
                    part.duration_90k * 100 >= target_90k * 85,
                    "{fps}: {part:?} of {target_90k}"
                );
            }
        }
    }
}

/// Frames of `fps` (in thousandths), a key frame about each second, for so many seconds.
fn play_at(rig: &mut Rig, millifps: u64, seconds: u64) {
    let group = (millifps / 1000).max(1);
    for number in 0..(seconds * millifps).div_ceil(1000) {
        rig.push(number % group == 0, (90_000_000 / millifps) as u32);
    }
}

#[test]
fn a_late_frame_is_a_segment_without_parts() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(60, 30);
    for round in 0..20 {
        let segments = rig.window.next_segment;
        // As over Wi-Fi: nothing for 0.35 s, and then all of it.
        for number in 0..90 {
            let duration_90k = match number {
                30 => 34_500,
                31..41 => 1,
                _ => FRAME_90K,
            };
            rig.push(number % 30 == 25, duration_90k);
        }
        assert_eq!(rig.params(), (2, 19_440));
        assert!(rig.window.next_segment - segments <= 5, "{round}");
        let held: Vec<&Held> = rig.window.whole.iter().rev().take(4).collect();
        let without = held.iter().filter(|held| held.listing.parts.is_empty());
        assert_eq!(without.count(), 1, "{round}");
    }
    assert!(!rig.text.contains("DISCONTINUITY\n"), "{}", rig.text);
}

#[test]
fn whatever_rate_comes_the_promises_hold() {
    for first in [30_000, 25_000, 15_000, 12_500, 7_500, 5_000, 1_000, 500] {
        let mut rig = Rig::new(MOST_BYTES);
        play_at(&mut rig, first, 10);
        let terms = rig.params();
        let mut seconds = 0;
        for then in [
            5_000, 7_500, 10_000, 600, 30_000, 12_000, 24_000, 500, 60_000, 900, 30_000,
        ] {
            let segments = rig.window.next_segment;
            play_at(&mut rig, then, 8);
            seconds += 8;
            assert_eq!(rig.params(), terms, "{first} {then}");
            // What is there at the end has parts again, or would not have had them at this rate either.
            let newest = rig.window.whole.back().unwrap();
            let fits = terms::fits(90_000_000 / then, terms.1);
            assert_eq!(!newest.listing.parts.is_empty(), fits, "{first} {then}");
            let made = rig.window.next_segment - segments;
            assert!((3..=14).contains(&made), "{first} {then}: {made} segments");
        }
        assert!(rig.window.next_segment <= SEGMENTS_AHEAD + SEGMENTS_A_SECOND * (seconds + 10) + 2);
        assert!(!rig.text.contains("DISCONTINUITY\n"), "{first}: {}", rig.text);
    }
}

/// The first frame says nothing of the rate, and each has the length of a half second, as nobody knows when the next comes.
#[test]
fn pictures_far_apart_make_long_segments_and_no_holes() {
    for (apart_s, target_s) in [(3, 4), (15, 19), (60, 75)] {
        let mut rig = Rig::new(MOST_BYTES);
        for number in 0..20 {
            rig.push(number % 4 == 0, 45_000);
            rig.time_90k += apart_s * SECOND_90K - 45_000;
        }
        assert_eq!(rig.params().0, target_s, "{apart_s}");
        assert!(!rig.text.contains("DISCONTINUITY\n"), "{}", rig.text);
        let last = rig.window.whole.back().unwrap();
        let placed = last.fragments.last().unwrap();
        assert_eq!(placed.length_90k(), apart_s * SECOND_90K);
        let mut head = Vec::new();
        placed.head(9, true, &mut head);
        let u32_at = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
        assert_eq!((u32_at(20), u64::from(u32_at(64))), (9, placed.start_90k));
        assert_eq!(u64::from(u32_at(92)), placed.length_90k());
    }
}

#[test]
fn a_camera_that_gets_slower_than_promised_breaks_off() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(120, 30);
    for number in 0..10 {
        rig.time_90k += 15 * SECOND_90K;
        rig.push(number % 2 == 0, FRAME_90K);
    }
    assert_eq!(rig.params().0, 2);
    rig.play(60, 30);
    assert!(rig.text.contains("#EXT-X-DISCONTINUITY\n"));
}

#[test]
fn a_stall_within_the_first_group_is_not_its_rate() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.push(true, FRAME_90K);
    rig.time_90k += 5 * SECOND_90K;
    rig.play(120, 30);
    assert_eq!(rig.params(), (2, 19_440));
}

#[test]
fn dates_are_one_line_until_the_clock_is_set() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(45, 30);
    // What NTP slews, it slews for both clocks; the rest is how exactly they are read.
    for number in 45..90 {
        rig.offset_us += if number % 2 == 0 { 9000 } else { -9000 };
        rig.push(number % 30 == 0, FRAME_90K);
    }
    assert!(!rig.text.contains("DISCONTINUITY\n"), "{}", rig.text);
    let hour_us = 3_600_000_000;
    for (steps, step_us) in [
        (1, hour_us),
        (2, -hour_us),
        (3, 150_000),
        (4, -hour_us * 24 * 365),
    ] {
        rig.offset_us += step_us;
        let wants = rig.wants;
        rig.push(false, FRAME_90K);
        assert_eq!(rig.wants, wants + 1, "a new line begins with a key frame");
        rig.play(90, 30);
        assert_eq!(rig.text.matches("#EXT-X-DISCONTINUITY\n").count(), steps);
        // check() holds the dates to one line elsewhere.
        let newest = rig.window.whole.back().unwrap();
        let captured_us = newest.fragments[0].fragment.captured_us;
        let date_us = captured_us.saturating_add_signed(rig.offset_us);
        assert!((date_us / 1000).abs_diff(newest.listing.date_ms) <= 20);
    }
    // Forth and back between two key frames is nothing.
    for step_us in [hour_us, -hour_us] {
        rig.push(false, FRAME_90K);
        rig.offset_us += step_us;
    }
    rig.play(90, 30);
    assert_eq!(rig.text.matches("#EXT-X-DISCONTINUITY\n").count(), 4);
}

#[test]
fn the_next_run_keeps_the_promises() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.play(90, 30);
    let (terms, handover) = (rig.params(), rig.window.end());
    let mut next = Rig::new(MOST_BYTES);
    next.window = Window::new(7, handover, MOST_BYTES);
    play_at(&mut next, 600, 20);
    assert_eq!(next.params(), terms);
    assert!(next.text.contains("#EXT-X-TARGETDURATION:2\n"));
    assert_eq!(next.window.first_sequence, 1003);
}

#[test]
fn sound_without_pictures_is_not_gathered_for_ever() {
    let mut rig = Rig::new(MOST_BYTES);
    rig.has_sound();
    for n in 0..2 * MOST_SOUND as u64 {
        rig.hear(n * 1920);
    }
    assert!(rig.window.sound.len() <= MOST_SOUND + 1);
}

/// Sound goes with the picture behind it, changes nothing of what is listed, and is left out for the video alone.
#[test]
fn sound_beside_the_pictures() {
    let mut silent = Rig::new(MOST_BYTES);
    silent.play(120, 30);
    let mut rig = Rig::new(MOST_BYTES);
    rig.has_sound();
    // Nothing from before the first picture is sent.
    rig.time_90k = 900_000;
    rig.hear(890_000);
    rig.hear(900_000);
    for number in 0..120 {
        rig.push(number % 30 == 0, FRAME_90K);
        rig.hear(rig.time_90k - 6000);
    }
    let dates = |line: &&str| !line.contains("DATE-TIME");
    let [text, silent_text] =
        [&rig.text, &silent.text].map(|text| text.lines().filter(dates).collect::<Vec<_>>());
    assert_eq!(text, silent_text);

    let Some(Found::Media(media)) = rig.window.find(Name::Segment(0)) else {
        panic!("there is a first segment");
    };
    let sounds = |placed: &Placed| {
        placed
            .sound
            .iter()
            .map(|sound| sound.time_90k)
            .collect::<Vec<_>>()
    };
    assert_eq!(sounds(&media.fragments[0]), [900_000]);
    assert_eq!(sounds(&media.fragments[3]), [903_000]);
    let sent = |with_sound| {
        let mut bytes = Vec::new();
        let mut sequence = media.sequence;
        for placed in &media.fragments {
            sequence = placed.head(sequence, with_sound, &mut bytes);
            bytes.extend_from_slice(placed.fragment.payload());
        }
        let size: usize = media
            .fragments
            .iter()
            .map(|placed| placed.size_bytes(with_sound))
            .sum();
        assert_eq!(bytes.len(), size);
        let boxes = reader::walk(&bytes).unwrap();
        let numbers = boxes.iter().filter(|found| found.path == "moof/mfhd");
        let numbers: Vec<u8> = numbers.map(|mfhd| mfhd.body[7]).collect();
        assert!(
            numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{numbers:?}"
        );
        numbers.len()
    };
    assert_eq!((sent(false), sent(true)), (30, 59));
    let variant = |with_sound| rig.window.variant(with_sound).unwrap();
    assert!(variant(true).contains("CODECS=\"avc1.64001e,mp4a.40.2\""));
    assert!(variant(false).contains("CODECS=\"avc1.64001e\""));
    assert!(hls::video_alone(&variant(false)).ends_with("\nstreaminf.m3u8?audio=0\n"));
    let names = rig.text.matches("hls/").count();
    let alone = hls::video_alone(&rig.text);
    let asked = |extension| alone.matches(extension).count();
    assert_eq!(
        asked(".m4s?audio=0\"") + asked(".m4s?audio=0\n") + asked(".mp4?audio=0\""),
        names
    );
}
