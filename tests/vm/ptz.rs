//! What turns a camera: servos at an I2C bus, whose registers are read back by another program, and a camera's own controls.

use super::served::config;
use super::support::{Server, until};
use super::*;
use std::io::{Read, Write};

/// The number of the bus on which i2c-stub is both boards.
fn bus() -> u32 {
    let buses = fs::read_dir("/sys/class/i2c-dev").unwrap().flatten();
    let stub = |entry: fs::DirEntry| {
        let name = fs::read_to_string(entry.path().join("name")).unwrap();
        name.starts_with("SMBus stub")
            .then(|| entry.file_name().into_string().unwrap())
    };
    let name = buses.filter_map(stub).next().unwrap();
    name.strip_prefix("i2c-").unwrap().parse().unwrap()
}

fn i2c(tool: &str, arguments: &[&str]) -> String {
    let output = Command::new("busybox")
        .args([tool, "-y"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{tool} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

/// A register of a chip, as i2cget shows it; `size`: b for a byte, w for a word. Its numbers are hexadecimal.
fn register(chip: &str, register: u8, size: &str) -> u16 {
    let (bus, register) = (bus().to_string(), format!("{register:#x}"));
    let text = i2c("i2cget", &[&bus, chip, &register, size]);
    u16::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

fn set(chip: &str, register: u8, value: u16, size: &str) {
    let (bus, register, value) = (bus().to_string(), format!("{register:#x}"), format!("{value:#x}"));
    i2c("i2cset", &[&bus, chip, &register, &value, size]);
}

const HAT: &str = "0x15";
const PCA9685: &str = "0x40";

/// The HAT's config and pulses.
fn hat() -> [u16; 3] {
    [
        register(HAT, 0, "b"),
        register(HAT, 1, "w"),
        register(HAT, 3, "w"),
    ]
}

/// The four bytes of a channel of the PCA9685.
fn channel(channel: u8) -> [u16; 4] {
    [0, 1, 2, 3].map(|at| register(PCA9685, 6 + 4 * channel + at, "b"))
}

fn with_servos(server: &str, keys: &str) -> Server {
    let bus = bus();
    Server::with_config(&format!(
        "[server]\ncontrols = on\n{server}\n[test]\ni2c_bus = {bus}\nauto_sleep = no\n{keys}\n"
    ))
}

/// The answer to a POST of /ptz, which is taken.
fn post(server: &Server, body: &str) -> String {
    let request = format!(
        "POST /ptz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    server
        .send(request.as_bytes())
        .read_to_string(&mut answer)
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{body}: {answer}");
    answer
}

fn rests(server: &Server) -> String {
    let mut answer = String::new();
    until("it rests", || {
        answer = server.get("/ptz");
        answer.contains("\"state\":\"ready\"") && answer.contains("\"moving\":false")
    });
    answer
}

/// Those of the PCA9685 on a channel; or none.
fn off(channel_bytes: [u16; 4]) -> Option<u16> {
    let [_, _, low, high] = channel_bytes;
    (high & 0x10 == 0).then_some(high << 8 | low)
}

#[test]
fn the_hat_is_driven_released_and_asked_again() {
    let Some(_) = rig() else { return };
    // The lights are somebody else's, and where the servos are is not known.
    set(HAT, 0, 0x0c, "b");
    set(HAT, 1, 0, "w");
    set(HAT, 3, 0xffff, "w");
    let mut server = with_servos(
        "historical_orient = yes\nsandbox = strict",
        "pan_tilt = pimoroni\nrelease_s = 1\npresets = door:-30,10",
    );
    let known = rests(&server);
    assert!(
        known.contains("\"min\":-45,\"max\":45,\"home\":0,\"value\":null"),
        "{known}"
    );
    assert_eq!(hat(), [0x0c, 0, 0xffff], "nothing moves at the start");
    assert_eq!(server.status("sandbox"), "landlock, seccomp");

    post(&server, r#"{"pan":10}"#);
    until("it is there", || hat() == [0x0d, 1547, 0xffff]);
    let clamped = post(&server, r#"{"tilt":60}"#);
    assert!(clamped.contains("\"clamped\":[\"tilt\"]"), "{clamped}");
    until("it is there", || hat()[2] == 1888);
    let known = rests(&server);
    assert!(
        known.contains("\"value\":10,") && known.contains("\"value\":45,"),
        "{known}"
    );
    until("they are released", || hat() == [0x0c, 1547, 1888]);

    post(&server, r#"{"preset":"door"}"#);
    until("it is there", || hat() == [0x0f, 1158, 1547]);
    // Both signs are turned round.
    let orient = server.get("/do_orient?pan=-20&tilt=5");
    assert!(orient.starts_with("HTTP/1.1 200 "), "{orient}");
    until("it is there", || hat() == [0x0f, 1644, 1401]);
    post(&server, r#"{"home":true}"#);
    until("it is there", || hat() == [0x0f, 1450, 1450]);

    // The end releases them, in the middle of a move.
    post(&server, r#"{"pan":-90}"#);
    until("it moves", || hat()[1] != 1450);
    server.signal("-TERM");
    assert!(server.wait().success());
    assert_eq!(hat()[0], 0x0c);

    // Where it is is read when the program starts again.
    set(HAT, 1, 1644, "w");
    let server = with_servos("", "pan_tilt = pimoroni\npan_invert = yes");
    let known = rests(&server);
    assert!(known.contains("\"value\":-20,"), "{known}");
}

#[test]
fn the_pca9685_is_started_once_and_driven() {
    let Some(_) = rig() else { return };
    // As after power-on, with somebody's servo on channel 7.
    for (register, value) in [(0, 0x11), (1, 0x04), (0xfe, 0x1e), (36, 0x33), (37, 1)] {
        set(PCA9685, register, value, "b");
    }
    for number in [0, 1] {
        set(PCA9685, 6 + 4 * number + 3, 0x10, "b");
    }
    let mut server = with_servos(
        "",
        "pan_tilt = pca9685\npan_channel = 1\ntilt_channel = 0\npan_pulse_us = 501-2501\nrelease_s = 0",
    );
    rests(&server);
    assert_eq!(
        register(PCA9685, 0xfe, "b"),
        0x1e,
        "nothing is written at the start"
    );
    post(&server, r#"{"pan":90,"tilt":0}"#);
    // 2501 µs are 512 steps of 4.88 µs, 1450 are 297.
    until("pan is there", || channel(1) == [0, 0, 0x00, 0x02]);
    until("tilt is there", || channel(0) == [0, 0, 0x29, 0x01]);
    let registers = [0, 1, 0xfe].map(|at| register(PCA9685, at, "b"));
    assert_eq!(registers, [0xa0, 0x04, 0x79]);
    assert_eq!(channel(7)[2..], [0x33, 1]);
    server.signal("-TERM");
    assert!(server.wait().success());
    assert_eq!(
        [0, 1, 7].map(|number| off(channel(number))),
        [None, None, Some(0x133)]
    );
}

#[test]
fn a_camera_that_wakes_leaves_its_servos_alone() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    set(HAT, 0, 0, "b");
    set(HAT, 1, 1450, "w");
    let keys = format!(
        "linger_s = 0\npan_tilt = pimoroni\nrelease_s = 0\ni2c_bus = {}",
        bus()
    );
    let server = Server::with_config(&format!(
        "[server]\ncontrols = on\n{}",
        config(&path, "640x480", 10, &keys)
    ));
    rests(&server);
    until("it sleeps", || server.camera("state") == "asleep");
    post(&server, r#"{"pan":10}"#);
    until("it is there", || hat()[..2] == [1, 1547]);
    let mut stream = server.follow("");
    assert!((0..5).all(|_| stream.next_fragment().is_some()));
    assert_eq!(hat()[..2], [1, 1547]);
    post(&server, r#"{"pan_by":5}"#);
    until("it goes on", || hat()[..2] == [1, 1596]);
}

/// A WebSocket of a page (RFC 6455), which can send texts.
fn page(server: &Server) -> std::net::TcpStream {
    let request = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    server.send(request.as_bytes())
}

fn say(page: &mut std::net::TcpStream, text: &str) {
    // A mask of zeros.
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    page.write_all(&frame).unwrap();
}

#[test]
fn a_page_that_is_gone_turns_nothing_for_long() {
    let Some(_) = rig() else { return };
    set(HAT, 0, 0, "b");
    set(HAT, 1, 1450, "w");
    let server = with_servos("", "pan_tilt = pimoroni\nspeed = 10");
    rests(&server);
    let mut turning = page(&server);
    let (start, mut last) = (Instant::now(), Instant::now());
    say(&mut turning, r#"{"type":"ptz","pan_speed":1}"#);
    until("it turns", || hat()[1] > 1450);
    drop(turning);
    let mut pulse = 0;
    while last.elapsed() < Duration::from_millis(700) {
        let now = hat()[1];
        if now != pulse {
            (pulse, last) = (now, Instant::now());
        }
        assert!(start.elapsed() < Duration::from_secs(5), "it turns on");
    }
    // 10 degrees a second of 9.72 µs, for half a second.
    assert!((1460..=1503).contains(&pulse), "{pulse}");
    // Another page saw it.
    assert!(rests(&server).contains("\"moving\":false"));
}

#[test]
fn a_board_that_does_not_answer_is_said_and_asked_again() {
    let Some(_) = rig() else { return };
    let server = with_servos("", "pan_tilt = pca9685\ni2c_address = 0x41");
    until("it is said", || {
        server.log().contains("nobody answers at address 0x41")
    });
    assert!(server.get("/ptz").contains("\"state\":\"refused\""));
    let mut stream = server.follow("");
    assert!((0..5).all(|_| stream.next_fragment().is_some()));
}

#[test]
fn a_camera_turns_by_its_own_controls_and_not_by_being_watched() {
    let Some(rig) = rig() else { return };
    let (camera, [path, _]) = plug(&rig, "640x480", &["-r", "10", "-p", "place"]);
    let value = |name: &str| {
        let text = v4l2_ctl(&path, &["--get-ctrl", name]);
        text.trim().rsplit(' ').next().unwrap().parse::<i32>().unwrap()
    };
    let keys = "linger_s = 0\npan_absolute = 3600";
    let server = Server::with_config(&format!(
        "[server]\ncontrols = on\n{}",
        config(&path, "640x480", 10, keys)
    ));
    let known = rests(&server);
    assert!(
        known.contains(
            "\"pan\":{\"kind\":\"absolute\",\"min\":-10,\"max\":10,\"home\":0,\"value\":1,\"step\":1}"
        ),
        "{known}"
    );
    assert!(
        known.contains("\"zoom\":{\"kind\":\"absolute\",\"min\":0,\"max\":100,\"home\":0"),
        "{known}"
    );
    assert_eq!(value("pan_absolute"), 3600);
    post(&server, r#"{"pan":-7,"tilt":2.6,"zoom":50}"#);
    until("it is there", || {
        [
            value("pan_absolute"),
            value("tilt_absolute"),
            value("zoom_absolute"),
        ] == [-25_200, 10_800, 300]
    });
    // It sleeps, wakes, and looks where it looked.
    until("it sleeps", || server.camera("state") == "asleep");
    let mut stream = server.follow("");
    assert!(stream.next_fragment().is_some());
    assert_eq!(value("pan_absolute"), -25_200);
    // Asleep it can be turned, too.
    drop(stream);
    until("it sleeps", || server.camera("state") == "asleep");
    post(&server, r#"{"home":true}"#);
    until("it is there", || {
        value("pan_absolute") == 0 && value("zoom_absolute") == 100
    });
    // Unplugged, it is not there; plugged in again, it is turned as the config has it.
    signal(&camera.0, "USR1");
    until("it is missed", || {
        server.get("/ptz").contains("\"state\":\"refused\"")
    });
    no_nodes();
    signal(&camera.0, "USR1");
    two_nodes();
    let _stream = server.follow("");
    rests(&server);
    assert_eq!(value("pan_absolute"), 3600);
}

#[test]
fn a_camera_that_turns_at_a_speed_stops_by_itself() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10", "-p", "speed"]);
    let speed = || v4l2_ctl(&path, &["--get-ctrl", "pan_speed"]).trim().to_string();
    let server = Server::with_config(&format!(
        "[server]\ncontrols = on\n{}",
        config(&path, "640x480", 10, "")
    ));
    let known = rests(&server);
    assert!(
        known.contains("\"pan\":{\"kind\":\"speed\",\"min\":-1,\"max\":1"),
        "{known}"
    );
    // What would go on for ever is not among the controls.
    let _stream = server.follow("");
    until("the others are", || {
        server.get("/controls").contains("\"brightness\"")
    });
    assert!(!server.get("/controls").contains("pan_speed"));
    // A look takes its time here: the button is held down meanwhile.
    until("it turns", || {
        post(&server, r#"{"pan_speed":1}"#);
        speed() == "pan_speed: 8"
    });
    until("it stops", || speed() == "pan_speed: 0");
    post(&server, r#"{"pan_speed":-0.5}"#);
    until("it stops", || rests(&server).contains("\"moving\":false"));
    assert_eq!(speed(), "pan_speed: 0");
}
