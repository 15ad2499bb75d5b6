//! URLs of what this program asks by itself (RFC 3986): plain http alone.

use super::{base64, form};

/// `http://USER:PASSWORD@HOST:PORT/PATH`, of which all but the host may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Host and port as they are written, for the Host field and for messages: no secret is in them.
    pub authority: String,
    /// What is looked up; an IPv6 address without its brackets.
    pub host: String,
    /// The port; 80 where none is written.
    pub port: u16,
    /// The path with the query; empty where there is none.
    pub path: String,
    /// The value of the Authorization field (RFC 7617).
    pub authorization: Option<String>,
}

impl Url {
    /// Reads one; `None` if it is none of these.
    pub fn parse(text: &str) -> Option<Url> {
        let rest = text.strip_prefix("http://")?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return None;
        }
        let (front, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, authority) = match front.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, front),
        };
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok().filter(|port| *port > 0)?),
            _ => (authority, 80),
        };
        // A link-local address may have its interface with it (RFC 6874).
        let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let host = literal.map_or(name.to_string(), |literal| literal.replace("%25", "%"));
        let slash = if path.starts_with('?') { "/" } else { "" };
        let authorization = user.map(|user| {
            let user = if user.contains(':') {
                user.to_string()
            } else {
                format!("{user}:")
            };
            format!(
                "Basic {}",
                base64::encode(&form::decode(user.replace('+', "%2B").as_bytes()))
            )
        });
        (!host.is_empty()).then(|| Url {
            authority: authority.into(),
            host,
            port,
            path: format!("{slash}{path}"),
            authorization,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Url;
    use crate::format::basic;

    #[test]
    fn urls_are_taken_apart() {
        for (text, host, port, path) in [
            ("http://pi", "pi", 80, ""),
            (
                "http://pi:8123/api/webhook/a?b=c:d@e",
                "pi",
                8123,
                "/api/webhook/a?b=c:d@e",
            ),
            ("http://192.0.2.1/", "192.0.2.1", 80, "/"),
            ("http://pi?x", "pi", 80, "/?x"),
            ("http://[::1]:81/x", "::1", 81, "/x"),
            ("http://[fe80::1%25eth0]", "fe80::1%eth0", 80, ""),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((&*url.host, url.port, &*url.path), (host, port, path), "{text}");
            assert_eq!(url.authorization, None, "{text}");
        }
        for (user, name, password) in [
            ("anna:secret", "anna", "secret"),
            ("anna", "anna", ""),
            ("a%40b:c%3ad+e@f", "a@b", "c:d+e@f"),
        ] {
            let url = Url::parse(&format!("http://{user}@pi:81/")).unwrap();
            assert_eq!((&*url.authority, url.port), ("pi:81", 81));
            let field = url.authorization.unwrap();
            assert_eq!(
                basic::parse(&field),
                Some((name.into(), password.into())),
                "{user}"
            );
        }
        for text in [
            "",
            "pi",
            "https://pi/",
            "ftp://pi/",
            "http://",
            "http:///x",
            "http://:80/",
            "http://pi:x/",
            "http://pi:99999/",
            "http://pi:0/",
            "http://pi/#x",
            "http://pi/ x",
            "http://pi/\r\nX: y",
            "http://user@/",
        ] {
            assert_eq!(Url::parse(text), None, "{text:?}");
        }
    }
}
