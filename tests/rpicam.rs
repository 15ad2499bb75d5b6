//! `[rpicam]` from the outside, with stand-ins for rpicam-vid in PATH. The machine that tests is no Raspberry Pi: the
//! lines for those are tested beside the source.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use support::{Dir, Server, until};

/// What every build lists, and with libav.
const LITE: &str = "Valid options are:
  -h [ --help ] [=arg(=1)] (=0)         Print this help message
  -t [ --timeout ] arg (=5sec)          Time for which program runs.
  --hflip [=arg(=1)] (=0)               Request a horizontal flip transform
  --brightness arg (=0)                 Adjust the brightness of the output images
  --flush [=arg(=1)] (=0)               Flush output data as soon as possible
  --inline [=arg(=1)] (=0)              Force PPS/SPS header with every I frame (h264 only)
  --codec arg (=h264)                   Set the codec to use, either h264, mjpeg or yuv420
";
const LIBAV: &str = "  --libav-format arg                    Sets the libav encoder output format to use.
  --low-latency [=arg(=1)] (=0)         Enables the libav/libx264 low latency presets.
";
/// What `stdbuf -o4M` tells its library.
const BUFFER: &str = "buffer=4194304 ";
/// Pictures without end.
const STREAM: &str = concat!(
    "while :; do cat ",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/x264/x264_two_slices.h264 || exit; sleep 0.1; done"
);

/// A folder with a program of that name, which has this help and else does what `script` says. What it was run with
/// comes into a file, a line for each word and an empty one behind them.
fn stand_in(name: &str, help: &str, script: &str) -> Dir {
    let dir = Dir::new();
    let help = dir.write("help", help);
    let log = dir.file("log");
    let (help, log) = (help.display(), log.display());
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' ${{_STDBUF_O:+buffer=$_STDBUF_O}} \"$@\" '' >>'{log}'\nif [ \"$1\" = --help ]; then cat '{help}'; exit; fi\n{script}\n"
    );
    let program = dir.write(name, text);
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// fmp4streamer with that folder before all others in its PATH.
fn program(dir: &Dir) -> Command {
    let mut program = Command::new(Server::PROGRAM);
    let path = std::env::var("PATH").unwrap();
    let folder = dir.file("help").parent().unwrap().display().to_string();
    program.env("PATH", format!("{folder}:{path}"));
    program
}

