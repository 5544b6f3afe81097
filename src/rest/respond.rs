//! Answers that a client may keep: ETag and 304; and what a cache is told of all the others.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Kept by the client alone, and asked for again each time.
const CACHE_CONTROL: &str = "private, no-cache";
/// What else the answer depends on.
const VARY: &str = "Accept, Authorization, X-Account-ID";
/// Bytes of the digest in an ETag.
const TAG: usize = 16;

/// The value as JSON, or 304 when the client has it already.
pub(super) fn cached(request: &HeaderMap, value: &impl Serialize) -> Result<Response> {
    let body = serde_json::to_vec(value).map_err(|e| Error::Internal { cause: e.to_string() })?;
    Ok(cached_bytes(request, body))
}

/// The JSON text, or 304 when the client has it already.
pub(super) fn cached_bytes(request: &HeaderMap, body: Vec<u8>) -> Response {
    let tag = tag(&body);
    let headers = [(header::ETAG, &*tag)];
    let mut response = if matches(request, &tag) {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    keep_private(response.headers_mut());
    response
}

/// The value as JSON: what came of a change, which has no tag.
pub(super) fn changed(value: &impl Serialize) -> Response {
    let mut response = Json(value).into_response();
    keep_private(response.headers_mut());
    response
}

/// Tells caches whose answer it is. Failures need it too: a shared cache may keep a 404 that says nothing, and would give
/// one account's to another.
pub(super) fn keep_private(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
}

/// Weak (RFC 9110, section 8.8.1): the same answer may go out compressed.
fn tag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(&digest[..TAG]))
}

/// RFC 9110, section 13.1.2, with the weak comparison.
fn matches(request: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let given = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|value| value.split(',')).any(|one| one.trim() == "*" || opaque(one) == opaque(tag))
}
