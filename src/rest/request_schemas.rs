//! Schemas of request values that are as strict as the handlers: a value that the document allows is accepted.

use serde_json::{Map, Value, json};
use utoipa::openapi::Type;
use utoipa::openapi::schema::{Array, ArrayBuilder, Object, ObjectBuilder, SchemaType};

use crate::domain::event::Outcome;
use crate::domain::limits::SECRETS_PER_INSTALLATION;
use crate::domain::new_api_key::ACCOUNTS_MAX;
use crate::domain::{Action, Scope};
use crate::service::ENTRY_SCHEMA;

/// Prefix of a reference to a component of the document.
const COMPONENTS: &str = "#/components/schemas/";
/// Prefix of the components that the definition of an integration refers to.
const DEFINITION: &str = "Definition";

/// The kinds of events that `action` filters by.
pub(super) fn action() -> Object {
    string_enum(Action::ALL.iter().map(|action| action.as_str()))
}

/// The outcomes that `outcome` filters by.
pub(super) fn outcome() -> Object {
    string_enum(Outcome::ALL.iter().map(|outcome| outcome.as_str()))
}

/// The scopes of a new API key.
pub(super) fn scopes() -> Array {
    let scope = string_enum(Scope::ALL.iter().map(|scope| scope.as_str()));
    ArrayBuilder::new().items(scope).min_items(Some(1)).build()
}

/// The accounts of a new API key, or null.
pub(super) fn accounts() -> Array {
    let account = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z0-9][a-z0-9_-]{0,62}$")).build();
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(account)
        .min_items(Some(1))
        .max_items(Some(ACCOUNTS_MAX))
        .build()
}

/// An opaque, non-empty cursor.
pub(super) fn cursor() -> Object {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).build()
}

fn string_enum(words: impl Iterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

/// Adds to the components what utoipa's types cannot express.
pub(super) fn complete(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
    add_definition(schemas);
    merge(
        schemas,
        "NewApiKeyBody",
        json!({"not": {
            "required": ["accounts", "all_accounts"],
            "properties": {"accounts": {"type": "array", "items": {"type": "string"}}, "all_accounts": {"const": true}}
        }}),
    );
    let secrets =
        json!({"propertyNames": {"pattern": "^[A-Za-z0-9_.-]{1,128}$"}, "maxProperties": SECRETS_PER_INSTALLATION});
    merge(schemas, "InstallBody", json!({"properties": {"secrets": secrets}}));
}

/// Replaces the outline of a definition by the published schema of catalog entries.
fn add_definition(schemas: &mut Map<String, Value>) {
    let mut schema: Value = serde_json::from_str(ENTRY_SCHEMA).unwrap_or_default();
    point_to_components(&mut schema);
    let Some(schema) = schema.as_object_mut() else { return };
    for keyword in ["$schema", "title"] {
        schema.remove(keyword);
    }
    if let Some(Value::Object(parts)) = schema.remove("$defs") {
        schemas.extend(parts.into_iter().map(|(name, part)| (component(&name), part)));
    }
    merge(schemas, DEFINITION, Value::Object(schema.clone()));
}

/// Makes each reference to a part of the schema one to a component of the document.
fn point_to_components(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/")
            {
                *target = format!("{COMPONENTS}{}", component(name));
            }
            object.values_mut().for_each(point_to_components);
        }
        Value::Array(items) => items.iter_mut().for_each(point_to_components),
        _ => {}
    }
}

/// `auth_kind` becomes `DefinitionAuthKind`.
fn component(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    DEFINITION.to_owned() + &words.collect::<String>()
}

/// Merges keywords into a component. Objects merge; any other value replaces.
fn merge(schemas: &mut Map<String, Value>, name: &str, keywords: Value) {
    merge_value(schemas.entry(name).or_insert_with(|| json!({})), keywords);
}

fn merge_value(target: &mut Value, source: Value) {
    match (target, source) {
        (Value::Object(target), Value::Object(source)) => {
            for (keyword, value) in source {
                merge_value(target.entry(keyword).or_insert(Value::Null), value);
            }
        }
        (target, source) => *target = source,
    }
}
