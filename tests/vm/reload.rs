//! A changed config is taken over while its camera streams.

use super::served::config;
use super::support::{Server, until};
use super::viewer::{Clip, Viewer};
use super::*;

#[test]
fn controls_are_set_while_it_streams() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let at = |brightness: u32| config(&path, "640x480", 10, &format!("brightness = {brightness}"));
    let value = || v4l2_ctl(&path, &["--get-ctrl", "brightness"]);
    let server = Server::with_config(&at(100));
    let viewer = Viewer::new(&server, &clip);
    viewer.more(10);
    assert_eq!(value(), "brightness: 100\n");

    // Another line of the file is no other control.
    let text = format!("[server]\nsandbox = strict\n\n{}", at(101));
    server.dir.write("test.conf", text);
    server.signal("-HUP");
    until("it is set", || value() == "brightness: 101\n");
    viewer.more(20);
    assert_eq!(viewer.judge(), 0, "pictures are missing");
    until("it is said", || {
        server.log().contains("needs a restart for: sandbox")
    });
    assert!(server.log().contains("camera0: goes on with the new config"));

    // What the camera has not is said, and it is opened anew.
    server
        .dir
        .write("test.conf", config(&path, "640x480", 10, "brightnes = 1"));
    server.signal("-HUP");
    until("it is said", || server.log().contains("test.conf:5: "));
    viewer.more(20);
    viewer.judge();
}

/// What a driver, its events in /dev and the names in /sys want of the kernel.
#[test]
fn the_strict_sandbox_is_wide_enough_for_a_camera() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let (camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let text = config(Path::new("card:fakeuvc camera"), "640x480", 10, "brightness = 90");
    let server = Server::with_config(&format!("[server]\nsandbox = strict\n{text}"));
    let viewer = Viewer::new(&server, &clip);
    viewer.more(10);
    assert_eq!(server.status("sandbox"), "landlock, seccomp");
    assert_eq!(v4l2_ctl(&path, &["--get-ctrl", "brightness"]), "brightness: 90\n");
    drop(camera);
    until("it is missed", || server.camera("state") == "lost");
    no_nodes();
    let (_camera, _) = plug(&rig, "640x480", &["-r", "10"]);
    viewer.more(10);
    viewer.judge();
}
