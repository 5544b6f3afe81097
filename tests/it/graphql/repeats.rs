//! A document that is known is answered as one that is not: what was asked before changes nothing.

use serde_json::{Value, json};

use super::install;
use crate::support::{Answer, Client, World};

const LIST: &str = "query($n: Int = 2, $s: String, $yes: Boolean! = true) {
    integrations(first: $n, search: $s) { nodes { name status secretNames @include(if: $yes) } totalCount }
}";
const TWO: &str = "query A { integrations(first: 1) { totalCount } } query B($id: ID!) { node(id: $id) { id } }";
const DEAR: &str =
    "query($n: Int = 1) { a: integrations(first: $n) { edges { cursor node { id name tags category status docsUrl iconUrl params secretNames missingFields } } }
    b: integrations(first: $n) { edges { cursor node { id name tags category status description docsUrl iconUrl params secretNames missingFields } } } }";
const KIND: &str = "query($name: String!) { __type(name: $name) { fields { name type { name kind } } } }";

/// A document, the operation to run, and the variables.
fn questions() -> Vec<(&'static str, Option<&'static str>, Value)> {
    vec![
        (LIST, None, json!({})),
        (LIST, None, json!({"n": 1, "s": "pay"})),
        (LIST, None, json!({"n": 1, "yes": false})),
        (LIST, None, json!({"n": 0})),
        (LIST, None, json!({"n": "CANARY"})),
        (LIST, None, json!({"s": 7})),
        (LIST, None, json!({"yes": null})),
        (LIST, Some("CANARY"), json!({})),
        (TWO, Some("A"), json!({})),
        (TWO, Some("B"), json!({"id": "c5c44806-6981-5408-a812-edbd36c0eef2"})),
        (TWO, Some("B"), json!({"id": {"a": "CANARY"}})),
        (TWO, Some("B"), json!({})),
        (TWO, None, json!({})),
        (DEAR, None, json!({})),
        (DEAR, None, json!({"n": 10})),
        (DEAR, None, json!({"n": 200})),
        (KIND, None, json!({"name": "Integration"})),
        (KIND, None, json!({"name": "Query"})),
        (KIND, None, json!({"name": ["CANARY"]})),
    ]
}

async fn ask(client: &Client, document: &str, operation: Option<&str>, variables: &Value) -> (u16, Value) {
    let body = json!({"query": document, "operationName": operation, "variables": variables});
    let newer = client.clone().header("accept", "application/graphql-response+json");
    without_request_ids(&newer.post("/graphql", &body).await)
}

fn without_request_ids(answer: &Answer) -> (u16, Value) {
    let mut json = answer.json();
    for error in json["errors"].as_array_mut().into_iter().flatten() {
        error["extensions"].as_object_mut().expect("extensions").remove("requestId");
    }
    (answer.status.as_u16(), json)
}

#[tokio::test]
async fn a_known_document_is_answered_like_one_that_was_never_seen() {
    let world = World::start().await;
    let (acme, globex) = (world.account("acme"), world.account("globex"));
    install(&acme, "stripe", json!({"secrets": {"z": 1}})).await;
    let (mut refused, mut unseen) = (0, 0);
    for client in [&acme, &globex, &world.nobody()] {
        for (document, operation, variables) in questions() {
            unseen += 1;
            // A comment at the end makes a text that nobody sent before, and moves nothing.
            let fresh = ask(client, &format!("{document} # {unseen}"), operation, &variables).await;
            refused += usize::from(fresh.0 == 400);
            for _ in 0..2 {
                assert_eq!(ask(client, document, operation, &variables).await, fresh, "{document} {variables}");
            }
        }
    }
    assert_eq!(refused, 3 * 9, "what was refused at first");
    let [ours, theirs] = [
        ask(&acme, LIST, None, &json!({"s": "stripe"})).await,
        ask(&globex, LIST, None, &json!({"s": "stripe"})).await,
    ];
    assert_ne!(ours, theirs, "one document, two accounts");
}
