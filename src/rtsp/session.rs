//! What there is between one client and us, and the answers to its requests.

use super::udp::Udp;
use crate::format::fmp4::{Init, TIMESCALE};
use crate::format::jpeg::RtpPicture;
use crate::format::rtp::{JPEG, SOUND, Track, VIDEO};
use crate::format::rtsp::{self, Reader, Request, Target, Transport};
use crate::format::sdp;
use crate::people::{Credentials, Denial, Grant};
use crate::ring::{Follower, Next, NextPicture};
use crate::serve::{Connection, Place, Shared, note_denial};
use crate::stream::{Codec, Condition, Stream, Watching, Who};
use crate::sys::random;
use crate::{log_verbose, log_warning};
use std::io;
use std::mem;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A camera that wakes up has this long to say what it gives: some clients wait for five seconds, ...
const WAKE_TIME: Duration = Duration::from_secs(4);
/// ... and one that was lost when the client came has so long to be found again.
const LOST_TIME: Duration = Duration::from_secs(1);
/// A look whether the camera has woken up, at least so often.
const WAKE_LOOK: Duration = Duration::from_millis(250);

const OK: &str = "200 OK";
const NOT_FOUND: &str = "404 Not Found";
const UNAVAILABLE: &str = "503 Service Unavailable";
const NO_SESSION: &str = "454 Session Not Found";
const NOT_NOW: &str = "455 Method Not Valid in This State";
/// Some clients send GET_PARAMETER, which keeps connections alive, only where it is named.
const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER";

/// What a request leads to, beside its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Next,
    /// The stream begins, or goes on.
    Play,
    /// The stream pauses.
    Pause,
    /// The connection ends.
    End,
}

/// What there is between one client and us.
pub struct Session<'a> {
    pub connection: &'a Arc<Connection>,
    pub shared: &'a Shared,
    pub reader: Reader,
    /// What the client names its session by.
    pub id: String,
    pub camera: Option<Chosen<'a>>,
    /// What is set up; the stream takes it when it begins.
    pub tracks: Vec<Track>,
    /// What is set up of them by UDP.
    pub udp: Udp,
    /// Their addresses, with what they begin with (12.33).
    rtp_info: String,
    /// When something last came from the client, once it plays.
    pub heard: Instant,
    /// When a loss that it reported last had a key frame asked for: CLOCK_MONOTONIC in microseconds.
    pub repaired_us: u64,
    pub place: Option<Place>,
}

/// The camera that a client was told of. It is awake while this lives.
pub struct Chosen<'a> {
    pub stream: &'a Arc<Stream>,
    pub watching: Watching<'a>,
    /// What the client was told; `None` of JPEG pictures.
    pub init: Option<Arc<Init>>,
}

/// An answer, before the request's own number is put into it.
struct Reply {
    status: &'static str,
    /// Header lines, each with its end.
    fields: String,
    body: String,
    then: Then,
}

impl Reply {
    /// One of a status and these header lines alone.
    fn new(status: &'static str, fields: &str) -> Reply {
        Reply {
            status,
            fields: fields.into(),
            body: String::new(),
            then: Then::Next,
        }
    }
}

