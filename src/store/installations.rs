//! What the account installed.

use ::entity::{account_revision, installation, installation_secret};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, Set};
use serde_json::{Map, Value};

use super::failure::Failed;
use super::pool::Transaction;
use super::{Outcome, TenantStore, Work, keys, now};
use crate::domain::installation::merge_names;
use crate::domain::{CONNECTION, Installation, IntegrationId, Sealed, SecretChange};
use crate::error::Result;

/// What an install writes. Secrets arrive sealed; nothing else fits.
pub struct InstallChange {
    /// The catalog entry.
    pub integration_id: IntegrationId,
    /// Replaces the stored params whole; `None` leaves them.
    pub params: Option<Map<String, Value>>,
    /// Merged by name.
    pub secrets: Vec<SecretChange<Sealed>>,
}

/// What came of an install.
pub enum Installed {
    /// The row as it stands, and whether it changed.
    Done {
        /// The row.
        installation: Installation,
        /// False when it was installed and nothing was supplied.
        changed: bool,
    },
    /// The data key was retired since the values were sealed: seal again.
    KeyRetired,
}

impl TenantStore {
    /// All installations the account ever made, in no particular order.
    pub async fn installations(&self) -> Result<Vec<Installation>> {
        let rows = self.select::<installation::Entity>().all(&self.store.read).await?;
        rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
    }

    /// The account's installations among these entries.
    pub async fn installations_for(&self, ids: &[IntegrationId]) -> Result<Vec<Installation>> {
        let rows = self
            .select::<installation::Entity>()
            .filter(installation::Column::IntegrationId.is_in(ids.iter().map(|id| id.0)))
            .all(&self.store.read)
            .await?;
        rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
    }

    /// The account's installation of this entry.
    pub async fn find_installation(&self, id: IntegrationId) -> Result<Option<Installation>> {
        let row = self.select_one(id).one(&self.store.read).await?;
        Ok(row.map(read).transpose()?)
    }

    /// A number that grows with every change of the account's installations; 0 before the first.
    pub async fn revision(&self) -> Result<i64> {
        let row = self.select::<account_revision::Entity>().one(&self.store.read).await?;
        Ok(row.map_or(0, |row| row.revision))
    }

    /// Installations that changed after `revision`, oldest change first.
    pub async fn changes_since(&self, revision: i64) -> Result<Vec<Installation>> {
        let rows = self
            .select::<installation::Entity>()
            .filter(installation::Column::Revision.gt(revision))
            .order_by_asc(installation::Column::Revision)
            .all(&self.store.read)
            .await?;
        rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
    }

    /// Installs, or merges into what is installed, in one transaction.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] when more secrets would be kept than allowed; nothing is written then.
    pub async fn install(&self, change: InstallChange) -> Result<Installed> {
        self.store.transaction(Install { tenant: self.clone(), change }).await
    }

    /// Uninstalls; params and secrets stay. Returns the row, if there ever was one, and whether it changed.
    pub async fn uninstall(&self, id: IntegrationId) -> Result<(Option<Installation>, bool)> {
        self.store.transaction(Uninstall { tenant: self.clone(), id }).await
    }

    /// Also the lock that orders the account's writes: the second of two transactions waits here for the first.
    async fn advance_revision(&self, t: &Transaction) -> std::result::Result<i64, DbErr> {
        use account_revision::{ActiveModel, Column, Entity};
        let next = Expr::col((Entity, Column::Revision)).add(1);
        let row = self
            .insert(ActiveModel { revision: Set(1), ..Default::default() })
            .on_conflict(OnConflict::column(Column::AccountId).value(Column::Revision, next).to_owned())
            .exec_with_returning(t)
            .await?;
        Ok(row.revision)
    }

    async fn write_row(&self, t: &Transaction, after: &Installation) -> std::result::Result<(), DbErr> {
        use installation::{ActiveModel, Column};
        let row = ActiveModel {
            integration_id: Set(after.integration_id.0),
            connection: Set(CONNECTION.to_owned()),
            params: Set(Value::Object(after.params.clone())),
            secret_names: Set(after.secret_names.clone().into()),
            installed_at: Set(after.installed_at),
            revision: Set(after.revision),
            created_at: Set(after.updated_at),
            updated_at: Set(after.updated_at),
            ..Default::default()
        };
        self.insert(row)
            .on_conflict(
                OnConflict::columns([Column::AccountId, Column::IntegrationId, Column::Connection])
                    .update_columns([
                        Column::Params,
                        Column::SecretNames,
                        Column::InstalledAt,
                        Column::Revision,
                        Column::UpdatedAt,
                    ])
                    .to_owned(),
            )
            .exec_without_returning(t)
            .await?;
        Ok(())
    }

