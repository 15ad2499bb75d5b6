use super::*;
use crate::source::node::capture_kind;
use crate::sys::v4l2::{Capabilities, cap};
use std::fs::File;
use std::os::unix::fs::symlink;

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("fmp4streamer-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn name(text: &str) -> DeviceName {
    DeviceName::parse(text).unwrap().unwrap()
}

fn id(text: &str) -> UsbId {
    match name(text) {
        DeviceName::Usb(id) => id,
        other => panic!("{other}"),
    }
}

fn format(letters: &[u8; 4], compressed: bool) -> OfferedFormat {
    OfferedFormat {
        fourcc: FourCc(u32::from_le_bytes(*letters)),
        description: String::new(),
        compressed,
    }
}

pub const CAMERA: u32 = cap::VIDEO_CAPTURE | cap::STREAMING;
pub const METADATA: u32 = cap::META_CAPTURE | cap::STREAMING;

/// What was seen of a node whose ioctls can't be asked here.
pub fn seen(
    number: u32,
    usb: Option<&str>,
    (bus, card): (&str, &str),
    caps: u32,
    formats: &[&[u8; 4]],
) -> VideoNode {
    VideoNode {
        path: format!("/dev/video{number}").into(),
        usb: usb.map(id),
        found: Ok(OpenNode {
            file: File::open("/dev/null").unwrap(),
            capabilities: Capabilities {
                driver: "driver".into(),
                card: card.into(),
                bus: bus.into(),
                caps,
            },
            capture: capture_kind(caps),
            formats: formats.iter().map(|letters| format(letters, false)).collect(),
        }),
    }
}

pub fn refused(number: u32, usb: Option<&str>, why: &str, absent: bool) -> VideoNode {
    let path = PathBuf::from(format!("/dev/video{number}"));
    let error = Error::new(path.display(), "can't open it", why).absent(absent);
    VideoNode {
        path,
        usb: usb.map(id),
        found: Err(error),
    }
}

fn chosen(text: &str, seen: &[VideoNode]) -> String {
    let path = resolve(&name(text), FourCc::H264, seen).unwrap_or_else(|e| panic!("{e}"));
    path.display().to_string()
}

#[test]
fn nodes_come_in_the_order_of_their_numbers() {
    let dev = Folder::new("nodes");
    for node in [
        "video10", "video2", "video0", "vbi0", "video", "video1x", "media0",
    ] {
        dev.file(node, "");
    }
    let expected: Vec<PathBuf> = ["video0", "video2", "video10"]
        .iter()
        .map(|n| dev.0.join(n))
        .collect();
    assert_eq!(nodes_in(&dev.0), expected);
    assert!(nodes_in(&dev.0.join("none")).is_empty());
}

#[test]
fn a_usb_camera_is_known_by_what_is_above_its_interface() {
    let sys = Folder::new("sys");
    for (file, text) in [
        ("idVendor", "046d\n"),
        ("idProduct", "082d\n"),
        ("serial", " A1:\x1bB2 \n"),
        ("1-1:1.0/interface", "Webcam\n"),
    ] {
        sys.file(&format!("devices/usb1/1-1/{file}"), text);
    }
    sys.file("devices/usb1/1-2/idVendor", "0c45");
    sys.file("devices/usb1/1-2/idProduct", "6366");
    sys.file("devices/usb1/1-2/1-2:1.0/interface", "");
    sys.file("devices/platform/vivid.0/driver_override", "");
    for (node, device) in [
        ("video0", "usb1/1-1/1-1:1.0"),
        ("video1", "usb1/1-1/1-1:1.0"),
        ("video2", "usb1/1-2/1-2:1.0"),
        ("video3", "platform/vivid.0"),
    ] {
        sys.link(
            &format!("class/{node}/device"),
            &format!("../../devices/{device}"),
        );
    }
    let class = sys.0.join("class");
    let of = |node: &str| usb_id(&class, &Path::new("/dev").join(node)).map(|id| id.to_string());
    for node in ["video0", "video1"] {
        assert_eq!(of(node).unwrap(), "usb:046d:082d:A1:B2");
    }
    assert_eq!(of("video2").unwrap(), "usb:0c45:6366");
    assert_eq!((of("video3"), of("video4")), (None, None));
}

#[test]
fn the_link_by_id_goes_before_the_one_by_path() {
    let dev = Folder::new("links");
    for number in 0..4 {
        dev.file(&format!("video{number}"), "");
    }
    dev.link("v4l/by-id/usb-A-video-index1", "../../video1");
    dev.link("v4l/by-id/usb-A-video-index0", "../../video0");
    dev.link("v4l/by-path/pci-usb-0:1", "../../video0");
    dev.link("v4l/by-path/platform-b", "../../video2");
    dev.link("v4l/by-path/gone", "../../video9");
    let node = |number: u32| dev.0.join(format!("video{number}"));
    let of = |number: u32| link(&dev.0, &node(number), false);
    assert_eq!(of(0), Some(dev.0.join("v4l/by-id/usb-A-video-index0")));
    assert_eq!(of(1), Some(dev.0.join("v4l/by-id/usb-A-video-index1")));
    assert_eq!(of(2), Some(dev.0.join("v4l/by-path/platform-b")));
    assert_eq!((of(3), of(9)), (None, None));
    let of_alike = |number: u32| link(&dev.0, &node(number), true);
    assert_eq!(of_alike(0), Some(dev.0.join("v4l/by-path/pci-usb-0:1")));
    assert_eq!(of_alike(1), of(1), "there is no other");
}

