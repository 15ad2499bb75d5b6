use super::keys;
use super::scope::Scope;
use super::*;
use crate::support::random::Random;
use std::path::Path;
use std::time::Duration;

fn parse(text: &str) -> Config {
    Config::parse(text.as_bytes(), "f", &["status", "ws"]).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn error(text: &str) -> String {
    match Config::parse(text.as_bytes(), "f", &["status", "ws"]) {
        Err(e) => e.to_string(),
        Ok(config) => panic!("accepted: {text:?} as {config:?}"),
    }
}

fn first(text: &str) -> Camera {
    parse(text).cameras.remove(0)
}

fn repository_file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What the README and `fmp4streamer.conf.dist` say of a key.
fn meaning(key: &keys::Key) -> String {
    format!("{} Allowed: {}.", key.doc, key.allowed)
}

fn setting<'a>(name: &str, value: &'a str) -> (String, &'a str) {
    (name.to_owned(), value)
}

fn controls(config: &Config) -> Vec<(String, &str)> {
    match &config.cameras[0].source {
        SourceKind::Device { controls, .. } => controls.iter().map(|s| setting(&s.name, &s.value)).collect(),
        other => panic!("{other:?}"),
    }
}

/// The settings of the predecessor's own fmp4streamer.conf.dist, line by line; its comments are left out.
const PREDECESSOR_DIST: &str = "[server]
listen =
port = 8000
[/dev/video0]
width = 640
height = 480
fps = 30

# a comment
h264_profile = High
h264_level = 4.2
h264_i_frame_period = 15

uvcx_h264_i_frame_period = 1000
uvcx_h264_profile = High
";

#[test]
fn the_predecessors_dist_is_accepted_as_it_is() {
    let config = parse(PREDECESSOR_DIST);
    assert_eq!(config.server, Server::default());
    let profile = [setting("h264_profile", "High"), setting("h264_level", "4.2")];
    let rest = [
        setting("h264_i_frame_period", "15"),
        setting("uvcx_h264_i_frame_period", "1000"),
        setting("uvcx_h264_profile", "High"),
    ];
    assert_eq!(controls(&config), [&profile[..], &rest].concat());
    assert_eq!(config.notices, Vec::<String>::new());
}

#[test]
fn a_predecessors_config_for_a_decoder_and_an_encoder_is_accepted() {
    let text = "[DEFAULT]
width = 1280
height = 720
[server]
port: 8080
priority = -5
[/dev/v4l/by-id/usb-046d_C920-video-index0]
capture_format = MJPG
decoder = /dev/video10
Encoder = /dev/video11
capture_memory = DMABUF
Brightness = 128
rotation = 180
auto_sleep = Off
[/dev/video11]
h264_profile = High
video_bitrate = 4000000
";
    let config = parse(text);
    assert_eq!((config.server.port, config.server.priority), (8080, -5));
    let Camera {
        width,
        height,
        rotation,
        auto_sleep,
        source,
        ..
    } = &config.cameras[0];
    assert_eq!((*width, *height, *rotation, *auto_sleep), (1280, 720, 180, false));
    let SourceKind::Device {
        device,
        capture_format,
        controls,
        chain,
        ..
    } = source
    else {
        panic!("{source:?}")
    };
    assert_eq!(device.to_string(), "/dev/v4l/by-id/usb-046d_C920-video-index0");
    assert_eq!(*capture_format, CaptureFormat::Mjpeg);
    let brightness = Setting {
        name: "brightness".into(),
        value: "128".into(),
        place: "f:12".into(),
    };
    assert_eq!(*controls, [brightness]);
    let path = |path: &str| Some(DeviceName::Path(path.into()));
    assert_eq!(
        (&chain.decoder, &chain.encoder),
        (&path("/dev/video10"), &path("/dev/video11"))
    );
    assert_eq!(chain.capture_memory, Some(Memory::Dmabuf));
    let [(device, controls)] = chain.codecs.as_slice() else {
        panic!("{chain:?}")
    };
    let set: Vec<_> = controls
        .iter()
        .map(|s| (s.name.as_str(), s.value.as_str()))
        .collect();
    assert_eq!(device.to_string(), "/dev/video11");
    assert_eq!(set, [("h264_profile", "High"), ("video_bitrate", "4000000")]);
    assert_eq!(config.notices, [""; 0]);
    assert_eq!(config.cameras.len(), 1);
}

