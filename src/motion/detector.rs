//! The detector: the sizes of pictures in, motion out. It has no clock; all times are those of the pictures.
//!
//! An encoder spends few bytes on what is as it was before. So a P picture grows with what moves, if the encoder may not spend
//! what is left on the noise instead (constant bitrate); and a JPEG picture of a fixed quality gets larger or smaller with what
//! comes into view, while noise is averaged out over thousands of blocks. What is measured is therefore how far the logarithm of the
//! size is from what is usual, in units of how far it usually is from that. `tests/motion` has scenes.

/// One octave: sizes are compared by their logarithms to the base of 2.
pub(super) const OCTAVE: i32 = 1 << 16;
/// What a size is averaged over (the time constant of a low pass): a picture alone says little.
const SMOOTH_MS: i32 = 250;
/// The time of which the sizes are averaged for what is usual.
const BLOCK_MS: u64 = 500;
/// A block has no more sizes than this, whatever their times say.
const MOST_IN_BLOCK: i32 = 256;
/// So many blocks are what is usual: a minute.
const BLOCKS: usize = 120;
/// So many have to be known.
const LEARN_BLOCKS: u32 = 10;
/// While something moves only each tenth block is learnt: what does not end is usual after some minutes.
const SLOW: u32 = 10;
/// How good the stream is for this is looked at after so many blocks.
const JUDGE_BLOCKS: u32 = 60;
/// Motion begins when the score was above the threshold for so long, or as good as that.
const BEGIN_MS: i32 = 200;
/// A size may count as so much more or less than the usual at most: one picture is no motion.
const MOST: i32 = 2 * OCTAVE;
/// Where a P picture is so much larger than one of the two before it, and is not much smaller than a key picture, the light has
/// changed: all of the picture is another one at once.
const LIGHT_STEP: i32 = 4 * OCTAVE;
/// The time that a camera's exposure takes to get used to another light; nothing begins in it.
const LIGHT_MS: u64 = 2000;
/// After a start, or after somebody turned the camera or changed its controls, nothing is learnt for so long.
const SILENCE_MS: u64 = 2000;
/// A longer gap between two pictures is a start.
const GAP_MS: u64 = 2000;
/// The least spread, as in [`By`]: the sizes of JPEG pictures tell by far smaller differences.
const SPREAD_LEAST: [i32; 3] = [OCTAVE / 8, OCTAVE / 2048, OCTAVE / 8];
/// So many key pictures without a P picture that counts are all that there is.
const KEYS_ALONE: u32 = 20;
/// After so many changes of the quantization in a row JPEG pictures are not of a fixed quality.
const TABLES_VARY: u32 = 20;

/// What a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A key picture of H.264.
    Key,
    /// Any other one.
    P,
    /// A JPEG picture, with a number that changes with its quantization tables.
    Jpeg(u32),
    /// A look at a raw picture, whose size is how different it is.
    Raw,
}

/// One picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When it was captured, in microseconds.
    pub captured_us: u64,
    /// What it is.
    pub kind: Kind,
    /// Its size.
    pub bytes: usize,
}

/// What motion is found by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum By {
    #[default]
    P,
    Jpeg,
    Raw,
    /// The camera's own program says so.
    Told,
}

/// How good a stream is for this.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Quality {
    /// Not known yet.
    #[default]
    Unknown,
    /// What moves shows.
    Good,
    /// What is large and moves shows.
    Poor,
    /// Nothing shows: P pictures of a scene at rest are large.
    Noise,
    /// Nothing shows: there are no P pictures between key pictures, or no key pictures.
    Keys,
    /// Nothing shows: the quality of JPEG pictures varies.
    Varies,
}

impl Quality {
    /// True if nothing shows.
    pub fn is_blind(self) -> bool {
        matches!(self, Quality::Noise | Quality::Keys | Quality::Varies)
    }
}

