//! Reads the `[user NAME]` and `[anonymous]` sections.

use super::ini::{Entry, Section, shown};
use super::model::{Camera, Draft};
use super::nearest::nearest;
use super::people::{People, Role, User};
use crate::error::{Error, Result};
use std::mem;

/// The section of those who do not log in.
pub(super) const ANONYMOUS: &str = "anonymous";
/// The first word of a user's section.
pub(super) const USER: &str = "user";
/// A user's name may have this many characters.
const NAME_MAX: usize = 64;

/// True if the section is one of people.
pub(super) fn is_of_people(section: &Section) -> bool {
    section.name == ANONYMOUS || section.name.split(' ').next() == Some(USER)
}

impl People {
    /// Takes over a section of people; `cameras` are all there are.
    pub(super) fn add(
        &mut self,
        file: &str,
        section: &Section,
        entries: &[Entry],
        draft: &mut Draft,
        cameras: &[Camera],
    ) -> Result<()> {
        let rights = &draft.rights;
        let error = |line, tried: String, why: String| Error::new(format_args!("{file}:{line}"), tried, why);
        let unknown = |name: &&String| cameras.iter().all(|camera| camera.name != **name);
        if let Some(name) = rights.cameras.iter().find(unknown) {
            let names: Vec<&str> = cameras.iter().map(|camera| camera.name.as_str()).collect();
            let hint = nearest(name, names.iter().copied());
            let hint = hint.map_or(String::new(), |near| format!("; did you mean {near}?"));
            let entry = entries.iter().find(|entry| entry.key == "cameras");
            let line = entry.map_or(section.line, |entry| entry.line);
            let why = format!("there is no such camera; there are: {}{hint}", names.join(", "));
            return Err(error(line, format!("cameras = {}", shown(name)), why));
        }
        if section.name == ANONYMOUS {
            if rights.role == Role::Admin {
                let tried = "[anonymous] with role = admin".to_string();
                return Err(error(section.line, tried, "allowed: view or control".into()));
            }
            self.anonymous = Some(mem::take(&mut draft.rights));
            return Ok(());
        }
        let name = section.name.strip_prefix(USER).unwrap_or_default().trim();
        let tried = || format!("[{}]", shown(&section.name));
        let good = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(good) {
            let why = format!("a user is [user NAME], of at most {NAME_MAX} letters, digits and ._-@");
            return Err(error(section.line, tried(), why));
        }
        if self.users.iter().any(|user| user.name == name) {
            return Err(error(
                section.line,
                tried(),
                "this user has a section already; keep one of the two".into(),
            ));
        }
        let Some(password) = draft.password.take() else {
            let why = "it has no password; fmp4streamer --password makes the line".to_string();
            return Err(error(section.line, tried(), why));
        };
        self.users.push(User {
            name: name.into(),
            password,
            rights: mem::take(&mut draft.rights),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Rights, Role};

    const PASSWORD: &str =
        "password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$5u+IXVlxs96hRBHHHvs71EUiSIs2coJOMR9rHnrnikQ=";

    fn parse(text: &str) -> Result<Config, String> {
        let text = text.replace("PASSWORD", PASSWORD);
        Config::parse(text.as_bytes(), "f", &[]).map_err(|e| e.to_string())
    }

    #[test]
    fn people_have_their_rights() {
        let config = parse(
            "[user anna]\nPASSWORD\nrole = admin\n[test a]\nname = yard\n[anonymous]\n[user Ben.B@x]\nPASSWORD\n\
             role = control\ncameras = yard\n[test b]\n",
        )
        .unwrap();
        let people = &config.people;
        let names: Vec<(&str, Role)> = people
            .users
            .iter()
            .map(|user| (&*user.name, user.rights.role))
            .collect();
        assert_eq!(names, [("anna", Role::Admin), ("Ben.B@x", Role::Control)]);
        assert!(people.users[0].rights.include("camera1"));
        assert!(people.users[1].rights.include("yard"));
        assert!(!people.users[1].rights.include("camera1"));
        assert_eq!(people.anonymous, Some(Rights::default()));
        assert!(Role::View < Role::Control && Role::Control < Role::Admin);
        assert_eq!(
            people.describe(),
            [
                "user anna: admin (all cameras)",
                "user Ben.B@x: control (yard)",
                "anybody else who reaches the port: view (all cameras)"
            ]
        );
        assert_eq!(people.users[0].password.plain(), None);
        let plain = parse("[user anna]\npassword = plain:gar sonst%%").unwrap();
        assert_eq!(plain.people.users[0].password.plain(), Some("gar sonst%"));
        assert!(!format!("{:?} {}", plain.people, plain.describe()).contains("sonst"));
        assert_eq!(plain.notices, [""; 0]);
        let mixed = "[server]\nrtsp = yes\n[user anna]\npassword = plain:x\n[user ben]\nPASSWORD";
        let [notice] = &*parse(mixed).unwrap().notices else {
            panic!("a warning");
        };
        assert!(
            notice.starts_with("[user ben]: ") && notice.contains("[user anna]"),
            "{notice}"
        );
        let config = parse("[user anna]\nPASSWORD").unwrap();
        assert_eq!(config.cameras.len(), 1);
        assert_eq!(
            config.people.describe(),
            ["user anna: view (all cameras)", "nobody else can watch"]
        );
    }

    #[test]
    fn mistakes_are_named_and_passwords_are_not() {
        for (text, wrong) in [
            ("[user]\nPASSWORD", "f:1: [user]: a user is [user NAME]"),
            ("[user a:b]\nPASSWORD", "f:1: [user a:b]: a user is [user NAME]"),
            (
                "[user a]\n",
                "f:1: [user a]: it has no password; fmp4streamer --password makes the line",
            ),
            (
                "[user a]\nPASSWORD\n[user  a]\nPASSWORD",
                "f:3: [user  a]: this user has a section already",
            ),
            (
                "[user a]\npassword = hunter2",
                "f:2: password: this is no line of fmp4streamer --password, and not plain:PASSWORD",
            ),
            ("[user a]\npassword =", "f:2: password: this is no line of"),
            ("[user a]\npassword = plain:", "and not plain:PASSWORD"),
            (
                "[user a]\npassword = plain:hunter2\n  hunter2",
                "f:2: password: this is",
            ),
            (
                "[user a]\npassword = plain:hunter2%",
                "f:2: a lone % in (password)",
            ),
            (
                "[user a]\npassword = plain:hunter2%(hunter2)s",
                "there is no key (password)",
            ),
            (
                "[user a]\nPASSWORD\nrole = root",
                "f:3: role = root: allowed: view, control or admin",
            ),
            (
                "[user a]\nPASSWORD\ncameras = bard\n[test]\nname = yard",
                "f:3: cameras = bard: there is no such camera; there are: yard; did you mean yard?",
            ),
            (
                "[user a]\nPASSWORD\nwidth = 3",
                "f:3: width: no such key in [user a]: allowed: password, role, cameras; width belongs in",
            ),
            (
                "[anonymous]\nrole = admin",
                "f:1: [anonymous] with role = admin: allowed: view or control",
            ),
            (
                "[anonymous]\nPASSWORD",
                "f:2: password: no such key in [anonymous]",
            ),
            ("[usr a]", "did you mean [user NAME]?"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(wrong), "{text:?}: {error}");
            assert!(!error.contains("hunter2") && !error.contains("AQEB"), "{error}");
        }
    }
}
