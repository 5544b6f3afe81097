//! Changing the shared catalog by hand, one change at a time.

use std::collections::HashMap;

use ::entity::integration;
use sea_orm::EntityTrait;
use uuid::Uuid;

use super::{CatalogRow, advance_revision, insert, read, update};
use crate::domain::{AccountId, Action, Call, Event, IntegrationId};
use crate::error::Result;
use crate::store::failure::Failed;
use crate::store::pool::Transaction;
use crate::store::{Outcome, SystemStore, TenantStore, Work};

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum RowEdit {
    /// It is made, or stands like this from now on.
    Write(CatalogRow),
    /// It goes away.
    Delete(Uuid),
}

impl RowEdit {
    fn id(&self) -> Uuid {
        match self {
            Self::Write(row) => row.id,
            Self::Delete(id) => *id,
        }
    }

    /// What the log keeps of it, given the row that was there; nothing when none was there to go.
    fn told<'a>(&'a self, before: Option<&'a CatalogRow>) -> Option<(Action, &'a str)> {
        let action = match (self, before) {
            (Self::Delete(_), before) => return before.map(|row| (Action::IntegrationDeleted, row.name.as_str())),
            (Self::Write(_), None) => Action::IntegrationCreated,
            (Self::Write(row), Some(before)) if before.is_active && !row.is_active => Action::IntegrationDeprecated,
            (Self::Write(_), Some(_)) => Action::IntegrationUpdated,
        };
        match self {
            Self::Write(row) => Some((action, &row.name)),
            Self::Delete(_) => None,
        }
    }
}

impl SystemStore {
    /// Does what `plan` makes of the rows that are there, all or nothing, and advances the revision if that is anything. Each
    /// change is an event of the operator's log, in the same transaction. Nobody else changes the catalog meanwhile; the plan
    /// may be asked more than once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn edit_catalog<P, T>(&self, call: Call, plan: P) -> Result<T>
    where
        P: Fn(&[CatalogRow]) -> (Vec<RowEdit>, T) + Send + Sync + 'static,
        T: Send + 'static,
    {
        let log = self.store.tenant(AccountId::operator());
        // With row-level security only a transaction of the operator's may write to that log; the catalog is nobody's.
        log.store.clone().transaction(Edit { plan, log, call }).await
    }
}

struct Edit<P> {
    plan: P,
    log: TenantStore,
    call: Call,
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
        let there: HashMap<_, _> = rows.iter().map(|row| (row.id, row)).collect();
        for edit in edits {
            let before = there.get(&edit.id()).copied();
            if let Some((action, name)) = edit.told(before) {
                let event = Event::new(&self.call, action).of_named(IntegrationId(edit.id()), name);
                self.log.insert_event(&event, t).await?;
            }
            match edit {
                RowEdit::Write(row) if before.is_some() => update(t, row).await?,
                RowEdit::Write(row) => insert(t, row).await?,
                RowEdit::Delete(id) => integration::Entity::delete_by_id(id).exec(t).await.map(drop)?,
            }
        }
        Ok(Outcome::Commit(value))
    }
}
