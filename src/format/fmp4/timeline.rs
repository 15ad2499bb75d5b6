//! The places of frames in media time.
//!
//! A frame must be sent before anybody knows when the next one comes, and yet players stall on holes between
//! a frame's end and the next frame's start. So a frame begins where the one before it ended, and ends one
//! nominal step after its own capture. At a steady rate that is the capture time, exactly. Where frames come
//! late, the next one begins early and lasts longer, by as much: a frame's duration is the step before it,
//! and media time is never more than a frame away from the capture clock. All ends are absolute, so no error
//! adds up.
//!
//! ```text
//! capture    0     1     2           3     4         a frame was dropped between 2 and 3
//! media      |--0--|--1--|--2--|-----3-----|--4--|
//! ```
//!
//! Where frames come in bursts, as far as the rate in the stream shows that ([`Bursts`]), they are spread by it: media time
//! is ahead of their arrival then, by a burst at the most.

use super::bursts::Bursts;
use super::track::TIMESCALE;

/// A step longer than this is a silence: media time jumps over it to the capture clock. (Players see a hole,
/// and step over it; a frame that lasted as long would leave them behind by it.)
const SILENCE_90K: u64 = TIMESCALE as u64 / 2;

/// A slow stream is no silence: a step may be twice the one before it, up to this.
const LONGEST_STEP_90K: u64 = 2 * TIMESCALE as u64;

/// The step of a source that names no frame rate. Too short only means that media time is behind the capture
/// clock, by the rest of the step.
const UNKNOWN_STEP_90K: u64 = TIMESCALE as u64 / 60;

/// A frame rate that a stream suggests is not faster than this, in frames a second, ...
const FASTEST_SUGGESTED: f64 = 240.0;

/// ... and its step not longer than this, so that media time is not ahead of the capture clock by more.
const LONGEST_SUGGESTED_90K: u64 = TIMESCALE as u64 / 10;

/// Media time is not ahead of the arrival of a burst's last frame by more than this.
const LONGEST_BURST_90K: u64 = 5 * TIMESCALE as u64;

/// A frame's place in media time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its start, in 1/90000 s since the first frame.
    pub time_90k: u64,
    /// Its length, in 1/90000 s; at least 1.
    pub duration_90k: u32,
}

/// Turns capture times into media times that have no holes but for silences, follow the capture clock, and
/// never go back.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// Capture time of the first frame.
    zero_us: Option<u64>,
    /// Capture time of the frame before.
    clock_90k: u64,
    /// The end of the frame before.
    end_90k: u64,
    /// The step that the source stated.
    said_90k: u64,
    /// Time from a frame's capture to its end: the step that the source said, or shorter.
    nominal_90k: u64,
    /// The step between the two frames before; None: the next frame begins a new run.
    step_90k: Option<u64>,
    bursts: Bursts,
}

impl Timeline {
    /// A timeline whose zero is its first frame, of a source that says to give `fps` frames a second.
    pub fn new(fps: Option<f64>) -> Timeline {
        let nominal_90k = nominal_step_90k(fps);
        Timeline {
            zero_us: None,
            clock_90k: 0,
            end_90k: 0,
            said_90k: nominal_90k,
            nominal_90k,
            step_90k: None,
            bursts: Bursts::new(0),
        }
    }

    /// The capture time that is zero in media time; of no meaning before the first frame.
    pub fn zero_us(&self) -> u64 {
        self.zero_us.unwrap_or(0)
    }

    /// The source was reopened, and says to give `fps` frames a second: the next frame stands at the capture
    /// clock.
    pub fn restart(&mut self, fps: Option<f64>) {
        self.said_90k = nominal_step_90k(fps);
        self.nominal_90k = self.said_90k;
        self.step_90k = None;
        self.bursts = Bursts::new(0);
    }

    /// The stream itself says to have `fps` frames a second (the VUI of its SPS), where its source said nothing.
    ///
    /// Encoders write there what they like, such as their time base: what no camera gives counts as nothing said. And as
    /// a step that is too long is what does harm, none is longer than a tenth of a second.
    pub fn suggest_rate(&mut self, fps: Option<f64>) {
        let fps = fps.filter(|fps| *fps <= FASTEST_SUGGESTED);
        self.said_90k = nominal_step_90k(fps).min(LONGEST_SUGGESTED_90K);
        self.bursts.set_step(fps.map_or(0, |_| self.said_90k));
        if self.step_90k.is_none() {
            self.nominal_90k = self.said_90k;
        }
    }

