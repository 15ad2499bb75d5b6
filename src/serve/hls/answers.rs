//! What HLS players ask for: playlists, and the segments, parts and init segments that they name.

use super::held::Media;
use super::session::{PLAYLIST_TYPE, Session, not_there};
use super::window::{Found, Progress, Window};
use crate::format::hls::{Directives, Name, video_alone};
use crate::ring::BATCH_FRAGMENTS;
use crate::serve::answer::{Answer, Rejection};
use crate::serve::connection::Phase;
use crate::serve::exchange::{Ending, Exchange};
use std::io::{self, IoSlice};
use std::time::Duration;

/// The first playlist may take so long: the camera may have to wake, and a segment has to be whole.
const FIRST_TIME: Duration = Duration::from_secs(10);

/// In seconds. A file is never another one under the same name; it is of no use for longer than the run. It is not
/// `public`: behind a proxy that asks for a password, other caches are not to give it to those who have none.
const FILE_CACHE: &str = "max-age=3600, immutable";
/// That something is not there is kept as well (B.1), for as long as a playlist: else a cache would pass on the question of
/// each of its viewers, who all ask for the old names when the program has been started anew.
const MISS_CACHE: &str = "max-age=1";
const MEDIA_TYPE: &str = "video/mp4";

/// Sends the multivariant playlist.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn multivariant(exchange: &Exchange<'_>) -> io::Result<Ending> {
    send(exchange, playlist(exchange, true))
}

/// Sends the media playlist.
///
/// # Errors
/// Those of [`multivariant`].
pub fn media(exchange: &Exchange<'_>) -> io::Result<Ending> {
    send(exchange, playlist(exchange, false))
}

/// Sends a segment, a part or an init segment.
///
/// # Errors
/// Those of [`multivariant`].
pub fn file(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let name = exchange.path.strip_prefix("/hls/").unwrap_or_default();
    send(exchange, find(exchange, name))
}

/// The answer to a good request.
enum Body<'a> {
    Answer(Answer),
    /// A segment or a part.
    Media(Session<'a>, Media),
}

fn send(exchange: &Exchange<'_>, body: Result<Body<'_>, Rejection>) -> io::Result<Ending> {
    // A new phase, as the last one may have been a long wait.
    exchange.connection.enter(Phase::Answer);
    match body {
        Ok(Body::Media(session, media)) => {
            let sent = send_media(exchange, &media)?;
            if let Some(last) = media.fragments.last() {
                let address = exchange.connection.address;
                session.run.count(address, sent, last.fragment.captured_us);
            }
            Ok(exchange.answered())
        }
        Ok(Body::Answer(answer)) => exchange.end(Ok(answer)),
        Err(Rejection::Answer(answer)) if !exchange.is_head() => {
            exchange.send(&answer.kept(exchange.cache(MISS_CACHE)))
        }
        Err(rejection) => exchange.end(Err(rejection)),
    }
}

fn playlist<'a>(exchange: &'a Exchange<'a>, multivariant: bool) -> Result<Body<'a>, Rejection> {
    let directives = Directives::parse(&exchange.head.query);
    let directives = directives.map_err(|why| Answer::text("400 Bad Request", why))?;
    let session = Session::join(exchange, None)?;
    let is_ready = |window: &Window| match window.is_ready() {
        true => Progress::Reached,
        false => Progress::NotYet,
    };
    let mut state = session.wait(FIRST_TIME, &is_ready)?;
    let target_s = state.window.target_s();
    // Appendix B.1 has these ages: half a target duration, in whole seconds and not none, so all of it where it is 1 s.
    let mut max_age_s = (target_s / 2).max(1);
    let with_sound = exchange.head.asks_for_sound();
    let mut text = if multivariant {
        state.window.variant(with_sound).unwrap_or_default()
    } else {
        if let Some((sequence, part)) = directives.after {
            max_age_s = 6 * target_s;
            let patience = state.patience();
            drop(state);
            let progress = |window: &Window| window.progress(sequence, part);
            state = session.wait(patience, &progress)?;
        }
        let text = state.playlist(directives.skip);
        drop(state);
        text.to_string()
    };
    if !with_sound {
        text = video_alone(&text);
    }
    let cache = exchange.cache(&format!("max-age={max_age_s}"));
    Ok(Body::Answer(Answer::new(PLAYLIST_TYPE, cache, text.into_bytes())))
}

fn find<'a>(exchange: &'a Exchange<'a>, name: &str) -> Result<Body<'a>, Rejection> {
    let (number, name) = Name::parse(name).ok_or_else(not_there)?;
    let session = Session::join(exchange, Some(number))?;
    // The part that the playlist gives as a hint (6.2.6) is waited for.
    let arrived = |window: &Window| match window.find(name) {
        Some(Found::Next) if session.is_viewer() => Progress::NotYet,
        _ => Progress::Reached,
    };
    let patience = session.run.lock().patience();
    let state = session.wait(patience, &arrived)?;
    let found = state.window.find(name);
    drop(state);
    match found {
        Some(Found::Init(init)) => {
            let bytes = init.bytes(exchange.head.asks_for_sound());
            let answer = Answer::new(MEDIA_TYPE, exchange.cache(FILE_CACHE), bytes.to_vec());
            Ok(Body::Answer(answer))
        }
        Some(Found::Media(media)) => Ok(Body::Media(session, media)),
        // A HEAD.
        Some(Found::Next) => Ok(Body::Answer(Answer::head_only(MEDIA_TYPE))),
        None => Err(not_there().into()),
    }
}

/// Sends a segment or a part; gives the bytes of it.
fn send_media(exchange: &Exchange<'_>, media: &Media) -> io::Result<u64> {
    let with_sound = exchange.head.asks_for_sound();
    let sizes = media.fragments.iter().map(|placed| placed.size_bytes(with_sound));
    let length: usize = sizes.sum();
    let answer = Answer::new(MEDIA_TYPE, exchange.cache(FILE_CACHE), Vec::new());
    let answer = answer.with("Accept-Ranges: none\r\n");
    // The bytes that are no picture, of a batch at a time.
    let mut heads = answer.head_of(
        length as u64,
        &exchange.security_headers,
        exchange.head.keep_alive,
    );
    if exchange.is_head() {
        exchange.connection.write(&heads)?;
        return Ok(0);
    }
    let mut sequence = media.sequence;
    for fragments in media.fragments.chunks(BATCH_FRAGMENTS) {
        let mut ends = Vec::with_capacity(BATCH_FRAGMENTS);
        for placed in fragments {
            sequence = placed.head(sequence, with_sound, &mut heads);
            ends.push(heads.len());
        }
        let mut slices = Vec::with_capacity(2 * BATCH_FRAGMENTS);
        let mut begin = 0;
        for (placed, end) in fragments.iter().zip(ends) {
            slices.extend([&heads[begin..end], placed.fragment.payload()].map(IoSlice::new));
            begin = end;
        }
        exchange.connection.write_slices(&mut slices)?;
        heads.clear();
    }
    Ok(length as u64)
}
