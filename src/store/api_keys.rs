//! API keys, and the record of the pepper that their digests were made with.
//!
//! A key belongs to no account: it may be for several, or for all. Who may see which is the services' to say.

use std::num::NonZeroU32;
use std::sync::Arc;

use ::entity::{api_key, key_check};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, Insert, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set,
};
use serde_json::Value;

use super::failure::Failed;
use super::pool::Transaction;
use super::{Outcome, Store, TenantStore, Work, now};
use crate::domain::{AccountId, Accounts, ApiKey, ApiKeyRef, Event, Scope};
use crate::error::{Error, Result};

/// The pepper among the checks of keys.
pub(super) const PEPPER: &str = "pepper";

/// The keys of all accounts. Cheap to clone.
#[derive(Clone)]
pub struct ApiKeyStore {
    pub(super) store: Store,
}

/// A key as it is stored.
#[derive(Clone)]
pub struct StoredKey {
    /// What is known of it.
    pub key: ApiKey,
    /// HMAC-SHA-256 of its text under the pepper.
    pub digest: [u8; 32],
    /// Its scopes as they are stored, with those that only a newer version knows.
    pub scope_words: Vec<String>,
    /// What authenticates its rights; `None` in a row of an older version.
    pub rights_mac: Option<Vec<u8>>,
}

/// Which keys are listed.
#[derive(Clone, Copy)]
pub enum KeysOf<'a> {
    /// Those for this account alone.
    Only(&'a AccountId),
    /// Those for this account alone, and every one for several or all accounts.
    OnlyOrSeveral(&'a AccountId),
    /// Every one.
    Anyone,
}

/// The end of a key.
#[derive(Clone)]
pub struct Revocation {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub by: String,
    /// The code over the rights of the revoked key; empty where none can be computed.
    pub rights_mac: Vec<u8>,
}

/// When a key may be added.
#[derive(Clone, Copy)]
pub enum Room {
    /// While fewer are in force for the same account alone; of those for several accounts, altogether.
    Below(u64),
    /// While there never was a key.
    First,
}

#[expect(clippy::disallowed_methods, reason = "API keys belong to no account")]
impl ApiKeyStore {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    /// The key of this name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find(&self, key: ApiKeyRef) -> Result<Option<StoredKey>> {
        let row = api_key::Entity::find().filter(named(key)).one(&self.store.read).await?;
        Ok(row.map(read).transpose()?)
    }

    /// The newest keys, from before this one on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(&self, of: KeysOf<'_>, before: Option<Uuid>, limit: u64) -> Result<Vec<ApiKey>> {
        use api_key::Column;
        let only = Column::OnlyAccount;
        let of = match of {
            KeysOf::Only(account) => only.eq(account.as_str()).into(),
            KeysOf::OnlyOrSeveral(account) => only.is_in([account.as_str(), ""]).into(),
            KeysOf::Anyone => Condition::all(),
        };
        let rows = api_key::Entity::find()
            .filter(of)
            .filter(before.map_or_else(Condition::all, |id| Column::Id.lt(id).into()))
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(&self.store.read)
            .await?;
        rows.into_iter().map(|row| Ok(read(row)?.key)).collect()
    }

    /// Adds a key whose digest was made with the pepper of this fingerprint, with the receipt that the asker carries; false
    /// when there is no room.
    ///
    /// # Errors
    /// [`Error::RequestRunning`] when there is a receipt already; [`Error::Internal`] when the pepper on record is another
    /// one by now; those of the database.
    pub async fn add(
        &self,
        key: StoredKey,
        fingerprint: String,
        room: Room,
        event: Event,
        asker: Option<TenantStore>,
    ) -> Result<bool> {
        let log = self.log_of(&key.key);
        log.store.clone().transaction(Add { key, fingerprint, room, log, event, asker }).await
    }

    /// Revokes a key, with the new code over its rights and the receipt that the asker carries; false for one that is
    /// revoked already, which stays as it is.
    ///
    /// # Errors
    /// [`Error::RequestRunning`] when there is a receipt already; those of the database.
    pub async fn revoke(
        &self,
        key: &ApiKey,
        revocation: Revocation,
        event: Event,
        asker: Option<TenantStore>,
    ) -> Result<bool> {
        let log = self.log_of(key);
        log.store.clone().transaction(Revoke { id: key.id, revocation, log, event, asker }).await
    }

    /// Where the events of a key belong: with its account, or with the operator when it has several or all.
    fn log_of(&self, key: &ApiKey) -> TenantStore {
        self.store.tenant(key.accounts.single().cloned().unwrap_or_else(AccountId::operator))
    }

    /// Notes that these keys were in use, unless that is noted already of the last so many seconds.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_use(&self, ids: &[Uuid], at: DateTime<Utc>, every: TimeDelta) -> Result<()> {
        use api_key::Column;
        let is_due = Condition::any().add(Column::LastUsedAt.is_null()).add(Column::LastUsedAt.lte(at - every));
        api_key::Entity::update_many()
            .col_expr(Column::LastUsedAt, Expr::value(at))
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(is_due)
            .exec(&self.store.write)
            .await?;
        Ok(())
    }

    /// Whether there ever was a key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn is_empty(&self) -> Result<bool> {
        Ok(is_empty(&self.store.read).await?)
    }

    /// The fingerprint of the pepper on record.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn recorded_pepper(&self) -> Result<Option<String>> {
        let row = key_check::Entity::find_by_id((PEPPER.to_owned(), PEPPER.to_owned())).one(&self.store.read).await?;
        Ok(row.map(|row| row.fingerprint))
    }

    /// Puts a pepper on record, if there is none or no key was ever made with it; the one that is then on record.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record_pepper(&self, fingerprint: String) -> Result<String> {
        match self.recorded_pepper().await? {
            Some(recorded) if recorded == fingerprint => Ok(recorded),
            _ => self.store.transaction(RecordPepper { fingerprint }).await,
        }
    }
}

