//! The decision that each request begins with: who asks, and what is allowed to them.

use super::guesses::Guesses;
use super::keys::{KEY_BYTES, Keys, new_key};
use super::link::Link;
use super::session;
use crate::config::{self, Rights, Role, User};
use crate::error::Result;
use crate::format::digest::Digest;
use crate::format::password::{MAX_PASSWORD_BYTES, Password};
use crate::format::soap::UserToken;
use crate::format::{base64, basic, mac, time};
use crate::log_warning;
use crate::sys::clock;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A password that waits its turn to be hashed is turned away after this long.
const HASH_WAIT: Duration = Duration::from_secs(2);
/// As many passwords of one address may wait at once: a browser asks for that many things.
const WAITING_OF_ONE: usize = 8;
/// As many may wait in all.
const WAITING: usize = 32;
/// So many good Authorization fields are remembered.
const REMEMBERED: usize = 64;
/// The clock that a SOAP message's digest was made by may be so wrong, in seconds, unless ours is.
const DIGEST_SECONDS: u64 = 300;
/// This program was written after that moment (Unix time): a clock that says otherwise can't be believed.
const BUILT: u64 = 1_767_225_600;

/// The challenge of a digest can be answered for so long, in seconds. Some clients keep the first one, and do not ask again.
const NONCE_S: u64 = 12 * 3600;

/// What somebody brings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The token of a view link, in front of the path.
    pub link: Option<&'a str>,
    /// The Authorization field.
    pub authorization: Option<&'a str>,
    /// The session's cookie.
    pub session: Option<&'a str>,
    /// The request's method, where a digest is taken, in which it is.
    pub method: Option<&'a str>,
    /// The name and password of a SOAP message.
    pub user_token: Option<&'a UserToken>,
}

/// What somebody may do, and by what it is known.
#[derive(Debug, PartialEq, Eq)]
pub enum Grant {
    /// Nobody has said who asks.
    Anybody(Rights),
    /// Who has this token of a view link.
    Link(String, Rights),
    /// A user, by a password or a session.
    User(User),
}

impl Grant {
    /// What is allowed.
    pub fn rights(&self) -> &Rights {
        match self {
            Grant::Anybody(rights) | Grant::Link(_, rights) => rights,
            Grant::User(user) => &user.rights,
        }
    }

    /// The user's name.
    pub fn user(&self) -> Option<&str> {
        match self {
            Grant::User(user) => Some(&user.name),
            _ => None,
        }
    }
}

/// Why somebody may do nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Nobody has said who asks.
    Unknown,
    /// There is no such user, or the password is another one. The name, for the log.
    Wrong(String),
    /// The password is right, but the challenge that was answered is an old one.
    Stale,
    /// After wrong passwords this address has to wait.
    Wait(Duration),
    /// Too many passwords are being tried.
    Busy,
    /// The link is none, or no longer.
    Link,
}

/// Who may do what, and who has failed. There is one for the life of the program: what changes holds at once for everybody.
pub struct People {
    terms: RwLock<Arc<Terms>>,
    /// Belongs to nobody: a name that there is not takes as long as one that there is.
    nobody: Password,
    /// Signs what is remembered, for this run alone.
    memory_key: [u8; KEY_BYTES],
    state: Mutex<State>,
    turn: Condvar,
}

/// What holds now.
struct Terms {
    config: config::People,
    keys: Keys,
}

#[derive(Default)]
struct State {
    guesses: Guesses,
    /// The codes of good names and passwords, each with its user as it was then.
    remembered: Vec<([u8; mac::MAC_BYTES], User)>,
    /// A password is being hashed: one at a time, as each takes a processor for a while.
    hashing: bool,
    /// The addresses of the passwords that wait for that.
    waiting: Vec<IpAddr>,
}

impl Terms {
    /// What those may do who do not say who they are, if anything.
    fn rights_of_others(&self) -> Option<Rights> {
        let all = self.config.users.is_empty().then(Rights::default);
        self.config.anonymous.clone().or(all)
    }

