//! Checking supplied values against an entry's schemas, one sentence per field, without ever quoting a value.

use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::catalog::{NOT_BLANK, choices, type_name};
use crate::domain::entry::{Entry, Part};

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

    /// The rule that the value of a field breaks, in words; `None` for a field that the entry does not know.
    pub(super) fn broken_rule(&self, part: Part, name: &str, value: &Value) -> Option<String> {
        let fields = match part {
            Part::Params => &self.params,
            Part::Secrets => &self.secrets,
        };
        let mut errors = fields.get(name)?.iter_errors(value);
        errors.find(|error| !is_of_completeness(error.kind())).map(|error| rule(error.kind()))
    }
}

/// Whether a blank text breaks the rule: it is reported as missing, as an absent field is.
fn is_of_completeness(kind: &ValidationErrorKind) -> bool {
    match kind {
        ValidationErrorKind::MinLength { .. } => true,
        ValidationErrorKind::Pattern { pattern } => pattern == NOT_BLANK,
        _ => false,
    }
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
