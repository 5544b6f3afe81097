//! The text of a catalog file, JSON or YAML, as values that know the line of everything in them.
//!
//! Plain YAML words mean what its core schema says, so `no` is a text and `2026-11-24` too. Aliases and tags are refused:
//! nobody needs them here, and the one multiplies.

mod json;
mod scalar;
mod yaml;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::{Problems, pointer};

pub(super) use scalar::is_plain_text;

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
const MEMORY_PER_BYTE: usize = 14;

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
    let mut composer = Composer::new(text.len());
    // YAML holds JSON, whose reader needs less memory.
    let is_json = syntax == Syntax::Json || (text.trim_start().starts_with(['{', '[']) && json::check(text).is_ok());
    let read = if is_json { json::read(text, &mut composer) } else { yaml::read(text, &mut composer) };
    let documents = read.map_err(one)?;
    if !composer.repeated.is_empty() {
        return Err(composer.repeated);
    }
    if documents.is_empty() {
        return Err(one(Fault::at(1, 1, "holds nothing: write an entry")));
    }
    Ok(documents)
}

fn one(fault: Fault) -> Problems<Fault> {
    let mut faults = Problems::default();
    faults.push(fault);
    faults
}

impl Fault {
    fn at(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { line: line.max(1), column: column.max(1), message: message.into() }
    }
}

/// What both readers share: the lines of what has been read, and the limits.
struct Composer {
    lines: Lines,
    repeated: Problems<Fault>,
    /// What is left of the memory that the values of the text may take, in bytes.
    memory: usize,
}

/// Why a value is refused; its reader knows the place.
type Refusal = String;

impl Composer {
    fn new(text_len: usize) -> Self {
        let memory = MEMORY_ALLOWANCE + MEMORY_PER_BYTE * text_len;
        Self { lines: HashMap::new(), repeated: Problems::default(), memory }
    }

    /// Whether another value may begin here.
    fn begin_value(&mut self, at: &Place<'_>) -> Result<(), Refusal> {
        if at.depth > MOST_DEPTH {
            return Err(format!("is nested deeper than {MOST_DEPTH} levels: no entry needs that"));
        }
        self.spend(VALUE_BYTES)
    }

    fn begin_object(&mut self) -> Result<(), Refusal> {
        self.spend(OBJECT_BYTES)
    }

    fn begin_list(&mut self) -> Result<(), Refusal> {
        self.spend(LIST_BYTES)
    }

    /// Refuses a text whose values take far more memory than the text.
    fn spend(&mut self, bytes: usize) -> Result<(), Refusal> {
        let refusal = "has too many small values for its size: split the file, or take out what no entry needs";
        self.memory = self.memory.checked_sub(bytes).ok_or(refusal)?;
        Ok(())
    }

    fn note_line(&mut self, place: &Place<'_>, line: usize) {
        self.lines.entry(place.hash).or_insert(u32::try_from(line).unwrap_or(u32::MAX));
    }

    /// Notes the line of a key; whether the key is new. A repeated one is a fault at this line and column.
    fn note_key(&mut self, object: &Map<String, Value>, place: &Place<'_>, at: impl Fn() -> (usize, usize)) -> bool {
        let is_new = !object.contains_key(place.step);
        if !is_new {
            let first = self.lines.get(&place.hash).copied().unwrap_or_default();
            self.repeated.push_with(|| {
                let ((line, column), pointer) = (at(), place.pointer());
                let message = format!("{pointer} stands here for the second time, first in line {first}: keep one");
                Fault::at(line, column, message)
            });
        }
        is_new
    }

    /// The documents that a value stands for: a list is as many as it has items.
    fn split(&mut self, value: Value) -> Vec<Document> {
        let lines = Arc::new(std::mem::take(&mut self.lines));
        match value {
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                let base = |n: usize| step_hash(ROOT, &n.to_string());
                items.map(|(n, value)| Document { value, base: base(n), lines: lines.clone() }).collect()
            }
            value => vec![Document { value, base: ROOT, lines }],
        }
    }
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
        let text = "{\"\\u0061\": [1, -2.5, \"5\", null, true, \"\\ud83d\\ude00\"]}";
        assert_eq!(one(text, Syntax::Json).value, json!({"a": [1, -2.5, "5", null, true, "\u{1f600}"]}));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place_and_the_cure() {
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        for (text, syntax, line, column, part) in [
            ("{\n \"a\": 1,\n}", Syntax::Json, 3, 1, "key must be a string"),
            ("{\"a\": 1", Syntax::Json, 1, 7, "EOF"),
            ("name: x\n", Syntax::Json, 1, 2, "is no JSON"),
            ("{\"a\": \"\\ud83d\"}", Syntax::Json, 1, 7, "hex escape"),
            ("{\n\"a\": [\"\\ud83d\"]}", Syntax::Json, 2, 7, "hex escape"),
            ("a: 1\n b: 2\n", Syntax::Yaml, 2, 3, "not allowed"),
            ("a:\n\tb: 1\n", Syntax::Yaml, 2, 2, "tabs"),
            ("a: [1,\nb: 2\n", Syntax::Yaml, 2, 1, "flow"),
            ("a: &x 1\nb: *x\n", Syntax::Yaml, 2, 4, "alias"),
            ("a: !!int 5\n", Syntax::Yaml, 1, 4, "tag"),
            ("a: .inf\n", Syntax::Yaml, 1, 4, "number"),
            ("a: 18446744073709551616\n", Syntax::Yaml, 1, 4, "number"),
            ("{\"a\":\n -9223372036854775809}", Syntax::Json, 2, 2, "number"),
            ("a: 1e999\n", Syntax::Yaml, 1, 4, "number"),
            ("[1]: 2\n", Syntax::Yaml, 1, 1, "is no text, as a key must be"),
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
        for dense in ["[]", "{}", "1", "{\"a\": 1}", "[[1]]"] {
            let list = vec![dense; 800_000 / dense.len()];
            let json = format!("{{\"a\": [{}]}}", list.join(","));
            assert!(faults(&json, Syntax::Json)[0].2.contains("too many small values"), "{dense}");
            let yaml = format!("- [[{}]]", list.join(","));
            assert!(faults(&yaml, Syntax::Yaml)[0].2.contains("without brackets"), "{dense}");
            let block = format!("a:\n- {}", list.join("\n- "));
            assert!(faults(&block, Syntax::Yaml)[0].2.contains("too many small values"), "{dense}");
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
