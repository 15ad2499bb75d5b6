//! One request with all that its handler needs.

use super::answer::{Answer, NO_STORE, Rejection, date};
use super::connection::{Call, Connection, LOOK_EVERY, LOOK_SELDOM, Phase};
use super::head::{Head, Method};
use super::places::Place;
use super::shared::{CameraSide, Shared};
use crate::config::Role;
use crate::format::json::Value;
use crate::people::Grant;
use crate::stream::Codec;
use crate::sys::sock::Input;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request in JSON may have this many bytes.
pub const JSON_BYTES: usize = 4096;
/// A body has to be whole this long after the head.
const BODY_TIME: Duration = Duration::from_secs(5);

/// A request, where it came in, and what it is about.
pub struct Exchange<'a> {
    pub connection: &'a Arc<Connection>,
    pub shared: &'a Shared,
    /// The camera that is named, or else the first one.
    pub camera: &'a Arc<CameraSide>,
    /// That camera alone if it is named, or else all that the client may see.
    pub cameras: Cow<'a, [Arc<CameraSide>]>,
    /// What is allowed to the client; `None` is nothing but what is open to everybody.
    pub grant: Option<Arc<Grant>>,
    /// It would be allowed more, if the challenge that the client has answered were not an old one.
    pub is_stale: bool,
    /// The name that stands in front of the path, if one does.
    pub camera_named: bool,
    /// The path behind `base_path` and the camera's name.
    pub path: &'a str,
    pub head: &'a Head,
    /// The header lines that say to the browser which pages the answer is for.
    pub security_headers: Cow<'a, str>,
    /// What the client has sent behind the head.
    pub received: &'a [u8],
    /// The place that a stream takes, up to the end of the connection.
    pub place: Cell<Option<Place>>,
}

/// How an exchange ended, or a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client has its answer, and may use the connection for its next request.
    Kept,
    /// The client has its answer, the last one on this connection.
    Answered,
    /// It was turned away: no good head, or no place for it.
    Refused,
    /// The camera gives no more of this stream, or the program ends.
    StreamEnded,
    /// A WebSocket was closed with a close frame.
    Closed,
    /// The client has left.
    Left,
    /// The client took nothing for too long.
    Stuck,
    /// The client asked for nothing more.
    Idle,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ending::Kept => "kept",
            Ending::Answered => "answered",
            Ending::Refused => "refused",
            Ending::StreamEnded => "stream ended",
            Ending::Closed => "closed",
            Ending::Left => "left",
            Ending::Stuck => "stuck",
            Ending::Idle => "idle",
        })
    }
}

impl<'a> Exchange<'a> {
    /// Notes what is allowed to the client, and leaves it the cameras that it may see.
    pub fn grant(&mut self, grant: Grant) {
        let sees = |camera: &Arc<CameraSide>| grant.rights().include(&camera.stream.name);
        if !self.cameras.iter().all(sees) {
            self.cameras = self
                .cameras
                .iter()
                .filter(|camera| sees(camera))
                .cloned()
                .collect();
        }
        if !sees(self.camera) {
            let first = self.shared.cameras.iter().find(|camera| sees(camera));
            self.camera = first.unwrap_or(self.camera);
        }
        self.grant = Some(self.shared.note_grant(self.connection, grant));
    }

    /// True if the client asks for the head of an answer alone.
    pub fn is_head(&self) -> bool {
        self.head.method == Method::Head
    }

