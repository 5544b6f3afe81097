//! Request bodies, bounded before anything looks at them.
//!
//! A body that is still being received is waiting, not work: it holds no permit for concurrent requests, but one of a
//! bound of its own, by count and by bytes.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Bound, Failure};
use crate::error::Error;

/// Bounds of request bodies.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Largest body, in bytes.
    pub max_bytes: usize,
    /// Longest pause without a byte.
    pub idle_timeout: Duration,
    /// Largest body of a caller without a credential, in bytes.
    pub max_anonymous_bytes: usize,
    /// Longest time for a whole body of a caller without a credential.
    pub anonymous_timeout: Duration,
    /// Most bodies that are received at once.
    pub max_unfinished: usize,
    /// Most bytes of them in memory.
    pub max_unfinished_bytes: usize,
}

/// Receives request bodies within their bounds. Cheap to clone.
#[derive(Clone)]
pub struct BodyReceiver {
    limits: BodyLimits,
    bodies: Bound,
    bytes: Bound,
}

impl BodyReceiver {
    /// A receiver with these bounds.
    pub fn new(limits: BodyLimits) -> Self {
        Self { limits, bodies: Bound::new(limits.max_unfinished), bytes: Bound::new(limits.max_unfinished_bytes) }
    }

    /// Receives a whole body.
    ///
    /// # Errors
    /// [`Failure::BodyTooLarge`]; [`Failure::BodyTimeout`]; [`Error::Overloaded`] when too much is being received; bad
    /// input when the client breaks off.
    pub async fn receive(&self, headers: &HeaderMap, body: Body, has_credential: bool) -> Result<Bytes, Failure> {
        let max_bytes = match has_credential {
            true => self.limits.max_bytes,
            false => self.limits.max_anonymous_bytes.min(self.limits.max_bytes),
        };
        refuse_announced(headers, max_bytes)?;
        let _permit = self.bodies.try_acquire(has_credential).ok_or(Error::Overloaded)?;
        let receiving = self.collect(body, max_bytes, has_credential);
        if has_credential {
            return receiving.await;
        }
        timeout(self.limits.anonymous_timeout, receiving).await.unwrap_or(Err(Failure::BodyTimeout))
    }

    async fn collect(&self, mut body: Body, max_bytes: usize, has_credential: bool) -> Result<Bytes, Failure> {
        let mut collected = Vec::new();
        let mut permits = None;
        let mut deadline = Instant::now() + self.limits.idle_timeout;
        loop {
            let frame = timeout_at(deadline, body.frame()).await.map_err(|_| Failure::BodyTimeout)?;
            let Some(frame) = frame else { return Ok(collected.into()) };
            let frame = frame.map_err(|_| Error::bad_input("The request body could not be read"))?;
            // Trailers and empty frames are no progress.
            let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) else { continue };
            if collected.len() + data.len() > max_bytes {
                return Err(Failure::BodyTooLarge { limit: max_bytes });
            }
            if collected.is_empty() && body.is_end_stream() {
                return Ok(data);
            }
            let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
            let more = self.bytes.try_acquire_many(length, has_credential).ok_or(Error::Overloaded)?;
            match &mut permits {
                None => permits = Some(more),
                Some(permits) => permits.merge(more),
            }
            collected.extend_from_slice(&data);
            deadline = Instant::now() + self.limits.idle_timeout;
        }
    }
}

fn refuse_announced(headers: &HeaderMap, limit: usize) -> Result<(), Failure> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    match announced {
        Some(length) if length > limit as u64 => Err(Failure::BodyTooLarge { limit }),
        _ => Ok(()),
    }
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// [`Failure::BodyTooLarge`], or bad input when the client breaks off.
pub async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Vec<u8>, Failure> {
    refuse_announced(headers, limit)?;
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

/// Marks a response that is sent as it is: one that may hold a secret, since the length of a compressed answer shows
/// which text its secret shares with texts that others supply; and a file that is compressed already.
#[derive(Clone, Copy, Debug)]
pub struct NoCompression;
