//! Mutations. Fields are nullable, so that one failing alias does not wipe the others; the library wants
//! `Option<Result<…>>` for that.

use async_graphql::{Context, ID, InputType, Object, Pos, ServerError, Value};

use super::error::Result;
use super::query::caller;
use super::turns::CpuTurns;
use super::types::{
    ApiKey, ApiKeyError, CreateApiKeyInput, CreateApiKeyPayload, CreateIntegrationInput, CreateIntegrationPayload,
    DeleteIntegrationInput, DeleteIntegrationPayload, DeprecateIntegrationInput, DeprecateIntegrationPayload,
    InstallIntegrationInput, InstallIntegrationPayload, InstallationError, Integration, IntegrationDefinitionError,
    PurgeInstallationDataInput, PurgeInstallationDataPayload, RevokeApiKeyInput, RevokeApiKeyPayload,
    UninstallIntegrationInput, UninstallIntegrationPayload, UpdateIntegrationInput, UpdateIntegrationPayload,
    ValidateInstallationInput, ValidateInstallationPayload,
};
use crate::domain::{self, Operation, Supplied};
use crate::edge::parse_idempotency_key;
use crate::error::Error;
use crate::service::{Done, MadeKey, Outcome, Verdict};

/// Everything that can be done. Needs the account in `X-Account-ID`.
pub(super) struct Mutation;

/// Everything that can be done. Needs the account in `X-Account-ID`.
#[Object]
impl Mutation {
    /// Stores what is supplied and marks the integration as installed. `params` replaces the stored params whole;
    /// `secrets` is merged by name, a name with null is removed. Fields still missing are in `missingFields`. Safe to
    /// repeat. Needs the scope `installations:write`.
    async fn install_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to install.")] input: InstallIntegrationInput,
    ) -> Option<Result<InstallIntegrationPayload>> {
        Some(install(ctx, input).await)
    }

    /// What an install with this input would come to: the values it would refuse, and the required fields that would still
    /// be missing. Stores nothing. Needs the scope `installations:read`.
    async fn validate_installation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What would be installed.")] input: ValidateInstallationInput,
    ) -> Option<Result<ValidateInstallationPayload>> {
        Some(validate(ctx, input).await)
    }

    /// Marks the integration as available. Params and secrets are kept, and are in force again after the next install.
    /// Safe to repeat. Needs the scope `installations:write`.
    async fn uninstall_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to uninstall.")] input: UninstallIntegrationInput,
    ) -> Option<Result<UninstallIntegrationPayload>> {
        Some(uninstall(ctx, input).await)
    }

    /// Erases the stored params and secrets for good and marks the integration as available, installed or not. Nothing
    /// brings them back but a backup of the database. Safe to repeat. Needs the scope `secrets:purge`.
    async fn purge_installation_data(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to purge.")] input: PurgeInstallationDataInput,
    ) -> Option<Result<PurgeInstallationDataPayload>> {
        Some(purge(ctx, input).await)
    }

    /// Adds an entry of the account's own to its catalog, which no other account sees. Needs the scope `catalog:write`.
    async fn create_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to add.")] input: CreateIntegrationInput,
    ) -> Option<Result<CreateIntegrationPayload>> {
        Some(create_integration(ctx, input).await)
    }

    /// Replaces the definition of an entry of the account's own, and offers it again if it was deprecated. Stored params
    /// and secrets are left as they are. While any are stored, what requests are made of (`http`, `auth`, defaults)
    /// changes with `installations:write` alone. Safe to repeat. Needs the scope `catalog:write`.
    async fn update_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateIntegrationInput,
    ) -> Option<Result<UpdateIntegrationPayload>> {
        Some(update_integration(ctx, input).await)
    }

    /// Lets nobody install an entry of the account's own anew; what is installed goes on. Safe to repeat. Needs the scope
    /// `catalog:write`.
    async fn deprecate_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to deprecate.")] input: DeprecateIntegrationInput,
    ) -> Option<Result<DeprecateIntegrationPayload>> {
        Some(deprecate_integration(ctx, input).await)
    }

    /// Deletes an entry of the account's own; its name is never used again. One that is installed is deleted with `force`
    /// alone, together with its stored params and secrets. With `force`, and where anything is stored, `secrets:purge` is
    /// needed, too. Needs the scope `catalog:write`.
    async fn delete_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to delete.")] input: DeleteIntegrationInput,
    ) -> Option<Result<DeleteIntegrationPayload>> {
        Some(delete_integration(ctx, input).await)
    }

    /// Makes an API key. The answer holds it, this once: only a digest of it is kept. It may have no scope and no account
    /// that the credentials lack, and a key cannot make one that outlives it. Needs the scope `keys:write`.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is to be.")] input: CreateApiKeyInput,
    ) -> Option<Result<CreateApiKeyPayload>> {
        Some(create_api_key(ctx, input).await)
    }

    /// Revokes an API key: it opens nothing any more from now on, through any replica within a second, and what is open
    /// is closed. One that is revoked already stays as it is. Safe to repeat. The credentials must have every scope of the
    /// key. Needs the scope `keys:write`.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: RevokeApiKeyInput,
    ) -> Option<Result<RevokeApiKeyPayload>> {
        Some(revoke_api_key(ctx, input).await)
    }
}

