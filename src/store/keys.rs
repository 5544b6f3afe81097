//! The account's wrapped data keys, generation by generation.

use ::entity::{account_key, account_revision, idempotency_key, installation, installation_secret, own_integration};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, QueryFilter, QueryOrder, Set, UpdateMany};

use super::failure::{self, Failed};
use super::pool::Transaction;
use super::{AccountState, Outcome, TenantStore, Work, now};
use crate::domain::Event;
use crate::error::{Error, Result};

pub(super) const ACTIVE: &str = "active";
const DECRYPT_ONLY: &str = "decrypt_only";
pub(super) const DESTROYED: &str = "destroyed";

/// A data key at rest, as the vault wrapped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountKey {
    /// Generation within the account, from 1.
    pub key_id: u32,
    /// Who wrapped it.
    pub provider: String,
    /// Which of the provider's keys.
    pub kek_ref: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// New values are sealed with it; with others, values are only opened.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// [`AccountState::seals`] when it was made.
    pub seals_before: i64,
}

/// What was destroyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shredded {
    /// Data keys.
    pub keys: u64,
    /// Sealed values.
    pub secrets: u64,
    /// Installations.
    pub installations: u64,
    /// Catalog entries of the account's own.
    pub entries: u64,
}

impl TenantStore {
    /// The data key that new values are sealed with, as of this state: whatever retires a key advances the account's
    /// revision, and what was sealed with it is then refused like any change of an account that has moved on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn active_key(&self, state: &AccountState) -> Result<Option<AccountKey>> {
        if let Some(known) = state.known_key().get() {
            return Ok(Some(known.clone()));
        }
        let found = self.find_active_key().await?;
        Ok(found.map(|key| state.known_key().get_or_init(|| key).clone()))
    }

    /// The data key of this generation, active or not; none when it was destroyed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn key(&self, id: u32) -> Result<Option<AccountKey>> {
        use account_key::{Column, Entity};
        let key = self.select::<Entity>().filter(Column::KeyId.eq(i64::from(id))).filter(Column::State.ne(DESTROYED));
        key.one(&self.store.read).await?.map(read).transpose()
    }

    /// All data keys that were not destroyed, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn keys(&self) -> Result<Vec<AccountKey>> {
        use account_key::{Column, Entity};
        let keys = self.select::<Entity>().filter(Column::State.ne(DESTROYED)).order_by_asc(Column::KeyId);
        keys.all(&self.store.read).await?.into_iter().map(read).collect()
    }

    /// The generation that comes next: none is ever used twice.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next_generation(&self) -> Result<u32> {
        use account_key::{Column, Entity};
        let last = self.select::<Entity>().order_by_desc(Column::KeyId).one(&self.store.read).await?;
        let next = u32::try_from(last.map_or(0, |key| key.key_id) + 1);
        next.map_err(|_| Error::Internal { cause: "account_keys.key_id is out of range".into() })
    }

    /// Stores a first data key unless another request was faster, and returns the one that is active now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn insert_key_if_absent(&self, state: &AccountState, key: &AccountKey) -> Result<AccountKey> {
        use account_key::Column;
        self.insert(row(key))
            .on_conflict(OnConflict::columns([Column::AccountId, Column::KeyId]).do_nothing().to_owned())
            .exec_without_returning(&self.store.write)
            .await?;
        self.active_key(state)
            .await?
            .ok_or_else(|| Error::Internal { cause: "the data key just stored is not active".into() })
    }

    /// Makes `key` the active one in place of `old`, which only opens from now on; false when that is not active any more.
    /// Whatever is under way for the account with the old one is refused.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_generation(&self, old: u32, key: AccountKey, event: Event) -> Result<bool> {
        self.store.transaction(BeginGeneration { tenant: self.clone(), old, key, event }).await
    }

    /// Destroys a data key that only opens, if nothing is sealed under it any more; whether it did.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_generation(&self, key: u32) -> Result<bool> {
        use account_key::Column;
        let end = async || {
            let sealed = Query::select()
                .expr(Expr::value(1))
                .from(installation_secret::Entity)
                .and_where(installation_secret::Column::AccountId.eq(self.account().as_str()))
                .and_where(installation_secret::Column::KeyId.eq(i64::from(key)))
                .to_owned();
            let ended = self
                .destroy_keys()
                .filter(Column::KeyId.eq(i64::from(key)))
                .filter(Column::State.eq(DECRYPT_ONLY))
                .filter(Expr::exists(sealed).not())
                .exec(&self.store.write)
                .await?;
            Ok::<_, Failed>(ended.rows_affected > 0)
        };
        failure::until_won(end).await
    }

    /// Destroys those of the account's data keys that the statement goes on to name.
    fn destroy_keys(&self) -> UpdateMany<account_key::Entity> {
        use account_key::Column;
        self.update()
            .col_expr(Column::State, Expr::value(DESTROYED))
            .col_expr(Column::Wrapped, Expr::value(Vec::<u8>::new()))
    }

    /// Replaces the wrapped form of a data key if it is still the one that was read; whether it did.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn replace_wrapped(&self, before: AccountKey, after: AccountKey) -> Result<bool> {
        self.store.transaction(ReplaceWrapped { tenant: self.clone(), before, after }).await
    }

    /// Destroys the account's data keys and deletes its installations with everything sealed. The log stays.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn shred(&self, event: Event) -> Result<Shredded> {
        let shredded = self.store.transaction(Shred { tenant: self.clone(), event }).await?;
        if let Some(log) = &self.store.log {
            log.truncate().await;
        }
        Ok(shredded)
    }

    /// Refuses whatever is under way for the account, on every replica.
    pub(super) async fn advance_revision(&self, t: &Transaction) -> std::result::Result<(), sea_orm::DbErr> {
        use account_revision::{ActiveModel, Column, Entity};
        let larger = if t.get_database_backend() == DbBackend::Sqlite { "MAX" } else { "GREATEST" };
        let next = Expr::col((Entity, Column::Revision)).add(1);
        let next = sea_orm::sea_query::Func::cust(larger).args([next, Expr::col(("excluded", Column::Revision))]);
        let row = ActiveModel {
            revision: Set(now().timestamp_micros()),
            seals: Set(0),
            own_catalog: Set(0),
            ..Default::default()
        };
        let advanced = OnConflict::column(Column::AccountId).value(Column::Revision, next).to_owned();
        self.insert(row).on_conflict(advanced).exec_without_returning(t).await.map(drop)
    }
}

