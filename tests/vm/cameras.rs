//! Several cameras at once: a USB camera, raw pictures through the encoder device, and a command.

use super::support::{Server, follows, until};
use super::viewer::{Clip, Viewer};
use super::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

/// The answer to GET /NAME/healthz: its code.
fn health(server: &Server, name: &str) -> String {
    let answer = server.get(&format!("/{name}/healthz"));
    answer.split(' ').nth(1).unwrap().into()
}

/// A viewer of a camera whose pictures nobody knows beforehand, in a thread of its own.
struct Watch {
    frames: Arc<AtomicUsize>,
    /// Of them, those before which some are missing.
    holes: Arc<AtomicUsize>,
}

impl Watch {
    fn new(server: &Server, path: &str) -> Watch {
        let (frames, holes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let watch = Watch {
            frames: Arc::clone(&frames),
            holes: Arc::clone(&holes),
        };
        let mut stream = server.follow_at(path);
        thread::spawn(move || {
            let mut last = stream.next_fragment().unwrap();
            while let Some(next) = stream.next_fragment() {
                holes.fetch_add(usize::from(!follows(&next, &last)), SeqCst);
                frames.fetch_add(1, SeqCst);
                last = next;
            }
        });
        watch
    }

    /// Waits for as many more frames.
    fn more(&self, count: usize) {
        let enough = self.frames.load(SeqCst) + count;
        until(&format!("{count} more frames come"), || {
            self.frames.load(SeqCst) >= enough
        });
    }
}

#[test]
fn one_that_is_unplugged_costs_the_others_no_frame() {
    let Some(rig) = rig() else { return };
    let usb_clip = Clip::new(&rig, "640x480");
    let (camera, [usb, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let vivid = driven_by("vivid").swap_remove(0);
    let (usb, vivid) = (usb.display(), vivid.display());
    let pictures = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/x264/x264_two_slices.h264"
    );
    let file_clip = Clip::read(Path::new(pictures));
    let server = Server::with_config(&format!(
        "[server]\nmax_age_ms = 60000
[DEFAULT]\nfps = 10
[{usb}]\nname = usb\nwidth = 640\nheight = 480
[/dev/video11]\nno_such_control = 1
[{vivid}]\nname = raw\nwidth = 320\nheight = 180
[exec clip]\nname = clip\ncommand = while :; do cat {pictures} || exit; sleep 0.4; done\n"
    ));
    // The encoder's section is no camera.
    let status = server.get("/status");
    let names: Vec<&str> = status.split("{\"name\":\"").skip(1).collect();
    assert_eq!(names.len(), 3, "{status}");

    let usb_viewer = Viewer::at("/usb/stream.mp4", &server, &usb_clip);
    // A busy machine stretches the command's pauses, so what comes of it is told by its pictures and not by their times.
    let clip = Viewer::at("/clip/stream.mp4", &server, &file_clip);
    let raw = Watch::new(&server, "/raw/stream.mp4");
    usb_viewer.more(10);
    clip.more(10);
    raw.more(10);
    let chain = server.status_after("\"raw\"", "chain");
    assert!(chain.contains("/dev/video11"), "{chain}");
    // What its section sets is set on it.
    assert!(server.log().contains("no_such_control"), "{}", server.log());
    // The gaps in its numbers are no loss: vivid leaves pictures out by itself where the machine is busy.
    let lost = || ["damaged", "unreadable", "after_loss"].map(|field| server.status_after("\"raw\"", field));
    let before = lost();

    signal(&camera.0, "USR1");
    until("the loss is told", || health(&server, "usb") == "503");
    raw.more(30);
    clip.more(30);
    for name in ["raw", "clip"] {
        assert_eq!(health(&server, name), "200", "{name}");
    }
    signal(&camera.0, "USR1");
    usb_viewer.more(10);
    usb_viewer.judge();
    raw.more(10);
    clip.more(10);
    assert_eq!(lost(), before);
    assert_eq!(clip.judge(), 0);
    let holes = raw.holes.load(SeqCst);
    let gaps = server.status_after("\"raw\"", "sequence_gaps");
    assert!(holes <= gaps.parse().unwrap(), "{holes} holes, {gaps} gaps");
    for name in ["usb", "raw", "clip"] {
        assert_eq!(health(&server, name), "200", "{name}");
    }
}

#[test]
fn a_camera_in_two_sections_is_named() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let path = path.display();
    let server = Server::with_config(&format!(
        "[{path}]\nname = one\nfps = 10\n[usb:1d6b:0104]\nname = other\nfps = 10\n"
    ));
    let viewers = ["one", "other"].map(|name| Viewer::at(&format!("/{name}/stream.mp4"), &server, &clip));
    let reasons = || ["one", "other"].map(|name| server.status_after(&format!("\"{name}\""), "reason"));
    let words = "busy: another section of the config means it too";
    until("it is said", || {
        reasons().iter().any(|reason| reason.contains(words))
    });
    // Whichever was first has it.
    let seen = || viewers.iter().map(|viewer| viewer.seen().len()).max();
    let before = seen();
    until("it plays", || seen() > before);
}
