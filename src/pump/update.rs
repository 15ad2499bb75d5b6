//! A new config for a camera whose pump runs.

use crate::config::{Camera, Record, Setting};
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
        pan_tilt: Box::default(),
        event_url: None,
        event_command: String::new(),
        motion_threshold: 0,
        mic_gain: 0,
        motion_gap: Duration::ZERO,
        record: Record::No,
        timelapse: None,
        record_done_command: String::new(),
        ..camera.clone()
    };
    if let Some(settings) = camera.source.settings_mut() {
        settings.clear();
    }
    camera
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, SourceKind};
    use crate::ring::Limits;

    const LIMITS: Limits = Limits {
        max_age: Duration::ZERO,
        join_max: Duration::ZERO,
        join_max_bytes: 0,
        max_senders: 1,
        hold: Duration::ZERO,
        patience: Duration::ZERO,
    };

    fn camera() -> Camera {
        Config::for_device("/dev/no-such-video").unwrap().cameras[0].clone()
    }

    fn with_controls(settings: &[(&str, &str)]) -> Camera {
        let mut camera = camera();
        if let SourceKind::Device { controls, .. } = &mut camera.source {
            controls.extend(settings.iter().map(|(name, value)| setting(name, value)));
        }
        camera
    }

    fn setting(name: &str, value: &str) -> Setting {
        Setting {
            name: name.into(),
            value: value.into(),
            place: String::new(),
        }
    }

    #[test]
    fn what_a_new_config_asks_for() {
        let old = with_controls(&[("brightness", "1"), ("contrast", "2")]);
        let brighter = with_controls(&[("brightness", "3"), ("contrast", "2")]);
        let default = with_controls(&[("brightness", "1")]);
        let goes_on = Camera {
            auto_sleep: !old.auto_sleep,
            linger: old.linger + Duration::from_secs(1),
            section: "renumbered".into(),
            mic_gain: 6,
            record: Record::Always,
            timelapse: Some(Duration::from_secs(60)),
            record_done_command: "true".into(),
            ..old.clone()
        };
        let turned = Camera {
            rotation: 90,
            ..old.clone()
        };
        let (wider, other) = (
            Camera {
                width: old.width + 2,
                ..old.clone()
            },
            Camera {
                source: SourceKind::Test,
                ..old.clone()
            },
        );
        let controls = |settings: &[Setting]| Change::Controls(settings.to_vec());
        for (name, new, expected) in [
            ("nothing", &old, controls(&[])),
            ("what the source does not know", &goes_on, controls(&[])),
            ("a control", &brighter, controls(&[setting("brightness", "3")])),
            ("a control left out stays as it is", &default, controls(&[])),
            ("the rotation", &turned, Change::Source),
            ("the size", &wider, Change::Source),
            ("the source", &other, Change::Source),
        ] {
            assert_eq!(Change::between(&old, new), expected, "{name}");
        }
    }

    #[test]
    fn only_the_newest_config_is_pending() {
        let stream = Stream::new("camera0", LIMITS).unwrap();
        let pending = PendingConfig::new();
        assert!(!pending.is_some() && pending.take().is_none());
        pending.submit(camera(), &stream);
        pending.submit(with_controls(&[("brightness", "1")]), &stream);
        assert!(pending.is_some());
        assert_eq!(pending.take(), Some(with_controls(&[("brightness", "1")])));
        assert!(!pending.is_some());
    }
}
