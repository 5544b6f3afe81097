//! A field of an entry's form: one thing that an installation asks a person for.

use serde_json::Value;

use super::entry::{AuthKind, Part};
use super::words::words;

words! {
    /// The types a field can have.
    #[derive(Default)]
    FieldKind {
        /// Text.
        #[default]
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// True or false.
        Boolean = "boolean",
        /// One of a list of values.
        Enum = "enum",
    }
}

/// What a form has to know to ask for one value.
#[derive(Clone, Debug, PartialEq)]
pub struct FormField {
    /// Plain or secret.
    pub part: Part,
    /// Unique within the entry.
    pub name: String,
    /// In the provider's words.
    pub label: String,
    /// Where to find the value.
    pub help: Option<String>,
    /// The type of a value.
    pub kind: FieldKind,
    /// JSON Schema format: `hostname`, `uri`, `email` or `uuid`.
    pub format: Option<String>,
    /// A linear-time regular expression.
    pub pattern: Option<String>,
    /// What may be chosen; empty unless the type is [`FieldKind::Enum`].
    pub choices: Vec<Value>,
    /// Taken by whoever uses the installation when nothing is stored.
    pub default: Option<Value>,
    /// Plainly fake.
    pub example: Option<Value>,
    /// An installation is incomplete without it.
    pub required: bool,
    /// Its place in the form.
    pub order: i32,
    /// Needs more than one line.
    pub multiline: bool,
    /// The ways to authenticate that use it; all of them when empty.
    pub applies_to: Vec<AuthKind>,
    /// Where the provider explains it.
    pub docs_url: Option<String>,
}