/// What the stand-in was run with, each time.
fn runs(dir: &Dir) -> Vec<String> {
    let log = std::fs::read_to_string(dir.file("log")).unwrap_or_default();
    let runs = log.split_terminator("\n\n");
    runs.map(|run| run.lines().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn the_camera_is_served_with_what_the_build_can_do() {
    let keys = "[rpicam]\nwidth = 1280\nheight = 720\nfps = 25\nhflip = yes\nrpicam_brightness = -0.1\n";
    let size = "--width 1280 --height 720 --framerate 25 --bitrate 3400000 --intra 25";
    let rest = "--hflip --brightness=-0.1 -o -";
    let full = format!("{LITE}{LIBAV}");
    for (name, help, line) in [
        (
            "rpicam-vid",
            full.as_str(),
            format!(
                "-t 0 -n --codec libav --libav-video-codec libx264 --libav-format h264 {size} --low-latency {rest}"
            ),
        ),
        (
            "libcamera-vid",
            LITE,
            format!("{BUFFER}-t 0 -n --codec h264 --inline --flush {size} {rest}"),
        ),
    ] {
        let dir = stand_in(name, help, STREAM);
        let server = Server::with_config_as(program(&dir), keys);
        server.follow("").next_fragment().unwrap();
        assert_eq!(server.camera("source"), name);
        assert_eq!(runs(&dir), ["--help".to_owned(), line]);
    }
}

/// No shell looks at what stands in the config.
#[test]
fn options_of_the_config_are_changed_by_another_run() {
    let keys = "[server]\ncontrols = on\n[rpicam]\nbitrate = 2000000\nhflip = yes\nrpicam_brightness = 0.5\n";
    let bitrate = "  --bitrate arg (=0)                    Set the video bitrate for encoding.\n";
    let dir = stand_in("rpicam-vid", &format!("{LITE}{bitrate}"), STREAM);
    let server = Server::with_config_as(program(&dir), keys);
    let mut stream = server.follow("");
    stream.next_fragment().unwrap();
    let said = server.get("/controls");
    assert!(
        said.contains("\"writable\":true,\"why\":\"\"") && said.contains("\"restarts\":true"),
        "{said}"
    );
    let post = |body: &str| {
        let length = body.len();
        server.ask(&format!(
            "POST /controls HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
    };
    for (body, expected) in [
        (
            "{\"bitrate\":3}",
            "\"refused\":{\"bitrate\":\"takes no such value\"}",
        ),
        ("{\"brightness\":\"/etc/passwd\"}", "\"refused\":{\"brightness\":"),
        ("{\"brightness\":\"--output\"}", "\"refused\":{\"brightness\":"),
        ("{\"output\":\"x\"}", "There is no control"),
        (
            "{\"bitrate\":3000000,\"brightness\":\"-0.2\",\"hflip\":false}",
            "\"refused\":{}",
        ),
    ] {
        let said = post(body);
        assert!(said.contains(expected), "{said}");
    }
    let last = || runs(&dir).pop().unwrap_or_default();
    until("it runs anew", || last().contains("--bitrate 3000000"));
    assert!(
        last().contains("--brightness=-0.2") && !last().contains("--hflip"),
        "{}",
        last()
    );
    assert!(stream.next_fragment().is_some());
    // Nothing but the config's own is left of it.
    post("{\"bitrate\":null,\"brightness\":null,\"hflip\":null}");
    until("it runs as at first", || last().contains("--bitrate 2000000"));
    assert!(
        last().contains("--brightness 0.5") && last().contains("--hflip"),
        "{}",
        last()
    );
}

#[test]
fn a_value_is_one_word() {
    let dir = stand_in("rpicam-vid", &LITE.replace("brightness", "tuning-file"), STREAM);
    let server = Server::with_config_as(
        program(&dir),
        "[rpicam]\nrpicam_tuning_file = a b; $(touch c) 'd\n",
    );
    server.follow("").next_fragment().unwrap();
    let log = std::fs::read_to_string(dir.file("log")).unwrap();
    assert!(
        log.contains("\n--tuning-file\na b; $(touch c) 'd\n-o\n-\n"),
        "{log}"
    );
}

#[test]
fn what_the_build_lacks_is_said_and_left_out() {
    let dir = stand_in("rpicam-vid", LITE, STREAM);
    let server = Server::with_config_as(
        program(&dir),
        "[rpicam]\nrpicam_brightnes = 1\nautofocus_mode = auto\n",
    );
    server.follow("").next_fragment().unwrap();
    assert!(
        server.log().contains(":2: rpicam_brightnes: left out"),
        "{}",
        server.log()
    );
    assert!(server.log().contains("did you mean rpicam_brightness?"));
    assert!(server.log().contains("autofocus_mode: left out"));
    assert!(!runs(&dir)[1].contains("auto"), "{:?}", runs(&dir));
}

#[test]
fn what_it_says_as_it_ends_is_explained() {
    for (said, reason) in [
        ("ERROR: *** no cameras available ***", "camera_auto_detect"),
        (
            "ERROR: *** failed to acquire camera /base/soc/i2c0mux/i2c@1/ov5647@36 ***",
            "busy: another program has it open",
        ),
        (
            "ERROR: *** Unable to find an appropriate H.264 codec ***",
            "sudo apt install rpicam-apps.",
        ),
        (
            "ERROR: *** Invalid AWB mode: x ***",
            "status 255; the log says more",
        ),
    ] {
        let dir = stand_in("rpicam-vid", LITE, &format!("echo '{said}' >&2; exit 255"));
        let server = Server::with_config_as(program(&dir), "[rpicam]\n");
        until("it says why", || server.camera("reason").contains(reason));
        assert_eq!(server.camera("state"), "lost");
        until("the log has its words", || server.log().contains(said));
    }
}

/// Before anything is asked for, as with the old camera system (exit in RPiCamApp's constructor).
#[test]
fn a_program_without_help_is_explained() {
    let dir = stand_in("rpicam-vid", LITE, "");
    let said = "ERROR: the system appears to be configured for the legacy camera stack";
    let legacy = format!("#!/bin/sh\necho '{said}' >&2\nexit 255");
    dir.write("rpicam-vid", legacy);
    let server = Server::with_config_as(program(&dir), "[rpicam]\n");
    until("it says why", || server.camera("reason").contains("raspi-config"));
}

#[test]
fn a_program_that_is_not_there_is_named_with_its_package() {
    let dir = Dir::new();
    let mut program = Command::new(Server::PROGRAM);
    program.env("PATH", dir.file(""));
    let server = Server::with_config_as(program, "[rpicam]\n");
    until("it says why", || {
        server.camera("reason").contains("sudo apt install rpicam-apps")
    });
}

#[test]
fn it_comes_back_and_is_not_asked_again() {
    let dir = stand_in("rpicam-vid", LITE, "exit 1");
    let _server = Server::with_config_as(program(&dir), "[rpicam]\nauto_sleep = no\n");
    until("it is run for the second time", || runs(&dir).len() >= 3);
    let asked = runs(&dir).iter().filter(|run| *run == "--help").count();
    assert_eq!(asked, 1, "{:?}", runs(&dir));
}

#[test]
fn jpeg_pictures_are_known_before_the_first() {
    let dir = stand_in("rpicam-vid", LITE, "exec sleep 60");
    let server = Server::with_config_as(program(&dir), "[rpicam]\ncapture_format = MJPG\n");
    until("the codec is known", || server.camera("codec") == "mjpeg");
    until("it runs", || runs(&dir).len() == 2);
    assert_eq!(
        runs(&dir)[1],
        format!("{BUFFER}-t 0 -n --codec mjpeg --flush --width 640 --height 480 --framerate 30 -o -")
    );
}

#[test]
fn check_shows_the_line_and_runs_nothing() {
    let dir = stand_in("rpicam-vid", LITE, STREAM);
    let config = dir.write("test.conf", "[rpicam]\nvflip = yes\n");
    let check = |mut program: Command| {
        let output = program.args(["--check", "-c"]).arg(&config).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let text = check(program(&dir));
    let path = dir.file("rpicam-vid");
    assert!(
        text.contains(&format!("would run {} -t 0 -n --codec ", path.display())),
        "{text}"
    );
    assert!(text.contains(" --vflip -o - (what this build"), "{text}");
    assert!(runs(&dir).is_empty(), "{:?}", runs(&dir));

    let mut alone = Command::new(Server::PROGRAM);
    alone.env("PATH", dir.file("nowhere"));
    let text = check(alone);
    assert!(text.contains("would run rpicam-vid -t 0 -n --codec "), "{text}");
    assert!(
        text.contains("not installed: sudo apt install rpicam-apps"),
        "{text}"
    );
}

/// By the lines of rpicam-apps' post_processing_stages/motion_detect_stage.cpp, with a region's name and without.
#[test]
fn its_own_stage_tells_of_motion() {
    let help = "  --post-process-file arg               Set the file name for configuring the post-processing
  --lores-width arg (=0)                Width of low resolution frames (use 0 to omit low resolution stream)
";
    let script = format!(
        "cd \"${{0%/*}}\"; {{ echo 'Lores: 160x120 roi: (16,12) 128x96 threshold: 61'; \
         until [ -e go ]; do sleep 0.05; done; echo 'Motion detected'; echo 'Motion detected in region door'; \
         echo 'Motion stopped'; while [ -e go ]; do sleep 0.05; done; echo 'Motion stopped in region door'; }} >&2 &\n{STREAM}"
    );
    let dir = stand_in("rpicam-vid", &format!("{LITE}{help}"), &script);
    let server = Server::with_config_as(
        program(&dir),
        "[rpicam]\nmotion = yes\nmotion_gap_s = 1\nrpicam_post_process_file = /m.json\nrpicam_lores_width = 320\n",
    );
    let motion = |field: &str| server.status_after("\"motion\":", field);
    until("motion is looked for", || {
        server.get("/status").contains("\"motion\":{")
    });
    until("its stage is heard", || motion("by") == "rpicam-vid");
    assert_eq!(
        (motion("state"), motion("quality")),
        ("rest".into(), "good".into())
    );
    assert!(motion("why").contains("post-process-file"), "{}", motion("why"));
    let run = runs(&dir).pop().unwrap();
    assert!(
        run.contains("--post-process-file /m.json --lores-width 320"),
        "{run}"
    );
    dir.write("go", "");
    until("it moves", || motion("state") == "motion");
    std::fs::remove_file(dir.file("go")).unwrap();
    until("it rests", || motion("state") == "rest");
    // Events tell of it, not the log, which has other lines.
    assert!(!server.log().contains("Motion "), "{}", server.log());
}
