//! SOAP 1.2 messages, as recorders send them to an ONVIF camera and ask for one by WS-Discovery: what is wanted, by whom, of what.
//! It reads no more of XML than that takes: the names of elements without their prefixes, and no definitions of entities.

use super::{base64, mac};
use sha1_smol::Sha1;

/// Elements may stand in each other so deep.
const DEPTH: usize = 32;

/// What a message says. All of it is text without white space around it, and empty where it is not there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Message {
    /// The name of the first element of the body.
    pub operation: String,
    /// What is asked for, by a token: the last one of the message.
    pub token: String,
    /// Who asks, if it is said.
    pub user: UserToken,
    /// MessageID, for the answer to refer to (WS-Addressing).
    pub id: String,
    /// The types of devices that a Probe is for (WS-Discovery, 5.1), ...
    pub types: String,
    /// ... and the scopes that they are to have.
    pub scopes: String,
    /// The device that a Resolve is for (WS-Discovery, 6.1).
    pub address: String,
}

/// The name and password of a message (WS-Security UsernameToken Profile 1.0).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct UserToken {
    /// The name; without one there is no token.
    pub name: String,
    /// The password, or its digest.
    pub password: String,
    /// Whether it is a digest.
    pub is_digest: bool,
    /// In base64.
    pub nonce: String,
    /// When the digest was made, as it is written.
    pub created: String,
}

impl UserToken {
    /// True if it is the digest of this password.
    pub fn is_digest_of(&self, password: &str) -> bool {
        let Some(nonce) = base64::decode(&self.nonce) else {
            return false;
        };
        let mut sha1 = Sha1::from(nonce);
        sha1.update(self.created.as_bytes());
        sha1.update(password.as_bytes());
        let digest = base64::encode(&sha1.digest().bytes());
        mac::is_same(digest.as_bytes(), self.password.as_bytes())
    }
}

/// Reads a message; `None` if it is no XML as messages have it.
pub fn read(bytes: &[u8]) -> Option<Message> {
    let mut rest = std::str::from_utf8(bytes).ok()?;
    let mut message = Message::default();
    let mut open: Vec<&str> = Vec::new();
    let mut text = String::new();
    while let Some((before, tag)) = rest.split_once('<') {
        unescape(before, &mut text)?;
        if let Some(comment) = tag.strip_prefix("!--") {
            (_, rest) = comment.split_once("-->")?;
            continue;
        }
        if let Some(data) = tag.strip_prefix("![CDATA[") {
            let (data, after) = data.split_once("]]>")?;
            text.push_str(data);
            rest = after;
            continue;
        }
        let end = end_of_tag(tag)?;
        let (tag, after) = (&tag[..end], &tag[end + 1..]);
        rest = after;
        if tag.starts_with('?') {
            continue;
        }
        let words = tag.trim_start_matches('/').trim_end_matches('/');
        let name = words.split_ascii_whitespace().next()?;
        // Among others what begins with `!`: a definition.
        if name.contains(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !":_-.".contains(c)) {
            return None;
        }
        if !tag.starts_with('/') {
            match (open.last().map_or("", |parent| local(parent)), local(name)) {
                ("Body", name) if message.operation.is_empty() => message.operation = name.into(),
                ("UsernameToken", "Password") => message.user.is_digest = words.contains("PasswordDigest"),
                _ => {}
            }
            if open.len() == DEPTH {
                return None;
            }
            open.push(name);
            text.clear();
        }
        if tag.starts_with('/') || tag.ends_with('/') {
            if open.pop()? != name {
                return None;
            }
            let parent = open.last().map_or("", |parent| local(parent));
            message.take(parent, local(name), text.trim());
            text.clear();
        }
    }
    (open.is_empty() && !message.operation.is_empty()).then_some(message)
}

impl Message {
    /// Takes over what an element says.
    fn take(&mut self, parent: &str, name: &str, text: &str) {
        let user = &mut self.user;
        let field = match (parent, name) {
            ("UsernameToken", "Username") => &mut user.name,
            ("UsernameToken", "Password") => &mut user.password,
            ("UsernameToken", "Nonce") => &mut user.nonce,
            ("UsernameToken", "Created") => &mut user.created,
            ("EndpointReference", "Address") => &mut self.address,
            ("Probe", "Types") => &mut self.types,
            ("Probe", "Scopes") => &mut self.scopes,
            (_, "MessageID") => &mut self.id,
            _ if name.ends_with("Token") && !text.is_empty() => &mut self.token,
            _ => return,
        };
        *field = text.into();
    }
}

/// A name without its prefix.
pub fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or_default()
}

/// Where a tag ends, which may have `>` in its attributes.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    tag.find(|c| {
        if quote.is_none() && (c == '"' || c == '\'') {
            quote = Some(c);
        } else if quote == Some(c) {
            quote = None;
        }
        quote.is_none() && c == '>'
    })
}

/// Adds a text, whose references to characters are replaced, to another one; `None` for a reference that there is not.
fn unescape(text: &str, to: &mut String) -> Option<()> {
    let mut parts = text.split('&');
    to.push_str(parts.next()?);
    for part in parts {
        let (name, rest) = part.split_once(';')?;
        to.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let digits = name.strip_prefix('#')?;
                let code = match digits.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => digits.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        });
        to.push_str(rest);
    }
    Some(())
}

/// A text as it may stand in XML.
pub fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// A text with values in its holes, one hole after the other, so that a value may have holes that come later.
pub fn fill(text: &str, holes: &[(&str, &str)]) -> String {
    let filled = text.to_string();
    holes
        .iter()
        .fold(filled, |text, (hole, value)| text.replace(hole, value))
}

