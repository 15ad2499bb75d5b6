//! What has broken one client or another where a server did or left out something: each is a line here, with whom it broke.

use super::client::{Client, Picture};
use super::support::{Server, until};
use super::{SERVER, server, test_picture};
use fmp4streamer::format::{base64, md5};

const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";

/// All that is said between a client and us, from the first request to the end.
struct Conversation {
    url: String,
    options: String,
    describe: String,
    setup: String,
    play: String,
    /// The first packet's number and timestamp.
    first: (u16, u32),
    /// How many reports there were when the first picture was whole.
    early_reports: usize,
    pictures: Vec<Picture>,
    keep_alive: [String; 3],
    resumed: String,
    ends: bool,
}

impl Conversation {
    fn new(server: &Server) -> Conversation {
        let mut client = Client::new(server, "/camera0");
        let options = client.ask("OPTIONS", "", "");
        let describe = client.ask("DESCRIBE", "", "Accept: application/sdp\r\n");
        let setup = client.ask("SETUP", "/trackID=0", TCP);
        client.session = field(&setup, "Session").split(';').next().unwrap().into();
        let play = client.ask("PLAY", "/", "Range: npt=0.000-\r\n");
        let mut pictures = client.pictures(1);
        let early_reports = client.reports[0].len();
        pictures.extend(client.pictures(70));
        let keep_alive =
            ["OPTIONS", "GET_PARAMETER", "SET_PARAMETER"].map(|method| client.ask(method, "", ""));
        let resumed = client.ask("PLAY", "/", "");
        client.pictures(3);
        assert_eq!(client.status("TEARDOWN", "", ""), "200");
        while client.next_frame().is_some() {}
        Conversation {
            url: client.url.clone(),
            options,
            describe,
            setup,
            play,
            first: client.firsts[0],
            early_reports,
            pictures,
            keep_alive,
            resumed,
            ends: client.answer().is_none(),
        }
    }

    fn units(&self, kinds: &[u8]) -> Vec<&[u8]> {
        let units = self.pictures.iter().flat_map(|picture| &picture.nal_units);
        let units = units.filter(|unit| kinds.contains(&(unit[0] & 31)));
        units.map(Vec::as_slice).collect()
    }

    /// What stands in the SDP behind that.
    fn sdp(&self, name: &str) -> Option<&str> {
        let (_, sdp) = self.describe.split_once("\r\n\r\n").unwrap();
        sdp.lines().find_map(|line| line.strip_prefix(name))
    }

    fn format(&self, name: &str) -> &str {
        let format = self.sdp("a=fmtp:96 ").unwrap_or_default();
        let mut fields = format.split(';').map(str::trim);
        fields
            .find_map(|it| it.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_default()
    }
}

/// The value of that field, whose name is written so.
fn field<'a>(answer: &'a str, name: &str) -> &'a str {
    let mut fields = answer
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    fields.next().unwrap_or_default()
}

type Needs = fn(&Conversation) -> bool;