/// The numbers of one camera.
pub(super) struct Detector {
    /// When the silence ends; None if it begins with the next picture.
    begin_ms: Option<u64>,
    /// The capture of the last picture.
    last_ms: u64,
    /// The low pass, once it has begun.
    smooth: Option<i32>,
    /// The present block: the sum of its sizes, how many these are, and when it began.
    sum: i32,
    count: i32,
    block_ms: u64,
    /// The newest blocks, in no order.
    blocks: [i32; BLOCKS],
    /// How many were learnt since the start.
    learnt: u32,
    /// Counts up to [`SLOW`], at which a block is learnt.
    due: u32,
    /// What is usual, and how far from that sizes usually are.
    usual: i32,
    spread: i32,
    /// The size of key pictures, averaged.
    key: Option<i32>,
    /// Key pictures since the last P picture that counted.
    keys: u32,
    after_key: bool,
    /// The two sizes before.
    before: [i32; 2],
    light_until_ms: u64,
    /// How long the score has been above the threshold, or as good as that; or, once something moves, below its half.
    for_ms: i32,
    tables: u32,
    tables_changed: u32,
    pub quality: Quality,
    /// How far the size is from what is usual, in hundredths of the spread.
    pub score: i32,
    /// Something moves.
    pub moves: bool,
    pub by: By,
}

impl Default for Detector {
    fn default() -> Detector {
        Detector {
            begin_ms: None,
            last_ms: 0,
            smooth: None,
            sum: 0,
            count: 0,
            block_ms: 0,
            blocks: [0; BLOCKS],
            learnt: 0,
            due: 0,
            usual: 0,
            spread: 0,
            key: None,
            keys: 0,
            after_key: false,
            before: [i32::MAX; 2],
            light_until_ms: 0,
            for_ms: 0,
            tables: 0,
            tables_changed: 0,
            quality: Quality::Unknown,
            score: 0,
            moves: false,
            by: By::P,
        }
    }
}

impl Detector {
    /// Begins anew: what was usual is so no more.
    pub fn restart(&mut self) {
        *self = Detector {
            key: self.key,
            tables: self.tables,
            tables_changed: self.tables_changed,
            quality: self.quality,
            ..Detector::default()
        };
    }

    /// True while what is usual is not known.
    pub fn learns(&self) -> bool {
        self.learnt < LEARN_BLOCKS
    }

    /// Nothing begins for a while, as the light has changed.
    pub fn light(&mut self, now_ms: u64) {
        self.light_until_ms = now_ms + LIGHT_MS;
    }

    /// True while a camera's exposure gets used to another light.
    pub fn is_lit(&self, now_ms: u64) -> bool {
        now_ms < self.light_until_ms
    }

    /// Takes a camera's own word on whether something moves, or since when not, in the place of its pictures.
    pub fn believe(&mut self, moves: bool, rests_ms: u64, gap_ms: i32) {
        (self.by, self.quality, self.learnt) = (By::Told, Quality::Good, LEARN_BLOCKS);
        self.moves = moves || self.moves && rests_ms < gap_ms as u64;
    }

    /// Takes the next picture. The threshold is in hundredths, as the score is.
    pub fn take(&mut self, sample: Sample, threshold: i32, gap_ms: i32) {
        let size = log2(sample.bytes);
        let now_ms = sample.captured_us / 1000;
        let since_ms = now_ms.wrapping_sub(self.last_ms);
        // Also where the time went back.
        if since_ms > GAP_MS {
            self.restart();
        }
        self.last_ms = now_ms;
        match sample.kind {
            Kind::Key => {
                let key = self.key.unwrap_or(size);
                self.key = Some(key + (size - key) / 8);
                self.keys += 1;
                self.after_key = true;
                if self.keys == KEYS_ALONE {
                    self.judge(Quality::Keys);
                }
                return;
            }
            Kind::Raw => {}
            // It mends the key picture, which is no motion.
            Kind::P if self.after_key => return self.after_key = false,
            Kind::P => self.keys = 0,
            Kind::Jpeg(tables) => {
                if self.tables != tables {
                    self.restart();
                    self.tables = tables;
                    self.tables_changed += 1;
                    if self.tables_changed == TABLES_VARY {
                        self.judge(Quality::Varies);
                    }
                }
            }
        }
        self.by = match sample.kind {
            Kind::Jpeg(_) => By::Jpeg,
            Kind::Raw => By::Raw,
            _ => By::P,
        };
        let begin_ms = *self.begin_ms.get_or_insert(now_ms + SILENCE_MS);
        if now_ms >= begin_ms {
            self.compare(size, (now_ms, since_ms as i32), threshold, gap_ms);
        }
    }

