//! What cameras do to people, each with what a viewer sees of it.

use super::served::{config, health, serve};
use super::support::{Dir, Server, decode, have, until};
use super::viewer::{Clip, Viewer};
use super::*;
use fmp4streamer::sys::{self, Errno};
use std::os::unix::process::CommandExt;

/// A plugged camera of 10 frames a second, a server of it that never sleeps, and somebody who watches.
struct Scene {
    rig: PathBuf,
    path: PathBuf,
    viewer: Viewer,
    server: Server,
    camera: Running,
}

impl Scene {
    fn new() -> Option<Scene> {
        Scene::with(Command::new(Server::PROGRAM), "")
    }

    /// With a program in an environment of its own, and these lines before the camera's section.
    fn with(program: Command, server: &str) -> Option<Scene> {
        let rig = rig()?;
        let clip = Clip::new(&rig, "640x480");
        let (camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
        let camera_section = config(&path, "640x480", 10, "auto_sleep = no");
        let server = Server::with_config_as(program, &format!("{server}{camera_section}"));
        let viewer = Viewer::new(&server, &clip);
        viewer.more(5);
        Some(Scene {
            rig,
            path,
            viewer,
            server,
            camera,
        })
    }

    fn signal(&self, name: &str) {
        signal(&self.camera.0, name);
    }

    fn unplug(&self) {
        self.signal("USR1");
        until("the loss is noticed", || self.server.camera("state") == "lost");
        no_nodes();
    }

    /// Plugs it in again; the device is back when this returns.
    fn replug(&self) -> [PathBuf; 2] {
        self.signal("USR1");
        two_nodes()
    }

    /// Waits for pictures after what happened, and says how long that took.
    fn recovers(&self) {
        recovers(&self.viewer);
        assert_eq!(health(&self.server), ("200".into(), "live".into()));
    }

    fn counted(&self, field: &str) -> u64 {
        self.server.camera(field).parse().unwrap()
    }

    fn history(&self, expected: &[&str]) {
        history(&self.server, expected);
    }
}

/// The log has these lines of the camera's state, in this order, and no others but the way that its pictures take.
fn history(server: &Server, expected: &[&str]) {
    let states = || -> Vec<String> {
        let log = server.log();
        let states = log
            .lines()
            .filter(|line| line.contains("camera0: ") && !line.contains(WAY));
        states.map(str::to_owned).collect()
    };
    // Pictures may be here before the line that tells of them.
    until("the log has it all", || states().len() >= expected.len());
    let states = states();
    assert_eq!(states.len(), expected.len(), "{states:#?}");
    for (line, words) in states.iter().zip(expected) {
        assert!(line.contains(words), "{words}: {states:#?}");
    }
}

const WAY: &str = " (fakeuvc camera) H264: it gives H.264";
const LIVE: &str = ": live: fakeuvc camera, ";
const UNPLUGGED: &str = "camera lost: it was unplugged; waiting for it to come back";
const ABSENT: &str = ": no such device";

/// The device is there: pictures come again within 2 s. The bound leaves them three more, for this machine is
/// slow and the camera's next key frame may be a second away.
fn recovers(viewer: &Viewer) {
    let start = Instant::now();
    viewer.more(1);
    let took = start.elapsed();
    println!("recovered in {:.1} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn unplugged_while_somebody_watches() {
    let Some(mut scene) = Scene::new() else { return };
    let dir = Dir::new();
    let file = dir.file("seen.mp4");
    let curl = have("curl").then(|| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o"]).arg(&file);
        curl.arg(scene.server.url("/stream.mp4")).spawn().unwrap()
    });
    let watching = 1 + u64::from(curl.is_some());
    until("all watch", || scene.server.number("clients") == watching);
    scene.viewer.more(10);

    scene.unplug();
    let why = format!("{}: {UNPLUGGED}", scene.path.display());
    assert_eq!(health(&scene.server), ("503".into(), why.clone()));
    // Looking for it says nothing new.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(health(&scene.server), ("503".into(), why.clone()));
    assert_eq!(scene.server.camera("state"), "lost");
    assert_eq!(scene.server.camera("reason"), why);
    assert_eq!(scene.server.number("clients"), watching);
    assert_eq!(scene.replug()[0], scene.path);
    scene.recovers();
    scene.viewer.more(15);
    assert!(scene.viewer.judge() <= 1);
    assert_eq!(scene.server.number("clients"), watching);
    scene.history(&[LIVE, UNPLUGGED, LIVE]);

    // Its end is that of the program, so that nothing is cut.
    scene.server.signal("-TERM");
    assert!(scene.server.wait().success());
    scene.viewer.wait_for_end();
    if let Some(mut curl) = curl {
        assert!(curl.wait().unwrap().success());
        if have("ffmpeg") && have("ffprobe") {
            let frames = decode(&file);
            println!("curl's file: {frames} frames decoded");
            assert!(frames >= 25, "{frames}");
        }
    }
}

#[test]
fn unplugged_while_asleep() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let (camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let server = serve(&path, "640x480", 10, "linger_s = 0");
    until("it sleeps", || server.camera("state") == "asleep");
    signal(&camera.0, "USR1");
    no_nodes();
    // Nobody wants pictures, but whoever looks should know.
    until("the loss is noticed", || health(&server).0 == "503");
    let (_, why) = health(&server);
    assert!(why.contains(ABSENT) && why.contains("waiting for it"), "{why}");
    let viewer = Viewer::new(&server, &clip);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(health(&server), ("503".into(), why));
    signal(&camera.0, "USR1");
    two_nodes();
    recovers(&viewer);
    viewer.more(5);
    viewer.judge();
    history(&server, &[LIVE, "sleeps until", ABSENT, LIVE]);
}

#[test]
fn absent_at_the_start() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    no_nodes();
    // The number that the camera will get.
    let (camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    drop(camera);
    no_nodes();
    let server = serve(&path, "640x480", 10, "");
    let viewer = Viewer::new(&server, &clip);
    until("the absence is noticed", || health(&server).0 == "503");
    std::thread::sleep(Duration::from_secs(2));
    let _camera = plug(&rig, "640x480", &["-r", "10"]);
    recovers(&viewer);
    viewer.judge();
    history(&server, &[ABSENT, LIVE]);
}

/// It comes back while somebody holds the old node open. `link` makes the links that udev would make.
fn another_number(name: &Path, link: impl Fn(&Path)) {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let (camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    link(&path);
    let server = serve(name, "640x480", 10, "");
    let viewer = Viewer::new(&server, &clip);
    viewer.more(5);
    let held = open_raw(&path).unwrap();
    signal(&camera.0, "USR1");
    until("the loss is noticed", || health(&server).0 == "503");
    no_nodes();
    signal(&camera.0, "USR1");
    let [moved, _] = two_nodes();
    assert_ne!(moved, path);
    link(&moved);
    recovers(&viewer);
    viewer.more(5);
    assert!(viewer.judge() <= 1);
    drop(held);
    assert_eq!(health(&server), ("200".into(), "live".into()));
    history(&server, &[LIVE, UNPLUGGED, LIVE]);
}

#[test]
fn back_under_another_number_by_its_id() {
    let by_id = Path::new("/dev/v4l/by-id/usb-fmp4streamer_fakeuvc_camera_0001-video-index0");
    another_number(by_id, |node| link(by_id, node));
}

#[test]
fn back_under_another_number_by_its_usb_numbers() {
    another_number(Path::new("usb:1d6b:0104:0001"), |_| ());
}

#[test]
fn a_stall_shorter_than_the_watchdog() {
    let Some(scene) = Scene::new() else { return };
    scene.signal("USR2");
    std::thread::sleep(Duration::from_millis(1500));
    scene.signal("USR2");
    scene.viewer.more(15);
    assert_eq!(scene.viewer.judge(), 0, "the camera lost no picture");
    scene.history(&[LIVE]);
}

#[test]
fn a_stall_longer_than_the_watchdog() {
    let Some(scene) = Scene::new() else { return };
    scene.signal("USR2");
    let silent = "camera lost: no frame for over 3 s; it is opened again";
    let why = format!("{}: {silent}", scene.path.display());
    // Before that it may be told that the frames are old.
    until("the stall is noticed", || {
        health(&scene.server) == ("503".into(), why.clone())
    });
    // Long enough to be opened in vain.
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(health(&scene.server).0, "503", "{}", scene.server.get("/status"));
    scene.signal("USR2");
    scene.recovers();
    scene.viewer.more(5);
    scene.viewer.judge();
    scene.history(&[LIVE, silent, LIVE]);
}

#[test]
fn damaged_and_short_frames_are_never_shown() {
    hand_on_damaged_frames(true);
    let Some(scene) = Scene::new() else { return };
    for (count, name) in [(1, "HUP"), (2, "WINCH"), (3, "HUP"), (4, "WINCH")] {
        scene.signal(name);
        until("it is counted", || {
            scene.counted("damaged") + scene.counted("short") == count
        });
        scene.viewer.more(12);
    }
    assert_eq!((scene.counted("damaged"), scene.counted("short")), (2, 2));
    let jumps = scene.viewer.judge();
    assert!((1..=4).contains(&jumps), "{jumps}");
    scene.history(&[LIVE]);
}

#[test]
fn missing_frames_are_gaps() {
    hand_on_damaged_frames(false);
    let Some(scene) = Scene::new() else { return };
    for count in 1..=2 {
        scene.signal("HUP");
        until("it is counted", || scene.counted("sequence_gaps") == count);
        scene.viewer.more(12);
    }
    let jumps = scene.viewer.judge();
    assert!((1..=2).contains(&jumps), "{jumps}");
    scene.history(&[LIVE]);
}

/// The number of an ioctl, see the kernel's asm-generic/ioctl.h: direction, size, group 'V', number.
const fn request(direction: u32, size: usize, number: u32) -> u32 {
    direction << 30 | (size as u32) << 16 | (b'V' as u32) << 8 | number
}

#[test]
fn ioctls_that_fail_once() {
    let Some(rig) = rig() else { return };
    let dir = Dir::new();
    let order = dir.file("fail");
    let mut program = Command::new(Server::PROGRAM);
    program
        .env("LD_PRELOAD", rig.join("tools/failonce.so"))
        .env("FAILONCE", &order);
    // What makes them fail wants its file.
    let Some(scene) = Scene::with(program, "[server]\nsandbox = off\n") else {
        return;
    };
    let fail = |request: u32, errno: i32| {
        let new = dir.write("new", format!("{request} {errno}"));
        fs::rename(new, &order).unwrap();
        until("it fails", || !order.exists());
    };
    // _IOWR is direction 3 and _IOW is 1; sizes of struct v4l2_buffer (64-bit), v4l2_requestbuffers and int.
    let (qbuf, dqbuf) = (request(3, 88, 15), request(3, 88, 17));
    let (reqbufs, streamon) = (request(3, 20, 8), request(1, 4, 18));
    let gave_up = |errno| format!("its driver gave up ({})", sys::words(errno));
    let (broken, invalid) = (gave_up(Errno::EIO), gave_up(Errno::EINVAL));
    let (broken, invalid) = (broken.as_str(), invalid.as_str());
    for (request, errno) in [(dqbuf, libc::EIO), (qbuf, libc::EINVAL)] {
        fail(request, errno);
        recovers(&scene.viewer);
        scene.viewer.more(5);
    }
    // Those of a start: once it is closed, which takes some of them too, and before it is opened again.
    for request in [reqbufs, streamon] {
        fail(dqbuf, libc::EIO);
        until("it is closed", || scene.server.camera("state") == "lost");
        fail(request, libc::EINVAL);
        recovers(&scene.viewer);
        scene.viewer.more(5);
    }
    scene.viewer.judge();
    let (buffers, start) = (
        "can't get buffers: Invalid argument",
        "can't start the stream: Invalid argument",
    );
    scene.history(&[
        LIVE, broken, LIVE, invalid, LIVE, broken, buffers, LIVE, broken, start, LIVE,
    ]);
}

#[test]
fn busy_until_the_other_one_ends() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let mut other = Command::new("v4l2-ctl");
    other
        .arg("-d")
        .arg(&path)
        .args(["--set-fmt-video", "pixelformat=H264", "--stream-mmap"]);
    other
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null());
    let other = Running::start(&mut other);
    other_streams(&other, &path);