#[test]
fn the_node_with_the_pictures_is_chosen() {
    let (a, b) = (Some("usb:046d:082d:A"), Some("usb:0c45:6366"));
    let all = [
        seen(0, None, ("platform:vivid-000", "vivid"), CAMERA, &[b"YUYV"]),
        // The metadata first, as after a replug with an old file open.
        seen(1, a, ("usb-1", "C920"), METADATA, &[]),
        seen(2, a, ("usb-1", "C920"), CAMERA, &[b"MJPG", b"H264"]),
        // Two that capture, H.264 on the second, as cameras for security have it.
        seen(3, b, ("usb-2", "HD USB Camera"), CAMERA, &[b"MJPG"]),
        seen(4, b, ("usb-2", "HD USB Camera"), METADATA, &[]),
        seen(5, b, ("usb-2", "HD USB Camera"), CAMERA, &[b"H264"]),
        seen(6, b, ("usb-2", "HD USB Camera"), CAMERA, &[b"YUYV"]),
    ];
    for (text, node) in [
        ("usb:046d:082d", "/dev/video2"),
        ("usb:046d:082d:A", "/dev/video2"),
        ("usb:0c45:6366", "/dev/video5"),
        ("card:C920", "/dev/video2"),
        ("card:HD USB Camera", "/dev/video5"),
        ("card:vivid", "/dev/video0"),
    ] {
        assert_eq!(chosen(text, &all), node, "{text}");
    }
    let mjpeg = resolve(&name("usb:0c45:6366"), FourCc::MJPEG, &all);
    assert_eq!(mjpeg, Ok(Path::new("/dev/video3")));
    let sections = |number: usize| names(&all[number], &all, None);
    assert_eq!(sections(0), ["[/dev/video0]", "[card:vivid]"]);
    assert_eq!(sections(2), ["[usb:046d:082d:A]", "[card:C920]"]);
    // The names of the camera mean its other node.
    assert_eq!(sections(3), ["[/dev/video3]"]);
    assert_eq!(
        names(&all[5], &all, Some("/dev/v4l/by-id/x".into())),
        ["[usb:0c45:6366]", "[/dev/v4l/by-id/x]", "[card:HD USB Camera]"]
    );
}

#[test]
fn what_is_not_there_is_absent_and_what_is_there_is_named() {
    let all = [
        seen(0, Some("usb:046d:082d:A"), ("usb-1", "C920"), CAMERA, &[]),
        seen(1, Some("usb:046d:082d:A"), ("usb-1", "C920"), METADATA, &[]),
        refused(2, None, "no permission", false),
        seen(
            3,
            None,
            ("platform:enc", "enc"),
            cap::VIDEO_M2M | cap::STREAMING,
            &[],
        ),
    ];
    let error = resolve(&name("card:C92"), FourCc::H264, &all).unwrap_err();
    assert!(error.is_absent());
    assert_eq!(
        error.to_string(),
        "card:C92: no such camera: there is card:C920 (/dev/video0), /dev/video2: can't open it: no \
         permission; waiting for it"
    );
    let error = resolve(&name("card:C920"), FourCc::H264, &all[1..2]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "card:C920: no such camera: there is no camera at all; waiting for it"
    );
}

#[test]
fn a_camera_that_cannot_be_opened_says_why() {
    let usb = Some("usb:046d:082d:A");
    for absent in [false, true] {
        let all = [
            refused(0, usb, "reason", absent),
            seen(1, usb, ("usb-1", "C920"), METADATA, &[]),
        ];
        let error = resolve(&name("usb:046d:082d"), FourCc::H264, &all).unwrap_err();
        assert_eq!(error.to_string(), "/dev/video0: can't open it: reason");
        assert_eq!(error.is_absent(), absent);
    }
}

#[test]
fn two_that_match_are_named() {
    let all = [
        seen(0, Some("usb:046d:082d:A"), ("usb-1", "C920"), CAMERA, &[]),
        seen(2, Some("usb:046d:082d:B"), ("usb-2", "C920"), CAMERA, &[b"H264"]),
        seen(4, None, ("platform:x", "C920"), CAMERA, &[]),
    ];
    let words = |text: &str| resolve(&name(text), FourCc::H264, &all).unwrap_err();
    assert!(!words("usb:046d:082d").is_absent());
    assert_eq!(
        words("usb:046d:082d").to_string(),
        "usb:046d:082d: can't choose: 2 cameras match: /dev/video0 (usb:046d:082d:A), /dev/video2 \
         (usb:046d:082d:B). Name one by its serial number, if it has one (usb:VID:PID:SERIAL), or by its \
         path, such as one in /dev/v4l/by-path, which stays the same for a socket"
    );
    assert!(words("card:C920").to_string().contains("3 cameras match: "));
    assert_eq!(chosen("usb:046d:082d:B", &all), "/dev/video2");
    assert_eq!(names(&all[1], &all, None), ["[usb:046d:082d:B]"]);
}

#[test]
fn devices_from_memory_to_memory_are_told_apart() {
    let (raw, h264, mjpg, fwht) = (
        [format(b"YU12", false), format(b"NV12", false)],
        [format(b"H264", true)],
        [format(b"MJPG", true)],
        [format(b"FWHT", true)],
    );
    for (takes, gives, words) in [
        (&raw[..], &h264[..], "an H.264 encoder, for cameras that give raw"),
        (&raw, &fwht, "an encoder, but not for H.264"),
        (&mjpg, &raw, "a decoder, for cameras that give MJPEG"),
        (&h264, &raw, "a decoder, but not for MJPEG"),
        (&raw, &raw, "a scaler"),
        (&[], &[], "a scaler"),
    ] {
        let device = M2mDevice {
            path: "/dev/video11".into(),
            card: "codec".into(),
            takes: takes.to_vec(),
            gives: gives.to_vec(),
        };
        assert!(m2m_words(&device).contains(words), "{words}");
    }
}
