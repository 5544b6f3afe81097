//! The catalog as an account sees it, install and uninstall.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::query::{self, ListQuery};
use super::respond::{self, Tag};
use super::{RestState, body, json};
use crate::domain::{Operation, Page, Reference};
use crate::edge::{Failure, Visitor, idempotency_key, mark_replay, read_body, read_optional_json};
use crate::service::{Done, Outcome, TenantServices};

type Answer = Result<Response, Failure>;

/// List integrations
///
/// The catalog as the account sees it, with counts per category and status. Filters can be combined. Without `limit` and `cursor` the whole list is
/// answered; with either, a page and the cursor of the next one.
#[utoipa::path(get, path = "/integrations", tag = "integrations", operation_id = "listIntegrations",
    params(ListQuery),
    responses(
        (status = 200, description = "The list, or one page of it", body = body::IntegrationList,
         headers(("Link" = String, description = "With `limit` or `cursor`: the next page, `rel=\"next\"`"))),
        (status = 304, description = "The client has this answer already"),
        (status = 400, description = "A missing or malformed account, or a malformed parameter"),
    ))]
pub(super) async fn list(State(state): State<RestState>, visitor: Visitor, headers: HeaderMap, uri: Uri) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::ListIntegrations)?;
    let wanted = query::read::<ListQuery>(&uri)?.parse()?;
    let rendered = state.fragments.of(tenant.shared_catalog())?;
    let tag = |revision: i64| {
        let query = uri.query().unwrap_or_default();
        Tag::of(&[rendered.print(), tenant.account().as_str().as_bytes(), &revision.to_be_bytes(), query.as_bytes()])
    };
    let listing = if Tag::is_given(&headers) {
        let revision = tenant.revision().await?;
        let current = tag(revision);
        if current.is_among(&headers) {
            return Ok(current.unchanged());
        }
        tenant.list_at(revision, wanted.query).await?
    } else {
        tenant.list(wanted.query).await?
    };
    let slice = listing.page(&wanted.page)?;
    let next = slice.items.last().filter(|_| slice.has_next).map(|last| listing.cursor(last));
    let next_cursor = (wanted.page != Page::All).then_some(next.as_ref());
    let body = rendered.list(&slice.items, wanted.detail, &listing, next_cursor)?;
    let mut response = tag(listing.revision()).respond(&headers, body);
    if let Some(cursor) = next {
        query::link_next(&mut response, &uri, &cursor)?;
    }
    Ok(response)
}

/// Show an integration
///
/// One catalog entry as the account sees it, with its form as a list of fields and as JSON Schemas.
#[utoipa::path(get, path = "/integrations/{id}", tag = "integrations", operation_id = "getIntegration",
    params(("id" = String, Path, description = "UUID, in any case, or name", example = "stripe")),
    responses(
        (status = 200, description = "The integration", body = body::Integration),
        (status = 304, description = "The client has this answer already"),
        (status = 400, description = "A missing or malformed account"),
        (status = 404, description = "No such integration for this account"),
    ))]
pub(super) async fn show(State(state): State<RestState>, visitor: Visitor, headers: HeaderMap, path: Id) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::ShowIntegration)?;
    let integration = tenant.integration(&path.0).await?;
    let rendered = state.fragments.of(tenant.shared_catalog())?;
    let print = rendered.print_of(&integration.entry)?;
    // Of this one installation, not of the account: what happens to others leaves the answer as it is.
    let tag = match &integration.installation {
        None => Tag::of(&[&print]),
        Some(row) => Tag::of(&[&print, tenant.account().as_str().as_bytes(), &row.revision.to_be_bytes()]),
    };
    if tag.is_among(&headers) {
        return Ok(tag.unchanged());
    }
    Ok(tag.respond(&headers, rendered.one(&integration)?))
}

/// Install an integration
///
/// Stores what is supplied and marks the integration as installed. `params` replaces the stored params whole; `secrets`
/// is merged by name, a name with `null` is removed. Without a body it installs what was kept from an earlier
/// installation, or nothing. Values are checked against the entry's schemas; fields still missing are reported in
/// `missing_fields`. Names that the entry's form lacks are stored, too, and reported in `unknown_fields`; members of the body
/// other than `params` and `secrets` in `ignored_fields`. Safe to repeat.
#[utoipa::path(post, path = "/integrations/{id}/install", tag = "integrations", operation_id = "installIntegration",
    params(("id" = String, Path, description = "UUID, in any case, or name", example = "stripe")),
    request_body(content = Option<body::InstallBody>, description = "Empty or `null`: nothing is supplied"),
    responses(
        (status = 200, description = "Installed", body = body::InstallResult),
        (status = 400, description = "A missing or malformed account, or a malformed body"),
        (status = 404, description = "No such integration for this account"),
        (status = 409, description = "The integration is deprecated and not installed, or the account's params are over their limit"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not JSON"),
        (status = 422, description = "A value breaks the entry's schema; nothing was stored"),
    ))]
