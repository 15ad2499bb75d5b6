use super::super::unit::LOGITECH;
use super::*;

fn setting(name: &str, value: &str) -> Setting {
    Setting {
        name: name.into(),
        value: value.into(),
        place: "f:1".into(),
    }
}

/// A camera whose answers have each byte's place as its value, and the ranges that are given.
fn told(ranges: &[(&str, [u32; 4])]) -> Answers {
    let mut told = Answers {
        current: (0..46).collect(),
        minimum: vec![0; 46],
        maximum: vec![0; 46],
        step: vec![0; 46],
        default: vec![0; 46],
    };
    for (name, [minimum, maximum, step, default]) in ranges {
        let field = H264.fields.iter().find(|field| field.name == *name).unwrap();
        field.write(&mut told.minimum, *minimum);
        field.write(&mut told.maximum, *maximum);
        field.write(&mut told.step, *step);
        field.write(&mut told.default, *default);
    }
    told
}

fn planned(told: &Answers, settings: &[(&str, &str)]) -> (Vec<u8>, Vec<String>) {
    let settings: Vec<Setting> = settings
        .iter()
        .map(|(name, value)| setting(&format!("uvcx_h264_{name}"), value))
        .collect();
    let mut said = Vec::new();
    let settings: Vec<&Setting> = settings.iter().collect();
    let mut log = Report {
        device: "cam",
        warn: &mut |words| said.push(words),
    };
    let (_, bytes) = plan(&H264, told, &settings, &mut log);
    (bytes, said)
}

#[test]
fn each_field_has_its_place_and_its_hint() {
    let all = [
        ("frame_interval", "0xa1a2a3a4"),
        ("bitrate", "0xb1b2b3b4"),
        ("width", "0xc1c2"),
        ("height", "0xd1d2"),
        ("slice_units", "0xe1e2"),
        ("slice_mode", "3"),
        ("profile", "main"),
        ("i_frame_period", "1000"),
        ("usage", "2"),
        ("rate_control_mode", "Const QP"),
        ("stream_mux", "H264"),
        ("entropy", "CABAC"),
        ("leaky_bucket_size", "0xf1f2"),
    ];
    let mut ranges = Vec::new();
    let wide = [0, u32::MAX, 0, 0];
    ranges.extend(["frame_interval", "bitrate"].map(|name| (name, wide)));
    let (bytes, said) = planned(&told(&ranges), &all);
    assert_eq!(said, Vec::<String>::new());
    #[rustfmt::skip]
    let golden = [
        0xa4, 0xa3, 0xa2, 0xa1,  0xb4, 0xb3, 0xb2, 0xb1,  0x3f, 0xf8,  10, 11,
        0xc2, 0xc1,  0xd2, 0xd1,  0xe2, 0xe1,  3, 0,  0x00, 0x4d,  0xe8, 0x03,
        24, 25,  26, 27,  2,  3,  30,  31,  32,  3,  34,  1,  36,  37,  38,  39,  40, 41,
        42,  43,  0xf2, 0xf1,
    ];
    assert_eq!(bytes, golden);
    assert_eq!(all.len(), H264.fields.len());
    for (name, hint) in [
        ("width", 0x0001),
        ("profile", 0x0002),
        ("rate_control_mode", 0x0004),
        ("usage", 0x0008),
        ("slice_mode", 0x0010),
        ("slice_units", 0x0020),
        ("frame_interval", 0x0800),
        ("leaky_bucket_size", 0x1000),
        ("bitrate", 0x2000),
        ("entropy", 0x4000),
        ("i_frame_period", 0x8000),
        ("stream_mux", 0),
    ] {
        let value = H264.fields.iter().find(|field| field.name == name).unwrap();
        let value = value.items.first().map_or("1", |(_, text)| text);
        let (bytes, said) = planned(&told(&[]), &[(name, value)]);
        assert_eq!((HINTS.read(&bytes), said), (Some(hint), vec![]), "{name}");
    }
}

#[test]
fn the_light_is_two_bytes_of_five() {
    let told = Answers {
        current: vec![9, 8, 7, 6, 5],
        minimum: vec![],
        maximum: vec![],
        step: vec![],
        default: vec![],
    };
    let settings = [
        setting("uvcx_logitech_led1_mode", "Blink"),
        setting("uvcx_logitech_led1_frequency", "200"),
    ];
    let mut log = Report {
        device: "cam",
        warn: &mut |words| panic!("{words}"),
    };
    let settings: Vec<&Setting> = settings.iter().collect();
    let (_, bytes) = plan(&LOGITECH, &told, &settings, &mut log);
    assert_eq!(bytes, [9, 2, 7, 200, 5]);
}

