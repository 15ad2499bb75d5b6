//! What draft-pantos-hls-rfc8216bis-20 wants of a live playlist, of one and of all of them that a server gives.

use std::collections::HashMap;

/// A segment as a playlist has it; the last one may still grow and has no name.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub sequence: u64,
    pub discontinuities: u64,
    pub discontinuity: bool,
    /// `None` where a delta update left out the tag, until it is put to what was before.
    pub map: Option<String>,
    /// Unix time in milliseconds.
    pub date_ms: i64,
    pub parts: Vec<Part>,
    pub duration: Option<f64>,
    pub uri: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub uri: String,
    pub duration: f64,
    pub independent: bool,
}

#[derive(Debug, Clone)]
pub struct Playlist {
    pub text: String,
    pub target: u64,
    pub part_target: f64,
    pub control: HashMap<String, String>,
    pub sequence: u64,
    pub skipped: u64,
    pub segments: Vec<Segment>,
    /// None while the next frames go into a segment without parts.
    pub hint: Option<String>,
}

/// An attribute list (4.2).
pub fn attributes(list: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = list;
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').unwrap_or_else(|| panic!("no value: {list}"));
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-'),
            "{list}"
        );
        let end = match value.strip_prefix('"') {
            Some(quoted) => quoted.find('"').expect("an end of the quotes") + 2,
            None => value.find(',').unwrap_or(value.len()),
        };
        let double = found.insert(name.to_string(), value[..end].trim_matches('"').to_string());
        assert!(double.is_none(), "{name} twice in {list}");
        rest = match value[end..].strip_prefix(',') {
            Some(rest) => rest,
            None => {
                assert!(value[end..].is_empty(), "{list}");
                ""
            }
        };
    }
    found
}

