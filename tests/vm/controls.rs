//! Controls that are changed while a camera streams: by clients, by other programs, by the config; and what is kept of them.

use super::m2m::still;
use super::served::config;
use super::support::{Dir, Server, until};
use super::uvcx::{ENCODER, LIGHT, current};
use super::viewer::{Clip, Viewer};
use super::*;
use fmp4streamer::format::json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

const ANNA: &str = "[user anna]\nrole = admin\n\
    password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$tpvxVCv9hLiME3SNhpBDvUuQSqxOHrAk/yHi2W2h40A=\n[anonymous]\n";
const FIELDS: &str = "Host: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
    Authorization: Basic YW5uYTpzZWNyZXQ6YQ==\r\n";

/// The body of an answer, and its code.
fn post(server: &Server, path: &str, body: &str) -> (String, Value) {
    let length = body.len();
    let answer = server.ask(&format!(
        "POST {path} HTTP/1.1\r\n{FIELDS}Content-Length: {length}\r\n\r\n{body}"
    ));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head[9..12].into(),
        Value::read(body).unwrap_or(Value::Text(body.into())),
    )
}

fn get(server: &Server) -> Value {
    let answer = server.ask(&format!("GET /controls HTTP/1.1\r\n{FIELDS}\r\n"));
    Value::read(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn member<'a>(answer: &'a Value, control: &str, name: &str) -> &'a Value {
    let Some(Value::Array(controls)) = answer.member("controls") else {
        panic!("{answer:?}")
    };
    let is_it = |it: &&Value| it.member("name").and_then(Value::as_text) == Some(control);
    let control = controls
        .iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("no {control}"));
    control.member(name).unwrap()
}

