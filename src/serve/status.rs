//! `/status` and `/healthz`.

use super::answer::Answer;
use super::exchange::{Ending, Exchange};
use super::shared::CameraSide;
use crate::format::json::{Object, array, decimal, or_null};
use crate::stream::{Codec, Condition, State, Viewer};
use crate::sys::clock;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A stream that is live and gives no frame for this long is stale.
const STALE: Duration = Duration::from_secs(3);
/// A camera may take this long to give its first frame.
const START_TIME: Duration = Duration::from_secs(8);

/// The reason why the stream is not healthy; `None` if it is.
fn trouble(state: &State) -> Option<String> {
    match state.condition {
        Condition::Asleep => None,
        Condition::Live => match state.last_frame.map(|t| t.elapsed()) {
            Some(age) if age > STALE.max(state.patience) => Some(format!("no frame for {} s", age.as_secs())),
            _ => None,
        },
        Condition::Starting => {
            let age = state.since.map_or(Duration::ZERO, |since| since.elapsed());
            let why = match state.why.as_str() {
                "" => String::new(),
                why => format!(": {why}"),
            };
            let limit = START_TIME.max(state.patience);
            (age > limit).then(|| format!("no picture for {} s{why}", age.as_secs()))
        }
        Condition::Lost | Condition::Refused => Some(state.why.clone()),
    }
}

/// What is to be said of a stream that is healthy; empty if nothing is.
fn remark(state: &State) -> String {
    let age = state.last_frame.map(|t| t.elapsed()).filter(|age| *age > STALE);
    match age.filter(|_| state.condition == Condition::Live && state.why.is_empty()) {
        Some(age) => format!(
            "waiting for the next picture; the last one is {} s old",
            age.as_secs()
        ),
        None if state.why.is_empty() && !state.recorder.1.is_empty() => {
            format!("recording is stopped: {}", state.recorder.1)
        }
        None => state.why.clone(),
    }
}

/// Sends 200 while frames are fresh or nobody asks for any, else 503 with the reason; for all cameras together.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn health(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let mut status = "200 OK";
    let mut lines = Vec::new();
    for camera in &*exchange.cameras {
        let state = camera.stream.state();
        let trouble = trouble(&state);
        if trouble.is_some() {
            status = "503 Service Unavailable";
        }
        let word = state.condition.word();
        let text = trouble.unwrap_or_else(|| match remark(&state).as_str() {
            remark if state.condition == Condition::Live && !remark.is_empty() => format!("{word}: {remark}"),
            _ => word.into(),
        });
        lines.push(match &*exchange.cameras {
            // Monitors bring no password, and reasons name devices.
            _ if exchange.grant.is_none() => continue,
            [_] => text,
            _ => format!("{}: {text}", camera.stream.name),
        });
    }
    if lines.is_empty() {
        lines.push("log in to see more".into());
    }
    exchange.send(&Answer::text(status, lines.join("\n")))
}

/// Sends everything that is known, as JSON.
///
/// # Errors
/// Those of [`health`].
pub fn report(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let shared = exchange.shared;
    let counters = &shared.counters;
    let grant = exchange.grant.as_ref();
    let cameras: Vec<String> = exchange.cameras.iter().map(|it| of_camera(it)).collect();
    // The reason may be a camera that this one does not see.
    let sandbox = match cameras.len() < shared.cameras.len() {
        true => shared.sandbox.split(':').next().unwrap_or_default(),
        false => &shared.sandbox,
    };
    let report = Object::new()
        .text("version", env!("CARGO_PKG_VERSION"))
        .text("sandbox", sandbox)
        .text_or_null("user", grant.and_then(|grant| grant.user()))
        .text_or_null("role", grant.map(|grant| grant.rights().role.word()))
        .member("login", !shared.people.are_all_welcome())
        .member("uptime_s", shared.started.elapsed().as_secs())
        .member("clock_us", clock::monotonic_us())
        .member("clients", shared.places.taken())
        .member("max_clients", shared.settings.max_clients)
        .member("connections", shared.count_connections().0)
        .member("requests", counters.requests.load(Relaxed))
        .member("bad_requests", counters.bad_requests.load(Relaxed))
        .member("forbidden", counters.forbidden.load(Relaxed))
        .member("refused", counters.refused.load(Relaxed))
        .member("stuck_clients", counters.stuck.load(Relaxed))
        .number_or_null("rtsp_port", shared.rtsp_port.map(u64::from))
        .member("onvif", shared.settings.onvif)
        .member("cameras", array(&cameras))
        .end();
    exchange.send(&Answer::fresh("application/json", report.into_bytes()))
}

