//! The account's sealed values, whatever installation they belong to: those under a data key, and sealing them anew.

use std::collections::{BTreeMap, HashSet};

use ::entity::{account_key, account_revision, installation, installation_secret};
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::changes::counters;
use super::failure::Failed;
use super::keys::ACTIVE;
use super::pool::Transaction;
use super::{Outcome, TenantStore, Work};
use crate::domain::{CONNECTION, Sealed};
use crate::error::{Error, Result};

/// How often record and rows are compared before a difference is reported.
const MAX_COMPARISONS: usize = 3;

/// A sealed value with its place within the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedSecret {
    /// The catalog entry.
    pub integration: Uuid,
    /// The connection.
    pub connection: String,
    /// The secret's name.
    pub name: String,
    /// The value.
    pub sealed: Sealed,
}

/// A value that is to replace another, if that is still there.
#[derive(Clone)]
pub struct Resealed {
    /// The value as it was read.
    pub before: PlacedSecret,
    /// The same, sealed under another key.
    pub after: Sealed,
}

impl TenantStore {
    /// Values that are sealed under this key, in the order of their places, after the one given.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sealed_under(&self, key: u32, after: Option<&PlacedSecret>, limit: u64) -> Result<Vec<PlacedSecret>> {
        use installation_secret::Column;
        self.placed(after, limit, Column::KeyId.eq(i64::from(key))).await
    }

    /// All sealed values, in the order of their places, after the one given.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sealed(&self, after: Option<&PlacedSecret>, limit: u64) -> Result<Vec<PlacedSecret>> {
        self.placed(after, limit, Expr::value(true)).await
    }

    async fn placed(&self, after: Option<&PlacedSecret>, limit: u64, which: SimpleExpr) -> Result<Vec<PlacedSecret>> {
        use installation_secret::{Column, Entity};
        let mut rows = self.select::<Entity>().filter(which);
        if let Some(PlacedSecret { integration, connection, name, .. }) = after {
            let place = Expr::tuple([Column::IntegrationId, Column::Connection, Column::Name].map(Expr::col));
            let last = [(*integration).into(), connection.as_str().into(), name.as_str().into()];
            rows = rows.filter(place.gt(Expr::tuple(last.map(|value: sea_orm::Value| Expr::value(value)))));
        }
        for column in [Column::IntegrationId, Column::Connection, Column::Name] {
            rows = rows.order_by_asc(column);
        }
        rows.limit(limit).all(&self.store.read).await?.into_iter().map(placed).collect()
    }

    /// The secrets that an installation has on record and that have no row, by integration and name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn missing_secrets(&self) -> Result<Vec<(Uuid, String)>> {
        let mut missing = self.compare_secrets().await?;
        for _ in 1..MAX_COMPARISONS {
            if missing.is_empty() {
                break;
            }
            missing = self.compare_secrets().await?;
        }
        Ok(missing)
    }

    /// Record and rows are two reads: a change between them leaves them apart.
    async fn compare_secrets(&self) -> Result<Vec<(Uuid, String)>> {
        use installation_secret::{Column, Entity};
        let state = self.state().await?;
        let rows = self.select::<Entity>().filter(Column::Connection.eq(CONNECTION)).select_only();
        let rows = rows.columns([Column::IntegrationId, Column::Name]).into_tuple::<(Uuid, String)>();
        let stored: HashSet<_> = rows.all(&self.store.read).await?.into_iter().collect();
        let recorded = state.installations().iter().flat_map(|installation| {
            let id = installation.integration_id.0;
            installation.secret_names.iter().map(move |name| (id, name.clone()))
        });
        Ok(recorded.filter(|secret| !stored.contains(secret)).collect())
    }

    /// Replaces each value by one sealed under this key, if it is still the one that was read, so that a client's write
    /// wins; how many were replaced. None if the key is not the active one any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn replace_sealed(&self, key: u32, values: Vec<Resealed>) -> Result<u64> {
        self.store.transaction(ReplaceSealed { tenant: self.clone(), key, values }).await
    }
}

/// The secrets of one installation that get their first counters.
#[derive(Clone)]
pub struct BoundSecrets {
    /// The catalog entry.
    pub integration: Uuid,
    /// The data key that they are sealed under.
    pub key: u32,
    /// The values as they were read, and as they are to stand.
    pub values: Vec<Resealed>,
    /// All counters of the installation as they are to stand.
    pub counters: BTreeMap<String, u64>,
}

