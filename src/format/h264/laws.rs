//! Laws that hold for any bytes, as functions that panic where one is broken: for tests and fuzz targets.

use super::nal::nal_units;
use super::reorder::without_reordering;
use super::sps::Sps;

/// [`nal_units`] finds what a plain reading of annex B.1 finds, whatever the lengths of the start codes are.
pub fn split(data: &[u8]) {
    let found: Vec<&[u8]> = nal_units(data).collect();
    assert_eq!(found, split_plainly(data));
    for start_code in [&[0, 0, 1][..], &[0, 0, 0, 1], &[0, 0, 0, 0, 0, 1]] {
        let joined: Vec<u8> = found.iter().flat_map(|nal| [start_code, nal].concat()).collect();
        assert_eq!(nal_units(&joined).collect::<Vec<_>>(), found);
    }
}

/// Annex B.1, byte by byte: a unit ends at the zeros before a start code prefix, or before the end.
fn split_plainly(data: &[u8]) -> Vec<&[u8]> {
    let prefix_at = |i: usize| data[i..].starts_with(&[0, 0, 1]);
    let mut units = Vec::new();
    let mut i = 0;
    while i < data.len() {
        if !prefix_at(i) {
            i += 1;
            continue;
        }
        let start = i + 3;
        let mut end = start;
        i = start;
        while i < data.len() && !prefix_at(i) {
            i += 1;
            if data[i - 1] != 0 {
                end = i;
            }
        }
        if end > start {
            units.push(&data[start..end]);
        }
    }
    units
}

/// An SPS NAL unit is read or refused; what is read can be promised to have no reordering, which changes
/// nothing else.
pub fn sps(data: &[u8]) {
    let (Ok(before), Ok(rewritten)) = (Sps::parse(data), without_reordering(data)) else {
        assert!(Sps::parse(data).is_err() && without_reordering(data).is_err());
        return;
    };
    assert_eq!(
        without_reordering(&rewritten).as_ref(),
        Ok(&rewritten),
        "rewriting twice"
    );
    let promised = Sps {
        max_num_reorder_frames: Some(0),
        max_dec_frame_buffering: Some(before.max_num_ref_frames),
        ..before
    };
    assert!(!promised.may_reorder());
    assert_eq!(Sps::parse(&rewritten), Ok(promised));
}