/// Configs as the predecessor's cameras took them, with all of its keys between them: each is read without a word.
#[test]
fn every_key_of_the_predecessor_has_its_meaning() {
    let server = "[server]\nlisten = 127.0.0.1\nport = 8001\npriority = -10\n";
    let size = "width = 1920\nheight = 1080\nfps = 30\n";
    let encoder = "[/dev/video11]\nvideo_bitrate_mode = Constant Bitrate\nvideo_bitrate = 5000000\nh264_profile = High\n\
                   h264_level = 4.2\nh264_i_frame_period = 30\nrepeat_sequence_header = 1\n";
    for (name, keys, format, [encoders, decoders, codecs], controls) in [
        (
            "a Raspberry Pi's V1 or V2, and an early C920",
            "h264_profile = High\nh264_level = 4.2\nh264_i_frame_period = 15\nvideo_bitrate = 5000000\n\
             exposure_auto = Manual Mode\nexposure_absolute = 300\nrotation = 90\nauto_sleep = no\n",
            "auto",
            [0, 0, 0],
            6,
        ),
        (
            "C922, C925e, C930e",
            "capture_format = MJPGH264\nuvcx_h264_stream_mux = H264\nuvcx_h264_width = 1920\nuvcx_h264_height = 1080\n\
             uvcx_h264_frame_interval = 333333\nuvcx_h264_bitrate = 3000000\nuvcx_h264_rate_control_mode = CBR\n\
             uvcx_h264_profile = High\nuvcx_h264_i_frame_period = 1000\nuvcx_h264_slice_mode = 0\n\
             uvcx_h264_slice_units = 0\nuvcx_h264_entropy = CABAC\nuvcx_h264_usage = 1\n\
             uvcx_h264_leaky_bucket_size = 0\nuvcx_logitech_led1_mode = Off\nuvcx_logitech_led1_frequency = 0\n\
             focus_auto = 0\n",
            "MJPGH264",
            [0, 0, 0],
            16,
        ),
        (
            "a webcam with raw pictures (C270, BRIO) and a Raspberry Pi's encoder",
            "capture_format = YUYV\nencoder = /dev/video11\nencoder_input_format = YUYV\ncapture_memory = DMABUF\n\
             encoder_memory = MMAP-MMAP\n",
            "YUYV",
            [1, 0, 1],
            0,
        ),
        (
            "one with JPEG pictures, and its decoder",
            "capture_format = MJPG\ndecoder = /dev/video10\nencoder = /dev/video11\ndecoder_input_format = MJPG\n\
             encoder_input_format = NV12\ncapture_memory = MMAP\ndecoder_memory = MMAP-DMABUF\nencoder_memory = mmap-mmap\n\
             brightness = 128\n[/dev/video10]\nmin_number_of_capture_buffers = 1\n",
            "MJPG",
            [1, 1, 2],
            1,
        ),
    ] {
        let config = parse(&format!("{server}[/dev/video0]\n{size}{keys}{encoder}"));
        assert_eq!(config.notices, [""; 0], "{name}");
        let SourceKind::Device {
            controls: set,
            capture_format,
            chain,
            ..
        } = &config.cameras[0].source
        else {
            panic!("{config:?}")
        };
        let named = [&chain.encoder, &chain.decoder].map(|name| usize::from(name.is_some()));
        // An encoder that nobody names is told from a camera when the program runs.
        let cameras = if encoders == 0 { 2 } else { 1 };
        assert_eq!(
            (
                capture_format.to_string().as_str(),
                named,
                chain.codecs.len(),
                set.len(),
                config.cameras.len()
            ),
            (format, [encoders, decoders], codecs, controls, cameras),
            "{name}"
        );
    }
}

#[test]
fn what_a_chain_is_pinned_to_is_checked() {
    for (keys, allowed) in [
        ("capture_format = YUV", "auto, H264, MJPGH264, "),
        ("encoder = video11", "nothing, or a device as sections name it"),
        ("decoder = usb:1", "nothing, or a device as sections name it"),
        ("encoder_input_format = NV", "nothing, or the four letters"),
        ("decoder_input_format = MJPEG", "nothing, or the four letters"),
        ("capture_memory = USERPTR", "nothing, MMAP or DMABUF"),
        ("decoder_memory = MMAP", "nothing, or two of MMAP and DMABUF"),
        (
            "encoder_memory = MMAP-MMAP-MMAP",
            "nothing, or two of MMAP and DMABUF",
        ),
    ] {
        let error = error(&format!("[/dev/video0]\n{keys}\n"));
        assert!(
            error.starts_with(&format!("f:2: {keys}: allowed: {allowed}")),
            "{error}"
        );
    }
    let config =
        parse("[/dev/video0]\ncapture_format = Auto\nencoder =\nencoder_input_format =\nencoder_memory =\n");
    assert_eq!(config.cameras, parse("[/dev/video0]\n").cameras);
}

#[test]
fn what_comes_in_at_a_device_can_be_chosen() {
    let keys = |text: &str| match &parse(&format!("[/dev/video0]\n{text}\n")).cameras[0].source {
        SourceKind::Device { input, .. } => InputKeys::clone(input),
        source => panic!("{source:?}"),
    };
    let nothing = InputKeys::default();
    for (text, expected) in [
        ("input =\nstandard = auto\nedid =", nothing.clone()),
        (
            "input = S-Video 1",
            InputKeys {
                input: Some("S-Video 1".into()),
                ..nothing.clone()
            },
        ),
        (
            "standard = NTSC",
            InputKeys {
                standard: Some(Standard::Ntsc),
                ..nothing.clone()
            },
        ),
        (
            "edid = 1080P",
            InputKeys {
                edid: Some(Edid::Builtin),
                ..nothing.clone()
            },
        ),
        (
            "edid = /etc/edid.txt",
            InputKeys {
                edid: Some(Edid::File("/etc/edid.txt".into())),
                ..nothing.clone()
            },
        ),
    ] {
        assert_eq!(keys(text), expected, "{text}");
    }
    let error = error("[/dev/video0]\nstandard = pall\n");
    assert_eq!(
        error,
        "f:2: standard = pall: allowed: auto, pal, pal-m, pal-n, pal-60, ntsc, ntsc-443 or secam"
    );
    let notices = parse("[/dev/video0]\ninputs = 1\n").notices;
    assert!(notices[0].contains("did you mean input?"), "{notices:?}");
}

#[test]
fn h264_in_jpeg_pictures_can_be_asked_for_in_two_ways() {
    for (keys, format) in [
        ("capture_format = MJPGH264", "MJPGH264"),
        ("capture_format = mjpgh264\nuvcx_h264_bitrate = 1", "MJPGH264"),
        ("uvcx_h264_stream_mux = H264\ncapture_format = MJPG", "MJPGH264"),
        ("capture_format = MJPG\nuvcx_h264_stream_mux = None", "MJPG"),
        ("capture_format = H264\nuvcx_h264_stream_mux = H264", "H264"),
        ("uvcx_h264_stream_mux = H264", "auto"),
    ] {
        let config = parse(&format!("[/dev/video0]\n{keys}\n"));
        let SourceKind::Device { capture_format, .. } = &config.cameras[0].source else {
            panic!("{keys}")
        };
        assert_eq!(
            (capture_format.to_string().as_str(), config.notices),
            (format, vec![]),
            "{keys}"
        );
    }
}

