//! `/metrics`, for Prometheus and what reads its format.

use super::answer::Answer;
use super::exchange::{Ending, Exchange};
use super::shared::CameraSide;
use crate::events::{Counts, Outcome, Way};
use crate::format::json::decimal;
use crate::format::prometheus::{CONTENT_TYPE, Kind, Text};
use crate::stream::{Condition, Losses, Sent, State, Stream};
use crate::sys::{clock, usage};
use std::env::consts::ARCH;
use std::fmt::Display;
use std::io;
use std::sync::atomic::Ordering::Relaxed;

/// The protocols that have their samples whether anybody uses them or not: series do not come and go.
const PROTOCOLS: [&str; 4] = ["hls", "mjpeg", "mp4", "ws"];

type Count<T> = fn(&T) -> u64;

/// The reasons for which frames are lost, each with its count.
const REASONS: [(&str, Count<Losses>); 6] = [
    ("after_loss", |losses| losses.after_loss),
    ("damaged", |losses| losses.damaged),
    ("sequence_gap", |losses| losses.gaps),
    ("short", |losses| losses.short),
    ("slow", |losses| losses.slow),
    ("unreadable", |losses| losses.unreadable),
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
    let mut text = Text::default();
    of_program(&mut text, exchange);
    of_cameras(&mut text, &cameras);
    of_viewers(&mut text, &cameras);
    of_events(&mut text, &cameras);
    exchange.send(&Answer::fresh(CONTENT_TYPE, text.end().into_bytes()))
}

fn of_program(text: &mut Text, exchange: &Exchange<'_>) {
    use Kind::{Counter, Gauge};
    let shared = exchange.shared;
    text.family("fmp4streamer_build_info", Gauge, "The program that runs.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION")), ("arch", ARCH)], 1);
    text.family("fmp4streamer_uptime_seconds", Gauge, "Time since the start.");
    text.sample(&[], shared.started.elapsed().as_secs());
    if let Some(usage) = usage::own() {
        text.family("process_cpu_seconds_total", Counter, "Processor time used.");
        text.sample(&[], decimal(usage.cpu_ms, 3));
        text.family("process_resident_memory_bytes", Gauge, "Memory in use.");
        text.sample(&[], usage.resident_bytes);
        text.family("process_threads", Gauge, "Threads.");
        text.sample(&[], usage.threads);
        text.family("process_open_fds", Gauge, "Open files and sockets.");
        text.sample(&[], usage.open_files);
    }
    let counters = &shared.counters;
    text.family("fmp4streamer_connections", Gauge, "Open connections.");
    text.sample(&[], shared.connections().len());
    text.family(
        "fmp4streamer_places",
        Gauge,
        "Streams and HLS viewers that max_clients allows.",
    );
    text.sample(&[], shared.settings.max_clients);
    text.family(
        "fmp4streamer_places_taken",
        Gauge,
        "Those of them that are there.",
    );
    text.sample(&[], shared.places.taken());
    for (name, help, count) in [
        ("fmp4streamer_requests_total", "Requests.", &counters.requests),
        (
            "fmp4streamer_bad_requests_total",
            "Requests that were no good HTTP.",
            &counters.bad_requests,
        ),
        (
            "fmp4streamer_forbidden_requests_total",
            "Requests by a name or from a page that is not allowed.",
            &counters.forbidden,
        ),
        (
            "fmp4streamer_refused_clients_total",
            "Clients for whom there was no place.",
            &counters.refused,
        ),
        (
            "fmp4streamer_stuck_clients_total",
            "Clients that took nothing for too long.",
            &counters.stuck,
        ),
    ] {
        text.family(name, Counter, help);
        text.sample(&[], count.load(Relaxed));
    }
}

