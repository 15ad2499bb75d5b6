//! The decision that each request begins with: who asks, and what is allowed to them.

use super::guesses::Guesses;
use super::keys::{KEY_BYTES, Keys};
use super::link::Link;
use super::session;
use crate::config::{self, Rights, Role, User};
use crate::error::Result;
use crate::format::password::{MAX_PASSWORD_BYTES, PasswordHash};
use crate::format::{base64, basic, mac};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A password that waits its turn to be hashed is turned away after this long.
const HASH_WAIT: Duration = Duration::from_secs(2);
/// As many passwords of one address may wait at once: a browser asks for that many things.
const WAITING_OF_ONE: usize = 8;
/// As many may wait in all.
const WAITING: usize = 32;
/// So many good Authorization fields are remembered.
const REMEMBERED: usize = 64;
/// This program was written after that moment (Unix time): a clock that says otherwise can't be believed.
const BUILT: u64 = 1_767_225_600;

/// What somebody brings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The token of a view link, in front of the path.
    pub link: Option<&'a str>,
    /// The Authorization field.
    pub authorization: Option<&'a str>,
    /// The session's cookie.
    pub session: Option<&'a str>,
}

/// How somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Not at all.
    None,
    /// By a view link.
    Link,
    /// By name and password with the request.
    Basic,
    /// By a session.
    Session,
}

/// What somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The user's name.
    pub user: Option<String>,
    /// What is allowed.
    pub rights: Rights,
    /// How we know.
    pub carrier: Carrier,
    /// What it stands on: another password, or a new key of links, ends it.
    proof: [u8; mac::MAC_BYTES],
}

/// Why somebody may do nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Nobody has said who asks.
    Unknown,
    /// There is no such user, or the password is another one. The name, for the log.
    Wrong(String),
    /// After wrong passwords this address has to wait.
    Wait(Duration),
    /// Too many passwords are being tried.
    Busy,
    /// The link is none, or no longer.
    Link,
}

/// Who may do what, and who has failed.
pub struct People {
    config: config::People,
    keys: Mutex<Keys>,
    /// Belongs to nobody: a name that there is not takes as long as one that there is.
    nobody: PasswordHash,
    /// Signs what is remembered, for this run alone.
    memory_key: [u8; KEY_BYTES],
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Default)]
struct State {
    guesses: Guesses,
    /// A good password's code, and the number of its user.
    remembered: HashMap<[u8; mac::MAC_BYTES], usize>,
    /// A password is being hashed: one at a time, as each takes a processor for a while.
    hashing: bool,
    waiting: HashMap<IpAddr, usize>,
}

impl People {
    /// Those of the config.
    ///
    /// # Errors
    /// There are no random bytes.
    pub fn new(config: config::People, keys: Keys) -> Result<People> {
        let unkept = Keys::load(None)?;
        Ok(People {
            config,
            keys: Mutex::new(keys),
            nobody: PasswordHash::nobodys(),
            memory_key: unkept.session,
            state: Mutex::default(),
            turn: Condvar::new(),
        })
    }

    /// The same with those of another config.
    pub fn with(&self, config: config::People) -> People {
        People {
            config,
            keys: Mutex::new(self.keys()),
            nobody: self.nobody.clone(),
            memory_key: self.memory_key,
            state: Mutex::default(),
            turn: Condvar::new(),
        }
    }

    /// True while there are no users: everybody may watch.
    pub fn are_all_welcome(&self) -> bool {
        self.config.users.is_empty()
    }

    /// Decides what is allowed to who asks from this address. What is brought counts, in the order of its certainty: a link
    /// of the address itself, a name with a password, a session.
    ///
    /// # Errors
    /// Why nothing is.
    pub fn admit(&self, credentials: &Credentials<'_>, from: IpAddr) -> std::result::Result<Grant, Denial> {
        if let Some(token) = credentials.link {
            return self.by_link(token).ok_or(Denial::Link);
        }
        if let Some(field) = credentials.authorization.filter(|_| !self.are_all_welcome()) {
            let (name, password) = basic::parse(field).ok_or(Denial::Unknown)?;
            let user = self.by_password(&name, &password, from)?;
            return Ok(self.granted(user, Carrier::Basic));
        }
        let users = &self.config.users;
        let session = credentials.session;
        let session = session.and_then(|value| session::check(&self.keys().session, users, value, now()));
        if let Some(user) = session {
            return Ok(self.granted(user, Carrier::Session));
        }
        Ok(Grant {
            user: None,
            rights: self.rights_of_others().ok_or(Denial::Unknown)?,
            carrier: Carrier::None,
            proof: self.proof(Carrier::None, None),
        })
    }

    /// True if what was allowed is allowed still: these are the people of another config, or have another key of links.
    pub fn still_allows(&self, grant: &Grant) -> bool {
        let user = grant.user.as_ref();
        let user = user.map(|name| self.config.users.iter().find(|user| user.name == *name));
        let rights = match (grant.carrier, user) {
            (Carrier::Link, _) => Some(grant.rights.clone()),
            (_, Some(user)) => user.map(|user| user.rights.clone()),
            (_, None) => self.rights_of_others(),
        };
        rights.as_ref() == Some(&grant.rights) && self.proof(grant.carrier, user.flatten()) == grant.proof
    }

