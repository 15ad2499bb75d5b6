//! The newest segments of a run: pure data, which takes what it needs of the time as a parameter. It holds the ring's
//! own fragments and nothing else: a segment is some of them in a row, a part is some of a segment's.

use crate::format::fmp4::{Fragment, Init, TIMESCALE};
use crate::format::hls::{self, Name, Part, PlaylistParams, SKIP_TARGETS, Segment};
use std::collections::VecDeque;
use std::sync::Arc;

const SECOND_90K: u64 = TIMESCALE as u64;

/// There are no more segments than this, in so many seconds, but for breaks.
pub const SEGMENTS_MOST: (u64, u64) = (4, 3);
/// A segment that is so long ends at the next key frame, ...
const SEGMENT_LEAST_90K: u64 = SECOND_90K * SEGMENTS_MOST.1 / SEGMENTS_MOST.0;
/// ... and one is asked for when it is so long.
const SEGMENT_90K: u64 = SECOND_90K;
/// The target duration is that of the first segment, but no more than this: a group of pictures that is longer than a
/// target duration is cut.
const TARGET_MOST_S: u64 = 6;
/// It is 1 s, which has players stay 3 s behind, only where the first segment is not longer than this: where groups
/// are as long as they were asked to be. Others get room, since one may be short, and the next one twice as long.
const SECOND_AT_MOST_90K: u64 = SEGMENT_90K * 11 / 10;
/// So much is in the first playlist. With a single segment of a second in it, GStreamer's hlsdemux2 (1.22) loses its place.
const FIRST_90K: u64 = SEGMENT_90K * 3 / 2;
/// A part has as many frames as are next to this. Players stay three parts behind, and ask again for each.
const PART_90K: u64 = SECOND_90K / 6;
/// Target durations that are listed: more than what a delta update may leave out, or it never would.
const LISTED_TARGETS: u64 = SKIP_TARGETS + 2;
/// Segments that are listed at least.
const LISTED_LEAST: usize = 6;
/// No more than this is held, however large the frames are, and whatever the playlist lists.
pub const MOST_BYTES: usize = 64 << 20;

/// A segment and what is in it.
struct Held {
    listing: Segment,
    init: Arc<Init>,
    fragments: Vec<Arc<Fragment>>,
    /// Sequence number of the first fragment; those of the others follow.
    sequence: u32,
    bytes: usize,
    /// Fragments in the whole parts.
    in_parts: usize,
    /// How long the part is that still grows.
    part_90k: u64,
    /// It is kept until the newest segment ends there, once it is no longer listed.
    until_90k: u64,
}

/// Some fragments in a row.
pub struct Media {
    /// The fragments.
    pub fragments: Vec<Arc<Fragment>>,
    /// Sequence number of the first; those of the others follow.
    pub sequence: u32,
}

/// The answer of [`Window::progress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes that far.
    Reached,
    /// Not yet.
    NotYet,
    /// Nobody can know that it ever will.
    TooFar,
}

/// The file behind a name.
pub enum Found {
    /// An init segment.
    Init(Arc<Init>),
    /// A segment or a part.
    Media(Media),
    /// The part that comes next.
    Next,
}

/// The effect of a push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pushed {
    /// The playlist is another one now.
    pub changed: bool,
    /// A key frame is wanted.
    pub needs_key_frame: bool,
}

/// The segments of one run.
pub struct Window {
    run: u32,
    /// Media sequence number of segment 0.
    first_sequence: u64,
    most_bytes: usize,
    /// Known when the first group of pictures is whole; until then its fragments wait here.
    params: Option<PlaylistParams>,
    waiting: Vec<Arc<Fragment>>,
    /// Oldest first; so many of them are no longer listed.
    whole: VecDeque<Held>,
    unlisted: usize,
    open: Option<Held>,
    bytes: usize,
    newest: Option<Arc<Fragment>>,
    /// The next fragments can't be decoded before a key frame comes, or do not follow what is there.
    broken: bool,
    next_segment: u64,
    next_part: u64,
    next_sequence: u32,
    /// Init segments so far.
    inits: u64,
    discontinuities: u64,
    peak_bps: u64,
}

impl Window {
    /// An empty window, for a run whose first segment has these numbers.
    pub fn new(run: u32, first_sequence: u64, discontinuities: u64, most_bytes: usize) -> Window {
        Window {
            run,
            first_sequence,
            most_bytes,
            params: None,
            waiting: Vec::new(),
            whole: VecDeque::new(),
            unlisted: 0,
            open: None,
            bytes: 0,
            newest: None,
            broken: true,
            next_segment: 0,
            next_part: 0,
            next_sequence: 1,
            inits: 0,
            discontinuities,
            peak_bps: 0,
        }
    }

