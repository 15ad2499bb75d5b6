use super::keys::Keys;
use super::link::Link;
use super::registry::{Credentials, Denial, Grant, People};
use super::session;
use crate::config::{self, Rights, Role, User};
use crate::format::password::Password;
use crate::format::soap::UserToken;
use crate::format::time::UtcDate;
use crate::format::{base64, md5};
use crate::sys::clock;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;

const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn user(name: &str, password: &str, role: Role) -> User {
    User {
        name: name.into(),
        password: Password::new(password, [7; 16], 1_000),
        rights: Rights {
            role,
            cameras: Vec::new(),
        },
    }
}

fn config() -> config::People {
    config::People {
        users: vec![
            user("anna", "secret:a", Role::Admin),
            user("ben", "geheim", Role::View),
        ],
        anonymous: None,
    }
}

fn people(config: config::People) -> People {
    People::new(config, Keys::load(None).unwrap()).unwrap()
}

fn basic(name: &str, password: &str) -> String {
    format!(
        "Basic {}",
        base64::encode(format!("{name}:{password}").as_bytes())
    )
}

fn by_basic(people: &People, field: &str) -> Result<Option<String>, Denial> {
    let credentials = Credentials {
        authorization: Some(field),
        ..Credentials::default()
    };
    people
        .admit(&credentials, FROM)
        .map(|grant| grant.user().map(str::to_string))
}

#[test]
fn without_users_all_may_watch() {
    let people = people(config::People::default());
    let credentials = Credentials {
        authorization: Some("Basic nonsense"),
        session: Some("1.2.3"),
        ..Credentials::default()
    };
    let grant = people.admit(&credentials, FROM).unwrap();
    assert_eq!(grant, Grant::Anybody(Rights::default()));
}

/// Of somebody whose clock is so many seconds ahead or behind.
fn by_digest(people: &People, password: &str, ahead_s: i64) -> Result<Grant, Denial> {
    let created = clock::unix().as_secs().saturating_add_signed(ahead_s);
    let mut token = UserToken {
        name: "cora".into(),
        is_digest: true,
        created: UtcDate(1000 * created).to_string(),
        ..UserToken::default()
    };
    let mut sha1 = sha1_smol::Sha1::from(&token.created);
    sha1.update(password.as_bytes());
    token.password = base64::encode(&sha1.digest().bytes());
    let credentials = Credentials {
        user_token: Some(&token),
        ..Credentials::default()
    };
    people.admit(&credentials, FROM)
}

#[test]
fn a_digest_is_of_its_time() {
    let mut config = config();
    let mut cora = user("cora", "", Role::View);
    cora.password = Password::parse("plain:gar sonst").unwrap();
    config.users.push(cora);
    let people = people(config);
    let is_right =
        |ahead_s| by_digest(&people, "gar sonst", ahead_s).map(|grant| grant.user() == Some("cora"));
    for ahead_s in [0, -250, 250] {
        assert_eq!(is_right(ahead_s), Ok(true), "{ahead_s}");
    }
    // A clock that is wrong itself can't say so.
    let late = if clock::is_set() {
        Err(Denial::Unknown)
    } else {
        Ok(true)
    };
    for ahead_s in [-350, 350] {
        assert_eq!(is_right(ahead_s), late, "{ahead_s}");
    }
    for _ in 0..5 {
        assert_eq!(
            by_digest(&people, "gar Sonst", 0),
            Err(Denial::Wrong("cora".into()))
        );
    }
    assert!(matches!(is_right(0), Err(Denial::Wait(_))));
}

#[test]
fn who_says_nothing_gets_what_all_others_get() {
    let nothing = Credentials::default();
    let mut config = config();
    assert_eq!(people(config.clone()).admit(&nothing, FROM), Err(Denial::Unknown));
    config.anonymous = Some(Rights::default());
    let people = people(config);
    assert_eq!(people.admit(&nothing, FROM).unwrap().rights().role, Role::View);
    // A wrong password is not taken for none.
    assert_eq!(
        by_basic(&people, &basic("anna", "x")),
        Err(Denial::Wrong("anna".into()))
    );
}

#[test]
fn a_password_is_right_or_wrong() {
    let people = people(config());
    assert_eq!(
        by_basic(&people, &basic("anna", "secret:a")),
        Ok(Some("anna".into()))
    );
    assert_eq!(by_basic(&people, &basic("ben", "geheim")), Ok(Some("ben".into())));
    for (name, password) in [
        ("ben", "secret:a"),
        ("Anna", "secret:a"),
        ("", ""),
        ("carl", "geheim"),
    ] {
        assert_eq!(
            by_basic(&people, &basic(name, password)),
            Err(Denial::Wrong(name.into()))
        );
    }
    assert_eq!(by_basic(&people, "Digest x"), Err(Denial::Unknown));
}