fn of_camera(camera: &CameraSide) -> String {
    let stream = &camera.stream;
    let state = stream.state();
    let trouble = trouble(&state);
    let viewers = stream.viewers();
    let clients = viewers.iter().map(|viewer| {
        let lag_ms = Some(viewer.lag_ms.load(Relaxed)).filter(|ms| *ms != Viewer::UNKNOWN_LAG);
        Object::new()
            .text("who", &viewer.who.to_string())
            .text("protocol", viewer.protocol)
            .member("connected_s", viewer.since.elapsed().as_secs())
            .member("bytes_sent", viewer.bytes.load(Relaxed))
            .member("frames_skipped", viewer.skipped.load(Relaxed))
            .member("age_ms", decimal(viewer.age_us.load(Relaxed), 3))
            .number_or_null("lag_ms", lag_ms)
            .end()
    });
    let clients = array(&clients.collect::<Vec<_>>());
    let losses = state.losses;
    let drops = Object::new()
        .member("sequence_gaps", losses.gaps)
        .member("damaged", losses.damaged)
        .member("closed_early", losses.closed_early)
        .member("short", losses.short)
        .member("unreadable", losses.unreadable)
        .member("after_loss", losses.after_loss)
        .member("bad_time", losses.bad_time)
        .member("slow", losses.slow)
        .text("last_fault", &state.last_fault)
        .end();
    let codecs = state.init.as_ref().map(|init| init.codecs(true));
    let newest = stream.ring.newest();
    Object::new()
        .text("name", &stream.name)
        .text("source", &state.source)
        .text("input", &state.input)
        .text("signal", &state.signal)
        .text("chain", &state.chain)
        .text("chain_why", &state.chain_why)
        .text("mic", &state.mic[0])
        .text("mic_why", &state.mic[1])
        .text("recorder", state.recorder.0)
        .text("recorder_why", &state.recorder.1)
        .text("state", state.condition.word())
        .text("reason", &trouble.clone().unwrap_or_else(|| remark(&state)))
        .member(
            "since_s",
            state.since.map_or(0, |since| since.elapsed().as_secs()),
        )
        .member("healthy", trouble.is_none())
        .member("placeholder", state.placeholder)
        .member("motion", or_null(stream.motion.describe()))
        .text_or_null("codec", state.codec.map(Codec::word))
        .member("rotation", state.rotation)
        .text_or_null("codecs", codecs.as_deref())
        .number_or_null("width", state.size.map(|(width, _)| width.into()))
        .number_or_null("height", state.size.map(|(_, height)| height.into()))
        .member("fps", decimal((state.fps * 100.0).round() as u64, 2))
        .member("bitrate_bps", state.bitrate_bps)
        .number_or_null("key_frame_interval_ms", state.key_interval_ms)
        .member("frames", state.frames)
        .member("faults", state.faults)
        .number_or_null(
            "last_frame_age_ms",
            state.last_frame.map(|at| at.elapsed().as_millis() as u64),
        )
        .number_or_null("captured_us", newest.as_ref().map(|it| it.captured_us))
        .number_or_null("media_90k", newest.as_ref().map(|it| it.time_90k))
        .member("drops", drops)
        .member("ring_bytes", stream.ring.bytes() + stream.pictures.bytes())
        .member("hls_bytes", camera.hls.bytes())
        .member("clients", clients)
        .end()
}
