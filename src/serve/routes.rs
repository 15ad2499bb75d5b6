//! Which request gets which answer.

use super::head::{self, Bad, Head, Method};
use super::{CameraSide, Shared, hls, pages, status, ws};
use crate::config;
use crate::stream::Codec;
use std::borrow::Cow;
use std::fmt::Write;
use std::io;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What a client gets.
pub(super) enum Reply {
    /// A finite answer.
    Answer(Answer),
    /// A playlist, or a piece of the stream.
    Hls,
    /// The fragments, from now on.
    Mp4(Mp4Request),
    /// The same as messages.
    Ws(ws::Request),
    /// The JPEG pictures, from now on.
    Mjpeg(MjpegRequest),
    /// One picture, coded so.
    Snapshot(Codec),
}

/// How a client wants its pictures.
pub(super) struct MjpegRequest {
    /// At least so long from one to the next.
    pub interval_us: u64,
}

/// How a client wants its stream.
pub(super) struct Mp4Request {
    /// From the next key frame on, rather than from the newest one.
    pub live: bool,
}

/// A finite answer.
pub(super) struct Answer {
    status: &'static str,
    content_type: &'static str,
    cache: Cow<'static, str>,
    /// More header lines, each with its end.
    more: String,
    /// The head alone, of an answer whose body is not there yet.
    later: bool,
    pub body: Cow<'static, [u8]>,
}

/// Why there is nothing to send.
pub(super) enum Stop {
    Answer(Answer),
    /// The client has left.
    Left,
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Stop {
        Stop::Answer(answer)
    }
}

impl Stop {
    /// What is sent instead.
    ///
    /// # Errors
    /// There is nobody to send it to.
    pub fn answer(self) -> io::Result<Option<Answer>> {
        match self {
            Stop::Answer(answer) => Ok(Some(answer)),
            Stop::Left => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

const ALLOW: &str = "Allow: GET, HEAD, OPTIONS\r\n";
/// To a page that asks before it asks (Fetch, 4.8).
const PREFLIGHT: &str =
    "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\nAccess-Control-Max-Age: 7200\r\n";
const STREAM: &str = "/stream.mp4";
const WEB_SOCKET: &str = "/ws";
const MJPEG: &str = "/stream.mjpeg";
const SNAPSHOT: &str = "/snapshot.jpg";
const SNAPSHOT_MP4: &str = "/snapshot.mp4";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const NO_STORE: &str = "no-store";
/// May be kept, but has to be asked for again: the next version of the program brings its own.
const NO_CACHE: &str = "no-cache";

/// For those who come when all places are taken, threads too.
pub(super) const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nCache-Control: no-store\r\n\
    Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 39\r\n\r\n\
    Too many clients; try again in a while\n";

/// For those who come to a program that can't serve.
pub(super) const MISTAKE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nCache-Control: no-store\r\n\
    Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 45\r\n\r\n\
    The config has a mistake; the log says which\n";

impl Answer {
    /// A short text that is true for this moment only.
    pub fn text(status: &'static str, text: impl Into<String>) -> Answer {
        let mut body: String = text.into();
        body.push('\n');
        Answer {
            status,
            ..Answer::fresh(TEXT, body.into_bytes())
        }
    }

    /// Something that a cache may keep.
    pub fn new(
        content_type: &'static str,
        cache: impl Into<Cow<'static, str>>,
        body: impl Into<Cow<'static, [u8]>>,
    ) -> Answer {
        Answer {
            status: "200 OK",
            content_type,
            cache: cache.into(),
            more: String::new(),
            later: false,
            body: body.into(),
        }
    }

    /// What is of this moment.
    pub fn fresh(content_type: &'static str, body: Vec<u8>) -> Answer {
        Answer::new(content_type, NO_STORE, body)
    }

    /// To a HEAD for what is not there, and not worth waking a camera up for.
    pub fn later(content_type: &'static str) -> Answer {
        Answer {
            later: true,
            ..Answer::fresh(content_type, Vec::new())
        }
    }

    fn asset(content_type: &'static str, body: &'static [u8]) -> Answer {
        Answer::new(content_type, NO_CACHE, body)
    }

    /// With another header line.
    pub fn with(mut self, header_line: &str) -> Answer {
        self.more.push_str(header_line);
        self
    }

    /// The head, with the lines of [`hygiene`] and the empty line that ends it.
    pub fn head(&self, hygiene: &str, keep_alive: bool) -> Vec<u8> {
        self.head_of(self.body.len(), hygiene, keep_alive)
    }

    /// The same for a body of so many bytes that comes from elsewhere.
    pub fn head_of(&self, length: usize, hygiene: &str, keep_alive: bool) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {}\r\nCache-Control: {}\r\n{hygiene}{}",
            self.status, self.cache, self.more
        );
        if length > 0 || self.later {
            // Writing to a String can't fail.
            _ = write!(head, "Content-Type: {}\r\n", self.content_type);
        }
        if self.status != NO_CONTENT && !self.later {
            _ = write!(head, "Content-Length: {length}\r\n");
        }
        head.push_str(if keep_alive {
            "Connection: keep-alive\r\n\r\n"
        } else {
            "Connection: close\r\n\r\n"
        });
        head.into_bytes()
    }
}

const NO_CONTENT: &str = "204 No Content";

/// Lines for every answer: no guessing of types, no use by pages of other sites but of a listed `origin` (CORS: Fetch,
/// 3.3), and no frame around it but on pages that may (Content Security Policy, frame-ancestors). On plain http a
/// browser does not tell who asks, so that this is what keeps the stream out of others' frames. `friend`: it is for a
/// page that may show it.
pub(super) fn hygiene(settings: &config::Server, origin: Option<&str>, friend: bool) -> String {
    let ancestors: String = settings
        .frame_ancestors
        .iter()
        .map(|origin| format!(" {origin}"))
        .collect();
    // The same line for all, where all may: a cache needs no copy for each of them.
    let open = is_open(settings);
    let origin = if open { Some("*") } else { origin };
    let mut lines = format!(
        "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: frame-ancestors 'self'{ancestors}\r\n\
         Cross-Origin-Resource-Policy: {}\r\n",
        if friend || origin.is_some() {
            "cross-origin"
        } else {
            "same-site"
        }
    );
    if let Some(origin) = origin {
        // Writing to a String can't fail.
        _ = write!(lines, "Access-Control-Allow-Origin: {origin}\r\n");
    }
    if !(open || settings.cors_origins.is_empty()) {
        lines.push_str("Vary: Origin\r\n");
    }
    lines
}

/// The lines of [`hygiene`] for the answer to `head`.
pub(super) fn hygiene_for<'a>(head: &Head, shared: &'a Shared) -> Cow<'a, str> {
    let (origin, friend) = (listed(head, shared), is_friend(head, shared));
    if friend || origin.is_some() {
        Cow::Owned(hygiene(&shared.settings, origin, friend))
    } else {
        Cow::Borrowed(&shared.hygiene)
    }
}

