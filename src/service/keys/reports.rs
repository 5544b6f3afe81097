//! What there is of keys, and whether everything that was sealed opens. Counts and names, never a value.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::rewrapping::unavailable;
use super::{KeyKeeper, generations, startup, wrapped};
use crate::domain::{AccountId, CONNECTION, IntegrationId};
use crate::error::{Error, Result};
use crate::store::{AccountState, KeyCount, Need, PlacedSecret, TenantStore};
use crate::vault::{DataKey, Fault, Malformed, counter_of};

/// Values that are in memory at once.
const PAGE: u64 = 500;
/// How often an account is looked at before something that does not open is reported: it may have moved under our eyes.
const LOOKS: usize = 3;

/// Why a secret without a row is broken.
pub(in crate::service) const NO_VALUE: &str = "is on record and has no value";

/// The keys of a database.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    /// The configured providers, the one that wraps first.
    pub providers: Vec<ProviderStatus>,
    /// Why a server would not start: the database was sealed with keys of a provider that is not configured.
    pub refusal: Option<String>,
    /// Data keys by provider key and state.
    pub counts: Vec<KeyCount>,
    /// Provider keys that the database was sealed with: name and fingerprint.
    pub checks: Vec<(String, String)>,
    /// Accounts with values that are still to be sealed anew under their active data key.
    pub to_reseal: u64,
    /// Whether new secrets are bound to counters.
    pub binds_secrets: bool,
    /// When the rotation of all accounts was begun that has not ended yet.
    pub unfinished_rotation: Option<DateTime<Utc>>,
}

/// A configured provider.
#[derive(Clone, Debug)]
pub struct ProviderStatus {
    /// Its name.
    pub name: &'static str,
    /// Its current key; or why it cannot be used: it is away, or has other keys than the database was sealed with.
    pub current: std::result::Result<String, String>,
}

/// Whether what an account has opens.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Values that open.
    pub opened: u64,
    /// Values that do not.
    pub broken: Vec<Broken>,
}

/// A value that does not open.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The catalog entry.
    pub integration: Uuid,
    /// The connection.
    pub connection: String,
    /// The secret's name.
    pub name: String,
    /// Why, in words.
    pub cause: String,
}

impl KeyKeeper {
    /// The keys of the database.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn status(&self) -> Result<KeyStatus> {
        let system = self.store.system();
        let recorded = startup::recorded(&self.store).await?;
        let mut providers = Vec::new();
        for name in self.vault.providers() {
            // Nothing is recorded: who looks changes nothing.
            let current = match self.vault.check(name, &recorded).await {
                Ok(_) => self.vault.current_key_of(name).await,
                Err(fault) => Err(fault),
            };
            providers.push(ProviderStatus { name, current: current.map_err(|fault| fault.cause().to_owned()) });
        }
        Ok(KeyStatus {
            providers,
            refusal: self.vault.refuse_absent_providers(&recorded).err(),
            to_reseal: system.count_accounts(&Need::Resealing).await?,
            counts: system.key_counts().await?,
            checks: recorded.into_iter().map(|check| (check.kek_ref, check.fingerprint)).collect(),
            binds_secrets: system.key_signals().await?.binds_secrets,
            unfinished_rotation: system.unfinished_rotation().await?,
        })
    }

    /// Opens every value of the account.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when a provider is away, so that it cannot be told; those of the database.
    pub async fn verify(&self, account: &AccountId) -> Result<Verified> {
        let tenant = self.store.tenant(account.clone());
        let mut verified = self.look(&tenant).await?;
        for _ in 1..LOOKS {
            if verified.broken.is_empty() {
                break;
            }
            verified = self.look(&tenant).await?;
        }
        let missing = tenant.missing_secrets().await?.into_iter();
        verified.broken.extend(missing.map(|(integration, name)| Broken {
            integration,
            connection: CONNECTION.to_owned(),
            name,
            cause: NO_VALUE.to_owned(),
        }));
        Ok(verified)
    }

    async fn look(&self, tenant: &TenantStore) -> Result<Verified> {
        let mut verified = Verified::default();
        let state = tenant.state().await?;
        let mut keys: HashMap<u32, std::result::Result<Arc<DataKey>, Error>> = HashMap::new();
        let mut last: Option<PlacedSecret> = None;
        loop {
            let secrets = tenant.sealed(last.as_ref(), PAGE).await?;
            let Some(furthest) = secrets.last().cloned() else { return Ok(verified) };
            last = Some(furthest);
            for secret in secrets {
                let id = secret.sealed.key_id;
                let key = match keys.entry(id) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => unknown.insert(self.key_for(tenant, id).await),
                };
                let opened = match key {
                    Ok(key) => generations::open(tenant.account(), key, &secret).map(drop),
                    Err(error) => Err(error.clone()),
                };
                let opened = match opened {
                    Ok(()) if !fits_record(&state, &secret) => check_record(tenant, &secret).await,
                    opened => opened,
                };
                match opened {
                    Ok(()) => verified.opened += 1,
                    Err(
                        error @ (Error::Database { .. }
                        | Error::DatabaseUnavailable { .. }
                        | Error::SecretsUnavailable { .. }),
                    ) => return Err(error),
                    Err(error) => verified.broken.push(broken(secret, &error)),
                }
            }
        }
    }

    async fn key_for(&self, tenant: &TenantStore, id: u32) -> Result<Arc<DataKey>> {
        let absent = || Error::Internal { cause: format!("data key {id} is not there") };
        let key = tenant.key(id).await?.ok_or_else(absent)?;
        // Not from memory: it is the wrapped one that must open.
        self.vault.unwrap_anew(tenant.account(), &wrapped(key)).await.map_err(|fault| match fault {
            Fault::Corrupt(cause) => Error::Internal { cause: format!("data key {id}: {cause}") },
            // Nothing is known of what it seals.
            Fault::Unavailable(_) | Fault::Denied(_) => unavailable(fault),
        })
    }
}

/// Whether the value's counter is the one that its installation records.
fn fits_record(state: &AccountState, secret: &PlacedSecret) -> bool {
    let row = state.find(IntegrationId(secret.integration));
    let recorded = row.and_then(|row| row.secret_counters.get(&secret.name).copied());
    recorded == counter_of(&secret.sealed.bytes)
}

/// Compares value and record in one statement: the value may have been stored after the record was read.
async fn check_record(tenant: &TenantStore, secret: &PlacedSecret) -> Result<()> {
    let recorded = tenant.recorded_secrets(IntegrationId(secret.integration)).await?;
    let latest = recorded.into_iter().find(|recorded| recorded.name.as_str() == secret.name);
    let is_rolled_back = latest.is_some_and(|latest| {
        let stored = latest.sealed.filter(|stored| stored.bytes == secret.sealed.bytes);
        stored.is_some_and(|stored| counter_of(&stored.bytes) != latest.counter)
    });
    match is_rolled_back {
        true => Err(Error::SecretUnreadable { name: secret.name.clone(), cause: Malformed::Counter.to_string() }),
        false => Ok(()),
    }
}

fn broken(PlacedSecret { integration, connection, name, .. }: PlacedSecret, error: &Error) -> Broken {
    Broken { integration, connection, name, cause: error.cause().unwrap_or_default().to_owned() }
}
