//! The Basic scheme of HTTP (RFC 7617): a name and a password in an Authorization field.

use super::base64;

/// Name and password of a field's value; `None` if it is of another scheme, or not as the scheme asks.
pub fn parse(value: &str) -> Option<(String, String)> {
    let (scheme, coded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let text = String::from_utf8(base64::decode(coded.trim())?).ok()?;
    let (name, password) = text.split_once(':')?;
    // RFC 7617, 2: neither may have control characters.
    (!text.contains(char::is_control)).then(|| (name.into(), password.into()))
}

/// What must hold whatever the bytes are; for fuzzing and for tests.
pub mod laws {
    use super::{base64, parse};

    /// What is read of a field is what the same name and password, written anew, are read as; and whatever may be a name and
    /// a password comes through.
    pub fn basic(data: &[u8]) {
        let again = |name: &str, password: &str| {
            let text = format!("{name}:{password}");
            parse(&format!("Basic {}", base64::encode(text.as_bytes())))
        };
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        if let Some((name, password)) = parse(text) {
            assert!(!name.contains(':') && !format!("{name}{password}").contains(char::is_control));
            assert_eq!(again(&name, &password), Some((name, password)));
        }
        let (name, password) = text.split_once(':').unwrap_or((text, ""));
        let allowed = !text.contains(char::is_control);
        let expected = allowed.then(|| (name.into(), password.into()));
        assert_eq!(again(name, password), expected);
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::format::base64;

    #[test]
    fn names_and_passwords_are_found() {
        let field = |text: &str| format!("Basic {}", base64::encode(text.as_bytes()));
        // RFC 7617, 2 and 2.1.
        let vectors = [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"),
            ("Basic dGVzdDoxMjPCow==", "test", "123£"),
            ("bAsIc  Og==", "", ""),
        ];
        for (value, name, password) in vectors {
            assert_eq!(parse(value).unwrap(), (name.into(), password.into()), "{value}");
        }
        let colon = parse(&field("a:b:c")).unwrap();
        assert_eq!(colon, ("a".into(), "b:c".into()));
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Basic Og",
            "Basic Og=",
            "Bearer Og==",
            "Basic !!!!",
            &field("no colon"),
            &field("a:b\nc"),
            "Basic //8=",
            "Basic Og==,Basic Og==",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
