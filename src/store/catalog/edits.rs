//! Changing the shared catalog by hand, one change at a time.

use std::collections::HashSet;

use ::entity::integration;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, Insert, QueryFilter, Set};
use uuid::Uuid;

use super::{ACTIVE, CatalogRow, DEPRECATED, advance_revision, read};
use crate::error::Result;
use crate::store::failure::Failed;
use crate::store::pool::Transaction;
use crate::store::{Outcome, SystemStore, Work};

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum RowEdit {
    /// It is made, or stands like this from now on.
    Write(CatalogRow),
    /// It goes away.
    Delete(Uuid),
}

impl SystemStore {
    /// Does what `plan` makes of the rows that are there, all or nothing, and advances the revision if that is anything.
    /// Nobody else changes the catalog meanwhile; the plan may be asked more than once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn edit_catalog<P, T>(&self, plan: P) -> Result<T>
    where
        P: Fn(&[CatalogRow]) -> (Vec<RowEdit>, T) + Send + Sync + 'static,
        T: Send + 'static,
    {
        self.store.transaction(Edit { plan }).await
    }
}

struct Edit<P> {
    plan: P,
}

#[expect(clippy::disallowed_methods, reason = "the shared catalog belongs to no account")]
impl<P, T> Work for Edit<P>
where
    P: Fn(&[CatalogRow]) -> (Vec<RowEdit>, T) + Send + Sync + 'static,
    T: Send + 'static,
{
    type Value = T;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<T>, Failed> {
        // The revision row is the lock, as for loading: of two at once, the second works from what the first left.
        advance_revision(t).await?;
        let rows: Vec<_> = integration::Entity::find().all(t).await?.into_iter().map(read).collect();
        let (edits, value) = (self.plan)(&rows);
        if edits.is_empty() {
            return Ok(Outcome::Nothing(value));
        }
        let there: HashSet<_> = rows.iter().map(|row| row.id).collect();
        for edit in edits {
            match edit {
                RowEdit::Write(row) if there.contains(&row.id) => update(t, row).await?,
                RowEdit::Write(row) => Insert::one(model(row)).exec_without_returning(t).await.map(drop)?,
                RowEdit::Delete(id) => integration::Entity::delete_by_id(id).exec(t).await.map(drop)?,
            }
        }
        Ok(Outcome::Commit(value))
    }
}

#[expect(clippy::disallowed_methods, reason = "the shared catalog belongs to no account")]
async fn update(t: &Transaction, row: CatalogRow) -> std::result::Result<(), DbErr> {
    let id = row.id;
    integration::Entity::update_many().set(model(row)).filter(integration::Column::Id.eq(id)).exec(t).await.map(drop)
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
