//! The local key ring: provider keys in a JSON document that an operator keeps in a file or the environment.
//!
//! ```json
//! {"primary": 1, "keys": [{"id": 1, "key": "<base64 of 32 bytes>", "state": "active"}]}
//! ```

mod changes;

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{envelope, private_file};

/// What a file of them holds, in the words for an operator.
const WHAT: &str = "key ring";
/// Prefixed to the key before it is digested, so that the fingerprint serves for nothing else.
pub(super) const CHECK_PURPOSE: &[u8] = b"patchbay.check.v1";

/// Keys by id, one of them primary.
#[derive(PartialEq, Eq)]
pub struct Keyring {
    primary: u32,
    keys: BTreeMap<u32, Zeroizing<[u8; 32]>>,
}

/// What a key may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Wraps and unwraps.
    #[default]
    Active,
    /// Only unwraps: on its way in or out.
    DecryptOnly,
}

/// Why a key ring cannot be used: a sentence for the operator, free of key material.
#[derive(Debug)]
pub struct KeyringError(String);

impl std::fmt::Display for KeyringError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyringError {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    primary: u32,
    keys: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: u32,
    key: Zeroizing<String>,
    #[serde(default)]
    state: KeyState,
}

impl Item {
    fn fresh(id: u32, state: KeyState) -> Result<Self, KeyringError> {
        let key = envelope::random_key().map_err(|refusal| KeyringError(refusal.to_string()))?;
        Ok(Self { id, key: Zeroizing::new(STANDARD.encode(key.as_slice())), state })
    }
}

impl Document {
    fn parse(json: &str) -> Result<Self, KeyringError> {
        // The library's message may quote the text around the fault, which here is key material: keep the place alone.
        // Some editors put a byte order mark at the start.
        let json = json.trim_start_matches('\u{feff}');
        serde_json::from_str(json).map_err(|e| {
            KeyringError(format!(
                "the key ring is not valid at line {} column {}: expected \
                 {{\"primary\": 1, \"keys\": [{{\"id\": 1, \"key\": \"<base64 of 32 bytes>\"}}]}}",
                e.line(),
                e.column()
            ))
        })
    }

    fn write(&self) -> Result<Zeroizing<String>, KeyringError> {
        let text = serde_json::to_string_pretty(self).map_err(|e| KeyringError(e.to_string()))?;
        Ok(Zeroizing::new(text + "\n"))
    }
}

impl Keyring {
    /// Reads a key ring document.
    ///
    /// # Errors
    /// When it is not such a document, a key is not 32 bytes, an id is zero or repeated, or the primary key is missing
    /// or not active. The message never holds what was read.
    pub fn parse(json: &str) -> Result<Self, KeyringError> {
        Self::of(&Document::parse(json)?)
    }

    fn of(document: &Document) -> Result<Self, KeyringError> {
        let mut keys = BTreeMap::new();
        let mut primary_is_active = false;
        for item in &document.keys {
            if item.id == 0 {
                return Err(KeyringError("key id 0 is not allowed: ids start at 1".into()));
            }
            if keys.insert(item.id, decode(item)?).is_some() {
                return Err(KeyringError(format!("key id {} stands twice in the key ring", item.id)));
            }
            primary_is_active |= item.id == document.primary && item.state == KeyState::Active;
        }
        if !primary_is_active {
            return Err(KeyringError(format!(
                "the primary key {} is not an active key of the key ring",
                document.primary
            )));
        }
        Ok(Self { primary: document.primary, keys })
    }

    /// Reads a key ring file.
    ///
    /// # Errors
    /// As [`Keyring::parse`]; also when the file cannot be read, or group or others may read it.
    pub fn read(path: &Path) -> Result<Self, KeyringError> {
        Self::read_with(path, private_file::read)
    }

    /// Reads a key ring file that another process may be writing at this moment.
    ///
    /// # Errors
    /// As [`Keyring::read`].
    pub fn read_new(path: &Path) -> Result<Self, KeyringError> {
        Self::read_with(path, private_file::read_new)
    }

