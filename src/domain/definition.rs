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
/// Top-level keys that hold form fields. Of these, [`changes_requests`] compares defaults, names and rules.
const FORM: [&str; 2] = ["params", "secrets"];
/// Keys of a field that restrict its values.
const RULES: [&str; 2] = ["format", "pattern"];

/// The top-level keys whose values differ, sorted.
pub fn changed_keys(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (object(before), object(after));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).cloned().collect()
}

/// Whether a request of an installation could be sent elsewhere, or carry its values elsewhere: hosts, base URL,
/// placements, the defaults of fields, and the rules of fields that a request contains. An unknown key counts, and so does
/// a name that changes its part: the next value of a former secret would be stored and shown in clear.
pub fn changes_requests(before: &Value, after: &Value) -> bool {
    changes_parts(before, after)
        || changes_rules(before, after)
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

/// Whether a name leaves the secrets, or leaves the params for the secrets. A new name in one part does not count.
fn changes_parts(before: &Value, after: &Value) -> bool {
    let secrets = names(&after["secrets"]);
    !names(&before["secrets"]).is_subset(&secrets) || !names(&before["params"]).is_disjoint(&secrets)
}

/// Whether a field that a request contains loses a format or pattern, or gets another. A field's first one does not count.
fn changes_rules(before: &Value, after: &Value) -> bool {
    FORM.into_iter().any(|part| {
        let is_changed = |field: &Value| {
            let changed = items(&after[part]).find(|changed| changed["name"] == field["name"]);
            let differs = |rule: &str| changed.is_none_or(|changed| changed[rule] != field[rule]);
            RULES.into_iter().any(|rule| !field[rule].is_null() && differs(rule))
        };
        items(&before[part]).any(|field| is_changed(field) && is_in_request(before, field))
    })
}

/// Whether a template of `http` or a placement names the field.
fn is_in_request(definition: &Value, field: &Value) -> bool {
    let http = &definition["http"];
    let variable = format!("{{{}}}", field["name"].as_str().unwrap_or_default());
    let mut templates = items(&http["allowed_hosts"]).chain([&http["base_url"], &http["verify"]["path"]]);
    let mut placements = items(&definition["auth"]).flat_map(|option| items(&option["placements"]));
    templates.any(|template| template.as_str().is_some_and(|template| template.contains(&variable)))
        || placements.any(|placement| placement["field"] == field["name"])
}

/// The items of a list; none for anything else.
fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The names of fields.
fn names(fields: &Value) -> BTreeSet<&str> {
    items(fields).filter_map(|field| field["name"].as_str()).collect()
}

/// Name and default of each field that has one.
fn defaults(fields: &Value) -> Vec<(&Value, &Value)> {
    let mut defaults: Vec<_> =
        items(fields).filter_map(|field| Some((&field["name"], field.get("default")?))).collect();
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
        let param = json!({"secrets": [], "params": [{"name": "k"}]});
        let neither = json!({"secrets": [], "params": []});
        for (before, after) in [(&secret, &param), (&secret, &neither), (&param, &secret)] {
            assert!(changes_requests(before, after), "{before} {after}");
        }
        assert!(!changes_requests(&secret, &json!({"secrets": [{"name": "k", "label": "K"}], "params": []})));
        assert!(!changes_requests(&neither, &param) && !changes_requests(&neither, &secret));
    }

    #[test]
    fn rule_of_field_in_request_is_part_of_request() {
        let definition = |field: Value| {
            json!({
                "auth": [{"kind": "api_key", "placements": [{"in": "header", "header_name": "X-Key", "field": "placed"}]}],
                "http": {"base_url": "https://{base}", "allowed_hosts": ["{host}"], "verify": {"path": "/{path}"}},
                "params": [field],
            })
        };
        for (name, is_in_request) in
            [("placed", true), ("base", true), ("host", true), ("path", true), ("free", false), ("bas", false)]
        {
            let before = definition(json!({"name": name, "pattern": "^a$", "format": "hostname"}));
            for field in [
                json!({"name": name, "pattern": "^b$", "format": "hostname"}),
                json!({"name": name, "format": "hostname"}),
                json!({"name": name, "pattern": "^a$"}),
            ] {
                assert_eq!(changes_requests(&before, &definition(field.clone())), is_in_request, "{field}");
            }
            let first = definition(json!({"name": name}));
            assert!(!changes_requests(&first, &before), "a first pattern restricts {name}");
        }
    }
}