    fn compare(&mut self, size: i32, (now_ms, since_ms): (u64, i32), threshold: i32, gap_ms: i32) {
        let least = self.before[0].min(self.before[1]);
        self.before = [self.before[1], size];
        if self.by == By::P
            && size - least > LIGHT_STEP
            && self.key.is_some_and(|key| size > key - LIGHT_STEP)
        {
            self.light(now_ms);
        }
        let limited = match self.learns() {
            true => size,
            false => size.clamp(self.usual - MOST, self.usual + MOST),
        };
        let smooth = self.smooth.unwrap_or(limited);
        let step = (limited - smooth).clamp(-MOST, MOST);
        let smooth = smooth + step * since_ms / (since_ms + SMOOTH_MS);
        self.smooth = Some(smooth);
        let is_full = now_ms - self.block_ms >= BLOCK_MS || self.count == MOST_IN_BLOCK;
        if is_full && self.count > 0 {
            self.learn(self.sum / self.count, self.moves || self.score >= threshold);
            (self.sum, self.count) = (0, 0);
        }
        if self.count == 0 {
            self.block_ms = now_ms;
        }
        self.sum += size;
        self.count += 1;
        if self.learns() {
            return;
        }
        let mut off = smooth - self.usual;
        if self.by == By::Jpeg {
            off = off.abs();
        }
        self.score = off * 100 / self.spread;
        if self.quality.is_blind() {
            return;
        }
        let needed_ms = if self.moves { gap_ms } else { BEGIN_MS };
        self.for_ms = match self.moves {
            // Of P pictures each one counts by how far it is above two thirds of the threshold, or below (a CUSUM test). That finds what
            // is near the threshold sooner than a low pass does, and one alone is not enough.
            false if self.by == By::P => {
                let score = (limited - self.usual) * 100 / self.spread;
                let above = score.min(threshold * 4 / 3) - threshold * 2 / 3;
                (self.for_ms + since_ms.min(BEGIN_MS) * above / threshold).clamp(0, BEGIN_MS)
            }
            false if self.score >= threshold => self.for_ms + since_ms,
            true if self.score < threshold / 2 => self.for_ms + since_ms,
            _ => 0,
        };
        if self.for_ms >= needed_ms && (self.moves || !self.is_lit(now_ms)) {
            (self.moves, self.for_ms) = (!self.moves, 0);
        }
    }

    fn learn(&mut self, mean: i32, slowly: bool) {
        self.due += if slowly { 1 } else { SLOW };
        if self.due < SLOW {
            return;
        }
        self.due = 0;
        self.blocks[self.learnt as usize % BLOCKS] = mean;
        self.learnt += 1;
        let known = BLOCKS.min(self.learnt as usize);
        self.usual = median(&self.blocks[..known]);
        let far = self.blocks.map(|block| (block - self.usual).abs());
        self.spread = median(&far[..known]).max(SPREAD_LEAST[self.by as usize]);
        if self.learnt % JUDGE_BLOCKS == LEARN_BLOCKS && !self.moves {
            self.tables_changed = 0;
            // Octaves between a key picture and what follows it.
            let quality = match self.key.map(|key| (key - self.usual) / OCTAVE) {
                _ if self.by != By::P => Quality::Good,
                None => Quality::Keys,
                Some(6..) => Quality::Good,
                Some(5) => Quality::Poor,
                Some(_) => Quality::Noise,
            };
            self.judge(quality);
        }
    }

    fn judge(&mut self, quality: Quality) {
        self.quality = quality;
        if quality.is_blind() {
            (self.moves, self.for_ms) = (false, 0);
        }
    }
}

/// The median of numbers that are not negative, the upper one of two: bit by bit, the greatest that no more than half of them are below.
pub(super) fn median(numbers: &[i32]) -> i32 {
    let mut median = 0;
    for bit in (0..i32::BITS - 1).rev() {
        let greater = median | 1 << bit;
        let below = numbers.iter().filter(|number| **number < greater).count();
        if below <= numbers.len() / 2 {
            median = greater;
        }
    }
    median
}

/// The logarithm to the base of 2, in [`OCTAVE`]s.
pub(super) fn log2(bytes: usize) -> i32 {
    let bytes = bytes.max(1) as u32;
    let shift = bytes.leading_zeros();
    let mut log = 31 - shift as i32;
    let mut rest = u64::from(bytes << shift);
    // Squared, the rest is twice as far in its octave: the next bit.
    for _ in 0..OCTAVE.trailing_zeros() {
        rest = (rest * rest) >> 31;
        let over = (rest >> 32) as i32;
        rest >>= over;
        log = log * 2 + over;
    }
    log
}