    /// What those may do who do not say who they are, if anything.
    fn rights_of_others(&self) -> Option<Rights> {
        let all = self.are_all_welcome().then(Rights::default);
        self.config.anonymous.clone().or(all)
    }

    /// The name of the cookie of sessions: one of this machine's programs does not take another one's.
    pub fn cookie_name(&self) -> String {
        let code = mac::of(&self.keys().session, &[b"cookie"]);
        format!("fmp4streamer_{}", base64::encode_url(&code[..6]))
    }

    /// Begins a session: the value of its cookie.
    ///
    /// # Errors
    /// Why it does not.
    pub fn log_in(&self, name: &str, password: &str, from: IpAddr) -> std::result::Result<String, Denial> {
        let user = self.by_password(name, password, from)?;
        let now = unix_time();
        Ok(session::issue(
            &self.keys().session,
            user,
            now + session::LIFETIME.as_secs(),
        ))
    }

    /// Makes the token of a link.
    pub fn link(&self, link: &Link) -> String {
        link.token(&self.keys().link)
    }

    /// Ends all links that were made.
    ///
    /// # Errors
    /// There are no random bytes, or the state folder can't be written to.
    pub fn end_links(&self) -> Result<()> {
        let new = self.keys().with_new_link()?;
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn keys(&self) -> Keys {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn granted(&self, user: &User, carrier: Carrier) -> Grant {
        Grant {
            user: Some(user.name.clone()),
            rights: user.rights.clone(),
            carrier,
            proof: self.proof(carrier, Some(user)),
        }
    }

    /// What a grant stands on: the key of links, or the user's password, or nothing.
    fn proof(&self, carrier: Carrier, user: Option<&User>) -> [u8; mac::MAC_BYTES] {
        let keys = self.keys();
        let key = match carrier {
            Carrier::Link => &keys.link,
            _ => &keys.session,
        };
        let password = user.map_or(String::new(), |user| user.password.to_string());
        mac::of(key, &[b"proof", password.as_bytes()])
    }

    fn by_link(&self, token: &str) -> Option<Grant> {
        let link = Link::read(&self.keys().link, token).filter(|link| link.is_open(now()))?;
        let cameras = Some(link.camera).filter(|name| !name.is_empty());
        Some(Grant {
            user: None,
            rights: Rights {
                role: Role::View,
                cameras: cameras.into_iter().collect(),
            },
            carrier: Carrier::Link,
            proof: self.proof(Carrier::Link, None),
        })
    }

    fn by_password(&self, name: &str, password: &str, from: IpAddr) -> std::result::Result<&User, Denial> {
        let users = &self.config.users;
        let code = mac::of(&self.memory_key, &[name.as_bytes(), password.as_bytes()]);
        let known = |state: &State| state.remembered.get(&code).and_then(|at| users.get(*at));
        let state = self.lock();
        if let Some(user) = known(&state) {
            return Ok(user);
        }
        let turn = self.take_turn(state, from)?;
        // While this one waited, another may have been found good, or one too many wrong.
        let state = self.lock();
        let found = known(&state);
        let pause = state.guesses.pause(from, Instant::now());
        drop(state);
        let at = users.iter().position(|user| user.name == name);
        let hash = at
            .and_then(|at| users.get(at))
            .map_or(&self.nobody, |user| &user.password);
        let right = found.is_none()
            && pause.is_none()
            && password.len() <= MAX_PASSWORD_BYTES
            && hash.is_of(password);

        drop(turn);

        let mut state = self.lock();
        match (found, pause, at.filter(|_| right)) {
            (Some(user), ..) => Ok(user),
            (None, Some(left), _) => Err(Denial::Wait(left)),
            (None, None, Some(at)) => {
                state.guesses.succeeded(from);
                if state.remembered.len() >= REMEMBERED {
                    state.remembered.clear();
                }
                state.remembered.insert(code, at);
                users.get(at).ok_or(Denial::Unknown)
            }
            (None, None, None) => {
                state.guesses.failed(from, Instant::now());
                Err(Denial::Wrong(name.into()))
            }
        }
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
        let in_all: usize = state.waiting.values().sum();
        let of_one = state.waiting.get(&from).copied().unwrap_or_default();
        if of_one >= WAITING_OF_ONE {
            return Err(Denial::Wait(Duration::from_secs(1)));
        }
        if in_all >= WAITING {
            return Err(Denial::Busy);
        }
        state.waiting.insert(from, of_one + 1);
        let waited = self
            .turn
            .wait_timeout_while(state, HASH_WAIT, |state| state.hashing);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.waiting.get_mut(&from) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = state.waiting.remove(&from),
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

/// Seconds of Unix time.
fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The same, where the clock can be believed: a board without one of its own begins in the past.
fn now() -> Option<u64> {
    Some(unix_time()).filter(|now| *now >= BUILT)
}