    /// Whether the client may change and turn the camera.
    ///
    /// # Errors
    /// Why not.
    pub fn may_control(&self) -> Result<(), &'static str> {
        match &self.grant {
            Some(grant) if grant.rights().role >= Role::Control => Ok(()),
            Some(grant) => Err(self.shared.why_not(grant, Role::Control)),
            None => Err("This is open to everybody, and changes nothing"),
        }
    }

    /// Sends a finite answer.
    ///
    /// # Errors
    /// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
    pub fn send(&self, answer: &Answer) -> io::Result<Ending> {
        let keep_alive = self.head.keep_alive;
        self.write_answer(answer, keep_alive)?;
        Ok(self.answered())
    }

    /// Sends a finite answer, or says that the client has left.
    ///
    /// # Errors
    /// Those of [`Exchange::send`].
    pub fn end(&self, outcome: Result<Answer, Rejection>) -> io::Result<Ending> {
        match outcome {
            Ok(answer) | Err(Rejection::Answer(answer)) => self.send(&answer),
            Err(Rejection::Left) => Ok(Ending::Left),
        }
    }

    /// The ending once a finite answer is sent.
    pub fn answered(&self) -> Ending {
        match self.head.keep_alive {
            true => Ending::Kept,
            false => Ending::Answered,
        }
    }

    /// Sends the client of a stream something else instead; the connection ends with it.
    ///
    /// # Errors
    /// Those of [`Exchange::send`].
    pub fn send_last(&self, answer: &Answer, ending: Ending) -> io::Result<Ending> {
        self.write_answer(answer, false)?;
        Ok(ending)
    }

    fn write_answer(&self, answer: &Answer, keep_alive: bool) -> io::Result<()> {
        let mut bytes = answer.head(&self.security_headers, keep_alive);
        if !self.is_head() {
            bytes.extend_from_slice(&answer.body);
        }
        self.connection.write(&bytes)
    }

    /// The head of an answer that goes on until somebody ends it. `framing`: a header line, or nothing. It has no parts to ask
    /// for, and is asked not to be held back: nginx would fill a buffer first (ngx_http_proxy_module, proxy_buffering).
    pub fn endless_head(&self, content_type: &str, framing: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\n{}Cache-Control: {NO_STORE}\r\n{}Content-Type: {content_type}\r\n{framing}\
             Accept-Ranges: none\r\nX-Accel-Buffering: no\r\nConnection: close\r\n\r\n",
            date(),
            self.security_headers
        )
    }

    /// Reads the body, of `most` bytes.
    ///
    /// # Errors
    /// The answer to one that is too long, or not whole in time.
    pub fn body(&self, most: usize) -> Result<Vec<u8>, Rejection> {
        let Some(length) = self.head.content_length else {
            let text = "A body needs one Content-Length";
            return Err(Answer::text("411 Length Required", text).into());
        };
        if length > most {
            let text = format!("This takes a body of {most} bytes at most");
            return Err(Answer::text("413 Content Too Large", text).into());
        }
        if self.head.expects_continue && self.received.is_empty() && length > 0 {
            let word = self.connection.write(b"HTTP/1.1 100 Continue\r\n\r\n");
            word.map_err(|_| Rejection::Left)?;
        }
        let mut body = self.received.to_vec();
        let deadline = Instant::now() + BODY_TIME;
        let mut buffer = [0; 2048];
        while body.len() < length {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Answer::text("408 Request Timeout", "The body was not whole in time").into());
            }
            match self.connection.read_within(&mut buffer, left) {
                Input::Bytes(n) => body.extend_from_slice(&buffer[..n]),
                Input::Nothing => {}
                Input::Ended => return Err(Rejection::Left),
            }
        }
        body.truncate(length);
        Ok(body)
    }

    /// Reads a body of [`JSON_BYTES`] at most as JSON.
    ///
    /// # Errors
    /// The answer to one that is none, or that a form could have sent.
    pub fn json(&self) -> Result<Value, Rejection> {
        if !self.head.is_json {
            let text = "This takes JSON, with Content-Type: application/json";
            return Err(Answer::text("415 Unsupported Media Type", text).into());
        }
        let body = self.body(JSON_BYTES)?;
        let value = std::str::from_utf8(&body).ok().and_then(Value::read);
        value.ok_or_else(|| Answer::text("400 Bad Request", "The body is not JSON").into())
    }

    /// The Cache-Control of what a cache may keep; that of one reader alone where not everybody may see it.
    pub fn cache(&self, terms: &str) -> String {
        match self.shared.people.are_all_welcome() {
            true => terms.to_string(),
            false => format!("private, {terms}"),
        }
    }

    /// Takes a place for an endless answer, for as long as the exchange lasts, and makes the socket ready for one.
    ///
    /// # Errors
    /// The answer where no place is left, or to who wants the rest of a download: what comes now does not fit behind what came
    /// then.
    pub fn begin_stream(&self) -> Result<(), Answer> {
        if self.head.resumes {
            let text = "What is sent begins anew each time; what was saved of it can't be continued";
            return Err(Answer::text("416 Range Not Satisfiable", text));
        }
        self.take_place()?;
        self.connection.keep_unsent_low();
        Ok(())
    }

    /// Takes a place for what takes long to send, for as long as the exchange lasts.
    ///
    /// # Errors
    /// The answer where no place is left.
    pub fn take_place(&self) -> Result<(), Answer> {
        self.place.set(Some(self.shared.take_place(&self.camera.stream)?));
        self.connection.enter(Phase::Stream);
        Ok(())
    }

    /// Has this called when the client sends something or leaves; gives how often its thread has to look by itself.
    pub fn call_on_input(&self, call: Call) -> Duration {
        let epoll = self.shared.inputs.epoll(&self.shared.connections);
        match epoll.and_then(|epoll| self.connection.call_on_input(epoll, call)) {
            Ok(()) => LOOK_SELDOM,
            Err(_) => LOOK_EVERY,
        }
    }

    /// The answer to a client that asks for pictures of this coding, where the camera is known to give others.
    pub fn none_of(&self, codec: Codec) -> Option<Answer> {
        let (root, state) = (&self.camera.root, self.camera.stream.state());
        let text = match (codec, state.codec?) {
            (Codec::Jpeg, Codec::H264) if state.jpeg_too => return None,
            (Codec::H264, Codec::Jpeg) => {
                format!("This camera gives JPEG pictures and no H.264; its video is at {root}/stream.mjpeg")
            }
            (Codec::Jpeg, Codec::H264) => format!(
                "This camera gives H.264 and no JPEG pictures; its video is at {root}/stream.mp4, one picture of it at \
                 {root}/snapshot.mp4"
            ),
            _ => return None,
        };
        Some(Answer::text("501 Not Implemented", text))
    }

    /// The answer where something is not there in time.
    pub fn not_now(&self) -> Answer {
        let stream = &self.camera.stream;
        let state = stream.state();
        let text = match state.why.as_str() {
            _ if stream.stopping() => "The program is being stopped".to_string(),
            "" => format!("No picture in time; the camera is {}", state.condition.word()),
            why => format!("No picture in time: {why}"),
        };
        Answer::text("503 Service Unavailable", text).with("Retry-After: 1\r\n")
    }

    /// Begins a wait for pictures coded so, of `limit` at most.
    pub fn wait(&'a self, codec: Codec, limit: Duration) -> Wait<'a> {
        let looked = Instant::now();
        Wait {
            exchange: self,
            codec,
            deadline: looked + limit,
            looked,
        }
    }
}

/// A client's wait for what may not come.
pub struct Wait<'a> {
    exchange: &'a Exchange<'a>,
    codec: Codec,
    deadline: Instant,
    looked: Instant,
}

impl Wait<'_> {
    /// How long the wait may go on before the next call of this.
    ///
    /// # Errors
    /// Why it can't go on.
    pub fn turn(&mut self) -> Result<Duration, Rejection> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            if self.exchange.connection.has_hung_up() {
                return Err(Rejection::Left);
            }
            // What a command gives may have become known only now.
            if let Some(answer) = self.exchange.none_of(self.codec) {
                return Err(answer.into());
            }
        }
        if left.is_zero() {
            return Err(self.exchange.not_now().into());
        }
        Ok(left.min(LOOK_EVERY))
    }
}
