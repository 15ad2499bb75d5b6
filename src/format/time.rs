//! Dates of the calendar, from numbers of seconds.

use std::fmt;

/// The day that many days after 1970-01-01: year, month from 1, day from 1.
pub fn civil(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have their odd day at the end; 400 of them have 146097 days, whatever the first. The
    // year 0 began so 719468 days before 1970.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on: 31, 30, 31, 30, 31 days, twice and the rest.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    match month {
        0..10 => (era * 400 + year, month + 3, day),
        _ => (era * 400 + year + 1, month - 9, day),
    }
}

/// How many days that day is after 1970-01-01; month and day as [`civil`] has them, where others are days nearby.
pub fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = match month {
        3.. => (year, month - 3),
        _ => (year.saturating_sub(1), month + 9),
    };
    let before = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    before.saturating_sub(719_469)
}

/// The Unix time in seconds of a date as ISO 8601 has it, in UTC: "2026-11-28T16:45:00Z", whatever comes behind the seconds.
pub fn unix_s(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse().ok();
    let day = days(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    Some(day * 86_400 + number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?)
}

/// A Unix time in seconds, shown as HTTP has it (RFC 9110, 5.6.7, IMF-fixdate): "Sat, 28 Nov 2026 16:45:00 GMT".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpDate(pub u64);

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 1970 began on a Thursday.
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let (days, s) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil(days);
        let name =
            |names: &'static [&'static str], at: u64| names.get(at as usize).copied().unwrap_or_default();
        let (weekday, month) = (name(&DAYS, days % 7), name(&MONTHS, month - 1));
        let (hour, minute, second) = (s / 3600, s / 60 % 60, s % 60);
        write!(
            f,
            "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
        )
    }
}

/// A Unix time in milliseconds, shown as ISO 8601 has it, in UTC: "2026-11-28T16:45:00.000Z".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UtcDate(pub u64);

impl fmt::Display for UtcDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
            ms % 1000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (4_107_456_000_000, "2100-02-28T00:00:00.000Z"),
        ] {
            assert_eq!(UtcDate(unix_ms).to_string(), text);
            assert_eq!(unix_s(text), Some(unix_ms / 1000));
        }
        for text in [
            "",
            "2026-11-28T16:45:0",
            "2026-11-28T16:45:0x",
            "202é-11-28T16:45:00",
        ] {
            assert_eq!(unix_s(text), None, "{text}");
        }
        for (unix_s, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        ] {
            assert_eq!(HttpDate(unix_s).to_string(), text);
        }
        // Every day to the year 2400 comes after the one before it.
        let day = |days: u64| UtcDate(days * 86_400_000).to_string();
        assert!((1..157_000).all(|days| day(days - 1) < day(days)));
        for number in 0..157_000 {
            let (year, month, day) = civil(number);
            assert_eq!(days(year, month, day), number);
        }
    }
}