fn of_cameras(text: &mut Text, cameras: &[Camera<'_>]) {
    use Kind::{Counter, Gauge, Histogram};
    text.family(
        "fmp4streamer_camera_state",
        Gauge,
        "1 for the state that the camera is in.",
    );
    for camera in cameras {
        for condition in Condition::ALL {
            let labels = [("camera", camera.name()), ("state", condition.word())];
            text.sample(&labels, u8::from(camera.state.condition == condition));
        }
    }
    let counts: [(&str, &str, Count<State>); 5] = [
        (
            "fmp4streamer_camera_frames_total",
            "Frames that went to viewers.",
            |it| it.frames,
        ),
        (
            "fmp4streamer_camera_key_frames_total",
            "Key frames among them.",
            |it| it.key_frames,
        ),
        ("fmp4streamer_camera_bytes_total", "Bytes of them.", |it| it.bytes),
        (
            "fmp4streamer_camera_opens_total",
            "How often the camera was opened.",
            |it| it.opens,
        ),
        (
            "fmp4streamer_camera_faults_total",
            "Faults of the program that cost the camera a while.",
            |it| it.faults,
        ),
    ];
    for (name, help, count) in counts {
        text.family(name, Counter, help);
        sample_each(text, cameras, |camera| Some(count(&camera.state)));
    }
    text.family(
        "fmp4streamer_camera_frames_lost_total",
        Counter,
        "Frames that did not go to viewers, by reason.",
    );
    for camera in cameras {
        for (reason, count) in REASONS {
            let labels = [("camera", camera.name()), ("reason", reason)];
            text.sample(&labels, count(&camera.state.losses));
        }
    }
    text.family(
        "fmp4streamer_camera_frame_rate",
        Gauge,
        "Frames a second of late.",
    );
    sample_each(text, cameras, |camera| {
        Some(decimal((camera.state.fps * 100.0).round() as u64, 2))
    });
    text.family(
        "fmp4streamer_camera_last_frame_timestamp_seconds",
        Gauge,
        "When the last frame came, in Unix time.",
    );
    sample_each(text, cameras, |camera| {
        let at = clock::unix().saturating_sub(camera.state.last_frame?.elapsed());
        Some(decimal(at.as_millis() as u64, 3))
    });
    text.family(
        "fmp4streamer_frame_interval_seconds",
        Histogram,
        "From capture to capture.",
    );
    for camera in cameras {
        text.histogram(&[("camera", camera.name())], &camera.side.stream.intervals);
    }
    text.family(
        "fmp4streamer_frame_age_seconds",
        Histogram,
        "From capture to the point where all viewers can have it (pushed), and to the sending to each of mp4, ws and mjpeg (sent).",
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
    text.family(
        "fmp4streamer_viewer_lag_seconds",
        Histogram,
        "How far the pictures on pages are behind, as they say once a second.",
    );
    for camera in cameras {
        text.histogram(&[("camera", camera.name())], &camera.side.stream.lags);
    }
    text.family(
        "fmp4streamer_ring_bytes",
        Gauge,
        "Memory that holds the newest frames.",
    );
    sample_each(text, cameras, |camera| {
        let stream = &camera.side.stream;
        Some(stream.ring.bytes() + stream.pictures.bytes())
    });
}

/// Adds a sample of the family for each camera of which there is one.
fn sample_each<T: Display>(
    text: &mut Text,
    cameras: &[Camera<'_>],
    value: impl Fn(&Camera<'_>) -> Option<T>,
) {
    for camera in cameras {
        if let Some(value) = value(camera) {
            text.sample(&[("camera", camera.name())], value);
        }
    }
}

fn of_viewers(text: &mut Text, cameras: &[Camera<'_>]) {
    use Kind::{Counter, Gauge};
    let counts: [(&str, Kind, &str, Count<Sent>); 4] = [
        ("fmp4streamer_clients", Gauge, "Viewers that are there.", |it| {
            it.viewers
        }),
        (
            "fmp4streamer_clients_total",
            Counter,
            "Viewers that ever came.",
            |it| it.came,
        ),
        (
            "fmp4streamer_sent_bytes_total",
            Counter,
            "Bytes sent to viewers.",
            |it| it.bytes,
        ),
        (
            "fmp4streamer_skipped_frames_total",
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
                text.sample(&labels, sent.map_or(0, count));
            }
        }
    }
}

fn of_events(text: &mut Text, cameras: &[Camera<'_>]) {
    text.family("fmp4streamer_events_total", Kind::Counter, "Events.");
    sample_each(text, cameras, |camera| Some(camera.counts.events));
    text.family(
        "fmp4streamer_event_deliveries_total",
        Kind::Counter,
        "What became of events on their way to event_url and event_command.",
    );
    for camera in cameras {
        for (way, outcomes) in Way::WORDS.iter().zip(camera.counts.outcomes) {
            for (outcome, count) in Outcome::WORDS.iter().zip(outcomes) {
                let labels = [("camera", camera.name()), ("way", way), ("outcome", outcome)];
                text.sample(&labels, count);
            }
        }
    }
}

impl Camera<'_> {
    fn name(&self) -> &str {
        &self.side.stream.name
    }
}
