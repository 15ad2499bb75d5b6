//! `/metrics`, by a reader of its own and by promtool, while there is load, sleep and loss.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod support;

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::process::{Command, Stdio};
use support::{Server, have, until};

/// The samples of a text, by name and labels as they stand there. Holds it to the format, version 0.0.4, and to the rules
/// for names (prometheus.io, "Exposition formats" and "Metric and label naming").
fn read(text: &str) -> HashMap<String, f64> {
    let (mut families, mut samples) = (HashSet::new(), HashMap::new());
    let mut family: Option<(String, String)> = None;
    let mut buckets: HashMap<String, Vec<f64>> = HashMap::new();
    assert!(text.ends_with('\n') && !text.contains('\r'));
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty() && !words.contains('\\'), "{line}");
            let kind = lines.next().unwrap().strip_prefix("# TYPE ").unwrap();
            let (again, kind) = kind.split_once(' ').unwrap();
            assert_eq!(again, name);
            assert!(families.insert(name.to_string()), "{name} comes twice");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(
                name.chars().all(good) && (name.starts_with("fmp4streamer_") || name.starts_with("process_"))
            );
            family = Some((name.into(), kind.into()));
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(labels.ends_with('}'), "{line}");
        let (family, kind) = family.as_ref().unwrap();
        match kind.as_str() {
            "histogram" => {
                let part = name.strip_prefix(family.as_str()).unwrap();
                assert!(["_bucket", "_sum", "_count"].contains(&part), "{line}");
                let (_, labels) = series.split_once('{').unwrap();
                let without_le: Vec<&str> = labels
                    .trim_end_matches('}')
                    .split(',')
                    .filter(|label| !label.starts_with("le="))
                    .collect();
                let key = format!("{family} {without_le:?}");
                match part {
                    "_bucket" => buckets.entry(key).or_default().push(value),
                    "_count" => assert_eq!(buckets[&key].last(), Some(&value), "{line}"),
                    _ => assert!(value >= 0.0),
                }
            }
            _ => assert_eq!(name, family, "{line}"),
        }
        assert!(
            samples.insert(series.to_string(), value).is_none(),
            "{series} comes twice"
        );
    }
    for (name, counts) in buckets {
        assert!(counts.is_sorted(), "{name} {counts:?}");
        assert!(text.contains("le=\"+Inf\""));
    }
    samples
}

fn metrics(server: &Server) -> HashMap<String, f64> {
    let answer = server.get("/metrics");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{head}"
    );
    check(&["metrics"], text);
    read(text)
}

