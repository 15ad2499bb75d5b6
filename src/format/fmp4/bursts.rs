//! Frames that come many at once, with a pause behind them: they were captured one after the other, and are to be shown so.
//!
//! A camera, a recorder or a cloud that sends 50 frames every two seconds says so by its rhythm: steps that are next to
//! nothing, and then one that is as long as all of its frames by their rate. A camera that was held up sends those of the
//! hold-up at once, too; but it is steady before and after, and its viewers want the newest picture, not each.

/// Steps in a row, neither short nor long, by which a stream is steady, ...
const STEADY: u32 = 16;
/// ... and bursts in a row by which one that was steady is not.
const BURSTS: u32 = 2;
/// A burst has so many frames at least behind its first.
const FEW: u32 = 3;
/// The rate is followed by this part of a difference at a time.
const FOLLOWED: i64 = 8;

/// What is known of a stream's rhythm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rhythm {
    /// Nothing yet: what comes at once may be a burst.
    Unknown,
    /// Frames come one by one.
    Steady,
    /// They come in bursts.
    Bursts,
}

/// Tells bursts by their steps, in 1/90000 s, and the step that spreads them.
#[derive(Debug, Clone)]
pub(super) struct Bursts {
    /// The step by the stream's own rate; 0 if it has none, and nothing can be told.
    said_90k: u64,
    /// The step that spreads frames so that they last until the next burst.
    even_90k: u64,
    rhythm: Rhythm,
    /// Frames since the last long step: those that came right behind another, and all others.
    short: u32,
    other: u32,
    /// The time since then.
    since_90k: u64,
    /// Bursts in a row.
    bursts: u32,
}

impl Bursts {
    /// Of a stream with this step between frames, by its own rate.
    pub fn new(said_90k: u64) -> Bursts {
        Bursts {
            said_90k,
            even_90k: said_90k,
            rhythm: Rhythm::Unknown,
            short: 0,
            other: 0,
            since_90k: 0,
            bursts: 0,
        }
    }

    /// The stream says another rate.
    pub fn set_step(&mut self, said_90k: u64) {
        if said_90k != self.said_90k {
            *self = Bursts::new(said_90k);
        }
    }

    /// Takes the step before a frame; `ahead_90k` is how far media time is ahead of the frame's arrival. Gives the step that
    /// spreads it, if it is one of a burst.
    pub fn spread(&mut self, step_90k: u64, ahead_90k: i64) -> Option<u64> {
        if self.said_90k == 0 {
            return None;
        }
        self.since_90k = self.since_90k.saturating_add(step_90k);
        let is_first = step_90k >= 2 * self.said_90k;
        let is_short = step_90k <= self.said_90k / 4;
        if is_first {
            self.judge(ahead_90k);
        } else if is_short {
            self.short += 1;
        } else {
            self.other += 1;
            if self.other >= STEADY && self.other > self.short {
                self.rhythm = Rhythm::Steady;
            }
        }
        let spreads = match self.rhythm {
            Rhythm::Steady => false,
            Rhythm::Bursts => is_first || is_short,
            // As long as nothing is known, what is a little too fast may be a rate that was said wrongly.
            Rhythm::Unknown => step_90k <= self.said_90k / 16,
        };
        spreads.then_some(self.even_90k)
    }

    /// Spreads no more: what came at once is more than any burst.
    pub fn give_up(&mut self) {
        self.rhythm = Rhythm::Steady;
    }

    /// Looks at what came between two long steps, or up to the first.
    fn judge(&mut self, ahead_90k: i64) {
        let frames = u64::from(self.short) + u64::from(self.other) + 1;
        let by_rate_90k = frames * self.said_90k;
        let is_burst = self.short >= FEW
            && self.short / 3 >= self.other
            && (self.since_90k / 4..=self.since_90k.saturating_mul(4)).contains(&by_rate_90k);
        if is_burst {
            self.bursts += 1;
            self.follow(self.since_90k / frames, ahead_90k / frames as i64);
            if self.rhythm == Rhythm::Unknown || self.bursts >= BURSTS {
                self.rhythm = Rhythm::Bursts;
            }
        } else {
            self.bursts = 0;
            if self.rhythm == Rhythm::Bursts {
                self.rhythm = Rhythm::Steady;
            }
        }
        (self.short, self.other, self.since_90k) = (0, 0, 0);
    }

    /// Corrects the step by the true one, and by what a frame is ahead too far.
    fn follow(&mut self, true_90k: u64, ahead_90k: i64) {
        let is_said = true_90k.abs_diff(self.said_90k) <= self.said_90k / 4;
        if self.rhythm != Rhythm::Bursts {
            self.even_90k = if is_said { self.said_90k } else { true_90k };
            return;
        }
        let off_90k = true_90k as i64 - self.even_90k as i64 - ahead_90k;
        let even_90k = self.even_90k.saturating_add_signed(off_90k / FOLLOWED);
        self.even_90k = even_90k.clamp(self.said_90k.div_ceil(4), self.said_90k * 4);
    }
}
