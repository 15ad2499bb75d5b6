//! A USB camera: the kernel's own uvcvideo, and a camera played by fakeuvc.

use super::*;
use fmp4streamer::source::control;

#[test]
fn frames_are_those_that_were_fed() {
    let Some(rig) = rig() else { return };
    let fed = fs::read(rig.join("media/640x480.h264")).unwrap();
    for transfer in [&["-r", "10"][..], &["-r", "10", "-i"]] {
        let (camera, [path, _]) = plug(&rig, "640x480", transfer);
        let mut c = camera::open(
            &CaptureConfig {
                path: &path,
                width: 640,
                height: 480,
                fps: 10,
                format: FourCc::H264,
                muxed: false,
                controls: &[],
                input: &PRESENT_INPUT,
            },
            &mut Vec::new(),
        )
        .unwrap();
        assert!(!c.info().description.is_empty());
        assert_eq!(c.info().fps, Some(10.0));
        c.request_key_frame();
        let (got, error) = read(&mut c, 300);
        assert_eq!((error, &got.gaps, c.drops()), (None, &vec![], Default::default()));
        let bytes = got.frames.concat();
        assert!(
            bytes.len() > 100_000 && bytes == fed.get(..bytes.len()).unwrap(),
            "{transfer:?}"
        );
        assert!(got.captured_us.is_sorted());
        let seconds = (got.captured_us[299] - got.captured_us[0]) as f64 / 1e6;
        assert!(
            // On a machine under load the camera, which is a program too, may take longer.
            (25.0..120.0).contains(&seconds),
            "299 frames at 10 a second took {seconds} s"
        );
        drop(c);
        drop(camera);
        no_nodes();
    }
}

#[test]
fn what_is_not_offered_is_said_once() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, metadata]) = plug(&rig, "640x480", &["-y"]);
    let wanted = CaptureConfig {
        path: &path,
        width: 1920,
        height: 1080,
        fps: 60,
        format: FourCc::H264,
        muxed: false,
        controls: &[setting("brightness", "999")],
        input: &PRESENT_INPUT,
    };
    let mut said = Vec::new();
    for _ in 0..2 {
        let c = camera::open(&wanted, &mut said).unwrap();
        assert_eq!((c.info().fps, said.len()), (Some(30.0), 2), "{said:?}");
    }
    let words = format!(
        "{}: 1920x1080 at 60 frames a second is not offered; it gives 640x480 at 30; sizes it offers: \
         640x480; rates it offers: 30, 15",
        path.display()
    );
    assert!(said.contains(&words), "{said:?}");
    assert!(
        said.iter()
            .any(|w| w.contains("brightness = 999: 255 is set instead")),
        "{said:?}"
    );
    assert_eq!(v4l2_ctl(&path, &["-C", "brightness"]).trim(), "brightness: 255");
    assert_eq!(first_h264(), Some(path));
    let words = open(&metadata).err().unwrap().to_string();
    assert!(words.contains("data about a camera's frames"), "{words}");
}

#[test]
fn a_slower_rate_is_taken() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, _]) = plug(&rig, "640x480", &[]);
    let wanted = CaptureConfig {
        path: &path,
        width: 640,
        height: 480,
        fps: 15,
        format: FourCc::H264,
        muxed: false,
        controls: &[],
        input: &PRESENT_INPUT,
    };
    let mut said = Vec::new();
    let c = camera::open(&wanted, &mut said).unwrap();
    assert_eq!((c.info().fps, said.len()), (Some(15.0), 0), "{said:?}");
}

#[test]
fn a_symlink_will_do_and_the_list_disturbs_nobody() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let link = PathBuf::from("/dev/v4l-by-id-test");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let mut c = camera::open(
        &CaptureConfig {
            path: &link,
            width: 640,
            height: 480,
            fps: 10,
            format: FourCc::H264,
            muxed: false,
            controls: &[],
            input: &PRESENT_INPUT,
        },
        &mut Vec::new(),
    )
    .unwrap();
    read(&mut c, 5);
    let list = control::list(&link).unwrap();
    println!("{list}");
    assert!(
        list.contains("\n# integer, 0 to 255, default 128\nbrightness = "),
        "{list}"
    );
    assert_eq!(first_h264(), Some(path));
    let (got, error) = read(&mut c, 10);
    assert_eq!((error, got.gaps, c.drops()), (None, vec![], Default::default()));
    fs::remove_file(&link).unwrap();
}