#[test]
fn without_a_camera_the_first_one_is_taken_with_what_default_says() {
    for text in ["", "[server]\nport = 1\n", "# nothing\n"] {
        assert_eq!(first(text), Camera::default());
    }
    let camera = first("[server]\n[DEFAULT]\nwidth = 1280\nlinger_s = 0\n");
    assert_eq!(camera.source, SourceKind::Auto);
    assert_eq!((camera.width, camera.linger), (1280, Duration::ZERO));
}

#[test]
fn commands_are_one_line_for_the_shell() {
    let text = "[exec pi]
width = 1280
command = rpicam-vid -t 0 \\
    --width %(width)s

    # not this
    -o - | tee \"$(date +%%s)\"
";
    let camera = first(text);
    let command = "rpicam-vid -t 0 --width 1280 -o - | tee \"$(date +%s)\"".to_owned();
    assert_eq!(
        (camera.source, camera.section.as_str()),
        (SourceKind::Exec { command }, "exec pi")
    );
}

#[test]
fn a_camera_may_be_named_by_what_it_says_of_itself() {
    let source = |section: &str| first(&format!("[{section}]\nBrightness = 1\n")).source;
    let device = |name: DeviceName| {
        let mut source = SourceKind::of_device(name);
        if let SourceKind::Device { controls, .. } = &mut source {
            let (name, value, place) = ("brightness".into(), "1".into(), "f:2".into());
            controls.push(Setting { name, value, place });
        }
        source
    };
    let serial = Some("A 1:2".into());
    let (vendor, product) = (0x46d, 0x82d);
    let usb = UsbId {
        vendor,
        product,
        serial,
    };
    assert_eq!(source("usb:046D:082d:A 1:2"), device(DeviceName::Usb(usb)));
    assert_eq!(
        source("card: exec 100%"),
        device(DeviceName::Card("exec 100%".into()))
    );
    assert!(
        error("[usb:46d:82d]\n").starts_with("f:1: [usb:46d:82d]: no such section: a USB camera is usb:")
    );

    let command_line = |text: &str| Config::for_device(text).map(|config| config.cameras[0].section.clone());
    for name in ["/dev/video0", "./video0", "usb:046d:082d", "card:vivid"] {
        assert_eq!(command_line(name).unwrap(), name);
    }
    let words = command_line("video0").unwrap_err().to_string();
    assert!(words.contains("/dev/video0"), "{words}");
    let words = command_line("usb:camera").unwrap_err().to_string();
    assert!(
        words.starts_with("usb:camera: no such device: a USB camera is usb:VID:PID "),
        "{words}"
    );
}

#[test]
fn lists_are_separated_by_commas_spaces_or_lines() {
    let text = "[server]
hosts = Cam.Example.org, cam2
    [::1]
frame_ancestors = https://Home.example:8123 http://*.local,*
";
    let server = parse(text).server;
    assert_eq!(server.hosts, ["cam.example.org", "cam2", "[::1]"]);
    assert_eq!(
        server.frame_ancestors,
        ["https://home.example:8123", "http://*.local", "*"]
    );
    for origin in [
        "home.example",
        "https://",
        "https://a/b",
        "https://a;script-src",
        "https://a:0",
        "'self'",
        "https://*",
        "http://a:b:1",
    ] {
        let text = format!("[server]\nframe_ancestors = {origin}\n");
        assert!(error(&text).starts_with("f:2: frame_ancestors = "), "{origin}");
    }
    // A page's origin is one host's, and no site's pages are framed by the pages of nobody.
    assert!(error("[server]\nframe_ancestors = null\n").starts_with("f:2: frame_ancestors = "));
    for origin in [
        "https://*.example.org",
        "example.org",
        "capacitor://",
        "tauri://a:1",
        "javascript://a",
    ] {
        let text = format!("[server]\ncors_origins = {origin}\n");
        assert!(error(&text).starts_with("f:2: cors_origins = "), "{origin}");
    }
    for (key, items, wanted) in [
        (
            "cors_origins",
            "mainsailos.local",
            "mainsailos.local needs http:// or https:// in front: http://mainsailos.local",
        ),
        (
            "cors_origins",
            "http://a, b:80",
            "b:80 needs http:// or https:// in front: http://b:80",
        ),
        (
            "frame_ancestors",
            "*.home",
            "*.home needs http:// or https:// in front: http://*.home",
        ),
        ("cors_origins", "*.home", "allowed: origins as http://HOST"),
    ] {
        let error = error(&format!("[server]\n{key} = {items}\n"));
        assert!(
            error.starts_with(&format!("f:2: {key} = {items}: {wanted}")),
            "{error}"
        );
    }
    let server = parse("[server]\ncors_origins = http://Home:8123, *\n").server;
    assert_eq!(server.cors_origins, ["http://home:8123", "*"]);
    let server = parse("[server]\ncors_origins = capacitor://localhost tauri://localhost null\n").server;
    assert_eq!(
        server.cors_origins,
        ["capacitor://localhost", "tauri://localhost", "null"]
    );
    for host in ["http://a", "a:80", "a/b", "[x]", "ä"] {
        assert!(
            error(&format!("[server]\nhosts = {host}\n")).starts_with("f:2: hosts = "),
            "{host}"
        );
    }
}