    /// Adds the newest fragment; `unix_us` is what has to be added to a capture time to have it in Unix time.
    pub fn push(&mut self, fragment: &Arc<Fragment>, unix_us: i64) -> Pushed {
        let mut pushed = Pushed::default();
        let follows = self.newest.replace(Arc::clone(fragment)).is_some_and(|newest| {
            // The time line has no holes but for silences, and where frames are missing to a follower.
            newest.time_90k + u64::from(newest.duration_90k) == fragment.time_90k
                && newest.epoch == fragment.epoch
                && newest.init.serves(&fragment.init)
        });
        if !follows {
            // A player that finds a hole in the time throws away what comes before the next key frame: it is not sent.
            self.broken = true;
            pushed.changed |= self.close_segment();
            self.forget_waiting();
        }
        if self.broken && !fragment.key {
            pushed.needs_key_frame = true;
            return pushed;
        }
        if self.params.is_some() {
            self.add(fragment, unix_us, &mut pushed);
        } else {
            self.wait(fragment, unix_us, &mut pushed);
        }
        pushed.changed |= self.keep_to_budget();
        pushed
    }

    /// Collects the first group of pictures, which gives what its playlists promise.
    fn wait(&mut self, fragment: &Arc<Fragment>, unix_us: i64, pushed: &mut Pushed) {
        let length_90k: u64 = self.waiting.iter().map(|f| u64::from(f.duration_90k)).sum();
        let whole = fragment.key && length_90k >= SEGMENT_LEAST_90K;
        let too_long = length_90k + u64::from(fragment.duration_90k) >= TARGET_MOST_S * SECOND_90K;
        if let (true, Ok(frames @ 1..)) = (whole || too_long, u64::try_from(self.waiting.len())) {
            let frame_90k = length_90k / frames;
            let per_part = ((PART_90K + frame_90k / 2) / frame_90k.max(1)).max(1);
            self.params = Some(PlaylistParams {
                run: self.run,
                // 4.4.3.1: the length of a segment, rounded, is not above it.
                target_s: match length_90k {
                    ..=SECOND_AT_MOST_90K => 1,
                    _ => ((length_90k + SECOND_90K / 2) / SECOND_90K).clamp(2, TARGET_MOST_S),
                },
                // Frames are not all of one length, and no part may be longer, nor shorter than 85 % of it (4.4.4.9).
                part_target_90k: (per_part * frame_90k * 11 / 10).next_multiple_of(SECOND_90K / 1000),
            });
            let waiting = std::mem::take(&mut self.waiting);
            self.bytes = 0;
            for fragment in waiting.iter().chain([fragment]) {
                self.add(fragment, unix_us, pushed);
            }
            pushed.needs_key_frame = false; // was asked for while they came
        } else {
            self.broken = false;
            self.bytes += fragment.size_bytes();
            self.waiting.push(Arc::clone(fragment));
            pushed.needs_key_frame = key_is_due(length_90k, u64::from(fragment.duration_90k));
        }
    }

    fn forget_waiting(&mut self) {
        self.bytes -= self.waiting.drain(..).map(|f| f.size_bytes()).sum::<usize>();
    }

    fn add(&mut self, fragment: &Arc<Fragment>, unix_us: i64, pushed: &mut Pushed) {
        let Some(params) = self.params else { return };
        let frame_90k = u64::from(fragment.duration_90k);
        let ends = self.open.as_ref().is_none_or(|open| {
            let length_90k = open.listing.duration_90k;
            fragment.key && length_90k >= SEGMENT_LEAST_90K
                || length_90k + frame_90k >= params.target_s * SECOND_90K + SECOND_90K / 2
        });
        if ends {
            pushed.changed |= self.close_segment();
            self.open_segment(fragment, unix_us);
        }
        let Some(open) = &mut self.open else { return };
        pushed.needs_key_frame |= key_is_due(open.listing.duration_90k, frame_90k);
        let too_much = open.part_90k > 0 && open.part_90k + frame_90k > params.part_target_90k;
        if too_much {
            open.close_part(&mut self.next_part);
        }
        open.fragments.push(Arc::clone(fragment));
        open.bytes += fragment.size_bytes();
        open.listing.duration_90k += frame_90k;
        open.part_90k += frame_90k;
        self.bytes += fragment.size_bytes();
        self.next_sequence = self.next_sequence.wrapping_add(1);
        // Not to hold it back until the next frame shows that it is whole: that one will be as long as these.
        let frames = (open.fragments.len() - open.in_parts) as u64;
        let full = open.part_90k + open.part_90k / frames.max(1) > params.part_target_90k;
        if full {
            open.close_part(&mut self.next_part);
        }
        pushed.changed |= too_much || full;
    }