#[test]
fn busy_says_who() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, _]) = plug(&rig, "640x480", &[]);
    let mut other = Command::new("v4l2-ctl");
    other.arg("-d").arg(&path).args([
        "--set-fmt-video",
        "pixelformat=H264",
        "--stream-mmap",
        "--stream-count=100000",
    ]);
    other
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null());
    let other = Running::start(&mut other);
    other_streams(&other, &path);
    let words = open(&path).err().unwrap().to_string();
    let holder = format!(
        "busy: another program has it open (pid {}, v4l2-ctl)",
        other.0.id()
    );
    assert!(
        words.starts_with(&path.display().to_string()) && words.ends_with(&holder),
        "{words}"
    );
    drop(other);
    assert_eq!(read(&mut open(&path).unwrap(), 3).1, None);
}

#[test]
fn unplugged_and_back() {
    let Some(rig) = rig() else { return };
    let (camera, [path, _]) = plug(&rig, "640x480", &[]);
    let mut c = open(&path).unwrap();
    assert_eq!(read(&mut c, 5).1, None);
    signal(&camera.0, "USR1");
    let (_, error) = read(&mut c, 100_000);
    let words = error.unwrap().to_string();
    assert_eq!(
        words,
        format!(
            "{}: camera lost: it was unplugged; waiting for it to come back",
            path.display()
        )
    );
    // Before the old one is closed.
    let words = open(&path).err().unwrap().to_string();
    assert!(words.contains("; waiting for it"), "{words}");
    drop(c);
    let words = open(&path).err().unwrap().to_string();
    assert_eq!(
        words,
        format!(
            "{}: can't open it: no such device; waiting for it to be plugged in (cameras here: fmp4streamer -L)",
            path.display()
        )
    );
    signal(&camera.0, "USR1");
    assert_eq!(two_nodes()[0], path);
    assert_eq!(read(&mut open(&path).unwrap(), 5).1, None);
}

#[test]
fn a_stall_is_noticed() {
    let Some(rig) = rig() else { return };
    let (camera, [path, _]) = plug(&rig, "640x480", &[]);
    let mut c = open(&path).unwrap();
    assert_eq!(read(&mut c, 5).1, None);
    signal(&camera.0, "USR2");
    let (_, error) = read(&mut c, 100_000);
    assert!(
        error
            .unwrap()
            .to_string()
            .ends_with("camera lost: no frame for over 3 s; it is opened again")
    );
    drop(c);
    signal(&camera.0, "USR2");
    assert_eq!(read(&mut open(&path).unwrap(), 5).1, None);
}

#[test]
fn lost_frames_are_gaps() {
    let Some(rig) = rig() else { return };
    hand_on_damaged_frames(false);
    let (camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let mut c = open(&path).unwrap();
    read(&mut c, 3);
    signal(&camera.0, "HUP");
    let (got, error) = read(&mut c, 10);
    assert_eq!((error, got.gaps.len()), (None, 1));
    assert_eq!(
        c.drops(),
        fmp4streamer::source::Drops {
            gaps: 1,
            ..Default::default()
        }
    );
}

#[test]
fn damaged_frames_are_gaps() {
    let Some(rig) = rig() else { return };
    hand_on_damaged_frames(true);
    let (camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let mut c = open(&path).unwrap();
    read(&mut c, 3);
    for damaged in 1..=3 {
        signal(&camera.0, "HUP");
        while c.drops().damaged < damaged {
            let (_, error) = read(&mut c, 1);
            assert_eq!(error, None);
        }
    }
    let (got, error) = read(&mut c, 5);
    assert_eq!((error, got.gaps.len()), (None, 0));
    assert!(got.frames.len() >= 5);
    assert_eq!(c.drops().damaged, 3);
}

#[test]
fn openings_leave_nothing_behind() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, _]) = plug(&rig, "640x480", &[]);
    let left = || {
        let files = fs::read_dir("/proc/self/fd").unwrap().count();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        (
            files,
            maps.lines().filter(|line| line.contains("/dev/video")).count(),
        )
    };
    let before = left();
    for _ in 0..20 {
        let mut c = open(&path).unwrap();
        assert_eq!(read(&mut c, 1).1, None);
        assert_eq!(left(), (before.0 + 1, 6), "the device and its buffers");
    }
    assert_eq!((before.1, left()), (0, before));
}
