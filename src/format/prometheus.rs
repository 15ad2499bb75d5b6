//! The text format of Prometheus, version 0.0.4 (prometheus.io, "Exposition formats").

use super::json::decimal;
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The Content-Type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The kind of a family's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the program starts again.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts of observations, by their sizes.
    Histogram,
}

/// The upper bounds of what is counted together, in µs: from a part of a frame to a camera that stutters.
const BOUNDS_US: [u64; 13] = [
    1_000, 2_500, 5_000, 10_000, 20_000, 30_000, 40_000, 70_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];

/// Times, counted by their length, by any thread and without a lock.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The number of those up to each bound and above the one before; at last of those above all.
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts a time.
    pub fn observe(&self, us: u64) {
        let at = BOUNDS_US.iter().position(|bound| us <= *bound);
        self.counts[at.unwrap_or(BOUNDS_US.len())].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }
}

/// A text of families, each of which comes once, with all its samples.
#[derive(Debug)]
pub struct Text {
    text: String,
    /// What all names begin with, but those that each program has.
    prefix: &'static str,
    family: String,
}

impl Text {
    /// An empty one. Names begin with `prefix`, but those of what every process has.
    pub fn new(prefix: &'static str) -> Text {
        Text {
            text: String::new(),
            prefix,
            family: String::new(),
        }
    }

    /// Begins a family. `help` is one line.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family.clear();
        if !name.starts_with("process_") {
            self.family.push_str(self.prefix);
        }
        self.family.push_str(name);
        // Writing to a String can't fail.
        _ = writeln!(self.text, "# HELP {0} {help}\n# TYPE {0} {kind}", self.family);
    }

    /// Adds a sample of the family with these labels.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: &dyn Display) {
        self.line("", labels, value);
    }

    /// Adds a histogram of seconds.
    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut all = 0;
        let bounds = BOUNDS_US.iter().map(|us| bound(*us));
        for (bound, count) in bounds.chain(["+Inf".into()]).zip(&histogram.counts) {
            all += count.load(Relaxed);
            self.line("_bucket", &[labels, &[("le", &bound)]].concat(), &all);
        }
        self.line("_sum", labels, &decimal(histogram.sum_us.load(Relaxed), 6));
        self.line("_count", labels, &all);
    }

    /// The whole text.
    pub fn end(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: &dyn Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let labels = match labels.join(",") {
            labels if labels.is_empty() => labels,
            labels => format!("{{{labels}}}"),
        };
        _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.family);
    }
}

/// The shortest form of a bound, in seconds.
fn bound(us: u64) -> String {
    let seconds = decimal(us, 6);
    seconds.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A label's value between its quotes.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{Histogram, Kind, Text};

    #[test]
    fn families_are_written() {
        let mut text = Text::new("x_");
        text.family("a_total", Kind::Counter, "How many.");
        text.sample(&[], &7);
        text.family("process_b", Kind::Gauge, "How much.");
        text.sample(&[("camera", "a\"b\\c\nd"), ("state", "live")], &1.5);
        text.family("c_seconds", Kind::Histogram, "How long.");
        let histogram = Histogram::default();
        for us in [0, 1_000, 1_001, 5_000_001] {
            histogram.observe(us);
        }
        text.histogram(&[("camera", "x")], &histogram);
        let text = text.end();
        let (before, buckets) = text.split_once("# HELP x_c_seconds").unwrap();
        assert_eq!(
            before,
            "# HELP x_a_total How many.\n# TYPE x_a_total counter\nx_a_total 7\n\
             # HELP process_b How much.\n# TYPE process_b gauge\nprocess_b{camera=\"a\\\"b\\\\c\\nd\",state=\"live\"} 1.5\n"
        );
        let lines: Vec<&str> = buckets.lines().collect();
        assert_eq!(lines[..2], [" How long.", "# TYPE x_c_seconds histogram"]);
        assert_eq!(lines[2], "x_c_seconds_bucket{camera=\"x\",le=\"0.001\"} 2");
        assert_eq!(lines[3], "x_c_seconds_bucket{camera=\"x\",le=\"0.0025\"} 3");
        assert_eq!(lines[14], "x_c_seconds_bucket{camera=\"x\",le=\"5\"} 3");
        assert_eq!(lines[15], "x_c_seconds_bucket{camera=\"x\",le=\"+Inf\"} 4");
        assert_eq!(lines[16], "x_c_seconds_sum{camera=\"x\"} 5.002002");
        assert_eq!(lines[17..], ["x_c_seconds_count{camera=\"x\"} 4"]);
    }
}
