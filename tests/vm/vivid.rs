//! Controls of every type, raw frames in one and several planes, and every fault that vivid can play.
//! `vivid n_devs=3 multiplanar=1,2,1 node_types=0x1,0x1,0xa0134 no_error_inj=0`

use super::*;
use fmp4streamer::source::control;
use fmp4streamer::sys::v4l2::{BufferKind, Format, FourCc, Layout, Queue};
use nix::errno::Errno;

fn single() -> Option<PathBuf> {
    rig().map(|_| driven_by("vivid").swap_remove(0))
}

fn multi() -> Option<PathBuf> {
    rig().map(|_| driven_by("vivid").swap_remove(1))
}

fn apply(path: &Path, settings: &[(&str, &str)]) -> Vec<String> {
    let settings: Vec<Setting> = settings
        .iter()
        .map(|(name, value)| setting(name, value))
        .collect();
    control::apply_v4l2(&open_raw(path).unwrap(), "camera", &settings)
}

/// The `name = value` lines of the list.
fn listed(path: &Path) -> Vec<(String, String)> {
    let list = control::list(path).unwrap();
    let lines = list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| line.split_once(" = ").unwrap_or_else(|| panic!("{line}")))
        .map(|(n, v)| (n.into(), v.into()))
        .collect()
}

#[test]
fn the_list_can_be_pasted() {
    let Some(path) = single() else { return };
    println!("{}", control::list(&path).unwrap());
    let before = listed(&path);
    assert!(before.len() > 40, "{}", before.len());
    let pairs: Vec<(&str, String)> = before
        .iter()
        .map(|(n, v)| (n.as_str(), v.replace("%%", "%")))
        .collect();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(apply(&path, &pairs), [""; 0]);
    assert_eq!(listed(&path), before);
}

#[test]
fn every_type_can_be_set() {
    let Some(path) = single() else { return };
    for (name, value, shown) in [
        ("brightness", "77", "77"),
        ("hue", "-5", "-5"),
        ("mute", "yes", "1"),
        ("mute", "off", "0"),
        ("menu", "menu item 4", "4 (Menu Item 4)"),
        ("menu", "1", "1 (Menu Item 1)"),
        ("integer_menu", "42", "8 (42 0x2a)"),
        ("integer_menu", "6", "6 (13 0xd)"),
        ("integer_64_bits", "-9223372036854775808", "-9223372036854775808"),
        ("integer_32_bits", "-2147483648", "-2147483648"),
        ("bitmask", "0x80000010", "-2147483632"),
        ("string", "abc", "'abc'"),
        ("u32_1_element_array", "0x20", "32"),
        ("u8_2x3x4x5_array", "17", "17"),
        ("u32_dynamic_array", "20, 30", "20, 30"),
    ] {
        assert_eq!(apply(&path, &[(name, value)]), [""; 0], "{name}");
        if !name.ends_with("array") {
            assert_eq!(v4l2_ctl(&path, &["-C", name]).trim(), format!("{name}: {shown}"));
        } else {
            assert!(listed(&path).contains(&(name.into(), shown.into())), "{name}");
        }
    }
    let matrix: Vec<String> = (0..128).map(|i| (i + 16).to_string()).collect();
    let matrix = matrix.join(", ");
    assert_eq!(apply(&path, &[("u16_8x16_matrix", &matrix)]), [""; 0]);
    assert!(listed(&path).contains(&("u16_8x16_matrix".into(), matrix)));
    assert_eq!(apply(&path, &[("button", "yes")]), [""; 0]);
    // As in an [rpicam] section; "no" takes it back.
    for (name, long) in [("hflip", "horizontal_flip"), ("vflip", "vertical_flip")] {
        for (value, shown) in [("yes", "1"), ("no", "0")] {
            assert_eq!(apply(&path, &[(name, value)]), [""; 0], "{name}");
            assert_eq!(v4l2_ctl(&path, &["-C", long]).trim(), format!("{long}: {shown}"));
        }
    }
}

