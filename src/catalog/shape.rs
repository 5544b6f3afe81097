//! Whether a document has the shape of a catalog file: the published JSON Schema, with every mistake in words.

use std::collections::HashSet;
use std::sync::OnceLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::Problem;
use crate::domain::pointer;

/// What editors complete and check catalog files with.
pub const ENTRY_SCHEMA: &str = include_str!("../../catalog/schema/entry.json");

/// The mistakes of shape, and the document without what is wrong: what is left of it can still be looked at.
pub(super) fn check(document: &Value) -> (Vec<Problem>, Value) {
    let mut problems = Vec::new();
    find_nul(document, "", &mut problems);
    for error in validator().iter_errors(document) {
        problems.extend(told(&error));
    }
    // A text that is no address breaks both pattern and format, and is one mistake.
    let mut seen = HashSet::new();
    problems.retain(|problem| seen.insert(problem.pointer.clone()));
    let mut rest = document.clone();
    for problem in &problems {
        prune(&mut rest, &problem.pointer);
    }
    (problems, rest)
}

/// Texts and keys with the character that PostgreSQL cannot hold.
fn find_nul(value: &Value, at: &str, problems: &mut Vec<Problem>) {
    let problem = |pointer: String| Problem { pointer, message: "must not contain the NUL character".into() };
    match value {
        Value::String(text) if text.contains('\0') => problems.push(problem(at.to_owned())),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| find_nul(item, &format!("{at}/{n}"), problems));
        }
        Value::Object(object) => {
            for (key, value) in object {
                if key.contains('\0') {
                    problems.push(problem(at.to_owned()));
                } else {
                    find_nul(value, &format!("{at}{}", pointer::step(key)), problems);
                }
            }
        }
        _ => {}
    }
}

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let schema: Value = serde_json::from_str(ENTRY_SCHEMA).expect("the published schema is JSON");
        jsonschema::options().should_validate_formats(true).build(&schema).expect("the published schema is one")
    })
}

/// In our own words: the library's quote the document.
fn told(error: &ValidationError<'_>) -> Vec<Problem> {
    let at = error.instance_path().as_str();
    let one = |message: String| vec![Problem { pointer: at.to_owned(), message }];
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![Problem { pointer: format!("{at}/{name}"), message: "is missing: add it".into() }]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let unknown = |name: &String| Problem {
                pointer: format!("{at}{}", pointer::step(name)),
                message: "is not a key of a catalog file: correct its spelling, or take it out".into(),
            };
            unexpected.iter().map(unknown).collect()
        }
        ValidationErrorKind::Type { kind } => one(format!("must be {}", type_name(kind))),
        ValidationErrorKind::Enum { options } => one(format!("must be one of {}", choices(options))),
        ValidationErrorKind::Pattern { pattern } => one(format!("must match {pattern}")),
        ValidationErrorKind::Format { format } => one(format!("must be a {format}")),
        ValidationErrorKind::MinLength { .. } => one("must not be empty".into()),
        ValidationErrorKind::MaxLength { limit } => one(format!("must have at most {limit} characters")),
        ValidationErrorKind::MinItems { .. } => one("must not be an empty list".into()),
        ValidationErrorKind::MaxItems { limit } => one(format!("must have at most {limit} items")),
        ValidationErrorKind::UniqueItems => one("must not hold the same twice".into()),
        ValidationErrorKind::Minimum { limit } => one(format!("must be at least {limit}")),
        ValidationErrorKind::Maximum { limit } => one(format!("must be at most {limit}")),
        ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. } => {
            one("needs either field or value, and not both".into())
        }
        _ => one("breaks the schema of catalog files".into()),
    }
}

/// A type with its article.
pub(crate) fn type_name(kind: &TypeKind) -> String {
    let names = match kind {
        TypeKind::Single(kind) => kind.to_string(),
        TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or "),
    };
    let article = if names.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {names}")
}

/// What may be chosen, separated by commas.
pub(crate) fn choices(options: &Value) -> String {
    let options = options.as_array().into_iter().flatten();
    let texts = options.map(|option| option.as_str().map_or_else(|| option.to_string(), str::to_owned));
    texts.collect::<Vec<_>>().join(", ")
}

/// Takes out what a pointer names; an item of a list becomes an empty one of its kind, so that the others keep their places.
fn prune(document: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        *document = Value::Object(serde_json::Map::new());
        return;
    };
    match document.pointer_mut(parent) {
        Some(Value::Object(object)) => {
            object.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            if let Some(item) = name.parse().ok().and_then(|at: usize| items.get_mut(at)) {
                // A list of texts stays one; anything else is a list of objects.
                let is_text =
                    parent.ends_with("/tags") || parent.ends_with("/allowed_hosts") || parent.ends_with("_to");
                *item = if is_text { Value::String(String::new()) } else { Value::Object(serde_json::Map::new()) };
            }
        }
        _ => {}
    }
}