#[test]
fn a_base_path_is_kept_as_requests_begin_with_it() {
    let base_path = |text: &str| parse(&format!("[server]\nbase_path = {text}\n")).server.base_path;
    for (text, kept) in [
        ("/cam", "/cam"),
        ("/House/cam-1/", "/House/cam-1"),
        ("/", ""),
        ("", ""),
    ] {
        assert_eq!(base_path(text), kept, "{text}");
    }
    for text in [
        "cam",
        "//cam",
        "/a//b",
        "/a b",
        "/a?b",
        "/ä",
        "/%41",
        "http://a/b",
    ] {
        let text = format!("[server]\nbase_path = {}\n", text.replace('%', "%%"));
        assert!(error(&text).starts_with("f:2: base_path = "), "{text}");
    }
}

#[test]
fn listen_takes_addresses() {
    let listen = |text: &str| parse(&format!("[server]\nlisten = {text}\n")).server.listen;
    assert_eq!(listen(""), None);
    for (text, address) in [("0.0.0.0", "0.0.0.0"), ("::", "::"), ("localhost", "127.0.0.1")] {
        assert_eq!(listen(text).unwrap().to_string(), address);
    }
    assert!(
        error("[server]\nlisten = example.org\n")
            .starts_with("f:2: listen = example.org: allowed: nothing, an")
    );
}

#[test]
fn errors_tell_what_is_allowed_and_what_was_meant() {
    for (text, expected) in [
        (
            "[server]\nprot = 80\n",
            "f:2: prot: no such key in [server]: allowed: listen, port, priority, max_clients, max_age_ms, \
             join_max_s, join_max_mb, clip_s, hosts, frame_ancestors, cors_origins, base_path, sandbox, controls, historical_orient, rtsp, rtsp_port, rtsp_udp, onvif, record_dir, record_max_gb, record_event_max_gb, record_keep_free, record_keep_days; did you mean port?",
        ),
        (
            "[server]\nwidth = 640\n",
            "f:2: width: no such key in [server]: allowed: listen, port, priority, max_clients, max_age_ms, \
             join_max_s, join_max_mb, clip_s, hosts, frame_ancestors, cors_origins, base_path, sandbox, controls, historical_orient, rtsp, rtsp_port, rtsp_udp, onvif, record_dir, record_max_gb, record_event_max_gb, record_keep_free, record_keep_days; width belongs in \
             a camera's section, such as [/dev/video0], or [DEFAULT]",
        ),
        (
            "[test]\ncapture_format = H264\n",
            "f:2: capture_format: no such key in [test]: allowed: name, width, height, fps, rotation, auto_sleep, \
             linger_s, event_url, event_command, record, timelapse_s, record_done_command, mic, mic_gain, motion, motion_threshold, motion_gap_s, pan_tilt, i2c_bus, i2c_address, pan_channel, pan_min, pan_max, pan_home, pan_invert, pan_pulse_us, tilt_channel, tilt_min, tilt_max, tilt_home, tilt_invert, tilt_pulse_us, speed, release_s, presets; capture_format belongs in a device's section, such as [/dev/video0]",
        ),
        (
            "[exec x]\ncommand = true\nmic = test\n",
            "f:3: mic = test: allowed: no, or a microphone; test is for the test picture",
        ),
        (
            "[test]\nmic = plughw:1\n",
            "f:2: mic = plughw:1: allowed: no, hw:CARD, hw:CARD,DEVICE, usb:VID:PID, usb:VID:PID:SERIAL or card:NAME; for the test picture also test",
        ),
        (
            "[exec x]\ncomand = true\n",
            "f:2: comand: no such key in [exec x]: allowed: name, width, height, fps, rotation, auto_sleep, \
             linger_s, event_url, event_command, record, timelapse_s, record_done_command, mic, mic_gain, motion, motion_threshold, motion_gap_s, pan_tilt, i2c_bus, i2c_address, pan_channel, pan_min, pan_max, pan_home, pan_invert, pan_pulse_us, tilt_channel, tilt_min, tilt_max, tilt_home, tilt_invert, tilt_pulse_us, speed, release_s, presets, command; did you mean command?",
        ),
        (
            "[DEFAULT]\nheigth = 640\n",
            "f:2: heigth: no such key in [DEFAULT]: allowed: listen, port, priority, max_clients, \
             max_age_ms, join_max_s, join_max_mb, clip_s, hosts, frame_ancestors, cors_origins, base_path, sandbox, controls, historical_orient, rtsp, rtsp_port, rtsp_udp, onvif, record_dir, record_max_gb, record_event_max_gb, record_keep_free, record_keep_days, name, width, \
             height, fps, rotation, auto_sleep, linger_s, event_url, event_command, record, timelapse_s, record_done_command, mic, mic_gain, motion, motion_threshold, motion_gap_s, pan_tilt, i2c_bus, i2c_address, pan_channel, pan_min, pan_max, pan_home, pan_invert, pan_pulse_us, tilt_channel, tilt_min, tilt_max, tilt_home, tilt_invert, tilt_pulse_us, speed, release_s, presets, capture_format, encoder, decoder, encoder_input_format, \
             decoder_input_format, capture_memory, decoder_memory, encoder_memory, input, standard, edid, command, bitrate, intra, profile, \
             level, hflip, vflip, camera, mode, denoise, autofocus_mode, autofocus_range, lens_position, password, role, cameras, and rpicam_NAME for any \
             other option of rpicam-vid; did you mean height?",
        ),
        (
            "[sever]\n",
            "f:1: [sever]: no such section: allowed: [server], [DEFAULT], [user NAME], [anonymous], and for a camera [/dev/...], \
             [usb:VID:PID], [card:NAME], [exec NAME], [rpicam NAME] or [test NAME]; did you mean [server]?",
        ),
        (
            "[server]\nport = 65536\n",
            "f:2: port = 65536: allowed: a whole number from 0 to 65535",
        ),
        (
            "[server]\nport = 80 # web\n",
            "f:2: port = 80 # web: allowed: a whole number from 0 to 65535; a comment needs a line of its \
             own",
        ),
        (
            "[server]\nport = 80\n  [/dev/video0]\n",
            "f:2: port = 80 [/dev/video0]: allowed: a whole number from 0 to 65535; an indented line goes on \
             with the value above it",
        ),
        (
            "[test]\nauto_sleep = maybe\n",
            "f:2: auto_sleep = maybe: allowed: yes or no (also true, false, on, off, 1, 0)",
        ),
        (
            "[exec]\nwidth = 640\n",
            "f:1: [exec] has no command: put command = ... below it, with what writes H.264 or JPEG to its \
             standard output",
        ),
        (
            "[server]\n\nonvif = yes\n",
            "f:3: onvif = yes: ONVIF tells recorders of RTSP addresses, which are not served; add rtsp = yes",
        ),
        (
            "[DEFAULT]\nwidth = 641\n[test]\n",
            "f:2: width = 641: allowed: for the test picture an even number from 160 to 3840",
        ),
        (
            "[exec x]\ncommand =\n",
            "f:2: command = : allowed: a command for sh",
        ),
    ] {
        assert_eq!(error(text), expected);
    }
    for (section, hint) in [
        ("Exec pi", "[exec]"),
        ("default", "[DEFAULT]"),
        (" server ", ""),
        ("video0", ""),
    ] {
        let error = error(&format!("[{section}]\n"));
        assert_eq!(
            error
                .rsplit_once("did you mean ")
                .map_or("", |(_, hint)| hint.trim_end_matches('?')),
            hint
        );
    }
}

