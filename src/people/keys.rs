//! The secrets that sessions and links are signed with, kept in the state folder.

use crate::error::{Error, Result};
use crate::sys::{file, random};
use std::path::{Path, PathBuf};

/// The length of one key, in bytes.
pub const KEY_BYTES: usize = 32;
/// The file of the keys, in the state folder: that of sessions, then that of links.
const FILE: &str = "keys";

/// The keys.
#[derive(Clone)]
pub struct Keys {
    /// Signs sessions.
    pub session: [u8; KEY_BYTES],
    /// Signs links.
    pub link: [u8; KEY_BYTES],
    /// Where they are kept; nowhere: they end with the program.
    file: Option<PathBuf>,
}

impl Keys {
    /// The keys of this folder, made if it has none yet; without a folder new ones, which end with the program.
    ///
    /// # Errors
    /// There are no random bytes; or the file can't be read or made, or is none.
    pub fn load(folder: Option<&Path>) -> Result<Keys> {
        let file = folder.map(|folder| folder.join(FILE));
        if let Some(path) = &file {
            if let Some([session, link]) = read(path)? {
                return Ok(Keys { session, link, file });
            }
        }
        let keys = Keys {
            session: new_key()?,
            link: new_key()?,
            file,
        };
        keys.save()?;
        Ok(keys)
    }

    /// True if sessions and links outlive the program.
    pub fn are_kept(&self) -> bool {
        self.file.is_some()
    }

    /// The same with a new key of links: all that were given away end.
    ///
    /// # Errors
    /// There are no random bytes, or the file can't be written.
    pub fn with_new_link(&self) -> Result<Keys> {
        let keys = Keys {
            session: self.session,
            link: new_key()?,
            file: self.file.clone(),
        };
        keys.save()?;
        Ok(keys)
    }

    fn save(&self) -> Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let bytes = [self.session, self.link].concat();
        file::replace(path, &bytes)
            .map_err(|e| Error::new(path.display(), "can't keep the keys of sessions and links", e))
    }
}

/// `None` if there is no such file.
fn read(path: &Path) -> Result<Option<[[u8; KEY_BYTES]; 2]>> {
    let tried = "can't read the keys of sessions and links";
    // One byte more than they have, which tells a longer file.
    let bytes = file::read_if_there(path, 2 * KEY_BYTES + 1);
    let Some(bytes) = bytes.map_err(|e| Error::new(path.display(), tried, e))? else {
        return Ok(None);
    };
    let (session, link) = bytes.split_at_checked(KEY_BYTES).unwrap_or_default();
    let (Ok(session), Ok(link)) = (session.try_into(), link.try_into()) else {
        let why = "it is damaged; remove it, and everybody logs in again";
        return Err(Error::new(path.display(), tried, why));
    };
    Ok(Some([session, link]))
}

/// Bytes that nobody can guess.
pub fn new_key() -> Result<[u8; KEY_BYTES]> {
    random::bytes().map_err(|e| Error::new("getrandom", "no random bytes for keys", e))
}

#[cfg(test)]
mod tests {
    use super::Keys;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_kept_and_kept_secret() {
        let folder = std::env::temp_dir().join(format!("fmp4streamer-keys-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("keys");
        let first = Keys::load(Some(&folder)).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Keys::load(Some(&folder)).unwrap();
        assert_eq!((first.session, first.link), (again.session, again.link));
        assert_ne!(first.session, first.link);
        let renewed = again.with_new_link().unwrap();
        let last = Keys::load(Some(&folder)).unwrap();
        assert_eq!(last.session, first.session);
        assert_eq!(last.link, renewed.link);
        assert_ne!(last.link, first.link);
        for length in [0, 63, 65, 1000] {
            fs::write(&file, vec![1; length]).unwrap();
            let damaged = Keys::load(Some(&folder)).err().unwrap().to_string();
            assert!(damaged.contains("it is damaged; remove it"), "{damaged}");
        }
        fs::remove_dir_all(&folder).unwrap();
        let gone = Keys::load(Some(&folder)).err().unwrap().to_string();
        assert!(gone.contains("can't keep the keys"), "{gone}");

        let unkept = Keys::load(None).unwrap();
        assert!(!unkept.are_kept() && first.are_kept());
        assert_ne!(unkept.session, Keys::load(None).unwrap().session);
    }
}