    fn by_link(&self, token: &str) -> Option<Grant> {
        let link = Link::read(&self.keys.link, token).filter(|link| link.is_open(now()))?;
        let cameras = Some(link.camera).filter(|name| !name.is_empty());
        let rights = Rights {
            role: Role::View,
            cameras: cameras.into_iter().collect(),
        };
        Some(Grant::Link(token.into(), rights))
    }
}

impl People {
    /// Those of the config.
    ///
    /// # Errors
    /// There are no random bytes.
    pub fn new(config: config::People, keys: Keys) -> Result<People> {
        Ok(People {
            terms: RwLock::new(Arc::new(Terms { config, keys })),
            nobody: Password::nobodys(),
            memory_key: new_key()?,
            state: Mutex::default(),
            turn: Condvar::new(),
        })
    }

    /// Has those of another config take their place.
    pub fn change(&self, config: config::People) {
        let mut terms = self.terms.write().unwrap_or_else(PoisonError::into_inner);
        let keys = terms.keys.clone();
        *terms = Arc::new(Terms { config, keys });
    }

    /// True while there are no users: everybody may watch.
    pub fn are_all_welcome(&self) -> bool {
        self.terms().config.users.is_empty()
    }

    /// Decides what is allowed to who asks from this address. What is brought counts, in the order of its certainty: a link
    /// of the address itself, a name with a password, a session.
    ///
    /// # Errors
    /// Why nothing is.
    pub fn admit(&self, credentials: &Credentials<'_>, from: IpAddr) -> std::result::Result<Grant, Denial> {
        let terms = self.terms();
        let users = &terms.config.users;
        if let Some(token) = credentials.link {
            return terms.by_link(token).ok_or(Denial::Link);
        }
        if let Some(field) = credentials.authorization.filter(|_| !users.is_empty()) {
            if let Some((digest, method)) = Digest::parse(field).zip(credentials.method) {
                let user = self.by_plain(users, digest.user(), from, &|plain| digest.is_of(plain, method))?;
                return match self.is_fresh(digest.nonce()) {
                    true => Ok(Grant::User(user.clone())),
                    false => Err(Denial::Stale),
                };
            }
            let (name, password) = basic::parse(field).ok_or(Denial::Unknown)?;
            let user = self.by_password(&terms, &name, &password, from)?;
            return Ok(Grant::User(user.clone()));
        }
        if let Some(token) = credentials.user_token.filter(|_| !users.is_empty()) {
            return self.by_token(&terms, token, from).cloned().map(Grant::User);
        }
        let session = credentials.session;
        let user = session.and_then(|value| session::check(&terms.keys.session, users, value, now()));
        if let Some(user) = user {
            return Ok(Grant::User(user.clone()));
        }
        terms
            .rights_of_others()
            .map(Grant::Anybody)
            .ok_or(Denial::Unknown)
    }

    /// The header line that asks for a digest (RFC 2617, 3.2.1), if there is a user whom it is of use to. Some clients read its fields
    /// in this order alone. `is_stale`: they need not ask their user again.
    pub fn challenge(&self, is_stale: bool) -> String {
        let terms = self.terms();
        let mut users = terms.config.users.iter();
        if users.all(|user| user.password.plain().is_none()) {
            return String::new();
        }
        let nonce = self.nonce(clock::monotonic_us() / 1_000_000 + NONCE_S);
        let stale = if is_stale { ", stale=TRUE" } else { "" };
        format!("WWW-Authenticate: Digest realm=\"fmp4streamer\", nonce=\"{nonce}\"{stale}\r\n")
    }

    /// True if what was allowed is allowed still.
    pub fn still_allows(&self, grant: &Grant) -> bool {
        let terms = self.terms();
        match grant {
            Grant::Anybody(rights) => terms.rights_of_others().as_ref() == Some(rights),
            Grant::Link(token, _) => terms.by_link(token).is_some(),
            Grant::User(user) => terms.config.users.contains(user),
        }
    }

