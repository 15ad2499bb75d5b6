//! `/clip.mp4?from=…&to=…`: what was recorded between two times, across files, as one movie; or with `step=`, or of a day, a time-lapse.

use super::answer::{Answer, Rejection};
use super::clip::{self, MOST_S};
use super::exchange::{Ending, Exchange};
use super::head::Head;
use super::recordings::{archive, checked_day, copy, send};
use crate::record::cut::Cut;
use crate::record::{Archive, Name, folder_of, library};
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;

/// The seconds between two pictures of a time-lapse.
const STEPS_S: RangeInclusive<u64> = 1..=3600;
/// A time-lapse has no more pictures.
const MOST_PICTURES: u64 = 86_400;
/// Without `step`: a day is shown in a minute.
const STEP_S: u64 = 60;

/// Sends it. All of it is known before the first byte, so that it has a length, and what is left of a download can be asked for.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left, or a recording is gone meanwhile.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let _clip = match clip::take_place(exchange) {
        Ok(place) => place,
        Err(full) => return exchange.send(&full),
    };
    match archive(exchange).and_then(|archive| find(exchange, archive)) {
        Ok((archive, folder, cut)) => {
            let head = cut.head();
            let size = head.len() as u64 + cut.bytes();
            let tag = format!("\"{size:x}-{:x}\"", cut.start_us);
            send(exchange, &tag, size, &mut |from, to| {
                // What of the next so many bytes is asked for.
                let mut at = 0;
                let mut next = |bytes: u64| {
                    let within = |place: u64| place.saturating_sub(at).min(bytes);
                    let asked = (within(from), within(to));
                    at += bytes;
                    asked
                };
                let (from, to) = next(head.len() as u64);
                clip::write(exchange, &[&head[from as usize..to as usize]])?;
                let mut open: Option<(Name, File)> = None;
                for part in &cut.parts {
                    let (from, to) = next(part.bytes);
                    if from == to {
                        continue;
                    }
                    if open.as_ref().is_none_or(|(name, _)| *name != part.name) {
                        open = Some((part.name, library::open(archive, &folder, part.name)?.0));
                    }
                    if let Some((_, file)) = &open {
                        copy(exchange, file, part.at + from, part.at + to)?;
                    }
                }
                Ok(())
            })
        }
        Err(rejection) => exchange.end(Err(rejection)),
    }
}

/// What is asked for, and the folder in which it is.
fn find<'a>(exchange: &Exchange<'_>, archive: &'a Archive) -> Result<(&'a Archive, String, Cut), Rejection> {
    let (head, mut folder) = (exchange.head, exchange.camera.stream.name.clone());
    let day = head.asked("day").map(checked_day).transpose()?;
    let mut step_s = match head.asked("step").map(str::parse) {
        Some(Ok(step_s)) if STEPS_S.contains(&step_s) => step_s,
        None => day.map_or(0, |_| STEP_S),
        _ => {
            let text = "step= takes a whole number of seconds, from 1 to 3600";
            return Err(Answer::text("400 Bad Request", text).into());
        }
    };
    let (names, (from_ms, to_ms)) = match day {
        Some(day) => {
            let lapse = folder_of(&folder);
            let made = library::of_day(archive, &lapse, day);
            // There is one already.
            if !made.is_empty() && head.asked("step").is_none() {
                (folder, step_s) = (lapse, 0);
            }
            (library::of_day(archive, &folder, day), (0, u64::MAX / 1000))
        }
        None => {
            let most_s = if step_s > 0 {
                MOST_PICTURES * step_s
            } else {
                MOST_S as u64
            };
            let (from_ms, to_ms) = times(head, most_s)?;
            let names = library::between(archive, &folder, from_ms / 1000, to_ms.div_ceil(1000));
            (names, (from_ms, to_ms))
        }
    };
    let cut = Cut::make(archive, &folder, &names, (from_ms * 1000, to_ms * 1000), step_s);
    if cut.parts.is_empty() {
        return Err(Answer::text("404 Not Found", "Nothing was recorded then, or it is deleted").into());
    }
    Ok((archive, folder, cut))
}

/// The times that are asked for, in milliseconds, which may be so far apart.
fn times(head: &Head, most_s: u64) -> Result<(u64, u64), Rejection> {
    let time = |name| head.asked(name).and_then(unix_ms);
    let times = time("from").zip(time("to"));
    let times = times.filter(|(from, to)| from < to && to - from <= most_s * 1000);
    times.ok_or_else(|| {
        let text = "from= and to= take times like 2026-11-28T14:05:00+01:00 or Unix time in seconds, an hour apart at most, or, with step=, \
                    86400 steps";
        Answer::text("400 Bad Request", text).into()
    })
}

/// Reads Unix time in seconds, or a time as ISO 8601 has it, with its offset: Unix time in milliseconds.
fn unix_ms(text: &str) -> Option<u64> {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let rest = rest.strip_prefix('.').unwrap_or_default();
    let fraction = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
    let digits = fraction.bytes().zip([100, 10, 1]);
    let ms: u64 = digits.map(|(digit, value)| u64::from(digit - b'0') * value).sum();
    let Some((day, time)) = whole.split_once('T') else {
        // Far beyond what names of recordings can say.
        let s: u64 = whole.parse().ok()?;
        return (s < 1 << 40 && rest == fraction).then(|| s * 1000 + ms);
    };
    let (clock, offset) = time.split_at_checked(8)?;
    let offset = [offset, &rest[fraction.len()..]].concat().replace(':', "");
    // A plus stands in an address as it is, or coded.
    let offset = offset.replace("%2B", "+").replace("%2b", "+");
    let offset = if offset == "Z" { "+0000" } else { &offset };
    // The names of recordings have the same parts, and are read strictly.
    let name = Name::parse(&format!("{day}/{}{offset}.mp4", clock.replace(':', "-")))?;
    Some(name.start_s * 1000 + ms)
}

#[cfg(test)]
mod tests {
    use super::unix_ms;

    #[test]
    fn times() {
        for (text, expected) in [
            ("1795871100", Some(1_795_871_100_000)),
            ("1795871100.25", Some(1_795_871_100_250)),
            ("1795871100.9999", Some(1_795_871_100_999)),
            ("1795871100.", Some(1_795_871_100_000)),
            ("1795871100.x", None),
            ("1795871100..1", None),
            ("0", Some(0)),
            ("2026-11-28T14:05:00+01:00", Some(1_795_871_100_000)),
            ("2026-11-28T14:05:00%2B01:00", Some(1_795_871_100_000)),
            ("2026-11-28T14:05:00.999+0100", Some(1_795_871_100_999)),
            ("2026-11-28T13:05:00Z", Some(1_795_871_100_000)),
            ("2026-11-28T13:05:00.070Z", Some(1_795_871_100_070)),
            ("2026-11-28T03:35:00-09:30", Some(1_795_871_100_000)),
            ("2026-11-28T13:05:00", None),
            ("2026-11-28", None),
            ("2026-11-28T13:05Z", None),
            ("2026-11-31T13:05:00Z", None),
            ("2026-11-28T13:05:0é", None),
            ("18446744073709551615", None),
            ("-1", None),
            ("now", None),
            ("", None),
        ] {
            assert_eq!(unix_ms(text), expected, "{text}");
        }
    }
}
