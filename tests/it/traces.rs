//! Traces, as a collector gets them; and requests, whatever the collector does.

#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_without_the_feature_refuses_the_setting_and_names_the_feature() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().display().to_string();
    let setting = "telemetry.otlp_endpoint=http://127.0.0.1:4318";
    let arguments = ["--data-dir", &data, "--listen", "127.0.0.1:0", "--set", setting];
    let output = crate::support::Process::run(&arguments);
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("telemetry.otlp_endpoint") && complaint.contains("--features otlp"), "{complaint}");
}

#[cfg(feature = "otlp")]
mod sent {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::trace::v1::{Span, span};
    use prost::Message;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use crate::support::{Process, Wire, World, eventually};

    const INSTALL: &str = "/api/v1/integrations/stripe/install";
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    /// Head and body of a request.
    type Received = (String, Vec<u8>);

    /// A collector that takes everything.
    #[derive(Clone, Default)]
    struct Collector {
        received: Arc<Mutex<Vec<Received>>>,
    }

    impl Collector {
        async fn listen() -> (Self, String) {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
            let url = format!("http://{}", listener.local_addr().expect("address"));
            let collector = Self::default();
            let accepting = collector.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(accepting.clone().serve(stream));
                }
            });
            (collector, url)
        }

        /// One request after the other, until the other side closes.
        async fn serve(self, mut stream: TcpStream) {
            let mut bytes = Vec::new();
            while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
                let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                let length: usize = length.expect("a length");
                if bytes.len() < end + 4 + length {
                    continue;
                }
                let body = bytes[end + 4..end + 4 + length].to_vec();
                bytes.drain(..end + 4 + length);
                self.received.lock().expect("unpoisoned").push((head, body));
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        }

        fn heads(&self) -> Vec<String> {
            self.received.lock().expect("unpoisoned").iter().map(|(head, _)| head.clone()).collect()
        }

        fn requests(&self) -> Vec<ExportTraceServiceRequest> {
            let received = self.received.lock().expect("unpoisoned");
            received.iter().map(|(_, body)| ExportTraceServiceRequest::decode(&body[..]).expect("OTLP")).collect()
        }

        fn spans(&self) -> Vec<Span> {
            let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
            resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
        }

        fn named(&self, name: &str) -> Span {
            let spans = self.spans();
            let found = spans.iter().find(|span| span.name == name);
            found.unwrap_or_else(|| panic!("no {name} in {spans:?}")).clone()
        }

        fn has_canary(&self) -> bool {
            let received = self.received.lock().expect("unpoisoned");
            received.iter().any(|(_, body)| {
                let text = String::from_utf8_lossy(body);
                text.contains("CANARY") || text.contains("PARAM_MARK")
            })
        }
    }

    fn attribute(span: &Span, key: &str) -> String {
        let found = span.attributes.iter().find(|attribute| attribute.key == key);
        match found.and_then(|attribute| attribute.value.as_ref()).and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_request_is_a_span_with_what_the_log_has_and_nothing_that_a_client_keeps_secret() {
        let (collector, url) = Collector::listen().await;
        let settings = [
            ("auth.mode", "open"),
            ("telemetry.otlp_endpoint", &*url),
            ("telemetry.otlp_headers", "authorization=Bearer CANARY-token, x-tenant=a"),
            ("telemetry.otlp_service_name", "shop"),
        ];
        let world = World::with(&settings).await;
        let served = world.serve().await;
        let wire = served.wire("acme").await;
        let traced = wire.clone().header("traceparent", &format!("00-{TRACE}-{PARENT}-01"));
        let traced = traced.header("tracestate", "vendor=CANARY").header("baggage", "user=CANARY");
        let traced = traced.header("x-request-id", "request-1");
        let body = json!({"params": {"note": "PARAM_MARK"}, "secrets": {"api_key": "sk_CANARY"}});
        traced.post(INSTALL, &body).await.ok();
        let document = r#"query CANARY($n: String!) { integrations(search: $n) { totalCount } integration(by: {name: "CANARY"}) { name } }"#;
        wire.graphql(document, json!({"n": "CANARY"})).await;
        wire.get("/api/v1/integrations?search=CANARY").await.ok();
        wire.get("/CANARY/path").await;
        wire.get("/readyz").await.ok();
        served.stop().await;

        let install = collector.named("POST /api/v1/integrations/{id}/install");
        assert_eq!((hex(&install.trace_id), hex(&install.parent_span_id)), (TRACE.into(), PARENT.into()));
        assert_eq!((install.kind, &*install.trace_state), (span::SpanKind::Server as i32, ""));
        assert!(install.end_time_unix_nano > install.start_time_unix_nano);
        for (key, value) in [
            ("http.request.method", "POST"),
            ("http.route", "/api/v1/integrations/{id}/install"),
            ("http.response.status_code", "200"),
            ("patchbay.request_id", "request-1"),
            ("patchbay.account", "acme"),
            ("patchbay.operation", "installIntegration"),
        ] {
            assert_eq!(attribute(&install, key), value, "{key}");
        }
        assert_eq!(install.attributes.len(), 6, "{:?}", install.attributes);
        assert!(install.events.is_empty() && install.links.is_empty());
        let graphql = collector.named("POST /graphql");
        assert_eq!(attribute(&graphql, "patchbay.operation"), "listIntegrations");
        assert_ne!(hex(&graphql.trace_id), TRACE, "nobody sent it on");
        assert_eq!(attribute(&collector.named("GET unmatched"), "http.response.status_code"), "404");
        assert_eq!(collector.spans().len(), 4, "probes are not traced");
        let resource = collector.requests()[0].resource_spans[0].resource.clone().expect("resource");
        assert!(format!("{resource:?}").contains("shop"), "{resource:?}");
        assert!(collector.heads()[0].contains("authorization: bearer canary-token"), "{:?}", collector.heads());
        assert!(collector.heads()[0].starts_with("post /v1/traces "));
        assert!(!collector.has_canary());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_sends_a_request_on_decides_whether_it_is_traced_and_the_share_decides_otherwise() {
        let (collector, url) = Collector::listen().await;
        let settings =
            [("auth.mode", "open"), ("telemetry.otlp_endpoint", &*url), ("telemetry.otlp_sample_permille", "0")];
        let world = World::with(&settings).await;
        let served = world.serve().await;
        let wire = served.wire("acme").await;
        wire.get("/api/v1/integrations").await.ok();
        wire.clone().header("traceparent", &format!("00-{TRACE}-{PARENT}-00")).get("/api/v1/integrations").await.ok();
        for malformed in ["", "00-00-00-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "é"] {
            wire.clone().header("traceparent", malformed).get("/api/v1/integrations").await.ok();
        }
        let sampled = wire.header("traceparent", &format!("00-{TRACE}-{PARENT}-01"));
        sampled.get("/api/v1/integrations/stripe").await.ok();
        served.stop().await;
        let names: Vec<_> = collector.spans().into_iter().map(|span| span.name).collect();
        assert_eq!(names, ["GET /api/v1/integrations/{id}"]);
    }

    /// Requests are answered as ever, and the server stops in time.
    async fn assert_unharmed(url: &str) {
        let settings = [
            ("auth.mode", "open"),
            ("telemetry.otlp_endpoint", url),
            ("server.drain_timeout_ms", "1500"),
            ("telemetry.otlp_headers", "a=b"),
        ];
        let world = World::with(&settings).await;
        let served = world.serve().await;
        let wire = served.wire("acme").await;
        let started = Instant::now();
        // More than wait to be sent at most.
        let client = world.account("acme");
        for _ in 0..2_500 {
            client.get("/api/v1/integrations/stripe").await.ok();
        }
        wire.post(INSTALL, &json!({"secrets": {"api_key": "sk_CANARY"}})).await.ok();
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
        let stopping = Instant::now();
        served.stop().await;
        assert!(stopping.elapsed() < Duration::from_secs(4), "{:?}", stopping.elapsed());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collector_that_is_not_there_holds_nothing_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        drop(listener);
        assert_unharmed(&url).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collector_that_hangs_holds_nothing_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let held = tokio::spawn(async move {
            let mut streams = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                streams.push(stream);
            }
        });
        assert_unharmed(&url).await;
        held.abort();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_outage_of_the_collector_is_logged_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("address");
        drop(listener);
        let folder = tempfile::tempdir().expect("folder");
        let (data, setting) = (folder.path().join("data"), format!("telemetry.otlp_endpoint=http://{address}"));
        let process = Process::serve(&["--data-dir", &data.display().to_string(), "--set", &setting]);
        let wire = Wire::new(&process.url, "acme");
        wire.get("/api/v1/integrations/stripe").await.ok();
        let deadline = Duration::from_secs(20);
        eventually("it is told", deadline, async || process.log().contains("traces cannot be sent")).await;
        let (_, log) = process.stop();
        assert_eq!(log.matches("traces cannot be sent").count(), 1, "{log}");
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused_without_being_quoted() {
        let folder = tempfile::tempdir().expect("folder");
        let data = folder.path().display().to_string();
        for (endpoint, headers, sentence) in [
            ("ftp://a", "a=b", "must start with https://"),
            ("http://127.0.0.1:1", "a=b,CANARY", "number 2 is not"),
            ("http://127.0.0.1:1", "a b=CANARY", "number 1 is not"),
        ] {
            let endpoint = format!("telemetry.otlp_endpoint={endpoint}");
            let arguments = ["--data-dir", &data, "--listen", "127.0.0.1:0", "--set", &endpoint];
            let output = Process::run_with(&arguments, &[("PATCHBAY_TELEMETRY__OTLP_HEADERS", headers)]);
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{complaint}");
            assert!(complaint.contains(sentence) && !complaint.contains("CANARY"), "{complaint}");
        }
    }
}
