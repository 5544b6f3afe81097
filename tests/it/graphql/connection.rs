//! The list of integrations: filters, counts, and pages in both directions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{acme, assert_field_failed, install};
use crate::support::Client;

const PAGE: &str = "query($first: Int, $after: String, $last: Int, $before: String, $category: String, $status: IntegrationStatus, $search: String) {
    integrations(first: $first, after: $after, last: $last, before: $before, category: $category, status: $status, search: $search) {
        nodes { name } edges { cursor node { name } } totalCount categoryCounts { category count }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}";

async fn page(client: &Client, variables: Value) -> Value {
    client.graphql(PAGE, variables).await.data()["integrations"].take()
}

fn names(page: &Value) -> Vec<String> {
    let nodes = page["nodes"].as_array().expect("nodes");
    nodes.iter().map(|node| node["name"].as_str().expect("a name").to_owned()).collect()
}

fn counts(page: &Value) -> BTreeMap<String, u64> {
    let counts = page["categoryCounts"].as_array().expect("counts");
    counts
        .iter()
        .map(|c| (c["category"].as_str().expect("a name").to_owned(), c["count"].as_u64().expect("a number")))
        .collect()
}

fn cursor_at(page: &Value, index: usize) -> &Value {
    &page["edges"][index]["cursor"]
}

#[tokio::test]
async fn the_order_is_category_then_display_name_then_id() {
    let (_world, acme) = acme().await;
    let query = "{ integrations(first: 200) { nodes { category displayName id } } }";
    let data = acme.graphql(query, json!({})).await.data();
    let keys: Vec<_> = data["integrations"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| {
            let text = |key: &str| node[key].as_str().expect("text").to_owned();
            (text("category"), text("displayName").to_lowercase(), text("id"))
        })
        .collect();
    assert!(keys.len() > 40 && keys.is_sorted(), "{keys:?}");
}

#[tokio::test]
async fn edges_and_nodes_are_the_same_page() {
    let (_world, acme) = acme().await;
    let shown = page(&acme, json!({"first": 3})).await;
    let of_edges: Vec<_> = shown["edges"].as_array().expect("edges").iter().map(|edge| &edge["node"]).collect();
    assert_eq!(of_edges, shown["nodes"].as_array().expect("nodes").iter().collect::<Vec<_>>());
    assert_eq!(&shown["pageInfo"]["startCursor"], cursor_at(&shown, 0));
    assert_eq!(&shown["pageInfo"]["endCursor"], cursor_at(&shown, 2));
}

/// The names of the whole list, as REST has it, and how many there are.
async fn whole(acme: &Client) -> (Vec<String>, Value) {
    let list = acme.get("/api/v1/integrations").await.ok();
    let items = list["integrations"].as_array().expect("a list").iter();
    (items.map(|item| item["name"].as_str().expect("a name").to_owned()).collect(), list["total"].clone())
}