#[test]
fn guessing_is_stopped_and_users_go_on() {
    let people = people(config());
    assert!(by_basic(&people, &basic("anna", "secret:a")).is_ok());
    let mut outcomes = (0..9).map(|guess| by_basic(&people, &basic("ben", &guess.to_string())));
    assert!(
        outcomes
            .by_ref()
            .take(5)
            .all(|outcome| matches!(outcome, Err(Denial::Wrong(_))))
    );
    assert!(outcomes.all(|outcome| matches!(outcome, Err(Denial::Wait(_)))));
    // From there even a right one waits, but not one that is known, a session, or another place.
    assert!(matches!(
        by_basic(&people, &basic("ben", "geheim")),
        Err(Denial::Wait(_))
    ));
    assert!(by_basic(&people, &basic("anna", "secret:a")).is_ok());
    let elsewhere = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let session = people.log_in("ben", "geheim", elsewhere).unwrap();
    let credentials = Credentials {
        session: Some(&session),
        ..Credentials::default()
    };
    assert_eq!(people.admit(&credentials, FROM).unwrap().user().unwrap(), "ben");
}

#[test]
fn many_who_come_at_once_are_all_answered() {
    let people = people(config());
    thread::scope(|scope| {
        let ask = |number: usize| {
            let people = &people;
            let field = match number % 2 {
                0 => basic("anna", "secret:a"),
                _ => basic("ben", "geheim"),
            };
            scope.spawn(move || by_basic(people, &field).is_ok())
        };
        // As many as a browser asks at once.
        let threads: Vec<_> = (0..6).map(ask).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    });
}

#[test]
fn sessions_end_with_their_time_and_their_password() {
    let keys = Keys::load(None).unwrap();
    let mut users = config().users;
    let value = session::issue(&keys.session, &users[0], 2_000);
    let check = |users: &[User], value: &str, now| {
        session::check(&keys.session, users, value, now).map(|user| user.name.clone())
    };
    assert_eq!(check(&users, &value, Some(1_999)).unwrap(), "anna");
    assert_eq!(check(&users, &value, None).unwrap(), "anna");
    assert_eq!(check(&users, &value, Some(2_000)), None);
    // Every change of a character is noticed.
    for at in 0..value.len() {
        for other in ["A", "B", ".", "0"] {
            let mut changed = value.clone();
            changed.replace_range(at..=at, other);
            assert_eq!(
                check(&users, &changed, Some(1)).is_some(),
                changed == value,
                "{changed}"
            );
        }
    }
    for value in ["", "..", "1.2", "a.b.c", "9999.YW5uYQ."] {
        assert_eq!(check(&users, value, Some(1)), None, "{value}");
    }
    let other = Keys::load(None).unwrap();
    assert!(session::check(&other.session, &users, &value, Some(1)).is_none());
    users[0].password = Password::new("new", [7; 16], 1_000);
    assert_eq!(check(&users, &value, Some(1)), None);
    users.remove(0);
    assert_eq!(check(&users, &value, Some(1)), None);
}

#[test]
fn links_open_what_they_say() {
    let keys = Keys::load(None).unwrap();
    let link = Link {
        camera: "yard".into(),
        expiry: 2_000,
    };
    let token = link.token(&keys.link);
    assert_eq!(Link::read(&keys.link, &token).unwrap(), link);
    assert!(link.is_open(Some(1_999)) && !link.is_open(Some(2_000)) && !link.is_open(None));
    let endless = Link { expiry: 0, ..link };
    assert!(endless.is_open(Some(u64::MAX)) && endless.is_open(None));
    for at in 0..token.len() {
        for other in ["A", "B", ".", "-"] {
            let mut changed = token.clone();
            changed.replace_range(at..=at, other);
            assert_eq!(
                Link::read(&keys.link, &changed).is_some(),
                changed == token,
                "{changed}"
            );
        }
    }
    for token in ["", ".", "AQ.AQ", "AQ"] {
        assert_eq!(Link::read(&keys.link, token), None);
    }
    assert_eq!(Link::read(&keys.session, &token), None);

    let people = people(config());
    let admit = |link: &Link| {
        let token = people.link(link);
        let credentials = Credentials {
            link: Some(&token),
            ..Credentials::default()
        };
        people.admit(&credentials, FROM)
    };
    let grant = admit(&endless).unwrap();
    assert!(matches!(grant, Grant::Link(..)));
    assert_eq!(grant.rights().role, Role::View);
    assert_eq!(grant.rights().cameras, ["yard"]);
    let ended = Link { expiry: 1, ..endless };
    assert_eq!(admit(&ended), Err(Denial::Link));
}

