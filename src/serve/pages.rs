//! The page, the page of all cameras, and the files that they consist of.

use super::answer::{Answer, NO_CACHE};
use super::exchange::{Ending, Exchange};
use super::head::Head;
use super::shared::CameraSide;
use crate::format::gzip::Gzip;
use std::fmt::Write;
use std::io;
use std::sync::Arc;

pub const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What the page may load, beside what `Access` says of its frames; both policies hold. WebSockets are named by their
/// schemes: Safari before 15.4 does not count them to 'self', and a proxy's name for this server is not known here. Only
/// our own script runs (script-src), and it opens none elsewhere. The frames are the overview's.
const PAGE_POLICY: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; manifest-src 'self'; \
    frame-src 'self'; base-uri 'none'; form-action 'none'\r\n";

const OVERVIEW: &str = include_str!("../../assets/overview.html");
/// Where the cameras stand in the overview.
const CAMERAS: &str = "<!-- cameras -->\n";

/// A file that the pages consist of.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    /// As the program holds it: texts are packed with gzip.
    bytes: &'static [u8],
}

/// A text in the folder assets/, which build.rs has packed.
macro_rules! text {
    ($name:literal, $content_type:expr) => {
        Asset {
            path: concat!("/", $name),
            content_type: $content_type,
            bytes: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")),
        }
    };
}

/// A picture in the folder assets/.
macro_rules! picture {
    ($path:literal, $name:literal) => {
        Asset {
            path: $path,
            content_type: "image/png",
            bytes: include_bytes!(concat!("../../assets/", $name)),
        }
    };
}

const PAGE: Asset = text!("index.html", HTML);
const RECORDINGS: Asset = text!("recordings.html", HTML);

/// All files but the pages themselves.
const ASSETS: &[Asset] = &[
    text!("style.css", CSS),
    text!("words.js", JAVASCRIPT),
    text!("plain.js", JAVASCRIPT),
    text!("page.js", JAVASCRIPT),
    text!("overview.css", CSS),
    text!("overview.js", JAVASCRIPT),
    text!("recordings.css", CSS),
    text!("manifest.json", "application/manifest+json"),
    picture!("/logo.png", "logo.png"),
    picture!("/apple-touch-icon.png", "logo.png"),
    picture!("/favicon.ico", "favicon.png"),
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
    match &*exchange.cameras {
        [_] => page(exchange),
        cameras => {
            let page = overview(cameras).into_bytes();
            exchange.send(&Answer::new(HTML, NO_CACHE, page).with(PAGE_POLICY))
        }
    }
}

/// Sends the camera's page.
///
/// # Errors
/// Those of [`start`].
pub fn page(exchange: &Exchange<'_>) -> io::Result<Ending> {
    exchange.send(&PAGE.answer(exchange.head).with(PAGE_POLICY))
}

/// Sends the page of what the camera recorded.
///
/// # Errors
/// Those of [`start`].
pub fn recordings(exchange: &Exchange<'_>) -> io::Result<Ending> {
    exchange.send(&RECORDINGS.answer(exchange.head).with(PAGE_POLICY))
}

/// Sends one of the files that the pages consist of.
///
/// # Errors
/// Those of [`start`].
pub fn file(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let mut assets = ASSETS.iter();
    exchange.send(&match assets.find(|asset| asset.path == exchange.path) {
        Some(asset) => asset.answer(exchange.head),
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

impl Asset {
    /// The file, as the client takes it; a word alone if the client has it.
    fn answer(&self, head: &Head) -> Answer {
        let Some(gzip) = Gzip::parse(self.bytes) else {
            return Answer::new(self.content_type, NO_CACHE, self.bytes);
        };
        // Weak (RFC 9110, 8.8.1), as it is the same for both forms.
        let tag = format!("\"{:08x}\"", gzip.crc32);
        let answer = if head.has(&tag) {
            Answer::not_modified(NO_CACHE)
        } else if head.takes_gzip {
            Answer::new(self.content_type, NO_CACHE, self.bytes).with("Content-Encoding: gzip\r\n")
        } else {
            // It can't fail for what the build has packed; tests/page.rs unpacks each.
            Answer::new(self.content_type, NO_CACHE, gzip.inflate().unwrap_or_default())
        };
        answer.with(&format!("ETag: W/{tag}\r\nVary: Accept-Encoding\r\n"))
    }
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
             <a href=\"{name}/\"><p><span>{name}</span><i></i></p></a></figure>"
        );
    }
    page + rest
}
