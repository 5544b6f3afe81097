//! The name that a client gives a request, so that it can make it again.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

use crate::domain::IdempotencyKey;
use crate::error::{Error, Result};

/// Names the request.
pub const IDEMPOTENCY_KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that the request was done before.
pub const REPLAYED_HEADER: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The key of a request; `None` when it has none.
///
/// # Errors
/// [`Error::BadInput`] for a malformed one, and for several.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().and_then(IdempotencyKey::parse);
    match (key, values.next()) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err(Error::bad_input(format!("Invalid Idempotency-Key header: send {}", grammar()))),
    }
}

/// The key in a field of a request; `None` when it has none.
///
/// # Errors
/// [`Error::BadInput`] for a malformed one.
pub fn parse_idempotency_key(text: Option<&str>) -> Result<Option<IdempotencyKey>> {
    let key = text.map(|text| IdempotencyKey::parse(text).ok_or(text));
    key.transpose().map_err(|_| Error::bad_input(format!("Invalid idempotencyKey: send {}", grammar())))
}

/// Marks the answer to a request that was done before.
pub fn mark_replay(response: &mut Response, is_replay: bool) {
    if is_replay {
        response.headers_mut().insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
    }
}

fn grammar() -> String {
    format!("one of 1 to {} visible ASCII characters, without quotation marks and backslashes", IdempotencyKey::LONGEST)
}