fn refusal(answer: &Value, control: &str) -> String {
    let refused = answer.member("refused").and_then(|it| it.member(control));
    refused.and_then(Value::as_text).unwrap_or_default().to_string()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The texts of a page's WebSocket; the rest is left out.
struct Page(TcpStream);

impl Page {
    fn new(server: &Server) -> Page {
        let mut page = Page(server.send(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        ));
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(page.bytes(1));
        }
        page
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The value of a control that it is told of next.
    fn told(&mut self, control: &str) -> Value {
        loop {
            let head = self.bytes(2);
            let length = match head[1] {
                126 => u16::from_be_bytes(self.bytes(2).try_into().unwrap()).into(),
                127 => u64::from_be_bytes(self.bytes(8).try_into().unwrap()),
                short => short.into(),
            };
            let payload = self.bytes(length as usize);
            let said = String::from_utf8(payload).ok().filter(|_| head[0] == 0x81);
            let said = said.and_then(|text| Value::read(&text)).unwrap_or(Value::Null);
            let value = said.member("values").and_then(|it| it.member(control));
            if let Some(value) = value {
                return value.clone();
            }
        }
    }
}

/// Somebody who watches until the socket is shut down.
fn watch(server: &Server) -> TcpStream {
    let mut page = Page::new(server);
    let socket = page.0.try_clone().unwrap();
    std::thread::spawn(move || std::io::copy(&mut page.0, &mut std::io::sink()));
    socket
}

/// vivid, whose pictures the encoder device makes H.264 of.
fn vivid(keys: &str) -> (PathBuf, String) {
    let path = still(0, "0");
    v4l2_ctl(
        &path,
        &[
            "-c",
            "brightness=128,gain_automatic=1,mute=0,menu=3,bitmask=0x80002000",
        ],
    );
    let text = format!("[server]\n{ANNA}{}", config(&path, "320x180", 10, keys));
    (path, text)
}

#[test]
fn every_type_is_shown_and_set() {
    let Some(_) = rig() else { return };
    let (path, text_of_config) = vivid("brightness = 100\nmenu = Menu Item 4");
    let server = Server::with_config(&text_of_config);
    let _watching = watch(&server);
    until("it is live", || server.camera("state") == "live");
    let seen = get(&server);
    assert_eq!(seen.member("writable"), Some(&Value::Bool(true)));
    assert_eq!(member(&seen, "brightness", "config"), &Value::Int(100));
    assert_eq!(member(&seen, "menu", "config"), &Value::Int(4));
    assert_eq!(member(&seen, "gain", "active"), &Value::Bool(false));
    assert_eq!(
        member(&seen, "bitmask", "value"),
        member(&seen, "bitmask", "default")
    );
    assert_eq!(member(&seen, "string", "default"), &Value::Null);
    assert_eq!(
        member(&seen, "read_only_integer_32_bits", "read_only"),
        &Value::Bool(true)
    );
    // The encoder's are there as well.
    assert_eq!(member(&seen, "video_bitrate", "class"), &text("Encoder"));
    for (name, kind) in [
        ("brightness", "int"),
        ("bitmask", "int"),
        ("integer_64_bits", "int"),
        ("mute", "bool"),
        ("menu", "menu"),
        ("integer_menu", "intmenu"),
        ("string", "text"),
        ("button", "button"),
    ] {
        assert_eq!(member(&seen, name, "type"), &text(kind), "{name}");
    }
    for (name, wanted, shown, told) in [
        ("brightness", "77", Value::Int(77), "77"),
        ("brightness", "300", Value::Int(255), "255"),
        ("brightness", "\"12\"", Value::Int(12), "12"),
        ("brightness", "null", Value::Int(100), "100"),
        ("hue", "-5", Value::Int(-5), "-5"),
        ("hue", "null", Value::Int(0), "0"),
        ("mute", "true", Value::Int(1), "1"),
        ("mute", "0", Value::Int(0), "0"),
        ("menu", "\"menu item 3\"", Value::Int(3), "3 (Menu Item 3)"),
        ("menu", "1", Value::Int(1), "1 (Menu Item 1)"),
        ("menu", "null", Value::Int(4), "4 (Menu Item 4)"),
        // Numbers are those of the items, texts are what they say.
        ("integer_menu", "6", Value::Int(6), "6 (13 0xd)"),
        ("integer_menu", "\"42\"", Value::Int(8), "8 (42 0x2a)"),
        (
            "integer_64_bits",
            "\"-9223372036854775808\"",
            text("-9223372036854775808"),
            "-9223372036854775808",
        ),
        ("integer_64_bits", "1", Value::Int(1), "1"),
        (
            "integer_32_bits",
            "-2147483648",
            Value::Int(-2147483648),
            "-2147483648",
        ),
        ("string", "\"a%c\"", text("a%c"), "'a%c'"),
        // All of its bits are alike; v4l2-ctl takes one for the sign.
        ("bitmask", "\"0x402010\"", Value::Int(0x40_2010), "4202512"),
        ("bitmask", "null", Value::Int(0x8000_2000), "-2147475456"),
        ("hflip", "true", Value::Int(1), "1"),
        ("horizontal_flip", "false", Value::Int(0), "0"),
    ] {
        let (code, answer) = post(&server, "/controls", &format!("{{\"{name}\":{wanted}}}"));
        let name = if name == "hflip" { "horizontal_flip" } else { name };
        assert_eq!(
            (code.as_str(), refusal(&answer, name)),
            ("200", String::new()),
            "{name}"
        );
        assert_eq!(member(&answer, name, "value"), &shown, "{name}");
        assert_eq!(v4l2_ctl(&path, &["-C", name]).trim(), format!("{name}: {told}"));
    }
    assert_eq!(post(&server, "/controls", "{\"button\":true}").0, "200");
    // The encoder's controls belong to the open file: no other program could set these.
    let (_, answer) = post(&server, "/controls", "{\"video_bitrate\":1000000}");
    assert_eq!(member(&answer, "video_bitrate", "value"), &Value::Int(1_000_000));
    for (name, wanted, words) in [
        ("gain", "9", "is inactive while gain_automatic is on"),
        ("read_only_integer_32_bits", "1", "can only be read"),
        ("menu", "2", "allowed is one of Menu Item 1"),
        ("brightness", "\"light\"", "allowed is integer, 0 to 255"),
        ("string", "\"abcde\"", "allowed is text of 2 to 4 bytes"),
    ] {
        let (code, answer) = post(&server, "/controls", &format!("{{\"{name}\":{wanted}}}"));
        let said = refusal(&answer, name);
        assert!(code == "200" && said.contains(words), "{name}: {said}");
    }
    // The automatic goes first, wherever it stands.
    let (_, answer) = post(&server, "/controls", "{\"gain\":9,\"gain_automatic\":false}");
    assert_eq!(refusal(&answer, "gain"), "");
    assert_eq!(member(&answer, "gain", "active"), &Value::Bool(true));
    assert_eq!(v4l2_ctl(&path, &["-C", "gain"]).trim(), "gain: 9");
    for (body, expected) in [
        ("{\"brigthness\":1}", "404"),
        ("{\"hue\":[1]}", "400"),
        ("{\"hue\":1.5}", "400"),
    ] {
        assert_eq!(post(&server, "/controls", body).0, expected, "{body}");
    }
    assert_eq!(server.camera("state"), "live");
}

#[test]
fn what_others_change_is_told_to_pages() {
    let Some(_) = rig() else { return };
    let (path, text_of_config) = vivid("");
    let server = Server::with_config(&text_of_config);
    let mut page = Page::new(&server);
    until("it is live", || server.camera("state") == "live");
    get(&server);
    for value in [10, 20, 30] {
        v4l2_ctl(&path, &["-c", &format!("brightness={value}")]);
        let began = Instant::now();
        while page.told("brightness").member("value") != Some(&Value::Int(value)) {}
        println!("told after {:?}", began.elapsed());
        assert_eq!(member(&get(&server), "brightness", "value"), &Value::Int(value));
    }
    // What an automatic is in charge of follows it.
    v4l2_ctl(&path, &["-c", "gain_automatic=0"]);
    while page.told("gain").member("active") != Some(&Value::Bool(true)) {}
    // So does what another page sets.
    post(&server, "/controls", "{\"brightness\":99}");
    while page.told("brightness").member("value") != Some(&Value::Int(99)) {}
    // The thread goes when nobody follows any more.
    let threads = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.process.id())).unwrap();
        let names = tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name == "controls\n").count()
    };
    assert_eq!(threads(), 1);
    let mut stream = server.follow("");
    drop(page);
    until("the thread is gone", || {
        stream.next_fragment().is_some() && threads() == 0
    });
    assert_eq!(server.camera("state"), "live");
}

