//! The document: generated from the handlers; what every operation has in common is added here, once.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderValue, header as headers};
use axum::response::Response;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation as Described, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Response as DescribedResponse, Type};

use super::error::Problem;
use super::query::Include;
use super::{body, request_schemas, respond};
use crate::domain::entry::Part;
use crate::domain::limits::{LimitHolder, Reached, Window};
use crate::domain::{IdempotencyKey, Operation, Scope};
use crate::edge::{Failure, StaticFile};
use crate::error::{
    CredentialFault, DefinitionProblem, Denial, Error, FieldProblem, InputProblem, RETRY_AFTER_SECONDS,
};

const ACCOUNT: &str = "account";
const CREDENTIALS: &str = "credentials";
/// What an answer tells of the limits on requests, where they are on.
const RATE_LIMIT_HEADERS: [(&str, Type, &str); 5] = [
    (
        "RateLimit-Policy",
        Type::String,
        "The limits on requests, such as `\"minute\";q=60;w=60`: `q` requests in `w` seconds. Only where they are on.",
    ),
    (
        "RateLimit",
        Type::String,
        "What is left of each, such as `\"minute\";r=12;t=1`: `r` requests at once, another within `t` seconds. After a refusal, only of those looked at.",
    ),
    ("X-RateLimit-Limit", Type::Integer, "Requests in the window of which the least is left"),
    ("X-RateLimit-Remaining", Type::Integer, "What is left of it"),
    ("X-RateLimit-Reset", Type::Integer, "Seconds after which all of it is there again, if no request comes"),
];
/// Of the examples.
const REQUEST_ID: &str = "0193a5c0-7b1e-7c3a-9d52-0d6f6f0e7a11";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Patchbay",
        description = "The integrations backend of a multi-tenant platform: each account sees one catalog of \
            third-party integrations, installs them with params and secrets, and uninstalls them. Every answer \
            belongs to the account that `X-Account-ID` names. The same is offered as GraphQL at `/graphql`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "Patchbay")
    ),
    servers((url = "/", description = "The server that serves this document")),
    tags(
        (name = "integrations", description = "The catalog as an account sees it, install and uninstall"),
        (name = "secrets", description = "Reading stored secrets back, where the operator turned it on"),
        (name = "audit", description = "Who did what, when, and to which names"),
        (name = "catalog", description = "Integrations of the account's own, and how any integration is defined"),
        (name = "api keys", description = "What programs prove themselves with"),
        (name = "tools", description = "Kinds of tools that are not built yet: their lists are empty")
    ),
    components(schemas(Problem, Include, body::Order, body::InstallBody, body::ReadBody))
)]
struct Header;

/// The document without its operations.
pub(super) fn header() -> utoipa::openapi::OpenApi {
    Header::openapi()
}

/// The whole document.
pub fn document() -> Value {
    finish(super::documented().into_openapi())
}

/// Adds what every operation has in common.
pub(super) fn finish(mut api: utoipa::openapi::OpenApi) -> Value {
    let key = ApiKeyValue::with_description("X-Account-ID", "The account whose data is meant, for instance `acme`.");
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(ACCOUNT, SecurityScheme::ApiKey(ApiKey::Header(key)));
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An API key, or a token of an identity provider that the server trusts. Credentials for a single account need \
             no `X-Account-ID`. A server in mode `open` asks for none.",
        ))
        .build();
    components.add_security_scheme(CREDENTIALS, SecurityScheme::Http(bearer));
    let needs = |scheme: &str| SecurityRequirement::new::<_, _, &str>(scheme, []);
    api.security = Some(vec![needs(CREDENTIALS).add::<_, _, &str>(ACCOUNT, []), needs(CREDENTIALS), needs(ACCOUNT)]);
    components.headers.extend(RATE_LIMIT_HEADERS.map(|(name, kind, text)| (name.to_owned(), header_of(kind, text))));
    for item in api.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten() {
            finish_operation(operation);
        }
    }
    let mut document = serde_json::to_value(api).unwrap_or_default();
    request_schemas::complete(&mut document);
    document
}

