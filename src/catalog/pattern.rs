//! Bounds on the patterns of fields, and whether other regular expression engines read them alike.
//!
//! Accounts write patterns of their own. The length of a pattern does not determine the
//! size of the automaton, so both have a limit.

use std::sync::OnceLock;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Value, json};

/// The maximum number of patterns of one entry.
pub(super) const MAX_PATTERNS: usize = 16;
/// The maximum number of characters, classes and assertions of a pattern once its counted repetitions are written out.
const MAX_EXPANDED: u64 = 1_000;
/// The maximum size of a compiled pattern, in bytes, and of the states that a match keeps.
const MAX_COMPILED_BYTES: usize = 64 * 1024;
/// The maximum product of expanded pattern and text, summed over the values of one check: some 20 ms of matching.
const MAX_MATCH_STEPS: u64 = 4_000_000;

/// The validator of one field, with the limits of this module.
///
/// # Errors
/// The pattern does not compile within the limits, or needs more than linear time.
pub(crate) fn field_validator(property: &Value) -> Result<Validator, ValidationError<'static>> {
    let options = PatternOptions::regex().size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_COMPILED_BYTES);
    jsonschema::options().should_validate_formats(true).with_pattern_options(options).build(property)
}

/// What the matches of one check may cost altogether.
pub(crate) struct MatchBudget(u64);

impl MatchBudget {
    /// The whole budget of one check.
    pub(crate) fn new() -> Self {
        Self(MAX_MATCH_STEPS)
    }

    /// Spends what it costs to match the value. False if the budget does not cover that.
    pub(crate) fn spend(&mut self, pattern: Option<&str>, value: &Value) -> bool {
        let (Some(pattern), Some(text)) = (pattern, value.as_str()) else { return true };
        let steps = expanded_length(pattern).saturating_mul(text.len() as u64);
        match self.0.checked_sub(steps) {
            Some(rest) => self.0 = rest,
            None => return false,
        }
        true
    }
}

/// Why a pattern is refused before it is compiled.
pub(super) fn fault(pattern: &str) -> Option<String> {
    if !pattern.starts_with('^') {
        return Some("must start with ^: without it, anything may precede the match".to_owned());
    }
    if let Some(construct) = foreign_construct(pattern) {
        return Some(format!(
            "uses {construct}, which ECMA-262 lacks or reads otherwise: write it with classes and groups"
        ));
    }
    if expanded_length(pattern) > MAX_EXPANDED {
        return Some(format!(
            "repeats too much: written out, it may have at most {MAX_EXPANDED} characters and classes"
        ));
    }
    let is_ecma = ecma_262().is_valid(&Value::from(pattern));
    (!is_ecma).then(|| "is no regular expression of ECMA-262 (with the flag u), which browsers read".to_owned())
}

fn ecma_262() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let schema = json!({"format": "regex"});
        jsonschema::options().should_validate_formats(true).build(&schema).expect("a fixed schema")
    })
}

/// The first construct that our engine knows and ECMA-262 does not, or reads differently.
fn foreign_construct(pattern: &str) -> Option<String> {
    let mut is_in_class = false;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let escaped = after.chars().next()?;
                if escaped.is_ascii_alphabetic() && !"bBcdDfkpPnrsStuvwWx".contains(escaped) {
                    return Some(format!("\\{escaped}"));
                }
                rest = &after[escaped.len_utf8()..];
                continue;
            }
            '[' if is_in_class && after.starts_with(':') => return Some("[[:".to_owned()),
            '[' if is_in_class => return Some("[ within a class".to_owned()),
            '[' => is_in_class = true,
            ']' => is_in_class = false,
            '&' | '~' | '-' if is_in_class && after.starts_with(c) => return Some(format!("{c}{c}")),
            '(' if !is_in_class && after.starts_with('?') => {
                let kind = after[1..].chars().next();
                // Look-arounds are of ECMA-262: another rule refuses them.
                if !matches!(kind, Some(':' | '=' | '!' | '<')) {
                    return Some(
                        format!("(?{}", kind.filter(char::is_ascii_graphic).unwrap_or(' ')).trim_end().to_owned(),
                    );
                }
            }
            _ => {}
        }
        rest = after;
    }
    None
}

/// The number of characters, classes and assertions of a pattern once its counted repetitions are written out, with the
/// larger bound of each. The size of the automaton grows with it.
fn expanded_length(pattern: &str) -> u64 {
    // The sums of the open groups, the innermost last, and the last item, which a repetition multiplies.
    let (mut sums, mut item) = (vec![0_u64], 0_u64);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '{'
            && let Some(factor) = repetition(&mut chars)
        {
            item = item.saturating_mul(factor);
            continue;
        }
        if matches!(c, '*' | '+' | '?') {
            continue;
        }
        let sum = sums.last_mut().expect("the outermost group stays open");
        *sum = sum.saturating_add(item);
        item = 1;
        match c {
            '(' => {
                let mut ahead = chars.clone();
                if (ahead.next(), ahead.next()) == (Some('?'), Some(':')) {
                    chars = ahead;
                }
                sums.push(0);
                item = 0;
            }
            ')' if sums.len() > 1 => item = sums.pop().unwrap_or_default().max(1),
            '[' => skip_class(&mut chars),
            '\\' => skip_escape(&mut chars),
            _ => {}
        }
    }
    sums.into_iter().fold(item, u64::saturating_add)
}

