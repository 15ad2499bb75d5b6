//! ONVIF and WS-Discovery: by their bytes, and by the libraries of real recorders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use fmp4streamer::format::{base64, md5, soap, time};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Child;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::{Dir, PATIENCE, Server, have, in_own_network, python, run, until};

const SERVER: &str = "[server]\nrtsp = yes\nrtsp_port = 0\nonvif = yes\n";
const TEST: &str = "[test]\nname = yard\nwidth = 320\nheight = 240\n";

fn server(lines: &str) -> Server {
    Server::with_config(&format!("{SERVER}{TEST}{lines}"))
}

/// Host and port of RTSP.
fn rtsp(server: &Server) -> String {
    let log = server.log();
    let (_, place) = log.split_once("rtsp://").expect("RTSP is served");
    place.split('/').next().unwrap().to_string()
}

/// A message with this in its header and its body.
fn message(header: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header>{header}</s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// The answer to a request to that service, with these header lines.
fn post(server: &Server, service: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    server.ask(&format!(
        "POST /onvif/{service} HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    ))
}

fn ask(server: &Server, header: &str, body: &str) -> String {
    post(
        server,
        "device_service",
        "Host: pi.local:81\r\n",
        &message(header, body),
    )
}

/// The code that says what is wrong, or nothing.
fn fault(answer: &str) -> &str {
    let code = answer.split_once("<s:Value>ter:");
    code.map_or("", |(_, rest)| rest.split('<').next().unwrap())
}

#[test]
fn every_operation_is_answered_in_whole_xml() {
    let server = server("");
    for operation in [
        "GetSystemDateAndTime",
        "GetServices",
        "GetCapabilities",
        "GetServiceCapabilities",
        "GetDeviceInformation",
        "GetNetworkInterfaces",
        "GetScopes",
        "GetVideoSources",
        "GetProfiles",
        "GetProfile",
        "GetVideoSourceConfigurations",
        "GetVideoEncoderConfigurations",
        "GetVideoEncoderConfiguration",
        "GetVideoEncoderConfigurationOptions",
        "GetStreamUri",
        "GetSnapshotUri",
    ] {
        let answer = ask(&server, "", &format!("<a:{operation} xmlns:a='x'/>"));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nContent-Type: application/soap+xml; charset=utf-8"));
        assert_eq!(
            soap::read(body.as_bytes()).unwrap().operation,
            format!("{operation}Response")
        );
        assert!(!body.contains(['{', '}']), "{body}");
    }
    let answer = |service| {
        post(
            &server,
            service,
            "Host: pi\r\n",
            &message("", "<GetServiceCapabilities/>"),
        )
    };
    assert!(answer("device_service").contains("<tds:Security"));
    assert!(answer("media_service").contains("SnapshotUri="));
    for (body, code) in [
        ("<SystemReboot/>", "ActionNotSupported"),
        ("<SetVideoEncoderConfiguration/>", "ActionNotSupported"),
        (
            "<GetStreamUri><ProfileToken>door</ProfileToken></GetStreamUri>",
            "NoProfile",
        ),
        ("<GetProfiles>", "WellFormed"),
        ("", "WellFormed"),
    ] {
        let answer = ask(&server, "", body);
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert_eq!(fault(&answer), code, "{body}");
    }
    let long = post(
        &server,
        "device_service",
        "Host: pi\r\n",
        &" ".repeat(16 * 1024 + 1),
    );
    assert!(long.starts_with("HTTP/1.1 413 "), "{long}");
}

/// Of the name or address that the recorder came by, which leads here from where it is.
#[test]
fn addresses_are_those_that_the_recorder_came_by() {
    let server = server("");
    // What is no name (RFC 3986, 3.2.2) can't fill a text.
    for host in ["<a>", "{http}", "a\"b"] {
        let answer = server.ask(&format!(
            "POST /onvif/device_service HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let (here, rtsp) = (server.address.to_string(), rtsp(&server));
    let rtsp_port = rtsp.rsplit_once(':').unwrap().1;
    for (version, field, http, host) in [
        ("1.1", "Host: pi.local:81\r\n", "http://pi.local:81", "pi.local"),
        ("1.1", "Host: pi\r\n", "http://pi", "pi"),
        (
            "1.1",
            "Host: [2001:db8::1]:8000\r\n",
            "http://[2001:db8::1]:8000",
            "[2001:db8::1]",
        ),
        (
            "1.1",
            "Host: pi\r\nX-Forwarded-Proto: https\r\n",
            "https://pi",
            "pi",
        ),
        ("1.0", "", &format!("http://{here}"), "127.0.0.1"),
    ] {
        let ask = |operation: &str| {
            let body = message("", operation);
            server.ask(&format!(
                "POST /onvif/device_service HTTP/{version}\r\n{field}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ))
        };
        let services = ask("<GetServices/>");
        let service = format!("<tds:XAddr>{http}/onvif/media_service</tds:XAddr>");
        assert!(services.contains(&service), "{services}");
        let stream = ask("<GetStreamUri><ProfileToken>yard</ProfileToken></GetStreamUri>");
        let address = format!("<tt:Uri>rtsp://{host}:{rtsp_port}/yard</tt:Uri>");
        assert!(stream.contains(&address), "{stream}");
        let snapshot = ask("<GetSnapshotUri/>");
        assert!(
            snapshot.contains(&format!("<tt:Uri>{http}/snapshot.jpg</tt:Uri>")),
            "{snapshot}"
        );
    }
}

#[test]
fn it_is_off_unless_the_config_says_otherwise() {
    let server = Server::test_picture(&[]);
    let answer = ask(&server, "", "<GetServices/>");
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert!(!server.log().contains("onvif"));
}

/// Ben's is a hash, of "geheim".
const USERS: &str = "[test b]\nname = door\n[user anna]\npassword = plain:gar-sonst\ncameras = door\n[user ben]\n\
    password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$/jzpo4hvJ/wEDb3kcIX27ohyPXWqsn1ak6MhdU2pGg0=\n";

/// A UsernameToken whose password is of this kind.
fn token(name: &str, kind: &str, password: &str, rest: &str) -> String {
    format!(
        "<o:Security xmlns:o='x'><o:UsernameToken><o:Username>{name}</o:Username><o:Password Type=\"x#Password{kind}\">{password}\
         </o:Password>{rest}</o:UsernameToken></o:Security>"
    )
}

/// One with a digest, made so many seconds from now.
fn digest(name: &str, password: &str, from_now_s: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let created = time::UtcDate(now.saturating_add_signed(from_now_s) * 1000).to_string();
    let mut sha1 = sha1_smol::Sha1::from(b"nonce");
    sha1.update(format!("{created}{password}").as_bytes());
    let digest = base64::encode(&sha1.digest().bytes());
    let rest = format!("<o:Nonce>bm9uY2U=</o:Nonce><u:Created xmlns:u='y'>{created}</u:Created>");
    token(name, "Digest", &digest, &rest)
}

#[test]
fn a_wrong_password_gets_nothing() {
    let server = server(USERS);
    let sees = |header: &str, fields: &str| {
        let fields = format!("Host: pi\r\n{fields}");
        let answer = post(
            &server,
            "media_service",
            &fields,
            &message(header, "<GetProfiles/>"),
        );
        let sees = ["yard", "door"].map(|name| answer.contains(&format!("<trt:Profiles token=\"{name}\"")));
        if answer.starts_with("HTTP/1.1 401 ") {
            assert_eq!(fault(&answer), "NotAuthorized", "{answer}");
            assert!(answer.contains("\r\nWWW-Authenticate: Basic "), "{answer}");
            assert!(!answer.contains("yard") && !answer.contains("door"), "{answer}");
        } else {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        sees
    };
    let (nothing, door, both) = ([false; 2], [false, true], [true; 2]);
    assert_eq!(sees("", ""), nothing);
    assert_eq!(sees(&token("anna", "Text", "gar-sonst", ""), ""), door);
    assert_eq!(sees(&token("ben", "Text", "geheim", ""), ""), both);
    assert_eq!(sees("", "Authorization: Basic YmVuOmdlaGVpbQ==\r\n"), both);
    for from_now_s in [0, -290, 290] {
        assert_eq!(
            sees(&digest("anna", "gar-sonst", from_now_s), ""),
            door,
            "{from_now_s}"
        );
    }
    // By the digest of HTTP (RFC 2617), which is asked for.
    let challenge = post(
        &server,
        "media_service",
        "Host: pi\r\n",
        &message("", "<GetProfiles/>"),
    );
    let nonce = challenge.split_once("WWW-Authenticate: Digest realm=\"fmp4streamer\", nonce=\"");
    let nonce = nonce.unwrap().1.split('"').next().unwrap();
    let by_http = |password: &str| {
        let secret = md5::hex(&format!("anna:fmp4streamer:{password}"));
        let request = md5::hex("POST:/onvif/media_service");
        let response = md5::hex(&format!("{secret}:{nonce}:{request}"));
        format!(
            "Authorization: Digest username=\"anna\", realm=\"fmp4streamer\", nonce=\"{nonce}\", \
             uri=\"/onvif/media_service\", response=\"{response}\"\r\n"
        )
    };
    assert_eq!(sees("", &by_http("gar-sonst")), door);
    assert_eq!(sees("", &by_http("gar-Sonst")), nothing);
    // Overheard, it opens nothing else.
    for path in ["door/ptz", "door/controls", "door/recordings/onvif/x"] {
        let fields = by_http("gar-sonst");
        let answer = server.ask(&format!(
            "POST /{path} HTTP/1.1\r\nHost: pi\r\nConnection: close\r\n{fields}Content-Length: 0\r\n\r\n"
        ));
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
    }
    // What is wrong in the message is wrong, whatever the head says.
    let wrong = digest("anna", "gar-Sonst", 0);
    assert_eq!(sees(&wrong, "Authorization: Basic YmVuOmdlaGVpbQ==\r\n"), nothing);
    assert_eq!(sees(&token("anna", "Text", "", ""), ""), nothing);
    // A hash can't be compared with a digest.
    assert_eq!(sees(&digest("ben", "geheim", 0), ""), nothing);
    until("the log says why", || {
        server
            .log()
            .contains("onvif: \"ben\" can log in by a digest only where")
    });
    // What is of a camera that this user does not see is not there.
    let body = "<GetStreamUri><ProfileToken>yard</ProfileToken></GetStreamUri>";
    assert_eq!(
        fault(&ask(&server, &token("anna", "Text", "gar-sonst", ""), body)),
        "NoProfile"
    );
    // Everybody may know the time and the services.
    for free in ["GetSystemDateAndTime", "GetServices", "GetCapabilities"] {
        let answer = ask(&server, "", &format!("<{free}/>"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // Guessing is slowed down as it is elsewhere.
    for _ in 0..8 {
        assert_eq!(sees(&wrong, ""), nothing);
    }
    assert_eq!(sees(&digest("anna", "gar-sonst", 0), ""), nothing);
}

/// Runs one of our scripts with the libraries of recorders, if they are there.
fn with_library(script: &str, args: &[&str]) -> Option<String> {
    let said = python(&["onvif", "zeep", "wsdiscovery"], script, args)?;
    let (out, err) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    assert!(said.status.success(), "{out}{err}");
    Some(out.into_owned())
}

/// Home Assistant's library gets all that it asks a camera for, and ffmpeg plays what it is led to.
#[test]
fn home_assistants_library_adopts_it() {
    let server = server(USERS);
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let adopt = |args: &[&str]| with_library("onvif_recorder.py", &[&[&*host, &*port], args].concat());
    let Some(said) = adopt(&["ben", "geheim", "text"]) else {
        return;
    };
    let place = rtsp(&server);
    for line in [
        "maker fmp4streamer ",
        "snapshots False",
        "profile yard H264 320 240 yard",
        &format!(
            "addresses rtsp://{place}/yard http://{}/yard/snapshot.jpg",
            server.address
        ),
        "profile door H264 ",
        "sources yard door",
        "configurations yard door",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("has "), "{said}");
    let said = adopt(&["anna", "gar-sonst"]).unwrap();
    assert!(
        said.contains(&format!("addresses rtsp://{place}/door ")),
        "{said}"
    );
    assert!(!said.contains("yard"), "{said}");
    let said = adopt(&["anna", "wrong"]).unwrap();
    assert!(said.contains("refused ") && !said.contains("maker"), "{said}");
    if have("ffmpeg") {
        let url = format!("rtsp://anna:gar-sonst@{place}/door");
        let played = run(
            "ffmpeg",
            &[
                "-v",
                "error",
                "-rtsp_transport",
                "tcp",
                "-i",
                &url,
                "-frames:v",
                "3",
                "-f",
                "null",
                "-",
            ],
        );
        assert!(played.status.success() && played.stderr.is_empty());
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn ip(args: &str) {
    let args: Vec<&str> = args.split(' ').collect();
    assert!(run("ip", &args).status.success(), "ip {args:?}");
}

/// WSDiscovery finds it, and what it finds leads to the camera.
#[test]
fn a_recorders_library_finds_it() {
    in_own_network("a_recorders_library_finds_it", || {
        for args in [
            "link set lo up",
            "addr add 192.168.7.1/24 dev lo",
            "link set lo multicast on",
            "route add 239.0.0.0/8 dev lo",
        ] {
            ip(args);
        }
        let dir = Dir::new();
        // Whatever it gives up at its start.
        for sandbox in ["auto", "strict"] {
            let file = dir.write(
                "onvif.conf",
                format!("{SERVER}port = 8000\nsandbox = {sandbox}\n{TEST}"),
            );
            let mut program = Server::program();
            let _running = Running(program.args(["-c", file.to_str().unwrap()]).spawn().unwrap());
            let Some(said) = with_library("discover.py", &["NetworkVideoTransmitter"]) else {
                return;
            };
            let (id, rest) = said.split_once(' ').unwrap();
            assert_eq!(id.len(), "urn:uuid:".len() + 36, "{said}");
            assert!(
                rest.starts_with("http://192.168.7.1:8000/onvif/device_service\n"),
                "{said}"
            );
            assert!(
                rest.contains("onvif://www.onvif.org/Profile/Streaming "),
                "{said}"
            );
            let mut socket = TcpStream::connect("192.168.7.1:8000").unwrap();
            let body = message("", "<GetServices/>");
            let request = format!(
                "POST /onvif/device_service HTTP/1.1\r\nHost: 192.168.7.1:8000\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            socket.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            assert!(
                answer.contains("http://192.168.7.1:8000/onvif/media_service"),
                "{answer}"
            );
        }
    });
}

/// It is of no use for a flood at others: answers are few, at most three times as long as what was sent, and go to addresses of
/// local networks alone.
#[test]
fn discovery_floods_nobody() {
    in_own_network("discovery_floods_nobody", || {
        ip("link set lo up");
        ip("addr add 203.0.113.5/32 dev lo");
        let server = server("");
        let from = |address: &str| {
            let socket = UdpSocket::bind((address, 0)).unwrap();
            socket.connect("127.0.0.1:3702").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        };
        let probe = |id: &str, space: usize| {
            let text = message(&format!("<a:MessageID>{id}</a:MessageID>"), "<d:Probe/>");
            text + &" ".repeat(space)
        };
        let near = from("127.0.0.1");
        let send = |socket: &UdpSocket, text: String| assert!(socket.send(text.as_bytes()).is_ok());
        let mut buffer = [0; 4096];
        let mut receive = |socket: &UdpSocket| -> Option<String> {
            match socket.recv(&mut buffer) {
                Ok(received) => Some(String::from_utf8(buffer[..received].to_vec()).unwrap()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => None,
                Err(e) => panic!("{e}"),
            }
        };
        // Of what comes before the last one, nothing is answered.
        send(&near, "no message".into());
        send(&near, probe("short", 0));
        send(&near, probe("a&#10;b", 1000));
        let far = from("203.0.113.5");
        send(&far, probe("far", 1000));
        send(&near, probe("last", 1000));
        let answer = receive(&near).unwrap();
        assert!(answer.contains("<a:RelatesTo>last</a:RelatesTo>"), "{answer}");
        let place = format!(
            "<d:XAddrs>http://{}/onvif/device_service</d:XAddrs>",
            server.address
        );
        assert!(answer.contains(&place), "{answer}");
        far.set_nonblocking(true).unwrap();
        assert_eq!(receive(&far), None);

        // Another one is answered all the same.
        let begun = Instant::now();
        for number in 0..1000 {
            send(&near, probe(&format!("flood {number}"), 1000));
        }
        let other = from("127.0.0.2");
        other.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        until("another one is answered all the same", || {
            send(&other, probe("other", 1000));
            receive(&other).is_some_and(|answer| answer.contains("other"))
        });
        near.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut answers = 0;
        while receive(&near).is_some() {
            answers += 1;
        }
        let most = 5 * (begun.elapsed().as_secs() + 1);
        assert!(answers > 0 && answers <= most, "{answers}, at most {most}");
        send(&near, probe("after", 1000));
        assert!(receive(&near).is_some_and(|answer| answer.contains("after")));
    });
}
