//! What whoever watches a server is told: health, metrics and logs, none of which tells a secret or counts by account.

use std::path::Path;

use serde_json::{Value, json};

use crate::graphql::socket::{PROTOCOL, Socket};
use crate::support::{Process, Wire, World};

const INSTALL: &str = "/api/v1/integrations/stripe/install";

#[tokio::test]
async fn health_and_readiness_need_no_account_and_say_what_is_well() {
    let world = World::start().await;
    let nobody = world.nobody();
    let health = nobody.get("/healthz").await;
    assert_eq!((health.status.as_u16(), &*health.text()), (200, "ok\n"));
    let well = json!({"ready": true, "state": "serving", "database": "ok", "secrets": "ok"});
    assert_eq!(nobody.get("/readyz").await.ok(), well);
    assert_eq!(nobody.get("/readyz?strict=1").await.ok(), well);
}

#[tokio::test]
async fn pending_schema_steps_are_not_ready() {
    let world = World::start().await;
    world.sql("DELETE FROM schema_migrations WHERE version LIKE '%keys'").await;
    let answer = world.nobody().get("/readyz").await;
    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(answer.json()["database"], "unavailable");
    assert_eq!(world.nobody().get("/healthz").await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_schema_of_a_newer_version_keeps_old_replicas_serving_and_lets_them_start() {
    let world = World::start().await;
    world.sql("INSERT INTO schema_migrations (version, applied_at) VALUES ('m29990101_000001_future', 0)").await;
    assert_eq!(world.nobody().get("/readyz").await.status.as_u16(), 200);
    let beside = World::builder().beside(&world).await;
    assert_eq!(beside.nobody().get("/readyz").await.status.as_u16(), 200);
    beside.account("acme").post(INSTALL, &json!({"secrets": {"api_key": "sk_CANARY"}})).await.ok();
    assert_eq!(world.account("acme").get("/api/v1/integrations/stripe").await.ok()["status"], "installed");
    // One that lacks a step of its own as well is not ready.
    world.sql("DELETE FROM schema_migrations WHERE version LIKE '%own_entries'").await;
    // An earlier finding answers for half a second.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(world.nobody().get("/readyz").await.status.as_u16(), 503);
}

#[tokio::test]
async fn metrics_count_by_route_and_never_by_account_or_text_of_a_client() {
    let world = World::start().await;
    let acme = world.account("acme-canary");
    acme.get("/api/v1/integrations/stripe?search=CANARY").await.ok();
    acme.post(INSTALL, &json!({"secrets": {"api_key": "sk_CANARY"}})).await.ok();
    acme.get("/api/v1/integrations/CANARY").await;
    acme.get("/CANARY/no/such/route").await;
    acme.graphql("{ CANARY }", json!({})).await;
    let answer = world.nobody().get("/metrics").await;
    assert_eq!(answer.content_type(), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text();
    for line in [
        r#"patchbay_http_requests_total{method="GET",route="/api/v1/integrations/{id}",status="200"} 1"#,
        r#"patchbay_http_requests_total{method="GET",route="/api/v1/integrations/{id}",status="404"} 1"#,
        r#"patchbay_http_requests_total{method="POST",route="/api/v1/integrations/{id}/install",status="200"} 1"#,
        r#"patchbay_http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        "patchbay_http_requests_in_flight 1",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} not in\n{text}");
    }
    let statements = text.lines().find(|line| line.starts_with("patchbay_database_statements_total{outcome=\"ok\"}"));
    assert!(statements.is_some_and(|line| !line.ends_with(" 0")), "{text}");
    assert!(!text.to_lowercase().contains("canary"), "{text}");
}

#[tokio::test]
async fn off_a_terminal_each_log_line_is_an_object_and_carries_the_request_id() {
    let folder = tempfile::tempdir().expect("folder");
    let process = Process::serve(&["--data-dir", &folder.path().join("data").display().to_string()]);
    let answer = Wire::new(&process.url, "acme").get("/api/v1/integrations/stripe").await;
    let id = answer.header("x-request-id").expect("id").to_owned();
    answer.ok();
    let (_, log) = process.stop();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    let answered = lines.iter().find(|line| line["message"] == "answered").expect("a line for the request");
    assert!(answered.to_string().contains(&id), "{answered}");
    for (field, value) in
        [("method", json!("GET")), ("route", json!("/api/v1/integrations/{id}")), ("status", json!(200))]
    {
        assert_eq!(answered[field], value, "{answered}");
    }
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{log}");
}

/// The whole life of secrets, good and bad, at the finest level; then everything that was left behind is searched.
#[tokio::test]
async fn at_trace_level_neither_logs_nor_answers_nor_files_hold_a_secret() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("data");
    let data_dir = data.display().to_string();
    let process = Process::serve(&["--data-dir", &data_dir, "--set", "log.level=trace"]);
    let wire = Wire::new(&process.url, "acme");
    let mut told = String::new();
    for secrets in [
        json!({"api_key": "sk_CANARY_1", "own": {"CANARY_2": "CANARY_3"}}),
        json!({"api_key": "CANARY_wrong_form"}),
        json!({"api_key": ["CANARY"], "webhook_secret": 5}),
        json!({"large": "CANARY".repeat(15_000)}),
    ] {
        told += &wire.post(INSTALL, &json!({"params": {"n": 1}, "secrets": secrets})).await.text();
        let document = "mutation($input: InstallIntegrationInput!) { installIntegration(input: $input) { changed userErrors { message } integration { params } } }";
        let input = json!({"integration": {"name": "slack"}, "secrets": secrets});
        told += &wire.graphql(document, json!({ "input": input })).await.text();
    }
    for body in [
        r#"{"secrets": {"api_key": sk_CANARY}}"#,
        r#"{"secrets": "sk_CANARY"}"#,
        r#"{"secrets": {"api_key": "sk_CANARY"}"#,
    ] {
        told += &wire.post_text(INSTALL, body).await.text();
        told += &wire.post_text("/graphql", body).await.text();
    }
    for secrets in
        [r#"{api_key: "sk_CANARY_inline"}"#, r#"{api_key: "CANARY_bad"}"#, r#""sk_CANARY""#, "{api_key: CANARY}"]
    {
        let field = format!(r#"installIntegration(input: {{integration: {{name: "stripe"}}, secrets: {secrets}}})"#);
        for document in [
            format!("mutation {{ {field} {{ changed userErrors {{ message }} }} }}"),
            format!("mutation {{ {field} {{ nothing_like_that }} }}"),
            format!("mutation {{ {field} {{ changed "),
            format!("subscription {{ {field} {{ changed }} }}"),
        ] {
            told += &wire.graphql(&document, json!({})).await.text();
            let query: String = form_urlencoded::byte_serialize(document.as_bytes()).collect();
            told += &wire.get(&format!("/graphql?query={query}")).await.text();
        }
    }
    told += &wire.get("/api/v1/integrations?include=schemas").await.text();
    told += &wire.get("/metrics").await.text();
    assert!(!told.contains("CANARY"), "an answer told a secret");
    assert_eq!(wire.get("/api/v1/integrations/stripe").await.ok()["secret_names"], json!(["api_key", "own"]));
    // While the server runs, what was written last is in the write-ahead log.
    assert_free_of_canary(&data, &["patchbay.db", "patchbay.db-wal"]);
    let (stdout, log) = process.stop();
    assert!(log.lines().count() > 20, "{log}");
    assert!(!stdout.contains("CANARY") && !log.contains("CANARY"), "the log told a secret:\n{log}");
    assert_free_of_canary(&data, &["patchbay.db"]);
}

/// Every documented operation and every other route, method and path.
fn routes() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("an item").keys().map(|method| method.to_uppercase());
        methods.map(|method| (method, path.replace("{id}", "stripe"))).collect::<Vec<_>>()
    });
    let others = [
        "POST /graphql",
        "GET /graphql",
        "GET /graphql/ws",
        "GET /ui",
        "GET /graphiql",
        "GET /docs/",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /api/v1/openapi.json",
        "GET /CANARY/no/such/route",
    ];
    let others = others.map(|line| line.split_once(' ').expect("method and path"));
    operations.chain(others.map(|(method, path)| (method.to_owned(), path.to_owned()))).collect()
}

const CREDENTIALS: [(&str, &str); 5] = [
    ("authorization", "Bearer CANARY_token"),
    ("x-gateway-token", "CANARY_gateway"),
    ("cookie", "session=CANARY_cookie"),
    ("proxy-authorization", "Basic CANARY_proxy"),
    ("x-api-key", "CANARY_key"),
];
const QUERY: &str =
    "query CANARY($v: String = \"CANARY_default\") { integrations(search: $v) { CANARY_alias: totalCount } }";

#[tokio::test]
async fn at_trace_level_no_log_line_holds_a_credential_a_document_or_a_variable() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("data").display().to_string();
    let process = Process::serve(&["--data-dir", &data, "--set", "log.level=trace"]);
    let client =
        CREDENTIALS.iter().fold(Wire::new(&process.url, "acme"), |wire, (name, value)| wire.header(name, value));
    let foreign = client.clone().header("host", "CANARY.example").header("origin", "https://CANARY.example");
    let body = json!({"query": QUERY, "variables": {"v": "CANARY_variable"}, "operationName": "CANARY", "params": {"note": "CANARY_param"}}).to_string();
    let query: String = form_urlencoded::byte_serialize(QUERY.as_bytes()).collect();
    let routes = routes();
    assert!(routes.len() >= 16, "{routes:?}");
    for (method, path) in &routes {
        for (client, account) in [(&client, "acme"), (&client, "CANARY account"), (&foreign, "acme")] {
            let head = format!(
                "{method} {path}?query={query}&search=CANARY HTTP/1.1\r\nx-account-id: {account}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            );
            let answer = client.send(&head, &body).await;
            assert!(!answer.status.is_server_error(), "{method} {path}: {}", answer.status);
        }
    }
    let answered = client.post_text("/graphql", &body).await.data();
    assert_eq!(answered["integrations"]["CANARY_alias"], 0, "the document is run");
    let headers: Vec<_> = CREDENTIALS.into_iter().chain([PROTOCOL]).collect();
    let mut socket = Socket::open_at(process.url.trim_start_matches("http://"), &headers).await.expect("upgraded");
    socket.init(json!({"X-Account-ID": "acme", "Authorization": "Bearer CANARY"})).await;
    socket.answer("{ CANARY_alias: integrations(search: \"CANARY\") { totalCount } }").await;
    let (stdout, log) = process.stop();
    assert!(log.lines().filter(|line| line.contains("answered")).count() > 3 * routes.len(), "{log}");
    let telling = log.lines().chain(stdout.lines()).find(|line| line.contains("CANARY"));
    assert_eq!(telling, None);
}

fn assert_free_of_canary(folder: &Path, expected: &[&str]) {
    let mut seen = Vec::new();
    for file in std::fs::read_dir(folder).expect("folder") {
        let path = file.expect("file").path();
        let bytes = std::fs::read(&path).expect("bytes");
        assert!(!bytes.windows(6).any(|window| window == b"CANARY"), "{} holds a secret", path.display());
        seen.push(path.file_name().expect("name").to_string_lossy().into_owned());
    }
    for name in expected {
        assert!(seen.iter().any(|seen| seen == name), "{name} not among {seen:?}");
    }
}

#[tokio::test]
async fn a_long_method_is_logged_as_a_bounded_word() {
    let folder = tempfile::tempdir().expect("folder");
    let process = Process::serve(&["--data-dir", &folder.path().display().to_string(), "--set", "log.format=json"]);
    let method = "CANARY".repeat(1_000);
    Wire::new(&process.url, "acme").send(&format!("{method} /api/v1/integrations HTTP/1.1\r\n"), "").await;
    let metrics = Wire::new(&process.url, "acme").get("/metrics").await.text();
    let (_, log) = process.stop();
    let line = log.lines().find(|line| line.contains("answered")).expect("a line for the request");
    assert!(line.contains("\"method\":\"other\"") && line.len() < 1_000, "{line}");
    assert!(!log.contains("CANARY") && !metrics.contains("CANARY"));
}