    /// The name of the cookie of sessions: one of this machine's programs does not take another one's.
    pub fn cookie_name(&self) -> String {
        let code = mac::of(&self.terms().keys.session, &[b"cookie"]);
        format!("fmp4streamer_{}", base64::encode_url(&code[..6]))
    }

    /// Begins a session: the value of its cookie.
    ///
    /// # Errors
    /// Why it does not.
    pub fn log_in(&self, name: &str, password: &str, from: IpAddr) -> std::result::Result<String, Denial> {
        let terms = self.terms();
        let user = self.by_password(&terms, name, password, from)?;
        let expiry = clock::unix().as_secs() + session::LIFETIME.as_secs();
        Ok(session::issue(&terms.keys.session, user, expiry))
    }

    /// Makes the token of a link.
    pub fn link(&self, link: &Link) -> String {
        link.token(&self.terms().keys.link)
    }

    /// Ends all links that were made.
    ///
    /// # Errors
    /// There are no random bytes, or the state folder can't be written to.
    pub fn end_links(&self) -> Result<()> {
        let keys = self.terms().keys.with_new_link()?;
        let mut terms = self.terms.write().unwrap_or_else(PoisonError::into_inner);
        let config = terms.config.clone();
        *terms = Arc::new(Terms { config, keys });
        Ok(())
    }

    fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is signed in a challenge, so that nothing has to be kept of it: when it ends, by this machine's clock.
    fn nonce(&self, end_s: u64) -> String {
        let code = mac::of(&self.memory_key, &[b"nonce", &end_s.to_be_bytes()]);
        format!("{end_s}.{}", base64::encode_url(&code[..16]))
    }

    fn is_fresh(&self, nonce: &str) -> bool {
        let end_s = nonce.split('.').next().and_then(|end_s| end_s.parse().ok());
        // All of it, as a number can be written in several ways.
        end_s.is_some_and(|end_s| {
            clock::monotonic_us() / 1_000_000 < end_s
                && mac::is_same(nonce.as_bytes(), self.nonce(end_s).as_bytes())
        })
    }

