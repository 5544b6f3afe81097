//! Whether a document has the shape of a catalog file: the published JSON Schema, with every mistake in words.

use std::collections::HashSet;
use std::sync::OnceLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use super::Problem;
use crate::domain::text::{has_deceptive, is_deceptive};
use crate::domain::{Problems, pointer};

/// Keys whose texts may have several lines, as the ends of pointers.
const MULTILINE: [&str; 2] = ["/help", "/body"];
/// Keys whose texts may have tabs, and several lines in a field with `multiline`, as the ends of pointers.
const FIELD_VALUES: [&str; 2] = ["/example", "/default"];
const DECEPTIVE: &str = "control, bidirectional and zero-width characters are refused";

/// What editors complete and check catalog files with.
pub const ENTRY_SCHEMA: &str = include_str!("../../catalog/schema/entry.json");

/// The mistakes of shape, and the document without what is wrong: what is left of it can still be looked at.
///
/// Lists beyond their maximum, unknown keys and texts with deceptive characters are left out first, so that the schema's
/// own check never sees more than an entry may hold.
pub(super) fn check(document: &Value) -> (Problems<Problem>, Value) {
    let mut copy = BoundedCopy { problems: Problems::default(), pointer: String::new(), is_multiline: false };
    let mut rest = copy.value(document, schema()).unwrap_or_default();
    let mut problems = copy.problems;
    // A text that is no address breaks both pattern and format, and is one mistake.
    let mut seen: HashSet<_> = problems.listed().iter().map(|problem| problem.pointer.clone()).collect();
    for problem in validator().iter_errors(&rest).map(|error| describe(&error)) {
        if seen.insert(problem.pointer.clone()) {
            problems.push(problem);
        }
    }
    for problem in problems.listed() {
        prune(&mut rest, &problem.pointer);
    }
    (problems, rest)
}

fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| serde_json::from_str(ENTRY_SCHEMA).expect("the published schema is JSON"))
}

/// Copies of a document what its schema has room for.
struct BoundedCopy {
    problems: Problems<Problem>,
    /// Of the value that is copied.
    pointer: String,
    /// Whether the innermost object around the value is a field with `multiline`.
    is_multiline: bool,
}

impl BoundedCopy {
    /// `None` for what is left out.
    fn value(&mut self, value: &Value, schema: &Value) -> Option<Value> {
        let schema = match schema["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
            Some(target) => self::schema().pointer(target)?,
            None => schema,
        };
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => self.list(items, schema),
            Value::Object(object) => Some(self.object(object, schema)),
            plain => Some(plain.clone()),
        }
    }

    fn text(&mut self, text: &str) -> Option<Value> {
        let ends_with_any = |keys: &[&str]| keys.iter().any(|key| self.pointer.ends_with(key));
        let is_value = ends_with_any(&FIELD_VALUES);
        let has_lines = ends_with_any(&MULTILINE) || (is_value && self.is_multiline);
        let is_allowed = |c: char| match c {
            '\n' | '\r' => has_lines,
            '\t' => has_lines || is_value,
            _ => !is_deceptive(c),
        };
        match text.chars().find(|c| !is_allowed(*c)) {
            Some(c) => self.refuse(format!("must not contain U+{:04X}: {DECEPTIVE}", u32::from(c))),
            None => Some(text.into()),
        }
    }

    fn list(&mut self, items: &[Value], schema: &Value) -> Option<Value> {
        // A list where none belongs is a mistake of its type, whatever it holds.
        let Some(item_schema) = schema.get("items") else { return Some(Value::Array(Vec::new())) };
        if let Some(limit) = schema["maxItems"].as_u64().filter(|limit| items.len() as u64 > *limit) {
            return self.refuse(format!("must have at most {limit} items"));
        }
        let copy = |(n, item): (usize, &Value)| {
            self.copy_at(&format!("/{n}"), |copy| copy.value(item, item_schema)).unwrap_or_else(|| placeholder(item))
        };
        Some(items.iter().enumerate().map(copy).collect())
    }

    fn object(&mut self, object: &Map<String, Value>, schema: &Value) -> Value {
        let mut copied = Map::new();
        let Some(known) = schema["properties"].as_object() else { return copied.into() };
        let outer = std::mem::replace(&mut self.is_multiline, object.get("multiline") == Some(&Value::Bool(true)));
        for (key, value) in object {
            match known.get(key) {
                Some(schema) => {
                    let value = self.copy_at(&pointer::step(key), |copy| copy.value(value, schema));
                    copied.extend(value.map(|value| (key.clone(), value)));
                }
                None if has_deceptive(key) => {
                    drop(self.refuse(format!("has a key with a character that keys lack: {DECEPTIVE}")))
                }
                None => self.problems.push_with(|| Problem {
                    pointer: format!("{}{}", self.pointer, pointer::step(key)),
                    message: "is not a key of a catalog file: correct its spelling, or take it out".into(),
                }),
            }
        }
        self.is_multiline = outer;
        copied.into()
    }

    fn copy_at<T>(&mut self, step: &str, copy: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push_str(step);
        let copied = copy(self);
        self.pointer.truncate(length);
        copied
    }

    fn refuse(&mut self, message: String) -> Option<Value> {
        self.problems.push_with(|| Problem { pointer: self.pointer.clone(), message });
        None
    }
}

/// An empty value of the same kind, so that the items after it keep their index.
fn placeholder(item: &Value) -> Value {
    match item {
        Value::String(_) => Value::String(String::new()),
        _ => Value::Object(Map::new()),
    }
}

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        jsonschema::options().should_validate_formats(true).build(schema()).expect("the published schema is one")
    })
}

/// In our own words: the library's quote the document.
fn describe(error: &ValidationError<'_>) -> Problem {
    let mut pointer = error.instance_path().as_str().to_owned();
    let message = match error.kind() {
        ValidationErrorKind::Required { property } => {
            pointer += &pointer::step(property.as_str().unwrap_or_default());
            "is missing: add it".into()
        }
        ValidationErrorKind::Type { kind } => format!("must be {}", type_name(kind)),
        ValidationErrorKind::Enum { options } => format!("must be one of {}", choices(options)),
        ValidationErrorKind::Pattern { pattern } if pattern == "\\S" => "must not be blank".into(),
        ValidationErrorKind::Pattern { pattern } if pattern.starts_with("^https://") => {
            "must match ^https://, followed by a host without user name".into()
        }
        ValidationErrorKind::Pattern { pattern } => format!("must match {pattern}"),
        ValidationErrorKind::Format { format } => format!("must be a {format}"),
        ValidationErrorKind::MinLength { .. } => "must not be empty".into(),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinItems { .. } => "must not be an empty list".into(),
        ValidationErrorKind::UniqueItems => "must not hold the same twice".into(),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. } => {
            "needs either field or value, and not both".into()
        }
        _ => "breaks the schema of catalog files".into(),
    };
    Problem { pointer, message }
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
        *document = Value::Object(Map::new());
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
                    ["/tags", "/sites", "/allowed_hosts", "/applies_to"].iter().any(|of| parent.ends_with(of));
                *item = if is_text { Value::String(String::new()) } else { Value::Object(Map::new()) };
            }
        }
        _ => {}
    }
}
