//! What the account installed: reading some of it.

use std::sync::Arc;

use ::entity::installation;
use sea_orm::prelude::{DateTimeUtc, Uuid};
use sea_orm::{ColumnTrait, DbErr, FromQueryResult, QueryFilter, QueryOrder};
use serde_json::Value;

use super::TenantStore;
use crate::domain::{Installation, IntegrationId};
use crate::error::Result;

impl TenantStore {
    /// The account's installations among these entries.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn installations_for(&self, ids: &[IntegrationId]) -> Result<Vec<Arc<Installation>>> {
        if let Some(kept) = self.store.states.get(self.account()) {
            let state = self.brought_up_to_date(kept).await?;
            return Ok(ids.iter().filter_map(|id| state.find(*id).cloned()).collect());
        }
        let rows = self
            .select::<installation::Entity>()
            .filter(installation::Column::IntegrationId.is_in(ids.iter().map(|id| id.0)))
            .into_model::<Row>()
            .all(&self.store.read)
            .await?;
        rows.into_iter().map(|row| Ok(Arc::new(row.read()?))).collect()
    }

    /// Installations that changed after `revision`, oldest change first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn changes_since(&self, revision: i64) -> Result<Vec<Arc<Installation>>> {
        let rows = self
            .select::<installation::Entity>()
            .filter(installation::Column::Revision.gt(revision))
            .order_by_asc(installation::Column::Revision)
            .into_model::<Row>()
            .all(&self.store.read)
            .await?;
        rows.into_iter().map(|row| Ok(Arc::new(row.read()?))).collect()
    }
}

/// The columns of an installation that are read.
#[derive(FromQueryResult)]
pub(super) struct Row {
    pub(super) integration_id: Uuid,
    pub(super) params: Value,
    pub(super) secret_names: Value,
    pub(super) installed_at: Option<DateTimeUtc>,
    pub(super) revision: i64,
    pub(super) updated_at: DateTimeUtc,
}

impl Row {
    pub(super) fn read(self) -> std::result::Result<Installation, DbErr> {
        let Value::Object(params) = self.params else {
            return Err(DbErr::Type("installations.params is not an object".into()));
        };
        let secret_names = serde_json::from_value(self.secret_names)
            .map_err(|_| DbErr::Type("installations.secret_names is not a list of names".into()))?;
        Ok(Installation {
            integration_id: IntegrationId(self.integration_id),
            params: (&params).into(),
            secret_names,
            installed_at: self.installed_at,
            revision: self.revision,
            updated_at: self.updated_at,
        })
    }
}