/// Whom it broke, what it needs, and whether that is there.
const NEEDS: &[(&str, &str, Needs)] = &[
    ("ExoPlayer, go2rtc", "CSeq in this very case", |it| {
        field(&it.describe, "CSeq") == "2"
    }),
    ("VLC, Scrypted", "Public names GET_PARAMETER", |it| {
        field(&it.options, "Public").contains("GET_PARAMETER")
    }),
    ("VLC", "Content-Base, with a slash", |it| {
        field(&it.describe, "Content-Base") == format!("{}/", it.url)
    }),
    ("all", "the type of what describes", |it| {
        field(&it.describe, "Content-Type") == "application/sdp"
    }),
    ("live555", "a short description", |it| it.describe.len() < 20_000),
    ("go2rtc", "an origin and a name that are well-formed", |it| {
        let origin: Vec<_> = it.sdp("o=").unwrap_or_default().split(' ').collect();
        matches!(origin[..], ["-", _, _, "IN", "IP4", _])
            && it.sdp("s=") == Some("camera0")
            && it.sdp("t=") == Some("0 0")
    }),
    ("old live555", "a connection in the description", |it| {
        it.sdp("c=") == Some("IN IP4 0.0.0.0")
    }),
    ("Blue Iris", "a control for each track", |it| {
        it.sdp("a=control:trackID=") == Some("0") && it.sdp("a=control:*").is_some()
    }),
    ("ExoPlayer", "packetization-mode", |it| {
        it.format("packetization-mode") == "1"
    }),
    (
        "ExoPlayer, retina",
        "sprop-parameter-sets, one of each, as they are in band",
        |it| {
            let sets = [it.units(&[7])[0], it.units(&[8])[0]].map(base64::encode);
            it.format("sprop-parameter-sets") == sets.join(",")
        },
    ),
    ("ffmpeg", "profile-level-id as the SPS has it", |it| {
        let sps = it.units(&[7])[0];
        it.format("profile-level-id") == format!("{:02X}{:02X}{:02X}", sps[1], sps[2], sps[3])
    }),
    (
        "live555, Scrypted, go2rtc",
        "a session of 8 characters or more, with a timeout",
        |it| {
            let session = field(&it.setup, "Session").strip_suffix(";timeout=60");
            session.is_some_and(|id| id.len() >= 8 && id.chars().all(|c| c.is_ascii_alphanumeric()))
        },
    ),
    ("retina", "the same session in each answer", |it| {
        let session = field(&it.setup, "Session").split(';').next().unwrap();
        [&it.play, &it.keep_alive[1], &it.resumed]
            .iter()
            .all(|answer| field(answer, "Session") == session)
    }),
    ("go2rtc", "the channels that it asked for", |it| {
        field(&it.setup, "Transport").contains("unicast;interleaved=0-1;ssrc=")
    }),
    (
        "GStreamer",
        "the exact number and timestamp of the first packet, or none",
        |it| {
            field(&it.play, "RTP-Info")
                == format!(
                    "url={}/trackID=0;seq={};rtptime={}",
                    it.url, it.first.0, it.first.1
                )
                && field(&it.resumed, "RTP-Info").is_empty()
        },
    ),
    ("ffmpeg", "a range", |it| field(&it.play, "Range") == "npt=0.000-"),
    ("VLC, retina", "a report with the first picture", |it| {
        it.early_reports > 0
    }),
    ("ffmpeg", "a key picture first", |it| {
        it.pictures[0].types() == [7, 8, 5]
    }),
    (
        "all whose camera changes",
        "parameter sets before each key picture",
        |it| {
            let keys = it.pictures.iter().filter(|picture| picture.types().contains(&5));
            keys.clone().count() > 1
                && keys
                    .into_iter()
                    .all(|picture| picture.types().starts_with(&[7, 8]))
        },
    ),
    (
        "retina",
        "neither delimiters, filler nor zeros behind a NAL unit",
        |it| {
            it.units(&[9, 12]).is_empty()
                && it.units(&[1, 5, 7, 8]).iter().all(|unit| unit.last() != Some(&0))
        },
    ),
    (
        "players that race",
        "a timestamp for each picture, later than the one before",
        |it| {
            it.pictures
                .windows(2)
                .all(|pair| (1..90_000 * 30).contains(&pair[1].timestamp.wrapping_sub(pair[0].timestamp)))
        },
    ),
    (
        "go2rtc, mediamtx's readers",
        "keep-alives that are answered, and the stream goes on",
        |it| {
            it.keep_alive
                .iter()
                .all(|answer| answer.starts_with("RTSP/1.0 200 "))
        },
    ),
    ("retina", "an end after TEARDOWN", |it| it.ends),
];

#[test]
fn what_has_broken_clients_is_not_done_here() {
    let said = Conversation::new(&test_picture());
    let lacking = NEEDS.iter().filter(|(_, _, is_there)| !is_there(&said));
    let lacking: Vec<_> = lacking.map(|(whom, what, _)| format!("{whom}: {what}")).collect();
    assert!(
        lacking.is_empty(),
        "{lacking:#?}\n{}\n{}\n{}",
        said.describe,
        said.setup,
        said.play
    );
}

/// The address as clients send it, the base that they are told, and the address of the track that they make of both.
#[test]
fn addresses_are_taken_as_clients_write_them() {
    let server = test_picture();
    let place = super::place(&server);
    for (url, base) in [
        (
            format!("rtsp://{place}/camera0"),
            Some(format!("rtsp://{place}/camera0/")),
        ),
        (
            format!("rtsp://{place}/camera0/"),
            Some(format!("rtsp://{place}/camera0/")),
        ),
        (
            format!("rtsp://{place}/camera0?x=1"),
            Some(format!("rtsp://{place}/camera0?x=1/")),
        ),
        // Recorders that keep no path.
        (format!("rtsp://{place}"), Some(format!("rtsp://{place}/"))),
        (
            format!("rtsp://{place}/any/path"),
            Some(format!("rtsp://{place}/any/path/")),
        ),
        // The machine by another of its names.
        (
            "rtsp://[::ffff:192.0.2.1]:8554/camera0".into(),
            Some("rtsp://[::ffff:192.0.2.1]:8554/camera0/".into()),
        ),
        ("/camera0".into(), None),
        ("*".into(), None),
    ] {
        for track in ["/trackID=0", "trackID=0", "/trackID=0?x=1", "?x=1/trackID=0"] {
            let mut client = Client::new(&server, "");
            client.url.clone_from(&url);
            let described = client.ask("DESCRIBE", "", "");
            assert_eq!(
                field(&described, "Content-Base"),
                base.as_deref().unwrap_or_default(),
                "{url}"
            );
            let set_up = client.ask("SETUP", track, TCP);
            assert!(set_up.starts_with("RTSP/1.0 200 "), "{url}{track}: {set_up}");
        }
    }
}

