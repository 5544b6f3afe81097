//! Estimates of the memory that parsed entries take, for caches that are bounded in bytes.

use serde_json::Value;

use crate::domain::{Entry, FormField};

/// Memory of an object: one node of its tree holds up to this many members.
const NODE_BYTES: usize = 640;
const NODE_MEMBERS: usize = 6;
/// Memory of a text without its bytes.
const TEXT_BYTES: usize = 32;

/// Approximate memory of an entry, in bytes.
pub(super) fn entry_bytes(entry: &Entry) -> usize {
    let texts = [&entry.icon_url, &entry.docs_url, &entry.homepage_url, &entry.credentials_url];
    let texts =
        texts.into_iter().flatten().chain(&entry.tags).chain([&entry.name, &entry.display_name, &entry.description]);
    size_of::<Entry>()
        + texts.map(|text| text_bytes(text)).sum::<usize>()
        + entry.fields.iter().map(field_bytes).sum::<usize>()
        + value_bytes(&entry.params_schema)
        + value_bytes(&entry.secrets_schema)
}

fn field_bytes(field: &FormField) -> usize {
    let texts = [&field.help, &field.format, &field.pattern, &field.docs_url].into_iter().flatten();
    let values = field.choices.iter().chain(&field.default).chain(&field.example);
    size_of::<FormField>()
        + texts.chain([&field.name, &field.label]).map(|text| text_bytes(text)).sum::<usize>()
        + values.map(value_bytes).sum::<usize>()
}

fn value_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text_bytes(text),
            Value::Array(items) => items.iter().map(value_bytes).sum(),
            Value::Object(object) => {
                let members = object.iter().map(|(key, value)| text_bytes(key) + value_bytes(value)).sum::<usize>();
                members + object.len().div_ceil(NODE_MEMBERS) * NODE_BYTES
            }
            _ => 0,
        }
}

fn text_bytes(text: &str) -> usize {
    TEXT_BYTES + text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn estimate_grows_with_texts_and_members() {
        assert!(value_bytes(&json!("x".repeat(1_000))) > 1_000);
        let object = |n: usize| Value::from_iter((0..n).map(|n| (n.to_string(), json!(n))));
        assert!(value_bytes(&object(1)) > NODE_BYTES && value_bytes(&object(100)) > 16 * NODE_BYTES);
        assert_eq!(value_bytes(&json!([])), size_of::<Value>());
    }
}
