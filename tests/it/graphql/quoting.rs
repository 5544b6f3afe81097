//! No error quotes the document or a variable: either may hold a secret that was put in the wrong place.

use serde_json::{Value, json};

use super::{acme, assert_quotes_nothing, errors};

#[tokio::test]
async fn no_error_quotes_the_document() {
    let (_world, acme) = acme().await;
    for query in [
        // Syntax.
        "{ integration(by: {name: \"CANARY}) { id } }",
        "{ integration(by: {name: \"CANARY\" \"CANARY\"}) { id }",
        "CANARY { id }",
        "{ __typename } CANARY",
        "{ a(b: CANARY",
        "query CANARY { __typename } query CANARY { __typename }",
        "query CANARY { __typename } { __typename }",
        "{ ...CANARY } fragment CANARY on Query { __typename } fragment CANARY on Query { __typename }",
        "{ a(b: \"\\uD800CANARY\") }",
        "{ a(b: \"\"\"CANARY) }",
        // Names.
        "{ CANARY }",
        "{ CANARY { id } }",
        "{ CANARY: nothing }",
        "{ CANARY: __typename CANARY: nativeTools { totalCount } }",
        "{ CANARY: integrations(first: 1) { totalCount } CANARY: integrations(first: 2) { totalCount } }",
        "{ CANARY: integrations }",
        "{ CANARY: integrations { totalCount { id } } }",
        "{ integration(by: {name: \"stripe\"}) { CANARY } }",
        "{ integration(CANARY: 1) { id } }",
        "{ integration(by: {name: \"x\"}, CANARY: \"CANARY\") { id } }",
        "{ integration(by: {name: \"x\"}, by: {name: \"CANARY\"}) { id } }",
        "{ nativeTools @CANARY { totalCount } }",
        "{ nativeTools @skip(CANARY: true, if: true) { totalCount } }",
        "{ nativeTools @skip { totalCount } }",
        "{ nativeTools @skip(if: CANARY) { totalCount } }",
        "{ nativeTools @skip(if: \"CANARY\") { totalCount } }",
        "{ nativeTools @specifiedBy(url: \"CANARY\") { totalCount } }",
        "{ nativeTools @skip(if: true) @skip(if: \"CANARY\") { totalCount } }",
        "query @CANARY { __typename }",
        "query @skip(if: true) { __typename }",
        "{ ...CANARY }",
        "{ ...CANARY } fragment CANARY on Query { ...CANARY }",
        "{ ...CANARY } fragment CANARY on Integration { id }",
        "{ ...CANARY } fragment CANARY on IntegrationStatus { id }",
        "{ ...CANARY } fragment CANARY on CANARY { id }",
        "{ __typename } fragment CANARY on Query { __typename }",
        "{ ... on CANARY { id } }",
        "{ ... on Integration { CANARY } }",
        "query($CANARY: String) { __typename }",
        "query CANARY($CANARY: String) { __typename }",
        "query($CANARY: String, $CANARY: String) { integration(by: {name: $CANARY}) { id } }",
        "query($CANARY: CANARY) { integration(by: {name: $CANARY}) { id } }",
        "query($CANARY: Integration) { integration(by: {name: $CANARY}) { id } }",
        "query($CANARY: Int) { integration(by: {name: $CANARY}) { id } }",
        "query($CANARY: String!) { integration(by: {name: $CANARY}) { id } }",
        "query($CANARY: IntegrationRef!) { integration(by: $CANARY) { id } }",
        "query CANARY { integration(by: {name: $CANARY}) { id } }",
        "{ integration(by: $CANARY) { id } }",
        "{ nativeTools @skip(if: $CANARY) { totalCount } }",
        "query($CANARY: Boolean!) { nativeTools @skip(if: $CANARY) { totalCount } }",
        "query($CANARY: Int = \"CANARY\") { integrations(first: $CANARY) { totalCount } }",
        "query($x: IntegrationStatus = CANARY) { integrations(status: $x) { totalCount } }",
        "query($x: IntegrationRef! = {CANARY: 1}) { integration(by: $x) { id } }",
        "query($x: IntegrationRef! = CANARY) { integration(by: $x) { id } }",
        "subscription CANARY { CANARY }",
        "mutation CANARY { CANARY }",
        // Values.
        "{ integration(by: CANARY) { id } }",
        "{ integration(by: \"CANARY\") { id } }",
        "{ integration(by: [\"CANARY\"]) { id } }",
        "{ integration(by: {CANARY: \"CANARY\"}) { id } }",
        "{ integration(by: {name: CANARY}) { id } }",
        "{ integration(by: {name: [CANARY]}) { id } }",
        "{ integration(by: {name: {CANARY: \"CANARY\"}}) { id } }",
        "{ integration(by: {name: \"CANARY\", id: \"CANARY\"}) { id } }",
        "{ integration(by: {name: null, id: \"CANARY\"}) { id } }",
        "{ integrations(first: CANARY) { totalCount } }",
        "{ integrations(first: \"CANARY\") { totalCount } }",
        "{ integrations(first: [\"CANARY\"]) { totalCount } }",
        "{ integrations(first: {CANARY: 1}) { totalCount } }",
        "{ integrations(status: CANARY) { totalCount } }",
        "{ integrations(status: \"CANARY\") { totalCount } }",
        "{ integrations(status: [CANARY]) { totalCount } }",
        "{ integrations(status: \"x\\\"CANARY\\\"y\") { totalCount } }",
        "{ integrations(search: CANARY) { totalCount } }",
        "{ integrations(after: \"CANARY\") { totalCount } }",
        "{ node(id: CANARY) { id } }",
        "{ node(id: {CANARY: \"CANARY\"}) { id } }",
        "mutation { installIntegration(input: CANARY) { changed } }",
        "mutation { installIntegration(input: {integration: CANARY}) { changed } }",
        "mutation { installIntegration(input: {integration: {name: \"stripe\"}, secrets: CANARY}) { changed } }",
        "mutation { installIntegration(input: {integration: {name: \"stripe\"}, secrets: \"CANARY\"}) { changed } }",
        "mutation { installIntegration(input: {integration: {name: \"stripe\"}, secrets: {api_key: CANARY}}) { changed } }",
        "mutation { installIntegration(input: {integration: {name: \"stripe\"}, params: {CANARY: \"\\u0000CANARY\"}}) { changed } }",
        "mutation { installIntegration(input: {integration: {name: \"stripe\"}, CANARY: {}}) { changed } }",
    ] {
        let answer = acme.graphql(query, json!({})).await;
        assert!(!errors(&answer).is_empty(), "not refused: {query}: {}", answer.text());
        assert!(!answer.status.is_server_error(), "{query}: {}", answer.text());
        assert_quotes_nothing(&answer);
    }
}