    fn read_with(
        path: &Path,
        read: fn(&Path, &str) -> Result<Zeroizing<String>, String>,
    ) -> Result<Self, KeyringError> {
        let text = read(path, WHAT).map_err(KeyringError)?;
        Self::parse(&text).map_err(|KeyringError(e)| KeyringError(format!("{}: {e}", path.display())))
    }

    /// A document with one fresh key, id 1.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Zeroizing<String>, KeyringError> {
        Document { primary: 1, keys: vec![Item::fresh(1, KeyState::Active)?] }.write()
    }

    /// Writes a fresh key ring to a new file that only its owner can read.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn create(path: &Path) -> Result<(), KeyringError> {
        private_file::create(path, &Self::generate()?)
            .map_err(|e| KeyringError(format!("cannot write {WHAT} {}: {e}", path.display())))
    }

    pub(super) fn primary(&self) -> u32 {
        self.primary
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.keys.keys().copied()
    }

    /// A key id under which the two rings hold different keys.
    pub(super) fn find_conflict(&self, other: &Self) -> Option<u32> {
        self.keys.iter().find(|(id, key)| other.keys.get(*id).is_some_and(|other| other != *key)).map(|(id, _)| *id)
    }

    /// The keys in words, each by its fingerprint.
    pub(super) fn fingerprints(&self) -> String {
        let keys = self.keys.iter().map(|(id, key)| format!("key {id} with fingerprint {}", fingerprint(key)));
        keys.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn key(&self, id: u32) -> Option<&[u8; 32]> {
        self.keys.get(&id).map(|key| &**key)
    }
}

/// Hexadecimal of the first 8 bytes of SHA-256 over purpose and key: enough to tell keys apart, nothing to attack.
pub(super) fn fingerprint(key: &[u8; 32]) -> String {
    let digest = Sha256::new().chain_update(CHECK_PURPOSE).chain_update(key).finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn decode(item: &Item) -> Result<Zeroizing<[u8; 32]>, KeyringError> {
    let wrong = || KeyringError(format!("key {} is not the base64 of 32 bytes", item.id));
    let bytes = Zeroizing::new(STANDARD.decode(item.key.trim()).map_err(|_| wrong())?);
    bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refusal(json: &str) -> String {
        Keyring::parse(json).err().expect("refused").to_string()
    }

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    #[test]
    fn a_generated_ring_can_be_read() {
        let ring = Keyring::parse(&Keyring::generate().expect("generated")).expect("parsed");
        assert_eq!(ring.primary(), 1);
        assert!(ring.key(1).is_some());
    }

    #[test]
    fn faults_are_named_without_quoting_the_key() {
        let good = key(1);
        assert!(
            refusal(&format!(r#"{{"primary":1,"keys":[{{"id":1,"key":"{good}"}},{{"id":1,"key":"{good}"}}]}}"#))
                .contains("twice")
        );
        assert!(refusal(&format!(r#"{{"primary":2,"keys":[{{"id":1,"key":"{good}"}}]}}"#)).contains("primary key 2"));
        assert!(
            refusal(&format!(r#"{{"primary":1,"keys":[{{"id":1,"key":"{good}","state":"decrypt_only"}}]}}"#))
                .contains("not an active")
        );
        assert!(refusal(r#"{"primary":1,"keys":[{"id":1,"key":"c2hvcnQ="}]}"#).contains("32 bytes"));
        let quoted = refusal(&format!(r#"{{"primary":"{good}"}}"#));
        assert!(quoted.contains("line 1") && !quoted.contains(&good));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("ring.json");
        Keyring::create(&path).expect("created");
        assert!(Keyring::read(&path).is_ok());
        assert!(Keyring::create(&path).is_err(), "never overwritten");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(Keyring::read(&path).err().expect("refused").to_string().contains("chmod 600"));
    }
}