/// Whether it is for a page that may show it. An <img> does not send its page's origin, but the page can only hold the
/// Referer back. To Chromium two ports of one IP address are not the same site, but the printer's page (OctoPrint,
/// Mainsail) and its camera are there most often.
fn is_friend(head: &Head, shared: &Shared) -> bool {
    let may = |page: &str| head::origin_host(page) == head.host || is_listed(page, &shared.settings);
    head.for_img && head.referer.as_deref().is_some_and(may)
}

/// Pages of any site may use it.
fn is_open(settings: &config::Server) -> bool {
    settings.cors_origins.iter().any(|origin| origin == "*")
}

/// The origin of the page that asks, if the config lists it.
pub(super) fn listed<'a>(head: &'a Head, shared: &Shared) -> Option<&'a str> {
    let origin = head.origin.as_deref();
    origin.filter(|origin| is_open(&shared.settings) || is_listed(origin, &shared.settings))
}

fn is_listed(origin: &str, settings: &config::Server) -> bool {
    let mut origins = settings.cors_origins.iter();
    origins.any(|it| it.eq_ignore_ascii_case(origin))
}

/// What a request is about.
pub(super) struct Asked<'a> {
    /// The camera that it names, or the first one.
    pub camera: &'a Arc<CameraSide>,
    named: bool,
}

/// Takes the config's `base_path` off the front, and then the name of a camera: what is in there stands at the root as
/// well, for the first one. Nothing is left of either alone.
pub(super) fn resolve<'a>(head: &mut Head, shared: &'a Shared) -> Asked<'a> {
    strip(head, &shared.settings.base_path);
    let named = shared
        .cameras
        .iter()
        .find(|camera| strip(head, &format!("/{}", camera.stream.name)));
    Asked {
        camera: named.unwrap_or(&shared.cameras[0]),
        named: named.is_some(),
    }
}

impl Asked<'_> {
    /// All of them, where none is named.
    fn cameras<'a>(&'a self, shared: &'a Shared) -> &'a [Arc<CameraSide>] {
        match self.named {
            true => slice::from_ref(self.camera),
            false => &shared.cameras,
        }
    }
}

