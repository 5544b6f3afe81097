//! Checking supplied values against an entry's schemas, one sentence per field, without ever quoting a value.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::catalog::{MatchBudget, NOT_BLANK, choices, field_validator, type_name};
use crate::domain::entry::{Entry, Part};
use crate::error::FieldProblem;

/// The fields of an entry, each with its rules, compiled when a value of it is checked.
///
/// Checked field by field: a required field that is absent is not refused but reported as missing, and a field that
/// the entry does not know is accepted. Compiled rules of the shared catalog are kept. Those of a custom integration are
/// not: an account writes their patterns, which would take memory for as long as the catalog is kept.
pub(super) struct Forms {
    entry: Arc<Entry>,
    kept: BTreeMap<(Part, String), OnceLock<Option<Arc<Validator>>>>,
}

/// One check of supplied values.
pub(super) struct Check<'f> {
    forms: &'f Forms,
    budget: MatchBudget,
}

impl Forms {
    pub(super) fn new(entry: &Arc<Entry>) -> Self {
        let fields = entry.fields.iter().filter(|_| !entry.is_custom);
        let kept = fields.map(|field| ((field.part, field.name.clone()), OnceLock::new())).collect();
        Self { entry: entry.clone(), kept }
    }

    pub(super) fn check(&self) -> Check<'_> {
        Check { forms: self, budget: MatchBudget::new() }
    }

    fn validator(&self, part: Part, name: &str, property: &Value) -> Option<Arc<Validator>> {
        match self.kept.get(&(part, name.to_owned())) {
            Some(kept) => kept.get_or_init(|| self.compile(name, property)).clone(),
            None => self.compile(name, property),
        }
    }

    fn compile(&self, name: &str, property: &Value) -> Option<Arc<Validator>> {
        let entry = &self.entry.name;
        let compiled = field_validator(property).inspect_err(|error| {
            tracing::warn!(entry, field = name, %error, "field is not checked: its schema does not compile");
        });
        compiled.ok().map(Arc::new)
    }
}

impl Check<'_> {
    /// The rule that the value of a field breaks; `None` for a field that the entry does not know.
    pub(super) fn value(&mut self, part: Part, name: &str, value: &Value) -> Option<FieldProblem> {
        let entry = &self.forms.entry;
        let schema = match part {
            Part::Params => &entry.params_schema,
            Part::Secrets => &entry.secrets_schema,
        };
        let property = schema["properties"].get(name)?;
        let problem = |message| Some(FieldProblem { part, name: Some(name.to_owned()), message });
        // Operators answer for the patterns of the shared catalog.
        if entry.is_custom && !self.budget.spend(property["pattern"].as_str(), value) {
            return problem("takes too much work to match with its pattern: shorten the value".to_owned());
        }
        let of_schema = || {
            let validator = self.forms.validator(part, name, property)?;
            let mut errors = validator.iter_errors(value);
            errors.find(|error| !is_of_completeness(error.kind())).map(|error| rule(error.kind()))
        };
        let of_field = || entry.field(part, name)?.broken_rule(value);
        of_schema().or_else(of_field).and_then(problem)
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

/// Does work that may take milliseconds; other requests of this thread are served by another one meanwhile.
pub(super) fn run_blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
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
