use super::laws;
use super::markers::{APP0, APP4, COM, DHT, DQT, EOI, RST0, RST7, SOF0, SOF1, SOI, SOS};
use super::picture::Picture;
use super::splitter::Splitter;
use super::tables::TABLES;
use crate::format::chunk::Chunk;
use crate::support::random::Random;
use memchr::memmem;

/// By ffmpeg, with the tables of Annex K; see tests/fixtures/README.md.
const FFMPEG: &[u8] = include_bytes!("../../../tests/fixtures/ffmpeg/ffmpeg_mjpeg_default_tables.jpg");

fn segment(marker: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], &length[..], bytes].concat()
}

/// A picture of 640x480 with all that may confuse, and its parts.
fn parts(sof: u8, precision: u8, tables: bool) -> Vec<Vec<u8>> {
    let thumbnail = [&[0xff, SOI], &segment(0xdb, &[1; 65])[..], &[0xff, EOI]].concat();
    vec![
        vec![0xff, SOI],
        segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
        segment(0xe1, &thumbnail),
        // Fill bytes, and a comment that looks like an end.
        [
            &[0xff, 0xff][..],
            &segment(0xfe, &[0xff, EOI, 0xff, SOI, 0xff]),
            &segment(DQT, &[1; 65]),
        ]
        .concat(),
        segment(sof, &[precision, 1, 224, 2, 128, 1, 1, 0x11, 0]),
        if tables {
            segment(DHT, &[0; 17])
        } else {
            Vec::new()
        },
        segment(SOS, &[1, 1, 0, 0, 63, 0]),
        // Stuffed zeros, restarts, fill bytes before one.
        vec![
            1, 2, 0xff, 0, 3, 0xff, RST0, 4, 0xff, 0xff, 0xff, RST7, 5, 0xff, 0,
        ],
        vec![0xff, EOI],
    ]
}

fn picture(sof: u8, tables: bool) -> Vec<u8> {
    parts(sof, 8, tables).concat()
}

#[test]
fn a_picture_goes_from_soi_to_eoi_and_padding_is_none_of_it() {
    let whole = picture(SOF0, true);
    for padding in [&[][..], &[0; 100], &[0xff; 3], &whole[5..], &[0xff, EOI]] {
        let padded = [&whole[..], padding].concat();
        let found = Picture::parse(&padded).unwrap();
        assert_eq!((found.data, found.width, found.height), (&whole[..], 640, 480));
        assert_eq!(found.to_vec(), whole);
    }
    let scans = [&whole[..whole.len() - 2], &parts(SOF0, 8, true)[5..].concat()].concat();
    assert_eq!(Picture::parse(&scans).unwrap().data, scans, "two scans");
    assert_eq!(Picture::parse(FFMPEG).unwrap().to_vec(), FFMPEG);
}

#[test]
fn what_is_not_whole_is_refused() {
    let whole = picture(SOF0, true);
    for length in 0..whole.len() {
        assert_eq!(Picture::parse(&whole[..length]), Err("it has no end"), "{length}");
    }
    let changed = |part: usize, bytes: &[u8]| {
        let mut parts = parts(SOF0, 8, true);
        parts[part] = bytes.to_vec();
        let whole = parts.concat();
        Picture::parse(&whole).map(|picture| picture.data.len())
    };
    for (part, bytes, words) in [
        (0, &[0, 0][..], "does not begin"),
        (0, &[0xff, EOI], "does not begin"),
        (1, &[0xff, 0xe0, 0, 1], "wrong length"),
        (1, &[&[0xff, 0xe0, 0, 2][..], &[7; 17]].concat(), "bytes between"),
        (1, &segment(0xdd, &[0; 3]), "wrong length"),
        (1, &segment(0xdb, &[1; 65 * 8]), "wrong length"),
        // Its rest is missing, and the next picture's beginning is in its place.
        (1, &segment(0xdb, &[1, 1, 0xff, SOI, 0xff, 0xdb]), "cut off"),
        (1, &[0xff, RST0], "wrong marker"),
        (1, &[0xff, 0], "wrong marker"),
        (4, &[], "no picture"),
        (4, &segment(SOF0, &[8, 0, 0, 2, 128, 1, 1, 0x11, 0]), "no size"),
        (4, &segment(SOF0, &[8, 1, 224, 0, 0, 1, 1, 0x11, 0]), "no size"),
        (6, &[], "wrong marker"),
        // Packets are missing: the next picture begins, or what comes is not entropy-coded data.
        (7, &[1, 2, 0xff, SOI], "its end is missing"),
        (7, &[1, 2, 0xff, 0x3f], "wrong marker"),
    ] {
        assert!(
            changed(part, bytes).unwrap_err().contains(words),
            "{part} {bytes:x?}"
        );
    }
    // What has no scan has no picture.
    let parts = parts(SOF0, 8, true);
    let none = [&parts[..6].concat()[..], &parts[8], &[0]].concat();
    assert!(Picture::parse(&none).unwrap_err().contains("no picture"));
}

