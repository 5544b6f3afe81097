//! Random bodies: a validation says what the install that follows it comes to, over either API.
//!
//! 300 bodies; 20,000 with `LONG_TESTS=1`.

use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::{MEETER, graphql, metered};
use crate::support::{Client, World};

const NAMES: [&str; 12] =
    ["site", "user", "count", "level", "api_key", "password", "in_body", "apikey", "Site", "a/b~c", "", "\u{e9}\n"];

fn value() -> impl Strategy<Value = Value> {
    let texts = ["", " ", "high", "sk_x", "a\nb", "a\tb", "\u{7f}", "\u{85}", "\u{a0}", "zo\u{eb}", "443"];
    let leaf = prop_oneof![
        select(texts.to_vec()).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!(1.5)),
        Just(Value::Null),
        "[^\0]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-z]{0,3}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn part() -> impl Strategy<Value = Option<Map<String, Value>>> {
    let names = select(NAMES.map(str::to_owned).to_vec());
    prop_oneof![
        1 => Just(None),
        4 => btree_map(names, value(), 0..5).prop_map(|map| Some(map.into_iter().collect())),
    ]
}

fn body() -> impl Strategy<Value = Value> {
    (part(), part()).prop_map(|(params, secrets)| {
        let mut body = Map::new();
        body.extend(params.map(|params| ("params".to_owned(), params.into())));
        body.extend(secrets.map(|secrets| ("secrets".to_owned(), secrets.into())));
        body.into()
    })
}

async fn compare(client: &Client, body: &Value) {
    let verdict = client.post(&format!("{MEETER}/validate"), body).await.ok();
    let over_graphql = graphql(client, "validateInstallation", "acme_meter", body).await;
    for (rest, other) in [("valid", "valid"), ("missing_fields", "missingFields"), ("unknown_fields", "unknownFields")]
    {
        assert_eq!(verdict[rest], over_graphql[other], "{body}");
    }
    let problems = |errors: &Value, rule: &str| {
        let errors = errors.as_array().expect("a list").iter();
        errors.map(|error| (error["pointer"].clone(), error[rule].clone())).collect::<Vec<_>>()
    };
    assert_eq!(problems(&verdict["errors"], "detail"), problems(&over_graphql["userErrors"], "message"), "{body}");
    let installed = client.post(&format!("{MEETER}/install"), body).await;
    assert_eq!(verdict["valid"], installed.status.is_success(), "{body} {}", installed.text());
    let installed = installed.json();
    if verdict["valid"] == true {
        assert_eq!(verdict["missing_fields"], installed["integration"]["missing_fields"], "{body}");
        assert_eq!(verdict["unknown_fields"], installed["unknown_fields"], "{body}");
        if let Some(params) = body.get("params") {
            assert_eq!(&installed["integration"]["params"], params, "params come back as they were sent");
        }
    } else {
        assert_eq!(verdict["errors"], installed["errors"], "{body}");
    }
}

#[tokio::test]
async fn validation_agrees_with_the_install_that_follows() {
    let world = World::start().await;
    let acme = metered(&world, "acme").await;
    let count = if std::env::var_os("LONG_TESTS").is_some() { 20_000 } else { 300 };
    let mut runner = TestRunner::new(Config::default());
    let bodies = body();
    for _ in 0..count {
        let body = bodies.new_tree(&mut runner).expect("a body").current();
        compare(&acme, &body).await;
    }
}

#[tokio::test]
async fn answer_lists_at_most_100_problems() {
    let world = World::start().await;
    let acme = metered(&world, "acme").await;
    let secrets: Map<_, _> = (0..2_000).map(|n| (format!("bad name {n:04}"), Value::Null)).collect();
    let body = json!({ "secrets": secrets });
    for path in ["install", "validate"] {
        let answer = acme.post(&format!("{MEETER}/{path}"), &body).await;
        let errors = answer.json()["errors"].as_array().cloned().expect("a list");
        assert_eq!((errors.len(), &errors[100]["detail"]), (101, &json!("and 1900 more problems")), "{path}");
        assert!(answer.body.len() < 40_000, "{}", answer.body.len());
    }
    let payload = graphql(&acme, "installIntegration", "acme_meter", &body).await;
    assert_eq!(payload["userErrors"].as_array().map(Vec::len), Some(101));
}