    fn open_segment(&mut self, fragment: &Fragment, unix_us: i64) {
        let before = self.whole.back();
        let before = before.map(|before| Arc::clone(&before.init));
        let known = before.filter(|before| before.serves(&fragment.init));
        self.inits += u64::from(known.is_none());
        let discontinuity = std::mem::take(&mut self.broken) && self.next_segment > 0;
        self.discontinuities += u64::from(discontinuity);
        self.open = Some(Held {
            listing: Segment {
                number: self.next_segment,
                init: self.inits - 1,
                discontinuity,
                discontinuities: self.discontinuities,
                date_ms: fragment.captured_us.saturating_add_signed(unix_us) / 1000,
                duration_90k: 0,
                parts: Vec::new(),
            },
            init: known.unwrap_or_else(|| Arc::clone(&fragment.init)),
            fragments: Vec::new(),
            sequence: self.next_sequence,
            bytes: 0,
            in_parts: 0,
            part_90k: 0,
            until_90k: 0,
        });
        self.next_segment += 1;
    }

    /// Ends the segment that grows; false if there is none.
    fn close_segment(&mut self) -> bool {
        let Some(mut open) = self.open.take() else {
            return false;
        };
        if open.part_90k > 0 {
            open.close_part(&mut self.next_part);
        }
        let bits = open.bytes as u64 * 8 * SECOND_90K;
        self.peak_bps = self.peak_bps.max(bits.div_ceil(open.listing.duration_90k.max(1)));
        self.whole.push_back(open);
        self.unlist();
        true
    }

    /// Takes segments that are too old off the list, and drops those that nobody may ask for any more.
    fn unlist(&mut self) {
        let Some(params) = self.params else { return };
        let length_90k = |held: &Held| held.listing.duration_90k;
        let mut listed_90k: u64 = self.listed().map(length_90k).sum();
        let newest_90k = self.whole.back().map_or(0, Held::end_90k);
        while self.whole.len() - self.unlisted > LISTED_LEAST {
            let Some(oldest) = self.whole.get_mut(self.unlisted) else {
                break;
            };
            if listed_90k - length_90k(oldest) < LISTED_TARGETS * params.target_s * SECOND_90K {
                break;
            }
            // Its own length and that of the longest playlist that had it (6.2.2).
            oldest.until_90k = newest_90k + length_90k(oldest) + listed_90k;
            listed_90k -= length_90k(oldest);
            self.unlisted += 1;
        }
        while self.unlisted > 0 && self.whole.front().is_some_and(|held| held.until_90k < newest_90k) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.whole.pop_front() {
            self.bytes -= oldest.bytes;
            self.unlisted = self.unlisted.saturating_sub(1);
        }
    }

    /// True if the playlist is another one now.
    fn keep_to_budget(&mut self) -> bool {
        let over = self.bytes > self.most_bytes;
        while self.bytes > self.most_bytes {
            if self.whole.is_empty() {
                // More than that within one segment: this can't be had as HLS.
                self.broken = true;
                self.forget_waiting();
                self.close_segment();
            }
            self.drop_oldest();
        }
        over
    }

    fn listed(&self) -> impl Iterator<Item = &Held> {
        self.whole.iter().skip(self.unlisted)
    }

    /// True when there is a playlist.
    pub fn is_ready(&self) -> bool {
        let listed_90k: u64 = self.listed().map(|held| held.listing.duration_90k).sum();
        self.params.is_some() && listed_90k >= FIRST_90K
    }

