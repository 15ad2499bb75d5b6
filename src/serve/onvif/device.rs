//! The answers to recorders, at `/onvif/device_service` and `/onvif/media_service`.

use super::{discovery, texts};
use crate::format::Codec;
use crate::format::soap::{self, Message, escape, fill};
use crate::format::time::UtcDate;
use crate::people::{Credentials, Grant};
use crate::serve::answer::Answer;
use crate::serve::exchange::{Ending, Exchange};
use crate::serve::login;
use crate::serve::shared::CameraSide;
use crate::sys::clock;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// A request may have this many bytes.
const REQUEST_BYTES: usize = 16 * 1024;
const SOAP: &str = "application/soap+xml; charset=utf-8";
const BAD: &str = "400 Bad Request";
/// What a camera is said to give that has not been open yet: width and height, frames and kilobits a second.
const UNKNOWN: (u32, u32, u64, u64) = (1280, 720, 25, 2000);

/// Answers a request.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let shared = exchange.shared;
    let Some(rtsp_port) = shared.rtsp_port.filter(|_| shared.settings.onvif) else {
        let text = "ONVIF is off here; onvif = yes in [server] of the config changes that";
        return exchange.send(&Answer::text("404 Not Found", text));
    };
    match exchange.body(REQUEST_BYTES) {
        Ok(body) => exchange.send(&answer(exchange, &body, rtsp_port)),
        Err(rejection) => exchange.end(Err(rejection)),
    }
}

fn answer(exchange: &Exchange<'_>, body: &[u8], rtsp_port: u16) -> Answer {
    let Some(message) = soap::read(body) else {
        return fault(BAD, "WellFormed", "This is no SOAP message");
    };
    // Both services have an operation of the same name.
    let service = if exchange.path.ends_with("media_service") {
        "trt"
    } else {
        "tds"
    };
    let mut found = None;
    for (name, text) in texts::all() {
        // Others have no space in their names.
        let Some((operation, about)) = name.split_once(' ') else {
            break;
        };
        if soap::local(operation) == message.operation && (found.is_none() || operation.starts_with(service))
        {
            found = Some((operation, about, text));
        }
    }
    let Some((operation, about, text)) = found else {
        return fault(BAD, "ActionNotSupported", "This operation is not supported");
    };
    let mut text = texts::fill(text, &[]);
    if about != "anybody" {
        let Some(grant) = grant(exchange, &message) else {
            let reason = "The name or the password is wrong, or the clock that the digest is of";
            let challenge = exchange.shared.people.challenge(exchange.is_stale) + login::CHALLENGE;
            return fault("401 Unauthorized", "NotAuthorized", reason).with(&challenge);
        };
        if about != "device" {
            let mut of_cameras = String::new();
            for camera in exchange.shared.cameras.iter() {
                let (name, token) = (&camera.stream.name, &message.token);
                let is_meant = about == "every" || token.is_empty() || name == token;
                if is_meant && grant.rights().include(name) {
                    of_cameras += &of_camera(&text, camera);
                    if about == "one" {
                        break;
                    }
                }
            }
            if about == "one" && of_cameras.is_empty() {
                return fault(BAD, "NoProfile", "There is no camera of this token");
            }
            text = of_cameras;
        }
    }
    let body = texts::fill("{response}", &[("{text}", &text), ("{operation}", operation)]);
    respond(&of_device(exchange, &body, rtsp_port))
}

/// What is allowed to who asks: by the name and password of the message, or else by what the request's head says.
fn grant(exchange: &Exchange<'_>, message: &Message) -> Option<Arc<Grant>> {
    if message.user.name.is_empty() {
        return exchange.grant.clone();
    }
    let (shared, from) = (exchange.shared, exchange.connection.address.ip());
    let credentials = Credentials {
        user_token: Some(&message.user),
        ..Credentials::default()
    };
    let grant = shared.people.admit(&credentials, from);
    let grant = grant.inspect_err(|denial| login::note(denial, from)).ok()?;
    Some(shared.note_grant(exchange.connection, grant))
}

