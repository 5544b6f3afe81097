//! Keeping the keys: which data key seals, when a new generation takes its place, and how everything stays readable
//! meanwhile. Works account by account, beside running replicas, and goes on where it was stopped.

mod binding;
mod bursts;
mod generations;
mod reported;
mod reports;
mod rewrapping;
mod runs;
mod servers;
mod shredding;
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

pub use binding::Binding;
pub use generations::Resealing;
pub(super) use reports::NO_VALUE;
pub use reports::{Broken, KeyStatus, ProviderStatus, Verified};
pub use runs::{Pace, Tally};
pub use servers::Blocked;

use super::startup;
use super::under_way::UnderWay;
use crate::domain::{AccountId, ActorKind, Call};
use crate::error::{Error, Result, StartError};
use crate::store::{self, AccountKey, AccountState, Store, TenantStore};
use crate::vault::{DataKey, Vault, WrappedKey};
use bursts::Bursts;
use reported::ReportedSecrets;

/// The generation of an account's first data key.
const FIRST_KEY: u32 = 1;
/// The most values that may be sealed under one key with random nonces (NIST SP 800-38D, section 8.3).
const MOST_SEALS: i64 = 1 << 32;
/// Seconds a client should wait while a new generation is made.
const RETRY_AFTER_SECONDS: u64 = 1;

/// When the data key of an account is due for a new generation.
#[derive(Clone, Copy, Debug)]
pub struct KeyPolicy {
    /// At this age; `None` for never.
    pub max_age: Option<Duration>,
    /// After so many sealed values.
    pub max_seals: i64,
}

/// Knows the data keys of all accounts, and the vault that can use them. Cheap to clone.
#[derive(Clone)]
pub struct KeyKeeper {
    store: Store,
    vault: Arc<Vault>,
    policy: KeyPolicy,
    /// Where one process writes at a time.
    bursts: Option<Bursts>,
    /// Accounts whose next generation is being made by this process, in place of which.
    renewing: UnderWay<(AccountId, u32)>,
    broken: ReportedSecrets,
    /// Of this process, for as long as it runs.
    id: Uuid,
    /// Data keys that no provider key of this process opens.
    unopenable: Arc<AtomicU64>,
    /// New secrets are bound to counters.
    binds: Arc<AtomicBool>,
    /// Held while the row of this server is written; true once the server has removed it.
    has_left: Arc<tokio::sync::Mutex<bool>>,
}

impl KeyKeeper {
    /// A keeper over the keys of this database.
    pub fn new(store: Store, vault: Vault, policy: KeyPolicy) -> Self {
        let bursts = store.has_one_writer().then(Bursts::default);
        let (renewing, broken) = (UnderWay::default(), ReportedSecrets::default());
        let (vault, id) = (Arc::new(vault), Uuid::new_v4());
        let (unopenable, binds, has_left) = Default::default();
        Self { store, vault, policy, bursts, renewing, broken, id, unopenable, binds, has_left }
    }

    /// Compares the keys at hand with those that the database was sealed with; before, nothing is done with them.
    ///
    /// # Errors
    /// A sentence for the operator when a key is missing or another one.
    pub async fn check(&self) -> std::result::Result<(), StartError> {
        startup::check_keys(&self.store, &self.vault).await
    }

