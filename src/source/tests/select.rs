use super::*;
use crate::config::{Config, DeviceName, SourceKind};
use crate::sys::v4l2::OfferedFormat;

fn format(letters: &str) -> OfferedFormat {
    let compressed = ["H264", "MJPG", "JPEG", "HEVC", "FWHT"].contains(&letters);
    OfferedFormat {
        fourcc: FourCc::parse(letters).unwrap(),
        description: String::new(),
        compressed,
    }
}

/// What a camera gives, such as "H264 YUYV-": with a minus behind it not at the wanted rate, with a slash not in the wanted
/// size.
fn given(text: &str) -> Vec<CameraFormat> {
    let one = |word: &str| {
        let OfferedFormat {
            fourcc, compressed, ..
        } = format(&word[..4]);
        let fit = match &word[4..] {
            "" => Fit::Whole,
            "-" => Fit::Slower,
            "/" => Fit::Otherwise,
            other => panic!("{other}"),
        };
        CameraFormat {
            fourcc,
            compressed,
            fit,
        }
    };
    text.split_whitespace().map(one).collect()
}

fn m2m_device(number: u32, takes: &str, gives: &str) -> M2mDevice {
    let formats = |text: &str| text.split(' ').map(format).collect();
    M2mDevice {
        path: format!("/dev/video{number}").into(),
        card: format!("codec {number}"),
        takes: formats(takes),
        gives: formats(gives),
    }
}

/// A Raspberry Pi 4, as its driver tells it (bcm2835-v4l2-codec.c), with fewer formats.
fn pi() -> Vec<M2mDevice> {
    vec![
        m2m_device(10, "H264 MJPG", "YU12 NV12 RGBP"),
        m2m_device(11, "YU12 NV12 YUYV RGB3", "H264"),
        m2m_device(12, "YU12 NV12 YUYV", "YU12 NV12 YUYV"),
        m2m_device(31, "YU12 NV12", "JPEG MJPG"),
    ]
}

/// The pipelines of a camera, with the section's `keys`, in words.
fn pipelines(camera: &str, muxes: bool, keys: &str, m2m_devices: &[M2mDevice]) -> Vec<Candidate> {
    let config = Config::parse(format!("[/dev/video0]\n{keys}\n").as_bytes(), "f", &[]).unwrap();
    let SourceKind::Device {
        capture_format,
        chain,
        ..
    } = &config.cameras[0].source
    else {
        panic!("{keys}")
    };
    let choice = Options {
        given: &given(camera),
        muxes,
        m2m_devices,
        capture_format: *capture_format,
        keys: chain,
        no_encoder: "there is none",
    };
    choice.pipelines()
}

fn words(candidates: &[Candidate]) -> Vec<String> {
    let short = |c: &Candidate| c.pipeline.to_string().replace("/dev/video", "");
    candidates.iter().map(short).collect()
}

#[test]
fn the_order_of_the_pipelines_and_why() {
    let (all, none) = (pi(), Vec::new());
    let (only_encoder, only_decoder) = (&all[1..2], &all[..1]);
    for (camera, muxes, m2m_devices, expected, why) in [
        // An early C920; a C922 with its unit; a camera with nothing but raw pictures.
        (
            "YUYV MJPG H264",
            true,
            &all[..],
            &["H264", "H264 in MJPG", "YUYV → 11", "MJPG → 10 → 11", "MJPG"][..],
            "it gives H.264",
        ),
        (
            "YUYV MJPG",
            true,
            &all,
            &["H264 in MJPG", "YUYV → 11", "MJPG → 10 → 11", "MJPG"],
            "its H.264 comes inside of its MJPEG",
        ),
        (
            "YUYV",
            true,
            &all,
            &["YUYV → 11"],
            "it gives no H.264; codec 11 takes its YUYV",
        ),
        // Twelve bits a pixel before sixteen; what no encoder takes is left out.
        (
            "YUYV NV12 GREY YU12",
            false,
            &all,
            &["NV12 → 11", "YU12 → 11", "YUYV → 11"],
            "codec 11 takes its NV12",
        ),
        // Full size five times a second: a C270 at 1280x720.
        (
            "YUYV- MJPG",
            false,
            &all,
            &["MJPG → 10 → 11", "YUYV → 11", "MJPG"],
            "its raw pictures come too slowly; its JPEG pictures are decoded first",
        ),
        (
            "NV12/ YUYV- MJPG/",
            false,
            &all,
            &["YUYV → 11", "NV12 → 11", "MJPG → 10 → 11", "MJPG"],
            "codec 11 takes its YUYV",
        ),
        (
            "NV12/ MJPG",
            false,
            &all,
            &["MJPG → 10 → 11", "NV12 → 11", "MJPG"],
            "its raw pictures are not of that size",
        ),
        (
            "GREY MJPG",
            false,
            &all,
            &["MJPG → 10 → 11", "MJPG"],
            "no encoder here takes its raw pictures",
        ),
        (
            "MJPG",
            false,
            &all,
            &["MJPG → 10 → 11", "MJPG"],
            "it gives JPEG pictures only",
        ),
        (
            "JPEG",
            false,
            &all,
            &["JPEG → 10 → 11", "MJPG"],
            "it gives JPEG pictures only",
        ),
        // What is missing is named.
        (
            "YUYV MJPG",
            false,
            &none,
            &["MJPG"],
            "it gives no H.264, and there is none",
        ),
        (
            "YUYV MJPG",
            false,
            only_decoder,
            &["MJPG"],
            "it gives no H.264, and there is none",
        ),
        (
            "GREY MJPG",
            false,
            only_encoder,
            &["MJPG"],
            "it gives no H.264, and no decoder here takes its MJPEG",
        ),
        ("YUYV", false, &none, &[], ""),
        ("HEVC", false, &all, &[], ""),
        ("", true, &all, &[], ""),
    ] {
        let pipelines = pipelines(camera, muxes, "", m2m_devices);
        assert_eq!(words(&pipelines), expected, "{camera}");
        let first = pipelines.first().map_or("", |first| &first.why);
        assert!(
            first.ends_with(why) || first.starts_with(why),
            "{camera}: {first}"
        );
    }
}

