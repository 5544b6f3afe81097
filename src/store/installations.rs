//! What the account installed: reading some of it, and its sealed secrets.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ::entity::installation;
use sea_orm::prelude::{DateTimeUtc, Uuid};
use sea_orm::{ColumnTrait, DbErr, FromQueryResult, QueryFilter, QueryOrder};
use serde_json::Value;

use super::TenantStore;
use crate::domain::{CONNECTION, Installation, IntegrationId, Sealed, SecretName};
use crate::error::Result;

/// A secret as its installation records it.
pub struct RecordedSecret {
    /// Its name.
    pub name: SecretName,
    /// The counter that its value is bound to; `None` for a value of format 1.
    pub counter: Option<u64>,
    /// Its value; `None` when the row is missing.
    pub sealed: Option<Sealed>,
}

/// Reads record and rows in one statement: between two statements a change could make them differ.
const RECORDED: &str = r#"SELECT "i"."secret_names", "i"."secret_counters", "s"."name", "s"."sealed", "s"."key_id"
FROM "installations" AS "i" LEFT JOIN "installation_secrets" AS "s" ON "s"."account_id" = "i"."account_id"
    AND "s"."integration_id" = "i"."integration_id" AND "s"."connection" = "i"."connection"
WHERE "i"."account_id" = $1 AND "i"."integration_id" = $2 AND "i"."connection" = $3"#;

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

    /// The secrets of one integration that its installation records, sorted by name. A row that it does not record is left
    /// out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn recorded_secrets(&self, id: IntegrationId) -> Result<Vec<RecordedSecret>> {
        let rows = self.query(&self.store.read, RECORDED, [id.0.into(), CONNECTION.into()]).await?;
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let names: Vec<String> = serde_json::from_value(first.try_get_by_index(0)?).map_err(|_| malformed_names())?;
        let counters: BTreeMap<String, u64> =
            serde_json::from_value(first.try_get_by_index(1)?).map_err(|_| malformed_counters())?;
        let mut stored = HashMap::with_capacity(rows.len());
        for row in &rows {
            let Some(name) = row.try_get_by_index::<Option<String>>(2)? else { continue };
            let key_id = u32::try_from(row.try_get_by_index::<i64>(4)?);
            let key_id = key_id.map_err(|_| DbErr::Type("installation_secrets.key_id is out of range".into()))?;
            stored.insert(name, Sealed { key_id, bytes: row.try_get_by_index(3)? });
        }
        let recorded = names.into_iter().map(|name| {
            let (counter, sealed) = (counters.get(&name).copied(), stored.remove(&name));
            Some(RecordedSecret { name: SecretName::parse(&name)?, counter, sealed })
        });
        Ok(recorded.collect::<Option<_>>().ok_or_else(malformed_names)?)
    }
}

fn malformed_names() -> DbErr {
    DbErr::Type("installations.secret_names is not a list of names".into())
}

fn malformed_counters() -> DbErr {
    DbErr::Type("installations.secret_counters is not an object of counters".into())
}

/// The columns of an installation that are read.
#[derive(FromQueryResult)]
pub(super) struct Row {
    pub(super) integration_id: Uuid,
    pub(super) params: Value,
    pub(super) secret_names: Value,
    pub(super) secret_counters: Value,
    pub(super) installed_at: Option<DateTimeUtc>,
    pub(super) revision: i64,
    pub(super) updated_at: DateTimeUtc,
}

impl Row {
    pub(super) fn read(self) -> std::result::Result<Installation, DbErr> {
        let Value::Object(params) = self.params else {
            return Err(DbErr::Type("installations.params is not an object".into()));
        };
        let secret_names = serde_json::from_value(self.secret_names).map_err(|_| malformed_names())?;
        let secret_counters = serde_json::from_value(self.secret_counters).map_err(|_| malformed_counters())?;
        Ok(Installation {
            integration_id: IntegrationId(self.integration_id),
            params: (&params).into(),
            secret_names,
            secret_counters,
            installed_at: self.installed_at,
            revision: self.revision,
            updated_at: self.updated_at,
        })
    }
}
