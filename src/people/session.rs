//! Sessions: what the cookie of somebody who logged in says, and how it is known to be ours. Nothing is kept of them here, so
//! that they outlive the program; a new password ends them.

use super::keys::KEY_BYTES;
use crate::config::User;
use crate::format::{base64, mac};
use std::time::Duration;

/// A session ends this long after the login.
pub const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// The cookie's value for `user` until `expiry`, in seconds of Unix time: `EXPIRY.NAME.CODE`, the name and the code in base64.
pub fn issue(key: &[u8; KEY_BYTES], user: &User, expiry: u64) -> String {
    let code = code(key, user, expiry);
    let (name, code) = (
        base64::encode_url(user.name.as_bytes()),
        base64::encode_url(&code),
    );
    format!("{expiry}.{name}.{code}")
}

/// The one of `users` whose cookie this is. `now`: seconds of Unix time, or `None` where the clock can't be believed, and
/// every session is as good as it was.
pub fn check<'a>(
    key: &[u8; KEY_BYTES],
    users: &'a [User],
    value: &str,
    now: Option<u64>,
) -> Option<&'a User> {
    let mut parts = value.split('.');
    let (expiry, name) = (parts.next()?.parse().ok()?, base64::decode_url(parts.next()?)?);
    let user = users.iter().find(|user| user.name.as_bytes() == name)?;
    // All of it, as a number can be written in several ways.
    let good = mac::is_same(value.as_bytes(), issue(key, user, expiry).as_bytes());
    (good && now.is_none_or(|now| now < expiry)).then_some(user)
}

fn code(key: &[u8; KEY_BYTES], user: &User, expiry: u64) -> [u8; mac::MAC_BYTES] {
    mac::of(
        key,
        &[
            b"session",
            user.name.as_bytes(),
            user.password.hash(),
            &expiry.to_be_bytes(),
        ],
    )
}
