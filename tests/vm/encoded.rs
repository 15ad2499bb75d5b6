//! The whole program with cameras whose pictures go through the encoder device.

use super::m2m::{Decoder, ENCODER, Fault, small, still, webcam};
use super::served::{config, serve};
use super::support::pictures::get;
use super::support::{Dir, Server, until};
use super::*;
use fmp4streamer::format::jpeg;

#[test]
fn viewers_go_on_whatever_the_encoder_does() {
    let Some(_) = rig() else { return };
    let server = serve(&still(0, "0"), "320x180", 10, "");
    let mut stream = server.follow("");
    let mut keys = 0;
    let mut more = |count: usize| {
        for _ in 0..count {
            keys += usize::from(stream.next_fragment().expect("the stream ended").key());
        }
    };
    more(10);
    let failing = Fault::new("fail_every", 4);
    more(30);
    drop(failing);
    more(10);
    let slow = Fault::new("delay_ms", 300);
    more(10);
    drop(slow);
    more(10);
    let count = |field: &str| server.camera(field).parse::<u64>().unwrap();
    println!(
        "{keys} key frames, {} damaged, {} slow",
        count("damaged"),
        count("slow")
    );
    // Each spoilt frame is followed by a key frame that was asked for, but no more than two in a second are.
    assert!(keys >= 7);
    assert!(count("damaged") >= 5 && count("slow") >= 10);
    assert_eq!(server.camera("state"), "live");
    assert_eq!(server.log().matches("lost").count(), 0, "{}", server.log());
}

#[test]
fn a_webcam_of_jpeg_pictures_is_served_as_both() {
    let Some(rig) = rig() else { return };
    let (_decoder, dir, size) = (Decoder::new(&[]), Dir::new(), (640, 480));
    let sent = blocks::jpeg(small(size), blocks::places);
    let (camera, path) = webcam(&rig, &dir, size, std::slice::from_ref(&sent));
    let server = serve(&path, "640x480", 10, "");
    let mut stream = server.follow("");
    assert!((0..12).all(|_| stream.next_fragment().is_some()));
    let chain = format!(
        "{} (fakeuvc camera) MJPG 640x480 → {} (vjpegdec) NV12 → {ENCODER} (vh264enc) H264",
        path.display(),
        Decoder::PATH
    );
    assert_eq!(server.camera("chain"), chain);
    let (head, picture) = get(&server, "/snapshot.jpg");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    // What viewers of pictures get is the camera's, with the tables that it left out, and with its JFIF segment.
    assert_eq!(picture, jpeg::Picture::parse(&sent).unwrap().to_vec());
    drop((server, camera));
    no_nodes();
}

#[test]
fn memory_that_is_used_up_is_told() {
    let Some(rig) = rig() else { return };
    let (dir, path) = (Dir::new(), still(0, "0"));
    // The first VIDIOC_REQBUFS is the encoder's.
    let order = dir.write("fail", format!("{} {}", 0xc014_5608_u32, libc::ENOMEM));
    let mut program = Command::new(Server::PROGRAM);
    program
        .env("LD_PRELOAD", rig.join("tools/failonce.so"))
        .env("FAILONCE", order);
    let camera = config(&path, "320x180", 10, &format!("encoder = {ENCODER}"));
    // Landlock would keep failonce.so from its file.
    let config = format!("[server]\nsandbox = off\n{camera}");
    let server = Server::with_config_as(program, &config);
    until("it is told", || {
        let log = server.log();
        log.contains("/dev/video11: can't get buffers: no memory for the encoder's buffers")
            && log.contains("cma=256M")
    });
    assert!(server.follow("").next_fragment().is_some());
}
