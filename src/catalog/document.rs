//! The text of a catalog file, JSON or YAML, as values that know the line of everything in them.
//!
//! One parser that keeps places reads both: YAML 1.2 holds JSON. Plain YAML words mean what its core schema says, so `no`
//! is a text and `2026-11-24` too. Aliases and tags are refused: nobody needs them here, and the one multiplies.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::{Map, Number, Value};

use crate::domain::{Problems, pointer};

/// Largest text that is read, in bytes.
pub const MOST_BYTES: usize = 4 << 20;
/// Deepest nesting. An entry needs eight levels.
const MOST_DEPTH: usize = 32;
/// The maximum length of a pointer in a message, in characters.
const MAX_POINTER_LEN: usize = 200;
/// Estimated memory of a value with its line, in bytes; of an object or list beyond that; of every text; per byte of text.
const VALUE_BYTES: usize = 96;
const OBJECT_BYTES: usize = 640;
const LIST_BYTES: usize = 144;
const MEMORY_ALLOWANCE: usize = 768 * 1024;
const MEMORY_PER_BYTE: usize = 16;

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Strict JSON.
    Json,
    /// YAML 1.2.
    Yaml,
}

/// One value of a file: most hold one, YAML may hold several documents, and a list is one for each item.
#[derive(Debug)]
pub(super) struct Document {
    /// What was read.
    pub(super) value: Value,
    /// Where it stands in what the lines are of.
    base: u64,
    lines: Arc<Lines>,
}

/// Why a text cannot be read, or not as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
    /// What is wrong, and the cure.
    pub(super) message: String,
}

/// The line of each value, by the hash of its path: a text of long keys has paths that are longer than itself. Two paths
/// with one hash would share a line, which misleads a reader and nothing else.
type Lines = HashMap<u64, u32>;

/// The hash of the path of a whole text.
const ROOT: u64 = 0;

/// The hash of the path that leads one step further.
fn step_hash(parent: u64, step: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (parent, step).hash(&mut hasher);
    hasher.finish()
}

impl Document {
    /// The line of what a JSON pointer names; of what is around it when that is missing.
    pub(super) fn line(&self, pointer: &str) -> usize {
        let line = |at: u64| self.lines.get(&at).map(|line| *line as usize);
        let mut at = self.base;
        let mut innermost = line(at).unwrap_or(1);
        for step in pointer.split('/').skip(1) {
            at = step_hash(at, &step.replace("~1", "/").replace("~0", "~"));
            match line(at) {
                Some(line) => innermost = line,
                None => break,
            }
        }
        innermost
    }
}

/// The way from a whole text to a value.
struct Place<'p> {
    around: Option<&'p Place<'p>>,
    step: &'p str,
    hash: u64,
    depth: usize,
}

impl Place<'_> {
    const ROOT: Self = Self { around: None, step: "", hash: ROOT, depth: 0 };

    fn inner<'p>(&'p self, step: &'p str) -> Place<'p> {
        Place { around: Some(self), step, hash: step_hash(self.hash, step), depth: self.depth + 1 }
    }

    /// The JSON pointer, cut at [`MAX_POINTER_LEN`].
    fn pointer(&self) -> String {
        let mut places: Vec<_> = std::iter::successors(Some(self), |place| place.around).collect();
        places.pop();
        let steps = places.into_iter().rev().map(|place| {
            let step: String = place.step.chars().take(MAX_POINTER_LEN).collect();
            pointer::step(&step)
        });
        steps.collect::<String>().chars().take(MAX_POINTER_LEN).collect()
    }
}