    // The kernel shows a sandbox no other process's files.
    let config = format!("[server]\nsandbox = off\n{}", config(&path, "640x480", 10, ""));
    let server = Server::with_config(&config);
    let viewer = Viewer::new(&server, &clip);
    let words = format!(
        "busy: another program has it open (pid {}, v4l2-ctl)",
        other.0.id()
    );
    until("it is said", || health(&server).0 == "503");
    let (_, why) = health(&server);
    assert!(
        why.starts_with(&path.display().to_string()) && why.ends_with(&words),
        "{why}"
    );
    std::thread::sleep(Duration::from_secs(3));
    drop(other);
    recovers(&viewer);
    viewer.judge();
    // One that is ending may have its files closed before the device is: then nobody is named any more.
    let unnamed = "busy: another program has it open; ";
    match server.log().contains(unnamed) {
        true => history(&server, &[&words, unnamed, LIVE]),
        false => history(&server, &[&words, LIVE]),
    }
}

#[test]
fn no_permission() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let group = |name: &str, mode: &str| {
        for (tool, what) in [("chgrp", name), ("chmod", mode)] {
            assert!(
                Command::new(tool)
                    .arg(what)
                    .arg(&path)
                    .status()
                    .unwrap()
                    .success()
            );
        }
    };
    group("video", "660");
    // Nobody may look into our own folders.
    let dir = Dir::new();
    let program = dir.file("fmp4streamer");
    fs::copy(Server::PROGRAM, &program).unwrap();
    let mut nobody = Command::new(&program);
    nobody.uid(65534).gid(65534);
    let server = Server::with_config_as(nobody, &config(&path, "640x480", 10, ""));
    let viewer = Viewer::new(&server, &clip);
    until("it is said", || health(&server).0 == "503");
    let (_, why) = health(&server);
    let words = "no permission: it is for members of the group video; run: sudo usermod -aG video";
    assert!(why.contains(words), "{why}");
    std::thread::sleep(Duration::from_secs(2));
    group("nogroup", "660");
    recovers(&viewer);
    viewer.judge();
    history(&server, &[words, LIVE]);
}