    /// As [`check`](Self::check), and refuses also when there is no key at all, or a provider is away: for work that
    /// needs every key.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn require(&self) -> std::result::Result<(), StartError> {
        startup::require_keys(&self.store, &self.vault).await
    }

    /// Whether the account ever changed anything.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn knows(&self, account: &AccountId) -> Result<bool> {
        Ok(self.store.tenant(account.clone()).revision().await? > 0)
    }

    /// The generations of the account's data key that are in memory, unwrapped.
    pub fn kept_of(&self, account: &AccountId) -> Vec<u32> {
        self.vault.kept().into_iter().filter(|(kept, _)| kept == account).map(|(_, key_id)| key_id).collect()
    }

    /// Whether secrets can be stored and opened, as far as is known.
    pub fn is_usable(&self) -> bool {
        self.vault.is_usable() && self.unopenable.load(Ordering::Acquire) == 0
    }

    /// The data key that so many values of the account are to be sealed with: made at the first need, renewed in the
    /// background when it is due.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when no key can be used; those of the database.
    pub(super) async fn sealing_key(
        &self,
        tenant: &TenantStore,
        state: &AccountState,
        values: usize,
    ) -> Result<Arc<DataKey>> {
        let refused = match self.sealing_key_of(tenant, state, values).await {
            Err(error @ Error::SecretsUnavailable { .. }) => error,
            done => return done,
        };
        // The state may be of a while ago, and its key wrapped with one that was retired since.
        let now = tenant.state().await?;
        match now.revision() == state.revision() {
            true => Err(refused),
            false => self.sealing_key_of(tenant, &now, values).await,
        }
    }

    async fn sealing_key_of(&self, tenant: &TenantStore, state: &AccountState, values: usize) -> Result<Arc<DataKey>> {
        let key = match tenant.active_key(state).await? {
            Some(key) => key,
            None => self.first_key(tenant, state).await?,
        };
        let sealed = sealed_by(&key, state, values);
        if self.is_due(&key, sealed) {
            self.renew_soon(tenant.account(), key.key_id);
        }
        if sealed > MOST_SEALS {
            let cause = format!("data key {} of {} has sealed as much as one key may", key.key_id, tenant.account());
            return Err(Error::SecretsUnavailable { cause, retry_after: RETRY_AFTER_SECONDS });
        }
        self.vault.data_key(tenant.account(), &wrapped(key)).await
    }

    /// Whether so many values can be sealed with this data key, which was the right one a moment ago.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn is_fit(
        &self,
        tenant: &TenantStore,
        state: &AccountState,
        key: &DataKey,
        values: usize,
    ) -> Result<bool> {
        let active = tenant.active_key(state).await?.filter(|active| active.key_id == key.id());
        Ok(active.is_some_and(|active| !self.is_due(&active, sealed_by(&active, state, values))))
    }

    /// The account's data key of this generation; none when it was destroyed.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when it cannot be unwrapped; those of the database.
    pub(super) async fn opening_key(&self, tenant: &TenantStore, id: u32) -> Result<Option<Arc<DataKey>>> {
        let Some(key) = tenant.key(id).await? else { return Ok(None) };
        self.vault.data_key(tenant.account(), &wrapped(key)).await.map(Some)
    }

    async fn first_key(&self, tenant: &TenantStore, state: &AccountState) -> Result<AccountKey> {
        // An account that was shredded had keys before, and no generation comes twice.
        let key_id = if state.revision() == 0 { FIRST_KEY } else { tenant.next_generation().await? };
        let (key, fresh) = self.vault.create_key(tenant.account(), key_id).await?;
        let fresh = stored(fresh, state.seals());
        // Another request may have been faster: then its key is the account's, and ours is forgotten.
        let stored = tenant.insert_key_if_absent(state, &fresh).await?;
        if stored.wrapped == fresh.wrapped {
            self.vault.remember(tenant.account(), &key);
        }
        Ok(stored)
    }

    /// Has something written for many accounts, one after the other, so that others can write meanwhile.
    async fn considerately<T>(&self, write: impl Future<Output = T>) -> T {
        match &self.bursts {
            Some(bursts) => bursts.write(write).await,
            None => write.await,
        }
    }

    fn is_due(&self, key: &AccountKey, sealed: i64) -> bool {
        let KeyPolicy { max_age, max_seals } = self.policy;
        let age = max_age.and_then(|age| TimeDelta::from_std(age).ok());
        sealed > max_seals || age.is_some_and(|age| store::now() - key.created_at > age)
    }
}

/// How many values a data key has sealed at most, with so many more.
fn sealed_by(key: &AccountKey, state: &AccountState, values: usize) -> i64 {
    state.seals() - key.seals_before + i64::try_from(values).unwrap_or(i64::MAX)
}

/// On behalf of the server itself.
fn server() -> Call {
    Call::trusted(ActorKind::System, "server")
}

fn wrapped(key: AccountKey) -> WrappedKey {
    WrappedKey { key_id: key.key_id, provider: key.provider, kek_ref: key.kek_ref, bytes: key.wrapped }
}

/// A new data key as a row.
fn stored(key: WrappedKey, seals_before: i64) -> AccountKey {
    AccountKey {
        key_id: key.key_id,
        provider: key.provider,
        kek_ref: key.kek_ref,
        wrapped: key.bytes,
        is_active: true,
        created_at: store::now(),
        seals_before,
    }
}
