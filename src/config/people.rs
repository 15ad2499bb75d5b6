//! Who may do what, as the `[user NAME]` and `[anonymous]` sections say.

use crate::format::password::Password;

/// What somebody may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Role {
    /// To watch.
    #[default]
    View,
    /// To look back as well: every user may, and a view link does not. It stands in no config.
    User,
    /// To change and to turn the camera.
    Control,
    /// To keep changes, and to give links away.
    Admin,
}

impl Role {
    /// All roles that the config gives.
    pub const ALL: [Role; 3] = [Role::View, Role::Control, Role::Admin];

    /// The role as the config names it.
    pub fn word(self) -> &'static str {
        match self {
            Role::View => "view",
            Role::User => "user",
            Role::Control => "control",
            Role::Admin => "admin",
        }
    }
}

/// What somebody may do, and with which cameras.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// What.
    pub role: Role,
    /// The names of the cameras; none named are all.
    pub cameras: Vec<String>,
}

impl Rights {
    /// True if they hold for the camera of that name.
    pub fn include(&self, camera: &str) -> bool {
        self.cameras.is_empty() || self.cameras.iter().any(|name| name == camera)
    }
}

/// A `[user NAME]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name to log in by.
    pub name: String,
    /// What is kept of the password.
    pub password: Password,
    /// What the user may do.
    pub rights: Rights,
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct People {
    /// Those who log in. While there are none, everybody may watch.
    pub users: Vec<User>,
    /// What all others may do; `None` is nothing, once there are users.
    pub anonymous: Option<Rights>,
}

impl People {
    /// Says who may do what, line by line.
    pub fn describe(&self) -> Vec<String> {
        let rights = |rights: &Rights| {
            let cameras = match rights.cameras.as_slice() {
                [] => "all cameras".into(),
                names => names.join(", "),
            };
            format!("{} ({cameras})", rights.role.word())
        };
        let mut lines = Vec::new();
        for user in &self.users {
            lines.push(format!("user {}: {}", user.name, rights(&user.rights)));
        }
        lines.push(match &self.anonymous {
            Some(others) => {
                let or_else = if self.users.is_empty() { "" } else { "else " };
                format!("anybody {or_else}who reaches the port: {}", rights(others))
            }
            None if self.users.is_empty() => "anybody who reaches the port can watch".into(),
            None => "nobody else can watch".into(),
        });
        lines
    }
}
