//! Which servers run, and which provider keys they know: for commands that must not take a key away from one of them.

use ::entity::server::{ActiveModel, Column, Entity};
use chrono::TimeDelta;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, Insert, QueryFilter, Set};

use super::{SystemStore, now};
use crate::error::Result;

/// A server that has not written its row for so long does not run any more.
const MAX_AGE: TimeDelta = TimeDelta::seconds(90);
/// Age at which rows of servers that were killed are deleted.
const RETENTION: TimeDelta = TimeDelta::hours(1);

/// A running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningServer {
    /// Random; another one after each start.
    pub id: Uuid,
    /// The provider keys that it can unwrap with.
    pub provider_keys: Vec<String>,
    /// The provider key that it wraps new data keys with.
    pub wrapping_key: Option<String>,
}

#[expect(clippy::disallowed_methods, reason = "servers belong to no account")]
impl SystemStore {
    /// Records that the server runs, and deletes rows of servers that ended long ago.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn announce_server(&self, server: &RunningServer) -> Result<()> {
        let row = ActiveModel {
            id: Set(server.id),
            provider_keys: Set(server.provider_keys.clone().into()),
            wrapping_key: Set(server.wrapping_key.clone()),
            seen_at: Set(now()),
        };
        Insert::one(row)
            .on_conflict(
                OnConflict::column(Column::Id)
                    .update_columns([Column::ProviderKeys, Column::WrappingKey, Column::SeenAt])
                    .to_owned(),
            )
            .exec_without_returning(&self.store.write)
            .await?;
        let expired = Entity::delete_many().filter(Column::SeenAt.lt(now() - RETENTION));
        expired.exec(&self.store.write).await?;
        Ok(())
    }

    /// Deletes the row of a server that ends.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget_server(&self, id: Uuid) -> Result<()> {
        Entity::delete_by_id(id).exec(&self.store.write).await?;
        Ok(())
    }

    /// The servers that run.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn running_servers(&self) -> Result<Vec<RunningServer>> {
        let rows = Entity::find().filter(Column::SeenAt.gte(now() - MAX_AGE)).all(&self.store.read).await?;
        let read = |row: ::entity::server::Model| RunningServer {
            id: row.id,
            provider_keys: serde_json::from_value(row.provider_keys).unwrap_or_default(),
            wrapping_key: row.wrapping_key,
        };
        Ok(rows.into_iter().map(read).collect())
    }
}
