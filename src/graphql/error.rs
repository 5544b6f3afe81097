//! Failures as GraphQL shows them: a code for programs in `extensions`, and never a word of the document, a variable, a
//! library or the database.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use serde_json::json;

use super::document::Refusal;
use super::wording::Vocabulary;
use crate::edge::{Failure, RequestId};
use crate::error::{Error, INTEGER_RANGE};

/// An error on its way out of a resolver.
///
/// Like [`Error`] it has no `Display`: the library would publish that text, and lose the code.
#[derive(Clone)]
pub(super) struct Failed(Error);

/// What a resolver returns. The library's own result would let `?` publish any error's text.
pub(super) type Result<T> = std::result::Result<T, Failed>;

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Failed> for async_graphql::Error {
    fn from(Failed(error): Failed) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", code(&error));
        if let Some(seconds) = error.retry_after() {
            extensions.set("retryAfter", seconds);
        }
        Self {
            message: error.public_message().into_owned(),
            source: Some(Arc::new(error)),
            extensions: Some(extensions),
        }
    }
}

/// The code of an error that is not for the user: a problem that a person can fix is in `userErrors` instead.
fn code(error: &Error) -> &'static str {
    match error {
        Error::AccountRequired => "ACCOUNT_REQUIRED",
        Error::AccountInvalid => "ACCOUNT_INVALID",
        Error::Unauthenticated(_) | Error::AccountClaimInvalid { .. } => "UNAUTHENTICATED",
        Error::Forbidden(_) => "FORBIDDEN",
        Error::BadInput { .. }
        | Error::IntegerOutOfRange { .. }
        | Error::UnknownParameter { .. }
        | Error::NotFound
        | Error::NotInstalled
        | Error::Deprecated
        | Error::NotOwn
        | Error::Installed
        | Error::NameTaken
        | Error::TooManyEntries { .. }
        | Error::ParamsQuotaReached { .. }
        | Error::OwnCatalogFull { .. }
        | Error::DefinitionInvalid(_)
        | Error::Invalid(_)
        | Error::ApiKeyNotFound
        | Error::ApiKeyInvalid(_) => BAD_USER_INPUT,
        Error::RequestRunning => "IDEMPOTENCY_KEY_IN_USE",
        Error::KeyReused => "IDEMPOTENCY_KEY_REUSED",
        Error::ApiKeyShownBefore { .. } => "API_KEY_SHOWN_BEFORE",
        Error::SecretsUnavailable { .. } => "SECRETS_UNAVAILABLE",
        Error::Database { .. } | Error::DatabaseUnfit { .. } | Error::DatabaseUnavailable { .. } => "DATABASE_ERROR",
        Error::Timeout => "TIMEOUT",
        Error::Overloaded | Error::RateLimited { .. } => "RATE_LIMITED",
        Error::IdentityUnavailable | Error::SecretUnreadable { .. } | Error::Internal { .. } => "INTERNAL",
    }
}

const VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";
const BAD_USER_INPUT: &str = "BAD_USER_INPUT";

/// Most errors of an answer.
const MAX_ERRORS: usize = 20;

/// Gives every error its code and request id, cleans what the library wrote, and writes each to the log once. After
/// [`MAX_ERRORS`] errors, a last one says how many more there are.
pub(super) fn finish(mut response: Response, request_id: &RequestId, vocabulary: &Vocabulary) -> Response {
    let more = response.errors.len().saturating_sub(MAX_ERRORS);
    response.errors.truncate(MAX_ERRORS);
    for error in &mut response.errors {
        let inside = error.source.as_ref().and_then(|source| source.downcast_ref::<Error>()).cloned();
        match inside {
            Some(inside) => Failure::from(inside).log(),
            None => reword(error, vocabulary),
        }
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("requestId", request_id.0.as_ref());
        error.source = None;
    }
    if let (1.., Some(last)) = (more, response.errors.last()) {
        let extensions = last.extensions.clone();
        response.errors.push(ServerError { extensions, ..ServerError::new(format!("and {more} more errors"), None) });
    }
    response
}