#[test]
fn what_can_not_be_set_is_said() {
    let Some(path) = single() else { return };
    for (name, value, words) in [
        (
            "brightness",
            "300",
            "255 is set instead: allowed is integer, 0 to 255, default 128",
        ),
        ("brightness", "light", "not set: allowed is integer, 0 to 255"),
        ("brigthness", "1", "no such control; did you mean brightness?"),
        ("h264_profile", "High", "no such control; fmp4streamer -l"),
        (
            "menu",
            "2",
            "not set: allowed is one of Menu Item 1 (1), Menu Item 3 (3)",
        ),
        ("mute", "2", "not set: allowed is yes or no"),
        ("string", "abcde", "not set: allowed is text of 2 to 4 bytes"),
        ("bitmask", "0x11", "0x00000010 is set instead"),
        ("read_only_integer_32_bits", "1", "can only be read"),
        ("area", "1", "a structure"),
        ("gain", "9", "has no effect now"),
    ] {
        let said = apply(&path, &[(name, value)]);
        assert!(said.len() == 1 && said[0].contains(words), "{name}: {said:?}");
        assert!(
            said[0].starts_with(&format!("fmp4streamer.conf:9: camera: {name} = {value}: ")),
            "{said:?}"
        );
    }
    // The gain is inactive while the automatic is on; the line that turns it off comes second and is set
    // first.
    assert_eq!(apply(&path, &[("gain", "9"), ("gain_automatic", "no")]), [""; 0]);
    assert_eq!(v4l2_ctl(&path, &["-C", "gain"]).trim(), "gain: 9");
    assert_eq!(apply(&path, &[("gain_automatic", "yes")]), [""; 0]);
}

#[test]
fn a_camera_without_h264_is_told_so() {
    let Some(path) = single() else { return };
    let words = open(&path).err().unwrap().to_string();
    println!("{words}");
    assert!(words.contains("gives no H264: it offers YUYV, UYVY, "), "{words}");
    assert!(
        words.ends_with("; take capture_format out of its section"),
        "{words}"
    );
}

#[test]
fn other_nodes_are_called_by_their_names() {
    let Some(_) = rig() else { return };
    let mut all = String::new();
    for path in ["video", "vbi", "radio", "swradio", "v4l-touch"]
        .into_iter()
        .flat_map(nodes)
    {
        let words = match open(&path) {
            Ok(_) => "a camera".into(),
            Err(error) => error.to_string(),
        };
        println!("{words}");
        all += &words;
    }
    for words in [
        "an encoder",
        "data about",
        "a video output",
        "a radio",
        "VBI",
        "touch panel",
    ] {
        assert!(all.contains(words), "{words}");
    }
}

/// Sets the format and gets everything ready but the start.
fn queue(path: &Path, kind: BufferKind, fourcc: &[u8; 4], buffers: u32) -> Queue {
    let file = open_raw(path).unwrap();
    let wanted = Format {
        width: 640,
        height: 360,
        fourcc: FourCc(u32::from_le_bytes(*fourcc)),
    };
    let format = |layout: Layout| layout.format;
    assert_eq!(
        v4l2::set_layout(&file, kind, &Layout::new(wanted)).map(format),
        Ok(wanted)
    );
    assert_eq!(v4l2::get_layout(&file, kind).map(format), Ok(wanted));
    let interval = v4l2::Fraction {
        numerator: 1,
        denominator: 25,
    };
    assert_eq!(v4l2::set_interval(&file, kind, interval), Ok(Some(interval)));
    Queue::new(file.into(), kind, buffers).unwrap()
}

/// Takes buffers until `done` likes one or the driver fails.
fn take(queue: &mut Queue, mut done: impl FnMut(&v4l2::DequeuedBuffer) -> bool) -> Result<(), Errno> {
    loop {
        match queue.dequeue()? {
            None => std::thread::sleep(Duration::from_millis(5)),
            Some(lent) => {
                let enough = done(&lent);
                lent.give_back()?;
                if enough {
                    return Ok(());
                }
            }
        }
    }
}

