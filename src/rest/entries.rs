//! Catalog entries of the account's own, and definitions.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::integrations::Id;
use super::respond::{self, Tag};
use super::{PREFIX, RestState, body, json, query};
use crate::domain::{Integration, Operation};
use crate::edge::{Failure, Visitor, idempotency_key, mark_replay, read_body};
use crate::error::Error;
use crate::service::{Done, TenantServices};

type Answer = Result<Response, Failure>;

/// Create an integration
///
/// Adds an entry of the account's own to its catalog, which no other account sees. The body is a document in the vocabulary
/// of the catalog files; sources are not asked for. Its name must not be one of the shared catalog, and never have been used
/// by the account.
#[utoipa::path(post, path = "/integrations", tag = "catalog", operation_id = "createIntegration",
    request_body(content = body::Definition),
    responses(
        (status = 201, description = "Created", body = body::Integration,
         headers(("Location" = String, description = "The new integration"))),
        (status = 400, description = "A missing or malformed account, or a malformed body"),
        (status = 409, description = "The account used the name before, or has as many entries of its own as it may"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not JSON"),
        (status = 422, description = "The entry breaks rules; the answer names every mistake, and nothing was stored"),
    ))]
pub(super) async fn create(State(state): State<RestState>, visitor: Visitor, headers: HeaderMap, body: Body) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::CreateIntegration)?;
    let definition = definition_in(&state, &headers, body).await?;
    let done = tenant.create_entry(definition, idempotency_key(&headers)?).await?;
    let mut response = whole(&state, &tenant, &done)?;
    *response.status_mut() = StatusCode::CREATED;
    let location = HeaderValue::from_str(&format!("{PREFIX}/integrations/{}", done.what.entry.id));
    response.headers_mut().insert(header::LOCATION, location.map_err(|e| Error::Internal { cause: e.to_string() })?);
    Ok(response)
}

/// Update an integration
///
/// Replaces the definition of an entry of the account's own, and offers it again if it was deprecated. The name stays. What
/// installations stored is left as it is: `missing_fields` shows what a new field asks for. While anything is stored, what
/// requests are made of (`http`, `auth`, defaults) changes with the scope `installations:write` alone.
#[utoipa::path(put, path = "/integrations/{id}", tag = "catalog", operation_id = "updateIntegration",
    params(("id" = String, Path, description = "UUID, in any case, or name", example = "acme_billing")),
    request_body(content = body::Definition),
    responses(
        (status = 200, description = "As it stands now", body = body::Integration),
        (status = 400, description = "A missing or malformed account, or a malformed body"),
        (status = 404, description = "No such integration for this account"),
        (status = 409, description = "The integration belongs to the shared catalog"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not JSON"),
        (status = 422, description = "The entry breaks rules; the answer names every mistake, and nothing was changed"),
    ))]
pub(super) async fn update(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    path: Id,
    body: Body,
) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::UpdateIntegration)?;
    let definition = definition_in(&state, &headers, body).await?;
    let done = tenant.update_entry(&path.0, definition, idempotency_key(&headers)?).await?;
    whole(&state, &tenant, &done)
}

/// Deprecate an integration
///
/// Lets nobody install an entry of the account's own anew; what is installed goes on. Safe to repeat.
#[utoipa::path(post, path = "/integrations/{id}/deprecate", tag = "catalog", operation_id = "deprecateIntegration",
    params(("id" = String, Path, description = "UUID, in any case, or name", example = "acme_billing")),
    responses(
        (status = 200, description = "As it stands now", body = body::Integration),
        (status = 400, description = "A missing or malformed account"),
        (status = 404, description = "No such integration for this account"),
        (status = 409, description = "The integration belongs to the shared catalog"),
        (status = 413, description = "The body, which is ignored, is too large"),
    ))]
pub(super) async fn deprecate(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    path: Id,
    body: Body,
) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::DeprecateIntegration)?;
    read_body(&headers, body, state.edge.max_body_bytes).await?;
    let done = tenant.deprecate_entry(&path.0, idempotency_key(&headers)?).await?;
    whole(&state, &tenant, &done)
}

/// How a deletion is meant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteQuery {
    /// `true` also deletes an integration that is installed, with all that was stored for it.
    #[param(value_type = Option<bool>)]
    force: Option<String>,
}

/// Delete an integration
///
/// Deletes an entry of the account's own; its name is never used again. One that is installed is deleted with `force=true`
/// alone, together with its stored params and secrets. With `force=true`, and where anything is stored, the scope
/// `secrets:purge` is needed, too.
#[utoipa::path(delete, path = "/integrations/{id}", tag = "catalog", operation_id = "deleteIntegration",
    params(("id" = String, Path, description = "UUID, in any case, or name", example = "acme_billing"), DeleteQuery),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "A missing or malformed account, or a malformed parameter"),
        (status = 404, description = "No such integration for this account"),
        (status = 409, description = "The integration is installed, or belongs to the shared catalog"),
    ))]
pub(super) async fn delete(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    uri: Uri,
    path: Id,
) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::DeleteIntegration)?;
    let force = match query::read::<DeleteQuery>(&uri)?.force.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::bad_input("force must be true or false").into()),
    };
    let done = tenant.delete_entry(&path.0, force, idempotency_key(&headers)?).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    respond::keep_private(response.headers_mut());
    mark_replay(&mut response, done.is_replay);
    Ok(response)
}

/// Show an integration's definition
///
/// The entry as it is written in the vocabulary of the catalog files: what an update of one's own starts from.
#[utoipa::path(get, path = "/integrations/{id}/definition", tag = "catalog", operation_id = "getIntegrationDefinition",
    params(("id" = String, Path, description = "UUID, in any case, or name", example = "stripe")),
    responses(
        (status = 200, description = "The definition", body = body::Definition),
        (status = 304, description = "The client has this answer already"),
        (status = 400, description = "A missing or malformed account"),
        (status = 404, description = "No such integration for this account"),
    ))]
pub(super) async fn definition(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    path: Id,
) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::ShowDefinition)?;
    let definition = json::text(&tenant.definition(&path.0).await?)?;
    let tag = Tag::of(&[&definition]);
    if tag.is_among(&headers) {
        return Ok(tag.unchanged());
    }
    Ok(tag.respond(&headers, definition))
}

async fn definition_in(state: &RestState, headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Failure> {
    let bytes = crate::edge::read_optional_json(headers, body, state.edge.max_body_bytes).await?;
    Ok(json::object(&bytes)?)
}

fn whole(state: &RestState, tenant: &TenantServices, done: &Done<Integration>) -> Answer {
    let rendered = state.fragments.of(tenant.shared_catalog())?;
    let mut response = respond::json(rendered.one(&done.what)?);
    mark_replay(&mut response, done.is_replay);
    Ok(response)
}