#[test]
fn default_gives_each_section_what_it_knows() {
    let text =
        "[DEFAULT]\nport = 81\nfps = 15\ndir = /opt\ngain = 3\n[server]\n[/dev/video0]\nfile = %(dir)s/x\n";
    let config = parse(text);
    assert_eq!((config.server.port, config.cameras[0].fps), (81, 15));
    assert_eq!(
        controls(&config),
        [setting("file", "/opt/x"), setting("gain", "3")]
    );
    let exec = first("[DEFAULT]\ndir = /opt\n[exec]\ncommand = %(dir)s/x\n").source;
    assert_eq!(
        exec,
        SourceKind::Exec {
            command: "/opt/x".into()
        }
    );
}

#[test]
fn an_rpicam_section_takes_any_option() {
    let text = "[DEFAULT]\nrpicam_awb = daylight\nrpicam_ev = 2\n[rpicam front]\nmode = 1:2\nrpicam_ev = -1\n\
                vflip = no\nhflip = on\n";
    let config = parse(text);
    let SourceKind::Rpicam(rpicam) = &config.cameras[0].source else {
        panic!("{config:?}")
    };
    let options = rpicam.options.iter().map(|o| (&*o.name, &*o.value, &*o.place));
    assert_eq!(
        options.collect::<Vec<_>>(),
        [
            ("mode", "1:2", ""),
            ("ev", "-1", "f:6"),
            ("hflip", "", ""),
            ("awb", "daylight", "f:2")
        ]
    );
    // Other sections leave what they inherit of it alone.
    let device = parse("[DEFAULT]\nrpicam_ev = 2\n[/dev/video0]\n");
    assert!(controls(&device).is_empty());
    let wrong = error("[rpicam]\nbrightnes = 1\n");
    assert!(wrong.contains("rpicam_NAME for any other option"), "{wrong}");
    for wrong in [
        "bitrate = 4M",
        "level = 3.1",
        "mode = 1280x720",
        "denoise = no",
        "lens_position = near",
        "camera =",
        "capture_format = YUYV",
    ] {
        assert!(
            error(&format!("[rpicam]\n{wrong}\n")).starts_with("f:2: "),
            "{wrong}"
        );
    }
}

#[test]
fn a_mistyped_key_of_a_device_is_pointed_at() {
    let config = parse("[/dev/video0]\nwidht = 1280\nport = 80\ngain = 1\nhflip = 1\n");
    assert_eq!(controls(&config).len(), 4);
    assert_eq!(
        config.notices,
        [
            "f:2: widht is taken for a control of the camera; did you mean width?",
            "f:3: port is taken for a control of the camera; port belongs in [server]",
        ]
    );
}

#[test]
fn every_limit_holds() {
    let within = |key: &keys::Key, value: i64| (key.set)(&mut Draft::default(), &value.to_string()).is_ok();
    let mut ranges = 0;
    for key in keys::KEYS {
        let Some((_, range)) = key.allowed.split_once("a whole number from ") else {
            continue;
        };
        let (from, to) = range.split(';').next().unwrap().split_once(" to ").unwrap();
        let (from, to): (i64, i64) = (from.parse().unwrap(), to.parse().unwrap());
        let edges = [from - 1, from, to, to + 1].map(|value| within(key, value));
        assert_eq!(edges, [false, true, true, false], "{}", key.name);
        let nothing = (key.set)(&mut Draft::default(), "").is_ok();
        assert_eq!(nothing, key.allowed.starts_with("nothing"), "{}", key.name);
        ranges += 1;
    }
    assert_eq!(ranges, 30);
    for (key, from, to) in [("width", 160, 3840), ("height", 120, 2160), ("fps", 1, 120)] {
        let step = if key == "fps" { 1 } else { 2 };
        for (value, good) in [(from - step, false), (from, true), (to, true), (to + step, false)] {
            let text = format!("[test]\n{key} = {value}\n");
            assert_eq!(
                Config::parse(text.as_bytes(), "f", &["status", "ws"]).is_ok(),
                good,
                "{text}"
            );
        }
    }
    for degrees in [0, 90, 180, 270] {
        assert_eq!(
            first(&format!("[test]\nrotation = {degrees}\n")).rotation,
            degrees
        );
    }
    for degrees in ["45", "-90", "360", "90.0"] {
        assert!(error(&format!("[test]\nrotation = {degrees}\n")).contains("allowed: 0, 90, 180 or 270"));
    }
    for word in ["yes", "TRUE", "on", "1"] {
        assert!(first(&format!("[test]\nauto_sleep = {word}\n")).auto_sleep);
    }
    for word in ["no", "false", "Off", "0"] {
        assert!(!first(&format!("[test]\nauto_sleep = {word}\n")).auto_sleep);
    }
}

