//! `--probe`: every sort of node that there is here, what is in the way, and a config that the program takes.

use super::support::{Dir, Server, assert_accepted};
use super::*;
use fmp4streamer::format::h264::nal_units;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;

/// What `program` prints; its config is accepted.
fn probe(program: &mut Command) -> String {
    let output = program.arg("--probe").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{text}");
    assert!(output.status.success() && output.stderr.is_empty());
    assert_accepted(&text, "--probe");
    text
}

/// The lines of a node, and its section.
fn of<'a>(text: &'a str, node: &Path, section: &str) -> (&'a str, &'a str) {
    let begin = format!("# {}: ", node.display());
    let lines = text.split("#\n").find(|lines| lines.starts_with(&begin)).unwrap();
    let mut sections = text.split("\n\n").skip(1);
    (
        lines,
        sections
            .find(|text| text.starts_with(section))
            .unwrap_or_default()
            .trim_end(),
    )
}

#[test]
fn each_node_is_told_and_the_config_is_taken() {
    let Some(rig) = rig() else { return };
    let (_camera, [uvc, metadata]) = plug(&rig, "640x480", &[]);
    let text = probe(&mut Command::new(Server::PROGRAM));
    assert!(text.contains(" MB of memory"), "{text}");
    assert!(
        text.contains(&format!("# Without a config it serves {}.\n", uvc.display())),
        "{text}"
    );

    let (lines, section) = of(&text, &uvc, "[usb:");
    assert!(lines.contains("\n# H264: 640x480 at 30, 15\n"), "{lines}");
    assert!(lines.contains("\n# Served as H264: it gives H.264.\n"), "{lines}");
    assert!(section.ends_with("]\nwidth = 640\nheight = 480"), "{section}");
    // What gives H.264 stands first.
    assert!(
        text.contains(&format!("No problem was found.\n\n{section}")),
        "{text}"
    );
    let (lines, _) = of(&text, &metadata, "");
    assert!(lines.contains("metadata"), "{lines}");

    // In the order of their numbers the encoder stands where its driver was loaded.
    let (encoder, cameras) = (driven_by("vh264enc"), driven_by("vivid"));
    let (lines, _) = of(&text, &encoder[0], "");
    assert!(
        lines.contains("an H.264 encoder") && lines.contains("gives H264"),
        "{lines}"
    );
    for camera in &cameras[..2] {
        let (lines, section) = of(&text, camera, &format!("[{}]", camera.display()));
        let way = format!(" → {}: it gives no H.264; ", encoder[0].display());
        assert!(
            lines.contains("\n# Served as ") && lines.contains(&way),
            "{lines}"
        );
        // It gives more of them in this size than in others: 25 a second.
        assert_eq!(
            section,
            format!("[{}]\nwidth = 640\nheight = 480\nfps = 25", camera.display())
        );
    }
    assert!(
        text.contains("\n# It offers nothing now (a loopback device"),
        "{text}"
    );

    let server = Server::with_config(&text);
    let mut viewer = server.follow("");
    assert!(viewer.next_fragment().is_some());
    assert!(server.camera("state").contains("live"));
}

#[test]
fn cameras_of_jpeg_pictures() {
    let Some(rig) = rig() else { return };
    let dir = Dir::new();
    for (option, bytes, way, keys) in [
        (
            "-m",
            &[0xff, 0xd8, 0xff, 0xd9][..],
            "MJPG: it gives no H.264, and no decoder here takes its MJPEG",
            "",
        ),
        (
            "-a",
            &[0, 0, 0, 1, 0x65, 0x88],
            "H264 in MJPG: its H.264 comes inside of its MJPEG",
            "\nuvcx_h264_i_frame_period = 1000",
        ),
    ] {
        let file = dir.write("pictures", bytes);
        let mut camera = Command::new(rig.join("tools/fakeuvc"));
        let camera = Running::start(camera.arg(option).arg(&file));
        let [path, _] = two_nodes();
        let text = probe(&mut Command::new(Server::PROGRAM));
        let (lines, section) = of(&text, &path, "[usb:");
        assert!(lines.contains(&format!("\n# Served as {way}.\n")), "{lines}");
        assert!(
            section.contains(&format!("]\nwidth = 640\nheight = 480{keys}")),
            "{section}"
        );
        for words in ["many times the network", "\n#command = ffmpeg "] {
            assert_eq!(text.contains(words), option == "-m", "{words}: {text}");
        }
        drop(camera);
        no_nodes();
    }
}

#[test]
fn a_stream_goes_on_and_is_named() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, _]) = plug(&rig, "640x480", &["-r", "10"]);
    let mut camera = open(&path).unwrap();
    assert_eq!(read(&mut camera, 5).1, None);
    let probing = std::thread::spawn(|| probe(&mut Command::new(Server::PROGRAM)));
    while !probing.is_finished() {
        let (got, error) = read(&mut camera, 1);
        assert_eq!((error, got.gaps), (None, vec![]));
    }
    assert_eq!(camera.drops(), Default::default());
    let text = probing.join().unwrap();
    let busy = format!(
        "\n# - {}: busy: another program has it open (pid {}, ",
        path.display(),
        std::process::id()
    );
    assert!(text.contains(&busy), "{text}");
}

