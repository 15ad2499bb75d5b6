//! `/clip.mp4`: the last seconds out of the ring, and the next ones, as a file with an end.

use super::answer::{Answer, NO_STORE};
use super::connection::LOOK_EVERY;
use super::exchange::{Ending, Exchange};
use super::places::Place;
use super::snapshot;
use crate::config::Role;
use crate::format::fmp4::{Fragment, Index, Init, Origin, REFERENCE_BYTES, Samples, head};
use crate::ring::{Follower, Next};
use crate::stream::Who;
use crate::sys::clock;
use std::io;
use std::sync::Arc;
use std::time::Duration;

const TYPE: &str = "video/mp4";
/// No clip goes on for longer.
pub const MOST_S: i64 = 3600;
/// Without `before`.
const BEFORE_S: i64 = 10;
/// So many are sent at a time: each may hold all that was in a ring, for as long as its client takes.
const MOST_CLIPS: usize = 4;
const PIECE_BYTES: usize = 64 << 10;
/// A camera that has given nothing for so long after a clip's end gives no more of it.
const LATE_US: u64 = 2_000_000;

/// Sends `?before=10&for=20`: from the key frame at or before ten seconds ago on, up to twenty seconds from now. Without a future all is
/// known before the first byte, and there is a length and an index.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let seconds = |name, default| match exchange.head.asked(name) {
        Some(text) => text.parse().ok().filter(|s| (-MOST_S..=MOST_S).contains(s)),
        None => Some(default),
    };
    let (Some(before_s), Some(for_s)) = (seconds("before", BEFORE_S), seconds("for", 0)) else {
        let text = "before= and for= take whole numbers of seconds, up to 3600";
        return exchange.send(&Answer::text("400 Bad Request", text));
    };
    if exchange.is_head() {
        return exchange.send(&Answer::head_only(TYPE));
    }
    if let Err(full) = exchange.begin_stream() {
        return exchange.send_last(&full, Ending::Refused);
    }
    let _clip = match take_place(exchange) {
        Ok(place) => place,
        Err(full) => return exchange.send_last(&full, Ending::Refused),
    };
    let stream = &exchange.camera.stream;
    let _watching = stream.watch(Who::Net(exchange.connection.address), "clip");
    let now_us = clock::monotonic_us();
    let time_us = |s: i64| now_us.saturating_add_signed(s * 1_000_000);
    let mut clip = Clip {
        ends_us: time_us(for_s),
        init: None,
        fragments: Vec::new(),
        is_over: for_s <= 0,
    };
    let mut follower = Follower::since(&stream.ring, time_us(-before_s));
    loop {
        match follower.next(Duration::ZERO) {
            Next::Batch(batch) => clip.take(&batch.fragments),
            Next::Notified => {}
            _ => break,
        }
    }
    match clip.is_over {
        true => clip.send(exchange),
        false => clip.follow(exchange, &mut follower),
    }
}

/// Takes one of the places for clips. There is one more for who runs the camera: who has a link may hold all others for an hour.
///
/// # Errors
/// The answer where none is left.
pub fn take_place(exchange: &Exchange<'_>) -> Result<Place, Answer> {
    let grant = exchange.grant.as_ref();
    let is_admin = grant.is_some_and(|grant| grant.rights().role == Role::Admin);
    let place = exchange.shared.clips.take(MOST_CLIPS + usize::from(is_admin));
    place.ok_or_else(|| {
        let text = format!("{MOST_CLIPS} clips are being sent, and no more at a time; try again in a while");
        Answer::text("503 Service Unavailable", text).with("Retry-After: 5\r\n")
    })
}

/// What is to be sent yet.
struct Clip {
    /// The capture time from which on nothing belongs to it.
    ends_us: u64,
    /// That of the first fragment.
    init: Option<Arc<Init>>,
    fragments: Vec<Arc<Fragment>>,
    /// Nothing that comes belongs to it.
    is_over: bool,
}

impl Clip {
    /// Takes what belongs to it of what comes next.
    fn take(&mut self, fragments: &[Arc<Fragment>]) {
        for fragment in fragments {
            let init = self.init.get_or_insert_with(|| Arc::clone(&fragment.init));
            if fragment.captured_us >= self.ends_us || !init.serves(&fragment.init) {
                // What is heard beside the last picture may be pushed behind the next one.
                self.is_over = true;
            } else {
                self.fragments.push(Arc::clone(fragment));
            }
        }
    }

