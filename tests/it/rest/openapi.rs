//! The document: as committed, as served, and as the server behaves.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use super::{INSTALL, LIST, PROBLEM, STRIPE, UNINSTALL};
use crate::support::{Answer, Client, World};

fn document() -> Value {
    patchbay::rest::document()
}

#[test]
fn the_committed_document_is_the_generated_one() {
    let committed = include_str!("../../../openapi.json");
    let printed = crate::support::Process::run(&["openapi"]);
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).expect("UTF-8");
    assert_eq!(committed, printed, "run `cargo run -- openapi > openapi.json`");
    assert_eq!(serde_json::from_str::<Value>(committed).expect("JSON"), document());
}

#[tokio::test]
async fn the_served_document_is_the_generated_one() {
    let world = World::start().await;
    let answer = world.nobody().get("/api/v1/openapi.json").await;
    assert_eq!(answer.content_type(), "application/json");
    assert_eq!(answer.ok(), document());
    assert_eq!(document()["openapi"].as_str().map(|version| &version[..4]), Some("3.1."));
}

#[test]
fn every_operation_says_who_it_is_and_asks_for_the_account() {
    let document = document();
    let ways = json!([{"account": [], "credentials": []}, {"credentials": []}, {"account": []}]);
    assert_eq!(document["security"], ways);
    let scheme = &document["components"]["securitySchemes"]["account"];
    assert_eq!((&scheme["in"], &scheme["name"]), (&json!("header"), &json!("X-Account-ID")));
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("no id: {method} {path}"));
            for text in ["summary", "description"] {
                assert!(operation[text].as_str().is_some_and(|text| !text.is_empty()), "{id}: {text}");
            }
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{id}");
            ids.push(id);
        }
    }
    ids.sort_unstable();
    assert_eq!(
        ids,
        [
            "createApiKey",
            "createIntegration",
            "deleteIntegration",
            "deprecateIntegration",
            "getIntegration",
            "getIntegrationDefinition",
            "installIntegration",
            "listApiKeys",
            "listEvents",
            "listIntegrations",
            "listMcpConnections",
            "listNativeTools",
            "purgeInstallationData",
            "readSecrets",
            "revokeApiKey",
            "uninstallIntegration",
            "updateIntegration",
            "validateInstallation",
        ]
    );
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = Vec::new();
    gather(&document, &mut references);
    assert!(references.len() > 100, "only {} were found", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads to another document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere: add it to the components");
    }
}

fn gather<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| gather(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, references)),
        _ => {}
    }
}

/// An operation's path in the document, and where a request to it goes.
const OPERATIONS: [(&str, &str, &str); 12] = [
    ("get", "/api/v1/integrations", LIST),
    ("get", "/api/v1/integrations/{id}", STRIPE),
    ("post", "/api/v1/integrations/{id}/install", INSTALL),
    ("post", "/api/v1/integrations/{id}/uninstall", UNINSTALL),
    ("post", "/api/v1/integrations/{id}/purge", "/api/v1/integrations/stripe/purge"),
    ("post", "/api/v1/integrations/{id}/secrets/read", "/api/v1/integrations/stripe/secrets/read"),
    ("get", "/api/v1/api-keys", "/api/v1/api-keys"),
    ("post", "/api/v1/api-keys", "/api/v1/api-keys"),
    ("post", "/api/v1/api-keys/{id}/revoke", "/api/v1/api-keys/8Fq2LmZx/revoke"),
    ("get", "/api/v1/events", "/api/v1/events"),
    ("get", "/api/v1/mcp-connections", "/api/v1/mcp-connections"),
    ("get", "/api/v1/native-tools", "/api/v1/native-tools"),
];

