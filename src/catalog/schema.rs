//! `params_schema` and `secrets_schema`, generated from an entry's fields (JSON Schema 2020-12).

use serde_json::{Map, Value, json};

use super::file::{EntryFile, Field};
use crate::domain::{FieldKind, Part};

/// The pattern of a required text without one of its own.
pub(crate) const NOT_BLANK: &str = r"\S";

/// The schema of one part. Unknown keys are accepted: a provider may know more than the catalog does.
pub(super) fn of(file: &EntryFile, part: Part) -> Value {
    let fields = file.fields(part);
    let properties: Map<String, Value> = fields.iter().map(|f| (f.name.clone(), property(f, part))).collect();
    let required: Vec<_> = fields.iter().filter(|f| f.required).map(|f| f.name.as_str()).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("{} {}", file.display_name, part.as_str()),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": true,
    })
}

fn property(field: &Field, part: Part) -> Value {
    let mut property = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            property.insert(key.to_owned(), value);
        }
    };
    set("title", Some(field.label.clone().into()));
    set("description", field.help.clone().map(Value::from));
    set("type", (field.kind != FieldKind::Enum).then(|| field.kind.as_str().into()));
    set("format", field.format.clone().map(Value::from));
    // A blank text leaves a required field unset: an installation with one is as incomplete as without the field.
    let is_required_text = field.required && field.kind == FieldKind::String;
    set("minLength", is_required_text.then_some(1.into()));
    let pattern = field.pattern.as_deref().or(is_required_text.then_some(NOT_BLANK));
    set("pattern", pattern.map(Value::from));
    set("enum", (field.kind == FieldKind::Enum).then(|| field.choices.clone().into()));
    set("default", field.default.clone());
    set("examples", field.example.clone().map(|example| json!([example])));
    set("writeOnly", (part == Part::Secrets).then_some(true.into()));
    Value::Object(property)
}
