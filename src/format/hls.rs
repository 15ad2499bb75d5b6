//! HTTP Live Streaming: the text of playlists, the names in them, and what a client may ask of them.
//!
//! Clause numbers are those of draft-pantos-hls-rfc8216bis-20, the second edition of RFC 8216.

use super::time::UtcDate;
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

/// A client's wishes for a media playlist (6.2.5).
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
    /// The directive that is wrong, and why.
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

/// What the playlists of a run say all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaylistParams {
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
    /// It begins another time line, or needs another init segment than the one before it.
    pub discontinuity: bool,
    /// Discontinuities up to here, its own too.
    pub discontinuities: u64,
    /// Its beginning, in milliseconds of Unix time.
    pub date_ms: u64,
    /// How long it is, so far.
    pub duration_90k: u64,
    /// Its parts that are whole.
    pub parts: Vec<Part>,
}

/// The media playlist of these whole segments and, perhaps, one that still grows; `first_sequence` is the media sequence
/// number of the run's segment 0, `next_part` the number of the part that comes next, and `soon` whether it does in the segment
/// that comes next. With `skip`, a delta update.
pub fn media(
    params: &PlaylistParams,
    first_sequence: u64,
    whole: &[&Segment],
    open: Option<&Segment>,
    (next_part, soon): (u64, bool),
    skip: bool,
) -> String {
    let target_90k = params.target_s * TIMESCALE;
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
        params.target_s,
        SKIP_TARGETS * params.target_s,
        HOLD_BACK * params.target_s,
        Seconds(HOLD_BACK * params.part_target_90k),
        Seconds(params.part_target_90k),
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
    let (mut init, mut has_parts) = (None, false);
    for (at, segment) in whole.iter().copied().chain(open).enumerate() {
        let needs_map = init.replace(segment.init) != Some(segment.init);
        if at < skipped {
            continue;
        }
        if segment.discontinuity {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if needs_map {
            let name = Name::Init(segment.init).of(params.run);
            _ = writeln!(text, "#EXT-X-MAP:URI=\"hls/{name}\"");
        }
        _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", UtcDate(segment.date_ms));
        for part in segment.parts.iter().filter(|_| at >= with_parts) {
            has_parts = true;
            _ = writeln!(
                text,
                "#EXT-X-PART:DURATION={},URI=\"hls/{}\"{}",
                Seconds(part.duration_90k),
                Name::Part(part.number).of(params.run),
                if part.independent { ",INDEPENDENT=YES" } else { "" },
            );
        }
        if at < whole.len() {
            _ = writeln!(
                text,
                "#EXTINF:{},\nhls/{}",
                Seconds(segment.duration_90k),
                Name::Segment(segment.number).of(params.run),
            );
        }
    }
    // Behind parts there has to be another tag or part: hls.js (1.6) takes the last segment for the one that grows, where it ends
    // the playlist.
    if soon || has_parts {
        let name = Name::Part(next_part).of(params.run);
        _ = writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"hls/{name}\"");
    }
    text
}

/// A playlist as it is for the video alone: all that it names is asked for without the sound.
pub fn video_alone(playlist: &str) -> String {
    let media = playlist.replace(".m4s", ".m4s?audio=0");
    media
        .replace(".mp4", ".mp4?audio=0")
        .replace(".m3u8", ".m3u8?audio=0")
}

/// A variant stream, as the multivariant playlist describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant<'a> {
    /// Bits a second of the largest segment, for its length.
    pub peak_bps: u64,
    /// Bits a second of all segments.
    pub average_bps: u64,
    /// RFC 6381.
    pub codecs: &'a str,
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
            self.codecs,
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

/// Laws that hold for any bytes, as functions that panic where one is broken: for tests and fuzz targets.
pub mod laws {
    use super::{Directives, Name};

