use super::*;
use crate::config::{Config, SourceKind};

const PI_ZERO_2: &str = "Raspberry Pi Zero 2 W Rev 1.0\0";
const PI_4: &str = "Raspberry Pi 4 Model B Rev 1.5\0";
const PI_5: &str = "Raspberry Pi 5 Model B Rev 1.0\0";

/// What `--help` lists, as far as it is used here, in the form of Boost.Program_options: the builds of the time before
/// libav, of "Lite", of the first Raspberry Pi 5 (October 2023), of 2024 with codec options, and since December 2024.
fn help(build: &str) -> String {
    let common = "Valid options are:
  -h [ --help ] [=arg(=1)] (=0)         Print this help message
  --version [=arg(=1)] (=0)             Displays the build version number
  --camera arg (=0)                     Chooses the camera to use. To list the available indexes, use the
                                        --list-cameras option.
  --width arg (=0)                      Set the output image width (0 = use default value)
  --height arg (=0)                     Set the output image height (0 = use default value)
  -t [ --timeout ] arg (=5sec)          Time for which program runs. If no units are provided default to ms.
  -o [ --output ] arg                   Set the output file name
  -n [ --nopreview ] [=arg(=1)] (=0)    Do not show a preview window
  --hflip [=arg(=1)] (=0)               Request a horizontal flip transform
  --vflip [=arg(=1)] (=0)               Request a vertical flip transform
  --rotation arg (=0)                   Request an image rotation, 0 or 180
  --ev arg (=0)                         Set the EV exposure compensation, where 0 = no change
  --brightness arg (=0)                 Adjust the brightness of the output images, in the range -1.0 to 1.0
  --flush [=arg(=1)] (=0)               Flush output data as soon as possible
  --framerate arg (=-1)                 Set the fixed framerate for preview and video modes
  --denoise arg (=auto)                 Sets the Denoise operating mode: auto, off, cdn_off, cdn_fast, cdn_hq
  --tuning-file arg (=-)                Name of camera tuning file to use
  --mode arg                            Camera mode as W:H:bit-depth:packing
  -b [ --bitrate ] arg (=0bps)          Set the video bitrate for encoding.
  --profile arg                         Set the encoding profile
  --level arg                           Set the encoding level
  -g [ --intra ] arg (=0)               Set the intra frame period
  --inline [=arg(=1)] (=0)              Force PPS/SPS header with every I frame (h264 only)
  --codec arg (=h264)                   Set the codec to use, either h264, libav, mjpeg or yuv420
";
    let focus =
        "  --autofocus-mode arg (=default)       Control to set the mode of the AF (autofocus) algorithm.
  --lens-position arg                   Set the lens to a particular focus position
  --hdr [=arg(=auto)] (=off)            Enable High Dynamic Range, where supported.
";
    let libav = "  --libav-video-codec arg (=h264_v4l2m2m)
                                        Sets the libav video codec to use.
  --libav-format arg                    Sets the libav encoder output format to use.
";
    let opts = "  --libav-video-codec-opts arg          Sets the libav video codec options to use.\n";
    let low = "  --low-latency [=arg(=1)] (=0)         Enables the libav/libx264 low latency presets.\n";
    let parts: &[&str] = match build {
        "2021" => &[common],
        "lite" => &[common, focus],
        "2023" => &[common, focus, libav],
        "2024" => &[common, focus, libav, opts],
        _ => &[common, focus, libav, opts, low],
    };
    parts.concat()
}

/// A camera of an [rpicam] section with these keys.
fn camera(keys: &str) -> Camera {
    let text = format!("[rpicam]\n{keys}");
    Config::parse(text.as_bytes(), "f", &[])
        .unwrap()
        .cameras
        .remove(0)
}

fn line(model: &str, help: Option<&str>, keys: &str) -> Result<(String, Vec<String>)> {
    let camera = camera(keys);
    let SourceKind::Rpicam(rpicam) = &camera.source else {
        panic!("{camera:?}")
    };
    command_line(model, help, &camera, rpicam).map(|line| (line.arguments.join(" "), line.notices))
}

/// The line, with nothing left out.
fn good(model: &str, build: &str, keys: &str) -> String {
    let (line, notices) = line(model, Some(&help(build)), keys).unwrap();
    assert_eq!(notices, [""; 0], "{line}");
    line
}

const HD: &str = "width = 1280\nheight = 720\nbitrate = 4000000\n";

#[test]
fn boards_with_an_encoder_use_it_whatever_the_build() {
    for model in [
        PI_ZERO_2,
        PI_4,
        "Raspberry Pi 3 Model B Plus Rev 1.3\0",
        "Raspberry Pi Model B Plus Rev 1.2\0",
        "Raspberry Pi 400 Rev 1.0\0",
        "Raspberry Pi Compute Module 4S Rev 1.0\0",
        "Raspberry Pi Compute Module Rev 1.0\0",
    ] {
        for build in ["2021", "lite", "2023", "2024", "2025"] {
            assert_eq!(
                good(model, build, HD),
                "-t 0 -n --codec h264 --inline --flush --width 1280 --height 720 --framerate 30 --bitrate 4000000 \
                 --intra 30 -o -",
                "{model} {build}"
            );
        }
    }
}