struct Add {
    key: StoredKey,
    fingerprint: String,
    room: Room,
    log: TenantStore,
    event: Event,
    asker: Option<TenantStore>,
}

#[expect(clippy::disallowed_methods, reason = "API keys belong to no account")]
impl Work for Add {
    type Value = bool;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<bool>, Failed> {
        // The pepper's row is the lock: keys are added one after the other, by whatever replica, and are counted right.
        if !lock_pepper(t, &self.fingerprint).await? {
            let cause = "the pepper is not the one on record any more: start again with the one that is".to_owned();
            return Err(Failed::Rule(Error::Internal { cause }));
        }
        let row = write(&self.key);
        let has_room = match self.room {
            Room::First => is_empty(t).await?,
            Room::Below(most) => in_force(t, &self.key).await? < most,
        };
        if !has_room {
            return Ok(Outcome::Nothing(false));
        }
        Insert::one(row).exec_without_returning(t).await?;
        self.log.insert_event(&self.event, t).await?;
        with_receipt(self.asker.as_ref(), t).await
    }
}

struct Revoke {
    id: Uuid,
    revocation: Revocation,
    log: TenantStore,
    event: Event,
    asker: Option<TenantStore>,
}

#[expect(clippy::disallowed_methods, reason = "API keys belong to no account")]
impl Work for Revoke {
    type Value = bool;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<bool>, Failed> {
        use api_key::{ActiveModel, Column, Entity};
        let Revocation { at, by, rights_mac } = self.revocation.clone();
        let row = ActiveModel {
            revoked_at: Set(Some(at)),
            revoked_by: Set(Some(by)),
            rights_mac: Set(Some(rights_mac)),
            ..Default::default()
        };
        let of_this = Entity::update_many().filter(Column::Id.eq(self.id)).filter(Column::RevokedAt.is_null());
        let done = of_this.set(row).exec(t).await?;
        if done.rows_affected == 0 {
            return Ok(Outcome::Nothing(false));
        }
        self.log.insert_event(&self.event, t).await?;
        with_receipt(self.asker.as_ref(), t).await
    }
}

/// The end of what was done: with a receipt, if one is carried. It comes last, for it may turn the transaction to the
/// asker's own rows.
async fn with_receipt(asker: Option<&TenantStore>, t: &Transaction) -> std::result::Result<Outcome<bool>, Failed> {
    if let Some(asker) = asker {
        asker.write_receipt(t).await?;
    }
    Ok(Outcome::Commit(true))
}

struct RecordPepper {
    fingerprint: String,
}

#[expect(clippy::disallowed_methods, reason = "the pepper belongs to no account")]
impl Work for RecordPepper {
    type Value = String;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<String>, Failed> {
        use key_check::{ActiveModel, Column, Entity};
        let row = ActiveModel {
            provider: Set(PEPPER.to_owned()),
            kek_ref: Set(PEPPER.to_owned()),
            fingerprint: Set(self.fingerprint.clone()),
            wrapped: Set(Vec::new()),
            created_at: Set(now()),
        };
        // Locks the row that is there, or makes it.
        Insert::one(row)
            .on_conflict(
                OnConflict::columns([Column::Provider, Column::KekRef]).update_column(Column::CreatedAt).to_owned(),
            )
            .exec_without_returning(t)
            .await?;
        if is_empty(t).await? {
            Entity::update_many()
                .col_expr(Column::Fingerprint, Expr::value(self.fingerprint.as_str()))
                .filter(Column::Provider.eq(PEPPER))
                .exec(t)
                .await?;
            return Ok(Outcome::Commit(self.fingerprint.clone()));
        }
        let recorded = Entity::find().filter(Column::Provider.eq(PEPPER)).one(t).await?;
        let recorded = recorded.map_or_else(String::new, |row| row.fingerprint);
        Ok(if recorded == self.fingerprint { Outcome::Commit(recorded) } else { Outcome::Nothing(recorded) })
    }
}