async fn install(ctx: &Context<'_>, input: InstallIntegrationInput) -> Result<InstallIntegrationPayload> {
    let tenant = caller(ctx).tenant(Operation::Install)?;
    let supplied = Supplied::new(input.params.map(|p| p.0.into_owned()), input.secrets.map(|s| s.0.into_owned()))?;
    let key = parse_idempotency_key(input.idempotency_key.as_deref())?;
    let outcome = tenant.install(&input.integration.into(), supplied, key).await;
    let (outcome, replayed, user_errors) = parts(outcome, installation_errors)?;
    let (integration, changed, unknown_fields) = match outcome {
        Some(Outcome { integration, changed, unknown_fields }) => (Some(integration), changed, unknown_fields),
        None => (None, false, Vec::new()),
    };
    let integration = integration.map(Integration);
    Ok(InstallIntegrationPayload { integration, changed, replayed, unknown_fields, user_errors })
}

async fn validate(ctx: &Context<'_>, input: ValidateInstallationInput) -> Result<ValidateInstallationPayload> {
    let tenant = caller(ctx).tenant(Operation::Validate)?;
    let _turn = ctx.data_unchecked::<CpuTurns>().take().await;
    let supplied = Supplied::new(input.params.map(|p| p.0.into_owned()), input.secrets.map(|s| s.0.into_owned()))?;
    Ok(match tenant.validate(&input.integration.into(), &supplied).await {
        Ok(Verdict { problems, missing_fields, unknown_fields }) => {
            let user_errors: Vec<_> = problems.into_iter().map(Into::into).collect();
            ValidateInstallationPayload { valid: user_errors.is_empty(), missing_fields, unknown_fields, user_errors }
        }
        Err(Error::NotFound) => ValidateInstallationPayload {
            valid: false,
            missing_fields: Vec::new(),
            unknown_fields: Vec::new(),
            user_errors: vec![InstallationError::not_found()],
        },
        Err(error) => return Err(error.into()),
    })
}

async fn uninstall(ctx: &Context<'_>, input: UninstallIntegrationInput) -> Result<UninstallIntegrationPayload> {
    let tenant = caller(ctx).tenant(Operation::Uninstall)?;
    let key = parse_idempotency_key(input.idempotency_key.as_deref())?;
    let (integration, changed, replayed, user_errors) =
        payload(tenant.uninstall(&input.integration.into(), key).await)?;
    Ok(UninstallIntegrationPayload { integration, changed, replayed, user_errors })
}

