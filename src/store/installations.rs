//! What the account installed: reading some of it, and its sealed secrets.

use std::sync::Arc;

use ::entity::{installation, installation_secret};
use sea_orm::prelude::{DateTimeUtc, Uuid};
use sea_orm::{ColumnTrait, DbErr, FromQueryResult, QueryFilter, QueryOrder};
use serde_json::Value;

use super::TenantStore;
use crate::domain::{CONNECTION, Installation, IntegrationId, Sealed, SecretName};
use crate::error::{Error, Result};

/// A secret at rest.
pub struct StoredSecret {
    /// Its name.
    pub name: SecretName,
    /// Its value.
    pub sealed: Sealed,
}

impl TenantStore {
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

    /// The sealed secrets of one integration, sorted by name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn secrets(&self, id: IntegrationId) -> Result<Vec<StoredSecret>> {
        use installation_secret::{Column, Entity};
        let rows = self
            .select::<Entity>()
            .filter(Column::IntegrationId.eq(id.0))
            .filter(Column::Connection.eq(CONNECTION))
            .order_by_asc(Column::Name)
            .all(&self.store.read)
            .await?;
        let read = |row: installation_secret::Model| {
            let name = SecretName::parse(&row.name)?;
            let key_id = u32::try_from(row.key_id).ok()?;
            Some(StoredSecret { name, sealed: Sealed { key_id, bytes: row.sealed } })
        };
        let malformed = || Error::Internal { cause: "installation_secrets has a malformed row".into() };
        rows.into_iter().map(|row| read(row).ok_or_else(malformed)).collect()
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
