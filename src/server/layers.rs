//! What happens around every request, from the outside in: log and count, render failures, guard.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tracing::Instrument;
use tracing::field::Empty;

use crate::edge::{Failure, Noted, RequestId};
use crate::error::Error;
use crate::telemetry::{Metrics, Traces, word};
use crate::{graphql, rest};

/// Stands for every path that no route matches: a client's own text is no label.
const UNMATCHED: &str = "unmatched";

/// Who watches requests.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) metrics: Arc<Metrics>,
    pub(super) traces: Option<Traces>,
}

/// Logs the request in a line, counts it, and traces it if that is wanted.
pub(super) async fn observe(
    State(Watch { metrics, traces }): State<Watch>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let _in_flight = metrics.begin();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_owned();
    let trace = traces.filter(|_| !is_probe(&route)).map(|traces| {
        let noted = Noted::default();
        request.extensions_mut().insert(noted.clone());
        (traces.begin(request.headers(), word(&method), &route, &request_id), noted)
    });
    // Who asks is found out further in.
    let span = tracing::info_span!("request", %request_id, account = Empty, actor = Empty, actor_id = Empty);
    let response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    metrics.answered(&method, &route, status, took);
    if let Some((trace, noted)) = trace {
        trace.end(status, &noted);
    }
    let _entered = span.entered();
    let duration_ms = took.as_micros() as f64 / 1_000.0;
    if is_probe(&route) {
        tracing::debug!(%method, route, status, duration_ms, "answered");
    } else {
        tracing::info!(%method, route, status, duration_ms, "answered");
    }
    response
}

/// Gives a failure its body, in the form of the transport it came through, and logs it.
pub(super) async fn render(Extension(request_id): Extension<RequestId>, request: Request, next: Next) -> Response {
    let is_graphql = matches!(request.uri().path(), graphql::PATH | graphql::SOCKET_PATH);
    let headers = request.headers().clone();
    let response = next.run(request).await;
    let Some(failure) = response.extensions().get::<Arc<Failure>>().cloned() else { return response };
    failure.log();
    let mut rendered = if is_graphql {
        graphql::render(&failure, &headers, &request_id)
    } else {
        rest::render(&failure, &headers, &request_id)
    };
    // What the failing layer said beside its body, such as `Allow`.
    for (name, value) in response.headers() {
        if name == header::VARY {
            rendered.headers_mut().append(name, value.clone());
        } else if !rendered.headers().contains_key(name) {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    rendered
}

/// Bounds of every request.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) places: Arc<Semaphore>,
    pub(super) timeout: Duration,
    pub(super) max_header_bytes: usize,
}

/// Refuses what is too large or too much, ends what takes too long, and survives a panic.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if header_bytes(request.headers()) > guard.max_header_bytes {
        return Failure::HeadersTooLarge { limit: guard.max_header_bytes }.into_response();
    }
    let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str);
    // A probe must be answered when everything else is busy.
    let _place = if is_probe(route) {
        None
    } else {
        match guard.places.try_acquire() {
            Ok(place) => Some(place),
            Err(_) => return Failure::from(Error::Overloaded).into_response(),
        }
    };
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(guard.timeout, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            Failure::from(Error::Internal { cause: "panic; its place is logged".into() }).into_response()
        }
        Err(_elapsed) => Failure::from(Error::Timeout).into_response(),
    }
}

pub(super) fn is_probe(route: &str) -> bool {
    matches!(route, "/healthz" | "/readyz" | "/metrics")
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
