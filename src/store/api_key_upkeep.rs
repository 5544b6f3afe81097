//! Upkeep of API keys: rows without a code over their rights, and rows of keys that ended.

use ::entity::{api_key, key_check};
use chrono::{DateTime, Utc};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::api_keys::{ApiKeyStore, PEPPER, StoredKey, read};
use crate::error::Result;

/// Most rows of one statement.
const MAX_BATCH: u64 = 500;
/// Most rows that one call deletes.
const MAX_DELETED: u64 = 10_000;

#[expect(clippy::disallowed_methods, reason = "API keys belong to no account")]
impl ApiKeyStore {
    /// The note beside the pepper on record; empty when there is none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn pepper_note(&self) -> Result<Vec<u8>> {
        let row = key_check::Entity::find_by_id((PEPPER.to_owned(), PEPPER.to_owned())).one(&self.store.read).await?;
        Ok(row.map(|row| row.wrapped).unwrap_or_default())
    }

    /// Replaces the note beside the pepper of this fingerprint.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_pepper_note(&self, fingerprint: &str, note: Vec<u8>) -> Result<()> {
        use key_check::Column;
        key_check::Entity::update_many()
            .col_expr(Column::Wrapped, Expr::value(note))
            .filter(Column::Provider.eq(PEPPER))
            .filter(Column::Fingerprint.eq(fingerprint))
            .exec(&self.store.write)
            .await?;
        Ok(())
    }

    /// At most 500 keys whose rights have no code, in the order of their ids, from after this one on; and the last id
    /// looked at. Malformed rows are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn unsigned(&self, after: Uuid) -> Result<(Vec<StoredKey>, Option<Uuid>)> {
        use api_key::Column;
        let rows = api_key::Entity::find()
            .filter(Column::RightsMac.is_null())
            .filter(Column::Id.gt(after))
            .order_by_asc(Column::Id)
            .limit(MAX_BATCH)
            .all(&self.store.read)
            .await?;
        let last = rows.last().map(|row| row.id);
        Ok((rows.into_iter().filter_map(|row| read(row).ok()).collect(), last))
    }

    /// Stores the code over the rights of a key that has none; false when it has one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_rights_mac(&self, id: Uuid, rights_mac: Vec<u8>) -> Result<bool> {
        use api_key::Column;
        let updated = api_key::Entity::update_many()
            .col_expr(Column::RightsMac, Expr::value(rights_mac))
            .filter(Column::Id.eq(id))
            .filter(Column::RightsMac.is_null())
            .exec(&self.store.write)
            .await?;
        Ok(updated.rows_affected > 0)
    }

    /// Deletes keys that were revoked or expired before this time, at most 10,000; returns how many. The newest key stays,
    /// so that the table says that there was one.
    ///
    /// # Errors
    /// Those of the database; what was deleted until then stays deleted.
    pub async fn delete_ended(&self, before: DateTime<Utc>) -> Result<u64> {
        use api_key::Column;
        let newest = api_key::Entity::find().select_only().column(Column::Id).order_by_desc(Column::Id).limit(1);
        let Some(newest) = newest.into_tuple::<Uuid>().one(&self.store.read).await? else { return Ok(0) };
        let has_ended = Condition::any().add(Column::RevokedAt.lt(before)).add(Column::ExpiresAt.lt(before));
        let mut deleted = 0;
        while deleted < MAX_DELETED {
            let ended = api_key::Entity::find().select_only().column(Column::Id);
            let ended = ended.filter(Column::Id.lt(newest)).filter(has_ended.clone()).limit(MAX_BATCH);
            let ids: Vec<Uuid> = ended.into_tuple().all(&self.store.read).await?;
            if ids.is_empty() {
                break;
            }
            let batch = api_key::Entity::delete_many().filter(Column::Id.is_in(ids));
            deleted += batch.exec(&self.store.write).await?.rows_affected.max(1);
        }
        Ok(deleted)
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete(&self, id: Uuid) -> Result<()> {
        api_key::Entity::delete_many().filter(api_key::Column::Id.eq(id)).exec(&self.store.write).await?;
        Ok(())
    }
}
