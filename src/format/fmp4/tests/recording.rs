use super::*;
use crate::format::fmp4::init::tests::parameters;
use crate::format::fmp4::reader::{find, walk};
use crate::format::fmp4::sound::tests::MONO;
use crate::format::fmp4::{Fragment, Heads, Samples, SoundFormat, SoundFrame, Span};
use crate::format::h264::{AccessUnit, Refresh};
use std::sync::Arc;

const ORIGIN: Origin<'_> = Origin {
    camera: "yard",
    run: 0x0102_0304_0506_0708,
    epoch: 9,
    media_90k: 90_000_000,
    wall_us: 1_795_000_000_000_000,
    synced: true,
};

fn init(sound: Option<SoundFormat>) -> Arc<Init> {
    Arc::new(Init::new(Arc::new(parameters()), 0, sound))
}

fn picture(init: &Arc<Init>, key: bool, time_90k: u64) -> Arc<Fragment> {
    let unit = AccessUnit {
        nals: vec![&[0x65, 1, 2, 3]],
        key,
        refresh: Refresh::default(),
    };
    let span = Span {
        time_90k,
        duration_90k: 3000,
    };
    Arc::new(Fragment::new(Arc::clone(init), &unit, span, 0, 0).unwrap())
}

fn sound(init: &Arc<Init>, samples: u64, count: usize) -> Arc<Fragment> {
    let frame = SoundFrame {
        time_us: 0,
        data: vec![0x21; 5],
    };
    Arc::new(Fragment::sound(Arc::clone(init), &vec![frame; count], samples, 0).unwrap())
}

/// A fragment of a file with these in it.
fn joined(fragments: &[Arc<Fragment>]) -> Vec<u8> {
    let mut samples = Samples::default();
    for fragment in fragments {
        samples.add(fragment, 0);
    }
    let head = samples.head(7);
    let whole = samples.parts(&head).concat();
    assert_eq!(samples.payload_bytes(), whole.len() - head.len());
    whole
}

fn u32s(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.chunks_exact(4);
    words
        .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
        .collect()
}

#[test]
fn a_group_is_one_fragment_in_which_nothing_is_missing() {
    let init = init(Some(MONO));
    let fragments = [
        picture(&init, true, 9000),
        sound(&init, 4800, 3),
        picture(&init, false, 12_000),
        // Some frames before it are missing: the last one stays.
        picture(&init, false, 21_000),
        sound(&init, 4800 + 3072, 1),
    ];
    let whole = joined(&fragments);
    let body = |path: &str| find(&whole, path).unwrap();
    assert_eq!(u32s(body("moof/mfhd")), [0, 7]);
    let boxes = walk(&whole).unwrap();
    let truns: Vec<Vec<u32>> = boxes
        .iter()
        .filter(|found| found.path == "moof/traf/trun")
        .map(|found| u32s(found.body))
        .collect();
    let payload_at = whole.len() as u32 - 3 * 8 - 4 * 5;
    let (first, other) = (0x0200_0000, 0x0101_0000);
    let video = [
        0x701, 3, payload_at, 3000, 8, first, 9000, 8, other, 3000, 8, other,
    ];
    let heard = [0x201, 4, payload_at + 24, 5, 5, 5, 5];
    assert_eq!(truns, [&video[..], &heard]);
    let times = boxes.iter().filter(|found| found.path == "moof/traf/tfdt");
    let times: Vec<Vec<u32>> = times.map(|found| u32s(found.body)).collect();
    assert_eq!(times, [[1 << 24, 0, 9000], [1 << 24, 0, 4800]]);
    assert_eq!(body("mdat")[..8], [0, 0, 0, 4, 0x65, 1, 2, 3]);

    let mut samples = Samples::default();
    assert!(
        !samples.end_before(&fragments[4], 0),
        "the first sound may begin anywhere"
    );
    samples.add(&fragments[4], 0);
    assert!(samples.end_before(&sound(&init, 9999, 1), 0));
    assert!(!samples.end_before(&sound(&init, 4800 + 4096, 1), 0));
    // It begins with no key frame, and lasts up to this one.
    samples.add(&fragments[2], 0);
    assert!(samples.end_before(&picture(&init, true, 18_000), 0));
    assert_eq!(samples.duration_90k(), 6000);
    samples.clear();
    assert_eq!((samples.payload_bytes(), samples.duration_90k()), (0, 0));
    // A group that begins with one goes on for a second.
    samples.add(&picture(&init, true, 0), 0);
    assert!(!samples.end_before(&picture(&init, true, 89_000), 0));
    samples.add(&picture(&init, false, 87_000), 0);
    assert!(!samples.end_before(&picture(&init, false, 99_000), 0));
    assert!(samples.end_before(&picture(&init, true, 90_000), 0));
    // Pictures come unevenly: one of a second may seem shorter.
    samples.clear();
    samples.add(&picture(&init, true, 0), 0);
    samples.add(&picture(&init, false, 84_000), 0);
    assert!(samples.end_before(&picture(&init, true, 87_000), 0));
}

