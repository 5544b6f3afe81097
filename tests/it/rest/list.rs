//! The list: its shape, order, counts and filters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::rows::add_entries;
use super::{INSTALL, KEYS, LIST, UNINSTALL, names};
use crate::support::{Client, World};

async fn list(client: &Client, query: &str) -> Value {
    client.get(&format!("{LIST}?{query}")).await.ok()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Entries that put the order and the search to the test; in the order they must be listed in.
async fn add_fruits(world: &World) -> [&'static str; 5] {
    let entry = |display: &str, description: &str, tags: &[&str]| json!({"category": "accounting", "display_name": display, "description": description, "tags": tags});
    let entries = [
        (9, "b_cherry", entry("cherry", "Grows 100% of_the day.", &["Stone-Fruit"])),
        (2, "z_twin", entry("  Twin", "Second by id.", &[])),
        (1, "a_twin", entry("  Twin", "First by id? No, the other one.", &[])),
        (8, "y_apple", entry("apple", "ÉCLAIR of an apple.", &[])),
        (7, "c_banana", entry("Banana", "Bends.", &[])),
    ];
    add_entries(world, &entries).await;
    ["a_twin", "z_twin", "y_apple", "c_banana", "b_cherry"]
}

#[tokio::test]
async fn a_list_has_its_keys_and_no_schemas_unless_they_are_asked_for() {
    let world = World::start().await;
    let acme = world.account("acme");
    let plain = acme.get(LIST).await.ok();
    assert_eq!(keys(&plain), ["category_counts", "integrations", "status_counts", "total"]);
    let with_schemas = list(&acme, "include=schemas").await;
    for (item, whole) in plain["integrations"]
        .as_array()
        .expect("a list")
        .iter()
        .zip(with_schemas["integrations"].as_array().expect("a list"))
    {
        assert_eq!(keys(item), KEYS);
        for part in ["params_schema", "secrets_schema"] {
            assert_eq!(whole[part]["$schema"], "https://json-schema.org/draft/2020-12/schema", "{whole}");
        }
        let mut shorter = whole.clone();
        let fields = shorter.as_object_mut().expect("an object");
        fields.retain(|key, _| !key.ends_with("_schema") && key != "fields");
        assert_eq!(&shorter, item);
    }
    assert_eq!(with_schemas["total"], plain["total"]);
}

#[tokio::test]
async fn the_order_is_category_then_display_name_without_case_then_id() {
    let world = World::start().await;
    let fruits = add_fruits(&world).await;
    let list = world.account("acme").get(LIST).await.ok();
    let key = |item: &Value| {
        let text = |key: &str| item[key].as_str().expect("text").to_owned();
        (text("category"), text("display_name").to_lowercase(), text("id"))
    };
    let order: Vec<_> = list["integrations"].as_array().expect("a list").iter().map(key).collect();
    assert!(order.is_sorted());
    let listed: Vec<_> = names(&list).into_iter().filter(|name| fruits.contains(&name.as_str())).collect();
    assert_eq!(listed, fruits);
}

#[tokio::test]
async fn counts_ignore_the_category_and_obey_the_other_filters() {
    let world = World::start().await;
    let acme = world.account("acme");
    for name in ["stripe", "paypal", "slack"] {
        acme.post(&format!("{LIST}/{name}/install"), &json!({})).await.ok();
    }
    let counted = |list: &Value| {
        let mut counts = BTreeMap::<String, u64>::new();
        for item in list["integrations"].as_array().expect("a list") {
            *counts.entry(item["category"].as_str().expect("a category").to_owned()).or_default() += 1;
        }
        json!(counts)
    };
    for filter in ["", "status=installed", "status=available", "search=pay", "status=installed&search=s", "search=zzzz"]
    {
        let without = list(&acme, filter).await;
        assert_eq!(without["category_counts"], counted(&without), "{filter}");
        let sum: u64 = without["category_counts"].as_object().expect("counts").values().filter_map(Value::as_u64).sum();
        assert_eq!(without["total"], sum, "{filter}");
        for category in ["payments", "communication", "nothing", ""] {
            let within = list(&acme, &format!("{filter}&category={category}")).await;
            assert_eq!(within["category_counts"], without["category_counts"], "{filter} in {category}");
            let expected = without["category_counts"].get(category).cloned().unwrap_or(json!(0));
            assert_eq!(within["total"], expected, "{filter} in {category}");
            assert_eq!(json!(names(&within).len()), expected, "{filter} in {category}");
            assert!(within["integrations"].as_array().expect("a list").iter().all(|i| i["category"] == category));
        }
    }
    let installed = list(&acme, "status=installed").await;
    assert_eq!(installed["category_counts"], json!({"communication": 1, "payments": 2}));
}

#[tokio::test]
async fn an_unknown_or_empty_category_is_an_empty_list() {
    let world = World::start().await;
    for category in ["", "nothing", "PAYMENTS", "pay", "payments%20", "%00", "%FF", "%25"] {
        let empty = list(&world.account("acme"), &format!("category={category}")).await;
        assert_eq!((&empty["integrations"], &empty["total"]), (&json!([]), &json!(0)), "{category}");
    }
}

#[tokio::test]
async fn the_status_filter_follows_install_and_uninstall() {
    let world = World::start().await;
    let acme = world.account("acme");
    let all = acme.get(LIST).await.ok()["total"].as_u64().expect("a number");
    let totals = async || {
        let installed = list(&acme, "status=installed").await;
        let available = list(&acme, "status=available").await;
        assert!(!names(&available).iter().any(|name| names(&installed).contains(name)));
        (names(&installed), available["total"].as_u64().expect("a number"))
    };
    assert_eq!(totals().await, (vec![], all));
    acme.post(INSTALL, &json!({})).await.ok();
    assert_eq!(totals().await, (vec!["stripe".to_owned()], all - 1));
    acme.post(UNINSTALL, &json!({})).await.ok();
    assert_eq!(totals().await, (vec![], all));
    for bad in ["INSTALLED", "Installed", "", "installed%20", "both", "true"] {
        let answer = acme.get(&format!("{LIST}?status={bad}")).await;
        answer.assert_refused(400, "bad_user_input", "status must be available or installed");
    }
}

#[tokio::test]
async fn a_search_finds_parts_of_names_descriptions_and_tags_without_case() {
    let world = World::start().await;
    add_fruits(&world).await;
    let acme = world.account("acme");
    for (search, found) in [
        ("c_banana", vec!["c_banana"]),
        ("C_BANANA", vec!["c_banana"]),
        ("%20%20tWIN", vec!["a_twin", "z_twin"]),
        ("bends.", vec!["c_banana"]),
        ("stone-fruit", vec!["b_cherry"]),
        ("STONE-F", vec!["b_cherry"]),
        ("%C3%A9clair+of", vec!["y_apple"]),
        // Plain characters, not patterns.
        ("100%25", vec!["b_cherry"]),
        ("%25+of", vec!["b_cherry"]),
        ("1%25day", vec![]),
        ("of_the", vec!["b_cherry"]),
        ("of_t_e", vec![]),
        ("b_nana", vec![]),
        ("ben.s", vec![]),
        ("%5C", vec![]),
        ("zz'", vec![]),
        ("%00", vec![]),
        ("%FF", vec![]),
        ("()%5B*", vec![]),
    ] {
        let found_now = list(&acme, &format!("search={search}")).await;
        assert_eq!(names(&found_now), found, "{search}");
        assert_eq!(found_now["total"], found.len(), "{search}");
    }
}

#[tokio::test]
async fn an_empty_search_filters_nothing() {
    let world = World::start().await;
    let acme = world.account("acme");
    let all = acme.get(LIST).await.ok();
    for query in ["", "search=", "&&", "include="] {
        assert_eq!(list(&acme, query).await, all, "{query}");
    }
    for name in ["category", "status", "search", "limit", "cursor", "include"] {
        let answer = acme.get(&format!("{LIST}?{name}=&{name}=")).await;
        answer.assert_refused(400, "bad_user_input", "A query parameter is malformed or stands twice");
    }
}

#[tokio::test]
async fn unknown_query_parameter_is_refused_by_name() {
    let world = World::start().await;
    let acme = world.account("acme");
    for (path, parameters) in [
        (LIST, "category, status, search, tag, auth_kind, order, limit, cursor, include"),
        ("/api/v1/events", "action, integration, actor, outcome, since, until, limit, cursor"),
        ("/api/v1/api-keys", "limit, cursor"),
    ] {
        for name in ["offset", "categry", "Limit", "limit[]"] {
            let answer = acme.get(&format!("{path}?{name}=1&{name}=2")).await;
            let sentence = format!("Unknown query parameter {name:?}: the operation takes {parameters}");
            answer.assert_refused(400, "unknown_parameter", &sentence);
        }
        for name in ["%0A", "%22", "%F0%9F%9A%80", &"x".repeat(65)] {
            let sentence = format!("Unknown query parameter: the operation takes {parameters}");
            acme.get(&format!("{path}?{name}=1")).await.assert_refused(400, "unknown_parameter", &sentence);
        }
    }
}

#[tokio::test]
async fn the_stubs_answer_empty_lists() {
    let world = World::start().await;
    for (path, key) in [("/api/v1/mcp-connections", "mcp_connections"), ("/api/v1/native-tools", "native_tools")] {
        assert_eq!(world.account("acme").get(path).await.ok(), json!({key: [], "total": 0}));
    }
}
