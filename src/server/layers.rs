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
use tracing::Instrument;
use tracing::field::Empty;

use super::peers::PeerLimitReached;
use crate::edge::{Bound, Failure, Noted, Permits, RequestId};
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
    // A client's own method may be of any length.
    let method = word(request.method());
    let route = route_of(&request).to_owned();
    let trace = traces.filter(|_| !is_probe(&route)).map(|traces| {
        let noted = Noted::default();
        request.extensions_mut().insert(noted.clone());
        (traces.begin(request.headers(), method, &route, &request_id), noted)
    });
    // Who asks is found out further in.
    let span = tracing::info_span!("request", %request_id, account = Empty, actor = Empty, actor_id = Empty);
    let response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    metrics.answered(method, &route, status, took);
    if let Some((trace, noted)) = trace {
        trace.end(status, &noted);
    }
    let _entered = span.entered();
    let duration_ms = took.as_micros() as f64 / 1_000.0;
    if is_probe(&route) {
        tracing::debug!(method, route, status, duration_ms, "answered");
    } else {
        tracing::info!(method, route, status, duration_ms, "answered");
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
    pub(super) timeout: Duration,
    pub(super) max_header_bytes: usize,
}

/// Refuses what is too large or too much, ends what takes too long, and survives a panic.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if header_bytes(request.headers()) > guard.max_header_bytes {
        return Failure::HeadersTooLarge { limit: guard.max_header_bytes }.into_response();
    }
    if request.extensions().get::<PeerLimitReached>().is_some() && !is_probe(route_of(&request)) {
        return Failure::from(Error::Overloaded).into_response();
    }
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(guard.timeout, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            Failure::from(Error::Internal { cause: "panic; its place is logged".into() }).into_response()
        }
        Err(_elapsed) => Failure::from(Error::Timeout).into_response(),
    }
}

/// Which callers of pages share which permits.
#[derive(Clone)]
pub(super) struct PagePermits {
    pub(super) work: Bound,
    /// In mode `open` callers need no credential.
    pub(super) is_open: bool,
}

/// Counts a request for a page among the requests that are worked on.
pub(super) async fn hold_permit(State(permits): State<PagePermits>, request: Request, next: Next) -> Response {
    let Some(permit) = permits.work.try_acquire(permits.is_open) else {
        return Failure::from(Error::Overloaded).into_response();
    };
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Permits::for_page(permit).shared());
    response
}

fn route_of(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str)
}

/// The paths of probes.
pub(super) const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

pub(super) fn is_probe(route: &str) -> bool {
    PROBES.contains(&route)
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
