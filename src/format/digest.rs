//! The Digest scheme of HTTP and RTSP with MD5 (RFC 2617, 3.2.2; RFC 7616): an Authorization field that proves a password
//! without having it in it.

use super::{mac, md5};

/// What a field says.
#[derive(Debug, Clone, Copy)]
pub struct Digest<'a>(&'a str);

impl<'a> Digest<'a> {
    /// That of a field's value; `None` if it is of another scheme or another algorithm.
    pub fn parse(value: &'a str) -> Option<Digest<'a>> {
        let (scheme, fields) = value.split_once(' ')?;
        let digest = Digest(fields);
        let is_md5 = ["", "MD5"]
            .iter()
            .any(|it| digest.field("algorithm").eq_ignore_ascii_case(it));
        (scheme.eq_ignore_ascii_case("Digest") && is_md5).then_some(digest)
    }

    /// The user's name.
    pub fn user(&self) -> &'a str {
        self.field("username")
    }

    /// The nonce that it answers.
    pub fn nonce(&self) -> &'a str {
        self.field("nonce")
    }

    /// True if it was made with this password for a request of this method. The address in it is the one that was asked for, in
    /// one of several forms; so it is not compared with the request's.
    pub fn is_of(&self, password: &str, method: &str) -> bool {
        let field = |name| self.field(name);
        let secret = md5::hex(&format!("{}:{}:{password}", self.user(), field("realm")));
        let request = md5::hex(&format!("{method}:{}", field("uri")));
        let count = match field("qop") {
            "" => String::new(),
            qop => format!("{}:{}:{qop}:", field("nc"), field("cnonce")),
        };
        let response = md5::hex(&format!("{secret}:{}:{count}{request}", self.nonce()));
        mac::is_same(response.as_bytes(), field("response").as_bytes())
    }

    /// The value of a field in it, without quotation marks; empty if there is none.
    fn field(&self, name: &str) -> &'a str {
        let mut rest = self.0;
        while let Some((its_name, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let (value, behind) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => after.split_once(',').unwrap_or((after, "")),
            };
            if its_name.trim_matches([',', ' ', '\t']).eq_ignore_ascii_case(name) {
                return value.trim();
            }
            rest = behind;
        }
        ""
    }
}

/// What must hold whatever the bytes are; for fuzzing and for tests.
pub mod laws {
    use super::{Digest, md5};

    /// No text is a digest of a password that it was not made with; and what was made with one is known, whatever else stands
    /// around it.
    pub fn digest(data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        if let Some(digest) = Digest::parse(text) {
            assert!(!digest.is_of("a password", "DESCRIBE"));
        }
        let uri: String = text.chars().filter(|c| *c != '"').collect();
        let uri = uri.trim();
        let secret = md5::hex("anna:a:a password");
        let request = md5::hex(&format!("PLAY:{uri}"));
        let response = md5::hex(&format!("{secret}:n:{request}"));
        let made = format!(
            "digest  uri=\"{uri}\", Realm=\"a\",nonce = n , response={response}, opaque=\"\", username=\"anna\""
        );
        let digest = Digest::parse(&made);
        let is_of =
            |password, method| digest.is_some_and(|it| it.user() == "anna" && it.is_of(password, method));
        assert!(is_of("a password", "PLAY"), "{made}");
        assert!(!is_of("a password", "SETUP") && !is_of("a passwords", "PLAY"));
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    /// RFC 2617, 3.5; and the same without qop, by Python's hashlib.
    #[test]
    fn vectors() {
        let with_qop = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
            nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, nc=00000001, \
            cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", \
            opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let without = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
            nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", algorithm=md5, \
            response=\"670fd8c2df070c60b045671b8b24ff02\"";
        for text in [with_qop, without] {
            let digest = Digest::parse(text).unwrap();
            assert_eq!(digest.user(), "Mufasa");
            assert_eq!(digest.nonce(), "dcd98b7102dd2f0e8b11d0f600bfb0c093");
            assert!(digest.is_of("Circle Of Life", "GET"), "{text}");
            assert!(!digest.is_of("Circle of Life", "GET") && !digest.is_of("Circle Of Life", "HEAD"));
        }
        for text in [
            "",
            "Digest",
            "Basic Og==",
            "Digest algorithm=SHA-256",
            "Digest algorithm=\"MD5-sess\"",
        ] {
            assert!(Digest::parse(text).is_none(), "{text}");
        }
        let empty = Digest::parse("Digest x").unwrap();
        assert!(empty.user().is_empty() && !empty.is_of("", ""));
    }
}