/// The values of a text.
///
/// # Errors
/// What keeps it from being read: keys that stand twice, or the first fault of its syntax.
pub(super) fn read(text: &str, syntax: Syntax) -> Result<Vec<Document>, Problems<Fault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if syntax == Syntax::Json {
        check_json(text).map_err(one)?;
    }
    let memory = MEMORY_ALLOWANCE + MEMORY_PER_BYTE * text.len();
    let marked = with_document_marker(text);
    let Marked { text, line, shift } = &marked;
    let unshifted = |fault: Fault| match fault.line == *line {
        true => Fault { column: fault.column.saturating_sub(*shift).max(1), ..fault },
        false => fault,
    };
    let mut composer = Composer {
        parser: Parser::new_from_str(text),
        syntax,
        lines: HashMap::new(),
        repeated: Problems::default(),
        memory,
    };
    let documents = composer.documents().map_err(|fault| one(unshifted(fault)))?;
    if !composer.repeated.is_empty() {
        return Err(composer.repeated.map(unshifted));
    }
    if documents.is_empty() {
        return Err(one(fault_at(1, 1, "holds nothing: write an entry".to_owned())));
    }
    Ok(documents)
}

/// A text for the parser, and by how many columns one of its lines is shifted.
struct Marked<'t> {
    text: Cow<'t, str>,
    line: usize,
    shift: usize,
}

/// Puts a document marker before a text that begins with a bracket. Without it the parser takes the whole text for a
/// possible key, and keeps all of its tokens until the closing bracket: some 77 times the size of the text.
fn with_document_marker(text: &str) -> Marked<'_> {
    let content = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if !content.starts_with(['{', '[']) {
        return Marked { text: text.into(), line: 0, shift: 0 };
    }
    let blank = &text[..text.len() - content.len()];
    let lines = &blank[..blank.rfind('\n').map_or(0, |at| at + 1)];
    let indent = blank.len() - lines.len();
    // The marker stands in the first column, so it takes the place of the indentation.
    let marker = format!("--- {}", " ".repeat(indent));
    Marked { text: format!("{lines}{marker}{content}").into(), line: lines.matches('\n').count() + 1, shift: 4 }
}

fn one(fault: Fault) -> Problems<Fault> {
    let mut faults = Problems::default();
    faults.push(fault);
    faults
}

/// YAML takes more than JSON, and programs that read JSON alone must be able to read the file.
fn check_json(text: &str) -> Result<(), Fault> {
    // The values are made by the other parser; this one makes none, and needs no memory.
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        fault_at(error.line(), error.column(), format!("is no JSON: {reason}. Correct it here, or just before"))
    })
}

fn fault_at(line: usize, column: usize, message: String) -> Fault {
    Fault { line: line.max(1), column: column.max(1), message }
}

fn fault(span: Span, message: &str) -> Fault {
    fault_at(span.start.line(), span.start.col() + 1, message.to_owned())
}

struct Composer<'t> {
    parser: Parser<'t, StrInput<'t>>,
    syntax: Syntax,
    lines: Lines,
    repeated: Problems<Fault>,
    /// What is left of the memory that the values of the text may take, in bytes.
    memory: usize,
}

impl<'t> Composer<'t> {
    fn documents(&mut self) -> Result<Vec<Document>, Fault> {
        let mut documents = Vec::new();
        while let Some((event, _)) = self.next()? {
            if matches!(event, Event::DocumentStart(_)) {
                let (event, span) = self.expect()?;
                // A marker without a document behind it, as at the end of a file.
                if matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty()) {
                    continue;
                }
                self.note_line(&Place::ROOT, span);
                let value = self.value(event, span, &Place::ROOT)?;
                documents.extend(split(value, Arc::new(std::mem::take(&mut self.lines))));
            }
        }
        Ok(documents)
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Fault> {
        let next = self.parser.next_event().transpose();
        next.map_err(|error| broken(&error, self.syntax))
    }

    fn expect(&mut self) -> Result<(Event<'t>, Span), Fault> {
        self.next()?.ok_or_else(|| fault_at(1, 1, "ends too early".to_owned()))
    }

