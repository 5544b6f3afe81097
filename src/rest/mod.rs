//! REST under `/api/v1`: thin handlers that parse, make one service call and shape.
//!
//! Never names the store or the vault. No shape here has a field that could hold a secret value, but for the one answer
//! of `secrets`.

mod api_keys;
mod body;
mod entries;
mod error;
mod events;
mod fragments;
mod integrations;
mod json;
mod openapi;
mod query;
mod request_schemas;
mod respond;
mod secrets;
mod stubs;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use api_keys::{ApiKeyBody, MadeApiKeyBody};
pub use error::render;
pub use events::Event;
pub use openapi::document;

use crate::edge::{EdgeState, Failure, admit};
use fragments::Fragments;

/// The prefix of every route.
pub const PREFIX: &str = "/api/v1";

/// What the REST handlers get.
#[derive(Clone)]
struct RestState {
    edge: EdgeState,
    fragments: Arc<Fragments>,
}

/// The routes, with the document that describes them at `/api/v1/openapi.json`.
///
/// `prefix` is the path under which a proxy offers the server: programs that read the document send requests there.
pub fn router(edge: EdgeState, prefix: &str) -> Router {
    let admits = from_fn_with_state(edge.clone(), admit);
    let state = RestState { edge, fragments: Arc::default() };
    let (router, api) = documented().split_for_parts();
    let mut document = openapi::finish(api);
    if !prefix.is_empty() {
        document["servers"] = serde_json::json!([{"url": prefix}]);
    }
    let document = openapi::Document::new(&document);
    router
        .route_layer(admits)
        .route(&format!("{PREFIX}/openapi.json"), axum::routing::get(move |request: Request| document.serve(request)))
        .method_not_allowed_fallback(async || Failure::Method)
        .with_state(state)
}

/// Every documented route. A route outside of this is outside of every check.
fn documented() -> OpenApiRouter<RestState> {
    let routes = OpenApiRouter::new()
        .routes(routes!(integrations::list, entries::create))
        .routes(routes!(integrations::show, entries::update, entries::delete))
        .routes(routes!(entries::definition))
        .routes(routes!(entries::deprecate))
        .routes(routes!(integrations::validate))
        .routes(routes!(integrations::install))
        .routes(routes!(integrations::uninstall))
        .routes(routes!(integrations::purge))
        .routes(routes!(secrets::read))
        .routes(routes!(events::list))
        .routes(routes!(api_keys::list))
        .routes(routes!(api_keys::create))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(stubs::mcp_connections))
        .routes(routes!(stubs::native_tools));
    OpenApiRouter::with_openapi(openapi::header()).nest(PREFIX, routes)
}