/// Requests that between them meet every status a client can cause.
async fn provoke(acme: &Client, nobody: &Client, method: &str, path: &str) -> Vec<Answer> {
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("method");
    let send = async |client: &Client, path: &str, body: &str| {
        client.send(method.clone(), path, Body::from(body.to_owned())).await
    };
    let absent = path.replace("/stripe", "/nobody_has_this");
    vec![
        send(acme, path, "").await,
        send(&acme.clone().header("if-none-match", "*"), path, "").await,
        send(nobody, path, "").await,
        send(&acme.clone().header("accept", PROBLEM), &format!("{path}?limit=0"), "[]").await,
        send(acme, &absent, "{}").await,
        send(&acme.clone().header("content-length", "300000"), path, "{}").await,
        send(&acme.clone().header("content-type", "text/plain"), path, "{}").await,
        send(acme, path, "{\"params\": {\"api_version\": 1}}").await,
        send(&acme.clone().header("accept", PROBLEM), path, "{\"params\": {\"api_version\": 1}}").await,
        send(acme, path, "{\"secrets\": {\"api_key\": \"sk_test_CANARY_1\"}}").await,
        send(acme, path, "{\"name\": \"x\", \"scopes\": [\"keys:read\"]}").await,
        send(acme, path, "{\"name\": \"\", \"scopes\": [\"keys:read\"]}").await,
        send(&acme.clone().header("x-large", "x".repeat(40_000)), path, "{}").await,
        send(acme, &format!("{path}?include=schemas&limit=3"), "").await,
    ]
}

#[tokio::test]
async fn every_answer_is_one_that_the_document_describes() {
    let document = document();
    let reading = [("secrets.read_back", "true")];
    let healthy = World::with(&reading).await;
    let keyless = World::builder().set(&reading).without_keys().start().await;
    // Nobody has the token, and who comes from there may do nothing.
    let token = "x".repeat(32);
    let gate = [("auth.mode", "gateway"), ("auth.gateway_token", &*token), ("auth.gateway_scopes", "catalog:write")];
    let gated = World::with(&gate).await;
    let cut_off = World::start().await;
    cut_off.app.store().close().await;
    let busy = World::with(&[("server.request_timeout_ms", "100")]).await;
    let limited = World::with(&[("limits.rate", "true"), ("limits.requests_per_minute", "1")]).await;
    let mut seen = BTreeMap::<&str, Vec<String>>::new();
    for (method, documented, path) in OPERATIONS {
        let operation = &document["paths"][documented][method];
        let mut answers = Vec::new();
        for world in [&healthy, &keyless, &cut_off, &limited, &gated] {
            answers.extend(provoke(&world.account("acme"), &world.nobody(), method, path).await);
        }
        let powerless = gated.account("acme").header("x-gateway-token", &token);
        answers.extend(provoke(&powerless, &gated.nobody(), method, path).await);
        if method == "post" {
            let endless = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
            answers.push(busy.account("acme").post_text(path, endless).await);
        }
        for answer in answers {
            let status = answer.status.as_str();
            let described = &operation["responses"][status];
            assert!(described.is_object(), "{method} {documented}: {status} is not documented");
            check_answer(&document, described, &answer, &format!("{method} {documented}: {status}"));
            seen.entry(documented).or_default().push(status.to_owned());
        }
    }
    // The requests above are worth something only if they meet what they are meant to.
    let mut statuses = seen.remove("/api/v1/integrations/{id}/install").expect("seen");
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, ["200", "400", "401", "403", "404", "413", "415", "422", "429", "431", "503", "504"]);
}

fn check_answer(document: &Value, described: &Value, answer: &Answer, at: &str) {
    for (name, _) in described["headers"].as_object().into_iter().flatten() {
        // A link is there only when another page is, limits are told only where there are any, repetitions only when it is
        // one, and how long to wait only when a request is under way.
        let is_optional = matches!(name.as_str(), "Link" | "Idempotency-Replayed")
            || (name.contains("RateLimit") && answer.status != 429)
            || (name == "Retry-After" && answer.status == 409);
        assert!(answer.header(name).is_some() || is_optional, "{at}: no {name}");
    }
    assert!(answer.header("retry-after").is_none() || described["headers"]["Retry-After"].is_object(), "{at}");
    let content = &described["content"];
    if answer.body.is_empty() {
        assert!(content.is_null() || answer.status == 304, "{at}: no body");
        return;
    }
    let kind = answer.content_type().split(';').next().expect("a type");
    let schema = &content[kind]["schema"];
    assert!(schema.is_object(), "{at}: {kind} is not documented");
    let value = if kind == "text/plain" { json!(answer.text()) } else { answer.json() };
    let whole = json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::options().should_validate_formats(true).build(&whole).expect("a schema");
    let faults: Vec<_> =
        validator.iter_errors(&value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{at}: {faults:#?}");
}

#[test]
fn every_example_of_a_body_fits_its_schema() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        let Some(example) = schema.get("example") else { continue };
        let whole = json!({"$ref": format!("#/components/schemas/{name}"), "components": document["components"]});
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).expect("a schema");
        let faults: Vec<_> = validator.iter_errors(example).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
}