#[test]
fn units_are_what_their_names_say() {
    let config = parse("[server]\nmax_age_ms=250\njoin_max_s=3\njoin_max_mb=2\n[test]\nlinger_s=7\n");
    assert_eq!(config.server.max_age, Duration::from_millis(250));
    assert_eq!(config.server.join_max, Duration::from_secs(3));
    assert_eq!(config.server.join_max_bytes, 2_000_000);
    assert_eq!(config.cameras[0].linger, Duration::from_secs(7));
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let mut draft = Draft::default();
    // A command and a password have none.
    let has_default = |key: &&keys::Key| ![Scope::Exec, Scope::User].contains(&key.scope);
    for key in keys::KEYS.iter().filter(has_default) {
        assert!((key.set)(&mut draft, key.default).is_ok(), "{}", key.name);
    }
    assert_eq!(draft, Draft::default());
    let device = Config::for_device("/dev/video0").unwrap().cameras.remove(0);
    let mut draft = Draft {
        camera: device.clone(),
        ..Draft::default()
    };
    let format = keys::find(&[Scope::Device], "capture_format").unwrap();
    assert!((format.set)(&mut draft, format.default).is_ok());
    assert_eq!(draft.camera, device);
}

/// The file as it is when every setting in it is taken out of its comment.
fn dist_in_use() -> String {
    let dist = repository_file("fmp4streamer.conf.dist");
    let lines = dist.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c != ' ' && c != '#') => setting,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn dist_holds_every_key_with_its_default_and_meaning() {
    let mut scope = None;
    let mut comment = Vec::new();
    let mut found = Vec::new();
    for line in dist_in_use().lines() {
        if let Some(text) = line.strip_prefix("# ") {
            comment.push(text.to_owned());
            continue;
        }
        let comment = std::mem::take(&mut comment).join(" ");
        if let Some(section) = line.strip_prefix('[') {
            scope = Some(match section.split([' ', ']']).next() {
                Some("server") => Scope::Server,
                Some("DEFAULT") => Scope::Camera,
                Some("exec") => Scope::Exec,
                Some("rpicam") => Scope::Rpicam,
                Some("user") => Scope::User,
                Some("anonymous") => Scope::People,
                _ => Scope::Device,
            });
        }
        let Some((name, value)) = line.split_once(" =") else {
            continue;
        };
        // What no table knows is a control, for example; a command and a password have no default, so an example stands
        // there.
        let scopes = match scope.unwrap() {
            Scope::User => vec![Scope::User, Scope::People],
            scope => vec![scope],
        };
        let Some(key) = keys::find(&scopes, name) else {
            let free = scope == Some(Scope::Device) || name.starts_with(keys::RPICAM_PREFIX);
            assert!(free, "{line}");
            continue;
        };
        assert_eq!(comment, meaning(key), "{name}");
        if ![Scope::Exec, Scope::User].contains(&key.scope) {
            assert_eq!(value.trim(), key.default, "{name}");
        }
        found.push(name.to_owned());
    }
    assert_eq!(found, keys::KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
}

#[test]
fn dist_runs_with_the_defaults_in_use_or_not() {
    let dist = parse(&repository_file("fmp4streamer.conf.dist"));
    assert_eq!(
        dist,
        Config {
            file: Some("f".into()),
            ..Config::default()
        }
    );

    let config = parse(&dist_in_use());
    assert_eq!(config.server, Server::default());
    let device = Camera {
        section: "/dev/video0".into(),
        source: config.cameras[0].source.clone(),
        ..Camera::default()
    };
    assert_eq!(config.cameras[0], device);
    let names = config.cameras.iter().map(|c| (&*c.name, &*c.section));
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            ("camera0", "/dev/video0"),
            ("camera1", "exec webcam"),
            ("camera2", "rpicam"),
            ("camera3", "test")
        ]
    );
    assert_eq!(config.notices, Vec::<String>::new());
}

/// Names and sections of a config's cameras.
fn names(text: &str) -> Vec<(String, String)> {
    let cameras = parse(text).cameras.into_iter();
    cameras.map(|camera| (camera.name, camera.section)).collect()
}