    fn note_line(&mut self, place: &Place<'_>, span: Span) {
        self.lines.entry(place.hash).or_insert(u32::try_from(span.start.line()).unwrap_or(u32::MAX));
    }

    /// Refuses a text whose values take far more memory than the text.
    fn spend(&mut self, bytes: usize, span: Span) -> Result<(), Fault> {
        let message = "has too many small values for its size: split the file, or take out what no entry needs";
        self.memory = self.memory.checked_sub(bytes).ok_or_else(|| fault(span, message))?;
        Ok(())
    }

    fn value(&mut self, event: Event<'t>, span: Span, at: &Place<'_>) -> Result<Value, Fault> {
        if at.depth > MOST_DEPTH {
            return Err(fault(span, &format!("is nested deeper than {MOST_DEPTH} levels: no entry needs that")));
        }
        self.spend(VALUE_BYTES, span)?;
        match event {
            Event::MappingStart(_, None) => self.spend(OBJECT_BYTES, span).and_then(|()| self.object(at)),
            Event::SequenceStart(_, None) => self.spend(LIST_BYTES, span).and_then(|()| self.list(at)),
            Event::Scalar(text, style, _, None) => self.scalar(&text, style, span),
            Event::Alias(_) => Err(fault(span, "is an alias: write what it stands for")),
            _ => Err(fault(span, "has a tag: take it out, and put quotes around what is to be a text")),
        }
    }

    fn object(&mut self, at: &Place<'_>) -> Result<Value, Fault> {
        let mut object = Map::new();
        loop {
            let (event, span) = self.expect()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Object(object)),
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(fault(span, "is no text, as a key must be")),
            };
            let place = at.inner(&key);
            let is_repeated = object.contains_key(&key);
            if is_repeated {
                let first = self.lines.get(&place.hash).copied().unwrap_or_default();
                self.repeated.push_with(|| {
                    let pointer = place.pointer();
                    fault(span, &format!("{pointer} stands here for the second time, first in line {first}: keep one"))
                });
            }
            self.note_line(&place, span);
            let (event, of_value) = self.expect()?;
            let value = self.value(event, of_value, &place)?;
            if !is_repeated {
                object.insert(key, value);
            }
        }
    }

    fn list(&mut self, at: &Place<'_>) -> Result<Value, Fault> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.expect()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Array(items));
            }
            let index = items.len().to_string();
            let place = at.inner(&index);
            self.note_line(&place, span);
            items.push(self.value(event, span, &place)?);
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span) -> Result<Value, Fault> {
        if style != ScalarStyle::Plain {
            return Ok(Value::String(text.to_owned()));
        }
        plain(text)
            .ok_or_else(|| fault(span, "is a number that cannot be read exactly: put quotes around it, or correct it"))
    }
}

/// A list is as many documents as it has items.
fn split(value: Value, lines: Arc<Lines>) -> Vec<Document> {
    match value {
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            let base = |n: usize| step_hash(ROOT, &n.to_string());
            items.map(|(n, value)| Document { value, base: base(n), lines: lines.clone() }).collect()
        }
        value => vec![Document { value, base: ROOT, lines }],
    }
}