impl<'a> Session<'a> {
    /// One that begins.
    ///
    /// # Errors
    /// There are no random bytes.
    pub fn new(connection: &'a Arc<Connection>, shared: &'a Shared) -> io::Result<Session<'a>> {
        Ok(Session {
            connection,
            shared,
            reader: Reader::default(),
            id: format!("{:016X}", u64::from_be_bytes(random::bytes()?)),
            camera: None,
            tracks: Vec::new(),
            udp: Udp::default(),
            rtp_info: String::new(),
            heard: Instant::now(),
            repaired_us: 0,
            place: None,
        })
    }

    /// Answers the next request, if one is there.
    pub fn answer(&mut self) -> Option<(String, Then)> {
        let request = match self.reader.request() {
            Ok(request) => request?,
            Err(status) => {
                self.shared.counters.bad_requests.fetch_add(1, Relaxed);
                return Some((format!("RTSP/1.0 {status}\r\n\r\n"), Then::End));
            }
        };
        self.shared.counters.requests.fetch_add(1, Relaxed);
        // An address may have a password or a token in it.
        log_verbose!("client {}: {:?}", self.connection.address, request.method());
        let reply = self.reply(&request).unwrap_or_else(|refusal| refusal);
        let answer = request.answer(reply.status, &reply.fields, &reply.body);
        Some((answer, reply.then))
    }

    /// True once the stream has begun.
    fn plays(&self) -> bool {
        self.place.is_some()
    }

    /// The answer to a request, good or bad.
    fn reply(&mut self, request: &Request) -> Result<Reply, Reply> {
        let (is_set_up, method) = (self.plays() || !self.tracks.is_empty(), request.method());
        if request.version() != "RTSP/1.0" {
            return Err(Reply {
                then: Then::End,
                ..Reply::new("505 RTSP Version not supported", "")
            });
        }
        // go2rtc asks every camera for a way to speak to it, and does without.
        let required = request.field("Require").filter(|it| !it.contains("backchannel"));
        if let Some(feature) = required {
            let fields = format!("Unsupported: {feature}\r\n");
            return Err(Reply::new("551 Option not supported", &fields));
        }
        let id = request.field("Session").and_then(|it| it.split(';').next());
        let names_it = id == Some(&self.id);
        // A session is its connection's alone.
        let is_foreign = !names_it && (is_set_up || id.is_some());
        // The first track makes the session.
        let may_set_up = !is_set_up || names_it || id.is_none();
        let mut reply = Reply::new(OK, "");
        if is_set_up {
            reply.fields = format!("Session: {}\r\n", self.id);
        }
        match method {
            "OPTIONS" => reply.fields += &format!("Public: {METHODS}\r\n"),
            "GET_PARAMETER" | "SET_PARAMETER" => {}
            "TEARDOWN" if !is_foreign || id.is_none() => reply.then = Then::End,
            "DESCRIBE" if !is_set_up => return self.describe(request),
            "SETUP" if !self.plays() && may_set_up => return self.set_up(request),
            "SETUP" | "PLAY" | "PAUSE" | "TEARDOWN" if is_foreign => {
                return Err(Reply::new(NO_SESSION, ""));
            }
            "PLAY" if is_set_up => {
                reply.fields += "Range: npt=0.000-\r\n";
                if self.place.is_none() {
                    self.place = Some(self.take_place()?);
                    // Not where it goes on: with which packet is not known yet.
                    reply.fields += &format!("RTP-Info: {}\r\n", self.rtp_info);
                }
                reply.then = Then::Play;
            }
            "PAUSE" if is_set_up => reply.then = Then::Pause,
            "DESCRIBE" | "SETUP" | "PLAY" | "PAUSE" => return Err(Reply::new(NOT_NOW, "")),
            _ => {
                let status = match method {
                    "ANNOUNCE" | "RECORD" => "405 Method Not Allowed",
                    _ => "501 Not Implemented",
                };
                return Err(Reply::new(status, &format!("Allow: {METHODS}\r\n")));
            }
        }
        Ok(reply)
    }

    fn take_place(&self) -> Result<Place, Reply> {
        let stream = self.camera.as_ref().map(|camera| camera.stream);
        let place = stream.and_then(|stream| self.shared.take_place(stream).ok());
        place.ok_or_else(|| Reply::new(UNAVAILABLE, "Retry-After: 5\r\n"))
    }

    /// Tells what the camera gives.
    fn describe(&mut self, request: &Request) -> Result<Reply, Reply> {
        let camera = self.choose(request, &rtsp::target(request.url()))?;
        let url = request.url().trim_end_matches('/');
        let mut fields = String::from("Content-Type: application/sdp\r\n");
        // `*` or a path alone would be no base.
        if url.contains("://") {
            fields += &format!("Content-Base: {url}/\r\n");
        }
        Ok(Reply {
            body: sdp::describe(&camera.stream.name, camera.init.as_deref()),
            ..Reply::new(OK, &fields)
        })
    }

    /// Sets a track up: that of the number in the address, or after DESCRIBE the video. (VLC without live555 asks for a whole
    /// address before anything else, and plays nothing if that is granted.)
    fn set_up(&mut self, request: &Request) -> Result<Reply, Reply> {
        let target = rtsp::target(request.url());
        let (udp, field) = (self.shared.settings.rtsp_udp, request.field("Transport"));
        let unsupported = || Reply::new("461 Unsupported Transport", "");
        let transport = rtsp::transport(field.unwrap_or_default(), udp).ok_or_else(unsupported)?;
        // Some clients lose the query of the address, and with it the token, so what the connection was told of counts.
        let camera = match &self.camera {
            Some(camera) => camera,
            None if target.track.is_none() => return Err(Reply::new(NOT_FOUND, "")),
            None => self.choose(request, &target)?,
        };
        let sound = camera.init.as_ref().map(|init| init.sound);
        let (kind, rate) = match (target.track.unwrap_or(0), sound) {
            (0, Some(_)) => (VIDEO, TIMESCALE),
            (0, None) => (JPEG, TIMESCALE),
            (1, Some(Some(format))) => (SOUND, format.rate),
            _ => return Err(Reply::new(NOT_FOUND, "")),
        };
        let (is_udp, wanted) = match transport {
            Transport::Interleaved(channels) => (false, channels),
            Transport::Udp(_) => (true, None),
        };
        let free = 2 * self.tracks.len() as u8;
        let channels = wanted.unwrap_or([free, free + 1]);
        let is_taken = |track: &Track| {
            track.payload_type == kind || track.channels.iter().any(|channel| channels.contains(channel))
        };
        let is_mixed = !self.tracks.is_empty() && self.udp.is_used() != is_udp;
        if self.tracks.iter().any(is_taken) || channels[0] == channels[1] || is_mixed {
            return Err(Reply::new("400 Bad Request", ""));
        }
        let random = random::bytes().map_err(|_| Reply::new(UNAVAILABLE, ""))?;
        let track = Track::new(kind, rate, channels, random);
        let ([rtp, rtcp], ssrc) = (channels, track.ssrc);
        let way = match transport {
            Transport::Interleaved(_) => format!("/TCP;unicast;interleaved={rtp}-{rtcp}"),
            Transport::Udp(ports) => {
                // Where there is no room, clients take the connection.
                let place = self.shared.take_datagrams().ok_or_else(unsupported)?;
                let own = self.udp.open(&self.connection.socket, ports, place);
                let own = own.map_err(|_| unsupported())?;
                format!(
                    ";unicast;client_port={}-{};server_port={}-{}",
                    ports[0], ports[1], own[0], own[1]
                )
            }
        };
        let (sequence, timestamp) = track.first();
        let comma = if self.rtp_info.is_empty() { "" } else { "," };
        let url = request.url();
        self.rtp_info += &format!("{comma}url={url};seq={sequence};rtptime={timestamp}");
        self.tracks.push(track);
        // No `timeout` that needs more than the connection itself; but some clients reconnect each minute without one.
        let fields = format!(
            "Session: {};timeout=60\r\nTransport: RTP/AVP{way};ssrc={ssrc:08X}\r\n",
            self.id
        );
        Ok(Reply::new(OK, &fields))
    }

    /// Wakes the camera of an address up, if the client may see it, and waits until it is known what it gives.
    fn choose(&mut self, request: &Request, target: &Target<'_>) -> Result<&Chosen<'a>, Reply> {
        self.camera = None;
        let stream = self.admit(request, target)?;
        let watching = stream.watch(Who::Net(self.connection.address), "rtsp");
        let begun = Instant::now();
        let mut follower = Follower::new(&stream.ring, true);
        let init = loop {
            let state = stream.state();
            let is_lost = matches!(state.condition, Condition::Lost | Condition::Refused);
            let limit = if is_lost { LOST_TIME } else { WAKE_TIME };
            let left = limit.saturating_sub(begun.elapsed()).min(WAKE_LOOK);
            let is_jpeg = state.codec == Some(Codec::Jpeg);
            if state.init.is_some() && !is_lost && !is_jpeg {
                break state.init;
            }
            let is_closed = if is_jpeg && !is_lost {
                match stream.pictures.next(0, left) {
                    NextPicture::Picture(_, picture) => {
                        RtpPicture::parse(&picture.bytes).map_err(|why| refuse(stream, why))?;
                        break None;
                    }
                    next => matches!(next, NextPicture::Closed),
                }
            } else {
                matches!(follower.next(left), Next::Closed)
            };
            if left.is_zero() || is_closed {
                return Err(Reply::new(UNAVAILABLE, "Retry-After: 2\r\n"));
            }
        };
        Ok(self.camera.insert(Chosen {
            stream,
            watching,
            init,
        }))
    }

    /// The camera of an address, if the client may see it. Where there is but one it is meant by whatever name, as some recorders keep
    /// none; and without a name, the only one that the client may see.
    fn admit(&self, request: &Request, target: &Target<'_>) -> Result<&'a Arc<Stream>, Reply> {
        let (shared, from) = (self.shared, self.connection.address.ip());
        let credentials = Credentials {
            link: target.token,
            authorization: request.field("Authorization"),
            method: Some(request.method()),
            ..Credentials::default()
        };
        // Of two, some clients take the first one.
        let log_in = |is_stale| {
            let basic = "WWW-Authenticate: Basic realm=\"fmp4streamer\"\r\n";
            Reply::new("401 Unauthorized", &(shared.people.challenge(is_stale) + basic))
        };
        let grant = shared.people.admit(&credentials, from).map_err(|denial| {
            note_denial(&denial, from);
            match denial {
                Denial::Unknown | Denial::Wrong(_) => log_in(false),
                Denial::Stale => log_in(true),
                Denial::Link => Reply::new("403 Forbidden", ""),
                Denial::Wait(_) | Denial::Busy => Reply::new(UNAVAILABLE, "Retry-After: 5\r\n"),
            }
        })?;
        let streams = shared.cameras.iter().map(|camera| &camera.stream);
        let mut seen = streams.filter(|stream| grant.rights().include(&stream.name));
        let named = seen.clone().find(|stream| stream.name == target.name);
        let is_any = target.name.is_empty() || shared.cameras.len() == 1;
        let only = seen.next().filter(|_| is_any && seen.next().is_none());
        let stream = named.or(only).ok_or_else(|| match &grant {
            // Players tell who they are once they are asked.
            Grant::Anybody(_) if !shared.people.are_all_welcome() => log_in(false),
            _ => Reply::new(NOT_FOUND, ""),
        })?;
        shared.note_grant(self.connection, grant);
        Ok(stream)
    }
}

/// The answer where RTP can't carry the pictures of a camera.
fn refuse(stream: &Stream, why: &'static str) -> Reply {
    Reply {
        body: complain(stream, why) + "\r\n",
        ..Reply::new(why, "Content-Type: text/plain\r\n")
    }
}

/// Says why RTP can't carry the pictures of a camera, and what helps. It is for the log, too, where it is not the last that was
/// said of them.
pub fn complain(stream: &Stream, why: &'static str) -> String {
    let way_out = "choose another size or format of the camera, or take /stream.mjpeg from HTTP";
    let (_, reason) = why.split_once(' ').unwrap_or_default();
    let said = format!("{}: rtsp: {reason}; {way_out}", stream.name);
    let last = stream.pictures.rtp_complaint.lock();
    if mem::replace(&mut *last.unwrap_or_else(PoisonError::into_inner), why) != why {
        log_warning!("{said}");
    }
    said
}
