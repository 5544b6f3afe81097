//! Entries as text for people: keys in the order in which one would tell them, JSON or YAML.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::document::{Syntax, is_plain_text};

/// Keys of all levels; others follow, by the alphabet.
const ORDER: [&str; 49] = [
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
    "fact",
    "url",
    "label",
    "help",
    "kind",
    "placements",
    "in",
    "header_name",
    "query_name",
    "body_name",
    "prefix",
    "suffix",
    "field",
    "value",
    "type",
    "format",
    "pattern",
    "enum",
    "default",
    "example",
    "required",
    "order",
    "plain_because",
    "multiline",
    "applies_to",
    "docs_anchor",
    "auth",
    "params",
    "secrets",
    "http",
    "base_url",
    "allowed_hosts",
    "verify",
    "method",
    "path",
    "expect_status",
    "sources",
];

/// One entry, with a line end.
pub fn write(entry: &Value, syntax: Syntax) -> String {
    let mut text = String::new();
    match syntax {
        Syntax::Json => {
            text = serde_json::to_string_pretty(&Ordered(entry)).unwrap_or_default();
            text.push('\n');
        }
        Syntax::Yaml => block(entry, 0, &mut text),
    }
    text
}

fn ordered(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = object.iter().collect();
    members.sort_by_key(|(key, _)| ORDER.iter().position(|known| known == key).unwrap_or(ORDER.len()));
    members
}

struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(object) => {
                let mut map = serializer.serialize_map(Some(object.len()))?;
                for (key, value) in ordered(object) {
                    map.serialize_entry(key, &Ordered(value))?;
                }
                map.end()
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Ordered)),
            plain => plain.serialize(serializer),
        }
    }
}

/// A value on lines of its own; the first one is begun.
fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (n, (key, value)) in ordered(object).into_iter().enumerate() {
                begin_line(n, indent, text);
                text.push_str(&word(key));
                text.push(':');
                match value {
                    Value::Object(inner) if !inner.is_empty() => nested(value, indent + 2, text),
                    Value::Array(items) if !items.is_empty() => nested(value, indent, text),
                    plain => line(plain, text),
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (n, item) in items.iter().enumerate() {
                begin_line(n, indent, text);
                text.push_str("- ");
                block(item, indent + 2, text);
            }
        }
        plain => {
            text.push_str(&inline(plain));
            text.push('\n');
        }
    }
}

fn begin_line(n: usize, indent: usize, text: &mut String) {
    if n > 0 {
        text.push_str(&" ".repeat(indent));
    }
}

fn nested(value: &Value, indent: usize, text: &mut String) {
    text.push('\n');
    text.push_str(&" ".repeat(indent));
    block(value, indent, text);
}

fn line(value: &Value, text: &mut String) {
    text.push(' ');
    text.push_str(&inline(value));
    text.push('\n');
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(string) => word(string),
        // Empty ones; what is in others is on lines of its own.
        other => other.to_string(),
    }
}

/// A text, in quotes where it needs them; also where readers of YAML 1.1 would take it for something else.
fn word(text: &str) -> String {
    const TAKEN: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let is_safe = |c: char| c.is_ascii_alphanumeric() || " _./,()'-:$".contains(c);
    let is_bare = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
        && text.chars().all(is_safe)
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && !TAKEN.contains(&&*text.to_ascii_lowercase())
        && is_plain_text(text);
    if is_bare {
        return text.to_owned();
    }
    // A JSON string is a YAML string, but for characters that YAML wants escaped.
    let quoted = Value::from(text).to_string();
    let escaped = |c: char| match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        c => c.to_string(),
    };
    quoted.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::catalog::{builtin, document};

    fn again(text: &str, syntax: Syntax) -> Value {
        document::read(text, syntax).unwrap_or_else(|faults| panic!("{faults:?}\n{text}")).remove(0).value
    }

    #[test]
    fn what_is_written_is_what_people_would_write() {
        let entry = json!({"params": [], "name": "acme", "checked_on": "2026-11-24", "revision": 1, "auth":
            [{"kind": "api_key", "placements": [{"in": "header", "prefix": "Key ", "field": "api_key"}]}],
            "http": {"verify": {"path": "/me"}, "base_url": "https://acme.example"}, "tags": ["no", "b2b"]});
        let yaml = "\
name: acme
tags:
- \"no\"
- b2b
revision: 1
checked_on: \"2026-11-24\"
auth:
- kind: api_key
  placements:
  - in: header
    prefix: \"Key \"
    field: api_key
params: []
http:
  base_url: https://acme.example
  verify:
    path: \"/me\"
";
        assert_eq!(write(&entry, Syntax::Yaml), yaml);
        let json = write(&entry, Syntax::Json);
        assert!(json.starts_with("{\n  \"name\": \"acme\",\n  \"tags\"") && json.ends_with("}\n"), "{json}");
    }

    #[test]
    fn every_builtin_entry_is_read_back_as_it_was() {
        for (_, entry) in builtin().expect("readable") {
            for syntax in [Syntax::Json, Syntax::Yaml] {
                assert_eq!(again(&write(&entry, syntax), syntax), entry);
            }
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            "(true|Null|~|0x1f|1e3|\\.5|- a|# b|yes|\\n|\\t|: )".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,6}", inner, 0..4).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn anything_is_read_back_as_it_was(value in values()) {
            let entry = json!({ "a": value });
            prop_assert_eq!(again(&write(&entry, Syntax::Yaml), Syntax::Yaml), entry);
        }
    }
}
