//! Passwords as the config has them: `pbkdf2-sha256$ITERATIONS$SALT$HASH`, salt and hash in base64 (RFC 8018, 5.2); or
//! `plain:PASSWORD`, as the digests of RTSP and ONVIF can't be checked by a hash.

use super::{base64, mac};
use hmac_sha256::Hash;
use std::fmt;
use std::hint::black_box;

/// The length of a salt that [`Password::new`] takes, in bytes (RFC 8018, 4.1 asks for 8).
pub const SALT_BYTES: usize = 16;
/// Iterations of a new hash: half a second or so of a Raspberry Pi Zero. Many are of use to those alone whose config was
/// read by others; guessing at the door is slowed down otherwise.
pub const ITERATIONS: u32 = 120_000;
/// The iterations that a config may ask for. More would have a small machine hash for minutes.
const ALLOWED_ITERATIONS: std::ops::RangeInclusive<u32> = 1_000..=10_000_000;
/// A password may have this many bytes.
pub const MAX_PASSWORD_BYTES: usize = 256;

const SCHEME: &str = "pbkdf2-sha256";
const PLAIN: &str = "plain:";
/// SHA-256 works on blocks of this size (FIPS 180-4, 1).
const BLOCK_BYTES: usize = 64;

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    iterations: u32,
    salt: Vec<u8>,
    /// Of a password that is there itself: its SHA-256.
    hash: [u8; mac::MAC_BYTES],
    plain: Option<String>,
}

impl Password {
    /// Hashes a password.
    pub fn new(password: &str, salt: [u8; SALT_BYTES], iterations: u32) -> Password {
        Password {
            iterations,
            salt: salt.into(),
            hash: pbkdf2(password.as_bytes(), &salt, iterations),
            plain: None,
        }
    }

    /// What no password has, and what takes as long as any to find that out.
    pub fn nobodys() -> Password {
        Password {
            iterations: ITERATIONS,
            salt: vec![0; SALT_BYTES],
            hash: [0; mac::MAC_BYTES],
            plain: None,
        }
    }

    /// Reads what [`fmt::Display`] writes, or `plain:` and a password; `None` for all else, such as a password alone.
    pub fn parse(text: &str) -> Option<Password> {
        if let Some(plain) = text.strip_prefix(PLAIN) {
            return is_allowed(plain).then(|| Password {
                hash: Hash::hash(plain.as_bytes()),
                plain: Some(plain.into()),
                ..Password::nobodys()
            });
        }
        let mut parts = text.split('$');
        let (SCHEME, Some(iterations), Some(salt), Some(hash), None) = (
            parts.next()?,
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return None;
        };
        let iterations = iterations.parse().ok()?;
        let salt = base64::decode(salt)?;
        let hash = base64::decode(hash)?.try_into().ok()?;
        let good = ALLOWED_ITERATIONS.contains(&iterations) && (8..=64).contains(&salt.len());
        good.then_some(Password {
            iterations,
            salt,
            hash,
            plain: None,
        })
    }

    /// True if this is the password. It takes as long if it is not, and as long as [`Password::nobodys`] if it stands in the
    /// config itself: who guesses can't tell.
    pub fn is_of(&self, password: &str) -> bool {
        let mut hash = black_box(pbkdf2(password.as_bytes(), &self.salt, self.iterations));
        if self.plain.is_some() {
            hash = Hash::hash(password.as_bytes());
        }
        mac::is_same(&hash, &self.hash)
    }

    /// The password itself, where the config has it. It never leaves the program.
    pub fn plain(&self) -> Option<&str> {
        self.plain.as_deref()
    }

    /// What another password has another one of.
    pub fn hash(&self) -> &[u8] {
        &self.hash
    }
}

/// True if it can be one.
pub fn is_allowed(password: &str) -> bool {
    (1..=MAX_PASSWORD_BYTES).contains(&password.len()) && !password.contains(char::is_control)
}

/// The line for the config, of one that was hashed.
impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, hash) = (base64::encode(&self.salt), base64::encode(&self.hash));
        write!(f, "{SCHEME}${}${salt}${hash}", self.iterations)
    }
}

/// It stands in types that are printed in tests and logs.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(password)")
    }
}

