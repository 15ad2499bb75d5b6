//! Requests and their answers.

use super::client::Client;
use super::{server, test_picture};
use std::io::Write;

/// A byte at a time; then all at once, among other things.
#[test]
fn requests_may_be_cut_anywhere() {
    let server = test_picture();
    let mut client = Client::new(&server, "/camera0");
    let mut all = Vec::new();
    for (method, suffix, fields) in [
        ("OPTIONS", "", ""),
        (
            "DESCRIBE",
            "",
            "Accept: application/sdp\r\nRequire: www.onvif.org/ver20/backchannel\r\n",
        ),
        (
            "SETUP",
            "/trackID=0",
            "Transport: RTP/AVP;unicast;client_port=1-2,RTP/AVP/TCP;interleaved=0-1\r\n",
        ),
        ("GET_PARAMETER", "", "Content-Length: 3\r\n"),
    ] {
        all.extend(client.request(method, suffix, fields).bytes());
    }
    all.extend(b"a:b$\x01\0\x05ab$cd\r\n\r\n");
    for byte in &all {
        client.socket.write_all(&[*byte]).unwrap();
    }
    let statuses = |client: &mut Client| {
        (0..4)
            .map(|_| {
                let answer = client.answer().unwrap();
                let fields = answer
                    .lines()
                    .filter(|line| line.starts_with("Public") || line.starts_with("m="));
                format!("{} {}", &answer[9..12], fields.collect::<String>())
            })
            .collect::<Vec<_>>()
    };
    let expected = [
        "200 Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER",
        "200 m=video 0 RTP/AVP 96",
        "200 ",
        "200 ",
    ];
    assert_eq!(statuses(&mut client), expected);
    assert_eq!(client.status("TEARDOWN", "", ""), "200");
    assert!(client.answer().is_none(), "the connection ends");

    let mut client = Client::new(&server, "/camera0");
    client.socket.write_all(&all).unwrap();
    assert_eq!(statuses(&mut client), expected);
}

/// The order of each client's requests, and what is odd about them.
#[test]
fn each_client_is_served_as_it_asks() {
    const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    const UDP: &str = "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n";
    let server = test_picture();
    for (client, path, fields, steps) in [
        (
            "ffmpeg",
            "/camera0",
            "User-Agent: Lavf\r\n",
            &[
                ("OPTIONS", "", "", "200"),
                ("DESCRIBE", "", "Accept: application/sdp\r\n", "200"),
                ("SETUP", "/trackID=0", UDP, "461"),
                ("SETUP", "/trackID=0", TCP, "200"),
                ("PLAY", "/", "Range: npt=0.000-\r\n", "200"),
                ("GET_PARAMETER", "/", "", "200"),
            ][..],
        ),
        (
            "GStreamer",
            "/",
            "User-Agent: GStreamer\r\nClientChallenge: 9e26d33f\r\nUser-Agent: GStreamer\r\nCompanyID: nVq\r\n\
             PlayerStarttime: [11/03/00:22:24 00:00]\r\n",
            &[
                ("OPTIONS", "", "", "200"),
                ("DESCRIBE", "", "Accept: application/sdp\r\n", "200"),
                ("SETUP", "trackID=0", UDP, "461"),
                ("SETUP", "trackID=0", "Transport: RTP/AVP;multicast\r\n", "461"),
                ("SETUP", "trackID=0", TCP, "200"),
                ("PLAY", "", "Range: npt=0-\r\n", "200"),
                ("PAUSE", "", "", "200"),
                ("PLAY", "", "Range: npt=0-\r\n", "200"),
            ],
        ),
        (
            "go2rtc",
            "/camera0?backchannel=0",
            "",
            &[
                (
                    "DESCRIBE",
                    "",
                    "Require: www.onvif.org/ver20/backchannel\r\n",
                    "200",
                ),
                ("SETUP", "/trackID=0", TCP, "200"),
                ("PLAY", "", "", "200"),
                ("OPTIONS", "", "", "200"),
            ],
        ),
        (
            "retina",
            "/camera0",
            "",
            &[
                ("DESCRIBE", "", "Accept: application/sdp\r\n", "200"),
                ("SETUP", "/trackID=0", TCP, "200"),
                ("PLAY", "/", "Range: npt=0.000-\r\n", "200"),
                ("SET_PARAMETER", "/", "", "200"),
            ],
        ),
        (
            "ExoPlayer",
            "/camera0",
            "",
            &[
                ("OPTIONS", "", "", "200"),
                ("DESCRIBE", "", "", "200"),
                ("SETUP", "/trackID=0", UDP, "461"),
                ("SETUP", "/trackID=0", TCP, "200"),
                ("PLAY", "", "range: npt=0.000-\r\n", "200"),
                ("OPTIONS", "", "", "200"),
            ],
        ),
        (
            "aiortsp",
            "/camera0",
            "",
            &[
                ("OPTIONS", "", "", "200"),
                ("DESCRIBE", "", "", "200"),
                ("SETUP", "/trackID=0", TCP, "200"),
                ("PLAY", "", "Scale: 1\r\nRange: npt=now-\r\n", "200"),
            ],
        ),
        (
            "rtp2httpd",
            "/camera0",
            "",
            &[
                ("DESCRIBE", "", "", "200"),
                (
                    "SETUP",
                    "/trackID=0",
                    "Transport: MP2T/RTP/TCP;unicast;interleaved=0-1,MP2T/TCP;unicast;interleaved=0-1,\
                     RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
                    "200",
                ),
                (
                    "PLAY",
                    "",
                    "x-playNow:\r\nBlocksize: 1000\r\nSpeed: 1.000\r\n",
                    "200",
                ),
            ],
        ),
        (
            "a recorder that keeps no path, nor a query, nor the number of the track",
            "",
            "",
            &[
                ("DESCRIBE", "", "", "200"),
                ("SETUP", "", "transport:RTP/AVP/TCP\r\n", "200"),
                ("PLAY", "", "", "200"),
            ],
        ),
        (
            "VLC without live555",
            "/camera0",
            "",
            &[
                ("SETUP", "", UDP, "461"),
                ("SETUP", "", TCP, "404"),
                ("OPTIONS", "", "", "200"),
            ],
        ),
    ] {
        let mut asking = Client::new(&server, path);
        asking.fields = fields.into();
        let mut told = None;
        for (method, suffix, fields, status) in steps {
            let answer = asking.ask(method, suffix, fields);
            assert_eq!(
                &answer["RTSP/1.0 ".len()..][..3],
                *status,
                "{client}: {method}: {answer}"
            );
            if let Some((_, session)) = answer.split_once("Session: ") {
                asking.session = session.split([';', '\r']).next().unwrap().to_string();
            }
            if *method == "PLAY" && told.is_none() {
                let (_, info) = answer.split_once(";seq=").expect(&answer);
                let (sequence, info) = info.split_once(";rtptime=").unwrap();
                let timestamp = info.lines().next().unwrap().parse::<u32>().unwrap();
                told = Some((sequence.parse::<u16>().unwrap(), timestamp));
            }
        }
        let Some(told) = told else { continue };
        let picture = asking.picture().expect(client);
        assert_eq!(
            (picture.types(), asking.firsts[0]),
            (vec![7, 8, 5], told),
            "{client}"
        );
        asking.pictures(2);
        assert_eq!(asking.status("TEARDOWN", "", ""), "200", "{client}");
        while asking.next_frame().is_some() {}
    }
}

