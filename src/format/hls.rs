//! HTTP Live Streaming: the text of playlists, the names in them, and what a client may ask of them.
//!
//! Clause numbers are those of draft-pantos-hls-rfc8216bis-20, the second edition of RFC 8216.

use std::fmt::{self, Write};

/// Ticks a second of all durations here: those of the media.
const TIMESCALE: u64 = super::fmp4::TIMESCALE as u64;

/// CAN-SKIP-UNTIL, in target durations: the least that is allowed (4.4.3.8).
pub const SKIP_TARGETS: u64 = 6;
/// HOLD-BACK in target durations, and PART-HOLD-BACK in part targets (4.4.3.8).
const HOLD_BACK: u64 = 3;
/// Parts are listed for what is so near to the end of the last whole segment, in target durations. Three are the most that
/// is wished for (6.2.2), but the list is sent anew for each part, and only players at the live edge use them.
const PARTS_TARGETS: u64 = 1;

/// A file of a run, as its name stands in a playlist. Every run counts its own from 0, and nothing that had a name gets
/// other bytes, so that a cache may keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// An init segment.
    Init(u64),
    /// A segment.
    Segment(u64),
    /// A part of a segment. They are counted through, whatever segment they belong to: so the name of the next one is
    /// known although nobody knows yet whether the segment ends before it.
    Part(u64),
}

impl Name {
    /// The run and the file that a name stands for.
    pub fn parse(name: &str) -> Option<(u32, Name)> {
        let (run, file) = name.split_once('-')?;
        let (stem, extension) = file.split_once('.')?;
        let number = |prefix| number(stem.strip_prefix(prefix)?);
        let file = match extension {
            "mp4" => Name::Init(number('i')?),
            "m4s" if stem.starts_with('p') => Name::Part(number('p')?),
            "m4s" => Name::Segment(number('s')?),
            _ => return None,
        };
        let run = u32::from_str_radix(run, 16).ok()?;
        // One name for each file, lest a cache hold it twice.
        (file.of(run).to_string() == name).then_some((run, file))
    }

    /// The name in the run.
    pub fn of(self, run: u32) -> impl fmt::Display {
        struct Of(u32, Name);
        impl fmt::Display for Of {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (letter, number, extension) = match self.1 {
                    Name::Init(number) => ('i', number, "mp4"),
                    Name::Segment(number) => ('s', number, "m4s"),
                    Name::Part(number) => ('p', number, "m4s"),
                };
                write!(f, "{:08x}-{letter}{number}.{extension}", self.0)
            }
        }
        Of(run, self)
    }
}

/// A decimal-integer (4.2).
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// What a client asks of a media playlist (6.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directives {
    /// Answer when the segment of this media sequence number is there, or this part of it.
    pub after: Option<(u64, Option<u64>)>,
    /// The older segments may be left out.
    pub skip: bool,
}

impl Directives {
    /// Reads them from a request's query; what else stands there is left alone.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(query: &str) -> Result<Directives, &'static str> {
        let (mut segment, mut part, mut skip) = (None, None, false);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "_HLS_msn" => segment = Some(number(value).ok_or("_HLS_msn is not a number")?),
                "_HLS_part" => part = Some(number(value).ok_or("_HLS_part is not a number")?),
                "_HLS_skip" => skip = matches!(value, "YES" | "v2"),
                _ => {}
            }
        }
        if segment.is_none() && part.is_some() {
            return Err("_HLS_part needs _HLS_msn beside it (6.2.5.2)");
        }
        let after = segment.map(|segment| (segment, part));
        Ok(Directives { after, skip })
    }
}

/// What is the same for a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Which run.
    pub run: u32,
    /// TARGETDURATION, in seconds.
    pub target_s: u64,
    /// PART-TARGET.
    pub part_target_90k: u64,
}

/// A part of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub number: u64,
    /// How long it is.
    pub duration_90k: u64,
    /// It starts with a key frame.
    pub independent: bool,
}

/// A segment, whole or still growing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its name, and its place in the run.
    pub number: u64,
    /// The init segment that it needs.
    pub init: u64,
    /// What comes before it is of another time line or another init segment.
    pub discontinuity: bool,
    /// Discontinuities up to here, its own too.
    pub discontinuities: u64,
    /// When it begins: Unix time.
    pub date_ms: u64,
    /// How long it is, so far.
    pub duration_90k: u64,
    /// Its parts that are whole.
    pub parts: Vec<Part>,
}

