//! Checking supplied values against an entry's schemas, one sentence per field, without ever quoting a value.

use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::catalog::{choices, type_name};
use crate::domain::entry::{Entry, Part};
use crate::error::FieldProblem;

/// The fields of an entry, each with its compiled rules.
///
/// Checked field by field: a required field that is absent is not refused but reported as missing, and a field that
/// the entry does not know is accepted.
pub(super) struct Forms {
    params: BTreeMap<String, Validator>,
    secrets: BTreeMap<String, Validator>,
}

impl Forms {
    pub(super) fn of(entry: &Entry) -> Self {
        Self { params: compile(entry, &entry.params_schema), secrets: compile(entry, &entry.secrets_schema) }
    }

    pub(super) fn check_params(&self, params: &Map<String, Value>) -> Vec<FieldProblem> {
        params.iter().filter_map(|(name, value)| check(&self.params, Part::Params, name, value)).collect()
    }

    pub(super) fn check_secret(&self, name: &str, value: &Value) -> Option<FieldProblem> {
        check(&self.secrets, Part::Secrets, name, value)
    }
}

fn check(fields: &BTreeMap<String, Validator>, part: Part, name: &str, value: &Value) -> Option<FieldProblem> {
    let error = fields.get(name)?.iter_errors(value).next()?;
    Some(FieldProblem { part, name: Some(name.to_owned()), message: rule(error.kind()) })
}

fn compile(entry: &Entry, schema: &Value) -> BTreeMap<String, Validator> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .filter_map(|(name, property)| {
            // A linear-time engine: a pattern cannot be made to take exponential time by a crafted value.
            let options = jsonschema::options().should_validate_formats(true).with_pattern_options(PatternOptions::regex());
            match options.build(property) {
                Ok(validator) => Some((name.clone(), validator)),
                Err(error) => {
                    tracing::error!(entry = entry.name, field = name, %error, "field is not checked: its schema is broken");
                    None
                }
            }
        })
        .collect()
}

/// The broken rule in our own words: the library's quote the value.
fn rule(kind: &ValidationErrorKind) -> String {
    match kind {
        ValidationErrorKind::Type { kind } => format!("must be {}", type_name(kind)),
        ValidationErrorKind::Enum { options } => format!("must be one of {}", choices(options)),
        ValidationErrorKind::Pattern { pattern } => format!("must match {pattern}"),
        ValidationErrorKind::Format { format } => format!("must be a valid {format}"),
        _ => "breaks the rules of this field".to_owned(),
    }
}
