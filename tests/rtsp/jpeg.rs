//! Cameras of JPEG pictures.

use super::client::Client;
use super::support::{Dir, Server, film, have, run, until};
use super::{TCP, UDP, gstreamer, has_gstreamer, place, server};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// JPEG pictures that a command shows again and again, all of them different; `None` where there are no tools.
fn jpegs(dir: &Dir, options: &str) -> Option<(Server, Vec<PathBuf>)> {
    if !have("ffmpeg") || !have("python3") {
        return None;
    }
    let options: Vec<&str> = options.split(' ').collect();
    film(
        "testsrc2=size=640x360:rate=30",
        30,
        &options,
        &dir.file("%02d.jpg"),
    );
    let files: Vec<PathBuf> = (1..=30).map(|n| dir.file(&format!("{n:02}.jpg"))).collect();
    Some((feed(20, &files), files))
}

/// So many a second.
fn feed(rate: u32, files: &[PathBuf]) -> Server {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/jpegs.py");
    let names: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    server(&format!(
        "rtsp_udp = yes\n[exec]\ncommand = exec python3 {script} {rate} whole {}\n",
        names.join(" ")
    ))
}

/// Sums of the decoded pictures.
fn sums(input: &[&str]) -> Vec<String> {
    let output = [
        "-pix_fmt",
        "yuvj420p",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ];
    let decoded = run("ffmpeg", &[&["-v", "error"], input, &output].concat());
    let said = String::from_utf8_lossy(&decoded.stderr);
    let others = said
        .lines()
        .filter(|line| !line.contains("deprecated pixel format"));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
    let sums = String::from_utf8(decoded.stdout).unwrap();
    let sums = sums.lines().filter(|line| !line.starts_with('#'));
    sums.map(|line| line.rsplit(' ').next().unwrap().to_string())
        .collect()
}

/// What was shown are pictures that were fed.
fn assert_shown(got: &[String], fed: &[String]) {
    assert!(got.len() >= 40, "{} pictures", got.len());
    let numbers = got.iter().map(|sum| {
        fed.iter()
            .position(|it| it == sum)
            .expect("a picture that was fed")
    });
    let numbers: Vec<usize> = numbers.collect();
    // Who is slow gets the newest, and none twice.
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "{numbers:?}");
}

#[test]
fn jpeg_pictures_are_shown_as_they_were_fed() {
    let dir = Dir::new();
    let options = "-pix_fmt yuvj420p -q:v 4 -huffman default";
    let Some((server, files)) = jpegs(&dir, options) else {
        return;
    };
    let fed = dir.file("%02d.jpg");
    let fed = sums(&["-i", fed.to_str().unwrap()]);
    let url = format!("rtsp://{}/", place(&server));
    for transport in [TCP, UDP] {
        let input = [transport, &["-i", &url, "-frames:v", "50"]].concat();
        assert_shown(&sums(&input), &fed);
    }
    for protocols in ["tcp", "udp"] {
        if !has_gstreamer(&["rtspsrc", "rtpjpegdepay"]) {
            continue;
        }
        let settings = [&format!("location={url}"), &format!("protocols={protocols}")[..]];
        let (pictures, _) = gstreamer(&settings, "rtpjpegdepay", 51);
        let file = dir.write("pictures.mjpeg", pictures);
        assert_shown(&sums(&["-f", "mjpeg", "-i", file.to_str().unwrap()]), &fed);
    }

    // Byte by byte, with the tables that the file has; and a pause.
    let mut client = Client::new(&server, "/");
    let sdp = client.ask("DESCRIBE", "", "");
    assert!(
        sdp.contains("m=video 0 RTP/AVP 26\r\na=control:trackID=0\r\n"),
        "{sdp}"
    );
    assert_eq!(
        client.status("SETUP", "/trackID=1", "Transport: RTP/AVP/TCP\r\n"),
        "404"
    );
    let told = client.play(1);
    let fed: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    for number in 0..40 {
        let (tables, coded) = client.jpeg();
        let same = |file: &&Vec<u8>| file.ends_with(&[&coded[..], &[0xff, 0xd9]].concat());
        let file = fed.iter().find(same).expect("a picture that was fed");
        assert!(
            file.windows(64).any(|table| table == &tables[..64]),
            "{tables:x?}"
        );
        if number == 0 {
            assert_eq!(
                (client.firsts[0], client.reports[0][0].timestamp),
                (told[0], told[0].1)
            );
        }
        if number == 20 {
            assert_eq!(client.status("PAUSE", "", ""), "200");
            while client.frames.iter().any(|frame| frame.channel == 0) {
                client.jpeg();
            }
            thread::sleep(Duration::from_millis(300));
            assert_eq!(client.status("PLAY", "", ""), "200");
        }
    }
    assert_eq!(server.camera("protocol"), "rtsp");
    assert_eq!(client.status("TEARDOWN", "", ""), "200");
}

#[test]
fn jpeg_pictures_that_rtp_can_not_carry_are_refused_with_a_reason() {
    let dir = Dir::new();
    let Some((server, _)) = jpegs(&dir, "-pix_fmt yuvj444p -huffman default") else {
        return;
    };
    let answer = Client::new(&server, "/").ask("DESCRIBE", "", "");
    let status = "RTSP/1.0 501 RTP takes baseline JPEG pictures of 4:2:0 or 4:2:2 alone\r\n";
    assert!(
        answer.starts_with(status) && answer.contains("/stream.mjpeg"),
        "{answer}"
    );
    until("it is in the log", || {
        server.log().contains("rtsp: RTP takes baseline JPEG")
    });
}

/// One among others that RTP can't carry is left out, and the log says so once; one of another size ends the connection.
#[test]
fn jpeg_pictures_are_not_all_alike() {
    if !have("ffmpeg") || !have("python3") {
        return;
    }
    let dir = Dir::new();
    let kinds = [
        ("good", "640x360", "420"),
        ("bad", "640x360", "444"),
        ("small", "320x240", "420"),
    ];
    let [good, bad, small] = kinds.map(|(name, size, sampling)| {
        let file = dir.file(&format!("{name}.jpg"));
        let format = format!("yuvj{sampling}p");
        let options = ["-pix_fmt", &format, "-huffman", "default"];
        film(&format!("testsrc2=size={size}"), 1, &options, &file);
        file
    });
    let server = feed(17, &[good.clone(), bad]);
    let mut client = Client::new(&server, "/");
    for status in ["501", "200", "501", "200"] {
        until(status, || client.status("DESCRIBE", "", "") == status);
    }
    client.set_up(0);
    assert_eq!(client.status("PLAY", "", ""), "200");
    for _ in 0..5 {
        client.jpeg();
    }
    assert_ne!(server.camera("frames_skipped"), "0");
    assert_eq!(server.log().matches("rtsp: RTP takes").count(), 1);

    let server = feed(4, &[good, small]);
    let mut client = Client::playing(&server, "/", 1);
    let mut sizes: Vec<_> = std::iter::from_fn(|| client.packet())
        .map(|packet| [packet[18], packet[19]])
        .collect();
    sizes.dedup();
    assert!(matches!(sizes[..], [[80, 45] | [40, 30]]), "{sizes:?}");
}