/// A text about a camera.
fn of_camera(text: &str, camera: &CameraSide) -> String {
    let state = camera.stream.state();
    let or = |known: u64, unknown: u64| if known == 0 { unknown } else { known };
    let (width, height) = state.size.unwrap_or((UNKNOWN.0, UNKNOWN.1));
    let fps = or(state.fps.round() as u64, UNKNOWN.2);
    let kbps = or(state.bitrate_bps / 1000, UNKNOWN.3);
    let group = or(state.key_interval_ms.unwrap_or(0) * fps / 1000, fps);
    // Rec. ITU-T H.264, A.2; the schema knows no others.
    let profile = match state.init.as_ref().and_then(|init| init.parameters.sps.get(1)) {
        Some(66) => "Baseline",
        Some(77) => "Main",
        Some(88) => "Extended",
        _ => "High",
    };
    let codec = match state.codec {
        Some(Codec::Jpeg) => "JPEG",
        _ => "H264",
    };
    // There are texts of either codec.
    let text = fill(text, &[("{codec}", codec)]);
    let mut text = texts::fill(&text, &[("{h264_profile}", profile)]);
    for (hole, number) in [
        ("{width}", width.into()),
        ("{height}", height.into()),
        ("{fps}", fps),
        ("{kbps}", kbps),
        ("{group}", group),
    ] {
        text = fill(&text, &[(hole, &number.to_string())]);
    }
    fill(
        &text,
        &[("{root}", &camera.root), ("{name}", &camera.stream.name)],
    )
}

/// A text about the device, as it is reached by who asks: a name or an address that leads here from there.
fn of_device(exchange: &Exchange<'_>, text: &str, rtsp_port: u16) -> String {
    let (shared, head) = (exchange.shared, exchange.head);
    let (mut host, mut port) = (String::new(), String::new());
    if let Some(named) = &head.host {
        host.clone_from(named);
        port = head.port.map_or(port, |port| format!(":{port}"));
    } else if let Ok(own) = exchange.connection.socket.local_addr() {
        host = SocketAddr::new(own.ip().to_canonical(), own.port()).to_string();
        port = host.split_off(host.rfind(':').unwrap_or(host.len()));
    }
    let scheme = if head.by_https { "https" } else { "http" };
    let gives_jpeg = shared.cameras.iter().any(|camera| {
        let state = camera.stream.state();
        state.jpeg_too || state.codec == Some(Codec::Jpeg)
    });
    let uuid = &*shared.uuid;
    let date = UtcDate(clock::unix().as_millis() as u64).to_string();
    let part = |from: usize, to: usize| date.get(from..to).unwrap_or_default();
    // Recorders know a camera by it, and there may be two programs on one machine: an address of its own (IEEE 802, local bit).
    let mut mac = "02".to_string();
    for at in [0, 2, 4, 6, 9] {
        mac = mac + ":" + uuid.get(at..at + 2).unwrap_or_default();
    }
    fill(
        text,
        &[
            ("{year}", part(0, 4)),
            ("{month}", part(5, 7)),
            ("{day}", part(8, 10)),
            ("{hour}", part(11, 13)),
            ("{minute}", part(14, 16)),
            ("{second}", part(17, 19)),
            ("{snapshot}", if gives_jpeg { "true" } else { "false" }),
            ("{program}", env!("CARGO_PKG_VERSION")),
            ("{uuid}", uuid),
            ("{mac}", &mac),
            ("{host_name}", &discovery::host_name(shared.access.own_names())),
            ("{rtsp_port}", &rtsp_port.to_string()),
            ("{scheme}", scheme),
            ("{port}", &port),
            ("{base_path}", &shared.settings.base_path),
            ("{host}", &escape(&host)),
        ],
    )
}

fn fault(status: &'static str, code: &str, reason: &str) -> Answer {
    respond(&texts::fill("{fault}", &[("{code}", code), ("{reason}", reason)])).with_status(status)
}

fn respond(body: &str) -> Answer {
    Answer::fresh(SOAP, texts::fill("{envelope}", &[("{body}", body)]).into_bytes())
}
