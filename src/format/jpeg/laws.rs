//! Laws that hold for any bytes, as functions that panic where one is broken: for tests and fuzz targets.

use super::markers::{APP0, APP4, BEGINNING, EOI, SOI};
use super::picture::Picture;
use super::rtp::RtpPicture;
use super::segments::segments;
use super::splitter::Splitter;
use super::tables::TABLES;
use crate::format::chunk::Chunk;
use memchr::memmem;

/// A small limit, so that it is met.
const LIMIT_BYTES: usize = 4096;

/// What a [`Splitter`] makes of `chunks`: pictures, and `None` for a gap.
fn split<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Option<Vec<u8>>>, u64) {
    let mut splitter = Splitter::with_limit(LIMIT_BYTES);
    let mut pictures = Vec::new();
    let mut take = |chunk: Chunk<'_>| {
        pictures.push(match chunk {
            Chunk::Unit { data, .. } => Some(data.to_vec()),
            Chunk::Gap => None,
        });
    };
    for chunk in chunks {
        splitter.spare_mut(chunk.len())[..chunk.len()].copy_from_slice(chunk);
        splitter.commit(chunk.len(), 0, &mut take);
    }
    splitter.finish(&mut take);
    (pictures, splitter.dropped_bytes())
}

/// A picture of one colour, of 8x8 pixels.
fn grey() -> Vec<u8> {
    let quantization = [&b"\xff\xdb\0\x43\0"[..], &[1; 64]].concat();
    let frame = b"\xff\xc0\0\x0b\x08\0\x08\0\x08\x01\x01\x11\0";
    // By Tables K.3 and K.5: a difference of 0, and the end of the block.
    let scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x2b";
    [&[0xff, SOI][..], &quantization, frame, scan, &[0xff, EOI]].concat()
}

/// However a stream is cut into reads, the same pictures come out: each of them whole, in order, and nothing but
/// what went in. A picture is the same with and without padding, and its copy differs by the tables and the EOI alone.
pub fn jpeg(data: &[u8]) {
    let (pictures, dropped) = split([data].into_iter());
    assert_eq!(split(data.chunks(1)), (pictures.clone(), dropped));
    let odd = usize::from(data.first().copied().unwrap_or(0)) + 1;
    assert_eq!(split(data.chunks(odd)), (pictures.clone(), dropped));
    let mut rest = data;
    for unit in pictures.into_iter().flatten() {
        let at = memmem::find(rest, &unit);
        assert!(at.is_some(), "made up: {unit:?}");
        rest = at.and_then(|at| rest.get(at + unit.len()..)).unwrap_or_default();
        assert_eq!(Picture::parse(&unit).map(|picture| picture.data), Ok(&unit[..]));
    }
    // A picture is found behind any bytes in which none begins.
    if memmem::find(data, &BEGINNING).is_none() {
        let (pictures, dropped) = split([data, &grey()].into_iter());
        assert_eq!((pictures, dropped), (vec![Some(grey())], data.len() as u64));
    }
    // The segments of a head stand one after the other, each with a marker and a length before it.
    let head: usize = segments(data).map(|(_, bytes)| bytes.len() + 4).sum();
    assert!(head <= data.len());

    if let Ok(picture) = RtpPicture::parse(data) {
        let tables = picture.head.len() - picture.repeated_bytes;
        assert!(matches!(picture.repeated_bytes, 8 | 12) && tables == 4 + 128);
        assert!(memmem::find(data, picture.coded).is_some());
    }

    let Ok(picture) = Picture::parse(data) else {
        return;
    };
    assert!(picture.width > 0 && picture.height > 0);
    assert_eq!(Picture::parse(picture.data), Ok(picture));
    let copy = picture.to_vec();
    let same = Picture {
        data: &copy,
        tables_at: None,
        has_end: true,
        ..picture
    };
    assert_eq!(Picture::parse(&copy), Ok(same));
    let end: &[u8] = if picture.has_end { &[] } else { &[0xff, EOI] };
    let expected = [picture.data, end].concat();
    match picture.tables_at {
        None => assert_eq!(copy, expected),
        Some(at) => {
            assert_eq!(copy[at..at + TABLES.len()], TABLES);
            assert_eq!([&copy[..at], &copy[at + TABLES.len()..]].concat(), expected);
        }
    }

    // What a decoder is given is the same but for one marker, and exactly as long.
    let mut room = vec![0; copy.len()];
    assert_eq!(picture.write_for_decoder(&mut room), Some(copy.len()));
    let changed = room.iter().zip(&copy).filter(|(new, old)| new != old);
    assert!(changed.clone().all(|pair| pair == (&APP4, &APP0)));
    assert_eq!(Picture::parse(&room).map(|p| p.data.len()), Ok(copy.len()));
    assert_eq!(picture.write_for_decoder(&mut room[1..]), None);
}