#[tokio::test]
async fn no_error_quotes_a_variable() {
    let (_world, acme) = acme().await;
    let by = "query($v: IntegrationRef!) { integration(by: $v) { id } }";
    let name = "query($v: String!) { integration(by: {name: $v}) { id } }";
    let id = "query($v: ID!) { node(id: $v) { id } }";
    let first = "query($v: Int) { integrations(first: $v) { totalCount } }";
    let status = "query($v: IntegrationStatus) { integrations(status: $v) { totalCount } }";
    let after = "query($v: String) { integrations(after: $v) { totalCount } }";
    let skip = "query($v: Boolean!) { nativeTools @skip(if: $v) { totalCount } }";
    let secrets = "mutation($v: JSONObject) { installIntegration(input: {integration: {name: \"stripe\"}, secrets: $v}) { changed } }";
    let deep = (0..70).fold(json!("CANARY"), |inner, _| json!([inner]));
    for (query, value) in [
        (by, json!("CANARY")),
        (by, json!(["CANARY"])),
        (by, json!({"CANARY": "CANARY"})),
        (by, json!({"x\"CANARY\"y": 1})),
        (by, json!({"\"CANARY": 1})),
        (by, json!({"CANARY\"": 1})),
        (by, json!({"x\", CANARY, \"y": 1})),
        (by, json!({"name": "CANARY", "id": "CANARY"})),
        (by, json!({"name": {"CANARY": 1}})),
        (by, json!({"name": ["CANARY"]})),
        (by, json!({"name": null, "CANARY": 1})),
        (name, json!(["CANARY"])),
        (name, json!({"CANARY": "CANARY"})),
        (id, json!({"CANARY": "CANARY"})),
        (id, json!(["CANARY"])),
        (first, json!("CANARY")),
        (first, json!({"CANARY": 1})),
        (first, json!(9_007_199_254_740_991_i64)),
        (status, json!("CANARY")),
        (status, json!("x\"CANARY\"y")),
        (status, json!("\"CANARY")),
        (status, json!("CANARY\"")),
        (status, json!("\" CANARY \"")),
        (status, json!("AVAILABLE\" CANARY \"AVAILABLE")),
        (status, json!({"CANARY": 1})),
        (status, json!(["CANARY"])),
        (after, json!("CANARY")),
        (after, json!({"CANARY": ["CANARY"]})),
        (skip, json!("CANARY")),
        (skip, json!(null)),
        (secrets, json!("CANARY")),
        (secrets, json!(["CANARY"])),
        (secrets, json!({"CANARY": deep})),
    ] {
        let answer = acme.graphql(query, json!({"v": value})).await;
        assert!(!errors(&answer).is_empty(), "not refused: {query} {value}: {}", answer.text());
        assert!(!answer.status.is_server_error(), "{}", answer.text());
        assert_quotes_nothing(&answer);
        assert!(!answer.text().contains("9007199254740991"), "{}", answer.text());
    }
}

