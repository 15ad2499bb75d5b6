//! The search for the three bytes by which units and pictures begin.

use memchr::memchr_iter;

/// Where `wanted` stands first in `bytes`. Its last byte should be rare: that is searched, with vector instructions where
/// there are any, and the others are compared where it stands.
///
/// memchr's own search for several bytes takes 5 kB more of code, and two thirds of the instructions in coded slices.
pub fn find(bytes: &[u8], wanted: &[u8; 3]) -> Option<usize> {
    let &[first, second, last] = wanted;
    // A place in what begins at the third byte is that of the first byte in `bytes`.
    memchr_iter(last, bytes.get(2..)?)
        .find(|&at| bytes.get(at) == Some(&first) && bytes.get(at + 1) == Some(&second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random::Random;

    fn naive(bytes: &[u8], wanted: &[u8; 3]) -> Option<usize> {
        bytes.windows(3).position(|window| window == wanted)
    }

    #[test]
    fn it_finds_what_a_look_at_each_place_finds() {
        let mut random = Random::new(7);
        for wanted in [[0, 0, 1], [0xff, 0xd8, 0xff], [7, 7, 7]] {
            for round in 0..20_000 {
                // Few values, so that there are many and many that are nearly there; sometimes any, for the vectors.
                let any = random.below(4) == 0;
                let bytes: Vec<u8> = (0..random.below(if any { 300 } else { 24 }))
                    .map(|_| match any && random.below(16) > 0 {
                        true => random.next() as u8,
                        false => wanted[random.below(3)],
                    })
                    .collect();
                assert_eq!(
                    find(&bytes, &wanted),
                    naive(&bytes, &wanted),
                    "{round}: {bytes:?}"
                );
            }
        }
    }

    #[test]
    fn wherever_the_bytes_are_cut() {
        for wanted in [[0, 0, 1], [0xff, 0xd8, 0xff]] {
            for before in 0..70 {
                let bytes = [&vec![wanted[0]; before][..], &wanted, &[wanted[2]; 3]].concat();
                for cut in 0..=bytes.len() {
                    for part in [&bytes[..cut], &bytes[cut..]] {
                        assert_eq!(find(part, &wanted), naive(part, &wanted), "{cut} of {bytes:?}");
                    }
                }
            }
        }
    }
}
