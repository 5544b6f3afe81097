//! Logs, metrics and traces.
//!
//! Our own events follow `log.level`. Libraries are never let past warn: at finer levels they print requests, frames and
//! statements, and with them what a client sent. No metric has an account as a label.

#[cfg(not(feature = "otlp"))]
mod no_traces;
#[cfg(feature = "otlp")]
mod traces;

use std::io::{IsTerminal, stderr};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

#[cfg(not(feature = "otlp"))]
pub use no_traces::{Trace, Traces};
#[cfg(feature = "otlp")]
pub use traces::{Trace, Traces};

use crate::config::{LogFormat, LogSection};
use crate::service::{AuditObserver, RightsObserver};
use crate::store::StatementObserver;
use crate::vault::{Observed, VaultObserver};

/// The driver's reader of URLs and password files: its warnings hold values of parameters, and lines of those files.
const SILENCED: &str = "sqlx_postgres::options";

/// Starts logging to standard error. A second call changes nothing.
pub fn init(settings: &LogSection) {
    let pretty = match settings.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let ours = EnvFilter::new(format!("warn,{SILENCED}=off,patchbay={}", settings.level));
    // A line that cannot be written, as on a full disk, must not end the request that wanted it.
    let output = tracing_subscriber::fmt::layer().with_writer(stderr).log_internal_errors(false);
    let output = if pretty {
        output.with_ansi(stderr().is_terminal()).with_target(false).boxed()
    } else {
        output.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    };
    let started = tracing_subscriber::registry().with(output.with_filter(ours)).try_init().is_ok();
    if started {
        panic::set_hook(Box::new(log_panic));
    }
}

/// The place alone: a panic's message may hold the value that caused it.
fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
    tracing::error!(place, "panic");
}

/// What is counted.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    statements: Family<Outcome, Counter>,
    statement_seconds: Counter<f64, AtomicU64>,
    key_calls: Family<KeyCall, Counter>,
    key_call_durations: Family<KeyOperation, Histogram, fn() -> Histogram>,
    open_breakers: Family<KeyService, Gauge>,
    key_lookups: Family<Lookup, Counter>,
    unopenable_keys: Gauge,
    reduced_events: Counter,
    unauthentic_keys: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the label's value as it is printed")]
enum Ended {
    ok,
    failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyCall {
    provider: &'static str,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyOperation {
    provider: &'static str,
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyService {
    provider: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lookup {
    found: &'static str,
}

/// From 0.25 ms, doubling, to about 8 s.
fn latencies() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("patchbay");
        let requests = Family::default();
        let durations = Family::new_with_constructor(latencies as fn() -> Histogram);
        let in_flight = Gauge::default();
        let statements = Family::default();
        let statement_seconds = Counter::default();
        let key_calls = Family::default();
        let key_call_durations = Family::new_with_constructor(latencies as fn() -> Histogram);
        let open_breakers = Family::default();
        let key_lookups = Family::default();
        let reduced_events = Counter::default();
        let unauthentic_keys = Counter::default();
        registry.register("build", "The running version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register_with_unit("http_request_duration", "Time to an answer", Unit::Seconds, durations.clone());
        registry.register("http_requests_in_flight", "Requests being worked on", in_flight.clone());
        registry.register("database_statements", "Statements run", statements.clone());
        registry.register_with_unit(
            "database_statement_time",
            "Time in statements",
            Unit::Seconds,
            statement_seconds.clone(),
        );
        registry.register(
            "key_service_calls",
            "Calls to key services, and those that were rejected",
            key_calls.clone(),
        );
        registry.register_with_unit(
            "key_service_call_duration",
            "Time of a call, with its second attempt",
            Unit::Seconds,
            key_call_durations.clone(),
        );
        registry.register("key_service_breaker_open", "1 while calls are rejected", open_breakers.clone());
        registry.register("data_key_lookups", "Data keys wanted, by whether memory had them", key_lookups.clone());
        let unopenable_keys = Gauge::default();
        registry.register(
            "data_keys_unopenable",
            "Data keys that no provider key of this server opens",
            unopenable_keys.clone(),
        );
        registry.register(
            "audit_events_without_names",
            "Audit events that lost their names to audit.max_bytes_per_day",
            reduced_events.clone(),
        );
        registry.register(
            "api_keys_not_authentic",
            "Look-ups of an API key whose row was changed in the database",
            unauthentic_keys.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            in_flight,
            statements,
            statement_seconds,
            key_calls,
            key_call_durations,
            open_breakers,
            key_lookups,
            unopenable_keys,
            reduced_events,
            unauthentic_keys,
        }
    }
}

impl Metrics {
    /// The OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// A request begins; it ends when the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.inc();
        InFlight(self.clone())
    }

    /// A request was answered. `method` is one of [`word`]'s, `route` a pattern of ours: neither is a client's own text.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        self.requests.get_or_create(&Request { method, route: route.to_owned(), status }).inc();
        self.durations.get_or_create(&Route { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// Counts the statements of a store.
    pub fn statement_observer(self: &Arc<Self>) -> StatementObserver {
        let metrics = self.clone();
        Arc::new(move |_, took, failed| {
            let outcome = if failed { Ended::failed } else { Ended::ok };
            metrics.statements.get_or_create(&Outcome { outcome }).inc();
            metrics.statement_seconds.inc_by(took.as_secs_f64());
        })
    }

    /// Counts the events that lose their names.
    pub fn audit_observer(&self) -> AuditObserver {
        let reduced_events = self.reduced_events.clone();
        Arc::new(move || {
            reduced_events.inc();
        })
    }

    /// Counts look-ups of API keys whose rows are not authentic.
    pub fn api_key_observer(self: &Arc<Self>) -> RightsObserver {
        let metrics = self.clone();
        Arc::new(move || {
            metrics.unauthentic_keys.inc();
        })
    }

    /// Counts what a vault does.
    pub fn vault_observer(self: &Arc<Self>) -> VaultObserver {
        let metrics = self.clone();
        Arc::new(move |observed| match observed {
            Observed::Unopenable { data_keys } => {
                metrics.unopenable_keys.set(i64::try_from(data_keys).unwrap_or(i64::MAX));
            }
            Observed::Lookup { is_hit } => {
                let found = if is_hit { "memory" } else { "nowhere" };
                metrics.key_lookups.get_or_create(&Lookup { found }).inc();
            }
            Observed::Call { provider, operation, outcome, took, is_open } => {
                metrics.key_calls.get_or_create(&KeyCall { provider, operation, outcome }).inc();
                metrics.open_breakers.get_or_create(&KeyService { provider }).set(is_open.into());
                if let Some(took) = took {
                    let duration = metrics.key_call_durations.get_or_create(&KeyOperation { provider, operation });
                    duration.observe(took.as_secs_f64());
                }
            }
        })
    }
}

/// A method in one of a few words: a client's own is no label.
pub fn word(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// A request being worked on.
pub struct InFlight(Arc<Metrics>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}
