//! A client that plays: its thread follows the ring, and answers what comes in between.

use super::session::{Session, Then, complain};
use super::wire::Rtp;
use crate::format::jpeg::{self, RtpPicture};
use crate::ring::{Follower, Next, NextPicture, Sink};
use crate::serve::{Ending, LiveSink, Phase, READS};
use crate::stream::{Codec, Condition, Stream, Viewer};
use crate::sys::clock;
use crate::sys::sock::{self, Input};
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// While no picture comes, the client is sent reports so often: go2rtc gives up after five seconds without a byte.
const QUIET: Duration = Duration::from_secs(2);
/// The requests of who is sent JPEG pictures are looked at so often, where no picture comes.
const LOOK: Duration = Duration::from_millis(250);
/// A camera that gives nothing may stay away for so long. Then the client is to notice.
const LOST_US: u64 = 15_000_000;
/// A client that is sent datagrams, of which nobody tells whether they arrive, is gone after so long without a word.
const SILENCE: Duration = Duration::from_secs(60);
/// A pause may be so long.
const PAUSE_US: u64 = 60_000_000;
/// However many losses a client reports, it is sent a key frame for them no more often than that.
const REPAIR_US: u64 = 5_000_000;

/// Sends the stream until the client leaves or the stream ends.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(session: &mut Session<'_>) -> io::Result<Ending> {
    let connection = session.connection;
    let Some(camera) = &session.camera else {
        return Ok(Ending::Refused);
    };
    connection.enter(Phase::Stream);
    connection.keep_unsent_low();
    let stream = camera.stream;
    let now_us = clock::monotonic_us();
    let wire = Rtp {
        tracks: mem::take(&mut session.tracks),
        udp: mem::take(&mut session.udp),
        init: camera.init.clone(),
        cname: session.id.as_bytes().first_chunk().copied().unwrap_or_default(),
        is_paused: false,
        waits: true,
        since_90k: 0,
        sent_us: now_us,
        reported_us: now_us,
        is_over: false,
    };
    let sink = LiveSink::new(connection, stream, &camera.watching, wire);
    if camera.init.is_none() {
        let viewer = Arc::clone(&camera.watching.viewer);
        return serve_jpeg(session, stream, &sink, &viewer);
    }
    // From the next key frame on: what has been since the last one would stay between camera and player as a delay.
    let mut follower = Follower::shared(&stream.ring, true, Arc::clone(&sink) as Arc<dyn Sink>);
    let (called, wake) = (Arc::clone(stream), follower.wake());
    let call = Box::new(move || called.ring.call(&wake));
    let epoll = session.shared.inputs.epoll(&session.shared.connections);
    _ = epoll.and_then(|epoll| connection.call_on_input(epoll, call));
    stream.request_key_frame();
    let mut room = Vec::new();
    let mut looked = Instant::now();
    // Other requests may have come with the one that had it play.
    let mut ending = look(session, stream, &sink)?;
    loop {
        if let Some(ending) = ending {
            return Ok(ending);
        }
        let mut is_due = looked.elapsed() >= QUIET;
        match follower.next(QUIET) {
            Next::Batch(batch) => {
                sink.try_send(batch, &mut room);
                flush(&sink)?;
            }
            Next::Blocked => flush(&sink)?,
            Next::TimedOut | Next::Called => is_due = true,
            // The camera gives something else now.
            Next::Notified if stream.codec() == Some(Codec::Jpeg) => return Ok(Ending::StreamEnded),
            Next::Notified => {}
            Next::Broken => return Err(io::Error::other("a fault of this program")),
            Next::Closed => return Ok(Ending::StreamEnded),
        }
        if sink.with_wire(|wire| wire.is_over) {
            return Ok(Ending::StreamEnded);
        }
        if is_due {
            ending = look(session, stream, &sink)?;
            looked = Instant::now();
        }
    }
}

