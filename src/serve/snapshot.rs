//! `/snapshot.jpg` and `/snapshot.mp4`: one picture, captured after it was asked for. A camera that sleeps is woken up.

use super::connection::{Connection, Wait};
use super::head::{Head, Method};
use super::routes::{Answer, Stop, not_now};
use super::{CameraSide, mjpeg};
use crate::format::fmp4::Fragment;
use crate::ring::pictures::{self, Picture};
use crate::ring::{Follower, Next};
use crate::stream::{Codec, Who};
use crate::sys::clock;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A camera has so long to give a picture: some webcams take two or three seconds.
const JPEG_TIME: Duration = Duration::from_secs(5);
/// And so long to give a key frame: a camera's own encoder may make none when it is asked to, but one every five seconds
/// or more.
const KEY_TIME: Duration = Duration::from_secs(10);

/// The answer to who wants one picture, coded so.
///
/// # Errors
/// The client has left.
pub(super) fn take(
    connection: &Connection,
    camera: &CameraSide,
    codec: Codec,
    head: &Head,
) -> io::Result<Option<Answer>> {
    find(connection, camera, codec, head).map_or_else(Stop::answer, |answer| Ok(Some(answer)))
}

fn find(connection: &Connection, camera: &CameraSide, codec: Codec, head: &Head) -> Result<Answer, Stop> {
    let (content_type, way) = match codec {
        Codec::Jpeg => ("image/jpeg", "snapshot.jpg"),
        Codec::H264 => ("video/mp4", "snapshot.mp4"),
    };
    if head.method == Method::Head {
        return Ok(Answer::later(content_type));
    }
    let _watching = camera.stream.watch(Who::Net(connection.address), way);
    let (captured_us, bytes) = match codec {
        Codec::Jpeg => {
            let picture = picture(connection, camera)?;
            (picture.captured_us, picture.bytes.clone())
        }
        Codec::H264 => {
            let key = key_frame(connection, camera)?;
            let parts = [&key.init.bytes[..], &key.head(1, key.time_90k), key.payload()];
            (key.captured_us, parts.concat())
        }
    };
    let time = mjpeg::timestamp(captured_us);
    Ok(Answer::fresh(content_type, bytes).with(&format!("X-Timestamp: {time}\r\n")))
}

/// Waits for a JPEG picture that is captured from now on.
pub(super) fn picture(connection: &Connection, camera: &CameraSide) -> Result<Arc<Picture>, Stop> {
    let asked_us = clock::monotonic_us();
    let _want = camera.stream.pictures.subscribe();
    let mut wait = Wait::new(connection, camera, Codec::Jpeg, JPEG_TIME);
    let mut last = 0;
    loop {
        match camera.stream.pictures.next(last, wait.turn()?) {
            pictures::Next::Picture(_, picture) if picture.captured_us >= asked_us => return Ok(picture),
            pictures::Next::Picture(number, _) => last = number,
            pictures::Next::TimedOut => {}
            pictures::Next::Closed => return Err(not_now(camera).into()),
        }
    }
}

/// Waits for a key frame that is captured from now on.
fn key_frame(connection: &Connection, camera: &CameraSide) -> Result<Arc<Fragment>, Stop> {
    let stream = &camera.stream;
    let mut wait = Wait::new(connection, camera, Codec::H264, KEY_TIME);
    let asked_us = clock::monotonic_us();
    let is_good = |fragment: &&Arc<Fragment>| fragment.key && fragment.captured_us >= asked_us;
    let mut follower = Follower::new(&stream.ring, true);
    loop {
        stream.request_key_frame();
        match follower.next(wait.turn()?) {
            Next::Batch(batch) => {
                if let Some(key) = batch.fragments.iter().find(is_good) {
                    return Ok(Arc::clone(key));
                }
            }
            Next::TimedOut | Next::Notified | Next::Blocked => {}
            Next::Closed | Next::Broken => return Err(not_now(camera).into()),
        }
    }
}