#[test]
fn keys_pin_the_pipeline() {
    let two = [
        pi(),
        vec![
            m2m_device(40, "NV12 YUYV", "H264"),
            m2m_device(41, "MJPG", "YUYV"),
        ],
    ]
    .concat();
    for (keys, expected) in [
        ("capture_format = H264", &["H264"][..]),
        ("capture_format = MJPGH264", &["H264 in MJPG"]),
        ("capture_format = MJPG", &["MJPG"]),
        ("capture_format = JPEG", &["MJPG"]),
        ("capture_format = YUYV", &["YUYV → 11", "YUYV → 40"]),
        ("capture_format = yuyv\nencoder = /dev/video40", &["YUYV → 40"]),
        ("capture_format = YU12\nencoder = /dev/video40", &[]),
        ("capture_format = RGB3", &[]),
        // Who names an encoder wants it used, whatever else the camera can do.
        (
            "encoder = /dev/video40",
            &["NV12 → 40", "YUYV → 40", "MJPG → 10 → 40", "MJPG → 41 → 40"],
        ),
        (
            "encoder = card:codec 11\ndecoder = /dev/video41",
            &["MJPG → 41 → 11"],
        ),
        // The predecessor's two devices for a webcam.
        (
            "capture_format = MJPG\ndecoder = /dev/video10\nencoder = /dev/video11",
            &["MJPG → 10 → 11"],
        ),
        (
            "capture_format = JPEG\ndecoder = /dev/video10\nencoder = /dev/video11",
            &["MJPG → 10 → 11"],
        ),
        (
            "capture_format = MJPG\nencoder = /dev/video11",
            &["MJPG → 10 → 11", "MJPG → 41 → 11"],
        ),
        // A converter goes for a decoder, where it is named.
        (
            "capture_format = YUYV\ndecoder = /dev/video12\nencoder = /dev/video40",
            &["YUYV → 12 → 40"],
        ),
        // No encoder is one by its name alone.
        ("capture_format = YUYV\nencoder = /dev/video12", &[]),
        ("encoder_input_format = YUYV\ndecoder = /dev/video10", &[]),
        (
            "encoder_input_format = YUYV",
            &[
                "H264",
                "H264 in MJPG",
                "YUYV → 11",
                "YUYV → 40",
                "MJPG → 41 → 11",
                "MJPG → 41 → 40",
                "MJPG",
            ],
        ),
    ] {
        let pipelines = pipelines("YUYV NV12 YU12 MJPG H264", true, keys, &two);
        assert_eq!(words(&pipelines), expected, "{keys}");
    }
}

#[test]
fn formats_fit_from_coder_to_coder() {
    let jpeg_only = [
        m2m_device(1, "JPEG", "YUYV YU12"),
        m2m_device(2, "YUYV YU12", "H264"),
    ];
    for (camera, keys, m2m_devices, expected) in [
        // Either name will do for a JPEG picture.
        ("JPEG", "", &pi()[..], "JPEG → 10 → 11"),
        ("MJPG", "", &jpeg_only, "MJPG → 1 → 2"),
        ("MJPG", "encoder_input_format = YUYV", &jpeg_only, "MJPG → 1 → 2"),
        ("MJPG", "encoder_input_format = NV12", &jpeg_only, "MJPG"),
        // What is written of the camera's format and of the encoder's is believed.
        (
            "YVYU",
            "capture_format = YVYU\nencoder_input_format = YUYV",
            &jpeg_only,
            "YVYU → 2",
        ),
        // There is no way to copy a picture that nobody knows the lines of.
        (
            "XY12",
            "capture_format = XY12\nencoder_input_format = YUYV",
            &jpeg_only,
            "",
        ),
    ] {
        let pipelines = words(&pipelines(camera, false, keys, m2m_devices));
        assert_eq!(
            pipelines.first().map_or("", |first| first),
            expected,
            "{camera} {keys}"
        );
    }
}

#[test]
fn a_pinned_format_says_so() {
    for (keys, why) in [
        ("capture_format = YUYV", "capture_format = YUYV"),
        ("capture_format = mjpg", "capture_format = MJPG"),
    ] {
        assert_eq!(pipelines("YUYV MJPG", false, keys, &pi())[0].why, why);
    }
}

#[test]
fn stages_are_known_by_what_they_do() {
    let kinds: Vec<_> = pi()
        .iter()
        .map(|device| (device.is_encoder(), device.is_decoder()))
        .collect();
    assert_eq!(
        kinds,
        [(false, true), (true, false), (false, false), (false, false)]
    );
    assert_eq!(
        pi()[1].words(),
        "/dev/video11 (codec 11) takes YU12, NV12, YUYV, RGB3; gives H264"
    );
    for (name, is_it) in [
        ("/dev/video11", true),
        ("/dev/video1", false),
        ("card:codec 11", true),
        ("usb:046d:082d", false),
    ] {
        let name = DeviceName::parse(name).unwrap().unwrap();
        assert_eq!(pi()[1].is(&name), is_it, "{name}");
    }
}
