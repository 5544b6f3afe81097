//! The answers at `/`, and at known paths with a trailing slash.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::config::ServerSection;
use crate::edge::Failure;
use crate::{graphql, rest};

/// Starts of paths that are served without a slash at the end.
const PATHS: [&str; 5] = [rest::PREFIX, graphql::PATH, "/healthz", "/readyz", "/metrics"];

/// `/`: a browser is led to the gallery, anything else gets a list of what there is.
pub(super) fn router(settings: &ServerSection) -> Router {
    let has_gallery = settings.gallery;
    let index = index(settings).to_string();
    let answer = move |headers: HeaderMap| {
        let is_browser = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
        std::future::ready(if has_gallery && is_browser {
            Redirect::temporary("/ui").into_response()
        } else {
            let headers = [(header::CONTENT_TYPE, "application/json"), (header::VARY, "accept")];
            (headers, index.clone()).into_response()
        })
    };
    Router::new().route("/", get(answer))
}

/// Names and paths of what this server has.
fn index(settings: &ServerSection) -> Value {
    let prefix = &settings.path_prefix;
    let mut index = json!({
        "name": "patchbay",
        "rest": format!("{prefix}{}", rest::PREFIX),
        "graphql": format!("{prefix}{}", graphql::PATH),
        "openapi": format!("{prefix}{}/openapi.json", rest::PREFIX),
        "health": format!("{prefix}/healthz"),
    });
    for (name, path, is_served) in [
        ("gallery", "/ui", settings.gallery),
        ("graphiql", "/graphiql", settings.graphiql),
        ("docs", "/docs", settings.docs),
    ] {
        if is_served {
            index[name] = format!("{prefix}{path}").into();
        }
    }
    index
}

/// Redirects a known path with a trailing slash to the path without it. Method and body stay as they are.
pub(super) async fn no_route(request: Request) -> Response {
    let path = request.uri().path();
    let is_known = PATHS.iter().any(|known| path.starts_with(known));
    let Some(path) = path.strip_suffix('/').filter(|path| is_known && !path.ends_with('/')) else {
        return Failure::NoRoute.into_response();
    };
    let location = request.uri().query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    match HeaderValue::from_str(&location) {
        Ok(location) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response(),
        Err(_) => Failure::NoRoute.into_response(),
    }
}
