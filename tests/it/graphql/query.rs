//! Asking for one integration, the stubs, and what the answers look like.

use serde_json::{Value, json};

use super::{acme, assert_field_failed, install};
use crate::support::World;

const ALL: &str = "id name displayName description category tags iconUrl docsUrl homepageUrl authKinds status
    installedAt params secretNames missingFields paramsSchema secretsSchema isCustom createdAt updatedAt";

#[tokio::test]
async fn an_entry_never_installed_has_the_whole_shape() {
    let (_world, acme) = acme().await;
    let query = format!("{{ integration(by: {{name: \"twilio\"}}) {{ {ALL} }} }}");
    let mut shown = acme.graphql(&query, json!({})).await.data()["integration"].take();
    for moment in ["createdAt", "updatedAt"] {
        assert!(shown[moment].as_str().is_some_and(|text| text.ends_with('Z')), "{shown}");
        shown[moment] = json!("[moment]");
    }
    assert_eq!(shown["paramsSchema"]["$schema"], "https://json-schema.org/draft/2020-12/schema");
    insta::assert_json_snapshot!(shown);
}

#[tokio::test]
async fn installing_shows_in_every_field_that_belongs_to_the_account() {
    let (world, acme) = acme().await;
    let supplied = json!({"params": {"account_sid": format!("AC{}", "0".repeat(32)), "huge": u64::MAX}, "secrets": {"z": 1, "a": {}}});
    install(&acme, "twilio", supplied.clone()).await;
    let query = "{ integration(by: {name: \"twilio\"}) { status installedAt params secretNames missingFields createdAt updatedAt } }";
    let shown = acme.graphql(query, json!({})).await.data()["integration"].take();
    assert_eq!(shown["status"], "INSTALLED");
    assert_eq!(shown["params"], supplied["params"], "whole numbers up to 2^64 - 1 come back exactly");
    assert_eq!(shown["secretNames"], json!(["a", "z"]));
    assert_eq!(shown["missingFields"], json!(["secrets.auth_token"]));
    assert!(shown["installedAt"].as_str().is_some_and(|text| text.ends_with('Z')), "{shown}");
    assert!(shown["updatedAt"].as_str() > shown["createdAt"].as_str(), "{shown}");
    let stranger = world.account("globex").graphql(query, json!({})).await.data()["integration"].take();
    assert_eq!(stranger["status"], "AVAILABLE");
    assert_eq!((&stranger["params"], &stranger["secretNames"]), (&json!({}), &json!([])));
    assert_eq!(stranger["installedAt"], Value::Null);
}

#[tokio::test]
async fn an_integration_is_found_by_id_and_by_name_and_nothing_else() {
    let (_world, acme) = acme().await;
    let by = |by: Value| {
        let acme = acme.clone();
        async move {
            let query = "query($by: IntegrationRef!) { integration(by: $by) { id name } }";
            acme.graphql(query, json!({"by": by})).await.data()["integration"].take()
        }
    };
    let stripe = by(json!({"name": "stripe"})).await;
    assert_eq!(stripe["name"], "stripe");
    let id = stripe["id"].as_str().expect("an id").to_owned();
    let plain = id.replace('-', "");
    assert_eq!(by(json!({"id": id})).await, stripe);
    assert_eq!(by(json!({"id": id.to_uppercase()})).await, stripe);
    for unknown in [
        json!({"name": "nobody"}),
        json!({"name": "STRIPE"}),
        json!({"name": ""}),
        json!({"name": " stripe"}),
        json!({"name": "stripe\0"}),
        json!({"name": id}),
        json!({"id": "stripe"}),
        json!({"id": ""}),
        json!({"id": 7}),
        json!({"id": plain}),
        json!({"id": format!("{{{id}}}")}),
        json!({"id": format!("urn:uuid:{id}")}),
        json!({"id": uuid::Uuid::new_v4()}),
    ] {
        assert_eq!(by(unknown.clone()).await, Value::Null, "{unknown}");
    }
}

