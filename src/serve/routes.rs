//! THE table of routes: the addresses, what each gives, and who answers. Dispatch, OPTIONS and Allow, the text of a 404, the
//! names that cameras can't have, and the tables in README.md and docs/design.md come from it.

use super::access::Origins;
use super::answer::Answer;
use super::exchange::{Ending, Exchange};
use super::head::{Head, Method};
use super::{
    clip, controls, cut, events, hls, links, login, metrics, mjpeg, mp4, onvif, pages, ptz, recordings,
    snapshot, status, ws,
};
use crate::config::Role;
use crate::config::keys::{Doc, doc};
use crate::stream::Codec;
use std::fmt::Write;
use std::{io, iter};

/// An address and who answers there.
pub struct Route {
    /// Paths below the root, or below a camera's name; the first one is that of the docs. `/*` at the end stands for
    /// whatever follows, `?NAME=VALUE` for this in the query, be it followed by a camera's number, `?NAME=` for any value.
    paths: &'static [&'static str],
    /// The methods beside OPTIONS, each with the role that it needs; `None` is open to everybody.
    methods: &'static [(Method, Option<Role>)],
    /// How the pictures are coded that it gives, if they are of one coding: a camera that gives others answers 501.
    pub gives: Option<Codec>,
    /// The pages that may use it.
    pub origins: Origins,
    /// Whether people may log in there by a digest. It opens what it is overheard at, for hours, so it is not taken elsewhere.
    pub takes_digest: bool,
    /// Answers it.
    pub serve: fn(&Exchange<'_>) -> io::Result<Ending>,
    /// The line on it in README.md, if there is one.
    about: Option<Doc>,
}

/// What stands before the token of a view link, in front of all paths.
pub const LINK: &str = "/t/";

/// The name in a query by which mjpg-streamer and ustreamer choose what they do.
const ACTION: &str = "action";

const READ: &[(Method, Option<Role>)] = &[(Method::Get, Some(Role::View)), (Method::Head, Some(Role::View))];
/// What was recorded: a view link is for what is seen now.
const LOOK_BACK: &[(Method, Option<Role>)] =
    &[(Method::Get, Some(Role::User)), (Method::Head, Some(Role::User))];
/// What is read by who may watch, and changed by who may do more.
const OPERATE: &[(Method, Option<Role>)] = &[
    (Method::Get, Some(Role::View)),
    (Method::Head, Some(Role::View)),
    (Method::Post, Some(Role::Control)),
];
/// What a login page needs, what browsers ask for without saying who they are, and what monitors do.
const FREE: &[(Method, Option<Role>)] = &[(Method::Get, None), (Method::Head, None)];

/// The default of what a route does not say: it is read, by pages of this host, gives no pictures and is not in the docs.
const ROUTE: Route = Route {
    paths: &[],
    methods: READ,
    gives: None,
    origins: Origins::SameHost,
    takes_digest: false,
    serve: pages::page,
    about: None,
};

