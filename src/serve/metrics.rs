//! `/metrics`, for Prometheus and what reads its format.

use super::answer::Answer;
use super::exchange::{Ending, Exchange};
use super::shared::CameraSide;
use crate::events::{Counts, Outcome, Way};
use crate::format::json::decimal;
use crate::format::prometheus::{CONTENT_TYPE, Histogram, Kind, Text};
use crate::stream::{Condition, Losses, Sent, State, Stream};
use crate::sys::{clock, usage};
use std::env::consts::ARCH;
use std::fmt::Display;
use std::io;
use std::sync::atomic::Ordering::Relaxed;

/// The protocols that have their samples whether anybody uses them or not: series do not come and go.
const PROTOCOLS: [&str; 5] = ["hls", "mjpeg", "mp4", "rtsp", "ws"];

type Count<T> = fn(&T) -> u64;
type Times = fn(&Stream) -> &Histogram;

/// The reasons for which frames are lost, each with its count.
const REASONS: [(&str, Count<Losses>); 6] = [
    ("after_loss", |losses| losses.after_loss),
    ("damaged", |losses| losses.damaged),
    ("sequence_gap", |losses| losses.gaps),
    ("short", |losses| losses.short),
    ("slow", |losses| losses.slow),
    ("unreadable", |losses| losses.unreadable),
];

/// What is known of motion, in the order of [`Motion::numbers`](crate::motion::Motion::numbers), with the digits behind the point.
const MOTION: [(&str, &str, usize); 3] = [
    ("motion", "1 while something moves.", 0),
    (
        "motion_score",
        "How far the size of pictures is from what is usual.",
        2,
    ),
    (
        "motion_blind",
        "1 where motion can't be found in such pictures.",
        0,
    ),
];

/// A camera as it is at this moment.
struct Camera<'a> {
    side: &'a CameraSide,
    state: State,
    sent: Vec<Sent>,
    counts: Counts,
}

/// Sends what is counted. Whoever asks is no viewer, and wakes no camera.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let cameras = exchange.cameras.iter().map(|side| Camera {
        side,
        state: side.stream.state(),
        sent: side.stream.sent(),
        counts: side.stream.events.counts(&side.stream.name),
    });
    let cameras: Vec<Camera<'_>> = cameras.collect();
    let mut text = Text::new("fmp4streamer_");
    of_program(&mut text, exchange);
    of_cameras(&mut text, &cameras);
    of_viewers(&mut text, &cameras);
    of_events(&mut text, &cameras);
    exchange.send(&Answer::fresh(CONTENT_TYPE, text.end().into_bytes()))
}

fn of_program(text: &mut Text, exchange: &Exchange<'_>) {
    use Kind::{Counter, Gauge};
    let shared = exchange.shared;
    text.family("build_info", Gauge, "The program that runs.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION")), ("arch", ARCH)], &1);
    let mut one = |name, kind, help, value: &dyn Display| {
        text.family(name, kind, help);
        text.sample(&[], value);
    };
    let uptime_s = shared.started.elapsed().as_secs();
    one("uptime_seconds", Gauge, "Time since the start.", &uptime_s);
    if let Some(usage) = usage::own() {
        let cpu_s = decimal(usage.cpu_ms, 3);
        one(
            "process_cpu_seconds_total",
            Counter,
            "Processor time used.",
            &cpu_s,
        );
        let resident_bytes = &usage.resident_bytes;
        one(
            "process_resident_memory_bytes",
            Gauge,
            "Memory in use.",
            resident_bytes,
        );
        one("process_threads", Gauge, "Threads.", &usage.threads);
        one(
            "process_open_fds",
            Gauge,
            "Open files and sockets.",
            &usage.open_files,
        );
    }
    let connections = shared.connections().len();
    one("connections", Gauge, "Open connections.", &connections);
    one(
        "places",
        Gauge,
        "Streams and HLS viewers that max_clients allows.",
        &shared.settings.max_clients,
    );
    one(
        "places_taken",
        Gauge,
        "Those of them that are there.",
        &shared.places.taken(),
    );
    let counters = &shared.counters;
    for (name, help, count) in [
        ("requests_total", "Requests.", &counters.requests),
        (
            "bad_requests_total",
            "Requests that were no good HTTP.",
            &counters.bad_requests,
        ),
        (
            "forbidden_requests_total",
            "Requests by a name or from a page that is not allowed.",
            &counters.forbidden,
        ),
        (
            "refused_clients_total",
            "Clients for whom there was no place.",
            &counters.refused,
        ),
        (
            "stuck_clients_total",
            "Clients that took nothing for too long.",
            &counters.stuck,
        ),
    ] {
        one(name, Counter, help, &count.load(Relaxed));
    }
}

