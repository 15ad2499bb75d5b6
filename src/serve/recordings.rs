//! What a camera recorded: lists for scripts and the page, the files, and a playlist of a day that leads into them.

use super::answer::{Answer, NO_CACHE, NO_STORE, Rejection};
use super::connection::Phase;
use super::exchange::{Ending, Exchange};
use super::head::Method;
use super::hls::PLAYLIST_TYPE;
use super::pages;
use crate::format::fmp4::{About, EVENTS_S, Index};
use crate::format::json::{Object, array, decimal, quote};
use crate::format::time::UtcDate;
use crate::record::{Archive, Name, folder_of, library};
use std::fmt::Write;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};

const JSON: &str = "application/json";
const VIDEO: &str = "video/mp4";
/// So much of a file is sent at a time.
const PIECE_BYTES: u64 = 64 << 10;
/// Groups of pictures are joined in a playlist up to so much: one that names each has megabytes for a day.
const SEGMENT_90K: u64 = 6 * 90_000;

/// What is recorded stands below this path, ...
const FILES: &str = "/recordings/";
/// ... and a time-lapse below that.
const LAPSES: &str = "timelapse/";

/// Sends the page, or with `?day=2026-11-28` what there is of that day.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    match exchange.head.asked("day") {
        None => pages::recordings(exchange),
        Some(day) => exchange.end(list(exchange, day)),
    }
}

fn list(exchange: &Exchange<'_>, day: &str) -> Result<Answer, Rejection> {
    let (mut listed, camera) = (Vec::new(), &exchange.camera.stream.name);
    for (folder, front) in [(camera, ""), (&folder_of(camera), LAPSES)] {
        each(exchange, folder, day, &mut |name, found| {
            let mut object = Object::new();
            object
                .text("name", &format!("{front}{name}"))
                .member("start", decimal(found.about.wall_us / 1000, 3))
                .member("seconds", decimal(found.index.duration_90k() / 90, 3))
                .member("bytes", found.bytes)
                .member("gap", decimal(found.gap_90k / 90, 3))
                .member("events", events(found.about.events, found.index.duration_90k()));
            listed.push(object.end());
        })?;
    }
    Ok(json(array(&listed)))
}

/// The parts of a recording in which something happened, in seconds from its begin on: see [`About::events`].
fn events(mut bits: u64, duration_90k: u64) -> String {
    let (mut parts, mut at) = (Vec::new(), 0);
    while bits != 0 {
        let from = at + bits.trailing_zeros();
        bits >>= bits.trailing_zeros();
        at = from + bits.trailing_ones();
        bits = bits.checked_shr(bits.trailing_ones()).unwrap_or(0);
        let end_s = u64::from(at) * EVENTS_S;
        // The last one stands for what is behind it, too.
        let last_s = if at == 64 {
            duration_90k.div_ceil(90_000)
        } else {
            0
        };
        parts.push(format!("[{},{}]", u64::from(from) * EVENTS_S, end_s.max(last_s)));
    }
    array(&parts)
}

fn json(text: String) -> Answer {
    Answer::fresh(JSON, text.into_bytes())
}

/// Sends a recording, or a part of it; or the days of which there are any. With POST it deletes one.
///
/// # Errors
/// Those of [`serve`].
pub fn file(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let path = exchange.path.strip_prefix(FILES).unwrap_or_default();
    if exchange.head.method == Method::Post {
        return exchange.end(delete(exchange, path));
    }
    if path == "days" {
        return exchange.end(days(exchange));
    }
    let opened = find(exchange, path)
        .and_then(|(archive, folder, name)| library::open(archive, &folder, name).map_err(refused));
    match opened {
        Ok((file, _)) => send_file(exchange, &file),
        Err(rejection) => exchange.end(Err(rejection)),
    }
}

fn days(exchange: &Exchange<'_>) -> Result<Answer, Rejection> {
    let (archive, camera) = (archive(exchange)?, &exchange.camera.stream.name);
    // There may be a time-lapse alone.
    let days = library::days(archive, &[camera, &folder_of(camera)]);
    let quoted: Vec<String> = days.iter().map(|day| quote(day)).collect();
    Ok(json(array(&quoted)))
}

fn delete(exchange: &Exchange<'_>, path: &str) -> Result<Answer, Rejection> {
    if exchange.head.query != "delete" {
        return Err(Answer::text("400 Bad Request", "?delete has a recording deleted").into());
    }
    let (archive, folder, name) = find(exchange, path)?;
    let deleted = archive.delete(&folder, library::current(archive, &folder, name));
    deleted.map_err(refused).map(|()| Answer::no_content())
}

/// A day as `day=` has it; an empty one is that of the page where nothing is recorded yet.
///
/// # Errors
/// The answer where it is none.
pub fn checked_day(day: &str) -> Result<&str, Rejection> {
    if !day.is_empty() && !library::is_day(day) {
        return Err(Answer::text("400 Bad Request", "day= takes a date, such as 2026-11-28").into());
    }
    Ok(day)
}

