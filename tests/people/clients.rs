//! How each kind of client says who it is, as the requests that it sends: what it can do works, and what it can't does not
//! open anything.

use super::support::{Server, have, run, skip, until};
use super::{ANNA_BASIC, BEN_BASIC, answer, code, config, link, log_in};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
pub const NAVIGATES: &str =
    "Accept: text/html,*/*\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Site: none";
const IMG: &str = "Accept: image/avif,image/webp,*/*\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image";
/// A tag in a page of another site, as a browser asks on plain http, and where it thinks the connection safe.
const STRANGER: [&str; 2] = [
    "Referer: http://home.example/",
    "Referer: http://home.example/\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors",
];
const FRAME: &str = "Accept: text/html,*/*\r\nReferer: http://home.example/\r\nSec-Fetch-Site: cross-site\r\n\
    Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe";

fn with(fields: &[&str]) -> String {
    let fields: Vec<&str> = fields.iter().copied().filter(|it| !it.is_empty()).collect();
    fields.join("\r\n")
}

#[test]
fn a_browser_goes_on_by_its_cookie() {
    let server = Server::with_config(&config());
    // It is shown the form, and no dialog before it; pictures and scripts of the page are no place for a form.
    let shown = answer(&server, "GET", "/yard/", NAVIGATES, "");
    assert!(shown.starts_with("HTTP/1.1 401 ") && shown.contains("<form method=\"post\""));
    assert!(!shown.contains("WWW-Authenticate"), "{shown}");
    let cookie = log_in(&server, "user=ben&password=geheim");
    for fields in [
        NAVIGATES,
        IMG,
        "Sec-Fetch-Dest: video\r\nRange: bytes=0-1",
        "Sec-Fetch-Mode: cors",
    ] {
        for path in [
            "/yard/",
            "/yard/stream.mp4",
            "/yard/snapshot.mp4",
            "/yard/status",
            "/yard/stream.m3u8",
        ] {
            let got = code(&server, "GET", path, &with(&[fields, &cookie]));
            assert!(got == "200" || got == "206", "{path} {fields}: {got}");
            assert_eq!(code(&server, "GET", path, fields), "401", "{path} {fields}");
        }
        assert_eq!(
            code(&server, "GET", "/door/status", &with(&[fields, &cookie])),
            "404"
        );
    }
}

/// Safari's loader of media, and its HLS: they ask for a password, and then load without it.
#[test]
fn media_load_by_cookie_and_by_link_alone() {
    let server = Server::with_config(&config());
    let cookie = log_in(&server, "user=ben&password=geheim");
    let yard = link(&server, "/yard/links", "{}");
    let media = "Accept: */*\r\nRange: bytes=0-1\r\nX-Playback-Session-Id: A";
    assert_eq!(code(&server, "GET", "/yard/stream.mp4", media), "401");
    for (front, credentials) in [("/yard/", cookie.as_str()), (&yard, "")] {
        // From one playlist to the next by their own, relative addresses, down to what has the pictures.
        let (mut folder, mut name) = (front.to_string(), "stream.m3u8".to_string());
        let mut names = Vec::new();
        for _ in 0..2 {
            let path = format!("{folder}{name}");
            let mut playlist = String::new();
            until("the playlist has addresses", || {
                playlist = answer(&server, "GET", &path, &with(&[media, credentials]), "");
                assert!(playlist.starts_with("HTTP/1.1 200 "), "{path}: {playlist}");
                names = addresses(&playlist);
                !names.is_empty()
            });
            assert!(
                playlist.contains("Cache-Control: private") || playlist.contains("no-store"),
                "{playlist}"
            );
            for name in &names {
                assert!(!name.starts_with('/') && !name.contains("://"), "{name}");
                let path = format!("{folder}{name}");
                let got = code(&server, "GET", &path, &with(&[media, credentials]));
                assert!(got == "200" || got == "206", "{path}: {got}");
                // The same without: it is the cookie, or the address, that opens it.
                let bare = path.replacen(front, "/yard/", 1);
                assert_eq!(code(&server, "GET", &bare, media), "401", "{bare}");
            }
            name = names[0].clone();
            if let Some((below, file)) = name.clone().rsplit_once('/') {
                folder += &format!("{below}/");
                name = file.into();
            }
        }
    }
    // A token in the query is none, as no relative address would inherit it.
    let token = yard.split('/').nth(2).unwrap();
    let query = format!("/yard/stream.m3u8?t={token}");
    assert_eq!(code(&server, "GET", &query, media), "401");
}

