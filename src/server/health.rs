//! For whoever watches: is the process up, can it serve, what has it done.

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::Server;
use super::readiness::DatabaseState;

pub(super) fn router(server: Server) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(server)
}

/// 200 while requests can be served. A database that only answers reads, and secrets that cannot be stored or opened, are
/// reported and take the server out of a load balancer with `?strict=1` alone.
async fn ready(State(server): State<Server>, RawQuery(query): RawQuery) -> Response {
    let (readiness, services) = (server.readiness.clone(), server.services.clone());
    let looking_up = async move { readiness.database(&services).await };
    let database = server.workers.run(looking_up).await.unwrap_or_else(|| {
        tracing::warn!("not ready: every worker thread is busy");
        DatabaseState::Unavailable
    });
    let secrets = if server.services.can_seal() { "ok" } else { "degraded" };
    let is_strict = query.as_deref() == Some("strict=1");
    let can_serve = match is_strict {
        true => database == DatabaseState::Ok && secrets == "ok",
        false => database != DatabaseState::Unavailable,
    };
    let is_ready = can_serve && !server.is_draining();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let state = if server.is_draining() { "stopping" } else { "serving" };
    let found = json!({"ready": is_ready, "state": state, "database": database.as_str(), "secrets": secrets});
    (status, Json(found)).into_response()
}

async fn metrics(State(server): State<Server>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], server.metrics.encode()).into_response()
}
