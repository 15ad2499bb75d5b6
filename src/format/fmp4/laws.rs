//! Laws that hold for any bytes, as functions that panic where one is broken: for tests and fuzz targets.

use super::heads::Heads;
use super::reader::{self, Found, fields_before_children};
use super::recording::{Extent, Index, about, extent, fragment_bytes};

/// Walking any bytes comes to an end, and what is found nests: side by side, the boxes of a level are what
/// the boxes around them hold, and those of the top are all of `data`.
pub fn walk(data: &[u8]) {
    let Ok(found) = reader::walk(data) else { return };
    let mut around = data.to_vec();
    for depth in 0.. {
        let level = found
            .iter()
            .filter(|found| found.path.matches('/').count() == depth);
        let boxes: Vec<&[u8]> = level.clone().map(|found| found.whole).collect();
        assert_eq!(boxes.concat(), around, "at depth {depth}");
        if boxes.is_empty() {
            return;
        }
        around = level.map(children).collect::<Vec<_>>().concat();
    }
}

/// A file that a crash left, of any bytes, has an index after its repair, which ends where its fragments begin; the heads that are packed
/// before it are those of its fragments; and nothing behind that is changed.
pub fn repair(data: &[u8]) {
    let Extent::Open(head_bytes) = extent(data) else {
        return;
    };
    let mut index = Index::default();
    let mut rest = &data[head_bytes..];
    while let Some(bytes) = index.add(rest, rest.len() as u64) {
        rest = &rest[bytes as usize..];
    }
    let mut head = data[..head_bytes].to_vec();
    assert!(about(&head).is_none_or(|about| about.head_bytes == head_bytes));
    if index.close(&mut head).is_some() {
        assert_eq!(extent(&head), Extent::Closed);
        let (heads_at, index_at) = about(&head).map_or((0, 0), |about| (about.heads_at, about.head_bytes));
        let index = Index::read(&head[index_at..]);
        assert_eq!(index.map(|(_, bytes)| index_at + bytes), Some(head_bytes));
        let mut heads = Heads::find(&head[heads_at..index_at]);
        let mut rest = &data[head_bytes..];
        while let Some(packed) = heads.read() {
            assert!(rest.starts_with(packed));
            rest = &rest[fragment_bytes(packed, rest.len() as u64).unwrap_or_default() as usize..];
        }
    }
}

/// The part of a box in which others stand.
fn children<'a>(found: &Found<'a>) -> &'a [u8] {
    let kind = found.whole[4..8].first_chunk();
    kind.and_then(fields_before_children)
        .map_or(&[], |fields| &found.body[fields..])
}

#[cfg(test)]
mod tests {
    use super::super::init::tests::parameters;
    use super::super::sound::tests::MONO;
    use super::super::{Init, reader};
    use super::walk;
    use crate::support::random::Random;
    use std::sync::Arc;

    /// 10^5 mutations of an init segment: changed bytes, cut ends, doubled parts.
    #[test]
    fn walk_mutations() {
        let init = Init::new(Arc::new(parameters()), 90, Some(MONO));
        let init = init.bytes(true).to_vec();
        let mut random = Random::new(7);
        let (mut whole, mut broken) = (0, 0);
        for _ in 0..100_000 {
            let mut bytes = init.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                match random.below(8) {
                    0 => bytes.truncate(at.max(1)),
                    1 => bytes.extend_from_within(at..),
                    2 => bytes[at] ^= 1 << random.below(8),
                    _ => bytes[at] = [0, 1, 8, 16, 127, 255][random.below(6)],
                }
            }
            walk(&bytes);
            *if reader::walk(&bytes).is_ok() {
                &mut whole
            } else {
                &mut broken
            } += 1;
        }
        assert!(
            whole > 1000 && broken > 1000,
            "both ends are seen: {whole} whole, {broken} broken"
        );
    }

    #[test]
    fn walk_noise() {
        let mut random = Random::new(8);
        for _ in 0..10_000 {
            let noise: Vec<u8> = (0..random.below(64))
                .map(|_| [0, 1, 8, 16, 32, random.next() as u8][random.below(6)])
                .collect();
            walk(&noise);
        }
    }
}
