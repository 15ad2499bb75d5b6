//! The heads of a file's fragments, packed, in the room before its index: who cuts a clip out of it knows all samples by one read, where
//! each fragment lies on another place of the disk.
//!
//! ```text
//! u32    bytes of what is packed (big-endian, as all)
//! u32    its FNV-1a, as one wrong bit would make all that follows it wrong
//! packed of each fragment, from the first on, its moof and the 8 bytes of the mdat's header, as u32s: each as the difference to the word
//!        at the same place of the head before (0 beyond its end), zigzag, LEB128
//! ```
//!
//! It may end early, also within a head: the rest is read from the fragments.

/// No more is packed than this, but for the last head: five minutes of 30 pictures a second with sound have less.
pub const HEADS_BYTES: usize = 96 << 10;

/// Packs heads, one after the other.
#[derive(Debug, Default)]
pub struct HeadPacker {
    packed: Vec<u8>,
    /// The last one.
    head: Vec<u8>,
}

impl HeadPacker {
    /// All that is packed.
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Adds one: a moof, and the header of the mdat behind it.
    pub fn add(&mut self, head: &[u8]) {
        if self.packed.len() >= HEADS_BYTES {
            return;
        }
        for at in (0..head.len()).step_by(4) {
            let change = word(head, at).wrapping_sub(word(&self.head, at)) as i32;
            let mut rest = (change << 1 ^ change >> 31) as u32;
            while rest > 0x7f {
                self.packed.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            self.packed.push(rest as u8);
        }
        self.head.clear();
        self.head.extend_from_slice(head);
    }

    /// Writes as much of it as there is room for.
    pub fn write(&self, room: &mut [u8]) {
        if let Some((fields, room)) = room.split_first_chunk_mut::<8>() {
            let packed = &self.packed[..self.packed.len().min(room.len())];
            room[..packed.len()].copy_from_slice(packed);
            fields[..4].copy_from_slice(&(packed.len() as u32).to_be_bytes());
            fields[4..].copy_from_slice(&sum(packed).to_be_bytes());
        }
    }
}

/// Heads that are packed.
#[derive(Debug, Default)]
pub struct Heads<'a> {
    packed: &'a [u8],
    /// The last one that was read.
    head: Vec<u8>,
}

impl<'a> Heads<'a> {
    /// Those that are packed so.
    pub fn new(packed: &'a [u8]) -> Heads<'a> {
        Heads {
            packed,
            head: Vec::new(),
        }
    }

    /// Those that were written to this room; none if they are damaged.
    pub fn find(room: &'a [u8]) -> Heads<'a> {
        let packed = room.get(8..).unwrap_or_default();
        let packed = packed.get(..word(room, 0) as usize).unwrap_or_default();
        let is_whole = sum(packed) == word(room, 4);
        Heads::new(if is_whole { packed } else { &[] })
    }

    /// The next one; `None` where there are no more.
    pub fn read(&mut self) -> Option<&[u8]> {
        let (mut at, mut end) = (0, 8);
        while at < end {
            let change = self.number()?;
            self.head.resize(self.head.len().max(at + 4), 0);
            let word = word(&self.head, at).wrapping_add(change >> 1 ^ (change & 1).wrapping_neg());
            self.head[at..at + 4].copy_from_slice(&word.to_be_bytes());
            if at == 0 {
                end = (word as usize).saturating_add(8);
            }
            at += 4;
        }
        self.head.truncate(end);
        Some(&self.head)
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = 0;
        for bits in (0..32).step_by(7) {
            let (byte, rest) = self.packed.split_first()?;
            self.packed = rest;
            number |= u32::from(byte & 0x7f) << bits;
            if *byte < 0x80 {
                return Some(number);
            }
        }
        // What is wrong here is wrong in all that follows.
        self.packed = &[];
        None
    }
}

/// The word at this place, with zeros behind the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    let byte = |at: usize| u32::from(bytes.get(at).copied().unwrap_or(0));
    (at..at + 4).fold(0, |word, at| word << 8 | byte(at))
}

/// 32 bits of FNV-1a.
fn sum(bytes: &[u8]) -> u32 {
    let add = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random::Random;

    /// A moof of so many bytes, and 8 more.
    fn head(random: &mut Random, moof_bytes: u32) -> Vec<u8> {
        let mut head = moof_bytes.to_be_bytes().to_vec();
        while head.len() < moof_bytes as usize + 8 {
            let word = (random.next() as u32) >> random.below(32);
            head.extend(if random.below(2) == 0 { word } else { !word }.to_be_bytes());
        }
        head.truncate(moof_bytes as usize + 8);
        head
    }

    #[test]
    fn heads_come_back_as_they_were() {
        let mut random = Random::new(3);
        let mut packer = HeadPacker::default();
        let all: Vec<Vec<u8>> = (0..200)
            .map(|_| {
                let moof_bytes = 8 + random.below(400) as u32;
                head(&mut random, moof_bytes)
            })
            .collect();
        for head in &all {
            packer.add(head);
        }
        let mut known = Heads::new(packer.packed());
        for head in &all {
            assert_eq!(known.read(), Some(&head[..]));
        }
        assert_eq!(known.read(), None);
        // One that is cut short is none.
        let mut cut = Heads::new(&packer.packed()[..packer.packed().len() - 1]);
        assert_eq!((0..).take_while(|_| cut.read().is_some()).count(), 199);
    }

    #[test]
    fn what_is_damaged_or_has_no_room_is_not_there() {
        let mut random = Random::new(4);
        let mut packer = HeadPacker::default();
        (0..20).for_each(|_| packer.add(&head(&mut random, 80)));
        let count = |room: &[u8]| {
            let mut heads = Heads::find(room);
            (0..).take_while(|_| heads.read().is_some()).count()
        };
        let bytes = packer.packed().len();
        let mut room = vec![0; 8 + bytes];
        packer.write(&mut room);
        assert_eq!(count(&room), 20);
        for at in 0..room.len() {
            room[at] ^= 1 << random.below(8);
            assert_eq!(count(&room), 0, "{at}");
            packer.write(&mut room);
        }
        for room_bytes in 0..8 + bytes {
            let mut room = vec![0; room_bytes];
            packer.write(&mut room);
            assert!(count(&room) < 20, "{room_bytes}");
        }
    }

    #[test]
    fn any_bytes_come_to_an_end() {
        let mut random = Random::new(5);
        for _ in 0..1000 {
            let noise: Vec<u8> = (0..random.below(4000)).map(|_| random.next() as u8).collect();
            let mut heads = Heads::new(&noise);
            while heads.read().is_some() {}
            // Of each byte there comes a word at most.
            assert!(heads.head.len() <= 4 * noise.len());
            assert!(heads.read().is_none());
        }
    }

    #[test]
    fn no_more_is_packed_than_there_is_room_for() {
        let mut random = Random::new(6);
        let mut packer = HeadPacker::default();
        for _ in 0..2000 {
            packer.add(&head(&mut random, 392));
        }
        assert!((HEADS_BYTES..HEADS_BYTES + 500).contains(&packer.packed().len()));
    }
}
