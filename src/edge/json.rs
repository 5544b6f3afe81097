//! Checks of a JSON text before it is parsed.
//!
//! The parser rounds an integer beyond 64 bits to a floating-point number without an error, and a value takes more memory
//! than its text.

use std::ops::Range;

use crate::domain::pointer;
use crate::error::{Error, Result};

/// Deepest nesting that is followed; the parser refuses deeper texts.
const MAX_DEPTH: usize = 128;
/// Longest pointer of a message, in characters.
const MAX_POINTER_LEN: usize = 200;

/// The memory that parsed values take, in bytes, and that a text may take.
struct Weights {
    /// An object with at least one member: a node of the parser's tree.
    object: usize,
    /// Each further member.
    member: usize,
    /// A list with at least one item.
    list: usize,
    /// Each further item, the list's growth included.
    item: usize,
    /// What every text may take.
    allowance: usize,
    /// What a text may take beyond that, per byte.
    per_byte: usize,
}

/// One copy of the values, as `serde_json` keeps them.
const PLAIN: Weights = Weights { object: 640, member: 110, list: 144, item: 48, allowance: 768 * 1024, per_byte: 16 };
/// Variables of GraphQL: the library keeps them in larger values of its own, beside a copy in plain ones.
const VARIABLES: Weights =
    Weights { object: 1_280, member: 220, list: 300, item: 150, allowance: 1024 * 1024, per_byte: 20 };

/// Checks that every integer fits 64 bits, and that the values take memory in proportion to the text. A text that is no
/// JSON is left to the parser.
///
/// # Errors
/// [`Error::IntegerOutOfRange`]; [`Error::BadInput`].
pub fn check_json(text: &[u8]) -> Result<()> {
    check(text, &PLAIN)
}

/// The same check of a text that holds variables of GraphQL.
///
/// # Errors
/// Those of [`check_json`].
pub fn check_variables(text: &[u8]) -> Result<()> {
    check(text, &VARIABLES)
}

fn check(text: &[u8], weights: &Weights) -> Result<()> {
    let mut scan = Scan { text, weights, path: Vec::new(), memory: 0 };
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at = match byte {
            b'"' => scan.string(at),
            b'-' | b'0'..=b'9' => scan.number(at)?,
            b'{' | b'[' if scan.path.len() == MAX_DEPTH => return Ok(()),
            b'{' => scan.open(Step::Member(0..0), at),
            b'[' => scan.open(Step::Item(0), at),
            b'}' | b']' => {
                scan.path.pop();
                at + 1
            }
            b',' => scan.next(at),
            _ => at + 1,
        };
    }
    if scan.memory > weights.allowance + weights.per_byte * text.len() {
        return Err(Error::bad_input("The JSON has too many small values for its size"));
    }
    Ok(())
}

/// Whether a token of digits is an integer that no 64 bits hold. A number with a fraction or an exponent is none.
pub fn is_integer_out_of_range(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    digits.len() > 18
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && token.parse::<i64>().is_err()
        && token.parse::<u64>().is_err()
}

/// The way from the whole to the value that is read.
struct Scan<'a> {
    text: &'a [u8],
    weights: &'a Weights,
    path: Vec<Step>,
    /// Estimate of what the parsed value takes, in bytes.
    memory: usize,
}

enum Step {
    /// The member whose name stands there, quotes included.
    Member(Range<usize>),
    /// The item at this index.
    Item(usize),
}

