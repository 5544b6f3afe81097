//! A new generation of an account's data key: it takes over at once, and what the old one sealed is sealed anew.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::reports::NO_VALUE;
use super::{KeyKeeper, server, stored, wrapped};
use crate::domain::{AccountId, Action, CONNECTION, Call, Event, FieldNames, IntegrationId, Plain, SecretName};
use crate::error::{Error, Result};
use crate::store::{AccountKey, PlacedSecret, Resealed, TenantStore};
use crate::vault::{DataKey, SecretPlace, counter_of};

/// Values that are sealed anew in one transaction.
const TOGETHER: u64 = 200;

/// What came of sealing an account's values anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealing {
    /// Values that are now sealed under the active key.
    pub resealed: u64,
    /// Values that do not open, and stay as they are.
    pub broken: u64,
    /// Old generations that nothing is sealed under any more, and that were destroyed.
    pub ended: u64,
}

impl KeyKeeper {
    /// Gives the account a new data key in place of one made before this moment; false when it has none such, or another
    /// process was faster.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when the provider does not wrap it; those of the database.
    pub async fn rotate(&self, account: &AccountId, before: DateTime<Utc>, call: &Call) -> Result<bool> {
        let tenant = self.store.tenant(account.clone());
        let old = tenant.keys().await?.into_iter().rfind(|key| key.is_active && key.created_at < before);
        match old {
            Some(old) => self.replace_key(&tenant, old.key_id, call).await,
            None => Ok(false),
        }
    }

    /// Gives the account a new data key in place of this one; false when that is not the active one any more.
    async fn replace_key(&self, tenant: &TenantStore, old: u32, call: &Call) -> Result<bool> {
        let (_, fresh) = self.vault.create_key(tenant.account(), tenant.next_generation().await?).await?;
        let event = Event::new(call, Action::DataKeyRotated).naming(FieldNames::of_data_key(fresh.key_id));
        // What is counted before is known to the transaction.
        self.considerately(tenant.begin_generation(old, stored(fresh, 0), event)).await
    }

    /// Seals anew what old generations sealed, and destroys those that are not needed any more. A client that writes
    /// meanwhile wins.
    ///
    /// # Errors
    /// [`Error::SecretsUnavailable`] when a key cannot be used; those of the database.
    pub async fn reseal(&self, account: &AccountId) -> Result<Resealing> {
        let tenant = self.store.tenant(account.clone());
        let mut done = Resealing::default();
        let (active, old): (Vec<_>, Vec<_>) = tenant.keys().await?.into_iter().partition(|key| key.is_active);
        let Some(active) = active.last() else { return Ok(done) };
        for old in old {
            self.reseal_generation(&tenant, &old, active, &mut done).await?;
            if self.considerately(tenant.end_generation(old.key_id)).await? {
                done.ended += 1;
            }
        }
        self.vault.forget(account, &[active.key_id]);
        for (integration, name) in tenant.missing_secrets().await? {
            self.report_broken(account, integration, CONNECTION, &name, NO_VALUE);
            done.broken += 1;
        }
        Ok(done)
    }

    async fn reseal_generation(
        &self,
        tenant: &TenantStore,
        old: &AccountKey,
        active: &AccountKey,
        done: &mut Resealing,
    ) -> Result<()> {
        let mut last = None;
        loop {
            let secrets = tenant.sealed_under(old.key_id, last.as_ref(), TOGETHER).await?;
            let Some(furthest) = secrets.last().cloned() else { return Ok(()) };
            last = Some(furthest);
            let account = tenant.account();
            let from = self.vault.data_key(account, &wrapped(old.clone())).await?;
            let to = self.vault.data_key(account, &wrapped(active.clone())).await?;
            let mut values = Vec::with_capacity(secrets.len());
            for before in secrets {
                match open(account, &from, &before) {
                    Ok((name, plain)) => {
                        let after = to.seal(&place(account, &before, &name), &plain)?;
                        values.push(Resealed { before, after });
                    }
                    Err(error) => {
                        let PlacedSecret { integration, connection, name, .. } = &before;
                        let cause = error.cause().unwrap_or_default();
                        self.report_broken(account, *integration, connection, name, cause);
                        done.broken += 1;
                    }
                }
            }
            done.resealed += self.considerately(tenant.replace_sealed(active.key_id, values)).await?;
        }
    }

    /// Logs a value that does not open, once per process: the hourly sweep meets it again and again.
    pub(super) fn report_broken(
        &self,
        account: &AccountId,
        integration: Uuid,
        connection: &str,
        name: &str,
        cause: &str,
    ) {
        if self.broken.insert((account.clone(), integration, connection.to_owned(), name.to_owned())) {
            tracing::error!(%account, %integration, name, cause, "a stored secret does not open");
        }
    }

    /// Gives the account a new data key in place of this one in the background, once at a time. Of this one: someone who has
    /// not seen yet that a key was replaced must not keep its successor from being renewed.
    pub(super) fn renew_soon(&self, account: &AccountId, old: u32) {
        let Some(renewal) = self.renewing.enter((account.clone(), old)) else { return };
        let keeper = self.clone();
        tokio::spawn(async move { keeper.renew(renewal.thing()).await });
    }

    async fn renew(&self, (account, old): &(AccountId, u32)) {
        let renewed = async {
            self.replace_key(&self.store.tenant(account.clone()), *old, &server()).await?;
            self.reseal(account).await
        };
        match renewed.await {
            Ok(Resealing { resealed, .. }) => tracing::info!(%account, resealed, "renewed a data key that was due"),
            Err(error) => tracing::warn!(%account, cause = error.cause(), "a data key is due and cannot be renewed"),
        }
    }
}

/// The value at its place, and its name. The counter is the value's own: [`super::reports`] compares it with the record.
pub(super) fn open(account: &AccountId, key: &DataKey, secret: &PlacedSecret) -> Result<(SecretName, Plain)> {
    let malformed = || Error::Internal { cause: "installation_secrets has a malformed name".into() };
    let name = SecretName::parse(&secret.name).ok_or_else(malformed)?;
    let plain = key.open(&place(account, secret, &name), &secret.sealed.bytes)?;
    Ok((name, plain))
}

/// Sealing a value again keeps its counter, so that the record stays right.
fn place<'a>(account: &'a AccountId, secret: &'a PlacedSecret, name: &'a SecretName) -> SecretPlace<'a> {
    let integration = IntegrationId(secret.integration);
    SecretPlace {
        account,
        integration,
        connection: &secret.connection,
        name,
        counter: counter_of(&secret.sealed.bytes),
    }
}