/// What a playlist has of addresses, in lines of their own and in attributes.
fn addresses(playlist: &str) -> Vec<String> {
    let (_, body) = playlist.split_once("\r\n\r\n").unwrap();
    let own = body
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let inside = body
        .lines()
        .filter(|line| line.starts_with("#EXT-X-MAP"))
        .filter_map(|line| line.split("URI=\"").nth(1)?.split('"').next());
    own.chain(inside).take(4).map(str::to_string).collect()
}

#[test]
fn an_event_source_comes_by_cookie_and_by_link() {
    let server = Server::with_config(&config());
    let cookie = log_in(&server, "user=ben&password=geheim");
    let front = link(&server, "/yard/links", "{}");
    let by_link = format!("{front}events");
    for (path, credentials, expected) in [
        ("/yard/events", "", "401"),
        ("/yard/events", cookie.as_str(), "200"),
        ("/yard/events", BEN_BASIC, "200"),
        (&by_link, "", "200"),
        ("/door/events", &cookie, "404"),
    ] {
        let fields = with(&["Accept: text/event-stream", credentials]);
        assert_eq!(
            code(&server, "GET", path, &fields),
            expected,
            "{path} {credentials}"
        );
        let foreign = with(&[&fields, "Origin: http://home.example"]);
        assert_eq!(
            code(&server, "GET", path, &foreign),
            "403",
            "{path} {credentials}"
        );
    }
}

#[test]
fn a_websocket_comes_by_cookie_link_or_password_from_our_page() {
    let server = Server::with_config(&config());
    let cookie = log_in(&server, "user=ben&password=geheim");
    let front = link(&server, "/yard/links", "{}");
    let by_link = format!("{front}ws");
    for (path, credentials, otherwise) in [
        // WebKit sends no password with it.
        ("/yard/ws", "", "401"),
        ("/yard/ws", cookie.as_str(), "101"),
        ("/yard/ws", BEN_BASIC, "101"),
        (&by_link, "", "101"),
        ("/door/ws", &cookie, "404"),
    ] {
        for (origin, let_in) in [
            ("", true),
            ("Origin: http://localhost", true),
            ("Origin: http://localhost:8001", false),
            ("Origin: http://home.example", false),
            ("Origin: null", false),
            ("Origin: http://localhost\r\nSec-Fetch-Site: cross-site", false),
        ] {
            let expected = if let_in { otherwise } else { "403" };
            let got = code(&server, "GET", path, &with(&[UPGRADE, credentials, origin]));
            assert_eq!(got, expected, "{path} {credentials} {origin}");
        }
    }
}

/// Cookies and passwords stay at home, so that a link is what such a page has.
#[test]
fn pages_of_other_sites_show_what_a_link_opens() {
    let server = Server::with_config(&config());
    let cookie = log_in(&server, "user=ben&password=geheim");
    let front = link(&server, "/yard/links", "{}");
    for stranger in STRANGER {
        for path in ["stream.mp4", "snapshot.mp4", "stream.m3u8"] {
            let path = format!("{front}{path}");
            let said = answer(&server, "GET", &path, stranger, "");
            assert!(said.starts_with("HTTP/1.1 200 "), "{path}: {said}");
            assert!(
                said.contains("\r\nCross-Origin-Resource-Policy: cross-origin\r\n"),
                "{said}"
            );
            assert!(said.contains("\r\nReferrer-Policy: no-referrer\r\n"), "{said}");
            assert!(!said.contains("Access-Control-Allow-Origin"), "{said}");
        }
        // A browser that would send its cookie shows nothing all the same.
        let said = answer(
            &server,
            "GET",
            "/yard/snapshot.mp4",
            &with(&[stranger, &cookie]),
            "",
        );
        let kept = said.starts_with("HTTP/1.1 403 ")
            || said.contains("\r\nCross-Origin-Resource-Policy: same-site\r\n");
        assert!(kept, "{said}");
        let script = format!("{stranger}\r\nOrigin: http://home.example");
        assert_eq!(code(&server, "GET", &format!("{front}status"), &script), "403");
    }
    let framed = answer(&server, "GET", &front, FRAME, "");
    assert!(framed.starts_with("HTTP/1.1 200 "), "{framed}");
    assert!(framed.contains("frame-ancestors 'self' *\r\n"), "{framed}");
    for (path, fields) in [
        ("/yard/", cookie.as_str()),
        ("/yard/", ""),
        ("/login", ""),
        ("/t/x/login", ""),
    ] {
        let fields = with(&[FRAME, fields]);
        let said = answer(&server, "GET", path, &fields, "");
        assert!(said.starts_with("HTTP/1.1 403 "), "{path} {said}");
        // Where the browser does not say that it is for a frame, it is told who may.
        let plain = answer(&server, "GET", path, "Accept: text/html", "");
        assert!(plain.contains("frame-ancestors 'self'\r\n"), "{path} {plain}");
    }
}

