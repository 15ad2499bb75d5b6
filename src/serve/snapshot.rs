//! `/snapshot.jpg` and `/snapshot.mp4`: one picture, captured after it was asked for. A camera that sleeps is woken up; of
//! one that gives a picture now and then it is the newest that there is, with its time.

use super::answer::{Answer, Rejection};
use super::exchange::{Ending, Exchange};
use crate::format::fmp4::Fragment;
use crate::ring::{Follower, Next, NextPicture, Picture};
use crate::stream::{Codec, Watching, Who};
use crate::sys::clock;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A camera has this long to give a picture: some webcams take two or three seconds.
const JPEG_TIME: Duration = Duration::from_secs(5);
/// A camera has this long to give a key frame: its own encoder may make none when it is asked to, but one every five
/// seconds or more.
const KEY_TIME: Duration = Duration::from_secs(10);

/// A camera whose pictures are known to take longer has so much at most: clients are not more patient.
const SLOW_TIME: Duration = Duration::from_secs(25);

/// Sends one JPEG picture.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn jpeg(exchange: &Exchange<'_>) -> io::Result<Ending> {
    const TYPE: &str = "image/jpeg";
    if exchange.is_head() {
        return exchange.send(&Answer::head_only(TYPE));
    }
    let _watching = watch(exchange, "snapshot.jpg");
    let picture = next_picture(exchange);
    exchange.end(picture.map(|picture| answer(TYPE, picture.bytes.clone(), picture.captured_us)))
}

/// Sends one H.264 picture, as an MP4 file.
///
/// # Errors
/// Those of [`jpeg`].
pub fn mp4(exchange: &Exchange<'_>) -> io::Result<Ending> {
    const TYPE: &str = "video/mp4";
    if exchange.is_head() {
        return exchange.send(&Answer::head_only(TYPE));
    }
    let _watching = watch(exchange, "snapshot.mp4");
    exchange.end(next_key_frame(exchange).map(|key| {
        let mut bytes = key.init.bytes(false).to_vec();
        key.head(1, key.time_90k, &mut bytes);
        bytes.extend_from_slice(key.payload());
        answer(TYPE, bytes, key.captured_us)
    }))
}

fn watch<'a>(exchange: &'a Exchange<'_>, protocol: &'static str) -> Watching<'a> {
    let who = Who::Net(exchange.connection.address);
    exchange.camera.stream.watch(who, protocol)
}

fn answer(content_type: &'static str, bytes: Vec<u8>, captured_us: u64) -> Answer {
    let time = timestamp(captured_us);
    Answer::fresh(content_type, bytes).with(&format!("X-Timestamp: {time}\r\n"))
}

/// True if the next picture may take too long to be waited for.
fn is_slow(exchange: &Exchange<'_>) -> bool {
    exchange.camera.stream.state().patience > JPEG_TIME
}

/// The time that a picture is waited for, at least this.
fn limit(exchange: &Exchange<'_>, least: Duration) -> Duration {
    least.max(exchange.camera.stream.state().patience.min(SLOW_TIME))
}

/// Waits for a JPEG picture that is captured from now on.
///
/// # Errors
/// There is none, or the client has left.
pub fn next_picture(exchange: &Exchange<'_>) -> Result<Arc<Picture>, Rejection> {
    let asked_us = clock::monotonic_us();
    let pictures = &exchange.camera.stream.pictures;
    let _subscription = pictures.subscribe();
    let mut wait = exchange.wait(Codec::Jpeg, limit(exchange, JPEG_TIME));
    let (mut last, mut newest) = (0, None);
    loop {
        match pictures.next(last, wait.turn()?) {
            NextPicture::Picture(_, picture) if picture.captured_us >= asked_us => return Ok(picture),
            NextPicture::Picture(number, picture) => (last, newest) = (number, Some(picture)),
            // Not before this turn is over: when a camera has just begun, its pace is not known, and may be a quick one.
            NextPicture::TimedOut => {
                if let Some(picture) = newest.take_if(|_| is_slow(exchange)) {
                    return Ok(picture);
                }
            }
            NextPicture::Closed => return Err(exchange.not_now().into()),
        }
    }
}

/// Waits for a key frame that is captured from now on.
fn next_key_frame(exchange: &Exchange<'_>) -> Result<Arc<Fragment>, Rejection> {
    let stream = &exchange.camera.stream;
    let mut wait = exchange.wait(Codec::H264, limit(exchange, KEY_TIME));
    let asked_us = clock::monotonic_us();
    let slow = is_slow(exchange);
    let is_good = |fragment: &&Arc<Fragment>| fragment.key && (fragment.captured_us >= asked_us || slow);
    let mut follower = Follower::new(&stream.ring, !slow);
    loop {
        stream.request_key_frame();
        match follower.next(wait.turn()?) {
            Next::Batch(batch) => {
                if let Some(key) = batch.fragments.iter().find(is_good) {
                    return Ok(Arc::clone(key));
                }
            }
            Next::TimedOut | Next::Notified | Next::Called | Next::Blocked => {}
            Next::Closed | Next::Broken => return Err(exchange.not_now().into()),
        }
    }
}

/// The wall clock's time of a capture, in seconds as mjpg-streamer writes them.
pub fn timestamp(captured_us: u64) -> String {
    let age = Duration::from_micros(clock::monotonic_us().saturating_sub(captured_us));
    let time = clock::unix().saturating_sub(age);
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}