/// Takes this off the front of the path, if it is there.
fn strip(head: &mut Head, front: &str) -> bool {
    let rest = head.path.strip_prefix(front);
    match rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        Some(rest) => head.path = rest.to_string(),
        None => return false,
    }
    true
}

/// The head of an answer that goes on until somebody ends it. `framing`: a header line, or nothing.
pub(super) fn endless(head: &Head, shared: &Shared, content_type: &str, framing: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nCache-Control: {NO_STORE}\r\n{}Content-Type: {content_type}\r\n{framing}\
         Connection: close\r\n\r\n",
        hygiene_for(head, shared)
    )
}

/// What the page may load, beside what [`hygiene`] says of its frames; both policies hold. WebSockets are named by their
/// schemes: Safari before 15.4 does not count them to 'self', and a proxy's name for this server is not known here. Only
/// our own script runs (script-src), and it opens none elsewhere. The frames are the overview's.
const PAGE_POLICY: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; manifest-src 'self'; \
    frame-src 'self'; base-uri 'none'; form-action 'none'\r\n";

/// The answer to `head`, which is about `asked`.
pub(super) fn reply(head: &Head, shared: &Shared, asked: &Asked<'_>) -> Reply {
    if let Some(answer) = forbid(head, shared) {
        shared.counters.forbidden.fetch_add(1, Relaxed);
        return Reply::Answer(answer);
    }
    let camera = asked.camera;
    let wanted = matches!(head.method, Method::Get | Method::Head);
    if let Some(reply) = video(head, camera).filter(|_| wanted) {
        return reply;
    }
    if head.path == WEB_SOCKET && wanted {
        return ws::request(head, shared, camera).map_or_else(Reply::Answer, Reply::Ws);
    }
    let page: Answer = match head.path.as_str() {
        "/" if !asked.named && shared.cameras.len() > 1 => {
            let page = pages::page(&shared.cameras);
            Answer::new(HTML, NO_CACHE, page.into_bytes()).with(PAGE_POLICY)
        }
        "/" | "/index.html" => {
            Answer::asset(HTML, include_bytes!("../../assets/index.html")).with(PAGE_POLICY)
        }
        "/overview.css" => Answer::asset(CSS, include_bytes!("../../assets/overview.css")),
        "/overview.js" => Answer::asset(JAVASCRIPT, include_bytes!("../../assets/overview.js")),
        "/style.css" => Answer::asset(CSS, include_bytes!("../../assets/style.css")),
        "/player.js" => Answer::asset(JAVASCRIPT, include_bytes!("../../assets/player.js")),
        "/manifest.json" => Answer::asset(
            "application/manifest+json",
            include_bytes!("../../assets/manifest.json"),
        ),
        "/logo.png" | "/apple-touch-icon.png" => {
            Answer::asset("image/png", include_bytes!("../../assets/logo.png"))
        }
        "/favicon.ico" => Answer::asset("image/png", include_bytes!("../../assets/favicon.png")),
        "/status" => status::report(shared, asked.cameras(shared)),
        "/healthz" => status::health(asked.cameras(shared)),
        "" => {
            let query = if head.query.is_empty() { "" } else { "?" };
            let base = &shared.settings.base_path;
            let name = match asked.named {
                true => &camera.stream.name,
                false => base.rsplit('/').next().unwrap_or_default(),
            };
            // From where it was asked for: a proxy may have taken another path away.
            let page = format!("{name}/{query}{}", head.query);
            Answer::text("301 Moved Permanently", format!("The page is at {page}"))
                .with(&format!("Location: {page}\r\n"))
        }
        // What is left for these is OPTIONS and what is not allowed.
        STREAM | WEB_SOCKET | MJPEG | "/stream" | SNAPSHOT | "/snapshot" | SNAPSHOT_MP4 | "*" => {
            Answer::text("200 OK", "")
        }
        path if hls::is_here(path) => Answer::text("200 OK", ""),
        _ => {
            return Reply::Answer(Answer::text(
                "404 Not Found",
                "There is nothing here. The page is at /, the stream at /stream.mp4 or /stream.mjpeg; of several cameras, \
                 each one's are at /NAME/",
            ));
        }
    };
    Reply::Answer(match head.method {
        Method::Get | Method::Head => page,
        Method::Options => Answer {
            status: NO_CONTENT,
            body: Cow::Borrowed(b""),
            ..page
        }
        .with(ALLOW)
        .with(listed(head, shared).map_or("", |_| PREFLIGHT)),
        Method::Other => {
            Answer::text("405 Method Not Allowed", "Only GET, HEAD and OPTIONS here").with(ALLOW)
        }
    })
}

