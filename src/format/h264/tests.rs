//! The parameter sets of real devices; see tests/fixtures/README.md.

use super::laws;
use super::{Reader, Sps};
use crate::format::bits::{BitWriter, escape};
use crate::format::fmp4::Init;
use crate::format::h264::sps::PicOrderCnt;
use crate::support::hex::hex;

/// A device's SPS, and what has to be read from it.
struct Device {
    name: &'static str,
    sps: &'static str,
    codec: &'static str,
    size: (u32, u32),
    fps: Option<f64>,
}

macro_rules! device {
    ($name:literal, $codec:literal, $size:expr, $fps:expr) => {
        Device {
            name: $name,
            sps: include_str!(concat!("../../../tests/fixtures/", $name, ".hex")),
            codec: $codec,
            size: $size,
            fps: $fps,
        }
    };
}

const VGA: (u32, u32) = (640, 480);
const FULL_HD: (u32, u32) = (1920, 1080);

#[rustfmt::skip] // a table
const DEVICES: [Device; 9] = [
    device!("wyze/wyze_cam_main_sps", "avc1.4d0029", FULL_HD, Some(20.0)),
    device!("raspberrypi/raspberrypi_4_encoder_sps", "avc1.640028", FULL_HD, Some(30.0)),
    device!("unknown/unknown_retina102_sps", "avc1.640033", VGA, Some(10.0)),
    device!("unknown/unknown_retina102_no_vui_sps", "avc1.640033", VGA, None),
    device!("unknown/unknown_retina108_sps", "avc1.4de028", VGA, Some(20.0)),
    device!("unknown/unknown_retina68_sps", "avc1.4d001f", (1280, 720), Some(20.0)),
    device!("unknown/unknown_scaling_lists_sps", "avc1.640014", (352, 288), None),
    device!("unknown/unknown_medooze253_sps", "avc1.64001e", (500, 500), Some(30.0)),
    device!("unknown/unknown_v4l2rtspserver48_sps", "avc1.42c016", VGA, Some(10.0)),
];

/// A NAL unit of our own.
fn nal(header: u8, write: impl FnOnce(&mut BitWriter)) -> Vec<u8> {
    let mut writer = BitWriter::new();
    write(&mut writer);
    writer.trailing_bits();
    let mut nal = vec![header];
    escape(&writer.into_bytes(), &mut nal);
    nal
}

/// A PPS for the SPS, with id 0.
fn pps(sps: &Sps) -> Vec<u8> {
    nal(0x68, |w| {
        w.ue(0);
        w.ue(sps.id.into());
        w.u(2, 0);
    })
}

/// The beginning of an IDR picture for the SPS.
fn idr(sps: &Sps) -> Vec<u8> {
    nal(0x65, |w| {
        [0, 7, 0].iter().for_each(|value| w.ue(*value)); // first_mb_in_slice, I, the PPS
        w.u(sps.log2_max_frame_num, 0);
        if !sps.frame_mbs_only {
            w.flag(false); // field_pic_flag
        }
        w.ue(0); // idr_pic_id
        if let PicOrderCnt::Lsb(bits) = sps.pic_order_cnt {
            w.u(bits, 0);
        }
        w.u(32, 0x1234_5678);
    })
}

#[test]
fn parameter_sets_of_devices() {
    for device in &DEVICES {
        let name = device.name;
        let sps = Sps::parse(&hex(device.sps)).unwrap();
        assert_eq!((sps.width, sps.height), device.size, "{name}");
        assert_eq!(sps.frame_rate(), device.fps, "{name}");
        laws::sps(&hex(device.sps));
    }
}

#[test]
fn a_stream_of_each_device_begins() {
    for device in &DEVICES {
        let (name, bytes) = (device.name, hex(device.sps));
        let sps = Sps::parse(&bytes).unwrap();
        let (pps, idr) = (pps(&sps), idr(&sps));
        let unit: Vec<u8> = [&bytes, &pps, &idr]
            .iter()
            .flat_map(|nal| [&[0, 0, 0, 1], nal.as_slice()].concat())
            .collect();
        let mut reader = Reader::new();
        let read = reader.read(&unit).unwrap().unwrap();
        assert!(read.key && read.nals == [&idr[..]], "{name}");
        let init = Init::new(reader.parameters().unwrap().clone(), 0, None);
        assert_eq!(init.codec, device.codec, "{name}");
        assert_eq!((init.width, init.height), device.size, "{name}");
        assert_eq!(init.parameters.info.frame_rate(), device.fps, "{name}");
        // What a decoder gets says that nothing is reordered, whatever the device left open.
        let promised = Sps::parse(&init.parameters.sps).unwrap();
        assert!(!promised.may_reorder(), "{name}");
        assert_eq!(init.parameters.pps, [pps], "{name}");
    }
}
