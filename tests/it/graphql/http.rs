//! GraphQL over HTTP: methods, media types, statuses, and requests that are not GraphQL.

use axum::body::Body;
use axum::http::Method;
use form_urlencoded::Serializer;
use serde_json::{Value, json};

use super::{acme, assert_field_failed, assert_refused, errors};
use crate::support::{Client, World};

const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
const LEGACY: &str = "application/json";
const TOTAL: &str = "{ integrations { totalCount } }";

fn get_path(parts: &[(&str, &str)]) -> String {
    format!("/graphql?{}", Serializer::new(String::new()).extend_pairs(parts).finish())
}

async fn installed(client: &Client) -> Value {
    let query = "{ integrations(status: INSTALLED) { nodes { name } } }";
    client.graphql(query, json!({})).await.data()["integrations"]["nodes"].take()
}

#[tokio::test]
async fn the_answer_has_the_media_type_that_is_preferred() {
    let (_world, acme) = acme().await;
    for (accept, media_type) in [
        (None, LEGACY),
        (Some("*/*"), LEGACY),
        (Some("application/*"), LEGACY),
        (Some(LEGACY), LEGACY),
        (Some("text/html"), LEGACY),
        (Some(GRAPHQL_RESPONSE), GRAPHQL_RESPONSE),
        (Some("Application/GraphQL-Response+JSON"), GRAPHQL_RESPONSE),
        (Some("application/graphql-response+json, application/json;q=0.9"), GRAPHQL_RESPONSE),
        (Some("application/json;q=0.9, application/graphql-response+json"), GRAPHQL_RESPONSE),
        (Some("application/graphql-response+json;q=0.4, application/json;q=0.5"), LEGACY),
        (Some("application/graphql-response+json;q=0, application/json"), LEGACY),
    ] {
        let client = accept.map_or_else(|| acme.clone(), |accept| acme.clone().header("accept", accept));
        let answer = client.graphql(TOTAL, json!({})).await;
        assert!(answer.data()["integrations"]["totalCount"].as_u64() > Some(0));
        assert_eq!(answer.content_type(), media_type, "{accept:?}");
    }
}