#[test]
fn tables_are_put_in_where_there_are_none() {
    let (with, without) = (parts(SOF0, 8, true), parts(SOF0, 8, false));
    let expected = [&without[..6].concat()[..], &TABLES, &without[6..].concat()].concat();
    assert_eq!(Picture::parse(&without.concat()).unwrap().to_vec(), expected);
    assert_eq!(Picture::parse(&with.concat()).unwrap().to_vec(), with.concat());
    // Annex K has none for these: progressive, arithmetic, 12 bits.
    for (sof, precision) in [(0xc2, 8), (0xc9, 8), (SOF1, 12)] {
        let other = parts(sof, precision, false).concat();
        assert_eq!(
            Picture::parse(&other).unwrap().to_vec(),
            other,
            "{sof:x} {precision}"
        );
    }
}

#[test]
fn decoders_get_no_jfif_segment_and_all_tables() {
    let of = |tables| {
        let mut parts = parts(SOF0, 8, tables);
        // Another one, behind fill bytes; and data that looks like one.
        parts.insert(4, [&[0xff][..], &segment(APP0, b"JFXX\0")].concat());
        parts[8].extend([0xff, 0, APP0, 0xff, 0]);
        parts
    };
    for tables in [true, false] {
        let mut expected = of(true);
        if !tables {
            expected[6] = TABLES.to_vec();
        }
        (expected[1][1], expected[4][2]) = (APP4, APP4);
        let expected = expected.concat();
        let given = [of(tables).concat(), vec![0; 100]].concat();
        let mut room = vec![7; expected.len() + 1];
        let bytes = Picture::parse(&given).unwrap().write_for_decoder(&mut room);
        assert_eq!(bytes, Some(expected.len()));
        assert_eq!(room, [&expected[..], &[7]].concat());
    }
}

/// The tables of a DHT segment, by class and destination.
fn tables(mut segment: &[u8]) -> std::collections::BTreeMap<u8, &[u8]> {
    segment = &segment[4..];
    let mut tables = std::collections::BTreeMap::new();
    while let Some((id, rest)) = segment.split_first() {
        let codes = rest[..16].iter().map(|count| usize::from(*count)).sum::<usize>();
        tables.insert(*id, &rest[..16 + codes]);
        segment = &rest[16 + codes..];
    }
    tables
}

#[test]
fn the_tables_are_those_that_ffmpeg_has() {
    let at = memmem::find(FFMPEG, &[0xff, DHT]).unwrap();
    let dht = &FFMPEG[at..at + TABLES.len()];
    assert_eq!(tables(&TABLES), tables(dht));
    let without = [&FFMPEG[..at], &FFMPEG[at + TABLES.len()..]].concat();
    assert_eq!(Picture::parse(&without).unwrap().to_vec().len(), FFMPEG.len());
}

/// What comes out: the number of a known picture, or else "?", and its time; "!" for a gap.
fn split(splitter: &mut Splitter, chunks: &[&[u8]], known: &[&[u8]]) -> String {
    let mut told = String::new();
    for (chunk, now_us) in chunks.iter().zip(10..) {
        splitter.spare_mut(chunk.len())[..chunk.len()].copy_from_slice(chunk);
        splitter.commit(chunk.len(), now_us, &mut |chunk| match chunk {
            Chunk::Gap => told += "!",
            Chunk::Unit { data, arrived_us } => match known.iter().position(|picture| *picture == data) {
                Some(number) => told += &format!("{number}@{arrived_us} "),
                None => told += "? ",
            },
        });
    }
    told
}

#[test]
fn pictures_come_out_as_soon_as_they_are_whole() {
    let (one, two) = (&picture(SOF0, true)[..], FFMPEG);
    let known = [one, two];
    let mut splitter = Splitter::default();
    // The time is that of the first bytes.
    assert_eq!(split(&mut splitter, &[one, two, one], &known), "0@10 1@11 0@12 ");
    let (begin, end) = one.split_at(70);
    assert_eq!(split(&mut splitter, &[begin, end], &known), "0@10 ");
    assert_eq!(
        split(&mut splitter, &[&[one, two, begin].concat(), end], &known),
        "0@10 1@10 0@10 "
    );
    assert_eq!(splitter.dropped_bytes(), 0);
    // Padding, and the lines of a multipart body.
    let between = [one, &[0; 9], b"\r\n--x\r\n\r\n", two].concat();
    assert_eq!(split(&mut splitter, &[&between, &[0; 3]], &known), "0@10 1@10 ");
}