#[test]
fn each_camera_has_a_name_of_its_own() {
    let named = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, section)| (name.to_string(), section.to_string()))
            .collect()
    };
    let text =
        "[server]\n[test a]\n[/dev/video0]\nname = front-door_2\ngain = 1\n[exec]\nname =\ncommand = x\n";
    assert_eq!(
        names(text),
        named(&[
            ("camera0", "test a"),
            ("front-door_2", "/dev/video0"),
            ("camera2", "exec")
        ])
    );
    for (text, wrong) in [
        (
            "[test a]\nname = x\n[test b]\nname = x\n",
            "f:4: name = x: [test a] (line 1) has that name",
        ),
        (
            "[test a]\nname = camera1\n[test b]\n",
            "f:2: name = camera1: [test b] (line 3) has that name",
        ),
        (
            "[DEFAULT]\nname = x\n[test a]\n[test b]\n",
            "f:2: name = x: [test a] (line 3) has that name",
        ),
        (
            "[server]\nbase_path = /x/y\n[test]\nname = x\n[test b]\n",
            "f:4: name = x: base_path begins with it",
        ),
        (
            "[server]\nbase_path = /camera1\n[test]\n[test b]\n",
            "f:4: name = camera1: base_path begins with it",
        ),
        (
            "[test]\nname = X\n",
            "f:2: name = X: allowed: nothing, or up to 32 lower-case letters, digits, _ and -, such as front-door; no address of",
        ),
        ("[test]\nname = a.b\n", "f:2: name = a.b: allowed: "),
        (
            "[test]\nname = ws\n",
            "f:2: name = ws: allowed: any name but those of the program's own addresses: status, ws",
        ),
    ] {
        let error = error(text);
        assert!(error.starts_with(wrong), "{error}");
    }
    for (letters, good) in [(32, true), (33, false)] {
        let text = format!("[test]\nname = {}\n", "x".repeat(letters));
        assert_eq!(
            Config::parse(text.as_bytes(), "f", &["status", "ws"]).is_ok(),
            good,
            "{letters}"
        );
    }
}

#[test]
fn a_section_that_another_names_as_its_codec_is_no_camera() {
    let text = "[/dev/video11]\nvideo_bitrate = 1\n[/dev/video0]\nencoder = /dev/video11\n[card:dec]\n\
                [/dev/video2]\ndecoder = card:dec\n";
    let mut config = parse(text);
    let sections = |config: &Config| -> Vec<String> {
        config
            .cameras
            .iter()
            .map(|camera| camera.section.clone())
            .collect()
    };
    let codecs = |config: &Config, camera: usize| -> Vec<(String, usize)> {
        let SourceKind::Device { chain, .. } = &config.cameras[camera].source else {
            panic!("{config:?}")
        };
        chain
            .codecs
            .iter()
            .map(|(name, controls)| (name.to_string(), controls.len()))
            .collect()
    };
    assert_eq!(sections(&config), ["/dev/video0", "/dev/video2"]);
    let both = [("/dev/video11".to_owned(), 1), ("card:dec".to_owned(), 0)];
    assert_eq!(codecs(&config, 0), both);
    assert_eq!(codecs(&config, 1), both);
    assert!(
        config
            .describe()
            .contains("\n/dev/video11: sets video_bitrate = 1\n")
    );

    // And one that turns out to be one.
    config.set_codecs_apart(&|device| device.to_string() == "/dev/video2");
    assert_eq!(sections(&config), ["/dev/video0"]);
    assert_eq!(codecs(&config, 0).len(), 3);
    config.set_codecs_apart(&|_| true);
    assert_eq!(config.cameras, [Camera::default()]);
    // Nothing is left to serve.
    let config = parse("[DEFAULT]\nencoder = /dev/video11\n[/dev/video11]\n");
    assert_eq!(config.cameras, [Camera::default()]);
}

#[test]
fn the_readme_holds_the_table() {
    let readme = repository_file("README.md");
    let (_, rest) = readme.split_once("<!-- keys -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- /keys -->").unwrap();
    let mut expected = String::from("| Section | Key | Default | Meaning |\n|---|---|---|---|\n");
    for key in keys::KEYS {
        let section = match key.scope {
            Scope::Server => "`[server]`",
            Scope::Camera => "any camera",
            Scope::Device => "`[/dev/...]`",
            Scope::Exec => "`[exec NAME]`",
            Scope::Rpicam => "`[rpicam]`",
            Scope::People => "`[user NAME]`, `[anonymous]`",
            Scope::User => "`[user NAME]`",
        };
        let default = if key.default.is_empty() {
            "–".into()
        } else {
            format!("`{}`", key.default)
        };
        let meaning = meaning(key).replace('*', "\\*");
        expected += &format!("| {section} | `{}` | {default} | {meaning} |\n", key.name);
    }
    assert_eq!(table, expected, "what the README must hold:\n{expected}");
}

