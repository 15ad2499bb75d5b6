//! A new config for a camera whose pump runs.

use super::run::{COMMAND_RETRY, Presence, Pump, codec_of};
use crate::config::{Camera, Setting, SourceKind};
use crate::log_info;
use crate::source::{History, Source};
use crate::stream::{Condition, Stream};
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The newest config for a pump that it has not seen yet.
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

    pub(super) fn take(&self) -> Option<Camera> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Default for PendingConfig {
    fn default() -> PendingConfig {
        PendingConfig::new()
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
    if let SourceKind::Device { controls, .. } = &mut camera.source {
        controls.clear();
    }
    camera
}

fn controls(camera: &Camera) -> &[Setting] {
    match &camera.source {
        SourceKind::Device { controls, .. } => controls,
        _ => &[],
    }
}

impl Pump<'_> {
    /// Publishes what is known by the config alone.
    pub(super) fn publish_config(&self) {
        let Camera { source, rotation, .. } = &self.camera;
        self.stream
            .publish(|state| (state.codec, state.rotation) = (codec_of(source), *rotation));
    }

    /// Takes over a new config, if there is one. Whether a source that is open can go on.
    pub(super) fn apply_pending(&mut self, source: Option<&mut dyn Source>) -> bool {
        let Some(new) = self.pending.take() else {
            return true;
        };
        let old = mem::replace(&mut self.camera, new);
        let name = &self.stream.name;
        if opened_by(&old) == opened_by(&self.camera) {
            let (before, wanted) = (controls(&old), controls(&self.camera));
            let changed = wanted.iter().filter(|setting| !before.contains(setting));
            let changed: Vec<Setting> = changed.cloned().collect();
            if changed.is_empty() || source.is_none_or(|source| source.set_controls(&changed)) {
                log_info!("{name}: goes on with the new config");
                return true;
            }
        } else {
            self.publish_config();
            // The rotation is in the init segment.
            self.parameters = None;
            (self.known, self.started) = (false, Instant::now());
            (self.device, self.backoff) = (Presence::There, COMMAND_RETRY);
            self.history = History::default();
            // What was wrong was so of another source; what is wrong with this one is for the log, be it the same.
            self.last_said.clear();
            self.say(Condition::Starting, "");
        }
        log_info!("{name}: starts anew with the new config");
        false
    }
}
