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
}

/// Every scope.
pub const ALL: [Scope; 5] = [
    Scope::Server,
    Scope::Camera,
    Scope::Device,
    Scope::Exec,
    Scope::Rpicam,
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
        }
    }
}
