//! Traces: one span per request, sent to an OpenTelemetry collector (OTLP over HTTP) in the background.
//!
//! A span has what the log line has: route, method, status, request id, account, and the operation's name. It never has a
//! document, a variable, a body, a query string, a header of the client's but the trace's id, or a statement.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use http_body_util::Full;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span, SpanKind, Status, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span as SdkSpan,
};
use tokio::runtime::Handle;

use crate::config::TracesSection;
use crate::edge::Noted;
use crate::outbound::{Outbound, is_exposed, service_url};

const PATH: &str = "/v1/traces";
/// For one batch.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer of a collector, in bytes.
const LARGEST: usize = 64 * 1024;
/// Spans that wait to be sent; more are dropped.
const QUEUE: usize = 2_048;
const BATCH: usize = 512;
const EVERY: Duration = Duration::from_secs(1);
const HEADER: &str = "traceparent";

/// Begins traces, and sends them. Cheap to clone.
#[derive(Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// The span of a request under way; it ends when dropped, too.
pub struct Trace(SdkSpan);

impl Traces {
    /// Gets ready to send. Nobody is asked yet: a collector may be away, now and later.
    ///
    /// # Errors
    /// A sentence for the operator when a setting cannot be used.
    pub fn start(settings: &TracesSection) -> Result<Self, String> {
        let uri = service_url(&settings.endpoint).map_err(|fault| format!("telemetry.otlp_endpoint {fault}"))?;
        if is_exposed(&uri) {
            tracing::warn!(
                "telemetry.otlp_endpoint does not start with https://: whoever is on the way reads the traces, and \
                 telemetry.otlp_headers"
            );
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new()?)
            .with_endpoint(format!("{}{PATH}", settings.endpoint.trim_end_matches('/')))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(SEND_TIMEOUT)
            .with_headers(headers(&settings.headers)?)
            .build()
            .map_err(|e| format!("telemetry.otlp_endpoint cannot be used: {e}"))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(EVERY)
            .build();
        let ratio = f64::from(settings.sample_permille) / 1_000.0;
        let resource = Resource::builder_empty()
            .with_service_name(settings.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
            .with_resource(resource)
            .build();
        Ok(Self { tracer: provider.tracer("patchbay"), provider })
    }

    /// Begins the span of a request, which goes on with the trace of whoever sent it. `route` is a pattern of ours, never
    /// a path of a client's; `method` one of a few words.
    pub fn begin(&self, headers: &HeaderMap, method: &'static str, route: &str, request_id: &str) -> Trace {
        let attributes = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("patchbay.request_id", request_id.to_owned()),
        ];
        let builder = self.tracer.span_builder(format!("{method} {route}"));
        let builder = builder.with_kind(SpanKind::Server).with_attributes(attributes);
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &ParentAlone(headers));
        Trace(self.tracer.build_with_context(builder, &parent))
    }

    /// Sends what still waits, for at most so long, and ends.
    pub async fn stop(self, within: Duration) {
        let sent = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(within)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent in time");
        }
    }
}

impl Trace {
    /// Ends the span of a request that was answered.
    pub fn end(mut self, status: u16, noted: &Noted) {
        self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if let Some(account) = noted.account() {
            self.0.set_attribute(KeyValue::new("patchbay.account", account.as_str().to_owned()));
        }
        if let Some(operation) = noted.operation() {
            let name = if operation.rest().is_empty() { operation.graphql() } else { operation.rest() };
            self.0.set_attribute(KeyValue::new("patchbay.operation", name));
        }
        if status >= 500 {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

/// Shows the trace's id alone: `tracestate` and baggage are any text that a client likes.
struct ParentAlone<'a>(&'a HeaderMap);

impl Extractor for ParentAlone<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == HEADER).then(|| self.0.get(HEADER)?.to_str().ok()).flatten()
    }

    fn keys(&self) -> Vec<&str> {
        vec![HEADER]
    }
}

/// `NAME=VALUE`, with commas between them.
fn headers(text: &str) -> Result<HashMap<String, String>, String> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    // What is wrong is not quoted: it may be a token.
    let read = |(number, pair): (usize, &str)| {
        let wrong = || format!("telemetry.otlp_headers: number {} is not NAME=VALUE", number + 1);
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        let is_fit = axum::http::HeaderName::try_from(name.trim()).is_ok()
            && axum::http::HeaderValue::try_from(value.trim()).is_ok();
        is_fit.then(|| (name.trim().to_owned(), value.trim().to_owned())).ok_or_else(wrong)
    };
    pairs.enumerate().map(read).collect()
}

/// Our own HTTP client. The library calls it from a thread of its own, where there is no runtime.
struct Client {
    http: std::sync::Arc<Outbound>,
    runtime: Handle,
    is_failing: AtomicBool,
}

impl Client {
    fn new() -> Result<Self, String> {
        let http = std::sync::Arc::new(Outbound::new(None, 1)?);
        let runtime = Handle::try_current().map_err(|e| e.to_string())?;
        Ok(Self { http, runtime, is_failing: AtomicBool::new(false) })
    }

    /// Told once, not with every batch.
    fn tell(&self, fault: Option<&str>) {
        let was_failing = self.is_failing.swap(fault.is_some(), Ordering::AcqRel);
        match fault {
            Some(cause) if !was_failing => tracing::warn!(cause, "traces cannot be sent, and are dropped"),
            None if was_failing => tracing::info!("traces are sent again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sending = async move { http.send(request.map(Full::new), LARGEST).await };
        let sent = self.runtime.spawn(async { tokio::time::timeout(SEND_TIMEOUT, sending).await }).await;
        let answer = match sent {
            Ok(Ok(answer)) => answer,
            Ok(Err(_elapsed)) => Err("the collector did not answer in time".to_owned()),
            // Nobody is there any more to be told.
            Err(_ended) => return Err("the server has ended".into()),
        };
        let fault = match &answer {
            Ok((status, _)) if status.is_success() => None,
            Ok((status, _)) => Some(format!("the collector answers {status}")),
            Err(fault) => Some(fault.clone()),
        };
        self.tell(fault.as_deref());
        let (status, body) = answer?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
