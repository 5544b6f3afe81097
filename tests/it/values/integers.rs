//! An integer comes back as it was sent, or is refused.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use super::{MEETER, meter, metered};
use crate::graphql::socket::Socket;
use crate::support::World;

const RANGE: &str = "an integer goes from -9223372036854775808 to 18446744073709551615; send a larger one as a string";

#[tokio::test]
async fn rest_refuses_integer_beyond_64_bits_with_its_pointer() {
    let world = World::start().await;
    let acme = metered(&world, "acme").await;
    for number in ["18446744073709551616", "-9223372036854775809", "100000000000000000000000000000000"] {
        for (path, body, pointer) in [
            ("install", format!(r#"{{"params": {{"count": {number}}}}}"#), "/params/count"),
            ("install", format!(r#"{{"params": {{"deep": [{{"a/b": {number}}}]}}}}"#), "/params/deep/0/a~1b"),
            ("install", format!(r#"{{"secrets": {{"extra": {number}}}}}"#), "/secrets/extra"),
            ("validate", format!(r#"{{"params": {{"count": {number}}}}}"#), "/params/count"),
            ("install", format!(r#"{{"elsewhere": {number}}}"#), "/elsewhere"),
        ] {
            let answer = acme.post_text(&format!("{MEETER}/{path}"), body).await;
            assert_eq!((answer.status.as_u16(), answer.error_code()), (400, "bad_user_input"), "{pointer}");
            let problem = answer.json();
            assert_eq!(problem["errors"], json!([{"pointer": pointer, "detail": RANGE}]));
            assert_eq!(problem["detail"], json!(format!("The integer at {pointer} is out of range: {RANGE}")));
        }
    }
    assert_eq!(acme.get(MEETER).await.ok()["status"], "available", "nothing was stored");
}

#[tokio::test]
async fn definition_with_integer_beyond_64_bits_is_refused() {
    let world = World::start().await;
    let acme = world.account("acme").header("accept", super::PROBLEM);
    let mut definition = meter();
    definition["params"][2]["example"] = json!(1234);
    let text = definition.to_string().replace("1234", "18446744073709551616");
    let answer = acme.post_text("/api/v1/integrations", text.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.error_code()), (400, "bad_user_input"));
    assert_eq!(answer.json()["errors"][0]["pointer"], "/params/2/example");
    let query = "mutation($definition: JSONObject!) { createIntegration(input: {definition: $definition}) { integration { name } } }";
    let body = format!(r#"{{"query": {}, "variables": {{"definition": {text}}}}}"#, json!(query));
    let answer = acme.post_text("/graphql", body).await;
    assert_eq!((answer.status.as_u16(), &*answer.graphql_code()), (400, "BAD_USER_INPUT"));
}

/// Asserts that a request over HTTP is refused for its integer, and that nothing ran.
async fn assert_refused(client: &crate::support::Client, body: String) {
    let answer = client.post_text("/graphql", body.clone()).await;
    assert_eq!(answer.graphql_code(), "BAD_USER_INPUT", "{body}");
    let message = answer.json()["errors"][0]["message"].as_str().expect("a message").to_owned();
    assert!(message.ends_with(RANGE), "{message}");
    assert_eq!(answer.json().get("data"), None);
}

#[tokio::test]
async fn graphql_refuses_integer_beyond_64_bits_in_literal_and_variable() {
    let world = World::start().await;
    let acme = metered(&world, "acme").await;
    let install = |params: &str| {
        format!(
            "mutation {{ installIntegration(input: {{integration: {{name: \"acme_meter\"}}, {params}}}) {{ changed }} }}"
        )
    };
    for part in ["params: {count: 18446744073709551616}", "secrets: {extra: [-9223372036854775809]}"] {
        assert_refused(&acme, json!({"query": install(part)}).to_string()).await;
    }
    let query = json!("mutation($input: InstallIntegrationInput!) { installIntegration(input: $input) { changed } }");
    let variables = r#"{"input": {"integration": {"name": "acme_meter"}, "params": {"count": 18446744073709551616}}}"#;
    assert_refused(&acme, format!(r#"{{"query": {query}, "variables": {variables}}}"#)).await;
    let uri = "/graphql?query=query($x:Int){viewer:__typename}&variables=%7B%22x%22:18446744073709551616%7D";
    let answer = acme.send(Method::GET, uri, Body::empty()).await;
    assert_eq!((answer.status.as_u16(), &*answer.graphql_code()), (400, "BAD_USER_INPUT"));
    assert_eq!(acme.get(MEETER).await.ok()["status"], "available", "nothing ran");
    // The largest ones come back exactly, from both, and a string may hold any digits.
    let most = "params: {most: 18446744073709551615, least: -9223372036854775808, text: \"99999999999999999999\"}";
    let answer = acme.post("/graphql", &json!({"query": install(most)})).await;
    assert_eq!(answer.data()["installIntegration"]["changed"], true, "{}", answer.text());
    let text = acme.get(MEETER).await.text();
    for exact in
        ["\"most\":18446744073709551615", "\"least\":-9223372036854775808", "\"text\":\"99999999999999999999\""]
    {
        assert!(text.contains(exact), "{exact} in {text}");
    }
}

#[tokio::test]
async fn socket_closes_on_integer_beyond_64_bits() {
    let world = World::start().await;
    let served = world.serve().await;
    let mut socket = Socket::of(&served, "acme").await;
    let query: Value =
        json!("query($x: Float) { __typename @include(if: true) integrations(first: 1) { totalCount } }");
    let text = format!(
        r#"{{"id": "1", "type": "subscribe", "payload": {{"query": {query}, "variables": {{"x": 18446744073709551616}}}}}}"#
    );
    socket.send_text(&text).await;
    assert_eq!(socket.closed().await.0, 4400);
}

#[tokio::test]
async fn text_of_many_small_values_is_refused_by_both_apis() {
    let world = World::start().await;
    let acme = metered(&world, "acme").await;
    let dense = format!("[{}]", vec![r#"{"a":1}"#; 7_000].join(","));
    let answer = acme.post_text(&format!("{MEETER}/install"), format!(r#"{{"params": {{"x": {dense}}}}}"#)).await;
    assert_eq!((answer.status.as_u16(), answer.error_code()), (400, "bad_user_input"));
    let body =
        format!(r#"{{"query": "query($x: JSONObject) {{ __typename }}", "variables": {{"x": {{"y": {dense}}}}}}}"#);
    let answer = acme.post_text("/graphql", body).await;
    assert_eq!((answer.status.as_u16(), &*answer.graphql_code()), (400, "BAD_USER_INPUT"));
    let usual =
        json!({"params": {"rows": vec![json!({"id": 12345, "name": "a common name", "is_active": true}); 1_000]}});
    acme.post(&format!("{MEETER}/install"), &usual).await.ok();
    let payload = super::graphql(&acme, "installIntegration", "acme_meter", &usual).await;
    assert_eq!(payload["userErrors"], json!([]));
}
