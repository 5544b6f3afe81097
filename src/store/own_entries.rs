//! Catalog entries of an account's own.
//!
//! They change in turns: the account's revision row is the lock, so that of two changes at once the second sees what the
//! first did. Each change advances the revision and notes it as that of the own catalog, by which every replica knows
//! whether the entries it keeps are still right.

use ::entity::account_revision;
use ::entity::own_integration::{ActiveModel, Column, Entity, Model};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{ColumnTrait, DbErr, PaginatorTrait, QueryFilter, QuerySelect, Set};
use serde_json::{Value, json};
use uuid::Uuid;

use super::failure::Failed;
use super::pool::Transaction;
use super::{CatalogRow, Outcome, TenantStore, Work, now};
use crate::domain::{EntryState, Event, FieldNames, IntegrationId, Scope, definition};
use crate::error::{Denial, Error, Result};

const DELETED: &str = "deleted";

/// What is to become of an entry of the account's own.
#[derive(Clone, Debug)]
pub enum OwnChange {
    /// A new one.
    Create {
        /// UUIDv7.
        id: IntegrationId,
        /// Not used by the account before.
        name: String,
        /// In the vocabulary of the catalog files.
        definition: Value,
        /// How many the account may have.
        most: u64,
        /// The maximum size of all definitions of the account, in bytes of stored JSON.
        max_bytes: u64,
    },
    /// Another definition, under the same name.
    Replace {
        /// Which one.
        id: IntegrationId,
        /// In the vocabulary of the catalog files.
        definition: Value,
        /// Whether requests of an installation may change.
        may_change_requests: bool,
        /// The maximum size of all definitions of the account, in bytes of stored JSON.
        max_bytes: u64,
    },
    /// Not to be installed anew.
    Deprecate {
        /// Which one.
        id: IntegrationId,
    },
    /// Gone. Its name stays used.
    Delete {
        /// Which one.
        id: IntegrationId,
        /// Together with what was stored for it.
        force: bool,
        /// Whether what is kept of an installation may be erased.
        may_purge: bool,
    },
}

impl TenantStore {
    /// The account's own entries that were not deleted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn own_entries(&self) -> Result<Vec<CatalogRow>> {
        let rows = self.select::<Entity>().filter(Column::State.ne(DELETED)).all(&self.store.read).await?;
        Ok(rows.into_iter().map(read).collect())
    }

    /// Those of these own entries that were not deleted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn own_entries_among(&self, ids: &[Uuid]) -> Result<Vec<CatalogRow>> {
        let rows =
            self.select::<Entity>().filter(Column::State.ne(DELETED)).filter(Column::Id.is_in(ids.iter().copied()));
        Ok(rows.all(&self.store.read).await?.into_iter().map(read).collect())
    }

    /// The id of each own entry that was not deleted, and the time of its last change.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn own_versions(&self) -> Result<Vec<(Uuid, DateTime<Utc>)>> {
        let rows = self.select::<Entity>().filter(Column::State.ne(DELETED)).select_only();
        Ok(rows.columns([Column::Id, Column::UpdatedAt]).into_tuple().all(&self.store.read).await?)
    }

    /// Finds the id of the account's own entry of this name, also of one that was deleted: names are used once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn own_entry_id(&self, name: &str) -> Result<Option<IntegrationId>> {
        let row = self.select::<Entity>().filter(Column::Name.eq(name)).one(&self.store.read).await?;
        Ok(row.map(|row| IntegrationId(row.id)))
    }

    /// Makes the change, with its event; whether there was anything to do.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::TooManyEntries`], [`Error::OwnCatalogFull`], [`Error::NotFound`],
    /// [`Error::Installed`], [`Error::Forbidden`];
    /// [`Error::RequestRunning`] when there is a receipt already where the handle carries one; those of the database.
    pub async fn change_own(&self, change: OwnChange, event: Event) -> Result<bool> {
        let is_erasure = matches!(change, OwnChange::Delete { .. });
        let changed = self.store.transaction(ChangeOwn { tenant: self.clone(), change, event }).await?;
        self.store.states.forget(self.account());
        if is_erasure {
            self.store.request_truncation();
        }
        Ok(changed)
    }

    /// Notes that the own catalog is of the revision that the transaction gave the account.
    pub(super) async fn mark_own_catalog(&self, t: &Transaction) -> std::result::Result<(), DbErr> {
        use account_revision::Column::{OwnCatalog, Revision};
        let marked = self.update::<account_revision::Entity>().col_expr(OwnCatalog, Expr::col(Revision));
        marked.exec(t).await.map(drop)
    }
}

struct ChangeOwn {
    tenant: TenantStore,
    change: OwnChange,
    event: Event,
}

impl Work for ChangeOwn {
    type Value = bool;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<bool>, Failed> {
        self.tenant.advance_revision(t).await?;
        let changed = match &self.change {
            OwnChange::Create { id, name, definition, most, .. } => {
                self.create(t, *id, name, definition, *most).await?
            }
            OwnChange::Replace { id, definition, may_change_requests, .. } => {
                self.replace(t, *id, definition, *may_change_requests).await?
            }
            OwnChange::Deprecate { id } => {
                let row = self.find(t, *id).await?;
                let deprecated = EntryState::Deprecated.as_str();
                let is_due = row.state != deprecated && self.write(t, *id, deprecated, row.definition).await?;
                is_due.then(FieldNames::default)
            }
            OwnChange::Delete { id, force, may_purge } => self.delete(t, *id, *force, *may_purge).await?,
        };
        let Some(names) = changed else { return Ok(Outcome::Nothing(false)) };
        self.check_room(t).await?;
        self.tenant.mark_own_catalog(t).await?;
        self.tenant.insert_event(&self.event.clone().naming(names), t).await?;
        self.tenant.write_receipt(t).await?;
        Ok(Outcome::Commit(true))
    }
}

