//! What must hold whatever the bytes are; for fuzzing and for tests.

use super::keys::KEY_BYTES;
use super::link::Link;
use super::session;
use crate::config::{Rights, User};
use crate::format::password::Password;

/// Of a link and of a session, made of `data`: what is made is read as what it was made of, under its own key alone, and not
/// with a bit changed; and no other text is read as one, `data` included.
pub fn token(data: &[u8]) {
    let Some((&[place, bit, key, expiry @ ..], rest)) = data.split_first_chunk::<11>() else {
        return;
    };
    let key = [key; KEY_BYTES];
    let other = key.map(|byte| !byte);
    let expiry = u64::from_be_bytes(expiry);
    let name = String::from_utf8_lossy(rest).into_owned();
    let changed = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        let at = usize::from(place) % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
        // What is no text does not come to it.
        String::from_utf8(bytes).ok()
    };

    let link = Link {
        camera: name.clone(),
        expiry,
    };
    let token = link.token(&key);
    assert!(!token.contains('/'));
    assert_eq!(Link::read(&key, &token), Some(link));
    assert_eq!(Link::read(&other, &token), None);
    assert_eq!(changed(&token).and_then(|text| Link::read(&key, &text)), None);

    let users = [User {
        name: name.clone(),
        password: Password::nobodys(),
        rights: Rights::default(),
    }];
    let value = session::issue(&key, &users[0], expiry);
    assert!(!value.contains([';', ',', ' ', '"']));
    assert_eq!(session::check(&key, &users, &value, None), Some(&users[0]));
    if let Some(before) = expiry.checked_sub(1) {
        assert_eq!(
            session::check(&key, &users, &value, Some(before)),
            Some(&users[0])
        );
    }
    assert_eq!(session::check(&key, &users, &value, Some(expiry)), None);
    assert_eq!(session::check(&other, &users, &value, None), None);
    let changed = changed(&value);
    assert_eq!(
        changed.and_then(|text| session::check(&key, &users, &text, None)),
        None
    );

    // A number can be written in many ways, and is a session in one.
    for front in ["0", "+", " "] {
        let text = format!("{front}{value}");
        assert_eq!(session::check(&key, &users, &text, None), None);
    }
    assert_eq!(Link::read(&key, &name), None);
    assert_eq!(session::check(&key, &users, &name, None), None);
}
