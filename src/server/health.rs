//! For whoever watches: is the process up, can it serve, what has it done.

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::Server;

pub(super) fn router(server: Server) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(server)
}

/// 200 when requests can be served. Secrets that cannot be stored right now are told, but do not take the server out of
/// a load balancer, unless asked with `?strict=1`.
async fn ready(State(server): State<Server>, RawQuery(query): RawQuery) -> Response {
    let database = match server.services.check().await {
        Ok(()) => "ok",
        Err(error) => {
            tracing::warn!(cause = error.cause(), "not ready");
            "unavailable"
        }
    };
    let secrets = if server.services.can_seal() { "ok" } else { "degraded" };
    let strict = query.as_deref() == Some("strict=1");
    let is_ready = database == "ok" && !server.is_draining() && (secrets == "ok" || !strict);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let state = if server.is_draining() { "stopping" } else { "serving" };
    (status, Json(json!({"ready": is_ready, "state": state, "database": database, "secrets": secrets}))).into_response()
}

async fn metrics(State(server): State<Server>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], server.metrics.encode()).into_response()
}
