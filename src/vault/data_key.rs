//! Data keys: in use, and at rest.

use zeroize::Zeroizing;

use super::envelope::{self, SecretPlace};
use super::provider::{KeyBytes, LONG_WAIT};
use crate::domain::{Plain, Sealed};
use crate::error::{Error, Result};

/// A data key at rest: unreadable without the provider key that wrapped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Generation within the account, from 1.
    pub key_id: u32,
    /// Which provider wrapped it.
    pub provider: String,
    /// Which of the provider's keys.
    pub kek_ref: String,
    /// What the provider made of it.
    pub bytes: Vec<u8>,
}

/// A data key in use. Wiped when dropped; has no `Debug`.
pub struct DataKey {
    key_id: u32,
    key: KeyBytes,
}

impl DataKey {
    pub(super) fn new(key_id: u32, key: KeyBytes) -> Self {
        Self { key_id, key }
    }

    /// The key's generation within its account.
    pub fn id(&self) -> u32 {
        self.key_id
    }

    /// Seals a value, bound to the place it is stored at.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when the operating system gives no randomness.
    pub fn seal(&self, place: &SecretPlace<'_>, plain: &Plain) -> Result<Sealed> {
        let bytes = envelope::seal(self.key_id, &self.key, &place.context(), plain.expose());
        let bytes = bytes.map_err(|refusal| super::unavailable(refusal.to_string(), LONG_WAIT))?;
        Ok(Sealed { key_id: self.key_id, bytes })
    }

    /// Opens a value that was sealed at the same place.
    ///
    /// # Errors
    /// [`Error::Internal`] for bytes that are malformed, of another key, or sealed for another place. Only that value
    /// is affected; no other key is tried.
    pub fn open(&self, place: &SecretPlace<'_>, sealed: &[u8]) -> Result<Plain> {
        envelope::open(self.key_id, &self.key, &place.context(), sealed)
            .map(|mut plain: Zeroizing<Vec<u8>>| Plain::new(std::mem::take(&mut *plain)))
            .map_err(|malformed| Error::Internal { cause: format!("the sealed {place} does not open: {malformed}") })
    }
}