/// What comes out of a stream to its end: the numbers of known pictures. One whose tables and data are those of a known
/// picture is that: a comment that was cut off may end, by its length, just where a segment of the next picture begins.
fn pictures(stream: &[&[u8]], known: &[&[u8]]) -> String {
    let mut told = String::new();
    let mut take = |chunk: Chunk<'_>| {
        let Chunk::Unit { data, .. } = chunk else { return };
        let is_it = |picture: &&[u8]| {
            let tables = memmem::rfind(picture, &[0xff, DQT]).unwrap();
            data == *picture || data.ends_with(&picture[tables..])
        };
        let number = known.iter().position(|picture| picture == &data);
        let number = number.or_else(|| known.iter().position(is_it));
        told += &number.map_or("?".into(), |number| number.to_string());
    };
    let (mut splitter, stream) = (Splitter::default(), stream.concat());
    splitter.spare_mut(stream.len())[..stream.len()].copy_from_slice(&stream);
    splitter.commit(stream.len(), 0, &mut take);
    splitter.finish(&mut take);
    told
}

/// ffmpeg's picture with another segment.
fn with(marker: u8, bytes: &[u8]) -> Vec<u8> {
    [&[0xff, SOI], &segment(marker, bytes)[..], &FFMPEG[2..]].concat()
}

#[test]
fn what_follows_a_damaged_picture_is_found() {
    let mut other = with(COM, b"another one");
    let at = memmem::find(&other, &[0xff, DQT]).unwrap();
    other[at + 60] ^= 1;
    let (fake, other) = (&picture(SOF0, true)[..], &other[..]);
    let known = [FFMPEG, other];
    for damaged in [fake, FFMPEG] {
        for cut in 0..damaged.len() - 2 {
            let told = pictures(&[FFMPEG, &damaged[..cut], other, FFMPEG, other], &known);
            assert_eq!(told, "0101", "{cut} of {}", damaged.len());
        }
    }
    // Bytes that look like the beginning of one, with a segment as long as can be.
    let garbage = [0xff, SOI, 0xff, 0xe1, 0xff, 0xff, 0xff, SOI];
    assert_eq!(pictures(&[&garbage, FFMPEG, &garbage, other], &known), "01");
}

/// Exif's thumbnails, of whole pictures and of damaged ones.
#[test]
fn thumbnails_are_no_pictures() {
    let small = with(COM, b"a thumbnail");
    let at = memmem::find(&small, &[0xff, SOF0]).unwrap();
    let small = [&small[..at + 5], &[0, 8, 0, 8], &small[at + 9..]].concat();
    let exif = [b"Exif\0\0", &small[..], &[0; 300]].concat();
    let (photo, plain) = (&with(0xe1, &exif)[..], FFMPEG);
    let known = [plain, photo, &small];
    assert_eq!(pictures(&[photo, plain, photo], &known), "101");
    // A segment that is cut off may end, by its length, just where one of the next thumbnail's begins.
    let is_wrong = |cut: &usize| pictures(&[plain, &photo[..*cut], photo, plain], &known) != "010";
    let wrong: Vec<usize> = (0..photo.len() - 2).filter(is_wrong).collect();
    assert!(wrong.len() < 10, "{wrong:?}");
}

