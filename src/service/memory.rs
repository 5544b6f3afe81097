//! Estimates of the memory that parsed entries take, for caches that are bounded in bytes.

use serde_json::Value;

use crate::domain::{Entry, FormField};

/// Memory of an object: one node of its tree holds up to this many members.
const NODE_BYTES: usize = 640;
const NODE_MEMBERS: usize = 6;
/// Memory of a text beside its bytes.
const TEXT_BYTES: usize = 32;

/// About the memory of an entry, in bytes.
pub(super) fn of_entry(entry: &Entry) -> usize {
    let texts = [&entry.icon_url, &entry.docs_url, &entry.homepage_url, &entry.credentials_url];
    let texts =
        texts.into_iter().flatten().chain(&entry.tags).chain([&entry.name, &entry.display_name, &entry.description]);
    size_of::<Entry>()
        + texts.map(|text| of_text(text)).sum::<usize>()
        + entry.fields.iter().map(of_field).sum::<usize>()
        + of_value(&entry.params_schema)
        + of_value(&entry.secrets_schema)
}

fn of_field(field: &FormField) -> usize {
    let texts = [&field.help, &field.format, &field.pattern, &field.docs_url].into_iter().flatten();
    let values = field.choices.iter().chain(&field.default).chain(&field.example);
    size_of::<FormField>()
        + texts.chain([&field.name, &field.label]).map(|text| of_text(text)).sum::<usize>()
        + values.map(of_value).sum::<usize>()
}

fn of_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => of_text(text),
            Value::Array(items) => items.iter().map(of_value).sum(),
            Value::Object(object) => {
                let members = object.iter().map(|(key, value)| of_text(key) + of_value(value)).sum::<usize>();
                members + object.len().div_ceil(NODE_MEMBERS) * NODE_BYTES
            }
            _ => 0,
        }
}

fn of_text(text: &str) -> usize {
    TEXT_BYTES + text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn estimate_grows_with_texts_and_members() {
        assert!(of_value(&json!("x".repeat(1_000))) > 1_000);
        let object = |n: usize| Value::from_iter((0..n).map(|n| (n.to_string(), json!(n))));
        assert!(of_value(&object(1)) > NODE_BYTES && of_value(&object(100)) > 16 * NODE_BYTES);
        assert_eq!(of_value(&json!([])), size_of::<Value>());
    }
}
