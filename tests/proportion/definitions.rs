//! Definitions of custom integrations, and catalog files.

use chrono::NaiveDate;
use patchbay::catalog::{self, Batch, Set, SourceFile, Syntax};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::measure::{BODY_ALLOWANCE, Cost, MEMORY_ALLOWANCE, excess, measure};

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 30).expect("a date")
}

/// Parses and checks a definition as a request does, and renders its problems; the size of that text.
fn check_definition(text: &str) -> (usize, Cost) {
    measure(|| {
        let Ok(document) = serde_json::from_str::<Value>(text) else { return 0 };
        let problems = catalog::check(&document, Set::Custom, today()).problems;
        let listed = problems.listed().iter().map(|problem| format!("{} {}; ", problem.pointer, problem.message));
        listed.collect::<String>().len()
    })
}

/// Checks a catalog file as `patchbay catalog validate` does; the size of the lines it prints.
fn validate_file(text: &str, syntax: Syntax) -> (usize, Cost) {
    let file = SourceFile { path: "acme.yaml".into(), text: text.to_owned(), syntax };
    let files = [file];
    measure(|| {
        let batch = Batch::check(&files, Set::Custom, today(), || ());
        let lines = batch.problems.listed().iter().chain(batch.warnings.listed()).map(|finding| format!("{finding}\n"));
        lines.collect::<String>().len()
    })
}

/// Fails when checking the document costs or answers too much, as a request or as a file.
fn assert_in_proportion(document: &Value) -> Result<(), TestCaseError> {
    let text = document.to_string();
    let yaml = catalog::write(document, Syntax::Yaml);
    let runs = [
        ("definition", text.len(), BODY_ALLOWANCE, check_definition(&text)),
        ("JSON file", text.len(), MEMORY_ALLOWANCE, validate_file(&text, Syntax::Json)),
        ("YAML file", yaml.len(), MEMORY_ALLOWANCE, validate_file(&yaml, Syntax::Yaml)),
    ];
    for (what, size, allowance, (answer, cost)) in runs {
        let beginning: String = text.chars().take(300).collect();
        let fault = excess(size, allowance, cost);
        prop_assert!(fault.is_none(), "{what}: {}: {beginning}", fault.unwrap_or_default());
        prop_assert!(answer <= 4 * size + 64 * 1024, "{what}: an answer of {answer} bytes: {beginning}");
    }
    Ok(())
}

fn entry(params: Value, http: Value) -> Value {
    json!({
        "name": "acme", "display_name": "Acme", "description": "Sells anvils.", "category": "commerce",
        "auth": [{"kind": "none"}], "params": params, "http": http
    })
}

fn http(base_url: &str) -> Value {
    json!({"base_url": base_url, "allowed_hosts": [base_url], "verify": {"method": "GET", "path": base_url, "expect_status": 200}})
}

fn field(name: &str, example: &Value, pattern: Option<&str>) -> Value {
    let mut field = json!({"name": name, "label": "L", "type": "string", "example": example});
    if let Some(pattern) = pattern {
        field["pattern"] = json!(pattern);
    }
    field
}

fn fields(count: usize, pattern: Option<&str>) -> Value {
    (0..count).map(|n| field(&format!("f{n}"), &json!("x"), pattern)).collect()
}

