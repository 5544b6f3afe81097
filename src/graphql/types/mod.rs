//! The shapes of the graph.

mod api_key;
mod connection;
mod entry;
mod event;
mod field;
mod installation;
mod integration;
mod rate_limit;
mod scalars;
mod stubs;

pub(super) use api_key::{
    ApiKey, ApiKeyConnection, ApiKeyError, CreateApiKeyInput, CreateApiKeyPayload, RevokeApiKeyInput,
    RevokeApiKeyPayload,
};
pub(super) use connection::{IntegrationConnection, PageArguments, first_of};
pub(super) use entry::{
    CreateIntegrationInput, CreateIntegrationPayload, DeleteIntegrationInput, DeleteIntegrationPayload,
    DeprecateIntegrationInput, DeprecateIntegrationPayload, IntegrationDefinitionError, UpdateIntegrationInput,
    UpdateIntegrationPayload,
};
pub(super) use event::{AuditEventConnection, AuditEventFilter};
pub(super) use installation::{
    InstallIntegrationInput, InstallIntegrationPayload, InstallationError, PurgeInstallationDataInput,
    PurgeInstallationDataPayload, UninstallIntegrationInput, UninstallIntegrationPayload, ValidateInstallationInput,
    ValidateInstallationPayload,
};
pub(super) use integration::{AuthKind, Integration, IntegrationOrder, IntegrationRef, IntegrationStatus, Node};
pub(super) use rate_limit::RateLimit;
pub(super) use scalars::{DateTime, JsonObject};
pub(super) use stubs::{McpConnectionList, NativeToolList};