/// Sends the newest of a camera's JPEG pictures, again and again, but for those that RTP can't carry.
fn serve_jpeg(
    session: &mut Session<'_>,
    stream: &Stream,
    sink: &LiveSink<Rtp>,
    viewer: &Viewer,
) -> io::Result<Ending> {
    // `good_us`: when the last picture was captured that could be sent, or was not to be.
    let (mut last, mut size, mut good_us) = (0, None, clock::monotonic_us());
    loop {
        let is_paused = sink.with_wire(|wire| wire.is_paused);
        match stream.pictures.next(last, LOOK) {
            NextPicture::Picture(number, newest) if is_paused => {
                (last, good_us) = (number, newest.captured_us)
            }
            NextPicture::Picture(number, newest) => {
                let before = mem::replace(&mut size, jpeg::size(&newest.bytes));
                if before.is_some() && before != size {
                    return Ok(Ending::StreamEnded);
                }
                let mut skipped = if last == 0 { 0 } else { number - last - 1 };
                last = number;
                match RtpPicture::parse(&newest.bytes) {
                    Ok(picture) => {
                        good_us = newest.captured_us;
                        put(sink, |wire, out| wire.add_jpeg(&picture, good_us, out))?;
                        viewer.bytes.fetch_add(newest.bytes.len() as u64, Relaxed);
                        stream.note_age(viewer, clock::monotonic_us().saturating_sub(good_us));
                    }
                    Err(why) if newest.captured_us >= good_us + LOST_US => {
                        complain(stream, why);
                        return Ok(Ending::StreamEnded);
                    }
                    Err(_) => skipped += 1,
                }
                viewer.skipped.fetch_add(skipped, Relaxed);
            }
            NextPicture::TimedOut if stream.codec() == Some(Codec::H264) => return Ok(Ending::StreamEnded),
            NextPicture::TimedOut => {}
            NextPicture::Closed => return Ok(Ending::StreamEnded),
        }
        if let Some(ending) = look(session, stream, sink)? {
            return Ok(ending);
        }
    }
}

/// Sends what is put together, and waits for it.
fn put(sink: &LiveSink<Rtp>, add: impl FnOnce(&mut Rtp, &mut Vec<u8>)) -> io::Result<()> {
    let mut bytes = Vec::new();
    sink.with_wire(|wire| {
        add(wire, &mut bytes);
        wire.divert(&mut bytes);
    });
    flush(sink)?;
    sink.write(&bytes)
}

/// Sends what did not go at once, and waits for it.
fn flush(sink: &LiveSink<Rtp>) -> io::Result<()> {
    sink.with_wire(|wire| wire.udp.send(true));
    sink.flush()
}

/// Answers what the client has sent, sends reports where there was nothing else for a while, and says whether it ends.
fn look(session: &mut Session<'_>, stream: &Stream, sink: &LiveSink<Rtp>) -> io::Result<Option<Ending>> {
    let connection = session.connection;
    let mut buffer = [0; 4096];
    for _ in 0..READS {
        while let Some((answer, then)) = session.answer() {
            sink.write(answer.as_bytes())?;
            match then {
                Then::Next => {}
                Then::End => return Ok(Some(Ending::Answered)),
                Then::Play | Then::Pause => {
                    if sink.with_wire(|wire| wire.pause(then == Then::Pause)) {
                        stream.request_key_frame();
                    }
                }
            }
        }
        match sock::read_now(&connection.socket, &mut buffer) {
            Input::Bytes(bytes) => {
                session.heard = Instant::now();
                session.reader.take(&buffer[..bytes]);
            }
            Input::Nothing => break,
            Input::Ended => return Ok(Some(Ending::Left)),
        }
    }
    connection.looked();
    let (is_udp, is_jpeg, heard) =
        sink.with_wire(|wire| (wire.udp.is_used(), wire.init.is_none(), wire.udp.listen()));
    if heard.anything {
        session.heard = Instant::now();
    }
    let now_us = clock::monotonic_us();
    if heard.loss && !is_jpeg && now_us >= session.repaired_us + REPAIR_US {
        session.repaired_us = now_us;
        stream.request_key_frame();
    }
    if is_udp && session.heard.elapsed() >= SILENCE {
        return Ok(Some(Ending::Idle));
    }
    let (sent_us, reported_us, is_paused) =
        sink.with_wire(|wire| (wire.sent_us, wire.reported_us, wire.is_paused));
    let quiet_us = now_us.saturating_sub(sent_us);
    if is_paused && quiet_us >= PAUSE_US {
        return Ok(Some(Ending::Idle));
    }
    if !is_paused && quiet_us >= LOST_US && is_away(stream, is_jpeg) {
        return Ok(Some(Ending::StreamEnded));
    }
    if now_us.saturating_sub(sent_us.max(reported_us)) >= QUIET.as_micros() as u64 {
        put(sink, |wire, out| wire.report(now_us, out))?;
    }
    Ok(None)
}

/// True if the camera gives nothing that could be sent.
fn is_away(stream: &Stream, is_jpeg: bool) -> bool {
    let state = stream.state();
    state.condition != Condition::Live || (state.codec == Some(Codec::Jpeg)) != is_jpeg
}
