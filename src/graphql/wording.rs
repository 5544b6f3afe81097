//! The library's messages, said again so that they quote nothing but the schema.
//!
//! A message about names can be cut at its quotes, since a name holds none. One about a value cannot: the value may hold
//! quotes, or stand there without any. Those are told apart by how they begin, and said in our own words.

use std::collections::HashSet;
use std::sync::Arc;

use super::coercion::MISSING;
use super::executor::CONFLICT;

/// The words of the schema: all that an error may quote.
#[derive(Clone)]
pub(super) struct Vocabulary {
    words: Arc<HashSet<String>>,
    /// Whether words that the client did not say may be suggested: they tell the schema bit by bit.
    suggests: bool,
}

/// How messages begin whose every foreign word is a name in quotes.
const ABOUT_NAMES: [&str; 10] = [
    "Unknown ",
    "Duplicate directive \"",
    "Fragment ",
    "Directive \"",
    "Cannot spread fragment \"",
    "Cannot query field \"",
    "Variable \"",
    "Fields \"",
    "Field \"",
    "There can only be one ",
];

/// Why a value cannot be read, where the library or a scalar of ours says so without quoting it.
const REASONS: [&str; 3] =
    ["Only integers from ", "must be a JSON object", "text in a JSON object must stand in quotes"];

impl Vocabulary {
    pub(super) fn new(names: Vec<String>, suggests: bool) -> Self {
        Self { words: Arc::new(names.into_iter().collect()), suggests }
    }

    /// The message without a word of the document or a variable.
    pub(super) fn reword(&self, message: &str) -> String {
        for start in ["Invalid value for argument ", "Invalid default value for argument: "] {
            if let Some(rest) = message.strip_prefix(start) {
                return self.unfit(rest);
            }
        }
        if let Some(rest) = message.strip_prefix("Expected input type ") {
            return invalid(&self.expected(rest).unwrap_or(UNFIT.into()));
        }
        if let Some(rest) = message.strip_prefix("Failed to parse ") {
            return self.unreadable(rest);
        }
        if ABOUT_NAMES.iter().any(|start| message.starts_with(start)) {
            return self.without_foreign_names(message);
        }
        match message {
            MISSING | CONFLICT => message.into(),
            _ => "The request is not valid".into(),
        }
    }

    fn knows(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// `"by.name", expected type "String"`: a path and what is wrong there.
    fn unfit(&self, rest: &str) -> String {
        let (path, reason) = rest.strip_prefix('"').and_then(|rest| rest.split_once("\", ")).unwrap_or(("", rest));
        let is_index = |step: &str| !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
        let reason = self.reason(reason);
        if path.split('.').all(|step| self.knows(step) || is_index(step)) {
            format!("Invalid value for {path}: {reason}")
        } else {
            invalid(&reason)
        }
    }

    fn reason(&self, reason: &str) -> String {
        let known = if let Some(rest) = reason.strip_prefix("expected type ") {
            self.expected(rest)
        } else if let Some(rest) = reason.strip_prefix("enumeration type ") {
            self.quoted(rest).map(|name| format!("not a value of {name}"))
        } else if let Some(rest) = reason.strip_prefix("field ") {
            self.quoted(rest).map(|name| format!("{name} is required"))
        } else if reason.starts_with("unknown field ") {
            Some("it has an unknown field".into())
        } else if reason.starts_with("Oneof ") {
            Some("give exactly one of its fields, and not as null".into())
        } else {
            None
        };
        known.unwrap_or(UNFIT.into())
    }

    fn expected(&self, rest: &str) -> Option<String> {
        self.quoted(rest).map(|name| format!("expected {name}"))
    }

    /// `"Int": Only integers from …`: a type and why a value of it cannot be read.
    fn unreadable(&self, rest: &str) -> String {
        let reason = rest.split_once("\": ").map_or("", |(_, reason)| reason);
        let reason = reason.split(" (occurred while").next().unwrap_or_default().trim_end_matches('.');
        if REASONS.iter().any(|start| reason.starts_with(start)) { invalid(reason) } else { invalid(UNFIT) }
    }

    /// The type or field in quotes at the start, if the schema has it.
    fn quoted<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (name, _) = text.strip_prefix('"')?.split_once('"')?;
        self.knows(bare(name)).then_some(name)
    }