/// `YYYY-MM-DDThh:mm:ss.mmmZ`, by counting the days one by one.
fn unix_ms(date: &str) -> i64 {
    assert_eq!(date.len(), 24, "{date}");
    let number = |from: usize, to: usize| date[from..to].parse::<i64>().unwrap();
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (year, month) = (number(0, 4), number(5, 7));
    let mut days = number(8, 10) - 1;
    days += (1970..year).map(|year| 365 + i64::from(leap(year))).sum::<i64>();
    let months = [
        31,
        28 + i64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    days += months[..month as usize - 1].iter().sum::<i64>();
    assert!(date.ends_with('Z') && &date[10..11] == "T" && &date[19..20] == ".");
    ((days * 24 + number(11, 13)) * 60 + number(14, 16)) * 60_000 + number(17, 19) * 1000 + number(20, 23)
}

fn once<T>(place: &mut Option<T>, value: T, line: &str) {
    assert!(place.replace(value).is_none(), "twice: {line}");
}

impl Playlist {
    pub fn parse(text: &str) -> Playlist {
        assert!(text.starts_with("#EXTM3U\n") && text.ends_with('\n') && !text.contains('\r'));
        let (mut version, mut target, mut part_target, mut control) = (None, None, None, None);
        let (mut sequence, mut count, mut hint, mut skipped) = (None, None, None, None);
        let mut segments: Vec<Segment> = Vec::new();
        let mut open: Option<Segment> = None;
        let mut map = None;
        for line in text.lines().skip(1) {
            assert!(hint.is_none(), "behind the hint: {line}");
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            let number = || {
                value
                    .parse::<u64>()
                    .unwrap_or_else(|_| panic!("no number: {line}"))
            };
            let is_head = matches!(
                tag,
                "#EXT-X-VERSION"
                    | "#EXT-X-TARGETDURATION"
                    | "#EXT-X-SERVER-CONTROL"
                    | "#EXT-X-PART-INF"
                    | "#EXT-X-MEDIA-SEQUENCE"
                    | "#EXT-X-DISCONTINUITY-SEQUENCE"
                    | "#EXT-X-SKIP"
            );
            if is_head {
                assert!(open.is_none() && segments.is_empty(), "too late: {line}");
            } else if tag != "#EXT-X-PRELOAD-HINT" && open.is_none() {
                let at = segments.len() as u64 + skipped.unwrap_or(0);
                let before = segments.last().map(|s| s.discontinuities).or(count).unwrap();
                open = Some(Segment {
                    sequence: sequence.unwrap() + at,
                    discontinuities: before,
                    discontinuity: false,
                    map: None,
                    date_ms: -1,
                    parts: Vec::new(),
                    duration: None,
                    uri: None,
                });
            }
            let now = open.as_mut();
            match tag {
                "#EXT-X-VERSION" => once(&mut version, number(), line),
                "#EXT-X-TARGETDURATION" => once(&mut target, number(), line),
                "#EXT-X-MEDIA-SEQUENCE" => once(&mut sequence, number(), line),
                "#EXT-X-DISCONTINUITY-SEQUENCE" => once(&mut count, number(), line),
                "#EXT-X-SERVER-CONTROL" => once(&mut control, attributes(value), line),
                "#EXT-X-PART-INF" => {
                    let attributes = attributes(value);
                    assert_eq!(attributes.len(), 1);
                    once(&mut part_target, attributes["PART-TARGET"].parse().unwrap(), line);
                }
                "#EXT-X-SKIP" => {
                    let attributes = attributes(value);
                    assert_eq!(attributes.len(), 1);
                    once(
                        &mut skipped,
                        attributes["SKIPPED-SEGMENTS"].parse().unwrap(),
                        line,
                    );
                }
                "#EXT-X-DISCONTINUITY" => {
                    let now = now.unwrap();
                    assert!(!now.discontinuity && now.parts.is_empty(), "{line}");
                    (now.discontinuity, now.discontinuities) = (true, now.discontinuities + 1);
                }
                "#EXT-X-MAP" => {
                    let attributes = attributes(value);
                    assert_eq!(attributes.len(), 1);
                    assert!(now.unwrap().parts.is_empty(), "{line}");
                    map = Some(attributes["URI"].clone());
                }
                "#EXT-X-PROGRAM-DATE-TIME" => {
                    let now = now.unwrap();
                    assert!(now.date_ms == -1 && now.parts.is_empty(), "{line}");
                    now.date_ms = unix_ms(value);
                }
                "#EXT-X-PART" => {
                    let attributes = attributes(value);
                    let independent = attributes.get("INDEPENDENT");
                    assert!(independent.is_none_or(|value| value == "YES"));
                    assert_eq!(attributes.len(), 2 + usize::from(independent.is_some()));
                    now.unwrap().parts.push(Part {
                        uri: attributes["URI"].clone(),
                        duration: attributes["DURATION"].parse().unwrap(),
                        independent: independent.is_some(),
                    });
                }
                "#EXTINF" => {
                    let duration = value.strip_suffix(',').expect("a comma").parse().unwrap();
                    once(&mut now.unwrap().duration, duration, line);
                }
                "#EXT-X-PRELOAD-HINT" => {
                    let attributes = attributes(value);
                    assert_eq!(attributes["TYPE"], "PART");
                    assert_eq!(attributes.len(), 2);
                    hint = Some(attributes["URI"].clone());
                }
                uri => {
                    assert!(!uri.starts_with('#') && !uri.is_empty(), "unknown: {line:?}");
                    let mut whole = open.take().unwrap();
                    assert!(whole.duration.is_some() && whole.date_ms != -1, "{line}");
                    whole.uri = Some(line.to_string());
                    whole.map.clone_from(&map);
                    segments.push(whole);
                }
            }
        }
        if let Some(mut open) = open {
            assert!(open.duration.is_none() && !open.parts.is_empty() && open.date_ms != -1);
            open.map = map;
            segments.push(open);
        }
        let skipped = skipped.unwrap_or(0);
        assert_eq!(version, Some(if skipped > 0 { 9 } else { 6 }));
        let playlist = Playlist {
            text: text.into(),
            target: target.unwrap(),
            part_target: part_target.unwrap(),
            control: control.unwrap(),
            sequence: sequence.unwrap(),
            skipped,
            segments,
            hint,
        };
        playlist.check();
        playlist
    }

    fn check(&self) {
        let (target, part_target) = (self.target as f64, self.part_target);
        let control = |name: &str| self.control[name].parse::<f64>().unwrap();
        assert_eq!(self.control.len(), 4);
        assert_eq!(self.control["CAN-BLOCK-RELOAD"], "YES");
        // 4.4.3.8
        assert!(control("CAN-SKIP-UNTIL") >= 6.0 * target);
        assert!(control("HOLD-BACK") >= 3.0 * target);
        assert!(control("PART-HOLD-BACK") >= 3.0 * part_target - 1e-9);
        assert!(
            self.skipped > 0 || self.segments[0].map.is_some(),
            "a MAP before the first segment"
        );
        assert!(part_target <= target);
        // hls.js needs it.
        let has_parts = self.segments.iter().any(|segment| !segment.parts.is_empty());
        assert!(self.hint.is_some() || !has_parts, "{}", self.text);
        for segment in &self.segments {
            for (at, part) in segment.parts.iter().enumerate() {
                // 4.4.4.9; of the exceptions only that for the last one is made use of. Each has five digits.
                let is_last = segment.uri.is_some() && at + 1 == segment.parts.len();
                let least = if is_last { 0.0 } else { 0.85 * part_target - 1e-5 };
                let good = part.duration > least && part.duration <= part_target;
                assert!(good, "{part:?} for {part_target}: {segment:?}");
            }
            if let Some(duration) = segment.duration {
                assert!(duration.round() <= target, "4.4.3.1: {segment:?}");
                let parts: f64 = segment.parts.iter().map(|part| part.duration).sum();
                // Each has five digits.
                let off = (duration - parts).abs();
                assert!(
                    segment.parts.is_empty() || off < 1e-5 * (1 + segment.parts.len()) as f64,
                    "{segment:?}"
                );
            }
        }
        for pair in self.segments.windows(2) {
            check_pair(&pair[0], &pair[1]);
        }
    }

    /// Which run it is from: what stands in front of its names.
    pub fn run(&self) -> Option<&str> {
        let uri = self.whole().last()?.uri.as_ref()?;
        uri.split_once('-').map(|(run, _)| run)
    }

    pub fn whole(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.uri.is_some())
    }

    pub fn duration(&self) -> f64 {
        self.whole().filter_map(|segment| segment.duration).sum()
    }

    /// Media sequence number and index of what comes next: what a player with low latency asks for.
    pub fn next(&self) -> (u64, usize) {
        match self.segments.last().unwrap() {
            open if open.uri.is_none() => (open.sequence, open.parts.len()),
            whole => (whole.sequence + 1, 0),
        }
    }
}

