//! The newest segments of a run: pure data, which takes what it needs of the time as a parameter. It holds the ring's
//! own fragments and nothing else: a segment is some of them in a row, a part is some of a segment's.
//!
//! What playlists promise holds whatever the camera does ([`terms`](super::terms)). Frames that fit in no part make a
//! segment without parts, and where they come between others, the segment before them ends.

use super::dates::Dates;
use super::held::{self, Held, Media, Placed};
use super::terms::{self, FRAME_MOST_S, FRAMES_LEAST, Pace, SECOND_90K, TARGET_LEAST_S, TARGET_MOST_S};
use crate::format::fmp4::{Fragment, Init};
use crate::format::hls::{self, Name, PlaylistParams, SKIP_TARGETS, Segment};
use std::collections::VecDeque;
use std::sync::Arc;

/// There are no more segments than this a second, but for breaks ...
pub const SEGMENTS_A_SECOND: u64 = 2;
/// ... and some at the beginning.
const SEGMENTS_AHEAD: u64 = 8;
/// A segment that is so long ends at the next key frame, ...
const SEGMENT_LEAST_90K: u64 = SECOND_90K * 3 / 4;
/// ... and one is asked for when it is so long.
const SEGMENT_90K: u64 = SECOND_90K;
/// So much is in the first playlist. With a single segment of a second in it, GStreamer's hlsdemux2 (1.22) loses its place.
const FIRST_90K: u64 = SEGMENT_90K * 3 / 2;
/// Target durations that are listed: more than what a delta update may leave out, or it never would.
const LISTED_TARGETS: u64 = SKIP_TARGETS + 1;
/// Segments that are listed at least.
const LISTED_LEAST: usize = 6;
/// The most fragments of sound that wait for the next picture: some minutes.
const MOST_SOUND: usize = 8192;
/// No more than this is held, however large the frames are, and whatever the playlist lists.
pub const MOST_BYTES: usize = 64 << 20;

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

/// Where a run goes on that follows another one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Handover {
    /// Media sequence number of its first segment.
    pub sequence: u64,
    pub discontinuities: u64,
    /// What was promised; none before the first picture.
    pub params: Option<PlaylistParams>,
}

/// The segments of one run.
pub struct Window {
    run: u32,
    /// Media sequence number of segment 0.
    first_sequence: u64,
    most_bytes: usize,
    /// Known when the first group of pictures is whole; until then its fragments wait here.
    params: Option<PlaylistParams>,
    waiting: Vec<Placed>,
    /// Sound that goes with the next picture, if it is not from before the one with which all began, or began anew.
    sound: Vec<Arc<Fragment>>,
    sound_from_90k: u64,
    pace: Pace,
    /// Oldest first; so many of them are no longer listed.
    whole: VecDeque<Held>,
    unlisted: usize,
    open: Option<Held>,
    bytes: usize,
    newest: Option<Arc<Fragment>>,
    /// The next fragments can't be decoded before a key frame comes, or do not follow what is there.
    broken: bool,
    dates: Option<Dates>,
    /// Where segment 0 begins.
    begin_90k: Option<u64>,
    next_segment: u64,
    next_part: u64,
    next_sequence: u32,
    /// Init segments so far.
    inits: u64,
    discontinuities: u64,
    peak_bps: u64,
}

impl Window {
    /// An empty window.
    pub fn new(run: u32, handover: Handover, most_bytes: usize) -> Window {
        Window {
            run,
            first_sequence: handover.sequence,
            most_bytes,
            params: handover.params.map(|params| PlaylistParams { run, ..params }),
            waiting: Vec::new(),
            sound: Vec::new(),
            sound_from_90k: 0,
            pace: Pace::default(),
            whole: VecDeque::new(),
            unlisted: 0,
            open: None,
            bytes: 0,
            newest: None,
            broken: true,
            dates: None,
            begin_90k: None,
            next_segment: 0,
            next_part: 0,
            next_sequence: 1,
            inits: 0,
            discontinuities: handover.discontinuities,
            peak_bps: 0,
        }
    }

    /// Adds the newest fragment; `offset_us` is what has to be added to a capture time to have it in Unix time.
    pub fn push(&mut self, fragment: &Arc<Fragment>, offset_us: i64) -> Pushed {
        let mut pushed = Pushed::default();
        if fragment.is_sound() {
            self.sound.drain(..self.sound.len().saturating_sub(MOST_SOUND));
            self.sound.push(Arc::clone(fragment));
            return pushed;
        }
        let mut sound = std::mem::take(&mut self.sound);
        let dates = self.dates.as_ref();
        let clock_was_set = dates.is_some_and(|dates| dates.clock_was_set(offset_us));
        let continued_90k = self.continued(fragment);
        self.newest = Some(Arc::clone(fragment));
        if continued_90k.is_none() || fragment.key && clock_was_set {
            // A player that finds a hole in the time throws away what comes before the next key frame: it is not sent.
            pushed.changed |= self.break_off();
        }
        pushed.needs_key_frame = clock_was_set || self.broken;
        if self.broken && !fragment.key {
            return pushed;
        }
        let continued_90k = continued_90k.filter(|_| !self.broken);
        let start_90k = continued_90k.unwrap_or_else(|| self.own_start(fragment));
        if self.broken {
            self.sound_from_90k = start_90k;
        }
        sound.retain(|sound| sound.time_90k >= self.sound_from_90k);
        let placed = Placed {
            fragment: Arc::clone(fragment),
            start_90k,
            sound,
        };
        pushed.needs_key_frame &= !fragment.key;
        if self.params.is_some() {
            self.add(placed, offset_us, &mut pushed);
        } else {
            self.wait(placed, offset_us, &mut pushed);
        }
        pushed.changed |= self.keep_to_budget();
        pushed
    }

