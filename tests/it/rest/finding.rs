//! Finding: tags, kinds of authentication, orders, counts by status, and a letter forgiven.

use serde_json::{Value, json};

use super::rows::add_entries;
use super::{LIST, names};
use crate::support::{Client, World};

async fn list(client: &Client, query: &str) -> Value {
    client.get(&format!("{LIST}?{query}")).await.ok()
}

fn count(counts: &Value) -> u64 {
    counts.as_object().expect("counts").values().map(|n| n.as_u64().expect("a number")).sum()
}

/// Entries whose names, texts and tags share one word, in different places.
async fn add_anvils(world: &World) {
    let entry = |display: &str, description: &str, tags: &[&str]| json!({"category": "accounting", "display_name": display, "description": description, "tags": tags});
    let entries = [
        (1, "e_named", entry("Quoxel", "Is it.", &[])),
        (2, "d_started", entry("Quoxels and more", "Starts with it.", &[])),
        (3, "c_worded", entry("The Quoxel", "Has it as a word.", &[])),
        (4, "b_tagged", entry("Tagged", "Has it as a tag.", &["quoxel"])),
        (5, "a_within", entry("Superquoxel", "Has it within.", &[])),
        (6, "a_described", entry("Aardvark", "Made of quoxels.", &[])),
    ];
    add_entries(world, &entries).await;
}

