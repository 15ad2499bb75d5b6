//! The threshold of motion: a control of this program's own, kept as those of cameras are.

use super::control::{Control, Value};
use super::kept::KeptValue;
use crate::config::MOTION_THRESHOLDS;

/// Its name, which is its key in a config. No camera has such a control.
pub const THRESHOLD: &str = "motion_threshold";

/// True for a control of the camera.
pub(super) fn is_cameras(name: &str) -> bool {
    name != THRESHOLD
}

/// The threshold that a text says.
///
/// # Errors
/// It says none, for people.
pub(super) fn parse(text: &str) -> Result<u16, String> {
    let (least, most) = (MOTION_THRESHOLDS.start(), MOTION_THRESHOLDS.end());
    let number = text.parse().ok();
    let number = number.filter(|number| MOTION_THRESHOLDS.contains(&i32::from(*number)));
    number.ok_or_else(|| format!("takes a whole number from {least} to {most}"))
}

/// Has a threshold that is no longer kept go on as one that was set since the start.
pub(super) fn outlive(kept: &[KeptValue], live: &mut Vec<(String, Option<String>)>) {
    let kept = kept.iter().find(|kept| kept.name == THRESHOLD);
    if let Some(kept) = kept.filter(|_| live.iter().all(|(name, _)| name != THRESHOLD)) {
        live.push((THRESHOLD.into(), Some(kept.value.clone())));
    }
}

/// It as it is now.
pub(super) struct Threshold {
    config: u16,
    kept: Option<u16>,
    /// What it is.
    pub value: u16,
}

impl Threshold {
    /// By what the config says, what is kept, and what was set since the start, where that is not the config's.
    pub fn new(config: &str, kept: Option<&str>, live: Option<Option<&str>>) -> Option<Threshold> {
        let parse = |text: &str| parse(text).ok();
        let (config, kept) = (parse(config)?, kept.and_then(parse));
        let value = match live {
            Some(live) => live.and_then(parse),
            None => kept,
        };
        Some(Threshold {
            config,
            kept,
            value: value.unwrap_or(config),
        })
    }

    /// It as clients are told of it.
    pub fn control(self) -> Control {
        let number = |number: u16| Value::Number(number.into());
        Control {
            name: THRESHOLD.into(),
            label: "Motion threshold".into(),
            class: "Motion".into(),
            kind: "int",
            min: (*MOTION_THRESHOLDS.start()).into(),
            max: (*MOTION_THRESHOLDS.end()).into(),
            step: 1,
            default: self.config.into(),
            active: true,
            value: number(self.value),
            config: number(self.config),
            kept: self.kept.map(number).unwrap_or_default(),
            ..Control::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Threshold;

    #[test]
    fn the_config_holds_where_nothing_good_stands_before_it() {
        for (config, kept, live, value) in [
            ("6", None, None, 6),
            ("6", Some("8"), None, 8),
            ("6", Some("8"), Some(Some("9")), 9),
            ("6", Some("8"), Some(None), 6),
            // Somebody has edited what is kept.
            ("6", Some("1"), None, 6),
            ("6", Some("1001"), None, 6),
            ("6", Some("-8"), None, 6),
            ("6", Some(""), None, 6),
        ] {
            let threshold = Threshold::new(config, kept, live).unwrap();
            assert_eq!(threshold.value, value, "{kept:?} {live:?}");
        }
        assert!(Threshold::new("", Some("8"), None).is_none());
    }
}
