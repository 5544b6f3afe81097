//! Binding secrets to counters, so that an earlier value does not open in place of a later one.
//!
//! Releases before this one cannot open such values. A database that one of them may still use is left in format 1 until
//! `patchbay keys bind`; each name that has a counter keeps having one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{KeyKeeper, wrapped};
use crate::domain::{AccountId, CONNECTION, Installation, Plain, Sealed};
use crate::error::{Error, Result};
use crate::store::{self, AccountKey, BoundSecrets, KeySignals, PlacedSecret, RecordedSecret, Resealed, TenantStore};
use crate::vault::{DataKey, SecretPlace};

/// How often an account is bound again that changed meanwhile.
const MAX_ATTEMPTS: u32 = 12;

/// The outcome of binding an account's secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Values that were bound.
    pub bound: u64,
    /// Values that do not open, and stay as they are.
    pub broken: u64,
}

impl KeyKeeper {
    /// Whether new secrets are bound to counters.
    pub(in crate::service) fn binds_secrets(&self) -> bool {
        self.binds.load(Ordering::Acquire)
    }

    /// Reads what other processes told about the keys, and follows what they said of counters.
    pub(in crate::service) async fn load_signals(&self) -> Result<KeySignals> {
        let signals = self.store.system().key_signals().await?;
        self.binds.store(signals.binds_secrets, Ordering::Release);
        Ok(signals)
    }

    /// From now on every server binds new secrets to counters.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn enable_counters(&self) -> Result<()> {
        self.store.system().enable_counters().await?;
        self.binds.store(true, Ordering::Release);
        Ok(())
    }

    /// Seals the account's values again that have no counter yet. A client that writes meanwhile wins.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when a key cannot be used; [`Error::Overloaded`] when the account keeps changing; those
    /// of the database.
    pub async fn bind(&self, account: &AccountId) -> Result<Binding> {
        let tenant = self.store.tenant(account.clone());
        let mut done = Binding::default();
        let unbound = |row: &Installation| row.secret_names.iter().any(|name| !row.secret_counters.contains_key(name));
        let state = tenant.state().await?;
        for row in state.installations().iter().filter(|row| unbound(row)) {
            let bound = self.bind_installation(&tenant, row.integration_id.0).await?;
            (done.bound, done.broken) = (done.bound + bound.bound, done.broken + bound.broken);
        }
        Ok(done)
    }

    async fn bind_installation(&self, tenant: &TenantStore, integration: uuid::Uuid) -> Result<Binding> {
        for _ in 0..MAX_ATTEMPTS {
            let state = tenant.state().await?;
            let Some(row) = state.installations().iter().find(|row| row.integration_id.0 == integration) else { break };
            let Some(active) = tenant.active_key(&state).await? else { break };
            let revision = state.next_revision(store::now());
            let (bound, broken) = self.reseal_unbound(tenant, row, &active, revision.unsigned_abs()).await?;
            let done = Binding { bound: bound.values.len() as u64, broken };
            let known = state.revision();
            if done.bound == 0 || self.considerately(tenant.bind_secrets(known, revision, bound)).await? {
                return Ok(done);
            }
        }
        Err(Error::Overloaded)
    }

    /// The values without a counter, sealed with this one.
    async fn reseal_unbound(
        &self,
        tenant: &TenantStore,
        row: &Installation,
        active: &AccountKey,
        counter: u64,
    ) -> Result<(BoundSecrets, u64)> {
        let account = tenant.account();
        let integration = row.integration_id.0;
        let to = self.vault.data_key(account, &wrapped(active.clone())).await?;
        let mut counters: BTreeMap<_, _> = row.secret_counters.clone();
        let (mut values, mut broken, mut keys) = (Vec::new(), 0, HashMap::new());
        for RecordedSecret { name, counter: recorded, sealed } in tenant.recorded_secrets(row.integration_id).await? {
            let (None, Some(sealed)) = (recorded, sealed) else { continue };
            let place = |counter| SecretPlace {
                account,
                integration: row.integration_id,
                connection: CONNECTION,
                name: &name,
                counter,
            };
            match self.open_unbound(tenant, &mut keys, &place(None), &sealed).await {
                Ok(plain) => {
                    let after = to.seal(&place(Some(counter)), &plain)?;
                    let (connection, name) = (CONNECTION.to_owned(), name.as_str().to_owned());
                    counters.insert(name.clone(), counter);
                    values.push(Resealed { before: PlacedSecret { integration, connection, name, sealed }, after });
                }
                Err(Error::SecretUnreadable { name, cause }) => {
                    self.report_broken(account, integration, CONNECTION, &name, &cause);
                    broken += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok((BoundSecrets { integration, key: active.key_id, values, counters }, broken))
    }

    async fn open_unbound(
        &self,
        tenant: &TenantStore,
        keys: &mut HashMap<u32, Arc<DataKey>>,
        place: &SecretPlace<'_>,
        sealed: &Sealed,
    ) -> Result<Plain> {
        let id = sealed.key_id;
        let key = match keys.get(&id) {
            Some(key) => key.clone(),
            None => {
                let cause = format!("the {place} needs data key {id}, which is gone");
                let gone = Error::SecretUnreadable { name: place.name.as_str().to_owned(), cause };
                self.opening_key(tenant, id).await?.ok_or(gone)?
            }
        };
        keys.insert(id, key.clone());
        key.open(place, &sealed.bytes)
    }
}
