//! The values that are kept for the next start, in the state folder. The config is never written to: it is often read-only, and
//! is somebody's text.

use crate::config::read_entries;
use crate::error::{Error, Result};
use crate::sys::file;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The file, in the state folder.
const FILE: &str = "controls.conf";
/// What stands behind a control's name in the key of the config's value that a kept one replaced.
const WAS: &str = ".was";
/// More is none of ours; [`read_entries`] refuses it.
const MOST_BYTES: usize = 256 * 1024 + 1;
const HEAD: &str =
    "# Controls that were kept on the page, one section a camera: name, and what the config had then.\n";

/// A value that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptValue {
    /// The control.
    pub name: String,
    /// As it stands in a config.
    pub value: String,
    /// What the config had then; `None` for nothing.
    pub was: Option<String>,
}

type Cameras = Vec<(String, Vec<KeptValue>)>;

/// The values that are kept of all cameras.
#[derive(Default)]
pub struct Kept {
    /// `None` where nothing can be kept.
    file: Option<PathBuf>,
    cameras: Mutex<Cameras>,
    /// Held while the file is written; who reads does not wait for a disk.
    writing: Mutex<()>,
}

impl Kept {
    /// What is kept in this folder.
    ///
    /// # Errors
    /// The file can't be read; nothing is kept then, so that what is there stays.
    pub fn load(folder: Option<&Path>) -> Result<Kept> {
        let file = folder.map(|folder| folder.join(FILE));
        let cameras = match &file {
            Some(path) => read(path)?,
            None => Vec::new(),
        };
        Ok(Kept {
            file,
            cameras: Mutex::new(cameras),
            writing: Mutex::default(),
        })
    }

    /// True if there is a place for values.
    pub fn can_keep(&self) -> bool {
        self.file.is_some()
    }

    /// The values of a camera.
    pub fn of(&self, camera: &str) -> Vec<KeptValue> {
        let cameras = self.lock();
        let found = cameras.iter().find(|(name, _)| name == camera);
        found.map(|(_, values)| values.clone()).unwrap_or_default()
    }

    /// Keeps these values of a camera, in the place of those before.
    ///
    /// # Errors
    /// There is no folder, or it can't be written to; what was kept stays.
    pub fn keep(&self, camera: &str, values: Vec<KeptValue>) -> Result<()> {
        let Some(path) = &self.file else {
            let why = "the program has no state folder (systemd's StateDirectory= gives it one, or STATE_DIRECTORY in its environment), or the log says \
                       what is wrong with the file there";
            return Err(Error::new("controls", "can't be kept", why));
        };
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = self.lock().clone();
        new.retain(|(name, _)| name != camera);
        if !values.is_empty() {
            new.push((camera.into(), values));
        }
        file::replace(path, text(&new).as_bytes())
            .map_err(|e| Error::new(path.display(), "can't keep controls", e))?;
        *self.lock() = new;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Cameras> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<Cameras> {
    let mut cameras = Cameras::new();
    let bytes = file::read_if_there(path, MOST_BYTES)
        .map_err(|e| Error::new(path.display(), "can't read the controls that were kept", e))?;
    let Some(bytes) = bytes else {
        return Ok(cameras);
    };
    read_entries(&bytes, &path.to_string_lossy(), &mut |camera, key, value| {
        if cameras.last().is_none_or(|(last, _)| last != camera) {
            cameras.push((camera.into(), Vec::new()));
        }
        let Some((_, values)) = cameras.last_mut() else {
            return;
        };
        match key.strip_suffix(WAS) {
            Some(name) => {
                let kept = values.iter_mut().find(|kept| kept.name == name);
                kept.into_iter().for_each(|kept| kept.was = Some(value.clone()));
            }
            None => values.push(KeptValue {
                name: key,
                value,
                was: None,
            }),
        }
    })?;
    Ok(cameras)
}

fn text(cameras: &Cameras) -> String {
    let mut text = String::from(HEAD);
    let mut line = |parts: &[&str]| {
        text.extend(parts.iter().copied());
        text.push('\n');
    };
    for (camera, values) in cameras {
        line(&["\n[", camera, "]"]);
        for KeptValue { name, value, was } in values {
            line(&[name, " = ", &value.replace('%', "%%")]);
            if let Some(was) = was {
                line(&[name, WAS, " = ", &was.replace('%', "%%")]);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Kept, KeptValue};
    use std::fs;

    fn value(name: &str, value: &str, was: Option<&str>) -> KeptValue {
        KeptValue {
            name: name.into(),
            value: value.into(),
            was: was.map(Into::into),
        }
    }

    #[test]
    fn values_are_kept_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("fmp4streamer-kept-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let kept = Kept::load(Some(&folder)).unwrap();
        let ours = vec![
            value("brightness", "140", Some("128")),
            value("text", "50% [x] = y # z", None),
        ];
        kept.keep("camera0", ours.clone()).unwrap();
        kept.keep("door", vec![value("gain", "1", Some(""))]).unwrap();
        let again = Kept::load(Some(&folder)).unwrap();
        assert_eq!(again.of("camera0"), ours);
        assert_eq!(again.of("door"), [value("gain", "1", Some(""))]);
        assert_eq!(again.of("other"), []);
        again.keep("door", Vec::new()).unwrap();
        let again = Kept::load(Some(&folder)).unwrap();
        assert_eq!((again.of("camera0"), again.of("door")), (ours.clone(), vec![]));

        // A folder in the place of the new file: it can't be written, as where the disk is full or read-only.
        fs::create_dir(folder.join("controls.new")).unwrap();
        let failed = again.keep("camera0", Vec::new()).unwrap_err().to_string();
        assert!(failed.contains("can't keep controls"), "{failed}");
        assert_eq!(again.of("camera0"), ours);
        assert_eq!(Kept::load(Some(&folder)).unwrap().of("camera0"), ours);

        // What is within the limit is good.
        let long = "[camera0]\nbrightness = 140\n".to_owned() + &"\n".repeat(256 * 1024);
        for bad in ["no section", &long] {
            fs::write(folder.join("controls.conf"), bad).unwrap();
            assert!(Kept::load(Some(&folder)).is_err());
        }
        fs::remove_dir_all(&folder).unwrap();
        let none = Kept::load(None).unwrap();
        let failed = none.keep("camera0", ours).unwrap_err().to_string();
        assert!(!none.can_keep() && failed.contains("no state folder"), "{failed}");
    }
}