pub(super) async fn install(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    path: Id,
    body: Body,
) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::Install)?;
    let bytes = read_optional_json(&headers, body, state.edge.max_body_bytes).await?;
    let json::Read { content, ignored_fields } = json::supplied(&bytes)?;
    let done = tenant.install(&path.0, content, idempotency_key(&headers)?).await?;
    let rendered = state.fragments.of(tenant.shared_catalog())?;
    let Outcome { integration, changed, unknown_fields } = &done.what;
    let names = body::ReportedNames { unknown_fields, ignored_fields: &ignored_fields };
    let mut response = respond::json(rendered.installed(integration, *changed, &names)?);
    mark_replay(&mut response, done.is_replay);
    Ok(response)
}

/// Validate an installation
///
/// Says what an install with this body would come to: the values it would refuse, the required fields that would still be
/// missing, and the names that the entry's form lacks. Stores nothing.
#[utoipa::path(post, path = "/integrations/{id}/validate", tag = "integrations", operation_id = "validateInstallation",
    params(("id" = String, Path, description = "UUID, in any case, or name", example = "stripe")),
    request_body(content = Option<body::InstallBody>, description = "Empty or `null`: nothing is supplied"),
    responses(
        (status = 200, description = "The verdict", body = body::Verdict),
        (status = 400, description = "A missing or malformed account, or a malformed body"),
        (status = 404, description = "No such integration for this account"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not JSON"),
    ))]
pub(super) async fn validate(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    path: Id,
    body: Body,
) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::Validate)?;
    let bytes = read_optional_json(&headers, body, state.edge.max_body_bytes).await?;
    let json::Read { content, ignored_fields } = json::supplied(&bytes)?;
    let verdict = tenant.validate(&path.0, &content).await?;
    Ok(respond::json(json::text(&body::Verdict::new(verdict, ignored_fields))?))
}

/// Uninstall an integration
///
/// Marks the integration as available. Params and secrets are kept, and are in force again after the next install. Not
/// installed: nothing happens and `changed` is false. Safe to repeat.
#[utoipa::path(post, path = "/integrations/{id}/uninstall", tag = "integrations", operation_id = "uninstallIntegration",
    params(("id" = String, Path, description = "UUID, in any case, or name", example = "stripe")),
    responses(
        (status = 200, description = "Not installed any more", body = body::Changed),
        (status = 400, description = "A missing or malformed account"),
        (status = 404, description = "No such integration for this account"),
        (status = 413, description = "The body, which is ignored, is too large"),
    ))]
pub(super) async fn uninstall(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    path: Id,
    body: Body,
) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::Uninstall)?;
    read_body(&headers, body, state.edge.max_body_bytes).await?;
    let done = tenant.uninstall(&path.0, idempotency_key(&headers)?).await?;
    changed(&state, &tenant, &done)
}

/// Purge an integration's data
///
/// Erases the stored params and secrets for good and marks the integration as available, installed or not. Nothing brings
/// them back but a backup of the database. Nothing stored: nothing happens and `changed` is false. Safe to repeat.
#[utoipa::path(post, path = "/integrations/{id}/purge", tag = "integrations", operation_id = "purgeInstallationData",
    params(("id" = String, Path, description = "UUID, in any case, or name", example = "stripe")),
    responses(
        (status = 200, description = "Nothing is stored any more", body = body::Changed),
        (status = 400, description = "A missing or malformed account"),
        (status = 404, description = "No such integration for this account"),
        (status = 413, description = "The body, which is ignored, is too large"),
    ))]
pub(super) async fn purge(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    path: Id,
    body: Body,
) -> Answer {
    let tenant = state.edge.enter(&visitor, Operation::Purge)?;
    read_body(&headers, body, state.edge.max_body_bytes).await?;
    let done = tenant.purge(&path.0, idempotency_key(&headers)?).await?;
    changed(&state, &tenant, &done)
}

/// What came of a change.
fn changed(state: &RestState, tenant: &TenantServices, done: &Done<Outcome>) -> Answer {
    let rendered = state.fragments.of(tenant.shared_catalog())?;
    let mut response = respond::json(rendered.changed(&done.what.integration, done.what.changed)?);
    mark_replay(&mut response, done.is_replay);
    Ok(response)
}

/// The `{id}` of a path. One that is not UTF-8 is a name that nobody has.
pub(super) struct Id(pub(super) Reference);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self, Failure> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(Reference::parse(&text))),
            Err(_) => Ok(Self(Reference::Name(String::new()))),
        }
    }
}
