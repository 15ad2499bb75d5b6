use super::super::file::tests::{ORIGIN, Rig};
use super::super::janitor::Limits;
use super::super::library::{between, of_day};
use super::super::name::Name;
use super::super::{Archive, RecordingFile};
use super::*;
use crate::format::fmp4::{Init, Origin, about, reader::find};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// Ten seconds before midnight, in UTC.
const BEGIN_S: u64 = 1_795_910_390;

struct Camera {
    rig: Rig,
    archive: Archive,
    /// Of a picture: ten are a group.
    picture_bytes: usize,
}

impl Camera {
    fn new(name: &str) -> Camera {
        let rig = Rig::new(name);
        let limits = Limits {
            max_bytes: u64::MAX,
            event_max_bytes: 0,
            keep_free: 0,
            keep_days: 0,
        };
        let archive = Archive::new(rig.folder.clone(), limits);
        Camera {
            rig,
            archive,
            picture_bytes: 4000,
        }
    }

    /// Records three seconds, so long after the begin.
    fn record(&self, after_s: u64, run: u64, closed: bool) -> Name {
        let start_s = BEGIN_S + after_s;
        let name = Name {
            start_s,
            ahead_min: 0,
            copy: 1,
            event: false,
            synced: true,
        };
        let fragments = self.rig.fragments(self.picture_bytes);
        let origin = Origin {
            run,
            wall_us: start_s * 1_000_000,
            ..ORIGIN
        };
        let make = |path: &std::path::Path| RecordingFile::create(path, &fragments[0], origin, 1000, 0);
        let (name, mut file) = self.archive.create("yard", name, &make).unwrap();
        fragments
            .iter()
            .for_each(|fragment| file.push(fragment, 0).unwrap());
        if closed {
            file.close().unwrap();
        } else {
            file.write_due(u64::MAX / 2).unwrap();
        }
        self.archive.closed("yard", name);
        if run == 0 {
            // As if the media time had gone on.
            let path = self.path(name);
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.windows(4).position(|kind| kind == b"uuid").unwrap() + 36;
            bytes[at..at + 8].copy_from_slice(&(after_s * 90_000).to_be_bytes());
            fs::write(&path, bytes).unwrap();
        }
        name
    }

    fn path(&self, name: Name) -> PathBuf {
        self.archive.path("yard", name)
    }

    /// Its pictures are coded in another way from now on.
    fn turn(&mut self) {
        let init = &self.rig.init;
        self.rig.init = Arc::new(Init::new(Arc::clone(&init.parameters), 90, init.sound));
    }

    fn find(&self, from_s: u64, to_s: u64) -> Cut {
        let (from_s, to_s) = (BEGIN_S + from_s, BEGIN_S + to_s);
        let names = between(&self.archive, "yard", from_s, to_s);
        let times_us = (from_s * 1_000_000, to_s * 1_000_000);
        Cut::make(&self.archive, "yard", &names, times_us, 0)
    }

    fn lapse(&self, day: &str, step_s: u64) -> Cut {
        let names = of_day(&self.archive, "yard", day);
        Cut::make(&self.archive, "yard", &names, (0, u64::MAX), step_s)
    }
}

/// When the key frames of a movie are shown, and when it ends, in 1/90000 s.
fn times(cut: &Cut) -> (Vec<u64>, u64) {
    let mut head = cut.head();
    // The mdat goes on in the parts.
    head.truncate(head.len() - 16);
    let words = |name: &str| -> Vec<u64> {
        let body = find(&head, &format!("moov/trak/mdia/minf/stbl/{name}")).unwrap();
        let words = body[8..].chunks_exact(4);
        words
            .map(|it| u32::from_be_bytes(it.try_into().unwrap()).into())
            .collect()
    };
    let mut begins = vec![0];
    for pair in words("stts").chunks_exact(2) {
        for _ in 0..pair[0] {
            begins.push(begins[begins.len() - 1] + pair[1]);
        }
    }
    let keys = words("stss").iter().map(|n| begins[*n as usize - 1]).collect();
    (keys, begins[begins.len() - 1])
}