/// The first block of PBKDF2 with HMAC-SHA-256 (RFC 8018, 5.2), which is as long as a hash.
fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> [u8; mac::MAC_BYTES] {
    // The two halves of HMAC begin with a block that the password alone makes (RFC 2104, 2): hashed once, not each time.
    let mut key = [0; BLOCK_BYTES];
    if password.len() > BLOCK_BYTES {
        key[..mac::MAC_BYTES].copy_from_slice(&Hash::hash(password));
    } else {
        key[..password.len()].copy_from_slice(password);
    }
    let begun = |pad: u8| {
        let mut hash = Hash::new();
        hash.update(key.map(|byte| byte ^ pad));
        hash
    };
    let (inner, outer) = (begun(0x36), begun(0x5c));
    let hmac = |parts: &[&[u8]]| {
        let (mut inner, mut outer) = (inner, outer);
        for part in parts {
            inner.update(part);
        }
        outer.update(inner.finalize());
        outer.finalize()
    };
    let mut block = hmac(&[salt, &1u32.to_be_bytes()]);
    let mut all = block;
    for _ in 1..iterations {
        block = hmac(&[&block]);
        for (all, byte) in all.iter_mut().zip(block) {
            *all ^= byte;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Password, pbkdf2};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 7914, 11, the first 32 bytes of each; and a key of more than a block, by Python's hashlib.
    #[test]
    fn vectors() {
        assert_eq!(
            hex(&pbkdf2(b"passwd", b"salt", 1)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        );
        assert_eq!(
            hex(&pbkdf2(b"Password", b"NaCl", 80_000)),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
        );
        assert_eq!(hex(&pbkdf2(&[b'x'; 65], b"salt", 2)), LONG);
    }

    const LONG: &str = "b5a1700563b197a9ddfcdd1e02aa3bb0882203a3246ba1811de32290e7df8f7a";

    #[test]
    fn a_hash_knows_its_password() {
        let hash = Password::new("geheim", [7; 16], 1_000);
        let text = hash.to_string();
        assert!(text.starts_with("pbkdf2-sha256$1000$BwcHBwcHBwcHBwcHBwcHBw==$"));
        let read = Password::parse(&text).unwrap();
        assert_eq!(read, hash);
        assert!(read.is_of("geheim"));
        for other in ["Geheim", "geheim ", ""] {
            assert!(!read.is_of(other), "{other:?}");
        }
        assert!(!format!("{hash:?}").contains("BwcH"));
    }

    #[test]
    fn a_plain_one_is_known_and_is_not_shown() {
        let plain = Password::parse("plain: ge:he%im$").unwrap();
        assert_eq!(plain.plain(), Some(" ge:he%im$"));
        assert!(plain.is_of(" ge:he%im$"));
        for other in ["", "ge:he%im$", " ge:he%im$ "] {
            assert!(!plain.is_of(other), "{other:?}");
        }
        assert!(!format!("{plain:?} {plain}").contains("he%"));
        assert_ne!(plain.hash(), Password::parse("plain:other").unwrap().hash());
        let (most, more) = ("x".repeat(256), "x".repeat(257));
        assert!(Password::parse(&format!("plain:{most}")).is_some_and(|it| it.is_of(&most)));
        for bad in ["", "a\nb", "\0", &more] {
            assert!(Password::parse(&format!("plain:{bad}")).is_none(), "{bad:?}");
        }
        assert!(Password::parse("Plain:x").is_none());
    }

    #[test]
    fn only_whole_hashes_are_read() {
        let good = Password::new("a", [1; 16], 1_000).to_string();
        let parts: Vec<&str> = good.split('$').collect();
        for text in [
            "",
            "geheim",
            "$",
            "pbkdf2-sha256",
            &good[..good.len() - 1],
            &format!("{good}$"),
            &format!("{good}A"),
            &good.replace("$1000$", "$999$"),
            &good.replace("$1000$", "$10000001$"),
            &good.replace("$1000$", "$-1000$"),
            &good.replace("sha256", "sha512"),
            &good.replace(parts[2], ""),
            &good.replace(parts[2], "AQ=="),
        ] {
            assert!(Password::parse(text).is_none(), "{text}");
        }
    }
}
