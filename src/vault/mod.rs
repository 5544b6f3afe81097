//! The vault seals secret values and never meets a row, a request or a transport.
//!
//! A provider key (KEK) wraps one data key per account; the data key seals one value per secret name. See
//! `docs/vault.md` for the bytes. There is no plaintext mode and no fallback: without a usable key, sealing fails.

mod envelope;
mod keyring;
mod local;
pub mod private_file;

use zeroize::Zeroizing;

pub use envelope::{Malformed, SecretPlace};
pub use keyring::{KeyState, Keyring, KeyringError};

use crate::domain::{AccountId, Plain, Sealed};
use crate::error::{Error, Result};

/// The name of the only provider so far: a key ring in a file or the environment.
pub const LOCAL: &str = "local";

/// Seconds a client should wait before it tries to store a secret again.
const RETRY_AFTER_SECONDS: u64 = 30;

/// Seals and opens with whatever keys the operator configured.
pub struct Vault {
    provider: Option<local::Local>,
}

/// A data key at rest: unreadable without the provider key that wrapped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Generation within the account, from 1.
    pub key_id: u32,
    /// Which provider wrapped it.
    pub provider: String,
    /// Which of the provider's keys.
    pub kek_ref: String,
    /// The envelope.
    pub bytes: Vec<u8>,
}

/// A data key in use. Wiped when dropped; has no `Debug`.
pub struct DataKey {
    key_id: u32,
    key: Zeroizing<[u8; 32]>,
}

/// A known text sealed under a provider key: tells a wrong key at start instead of weeks later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCheck {
    /// Who holds the key.
    pub provider: String,
    /// Which key.
    pub kek_ref: String,
    /// A short digest of the key, safe to print.
    pub fingerprint: String,
    /// The sealed text.
    pub bytes: Vec<u8>,
}

impl Vault {
    /// A vault over a key ring; without one every sealing fails and everything else works.
    pub fn new(keyring: Option<Keyring>) -> Self {
        Self { provider: keyring.map(local::Local::new) }
    }

    /// Whether secrets can be stored.
    pub fn is_usable(&self) -> bool {
        self.provider.is_some()
    }

    /// Compares the recorded checks with the keys at hand and returns the checks still to be recorded.
    ///
    /// # Errors
    /// A sentence for the operator when a recorded key is missing or a different one: the server must not start.
    pub fn verify(&self, recorded: &[KeyCheck]) -> std::result::Result<Vec<KeyCheck>, String> {
        match &self.provider {
            Some(provider) => provider.verify(recorded),
            None => match recorded.first() {
                None => Ok(Vec::new()),
                Some(check) => Err(format!(
                    "this database holds secrets sealed with key {} (fingerprint {}), but no key ring is configured: \
                     point PATCHBAY_KEYRING_FILE at the key ring that was used before",
                    check.kek_ref, check.fingerprint
                )),
            },
        }
    }

    /// A new data key for the account and its wrapped form.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when there is no usable provider key.
    pub fn create_key(&self, account: &AccountId, key_id: u32) -> Result<(DataKey, WrappedKey)> {
        let key = DataKey { key_id, key: envelope::random_key()? };
        let wrapped = self.provider()?.wrap(account, &key)?;
        Ok((key, wrapped))
    }

    /// The data key inside a wrapped one.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when the provider key is missing or does not open it.
    pub fn unwrap_key(&self, account: &AccountId, wrapped: &WrappedKey) -> Result<DataKey> {
        self.provider()?.unwrap(account, wrapped)
    }

    fn provider(&self) -> Result<&local::Local> {
        self.provider.as_ref().ok_or_else(|| unavailable("no key ring is configured"))
    }
}

impl DataKey {
    /// The key's generation within its account.
    pub fn id(&self) -> u32 {
        self.key_id
    }

    /// Seals a value, bound to the place it is stored at.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when the operating system gives no randomness.
    pub fn seal(&self, place: &SecretPlace<'_>, plain: &Plain) -> Result<Sealed> {
        let bytes = envelope::seal(self.key_id, &self.key, &place.context(), plain.expose())?;
        Ok(Sealed { key_id: self.key_id, bytes })
    }

    /// Opens a value that was sealed at the same place.
    ///
    /// # Errors
    /// [`Error::Internal`] for bytes that are malformed, of another key, or sealed for another place. Only that value
    /// is affected; no other key is tried.
    pub fn open(&self, place: &SecretPlace<'_>, sealed: &[u8]) -> Result<Plain> {
        envelope::open(self.key_id, &self.key, &place.context(), sealed)
            .map(|plain| Plain::new(plain.to_vec()))
            .map_err(|malformed| Error::Internal { cause: format!("sealed secret: {malformed}") })
    }
}

fn unavailable(cause: impl Into<String>) -> Error {
    Error::SecretsUnavailable { cause: cause.into(), retry_after: RETRY_AFTER_SECONDS }
}