/// Requests that are odd, and whoever sends them.
#[test]
fn odd_requests_are_answered() {
    let server = test_picture();
    for (request, starts) in [
        (
            "OPTIONS * RTSP/1.0\r\nCSeq: 0\r\n\r\n",
            "RTSP/1.0 200 OK\r\nCSeq: 0\r\n",
        ),
        // GStreamer.
        (
            "OPTIONS * RTSP/1.0\r\nUser-Agent: a\r\nUser-Agent: b\r\nCSEQ: 7\r\n\r\n",
            "RTSP/1.0 200 OK\r\nCSeq: 7\r\n",
        ),
        // Scripts.
        (
            "OPTIONS * RTSP/1.0\nCSeq: 3\n\n",
            "RTSP/1.0 200 OK\r\nCSeq: 3\r\n",
        ),
        ("\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", "RTSP/1.0 200 "),
        // go2rtc.
        (
            "DESCRIBE /camera0 RTSP/1.0\r\nCSeq: 1\r\nRequire: www.onvif.org/ver20/backchannel\r\n\r\n",
            "RTSP/1.0 200 ",
        ),
        (
            "DESCRIBE /camera0 RTSP/1.0\r\nCSeq: 1\r\nRequire: play.scale\r\n\r\n",
            "RTSP/1.0 551 ",
        ),
        // Debian's VLC hangs where that is granted.
        (
            "SETUP /camera0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP\r\n\r\n",
            "RTSP/1.0 404 ",
        ),
        // With any other status ffmpeg and GStreamer give up, instead of taking the connection.
        (
            "SETUP /camera0/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n",
            "RTSP/1.0 461 ",
        ),
        (
            "SETUP /camera0/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;multicast\r\n\r\n",
            "RTSP/1.0 461 ",
        ),
    ] {
        let mut client = Client::new(&server, "");
        std::io::Write::write_all(&mut client.socket, request.as_bytes()).unwrap();
        let answer = client.answer().expect(request);
        assert!(answer.starts_with(starts), "{request}: {answer}");
    }
}

/// A camera that gives nothing: clients give up after five seconds, so they are told so in time to try again.
#[test]
fn a_camera_that_does_not_wake_up_is_said_so() {
    let server = server("[exec]\ncommand = exec sleep 1000\n");
    let answer = Client::new(&server, "/").ask("DESCRIBE", "", "");
    assert!(
        answer.starts_with("RTSP/1.0 503 ") && !field(&answer, "Retry-After").is_empty(),
        "{answer}"
    );
}

/// OPTIONS needs no password (ffmpeg); the challenge begins as live555 reads it; and what it gives is good on other connections,
/// and for the request's own address (go2rtc).
#[test]
fn a_digest_is_asked_for_as_clients_read_it() {
    let server = Server::with_config(&format!("{SERVER}[test]\n[user anna]\npassword = plain:secret\n"));
    let mut client = Client::new(&server, "/camera0");
    assert_eq!(client.status("OPTIONS", "", ""), "200");
    let challenge = client.ask("DESCRIBE", "", "");
    assert!(challenge.starts_with("RTSP/1.0 401 "), "{challenge}");
    let (realm, nonce) = field(&challenge, "WWW-Authenticate")
        .strip_prefix("Digest realm=\"")
        .and_then(|rest| rest.split_once("\", nonce=\""))
        .expect(&challenge);
    let nonce = nonce.split('"').next().unwrap();
    assert!(
        !challenge.contains("qop") && !challenge.contains("SHA-256"),
        "{challenge}"
    );
    for _ in 0..2 {
        let mut other = Client::new(&server, "/camera0");
        for (method, suffix, fields) in [("DESCRIBE", "", ""), ("SETUP", "/trackID=0", TCP)] {
            let url = format!("{}{suffix}", other.url);
            let [secret, request] =
                [format!("anna:{realm}:secret"), format!("{method}:{url}")].map(|it| md5::hex(&it));
            let response = md5::hex(&format!("{secret}:{nonce}:{request}"));
            let fields = format!(
                "{fields}Authorization: Digest username=\"anna\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{url}\", \
                 response=\"{response}\"\r\n"
            );
            assert_eq!(other.status(method, suffix, &fields), "200", "{method}");
        }
    }
}

/// Who comes gets nothing that was there before: players never catch up with it.
#[test]
fn who_comes_gets_no_old_pictures() {
    let server = test_picture();
    let mut first = Client::playing(&server, "/", 1);
    // Not just after a key picture, when there is nothing old.
    let mut seen = first.pictures(10).pop().unwrap();
    while seen.types().contains(&5) {
        seen = first.picture().unwrap();
    }
    let captured_us = |client: &Client, picture: &Picture| {
        let report = client.reports[0][0];
        report.unix_us + i64::from(picture.timestamp.wrapping_sub(report.timestamp) as i32) * 100 / 9
    };
    let mut second = Client::playing(&server, "/", 1);
    let picture = second.picture().unwrap();
    let (newest, begins) = (captured_us(&first, &seen), captured_us(&second, &picture));
    // Both are by the same clock, to a tick of 90 kHz.
    assert!(begins > newest - 1000, "it begins {} µs before", newest - begins);
    drop((first, second));
    until("nobody is kept", || server.number("clients") == 0);
}