/// Has promtool check a text, where it is installed.
fn check(what: &[&str], text: &str) {
    if have("promtool") {
        let mut promtool = Command::new("promtool");
        promtool
            .arg("check")
            .args(what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut promtool = promtool.spawn().unwrap();
        promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let said = promtool.wait_with_output().unwrap();
        assert!(said.status.success(), "{said:?}\n{text}");
    }
}

fn camera(samples: &HashMap<String, f64>, name: &str, more: &str) -> f64 {
    let series = format!("fmp4streamer_{name}{{camera=\"yard\"{more}}}");
    *samples
        .get(&series)
        .unwrap_or_else(|| panic!("no {series} in {samples:?}"))
}

#[test]
fn numbers_are_there_in_every_state_and_tell_the_truth() {
    let server = Server::with_config(
        "[test]\nname = yard\nlinger_s = 0\n[exec gone]\nname = gone\nauto_sleep = no\ncommand = exit 1\n\
         [exec deaf]\nname = deaf\nauto_sleep = no\nmic = hw:no-such-card\ncommand = exec sleep 100\n",
    );
    until(
        "one camera sleeps, one is lost, and one has no microphone",
        || {
            let samples = metrics(&server);
            let heard = |name| {
                samples.get(&format!(
                    "fmp4streamer_camera_microphone_heard{{camera=\"{name}\"}}"
                ))
            };
            if heard("deaf") != Some(&0.0) || heard("yard").is_some() {
                return false;
            }
            let gone = samples["fmp4streamer_camera_state{camera=\"gone\",state=\"lost\"}"];
            camera(&samples, "camera_state", ",state=\"asleep\"") == 1.0 && gone == 1.0
        },
    );
    let asleep = metrics(&server);
    let opens = |samples| camera(samples, "camera_opens_total", "");
    assert_eq!(opens(&asleep), opens(&metrics(&server)), "a look wakes nobody");
    assert_eq!(camera(&asleep, "clients", ",protocol=\"mp4\""), 0.0);

    let mut streams: Vec<_> = (0..3).map(|_| server.follow_at("/yard/stream.mp4")).collect();
    for stream in &mut streams {
        for _ in 0..20 {
            assert!(stream.next_fragment().is_some());
        }
    }
    let live = metrics(&server);
    assert_eq!(camera(&live, "camera_state", ",state=\"live\""), 1.0);
    assert_eq!(camera(&live, "clients", ",protocol=\"mp4\""), 3.0);
    assert_eq!(camera(&live, "clients", ",protocol=\"ws\""), 0.0);
    assert!(camera(&live, "camera_frames_total", "") >= 20.0);
    assert!(camera(&live, "camera_key_frames_total", "") >= 1.0);
    assert!(camera(&live, "camera_bytes_total", "") > 1000.0);
    assert!(camera(&live, "sent_bytes_total", ",protocol=\"mp4\"") > 3.0 * 1000.0);
    assert!(camera(&live, "frame_interval_seconds_count", "") >= 19.0);
    assert!(camera(&live, "frame_age_seconds_count", ",stage=\"pushed\"") >= 20.0);
    // Each of the three was sent something.
    assert!(camera(&live, "frame_age_seconds_count", ",stage=\"sent\"") >= 3.0);
    assert_eq!(camera(&live, "viewer_lag_seconds_count", ""), 0.0);
    assert!(live["process_threads"] >= 4.0 && live["process_resident_memory_bytes"] > 100_000.0);

    // What happened at the lost one, of which nobody is told.
    let of_gone = |name: &str, more: &str| live[&format!("fmp4streamer_{name}{{camera=\"gone\"{more}}}")];
    assert_eq!(
        (of_gone("events_total", ""), camera(&live, "events_total", "")),
        (1.0, 0.0)
    );
    for outcome in ["delivered", "failed", "dropped"] {
        for way in ["url", "command"] {
            let labels = format!(",way=\"{way}\",outcome=\"{outcome}\"");
            assert_eq!(of_gone("event_deliveries_total", &labels), 0.0);
        }
    }

    // The series are the same, and counters go on where viewers have left.
    drop(streams);
    until("the camera sleeps again", || {
        camera(&metrics(&server), "camera_state", ",state=\"asleep\"") == 1.0
    });
    let after = metrics(&server);
    assert_eq!(camera(&after, "clients", ",protocol=\"mp4\""), 0.0);
    assert_eq!(camera(&after, "clients_total", ",protocol=\"mp4\""), 3.0);
    assert!(
        camera(&after, "sent_bytes_total", ",protocol=\"mp4\"")
            >= camera(&live, "sent_bytes_total", ",protocol=\"mp4\"")
    );
    // A camera that never gave a frame has no time of its last one.
    let names = |samples: &HashMap<String, f64>| -> HashSet<String> {
        let names = samples.keys().filter(|name| !name.contains("last_frame"));
        names.cloned().collect()
    };
    assert_eq!(names(&asleep), names(&after));
}

#[test]
fn the_alerts_of_the_recipes_are_about_series_that_there_are() {
    let recipes = include_str!("../docs/recipes.md");
    let (_, behind) = recipes.split_once("```yaml\ngroups:\n").unwrap();
    let rules = behind.split_once("```").unwrap().0;
    check(&["rules", "/dev/stdin"], &format!("groups:\n{rules}"));
    let server =
        Server::with_config("[exec]\nauto_sleep = no\nmic = hw:no-such-card\ncommand = exec sleep 100\n");
    let names = rules.split("fmp4streamer_").skip(1);
    let names: Vec<&str> = names
        .map(|rest| rest.split(['{', '[', ')']).next().unwrap())
        .collect();
    assert_eq!(names.len(), 4);
    for name in names {
        let series = format!("fmp4streamer_{name}{{");
        until(&series, || {
            metrics(&server).keys().any(|key| key.starts_with(&series))
        });
    }
}