#[test]
fn values_are_kept_and_give_way_to_a_config_that_was_edited() {
    let Some(_) = rig() else { return };
    let (path, _) = vivid("");
    let state = Dir::new();
    let start = |keys: &str| {
        v4l2_ctl(&path, &["-c", "brightness=128,contrast=128,hue=0,mute=0"]);
        let mut program = Server::program();
        program.env("STATE_DIRECTORY", state.file(""));
        let text = format!("[server]\n{ANNA}{}", config(&path, "320x180", 10, keys));
        let server = Server::with_config_as(program, &text);
        until("it is live", || server.camera("state") == "live");
        server
    };
    let value = |name: &str| v4l2_ctl(&path, &["-C", name]).trim().to_string();
    let server = start("brightness = 100\nhue = 5");
    post(
        &server,
        "/controls",
        "{\"brightness\":139,\"hue\":7,\"mute\":true}",
    );
    // What another program sets afterwards is what is kept, but not what nobody set here. In the first second of an opening it is
    // taken for what the camera forgot, and set back.
    let _watching = watch(&server);
    let mut answer = Value::Null;
    until("it is kept", || {
        v4l2_ctl(&path, &["-c", "brightness=140,contrast=9"]);
        let (code, kept) = post(&server, "/controls/keep", "");
        assert_eq!(code, "200");
        answer = kept;
        member(&answer, "brightness", "kept") == &Value::Int(140)
    });
    assert_eq!(member(&answer, "brightness", "config"), &Value::Int(100));
    assert_eq!(member(&answer, "contrast", "kept"), &Value::Null);
    drop(server);

    // The hue is another one in the config by now.
    let server = start("brightness = 100\nhue = 6");
    let watching = watch(&server);
    until("what was kept is set", || {
        value("brightness") == "brightness: 140" && value("mute") == "mute: 1"
    });
    assert_eq!(value("hue"), "hue: 6");
    let line = "hue = 7, which was kept, gives way to the config: that had 5 then, and has 6 now";
    assert!(server.log().contains(line), "{}", server.log());
    // A config that is read again leaves what it does not change.
    post(&server, "/controls", "{\"contrast\":50,\"brightness\":141}");
    let new = config(&path, "320x180", 10, "brightness = 100\nhue = 8");
    server.dir.write("test.conf", format!("[server]\n{ANNA}{new}"));
    server.signal("-HUP");
    until("the new hue is set", || value("hue") == "hue: 8");
    assert_eq!(
        (value("brightness"), value("contrast")),
        ("brightness: 141".into(), "contrast: 50".into())
    );

    // While it sleeps, what is asked for waits.
    watching.shutdown(std::net::Shutdown::Both).unwrap();
    until("it sleeps", || server.camera("state") == "asleep");
    let (code, answer) = post(&server, "/controls", "{\"brightness\":142}");
    let why = answer.member("why").and_then(Value::as_text).unwrap();
    assert!(code == "200" && why.contains("set when it wakes up"), "{why}");
    assert_eq!(value("brightness"), "brightness: 141");
    let _watching = watch(&server);
    until("it is set", || value("brightness") == "brightness: 142");
    assert_eq!(value("contrast"), "contrast: 50");
    let (code, answer) = post(&server, "/controls/forget", "");
    assert_eq!(
        (code.as_str(), member(&answer, "brightness", "kept")),
        ("200", &Value::Null)
    );
    drop(server);
    let server = start("brightness = 100");
    until("it is the config's", || value("brightness") == "brightness: 100");
    assert_eq!(value("mute"), "mute: 0");
    drop(server);
}

