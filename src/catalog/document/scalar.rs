//! Words and numbers without quotes.

use serde_json::{Number, Value};

/// Why a number is refused.
pub(super) const INEXACT: &str = "is a number that cannot be read exactly: put quotes around it, or correct it";

/// What an unquoted word means (YAML 1.2, 10.3.2); none for a number beyond JSON.
pub(super) fn plain(text: &str) -> Option<Value> {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_beyond(text) => return None,
        _ => match number(text) {
            Some(number) => Value::Number(number?),
            None => Value::String(text.to_owned()),
        },
    };
    Some(value)
}

fn is_beyond(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    text == ".inf" || text == ".nan"
}

/// None when it is no number; a number that is none when JSON has no such.
pub(super) fn number(text: &str) -> Option<Option<Number>> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix).filter(|digits| !digits.starts_with(['+', '-'])) {
            return u64::from_str_radix(digits, radix).ok().map(|number| Some(number.into()));
        }
    }
    let is_numeric = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    if !text.chars().all(is_numeric) || !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(Some(number.into()));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(Some(number.into()));
    }
    // An integer that no 64 bits hold would be rounded.
    if text.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(None);
    }
    text.parse().ok().map(Number::from_f64)
}

/// Whether an unquoted word of YAML is a text.
pub(in crate::catalog) fn is_plain_text(text: &str) -> bool {
    plain(text).is_some_and(|value| value.is_string())
}
