use super::*;
use crate::format::fmp4::{Init, SoundFormat, SoundFrame, Span, reader::walk};
use crate::format::h264::{AccessUnit, Parameters, Refresh, Sps};
use crate::support::hex::hex;
use crate::support::random::Random;
use std::path::PathBuf;
use std::sync::Arc;

pub(in super::super) const ORIGIN: Origin<'_> = Origin {
    camera: "yard",
    run: 1,
    epoch: 0,
    media_90k: 0,
    wall_us: 0,
    synced: false,
};

pub(in super::super) struct Rig {
    pub folder: PathBuf,
    pub init: Arc<Init>,
}

impl Rig {
    pub fn new(name: &str) -> Rig {
        let folder = std::env::temp_dir().join(format!("fmp4streamer-record-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let sps = hex("6764001eacb201407b6022000003000200000300791e2c5c90");
        let parameters = Parameters {
            info: Sps::parse(&sps).unwrap(),
            sps,
            pps: vec![hex("68ebc3cb22c0")],
        };
        let sound = SoundFormat {
            rate: 48_000,
            channels: 1,
            config: [0x11, 0x88],
        };
        let init = Arc::new(Init::new(Arc::new(parameters), 0, Some(sound)));
        Rig { folder, init }
    }

    /// Three seconds from a time that is no whole number of samples on: ten pictures a second, and sound.
    pub fn fragments(&self, bytes: usize) -> Vec<Arc<Fragment>> {
        let mut fragments = Vec::new();
        for n in 0..30 {
            let payload = vec![0x65; bytes];
            let unit = AccessUnit {
                nals: vec![&payload],
                key: n % 10 == 0,
                refresh: Refresh::default(),
            };
            let span = Span {
                time_90k: 1_000_001 + n * 9000,
                duration_90k: 9000,
            };
            fragments.push(
                Fragment::new(Arc::clone(&self.init), &unit, span, 0, 7)
                    .unwrap()
                    .into(),
            );
            let frame = SoundFrame {
                time_us: 0,
                data: vec![0x21; 9],
            };
            // The first is from before the picture.
            let sound = Fragment::sound(Arc::clone(&self.init), &vec![frame; 4], 533_300 + n * 4096, 7);
            fragments.extend(sound.map(Arc::new));
        }
        fragments
    }

    fn create(&self, name: &str, first: &Fragment) -> (PathBuf, RecordingFile) {
        let path = self.folder.join(name);
        let file = RecordingFile::create(&path, first, ORIGIN, 1000, 0).unwrap();
        (path, file)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// Types and sizes of the boxes at the top, but for the head.
fn fragments_in(file: &[u8]) -> Vec<(String, usize)> {
    let boxes = walk(file).unwrap().into_iter();
    let top = boxes.filter(|found| ["moof", "mdat"].contains(&&*found.path));
    top.map(|found| (found.path, found.whole.len())).collect()
}

#[test]
fn a_file_counts_from_its_first_picture_and_is_written_by_groups() {
    let rig = Rig::new("groups");
    let fragments = rig.fragments(40_000);
    let (path, mut file) = rig.create("a", &fragments[0]);
    let again = RecordingFile::create(&path, &fragments[0], ORIGIN, 1000, 0);
    assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    let size = || fs::metadata(&path).unwrap().len();
    let head_bytes = size();
    let mut push = |range: std::ops::Range<usize>, now_us: u64| {
        let some = fragments[range].iter();
        some.for_each(|fragment| file.push(fragment, now_us).unwrap());
        file.write_due(now_us).unwrap();
        (size(), file.bytes())
    };
    assert_eq!(
        push(0..20, 1),
        (head_bytes, head_bytes + 400_040 + 9 * 36),
        "a group"
    );
    let (group, _) = push(20..21, 2);
    assert!(group > head_bytes + 400_000, "the next one begins");
    assert_eq!(push(21..22, 4_000_000).0, group);
    let (part, all) = push(22..23, 4_000_002);
    assert!(part == all && part > group, "it takes too long");
    push(23..60, 10_000_000);
    file.flush().unwrap();
    assert!(file.bytes() == size() && file.close().unwrap());

    let bytes = fs::read(&path).unwrap();
    let boxes = walk(&bytes).unwrap();
    let times = boxes.iter().filter(|found| found.path == "moof/traf/tfdt");
    let time = |body: &[u8]| u64::from_be_bytes(body[4..].try_into().unwrap());
    let times: Vec<u64> = times.map(|found| time(found.body)).collect();
    // The zero is a whole number in both timescales: 1,000,001 is 11 more than one.
    assert_eq!(times[..3], [11, 537_396 - 533_328, 90_011]);
    let truns = boxes.iter().filter(|found| found.path == "moof/traf/trun");
    let samples = truns.map(|found| u32::from_be_bytes(found.body[4..8].try_into().unwrap()));
    assert_eq!(samples.sum::<u32>(), 30 + 4 * 29);
}

/// Wherever it is cut, all whole fragments are there afterwards, and the rest is not; and it has an index, as if it had been closed.
#[test]
fn a_file_that_was_cut_is_whole_up_to_its_last_whole_fragment() {
    let rig = Rig::new("cut");
    let fragments = rig.fragments(40);
    let (path, mut file) = rig.create("whole", &fragments[0]);
    // A part of a group now and then.
    for (fragment, n) in fragments.iter().zip(0..) {
        file.push(fragment, n * 200_000).unwrap();
        file.write_due(n * 200_000).unwrap();
    }
    file.write(0).unwrap();
    let open = fs::read(&path).unwrap();
    file.close().unwrap();
    let closed = fs::read(&path).unwrap();
    assert!(!repair(&path).unwrap(), "there is nothing to repair");
    let all = fragments_in(&open);
    let fragments_at = open.len() - all.iter().map(|(_, bytes)| bytes).sum::<usize>();
    assert_eq!(fragments_in(&closed), all);

    let cut = rig.folder.join("cut");
    let mut random = Random::new(3);
    let mut lengths: Vec<usize> = (0..150)
        .map(|_| fragments_at - 99 + random.below(open.len() - fragments_at + 99))
        .collect();
    lengths.extend([
        0,
        1,
        fragments_at - 1,
        fragments_at,
        fragments_at + 1,
        open.len() - 1,
        open.len(),
    ]);
    for length in lengths {
        let tail = [&[][..], &[0; 5000]][random.below(2)];
        let is_head_whole = length >= fragments_at;
        let tail = if is_head_whole { tail } else { &[] };
        let left = [&open[..length], tail].concat();
        fs::write(&cut, &left).unwrap();
        let is_mended = repair(&cut).unwrap();
        let mut end = fragments_at;
        let mut whole = all
            .chunks(2)
            .map(|pair| pair[0].1 + pair[1].1)
            .take_while(|bytes| {
                end += bytes;
                end <= length
            });
        let whole = whole.by_ref().count();
        assert_eq!(is_mended, whole > 0, "{length}");
        match fs::read(&cut) {
            Ok(bytes) if is_head_whole => {
                assert_eq!(fragments_in(&bytes), all[..2 * whole], "{length}");
                assert_eq!(extent(&bytes), Extent::Closed);
                assert!(!repair(&cut).unwrap());
            }
            Ok(bytes) => assert_eq!(bytes, left, "it may be anybody's"),
            Err(e) => assert!(e.kind() == io::ErrorKind::NotFound && whole == 0, "{length}: {e}"),
        }
    }
    for tail in [&[][..], &[0xff; 300], &open[..200]] {
        fs::write(&cut, [&open, tail].concat()).unwrap();
        assert!(repair(&cut).unwrap());
        assert_eq!(fs::read(&cut).unwrap(), closed);
    }
}

#[test]
fn what_is_no_recording_is_left_alone() {
    let rig = Rig::new("foreign");
    let path = rig.folder.join("a");
    for bytes in [&b"hello"[..], &[0; 100_000], rig.init.bytes(true)] {
        fs::write(&path, bytes).unwrap();
        assert!(!repair(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let link = rig.folder.join("b");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(repair(&link).is_err() && repair(&rig.folder).is_err());
}