/// An error without a path is the validator's: its place is in the document, not in the answer.
fn reword(error: &mut ServerError, vocabulary: &Vocabulary) {
    // A wrong value, in the document or a variable, is the user's; everything else the programmer's.
    let is_value = !error.path.is_empty() || error.message.starts_with("Invalid value");
    error.message = vocabulary.reword(&error.message);
    let code = if is_value { BAD_USER_INPUT } else { VALIDATION_FAILED };
    error.extensions.get_or_insert_default().set("code", code);
}

/// Whether the request was refused before anything ran: an error of a field has the field's path.
pub(super) fn is_refusal(response: &Response) -> bool {
    !response.errors.is_empty() && response.errors.iter().all(|error| error.path.is_empty())
}

/// A response that says why a document is not run.
pub(super) fn refused(refusal: Refusal, request_id: &RequestId, vocabulary: &Vocabulary) -> Response {
    let (code, message, at): (_, String, Option<Pos>) = match refusal {
        Refusal::TooLarge { limit } => {
            ("QUERY_TOO_COMPLEX", format!("The document is larger than {limit} bytes"), None)
        }
        Refusal::TooComplex(message) => ("QUERY_TOO_COMPLEX", message, None),
        Refusal::Invalid(message) => (VALIDATION_FAILED, message, None),
        Refusal::Fault(error) => (VALIDATION_FAILED, error.message, error.locations.first().copied()),
        Refusal::Operation(message) => (VALIDATION_FAILED, message, None),
        // Word and code of Apollo Server: by either its clients know that they are to send the query.
        Refusal::PersistedQuery => ("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported".into(), None),
        Refusal::Value(error) => (BAD_USER_INPUT, vocabulary.reword(&error.message), error.locations.first().copied()),
        Refusal::Integer(at) => (BAD_USER_INPUT, format!("An integer is out of range: {INTEGER_RANGE}"), Some(at)),
        Refusal::Syntax(Some(at)) => {
            ("GRAPHQL_PARSE_FAILED", format!("Syntax error at line {} column {}", at.line, at.column), Some(at))
        }
        Refusal::Syntax(None) => ("GRAPHQL_PARSE_FAILED", "Syntax error".into(), None),
    };
    let mut error = ServerError::new(message, at);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", code);
    extensions.set("requestId", request_id.0.as_ref());
    Response::from_errors(vec![error])
}

/// A response of this error alone, which is of no place in the document; to be finished.
pub(super) fn failed(error: Error) -> Response {
    let mut error = async_graphql::Error::from(Failed(error)).into_server_error(Pos::default());
    error.locations.clear();
    Response::from_errors(vec![error])
}

/// A failure of the transport as GraphQL JSON.
pub fn render(failure: &Failure, request_headers: &HeaderMap, request_id: &RequestId) -> HttpResponse {
    let code = match failure {
        Failure::Inside(error) => code(error),
        Failure::BodyTooLarge { .. } => "QUERY_TOO_COMPLEX",
        Failure::BodyTimeout => "TIMEOUT",
        Failure::Host | Failure::Origin => "FORBIDDEN",
        Failure::NoRoute | Failure::Method | Failure::MediaType | Failure::HeadersTooLarge { .. } => BAD_USER_INPUT,
    };
    let mut extensions = json!({"code": code, "requestId": request_id.0.as_ref()});
    if let Some(seconds) = failure.retry_after() {
        extensions["retryAfter"] = seconds.into();
    }
    let body = json!({"errors": [{"message": failure.message(), "extensions": extensions}]});
    let mut response = respond(failure.status(), super::endpoint::media_type(request_headers), body.to_string());
    response.headers_mut().extend(failure.headers());
    response
}

pub(super) fn respond(status: StatusCode, media_type: &'static str, body: impl Into<Body>) -> HttpResponse {
    (status, [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-store")], body.into()).into_response()
}
