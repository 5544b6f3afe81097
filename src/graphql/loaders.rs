//! Loaders for fields that fan out. Made per request around the caller's services: one that outlived its request would
//! be a cache across tenants.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_graphql::dataloader::{DataLoader, Loader};

use crate::domain::{Integration, Reference};
use crate::error::Error;
use crate::service::TenantServices;

/// Integrations by reference, for `integration`, `node` and their aliases.
pub(super) struct IntegrationByReference(TenantServices);

/// The loaders of one request, each made when a field first asks for it.
pub(super) struct Loaders {
    tenant: TenantServices,
    integrations: OnceLock<DataLoader<IntegrationByReference>>,
}

impl Loaders {
    pub(super) fn new(tenant: TenantServices) -> Self {
        Self { tenant, integrations: OnceLock::new() }
    }

    pub(super) fn integrations(&self) -> &DataLoader<IntegrationByReference> {
        self.integrations.get_or_init(|| {
            // Waiting for more keys would only add its delay: sibling fields ask in the same turn.
            DataLoader::new(IntegrationByReference(self.tenant.clone()), tokio::spawn).delay(Duration::ZERO)
        })
    }
}

impl Loader<Reference> for IntegrationByReference {
    type Value = Integration;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Reference]) -> std::result::Result<HashMap<Reference, Integration>, Arc<Error>> {
        self.0.integrations(keys).await.map_err(Arc::new)
    }
}