    /// The message with every quoted word that is not of the schema left out.
    fn without_foreign_names(&self, message: &str) -> String {
        let message = match message.split_once(" Did you mean ") {
            Some((fault, _)) if !self.suggests => fault,
            _ => message,
        };
        let mut pieces = message.split('"');
        let mut clean = pieces.next().unwrap_or_default().to_owned();
        while let Some(quoted) = pieces.next() {
            // An odd quote at the end leaves a piece without its partner: that one is dropped whole.
            let Some(after) = pieces.next() else { break };
            let name = bare(quoted);
            if self.knows(name) && quoted.len() <= name.len() + 3 {
                clean.push_str(&format!("\"{quoted}\""));
            } else if clean.ends_with(' ') {
                clean.pop();
            }
            clean.push_str(after);
        }
        clean
    }
}

const UNFIT: &str = "it does not fit";

fn invalid(reason: &str) -> String {
    format!("Invalid value: {reason}")
}

/// A type without its brackets and marks, a variable without its sign.
fn bare(name: &str) -> &str {
    name.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_the_schema_are_quoted() {
        let words = ["Integration", "IntegrationRef", "IntegrationStatus", "name", "by", "status", "Int", "String"];
        let vocabulary = Vocabulary::new(words.map(str::to_owned).into(), true);
        for (message, reworded) in [
            (
                r#"Unknown field "sk_live" on type "Integration". Did you mean "name"?"#,
                r#"Unknown field on type "Integration". Did you mean "name"?"#,
            ),
            (r#"Variable "$sk_live" is not defined"#, "Variable is not defined"),
            ("Variable sk_live is not defined.", "The request is not valid"),
            (
                r#"Invalid value for argument "by.name", expected type "String""#,
                "Invalid value for by.name: expected String",
            ),
            (
                r#"Invalid value for argument "by", unknown field "a"sk_live"b" of type "IntegrationRef""#,
                "Invalid value for by: it has an unknown field",
            ),
            (
                r#"Invalid value for argument "status", enumeration type "IntegrationStatus" does not contain the value "a"sk_live"b""#,
                "Invalid value for status: not a value of IntegrationStatus",
            ),
            (r#"Invalid default value for argument: "sk_live", expected type "Int""#, "Invalid value: expected Int"),
            (r#"Invalid value for argument "sk_live", sk_live"#, "Invalid value: it does not fit"),
            (r#"Expected input type "IntegrationRef", found sk_live."#, "Invalid value: expected IntegrationRef"),
            (r#"Expected input type "[Int!]", found "sk_live"."#, "Invalid value: expected [Int!]"),
            (
                r#"Failed to parse "Int": Only integers from 1 to 2 are accepted. (occurred while parsing "X")"#,
                "Invalid value: Only integers from 1 to 2 are accepted",
            ),
            (r#"Failed to parse "Int": bad "a "sk_live" c""#, "Invalid value: it does not fit"),
            ("sk_live", "The request is not valid"),
            (r#"Unknown "sk_live"#, "Unknown "),
        ] {
            assert_eq!(vocabulary.reword(message), reworded);
        }
    }

    #[test]
    fn a_vocabulary_that_does_not_suggest_ends_before_the_suggestion() {
        let vocabulary = Vocabulary::new(["Integration", "name"].map(str::to_owned).into(), false);
        let message = r#"Unknown field "nam" on type "Integration". Did you mean "name"?"#;
        assert_eq!(vocabulary.reword(message), r#"Unknown field on type "Integration"."#);
    }
}