/// The documents of the findings that this test stands for.
fn attacks() -> Vec<Value> {
    let mut documents = vec![
        entry(json!([field("a", &json!("{a}{a}"), None)]), http(&"{a}".repeat(29))),
        entry(json!([field("a", &json!("x".repeat(20_000)), None)]), http(&"{a}".repeat(10_000))),
        entry(json!([field("a", &json!("{a}".repeat(1_300)), None)]), http(&"{a}".repeat(166))),
        entry(fields(1_150, None), http("https://x.example")),
        entry(json!(vec![json!({}); 16_000]), Value::Null),
        entry(json!(vec![json!([]); 16_000]), Value::Null),
        entry(json!(vec!["\0"; 8_000]), Value::Null),
        json!({"auth": vec![json!({"placements": vec![json!({}); 1_000]}); 16]}),
        Value::Object((0..6_000).map(|n| (format!("k{n}"), json!(1))).collect::<Map<_, _>>()),
        json!({"a".repeat(30_000): vec![1; 10_000]}),
        json!({"params": [{"enum": vec!["x"; 10_000]}], "tags": vec!["x"; 10_000]}),
    ];
    for pattern in [
        "^(?:.{1000}){50}$",
        "^.{1000}$",
        r"^\p{L}{150}[a-z]{2}(?:x|y)z*$",
        r"^\p{L}{1,3}\p{L}*$",
        "^(?:a?){400}a{400}$",
        "^(?:(?:(?:a{9}){9}){9})$",
        "^[a-z]{0,20}[0-9]{0,20}[a-z]{0,20}$",
        "^(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((",
    ] {
        documents.push(entry(fields(100, Some(pattern)), Value::Null));
        documents.push(entry(fields(16, Some(pattern)), Value::Null));
        let long = json!("a".repeat(3_900));
        let examples = (0..16).map(|n| field(&format!("f{n}"), &long, Some(pattern))).collect();
        documents.push(entry(examples, Value::Null));
    }
    documents
}

