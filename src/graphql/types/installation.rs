//! Inputs and payloads of install, uninstall and purge.

use async_graphql::{Enum, InputObject, SimpleObject};

use super::{Integration, IntegrationRef, JsonObject};
use crate::domain::Part;
use crate::error::{Error, FieldProblem};

/// What to install.
#[derive(InputObject)]
pub(in crate::graphql) struct InstallIntegrationInput {
    /// Which integration.
    pub(in crate::graphql) integration: IntegrationRef,
    /// Replaces the stored params whole; absent or null leaves them.
    pub(in crate::graphql) params: Option<JsonObject<'static>>,
    /// Merged by name into the stored secrets; a name with null is removed. Any JSON values. Better sent as a variable
    /// than written into the document.
    pub(in crate::graphql) secrets: Option<JsonObject<'static>>,
    /// A name for this request, of the client's own making, such as a UUID: made again with it within 24 hours, the request
    /// is not done again. 1 to 255 visible ASCII characters.
    pub(in crate::graphql) idempotency_key: Option<String>,
}

/// What would be installed; as for an install.
#[derive(InputObject)]
pub(in crate::graphql) struct ValidateInstallationInput {
    /// Which integration.
    pub(in crate::graphql) integration: IntegrationRef,
    /// Would replace the stored params whole; absent or null would leave them.
    pub(in crate::graphql) params: Option<JsonObject<'static>>,
    /// Would be merged by name into the stored secrets. Better sent as a variable than written into the document.
    pub(in crate::graphql) secrets: Option<JsonObject<'static>>,
}

/// What to uninstall.
#[derive(InputObject)]
pub(in crate::graphql) struct UninstallIntegrationInput {
    /// Which integration.
    pub(in crate::graphql) integration: IntegrationRef,
    /// A name for this request, of the client's own making, such as a UUID: made again with it within 24 hours, the request
    /// is not done again. 1 to 255 visible ASCII characters.
    pub(in crate::graphql) idempotency_key: Option<String>,
}

/// What to purge.
#[derive(InputObject)]
pub(in crate::graphql) struct PurgeInstallationDataInput {
    /// Which integration.
    pub(in crate::graphql) integration: IntegrationRef,
    /// A name for this request, of the client's own making, such as a UUID: made again with it within 24 hours, the request
    /// is not done again. 1 to 255 visible ASCII characters.
    pub(in crate::graphql) idempotency_key: Option<String>,
}

/// What came of an install.
#[derive(SimpleObject)]
pub(in crate::graphql) struct InstallIntegrationPayload {
    /// As it stands now; null when there are user errors.
    pub(in crate::graphql) integration: Option<Integration>,
    /// Whether anything was changed.
    pub(in crate::graphql) changed: bool,
    /// Whether the request was done before, under the same `idempotencyKey`: then this is what came of it, as it stands now.
    pub(in crate::graphql) replayed: bool,
    /// Supplied params and secrets that the entry's form lacks, `secrets.apikey` style; at most 100. They are stored.
    pub(in crate::graphql) unknown_fields: Vec<String>,
    /// What a person can fix; nothing was stored when there is any.
    pub(in crate::graphql) user_errors: Vec<InstallationError>,
}

/// What an install would come to.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ValidateInstallationPayload {
    /// Whether it would be taken.
    pub(in crate::graphql) valid: bool,
    /// Required fields that would still be missing, `secrets.api_key` style.
    pub(in crate::graphql) missing_fields: Vec<String>,
    /// Supplied params and secrets that the entry's form lacks, `secrets.apikey` style; at most 100. An install stores them.
    pub(in crate::graphql) unknown_fields: Vec<String>,
    /// What would be refused.
    pub(in crate::graphql) user_errors: Vec<InstallationError>,
}

/// What came of an uninstall.
#[derive(SimpleObject)]
pub(in crate::graphql) struct UninstallIntegrationPayload {
    /// As it stands now; null when there are user errors.
    pub(in crate::graphql) integration: Option<Integration>,
    /// Whether anything was changed.
    pub(in crate::graphql) changed: bool,
    /// Whether the request was done before, under the same `idempotencyKey`: then this is what came of it, as it stands now.
    pub(in crate::graphql) replayed: bool,
    /// What a person can fix.
    pub(in crate::graphql) user_errors: Vec<InstallationError>,
}

/// What came of a purge.
#[derive(SimpleObject)]
pub(in crate::graphql) struct PurgeInstallationDataPayload {
    /// As it stands now; null when there are user errors.
    pub(in crate::graphql) integration: Option<Integration>,
    /// Whether anything was erased.
    pub(in crate::graphql) changed: bool,
    /// Whether the request was done before, under the same `idempotencyKey`: then this is what came of it, as it stands now.
    pub(in crate::graphql) replayed: bool,
    /// What a person can fix.
    pub(in crate::graphql) user_errors: Vec<InstallationError>,
}

/// Something a person can fix.
#[derive(SimpleObject)]
pub(in crate::graphql) struct InstallationError {
    /// The rule that is broken, in words.
    message: String,
    /// The way to the field at fault from the mutation's arguments, such as `["input", "params", "region"]`.
    field: Option<Vec<String>>,
    /// The same as a JSON pointer into the input, such as `/params/region` (RFC 6901).
    pointer: Option<String>,
    /// The kind of problem.
    code: InstallationErrorCode,
}

/// Kinds of problems.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(in crate::graphql) enum InstallationErrorCode {
    /// No such integration for this account.
    IntegrationNotFound,
    /// A param breaks the entry's schema.
    ParamsInvalid,
    /// A secret breaks the entry's schema.
    SecretsInvalid,
    /// The integration is deprecated: it cannot be installed anew.
    IntegrationDeprecated,
    /// The params of all installations of the account would take more than they may.
    ParamsQuotaReached,
}

impl InstallationError {
    /// No such integration.
    pub(in crate::graphql) fn not_found() -> Self {
        Self {
            message: Error::NotFound.public_message().into_owned(),
            field: Some(vec!["input".into(), "integration".into()]),
            pointer: Some("/integration".into()),
            code: InstallationErrorCode::IntegrationNotFound,
        }
    }

    /// The account's params are over their limit.
    pub(in crate::graphql) fn quota_reached(error: &Error) -> Self {
        Self {
            message: error.public_message().into_owned(),
            field: Some(vec!["input".into(), "params".into()]),
            pointer: Some("/params".into()),
            code: InstallationErrorCode::ParamsQuotaReached,
        }
    }

    /// The integration is not to be installed anew.
    pub(in crate::graphql) fn deprecated() -> Self {
        Self {
            message: Error::Deprecated.public_message().into_owned(),
            code: InstallationErrorCode::IntegrationDeprecated,
            ..Self::not_found()
        }
    }
}

impl From<FieldProblem> for InstallationError {
    fn from(problem: FieldProblem) -> Self {
        let code = match problem.part {
            Part::Params => InstallationErrorCode::ParamsInvalid,
            Part::Secrets => InstallationErrorCode::SecretsInvalid,
        };
        let pointer = Some(problem.pointer());
        let path = ["input", problem.part.as_str()].into_iter().map(str::to_owned).chain(problem.name);
        Self { message: problem.message, field: Some(path.collect()), pointer, code }
    }
}
