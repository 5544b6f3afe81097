//! Everything that can end a request: errors of the inside, and faults of the transport itself.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::entry::Part;
use crate::error::{CredentialFault, Denial, Error};

/// Why a request failed. Rendered once, by the transport it came through.
#[derive(Clone, Debug)]
pub enum Failure {
    /// An error of the inside.
    Inside(Error),
    /// No such route.
    NoRoute,
    /// The route does not take this method.
    Method,
    /// The body is larger than allowed.
    BodyTooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The client stops sending its request body.
    BodyTimeout,
    /// The body is of a kind that is not taken here.
    MediaType,
    /// The request calls the server by a name that is not its own.
    Host,
    /// The page of another site wants to act.
    Origin,
    /// The headers are larger than allowed.
    HeadersTooLarge {
        /// In bytes.
        limit: usize,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Inside(error)
    }
}

impl Failure {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Inside(error) => match error {
                Error::AccountRequired
                | Error::AccountInvalid
                | Error::BadInput { .. }
                | Error::IntegerOutOfRange { .. }
                | Error::UnknownParameter { .. } => StatusCode::BAD_REQUEST,
                Error::Unauthenticated(_) | Error::AccountClaimInvalid { .. } => StatusCode::UNAUTHORIZED,
                Error::Forbidden(_) => StatusCode::FORBIDDEN,
                Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
                Error::NotInstalled
                | Error::Deprecated
                | Error::NotOwn
                | Error::Installed
                | Error::NameTaken
                | Error::TooManyEntries { .. }
                | Error::ParamsQuotaReached { .. }
                | Error::OwnCatalogFull { .. }
                | Error::RequestRunning
                | Error::ApiKeyShownBefore { .. } => StatusCode::CONFLICT,
                Error::NotFound | Error::ApiKeyNotFound => StatusCode::NOT_FOUND,
                Error::Invalid(_) | Error::ApiKeyInvalid(_) | Error::DefinitionInvalid(_) | Error::KeyReused => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                Error::SecretsUnavailable { .. }
                | Error::DatabaseUnavailable { .. }
                | Error::IdentityUnavailable
                | Error::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
                Error::Timeout => StatusCode::GATEWAY_TIMEOUT,
                Error::Database { .. }
                | Error::DatabaseUnfit { .. }
                | Error::SecretUnreadable { .. }
                | Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::HeadersTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    /// A word for programs, `integration_not_found` style.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Inside(error) => match error {
                Error::AccountRequired => "account_required",
                Error::AccountInvalid => "account_invalid",
                Error::Unauthenticated(_) | Error::AccountClaimInvalid { .. } => "unauthenticated",
                Error::IdentityUnavailable => "identity_unavailable",
                Error::Forbidden(_) => "forbidden",
                Error::RateLimited { .. } => "rate_limited",
                Error::BadInput { .. } | Error::IntegerOutOfRange { .. } => "bad_user_input",
                Error::UnknownParameter { .. } => "unknown_parameter",
                Error::NotFound => "integration_not_found",
                Error::NotInstalled => "integration_not_installed",
                Error::Deprecated => "integration_deprecated",
                Error::NotOwn => "integration_not_own",
                Error::Installed => "integration_installed",
                Error::NameTaken => "name_taken",
                Error::TooManyEntries { .. } => "too_many_entries",
                Error::ParamsQuotaReached { .. } => "params_quota_reached",
                Error::OwnCatalogFull { .. } => "own_catalog_full",
                Error::DefinitionInvalid(_) => "definition_invalid",
                Error::RequestRunning => "idempotency_key_in_use",
                Error::KeyReused => "idempotency_key_reused",
                Error::ApiKeyShownBefore { .. } => "api_key_shown_before",
                Error::ApiKeyNotFound => "api_key_not_found",
                Error::ApiKeyInvalid(_) => "api_key_invalid",
                Error::Invalid(problems) if problems.iter().any(|p| p.part == Part::Params) => "params_invalid",
                Error::Invalid(_) => "secrets_invalid",
                Error::SecretsUnavailable { .. } => "secrets_unavailable",
                Error::Database { .. } | Error::DatabaseUnfit { .. } => "database_error",
                Error::DatabaseUnavailable { .. } => "database_unavailable",
                Error::Overloaded => "overloaded",
                Error::Timeout => "timeout",
                Error::SecretUnreadable { .. } | Error::Internal { .. } => "internal",
            },
            Self::NoRoute => "route_not_found",
            Self::Method => "method_not_allowed",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::MediaType => "unsupported_media_type",
            Self::Host => "host_not_allowed",
            Self::Origin => "origin_not_allowed",
            Self::HeadersTooLarge { .. } => "headers_too_large",
        }
    }

    /// One plain sentence without internals.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Inside(error) => error.public_message(),
            Self::NoRoute => "No such route".into(),
            Self::Method => "Method not allowed".into(),
            Self::BodyTooLarge { limit } => format!("Request body is larger than {limit} bytes").into(),
            Self::BodyTimeout => "Request body took too long".into(),
            Self::MediaType => "Content-Type must be application/json".into(),
            Self::Host => "The server does not go by this Host: server.allowed_hosts lists further names".into(),
            Self::Origin => "Pages of this origin may not do that: server.cors_origins lists those that may".into(),
            Self::HeadersTooLarge { limit } => format!("Request headers are larger than {limit} bytes").into(),
        }
    }

    /// Seconds after which the same request may succeed, where waiting helps.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Inside(error) => error.retry_after(),
            _ => None,
        }
    }

    /// How to prove who asks, where that is what is missing (RFC 9110, section 11.6.1; RFC 6750, section 3).
    pub fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::Inside(Error::Unauthenticated(CredentialFault::Missing)) => Some("Bearer realm=\"patchbay\""),
            Self::Inside(Error::Unauthenticated(_) | Error::AccountClaimInvalid { .. }) => {
                Some("Bearer realm=\"patchbay\", error=\"invalid_token\"")
            }
            Self::Inside(Error::Forbidden(Denial::Scope(_))) => {
                Some("Bearer realm=\"patchbay\", error=\"insufficient_scope\"")
            }
            _ => None,
        }
    }

    /// What the failure says in headers, whatever the transport.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let retry = self.retry_after().map(|seconds| (header::RETRY_AFTER, seconds.into()));
        let challenge = self.challenge().map(|text| (header::WWW_AUTHENTICATE, HeaderValue::from_static(text)));
        retry.into_iter().chain(challenge)
    }

    /// Writes the failure to the log, once: what the operator must look at as an error, the rest for debugging.
    pub fn log(&self) {
        let cause = match self {
            Self::Inside(error) => error.cause(),
            _ => None,
        };
        let (code, status) = (self.code(), self.status().as_u16());
        if self.status().is_server_error() {
            tracing::error!(code, status, cause, "request failed");
        } else {
            tracing::debug!(code, status, "request refused");
        }
    }
}

/// A response without a body that carries the failure: the outermost layer renders it for the transport at hand.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