/// The answer to who wants the camera's pictures. Those who know mjpg-streamer's names, or ustreamer's, find them here.
/// What else is in a query, such as the time against caches, is left alone.
fn video(head: &Head, camera: &CameraSide) -> Option<Reply> {
    let (codec, reply) = match (head.path.as_str(), head.asked("action")) {
        (STREAM, _) => {
            let live = head.asks_for_live();
            (Codec::H264, Reply::Mp4(Mp4Request { live }))
        }
        (MJPEG | "/stream", _) | ("/", Some("stream")) => {
            let fps = head
                .asked("fps")
                .map_or(Some(0), |fps| fps.parse().ok().filter(|fps| *fps > 0));
            let Some(fps) = fps else {
                let text = "fps is a whole number of pictures a second, such as fps=5";
                return Some(Reply::Answer(Answer::text("400 Bad Request", text)));
            };
            let interval_us = 1_000_000u64.checked_div(fps).unwrap_or(0);
            (Codec::Jpeg, Reply::Mjpeg(MjpegRequest { interval_us }))
        }
        (SNAPSHOT | "/snapshot", _) | ("/", Some("snapshot")) => (Codec::Jpeg, Reply::Snapshot(Codec::Jpeg)),
        (SNAPSHOT_MP4, _) => (Codec::H264, Reply::Snapshot(Codec::H264)),
        (path, _) if hls::is_here(path) => (Codec::H264, Reply::Hls),
        _ => return None,
    };
    Some(none_of(codec, camera).map_or(reply, Reply::Answer))
}

/// Keeps off who comes by a name that is not ours, and the pages of other sites.
fn forbid(head: &Head, shared: &Shared) -> Option<Answer> {
    let hosts = &shared.settings.hosts;
    if let Some(host) = head.host.as_deref() {
        if !head::host_allowed(host, &shared.own_name, hosts) {
            let text = format!(
                "This camera does not answer to the name {host:?}. If that is its name, add it to `hosts =` in [server] of the config"
            );
            return Some(Answer::text("421 Misdirected Request", text));
        }
    }
    let foreign = head
        .origin
        .as_deref()
        .is_some_and(|origin| match head::origin_host(origin) {
            Some(host) => Some(&host) != head.host.as_ref() && !hosts.contains(&host),
            None => true,
        });
    let welcome = listed(head, shared).is_some() || is_open(&shared.settings);
    // Where the browser thinks the connection safe, it says of a listed page's <img>, too, that it is of another site.
    let foreign = (foreign || head.cross_site && !is_friend(head, shared)) && !welcome;
    // Who may frame the page is the browser's to enforce (frame-ancestors); where nobody may, nothing is sent at all.
    let framed = head.framed && shared.settings.frame_ancestors.is_empty();
    (foreign || framed).then(foreign_page)
}

/// The answer to a page of another site.
pub(super) fn foreign_page() -> Answer {
    Answer::text(
        "403 Forbidden",
        "This camera does not answer to pages of other sites, but those that `cors_origins =` in [server] of the config lists",
    )
}

/// The answer to a head that is no good.
pub(super) fn refuse(bad: Bad) -> Answer {
    match bad {
        Bad::Request(why) => Answer::text("400 Bad Request", why),
        Bad::TargetTooLong => Answer::text("414 URI Too Long", "The address is too long"),
        Bad::TooLarge => Answer::text(
            "431 Request Header Fields Too Large",
            "The request has too many or too long header fields",
        ),
        Bad::Version => Answer::text(
            "505 HTTP Version Not Supported",
            "This server speaks HTTP/1.1 and HTTP/1.0",
        ),
    }
}

/// The answer to a head that did not come in time.
pub(super) fn late() -> Answer {
    Answer::text("408 Request Timeout", "The request was not whole in time")
}

/// The answer to who wants pictures coded so, where the camera is known to give others.
pub(super) fn none_of(codec: Codec, camera: &CameraSide) -> Option<Answer> {
    let (root, state) = (&camera.root, camera.stream.state());
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

/// Something is not there in time.
pub(super) fn not_now(camera: &CameraSide) -> Answer {
    let state = camera.stream.state();
    let text = match state.why.as_str() {
        _ if camera.stream.stopping() => "The program is being stopped".to_string(),
        "" => format!("No picture in time; the camera is {}", state.condition.word()),
        why => format!("No picture in time: {why}"),
    };
    Answer::text("503 Service Unavailable", text).with("Retry-After: 1\r\n")
}

/// The answer to a stream too many.
pub(super) fn full(most: usize) -> Answer {
    let text = format!("All {most} places are taken (`max_clients =` in the config); try again in a while");
    Answer::text("503 Service Unavailable", text).with("Retry-After: 5\r\n")
}
