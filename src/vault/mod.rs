//! The vault seals secret values and never meets a row, a request or a transport.
//!
//! A provider key (KEK) wraps one data key per account and generation; the data key seals one value per secret name. See
//! `docs/vault.md` for the bytes. There is no plaintext mode and no fallback: without a usable key, sealing fails, and what
//! one provider wrapped is never tried with another.

mod cache;
mod data_key;
mod envelope;
mod keyring;
mod local;
pub mod private_file;
mod provider;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use cache::CacheSettings;
pub use data_key::{DataKey, WrappedKey};
pub use envelope::{Envelope, Malformed, SecretPlace};
pub use keyring::{KeyState, Keyring, KeyringError};
pub use local::{LOCAL, Local};
pub use provider::{Fault, KeyBytes, KeyPlace, Provider};

use crate::domain::AccountId;
use crate::error::{Error, Result};
use cache::KeyCache;

/// Seconds a client should wait before it tries to store a secret again.
const RETRY_AFTER_SECONDS: u64 = 30;

/// Seals and opens with whatever keys the operator configured.
pub struct Vault {
    /// The first one wraps; the others unwrap what they wrapped when they were first.
    members: Vec<Member>,
    cache: KeyCache,
}

/// A configured provider.
struct Member {
    provider: Arc<dyn Provider>,
    /// Its keys were found to be the ones that this database was sealed with. Before, nothing is done with them.
    is_checked: AtomicBool,
}

/// A known text sealed under a provider key: tells a wrong key at start instead of weeks later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCheck {
    /// Who holds the key.
    pub provider: String,
    /// Which key.
    pub kek_ref: String,
    /// A short digest of the key, safe to print; empty where the provider tells nothing of its keys.
    pub fingerprint: String,
    /// The sealed text.
    pub bytes: Vec<u8>,
}

impl Vault {
    /// A vault over these providers, of which the first wraps; without any every sealing fails and everything else works.
    pub fn new(providers: Vec<Arc<dyn Provider>>, cache: CacheSettings) -> Self {
        let member = |provider| Member { provider, is_checked: AtomicBool::new(false) };
        Self { members: providers.into_iter().map(member).collect(), cache: KeyCache::new(cache) }
    }

    /// Whether secrets can be stored, as far as is known.
    pub fn is_usable(&self) -> bool {
        !self.members.is_empty() && self.members.iter().all(|member| member.is_checked())
    }