/// What holds of two segments, one after the other.
fn check_pair(one: &Segment, next: &Segment) {
    assert_eq!(next.sequence, one.sequence + 1);
    if next.discontinuity {
        return;
    }
    assert_eq!(one.discontinuities, next.discontinuities);
    // A delta update may have left out the tags before.
    let same_map = one.map == next.map || one.map.is_none() || next.map.is_none();
    assert!(same_map, "4.4.4.3: {one:?}\n{next:?}");
    // All dates between two discontinuities are one line (6.3.3), in whole milliseconds.
    let step_ms = (next.date_ms - one.date_ms) as f64;
    let off_ms = (step_ms - one.duration.unwrap() * 1000.0).abs();
    assert!(off_ms <= 1.1, "{off_ms} ms: {one:?}\n{next:?}");
}

/// What a server has said in all its playlists, of one run or several.
#[derive(Default)]
pub struct History {
    last: Option<Playlist>,
    pub segments: HashMap<u64, Segment>,
    names: HashMap<String, String>,
    hints: Vec<String>,
}

impl History {
    /// Takes in the next playlist, and checks it against those before.
    pub fn add(&mut self, text: &str) -> Playlist {
        let mut playlist = Playlist::parse(text);
        // What a delta update leaves out was in a playlist before, and goes on in this one.
        let left_out = playlist.sequence..playlist.sequence + playlist.skipped;
        let left_out: Vec<&Segment> = left_out.map(|sequence| &self.segments[&sequence]).collect();
        let breaks = left_out.iter().filter(|segment| segment.discontinuity).count();
        let map = left_out.last().and_then(|segment| segment.map.clone());
        for segment in &mut playlist.segments {
            segment.discontinuities += breaks as u64;
            segment.map = segment.map.take().or_else(|| map.clone());
        }
        if let Some(last) = &self.last {
            let terms = |p: &Playlist| (p.target, p.part_target, p.control.clone());
            assert_eq!(terms(last), terms(&playlist), "6.2.1: what may not change");
            assert!(
                playlist.sequence >= last.sequence && playlist.next() >= last.next(),
                "6.2.2: back"
            );
            let removed = playlist.sequence > last.sequence;
            // 6.2.2; a run does not have what was in those before it.
            let kept = playlist.skipped > 0 || playlist.duration() >= 3.0 * playlist.target as f64;
            let same_run = last.run() == playlist.run();
            assert!(!removed || kept || !same_run, "too little is left: {text}");
        }
        // 6.2.5.1: what is left out is further from the end than the boundary.
        let rest: f64 = playlist.duration();
        let boundary: f64 = playlist.control["CAN-SKIP-UNTIL"].parse().unwrap();
        assert!(
            playlist.skipped == 0 || rest >= boundary - 1e-3,
            "{rest} s: {text}"
        );
        for segment in &playlist.segments {
            if let Some(before) = self.segments.get(&(segment.sequence - 1)) {
                let same_run = before.map == segment.map || segment.discontinuity;
                if same_run && before.duration.is_some() {
                    check_pair(before, segment);
                }
            }
            let known = self
                .segments
                .entry(segment.sequence)
                .or_insert_with(|| segment.clone());
            let same = |one: &Segment, other: &Segment| {
                (one.discontinuities, one.discontinuity, one.date_ms)
                    == (other.discontinuities, other.discontinuity, other.date_ms)
                    && one.map == other.map
            };
            assert!(
                same(known, segment),
                "another one than before: {known:?}\n{segment:?}"
            );
            // Parts are added at the end; of an old segment all tags may be missing.
            let same = known
                .parts
                .iter()
                .zip(&segment.parts)
                .all(|(one, other)| one == other);
            assert!(same, "{known:?}\n{segment:?}");
            if segment.parts.len() > known.parts.len() {
                assert!(
                    known.uri.is_none() || known.parts.is_empty(),
                    "a part more of a whole segment"
                );
                known.parts.clone_from(&segment.parts);
            }
            match &known.uri {
                Some(_) => assert_eq!((&known.uri, known.duration), (&segment.uri, segment.duration)),
                None => (known.uri, known.duration) = (segment.uri.clone(), segment.duration),
            }
            let names = segment.parts.iter().map(|part| &part.uri).chain(&segment.uri);
            for name in names {
                let what = format!("{} {}", segment.sequence, segment.uri.as_ref() == Some(name));
                assert_eq!(
                    self.names.entry(name.clone()).or_insert_with(|| what.clone()),
                    &what
                );
            }
        }
        if let Some(hint) = playlist
            .hint
            .clone()
            .filter(|hint| self.hints.last() != Some(hint))
        {
            self.hints.push(hint);
        }
        self.last = Some(playlist.clone());
        playlist
    }

    /// All hints but the last one of a run have come true.
    pub fn check_hints(&self) {
        let run = |hint: &str| hint.split_once('-').unwrap().0.to_string();
        for pair in self.hints.windows(2) {
            let came = self.names.contains_key(&pair[0]);
            assert!(came || run(&pair[0]) != run(&pair[1]), "{} was promised", pair[0]);
        }
    }
}