fn finish_operation(operation: &mut Described) {
    let operation_id = operation.operation_id.clone().unwrap_or_default();
    if let Some(known) = Operation::of_rest(&operation_id) {
        let text = operation.description.get_or_insert_default();
        text.push_str(&format!("\n\nNeeds the scope `{}`.", known.scope()));
    }
    if takes_key(&operation_id) {
        repeatable(operation);
    }
    for (status, description) in [
        ("401", "No credentials, or none that prove anything"),
        ("403", "The credentials are not for this account, or lack the scope"),
        ("429", "The account or the credential asks too often; try again after `Retry-After` seconds"),
        ("431", "The request headers are too large"),
        ("500", "A failure of the server or its database"),
        (
            "503",
            "The database, the identity provider or the encryption of secrets is unavailable, or the server is busy; try again after `Retry-After` seconds",
        ),
        ("504", "The request took too long"),
    ] {
        operation
            .responses
            .responses
            .entry(status.into())
            .or_insert_with(|| RefOr::T(DescribedResponse::new(description)));
    }
    if operation.responses.responses.contains_key("413") {
        let response = DescribedResponse::new("The request body did not arrive in time");
        operation.responses.responses.insert("408".into(), RefOr::T(response));
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        response.headers.insert("X-Request-Id".into(), text_header("The request's id, for support and logs"));
        if matches!(status.as_str(), "200" | "429") {
            response.headers.extend(RATE_LIMIT_HEADERS.map(|(name, ..)| (name.to_owned(), shared_header(name))));
        }
        match status.as_str() {
            "200" | "304" if is_read(&operation_id) => cacheable(response),
            "200" | "201" | "204" | "304" => {}
            _ => failing(response, &for_instance(&operation_id, status)),
        }
    }
}

/// What an operation takes and answers because it can be made again.
fn repeatable(operation: &mut Described) {
    let text = "A name for this request, of the client's own making, such as a UUID. Made again with it within 24 hours, the \
                request is not done again: the answer is what came of it, as it stands now.";
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(IdempotencyKey::LONGEST))
        .pattern(Some(r#"^[!#-\[\]-~]+$"#));
    let key = ParameterBuilder::new().name("Idempotency-Key").parameter_in(ParameterIn::Header);
    let key = key.description(Some(text)).schema(Some(schema)).build();
    operation.parameters.get_or_insert_default().push(RefOr::T(key));
    for (status, description) in [
        ("409", "A request with this `Idempotency-Key` is being worked on"),
        ("422", "The `Idempotency-Key` was used for another request"),
    ] {
        let response = operation.responses.responses.entry(status.into());
        if let RefOr::T(response) = response.or_insert_with(|| RefOr::T(DescribedResponse::new(""))) {
            let parts = [response.description.as_str(), description].into_iter().filter(|part| !part.is_empty());
            response.description = parts.collect::<Vec<_>>().join(". Or: ");
            if status == "409" {
                let wait = "Seconds to wait, when it is being worked on";
                response.headers.insert("Retry-After".into(), header_of(Type::Integer, wait));
            }
        }
    }
    for (status, response) in &mut operation.responses.responses {
        // A key that was made before is not shown again: that is a 409.
        let is_done = ["200", "201", "204"].contains(&status.as_str())
            && operation.operation_id.as_deref() != Some("createApiKey");
        if let (true, RefOr::T(response)) = (is_done, response) {
            let replayed = "`true` when the request was done before, under the same `Idempotency-Key`";
            response.headers.insert("Idempotency-Replayed".into(), text_header(replayed));
        }
    }
}

/// Whether the operation changes anything, so that it matters whether it is done twice.
fn takes_key(operation_id: &str) -> bool {
    !is_read(operation_id) && !matches!(operation_id, "validateInstallation" | "readSecrets")
}

fn is_read(operation_id: &str) -> bool {
    operation_id.starts_with("get") || operation_id.starts_with("list")
}

fn cacheable(response: &mut DescribedResponse) {
    response.headers.insert("ETag".into(), text_header("Send it back as `If-None-Match` to get 304"));
}

/// Every error is one sentence as text, or an RFC 9457 object for clients that accept it.
fn failing(response: &mut DescribedResponse, example: &Failure) {
    let sentence = ObjectBuilder::new().schema_type(Type::String).build();
    let text = ContentBuilder::new().schema(Some(sentence)).example(Some(example.message().into())).build();
    response.content.insert("text/plain".into(), text.into());
    let problem = serde_json::to_value(Problem::of(example, REQUEST_ID)).unwrap_or_default();
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).example(Some(problem)).build();
    response.content.insert("application/problem+json".into(), problem.into());
    response.headers.insert("X-Error-Code".into(), text_header("A word for programs, such as `integration_not_found`"));
    if matches!(example, Failure::Inside(Error::Unauthenticated(_))) {
        response.headers.insert("WWW-Authenticate".into(), text_header("How to prove who asks"));
    }
    if example.retry_after().is_some() {
        response.headers.insert("Retry-After".into(), header_of(Type::Integer, "Seconds to wait"));
    }
}

