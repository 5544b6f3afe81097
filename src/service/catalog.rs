//! Looking at the catalog as one account sees it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Listing, Snapshot, TenantServices};
use crate::domain::{CatalogFilter, Entry, Installation, Integration, IntegrationId, Reference};
use crate::error::{Error, Result};

impl TenantServices {
    /// The catalog as it stands; find entries in it before asking for their installations.
    pub fn catalog(&self) -> Arc<Snapshot> {
        self.services.catalog()
    }

    /// The list under a filter: one small query, everything else from memory.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(&self, filter: CatalogFilter) -> Result<Listing> {
        let installations = self.tenant.installations().await?;
        let installations: HashMap<_, _> = installations.into_iter().map(|i| (i.integration_id, i)).collect();
        Ok(Listing::new(self.account(), self.catalog(), installations, filter))
    }

    /// One integration.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of the database.
    pub async fn integration(&self, reference: &Reference) -> Result<Integration> {
        let entry = self.catalog().find(reference).ok_or(Error::NotFound)?;
        let installation = self.tenant.find_installation(entry.id).await?;
        Ok(Integration { entry, installation })
    }

    /// The account's installations among these entries, for loaders.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn installations_for(&self, ids: &[IntegrationId]) -> Result<Vec<Installation>> {
        self.tenant.installations_for(ids).await
    }

    pub(super) fn entry_of(&self, id: IntegrationId) -> Option<Arc<Entry>> {
        self.catalog().find(&Reference::Id(id))
    }
}
