//! The names of recordings: a folder a day, and in it a file by the time at which it begins, as people look for it.
//!
//! `2026-11-28/14-05-00+0100.mp4` is local time, with its offset, so that the hour that comes twice in autumn is told apart. A name that
//! is there already is followed by `-2` and so on; `_event` says that something happened in it, `~` that the clock could not be believed.

use crate::format::time::{civil, unix_s};
use std::fmt;

const DAY_S: u64 = 86_400;
const EVENT: &str = "_event";
/// Beyond it, there are more files of one second than anything but a fault can make.
const MOST_ALIKE: u8 = 99;

/// What a recording's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// When it begins: Unix time in seconds.
    pub start_s: u64,
    /// How far its local time is ahead of UTC, in minutes.
    pub ahead_min: i16,
    /// From 1 on, where there are others of that second.
    pub copy: u8,
    /// Something happened in it.
    pub event: bool,
    /// The clock could be believed.
    pub synced: bool,
}

impl Name {
    /// Reads the name of a folder and, behind a slash, that of a file in it; `None` if this is no name that [`fmt::Display`] would write.
    pub fn parse(text: &str) -> Option<Name> {
        let local_s = unix_s(text)?;
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
        let ahead_min = number(20, 22)? * 60 + number(22, 24)?;
        let ahead_min = if text.get(19..20)? == "-" {
            -ahead_min
        } else {
            ahead_min
        };
        let rest = text.get(24..)?.strip_suffix(".mp4")?;
        let unsynced = rest.strip_suffix('~');
        let rest = unsynced.unwrap_or(rest);
        let event = rest.strip_suffix(EVENT);
        let name = Name {
            start_s: local_s.checked_add_signed(i64::from(ahead_min) * -60)?,
            ahead_min,
            copy: match event.unwrap_or(rest) {
                "" => 1,
                copy => copy.strip_prefix('-')?.parse().ok()?,
            },
            event: event.is_some(),
            synced: unsynced.is_none(),
        };
        // Whatever was taken too lightly above is another text now.
        let is_strict = (1..=MOST_ALIKE).contains(&name.copy) && name.to_string() == text;
        is_strict.then_some(name)
    }

    /// The next name of this second; `None` after so many that something must be wrong.
    pub fn next(self) -> Option<Name> {
        let copy = self.copy + 1;
        (copy <= MOST_ALIKE).then_some(Name { copy, ..self })
    }

    /// Its place among others, by time.
    pub fn order(&self) -> u64 {
        self.start_s << 8 | u64::from(self.copy)
    }

    /// The days after 1970-01-01 at which it begins, by its local time.
    pub fn day(&self) -> u64 {
        self.local_s() / DAY_S
    }

    fn local_s(&self) -> u64 {
        self.start_s.saturating_add_signed(i64::from(self.ahead_min) * 60)
    }
}

/// Puts names into their order.
pub(super) fn sort(names: &mut [Name]) {
    names.sort_unstable_by_key(Name::order);
}

/// Its folder and its file, with a slash between.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.day());
        let s = self.local_s() % DAY_S;
        let sign = if self.ahead_min < 0 { '-' } else { '+' };
        let ahead_min = self.ahead_min.unsigned_abs();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}/{:02}-{:02}-{:02}{sign}{:02}{:02}",
            s / 3600,
            s / 60 % 60,
            s % 60,
            ahead_min / 60,
            ahead_min % 60
        )?;
        if self.copy > 1 {
            write!(f, "-{}", self.copy)?;
        }
        f.write_str(if self.event { EVENT } else { "" })?;
        f.write_str(if self.synced { ".mp4" } else { "~.mp4" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Name = Name {
        start_s: 1_795_871_100,
        ahead_min: 60,
        copy: 1,
        event: false,
        synced: true,
    };

    #[test]
    fn names_are_written_and_read() {
        let others = |change: &dyn Fn(&mut Name)| {
            let mut name = NAME;
            change(&mut name);
            name
        };
        for (name, text) in [
            (NAME, "2026-11-28/14-05-00+0100.mp4"),
            (others(&|it| it.synced = false), "2026-11-28/14-05-00+0100~.mp4"),
            (others(&|it| it.copy = 2), "2026-11-28/14-05-00+0100-2.mp4"),
            (
                others(&|it| it.event = true),
                "2026-11-28/14-05-00+0100_event.mp4",
            ),
            (
                others(&|it| (it.copy, it.event, it.synced) = (99, true, false)),
                "2026-11-28/14-05-00+0100-99_event~.mp4",
            ),
            (others(&|it| it.ahead_min = 0), "2026-11-28/13-05-00+0000.mp4"),
            (others(&|it| it.ahead_min = -570), "2026-11-28/03-35-00-0930.mp4"),
            (others(&|it| it.ahead_min = 840), "2026-11-29/03-05-00+1400.mp4"),
            (
                others(&|it| (it.start_s, it.ahead_min) = (0, 0)),
                "1970-01-01/00-00-00+0000.mp4",
            ),
        ] {
            assert_eq!(name.to_string(), text);
            assert_eq!(Name::parse(text), Some(name));
        }
        assert_eq!(NAME.next().unwrap().to_string(), "2026-11-28/14-05-00+0100-2.mp4");
        assert_eq!(others(&|it| it.copy = 99).next(), None);
    }

    #[test]
    fn anything_else_is_foreign() {
        for text in [
            "2026-11-28/14-05-00+0100.MP4",
            "2026-11-28/14-05-00+0100.mp4~",
            "2026-11-28/14-05-00+0100~~.mp4",
            "2026-11-28/14-05-00+0100_event_event.mp4",
            "2026-11-28/14-05-00+0100_event-2.mp4",
            "2026-11-28/14-05-00+0100~_event.mp4",
            "2026-11-28/14-05-00+0100-1.mp4",
            "2026-11-28/14-05-00+0100-02.mp4",
            "2026-11-28/14-05-00+0100-100.mp4",
            "2026-11-28/14-05-00+0100-.mp4",
            "2026-11-28/14-05-00+010.mp4",
            "2026-11-28/14-05-00.mp4",
            "2026-11-28/14-05-60+0100.mp4",
            "2026-11-28/24-05-00+0100.mp4",
            "2026-11-28/+4-05-00+0100.mp4",
            "2026-11-28/14-05-00 0100.mp4",
            "2026-11-28/14-05-00-0000.mp4",
            "2026-11-28/14-05-00+0160.mp4",
            "2026-11-31/14-05-00+0100.mp4",
            "2026-13-28/14-05-00+0100.mp4",
            "2026-00-28/14-05-00+0100.mp4",
            "2026-11-00/14-05-00+0100.mp4",
            "0000-00-00/00-00-00+0000.mp4",
            "1970-01-01/00-00-00+0100.mp4",
            "2026_11-28/14-05-00+0100.mp4",
            "2026-11-28/../etc/passwd.mp4",
            "2026-11-28/14-05-0é+0100.mp4",
            "",
            "/",
            "2026-11-28/",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