impl Scan<'_> {
    /// The end of the string at `start`. The last string of an object before another value is that value's name.
    fn string(&mut self, start: usize) -> usize {
        let mut at = start + 1;
        while let Some(byte) = self.text.get(at) {
            match byte {
                b'\\' => at += 2,
                b'"' => break,
                _ => at += 1,
            }
        }
        let end = (at + 1).min(self.text.len());
        if let Some(Step::Member(name)) = self.path.last_mut() {
            *name = start..end;
        }
        end
    }

    fn number(&self, start: usize) -> Result<usize> {
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = self.text[start..].iter().take_while(|byte| is_part(byte)).count();
        let token = &self.text[start..start + length];
        match str::from_utf8(token).is_ok_and(is_integer_out_of_range) {
            true => Err(Error::IntegerOutOfRange { pointer: self.pointer() }),
            false => Ok(start + length),
        }
    }

    fn open(&mut self, step: Step, at: usize) -> usize {
        let rest = self.text[at + 1..].iter().find(|byte| !byte.is_ascii_whitespace());
        if !matches!(rest, Some(b'}' | b']')) {
            self.memory += if matches!(step, Step::Item(_)) { self.weights.list } else { self.weights.object };
        }
        self.path.push(step);
        at + 1
    }

    fn next(&mut self, at: usize) -> usize {
        match self.path.last_mut() {
            Some(Step::Item(index)) => {
                *index += 1;
                self.memory += self.weights.item;
            }
            Some(Step::Member(_)) => self.memory += self.weights.member,
            None => {}
        }
        at + 1
    }

    fn pointer(&self) -> String {
        let steps = self.path.iter().map(|step| match step {
            Step::Item(index) => format!("/{index}"),
            Step::Member(name) => {
                pointer::step(&serde_json::from_slice::<String>(&self.text[name.clone()]).unwrap_or_default())
            }
        });
        let pointer = steps.collect::<String>();
        pointer.chars().filter(|c| !c.is_control()).take(MAX_POINTER_LEN).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer_of(text: &str) -> Option<String> {
        match check_json(text.as_bytes()) {
            Ok(()) => None,
            Err(Error::IntegerOutOfRange { pointer }) => Some(pointer),
            Err(error) => panic!("{text}: {error:?}"),
        }
    }

    #[test]
    fn integer_beyond_64_bits_has_its_pointer() {
        for (text, pointer) in [
            ("18446744073709551616", ""),
            ("-9223372036854775809", ""),
            (r#"{"params": {"a": "x", "n" : 18446744073709551616}}"#, "/params/n"),
            (r#"{"a": {"b": 1}, "c\"/~": [1, {"x": 2}, 99999999999999999999]}"#, "/c\"~1~0/2"),
            (r#"[[], [0, 10000000000000000000000]]"#, "/1/1"),
        ] {
            assert_eq!(pointer_of(text).as_deref(), Some(pointer), "{text}");
        }
    }

    #[test]
    fn integers_of_64_bits_floats_and_strings_pass() {
        for text in [
            "18446744073709551615",
            "-9223372036854775808",
            "1e400",
            "123456789012345678901.5",
            "1.8446744073709552e19",
            r#"{"18446744073709551616": "18446744073709551616", "\"": 1}"#,
            "\"18446744073709551616",
            "\"\\",
            "{]}[",
            "",
        ] {
            assert_eq!(pointer_of(text), None, "{text}");
        }
        let deep = "[".repeat(100_000) + "18446744073709551616";
        assert_eq!(pointer_of(&deep), None, "the parser refuses the depth");
    }

    #[test]
    fn dense_text_is_refused_and_usual_text_is_not() {
        let repeated = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
        assert!(check_json(repeated(r#"{"a":1}"#, 30_000).as_bytes()).is_err());
        assert!(check_json(repeated("[1]", 50_000).as_bytes()).is_err());
        assert!(check_json(repeated(r#"{"a":1}"#, 1_000).as_bytes()).is_ok());
        assert!(check_json(repeated("12345", 40_000).as_bytes()).is_ok());
        let row = r#"{"id": 12345, "name": "a common name", "is_active": true}"#;
        assert!(check_json(repeated(row, 4_000).as_bytes()).is_ok());
        assert!(check_variables(repeated(row, 1_000).as_bytes()).is_ok());
        assert!(check_variables(repeated("{}", 20_000).as_bytes()).is_err());
        assert!(check_variables(repeated("0", 32_000).as_bytes()).is_err());
    }
}
