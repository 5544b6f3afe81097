//! A change of the shared catalog: seen soon, and never half.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use super::LIST;
use crate::support::{World, eventually};

/// Gives every entry this description, as one revision of the catalog.
async fn describe_all(world: &World, text: &str) {
    let t = world.connect().await.begin().await.expect("begun");
    let described = if world.database.is_postgres() {
        format!("UPDATE integrations SET definition = jsonb_set(definition, '{{description}}', '\"{text}\"')")
    } else {
        format!("UPDATE integrations SET definition = json_set(definition, '$.description', '{text}')")
    };
    t.execute_unprepared(&described).await.expect("described");
    t.execute_unprepared("UPDATE catalog_revisions SET revision = revision + 1").await.expect("advanced");
    t.commit().await.expect("committed");
}

fn descriptions(items: &Value) -> BTreeSet<String> {
    let texts = items.as_array().expect("a list").iter().map(|item| item["description"].as_str().expect("text"));
    texts.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_sees_a_change_within_two_seconds_and_never_half_of_it() {
    let world = World::start().await;
    let served = world.serve().await;
    let wire = served.wire("acme").await;
    let document = "{ a: integrations(first: 200) { nodes { description } } b: integration(by: {name: \"stripe\"}) \
                    { description } c: integrations(last: 10) { nodes { description } } }";
    for round in 0..3 {
        let text = format!("round {round}");
        describe_all(&world, &text).await;
        let changed = Instant::now();
        eventually("the change is seen", Duration::from_secs(2), async || {
            let listed = descriptions(&wire.get(LIST).await.ok()["integrations"]);
            let data = wire.graphql(document, json!({})).await.data();
            let mut seen = descriptions(&data["a"]["nodes"]);
            seen.extend(descriptions(&data["c"]["nodes"]));
            seen.insert(data["b"]["description"].as_str().expect("text").to_owned());
            if round > 0 {
                assert_eq!((listed.len(), seen.len()), (1, 1), "of one revision: {listed:?} {seen:?}");
            }
            listed.contains(&text) && seen.contains(&text)
        })
        .await;
        assert!(changed.elapsed() < Duration::from_secs(2));
    }
    served.stop().await;
}

#[tokio::test]
async fn a_change_of_the_catalog_ends_every_tag_of_a_list_and_a_change_back_makes_it_good_again() {
    let world = World::start().await;
    let acme = world.account("acme");
    let refreshed = async |text: &str| {
        describe_all(&world, text).await;
        world.app.services().refresh_catalog().await.expect("refreshed");
        acme.get(LIST).await.header("etag").expect("tag").to_owned()
    };
    let (one, two) = (refreshed("one").await, refreshed("two").await);
    assert_ne!(one, two);
    let holder = acme.clone().header("if-none-match", &one);
    assert_eq!(descriptions(&holder.get(LIST).await.ok()["integrations"]), BTreeSet::from(["two".to_owned()]));
    assert_eq!(refreshed("one").await, one, "the tag is of what is said, not of how often it was changed");
    assert_eq!(holder.get(LIST).await.status, 304);
}
