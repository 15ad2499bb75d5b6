//! `/stream.mjpeg`: JPEG pictures in a multipart/x-mixed-replace body, each as soon as it is there and the client has
//! taken the one before. What came in between is left out.

use super::answer::{Answer, Rejection};
use super::connection::{Connection, LOOK_EVERY};
use super::exchange::{Ending, Exchange};
use super::snapshot::{next_picture, timestamp};
use crate::ring::{NextPicture, Picture};
use crate::stream::{Codec, Watching, Who};
use crate::sys::clock;
use std::io::{self, IoSlice};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

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

/// Sends pictures until the client leaves or the stream ends.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take them; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let Some(interval_us) = interval_us(exchange) else {
        let text = "fps is a whole number of pictures a second, such as fps=5";
        return exchange.send(&Answer::text("400 Bad Request", text));
    };
    // There are no chunks, whatever HTTP the client speaks: the parts give their lengths, and many a small client reads
    // them as they come.
    let content_type = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    let begin = exchange.endless_head(&content_type, "");
    if exchange.is_head() {
        exchange.connection.write(begin.as_bytes())?;
        return Ok(Ending::Answered);
    }
    if let Err(full) = exchange.begin_stream() {
        return exchange.send_last(&full, Ending::Refused);
    }
    let (connection, stream) = (exchange.connection, &exchange.camera.stream);
    let _subscription = stream.pictures.subscribe();
    let watching = stream.watch(Who::Net(connection.address), "mjpeg");
    if stream.state().codec.is_none() {
        // What a command gives is known once it has given something.
        match next_picture(exchange) {
            Ok(_) => {}
            Err(Rejection::Answer(answer)) => return exchange.send_last(&answer, Ending::Answered),
            Err(Rejection::Left) => return Ok(Ending::Left),
        }
    }
    let early_head = if exchange.head.for_img { EARLY_HEAD } else { "" };
    let begin = begin + FIRST + early_head;
    connection.write(begin.as_bytes())?;
    follow(exchange, &watching, interval_us, early_head)
}

/// The least time from one picture to the next, by `?fps=`, or 0; `None` if that is no number of pictures.
fn interval_us(exchange: &Exchange<'_>) -> Option<u64> {
    let Some(fps) = exchange.head.asked("fps") else {
        return Some(0);
    };
    let fps: u64 = fps.parse().ok()?;
    1_000_000u64.checked_div(fps)
}

fn follow(
    exchange: &Exchange<'_>,
    watching: &Watching<'_>,
    interval_us: u64,
    early_head: &str,
) -> io::Result<Ending> {
    let (connection, stream) = (exchange.connection, &exchange.camera.stream);
    let viewer = &watching.viewer;
    let mut last = 0;
    let mut due_us = 0;
    let mut looked = Instant::now();
    loop {
        match stream.pictures.next(last, LOOK_EVERY) {
            NextPicture::Picture(number, picture) => {
                let skipped = if last == 0 { 0 } else { number - last - 1 };
                last = number;
                viewer.skipped.fetch_add(skipped, Relaxed);
                if picture.captured_us >= due_us {
                    // In even steps, so that a camera's unsteady hand does not make it less than was asked for; unless
                    // it was late by a whole one.
                    let late = picture.captured_us - due_us >= interval_us;
                    due_us = interval_us + if late { picture.captured_us } else { due_us };
                    part(connection, &picture, early_head)?;
                    let age_us = clock::monotonic_us().saturating_sub(picture.captured_us);
                    viewer.bytes.fetch_add(picture.bytes.len() as u64, Relaxed);
                    stream.note_age(viewer, age_us);
                }
            }
            NextPicture::TimedOut if exchange.none_of(Codec::Jpeg).is_some() => {
                return Ok(Ending::StreamEnded);
            }
            NextPicture::TimedOut => {}
            NextPicture::Closed => return Ok(Ending::StreamEnded),
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            if connection.has_left() {
                return Ok(Ending::Left);
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
    connection.write_slices(&mut slices.map(IoSlice::new))
}