impl ChangeOwn {
    async fn create(
        &self,
        t: &Transaction,
        id: IntegrationId,
        name: &str,
        definition: &Value,
        most: u64,
    ) -> std::result::Result<Option<FieldNames>, Failed> {
        if self.tenant.select::<Entity>().filter(Column::Name.eq(name)).one(t).await?.is_some() {
            return Err(Failed::Rule(Error::NameTaken));
        }
        let count = self.tenant.select::<Entity>().filter(Column::State.ne(DELETED)).count(t).await?;
        if count >= most {
            return Err(Failed::Rule(Error::TooManyEntries { most }));
        }
        let now = now();
        let row = ActiveModel {
            id: Set(id.0),
            name: Set(name.to_owned()),
            definition: Set(definition.clone()),
            state: Set(EntryState::Active.as_str().to_owned()),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        };
        self.tenant.insert(row).exec_without_returning(t).await?;
        Ok(Some(FieldNames::default()))
    }

    /// Refuses a new definition that does not fit beside the account's other ones.
    async fn check_room(&self, t: &Transaction) -> std::result::Result<(), Failed> {
        let (OwnChange::Create { id, definition, max_bytes, .. }
        | OwnChange::Replace { id, definition, max_bytes, .. }) = &self.change
        else {
            return Ok(());
        };
        let text = Expr::col(Column::Definition).cast_as("text");
        let bytes = Func::sum(Func::cust("octet_length").arg(text)).cast_as("bigint");
        let others = self.tenant.select::<Entity>().filter(Column::State.ne(DELETED)).filter(Column::Id.ne(id.0));
        let sum: Option<Option<i64>> = others.select_only().expr_as(bytes, "bytes").into_tuple().one(t).await?;
        let used = sum.flatten().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
        match used.saturating_add(definition.to_string().len() as u64) <= *max_bytes {
            true => Ok(()),
            false => Err(Failed::Rule(Error::OwnCatalogFull { limit: *max_bytes, used })),
        }
    }

    async fn replace(
        &self,
        t: &Transaction,
        id: IntegrationId,
        definition: &Value,
        may_change_requests: bool,
    ) -> std::result::Result<Option<FieldNames>, Failed> {
        let row = self.find(t, id).await?;
        if row.definition == *definition && row.state == EntryState::Active.as_str() {
            return Ok(None);
        }
        let needs_right = !may_change_requests && definition::changes_requests(&row.definition, definition);
        if needs_right && self.tenant.kept_installation(t, id).await?.is_some() {
            return Err(Failed::Rule(Error::Forbidden(Denial::Scope(Scope::InstallationsWrite))));
        }
        let names = FieldNames::of_definition(&definition::changed_keys(&row.definition, definition));
        let is_written = self.write(t, id, EntryState::Active.as_str(), definition.clone()).await?;
        Ok(is_written.then_some(names))
    }

    async fn delete(
        &self,
        t: &Transaction,
        id: IntegrationId,
        force: bool,
        may_purge: bool,
    ) -> std::result::Result<Option<FieldNames>, Failed> {
        self.find(t, id).await?;
        let kept = self.tenant.kept_installation(t, id).await?;
        if !force && kept.as_ref().is_some_and(|kept| kept.installed_at.is_some()) {
            return Err(Failed::Rule(Error::Installed));
        }
        if !may_purge && (force || kept.is_some()) {
            return Err(Failed::Rule(Error::Forbidden(Denial::Scope(Scope::SecretsPurge))));
        }
        self.tenant.delete_kept(t, id).await?;
        let is_written = self.write(t, id, DELETED, json!({})).await?;
        Ok(is_written.then(|| kept.map_or_else(FieldNames::default, |kept| FieldNames::erased(&kept))))
    }

    async fn find(&self, t: &Transaction, id: IntegrationId) -> std::result::Result<Model, Failed> {
        let rows = self.tenant.select::<Entity>().filter(Column::Id.eq(id.0)).filter(Column::State.ne(DELETED));
        rows.one(t).await?.ok_or(Failed::Rule(Error::NotFound))
    }

    async fn write(
        &self,
        t: &Transaction,
        id: IntegrationId,
        state: &str,
        definition: Value,
    ) -> std::result::Result<bool, Failed> {
        let updated = self
            .tenant
            .update::<Entity>()
            .col_expr(Column::State, Expr::value(state))
            .col_expr(Column::Definition, Expr::value(definition))
            .col_expr(Column::UpdatedAt, Expr::value(now()))
            .filter(Column::Id.eq(id.0))
            .exec(t)
            .await?;
        Ok(updated.rows_affected > 0)
    }
}

fn read(row: Model) -> CatalogRow {
    CatalogRow {
        id: row.id,
        name: row.name,
        definition: row.definition,
        is_active: row.state == EntryState::Active.as_str(),
        default_revision: 0,
        modified_from_default: false,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
