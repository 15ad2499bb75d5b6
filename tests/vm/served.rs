//! Cameras that the program serves, from end to end.

use super::support::{Server, until};
use super::viewer::{Clip, Viewer};
use super::*;

/// A server of one device.
pub fn serve(device: &Path, size: &str, fps: u32, keys: &str) -> Server {
    Server::with_config(&config(device, size, fps, keys))
}

pub fn config(device: &Path, size: &str, fps: u32, keys: &str) -> String {
    let (width, height) = size.split_once('x').unwrap();
    let device = device.display();
    format!("[{device}]\nwidth = {width}\nheight = {height}\nfps = {fps}\n{keys}\n")
}

/// The answer to GET /healthz: its code and its text.
pub fn health(server: &Server) -> (String, String) {
    let answer = server.get("/healthz");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().into(),
        body.trim().trim_matches(|c| c == '\r' || c == '\n').into(),
    )
}

/// When the driver captured each buffer that it gave, in microseconds by sequence number, from the kernel's
/// log. That has them once dev_debug is set (Linux Documentation/driver-api/media/v4l2-dev.rst, "video device
/// debugging"), as hours:minutes:seconds.microseconds, though with nine digits.
fn captured_us() -> std::collections::BTreeMap<usize, i64> {
    let log = Command::new("dmesg").arg("--raw").output().unwrap();
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    let buffers = log.lines().filter_map(|line| {
        let (_, buffer) = line.split_once("VIDIOC_DQBUF: ")?;
        let (time, rest) = buffer.split_once(' ')?;
        let mut parts = time.split([':', '.']).map(str::parse::<i64>);
        let [Ok(h), Ok(m), Ok(s), Ok(us)] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?]
        else {
            return None;
        };
        let sequence = rest.split("sequence=").nth(1)?.split(',').next()?.parse().ok()?;
        Some((sequence, ((h * 60 + m) * 60 + s) * 1_000_000 + us))
    });
    buffers.collect()
}

/// 300 pictures at 10 a second: each slice as it was fed, none missing, and media time by the driver's clock.
fn three_hundred(transfer: &[&str]) {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let (_camera, [path, _]) = plug(&rig, "640x480", &[&["-r", "10"], transfer].concat());
    let node = path.file_name().unwrap().to_str().unwrap();
    assert!(Command::new("dmesg").arg("--clear").status().unwrap().success());
    // What is called, with its arguments, streaming calls too.
    fs::write(format!("/sys/class/video4linux/{node}/dev_debug"), "11").unwrap();

    let server = serve(&path, "640x480", 10, "");
    let viewer = Viewer::new(&server, &clip);
    while viewer.seen().len() < 300 {
        viewer.more(10);
    }
    assert_eq!(viewer.judge(), 0, "pictures are missing");
    assert_eq!(server.camera("state"), "live");
    assert_eq!(server.camera("source"), "fakeuvc camera");
    assert_eq!(server.camera("sequence_gaps"), "0");
    assert_eq!(health(&server), ("200".into(), "live".into()));

    // The camera's first picture is the clip's first one, and has sequence number 0.
    let captured_us = captured_us();
    let seen = viewer.seen().clone();
    let first = seen[0];
    let zero_us = captured_us[&first.number];
    // How far media time is from the driver's, at the start and at the end of each picture.
    let mut last_us = 0;
    let errors_us: Vec<(i64, i64)> = seen[..300]
        .iter()
        .enumerate()
        .filter_map(|(i, one)| {
            // A line of the log that another one was put into is not found.
            let driver_us = captured_us.get(&(first.number + i))? - zero_us;
            let start_us = (one.time_90k - first.time_90k) as i64 * 100 / 9 - driver_us;
            // A frame is a tenth of a second, but where a busy machine made it longer.
            let frame_us = (driver_us - last_us).max(100_000);
            assert!(
                start_us.abs() <= frame_us,
                "picture {i} is {start_us} us off, more than a frame"
            );
            last_us = driver_us;
            Some((
                start_us,
                start_us + i64::from(one.duration_90k) * 100 / 9 - 100_000,
            ))
        })
        .collect();
    assert!(errors_us.len() > 250, "{} of 300", errors_us.len());
    let worst = errors_us.iter().map(|(start, _)| start.abs()).max().unwrap();
    let mean = |part: &[(i64, i64)]| part.iter().map(|(_, end)| end).sum::<i64>() / part.len() as i64;
    let (early, late) = (mean(&errors_us[..30]), mean(&errors_us[errors_us.len() - 30..]));
    println!(
        "media time against the driver's, in us: {worst} at most; mean of 30 ends: {early}, then {late}"
    );
    // A picture may begin early, by as much as the camera was late with it; they end in step with the driver.
    // Half a picture is left for a machine so busy that pictures come late and then too fast: fmp4::Timeline
    // stays behind after that. A rate that is off by a five hundredth would take more.
    assert!((late - early).abs() < 50_000, "it drifts");
}

#[test]
fn three_hundred_frames_by_bulk_transfers() {
    three_hundred(&[]);
}

#[test]
fn three_hundred_frames_by_isochronous_transfers() {
    three_hundred(&["-i"]);
}