async fn purge(ctx: &Context<'_>, input: PurgeInstallationDataInput) -> Result<PurgeInstallationDataPayload> {
    let tenant = caller(ctx).tenant(Operation::Purge)?;
    let key = parse_idempotency_key(input.idempotency_key.as_deref())?;
    let (integration, changed, replayed, user_errors) = payload(tenant.purge(&input.integration.into(), key).await)?;
    Ok(PurgeInstallationDataPayload { integration, changed, replayed, user_errors })
}

async fn create_integration(ctx: &Context<'_>, input: CreateIntegrationInput) -> Result<CreateIntegrationPayload> {
    let tenant = caller(ctx).tenant(Operation::CreateIntegration)?;
    let key = parse_idempotency_key(input.idempotency_key.as_deref())?;
    let created = tenant.create_entry(input.definition.0.into_owned(), key).await;
    let (integration, replayed, user_errors) = own_entry(created)?;
    Ok(CreateIntegrationPayload { integration, replayed, user_errors })
}

async fn update_integration(ctx: &Context<'_>, input: UpdateIntegrationInput) -> Result<UpdateIntegrationPayload> {
    let tenant = caller(ctx).tenant(Operation::UpdateIntegration)?;
    let key = parse_idempotency_key(input.idempotency_key.as_deref())?;
    let updated = tenant.update_entry(&input.integration.into(), input.definition.0.into_owned(), key).await;
    let (integration, replayed, user_errors) = own_entry(updated)?;
    Ok(UpdateIntegrationPayload { integration, replayed, user_errors })
}

async fn deprecate_integration(
    ctx: &Context<'_>,
    input: DeprecateIntegrationInput,
) -> Result<DeprecateIntegrationPayload> {
    let tenant = caller(ctx).tenant(Operation::DeprecateIntegration)?;
    let key = parse_idempotency_key(input.idempotency_key.as_deref())?;
    let deprecated = tenant.deprecate_entry(&input.integration.into(), key).await;
    let (integration, replayed, user_errors) = own_entry(deprecated)?;
    Ok(DeprecateIntegrationPayload { integration, replayed, user_errors })
}

async fn delete_integration(ctx: &Context<'_>, input: DeleteIntegrationInput) -> Result<DeleteIntegrationPayload> {
    let tenant = caller(ctx).tenant(Operation::DeleteIntegration)?;
    let key = parse_idempotency_key(input.idempotency_key.as_deref())?;
    let deleted = tenant.delete_entry(&input.integration.into(), input.force, key).await;
    let (id, replayed, user_errors) = parts(deleted, IntegrationDefinitionError::of)?;
    Ok(DeleteIntegrationPayload { deleted_id: id.map(|id| ID(id.to_string())), replayed, user_errors })
}

/// What a person can fix goes into `userErrors`; everything else is an error of the field.
fn own_entry(
    outcome: crate::error::Result<Done<domain::Integration>>,
) -> Result<(Option<Integration>, bool, Vec<IntegrationDefinitionError>)> {
    let (integration, replayed, user_errors) = parts(outcome, IntegrationDefinitionError::of)?;
    Ok((integration.map(Integration), replayed, user_errors))
}

/// What was done, whether it was done before, and what a person can fix.
fn parts<T, E>(
    outcome: crate::error::Result<Done<T>>,
    user_errors: impl FnOnce(Error) -> crate::error::Result<Vec<E>>,
) -> Result<(Option<T>, bool, Vec<E>)> {
    match outcome {
        Ok(Done { what, is_replay }) => Ok((Some(what), is_replay, Vec::new())),
        Err(error) => Ok((None, false, user_errors(error)?)),
    }
}