#[test]
fn a_cut_goes_on_through_files_and_midnight() {
    let camera = Camera::new("cut-files");
    let names = [
        camera.record(0, 0, true),
        camera.record(3, 0, true),
        camera.record(10, 1, true),
        camera.record(13, 2, false),
    ];
    assert_ne!(names[1].day(), names[2].day());
    let named = |cut: &Cut| -> Vec<Name> { cut.parts.iter().map(|part| part.name).collect() };

    let all = camera.find(0, 3600);
    assert_eq!(named(&all), names);
    // The time between files of one run is kept, another gap is left out.
    let second = 90_000;
    let gap = GAP_90K;
    let expected = [0, 1, 2, 3, 4, 5].map(|n| n * second);
    let later = [6, 7, 8].map(|n| n * second + gap);
    let last = [9, 10, 11].map(|n| n * second + 2 * gap);
    let expected = [&expected[..], &later, &last].concat();
    assert_eq!(times(&all), (expected, 12 * second + 2 * gap));
    assert_eq!(all.start_us, BEGIN_S * 1_000_000);

    // From key frame to key frame.
    let some = camera.find(1, 4);
    assert_eq!(named(&some), names[..2]);
    assert_eq!(times(&some), ([0, 1, 2].map(|n| n * second).to_vec(), 3 * second));
    assert_eq!(some.start_us, (BEGIN_S + 1) * 1_000_000);
    assert_eq!(named(&camera.find(7, 9)), []);
    assert_eq!(named(&camera.find(9, 11)), names[2..3]);
    assert_eq!(named(&camera.find(12, 3600)), names[2..]);
    assert_eq!(named(&camera.find(16, 3600)), []);
    assert!(camera.find(4, 5).parts[0].bytes < camera.find(3, 5).parts[0].bytes);
}

#[test]
fn a_group_of_several_fragments_is_cut_as_one() {
    let mut camera = Camera::new("cut-large");
    camera.picture_bytes = 150_000;
    let name = camera.record(0, 0, true);
    let (file, size) = open(&camera.archive, "yard", name).unwrap();
    let groups: Vec<u32> = look_into(&file, size)
        .unwrap()
        .1
        .groups()
        .map(|group| group.0)
        .collect();
    let all = camera.find(0, 3600);
    assert_eq!(
        all.bytes(),
        groups.iter().map(|bytes| u64::from(*bytes)).sum::<u64>()
    );
    assert_eq!(times(&all), ([0, 1, 2].map(|n| n * 90_000).to_vec(), 3 * 90_000));
    let one = camera.find(1, 2);
    assert_eq!((one.bytes(), times(&one)), (groups[1].into(), (vec![0], 90_000)));
    assert_eq!(camera.lapse("2026-11-28", 1).parts.len(), 3);

    // What is cut off is left out.
    let path = camera.path(name);
    let bytes = fs::read(&path).unwrap();
    fs::write(
        &path,
        &bytes[..bytes.len() - 2 * groups[2] as usize / 3 - groups[1] as usize],
    )
    .unwrap();
    let some = camera.find(0, 3600);
    assert!(some.bytes() < all.bytes() && some.bytes() >= groups[0].into());
    assert_eq!(times(&some).0[0], 0);
    // Of the second group there is its head, and a part of its first picture.
    let groups_at = bytes.len() - all.bytes() as usize;
    let end = groups_at + groups[0] as usize + 10_000;
    fs::write(&path, &bytes[..end]).unwrap();
    let lapse = camera.lapse("2026-11-28", 1);
    assert_eq!(lapse.parts.len(), 1);
    assert!(lapse.head().ends_with(&(16 + lapse.bytes()).to_be_bytes()));
}

/// Head and size of what there is of all, of the second second, and of the last ones.
fn cuts(camera: &Camera) -> [(Vec<u8>, u64); 3] {
    [(0, 3600), (1, 2), (2, 3600)].map(|(from_s, to_s)| {
        let cut = camera.find(from_s, to_s);
        (cut.head(), cut.bytes())
    })
}

/// Has a file's packed heads be so many bytes of those that are there.
fn seal(file: &mut [u8], heads_at: usize, bytes: usize) {
    let (fields, packed) = file[heads_at..].split_at_mut(8);
    let add = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let sum = packed[..bytes].iter().fold(0x811c_9dc5, add);
    fields[..4].copy_from_slice(&(bytes as u32).to_be_bytes());
    fields[4..].copy_from_slice(&sum.to_be_bytes());
}

