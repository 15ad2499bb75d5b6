//! The scopes of keys: which sections have them.

/// The sections that a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `[server]`.
    Server,
    /// Any section of a camera.
    Camera,
    /// `[/dev/...]` alone.
    Device,
    /// `[exec NAME]` alone.
    Exec,
    /// `[rpicam NAME]` alone.
    Rpicam,
    /// `[user NAME]` and `[anonymous]`.
    People,
    /// `[user NAME]` alone.
    User,
}

/// Every scope.
pub const ALL: [Scope; 7] = [
    Scope::Server,
    Scope::Camera,
    Scope::Device,
    Scope::Exec,
    Scope::Rpicam,
    Scope::People,
    Scope::User,
];

impl Scope {
    /// The sections in which its keys stand, in words.
    pub fn home(self) -> &'static str {
        match self {
            Scope::Server => "[server]",
            Scope::Camera => "a camera's section, such as [/dev/video0], or [DEFAULT]",
            Scope::Device => "a device's section, such as [/dev/video0]",
            Scope::Exec => "an [exec NAME] section",
            Scope::Rpicam => "an [rpicam] section",
            Scope::People => "a [user NAME] section or [anonymous]",
            Scope::User => "a [user NAME] section",
        }
    }
}