#[test]
fn another_size_after_a_replug() {
    let Some(mut scene) = Scene::new() else { return };
    scene.unplug();
    // Another camera into the same port.
    scene.camera = plug(&scene.rig, "320x240", &["-r", "10"]).0;
    scene.viewer.wait_for_end();
    scene.viewer.judge();
    let clip = Clip::new(&scene.rig, "320x240");
    let viewer = Viewer::new(&scene.server, &clip);
    viewer.more(5);
    viewer.judge();
    let size = (scene.server.camera("width"), scene.server.camera("height"));
    assert_eq!(size, ("320".into(), "240".into()));
    scene.history(&[LIVE, UNPLUGGED, LIVE]);
}

/// What is in memory; the figure of /proc/PID/status is only near it (proc(5)).
fn resident_kb(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn fifty_replugs_leave_nothing_behind() {
    let Some(scene) = Scene::new() else { return };
    let usage = || {
        let files = fs::read_dir(format!("/proc/{}/fd", scene.server.process.id()))
            .unwrap()
            .count();
        (
            files,
            scene.server.proc_status("Threads"),
            resident_kb(scene.server.process.id()),
        )
    };
    let mut first = None;
    for cycle in 1..=50 {
        scene.unplug();
        scene.replug();
        scene.viewer.more(3);
        if cycle % 10 == 1 || cycle == 50 {
            let now = usage();
            println!("cycle {cycle}: {} files, {} threads, {} kB", now.0, now.1, now.2);
            let (files, threads, memory_kb) = *first.get_or_insert(now);
            assert_eq!((now.0, now.1), (files, threads), "cycle {cycle}");
            // The ring holds more or less of what came last: some groups of pictures of 70 kB.
            assert!(now.2 < memory_kb + 1024, "cycle {cycle}: {} kB", now.2);
        }
    }
    scene.viewer.judge();
    let cycles = [UNPLUGGED, LIVE].into_iter().cycle().take(100);
    scene.history(&std::iter::once(LIVE).chain(cycles).collect::<Vec<_>>());
}
