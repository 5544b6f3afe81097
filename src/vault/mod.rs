//! The vault seals secret values and never meets a row, a request or a transport.
//!
//! A provider key (KEK) wraps one data key per account and generation; the data key seals one value per secret name. See
//! `docs/vault.md` for the bytes. There is no plaintext mode and no fallback: without a usable key, sealing fails, and what
//! one provider wrapped is never tried with another.

#[cfg(feature = "aws-kms")]
mod aws_kms;
mod breaker;
mod cache;
mod data_key;
mod envelope;
mod flight;
mod guard;
mod keyring;
mod local;
mod observer;
pub mod private_file;
mod provider;
mod transit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(feature = "aws-kms")]
pub use aws_kms::{AWS_KMS, AwsKms, sdk_config};
pub use cache::CacheSettings;
pub use data_key::{DataKey, WrappedKey};
pub use envelope::{Envelope, Malformed, SecretPlace, counter_of};
pub use guard::Guarded;
pub use keyring::{KeyState, Keyring, KeyringError};
pub use local::{LOCAL, Local};
pub use observer::{Observed, VaultObserver};
pub use provider::{Fault, KeyBytes, KeyPlace, Provider, Reloaded};
pub use transit::{TRANSIT, Transit, TransitSettings};

use crate::domain::AccountId;
use crate::error::{Error, Result};
use cache::KeyCache;
use flight::Flights;
use provider::LONG_WAIT;

