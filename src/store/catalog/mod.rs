//! The shared catalog, as rows.

mod edits;
mod installed;

use ::entity::{catalog_revision, integration};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, Insert, QueryFilter, Set};
use serde_json::Value;
use uuid::Uuid;

use super::failure::Failed;
use super::pool::Transaction;
use super::{Outcome, SystemStore, Work, now};
use crate::domain::{EntryState, IntegrationId};
use crate::error::Result;

pub use edits::RowEdit;

const SHARED: &str = "shared";
const ACTIVE: &str = EntryState::Active.as_str();
const DEPRECATED: &str = EntryState::Deprecated.as_str();

/// One entry of the shared catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogRow {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The entry in the vocabulary of the catalog files.
    pub definition: Value,
    /// Still offered.
    pub is_active: bool,
    /// The built-in revision the row was last written from.
    pub default_revision: i32,
    /// An operator edited it.
    pub modified_from_default: bool,
    /// First written.
    pub created_at: sea_orm::prelude::DateTimeUtc,
    /// Last written.
    pub updated_at: sea_orm::prelude::DateTimeUtc,
}

/// A built-in entry to be loaded.
pub struct BuiltinRow {
    /// UUIDv5 of the name.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The entry.
    pub definition: Value,
    /// Grows with every change of the file.
    pub revision: i32,
}

impl BuiltinRow {
    /// The row as it is first written, at this moment.
    fn row(&self, at: sea_orm::prelude::DateTimeUtc) -> CatalogRow {
        CatalogRow {
            id: self.id,
            name: self.name.clone(),
            definition: self.definition.clone(),
            is_active: true,
            default_revision: self.revision,
            modified_from_default: false,
            created_at: at,
            updated_at: at,
        }
    }
}

/// How many rows a loading touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// New entries.
    pub inserted: usize,
    /// Entries of which a newer revision came with this binary.
    pub updated: usize,
    /// Entries that left the built-in set.
    pub deprecated: usize,
}

enum Step<'a> {
    Insert(&'a BuiltinRow),
    Update(&'a CatalogRow, &'a BuiltinRow),
    Deprecate(&'a CatalogRow),
}

#[expect(clippy::disallowed_methods, reason = "the shared catalog belongs to no account")]
impl SystemStore {
    /// The revision of the shared catalog; 0 before it was first loaded.
    pub async fn catalog_revision(&self) -> Result<i64> {
        let row = catalog_revision::Entity::find_by_id(SHARED.to_owned()).one(&self.store.read).await?;
        Ok(row.map_or(0, |row| row.revision))
    }

    /// All entries, and a revision that is not newer than they are.
    pub async fn catalog(&self) -> Result<(i64, Vec<CatalogRow>)> {
        // The revision is read first: a change in between is then seen as one still to come, never missed.
        let revision = self.catalog_revision().await?;
        let rows = integration::Entity::find().all(&self.store.read).await?;
        Ok((revision, rows.into_iter().map(read).collect()))
    }

    /// One entry.
    pub async fn catalog_entry(&self, IntegrationId(id): IntegrationId) -> Result<Option<CatalogRow>> {
        Ok(integration::Entity::find_by_id(id).one(&self.store.read).await?.map(read))
    }

    /// Brings the built-in entries up to date: idempotent by name, edited rows untouched, never lowered, never deleted.
    pub async fn load_catalog(&self, builtin: Vec<BuiltinRow>, retired: Vec<String>) -> Result<Loaded> {
        // Most starts have nothing to do and take no lock.
        let (_, rows) = self.catalog().await?;
        if plan(&rows, &builtin, &retired).is_empty() {
            return Ok(Loaded::default());
        }
        self.store.transaction(Load { builtin, retired }).await
    }
}

struct Load {
    builtin: Vec<BuiltinRow>,
    retired: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "the shared catalog belongs to no account")]
impl Work for Load {
    type Value = Loaded;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<Loaded>, Failed> {
        // The revision row is the lock: a second process waits here, and then finds nothing left to do.
        advance_revision(t).await?;
        let rows: Vec<_> = integration::Entity::find().all(t).await?.into_iter().map(read).collect();
        let mut loaded = Loaded::default();
        for step in plan(&rows, &self.builtin, &self.retired) {
            match step {
                Step::Insert(entry) => {
                    insert(t, entry.row(now())).await?;
                    loaded.inserted += 1;
                }
                Step::Update(row, entry) => {
                    update(t, CatalogRow { updated_at: now(), ..entry.row(row.created_at) }).await?;
                    loaded.updated += 1;
                }
                Step::Deprecate(row) => {
                    update(t, CatalogRow { is_active: false, updated_at: now(), ..row.clone() }).await?;
                    loaded.deprecated += 1;
                }
            }
        }
        Ok(if loaded == Loaded::default() { Outcome::Nothing(loaded) } else { Outcome::Commit(loaded) })
    }
}

/// What is to be done. An entry is retired by name, never by its absence: an older binary, which does not know the
/// newest entries, would otherwise retire them.
fn plan<'a>(rows: &'a [CatalogRow], builtin: &'a [BuiltinRow], retired: &[String]) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for entry in builtin {
        match rows.iter().find(|row| row.name == entry.name) {
            None => steps.push(Step::Insert(entry)),
            // An operator's own, made before we had one of that name.
            Some(row) if row.id != entry.id => {}
            Some(row) if !row.modified_from_default && row.default_revision < entry.revision => {
                steps.push(Step::Update(row, entry))
            }
            Some(_) => {}
        }
    }
    let gone = rows.iter().filter(|row| row.is_active && retired.contains(&row.name));
    steps.extend(gone.map(Step::Deprecate));
    steps
}

#[expect(clippy::disallowed_methods, reason = "the shared catalog belongs to no account")]
async fn insert(t: &Transaction, row: CatalogRow) -> std::result::Result<(), DbErr> {
    Insert::one(model(row)).exec_without_returning(t).await.map(drop)
}

#[expect(clippy::disallowed_methods, reason = "the shared catalog belongs to no account")]
async fn update(t: &Transaction, row: CatalogRow) -> std::result::Result<(), DbErr> {
    let id = row.id;
    integration::Entity::update_many().set(model(row)).filter(integration::Column::Id.eq(id)).exec(t).await.map(drop)
}

#[expect(clippy::disallowed_methods, reason = "the shared catalog belongs to no account")]
async fn advance_revision(t: &Transaction) -> std::result::Result<(), DbErr> {
    use catalog_revision::{ActiveModel, Column, Entity};
    let next = Expr::col((Entity, Column::Revision)).add(1);
    Insert::one(ActiveModel { scope: Set(SHARED.to_owned()), revision: Set(1) })
        .on_conflict(OnConflict::column(Column::Scope).value(Column::Revision, next).to_owned())
        .exec_without_returning(t)
        .await
        .map(drop)
}

fn read(row: integration::Model) -> CatalogRow {
    CatalogRow {
        id: row.id,
        name: row.name,
        definition: row.definition,
        is_active: row.state == ACTIVE,
        default_revision: row.default_revision,
        modified_from_default: row.modified_from_default,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn model(row: CatalogRow) -> integration::ActiveModel {
    integration::ActiveModel {
        id: Set(row.id),
        name: Set(row.name),
        definition: Set(row.definition),
        state: Set(if row.is_active { ACTIVE } else { DEPRECATED }.to_owned()),
        default_revision: Set(row.default_revision),
        modified_from_default: Set(row.modified_from_default),
        created_at: Set(row.created_at),
        updated_at: Set(row.updated_at),
    }
}
