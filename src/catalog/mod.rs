//! Catalog files: their shape, their rules, and the built-in set compiled into the binary.
//!
//! Turns files into domain entries and knows neither the database nor a transport.

mod batch;
mod builtin;
mod document;
mod file;
mod pattern;
mod rules;
mod schema;
mod shape;
mod template;
mod written;

use chrono::NaiveDate;
use serde_json::Value;

use crate::domain::Problems;

pub use batch::{Batch, BatchEntry, Finding, SourceFile};
pub use builtin::{builtin, builtin_files, retired};
pub use document::{MOST_BYTES, Syntax};
pub use file::EntryFile;
pub(crate) use pattern::{MatchBudget, field_validator};
pub(crate) use schema::NOT_BLANK;
pub use shape::ENTRY_SCHEMA;
pub(crate) use shape::{choices, type_name};
pub use written::write;

/// One mistake of a catalog file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands, as a JSON pointer into the document (RFC 6901).
    pub pointer: String,
    /// The rule and the cure, in words; never what was supplied where that may be anything.
    pub message: String,
}

/// Whose entries are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Ours: every fact has its source.
    Builtin,
    /// An operator's or an account's own.
    Custom,
}

/// What came of a check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The entry, without what is wrong with it.
    pub file: EntryFile,
    /// The mistakes; the entry is fit for use when there is none.
    pub problems: Problems<Problem>,
    /// What is right today, and should be looked at.
    pub warnings: Vec<Problem>,
}

/// Looks at a document for everything that is wrong with it.
pub fn check(document: &Value, set: Set, today: NaiveDate) -> Checked {
    let (mut problems, rest) = shape::check(document);
    let file: EntryFile = serde_json::from_value(rest).unwrap_or_default();
    if file.name.is_empty() && problems.is_empty() {
        // JSON Schema counts 1.0 as an integer, the reader does not.
        let message = "holds a number that is no whole number: write 1, not 1.0".into();
        problems.push(Problem { pointer: String::new(), message });
    }
    let further = rules::check(&file, set, today);
    let reported: Vec<_> = problems.listed().iter().map(|problem| problem.pointer.clone()).collect();
    problems.merge(further, |problem| !reported.iter().any(|outer| covers(outer, &problem.pointer)));
    let warnings = if set == Set::Builtin { rules::warnings(&file, today) } else { Vec::new() };
    Checked { file, problems, warnings }
}

/// Whether the one place is the other, or around it.
fn covers(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