    /// The user of that name, if `is_right` says so of the password that the config has.
    fn by_plain<'a>(
        &self,
        users: &'a [User],
        name: &str,
        from: IpAddr,
        is_right: &dyn Fn(&str) -> bool,
    ) -> std::result::Result<&'a User, Denial> {
        if let Some(left) = self.lock().guesses.pause(from, Instant::now()) {
            return Err(Denial::Wait(left));
        }
        let user = users.iter().find(|user| user.name == name);
        let plain = user.and_then(|user| user.password.plain());
        // Also for a name that there is not, which takes as long then.
        let right = is_right(plain.unwrap_or_default());
        let user = user.filter(|_| right && plain.is_some());
        // That it is right forgives no guesses: it may be an old one that somebody has overheard.
        if user.is_none() {
            self.lock().guesses.failed(from, Instant::now());
        }
        user.ok_or_else(|| Denial::Wrong(name.into()))
    }

    fn by_password<'a>(
        &self,
        terms: &'a Terms,
        name: &str,
        password: &str,
        from: IpAddr,
    ) -> std::result::Result<&'a User, Denial> {
        let mut users = terms.config.users.iter();
        let user = users.find(|user| user.name == name);
        let code = mac::of(&self.memory_key, &[name.as_bytes(), password.as_bytes()]);
        let known = |state: &State| {
            user.filter(|user| {
                state
                    .remembered
                    .iter()
                    .any(|(known, by)| *known == code && by == *user)
            })
        };
        let state = self.lock();
        if let Some(user) = known(&state) {
            return Ok(user);
        }
        // It takes the lock when it ends: after the guards below.
        let _turn = self.take_turn(state, from)?;
        // While this one waited, another may have been found good, or one too many wrong.
        let state = self.lock();
        if let Some(user) = known(&state) {
            return Ok(user);
        }
        if let Some(left) = state.guesses.pause(from, Instant::now()) {
            return Err(Denial::Wait(left));
        }
        drop(state);
        let hash = user.map_or(&self.nobody, |user| &user.password);
        let right = password.len() <= MAX_PASSWORD_BYTES && hash.is_of(password);

        let mut state = self.lock();
        let Some(user) = user.filter(|_| right) else {
            state.guesses.failed(from, Instant::now());
            return Err(Denial::Wrong(name.into()));
        };
        state.guesses.succeeded(from);
        if state.remembered.len() >= REMEMBERED {
            state.remembered.clear();
        }
        state.remembered.push((code, user.clone()));
        Ok(user)
    }

    /// By a password, or by a digest of one that the config has as it is.
    fn by_token<'a>(
        &self,
        terms: &'a Terms,
        token: &UserToken,
        from: IpAddr,
    ) -> std::result::Result<&'a User, Denial> {
        if !token.is_digest {
            return self.by_password(terms, &token.name, &token.password, from);
        }
        let (users, name) = (&terms.config.users, &token.name);
        let user = self.by_plain(users, name, from, &|plain| token.is_digest_of(plain));
        let is_hashed = |user: &User| user.name == *name && user.password.plain().is_none();
        // Not while the address has to wait: a stranger could fill the log.
        if matches!(user, Err(Denial::Wrong(_))) && users.iter().any(is_hashed) {
            log_warning!(
                "onvif: {name:?} can log in by a digest only where the config has password = plain:PASSWORD"
            );
        }
        let user = user?;
        // What somebody has overheard does not open for long.
        let age_s = time::unix_s(&token.created).map(|created| created.abs_diff(clock::unix().as_secs()));
        if age_s.is_none_or(|age_s| age_s > DIGEST_SECONDS) && clock::is_set() {
            return Err(Denial::Unknown);
        }
        Ok(user)
    }

    /// Waits until no password is being hashed, and says that one is.
    fn take_turn(
        &self,
        mut state: MutexGuard<'_, State>,
        from: IpAddr,
    ) -> std::result::Result<Turn<'_>, Denial> {
        if let Some(left) = state.guesses.pause(from, Instant::now()) {
            return Err(Denial::Wait(left));
        }
        if state.waiting.iter().filter(|it| **it == from).count() >= WAITING_OF_ONE {
            return Err(Denial::Wait(Duration::from_secs(1)));
        }
        if state.waiting.len() >= WAITING {
            return Err(Denial::Busy);
        }
        state.waiting.push(from);
        let waited = self
            .turn
            .wait_timeout_while(state, HASH_WAIT, |state| state.hashing);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = state.waiting.iter().position(|it| *it == from) {
            state.waiting.remove(at);
        }
        if timeout.timed_out() {
            return Err(Denial::Busy);
        }
        state.hashing = true;
        Ok(Turn(self))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to hash a password.
struct Turn<'a>(&'a People);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().hashing = false;
        self.0.turn.notify_all();
    }
}

/// Seconds of Unix time, where the clock can be believed.
fn now() -> Option<u64> {
    believed(clock::unix().as_secs())
}

/// A board without a clock of its own begins in the past.
fn believed(now: u64) -> Option<u64> {
    (now >= BUILT).then_some(now)
}

#[cfg(test)]
mod tests {
    use super::{BUILT, Link, believed, session};
    use crate::config::User;
    use crate::format::password::Password;

    /// What has an end is no link then, as nobody knows whether it has ended; who has logged in stays.
    #[test]
    fn a_clock_before_this_program_says_nothing() {
        let key = [1; 32];
        let link = Link {
            camera: "yard".into(),
            expiry: BUILT + 1000,
        };
        let users = [User {
            name: "anna".into(),
            password: Password::nobodys(),
            rights: Default::default(),
        }];
        let session = session::issue(&key, &users[0], BUILT + 1000);
        for (clock, link_opens, session_holds) in [
            (0, false, true),
            (BUILT - 1, false, true),
            (BUILT, true, true),
            (BUILT + 999, true, true),
            (BUILT + 1000, false, false),
        ] {
            let now = believed(clock);
            assert_eq!(link.is_open(now), link_opens, "{clock}");
            let user = session::check(&key, &users, &session, now);
            assert_eq!(user.is_some(), session_holds, "{clock}");
        }
    }
}