#[test]
fn who_may_not_is_told_what_to_do() {
    let Some(rig) = rig() else { return };
    let (_camera, [path, _]) = plug(&rig, "640x480", &[]);
    // As on a real machine: the group video's.
    let video = fs::read_to_string("/etc/group").unwrap();
    let video = video
        .lines()
        .find_map(|line| line.strip_prefix("video:"))
        .unwrap();
    let video: u32 = video.split(':').nth(1).unwrap().parse().unwrap();
    chown(&path, Some(0), Some(video)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
    let folder = Path::new("/run/probe-test");
    fs::create_dir_all(folder).unwrap();
    let program = folder.join("fmp4streamer");
    fs::copy(Server::PROGRAM, &program).unwrap();
    let text = probe(Command::new(&program).uid(65534).gid(65534));
    let words = format!(
        "\n# - {}: can't open it: no permission: it is for members of the group video; run: sudo usermod",
        path.display()
    );
    assert!(text.contains(&words), "{text}");
    assert!(
        text.contains("# Without a config it serves the test picture"),
        "{text}"
    );
}

/// What `--probe --save` prints and writes.
fn save(file: &Path, more: &[&str]) -> (String, String) {
    let mut program = Command::new(Server::PROGRAM);
    let output = program
        .args(["--probe", "--save"])
        .arg(file)
        .args(more)
        .output()
        .unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words}{:?}", output.stderr);
    let text = fs::read_to_string(file).unwrap();
    println!("{text}");
    (words, text)
}

#[test]
fn what_developers_need_is_saved() {
    let Some(rig) = rig() else { return };
    let dir = Dir::new();
    let picture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg"
    );
    let (camera, [path, metadata]) = plug(&rig, "640x480", &["-m", picture]);
    let node = format!(
        "/sys/class/video4linux/{}/device/../",
        path.file_name().unwrap().display()
    );
    let descriptors = fs::read(format!("{node}descriptors")).unwrap();
    let (_, text) = save(&dir.file("camera.txt"), &[]);

    // Each node begins with its path.
    let of = |path: &Path| {
        let begin = format!("{}: ", path.display());
        let mut nodes = text.split("\n== ");
        nodes.find(|node| node.starts_with(&begin)).unwrap().to_owned()
    };
    let node_text = of(&path);
    let device = &descriptors[8..12];
    let begin: String = descriptors[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for words in [
        "(uvcvideo, usb-",
        "\nH264",
        "640x480 at 30, 15\n",
        "brightness",
        &format!("\nUSB descriptors:\n  {begin}"),
        &format!(
            "{:02x}{:02x}{:02x}{:02x}",
            device[0], device[1], device[2], device[3]
        ),
        "\nThe stream H264 at 640x480:\n  0 ms, NAL units ",
        "\n  SPS\n  67",
        "\n  PPS\n  68",
        "\nThe stream MJPG at 640x480:\n  a picture of ",
        "\n  db, 65 bytes\n  00",
        "\n  da, 10 bytes\n  03",
    ] {
        assert!(node_text.contains(words), "{words}: {node_text}");
    }
    assert_eq!(text.matches("USB descriptors:").count(), 1);
    assert!(of(&metadata).contains("metadata"));
    let encoder = driven_by("vh264enc");
    assert!(of(&encoder[0]).contains("gives H264"));
    // The kernel has the serial number apart.
    if let Ok(serial) = fs::read_to_string(format!("{node}serial")) {
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        assert!(words.all(|word| word != serial.trim()), "{serial}");
    }

    let device = path.display().to_string();
    let (words, _) = save(&dir.file("named.txt"), &[&device]);
    let video = dir.file("named.txt.h264");
    assert!(words.contains(&video.display().to_string()), "{words}");
    let bytes = fs::read(&video).unwrap();
    let clip = fs::read(rig.join("media/640x480.h264")).unwrap();
    // What the camera gave, as it came: half of two seconds of 15 pictures, of two slices each, at least.
    let units = |bytes| -> Vec<Vec<u8>> { nal_units(bytes).map(<[u8]>::to_vec).collect() };
    let (got, clip) = (units(&bytes), units(&clip));
    assert!(got.len() >= 30, "{} units", got.len());
    assert!(got.iter().all(|unit| clip.contains(unit)));

    // A stream that runs is left alone.
    let mut viewer = open(&path).unwrap();
    assert_eq!(read(&mut viewer, 3).1, None);
    let saving = std::thread::spawn({
        let file = dir.file("busy.txt");
        move || save(&file, &[]).1
    });
    while !saving.is_finished() {
        assert_eq!(read(&mut viewer, 1).1, None);
    }
    let text = saving.join().unwrap();
    assert!(
        text.contains("The stream H264 at 640x480:\n  another program has the device open\n"),
        "{text}"
    );
    assert!(!text.contains("(pid "), "{text}");
    drop(viewer);
    drop(camera);
    no_nodes();
}