    /// Where a fragment begins that goes on after the newest one: at its end, also after a silence, as the picture stays.
    fn continued(&self, fragment: &Fragment) -> Option<u64> {
        let newest = self.newest.as_ref()?;
        let start_90k = newest.end_90k();
        let goes_on = newest.epoch == fragment.epoch
            && newest.init.serves(&fragment.init)
            && start_90k <= fragment.time_90k
            && fragment.end_90k() - start_90k < self.frame_end_90k();
        goes_on.then_some(start_90k)
    }

    /// Where a fragment begins that goes on after nothing: at its own time, or as late as it has to.
    fn own_start(&self, fragment: &Fragment) -> u64 {
        let longest_90k = self.frame_end_90k() - 1;
        fragment.end_90k() - u64::from(fragment.duration_90k).min(longest_90k)
    }

    /// No frame may last so long.
    fn frame_end_90k(&self) -> u64 {
        let target_s = self.params.map_or(FRAME_MOST_S, |params| params.target_s);
        terms::segment_end_90k(target_s)
    }

    /// Ends what there is: the next fragment does not follow it. True if the playlist is another one now.
    pub fn break_off(&mut self) -> bool {
        self.broken = true;
        let waiting = self.waiting.drain(..);
        self.bytes -= waiting.map(|placed| placed.size_bytes(true)).sum::<usize>();
        self.close_segment()
    }

    /// Collects the first group of pictures, which gives what its playlists promise.
    fn wait(&mut self, placed: Placed, offset_us: i64, pushed: &mut Pushed) {
        let lengths_90k: Vec<u64> = self.waiting.iter().map(Placed::length_90k).collect();
        let length_90k: u64 = lengths_90k.iter().sum();
        let whole = placed.fragment.key && length_90k >= SEGMENT_LEAST_90K;
        let too_long = length_90k + placed.length_90k() >= TARGET_MOST_S * SECOND_90K;
        if lengths_90k.len() + 1 < FRAMES_LEAST || !whole && !too_long {
            self.broken = false;
            self.bytes += placed.size_bytes(true);
            pushed.needs_key_frame |= key_is_due(length_90k, &placed);
            self.waiting.push(placed);
            return;
        }
        self.params = Some(terms::choose(self.run, &lengths_90k, placed.length_90k()));
        pushed.changed = true;
        let waiting = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        for mut placed in waiting.into_iter().chain([placed]) {
            if placed.length_90k() >= self.frame_end_90k() {
                // A stall within the first group.
                self.break_off();
                placed.start_90k = self.own_start(&placed.fragment);
                placed.sound.clear();
            }
            if !self.broken || placed.fragment.key {
                self.add(placed, offset_us, pushed);
            }
        }
        pushed.needs_key_frame = self.broken; // else it was asked for while they came
    }

    fn add(&mut self, placed: Placed, offset_us: i64, pushed: &mut Pushed) {
        let Some(params) = self.params else { return };
        let target_90k = params.part_target_90k;
        let least_90k = terms::part_least_90k(target_90k);
        let (frame_90k, mut ends) = (placed.length_90k(), true);
        if let Some(open) = &mut self.open {
            let length_90k = open.listing.duration_90k;
            ends = placed.fragment.key && length_90k >= SEGMENT_LEAST_90K
                || length_90k + frame_90k >= terms::segment_end_90k(params.target_s);
            if !ends && open.has_parts && open.part_90k + frame_90k > target_90k {
                if open.part_90k >= least_90k {
                    open.close_part(&mut self.next_part);
                    pushed.changed = true;
                }
                if open.part_90k + frame_90k > target_90k {
                    // What has no parts yet may go on without. Else a part that is too short has to be its segment's last.
                    ends = !open.listing.parts.is_empty();
                    open.has_parts = ends;
                    pushed.changed = true;
                }
            }
        }
        if ends {
            let closed = self.close_segment();
            // Where it has no parts, the next one is no longer promised.
            pushed.changed |= !self.open_segment(&placed, offset_us) || closed;
        }
        self.pace.push(frame_90k);
        let parts_fit = self.parts_fit();
        let Some(open) = &mut self.open else { return };
        pushed.needs_key_frame |= key_is_due(open.listing.duration_90k, &placed);
        self.bytes += placed.size_bytes(true);
        self.next_sequence = self.next_sequence.wrapping_add(placed.count());
        open.push(placed);
        if open.has_parts {
            // Not to hold it back until the next frame shows that it is whole: that one will be as long as these.
            if open.part_90k >= least_90k && open.part_90k + self.pace.frame_90k() > target_90k {
                open.close_part(&mut self.next_part);
                pushed.changed = true;
            }
        } else if parts_fit
            || frame_90k >= SEGMENT_LEAST_90K
            || open.listing.duration_90k + frame_90k > terms::unlisted_90k(params.target_s)
        {
            // Nor this: it is listed when it is whole.
            pushed.changed |= self.close_segment();
        }
    }