/// The fragments have their heads, too.
#[test]
fn packed_heads_that_end_early_or_are_damaged_change_nothing() {
    let mut camera = Camera::new("cut-heads");
    camera.picture_bytes = 100;
    let name = camera.record(0, 0, true);
    let path = camera.path(name);
    let (file, cut) = (fs::read(&path).unwrap(), cuts(&camera));
    let heads_at = about(&file).unwrap().heads_at;
    let packed_bytes = u32::from_be_bytes(file[heads_at..heads_at + 4].try_into().unwrap()) as usize;
    let mut whole = file.clone();
    seal(&mut whole, heads_at, packed_bytes);
    assert!(whole == file && packed_bytes > 100);
    for at in 0..8 + packed_bytes {
        let mut damaged = file.clone();
        damaged[heads_at + at] ^= 1 << (at % 8);
        fs::write(&path, &damaged).unwrap();
        assert!(cuts(&camera) == cut, "{at}");
        // Where the sum is right, somebody made them so: there may be less.
        seal(&mut damaged, heads_at, packed_bytes);
        fs::write(&path, &damaged).unwrap();
        assert!(cuts(&camera).iter().zip(&cut).all(|(some, all)| some.1 <= all.1));

        let mut short = file.clone();
        seal(&mut short, heads_at, at.min(packed_bytes));
        fs::write(&path, &short).unwrap();
        assert!(cuts(&camera) == cut, "{at}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(camera.record(0, 0, false), name);
    assert!(cuts(&camera) == cut, "it has none while it is open");
}

#[test]
fn a_cut_ends_where_other_pictures_begin() {
    let mut camera = Camera::new("cut-others");
    let first = camera.record(0, 0, true);
    camera.turn();
    let other = camera.record(3, 0, true);
    camera.record(6, 0, true);
    let cut = camera.find(0, 10);
    assert_eq!(
        cut.parts.iter().map(|part| part.name).collect::<Vec<_>>(),
        [first]
    );
    assert_eq!(camera.find(4, 10).parts.len(), 2);
    assert_eq!(camera.find(4, 10).parts[0].name, other);
    // One that is gone is left out, and one that is none.
    fs::remove_file(camera.path(first)).unwrap();
    let foreign = Name {
        start_s: BEGIN_S + 5,
        ..other
    };
    fs::write(camera.path(foreign), "mine").unwrap();
    assert_eq!(camera.find(0, 10).parts.len(), 2);
}

#[test]
fn a_time_lapse_has_a_key_frame_of_each_step() {
    let camera = Camera::new("cut-lapse");
    let names = [camera.record(0, 0, true), camera.record(3, 1, false)];
    // Key frames are a second apart.
    for (step_s, numbers) in [
        (1, &[0, 1, 2, 3, 4, 5][..]),
        (2, &[0, 2, 4]),
        (5, &[0, 5]),
        (60, &[0]),
    ] {
        let lapse = camera.lapse("2026-11-28", step_s);
        let mut head = lapse.head();
        let base = head.len() as u64;
        head.truncate(head.len() - 16);
        let body = |name: &str| find(&head, &format!("moov/trak/mdia/minf/stbl/{name}")).unwrap();
        let words = |name: &str| -> Vec<u64> {
            let words = body(name)[4..].chunks_exact(4);
            words
                .map(|it| u32::from_be_bytes(it.try_into().unwrap()).into())
                .collect()
        };
        let pictures = numbers.len() as u64;
        assert_eq!(words("stts"), [1, pictures, 3600], "{step_s}");
        assert_eq!(words("co64"), [1, 0, base]);
        assert_eq!(words("stsc"), [1, 1, pictures, 1]);
        assert!(
            find(&head, "moov/trak/mdia/minf/stbl/stss").is_none(),
            "all are key frames"
        );
        assert!(
            words("stsz")[2..]
                .iter()
                .copied()
                .eq(lapse.parts.iter().map(|part| part.bytes))
        );
        for (part, number) in lapse.parts.iter().zip(numbers) {
            assert_eq!(part.name, names[number / 3]);
            // The length of its first NAL unit, and then an IDR picture or what goes before it.
            let (file, _) = open(&camera.archive, "yard", part.name).unwrap();
            let mut begin = [0; 5];
            file.read_exact_at(&mut begin, part.at).unwrap();
            assert!([5, 6, 7].contains(&(begin[4] & 31)), "{begin:?}");
        }
        assert_eq!(
            find(&head, "moov/trak/mdia/hdlr").map(|_| head.windows(4).filter(|it| it == b"trak").count()),
            Some(1)
        );
    }
    assert!(camera.lapse("2026-11-27", 1).parts.is_empty());
    assert!(camera.lapse("../yard", 1).parts.is_empty());
    // Of some time in them.
    let names = of_day(&camera.archive, "yard", "2026-11-28");
    let times_us = ((BEGIN_S + 1) * 1_000_000, (BEGIN_S + 4) * 1_000_000);
    let some = Cut::make(&camera.archive, "yard", &names, times_us, 2);
    assert_eq!((some.parts.len(), some.start_us), (2, times_us.0));
}

#[test]
fn a_time_lapse_opens_no_file_of_which_it_needs_nothing() {
    let mut camera = Camera::new("cut-skip");
    let first = camera.record(0, 0, true);
    let init = Arc::clone(&camera.rig.init);
    camera.turn();
    // It would end here.
    camera.record(3, 0, true);
    camera.rig.init = init;
    let last = camera.record(9, 0, true);
    let lapse = camera.lapse("2026-11-28", 60);
    let named: Vec<Name> = lapse.parts.iter().map(|part| part.name).collect();
    assert_eq!(named, [first, last]);
}