#[tokio::test]
async fn the_likeliest_comes_first_when_relevance_is_asked_for() {
    let world = World::start().await;
    add_anvils(&world).await;
    let acme = world.account("acme");
    let ranked = ["e_named", "d_started", "b_tagged", "c_worded", "a_within", "a_described"];
    assert_eq!(names(&list(&acme, "search=QUOXEL&order=relevance").await), ranked);
    let by_display_name = list(&acme, "search=quoxel&order=display_name").await;
    assert_eq!(names(&by_display_name), ["a_described", "e_named", "d_started", "a_within", "b_tagged", "c_worded"]);
    let by_name = ["a_described", "a_within", "b_tagged", "c_worded", "d_started", "e_named"];
    assert_eq!(names(&list(&acme, "search=quoxel&order=name").await), by_name);
    // Page by page, the same.
    let mut walked = Vec::new();
    let mut query = "search=quoxel&order=relevance&limit=2".to_owned();
    loop {
        let page = list(&acme, &query).await;
        walked.extend(names(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("search=quoxel&order=relevance&limit=2&cursor={next}");
    }
    assert_eq!(walked, ranked);
}

#[tokio::test]
async fn a_letter_is_forgiven_only_when_nothing_has_the_text() {
    let world = World::start().await;
    let acme = world.account("acme");
    for search in ["strpe", "strippe", "stirpe", "strope"] {
        let found = list(&acme, &format!("search={search}")).await;
        assert_eq!((names(&found), &found["total"]), (vec!["stripe".to_owned()], &json!(1)), "{search}");
        assert_eq!(found["category_counts"], json!({"payments": 1}), "{search}");
    }
    let exact = list(&acme, "search=slack").await;
    assert!(names(&exact).contains(&"slack".to_owned()));
    add_entries(&world, &[(1, "slck", json!({"category": "ai", "display_name": "Slck", "description": "Other."}))])
        .await;
    assert_eq!(names(&list(&acme, "search=slck").await), ["slck"], "what is written like this, and no neighbour of it");
    // A filter does not turn what has the text into nothing, and so into a search for neighbours.
    assert_eq!(names(&list(&acme, "search=slck&category=payments").await), Vec::<String>::new());
}

#[tokio::test]
async fn tags_and_kinds_of_authentication_narrow_the_list_and_its_counts() {
    let world = World::start().await;
    let acme = world.account("acme");
    acme.post(&format!("{LIST}/stripe/install"), &json!({})).await.ok();
    let all = acme.get(LIST).await.ok();
    let having = |key: &str, value: &str| {
        let items = all["integrations"].as_array().expect("a list").iter();
        let has = |item: &&Value| item[key].as_array().expect("a list").iter().any(|one| one == value);
        items.filter(has).map(|item| item["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    for (query, key, value) in [
        ("tag=subscriptions", "tags", "subscriptions"),
        ("tag=nobody-has-this", "tags", "nobody-has-this"),
        ("tag=", "tags", ""),
        ("auth_kind=basic", "auth_kinds", "basic"),
        ("auth_kind=none", "auth_kinds", "none"),
    ] {
        let found = list(&acme, query).await;
        assert_eq!(names(&found), having(key, value), "{query}");
        assert_eq!(found["total"], count(&found["category_counts"]), "{query}");
        assert_eq!(found["total"], count(&found["status_counts"]), "{query}");
    }
    assert!(!having("tags", "subscriptions").is_empty() && !having("auth_kinds", "basic").is_empty());
    let both = list(&acme, "tag=subscriptions&auth_kind=bearer&status=installed&search=stripe").await;
    assert_eq!(
        (names(&both), &both["status_counts"]),
        (vec!["stripe".to_owned()], &json!({"available": 0, "installed": 1}))
    );
}

#[tokio::test]
async fn counts_by_status_ignore_the_status_and_obey_the_other_filters() {
    let world = World::start().await;
    let acme = world.account("acme");
    for name in ["stripe", "paypal", "slack"] {
        acme.post(&format!("{LIST}/{name}/install"), &json!({})).await.ok();
    }
    for filter in ["", "category=payments", "search=pay", "category=nothing", "auth_kind=bearer", "order=name"] {
        let without = list(&acme, filter).await;
        assert_eq!(without["total"], count(&without["status_counts"]), "{filter}");
        for status in ["available", "installed"] {
            let with = list(&acme, &format!("{filter}&status={status}")).await;
            assert_eq!(with["status_counts"], without["status_counts"], "{filter} {status}");
            assert_eq!(with["total"], without["status_counts"][status], "{filter} {status}");
        }
    }
    assert_eq!(acme.get(LIST).await.ok()["status_counts"]["installed"], 3);
    assert_eq!(world.account("other").get(LIST).await.ok()["status_counts"]["installed"], 0);
}

#[tokio::test]
async fn what_was_installed_last_comes_first_and_what_is_not_installed_last() {
    let world = World::start().await;
    let acme = world.account("acme");
    for name in ["stripe", "slack", "github", "stripe"] {
        acme.post(&format!("{LIST}/{name}/install"), &json!({"params": {}})).await.ok();
    }
    acme.post(&format!("{LIST}/slack/uninstall"), &json!({})).await.ok();
    let listed = names(&list(&acme, "order=installed_at").await);
    assert_eq!(listed[..2], ["github", "stripe"], "a second install does not make it newer");
    let rest = names(&list(&acme, "order=display_name&status=available").await);
    assert_eq!(listed[2..], rest);
}

#[tokio::test]
async fn what_no_order_and_no_kind_is_called_is_refused_with_what_there_is() {
    let acme = World::start().await.account("acme");
    for (query, sentence) in [
        ("order=", "order must be one of category, name, display_name, installed_at, relevance"),
        ("order=NAME", "order must be one of category, name, display_name, installed_at, relevance"),
        ("order=name%20desc", "order must be one of category, name, display_name, installed_at, relevance"),
    ] {
        acme.get(&format!("{LIST}?{query}")).await.assert_refused(400, "bad_user_input", sentence);
    }
    let refused = acme.get(&format!("{LIST}?auth_kind=BEARER")).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().starts_with("auth_kind must be one of api_key, bearer, basic, "), "{}", refused.text());
    for query in ["order=name&order=name", "tag=a&tag=b", "auth_kind=basic&auth_kind=basic"] {
        let answer = acme.get(&format!("{LIST}?{query}")).await;
        answer.assert_refused(400, "bad_user_input", "A query parameter is malformed or stands twice");
    }
}

#[tokio::test]
async fn a_cursor_is_bound_to_order_and_filters() {
    let acme = World::start().await.account("acme");
    let first = list(&acme, "order=name&limit=1&auth_kind=bearer").await;
    let cursor = first["next_cursor"].as_str().expect("more");
    list(&acme, &format!("order=name&limit=1&auth_kind=bearer&cursor={cursor}")).await;
    for query in
        ["order=display_name&auth_kind=bearer", "order=name&auth_kind=basic", "order=name&auth_kind=bearer&tag=x", ""]
    {
        let answer = acme.get(&format!("{LIST}?{query}&limit=1&cursor={cursor}")).await;
        assert_eq!((answer.status.as_u16(), answer.error_code()), (400, "bad_user_input"), "{query}");
    }
}

#[tokio::test]
async fn the_form_of_an_entry_is_a_list_in_its_order_and_agrees_with_the_schemas() {
    let acme = World::start().await.account("acme");
    let all = list(&acme, "include=schemas").await;
    for item in all["integrations"].as_array().expect("a list") {
        let fields = item["fields"].as_array().expect("fields");
        assert!(fields.iter().map(|field| field["order"].as_i64()).is_sorted(), "{}", item["name"]);
        for (part, is_secret) in [("params", false), ("secrets", true)] {
            let properties = item[format!("{part}_schema")]["properties"].as_object().expect("properties");
            let of_part: Vec<_> = fields.iter().filter(|field| field["part"] == part).collect();
            assert_eq!(of_part.len(), properties.len(), "{}", item["name"]);
            for field in of_part {
                let property = &properties[field["name"].as_str().expect("a name")];
                assert_eq!(field["secret"], is_secret);
                // A required text without a pattern of its own has one in the schema: it must not be blank.
                let is_not_blank = field["required"] == true && field["type"] == "string" && field["pattern"].is_null();
                let pattern = if is_not_blank { &json!("\\S") } else { &field["pattern"] };
                assert_eq!((&field["label"], pattern), (&property["title"], &property["pattern"]));
            }
        }
    }
    let stripe = acme.get(&format!("{LIST}/stripe")).await.ok();
    let form: Vec<_> =
        stripe["fields"].as_array().expect("fields").iter().map(|field| field["name"].as_str()).collect();
    assert_eq!(form, [Some("api_version"), Some("api_key"), Some("webhook_secret")]);
    assert_eq!(stripe["credentials_url"], "https://dashboard.stripe.com/apikeys");
}