/// Seals and opens with whatever keys the operator configured.
pub struct Vault {
    /// The first one wraps; the others unwrap what they wrapped when they were first.
    members: Vec<Member>,
    cache: KeyCache,
    /// Data keys being made.
    fresh: Flights<(Arc<DataKey>, WrappedKey)>,
    observer: VaultObserver,
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
        Self {
            members: providers.into_iter().map(member).collect(),
            cache: KeyCache::new(cache),
            fresh: Flights::default(),
            observer: observer::nobody(),
        }
    }

    /// The same vault, which tells of its work.
    pub fn observed_by(self, observer: VaultObserver) -> Self {
        Self { observer, ..self }
    }

    /// Whether secrets can be stored, as far as is known: the keys of all providers were checked, and none is out of order.
    pub fn is_usable(&self) -> bool {
        let works = |member: &Member| member.is_checked() && member.provider.wait().is_none();
        !self.members.is_empty() && self.members.iter().all(works)
    }

    /// The names of the providers, the one that wraps first.
    pub fn providers(&self) -> impl Iterator<Item = &'static str> {
        self.members.iter().map(|member| member.provider.name())
    }

    /// Those outside of this process, which may be away, and whose keys may change under our hands.
    pub fn services(&self) -> impl Iterator<Item = &'static str> {
        self.providers().filter(|name| *name != LOCAL)
    }

    /// How long to wait before a provider is asked again, while it is out of order.
    pub fn wait_for(&self, provider: &str) -> Option<Duration> {
        self.member(provider).ok()?.provider.wait()
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

    /// From now on the provider's keys are used: they were found to be the right ones, and that is recorded. Whether that
    /// is news.
    pub fn trust(&self, provider: &str) -> bool {
        self.set_checked(provider, true)
    }

    /// From now on they are not: they were found to be others. Data keys in memory stay. Whether that is news.
    pub fn distrust(&self, provider: &str) -> bool {
        self.set_checked(provider, false)
    }

    fn set_checked(&self, provider: &str, is_checked: bool) -> bool {
        self.member(provider).is_ok_and(|member| member.is_checked.swap(is_checked, Ordering::AcqRel) != is_checked)
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

    /// A new data key for the account and its wrapped form; the same one for all who want it at the same time.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when there is no usable provider key.
    pub async fn create_key(&self, account: &AccountId, key_id: u32) -> Result<(Arc<DataKey>, WrappedKey)> {
        let first = self.first().map_err(refused)?;
        let provider = first.usable().map_err(|fault| first.refused(fault))?;
        let work = || {
            let (account, provider) = (account.clone(), provider.clone());
            async move {
                let key = envelope::random_key().map_err(|refusal| Fault::Unavailable(refusal.to_string()))?;
                let wrapped = provider.wrap(KeyPlace { account: &account, key_id }, &key).await?;
                Ok((Arc::new(DataKey::new(key_id, key)), wrapped))
            }
        };
        let made = self.fresh.join((account.clone(), key_id), work).await;
        made.map_err(|fault| first.refused(fault.of(&format!("a new data key of {account}"))))
    }

    /// The data key inside a wrapped one: from memory, or the provider is asked, once for all who wait for it.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when the provider is away, or its key is missing or does not open it.
    pub async fn data_key(&self, account: &AccountId, wrapped: &WrappedKey) -> Result<Arc<DataKey>> {
        let found = self.cache.get(account, wrapped.key_id);
        (self.observer)(Observed::Lookup { is_hit: found.is_some() });
        if let Some(key) = found {
            return Ok(key);
        }
        let member = self.member(&wrapped.provider).map_err(refused)?;
        let unwrapped = match member.usable() {
            Ok(provider) => self.cache.unwrap(account, wrapped, provider).await,
            Err(fault) => Err(fault),
        };
        unwrapped.map_err(|fault| {
            let what = format!("data key {} of {account}, wrapped with {}", wrapped.key_id, wrapped.kek_ref);
            member.refused(fault.of(&what))
        })
    }

    /// The same data key wrapped with the primary provider's current key.
    ///
    /// # Errors
    /// Those of [`data_key`](Self::data_key).
    pub async fn rewrap(&self, account: &AccountId, wrapped: &WrappedKey) -> std::result::Result<WrappedKey, Fault> {
        let place = KeyPlace { account, key_id: wrapped.key_id };
        let (from, to) = (self.member(&wrapped.provider)?.usable()?, self.first()?.usable()?);
        if from.name() == to.name() {
            return to.rewrap(place, wrapped).await;
        }
        let key = from.unwrap(place, wrapped).await?;
        to.wrap(place, &key).await
    }

    /// The data key inside a wrapped one, from the provider itself.
    ///
    /// # Errors
    /// Those of the provider.
    pub async fn unwrap_anew(
        &self,
        account: &AccountId,
        wrapped: &WrappedKey,
    ) -> std::result::Result<Arc<DataKey>, Fault> {
        let place = KeyPlace { account, key_id: wrapped.key_id };
        let key = self.member(&wrapped.provider)?.usable()?.unwrap(place, wrapped).await?;
        Ok(Arc::new(DataKey::new(wrapped.key_id, key)))
    }

    /// The provider key that wraps new data keys.
    ///
    /// # Errors
    /// Those of the provider.
    pub async fn current_kek_ref(&self) -> std::result::Result<String, Fault> {
        Ok(self.first()?.usable()?.check().await?.kek_ref)
    }

    /// The provider key that this provider would wrap with; asked also of one whose keys were not checked.
    ///
    /// # Errors
    /// Those of the provider.
    pub async fn current_key_of(&self, provider: &str) -> std::result::Result<String, Fault> {
        Ok(self.member(provider)?.provider.check().await?.kek_ref)
    }

    /// The provider keys that this process can unwrap with: the keys of the ring by name, a key service as a whole.
    pub fn known_keys(&self) -> Vec<String> {
        self.members.iter().flat_map(|member| member.provider.known_keys()).collect()
    }

    /// The provider that wraps new data keys, by name.
    pub fn first_provider(&self) -> Option<&'static str> {
        self.providers().next()
    }

    /// Reads the keys of every provider again that has them from a file. A file that cannot be used leaves the keys in use.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn reload(&self, recorded: &[KeyCheck]) -> std::result::Result<Reloaded, String> {
        let mut outcome = Reloaded::Nothing;
        for member in &self.members {
            match member.provider.reload(recorded).await? {
                Reloaded::Nothing => {}
                reloaded => outcome = reloaded,
            }
        }
        Ok(outcome)
    }

    /// Reports how many data keys no key of this process opens.
    pub fn report_unopenable(&self, data_keys: u64) {
        (self.observer)(Observed::Unopenable { data_keys });
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

    /// Keeps a data key that was just made, as if it had been unwrapped.
    pub fn remember(&self, account: &AccountId, key: &Arc<DataKey>) {
        self.cache.remember(account, key);
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

    fn first(&self) -> std::result::Result<&Member, Fault> {
        let first = self.members.first();
        first.ok_or_else(|| Fault::Unavailable("neither key ring nor key service is configured".into()))
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

    /// What a caller is told: to come back when the provider may be asked again, where that may help.
    fn refused(&self, fault: Fault) -> Error {
        let is_away = matches!(fault, Fault::Unavailable(_));
        unavailable(fault.cause(), self.provider.wait().filter(|_| is_away).unwrap_or(LONG_WAIT))
    }
}

/// Where waiting alone does not help.
fn refused(fault: Fault) -> Error {
    unavailable(fault.cause(), LONG_WAIT)
}

/// In whole seconds, at least 1, and never so early that it would be refused again.
fn unavailable(cause: impl Into<String>, wait: Duration) -> Error {
    let retry_after = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Error::SecretsUnavailable { cause: cause.into(), retry_after: retry_after.max(1) }
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
        let place = |account, integration, connection, name| SecretPlace {
            account,
            integration,
            connection,
            name,
            counter: None,
        };
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
