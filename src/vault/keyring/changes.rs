//! Changing a key ring file: a fresh key comes in, becomes the primary one, and goes when it is not needed any more.

use std::path::Path;

use super::{Document, Item, KeyState, Keyring, KeyringError, WHAT};
use crate::vault::private_file;

impl Keyring {
    /// Adds a fresh key that only unwraps for now; its id.
    ///
    /// # Errors
    /// Those of [`Keyring::read`]; when the file cannot be written.
    pub fn add(path: &Path) -> Result<u32, KeyringError> {
        change(path, |document| {
            let last = document.keys.iter().map(|item| item.id).max().unwrap_or(0);
            let id = last.checked_add(1).ok_or_else(|| KeyringError("there is no id left for another key".into()))?;
            document.keys.push(Item::fresh(id, KeyState::DecryptOnly)?);
            Ok(id)
        })
    }

    /// Makes a key the primary one, which wraps; the one that was only unwraps from now on.
    ///
    /// # Errors
    /// When the key is not in the ring; those of [`Keyring::add`].
    pub fn promote(path: &Path, id: u32) -> Result<(), KeyringError> {
        change(path, |document| {
            refuse_absent(document, id)?;
            let before = std::mem::replace(&mut document.primary, id);
            for item in document.keys.iter_mut().filter(|item| item.id == id || item.id == before) {
                item.state = if item.id == id { KeyState::Active } else { KeyState::DecryptOnly };
            }
            Ok(())
        })
    }

    /// Takes a key out.
    ///
    /// # Errors
    /// When the key is not in the ring, or is the primary one; those of [`Keyring::add`].
    pub fn remove(path: &Path, id: u32) -> Result<(), KeyringError> {
        change(path, |document| {
            refuse_absent(document, id)?;
            if document.primary == id {
                return Err(KeyringError(format!("key {id} is the primary one: promote another key first")));
            }
            document.keys.retain(|item| item.id != id);
            Ok(())
        })
    }
}

fn refuse_absent(document: &Document, id: u32) -> Result<(), KeyringError> {
    let ids: Vec<_> = document.keys.iter().map(|item| item.id).collect();
    match ids.contains(&id) {
        true => Ok(()),
        false => Err(KeyringError(format!("key {id} is not in the key ring, which has {ids:?}"))),
    }
}

fn change<T>(path: &Path, change: impl FnOnce(&mut Document) -> Result<T, KeyringError>) -> Result<T, KeyringError> {
    let changed = |text: &str| {
        let mut document = Document::parse(text)?;
        // What was no good before is not made worse.
        Keyring::of(&document)?;
        let value = change(&mut document)?;
        Ok((document.write()?, value))
    };
    let named = |KeyringError(e)| format!("{}: {e}", path.display());
    private_file::replace(path, WHAT, |text| changed(text).map_err(named)).map_err(KeyringError)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn refusal<T>(result: Result<T, KeyringError>) -> String {
        result.err().expect("refused").to_string()
    }

    #[test]
    fn a_key_comes_in_becomes_primary_and_goes() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("ring.json");
        Keyring::create(&path).expect("created");
        let first = *Keyring::read(&path).expect("read").key(1).expect("key 1");
        assert_eq!(Keyring::add(&path).expect("added"), 2);
        let ring = Keyring::read(&path).expect("read");
        assert_eq!((ring.primary(), ring.key(1)), (1, Some(&first)));
        assert_ne!(ring.key(2), Some(&first));
        assert!(refusal(Keyring::remove(&path, 1)).contains("promote another key first"));
        Keyring::promote(&path, 2).expect("promoted");
        assert!(fs::read_to_string(&path).expect("text").contains("decrypt_only"));
        Keyring::remove(&path, 1).expect("removed");
        let ring = Keyring::read(&path).expect("read");
        assert_eq!((ring.primary(), ring.key(1)), (2, None));
        assert_eq!(Keyring::add(&path).expect("added"), 3, "not an id that was there");
        for refused in [refusal(Keyring::promote(&path, 1)), refusal(Keyring::remove(&path, 1))] {
            assert!(refused.contains("key 1 is not in the key ring, which has [2, 3]"), "{refused}");
        }
        assert_eq!(fs::metadata(&path).expect("file").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_refused_change_leaves_the_file_as_it_was_and_a_link_stays_one() {
        let dir = tempfile::tempdir().expect("dir");
        let (path, link) = (dir.path().join("ring.json"), dir.path().join("link.json"));
        Keyring::create(&path).expect("created");
        symlink(&path, &link).expect("link");
        let before = fs::read_to_string(&path).expect("text");
        assert!(Keyring::promote(&path, 9).is_err());
        assert_eq!(fs::read_to_string(&path).expect("text"), before);
        assert_eq!(Keyring::add(&link).expect("added"), 2);
        assert!(fs::symlink_metadata(&link).expect("link").is_symlink());
        assert!(Keyring::read(&path).expect("read").key(2).is_some());
        // As if another command had been killed.
        let draft = dir.path().join("ring.json.new");
        fs::write(&draft, "").expect("written");
        assert!(refusal(Keyring::add(&path)).contains("ring.json.new"));
        fs::remove_file(draft).expect("removed");
        fs::write(&path, "{}").expect("written");
        assert!(refusal(Keyring::add(&path)).contains("not valid at line 1"));
        assert!(refusal(Keyring::add(&dir.path().join("absent"))).contains("cannot read key ring"));
    }
}
