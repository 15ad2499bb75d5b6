//! The page, the page of all cameras, and the files that they consist of.

use super::answer::{Answer, NO_CACHE};
use super::exchange::{Ending, Exchange};
use super::shared::CameraSide;
use std::fmt::Write;
use std::io;
use std::sync::Arc;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What the page may load, beside what `Access` says of its frames; both policies hold. WebSockets are named by their
/// schemes: Safari before 15.4 does not count them to 'self', and a proxy's name for this server is not known here. Only
/// our own script runs (script-src), and it opens none elsewhere. The frames are the overview's.
const PAGE_POLICY: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; manifest-src 'self'; \
    frame-src 'self'; base-uri 'none'; form-action 'none'\r\n";

const PAGE: &[u8] = include_bytes!("../../assets/index.html");
const OVERVIEW: &str = include_str!("../../assets/overview.html");
/// Where the cameras stand in the overview.
const CAMERAS: &str = "<!-- cameras -->\n";

/// A file that the pages consist of.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const fn asset(path: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset {
        path,
        content_type,
        bytes,
    }
}

/// All of them.
const ASSETS: &[Asset] = &[
    asset("/overview.css", CSS, include_bytes!("../../assets/overview.css")),
    asset(
        "/overview.js",
        JAVASCRIPT,
        include_bytes!("../../assets/overview.js"),
    ),
    asset("/style.css", CSS, include_bytes!("../../assets/style.css")),
    asset("/player.js", JAVASCRIPT, include_bytes!("../../assets/player.js")),
    asset(
        "/manifest.json",
        "application/manifest+json",
        include_bytes!("../../assets/manifest.json"),
    ),
    asset("/logo.png", "image/png", include_bytes!("../../assets/logo.png")),
    asset(
        "/apple-touch-icon.png",
        "image/png",
        include_bytes!("../../assets/logo.png"),
    ),
    asset(
        "/favicon.ico",
        "image/png",
        include_bytes!("../../assets/favicon.png"),
    ),
];

/// Their paths, for the table of routes.
pub const ASSET_PATHS: [&str; ASSETS.len()] = {
    let mut paths = [""; ASSETS.len()];
    let mut at = 0;
    while at < ASSETS.len() {
        paths[at] = ASSETS[at].path;
        at += 1;
    }
    paths
};

/// Sends the camera's page, or the overview where there are several and none is named.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn start(exchange: &Exchange<'_>) -> io::Result<Ending> {
    match exchange.cameras {
        [_] => page(exchange),
        cameras => exchange.send(&html(overview(cameras).into_bytes())),
    }
}

/// Sends the camera's page.
///
/// # Errors
/// Those of [`start`].
pub fn page(exchange: &Exchange<'_>) -> io::Result<Ending> {
    exchange.send(&html(PAGE))
}

/// Sends one of the files that the pages consist of.
///
/// # Errors
/// Those of [`start`].
pub fn file(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let mut assets = ASSETS.iter();
    exchange.send(&match assets.find(|asset| asset.path == exchange.path) {
        Some(asset) => Answer::new(asset.content_type, NO_CACHE, asset.bytes),
        None => Answer::text("404 Not Found", "There is no such file"),
    })
}

/// Sends who forgot the slash behind `base_path` or a camera's name to the page.
///
/// # Errors
/// Those of [`start`].
pub fn slash(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let query = &exchange.head.query;
    let mark = if query.is_empty() { "" } else { "?" };
    let name = match exchange.camera_named {
        true => &exchange.camera.stream.name,
        false => exchange
            .shared
            .settings
            .base_path
            .rsplit('/')
            .next()
            .unwrap_or_default(),
    };
    // From where it was asked for: a proxy may have taken another path away.
    let page = format!("{name}/{mark}{query}");
    let answer = Answer::text("301 Moved Permanently", format!("The page is at {page}"));
    exchange.send(&answer.with(&format!("Location: {page}\r\n")))
}

fn html(body: impl Into<std::borrow::Cow<'static, [u8]>>) -> Answer {
    Answer::new(HTML, NO_CACHE, body).with(PAGE_POLICY)
}

/// The page of all cameras: each in a frame of its own, with a link to its page. A name needs no quoting: the config
/// allows letters, digits, `_` and `-`.
fn overview(cameras: &[Arc<CameraSide>]) -> String {
    let (begin, rest) = OVERVIEW.split_once(CAMERAS).unwrap_or((OVERVIEW, ""));
    let mut page = begin.to_string();
    for camera in cameras {
        let name = &camera.stream.name;
        // Without scripts a frame is there at once, or when it comes near where the browser does that.
        // Writing to a String can't fail.
        _ = writeln!(
            page,
            "<figure><noscript><iframe src=\"{name}/?bare\" title=\"{name}\" loading=\"lazy\"></iframe></noscript>\
             <a href=\"{name}/\"><span>{name}</span></a></figure>"
        );
    }
    page + rest
}
