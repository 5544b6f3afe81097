//! The shapes of the graph.

mod connection;
mod installation;
mod integration;
mod rate_limit;
mod scalars;
mod stubs;

pub(super) use connection::{IntegrationConnection, PageArguments};
pub(super) use installation::{
    InstallIntegrationInput, InstallIntegrationPayload, InstallationError, UninstallIntegrationInput,
    UninstallIntegrationPayload,
};
pub(super) use integration::{Integration, IntegrationRef, IntegrationStatus, Node};
pub(super) use rate_limit::RateLimit;
pub(super) use scalars::{DateTime, JsonObject};
pub(super) use stubs::{McpConnectionList, NativeToolList};
