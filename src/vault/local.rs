//! The `local` provider: wraps data keys with the keys of a key ring, in process.

use zeroize::Zeroizing;

use super::keyring::{self, CHECK_PURPOSE, Keyring};
use super::{DataKey, KeyCheck, LOCAL, WrappedKey, envelope, unavailable};
use crate::domain::AccountId;
use crate::error::Result;

const DEK_PURPOSE: &[u8] = b"patchbay.dek.v1";
const CHECK_TEXT: &[u8] = b"patchbay key check";

pub(super) struct Local {
    ring: Keyring,
}

impl Local {
    pub(super) fn new(ring: Keyring) -> Self {
        Self { ring }
    }

    pub(super) fn wrap(&self, account: &AccountId, key: &DataKey) -> Result<WrappedKey> {
        let (id, kek) = self.primary()?;
        let bytes = envelope::seal(id, kek, &context(account, key.key_id), key.key.as_slice())?;
        Ok(WrappedKey { key_id: key.key_id, provider: LOCAL.into(), kek_ref: kek_ref(id), bytes })
    }

    pub(super) fn unwrap(&self, account: &AccountId, wrapped: &WrappedKey) -> Result<DataKey> {
        let refused = |why: String| unavailable(format!("data key {} of {account}: {why}", wrapped.key_id));
        if wrapped.provider != LOCAL {
            return Err(refused(format!("wrapped by provider {}, which is not configured", wrapped.provider)));
        }
        let id = envelope::key_id(&wrapped.bytes).map_err(|e| refused(e.to_string()))?;
        let kek = self.ring.key(id).ok_or_else(|| refused(format!("key {} is not in the key ring", kek_ref(id))))?;
        let plain = envelope::open(id, kek, &context(account, wrapped.key_id), &wrapped.bytes)
            .map_err(|e| refused(e.to_string()))?;
        let key: [u8; 32] = plain.as_slice().try_into().map_err(|_| refused("not 32 bytes".into()))?;
        Ok(DataKey { key_id: wrapped.key_id, key: Zeroizing::new(key) })
    }

    pub(super) fn verify(&self, recorded: &[KeyCheck]) -> std::result::Result<Vec<KeyCheck>, String> {
        for check in recorded.iter().filter(|check| check.provider == LOCAL) {
            self.verify_one(check)?;
        }
        let id = self.ring.primary();
        if recorded.iter().any(|check| check.provider == LOCAL && check.kek_ref == kek_ref(id)) {
            return Ok(Vec::new());
        }
        self.check(id).map(|check| vec![check])
    }

    fn verify_one(&self, check: &KeyCheck) -> std::result::Result<(), String> {
        let expected = format!("key {} with fingerprint {}", check.kek_ref, check.fingerprint);
        let id = envelope::key_id(&check.bytes).map_err(|e| format!("key check of {}: {e}", check.kek_ref))?;
        let Some(kek) = self.ring.key(id) else {
            return Err(format!(
                "this database needs {expected}, which is not in the key ring: add it back, or point \
                 PATCHBAY_KEYRING_FILE at the key ring that was used before"
            ));
        };
        envelope::open(id, kek, &check_context(id), &check.bytes).map(drop).map_err(|_| {
            format!(
                "this database needs {expected}, but the key ring's key {id} has fingerprint {}: point \
                 PATCHBAY_KEYRING_FILE at the key ring that was used before",
                keyring::fingerprint(kek)
            )
        })
    }

    fn check(&self, id: u32) -> std::result::Result<KeyCheck, String> {
        let sentence = |_| format!("key {} cannot seal", kek_ref(id));
        let (_, kek) = self.primary().map_err(sentence)?;
        let bytes = envelope::seal(id, kek, &check_context(id), CHECK_TEXT).map_err(sentence)?;
        Ok(KeyCheck { provider: LOCAL.into(), kek_ref: kek_ref(id), fingerprint: keyring::fingerprint(kek), bytes })
    }

    fn primary(&self) -> Result<(u32, &[u8; 32])> {
        let id = self.ring.primary();
        self.ring.key(id).map(|kek| (id, kek)).ok_or_else(|| unavailable("the primary key is not in the key ring"))
    }
}

fn kek_ref(id: u32) -> String {
    format!("{LOCAL}:{id}")
}

fn context(account: &AccountId, key_id: u32) -> Vec<u8> {
    envelope::context(&[DEK_PURPOSE, account.as_str().as_bytes(), &key_id.to_be_bytes()])
}

fn check_context(id: u32) -> Vec<u8> {
    envelope::context(&[CHECK_PURPOSE, kek_ref(id).as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::super::{SecretPlace, Vault};
    use super::*;
    use crate::domain::{CONNECTION, IntegrationId, Plain, SecretName};

    fn ring() -> Keyring {
        Keyring::parse(&Keyring::generate().expect("generated")).expect("parsed")
    }

    fn account(id: &str) -> AccountId {
        AccountId::parse(id).expect("account")
    }

    #[test]
    fn a_wrapped_key_opens_for_its_account_and_generation_alone() {
        let vault = Vault::new(Some(ring()));
        let (_, wrapped) = vault.create_key(&account("acme"), 1).expect("created");
        assert!(vault.unwrap_key(&account("acme"), &wrapped).is_ok());
        assert!(vault.unwrap_key(&account("other"), &wrapped).is_err());
        assert!(vault.unwrap_key(&account("acme"), &WrappedKey { key_id: 2, ..wrapped.clone() }).is_err());
        assert!(Vault::new(Some(ring())).unwrap_key(&account("acme"), &wrapped).is_err());
    }

    #[test]
    fn a_sealed_secret_opens_at_its_place_alone() {
        let vault = Vault::new(Some(ring()));
        let (acme, other) = (account("acme"), account("other"));
        let (key, _) = vault.create_key(&acme, 1).expect("created");
        let (api_key, token) = (SecretName::parse("api_key").expect("name"), SecretName::parse("token").expect("name"));
        let (stripe, slack) = (IntegrationId::of_builtin("stripe"), IntegrationId::of_builtin("slack"));
        let place = |account, integration, connection, name| SecretPlace { account, integration, connection, name };
        let home = place(&acme, stripe, CONNECTION, &api_key);
        let sealed = key.seal(&home, &Plain::new(b"\"v\"".to_vec())).expect("sealed");
        assert_eq!(key.open(&home, &sealed.bytes).expect("opens").expose(), b"\"v\"");
        for away in [
            place(&other, stripe, CONNECTION, &api_key),
            place(&acme, slack, CONNECTION, &api_key),
            place(&acme, stripe, "second", &api_key),
            place(&acme, stripe, CONNECTION, &token),
        ] {
            assert!(key.open(&away, &sealed.bytes).is_err());
        }
    }

    #[test]
    fn the_key_check_tells_missing_and_wrong_keys() {
        let vault = Vault::new(Some(ring()));
        let recorded = vault.verify(&[]).expect("first use");
        assert_eq!(recorded.len(), 1);
        assert_eq!(vault.verify(&recorded).expect("same key"), vec![]);
        let wrong = Vault::new(Some(ring())).verify(&recorded).expect_err("another key");
        assert!(wrong.contains(&recorded[0].fingerprint) && wrong.contains("local:1"), "{wrong}");
        let none = Vault::new(None).verify(&recorded).expect_err("no key");
        assert!(none.contains("PATCHBAY_KEYRING_FILE"), "{none}");
        assert_eq!(Vault::new(None).verify(&[]).expect("nothing sealed yet"), vec![]);
    }
}
