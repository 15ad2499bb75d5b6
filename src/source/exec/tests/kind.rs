use super::*;
use crate::support::random::Random;

/// H.264 as cameras begin it, and as it is where one joins.
const H264: [&[u8]; 9] = [
    &[
        0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1, 0x65, 0x88, 0x84,
    ],
    &[
        0, 0, 0, 1, 0x27, 0x64, 0, 0x28, 0, 0, 0, 1, 0x28, 0xee, 0, 0, 0, 1, 0x25, 0xb8, 0x04,
    ],
    &[
        0, 0, 1, 0x09, 0x10, 0, 0, 0, 1, 0x67, 0x4d, 0, 0x1f, 0, 0, 1, 0x68, 0xee, 0x3c,
    ],
    &[0, 0, 0, 1, 0x06, 0x05, 0xff, 0xff, 0xaa, 0xdc, 0x45, 0xe9],
    &[0, 0, 1, 0x06, 0x01, 0x01, 0x12, 0x80, 0, 0, 1, 0x41, 0x9a, 0x24],
    &[0, 0, 0, 1, 0x41, 0x9a, 0x24, 0x6c, 0, 0, 0, 1, 0x01, 0x9e, 0x41],
    &[0, 0, 0, 1, 0x61, 0xe0, 0x22, 0x2f, 0, 0, 0, 1, 0x21, 0xe1, 0x44],
    &[0x4a, 0x10, 0, 0x35, 0xff, 0, 0, 1, 0x41, 0x9a, 0x24],
    &[
        0, 0, 0, 1, 0x67, 0x64, 0, 0, 1, 7, 1, 0, 0, 1, 8, 1, 0, 0, 1, 9, 0x10,
    ],
];

#[test]
fn h264_and_jpeg_are_nothing_else() {
    for head in H264 {
        for end in 0..=head.len() {
            assert_eq!(other_kind(&head[..end]), None, "{:02x?}", &head[..end]);
        }
    }
    let picture = include_bytes!("../../../../tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");
    let jfif = [
        0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0,
    ];
    for end in 0..picture.len().min(HEAD_BYTES) {
        assert_eq!(other_kind(&picture[..end]), None);
    }
    for before in [&b""[..], b"Setting pipeline ...\n", b"--a\r\n\r\n"] {
        assert_eq!(other_kind(&[before, &jfif].concat()), None);
    }
    assert_eq!(
        other_kind(&[0xff, 0xd8, 0xff, 0xe0, 0, 0x10, b'J', b'F', b'I', b'F']),
        None
    );
    assert_eq!(other_kind(b"Setting pipeline to PAUSED ...\n"), None);
    assert_eq!(other_kind(b"\r\n--ffmpeg\r\nContent-type: image/jpeg\r\n"), None);
    // Slices, wherever one joins.
    let mut random = Random::new(11);
    for _ in 0..1000 {
        let mut head: Vec<u8> = (0..HEAD_BYTES).map(|_| random.next() as u8 | 1).collect();
        for at in (0..random.below(4)).map(|n| 300 + n * 400) {
            head[at..at + 5].copy_from_slice(&[0, 0, 1, 0x41, 0x9a]);
        }
        head[0] = 0x80; // no length, and no magic number
        assert_eq!(other_kind(&head), None);
    }
}