    async fn write_secrets(&self, t: &Transaction, change: &InstallChange) -> std::result::Result<(), DbErr> {
        use installation_secret::{ActiveModel, Column, Entity};
        let now = now();
        let stored = change.secrets.iter().filter_map(|secret| {
            let sealed = secret.value.as_ref()?;
            Some(ActiveModel {
                integration_id: Set(change.integration_id.0),
                connection: Set(CONNECTION.to_owned()),
                name: Set(secret.name.as_str().to_owned()),
                sealed: Set(sealed.bytes.clone()),
                key_id: Set(i64::from(sealed.key_id)),
                created_at: Set(now),
                updated_at: Set(now),
                ..Default::default()
            })
        });
        let stored: Vec<_> = stored.collect();
        if !stored.is_empty() {
            self.insert_many(stored)
                .on_conflict(
                    OnConflict::columns([Column::AccountId, Column::IntegrationId, Column::Connection, Column::Name])
                        .update_columns([Column::Sealed, Column::KeyId, Column::UpdatedAt])
                        .to_owned(),
                )
                .exec_without_returning(t)
                .await?;
        }
        let removed: Vec<_> = change.secrets.iter().filter(|s| s.value.is_none()).map(|s| s.name.as_str()).collect();
        if !removed.is_empty() {
            self.delete::<Entity>()
                .filter(Column::IntegrationId.eq(change.integration_id.0))
                .filter(Column::Connection.eq(CONNECTION))
                .filter(Column::Name.is_in(removed))
                .exec(t)
                .await?;
        }
        Ok(())
    }

    fn select_one(&self, id: IntegrationId) -> sea_orm::Select<installation::Entity> {
        self.select::<installation::Entity>()
            .filter(installation::Column::IntegrationId.eq(id.0))
            .filter(installation::Column::Connection.eq(CONNECTION))
    }
}

struct Install {
    tenant: TenantStore,
    change: InstallChange,
}

impl Work for Install {
    type Value = Installed;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<Installed>, Failed> {
        let Self { tenant, change } = self;
        let revision = tenant.advance_revision(t).await?;
        if let Some(key_id) = change.secrets.iter().find_map(|s| s.value.as_ref()).map(|sealed| sealed.key_id)
            && !keys::is_active(tenant, t, key_id).await?
        {
            return Ok(Outcome::Nothing(Installed::KeyRetired));
        }
        let before = tenant.select_one(change.integration_id).one(t).await?.map(read).transpose()?;
        let was_installed = before.as_ref().is_some_and(|row| row.installed_at.is_some());
        if was_installed && change.params.is_none() && change.secrets.is_empty() {
            let installation = before.ok_or_else(|| DbErr::RecordNotFound("installation".into()))?;
            return Ok(Outcome::Nothing(Installed::Done { installation, changed: false }));
        }
        let kept = before.as_ref().map_or(&[][..], |row| &row.secret_names);
        let secret_names = merge_names(kept, &change.secrets).map_err(Failed::Rule)?;
        let now = now();
        let after = Installation {
            integration_id: change.integration_id,
            params: change.params.clone().or_else(|| before.as_ref().map(|row| row.params.clone())).unwrap_or_default(),
            secret_names,
            installed_at: before.as_ref().and_then(|row| row.installed_at).or(Some(now)),
            revision,
            updated_at: now,
        };
        tenant.write_row(t, &after).await?;
        tenant.write_secrets(t, change).await?;
        Ok(Outcome::Commit(Installed::Done { installation: after, changed: true }))
    }
}

struct Uninstall {
    tenant: TenantStore,
    id: IntegrationId,
}

impl Work for Uninstall {
    type Value = (Option<Installation>, bool);

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<Self::Value>, Failed> {
        let tenant = &self.tenant;
        let revision = tenant.advance_revision(t).await?;
        let before = tenant.select_one(self.id).one(t).await?.map(read).transpose()?;
        let Some(installed) = before.as_ref().filter(|row| row.installed_at.is_some()) else {
            return Ok(Outcome::Nothing((before, false)));
        };
        let after = Installation { installed_at: None, revision, updated_at: now(), ..installed.clone() };
        tenant
            .update::<installation::Entity>()
            .col_expr(installation::Column::InstalledAt, Expr::value(None::<sea_orm::prelude::DateTimeUtc>))
            .col_expr(installation::Column::Revision, Expr::value(after.revision))
            .col_expr(installation::Column::UpdatedAt, Expr::value(after.updated_at))
            .filter(installation::Column::IntegrationId.eq(self.id.0))
            .filter(installation::Column::Connection.eq(CONNECTION))
            .exec(t)
            .await?;
        Ok(Outcome::Commit((Some(after), true)))
    }
}

fn read(row: installation::Model) -> std::result::Result<Installation, DbErr> {
    let Value::Object(params) = row.params else {
        return Err(DbErr::Type("installations.params is not an object".into()));
    };
    let secret_names = serde_json::from_value(row.secret_names)
        .map_err(|_| DbErr::Type("installations.secret_names is not a list of names".into()))?;
    Ok(Installation {
        integration_id: IntegrationId(row.integration_id),
        params,
        secret_names,
        installed_at: row.installed_at,
        revision: row.revision,
        updated_at: row.updated_at,
    })
}