/// What an unquoted word means (YAML 1.2, 10.3.2); none for a number beyond JSON.
fn plain(text: &str) -> Option<Value> {
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
fn number(text: &str) -> Option<Option<Number>> {
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

fn broken(error: &ScanError, syntax: Syntax) -> Fault {
    let cure = match syntax {
        Syntax::Json => "write the character itself instead of its escape",
        Syntax::Yaml => {
            "correct it here, or just before; put quotes around texts with a colon, # or a leading sign in them"
        }
    };
    let (at, name) = (error.marker(), if syntax == Syntax::Json { "JSON" } else { "YAML" });
    fault_at(at.line(), at.col() + 1, format!("cannot be read as {name}: {}. Cure: {cure}", error.info()))
}

/// Whether an unquoted word is a text, to whoever writes one.
pub(super) fn is_plain_text(text: &str) -> bool {
    plain(text).is_some_and(|value| value.is_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one(text: &str, syntax: Syntax) -> Document {
        let mut documents = read(text, syntax).expect("readable");
        assert_eq!(documents.len(), 1);
        documents.remove(0)
    }

    fn faults(text: &str, syntax: Syntax) -> Vec<(usize, usize, String)> {
        let faults = read(text, syntax).map(drop).expect_err("refused");
        faults.listed().iter().cloned().map(|fault| (fault.line, fault.column, fault.message)).collect()
    }

    #[test]
    fn everything_has_its_line_in_both_syntaxes_and_what_is_missing_has_that_around_it() {
        let json = "{\n  \"name\": \"a\",\n  \"auth\": [\n    {\"kind\": \"none\"},\n    {\n\t\"x/y\": 1}\n  ]\n}";
        let yaml = "# ours\nname: a\nauth:\n  - kind: none\n  -\n    x/y: 1\n";
        for (text, syntax, lines) in
            [(json, Syntax::Json, [2, 3, 4, 6, 5, 1]), (yaml, Syntax::Yaml, [2, 3, 4, 6, 6, 2])]
        {
            let document = one(text, syntax);
            assert_eq!(document.value, json!({"name": "a", "auth": [{"kind": "none"}, {"x/y": 1}]}));
            let places = ["/name", "/auth", "/auth/0/kind", "/auth/1/x~1y", "/auth/1/missing/deeper", "/absent"];
            assert_eq!(places.map(|place| document.line(place)), lines, "{text}");
        }
    }

    #[test]
    fn a_list_and_several_documents_are_several_entries_each_with_its_lines() {
        for (text, syntax) in [
            ("[{\"name\": \"a\"},\n {\"name\": \"b\"}]", Syntax::Json),
            ("name: a\n---\nname: b\n", Syntax::Yaml),
            ("name: a\n---\nname: b\n---\n", Syntax::Yaml),
            ("---\nname: a\n---\n---\nname: b\n...\n---\n", Syntax::Yaml),
            ("- name: a\n\n- name: b\n", Syntax::Yaml),
        ] {
            let documents = read(text, syntax).expect("readable");
            let found: Vec<_> = documents.iter().map(|d| (d.value["name"].as_str(), d.line("/name"))).collect();
            let line_of = |key: &str| text[..text.find(key).expect("there")].lines().count();
            let lines = match syntax {
                Syntax::Json => [1, 2],
                Syntax::Yaml => [line_of("ame: a"), line_of("ame: b")],
            };
            assert_eq!(found, [(Some("a"), lines[0]), (Some("b"), lines[1])], "{text}");
        }
    }

    #[test]
    fn plain_words_mean_what_the_core_schema_says() {
        for (text, value) in [
            ("no", json!("no")),
            ("2026-11-24", json!("2026-11-24")),
            ("~", json!(null)),
            ("True", json!(true)),
            ("0o17", json!(15)),
            ("0xff", json!(255)),
            ("+5", json!(5)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.5e3", json!(1500.0)),
            ("1.2.3", json!("1.2.3")),
            ("'5'", json!("5")),
            ("0x", json!("0x")),
        ] {
            assert_eq!(one(&format!("a: {text}"), Syntax::Yaml).value["a"], value, "{text}");
        }
        assert_eq!(one("{\"a\": [1, -2.5, \"5\", null]}", Syntax::Json).value, json!({"a": [1, -2.5, "5", null]}));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place_and_the_cure() {
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        for (text, syntax, line, column, part) in [
            ("{\n \"a\": 1,\n}", Syntax::Json, 3, 1, "key must be a string"),
            ("{\"a\": 1", Syntax::Json, 1, 7, "EOF"),
            ("name: x\n", Syntax::Json, 1, 2, "is no JSON"),
            ("{\"a\": \"\\ud83d\\ude00\"}", Syntax::Json, 1, 7, "write the character itself"),
            ("a: 1\n b: 2\n", Syntax::Yaml, 2, 3, "not allowed"),
            ("a:\n\tb: 1\n", Syntax::Yaml, 2, 2, "tabs"),
            ("a: [1,\nb: 2\n", Syntax::Yaml, 2, 1, "flow"),
            ("a: &x 1\nb: *x\n", Syntax::Yaml, 2, 4, "alias"),
            ("a: !!int 5\n", Syntax::Yaml, 1, 4, "tag"),
            ("a: .inf\n", Syntax::Yaml, 1, 4, "number"),
            ("a: 18446744073709551616\n", Syntax::Yaml, 1, 4, "number"),
            ("{\"a\":\n -9223372036854775809}", Syntax::Json, 2, 2, "number"),
            ("a: 1e999\n", Syntax::Yaml, 1, 4, "number"),
            ("[1]: 2\n", Syntax::Yaml, 1, 4, "not allowed"),
            ("", Syntax::Yaml, 1, 1, "holds nothing"),
            ("# a remark\n", Syntax::Yaml, 1, 1, "holds nothing"),
            ("[]", Syntax::Json, 1, 1, "holds nothing"),
            (&deep, Syntax::Json, 1, 34, "deeper"),
        ] {
            let [(l, c, message)] = &faults(text, syntax)[..] else { panic!("one fault in {text}") };
            assert!((*l, *c) == (line, column) && message.contains(part), "{text}: {l}:{c} {message}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_its_second_place_and_all_such_are_told() {
        for (text, syntax) in [
            ("{\"a\": 1,\n\"a\": 2,\n\"b\": {\"c\": 1,\n\"c\": 1}}", Syntax::Json),
            ("a: 1\na: 2\nb: {c: 1,\n c: 1}\n", Syntax::Yaml),
        ] {
            let found = faults(text, syntax);
            let places: Vec<_> = found.iter().map(|(line, _, message)| (*line, message.as_str())).collect();
            let [(2, a), (4, c)] = places[..] else { panic!("{places:?}") };
            assert!(a.starts_with("/a ") && c.starts_with("/b/c ") && a.contains("line 1"), "{places:?}");
        }
    }

    #[test]
    fn aliases_that_multiply_and_nesting_without_end_are_refused_at_once() {
        let mut bomb = "a0: &a0 [x, x]\n".to_owned();
        for n in 1..30 {
            bomb.push_str(&format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1));
        }
        assert!(faults(&bomb, Syntax::Yaml)[0].2.contains("alias"));
        for endless in ["[", "{a: ", "- ", "? "] {
            read(&endless.repeat(100_000), Syntax::Yaml).expect_err("refused");
        }
    }

    #[test]
    fn memory_of_a_text_is_bounded_by_its_length() {
        for dense in ["[],", "{},", "1,", "{a: 1},", "[[1]],"] {
            let text = format!("a: [{}]", dense.repeat(400_000 / dense.len()));
            assert!(faults(&text, Syntax::Yaml)[0].2.contains("too many small values"), "{dense}");
        }
        let (long, items) = ("k".repeat(100_000), "1000,".repeat(2_000));
        let document = one(&format!("? {long}\n: [{items}]"), Syntax::Yaml);
        assert_eq!(document.lines.len(), 2_002);
        let repeated = format!("? {long}\n: {{{}}}", "a: 1,\n ".repeat(500));
        let faults = read(&repeated, Syntax::Yaml).expect_err("refused");
        assert_eq!(faults.count(), 499);
        assert!(faults.listed().iter().all(|fault| fault.message.len() < 400));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[-\\[\\]{}:,?&*!|>'\"#% \\n\\tab0.~]{0,60}") {
            let _ = read(&text, Syntax::Yaml);
            let _ = read(&text, Syntax::Json);
        }
    }
}
