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
    /// The request header that carries the value, where a header carries it: none can carry a control character.
    pub header: Option<String>,
}

impl FormField {
    /// Whether this value leaves a required field as unset as its absence does.
    pub fn is_unset_by(&self, value: &Value) -> bool {
        let is_blank = || self.kind == FieldKind::String && value.as_str().is_some_and(|text| text.trim().is_empty());
        self.required && (value.is_null() || is_blank())
    }

    /// The rule that this value breaks beyond the field's schema, in words without the value.
    pub fn broken_rule(&self, value: &Value) -> Option<String> {
        if self.part == Part::Secrets && self.is_unset_by(value) {
            return Some("must not be blank: leave it out, or send null to remove the stored value".to_owned());
        }
        broken_header_rule(self.header.as_ref()?, value)
    }
}

/// The rule that this value breaks in a request header of this name, in words without the value.
pub fn broken_header_rule(header: &str, value: &Value) -> Option<String> {
    // A tab is the one control character that a field value may hold (RFC 9110, section 5.5).
    let is_refused = |c: char| c.is_control() && c != '\t';
    value
        .as_str()?
        .contains(is_refused)
        .then(|| format!("must not contain a line break or another control character: the header {header} carries it"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(part: Part, header: Option<&str>) -> FormField {
        FormField {
            part,
            name: "api_key".into(),
            label: "API key".into(),
            help: None,
            kind: FieldKind::String,
            format: None,
            pattern: None,
            choices: Vec::new(),
            default: None,
            example: None,
            required: true,
            order: 1,
            multiline: false,
            applies_to: Vec::new(),
            docs_url: None,
            header: header.map(str::to_owned),
        }
    }

    #[test]
    fn blank_value_leaves_required_string_unset() {
        let required = field(Part::Params, None);
        for (value, is_unset) in [
            (json!(""), true),
            (json!(" \t\r\n\u{a0}\u{3000}"), true),
            (json!(null), true),
            (json!("x"), false),
            (json!(0), false),
            (json!(false), false),
        ] {
            assert_eq!(required.is_unset_by(&value), is_unset, "{value}");
        }
        let optional = FormField { required: false, ..required.clone() };
        let choice = FormField { kind: FieldKind::Enum, ..required };
        assert!(!optional.is_unset_by(&json!("")) && !choice.is_unset_by(&json!("")));
    }

    #[test]
    fn value_in_header_has_no_control_character() {
        let (carried, free) = (field(Part::Secrets, Some("Authorization")), field(Part::Secrets, None));
        for text in ["a\nb", "a\r", "\0a", "a\u{7f}", "\u{85}a", "a\u{1b}[2J"] {
            let rule = carried.broken_rule(&json!(text)).expect("a rule");
            assert!(rule.ends_with("the header Authorization carries it"), "{rule}");
            assert_eq!(free.broken_rule(&json!(text)), None);
        }
        for text in ["sk_live", "a b\tc", "zo\u{eb}", "a:b"] {
            assert_eq!(carried.broken_rule(&json!(text)), None, "{text}");
        }
    }
}