impl TenantStore {
    /// Gives secrets of an installation their first counters, if the account still is at the revision that this was worked
    /// out from; whether it did. All of it or nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn bind_secrets(&self, known: i64, revision: i64, bound: BoundSecrets) -> Result<bool> {
        self.store.transaction(BindSecrets { tenant: self.clone(), known, revision, bound }).await
    }
}

struct BindSecrets {
    tenant: TenantStore,
    known: i64,
    revision: i64,
    bound: BoundSecrets,
}

impl Work for BindSecrets {
    type Value = bool;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<bool>, Failed> {
        use account_revision::Column as Account;
        use installation::Column;
        let Self { tenant, known, revision, bound } = self;
        let sealed = i64::try_from(bound.values.len()).unwrap_or(i64::MAX);
        let moved = tenant
            .update::<account_revision::Entity>()
            .col_expr(Account::Revision, Expr::value(*revision))
            .col_expr(Account::Seals, Expr::col(Account::Seals).add(sealed))
            .filter(Account::Revision.eq(*known))
            .exec(t)
            .await?;
        if moved.rows_affected == 0 || !tenant.is_active(bound.key, t).await? {
            return Ok(Outcome::Nothing(false));
        }
        for Resealed { before, after } in &bound.values {
            if tenant.replace_value(before, after, t).await? == 0 {
                return Ok(Outcome::Nothing(false));
            }
        }
        // The installation itself has not changed: its revision, which subscribers follow, stays.
        tenant
            .update::<installation::Entity>()
            .col_expr(Column::SecretCounters, Expr::value(counters(&bound.counters)))
            .filter(Column::IntegrationId.eq(bound.integration))
            .filter(Column::Connection.eq(CONNECTION))
            .exec(t)
            .await?;
        Ok(Outcome::Commit(true))
    }
}

impl TenantStore {
    /// Whether this data key seals new values.
    async fn is_active(&self, key: u32, t: &Transaction) -> std::result::Result<bool, DbErr> {
        let active = self
            .select::<account_key::Entity>()
            .filter(account_key::Column::KeyId.eq(i64::from(key)))
            .filter(account_key::Column::State.eq(ACTIVE));
        Ok(active.one(t).await?.is_some())
    }

    /// Replaces a value if it is still the one that was read.
    async fn replace_value(
        &self,
        before: &PlacedSecret,
        after: &Sealed,
        t: &Transaction,
    ) -> std::result::Result<u64, DbErr> {
        use installation_secret::{Column, Entity};
        let done = self
            .update::<Entity>()
            .col_expr(Column::Sealed, Expr::value(after.bytes.clone()))
            .col_expr(Column::KeyId, Expr::value(i64::from(after.key_id)))
            .filter(Column::IntegrationId.eq(before.integration))
            .filter(Column::Connection.eq(&before.connection))
            .filter(Column::Name.eq(&before.name))
            .filter(Column::Sealed.eq(before.sealed.bytes.clone()))
            .exec(t)
            .await?;
        Ok(done.rows_affected)
    }
}

struct ReplaceSealed {
    tenant: TenantStore,
    key: u32,
    values: Vec<Resealed>,
}

impl Work for ReplaceSealed {
    type Value = u64;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<u64>, Failed> {
        let sealed = i64::try_from(self.values.len()).unwrap_or(i64::MAX);
        let seals = account_revision::Column::Seals;
        let counted = self.tenant.update::<account_revision::Entity>().col_expr(seals, Expr::col(seals).add(sealed));
        // The revision row is the lock: the key stays active until what is sealed under it can be seen.
        counted.exec(t).await?;
        if !self.tenant.is_active(self.key, t).await? {
            return Ok(Outcome::Nothing(0));
        }
        let mut replaced = 0;
        for Resealed { before, after } in &self.values {
            replaced += self.tenant.replace_value(before, after, t).await?;
        }
        Ok(Outcome::Commit(replaced))
    }
}

fn placed(row: installation_secret::Model) -> Result<PlacedSecret> {
    let key_id = u32::try_from(row.key_id)
        .map_err(|_| Error::Internal { cause: "installation_secrets.key_id is out of range".into() })?;
    Ok(PlacedSecret {
        integration: row.integration_id,
        connection: row.connection,
        name: row.name,
        sealed: Sealed { key_id, bytes: row.sealed },
    })
}