#[test]
fn raw_frames_in_one_plane_and_in_several() {
    let (Some(single), Some(multi)) = (single(), multi()) else {
        return;
    };
    for path in [&single, &multi] {
        // The webcam, not an HDMI input, which has a rate of its own.
        v4l2_ctl(path, &["-i", "0"]);
        apply(
            path,
            &[
                ("brightness", "128"),
                ("hue", "0"),
                ("test_pattern", "100% White"),
                ("osd_text_mode", "None"),
                ("show_square", "0"),
            ],
        );
    }
    for (path, kind, fourcc, planes) in [
        (&single, BufferKind::Single, b"NV12", &[345_600][..]),
        (&multi, BufferKind::Multi, b"NV12", &[345_600]),
        (&multi, BufferKind::Multi, b"NM12", &[230_400, 115_200]),
        (&multi, BufferKind::Multi, b"YM12", &[230_400, 57_600, 57_600]),
    ] {
        let mut queue = queue(path, kind, fourcc, 4);
        assert_eq!(queue.count(), 4);
        queue.start().unwrap();
        let mut numbers = Vec::new();
        take(&mut queue, |lent| {
            assert_eq!(lent.planes().map(<[u8]>::len).collect::<Vec<_>>(), planes);
            let white = |bytes: &[u8], level: u8| bytes.iter().all(|b| b.abs_diff(level) <= 1);
            for (index, plane) in lent.planes().enumerate() {
                match index {
                    0 => assert!(white(plane.get(..230_400).unwrap(), 235), "luma"),
                    _ => assert!(white(plane, 128), "chroma"),
                }
            }
            assert!(lent.captured_us().is_some() && !lent.damaged());
            numbers.push(lent.sequence());
            numbers.len() == 10
        })
        .unwrap();
        assert_eq!(numbers.first(), Some(&0));
    }
}

#[test]
fn more_buffers_come_back_than_were_asked_for_or_fewer() {
    let Some(path) = single() else { return };
    assert!(queue(&path, BufferKind::Single, b"YUYV", 1).count() >= 1);
    assert_eq!(
        queue(&path, BufferKind::Single, b"YUYV", 200).count(),
        32,
        "VIDEO_MAX_FRAME"
    );
}

#[test]
fn faults_have_names() {
    let Some(path) = single() else { return };
    let press = |name: &str| drop(v4l2_ctl(&path, &["-c", &format!("{name}=1")]));
    let streaming = || {
        let mut queue = queue(&path, BufferKind::Single, b"YUYV", 4);
        queue.start().unwrap();
        take(&mut queue, |_| true).unwrap();
        queue
    };

    let mut q = streaming();
    press("inject_v4l2_buf_flag_error");
    take(&mut q, |lent| lent.damaged()).unwrap();
    take(&mut q, |lent| !lent.damaged()).unwrap();
    press("inject_vidioc_qbuf_error");
    assert_eq!(take(&mut q, |_| false), Err(Errno::EINVAL));
    drop(q);

    let mut q = streaming();
    press("inject_fatal_streaming_error");
    assert_eq!(take(&mut q, |_| false), Err(Errno::EIO));
    drop(q);

    press("inject_vidioc_reqbufs_error");
    let file = open_raw(&path).unwrap();
    assert_eq!(
        Queue::new(file.into(), BufferKind::Single, 4).err(),
        Some(Errno::EINVAL)
    );
    press("inject_vidioc_streamon_error");
    let mut q = queue(&path, BufferKind::Single, b"YUYV", 4);
    assert_eq!(q.start(), Err(Errno::EINVAL));
    drop(q);

    let mut q = streaming();
    assert_eq!(
        Queue::new(open_raw(&path).unwrap().into(), BufferKind::Single, 4).err(),
        Some(Errno::EBUSY)
    );
    take(&mut q, |_| true).unwrap();
    press("disconnect");
    assert_eq!(take(&mut q, |_| false), Err(Errno::ENODEV));
    drop(q);
    drop(streaming());
}