/// Where the camera's recordings are.
///
/// # Errors
/// The answer where there are none.
pub fn archive<'a>(exchange: &'a Exchange<'_>) -> Result<&'a Archive, Rejection> {
    exchange.shared.archive.as_deref().ok_or_else(|| {
        let text = "This camera does not record; record = always in its section of the config has it do so";
        Answer::text("404 Not Found", text).into()
    })
}

/// Which file of the archive it is, by its folder there and its name.
fn find<'a>(exchange: &'a Exchange<'_>, path: &str) -> Result<(&'a Archive, String, Name), Rejection> {
    let archive = archive(exchange)?;
    let camera = &exchange.camera.stream.name;
    let (folder, path) = match path.strip_prefix(LAPSES) {
        Some(path) => (folder_of(camera), path),
        None => (camera.clone(), path),
    };
    let name = Name::parse(path).ok_or_else(|| refused(ErrorKind::NotFound.into()))?;
    Ok((archive, folder, name))
}

/// The answer where a recording can't be used.
fn refused(e: io::Error) -> Rejection {
    match e.kind() {
        ErrorKind::ResourceBusy => Answer::text("409 Conflict", "It is being recorded"),
        // It may have been deleted to make room.
        ErrorKind::NotFound => Answer::text("404 Not Found", "There is no such recording, or no longer"),
        _ => Answer::text(
            "503 Service Unavailable",
            format!("The recording can't be used: {}", e.kind()),
        ),
    }
    .into()
}

/// What is known of a recording.
struct Found {
    about: About,
    index: Index,
    bytes: u64,
    /// What is missing between it and the one before it on that day.
    gap_90k: u64,
}

/// Looks at each recording of a day in that folder, in their order. What can't be read is left out.
///
/// # Errors
/// Those of [`archive`] and [`checked_day`], and where the day can't be read.
fn each(
    exchange: &Exchange<'_>,
    camera: &str,
    day: &str,
    found: &mut dyn FnMut(Name, &Found),
) -> Result<(), Rejection> {
    let day = checked_day(day)?;
    let archive = archive(exchange)?;
    // The run of the one before, and its end: media time, and Unix time.
    let mut before = None;
    let names = library::of_day(archive, camera, day);
    if names.is_empty() {
        return Ok(());
    }
    let folder = library::folder_of(archive, camera, day).map_err(refused)?;
    for name in names {
        let look = |(file, bytes)| Ok((library::look_into(&file, bytes)?, bytes));
        let Ok(((about, index), bytes)) = library::open_in(&folder, name).and_then(look) else {
            continue;
        };
        let duration_90k = index.duration_90k();
        let gap_90k = match before {
            Some((run, end_90k, _)) if run == about.run => about.media_90k.saturating_sub(end_90k),
            Some((_, _, end_us)) => about.wall_us.saturating_sub(end_us) * 9 / 100,
            None => 0,
        };
        let end_us = about.wall_us + duration_90k * 100 / 9;
        before = Some((about.run, about.media_90k + duration_90k, end_us));
        let recording = Found {
            about,
            index,
            bytes,
            gap_90k,
        };
        found(name, &recording);
    }
    Ok(())
}

/// Sends `?day=2026-11-28` as a playlist (RFC 8216) with byte ranges of the files.
///
/// # Errors
/// Those of [`serve`].
pub fn playlist(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let day = exchange.head.asked("day").unwrap_or_default();
    let (mut text, mut longest_90k) = (String::new(), SEGMENT_90K);
    let played = each(exchange, &exchange.camera.stream.name, day, &mut |name, found| {
        if !text.is_empty() {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        // Writing to a String can't fail.
        _ = write!(
            text,
            "#EXT-X-MAP:URI=\"recordings/{name}\",BYTERANGE=\"{}@0\"\n#EXT-X-PROGRAM-DATE-TIME:{}\n",
            found.about.init_bytes,
            UtcDate(found.about.wall_us / 1000)
        );
        let (mut at, mut bytes, mut duration_90k) = (found.about.head_bytes as u64, 0, 0);
        let mut groups = found.index.groups().peekable();
        while let Some((group_bytes, group_90k)) = groups.next() {
            bytes += u64::from(group_bytes);
            duration_90k += group_90k;
            let next_90k = groups.peek().map_or(SEGMENT_90K, |(_, next)| *next);
            if duration_90k + next_90k > SEGMENT_90K {
                longest_90k = longest_90k.max(duration_90k);
                let seconds = decimal(duration_90k / 90, 3);
                _ = writeln!(
                    text,
                    "#EXTINF:{seconds},\n#EXT-X-BYTERANGE:{bytes}@{at}\nrecordings/{name}"
                );
                at += bytes;
                (bytes, duration_90k) = (0, 0);
            }
        }
    });
    exchange.end(played.map(|()| {
        let target_s = longest_90k.div_ceil(90_000);
        let text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target_s}\n#EXT-X-PLAYLIST-TYPE:VOD\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n{text}#EXT-X-ENDLIST\n"
        );
        Answer::new(PLAYLIST_TYPE, NO_STORE, text.into_bytes())
    }))
}