#[test]
fn known_attacks_are_checked_in_proportion() {
    for document in attacks() {
        assert_in_proportion(&document).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn dense_files_are_refused_in_proportion() {
    for dense in ["[]", "{}", "1", "{\"a\": 1}", "[[1]]", "\"\"", "[", "{\"a\":", "!a", "&a", "*a", "?", "a: 1"] {
        for size in [2 << 10, 16 << 10, 64 << 10, 1 << 20] {
            let list = vec![dense; size / dense.len()];
            for (text, syntax) in [
                (format!("{{\"params\": [{}]}}", list.join(",")), Syntax::Json),
                (format!("params: [{}]\n", list.join(",")), Syntax::Yaml),
                (format!("params: [{}]\n", list.join(" ")), Syntax::Yaml),
                (format!("params:\n- {}\n", list.join("\n- ")), Syntax::Yaml),
            ] {
                let (_, cost) = validate_file(&text, syntax);
                assert_eq!(excess(text.len(), MEMORY_ALLOWANCE, cost), None, "{syntax:?}: {dense} × {size}");
            }
        }
    }
}

/// Texts of every length that the limits are about, templates and characters that are refused among them.
fn texts() -> impl Strategy<Value = Value> {
    let piece = prop_oneof![
        Just("{a}".to_owned()),
        Just("{f1}".to_owned()),
        Just("https://".to_owned()),
        Just("\0".to_owned()),
        Just("\u{202e}".to_owned()),
        "[ -~]{0,8}",
        "\\PC{0,4}",
    ];
    let count = prop_oneof![8 => 0..4_usize, 2 => 0..200_usize, 1 => 0..8_000_usize];
    (prop::collection::vec(piece, 1..4), count).prop_map(|(pieces, count)| json!(pieces.concat().repeat(count)))
}

/// Patterns, well-formed or not, with repetitions in repetitions.
fn patterns() -> impl Strategy<Value = Value> {
    let atom = prop_oneof![
        Just("a".to_owned()),
        Just(".".to_owned()),
        Just(r"\p{L}".to_owned()),
        Just(r"\w".to_owned()),
        Just("[a-z0-9_-]".to_owned()),
        Just("(?i)".to_owned()),
        "[ -~]{1,4}",
    ];
    let pattern = atom.prop_recursive(4, 24, 4, |inner| {
        let repetition = prop::sample::select(vec!["", "*", "+", "?", "{2}", "{0,9}", "{40}", "{1000}"]);
        (prop::collection::vec(inner, 1..4), repetition, any::<bool>()).prop_map(|(items, repetition, is_choice)| {
            format!("(?:{}){repetition}", items.join(if is_choice { "|" } else { "" }))
        })
    });
    pattern.prop_map(|pattern| json!(format!("^{pattern}")))
}

/// A value of any kind and size.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        texts(),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            (inner.clone(), 0..400_usize).prop_map(|(value, count)| if value.to_string().len() < 40 {
                json!(vec![value; count])
            } else {
                value
            }),
            prop::collection::btree_map("[a-z_]{0,12}", inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

/// An object with some of these keys, each mostly with a value of its own kind.
fn objects(keys: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Value> {
    let members = keys.into_iter().map(|(key, usual)| {
        prop_oneof![6 => Just(None), 12 => usual.prop_map(Some), 1 => values().prop_map(Some)]
            .prop_map(move |value| value.map(|value| (key.to_owned(), value)))
    });
    members.collect::<Vec<_>>().prop_map(|members| Value::from_iter(members.into_iter().flatten()))
}

fn many(items: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    let count = prop_oneof![8 => 1..3_usize, 2 => 1..70_usize, 1 => 1..1_200_usize];
    (prop::collection::vec(items, 0..3), count)
        .prop_map(|(items, count)| {
            // Copies beyond the limit on a definition would only be refused for that.
            let size = items.iter().map(|item| item.to_string().len()).sum::<usize>().max(1);
            let count = count.min(60_000 / size).max(1);
            json!(items.iter().cycle().take(items.len() * count).collect::<Vec<_>>())
        })
        .boxed()
}

fn words(words: &'static [&'static str]) -> BoxedStrategy<Value> {
    prop::sample::select(words).prop_map(Value::from).boxed()
}

fn field_objects() -> BoxedStrategy<Value> {
    objects(vec![
        ("name", words(&["a", "f1", "api_key", "A"])),
        ("label", texts().boxed()),
        ("help", texts().boxed()),
        ("type", words(&["string", "integer", "boolean", "enum", "float"])),
        ("format", words(&["uri", "hostname", "email", "uuid"])),
        ("pattern", patterns().boxed()),
        ("enum", many(texts())),
        ("default", texts().boxed()),
        ("example", texts().boxed()),
        ("order", any::<i64>().prop_map(Value::from).boxed()),
        ("applies_to", many(texts())),
    ])
    .boxed()
}

fn definitions() -> impl Strategy<Value = Value> {
    let placements = objects(vec![
        ("in", words(&["header", "query", "path", "body"])),
        ("header_name", texts().boxed()),
        ("prefix", texts().boxed()),
        ("field", words(&["a", "f1"])),
        ("value", texts().boxed()),
    ]);
    let auth = objects(vec![("kind", words(&["none", "bearer"])), ("placements", many(placements))]);
    let verify = objects(vec![
        ("method", words(&["GET"])),
        ("path", texts().boxed()),
        ("expect_status", (0..700_i64).prop_map(Value::from).boxed()),
        ("body", texts().boxed()),
        ("ok_value", values().boxed()),
    ]);
    let http =
        objects(vec![("base_url", texts().boxed()), ("allowed_hosts", many(texts())), ("verify", verify.boxed())]);
    objects(vec![
        ("name", words(&["acme", "stripe"])),
        ("display_name", texts().boxed()),
        ("description", texts().boxed()),
        ("category", words(&["ai", "crm"])),
        ("tags", many(texts())),
        ("docs_url", texts().boxed()),
        ("auth", many(auth)),
        ("params", many(field_objects())),
        ("secrets", many(field_objects())),
        ("http", http.boxed()),
        ("colour", values().boxed()),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn generated_definitions_are_checked_in_proportion(document in definitions()) {
        assert_in_proportion(&document)?;
    }

    #[test]
    fn any_document_is_checked_in_proportion(document in values()) {
        assert_in_proportion(&document)?;
    }
}
