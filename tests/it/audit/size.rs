//! The size of an event, and of an account's log within a day.

use serde_json::{Map, Value, json};

use super::{STRIPE, events, install, rows};
use crate::support::{Client, World};

/// Params under this many names of 128 letters.
fn params(count: usize, letter: &str) -> Value {
    let names = (0..count).map(|n| (format!("{n:03}{}", letter.repeat(125)), json!(0)));
    json!({"params": names.collect::<Map<_, _>>()})
}

fn bytes_of(fields: &Value) -> usize {
    fields.as_array().expect("a list").iter().map(|name| name.as_str().expect("text").len()).sum()
}

#[tokio::test]
async fn event_keeps_at_most_4_kib_of_names_and_counts_the_others() {
    let world = World::start().await;
    let acme = world.account("acme");
    install(&acme, STRIPE, params(200, "x")).await;
    install(&acme, STRIPE, params(200, "\u{e9}")).await;
    let log = events(&acme).await;
    for (event, total) in [(&log[0], 400), (&log[1], 200)] {
        let (fields, omitted) = (&event["fields"], event["fields_omitted"].as_u64().expect("a number"));
        assert!(bytes_of(fields) <= 4_096, "{}", bytes_of(fields));
        assert_eq!(fields.as_array().expect("a list").len() as u64 + omitted, total);
    }
    let query = "{ installationEvents(first: 2) { nodes { fields fieldsOmitted } } }";
    let nodes = acme.graphql(query, json!({})).await.data()["installationEvents"]["nodes"].take();
    for (node, event) in nodes.as_array().expect("a list").iter().zip(&log) {
        assert_eq!((&node["fields"], &node["fieldsOmitted"]), (&event["fields"], &event["fields_omitted"]));
    }
    install(&acme, STRIPE, json!({"params": {}, "secrets": {"api_key": "sk_CANARY"}})).await;
    assert_eq!(events(&acme).await[0]["fields"][0], "secrets.api_key", "secrets come first");
}

/// Replaces large params by others, 30 mutations in a request.
async fn alternate(client: &Client) {
    for n in 0..30 {
        install(client, STRIPE, params(200, if n % 2 == 0 { "x" } else { "y" })).await;
    }
}

#[tokio::test]
async fn log_of_a_day_is_bounded_and_every_change_has_its_event() {
    let world = World::with(&[("audit.max_bytes_per_day", "20000")]).await;
    let acme = world.account("acme");
    alternate(&acme).await;
    let log = events(&acme).await;
    assert_eq!(log.len(), 30, "no change goes unrecorded");
    let kept = log.iter().map(|event| bytes_of(&event["fields"])).sum::<usize>();
    assert!(kept <= 20_000, "{kept}");
    assert!(log[0]["fields"].as_array().expect("a list").is_empty());
    assert_eq!(log[0]["fields_omitted"], 400);
    assert!(!log[29]["fields"].as_array().expect("a list").is_empty(), "the first ones keep their names");
    // Others keep theirs.
    let other = world.account("other");
    install(&other, STRIPE, json!({"params": {"a": 1}})).await;
    assert_eq!(events(&other).await[0]["fields"], json!(["params.a"]));
    let metrics = world.nobody().get("/metrics").await.text();
    let line = metrics.lines().find(|line| line.starts_with("patchbay_audit_events_without_names_total"));
    let reduced: u64 = line.expect("the metric").rsplit(' ').next().expect("a number").parse().expect("a number");
    assert!((24..=28).contains(&reduced), "{reduced}");
}

#[tokio::test]
async fn log_without_a_limit_keeps_all_names() {
    let world = World::with(&[("audit.max_bytes_per_day", "0")]).await;
    let acme = world.account("acme");
    alternate(&acme).await;
    assert!(
        events(&acme)
            .await
            .iter()
            .all(|event| event["fields_omitted"].as_u64() > Some(0) && bytes_of(&event["fields"]) > 3_000)
    );
    assert!(rows(&world).await.len() < 30 * 12_000);
}