/// A failure with this status. The examples are made of it by the code that makes the answers.
fn for_instance(operation_id: &str, status: &str) -> Failure {
    let cause = String::new;
    match status {
        "400" => Error::AccountRequired.into(),
        "401" => Error::Unauthenticated(CredentialFault::Missing).into(),
        "403" => {
            Error::Forbidden(Denial::Scope(Operation::of_rest(operation_id).map_or(Scope::Admin, |o| o.scope()))).into()
        }
        "404" if operation_id == "revokeApiKey" => Error::ApiKeyNotFound.into(),
        "404" => Error::NotFound.into(),
        "409" => match operation_id {
            "readSecrets" => Error::NotInstalled.into(),
            "installIntegration" => Error::Deprecated.into(),
            "createIntegration" => Error::NameTaken.into(),
            "updateIntegration" | "deprecateIntegration" => Error::NotOwn.into(),
            "deleteIntegration" => Error::Installed.into(),
            "createApiKey" => Error::ApiKeyShownBefore { public_id: "8Fq2LmZx".into() }.into(),
            _ => Error::RequestRunning.into(),
        },
        "408" => Failure::BodyTimeout,
        "413" => Failure::BodyTooLarge { limit: 262_144 },
        "415" => Failure::MediaType,
        "422" if operation_id == "readSecrets" => {
            let name = Some("api_key".to_owned());
            Error::Invalid(vec![FieldProblem { part: Part::Secrets, name, message: "is not stored".into() }]).into()
        }
        "422" if operation_id == "createApiKey" => {
            let message = "must lie in the future, before the year 10000".to_owned();
            Error::ApiKeyInvalid(vec![InputProblem { field: "expires_at", message }]).into()
        }
        "422" if matches!(operation_id, "createIntegration" | "updateIntegration") => {
            let message = "is missing: a sentence that says what it is for".to_owned();
            Error::DefinitionInvalid(vec![DefinitionProblem { pointer: "/description".into(), message }]).into()
        }
        "422" if takes_key(operation_id) && operation_id != "installIntegration" => Error::KeyReused.into(),
        "422" => {
            let name = Some("api_version".to_owned());
            Error::Invalid(vec![FieldProblem { part: Part::Params, name, message: "must be a string".into() }]).into()
        }
        "429" => {
            let reached = Reached { limit: 60, window: Some(Window::Minute), holder: LimitHolder::Account };
            Error::RateLimited { reached, retry_after: 1 }.into()
        }
        "431" => Failure::HeadersTooLarge { limit: 32_768 },
        "503" if operation_id == "installIntegration" => {
            Error::SecretsUnavailable { cause: cause(), retry_after: RETRY_AFTER_SECONDS }.into()
        }
        "503" => Error::DatabaseUnavailable { cause: cause() }.into(),
        "504" => Error::Timeout.into(),
        _ => Error::Database { cause: cause() }.into(),
    }
}

fn text_header(description: &str) -> RefOr<utoipa::openapi::header::Header> {
    header_of(Type::String, description)
}

fn header_of(kind: Type, description: &str) -> RefOr<utoipa::openapi::header::Header> {
    let schema = ObjectBuilder::new().schema_type(kind).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build().into()
}

/// One that the document describes once.
fn shared_header(name: &str) -> RefOr<utoipa::openapi::header::Header> {
    RefOr::Ref(Ref::new(format!("#/components/headers/{name}")))
}

/// The document as it is served.
#[derive(Clone)]
pub(super) struct Document(Arc<StaticFile>);

impl Document {
    pub(super) fn new(document: &Value) -> Self {
        let json = document.to_string();
        Self(Arc::new(StaticFile::new(json, HeaderValue::from_static("application/json"), respond::CACHE_CONTROL)))
    }

    pub(super) async fn serve(self, request: Request) -> Response {
        let mut response = self.0.respond(request.headers()).await;
        response.headers_mut().append(headers::VARY, HeaderValue::from_static(respond::VARY));
        response
    }
}