    /// The names of the providers, the one that wraps first.
    pub fn providers(&self) -> impl Iterator<Item = &'static str> {
        self.members.iter().map(|member| member.provider.name())
    }

    /// Opens the recorded checks of one provider with the keys at hand; from then on they are used. Returns the check of the
    /// current key if it is still to be recorded.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] with a sentence for the operator when a recorded key is missing or a different one: the server
    /// must not start. [`Fault::Unavailable`] or [`Fault::Denied`] when that cannot be told now.
    pub async fn check(&self, provider: &str, recorded: &[KeyCheck]) -> std::result::Result<Option<KeyCheck>, Fault> {
        let member = self.member(provider)?;
        for check in recorded.iter().filter(|check| check.provider == provider) {
            member.provider.verify(check).await?;
        }
        let current = member.provider.check().await?;
        let is_known = recorded.iter().any(|check| check.provider == provider && check.kek_ref == current.kek_ref);
        Ok((!is_known).then_some(current))
    }

    /// From now on the provider's keys are used: they were found to be the right ones, and that is recorded.
    pub fn trust(&self, provider: &str) {
        if let Ok(member) = self.member(provider) {
            member.is_checked.store(true, Ordering::Release);
        }
    }

    /// Refuses a database that was sealed with the keys of a provider that is not configured.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn refuse_absent_providers(&self, recorded: &[KeyCheck]) -> std::result::Result<(), String> {
        let Some(check) = recorded.iter().find(|check| self.member(&check.provider).is_err()) else { return Ok(()) };
        let KeyCheck { provider, kek_ref, fingerprint, .. } = check;
        Err(match provider.as_str() {
            LOCAL => format!(
                "this database holds secrets sealed with key {kek_ref} (fingerprint {fingerprint}), but no key ring is \
                 configured: point PATCHBAY_KEYRING_FILE at the key ring that was used before"
            ),
            _ => format!(
                "this database holds secrets sealed with key {kek_ref}, but the provider {provider} is not configured: \
                 configure it as before, or move its data keys with `patchbay keys rewrap` and end it with \
                 `patchbay keys retire`"
            ),
        })
    }

    /// A new data key for the account and its wrapped form.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when there is no usable provider key.
    pub async fn create_key(&self, account: &AccountId, key_id: u32) -> Result<(Arc<DataKey>, WrappedKey)> {
        let key = envelope::random_key().map_err(|refusal| unavailable(refusal.to_string()))?;
        let wrapped = self.primary()?.wrap(KeyPlace { account, key_id }, &key).await.map_err(refused)?;
        Ok((Arc::new(DataKey::new(key_id, key)), wrapped))
    }

    /// The data key inside a wrapped one: from memory, or the provider is asked, once for all who wait for it.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when the provider is away, or its key is missing or does not open it.
    pub async fn data_key(&self, account: &AccountId, wrapped: &WrappedKey) -> Result<Arc<DataKey>> {
        let found = self.cache.get(account, wrapped.key_id);
        if let Some(key) = found {
            return Ok(key);
        }
        let provider = self.usable(&wrapped.provider).map_err(refused)?;
        self.cache.unwrap(account, wrapped, provider).await.map_err(|fault| {
            refused(fault.of(&format!("data key {} of {account}, wrapped with {}", wrapped.key_id, wrapped.kek_ref)))
        })
    }

    /// The same data key wrapped with the primary provider's current key.
    ///
    /// # Errors
    /// Those of [`data_key`](Self::data_key).
    pub async fn rewrap(&self, account: &AccountId, wrapped: &WrappedKey) -> std::result::Result<WrappedKey, Fault> {
        let place = KeyPlace { account, key_id: wrapped.key_id };
        let (from, to) = (self.usable(&wrapped.provider)?, self.first()?);
        if from.name() == to.name() {
            return to.rewrap(place, wrapped).await;
        }
        let key = from.unwrap(place, wrapped).await?;
        to.wrap(place, &key).await
    }

    /// The provider key that wraps new data keys.
    ///
    /// # Errors
    /// Those of the provider.
    pub async fn current_kek_ref(&self) -> std::result::Result<String, Fault> {
        Ok(self.first()?.check().await?.kek_ref)
    }

    /// Destroys the provider keys that belong to the account alone; the names of those that were.
    ///
    /// # Errors
    /// Those of the providers.
    pub async fn destroy_keys_of(&self, account: &AccountId) -> std::result::Result<Vec<&'static str>, Fault> {
        let mut destroyed = Vec::new();
        for Member { provider, .. } in &self.members {
            if provider.destroy_key_of(account).await? {
                destroyed.push(provider.name());
            }
        }
        Ok(destroyed)
    }

    /// The accounts whose data keys are in memory, with the generations.
    pub fn kept(&self) -> Vec<(AccountId, u32)> {
        self.cache.kept()
    }

    /// Drops data keys of the account from memory: all generations but these.
    pub fn forget(&self, account: &AccountId, but: &[u32]) {
        self.cache.forget(account, but);
    }

    /// Drops the data keys from memory whose time is up.
    pub fn forget_expired(&self) {
        self.cache.forget_expired();
    }

    fn primary(&self) -> Result<&Arc<dyn Provider>> {
        self.first().map_err(refused)
    }

    fn first(&self) -> std::result::Result<&Arc<dyn Provider>, Fault> {
        let first = self.members.first();
        let first = first.ok_or_else(|| Fault::Unavailable("neither key ring nor key service is configured".into()))?;
        first.usable()
    }

    fn usable(&self, provider: &str) -> std::result::Result<&Arc<dyn Provider>, Fault> {
        self.member(provider)?.usable()
    }

    fn member(&self, provider: &str) -> std::result::Result<&Member, Fault> {
        let member = self.members.iter().find(|member| member.provider.name() == provider);
        member.ok_or_else(|| Fault::Corrupt(format!("the provider {provider} is not configured")))
    }
}