    /// The place of the next frame, captured at `captured_us` (CLOCK_MONOTONIC, microseconds).
    pub fn place(&mut self, captured_us: u64) -> Span {
        let since_us = captured_us.saturating_sub(*self.zero_us.get_or_insert(captured_us));
        // A capture time before the last one is taken as equal to it.
        let clock_90k = (since_us.saturating_mul(9) / 100).max(self.clock_90k);
        let step_90k = clock_90k - self.clock_90k;

        if let Some(span) = self.place_in_burst(clock_90k, step_90k) {
            return span;
        }
        let longest_90k = |before: u64| SILENCE_90K.max((2 * before).min(LONGEST_STEP_90K));
        let new_run = self.step_90k.is_none_or(|before| step_90k > longest_90k(before));
        let time_90k = if new_run {
            clock_90k.max(self.end_90k)
        } else {
            self.end_90k
        };
        // What media time is ahead by after a burst is no reason for a frame to last longer.
        let ahead_90k = self.end_90k.saturating_sub(clock_90k);
        self.nominal_90k = self.nominal_90k.min(ahead_90k + self.said_90k);
        // Frames that come faster than the source said would stand ahead of their capture. Only a part of the
        // step is taken back at a time, so that each frame keeps a duration that it can be shown for.
        // What some frames took that were late, and then too fast, those after them give back, by and by.
        self.nominal_90k -= self.nominal_90k.saturating_sub(step_90k).min(step_90k / 8);
        self.nominal_90k += self.said_90k.min(step_90k).saturating_sub(self.nominal_90k) / 16;
        let end_90k = (clock_90k + self.nominal_90k).max(time_90k + 1);

        // The steps into the first run and out of a long silence say nothing of the rate.
        let tells_rate = self.step_90k.is_some() && step_90k <= LONGEST_STEP_90K;
        self.step_90k = Some(if tells_rate { step_90k } else { self.nominal_90k });
        self.clock_90k = clock_90k;
        self.end_90k = end_90k;
        // At most the longest step and the nominal one.
        Span {
            time_90k,
            duration_90k: (end_90k - time_90k) as u32,
        }
    }

    /// The place of a frame of a burst, behind the one before; None if it is none, or that one's end is too far away.
    fn place_in_burst(&mut self, clock_90k: u64, step_90k: u64) -> Option<Span> {
        self.step_90k?;
        let (ahead_90k, behind_90k) = (
            self.end_90k.saturating_sub(clock_90k),
            clock_90k.saturating_sub(self.end_90k),
        );
        let even_90k = self
            .bursts
            .spread(step_90k, ahead_90k as i64 - behind_90k as i64)?;
        if ahead_90k > LONGEST_BURST_90K {
            self.bursts.give_up();
            return None;
        }
        if behind_90k > SILENCE_90K {
            return None;
        }
        let time_90k = self.end_90k;
        self.clock_90k = clock_90k;
        self.nominal_90k = ahead_90k + even_90k;
        self.end_90k = clock_90k + self.nominal_90k;
        self.step_90k = Some(even_90k);
        Some(Span {
            time_90k,
            duration_90k: (self.end_90k - time_90k) as u32,
        })
    }
}