type Chars<'p> = std::iter::Peekable<std::str::Chars<'p>>;

/// The larger bound of a counted repetition whose brace was read, at least 1. `None`, with nothing read, for literal text.
fn repetition(chars: &mut Chars<'_>) -> Option<u64> {
    let mut ahead = chars.clone();
    let mut bounds = [None; 2];
    let mut at = 0;
    loop {
        match ahead.next()? {
            ',' if at == 0 => at = 1,
            '}' => break,
            digit => {
                let digit = u64::from(digit.to_digit(10)?);
                bounds[at] = Some(bounds[at].unwrap_or(0_u64).saturating_mul(10).saturating_add(digit));
            }
        }
    }
    *chars = ahead;
    bounds.into_iter().flatten().max().map(|bound| bound.max(1))
}

fn skip_class(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            ']' => return,
            _ => {}
        }
    }
}

/// The escaped character, and what stands in braces behind `\p`, `\P`, `\u` and `\x`.
fn skip_escape(chars: &mut Chars<'_>) {
    if matches!(chars.next(), Some('p' | 'P' | 'u' | 'x')) && chars.peek() == Some(&'{') {
        for c in chars.by_ref() {
            if c == '}' {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_repetitions_multiply_within_groups_and_add_beside_each_other() {
        for (pattern, expected) in [
            ("", 0),
            ("^a$", 3),
            ("^[0-9a-f]{8}-[0-9a-f]{4}$", 15),
            ("^(?:.{1000}){50}$", 50_002),
            ("(a{10}b){3}", 33),
            ("((a{9}){9}){9}", 729),
            ("a{2,}", 2),
            ("a{,5}b{x}", 9),
            ("a{0}b", 2),
            (r"\{3}[{9}\]{9}]{2}", 5),
            (r"\p{L}{150}[a-z]{2}", 152),
            ("a{99999999999999999999}{99999999999999999999}", u64::MAX),
        ] {
            assert_eq!(expanded_length(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn constructs_that_ecma_262_lacks_are_refused_by_name() {
        for (pattern, construct) in [
            ("^(?i)abc", "(?i"),
            ("^(?i:abc)", "(?i"),
            ("^(?-u:a)", "(?-"),
            ("^(?P<x>a)", "(?P"),
            ("^(?#a)", "(?#"),
            ("^[[:alpha:]]", "[[:"),
            ("^[a[b]]", "[ within a class"),
            ("^[a-z&&[^b]]", "&&"),
            ("^[a-z--b]", "--"),
            (r"^\Aabc", r"\A"),
            (r"^abc\z", r"\z"),
            (r"^\a", r"\a"),
            (r"^[\h]", r"\h"),
        ] {
            let told = fault(pattern).unwrap_or_else(|| panic!("{pattern} passes"));
            assert!(told.starts_with(&format!("uses {construct},")), "{pattern}: {told}");
        }
        for pattern in ["^a{1,2}{3}", "^a{2}+", "^*", "^(", "^[", r"^\x{41}", r"^\pL", "^a{,5}"] {
            assert!(fault(pattern).is_some_and(|told| told.contains("ECMA-262")), "{pattern}: {:?}", fault(pattern));
        }
        for pattern in ["^a", r"^[\w.-]+\.[a-z]{2,}$", "^(?:a|b)$", "^(?<year>[0-9]{4})", r"^\p{L}+$", "^[a&b~-]$"] {
            assert_eq!(fault(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn patterns_beyond_the_limits_are_refused() {
        assert!(fault("a").is_some_and(|told| told.starts_with("must start with ^")));
        assert!(fault("^(?:.{1000}){50}$").is_some_and(|told| told.contains("at most 1000")));
        let large = r"^\p{L}{150}[a-z]{2}(?:x|y)z*$";
        assert_eq!(fault(large), None);
        assert!(field_validator(&json!({"pattern": large})).is_err(), "{large} compiles");
    }

    #[test]
    fn match_budget_covers_usual_values_and_ends() {
        let mut budget = MatchBudget::new();
        assert!(budget.spend(Some("^-----BEGIN"), &json!("x".repeat(65_536))));
        assert!(budget.spend(None, &json!("x".repeat(10_000_000))) && budget.spend(Some("^a{900}"), &json!(7)));
        assert!(!budget.spend(Some("^a{900}"), &json!("x".repeat(4_000))));
        assert!(budget.spend(Some("^a{900}"), &json!("x".repeat(3_000))));
    }
}
