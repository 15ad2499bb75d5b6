//! `/stream.mjpeg`: JPEG pictures in a multipart/x-mixed-replace body, each as soon as it is there and the client has
//! taken the one before. What came in between is left out.

use super::connection::{
    self, Connection, LOOK_EVERY, WRITE_TIME, has_left, write_slices_within, write_within,
};
use super::head::{Head, Method};
use super::routes::{self, MjpegRequest, Stop};
use super::{CameraSide, Shared, snapshot};
use crate::ring::pictures::{Next, Picture};
use crate::stream::{Codec, Watching, Who};
use crate::sys::clock;
use std::io::{self, IoSlice};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// No JPEG picture can have it: a marker's first byte is never text.
const BOUNDARY: &str = "fmp4streamer-picture";
/// Before the first part (RFC 2046, 5.1.1).
const FIRST: &str = "--fmp4streamer-picture\r\n";
/// After each part, and so before the next: who looks for the boundary is not to wait for the next picture.
const NEXT: &str = "\r\n--fmp4streamer-picture\r\n";
/// Chromium and WebKit show a part only when the head of the next one is there (Blink's
/// MultipartImageResourceParser). So they get that right after the part before, when nobody knows the length of what
/// will come; they don't need it. Other clients do.
const EARLY_HEAD: &str = "Content-Type: image/jpeg\r\n\r\n";

/// Sends pictures until the client leaves, the stream ends or the client is stuck; says which.
pub(super) fn send(
    connection: &Connection,
    shared: &Shared,
    camera: &CameraSide,
    request: &MjpegRequest,
    head: &Head,
) -> &'static str {
    let socket = &connection.socket;
    let begin = begin(head, shared);
    if head.method == Method::Head {
        _ = write_within(socket, begin.as_bytes(), WRITE_TIME);
        connection::linger(socket);
        return "answered";
    }
    let Some(_place) = connection.begin_stream(shared, head) else {
        return "refused";
    };
    let _want = camera.stream.pictures.subscribe();
    let watching = camera.stream.watch(Who::Net(connection.address), "mjpeg");
    if camera.stream.state().codec.is_none() {
        // What a command gives is known once it has given something.
        if let Err(stop) = snapshot::picture(connection, camera) {
            let Stop::Answer(answer) = stop else {
                return "left";
            };
            _ = connection::send(socket, &routes::hygiene_for(head, shared), &answer, true, false);
            connection::linger(socket);
            return "answered";
        }
    }
    let early_head = if head.for_img { EARLY_HEAD } else { "" };
    let begin = begin + FIRST + early_head;
    let outcome = write_within(socket, begin.as_bytes(), WRITE_TIME)
        .and_then(|()| follow(connection, camera, &watching, request, early_head));
    match outcome {
        Ok(how) => {
            connection::linger(socket);
            how
        }
        Err(e) => connection::give_up(socket, shared, &e),
    }
}

/// The response's head. There are no chunks, whatever HTTP the client speaks: the parts tell their lengths, and many a
/// small client reads them as they come.
fn begin(head: &Head, shared: &Shared) -> String {
    let content_type = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    routes::endless(head, shared, &content_type, "")
}

fn follow(
    connection: &Connection,
    camera: &CameraSide,
    watching: &Watching<'_>,
    request: &MjpegRequest,
    early_head: &str,
) -> io::Result<&'static str> {
    let (stream, viewer) = (&camera.stream, &watching.viewer);
    let mut last = 0;
    let mut due_us = 0;
    let mut looked = Instant::now();
    loop {
        match stream.pictures.next(last, LOOK_EVERY) {
            Next::Picture(number, picture) => {
                let skipped = if last == 0 { 0 } else { number - last - 1 };
                last = number;
                viewer.skipped.fetch_add(skipped, Relaxed);
                if picture.captured_us >= due_us {
                    // In even steps, so that a camera's unsteady hand does not make it less than was asked for; unless
                    // it was late by a whole one.
                    let late = picture.captured_us - due_us >= request.interval_us;
                    due_us = request.interval_us + if late { picture.captured_us } else { due_us };
                    part(connection, &picture, early_head)?;
                    viewer.bytes.fetch_add(picture.bytes.len() as u64, Relaxed);
                    let age_us = clock::monotonic_us().saturating_sub(picture.captured_us);
                    viewer.age_us.store(age_us, Relaxed);
                }
            }
            Next::TimedOut if routes::none_of(Codec::Jpeg, camera).is_some() => return Ok("stream ended"),
            Next::TimedOut => {}
            Next::Closed => return Ok("stream ended"),
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            if has_left(&connection.socket) {
                return Ok("left");
            }
        }
    }
}

/// Sends one part, and waits until the client has taken it.
fn part(connection: &Connection, picture: &Picture, early_head: &str) -> io::Result<()> {
    let head = if early_head.is_empty() {
        format!(
            "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}\r\n\r\n",
            picture.bytes.len(),
            timestamp(picture.captured_us)
        )
    } else {
        String::new()
    };
    let slices = [
        head.as_bytes(),
        &picture.bytes,
        NEXT.as_bytes(),
        early_head.as_bytes(),
    ];
    write_slices_within(&connection.socket, &mut slices.map(IoSlice::new), WRITE_TIME)
}

/// The wall clock's time of a capture, in seconds as mjpg-streamer writes them.
pub(super) fn timestamp(captured_us: u64) -> String {
    let age = Duration::from_micros(clock::monotonic_us().saturating_sub(captured_us));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = now.saturating_sub(age);
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}
