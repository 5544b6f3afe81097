//! What differs between two definitions of an entry.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Top-level keys that only describe an entry.
const DESCRIPTIVE: [&str; 13] = [
    "$schema",
    "name",
    "display_name",
    "description",
    "category",
    "tags",
    "homepage_url",
    "docs_url",
    "credentials_url",
    "icon",
    "revision",
    "checked_on",
    "sources",
];
/// Top-level keys that hold form fields: of these, defaults get into a request, and names that leave the secrets.
const FORM: [&str; 2] = ["params", "secrets"];

/// The top-level keys whose values differ, sorted.
pub fn changed_keys(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (object(before), object(after));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).cloned().collect()
}

/// Whether a request of an installation could be sent elsewhere, or carry its values elsewhere: hosts, base URL,
/// placements, and the defaults of fields that these name. An unknown key counts, and so does a name that leaves the
/// secrets: as a param its next value would be stored and shown in clear.
pub fn changes_requests(before: &Value, after: &Value) -> bool {
    let loses_secret = !names(&before["secrets"]).is_subset(&names(&after["secrets"]));
    loses_secret
        || changed_keys(before, after).iter().any(|key| match key.as_str() {
            key if DESCRIPTIVE.contains(&key) => false,
            key if FORM.contains(&key) => defaults(&before[key]) != defaults(&after[key]),
            _ => true,
        })
}

fn object(definition: &Value) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    definition.as_object().unwrap_or(&EMPTY)
}

/// The names of fields.
fn names(fields: &Value) -> BTreeSet<&str> {
    fields.as_array().into_iter().flatten().filter_map(|field| field["name"].as_str()).collect()
}

/// Name and default of each field that has one.
fn defaults(fields: &Value) -> Vec<(&Value, &Value)> {
    let fields = fields.as_array().into_iter().flatten();
    let mut defaults: Vec<_> = fields.filter_map(|field| Some((&field["name"], field.get("default")?))).collect();
    defaults.sort_by_key(|(name, _)| name.as_str());
    defaults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_of_requests_differ_from_changes_of_descriptions() {
        let before = json!({
            "name": "a", "display_name": "A", "tags": ["x"],
            "auth": [{"kind": "bearer"}], "http": {"base_url": "https://a.example"},
            "params": [{"name": "p", "label": "P", "default": "1"}, {"name": "q", "label": "Q"}],
        });
        let with = |key: &str, value: Value| {
            let mut after = before.clone();
            after[key] = value;
            after
        };
        for (after, keys, reaches) in [
            (before.clone(), vec![], false),
            (with("display_name", json!("B")), vec!["display_name"], false),
            (with("tags", json!([])), vec!["tags"], false),
            (with("http", json!({"base_url": "https://b.example"})), vec!["http"], true),
            (with("auth", json!([])), vec!["auth"], true),
            (with("sites", json!(["b.example"])), vec!["sites"], true),
            (with("connect", json!({})), vec!["connect"], true),
            (with("params", json!([{"name": "p", "label": "New", "default": "1"}])), vec!["params"], false),
            (with("params", json!([{"name": "p", "label": "P", "default": "2"}])), vec!["params"], true),
            (with("params", json!([{"name": "q", "label": "Q", "default": "1"}])), vec!["params"], true),
            (with("params", json!([])), vec!["params"], true),
            (with("secrets", json!([{"name": "s"}])), vec!["secrets"], false),
        ] {
            assert_eq!(changed_keys(&before, &after), keys, "{after}");
            assert_eq!(changes_requests(&before, &after), reaches, "{after}");
        }
        assert!(changes_requests(&before, &json!({"name": "a"})));
        let secret = json!({"secrets": [{"name": "k"}], "params": []});
        for after in [json!({"secrets": [], "params": [{"name": "k"}]}), json!({"secrets": [], "params": []})] {
            assert!(changes_requests(&secret, &after), "{after}");
        }
        assert!(!changes_requests(&secret, &json!({"secrets": [{"name": "k", "label": "K"}], "params": []})));
    }
}
