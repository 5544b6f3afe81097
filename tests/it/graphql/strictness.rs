//! What a document and its answer may not do: `__typename` is a field like any other, errors are bounded, and answers
//! with secrets are not compressed.

use serde_json::json;

use super::{acme, assert_refused, errors, install};
use crate::support::{Client, PEPPER, World};

const NEWER: (&str, &str) = ("accept", "application/graphql-response+json");

#[tokio::test]
async fn typename_is_validated_like_any_field() {
    let (_world, acme) = acme().await;
    for document in [
        "{ __typename(x: 1) }",
        "{ __typename { y } }",
        "{ __typename @nope }",
        "{ __typename @include }",
        "{ __typename @include(if: 1) }",
        "{ __typename @include(if: true, x: 1) }",
        "{ __typename @include(if: $undefined) }",
        "query($n: Int!) { __typename @include(if: $n) }",
        "{ integrations(first: 1) { nodes { __typename @include(if: $undefined) } } }",
        "{ ...A } fragment A on Query { __typename @include(if: $undefined) }",
    ] {
        let answer = acme.graphql(document, json!({"n": 1})).await;
        assert_refused(&answer, 200, &answer.graphql_code());
        assert!(["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"].contains(&&*answer.graphql_code()), "{document}");
    }
}

#[tokio::test]
async fn variable_used_by_typename_alone_counts_as_used() {
    let (_world, acme) = acme().await;
    let document =
        "query Q($a: Boolean!) { __typename @include(if: $a) nativeTools { totalCount t: __typename @skip(if: $a) } }";
    for (a, expected) in [
        (true, json!({"__typename": "Query", "nativeTools": {"totalCount": 0}})),
        (false, json!({"nativeTools": {"totalCount": 0, "t": "NativeToolList"}})),
    ] {
        assert_eq!(acme.graphql(document, json!({"a": a})).await.data(), expected);
    }
}

#[tokio::test]
async fn answer_has_at_most_twenty_errors_and_the_number_of_the_others() {
    let (_world, acme) = acme().await;
    let unknown = |count: usize| {
        let words = (0..count).map(|n| format!("word{n} ")).collect::<String>();
        format!("{{ nativeTools {{ {words} }} }}")
    };
    for (count, listed) in [(20, 20), (21, 21), (2_000, 21)] {
        let answer = acme.graphql(&unknown(count), json!({})).await;
        assert_refused(&answer, 200, "GRAPHQL_VALIDATION_FAILED");
        let errors = errors(&answer);
        assert_eq!(errors.len(), listed);
        let last = errors[listed - 1]["message"].as_str().expect("a message");
        assert_eq!(last == format!("and {} more errors", count - 20), count > 20, "{last}");
        assert!(answer.body.len() < 8_192, "{} bytes", answer.body.len());
    }
}

#[tokio::test]
async fn persisted_query_is_refused_so_that_clients_send_the_query() {
    let (_world, acme) = acme().await;
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"}});
    let strict = acme.clone().header(NEWER.0, NEWER.1);
    let encoded: String = form_urlencoded::byte_serialize(extensions.to_string().as_bytes()).collect();
    for body in [
        json!({"extensions": extensions}),
        json!({"query": null, "extensions": extensions}),
        json!({"query": "", "extensions": extensions}),
    ] {
        let answer = acme.post("/graphql", &body).await;
        assert_refused(&answer, 200, "PERSISTED_QUERY_NOT_SUPPORTED");
        assert_eq!(errors(&answer)[0]["message"], "PersistedQueryNotSupported");
        assert_refused(&strict.post("/graphql", &body).await, 400, "PERSISTED_QUERY_NOT_SUPPORTED");
    }
    assert_refused(&acme.get(&format!("/graphql?extensions={encoded}")).await, 200, "PERSISTED_QUERY_NOT_SUPPORTED");
    let fallback = acme.post("/graphql", &json!({"query": "{ __typename }", "extensions": extensions})).await;
    assert_eq!(fallback.data(), json!({"__typename": "Query"}));
    assert_refused(&acme.post("/graphql", &json!({"extensions": {}})).await, 400, "BAD_USER_INPUT");
}

#[tokio::test]
async fn introspection_needs_a_credential_where_the_setting_says_so() {
    let token = "0123456789abcdef0123456789abcdef";
    let settings = [("auth.mode", "gateway"), ("auth.gateway_token", token), ("graphql.introspection", "credential")];
    let world = World::with(&settings).await;
    let nobody = Client::new(world.router(), None);
    let acme = Client::new(world.router(), Some("acme")).header("x-gateway-token", token);
    let schema = "{ __schema { queryType { name } } }";
    assert_refused(&nobody.graphql(schema, json!({})).await, 200, "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(nobody.graphql("{ __typename }", json!({})).await.data(), json!({"__typename": "Query"}));
    acme.graphql(schema, json!({})).await.data();
    let misspelt = acme.graphql("{ integration(by: {name: \"stripe\"}) { nam } }", json!({})).await;
    assert!(!misspelt.text().contains("Did you mean"), "{}", misspelt.text());
}

#[tokio::test]
async fn answers_with_secrets_are_not_compressed() {
    let world = World::with(&[("secrets.read_back", "true"), ("auth.pepper", PEPPER)]).await;
    let acme = world.account("acme").header("accept-encoding", "gzip");
    install(&world.account("acme"), "stripe", json!({"secrets": {"long": "s".repeat(2_000)}})).await;
    let padding = "x".repeat(90);
    let key = json!({"name": padding, "scopes": ["catalog:read"]});
    let mutation = format!(
        "mutation {{ createApiKey(input: {{name: \"{padding}\", scopes: [\"catalog:read\"]}}) {{ key apiKey {{ id name scopes createdAt }} }} }}"
    );
    for answer in [
        acme.post("/api/v1/integrations/stripe/secrets/read", &json!({})).await,
        acme.post("/api/v1/api-keys", &key).await,
        acme.graphql(&mutation, json!({})).await,
    ] {
        assert!(answer.status.is_success(), "{}", answer.text());
        assert_eq!(answer.header("content-encoding"), None);
    }
    let list = acme.get("/api/v1/integrations").await;
    assert_eq!(list.header("content-encoding"), Some("gzip"));
}