impl Member {
    fn is_checked(&self) -> bool {
        self.is_checked.load(Ordering::Acquire)
    }

    fn usable(&self) -> std::result::Result<&Arc<dyn Provider>, Fault> {
        let unchecked =
            || Fault::Unavailable(format!("the keys of {} have not been checked yet", self.provider.name()));
        self.is_checked().then_some(&self.provider).ok_or_else(unchecked)
    }
}

fn refused(fault: Fault) -> Error {
    unavailable(fault.cause())
}

fn unavailable(cause: impl Into<String>) -> Error {
    Error::SecretsUnavailable { cause: cause.into(), retry_after: RETRY_AFTER_SECONDS }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{CONNECTION, IntegrationId, Plain, SecretName};

    const CACHE: CacheSettings = CacheSettings { entries: 10, ttl: Duration::from_secs(300) };

    fn ring() -> Keyring {
        Keyring::parse(&Keyring::generate().expect("generated")).expect("parsed")
    }

    fn vault(ring: Keyring) -> Vault {
        let vault = Vault::new(vec![Arc::new(Local::new(ring))], CACHE);
        vault.trust(LOCAL);
        vault
    }

    fn account(id: &str) -> AccountId {
        AccountId::parse(id).expect("account")
    }

    #[tokio::test]
    async fn a_wrapped_key_opens_for_its_account_and_generation_alone() {
        let vault_of_acme = vault(ring());
        let (_, wrapped) = vault_of_acme.create_key(&account("acme"), 1).await.expect("created");
        assert!(vault_of_acme.data_key(&account("acme"), &wrapped).await.is_ok());
        assert!(vault_of_acme.data_key(&account("other"), &wrapped).await.is_err());
        let other_generation = WrappedKey { key_id: 2, ..wrapped.clone() };
        assert!(vault_of_acme.data_key(&account("acme"), &other_generation).await.is_err());
        assert!(vault(ring()).data_key(&account("acme"), &wrapped).await.is_err());
    }

    #[tokio::test]
    async fn a_sealed_secret_opens_at_its_place_alone() {
        let (acme, other) = (account("acme"), account("other"));
        let (key, _) = vault(ring()).create_key(&acme, 1).await.expect("created");
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

    #[tokio::test]
    async fn the_key_check_tells_missing_and_wrong_keys() {
        let first = vault(ring());
        let recorded = [first.check(LOCAL, &[]).await.expect("first use").expect("to be recorded")];
        assert_eq!(first.check(LOCAL, &recorded).await.expect("same key"), None);
        let wrong = vault(ring()).check(LOCAL, &recorded).await.expect_err("another key");
        let Fault::Corrupt(wrong) = wrong else { panic!("{wrong:?}") };
        assert!(wrong.contains(&recorded[0].fingerprint) && wrong.contains("local:1"), "{wrong}");
        let none = Vault::new(Vec::new(), CACHE);
        let refused = none.refuse_absent_providers(&recorded).expect_err("no key");
        assert!(refused.contains("PATCHBAY_KEYRING_FILE"), "{refused}");
        assert_eq!(none.refuse_absent_providers(&[]), Ok(()), "nothing sealed yet");
    }

    #[tokio::test]
    async fn keys_that_were_not_checked_are_not_used() {
        let vault = Vault::new(vec![Arc::new(Local::new(ring()))], CACHE);
        assert!(!vault.is_usable());
        assert!(vault.create_key(&account("acme"), 1).await.is_err());
        vault.trust(LOCAL);
        assert!(vault.is_usable());
        assert!(vault.create_key(&account("acme"), 1).await.is_ok());
    }
}