#[tokio::test]
async fn a_node_is_found_by_its_id_alone() {
    let (_world, acme) = acme().await;
    let node = async |id: &str| {
        let query = "query($id: ID!) { node(id: $id) { __typename id ... on Integration { name status } } }";
        acme.graphql(query, json!({"id": id})).await.data()["node"].take()
    };
    let stripe = acme.graphql("{ integration(by: {name: \"stripe\"}) { id } }", json!({})).await.data();
    let id = stripe["integration"]["id"].as_str().expect("an id");
    let found = json!({"__typename": "Integration", "id": id, "name": "stripe", "status": "AVAILABLE"});
    assert_eq!(node(id).await, found);
    assert_eq!(node(&id.to_uppercase()).await, found);
    for unknown in ["stripe", "", "1", &id.replace('-', ""), &uuid::Uuid::new_v4().to_string()] {
        assert_eq!(node(unknown).await, Value::Null, "{unknown}");
    }
}

#[tokio::test]
async fn the_id_is_the_one_that_rest_uses() {
    let (_world, acme) = acme().await;
    let rest = acme.get("/api/v1/integrations/stripe").await.ok();
    let graphql = acme.graphql("{ integration(by: {name: \"stripe\"}) { id } }", json!({})).await.data();
    assert_eq!(graphql["integration"]["id"], rest["id"]);
}

#[tokio::test]
async fn the_stubs_are_empty() {
    let (_world, acme) = acme().await;
    let query =
        "{ mcpConnections { nodes { __typename } totalCount } nativeTools { nodes { __typename } totalCount } }";
    let empty = json!({"nodes": [], "totalCount": 0});
    assert_eq!(acme.graphql(query, json!({})).await.data(), json!({"mcpConnections": empty, "nativeTools": empty}));
}

#[tokio::test]
async fn every_field_needs_the_account_and_says_so() {
    let world = World::start().await;
    let id = uuid::Uuid::new_v4();
    for (field, selection) in [
        ("integrations", "integrations { totalCount }".to_owned()),
        ("integration", "integration(by: {name: \"nobody\"}) { id }".into()),
        ("installationEvents", "installationEvents { nodes { id } }".into()),
        ("mcpConnections", "mcpConnections { totalCount }".into()),
        ("nativeTools", "nativeTools { totalCount }".into()),
        ("node", format!("node(id: \"{id}\") {{ id }}")),
        ("node", "node(id: \"not an id\") { id }".into()),
    ] {
        let answer = world.nobody().graphql(&format!("{{ __typename {selection} }}"), json!({})).await;
        assert_field_failed(&answer, field, "ACCOUNT_REQUIRED");
        assert_eq!(answer.json()["errors"][0]["message"], "Missing X-Account-ID header");
    }
    for (field, answer) in [
        ("installIntegration", "mutation { installIntegration(input: {integration: {name: \"stripe\"}}) { changed } }"),
        (
            "uninstallIntegration",
            "mutation { uninstallIntegration(input: {integration: {name: \"stripe\"}}) { changed } }",
        ),
    ] {
        let answer = world.nobody().graphql(answer, json!({})).await;
        assert_field_failed(&answer, field, "ACCOUNT_REQUIRED");
        assert_eq!(answer.json()["data"], json!({field: null}));
    }
}

#[tokio::test]
async fn a_failed_nullable_field_leaves_its_siblings() {
    let world = World::start().await;
    let query = "{ a: integration(by: {name: \"stripe\"}) { name } type: __typename z: node(id: \"x\") { id } }";
    let answer = world.nobody().graphql(query, json!({})).await;
    assert_eq!(answer.json()["data"], json!({"a": null, "type": "Query", "z": null}));
    let paths: Vec<_> = super::errors(&answer).iter().map(|error| error["path"].clone()).collect();
    assert_eq!(paths, [json!(["a"]), json!(["z"])]);
}

#[tokio::test]
async fn a_failed_field_that_may_not_be_null_takes_its_parent_along() {
    let (_world, acme) = acme().await;
    let query = "{ kept: integration(by: {name: \"stripe\"}) { name } broken: integrations(first: 0) { totalCount } }";
    let answer = acme.graphql(query, json!({})).await;
    assert_field_failed(&answer, "broken", "BAD_USER_INPUT");
    assert_eq!(answer.json()["data"], Value::Null, "{}", answer.text());
}

