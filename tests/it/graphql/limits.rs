//! Each limit of a document is met, through its setting, and before anything costly is done.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{acme, assert_refused, errors};
use crate::support::{Client, World};

const FIELDS: &str = "id name displayName description category tags iconUrl docsUrl homepageUrl authKinds status
    installedAt params secretNames missingFields paramsSchema secretsSchema isCustom createdAt updatedAt";

async fn refused(client: &Client, query: &str) -> bool {
    let answer = client.graphql(query, json!({})).await;
    if answer.json().get("errors").is_none() {
        return false;
    }
    assert_refused(&answer, 200, "QUERY_TOO_COMPLEX");
    let strict = client.clone().header("accept", "application/graphql-response+json");
    assert_refused(&strict.graphql(query, json!({})).await, 400, "QUERY_TOO_COMPLEX");
    true
}

/// A world with another limit, and a client.
async fn limited(limit: &str, value: &str) -> (World, Client) {
    let world = World::with(&[(&format!("graphql.{limit}"), value)]).await;
    let client = world.account("acme");
    (world, client)
}

/// Introspection that nests as deep as asked.
fn types(depth: usize) -> String {
    assert!(depth >= 4);
    format!("{{ __schema {{ types {}name{} }} }}", "{ ofType ".repeat(depth - 3) + "{ ", " }".repeat(depth - 2))
}

fn aliases(count: usize) -> String {
    format!("{{ {} }}", (0..count).map(|i| format!("a{i}: __typename ")).collect::<String>())
}

#[tokio::test]
async fn depth_is_limited() {
    let (_world, acme) = acme().await;
    assert!(!refused(&acme, &types(16)).await);
    assert!(refused(&acme, &types(17)).await);
    let (_shallow_world, shallow) = limited("max_depth", "3").await;
    for (query, is_refused) in [
        ("{ integrations(first: 1) { nodes { id } } }", false),
        ("{ integrations(first: 1) { edges { node { id } } } }", true),
        (
            "{ integrations(first: 1) { ...A } } fragment A on IntegrationConnection { edges { ...B } } fragment B on IntegrationEdge { node { id } }",
            true,
        ),
        ("{ ... { ... { ... { integrations(first: 1) { nodes { id } } } } } }", false),
    ] {
        assert_eq!(refused(&shallow, query).await, is_refused, "{query}");
    }
}

#[tokio::test]
async fn one_page_of_two_hundred_with_all_fields_passes_and_two_do_not() {
    let (_world, acme) = acme().await;
    let page = |name: &str| {
        format!("{name}: integrations(first: 200) {{ nodes {{ {FIELDS} }} totalCount pageInfo {{ endCursor }} }}")
    };
    assert!(!refused(&acme, &format!("{{ {} }}", page("a"))).await);
    assert!(refused(&acme, &format!("{{ {} {} }}", page("a"), page("b"))).await);
    let of_edges =
        format!("{{ integrations(last: 200) {{ edges {{ cursor node {{ {FIELDS} }} }} nodes {{ {FIELDS} }} }} }}");
    assert!(refused(&acme, &of_edges).await);
}

#[tokio::test]
async fn complexity_is_limited() {
    // Ten for reading, one for the list, one for `nodes`, and ten times one field.
    let (_tight_world, tight) = limited("max_complexity", "22").await;
    for (query, is_refused) in [
        ("{ integrations(first: 10) { nodes { id } } }", false),
        ("{ integrations(last: 10) { nodes { id } } }", false),
        ("{ integrations(first: 11) { nodes { id } } }", true),
        ("{ integrations(last: 11) { nodes { id } } }", true),
        ("{ integrations(first: 10) { nodes { id name } } }", true),
        ("{ integrations { nodes { id } } }", true),
        (
            "{ integrations(first: 10) { ...A } } fragment A on IntegrationConnection { nodes { ...B } } fragment B on Integration { id name }",
            true,
        ),
        ("{ x: integrations(first: 10) { nodes { id } } }", false),
        ("query($n: Int = 11) { integrations(first: $n) { nodes { id } } }", true),
        ("query($n: Int = 10) { integrations(first: $n) { nodes { id } } }", false),
        ("query($n: Int) { integrations(first: $n) { nodes { id } } }", true),
        ("{ integrations(first: 10) { nodes { id } } __typename }", true),
    ] {
        assert_eq!(refused(&tight, query).await, is_refused, "{query}");
    }
    let query = "query($n: Int) { integrations(first: $n) { nodes { id } } }";
    tight.graphql(query, json!({"n": 10})).await.data();
    for n in [json!(11), json!(200), json!(i64::MAX)] {
        assert_refused(&tight.graphql(query, json!({"n": n})).await, 200, "QUERY_TOO_COMPLEX");
    }
}

#[tokio::test]
async fn aliases_are_limited() {
    let (_world, acme) = acme().await;
    assert!(!refused(&acme, &aliases(30)).await);
    assert!(refused(&acme, &aliases(31)).await);
    let spread = "{ ...A ...A } fragment A on Query { a: __typename b: __typename }";
    let (_few_world, few) = limited("max_aliases", "3").await;
    assert!(refused(&few, spread).await, "spread twice, counted twice");
    assert!(!refused(&few, &aliases(3)).await);
    let (_none_world, none) = limited("max_aliases", "0").await;
    assert!(refused(&none, &aliases(1)).await);
}

