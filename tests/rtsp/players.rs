//! Real clients, which get every picture.

use super::support::{have, numbers_in_gray, python, run};
use super::{TCP, UDP, ffmpeg, gstreamer, has_gstreamer, place, test_picture, udp_picture};

fn assert_no_gap(numbers: &[u32]) {
    assert!(numbers.len() >= 50, "{} pictures", numbers.len());
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
}

#[test]
fn ffmpeg_gets_every_picture_and_takes_tcp_if_it_is_not_told_to() {
    if !have("ffmpeg") {
        return;
    }
    let (by_tcp, by_udp) = (test_picture(), udp_picture());
    for (server, transport) in [(&by_tcp, TCP), (&by_tcp, &[]), (&by_udp, UDP)] {
        let url = format!("rtsp://{}/camera0", place(server));
        let output = "-frames:v 60 -fps_mode passthrough -f rawvideo -pix_fmt gray -";
        let played = ffmpeg(transport, &url, output);
        let said = String::from_utf8_lossy(&played.stderr);
        let others = said
            .lines()
            .filter(|line| !line.contains("461 Unsupported Transport"));
        assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
        assert_no_gap(&numbers_in_gray(&played.stdout, 320, 240));
    }
}

#[test]
fn gstreamer_gets_every_picture() {
    if !has_gstreamer(&["rtspsrc", "rtph264depay", "avdec_h264"]) {
        return;
    }
    for (server, protocols) in [(test_picture(), "udp+tcp"), (udp_picture(), "udp")] {
        let url = format!("location=rtsp://{}/", place(&server));
        let elements = "rtph264depay ! h264parse ! avdec_h264 ! videoconvert ! video/x-raw,format=GRAY8";
        let (gray, said) = gstreamer(&[&url, &format!("protocols={protocols}")], elements, 61);
        assert!(!gray.is_empty(), "{said}");
        assert_no_gap(&numbers_in_gray(&gray, 320, 240));
    }
}

#[test]
fn mpv_gets_every_picture() {
    if !have("mpv") {
        return;
    }
    let server = udp_picture();
    for transport in ["tcp", "udp"] {
        let file = server.dir.file("gray");
        let words = format!(
            "--no-config --really-quiet --no-audio --rtsp-transport={transport} --frames=60 --vf=format=gray --untimed \
             --framedrop=no --of=rawvideo --ovc=rawvideo --o={} rtsp://{}/",
            file.display(),
            place(&server)
        );
        let played = run("mpv", &words.split(' ').collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&played.stdout);
        assert!(played.status.success(), "{said}");
        assert_no_gap(&numbers_in_gray(&std::fs::read(file).unwrap(), 320, 240));
    }
}

/// That a client of PyPI's gets every picture by these transports.
fn assert_plays(client: &str, transports: &[&str]) {
    let server = udp_picture();
    for transport in transports {
        let address = format!("rtsp://{}/", place(&server));
        let Some(played) = python(&[client, "av"], "rtsp.py", &[client, transport, &address, "60"]) else {
            return;
        };
        let said = String::from_utf8_lossy(&played.stderr);
        assert!(played.status.success(), "{client} {transport}: {said}");
        assert_no_gap(&numbers_in_gray(&played.stdout, 320, 8));
    }
}

/// The client of Home Assistant.
#[test]
fn pyav_gets_every_picture() {
    assert_plays("av", &["tcp", "udp"]);
}

#[test]
fn opencv_gets_every_picture() {
    assert_plays("cv2", &["tcp", "udp"]);
}

/// An ffmpeg newer than Debian's.
#[test]
fn a_newer_ffmpeg_gets_every_picture() {
    assert_plays("imageio_ffmpeg", &["tcp", "udp"]);
}

#[test]
fn aiortsp_gets_every_picture() {
    assert_plays("aiortsp", &["tcp", "udp"]);
}
