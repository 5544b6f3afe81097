//! Loaders for fields that fan out. Made per request around the caller's services: one that outlived its request would
//! be a cache across tenants.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::dataloader::{DataLoader, Loader};

use crate::domain::{Installation, IntegrationId};
use crate::error::Error;
use crate::service::TenantServices;

/// Installations by integration, for `integration`, `node` and their aliases.
pub(super) struct InstallationByIntegration(TenantServices);

/// A loader for one request.
pub(super) fn installations(tenant: TenantServices) -> DataLoader<InstallationByIntegration> {
    // Waiting for more keys would only add its delay: sibling fields ask in the same turn.
    DataLoader::new(InstallationByIntegration(tenant), tokio::spawn).delay(Duration::ZERO)
}

impl Loader<IntegrationId> for InstallationByIntegration {
    type Value = Arc<Installation>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[IntegrationId],
    ) -> std::result::Result<HashMap<IntegrationId, Arc<Installation>>, Arc<Error>> {
        let found = self.0.installations_for(keys).await.map_err(Arc::new)?;
        Ok(found.into_iter().map(|installation| (installation.integration_id, installation)).collect())
    }
}