#[test]
fn a_camera_that_takes_its_time_loses_no_frame() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10", "-w", "2000"]);
    // Frames that a busy machine sends late are not lost.
    let server = Server::with_config(&format!(
        "[server]\nmax_age_ms = 60000\n{ANNA}{}",
        config(&path, "640x480", 10, "")
    ));
    let viewer = Viewer::new(&server, &clip);
    viewer.more(10);
    get(&server);
    // Many at once: the newest is what counts.
    let begun = Instant::now();
    let mut clients = Vec::new();
    for value in 0..60 {
        if value == 59 {
            // By now all others were heard: which of two that come at once is the newer one, nobody can say.
            viewer.more(20);
        }
        let body = format!("{{\"brightness\":{value}}}");
        let length = body.len();
        let request = format!("POST /controls HTTP/1.1\r\n{FIELDS}Content-Length: {length}\r\n\r\n{body}");
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        clients.push(socket);
        std::thread::sleep(Duration::from_millis(16));
    }
    viewer.more(30);
    for mut socket in clients {
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    println!("60 requests were answered in {:?}", begun.elapsed());
    until("the newest is set", || {
        member(&get(&server), "brightness", "value") == &Value::Int(59)
    });
    viewer.more(10);
    assert_eq!(server.camera("sequence_gaps"), "0");
    assert_eq!(viewer.judge(), 0, "pictures are missing");
}

#[test]
fn fields_of_extension_units_are_set_by_clients() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-u", "-r", "10"]);
    let server = Server::with_config(&format!(
        "[server]\n{ANNA}{}",
        config(&path, "640x480", 10, "uvcx_h264_bitrate = 2000000")
    ));
    let page = watch(&server);
    until("it is live", || server.camera("state") == "live");
    let known = get(&server);
    assert_eq!(
        member(&known, "uvcx_logitech_led1_mode", "active"),
        &Value::Bool(true)
    );
    assert_eq!(
        member(&known, "uvcx_h264_bitrate", "value"),
        &Value::Int(2_000_000)
    );

    // The light's at once.
    let body = r#"{"uvcx_logitech_led1_mode":"Blink","uvcx_logitech_led1_frequency":40}"#;
    let (code, answer) = post(&server, "/controls", body);
    assert_eq!(code, "200", "{answer:?}");
    for (name, value) in [
        ("uvcx_logitech_led1_mode", 2),
        ("uvcx_logitech_led1_frequency", 40),
    ] {
        assert_eq!(refusal(&answer, name), "", "{name}");
        assert_eq!(member(&answer, name, "value"), &Value::Int(value), "{name}");
    }
    assert_eq!(current(&path, LIGHT, 9), [9, 2, 0, 40, 0]);
    let (_, answer) = post(&server, "/controls", r#"{"uvcx_logitech_led1_mode":"Sparkle"}"#);
    assert!(
        refusal(&answer, "uvcx_logitech_led1_mode").contains("Blink"),
        "{answer:?}"
    );
    assert_eq!(current(&path, LIGHT, 9), [9, 2, 0, 40, 0]);

    // The encoder's when the camera is opened anew, which happens by itself.
    let (code, answer) = post(&server, "/controls", r#"{"uvcx_h264_bitrate":1234567}"#);
    assert_eq!(code, "200", "{answer:?}");
    let bitrate = || current(&path, ENCODER, 2)[4..8].to_vec();
    until("it is set", || bitrate() == 1_234_567u32.to_le_bytes());
    until("it is told", || {
        server.camera("state") == "live"
            && member(&get(&server), "uvcx_h264_bitrate", "value") == &Value::Int(1_234_567)
    });
    drop(page);
}

#[test]
fn a_camera_that_comes_back_is_set_again() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let (camera, _) = plug(&rig, "640x480", &["-r", "10"]);
    let server = Server::with_config(&format!(
        "[server]\n{ANNA}{}",
        config(Path::new("card:fakeuvc camera"), "640x480", 10, "brightness = 90")
    ));
    let viewer = Viewer::new(&server, &clip);
    viewer.more(10);
    assert_eq!(post(&server, "/controls", "{\"brightness\":150}").0, "200");
    drop(camera);
    until("it is missed", || server.camera("state") == "lost");
    no_nodes();
    // Known by then, it can be set in advance.
    let (code, answer) = post(&server, "/controls", "{\"brightness\":160}");
    assert_eq!(code, "200", "{answer:?}");
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    until("it is set again", || {
        v4l2_ctl(&path, &["-C", "brightness"]) == "brightness: 160\n"
    });
    viewer.more(10);
    viewer.judge();
}
