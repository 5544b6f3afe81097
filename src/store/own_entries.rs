//! Catalog entries of an account's own.
//!
//! They change in turns: the account's revision row is the lock, so that of two changes at once the second sees what the
//! first did. Each change advances the revision and notes it as that of the own catalog, by which every replica knows
//! whether the entries it keeps are still right.

use ::entity::own_integration::{ActiveModel, Column, Entity, Model};
use ::entity::{account_revision, installation};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbErr, PaginatorTrait, QueryFilter, Set};
use serde_json::{Value, json};

use super::failure::Failed;
use super::pool::Transaction;
use super::{CatalogRow, Outcome, TenantStore, Work, now};
use crate::domain::{EntryState, Event, IntegrationId};
use crate::error::{Error, Result};

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
    },
    /// Another definition, under the same name.
    Replace {
        /// Which one.
        id: IntegrationId,
        /// In the vocabulary of the catalog files.
        definition: Value,
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

    /// Makes the change, with its event; whether there was anything to do.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::TooManyEntries`], [`Error::NotFound`], [`Error::Installed`];
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
        let is_changed = match &self.change {
            OwnChange::Create { id, name, definition, most } => self.create(t, *id, name, definition, *most).await?,
            OwnChange::Replace { id, definition } => {
                let row = self.find(t, *id).await?;
                if row.definition == *definition && row.state == EntryState::Active.as_str() {
                    false
                } else {
                    self.write(t, *id, EntryState::Active.as_str(), definition.clone()).await?
                }
            }
            OwnChange::Deprecate { id } => {
                let row = self.find(t, *id).await?;
                let deprecated = EntryState::Deprecated.as_str();
                row.state != deprecated && self.write(t, *id, deprecated, row.definition).await?
            }
            OwnChange::Delete { id, force } => self.delete(t, *id, *force).await?,
        };
        if !is_changed {
            return Ok(Outcome::Nothing(false));
        }
        self.tenant.mark_own_catalog(t).await?;
        self.tenant.insert_event(&self.event, t).await?;
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
    ) -> std::result::Result<bool, Failed> {
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
        Ok(true)
    }

    async fn delete(&self, t: &Transaction, id: IntegrationId, force: bool) -> std::result::Result<bool, Failed> {
        self.find(t, id).await?;
        let of_it = installation::Column::IntegrationId.eq(id.0);
        let is_installed = installation::Column::InstalledAt.is_not_null();
        let installed = self.tenant.select::<installation::Entity>().filter(of_it).filter(is_installed);
        if !force && installed.one(t).await?.is_some() {
            return Err(Failed::Rule(Error::Installed));
        }
        self.tenant.delete_kept(t, id).await?;
        self.write(t, id, DELETED, json!({})).await
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