async fn create_api_key(ctx: &Context<'_>, input: CreateApiKeyInput) -> Result<CreateApiKeyPayload> {
    let tenant = caller(ctx).tenant(Operation::CreateApiKey)?;
    let key = parse_idempotency_key(input.idempotency_key.as_deref())?;
    Ok(match tenant.create_api_key(input.wish()?, key).await {
        Ok(MadeKey { key, secret }) => {
            let secret = Some(secret.expose().to_owned());
            CreateApiKeyPayload { api_key: Some(ApiKey(key)), key: secret, user_errors: Vec::new() }
        }
        Err(error) => CreateApiKeyPayload { api_key: None, key: None, user_errors: ApiKeyError::of(error)? },
    })
}

async fn revoke_api_key(ctx: &Context<'_>, input: RevokeApiKeyInput) -> Result<RevokeApiKeyPayload> {
    let tenant = caller(ctx).tenant(Operation::RevokeApiKey)?;
    let key = parse_idempotency_key(input.idempotency_key.as_deref())?;
    let (api_key, replayed, user_errors) = parts(tenant.revoke_api_key(&input.id, key).await, ApiKeyError::of)?;
    Ok(RevokeApiKeyPayload { api_key: api_key.map(ApiKey), replayed, user_errors })
}

/// Whether the `input` of a mutation can be read, for all mutations of a request before the first of them runs.
///
/// # Errors
/// In the library's words, which may quote the input.
pub(super) fn check_input(field: &str, input: Value, at: Pos) -> std::result::Result<(), ServerError> {
    fn check<T: InputType>(input: Value, at: Pos) -> std::result::Result<(), ServerError> {
        T::parse(Some(input)).map(drop).map_err(|error| error.into_server_error(at))
    }
    match field {
        "installIntegration" => check::<InstallIntegrationInput>(input, at),
        "purgeInstallationData" => check::<PurgeInstallationDataInput>(input, at),
        "validateInstallation" => check::<ValidateInstallationInput>(input, at),
        "uninstallIntegration" => check::<UninstallIntegrationInput>(input, at),
        "createIntegration" => check::<CreateIntegrationInput>(input, at),
        "updateIntegration" => check::<UpdateIntegrationInput>(input, at),
        "deprecateIntegration" => check::<DeprecateIntegrationInput>(input, at),
        "deleteIntegration" => check::<DeleteIntegrationInput>(input, at),
        "createApiKey" => check::<CreateApiKeyInput>(input, at),
        "revokeApiKey" => check::<RevokeApiKeyInput>(input, at),
        _ => Ok(()),
    }
}

/// What a person can fix goes into `userErrors`; everything else is an error of the field.
fn payload(
    outcome: crate::error::Result<Done<Outcome>>,
) -> Result<(Option<Integration>, bool, bool, Vec<InstallationError>)> {
    let (outcome, replayed, user_errors) = parts(outcome, installation_errors)?;
    let changed = outcome.as_ref().is_some_and(|outcome| outcome.changed);
    Ok((outcome.map(|outcome| Integration(outcome.integration)), changed, replayed, user_errors))
}

/// The problems of an installation that a person can fix; else the error itself.
fn installation_errors(error: Error) -> crate::error::Result<Vec<InstallationError>> {
    match error {
        Error::NotFound => Ok(vec![InstallationError::not_found()]),
        Error::Deprecated => Ok(vec![InstallationError::deprecated()]),
        Error::Invalid(problems) => Ok(problems.into_iter().map(Into::into).collect()),
        Error::ParamsQuotaReached { .. } => Ok(vec![InstallationError::quota_reached(&error)]),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_schema;
    use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};

    use super::*;

    #[test]
    fn the_input_of_every_mutation_is_checked() {
        let document = parse_schema(crate::graphql::sdl()).expect("a schema");
        let fields = document.definitions.into_iter().find_map(|definition| match definition {
            TypeSystemDefinition::Type(t) if t.node.name.node == "Mutation" => match t.node.kind {
                TypeKind::Object(object) => Some(object.fields),
                _ => None,
            },
            _ => None,
        });
        for field in fields.expect("the mutations") {
            let name = field.node.name.node.as_str();
            assert!(check_input(name, Value::from("no object"), Pos::default()).is_err(), "{name}");
        }
    }
}