/// What must hold whatever the bytes are; for fuzzing and for tests.
pub mod laws {
    use super::{escape, local, read};

    /// What is read of a message is read of another one that says the same.
    pub fn soap(data: &[u8]) {
        let Some(message) = read(data) else { return };
        let user = &message.user;
        let element = |name: &str, text: &str| match text {
            "" => format!("<x:{name} />"),
            _ => format!(
                "<x:{name}\n>\t<!-- > -->{}<![CDATA[\n]]></x:{name}>",
                escape(text)
            ),
        };
        let kind = if user.is_digest {
            "PasswordDigest"
        } else {
            "PasswordText"
        };
        let password = format!("<Password Type='>#{kind}'>{}</Password>", escape(&user.password));
        let header = [
            element("Username", &user.name),
            password,
            element("Nonce", &user.nonce),
            element("Created", &user.created),
        ];
        let header = format!("<UsernameToken>{}</UsernameToken>", header.concat());
        let endpoint = format!(
            "<EndpointReference>{}</EndpointReference>",
            element("Address", &message.address)
        );
        let probe = element("Types", &message.types) + &element("Scopes", &message.scopes);
        let others = element("MessageID", &message.id) + &element("ProfileToken", &message.token);
        let operation = &message.operation;
        assert_eq!(local(operation), operation);
        let written = format!(
            "<?xml version=\"1.0\"?><Envelope><s:Body><{operation}/></s:Body>\
             <Header>{header}{endpoint}<Probe>{probe}</Probe>{others}</Header></Envelope>"
        );
        assert_eq!(read(written.as_bytes()).as_ref(), Some(&message), "{written}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_its_prefixes_a_message_is_read() {
        let message = read(
            b"\n<?xml version='1.0' encoding='utf-8'?>\n<soap-env:Envelope xmlns:soap-env=\"a>b\">\n<soap-env:Header>\
              <w:Security><w:Timestamp><u:Created>never</u:Created></w:Timestamp><w:UsernameToken><w:Username> &#97;nn&#x61;\n\
              </w:Username><w:Password Type=\"http://x#PasswordDigest\">dGVzdA==</w:Password><w:Nonce E=''>bm9u</w:Nonce>\
              <u:Created>2026-11-29T12:00:00Z</u:Created></w:UsernameToken></w:Security>\n<a:ReplyTo><a:Address>not it\
              </a:Address></a:ReplyTo></soap-env:Header><soap-env:Body><!-- <x> --><ns0:GetStreamUri xmlns:ns0='m'><ns0:StreamSetup/>\
              <ns0:ProfileToken><![CDATA[<a&b>]]></ns0:ProfileToken></ns0:GetStreamUri></soap-env:Body></soap-env:Envelope>\n",
        );
        let user = UserToken {
            name: "anna".into(),
            password: "dGVzdA==".into(),
            is_digest: true,
            nonce: "bm9u".into(),
            created: "2026-11-29T12:00:00Z".into(),
        };
        let expected = Message {
            operation: "GetStreamUri".into(),
            token: "<a&b>".into(),
            user,
            ..Message::default()
        };
        assert_eq!(message, Some(expected));
    }

    #[test]
    fn a_probe_is_read() {
        let message = read(
            b"<E><H><a:MessageID>uuid:1</a:MessageID></H><s:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types>\
              <d:Scopes /></d:Probe></s:Body></E>",
        );
        let expected = Message {
            operation: "Probe".into(),
            id: "uuid:1".into(),
            types: "dn:NetworkVideoTransmitter".into(),
            ..Message::default()
        };
        assert_eq!(message, Some(expected));
        let message = read(
            b"<E><Body><Resolve><EndpointReference><Address>urn:uuid:2</Address></EndpointReference></Resolve></Body></E>",
        );
        assert_eq!(message.unwrap().address, "urn:uuid:2");
    }

    #[test]
    fn what_is_no_message_is_none() {
        let deep = "<a>".repeat(DEPTH) + "<Body><b/></Body>";
        for text in [
            "",
            "{}",
            "<Body></Body>",
            "<Body><a></Body>",
            "<Body><a/>",
            "<Body><a/></Body></a>",
            "<a:Body><a/></b:Body>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><Body><a/></Body>",
            "<Body><a>&b;</a></Body>",
            "<Body><a>&#xd800;</a></Body>",
            "<Body><a>&amp</a></Body>",
            "<Body><a b='></Body>",
            "<Body><a/><!-- </Body>",
            "<Body><a/><![CDATA[</Body>",
            "<Body><></></Body>",
            &deep,
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read(b"<Body><a/>\xff</Body>"), None);
    }

    /// By Python's hashlib.
    #[test]
    fn a_digest_knows_its_password() {
        let mut token = UserToken {
            password: "fWXCaByUpMlnSuAV37ZpBERz2BQ=".into(),
            nonce: "WScqanjCEAC4mQoBE07sAQ==".into(),
            created: "2003-07-16T01:24:32Z".into(),
            ..UserToken::default()
        };
        assert!(token.is_digest_of("secret"));
        assert!(!token.is_digest_of("Secret"));
        token.created.push('0');
        assert!(!token.is_digest_of("secret"));
        token.nonce = "?".into();
        assert!(!token.is_digest_of("secret"));
    }

    #[test]
    fn texts_are_escaped_and_filled() {
        assert_eq!(escape("<a b=\"&\">"), "&lt;a b=&quot;&amp;&quot;&gt;");
        assert_eq!(fill("{a}{b}{a}", &[("{a}", "<{b}>"), ("{b}", "c")]), "<c>c<c>");
    }
}
