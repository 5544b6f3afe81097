//! Inputs and payloads of changing the account's own entries of the catalog.

use async_graphql::{Enum, ID, InputObject, SimpleObject};

use super::{Integration, IntegrationRef, JsonObject};
use crate::error::{DefinitionProblem, Error};

/// What to add to the account's own catalog.
#[derive(InputObject)]
pub(in crate::graphql) struct CreateIntegrationInput {
    /// The entry, in the vocabulary of the catalog files; sources are not asked for. Its name must not be one of the shared
    /// catalog, and never have been used by the account.
    pub(in crate::graphql) definition: JsonObject<'static>,
    /// A name for this request, of the client's own making, such as a UUID: made again with it within 24 hours, the request
    /// is not done again. 1 to 255 visible ASCII characters.
    pub(in crate::graphql) idempotency_key: Option<String>,
}

/// What to change.
#[derive(InputObject)]
pub(in crate::graphql) struct UpdateIntegrationInput {
    /// Which integration.
    pub(in crate::graphql) integration: IntegrationRef,
    /// The whole entry, in the vocabulary of the catalog files. The name stays.
    pub(in crate::graphql) definition: JsonObject<'static>,
    /// A name for this request, of the client's own making, such as a UUID: made again with it within 24 hours, the request
    /// is not done again. 1 to 255 visible ASCII characters.
    pub(in crate::graphql) idempotency_key: Option<String>,
}

/// What to deprecate.
#[derive(InputObject)]
pub(in crate::graphql) struct DeprecateIntegrationInput {
    /// Which integration.
    pub(in crate::graphql) integration: IntegrationRef,
    /// A name for this request, of the client's own making, such as a UUID: made again with it within 24 hours, the request
    /// is not done again. 1 to 255 visible ASCII characters.
    pub(in crate::graphql) idempotency_key: Option<String>,
}

/// What to delete.
#[derive(InputObject)]
pub(in crate::graphql) struct DeleteIntegrationInput {
    /// Which integration.
    pub(in crate::graphql) integration: IntegrationRef,
    /// Also when it is installed, with all that was stored for it.
    #[graphql(default)]
    pub(in crate::graphql) force: bool,
    /// A name for this request, of the client's own making, such as a UUID: made again with it within 24 hours, the request
    /// is not done again. 1 to 255 visible ASCII characters.
    pub(in crate::graphql) idempotency_key: Option<String>,
}

/// What came of it.
#[derive(SimpleObject)]
pub(in crate::graphql) struct CreateIntegrationPayload {
    /// As it stands now; null when there are user errors.
    pub(in crate::graphql) integration: Option<Integration>,
    /// Whether the request was done before, under the same `idempotencyKey`: then this is what came of it, as it stands now.
    pub(in crate::graphql) replayed: bool,
    /// What a person can fix: every mistake; nothing was stored when there is any.
    pub(in crate::graphql) user_errors: Vec<IntegrationDefinitionError>,
}

/// What came of it.
#[derive(SimpleObject)]
pub(in crate::graphql) struct UpdateIntegrationPayload {
    /// As it stands now; null when there are user errors.
    pub(in crate::graphql) integration: Option<Integration>,
    /// Whether the request was done before, under the same `idempotencyKey`: then this is what came of it, as it stands now.
    pub(in crate::graphql) replayed: bool,
    /// What a person can fix: every mistake; nothing was changed when there is any.
    pub(in crate::graphql) user_errors: Vec<IntegrationDefinitionError>,
}

/// What came of it.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DeprecateIntegrationPayload {
    /// As it stands now; null when there are user errors.
    pub(in crate::graphql) integration: Option<Integration>,
    /// Whether the request was done before, under the same `idempotencyKey`: then this is what came of it, as it stands now.
    pub(in crate::graphql) replayed: bool,
    /// What a person can fix.
    pub(in crate::graphql) user_errors: Vec<IntegrationDefinitionError>,
}

/// What came of it.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DeleteIntegrationPayload {
    /// What is gone; null when there are user errors.
    pub(in crate::graphql) deleted_id: Option<ID>,
    /// Whether the request was done before, under the same `idempotencyKey`: then this is what came of it, as it stands now.
    pub(in crate::graphql) replayed: bool,
    /// What a person can fix.
    pub(in crate::graphql) user_errors: Vec<IntegrationDefinitionError>,
}

/// Something a person can fix.
#[derive(SimpleObject)]
pub(in crate::graphql) struct IntegrationDefinitionError {
    /// The rule that is broken, and the cure.
    message: String,
    /// The place in the definition, as a JSON pointer such as `/params/0/name` (RFC 6901); null when it is about no place.
    pointer: Option<String>,
    /// The kind of problem.
    code: IntegrationDefinitionErrorCode,
}

/// Kinds of problems.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(in crate::graphql) enum IntegrationDefinitionErrorCode {
    /// No such integration for this account.
    IntegrationNotFound,
    /// The integration belongs to the shared catalog.
    IntegrationNotOwn,
    /// The integration is installed.
    IntegrationInstalled,
    /// The account used the name before.
    NameTaken,
    /// The account has as many entries of its own as it may.
    TooManyEntries,
    /// The definitions of the account's custom integrations would exceed 1 MiB of JSON.
    OwnCatalogFull,
    /// A rule of catalog entries is broken.
    DefinitionInvalid,
}

impl IntegrationDefinitionError {
    /// What a person can fix of an error.
    ///
    /// # Errors
    /// The error itself, when that is nothing.
    pub(in crate::graphql) fn of(error: Error) -> Result<Vec<Self>, Error> {
        use IntegrationDefinitionErrorCode as Code;
        let code = match &error {
            Error::NotFound => Code::IntegrationNotFound,
            Error::NotOwn => Code::IntegrationNotOwn,
            Error::Installed => Code::IntegrationInstalled,
            Error::NameTaken => Code::NameTaken,
            Error::TooManyEntries { .. } => Code::TooManyEntries,
            Error::OwnCatalogFull { .. } => Code::OwnCatalogFull,
            Error::DefinitionInvalid(problems) => return Ok(problems.iter().cloned().map(Self::at).collect()),
            _ => return Err(error),
        };
        let pointer = (code == Code::NameTaken).then(|| "/name".to_owned());
        Ok(vec![Self { message: error.public_message().into_owned(), pointer, code }])
    }

    fn at(DefinitionProblem { pointer, message }: DefinitionProblem) -> Self {
        Self { message, pointer: Some(pointer), code: IntegrationDefinitionErrorCode::DefinitionInvalid }
    }
}
