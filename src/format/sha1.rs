//! SHA-1 (FIPS 180-4, 6.1), for the handshake of WebSocket and the tokens of ONVIF, which know no better one. Nothing else is to
//! rely on it.

use super::md5::{BLOCK_BYTES, padded};

/// The length of a digest, in bytes.
const BYTES: usize = 20;

/// The digest of these parts, one behind the other.
pub fn of(parts: &[&[u8]]) -> [u8; BYTES] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded(parts.concat(), u64::to_be_bytes).chunks_exact(BLOCK_BYTES) {
        let mut words = [0; 80];
        for step in 0..words.len() {
            let earlier = |back: usize| words[step - back];
            words[step] = match block[(4 * step).min(BLOCK_BYTES)..].first_chunk() {
                Some(bytes) => u32::from_be_bytes(*bytes),
                None => (earlier(3) ^ earlier(8) ^ earlier(14) ^ earlier(16)).rotate_left(1),
            };
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (step, word) in words.into_iter().enumerate() {
            let (mix, constant) = match step / 20 {
                0 => (b & c | !b & d, 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let sum = [mix, e, constant, word]
                .into_iter()
                .fold(a.rotate_left(5), u32::wrapping_add);
            (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
        }
        for (all, one) in state.iter_mut().zip([a, b, c, d, e]) {
            *all = all.wrapping_add(one);
        }
    }
    let mut digest = [0; BYTES];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::of;

    /// NIST's examples; and texts that just fill a block or not, by Python's hashlib.
    #[test]
    fn vectors() {
        for (text, digest) in [
            (String::new(), "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc".into(), "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".into(),
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            ("a".repeat(1_000_000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
            ("x".repeat(55), "cef734ba81a024479e09eb5a75b6ddae62e6abf1"),
            ("x".repeat(56), "901305367c259952f4e7af8323f480d59f81335b"),
            ("x".repeat(63), "0ddc4e0cccd9a12850deb5abb0853a4425559fec"),
            ("x".repeat(64), "bb2fa3ee7afb9f54c6dfb5d021f14b1ffe40c163"),
            ("x".repeat(65), "78c741ddc482e4cdf8c474a0876347a0905b6233"),
            ("x".repeat(119), "4300320394f7ee239bcdce7d3b8bcee173a0cd5c"),
            ("x".repeat(120), "ceb2821639c4b6dcb10bce0e522ca2e608ce056d"),
        ] {
            let (first, second) = text.as_bytes().split_at(text.len() / 3);
            let hex: String = of(&[first, second])
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(hex, digest, "{} bytes", text.len());
        }
    }
}