fn of_cameras(text: &mut Text, cameras: &[Camera<'_>]) {
    use Kind::{Counter, Gauge};
    text.family("camera_state", Gauge, "1 for the state that the camera is in.");
    for camera in cameras {
        for word in Condition::WORDS {
            let labels = [("camera", camera.name()), ("state", word)];
            text.sample(&labels, &u8::from(camera.state.condition.word() == word));
        }
    }
    let counts: [(&str, &str, Count<State>); 5] = [
        ("camera_frames_total", "Frames that went to viewers.", |it| {
            it.frames
        }),
        ("camera_key_frames_total", "Key frames among them.", |it| {
            it.key_frames
        }),
        ("camera_bytes_total", "Bytes of them.", |it| it.bytes),
        ("camera_opens_total", "How often the camera was opened.", |it| {
            it.opens
        }),
        (
            "camera_faults_total",
            "Faults of the program that cost the camera a while.",
            |it| it.faults,
        ),
    ];
    for (name, help, count) in counts {
        each(text, cameras, (name, Counter, help), 0, &|camera| {
            Some(count(&camera.state))
        });
    }
    text.family(
        "camera_frames_lost_total",
        Counter,
        "Frames that did not go to viewers, by reason.",
    );
    for camera in cameras {
        for (reason, count) in REASONS {
            let labels = [("camera", camera.name()), ("reason", reason)];
            text.sample(&labels, &count(&camera.state.losses));
        }
    }
    let rate = ("camera_frame_rate", Gauge, "Frames a second of late.");
    each(text, cameras, rate, 2, &|camera| {
        Some((camera.state.fps * 100.0).round() as u64)
    });
    let last = (
        "camera_last_frame_timestamp_seconds",
        Gauge,
        "When the last frame came, in Unix time.",
    );
    each(text, cameras, last, 3, &|camera| {
        let at = clock::unix().saturating_sub(camera.state.last_frame?.elapsed());
        Some(at.as_millis() as u64)
    });
    let heard = (
        "camera_microphone_heard",
        Gauge,
        "1 while its microphone is heard, 0 while there is silence instead.",
    );
    each(text, cameras, heard, 0, &|camera| {
        let [words, why] = &camera.state.mic;
        (!words.is_empty() || !why.is_empty()).then(|| u64::from(why.is_empty()))
    });
    let times: [(&str, &str, Times); 2] = [
        ("frame_interval_seconds", "From capture to capture.", |stream| {
            &stream.intervals
        }),
        (
            "viewer_lag_seconds",
            "How far pictures on pages are behind, as these say.",
            |stream| &stream.lags,
        ),
    ];
    for (name, help, times) in times {
        text.family(name, Kind::Histogram, help);
        for camera in cameras {
            text.histogram(&[("camera", camera.name())], times(&camera.side.stream));
        }
    }
    text.family(
        "frame_age_seconds",
        Kind::Histogram,
        "From capture to where all viewers can have it (pushed), and to the sending to each but those of HLS (sent).",
    );
    for camera in cameras {
        let Stream {
            pushed_ages,
            sent_ages,
            ..
        } = &*camera.side.stream;
        for (stage, ages) in [("pushed", pushed_ages), ("sent", sent_ages)] {
            text.histogram(&[("camera", camera.name()), ("stage", stage)], ages);
        }
    }
    let recorder = ("recorder_up", Gauge, "1 while the recorder can record.");
    each(text, cameras, recorder, 0, &|camera| {
        let word = camera.state.recorder.0;
        (!word.is_empty()).then(|| (word != "stopped").into())
    });
    let recorded = ("recorded_bytes_total", Counter, "Bytes recorded.");
    each(text, cameras, recorded, 0, &|camera| {
        let sent = camera.sent.iter().find(|sent| sent.protocol == "file");
        sent.map(|sent| sent.bytes)
    });
    let bytes = ("ring_bytes", Gauge, "Memory that holds the newest frames.");
    each(text, cameras, bytes, 0, &|camera| {
        let stream = &camera.side.stream;
        Some((stream.ring.bytes() + stream.pictures.bytes()) as u64)
    });
}

/// Adds a family with a sample for each camera that has a value, a number with so many of its digits behind the point.
fn each(
    text: &mut Text,
    cameras: &[Camera<'_>],
    (name, kind, help): (&str, Kind, &str),
    digits: usize,
    value: &dyn Fn(&Camera<'_>) -> Option<u64>,
) {
    text.family(name, kind, help);
    for camera in cameras {
        let Some(value) = value(camera) else { continue };
        let value = match digits {
            0 => value.to_string(),
            _ => decimal(value, digits),
        };
        text.sample(&[("camera", camera.name())], &value);
    }
}

fn of_viewers(text: &mut Text, cameras: &[Camera<'_>]) {
    use Kind::{Counter, Gauge};
    let counts: [(&str, Kind, &str, Count<Sent>); 4] = [
        ("clients", Gauge, "Viewers that are there.", |it| it.viewers),
        ("clients_total", Counter, "Viewers that ever came.", |it| it.came),
        ("sent_bytes_total", Counter, "Bytes sent to viewers.", |it| {
            it.bytes
        }),
        (
            "skipped_frames_total",
            Counter,
            "Frames left out for viewers that were too slow.",
            |it| it.skipped,
        ),
    ];
    for (name, kind, help, count) in counts {
        text.family(name, kind, help);
        for camera in cameras {
            for protocol in PROTOCOLS {
                let sent = camera.sent.iter().find(|sent| sent.protocol == protocol);
                let labels = [("camera", camera.name()), ("protocol", protocol)];
                text.sample(&labels, &sent.map_or(0, count));
            }
        }
    }
}

fn of_events(text: &mut Text, cameras: &[Camera<'_>]) {
    let events = ("events_total", Kind::Counter, "Events.");
    each(text, cameras, events, 0, &|camera| Some(camera.counts.events));
    for (index, (name, help, digits)) in MOTION.into_iter().enumerate() {
        each(text, cameras, (name, Kind::Gauge, help), digits, &|camera| {
            camera.side.stream.motion.numbers().map(|numbers| numbers[index])
        });
    }
    text.family(
        "event_deliveries_total",
        Kind::Counter,
        "What became of events on their way to event_url and event_command.",
    );
    for camera in cameras {
        for (way, outcomes) in Way::WORDS.iter().zip(camera.counts.outcomes) {
            for (outcome, count) in Outcome::WORDS.iter().zip(outcomes) {
                let labels = [("camera", camera.name()), ("way", way), ("outcome", outcome)];
                text.sample(&labels, &count);
            }
        }
    }
}

impl Camera<'_> {
    fn name(&self) -> &str {
        &self.side.stream.name
    }
}