    /// A name that is one is the only one of its file, and directives are read or refused.
    pub fn hls_request(data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        if let Some((run, name)) = Name::parse(text) {
            assert_eq!(name.of(run).to_string(), text, "two names for one file");
        }
        if let Ok(directives) = Directives::parse(text) {
            assert!(directives.after.is_none() || text.contains("_HLS_msn="));
            assert!(!directives.skip || text.contains("_HLS_skip="));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: PlaylistParams = PlaylistParams {
        run: 0x00c0_ffee,
        target_s: 2,
        part_target_90k: 16_500,
    };

    /// A segment of two parts.
    fn segment(number: u64) -> Segment {
        let part = |which| Part {
            number: 2 * number + which,
            duration_90k: 15_000,
            independent: which == 0,
        };
        Segment {
            number,
            init: 0,
            discontinuity: false,
            discontinuities: 0,
            date_ms: 1_700_000_000_000 + 333 * number,
            duration_90k: 30_000,
            parts: vec![part(0), part(1)],
        }
    }

    fn refs(segments: &[Segment]) -> Vec<&Segment> {
        segments.iter().collect()
    }

    #[test]
    fn a_media_playlist() {
        let mut changed = segment(1);
        (changed.init, changed.discontinuity, changed.discontinuities) = (1, true, 1);
        changed.duration_90k = 180_001;
        let mut last = segment(2);
        (last.init, last.discontinuities) = (1, 1);
        let mut open = segment(3);
        open.parts.pop();
        (open.init, open.discontinuities) = (1, 1);
        let whole = [segment(0), changed, last];
        let text = media(&PARAMS, 100, &refs(&whole), Some(&open), (7, true), false);
        let expected = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12,HOLD-BACK=6,PART-HOLD-BACK=0.55000
#EXT-X-PART-INF:PART-TARGET=0.18333
#EXT-X-MEDIA-SEQUENCE:100
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI=\"hls/00c0ffee-i0.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z
#EXTINF:0.33333,
hls/00c0ffee-s0.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"hls/00c0ffee-i1.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.333Z
#EXT-X-PART:DURATION=0.16666,URI=\"hls/00c0ffee-p2.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.16666,URI=\"hls/00c0ffee-p3.m4s\"
#EXTINF:2.00001,
hls/00c0ffee-s1.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.666Z
#EXT-X-PART:DURATION=0.16666,URI=\"hls/00c0ffee-p4.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.16666,URI=\"hls/00c0ffee-p5.m4s\"
#EXTINF:0.33333,
hls/00c0ffee-s2.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.999Z
#EXT-X-PART:DURATION=0.16666,URI=\"hls/00c0ffee-p6.m4s\",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"hls/00c0ffee-p7.m4s\"
";
        assert_eq!(text, expected);

        // The tag goes with its segment, and is counted when it has gone (6.2.2).
        for (from, count) in [(1, 0), (2, 1)] {
            let text = media(&PARAMS, 100, &refs(&whole[from..]), Some(&open), (7, true), false);
            let head = format!(
                "#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{count}\n",
                100 + from
            );
            assert!(text.contains(&head), "{text}");
            assert!(text.contains("\n#EXT-X-MAP:URI=\"hls/00c0ffee-i1.mp4\"\n"));
        }
    }

    /// hls.js 1.6 stops for good where parts are listed and the playlist ends with a whole segment.
    #[test]
    fn the_next_part_is_named_behind_parts() {
        let hint = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"hls/00c0ffee-p7.m4s\"\n";
        let mut without = segment(0);
        without.parts.clear();
        for (soon, listed, named) in [
            (true, segment(0), true),
            (false, segment(0), true),
            (true, without.clone(), true),
            (false, without, false),
        ] {
            let text = media(&PARAMS, 0, &[&listed], None, (7, soon), false);
            assert_eq!(text.ends_with(hint), named, "{text}");
        }
    }

    #[test]
    fn a_delta_update_leaves_out_what_is_beyond_the_boundary() {
        let mut segments: Vec<Segment> = (0..8).map(segment).collect();
        segments.iter_mut().for_each(|s| s.duration_90k = 180_000);
        let whole = refs(&segments);
        let full = media(&PARAMS, 5, &whole, None, (16, true), false);
        let update = media(&PARAMS, 5, &whole, None, (16, true), true);
        // The sixth from the end begins at the boundary; the seventh ends there.
        let kept = full
            .find("#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.666Z")
            .unwrap();
        let (head, rest) = update.split_once("#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n").unwrap();
        assert_eq!(rest, &full[kept..]);
        assert_eq!(
            head.replace("VERSION:9", "VERSION:6"),
            full[..full.find("#EXT-X-MAP").unwrap()]
        );
        // Where nothing is to be left out, it is the playlist.
        assert_eq!(
            media(&PARAMS, 5, &whole[2..], None, (16, true), true),
            media(&PARAMS, 5, &whole[2..], None, (16, true), false)
        );
    }

    #[test]
    fn a_multivariant_playlist() {
        let variant = Variant {
            peak_bps: 1_234_567,
            average_bps: 1_000_000,
            codecs: "avc1.64001f",
            width: 720,
            height: 1280,
            millifps: 29_970,
        };
        assert_eq!(
            variant.playlist(),
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1234567,AVERAGE-BANDWIDTH=1000000,CODECS=\"avc1.64001f\",\
             RESOLUTION=720x1280,FRAME-RATE=29.970\nstreaminf.m3u8\n"
        );
    }

    #[test]
    fn durations_have_their_ticks() {
        for (ticks, text) in [
            (0, "0.00000"),
            (1, "0.00001"),
            (9, "0.00010"),
            (89_999, "0.99998"),
            (90_000, "1.00000"),
            (15_003, "0.16670"),
        ] {
            assert_eq!(Seconds(ticks).to_string(), text);
        }
    }

    #[test]
    fn names_go_there_and_back() {
        for name in [
            Name::Init(0),
            Name::Segment(12),
            Name::Part(u64::MAX),
            Name::Segment(0),
        ] {
            for run in [0, 0xabc, u32::MAX] {
                assert_eq!(Name::parse(&name.of(run).to_string()), Some((run, name)));
            }
        }
        for strange in [
            "",
            "00c0ffee-s1",
            "00c0ffee-s1.mp4",
            "00c0ffee-i1.m4s",
            "00c0ffee-s01.m4s",
            "00c0ffee-s+1.m4s",
            "00C0FFEE-s1.m4s",
            "c0ffee-s1.m4s",
            "00c0ffee-s.m4s",
            "00c0ffee-x1.m4s",
            "00c0ffee-s1.m4s.m4s",
            "00c0ffee-s99999999999999999999.m4s",
            "../00c0ffee-s1.m4s",
        ] {
            assert_eq!(Name::parse(strange), None, "{strange}");
        }
    }

    #[test]
    fn directives() {
        let parse = |query| Directives::parse(query);
        let after = |msn, part, skip| {
            Ok(Directives {
                after: Some((msn, part)),
                skip,
            })
        };
        assert_eq!(parse(""), Ok(Directives::default()));
        assert_eq!(parse("x=1&_HLS_other=9&_HLS_skip=NO"), Ok(Directives::default()));
        assert_eq!(parse("_HLS_msn=7"), after(7, None, false));
        assert_eq!(
            parse("a&_HLS_part=3&_HLS_msn=7&_HLS_skip=YES"),
            after(7, Some(3), true)
        );
        assert_eq!(parse("_HLS_msn=0&_HLS_skip=v2"), after(0, None, true));
        for bad in [
            "_HLS_part=1",
            "_HLS_msn=",
            "_HLS_msn=-1",
            "_HLS_msn=+1",
            "_HLS_msn=1.0",
            "_HLS_msn=x",
            "_HLS_msn=1&_HLS_part=",
            "_HLS_msn=99999999999999999999",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
