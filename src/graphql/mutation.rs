//! Mutations. Fields are nullable, so that one failing alias does not wipe the others.

use async_graphql::{Context, Object};

use super::error::Result;
use super::query::caller;
use super::types::{
    InstallIntegrationInput, InstallIntegrationPayload, InstallationError, Integration, UninstallIntegrationInput,
    UninstallIntegrationPayload,
};
use crate::domain::Supplied;
use crate::error::Error;
use crate::service::Outcome;

/// Everything that can be done. Needs the account in `X-Account-ID`.
pub(super) struct Mutation;

/// Everything that can be done. Needs the account in `X-Account-ID`.
#[Object]
impl Mutation {
    /// Stores what is supplied and marks the integration as installed. `params` replaces the stored params whole;
    /// `secrets` is merged by name, a name with null is removed. Fields still missing are in `missingFields`. Safe to
    /// repeat.
    async fn install_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to install.")] input: InstallIntegrationInput,
    ) -> Result<Option<InstallIntegrationPayload>> {
        let tenant = caller(ctx).tenant()?;
        let supplied = Supplied::new(input.params.map(|p| p.0), input.secrets.map(|s| s.0))?;
        let outcome = tenant.install(&input.integration.into(), supplied).await;
        let (integration, changed, user_errors) = payload(outcome)?;
        Ok(Some(InstallIntegrationPayload { integration, changed, user_errors }))
    }

    /// Marks the integration as available. Params and secrets are kept, and are in force again after the next install.
    /// Safe to repeat.
    async fn uninstall_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to uninstall.")] input: UninstallIntegrationInput,
    ) -> Result<Option<UninstallIntegrationPayload>> {
        let outcome = caller(ctx).tenant()?.uninstall(&input.integration.into()).await;
        let (integration, changed, user_errors) = payload(outcome)?;
        Ok(Some(UninstallIntegrationPayload { integration, changed, user_errors }))
    }
}

/// What a person can fix goes into `userErrors`; everything else is an error of the field.
fn payload(outcome: crate::error::Result<Outcome>) -> Result<(Option<Integration>, bool, Vec<InstallationError>)> {
    match outcome {
        Ok(outcome) => Ok((Some(Integration(outcome.integration)), outcome.changed, Vec::new())),
        Err(Error::NotFound) => Ok((None, false, vec![InstallationError::not_found()])),
        Err(Error::Invalid(problems)) => Ok((None, false, problems.into_iter().map(Into::into).collect())),
        Err(error) => Err(error.into()),
    }
}