#[tokio::test]
async fn walking_forward_meets_every_entry_once() {
    let (_world, acme) = acme().await;
    let whole = whole(&acme).await;
    let (mut met, mut after) = (Vec::new(), Value::Null);
    for turn in 0..40 {
        let shown = page(&acme, json!({"first": 7, "after": after})).await;
        met.extend(names(&shown));
        assert_eq!(shown["totalCount"], whole.1, "the total is of the list, not of the page");
        assert_eq!(shown["pageInfo"]["hasPreviousPage"], turn > 0);
        after = shown["pageInfo"]["endCursor"].clone();
        if shown["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(met, whole.0);
    let beyond = page(&acme, json!({"first": 7, "after": after})).await;
    assert_eq!(names(&beyond), [""; 0]);
    assert_eq!(
        beyond["pageInfo"],
        json!({"hasNextPage": false, "hasPreviousPage": true, "startCursor": null, "endCursor": null})
    );
}

#[tokio::test]
async fn walking_backward_meets_every_entry_once() {
    let (_world, acme) = acme().await;
    let whole = whole(&acme).await;
    let (mut met, mut before) = (Vec::new(), Value::Null);
    for turn in 0..40 {
        let shown = page(&acme, json!({"last": 7, "before": before})).await;
        met.splice(0..0, names(&shown));
        assert_eq!(shown["pageInfo"]["hasNextPage"], turn > 0);
        before = shown["pageInfo"]["startCursor"].clone();
        if shown["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
    }
    assert_eq!(met, whole.0);
}

#[tokio::test]
async fn both_cursors_bound_a_window() {
    let (_world, acme) = acme().await;
    let whole = page(&acme, json!({"first": 200})).await;
    let all = names(&whole);
    let window = json!({"after": cursor_at(&whole, 4), "before": cursor_at(&whole, 11)});
    for (size, expected, has_previous, has_next) in [
        (json!({}), &all[5..11], true, true),
        (json!({"first": 2}), &all[5..7], true, true),
        (json!({"last": 2}), &all[9..11], true, true),
        (json!({"first": 200}), &all[5..11], true, true),
    ] {
        let mut variables = window.clone();
        variables.as_object_mut().expect("an object").extend(size.as_object().expect("an object").clone());
        let shown = page(&acme, variables).await;
        assert_eq!(names(&shown), expected, "{size}");
        assert_eq!(shown["pageInfo"]["hasPreviousPage"], has_previous, "{size}");
        assert_eq!(shown["pageInfo"]["hasNextPage"], has_next, "{size}");
    }
    let crossed = page(&acme, json!({"after": cursor_at(&whole, 11), "before": cursor_at(&whole, 4)})).await;
    assert_eq!(names(&crossed), [""; 0]);
}

#[tokio::test]
async fn the_page_has_fifty_entries_unless_asked_otherwise() {
    let (_world, acme) = acme().await;
    let total = page(&acme, json!({"first": 1})).await["totalCount"].as_u64().expect("a number");
    assert!(total > 200, "more than the largest page: {total}");
    assert_eq!(names(&page(&acme, json!({})).await).len(), 50);
    assert_eq!(names(&page(&acme, json!({"first": null, "last": null})).await).len(), 50);
    assert_eq!(names(&page(&acme, json!({"last": 200})).await).len(), 200);
}

#[tokio::test]
async fn sizes_out_of_range_and_both_at_once_are_bad_input() {
    let (_world, acme) = acme().await;
    for variables in [
        json!({"first": 0}),
        json!({"first": -1}),
        json!({"first": 201}),
        json!({"first": i32::MAX}),
        json!({"first": i32::MIN}),
        json!({"last": 0}),
        json!({"last": -1}),
        json!({"last": 201}),
        json!({"first": 1, "last": 1}),
        json!({"first": 0, "last": 0}),
    ] {
        let answer = acme.graphql(PAGE, variables).await;
        assert_field_failed(&answer, "integrations", "BAD_USER_INPUT");
    }
    for size in ["first", "last"] {
        page(&acme, json!({size: 1})).await;
        page(&acme, json!({size: 200})).await;
    }
}

#[tokio::test]
async fn a_cursor_of_another_list_is_bad_input() {
    let (world, acme) = acme().await;
    let own = page(&acme, json!({"first": 1})).await;
    let cursor = cursor_at(&own, 0).as_str().expect("a cursor");
    let foreign = page(&world.account("globex"), json!({"first": 1})).await;
    let filtered = page(&acme, json!({"first": 1, "category": "payments"})).await;
    let rest = acme.get("/api/v1/integrations?limit=1").await.ok()["next_cursor"].take();
    page(&acme, json!({"after": rest})).await;
    for bad in [
        json!("CANARY"),
        json!(""),
        json!("!"),
        json!(format!("{cursor}AA")),
        json!(cursor[..cursor.len() - 4]),
        json!("A".repeat(4_000)),
        cursor_at(&foreign, 0).clone(),
        cursor_at(&filtered, 0).clone(),
    ] {
        for argument in ["after", "before"] {
            let answer = acme.graphql(PAGE, json!({argument: bad})).await;
            // A shortened cursor may still name a place between two entries; it must not fail otherwise.
            if bad.as_str() == Some(&cursor[..cursor.len() - 4]) && answer.json().get("errors").is_none() {
                continue;
            }
            assert_field_failed(&answer, "integrations", "BAD_USER_INPUT");
            super::assert_quotes_nothing(&answer);
        }
    }
}

#[tokio::test]
async fn counts_ignore_the_category_and_obey_the_rest() {
    let (_world, acme) = acme().await;
    install(&acme, "stripe", json!({})).await;
    install(&acme, "slack", json!({})).await;
    let all = page(&acme, json!({"first": 200})).await;
    assert_eq!(counts(&all).values().sum::<u64>(), all["totalCount"].as_u64().expect("a number"));
    assert!(counts(&all).values().all(|count| *count > 0));
    let payments = page(&acme, json!({"first": 1, "category": "payments"})).await;
    assert_eq!(counts(&payments), counts(&all));
    assert_eq!(payments["totalCount"], counts(&all)["payments"]);
    let installed = page(&acme, json!({"status": "INSTALLED", "category": "payments"})).await;
    assert_eq!(names(&installed), ["stripe"]);
    assert_eq!(counts(&installed), [("communication".into(), 1), ("payments".into(), 1)].into());
    let available = page(&acme, json!({"status": "AVAILABLE", "first": 200})).await;
    assert_eq!(available["totalCount"].as_u64().map(|n| n + 2), all["totalCount"].as_u64());
    let found = page(&acme, json!({"search": "STRIPE"})).await;
    assert!(names(&found).contains(&"stripe".to_owned()));
    assert_eq!(counts(&found).values().sum::<u64>(), found["totalCount"].as_u64().expect("a number"));
}

#[tokio::test]
async fn filters_that_match_nothing_are_not_errors() {
    let (_world, acme) = acme().await;
    let all = page(&acme, json!({})).await;
    for (variables, total) in [
        (json!({"category": "nothing_like_it"}), 0),
        (json!({"category": ""}), 0),
        (json!({"category": "PAYMENTS"}), 0),
        (json!({"search": "%"}), 0),
        (json!({"search": "s_ripe"}), 0),
        (json!({"search": "nothing like it"}), 0),
        (json!({"search": "\0"}), 0),
        (json!({"search": ""}), all["totalCount"].as_u64().expect("a number")),
        (json!({"search": null, "category": null, "status": null}), all["totalCount"].as_u64().expect("a number")),
    ] {
        assert_eq!(page(&acme, variables.clone()).await["totalCount"], total, "{variables}");
    }
}