/// The coded data of a picture without EOI tell whether it is whole. ffmpeg's picture in all that cameras and programs
/// make of one: each form comes out as one picture, at once where its end is known.
#[test]
fn pictures_come_in_many_forms() {
    let bare = &FFMPEG[..FFMPEG.len() - 2];
    let sos = memmem::find(FFMPEG, &[0xff, SOS]).unwrap();
    let forms: [(&str, Vec<u8>, &[u8]); 8] = [
        ("no EOI", bare.to_vec(), bare),
        ("no EOI, padded", [bare, &[0; 40]].concat(), bare),
        (
            "no EOI, in a multipart body",
            [b"--x\r\n\r\n", bare, b"\r\n"].concat(),
            bare,
        ),
        ("SOI twice", [&[0xff, SOI][..], FFMPEG].concat(), FFMPEG),
        (
            "SOI three times, with fill bytes",
            [&[0xff, SOI, 0xff, 0xff, SOI][..], FFMPEG].concat(),
            FFMPEG,
        ),
        (
            "in a multipart body",
            [b"--x\r\nContent-Type: image/jpeg\r\n\r\n", FFMPEG, b"\r\n"].concat(),
            FFMPEG,
        ),
        ("EOI twice", [FFMPEG, &[0xff, EOI]].concat(), FFMPEG),
        (
            "stray bytes",
            [&[0xff, 0, 0xff, 0xff][..], FFMPEG, &[0; 9], b"text"].concat(),
            FFMPEG,
        ),
    ];
    for (name, form, picture) in forms {
        assert_eq!(pictures(&[&form, &form, &form], &[picture]), "000", "{name}");
        assert_eq!(
            pictures(&[b"Setting pipeline to PAUSED ...\n", &form], &[picture]),
            "0",
            "{name}"
        );
        // The same from a camera, whose buffers may be padded.
        let copy = Picture::parse(&form).map(|picture| picture.to_vec());
        if !form.starts_with(b"--") {
            assert_eq!(copy.as_deref(), Ok(FFMPEG), "{name}");
        }
        laws::jpeg(&form.repeat(3));
    }
    // Within the picture: fill bytes before each marker, stray bytes between segments.
    for more in [&[0xff][..], &[0xff; 3], &[0, 7]] {
        let mut form = FFMPEG.to_vec();
        for marker in [SOS, SOF0, DHT, DQT] {
            let at = memmem::find(&form, &[0xff, marker]).unwrap();
            form.splice(at..at, more.iter().copied());
        }
        assert_eq!(pictures(&[&form, &form], &[&form]), "00", "{more:x?}");
        laws::jpeg(&form);
    }
    // Cut off, it is never whole, up to the last of its coded data.
    for end in 0..bare.len() - 1 {
        assert!(Picture::parse(&FFMPEG[..end]).is_err(), "{end}");
        let told = pictures(&[&FFMPEG[..end], FFMPEG], &[FFMPEG]);
        assert_eq!(told, "0", "{end} of {sos}");
    }
}

#[test]
fn what_is_too_long_is_no_picture() {
    let exact = &mut Splitter::with_limit(FFMPEG.len());
    assert_eq!(split(exact, &[FFMPEG], &[FFMPEG]), "0@10 ");
    let short = &mut Splitter::with_limit(FFMPEG.len() - 20);
    assert_eq!(
        split(short, &[FFMPEG, FFMPEG], &[FFMPEG]),
        "!!",
        "no memory without end"
    );
    assert!(short.room_bytes() < 8 * FFMPEG.len());
}

#[test]
fn the_law_holds_for_whole_streams() {
    let one = &picture(SOF0, false)[..];
    for stream in [
        &[one, one].concat(),
        one,
        FFMPEG,
        &[FFMPEG, &one[..100], FFMPEG].concat(),
    ] {
        laws::jpeg(stream);
    }
}

/// What is whole comes out whatever happens to its neighbours; and what comes out can be read.
#[test]
fn whole_pictures_are_found_among_damaged_ones() {
    let mut random = Random::new(4);
    let (mut stream, mut whole) = (Vec::new(), Vec::new());
    for number in 0..2000u32 {
        let mut picture = with(COM, &number.to_be_bytes());
        let at = random.below(picture.len());
        let end = at + random.below(picture.len() - at);
        match random.below(8) {
            0 => picture.truncate(at),
            1 => drop(picture.drain(..at)),
            2 => drop(picture.drain(at..end)),
            3 => picture[at..end].fill(random.next() as u8),
            4 => picture = (0..at).map(|_| random.next() as u8).collect(),
            _ => whole.push(picture.clone()),
        }
        stream.extend(picture);
    }
    let (mut splitter, mut came) = (Splitter::default(), Vec::new());
    let mut take = |chunk: Chunk<'_>| {
        if let Chunk::Unit { data, .. } = chunk {
            came.push(data.to_vec());
        }
    };
    splitter.spare_mut(stream.len())[..stream.len()].copy_from_slice(&stream);
    splitter.commit(stream.len(), 0, &mut take);
    splitter.finish(&mut take);
    let lost = whole.iter().filter(|picture| !came.contains(picture)).count();
    assert_eq!(lost, 0, "of {}, {} came", whole.len(), came.len());
    assert!(came.iter().all(|picture| Picture::parse(picture).is_ok()));
}
