//! What stands for traces in a build without them: nothing that could ever be started.

use std::time::Duration;

use axum::http::HeaderMap;

use crate::config::TracesSection;
use crate::edge::Noted;

/// Traces of nothing.
#[derive(Clone)]
pub struct Traces;

/// The span of nothing.
pub struct Trace;

impl Traces {
    /// Refuses.
    ///
    /// # Errors
    /// A sentence for the operator, always.
    pub fn start(_: &TracesSection) -> Result<Self, String> {
        Err("telemetry.otlp_endpoint: this build has no otlp: build with --features otlp".to_owned())
    }

    /// Begins nothing.
    pub fn begin(&self, _: &HeaderMap, _: &'static str, _: &str, _: &str) -> Trace {
        Trace
    }

    /// Ends at once.
    pub async fn stop(self, _: Duration) {}
}

impl Trace {
    /// Ends nothing.
    pub fn end(self, _: u16, _: &Noted) {}
}
