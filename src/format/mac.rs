//! Authentication codes: HMAC-SHA-256 (RFC 2104, FIPS 180-4), and the comparison that takes the same time whatever differs.

use hmac_sha256::HMAC;

/// The length of a code, in bytes.
pub const MAC_BYTES: usize = 32;

/// The code of these parts under this key. Each part goes in with its length, so that no two lists of parts are the same.
pub fn of(key: &[u8], parts: &[&[u8]]) -> [u8; MAC_BYTES] {
    let mut mac = HMAC::new(key);
    for part in parts {
        mac.update((part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize()
}

/// True if they are the same. How long it takes depends on the lengths alone.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differences) == 0 && one.len() == other.len()
}

#[cfg(test)]
mod tests {
    use super::{is_same, of};

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(of(b"key", &[b"ab", b"c"]), of(b"key", &[b"a", b"bc"]));
        assert_ne!(of(b"key", &[b"ab"]), of(b"key", &[b"ab", b""]));
        assert_ne!(of(b"key", &[b"ab"]), of(b"kez", &[b"ab"]));
        assert_eq!(of(b"key", &[b"ab"]), of(b"key", &[b"ab"]));
    }

    #[test]
    fn a_bit_makes_the_difference() {
        assert!(is_same(b"", b""));
        assert!(is_same(b"abc", b"abc"));
        for other in [&b"abd"[..], b"\xe1bc", b"ab", b"abcd", b""] {
            assert!(!is_same(b"abc", other));
        }
    }
}
