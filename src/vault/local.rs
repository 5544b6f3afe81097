//! The `local` provider: wraps data keys with the keys of a key ring, in process.

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::keyring::{self, CHECK_PURPOSE, Keyring};
use super::provider::{CHECK_TEXT, Fault, KeyBytes, KeyPlace, Provider};
use super::{KeyCheck, WrappedKey, envelope};

/// The name of the provider.
pub const LOCAL: &str = "local";

/// Provider keys in this process.
pub struct Local {
    ring: Keyring,
}

impl Local {
    /// Over the keys of this ring.
    pub fn new(ring: Keyring) -> Self {
        Self { ring }
    }

    fn primary(&self) -> Result<(u32, &[u8; 32]), Fault> {
        let id = self.ring.primary();
        let kek = self.ring.key(id);
        kek.map(|kek| (id, kek)).ok_or_else(|| Fault::Corrupt("the primary key is not in the key ring".into()))
    }
}

#[async_trait]
impl Provider for Local {
    fn name(&self) -> &'static str {
        LOCAL
    }

    async fn wrap(&self, place: KeyPlace<'_>, key: &KeyBytes) -> Result<WrappedKey, Fault> {
        let (id, kek) = self.primary()?;
        let bytes = envelope::seal(id, kek, &place.context(), key.as_slice());
        let bytes = bytes.map_err(|refusal| Fault::Unavailable(refusal.to_string()))?;
        Ok(WrappedKey { key_id: place.key_id, provider: LOCAL.into(), kek_ref: kek_ref(id), bytes })
    }

    async fn unwrap(&self, place: KeyPlace<'_>, wrapped: &WrappedKey) -> Result<KeyBytes, Fault> {
        let refused = |malformed: envelope::Malformed| Fault::Corrupt(malformed.to_string());
        let id = envelope::key_id(&wrapped.bytes).map_err(refused)?;
        let kek = self.ring.key(id);
        let kek = kek.ok_or_else(|| Fault::Corrupt(format!("key {} is not in the key ring", kek_ref(id))))?;
        let plain = envelope::open(id, kek, &place.context(), &wrapped.bytes).map_err(refused)?;
        let key = plain.as_slice().try_into().map_err(|_| Fault::Corrupt("not 32 bytes".into()))?;
        Ok(Zeroizing::new(key))
    }

    async fn check(&self) -> Result<KeyCheck, Fault> {
        let (id, kek) = self.primary()?;
        let bytes = envelope::seal(id, kek, &check_context(id), CHECK_TEXT);
        let bytes = bytes.map_err(|refusal| Fault::Unavailable(refusal.to_string()))?;
        Ok(KeyCheck { provider: LOCAL.into(), kek_ref: kek_ref(id), fingerprint: keyring::fingerprint(kek), bytes })
    }

    async fn verify(&self, check: &KeyCheck) -> Result<(), Fault> {
        let expected = format!("key {} with fingerprint {}", check.kek_ref, check.fingerprint);
        let id = envelope::key_id(&check.bytes)
            .map_err(|malformed| Fault::Corrupt(format!("key check of {}: {malformed}", check.kek_ref)))?;
        let Some(kek) = self.ring.key(id) else {
            return Err(Fault::Corrupt(format!(
                "this database needs {expected}, which is not in the key ring, which has {}: add it back, or point \
                 PATCHBAY_KEYRING_FILE at the key ring that was used before",
                self.ring.fingerprints()
            )));
        };
        envelope::open(id, kek, &check_context(id), &check.bytes).map(drop).map_err(|_| {
            Fault::Corrupt(format!(
                "this database needs {expected}, but the key ring's key {id} has fingerprint {}: point \
                 PATCHBAY_KEYRING_FILE at the key ring that was used before",
                keyring::fingerprint(kek)
            ))
        })
    }
}

fn kek_ref(id: u32) -> String {
    format!("{LOCAL}:{id}")
}

pub(super) fn check_context(id: u32) -> Vec<u8> {
    envelope::context(&[CHECK_PURPOSE, kek_ref(id).as_bytes()])
}