#[test]
fn a_raspberry_pi_5_encodes_by_libav_without_delay() {
    let begins = "-t 0 -n --codec libav --libav-video-codec libx264 --libav-format h264 --width 1280 --height 720 \
                  --framerate 30 --bitrate 4000000 --intra 30";
    for (build, ends) in [
        ("2025", "--low-latency"),
        (
            "2024",
            "--libav-video-codec-opts preset=ultrafast;tune=zerolatency;bf=0;thread_type=slice",
        ),
        ("2023", "--profile baseline"),
    ] {
        for model in [
            PI_5,
            "Raspberry Pi 500 Rev 1.0\0",
            "Raspberry Pi Compute Module 5 Rev 1.0\0",
        ] {
            assert_eq!(
                good(model, build, HD),
                format!("{begins} {ends} -o -"),
                "{model} {build}"
            );
        }
    }
    let (old, notices) = line(PI_5, Some(&help("2023")), "profile = high").unwrap();
    assert!(
        old.ends_with("--profile baseline -o -") && notices.len() == 1,
        "{old} {notices:?}"
    );
}

#[test]
fn without_libav_a_raspberry_pi_5_gives_jpeg_only() {
    let lite = line(PI_5, Some(&help("lite")), HD).unwrap_err().to_string();
    assert!(lite.contains("sudo apt install rpicam-apps."), "{lite}");
    assert_eq!(
        good(PI_5, "lite", "capture_format = MJPG"),
        "-t 0 -n --codec mjpeg --flush --width 640 --height 480 --framerate 30 -o -"
    );
}

#[test]
fn an_unknown_board_is_asked_for_what_its_build_can_do() {
    assert!(good("", "2025", "").contains("--codec libav "));
    assert!(good("Orange Pi 5", "lite", "").contains("--codec h264 "));
    // Nobody has asked the program yet: it is taken to know all.
    let (line, notices) = line(PI_5, None, "hflip = yes\nrpicam_whatever = 1").unwrap();
    assert!(
        line.ends_with("--low-latency --hflip --whatever 1 -o -"),
        "{line}"
    );
    assert_eq!(notices, [""; 0]);
}

#[test]
fn keys_become_options() {
    let keys = "fps = 50\nintra = 100\nprofile = main\nlevel = 4.2\nhflip = yes\nvflip = no\ncamera = 1\n\
                mode = 2304:1296:10:P\ndenoise = cdn_off\nautofocus_mode = manual\nlens_position = 2.5\nbitrate =\n";
    assert_eq!(
        good(PI_4, "2025", keys),
        "-t 0 -n --codec h264 --inline --flush --width 640 --height 480 --framerate 50 --bitrate 2300000 --intra 100 \
         --profile main --level 4.2 --hflip --camera 1 --mode 2304:1296:10:P --denoise cdn_off --autofocus-mode manual \
         --lens-position 2.5 -o -"
    );
    // The camera turns what it can; the rest is the players'.
    assert!(good(PI_4, "2025", "rotation = 180").contains(" --rotation 180 "));
    assert_eq!(camera("rotation = 180").rotation, 0);
    assert_eq!(camera("rotation = 90").rotation, 90);
}

#[test]
fn any_other_option_is_passed_as_it_is() {
    let keys = "rpicam_ev = -1\nrpicam_hdr = auto\nrpicam_hflip =\nrpicam_inline = no\nrpicam_brightness = 0.2\n\
                rpicam_tuning_file = /my files/$(a);'b'.json\nrpicam_intra = 60\n";
    assert_eq!(
        good(PI_4, "2025", keys),
        "-t 0 -n --codec h264 --inline=no --flush --width 640 --height 480 --framerate 30 --bitrate 1300000 --intra 60 \
         --ev=-1 --hdr=auto --hflip --brightness 0.2 --tuning-file /my files/$(a);'b'.json -o -"
    );
}

#[test]
fn what_a_build_does_not_know_is_left_out_and_named() {
    let keys = "autofocus_mode = auto\nrpicam_brightnes = 1\nrpicam_output = x\nrpicam_zzzzzz = 1\n";
    let (line, notices) = line(PI_4, Some(&help("2021")), keys).unwrap();
    assert!(line.ends_with("--intra 30 -o -"), "{line}");
    assert_eq!(
        notices,
        [
            "autofocus_mode: left out, this rpicam-vid has no such option",
            "f:3: rpicam_brightnes: left out, this rpicam-vid has no such option; did you mean rpicam_brightness?",
            "f:4: rpicam_output: left out, this program sets it as it must be",
            "f:5: rpicam_zzzzzz: left out, this rpicam-vid has no such option",
        ]
    );
}

#[test]
fn the_help_is_read_by_its_columns() {
    assert_eq!(
        listed("  -n [ --nopreview ] [=arg(=1)] (=0)    Do"),
        Some(("nopreview", true))
    );
    assert_eq!(
        listed("  -o [ --output ] arg                   Set"),
        Some(("output", false))
    );
    assert_eq!(
        listed("  --mode arg                            Camera"),
        Some(("mode", false))
    );
    assert_eq!(listed("  --raw"), Some(("raw", false)));
    for other in [
        "",
        "Valid options are:",
        "                --list-cameras option.",
        "  -",
        "--width",
    ] {
        assert_eq!(listed(other), None, "{other}");
    }
}

#[test]
fn bitrates_go_by_size_and_rate() {
    assert_eq!(bitrate(1280, 720, 30), 4_100_000);
    assert_eq!(bitrate(160, 120, 5), 500_000);
    assert_eq!(bitrate(8192, 8192, 240), 25_000_000);
}
