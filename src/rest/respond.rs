//! Answers that a client may keep: ETag and 304; and what a cache is told of all the others.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Result;

/// Kept by the client alone, and asked for again each time.
pub(super) const CACHE_CONTROL: &str = "private, no-cache";
/// What else the answer depends on.
pub(super) const VARY: &str = "Accept, Authorization, X-Account-ID";
/// Bytes of the digest in an ETag.
const TAG: usize = 16;

/// A version of an answer. Weak (RFC 9110, section 8.8.1): the same answer may go out compressed.
pub(super) struct Tag(HeaderValue);

impl Tag {
    /// The tag of an answer that these decide, beside the version of this program.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new_with_prefix(env!("CARGO_PKG_VERSION"));
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut tag = String::with_capacity(32);
        tag.push_str("W/\"");
        URL_SAFE_NO_PAD.encode_string(&digest.finalize()[..TAG], &mut tag);
        tag.push('"');
        Self(HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("")))
    }

    /// Whether the client has an answer already.
    pub(super) fn is_given(request: &HeaderMap) -> bool {
        request.contains_key(header::IF_NONE_MATCH)
    }

    /// Whether the client has this very answer.
    pub(super) fn is_among(&self, request: &HeaderMap) -> bool {
        given(request).any(|one| opaque(one) == opaque(self.text()))
    }

    /// The answer to a client that has it already.
    pub(super) fn unchanged(self) -> Response {
        let mut response = (StatusCode::NOT_MODIFIED, [(header::ETAG, self.0)]).into_response();
        keep_private(response.headers_mut());
        response
    }

    /// The JSON text, or 304 when the client has it already: `*` stands for any answer that is not a failure.
    pub(super) fn respond(self, request: &HeaderMap, body: Vec<u8>) -> Response {
        if self.is_among(request) || given(request).any(|one| one == "*") {
            return self.unchanged();
        }
        let mut response = json(body);
        response.headers_mut().insert(header::ETAG, self.0);
        response
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// The value as JSON, or 304 when the client has it already.
pub(super) fn cached(request: &HeaderMap, value: &impl Serialize) -> Result<Response> {
    let body = super::json::text(value)?;
    Ok(Tag::of(&[&body]).respond(request, body))
}

/// The JSON text of an answer without a tag, such as what came of a change.
pub(super) fn json(body: Vec<u8>) -> Response {
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    keep_private(response.headers_mut());
    response
}

/// Tells caches whose answer it is. Failures need it too: a shared cache may keep a 404 that says nothing, and would give
/// one account's to another.
pub(super) fn keep_private(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
}

/// RFC 9110, section 13.1.2.
fn given(request: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// What the weak comparison looks at (RFC 9110, section 8.8.3.2).
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}