    /// True if the next segment may have parts: frames come as they fit, and not so unevenly that there are too many
    /// segments.
    fn parts_fit(&self) -> bool {
        let end_90k = self.open.as_ref().or(self.whole.back()).map_or(0, Held::end_90k);
        let since_90k = end_90k.saturating_sub(self.begin_90k.unwrap_or(end_90k));
        let segments = SEGMENTS_AHEAD + since_90k * SEGMENTS_A_SECOND / SECOND_90K;
        self.next_segment <= segments
            && self
                .params
                .is_none_or(|params| terms::fits(self.pace.frame_90k(), params.part_target_90k))
    }

    /// True if the segment has parts.
    fn open_segment(&mut self, placed: &Placed, offset_us: i64) -> bool {
        let (fragment, start_90k) = (&placed.fragment, placed.start_90k);
        self.begin_90k.get_or_insert(start_90k);
        let before = self.whole.back();
        let before = before.map(|before| Arc::clone(&before.init));
        let known = before.filter(|before| before.serves(&fragment.init));
        self.inits += u64::from(known.is_none());
        let begins_anew = std::mem::take(&mut self.broken);
        let discontinuity = begins_anew && self.next_segment > 0;
        self.discontinuities += u64::from(discontinuity);
        if begins_anew {
            self.dates = None;
        }
        let dates = self.dates.get_or_insert_with(|| Dates::from(placed, offset_us));
        let listing = Segment {
            number: self.next_segment,
            init: self.inits - 1,
            discontinuity,
            discontinuities: self.discontinuities,
            date_ms: dates.date_ms(start_90k),
            duration_90k: 0,
            parts: Vec::new(),
        };
        let init = known.unwrap_or_else(|| Arc::clone(&fragment.init));
        let fits = |params: PlaylistParams| placed.length_90k() <= params.part_target_90k;
        let has_parts = self.params.is_none_or(fits) && self.parts_fit();
        self.open = Some(Held::new(listing, init, self.next_sequence, has_parts));
        self.next_segment += 1;
        has_parts
    }

    /// Ends the segment that grows; false if there is none.
    fn close_segment(&mut self) -> bool {
        let Some(mut open) = self.open.take() else {
            return false;
        };
        if open.has_parts && open.part_90k > 0 {
            open.close_part(&mut self.next_part);
        }
        self.whole.push_back(open);
        let peak_bps = held::peak_bps(self.whole.iter().rev(), self.target_s());
        self.peak_bps = self.peak_bps.max(peak_bps);
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
                self.break_off();
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
        self.params.map_or(TARGET_LEAST_S, |params| params.target_s)
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What another run after this one has to begin with.
    pub fn end(&self) -> Handover {
        Handover {
            sequence: self.first_sequence + self.next_segment,
            discontinuities: self.discontinuities + 1,
            params: self.params,
        }
    }

    /// The media playlist; with `skip`, a delta update.
    // Put into a client's loop, its call with so many arguments would make 1.7 kB of unwind tables.
    #[inline(never)]
    pub fn playlist(&self, skip: bool) -> String {
        let Some(params) = &self.params else {
            return String::new();
        };
        let whole: Vec<&Segment> = self.listed().map(|held| &held.listing).collect();
        let open = self.open.as_ref();
        let soon = open.map_or_else(|| self.parts_fit(), |open| open.has_parts);
        let open = open
            .map(|open| &open.listing)
            .filter(|open| !open.parts.is_empty());
        let next_part = (self.next_part, soon);
        hls::media(params, self.first_sequence, &whole, open, next_part, skip)
    }

    /// The multivariant playlist, with the sound or for the video alone.
    pub fn variant(&self, with_sound: bool) -> Option<String> {
        held::variant(self.listed(), self.peak_bps, with_sound)
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
            // A part that it does not have is the first one of the next segment; one without parts has all of them.
            let newest = self.whole.back().map_or(0, parts_of);
            let has = |part| newest == 0 || part < newest;
            let reached = number + 1 < grows || open_parts > 0 || part.is_none_or(has);
            return if reached {
                Progress::Reached
            } else {
                Progress::NotYet
            };
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
                Some(Found::Media(held.media()))
            }
            Name::Part(number) if number == self.next_part => Some(Found::Next),
            Name::Part(number) => held.find_map(|held| held.part(number)).map(Found::Media),
        }
    }
}

/// True if a segment of this length that goes on with that frame needs a key frame: once a second.
fn key_is_due(length_90k: u64, placed: &Placed) -> bool {
    !placed.fragment.key && length_90k >= SEGMENT_90K && length_90k % SEGMENT_90K < placed.length_90k()
}

#[cfg(test)]
#[path = "tests/window.rs"]
mod tests;
