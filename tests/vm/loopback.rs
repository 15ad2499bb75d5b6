//! A loopback device as a camera: no monotonic flag, as few buffers as it was loaded with, nothing at all
//! without a feeder. `v4l2loopback video_nr=40 card_label=cam exclusive_caps=0 max_buffers=2`

use super::*;
use fmp4streamer::source::History;

pub const DEVICE: &str = "/dev/video40";

#[test]
fn frames_come_with_their_arrival_time() {
    let Some(rig) = rig() else { return };
    let path = Path::new(DEVICE);
    let (camera, keys) = Default::default();
    let device = device::Device::any(path, &camera, &keys);
    let words = device.open(&mut History::default()).err().unwrap().to_string();
    assert!(words.contains("no format at all now"), "{words}");

    let mut feed = Command::new(rig.join("tools/h264feed"));
    let feed = Running::start(
        feed.arg(DEVICE)
            .arg(rig.join("media/640x480.h264"))
            .args(["640x480", "10"]),
    );
    let mut c = eventually("the feeder sets the format", || open(path).ok());
    let (got, error) = read(&mut c, 30);
    assert_eq!(error, None);
    assert_eq!(c.drops().bad_time, 30);
    assert!(got.captured_us.is_sorted());
    assert!(
        got.frames
            .iter()
            .all(|f| f.starts_with(&[0, 0, 0, 1]) || f.starts_with(&[0, 0, 1]))
    );

    drop(feed);
    let (_, error) = read(&mut c, 100_000);
    assert!(error.unwrap().to_string().contains("no frame for over 3 s"));
}