#[tokio::test]
async fn keys_stand_in_the_order_of_the_query() {
    let (_world, acme) = acme().await;
    let query = "query($yes: Boolean!) { zeta: __typename ...More nativeTools { totalCount nodes { id } }
        alpha: integration(by: {name: \"stripe\"}) { status name ... on Integration { id } category name }
        last: nativeTools @skip(if: $yes) { __typename } middle: nativeTools @include(if: $yes) { __typename } }
        fragment More on Query { mcpConnections { totalCount } beta: __typename zeta: __typename }";
    let text = acme.graphql(query, json!({"yes": true})).await.text();
    let mut at = 0;
    for key in [
        "zeta",
        "mcpConnections",
        "beta",
        "nativeTools",
        "totalCount",
        "nodes",
        "alpha",
        "status",
        "name",
        "id",
        "category",
        "middle",
    ] {
        let found = text[at..].find(&format!("\"{key}\":"));
        at += found.unwrap_or_else(|| panic!("{key} is missing or out of order: {text}"));
    }
    let keys: Vec<_> = text.match_indices("\"name\":").collect();
    assert_eq!(keys.len(), 1, "a field selected twice is answered once: {text}");
}

#[tokio::test]
async fn skip_and_include_are_obeyed() {
    let (_world, acme) = acme().await;
    let query = "query($no: Boolean = false) { a: __typename @include(if: $no) b: __typename @skip(if: $no) ...F @include(if: $no) }
        fragment F on Query { nativeTools { totalCount } }";
    assert_eq!(acme.graphql(query, json!({})).await.data(), json!({"b": "Query"}));
}

/// A world that reads rows each time.
async fn forgetful() -> World {
    World::with(&[("database.account_cache_bytes", "0")]).await
}

#[tokio::test]
async fn twenty_aliases_of_one_field_cost_one_statement() {
    let world = forgetful().await;
    let acme = world.account("acme");
    install(&acme, "stripe", json!({})).await;
    let names = acme.graphql("{ integrations(first: 20) { nodes { id name } } }", json!({})).await.data();
    let nodes = names["integrations"]["nodes"].as_array().expect("nodes").clone();
    let fields = nodes.iter().enumerate().map(|(i, node)| match i % 3 {
        0 => format!("a{i}: node(id: {}) {{ id }} ", node["id"]),
        1 => format!("a{i}: integration(by: {{id: {}}}) {{ id status }} ", node["id"]),
        _ => format!("a{i}: integration(by: {{name: {}}}) {{ id status }} ", node["name"]),
    });
    let query = format!("{{ {} }}", fields.collect::<String>());
    let (answer, statements) = world.statements_of(acme.graphql(&query, json!({}))).await;
    let data = answer.data();
    for (i, node) in nodes.iter().enumerate() {
        assert_eq!(data[format!("a{i}")]["id"], node["id"]);
    }
    assert_eq!(statements.len(), 1, "{statements:#?}");
}

#[tokio::test]
async fn a_list_costs_one_statement_and_so_does_a_name_that_nobody_has() {
    let world = forgetful().await;
    let acme = world.account("acme");
    for (query, most) in [
        ("{ integrations { totalCount } }", 1),
        ("{ integrations { categoryCounts { count } } }", 1),
        (
            "{ integrations(first: 200) { totalCount categoryCounts { count } nodes { name status params missingFields } edges { cursor } } }",
            1,
        ),
        // It may be one of the account's own.
        ("{ integration(by: {name: \"nobody\"}) { id } node(id: \"x\") { id } }", 1),
        ("{ node(id: \"x\") { id } }", 0),
        ("{ nativeTools { totalCount } mcpConnections { totalCount } }", 0),
        ("{ __schema { types { name } } }", 0),
    ] {
        let (answer, statements) = world.statements_of(acme.graphql(query, json!({}))).await;
        answer.data();
        assert_eq!(statements.len(), most, "{query}: {statements:#?}");
    }
}
