use super::*;
use crate::format::fmp4::Init;
use crate::format::fmp4::fragment::traf;
use crate::format::fmp4::init::tests::parameters;
use crate::format::fmp4::reader::{find, walk};
use crate::format::fmp4::sound::tests::MONO;
use crate::support::random::Random;
use std::sync::Arc;

fn u32s(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.chunks_exact(4);
    words
        .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
        .collect()
}

const TRAF: [u32; 2] = [0x701, 0x201];

/// A moof of 300 bytes or so, with video from that time on, and sound.
fn moof(video: (u64, &[[u32; 3]]), sound: Option<(u64, &[u32])>) -> Vec<u8> {
    let mut w = Writer::with_capacity(300);
    w.boxed(b"moof", |w| {
        w.full_box(b"mfhd", 0, 0, |w| w.u32(3));
        let (time, samples) = video;
        let trun = [&[samples.len() as u32, 1000], samples.as_flattened()].concat();
        traf(w, 1, time, TRAF[0], &trun);
        if let Some((time, sizes)) = sound {
            let trun = [&[sizes.len() as u32, 2000], sizes].concat();
            traf(w, 2, time, TRAF[1], &trun);
        }
    });
    w.into_bytes()
}

fn init() -> Vec<u8> {
    let parameters = Arc::new(parameters());
    Init::new(parameters, 0, Some(MONO)).bytes(true).to_vec()
}

const KEY: [u32; 3] = [3000, 50, SYNC_SAMPLE];
const OTHER: [u32; 3] = [3000, 7, 0];

#[test]
fn times_are_moved_in_both_timescales() {
    assert_eq!(shift(&init(), -90_000), [-90_000, -48_000]);
    assert_eq!(shift(&init(), -1), [-1, -1], "never later than the picture");
}

#[test]
fn a_movie_has_tables_of_what_is_in_the_fragments() {
    let moved = shift(&init(), -9000);
    let mut movie = Movie::default();
    // Sound begins a frame before the picture, and goes on as it is.
    let first = moof((9000, &[KEY, OTHER, OTHER]), Some((4800 - 1024, &[11, 12, 13])));
    movie.add(&first, 0, moved);
    // A picture is late by 100, and sound by one.
    let second = moof((18_100, &[KEY, OTHER]), Some((4800 + 2049, &[14])));
    movie.add(&second, 10_000, moved);
    let head = movie.head(&init(), 20_000);
    let boxes = walk(&head[..head.len() - 16]).unwrap();
    let all = |path: &str| -> Vec<Vec<u32>> {
        let found = boxes.iter().filter(|found| found.path == path);
        found.map(|found| u32s(found.body)).collect()
    };
    let table = |name: &str| all(&format!("moov/trak/mdia/minf/stbl/{name}"));
    assert_eq!(
        table("stts"),
        [
            &[0, 3, 2, 3000, 1, 3100, 2, 3000][..],
            &[0, 3, 1, 1024, 1, 1025, 1, 1024]
        ]
        .map(|it| {
            let mut it = it.to_vec();
            it[1] = (it.len() as u32 - 2) / 2;
            it
        })
    );
    assert_eq!(table("stss"), [[0, 2, 1, 4]]);
    assert_eq!(
        table("stsz"),
        [&[0, 0, 5, 50, 7, 7, 50, 7][..], &[0, 0, 3, 12, 13, 14]]
    );
    let base = head.len() as u32;
    assert_eq!(
        table("co64"),
        [
            [0, 2, 0, base + 1000, 0, base + 11_000],
            [0, 2, 0, base + 2011, 0, base + 12_000]
        ]
    );
    assert_eq!(
        table("stsc"),
        [[0, 2, 1, 3, 1, 2, 2, 1], [0, 2, 1, 2, 1, 2, 1, 1]]
    );
    assert!(all("moov/mvex").is_empty() && all("moov/trak/edts/elst").is_empty());
    assert_eq!(all("moov/mvhd")[0][4], 15_100);
    assert_eq!(
        head[head.len() - 16..],
        [&[0, 0, 0, 1][..], b"mdat", &[0, 0, 0, 0, 0, 0, 78, 48]].concat()
    );

    // Sound that begins later, and a picture that lasts longer than the one before it.
    let mut movie = Movie::default();
    for time in [9000, 12_000, 15_100] {
        movie.add(&moof((time, &[OTHER]), None), 0, moved);
    }
    let head = movie.head(&init(), 20_000);
    let stts = find(&head[..head.len() - 16], "moov/trak/mdia/minf/stbl/stts").unwrap();
    assert_eq!(u32s(stts), [0, 3, 1, 3000, 1, 3100, 1, 3000]);
    let mut movie = Movie::default();
    movie.add(&moof((9000, &[OTHER]), None), 0, moved);
    movie.add(&moof((12_100, &[OTHER]), None), 0, moved);
    let head = movie.head(&init(), 20_000);
    let stts = find(&head[..head.len() - 16], "moov/trak/mdia/minf/stbl/stts").unwrap();
    assert_eq!(u32s(stts), [0, 2, 1, 3100, 1, 3000]);
    let mut movie = Movie::default();
    movie.add(&moof((9000, &[KEY]), Some((4800 + 480, &[11]))), 0, moved);
    let head = movie.head(&init(), 20_000);
    let elst = find(&head[..head.len() - 16], "moov/trak/edts/elst").unwrap();
    assert_eq!(u32s(elst), [0, 2, 900, u32::MAX, 1 << 16, 1920, 0, 1 << 16]);
}

/// Whatever there is, there is an end.
#[test]
fn what_is_broken_is_left_out() {
    let whole = moof((9000, &[KEY, OTHER]), Some((u64::MAX, &[u32::MAX, 2])));
    let mut random = Random::new(1);
    for end in 0..whole.len() {
        for _ in 0..20 {
            let mut bytes = whole[..end].to_vec();
            if let Some(byte) = bytes.get_mut(random.below(end.max(1))) {
                *byte = random.next() as u8;
            }
            let moved = shift(&init()[..random.below(700)], random.next() as i64);
            let mut movie = Movie::default();
            movie.add(&bytes, u64::from(u32::MAX), moved);
            movie.head(&bytes, 7);
        }
    }
}
