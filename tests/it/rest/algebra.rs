//! Counts under every combination of filters obey their algebra, over random catalogs in a real database.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use super::LIST;
use super::rows::add_entries;
use crate::support::{Client, World};

const CATALOGS: u32 = 6;
const CATEGORIES: [&str; 3] = ["payments", "crm", "ai"];
const TAGS: [&str; 3] = ["cards", "chat", "qwv"];
const KINDS: [&str; 3] = ["bearer", "basic", "none"];
const WORDS: [&str; 4] = ["Quoxel", "Quoxels", "Grumbolt", "Stripe"];
const SEARCHES: [&str; 5] = ["quoxel", "quoxle", "OLT", "stripe", "nothing has this"];
const ORDERS: [&str; 3] = ["category", "installed_at", "relevance"];

/// Category, tag, kind, word and whether it is installed.
type Row = (usize, usize, usize, usize, bool);

/// Filters as a query string has them; `None` where one is not given.
#[derive(Clone, Debug)]
struct Query {
    category: Option<usize>,
    status: Option<bool>,
    rest: String,
}

impl Query {
    fn text(&self, with_category: bool, with_status: bool) -> String {
        let category = self.category.filter(|_| with_category).map(|n| format!("&category={}", CATEGORIES[n]));
        let status = |installed| format!("&status={}", if installed { "installed" } else { "available" });
        let status = self.status.filter(|_| with_status).map(status);
        [Some(self.rest.clone()), category, status].into_iter().flatten().collect()
    }
}

fn queries() -> impl Strategy<Value = Query> {
    let one_of = |words: &'static [&'static str]| prop::option::of(prop::sample::select(words));
    let rest = (one_of(&SEARCHES), one_of(&TAGS), one_of(&KINDS), one_of(&ORDERS));
    (prop::option::of(0..3_usize), any::<Option<bool>>(), rest).prop_map(
        |(category, status, (search, tag, kind, order))| {
            let given = [("search", search), ("tag", tag), ("auth_kind", kind), ("order", order)];
            let pairs = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
            let rest = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            Query { category, status, rest }
        },
    )
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().expect("counts").values().filter_map(Value::as_u64).sum()
}

/// How often each value stands under the key.
fn counted(list: &Value, key: &str) -> serde_json::Map<String, Value> {
    let mut counts = serde_json::Map::new();
    for item in list["integrations"].as_array().expect("a list") {
        let count = counts.entry(item[key].as_str().expect("text")).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap_or(0) + 1);
    }
    counts
}

async fn list(client: &Client, query: &str) -> Value {
    client.get(&format!("{LIST}?{query}")).await.ok()
}

async fn obeys(client: &Client, query: &Query) -> Result<(), TestCaseError> {
    let found = list(client, &query.text(true, true)).await;
    let (total, items) = (found["total"].as_u64(), found["integrations"].as_array().map(Vec::len));
    prop_assert_eq!(total, items.map(|n| n as u64));
    // Each count ignores its own dimension, and obeys all others.
    let without_category = list(client, &query.text(false, true)).await;
    prop_assert_eq!(&found["category_counts"], &Value::Object(counted(&without_category, "category")));
    prop_assert_eq!(&found["category_counts"], &without_category["category_counts"]);
    prop_assert_eq!(without_category["total"].as_u64(), Some(sum(&found["category_counts"])));
    let without_status = list(client, &query.text(true, false)).await;
    let mut statuses = counted(&without_status, "status");
    for status in ["available", "installed"] {
        statuses.entry(status).or_insert(json!(0));
    }
    prop_assert_eq!(&found["status_counts"], &Value::Object(statuses));
    prop_assert_eq!(without_status["total"].as_u64(), Some(sum(&found["status_counts"])));
    if let Some(category) = query.category {
        prop_assert_eq!(total, found["category_counts"].get(CATEGORIES[category]).map_or(Some(0), Value::as_u64));
    }
    if let Some(installed) = query.status {
        prop_assert_eq!(total, found["status_counts"][if installed { "installed" } else { "available" }].as_u64());
    }
    Ok(())
}

async fn furnish(rows: &[Row]) -> World {
    let world = World::start().await;
    let entries: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(n, (category, tag, kind, word, _))| {
            let entry = json!({
                "category": CATEGORIES[*category], "display_name": format!("{} {n}", WORDS[*word]), "description": "Random.",
                "tags": [TAGS[*tag]], "auth": [{"kind": KINDS[*kind], "placements": []}],
            });
            (n as u128 + 1, format!("random_{n}"), entry)
        })
        .collect();
    let entries: Vec<_> = entries.iter().map(|(id, name, entry)| (*id, name.as_str(), entry.clone())).collect();
    add_entries(&world, &entries).await;
    let acme = world.account("acme");
    for (n, _) in rows.iter().enumerate().filter(|(_, row)| row.4) {
        acme.post(&format!("{LIST}/random_{n}/install"), &json!({})).await.ok();
    }
    world
}

#[test]
fn sums_are_totals_and_each_count_ignores_its_own_dimension() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let rows = vec((0..3_usize, 0..3_usize, 0..3_usize, 0..4_usize, any::<bool>()), 0..30);
    let config = Config { cases: CATALOGS, failure_persistence: None, max_shrink_iters: 20, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(rows, vec(queries(), 25)), |(rows, queries)| {
        runtime.block_on(async {
            let world = furnish(&rows).await;
            let all = list(&world.account("acme"), "").await;
            prop_assert_eq!(all["total"].as_u64(), Some(sum(&all["category_counts"])));
            for query in &queries {
                obeys(&world.account("acme"), query).await?;
            }
            Ok(())
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
