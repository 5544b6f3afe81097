//! Looking at the catalog as one account sees it.

use std::sync::Arc;

use super::{Listing, Snapshot, TenantServices};
use crate::domain::{CatalogQuery, Installation, Integration, IntegrationId, Reference};
use crate::error::{Error, Result};

impl TenantServices {
    /// The catalog as this request sees it; find entries in it before asking for their installations.
    pub fn catalog(&self) -> &Arc<Snapshot> {
        &self.catalog
    }

    /// A number that grows with every change of what the account has; 0 before the first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn revision(&self) -> Result<i64> {
        self.tenant.revision().await
    }

    /// The list under a query: at most one statement, over the account's own rows.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(&self, query: CatalogQuery) -> Result<Listing> {
        let state = self.tenant.state().await?;
        Ok(Listing::new(self.account(), self.catalog.clone(), state, query))
    }

    /// The same for someone who has just asked for the revision.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_at(&self, revision: i64, query: CatalogQuery) -> Result<Listing> {
        let state = self.tenant.state_at(revision).await?;
        Ok(Listing::new(self.account(), self.catalog.clone(), state, query))
    }

    /// One integration.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of the database.
    pub async fn integration(&self, reference: &Reference) -> Result<Integration> {
        let entry = self.catalog.find(reference).ok_or(Error::NotFound)?;
        let installation = self.tenant.installation(entry.id).await?;
        Ok(Integration { entry, installation })
    }

    /// The account's installations among these entries, for loaders.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn installations_for(&self, ids: &[IntegrationId]) -> Result<Vec<Arc<Installation>>> {
        self.tenant.installations_for(ids).await
    }
}