#[test]
fn other_sizes_and_rates() {
    let Some(rig) = rig() else { return };
    for (size, fps) in [("320x240", 15), ("1280x720", 5)] {
        let clip = Clip::new(&rig, size);
        let (camera, [path, _]) = plug(&rig, size, &["-r", &fps.to_string()]);
        let by_path = Path::new("/dev/v4l/by-path/platform-vhci_hcd.0-usb-0:1:1.0-video-index0");
        link(by_path, &path);
        let server = serve(by_path, size, fps, "");
        let viewer = Viewer::new(&server, &clip);
        viewer.more(25);
        viewer.judge();
        let described = format!("{}x{}", server.camera("width"), server.camera("height"));
        assert_eq!(described, size);
        let seen = viewer.seen().clone();
        let seconds = (seen[20].time_90k - seen[0].time_90k) as f64 / 90_000.0;
        let rate = 20.0 / seconds;
        println!("{size}: {rate:.2} of {fps} frames a second");
        // Media time is the driver's, not ours; still a loaded machine may be late with some.
        assert!(rate > f64::from(fps) * 0.7 && rate < f64::from(fps) * 1.3);
        drop(server);
        drop(camera);
        no_nodes();
    }
}

#[test]
fn each_node_is_listed_as_what_it_is() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, metadata]) = plug(&rig, "640x480", &["-y", "-r", "10"]);
    let by_id = Path::new("/dev/v4l/by-id/usb-fmp4streamer_fakeuvc_camera_0001-video-index0");
    link(by_id, &path);
    let list = Command::new(Server::PROGRAM)
        .arg("--list-devices")
        .output()
        .unwrap();
    assert!(list.status.success() && list.stderr.is_empty());
    let list = String::from_utf8(list.stdout).unwrap();
    println!("{list}");
    let part = |node: &Path| {
        let head = format!("# {}: ", node.display());
        let part = list.split("#\n").find(|part| part.starts_with(&head));
        part.unwrap_or_else(|| panic!("no part of {}", node.display()))
    };
    let vivid = driven_by("vivid");
    for (node, words) in [
        (&path, "fakeuvc camera (uvcvideo, usb-vhci_hcd.0-1)"),
        (&path, "H264: 640x480 at 10, 5\n"),
        (&path, "YUYV: 640x480 at 5\n"),
        (&path, "Served as H264: it gives H.264."),
        (&path, by_id.to_str().unwrap()),
        (&metadata, "metadata"),
        (&vivid[0], " → /dev/video11: it gives no H.264"),
        (&vivid[1], " → /dev/video11: it gives no H.264"),
        (&vivid[2], "a video output"),
        (&vivid[3], "metadata"),
        (&PathBuf::from("/dev/video11"), "an H.264 encoder"),
        (&PathBuf::from(loopback::DEVICE), "offers nothing now"),
    ] {
        assert!(part(node).contains(words), "{words}");
    }
    assert!(list.contains("\n[usb:1d6b:0104:0001]\n"));
}

#[test]
fn a_loopback_device_is_served() {
    let Some(rig) = rig() else { return };
    let clip = Clip::new(&rig, "640x480");
    let mut feed = Command::new(rig.join("tools/h264feed"));
    feed.args([
        loopback::DEVICE.as_ref(),
        rig.join("media/640x480.h264").as_os_str(),
    ])
    .args(["640x480", "10"]);
    let feed = Running::start(&mut feed);
    let server = serve(Path::new(loopback::DEVICE), "640x480", 10, "");
    let viewer = Viewer::new(&server, &clip);
    viewer.more(30);
    let jumps = viewer.judge();
    println!("{jumps} gaps");
    let untimed: u64 = server.camera("bad_time").parse().unwrap();
    assert!(untimed >= 30, "{untimed}");
    // Two buffers were all that it has.
    assert_eq!(server.camera("state"), "live");
    drop(feed);
    // Before that it may be told that the frames are old.
    until("the silence is noticed", || {
        let (code, why) = health(&server);
        code == "503" && why.contains("no frame for over 3 s")
    });
}

#[test]
fn without_a_config_the_camera_is_found_among_all_nodes() {
    let Some(rig) = rig() else { return };
    let _alone = NoEncoder::new();
    let clip = Clip::new(&rig, "640x480");
    let server = Server::with_config("");
    let mut early = server.follow("");
    assert!(early.next_fragment().is_some());
    assert_eq!(server.camera("placeholder"), "true");
    let (camera, [path, metadata]) = plug(&rig, "640x480", &["-r", "10"]);
    until("the camera takes the test picture's place", || {
        server.camera("source") == "fakeuvc camera" && server.camera("state") == "live"
    });
    assert_eq!(server.camera("placeholder"), "false");
    let viewer = Viewer::new(&server, &clip);
    viewer.more(15);
    viewer.judge();
    // Other pictures than those that began this answer.
    while early.next_fragment().is_some() {}
    let taken = format!("a camera appears: {}\n", path.display());
    assert!(server.log().contains(&taken));

    // Once it was there it is waited for, and nothing else is shown in its place.
    signal(&camera.0, "USR1");
    until("the loss is told", || health(&server).0 == "503");
    until("the node is gone", || !path.exists());
    assert_eq!(server.camera("placeholder"), "false");
    signal(&camera.0, "USR1");
    viewer.more(15);
    viewer.judge();
    assert_eq!(health(&server), ("200".into(), "live".into()));

    let other = serve(&metadata, "640x480", 10, "");
    until("the metadata node is refused", || health(&other).0 == "503");
    let (_, why) = health(&other);
    assert!(why.starts_with(&metadata.display().to_string()), "{why}");
    assert!(why.contains("data about a camera's frames"), "{why}");
}