#[test]
fn what_is_not_served_is_said_so() {
    let server = server("[test a]\nname = a\n[test b]\nname = b\n");
    let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    let mut client = Client::new(&server, "/a");
    for (method, suffix, fields, status) in [
        ("SETUP", "", tcp, "404"),
        ("DESCRIBE", "x", "", "404"),
        ("PLAY", "", "", "455"),
        ("PAUSE", "", "", "455"),
        ("ANNOUNCE", "", "", "405"),
        ("RECORD", "", "", "405"),
        ("REDIRECT", "", "", "501"),
        ("DESCRIBE", "", "Require: play.scale\r\n", "551"),
        (
            "DESCRIBE",
            "",
            "Require: www.onvif.org/ver20/backchannel\r\n",
            "200",
        ),
        (
            "SETUP",
            "/trackID=0",
            "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n",
            "461",
        ),
        ("SETUP", "/trackID=0", "Transport: RTP/AVP;multicast\r\n", "461"),
        ("SETUP", "/trackID=0", "", "461"),
        (
            "SETUP",
            "/trackID=0",
            "Transport: RTP/AVP/TCP;interleaved=3-3\r\n",
            "400",
        ),
        ("SETUP", "/trackID=1", tcp, "404"),
        ("SETUP", "/trackID=0", tcp, "200"),
        ("SETUP", "/trackID=0", tcp, "400"),
        ("PLAY", "", "", "454"),
        ("PLAY", "", "Session: 0000000000000000\r\n", "454"),
        ("DESCRIBE", "", "", "455"),
        ("OPTIONS", "", "", "200"),
        ("SET_PARAMETER", "", "", "200"),
        ("TEARDOWN", "", "Session: 0000000000000000\r\n", "454"),
        ("TEARDOWN", "", "", "200"),
    ] {
        assert_eq!(
            client.status(method, suffix, fields),
            status,
            "{method} {suffix} {fields}"
        );
    }
    // Who knows the name of another one's session has nothing of it.
    let mut owner = Client::playing(&server, "/a", 1);
    let mut thief = Client::new(&server, "/a");
    thief.session.clone_from(&owner.session);
    for method in ["PLAY", "PAUSE", "TEARDOWN"] {
        assert_eq!(thief.status(method, "", ""), "454", "{method}");
    }
    owner.pictures(2);
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "RTSP/1.0 400"),
        ("OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", "RTSP/1.0 505"),
    ] {
        let mut client = Client::new(&server, "");
        client.socket.write_all(bytes.as_bytes()).unwrap();
        let answer = client.answer().unwrap();
        assert!(answer.starts_with(status), "{answer}");
        assert_eq!(
            answer.contains("\r\nCSeq: 1\r\n"),
            bytes.contains("CSeq"),
            "{answer}"
        );
        assert!(client.answer().is_none(), "the connection ends");
    }
    // Of several cameras none is meant without a name.
    assert_eq!(Client::new(&server, "/").status("DESCRIBE", "", ""), "404");
    for path in ["/b", "/b/", "/b/trackID=0", "/b?x=1", "/b/more"] {
        let mut client = Client::new(&server, path);
        let sdp = client.ask("DESCRIBE", "", "");
        let base = format!("Content-Base: {}/\r\n", client.url.trim_end_matches('/'));
        assert!(sdp.contains("s=b\r\n") && sdp.contains(&base), "{sdp}");
    }
}