#[tokio::test]
async fn no_error_quotes_the_operation_name() {
    let (_world, acme) = acme().await;
    for query in ["{ __typename }", "query A { __typename }", "query A { __typename } query B { __typename }"] {
        for name in ["CANARY", "\"CANARY\"", "A\" CANARY \"B"] {
            let body = json!({"query": query, "operationName": name});
            let answer = acme.post("/graphql", &body).await;
            assert_eq!(answer.graphql_code(), "GRAPHQL_VALIDATION_FAILED", "{}", answer.text());
            assert_quotes_nothing(&answer);
        }
    }
}

#[tokio::test]
async fn errors_still_help() {
    let (_world, acme) = acme().await;
    for (query, variables, words) in [
        ("{ integration(by: {name: \"stripe\"}) { CANARY } }", json!({}), &["Unknown field", "Integration"][..]),
        ("{ integration(by: {name: 1}) { id } }", json!({}), &["Invalid value", "by.name", "String"]),
        ("{ integration(by: {}) { id } }", json!({}), &["Invalid value", "by", "exactly one"]),
        ("{ integrations(first: \"CANARY\") { totalCount } }", json!({}), &["Invalid value", "first", "Int"]),
        (
            "{ integrations(status: CANARY) { totalCount } }",
            json!({}),
            &["Invalid value", "status", "IntegrationStatus"],
        ),
        ("{ integrations(frist: 1) { totalCount } }", json!({}), &["Unknown argument", "integrations", "Query"]),
        ("{ integrations { totalCount", json!({}), &["Syntax error at line 1 column"]),
        ("query($v: Int!) { integrations(first: $v) { totalCount } }", json!({}), &["variable"]),
        ("{ integrations(first: 3000000000) { totalCount } }", json!({}), &["Invalid value", "2147483647"]),
    ] {
        let answer = acme.graphql(query, variables).await;
        let errors = errors(&answer);
        let message = errors[0]["message"].as_str().expect("text");
        assert!(words.iter().all(|word| message.contains(word)), "{query}: {message}");
        assert!(errors[0]["locations"].is_array() || errors[0]["path"] != Value::Null, "{}", errors[0]);
    }
}
