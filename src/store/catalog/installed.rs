//! What an account keeps of an entry that goes away.

use ::entity::{installation, installation_secret};
use sea_orm::{ColumnTrait, DbErr, QueryFilter};

use crate::domain::{Event, FieldNames, Installation, IntegrationId};
use crate::error::Result;
use crate::store::failure::Failed;
use crate::store::installations::Row;
use crate::store::pool::Transaction;
use crate::store::{Outcome, TenantStore, Work};

impl TenantStore {
    /// Deletes what the account keeps of an entry: the installation, and everything sealed in it. Whether there was any.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget(&self, id: IntegrationId, event: Event) -> Result<bool> {
        self.store.transaction(Forget { tenant: self.clone(), id, event }).await
    }

    /// The account's installation of an entry, unless nothing is kept of it.
    pub(in crate::store) async fn kept_installation(
        &self,
        t: &Transaction,
        IntegrationId(id): IntegrationId,
    ) -> std::result::Result<Option<Installation>, DbErr> {
        let rows = self.select::<installation::Entity>().filter(installation::Column::IntegrationId.eq(id));
        let kept = rows.into_model::<Row>().one(t).await?.map(Row::read).transpose()?;
        Ok(kept.filter(|kept| !kept.is_empty()))
    }

    /// The deletions alone.
    pub(in crate::store) async fn delete_kept(
        &self,
        t: &Transaction,
        IntegrationId(id): IntegrationId,
    ) -> std::result::Result<bool, DbErr> {
        let sealed = self.delete::<installation_secret::Entity>();
        sealed.filter(installation_secret::Column::IntegrationId.eq(id)).exec(t).await?;
        let rows = self.delete::<installation::Entity>();
        let deleted = rows.filter(installation::Column::IntegrationId.eq(id)).exec(t).await?;
        Ok(deleted.rows_affected > 0)
    }
}

struct Forget {
    tenant: TenantStore,
    id: IntegrationId,
    event: Event,
}

impl Work for Forget {
    type Value = bool;

    async fn run(&self, t: &Transaction) -> std::result::Result<Outcome<bool>, Failed> {
        let Self { tenant, id, event } = self;
        // Whatever is under way for the account is refused, and what replicas keep of it in memory is read again.
        tenant.advance_revision(t).await?;
        let kept = tenant.kept_installation(t, *id).await?;
        if !tenant.delete_kept(t, *id).await? {
            return Ok(Outcome::Nothing(false));
        }
        let names = kept.map_or_else(FieldNames::default, |kept| FieldNames::erased(&kept));
        tenant.insert_event(&event.clone().naming(names), t).await?;
        Ok(Outcome::Commit(true))
    }
}
