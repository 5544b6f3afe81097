//! Data keys: in use, and at rest.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::envelope::{self, SecretPlace};
use super::provider::{KeyBytes, LONG_WAIT};
use crate::domain::{Plain, Sealed};
use crate::error::{Error, Result};

/// What the key of digests is derived for.
const DIGEST_PURPOSE: &[u8] = b"patchbay.digest.v1";

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
        let bytes = envelope::seal(self.key_id, &self.key, place.counter, &place.context(), plain.expose());
        let bytes = bytes.map_err(|refusal| super::unavailable(refusal.to_string(), LONG_WAIT))?;
        Ok(Sealed { key_id: self.key_id, bytes })
    }

    /// A digest that tells nothing without this key: for comparing what may be secret. HMAC-SHA-256 under a key of its own
    /// that HMAC-SHA-256 derives from this one.
    pub fn digest(&self, content: &[u8]) -> [u8; 32] {
        let derived = Zeroizing::new(mac(&self.key, DIGEST_PURPOSE));
        mac(&derived, content)
    }

    /// Opens a value that was sealed at the same place.
    ///
    /// # Errors
    /// [`Error::SecretUnreadable`] for bytes that are malformed, of another key, or sealed for another place. Only that value
    /// is affected; no other key is tried.
    pub fn open(&self, place: &SecretPlace<'_>, sealed: &[u8]) -> Result<Plain> {
        envelope::open(self.key_id, &self.key, place.counter, &place.context(), sealed)
            .map(|mut plain: Zeroizing<Vec<u8>>| Plain::new(std::mem::take(&mut *plain)))
            .map_err(|malformed| {
                let cause = format!("the sealed {place} does not open: {malformed}");
                Error::SecretUnreadable { name: place.name.as_str().to_owned(), cause }
            })
    }
}

/// HMAC-SHA-256. A key shorter than a block is one with zeros behind it (RFC 2104, section 2).
fn mac(key: &[u8; 32], content: &[u8]) -> [u8; 32] {
    let mut block = Zeroizing::new([0; 64]);
    block[..key.len()].copy_from_slice(key);
    Hmac::<Sha256>::new((&*block).into()).chain_update(content).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_its_key_and_content() {
        let key = |byte| DataKey::new(1, Zeroizing::new([byte; 32]));
        assert_eq!(key(1).digest(b"a"), key(1).digest(b"a"));
        assert_ne!(key(1).digest(b"a"), key(2).digest(b"a"));
        assert_ne!(key(1).digest(b"a"), key(1).digest(b"b"));
    }

    #[test]
    fn the_mac_is_that_of_the_standard() {
        // RFC 4231, test case 1, has a key of 20 bytes; padded with zeros it is the same key.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let mac: String = mac(&key, b"Hi There").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }
}