/// A group in one fragment, and one in two. With sound.
#[test]
fn an_index_ends_where_the_fragments_begin_and_says_where_the_groups_are() {
    let init = init(Some(MONO));
    let mut file = head(&init, &ORIGIN, 1000);
    let head_bytes = file.len();
    assert_eq!(extent(&file), Extent::Open(head_bytes));
    assert_eq!(extent(&file[..head_bytes - 1]), Extent::Foreign);
    let mut index = Index::default();
    let mut add = |fragments: &[Arc<Fragment>]| {
        let whole = joined(fragments);
        // Up to the payload is enough.
        let moof_bytes = u32s(&whole)[0] as usize;
        let bytes = index.add(&whole[..moof_bytes + 8], whole.len() as u64);
        assert_eq!(bytes, Some(whole.len() as u64));
        file.extend(&whole);
        whole.len() as u32
    };
    let pictures = |from: u64, to: u64, key: bool| {
        (from..to)
            .map(|n| picture(&init, key && n == from, n * 3000))
            .collect::<Vec<_>>()
    };
    let mut first = pictures(0, 30, true);
    first.insert(1, sound(&init, 0, 4));
    let groups = [
        add(&first),
        add(&pictures(30, 50, true)) + add(&pictures(50, 60, false)) + add(&[sound(&init, 4096, 2)]),
    ];
    let heads = index.close(&mut file[..head_bytes]).unwrap();
    assert_eq!((index.duration_90k(), extent(&file)), (180_000, Extent::Closed));
    assert!(index.close(&mut file[..head_bytes]).is_none(), "it is closed");

    let boxes = walk(&file).unwrap();
    let paths = boxes.iter().map(|found| found.path.as_str());
    let top: Vec<&str> = paths.filter(|path| !path.contains('/')).collect();
    assert_eq!(top[..6], ["ftyp", "moov", "uuid", "free", "sidx", "moof"]);
    let sidx = boxes.iter().find(|found| found.path == "sidx").unwrap();
    assert_eq!(sidx.whole.as_ptr_range().end, file[head_bytes..].as_ptr());
    let expected = [
        [1 << 24, 1, 90_000, 0, 0, 0, 0, 2].as_slice(),
        &[groups[0], 90_000, 0x9000_0000],
        &[groups[1], 90_000, 0x9000_0000],
    ];
    assert_eq!(u32s(sidx.body), expected.concat());

    // Who looks into it finds the same.
    let found = about(&file).unwrap();
    assert_eq!(
        (found.init_bytes, found.heads_at, found.run),
        (init.bytes(true).len(), heads.start, ORIGIN.run)
    );
    assert_eq!(
        (found.media_90k, found.wall_us),
        (ORIGIN.media_90k, ORIGIN.wall_us)
    );
    let (read, bytes) = Index::read(&file[found.head_bytes..]).unwrap();
    assert_eq!(found.head_bytes + bytes, head_bytes);
    assert_eq!(
        read.groups().collect::<Vec<_>>(),
        groups.map(|bytes| (bytes, 90_000))
    );
    assert!((0..bytes).all(|end| Index::read(&file[found.head_bytes..][..end]).is_none()));
    assert!((0..heads.start).all(|end| about(&file[..end]).is_none()));
    assert_eq!(heads.end, found.head_bytes);
    let room = &file[heads];
    let (mut packed, mut at, mut count) = (Heads::find(room), head_bytes, 0);
    while let Some(head) = packed.read() {
        assert_eq!(head, &file[at..at + head.len()]);
        at += fragment_bytes(head, u64::MAX).unwrap() as usize;
        count += 1;
    }
    assert_eq!((at, count), (file.len(), 4));

    let field = |path: &str, at: usize| u32s(&find(&file, path).unwrap()[at..])[0];
    assert_eq!(
        (field("moov/mvhd", 16), field("moov/trak/tkhd", 20)),
        (180_000, 180_000)
    );
    let mdhd = boxes.iter().filter(|found| found.path == "moov/trak/mdia/mdhd");
    let mdhd: Vec<Vec<u32>> = mdhd.map(|found| u32s(&found.body[20..32])).collect();
    assert_eq!(mdhd, [[90_000, 0, 180_000], [48_000, 0, 6 * 1024]]);

    let uuid = find(&file, "uuid").unwrap();
    assert_eq!(uuid[..16], USERTYPE);
    let numbers = [0x0101_0000, 9, 0x0102_0304, 0x0506_0708, 0, 90_000_000];
    assert_eq!(u32s(&uuid[16..40]), numbers);
    assert_eq!(uuid[40..48], ORIGIN.wall_us.to_be_bytes());
    assert_eq!(&uuid[56..], b"yard");
    assert_eq!(found.events, 0);
    let at = found.init_bytes + EVENTS_AT as usize;
    file[at..at + 8].copy_from_slice(&5u64.to_be_bytes());
    assert_eq!(about(&file).unwrap().events, 5);
    // In recordings of earlier times the name stands there.
    file[found.init_bytes + 24] = 0;
    assert_eq!(about(&file).unwrap().events, 0);
}