/// Whether the pepper on record is this one; nobody else gets its lock until the transaction is over.
#[expect(clippy::disallowed_methods, reason = "the pepper belongs to no account")]
async fn lock_pepper(t: &Transaction, fingerprint: &str) -> std::result::Result<bool, DbErr> {
    use key_check::{Column, Entity};
    let locked = Entity::update_many()
        .col_expr(Column::Fingerprint, Expr::value(fingerprint))
        .filter(Column::Provider.eq(PEPPER))
        .filter(Column::Fingerprint.eq(fingerprint))
        .exec(t)
        .await?;
    Ok(locked.rows_affected > 0)
}

/// How many keys like this one are in force.
#[expect(clippy::disallowed_methods, reason = "API keys belong to no account")]
async fn in_force(t: &Transaction, StoredKey { key, .. }: &StoredKey) -> std::result::Result<u64, DbErr> {
    use api_key::{Column, Entity};
    Entity::find()
        .filter(Column::OnlyAccount.eq(only_account(key)))
        .filter(Column::RevokedAt.is_null())
        .filter(Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(key.created_at)))
        .count(t)
        .await
}

#[expect(clippy::disallowed_methods, reason = "API keys belong to no account")]
async fn is_empty(on: &impl ConnectionTrait) -> std::result::Result<bool, DbErr> {
    let first: Option<Uuid> =
        api_key::Entity::find().select_only().column(api_key::Column::Id).into_tuple().one(on).await?;
    Ok(first.is_none())
}

fn named(key: ApiKeyRef) -> Condition {
    use api_key::Column;
    match key {
        ApiKeyRef::Id(id) => Column::Id.eq(id).into(),
        ApiKeyRef::Public(id) => Column::PublicId.eq(id.as_str()).into(),
    }
}

fn only_account(key: &ApiKey) -> &str {
    key.accounts.single().map_or("", AccountId::as_str)
}

fn write(StoredKey { key, digest, scope_words, rights_mac }: &StoredKey) -> api_key::ActiveModel {
    let accounts = match &key.accounts {
        Accounts::All => None,
        Accounts::Only(accounts) => Some(accounts.iter().map(|account| Value::from(account.as_str())).collect()),
    };
    api_key::ActiveModel {
        id: Set(key.id),
        public_id: Set(key.public_id.clone()),
        digest: Set(digest.to_vec()),
        name: Set(key.name.clone()),
        scopes: Set(scope_words.iter().map(|word| Value::from(word.as_str())).collect()),
        accounts: Set(accounts),
        only_account: Set(only_account(key).to_owned()),
        created_at: Set(key.created_at),
        created_by: Set(key.created_by.clone()),
        expires_at: Set(key.expires_at),
        last_used_at: Set(key.last_used_at),
        revoked_at: Set(key.revoked_at),
        revoked_by: Set(key.revoked_by.clone()),
        rights_mac: Set(rights_mac.clone()),
        rate_per_minute: Set(key.rate.and_then(|rate| i32::try_from(rate.get()).ok())),
    }
}

pub(super) fn read(row: api_key::Model) -> std::result::Result<StoredKey, DbErr> {
    let broken = |what: &str| DbErr::Type(format!("api_keys.{what} of {} is malformed", row.public_id));
    let words = |value: &Value, what: &str| -> std::result::Result<Vec<String>, DbErr> {
        serde_json::from_value(value.clone()).map_err(|_| broken(what))
    };
    let accounts = match &row.accounts {
        None => Accounts::All,
        Some(list) => {
            let accounts: Option<Arc<[_]>> =
                words(list, "accounts")?.iter().map(|text| AccountId::parse(text)).collect();
            Accounts::Only(accounts.filter(|accounts| !accounts.is_empty()).ok_or_else(|| broken("accounts"))?)
        }
    };
    let digest = row.digest.as_slice().try_into().map_err(|_| broken("digest"))?;
    // A scope that only a newer version knows gives no right here.
    let scope_words = words(&row.scopes, "scopes")?;
    let scopes = scope_words.iter().filter_map(|word| Scope::parse(word)).collect();
    let rate = row.rate_per_minute.map(|rate| u32::try_from(rate).ok().and_then(NonZeroU32::new));
    let rate = rate.map(|rate| rate.ok_or_else(|| broken("rate_per_minute"))).transpose()?;
    let key = ApiKey {
        id: row.id,
        public_id: row.public_id,
        name: row.name,
        scopes,
        accounts,
        created_at: row.created_at,
        created_by: row.created_by,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
        revoked_by: row.revoked_by,
        rate,
    };
    Ok(StoredKey { key, digest, scope_words, rights_mac: row.rights_mac })
}
