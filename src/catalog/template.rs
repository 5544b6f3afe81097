//! Templates of URLs: text with the names of params in braces.

use std::collections::HashSet;

use serde_json::Value;

use super::file::{EntryFile, Field};

/// The longest text that a template may resolve to, in bytes. Longer URLs do not pass every proxy.
pub(super) const MAX_RESOLVED_BYTES: usize = 2048;

/// Why a template has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TemplateError {
    /// A variable names no param, or a param without default and example.
    NoValue,
    /// The resolved text exceeds [`MAX_RESOLVED_BYTES`].
    TooLong,
}

/// A literal text, or the name of a variable.
#[derive(Debug, PartialEq, Eq)]
enum Segment<'t> {
    Literal(&'t str),
    Variable(&'t str),
}

/// Splits a template in one pass. A brace without its counterpart is literal text.
fn segments(template: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        let close = match rest.strip_prefix('{') {
            Some(inner) => inner.find(['{', '}']).filter(|at| inner.as_bytes()[*at] == b'}').map(|at| at + 1),
            None => None,
        };
        if let Some(close) = close {
            let name = &rest[1..close];
            rest = &rest[close + 1..];
            return Some(Segment::Variable(name));
        }
        let (skipped, _) = rest.char_indices().nth(1).unwrap_or((rest.len(), ' '));
        let end = rest[skipped..].find('{').map_or(rest.len(), |at| skipped + at);
        let (literal, after) = rest.split_at(end);
        rest = after;
        (!literal.is_empty()).then_some(Segment::Literal(literal))
    })
}

/// The names in braces, each once, in the order of the template.
pub(super) fn variables(template: &str) -> Vec<&str> {
    let mut seen = HashSet::new();
    let names = segments(template).filter_map(|segment| match segment {
        Segment::Variable(name) => Some(name),
        Segment::Literal(_) => None,
    });
    names.filter(|name| seen.insert(*name)).collect()
}

/// Replaces each variable with its param's default, else its example. Replaced text is never searched for variables.
///
/// # Errors
/// [`TemplateError`]; the text is never larger than [`MAX_RESOLVED_BYTES`].
pub(super) fn resolve(template: &str, file: &EntryFile) -> Result<String, TemplateError> {
    let mut resolved = String::new();
    for segment in segments(template) {
        let value;
        let text = match segment {
            Segment::Literal(text) => text,
            Segment::Variable(name) => {
                let field = file.params.iter().find(|field| field.name == name).ok_or(TemplateError::NoValue)?;
                value = sample(field).ok_or(TemplateError::NoValue)?;
                &value
            }
        };
        if resolved.len() + text.len() > MAX_RESOLVED_BYTES {
            return Err(TemplateError::TooLong);
        }
        resolved.push_str(text);
    }
    Ok(resolved)
}

/// The default of a field, else its example, as text. A text above the limit is cut, which keeps it above the limit.
fn sample(field: &Field) -> Option<String> {
    let value = field.default.as_ref().or(field.example.as_ref())?;
    Some(match value {
        Value::String(text) => text.chars().take(MAX_RESOLVED_BYTES + 1).collect(),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(params: &[(&str, &str)]) -> EntryFile {
        let field = |(name, example): &(&str, &str)| Field {
            name: (*name).to_owned(),
            example: Some(Value::from(*example)),
            ..Field::default()
        };
        EntryFile { params: params.iter().map(field).collect(), ..EntryFile::default() }
    }

    #[test]
    fn variables_are_listed_once_and_lone_braces_are_text() {
        assert_eq!(variables("https://{a}.{b}.x/{a}"), ["a", "b"]);
        assert_eq!(variables("{{a}}}{b{"), ["a"]);
        let file = file(&[("a", "1")]);
        for (template, expected) in [("{{a}}}{b{", "{1}}{b{"), ("é{a}é", "é1é"), ("", ""), ("}", "}")] {
            assert_eq!(resolve(template, &file).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn substituted_text_is_never_searched_for_variables() {
        let file = file(&[("a", "{a}{b}"), ("b", "{a}")]);
        assert_eq!(resolve("{a}-{b}-{a}", &file).as_deref(), Ok("{a}{b}-{a}-{a}{b}"));
    }

    #[test]
    fn substitution_stops_at_the_limit() {
        let long = "x".repeat(20_000);
        let file = file(&[("a", &long), ("b", "{b}{b}")]);
        assert_eq!(resolve(&"{a}".repeat(10_000), &file), Err(TemplateError::TooLong));
        assert_eq!(resolve(&"{b}".repeat(10_000), &file), Err(TemplateError::TooLong));
        assert_eq!(resolve("{c}", &file), Err(TemplateError::NoValue));
        assert_eq!(resolve(&"y".repeat(MAX_RESOLVED_BYTES), &file).map(|text| text.len()), Ok(MAX_RESOLVED_BYTES));
    }

    proptest! {
        #[test]
        fn segments_are_the_whole_template(template in "[ab{}é/.]{0,40}") {
            let whole: String = segments(&template).map(|segment| match segment {
                Segment::Literal(text) => text.to_owned(),
                Segment::Variable(name) => format!("{{{name}}}"),
            }).collect();
            prop_assert_eq!(whole, template);
        }

        #[test]
        fn resolved_text_keeps_to_the_limit(template in "(\\{a\\}|[x{}]){0,400}", example in "[x{a}]{0,3000}") {
            if let Ok(text) = resolve(&template, &file(&[("a", &example)])) {
                prop_assert!(text.len() <= MAX_RESOLVED_BYTES);
            }
        }
    }
}
