//! Who may have it, and who finds room.

use super::client::Client;
use super::support::{Server, have, until};
use super::{SERVER, TCP, ffmpeg, gstreamer, has_gstreamer, place, server};

/// The places are those of HTTP, and so is who may take them.
#[test]
fn who_finds_no_place_is_told_so() {
    let server = server("[test]\n");
    server
        .dir
        .write("test.conf", format!("{SERVER}max_clients = 1\n[test]\n"));
    server.signal("-HUP");
    until("it is taken over", || {
        server.log().contains("the config is taken over")
    });
    let mut client = Client::playing(&server, "/", 1);
    client.pictures(1);
    let mut second = Client::new(&server, "/");
    second.ask("DESCRIBE", "", "");
    second.set_up(0);
    assert_eq!(second.status("PLAY", "", ""), "503");
    assert!(server.get("/stream.mp4").starts_with("HTTP/1.1 503"));
    assert!(server.get("/status").contains("\"rtsp\""));
    drop(client);
    until("the place is free", || second.status("PLAY", "", "") == "200");
    second.pictures(1);
}

/// `ben`, whose password is `geheim`.
const BEN: &str =
    "password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$/jzpo4hvJ/wEDb3kcIX27ohyPXWqsn1ak6MhdU2pGg0=";
const BEN_BASIC: &str = "Authorization: Basic YmVuOmdlaGVpbQ==\r\n";

#[test]
fn people_and_links_are_those_of_http() {
    let config = format!(
        "{SERVER}[test]\nname = yard\nwidth = 320\nheight = 240\n[test b]\nname = door\n[user ben]\n{BEN}\nrole = admin\n\
         [user anna]\n{BEN}\ncameras = yard\n"
    );
    let server = Server::with_config(&config);
    let mut client = Client::new(&server, "/yard");
    assert_eq!(client.status("OPTIONS", "", ""), "200");
    let challenge = client.ask("DESCRIBE", "", "");
    assert!(challenge.starts_with("RTSP/1.0 401 "));
    assert!(
        challenge.contains("\r\nWWW-Authenticate: Basic realm=\"fmp4streamer\"\r\n"),
        "{challenge}"
    );
    let tcp = "Transport: RTP/AVP/TCP;interleaved=0-1\r\n";
    assert_eq!(client.status("SETUP", "/trackID=0", tcp), "401");
    assert_eq!(
        client.status("DESCRIBE", "", "Authorization: Basic YmVuOmZhbHNjaA==\r\n"),
        "401"
    );
    until("it is in the log", || {
        server.log().contains("login failed from 127.0.0.1 as \"ben\"")
    });
    assert_eq!(client.status("DESCRIBE", "", BEN_BASIC), "200");
    // What was allowed to the connection is enough for the rest.
    client.set_up(0);
    assert_eq!(client.status("PLAY", "", ""), "200");
    client.pictures(1);

    // A camera that one may not see is not there.
    let anna = "Authorization: Basic YW5uYTpnZWhlaW0=\r\n";
    assert_eq!(Client::new(&server, "/yard").status("DESCRIBE", "", anna), "200");
    assert_eq!(Client::new(&server, "/door").status("DESCRIBE", "", anna), "404");
    let only = Client::new(&server, "/").ask("DESCRIBE", "", anna);
    assert!(
        only.contains("s=yard\r\n"),
        "the only one that there is for her: {only}"
    );

    let body = "{}";
    let made = server.ask(&format!(
        "POST /yard/links HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{BEN_BASIC}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let token = made.split("/t/").nth(1).expect(&made).split('/').next().unwrap();
    let mut linked = Client::playing(&server, &format!("/yard?token={token}"), 1);
    linked.pictures(1);
    let bad = format!("/yard?token={}x", &token[..token.len() - 2]);
    assert_eq!(Client::new(&server, &bad).status("DESCRIBE", "", ""), "403");

    if have("ffmpeg") {
        for (user, good) in [("ben:geheim@", true), ("ben:wrong@", false)] {
            let url = format!("rtsp://{user}{}/yard", place(&server));
            let played = ffmpeg(TCP, &url, "-frames:v 1 -f null -");
            assert_eq!(
                played.status.success(),
                good,
                "{}",
                String::from_utf8_lossy(&played.stderr)
            );
        }
    }
    // Who may no longer have it is sent nothing more.
    server.dir.write(
        "test.conf",
        config.split("[user ben]").next().unwrap().to_string() + "[user anna]\n" + BEN,
    );
    server.signal("-HUP");
    while client.picture().is_some() {}
}

/// Players choose the digest where it is offered: so who has no plain password does not get in there by them.
#[test]
fn players_log_in_by_a_digest() {
    let server = server(&format!(
        "[test]\nwidth = 320\nheight = 240\n[user anna]\npassword = plain:ge heim\n[user ben]\n{BEN}\n"
    ));
    let mut client = Client::new(&server, "/");
    assert_eq!(client.status("OPTIONS", "", ""), "200");
    let challenge = client.ask("DESCRIBE", "", "");
    let (digest, basic) = challenge
        .split_once("WWW-Authenticate: Basic realm=")
        .expect(&challenge);
    assert!(
        digest.contains("\r\nWWW-Authenticate: Digest realm=\"fmp4streamer\", nonce=\"")
            && !basic.contains("nonce"),
        "{challenge}"
    );
    assert!(!challenge.contains("stale"), "{challenge}");
    assert_eq!(client.status("DESCRIBE", "", BEN_BASIC), "200");
    let address = place(&server);
    for (user, password, good) in [
        ("anna", "ge heim", true),
        ("anna", "geheim", false),
        ("ben", "geheim", false),
    ] {
        if have("ffmpeg") {
            let url = format!("rtsp://{user}:{}@{address}/", password.replace(' ', "%20"));
            let played = ffmpeg(TCP, &url, "-frames:v 1 -f null -");
            let said = String::from_utf8_lossy(&played.stderr);
            assert_eq!(played.status.success(), good, "{user}: {said}");
        }
        if has_gstreamer(&["rtspsrc", "rtph264depay"]) {
            let (user, password) = (format!("user-id={user}"), format!("user-pw={password}"));
            let settings = [
                &format!("location=rtsp://{address}/"),
                &user,
                &password,
                "protocols=tcp",
            ];
            let (pictures, said) = gstreamer(&settings, "rtph264depay", 2);
            assert_eq!(!pictures.is_empty(), good, "{user}: {said}");
        }
    }
    until("it is in the log", || {
        server.log().contains("login failed from 127.0.0.1 as \"anna\"")
    });
    assert!(!server.log().contains("heim"), "{}", server.log());
}

/// Players give a password once they are asked for it; so where some cameras are for anybody, they are asked at the others.
#[test]
fn who_is_nobody_yet_is_asked_where_there_is_more_to_see() {
    let server = server(&format!(
        "[test]\nname = yard\n[test b]\nname = door\n[user ben]\n{BEN}\n[anonymous]\ncameras = yard\n"
    ));
    let describe = |path: &str, fields: &str| Client::new(&server, path).ask("DESCRIBE", "", fields);
    for path in ["/yard", "/"] {
        assert!(describe(path, "").contains("s=yard\r\n"));
    }
    assert!(describe("/door", "").starts_with("RTSP/1.0 401 "));
    assert!(describe("/door", BEN_BASIC).contains("s=door\r\n"));
}
