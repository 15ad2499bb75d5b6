//! A request at a run: it joins the run, and waits until that has come so far.

use super::run::{Run, State};
use super::window::{Progress, Window};
use crate::serve::answer::{Answer, Rejection};
use crate::serve::exchange::Exchange;
use crate::serve::places::Place;
use crate::stream::Codec;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

/// Type of both playlists (4).
pub const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// A request at a run.
pub struct Session<'a> {
    exchange: &'a Exchange<'a>,
    pub run: Arc<Run>,
    /// The viewer's place, which it has for as long as it keeps the run going. A HEAD has none: it is no viewer, and not
    /// worth waking a camera up for.
    place: Option<Arc<Place>>,
}

impl<'a> Session<'a> {
    /// Joins the run of this number, or any, if need be a new one.
    ///
    /// # Errors
    /// The answer where there is no such run.
    pub fn join(exchange: &'a Exchange<'a>, number: Option<u32>) -> Result<Session<'a>, Answer> {
        let (stream, hls) = (&exchange.camera.stream, &exchange.camera.hls);
        let current = hls.lock();
        let run = match &current.run {
            Some(run) if number.is_none_or(|number| number == run.number) => Arc::clone(run),
            _ if number.is_some() => return Err(not_there()),
            _ if exchange.is_head() => return Err(Answer::head_only(PLAYLIST_TYPE)),
            _ if stream.stopping() => return Err(exchange.not_now()),
            _ => Arc::new(Run::new(stream, current.next)),
        };
        let mut session = Session {
            exchange,
            run,
            place: None,
        };
        if !exchange.is_head() {
            session.place = Some(session.touch(&mut session.run.lock())?);
            if current.run.is_none() {
                hls.begin(current, &session.run);
            }
        }
        Ok(session)
    }

    /// Has it count as its viewer's newest request.
    fn touch(&self, state: &mut State) -> Result<Arc<Place>, Answer> {
        let address = self.exchange.connection.address;
        let stream = &self.exchange.camera.stream;
        state.touch(address, || self.exchange.shared.take_place(stream))
    }

    /// True if it counts as a viewer's request.
    pub fn is_viewer(&self) -> bool {
        self.place.is_some()
    }

    /// Waits until the run has come so far, at most `limit`; a HEAD does not wait. A wait is no `Phase::Stream`: if all
    /// connections are taken, the page and /status are not to go short for it.
    ///
    /// # Errors
    /// The answer where the run does not come so far, or the client has left.
    pub fn wait(
        &self,
        limit: Duration,
        progress: &dyn Fn(&Window) -> Progress,
    ) -> Result<MutexGuard<'_, State>, Rejection> {
        let (exchange, run) = (self.exchange, &*self.run);
        let mut wait = exchange.wait(Codec::H264, limit);
        let mut room = None;
        loop {
            let mut state = run.lock();
            match progress(&state.window) {
                Progress::Reached => return Ok(state),
                Progress::TooFar => {
                    let why = "The playlist will not be there for a while";
                    return Err(Answer::text("400 Bad Request", why).into());
                }
                Progress::NotYet if state.ended => return Err(exchange.not_now().into()),
                Progress::NotYet => {}
            }
            if !self.is_viewer() {
                return Err(Answer::head_only(PLAYLIST_TYPE).into());
            }
            self.touch(&mut state)?;
            if room.is_none() {
                let take = || exchange.shared.take_place(&exchange.camera.stream);
                room = Some(state.wait_in(exchange.connection.address, take)?);
            }
            drop(state);
            let waits_on = |state: &mut State| !state.ended && progress(&state.window) == Progress::NotYet;
            run.wait_while(wait.turn()?, waits_on);
        }
    }
}

/// The answer where a file is none of the run's.
pub fn not_there() -> Answer {
    Answer::text(
        "404 Not Found",
        "This is not there, or no longer; the playlist is at /stream.m3u8",
    )
}