struct BeginGeneration {
    tenant: TenantStore,
    old: u32,
    key: AccountKey,
    event: Event,
}

impl Work for BeginGeneration {
    type Value = bool;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<bool>, Failed> {
        use account_key::{Column, Entity};
        // The revision row is the lock: of two at once, one finds the old key retired.
        self.tenant.advance_revision(t).await?;
        let retired = self
            .tenant
            .update::<Entity>()
            .col_expr(Column::State, Expr::value(DECRYPT_ONLY))
            .filter(Column::KeyId.eq(i64::from(self.old)))
            .filter(Column::State.eq(ACTIVE))
            .exec(t)
            .await?;
        if retired.rows_affected == 0 {
            return Ok(Outcome::Nothing(false));
        }
        let revision = self.tenant.select::<account_revision::Entity>().one(t).await?;
        let key = AccountKey { seals_before: revision.map_or(0, |row| row.seals), ..self.key.clone() };
        self.tenant.insert(row(&key)).exec_without_returning(t).await?;
        self.tenant.insert_event(&self.event, t).await?;
        Ok(Outcome::Commit(true))
    }
}

struct ReplaceWrapped {
    tenant: TenantStore,
    before: AccountKey,
    after: AccountKey,
}

impl Work for ReplaceWrapped {
    type Value = bool;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<bool>, Failed> {
        use account_key::{Column, Entity};
        let Self { tenant, before, after } = self;
        // What replicas keep of the old form is not used any more.
        tenant.advance_revision(t).await?;
        let replaced = tenant
            .update::<Entity>()
            .col_expr(Column::Provider, Expr::value(after.provider.as_str()))
            .col_expr(Column::KekRef, Expr::value(after.kek_ref.as_str()))
            .col_expr(Column::Wrapped, Expr::value(after.wrapped.clone()))
            .filter(Column::KeyId.eq(i64::from(before.key_id)))
            .filter(Column::Wrapped.eq(before.wrapped.clone()))
            .filter(Column::State.ne(DESTROYED))
            .exec(t)
            .await?;
        Ok(if replaced.rows_affected > 0 { Outcome::Commit(true) } else { Outcome::Nothing(false) })
    }
}

struct Shred {
    tenant: TenantStore,
    event: Event,
}

impl Work for Shred {
    type Value = Shredded;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<Shredded>, Failed> {
        use account_key::Column;
        let tenant = &self.tenant;
        tenant.advance_revision(t).await?;
        let keys = tenant.destroy_keys().filter(Column::State.ne(DESTROYED)).exec(t).await?.rows_affected;
        let secrets = tenant.delete::<installation_secret::Entity>().exec(t).await?.rows_affected;
        let installations = tenant.delete::<installation::Entity>().exec(t).await?.rows_affected;
        let entries = tenant.delete::<own_integration::Entity>().exec(t).await?.rows_affected;
        let receipts = tenant.delete::<idempotency_key::Entity>().exec(t).await?.rows_affected;
        let shredded = Shredded { keys, secrets, installations, entries };
        if shredded == Shredded::default() {
            return Ok(if receipts > 0 { Outcome::Commit(shredded) } else { Outcome::Nothing(shredded) });
        }
        if entries > 0 {
            tenant.mark_own_catalog(t).await?;
        }
        tenant.insert_event(&self.event, t).await?;
        Ok(Outcome::Commit(shredded))
    }
}

impl TenantStore {
    async fn find_active_key(&self) -> Result<Option<AccountKey>> {
        use account_key::{Column, Entity};
        let keys = self.select::<Entity>().filter(Column::State.eq(ACTIVE)).order_by_desc(Column::KeyId);
        keys.one(&self.store.read).await?.map(read).transpose()
    }
}

fn row(key: &AccountKey) -> account_key::ActiveModel {
    account_key::ActiveModel {
        key_id: Set(i64::from(key.key_id)),
        provider: Set(key.provider.clone()),
        kek_ref: Set(key.kek_ref.clone()),
        wrapped: Set(key.wrapped.clone()),
        state: Set(ACTIVE.to_owned()),
        created_at: Set(key.created_at),
        seals_before: Set(key.seals_before),
        ..Default::default()
    }
}

fn read(row: account_key::Model) -> Result<AccountKey> {
    let key_id = u32::try_from(row.key_id)
        .map_err(|_| Error::Internal { cause: "account_keys.key_id is out of range".into() })?;
    Ok(AccountKey {
        key_id,
        provider: row.provider,
        kek_ref: row.kek_ref,
        wrapped: row.wrapped,
        is_active: row.state == ACTIVE,
        created_at: row.created_at,
        seals_before: row.seals_before,
    })
}