    /// Sends what there is, as a file that is whole.
    fn send(self, exchange: &Exchange<'_>) -> io::Result<Ending> {
        let Some(first) = self.fragments.first() else {
            let text = "Nothing of that time is in memory; clip_s in the config says how much is kept, and a camera that sleeps has none";
            return exchange.send_last(&Answer::text("503 Service Unavailable", text), Ending::Refused);
        };
        let age_us = clock::monotonic_us().saturating_sub(first.captured_us);
        let origin = Origin {
            camera: &exchange.camera.stream.name,
            run: 0,
            epoch: first.epoch,
            media_90k: first.zero_90k(),
            wall_us: (clock::unix().as_micros() as u64).saturating_sub(age_us),
            synced: false,
        };
        let (mut index, mut length) = (Index::default(), 0);
        self.film(&mut |parts| {
            length += index.add(parts[0], u64::MAX).unwrap_or_default() as usize;
            Ok(())
        })?;
        let references = self.fragments.iter().filter(|it| it.is_start()).count();
        let mut head = head(&first.init, &origin, REFERENCE_BYTES * references);
        index.close(&mut head);
        let time = format!(
            "Accept-Ranges: none\r\nX-Timestamp: {}\r\n",
            snapshot::timestamp(first.captured_us)
        );
        let answer = Answer::new(TYPE, NO_STORE, Vec::new()).with(&time);
        let keep_alive = exchange.head.keep_alive;
        let mut begin = answer.head_of(
            (head.len() + length) as u64,
            &exchange.security_headers,
            keep_alive,
        );
        begin.append(&mut head);
        write(exchange, &[&begin])?;
        self.film(&mut |parts| write(exchange, parts))?;
        Ok(exchange.answered())
    }

    /// Gives it as the fragments of a file.
    fn film(&self, out: Out<'_>) -> io::Result<()> {
        let mut film = Film::default();
        film.add(&self.fragments, out)?;
        film.end(out)
    }

    /// Sends what there is and what comes, up to its end.
    fn follow(mut self, exchange: &Exchange<'_>, follower: &mut Follower<'_>) -> io::Result<Ending> {
        let (connection, stream) = (exchange.connection, &exchange.camera.stream);
        let chunked = exchange.head.http11;
        let framing = if chunked {
            "Transfer-Encoding: chunked\r\n"
        } else {
            ""
        };
        connection.write(exchange.endless_head(TYPE, framing).as_bytes())?;
        let out = &mut |parts: &[&[u8]]| {
            let length: usize = parts.iter().map(|part| part.len()).sum();
            let (size, end) = match chunked {
                true => (format!("{length:x}\r\n"), "\r\n"),
                false => (String::new(), ""),
            };
            write(exchange, &[&[size.as_bytes()], parts, &[end.as_bytes()]].concat())
        };
        let mut film = Film::default();
        loop {
            if let (true, Some(init)) = (film.is_new(), &self.init) {
                out(&[init.bytes(true)])?;
            }
            film.add(&self.fragments, out)?;
            self.fragments.clear();
            if self.is_over {
                break;
            }
            match follower.next(LOOK_EVERY) {
                Next::Batch(batch) => {
                    if batch.needs_key_frame {
                        stream.request_key_frame();
                    }
                    self.take(&batch.fragments);
                }
                Next::Closed => break,
                _ if connection.has_left() => return Ok(Ending::Left),
                _ => self.is_over = clock::monotonic_us() > self.ends_us + LATE_US,
            }
        }
        film.end(out)?;
        connection.write(if chunked { b"0\r\n\r\n" } else { b"" })?;
        Ok(Ending::StreamEnded)
    }
}

/// Writes so little at a time that a slow client takes each in time.
///
/// # Errors
/// Those of [`serve`].
pub fn write(exchange: &Exchange<'_>, parts: &[&[u8]]) -> io::Result<()> {
    let mut pieces = parts.iter().flat_map(|part| part.chunks(PIECE_BYTES));
    pieces.try_for_each(|piece| exchange.connection.write(piece))
}

/// Takes a fragment of a file: its head, and what follows it.
type Out<'a> = &'a mut dyn FnMut(&[&[u8]]) -> io::Result<()>;

/// Fragments of the ring on their way into those of a file.
#[derive(Default)]
struct Film {
    samples: Samples,
    /// The number of the last one.
    sequence: u32,
    /// The media time that is 0 in the file, and that of its first picture.
    begins_90k: Option<(u64, u64)>,
}

impl Film {
    fn is_new(&self) -> bool {
        self.begins_90k.is_none()
    }

    fn add(&mut self, fragments: &[Arc<Fragment>], out: Out<'_>) -> io::Result<()> {
        for fragment in fragments {
            let begins_90k = (fragment.zero_90k(), fragment.time_90k);
            let (base_90k, since_90k) = *self.begins_90k.get_or_insert(begins_90k);
            if fragment.time_90k < since_90k {
                continue;
            }
            if self.samples.end_before(fragment, base_90k) {
                self.end(out)?;
            }
            self.samples.add(fragment, base_90k);
        }
        Ok(())
    }

    /// Ends the fragment that waits.
    fn end(&mut self, out: Out<'_>) -> io::Result<()> {
        if self.samples.payload_bytes() > 0 {
            self.sequence += 1;
            out(&self.samples.parts(&self.samples.head(self.sequence)))?;
            self.samples.clear();
        }
        Ok(())
    }
}