#[test]
fn describe_says_what_would_run() {
    let config = parse(PREDECESSOR_DIST);
    assert_eq!(
        config.describe(),
        "config: f
server: port 8000 on all addresses, at most 100 streams
anybody who reaches the port can watch
camera0: /dev/video0, 640x480 at 30 fps, format chosen automatically
camera0: stops 5 s after the last viewer leaves
camera0: sets h264_profile = High
camera0: sets h264_level = 4.2
camera0: sets h264_i_frame_period = 15
camera0: sets uvcx_h264_i_frame_period = 1000
camera0: sets uvcx_h264_profile = High
controls are checked when their device is opened
"
    );
    let text =
        "[/dev/video0]\ncapture_format=yuyv\nencoder=card:b\ndecoder=/dev/c\ngain=1\n[/dev/c]\ngain=2\n";
    let lines = [
        "camera0: /dev/video0, YUYV 640x480 at 30 fps",
        "camera0: stops 5 s after the last viewer leaves",
        "camera0: goes through the decoder /dev/c",
        "camera0: goes through the encoder card:b",
        "camera0: sets gain = 1",
        "/dev/c: sets gain = 2",
        "controls are checked when their device is opened",
    ];
    let described = parse(text).describe();
    assert_eq!(described.lines().skip(3).collect::<Vec<_>>(), lines);
    let described = parse("[/dev/video0]\nbrightnes=3\nsharpness=1\nled1_mode=2\n").describe();
    let lines = [
        "camera0: sets brightnes = 3; did you mean brightness?",
        "camera0: sets sharpness = 1",
        "camera0: sets led1_mode = 2",
        "controls are checked when their device is opened",
    ];
    assert_eq!(described.lines().skip(5).collect::<Vec<_>>(), lines);
    let text = "[server]\nlisten=::1\n[exec a]\ncommand=cat x\nauto_sleep=no\nrotation=90\n";
    assert_eq!(
        parse(text).describe(),
        "config: f
server: port 8000 on ::1, at most 100 streams
anybody who reaches the port can watch
camera0: the command cat x
camera0: players turn it by 90 degrees
camera0: runs even while nobody watches
"
    );
    let text =
        "[server]\ncontrols=on\n[test]\nrecord=always\n[test b]\nrecord=events\n[test c]\ntimelapse_s=60\n";
    let lines = [
        "anybody who reaches the port: control (all cameras)",
        "camera0: the test picture, 640x480 at 30 fps",
        "camera0: runs even while nobody watches",
        "camera0: is recorded",
        "camera1: the test picture, 640x480 at 30 fps",
        "camera1: runs even while nobody watches",
        "camera1: is recorded around events",
        "camera2: the test picture, 640x480 at 30 fps",
        "camera2: stops 5 s after the last viewer leaves",
        "camera2: has a time-lapse, of a picture every 60 s",
    ];
    assert_eq!(parse(text).describe().lines().skip(2).collect::<Vec<_>>(), lines);
    for (format, line) in [
        ("auto", "camera0: has sound: hw:1"),
        ("MJPG", "camera0: does not open hw:1: JPEG pictures have no sound"),
    ] {
        let config = parse(&format!("[/dev/video0]\nmic = hw:1\ncapture_format = {format}\n"));
        assert!(config.describe().contains(line), "{}", config.describe());
    }
    assert!(
        Config::for_test()
            .describe()
            .contains("camera0: the test picture, 640x480 at 30 fps\n")
    );
    assert!(
        Config::default()
            .describe()
            .starts_with("config: no file, all defaults\n")
    );
}

#[test]
fn cameras_need_servos_of_their_own() {
    let ways =
        "give one of the two another i2c_bus, i2c_address or (pca9685) other channels, or pan_tilt = no";
    assert_eq!(
        error("[test a]\npan_tilt = pimoroni\n[test b]\n[test c]\nfps = 15\npan_tilt = pimoroni\n"),
        format!("f:6: [test c] needs servos of its own: those of [test a] are the same; {ways}")
    );
    let inherited = error("[DEFAULT]\npan_tilt = pca9685\n[test a]\n[test b]\ntilt_channel = 2\n");
    assert!(inherited.starts_with("f:2: [test b] needs"), "{inherited}");
    assert_eq!(
        error("[test]\npan_tilt = pca9685\npan_channel = 1\n"),
        "f:2: [test] needs servos of its own: pan_channel and tilt_channel are the same"
    );
    parse("[DEFAULT]\npan_tilt = pca9685\n[test a]\n[test b]\npan_channel = 2\ntilt_channel = 3\n");
    parse("[test a]\npan_tilt = pimoroni\n[test b]\npan_tilt = pimoroni\ni2c_bus = 3\npan_channel = 1\n");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let folder = std::env::temp_dir().join(format!("fmp4streamer-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (file, missing) = (folder.join("a.conf"), folder.join("b.conf"));
    std::fs::write(&file, "[server]\nport = x\n").unwrap();
    let load = |path: &Path| Config::load(path.to_str(), None, &[]).unwrap_err().to_string();
    assert!(load(&file).starts_with(&format!("{}:2: port = x: allowed: ", file.display())));
    assert!(load(&missing).contains("there is no such file"));
    let directory = format!(
        "{}: can't read the config: it is a directory; -c needs a file, such as /etc/fmp4streamer.conf",
        folder.display()
    );
    assert_eq!(load(&folder), directory);
    let device = |text: &str| Config::for_device(text).unwrap_err().to_string();
    for config in [file.to_str().unwrap(), "no-such.conf"] {
        let wanted =
            format!("{config}: it is not a device: to read it as a config: fmp4streamer -c {config}");
        assert_eq!(device(config), wanted);
    }
    std::fs::write(&file, vec![b'#'; ini::MAX_BYTES + 1]).unwrap();
    assert!(load(&file).contains(":1: the file is too large"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_laws_hold_for_mutated_configs() {
    let mut random = Random::new(7);
    let mut random = |below| random.below(below);
    let dist = dist_in_use();
    let settings: String = dist
        .lines()
        .filter(|l| !l.starts_with("# "))
        .map(|l| format!("{l}\n"))
        .collect();
    let seeds = [
        settings.as_bytes(),
        PREDECESSOR_DIST.as_bytes(),
        b"[DEFAULT]\na=%(b)s%%\nb=1\n c\n[exec]\ncommand:%(a)s",
    ];
    let words: [&[u8]; 12] = [
        b"[",
        b"]",
        b"=",
        b":",
        b"%",
        b"%%",
        b"%(a)s",
        b"\n",
        b"\n ",
        b"[DEFAULT]\n",
        b"\xff",
        b"\r",
    ];
    for round in 0..100_000 {
        let mut data = seeds[round % seeds.len()].to_vec();
        for _ in 0..=random(3) {
            let at = random(data.len() + 1);
            let to = (at + random(8)).min(data.len());
            match random(4) {
                0 => drop(data.splice(at..to, [])),
                1 => drop(data.splice(at..to, [random(256) as u8])),
                2 => drop(data.splice(at..at, words[random(words.len())].iter().copied())),
                _ => drop(data.splice(at..at, data[at..to].to_vec())),
            }
        }
        laws::config(&data);
    }
}
