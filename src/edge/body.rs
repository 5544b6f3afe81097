//! Request bodies, bounded before anything looks at them.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Failure;
use crate::error::Error;

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// [`Failure::BodyTooLarge`], or bad input when the client breaks off.
pub async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Vec<u8>, Failure> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Failure::BodyTooLarge { limit });
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::BodyTooLarge { limit }),
        Err(_) => Err(Error::bad_input("The request body could not be read").into()),
    }
}

/// Reads a whole body that may be left out; one that is there must be JSON.
///
/// # Errors
/// Those of [`read_body`]; [`Failure::MediaType`].
pub async fn read_optional_json(headers: &HeaderMap, body: Body, limit: usize) -> Result<Vec<u8>, Failure> {
    let bytes = read_body(headers, body, limit).await?;
    if bytes.is_empty() || is_json(headers) { Ok(bytes) } else { Err(Failure::MediaType) }
}

/// Whether the content type, if there is one, says JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}