#[tokio::test]
async fn directives_are_limited() {
    let directives =
        |count: usize| (0..count).map(|i| format!("a{i}: __typename @skip(if: false) ")).collect::<String>();
    let (_world, acme) = acme().await;
    assert!(!refused(&acme, &format!("{{ {} }}", directives(10))).await);
    assert!(refused(&acme, &format!("{{ {} }}", directives(11))).await);
    let (_few_world, few) = limited("max_directives", "2").await;
    assert!(
        !refused(&few, "{ ...A ...A ...A } fragment A on Query { __typename @skip(if: false) }").await,
        "counted per document"
    );
    assert!(
        refused(&few, "{ ... @skip(if: false) { __typename @skip(if: false) ... @include(if: true) { __typename } } }")
            .await
    );
    assert!(refused(&few, &format!("query A {{ {} }} query B {{ {} }}", directives(2), directives(1))).await);
}

#[tokio::test]
async fn the_document_is_limited() {
    let (_small_world, small) = limited("max_document_bytes", "256").await;
    let of = |bytes: usize| format!("{{ __typename }}{}", " ".repeat(bytes - 14));
    small.graphql(&of(256), json!({})).await.data();
    let answer = small.graphql(&of(257), json!({})).await;
    assert_refused(&answer, 413, "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn the_headers_are_limited() {
    let world = World::with(&[("server.max_header_bytes", "1024")]).await;
    for path in ["/graphql?query=%7B__typename%7D", "/graphql/ws"] {
        let answer = world.account("acme").header("x-filler", "x".repeat(1_024)).get(path).await;
        assert_refused(&answer, 431, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn every_operation_of_the_document_is_counted() {
    let (_world, acme) = acme().await;
    let query = format!("query Small {{ __typename }} query Large {}", aliases(31));
    let answer = acme.post("/graphql", &json!({"query": query, "operationName": "Small"})).await;
    assert_refused(&answer, 200, "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn a_refused_document_does_nothing() {
    let (_world, acme) = acme().await;
    let mutation =
        |i: usize| format!("a{i}: installIntegration(input: {{integration: {{name: \"stripe\"}}}}) {{ changed }} ");
    let query = format!("mutation {{ {} }}", (0..31).map(mutation).collect::<String>());
    assert!(refused(&acme, &query).await);
    let shown = acme.graphql("{ integration(by: {name: \"stripe\"}) { status } }", json!({})).await.data();
    assert_eq!(shown["integration"]["status"], "AVAILABLE");
}

#[tokio::test]
async fn fragments_that_double_are_refused_at_once() {
    let (_world, acme) = acme().await;
    for leaf in ["__typename", "nativeTools { totalCount }", "x: __typename", "...nobody", "__typename @skip(if: true)"]
    {
        let mut query = format!("{{ ...f0 }} fragment f40 on Query {{ {leaf} }}");
        for i in 0..40 {
            query.push_str(&format!(" fragment f{i} on Query {{ ...f{} ...f{} }}", i + 1, i + 1));
        }
        assert!(within_a_second(&acme, &query).await.contains("QUERY_TOO_COMPLEX"), "{leaf}");
        let unused = query.replacen("{ ...f0 }", "{ __typename }", 1);
        assert!(!within_a_second(&acme, &unused).await.contains("\"data\""), "{leaf}");
        let nested = query.replace("...f", "... on Query { ...f").replace(" }", " } }");
        within_a_second(&acme, &nested).await;
    }
    let mut fields = "{ ...f0 } fragment f40 on Query { __typename }".to_owned();
    for i in 0..40 {
        fields.push_str(&format!(
            " fragment f{i} on Query {{ a{i}: __typename ...f{n} b{i}: __typename ...f{n} }}",
            n = i + 1
        ));
    }
    assert!(within_a_second(&acme, &fields).await.contains("QUERY_TOO_COMPLEX"));
}

#[tokio::test]
async fn fragments_in_a_circle_are_refused_at_once() {
    let (_world, acme) = acme().await;
    for query in [
        "{ ...a } fragment a on Query { ...a }",
        "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
        "{ ...a } fragment a on Query { integrations { nodes { ...b } } } fragment b on Integration { ...b }",
        "{ __typename } fragment a on Query { ...b } fragment b on Query { ...a }",
        "{ __typename } fragment a on Query { ... { ...a ...a } }",
    ] {
        let answer = within_a_second(&acme, query).await;
        assert!(answer.contains("GRAPHQL_VALIDATION_FAILED"), "{query}: {answer}");
    }
}

#[tokio::test]
async fn many_equal_fields_are_compared_in_time() {
    let (_world, acme) = acme().await;
    let repeated = format!("{{ {} }}", "__typename ".repeat(4_900));
    within_a_second(&acme, &repeated).await;
    let nested = format!("{{ {} }}", "nativeTools { totalCount totalCount } ".repeat(1_600));
    within_a_second(&acme, &nested).await;
}

async fn within_a_second(client: &Client, query: &str) -> String {
    let started = Instant::now();
    let answer = client.graphql(query, json!({})).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?} for {} bytes", started.elapsed(), query.len());
    assert!(!answer.status.is_server_error(), "{}", answer.text());
    for error in errors(&answer) {
        assert_ne!(error["extensions"]["code"], Value::Null);
    }
    answer.text()
}