#[test]
fn what_changes_holds_at_once_and_for_all() {
    let people = people(config());
    let grant = |credentials: &Credentials<'_>| people.admit(credentials, FROM).unwrap();
    let field = basic("ben", "geheim");
    let by_basic_field = Credentials {
        authorization: Some(&field),
        ..Credentials::default()
    };
    let token = people.link(&Link {
        camera: "yard".into(),
        expiry: 0,
    });
    let by_token = Credentials {
        link: Some(&token),
        ..Credentials::default()
    };
    let (ben, guest) = (grant(&by_basic_field), grant(&by_token));
    people.end_links().unwrap();
    assert!(people.still_allows(&ben) && !people.still_allows(&guest));
    assert_eq!(people.admit(&by_token, FROM), Err(Denial::Link));

    // Another password for the same name: what is remembered of the old one is of no use.
    let mut changed = config();
    changed.users[1] = user("ben", "new", Role::View);
    people.change(changed);
    assert!(!people.still_allows(&ben));
    assert_eq!(by_basic(&people, &field), Err(Denial::Wrong("ben".into())));
    // Who guessed before still waits.
    for _ in 0..5 {
        _ = by_basic(&people, &field);
    }
    people.change(config());
    assert!(matches!(
        by_basic(&people, &basic("ben", "x")),
        Err(Denial::Wait(_))
    ));
    // Nobody has to log in any more.
    people.change(config::People::default());
    assert!(people.are_all_welcome());
    assert_eq!(by_basic(&people, &field), Ok(None));
}

/// The field that answers a challenge as a client does.
fn digest(challenge: &str, name: &str, password: &str, method: &str) -> String {
    let nonce = challenge.split("nonce=\"").nth(1).expect(challenge);
    let nonce = nonce.split('"').next().unwrap();
    let secret = md5::hex(&format!("{name}:fmp4streamer:{password}"));
    let request = md5::hex(&format!("{method}:rtsp://host/yard"));
    let response = md5::hex(&format!("{secret}:{nonce}:{request}"));
    format!(
        "Digest username=\"{name}\", realm=\"fmp4streamer\", nonce=\"{nonce}\", uri=\"rtsp://host/yard\", \
         response=\"{response}\""
    )
}

#[test]
fn a_digest_is_asked_for_where_there_is_a_plain_password() {
    let mut config = config();
    assert_eq!(people(config.clone()).challenge(false), "");
    config.users.push(User {
        password: Password::parse("plain:offen").unwrap(),
        ..user("carl", "", Role::View)
    });
    let registry = people(config.clone());
    let challenge = registry.challenge(false);
    let admit = |field: &str, method| {
        let credentials = Credentials {
            authorization: Some(field),
            method,
            ..Credentials::default()
        };
        let grant = registry.admit(&credentials, FROM);
        grant.map(|grant| grant.user().map(str::to_string))
    };
    let carl = Ok(Some("carl".to_string()));
    let good = digest(&challenge, "carl", "offen", "PLAY");
    assert_eq!(admit(&good, Some("PLAY")), carl);
    // The same challenge may be answered again, and Basic is taken, too.
    assert_eq!(admit(&good, Some("PLAY")), carl);
    assert_eq!(admit(&basic("carl", "offen"), Some("PLAY")), carl);
    let wrong = |name: &str| Err(Denial::Wrong(name.into()));
    assert_eq!(admit(&good, Some("SETUP")), wrong("carl"));
    for (name, password) in [("carl", ""), ("ben", "geheim"), ("nobody", "")] {
        let field = digest(&challenge, name, password, "PLAY");
        assert_eq!(admit(&field, Some("PLAY")), wrong(name));
    }
    assert_eq!(admit(&good, Some("PLAY")), carl);
    // One of another run, and those whose end is not what was signed.
    let other = people(config).challenge(true);
    assert!(other.ends_with(", stale=TRUE\r\n"), "{other}");
    let nonce = challenge.split("nonce=\"").nth(1).unwrap();
    for old in [
        &other,
        "nonce=\"\"",
        "nonce=\"1.x\"",
        &format!("nonce=\"9{nonce}"),
        &format!("nonce=\"0{nonce}"),
    ] {
        let field = digest(old, "carl", "offen", "PLAY");
        assert_eq!(admit(&field, Some("PLAY")), Err(Denial::Stale), "{old}");
    }
    assert_eq!(admit(&good, None), Err(Denial::Unknown), "HTTP takes none");
    // Who guesses waits; that somebody has a right one, which may be overheard, forgives none of the four above.
    let guess = digest(&challenge, "carl", "x", "PLAY");
    assert_eq!(admit(&guess, Some("PLAY")), wrong("carl"));
    assert!(matches!(admit(&good, Some("PLAY")), Err(Denial::Wait(_))));
}
