//! `/metrics`, for Prometheus and what reads its format.

use super::answer::Answer;
use super::exchange::{Ending, Exchange};
use super::shared::CameraSide;
use crate::format::json::decimal;
use crate::format::prometheus::{CONTENT_TYPE, Kind, Text};
use crate::stream::{Condition, Losses, Sent, State};
use crate::sys::usage;
use std::env::consts::ARCH;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

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
    });
    let cameras: Vec<Camera<'_>> = cameras.collect();
    let mut text = Text::default();
    of_program(&mut text, exchange);
    of_cameras(&mut text, &cameras);
    of_viewers(&mut text, &cameras);
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
    for (name, kind, help, value) in [
        (
            "fmp4streamer_camera_frames_total",
            Counter,
            "Frames that went to viewers.",
            (|it: &State| it.frames) as Count<State>,
        ),
        (
            "fmp4streamer_camera_key_frames_total",
            Counter,
            "Key frames among them.",
            |it| it.key_frames,
        ),
        (
            "fmp4streamer_camera_bytes_total",
            Counter,
            "Bytes of them.",
            |it| it.bytes,
        ),
        (
            "fmp4streamer_camera_opens_total",
            Counter,
            "How often the camera was opened.",
            |it| it.opens,
        ),
        (
            "fmp4streamer_camera_faults_total",
            Counter,
            "Faults of the program that cost the camera a while.",
            |it| it.faults,
        ),
    ] {
        text.family(name, kind, help);
        for camera in cameras {
            text.sample(&[("camera", camera.name())], value(&camera.state));
        }
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
    for camera in cameras {
        text.sample(
            &[("camera", camera.name())],
            decimal((camera.state.fps * 100.0).round() as u64, 2),
        );
    }
    text.family(
        "fmp4streamer_camera_last_frame_timestamp_seconds",
        Gauge,
        "When the last frame came, in Unix time.",
    );
    for camera in cameras {
        if let Some(last) = camera.state.last_frame {
            let at = SystemTime::now().checked_sub(last.elapsed());
            let at = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            text.sample(
                &[("camera", camera.name())],
                decimal(at.unwrap_or_default().as_millis() as u64, 3),
            );
        }
    }
    text.family(
        "fmp4streamer_frame_interval_seconds",
        Histogram,
        "From capture to capture.",
    );
    for camera in cameras {
        text.histogram(&[("camera", camera.name())], &camera.state.intervals);
    }
    text.family(
        "fmp4streamer_frame_age_seconds",
        Histogram,
        "From capture to the point where all viewers can have it.",
    );
    for camera in cameras {
        text.histogram(
            &[("camera", camera.name()), ("stage", "pushed")],
            &camera.state.pushed,
        );
    }
    text.family(
        "fmp4streamer_ring_bytes",
        Gauge,
        "Memory that holds the newest frames.",
    );
    for camera in cameras {
        let stream = &camera.side.stream;
        text.sample(
            &[("camera", camera.name())],
            stream.ring.bytes() + stream.pictures.bytes(),
        );
    }
}

fn of_viewers(text: &mut Text, cameras: &[Camera<'_>]) {
    use Kind::{Counter, Gauge};
    for (name, kind, help, value) in [
        (
            "fmp4streamer_clients",
            Gauge,
            "Viewers that are there.",
            (|it: &Sent| it.viewers) as Count<Sent>,
        ),
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
    ] {
        text.family(name, kind, help);
        for camera in cameras {
            for protocol in PROTOCOLS {
                let sent = camera.sent.iter().find(|sent| sent.protocol == protocol);
                let labels = [("camera", camera.name()), ("protocol", protocol)];
                text.sample(&labels, sent.map_or(0, value));
            }
        }
    }
}

impl Camera<'_> {
    fn name(&self) -> &str {
        &self.side.stream.name
    }
}