/// At most a silence, so that no frame claims more of the future.
fn nominal_step_90k(fps: Option<f64>) -> u64 {
    match fps {
        Some(fps) if fps > 0.0 => ((f64::from(TIMESCALE) / fps) as u64).clamp(1, SILENCE_90K),
        _ => UNKNOWN_STEP_90K,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random::Random;

    /// The media times of frames captured after each of `steps_us`, and what always holds of them: they go on
    /// without a hole, but for silences, where they jump to the capture clock and never back; and they are at
    /// most a frame away from it.
    fn placed(fps: Option<f64>, steps_us: impl IntoIterator<Item = i64>) -> Vec<Span> {
        placed_by(Timeline::new(fps), steps_us)
    }

    fn placed_by(mut timeline: Timeline, steps_us: impl IntoIterator<Item = i64>) -> Vec<Span> {
        let start_us: i64 = 1_000_000_000_007;
        let (mut captured_us, mut newest_us) = (start_us, start_us);
        let mut spans = vec![timeline.place(captured_us as u64)];
        assert_eq!(spans[0].time_90k, 0);
        let nominal_90k = spans[0].duration_90k as u64;
        let mut still = 0;
        for (n, step_us) in steps_us.into_iter().enumerate() {
            captured_us += step_us;
            let before = *spans.last().unwrap();
            let clock_before_90k = (newest_us - start_us) as u64 * 9 / 100;
            newest_us = newest_us.max(captured_us);
            let clock_90k = (newest_us - start_us) as u64 * 9 / 100;
            let step_90k = clock_90k - clock_before_90k;
            still = if step_90k == 0 { still + 1 } else { 0 };

            let span = timeline.place(captured_us as u64);
            spans.push(span);
            let end_90k = before.time_90k + before.duration_90k as u64;
            let hole_90k = span.time_90k.checked_sub(end_90k).expect("time goes back");
            assert!(span.duration_90k >= 1);
            assert!(
                hole_90k == 0 || step_90k > SILENCE_90K && span.time_90k == clock_90k,
                "{n}: a hole of {hole_90k}"
            );
            assert!(
                span.time_90k <= clock_90k + nominal_90k + still,
                "{n}: ahead of the clock by more than a frame"
            );
            assert!(
                span.time_90k + step_90k >= clock_90k,
                "{n}: behind the clock by more than a frame"
            );
        }
        spans
    }

    fn steady(fps: f64, frames: u64) -> impl Iterator<Item = i64> {
        let at_us = move |n: u64| (n as f64 * 1e6 / fps) as i64;
        (1..=frames).map(move |n| at_us(n) - at_us(n - 1))
    }

    fn durations(spans: &[Span]) -> Vec<u32> {
        spans.iter().map(|span| span.duration_90k).collect()
    }

    #[test]
    fn a_steady_rate_is_the_capture_clock() {
        let spans = placed(Some(25.0), [40_000; 100]);
        assert!(spans.iter().zip(0..).all(|(span, n)| *span
            == Span {
                time_90k: 3600 * n,
                duration_90k: 3600
            }));
    }

    #[test]
    fn no_drift_in_ten_hours() {
        for named in [None, Some(30.0), Some(30000.0 / 1001.0)] {
            let spans = placed(named, steady(30000.0 / 1001.0, 1_000_000));
            let last = spans[1_000_000].time_90k;
            assert!(last.abs_diff(3003 * 1_000_000) <= 3003, "{named:?}: {last}");
            assert!(
                spans[100..]
                    .iter()
                    .all(|span| (3001..=3005).contains(&span.duration_90k)),
                "{named:?}"
            );
        }
    }

    #[test]
    fn a_dropped_frame_lasts_as_long_as_its_step() {
        let spans = placed(Some(25.0), [40_000, 40_000, 80_000, 40_000, 40_000]);
        assert_eq!(durations(&spans), [3600, 3600, 3600, 7200, 3600, 3600]);
        assert_eq!(spans[3].time_90k, 3 * 3600);
    }

    /// Cameras in the dark: each rate is followed at once, also back to the fast one.
    #[test]
    fn changes_of_rate() {
        let steps = [
            [33_333; 30].as_slice(),
            &[66_667; 30],
            &[200_000; 30],
            &[33_333; 60],
        ]
        .concat();
        for named in [Some(30.0), None] {
            let spans = placed(named, steps.clone());
            let shown = |n: usize| spans[n].duration_90k;
            assert!(
                spans[2..=30]
                    .iter()
                    .all(|span| (2999..=3001).contains(&span.duration_90k))
            );
            assert!((5999..=6001).contains(&shown(32)) && (17_999..=18_001).contains(&shown(62)));
            assert!(
                spans[92..]
                    .iter()
                    .all(|span| (2999..=3001).contains(&span.duration_90k)),
                "{named:?}"
            );
        }
    }

    /// A source that gives twice the frames it said: media time comes back to the clock, and no frame is
    /// squeezed out.
    #[test]
    fn faster_than_said() {
        for (said, gives) in [
            (Some(15.0), 30.0),
            (Some(5.0), 120.0),
            (None, 240.0),
            (Some(0.1), 60.0),
        ] {
            let spans = placed(said, steady(gives, 1000));
            let step_90k = 90_000.0 / gives;
            assert!(
                spans[1..]
                    .iter()
                    .all(|span| f64::from(span.duration_90k) >= step_90k * 0.8),
                "{said:?}"
            );
            let ahead_90k = spans[1000].time_90k as f64 - 1000.0 * step_90k;
            assert!(ahead_90k.abs() <= 3.0, "{said:?}: {ahead_90k}");
        }
    }

    /// A busy machine takes some frames late and then all at once: media time is behind for that, and then no longer.
    #[test]
    fn after_a_hold_up_media_time_is_in_step_again() {
        let mut timeline = Timeline::new(Some(10.0));
        let steps_us = [
            vec![100_000; 20],
            vec![250_000, 10_000, 40_000, 100_000],
            vec![100_000; 100],
        ]
        .concat();
        let mut captured_us = 0;
        let mut last = timeline.place(captured_us);
        for step_us in steps_us {
            captured_us += step_us;
            last = timeline.place(captured_us);
        }
        assert!(last.time_90k.abs_diff(captured_us * 9 / 100) <= 16, "{last:?}");
    }

    #[test]
    fn a_silence_jumps_to_the_capture_clock() {
        let spans = placed(
            Some(25.0),
            [
                40_000, 40_000, 3_000_000, 40_000, 501_000, 40_000, 499_000, 40_000,
            ],
        );
        let times: Vec<u64> = spans.iter().map(|span| span.time_90k).collect();
        let jumped = 2 * 3600 + 270_000;
        let again = jumped + 3600 + 45_090;
        assert_eq!(
            times[2..],
            [
                7200,
                jumped,
                jumped + 3600,
                again,
                again + 3600,
                again + 7200,
                again + 3600 + 44_910 + 3600
            ]
        );
    }

    /// One frame a second: the first step is a silence, as nobody can know, and then there are no holes.
    #[test]
    fn a_slow_rate_is_no_silence() {
        for (named, step_us) in [
            (None, 1_000_000),
            (Some(1.0), 1_000_000),
            (Some(30.0), 700_000),
            (None, 1_900_000),
        ] {
            let spans = placed(named, (0..100).map(|n| step_us + n % 7 * 5000));
            let holes = spans
                .windows(2)
                .filter(|pair| pair[0].time_90k + pair[0].duration_90k as u64 != pair[1].time_90k);
            assert!(holes.count() <= 1, "{named:?} {step_us}");
        }
    }

    /// A long silence says nothing of the rate: a shorter one after it is a silence as well.
    #[test]
    fn silences_side_by_side() {
        let spans = placed(Some(30.0), [33_333, 10_000_000, 1_500_000, 900_000]);
        assert_eq!(spans[2].time_90k, 10_033_333 * 9 / 100);
        assert_eq!(spans[3].time_90k, 11_533_333 * 9 / 100);
    }

    #[test]
    fn equal_and_backward_capture_times() {
        let spans = placed(Some(25.0), [40_000, 0, 0, -20_000, 100_000, 40_000]);
        assert_eq!(durations(&spans), [3600, 3600, 1, 1, 1, 7197, 3600]);
    }

    #[test]
    fn a_restart_goes_on_from_the_clock() {
        let mut timeline = Timeline::new(Some(30.0));
        timeline.place(5_000_000);
        timeline.restart(Some(10.0));
        assert_eq!(
            timeline.place(5_200_000),
            Span {
                time_90k: 18_000,
                duration_90k: 9000
            }
        );
        timeline.restart(None);
        assert_eq!(
            timeline.place(5_250_000),
            Span {
                time_90k: 27_000,
                duration_90k: 1
            },
            "never back"
        );
    }

    #[test]
    fn rates_that_make_no_sense() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 1e300] {
            placed(Some(fps), [33_333; 10]);
        }
        let mut timeline = Timeline::new(None);
        timeline.place(0);
        let far = timeline.place(u64::MAX);
        assert!(timeline.place(u64::MAX).time_90k > far.time_90k);
    }

    fn suggested(fps: f64) -> Timeline {
        let mut timeline = Timeline::new(None);
        timeline.suggest_rate(Some(fps));
        timeline
    }

    #[test]
    fn a_rate_that_the_stream_says_is_the_first_guess() {
        for fps in [10.0, 25.0, 30.0, 60.0, 240.0] {
            let step_90k = (90_000.0 / fps) as u32;
            let spans = placed_by(suggested(fps), steady(fps, 100));
            assert!(
                spans.iter().all(|span| span.duration_90k.abs_diff(step_90k) <= 2),
                "{fps}"
            );
        }
        // Slower than what is believed, and still nearer to it than no guess.
        assert_eq!(placed_by(suggested(1.0), [])[0].duration_90k, 9000);
    }

    /// A time base, a field rate, a rate of another mode, or nonsense: media time is never more than a tenth of a second
    /// ahead of the clock, and soon in step with it; and a nonsense is no worse than nothing said.
    #[test]
    fn a_rate_that_the_stream_says_and_does_not_have_does_no_harm() {
        let nonsense = [0.0, -1.0, f64::NAN, f64::INFINITY, 241.0, 90_000.0, 2e9, 1e300];
        for fps in [f64::MIN_POSITIVE, 1e-9, 0.5, 1.0, 5.0, 12.5, 50.0, 240.0]
            .into_iter()
            .chain(nonsense)
        {
            for gives in [5.0, 25.0, 30.0, 60.0, 120.0] {
                let spans = placed_by(suggested(fps), steady(gives, 300));
                let step_90k = 90_000.0 / gives;
                for (span, n) in spans.iter().zip(0..) {
                    let ahead_90k = span.time_90k as f64 - f64::from(n) * step_90k;
                    assert!(ahead_90k <= 9000.0 && ahead_90k >= -step_90k, "{fps} {gives} {n}");
                }
                let last_90k = spans[300].time_90k as f64 - 300.0 * step_90k;
                assert!(last_90k <= 3.0, "{fps} {gives}: ahead by {last_90k}");
                if nonsense.iter().any(|other| other.to_bits() == fps.to_bits()) {
                    assert_eq!(spans, placed(None, steady(gives, 300)), "{fps}");
                }
            }
        }
    }

    /// Bursts of so many frames, each so long after the one before; they come within a moment.
    fn bursts(frames: usize, every_us: i64, count: usize) -> Vec<i64> {
        let within_us = 30 * (frames as i64 - 1);
        let burst = [&vec![30; frames - 1][..], &[every_us - within_us]].concat();
        burst.repeat(count)
    }

    fn timeline_places(mut timeline: Timeline, steps_us: &[i64]) -> (Vec<Span>, Vec<i64>) {
        let (mut captured_us, mut spans, mut ahead_90k) = (5_000_000_u64, Vec::new(), Vec::new());
        for step_us in [0].iter().chain(steps_us) {
            captured_us = captured_us.saturating_add_signed(*step_us);
            let span = timeline.place(captured_us);
            let clock_90k = (captured_us - 5_000_000) * 9 / 100;
            ahead_90k.push(span.time_90k as i64 - clock_90k as i64);
            spans.push(span);
        }
        (spans, ahead_90k)
    }

    fn holes(spans: &[Span]) -> usize {
        let follows = |pair: &&[Span]| pair[0].time_90k + u64::from(pair[0].duration_90k) != pair[1].time_90k;
        spans.windows(2).filter(follows).count()
    }

    /// Media time goes on evenly from the first frame to the last, without a hole, and in step with the clock.
    #[test]
    fn bursts_are_spread_by_the_rate_in_the_stream() {
        for (fps, frames, every_us) in [
            (25.0, 50, 2_000_000),
            (25.0, 25, 1_000_000),
            (30.0, 30, 1_000_000),
            (30.0, 120, 4_000_000),
            (15.0, 12, 800_000),
            (25.0, 5, 200_000),
        ] {
            let step_90k = (90_000.0 / fps) as u32;
            let (spans, ahead_90k) = timeline_places(suggested(fps), &bursts(frames, every_us, 20));
            assert!(
                spans
                    .iter()
                    .all(|span| span.duration_90k.abs_diff(step_90k) <= step_90k / 20),
                "{fps} {frames}: {:?}",
                durations(&spans)
            );
            assert_eq!(holes(&spans), 0);
            let burst_90k = every_us * 9 / 100;
            assert!(ahead_90k.iter().all(|ahead| (-90..burst_90k).contains(ahead)));
        }
    }

    /// The rate in the stream is not the true one, bursts come late and early, or vary.
    #[test]
    fn bursts_are_spread_by_their_own_rhythm() {
        for said in [12.5, 20.0, 25.0, 30.0, 50.0] {
            let (spans, ahead_90k) = timeline_places(suggested(said), &bursts(50, 2_000_000, 60));
            let late = &spans[1500..];
            assert!(
                late.iter().all(|span| (3300..=3900).contains(&span.duration_90k)),
                "{said}"
            );
            assert_eq!(holes(late), 0);
            assert!(
                ahead_90k[1500..]
                    .iter()
                    .all(|ahead| (-9000..200_000).contains(ahead))
            );
        }
        let mut random = Random::new(5);
        let steps: Vec<i64> = (0..100)
            .flat_map(|_| {
                let frames = 40 + random.below(21);
                bursts(
                    frames,
                    40_000 * frames as i64 + random.below(100_000) as i64 - 50_000,
                    1,
                )
            })
            .collect();
        let (spans, _) = timeline_places(suggested(25.0), &steps);
        assert_eq!(holes(&spans[100..]), 0);
        assert!(
            spans[100..]
                .iter()
                .all(|span| (1800..=45_000).contains(&span.duration_90k))
        );
        let uneven = spans[100..]
            .iter()
            .filter(|span| !(2700..=4500).contains(&span.duration_90k));
        assert!(
            uneven.count() <= 100,
            "a frame in fifty waits for a burst that is late"
        );
    }

    /// A camera that was held up: its viewers are as near to it behind that as they were before.
    #[test]
    fn what_comes_at_once_after_a_stall_is_no_burst() {
        for stalled in [5, 25, 50] {
            let stall = [&[stalled * 40_000][..], &vec![30; stalled as usize - 1]].concat();
            let steps = [&[40_000; 100][..], &stall, &[40_000; 100], &stall, &[40_000; 100]].concat();
            let (_, ahead_90k) = timeline_places(suggested(25.0), &steps);
            assert!(
                ahead_90k.iter().all(|ahead| *ahead <= 3600),
                "not more than a frame, {stalled}: {ahead_90k:?}"
            );
            assert_eq!(ahead_90k.last(), Some(&0));
        }
        // What a command had gathered when it began is played off.
        let (spans, ahead_90k) = timeline_places(suggested(25.0), &[&[30; 24][..], &[40_000; 500]].concat());
        assert!(ahead_90k.iter().all(|ahead| (-90..90_000).contains(ahead)));
        assert!(ahead_90k.last().unwrap().abs() < 50, "{ahead_90k:?}");
        assert!(
            spans
                .iter()
                .all(|span| (3000..=3700).contains(&span.duration_90k))
        );
    }

    /// A camera that sends bursts no more, or a file that comes as fast as it can.
    #[test]
    fn bursts_end() {
        let steps = [&bursts(50, 2_000_000, 10)[..], &[40_000; 1000]].concat();
        let (_, ahead_90k) = timeline_places(suggested(25.0), &steps);
        assert!(ahead_90k.last().unwrap().abs() < 50, "{:?}", ahead_90k.last());
        let (_, ahead_90k) = timeline_places(suggested(25.0), &[30; 10_000]);
        assert!(ahead_90k.iter().all(|ahead| *ahead <= 5 * 90_000 + 15_000));
        // Where the source says its rate, it says the time of each frame, too.
        let (spans, _) = timeline_places(Timeline::new(Some(25.0)), &bursts(50, 2_000_000, 3));
        assert!(durations(&spans)[60..90].iter().all(|duration| *duration < 10));
    }

    /// A new SPS may say another rate at any picture: media time goes on without a hole.
    #[test]
    fn a_suggestion_in_the_middle_makes_no_hole() {
        let mut timeline = suggested(30.0);
        let mut end_90k = 0;
        for n in 0..300_u64 {
            if n % 10 == 0 {
                timeline.suggest_rate([None, Some(5.0), Some(60.0), Some(1e9)][n as usize / 10 % 4]);
            }
            let span = timeline.place(n * 33_333);
            assert_eq!(span.time_90k, end_90k, "{n}");
            assert!(span.time_90k.abs_diff(n * 33_333 * 9 / 100) <= 3000, "{n}");
            end_90k = span.time_90k + u64::from(span.duration_90k);
        }
    }

    /// Steady, jittering, changing, dropping, bursting, silent, still and backward: the laws of `placed`
    /// hold.
    #[test]
    fn any_steps() {
        for seed in 1..=300 {
            let mut random = Random::new(seed);
            let mut step_us = 33_333;
            let steps: Vec<i64> = (0..2000)
                .map(|_| match random.below(100) {
                    0 => {
                        step_us = 1_000_000 / (1 + random.below(120) as i64);
                        step_us
                    }
                    1 => step_us * (2 + random.below(10) as i64),
                    2..=4 => random.below(300) as i64,
                    5 => random.below(20_000_000) as i64,
                    6 => -(random.below(step_us as usize + 1) as i64),
                    7 => 0,
                    _ => step_us * 9 / 10 + random.below(step_us as usize / 5 + 1) as i64,
                })
                .collect();
            let named = [None, Some(30.0), Some(29.97), Some(5.0), Some(1.0), Some(120.0)][random.below(6)];
            placed(named, steps);
        }
    }
}