/// The media playlist of these whole segments and, perhaps, one that still grows; `first_sequence` is the media sequence
/// number of the run's segment 0, and `next_part` the number of the part that comes next. With `skip`, a delta update.
pub fn media(
    terms: &Terms,
    first_sequence: u64,
    whole: &[&Segment],
    open: Option<&Segment>,
    next_part: u64,
    skip: bool,
) -> String {
    let target_90k = terms.target_s * TIMESCALE;
    // From the end of the last whole segment, of which the skip boundary is counted as well.
    let mut from_end_90k = 0;
    let (mut skipped, mut with_parts) = (0, whole.len());
    for (at, segment) in whole.iter().enumerate().rev() {
        if from_end_90k <= PARTS_TARGETS * target_90k {
            with_parts = at;
        }
        if skip && from_end_90k >= SKIP_TARGETS * target_90k {
            skipped = at + 1;
            break;
        }
        from_end_90k += segment.duration_90k;
    }
    let mut text = String::with_capacity(4096);
    _ = write!(
        text,
        // 8: EXT-X-MAP asks for version 6, EXT-X-SKIP for 9.
        "#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:{}\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={},HOLD-BACK={},PART-HOLD-BACK={}\n\
         #EXT-X-PART-INF:PART-TARGET={}\n",
        if skipped > 0 { 9 } else { 6 },
        terms.target_s,
        SKIP_TARGETS * terms.target_s,
        HOLD_BACK * terms.target_s,
        Seconds(HOLD_BACK * terms.part_target_90k),
        Seconds(terms.part_target_90k),
    );
    if let Some(first) = whole.first().copied().or(open) {
        _ = write!(
            text,
            "#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
            first_sequence + first.number,
            // 6.2.1: a segment's number is this one and the tags up to it, its own too.
            first.discontinuities - u64::from(first.discontinuity),
        );
    }
    if skipped > 0 {
        _ = writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
    }
    let mut init = None;
    for (at, segment) in whole.iter().copied().chain(open).enumerate() {
        let needs_map = init.replace(segment.init) != Some(segment.init);
        if at < skipped {
            continue;
        }
        if segment.discontinuity {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if needs_map {
            let name = Name::Init(segment.init).of(terms.run);
            _ = writeln!(text, "#EXT-X-MAP:URI=\"hls/{name}\"");
        }
        _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", Date(segment.date_ms));
        for part in segment.parts.iter().filter(|_| at >= with_parts) {
            _ = writeln!(
                text,
                "#EXT-X-PART:DURATION={},URI=\"hls/{}\"{}",
                Seconds(part.duration_90k),
                Name::Part(part.number).of(terms.run),
                if part.independent { ",INDEPENDENT=YES" } else { "" },
            );
        }
        if at < whole.len() {
            _ = writeln!(
                text,
                "#EXTINF:{},\nhls/{}",
                Seconds(segment.duration_90k),
                Name::Segment(segment.number).of(terms.run),
            );
        }
    }
    _ = writeln!(
        text,
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"hls/{}\"",
        Name::Part(next_part).of(terms.run)
    );
    text
}

/// What a player wants to know before it asks for the media playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant<'a> {
    /// Bits a second of the largest segment, for its length.
    pub peak_bps: u64,
    /// Bits a second of all segments.
    pub average_bps: u64,
    /// RFC 6381.
    pub codec: &'a str,
    /// Pixels across, as shown.
    pub width: u32,
    /// Pixels down, as shown.
    pub height: u32,
    /// Frames in 1000 seconds.
    pub millifps: u64,
}

impl Variant<'_> {
    /// The multivariant playlist.
    pub fn playlist(&self) -> String {
        format!(
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\",RESOLUTION={}x{},\
             FRAME-RATE={}.{:03}\nstreaminf.m3u8\n",
            self.peak_bps,
            self.average_bps,
            self.codec,
            self.width,
            self.height,
            self.millifps / 1000,
            self.millifps % 1000
        )
    }
}

/// A decimal-floating-point (4.2) of a duration.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:05}", self.0 / TIMESCALE, self.0 % TIMESCALE * 10 / 9)
    }
}

/// A Unix time in milliseconds as ISO 8601 has it, in UTC (4.4.4.6).
struct Date(u64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0 / 86_400_000, self.0 % 86_400_000);
        // Years that begin in March have their odd day at the end; 400 of them have 146097 days, whatever the first. The
        // year 0 began so 719468 days before 1970.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        // Months from March on: 31, 30, 31, 30, 31 days, twice and the rest.
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = match month {
            0..10 => (era * 400 + year, month + 3),
            _ => (era * 400 + year + 1, month - 9),
        };
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
            ms % 1000
        )
    }
}