#[test]
fn numbers_are_moved_into_the_range_and_onto_a_step() {
    let told = told(&[
        ("i_frame_period", [0, 60_000, 500, 1000]),
        ("bitrate", [100_000, 4_000_000, 0, 3_000_000]),
        ("slice_units", [1, 10, 4, 1]),
        ("width", [160, 1920, 100, 640]),
    ]);
    let period = "integer, 0 to 60000 in steps of 500, default 1000";
    let bitrate = "integer, 100000 to 4000000, default 3000000";
    for (name, value, taken, words) in [
        (
            "i_frame_period",
            "900",
            1000,
            format!("1000 is set instead: allowed is {period}"),
        ),
        (
            "i_frame_period",
            "1249",
            1000,
            format!("1000 is set instead: allowed is {period}"),
        ),
        (
            "i_frame_period",
            "70000",
            60_000,
            format!("60000 is set instead: allowed is {period}"),
        ),
        ("i_frame_period", "1500", 1500, String::new()),
        (
            "bitrate",
            "5000000",
            4_000_000,
            format!("4000000 is set instead: allowed is {bitrate}"),
        ),
        (
            "bitrate",
            "-1",
            100_000,
            format!("100000 is set instead: allowed is {bitrate}"),
        ),
        ("bitrate", "123456", 123_456, String::new()),
        (
            "bitrate",
            "much",
            0x0706_0504,
            format!("not set: allowed is {bitrate}"),
        ),
        (
            "slice_units",
            "10",
            9,
            "9 is set instead: allowed is integer, 1 to 10 in steps of 4, default 1".into(),
        ),
        // A size is one of a list that the camera keeps to itself.
        ("width", "1280", 1280, String::new()),
        (
            "profile",
            "Higher",
            0x1514,
            "not set: allowed is one of Constrained (16960), Baseline (16896), Main (19712), High (25600); \
             default 0"
                .into(),
        ),
        ("profile", "16896", 0x4200, String::new()),
    ] {
        let (bytes, said) = planned(&told, &[(name, value)]);
        let field = H264.fields.iter().find(|field| field.name == name).unwrap();
        let words = match words.as_str() {
            "" => vec![],
            words => vec![format!("f:1: cam: uvcx_h264_{name} = {value}: {words}")],
        };
        assert_eq!((field.read(&bytes), said), (Some(taken), words));
    }
}

#[test]
fn what_a_unit_does_not_have_is_not_set() {
    let mut short = told(&[]);
    short.current.truncate(44);
    let (bytes, said) = planned(
        &short,
        &[("leaky_bucket_size", "1"), ("bit_rate", "1"), ("usage", "1")],
    );
    assert_eq!((bytes.len(), HINTS.read(&bytes)), (44, Some(8)));
    assert_eq!(
        said,
        [
            "f:1: cam: uvcx_h264_leaky_bucket_size = 1: not set: this camera's unit does not have it",
            "f:1: cam: uvcx_h264_bit_rate = 1: not set: there is no such control; did you mean \
             uvcx_h264_bitrate?",
        ]
    );
    let file = File::open("/dev/null").unwrap();
    let mut said = Vec::new();
    let settings = [
        setting("uvcx_h264_usage", "1"),
        setting("brightness", "1"),
        setting("uvcx_logitech_led1_mode", "On"),
        setting("uvcx_h264_bitrate", "1"),
        setting("uvcx_led1_mode", "On"),
    ];
    assert!(apply(&file, "cam", &settings, None, &mut |words| said.push(words)).is_none());
    assert_eq!(
        said,
        [
            "f:1: cam: uvcx_led1_mode = On: not set: there is no such control; fmp4streamer -l lists those \
             that it has",
            "f:1: cam: uvcx_h264_usage, uvcx_h264_bitrate: not set: the camera has no H.264 extension unit",
            "f:1: cam: uvcx_logitech_led1_mode: not set: the camera has no Logitech extension unit",
        ]
    );
    assert_eq!(list(&file), "");
}

#[test]
fn h264_in_jpeg_pictures_goes_by_the_section() {
    let muxed = Muxed {
        width: 1920,
        height: 1080,
        fps: 30,
    };
    let pairs = |own: &[Setting]| -> Vec<(String, String)> {
        muxed
            .settings(own)
            .into_iter()
            .map(|s| (s.name, s.value))
            .collect()
    };
    let pair = |name: &str, value: &str| (format!("uvcx_h264_{name}"), value.to_string());
    assert_eq!(
        pairs(&[]),
        [
            pair("width", "1920"),
            pair("height", "1080"),
            pair("frame_interval", "333333"),
            pair("stream_mux", "H264"),
        ]
    );
    let own = [
        setting("uvcx_h264_width", "640"),
        setting("uvcx_h264_frame_interval", "1"),
    ];
    assert_eq!(pairs(&own), [pair("height", "1080"), pair("stream_mux", "H264")]);
}

#[test]
fn the_list_is_in_the_form_of_a_config() {
    let told = told(&[("bitrate", [1, 0x7fff_ffff, 1, 3_000_000])]);
    let entry = |name: &str| {
        let field = H264.fields.iter().find(|field| field.name == name).unwrap();
        entry(&H264, &told, field)
    };
    assert_eq!(
        entry("bitrate"),
        "\n# integer, 1 to 2147483647, default 3000000\nuvcx_h264_bitrate = 117835012\n"
    );
    assert!(entry("width").contains("\n# uvcx_h264_width = 3340\n"));
    let period = entry("i_frame_period");
    assert_eq!(
        period,
        "\n# integer, 0 to 65535, default 0\nuvcx_h264_i_frame_period = 5910\n"
    );
    assert!(entry("entropy").ends_with("; it has a value of its own now\n# uvcx_h264_entropy = 35\n"));
}
