//! USB cameras that give JPEG pictures.

use super::served::{health, serve};
use super::support::pictures::{Client, get};
use super::support::{Dir, until};
use super::*;

const MJPG: &str = "capture_format = MJPG\nlinger_s = 0";

/// Pictures that can be told apart, of some bytes to many, each of which any decoder takes.
fn pictures() -> Vec<Vec<u8>> {
    let one = include_bytes!("../fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");
    let with_comment = |number: u16| {
        let comment = format!("{number:03}").repeat(1 + usize::from(number) * 700);
        let length = u16::try_from(comment.len() + 2).unwrap().to_be_bytes();
        [&one[..2], &[0xff, 0xfe], &length, comment.as_bytes(), &one[2..]].concat()
    };
    (0..30).map(with_comment).collect()
}

/// Plugs in a camera that shows what is in `frames`, each of which begins with SOI and has no other one.
fn plug_in(rig: &Path, dir: &Dir, frames: &[Vec<u8>], options: &[&str]) -> (Running, PathBuf) {
    let file = dir.write("frames.mjpeg", frames.concat());
    let mut command = Command::new(rig.join("tools/fakeuvc"));
    let running = Running::start(command.arg("-m").arg(file).args(["-r", "10"]).args(options));
    let [path, _] = two_nodes();
    (running, path)
}

#[track_caller]
fn assert_known(pictures: &[Vec<u8>], picture: &[u8]) -> usize {
    let known = pictures.iter().position(|known| known == picture);
    known.unwrap_or_else(|| panic!("{} bytes that the camera did not send", picture.len()))
}

#[test]
fn pictures_are_those_that_the_camera_sent() {
    let Some(rig) = rig() else { return };
    for transfer in [&[][..], &["-i"]] {
        let (dir, pictures) = (Dir::new(), pictures());
        // Buffers that end with zeros, or with what was in them before; that is none of the picture.
        let old = &pictures[29][2..];
        let paddings: [&[u8]; 4] = [&[], &[0; 1], &[0; 5000], &old[old.len() - 50..]];
        let padded = pictures.iter().zip(paddings.iter().cycle());
        let frames: Vec<Vec<u8>> = padded
            .map(|(picture, padding)| [picture, *padding].concat())
            .collect();
        let (camera, path) = plug_in(&rig, &dir, &frames, transfer);
        let server = serve(&path, "640x480", 10, MJPG);
        let mut client = Client::new(&server, "/stream.mjpeg");
        for _ in 0..40 {
            assert_known(&pictures, &client.next().unwrap().bytes);
        }
        let (head, picture) = get(&server, "/snapshot.jpg");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_known(&pictures, &picture);
        for (field, value) in [
            ("state", "live"),
            ("source", "fakeuvc camera"),
            ("codec", "mjpeg"),
            // The picture's own word, not the driver's.
            ("width", "16"),
            ("unreadable", "0"),
            ("sequence_gaps", "0"),
        ] {
            assert_eq!(server.camera(field), value, "{field}");
        }
        drop(client);
        until("it sleeps", || server.camera("state") == "asleep");
        assert_known(&pictures, &get(&server, "/snapshot.jpg").1);
        drop((server, camera));
        no_nodes();
    }
}

#[test]
fn unplugged_while_somebody_watches() {
    let Some(rig) = rig() else { return };
    let (dir, pictures) = (Dir::new(), pictures());
    let (camera, path) = plug_in(&rig, &dir, &pictures, &[]);
    let server = serve(&path, "640x480", 10, MJPG);
    let mut client = Client::new(&server, "/stream.mjpeg");
    for _ in 0..2 {
        for _ in 0..5 {
            assert_known(&pictures, &client.next().unwrap().bytes);
        }
        signal(&camera.0, "USR1");
        until("the loss is noticed", || server.camera("state") == "lost");
        no_nodes();
        let (head, why) = get(&server, "/snapshot.jpg");
        let why = String::from_utf8_lossy(&why);
        assert!(
            head.starts_with("HTTP/1.1 503 ") && why.contains("waiting for it"),
            "{head}{why}"
        );
        signal(&camera.0, "USR1");
        two_nodes();
    }
    // The client has been there all the time.
    until("it is live", || server.camera("state") == "live");
    assert_known(&pictures, &client.next().unwrap().bytes);
    assert_eq!(health(&server), ("200".into(), "live".into()));
}

#[test]
fn damaged_pictures_are_left_out_and_counted() {
    let Some(rig) = rig() else { return };
    hand_on_damaged_frames(true);
    let (dir, pictures) = (Dir::new(), pictures());
    // Packets were lost at the end of the second one, and the third has only zeros behind its first bytes.
    let mut frames = pictures[20..].to_vec();
    let half = frames[1].len() / 2;
    frames[1].truncate(half);
    let [_, _, third, ..] = &mut frames[..] else {
        unreachable!()
    };
    third[2..].fill(0);
    let (camera, path) = plug_in(&rig, &dir, &frames, &[]);
    let server = serve(&path, "640x480", 10, MJPG);
    let mut client = Client::new(&server, "/stream.mjpeg");
    let counted = |field: &str| server.camera(field).parse::<u64>().unwrap();
    until("damaged ones have come", || {
        let number = assert_known(&pictures, &client.next().unwrap().bytes);
        assert!(number != 21 && number != 22);
        counted("unreadable") >= 4
    });
    for (name, field) in [("HUP", "damaged"), ("WINCH", "short")] {
        signal(&camera.0, name);
        until(field, || {
            assert_known(&pictures, &client.next().unwrap().bytes);
            counted(field) == 1
        });
    }
    assert_eq!(
        server.log().matches("a frame is of no use").count(),
        1,
        "{}",
        server.log()
    );
}

#[test]
fn the_format_is_the_one_that_is_asked_for() {
    let Some(rig) = rig() else { return };
    let (dir, pictures) = (Dir::new(), pictures());
    let h264 = rig.join("media/640x480.h264");
    let (camera, path) = plug_in(&rig, &dir, &pictures, &["-h", h264.to_str().unwrap()]);
    let server = serve(&path, "640x480", 10, "");
    assert!(server.follow("").next_fragment().is_some());
    drop(server);
    // By the other name, which the camera does not know.
    let server = serve(&path, "640x480", 10, "capture_format = JPEG");
    assert_known(&pictures, &get(&server, "/snapshot.jpg").1);
    drop((server, camera));
    no_nodes();

    let (camera, path) = plug_in(&rig, &dir, &pictures, &[]);
    let alone = NoEncoder::new();
    assert_eq!(first_h264(), None);
    drop(alone);
    let refused = |path: &Path, keys: &str, words: &str| {
        let server = serve(path, "640x480", 10, keys);
        until("it is refused", || health(&server).0 == "503");
        let (_, why) = health(&server);
        assert!(why.contains(words), "{why}");
    };
    refused(
        &path,
        "capture_format = H264",
        "gives no H264: it offers MJPG (640x480); take capture_format out of",
    );
    refused(&driven_by("vivid")[0], MJPG, "gives no MJPG: it offers ");
    drop(camera);
    no_nodes();
    let (_camera, [path, _]) = plug(&rig, "640x480", &[]);
    refused(
        &path,
        MJPG,
        "gives no MJPG: it offers H264 (640x480); take capture_format out of its section",
    );
}
