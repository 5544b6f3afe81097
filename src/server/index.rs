//! The answers at `/`, and at known paths with a trailing slash.

use axum::Router;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::config::ServerSection;
use crate::edge::Failure;
use crate::{graphql, rest, web};

/// Paths outside of [`rest::PREFIX`] that are served without a slash at the end.
const PATHS: [&str; 5] = [graphql::PATH, graphql::SOCKET_PATH, "/healthz", "/readyz", "/metrics"];

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
pub(super) async fn no_route(uri: Uri) -> Response {
    let redirect = if has_known_path(&uri) { web::strip_trailing_slash(&uri) } else { None };
    redirect.unwrap_or_else(|| Failure::NoRoute.into_response())
}

/// Whether the path is a known one and a slash. Below [`rest::PREFIX`] every path counts as known.
fn has_known_path(uri: &Uri) -> bool {
    let Some(path) = uri.path().strip_suffix('/') else { return false };
    let is_rest = path.strip_prefix(rest::PREFIX).is_some_and(|rest| rest.starts_with('/'));
    is_rest || PATHS.contains(&path)
}
