//! What a camera's playlists promise of the lengths of segments and parts, and for good: players give up where it changes
//! under the same address (6.2.1).

use crate::format::fmp4::TIMESCALE;
use crate::format::hls::PlaylistParams;

pub const SECOND_90K: u64 = TIMESCALE as u64;

/// The least target duration. Players without low latency stay three of them behind; a camera that has a picture every two
/// seconds in the dark keeps to it.
pub const TARGET_LEAST_S: u64 = 2;
/// The most that groups of pictures make of it: longer ones are cut.
pub const TARGET_MOST_S: u64 = 6;
/// Nor is any frame longer, in seconds: pictures of slow cameras are taken every minute.
pub const FRAME_MOST_S: u64 = 90;
/// Frames that have to be there before it is known how far apart they are: the first one's length says nothing, and the second
/// one may be late.
pub const FRAMES_LEAST: usize = 3;

/// The part target of most cameras: a part is a fifth of a second, which is six frames at 30 a second, five at 25, and whole
/// frames at 20, 15, 10 and 5 too, as cameras slow down in the dark. Players stay three parts behind.
const PART_TARGET_90K: u64 = target_of(PART_90K);
/// At other rates, a part has as many frames as are next to this.
const PART_90K: u64 = SECOND_90K / 5;

/// The part target for parts of that length: it is in the middle of what they may have, so that they may be a little longer or
/// shorter.
const fn target_of(part_90k: u64) -> u64 {
    (part_90k * 100 / 93).next_multiple_of(SECOND_90K / 1000)
}

/// A segment is shorter than this: its length, rounded, is not above the target duration (4.4.3.1).
pub fn segment_end_90k(target_s: u64) -> u64 {
    target_s * SECOND_90K + SECOND_90K / 2
}

/// A segment without parts is not made longer than this: hls.js (1.6) waits for the next playlist for 0.8 target durations.
pub fn unlisted_90k(target_s: u64) -> u64 {
    target_s * SECOND_90K * 7 / 10
}

/// A part that is not its segment's last is at least so long: 85 % (4.4.4.9), and a little for rounding.
pub fn part_least_90k(part_target_90k: u64) -> u64 {
    part_target_90k * 86 / 100
}

/// True if parts of that target can be made of frames of this length.
pub fn fits(frame_90k: u64, part_target_90k: u64) -> bool {
    let frame_90k = frame_90k.max(1);
    part_target_90k / frame_90k * frame_90k >= part_least_90k(part_target_90k)
}

/// What is promised by the first frames, which are a whole group of pictures or too many for one segment, and the next one.
pub fn choose(run: u32, lengths_90k: &[u64], next_90k: u64) -> PlaylistParams {
    let mut pace = Pace::default();
    let known = lengths_90k.iter().skip(1).chain([&next_90k]);
    known.for_each(|length_90k| pace.push(*length_90k));
    let frame_90k = pace.frame_90k().max(1);
    // A stall is no part of the group's usual length.
    let usual_90k = lengths_90k
        .iter()
        .copied()
        .map(|length_90k| length_90k.min(2 * frame_90k));
    let group_s = (usual_90k.sum::<u64>() + SECOND_90K / 2) / SECOND_90K;
    // A slow camera's frames may get longer by a quarter.
    let slow_s = (frame_90k * 5 / 4).div_ceil(SECOND_90K);
    let frames = ((PART_90K + frame_90k / 2) / frame_90k).max(1);
    let as_usual = [frame_90k, frame_90k * 26 / 25].map(|frame_90k| fits(frame_90k, PART_TARGET_90K));
    PlaylistParams {
        run,
        target_s: group_s.clamp(TARGET_LEAST_S, TARGET_MOST_S).max(slow_s),
        part_target_90k: match as_usual {
            [true, true] => PART_TARGET_90K,
            _ => target_of(frames * frame_90k),
        },
    }
}

/// The lengths of the newest frames. What most of them have says how long the next one will be: a single late one does not.
#[derive(Default)]
pub struct Pace {
    lengths_90k: [u64; 5],
    count: usize,
}

impl Pace {
    pub fn push(&mut self, length_90k: u64) {
        self.lengths_90k[self.count % self.lengths_90k.len()] = length_90k;
        self.count += 1;
    }

    /// The middle one of the newest, or the lower one of two; 0 before the first.
    pub fn frame_90k(&self) -> u64 {
        let known = self.count.min(self.lengths_90k.len());
        let mut sorted = self.lengths_90k;
        let sorted = &mut sorted[..known];
        sorted.sort_unstable();
        sorted.get(known.saturating_sub(1) / 2).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of that length for at least a second.
    fn chosen(frame_90k: u64) -> PlaylistParams {
        let frames = (SECOND_90K / frame_90k).max(3);
        choose(7, &vec![frame_90k; frames as usize], frame_90k)
    }

    #[test]
    fn usual_rates_have_the_same_terms() {
        for fps in [5, 10, 15, 20, 25, 30, 48, 50, 60, 90, 120, 240] {
            let params = chosen(SECOND_90K / fps);
            assert_eq!((params.target_s, params.part_target_90k), (2, 19_440), "{fps}");
        }
    }

    #[test]
    fn others_have_parts_that_fit_them() {
        for millifps in [
            500, 667, 1000, 2000, 3000, 4000, 6000, 7500, 8000, 9000, 12_000, 12_500, 13_000, 24_000,
        ] {
            let frame_90k = SECOND_90K * 1000 / millifps;
            let params = chosen(frame_90k);
            assert!(fits(frame_90k, params.part_target_90k), "{millifps}: {params:?}");
            assert!(
                params.part_target_90k <= params.target_s * SECOND_90K,
                "{millifps}"
            );
        }
    }

    #[test]
    fn slow_cameras_have_a_target_that_holds_their_frames() {
        for (frame_s, target_s) in [(1, 3), (2, 5), (3, 6), (15, 19), (60, 75)] {
            let lengths = [SECOND_90K / 2, frame_s * SECOND_90K, frame_s * SECOND_90K];
            let params = choose(7, &lengths, frame_s * SECOND_90K);
            assert_eq!(params.target_s, target_s, "{frame_s}");
        }
    }

    #[test]
    fn a_late_frame_does_not_tell_the_rate() {
        let mut lengths = vec![3000; 30];
        (lengths[1], lengths[7]) = (40_000, 31_500);
        for lengths in [&lengths[..], &lengths[..2]] {
            let params = choose(7, lengths, 3000);
            assert_eq!((params.target_s, params.part_target_90k), (2, 19_440));
        }
        let mut pace = Pace::default();
        assert_eq!(pace.frame_90k(), 0);
        for (length, middle) in [(9, 9), (1, 1), (1, 1), (8, 1), (1, 1), (1, 1), (8, 1), (8, 8)] {
            pace.push(length);
            assert_eq!(pace.frame_90k(), middle);
        }
    }
}
