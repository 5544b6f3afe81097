//! What belongs to no account: the shared catalog (see `catalog`), the checks of the provider keys, and which accounts
//! there are.

use ::entity::key_check;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, Insert, QueryFilter, Set};

use super::api_keys::PEPPER;
use super::failure::Failed;
use super::key_walk::account_of;
use super::pool::Transaction;
use super::{Outcome, Store, TenantStore, Work, now};
use crate::domain::{AccountId, Event, EventId};
use crate::error::Result;

/// A handle without an account. Built by the start-up and the command line, never for a request of a client.
pub struct SystemStore {
    pub(super) store: Store,
}

/// A recorded check of a provider key.
#[derive(Clone)]
pub struct KeyCheckRow {
    /// Who holds the key.
    pub provider: String,
    /// Which key.
    pub kek_ref: String,
    /// Its short digest.
    pub fingerprint: String,
    /// The sealed text.
    pub wrapped: Vec<u8>,
}

#[expect(clippy::disallowed_methods, reason = "key checks belong to no account")]
impl SystemStore {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    /// All recorded checks of provider keys.
    pub async fn key_checks(&self) -> Result<Vec<KeyCheckRow>> {
        let rows = key_check::Entity::find().all(&self.store.read).await?;
        // Not in the statement: no index serves "all but one", and PostgreSQL would compile code for such a scan.
        Ok(rows.into_iter().filter(|row| row.provider != PEPPER).map(read).collect())
    }

    /// Forgets the check of a provider key that is not used any more; whether there was one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn retire_key(&self, kek_ref: &str, event: Event) -> Result<bool> {
        let log = self.store.tenant(AccountId::operator());
        log.store.clone().transaction(RetireKey { kek_ref: kek_ref.to_owned(), log, event }).await
    }

    /// Records a check unless another process was faster.
    pub async fn insert_key_check(&self, check: KeyCheckRow) -> Result<()> {
        use key_check::{ActiveModel, Column};
        let row = ActiveModel {
            provider: Set(check.provider),
            kek_ref: Set(check.kek_ref),
            fingerprint: Set(check.fingerprint),
            wrapped: Set(check.wrapped),
            created_at: Set(now()),
        };
        Insert::one(row)
            .on_conflict(OnConflict::columns([Column::Provider, Column::KekRef]).do_nothing().to_owned())
            .exec_without_returning(&self.store.write)
            .await?;
        Ok(())
    }
}

struct RetireKey {
    kek_ref: String,
    log: TenantStore,
    event: Event,
}

#[expect(clippy::disallowed_methods, reason = "key checks belong to no account")]
impl Work for RetireKey {
    type Value = bool;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<bool>, Failed> {
        use key_check::{Column, Entity};
        let check = Entity::delete_many().filter(Column::KekRef.eq(&self.kek_ref)).filter(Column::Provider.ne(PEPPER));
        if check.exec(t).await?.rows_affected == 0 {
            return Ok(Outcome::Nothing(false));
        }
        self.log.insert_event(&self.event, t).await?;
        Ok(Outcome::Commit(true))
    }
}

/// Tells one account's name, and nothing of what it has.
const NEXT_AUDITED: &str = r#"SELECT "account_id", "id" FROM "audit_events" WHERE "account_id" > $1
    ORDER BY "account_id", "id" LIMIT 1"#;

impl SystemStore {
    /// The first account after this one that has any event, and its oldest; the very first account without one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn audited_after(&self, account: Option<&AccountId>) -> Result<Option<(AccountId, EventId)>> {
        let rows = self.walk(NEXT_AUDITED, [account.map_or("", AccountId::as_str).into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some((account_of(row)?, EventId(row.try_get_by_index(1)?))))
    }
}

fn read(row: key_check::Model) -> KeyCheckRow {
    KeyCheckRow { provider: row.provider, kek_ref: row.kek_ref, fingerprint: row.fingerprint, wrapped: row.wrapped }
}
