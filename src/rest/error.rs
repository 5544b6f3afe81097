//! Failures as REST shows them: one plain sentence, or an RFC 9457 object for clients that ask for it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::respond;
use crate::domain::AccountId;
use crate::edge::{Failure, RequestId};
use crate::error::{DefinitionProblem, Error, FieldProblem, INTEGER_RANGE, InputProblem};

const ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");
const PROBLEM: &str = "application/problem+json";

/// A failure as an RFC 9457 problem.
#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    #[schema(format = "uri")]
    kind: String,
    /// The status in words.
    title: &'static str,
    /// The status again.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// One plain sentence, the same as in the plain-text form.
    detail: String,
    /// The request's id.
    instance: String,
    /// The same word as in `X-Error-Code`.
    code: &'static str,
    /// One item per field at fault; empty when no field is.
    errors: Vec<FieldError>,
}

/// One field or header at fault.
#[derive(Serialize, ToSchema)]
pub(super) struct FieldError {
    /// JSON pointer into the request body; absent where a header is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/params/api_version")]
    pointer: Option<String>,
    /// The header at fault; absent where a field of the body is.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'static str>,
    /// The rule that is broken.
    #[schema(example = "must be a string")]
    detail: String,
}

/// The failure as a response.
pub fn render(failure: &Failure, request_headers: &HeaderMap, request_id: &RequestId) -> Response {
    let status = failure.status();
    let mut response = if wants_problem(request_headers) {
        let body = serde_json::to_vec(&Problem::of(failure, &request_id.0)).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, PROBLEM)], body).into_response()
    } else {
        // Sets `text/plain; charset=utf-8`.
        (status, failure.message().into_owned()).into_response()
    };
    let headers = response.headers_mut();
    respond::keep_private(headers);
    headers.insert(ERROR_CODE, HeaderValue::from_static(failure.code()));
    headers.extend(failure.headers());
    response
}

impl Problem {
    pub(super) fn of(failure: &Failure, request_id: &str) -> Self {
        let status = failure.status();
        Self {
            kind: format!("urn:patchbay:problem:{}", failure.code()),
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: failure.message().into_owned(),
            instance: request_id.to_owned(),
            code: failure.code(),
            errors: match failure {
                Failure::Inside(Error::IntegerOutOfRange { pointer }) => {
                    vec![FieldError { pointer: Some(pointer.clone()), header: None, detail: INTEGER_RANGE.to_owned() }]
                }
                Failure::Inside(Error::Invalid(problems)) => problems.iter().map(field_error).collect(),
                Failure::Inside(Error::DefinitionInvalid(problems)) => problems.iter().map(FieldError::at).collect(),
                Failure::Inside(Error::ApiKeyInvalid(problems)) => problems.iter().map(FieldError::of).collect(),
                Failure::Inside(Error::AccountInvalid) => vec![FieldError {
                    pointer: None,
                    header: Some("X-Account-ID"),
                    detail: format!("must be one account id: {}", AccountId::GRAMMAR),
                }],
                _ => Vec::new(),
            },
        }
    }
}

impl FieldError {
    fn at(problem: &DefinitionProblem) -> Self {
        Self { pointer: Some(problem.pointer.clone()), header: None, detail: problem.message.clone() }
    }

    fn of(problem: &InputProblem) -> Self {
        Self { pointer: Some(format!("/{}", problem.field)), header: None, detail: problem.message.clone() }
    }
}

pub(super) fn field_error(problem: &FieldProblem) -> FieldError {
    FieldError { pointer: Some(problem.pointer()), header: None, detail: problem.message.clone() }
}

/// Only a client that names the type gets it; `*/*` does not.
fn wants_problem(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(PROBLEM));
        let refused = parts.any(|parameter| {
            parameter.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|quality| quality == 0.0))
        });
        named && !refused
    })
}