#[test]
fn programs_send_a_password_with_each_request() {
    let server = Server::with_config(&config());
    for path in [
        "/yard/snapshot.mp4",
        "/metrics",
        "/yard/status",
        "/yard/stream.m3u8",
    ] {
        // Curl, Prometheus, Home Assistant and VLC send it at once, or when they are asked.
        let asked = answer(&server, "GET", path, "", "");
        assert!(
            asked.contains("WWW-Authenticate: Basic realm=\"fmp4streamer\""),
            "{asked}"
        );
        assert_eq!(asked.matches("WWW-Authenticate").count(), 1, "{asked}");
        for fields in [BEN_BASIC, ANNA_BASIC] {
            assert_eq!(code(&server, "GET", path, fields), "200", "{path}");
        }
    }
    for wrong in [
        "Authorization: Basic YmVuOmdlaGVpbQ",
        "Authorization: Basic YmVu",
        "Authorization: Bearer YmVuOmdlaGVpbQ==",
        "Authorization: Digest username=\"ben\", realm=\"fmp4streamer\", nonce=\"\", uri=\"/\", response=\"\"",
        "Proxy-Authorization: Basic YmVuOmdlaGVpbQ==",
        "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1",
        "X-Remote-User: anna",
    ] {
        assert_eq!(code(&server, "GET", "/yard/status", wrong), "401", "{wrong}");
    }
    // No request can choose its name by the query or the host.
    assert_eq!(
        code(&server, "GET", "/yard/status?user=ben&password=geheim", ""),
        "401"
    );
}

#[test]
fn curl_and_ffmpeg_log_in_by_the_address() {
    if !have("curl") || !have("ffprobe") {
        return skip("no curl or no ffprobe");
    }
    let server = Server::with_config(&config());
    let at = |path: &str| server.url(path).replacen("//", "//ben:geheim@", 1);
    let curl = |args: &[&str]| {
        let status = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30"];
        let said = run("curl", &[&status, args].concat());
        String::from_utf8(said.stdout).unwrap()
    };
    let status = server.url("/yard/status");
    assert_eq!(curl(&[&status]), "401");
    assert_eq!(curl(&["-u", "ben:geheim", &status]), "200");
    assert_eq!(curl(&["--anyauth", "-u", "ben:geheim", &status]), "200");
    assert_eq!(curl(&["--digest", "-u", "ben:geheim", &status]), "401");
    assert_eq!(curl(&[&at("/yard/status")]), "200");
    let front = link(&server, "/yard/links", "{}");
    let by_link = |path: &str| server.url(&format!("{front}{path}"));
    let plays = |address: &str| {
        let shows = [
            "-v",
            "error",
            "-show_entries",
            "stream=codec_name",
            "-of",
            "csv=p=0",
            address,
        ];
        let said = run("ffprobe", &shows);
        String::from_utf8(said.stdout).unwrap().starts_with("h264")
    };
    assert!(!plays(&server.url("/yard/stream.mp4")));
    assert!(plays(&at("/yard/stream.mp4")) && plays(&by_link("stream.mp4")));
    assert!(plays(&at("/yard/stream.m3u8")) && plays(&by_link("stream.m3u8")));
}
