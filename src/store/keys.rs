//! The account's wrapped data keys.

use ::entity::account_key;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, Set};

use super::{AccountState, TenantStore, now};
use crate::error::{Error, Result};

const ACTIVE: &str = "active";

/// A data key at rest, as the vault wrapped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountKey {
    /// Generation within the account, from 1.
    pub key_id: u32,
    /// Who wrapped it.
    pub provider: String,
    /// Which of the provider's keys.
    pub kek_ref: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
}

impl TenantStore {
    /// The data key that new values are sealed with, as of this state: whatever retires a key advances the account's
    /// revision, and what was sealed with it is then refused like any change of an account that has moved on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn active_key(&self, state: &AccountState) -> Result<Option<AccountKey>> {
        if let Some(known) = state.known_key().get() {
            return Ok(Some(known.clone()));
        }
        let found = self.find_active_key().await?;
        Ok(found.map(|key| state.known_key().get_or_init(|| key).clone()))
    }

    /// The data key of this generation, active or not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn key(&self, id: u32) -> Result<Option<AccountKey>> {
        use account_key::{Column, Entity};
        let row = self.select::<Entity>().filter(Column::KeyId.eq(i64::from(id))).one(&self.store.read).await?;
        row.map(read).transpose()
    }

    async fn find_active_key(&self) -> Result<Option<AccountKey>> {
        use account_key::{Column, Entity};
        let row = self
            .select::<Entity>()
            .filter(Column::State.eq(ACTIVE))
            .order_by_desc(Column::KeyId)
            .one(&self.store.read)
            .await?;
        row.map(read).transpose()
    }

    /// Stores a first data key unless another request was faster, and returns the one that is stored now.
    pub async fn insert_key_if_absent(&self, state: &AccountState, key: &AccountKey) -> Result<AccountKey> {
        use account_key::{ActiveModel, Column};
        let row = ActiveModel {
            key_id: Set(i64::from(key.key_id)),
            provider: Set(key.provider.clone()),
            kek_ref: Set(key.kek_ref.clone()),
            wrapped: Set(key.wrapped.clone()),
            state: Set(ACTIVE.to_owned()),
            created_at: Set(now()),
            ..Default::default()
        };
        self.insert(row)
            .on_conflict(OnConflict::columns([Column::AccountId, Column::KeyId]).do_nothing().to_owned())
            .exec_without_returning(&self.store.write)
            .await?;
        self.active_key(state)
            .await?
            .ok_or_else(|| Error::Internal { cause: "the data key just stored is not active".into() })
    }
}

fn read(row: account_key::Model) -> Result<AccountKey> {
    let key_id = u32::try_from(row.key_id)
        .map_err(|_| Error::Internal { cause: "account_keys.key_id is out of range".into() })?;
    Ok(AccountKey { key_id, provider: row.provider, kek_ref: row.kek_ref, wrapped: row.wrapped })
}
