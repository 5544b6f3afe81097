//! Reading stored secrets back: the one answer that holds values, and the one that nobody may keep.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::integrations::Id;
use super::{RestState, body, json};
use crate::domain::Operation;
use crate::edge::{Failure, NoCompression, Visitor, read_optional_json};
use crate::error::{Error, Result};
use crate::service::Opened;

/// Read secrets back
///
/// The stored secrets of an installed integration, as they were supplied: those that `names` asks for, or all. For the
/// workers and agents that call the third party. Off until the operator turns it on (`secrets.read_back`). Each read is
/// recorded in the audit log before it is answered, and nobody may keep the answer.
#[utoipa::path(post, path = "/integrations/{id}/secrets/read", tag = "secrets", operation_id = "readSecrets",
    params(("id" = String, Path, description = "UUID, in any case, or name", example = "stripe")),
    request_body(content = Option<body::ReadBody>, description = "Empty or `null`: all secrets"),
    responses(
        (status = 200, description = "The values", body = body::Secrets,
         headers(("Cache-Control" = String, description = "`no-store`"))),
        (status = 400, description = "A missing or malformed account, or a malformed body"),
        (status = 404, description = "No such integration for this account"),
        (status = 409, description = "The integration is not installed"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not JSON"),
        (status = 422, description = "A secret that is asked for is not stored; none was read"),
    ))]
pub(super) async fn read(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
    path: Id,
    body: Body,
) -> std::result::Result<Response, Failure> {
    let tenant = state.edge.enter(&visitor, Operation::ReadSecrets)?;
    let bytes = read_optional_json(&headers, body, state.edge.max_body_bytes).await?;
    let wanted = json::names(&bytes)?;
    let opened = tenant.read_secrets(&path.0, wanted.content.as_deref()).await?;
    let json = written(&opened, &wanted.ignored_fields)?;
    let mut response = ([(header::CONTENT_TYPE, "application/json")], json).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(NoCompression);
    Ok(response)
}

/// Values are JSON texts already; taken as they are, they pass through no further copy.
fn written(opened: &Opened, ignored_fields: &[String]) -> Result<Vec<u8>> {
    let internal = |e: serde_json::Error| Error::Internal { cause: e.to_string() };
    let integration = body::Named { id: opened.entry.id.0, name: opened.entry.name.clone() };
    let mut json = br#"{"integration":"#.to_vec();
    serde_json::to_writer(&mut json, &integration).map_err(internal)?;
    json.extend_from_slice(br#","secrets":{"#);
    for (position, (name, plain)) in opened.secrets.iter().enumerate() {
        if position > 0 {
            json.push(b',');
        }
        serde_json::to_writer(&mut json, name.as_str()).map_err(internal)?;
        json.push(b':');
        json.extend_from_slice(plain.expose());
    }
    json.extend_from_slice(br#"},"ignored_fields":"#);
    serde_json::to_writer(&mut json, ignored_fields).map_err(internal)?;
    json.push(b'}');
    Ok(json)
}
