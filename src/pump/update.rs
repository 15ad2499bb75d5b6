//! A new config for a camera whose pump runs.

use crate::config::{Camera, Setting};
use crate::stream::Stream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The newest config for a pump that has not seen it yet.
pub struct PendingConfig(Mutex<Option<Camera>>);

impl PendingConfig {
    /// None yet.
    pub const fn new() -> PendingConfig {
        PendingConfig(Mutex::new(None))
    }

    /// Has the pump of that stream take over this config.
    pub fn submit(&self, camera: Camera, stream: &Stream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(camera);
        stream.wake();
    }

    /// Takes the config out, if there is one.
    pub(super) fn take(&self) -> Option<Camera> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// True if there is a config that the pump has not seen.
    pub(super) fn is_some(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Default for PendingConfig {
    fn default() -> PendingConfig {
        PendingConfig::new()
    }
}

/// What a new config asks of a pump that runs by an old one.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// The source goes on. These of its controls are to be set; none if all is as it was.
    Controls(Vec<Setting>),
    /// The source has to be opened anew.
    Source,
}

impl Change {
    /// Compares a camera's old config with its new one.
    pub fn between(old: &Camera, new: &Camera) -> Change {
        if opened_by(old) != opened_by(new) {
            return Change::Source;
        }
        let before = old.source.settings();
        let settings = new.source.settings().iter();
        let changed = settings.filter(|setting| !before.contains(setting));
        Change::Controls(changed.cloned().collect())
    }
}

/// What a camera's source is opened by, but for its controls.
fn opened_by(camera: &Camera) -> Camera {
    let mut camera = Camera {
        section: String::new(),
        auto_sleep: false,
        linger: Duration::ZERO,
        ..camera.clone()
    };
    if let Some(settings) = camera.source.settings_mut() {
        settings.clear();
    }
    camera
}
