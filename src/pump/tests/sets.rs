use super::*;
use crate::format::bits::{BitWriter, escape};
use crate::format::h264::Sps;

fn nal(header: u8, write: impl FnOnce(&mut BitWriter)) -> Vec<u8> {
    let mut w = BitWriter::new();
    write(&mut w);
    w.trailing_bits();
    let mut nal = vec![header];
    escape(&w.into_bytes(), &mut nal);
    nal
}

/// Baseline, of so many macroblocks across and 1 down.
fn sps(id: u32, level: u32, mbs_wide: u32) -> Vec<u8> {
    nal(0x67, |w| {
        w.u(24, 0x42_00_00 | level);
        [id, 0, 2, 1].iter().for_each(|&value| w.ue(value));
        w.flag(false);
        w.ue(mbs_wide - 1);
        w.ue(0);
        w.u(4, 0b1100);
    })
}

fn pps(id: u32, sps_id: u32, qp: i32) -> Vec<u8> {
    nal(0x68, |w| {
        w.ue(id);
        w.ue(sps_id);
        w.u(2, 0);
        w.se(qp);
    })
}

fn parameters(sps: Vec<u8>, pps: &[Vec<u8>]) -> Arc<Parameters> {
    let info = Sps::parse(&sps).unwrap();
    let pps = pps.to_vec();
    Arc::new(Parameters { sps, pps, info })
}

/// The number of the init segment, by when it came, and what is in band.
struct Rig {
    sets: Sets,
    inits: Vec<Arc<Init>>,
}

impl Rig {
    fn take(&mut self, parameters: &Arc<Parameters>, key: bool) -> Option<(usize, Vec<Vec<u8>>)> {
        let given = self.sets.take(parameters, key, 0, None)?;
        let at = self.inits.iter().position(|init| Arc::ptr_eq(init, &given.init));
        let at = at.unwrap_or_else(|| {
            self.inits.push(given.init);
            self.inits.len() - 1
        });
        Some((at, given.in_band.into_iter().map(<[u8]>::to_vec).collect()))
    }
}

#[test]
fn sets_that_change_are_in_band_and_in_the_init_segment_of_who_comes() {
    let mut rig = Rig {
        sets: Sets::default(),
        inits: Vec::new(),
    };
    let none: Vec<Vec<u8>> = vec![];
    let first = parameters(sps(0, 10, 2), &[pps(0, 0, 0)]);
    assert_eq!(rig.take(&first, true), Some((0, none.clone())));
    assert_eq!(rig.take(&first, false), Some((0, none.clone())));
    // The same bytes again, of a reader that begins anew.
    let again = parameters(sps(0, 10, 2), &[pps(0, 0, 0)]);
    assert_eq!(rig.take(&again, true), Some((0, none.clone())));

    // Other ids with a key frame.
    let ids = parameters(sps(1, 10, 2), &[pps(1, 1, 0)]);
    let both = vec![sps(1, 10, 2), pps(1, 1, 0)];
    assert_eq!(rig.take(&ids, true), Some((1, both.clone())));
    assert_eq!(rig.take(&ids, false), Some((1, none.clone())));
    assert_eq!(
        rig.take(&ids, true),
        Some((1, both)),
        "who skipped the last key frame lacks them"
    );

    // One more PPS, and another one of the same id, within a group: what is new, and nothing else.
    let more = parameters(sps(1, 10, 2), &[pps(1, 1, 0), pps(2, 1, 3)]);
    assert_eq!(rig.take(&more, false), Some((2, vec![pps(2, 1, 3)])));
    assert_eq!(rig.take(&more, false), Some((2, none.clone())));
    let other = parameters(sps(1, 10, 2), &[pps(1, 1, 5), pps(2, 1, 3)]);
    assert_eq!(rig.take(&other, false), Some((3, vec![pps(1, 1, 5)])));
    let all = vec![sps(1, 10, 2), pps(1, 1, 5), pps(2, 1, 3)];
    assert_eq!(rig.take(&other, true), Some((3, all)));
    assert_eq!(rig.inits[3].parameters, other);
}

/// A microphone that is plugged in stops no picture: its track begins with the next key frame.
#[test]
fn sound_begins_and_ends_with_a_key_frame() {
    let mut sets = Sets::default();
    let parameters = parameters(sps(0, 10, 2), &[pps(0, 0, 0)]);
    let mut take = |key, sound| {
        let given = sets.take(&parameters, key, 0, sound).unwrap();
        assert_eq!(given.in_band, [&[0; 0]; 0]);
        (given.init.sound, given.other_format)
    };
    let sound = SoundFormat::new(48_000, 1);
    assert_eq!(take(true, None), (None, true));
    assert_eq!(take(false, sound), (None, false));
    assert_eq!(take(true, sound), (sound, true));
    assert_eq!(take(false, None), (sound, false));
    assert_eq!(take(true, None), (None, true));
}

#[test]
fn another_format_begins_with_a_key_frame() {
    let mut rig = Rig {
        sets: Sets::default(),
        inits: Vec::new(),
    };
    let first = parameters(sps(0, 10, 2), &[pps(0, 0, 0)]);
    let ids = parameters(sps(1, 10, 2), &[pps(1, 1, 0)]);
    rig.take(&first, true).unwrap();
    rig.take(&ids, true).unwrap();
    for (at, format) in [(2, sps(1, 10, 3)), (3, sps(1, 20, 3))] {
        let other = parameters(format, &[pps(1, 1, 0)]);
        // Who joins at the key frame before would end here, come again, and be served the same once more.
        assert_eq!(rig.take(&other, false), None);
        assert_eq!(rig.take(&other, false), None);
        assert_eq!(rig.take(&other, true), Some((at, vec![])));
        assert!(!rig.inits[at - 1].serves(&rig.inits[at]));
    }
    // A rotation is in the init segment.
    let last = parameters(sps(1, 20, 3), &[pps(1, 1, 0)]);
    rig.sets.look_again();
    let turned = rig.sets.take(&last, true, 90, None).unwrap();
    assert!(turned.in_band.is_empty() && !rig.inits[3].serves(&turned.init));
}
