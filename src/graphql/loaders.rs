//! Loaders for fields that fan out. Made per request around the caller's services: one that outlived its request would
//! be a cache across tenants.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_graphql::dataloader::{DataLoader, Loader};

use crate::domain::{Installation, IntegrationId};
use crate::error::Error;
use crate::service::TenantServices;

/// Installations by integration, for `integration`, `node` and their aliases.
pub(super) struct InstallationByIntegration(TenantServices);

/// The loaders of one request, each made when a field first asks for it.
pub(super) struct Loaders {
    tenant: TenantServices,
    installations: OnceLock<DataLoader<InstallationByIntegration>>,
}

impl Loaders {
    pub(super) fn new(tenant: TenantServices) -> Self {
        Self { tenant, installations: OnceLock::new() }
    }

    pub(super) fn installations(&self) -> &DataLoader<InstallationByIntegration> {
        self.installations.get_or_init(|| {
            // Waiting for more keys would only add its delay: sibling fields ask in the same turn.
            DataLoader::new(InstallationByIntegration(self.tenant.clone()), tokio::spawn).delay(Duration::ZERO)
        })
    }
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