#[tokio::test]
async fn a_refused_document_is_400_in_the_newer_media_type_and_200_in_the_older() {
    let (_world, acme) = acme().await;
    for (query, code) in [
        ("{ integrations", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("fragment F on Query { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ integrations(search: 1) { totalCount } }", "BAD_USER_INPUT"),
    ] {
        for (accept, status) in [(GRAPHQL_RESPONSE, 400), (LEGACY, 200)] {
            let answer = acme.clone().header("accept", accept).graphql(query, json!({})).await;
            assert_refused(&answer, status, code);
            assert_eq!(answer.content_type(), accept);
        }
    }
}

#[tokio::test]
async fn an_error_of_a_field_is_200_in_both_media_types() {
    let (_world, acme) = acme().await;
    for accept in [GRAPHQL_RESPONSE, LEGACY] {
        let query = "{ integrations(first: 0) { totalCount } }";
        let answer = acme.clone().header("accept", accept).graphql(query, json!({})).await;
        assert_field_failed(&answer, "integrations", "BAD_USER_INPUT");
        assert_eq!(answer.json()["data"], Value::Null);
        assert_eq!(answer.content_type(), accept);
    }
}

#[tokio::test]
async fn queries_run_over_get() {
    let (_world, acme) = acme().await;
    let query = "query A { __typename } query B($name: String) { integration(by: {name: $name}) { name } }";
    let variables = "{\"name\": \"stripe\"}";
    let parts = [("query", query), ("operationName", "B"), ("variables", variables), ("extensions", "{}")];
    assert_eq!(acme.get(&get_path(&parts)).await.data(), json!({"integration": {"name": "stripe"}}));
    let empty = [("query", "{ __typename }"), ("operationName", ""), ("variables", ""), ("extensions", "")];
    assert_eq!(acme.get(&get_path(&empty)).await.data(), json!({"__typename": "Query"}));
    for parts in [
        &[][..],
        &[("query", "{ __typename }"), ("variables", "{")],
        &[("query", "{ __typename }"), ("variables", "[1]")],
        &[("query", "{ __typename }"), ("extensions", "\"CANARY\"")],
    ] {
        assert_refused(&acme.get(&get_path(parts)).await, 400, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn mutations_over_get_are_405_and_do_nothing() {
    let (_world, acme) = acme().await;
    let install = "installIntegration(input: {integration: {name: \"stripe\"}}) { changed }";
    let alone = format!("mutation {{ {install} }}");
    let named = format!("query Look {{ __typename }} mutation Change {{ {install} }}");
    for parts in [&[("query", alone.as_str())][..], &[("query", named.as_str()), ("operationName", "Change")]] {
        let answer = acme.get(&get_path(parts)).await;
        assert_refused(&answer, 405, "BAD_USER_INPUT");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    let look = acme.get(&get_path(&[("query", named.as_str()), ("operationName", "Look")])).await;
    assert_eq!(look.data(), json!({"__typename": "Query"}), "a mutation beside the selected query does not matter");
    assert_eq!(installed(&acme).await, json!([]));
}

#[tokio::test]
async fn subscriptions_are_not_served_over_http() {
    let (_world, acme) = acme().await;
    let query = "subscription { integrationChanged { name } }";
    assert_refused(&acme.graphql(query, json!({})).await, 400, "BAD_USER_INPUT");
    assert_refused(&acme.get(&get_path(&[("query", query)])).await, 400, "BAD_USER_INPUT");
}

#[tokio::test]
async fn other_methods_are_405() {
    let (_world, acme) = acme().await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = acme.send(method, "/graphql", Body::from("{}")).await;
        assert_refused(&answer, 405, "BAD_USER_INPUT");
        assert_eq!(answer.header("allow"), Some("GET, POST"));
    }
    assert_eq!(acme.send(Method::HEAD, "/graphql", Body::empty()).await.status, 405);
}

#[tokio::test]
async fn bodies_of_another_kind_are_415() {
    let (_world, acme) = acme().await;
    let json =
        json!({"query": "mutation { installIntegration(input: {integration: {name: \"stripe\"}}) { changed } }"});
    for content_type in [
        None,
        Some(""),
        Some("text/plain"),
        Some("text/plain;application/json"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/octet-stream"),
        Some("application/graphql"),
    ] {
        let client = content_type.map_or_else(|| acme.clone(), |kind| acme.clone().header("content-type", kind));
        let answer = client.send(Method::POST, "/graphql", Body::from(json.to_string())).await;
        assert_refused(&answer, 415, "BAD_USER_INPUT");
    }
    assert_eq!(installed(&acme).await, json!([]));
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        let client = acme.clone().header("content-type", content_type);
        client.send(Method::POST, "/graphql", Body::from(json!({"query": TOTAL}).to_string())).await.data();
    }
}

#[tokio::test]
async fn what_is_not_a_request_is_400() {
    let (_world, acme) = acme().await;
    for body in [
        "",
        "CANARY",
        "{\"query\": \"{ __typename }\"",
        "{\"query\": \"\\ud800\"}",
        "null",
        "\"{ __typename }\"",
        "[]",
        "[{\"query\": \"{ __typename }\"}, {\"query\": \"{ __typename }\"}]",
        "[[{\"query\": \"{ __typename }\"}]]",
        "{}",
        "{\"query\": null}",
        "{\"query\": 1}",
        "{\"query\": [\"CANARY\"]}",
        "{\"query\": \"{ __typename }\", \"variables\": []}",
        "{\"query\": \"{ __typename }\", \"variables\": \"CANARY\"}",
        "{\"query\": \"{ __typename }\", \"operationName\": {\"CANARY\": 1}}",
        "{\"query\": \"{ __typename }\", \"extensions\": [\"CANARY\"]}",
    ] {
        for accept in [LEGACY, GRAPHQL_RESPONSE] {
            let answer = acme.clone().header("accept", accept).post_text("/graphql", body).await;
            assert_refused(&answer, 400, "BAD_USER_INPUT");
        }
    }
    let invalid_utf8 = acme.post_text("/graphql", &b"{\"query\": \"\xff\"}"[..]).await;
    assert_refused(&invalid_utf8, 400, "BAD_USER_INPUT");
}

#[tokio::test]
async fn absent_parts_may_be_null_and_unknown_parts_are_ignored() {
    let (_world, acme) = acme().await;
    for extra in [
        json!({"variables": null, "operationName": null, "extensions": null}),
        json!({"operationName": "", "extensions": {"persistedQuery": {"version": 1}}, "more": [1]}),
    ] {
        let mut body = json!({"query": "{ __typename }"});
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        assert_eq!(acme.post("/graphql", &body).await.data(), json!({"__typename": "Query"}));
    }
}

#[tokio::test]
async fn a_malformed_account_is_400_even_for_introspection() {
    let world = World::start().await;
    for bad in [&b""[..], b"Acme", b"a b", b"-acme", b"ac\xffme", &[b'a'; 64]] {
        let client = world.nobody().header("x-account-id", bad);
        for accept in [LEGACY, GRAPHQL_RESPONSE] {
            let client = client.clone().header("accept", accept);
            assert_refused(&client.graphql("{ __typename }", json!({})).await, 400, "ACCOUNT_INVALID");
            assert_refused(&client.get("/graphql?query=%7B__typename%7D").await, 400, "ACCOUNT_INVALID");
        }
    }
    let twice = world.account("acme").header("x-account-id", "acme");
    assert_refused(&twice.graphql("{ __typename }", json!({})).await, 400, "ACCOUNT_INVALID");
    let before_the_body = world.account("Acme").post_text("/graphql", "nonsense").await;
    assert_refused(&before_the_body, 400, "ACCOUNT_INVALID");
    let after_the_route = world.account("Acme").send(Method::PUT, "/graphql", Body::empty()).await;
    assert_refused(&after_the_route, 405, "BAD_USER_INPUT");
}

#[tokio::test]
async fn the_body_and_the_document_have_a_largest_size() {
    let (_world, acme) = acme().await;
    let document = |bytes: usize| {
        let text = "{ __typename } #";
        format!("{text}{}", "x".repeat(bytes - text.len()))
    };
    acme.graphql(&document(65_536), json!({})).await.data();
    for accept in [LEGACY, GRAPHQL_RESPONSE] {
        let client = acme.clone().header("accept", accept);
        assert_refused(&client.graphql(&document(65_537), json!({})).await, 413, "QUERY_TOO_COMPLEX");
    }
    let body = |bytes: usize| {
        let body = json!({"query": "{ __typename }", "extensions": {"padding": ""}}).to_string();
        body.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - body.len())))
    };
    acme.post_text("/graphql", body(262_144)).await.data();
    assert_refused(&acme.post_text("/graphql", body(262_145)).await, 413, "QUERY_TOO_COMPLEX");
    let announced = acme.clone().header("content-length", "262145").post_text("/graphql", "{}").await;
    assert_refused(&announced, 413, "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn every_error_names_the_request() {
    let (world, acme) = acme().await;
    let named = acme.clone().header("x-request-id", "req-1");
    let several =
        named.graphql("{ a: integrations(first: 0) { totalCount } b: nothing c: alsoNothing }", json!({})).await;
    assert!(errors(&several).len() > 1, "{}", several.text());
    for answer in [
        several,
        named.post_text("/graphql", "nonsense").await,
        named.graphql("{", json!({})).await,
        world.nobody().header("x-request-id", "req-1").graphql(TOTAL, json!({})).await,
    ] {
        assert!(errors(&answer).iter().all(|error| error["extensions"]["requestId"] == "req-1"), "{}", answer.text());
    }
    let made = acme.graphql("{", json!({})).await;
    assert!(uuid::Uuid::try_parse(made.header("x-request-id").expect("an id")).is_ok());
    assert!(!errors(&made).is_empty());
}
