//! View links: addresses that anybody may watch by who has them, `/t/TOKEN/...`. All relative addresses below inherit the
//! token, which no query and no cookie would give to a playlist's segments or to a picture in another site's page.

use super::keys::KEY_BYTES;
use crate::format::{base64, mac};

/// The form of the token's bytes.
const VERSION: u8 = 1;
/// As much of the code as there is in a token.
const CODE_BYTES: usize = 16;

/// What a link opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The camera's name; empty for all.
    pub camera: String,
    /// The end in seconds of Unix time; 0 for none.
    pub expiry: u64,
}

impl Link {
    /// The token: version, end and camera in base64, a dot, and the code in base64.
    pub fn token(&self, key: &[u8; KEY_BYTES]) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.expiry.to_be_bytes());
        bytes.extend(self.camera.bytes());
        let code = code(key, &bytes);
        format!("{}.{}", base64::encode_url(&bytes), base64::encode_url(&code))
    }

    /// The link of a token, if it is ours. Whether it has ended is another question.
    pub fn read(key: &[u8; KEY_BYTES], token: &str) -> Option<Link> {
        let (bytes, signed) = token.split_once('.')?;
        let bytes = base64::decode_url(bytes)?;
        if !mac::is_same(&base64::decode_url(signed)?, &code(key, &bytes)) {
            return None;
        }
        let (&VERSION, rest) = bytes.split_first()? else {
            return None;
        };
        let (expiry, camera) = rest.split_first_chunk()?;
        Some(Link {
            camera: String::from_utf8(camera.to_vec()).ok()?,
            expiry: u64::from_be_bytes(*expiry),
        })
    }

    /// True if it opens something at this time, in seconds of Unix time; `None` where the clock can't be believed.
    pub fn is_open(&self, now: Option<u64>) -> bool {
        self.expiry == 0 || now.is_some_and(|now| now < self.expiry)
    }
}

fn code(key: &[u8; KEY_BYTES], bytes: &[u8]) -> [u8; CODE_BYTES] {
    let mut code = [0; CODE_BYTES];
    code.copy_from_slice(&mac::of(key, &[b"link", bytes])[..CODE_BYTES]);
    code
}
