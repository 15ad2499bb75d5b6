//! Forms as browsers send them: application/x-www-form-urlencoded (URL Standard, 5).

/// The value of the first field of that name; `None` if there is none, or it is not UTF-8.
pub fn field(form: &[u8], name: &str) -> Option<String> {
    let mut pairs = form.split(|byte| *byte == b'&').map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at(at);
        (name, value.get(1..).unwrap_or_default())
    });
    let (_, value) = pairs.find(|(found, _)| decode(found) == name.as_bytes())?;
    String::from_utf8(decode(value)).ok()
}

/// Undoes the escapes. What is none stays as it is.
pub(super) fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let escaped = after
            .first_chunk()
            .filter(|_| *byte == b'%')
            .and_then(|[high, low]| {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                Some((digit(*high)? << 4 | digit(*low)?) as u8)
            });
        if escaped.is_some() {
            rest = rest.get(2..).unwrap_or_default();
        }
        plain.push(match (escaped, byte) {
            (Some(byte), _) => byte,
            (None, b'+') => b' ',
            (None, byte) => *byte,
        });
    }
    plain
}

/// What must hold whatever the bytes are; for fuzzing and for tests.
pub mod laws {
    use super::field;

    /// Any text comes through, be all of it escaped or what has to be; and what stands behind a field does not change it.
    pub fn form(data: &[u8]) {
        let escaped = |keep: fn(u8) -> bool| -> String {
            let escape = |byte: &u8| match *byte {
                byte if keep(byte) => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            };
            data.iter().map(escape).collect()
        };
        let text = String::from_utf8(data.to_vec()).ok();
        let few = escaped(|byte| byte.is_ascii_alphanumeric() || byte == b' ').replace(' ', "+");
        for value in [escaped(|_| false), few] {
            let form = [b"a=b&user=", value.as_bytes(), b"&user=x&", data].concat();
            assert_eq!(field(&form, "user"), text);
        }
        // As a name, too.
        if let Some(name) = &text {
            let form = format!("{}=value", escaped(|_| false));
            assert_eq!(field(form.as_bytes(), name).as_deref(), Some("value"));
        }
        // Alone it is a form of some kind.
        let first = field(data, "user");
        assert!(first.is_none_or(|value| value.len() <= data.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_are_found_and_read() {
        let form = b"user=anna+b&password=a%26b%3Dc%2B%c3%A4&empty=&flag&user=second&%75mlaut=1";
        for (name, value) in [
            ("user", "anna b"),
            ("password", "a&b=c+ä"),
            ("empty", ""),
            ("flag", ""),
            ("umlaut", "1"),
        ] {
            assert_eq!(field(form, name).unwrap(), value);
        }
        assert_eq!(field(form, "none"), None);
        assert_eq!(field(b"", "user"), None);
        assert_eq!(field(b"user=%ff", "user"), None);
        assert_eq!(field(b"user=%&a=%4", "user").unwrap(), "%");
        assert_eq!(field(b"user=%&a=%4", "a").unwrap(), "%4");
        assert_eq!(field(b"a=%zz", "a").unwrap(), "%zz");
    }
}
