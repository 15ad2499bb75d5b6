//! `/snapshot.jpg` and `/snapshot.mp4`: one picture, captured after it was asked for. A camera that sleeps is woken up.

use super::connection::{Connection, LOOK_EVERY};
use super::head::{Head, Method};
use super::routes::{self, Answer};
use super::{Shared, mjpeg};
use crate::format::fmp4::Fragment;
use crate::ring::pictures::{self, Picture};
use crate::ring::{Batch, Follower, Next, Outlet};
use crate::stream::Codec;
use crate::sys::clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A camera has so long to give a picture: some webcams take two or three seconds.
const JPEG_TIME: Duration = Duration::from_secs(5);
/// And so long to give a key frame, which not every encoder makes when it is asked to.
const KEY_TIME: Duration = Duration::from_secs(10);

/// The answer to who wants one picture, coded so.
pub(super) fn take(connection: &Connection, shared: &Shared, codec: Codec, head: &Head) -> Answer {
    let (content_type, way) = match codec {
        Codec::Jpeg => ("image/jpeg", "snapshot.jpg"),
        Codec::H264 => ("video/mp4", "snapshot.mp4"),
    };
    if head.method == Method::Head {
        return Answer::later(content_type);
    }
    let _watching = shared.stream.watch(connection.address, way);
    let (captured_us, bytes) = match codec {
        Codec::Jpeg => match picture(shared) {
            Ok(picture) => (picture.captured_us, picture.bytes.clone()),
            Err(answer) => return answer,
        },
        Codec::H264 => match key_frame(shared) {
            Ok(key) => (
                key.captured_us,
                [&key.init.bytes[..], &key.head(1, key.time_90k), key.payload()].concat(),
            ),
            Err(answer) => return answer,
        },
    };
    let time = mjpeg::timestamp(captured_us);
    Answer::fresh(content_type, bytes).with(&format!("X-Timestamp: {time}\r\n"))
}

/// Waits for a JPEG picture that is captured from now on. The error is the answer why there is none.
pub(super) fn picture(shared: &Shared) -> Result<Arc<Picture>, Answer> {
    let asked_us = clock::monotonic_us();
    let deadline = Instant::now() + JPEG_TIME;
    let mut last = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match shared.stream.pictures.next(last, left.min(LOOK_EVERY)) {
            pictures::Next::Picture(_, picture) if picture.captured_us >= asked_us => return Ok(picture),
            pictures::Next::Picture(number, _) => last = number,
            pictures::Next::Nothing if !left.is_zero() => {
                // What a command gives may have become known only now.
                if let Some(answer) = routes::no_jpeg(shared) {
                    return Err(answer);
                }
            }
            pictures::Next::Nothing | pictures::Next::Closed => return Err(none(shared, JPEG_TIME)),
        }
    }
}

/// Waits for a key frame that is captured from now on. The error is the answer why there is none.
fn key_frame(shared: &Shared) -> Result<Arc<Fragment>, Answer> {
    let stream = &shared.stream;
    let deadline = Instant::now() + KEY_TIME;
    let catch = Arc::new(Catch {
        asked_us: clock::monotonic_us(),
        caught: Mutex::default(),
    });
    let mut follower = Follower::new(&stream.ring, true, Arc::clone(&catch) as Arc<dyn Outlet>);
    loop {
        stream.want_key();
        let left = deadline.saturating_duration_since(Instant::now());
        let closed = match follower.next(left.min(LOOK_EVERY)) {
            Next::Batch(batch) => {
                catch.offer(batch);
                false
            }
            Next::Held | Next::Nothing | Next::Called => false,
            Next::Broken | Next::Closed => true,
        };
        if let Some(key) = catch.caught.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(key);
        }
        if let Some(answer) = routes::no_h264(shared) {
            return Err(answer);
        }
        if closed || left.is_zero() {
            return Err(none(shared, KEY_TIME));
        }
    }
}

/// Catches the first key frame that is new enough.
struct Catch {
    asked_us: u64,
    caught: Mutex<Option<Arc<Fragment>>>,
}

impl Outlet for Catch {
    fn offer(&self, batch: &Batch) -> bool {
        let good = |fragment: &&Arc<Fragment>| fragment.key && fragment.captured_us >= self.asked_us;
        let found = batch.fragments.iter().find(good);
        let mut caught = self.caught.lock().unwrap_or_else(PoisonError::into_inner);
        *caught = caught.take().or_else(|| found.cloned());
        caught.is_none()
    }
}

fn none(shared: &Shared, limit: Duration) -> Answer {
    let why = shared.stream.state().why;
    let colon = if why.is_empty() { "" } else { ": " };
    let text = format!("No picture came within {} s{colon}{why}", limit.as_secs());
    Answer::text("503 Service Unavailable", text).with("Retry-After: 5\r\n")
}