#[test]
fn where_there_is_no_room_for_each_group_a_reference_is_of_some() {
    let init = init(None);
    for (room, groups) in [(0, 3), (1, 3), (2, 3), (2, 2), (3, 3), (4, 3), (3, 7)] {
        let mut file = head(&init, &ORIGIN, REFERENCE_BYTES * room);
        let mut index = Index::default();
        let pictures: Vec<Vec<u8>> = (0..groups)
            .map(|n| joined(&[picture(&init, true, n * 90_000)]))
            .collect();
        assert!(pictures.iter().all(|whole| index.add(whole, u64::MAX).is_some()));
        index.close(&mut file).unwrap();
        let sidx = u32s(&find(&file, "sidx").unwrap()[28..]);
        assert_eq!(sidx[0] as usize, room.min(groups as usize));
        let sum = |field: usize| {
            let fields = sidx[1..].iter().skip(field).step_by(3);
            fields.map(|n| u64::from(*n)).sum::<u64>()
        };
        if room > 0 {
            assert_eq!(
                (sum(0), sum(1)),
                (groups * pictures[0].len() as u64, index.duration_90k())
            );
        }
    }
}

#[test]
fn a_fragment_is_whole_up_to_its_payload_and_the_first_one_begins_with_a_key_frame() {
    let init = init(None);
    let key = joined(&[picture(&init, true, 0), picture(&init, false, 3000)]);
    let head_bytes = key.len() - 16;
    let mut index = Index::default();
    assert_eq!(index.add(&joined(&[picture(&init, false, 0)]), u64::MAX), None);
    assert_eq!(index.add(init.bytes(false), u64::MAX), None);
    for bytes in 0..head_bytes {
        assert_eq!(index.add(&key[..bytes], u64::MAX), None, "{bytes}");
    }
    assert_eq!(index.add(&key, key.len() as u64 - 1), None);
    assert_eq!(index.add(&key, key.len() as u64), Some(key.len() as u64));
    assert_eq!(index.add(&[0; 200], u64::MAX), None);
    assert_eq!(index.duration_90k(), 6000);
}