/// Sends a file, or the part of it that is asked for.
fn send_file(exchange: &Exchange<'_>, file: &File) -> io::Result<Ending> {
    let about = file.metadata()?;
    let tag = format!(
        "\"{:x}-{:x}-{:x}\"",
        about.len(),
        about.mtime(),
        about.mtime_nsec()
    );
    send(exchange, &tag, about.len(), &mut |from, to| {
        copy(exchange, file, from, to)
    })
}

/// Sends what has so many bytes, or the part of it that is asked for (RFC 9110, 14): `write` sends the bytes from one up to another one.
///
/// # Errors
/// Those of [`serve`] and of `write`: no less than was promised is taken for all of it, as the connection ends.
pub fn send(
    exchange: &Exchange<'_>,
    tag: &str,
    size: u64,
    write: &mut dyn FnMut(u64, u64) -> io::Result<()>,
) -> io::Result<Ending> {
    let head = exchange.head;
    let fields = format!("ETag: {tag}\r\nAccept-Ranges: bytes\r\n");
    if head.has(tag) {
        return exchange.send(&Answer::not_modified(NO_CACHE).with(&fields));
    }
    let is_current = head.if_range.as_ref().is_none_or(|it| it == tag);
    let range = head.range.as_deref().filter(|_| is_current);
    let answer = Answer::new(VIDEO, exchange.cache(NO_CACHE), Vec::new()).with(&fields);
    let (answer, from, to) = match range.map(|range| part(range, size)) {
        Some(Range::Part(from, to)) => {
            let line = format!("Content-Range: bytes {from}-{}/{size}\r\n", to - 1);
            (answer.with_status("206 Partial Content").with(&line), from, to)
        }
        Some(Range::Outside) => {
            let answer = Answer::text("416 Range Not Satisfiable", "The recording is not so long");
            return exchange.send(&answer.with(&format!("Content-Range: bytes */{size}\r\n")));
        }
        _ => (answer, 0, size),
    };
    if let Err(full) = exchange.take_place() {
        return exchange.send(&full);
    }
    let begin = answer.head_of(to - from, &exchange.security_headers, head.keep_alive);
    exchange.connection.write(&begin)?;
    if !exchange.is_head() {
        write(from, to)?;
    }
    exchange.connection.enter(Phase::Answer);
    Ok(exchange.answered())
}

/// Sends the bytes of a file from one up to another one.
///
/// # Errors
/// Those of [`serve`] and of read(2).
pub fn copy(exchange: &Exchange<'_>, file: &File, from: u64, to: u64) -> io::Result<()> {
    let (mut at, mut piece) = (from, vec![0; PIECE_BYTES as usize]);
    while at < to {
        let piece = &mut piece[..(to - at).min(PIECE_BYTES) as usize];
        file.read_exact_at(piece, at)?;
        exchange.connection.write(piece)?;
        at += piece.len() as u64;
    }
    Ok(())
}

/// What a client asks for of a file.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// From one byte up to another one, which is no part of it.
    Part(u64, u64),
    /// What is not there.
    Outside,
    /// What is not understood, or more than one part: it gets all.
    All,
}

/// Reads the field Range (RFC 9110, 14.1.2), for a file of that size.
fn part(range: &str, size: u64) -> Range {
    let numbers = range
        .strip_prefix("bytes=")
        .and_then(|range| range.trim().split_once('-'));
    let Some((first, last)) = numbers else {
        return Range::All;
    };
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(last)) if first.is_empty() => (
            if last == 0 {
                size
            } else {
                size.saturating_sub(last)
            },
            size,
        ),
        _ => return Range::All,
    };
    if first < size {
        Range::Part(first, last)
    } else {
        Range::Outside
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, events, part};

    #[test]
    fn events_are_told_in_seconds() {
        for (bits, seconds, text) in [
            (0, 300, "[]"),
            (1, 300, "[[0,5]]"),
            (0b1_0110, 300, "[[5,15],[20,25]]"),
            (1 << 63, 317, "[[315,320]]"),
            (1 << 63 | 1, 500, "[[0,5],[315,500]]"),
            (u64::MAX, 321, "[[0,321]]"),
        ] {
            assert_eq!(events(bits, seconds * 90_000), text);
        }
    }

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-", Range::Part(0, 100)),
            ("bytes=0-0", Range::Part(0, 1)),
            ("bytes=10-19", Range::Part(10, 20)),
            ("bytes=99-", Range::Part(99, 100)),
            ("bytes=90-1000", Range::Part(90, 100)),
            ("bytes=-1", Range::Part(99, 100)),
            ("bytes=-1000", Range::Part(0, 100)),
            ("bytes=0-18446744073709551615", Range::Part(0, 100)),
            ("bytes=100-", Range::Outside),
            ("bytes=100-200", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=5-4", Range::All),
            ("bytes=-", Range::All),
            ("bytes=", Range::All),
            ("bytes=0-1,5-6", Range::All),
            ("bytes=a-b", Range::All),
            ("bytes=1-b", Range::All),
            ("lines=0-1", Range::All),
            ("bytes=18446744073709551616-", Range::All),
        ] {
            assert_eq!(part(range, 100), expected, "{range}");
        }
        assert_eq!(part("bytes=0-", 0), Range::Outside);
    }
}
