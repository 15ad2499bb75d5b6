//! RTSP by its own client, which looks at each byte, and by real ones: ffmpeg and GStreamer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod access;
mod client;
mod datagrams;
mod jpeg;
mod pitfalls;
mod players;
mod requests;
mod stream;
#[path = "../support/mod.rs"]
mod support;

use std::net::TcpListener;
use std::process::Output;
use support::{Dir, Server, have, run, skip};

const SERVER: &str = "[server]\nrtsp = yes\nrtsp_port = 0\nmax_age_ms = 60000\n";

/// With these further lines.
fn server(lines: &str) -> Server {
    Server::with_config(&format!("{SERVER}{lines}"))
}

fn test_picture() -> Server {
    server("[test]\nwidth = 320\nheight = 240\n")
}

fn udp_picture() -> Server {
    server("rtsp_udp = yes\n[test]\nwidth = 320\nheight = 240\n")
}

/// Where it serves RTSP: host and port.
fn place(server: &Server) -> String {
    let log = server.log();
    let (_, place) = log.split_once("rtsp://").expect("RTSP is served");
    place.split('/').next().unwrap().to_string()
}

/// By RTSP alone over its connection.
const TCP: &[&str] = &["-rtsp_transport", "tcp"];
/// By datagrams alone.
const UDP: &[&str] = &["-rtsp_transport", "udp"];

/// Has ffmpeg play what is at that address; `output` are its words for what becomes of it.
fn ffmpeg(transport: &[&str], url: &str, output: &str) -> Output {
    let output: Vec<&str> = output.split(' ').collect();
    run(
        "ffmpeg",
        &[&["-v", "error"], transport, &["-i", url], &output].concat(),
    )
}

/// True if GStreamer is there, with these elements.
fn has_gstreamer(elements: &[&str]) -> bool {
    let lacks = |element: &&&str| !run("gst-inspect-1.0", &[**element]).status.success();
    if !have("gst-launch-1.0") {
        return false;
    }
    let lacking = elements.iter().find(lacks);
    if let Some(element) = lacking {
        skip(&format!("GStreamer has no {element}"));
    }
    lacking.is_none()
}

/// Has GStreamer play with these settings of its rtspsrc, through these elements: the bytes of so many pictures, and what it said.
/// Its status tells nothing: as it ends, its TEARDOWN often interrupts its own PAUSE, and it calls that an error (1.22).
fn gstreamer(settings: &[&str], elements: &str, pictures: u32) -> (Vec<u8>, String) {
    let rest = format!("! {elements} ! identity eos-after={pictures} ! fdsink");
    let rest: Vec<&str> = rest.split(' ').collect();
    let played = run("gst-launch-1.0", &[&["-q", "rtspsrc"], settings, &rest].concat());
    let said = String::from_utf8_lossy(&played.stderr).into_owned();
    (played.stdout, said)
}

#[test]
fn http_and_rtsp_need_a_port_each() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let dir = Dir::new();
    let server =
        format!("[server]\nlisten = 127.0.0.1\nport = {port}\nrtsp = yes\nrtsp_port = {port}\n[test]\n");
    let file = dir.write("test.conf", server);
    let said = run(Server::PROGRAM, &["-c", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(
        said.contains(&format!("rtsp_port = {port}: HTTP has this port")),
        "{said}"
    );
}
