//! Looking at the catalog as one account sees it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Listing, Snapshot, TenantServices};
use crate::domain::{CatalogQuery, Integration, Reference, Scope};
use crate::error::{Error, Result};
use crate::store::AccountState;

/// What an account sees and has, of one moment.
pub(super) struct View {
    /// The shared catalog, with the account's own entries in it.
    pub(super) catalog: Arc<Snapshot>,
    pub(super) state: Arc<AccountState>,
}

impl TenantServices {
    /// The shared catalog as this request sees it, without the account's own entries.
    pub fn shared_catalog(&self) -> &Arc<Snapshot> {
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
        Ok(self.listing(self.view().await?, query))
    }

    /// The same for someone who has just asked for the revision.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_at(&self, revision: i64, query: CatalogQuery) -> Result<Listing> {
        let state = self.tenant.state_at(revision).await?;
        Ok(self.listing(self.view_of(state).await?, query))
    }

    /// One integration, as far as the credential may see it.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of the database.
    pub async fn integration(&self, reference: &Reference) -> Result<Integration> {
        self.stored_integration(reference).await.map(|found| self.shown(found))
    }

    /// One integration with all that is stored, independent of the credential's scopes.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of the database.
    pub(super) async fn stored_integration(&self, reference: &Reference) -> Result<Integration> {
        self.view().await?.integration(reference).ok_or(Error::NotFound)
    }

    /// Those of these integrations that there are, for loaders.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn integrations(&self, references: &[Reference]) -> Result<HashMap<Reference, Integration>> {
        let view = self.view().await?;
        let found = references.iter().filter_map(|reference| Some((reference.clone(), view.integration(reference)?)));
        Ok(found.collect())
    }

    /// What the credential may see of it. Without `installations:read` no params and no names of secrets; with
    /// `catalog:write` alone the entry as if it was never installed.
    pub(super) fn shown(&self, integration: Integration) -> Integration {
        let has_any = |scopes: &[Scope]| scopes.iter().any(|scope| self.has_scope(*scope));
        if has_any(&[Scope::InstallationsRead]) {
            integration
        } else if has_any(&[Scope::InstallationsWrite, Scope::SecretsPurge]) {
            Integration { hides_values: true, ..integration }
        } else {
            Integration::new(integration.entry, None)
        }
    }

    pub(super) fn has_scope(&self, scope: Scope) -> bool {
        self.call.principal.scopes.allow(scope)
    }

    pub(super) async fn view(&self) -> Result<View> {
        self.view_of(self.tenant.state().await?).await
    }

    pub(super) async fn view_of(&self, state: Arc<AccountState>) -> Result<View> {
        let catalog = match state.own_catalog() {
            0 => self.catalog.clone(),
            _ => self.inner().own_catalogs.of(&self.tenant, &self.catalog, &state).await?,
        };
        Ok(View { catalog, state })
    }

    fn listing(&self, View { catalog, state }: View, query: CatalogQuery) -> Listing {
        Listing::new(self.account(), catalog, state, query)
    }
}

impl View {
    fn integration(&self, reference: &Reference) -> Option<Integration> {
        let entry = self.catalog.find(reference)?;
        let installation = self.state.find(entry.id).cloned();
        Some(Integration::new(entry, installation))
    }
}