    /// Target duration; the least one while it is not known.
    pub fn target_s(&self) -> u64 {
        self.params.map_or(1, |params| params.target_s)
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What another run after this one has to begin with: media sequence number and discontinuities.
    pub fn end(&self) -> (u64, u64) {
        (self.first_sequence + self.next_segment, self.discontinuities + 1)
    }

    /// The media playlist; with `skip`, a delta update.
    // Put into a client's loop, its call with so many arguments would make 1.7 kB of unwind tables.
    #[inline(never)]
    pub fn playlist(&self, skip: bool) -> String {
        let Some(params) = &self.params else {
            return String::new();
        };
        let whole: Vec<&Segment> = self.listed().map(|held| &held.listing).collect();
        let open = self.open.as_ref().map(|open| &open.listing);
        let open = open.filter(|open| !open.parts.is_empty());
        hls::media(params, self.first_sequence, &whole, open, self.next_part, skip)
    }

    /// The multivariant playlist.
    pub fn variant(&self) -> Option<String> {
        let init = &self.whole.back()?.init;
        let (mut bytes, mut frames, mut length_90k) = (0, 0, 0);
        for held in self.listed() {
            bytes += held.bytes as u64;
            frames += held.fragments.len() as u64;
            length_90k += held.listing.duration_90k;
        }
        let a_second = |amount: u64| amount * SECOND_90K / length_90k.max(1);
        let (width, height) = match init.rotation {
            90 | 270 => (init.height, init.width),
            _ => (init.width, init.height),
        };
        let variant = hls::Variant {
            peak_bps: self.peak_bps,
            average_bps: a_second(bytes * 8),
            codec: &init.codec,
            width,
            height,
            millifps: a_second(frames * 1000),
        };
        Some(variant.playlist())
    }

    /// How far the playlist is, seen from the segment of this media sequence number, or this part of it (6.2.5.2).
    pub fn progress(&self, sequence: u64, part: Option<u64>) -> Progress {
        let Some(number) = sequence.checked_sub(self.first_sequence) else {
            return Progress::Reached; // of a run before this one
        };
        let grows = self.next_segment - u64::from(self.open.is_some());
        let parts_of = |held: &Held| held.listing.parts.len() as u64;
        let open_parts = self.open.as_ref().map_or(0, parts_of);
        if number < grows {
            // A part that it does not have is the first one of the next segment.
            let newest = self.whole.back().map_or(0, parts_of);
            let has = number + 1 < grows || open_parts > 0 || part.is_none_or(|part| part < newest);
            return if has { Progress::Reached } else { Progress::NotYet };
        }
        // grows - 1 is the last segment that is whole.
        if number > grows + 1 {
            return Progress::TooFar;
        }
        match part {
            Some(part) if number == grows && part < open_parts => Progress::Reached,
            Some(part) if part > open_parts + self.advance_part_limit() => Progress::TooFar,
            _ => Progress::NotYet,
        }
    }

    /// 6.2.5.2: 3 / PART-TARGET, if that is below a second.
    fn advance_part_limit(&self) -> u64 {
        let part_90k = self.params.map_or(0, |params| params.part_target_90k);
        (3 * SECOND_90K).div_ceil(part_90k.clamp(1, SECOND_90K))
    }

    /// What stands under a name of this run.
    pub fn find(&self, name: Name) -> Option<Found> {
        let mut held = self.whole.iter().chain(&self.open);
        match name {
            Name::Init(number) => {
                let held = held.find(|held| held.listing.init == number)?;
                Some(Found::Init(Arc::clone(&held.init)))
            }
            Name::Segment(number) => {
                let held = self.whole.iter().find(|held| held.listing.number == number)?;
                Some(Found::Media(held.media(0, held.fragments.len())))
            }
            Name::Part(number) if number == self.next_part => Some(Found::Next),
            Name::Part(number) => held.find_map(|held| held.part(number)).map(Found::Media),
        }
    }
}

/// True if a segment of this length that goes on with a frame of that length, which is no key frame, needs one: once a
/// second.
fn key_is_due(length_90k: u64, frame_90k: u64) -> bool {
    length_90k >= SEGMENT_90K && length_90k % SEGMENT_90K < frame_90k
}

impl Held {
    fn end_90k(&self) -> u64 {
        let last = self.fragments.last();
        last.map_or(0, |last| last.time_90k + u64::from(last.duration_90k))
    }

    fn close_part(&mut self, next_part: &mut u64) {
        let first = self.fragments.get(self.in_parts);
        self.listing.parts.push(Part {
            number: *next_part,
            duration_90k: std::mem::take(&mut self.part_90k),
            independent: first.is_some_and(|first| first.key),
        });
        self.in_parts = self.fragments.len();
        *next_part += 1;
    }

    fn media(&self, from: usize, to: usize) -> Media {
        Media {
            fragments: self.fragments.get(from..to).unwrap_or_default().to_vec(),
            sequence: self.sequence.wrapping_add(from as u32),
        }
    }

    /// The fragments of a part, found by the lengths of those before it and its own.
    fn part(&self, number: u64) -> Option<Media> {
        let first = self.listing.parts.first()?.number;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        let (mut from, mut to) = (0, 0);
        for part in self.listing.parts.get(..=at)? {
            from = to;
            let mut length_90k = 0;
            while length_90k < part.duration_90k {
                length_90k += u64::from(self.fragments.get(to)?.duration_90k);
                to += 1;
            }
        }
        Some(self.media(from, to))
    }
}

#[cfg(test)]
#[path = "tests/window.rs"]
mod tests;
