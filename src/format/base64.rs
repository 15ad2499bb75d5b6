//! Base64 (RFC 4648): with padding (4), and without it in the alphabet for addresses (5).

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bytes in base64, with padding.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            text.push(match digit <= group.len() {
                true => char::from(DIGITS[bits >> (18 - 6 * digit) & 63]),
                false => '=',
            });
        }
    }
    text
}

/// The bytes in the alphabet that needs no escapes in addresses and cookies, without padding.
pub fn encode_url(bytes: &[u8]) -> String {
    let text = encode(bytes);
    let text = text.trim_end_matches('=');
    text.replace('+', "-").replace('/', "_")
}

/// The bytes of a text as [`encode`] makes it; `None` for all else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let padding = text.bytes().rev().take_while(|digit| *digit == b'=').count();
    let whole = text.len() % 4 == 0 && padding <= 2;
    digits(text.get(..text.len() - padding).filter(|_| whole)?)
}

/// The bytes of a text as [`encode_url`] makes it; `None` for all else.
pub fn decode_url(text: &str) -> Option<Vec<u8>> {
    if text.contains(['+', '/']) {
        return None;
    }
    digits(&text.replace('-', "+").replace('_', "/"))
}

fn digits(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for digit in group {
            bits = bits << 6 | value(*digit)?;
        }
        // One digit alone is less than a byte; of two and three the lowest bits belong to none, and are 0.
        let (count, rest) = match group.len() {
            4 => (3, 0),
            3 => (2, 2),
            2 => (1, 4),
            _ => return None,
        };
        if bits & ((1 << rest) - 1) != 0 {
            return None;
        }
        let [_, all @ ..] = (bits >> rest << (8 * (3 - count))).to_be_bytes();
        bytes.extend(all.iter().take(count));
    }
    Some(bytes)
}

/// A digit's six bits.
fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_url, encode, encode_url};

    /// RFC 4648, 10.
    #[test]
    fn vectors() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), coded);
            assert_eq!(decode(coded).unwrap(), plain.as_bytes());
            let bare = coded.trim_end_matches('=');
            assert_eq!(decode_url(bare).unwrap(), plain.as_bytes());
            assert_eq!(decode(bare).is_some(), bare == coded, "{bare}");
        }
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..all.len() {
            let bytes = &all[length..];
            assert_eq!(decode(&encode(bytes)).unwrap(), bytes);
            assert_eq!(decode_url(&encode_url(bytes)).unwrap(), bytes);
        }
    }

    /// One text for each sequence of bytes: a token can't be written in another way.
    #[test]
    fn what_is_not_made_is_not_read() {
        for text in [
            "Z", "Zg=", "Zg===", "=", "====", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm 8", "Zm8\n", "Zm-_", "Zm9vé",
        ] {
            assert_eq!(decode(text), None, "{text:?}");
        }
        for text in ["Zg==", "+/+/", "Zh", "Z"] {
            assert_eq!(decode_url(text), None, "{text:?}");
        }
    }
}
