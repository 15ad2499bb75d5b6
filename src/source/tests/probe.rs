use super::*;
use crate::config::Config;
use crate::source::lookup::tests::{CAMERA, Folder, METADATA, refused, seen};
use crate::sys::v4l2::cap;

#[test]
fn the_report_is_a_config() {
    let all = [
        seen(
            0,
            Some("usb:046d:082d:A"),
            ("usb-1", "C920"),
            CAMERA,
            &[b"MJPG", b"H264"],
        ),
        seen(1, Some("usb:046d:082d:A"), ("usb-1", "C920"), METADATA, &[]),
        seen(2, None, ("platform:a", "a] = 1"), CAMERA, &[b"H264"]),
        seen(3, None, ("platform:b", "b"), CAMERA, &[b"MJPG"]),
        seen(4, None, ("platform:c", "c"), CAMERA, &[b"MJPG", b"YUYV"]),
        seen(5, None, ("platform:d", "d"), CAMERA, &[b"YUYV"]),
        seen(6, None, ("platform:e", "e"), CAMERA, &[]),
        seen(7, None, ("platform:f", "f"), cap::VIDEO_M2M | cap::STREAMING, &[]),
        refused(8, None, "no permission", false),
        seen(
            9,
            None,
            ("platform:g", "g"),
            CAMERA | cap::IO_MC,
            &[b"pGAA", b"YUYV"],
        ),
    ];
    let expect = [
        "Served as H264: it gives H.264.",
        "Not a camera: it gives metadata",
        "Served as H264: it gives H.264.",
        "Served as MJPG: it gives no H.264, and there is no H.264 encoder here.",
        "Served as MJPG: it gives no H.264, and there is no H.264 encoder here.",
        "raw pictures only, and no encoder",
        "nothing now",
        "Not a camera: it is a scaler or converter",
        "can't open it: no permission",
        "a raw sensor",
    ];
    let dev = Folder::new("report");
    let mut report = Report::new(&all, &dev.0, 64);
    report.nodes();
    let mic = |name: &str, bus: &str| mic::Listed {
        name: name.into(),
        bus: bus.into(),
        lines: [
            "/dev/snd/pcmC1D0c: microphone".into(),
            "It offers 48000 Hz.".into(),
        ],
    };
    report.microphones(vec![mic("usb:046d:082d:A", "usb-1"), mic("hw:Device", "usb-2")]);
    let text = report.end();
    let mut entries = text.split("#\n").skip(1);
    for (node, words) in all.iter().zip(expect) {
        let entry = entries.next().unwrap();
        assert!(
            entry.starts_with(&format!("# {}: ", node.path.display())),
            "{entry}"
        );
        assert!(entry.contains(words), "{entry}");
    }
    let config = Config::parse(text.as_bytes(), "list", &[]).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(config.cameras[0].section, "usb:046d:082d:A");
    let sections = text.lines().filter(|line| line.starts_with('['));
    assert_eq!(
        sections.collect::<Vec<_>>(),
        [
            "[usb:046d:082d:A]",
            "[/dev/video2]",
            "[rpicam 0]",
            "[/dev/video3]",
            "[/dev/video4]",
            "[exec video5]",
        ]
    );
    for words in [
        "\n# It may also be named [card:C920].\n",
        "\n# - /dev/video8: can't open it: no permission\n",
        "\n#[exec video3]\n#command = ffmpeg ",
        "\n[usb:046d:082d:A]\n#mic = usb:046d:082d:A\n",
        "\n[/dev/video2]\n#mic = hw:Device\n",
        "\n#\n# /dev/snd/pcmC1D0c: microphone\n# It offers 48000 Hz.\n#\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // JPEG pictures have no sound.
    assert_eq!(text.matches("\n#mic = ").count(), 4);
}

#[test]
fn memory_for_codecs() {
    let meminfo = "MemTotal:         437996 kB\nMemFree:  1 kB\nCmaTotal:          65536 kB\nCmaFree: 5 kB\n";
    assert_eq!(megabytes(meminfo, "CmaTotal"), 64);
    assert_eq!(megabytes(meminfo, "MemTotal"), 427);
    assert_eq!(megabytes(meminfo, "Cma"), 0);
    assert_eq!(megabytes("", "CmaTotal"), 0);
    for (cma_mb, size, little) in [
        (64, (640, 480), false),
        (64, (1280, 720), false),
        (32, (1280, 720), true),
        (0, (1280, 720), false),
    ] {
        assert_eq!(is_little(cma_mb, size), little, "{cma_mb} {size:?}");
    }
}
