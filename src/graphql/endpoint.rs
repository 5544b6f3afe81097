//! GraphQL over HTTP: POST with JSON, GET for queries, as in the specification of that name.
//!
//! The stock handler runs mutations over GET, takes bodies of any size and kind, and answers 200 whatever happens.

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response, Variables};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::Refusal;
use super::executor::{Admission, Caller, PERSISTED_QUERY};
use super::plan::MayHoldJson;
use super::{GraphqlState, body, error};
use crate::edge::{Failure, NoCompression, RequestId, Visitor, check_variables, is_json, read_body};
use crate::error::Error;

const LEGACY: &str = "application/json";
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

pub(super) async fn handle(
    State(state): State<GraphqlState>,
    Extension(request_id): Extension<RequestId>,
    mut visitor: Visitor,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<HttpResponse, Failure> {
    let queries_only = method == Method::GET;
    let mut request =
        if queries_only { from_query(&uri)? } else { from_body(&headers, body, state.edge.max_body_bytes).await? };
    let admission = match state.executor.admit(&mut request, &visitor) {
        Ok(admission) => admission,
        Err(refusal) => {
            let status = matches!(refusal, Refusal::TooLarge { .. }).then_some(StatusCode::PAYLOAD_TOO_LARGE);
            return Ok(answer(&headers, status, &state.executor.refuse(refusal, &request_id)));
        }
    };
    match admission.kind {
        OperationType::Mutation if queries_only => return Ok(not_allowed("POST")),
        OperationType::Subscription => {
            return Err(Error::bad_input("Subscriptions are served over WebSocket at /graphql/ws").into());
        }
        _ => {}
    }
    let counted = state.edge.count_units(&mut visitor, admission.root_fields);
    let standing = visitor.standing().copied();
    let mut response = match counted {
        Ok(()) => execute(&state, &headers, request, admission, visitor, request_id).await,
        Err(error) => Failure::from(error).into_response(),
    };
    if let Some(standing) = standing {
        response.extensions_mut().insert(standing);
    }
    Ok(response)
}

async fn execute(
    state: &GraphqlState,
    headers: &HeaderMap,
    request: Request,
    admission: Admission,
    visitor: Visitor,
    request_id: RequestId,
) -> HttpResponse {
    let caller = Caller { tenant: state.edge.services_of(&visitor), visitor, request_id };
    let is_mutation = admission.kind == OperationType::Mutation;
    let response = state.executor.run(request.data(MayHoldJson), admission, caller).await;
    let mut response = answer(headers, None, &response);
    if is_mutation {
        // A mutation may have made an API key.
        response.extensions_mut().insert(NoCompression);
    }
    response
}

/// The media type the client prefers of the two; the older one when it does not say.
pub(super) fn media_type(headers: &HeaderMap) -> &'static str {
    let mut best = (0.0, LEGACY);
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in ranges.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let offered = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            GRAPHQL_RESPONSE => GRAPHQL_RESPONSE,
            LEGACY | "application/*" | "*/*" => LEGACY,
            _ => continue,
        };
        let quality = parts.find_map(|p| p.strip_prefix("q=")).and_then(|q| q.parse::<f32>().ok()).unwrap_or(1.0);
        if quality > best.0 {
            best = (quality, offered);
        }
    }
    best.1
}

/// For every method that is neither GET nor POST.
pub(super) async fn refuse_method() -> HttpResponse {
    not_allowed("GET, POST")
}

fn not_allowed(allow: &'static str) -> HttpResponse {
    let mut response = Failure::Method.into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// With the newer media type a refused document is a 400; with the older one clients expect 200.
fn answer(headers: &HeaderMap, status: Option<StatusCode>, response: &Response) -> HttpResponse {
    let media_type = media_type(headers);
    let refused = error::is_refusal(response);
    let status = status.unwrap_or(match refused && media_type == GRAPHQL_RESPONSE {
        true => StatusCode::BAD_REQUEST,
        false => StatusCode::OK,
    });
    error::respond(status, media_type, body::to_json(response, refused))
}

/// The parts of a request, before their types are checked.
#[derive(Default, Deserialize)]
struct Parts {
    query: Option<Value>,
    #[serde(rename = "operationName")]
    operation_name: Option<Value>,
    variables: Option<Value>,
    extensions: Option<Value>,
}

async fn from_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Request, Failure> {
    // A request that a page of another site can send without asking first never has this type.
    if !headers.contains_key(header::CONTENT_TYPE) || !is_json(headers) {
        return Err(Failure::MediaType);
    }
    let bytes = read_body(headers, body, limit).await?;
    check_variables(&bytes)?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|e| Error::bad_input(format!("Malformed JSON at line {} column {}", e.line(), e.column())))?;
    if !value.is_object() {
        return Err(Error::bad_input("The request body must be a JSON object; batches are not taken").into());
    }
    let parts =
        serde_json::from_value(value).map_err(|_| Error::bad_input("The request body must be a JSON object"))?;
    Ok(request(parts)?)
}

fn from_query(uri: &Uri) -> Result<Request, Error> {
    let mut parts = Parts::default();
    for (name, text) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "query" => parts.query = Some(text.into()),
            "operationName" => parts.operation_name = Some(text.into()),
            "variables" if !text.is_empty() => parts.variables = Some(json_parameter("variables", &text)?),
            "extensions" if !text.is_empty() => parts.extensions = Some(json_parameter("extensions", &text)?),
            _ => {}
        }
    }
    request(parts)
}

fn json_parameter(name: &str, text: &str) -> Result<Value, Error> {
    check_variables(text.as_bytes())?;
    serde_json::from_str(text).map_err(|_| Error::bad_input(format!("{name} must be a JSON object")))
}

fn request(parts: Parts) -> Result<Request, Error> {
    let extensions = object("extensions", parts.extensions)?;
    let is_persisted = extensions.is_some_and(|extensions| extensions.contains_key(PERSISTED_QUERY));
    let query = match parts.query {
        Some(Value::String(query)) => query,
        None | Some(Value::Null) if is_persisted => String::new(),
        Some(_) => return Err(Error::bad_input("query must be a string")),
        None => return Err(Error::bad_input("query is missing")),
    };
    let operation_name = match parts.operation_name {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(Error::bad_input("operationName must be a string")),
    };
    let variables = object("variables", parts.variables)?.unwrap_or_default();
    let mut request = Request::new(query).variables(Variables::from_json(Value::Object(variables)));
    request.operation_name = operation_name;
    if is_persisted {
        request.extensions.insert(PERSISTED_QUERY.to_owned(), Default::default());
    }
    Ok(request)
}

fn object(name: &str, value: Option<Value>) -> Result<Option<Map<String, Value>>, Error> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Error::bad_input(format!("{name} must be a JSON object"))),
    }
}