/// A verdict needs more than one wrong bit.
#[test]
fn h264_with_a_wrong_bit_is_nothing_else() {
    for head in H264 {
        for bit in 0..head.len() * 8 {
            let mut head = head.to_vec();
            head[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(other_kind(&head), None, "{head:02x?}");
        }
    }
    let stream: &[u8] = include_bytes!("../../../../tests/fixtures/x264/x264_two_slices.h264");
    let mut random = Random::new(17);
    for _ in 0..1000 {
        let mut head = stream.to_vec();
        let bit = random.below(head.len() * 8);
        head[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(other_kind(&head), None, "byte {}, bit {}", bit / 8, bit % 8);
    }
}

#[test]
fn other_kinds_are_named() {
    let ts = |at: usize| {
        let mut head = vec![0xff; 5 * TS_PACKET];
        (0..5).for_each(|n| head[n * TS_PACKET + at % TS_PACKET] = TS_SYNC);
        head
    };
    let sized = |length: u32, unit: &[u8]| [&length.to_be_bytes()[..], unit].concat();
    let sps = sized(4, &[0x67, 0x42, 0xc0, 0x1e]);
    let cases: [(&str, Vec<u8>); 49] = [
        ("MP4", b"\0\0\0\x20ftypisom".to_vec()),
        ("MP4", b"\0\0\0\x18stypmsdh".to_vec()),
        ("MPEG-TS", ts(0)),
        ("MPEG-TS", ts(100)),
        ("Matroska", vec![0x1a, 0x45, 0xdf, 0xa3, 1]),
        ("FLV", b"FLV\x01\x01".to_vec()),
        ("IVF", b"DKIF\0\0".to_vec()),
        ("Ogg", b"OggS\0\x02".to_vec()),
        ("AVI", b"RIFF\0\0\0\0AVI LIST".to_vec()),
        ("sound", b"RIFF\x46\xeb\x1a\0WAVEfmt ".to_vec()),
        ("sound", b"fLaC\0\0\0\x22".to_vec()),
        ("sound", b"ID3\x04\0\0".to_vec()),
        ("WebP", b"RIFF\x12\x10\0\0WEBPVP8 ".to_vec()),
        ("PNG", b"\x89PNG\r\n\x1a\n".to_vec()),
        ("GIF", b"GIF89a\x40\x01".to_vec()),
        ("JPEG-LS", b"\xff\xd8\xff\xf7\0\x0b".to_vec()),
        ("uncompressed", b"P6\n320 240\n255\n".to_vec()),
        ("uncompressed", b"YUV4MPEG2 W320 H240".to_vec()),
        ("NUT", b"nut/multimedia container\0N".to_vec()),
        ("ASF", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9".to_vec()),
        ("AV1", b"\x12\0\x0a\x0b\0\0\0\x04".to_vec()),
        ("H.263", b"\0\0\x80\x02\x0c\x04".to_vec()),
        ("network packets", b"#!rtpplay1.0 192.0.2.1/5004\n".to_vec()),
        ("HTML", b"<!DOCTYPE html>\n<html><title>401".to_vec()),
        ("HTML", b"<html><head><title>401".to_vec()),
        (
            "MPEG-TS",
            [&[7, 1, 2, 3][..], &ts(0)[..TS_PACKET], &[7, 1, 2, 9], &ts(0)].concat(),
        ),
        ("H.265", vec![0, 0, 0, 1, 0x40, 1, 0x0c]),
        ("H.265", vec![0, 0, 1, 0x42, 1, 1]),
        ("H.265", vec![0, 0, 0, 1, 0x44, 1, 0xc1]),
        (
            "H.265",
            vec![0, 0, 0, 1, 0x46, 1, 0x50, 0, 0, 0, 1, 0x40, 1, 0x0c],
        ),
        ("H.265", vec![0, 0, 0, 1, 0x4e, 1, 5, 0, 0, 1, 0x02, 1, 0xd0]),
        ("H.265", [0, 0, 1, 0x26, 1, 0xaf].repeat(2)),
        ("H.265", vec![0, 0, 0, 1, 0x2a, 1, 0xaf]),
        ("H.265", [0, 0, 0, 1, 0x02, 1, 0xd0].repeat(2)),
        ("H.265", [0x33, 0x44, 0, 0, 1, 0x02, 1, 0xd0].repeat(2)),
        (
            "MPEG-1 or MPEG-2",
            vec![0, 0, 1, 0xb3, 0x14, 0, 0xf0, 0x13, 0xff, 0xff],
        ),
        (
            "MPEG-1 or MPEG-2",
            vec![0, 0, 1, 0xb8, 0, 8, 0, 0x40, 0, 0, 1, 0, 0, 0x0f],
        ),
        (
            "MPEG-1 or MPEG-2",
            (5..9).flat_map(|row| [0, 0, 1, row, 0x22, 0x44]).collect(),
        ),
        ("program stream", vec![0, 0, 1, 0xba, 0x44, 0, 4, 0, 4]),
        ("program stream", vec![0, 0, 1, 0xba, 0x21, 0, 1, 0, 1]),
        (
            "program stream",
            [0, 0, 1, 0xe0, 0x07, 0xec, 0x81, 0x80].repeat(2),
        ),
        // Where one joins: within a picture.
        (
            "program stream",
            [
                &[3, 4, 0, 0, 1, 7, 0x22][..],
                &[0, 0, 1, 0xba, 0x44, 0, 4, 0, 4].repeat(2),
            ]
            .concat(),
        ),
        (
            "MPEG-1 or MPEG-2",
            [0, 0, 1, 0, 1, 0x57, 0, 0, 1, 1, 0x2b, 0, 0, 1, 7, 0x2b].repeat(2),
        ),
        ("MPEG-4 Part 2", [7, 0, 0, 1, 0xb6, 0x50, 0x61].repeat(2)),
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n".to_vec()),
        ("MPEG-4 Part 2", vec![0, 0, 1, 0, 0, 0, 1, 0x20, 0]),
        (
            "h264_mp4toannexb",
            [sps.clone(), sized(3, &[0x68, 0xce, 0x3c])].concat(),
        ),
        (
            "h264_mp4toannexb",
            [sps, sized(30_000, &[0x65, 0x88, 0x84])].concat(),
        ),
        (
            "h264_mp4toannexb",
            sized(30_000, &[&[0x41, 0x9a, 0x24][..], &[0x55; 2000]].concat()),
        ),
    ];
    for (name, head) in cases {
        let kind = other_kind(&head);
        assert!(kind.is_some_and(|kind| kind.contains(name)), "{name}: {kind:?}");
    }
}

#[test]
fn the_beginning_is_shown() {
    assert_eq!(show(&[0xde, 0xad]), "de ad");
    assert_eq!(show(b"Setting pipeline\n"), "\"Setting pipeline\"");
    assert!(is_text(b"a line\r\n") && !is_text(&[0x80, b'a']) && !is_text(b""));
}
