//! What is different between two entries, key by key.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// Longest value that is shown to a person, in characters.
const SHOWN: usize = 100;

/// One key that is not the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    /// Where, such as `params[region].label`: fields go by their names.
    key: String,
    /// None when it is new.
    old: Option<Value>,
    /// None when it is gone.
    new: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, old, new } = self;
        match (old, new) {
            (Some(old), Some(new)) => write!(f, "{key}: {} → {}", shown(old), shown(new)),
            (None, Some(new)) => write!(f, "{key}: added {}", shown(new)),
            (Some(old), None) => write!(f, "{key}: removed {}", shown(old)),
            (None, None) => f.write_str(key),
        }
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// All that is different, in the order of the keys.
pub(super) fn between(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(old), Some(new), &mut found);
    found
}

fn compare(key: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for name in keys {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                compare(&key, old.get(name), new.get(name), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => match (by_label(old), by_label(new)) {
            (Some(old), Some(new)) => {
                let labels: BTreeSet<_> = old.keys().chain(new.keys()).collect();
                for label in labels {
                    compare(&format!("{key}[{label}]"), old.get(label), new.get(label), found);
                }
                // The same fields in another order.
                if !found.iter().any(|difference| difference.key.starts_with(key)) {
                    found.push(Difference { key: format!("{key} (order)"), old: None, new: None });
                }
            }
            _ => push(key, Some(&Value::Array(old.clone())), Some(&Value::Array(new.clone())), found),
        },
        (old, new) => push(key, old, new, found),
    }
}

fn push(key: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    found.push(Difference { key: key.to_owned(), old: old.cloned(), new: new.cloned() });
}

/// Items by what tells them apart: fields have a name, ways to authenticate a kind, sources a fact. None when that is not
/// so, or not each has one of its own.
fn by_label(items: &[Value]) -> Option<Map<String, Value>> {
    let label = |item: &Value| ["name", "kind", "fact"].iter().find_map(|key| item[*key].as_str().map(str::to_owned));
    let labelled = items.iter().map(|item| Some((label(item)?, item.clone()))).collect::<Option<Map<_, _>>>()?;
    (labelled.len() == items.len()).then_some(labelled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(old: Value, new: Value) -> Vec<String> {
        between(&old, &new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_key_is_told_with_what_it_was_and_is() {
        let old = json!({"description": "A", "tags": ["x"], "icon": "i", "http": {"base_url": "u", "verify": {"path": "/"}},
            "params": [{"name": "region", "label": "L"}, {"name": "gone", "label": "G"}]});
        let new = json!({"description": "B", "tags": ["x", "y"], "docs_url": "d", "http": {"base_url": "u", "verify": {"path": "/me"}},
            "params": [{"name": "region", "label": "M"}, {"name": "new"}]});
        assert_eq!(
            told(old.clone(), new),
            [
                "description: \"A\" → \"B\"",
                "docs_url: added \"d\"",
                "http.verify.path: \"/\" → \"/me\"",
                "icon: removed \"i\"",
                "params[gone]: removed {\"label\":\"G\",\"name\":\"gone\"}",
                "params[new]: added {\"name\":\"new\"}",
                "params[region].label: \"L\" → \"M\"",
                "tags: [\"x\"] → [\"x\",\"y\"]",
            ]
        );
        assert!(told(old.clone(), old).is_empty());
    }

    #[test]
    fn another_order_of_fields_and_two_of_one_name_are_seen_and_long_values_are_cut() {
        let fields = |names: [&str; 2]| json!({"params": names.map(|name| json!({"name": name}))});
        assert_eq!(told(fields(["a", "b"]), fields(["b", "a"])), ["params (order)"]);
        assert_eq!(told(fields(["a", "a"]), fields(["a", "b"])).len(), 1);
        let long = told(json!({"help": ""}), json!({"help": "é".repeat(500)}));
        assert!(long[0].ends_with("éé…") && long[0].chars().count() < 130, "{long:?}");
    }
}
