//! Options of `rpicam-vid` that are changed while the program runs.

use super::keys;
use super::model::Draft;
use super::scope::Scope;
use super::source::{Rpicam, Setting, SourceKind};

impl Rpicam {
    /// The same with another value of an option, by its key; None where the config has none of that name, or it can't be had so. Of an
    /// option that has no key of its own nothing is known but that some name files: numbers stay numbers.
    pub fn with(&self, name: &str, value: &str) -> Option<Rpicam> {
        let option = name.replace('_', "-");
        let old = self.options.iter().rfind(|setting| setting.name == option)?;
        let mut new = self.clone();
        new.options.retain(|setting| setting.name != option);
        match keys::find(&[Scope::Rpicam], name) {
            Some(key) => {
                let mut draft = Draft::default();
                draft.camera.source = SourceKind::Rpicam(Rpicam::default());
                (key.set)(&mut draft, value).ok()?;
                if let SourceKind::Rpicam(set) = draft.camera.source {
                    new.options.extend(set.options);
                }
            }
            None => {
                let is_number = |text: &str| {
                    let sign = |c: char| "+-.,".contains(c);
                    text.contains(|c: char| c.is_ascii_digit())
                        && text.chars().all(|c| c.is_ascii_digit() || sign(c))
                };
                if !(is_number(&old.value) && is_number(value)) {
                    return None;
                }
                new.options.push(Setting {
                    value: value.into(),
                    ..old.clone()
                });
            }
        }
        Some(new)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, SourceKind};

    #[test]
    fn options_of_the_config_take_what_the_config_would() {
        let text = "[rpicam]\nbitrate = 2000000\nhflip = yes\ndenoise = off\nrpicam_ev = 0.5\nrpicam_metadata = m.txt\n";
        let config = Config::parse(text.as_bytes(), "f", &[]).unwrap();
        let SourceKind::Rpicam(rpicam) = &config.cameras[0].source else {
            panic!()
        };
        for (name, value, expected) in [
            ("bitrate", "3000000", Some("bitrate=3000000")),
            ("bitrate", "3", None),
            ("bitrate", "", Some("")),
            ("denoise", "cdn_off", Some("denoise=cdn_off")),
            ("denoise", "/etc/passwd", None),
            ("hflip", "no", Some("")),
            ("hflip", "yes", Some("hflip=")),
            ("ev", "-1", Some("ev=-1")),
            ("ev", "--output", None),
            ("ev", "x", None),
            ("ev", "", None),
            ("metadata", "1", None),
            ("metadata", "/tmp/x", None),
            // What the config does not have.
            ("vflip", "yes", None),
            ("output", "1", None),
        ] {
            let new = rpicam.with(name, value).map(|new| {
                let options = new.options.iter().filter(|setting| setting.name == name);
                let options = options.map(|setting| format!("{}={}", setting.name, setting.value));
                options.collect::<Vec<_>>().join(" ")
            });
            assert_eq!(new.as_deref(), expected, "{name} {value}");
        }
    }
}