/// All routes. Those who know the addresses of mjpg-streamer or ustreamer find them here.
const ROUTES: &[Route] = &[
    Route {
        paths: &["/"],
        serve: pages::start,
        about: Some(doc(
            "the page for people; can be added to a phone's home screen; with [several cameras](#several-cameras) it shows all of them",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/stream.mp4"],
        gives: Some(Codec::H264),
        origins: Origins::Tags,
        serve: mp4::serve,
        about: Some(doc(
            "the endless video; it starts at once on the last key frame, or with `?start=live` on the next one",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/ws"],
        origins: Origins::SameOrigin,
        serve: ws::serve,
        about: Some(doc(
            "the same for scripts, as [WebSocket](#websocket) messages; `?format=h264` for bare H.264",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/stream.m3u8"],
        gives: Some(Codec::H264),
        serve: hls::multivariant,
        about: Some(doc(
            "HLS, with low latency in players that support it: for iPhones, televisions, and use behind a cache",
        )),
        ..ROUTE
    },
    Route {
        // Where version 3 had it.
        paths: &["/streaminf.m3u8"],
        gives: Some(Codec::H264),
        serve: hls::media,
        ..ROUTE
    },
    Route {
        paths: &["/hls/*"],
        gives: Some(Codec::H264),
        serve: hls::file,
        ..ROUTE
    },
    Route {
        paths: &["/stream.mjpeg", "/stream", "/?action=stream"],
        gives: Some(Codec::Jpeg),
        origins: Origins::Tags,
        serve: mjpeg::serve,
        about: Some(doc(
            "the JPEG pictures of a camera that gives them, always the newest; `?fps=5` limits them to five a second",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/snapshot.jpg", "/snapshot", "/?action=snapshot"],
        gives: Some(Codec::Jpeg),
        origins: Origins::Tags,
        serve: snapshot::jpeg,
        about: Some(doc(
            "one picture of such a camera, taken after the request; or the newest, where the next one takes long",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/snapshot.mp4"],
        gives: Some(Codec::H264),
        origins: Origins::Tags,
        serve: snapshot::mp4,
        about: Some(doc("the same of a camera with H.264")),
        ..ROUTE
    },
    Route {
        paths: &["/clip.mp4"],
        gives: Some(Codec::H264),
        origins: Origins::Tags,
        serve: clip::serve,
        about: Some(doc(
            "the last seconds, and the next ones: `?before=10&for=20` ([clips](#clips))",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/clip.mp4?from=", "/clip.mp4?day="],
        methods: LOOK_BACK,
        origins: Origins::Tags,
        serve: cut::serve,
        ..ROUTE
    },
    Route {
        paths: &["/recordings"],
        methods: LOOK_BACK,
        serve: recordings::serve,
        about: Some(doc(
            "the page of what was recorded; `?day=2026-11-28` is a list of that day, as JSON ([looking back](#looking-back))",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/recordings.m3u8"],
        methods: LOOK_BACK,
        serve: recordings::playlist,
        ..ROUTE
    },
    Route {
        paths: &["/recordings/*"],
        methods: &[
            (Method::Get, Some(Role::User)),
            (Method::Head, Some(Role::User)),
            (Method::Post, Some(Role::Admin)),
        ],
        origins: Origins::Tags,
        serve: recordings::file,
        ..ROUTE
    },
    Route {
        paths: &["/status"],
        serve: status::report,
        about: Some(doc("what the camera and the viewers are doing, as JSON")),
        ..ROUTE
    },
    Route {
        paths: &["/metrics"],
        serve: metrics::serve,
        about: Some(doc("the same as numbers for Prometheus")),
        ..ROUTE
    },
    Route {
        paths: &["/events"],
        methods: OPERATE,
        serve: events::serve,
        about: Some(doc(
            "what happens, as it happens: a camera is lost or back, a sensor of yours speaks ([events](#events))",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/ptz"],
        methods: OPERATE,
        serve: ptz::serve,
        about: Some(doc(
            "where the camera looks, as JSON; with POST where it is to look ([pan and tilt](#pan-and-tilt))",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/do_orient"],
        methods: &[
            (Method::Get, Some(Role::Control)),
            (Method::Head, Some(Role::Control)),
        ],
        origins: Origins::Own,
        serve: ptz::orient,
        ..ROUTE
    },
    Route {
        paths: &["/controls"],
        methods: OPERATE,
        serve: controls::serve,
        about: Some(doc(
            "the camera's [controls](#controls), such as brightness, as JSON; set by POST",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/controls/keep"],
        methods: &[(Method::Post, Some(Role::Admin))],
        serve: controls::keep,
        ..ROUTE
    },
    Route {
        paths: &["/controls/forget"],
        methods: &[(Method::Post, Some(Role::Admin))],
        serve: controls::forget,
        ..ROUTE
    },
    Route {
        paths: &["/healthz"],
        methods: FREE,
        serve: status::health,
        about: Some(doc(
            "200 while all is well, else 503 and the reason; a camera that sleeps is no trouble",
        )),
        ..ROUTE
    },
    Route {
        paths: &["/login"],
        about: Some(doc(
            "the page to log in by, where the config has [people](#people)",
        )),
        methods: &[(Method::Get, None), (Method::Head, None), (Method::Post, None)],
        origins: Origins::Own,
        serve: login::serve,
        ..ROUTE
    },
    Route {
        paths: &["/links"],
        methods: &[(Method::Post, Some(Role::Admin))],
        origins: Origins::Own,
        serve: links::make,
        ..ROUTE
    },
    Route {
        paths: &["/links/end"],
        methods: &[(Method::Post, Some(Role::Admin))],
        origins: Origins::Own,
        serve: links::end_all,
        ..ROUTE
    },
    Route {
        paths: &["/logout"],
        methods: &[(Method::Post, None)],
        origins: Origins::Own,
        serve: login::log_out,
        ..ROUTE
    },
    Route {
        // Who asks is said in the body.
        paths: &["/onvif/*"],
        methods: &[(Method::Post, None)],
        // Recorders have no other way.
        takes_digest: true,
        serve: onvif::serve,
        ..ROUTE
    },
    Route {
        paths: &["/index.html"],
        serve: pages::page,
        ..ROUTE
    },
    Route {
        // A camera's name, or `base_path`, alone.
        paths: &[""],
        serve: pages::slash,
        ..ROUTE
    },
    Route {
        paths: &pages::ASSET_PATHS,
        methods: FREE,
        serve: pages::file,
        ..ROUTE
    },
];

/// To a page of another origin that asks before it asks (Fetch, 4.8).
const PREFLIGHT_MAX_AGE: &str = "Access-Control-Max-Age: 7200\r\n";

/// The fields that players and their libraries send, and that a page of another origin has to ask for (Fetch, "CORS-safelisted
/// request-header"). None of them changes what is done.
const PREFLIGHT_HEADERS: &str = "Access-Control-Allow-Headers: Range, If-None-Match, If-Modified-Since, Cache-Control, \
    Pragma, Content-Type, Authorization, X-Requested-With\r\n";

/// Finds the route, and the role that it needs, of a request for `path`, the rest of the head's once `base_path` and a camera's name are off.
///
/// # Errors
/// The answer where there is none, or none for this method; and the answer to OPTIONS. `cors`: the page that asks is of
/// another origin, and listed. `cameras`: how many there are.
pub fn resolve(
    path: &str,
    head: &Head,
    cors: bool,
    cameras: usize,
) -> Result<(&'static Route, Option<Role>), Answer> {
    let is_there = camera_number(path, head).is_none_or(|number| number < cameras);
    let route = find(path, head).filter(|_| is_there);
    let methods = match route {
        Some(route) => route.methods,
        // What the server as a whole can do (RFC 9110, 9.3.7).
        None if path == "*" => READ,
        None => return Err(nothing_here()),
    };
    let allow = allow(methods);
    let role = methods.iter().find(|(method, _)| *method == head.method);
    match route.zip(role.map(|(_, role)| *role)) {
        Some(found) => Ok(found),
        None if head.method == Method::Options => {
            let answer = Answer::no_content().with(&format!("Allow: {allow}\r\n"));
            Err(match cors {
                true => answer.with(&format!(
                    "Access-Control-Allow-Methods: {allow}\r\n{PREFLIGHT_HEADERS}{PREFLIGHT_MAX_AGE}"
                )),
                false => answer,
            })
        }
        None => {
            let answer = Answer::text("405 Method Not Allowed", format!("Only {allow} here"));
            Err(answer.with(&format!("Allow: {allow}\r\n")))
        }
    }
}

/// The number behind the action of a query, as in `action=stream_1` of mjpg-streamer: which camera is meant, from 0.
pub fn camera_number(path: &str, head: &Head) -> Option<usize> {
    let action = head.asked(ACTION).filter(|_| path == "/");
    let (_, number) = action?.rsplit_once('_')?;
    number.parse().ok()
}

/// Paths that say what has to be in the query go before the others. An action that is unknown leads nowhere.
fn find(path: &str, head: &Head) -> Option<&'static Route> {
    let find = |with_query: bool| {
        let leads_here = |it: &&str| it.contains('?') == with_query && matches(it, path, head);
        let mut routes = ROUTES.iter();
        routes.find(|route| route.paths.iter().any(leads_here))
    };
    find(true).or_else(|| find(false).filter(|_| path != "/" || head.asked(ACTION).is_none()))
}

fn matches(pattern: &str, path: &str, head: &Head) -> bool {
    if let Some((exactly, query)) = pattern.split_once('?') {
        let is_asked = |(name, value): (&str, &str)| {
            let asked = head.asked(name).and_then(|asked| asked.strip_prefix(value));
            asked.is_some_and(|number| value.is_empty() || number.is_empty() || is_camera_number(number))
        };
        return path == exactly && query.split_once('=').is_some_and(is_asked);
    }
    match pattern.strip_suffix('*') {
        Some(front) => path.starts_with(front),
        None => path == pattern,
    }
}

fn is_camera_number(text: &str) -> bool {
    let digits = text.strip_prefix('_').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn allow(methods: &[(Method, Option<Role>)]) -> String {
    let methods = methods.iter().map(|(method, _)| method);
    let words = methods.chain([&Method::Options]).map(|it| it.word());
    words.collect::<Vec<_>>().join(", ")
}

/// The answer where nothing is, with the addresses where something is.
pub fn nothing_here() -> Answer {
    let in_docs = ROUTES.iter().filter(|route| route.about.is_some());
    let addresses: Vec<&str> = in_docs.filter_map(|route| route.paths.first().copied()).collect();
    let text = format!(
        "There is nothing here. These are the addresses: {}; of several cameras, each one's are at /NAME/",
        addresses.join(" ")
    );
    Answer::text("404 Not Found", text)
}

/// The names that a camera can't have, since they stand at the same place in addresses; sorted. No camera's name has a dot.
pub fn reserved_names() -> Vec<&'static str> {
    let paths = ROUTES.iter().flat_map(|route| route.paths);
    let firsts = paths.filter_map(|path| path.strip_prefix('/')?.split(['/', '?']).next());
    let firsts = firsts.chain([LINK.trim_matches('/')]);
    let mut names = Vec::new();
    for name in firsts.filter(|it| !it.is_empty() && !it.contains('.')) {
        if let Err(place) = names.binary_search(&name) {
            names.insert(place, name);
        }
    }
    names
}

/// The role that the first of the methods needs, and then those that need another one.
fn roles(methods: &[(Method, Option<Role>)]) -> String {
    let word = |role: Option<Role>| role.map_or("–", Role::word);
    let first = methods.first().and_then(|(_, role)| *role);
    let others = methods.iter().filter(|(_, role)| *role != first);
    let others = others.map(|(method, role)| format!("{} {}", method.word(), word(*role)));
    let all: Vec<String> = iter::once(word(first).into()).chain(others).collect();
    all.join(", ")
}

/// The table of routes in docs/design.md.
pub fn table_for_developers() -> String {
    let mut table = String::from("| paths | methods | role | gives |\n|---|---|---|---|\n");
    let shown = |path: &&str| match *path {
        "" => "nothing".to_string(),
        path => format!("`{path}`"),
    };
    for route in ROUTES {
        let paths: Vec<String> = route.paths.iter().map(shown).collect();
        let gives = route.gives.map_or("–", Codec::word);
        _ = writeln!(
            table,
            "| {} | {} | {} | {gives} |",
            paths.join(", "),
            allow(route.methods),
            roles(route.methods)
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{ROUTES, find, matches, reserved_names, resolve};
    use crate::serve::head;

    #[test]
    fn the_readme_has_the_addresses() {
        let mut table = String::from("| Address | What |\n|---|---|\n");
        for route in ROUTES {
            if let Some(about) = route.about {
                table += &format!("| `{}` | {about} |\n", route.paths[0]);
            }
        }
        let readme = include_str!("../../README.md");
        let behind = readme.split_once("<!-- routes -->\n").unwrap().1;
        let found = behind.split_once("<!-- /routes -->").unwrap().0;
        assert_eq!(
            found.trim(),
            table.trim(),
            "README.md should have this table:\n{table}"
        );
    }

    fn head(request_line: &str) -> head::Head {
        let bytes = format!("{request_line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        head::parse(bytes.as_bytes()).unwrap().unwrap().0
    }

    /// By the first path of the route, or the code of the answer.
    fn outcome(request_line: &str) -> &'static str {
        let head = head(request_line);
        match resolve(&head.path, &head, false, 2) {
            Ok((route, _)) => route.paths[0],
            Err(answer) => answer.code(),
        }
    }

    #[test]
    fn requests_find_their_routes() {
        for (request_line, expected) in [
            ("GET /", "/"),
            ("HEAD /", "/"),
            ("GET /?bare", "/"),
            ("GET /?action=other", "404"),
            ("GET /?action=", "404"),
            ("GET /?action=stream_", "404"),
            ("GET /?action=stream_+1", "404"),
            ("GET /?action=streams", "404"),
            ("GET /?action=stream_1", "/stream.mjpeg"),
            ("GET /?action=stream_2", "404"),
            ("GET /?action=snapshot_0", "/snapshot.jpg"),
            ("GET /?action=stream", "/stream.mjpeg"),
            ("GET /?t=1&action=snapshot", "/snapshot.jpg"),
            ("GET /index.html?action=stream", "/index.html"),
            ("GET /stream", "/stream.mjpeg"),
            ("GET /stream.mjpeg?fps=5", "/stream.mjpeg"),
            ("GET /stream.mp4?start=live", "/stream.mp4"),
            ("GET /stream.m3u8?_HLS_msn=1", "/stream.m3u8"),
            ("GET /streaminf.m3u8", "/streaminf.m3u8"),
            ("GET /hls/", "/hls/*"),
            ("HEAD /hls/a/b.m4s", "/hls/*"),
            ("GET /snapshot", "/snapshot.jpg"),
            ("GET /snapshot.mp4", "/snapshot.mp4"),
            ("GET /clip.mp4?before=10", "/clip.mp4"),
            ("GET /clip.mp4?to=2&from=1", "/clip.mp4?from="),
            ("GET /clip.mp4?from=", "/clip.mp4?from="),
            ("GET /clip.mp4?day=2026-11-28&step=10", "/clip.mp4?from="),
            ("GET /ws", "/ws"),
            ("GET /status", "/status"),
            ("GET /healthz", "/healthz"),
            ("GET /favicon.ico", super::pages::ASSET_PATHS[0]),
            ("GET /ws/", "404"),
            ("GET /hls", "404"),
            ("GET //", "404"),
            ("GET /Status", "404"),
            ("GET /stream.mp4/", "404"),
            ("GET /hls/*x", "/hls/*"),
            ("GET /*", "404"),
            ("POST /nowhere", "404"),
            ("OPTIONS /nowhere", "404"),
            ("POST /", "405"),
            ("DELETE /hls/x", "405"),
            ("PUT /?action=stream", "405"),
            ("OPTIONS /ws", "204"),
            ("OPTIONS /?action=stream", "204"),
            ("OPTIONS *", "204"),
        ] {
            assert_eq!(outcome(request_line), expected, "{request_line}");
        }
    }

    /// A camera's name, or `base_path`, alone.
    #[test]
    fn nothing_is_a_route_too() {
        let head = head("GET /front");
        assert_eq!(find("", &head).unwrap().paths, [""]);
    }

    #[test]
    fn every_path_leads_to_its_own_route() {
        for route in ROUTES {
            for path in route.paths.iter().filter(|path| !path.is_empty()) {
                let head = head(&format!("GET {path}"));
                let found = find(&head.path, &head).unwrap();
                assert_eq!(found.paths, route.paths, "{path}");
                let others = ROUTES.iter().filter(|other| other.paths != route.paths);
                for other in others.flat_map(|other| other.paths) {
                    let is_hidden = matches(other, &head.path, &head) && !path.contains('?');
                    assert!(!is_hidden, "{path} is {other} as well");
                }
            }
        }
    }

    #[test]
    fn what_is_allowed_is_said() {
        let head = head("OPTIONS /status");
        let text = |cors| {
            let answer = resolve("/status", &head, cors, 1).err().unwrap();
            String::from_utf8(answer.head("", true)).unwrap()
        };
        assert!(text(false).contains("\r\nAllow: GET, HEAD, OPTIONS\r\n"));
        assert!(!text(false).contains("Access-Control"));
        assert!(text(true).contains(
            "\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS\r\nAccess-Control-Allow-Headers: Range, "
        ));
        assert!(text(true).contains("\r\nAccess-Control-Max-Age: 7200\r\n"));
    }

    #[test]
    fn no_camera_is_called_like_a_route() {
        assert_eq!(
            reserved_names(),
            [
                "controls",
                "do_orient",
                "events",
                "healthz",
                "hls",
                "links",
                "login",
                "logout",
                "metrics",
                "onvif",
                "ptz",
                "recordings",
                "snapshot",
                "status",
                "stream",
                "t",
                "ws"
            ]
        );
    }
}
